//! One worker at its desk: what the worker loop may see and do. It looks through the scene, acts through the floor's
//! gate and the dispatcher, and waits where a human has the word.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mz_desktop::{Desktop, DesktopError, Frame};
use mz_gate::{Facts, Permit, PermitKind, Proposed};
use mz_protocol::{
    Action, ActionResult, Actor, ApprovalRequest, ApprovalState, Condition, Digest, EventBody, Millis, OrderState, Point,
    Proposal, Rect, Risk, Scene, States, TypedText, Verdict, Waypoint, WorkOrder, WorkOrderId, WorkerId,
};
use mz_scene::{SceneBuilder, digest, holds};

use crate::clock;
use crate::dispatch::{DispatchError, Dispatcher, Judged, Sent};
use crate::effort::{Given, Sight};
use crate::floor::{Floor, FloorError};
use crate::reflex::{Aim, Intent, focus_aim};
use crate::workplace::{Ended, Missed, OutOfPatience, Patience, Seat, Workplace};

/// The accessibility tree must come within this time; a desktop that takes longer hangs.
const TREE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a screen must stand still before it counts as settled, and how long one waits for that.
const STILL: Duration = Duration::from_millis(60);
const SETTLE_DEADLINE: Duration = Duration::from_millis(1200);
/// A screen that is being drawn is read when it stands still, or after this time: reading takes the programs' time too.
const DRAWN: Duration = Duration::from_millis(500);
/// With no change on the screen, the tree is still read again after this time.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// The screen's answer to an action is awaited this long before it counts as unverifiable.
const ANSWER: Duration = Duration::from_millis(150);
/// A check looks at what is there; it waits only for a screen that is still being drawn.
const CHECK_TIMEOUT: Duration = Duration::from_secs(4);

pub struct Desk {
    pub seat: Seat,
    floor: Arc<Floor>,
    desktop: Arc<dyn Desktop>,
    dispatcher: Arc<Dispatcher>,
    last_host: Box<dyn Fn() -> Option<String> + Send>,
    scenes: SceneBuilder,
    looked: Option<Looked>,
    order: Option<WorkOrderId>,
}

/// One reading of the screen. It stands for the next ones too, for as long as the picture is the same, nothing was sent
/// and it is not time to look again anyway.
struct Looked {
    scene: Arc<Scene>,
    /// The newest picture when the reading began.
    picture: Arc<Frame>,
    begun: Instant,
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
        Self { seat, floor, desktop, dispatcher, last_host, scenes, looked: None, order: None }
    }

    pub fn begin(&mut self, order: &WorkOrder) {
        self.order = Some(order.id.clone());
    }
}

impl Workplace for Desk {
    fn worker(&self) -> WorkerId {
        self.seat.worker.clone()
    }

    fn safe_point(&mut self) -> Result<(), Ended> {
        loop {
            if let Some(order) = &self.order
                && self.floor.order_state(order) == Some(OrderState::Cancelled)
            {
                return Err(Ended::Cancelled);
            }
            if let Err(why) = self.desktop.alive() {
                return Err(Ended::Lost { why });
            }
            if self.floor.is_shutting_down() {
                return Err(Ended::Lost { why: "the engine is shutting down".to_owned() });
            }
            if self.floor.may_act(&self.seat) {
                return Ok(());
            }
            self.looked = None;
            self.floor.wait_for_change(Duration::from_millis(500));
        }
    }

    fn look(&mut self) -> Result<Arc<Scene>, Ended> {
        if let Some(last) = &self.looked
            && last.picture.seq == self.picture().seq
            && last.begun.elapsed() < LOOK_AGAIN
        {
            return Ok(Arc::clone(&last.scene));
        }
        let (picture, begun) = (self.drawn(), Instant::now());
        let gone = |error: DesktopError| Ended::Lost { why: self.desktop.alive().err().unwrap_or(error.to_string()) };
        let mut tree = self.desktop.tree(TREE_DEADLINE).map_err(gone)?;
        self.dispatcher.mask().scrub(&mut tree, self.desktop.size());
        let scene = self.scenes.update(&tree, clock::now());
        self.dispatcher.mask().follow(&scene);
        self.looked = Some(Looked { scene: Arc::clone(&scene), picture, begun });
        Ok(scene)
    }

    fn picture(&self) -> Arc<Frame> {
        self.desktop.frames().latest()
    }

    fn holds(&self, scene: &Scene, condition: &Condition) -> bool {
        let file = |path: &str| self.desktop.get_file(path).is_ok_and(|bytes| !bytes.is_empty());
        holds(scene, condition, &file)
    }

