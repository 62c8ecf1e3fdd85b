//! What happened. Reports and the console read these, never the rooms' insides.

use serde::{Deserialize, Serialize};

use crate::action::{Action, ActionResult};
use crate::ids::{
    ApprovalId, CompanyId, DepartmentId, Digest, EventSeq, GrantId, LeaseId, ObjectiveId, PersonId, ServiceId, WorkOrderId,
    WorkerId,
};
use crate::policy::{ApprovalRequest, ApprovalState, Decision, Grant, Proposal, StopScope, Verdict};
use crate::time::{Millis, Timestamp};
use crate::waypoint::StepRef;
use crate::work::{Objective, OrderState, OutcomeReport, WorkOrder};

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    Engine,
    Worker(WorkerId),
    Person(PersonId),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum StepResult {
    Passed,
    Retried { why: String },
    GaveUp { why: String },
    Vetoed { reason: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub at: Timestamp,
    pub by: Actor,
    #[serde(flatten)]
    pub body: EventBody,
}

/// An event as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    pub seq: EventSeq,
    /// Hash of this record, which covers the one before.
    pub hash: Digest,
    pub event: Event,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventBody {
    EngineStarted {
        version: String,
        machine: String,
    },
    EngineStopped,
    CompanyLoaded {
        company: CompanyId,
        name: String,
        digest: Digest,
    },
    ObjectiveAdded {
        objective: Objective,
    },
    OrderAdded {
        order: Box<WorkOrder>,
    },
    OrderMoved {
        order: WorkOrderId,
        worker: Option<WorkerId>,
        from: OrderState,
        to: OrderState,
        reason: Option<String>,
    },
    StepStarted {
        worker: WorkerId,
        order: WorkOrderId,
        step: StepRef,
    },
    StepEnded {
        worker: WorkerId,
        order: WorkOrderId,
        step: StepRef,
        took: Millis,
        #[serde(flatten)]
        result: StepResult,
    },
    /// Written before an action with an outside effect is sent: if no `ActionDone` follows, its outcome is unknown.
    ActionIntended {
        proposal: Box<Proposal>,
        binding: Digest,
        approval: Option<ApprovalId>,
        grant: Option<GrantId>,
    },
    ActionDone {
        worker: WorkerId,
        order: Option<WorkOrderId>,
        action: Action,
        application: String,
        target: String,
        verdict: Verdict,
        outcome: ActionResult,
        binding: Option<Digest>,
        took: Millis,
    },
    ActionRefused {
        worker: WorkerId,
        order: Option<WorkOrderId>,
        action: Action,
        verdict: Verdict,
    },
    ApprovalAsked {
        request: Box<ApprovalRequest>,
        frame: Digest,
    },
    ApprovalShown {
        approval: ApprovalId,
        person: PersonId,
    },
    ApprovalDecided {
        decision: Decision,
    },
    /// A decision that had no effect, and why.
    DecisionIgnored {
        decision: Decision,
        why: String,
    },
    ApprovalMoved {
        approval: ApprovalId,
        /// Nested, not flattened: its `at` and `by` would collide with the event's own.
        state: ApprovalState,
    },
    GrantGiven {
        grant: Grant,
    },
    GrantUsed {
        grant: GrantId,
        worker: WorkerId,
        binding: Digest,
        uses_left: u32,
    },
    GrantRevoked {
        grant: GrantId,
    },
    TakeoverStarted {
        lease: LeaseId,
        worker: WorkerId,
        person: PersonId,
    },
    TakeoverEnded {
        lease: LeaseId,
        worker: WorkerId,
        person: PersonId,
        note: Option<String>,
        inputs: u32,
    },
    Stopped {
        scope: StopScope,
    },
    Resumed {
        scope: StopScope,
    },
    HelpAsked {
        worker: WorkerId,
        order: WorkOrderId,
        reason: String,
    },
    HelpGiven {
        worker: WorkerId,
        order: WorkOrderId,
        note: Option<String>,
    },
    Flagged {
        worker: WorkerId,
        order: WorkOrderId,
        remark: String,
    },
    OutcomeChecked {
        order: WorkOrderId,
        worker: Option<WorkerId>,
        report: OutcomeReport,
    },
    DesktopStarted {
        worker: WorkerId,
        runtime: String,
        took: Millis,
    },
    DesktopEnded {
        worker: WorkerId,
        why: String,
    },
    ServiceChanged {
        service: ServiceId,
        running: bool,
        detail: String,
    },
    /// Like requests within a second or two are one event.
    NetworkRequest {
        worker: WorkerId,
        method: String,
        host: String,
        port: u16,
        allowed: bool,
        why: String,
        #[serde(default = "once")]
        count: u32,
    },
    ModelCalled {
        worker: Option<WorkerId>,
        model: String,
        tokens_in: u64,
        tokens_out: u64,
        took: Millis,
        cost_micros: u64,
    },
    /// CPU of a desktop since the last such event.
    MachineUsed {
        worker: WorkerId,
        cpu: Millis,
        span: Millis,
        cost_micros: u64,
    },
    StorageLow {
        path: String,
        free_bytes: u64,
        stopped: bool,
    },
    ReportExported {
        format: String,
        path: String,
    },
}

fn once() -> u32 {
    1
}

impl EventBody {
    /// The snake_case name under which it is stored and filtered.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::EngineStarted { .. } => "engine_started",
            Self::EngineStopped => "engine_stopped",
            Self::CompanyLoaded { .. } => "company_loaded",
            Self::ObjectiveAdded { .. } => "objective_added",
            Self::OrderAdded { .. } => "order_added",
            Self::OrderMoved { .. } => "order_moved",
            Self::StepStarted { .. } => "step_started",
            Self::StepEnded { .. } => "step_ended",
            Self::ActionIntended { .. } => "action_intended",
            Self::ActionDone { .. } => "action_done",
            Self::ActionRefused { .. } => "action_refused",
            Self::ApprovalAsked { .. } => "approval_asked",
            Self::ApprovalShown { .. } => "approval_shown",
            Self::ApprovalDecided { .. } => "approval_decided",
            Self::DecisionIgnored { .. } => "decision_ignored",
            Self::ApprovalMoved { .. } => "approval_moved",
            Self::GrantGiven { .. } => "grant_given",
            Self::GrantUsed { .. } => "grant_used",
            Self::GrantRevoked { .. } => "grant_revoked",
            Self::TakeoverStarted { .. } => "takeover_started",
            Self::TakeoverEnded { .. } => "takeover_ended",
            Self::Stopped { .. } => "stopped",
            Self::Resumed { .. } => "resumed",
            Self::HelpAsked { .. } => "help_asked",
            Self::HelpGiven { .. } => "help_given",
            Self::Flagged { .. } => "flagged",
            Self::OutcomeChecked { .. } => "outcome_checked",
            Self::DesktopStarted { .. } => "desktop_started",
            Self::DesktopEnded { .. } => "desktop_ended",
            Self::ServiceChanged { .. } => "service_changed",
            Self::NetworkRequest { .. } => "network_request",
            Self::ModelCalled { .. } => "model_called",
            Self::MachineUsed { .. } => "machine_used",
            Self::StorageLow { .. } => "storage_low",
            Self::ReportExported { .. } => "report_exported",
        }
    }

    pub fn order(&self) -> Option<&WorkOrderId> {
        match self {
            Self::OrderAdded { order } => Some(&order.id),
            Self::OrderMoved { order, .. }
            | Self::StepStarted { order, .. }
            | Self::StepEnded { order, .. }
            | Self::HelpAsked { order, .. }
            | Self::HelpGiven { order, .. }
            | Self::Flagged { order, .. }
            | Self::OutcomeChecked { order, .. } => Some(order),
            Self::ActionIntended { proposal, .. } => proposal.order.as_ref(),
            Self::ActionDone { order, .. } | Self::ActionRefused { order, .. } => order.as_ref(),
            Self::ApprovalAsked { request, .. } => request.proposal.order.as_ref(),
            _ => None,
        }
    }

    pub fn worker(&self) -> Option<&WorkerId> {
        match self {
            Self::OrderMoved { worker, .. } | Self::OutcomeChecked { worker, .. } | Self::ModelCalled { worker, .. } => {
                worker.as_ref()
            }
            Self::StepStarted { worker, .. }
            | Self::StepEnded { worker, .. }
            | Self::ActionDone { worker, .. }
            | Self::ActionRefused { worker, .. }
            | Self::GrantUsed { worker, .. }
            | Self::TakeoverStarted { worker, .. }
            | Self::TakeoverEnded { worker, .. }
            | Self::HelpAsked { worker, .. }
            | Self::HelpGiven { worker, .. }
            | Self::Flagged { worker, .. }
            | Self::DesktopStarted { worker, .. }
            | Self::DesktopEnded { worker, .. }
            | Self::NetworkRequest { worker, .. }
            | Self::MachineUsed { worker, .. } => Some(worker),
            Self::ActionIntended { proposal, .. } => Some(&proposal.worker),
            Self::ApprovalAsked { request, .. } => Some(&request.proposal.worker),
            _ => None,
        }
    }

    pub fn department(&self) -> Option<&DepartmentId> {
        match self {
            Self::OrderAdded { order } => Some(&order.department),
            Self::ActionIntended { proposal, .. } => Some(&proposal.department),
            Self::ApprovalAsked { request, .. } => Some(&request.proposal.department),
            Self::ObjectiveAdded { objective } => objective.department.as_ref(),
            _ => None,
        }
    }

    pub fn objective(&self) -> Option<&ObjectiveId> {
        match self {
            Self::ObjectiveAdded { objective } => Some(&objective.id),
            Self::OrderAdded { order } => order.objective.as_ref(),
            _ => None,
        }
    }
}
