//! Questions to people: asked, shown, decided, used once or void.

use mz_protocol::{
    Action, ApprovalId, ApprovalRequest, ApprovalState, Decision, DecisionKind, Digest, EventBody, PersonId, Timestamp,
    VoidReason, WorkerId,
};

use super::{Decided, Gate, Question, REMEMBERED, Step, Unredeemed, binding, void_words};
use crate::permit::Permit;

impl Gate {
    /// The open questions, oldest first.
    pub fn open_approvals(&self) -> Vec<(&ApprovalRequest, &ApprovalState)> {
        let mut open: Vec<_> = self
            .open
            .values()
            .filter_map(|id| self.questions.get(id))
            .map(|question| (&question.request, &question.state))
            .collect();
        open.sort_by_key(|(request, _)| request.asked);
        open
    }

    pub fn approval(&self, id: &ApprovalId) -> Option<(&ApprovalRequest, &ApprovalState)> {
        self.questions.get(id).map(|question| (&question.request, &question.state))
    }

    /// The question came onto this person's screen. Without it an approval by that person is ignored.
    pub fn shown(&mut self, now: Timestamp, approval: &ApprovalId, person: &PersonId) -> Step<()> {
        let mut events = Vec::new();
        let now = self.advance(now, &mut events);
        let outsider = self.outsider(person).is_some();
        if let Some(question) = self.questions.get_mut(approval).filter(|question| question.state.is_open() && !outsider)
            && question.shown.len() < 64
            && !question.shown.contains_key(person)
        {
            question.shown.insert(person.clone(), now);
            events.push(EventBody::ApprovalShown { approval: approval.clone(), person: person.clone() });
        }
        Step { result: (), events }
    }

    /// Takes a person's answer. Late, double and forged answers have no effect and leave `DecisionIgnored`.
    pub fn decide(&mut self, now: Timestamp, decision: Decision) -> Step<Decided> {
        let mut events = Vec::new();
        let now = self.advance(now, &mut events);
        if let Some(why) = self.objection(now, &decision) {
            events.push(EventBody::DecisionIgnored { decision, why: why.clone() });
            return Step { result: Decided::Ignored { why }, events };
        }
        events.push(EventBody::ApprovalDecided { decision: decision.clone() });
        let id = decision.approval.clone();
        let by = decision.by.clone();
        let result = match decision.kind {
            DecisionKind::Approve => self.approve(now, &id, by, &mut events),
            DecisionKind::Veto { reason } => {
                if let Some(worker) = self.questions.get(&id).map(|question| question.request.proposal.worker.clone()) {
                    // What was vetoed may still stand in the line.
                    self.doubt(&worker);
                }
                self.close(&id, ApprovalState::Vetoed { by, reason, at: now }, &mut events);
                Decided::Vetoed
            }
            DecisionKind::Edit { text } => {
                self.close(&id, ApprovalState::Edited { by, at: now }, &mut events);
                Decided::Edited { text }
            }
            DecisionKind::TakeOver => {
                let worker = self.questions.get(&id).map(|question| question.request.proposal.worker.clone());
                match worker {
                    None => Decided::Ignored { why: format!("there is no approval {id}") },
                    Some(worker) => {
                        let lease = self.new_lease(now, &worker, &by);
                        let state = ApprovalState::TakenOver { by, lease: lease.id.clone(), at: now };
                        self.close(&id, state, &mut events);
                        self.begin_lease(now, lease.clone(), &mut events);
                        Decided::TakenOver(lease)
                    }
                }
            }
        };
        Step { result, events }
    }

    /// Right before dispatch: the same action, on the same pixels, once. The screen digest is of a fresh
    /// capture of the request's region, taken while the desktop is frozen.
    pub fn redeem(
        &mut self,
        now: Timestamp,
        approval: &ApprovalId,
        action: &Action,
        screen: Digest,
    ) -> Step<Result<Permit, Unredeemed>> {
        let mut events = Vec::new();
        let now = self.advance(now, &mut events);
        let result = self.redeem_checked(now, approval, action, screen, &mut events);
        Step { result, events }
    }

