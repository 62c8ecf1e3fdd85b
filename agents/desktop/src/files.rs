//! Files in and out of a worker's home. The worker may put anything there at any time, so each step is taken from
//! an open folder, over no link, and only to regular files.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;

use crate::error::DesktopError;

/// The largest file that goes in or out, in bytes.
const LARGEST: u64 = 256 << 20;
const MOST_NAMES: usize = 10_000;

pub(crate) struct Home {
    folder: OwnedFd,
    owner: Option<u32>,
}

impl Home {
    pub fn open(path: &Path, owner: Option<u32>) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        Ok(Self { folder: rustix::fs::open(path, flags, Mode::empty())?, owner })
    }

    pub fn read(&self, rel: &str) -> Result<Vec<u8>, DesktopError> {
        let read = || -> io::Result<Vec<u8>> {
            // Without NONBLOCK the opening of a pipe would wait for its other end.
            let file = File::from(self.step(&self.folder, plain(rel)?, OFlags::RDONLY | OFlags::NONBLOCK)?);
            let meta = file.metadata()?;
            if !meta.is_file() {
                return Err(io::Error::other("it is no regular file"));
            }
            if meta.len() > LARGEST {
                return Err(io::Error::other(format!("it has {} bytes, more than {LARGEST}", meta.len())));
            }
            let mut bytes = Vec::with_capacity(meta.len() as usize);
            // It may grow while it is read.
            file.take(LARGEST).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|error| refused(rel, &error))
    }

    pub fn write(&self, rel: &str, bytes: &[u8]) -> Result<(), DesktopError> {
        let write = || -> io::Result<()> {
            if bytes.len() as u64 > LARGEST {
                return Err(io::Error::other(format!("it would have {} bytes, more than {LARGEST}", bytes.len())));
            }
            let path = Path::new(plain(rel)?);
            let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            let folder = self.make_folders(path.parent().unwrap_or(Path::new("")))?;
            self.replace(&folder, name, bytes)
        };
        write().map_err(|error| refused(rel, &error))
    }

    pub fn list(&self, rel: &str) -> Result<Vec<String>, DesktopError> {
        let list = || -> io::Result<Vec<String>> {
            let path = if rel.is_empty() { "." } else { plain(rel)? };
            let folder = self.step(&self.folder, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
            let mut names = Vec::new();
            for entry in rustix::fs::Dir::read_from(&folder)?.take(MOST_NAMES) {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                match entry.file_type() {
                    _ if matches!(name.as_str(), "." | "..") => {}
                    FileType::Directory => names.push(name + "/"),
                    _ => names.push(name),
                }
            }
            names.sort();
            Ok(names)
        };
        list().map_err(|error| refused(rel, &error))
    }

    fn step(&self, from: &OwnedFd, path: impl rustix::path::Arg, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        Ok(rustix::fs::openat2(from, path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty(), resolve)?)
    }

    fn make_folders(&self, path: &Path) -> io::Result<OwnedFd> {
        let mut folder = self.step(&self.folder, ".", OFlags::RDONLY | OFlags::DIRECTORY)?;
        for part in path {
            let made = match rustix::fs::mkdirat(&folder, part, Mode::from_raw_mode(0o755)) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(error) => return Err(error.into()),
            };
            let next = self.step(&folder, part, OFlags::RDONLY | OFlags::DIRECTORY)?;
            if made {
                self.give(&next)?;
            }
            folder = next;
        }
        Ok(folder)
    }

    /// Under another name first, so that no program sees half of it.
    fn replace(&self, folder: &OwnedFd, name: &std::ffi::OsStr, bytes: &[u8]) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let temporary = format!(".mezzanine-{}-{count}", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(folder, temporary.as_str(), flags, Mode::from_raw_mode(0o644))?);
        let written = self
            .give(&file)
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| Ok(rustix::fs::renameat(folder, temporary.as_str(), folder, name)?));
        if written.is_err() {
            let _ = rustix::fs::unlinkat(folder, temporary.as_str(), AtFlags::empty());
        }
        written
    }

    fn give(&self, fd: impl std::os::fd::AsFd) -> io::Result<()> {
        if let Some(owner) = self.owner {
            rustix::fs::fchown(fd, Some(Uid::from_raw(owner)), Some(Gid::from_raw(owner)))?;
        }
        Ok(())
    }
}

/// A path without tricks; the kernel checks once more.
fn plain(rel: &str) -> io::Result<&str> {
    let fits = !rel.is_empty() && Path::new(rel).components().all(|part| matches!(part, Component::Normal(_)));
    if fits { Ok(rel) } else { Err(io::Error::other("it must be a path below the home, without '..'")) }
}

fn refused(rel: &str, error: &io::Error) -> DesktopError {
    let why = match error.raw_os_error() {
        Some(libc::ELOOP) => "a link is on the way, and none is followed".to_owned(),
        Some(libc::EXDEV) => "it leads out of the home".to_owned(),
        _ => error.to_string(),
    };
    DesktopError::File { path: rel.chars().take(200).collect(), why }
}

/// Bytes that the regular files below hold on disk; none where there are more than `most_entries` names.
pub(crate) fn disk_used(path: &Path, most_entries: usize) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let (mut folders, mut total, mut entries) = (vec![path.to_owned()], 0, 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            entries += 1;
            if entries > most_entries {
                return None;
            }
            // Of a link its own size, not that of where it leads.
            let Ok(meta) = entry.metadata() else { continue };
            total += meta.blocks() * 512;
            if meta.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn too_many_names_are_not_taken_for_little() {
        let folder = tempfile::tempdir().unwrap();
        (0..3).for_each(|i| std::fs::write(folder.path().join(i.to_string()), vec![1; 4096]).unwrap());
        assert_eq!(disk_used(folder.path(), 3), Some(3 * 4096));
        assert_eq!(disk_used(folder.path(), 2), None);
    }

    #[test]
    fn no_link_leads_out() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path(), None).unwrap();
        home.write("a/b/c.txt", b"hello").unwrap();
        assert_eq!(home.read("a/b/c.txt").unwrap(), b"hello");
        assert_eq!((home.list("").unwrap(), home.list("a/b").unwrap()), (vec!["a/".to_owned()], vec!["c.txt".to_owned()]));
        symlink(outside.path().join("secret"), folder.path().join("link")).unwrap();
        symlink(outside.path(), folder.path().join("door")).unwrap();
        symlink("/proc/self/root", folder.path().join("magic")).unwrap();
        for rel in ["link", "door/secret", "../x", "/etc/passwd", "", "a/../../x", "magic/etc/passwd", "a"] {
            assert!(home.read(rel).is_err(), "{rel:?} was read");
        }
        assert!(home.write("door/new", b"x").is_err() && !outside.path().join("new").exists());
        home.write("link", b"replaced").unwrap();
        assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"s", "the link's target was written");
        rustix::fs::mknodat(rustix::fs::CWD, folder.path().join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .unwrap();
        assert!(home.read("pipe").is_err());
    }
}
