//! One service: started, watched, begun again, given up, ended.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rustix::process::Signal;

use super::log::Log;
use super::processes::{Life, Wrap};
use super::{GLANCE, ServiceSpec, Shared, State, locked, readiness};

/// What a service finds on its PATH. The engine's own environment is not passed on: it may hold secrets.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long one run of a `ready` command may take.
const ASK: Duration = Duration::from_secs(10);
const LONGEST_BACKOFF: Duration = Duration::from_secs(15);

/// Looks after one service.
pub(super) struct Keeper {
    pub spec: ServiceSpec,
    pub shared: Arc<Shared>,
    pub stopped: Receiver<()>,
}

/// Why a run of the service is over.
enum Ended {
    Stopped,
    /// Worth another try.
    Failed(String),
    /// Trying again would not help.
    Hopeless(String),
}

impl Keeper {
    pub fn run(self) {
        let bounds = self.shared.bounds;
        let mut starts = VecDeque::new();
        loop {
            let now = Instant::now();
            starts.push_back(now);
            starts.retain(|start: &Instant| now.duration_since(*start) < Duration::from_secs(60));
            match self.once() {
                Ended::Stopped => return self.tell(false, false, "stopped".to_owned()),
                Ended::Hopeless(why) => return self.give_up(why),
                Ended::Failed(why) if starts.len() > bounds.restarts_a_minute => {
                    let times = starts.len();
                    return self.give_up(format!("{why}. It ended {times} times within a minute and is left alone"));
                }
                Ended::Failed(why) => self.tell(false, false, why),
            }
            let doubled = 1 << (starts.len() - 1).min(10);
            if self.stop_asked(bounds.backoff.saturating_mul(doubled).min(LONGEST_BACKOFF)) {
                return self.tell(false, false, "stopped".to_owned());
            }
        }
    }

    fn give_up(&self, why: String) {
        let log = self.log_path();
        let hint = if log.exists() { format!(". Its log is {}", log.display()) } else { String::new() };
        self.tell(false, true, format!("{why}{hint}"));
    }

    /// One life of the service.
    fn once(&self) -> Ended {
        if let Err(why) = self.check() {
            return Ended::Hopeless(why);
        }
        let wrap = match self.prepare() {
            Ok(wrap) => wrap,
            Err(why) => return Ended::Hopeless(why),
        };
        if let Some(port) = self.spec.listens.as_ref().and_then(readiness::taken) {
            return Ended::Failed(format!("another program listens on port {port} already: end it, or choose another port"));
        }
        let mut life = match self.begin(&wrap) {
            Ok(life) => life,
            Err(error) => return Ended::Hopeless(format!("{:?} could not be started: {error}", self.spec.start)),
        };
        let began = Instant::now();
        let mut ready = false;
        loop {
            match life.child.try_wait() {
                Ok(Some(status)) => {
                    life.finish();
                    return Ended::Failed(format!("it ended by itself, {}{}", said(status), self.last_words()));
                }
                Ok(None) => {}
                Err(error) => return Ended::Failed(format!("it was lost sight of: {error}")),
            }
            // Asked again, since what answered may be another's, and this one may have ended over it.
            if !ready && self.is_ready(&wrap, &life) && matches!(life.child.try_wait(), Ok(None)) {
                ready = true;
                let took = began.elapsed().as_secs_f32();
                self.tell(true, false, format!("ready after {took:.1} s, {}", wrap.promise()));
            }
            let bounds = &self.shared.bounds;
            if !ready && began.elapsed() > bounds.ready_within {
                life.end(bounds.stop_within);
                let within = bounds.ready_within.as_secs_f32();
                return Ended::Failed(format!("it was not ready within {within:.0} s{}", self.last_words()));
            }
            if self.stop_asked(if ready { GLANCE } else { GLANCE * 2 }) {
                life.end(bounds.stop_within);
                return Ended::Stopped;
            }
        }
    }

    /// Waits for `span`, or until somebody asks to stop.
    fn stop_asked(&self, span: Duration) -> bool {
        !matches!(self.stopped.recv_timeout(span), Err(RecvTimeoutError::Timeout))
    }

    fn tell(&self, running: bool, given_up: bool, detail: String) {
        locked(&self.shared.states).insert(self.spec.id.clone(), State { running, given_up, detail: detail.clone() });
        self.shared.moved.notify_all();
        (self.shared.changed)(self.spec.id.clone(), running, detail);
    }

    /// That its programs are there, in words that say what to install.
    fn check(&self) -> Result<(), String> {
        let own = self.spec.start.first().ok_or("its start command is empty")?;
        let missing = std::iter::once(own).chain(&self.spec.programs).find(|name| self.find(name).is_none());
        let Some(program) = missing else { return Ok(()) };
        Err(match self.spec.packages.as_slice() {
            [] => format!("the program {program} is missing: install it"),
            packages => format!("the program {program} is missing: install it with apt install {}", packages.join(" ")),
        })
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        let runs = |path: &PathBuf| fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
        let own = Some(self.spec.folder.join(program)).filter(runs);
        if program.contains('/') {
            return own;
        }
        own.or_else(|| PATH.split(':').map(|dir| Path::new(dir).join(program)).find(runs))
    }

