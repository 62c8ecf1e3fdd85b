//! The state of the floor, folded from events. What the console sees after a restart is what the ledger
//! says, and nothing else.

use std::collections::BTreeMap;

use mz_protocol::{
    ApprovalId, ApprovalState, ApprovalView, CompanyView, Event, EventBody, Figures, LeaseId, Millis, ObjectiveView,
    OrderState, OrderView, PersonId, Push, SentBefore, Snapshot, StepResult, StopScope, Timestamp, WorkOrderId, WorkerId,
    WorkerState, WorkerView,
};

/// Approvals that are over stay in the snapshot this long, for the list of what was decided today.
const KEEP_DECIDED: Millis = Millis(24 * 3600 * 1000);
const KEEP_DECIDED_COUNT: usize = 200;
/// Of what an order has sent outside, this many of the newest are kept for its next question.
const MOST_SENT: usize = 8;

/// What is known of one worker beside its view; its `WorkerState` follows from this.
#[derive(Debug, Default, Clone)]
struct Facts {
    ready: bool,
    order: Option<WorkOrderId>,
    approval: Option<(ApprovalId, Timestamp)>,
    help: Option<(String, Timestamp)>,
    driver: Option<(PersonId, LeaseId)>,
    failed: Option<String>,
}

#[derive(Debug)]
pub struct Views {
    pub snapshot: Snapshot,
    facts: BTreeMap<WorkerId, Facts>,
    /// What orders have sent outside.
    sent: BTreeMap<WorkOrderId, Vec<SentBefore>>,
    /// Orders that ended on the day of the newest event, and those of them whose check passed.
    ended: (u32, u32),
    /// When that day is over, by this machine's clock on the wall.
    day_ends: Timestamp,
}

impl Views {
    pub fn new(company: CompanyView, workers: Vec<WorkerView>) -> Self {
        let facts = workers.iter().map(|worker| (worker.id.clone(), Facts::default())).collect();
        let snapshot = Snapshot {
            at: Timestamp(0),
            company: Some(company),
            workers,
            orders: Vec::new(),
            objectives: Vec::new(),
            approvals: Vec::new(),
            grants: Vec::new(),
        };
        Self { snapshot, facts, sent: BTreeMap::new(), ended: (0, 0), day_ends: Timestamp(i64::MIN) }
    }

    pub fn order(&self, id: &WorkOrderId) -> Option<&OrderView> {
        self.snapshot.orders.iter().find(|view| view.order.id == *id)
    }

    pub fn worker(&self, id: &WorkerId) -> Option<&WorkerView> {
        self.snapshot.workers.iter().find(|view| view.id == *id)
    }

