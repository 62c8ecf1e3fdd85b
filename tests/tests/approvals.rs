//! The person's word: what has it, what has not, and that a stop or a take-over cuts a worker short.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use mz_engine::cli::client::Client;
use mz_protocol::{
    Action, ActionResult, ApprovalId, ApprovalState, ApprovalView, Chord, Command, DecisionKind, Digest, ErrorCode, EventBody,
    EventRecord, EventSeq, LeaseId, OrderState, Point, Response, StopScope, TypedText, VoidReason, WorkerId, WorkerState,
};
use mz_tests::{Engine, PATIENCE, Place, Watcher, decide, decision, order, show};

const ORDER: &str = "WO-0001";
/// Long enough to be cut in the middle.
const LETTERS: usize = 700;

/// One parcel to send, which a person is asked about. A file called `go` in the home opens another window over it.
fn parcel() -> anyhow::Result<Place> {
    let place = Place::new("errands")?;
    place.write(
        "orders/errands.yaml",
        "orders:\n  - {id: WO-0001, title: Send, owner: nina, procedure: send-parcel, inputs: {script: send.sh}, files: [files/send.sh]}\n",
    )?;
    let agent = std::fs::read_to_string(place.company().join("agents/nina/AGENTS.md"))?;
    let covered = r#"[sh, -c, "(until test -e go; do sleep 0.1; done; exec geany -i) & exec sakura --columns=100 --rows=30"]"#;
    place.write("agents/nina/AGENTS.md", &agent.replace("[sakura, --columns=100, --rows=30]", covered))?;
    Ok(place)
}

/// One long line to write, and its text.
fn line() -> anyhow::Result<(Place, String)> {
    let place = Place::new("notes")?;
    let text: String =
        "The quick brown fox jumps over the lazy dog. ".chars().cycle().take(LETTERS).collect::<String>().trim().to_owned();
    place.write(
        "orders/notes.yaml",
        &format!("orders:\n  - {{id: WO-0001, title: Write, owner: nina, procedure: write-note, inputs: {{file: long.txt, text: \"{text}\"}}}}\n"),
    )?;
    Ok((place, text))
}

/// A running engine, somebody who listens, and the manager.
struct Office {
    place: Place,
    engine: Engine,
    watcher: Watcher,
    manager: Client,
}

impl Office {
    fn open(place: Place) -> anyhow::Result<Self> {
        let engine = place.start()?;
        let (watcher, manager) = (engine.watch()?, engine.client("manager")?);
        Ok(Self { place, engine, watcher, manager })
    }

    /// With a parcel to send, and the question whether it may be.
    fn asked() -> anyhow::Result<(Self, ApprovalView)> {
        let office = Self::open(parcel()?)?;
        let view = office.watcher.question(&[])?;
        Ok((office, view))
    }

    /// With a line that is being typed; the number is that of the last event before it is cut.
    fn typing() -> anyhow::Result<(Self, String, EventSeq)> {
        let (place, text) = line()?;
        let office = Self::open(place)?;
        until_typing(&office.engine, &office.watcher, EventSeq(0))?;
        let before = office.watcher.last_seq();
        Ok((office, text, before))
    }
}

fn nina() -> anyhow::Result<WorkerId> {
    Ok(WorkerId::new("nina")?)
}

fn sent(place: &Place) -> usize {
    std::fs::read_to_string(place.home_of("nina").join("sent.txt")).unwrap_or_default().lines().count()
}

fn sent_once(place: &Place) -> anyhow::Result<()> {
    ensure!(sent(place) == 1, "the parcel was sent {} times", sent(place));
    Ok(())
}

fn until_done(watcher: &Watcher) -> anyhow::Result<()> {
    let id = order(ORDER)?;
    let (state, reason) = watcher.state("the end of the order", |snapshot| {
        let view = snapshot.orders.iter().find(|view| view.order.id == id)?;
        (view.state.is_final() || view.state == OrderState::NeedsHelp).then(|| (view.state, view.reason.clone()))
    })?;
    ensure!(state == OrderState::Done, "the order ended as {state:?}: {reason:?}");
    Ok(())
}

