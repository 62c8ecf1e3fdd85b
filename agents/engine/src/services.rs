//! The services that a company brings along (a shop, a database): started as an ordinary user, watched, started again
//! when they end, and ended with the engine. Each has a thread of its own, which must live as long as the service: the
//! kernel's parent-death signal follows the thread that started a child.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use mz_protocol::ServiceId;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// What a service finds on its PATH. The engine's own environment is not passed on: it may hold secrets.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How often a child is looked at.
const GLANCE: Duration = Duration::from_millis(50);
/// How long one run of a `ready` command may take.
const ASK: Duration = Duration::from_secs(10);
const LONGEST_BACKOFF: Duration = Duration::from_secs(15);

/// One service, as declared by the company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    pub id: ServiceId,
    /// The declaration's folder; commands run in it. Read-only for the service.
    pub folder: PathBuf,
    /// Made and given to the service's user where it is not there.
    pub data: PathBuf,
    /// argv. Stays in the foreground.
    pub start: Vec<String>,
    /// argv that exits with 0 once the service answers. Without one it counts as ready when it was started.
    pub ready: Option<Vec<String>>,
    pub env: BTreeMap<String, String>,
    /// Debian packages, for the message when a program is missing.
    pub packages: Vec<String>,
    /// Needed on the PATH.
    pub programs: Vec<String>,
    /// The user it runs as. Needed when the engine is root, ignored otherwise.
    pub uid: Option<u32>,
}

/// Deadlines and bounds; the default is for real services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub ready_within: Duration,
    /// From SIGTERM to SIGKILL.
    pub stop_within: Duration,
    /// Before the first restart; doubles with each further one.
    pub backoff: Duration,
    /// After so many restarts within a minute the service is left alone.
    pub restarts_a_minute: usize,
    /// Of each log file. The one before is kept beside it as `.old`.
    pub log_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            ready_within: Duration::from_secs(90),
            stop_within: Duration::from_secs(10),
            backoff: Duration::from_millis(500),
            restarts_a_minute: 5,
            log_bytes: 1 << 20,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error("cannot start the service {id}: {source}")]
    Thread { id: ServiceId, source: io::Error },
    #[error("the service {id} is not running: {why}")]
    NotReady { id: ServiceId, why: String },
}

/// The services of one company. Dropping it stops them.
pub struct Services {
    shared: Arc<Shared>,
    stops: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// Called from the services' threads with every change: whether it runs, and what a manager should know.
pub type OnChange = Arc<dyn Fn(ServiceId, bool, String) + Send + Sync>;

struct Shared {
    logs: PathBuf,
    bounds: Bounds,
    changed: OnChange,
    states: Mutex<BTreeMap<ServiceId, State>>,
    moved: Condvar,
}

#[derive(Debug, Clone, Default)]
struct State {
    running: bool,
    given_up: bool,
    detail: String,
}

impl Services {
    /// Starts all of them and returns at once. `logs` is a folder of the engine's own.
    pub fn start(specs: Vec<ServiceSpec>, logs: &Path, changed: OnChange) -> Result<Self, ServiceError> {
        Self::start_with(specs, logs, Bounds::default(), changed)
    }

    pub fn start_with(specs: Vec<ServiceSpec>, logs: &Path, bounds: Bounds, changed: OnChange) -> Result<Self, ServiceError> {
        let states = specs.iter().map(|spec| (spec.id.clone(), State::default())).collect();
        let shared =
            Arc::new(Shared { logs: logs.to_owned(), bounds, changed, states: Mutex::new(states), moved: Condvar::new() });
        let mut services = Self { shared, stops: Vec::new(), threads: Vec::new() };
        for spec in specs {
            let (stop, stopped) = bounded(1);
            let (id, shared) = (spec.id.clone(), Arc::clone(&services.shared));
            let thread = std::thread::Builder::new()
                .name(format!("service-{id}"))
                .spawn(move || Keeper { spec, shared, stopped }.run())
                .map_err(|source| ServiceError::Thread { id, source })?;
            services.stops.push(stop);
            services.threads.push(thread);
        }
        Ok(services)
    }

