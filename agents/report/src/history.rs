//! What the events say, gathered by order, approval and worker. Spans are taken between events in the ledger's
//! order; where the clock went back in between, a span is zero, never negative.

use std::collections::{BTreeMap, BTreeSet};

use mz_protocol::{
    Actor, ApprovalId, ApprovalRequest, ApprovalState, Decision, DecisionKind, DepartmentId, Event, EventBody, EventRecord,
    LeaseId, OrderState, OutcomeReport, Period, PersonId, StepResult, StopScope, Timestamp, VoidReason, WorkOrder, WorkOrderId,
    WorkerId,
};

use crate::names::Names;

/// A span of time; open where it had not ended.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub from: Timestamp,
    pub to: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Takeover,
    Help,
    Veto,
    Edit,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Takeover, Self::Help, Self::Veto, Self::Edit];
}

/// A person stepped in.
#[derive(Debug, Clone)]
pub(crate) struct Intervention {
    pub at: Timestamp,
    pub kind: Kind,
    pub worker: Option<WorkerId>,
    pub order: Option<WorkOrderId>,
    /// How long the person drove, or how long the worker had waited for the answer; 0 while not known.
    pub seconds: f64,
    lease: Option<LeaseId>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct OrderFact {
    pub title: Option<String>,
    pub department: Option<DepartmentId>,
    pub worker: Option<WorkerId>,
    pub created: Option<Timestamp>,
    pub due: Option<Timestamp>,
    pub started: Option<Timestamp>,
    pub ended: Option<(Timestamp, OrderState)>,
    pub state: Option<OrderState>,
    pub checks: Vec<OutcomeReport>,
    pub interventions: u32,
    pub approvals: u32,
    pub help_asked: u32,
    pub retries: u32,
    pub reruns: u32,
    pub cost_micros: u64,
}

impl OrderFact {
    pub fn ended_as(&self, state: OrderState) -> bool {
        self.ended.is_some_and(|(_, s)| s == state)
    }

    /// Done, and the last outcome check says so.
    pub fn verified(&self) -> bool {
        self.ended_as(OrderState::Done) && self.checks.last().is_some_and(OutcomeReport::passed)
    }

    /// Verified by the first check, in the first run.
    pub fn first_pass(&self) -> bool {
        self.verified() && self.reruns == 0 && self.checks.first().is_some_and(OutcomeReport::passed)
    }

    pub fn reworked(&self) -> bool {
        self.retries + self.reruns > 0
    }

    pub fn cycle_seconds(&self) -> Option<f64> {
        Some(seconds(self.started?, self.ended?.0))
    }

    pub fn lead_seconds(&self) -> Option<f64> {
        Some(seconds(self.created?, self.ended?.0))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Approved,
    Vetoed,
    Edited,
    TakenOver,
    /// No one answered in time, or the question lost its object.
    Void,
}

#[derive(Debug, Clone)]
pub(crate) struct ApprovalFact {
    pub worker: WorkerId,
    pub department: DepartmentId,
    pub order: Option<WorkOrderId>,
    pub asked: Timestamp,
    needed: usize,
    approved_by: BTreeSet<PersonId>,
    pub answer: Option<(Timestamp, Answer)>,
    pub expired: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct DecisionFact {
    pub at: Timestamp,
    pub by: PersonId,
    pub approved: bool,
    pub looked_seconds: f64,
    pub worker: Option<WorkerId>,
    pub department: Option<DepartmentId>,
}

/// Things that are only counted, within the period.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub actions: u64,
    pub refused: u64,
    pub calls: u64,
    pub tokens: u64,
    pub cost_micros: u64,
    pub retries: u64,
    pub reruns: u64,
    pub flags: u64,
    pub help_asked: u64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct WorkerFact {
    pub first_seen: Option<Timestamp>,
    pub helps: Vec<Span>,
    pub failures: Vec<Span>,
    active: Option<WorkOrderId>,
}

/// All events before the end of `period`; counts are of the period alone.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub period: Period,
    /// Of the oldest and of the newest event that was read.
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// Whether there are events after the period too, so that all of it is known.
    pub whole: bool,
    pub orders: BTreeMap<WorkOrderId, OrderFact>,
    pub approvals: BTreeMap<ApprovalId, ApprovalFact>,
    pub decisions: Vec<DecisionFact>,
    pub interventions: Vec<Intervention>,
    pub workers: BTreeMap<WorkerId, WorkerFact>,
    /// None: what no worker caused, such as planning for the company.
    pub tallies: BTreeMap<Option<WorkerId>, Tally>,
    pub stops: Vec<(StopScope, Span)>,
    pub engine_downs: Vec<Span>,
    learned: BTreeMap<WorkerId, DepartmentId>,
}

pub(crate) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.since(from).0 as f64 / 1000.0
}

impl History {
    pub fn read(events: &[&EventRecord], period: Period) -> Self {
        let mut history = Self {
            period,
            first: None,
            last: None,
            whole: events.iter().any(|record| record.event.at >= period.to),
            orders: BTreeMap::new(),
            approvals: BTreeMap::new(),
            decisions: Vec::new(),
            interventions: Vec::new(),
            workers: BTreeMap::new(),
            tallies: BTreeMap::new(),
            stops: Vec::new(),
            engine_downs: Vec::new(),
            learned: BTreeMap::new(),
        };
        // Not take_while: after the clock went back, earlier events follow later ones.
        for record in events.iter().filter(|record| record.event.at < period.to) {
            history.take(&record.event);
        }
        history
    }

