//! The floor's state and its one owner: ledger, gate and views move together under one lock, and what is to be
//! acknowledged is in the ledger before anyone sees it.

mod manage;
mod orders;
mod storage;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use mz_desktop::Frame;
use mz_gate::{Facts, Gate, Permit, Policy, Pressed, Proposed, Refusal, Step, StopSwitch};
use mz_ledger::{Filter, Ledger, LedgerError, Picture};
use mz_protocol::{
    Action, Actor, ApprovalId, ApprovalState, DepartmentId, Digest, Event, EventBody, Proposal, Push, Snapshot, VoidReason,
    WorkOrderId, WorkerId,
};

use crate::clock;
use crate::views::Views;
use crate::workplace::Seat;

/// Changes that may wait for a follower before it has to start over.
const FOLLOWER_QUEUE: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub enum FloorError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("work stands still, since the ledger can take no more: {0}")]
    Broken(String),
    #[error("there is no work order {0}")]
    NoOrder(WorkOrderId),
    #[error("{0}")]
    Refused(String),
}

pub struct Floor {
    state: Mutex<State>,
    changed: Condvar,
    switch: StopSwitch,
    departments: BTreeMap<DepartmentId, Vec<WorkerId>>,
    shutting_down: AtomicBool,
}

struct State {
    ledger: Ledger,
    gate: Gate,
    policy: Policy,
    views: Views,
    followers: Vec<Sender<Push>>,
    /// What a person wants typed instead, until the worker takes it.
    edits: HashMap<ApprovalId, String>,
    /// Orders that a worker is at right now.
    live: HashSet<WorkOrderId>,
    /// Inputs of persons, for each desktop.
    driven: HashMap<WorkerId, u64>,
    /// Held while the disk has little room: nobody acts, and what happens is still written.
    low: Option<Pressed>,
    /// Set while nothing can be written.
    broken: Option<Broken>,
    /// What the gate has done and the ledger could not take: written before anything else once it can.
    owed: Vec<Event>,
}

/// Why nothing can be recorded.
struct Broken {
    why: String,
    /// Room on the disk mends it.
    for_room: bool,
    _pressed: Pressed,
}

