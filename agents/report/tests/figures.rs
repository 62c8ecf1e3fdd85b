//! Figures against numbers that were computed by hand from the same week.

#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::*;
use jiff::tz::TimeZone;
use mz_protocol::{DecisionKind, EventBody, OrderState, Period, ReportScope, StopScope, Timestamp};
use mz_report::{Names, Report, Trend};

fn value(report: &Report, key: &str) -> Option<f64> {
    report.figure(key).unwrap_or_else(|| panic!("no figure {key}")).value
}

fn assert_figures(report: &Report, expected: &[(&str, f64)]) {
    for (key, number) in expected {
        assert_eq!(value(report, key), Some(*number), "{key}");
    }
}

#[test]
fn the_week_by_hand() {
    let report = build(&by_hand(), &ReportScope::Company);
    assert_figures(
        &report,
        &[
            ("outcomes_verified", 4.0), // 1, 2, 3, 8
            ("throughput", 4.0),
            ("orders_failed", 1.0),          // 4
            ("orders_cancelled", 1.0),       // 5
            ("autonomous_resolution", 60.0), // 1, 2, 8 of five
            ("verified_rate", 80.0),
            ("score", 85.0),            // (4 x 1 + 0.5 x 1/2) / 5
            ("points_earned", 11.0),    // 2 + 3 + 4 + 1 + 1 of 12
            ("first_pass_yield", 60.0), // 1, 2, 8
            ("rework_rate", 20.0),      // 3
            ("step_retries", 1.0),
            ("reruns", 0.0),
            ("cycle_time_median", 900.0), // of 300, 600, 1200, 1500
            ("cycle_time_p90", 1500.0),
            ("lead_time_median", 2400.0), // of 400, 1600, 3200, 50500
            ("lead_time_p90", 50_500.0),
            ("interventions", 3.0), // veto, help, takeover
            ("interventions_per_100", 60.0),
            ("intervened_rate", 40.0), // 3, 4
            ("escalation_rate", 20.0), // 3
            ("time_driven", 300.0),
            ("stops", 1.0),
        ],
    );
    assert_figures(
        &report,
        &[
            ("approvals_asked", 3.0),
            ("approvals_per_100", 60.0),
            ("approvals_approved", 50.0),
            ("veto_rate", 50.0),
            ("approval_wait_median", 180.0), // of 60 and 300
            ("approval_wait_p90", 300.0),
            ("approvals_unanswered", 1.0),
            ("looked_median", 6.75), // of 12 and 1.5
            ("decided_under_2s", 50.0),
            ("availability", 99.8), // 2060 s lost of 604800 + 601800
            ("time_to_recover", 100.0),
            ("actions", 3.0), // not the one by a person
            ("actions_refused", 1.0),
            ("model_calls", 3.0),
            ("tokens", 450.0),
            ("cost_total", 0.6), // 0.10 + 0.02 + 0.28 + 0.20
            ("cost_per_outcome", 0.15),
            ("backlog", 3.0),         // 6, 7, 9
            ("backlog_waiting", 1.0), // 7
            ("backlog_age_median", 304_800.0),
            ("backlog_age_oldest", 504_800.0),
            ("overdue", 1.0), // 6
        ],
    );
    assert_eq!(report.figure("interventions").unwrap().note, "1 takeover, 1 veto, 1 helped");
    assert_eq!(report.figure("cost_per_outcome").unwrap().text, "€0.15");
    assert_eq!(report.figure("cost_per_outcome").unwrap().note, "€0.60 in all");
    assert_eq!((report.period.as_str(), report.scope.as_str()), ("9 – 15 November 2026", "all departments"));
    assert!(report.figures.iter().all(|f| !f.text.starts_with('-') && !f.previous_text.starts_with('-')));
    let headline: Vec<_> = report.figures.iter().take(6).map(|f| f.key.as_str()).collect();
    let wanted = [
        "outcomes_verified",
        "autonomous_resolution",
        "cycle_time_median",
        "interventions_per_100",
        "approval_wait_p90",
        "cost_per_outcome",
    ];
    assert_eq!(headline, wanted);
}

