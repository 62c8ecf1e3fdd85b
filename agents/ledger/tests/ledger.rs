//! What the ledger promises while nobody meddles with it.

use std::error::Error;
use std::path::Path;

use mz_ledger::{Checkpoint, Direction, Filter, Ledger, LedgerError, Options};
use mz_protocol::{
    Action, ActionResult, Actor, ApprovalId, ApprovalRequest, ApprovalState, Button, Checkpoint as Checked, Decision,
    DecisionKind, Digest, Effect, Event, EventBody, EventSeq, Millis, Modifiers, OrderState, OutcomeReport, Period, PersonId,
    Point, Proposal, Rect, Risk, Role, Size, StepRef, StepResult, StopScope, TextClass, Timestamp, TypedText, Verdict,
    VoidReason, WorkOrderId, WorkerId,
};

type Outcome = Result<(), Box<dyn Error>>;

fn note(at: i64, worker: &str, remark: &str) -> Result<Event, Box<dyn Error>> {
    let worker = WorkerId::new(worker)?;
    let order = WorkOrderId::new("WO-0001")?;
    Ok(Event { at: Timestamp(at), by: Actor::Engine, body: EventBody::Flagged { worker, order, remark: remark.to_owned() } })
}

fn notes(count: i64) -> Result<Vec<Event>, Box<dyn Error>> {
    (1..=count).map(|at| note(at, if at % 2 == 0 { "mira" } else { "tom" }, &format!("n{at}"))).collect()
}

fn proposal() -> Result<Proposal, Box<dyn Error>> {
    Ok(Proposal {
        worker: WorkerId::new("mira")?,
        role: "clerk".parse()?,
        department: "office".parse()?,
        order: Some(WorkOrderId::new("WO-0001")?),
        action: Action::Type { text: TypedText::Secret("cms".to_owned()) },
        application: "chromium".to_owned(),
        window_title: "Pay".to_owned(),
        host: Some("shop.test".to_owned()),
        target_role: Some(Role::Button),
        target_name: "Send".to_owned(),
        region: Rect::new(1, 2, 3, 4),
        screen_digest: Digest([7; 32]),
        scene_version: u64::MAX,
        effect: Effect::Irreversible,
        text_class: TextClass::EMAIL | TextClass::PAYMENT,
        line: None,
        amount_cents: Some(-5),
        risk: Risk::High,
        reason: None,
    })
}

fn request(id: &str) -> Result<ApprovalRequest, Box<dyn Error>> {
    Ok(ApprovalRequest {
        id: id.parse()?,
        proposal: proposal()?,
        binding: Digest([9; 32]),
        rule: "r".to_owned(),
        why: "w".to_owned(),
        approvers_needed: 2,
        named: vec![PersonId::new("anna")?],
        asked: Timestamp(1),
        expires: Timestamp(2),
    })
}

fn asked(id: &str) -> Result<Event, Box<dyn Error>> {
    let body = EventBody::ApprovalAsked { request: Box::new(request(id)?), frame: Digest([9; 32]) };
    Ok(Event { at: Timestamp(3), by: Actor::Engine, body })
}

fn set_version(folder: &Path, version: i64) -> Outcome {
    let db = rusqlite::Connection::open(folder.join("ledger.sqlite"))?;
    Ok(db.execute_batch(&format!("PRAGMA user_version = {version}"))?)
}

#[test]
fn what_was_appended_is_there_after_reopening() -> Outcome {
    let dir = tempfile::tempdir()?;
    let person = PersonId::new("anna")?;
    let events = [
        Event { at: Timestamp(5), by: Actor::Engine, body: EventBody::EngineStopped },
        // Its inner `at` and `by` differ from the event's own.
        Event {
            at: Timestamp(6),
            by: Actor::Engine,
            body: EventBody::ApprovalMoved {
                approval: ApprovalId::new("AP-0001")?,
                state: ApprovalState::Approved { by: vec![person.clone()], at: Timestamp(4) },
            },
        },
        Event {
            at: Timestamp(7),
            by: Actor::Person(person),
            body: EventBody::StepEnded {
                worker: WorkerId::new("mira")?,
                order: WorkOrderId::new("WO-0001")?,
                step: StepRef {
                    procedure: "pay".parse()?,
                    line: 3,
                    number: 1,
                    of: 2,
                    text: "Ünï \"quoted\"\n".to_owned(),
                    turn: None,
                },
                took: Millis(u64::MAX),
                result: StepResult::Retried { why: "again".to_owned() },
            },
        },
    ];
    let mut ledger = Ledger::open(dir.path())?;
    let mut written = ledger.append(&events[..1])?;
    written.extend(ledger.append(&events[1..])?);
    assert_eq!(written.iter().map(|record| record.seq.0).collect::<Vec<_>>(), [1, 2, 3]);
    ledger.close()?;

    let mut ledger = Ledger::open(dir.path())?;
    assert_eq!(ledger.events(&Filter::all())?, written);
    assert_eq!(ledger.last()?, written.last().cloned());
    assert_eq!(ledger.append(&events[..1])?[0].seq, EventSeq(4));
    let verification = ledger.verify()?;
    assert_eq!((verification.events, verification.checkpoints, verification.problem), (4, 1, None));
    Ok(())
}

