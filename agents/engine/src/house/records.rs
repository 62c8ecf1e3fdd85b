//! What is kept, looked at: evidence, recordings, reports, the ledger's own soundness.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use mz_gate::{Secret, open_store};
use mz_ledger::{Checkpoint, Ledger};
use mz_protocol::{
    ApprovalId, CompanyId, ErrorCode, EventBody, ExportFormat, Period, Problem, ReportScope, Response, SavedFile, Timestamp,
    WorkerId,
};
use mz_report::{Names, Report};

use super::House;
use crate::commands::{Answer, internal, picture, problem};
use crate::paths::Paths;

/// What a look at the ledger found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub events: u64,
    /// The first bad event, and why.
    pub problem: Option<String>,
}

/// Checks a ledger without being its writer, against checkpoints that were kept elsewhere where there are any.
pub fn verify_ledger(folder: &Path, checkpoints: Option<&Path>) -> anyhow::Result<Verified> {
    let reader = Ledger::read_only(folder)?;
    let kept: Vec<Checkpoint> = match checkpoints {
        None => Vec::new(),
        Some(path) => read_checkpoints(path)?,
    };
    let found = reader.verify_with(&kept)?;
    Ok(Verified { events: found.events, problem: found.problem.map(|bad| bad.to_string()) })
}

fn read_checkpoints(path: &Path) -> anyhow::Result<Vec<Checkpoint>> {
    let read = |file: &Path| -> anyhow::Result<Checkpoint> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no checkpoint", file.display()))
    };
    if path.is_file() {
        return Ok(vec![read(path)?]);
    }
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "json") {
            kept.push(read(&file)?);
        }
    }
    Ok(kept)
}

/// Keeps a secret for the company whose state is in `paths`.
pub fn keep_secret(paths: &Paths, name: &str, secret: &str) -> anyhow::Result<()> {
    let company = CompanyId::new("mezzanine")?;
    let opened = open_store(&company, &paths.state.join("secrets"), Duration::from_secs(2))?;
    opened.store.put(name, &Secret::new(secret.to_owned()))?;
    Ok(())
}

impl House {
    /// The frame that was asked about.
    pub fn approval_frame(&self, approval: &ApprovalId) -> Result<Answer, Problem> {
        let events = self.floor.all_events().map_err(problem)?;
        let asked = events.iter().rev().find_map(|record| match &record.event.body {
            EventBody::ApprovalAsked { request, frame } if request.id == *approval => {
                Some((request.proposal.worker.clone(), *frame, request.asked))
            }
            _ => None,
        });
        let (worker, digest, asked) =
            asked.ok_or_else(|| Problem::new(ErrorCode::NotFound, format!("there is no approval {approval}")))?;
        let kept = self.floor.evidence(digest).map_err(problem)?;
        let frame = picture(&worker, asked.0.max(0) as u64 * 1000, kept.size, &kept.pixels);
        Ok(Answer { response: Response::Frame { at: asked }, frame: Some(frame) })
    }

    /// A worker's desktop as it was.
    pub fn frame_at(&self, worker: &WorkerId, at: Timestamp) -> Result<Answer, Problem> {
        let found = self.recording.frame_at(worker, at).map_err(internal)?;
        let found = found.ok_or_else(|| Problem::new(ErrorCode::NotFound, "nothing was recorded then"))?;
        let frame = picture(worker, found.at.0.max(0) as u64 * 1000, found.size, &found.pixels);
        Ok(Answer { response: Response::Frame { at: found.at }, frame: Some(frame) })
    }

    pub fn report(&self, scope: &ReportScope, period: Period) -> anyhow::Result<Report> {
        let events = self.floor.all_events()?;
        let names = Names::from_snapshot(&self.floor.snapshot());
        Ok(Report::build(&events, &names, scope, period, jiff::tz::TimeZone::system()))
    }

    pub fn export(&self, report: &Report, format: ExportFormat, progress: &mut dyn FnMut(u16)) -> anyhow::Result<SavedFile> {
        let folder = self.paths.reports();
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let out = folder.join(mz_report::file_name(report, format));
        Ok(mz_report::export(report, format, &out, progress, &|| self.floor.is_shutting_down())?)
    }
}
