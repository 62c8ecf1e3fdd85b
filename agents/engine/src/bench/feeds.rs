//! From a letter to the picture of it in the console, and what it costs: the real engine, sixteen desktops at work, the
//! real console with its wall open, each in its own process.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use mz_protocol::{Action, Command as Ask, LeaseId, PersonId, Response, TypedText, WorkerId};
use serde::Deserialize;

use super::company::{Premises, stuck};
use super::programs::Running;
use super::{BenchReport, Row};
use crate::cli::client::Client;
use crate::pictures::{console_program, with_display};

const DESKTOPS: usize = 16;
const CHANGES: usize = 320;
/// Over which processor time is taken.
const SPAN: Duration = Duration::from_secs(15);
/// Each desktop gets ten letters a second.
const PERIOD: Duration = Duration::from_millis(100);
/// Clients that type, each for its share of the desktops: one alone would wait for one letter after the other.
const TYPISTS: usize = 4;
/// A desktop that has shown nothing new for this long stands still.
const STILL: Duration = Duration::from_millis(120);
const START: Duration = Duration::from_secs(240);
const PATIENCE: Duration = Duration::from_secs(20);
/// The console ends by itself then, whatever has become of the benchmark.
const DEADLINE: Duration = Duration::from_secs(900);
/// A letter that is not to be seen after this time is lost.
const LOST: Duration = Duration::from_secs(3);

/// Delay, and the load of engine and console at rest and under typing.
pub fn feed(samples: usize) -> anyhow::Result<BenchReport> {
    let count = if samples == 0 { CHANGES } else { samples };
    let program = console_program()?;
    let premises = Premises::new(DESKTOPS, 1)?;
    let mut engine = Engine::start(&premises)?;
    engine.until_open(&premises.workers)?;
    with_display("1600x900x24", |display| {
        let mut command = Command::new(&program);
        command.env("DISPLAY", display).env_remove("WAYLAND_DISPLAY").arg("--socket").arg(premises.socket());
        command.args(["--bench-feed", "--seconds", &DEADLINE.as_secs().to_string()]);
        let mut console = Running::start("the console", command.stdout(Stdio::piped()))?;
        let out = console.child().stdout.take().context("the console has no output")?;
        let mut wall = Wall::listen(out)?;
        wall.until_shown(&premises.workers)?;
        wall.until_still()?;
        measure(&mut engine, &console, &mut wall, &premises, count)
    })
}

fn measure(
    engine: &mut Engine,
    console: &Running,
    wall: &mut Wall,
    premises: &Premises,
    count: usize,
) -> anyhow::Result<BenchReport> {
    let rest = load(&engine.program, console, || Ok(()))?;
    let seats = engine.take_over(&premises.workers)?;
    wall.until_still()?;
    let mut delays = Vec::new();
    for round in 0..count {
        let seat = &seats[round % seats.len()];
        delays.push(wall.delay_of(&mut engine.client, seat, letter(round / DESKTOPS))?.as_secs_f64() * 1e3);
    }
    let socket = premises.socket();
    let typing = load(&engine.program, console, || type_on(&socket, &seats))?;
    engine.program.alive()?;
    Ok(BenchReport::new(
        "feed",
        vec![
            Row::new("letter sent → in the console's texture, 16 live desktops", "ms", "p50 ≤ 30, p99 ≤ 80", delays),
            Row::new("CPU of the engine, 16 desktops watched, at rest", "% of a core", "≤ 2", vec![rest.0]),
            Row::new(
                "CPU of the engine, 16 desktops watched, each typing 10 letters a second",
                "% of a core",
                "≤ 40",
                vec![typing.0],
            ),
            Row::new("CPU of the console, software rendering, 16 desktops at rest", "% of a core", "", vec![rest.1]),
            Row::new("CPU of the console, software rendering, 16 desktops each typing", "% of a core", "", vec![typing.1]),
        ],
    ))
}

