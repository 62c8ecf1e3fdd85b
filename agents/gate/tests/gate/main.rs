//! The gate from outside: what policy says, what people decide, and a long seeded day in which everything
//! happens in every order.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails here")]

mod decisions;
mod grants;
mod policy;
mod secrets;
mod simulation;

use mz_gate::{Facts, Gate, GateConfig, Line, Policy, Proposed};
use mz_protocol::{
    Action, ApprovalRequest, Button, Decision, DecisionKind, DepartmentId, Digest, Effect, EventBody, Millis, Modifiers,
    PersonId, Point, Proposal, Rect, Risk, Role, RoleId, TextClass, Timestamp, TypedText, WorkerId,
};

pub fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

pub fn person(name: &str) -> PersonId {
    PersonId::new(name).unwrap()
}

pub fn department(name: &str) -> DepartmentId {
    DepartmentId::new(name).unwrap()
}

pub fn screen(n: u8) -> Digest {
    Digest([n; 32])
}

pub fn click() -> Action {
    Action::Click { at: Point::new(40, 40), button: Button::Left, count: 1, modifiers: Modifiers::empty() }
}

pub fn typed(text: &str) -> Action {
    Action::Type { text: TypedText::Plain(text.to_owned()) }
}

pub fn key(chord: &str) -> Action {
    Action::Key { chord: chord.parse().unwrap() }
}

/// Of Mira in publishing, on the company's site.
pub fn proposal(action: Action, application: &str, role: Option<Role>, name: &str) -> Proposal {
    Proposal {
        worker: worker("mira"),
        role: RoleId::new("editor").unwrap(),
        department: department("publishing"),
        order: None,
        action,
        application: application.to_owned(),
        window_title: String::new(),
        host: Some("cms.atelier.local".to_owned()),
        target_role: role,
        target_name: name.to_owned(),
        region: Rect::new(20, 20, 60, 40),
        screen_digest: screen(1),
        scene_version: 1,
        effect: Effect::None,
        text_class: TextClass::empty(),
        line: None,
        amount_cents: None,
        risk: Risk::Low,
        reason: None,
    }
}

pub fn publish() -> Proposal {
    proposal(click(), "Chromium", Some(Role::Button), "Publish")
}

pub fn local() -> Proposal {
    proposal(click(), "libreoffice-calc", Some(Role::Cell), "B2")
}

/// A gate with Mira at work, and its policy.
pub fn house() -> (Gate, Policy) {
    let mut gate = Gate::new(GateConfig::default());
    gate.enrol(&worker("mira"), &department("publishing"));
    (gate, Policy::builtin().unwrap())
}

pub fn at(ms: i64) -> Timestamp {
    Timestamp(1_800_000_000_000 + ms)
}

/// Proposes at time 0 what needs approval, and shows the question to Ana at once.
pub fn asked(gate: &mut Gate, policy: &Policy) -> ApprovalRequest {
    let step = gate.propose(at(0), publish(), &Facts::default(), policy);
    let Proposed::Waiting(request) = step.result else { panic!("{:?}", step.result) };
    assert!(matches!(&step.events[..], [EventBody::ApprovalAsked { .. }]), "{:?}", step.events);
    assert_eq!(gate.shown(at(0), &request.id, &person("ana")).events.len(), 1);
    *request
}

pub fn decision(request: &ApprovalRequest, by: &str, kind: DecisionKind) -> Decision {
    Decision { approval: request.id.clone(), binding: request.binding, kind, by: person(by), note: None, looked: Millis(2000) }
}