    /// Folds one event in and gives what changed. Live state of a former engine (desktops, questions, drivers) ends
    /// with `EngineStarted`.
    pub fn apply(&mut self, event: &Event) -> Vec<Push> {
        self.snapshot.at = event.at;
        let mut pushes = Vec::new();
        if event.at >= self.day_ends {
            self.day_ends = next_midnight(event.at);
            self.ended = (0, 0);
            self.change_company(&mut pushes, |company| company.figures = Figures::default());
        }
        match &event.body {
            EventBody::EngineStarted { .. } => self.facts.values_mut().for_each(|facts| *facts = Facts::default()),
            EventBody::OrderAdded { order } => self.add_order(order, &mut pushes),
            EventBody::ObjectiveAdded { objective } => {
                let view = ObjectiveView { objective: objective.clone(), orders: Vec::new() };
                pushes.push(Push::Objective { objective: Box::new(view.clone()) });
                self.snapshot.objectives.push(view);
            }
            EventBody::OrderMoved { order, from, to, reason, worker } => {
                self.move_order(event.at, order, (*from, *to), reason.as_ref(), worker.as_ref(), &mut pushes);
            }
            EventBody::OutcomeChecked { order, report, .. } => {
                self.change_order(order, &mut pushes, |view| view.outcome = Some(report.clone()));
            }
            EventBody::Flagged { order, remark, .. } => {
                self.change_order(order, &mut pushes, |view| view.remarks.push(remark.clone()));
            }
            EventBody::ActionIntended { proposal, .. } => {
                if let Some(order) = &proposal.order {
                    let sent = self.sent.entry(order.clone()).or_default();
                    sent.push(SentBefore { at: event.at, proposal: proposal.clone() });
                    sent.drain(..sent.len().saturating_sub(MOST_SENT));
                }
            }
            EventBody::ApprovalAsked { request, .. } => {
                let worker = request.proposal.worker.clone();
                let view = ApprovalView {
                    request: (**request).clone(),
                    state: ApprovalState::Waiting { approved_by: Vec::new() },
                    screen_unchanged: true,
                    sent_before: request
                        .proposal
                        .order
                        .as_ref()
                        .and_then(|order| self.sent.get(order))
                        .cloned()
                        .unwrap_or_default(),
                };
                self.facts_of(&worker).approval = Some((request.id.clone(), request.expires));
                self.snapshot.approvals.push(view.clone());
                self.forget_old_approvals(event.at);
                pushes.push(Push::Approval { approval: Box::new(view) });
            }
            EventBody::ApprovalMoved { approval, state } => self.move_approval(approval, state, &mut pushes),
            EventBody::GrantGiven { grant } => {
                self.snapshot.grants.push(grant.clone());
                pushes.push(Push::Grant { grant: Box::new(grant.clone()) });
            }
            EventBody::GrantUsed { grant, uses_left, .. } => {
                self.change_grant(grant, &mut pushes, |grant| grant.uses_left = *uses_left);
            }
            EventBody::GrantRevoked { grant } => self.change_grant(grant, &mut pushes, |grant| grant.revoked = Some(event.at)),
            EventBody::Stopped { scope } => self.change_company(&mut pushes, |company| {
                if !company.stops.contains(scope) {
                    company.stops.push(scope.clone());
                }
            }),
            EventBody::Resumed { scope } => self.change_company(&mut pushes, |company| company.stops.retain(|s| s != scope)),
            EventBody::ServiceChanged { service, running, detail } => self.change_company(&mut pushes, |company| {
                if let Some(view) = company.services.iter_mut().find(|view| view.id == *service) {
                    view.running = *running;
                    view.detail.clone_from(detail);
                }
            }),
            EventBody::StorageLow { path, free_bytes, stopped } => self.change_company(&mut pushes, |company| {
                company.trouble = stopped.then(|| {
                    format!(
                        "All workers stand still: the disk that holds {path} is almost full ({} MiB left). Free some \
                         space. Work then goes on by itself.",
                        free_bytes >> 20
                    )
                });
            }),
            EventBody::MachineUsed { cost_micros, .. } | EventBody::ModelCalled { cost_micros, .. } => {
                self.change_company(&mut pushes, |company| company.figures.cost_micros += cost_micros);
            }
            body => self.apply_to_worker(event.at, body),
        }
        self.settle_workers(event, &mut pushes);
        pushes
    }

    /// Whether a question's target still shows the pixels that were asked about.
    pub fn set_screen_unchanged(&mut self, id: &ApprovalId, unchanged: bool) -> Option<Push> {
        let view = self.snapshot.approvals.iter_mut().find(|view| view.request.id == *id)?;
        if view.screen_unchanged == unchanged {
            return None;
        }
        view.screen_unchanged = unchanged;
        Some(Push::Approval { approval: Box::new(view.clone()) })
    }

    pub fn set_steps(&mut self, worker: &WorkerId, steps: Vec<String>) {
        if let Some(view) = self.snapshot.workers.iter_mut().find(|view| view.id == *worker) {
            view.steps = steps;
        }
    }

    fn facts_of(&mut self, worker: &WorkerId) -> &mut Facts {
        self.facts.entry(worker.clone()).or_default()
    }

    fn add_order(&mut self, order: &mz_protocol::WorkOrder, pushes: &mut Vec<Push>) {
        let view = OrderView {
            order: order.clone(),
            state: OrderState::Backlog,
            reason: None,
            started: None,
            ended: None,
            outcome: None,
            remarks: Vec::new(),
        };
        pushes.push(Push::Order { order: Box::new(view.clone()) });
        self.snapshot.orders.push(view);
        if let Some(objective) = &order.objective
            && let Some(view) = self.snapshot.objectives.iter_mut().find(|view| view.objective.id == *objective)
        {
            view.orders.push(order.id.clone());
            pushes.push(Push::Objective { objective: Box::new(view.clone()) });
        }
    }