    /// The department that the names give, otherwise the one it was last seen working for.
    pub fn department_of<'a>(&'a self, worker: &WorkerId, names: &'a Names) -> Option<&'a DepartmentId> {
        names.department_of(worker).or_else(|| self.learned.get(worker))
    }

    fn take(&mut self, event: &Event) {
        let at = event.at;
        if matches!(event.body, EventBody::EngineStarted { .. }) {
            self.engine_started(at);
        }
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        if let Some(worker) = event.body.worker() {
            let fact = self.workers.entry(worker.clone()).or_default();
            fact.first_seen = Some(fact.first_seen.map_or(at, |seen| seen.min(at)));
        }
        self.take_work(event);
        self.take_supervision(event);
    }

    fn take_work(&mut self, event: &Event) {
        let at = event.at;
        match &event.body {
            EventBody::OrderAdded { order } => self.added(order),
            EventBody::OrderMoved { order, worker, from, to, .. } => self.moved(at, order, worker.as_ref(), *from, *to),
            EventBody::StepEnded { worker, order, result: StepResult::Retried { .. }, .. } => {
                self.order(order).retries += 1;
                self.count(at, Some(worker), |tally| tally.retries += 1);
            }
            EventBody::OutcomeChecked { order, report, .. } => self.order(order).checks.push(report.clone()),
            EventBody::ActionDone { worker, .. } if !matches!(event.by, Actor::Person(_)) => {
                self.count(at, Some(worker), |tally| tally.actions += 1);
            }
            EventBody::ActionRefused { worker, .. } => self.count(at, Some(worker), |tally| tally.refused += 1),
            EventBody::Flagged { worker, .. } => self.count(at, Some(worker), |tally| tally.flags += 1),
            EventBody::ModelCalled { worker, tokens_in, tokens_out, cost_micros, .. } => {
                self.spent(worker.as_ref(), *cost_micros);
                let (tokens, cost) = (tokens_in.saturating_add(*tokens_out), *cost_micros);
                self.count(at, worker.as_ref(), |tally| {
                    tally.calls += 1;
                    tally.tokens = tally.tokens.saturating_add(tokens);
                    tally.cost_micros = tally.cost_micros.saturating_add(cost);
                });
            }
            EventBody::MachineUsed { worker, cost_micros, .. } => {
                self.spent(Some(worker), *cost_micros);
                self.count(at, Some(worker), |tally| tally.cost_micros = tally.cost_micros.saturating_add(*cost_micros));
            }
            EventBody::DesktopStarted { worker, .. } => close(&mut self.worker(worker).failures, at),
            EventBody::DesktopEnded { worker, .. } => {
                let fact = self.worker(worker);
                // Without work at hand a desktop is put away, which is no failure.
                if fact.active.is_some() {
                    open(&mut fact.failures, at);
                }
            }
            EventBody::EngineStopped => open(&mut self.engine_downs, at),
            _ => {}
        }
    }

