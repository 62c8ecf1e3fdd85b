//! From the press of stop at a client of the API to the last input that an X server saw of any worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mz_desktop::Witness;
use mz_protocol::{Command, PersonId, StopScope, WorkerId};

use super::company::{Premises, stuck};
use super::{BenchReport, Row};
use crate::cli::client::Client;
use crate::engine::with_engine;
use crate::house::{Begin, House, load};
use crate::paths::Paths;

const WORKERS: usize = 4;
const STOPS: usize = 100;
/// Lines that are typed for each stop, with plenty to spare.
const LINES_A_STOP: usize = 8;
/// How long is listened after a stop.
const SILENCE: Duration = Duration::from_millis(450);
/// A worker whose last letter is no older than this is amid a word.
const AMID: Duration = Duration::from_millis(60);
/// Nothing may come later than this after the press.
const LATEST: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);

/// The real engine with four workers who type; a client of its API stops the company amid their words, again and again.
pub fn stop(samples: usize) -> anyhow::Result<BenchReport> {
    let count = if samples == 0 { STOPS } else { samples };
    let premises = Premises::new(WORKERS, count * LINES_A_STOP)?;
    let company = load(&premises.company())?;
    let mut paths = Paths::apart(&company.id, &premises.state())?;
    paths.socket = premises.socket();
    with_engine(company, paths, Begin::GoOn, |house| {
        let mut client = Client::connect(&house.paths.socket, PersonId::new("bench")?)?;
        // Stopped workers hold nothing that a witness would have to wait for.
        client.command(Command::Stop { scope: StopScope::Company })?;
        let witnesses = premises.workers.iter().map(|worker| witness(house, worker)).collect::<anyhow::Result<Vec<_>>>()?;
        let seen: Vec<Seen> = witnesses.iter().map(|_| Seen::default()).collect();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _over = Over(&over);
            for (witness, seen) in witnesses.iter().zip(&seen) {
                let over = &over;
                std::thread::Builder::new()
                    .name("witness".to_owned())
                    .spawn_scoped(scope, move || seen.watch(witness, over))
                    .context("cannot start a witness")?;
            }
            measure(&mut client, &seen, count)
        })
    })
}

fn measure(client: &mut Client, seen: &[Seen], count: usize) -> anyhow::Result<BenchReport> {
    let (mut last_input, mut answered, mut later) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..count {
        client.command(Command::Resume { scope: StopScope::Company })?;
        until_all_type(client, seen, round)?;
        let pressed = Instant::now();
        client.command(Command::Stop { scope: StopScope::Company })?;
        let told = Instant::now();
        std::thread::sleep(LATEST.saturating_sub(pressed.elapsed()));
        let in_time: u64 = seen.iter().map(Seen::count).sum();
        std::thread::sleep(SILENCE.saturating_sub(pressed.elapsed()));
        if let Some(why) = seen.iter().find_map(Seen::trouble) {
            bail!("an input witness failed: {why}");
        }
        let last = seen.iter().filter_map(Seen::last).max().unwrap_or(pressed);
        last_input.push(last.saturating_duration_since(pressed).as_secs_f64() * 1e3);
        answered.push((told - pressed).as_secs_f64() * 1e3);
        let all: u64 = seen.iter().map(Seen::count).sum();
        later.push((all - in_time) as f64);
    }
    let what = |what: &str| format!("{what}, {WORKERS} workers amid words");
    Ok(BenchReport::new(
        "stop",
        vec![
            Row::new(what("stop pressed → last input event"), "ms", "p99 ≤ 100", last_input),
            Row::new(what("stop pressed → answered, so in the ledger"), "ms", "", answered),
            Row::new("input events later than 100 ms after the press", "events", "0", later),
        ],
    ))
}

fn witness(house: &Arc<House>, worker: &WorkerId) -> anyhow::Result<Witness> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(station) = house.station(worker) {
            return Ok(station.dispatcher.witness()?);
        }
        house.floor.wait_for_change(Duration::from_millis(100));
    }
    bail!("the desktop of {worker} did not start within {} s", PATIENCE.as_secs())
}

/// Returns at an instant, other in each round, at which every worker is typing.
fn until_all_type(client: &mut Client, seen: &[Seen], round: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let types = |seen: &Seen| seen.last().is_some_and(|last| last.elapsed() < AMID);
    let mut stagger = Some(Duration::from_micros(5_000 + (round as u64 * 7919) % 90_000));
    loop {
        if seen.iter().all(types) {
            match stagger.take() {
                Some(span) => std::thread::sleep(span),
                None => return Ok(()),
            }
            continue;
        }
        if let Some(why) = seen.iter().find_map(Seen::trouble) {
            bail!("an input witness failed: {why}");
        }
        if Instant::now() > deadline {
            let typing = seen.iter().filter(|seen| types(seen)).count();
            let why = stuck(&client.status()?).unwrap_or_else(|| "nobody says why".to_owned());
            bail!("only {typing} of {} workers type in round {round}: {why}", seen.len());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What one witness saw.
struct Seen {
    begun: Instant,
    /// Microseconds after `begun`; 0 is never.
    last: AtomicU64,
    count: AtomicU64,
    trouble: std::sync::Mutex<Option<String>>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { begun: Instant::now(), last: AtomicU64::new(0), count: AtomicU64::new(0), trouble: std::sync::Mutex::default() }
    }
}

impl Seen {
    fn watch(&self, witness: &Witness, over: &AtomicBool) {
        while !over.load(Ordering::SeqCst) {
            match witness.next(Duration::from_millis(200)) {
                Ok(Some(at)) => {
                    self.last.store(at.saturating_duration_since(self.begun).as_micros().max(1) as u64, Ordering::SeqCst);
                    self.count.fetch_add(1, Ordering::SeqCst);
                }
                Ok(None) => {}
                Err(error) => {
                    *self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error.to_string());
                    return;
                }
            }
        }
    }

    fn last(&self) -> Option<Instant> {
        let micros = self.last.load(Ordering::SeqCst);
        (micros > 0).then(|| self.begun + Duration::from_micros(micros))
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Ends the witnesses, also when a measurement fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