    fn move_order(
        &mut self,
        at: Timestamp,
        id: &WorkOrderId,
        (from, to): (OrderState, OrderState),
        reason: Option<&String>,
        worker: Option<&WorkerId>,
        pushes: &mut Vec<Push>,
    ) {
        self.change_order(id, pushes, |view| {
            view.state = to;
            view.reason = reason.cloned();
            if to == OrderState::InProgress && view.started.is_none() {
                view.started = Some(at);
            }
            view.ended = to.is_final().then_some(at);
            if from.is_final() && to == OrderState::Todo {
                view.started = None;
                view.outcome = None;
            }
        });
        if to.is_final() && !from.is_final() {
            self.ended.0 += 1;
            self.ended.1 += u32::from(to == OrderState::Done);
            let (ended, done) = self.ended;
            self.change_company(pushes, |company| {
                company.figures = Figures { done, verified_permille: Some((done * 1000 / ended) as u16), ..company.figures };
            });
        }
        if let Some(worker) = worker {
            let facts = self.facts_of(worker);
            facts.order = (!to.is_final() && to != OrderState::Todo).then(|| id.clone());
            if to != OrderState::NeedsHelp {
                facts.help = None;
            }
        }
    }

    fn move_approval(&mut self, id: &ApprovalId, state: &ApprovalState, pushes: &mut Vec<Push>) {
        let Some(view) = self.snapshot.approvals.iter_mut().find(|view| view.request.id == *id) else { return };
        view.state = state.clone();
        let view = view.clone();
        if !matches!(state, ApprovalState::Waiting { .. }) {
            let facts = self.facts_of(&view.request.proposal.worker);
            if facts.approval.as_ref().is_some_and(|(open, _)| open == id) {
                facts.approval = None;
            }
        }
        pushes.push(Push::Approval { approval: Box::new(view) });
    }

    fn apply_to_worker(&mut self, at: Timestamp, body: &EventBody) {
        match body {
            EventBody::DesktopStarted { worker, .. } => {
                let facts = self.facts_of(worker);
                facts.ready = true;
                facts.failed = None;
            }
            EventBody::DesktopEnded { worker, why } => {
                let facts = self.facts_of(worker);
                facts.ready = false;
                facts.failed = (!why.is_empty()).then(|| why.clone());
            }
            EventBody::HelpAsked { worker, reason, .. } => self.facts_of(worker).help = Some((reason.clone(), at)),
            EventBody::HelpGiven { worker, .. } => self.facts_of(worker).help = None,
            EventBody::TakeoverStarted { worker, person, lease } => {
                self.facts_of(worker).driver = Some((person.clone(), lease.clone()));
            }
            EventBody::TakeoverEnded { worker, .. } => self.facts_of(worker).driver = None,
            EventBody::StepStarted { worker, step, .. } => self.change_worker(worker, |view| {
                view.progress_permille = step.behind_permille();
                view.step = Some(step.clone());
            }),
            EventBody::StepEnded { worker, step, result: StepResult::Passed, .. } => self.change_worker(worker, |view| {
                view.progress_permille = step.passed_permille();
            }),
            EventBody::ActionDone { worker, action, target, .. } => self.change_worker(worker, |view| {
                view.last_action = Some(action.clone());
                view.last_action_at = Some(at);
                view.last_target = Some((None, target.clone()));
            }),
            EventBody::ActionIntended { proposal, .. } => {
                self.change_worker(&proposal.worker.clone(), |view| view.risk = proposal.risk);
            }
            _ => {}
        }
    }

