//! What passes between worker, gate and manager.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::geometry::Rect;
use crate::ids::{ApprovalId, DepartmentId, Digest, EventSeq, GrantId, LeaseId, PersonId, RoleId, WorkOrderId, WorkerId};
use crate::scene::Role;
use crate::time::{Millis, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    #[default]
    Low,
    Medium,
    High,
}

/// What an action does outside the worker's own desktop, as far as is known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Stays on the desktop.
    #[default]
    None,
    /// Sends, publishes, pushes, pays, deletes elsewhere: someone outside could notice.
    External,
    /// External, and it cannot be taken back.
    Irreversible,
}

bitflags! {
    /// What typed text looks like.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
    #[serde(transparent)]
    pub struct TextClass: u8 {
        const SECRET = 1;
        const PAYMENT = 2;
        const EMAIL = 4;
        /// Holds characters that do not show: controls, bidirectional marks, look-alikes.
        const UNUSUAL = 8;
    }
}

/// How long a question must have been on a person's screen before an answer counts: sooner, it was not read.
pub const READ_TIME: Millis = Millis(500);

/// What stands in a terminal's command line with the action, as the gate has followed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLine {
    pub text: String,
    /// False where the line may hold something else: recalled, completed, pasted, vetoed or cut.
    pub known: bool,
}

/// An action on its way through the gate, with all that policy may ask about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub worker: WorkerId,
    pub role: RoleId,
    pub department: DepartmentId,
    pub order: Option<WorkOrderId>,
    pub action: Action,
    /// The application that gets it, by window class.
    pub application: String,
    pub window_title: String,
    /// Of the page in a browser, as the broker saw it last.
    pub host: Option<String>,
    pub target_role: Option<Role>,
    pub target_name: String,
    /// Of keys and text that go to a terminal; the gate sets it.
    #[serde(default)]
    pub line: Option<CommandLine>,
    /// Around the target; the digest covers exactly these pixels.
    pub region: Rect,
    pub screen_digest: Digest,
    pub scene_version: u64,
    pub effect: Effect,
    pub text_class: TextClass,
    /// Cents of the company's currency, where the action moves money.
    pub amount_cents: Option<i64>,
    pub risk: Risk,
    /// The worker's own words. Never a ground for a verdict.
    pub reason: Option<String>,
}

/// The policy's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    Allow { rule: String },
    Deny { rule: String, why: String },
    RequireApproval { rule: String, why: String, approvers: u8, named: Vec<PersonId> },
}

/// A question to the manager: one action on one screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    pub id: ApprovalId,
    pub proposal: Proposal,
    /// BLAKE3 over the proposal's action, command line and screen digest: what a decision must name.
    pub binding: Digest,
    pub rule: String,
    pub why: String,
    pub approvers_needed: u8,
    /// Empty: anyone who may approve at all.
    pub named: Vec<PersonId>,
    pub asked: Timestamp,
    pub expires: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DecisionKind {
    Approve,
    Veto {
        reason: String,
    },
    /// Type this instead. The edited action is proposed anew and goes through policy again.
    Edit {
        text: String,
    },
    TakeOver,
}

/// The human's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub approval: ApprovalId,
    /// Must equal the request's; a decision about another screen is void.
    pub binding: Digest,
    pub kind: DecisionKind,
    pub by: PersonId,
    pub note: Option<String>,
    /// How long the question was on this person's screen.
    pub looked: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoidReason {
    ScreenChanged,
    ActionChanged,
    Expired,
    Stopped,
    TakenOver,
    /// The worker or its desktop ended.
    WorkerGone,
    EngineRestarted,
    /// The work order was cancelled or has ended.
    OrderEnded,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ApprovalState {
    Waiting {
        approved_by: Vec<PersonId>,
    },
    Approved {
        by: Vec<PersonId>,
        at: Timestamp,
    },
    /// Approved, checked again, and sent to the desktop.
    Used {
        by: Vec<PersonId>,
        at: Timestamp,
    },
    Vetoed {
        by: PersonId,
        reason: String,
        at: Timestamp,
    },
    Edited {
        by: PersonId,
        at: Timestamp,
    },
    TakenOver {
        by: PersonId,
        lease: LeaseId,
        at: Timestamp,
    },
    Void {
        why: VoidReason,
        at: Timestamp,
    },
}

impl ApprovalState {
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Waiting { .. } | Self::Approved { .. })
    }
}

/// Which keys, text or arguments a grant covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantInput {
    /// As [`Action::input`] says it; empty for what only the pointer does.
    Exactly(String),
    /// Any text that is typed, but none in a terminal.
    AnyText,
}

impl Default for GrantInput {
    fn default() -> Self {
        Self::Exactly(String::new())
    }
}

/// What a grant covers. Every field that is set must match; a narrow grant sets them all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantScope {
    pub worker: Option<WorkerId>,
    pub department: Option<DepartmentId>,
    pub verb: String,
    pub rule: String,
    pub application: String,
    pub host: Option<String>,
    pub target_role: Option<Role>,
    /// Compared as a whole, without case.
    pub target_name: String,
    /// In a terminal: the whole command line, letter by letter.
    #[serde(default)]
    pub line: Option<String>,
    #[serde(default)]
    pub input: GrantInput,
    pub max_amount_cents: Option<i64>,
}

/// Approval of an intent instead of a click.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub id: GrantId,
    pub scope: GrantScope,
    pub uses_left: u32,
    pub until: Timestamp,
    pub by: PersonId,
    pub given: Timestamp,
    pub revoked: Option<Timestamp>,
    /// The event that gave it.
    pub event: Option<EventSeq>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopScope {
    Company,
    Department(DepartmentId),
    Worker(WorkerId),
}
