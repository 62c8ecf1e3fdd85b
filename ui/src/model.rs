//! What the console knows: the engine's snapshot brought up to date, answers that are due, and what was looked at.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

use egui::Context;
use mz_protocol::{
    ApprovalId, ApprovalView, Command, EventPage, EventRecord, ExportFormat, LeaseId, OrderState, OrderView, PersonId, Problem,
    Push, Response, SavedFile, Size, Snapshot, StopScope, Timestamp, WorkOrderId, WorkerId, WorkerState, WorkerView,
};

use crate::connection::{Link, LinkEvent};
use crate::pictures::{Patch, Picture, Pictures, still};
use crate::say::Clock;

/// Events kept for a list on the screen.
const EVENTS_KEPT: usize = 4000;
const EVENTS_PAGE: u32 = 1000;
const STILLS_KEPT: usize = 24;

/// The state of the line.
#[derive(Debug, Clone)]
pub enum Line {
    /// Not yet answered for the first time.
    Looking,
    Up {
        engine: String,
    },
    Down {
        why: String,
        retry: Instant,
    },
}

/// Whose events a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventsOf {
    Worker(WorkerId),
    Order(WorkOrderId),
}

/// What an answer is about.
#[derive(Debug, Clone, PartialEq)]
enum Asked {
    Nothing,
    Events(EventsOf),
    FrameAt(WorkerId, Timestamp),
    ApprovalFrame(ApprovalId),
    Report,
    Export(ExportFormat),
    TakeOver(WorkerId),
    AddObjective,
    Decide(ApprovalId),
}

/// A short message at the foot of the window.
#[derive(Debug, Clone)]
pub struct Notice {
    pub text: String,
    pub bad: bool,
    pub since: f64,
}

/// An export, from the click to the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Export {
    Running(u16),
    Saved(SavedFile),
    Failed(String),
}

/// A picture from a recording.
pub struct Recorded {
    pub at: Timestamp,
    pub picture: Picture,
}

pub struct Model {
    pub clock: Clock,
    pub line: Line,
    pub me: PersonId,
    /// None until the engine has sent its state for the first time.
    pub snapshot: Option<Snapshot>,
    /// When the snapshot was last known to be true.
    pub heard: Option<Timestamp>,
    pub pictures: Pictures,
    pub notices: Vec<Notice>,
    pub report: Option<Result<serde_json::Value, String>>,
    pub report_due: bool,
    pub exports: HashMap<&'static str, Export>,
    /// Leases that this console was given, by worker.
    pub leases: HashMap<WorkerId, LeaseId>,
    /// The last picture from each worker's recording.
    pub recorded: HashMap<WorkerId, Result<Recorded, String>>,
    /// Questions whose answer is on its way: not to be answered again, unless the engine refuses the first answer.
    pub deciding: HashSet<ApprovalId>,
    approval_frames: HashMap<ApprovalId, Option<Picture>>,
    events: HashMap<EventsOf, VecDeque<EventRecord>>,
    asked: HashMap<u64, Asked>,
    shown: HashSet<ApprovalId>,
    watched: Option<(Vec<WorkerId>, u8)>,
    link: Box<dyn Link>,
    time: f64,
}

impl Model {
    pub fn new(link: Box<dyn Link>, me: PersonId, clock: Clock) -> Self {
        Self {
            clock,
            line: Line::Looking,
            me,
            snapshot: None,
            heard: None,
            pictures: Pictures::default(),
            notices: Vec::new(),
            report: None,
            report_due: false,
            exports: HashMap::new(),
            leases: HashMap::new(),
            recorded: HashMap::new(),
            deciding: HashSet::new(),
            approval_frames: HashMap::new(),
            events: HashMap::new(),
            asked: HashMap::new(),
            shown: HashSet::new(),
            watched: None,
            link,
            time: 0.0,
        }
    }