    fn redeem_checked(
        &mut self,
        now: Timestamp,
        id: &ApprovalId,
        action: &Action,
        screen: Digest,
        events: &mut Vec<EventBody>,
    ) -> Result<Permit, Unredeemed> {
        let question = self.questions.get(id).ok_or_else(|| Unredeemed::Unknown(id.clone()))?.clone();
        let request = &question.request;
        let by = match question.state {
            ApprovalState::Approved { by, .. } => by,
            ApprovalState::Waiting { ref approved_by } => {
                // What changed while it waits cannot be approved any more.
                if let Some(why) = difference(request, action, screen) {
                    self.close(id, ApprovalState::Void { why: why.clone(), at: now }, events);
                    return Err(Unredeemed::Void(why));
                }
                return Err(Unredeemed::StillWaiting { have: count(approved_by), of: request.approvers_needed });
            }
            ApprovalState::Used { .. } => return Err(Unredeemed::Used),
            ApprovalState::Vetoed { reason, .. } => return Err(Unredeemed::Vetoed(reason)),
            ApprovalState::Edited { .. } => return Err(Unredeemed::Edited),
            ApprovalState::TakenOver { .. } => return Err(Unredeemed::Void(VoidReason::TakenOver)),
            ApprovalState::Void { why, .. } => return Err(Unredeemed::Void(why)),
        };
        // Stops and take-overs void what they reach; should one have been missed, it ends here.
        let proposal = &request.proposal;
        let reason = if self.is_stopped(&proposal.worker, &proposal.department).is_some() {
            Some(VoidReason::Stopped)
        } else if self.leases.contains_key(&proposal.worker) {
            Some(VoidReason::TakenOver)
        } else {
            difference(request, action, screen)
        };
        if let Some(why) = reason {
            self.close(id, ApprovalState::Void { why: why.clone(), at: now }, events);
            return Err(Unredeemed::Void(why));
        }
        self.close(id, ApprovalState::Used { by, at: now }, events);
        Ok(self.permit(now, proposal, request.rule.clone(), request.binding, Some(id.clone()), None, events))
    }

    /// The screen changed under the question, or the worker gave it up.
    pub fn void(&mut self, now: Timestamp, approval: &ApprovalId, why: VoidReason) -> Step<bool> {
        let mut events = Vec::new();
        let now = self.advance(now, &mut events);
        let open = self.questions.get(approval).is_some_and(|question| question.state.is_open());
        if open {
            self.close(approval, ApprovalState::Void { why, at: now }, &mut events);
        }
        Step { result: open, events }
    }

    pub(super) fn ask(&mut self, request: ApprovalRequest) {
        let (id, worker) = (request.id.clone(), request.proposal.worker.clone());
        let state = ApprovalState::Waiting { approved_by: Vec::new() };
        self.questions.insert(id.clone(), Question { request, state, shown: Default::default() });
        self.open.insert(worker, id);
    }

    pub(super) fn open_question(&self, worker: &WorkerId) -> Option<&Question> {
        self.open.get(worker).and_then(|id| self.questions.get(id)).filter(|question| question.state.is_open())
    }

    pub(super) fn void_open(&mut self, worker: &WorkerId, why: VoidReason, now: Timestamp, events: &mut Vec<EventBody>) {
        if let Some(id) = self.open.get(worker).cloned() {
            self.close(&id, ApprovalState::Void { why, at: now }, events);
        }
    }

    pub(super) fn expire_questions(&mut self, now: Timestamp, events: &mut Vec<EventBody>) {
        let late: Vec<ApprovalId> = self
            .open
            .values()
            .filter(|id| self.questions.get(*id).is_none_or(|question| now >= question.request.expires))
            .cloned()
            .collect();
        for id in late {
            self.close(&id, ApprovalState::Void { why: VoidReason::Expired, at: now }, events);
        }
    }

    /// Moves a question out of the open ones for good.
    pub(super) fn close(&mut self, id: &ApprovalId, state: ApprovalState, events: &mut Vec<EventBody>) {
        let Some(question) = self.questions.get_mut(id) else { return };
        question.state = state.clone();
        question.shown.clear();
        let worker = &question.request.proposal.worker;
        if self.open.get(worker) == Some(id) {
            self.open.remove(worker);
        }
        events.push(EventBody::ApprovalMoved { approval: id.clone(), state });
        self.remember(id);
    }

