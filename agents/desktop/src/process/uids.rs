//! The user ids of the host that one engine has to itself. Two engines of root on one machine must never share an id,
//! and a new one must not meet the processes of one that was killed.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::error::DesktopError;
use crate::process::procs;

const LOCKS: &str = "/run/mezzanine/users";
const CLEARED: Duration = Duration::from_secs(3);

/// Ids that Linux systems give to nobody, cut into ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Space {
    first: u32,
    /// Ids of one range.
    size: u32,
    ranges: u32,
}

/// Both are gaps in systemd's list of user ids. The small one is for machines, mostly containers, whose user
/// namespace does not know large ids.
const LARGE: Space = Space { first: 0x7000_0000, size: 2048, ranges: 64 };
const SMALL: Space = Space { first: 60_580, size: 100, ranges: 6 };

impl Space {
    fn of_this_machine() -> Self {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        if LARGE.is_mapped(&map) { LARGE } else { SMALL }
    }

    fn is_mapped(self, map: &str) -> bool {
        map.lines().any(|line| {
            let mut fields = line.split_whitespace().map(|field| field.parse::<u64>().unwrap_or(0));
            let (first, count) = (fields.next().unwrap_or(0), fields.nth(1).unwrap_or(0));
            (first..first.saturating_add(count)).contains(&u64::from(self.first))
                && first + count >= u64::from(self.first + self.size * self.ranges)
        })
    }
}

/// A range of ids, held for as long as this lives: the kernel lets the lock go when its holder dies.
pub(crate) struct Uids {
    first: u32,
    size: u32,
    _lock: File,
}

impl Uids {
    /// The first range that no living engine has. What runs in it still is killed.
    pub fn claim() -> Result<Self, DesktopError> {
        Self::claim_in(Path::new(LOCKS), Space::of_this_machine())
    }

    fn claim_in(folder: &Path, space: Space) -> Result<Self, DesktopError> {
        open_folder(folder).map_err(DesktopError::io(format!("making the folder {}", folder.display())))?;
        for index in 0..space.ranges {
            let path = folder.join(format!("{index}.lock"));
            let locked = lock(&path).map_err(DesktopError::io(format!("locking {}", path.display())))?;
            let Some((mut lock, was_used)) = locked else { continue };
            let first = space.first + index * space.size;
            // Only where an engine of this machine's present run had it: what else has these ids is none of ours.
            if was_used && !clear(first, space.size) {
                tracing::warn!(first, "processes of a killed engine do not end: other user ids are taken");
                continue;
            }
            lock.write_all(b"used\n").map_err(DesktopError::io(format!("writing {}", path.display())))?;
            return Ok(Self { first, size: space.size, _lock: lock });
        }
        Err(DesktopError::NoUsers { engines: space.ranges, folder: folder.to_owned() })
    }

    /// How many desktops it is enough for.
    pub fn desktops(&self) -> u16 {
        u16::try_from((self.size - 2) / 2).unwrap_or(u16::MAX)
    }

    /// Of a desktop's programs.
    pub fn programs(&self, number: u16) -> u32 {
        self.first + 2 + 2 * u32::from(number)
    }

    /// Of a desktop's X server.
    pub fn display(&self, number: u16) -> u32 {
        self.programs(number) + 1
    }

    /// Of the company's services.
    pub fn services(&self) -> u32 {
        self.first
    }

    /// To try what this machine allows.
    pub fn probe(&self) -> u32 {
        self.first + 1
    }
}

fn open_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    let data = fs::symlink_metadata(folder)?;
    let own = data.is_dir() && data.uid() == rustix::process::geteuid().as_raw() && data.mode() & 0o022 == 0;
    if own { Ok(()) } else { Err(io::Error::other("it can be written by others: remove it")) }
}

/// The lock, and whether an engine had it before; none where one has it now.
fn lock(path: &PathBuf) -> io::Result<Option<(File, bool)>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?;
    match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut file = File::from(fd);
    let was_used = file.read(&mut [0; 1])? > 0;
    Ok(Some((file, was_used)))
}

/// Kills all processes of these ids, again and again, since one that runs may make another.
fn clear(first: u32, size: u32) -> bool {
    let end = Instant::now() + CLEARED;
    loop {
        let left = living(first, size);
        if left.is_empty() {
            return true;
        }
        procs::kill(&left);
        if !procs::wait_gone(&left, end.saturating_duration_since(Instant::now())) {
            return false;
        }
    }
}

fn living(first: u32, size: u32) -> Vec<OwnedFd> {
    let is_ours = |pid: u32| procs::uids(pid).is_some_and(|uids| uids.iter().any(|uid| (first..first + size).contains(uid)));
    // Held before it is looked at, so that its number cannot be given to another in between.
    procs::all()
        .filter_map(|pid| Some((procs::hold(&[pid]).pop()?, pid)))
        .filter(|(_, pid)| is_ours(*pid))
        .map(|(fd, _)| fd)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::Command;

    use super::*;

    /// Ids of the small space's end, which no engine gives out.
    const SPACE: Space = Space { first: 61_181, size: 1, ranges: 2 };

    #[test]
    fn each_range_has_one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let claim = || Uids::claim_in(folder.path(), SPACE);
        let (one, two) = (claim().unwrap(), claim().unwrap());
        assert_eq!((one.first, two.first), (61_181, 61_182));
        assert!(matches!(claim(), Err(DesktopError::NoUsers { engines: 2, .. })));
        drop(one);
        assert_eq!(claim().unwrap().first, 61_181);
        assert_eq!(claim().unwrap().first, 61_181, "a lock outlives its holder");
    }

    #[test]
    fn no_two_of_a_range_have_the_same_id() {
        let uids = Uids { first: 1000, size: 100, _lock: tempfile::tempfile().unwrap() };
        let mut ids = vec![uids.services(), uids.probe()];
        ids.extend((0..uids.desktops()).flat_map(|number| [uids.programs(number), uids.display(number)]));
        assert_eq!(ids, (1000..1100).collect::<Vec<_>>());
    }

    #[test]
    fn large_ids_only_where_they_are_mapped() {
        assert!(LARGE.is_mapped("         0          0 4294967295\n"));
        for map in ["0 100000 65536", "0 1000 1\n1 100000 65536", ""] {
            assert!(!LARGE.is_mapped(map), "{map:?}");
        }
        assert!(SMALL.is_mapped("0 100000 65536"));
    }

    #[test]
    fn what_a_killed_engine_left_is_gone_before_its_ids_are_used_again() {
        if !rustix::process::geteuid().is_root() {
            println!("not run: only root can become another user");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        drop(Uids::claim_in(folder.path(), SPACE).unwrap());
        let sleeper = |uid| Command::new("/usr/bin/sleep").arg("60").uid(uid).spawn().unwrap();
        let (mut left, mut other) = (sleeper(61_181), sleeper(61_182));
        let claimed = Uids::claim_in(folder.path(), SPACE).unwrap();
        assert_eq!(claimed.first, 61_181);
        assert_eq!(left.try_wait().unwrap().and_then(|status| status.signal()), Some(libc::SIGKILL));
        // Nobody had the second range: its process is somebody else's.
        let _second = Uids::claim_in(folder.path(), SPACE).unwrap();
        assert!(other.try_wait().unwrap().is_none(), "a stranger was killed");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