#[test]
fn tables_agree_with_the_figures() {
    let report = build(&by_hand(), &ReportScope::Company);
    let days: Vec<_> = report.days.iter().map(|d| (d.date.as_str(), d.alone, d.assisted, d.failed)).collect();
    assert_eq!(days.len(), 7);
    assert_eq!(days[..3], [("2026-11-09", 3, 1, 0), ("2026-11-10", 0, 0, 1), ("2026-11-11", 0, 0, 0)]);

    let finance = report.departments.iter().find(|d| d.id == "finance").unwrap();
    assert_eq!((finance.name.as_str(), finance.verified, finance.vetoed), ("Finance", 3, 0));
    assert_eq!((finance.first_pass_percent, finance.cycle_seconds, finance.cost), (Some(100.0), Some(600.0), Some(0.04)));
    let software = report.departments.iter().find(|d| d.id == "software").unwrap();
    assert_eq!((software.verified, software.failed, software.vetoed), (1, 1, 1));
    assert_eq!((software.first_pass_percent, software.autonomous_percent, software.cost), (Some(0.0), Some(0.0), Some(0.28)));

    let olek = report.workers.iter().find(|w| w.id == "olek").unwrap();
    assert_eq!((olek.department.as_deref(), olek.interventions, olek.actions), (Some("Software"), 3, 1));
    // 300 + 400 + 300 + 1000 s of 601800; the lost desktop lies within a wait.
    assert_eq!(olek.availability_percent, Some(99.7));

    let ids: Vec<_> = report.orders.iter().map(|o| o.id.as_str()).collect();
    assert_eq!(ids, ["WO-8", "WO-1", "WO-2", "WO-3", "WO-4", "WO-5", "WO-6", "WO-7", "WO-9"]);
    let wo3 = report.orders.iter().find(|o| o.id == "WO-3").unwrap();
    assert_eq!((wo3.interventions, wo3.approvals, wo3.retries, wo3.verified, wo3.first_pass), (2, 1, 1, true, false));
    assert_eq!((wo3.score_percent, wo3.cost), (Some(100.0), 0.28));
    assert_eq!(report.orders.iter().find(|o| o.id == "WO-9").unwrap().state, "in_progress");

    let kinds: Vec<_> = report.interventions.iter().map(|i| (i.kind.as_str(), i.count, i.median_seconds)).collect();
    assert_eq!(kinds, [("takeover", 1, Some(300.0)), ("help", 1, Some(400.0)), ("veto", 1, Some(300.0)), ("edit", 0, None)]);
    let people: Vec<_> = report.approvals.people.iter().map(|p| (p.person.as_str(), p.approved_percent, p.under_2s)).collect();
    assert_eq!(people, [("lena", Some(100.0), 0), ("max", Some(0.0), 1)]);
    assert_eq!(report.ages.iter().map(|a| a.count).collect::<Vec<_>>(), [1, 0, 2, 0]);
}

#[test]
fn the_week_before_is_compared() {
    let report = build(&by_hand(), &ReportScope::Company);
    let cost = report.figure("cost_per_outcome").unwrap();
    assert_eq!((cost.previous, cost.trend, cost.change.as_deref()), (Some(0.5), Some(Trend::Better), Some("−€0.35")));
    let verified = report.figure("outcomes_verified").unwrap();
    assert_eq!((verified.previous, verified.change.as_deref()), (Some(1.0), Some("+300 %")));
    assert_eq!(verified.note, "+300 % on the period before");
    let cycle = report.figure("cycle_time_median").unwrap();
    assert_eq!(
        (cycle.previous, cycle.change.as_deref(), cycle.trend),
        (Some(1000.0), Some("−1 min 40 s"), Some(Trend::Better))
    );
}

