//! A made-up morning of one worker.

use mz_protocol::{
    Action, ActionResult, Actor, Button, Digest, Event, EventBody, EventRecord, EventSeq, Millis, Modifiers, OrderState, Point,
    StepRef, Timestamp, TypedText, Verdict,
};

use crate::sample::{NOW, id};

/// The events of `sol`, oldest first, over four minutes.
pub fn events() -> Vec<EventRecord> {
    let step = |number: u32, text: &str| EventBody::StepStarted {
        worker: id("sol"),
        order: id("WO-0175"),
        step: StepRef { procedure: id("fix-a-bug"), line: number + 9, number, of: 9, text: text.to_owned(), turn: None },
    };
    let click = |x, y| Action::Click { at: Point::new(x, y), button: Button::Left, count: 1, modifiers: Modifiers::empty() };
    let typed = |text: &str| Action::Type { text: TypedText::Plain(text.to_owned()) };
    let done = |action: Action, target: &str| EventBody::ActionDone {
        worker: id("sol"),
        order: Some(id("WO-0175")),
        action,
        application: "Geany".to_owned(),
        target: target.to_owned(),
        verdict: Verdict::Allow { rule: "role.programs".to_owned() },
        outcome: ActionResult::Confirmed,
        binding: None,
        took: Millis(40),
    };
    let moved = EventBody::OrderMoved {
        order: id("WO-0175"),
        worker: Some(id("sol")),
        from: OrderState::Todo,
        to: OrderState::InProgress,
        reason: None,
    };
    let save = "Ctrl+S".parse().map(|chord| done(Action::Key { chord }, "cart.py"));
    let bodies = [
        Some((240, moved)),
        Some((236, step(1, "Open the repository in Geany"))),
        Some((231, done(Action::Launch { program: "Geany".to_owned(), args: vec!["cart.py".to_owned()] }, ""))),
        Some((180, step(2, "Run the tests, read the failure"))),
        Some((171, done(typed("pytest -q"), "Terminal"))),
        Some((120, step(3, "Find “refund” in cart.py"))),
        Some((112, done(click(320, 420), "cart.py line 22"))),
        Some((60, step(4, "Change the rounding"))),
        Some((41, done(typed("round(net * (1 + vat), 2)"), "cart.py"))),
        save.ok().map(|save| (22, save)),
        Some((4, done(typed("pytest -q"), "Terminal"))),
    ];
    let record = |(index, (ago, body)): (usize, (i64, EventBody))| EventRecord {
        seq: EventSeq(index as u64 + 1),
        hash: Digest::ZERO,
        event: Event { at: Timestamp(NOW.0 - ago * 1000), by: Actor::Worker(id("sol")), body },
    };
    bodies.into_iter().flatten().enumerate().map(record).collect()
}