    fn take_supervision(&mut self, event: &Event) {
        let at = event.at;
        match &event.body {
            EventBody::ApprovalAsked { request, .. } => self.asked(request),
            EventBody::ApprovalDecided { decision } => self.decided(at, decision),
            EventBody::ApprovalMoved { approval, state } => self.approval_moved(at, approval, state),
            EventBody::TakeoverStarted { lease, worker, .. } => {
                let order = self.worker(worker).active.clone();
                self.stepped_in(at, Kind::Takeover, Some(worker.clone()), order, 0.0, Some(lease.clone()));
            }
            EventBody::TakeoverEnded { lease, .. } => {
                if let Some(takeover) = self.interventions.iter_mut().rev().find(|i| i.lease.as_ref() == Some(lease)) {
                    takeover.seconds = seconds(takeover.at, at);
                }
            }
            EventBody::HelpAsked { worker, order, .. } => {
                self.order(order).help_asked += 1;
                self.count(at, Some(worker), |tally| tally.help_asked += 1);
                open(&mut self.worker(worker).helps, at);
            }
            EventBody::HelpGiven { worker, order, .. } => {
                let helps = &mut self.worker(worker).helps;
                let waited = helps.last().filter(|help| help.to.is_none()).map_or(0.0, |help| seconds(help.from, at));
                close(helps, at);
                self.stepped_in(at, Kind::Help, Some(worker.clone()), Some(order.clone()), waited, None);
            }
            EventBody::Stopped { scope } => self.stopped(at, scope),
            EventBody::Resumed { scope } => {
                for (_, span) in self.stops.iter_mut().filter(|(s, span)| s == scope && span.to.is_none()) {
                    span.to = Some(at);
                }
            }
            _ => {}
        }
    }

    /// A second stop of what stands still already changes nothing.
    fn stopped(&mut self, at: Timestamp, scope: &StopScope) {
        if !self.stops.iter().any(|(s, span)| s == scope && span.to.is_none()) {
            self.stops.push((scope.clone(), Span { from: at, to: None }));
        }
    }

    /// After a crash there is no word of the end: the engine was gone since the event before, at most.
    fn engine_started(&mut self, at: Timestamp) {
        let open = self.engine_downs.last().is_some_and(|down| down.to.is_none());
        match self.last {
            _ if open => close(&mut self.engine_downs, at),
            Some(last) => self.engine_downs.push(Span { from: last, to: Some(at) }),
            None => {}
        }
    }

    fn added(&mut self, order: &WorkOrder) {
        let fact = self.order(&order.id);
        fact.title = Some(order.title.clone());
        fact.department = Some(order.department.clone());
        fact.created = Some(order.created);
        fact.due = order.due;
        fact.worker = fact.worker.take().or_else(|| order.owner.clone());
        fact.state = fact.state.or(Some(OrderState::Backlog));
        if let Some(owner) = &order.owner {
            self.learned.insert(owner.clone(), order.department.clone());
        }
    }

    fn moved(&mut self, at: Timestamp, id: &WorkOrderId, worker: Option<&WorkerId>, from: OrderState, to: OrderState) {
        let fact = self.order(id);
        fact.state = Some(to);
        fact.ended = to.is_final().then_some((at, to));
        if let Some(worker) = worker {
            fact.worker = Some(worker.clone());
        }
        let mut rerun = false;
        if to == OrderState::InProgress {
            rerun = fact.started.is_some()
                && !matches!(from, OrderState::InProgress | OrderState::NeedsApproval | OrderState::NeedsHelp);
            fact.reruns += u32::from(rerun);
            fact.started = fact.started.or(Some(at));
        }
        let (department, worker) = (fact.department.clone(), fact.worker.clone());
        if rerun {
            self.count(at, worker.as_ref(), |tally| tally.reruns += 1);
        }
        let Some(worker) = worker else { return };
        if let Some(department) = department {
            self.learned.insert(worker.clone(), department);
        }
        let fact = self.worker(&worker);
        let working = !to.is_final() && !matches!(to, OrderState::Backlog | OrderState::Todo);
        if working {
            fact.active = Some(id.clone());
        } else if fact.active.as_ref() == Some(id) {
            fact.active = None;
            close(&mut fact.failures, at);
        }
        if from == OrderState::NeedsHelp && to != OrderState::NeedsHelp {
            close(&mut fact.helps, at);
        }
    }

    fn asked(&mut self, request: &ApprovalRequest) {
        let proposal = &request.proposal;
        if let Some(order) = &proposal.order {
            self.order(order).approvals += 1;
        }
        self.learned.insert(proposal.worker.clone(), proposal.department.clone());
        self.approvals.entry(request.id.clone()).or_insert_with(|| ApprovalFact {
            worker: proposal.worker.clone(),
            department: proposal.department.clone(),
            order: proposal.order.clone(),
            asked: request.asked,
            needed: usize::from(request.approvers_needed.max(1)),
            approved_by: BTreeSet::new(),
            answer: None,
            expired: false,
        });
    }

