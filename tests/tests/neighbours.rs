//! A program that floods, hangs or takes what it can get: only the desktop that it runs on is hurt, the manager reads
//! why, and the others of the company finish their work.

use anyhow::{Context, ensure};
use mz_protocol::{Command, EventBody, EventSeq, OrderState, Snapshot, StopScope, WorkerId, WorkerState};
use mz_tests::{Engine, Place, Watcher};

const BEGIN: EventSeq = EventSeq(0);
/// The order of the worker whose program misbehaves, and those of the other one.
const BAD: &str = "WO-0001";
const GOOD: [&str; 2] = ["WO-0002", "WO-0003"];
/// An engine with two desktops needs a tenth of it.
const MOST_MEMORY_KIB: u64 = 1 << 20;

/// Of both desktops: Rex may have 80, and the neighbour has some 30.
const MOST_PROCESSES: usize = 200;

fn rex() -> anyhow::Result<WorkerId> {
    Ok(WorkerId::new("rex")?)
}

/// The company of the two, with one of its programs for Rex.
fn company(program: &str) -> anyhow::Result<Place> {
    let place = Place::new("neighbours")?;
    let files = place.company().join("files");
    std::fs::copy(files.join(program), files.join("program.py")).with_context(|| format!("there is no {program}"))?;
    Ok(place)
}

fn state_of(snapshot: &Snapshot, id: &str) -> Option<(OrderState, String)> {
    let view = snapshot.orders.iter().find(|view| view.order.id.as_str() == id)?;
    Some((view.state, view.reason.clone().unwrap_or_default()))
}

fn neighbour_finishes(watcher: &Watcher) -> anyhow::Result<()> {
    for id in GOOD {
        let (state, reason) = watcher.state("the neighbour's work", |snapshot| {
            state_of(snapshot, id).filter(|(state, _)| state.is_final() || *state == OrderState::NeedsHelp)
        })?;
        ensure!(state == OrderState::Done, "{id} of the neighbour ended as {state:?}: {reason}");
    }
    Ok(())
}

/// Waits until Rex's desktop has been ended; gives the reason that was written down.
fn until_ended(watcher: &Watcher) -> anyhow::Result<String> {
    let rex = rex()?;
    watcher.event("the end of the desktop", BEGIN, |record| match &record.event.body {
        EventBody::DesktopEnded { worker, why } if *worker == rex => Some(why.clone()),
        _ => None,
    })
}

/// The neighbour's desktop was never ended, and the engine did not grow.
fn unharmed(engine: &Engine, watcher: &Watcher) -> anyhow::Result<()> {
    for record in watcher.events() {
        if let EventBody::DesktopEnded { worker, why } = &record.event.body {
            ensure!(*worker == rex()?, "the desktop of {worker} ended too: {why}");
        }
    }
    let memory = engine.memory_kib()?;
    ensure!(memory < MOST_MEMORY_KIB, "the engine holds {} MiB", memory / 1024);
    Ok(())
}

/// The desktop is ended for this reason, is started again, and in the end the order is given up, with the reason.
fn is_ended_for(program: &str, words: &[&str]) -> anyhow::Result<()> {
    let place = company(program)?;
    let engine = place.start()?;
    let watcher = engine.watch()?;
    let why = until_ended(&watcher)?;
    for word in words {
        ensure!(why.contains(word), "{word:?} is not in the reason {why:?}");
    }
    neighbour_finishes(&watcher)?;
    let (state, reason) =
        watcher.state("the end of the order", |snapshot| state_of(snapshot, BAD).filter(|(state, _)| state.is_final()))?;
    ensure!(state == OrderState::Failed && words.iter().all(|word| reason.contains(word)), "it ended as {state:?}: {reason}");
    unharmed(&engine, &watcher)?;
    engine.down()
}

#[test]
fn memory() -> anyhow::Result<()> {
    is_ended_for("memory.py", &["MiB of memory", "400"])
}

