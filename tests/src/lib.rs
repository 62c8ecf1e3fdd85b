//! The engine from outside: its program, its socket, its files. Every wait in here has a deadline and is for an event.

mod processes;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use mz_engine::cli::client::Client;
use mz_protocol::{
    ApprovalState, ApprovalView, Command, Decision, DecisionKind, EventBody, EventRecord, EventSeq, Millis, PersonId, Push,
    Response, Snapshot, WorkOrderId,
};

pub use processes::Left;

/// Nothing here should take as long, on a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// A question is on the screen this long before it is answered; the gate takes nothing faster.
const READ: Duration = Duration::from_millis(600);
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
        let folder = tempfile::Builder::new().prefix("mz-").tempdir()?;
        // The workers' users pass through it to reach their homes.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711))?;
        let place = Self { folder };
        copy(&company(name), &place.company())?;
        Ok(place)
    }

    pub fn company(&self) -> PathBuf {
        self.folder.path().join("company")
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn ledger(&self) -> PathBuf {
        self.state().join("ledger")
    }

    pub fn home_of(&self, worker: &str) -> PathBuf {
        self.state().join("homes").join(worker)
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
        let mut command = Program::new(program()?);
        command.args(args).env("XDG_RUNTIME_DIR", self.folder.path()).env("MEZZANINE_HOME", self.state());
        command.env("MEZZANINE_SOCKET", self.socket()).stdin(Stdio::null());
        Ok(command)
    }

    fn up(&self) -> anyhow::Result<Program> {
        let mut command = self.mezzanine(&["up"])?;
        command.arg("--company").arg(self.company()).arg("--home").arg(self.state()).arg("--socket").arg(self.socket());
        Ok(command)
    }

    /// Starts the engine and waits until it answers.
    pub fn start(&self) -> anyhow::Result<Engine> {
        let log = self.folder.path().join("engine.log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let child = self.up()?.stdout(Stdio::null()).stderr(file).spawn()?;
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
        let said = ended(self.up()?)?;
        refused(&said)
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> anyhow::Result<Output> {
        ended(self.mezzanine(args)?)
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

fn ended(mut command: Program) -> anyhow::Result<Output> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
            bail!("{command:?} did not end: {:?}", child.wait_with_output()?);
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(child.wait_with_output()?)
}

/// A running engine; killed when dropped.
pub struct Engine {
    child: Child,
    socket: PathBuf,
    folder: PathBuf,
}

impl Engine {
    pub fn client(&self, name: &str) -> anyhow::Result<Client> {
        Client::connect(&self.socket, person(name)?)
    }

    pub fn watch(&self) -> anyhow::Result<Watcher> {
        Watcher::new(&self.socket)
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
            let Response::Events { events } =
                asker.command(Command::Events { after, limit: 1000, worker: None, order: None })?
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