    /// Recomputes the state of every worker that the event may have touched and pushes those that changed.
    fn settle_workers(&mut self, event: &Event, pushes: &mut Vec<Push>) {
        let stops = self.snapshot.company.as_ref().map(|company| company.stops.clone()).unwrap_or_default();
        let touched = event.body.worker();
        for view in &mut self.snapshot.workers {
            let facts = self.facts.get(&view.id).cloned().unwrap_or_default();
            let state = state_of(&facts, view, &stops);
            let changed = view.state != state || view.order != facts.order;
            if facts.order.is_none() && view.order.is_some() {
                view.step = None;
                view.progress_permille = 0;
            }
            view.state = state;
            view.order = facts.order;
            if changed || touched == Some(&view.id) {
                pushes.push(Push::Worker { worker: Box::new(view.clone()) });
            }
        }
    }

    fn change_order(&mut self, id: &WorkOrderId, pushes: &mut Vec<Push>, change: impl FnOnce(&mut OrderView)) {
        if let Some(view) = self.snapshot.orders.iter_mut().find(|view| view.order.id == *id) {
            change(view);
            pushes.push(Push::Order { order: Box::new(view.clone()) });
        }
    }

    fn change_worker(&mut self, id: &WorkerId, change: impl FnOnce(&mut WorkerView)) {
        if let Some(view) = self.snapshot.workers.iter_mut().find(|view| view.id == *id) {
            change(view);
        }
    }

    fn change_company(&mut self, pushes: &mut Vec<Push>, change: impl FnOnce(&mut CompanyView)) {
        if let Some(company) = &mut self.snapshot.company {
            change(company);
            pushes.push(Push::Company { company: Box::new(company.clone()) });
        }
    }

    fn change_grant(
        &mut self,
        id: &mz_protocol::GrantId,
        pushes: &mut Vec<Push>,
        change: impl FnOnce(&mut mz_protocol::Grant),
    ) {
        if let Some(grant) = self.snapshot.grants.iter_mut().find(|grant| grant.id == *id) {
            change(grant);
            pushes.push(Push::Grant { grant: Box::new(grant.clone()) });
        }
    }

    fn forget_old_approvals(&mut self, now: Timestamp) {
        let list = &mut self.snapshot.approvals;
        list.retain(|view| view.state.is_open() || now.since(view.request.asked) < KEEP_DECIDED);
        while list.len() > KEEP_DECIDED_COUNT {
            let Some(oldest) = list.iter().position(|view| !view.state.is_open()) else { return };
            list.remove(oldest);
        }
    }
}

/// Where the zone does not tell, a day later.
fn next_midnight(at: Timestamp) -> Timestamp {
    let midnight = || {
        let now = jiff::Timestamp::from_millisecond(at.0)?.to_zoned(jiff::tz::TimeZone::system());
        Ok::<_, jiff::Error>(Timestamp(now.tomorrow()?.start_of_day()?.timestamp().as_millisecond()))
    };
    midnight().unwrap_or(at.plus(Millis(24 * 3600 * 1000)))
}

fn state_of(facts: &Facts, view: &WorkerView, stops: &[StopScope]) -> WorkerState {
    if let Some((by, lease)) = &facts.driver {
        return WorkerState::Driven { by: by.clone(), lease: lease.clone() };
    }
    let stop = stops.iter().find(|scope| match scope {
        StopScope::Company => true,
        StopScope::Department(department) => *department == view.department,
        StopScope::Worker(worker) => *worker == view.id,
    });
    if let Some(scope) = stop {
        return WorkerState::Stopped { by_scope: scope.clone() };
    }
    if let Some((approval, expires)) = &facts.approval {
        return WorkerState::NeedsApproval { approval: approval.clone(), expires: *expires };
    }
    if let Some((reason, since)) = &facts.help {
        return WorkerState::NeedsHelp { reason: reason.clone(), since: *since };
    }
    if let Some(why) = &facts.failed {
        return WorkerState::Failed { why: why.clone() };
    }
    match (facts.ready, &facts.order) {
        (_, Some(_)) => WorkerState::Working,
        (false, None) => WorkerState::Starting,
        (true, None) => WorkerState::Idle,
    }
}

#[cfg(test)]
mod tests {
    use mz_protocol::{Actor, Digest, Proposal};

    use super::*;

