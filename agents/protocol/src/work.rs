//! What there is to do, and whether it is done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{DepartmentId, ObjectiveId, ProcedureId, WorkOrderId, WorkerId};
use crate::time::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    Backlog,
    Todo,
    InProgress,
    NeedsApproval,
    NeedsHelp,
    InReview,
    Done,
    Failed,
    Cancelled,
}

impl OrderState {
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    pub const ALL: [Self; 9] = [
        Self::Backlog,
        Self::Todo,
        Self::InProgress,
        Self::NeedsApproval,
        Self::NeedsHelp,
        Self::InReview,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
    ];
}

/// What the manager wants, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    pub id: ObjectiveId,
    pub text: String,
    pub department: Option<DepartmentId>,
    pub added: Timestamp,
}

/// One piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkOrder {
    pub id: WorkOrderId,
    pub title: String,
    pub department: DepartmentId,
    pub objective: Option<ObjectiveId>,
    pub owner: Option<WorkerId>,
    pub procedure: ProcedureId,
    /// Names and values that the procedure's steps use.
    pub inputs: BTreeMap<String, String>,
    /// Files of the company that are put into the worker's home, by path under the company folder.
    pub files: Vec<String>,
    pub depends_on: Vec<WorkOrderId>,
    pub due: Option<Timestamp>,
    /// Name of the outcome check among the procedure's.
    pub check: String,
    pub created: Timestamp,
}

/// One thing that an outcome check looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub name: String,
    pub points: u32,
    pub passed: bool,
    /// What was found, or what was expected and is not there.
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct OutcomeReport {
    pub checkpoints: Vec<Checkpoint>,
}

impl OutcomeReport {
    pub fn earned(&self) -> u32 {
        self.checkpoints.iter().filter(|c| c.passed).map(|c| c.points).sum()
    }

    pub fn possible(&self) -> u32 {
        self.checkpoints.iter().map(|c| c.points).sum()
    }

    /// An empty check proves nothing, so it does not pass.
    pub fn passed(&self) -> bool {
        !self.checkpoints.is_empty() && self.checkpoints.iter().all(|c| c.passed)
    }

    /// 0 to 1: 1 when all passed, otherwise half the share of points.
    pub fn score(&self) -> f64 {
        match (self.passed(), self.possible()) {
            (true, _) => 1.0,
            (false, 0) => 0.0,
            (false, possible) => 0.5 * f64::from(self.earned()) / f64::from(possible),
        }
    }
}
