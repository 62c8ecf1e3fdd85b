//! A company's whole day with decisions from a file: for machines without a display, for tests, and to see what a
//! change of policy would have asked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mz_company::{Company, day_of};
use mz_protocol::{
    ApprovalId, ApprovalState, ApprovalView, Decision, DecisionKind, EventBody, ExportFormat, Millis, OrderState, Period,
    PersonId, ReportScope, Snapshot, Timestamp, WorkOrderId,
};
use serde::{Deserialize, Serialize};

use crate::engine;
use crate::house::{self, Begin, House};
use crate::paths::Paths;
use crate::{clock, commands};

/// A question is looked at for this long before it is decided; faster decisions do not count.
const LOOK: Millis = mz_protocol::READ_TIME;
const TICK: Duration = Duration::from_millis(100);

/// The rules of a decisions file: the first that fits decides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decisions {
    /// In whose name.
    person: PersonId,
    #[serde(default)]
    decision: Vec<DecisionRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionRule {
    /// The policy rule that asked.
    rule: Option<String>,
    worker: Option<String>,
    department: Option<String>,
    /// Part of the target's name.
    target: Option<String>,
    application: Option<String>,
    decide: Choice,
    /// For a veto.
    reason: Option<String>,
    /// For an edit.
    text: Option<String>,
    note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Approve,
    Veto,
    Edit,
}

impl Decisions {
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the decisions in {}", path.display()))?;
        let decisions: Self =
            toml::from_str(&text).with_context(|| format!("{} is not a file of decisions", path.display()))?;
        let number = decisions.decision.iter().position(|rule| rule.decide == Choice::Edit && rule.text.is_none());
        match number {
            Some(number) => bail!("{}: decision {} edits without a text to put there", path.display(), number + 1),
            None => Ok(decisions),
        }
    }

    fn rule(&self, view: &ApprovalView) -> Option<&DecisionRule> {
        let proposal = &view.request.proposal;
        let has = |part: &Option<String>, whole: &str| {
            part.as_ref().is_none_or(|part| whole.to_lowercase().contains(&part.to_lowercase()))
        };
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        self.decision.iter().find(|rule| {
            is(&rule.rule, &view.request.rule)
                && is(&rule.worker, proposal.worker.as_str())
                && is(&rule.department, proposal.department.as_str())
                && has(&rule.target, &proposal.target_name)
                && has(&rule.application, &proposal.application)
        })
    }

    /// What no rule covers is vetoed: no answer is a no.
    fn decide(&self, view: &ApprovalView, rule: Option<&DecisionRule>) -> Decision {
        let no = |why: &str| DecisionKind::Veto { reason: why.to_owned() };
        let kind = match rule {
            None => no(&unanswered(view)),
            Some(rule) => match (rule.decide, &rule.text) {
                (Choice::Approve, _) => DecisionKind::Approve,
                (Choice::Edit, text) => DecisionKind::Edit { text: text.clone().unwrap_or_default() },
                (Choice::Veto, _) => no(rule.reason.as_deref().unwrap_or("vetoed by the decisions file")),
            },
        };
        Decision {
            approval: view.request.id.clone(),
            binding: view.request.binding,
            kind,
            by: self.person.clone(),
            note: rule.and_then(|rule| rule.note.clone()),
            looked: LOOK,
        }
    }
}

fn unanswered(view: &ApprovalView) -> String {
    let (request, proposal) = (&view.request, &view.request.proposal);
    let target = match proposal.target_name.as_str() {
        "" => String::new(),
        target => format!(" at “{target}”"),
    };
    format!(
        "no decision of the file covers what {} asked: {}{target} in {} (rule {})",
        proposal.worker,
        proposal.action.verb(),
        proposal.application,
        request.rule
    )
}

#[derive(Debug, Serialize)]
struct Summary {
    company: String,
    seconds: f64,
    passed: bool,
    orders: Vec<OrderSummary>,
    approvals: Vec<ApprovalSummary>,
    ledger_events: u64,
    ledger_problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct OrderSummary {
    id: String,
    title: String,
    department: String,
    worker: Option<String>,
    state: OrderState,
    reason: Option<String>,
    points: u32,
    points_possible: u32,
    checkpoints: Vec<mz_protocol::Checkpoint>,
    seconds: Option<f64>,
    actions: u32,
    /// Help that was given, vetoes and edits.
    interventions: u32,
    remarks: Vec<String>,
    vetoed: bool,
}

impl OrderSummary {
    /// Its outcome check passed, or the decisions file vetoed it.
    fn passed(&self) -> bool {
        self.state == OrderState::Done || self.vetoed
    }
}

#[derive(Debug, Serialize)]
struct ApprovalSummary {
    id: String,
    worker: String,
    rule: String,
    target: String,
    decision: String,
    seconds_waited: f64,
}

/// How a day is run.
pub struct Plan<'a> {
    /// Rules by which approvals are decided.
    pub decisions: &'a Path,
    /// Takes pictures of the console on the way.
    pub pictures: bool,
    /// After this time the day ends, whatever is left.
    pub longest: Duration,
    /// Where summary, reports and ledger are put.
    pub out: &'a Path,
}