    #[test]
    fn figures_are_those_of_the_day() -> anyhow::Result<()> {
        let company = CompanyView {
            id: mz_protocol::CompanyId::new("notes")?,
            name: "Notes".to_owned(),
            currency: "EUR".to_owned(),
            departments: Vec::new(),
            services: Vec::new(),
            limits: Vec::new(),
            stops: Vec::new(),
            figures: Figures::default(),
            trouble: None,
            runtime: "process".to_owned(),
        };
        let mut views = Views::new(company, Vec::new());
        let (order, from) = (WorkOrderId::new("WO-0001")?, OrderState::InReview);
        let ended = EventBody::OrderMoved { order, worker: None, from, to: OrderState::Done, reason: None };
        let mut done_after = |at: Timestamp| {
            views.apply(&Event { at, by: Actor::Engine, body: ended.clone() });
            views.snapshot.company.as_ref().map_or(0, |company| company.figures.done)
        };
        let morning = Timestamp(1_790_000_000_000);
        let midnight = next_midnight(morning);
        assert!(midnight > morning && midnight.since(morning).0 <= 25 * 3600 * 1000, "{midnight:?}");
        let last = Timestamp(midnight.0 - 1);
        assert_eq!([morning, last, midnight].map(&mut done_after), [1, 2, 1]);
        Ok(())
    }

    #[test]
    fn a_question_says_what_its_order_has_sent_before() -> anyhow::Result<()> {
        let company: CompanyView = serde_json::from_value(serde_json::json!({
            "id": "notes", "name": "Notes", "currency": "EUR", "departments": [], "services": [], "limits": [], "stops": [],
            "figures": Figures::default(), "trouble": null, "runtime": "process",
        }))?;
        let mut views = Views::new(company, Vec::new());
        let proposal = |order: &str| -> anyhow::Result<Proposal> {
            Ok(Proposal {
                worker: WorkerId::new("nina")?,
                role: mz_protocol::RoleId::new("clerk")?,
                department: mz_protocol::DepartmentId::new("office")?,
                order: Some(WorkOrderId::new(order)?),
                action: mz_protocol::Action::Wait { span: Millis(1) },
                application: String::new(),
                window_title: String::new(),
                host: None,
                target_role: None,
                target_name: "Submit payment".to_owned(),
                region: mz_protocol::Rect::new(0, 0, 1, 1),
                screen_digest: Digest::ZERO,
                scene_version: 1,
                effect: mz_protocol::Effect::External,
                text_class: mz_protocol::TextClass::empty(),
                line: None,
                amount_cents: None,
                risk: mz_protocol::Risk::High,
                reason: None,
            })
        };
        let mut at = 0;
        let mut apply = |body| {
            at += 1;
            views.apply(&Event { at: Timestamp(at), by: Actor::Engine, body });
            views.snapshot.approvals.last().map_or(0, |view| view.sent_before.len())
        };
        let asked = |id: &str, order: &str| -> anyhow::Result<EventBody> {
            let request = mz_protocol::ApprovalRequest {
                id: ApprovalId::new(id)?,
                proposal: proposal(order)?,
                binding: Digest::ZERO,
                rule: String::new(),
                why: String::new(),
                approvers_needed: 1,
                named: Vec::new(),
                asked: Timestamp(1),
                expires: Timestamp(1_000_000),
            };
            Ok(EventBody::ApprovalAsked { request: Box::new(request), frame: Digest::ZERO })
        };
        let sent = |order: &str| -> anyhow::Result<EventBody> {
            Ok(EventBody::ActionIntended {
                proposal: Box::new(proposal(order)?),
                binding: Digest::ZERO,
                approval: None,
                grant: None,
            })
        };
        assert_eq!(apply(asked("AP-0001", "WO-0001")?), 0);
        apply(sent("WO-0001")?);
        apply(sent("WO-0002")?);
        assert_eq!(apply(asked("AP-0002", "WO-0001")?), 1);
        for _ in 0..2 * MOST_SENT {
            apply(sent("WO-0001")?);
        }
        assert_eq!(apply(asked("AP-0003", "WO-0001")?), MOST_SENT);
        Ok(())
    }
}
