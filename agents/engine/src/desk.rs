//! One worker at its desk: what the worker loop may see and do. It looks through the scene, acts through the floor's
//! gate and the dispatcher, and waits where a human has the word.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mz_company::Seen;
use mz_desktop::{Desktop, Frame};
use mz_gate::{Facts, PendingText, Permit, Proposed};
use mz_protocol::{
    Action, ActionResult, Actor, ApprovalRequest, ApprovalState, Condition, DepartmentId, Digest, EventBody, Millis,
    OrderState, Point, Proposal, Rect, Risk, RoleId, Scene, States, StepResult, TypedText, Verdict, Waypoint, WorkOrder,
    WorkOrderId, WorkerId,
};
use mz_scene::{SceneBuilder, digest, holds};

use crate::clock;
use crate::dispatch::{DispatchError, Dispatcher, Judged};
use crate::floor::{Floor, FloorError};
use crate::reflex::{Aim, Intent, focus_aim};
use crate::worker::{Ended, Missed};

pub use crate::dispatch::Sent;

/// The accessibility tree must come within this time; a desktop that takes longer hangs.
const TREE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a screen must stand still before it counts as settled, and how long one waits for that.
const STILL: Duration = Duration::from_millis(60);
const SETTLE_DEADLINE: Duration = Duration::from_millis(1200);
/// With no change on the screen, the tree is still read again after this time.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// The screen's answer to an action is awaited this long before it counts as unverifiable.
const ANSWER: Duration = Duration::from_millis(150);
/// A check looks at what is there; it waits only for a screen that is still being drawn.
const CHECK_TIMEOUT: Duration = Duration::from_secs(4);

/// Who sits here.
#[derive(Debug, Clone)]
pub struct Seat {
    pub worker: WorkerId,
    pub role: RoleId,
    pub department: DepartmentId,
}

pub struct Desk {
    pub seat: Seat,
    floor: Arc<Floor>,
    desktop: Arc<dyn Desktop>,
    dispatcher: Arc<Dispatcher>,
    last_host: Box<dyn Fn() -> Option<String> + Send>,
    scenes: SceneBuilder,
    scene: Option<Arc<Scene>>,
    order: Option<WorkOrderId>,
    /// What stands in the lines that are being typed.
    pending: PendingText,
}

/// How long one may wait for a waypoint; restarts with each action that was sent.
#[derive(Debug)]
pub struct Patience {
    span: Duration,
    until: Instant,
    seen: u64,
}

/// The time that a waypoint had is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfPatience;

impl Patience {
    pub fn restart(&mut self) {
        self.until = Instant::now() + self.span;
    }
}

impl Desk {
    pub fn new(
        seat: Seat,
        floor: Arc<Floor>,
        desktop: Arc<dyn Desktop>,
        dispatcher: Arc<Dispatcher>,
        last_host: Box<dyn Fn() -> Option<String> + Send>,
    ) -> Self {
        let scenes = SceneBuilder::new(desktop.size());
        Self { seat, floor, desktop, dispatcher, last_host, scenes, scene: None, order: None, pending: PendingText::new() }
    }

    pub fn begin(&mut self, order: &WorkOrder) {
        self.order = Some(order.id.clone());
    }

    pub fn worker(&self) -> WorkerId {
        self.seat.worker.clone()
    }

    /// Waits while the worker is stopped or driven by a human. An error means that the order is over.
    pub fn safe_point(&mut self) -> Result<(), Ended> {
        loop {
            if let Err(why) = self.desktop.alive() {
                return Err(Ended::Lost { why });
            }
            if self.floor.is_shutting_down() {
                return Err(Ended::Lost { why: "the engine is shutting down".to_owned() });
            }
            if let Some(order) = &self.order
                && self.floor.order_state(order) == Some(OrderState::Cancelled)
            {
                return Err(Ended::Cancelled);
            }
            if self.floor.may_act(&self.seat) {
                return Ok(());
            }
            self.floor.wait_for_change(Duration::from_millis(500));
        }
    }

