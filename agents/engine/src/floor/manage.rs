//! What people do on the floor: decide, take over, stop, grant. Every refusal is in words for a manager.

use mz_gate::{Decided, Permit};
use mz_protocol::{
    Actor, ApprovalId, Decision, ErrorCode, EventBody, Grant, GrantId, GrantScope, LeaseId, PersonId, Problem, StopScope,
    Timestamp, WorkerId,
};

use super::Floor;
use crate::answer::problem;
use crate::clock;

impl Floor {
    pub fn decide(&self, decision: Decision) -> Result<(), Problem> {
        let mut state = self.lock();
        let (id, person) = (decision.approval.clone(), decision.by.clone());
        let step = state.gate.decide(clock::now(), decision);
        let decided = self.settle(&mut state, Actor::Person(person), step).map_err(problem)?;
        match decided {
            Decided::Ignored { why } => Err(Problem::new(ErrorCode::Stale, why)),
            Decided::Edited { text } => {
                state.edits.insert(id, text);
                self.changed.notify_all();
                Ok(())
            }
            Decided::Approved | Decided::StillWaiting { .. } | Decided::Vetoed | Decided::TakenOver(_) => Ok(()),
        }
    }

    /// The question is on this person's screen since now.
    pub fn shown(&self, approval: &ApprovalId, person: &PersonId) -> Result<(), Problem> {
        let mut state = self.lock();
        let step = state.gate.shown(clock::now(), approval, person);
        self.settle(&mut state, Actor::Person(person.clone()), step).map_err(problem)
    }

    pub fn take_over(&self, worker: &WorkerId, person: &PersonId) -> Result<(LeaseId, Timestamp), Problem> {
        let mut state = self.lock();
        let step = state.gate.take_over(clock::now(), worker, person);
        let lease = self.settle(&mut state, Actor::Person(person.clone()), step).map_err(problem)?.map_err(refused)?;
        Ok((lease.id, lease.until))
    }

    /// How many inputs persons have put into this desktop.
    pub fn driven(&self, worker: &WorkerId) -> u64 {
        self.lock().driven.get(worker).copied().unwrap_or_default()
    }

    pub fn hand_back(&self, lease: &LeaseId, person: &PersonId, note: Option<String>) -> Result<(), Problem> {
        let mut state = self.lock();
        let step = state.gate.hand_back(clock::now(), lease, person, note);
        self.settle(&mut state, Actor::Person(person.clone()), step).map_err(problem)?.map_err(refused)
    }

    /// Lets one input of the person who drives through.
    pub fn drive(&self, lease: &LeaseId, person: &PersonId) -> Result<Permit, Problem> {
        let mut state = self.lock();
        let step = state.gate.drive(clock::now(), lease, person);
        let permit = self.settle(&mut state, Actor::Person(person.clone()), step).map_err(problem)?.map_err(refused)?;
        *state.driven.entry(permit.worker().clone()).or_default() += 1;
        Ok(permit)
    }

    /// For letting go of what a person or a cut action held down.
    pub fn release(&self, worker: &WorkerId) -> Permit {
        self.lock().gate.release(clock::now(), worker)
    }

    pub fn driven_worker(&self, lease: &LeaseId) -> Option<WorkerId> {
        self.lock().gate.leases().find(|held| held.id == *lease).map(|held| held.worker.clone())
    }

    pub fn stop(&self, scope: StopScope, person: &PersonId) -> Result<(), Problem> {
        // The switches go first: they wait for no lock and no disk. They are held until the gate has them.
        let _pressed = match &scope {
            StopScope::Company => vec![self.switch.press_all()],
            StopScope::Worker(worker) => vec![self.switch.press(worker)],
            StopScope::Department(department) => {
                self.departments.get(department).into_iter().flatten().map(|worker| self.switch.press(worker)).collect()
            }
        };
        let mut state = self.lock();
        let step = state.gate.stop(clock::now(), scope);
        self.settle(&mut state, Actor::Person(person.clone()), step).map_err(problem)
    }

    pub fn resume(&self, scope: StopScope, person: &PersonId) -> Result<(), Problem> {
        let mut state = self.lock();
        let step = state.gate.resume(clock::now(), &scope);
        match self.settle(&mut state, Actor::Person(person.clone()), step).map_err(problem)? {
            true => Ok(()),
            false => Err(Problem::new(ErrorCode::Stale, "that was not stopped")),
        }
    }

    pub fn give_grant(&self, scope: GrantScope, uses: u32, until: Timestamp, person: &PersonId) -> Result<Grant, Problem> {
        let mut state = self.lock();
        let step = state.gate.give_grant(clock::now(), scope, uses, until, person);
        let given = step.result.as_ref().ok().map(|grant| grant.id.clone());
        let settled = self.settle(&mut state, Actor::Person(person.clone()), step);
        if let (Err(_), Some(grant)) = (&settled, given) {
            // It was not acknowledged, so it never was, whatever can be written later.
            state.gate.forget_grant(&grant);
            state.owed.retain(|event| !matches!(&event.body, EventBody::GrantGiven { grant: owed } if owed.id == grant));
        }
        settled.map_err(problem)?.map_err(refused)
    }

    pub fn revoke_grant(&self, grant: &GrantId, person: &PersonId) -> Result<(), Problem> {
        let mut state = self.lock();
        let step = state.gate.revoke_grant(clock::now(), grant);
        self.settle(&mut state, Actor::Person(person.clone()), step).map_err(problem)?.map_err(refused)
    }

    pub fn note(&self, body: EventBody) {
        if let Err(error) = self.record(Actor::Engine, vec![body]) {
            tracing::warn!("an event was not kept: {error}");
        }
    }
}

fn refused(error: impl std::fmt::Display) -> Problem {
    Problem::new(ErrorCode::Refused, error.to_string())
}
