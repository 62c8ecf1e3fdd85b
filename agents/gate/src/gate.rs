//! The state machine: who waits for whom, who drives, what is stopped. Every mutator takes the time and
//! gives back, with its result, the events to be written to the ledger before the result is acted on.

mod approvals;
mod grants;
mod leases;
mod restore;
mod stops;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mz_protocol::{
    Action, ApprovalId, ApprovalRequest, ApprovalState, CommandLine, DepartmentId, Digest, Effect, EventBody, Grant, GrantId,
    LeaseId, Millis, PersonId, Proposal, READ_TIME, Rect, StopScope, Timestamp, Verdict, VoidReason, WorkOrderId, WorkerId,
};

pub use grants::GrantError;
pub use leases::{Lease, LeaseError};

use crate::pending::PendingText;
use crate::permit::{Permit, PermitKind, StopSwitch};
use crate::policy::{Facts, Judgement, Policy, complete};

/// Decided approvals that are remembered so that a second decision on them gets a true answer.
const REMEMBERED: usize = 1024;
/// Workers and departments of which a gate keeps track.
const MOST_WORKERS: usize = 4096;

/// How long things last. The defaults are those of the contract with the manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateConfig {
    /// An approval that is not used by then is void.
    pub approval_lifetime: Millis,
    /// A take-over without input for this long ends.
    pub lease_idle: Millis,
    /// A decision sooner than this after the question appeared was not read.
    pub read_time: Millis,
    /// Dispatch must begin within this after the permit was made.
    pub permit_lifetime: Millis,
    pub max_grants: usize,
    /// A grant lasts no longer.
    pub max_grant_lifetime: Millis,
    pub max_grant_uses: u32,
    /// Who may decide at all; empty means every person that the engine lets in.
    pub people: BTreeSet<PersonId>,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            approval_lifetime: Millis::from_secs(600),
            lease_idle: Millis::from_secs(300),
            read_time: READ_TIME,
            permit_lifetime: Millis::from_secs(10),
            max_grants: 256,
            max_grant_lifetime: Millis::from_secs(30 * 24 * 3600),
            max_grant_uses: 10_000,
            people: BTreeSet::new(),
        }
    }
}

/// A result, and what must be in the ledger before it takes effect.
#[derive(Debug)]
#[must_use = "the events must be written before the result is acted on"]
pub struct Step<T> {
    pub result: T,
    pub events: Vec<EventBody>,
}

/// Why the gate did not even ask the policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{}; a manager must resume it", stopped(.0))]
    Stopped(StopScope),
    #[error("{person} has taken over; the worker waits until the desktop is handed back")]
    TakenOver { person: PersonId, lease: LeaseId },
    #[error("{worker} belongs to {known}, not to {claimed}")]
    WrongDepartment { worker: WorkerId, known: DepartmentId, claimed: DepartmentId },
    #[error("work order {0} has ended; nothing more is done for it")]
    OrderEnded(WorkOrderId),
    #[error("nothing can be written down, so nobody acts until that is mended")]
    StandsStill,
}

fn stopped(scope: &StopScope) -> String {
    match scope {
        StopScope::Company => "the whole company is stopped".into(),
        StopScope::Department(department) => format!("the department {department} is stopped"),
        StopScope::Worker(worker) => format!("{worker} is stopped"),
    }
}

/// Why an approval is void, for whoever asks about it.
pub(crate) fn void_words(why: &VoidReason) -> &'static str {
    match why {
        VoidReason::ScreenChanged => "the screen changed",
        VoidReason::ActionChanged => "the action changed",
        VoidReason::Expired => "nobody answered in time",
        VoidReason::Stopped => "the worker was stopped",
        VoidReason::TakenOver => "a person took over",
        VoidReason::WorkerGone => "the worker or its desktop ended",
        VoidReason::EngineRestarted => "the engine was started anew",
        VoidReason::OrderEnded => "its work order has ended",
    }
}