/// Runs the day, a new one where the last one is over; the exit code is 0 only when every outcome check passed or the file
/// vetoed its order.
pub fn run(company: Company, paths: Paths, plan: &Plan<'_>) -> anyhow::Result<ExitCode> {
    let decisions = Decisions::load(plan.decisions)?;
    let out = plan.out;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let out = out.canonicalize()?;
    let begun = clock::now();
    let ledger = paths.ledger();
    let summary = engine::with_engine(company, paths, Begin::NewDay, |house| {
        let mut day = Day {
            house,
            decisions: &decisions,
            out: &out,
            pictures: plan.pictures,
            first_seen: HashMap::new(),
            decided: HashSet::new(),
            unanswered: HashSet::new(),
        };
        day.until_done(plan.longest)?;
        day.export(begun)?;
        day.summary(begun)
    })?;
    // The engine has ended: its ledger is whole and can be copied.
    copy_folder(&ledger, &out.join("ledger"))?;
    let found = house::verify_ledger(&out.join("ledger"), None)?;
    let summary = Summary {
        ledger_events: found.events,
        passed: summary.passed && found.problem.is_none(),
        ledger_problem: found.problem,
        ..summary
    };
    std::fs::write(out.join("summary.json"), serde_json::to_vec_pretty(&summary)?)?;
    for order in &summary.orders {
        println!("{:<11} {:<12?} {}/{} points  {}", order.id, order.state, order.points, order.points_possible, order.title);
    }
    for order in summary.orders.iter().filter(|order| !order.passed()) {
        eprintln!("{} did not pass: {}", order.id, order.reason.as_deref().unwrap_or("the day ended before it did"));
    }
    if let Some(problem) = &summary.ledger_problem {
        eprintln!("The ledger is not sound: {problem}");
    }
    println!("The day is in {}. Worth opening:", out.display());
    for (file, what) in [
        ("summary.json", "each order with its checkpoints, and each decision"),
        ("reports/productivity.html", "the figures of the day; beside it as PDF, XLSX, CSV and JSON"),
        ("console/end", "the console's screens at the end of the day; beside it those at questions"),
        ("ledger", "everything that happened: `mezzanine audit verify --ledger` checks it"),
    ] {
        if out.join(file).exists() {
            println!("  {file:<26} {what}");
        }
    }
    Ok(if summary.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Day<'a> {
    house: &'a Arc<House>,
    decisions: &'a Decisions,
    out: &'a Path,
    pictures: bool,
    first_seen: HashMap<ApprovalId, Timestamp>,
    decided: HashSet<ApprovalId>,
    /// Orders with a question that no decision of the file covers.
    unanswered: HashSet<WorkOrderId>,
}

impl Day<'_> {
    fn until_done(&mut self, most: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + most;
        loop {
            let snapshot = self.house.floor.snapshot();
            if !snapshot.orders.is_empty() && snapshot.orders.iter().all(|view| view.state.is_final()) {
                self.take_pictures("end");
                return Ok(());
            }
            if self.house.floor.is_shutting_down() {
                bail!("the engine was told to end before the day was over");
            }
            if Instant::now() > deadline {
                eprintln!("The day's time is over; what is left counts as not done.");
                return Ok(());
            }
            self.answer(&snapshot)?;
            self.house.floor.wait_for_change(TICK);
        }
    }

    fn answer(&mut self, snapshot: &Snapshot) -> anyhow::Result<()> {
        let now = clock::now();
        for view in snapshot.approvals.iter().filter(|view| matches!(view.state, ApprovalState::Waiting { .. })) {
            let id = &view.request.id;
            if self.decided.contains(id) {
                continue;
            }
            if !self.first_seen.contains_key(id) {
                self.house.floor.shown(id, &self.decisions.person)?;
                self.first_seen.insert(id.clone(), clock::now());
                self.take_pictures("approval");
            } else if now.since(self.first_seen[id]) >= LOOK {
                self.decided.insert(id.clone());
                let rule = self.decisions.rule(view);
                // One that has become stale in the meantime is asked anew.
                let taken = self.house.floor.decide(self.decisions.decide(view, rule)).is_ok();
                if taken && rule.is_none() {
                    self.unanswered.extend(view.request.proposal.order.clone());
                }
            }
        }
        // Nobody is here to help: what is stuck counts as not done.
        for view in snapshot.orders.iter().filter(|view| view.state == OrderState::NeedsHelp) {
            let reason = view.reason.clone().unwrap_or_else(|| "it needed help and nobody was there".to_owned());
            self.take_pictures("help");
            let command = mz_protocol::Command::Cancel { order: view.order.id.clone(), reason };
            commands::run(self.house, &self.decisions.person, command, &|_| {});
        }
        Ok(())
    }

    /// The console's screens, drawn on a display of its own, once for each occasion.
    fn take_pictures(&mut self, occasion: &str) {
        let dir = self.out.join("console").join(occasion);
        if !self.pictures || dir.exists() {
            return;
        }
        if let Err(error) = crate::pictures::take(&self.house.paths.socket, &dir) {
            eprintln!("No pictures of the console: {error:#}");
        }
    }

    fn export(&self, begun: Timestamp) -> anyhow::Result<()> {
        let period = Period { from: begun, to: Timestamp(clock::now().0 + 1) };
        let report = self.house.report(&ReportScope::Company, period)?;
        let dir = self.out.join("reports");
        std::fs::create_dir_all(&dir)?;
        for format in ExportFormat::ALL {
            let file = self.house.export(&report, format, &mut |_| {})?;
            let name = PathBuf::from(format!("productivity.{}", format.extension()));
            std::fs::copy(&file.path, dir.join(name))?;
        }
        Ok(())
    }

    fn summary(&self, begun: Timestamp) -> anyhow::Result<Summary> {
        let snapshot = self.house.floor.snapshot();
        let counts = self.counts()?;
        let today = house::today(&snapshot.orders);
        let answers = |id: &WorkOrderId| {
            let id = id.clone();
            let own = snapshot.approvals.iter().filter(move |view| view.request.proposal.order.as_ref() == Some(&id));
            own.map(|view| &view.state)
        };
        let orders: Vec<OrderSummary> = snapshot
            .orders
            .iter()
            .filter(|view| day_of(&view.order.id) == today)
            .map(|view| {
                let report = view.outcome.clone().unwrap_or_default();
                let (actions, helped) = counts.get(view.order.id.as_str()).copied().unwrap_or_default();
                let changed =
                    |state: &&ApprovalState| matches!(state, ApprovalState::Vetoed { .. } | ApprovalState::Edited { .. });
                OrderSummary {
                    id: view.order.id.to_string(),
                    title: view.order.title.clone(),
                    department: view.order.department.to_string(),
                    worker: view.order.owner.as_ref().map(ToString::to_string),
                    state: view.state,
                    reason: view.reason.clone(),
                    points: report.earned(),
                    points_possible: report.possible(),
                    checkpoints: report.checkpoints,
                    seconds: view.started.zip(view.ended).map(|(from, to)| to.since(from).0 as f64 / 1000.0),
                    actions,
                    interventions: helped + answers(&view.order.id).filter(changed).count() as u32,
                    remarks: view.remarks.clone(),
                    vetoed: view.state == OrderState::Cancelled
                        && !self.unanswered.contains(&view.order.id)
                        && answers(&view.order.id).any(|state| matches!(state, ApprovalState::Vetoed { .. })),
                }
            })
            .collect();
        Ok(Summary {
            company: snapshot.company.map(|company| company.name).unwrap_or_default(),
            seconds: clock::now().since(begun).0 as f64 / 1000.0,
            passed: !orders.is_empty() && orders.iter().all(OrderSummary::passed),
            orders,
            approvals: snapshot.approvals.iter().filter(|view| view.request.asked >= begun).map(approval_summary).collect(),
            ledger_events: 0,
            ledger_problem: None,
        })
    }

    /// Actions, and how often a person helped, by order.
    fn counts(&self) -> anyhow::Result<BTreeMap<String, (u32, u32)>> {
        let mut counts: BTreeMap<String, (u32, u32)> = BTreeMap::new();
        let kinds = vec!["action_done", "help_given"];
        for record in self.house.events(&mz_ledger::Filter { kinds, ..mz_ledger::Filter::all() })? {
            let Some(order) = record.event.body.order() else { continue };
            let (actions, helped) = counts.entry(order.to_string()).or_default();
            match record.event.body {
                EventBody::ActionDone { .. } => *actions += 1,
                EventBody::HelpGiven { .. } => *helped += 1,
                _ => {}
            }
        }
        Ok(counts)
    }
}

