//! A day in which people, workers and clocks do everything in every order. The oracle beside the gate knows
//! only what went in and what came out; it holds the gate to the rules that nothing breaks.

use std::collections::{BTreeMap, BTreeSet};

use mz_gate::{Decided, Lease, Permit, Unredeemed};
use mz_protocol::{Actor, ApprovalId, Event, EventRecord, EventSeq, Grant, GrantId, GrantScope, StopScope, Verdict};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const WORKERS: [(&str, &str); 3] = [("mira", "publishing"), ("otto", "finance"), ("lena", "publishing")];
/// The last one is a worker who poses as a person.
const PEOPLE: [&str; 4] = ["ana", "ben", "cleo", "otto"];
const RULES: &str = r#"@id("two") @effect("approve") @approvers("2") @named("ana,ben") @why("w")
    permit (principal, action, resource) when { context.target_name_lower == "publish law" };"#;

/// What the oracle knows of one question.
struct Asked {
    request: ApprovalRequest,
    shown: BTreeMap<PersonId, Timestamp>,
    yes: BTreeSet<PersonId>,
    dead: bool,
    used: bool,
}

struct Given {
    grant: Grant,
    left: u32,
    revoked: bool,
}

struct Day<'a> {
    rng: ChaCha8Rng,
    policy: &'a Policy,
    gate: Gate,
    now: Timestamp,
    /// The gate's time never goes back.
    latest: Timestamp,
    ledger: Vec<EventRecord>,
    stops: BTreeSet<StopScope>,
    leases: BTreeMap<WorkerId, Lease>,
    asked: BTreeMap<ApprovalId, Asked>,
    given: BTreeMap<GrantId, Given>,
    /// Permits that something has cut since, and those that nothing has.
    cut: Vec<Permit>,
    live: Vec<Permit>,
}

