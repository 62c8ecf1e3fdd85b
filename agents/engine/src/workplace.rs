//! What the worker loop needs of a desk, and the small things that it does with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mz_desktop::Frame;
use mz_protocol::{Condition, DepartmentId, EventBody, Millis, RoleId, Scene, StepResult, Verb, Waypoint, WorkOrder, WorkerId};

use crate::effort::{Effort, Given, Sight};
use crate::reflex::Intent;

/// A cursor blinks once in this time, so an untouched screen looks as before within it.
const BLINK: Duration = Duration::from_millis(1300);

/// Who sits at a desk.
#[derive(Debug, Clone)]
pub struct Seat {
    pub worker: WorkerId,
    pub role: RoleId,
    pub department: DepartmentId,
}

/// How the work on an order ended. Whether it is done is for the outcome check to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The procedure is at its end.
    Finished,
    /// A human vetoed a step that the rest depends on.
    Vetoed { reason: String },
    /// Only a person can go on.
    NeedsHelp { why: String },
    /// The order was cancelled.
    Cancelled,
    /// The desktop or the engine went away under it.
    Lost { why: String },
}

/// Why a waypoint was not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missed {
    /// Worth another try.
    Retry {
        why: String,
    },
    /// The worker drove the desktop to where it must look again, for example after a human had driven.
    LookAgain,
    End(Ended),
}

/// The desk of one worker; a scripted one stands in for it in tests.
pub trait Workplace {
    fn worker(&self) -> WorkerId;
    /// Waits while the worker is stopped or driven by a human. An error means that the order is over.
    fn safe_point(&mut self) -> Result<(), Ended>;
    /// Reads the screen.
    fn look(&mut self) -> Result<Arc<Scene>, Ended>;
    /// The newest picture.
    fn picture(&self) -> Arc<Frame>;
    fn holds(&self, scene: &Scene, condition: &Condition) -> bool;
    /// How long a waypoint may take.
    fn patience(&self, waypoint: &Waypoint) -> Patience;
    /// Returns when the screen has changed or it is time to look again; an error means that patience is over.
    fn wait_for_change(&mut self, patience: &mut Patience) -> Result<(), OutOfPatience>;
    /// Takes an intent through the gate and onto the desktop.
    fn dispatch(&mut self, waypoint: &Waypoint, intent: Intent, scene: &Arc<Scene>) -> Result<Given, Missed>;
    /// How many inputs persons have put into this desktop.
    fn driven(&self) -> u64;
    /// Puts events of this worker into the ledger.
    fn note(&self, bodies: Vec<EventBody>) -> Result<(), Ended>;
    /// Asks a person and waits until one has helped. An error means that the order ended instead.
    fn ask_for_help(&mut self, order: &WorkOrder, why: &str) -> Result<(), Ended>;
}

/// How long one may wait for a waypoint; restarts with each action that was sent.
#[derive(Debug)]
pub struct Patience {
    span: Duration,
    until: Instant,
    /// The newest picture that was looked at.
    pub seen: u64,
}

/// The time that a waypoint had is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfPatience;

impl Patience {
    pub fn new(span: Duration, seen: u64) -> Self {
        Self { span, until: Instant::now() + span, seen }
    }

    pub fn restart(&mut self) {
        self.until = Instant::now() + self.span;
    }

    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Nothing done yet for a waypoint that begins now.
pub fn begin(desk: &mut dyn Workplace) -> Result<Effort, Ended> {
    let scene = desk.look()?;
    Ok(Effort::begin(scene.windows.iter().map(|window| window.title.clone()).collect(), desk.driven()))
}

/// Waits until what the step promised can be seen.
pub fn await_postcondition(desk: &mut dyn Workplace, waypoint: &Waypoint, patience: &mut Patience) -> Result<(), Missed> {
    let Some(condition) = &waypoint.postcondition else { return Ok(()) };
    loop {
        desk.safe_point().map_err(Missed::End)?;
        let scene = desk.look().map_err(Missed::End)?;
        if desk.holds(&scene, condition) {
            return Ok(());
        }
        let why = format!("I do not see that {}", describe(condition));
        desk.wait_for_change(patience).map_err(|OutOfPatience| Missed::Retry { why })?;
    }
}

/// After an interruption: is what the step promised there already?
pub fn already_there(desk: &mut dyn Workplace, waypoint: &Waypoint) -> Result<bool, Ended> {
    desk.safe_point()?;
    let Some(condition) = &waypoint.postcondition else { return Ok(false) };
    let scene = desk.look()?;
    Ok(desk.holds(&scene, condition))
}

/// Whether the screen looks as it did once.
pub fn looks_as(desk: &mut dyn Workplace, before: &Sight) -> Result<bool, Ended> {
    let mut patience = Patience::new(BLINK, desk.picture().seq);
    loop {
        let scene = desk.look()?;
        if before.is_same(&Sight { frame: desk.picture(), scene }) {
            return Ok(true);
        }
        if desk.wait_for_change(&mut patience).is_err() {
            return Ok(false);
        }
    }
}

pub fn end_step(
    desk: &dyn Workplace,
    order: &WorkOrder,
    waypoint: &Waypoint,
    begun: Instant,
    result: StepResult,
) -> Result<(), Ended> {
    let worker = desk.worker();
    let mut bodies = Vec::new();
    if let (Verb::Flag { remark }, StepResult::Passed) = (&waypoint.verb, &result) {
        bodies.push(EventBody::Flagged { worker: worker.clone(), order: order.id.clone(), remark: remark.clone() });
    }
    let took = Millis(begun.elapsed().as_millis() as u64);
    bodies.push(EventBody::StepEnded { worker, order: order.id.clone(), step: waypoint.step.clone(), took, result });
    desk.note(bodies)
}

fn describe(condition: &Condition) -> String {
    let target = |target: &mz_protocol::Target| match (&target.role, &target.label, &target.cell) {
        (_, _, Some(cell)) => format!("cell {cell}"),
        (Some(role), Some(label), _) => format!("the {role:?} \u{201c}{label}\u{201d}").to_lowercase(),
        (_, Some(label), _) => format!("\u{201c}{label}\u{201d}"),
        (Some(role), None, _) => format!("a {role:?}").to_lowercase(),
        _ => "it".to_owned(),
    };
    match condition {
        Condition::Appears { target: t } => format!("{} is there", target(t)),
        Condition::Gone { target: t } => format!("{} is gone", target(t)),
        Condition::Text { text } => format!("the screen says \u{201c}{text}\u{201d}"),
        Condition::NoText { text } => format!("\u{201c}{text}\u{201d} has gone from the screen"),
        Condition::Title { text } => format!("the window is called \u{201c}{text}\u{201d}"),
        Condition::Value { target: t, text } => format!("{} holds \u{201c}{text}\u{201d}", target(t)),
        Condition::File { path } => format!("the file {path} exists"),
        Condition::Not { condition } => format!("it is otherwise than that {}", describe(condition)),
    }
}