    fn decided(&mut self, at: Timestamp, decision: &Decision) {
        let fact = self.approvals.get_mut(&decision.approval);
        self.decisions.push(DecisionFact {
            at,
            by: decision.by.clone(),
            approved: decision.kind == DecisionKind::Approve,
            looked_seconds: decision.looked.0 as f64 / 1000.0,
            worker: fact.as_ref().map(|f| f.worker.clone()),
            department: fact.as_ref().map(|f| f.department.clone()),
        });
        let Some(fact) = fact else { return };
        let answer = match &decision.kind {
            DecisionKind::Approve => {
                fact.approved_by.insert(decision.by.clone());
                if fact.approved_by.len() < fact.needed {
                    return;
                }
                Answer::Approved
            }
            DecisionKind::Veto { .. } => Answer::Vetoed,
            DecisionKind::Edit { .. } => Answer::Edited,
            DecisionKind::TakeOver => Answer::TakenOver,
        };
        self.answered(at, &decision.approval, answer);
    }

    fn approval_moved(&mut self, at: Timestamp, id: &ApprovalId, state: &ApprovalState) {
        let answer = match state {
            ApprovalState::Waiting { .. } => return,
            ApprovalState::Approved { .. } | ApprovalState::Used { .. } => Answer::Approved,
            ApprovalState::Vetoed { .. } => Answer::Vetoed,
            ApprovalState::Edited { .. } => Answer::Edited,
            ApprovalState::TakenOver { .. } => Answer::TakenOver,
            ApprovalState::Void { why, .. } => {
                if let Some(fact) = self.approvals.get_mut(id).filter(|fact| fact.answer.is_none()) {
                    fact.expired = *why == VoidReason::Expired;
                }
                Answer::Void
            }
        };
        self.answered(at, id, answer);
    }

    /// The first answer stands; what follows from it is told again by other events.
    fn answered(&mut self, at: Timestamp, id: &ApprovalId, answer: Answer) {
        let Some(fact) = self.approvals.get_mut(id).filter(|fact| fact.answer.is_none()) else { return };
        fact.answer = Some((at, answer));
        let (worker, order, waited) = (fact.worker.clone(), fact.order.clone(), seconds(fact.asked, at));
        let kind = match answer {
            Answer::Vetoed => Kind::Veto,
            Answer::Edited => Kind::Edit,
            // A takeover has an event of its own.
            Answer::Approved | Answer::TakenOver | Answer::Void => return,
        };
        self.stepped_in(at, kind, Some(worker), order, waited, None);
    }

    fn stepped_in(
        &mut self,
        at: Timestamp,
        kind: Kind,
        worker: Option<WorkerId>,
        order: Option<WorkOrderId>,
        seconds: f64,
        lease: Option<LeaseId>,
    ) {
        if let Some(order) = &order {
            self.order(order).interventions += 1;
        }
        self.interventions.push(Intervention { at, kind, worker, order, seconds, lease });
    }

    fn spent(&mut self, worker: Option<&WorkerId>, cost_micros: u64) {
        if let Some(order) = worker.and_then(|worker| self.worker(worker).active.clone()) {
            let fact = self.order(&order);
            fact.cost_micros = fact.cost_micros.saturating_add(cost_micros);
        }
    }

    fn count(&mut self, at: Timestamp, worker: Option<&WorkerId>, add: impl FnOnce(&mut Tally)) {
        if at >= self.period.from {
            add(self.tallies.entry(worker.cloned()).or_default());
        }
    }

    fn order(&mut self, id: &WorkOrderId) -> &mut OrderFact {
        self.orders.entry(id.clone()).or_default()
    }

    fn worker(&mut self, id: &WorkerId) -> &mut WorkerFact {
        self.workers.entry(id.clone()).or_default()
    }
}

fn open(spans: &mut Vec<Span>, at: Timestamp) {
    if spans.last().is_none_or(|span| span.to.is_some()) {
        spans.push(Span { from: at, to: None });
    }
}

fn close(spans: &mut [Span], at: Timestamp) {
    if let Some(span) = spans.last_mut().filter(|span| span.to.is_none()) {
        span.to = Some(at);
    }
}
