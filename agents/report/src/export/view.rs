//! The report as tables of typed cells: what every export writes, each in its own way.

use serde::Serialize;

use crate::figure::{Figure, Unit, text};
use crate::report::Report;
use crate::tables::{GroupRow, OrderRow};

/// Text is data in every export; a number keeps its unit.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Text(String),
    Number(Unit, Option<f64>),
}

impl Cell {
    pub fn shown(&self, currency: &str) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(unit, value) => text(*unit, *value, currency),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub key: &'static str,
    pub label: &'static str,
    /// Shown on a page too, where there is no room for all of them.
    pub page: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Table {
    pub title: &'static str,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Columns and rows for a page, at most `most` rows.
    pub fn page(&self, currency: &str, most: usize) -> PageTable {
        let kept = |i: &usize| self.columns[*i].page;
        let columns: Vec<usize> = (0..self.columns.len()).filter(kept).collect();
        let number = |i: usize| self.rows.first().is_some_and(|row| matches!(row[i], Cell::Number(..)));
        PageTable {
            title: self.title,
            heads: columns.iter().map(|&i| self.columns[i].label).collect(),
            numbers: columns.iter().map(|&i| number(i)).collect(),
            rows: self.rows.iter().take(most).map(|row| columns.iter().map(|&i| row[i].shown(currency)).collect()).collect(),
            left_out: self.rows.len().saturating_sub(most),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct PageTable {
    pub title: &'static str,
    pub heads: Vec<&'static str>,
    /// Whether a column holds numbers, which stand to the right.
    pub numbers: Vec<bool>,
    pub rows: Vec<Vec<String>>,
    pub left_out: usize,
}

const fn page(key: &'static str, label: &'static str) -> Column {
    Column { key, label, page: true }
}

const fn more(key: &'static str, label: &'static str) -> Column {
    Column { key, label, page: false }
}

fn number(value: impl Into<f64>) -> Cell {
    Cell::Number(Unit::Count, Some(value.into()))
}

fn words(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn yes(is: bool) -> Cell {
    words(if is { "yes" } else { "no" })
}

pub(super) fn departments(report: &Report) -> Table {
    groups("By department", &report.departments, false)
}

pub(super) fn workers(report: &Report) -> Table {
    groups("By worker", &report.workers, true)
}

fn groups(title: &'static str, rows: &[GroupRow], of_workers: bool) -> Table {
    let mut columns = vec![
        more("id", "Id"),
        page("name", "Name"),
        page("done", "Done"),
        page("verified", "Verified"),
        page("autonomous_percent", "Alone"),
        page("first_pass_percent", "First pass"),
        page("cycle_seconds", "Cycle"),
        more("lead_seconds", "Lead"),
        more("failed", "Failed"),
        more("verified_percent", "Verified share"),
        page("interventions", "Stepped in"),
        more("approvals", "Approvals"),
        page("vetoed", "Vetoed"),
        Column { key: "availability_percent", label: "Available", page: of_workers },
        more("actions", "Actions"),
        more("model_calls", "Model calls"),
        page("cost", "Cost"),
        more("cost_total", "Cost in all"),
    ];
    if of_workers {
        columns.insert(2, page("department", "Department"));
    }
    let row = |r: &GroupRow| {
        let mut row = vec![
            words(&r.id),
            words(&r.name),
            number(r.done),
            number(r.verified),
            Cell::Number(Unit::Percent, r.autonomous_percent),
            Cell::Number(Unit::Percent, r.first_pass_percent),
            Cell::Number(Unit::Seconds, r.cycle_seconds),
            Cell::Number(Unit::Seconds, r.lead_seconds),
            number(r.failed),
            Cell::Number(Unit::Percent, r.verified_percent),
            number(r.interventions),
            number(r.approvals),
            number(r.vetoed),
            Cell::Number(Unit::Percent, r.availability_percent),
            number(r.actions as f64),
            number(r.model_calls as f64),
            Cell::Number(Unit::Money, r.cost),
            Cell::Number(Unit::Money, Some(r.cost_total)),
        ];
        if of_workers {
            row.insert(2, words(r.department.as_deref().unwrap_or_default()));
        }
        row
    };
    Table { title, columns, rows: rows.iter().map(row).collect() }
}

pub(super) fn orders(report: &Report) -> Table {
    let columns = vec![
        page("id", "Order"),
        page("title", "Title"),
        more("department", "Department"),
        page("worker", "Worker"),
        page("state", "State"),
        more("created", "Created"),
        more("started", "Started"),
        page("ended", "Ended"),
        page("cycle_seconds", "Cycle"),
        more("lead_seconds", "Lead"),
        page("verified", "Verified"),
        more("first_pass", "First pass"),
        page("score_percent", "Score"),
        more("points_earned", "Points earned"),
        more("points_possible", "Points possible"),
        page("interventions", "Stepped in"),
        more("approvals", "Approvals"),
        more("retries", "Steps tried again"),
        more("reruns", "Runs started again"),
        page("cost", "Cost"),
    ];
    let row = |r: &OrderRow| {
        vec![
            words(&r.id),
            words(&r.title),
            words(&r.department),
            words(&r.worker),
            words(&r.state.replace('_', " ")),
            words(&r.created),
            words(&r.started),
            words(&r.ended),
            Cell::Number(Unit::Seconds, r.cycle_seconds),
            Cell::Number(Unit::Seconds, r.lead_seconds),
            yes(r.verified),
            yes(r.first_pass),
            Cell::Number(Unit::Percent, r.score_percent),
            number(r.points_earned),
            number(r.points_possible),
            number(r.interventions),
            number(r.approvals),
            number(r.retries),
            number(r.reruns),
            Cell::Number(Unit::Money, Some(r.cost)),
        ]
    };
    Table { title: "Orders", columns, rows: report.orders.iter().map(row).collect() }
}

pub(super) fn interventions(report: &Report) -> Table {
    Table {
        title: "How people stepped in",
        columns: vec![
            page("label", "What"),
            page("count", "Times"),
            page("orders", "Orders"),
            page("median_seconds", "Median time"),
        ],
        rows: report
            .interventions
            .iter()
            .map(|r| vec![words(&r.label), number(r.count), number(r.orders), Cell::Number(Unit::Seconds, r.median_seconds)])
            .collect(),
    }
}

pub(super) fn people(report: &Report) -> Table {
    Table {
        title: "How well approvals are looked at",
        columns: vec![
            page("person", "Person"),
            page("decisions", "Decisions"),
            page("approved_percent", "Approved"),
            page("looked_seconds", "Looked, median"),
            page("under_2s", "Under 2 s"),
        ],
        rows: report
            .approvals
            .people
            .iter()
            .map(|r| {
                vec![
                    words(&r.person),
                    number(r.decisions),
                    Cell::Number(Unit::Percent, r.approved_percent),
                    Cell::Number(Unit::Seconds, r.looked_seconds),
                    number(r.under_2s),
                ]
            })
            .collect(),
    }
}

pub(super) fn ages(report: &Report) -> Table {
    Table {
        title: "Open orders by age",
        columns: vec![page("label", "Age"), page("count", "Orders")],
        rows: report.ages.iter().map(|r| vec![words(&r.label), number(r.count)]).collect(),
    }
}

pub(super) fn days(report: &Report) -> Table {
    Table {
        title: "Outcomes by day",
        columns: vec![
            page("date", "Date"),
            page("alone", "Alone"),
            page("assisted", "With a person"),
            page("failed", "Failed"),
        ],
        rows: report.days.iter().map(|r| vec![words(&r.date), number(r.alone), number(r.assisted), number(r.failed)]).collect(),
    }
}

/// Bars of the chart: days, or equal spans of days where there are too many to tell apart.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Bars {
    pub bars: Vec<Bar>,
    /// Top of the axis: an even round number above the highest bar.
    pub most: u32,
    /// Days in one bar.
    pub span: usize,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Bar {
    /// Date of its first day.
    pub date: String,
    pub alone: u32,
    pub assisted: u32,
}

const MOST_BARS: usize = 62;

pub(super) fn bars(report: &Report) -> Bars {
    let span = match report.days.len() {
        0..=MOST_BARS => 1,
        n if n <= 7 * MOST_BARS => 7,
        n => n.div_ceil(MOST_BARS),
    };
    let bars: Vec<Bar> = report
        .days
        .chunks(span)
        .map(|days| Bar {
            date: days[0].date.clone(),
            alone: days.iter().map(|d| d.alone).sum(),
            assisted: days.iter().map(|d| d.assisted).sum(),
        })
        .collect();
    let highest = bars.iter().map(|b| b.alone.saturating_add(b.assisted)).max().unwrap_or(0);
    let most = axis_top(highest);
    Bars { bars, most, span }
}

fn axis_top(highest: u32) -> u32 {
    let power = 10_u32.saturating_pow(highest.max(1).ilog10());
    let round = [1, 2, 3, 4, 5, 6, 8, 10].map(|m: u32| m.saturating_mul(power));
    round.into_iter().find(|top| *top >= highest && top % 2 == 0).unwrap_or(highest).max(2)
}

pub(super) fn chart_title(bars: &Bars) -> String {
    match bars.span {
        1 => "Outcomes by day".into(),
        7 => "Outcomes by week".into(),
        n => format!("Outcomes by {n} days"),
    }
}

/// Figures under their heading, in reading order.
#[derive(Debug, Clone, Serialize)]
pub(super) struct FigureGroup<'a> {
    pub name: &'a str,
    pub figures: Vec<&'a Figure>,
}

pub(super) fn figure_groups(report: &Report) -> Vec<FigureGroup<'_>> {
    let mut groups: Vec<FigureGroup<'_>> = Vec::new();
    for figure in &report.figures {
        match groups.iter_mut().find(|g| g.name == figure.group) {
            Some(group) => group.figures.push(figure),
            None => groups.push(FigureGroup { name: &figure.group, figures: vec![figure] }),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::axis_top;

    #[test]
    fn the_axis_has_a_middle() {
        let tops = [0, 1, 2, 3, 5, 7, 9, 10, 35, 99, 512, u32::MAX].map(axis_top);
        assert_eq!(tops, [2, 2, 2, 4, 6, 8, 10, 10, 40, 100, 600, u32::MAX]);
    }
}
