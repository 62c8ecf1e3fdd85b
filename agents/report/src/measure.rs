//! Figures out of a history, within one scope.

use std::collections::BTreeMap;

use mz_protocol::{DepartmentId, OrderState, OutcomeReport, ReportScope, StopScope, Timestamp, WorkOrderId, WorkerId};

use crate::figure::{Measured, Unit, text};
use crate::history::{Answer, ApprovalFact, DecisionFact, History, Intervention, Kind, OrderFact, Span, Tally, seconds};
use crate::names::Names;
use crate::stats::{median, p90, percent};

/// Decisions faster than this are suspected to be habit.
pub(crate) const HASTY_SECONDS: f64 = 2.0;

/// One scope of a history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scoped<'a> {
    pub history: &'a History,
    pub names: &'a Names,
    pub scope: &'a ReportScope,
}

pub(crate) type Figures = BTreeMap<&'static str, Measured>;

fn value(value: impl Into<Option<f64>>) -> Measured {
    Measured { value: value.into(), note: None }
}

fn noted(value: impl Into<Option<f64>>, note: String) -> Measured {
    Measured { value: value.into(), note: Some(note) }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

impl<'a> Scoped<'a> {
    pub fn within(&self, at: Timestamp) -> bool {
        (self.history.period.from..self.history.period.to).contains(&at)
    }

    /// The last instant that is known: the end of the period, or the newest event of one that still runs.
    pub fn as_of(&self) -> Timestamp {
        let period = self.history.period;
        if self.history.whole {
            return period.to.max(period.from);
        }
        self.history.last.map_or(period.from, |last| last.min(period.to).max(period.from))
    }

    pub fn covers(&self, worker: Option<&WorkerId>, department: Option<&DepartmentId>) -> bool {
        match self.scope {
            ReportScope::Company => true,
            ReportScope::Worker(wanted) => worker == Some(wanted),
            ReportScope::Department(wanted) => {
                department.or_else(|| self.history.department_of(worker?, self.names)) == Some(wanted)
            }
        }
    }

    pub fn orders(&self) -> impl Iterator<Item = (&'a WorkOrderId, &'a OrderFact)> + use<'a> {
        let this = *self;
        this.history.orders.iter().filter(move |(_, o)| this.covers(o.worker.as_ref(), o.department.as_ref()))
    }

    /// Done, failed or cancelled within the period.
    pub fn finished(&self) -> impl Iterator<Item = (&'a WorkOrderId, &'a OrderFact)> + use<'a> {
        let this = *self;
        this.orders().filter(move |(_, o)| o.ended.is_some_and(|(at, _)| this.within(at)))
    }

    /// Done or failed within the period: what rates are shares of.
    pub fn ended(&self) -> Vec<&'a OrderFact> {
        self.finished().map(|(_, o)| o).filter(|o| !o.ended_as(OrderState::Cancelled)).collect()
    }

    pub fn open(&self) -> impl Iterator<Item = (&'a WorkOrderId, &'a OrderFact)> + use<'a> {
        self.orders().filter(|(_, o)| o.state.is_some_and(|s| !s.is_final()))
    }

    pub fn interventions(&self) -> impl Iterator<Item = &'a Intervention> + use<'a> {
        let this = *self;
        this.history.interventions.iter().filter(move |i| {
            let department = i.order.as_ref().and_then(|id| this.history.orders.get(id)).and_then(|o| o.department.as_ref());
            this.within(i.at) && this.covers(i.worker.as_ref(), department)
        })
    }

    pub fn approvals(&self) -> impl Iterator<Item = &'a ApprovalFact> + use<'a> {
        let this = *self;
        this.history.approvals.values().filter(move |a| this.covers(Some(&a.worker), Some(&a.department)))
    }

    /// Answered in the period by a person, with the time waited in seconds.
    pub fn answered(&self) -> Vec<(Answer, f64)> {
        self.approvals()
            .filter_map(|a| a.answer.map(|(at, answer)| (at, answer, seconds(a.asked, at))))
            .filter(|(at, answer, _)| self.within(*at) && *answer != Answer::Void)
            .map(|(_, answer, waited)| (answer, waited))
            .collect()
    }

    pub fn decisions(&self) -> Vec<&'a DecisionFact> {
        let covered = |d: &&DecisionFact| self.within(d.at) && self.covers(d.worker.as_ref(), d.department.as_ref());
        self.history.decisions.iter().filter(covered).collect()
    }

    pub fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        for (_, tally) in self.history.tallies.iter().filter(|(worker, _)| self.covers(worker.as_ref(), None)) {
            sum.actions += tally.actions;
            sum.refused += tally.refused;
            sum.calls += tally.calls;
            sum.tokens = sum.tokens.saturating_add(tally.tokens);
            sum.cost_micros = sum.cost_micros.saturating_add(tally.cost_micros);
            sum.retries += tally.retries;
            sum.reruns += tally.reruns;
            sum.flags += tally.flags;
            sum.help_asked += tally.help_asked;
        }
        sum
    }

    pub fn cost_per_outcome(&self) -> Option<f64> {
        let verified = self.ended().iter().filter(|o| o.verified()).count();
        (verified > 0).then(|| self.tally().cost_micros as f64 / 1e6 / verified as f64)
    }

    pub fn figures(&self) -> Figures {
        let mut figures = Figures::new();
        self.outcomes(&mut figures);
        self.people(&mut figures);
        self.asked(&mut figures);
        self.machine(&mut figures);
        self.backlog(&mut figures);
        figures
    }

    fn outcomes(&self, figures: &mut Figures) {
        let ended = self.ended();
        let count = |test: &dyn Fn(&OrderFact) -> bool| ended.iter().filter(|o| test(o)).count();
        let done: Vec<_> = ended.iter().filter(|o| o.ended_as(OrderState::Done)).collect();
        let cycle: Vec<f64> = done.iter().filter_map(|o| o.cycle_seconds()).collect();
        let lead: Vec<f64> = done.iter().filter_map(|o| o.lead_seconds()).collect();
        let checks = || ended.iter().filter_map(|o| o.checks.last());
        let earned: u64 = checks().map(|c| u64::from(c.earned())).sum();
        let possible: u64 = checks().map(|c| u64::from(c.possible())).sum();
        let score: f64 = checks().map(OutcomeReport::score).sum();
        let cancelled = self.finished().filter(|(_, o)| o.ended_as(OrderState::Cancelled)).count();
        let tally = self.tally();
        let verified = count(&OrderFact::verified);
        figures.extend([
            ("outcomes_verified", value(verified as f64)),
            ("throughput", value(done.len() as f64)),
            ("orders_failed", value((ended.len() - done.len()) as f64)),
            ("orders_cancelled", value(cancelled as f64)),
            ("verified_rate", noted(percent(verified, ended.len()), format!("{verified} of {}", ended.len()))),
            ("score", value((!ended.is_empty()).then(|| 100.0 * score / ended.len() as f64))),
            ("points_earned", noted(earned as f64, format!("of {} possible", text(Unit::Count, Some(possible as f64), "")))),
            ("first_pass_yield", value(percent(count(&OrderFact::first_pass), ended.len()))),
            ("rework_rate", value(percent(count(&OrderFact::reworked), ended.len()))),
            ("step_retries", value(tally.retries as f64)),
            ("reruns", value(tally.reruns as f64)),
            ("flags", value(tally.flags as f64)),
            ("cycle_time_median", value(median(&cycle))),
            ("cycle_time_p90", value(p90(&cycle))),
            ("lead_time_median", value(median(&lead))),
            ("lead_time_p90", value(p90(&lead))),
        ]);
    }

    fn people(&self, figures: &mut Figures) {
        let ended = self.ended();
        let alone = ended.iter().filter(|o| o.verified() && o.interventions == 0).count();
        let touched = ended.iter().filter(|o| o.interventions > 0).count();
        let escalated = ended.iter().filter(|o| o.help_asked > 0).count();
        let all: Vec<_> = self.interventions().collect();
        let of = |kind| all.iter().filter(|i| i.kind == kind).count();
        let driven: f64 = all.iter().filter(|i| i.kind == Kind::Takeover).map(|i| i.seconds).sum();
        let stops =
            self.history.stops.iter().filter(|(scope, span)| self.within(span.from) && self.stop_covered(scope)).count();
        let kinds = [
            plural(of(Kind::Takeover), "takeover", "takeovers"),
            plural(of(Kind::Veto), "veto", "vetoes"),
            format!("{} helped", of(Kind::Help)),
            plural(of(Kind::Edit), "edit", "edits"),
        ];
        let kinds = kinds.into_iter().filter(|k| !k.starts_with("0 ")).collect::<Vec<_>>().join(", ");
        let per_100 = (!ended.is_empty()).then(|| 100.0 * all.len() as f64 / ended.len() as f64);
        let kinds = if kinds.is_empty() { "no one stepped in".to_owned() } else { kinds };
        figures.extend([
            ("autonomous_resolution", noted(percent(alone, ended.len()), format!("{alone} of {} ended", ended.len()))),
            ("interventions_per_100", noted(per_100, kinds.clone())),
            ("interventions", noted(all.len() as f64, kinds)),
            ("intervened_rate", value(percent(touched, ended.len()))),
            ("escalation_rate", value(percent(escalated, ended.len()))),
            ("time_driven", value(driven)),
            ("stops", value(stops as f64)),
        ]);
    }

    fn stop_covered(&self, stop: &StopScope) -> bool {
        match stop {
            StopScope::Company => *self.scope == ReportScope::Company,
            StopScope::Department(id) => self.covers(None, Some(id)),
            StopScope::Worker(id) => self.covers(Some(id), None),
        }
    }

    fn asked(&self, figures: &mut Figures) {
        let ended = self.ended().len();
        let asked = self.approvals().filter(|a| self.within(a.asked)).count();
        let answered = self.answered();
        let of = |wanted| answered.iter().filter(|(answer, _)| *answer == wanted).count();
        let waits: Vec<f64> = answered.iter().map(|(_, waited)| *waited).collect();
        let void =
            || self.approvals().filter(|a| a.answer.is_some_and(|(at, answer)| self.within(at) && answer == Answer::Void));
        let decisions = self.decisions();
        let looked: Vec<f64> = decisions.iter().map(|d| d.looked_seconds).collect();
        let hasty = looked.iter().filter(|s| **s < HASTY_SECONDS).count();
        figures.extend([
            ("approvals_asked", value(asked as f64)),
            ("approvals_per_100", value((ended > 0).then(|| 100.0 * asked as f64 / ended as f64))),
            (
                "approvals_approved",
                noted(percent(of(Answer::Approved), answered.len()), format!("{} of {}", of(Answer::Approved), answered.len())),
            ),
            (
                "veto_rate",
                noted(percent(of(Answer::Vetoed), answered.len()), format!("{} of {}", of(Answer::Vetoed), answered.len())),
            ),
            ("approval_wait_median", value(median(&waits))),
            ("approval_wait_p90", value(p90(&waits))),
            ("approvals_unanswered", noted(void().count() as f64, format!("{} expired", void().filter(|a| a.expired).count()))),
            ("looked_median", value(median(&looked))),
            (
                "decided_under_2s",
                noted(percent(hasty, looked.len()), format!("{hasty} of {}", plural(looked.len(), "decision", "decisions"))),
            ),
        ]);
    }

    fn machine(&self, figures: &mut Figures) {
        let tally = self.tally();
        let total = tally.cost_micros as f64 / 1e6;
        let in_all = format!("{} in all", text(Unit::Money, Some(total), &self.names.currency));
        let recovered: Vec<f64> = self.failures().filter_map(|span| Some(seconds(span.from, span.to?))).collect();
        let mean = (!recovered.is_empty()).then(|| recovered.iter().sum::<f64>() / recovered.len() as f64);
        figures.extend([
            ("availability", value(self.availability())),
            ("time_to_recover", noted(mean, plural(self.failures().count(), "failure", "failures"))),
            ("actions", value(tally.actions as f64)),
            ("actions_refused", value(tally.refused as f64)),
            ("model_calls", value(tally.calls as f64)),
            ("tokens", value(tally.tokens as f64)),
            ("cost_per_outcome", noted(self.cost_per_outcome(), in_all)),
            ("cost_total", value(total)),
        ]);
    }

    fn failures(&self) -> impl Iterator<Item = &'a Span> + use<'a> {
        let this = *self;
        let workers = this.history.workers.iter().filter(move |(id, _)| this.covers(Some(id), None));
        workers.flat_map(|(_, w)| &w.failures).filter(move |span| this.within(span.from))
    }

    fn backlog(&self, figures: &mut Figures) {
        let open: Vec<_> = self.open().map(|(_, o)| o).collect();
        let as_of = self.as_of();
        let ages: Vec<f64> = open.iter().filter_map(|o| Some(seconds(o.created?, as_of))).collect();
        let waits = |o: &&&OrderFact| matches!(o.state, Some(OrderState::NeedsApproval | OrderState::NeedsHelp));
        figures.extend([
            ("backlog", value(open.len() as f64)),
            ("backlog_waiting", value(open.iter().filter(waits).count() as f64)),
            ("backlog_age_median", value(median(&ages))),
            ("backlog_age_oldest", value(ages.iter().copied().max_by(f64::total_cmp))),
            ("overdue", value(open.iter().filter(|o| o.due.is_some_and(|due| due < as_of)).count() as f64)),
        ]);
    }
}
