//! The right to send one action, and the switch that takes it back in the middle of a word.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use mz_protocol::{ApprovalId, CommandLine, Digest, Effect, GrantId, LeaseId, Timestamp, WorkerId};

/// For one worker: counts every cut, and says whether it is stopped now.
#[derive(Debug, Default)]
pub(crate) struct WorkerSwitch {
    generation: AtomicU64,
    /// By the gate.
    stopped: AtomicBool,
    /// How many hold it down beside the gate.
    pressed: AtomicU32,
}

impl WorkerSwitch {
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst) || self.pressed.load(Ordering::SeqCst) > 0
    }
}

/// Shared between the gate and whoever must cut without waiting for the gate's lock.
#[derive(Clone, Default)]
pub struct StopSwitch {
    workers: Arc<RwLock<BTreeMap<WorkerId, Arc<WorkerSwitch>>>>,
}

/// Holds switches down until it is dropped, whatever the gate or others who press say meanwhile.
#[must_use = "dropped, it lets the workers go on"]
pub struct Pressed(Vec<Arc<WorkerSwitch>>);

impl Pressed {
    fn new(switches: Vec<Arc<WorkerSwitch>>) -> Self {
        for switch in &switches {
            switch.pressed.fetch_add(1, Ordering::SeqCst);
            switch.generation.fetch_add(1, Ordering::SeqCst);
        }
        Self(switches)
    }

    /// Never lets go.
    pub fn for_good(mut self) {
        self.0.clear();
    }
}

impl Drop for Pressed {
    fn drop(&mut self) {
        for switch in &self.0 {
            switch.pressed.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl StopSwitch {
    /// Stops this worker before the gate's own stop has its turn at the lock: every permit that is out is worthless
    /// from here on. To be held until `Gate::stop` has taken over.
    pub fn press(&self, worker: &WorkerId) -> Pressed {
        Pressed::new(vec![self.of(worker)])
    }

    /// The same for every worker there is.
    pub fn press_all(&self) -> Pressed {
        Pressed::new(self.workers.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect())
    }

    pub fn is_stopped(&self, worker: &WorkerId) -> bool {
        self.of(worker).is_stopped()
    }

    /// Makes every permit of this worker that is out now worthless.
    pub(crate) fn cut(&self, worker: &WorkerId) {
        self.of(worker).generation.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn set_stopped(&self, worker: &WorkerId, stopped: bool) {
        self.of(worker).stopped.store(stopped, Ordering::SeqCst);
    }

    pub(crate) fn of(&self, worker: &WorkerId) -> Arc<WorkerSwitch> {
        if let Some(switch) = self.workers.read().unwrap_or_else(PoisonError::into_inner).get(worker) {
            return switch.clone();
        }
        self.workers.write().unwrap_or_else(PoisonError::into_inner).entry(worker.clone()).or_default().clone()
    }
}

/// On whose behalf a permit lets input through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermitKind {
    /// The worker's own action, allowed by this rule.
    Agent { rule: String, approval: Option<ApprovalId>, grant: Option<GrantId> },
    /// A person who has taken over.
    Human { lease: LeaseId },
    /// Letting go of keys and buttons that are held; never halted.
    Release,
}

/// The right to send one action to one desktop. Only the gate makes one; it cannot be copied, and dispatch
/// takes it by value, so it is used once.
pub struct Permit {
    worker: WorkerId,
    kind: PermitKind,
    binding: Digest,
    line: Option<CommandLine>,
    effect: Effect,
    host: Option<String>,
    expires: Timestamp,
    generation: u64,
    switch: Arc<WorkerSwitch>,
}

impl Permit {
    pub(crate) fn new(worker: &WorkerId, kind: PermitKind, binding: Digest, expires: Timestamp, switch: &StopSwitch) -> Self {
        let switch = switch.of(worker);
        let generation = switch.generation.load(Ordering::SeqCst);
        Self {
            worker: worker.clone(),
            kind,
            binding,
            line: None,
            effect: Effect::None,
            host: None,
            expires,
            generation,
            switch,
        }
    }

    pub(crate) fn on_line(self, line: Option<CommandLine>) -> Self {
        Self { line, ..self }
    }

    pub(crate) fn reaching(self, effect: Effect, host: Option<String>) -> Self {
        Self { effect, host, ..self }
    }

    /// What the action was judged to do outside.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The host that it was judged to reach, where one was known.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The command line that the action was judged with.
    pub fn line(&self) -> Option<&CommandLine> {
        self.line.as_ref()
    }

    pub fn worker(&self) -> &WorkerId {
        &self.worker
    }

    pub fn kind(&self) -> &PermitKind {
        &self.kind
    }

    /// Of the action and the screen; zero for a person's input and for a release.
    pub fn binding(&self) -> Digest {
        self.binding
    }

    pub fn rule(&self) -> Option<&str> {
        match &self.kind {
            PermitKind::Agent { rule, .. } => Some(rule),
            _ => None,
        }
    }

    pub fn approval(&self) -> Option<&ApprovalId> {
        match &self.kind {
            PermitKind::Agent { approval, .. } => approval.as_ref(),
            _ => None,
        }
    }

    pub fn grant(&self) -> Option<&GrantId> {
        match &self.kind {
            PermitKind::Agent { grant, .. } => grant.as_ref(),
            _ => None,
        }
    }

    /// Dispatch must have begun by then.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires
    }

    /// Whether a stop, a take-over or its end has cut this permit. Ask before every single key or button:
    /// a few atomic loads.
    pub fn halted(&self) -> bool {
        match self.kind {
            PermitKind::Release => false,
            PermitKind::Human { .. } => self.switch.generation.load(Ordering::SeqCst) != self.generation,
            PermitKind::Agent { .. } => {
                self.switch.is_stopped() || self.switch.generation.load(Ordering::SeqCst) != self.generation
            }
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("worker", &self.worker)
            .field("kind", &self.kind)
            .field("binding", &self.binding)
            .field("expires", &self.expires)
            .field("halted", &self.halted())
            .finish()
    }
}