    fn patience(&self, waypoint: &Waypoint) -> Patience {
        let span = match waypoint.verb {
            mz_protocol::Verb::Check => CHECK_TIMEOUT,
            _ => Duration::from(waypoint.timeout),
        };
        Patience::new(span, self.picture().seq)
    }

    fn wait_for_change(&mut self, patience: &mut Patience) -> Result<(), OutOfPatience> {
        let left = patience.left();
        if left.is_zero() {
            return Err(OutOfPatience);
        }
        if let Some(frame) = self.desktop.frames().wait_newer(patience.seen, left.min(LOOK_AGAIN)) {
            patience.seen = frame.seq;
        }
        Ok(())
    }

    fn dispatch(&mut self, waypoint: &Waypoint, intent: Intent, scene: &Arc<Scene>) -> Result<Given, Missed> {
        let given = self.act(waypoint, intent, scene);
        // What was seen before is not what there is now.
        self.looked = None;
        given
    }

    fn driven(&self) -> u64 {
        self.floor.driven(&self.seat.worker)
    }

    fn note(&self, bodies: Vec<EventBody>) -> Result<(), Ended> {
        self.floor.record(Actor::Worker(self.worker()), bodies).map_err(lost)
    }

    fn ask_for_help(&mut self, order: &WorkOrder, why: &str) -> Result<(), Ended> {
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
        self.looked = None;
        self.safe_point()
    }
}

impl Desk {
    /// Takes an intent through the gate and onto the desktop.
    fn act(&mut self, waypoint: &Waypoint, intent: Intent, scene: &Arc<Scene>) -> Result<Given, Missed> {
        let mut intent = intent;
        let looked = self.looked.as_ref().map(|last| Arc::clone(&last.picture));
        let mut edited = false;
        if let Action::Click { at, .. } = intent.action {
            // The pointer rests on the target before the screen is kept, since buttons light up under it.
            self.hover(waypoint, at, &intent, scene)?;
        }
        loop {
            let frame = self.settled(intent.aim.as_ref().map(|aim| aim.region))?;
            if matches!(intent.action, Action::Key { .. } | Action::Type { .. }) {
                self.same_window(scene, frame.seq)?;
            } else {
                self.same_target(scene, &intent, looked.as_deref(), &frame)?;
            }
            let (proposal, facts) = self.proposal(waypoint, &intent.action, intent.aim.as_ref(), scene, &frame);
            match self
                .floor
                .propose(proposal.clone(), facts, &self.dispatcher.mask().cover(&frame))
                .map_err(|error| Missed::End(lost(error)))?
            {
                Proposed::Allowed(permit) => {
                    let answered = is_answered(&permit);
                    let sent = self.carry_out(permit, &proposal)?;
                    return Ok(Given { sent, edited, answered, before: Sight { frame, scene: Arc::clone(scene) } });
                }
                Proposed::Refused(_) => return Err(Missed::LookAgain),
                Proposed::Denied(verdict) => return Err(Missed::End(Ended::NeedsHelp { why: forbidden(&verdict) })),
                Proposed::Waiting(request) => match self.wait_for_decision(&request)? {
                    Answered::Approved => {
                        let sent = self.redeem(&request)?;
                        let before = Sight { frame, scene: Arc::clone(scene) };
                        return Ok(Given { sent, edited, answered: true, before });
                    }
                    Answered::Edited(text) => {
                        intent.action = Action::Type { text: TypedText::Plain(text) };
                        edited = true;
                    }
                },
            }
        }
    }

    /// Keys go to the window that is active when they arrive: where the screen has changed since the look, it must still
    /// be the same one.
    fn same_window(&mut self, scene: &Scene, picture: u64) -> Result<(), Missed> {
        if self.looked.as_ref().is_some_and(|last| last.picture.seq == picture) {
            return Ok(());
        }
        let now = self.look().map_err(Missed::End)?;
        let active = |scene: &Scene| scene.active_window().map(|window| (window.application.clone(), window.title.clone()));
        if active(&now) == active(scene) { Ok(()) } else { Err(Missed::LookAgain) }
    }

    /// A page may have moved since the look: what lies under the pointer must still be what was aimed at.
    fn same_target(&mut self, scene: &Scene, intent: &Intent, looked: Option<&Frame>, now: &Frame) -> Result<(), Missed> {
        let Some((aim, element)) = intent.aim.as_ref().and_then(|aim| Some((aim, scene.element(aim.element?)?))) else {
            return Ok(());
        };
        let pixels = |frame: &Frame| digest(&frame.pixels, frame.size, element.bounds);
        if looked.is_some_and(|looked| looked.size == now.size && pixels(looked) == pixels(now)) {
            return Ok(());
        }
        let fresh = self.look().map_err(Missed::End)?;
        let window =
            |scene: &Scene| scene.window_at(aim.point).map(|window| (window.application.clone(), window.title.clone()));
        let same = fresh
            .element(element.id)
            .is_some_and(|found| found.role == element.role && found.name == element.name && found.bounds.contains(aim.point));
        if same && window(&fresh) == window(scene) { Ok(()) } else { Err(Missed::LookAgain) }
    }

