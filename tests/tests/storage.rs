//! The disk runs full in the middle of a working day: workers stand still, nothing that was said is lost, the manager
//! reads why, and work goes on when there is room again.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mz_protocol::{
    Command, DecisionKind, EventBody, EventRecord, EventSeq, OrderState, Response, Snapshot, StopScope, WorkerState,
};
use mz_tests::{Engine, PATIENCE, Place, SmallDisk, Watcher, decide};

/// Before the first event.
const BEGIN: EventSeq = EventSeq(0);
const MIB: u64 = 1 << 20;
/// Room for a day, and for what the engine wants to have left.
const DISK: u64 = 480;
/// Less than the engine wants, and enough to write with.
const LITTLE: u64 = 120 * MIB;
/// Commands after which a ledger without room has certainly met the end of its file.
const MOST_WRITES: usize = 2000;
/// What should not happen is waited for this long.
const QUIET: Duration = Duration::from_secs(2);

/// A working day on a disk that can be filled; none where nothing may be mounted.
fn workplace() -> anyhow::Result<Option<(Place, SmallDisk)>> {
    let place = Place::new("errands")?;
    let disk = SmallDisk::at(&place.state(), DISK)?;
    Ok(disk.map(|disk| (place, disk)))
}

fn trouble(snapshot: &Snapshot) -> Option<String> {
    snapshot.company.as_ref().and_then(|company| company.trouble.clone())
}

fn until_at_work(watcher: &Watcher) -> anyhow::Result<()> {
    let began = |record: &EventRecord| matches!(record.event.body, EventBody::StepStarted { .. }).then_some(());
    watcher.event("the first step", BEGIN, began)
}

fn until_trouble(watcher: &Watcher) -> anyhow::Result<String> {
    watcher.state("a word about the disk", trouble)
}

fn until_well(watcher: &Watcher) -> anyhow::Result<()> {
    watcher.state("the end of the trouble", |snapshot| trouble(snapshot).is_none().then_some(()))
}

/// What the manager reads on the command line.
fn said(place: &Place) -> anyhow::Result<String> {
    let output = place.run(&["status"])?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn works(record: &EventRecord) -> bool {
    matches!(record.event.body, EventBody::ActionIntended { .. } | EventBody::StepStarted { .. })
        || matches!(&record.event.body, EventBody::OrderMoved { to: OrderState::InProgress, .. })
}

/// Answers what is asked and helps where help is wanted, until all is done.
fn until_done(engine: &Engine, watcher: &Watcher) -> anyhow::Result<()> {
    let mut manager = engine.client("manager")?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let snapshot = manager.status()?;
        if snapshot.orders.iter().all(|view| view.state == OrderState::Done) {
            return Ok(());
        }
        let failed = snapshot.orders.iter().find(|view| view.state.is_final() && view.state != OrderState::Done);
        ensure!(failed.is_none(), "the work did not go on: {failed:?}");
        ensure!(Instant::now() < deadline, "the work does not end: {:#?}", snapshot.orders);
        for view in snapshot.approvals.iter().filter(|view| view.state.is_open()) {
            decide(&mut manager, view, DecisionKind::Approve)?;
        }
        for view in snapshot.orders.iter().filter(|view| view.state == OrderState::NeedsHelp) {
            manager.ask(Command::Retry { order: view.order.id.clone() })?;
        }
        watcher.count(watcher.events().len() + 1, Duration::from_millis(300));
    }
}

/// Whatever a client was told is in the ledger, and the ledger is whole.
fn nothing_lost(place: &Place, told: &[EventRecord]) -> anyhow::Result<()> {
    let kept = place.sound_events()?;
    for record in told {
        let same = kept.get(record.seq.0 as usize - 1);
        ensure!(same == Some(record), "event {} was told and is not kept: {record:?} {same:?}", record.seq.0);
    }
    Ok(())
}