#[test]
fn no_order_of_events_breaks_the_rules() {
    let policy = Policy::load(RULES).unwrap();
    for seed in 0..3000 {
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut day = Day::new(seed, &policy);
            for _ in 0..60 {
                day.step();
                day.check();
            }
        }));
        if let Err(panic) = run {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn fresh() -> Gate {
    let mut gate = Gate::new(GateConfig::default());
    for (name, of) in WORKERS {
        gate.enrol(&worker(name), &department(of));
    }
    gate
}

impl<'a> Day<'a> {
    fn new(seed: u64, policy: &'a Policy) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            policy,
            gate: fresh(),
            now: at(0),
            latest: Timestamp(i64::MIN),
            ledger: Vec::new(),
            stops: BTreeSet::new(),
            leases: BTreeMap::new(),
            asked: BTreeMap::new(),
            given: BTreeMap::new(),
            cut: Vec::new(),
            live: Vec::new(),
        }
    }

    fn step(&mut self) {
        // Mostly small steps; now and then a long one, or a clock that goes back.
        let by = match self.rng.random_range(0..20) {
            0 => 301_000,
            1 => 601_000,
            2 => -5_000,
            _ => self.rng.random_range(0..1500),
        };
        self.now = Timestamp(self.now.0 + by);
        self.latest = self.latest.max(self.now);
        self.lapse();
        match self.rng.random_range(0..20) {
            0..=4 => self.propose(),
            5 | 6 => self.show(),
            7..=9 => {
                self.decide();
                self.decide();
            }
            10..=12 => self.redeem(),
            13 => self.stop(),
            14 => self.resume(),
            15 => self.take_over(),
            16 => self.drive_or_hand_back(),
            17 => self.grant(),
            18 => self.revoke(),
            _ if self.rng.random_bool(0.3) => self.restart(),
            _ => self.gone(),
        }
    }

    fn take<T>(&mut self, step: mz_gate::Step<T>) -> (T, Vec<EventBody>) {
        for body in &step.events {
            let seq = EventSeq(self.ledger.len() as u64 + 1);
            let event = Event { at: self.now, by: Actor::Engine, body: body.clone() };
            self.ledger.push(EventRecord { seq, hash: Digest::ZERO, event });
        }
        (step.result, step.events)
    }

    fn lapse(&mut self) {
        let step = self.gate.expire(self.now);
        self.take(step);
        let now = self.latest;
        for asked in self.asked.values_mut() {
            asked.dead |= now >= asked.request.expires;
        }
        let late: Vec<WorkerId> =
            self.leases.values().filter(|lease| now >= lease.until).map(|lease| lease.worker.clone()).collect();
        for worker in late {
            self.leases.remove(&worker);
            self.cut_worker(&worker);
        }
    }

    fn pick_worker(&mut self) -> (WorkerId, DepartmentId) {
        let (name, of) = WORKERS[self.rng.random_range(0..WORKERS.len())];
        (worker(name), department(of))
    }

    fn pick_person(&mut self) -> PersonId {
        person(PEOPLE[self.rng.random_range(0..PEOPLE.len())])
    }

    fn pick_asked(&mut self) -> Option<ApprovalId> {
        // Mostly the newest ones.
        let skip = self.rng.random_range(0..3);
        self.asked.keys().rev().nth(skip).cloned()
    }

    fn is_stopped(&self, who: &WorkerId) -> bool {
        let of = WORKERS.iter().find(|(name, _)| *name == who.as_str()).map(|(_, of)| department(of)).unwrap();
        self.stops.iter().any(|scope| match scope {
            StopScope::Company => true,
            StopScope::Department(stopped) => *stopped == of,
            StopScope::Worker(stopped) => stopped == who,
        })
    }

    fn kill_questions(&mut self, who: &WorkerId) {
        for asked in self.asked.values_mut().filter(|asked| asked.request.proposal.worker == *who) {
            asked.dead = true;
        }
    }

    fn cut_worker(&mut self, who: &WorkerId) {
        let (cut, live) = std::mem::take(&mut self.live).into_iter().partition(|permit| permit.worker() == who);
        self.live = live;
        self.cut.extend::<Vec<Permit>>(cut);
    }

    fn propose(&mut self) {
        let (who, of) = self.pick_worker();
        let denied = proposal(typed("sudo ls"), "XTerm", Some(Role::Terminal), "");
        let kinds = [local(), publish(), publish(), Proposal { target_name: "Publish law".into(), ..publish() }, denied];
        let kind = self.rng.random_range(0..kinds.len());
        let seen = screen(self.rng.random_range(1..3));
        let proposal = Proposal { worker: who.clone(), department: of, screen_digest: seen, ..kinds[kind].clone() };
        let step = self.gate.propose(self.now, proposal.clone(), &Facts::default(), self.policy);
        let (result, events) = self.take(step);
        let intended = events.iter().filter(|event| matches!(event, EventBody::ActionIntended { .. })).count();
        let same = matches!(&result, Proposed::Waiting(request) if self.asked.contains_key(&request.id));
        if !same {
            self.kill_questions(&who);
        }
        match result {
            Proposed::Allowed(permit) => {
                assert!(!self.is_stopped(&who), "a stopped worker acts");
                assert!(!self.leases.contains_key(&who), "a worker acts while a person drives");
                assert_ne!(kind, 4, "a denied action was allowed");
                assert_ne!(kind, 3, "one person's grant stood for two");
                match permit.grant() {
                    None => assert_eq!((kind, intended), (0, 0), "a permit without approval or grant"),
                    Some(id) => {
                        let given = self.given.get_mut(id).expect("a grant that nobody gave");
                        assert!(!given.revoked && given.left > 0 && self.latest < given.grant.until, "a dead grant was used");
                        assert!(given.grant.scope.worker.as_ref().is_none_or(|worker| *worker == who));
                        assert_eq!((kind <= 2 && kind > 0, intended), (true, 1));
                        given.left -= 1;
                    }
                }
                assert!(!permit.halted());
                self.live.push(permit);
            }
            Proposed::Denied(verdict) => assert!(kind == 4 && matches!(verdict, Verdict::Deny { .. })),
            Proposed::Waiting(request) => {
                assert!((1..=3).contains(&kind));
                assert_eq!(request.approvers_needed, if kind == 3 { 2 } else { 1 });
                let entry = Asked {
                    request: (*request).clone(),
                    shown: BTreeMap::new(),
                    yes: BTreeSet::new(),
                    dead: false,
                    used: false,
                };
                self.asked.entry(request.id).or_insert(entry);
            }
            Proposed::Refused(_) => assert!(self.is_stopped(&who) || self.leases.contains_key(&who), "refused for nothing"),
        }
    }

    fn show(&mut self) {
        let Some(id) = self.pick_asked() else { return };
        for by in PEOPLE.map(person) {
            if self.rng.random_bool(0.3) {
                continue;
            }
            let step = self.gate.shown(self.now, &id, &by);
            let (_, events) = self.take(step);
            if !events.is_empty() {
                let now = self.latest;
                self.asked.get_mut(&id).unwrap().shown.entry(by).or_insert(now);
            }
        }
    }

    fn decide(&mut self) {
        let Some(id) = self.pick_asked() else { return };
        let by = self.pick_person();
        let kind = match self.rng.random_range(0..10) {
            0 => DecisionKind::Veto { reason: "no".into() },
            1 => DecisionKind::Edit { text: "x".into() },
            2 => DecisionKind::TakeOver,
            _ => DecisionKind::Approve,
        };
        let forged = self.rng.random_bool(0.1);
        let asked = &self.asked[&id];
        let mut decision = decision(&asked.request, by.as_str(), kind.clone());
        if forged {
            decision.binding = screen(99);
        }
        let step = self.gate.decide(self.now, decision);
        let (result, _) = self.take(step);
        if matches!(result, Decided::Ignored { .. }) {
            return;
        }
        let now = self.latest;
        let asked = self.asked.get_mut(&id).unwrap();
        let who = asked.request.proposal.worker.clone();
        assert!(!forged, "a forged decision counted");
        assert!(!asked.dead && !asked.used, "a decision on a dead question counted");
        assert_ne!(by.as_str(), "otto", "a worker decided");
        if matches!(kind, DecisionKind::Approve | DecisionKind::Edit { .. }) {
            let since = asked.shown.get(&by).expect("decided without having seen it");
            assert!(now.0 - since.0 >= 500, "decided before it could be read");
            assert!(asked.request.named.is_empty() || asked.request.named.contains(&by), "somebody else decided");
        }
        match result {
            Decided::Approved | Decided::StillWaiting { .. } => {
                assert!(asked.yes.insert(by), "one person counted twice");
                let enough = asked.yes.len() >= usize::from(asked.request.approvers_needed);
                assert_eq!(enough, result == Decided::Approved);
            }
            Decided::TakenOver(lease) => {
                asked.dead = true;
                self.cut_worker(&who);
                self.leases.insert(who, lease);
            }
            _ => asked.dead = true,
        }
    }

    fn redeem(&mut self) {
        let Some(id) = self.pick_asked() else { return };
        let request = self.asked[&id].request.clone();
        let changed = self.rng.random_bool(0.15);
        let action = if changed && self.rng.random_bool(0.5) { key("Return") } else { request.proposal.action.clone() };
        let same_action = action == request.proposal.action;
        let seen = if changed && same_action { screen(77) } else { request.proposal.screen_digest };
        let step = self.gate.redeem(self.now, &id, &action, seen);
        let (result, events) = self.take(step);
        let who = request.proposal.worker.clone();
        let stopped = self.is_stopped(&who) || self.leases.contains_key(&who);
        let asked = self.asked.get_mut(&id).unwrap();
        let enough = asked.yes.len() >= usize::from(request.approvers_needed);
        let good = enough && !asked.dead && !asked.used && !changed && !stopped;
        match result {
            Ok(permit) => {
                assert!(good, "redeemed against the rules");
                assert_eq!(permit.binding(), request.binding);
                assert_eq!(events.iter().filter(|event| matches!(event, EventBody::ActionIntended { .. })).count(), 1);
                asked.used = true;
                self.live.push(permit);
            }
            Err(error) => {
                assert!(!good, "a good approval was refused: {error}");
                assert!(!asked.used || error == Unredeemed::Used);
                asked.dead |= changed;
            }
        }
    }

    fn stop(&mut self) {
        let (who, of) = self.pick_worker();
        let scope = match self.rng.random_range(0..3) {
            0 => StopScope::Company,
            1 => StopScope::Department(of),
            _ => StopScope::Worker(who),
        };
        let step = self.gate.stop(self.now, scope.clone());
        self.take(step);
        self.stops.insert(scope);
        for (name, _) in WORKERS {
            let who = worker(name);
            // A stop that lay there already cuts what the new one reaches; a narrower one reaches less.
            if self.is_stopped(&who) {
                self.kill_questions(&who);
            }
        }
        self.sort_out_stopped();
    }

    /// Only a stop of this worker's own scopes ends its take-over.
    fn sort_out_stopped(&mut self) {
        for (name, _) in WORKERS {
            let who = worker(name);
            let drives = self.gate.driver(&who).is_some();
            if !drives && self.leases.remove(&who).is_some() {
                assert!(self.is_stopped(&who), "a take-over ended without reason");
                self.cut_worker(&who);
            }
            if self.is_stopped(&who) {
                let (cut, live): (Vec<_>, Vec<_>) = std::mem::take(&mut self.live)
                    .into_iter()
                    .partition(|permit| permit.worker() == &who && permit.rule().is_some());
                self.cut.extend(cut);
                self.live = live;
            }
        }
    }

    fn resume(&mut self) {
        let Some(scope) = self.stops.iter().nth(self.rng.random_range(0..3)).cloned() else { return };
        let step = self.gate.resume(self.now, &scope);
        assert!(self.take(step).0);
        self.stops.remove(&scope);
    }

    fn take_over(&mut self) {
        let (who, _) = self.pick_worker();
        let by = self.pick_person();
        let step = self.gate.take_over(self.now, &who, &by);
        if let (Ok(lease), _) = self.take(step) {
            assert_ne!(by.as_str(), "otto", "a worker took over");
            if self.leases.get(&who).is_none_or(|old| old.id != lease.id) {
                assert!(!self.leases.contains_key(&who), "two people drive");
                self.kill_questions(&who);
                self.cut_worker(&who);
                self.leases.insert(who, lease);
            }
        }
    }

    fn drive_or_hand_back(&mut self) {
        let Some(lease) = self.leases.values().next().cloned() else { return };
        let by = self.pick_person();
        if self.rng.random_bool(0.5) {
            let step = self.gate.drive(self.now, &lease.id, &by);
            match self.take(step).0 {
                Ok(permit) => {
                    assert_eq!(by, lease.person, "somebody else drove");
                    let until = self.latest.plus(Millis::from_secs(300));
                    let own = self.leases.get_mut(&lease.worker).unwrap();
                    own.until = own.until.max(until);
                    self.live.push(permit);
                }
                Err(error) => assert_ne!(by, lease.person, "{error}"),
            }
        } else {
            let step = self.gate.hand_back(self.now, &lease.id, &by, None);
            if self.take(step).0.is_ok() {
                assert_eq!(by, lease.person, "somebody else handed back");
                self.leases.remove(&lease.worker);
                self.cut_worker(&lease.worker);
            }
        }
    }

    fn grant(&mut self) {
        let (who, of) = self.pick_worker();
        let by = self.pick_person();
        let (rule, name) =
            [("external.publish", "Publish"), ("two", "Publish law"), ("terminal.privilege", "")][self.rng.random_range(0..3)];
        let wide = self.rng.random_bool(0.3);
        let scope = GrantScope {
            worker: (!wide).then_some(who),
            department: wide.then_some(of),
            verb: "click".into(),
            rule: rule.into(),
            application: "Chromium".into(),
            host: None,
            target_role: None,
            target_name: name.into(),
            line: None,
            input: mz_protocol::GrantInput::default(),
            max_amount_cents: None,
        };
        let uses = self.rng.random_range(1..4);
        let until = self.latest.plus(Millis::from_secs(400));
        let step = self.gate.give_grant(self.now, scope, uses, until, &by);
        if let (Ok(grant), _) = self.take(step) {
            assert_ne!(by.as_str(), "otto", "a worker gave a grant");
            self.given.insert(grant.id.clone(), Given { left: grant.uses_left, grant, revoked: false });
        }
    }

    fn revoke(&mut self) {
        let Some(id) = self.given.keys().next_back().cloned() else { return };
        let step = self.gate.revoke_grant(self.now, &id);
        self.take(step).0.ok();
        self.given.get_mut(&id).unwrap().revoked = true;
    }

    fn gone(&mut self) {
        let (who, _) = self.pick_worker();
        let step = self.gate.worker_gone(self.now, &who);
        self.take(step);
        self.kill_questions(&who);
        self.leases.remove(&who);
        self.cut_worker(&who);
    }

    fn restart(&mut self) {
        let mut gate = fresh();
        let ledger = self.ledger.clone();
        let step = gate.restore(self.now, &ledger);
        self.gate = gate;
        self.take(step);
        self.leases.clear();
        for asked in self.asked.values_mut() {
            asked.dead = true;
        }
        // All that is left of time is what the ledger tells.
        self.latest = ledger.iter().map(|record| record.event.at).fold(self.now, Timestamp::max);
        // Permits do not outlive the process.
        self.live.clear();
        self.cut.clear();
    }

    fn check(&self) {
        assert_eq!(self.gate.stops().collect::<BTreeSet<_>>(), self.stops.iter().collect(), "stops differ");
        for (name, of) in WORKERS {
            let who = worker(name);
            assert_eq!(self.gate.is_stopped(&who, &department(of)).is_some(), self.is_stopped(&who));
            assert_eq!(self.gate.switch().is_stopped(&who), self.is_stopped(&who), "the switch of {name} is wrong");
            assert_eq!(self.gate.driver(&who).map(|lease| &lease.id), self.leases.get(&who).map(|lease| &lease.id));
        }
        let open = self.gate.open_approvals();
        let workers: BTreeSet<_> = open.iter().map(|(request, _)| &request.proposal.worker).collect();
        assert_eq!(workers.len(), open.len(), "two open questions of one worker");
        for asked in self.asked.values() {
            let is_open = open.iter().any(|(request, _)| request.id == asked.request.id);
            assert_eq!(is_open, !asked.dead && !asked.used, "{} is open: {is_open}", asked.request.id);
        }
        assert!(self.cut.iter().all(Permit::halted), "a permit outlived what cut it");
        assert!(self.live.iter().all(|permit| !permit.halted()), "a permit was cut for nothing");
        for grant in self.gate.grants() {
            let given = &self.given[&grant.id];
            assert!(!given.revoked && given.left == grant.uses_left, "the count of {} is wrong", grant.id);
        }
    }
}