    /// Waits until every service is ready. Tells of the first that gave up, or of one that is not ready by then.
    pub fn wait_ready(&self, within: Duration) -> Result<(), ServiceError> {
        let settled = |states: &BTreeMap<ServiceId, State>| {
            states.values().all(|state| state.running) || states.values().any(|state| state.given_up)
        };
        let states = locked(&self.shared.states);
        let waited = self.shared.moved.wait_timeout_while(states, within, |states| !settled(states));
        let (states, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let gave_up = states.iter().find(|(_, state)| state.given_up);
        match gave_up.or_else(|| states.iter().find(|(_, state)| !state.running)) {
            None => Ok(()),
            Some((id, state)) => {
                let detail = if state.detail.is_empty() { "it is still starting" } else { &state.detail };
                Err(ServiceError::NotReady { id: id.clone(), why: detail.to_owned() })
            }
        }
    }

    /// Each service, whether it runs, and the last that was said of it.
    pub fn states(&self) -> Vec<(ServiceId, bool, String)> {
        locked(&self.shared.states).iter().map(|(id, state)| (id.clone(), state.running, state.detail.clone())).collect()
    }

    /// Ends all of them, side by side; returns when their processes are gone.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // A closed channel is the sign.
        self.stops.clear();
        for thread in self.threads.drain(..) {
            // A thread that panicked has dropped its child, which ended it.
            let _ = thread.join();
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.end();
    }
}

/// Looks after one service.
struct Keeper {
    spec: ServiceSpec,
    shared: Arc<Shared>,
    stopped: Receiver<()>,
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
    fn run(self) {
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
            if !ready && self.is_ready(&wrap) {
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

    fn is_ready(&self, wrap: &Wrap) -> bool {
        self.spec.ready.as_ref().is_none_or(|argv| self.run_within(wrap, argv, ASK))
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

/// How a service is held: as which user, and in a process namespace where that is possible.
#[derive(Debug, Clone)]
struct Wrap {
    bwrap: bool,
    uid: Option<u32>,
    folder: PathBuf,
    data: PathBuf,
    company: PathBuf,
}

impl Wrap {
    fn command(&self, argv: &[String]) -> Command {
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

    fn promise(&self) -> &'static str {
        if self.bwrap {
            "in a process namespace of its own"
        } else {
            "without a process namespace, since bubblewrap does not work here"
        }
    }
}

/// The running processes of a service. Dropped, they are killed and reaped.
struct Life {
    child: Child,
    wrapped: bool,
    log: Option<JoinHandle<()>>,
}

impl Life {
    /// SIGTERM, then after half the time SIGTERM to all, then SIGKILL.
    fn end(&mut self, within: Duration) {
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
    fn finish(&mut self) {
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

/// Makes `uid` the owner of a data folder and, where it was another's before, of all in it. Never follows a link.
fn give(folder: &Path, uid: u32) -> io::Result<()> {
    if fs::symlink_metadata(folder)?.uid() == uid {
        return Ok(());
    }
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        lchown(&path, Some(uid), Some(uid))?;
        if fs::symlink_metadata(&path)?.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        }
    }
    Ok(())
}

fn said(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("with exit code {code}"),
        (None, signal) => format!("by signal {}", signal.unwrap_or_default()),
    }
}

/// Two files of bounded size: the one that is written, and the one before.
struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
    most: u64,
}

impl Log {
    fn open(path: PathBuf, most: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes, most })
    }

    /// Goes on reading when the disk is full: a service must not hang on its own chatter.
    fn take(&mut self, mut from: PipeReader) {
        let mut buffer = [0; 8192];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => {
                    let _ = self.write(&buffer[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.bytes + bytes.len() as u64 > self.most {
            fs::rename(&self.path, self.path.with_extension("log.old"))?;
            *self = Self::open(self.path.clone(), self.most)?;
        }
        self.file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;
    use std::io::BufRead;
    use std::net::{TcpListener, TcpStream};

    type Outcome = Result<(), Box<dyn Error>>;
    type Said = Receiver<(ServiceId, bool, String)>;

    const DEADLINE: Duration = Duration::from_secs(60);
    const ENGINE: &str = "MZ_SERVICES_TEST_FOLDER";

    fn bounds() -> Bounds {
        Bounds {
            ready_within: Duration::from_secs(30),
            stop_within: Duration::from_secs(20),
            backoff: Duration::from_millis(5),
            restarts_a_minute: 3,
            log_bytes: 20_000,
        }
    }

    /// A service whose `start` is this shell script. The folder above is closed to other users, as the engine's is.
    fn spec(dir: &Path, script: &str) -> Result<ServiceSpec, Box<dyn Error>> {
        let folder = dir.join("company/services/shop");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("start.sh"), script)?;
        Ok(ServiceSpec {
            id: ServiceId::new("shop")?,
            folder,
            data: dir.join("state/shop"),
            start: vec!["sh".to_owned(), "start.sh".to_owned()],
            ready: Some(["sh", "-c", "test -e \"$MEZZANINE_SERVICE_DATA/up\""].map(str::to_owned).to_vec()),
            env: BTreeMap::new(),
            packages: Vec::new(),
            programs: Vec::new(),
            uid: rustix::process::geteuid().is_root().then_some(20_007),
        })
    }

    fn start(dir: &Path, spec: ServiceSpec, bounds: Bounds) -> Result<(Services, Said), ServiceError> {
        let (tell, said) = bounded(1000);
        let changed: OnChange = Arc::new(move |id, running, detail| {
            let _ = tell.send((id, running, detail));
        });
        let services = Services::start_with(vec![spec], &dir.join("logs"), bounds, changed)?;
        Ok((services, said))
    }

    fn running_with(marker: &str) -> bool {
        let holds = |entry: fs::DirEntry| {
            fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.split(|b| *b == 0).any(|w| w == marker.as_bytes()))
        };
        fs::read_dir("/proc").is_ok_and(|entries| entries.flatten().any(holds))
    }

    fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Outcome {
        let until = Instant::now() + DEADLINE;
        while !holds() {
            if Instant::now() > until {
                return Err(format!("waited in vain: {what}").into());
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    #[test]
    fn a_web_server_runs_as_its_user_and_ends_when_told() -> Outcome {
        let dir = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut spec = spec(
            dir.path(),
            "id -u > \"$MEZZANINE_SERVICE_DATA/uid\"; ls \"$MEZZANINE_COMPANY\" > \"$MEZZANINE_SERVICE_DATA/seen\"
             touch here 2> \"$MEZZANINE_SERVICE_DATA/refused\"
             cd \"$MEZZANINE_SERVICE_DATA\" && exec python3 -m http.server --bind 127.0.0.1 \"$PORT\"",
        )?;
        spec.env.insert("PORT".to_owned(), port.to_string());
        spec.programs = vec!["python3".to_owned()];
        let ask = format!("import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/uid')");
        spec.ready = Some(vec!["python3".to_owned(), "-c".to_owned(), ask]);
        let (uid, data, folder) = (spec.uid, spec.data.clone(), spec.folder.clone());
        let (services, said) = start(dir.path(), spec, bounds())?;
        services.wait_ready(DEADLINE)?;
        TcpStream::connect(("127.0.0.1", port))?;
        let own = uid.unwrap_or_else(|| rustix::process::geteuid().as_raw());
        assert_eq!(fs::read_to_string(data.join("uid"))?.trim(), own.to_string());
        assert_eq!(fs::read_to_string(data.join("seen"))?.trim(), "services");
        if uid.is_some() {
            assert!(!folder.join("here").exists(), "it wrote into its own declaration");
        }
        services.stop();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "it still listens");
        let changes: Vec<_> = said.try_iter().map(|(_, running, detail)| (running, detail)).collect();
        assert_eq!(changes.iter().map(|c| c.0).collect::<Vec<_>>(), [true, false], "{changes:?}");
        assert_eq!(changes[1].1, "stopped");
        Ok(())
    }

    #[test]
    fn one_that_keeps_ending_is_left_alone_in_the_end() -> Outcome {
        let dir = tempfile::tempdir()?;
        let mut spec = spec(dir.path(), "echo x >> \"$MEZZANINE_SERVICE_DATA/starts\"; echo no licence >&2; exit 3")?;
        spec.ready = None;
        let data = spec.data.clone();
        let (services, said) = start(dir.path(), spec, bounds())?;
        let last = loop {
            let (_, running, detail) = said.recv_timeout(DEADLINE)?;
            if !running && detail.contains("left alone") {
                break detail;
            }
        };
        assert!(last.contains("exit code 3") && last.contains("no licence") && last.contains("shop.log"), "{last}");
        assert_eq!(fs::read_to_string(data.join("starts"))?.lines().count(), 4, "one start and three restarts");
        assert!(services.wait_ready(DEADLINE).is_err());
        Ok(())
    }

    #[test]
    fn one_that_ends_once_is_started_again() -> Outcome {
        let dir = tempfile::tempdir()?;
        let spec = spec(
            dir.path(),
            "cd \"$MEZZANINE_SERVICE_DATA\"; test -e once || { touch once; exit 1; }; touch up; exec sleep 600",
        )?;
        let (services, said) = start(dir.path(), spec, bounds())?;
        let (_, running, detail) = said.recv_timeout(DEADLINE)?;
        assert!(!running && detail.contains("exit code 1"), "{detail}");
        services.wait_ready(DEADLINE)?;
        Ok(())
    }

    #[test]
    fn a_server_behind_a_shell_has_time_to_say_goodbye() -> Outcome {
        let dir = tempfile::tempdir()?;
        let server = "import signal, sys, os, time
def bye(*_):
    time.sleep(0.3)
    open(os.environ['MEZZANINE_SERVICE_DATA'] + '/bye', 'w').close()
    sys.exit(0)
signal.signal(signal.SIGTERM, bye)
open(os.environ['MEZZANINE_SERVICE_DATA'] + '/up', 'w').close()
while True: signal.pause()";
        let spec = spec(dir.path(), "python3 server.py\necho after")?;
        fs::write(spec.folder.join("server.py"), server)?;
        let data = spec.data.clone();
        let (services, _said) = start(dir.path(), spec, bounds())?;
        services.wait_ready(DEADLINE)?;
        services.stop();
        assert!(data.join("bye").exists());
        Ok(())
    }

    #[test]
    fn a_stubborn_one_is_killed_with_its_children() -> Outcome {
        let dir = tempfile::tempdir()?;
        let marker = format!("61{}", std::process::id());
        let script =
            format!("trap '' TERM; sleep {marker} & touch \"$MEZZANINE_SERVICE_DATA/up\"; while :; do sleep {marker}; done");
        let spec = spec(dir.path(), &script)?;
        let (services, _said) = start(dir.path(), spec, Bounds { stop_within: Duration::from_millis(300), ..bounds() })?;
        services.wait_ready(DEADLINE)?;
        assert!(running_with(&marker));
        services.stop();
        wait_until("its children end", || !running_with(&marker))
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() -> Outcome {
        let dir = tempfile::tempdir()?;
        let mut spec = spec(dir.path(), "exec sleep 600")?;
        spec.programs = vec!["sleep".to_owned(), "mariadbd-of-nowhere".to_owned()];
        spec.packages = vec!["mariadb-server".to_owned()];
        let (services, _said) = start(dir.path(), spec, bounds())?;
        let error = services.wait_ready(DEADLINE).err().ok_or("it started")?.to_string();
        assert!(error.contains("mariadbd-of-nowhere") && error.contains("apt install mariadb-server"), "{error}");
        Ok(())
    }

    #[test]
    fn one_that_never_gets_ready_is_told_of() -> Outcome {
        let dir = tempfile::tempdir()?;
        let spec = spec(dir.path(), "echo still loading; exec sleep 600")?;
        let hurried = Bounds { ready_within: Duration::from_millis(1500), restarts_a_minute: 0, ..bounds() };
        let (services, _said) = start(dir.path(), spec, hurried)?;
        let error = services.wait_ready(DEADLINE).err().ok_or("it was ready")?.to_string();
        assert!(error.contains("not ready within") && error.contains("still loading"), "{error}");
        Ok(())
    }

    #[test]
    fn a_chatterbox_fills_no_disk() -> Outcome {
        let dir = tempfile::tempdir()?;
        let spec = spec(dir.path(), "seq 1 100000; echo the end; touch \"$MEZZANINE_SERVICE_DATA/up\"; exec sleep 600")?;
        let (services, _said) = start(dir.path(), spec, bounds())?;
        services.wait_ready(DEADLINE)?;
        let log = dir.path().join("logs/shop.log");
        wait_until("the log catches up", || fs::read_to_string(&log).is_ok_and(|text| text.ends_with("the end\n")))?;
        let bytes: u64 =
            fs::read_dir(dir.path().join("logs"))?.flatten().filter_map(|e| e.metadata().ok()).map(|m| m.len()).sum();
        assert!(bytes <= 40_000, "{bytes} bytes of log");
        Ok(())
    }

    #[test]
    fn root_lends_itself_to_no_service() -> Outcome {
        let dir = tempfile::tempdir()?;
        let spec = ServiceSpec { uid: Some(0), ..spec(dir.path(), "touch \"$MEZZANINE_SERVICE_DATA/up\"; exec sleep 600")? };
        let (services, _said) = start(dir.path(), spec, bounds())?;
        let ready = services.wait_ready(DEADLINE);
        assert_eq!(ready.is_err(), rustix::process::geteuid().is_root());
        Ok(())
    }

    /// The engine of the test below: starts a service, says so, and waits to be killed.
    #[test]
    #[ignore = "started by the test below"]
    fn engine() -> Outcome {
        let dir = PathBuf::from(std::env::var(ENGINE)?);
        let marker = format!("62{}", rustix::process::getppid().ok_or("no parent")?.as_raw_nonzero());
        let script = format!("setsid sleep {marker} & touch \"$MEZZANINE_SERVICE_DATA/up\"; sleep {marker}");
        let (services, _said) = start(&dir, spec(&dir, &script)?, bounds())?;
        services.wait_ready(DEADLINE)?;
        println!("\nup: {}", services.states()[0].2);
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn nothing_outlives_an_engine_that_is_killed() -> Outcome {
        let dir = tempfile::tempdir()?;
        let marker = format!("62{}", std::process::id());
        let module = module_path!().split_once("::").map_or("tests", |(_, module)| module);
        let mut engine = Command::new(std::env::current_exe()?)
            .args([&format!("{module}::engine"), "--exact", "--ignored", "--nocapture"])
            .env(ENGINE, dir.path())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = io::BufReader::new(engine.stdout.take().ok_or("no output")?).lines();
        let up = lines.map_while(Result::ok).find(|line| line.starts_with("up: "));
        let there = running_with(&marker);
        engine.kill()?;
        engine.wait()?;
        let up = up.ok_or("the service did not start")?;
        assert!(there, "there was nothing to outlive it");
        if up.contains("without a process namespace") {
            println!("not tested: bubblewrap does not work on this machine");
            return Ok(());
        }
        wait_until("the service ends", || !running_with(&marker))
    }
}
