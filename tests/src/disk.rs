//! A disk of its own for an engine's state, small enough to be filled.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use rustix::thread::UnshareFlags;

const BLOCK: usize = 1 << 20;

/// Gone when dropped. Only this thread and what it starts see it.
pub struct SmallDisk {
    place: PathBuf,
}

impl SmallDisk {
    /// None, and a line that says why, where this user may not mount anything.
    pub fn at(place: &Path, mib: u64) -> anyhow::Result<Option<Self>> {
        std::fs::create_dir_all(place)?;
        // SAFETY: no file descriptor or memory changes its meaning; the mounts of this thread become its own.
        if let Err(error) = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) } {
            println!("not tested: mounts of its own are not allowed here: {error}");
            return Ok(None);
        }
        let options = format!("size={mib}m,mode=711");
        for args in [vec!["--make-rprivate", "/"], vec!["-t", "tmpfs", "-o", &options, "tmpfs"]] {
            let mut mount = Command::new("mount");
            mount.args(&args);
            if args.len() > 2 {
                mount.arg(place);
            }
            let said = mount.output().context("cannot run mount")?;
            if !said.status.success() {
                println!("not tested: {}", String::from_utf8_lossy(&said.stderr).trim());
                return Ok(None);
            }
        }
        Ok(Some(Self { place: place.to_owned() }))
    }

    fn ballast(&self) -> PathBuf {
        self.place.join("ballast")
    }

    pub fn free(&self) -> anyhow::Result<u64> {
        let stat = rustix::fs::statvfs(&self.place)?;
        Ok(stat.f_bavail * stat.f_frsize)
    }

    /// Takes all room but for `left` bytes.
    pub fn fill(&self, left: u64) -> anyhow::Result<()> {
        let mut file = File::create(self.ballast())?;
        let block = vec![1; BLOCK];
        loop {
            let over = usize::try_from(self.free()?.saturating_sub(left)).unwrap_or(BLOCK);
            if over == 0 {
                return Ok(());
            }
            match file.write(&block[..over.min(BLOCK)]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives the room back.
    pub fn clear(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.ballast())?;
        ensure!(self.free()? > 0, "the room did not come back");
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever still has a file open in it keeps it until then.
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).status();
    }
}
