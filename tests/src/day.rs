//! A company's day from outside: `mezzanine day`, and what it leaves.

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, ensure};
use mz_protocol::{Checkpoint, OrderState};
use serde::Deserialize;

use crate::{Place, ended};

/// What `summary.json` holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    pub company: String,
    pub seconds: f64,
    pub passed: bool,
    pub orders: Vec<OrderLine>,
    pub approvals: Vec<ApprovalLine>,
    pub ledger_events: u64,
    pub ledger_problem: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderLine {
    pub id: String,
    pub title: String,
    pub department: String,
    pub worker: Option<String>,
    pub state: OrderState,
    pub reason: Option<String>,
    pub points: u32,
    pub points_possible: u32,
    pub checkpoints: Vec<Checkpoint>,
    pub seconds: Option<f64>,
    pub actions: u32,
    pub interventions: u32,
    pub remarks: Vec<String>,
    pub vetoed: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalLine {
    pub id: String,
    pub worker: String,
    pub rule: String,
    pub target: String,
    pub decision: String,
    pub seconds_waited: f64,
}

/// A day that is over.
#[derive(Debug)]
pub struct Day {
    pub out: PathBuf,
    pub output: Output,
    pub summary: Summary,
}

impl Place {
    /// Works the company's day with these decisions. A machine that does other things has `most` for it.
    pub fn day(&self, decisions: &str, more: &[&str], most: Duration) -> anyhow::Result<Day> {
        let (file, out) = (self.folder.path().join("decisions.toml"), self.folder.path().join("out"));
        std::fs::write(&file, decisions)?;
        let mut command = self.mezzanine(&["day", "--headless"])?;
        command.arg("--company").arg(self.company()).arg("--home").arg(self.state()).args(more);
        command.arg("--decide").arg(&file).arg("--out").arg(&out);
        let output = ended(command, most).context("the day took too long for this machine")?;
        let path = out.join("summary.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("no {}: {output:?}", path.display()))?;
        let summary = serde_json::from_str(&text).with_context(|| format!("{} is no summary: {text}", path.display()))?;
        Ok(Day { out, output, summary })
    }
}

impl Day {
    pub fn order(&self, id: &str) -> anyhow::Result<&OrderLine> {
        self.summary.orders.iter().find(|order| order.id == id).with_context(|| format!("the summary has no {id}"))
    }

    pub fn report(&self, extension: &str) -> PathBuf {
        self.out.join("reports").join(format!("productivity.{extension}"))
    }

    /// The questions of a worker that were decided like this.
    pub fn decided(&self, worker: &str, decision: &str) -> Vec<&ApprovalLine> {
        let is = |line: &&ApprovalLine| line.worker == worker && line.decision.starts_with(decision);
        self.summary.approvals.iter().filter(is).collect()
    }

    /// Every order is done, with all its points.
    pub fn all_done(&self) -> anyhow::Result<()> {
        for order in &self.summary.orders {
            let missed: Vec<_> = order.checkpoints.iter().filter(|checkpoint| !checkpoint.passed).collect();
            ensure!(
                order.state == OrderState::Done && order.points == order.points_possible && order.points > 0,
                "{} is {:?} with {} of {} points: {:?}; missed: {missed:#?}",
                order.id,
                order.state,
                order.points,
                order.points_possible,
                order.reason
            );
        }
        ensure!(!self.summary.orders.is_empty(), "the day had no orders");
        Ok(())
    }
}