/// What became of a proposal.
#[derive(Debug)]
pub enum Proposed {
    Allowed(Permit),
    /// By policy; the verdict names the rule.
    Denied(Verdict),
    /// Ask a person, then `redeem`. Any other proposal of this worker makes the question void.
    Waiting(Box<ApprovalRequest>),
    Refused(Refusal),
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    Approved,
    StillWaiting {
        have: u8,
        of: u8,
    },
    Vetoed,
    /// The worker is to propose typing this instead; nothing is approved by it.
    Edited {
        text: String,
    },
    TakenOver(Lease),
    /// It had no effect, for this reason.
    Ignored {
        why: String,
    },
}

/// Why an approval gives no permit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unredeemed {
    #[error("the approval is void: {}", void_words(.0))]
    Void(VoidReason),
    #[error("it waits for {of} approvals and has {have}")]
    StillWaiting { have: u8, of: u8 },
    #[error("it was used already")]
    Used,
    #[error("it was vetoed: {0}")]
    Vetoed(String),
    #[error("a person changed the text: propose the changed action")]
    Edited,
    #[error("there is no approval {0}")]
    Unknown(ApprovalId),
}

/// What an approval is for: this action, with this command line, on these pixels, in this part of the screen.
pub fn binding(action: &Action, line: Option<&CommandLine>, screen: &Digest, region: Rect) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("mezzanine 2026 approval of one action on one screen");
    // An action is plain data and always has a JSON form; were it otherwise, nothing would ever match.
    let Ok(action) = serde_json::to_vec(&(action, line)) else { return Digest::ZERO };
    hasher.update(&(action.len() as u64).to_le_bytes());
    hasher.update(&action);
    hasher.update(&screen.0);
    for side in [region.x, region.y, region.width, region.height] {
        hasher.update(&side.to_le_bytes());
    }
    Digest(*hasher.finalize().as_bytes())
}

#[derive(Debug, Clone)]
struct Question {
    request: ApprovalRequest,
    state: ApprovalState,
    /// Since when each person has it on the screen.
    shown: BTreeMap<PersonId, Timestamp>,
}

/// The gate of one company.
pub struct Gate {
    config: GateConfig,
    /// Time never goes back in here, whatever the clock does.
    now: Timestamp,
    workers: BTreeMap<WorkerId, DepartmentId>,
    questions: BTreeMap<ApprovalId, Question>,
    /// At most one for each worker.
    open: BTreeMap<WorkerId, ApprovalId>,
    closed: VecDeque<ApprovalId>,
    grants: BTreeMap<GrantId, Grant>,
    leases: BTreeMap<WorkerId, Lease>,
    stops: BTreeSet<StopScope>,
    switch: StopSwitch,
    /// What each worker's permits have typed since the last Return.
    typed: BTreeMap<WorkerId, PendingText>,
    last_approval: u64,
    last_grant: u64,
    last_lease: u64,
}

impl Gate {
    pub fn new(config: GateConfig) -> Self {
        Self {
            config,
            now: Timestamp(i64::MIN),
            workers: BTreeMap::new(),
            questions: BTreeMap::new(),
            open: BTreeMap::new(),
            closed: VecDeque::new(),
            grants: BTreeMap::new(),
            leases: BTreeMap::new(),
            stops: BTreeSet::new(),
            switch: StopSwitch::default(),
            typed: BTreeMap::new(),
            last_approval: 0,
            last_grant: 0,
            last_lease: 0,
        }
    }

    /// The switch that every permit of this gate obeys.
    pub fn switch(&self) -> StopSwitch {
        self.switch.clone()
    }

    /// Makes a worker known, so that stops of its department reach it and its name can decide nothing.
    pub fn enrol(&mut self, worker: &WorkerId, department: &DepartmentId) {
        if self.workers.len() < MOST_WORKERS || self.workers.contains_key(worker) {
            self.workers.insert(worker.clone(), department.clone());
            self.switch.set_stopped(worker, self.is_stopped(worker, department).is_some());
        }
    }

