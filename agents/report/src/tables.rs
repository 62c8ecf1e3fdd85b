//! The tables of a report: by day, department, worker and order, and what people did.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use mz_protocol::{DepartmentId, OrderState, OutcomeReport, ReportScope, WorkOrderId, WorkerId};
use serde::{Deserialize, Serialize};

use crate::calendar::{date_of, days, minute_of};
use crate::figure::{Unit, text};
use crate::history::{Kind, OrderFact, seconds};
use crate::measure::{HASTY_SECONDS, Scoped};
use crate::names::shown;
use crate::stats::{median, percent};

/// Orders done on one day of the report's zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayRow {
    /// ISO 8601.
    pub date: String,
    /// Without an intervention.
    pub alone: u32,
    pub assisted: u32,
    pub failed: u32,
}

/// A department or a worker. Percentages are 0 to 100, times are medians in seconds, costs in the currency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRow {
    pub id: String,
    pub name: String,
    /// Of a worker.
    pub department: Option<String>,
    pub done: u32,
    pub failed: u32,
    pub verified: u32,
    pub verified_percent: Option<f64>,
    pub autonomous_percent: Option<f64>,
    pub first_pass_percent: Option<f64>,
    pub cycle_seconds: Option<f64>,
    pub lead_seconds: Option<f64>,
    pub interventions: u32,
    pub approvals: u32,
    pub vetoed: u32,
    pub availability_percent: Option<f64>,
    pub actions: u64,
    pub model_calls: u64,
    /// For each verified outcome.
    pub cost: Option<f64>,
    pub cost_total: f64,
}

/// An order that ended in the period or was open at its end. Counts and cost are of its whole life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderRow {
    pub id: String,
    pub title: String,
    pub department: String,
    pub worker: String,
    /// Snake_case, as in the protocol.
    pub state: String,
    /// Minutes of the report's zone, `2026-11-22 09:30`; empty where not known.
    pub created: String,
    pub started: String,
    pub ended: String,
    pub cycle_seconds: Option<f64>,
    pub lead_seconds: Option<f64>,
    pub verified: bool,
    pub first_pass: bool,
    pub score_percent: Option<f64>,
    pub points_earned: u32,
    pub points_possible: u32,
    pub interventions: u32,
    pub approvals: u32,
    pub retries: u32,
    pub reruns: u32,
    pub cost: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InterventionRow {
    pub kind: String,
    pub label: String,
    pub count: u32,
    /// Orders touched.
    pub orders: u32,
    /// Driven in takeovers, waited for in the others.
    pub median_seconds: Option<f64>,
}