/// The deepest events there are: all of their parts must survive flattening and sorting.
#[test]
fn proposals_requests_and_decisions_read_back_whole() -> Outcome {
    let (mira, order) = (WorkerId::new("mira")?, WorkOrderId::new("WO-0001")?);
    let click =
        Action::Click { at: Point::new(3, 4), button: Button::Right, count: 2, modifiers: Modifiers::CTRL | Modifiers::SHIFT };
    let proposal = proposal()?;
    let binding = Digest([9; 32]);
    let request = request("AP-0001")?;
    let decision = Decision {
        approval: "AP-0001".parse()?,
        binding,
        kind: DecisionKind::Edit { text: "x".to_owned() },
        by: PersonId::new("anna")?,
        note: None,
        looked: Millis(3),
    };
    let verdict = Verdict::RequireApproval { rule: "r".to_owned(), why: "w".to_owned(), approvers: 1, named: Vec::new() };
    let done = EventBody::ActionDone {
        worker: mira.clone(),
        order: Some(order.clone()),
        action: click,
        application: "a".to_owned(),
        target: "t".to_owned(),
        verdict: verdict.clone(),
        outcome: ActionResult::OutcomeUnknown,
        binding: Some(binding),
        took: Millis(1),
    };
    let key = Action::Key { chord: "Ctrl+Shift+s".parse()? };
    let report =
        OutcomeReport { checkpoints: vec![Checked { name: "n".to_owned(), points: 2, passed: true, detail: String::new() }] };
    let void = |why| ApprovalState::Void { why, at: Timestamp(3) };
    let bodies = vec![
        EventBody::ActionIntended { proposal: Box::new(proposal), binding, approval: None, grant: Some("G-1".parse()?) },
        done,
        EventBody::ActionRefused { worker: mira.clone(), order: None, action: key, verdict },
        EventBody::ApprovalAsked { request: Box::new(request), frame: binding },
        EventBody::ApprovalDecided { decision: decision.clone() },
        EventBody::DecisionIgnored { decision, why: "late".to_owned() },
        EventBody::ApprovalMoved { approval: "AP-0001".parse()?, state: void(VoidReason::ScreenChanged) },
        EventBody::Stopped { scope: StopScope::Worker(mira.clone()) },
        EventBody::Resumed { scope: StopScope::Company },
        EventBody::OutcomeChecked { order, worker: Some(mira), report },
    ];
    let events: Vec<Event> = bodies.into_iter().map(|body| Event { at: Timestamp(8), by: Actor::Engine, body }).collect();
    let dir = tempfile::tempdir()?;
    let mut ledger = Ledger::open(dir.path())?;
    ledger.append(&events)?;
    let back: Vec<Event> = ledger.events(&Filter::all())?.into_iter().map(|record| record.event).collect();
    assert_eq!(back, events);
    assert_eq!(ledger.verify()?.problem, None);
    Ok(())
}

#[test]
fn filters_narrow_and_turn_around() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut ledger = Ledger::open(dir.path())?;
    ledger.append(&notes(10)?)?;
    let stop = Event { at: Timestamp(11), by: Actor::Worker(WorkerId::new("mira")?), body: EventBody::EngineStopped };
    ledger.append(&[stop])?;
    let moved = EventBody::OrderMoved {
        order: WorkOrderId::new("WO-0002")?,
        worker: None,
        from: OrderState::Todo,
        to: OrderState::Done,
        reason: None,
    };
    ledger.append(&[Event { at: Timestamp(12), by: Actor::Engine, body: moved }])?;
    let seqs = |filter: Filter| -> Result<Vec<u64>, LedgerError> {
        Ok(ledger.events(&filter)?.into_iter().map(|record| record.seq.0).collect())
    };
    assert_eq!(seqs(Filter { after: EventSeq(8), ..Filter::default() })?, [9, 10, 11, 12]);
    assert_eq!(seqs(Filter { worker: Some(WorkerId::new("mira")?), ..Filter::default() })?, [2, 4, 6, 8, 10, 11]);
    assert_eq!(seqs(Filter { order: Some(WorkOrderId::new("WO-0002")?), ..Filter::default() })?, [12]);
    assert_eq!(seqs(Filter { kinds: vec!["order_moved", "engine_stopped"], ..Filter::default() })?, [11, 12]);
    let period = Some(Period { from: Timestamp(3), to: Timestamp(5) });
    assert_eq!(seqs(Filter { period, ..Filter::default() })?, [3, 4]);
    let newest = Filter { direction: Direction::NewestFirst, before: Some(EventSeq(12)), limit: 2, ..Filter::default() };
    assert_eq!(seqs(newest)?, [11, 10]);
    Ok(())
}

