//! What is kept, looked at: evidence, recordings, reports, the ledger's own soundness.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use mz_gate::{OpenedStore, open_store};
use mz_ledger::{Checkpoint, Direction, Filter, Ledger, LedgerError};
use mz_protocol::{
    ApprovalId, ErrorCode, EventBody, EventPage, EventRecord, EventSeq, ExportFormat, Period, Problem, ReportScope, Response,
    SavedFile, Timestamp, WorkOrderId, WorkerId,
};
use mz_report::{Names, Report};

use super::House;
use crate::answer::{Answer, internal, picture, problem};
use crate::paths::Paths;

/// The keyring of a session answers in this time or counts as absent.
const KEYRING_DEADLINE: Duration = Duration::from_secs(2);

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

/// The newest checkpoint that was signed; an engine at work signs one every few hundred events, and one at its end.
pub fn newest_checkpoint(folder: &Path) -> anyhow::Result<Checkpoint> {
    let newest = Ledger::read_only(folder)?.checkpoints()?.pop();
    newest.with_context(|| format!("nothing was signed yet in {}: let the engine end once", folder.display()))
}

/// Where the company whose state is in `paths` keeps its secrets.
pub fn secrets(paths: &Paths) -> anyhow::Result<OpenedStore> {
    Ok(open_store(&paths.state.join("secrets"), KEYRING_DEADLINE)?)
}

/// The most events on a page.
const LONGEST_PAGE: u32 = 1000;

impl House {
    /// Events that were acknowledged. Read beside the floor: nobody who works waits for it.
    pub fn events(&self, filter: &Filter) -> Result<Vec<EventRecord>, LedgerError> {
        Ledger::read_only(self.paths.ledger())?.events(filter)
    }

    /// A page, and whether there is more behind it.
    pub fn page(
        &self,
        page: EventPage,
        limit: u32,
        worker: Option<WorkerId>,
        order: Option<WorkOrderId>,
    ) -> Result<(Vec<EventRecord>, bool), LedgerError> {
        let limit = limit.min(LONGEST_PAGE);
        let mut filter = Filter { worker, order, limit: limit + 1, ..Filter::all() };
        match page {
            EventPage::After(seq) => filter.after = seq,
            EventPage::Before(seq) => (filter.before, filter.direction) = (Some(seq), Direction::NewestFirst),
            EventPage::Newest => filter.direction = Direction::NewestFirst,
        }
        let mut events = self.events(&filter)?;
        let more = events.len() > limit as usize;
        events.truncate(limit as usize);
        Ok((events, more))
    }

    pub fn newest_event(&self) -> Result<EventSeq, LedgerError> {
        Ok(Ledger::read_only(self.paths.ledger())?.last()?.map_or(EventSeq(0), |record| record.seq))
    }

    /// The frame that was asked about.
    pub fn approval_frame(&self, approval: &ApprovalId) -> Result<Answer, Problem> {
        let filter = Filter { approval: Some(approval.clone()), direction: Direction::NewestFirst, limit: 1, ..Filter::all() };
        let found = self.events(&filter).map_err(internal)?.pop();
        let asked = found.and_then(|record| match record.event.body {
            EventBody::ApprovalAsked { request, frame } => Some((request.proposal.worker, frame, request.asked)),
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
        // An order that ends in the period may have begun long before; of what came after it, it counts only whether
        // there is anything.
        let span = |from: i64, to: i64| Some(Period { from: Timestamp(from), to: Timestamp(to) });
        let mut events = self.events(&Filter { period: span(i64::MIN, period.to.0), ..Filter::all() })?;
        events.extend(self.events(&Filter { period: span(period.to.0, i64::MAX), limit: 1, ..Filter::all() })?);
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
