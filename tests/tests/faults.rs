//! The engine is killed at random instants of a working day. Whatever it said stays said, nothing of it is left running,
//! and what reaches outside is done once or is known to be in doubt.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mz_protocol::{Command, DecisionKind, EventBody, EventRecord, OrderState, WorkOrderId};
use mz_tests::{Engine, Left, Place, Watcher, decide, order};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Kills in one run; `MEZZANINE_KILLS` sets another number.
const KILLS: usize = 50;
/// They take two minutes on a machine with nothing else to do. A run that comes to fewer kills in this time fails.
const LONGEST: Duration = Duration::from_secs(600);
/// Events that one day writes at most before the kill comes.
const EVENTS: usize = 28;
/// An engine whose day has nothing left to write is killed all the same.
const QUIET: Duration = Duration::from_secs(6);
/// Whatever an engine started is gone this long after it.
const DEATH: Duration = Duration::from_secs(1);

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn killed_at_any_instant() -> anyhow::Result<()> {
    let seed = setting("MEZZANINE_SEED", rand::rng().random_range(0..1_000_000));
    let kills = setting("MEZZANINE_KILLS", KILLS as u64) as usize;
    println!("{kills} kills with MEZZANINE_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (begun, mut done, mut days) = (Instant::now(), 0, 0);
    while done < kills && begun.elapsed() < LONGEST {
        done += one_day(&mut random, kills - done, begun)
            .with_context(|| format!("seed {seed}, day {days}, after {done} kills"))?;
        days += 1;
    }
    println!("{done} kills in {days} days, {:.0} s", begun.elapsed().as_secs_f64());
    ensure!(
        done >= kills,
        "only {done} of {kills} kills fitted into {LONGEST:?}: this machine is too slow, or an engine takes too long to start; \
         MEZZANINE_KILLS asks for fewer"
    );
    Ok(())
}

/// One day that is worked to its end, through up to `most` kills.
fn one_day(random: &mut ChaCha8Rng, most: usize, begun: Instant) -> anyhow::Result<usize> {
    let place = Place::new("errands")?;
    let mut told: Vec<EventRecord> = Vec::new();
    let mut kills = 0;
    loop {
        let engine = place.start()?;
        let watcher = engine.watch()?;
        check_told(&told, &watcher.events())?;
        if kills == most || begun.elapsed() > LONGEST {
            manage(&engine, &watcher, Until::Done)?;
            drop(watcher);
            engine.down()?;
            break;
        }
        let more = random.random_range(0..EVENTS);
        let instant = Duration::from_micros(random.random_range(0..60_000));
        let wanted = watcher.events().len() + more;
        let is_over = manage(&engine, &watcher, Until::Events(wanted))?;
        std::thread::park_timeout(instant);
        let left = engine.kill()?;
        kills += 1;
        told = watcher.all_after_death()?;
        check_dead(&left)?;
        check_told(&told, &place.sound_events()?)?;
        if is_over {
            break;
        }
    }
    let events = place.sound_events()?;
    check_told(&told, &events)?;
    check_once(&events)?;
    let sent = std::fs::read_to_string(place.home_of("nina").join("sent.txt")).unwrap_or_default().lines().count();
    let intended = events.iter().filter(|record| matches!(record.event.body, EventBody::ActionIntended { .. })).count();
    ensure!(sent <= intended, "the parcel was sent {sent} times and that was said {intended} times");
    Ok(kills)
}

enum Until {
    Done,
    Events(usize),
}

/// Answers what waits, until the day is done (true) or so many events were written.
fn manage(engine: &Engine, watcher: &Watcher, until: Until) -> anyhow::Result<bool> {
    let mut client = engine.client("manager")?;
    let deadline = Instant::now() + if matches!(until, Until::Done) { mz_tests::PATIENCE } else { QUIET };
    loop {
        let snapshot = client.status()?;
        if !snapshot.orders.is_empty() && snapshot.orders.iter().all(|view| view.state.is_final()) {
            ensure!(
                snapshot.orders.iter().all(|view| view.state == OrderState::Done),
                "the work did not go on: {:?}",
                snapshot.orders.iter().map(|view| (view.state, view.reason.clone())).collect::<Vec<_>>()
            );
            return Ok(true);
        }
        match until {
            Until::Events(wanted) if watcher.events().len() >= wanted || Instant::now() > deadline => return Ok(false),
            Until::Done => ensure!(Instant::now() < deadline, "the day does not end: {:?}", snapshot.orders),
            Until::Events(_) => {}
        }
        // A question may become void while one looks at it; then it is asked anew.
        if let Some(view) =
            snapshot.approvals.iter().find(|view| matches!(view.state, mz_protocol::ApprovalState::Waiting { .. }))
        {
            decide(&mut client, view, DecisionKind::Approve)?;
        }
        // Looked at, nothing was found in the way: it is begun anew.
        for view in snapshot.orders.iter().filter(|view| view.state == OrderState::NeedsHelp) {
            client.ask(Command::Retry { order: view.order.id.clone() })?;
        }
        watcher.count(watcher.events().len() + 1, Duration::from_millis(300));
    }
}

/// Each event that a client was told of is in the ledger, under its number and with its hash.
fn check_told(told: &[EventRecord], kept: &[EventRecord]) -> anyhow::Result<()> {
    for record in told {
        let same = kept.get(record.seq.0 as usize - 1);
        ensure!(same == Some(record), "event {} was told and is not kept: {record:?} {same:?}", record.seq.0);
    }
    Ok(())
}

fn check_dead(left: &Left) -> anyhow::Result<()> {
    let alive = left.alive_after(DEATH);
    ensure!(alive.is_empty(), "of {} processes these outlived the engine by {DEATH:?}: {alive:#?}", left.count());
    Ok(())
}

/// No approval is used twice, and an action that reaches outside follows another one of the same order only where the
/// first one's end is known or a person was told that it is not.
fn check_once(events: &[EventRecord]) -> anyhow::Result<()> {
    let mut used = BTreeSet::new();
    let mut in_doubt: BTreeSet<WorkOrderId> = BTreeSet::new();
    for record in events {
        match &record.event.body {
            EventBody::ActionIntended { proposal, approval, .. } => {
                let approval = approval.clone().context("nothing goes outside without an approval here")?;
                ensure!(used.insert(approval.clone()), "{approval} was used twice");
                let order = proposal.order.clone().context("it belongs to no order")?;
                ensure!(in_doubt.insert(order), "event {}: sent again, and nobody knew", record.seq.0);
            }
            EventBody::ActionDone { order: Some(order), .. } => {
                in_doubt.remove(order);
            }
            EventBody::OrderMoved { order, to: OrderState::NeedsHelp, reason: Some(reason), .. }
                if reason.contains("unknown") =>
            {
                in_doubt.remove(order);
            }
            _ => {}
        }
    }
    Ok(())
}

/// A kill right after the approval was used: what was done is looked at, and is not simply done again.
#[test]
fn killed_between_intent_and_outcome() -> anyhow::Result<()> {
    let place = Place::new("errands")?;
    // The step takes long enough to be killed in, and leaves nothing that could be looked at.
    place.write("files/send.sh", "read -r answer\n")?;
    let engine = place.start()?;
    let watcher = engine.watch()?;
    let mut client = engine.client("manager")?;
    let view = watcher.question(&[])?;
    let before = watcher.last_seq();
    decide(&mut client, &view, DecisionKind::Approve)?;
    watcher
        .event("the intent", before, |record| matches!(record.event.body, EventBody::ActionIntended { .. }).then_some(()))?;
    let left = engine.kill()?;
    ensure!(left.count() > 5, "a desktop with a terminal has more processes than {}", left.count());
    check_told(&watcher.all_after_death()?, &place.sound_events()?)?;
    check_dead(&left)?;
    let engine = place.start()?;
    let parcel = order("WO-0002")?;
    let reason = engine.watch()?.state("the doubt", |snapshot| {
        let view = snapshot.orders.iter().find(|view| view.order.id == parcel)?;
        (view.state == OrderState::NeedsHelp).then(|| view.reason.clone().unwrap_or_default())
    })?;
    ensure!(reason.contains("unknown"), "the manager is not told what is in doubt: {reason}");
    check_once(&place.sound_events()?)
}