fn approval_summary(view: &ApprovalView) -> ApprovalSummary {
    let (decision, at) = match &view.state {
        ApprovalState::Waiting { .. } => ("none".to_owned(), None),
        ApprovalState::Approved { at, .. } | ApprovalState::Used { at, .. } => ("approve".to_owned(), Some(*at)),
        ApprovalState::Vetoed { reason, at, .. } => (format!("veto: {reason}"), Some(*at)),
        ApprovalState::Edited { at, .. } => ("edit".to_owned(), Some(*at)),
        ApprovalState::TakenOver { at, .. } => ("take over".to_owned(), Some(*at)),
        ApprovalState::Void { why, at } => (format!("void: {why:?}"), Some(*at)),
    };
    ApprovalSummary {
        id: view.request.id.to_string(),
        worker: view.request.proposal.worker.to_string(),
        rule: view.request.rule.clone(),
        target: view.request.proposal.target_name.clone(),
        decision,
        seconds_waited: at.map_or(0.0, |at| at.since(view.request.asked).0 as f64 / 1000.0),
    }
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        // The signing key stays where it is.
        if entry.file_name() == "ledger.key" {
            continue;
        }
        let target = to.join(entry.file_name());
        match entry.file_type()? {
            kind if kind.is_dir() => copy_folder(&entry.path(), &target)?,
            kind if kind.is_file() => std::fs::copy(entry.path(), target).map(drop)?,
            _ => {}
        }
    }
    Ok(())
}