/// The command is answered with a problem of this kind, whose words hold `word`.
fn fails(answer: Response, code: ErrorCode, word: &str) -> anyhow::Result<()> {
    match answer {
        Response::Failed { problem } if problem.code == code && problem.message.contains(word) => Ok(()),
        other => bail!("expected {code:?} with {word:?}, got {other:?}"),
    }
}

#[test]
fn only_one_true_decision_counts() -> anyhow::Result<()> {
    let (Office { place, engine, watcher, mut manager }, view) = Office::asked()?;
    let mut worker = engine.client("nina")?;
    let approve = decision(&view, DecisionKind::Approve)?;
    let ask = |client: &mut Client, decision| client.ask(Command::Decide { decision });

    fails(ask(&mut manager, approve.clone())?, ErrorCode::Stale, "never shown")?;
    show(&mut manager, &view)?;
    show(&mut worker, &view)?;
    // A worker decides nothing, in its own name or in another's.
    fails(ask(&mut worker, approve.clone())?, ErrorCode::Stale, "only people decide")?;
    fails(worker.ask(Command::TakeOver { worker: nina()? })?, ErrorCode::Refused, "only people decide")?;
    let mut forged = approve.clone();
    forged.binding = Digest([7; 32]);
    fails(ask(&mut manager, forged)?, ErrorCode::Stale, "another action or screen")?;
    let mut unknown = approve.clone();
    unknown.approval = ApprovalId::new("AP-9999")?;
    fails(ask(&mut manager, unknown)?, ErrorCode::Stale, "no approval")?;
    let ignored = |record: &EventRecord| matches!(record.event.body, EventBody::DecisionIgnored { .. });
    ensure!(
        place.sound_events()?.iter().filter(|record| ignored(record)).count() == 4,
        "an ignored decision was not written down"
    );
    ensure!(sent(&place) == 0, "a decision without effect had one");
    let waits = manager.status()?.approvals.iter().any(|now| now.request.id == view.request.id && now.state.is_open());
    ensure!(waits, "the question is gone, and nobody has answered it");

    ensure!(ask(&mut manager, approve.clone())? == Response::Done, "the true decision was not taken");
    until_done(&watcher)?;
    fails(ask(&mut manager, approve.clone())?, ErrorCode::Stale, "late")?;
    let veto = decision(&view, DecisionKind::Veto { reason: "too late".to_owned() })?;
    fails(ask(&mut manager, veto)?, ErrorCode::Stale, "late")?;
    until_done(&watcher)?;
    sent_once(&place)?;
    engine.down()
}

/// Two of three named people must agree; nobody else's word counts, and one person's only once.
#[test]
fn two_named_people_decide_together() -> anyhow::Result<()> {
    let place = parcel()?;
    let rule = std::fs::read_to_string(place.company().join("policy.cedar"))?;
    let named = "@effect(\"approve\")\n@approvers(\"2\")\n@named(\"manager, deputy, chief\")";
    place.write("policy.cedar", &rule.replace("@effect(\"approve\")", named))?;
    let Office { place, engine, watcher, mut manager } = Office::open(place)?;
    let (mut deputy, mut guest) = (engine.client("deputy")?, engine.client("guest")?);
    let view = watcher.question(&[])?;
    ensure!(view.request.approvers_needed == 2 && view.request.named.len() == 3, "{:?}", view.request);

    fails(decide(&mut guest, &view, DecisionKind::Approve)?, ErrorCode::Stale, "guest")?;
    ensure!(decide(&mut manager, &view, DecisionKind::Approve)? == Response::Done, "the first of two was not heard");
    let approved_by = |client: &mut Client| -> anyhow::Result<Vec<String>> {
        let approvals = client.status()?.approvals;
        let state = approvals.into_iter().find(|now| now.request.id == view.request.id).map(|now| now.state);
        let Some(ApprovalState::Waiting { approved_by }) = state else { bail!("it does not wait for the second: {state:?}") };
        Ok(approved_by.iter().map(ToString::to_string).collect())
    };
    ensure!(approved_by(&mut deputy)? == ["manager"], "the second does not see who was first");
    fails(decide(&mut manager, &view, DecisionKind::Approve)?, ErrorCode::Stale, "already")?;
    ensure!(approved_by(&mut deputy)? == ["manager"], "one person counted twice");
    ensure!(sent(&place) == 0, "one of two was enough");
    ensure!(decide(&mut deputy, &view, DecisionKind::Approve)? == Response::Done, "the second was not heard");
    until_done(&watcher)?;
    sent_once(&place)?;
    engine.down()
}

