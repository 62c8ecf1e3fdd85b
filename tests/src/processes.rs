//! Which processes belong to an engine, told from the kernel's own tables.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What an engine had started when it was killed.
pub struct Left {
    /// With the instant of their start, since a number may be given out again.
    pids: BTreeSet<(u32, String)>,
    /// The process namespaces of its sandboxes.
    namespaces: BTreeSet<PathBuf>,
    folder: String,
}

impl Left {
    pub(crate) fn of(engine: u32, folder: &Path) -> Self {
        let own = std::fs::read_link("/proc/self/ns/pid").ok();
        let parents: BTreeMap<u32, u32> = pids().filter_map(|pid| Some((pid, parent(pid)?))).collect();
        let is_below = |mut pid: u32| {
            for _ in 0..64 {
                match parents.get(&pid) {
                    Some(above) if *above == engine => return true,
                    Some(above) => pid = *above,
                    None => return false,
                }
            }
            false
        };
        let below: Vec<u32> = parents.keys().copied().filter(|pid| is_below(*pid)).collect();
        let namespaces = below.iter().filter_map(|pid| namespace(*pid)).filter(|space| Some(space) != own.as_ref()).collect();
        let pids = below.into_iter().filter_map(|pid| Some((pid, started(pid)?))).collect();
        Self { pids, namespaces, folder: folder.display().to_string() }
    }

    /// Nothing is known of the engine; what names the folder is its.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        Self { pids: BTreeSet::new(), namespaces: BTreeSet::new(), folder: folder.display().to_string() }
    }

    /// How many processes there were.
    pub fn count(&self) -> usize {
        self.pids.len()
    }

    /// What is still alive once `most` has passed, or nothing as soon as nothing is.
    pub fn alive_after(&self, most: Duration) -> Vec<String> {
        let deadline = Instant::now() + most;
        loop {
            let alive: Vec<String> = pids().filter(|pid| self.owns(*pid)).map(describe).collect();
            if alive.is_empty() || Instant::now() > deadline {
                return alive;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn owns(&self, pid: u32) -> bool {
        if pid == std::process::id() || is_dead(pid) {
            return false;
        }
        started(pid).is_some_and(|start| self.pids.contains(&(pid, start)))
            || namespace(pid).is_some_and(|space| self.namespaces.contains(&space))
            || command_line(pid).contains(&self.folder)
    }
}

/// The most memory that a process has held so far.
pub(crate) fn peak_memory_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The X server of a worker's desktop: it has the worker's own folder for its socket.
pub(crate) fn display_server(engine: u32, worker: &str) -> Option<u32> {
    let part = format!("/{worker}/");
    pids().filter(|pid| is_below(*pid, engine)).find(|pid| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        name.trim_end() == "Xvfb" && mounts.contains(&part)
    })
}

fn is_below(mut pid: u32, engine: u32) -> bool {
    for _ in 0..64 {
        match parent(pid) {
            Some(above) if above == engine => return true,
            Some(above) => pid = above,
            None => return false,
        }
    }
    false
}

fn pids() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The fields of `/proc/<pid>/stat` behind the name: state, parent, …
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.get(1)?.parse().ok()
}

fn started(pid: u32) -> Option<String> {
    stat(pid)?.get(19).cloned()
}

/// Gone, or a zombie that only waits for its parent to read how it ended.
fn is_dead(pid: u32) -> bool {
    stat(pid).is_none_or(|fields| matches!(fields.first().map(String::as_str), Some("Z" | "X")))
}

fn namespace(pid: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

fn command_line(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

fn describe(pid: u32) -> String {
    format!("{pid}: {}", command_line(pid).chars().take(200).collect::<String>())
}