    /// Asks whether an action may happen. Allowed actions with an outside effect come with `ActionIntended`.
    pub fn propose(&mut self, now: Timestamp, mut proposal: Proposal, facts: &Facts, policy: &Policy) -> Step<Proposed> {
        let mut events = Vec::new();
        let now = self.advance(now, &mut events);
        if let Some(refusal) = self.refusal(&proposal) {
            self.void_open(&proposal.worker, VoidReason::ActionChanged, now, &mut events);
            events.push(refused(&proposal, Verdict::Deny { rule: "gate.refused".into(), why: refusal.to_string() }));
            return Step { result: Proposed::Refused(refusal), events };
        }
        let line = self.typed.get(&proposal.worker).map(|typed| typed.of(&proposal.application)).unwrap_or_default();
        let inference = complete(&mut proposal, facts, &line);
        let bound = binding(&proposal.action, proposal.line.as_ref(), &proposal.screen_digest, proposal.region);
        // Asked again it is the same question, unless anything that a person judged by is different.
        if let Some(same) =
            self.open_question(&proposal.worker).filter(|question| is_same(&question.request.proposal, &proposal))
        {
            return Step { result: Proposed::Waiting(Box::new(same.request.clone())), events };
        }
        self.void_open(&proposal.worker, VoidReason::ActionChanged, now, &mut events);
        let Judgement { verdict, grantable } = policy.judge(&proposal, facts, &line, &inference);
        // No grant bounds a sum that nobody knows.
        let grantable = grantable && (inference.intent != "pay" || proposal.amount_cents.is_some());
        let result = match verdict {
            Verdict::Deny { .. } => {
                events.push(refused(&proposal, verdict.clone()));
                Proposed::Denied(verdict)
            }
            Verdict::Allow { rule } => Proposed::Allowed(self.permit(now, &proposal, rule, bound, None, None, &mut events)),
            Verdict::RequireApproval { rule, why, approvers, named } => {
                let grant = if grantable && approvers <= 1 { self.use_grant(now, &proposal, &rule, &named) } else { None };
                match grant {
                    Some((grant, uses_left)) => {
                        let worker = proposal.worker.clone();
                        events.push(EventBody::GrantUsed { grant: grant.clone(), worker, binding: bound, uses_left });
                        Proposed::Allowed(self.permit(now, &proposal, rule, bound, None, Some(grant), &mut events))
                    }
                    None => {
                        self.last_approval += 1;
                        let request = ApprovalRequest {
                            id: numbered(self.last_approval, "AP", ApprovalId::new),
                            proposal,
                            binding: bound,
                            rule,
                            why,
                            approvers_needed: approvers.max(1),
                            named,
                            asked: now,
                            expires: now.plus(self.config.approval_lifetime),
                        };
                        self.ask(request.clone());
                        // Whoever keeps the whole frame puts its digest here.
                        let frame = request.proposal.screen_digest;
                        events.push(EventBody::ApprovalAsked { request: Box::new(request.clone()), frame });
                        Proposed::Waiting(Box::new(request))
                    }
                }
            }
        };
        Step { result, events }
    }

    /// Ends what has run out of time: approvals and take-overs. Gives the approvals that became void.
    pub fn expire(&mut self, now: Timestamp) -> Step<Vec<ApprovalId>> {
        let mut events = Vec::new();
        self.advance(now, &mut events);
        let gone = events
            .iter()
            .filter_map(|event| match event {
                EventBody::ApprovalMoved { approval, .. } => Some(approval.clone()),
                _ => None,
            })
            .collect();
        Step { result: gone, events }
    }

    /// The worker or its desktop ended: what it asked is void, and whoever drove it drives no more.
    pub fn worker_gone(&mut self, now: Timestamp, worker: &WorkerId) -> Step<()> {
        let mut events = Vec::new();
        let now = self.advance(now, &mut events);
        self.cut(worker);
        self.void_open(worker, VoidReason::WorkerGone, now, &mut events);
        self.end_lease(worker, Some("the desktop ended".into()), &mut events);
        // A new desktop begins with empty lines.
        self.typed.remove(worker);
        Step { result: (), events }
    }

    /// For letting go of keys and buttons after a cut; it is never halted and types nothing.
    pub fn release(&mut self, now: Timestamp, worker: &WorkerId) -> Permit {
        let now = self.now.max(now);
        Permit::new(worker, PermitKind::Release, Digest::ZERO, now.plus(self.config.permit_lifetime), &self.switch)
    }