#[test]
fn a_question_is_found_by_its_id_among_many() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut ledger = Ledger::open(dir.path())?;
    for number in 1..=40 {
        ledger.append(&notes(25)?)?;
        ledger.append(&[asked(&format!("AP-{number:04}"))?])?;
    }
    let of =
        |id: &str| -> Result<Filter, Box<dyn Error>> { Ok(Filter { approval: Some(ApprovalId::new(id)?), ..Filter::all() }) };
    let found = ledger.events(&of("AP-0007")?)?;
    assert_eq!(found.iter().map(|record| record.seq.0).collect::<Vec<_>>(), [7 * 26]);
    assert!(matches!(&found[0].event.body, EventBody::ApprovalAsked { request, .. } if request.id.as_str() == "AP-0007"));
    assert_eq!(ledger.events(&of("AP-0041")?)?, []);
    let db = rusqlite::Connection::open(dir.path().join("ledger.sqlite"))?;
    let plan: String = db.query_row(
        "EXPLAIN QUERY PLAN SELECT seq, hash, json FROM events WHERE seq > 0 AND kind = 'approval_asked' AND \
         CASE WHEN json_valid(json) THEN json ->> '$.request.id' END = 'AP-0007' ORDER BY seq DESC LIMIT 1",
        [],
        |row| row.get(3),
    )?;
    assert!(plan.contains("events_kind"), "the whole ledger is read: {plan}");
    Ok(())
}

#[test]
fn a_second_writer_is_told_who_writes_and_may_still_read() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut ledger = Ledger::open(dir.path())?;
    let Err(LedgerError::InUse { pid, .. }) = Ledger::open(dir.path()) else { return Err("two writers".into()) };
    assert_eq!(pid, Some(std::process::id()));

    let reader = Ledger::read_only(dir.path())?;
    ledger.append(&notes(3)?)?;
    assert_eq!(reader.events(&Filter::all())?.len(), 3);
    assert_eq!(reader.verify()?.problem, None);
    drop(ledger);
    Ledger::open(dir.path())?;
    Ok(())
}

#[test]
fn verifying_beside_a_busy_writer_raises_no_false_alarm() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut ledger = Ledger::open_with(dir.path(), Options { checkpoint_every: 1, ..Options::default() })?;
    ledger.append(&notes(1)?)?;
    let events = notes(2)?;
    let writer = std::thread::Builder::new().name("writer".to_owned()).spawn(move || -> Result<(), LedgerError> {
        for _ in 0..100 {
            ledger.append(&events)?;
        }
        ledger.close()
    })?;
    let reader = Ledger::read_only(dir.path())?;
    while !writer.is_finished() {
        assert_eq!(reader.verify()?.problem, None);
    }
    writer.join().map_err(|_| "the writer panicked")??;
    assert_eq!(reader.verify()?.events, 201);
    Ok(())
}

#[test]
fn there_is_nothing_to_read_where_no_ledger_is() -> Outcome {
    let dir = tempfile::tempdir()?;
    assert!(matches!(Ledger::read_only(dir.path()), Err(LedgerError::Missing { .. })));
    Ok(())
}

#[test]
fn a_newer_ledger_is_refused_and_left_as_it_is() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut ledger = Ledger::open(dir.path())?;
    ledger.append(&notes(3)?)?;
    ledger.close()?;
    set_version(dir.path(), 99)?;
    let before = std::fs::read(dir.path().join("ledger.sqlite"))?;
    let Err(error) = Ledger::open(dir.path()) else { return Err("a newer ledger was opened".into()) };
    assert!(matches!(error, LedgerError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("update Mezzanine"), "{error}");
    assert!(matches!(Ledger::read_only(dir.path()), Err(LedgerError::Newer { found: 99, .. })));
    assert_eq!(std::fs::read(dir.path().join("ledger.sqlite"))?, before);
    set_version(dir.path(), 1)?;
    assert_eq!(Ledger::open(dir.path())?.events(&Filter::all())?.len(), 3);
    Ok(())
}