    /// Brings the pointer to its target: an action that no person is asked about.
    fn hover(&mut self, waypoint: &Waypoint, at: Point, intent: &Intent, scene: &Scene) -> Result<(), Missed> {
        let frame = self.desktop.frames().latest();
        let (proposal, facts) = self.proposal(waypoint, &Action::Move { at }, intent.aim.as_ref(), scene, &frame);
        match self
            .floor
            .propose(proposal.clone(), facts, &self.dispatcher.mask().cover(&frame))
            .map_err(|error| Missed::End(lost(error)))?
        {
            Proposed::Allowed(permit) => self.send(permit, &proposal).map(drop),
            Proposed::Denied(verdict) => Err(Missed::End(Ended::NeedsHelp { why: forbidden(&verdict) })),
            Proposed::Waiting(_) | Proposed::Refused(_) => Err(Missed::LookAgain),
        }
    }

    /// The newest picture, once the screen stands still.
    fn drawn(&self) -> Arc<Frame> {
        let feed = self.desktop.frames();
        let deadline = Instant::now() + DRAWN;
        let mut frame = feed.latest();
        while Instant::now() < deadline
            && let Some(newer) = feed.wait_newer(frame.seq, STILL)
        {
            frame = newer;
        }
        frame
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
            field_secret: aim.is_some_and(|aim| aim.secret),
            multiline: element.is_some_and(|element| element.states.contains(States::MULTILINE)),
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
            line: None,
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
        let frozen = Frozen::new(&*self.desktop, &self.dispatcher).map_err(|why| Missed::End(Ended::Lost { why }))?;
        let frame = self.dispatcher.screenshot().map_err(|error| Missed::End(Ended::Lost { why: error.to_string() }))?;
        let now = digest(&frame.pixels, frame.size, proposal.region);
        let redeemed = self.floor.redeem(&request.id, &self.seat.worker, &proposal.action, now);
        let Some(permit) = redeemed.map_err(|error| Missed::End(lost(error)))? else { return Err(Missed::LookAgain) };
        let (begun, before) = (Instant::now(), self.desktop.frames().latest().seq);
        let binding = permit.binding();
        let sent = self.send(permit, proposal);
        drop(frozen);
        self.report(proposal, sent?, (begun, before), Some(binding), &request.rule)
    }

    /// What was not sent as a whole may stand half typed in a line.
    fn send(&self, permit: Permit, proposal: &Proposal) -> Result<Sent, Missed> {
        let sent = self.dispatcher.send(permit, judged(proposal)).map_err(dispatch_lost);
        if !matches!(sent, Ok(Sent::Whole)) {
            self.floor.doubt(&self.seat.worker);
        }
        sent
    }

    fn carry_out(&mut self, permit: Permit, proposal: &Proposal) -> Result<Sent, Missed> {
        let (begun, before) = (Instant::now(), self.desktop.frames().latest().seq);
        let binding = Some(permit.binding());
        let rule = permit.rule().unwrap_or_default().to_owned();
        let sent = self.send(permit, proposal)?;
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
        // A program that starts answers later, with its window.
        let starts = matches!(proposal.action, Action::Launch { .. });
        let changed = !starts && self.desktop.frames().wait_newer(before, ANSWER).is_some();
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

/// A desktop that stands still until this is dropped: its programs are frozen, and what they had asked of the X server
/// waits from here to the first press.
struct Frozen<'a> {
    desktop: &'a dyn Desktop,
    dispatcher: &'a Dispatcher,
}

impl<'a> Frozen<'a> {
    fn new(desktop: &'a dyn Desktop, dispatcher: &'a Dispatcher) -> Result<Self, String> {
        desktop.freeze().map_err(|error| error.to_string())?;
        let frozen = Self { desktop, dispatcher };
        dispatcher.hold_screen().map_err(|error| error.to_string())?;
        Ok(frozen)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.dispatcher.let_screen_go();
        if let Err(error) = self.desktop.thaw() {
            tracing::error!("a desktop stays frozen: {error}");
        }
    }
}

/// A person has approved it, or granted actions like it.
fn is_answered(permit: &Permit) -> bool {
    matches!(permit.kind(), PermitKind::Agent { approval, grant, .. } if approval.is_some() || grant.is_some())
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
