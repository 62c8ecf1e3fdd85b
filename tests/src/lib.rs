//! The engine from outside: its program, its socket, its files. Every wait in here has a deadline and is for an event.

mod day;
mod disk;
mod processes;

use std::io::{Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use mz_engine::cli::client::Client;
use mz_protocol::{
    ApprovalState, ApprovalView, Command, Decision, DecisionKind, EventBody, EventPage, EventRecord, EventSeq, Millis,
    PersonId, Push, Response, Snapshot, WorkOrderId,
};

pub use day::{ApprovalLine, Day, OrderLine, Summary};
pub use disk::SmallDisk;
pub use processes::Left;

/// Nothing here should take as long, on a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// A question is on the screen this long before it is answered; the gate takes nothing faster.
const READ: Duration = Duration::from_millis(600);
/// What the engine prints, in its folder.
const SAID: &str = "engine.out";
/// How long a change is waited for before the state is asked for again.
const NUDGE: Duration = Duration::from_millis(300);

/// The engine's program, beside the tests.
pub fn program() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("MEZZANINE_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    let built = own.ancestors().skip(1).map(|dir| dir.join("mezzanine")).find(|path| path.is_file());
    built
        .with_context(|| format!("no mezzanine beside {}: run `cargo build --bins` first, or set MEZZANINE_BIN", own.display()))
}

/// A company of the tests, as it lies in the repository.
pub fn company(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("companies").join(name)
}

/// The company that ships.
pub fn atelier() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/companies/atelier")
}

pub fn person(name: &str) -> anyhow::Result<PersonId> {
    Ok(PersonId::new(name)?)
}

pub fn order(name: &str) -> anyhow::Result<WorkOrderId> {
    Ok(WorkOrderId::new(name)?)
}

