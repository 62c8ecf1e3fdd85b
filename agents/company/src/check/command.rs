//! Running a program for a check: bounded in time and output, and in a sandbox where a worker may have
//! had a hand in what runs.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::copy::Copy;

/// What is kept of a program's output; the rest is read and dropped.
const OUTPUT_LIMIT: usize = 1024 * 1024;
const FIND_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

pub(crate) struct Ended {
    pub status: ExitStatus,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ended {
    /// How it ended, in words.
    pub fn how(&self) -> String {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("ended with {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended".to_owned(),
        }
    }

    /// The end of what it said, for a detail.
    pub fn last_words(&self) -> String {
        let said = if self.err.trim().is_empty() { &self.out } else { &self.err };
        let lines: Vec<&str> = said.trim().lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ").chars().take(300).collect()
    }
}

/// Runs to the end or to the deadline, at which it and all its children in its process group are killed.
pub(crate) fn run(mut command: Command, within: Duration) -> Result<Ended, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| format!("{name} could not be started: {error}."))?;
    let out = child.stdout.take().map(|pipe| drain("check-out", pipe));
    let err = child.stderr.take().map(|pipe| drain("check-err", pipe));
    let in_time = ended(&child, within);
    // Whatever is left of the group would hold the pipes open.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let status = child.wait();
    let (out, err) = (text(out), text(err));
    match (in_time, status) {
        (Ok(true), Ok(status)) => Ok(Ended { status, out, err }),
        (Ok(false), _) => Err(format!("{name} did not end within {} seconds.", within.as_secs())),
        (Err(error), _) | (_, Err(error)) => Err(format!("{name} could not be waited for: {error}.")),
    }
}

/// Whether the child ended in time; it is not reaped yet, so its number is still its own.
fn ended(child: &Child, within: Duration) -> std::io::Result<bool> {
    let watch = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let end = Instant::now() + within;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&left)) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn drain(name: &str, mut pipe: impl Read + Send + 'static) -> Option<JoinHandle<Vec<u8>>> {
    let read = move || {
        let mut kept = Vec::new();
        let mut part = [0; 8192];
        while let Ok(count @ 1..) = pipe.read(&mut part) {
            let room = OUTPUT_LIMIT.saturating_sub(kept.len()).min(count);
            kept.extend_from_slice(&part[..room]);
        }
        kept
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(read).ok()
}

fn text(reader: Option<Option<JoinHandle<Vec<u8>>>>) -> String {
    let bytes = reader.flatten().and_then(|reader| reader.join().ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A command that runs in a copy of a folder, with no network, no other process in sight, nothing of the
/// machine but its programs, and bounded memory. Refused where bubblewrap is missing: what runs is not ours.
pub(crate) fn confined(argv: &[String], copy: &Copy, within: Duration) -> Result<Command, String> {
    let bwrap = find("bwrap").ok_or("The check needs bubblewrap to run a program safely: install the package bubblewrap.")?;
    let mut command = Command::new(bwrap);
    command.env_clear().current_dir("/");
    command.args(["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]);
    if let Some((user, group)) = copy.uid() {
        command.uid(user).gid(group);
    }
    command.args(["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"]);
    for link in ["bin", "sbin", "lib", "lib64"] {
        command.args(["--symlink", &format!("usr/{link}"), &format!("/{link}")]);
    }
    for file in ["/etc/alternatives", "/etc/ld.so.cache", "/etc/passwd", "/etc/group", "/etc/python3", "/etc/localtime"] {
        command.args(["--ro-bind-try", file, file]);
    }
    command.arg("--bind").arg(copy.path()).args(["/work", "--chdir", "/work"]);
    for (name, value) in [("PATH", FIND_PATH), ("HOME", "/tmp"), ("LANG", "C.UTF-8")] {
        command.args(["--setenv", name, value]);
    }
    command.arg("--");
    if find("prlimit").is_some() {
        let cpu = format!("--cpu={}", within.as_secs().max(1));
        command.args(["prlimit", "--as=4294967296", "--fsize=268435456", "--core=0", &cpu, "--"]);
    }
    command.args(argv);
    Ok(command)
}

pub(crate) fn find(program: &str) -> Option<PathBuf> {
    FIND_PATH.split(':').chain(["/usr/sbin", "/sbin"]).map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}
