//! The state of the floor as the console shows it.

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::api::Push;
use crate::ids::{ApprovalId, CompanyId, DepartmentId, LeaseId, PersonId, ServiceId, WorkOrderId, WorkerId};
use crate::policy::{ApprovalRequest, ApprovalState, Grant, Proposal, Risk, StopScope};
use crate::scene::Role;
use crate::time::{Millis, Timestamp};
use crate::waypoint::StepRef;
use crate::work::{Objective, OrderState, OutcomeReport, WorkOrder};

/// What a worker is doing, as the wall orders it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum WorkerState {
    NeedsApproval {
        approval: ApprovalId,
        expires: Timestamp,
    },
    NeedsHelp {
        reason: String,
        since: Timestamp,
    },
    /// A human drives.
    Driven {
        by: PersonId,
        lease: LeaseId,
    },
    Failed {
        why: String,
    },
    Starting,
    Working,
    Idle,
    Stopped {
        by_scope: StopScope,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerView {
    pub id: WorkerId,
    pub name: String,
    pub department: DepartmentId,
    pub role: String,
    pub state: WorkerState,
    pub order: Option<WorkOrderId>,
    pub step: Option<StepRef>,
    /// All steps of the procedure that it follows, as written.
    pub steps: Vec<String>,
    /// Share of the procedure's steps behind it, 0 to 1000.
    pub progress_permille: u16,
    pub last_action: Option<Action>,
    pub last_action_at: Option<Timestamp>,
    pub last_target: Option<(Option<Role>, String)>,
    pub risk: Risk,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderView {
    pub order: WorkOrder,
    pub state: OrderState,
    pub reason: Option<String>,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub outcome: Option<OutcomeReport>,
    pub remarks: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalView {
    pub request: ApprovalRequest,
    pub state: ApprovalState,
    /// Whether the target's pixels are still those that were asked about.
    pub screen_unchanged: bool,
    /// What this work order had sent outside before, oldest first: an order that is begun again may repeat it.
    #[serde(default)]
    pub sent_before: Vec<SentBefore>,
}

/// An action with an effect outside that was let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentBefore {
    pub at: Timestamp,
    pub proposal: Box<Proposal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepartmentView {
    pub id: DepartmentId,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceView {
    pub id: ServiceId,
    pub running: bool,
    pub detail: String,
}

/// One promise of the sandbox, and whether this machine keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitView {
    pub what: String,
    pub enforced: bool,
    pub how: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectiveView {
    pub objective: Objective,
    pub orders: Vec<WorkOrderId>,
}

/// Today's line in the top bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Figures {
    pub done: u32,
    /// Share of ended orders whose outcome check passed, 0 to 1000.
    pub verified_permille: Option<u16>,
    /// Millionths of the company's currency.
    pub cost_micros: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanyView {
    pub id: CompanyId,
    pub name: String,
    /// ISO 4217 code.
    pub currency: String,
    pub departments: Vec<DepartmentView>,
    pub services: Vec<ServiceView>,
    pub limits: Vec<LimitView>,
    pub stops: Vec<StopScope>,
    pub figures: Figures,
    /// What keeps the company from working, where something does: full disk, broken folder.
    pub trouble: Option<String>,
    pub runtime: String,
}

/// Everything the console needs to draw, but the pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub at: Timestamp,
    pub company: Option<CompanyView>,
    pub workers: Vec<WorkerView>,
    pub orders: Vec<OrderView>,
    pub objectives: Vec<ObjectiveView>,
    /// Open ones and those of today.
    pub approvals: Vec<ApprovalView>,
    pub grants: Vec<Grant>,
}

impl Snapshot {
    /// Brings the snapshot up to date. Events and reports change nothing here.
    pub fn apply(&mut self, push: Push) {
        fn upsert<T>(list: &mut Vec<T>, item: T, same: impl Fn(&T, &T) -> bool) {
            match list.iter_mut().find(|old| same(old, &item)) {
                Some(old) => *old = item,
                None => list.push(item),
            }
        }
        match push {
            Push::Snapshot { snapshot } => *self = *snapshot,
            Push::Company { company } => self.company = Some(*company),
            Push::Worker { worker } => upsert(&mut self.workers, *worker, |a, b| a.id == b.id),
            Push::Order { order } => upsert(&mut self.orders, *order, |a, b| a.order.id == b.order.id),
            Push::Objective { objective } => upsert(&mut self.objectives, *objective, |a, b| a.objective.id == b.objective.id),
            Push::Approval { approval } => upsert(&mut self.approvals, *approval, |a, b| a.request.id == b.request.id),
            Push::Grant { grant } => upsert(&mut self.grants, *grant, |a, b| a.id == b.id),
            Push::Event { .. } | Push::Resync { .. } | Push::ExportProgress { .. } => {}
        }
    }

    /// How long a worker has been waiting for a person, longest first in the queue.
    pub fn waiting_since(&self, worker: &WorkerView) -> Option<Timestamp> {
        match &worker.state {
            WorkerState::NeedsApproval { approval, .. } => {
                self.approvals.iter().find(|a| a.request.id == *approval).map(|a| a.request.asked)
            }
            WorkerState::NeedsHelp { since, .. } => Some(*since),
            _ => None,
        }
    }

    pub fn time_left(&self, now: Timestamp, approval: &ApprovalView) -> Millis {
        approval.request.expires.since(now)
    }
}