/// Where the kernel denies more processes, the desktop goes on without them; elsewhere it is ended.
#[test]
fn forks() -> anyhow::Result<()> {
    let place = company("forks.py")?;
    let engine = place.start()?;
    let watcher = engine.watch()?;
    let (reason, ended) = until_help_or_end(&watcher)?;
    ensure!(if ended { reason.contains("processes") } else { reason.contains("Program") }, "the manager reads {reason:?}");
    neighbour_finishes(&watcher)?;
    let count = engine.process_count();
    ensure!(count < MOST_PROCESSES, "there are {count} processes");
    unharmed(&engine, &watcher)?;
    engine.down()
}

#[test]
fn disk() -> anyhow::Result<()> {
    is_ended_for("disk.py", &["home", "40"])
}

/// A window that is painted over all the time is no reason to end a desktop; the worker cannot work in it and says so.
#[test]
fn flood() -> anyhow::Result<()> {
    let place = company("flood.py")?;
    let engine = place.start()?;
    let watcher = engine.watch()?;
    let rex = rex()?;
    let mut pictures = engine.client("watch")?;
    pictures.command(Command::Watch { workers: vec![rex.clone()], divisor: 4 })?;
    let (reason, _) = until_help_or_end(&watcher)?;
    ensure!(reason.contains("Program"), "the manager is not told what is missing: {reason}");
    neighbour_finishes(&watcher)?;
    // The person still has the word on that desktop.
    let mut manager = engine.client("manager")?;
    manager.command(Command::Stop { scope: StopScope::Worker(rex.clone()) })?;
    let state = manager.status()?.workers.iter().find(|worker| worker.id == rex).map(|worker| worker.state.clone());
    ensure!(matches!(state, Some(WorkerState::Stopped { .. })), "the worker is shown as {state:?}");
    unharmed(&engine, &watcher)?;
    engine.down()
}

/// A program that answers nothing, not even the question what is on its window.
#[test]
fn silent_program() -> anyhow::Result<()> {
    let place = company("silent.py")?;
    let engine = place.start()?;
    let watcher = engine.watch()?;
    let (reason, _) = until_help_or_end(&watcher)?;
    ensure!(!reason.is_empty(), "the manager is not told anything");
    neighbour_finishes(&watcher)?;
    unharmed(&engine, &watcher)?;
    engine.down()
}

/// The display itself hangs: the desktop is ended, and a new one is started.
#[test]
fn silent_display() -> anyhow::Result<()> {
    let place = company("silent.py")?;
    let engine = place.start()?;
    let watcher = engine.watch()?;
    watcher.event("Rex at work", BEGIN, |record| match &record.event.body {
        EventBody::StepStarted { worker, .. } if worker.as_str() == "rex" => Some(()),
        _ => None,
    })?;
    engine.hang_display_of("rex")?;
    let why = until_ended(&watcher)?;
    ensure!(why.contains("answer"), "the reason is {why:?}");
    watcher.event("another desktop", BEGIN, {
        let mut ended = false;
        move |record| match &record.event.body {
            EventBody::DesktopEnded { worker, .. } if worker.as_str() == "rex" => {
                ended = true;
                None
            }
            EventBody::DesktopStarted { worker, .. } if worker.as_str() == "rex" && ended => Some(()),
            _ => None,
        }
    })?;
    neighbour_finishes(&watcher)?;
    unharmed(&engine, &watcher)?;
    engine.down()
}

/// What Rex's order comes to: help is wanted (false), or it is over (true).
fn until_help_or_end(watcher: &Watcher) -> anyhow::Result<(String, bool)> {
    watcher.state("a word of the worker", |snapshot| {
        let (state, reason) = state_of(snapshot, BAD)?;
        match state {
            OrderState::NeedsHelp => Some((reason, false)),
            OrderState::Failed => Some((reason, true)),
            _ => None,
        }
    })
}
