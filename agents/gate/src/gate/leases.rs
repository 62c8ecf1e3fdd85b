//! The right of one person to drive one worker's desktop. While it lasts the worker's input is refused.

use mz_protocol::{Digest, EventBody, LeaseId, PersonId, Timestamp, VoidReason, WorkerId};

use super::{Gate, Step, numbered};
use crate::permit::{Permit, PermitKind};

/// A take-over that is going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub id: LeaseId,
    pub worker: WorkerId,
    pub person: PersonId,
    pub since: Timestamp,
    /// Each input moves it on.
    pub until: Timestamp,
    pub inputs: u32,
}

/// Why a person does not drive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    #[error("{0}")]
    NotAllowed(String),
    #[error("{person} drives {worker} until it is handed back")]
    Busy { worker: WorkerId, person: PersonId },
    #[error("the take-over {0} is over: take over again")]
    Over(LeaseId),
    #[error("{worker} is no worker of this company")]
    NoWorker { worker: WorkerId },
}

impl Gate {
    /// Gives one person the desktop. The worker's word is cut, its question void. Allowed while the worker is
    /// stopped: a person may put right what a stop left.
    pub fn take_over(&mut self, now: Timestamp, worker: &WorkerId, person: &PersonId) -> Step<Result<Lease, LeaseError>> {
        let mut events = Vec::new();
        let now = self.advance(now, &mut events);
        if let Some(why) = self.outsider(person) {
            return Step { result: Err(LeaseError::NotAllowed(why)), events };
        }
        if !self.workers.contains_key(worker) {
            return Step { result: Err(LeaseError::NoWorker { worker: worker.clone() }), events };
        }
        if let Some(lease) = self.leases.get(worker) {
            let result = if lease.person == *person {
                Ok(lease.clone())
            } else {
                Err(LeaseError::Busy { worker: worker.clone(), person: lease.person.clone() })
            };
            return Step { result, events };
        }
        let lease = self.new_lease(now, worker, person);
        self.begin_lease(now, lease.clone(), &mut events);
        Step { result: Ok(lease), events }
    }

    /// Ends a take-over; what the person says goes to the worker as help.
    pub fn hand_back(
        &mut self,
        now: Timestamp,
        lease: &LeaseId,
        person: &PersonId,
        note: Option<String>,
    ) -> Step<Result<(), LeaseError>> {
        let mut events = Vec::new();
        self.advance(now, &mut events);
        let result = self.held(lease, person).map(|worker| self.end_lease(&worker, note, &mut events));
        Step { result, events }
    }

    /// The person is still there.
    pub fn renew(&mut self, now: Timestamp, lease: &LeaseId, person: &PersonId) -> Step<Result<Timestamp, LeaseError>> {
        let mut events = Vec::new();
        let now = self.advance(now, &mut events);
        let until = now.plus(self.config.lease_idle);
        let result = self.held(lease, person).map(|worker| {
            if let Some(lease) = self.leases.get_mut(&worker) {
                lease.until = until;
            }
            until
        });
        Step { result, events }
    }

    /// Lets one input of a person through, and keeps the lease alive by it.
    pub fn drive(&mut self, now: Timestamp, lease: &LeaseId, person: &PersonId) -> Step<Result<Permit, LeaseError>> {
        let Step { result, events } = self.renew(now, lease, person);
        let result = result.and_then(|_| self.held(lease, person)).map(|worker| {
            if let Some(lease) = self.leases.get_mut(&worker) {
                lease.inputs = lease.inputs.saturating_add(1);
            }
            let expires = self.now.plus(self.config.permit_lifetime);
            Permit::new(&worker, PermitKind::Human { lease: lease.clone() }, Digest::ZERO, expires, &self.switch)
        });
        Step { result, events }
    }

    /// Who drives this worker's desktop now.
    pub fn driver(&self, worker: &WorkerId) -> Option<&Lease> {
        self.leases.get(worker)
    }

    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    fn held(&self, id: &LeaseId, person: &PersonId) -> Result<WorkerId, LeaseError> {
        let lease = self.leases.values().find(|lease| lease.id == *id).ok_or_else(|| LeaseError::Over(id.clone()))?;
        if lease.person != *person {
            return Err(LeaseError::Busy { worker: lease.worker.clone(), person: lease.person.clone() });
        }
        Ok(lease.worker.clone())
    }

    pub(super) fn new_lease(&mut self, now: Timestamp, worker: &WorkerId, person: &PersonId) -> Lease {
        self.last_lease += 1;
        Lease {
            id: numbered(self.last_lease, "LE", LeaseId::new),
            worker: worker.clone(),
            person: person.clone(),
            since: now,
            until: now.plus(self.config.lease_idle),
            inputs: 0,
        }
    }

    pub(super) fn begin_lease(&mut self, now: Timestamp, lease: Lease, events: &mut Vec<EventBody>) {
        let worker = lease.worker.clone();
        self.cut(&worker);
        self.void_open(&worker, VoidReason::TakenOver, now, events);
        events.push(EventBody::TakeoverStarted {
            lease: lease.id.clone(),
            worker: worker.clone(),
            person: lease.person.clone(),
        });
        self.leases.insert(worker, lease);
    }

    pub(super) fn end_lease(&mut self, worker: &WorkerId, note: Option<String>, events: &mut Vec<EventBody>) {
        if let Some(lease) = self.leases.remove(worker) {
            self.cut(worker);
            let Lease { id, worker, person, inputs, .. } = lease;
            events.push(EventBody::TakeoverEnded { lease: id, worker, person, note, inputs });
        }
    }

    pub(super) fn expire_leases(&mut self, now: Timestamp, events: &mut Vec<EventBody>) {
        let late: Vec<WorkerId> =
            self.leases.values().filter(|lease| now >= lease.until).map(|lease| lease.worker.clone()).collect();
        for worker in late {
            self.end_lease(&worker, Some("no input for too long".into()), events);
        }
    }
}