    /// Reads the screen.
    pub fn look(&mut self) -> Result<Arc<Scene>, String> {
        let tree = self.desktop.tree(TREE_DEADLINE).map_err(|error| self.desktop.alive().err().unwrap_or(error.to_string()))?;
        let scene = self.scenes.update(&tree, clock::now());
        self.scene = Some(Arc::clone(&scene));
        Ok(scene)
    }

    pub fn seen<'a>(&'a self, scene: &'a Scene) -> Look<'a> {
        Look { scene, desktop: self.desktop.as_ref() }
    }

    pub fn window_titles(&self) -> Vec<String> {
        self.scene.iter().flat_map(|scene| scene.windows.iter().map(|window| window.title.clone())).collect()
    }

    pub fn patience(&self, waypoint: &Waypoint) -> Patience {
        let span = match waypoint.verb {
            mz_protocol::Verb::Check => CHECK_TIMEOUT,
            _ => Duration::from(waypoint.timeout),
        };
        Patience { span, until: Instant::now() + span, seen: self.desktop.frames().latest().seq }
    }

    /// Of the whole screen.
    pub fn screen_digest(&self, scene: &Scene) -> Result<Digest, String> {
        let frame = self.desktop.frames().latest();
        Ok(digest(&frame.pixels, frame.size, scene.size.rect()))
    }