#[test]
fn scopes_see_their_own() {
    let log = by_hand();
    let finance = build(&log, &ReportScope::Department(department("finance")));
    assert_figures(
        &finance,
        &[("outcomes_verified", 3.0), ("cost_total", 0.12), ("interventions", 0.0), ("approvals_asked", 1.0), ("stops", 0.0)],
    );
    assert_eq!(finance.departments.len(), 1);
    let olek = build(&log, &ReportScope::Worker(worker("olek")));
    assert_figures(
        &olek,
        &[("outcomes_verified", 1.0), ("orders_failed", 1.0), ("cost_total", 0.28), ("veto_rate", 100.0), ("actions", 1.0)],
    );
    assert_eq!((olek.scope.as_str(), olek.workers.len()), ("Olek, Software", 1));
    let nobody = build(&log, &ReportScope::Worker(worker("nobody")));
    assert_figures(&nobody, &[("outcomes_verified", 0.0), ("backlog", 0.0)]);
    assert_eq!(value(&nobody, "availability"), None);
}

#[test]
fn what_comes_later_changes_no_past_period() {
    let mut log = by_hand();
    let before = build(&log, &ReportScope::Company);
    log.moved(WEEK + 500, "WO-1", "mira", OrderState::Done, OrderState::InProgress);
    log.moved(WEEK + 900, "WO-1", "mira", OrderState::InReview, OrderState::Failed);
    assert_eq!(build(&log, &ReportScope::Company), before);
}

#[test]
fn an_empty_period_has_no_rates() {
    let log = by_hand();
    for period in [
        Period { from: at(10 * WEEK), to: at(11 * WEEK) },
        Period { from: at(7), to: at(7) },
        Period { from: at(9), to: at(7) },
    ] {
        let report = Report::build(&log.records, &names(), &ReportScope::Company, period, TimeZone::UTC);
        for key in
            ["autonomous_resolution", "cycle_time_median", "cost_per_outcome", "interventions_per_100", "approval_wait_p90"]
        {
            let figure = report.figure(key).unwrap();
            assert_eq!((figure.value, figure.text.as_str()), (None, "–"), "{key} of {period:?}");
        }
        assert_figures(&report, &[("outcomes_verified", 0.0), ("cost_total", 0.0), ("actions", 0.0)]);
    }
    let nothing = Report::build(&[], &Names::default(), &ReportScope::Company, week(), TimeZone::UTC);
    assert_eq!(value(&nothing, "outcomes_verified"), Some(0.0));
    assert_eq!(nothing.figure("outcomes_verified").unwrap().previous, None);
    assert_eq!((nothing.days.len(), nothing.orders.len()), (7, 0));
    let all = Period { from: Timestamp(i64::MIN), to: Timestamp(i64::MAX) };
    assert_figures(
        &Report::build(&log.records, &names(), &ReportScope::Company, all, TimeZone::UTC),
        &[("outcomes_verified", 6.0)],
    );
}

#[test]
fn a_clock_that_goes_back_gives_no_negative_time() {
    let mut log = Log::default();
    log.add(1_000, "WO-1", "Back in time", "finance", None);
    log.moved(2_000, "WO-1", "mira", OrderState::Todo, OrderState::InProgress);
    log.asked(2_100, "AP-1", "mira", "finance", "WO-1", 1);
    log.decided(1_500, "AP-1", "lena", 3_000, DecisionKind::Approve);
    log.checked(1_600, "WO-1", &[(1, true)]);
    log.moved(1_700, "WO-1", "mira", OrderState::InReview, OrderState::Done);
    log.push(1_800, EventBody::Stopped { scope: StopScope::Company });
    log.push(1_750, EventBody::Resumed { scope: StopScope::Company });
    let report = build(&log, &ReportScope::Company);
    assert_figures(
        &report,
        &[
            ("outcomes_verified", 1.0),
            ("cycle_time_median", 0.0),
            ("lead_time_median", 700.0),
            ("approval_wait_p90", 0.0),
            ("availability", 100.0),
        ],
    );
}

