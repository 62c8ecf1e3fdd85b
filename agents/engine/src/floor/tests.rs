use std::sync::Arc;

use mz_gate::GateConfig;
use mz_protocol::{
    Button, CompanyView, Effect, Figures, GrantInput, GrantScope, Millis, Modifiers, OrderState, Point, Rect, Risk, Role, Size,
    StopScope, TextClass, WorkOrder,
};

use super::*;

fn floor(folder: &std::path::Path) -> Floor {
    let company = CompanyView {
        id: "atelier".parse().unwrap(),
        name: "Atelier".to_owned(),
        currency: "EUR".to_owned(),
        departments: Vec::new(),
        services: Vec::new(),
        limits: Vec::new(),
        stops: Vec::new(),
        figures: Figures::default(),
        trouble: None,
        runtime: "process".to_owned(),
    };
    let mut gate = Gate::new(GateConfig::default());
    gate.enrol(&"mira".parse().unwrap(), &"marketing".parse().unwrap());
    Floor::open(Ledger::open(folder).unwrap(), gate, Policy::builtin().unwrap(), Views::new(company, Vec::new())).unwrap()
}

fn order(floor: &Floor) -> WorkOrderId {
    let id: WorkOrderId = "WO-0001".parse().unwrap();
    let order = WorkOrder {
        id: id.clone(),
        title: "Publish the page".to_owned(),
        department: "marketing".parse().unwrap(),
        objective: None,
        owner: Some("mira".parse().unwrap()),
        procedure: "publish".parse().unwrap(),
        inputs: BTreeMap::new(),
        files: Vec::new(),
        depends_on: Vec::new(),
        due: None,
        check: "page".to_owned(),
        created: clock::now(),
    };
    floor.record(Actor::Engine, vec![EventBody::OrderAdded { order: Box::new(order) }]).unwrap();
    floor.move_order(&id, OrderState::InProgress, Some(&"mira".parse().unwrap()), None).unwrap();
    id
}

fn publish(order: &WorkOrderId) -> Proposal {
    Proposal {
        worker: "mira".parse().unwrap(),
        role: "editor".parse().unwrap(),
        department: "marketing".parse().unwrap(),
        order: Some(order.clone()),
        action: Action::Click { at: Point::new(4, 4), button: Button::Left, count: 1, modifiers: Modifiers::empty() },
        application: "Chromium".to_owned(),
        window_title: String::new(),
        host: Some("cms.atelier.local".to_owned()),
        target_role: Some(Role::Button),
        target_name: "Publish".to_owned(),
        line: None,
        region: Rect::new(0, 0, 8, 8),
        screen_digest: Digest([1; 32]),
        scene_version: 1,
        effect: Effect::None,
        text_class: TextClass::empty(),
        amount_cents: None,
        risk: Risk::Low,
        reason: None,
    }
}

fn frame() -> Frame {
    Frame { seq: 1, captured: 0, size: Size { width: 8, height: 8 }, pixels: Arc::from(vec![7u8; 256]), changed: Vec::new() }
}

fn ask(floor: &Floor, order: &WorkOrderId) -> mz_protocol::ApprovalRequest {
    match floor.propose(publish(order), Facts::default(), &frame()).unwrap() {
        Proposed::Waiting(request) => *request,
        other => panic!("{other:?}"),
    }
}

fn break_ledger(floor: &Floor) {
    let error = LedgerError::Full { path: "/ledger".into() };
    floor.broke(&mut floor.lock(), &error);
}

#[test]
fn a_cancelled_order_is_not_carried_on() {
    let folder = tempfile::tempdir().unwrap();
    let floor = floor(folder.path());
    let order = order(&floor);
    let request = ask(&floor, &order);
    let kim = Actor::Person("kim".parse().unwrap());
    floor.move_order_by(kim, &order, OrderState::Cancelled, None, Some("no longer needed".to_owned())).unwrap();
    let void = floor.approval_state(&request.id);
    assert!(matches!(void, Some(ApprovalState::Void { why: VoidReason::OrderEnded, .. })), "{void:?}");
    let again = floor.propose(publish(&order), Facts::default(), &frame()).unwrap();
    assert!(matches!(again, Proposed::Refused(Refusal::OrderEnded(_))), "{again:?}");
    let action = request.proposal.action.clone();
    assert!(floor.redeem(&request.id, &"mira".parse().unwrap(), &action, Digest([1; 32])).unwrap().is_none());
}

#[test]
fn a_question_has_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let floor = floor(folder.path());
    let order = order(&floor);
    // The rule is known only with the line that the gate has followed.
    let terminal = |action| Proposal {
        action,
        application: "XTerm".to_owned(),
        target_role: Some(Role::Terminal),
        target_name: String::new(),
        host: None,
        ..publish(&order)
    };
    let typed = Action::Type { text: mz_protocol::TypedText::Plain("git push".to_owned()) };
    assert!(matches!(floor.propose(terminal(typed), Facts::default(), &frame()).unwrap(), Proposed::Allowed(_)));
    let enter = Action::Key { chord: "Return".parse().unwrap() };
    let asked = floor.propose(terminal(enter), Facts::default(), &frame()).unwrap();
    assert!(matches!(asked, Proposed::Waiting(_)), "{asked:?}");
    let kept = floor.lock().ledger.events(&Filter::all()).unwrap().into_iter().find_map(|record| match record.event.body {
        EventBody::ApprovalAsked { frame, .. } => Some(frame),
        _ => None,
    });
    assert_eq!(floor.evidence(kept.unwrap()).unwrap().size, Size { width: 8, height: 8 });
}

#[test]
fn nothing_is_acknowledged_while_nothing_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let floor = floor(folder.path());
    break_ledger(&floor);
    let kim = "kim".parse().unwrap();
    for press in ["first", "second"] {
        let stopped = floor.stop(StopScope::Company, &kim);
        assert!(stopped.is_err(), "the {press} stop was acknowledged");
    }
    let scope = GrantScope {
        worker: Some("mira".parse().unwrap()),
        department: None,
        verb: "click".to_owned(),
        rule: "external.publish".to_owned(),
        application: "Chromium".to_owned(),
        host: None,
        target_role: None,
        target_name: "Publish".to_owned(),
        line: None,
        input: GrantInput::default(),
        max_amount_cents: None,
    };
    assert!(floor.give_grant(scope, 5, clock::now().plus(Millis::from_secs(60)), &kim).is_err());
    floor.room("/ledger", 1 << 40);
    let state = floor.lock();
    assert!(state.gate.stops().any(|scope| *scope == StopScope::Company), "the stop that is owed was lost");
    assert_eq!(state.gate.grants().count(), 0, "a grant that was never acknowledged can be used");
    let events = state.ledger.events(&Filter::all()).unwrap();
    let kinds = |wanted: fn(&EventBody) -> bool| events.iter().filter(|record| wanted(&record.event.body)).count();
    assert_eq!(kinds(|body| matches!(body, EventBody::Stopped { .. })), 1);
    assert_eq!(kinds(|body| matches!(body, EventBody::GrantGiven { .. })), 0);
}
