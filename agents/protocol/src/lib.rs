//! The words all rooms speak: ids, geometry, actions, waypoints, scenes, events, and the messages of
//! the engine's API. Plain data with serde; no I/O, no clock, no async. A wrong value is refused where
//! it is parsed, so that whoever holds one of these types may trust it.

mod action;
mod api;
mod event;
mod frame;
mod geometry;
mod ids;
mod policy;
mod request;
mod scene;
mod text;
mod time;
mod view;
mod waypoint;
mod work;

pub use action::{Action, ActionResult, Button, Chord, Key, Modifiers, TypedText};
pub use api::{
    Command, ErrorCode, EventPage, ExportFormat, FromEngine, PROTOCOL_VERSION, Period, Problem, Push, ReportScope, Response,
    SavedFile, ToEngine,
};
pub use event::{Actor, Event, EventBody, EventRecord, StepResult};
pub use frame::{Codec, FrameError, FramePacket, TilePatch};
pub use geometry::{Point, Rect, Size};
pub use ids::{
    ApprovalId, CompanyId, DepartmentId, Digest, ElementId, EventSeq, GrantId, IdError, LeaseId, ObjectiveId, PersonId,
    ProcedureId, RoleId, ServiceId, WorkOrderId, WorkerId,
};
pub use policy::{
    ApprovalRequest, ApprovalState, CommandLine, Decision, DecisionKind, Effect, Grant, GrantInput, GrantScope, Proposal,
    READ_TIME, Risk, StopScope, TextClass, Verdict, VoidReason,
};
pub use request::{RequestRule, RequestRuleError};
pub use scene::{Element, Role, Scene, Source, States, WindowInfo};
pub use text::{has_unusual, visible};
pub use time::{Millis, Timestamp};
pub use view::{
    ApprovalView, CompanyView, DepartmentView, Figures, LimitView, ObjectiveView, OrderView, SentBefore, ServiceView, Snapshot,
    WorkerState, WorkerView,
};
pub use waypoint::{Condition, LabelMatch, Position, StepRef, Target, Turn, Verb, Waypoint};
pub use work::{Checkpoint, Objective, OrderState, OutcomeReport, WorkOrder};