#[test]
fn what_was_not_read_is_not_decided() -> anyhow::Result<()> {
    let (Office { place, engine, watcher, mut manager }, view) = Office::asked()?;
    let begun = Instant::now();
    manager.command(Command::Shown { approval: view.request.id.clone() })?;
    let answer = manager.ask(Command::Decide { decision: decision(&view, DecisionKind::Approve)? })?;
    // A machine that took so long for it has given the manager time to read.
    if begun.elapsed() >= Duration::from_millis(500) {
        println!("this machine is too slow to be too fast");
        return engine.down();
    }
    fails(answer, ErrorCode::Stale, "too fast")?;
    ensure!(sent(&place) == 0, "it was done all the same");
    decide(&mut manager, &view, DecisionKind::Approve)?;
    until_done(&watcher)?;
    sent_once(&place)?;
    engine.down()
}

#[test]
fn a_veto_ends_the_order() -> anyhow::Result<()> {
    let (Office { place, engine, watcher, mut manager }, view) = Office::asked()?;
    decide(&mut manager, &view, DecisionKind::Veto { reason: "not today".to_owned() })?;
    let id = order(ORDER)?;
    let reason = watcher.state("the end of the order", |snapshot| {
        let view = snapshot.orders.iter().find(|view| view.order.id == id)?;
        (view.state == OrderState::Cancelled).then(|| view.reason.clone().unwrap_or_default())
    })?;
    ensure!(reason.contains("not today"), "{reason}");
    ensure!(sent(&place) == 0, "what was vetoed was done");
    engine.down()
}

#[test]
fn a_changed_screen_voids_the_approval() -> anyhow::Result<()> {
    let (Office { place, engine, watcher, mut manager }, view) = Office::asked()?;
    let id = view.request.id.clone();
    show(&mut manager, &view)?;
    // Another window opens over what was asked about.
    std::fs::write(place.home_of("nina").join("go"), "now")?;
    watcher.state("a note that the screen changed", |snapshot| {
        snapshot.approvals.iter().any(|now| now.request.id == id && !now.screen_unchanged).then_some(())
    })?;
    let before = watcher.last_seq();
    manager.ask(Command::Decide { decision: decision(&view, DecisionKind::Approve)? })?;
    let end = watcher.event("the end of the approval", before, |record| match &record.event.body {
        EventBody::ApprovalMoved { approval, state } if *approval == id && !state.is_open() => Some(state.clone()),
        _ => None,
    })?;
    ensure!(matches!(end, ApprovalState::Void { why: VoidReason::ScreenChanged, .. }), "the approval ended as {end:?}");
    manager.command(Command::Stop { scope: StopScope::Company })?;
    ensure!(sent(&place) == 0, "it was done on another screen than the one that was approved");
    let used = |record: &EventRecord| matches!(record.event.body, EventBody::ActionIntended { .. });
    ensure!(!place.sound_events()?.iter().any(used), "a permit was given out");
    engine.down()
}

