use mz_gate::GrantError;
use mz_protocol::{Actor, Event, EventRecord, EventSeq, GrantInput, GrantScope, StopScope, Verdict};

use super::*;

fn scope() -> GrantScope {
    GrantScope {
        worker: Some(worker("mira")),
        department: None,
        verb: "click".into(),
        rule: "external.publish".into(),
        application: "Chromium".into(),
        host: Some("cms.atelier.local".into()),
        target_role: Some(Role::Button),
        target_name: "publish".into(),
        line: None,
        input: GrantInput::default(),
        max_amount_cents: None,
    }
}

fn passes(gate: &mut Gate, policy: &Policy, proposal: Proposal) -> bool {
    let step = gate.propose(at(10), proposal, &Facts::default(), policy);
    match step.result {
        Proposed::Allowed(permit) => {
            assert!(permit.grant().is_some());
            assert!(matches!(&step.events[..], [.., EventBody::GrantUsed { .. }, EventBody::ActionIntended { .. }]));
            true
        }
        Proposed::Waiting(_) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_grant_is_used_up() {
    let (mut gate, policy) = house();
    gate.give_grant(at(0), scope(), 2, at(60_000), &person("ana")).result.unwrap();
    assert!(passes(&mut gate, &policy, publish()));
    assert!(passes(&mut gate, &policy, publish()));
    assert!(!passes(&mut gate, &policy, publish()));
}

#[test]
fn a_grant_ends_when_it_is_revoked_or_late() {
    let (mut gate, policy) = house();
    let grant = gate.give_grant(at(0), scope(), 5, at(60_000), &person("ana")).result.unwrap();
    assert!(passes(&mut gate, &policy, publish()));
    assert!(gate.revoke_grant(at(5), &grant.id).result.is_ok());
    assert_eq!(gate.revoke_grant(at(5), &grant.id).result, Err(GrantError::Unknown(grant.id)));
    assert!(!passes(&mut gate, &policy, publish()));
    gate.give_grant(at(10), scope(), 5, at(60_000), &person("ana")).result.unwrap();
    let late = gate.propose(at(60_000), Proposal { screen_digest: screen(7), ..publish() }, &Facts::default(), &policy);
    assert!(matches!(late.result, Proposed::Waiting(_)));
}

#[test]
fn a_clock_set_back_over_a_restart_revives_no_grant() {
    let (mut gate, policy) = house();
    let mut bodies = gate.give_grant(at(0), scope(), 5, at(60_000), &person("ana")).events;
    bodies.extend(gate.stop(at(60_000), StopScope::Company).events);
    bodies.extend(gate.resume(at(60_000), &StopScope::Company).events);
    let record = |(body, when): (EventBody, i64)| EventRecord {
        seq: EventSeq(1),
        hash: Digest::ZERO,
        event: Event { at: at(when), by: Actor::Engine, body },
    };
    let records: Vec<EventRecord> = bodies.into_iter().zip([0, 60_000, 60_000]).map(record).collect();
    let mut fresh = Gate::new(GateConfig::default());
    drop(fresh.restore(at(10), &records));
    assert!(!passes(&mut fresh, &policy, publish()));
}

#[test]
fn every_field_of_a_grant_counts() {
    let (mut gate, policy) = house();
    gate.give_grant(at(0), scope(), 100, at(60_000), &person("ana")).result.unwrap();
    let others = [
        Proposal { host: Some("shop.example".into()), ..publish() },
        Proposal { host: None, ..publish() },
        Proposal { target_name: "Publish all".into(), ..publish() },
        Proposal { target_role: Some(Role::Menuitem), ..publish() },
        Proposal { application: "Firefox".into(), ..publish() },
        Proposal { worker: worker("otto"), ..publish() },
        Proposal { amount_cents: Some(1), ..publish() },
        Proposal { action: key("Return"), ..publish() },
    ];
    for other in others {
        assert!(!passes(&mut gate, &policy, other.clone()), "{other:?}");
    }
    assert!(passes(&mut gate, &policy, Proposal { target_name: " PUBLISH ".into(), ..publish() }));
}

#[test]
fn money_needs_a_bound() {
    let (mut gate, policy) = house();
    let bound =
        GrantScope { rule: "external.payment".into(), target_name: "Pay".into(), max_amount_cents: Some(5000), ..scope() };
    gate.give_grant(at(0), bound, 100, at(60_000), &person("ana")).result.unwrap();
    let pay = |amount_cents| Proposal { target_name: "Pay".into(), amount_cents, ..publish() };
    assert!(passes(&mut gate, &policy, pay(Some(5000))));
    for amount in [Some(5001), Some(-1), None] {
        assert!(!passes(&mut gate, &policy, pay(amount)), "{amount:?}");
    }
}

#[test]
fn no_grant_lifts_a_denial_or_stands_for_two_people() {
    let mut gate = house().0;
    let policy = Policy::load(
        r#"@id("two") @effect("approve") @approvers("2") @why("w")
        permit (principal, action, resource) when { context.intent == "publish" };
        @id("never") @effect("deny") @why("w")
        forbid (principal, action, resource) when { context.intent == "delete" };"#,
    )
    .unwrap();
    for (rule, name) in
        [("two", "Publish"), ("external.publish", "Publish"), ("never", "Delete"), ("external.delete", "Delete")]
    {
        let wide = GrantScope { rule: rule.into(), target_name: name.into(), ..scope() };
        gate.give_grant(at(0), wide, 100, at(60_000), &person("ana")).result.unwrap();
    }
    assert!(!passes(&mut gate, &policy, publish()));
    let delete = Proposal { target_name: "Delete".into(), ..publish() };
    let denied = gate.propose(at(10), delete, &Facts::default(), &policy).result;
    assert!(matches!(denied, Proposed::Denied(Verdict::Deny { .. })));
}

#[test]
fn a_grant_for_our_rule_does_not_pass_by_the_companys() {
    let mut gate = house().0;
    let policy = Policy::load(
        r#"@id("press.law") @effect("approve") @why("w")
        permit (principal, action, resource) when { context.intent == "publish" };"#,
    )
    .unwrap();
    gate.give_grant(at(0), scope(), 5, at(60_000), &person("ana")).result.unwrap();
    assert!(!passes(&mut gate, &policy, publish()));
    gate.give_grant(at(0), GrantScope { rule: "press.law".into(), ..scope() }, 5, at(60_000), &person("ana")).result.unwrap();
    assert!(passes(&mut gate, &policy, Proposal { screen_digest: screen(2), ..publish() }));
}

#[test]
fn wide_endless_or_too_many_grants_are_refused() {
    let mut gate = house().0;
    let ana = person("ana");
    let give = |gate: &mut Gate, scope, uses, until| gate.give_grant(at(0), scope, uses, until, &ana).result;
    assert!(matches!(give(&mut gate, GrantScope { worker: None, ..scope() }, 1, at(1)), Err(GrantError::TooWide(_))));
    assert!(matches!(give(&mut gate, GrantScope { rule: String::new(), ..scope() }, 1, at(1)), Err(GrantError::TooWide(_))));
    assert!(matches!(give(&mut gate, scope(), 0, at(1)), Err(GrantError::Bounds { .. })));
    assert!(matches!(give(&mut gate, scope(), 1, at(0)), Err(GrantError::Bounds { .. })));
    assert!(matches!(give(&mut gate, scope(), 1, at(i64::from(u32::MAX))), Err(GrantError::Bounds { .. })));
    let by_worker = gate.give_grant(at(0), scope(), 1, at(1), &person("mira")).result;
    assert!(matches!(by_worker, Err(GrantError::NotAllowed(_))));
    for _ in 0..256 {
        give(&mut gate, scope(), 1, at(1)).unwrap();
    }
    assert!(matches!(give(&mut gate, scope(), 1, at(1)), Err(GrantError::TooMany(256))));
}

#[test]
fn a_grant_for_one_command_covers_no_other() {
    let (mut gate, policy) = house();
    let terminal = |action| Proposal { host: None, ..proposal(action, "XTerm", Some(Role::Terminal), "") };
    let push = GrantScope {
        verb: "key".into(),
        rule: "external.push".into(),
        application: "XTerm".into(),
        host: None,
        target_role: Some(Role::Terminal),
        target_name: String::new(),
        line: Some("git push origin main".into()),
        input: GrantInput::Exactly("Return".into()),
        ..scope()
    };
    gate.give_grant(at(0), push.clone(), 9, at(60_000), &person("ana")).result.unwrap();
    gate.give_grant(at(0), GrantScope { line: None, ..push }, 9, at(60_000), &person("ana")).result.unwrap();
    let run = |gate: &mut Gate, line: &str| {
        drop(gate.propose(at(10), terminal(typed(line)), &Facts::default(), &policy));
        let passed = passes(gate, &policy, terminal(key("Return")));
        drop(gate.propose(at(10), terminal(key("Ctrl+c")), &Facts::default(), &policy));
        passed
    };
    assert!(run(&mut gate, "git push origin main"));
    for other in ["git push --force origin main", "git push origin main; git push x", "git push"] {
        assert!(!run(&mut gate, other), "{other}");
    }
    gate.doubt(&worker("mira"));
    assert!(!run(&mut gate, "git push origin main"), "a line that is not known was run");
}

#[test]
fn a_grant_for_one_text_covers_no_other_unless_it_says_so() {
    let (mut gate, policy) = house();
    let field = |text: &str| proposal(typed(text), "Chromium", Some(Role::Textbox), "Comment");
    let exact = GrantScope {
        verb: "type".into(),
        rule: "external.form".into(),
        target_role: Some(Role::Textbox),
        target_name: "Comment".into(),
        input: GrantInput::Exactly("Done\n".into()),
        ..scope()
    };
    gate.give_grant(at(0), exact.clone(), 9, at(60_000), &person("ana")).result.unwrap();
    assert!(passes(&mut gate, &policy, field("Done\n")));
    assert!(!passes(&mut gate, &policy, field("Fired\n")));
    gate.give_grant(at(0), GrantScope { input: GrantInput::AnyText, ..exact }, 9, at(60_000), &person("ana")).result.unwrap();
    assert!(passes(&mut gate, &policy, field("Hired\n")));
}

#[test]
fn a_payment_of_an_unknown_sum_is_asked_each_time() {
    let (mut gate, policy) = house();
    let pay = |name: &str| Proposal { target_name: name.into(), ..publish() };
    let wide = GrantScope { rule: "external.payment".into(), target_name: "Pay".into(), ..scope() };
    let refused = gate.give_grant(at(0), wide.clone(), 9, at(60_000), &person("ana")).result;
    assert_eq!(refused, Err(GrantError::NoAmount));
    let named = GrantScope { target_name: "Pay €40".into(), max_amount_cents: Some(4000), ..wide };
    gate.give_grant(at(0), named, 9, at(60_000), &person("ana")).result.unwrap();
    assert!(passes(&mut gate, &policy, pay("Pay €40")));
    assert!(!passes(&mut gate, &policy, pay("Pay €41")) && !passes(&mut gate, &policy, pay("Pay")));
}