    /// Takes in all that has come. Called before each frame; never waits.
    pub fn take_in(&mut self, ctx: &Context) {
        self.time = ctx.input(|i| i.time);
        // Bounded, so that a flood of pictures cannot hold up the frame.
        for _ in 0..2048 {
            let Some(event) = self.link.poll() else { break };
            match event {
                LinkEvent::Up { engine, person } => self.came_up(engine, person),
                LinkEvent::Down { why, retry } => self.went_down(why, retry),
                LinkEvent::Push(push) => self.pushed(*push),
                LinkEvent::Answer { id, response } => self.answered(id, *response),
                LinkEvent::Picture(patch) => self.pictures.put(ctx, patch),
                LinkEvent::Still { id, picture } => self.still_came(ctx, id, &picture),
            }
        }
        let now = self.time;
        self.notices.retain(|notice| now - notice.since < 6.0);
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn is_up(&self) -> bool {
        matches!(self.line, Line::Up { .. })
    }

    pub fn retry(&mut self) {
        self.link.retry();
    }

    pub fn place(&self) -> String {
        self.link.place()
    }

    pub fn worker(&self, id: &WorkerId) -> Option<&WorkerView> {
        self.snapshot.as_ref()?.workers.iter().find(|worker| worker.id == *id)
    }

    pub fn department_name(&self, id: &mz_protocol::DepartmentId) -> String {
        let company = self.snapshot.as_ref().and_then(|s| s.company.as_ref());
        let view = company.and_then(|c| c.departments.iter().find(|d| d.id == *id));
        view.map_or_else(|| id.to_string(), |d| d.name.clone())
    }

    pub fn worker_name(&self, id: &WorkerId) -> String {
        self.worker(id).map_or_else(|| id.to_string(), |w| w.name.clone())
    }

    pub fn order_title(&self, id: &WorkOrderId) -> Option<String> {
        let order = self.snapshot.as_ref()?.orders.iter().find(|o| o.order.id == *id)?;
        Some(order.order.title.clone())
    }

    pub fn currency(&self) -> String {
        let company = self.snapshot.as_ref().and_then(|s| s.company.as_ref());
        company.map_or_else(|| "EUR".to_owned(), |c| c.currency.clone())
    }

    /// Questions that wait for a person, the one that expires first in front.
    pub fn waiting(&self) -> Vec<&ApprovalView> {
        let Some(snapshot) = &self.snapshot else { return Vec::new() };
        let mut open: Vec<_> =
            snapshot.approvals.iter().filter(|a| matches!(a.state, mz_protocol::ApprovalState::Waiting { .. })).collect();
        open.sort_by(|a, b| a.request.expires.cmp(&b.request.expires).then_with(|| a.request.id.cmp(&b.request.id)));
        open
    }

    /// Waiting questions and workers that ask for help.
    pub fn needs(&self) -> usize {
        let helps = self.snapshot.iter().flat_map(|s| &s.workers);
        let helps = helps.filter(|w| matches!(w.state, WorkerState::NeedsHelp { .. })).count();
        self.waiting().len() + helps
    }

    pub fn is_stopped(&self, scope: &StopScope) -> bool {
        let company = self.snapshot.as_ref().and_then(|s| s.company.as_ref());
        company.is_some_and(|c| c.stops.contains(scope))
    }

    /// The state of an order as a manager sees it: whose worker waits for a person waits itself.
    pub fn order_state(&self, view: &OrderView) -> OrderState {
        let worker = self.snapshot.iter().flat_map(|s| &s.workers).find(|w| w.order.as_ref() == Some(&view.order.id));
        match (view.state, worker.map(|w| &w.state)) {
            (OrderState::InProgress, Some(WorkerState::NeedsApproval { .. })) => OrderState::NeedsApproval,
            (OrderState::InProgress, Some(WorkerState::NeedsHelp { .. })) => OrderState::NeedsHelp,
            (state, _) => state,
        }
    }

    /// The question that this worker waits for.
    pub fn question_of(&self, worker: &WorkerView) -> Option<&ApprovalView> {
        let WorkerState::NeedsApproval { approval, .. } = &worker.state else { return None };
        self.snapshot.as_ref()?.approvals.iter().find(|a| a.request.id == *approval)
    }

    /// The size of a worker's desktop, by its last picture.
    pub fn desktop_size(&self, worker: &WorkerId) -> Size {
        self.pictures.get(worker).map_or(Size::DESKTOP, |picture| picture.desktop)
    }

    /// The lease under which this person drives the worker.
    pub fn my_lease(&self, worker: &WorkerId) -> Option<LeaseId> {
        match &self.worker(worker)?.state {
            WorkerState::Driven { by, lease } if *by == self.me => Some(lease.clone()),
            _ => None,
        }
    }

    pub fn events(&self, of: &EventsOf) -> Option<&VecDeque<EventRecord>> {
        self.events.get(of)
    }

    pub fn approval_frame(&self, id: &ApprovalId) -> Option<&Picture> {
        self.approval_frames.get(id)?.as_ref()
    }

    // Commands -----------------------------------------------------------------------------------------------------

    /// Sends a command whose answer matters only when it fails.
    pub fn send(&mut self, command: Command) -> bool {
        let about = match &command {
            Command::TakeOver { worker } => Asked::TakeOver(worker.clone()),
            Command::AddObjective { .. } => Asked::AddObjective,
            Command::Decide { decision } => Asked::Decide(decision.approval.clone()),
            _ => Asked::Nothing,
        };
        self.ask(command, about)
    }

    fn ask(&mut self, command: Command, about: Asked) -> bool {
        let moving = matches!(command, Command::Drive { .. });
        match self.link.send(command) {
            Some(id) => {
                self.asked.insert(id, about);
                true
            }
            None => {
                if !moving {
                    self.notice("The engine does not answer: nothing was sent.", true);
                }
                false
            }
        }
    }

    /// Asks for pictures of these workers, if that is not what was asked for last.
    pub fn watch(&mut self, workers: Vec<WorkerId>, divisor: u8) {
        let wanted = Some((workers, divisor));
        if self.is_up()
            && self.watched != wanted
            && let Some((workers, divisor)) = wanted.clone()
            && self.ask(Command::Watch { workers, divisor }, Asked::Nothing)
        {
            self.watched = wanted;
            self.pictures.divisor = divisor;
        }
    }

    /// Loads the events of one worker or order, unless they are there.
    pub fn load_events(&mut self, of: &EventsOf) {
        if self.is_up() && !self.events.contains_key(of) {
            self.events.insert(of.clone(), VecDeque::new());
            self.ask_events(of, EventPage::Newest);
        }
    }

    fn ask_events(&mut self, of: &EventsOf, page: EventPage) {
        let (worker, order) = match of {
            EventsOf::Worker(worker) => (Some(worker.clone()), None),
            EventsOf::Order(order) => (None, Some(order.clone())),
        };
        self.ask(Command::Events { page, limit: EVENTS_PAGE, worker, order }, Asked::Events(of.clone()));
    }

    /// Asks for the frame that a question is about, once.
    pub fn load_approval_frame(&mut self, id: &ApprovalId) {
        if self.is_up() && !self.approval_frames.contains_key(id) {
            self.approval_frames.insert(id.clone(), None);
            self.ask(Command::ApprovalFrame { approval: id.clone() }, Asked::ApprovalFrame(id.clone()));
        }
    }

    /// Tells the engine that the question is on the screen, once.
    pub fn tell_shown(&mut self, id: &ApprovalId) {
        if self.is_up() && self.shown.insert(id.clone()) {
            self.ask(Command::Shown { approval: id.clone() }, Asked::Nothing);
        }
    }

    /// Asks for a recorded picture; at most one at a time for each worker.
    pub fn load_frame_at(&mut self, worker: &WorkerId, at: Timestamp) -> bool {
        let busy = self.asked.values().any(|asked| matches!(asked, Asked::FrameAt(who, _) if who == worker));
        !busy && self.ask(Command::FrameAt { worker: worker.clone(), at }, Asked::FrameAt(worker.clone(), at))
    }

    pub fn load_report(&mut self, command: Command) {
        self.report_due = self.ask(command, Asked::Report);
    }

    pub fn export(&mut self, command: Command, format: ExportFormat) {
        if self.ask(command, Asked::Export(format)) {
            self.exports.insert(format.extension(), Export::Running(0));
        }
    }

    pub fn notice(&mut self, text: impl Into<String>, bad: bool) {
        let text = text.into();
        self.notices.retain(|old| old.text != text);
        self.notices.push(Notice { text, bad, since: self.time });
        if self.notices.len() > 4 {
            self.notices.remove(0);
        }
    }

    // What comes ---------------------------------------------------------------------------------------------------

    fn came_up(&mut self, engine: String, person: PersonId) {
        self.line = Line::Up { engine };
        self.me = person;
        self.asked.clear();
        self.watched = None;
        self.events.clear();
        self.shown.clear();
        self.approval_frames.retain(|_, frame| frame.is_some());
        self.ask(Command::Follow, Asked::Nothing);
    }

    fn went_down(&mut self, why: String, retry: Instant) {
        self.deciding.clear();
        self.line = Line::Down { why, retry };
        self.asked.clear();
        self.report_due = false;
        for export in self.exports.values_mut() {
            if matches!(export, Export::Running(_)) {
                *export = Export::Failed("the engine went away".to_owned());
            }
        }
    }

    fn pushed(&mut self, push: Push) {
        self.heard = Some(self.now());
        match push {
            Push::Snapshot { snapshot } => self.set_snapshot(*snapshot),
            Push::Event { record } => self.event_came(*record),
            // What was left out is asked for again by whoever shows it.
            Push::Resync { .. } => self.events.clear(),
            Push::ExportProgress { format, permille } => {
                self.exports.insert(format.extension(), Export::Running(permille));
            }
            other => {
                if let Some(snapshot) = &mut self.snapshot {
                    snapshot.apply(other);
                }
            }
        }
    }

    fn set_snapshot(&mut self, snapshot: Snapshot) {
        let open: HashSet<_> = snapshot.approvals.iter().map(|a| a.request.id.clone()).collect();
        self.approval_frames.retain(|id, _| open.contains(id));
        self.pictures.forget(|worker| snapshot.workers.iter().any(|w| w.id == *worker));
        self.snapshot = Some(snapshot);
    }

    fn event_came(&mut self, record: EventRecord) {
        let body = &record.event.body;
        let lists = [body.worker().cloned().map(EventsOf::Worker), body.order().cloned().map(EventsOf::Order)];
        for of in lists.into_iter().flatten() {
            if let Some(list) = self.events.get_mut(&of) {
                add_event(list, record.clone());
            }
        }
    }

    fn answered(&mut self, id: u64, response: Response) {
        let Some(about) = self.asked.get(&id).cloned() else { return };
        // The picture itself is still to come.
        if !matches!(response, Response::Frame { .. }) {
            self.asked.remove(&id);
        }
        match (response, about) {
            (Response::State { snapshot }, _) => self.set_snapshot(*snapshot),
            (Response::Lease { lease, .. }, Asked::TakeOver(worker)) => {
                self.leases.insert(worker, lease);
            }
            (Response::Events { events, more }, Asked::Events(of)) => self.events_came(&of, events, more),
            (Response::Report { report }, _) => {
                self.report_due = false;
                self.report = Some(Ok(report));
            }
            (Response::Exported { file }, Asked::Export(format)) => {
                self.exports.insert(format.extension(), Export::Saved(file));
            }
            (Response::Done, Asked::AddObjective) => self.notice("The objective was added.", false),
            (Response::Failed { problem }, about) => self.failed(about, problem),
            _ => {}
        }
    }

    fn failed(&mut self, about: Asked, problem: Problem) {
        match about {
            Asked::FrameAt(worker, _) => {
                self.recorded.insert(worker, Err(problem.message));
            }
            Asked::Report => {
                self.report_due = false;
                self.report = Some(Err(problem.message));
            }
            Asked::Export(format) => {
                self.exports.insert(format.extension(), Export::Failed(problem.message));
            }
            Asked::Decide(approval) => {
                self.deciding.remove(&approval);
                self.notice(problem.message, true);
            }
            // The live picture stands in for it.
            Asked::ApprovalFrame(_) => {}
            _ => self.notice(problem.message, true),
        }
    }

    /// Pages come newest first, until as many are here as are kept.
    fn events_came(&mut self, of: &EventsOf, events: Vec<EventRecord>, more: bool) {
        let oldest = events.last().map(|e| e.seq);
        let list = self.events.entry(of.clone()).or_default();
        for event in events {
            add_event(list, event);
        }
        if let (true, true, Some(oldest)) = (more, list.len() < EVENTS_KEPT, oldest) {
            self.ask_events(of, EventPage::Before(oldest));
        }
    }

    fn still_came(&mut self, ctx: &Context, id: u64, patch: &Patch) {
        let Some(about) = self.asked.remove(&id) else { return };
        match about {
            Asked::FrameAt(worker, at) => {
                if let Some(picture) = still(ctx, "recorded", patch) {
                    self.recorded.insert(worker, Ok(Recorded { at, picture }));
                }
            }
            Asked::ApprovalFrame(approval) => {
                if self.approval_frames.len() > STILLS_KEPT {
                    self.approval_frames.clear();
                }
                self.approval_frames.insert(approval, still(ctx, "asked", patch));
            }
            _ => {}
        }
    }
}

/// Pages and pushes overlap: by number, each once.
fn add_event(list: &mut VecDeque<EventRecord>, record: EventRecord) {
    let place = list.partition_point(|old| old.seq < record.seq);
    if list.get(place).is_some_and(|old| old.seq == record.seq) {
        return;
    }
    list.insert(place, record);
    if list.len() > EVENTS_KEPT {
        list.pop_front();
    }
}

/// Whether work on an order goes on.
pub fn is_open(state: OrderState) -> bool {
    !state.is_final()
}