/// Waits until a worker is in the middle of its long line, as its pictures show.
fn until_typing(engine: &Engine, watcher: &Watcher, after: EventSeq) -> anyhow::Result<()> {
    watcher.event("the step that types", after, |record| match &record.event.body {
        EventBody::StepStarted { step, .. } if step.text.starts_with("Type") => Some(()),
        _ => None,
    })?;
    let mut pictures = engine.client("watch")?;
    pictures.command(Command::Watch { workers: vec![nina()?], divisor: 4 })?;
    let deadline = Instant::now() + PATIENCE;
    for _ in 0..12 {
        pictures.next_frame(deadline).context("nothing is typed")?;
    }
    Ok(())
}

/// Waits until the word is cut; gives the number of that event.
fn until_cut(watcher: &Watcher, after: EventSeq) -> anyhow::Result<EventSeq> {
    watcher
        .event("the end of the cut word", after, |record| match &record.event.body {
            EventBody::ActionDone { action: Action::Type { .. }, outcome, .. } => Some((record.seq, *outcome)),
            _ => None,
        })
        .and_then(|(seq, outcome)| {
            ensure!(outcome == ActionResult::OutcomeUnknown, "the whole line was typed: {outcome:?}");
            Ok(seq)
        })
}

/// The worker did nothing between two events, but for the one that says how its word was cut.
fn idle_between(events: &[EventRecord], from: EventSeq, to: EventSeq) -> anyhow::Result<()> {
    let between = events.iter().filter(|record| record.seq > from && record.seq < to);
    for record in between {
        let works = matches!(
            record.event.body,
            EventBody::ActionDone { .. } | EventBody::ActionIntended { .. } | EventBody::StepStarted { .. }
        ) || matches!(&record.event.body, EventBody::OrderMoved { to: OrderState::InProgress, .. });
        ensure!(!works, "event {}: work went on: {:?}", record.seq.0, record.event.body);
    }
    Ok(())
}

/// Nothing was done from the cut until the worker was let go on, and then the line was written whole and once.
fn worked_on(place: &Place, text: &str, cut: EventSeq, let_go: impl Fn(&EventBody) -> bool) -> anyhow::Result<()> {
    let events = place.sound_events()?;
    let found = events.iter().find(|record| record.seq > cut && let_go(&record.event.body));
    idle_between(&events, cut, found.context("that the worker may go on was not written")?.seq)?;
    written(place, text)
}

fn written(place: &Place, text: &str) -> anyhow::Result<()> {
    let file = std::fs::read_to_string(place.home_of("nina").join("long.txt"))?;
    ensure!(file.trim_end() == text, "the line was not written whole and once:\n{file}\n{text}");
    Ok(())
}

#[test]
fn stop_cuts_a_word_and_resume_goes_on() -> anyhow::Result<()> {
    let (Office { place, engine, watcher, mut manager }, text, before) = Office::typing()?;
    manager.command(Command::Stop { scope: StopScope::Company })?;
    let cut = until_cut(&watcher, before)?;
    manager.command(Command::Resume { scope: StopScope::Company })?;
    until_done(&watcher)?;
    worked_on(&place, &text, cut, |body| matches!(body, EventBody::Resumed { .. }))?;
    engine.down()
}

#[test]
fn stop_holds_through_a_restart() -> anyhow::Result<()> {
    let (Office { place, engine, watcher, mut manager }, text, before) = Office::typing()?;
    manager.command(Command::Stop { scope: StopScope::Worker(nina()?) })?;
    let cut = until_cut(&watcher, before)?;
    let left = engine.kill()?;
    ensure!(left.alive_after(Duration::from_secs(1)).is_empty(), "something outlived the engine");

    let engine = place.start()?;
    let watcher = engine.watch()?;
    watcher.event("the desktop", watcher_start(&watcher), |record| {
        matches!(record.event.body, EventBody::DesktopStarted { .. }).then_some(())
    })?;
    let mut manager = engine.client("manager")?;
    let snapshot = manager.status()?;
    let stops = snapshot.company.map(|company| company.stops).unwrap_or_default();
    ensure!(stops == [StopScope::Worker(nina()?)], "the stop was forgotten: {stops:?}");
    let state = snapshot.workers.first().map(|worker| worker.state.clone());
    ensure!(matches!(state, Some(WorkerState::Stopped { .. })), "the worker is shown as {state:?}");
    // Another stop is not lifted by resuming what was not stopped.
    fails(manager.ask(Command::Resume { scope: StopScope::Company })?, ErrorCode::Stale, "not stopped")?;
    manager.command(Command::Resume { scope: StopScope::Worker(nina()?) })?;
    until_done(&watcher)?;
    worked_on(&place, &text, cut, |body| matches!(body, EventBody::Resumed { .. }))?;
    engine.down()
}