    /// What a permit let through was not sent as a whole: nobody knows what stands in the worker's lines.
    pub fn doubt(&mut self, worker: &WorkerId) {
        self.typed.entry(worker.clone()).or_default().doubt();
    }

    fn refusal(&mut self, proposal: &Proposal) -> Option<Refusal> {
        let (worker, claimed) = (&proposal.worker, &proposal.department);
        match self.workers.get(worker) {
            None => self.enrol(worker, claimed),
            Some(known) if known != claimed => {
                return Some(Refusal::WrongDepartment {
                    worker: worker.clone(),
                    known: known.clone(),
                    claimed: claimed.clone(),
                });
            }
            Some(_) => {}
        }
        if let Some(scope) = self.is_stopped(worker, claimed) {
            return Some(Refusal::Stopped(scope));
        }
        self.leases.get(worker).map(|lease| Refusal::TakenOver { person: lease.person.clone(), lease: lease.id.clone() })
    }

    #[allow(clippy::too_many_arguments, reason = "the only maker of agent permits; each argument is one fact of it")]
    fn permit(
        &mut self,
        now: Timestamp,
        proposal: &Proposal,
        rule: String,
        bound: Digest,
        approval: Option<ApprovalId>,
        grant: Option<GrantId>,
        events: &mut Vec<EventBody>,
    ) -> Permit {
        if proposal.effect != Effect::None || approval.is_some() || grant.is_some() {
            let (approval, grant) = (approval.clone(), grant.clone());
            events.push(EventBody::ActionIntended { proposal: Box::new(proposal.clone()), binding: bound, approval, grant });
        }
        self.typed.entry(proposal.worker.clone()).or_default().note(&proposal.application, &proposal.action);
        let expires = now.plus(self.config.permit_lifetime);
        Permit::new(&proposal.worker, PermitKind::Agent { rule, approval, grant }, bound, expires, &self.switch)
            .on_line(proposal.line.clone())
            .reaching(proposal.effect, proposal.host.clone())
    }

    /// Takes back every permit of a worker that is out; how much of it was typed, nobody knows.
    fn cut(&mut self, worker: &WorkerId) {
        self.switch.cut(worker);
        self.typed.entry(worker.clone()).or_default().forget();
    }

    /// Moves time on; whatever has run out by then ends first, so that nothing acts on it.
    fn advance(&mut self, now: Timestamp, events: &mut Vec<EventBody>) -> Timestamp {
        self.now = self.now.max(now);
        self.expire_questions(self.now, events);
        self.expire_leases(self.now, events);
        self.expire_grants(self.now);
        self.now
    }

    fn is_worker(&self, person: &PersonId) -> bool {
        WorkerId::new(person.as_str()).is_ok_and(|worker| self.workers.contains_key(&worker))
    }

    /// Why this person has no say here.
    fn outsider(&self, person: &PersonId) -> Option<String> {
        if self.is_worker(person) {
            return Some(format!("{person} is a worker; only people decide"));
        }
        let known = self.config.people.is_empty() || self.config.people.contains(person);
        (!known).then(|| format!("{person} is not among the people who may decide"))
    }
}

fn is_same(old: &Proposal, new: &Proposal) -> bool {
    // The count of looks and the worker's words may differ; what happens, where, and on which pixels may not.
    *old == Proposal { scene_version: old.scene_version, reason: old.reason.clone(), ..new.clone() }
}

fn refused(proposal: &Proposal, verdict: Verdict) -> EventBody {
    EventBody::ActionRefused {
        worker: proposal.worker.clone(),
        order: proposal.order.clone(),
        action: proposal.action.clone(),
        verdict,
    }
}

/// `AP-0012` and the like: digits and a dash always make an id.
#[allow(clippy::unwrap_used, reason = "the text is made of characters that every id takes")]
fn numbered<T>(number: u64, prefix: &str, make: impl Fn(String) -> Result<T, mz_protocol::IdError>) -> T {
    make(format!("{prefix}-{number:04}")).unwrap()
}