    /// Returns when the screen has changed or it is time to look again; an error means that patience is over.
    pub fn wait_for_change(&mut self, patience: &mut Patience) -> Result<(), OutOfPatience> {
        let left = patience.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(OutOfPatience);
        }
        if let Some(frame) = self.desktop.frames().wait_newer(patience.seen, left.min(LOOK_AGAIN)) {
            patience.seen = frame.seq;
        }
        Ok(())
    }

    /// Waits until what the step promised can be seen.
    pub fn check_postcondition(&mut self, waypoint: &Waypoint, patience: &mut Patience) -> Result<(), Missed> {
        let Some(condition) = &waypoint.postcondition else { return self.remark(waypoint) };
        loop {
            self.safe_point().map_err(Missed::End)?;
            let scene = self.look().map_err(|why| Missed::End(Ended::Lost { why }))?;
            if self.seen(&scene).holds(condition) {
                return self.remark(waypoint);
            }
            let why = format!("I do not see that {}", describe(condition));
            self.wait_for_change(patience).map_err(|OutOfPatience| Missed::Retry { why })?;
        }
    }

    /// After an interruption: is what the step promised there already?
    pub fn already_there(&mut self, waypoint: &Waypoint) -> Result<bool, Ended> {
        self.safe_point()?;
        let Some(condition) = &waypoint.postcondition else { return Ok(false) };
        let scene = self.look().map_err(|why| Ended::Lost { why })?;
        Ok(self.seen(&scene).holds(condition))
    }

    fn remark(&mut self, waypoint: &Waypoint) -> Result<(), Missed> {
        if let (mz_protocol::Verb::Flag { remark }, Some(order)) = (&waypoint.verb, &self.order) {
            let body = EventBody::Flagged { worker: self.worker(), order: order.clone(), remark: remark.clone() };
            self.note(vec![body]).map_err(Missed::End)?;
        }
        Ok(())
    }

    /// Puts events of this worker into the ledger.
    pub fn note(&self, bodies: Vec<EventBody>) -> Result<(), Ended> {
        self.floor.record(Actor::Worker(self.worker()), bodies).map_err(lost)
    }

    pub fn end_step(&self, order: &WorkOrder, waypoint: &Waypoint, begun: Instant, result: StepResult) -> Result<(), Ended> {
        self.note(vec![EventBody::StepEnded {
            worker: self.worker(),
            order: order.id.clone(),
            step: waypoint.step.clone(),
            took: Millis(begun.elapsed().as_millis() as u64),
            result,
        }])
    }

    /// Asks a person and waits until one has helped. An error means that the order ended instead.
    pub fn ask_for_help(&mut self, order: &WorkOrder, why: &str) -> Result<(), Ended> {
        self.floor.ask_for_help(&self.seat.worker, &order.id, why).map_err(lost)?;
        while self.floor.order_state(&order.id) == Some(OrderState::NeedsHelp) {
            if let Err(why) = self.desktop.alive() {
                return Err(Ended::Lost { why });
            }
            if self.floor.is_shutting_down() {
                return Err(Ended::Lost { why: "the engine is shutting down".to_owned() });
            }
            self.floor.wait_for_change(Duration::from_millis(500));
        }
        self.safe_point()
    }

    /// Takes an intent through the gate and onto the desktop.
    pub fn dispatch(&mut self, waypoint: &Waypoint, intent: Intent, scene: &Scene) -> Result<Sent, Missed> {
        let mut intent = intent;
        if let Action::Click { at, .. } = intent.action {
            // The pointer rests on the target before the screen is kept, since buttons light up under it.
            self.hover(waypoint, at, &intent, scene)?;
        }
        loop {
            let frame = self.settled(intent.aim.as_ref().map(|aim| aim.region))?;
            let (proposal, facts) = self.proposal(waypoint, &intent.action, intent.aim.as_ref(), scene, &frame);
            match self.floor.propose(proposal.clone(), facts, &frame).map_err(|error| Missed::End(lost(error)))? {
                Proposed::Allowed(permit) => return self.carry_out(permit, &proposal),
                Proposed::Refused(_) => return Err(Missed::LookAgain),
                Proposed::Denied(verdict) => return Err(Missed::End(Ended::NeedsHelp { why: forbidden(&verdict) })),
                Proposed::Waiting(request) => match self.wait_for_decision(&request)? {
                    Answered::Approved => return self.redeem(&request),
                    Answered::Edited(text) => intent.action = Action::Type { text: TypedText::Plain(text) },
                },
            }
        }
    }

    /// Brings the pointer to its target: an action that no person is asked about.
    fn hover(&mut self, waypoint: &Waypoint, at: Point, intent: &Intent, scene: &Scene) -> Result<(), Missed> {
        let frame = self.desktop.frames().latest();
        let (proposal, facts) = self.proposal(waypoint, &Action::Move { at }, intent.aim.as_ref(), scene, &frame);
        match self.floor.propose(proposal.clone(), facts, &frame).map_err(|error| Missed::End(lost(error)))? {
            Proposed::Allowed(permit) => self.dispatcher.send(permit, judged(&proposal)).map(drop).map_err(dispatch_lost),
            Proposed::Denied(verdict) => Err(Missed::End(Ended::NeedsHelp { why: forbidden(&verdict) })),
            Proposed::Waiting(_) | Proposed::Refused(_) => Err(Missed::LookAgain),
        }
    }

    /// The target's pixels, once they stand still.
    fn settled(&self, region: Option<Rect>) -> Result<Arc<Frame>, Missed> {
        let feed = self.desktop.frames();
        let region = region.unwrap_or(self.desktop.size().rect());
        let deadline = Instant::now() + SETTLE_DEADLINE;
        let mut frame = feed.latest();
        let mut last = digest(&frame.pixels, frame.size, region);
        let mut still_since = Instant::now();
        while still_since.elapsed() < STILL && Instant::now() < deadline {
            if let Some(newer) = feed.wait_newer(frame.seq, STILL) {
                frame = newer;
                let now = digest(&frame.pixels, frame.size, region);
                if now != last {
                    (last, still_since) = (now, Instant::now());
                }
            }
        }
        Ok(frame)
    }

    fn proposal(
        &self,
        waypoint: &Waypoint,
        action: &Action,
        aim: Option<&Aim>,
        scene: &Scene,
        frame: &Frame,
    ) -> (Proposal, Facts) {
        let fallback = focus_aim(scene);
        let aim = aim.or(fallback.as_ref());
        let region = aim.map_or(scene.size.rect(), |aim| aim.region);
        let window = match action.place() {
            Some(point) => scene.window_at(point).or_else(|| scene.active_window()),
            None => scene.active_window(),
        };
        let application = match action {
            Action::Launch { program, .. } => program.clone(),
            _ => window.map(|window| window.application.clone()).unwrap_or_default(),
        };
        let host = mz_gate::is_browser(&application).then(|| (self.last_host)()).flatten();
        let element = aim.and_then(|aim| aim.element).and_then(|id| scene.element(id));
        let facts = Facts {
            pending_text: self.pending.text(&application).to_owned(),
            line_unknown: self.pending.is_unknown(&application),
            field_secret: aim.is_some_and(|aim| aim.secret),
            multiline: element.is_some_and(|element| element.states.contains(States::MULTILINE)),
            frame: None,
        };
        let proposal = Proposal {
            worker: self.worker(),
            role: self.seat.role.clone(),
            department: self.seat.department.clone(),
            order: self.order.clone(),
            action: action.clone(),
            application,
            window_title: window.map(|window| window.title.clone()).unwrap_or_default(),
            host,
            target_role: aim.and_then(|aim| aim.role),
            target_name: aim.map(|aim| aim.name.clone()).unwrap_or_default(),
            region,
            screen_digest: digest(&frame.pixels, frame.size, region),
            scene_version: scene.version,
            effect: mz_protocol::Effect::None,
            text_class: mz_protocol::TextClass::empty(),
            amount_cents: None,
            risk: waypoint.risk.max(Risk::Low),
            reason: waypoint.reason.clone(),
        };
        (proposal, facts)
    }

    fn wait_for_decision(&mut self, request: &ApprovalRequest) -> Result<Answered, Missed> {
        let feed = self.desktop.frames();
        let region = request.proposal.region;
        let mut seen = feed.latest().seq;
        loop {
            match self.floor.approval_state(&request.id) {
                Some(ApprovalState::Approved { .. }) => return Ok(Answered::Approved),
                Some(ApprovalState::Vetoed { reason, .. }) => return Err(Missed::End(Ended::Vetoed { reason })),
                Some(ApprovalState::Edited { .. }) => {
                    return match self.floor.take_edit(&request.id) {
                        Some(text) => Ok(Answered::Edited(text)),
                        None => Err(Missed::LookAgain),
                    };
                }
                Some(ApprovalState::Waiting { .. }) => {}
                _ => return Err(Missed::LookAgain),
            }
            if let Err(why) = self.desktop.alive() {
                self.floor.worker_gone(&self.seat.worker).map_err(|error| Missed::End(lost(error)))?;
                return Err(Missed::End(Ended::Lost { why }));
            }
            self.floor.expire().map_err(|error| Missed::End(lost(error)))?;
            let frame = feed.latest();
            if frame.seq != seen {
                seen = frame.seq;
                let unchanged = digest(&frame.pixels, frame.size, region) == request.proposal.screen_digest;
                self.floor.set_screen_unchanged(&request.id, unchanged);
            }
            self.floor.wait_for_change(Duration::from_millis(200));
        }
    }

    /// Freezes the desktop, looks once more, and acts only if screen and action are those that were approved.
    fn redeem(&mut self, request: &ApprovalRequest) -> Result<Sent, Missed> {
        // What the gate keeps is what was shown, and what is sent.
        let proposal = &request.proposal;
        let frozen = Frozen::new(&*self.desktop).map_err(|why| Missed::End(Ended::Lost { why }))?;
        let frame = self.dispatcher.screenshot().map_err(|error| Missed::End(Ended::Lost { why: error.to_string() }))?;
        let now = digest(&frame.pixels, frame.size, proposal.region);
        let redeemed = self.floor.redeem(&request.id, &self.seat.worker, &proposal.action, now);
        let Ok(permit) = redeemed.map_err(|error| Missed::End(lost(error)))? else { return Err(Missed::LookAgain) };
        let (begun, before) = (Instant::now(), self.desktop.frames().latest().seq);
        let binding = permit.binding();
        let sent = self.dispatcher.send(permit, judged(proposal)).map_err(dispatch_lost);
        drop(frozen);
        self.report(proposal, sent?, (begun, before), Some(binding), &request.rule)
    }

    fn carry_out(&mut self, permit: Permit, proposal: &Proposal) -> Result<Sent, Missed> {
        let (begun, before) = (Instant::now(), self.desktop.frames().latest().seq);
        let binding = Some(permit.binding());
        let rule = permit.rule().unwrap_or_default().to_owned();
        let sent = self.dispatcher.send(permit, judged(proposal)).map_err(dispatch_lost)?;
        self.report(proposal, sent, (begun, before), binding, &rule)
    }

    /// Says in the ledger what became of an action that was sent after the frame with the given number.
    fn report(
        &mut self,
        proposal: &Proposal,
        sent: Sent,
        (begun, before): (Instant, u64),
        binding: Option<Digest>,
        rule: &str,
    ) -> Result<Sent, Missed> {
        self.remember_typed(proposal, sent);
        let changed = self.desktop.frames().wait_newer(before, ANSWER).is_some();
        let outcome = match (sent, changed) {
            (Sent::Whole, true) => ActionResult::Confirmed,
            (Sent::Whole, false) => ActionResult::Unverifiable,
            (Sent::Cut { .. }, _) => ActionResult::OutcomeUnknown,
        };
        self.note(vec![EventBody::ActionDone {
            worker: self.worker(),
            order: self.order.clone(),
            action: proposal.action.clone(),
            application: proposal.application.clone(),
            target: proposal.target_name.clone(),
            verdict: mz_protocol::Verdict::Allow { rule: rule.to_owned() },
            outcome,
            binding,
            took: Millis(begun.elapsed().as_millis() as u64),
        }])
        .map_err(Missed::End)?;
        Ok(sent)
    }

    fn remember_typed(&mut self, proposal: &Proposal, sent: Sent) {
        match (&proposal.action, sent) {
            (Action::Type { text: TypedText::Plain(text) }, Sent::Cut { typed }) => {
                let part = Action::Type { text: TypedText::Plain(text.chars().take(typed).collect()) };
                self.pending.note(&proposal.application, &part);
            }
            (action, _) => self.pending.note(&proposal.application, action),
        }
    }
}