/// How well approvals are looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalTable {
    /// The line that the console shows.
    pub text: String,
    pub decisions: u32,
    /// Share of decisions that approve.
    pub approved_percent: Option<f64>,
    pub looked_seconds: Option<f64>,
    pub under_2s: u32,
    pub people: Vec<PersonRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonRow {
    pub person: String,
    pub decisions: u32,
    pub approved_percent: Option<f64>,
    /// Median.
    pub looked_seconds: Option<f64>,
    pub under_2s: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgeRow {
    pub label: String,
    pub count: u32,
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn micros(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

impl Scoped<'_> {
    pub fn days(&self, zone: &TimeZone) -> Vec<DayRow> {
        let mut period = self.history.period;
        // A period without end is as long as its events.
        if period.to.since(period.from).0 > 3660 * 86_400_000 {
            period.from = self.history.first.map_or(period.from, |first| first.max(period.from));
            period.to = self.history.last.map_or(period.from, |last| last.plus(mz_protocol::Millis(1)).min(period.to));
        }
        let empty = |date: String| DayRow { date, alone: 0, assisted: 0, failed: 0 };
        let mut rows: BTreeMap<String, DayRow> = days(period, zone).into_iter().map(|d| (d.clone(), empty(d))).collect();
        for (_, order) in self.finished() {
            let Some((at, state)) = order.ended else { continue };
            let Some(row) = rows.get_mut(&date_of(at, zone)) else { continue };
            match state {
                OrderState::Done if order.interventions == 0 => row.alone += 1,
                OrderState::Done => row.assisted += 1,
                OrderState::Failed => row.failed += 1,
                _ => {}
            }
        }
        rows.into_values().collect()
    }

    pub fn departments(&self) -> Vec<GroupRow> {
        let mut ids: BTreeSet<DepartmentId> = self.names.departments.keys().cloned().collect();
        ids.extend(self.orders().filter_map(|(_, o)| o.department.clone()));
        let mine = match self.scope {
            ReportScope::Company => None,
            ReportScope::Department(id) => Some(id),
            ReportScope::Worker(worker) => self.history.department_of(worker, self.names),
        };
        // A worker's report has no departments to compare.
        let wanted = |id: &DepartmentId| *self.scope == ReportScope::Company || mine == Some(id);
        if matches!(self.scope, ReportScope::Worker(_)) {
            return Vec::new();
        }
        ids.into_iter()
            .filter(wanted)
            .map(|id| {
                let scope = ReportScope::Department(id.clone());
                Scoped { scope: &scope, ..*self }.group_row(id.as_str(), self.names.department(&id), None)
            })
            .collect()
    }

    pub fn workers(&self) -> Vec<GroupRow> {
        let mut ids: BTreeSet<WorkerId> = self.names.workers.keys().cloned().collect();
        ids.extend(self.history.workers.keys().cloned());
        ids.into_iter()
            .filter(|id| self.covers(Some(id), None))
            .map(|id| {
                let department = self.history.department_of(&id, self.names).map(|d| self.names.department(d));
                let scope = ReportScope::Worker(id.clone());
                Scoped { scope: &scope, ..*self }.group_row(id.as_str(), self.names.worker(&id), department)
            })
            .collect()
    }

    fn group_row(&self, id: &str, name: String, department: Option<String>) -> GroupRow {
        let figures = self.figures();
        let value = |key: &str| figures.get(key).and_then(|f| f.value);
        let count = |key: &str| value(key).unwrap_or(0.0) as u32;
        let share = |key: &str| value(key).map(tenth);
        GroupRow {
            id: id.to_owned(),
            name,
            department,
            done: count("throughput"),
            failed: count("orders_failed"),
            verified: count("outcomes_verified"),
            verified_percent: share("verified_rate"),
            autonomous_percent: share("autonomous_resolution"),
            first_pass_percent: share("first_pass_yield"),
            cycle_seconds: value("cycle_time_median"),
            lead_seconds: value("lead_time_median"),
            interventions: count("interventions"),
            approvals: count("approvals_asked"),
            vetoed: small(self.interventions().filter(|i| i.kind == Kind::Veto).count()),
            availability_percent: share("availability"),
            actions: self.tally().actions,
            model_calls: self.tally().calls,
            cost: value("cost_per_outcome").map(micros),
            cost_total: micros(value("cost_total").unwrap_or(0.0)),
        }
    }

    pub fn order_rows(&self, zone: &TimeZone) -> Vec<OrderRow> {
        let mut finished: Vec<_> = self.finished().collect();
        finished.sort_by_key(|(id, o)| (o.ended.map(|(at, _)| at), (*id).clone()));
        finished.into_iter().chain(self.open()).map(|(id, order)| self.order_row(id, order, zone)).collect()
    }

    fn order_row(&self, id: &WorkOrderId, order: &OrderFact, zone: &TimeZone) -> OrderRow {
        let check = order.checks.last();
        let minute = |at| minute_of(at, zone);
        let state = order.state.and_then(|s| serde_json::to_value(s).ok()).and_then(|v| v.as_str().map(str::to_owned));
        OrderRow {
            id: id.to_string(),
            title: shown(order.title.as_deref().unwrap_or(id.as_str())),
            department: order.department.as_ref().map(|d| self.names.department(d)).unwrap_or_default(),
            worker: order.worker.as_ref().map(|w| self.names.worker(w)).unwrap_or_default(),
            state: state.unwrap_or_default(),
            created: order.created.map(minute).unwrap_or_default(),
            started: order.started.map(minute).unwrap_or_default(),
            ended: order.ended.map(|(at, _)| minute(at)).unwrap_or_default(),
            cycle_seconds: order.cycle_seconds(),
            lead_seconds: order.lead_seconds(),
            verified: order.verified(),
            first_pass: order.first_pass(),
            score_percent: check.map(|c| tenth(100.0 * c.score())),
            points_earned: check.map_or(0, OutcomeReport::earned),
            points_possible: check.map_or(0, OutcomeReport::possible),
            interventions: order.interventions,
            approvals: order.approvals,
            retries: order.retries,
            reruns: order.reruns,
            cost: order.cost_micros as f64 / 1e6,
        }
    }

    pub fn intervention_rows(&self) -> Vec<InterventionRow> {
        let row = |kind: Kind| {
            let (name, label) = match kind {
                Kind::Takeover => ("takeover", "Took over"),
                Kind::Help => ("help", "Helped"),
                Kind::Veto => ("veto", "Vetoed"),
                Kind::Edit => ("edit", "Edited"),
            };
            let of: Vec<_> = self.interventions().filter(|i| i.kind == kind).collect();
            let spans: Vec<f64> = of.iter().map(|i| i.seconds).filter(|s| *s > 0.0).collect();
            InterventionRow {
                kind: name.into(),
                label: label.into(),
                count: small(of.len()),
                orders: small(of.iter().filter_map(|i| i.order.as_ref()).collect::<BTreeSet<_>>().len()),
                median_seconds: median(&spans),
            }
        };
        Kind::ALL.into_iter().map(row).collect()
    }

    pub fn approval_table(&self) -> ApprovalTable {
        let decisions = self.decisions();
        let row = |person: String, wanted: &dyn Fn(&str) -> bool| {
            let of: Vec<_> = decisions.iter().filter(|d| wanted(d.by.as_str())).collect();
            let looked: Vec<f64> = of.iter().map(|d| d.looked_seconds).collect();
            PersonRow {
                person,
                decisions: small(of.len()),
                approved_percent: percent(of.iter().filter(|d| d.approved).count(), of.len()).map(tenth),
                looked_seconds: median(&looked),
                under_2s: small(looked.iter().filter(|s| **s < HASTY_SECONDS).count()),
            }
        };
        let all = row(String::new(), &|_| true);
        let people: BTreeSet<&str> = decisions.iter().map(|d| d.by.as_str()).collect();
        ApprovalTable {
            text: approval_line(&all),
            decisions: all.decisions,
            approved_percent: all.approved_percent,
            looked_seconds: all.looked_seconds,
            under_2s: all.under_2s,
            people: people.into_iter().map(|p| row(p.to_owned(), &|by| by == p)).collect(),
        }
    }

    pub fn ages(&self) -> Vec<AgeRow> {
        const DAY: f64 = 86_400.0;
        const BOUNDS: [(&str, f64); 4] =
            [("under 1 day", DAY), ("1 to 3 days", 3.0 * DAY), ("3 to 7 days", 7.0 * DAY), ("over 7 days", f64::INFINITY)];
        let mut rows: Vec<AgeRow> = BOUNDS.iter().map(|(label, _)| AgeRow { label: (*label).into(), count: 0 }).collect();
        for age in self.open().filter_map(|(_, o)| Some(seconds(o.created?, self.as_of()))) {
            if let Some(i) = BOUNDS.iter().position(|(_, bound)| age < *bound) {
                rows[i].count += 1;
            }
        }
        rows
    }
}

fn approval_line(all: &PersonRow) -> String {
    if all.decisions == 0 {
        return "No decisions in this period".into();
    }
    format!(
        "Approved {} · looked {} (median) · {} of {} decided in under 2 s",
        text(Unit::Percent, all.approved_percent, ""),
        text(Unit::Seconds, all.looked_seconds, ""),
        all.under_2s,
        all.decisions
    )
}
