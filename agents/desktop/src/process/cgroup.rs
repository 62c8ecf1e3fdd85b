//! A control group (version 2) for the programs of one desktop, where the machine lets us make one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::api::Limits;
use crate::screen::wait_for;

const FOLDER: &str = "mezzanine-desktops";
const LOOK_AGAIN: Duration = Duration::from_micros(300);
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// Where groups can be made on this machine, and what they can limit.
#[derive(Debug, Clone)]
pub(crate) struct Groups {
    folder: PathBuf,
    controllers: Vec<&'static str>,
}

impl Groups {
    /// None where no group can be made. Sweeps what dead engines left.
    pub fn find() -> Option<Self> {
        let folder = base()?.join(FOLDER);
        fs::create_dir_all(&folder).ok()?;
        let probe = folder.join(format!("probe.{}", owner(std::process::id())?));
        fs::create_dir(&probe).ok()?;
        let usable = ["cgroup.freeze", "cgroup.kill", "cgroup.procs"]
            .iter()
            .all(|name| OpenOptions::new().write(true).open(probe.join(name)).is_ok());
        let _ = fs::remove_dir(&probe);
        if !usable {
            return None;
        }
        let controllers = CONTROLLERS.into_iter().filter(|name| enable(&folder, name)).collect();
        let groups = Self { folder, controllers };
        groups.sweep();
        Some(groups)
    }

    pub fn limits(&self, controller: &str) -> bool {
        self.controllers.contains(&controller)
    }

    pub fn make(&self, name: &str, limits: &Limits) -> io::Result<Group> {
        let owner = owner(std::process::id()).ok_or(io::ErrorKind::NotFound)?;
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let folder = self.folder.join(format!("{name}-{}.{owner}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&folder)?;
        let group = Group { folder };
        for controller in &self.controllers {
            match *controller {
                "memory" => {
                    fs::write(group.file("memory.max"), format!("{}M", limits.memory_mib))?;
                    // Without swap accounting the file is not there.
                    let _ = fs::write(group.file("memory.swap.max"), "0");
                }
                "pids" => fs::write(group.file("pids.max"), limits.processes.to_string())?,
                _ => fs::write(group.file("cpu.max"), format!("{} 100000", u64::from(limits.cpu_percent) * 1000))?,
            }
        }
        Ok(group)
    }

    fn sweep(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((_, ours)) = name.split_once('.') else { continue };
            // `<worker>` may have dots: the owner is the last part, `<pid>-<start>`.
            let ours = ours.rsplit('.').next().unwrap_or(ours);
            let pid = ours.split('-').next().and_then(|pid| pid.parse().ok());
            if pid.and_then(owner).as_deref() != Some(ours) {
                let group = Group { folder: entry.path() };
                group.kill();
            }
        }
    }
}

/// The folder of the control groups under which this process may make its own.
fn base() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?.split(' ').nth(4)?.to_owned();
    if rustix::process::geteuid().is_root() {
        // Only the root group may hold processes and limit its children at once.
        return Some(mount.into());
    }
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?.to_owned();
    Some(Path::new(&mount).join(path.trim_start_matches('/')))
}

fn enable(folder: &Path, controller: &str) -> bool {
    let word = format!("+{controller}");
    let above = folder.parent().map(|parent| fs::write(parent.join("cgroup.subtree_control"), &word));
    // It may be on already, where this process may not write.
    let _ = above;
    fs::write(folder.join("cgroup.subtree_control"), &word).is_ok()
}

/// `<pid>-<start time>`: a process for ever, also when its number is used again.
fn owner(pid: u32) -> Option<String> {
    let stat = super::procs::stat(pid)?;
    Some(format!("{pid}-{}", stat.started))
}

pub(crate) struct Group {
    folder: PathBuf,
}

impl Group {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn door(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.file("cgroup.procs"))
    }

    pub fn pids(&self) -> Vec<u32> {
        let list = fs::read_to_string(self.file("cgroup.procs")).unwrap_or_default();
        list.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid != 0).collect()
    }

    /// Waits until every program stands still.
    pub fn freeze(&self, deadline: Duration) -> io::Result<()> {
        fs::write(self.file("cgroup.freeze"), "1")?;
        self.wait_for("frozen 1", deadline)
    }

    pub fn thaw(&self, deadline: Duration) -> io::Result<()> {
        fs::write(self.file("cgroup.freeze"), "0")?;
        self.wait_for("frozen 0", deadline)
    }

    pub fn cpu_used(&self) -> Option<Duration> {
        let stat = fs::read_to_string(self.file("cpu.stat")).ok()?;
        let micros = stat.lines().find_map(|line| line.strip_prefix("usage_usec "))?.parse().ok()?;
        Some(Duration::from_micros(micros))
    }

    /// Kills all that is in it, frozen or not, and removes it.
    pub fn kill(&self) {
        let _ = fs::write(self.file("cgroup.kill"), "1");
        let _ = self.wait_for("populated 0", Duration::from_secs(2));
        if let Err(error) = fs::remove_dir(&self.folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.folder.display(), %error, "a control group stays behind");
        }
    }

    fn wait_for(&self, line: &str, deadline: Duration) -> io::Result<()> {
        let end = Instant::now() + deadline;
        loop {
            // Opened before each look, so that a change after the look wakes the poll.
            let mut events = File::open(self.file("cgroup.events"))?;
            let text = io::read_to_string(&mut events)?;
            if text.lines().any(|found| found == line) {
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // The kernel tells of it at most every 10 ms, while a freeze takes one: so look again soon.
            wait_for(events.as_fd(), PollFlags::PRI, Some(left.min(LOOK_AGAIN)))?;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.folder.exists() {
            self.kill();
        }
    }
}