#[test]
fn unknown_ids_are_counted_and_shown_as_they_are() {
    let mut log = Log::default();
    log.moved(100, "WO-77", "ghost", OrderState::Todo, OrderState::InProgress);
    log.checked(190, "WO-77", &[(1, true)]);
    log.moved(200, "WO-77", "ghost", OrderState::InReview, OrderState::Done);
    log.decided(210, "AP-77", "lena", 5_000, DecisionKind::Approve);
    let report = build(&log, &ReportScope::Company);
    assert_figures(&report, &[("outcomes_verified", 1.0), ("cycle_time_median", 100.0), ("decided_under_2s", 0.0)]);
    assert_eq!((value(&report, "lead_time_median"), value(&report, "approval_wait_median")), (None, None));
    assert_eq!((report.orders[0].title.as_str(), report.orders[0].worker.as_str()), ("WO-77", "ghost"));
    assert!(report.workers.iter().any(|w| w.id == "ghost" && w.department.is_none() && w.done == 1));
}

#[test]
fn two_approvers_answer_when_the_second_does() {
    let mut log = Log::default();
    log.add(0, "WO-1", "Pay", "finance", None);
    log.asked(100, "AP-1", "mira", "finance", "WO-1", 2);
    log.decided(130, "AP-1", "lena", 5_000, DecisionKind::Approve);
    log.decided(140, "AP-1", "lena", 5_000, DecisionKind::Approve);
    log.decided(400, "AP-1", "max", 5_000, DecisionKind::Approve);
    let report = build(&log, &ReportScope::Company);
    assert_figures(&report, &[("approval_wait_median", 300.0), ("approvals_approved", 100.0), ("interventions", 0.0)]);
}

#[test]
fn work_begun_anew_and_edits_count() {
    use OrderState::{Done, Failed, InProgress, InReview, Todo};
    let mut log = Log::default();
    log.add(0, "WO-1", "Twice", "finance", None);
    log.moved(100, "WO-1", "mira", Todo, InProgress);
    log.asked(110, "AP-1", "mira", "finance", "WO-1", 1);
    log.decided(120, "AP-1", "lena", 5_000, DecisionKind::Edit { text: "42".into() });
    log.checked(190, "WO-1", &[(1, false)]);
    log.moved(200, "WO-1", "mira", InReview, Failed);
    log.moved(300, "WO-1", "mira", Failed, InProgress);
    log.checked(390, "WO-1", &[(1, true)]);
    log.moved(400, "WO-1", "mira", InReview, Done);
    let report = build(&log, &ReportScope::Company);
    assert_figures(
        &report,
        &[
            ("reruns", 1.0),
            ("rework_rate", 100.0),
            ("first_pass_yield", 0.0),
            ("outcomes_verified", 1.0),
            ("orders_failed", 0.0),
            ("cycle_time_median", 300.0),
            ("interventions", 1.0),
            ("autonomous_resolution", 0.0),
        ],
    );
}

#[test]
fn done_without_a_passed_check_is_not_verified() {
    let mut log = Log::default();
    log.add(0, "WO-1", "Says it is done", "finance", None);
    log.moved(100, "WO-1", "mira", OrderState::Todo, OrderState::InProgress);
    log.moved(200, "WO-1", "mira", OrderState::InProgress, OrderState::Done);
    let report = build(&log, &ReportScope::Company);
    assert_figures(
        &report,
        &[
            ("throughput", 1.0),
            ("outcomes_verified", 0.0),
            ("verified_rate", 0.0),
            ("score", 0.0),
            ("autonomous_resolution", 0.0),
        ],
    );
}

#[test]
fn an_engine_that_crashed_was_not_available() {
    let mut log = Log::default();
    log.push(0, EventBody::EngineStarted { version: "0".into(), machine: "m".into() });
    log.moved(0, "WO-1", "mira", OrderState::Todo, OrderState::InProgress);
    log.acted(500, "mira", mz_protocol::Actor::Engine);
    log.push(750, EventBody::EngineStarted { version: "0".into(), machine: "m".into() });
    log.acted(1_000, "mira", mz_protocol::Actor::Engine);
    assert_figures(&build(&log, &ReportScope::Company), &[("availability", 75.0)]);
}

#[test]
fn a_report_survives_json() {
    let report = build(&by_hand(), &ReportScope::Company);
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}