    pub(super) fn remember(&mut self, id: &ApprovalId) {
        self.closed.push_back(id.clone());
        if self.closed.len() > REMEMBERED
            && let Some(oldest) = self.closed.pop_front()
        {
            self.questions.remove(&oldest);
        }
    }

    fn approve(&mut self, now: Timestamp, id: &ApprovalId, by: PersonId, events: &mut Vec<EventBody>) -> Decided {
        let Some(question) = self.questions.get_mut(id) else {
            return Decided::Ignored { why: format!("there is no approval {id}") };
        };
        let ApprovalState::Waiting { approved_by } = &mut question.state else {
            return Decided::Ignored { why: "it is decided".into() };
        };
        approved_by.push(by);
        let (have, of) = (count(approved_by), question.request.approvers_needed);
        if have >= of {
            question.state = ApprovalState::Approved { by: std::mem::take(approved_by), at: now };
        }
        events.push(EventBody::ApprovalMoved { approval: id.clone(), state: question.state.clone() });
        if have >= of { Decided::Approved } else { Decided::StillWaiting { have, of } }
    }

    /// Why a decision has no effect; none if it has.
    fn objection(&self, now: Timestamp, decision: &Decision) -> Option<String> {
        if let Some(why) = self.outsider(&decision.by) {
            return Some(why);
        }
        let Some(question) = self.questions.get(&decision.approval) else {
            return Some(format!("there is no approval {}", decision.approval));
        };
        let request = &question.request;
        if decision.by.as_str() == request.proposal.worker.as_str() {
            return Some("whoever asks does not decide".into());
        }
        if decision.binding != request.binding {
            return Some("the decision is about another action or screen".into());
        }
        let agrees = matches!(decision.kind, DecisionKind::Approve | DecisionKind::Edit { .. });
        match &question.state {
            ApprovalState::Waiting { approved_by } => {
                if agrees && approved_by.contains(&decision.by) {
                    return Some(format!("{} has approved it already", decision.by));
                }
            }
            // Until it is used, it can be taken back.
            ApprovalState::Approved { .. } if !agrees => {}
            state => return Some(format!("it came late: {}", said(state))),
        }
        if agrees && !request.named.is_empty() && !request.named.contains(&decision.by) {
            return Some(format!("rule {} names others than {}", request.rule, decision.by));
        }
        match question.shown.get(&decision.by) {
            Some(since) if now.since(*since) < self.config.read_time => Some("too fast to have been read".into()),
            None if agrees => Some(format!("it was never shown to {}", decision.by)),
            _ => self.lease_of_another(&request.proposal.worker, decision),
        }
    }

    fn lease_of_another(&self, worker: &WorkerId, decision: &Decision) -> Option<String> {
        let lease = self.leases.get(worker)?;
        (decision.kind == DecisionKind::TakeOver && lease.person != decision.by)
            .then(|| format!("{} drives already", lease.person))
    }
}

fn count(people: &[PersonId]) -> u8 {
    u8::try_from(people.len()).unwrap_or(u8::MAX)
}

fn difference(request: &ApprovalRequest, action: &Action, screen: Digest) -> Option<VoidReason> {
    if *action != request.proposal.action {
        return Some(VoidReason::ActionChanged);
    }
    let proposal = &request.proposal;
    let bound = binding(action, proposal.line.as_ref(), &screen, proposal.region);
    (bound != request.binding).then_some(VoidReason::ScreenChanged)
}

fn said(state: &ApprovalState) -> String {
    match state {
        ApprovalState::Waiting { .. } => "it waits".into(),
        ApprovalState::Approved { .. } => "it is approved already".into(),
        ApprovalState::Used { .. } => "it was approved and done already".into(),
        ApprovalState::Vetoed { by, .. } => format!("{by} vetoed it"),
        ApprovalState::Edited { by, .. } => format!("{by} changed the text"),
        ApprovalState::TakenOver { by, .. } => format!("{by} took over"),
        ApprovalState::Void { why, .. } => format!("it is void: {}", void_words(why)),
    }
}