#[test]
fn little_room_stops_work_and_lifts_no_stop() -> anyhow::Result<()> {
    let Some((place, disk)) = workplace()? else { return Ok(()) };
    let engine = place.start()?;
    let watcher = engine.watch()?;
    until_at_work(&watcher)?;
    disk.fill(LITTLE)?;
    let why = until_trouble(&watcher)?;
    ensure!(why.contains("All workers stand still") && why.contains("almost full"), "{why}");
    ensure!(why.contains(&place.state().display().to_string()) && why.contains("Free some space"), "{why}");
    let status = said(&place)?;
    ensure!(status.contains(&why), "the command line does not say why: {status}");

    // What people do is still written down.
    let mut manager = engine.client("manager")?;
    manager.command(Command::Stop { scope: StopScope::Company })?;
    let stopped = watcher
        .event("the stop", BEGIN, |record| matches!(record.event.body, EventBody::Stopped { .. }).then_some(record.seq))?;
    disk.clear()?;
    until_well(&watcher)?;
    // Room does not lift the stop.
    watcher.count(watcher.events().len() + 1, QUIET);
    let snapshot = manager.status()?;
    ensure!(
        snapshot.workers.iter().all(|worker| matches!(worker.state, WorkerState::Stopped { .. })),
        "room on the disk lifted the stop: {:?}",
        snapshot.workers
    );
    manager.command(Command::Resume { scope: StopScope::Company })?;
    until_done(&engine, &watcher)?;
    let told = watcher.events();
    let resumed = told.iter().find(|record| matches!(record.event.body, EventBody::Resumed { .. }));
    let resumed = resumed.context("the resume was not written")?.seq;
    let early = told.iter().find(|record| record.seq > stopped && record.seq < resumed && works(record));
    ensure!(early.is_none(), "work went on under the stop: {early:?}");
    nothing_lost(&place, &told)?;
    engine.down()
}

#[test]
fn work_goes_on_by_itself_when_there_is_room() -> anyhow::Result<()> {
    let Some((place, disk)) = workplace()? else { return Ok(()) };
    let engine = place.start()?;
    let watcher = engine.watch()?;
    until_at_work(&watcher)?;
    disk.fill(LITTLE)?;
    until_trouble(&watcher)?;
    disk.clear()?;
    until_well(&watcher)?;
    until_done(&engine, &watcher)?;
    nothing_lost(&place, &watcher.events())?;
    engine.down()
}

#[test]
fn no_room_at_all_loses_nothing() -> anyhow::Result<()> {
    let Some((place, disk)) = workplace()? else { return Ok(()) };
    let engine = place.start()?;
    let watcher = engine.watch()?;
    until_at_work(&watcher)?;
    disk.fill(0)?;
    until_trouble(&watcher)?;
    // People go on for as long as the ledger's file has a place left; then they are told.
    let mut manager = engine.client("manager")?;
    let mut refused = None;
    for number in 0..MOST_WRITES {
        let text = format!("Objective {number}: {}", "more ".repeat(100));
        match manager.ask(Command::AddObjective { text, department: None })? {
            Response::Failed { problem } => {
                refused = Some(problem);
                break;
            }
            answer => ensure!(answer == Response::Done, "{answer:?}"),
        }
    }
    let refused = refused.context("a full disk took everything")?;
    ensure!(refused.message.contains("room"), "the refusal does not say why: {refused:?}");
    let why =
        watcher.state("a word about the ledger", |snapshot| trouble(snapshot).filter(|why| why.contains("no room left")))?;
    ensure!(why.contains("All workers stand still") && why.contains("free some disk space"), "{why}");
    ensure!(said(&place)?.contains(&why), "the command line does not say why");

    // A stop that cannot be written is a stop all the same.
    manager.ask(Command::Stop { scope: StopScope::Company })?;
    disk.clear()?;
    until_well(&watcher)?;
    watcher.count(watcher.events().len() + 1, QUIET);
    let stops = manager.status()?.company.map(|company| company.stops).unwrap_or_default();
    ensure!(stops == [StopScope::Company], "room on the disk lifted the stop: {stops:?}");
    manager.command(Command::Resume { scope: StopScope::Company })?;
    until_done(&engine, &watcher)?;
    nothing_lost(&place, &watcher.events())?;
    let sent = std::fs::read_to_string(place.home_of("nina").join("sent.txt"))?;
    ensure!(sent.lines().count() == 1, "the parcel was sent {} times", sent.lines().count());
    engine.down()
}

#[test]
fn an_engine_that_dies_on_a_full_disk_starts_when_there_is_room() -> anyhow::Result<()> {
    let Some((place, disk)) = workplace()? else { return Ok(()) };
    let engine = place.start()?;
    let watcher = engine.watch()?;
    until_at_work(&watcher)?;
    disk.fill(0)?;
    until_trouble(&watcher)?;
    let left = engine.kill()?;
    let told = watcher.all_after_death()?;
    let alive = left.alive_after(PATIENCE);
    ensure!(alive.is_empty(), "something outlived the engine: {alive:#?}");
    let refusal = place.refusal()?;
    ensure!(refusal.contains("no room left") && refusal.contains("free some disk space"), "{refusal}");
    disk.clear()?;
    let engine = place.start()?;
    let watcher = engine.watch()?;
    nothing_lost(&place, &told)?;
    until_well(&watcher)?;
    until_done(&engine, &watcher)?;
    nothing_lost(&place, &watcher.events())?;
    engine.down()
}