/// A company of its own with the state of its engine, gone when dropped.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// With a copy of a test company, which may be changed.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        Self::with(&company(name))
    }

    /// With a copy of the company in a folder.
    pub fn with(company: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("mz-").tempdir()?;
        // The workers' users pass through it to reach their homes.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711))?;
        let place = Self { folder };
        copy(company, &place.company())?;
        Ok(place)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whatever still runs with this place's folders.
    pub fn left(&self) -> Left {
        Left::of_folder(self.folder.path())
    }

    pub fn company(&self) -> PathBuf {
        self.folder.path().join("company")
    }

    /// What `--home` names.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The company's own part of the state.
    pub fn own_state(&self) -> PathBuf {
        let text = std::fs::read_to_string(self.company().join("COMPANY.md")).unwrap_or_default();
        let slug = text.lines().find_map(|line| line.strip_prefix("slug: ")).unwrap_or("company");
        self.state().join("companies").join(slug.trim())
    }

    pub fn ledger(&self) -> PathBuf {
        self.own_state().join("ledger")
    }

    pub fn home_of(&self, worker: &str) -> PathBuf {
        self.own_state().join("homes").join(worker)
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    /// Writes a file of the company.
    pub fn write(&self, file: &str, text: &str) -> anyhow::Result<()> {
        let path = self.company().join(file);
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The command, with this place's folders for whatever the engine keeps.
    pub fn mezzanine(&self, args: &[&str]) -> anyhow::Result<Program> {
        let mut command = Program::new(self.program()?);
        command.args(args).env("XDG_RUNTIME_DIR", self.folder.path()).env("MEZZANINE_HOME", self.state());
        // The keyring of whoever runs the tests is not theirs.
        command.env("MEZZANINE_SOCKET", self.socket()).env_remove("DBUS_SESSION_BUS_ADDRESS").stdin(Stdio::null());
        Ok(command)
    }

    fn up(&self) -> anyhow::Result<Program> {
        let mut command = self.mezzanine(&["up"])?;
        command.arg("--company").arg(self.company()).arg("--home").arg(self.state()).arg("--socket").arg(self.socket());
        Ok(command)
    }

    /// Starts the engine and waits until it answers.
    pub fn start(&self) -> anyhow::Result<Engine> {
        self.start_with(&[])
    }

    /// As `start`, with more arguments of `mezzanine up`.
    pub fn start_with(&self, args: &[&str]) -> anyhow::Result<Engine> {
        let log = self.folder.path().join("engine.log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let out = std::fs::File::create(self.folder.path().join(SAID))?;
        let child = self.up()?.args(args).stdout(out).stderr(file).spawn()?;
        let mut engine = Engine { child, socket: self.socket(), folder: self.folder.path().to_owned() };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if Client::connect(&engine.socket, person("watch")?).is_ok() {
                return Ok(engine);
            }
            if let Some(status) = engine.child.try_wait()? {
                bail!("the engine ended with {status}: {}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            ensure!(Instant::now() < deadline, "the engine does not answer");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Starts an engine that is expected to refuse, and gives what it said.
    pub fn refusal(&self) -> anyhow::Result<String> {
        self.refusal_within(&[])
    }

    /// Gives the place to another user, with a copy of the engine's programs that this user can read.
    pub fn give(&self, uid: u32) -> anyhow::Result<()> {
        let built = program()?;
        let bin = self.folder.path().join("bin");
        std::fs::create_dir(&bin)?;
        for name in ["mezzanine", "mezzanine-desktop"] {
            std::fs::copy(built.with_file_name(name), bin.join(name))?;
            std::fs::set_permissions(bin.join(name), PermissionsExt::from_mode(0o755))?;
        }
        Ok(std::os::unix::fs::chown(self.folder.path(), Some(uid), Some(uid))?)
    }

    fn program(&self) -> anyhow::Result<PathBuf> {
        let given = self.folder.path().join("bin/mezzanine");
        if given.is_file() { Ok(given) } else { program() }
    }

    /// As `refusal`, with the engine started by another program.
    pub fn refusal_within(&self, wrapper: &[&str]) -> anyhow::Result<String> {
        let up = self.up()?;
        let Some((program, args)) = wrapper.split_first() else { return refused(&ended(up, PATIENCE)?) };
        let mut command = Program::new(program);
        command.args(args).arg(up.get_program()).args(up.get_args()).stdin(Stdio::null());
        command.envs(up.get_envs().filter_map(|(name, value)| Some((name, value?))));
        refused(&ended(command, PATIENCE)?)
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> anyhow::Result<Output> {
        ended(self.mezzanine(args)?, PATIENCE)
    }

    /// Every event that the ledger holds, after its chain was found whole.
    pub fn sound_events(&self) -> anyhow::Result<Vec<EventRecord>> {
        let reader = mz_ledger::Ledger::read_only(self.ledger())?;
        let found = reader.verify()?;
        ensure!(found.problem.is_none(), "the ledger is not sound: {found:?}");
        Ok(reader.events(&mz_ledger::Filter::all())?)
    }
}

/// What a command said that failed, on both outputs; an error where it did not fail.
pub fn refused(output: &Output) -> anyhow::Result<String> {
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(!output.status.success(), "it went well and should not have: {said}");
    ensure!(output.status.code().is_some(), "it died instead of saying what is wrong: {:?} {said}", output.status);
    Ok(said)
}

/// Runs a command to its end. What it says goes through files, since a full pipe would hold it up.
fn ended(mut command: Program, within: Duration) -> anyhow::Result<Output> {
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut child = command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?).spawn()?;
    let deadline = Instant::now() + within;
    let mut killed = false;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            killed = true;
            child.kill()?;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    };
    let said = |file: &mut std::fs::File| -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let output = Output { status, stdout: said(&mut stdout)?, stderr: said(&mut stderr)? };
    ensure!(!killed, "{command:?} did not end within {within:?}: {output:?}");
    Ok(output)
}

/// A running engine; killed when dropped.
pub struct Engine {
    child: Child,
    socket: PathBuf,
    folder: PathBuf,
}

impl Engine {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it tells whoever started it.
    pub fn said(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.folder.join(SAID))?)
    }

    pub fn client(&self, name: &str) -> anyhow::Result<Client> {
        Client::connect(&self.socket, person(name)?)
    }

    pub fn watch(&self) -> anyhow::Result<Watcher> {
        Watcher::new(&self.socket)
    }

    /// How many processes it has started that still run.
    pub fn process_count(&self) -> usize {
        Left::of(self.child.id(), &self.folder).count()
    }

    /// The most memory that the engine itself has held, without its desktops.
    pub fn memory_kib(&self) -> anyhow::Result<u64> {
        processes::peak_memory_kib(self.child.id()).context("the engine is gone")
    }

    /// Makes the X server of a worker's desktop stand still.
    pub fn hang_display_of(&self, worker: &str) -> anyhow::Result<()> {
        let server = processes::display_server(self.child.id(), worker).with_context(|| format!("{worker} has no X server"))?;
        let server = rustix::process::Pid::from_raw(server.cast_signed()).context("that is no process")?;
        Ok(rustix::process::kill_process(server, rustix::process::Signal::STOP)?)
    }

    /// Kills the engine where it stands. What it had started is given back, to see that it goes too.
    pub fn kill(mut self) -> anyhow::Result<Left> {
        let left = Left::of(self.child.id(), &self.folder);
        self.child.kill()?;
        self.child.wait()?;
        Ok(left)
    }

    /// Ends the engine as its user does.
    pub fn down(mut self) -> anyhow::Result<()> {
        self.client("manager")?.command(Command::Shutdown)?;
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "the engine does not end");
            std::thread::park_timeout(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a client has been told: each event once, in its order.
#[derive(Default)]
struct Heard {
    events: Vec<EventRecord>,
    gone: bool,
}

/// A client that follows the engine from its first event, on a thread of its own.
pub struct Watcher {
    socket: PathBuf,
    heard: Arc<(Mutex<Heard>, Condvar)>,
}

impl Watcher {
    fn new(socket: &Path) -> anyhow::Result<Self> {
        let watcher = Self { socket: socket.to_owned(), heard: Arc::default() };
        let mut client = Client::connect(socket, person("watch")?)?;
        client.command(Command::Follow)?;
        // What happened before, and may happen while it is read: the pushes that follow are told apart by number.
        let mut asker = Client::connect(socket, person("watch")?)?;
        loop {
            let after = EventSeq(lock(&watcher.heard.0).events.last().map_or(0, |record| record.seq.0));
            let Response::Events { events, .. } =
                asker.command(Command::Events { page: EventPage::After(after), limit: 1000, worker: None, order: None })?
            else {
                bail!("no events came")
            };
            if events.is_empty() {
                break;
            }
            lock(&watcher.heard.0).events.extend(events);
        }
        let heard = Arc::clone(&watcher.heard);
        std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            while let Ok(push) = client.next_push(Instant::now() + Duration::from_secs(600)) {
                if let Push::Event { record } = push {
                    let mut heard_so_far = lock(&heard.0);
                    if heard_so_far.events.last().is_none_or(|last| last.seq < record.seq) {
                        heard_so_far.events.push(*record);
                    }
                }
                heard.1.notify_all();
            }
            lock(&heard.0).gone = true;
            heard.1.notify_all();
        })?;
        Ok(watcher)
    }

    pub fn events(&self) -> Vec<EventRecord> {
        lock(&self.heard.0).events.clone()
    }

    /// What the engine said before it died, down to the last word.
    pub fn all_after_death(&self) -> anyhow::Result<Vec<EventRecord>> {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = lock(&self.heard.0);
        while !heard.gone {
            ensure!(Instant::now() < deadline, "the connection does not end");
            heard = self.heard.1.wait_timeout(heard, NUDGE).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(heard.events.clone())
    }

    /// Waits for an event behind `after` of which `find` makes something.
    pub fn event<T>(&self, what: &str, after: EventSeq, mut find: impl FnMut(&EventRecord) -> Option<T>) -> anyhow::Result<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut next = 0;
        let mut heard = lock(&self.heard.0);
        loop {
            for record in &heard.events[next..] {
                if let Some(found) = (record.seq > after).then(|| find(record)).flatten() {
                    return Ok(found);
                }
            }
            next = heard.events.len();
            ensure!(!heard.gone, "the engine went away while waiting for {what}");
            ensure!(Instant::now() < deadline, "{what} did not come; the last events: {:#?}", last(&heard.events));
            heard = self.heard.1.wait_timeout(heard, NUDGE).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the events are so many, at most for `most`. Less is no error.
    pub fn count(&self, count: usize, most: Duration) {
        let deadline = Instant::now() + most;
        let mut heard = lock(&self.heard.0);
        while heard.events.len() < count && !heard.gone && Instant::now() < deadline {
            heard = self.heard.1.wait_timeout(heard, NUDGE).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for a state of the floor.
    pub fn state<T>(&self, what: &str, mut find: impl FnMut(&Snapshot) -> Option<T>) -> anyhow::Result<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut client = Client::connect(&self.socket, person("watch")?)?;
        loop {
            let snapshot = client.status()?;
            if let Some(found) = find(&snapshot) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                bail!("{what} did not come about; the last events: {:#?}", last(&self.events()));
            }
            let heard = lock(&self.heard.0);
            drop(self.heard.1.wait_timeout(heard, NUDGE).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Waits for an open question other than those of `known`.
    pub fn question(&self, known: &[&ApprovalView]) -> anyhow::Result<ApprovalView> {
        self.state("a question", |snapshot| {
            let is_new = |view: &&ApprovalView| known.iter().all(|old| old.request.id != view.request.id);
            snapshot.approvals.iter().filter(|view| matches!(view.state, ApprovalState::Waiting { .. })).find(is_new).cloned()
        })
    }

    pub fn last_seq(&self) -> EventSeq {
        lock(&self.heard.0).events.last().map_or(EventSeq(0), |record| record.seq)
    }
}

/// The answer to a question, by whoever sends it.
pub fn decision(view: &ApprovalView, kind: DecisionKind) -> anyhow::Result<Decision> {
    let request = &view.request;
    let by = person("manager")?;
    Ok(Decision { approval: request.id.clone(), binding: request.binding, kind, by, note: None, looked: Millis(600) })
}

/// Looks at a question for as long as the gate wants it, and answers.
pub fn decide(client: &mut Client, view: &ApprovalView, kind: DecisionKind) -> anyhow::Result<Response> {
    show(client, view)?;
    client.ask(Command::Decide { decision: decision(view, kind)? })
}

/// Has a question on the screen for as long as the gate wants it to be read.
pub fn show(client: &mut Client, view: &ApprovalView) -> anyhow::Result<()> {
    client.command(Command::Shown { approval: view.request.id.clone() })?;
    let read = Instant::now() + READ;
    while Instant::now() < read {
        std::thread::park_timeout(read.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// The kinds of events, for a failing test to show.
fn last(events: &[EventRecord]) -> Vec<&EventBody> {
    events.iter().rev().take(6).rev().map(|record| &record.event.body).collect()
}

pub fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
