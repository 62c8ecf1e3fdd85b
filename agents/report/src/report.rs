//! The report: all figures and tables of one scope and period.

use jiff::tz::TimeZone;
use mz_protocol::{EventRecord, Period, ReportScope, Timestamp};
use serde::{Deserialize, Serialize};

use crate::calendar;
use crate::definitions::DEFINITIONS;
use crate::figure::Figure;
use crate::history::History;
use crate::measure::Scoped;
use crate::names::{Names, shown};
use crate::tables::{AgeRow, ApprovalTable, DayRow, GroupRow, InterventionRow, OrderRow};

/// Ready to be shown: every text is safe to display, and every figure carries its text, its number, the period
/// before and the way it is counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Such as `Atelier: productivity`.
    pub title: String,
    pub company: String,
    /// Such as `9 – 22 November 2026`.
    pub period: String,
    /// The period of the same length before, which changes are against.
    pub period_before: String,
    /// Such as `all departments`.
    pub scope: String,
    /// ISO 4217 code.
    pub currency: String,
    /// From (inclusive) to (exclusive).
    pub range: Period,
    pub of: ReportScope,
    /// IANA name of the time zone that days and minutes are of.
    pub zone: String,
    /// The last instant that is known: the end of the period, or the newest event where it has not ended.
    pub as_of: Timestamp,
    /// `as_of` in the zone.
    pub as_of_text: String,
    /// The first six are the headline.
    pub figures: Vec<Figure>,
    pub days: Vec<DayRow>,
    pub departments: Vec<GroupRow>,
    pub workers: Vec<GroupRow>,
    pub interventions: Vec<InterventionRow>,
    pub approvals: ApprovalTable,
    /// Open orders by age.
    pub ages: Vec<AgeRow>,
    pub orders: Vec<OrderRow>,
}

impl Report {
    /// Reads all events, in the ledger's order: an order that ends in the period may have begun long before.
    /// What happened after the period changes nothing in it.
    pub fn build<'a>(
        events: impl IntoIterator<Item = &'a EventRecord>,
        names: &Names,
        scope: &ReportScope,
        period: Period,
        zone: TimeZone,
    ) -> Self {
        let events: Vec<&EventRecord> = events.into_iter().collect();
        let names = &Names { currency: currency(&names.currency), ..names.clone() };
        let history = History::read(&events, period);
        let now = Scoped { history: &history, names, scope };
        let before = calendar::before(period, &zone);
        let company = shown(&names.company);
        Self {
            title: format!("{}: productivity", if company.is_empty() { "Company" } else { &company }),
            company,
            period: calendar::text(period, &zone),
            period_before: calendar::text(before, &zone),
            scope: scope_text(names, scope),
            currency: names.currency.clone(),
            range: period,
            of: scope.clone(),
            zone: zone.iana_name().unwrap_or("local time").to_owned(),
            as_of: now.as_of(),
            as_of_text: calendar::minute_of(now.as_of(), &zone),
            figures: figures(&events, now, before),
            days: now.days(&zone),
            departments: now.departments(),
            workers: now.workers(),
            interventions: now.intervention_rows(),
            approvals: now.approval_table(),
            ages: now.ages(),
            orders: now.order_rows(&zone),
        }
    }

    /// By its stable name.
    pub fn figure(&self, key: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.key == key)
    }
}

fn figures(events: &[&EventRecord], now: Scoped<'_>, before: Period) -> Vec<Figure> {
    let past = History::read(events, before);
    let measured = now.figures();
    // Without a single event before, there is nothing to compare with; zero would read as growth.
    let past = past.last.is_some().then(|| Scoped { history: &past, ..now }.figures());
    let currency = &now.names.currency;
    DEFINITIONS
        .iter()
        .map(|definition| {
            let value = measured.get(definition.key).cloned().unwrap_or_default();
            let before = past.as_ref().and_then(|past| past.get(definition.key)).and_then(|m| m.value);
            Figure::new(definition, value, before, currency)
        })
        .collect()
}

/// Three capitals or nothing: it becomes part of number formats.
fn currency(code: &str) -> String {
    let fits = code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
    if fits { code.to_owned() } else { String::new() }
}

fn scope_text(names: &Names, scope: &ReportScope) -> String {
    match scope {
        ReportScope::Company => "all departments".into(),
        ReportScope::Department(id) => format!("department {}", names.department(id)),
        ReportScope::Worker(id) => match names.department_of(id) {
            Some(department) => format!("{}, {}", names.worker(id), names.department(department)),
            None => names.worker(id),
        },
    }
}