    /// The data folder, the log's folder, and how the service is held.
    fn prepare(&self) -> Result<Wrap, String> {
        let uid = match (rustix::process::geteuid().is_root(), self.spec.uid) {
            (false, _) => None,
            (true, Some(uid)) if uid != 0 => Some(uid),
            (true, _) => return Err("a service never runs as root: give it a user of its own".to_owned()),
        };
        let failed = |what: &Path| {
            let what = what.display().to_string();
            move |error: io::Error| format!("its folder {what} cannot be used: {error}")
        };
        let (data, logs) = (&self.spec.data, &self.shared.logs);
        fs::create_dir_all(data).map_err(failed(data))?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(logs).map_err(failed(logs))?;
        if let Some(uid) = uid {
            give(data, uid).map_err(failed(data))?;
        }
        // The declaration lies in `services/<id>` of the company's folder.
        let company = self.spec.folder.ancestors().nth(2).unwrap_or(&self.spec.folder);
        let full = |path: &Path| path.canonicalize().map_err(failed(path));
        let wrap = Wrap { bwrap: false, uid, folder: full(&self.spec.folder)?, data: full(data)?, company: full(company)? };
        // User namespaces may be off on this machine, or mounts forbidden: try, with the real folders.
        let tried = Wrap { bwrap: true, ..wrap.clone() };
        let held = self.find("bwrap").is_some() && self.run_within(&tried, &["true".to_owned()], ASK);
        Ok(if held { tried } else { wrap })
    }

    fn command(&self, wrap: &Wrap, argv: &[String]) -> Command {
        let mut argv = argv.to_vec();
        if let Some(path) = argv.first().and_then(|program| self.find(program)) {
            argv[0] = path.to_string_lossy().into_owned();
        }
        let mut command = wrap.command(&argv);
        command
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .env("HOME", &wrap.data)
            .envs(&self.spec.env)
            .env("MEZZANINE_SERVICE_DATA", &wrap.data)
            .env("MEZZANINE_COMPANY", &wrap.company)
            .stdin(Stdio::null());
        let engine = rustix::process::getpid();
        // SAFETY: between fork and exec only system calls are made, and nothing is allocated.
        unsafe {
            command.pre_exec(move || {
                rustix::process::setsid()?;
                // After the change of user, which resets it.
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
                // The engine died in between: the signal would never come.
                if rustix::process::getppid() != Some(engine) {
                    return Err(io::Error::from_raw_os_error(libc::ESRCH));
                }
                Ok(())
            });
        }
        command
    }

    fn begin(&self, wrap: &Wrap) -> io::Result<Life> {
        let mut log = Log::open(self.log_path(), self.shared.bounds.log_bytes)?;
        let (reader, writer) = io::pipe()?;
        let mut command = self.command(wrap, &self.spec.start);
        let child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
        // The parent's end of the pipe goes with the command, or the log would never end.
        drop(command);
        let mut life = Life { child, wrapped: wrap.bwrap, log: None };
        // Ends by itself when the last process of the service has closed its output.
        life.log = Some(std::thread::Builder::new().name(format!("log-{}", self.spec.id)).spawn(move || log.take(reader))?);
        Ok(life)
    }

    fn is_ready(&self, wrap: &Wrap, life: &Life) -> bool {
        let listens = self.spec.listens.as_ref().is_none_or(|place| readiness::listens(place, &wrap.data, &life.all()));
        listens && self.spec.ready.as_ref().is_none_or(|argv| self.run_within(wrap, argv, ASK))
    }

    /// Whether the command ends with 0 in time.
    fn run_within(&self, wrap: &Wrap, argv: &[String], deadline: Duration) -> bool {
        let spawned = self.command(wrap, argv).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(child) = spawned else { return false };
        let mut life = Life { child, wrapped: wrap.bwrap, log: None };
        let until = Instant::now() + deadline;
        while Instant::now() < until {
            match life.child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) if self.stop_asked(GLANCE / 5) => return false,
                Ok(None) => {}
                Err(_) => return false,
            }
        }
        false
    }

    fn log_path(&self) -> PathBuf {
        self.shared.logs.join(format!("{}.log", self.spec.id))
    }

    /// The end of the log, which mostly says why.
    fn last_words(&self) -> String {
        let text = fs::read(self.log_path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[text.len().saturating_sub(2000)..]).into_owned();
        match text.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => format!(". Its last words: {}", line.trim().chars().take(200).collect::<String>()),
            None => String::new(),
        }
    }
}

/// Makes `uid` the owner of a data folder and, where it was another's before, of all in it. Never follows a link.
fn give(folder: &Path, uid: u32) -> io::Result<()> {
    if fs::symlink_metadata(folder)?.uid() == uid {
        return Ok(());
    }
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        if path != folder {
            lchown(&path, Some(uid), Some(uid))?;
        }
        if fs::symlink_metadata(&path)?.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        }
    }
    // Last: a walk that is cut short is done again.
    lchown(folder, Some(uid), Some(uid))
}

fn said(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("with exit code {code}"),
        (None, signal) => format!("by signal {}", signal.unwrap_or_default()),
    }
}
