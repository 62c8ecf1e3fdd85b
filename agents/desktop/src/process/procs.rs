//! Processes of the host, as `/proc` tells of them.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::api::ProcessInfo;
use crate::screen::wait_for;

#[derive(Debug, Clone)]
pub(crate) struct Stat {
    pub name: String,
    pub state: char,
    pub parent: u32,
    pub cpu: Duration,
    /// In ticks since the machine's start: with the pid it names a process for ever.
    pub started: u64,
    pub resident_kib: u64,
}

pub(crate) fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = text.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let page_kib = sysconf(libc::_SC_PAGESIZE) / 1024;
    let tick = 1000 / sysconf(libc::_SC_CLK_TCK);
    Some(Stat {
        name,
        state: fields.first()?.chars().next()?,
        parent: number(1)? as u32,
        cpu: Duration::from_millis((number(11)? + number(12)?) * tick),
        started: number(19)?,
        resident_kib: number(21)? * page_kib,
    })
}

fn sysconf(name: i32) -> u64 {
    // SAFETY: it only reads a constant of the system.
    u64::try_from(unsafe { libc::sysconf(name) }).unwrap_or(0).max(1)
}

/// Every process of the host.
pub(crate) fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The user ids of a living process: real, effective, saved, and for files.
pub(crate) fn uids(pid: u32) -> Option<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    if field("State:")?.trim_start().starts_with(['Z', 'X']) {
        return None;
    }
    Some(field("Uid:")?.split_whitespace().filter_map(|uid| uid.parse().ok()).collect())
}

/// All descendants of a process, itself first.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in all() {
        if let Some(stat) = stat(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        found.extend(children.remove(&found[at]).unwrap_or_default());
        at += 1;
    }
    found
}

pub(crate) fn infos(pids: &[u32]) -> Vec<ProcessInfo> {
    let info = |pid: &u32| {
        let stat = stat(*pid).filter(|stat| stat.state != 'Z')?;
        let name = stat.name.chars().take(32).collect();
        Some(ProcessInfo { pid: *pid, name, memory_kib: stat.resident_kib, cpu: stat.cpu })
    };
    pids.iter().filter_map(info).collect()
}

/// Memory in KiB. Pages that several share count once to each at first; only when that is above `enough` is the
/// fair share of each added up, which costs the kernel a walk over all pages.
pub(crate) fn memory_kib(pids: &[u32], enough: u64) -> u64 {
    let resident: u64 = pids.iter().filter_map(|pid| stat(*pid)).map(|stat| stat.resident_kib).sum();
    if resident <= enough {
        return resident;
    }
    pids.iter().map(|pid| share_kib(*pid).unwrap_or_else(|| stat(*pid).map_or(0, |stat| stat.resident_kib))).sum()
}

fn share_kib(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Pss:"))?.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Holds on to these processes, so that their end can be waited for.
pub(crate) fn hold(pids: &[u32]) -> Vec<OwnedFd> {
    pids.iter().filter_map(|pid| open(*pid)).collect()
}

fn open(pid: u32) -> Option<OwnedFd> {
    rustix::process::pidfd_open(Pid::from_raw(pid as i32)?, PidfdFlags::empty()).ok()
}

pub(crate) fn wait_gone(held: &[OwnedFd], deadline: Duration) -> bool {
    let end = Instant::now() + deadline;
    held.iter()
        .all(|fd| wait_for(fd.as_fd(), PollFlags::IN, Some(end.saturating_duration_since(Instant::now()))).unwrap_or(true))
}

pub(crate) fn kill(held: &[OwnedFd]) {
    for fd in held {
        let _ = rustix::process::pidfd_send_signal(fd, Signal::KILL);
    }
}

/// Stops all descendants of `root`; repeated, since one that runs may make another.
pub(crate) fn stop_all(root: u32, deadline: Duration) -> io::Result<()> {
    let end = Instant::now() + deadline;
    loop {
        let running: Vec<u32> = descendants(root).into_iter().filter(|pid| !still(*pid)).collect();
        if running.is_empty() {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(io::ErrorKind::TimedOut.into());
        }
        running.iter().for_each(|pid| signal(root, *pid, Signal::STOP));
        // A stop is taken when the process next leaves the kernel: soon, but not at once.
        std::thread::yield_now();
    }
}

pub(crate) fn continue_all(root: u32) {
    descendants(root).into_iter().for_each(|pid| signal(root, pid, Signal::CONT));
}

fn still(pid: u32) -> bool {
    stat(pid).is_none_or(|stat| matches!(stat.state, 'T' | 't' | 'Z' | 'X'))
}

/// Sends it if the process is still the desktop's: a number may have been given to another meanwhile.
fn signal(root: u32, pid: u32, signal: Signal) {
    let Some(fd) = open(pid) else { return };
    let mut at = pid;
    while at != root {
        match stat(at) {
            Some(stat) if stat.parent > 1 => at = stat.parent,
            _ => return,
        }
    }
    let _ = rustix::process::pidfd_send_signal(&fd, signal);
}
