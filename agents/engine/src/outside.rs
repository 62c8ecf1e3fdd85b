//! What the programs of a worker may do outside: one request for each action that a person has answered for. A window
//! keeps the permit that opened it, so that whatever cuts the permit closes the window.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mz_gate::{Permit, PermitKind};
use mz_protocol::Effect;

/// From the action until its request; a program that takes longer asks anew.
const WINDOW: Duration = Duration::from_secs(30);

struct Window {
    permit: Arc<Permit>,
    until: Instant,
}

/// Between a worker's dispatcher, which opens it, and its broker, which asks.
#[derive(Default)]
pub struct Outside {
    window: Mutex<Option<Window>>,
}

impl Outside {
    /// Right before the permit's action is sent.
    pub(crate) fn open(&self, permit: &Arc<Permit>) {
        let answers = match permit.kind() {
            PermitKind::Agent { approval, grant, .. } => {
                permit.effect() != Effect::None && (approval.is_some() || grant.is_some())
            }
            PermitKind::Human { .. } => true,
            PermitKind::Release => false,
        };
        if answers {
            *self.lock() = Some(Window { permit: Arc::clone(permit), until: Instant::now() + WINDOW });
        }
    }

    /// The action was not sent as a whole.
    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    /// Whether a request to this host that needs an answer may pass now. A worker's answer is used up by it; a person who
    /// drives answers for everything.
    pub fn may_pass(&self, host: &str) -> bool {
        let mut slot = self.lock();
        let Some(window) = slot.as_ref() else { return false };
        if window.permit.halted() || Instant::now() >= window.until {
            *slot = None;
            return false;
        }
        if window.permit.host().is_some_and(|meant| meant != host) {
            return false;
        }
        if matches!(window.permit.kind(), PermitKind::Agent { .. }) {
            *slot = None;
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Window>> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use mz_gate::{Facts, Gate, GateConfig, Policy, Proposed};
    use mz_protocol::{
        Action, Button, Decision, DecisionKind, DepartmentId, Digest, Millis, Modifiers, PersonId, Point, Proposal, Rect, Risk,
        Role, RoleId, StopScope, TextClass, Timestamp, WorkerId,
    };

    use super::*;

    const HOST: &str = "pay.atelier.local";

    struct Bank {
        gate: Gate,
        policy: Policy,
        outside: Outside,
        now: i64,
    }

    impl Bank {
        fn new() -> Self {
            let mut gate = Gate::new(GateConfig::default());
            gate.enrol(&fenn(), &DepartmentId::new("finance").unwrap());
            Self { gate, policy: Policy::builtin().unwrap(), outside: Outside::default(), now: 0 }
        }

        fn now(&mut self) -> Timestamp {
            self.now += 1000;
            Timestamp(1_800_000_000_000 + self.now)
        }

        fn propose(&mut self, role: Role, name: &str) -> Proposed {
            let proposal = Proposal {
                worker: fenn(),
                role: RoleId::new("bookkeeper").unwrap(),
                department: DepartmentId::new("finance").unwrap(),
                order: None,
                action: Action::Click { at: Point::new(40, 40), button: Button::Left, count: 1, modifiers: Modifiers::empty() },
                application: "Chromium".to_owned(),
                window_title: String::new(),
                host: Some(HOST.to_owned()),
                target_role: Some(role),
                target_name: name.to_owned(),
                region: Rect::new(20, 20, 60, 40),
                screen_digest: Digest([1; 32]),
                scene_version: 1,
                effect: Effect::None,
                text_class: TextClass::empty(),
                line: None,
                amount_cents: None,
                risk: Risk::Low,
                reason: None,
            };
            let now = self.now();
            self.gate.propose(now, proposal, &Facts::default(), &self.policy).result
        }

        /// A payment that the manager has approved begins.
        fn pay(&mut self) {
            let Proposed::Waiting(request) = self.propose(Role::Button, "Submit payment") else { panic!("nobody is asked") };
            let now = self.now();
            drop(self.gate.shown(now, &request.id, &manager()).events);
            let decision = Decision {
                approval: request.id.clone(),
                binding: request.binding,
                kind: DecisionKind::Approve,
                by: manager(),
                note: None,
                looked: Millis(2000),
            };
            let now = self.now();
            drop(self.gate.decide(now, decision).events);
            let proposal = &request.proposal;
            let now = self.now();
            let permit = self.gate.redeem(now, &request.id, &proposal.action, proposal.screen_digest).result.unwrap();
            self.outside.open(&Arc::new(permit));
        }
    }

    fn fenn() -> WorkerId {
        WorkerId::new("fenn").unwrap()
    }

    fn manager() -> PersonId {
        PersonId::new("manager").unwrap()
    }

    #[test]
    fn one_answer_is_for_one_request_to_its_host() {
        let mut bank = Bank::new();
        assert!(!bank.outside.may_pass(HOST));
        bank.pay();
        assert!(!bank.outside.may_pass("git.atelier.local"), "the manager saw another host");
        assert!(bank.outside.may_pass(HOST));
        assert!(!bank.outside.may_pass(HOST), "one answer let two requests through");
        bank.pay();
        bank.outside.close();
        assert!(!bank.outside.may_pass(HOST));
    }

    #[test]
    fn what_nobody_was_asked_about_opens_nothing() {
        let mut bank = Bank::new();
        let Proposed::Allowed(permit) = bank.propose(Role::Textbox, "Amount in EUR") else { panic!("it is asked about") };
        bank.outside.open(&Arc::new(permit));
        assert!(!bank.outside.may_pass(HOST));
    }

    #[test]
    fn a_stop_and_a_take_over_close_it_and_who_drives_answers() {
        let mut bank = Bank::new();
        bank.pay();
        let now = bank.now();
        drop(bank.gate.stop(now, StopScope::Worker(fenn())).events);
        assert!(!bank.outside.may_pass(HOST));
        let now = bank.now();
        drop(bank.gate.resume(now, &StopScope::Worker(fenn())).events);
        assert!(!bank.outside.may_pass(HOST), "an answer outlived a stop");

        bank.pay();
        let now = bank.now();
        let lease = bank.gate.take_over(now, &fenn(), &manager()).result.unwrap();
        assert!(!bank.outside.may_pass(HOST));
        let now = bank.now();
        let permit = bank.gate.drive(now, &lease.id, &manager()).result.unwrap();
        bank.outside.open(&Arc::new(permit));
        assert!(bank.outside.may_pass(HOST) && bank.outside.may_pass("git.atelier.local") && bank.outside.may_pass(HOST));
        let now = bank.now();
        assert!(bank.gate.hand_back(now, &lease.id, &manager(), None).result.is_ok());
        assert!(!bank.outside.may_pass(HOST), "a person's word outlived the lease");
    }
}