/// Processor time of engine and console while `act` runs, at least for the span, in percent of one core.
fn load(engine: &Running, console: &Running, act: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<(f64, f64)> {
    let begun = Instant::now();
    let before = (engine.cpu()?, console.cpu()?);
    act()?;
    std::thread::sleep(SPAN.saturating_sub(begun.elapsed()));
    let spent = begun.elapsed().as_secs_f64();
    let share = |now: Duration, then: Duration| now.saturating_sub(then).as_secs_f64() / spent * 100.0;
    Ok((share(engine.cpu()?, before.0), share(console.cpu()?, before.1)))
}

/// Types in all desktops for the whole span.
fn type_on(socket: &Path, seats: &[Seat]) -> anyhow::Result<()> {
    let share = seats.len().div_ceil(TYPISTS);
    std::thread::scope(|scope| {
        let hire = |seats| {
            let typist = std::thread::Builder::new().name("typist".to_owned());
            typist.spawn_scoped(scope, move || type_in_turn(socket, seats))
        };
        let typists = seats.chunks(share).map(hire).collect::<Result<Vec<_>, _>>().context("cannot start a typist")?;
        for typist in typists {
            typist.join().map_err(|_| anyhow::anyhow!("a typist was lost"))??;
        }
        Ok(())
    })
}

fn type_in_turn(socket: &Path, seats: &[Seat]) -> anyhow::Result<()> {
    let mut client = Client::connect(socket, PersonId::new("bench")?)?;
    let end = Instant::now() + SPAN;
    let mut next = Instant::now();
    for round in 0.. {
        if Instant::now() >= end {
            break;
        }
        for seat in seats {
            seat.drive(&mut client, letter(round))?;
        }
        next += PERIOD;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

fn letter(round: usize) -> char {
    char::from(b'a' + (round % 26) as u8)
}

/// A desktop that the benchmark drives as a person does.
struct Seat {
    worker: WorkerId,
    lease: LeaseId,
}

impl Seat {
    fn drive(&self, client: &mut Client, letter: char) -> anyhow::Result<()> {
        let action = Action::Type { text: TypedText::Plain(letter.to_string()) };
        client.command(Ask::Drive { lease: self.lease.clone(), action }).map(drop)
    }
}

/// The engine's program with the benchmark's company.
struct Engine {
    program: Running,
    client: Client,
}

impl Engine {
    fn start(premises: &Premises) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("up").arg("--company").arg(premises.company()).arg("--home").arg(premises.state());
        command.arg("--socket").arg(premises.socket()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(premises.log())?);
        let mut program = Running::start("the engine", &mut command)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(client) = Client::connect(&premises.socket(), PersonId::new("bench")?) {
                return Ok(Self { program, client });
            }
            let said = || std::fs::read_to_string(premises.log()).unwrap_or_default();
            program.alive().with_context(said)?;
            if Instant::now() > deadline {
                bail!("the engine does not answer: {}", said());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until every worker has an editor open and nothing more to do.
    fn until_open(&mut self, workers: &[WorkerId]) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        loop {
            let snapshot = self.client.status()?;
            if let Some(why) = stuck(&snapshot) {
                bail!("the benchmark's company does not work: {why}");
            }
            // Whether the file was found good does not matter here: the editor is open.
            let done = snapshot.orders.iter().filter(|view| view.state.is_final()).count();
            if done == workers.len() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("only {done} of {} editors opened within {} s", workers.len(), START.as_secs());
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    fn take_over(&mut self, workers: &[WorkerId]) -> anyhow::Result<Vec<Seat>> {
        let take = |worker: &WorkerId| match self.client.command(Ask::TakeOver { worker: worker.clone() })? {
            Response::Lease { lease, .. } => Ok(Seat { worker: worker.clone(), lease }),
            other => bail!("the engine answered {other:?} instead of a lease"),
        };
        workers.iter().map(take).collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Its own end leaves less behind than a kill.
        if self.client.command(Ask::Shutdown).is_ok() {
            let _ = self.program.wait(PATIENCE);
        }
    }
}

/// A picture that the console has put into a texture, as it tells it.
#[derive(Debug, Deserialize)]
struct Shown {
    worker: WorkerId,
    /// Microseconds since 1970 at which the engine read the pixels.
    captured_us: u64,
    /// The kernel's monotonic clock, in microseconds, after the upload.
    uploaded_us: u64,
}

/// What the console's wall shows.
struct Wall {
    shown: Receiver<Shown>,
    last: HashMap<WorkerId, Instant>,
}

impl Wall {
    fn listen(out: ChildStdout) -> anyhow::Result<Self> {
        let (sender, shown) = crossbeam_channel::bounded(65_536);
        std::thread::Builder::new().name("wall".to_owned()).spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Ok(picture) = serde_json::from_str(&line)
                    && sender.send(picture).is_err()
                {
                    return;
                }
            }
        })?;
        Ok(Self { shown, last: HashMap::new() })
    }

    fn next(&mut self, deadline: Instant) -> anyhow::Result<Option<Shown>> {
        match self.shown.recv_deadline(deadline) {
            Ok(shown) => {
                self.last.insert(shown.worker.clone(), Instant::now());
                Ok(Some(shown))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("the console ended: see whether it can open its window"),
        }
    }

    fn until_shown(&mut self, workers: &[WorkerId]) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !workers.iter().all(|worker| self.last.contains_key(worker)) {
            if self.next(deadline)?.is_none() {
                bail!("the console shows {} of {} desktops", self.last.len(), workers.len());
            }
        }
        Ok(())
    }

    /// Waits until no desktop changes.
    fn until_still(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.next(Instant::now() + STILL * 5)?.is_some() {
            if Instant::now() > deadline {
                bail!("the desktops do not come to rest");
            }
        }
        Ok(())
    }

    /// Types a letter and waits until the console has it.
    fn delay_of(&mut self, client: &mut Client, seat: &Seat, letter: char) -> anyhow::Result<Duration> {
        let deadline = Instant::now() + PATIENCE;
        // What is left of the letter before must not be taken for this one.
        while let Some(left) = self.last.get(&seat.worker).map(|last| STILL.saturating_sub(last.elapsed())) {
            if left.is_zero() && self.shown.is_empty() {
                break;
            }
            self.next(Instant::now() + left)?;
            if Instant::now() > deadline {
                bail!("the desktop of {} does not come to rest", seat.worker);
            }
        }
        let (sent, sent_wall) = (monotonic_us(), wall_us());
        seat.drive(client, letter)?;
        let deadline = Instant::now() + LOST;
        while let Some(shown) = self.next(deadline)? {
            if shown.worker == seat.worker && shown.captured_us >= sent_wall {
                return Ok(Duration::from_micros(shown.uploaded_us.saturating_sub(sent)));
            }
        }
        bail!("the letter typed for {} did not come to the console within {} s", seat.worker, LOST.as_secs())
    }
}

fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
}

fn wall_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_micros() as u64)
}
