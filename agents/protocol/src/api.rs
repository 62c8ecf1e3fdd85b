//! The engine's API: JSON messages on one WebSocket; pictures travel as binary messages beside them
//! (see [`crate::FramePacket`]). The client says hello first; every command has an id and one response.

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::event::EventRecord;
use crate::ids::{ApprovalId, DepartmentId, EventSeq, GrantId, LeaseId, PersonId, WorkOrderId, WorkerId};
use crate::policy::{Decision, Grant, GrantScope, StopScope};
use crate::time::{Millis, Timestamp};
use crate::view::{ApprovalView, CompanyView, ObjectiveView, OrderView, Snapshot, WorkerView};

/// Raised with every change that an older peer would misread.
pub const PROTOCOL_VERSION: u32 = 2;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum ToEngine {
    /// `person` is who speaks, where no token of the connection says so.
    Hello {
        version: u32,
        client: String,
        person: PersonId,
    },
    Command {
        id: u64,
        command: Command,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one at a time, on its way to the wire")]
pub enum FromEngine {
    Welcome {
        version: u32,
        engine: String,
        person: PersonId,
    },
    Response {
        id: u64,
        response: Response,
    },
    Push {
        push: Push,
    },
    /// The last message before the engine closes the connection.
    Goodbye {
        problem: Problem,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// The whole state, once.
    Status,
    /// First the response, then the whole state, and from then on every change in its order.
    Follow,
    /// Pictures of these workers from now on, full size divided by `divisor` (1, 2 or 4). Replaces the last choice.
    Watch {
        workers: Vec<WorkerId>,
        divisor: u8,
    },
    Decide {
        decision: Decision,
    },
    /// The question is on this person's screen since now.
    Shown {
        approval: ApprovalId,
    },
    /// The frame that was asked about, as one full `FramePacket`.
    ApprovalFrame {
        approval: ApprovalId,
    },
    TakeOver {
        worker: WorkerId,
    },
    HandBack {
        lease: LeaseId,
        note: Option<String>,
    },
    /// Input of the human who drives.
    Drive {
        lease: LeaseId,
        action: Action,
    },
    Stop {
        scope: StopScope,
    },
    Resume {
        scope: StopScope,
    },
    /// Help is over: go on with the step that the worker was stuck at.
    Retry {
        order: WorkOrderId,
    },
    Cancel {
        order: WorkOrderId,
        reason: String,
    },
    AddObjective {
        text: String,
        department: Option<DepartmentId>,
    },
    GiveGrant {
        scope: Box<GrantScope>,
        uses: u32,
        until: Timestamp,
    },
    RevokeGrant {
        grant: GrantId,
    },
    /// A page of events, at most `limit` (up to 1000).
    Events {
        page: EventPage,
        limit: u32,
        worker: Option<WorkerId>,
        order: Option<WorkOrderId>,
    },
    /// The picture of a worker's desktop as it was: answered by a binary frame when there is a recording.
    FrameAt {
        worker: WorkerId,
        at: Timestamp,
    },
    Report {
        scope: ReportScope,
        period: Period,
    },
    Export {
        scope: ReportScope,
        period: Period,
        format: ExportFormat,
    },
    VerifyLedger,
    Shutdown,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one at a time, on its way to the wire")]
pub enum Response {
    Done,
    State {
        snapshot: Box<Snapshot>,
    },
    Lease {
        lease: LeaseId,
        until: Timestamp,
    },
    Grant {
        grant: Grant,
    },
    /// `more` of them are to be had: page on from the last one.
    Events {
        events: Vec<EventRecord>,
        more: bool,
    },
    /// A binary frame with this number follows.
    Frame {
        at: Timestamp,
    },
    /// The report's figures; the shape is `mz_report::Report`, as JSON.
    Report {
        report: serde_json::Value,
    },
    Exported {
        file: SavedFile,
    },
    Verified {
        events: u64,
        problem: Option<String>,
    },
    Failed {
        problem: Problem,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "push", rename_all = "snake_case")]
pub enum Push {
    Snapshot {
        snapshot: Box<Snapshot>,
    },
    Company {
        company: Box<CompanyView>,
    },
    Worker {
        worker: Box<WorkerView>,
    },
    Order {
        order: Box<OrderView>,
    },
    Objective {
        objective: Box<ObjectiveView>,
    },
    Approval {
        approval: Box<ApprovalView>,
    },
    Grant {
        grant: Box<Grant>,
    },
    Event {
        record: Box<EventRecord>,
    },
    /// This connection was too slow, and changes were left out. A snapshot follows at once; the events that were left
    /// out come behind `after`.
    Resync {
        after: EventSeq,
    },
    ExportProgress {
        format: ExportFormat,
        permille: u16,
    },
}

/// Where a page of events begins, and which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventPage {
    /// Oldest first, behind this event; `EventSeq(0)` from the first.
    After(EventSeq),
    /// Newest first, in front of this event.
    Before(EventSeq),
    /// Newest first, from the newest.
    Newest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFile {
    pub path: String,
    pub bytes: u64,
    pub took: Millis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    Pdf,
    Xlsx,
    Csv,
    Html,
    Json,
}

impl ExportFormat {
    pub const ALL: [Self; 5] = [Self::Pdf, Self::Xlsx, Self::Csv, Self::Html, Self::Json];

    /// File name extension, which is also how people call it.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Xlsx => "xlsx",
            Self::Csv => "csv",
            Self::Html => "html",
            Self::Json => "json",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ReportScope {
    #[default]
    Company,
    Department(DepartmentId),
    Worker(WorkerId),
}

/// From (inclusive) to (exclusive).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub from: Timestamp,
    pub to: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The two sides speak different versions.
    Version,
    Unauthorized,
    NotFound,
    /// It came too late, twice, or about another screen.
    Stale,
    /// Not possible in this state.
    Refused,
    BadRequest,
    Internal,
}

/// Something went wrong, in words for a manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    pub code: ErrorCode,
    pub message: String,
}

impl Problem {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}