#[test]
fn a_full_disk_is_told_apart_and_loses_nothing() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut ledger = Ledger::open_with(dir.path(), Options { max_bytes: Some(200_000), ..Options::default() })?;
    let batch = [note(1, "mira", &"x".repeat(3000))?, note(2, "tom", "second")?];
    let mut kept = 0;
    let error = loop {
        match ledger.append(&batch) {
            Ok(records) => kept += records.len(),
            Err(error) => break error,
        }
        assert!(kept < 1000, "the limit was never met");
    };
    assert!(matches!(error, LedgerError::Full { .. }), "{error}");
    assert!(kept > 0);
    assert_eq!(ledger.events(&Filter::all())?.len(), kept);
    drop(ledger);
    // Room again: it goes on where it stopped.
    let mut ledger = Ledger::open(dir.path())?;
    assert_eq!(ledger.append(&batch)?[0].seq.0, kept as u64 + 1);
    assert_eq!(ledger.verify()?.problem, None);
    Ok(())
}

#[test]
fn a_full_disk_that_gets_room_again_needs_no_restart() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut ledger = Ledger::open_with(dir.path(), Options { max_bytes: Some(100_000), ..Options::default() })?;
    let large = [note(1, "mira", &"x".repeat(400_000))?];
    assert!(matches!(ledger.append(&large), Err(LedgerError::Full { .. })));
    assert_eq!(ledger.append(&notes(2)?)?[1].seq, EventSeq(2));
    assert_eq!(ledger.verify()?.problem, None);
    Ok(())
}

#[test]
fn checkpoints_come_every_so_often_and_at_close() -> Outcome {
    let dir = tempfile::tempdir()?;
    let kept = dir.path().join("kept.json");
    let mut ledger = Ledger::open_with(dir.path(), Options { checkpoint_every: 4, ..Options::default() })?;
    for event in notes(9)? {
        ledger.append(&[event])?;
    }
    assert_eq!(ledger.checkpoints()?.iter().map(|c| c.seq.0).collect::<Vec<_>>(), [4, 8]);
    let exported = ledger.export_checkpoint(&kept)?;
    assert_eq!(Checkpoint::load(&kept)?, exported);
    assert!(exported.is_genuine());
    ledger.append(&notes(1)?)?;
    ledger.close()?;
    let ledger = Ledger::read_only(dir.path())?;
    assert_eq!(ledger.checkpoints()?.iter().map(|c| c.seq.0).collect::<Vec<_>>(), [4, 8, 9, 10]);
    assert_eq!(std::fs::read_dir(dir.path().join("checkpoints"))?.count(), 4);
    assert_eq!(ledger.verify_with(&[exported])?.problem, None);
    Ok(())
}

#[test]
fn the_key_is_private_and_needed() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir()?;
    let key = dir.path().join("ledger.key");
    Ledger::open(dir.path())?.append(&notes(1)?)?;
    assert_eq!(std::fs::metadata(&key)?.permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644))?;
    assert!(matches!(Ledger::open(dir.path()), Err(LedgerError::Key { .. })));
    std::fs::remove_file(&key)?;
    assert!(matches!(Ledger::open(dir.path()), Err(LedgerError::Key { .. })));
    // Reading and verifying work without it.
    assert_eq!(Ledger::read_only(dir.path())?.verify()?.problem, None);
    Ok(())
}

#[test]
fn a_frame_comes_back_to_the_pixel_and_a_changed_one_never() -> Outcome {
    let dir = tempfile::tempdir()?;
    let ledger = Ledger::open(dir.path())?;
    let size = Size { width: 33, height: 17 };
    let pixels: Vec<u8> = (0..size.pixels() * 4).map(|i| (i * 31 % 251) as u8).collect();
    let digest = ledger.put_frame(&pixels, size)?;
    assert_eq!(ledger.put_frame(&pixels, size)?, digest);
    let other = ledger.put_frame(&pixels, Size { width: 17, height: 33 })?;
    assert_ne!(other, digest, "the same bytes in another shape are another picture");
    let picture = Ledger::read_only(dir.path())?.get_frame(digest)?;
    assert_eq!((picture.size, picture.pixels), (size, pixels.clone()));
    assert!(matches!(ledger.put_frame(&pixels[1..], size), Err(LedgerError::Frame { .. })));

    let hex = digest.to_hex();
    let file = |hex: &str| dir.path().join("frames").join(&hex[..2]).join(format!("{hex}.zst"));
    std::fs::copy(file(&other.to_hex()), file(&hex))?;
    assert!(matches!(ledger.get_frame(digest), Err(LedgerError::Frame { .. })));
    std::fs::remove_file(file(&hex))?;
    assert!(matches!(ledger.get_frame(digest), Err(LedgerError::Frame { .. })));
    Ok(())
}
