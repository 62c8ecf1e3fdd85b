//! The gate after a restart, told from the ledger. Stops and grants go on; questions and take-overs do not,
//! for nobody knows what the screen showed in between.

use mz_protocol::{ApprovalState, EventBody, EventRecord, Timestamp, VoidReason, WorkerId};

use super::{Gate, Lease, Question, Step};

impl Gate {
    /// Reads what happened before and gives the events that end what was open. Call once, on a new gate,
    /// with the workers enrolled, before anything is proposed.
    pub fn restore<'a>(&mut self, now: Timestamp, events: impl IntoIterator<Item = &'a EventRecord>) -> Step<()> {
        for record in events {
            // A clock that was set back while the engine was down must not revive what had run out.
            self.now = self.now.max(record.event.at);
            self.take_note(record);
        }
        let mut ended = Vec::new();
        self.now = self.now.max(now);
        let now = self.now;
        let open: Vec<_> = self.open.values().cloned().collect();
        for id in open {
            self.close(&id, ApprovalState::Void { why: VoidReason::EngineRestarted, at: now }, &mut ended);
        }
        let driven: Vec<WorkerId> = self.leases.keys().cloned().collect();
        for worker in driven {
            self.end_lease(&worker, Some("the engine was started anew".into()), &mut ended);
        }
        self.expire_grants(now);
        self.set_switches();
        Step { result: (), events: ended }
    }

    fn take_note(&mut self, record: &EventRecord) {
        match &record.event.body {
            EventBody::ApprovalAsked { request, .. } => {
                self.last_approval = self.last_approval.max(number(request.id.as_str()));
                let proposal = &request.proposal;
                if !self.workers.contains_key(&proposal.worker) {
                    self.enrol(&proposal.worker, &proposal.department);
                }
                // An older one of the same worker that was never closed is void like any other.
                let old = self.open.get(&proposal.worker).cloned();
                if let Some(old) = old.and_then(|id| self.questions.get_mut(&id)) {
                    old.state = ApprovalState::Void { why: VoidReason::EngineRestarted, at: record.event.at };
                }
                self.ask((**request).clone());
            }
            EventBody::ApprovalMoved { approval, state } => self.move_question(approval, state),
            EventBody::GrantGiven { grant } => {
                self.last_grant = self.last_grant.max(number(grant.id.as_str()));
                let mut grant = grant.clone();
                grant.event = Some(record.seq);
                self.grants.insert(grant.id.clone(), grant);
            }
            EventBody::GrantUsed { grant, uses_left, .. } => {
                if let Some(grant) = self.grants.get_mut(grant) {
                    grant.uses_left = grant.uses_left.min(*uses_left);
                }
            }
            EventBody::GrantRevoked { grant } => {
                self.grants.remove(grant);
            }
            EventBody::TakeoverStarted { lease, worker, person } => {
                self.last_lease = self.last_lease.max(number(lease.as_str()));
                let (at, worker) = (record.event.at, worker.clone());
                let lease = Lease {
                    id: lease.clone(),
                    worker: worker.clone(),
                    person: person.clone(),
                    since: at,
                    until: at,
                    inputs: 0,
                };
                self.leases.insert(worker, lease);
            }
            EventBody::TakeoverEnded { worker, .. } => {
                self.leases.remove(worker);
            }
            EventBody::Stopped { scope } => {
                self.stops.insert(scope.clone());
            }
            EventBody::Resumed { scope } => {
                self.stops.remove(scope);
            }
            _ => {}
        }
    }

    fn move_question(&mut self, id: &mz_protocol::ApprovalId, state: &ApprovalState) {
        let Some(Question { request, state: old, .. }) = self.questions.get_mut(id) else { return };
        *old = state.clone();
        if !state.is_open() {
            let worker = &request.proposal.worker;
            if self.open.get(worker) == Some(id) {
                self.open.remove(worker);
            }
            self.remember(id);
        }
    }
}

/// 12 of `AP-0012`.
fn number(id: &str) -> u64 {
    id.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