fn judged(proposal: &Proposal) -> Judged<'_> {
    Judged { action: &proposal.action, screen: proposal.screen_digest, region: proposal.region }
}

fn forbidden(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Deny { rule, why } => format!("the company's policy forbids this ({rule}): {why}"),
        _ => "the company's policy forbids this".to_owned(),
    }
}

enum Answered {
    Approved,
    Edited(String),
}

/// A desktop that stands still until this is dropped.
struct Frozen<'a>(&'a dyn Desktop);

impl<'a> Frozen<'a> {
    fn new(desktop: &'a dyn Desktop) -> Result<Self, String> {
        desktop.freeze().map_err(|error| error.to_string())?;
        Ok(Self(desktop))
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.thaw() {
            tracing::error!("a desktop stays frozen: {error}");
        }
    }
}

/// What the procedure may ask about the screen.
pub struct Look<'a> {
    scene: &'a Scene,
    desktop: &'a dyn Desktop,
}

impl Seen for Look<'_> {
    fn holds(&self, condition: &Condition) -> bool {
        let file = |path: &str| self.desktop.get_file(path).is_ok_and(|bytes| !bytes.is_empty());
        holds(self.scene, condition, &file)
    }
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

fn lost(error: FloorError) -> Ended {
    Ended::Lost { why: error.to_string() }
}

fn dispatch_lost(error: DispatchError) -> Missed {
    match error {
        DispatchError::NoSecret(_) | DispatchError::Secret(_) | DispatchError::UnknownKey(_) => {
            Missed::End(Ended::NeedsHelp { why: error.to_string() })
        }
        DispatchError::WrongPermit | DispatchError::Desktop(_) => Missed::End(Ended::Lost { why: error.to_string() }),
    }
}
