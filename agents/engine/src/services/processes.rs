//! The processes of a service: how they are held, who they are, and how they end.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::GLANCE;

/// How a service is held: as which user, and in a process namespace where that is possible.
#[derive(Debug, Clone)]
pub(super) struct Wrap {
    pub bwrap: bool,
    pub uid: Option<u32>,
    pub folder: PathBuf,
    pub data: PathBuf,
    pub company: PathBuf,
}

impl Wrap {
    pub fn command(&self, argv: &[String]) -> Command {
        let (program, rest) = argv.split_first().map_or(("", &[][..]), |(program, rest)| (program.as_str(), rest));
        if !self.bwrap {
            let mut command = Command::new(program);
            command.args(rest).current_dir(&self.folder);
            if let Some(uid) = self.uid {
                command.uid(uid).gid(uid);
            }
            return command;
        }
        let mut command = Command::new("/usr/bin/bwrap");
        command.args(["--unshare-pid", "--die-with-parent", "--dev-bind", "/", "/", "--proc", "/proc"]);
        if let Some(uid) = self.uid {
            // The engine's folders are closed to that user. Each is hidden, and only the service's own are put back.
            for cover in self.closed(uid) {
                command.arg("--tmpfs").arg(cover);
            }
            command.arg("--ro-bind").arg(&self.company).arg(&self.company);
            command.arg("--ro-bind").arg(&self.folder).arg(&self.folder);
            command.arg("--bind").arg(&self.data).arg(&self.data);
        }
        command.arg("--chdir").arg(&self.folder).arg("--");
        if let Some(uid) = self.uid {
            command.args(["setpriv", &format!("--reuid={uid}"), &format!("--regid={uid}")]);
            command.args(["--clear-groups", "--inh-caps=-all", "--no-new-privs", "--"]);
        }
        command.arg(program).args(rest);
        command
    }

    /// The outermost folders on the way to the service's own that `uid` may not pass.
    fn closed(&self, uid: u32) -> Vec<PathBuf> {
        let passable =
            |path: &Path| fs::metadata(path).is_ok_and(|m| m.mode() & 0o001 != 0 || (m.uid() == uid && m.mode() & 0o100 != 0));
        let outermost = |path: &Path| {
            let above: Vec<&Path> = path.ancestors().skip(1).collect();
            above.into_iter().rev().find(|path| !passable(path)).map(Path::to_owned)
        };
        let mut covers: Vec<PathBuf> =
            [&self.company, &self.folder, &self.data].into_iter().filter_map(|p| outermost(p)).collect();
        covers.sort();
        covers.dedup();
        covers
    }

    pub fn promise(&self) -> &'static str {
        if self.bwrap {
            "in a process namespace of its own"
        } else {
            "without a process namespace, since bubblewrap does not work here"
        }
    }
}

/// The running processes of a service. Dropped, they are killed and reaped.
pub(super) struct Life {
    pub child: Child,
    pub wrapped: bool,
    pub log: Option<JoinHandle<()>>,
}

impl Life {
    /// SIGTERM, then after half the time SIGTERM to all, then SIGKILL.
    pub fn end(&mut self, within: Duration) {
        let began = Instant::now();
        let mut all_asked = false;
        self.ask(Whom::Server);
        while began.elapsed() < within {
            match self.child.try_wait() {
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => break,
            }
            if !all_asked && began.elapsed() > within / 2 {
                all_asked = true;
                self.ask(Whom::All);
            }
            std::thread::sleep(GLANCE / 5);
        }
        self.finish();
    }

    /// Ends what is left, and waits a moment for its last words to be in the log.
    pub fn finish(&mut self) {
        self.kill();
        let until = Instant::now() + Duration::from_secs(1);
        while self.log.as_ref().is_some_and(|log| !log.is_finished()) && Instant::now() < until {
            std::thread::sleep(GLANCE / 10);
        }
    }

    fn kill(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // Gone already is as good.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The child and all that came of it.
    pub fn all(&self) -> Vec<u32> {
        let processes = processes();
        let mut found = vec![self.child.id()];
        let mut at = 0;
        while at < found.len() {
            let above = found[at];
            found.extend(processes.iter().filter(|p| p.parent == above).map(|p| p.pid));
            at += 1;
        }
        found
    }

    fn ask(&self, whom: Whom) {
        for pid in self.targets(whom) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Bubblewrap's own two processes would end at once and take the rest along, and so would a shell that waits for
    /// the server. So the server is asked first.
    fn targets(&self, whom: Whom) -> Vec<Pid> {
        let processes = processes();
        let children = |of: u32| processes.iter().filter(move |p| p.parent == of);
        let mut tops = vec![self.child.id()];
        for _ in 0..if self.wrapped { 2 } else { 0 } {
            tops = tops.iter().flat_map(|top| children(*top)).map(|p| p.pid).collect();
        }
        let mut found = Vec::new();
        while let Some(pid) = tops.pop() {
            let below: Vec<u32> = children(pid).map(|p| p.pid).collect();
            let shell = processes.iter().any(|p| p.pid == pid && ["sh", "dash", "bash"].contains(&p.name.as_str()));
            let passed_over = whom == Whom::Server && shell && !below.is_empty();
            if !passed_over {
                found.extend(Pid::from_raw(pid.cast_signed()));
            }
            if passed_over || whom == Whom::All {
                tops.extend(below);
            }
        }
        found
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    Server,
    All,
}

struct Process {
    pid: u32,
    parent: u32,
    name: String,
}

fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let read = |pid: u32| {
        // `pid (name) state parent …`, and the name may hold anything.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (head, tail) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        Some(Process { pid, parent: tail.split_whitespace().nth(1)?.parse().ok()?, name })
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(read).collect()
}