/// The event with which the newest engine began.
fn watcher_start(watcher: &Watcher) -> EventSeq {
    let events = watcher.events();
    let started = events.iter().rev().find(|record| matches!(record.event.body, EventBody::EngineStarted { .. }));
    started.map_or(EventSeq(0), |record| record.seq)
}

#[test]
fn who_takes_over_drives_alone() -> anyhow::Result<()> {
    let (Office { place, engine, watcher, mut manager }, text, before) = Office::typing()?;
    let mut other = engine.client("deputy")?;
    let Response::Lease { lease, .. } = manager.command(Command::TakeOver { worker: nina()? })? else { bail!("no lease came") };
    let cut = until_cut(&watcher, before)?;
    let drive = |lease: &LeaseId, action| Command::Drive { lease: lease.clone(), action };
    let far = Action::Move { at: Point::new(600, 500) };
    manager.command(drive(&lease, far.clone()))?;
    // One person drives, on the desktop, with hand and keys.
    fails(other.ask(Command::TakeOver { worker: nina()? })?, ErrorCode::Refused, "manager drives")?;
    fails(other.ask(drive(&lease, far))?, ErrorCode::Refused, "manager drives")?;
    fails(other.ask(Command::HandBack { lease: lease.clone(), note: None })?, ErrorCode::Refused, "manager drives")?;
    fails(manager.ask(drive(&lease, Action::Move { at: Point::new(9000, 9) }))?, ErrorCode::BadRequest, "outside")?;
    let launch = Action::Launch { program: "Geany".to_owned(), args: Vec::new() };
    fails(manager.ask(drive(&lease, launch))?, ErrorCode::BadRequest, "desktop itself")?;
    let key: Chord = "End".parse()?;
    manager.command(drive(&lease, Action::Key { chord: key.clone() }))?;
    let state = manager.status()?.workers.first().map(|worker| worker.state.clone());
    ensure!(matches!(state, Some(WorkerState::Driven { .. })), "the worker is shown as {state:?}");
    manager.command(Command::HandBack { lease: lease.clone(), note: Some("go on".to_owned()) })?;
    fails(manager.ask(drive(&lease, Action::Key { chord: key }))?, ErrorCode::Refused, "do not drive")?;
    // Half a word that a person fell into is theirs to finish.
    let (asked, why) = watcher.state("the question", |snapshot| {
        let view = snapshot.orders.iter().find(|view| view.state == OrderState::NeedsHelp)?;
        Some((view.order.id.clone(), view.reason.clone().unwrap_or_default()))
    })?;
    ensure!(why.contains("in the middle of"), "{why:?}");
    let Response::Lease { lease, .. } = manager.command(Command::TakeOver { worker: nina()? })? else { bail!("no lease came") };
    manager.command(drive(&lease, Action::Key { chord: "Ctrl+A".parse()? }))?;
    manager.command(drive(&lease, Action::Type { text: TypedText::Plain(text.clone()) }))?;
    manager.command(Command::HandBack { lease, note: None })?;
    manager.command(Command::Retry { order: asked })?;
    until_done(&watcher)?;
    worked_on(&place, &text, cut, |body| matches!(body, EventBody::TakeoverEnded { inputs: 2, .. }))?;
    engine.down()
}