impl Floor {
    /// Folds the ledger into gate and views. `gate` has its workers enrolled.
    pub fn open(ledger: Ledger, mut gate: Gate, policy: Policy, mut views: Views) -> Result<Self, FloorError> {
        let events = ledger.events(&Filter::all())?;
        for record in &events {
            clock::not_before(record.event.at);
            views.apply(&record.event);
        }
        let ended = gate.restore(clock::now(), &events);
        let switch = gate.switch();
        let mut departments = BTreeMap::<_, Vec<_>>::new();
        for view in &views.snapshot.workers {
            departments.entry(view.department.clone()).or_default().push(view.id.clone());
        }
        let state = State {
            ledger,
            gate,
            policy,
            views,
            followers: Vec::new(),
            edits: HashMap::new(),
            live: HashSet::new(),
            driven: HashMap::new(),
            low: None,
            broken: None,
            owed: Vec::new(),
        };
        let floor = Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            switch,
            departments,
            shutting_down: AtomicBool::new(false),
        };
        floor.record(Actor::Engine, ended.events)?;
        Ok(floor)
    }

    /// Writes events; when this returns, they are kept and shown.
    pub fn record(&self, by: Actor, bodies: Vec<EventBody>) -> Result<(), FloorError> {
        let mut state = self.lock();
        self.write(&mut state, by, bodies)
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.lock().views.snapshot.clone();
        snapshot.at = clock::now();
        snapshot
    }

    /// The state now and every change after it. A follower that falls behind is let go: its channel ends.
    pub fn subscribe(&self) -> (Snapshot, Receiver<Push>) {
        let (sender, receiver) = bounded(FOLLOWER_QUEUE);
        let mut state = self.lock();
        state.followers.push(sender);
        let mut snapshot = state.views.snapshot.clone();
        snapshot.at = clock::now();
        (snapshot, receiver)
    }

    /// Returns after the next change of anything, or after `most`.
    pub fn wait_for_change(&self, most: Duration) {
        let state = self.lock();
        drop(self.changed.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits `span`, less if the engine shuts down.
    pub fn pause(&self, span: Duration) {
        let end = std::time::Instant::now() + span;
        while !self.is_shutting_down() {
            let left = end.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return;
            }
            self.wait_for_change(left);
        }
    }

    pub fn shut_down(&self) {
        self.shutting_down.store(true, Ordering::SeqCst);
        self.switch.press_all().for_good();
        self.changed.notify_all();
    }

    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::SeqCst)
    }

    /// Whether this worker may act: not stopped, and nobody drives its desktop.
    pub fn may_act(&self, seat: &Seat) -> bool {
        let state = self.lock();
        state.may_work()
            && state.gate.is_stopped(&seat.worker, &seat.department).is_none()
            && state.gate.driver(&seat.worker).is_none()
    }

    /// Asks the gate about an action on the screen of `frame`. A question keeps that frame as evidence.
    pub fn propose(&self, proposal: Proposal, facts: Facts, frame: &Frame) -> Result<Proposed, FloorError> {
        let mut state = self.lock();
        if !state.may_work() {
            return Ok(Proposed::Refused(Refusal::StandsStill));
        }
        if let Some(order) = state.ended(proposal.order.as_ref()) {
            return Ok(Proposed::Refused(Refusal::OrderEnded(order)));
        }
        let by = Actor::Worker(proposal.worker.clone());
        let State { gate, policy, .. } = &mut *state;
        let mut step = gate.propose(clock::now(), proposal, &facts, policy);
        if let Err(error) = self.keep_frame(&mut state, &mut step, frame) {
            state.owe(stamped(by, step.events));
            return Err(error);
        }
        self.settle(&mut state, by, step)
    }

    /// A question that is new keeps the whole frame before anyone hears of it; without its picture it is not asked.
    fn keep_frame(&self, state: &mut State, step: &mut Step<Proposed>, frame: &Frame) -> Result<(), FloorError> {
        let asked = step.events.iter().position(|event| matches!(event, EventBody::ApprovalAsked { .. }));
        let Some(asked) = asked else { return Ok(()) };
        let kept = self.put_frame(state, frame);
        match (kept, &mut step.events[asked]) {
            (Ok(digest), EventBody::ApprovalAsked { frame, .. }) => {
                *frame = digest;
                Ok(())
            }
            (Ok(_), _) => Ok(()),
            (Err(error), _) => {
                if let Proposed::Waiting(request) = &step.result {
                    drop(state.gate.void(clock::now(), &request.id, VoidReason::ScreenChanged));
                }
                step.events.remove(asked);
                Err(error)
            }
        }
    }

    /// What was let through did not arrive as a whole.
    pub fn doubt(&self, worker: &WorkerId) {
        self.lock().gate.doubt(worker);
    }

    /// Right before an approved action is sent: `screen` is the digest of a capture of the frozen desktop. None where
    /// the approval does not hold, or nobody may act.
    pub fn redeem(
        &self,
        approval: &ApprovalId,
        worker: &WorkerId,
        action: &Action,
        screen: Digest,
    ) -> Result<Option<Permit>, FloorError> {
        let mut state = self.lock();
        let order = state.gate.approval(approval).and_then(|(request, _)| request.proposal.order.clone());
        if !state.may_work() || state.ended(order.as_ref()).is_some() {
            return Ok(None);
        }
        let step = state.gate.redeem(clock::now(), approval, action, screen);
        Ok(self.settle(&mut state, Actor::Worker(worker.clone()), step)?.ok())
    }

    pub fn worker_gone(&self, worker: &WorkerId) -> Result<(), FloorError> {
        let mut state = self.lock();
        let step = state.gate.worker_gone(clock::now(), worker);
        if step.events.is_empty() { Ok(()) } else { self.settle(&mut state, Actor::Engine, step) }
    }

    /// Ends what has run out of time. Called by whoever waits.
    pub fn expire(&self) -> Result<(), FloorError> {
        let mut state = self.lock();
        let step = state.gate.expire(clock::now());
        if step.events.is_empty() { Ok(()) } else { self.settle(&mut state, Actor::Engine, step).map(drop) }
    }

    pub fn approval_state(&self, id: &ApprovalId) -> Option<ApprovalState> {
        self.lock().gate.approval(id).map(|(_, state)| state.clone())
    }

    pub fn take_edit(&self, id: &ApprovalId) -> Option<String> {
        self.lock().edits.remove(id)
    }

    pub fn set_screen_unchanged(&self, id: &ApprovalId, unchanged: bool) {
        let mut state = self.lock();
        if let Some(push) = state.views.set_screen_unchanged(id, unchanged) {
            tell(&mut state.followers, &[push]);
        }
    }

    pub fn set_steps(&self, worker: &WorkerId, steps: Vec<String>) {
        self.lock().views.set_steps(worker, steps);
    }

    pub fn evidence(&self, digest: Digest) -> Result<Picture, FloorError> {
        Ok(self.lock().ledger.get_frame(digest)?)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_frame(&self, state: &mut State, frame: &Frame) -> Result<Digest, FloorError> {
        match state.ledger.put_frame(&frame.pixels, frame.size) {
            Ok(digest) => Ok(digest),
            Err(error) => {
                self.broke(state, &error);
                Err(error.into())
            }
        }
    }

    /// The gate's rule: the events are written before the result is acted on. What cannot be written now is owed,
    /// since the gate has moved already; until it is, nothing is acknowledged, not even what needs no event of its own.
    fn settle<T>(&self, state: &mut State, by: Actor, step: Step<T>) -> Result<T, FloorError> {
        let events = stamped(by, step.events);
        if let Some(broken) = &state.broken {
            let why = broken.why.clone();
            state.owe(events);
            return Err(FloorError::Broken(why));
        }
        match self.append(state, &events) {
            Ok(()) => Ok(step.result),
            Err(error) => {
                state.owe(events);
                Err(error)
            }
        }
    }

    fn write(&self, state: &mut State, by: Actor, bodies: Vec<EventBody>) -> Result<(), FloorError> {
        self.append(state, &stamped(by, bodies))
    }

    fn append(&self, state: &mut State, events: &[Event]) -> Result<(), FloorError> {
        if events.is_empty() {
            return Ok(());
        }
        if let Some(broken) = &state.broken {
            return Err(FloorError::Broken(broken.why.clone()));
        }
        let records = match state.ledger.append(events) {
            Ok(records) => records,
            Err(error) => {
                self.broke(state, &error);
                return Err(error.into());
            }
        };
        for record in records {
            let mut pushes = state.views.apply(&record.event);
            pushes.push(Push::Event { record: Box::new(record) });
            tell(&mut state.followers, &pushes);
        }
        self.changed.notify_all();
        Ok(())
    }

    fn show_company(&self, state: &mut State) {
        if let Some(company) = state.views.snapshot.company.clone() {
            tell(&mut state.followers, &[Push::Company { company: Box::new(company) }]);
        }
        self.changed.notify_all();
    }
}

impl State {
    /// Whether anybody may act at all, as far as the disk goes.
    fn may_work(&self) -> bool {
        self.low.is_none() && self.broken.is_none()
    }

    /// This order, where it is over.
    fn ended(&self, order: Option<&WorkOrderId>) -> Option<WorkOrderId> {
        order.filter(|id| self.views.order(id).is_some_and(|view| view.state.is_final())).cloned()
    }
}

fn stamped(by: Actor, bodies: Vec<EventBody>) -> Vec<Event> {
    let at = clock::now();
    bodies.into_iter().map(|body| Event { at, by: by.clone(), body }).collect()
}

/// Lets go of followers that are gone or too slow.
fn tell(followers: &mut Vec<Sender<Push>>, pushes: &[Push]) {
    followers.retain(|follower| pushes.iter().all(|push| follower.try_send(push.clone()).is_ok()));
}
