//! Every figure there is, in the order in which people read them. The first six are the headline.

use crate::figure::{Better, Definition, Unit};

pub(crate) const HEADLINE: usize = 6;

const fn of(
    key: &'static str,
    label: &'static str,
    group: &'static str,
    unit: Unit,
    better: Better,
    meaning: &'static str,
) -> Definition {
    Definition { key, label, group, unit, better, meaning }
}

use Better::{Less, More, Neither};
use Unit::{Count, Money, Percent, Seconds};

const OUTCOMES: &str = "Outcomes";
const SPEED: &str = "Speed";
const PEOPLE: &str = "People";
const APPROVALS: &str = "Approvals";
const MACHINE: &str = "Workers and machine";
const BACKLOG: &str = "Backlog";

/// "Ended" is done or failed within the period; a cancelled order was withdrawn and is in no rate. An intervention
/// is a takeover, help, a veto or an edit. Approving what policy puts before a person is supervision, foreseen
/// and counted on its own: an order with approvals alone was still resolved autonomously.
pub(crate) const DEFINITIONS: &[Definition] = &[
    of(
        "outcomes_verified",
        "Outcomes verified",
        OUTCOMES,
        Count,
        More,
        "Orders done in the period whose last outcome check passed.",
    ),
    of(
        "autonomous_resolution",
        "Autonomous resolution",
        PEOPLE,
        Percent,
        More,
        "Share of ended orders (done or failed) that were verified as done without any intervention. An intervention is a takeover, help given, a veto or an edit; an approval that policy asks for is supervision and counted on its own.",
    ),
    of(
        "cycle_time_median",
        "Cycle time, median",
        SPEED,
        Seconds,
        Less,
        "From the first start of work to done, of orders done in the period; waiting included.",
    ),
    of(
        "interventions_per_100",
        "Interventions per 100",
        PEOPLE,
        Count,
        Less,
        "Interventions in the period for each 100 orders ended in it.",
    ),
    of(
        "approval_wait_p90",
        "Approval wait, p90",
        APPROVALS,
        Seconds,
        Less,
        "Nine tenths of the questions answered by a person in the period were answered within this time.",
    ),
    of(
        "cost_per_outcome",
        "Cost per outcome",
        MACHINE,
        Money,
        Less,
        "Machine cost of the period, models and desktops, for each verified outcome; unsuccessful work is in it.",
    ),
    of("throughput", "Orders done", OUTCOMES, Count, More, "Orders that came to done in the period."),
    of("orders_failed", "Orders failed", OUTCOMES, Count, Less, "Orders that came to failed in the period."),
    of("orders_cancelled", "Orders cancelled", OUTCOMES, Count, Neither, "Orders that were withdrawn in the period."),
    of(
        "verified_rate",
        "Verified done",
        OUTCOMES,
        Percent,
        More,
        "Share of ended orders whose last outcome check passed in full.",
    ),
    of(
        "score",
        "Score",
        OUTCOMES,
        Percent,
        More,
        "Mean score of ended orders: 100 where every checkpoint passed, otherwise half the share of points earned; 0 without a check.",
    ),
    of(
        "points_earned",
        "Points earned",
        OUTCOMES,
        Count,
        More,
        "Points of the checkpoints that passed in the last check of each ended order.",
    ),
    of(
        "first_pass_yield",
        "First-pass yield",
        OUTCOMES,
        Percent,
        More,
        "Share of ended orders verified by their first outcome check in their first run.",
    ),
    of(
        "rework_rate",
        "Rework",
        OUTCOMES,
        Percent,
        Less,
        "Share of ended orders with a step tried again or a run started again.",
    ),
    of("step_retries", "Steps tried again", OUTCOMES, Count, Less, "Steps in the period that ended with another try."),
    of(
        "reruns",
        "Runs started again",
        OUTCOMES,
        Count,
        Less,
        "Times in the period that work on an order began anew after it had been put back, reviewed or ended.",
    ),
    of("flags", "Remarks by workers", OUTCOMES, Count, Neither, "Remarks that workers flagged for people in the period."),
    of(
        "cycle_time_p90",
        "Cycle time, p90",
        SPEED,
        Seconds,
        Less,
        "Nine tenths of the orders done in the period took at most this time from start to done.",
    ),
    of(
        "lead_time_median",
        "Lead time, median",
        SPEED,
        Seconds,
        Less,
        "From the creation of an order to done, of orders done in the period.",
    ),
    of(
        "lead_time_p90",
        "Lead time, p90",
        SPEED,
        Seconds,
        Less,
        "Nine tenths of the orders done in the period were done within this time of their creation.",
    ),
    of("interventions", "Interventions", PEOPLE, Count, Less, "Takeovers, help given, vetoes and edits in the period."),
    of(
        "intervened_rate",
        "Orders with an intervention",
        PEOPLE,
        Percent,
        Less,
        "Share of ended orders with at least one intervention.",
    ),
    of(
        "escalation_rate",
        "Escalation",
        PEOPLE,
        Percent,
        Less,
        "Share of ended orders whose worker asked for help at least once.",
    ),
    of(
        "time_driven",
        "Time people drove",
        PEOPLE,
        Seconds,
        Less,
        "Time in the takeovers that began in the period, as far as they have ended.",
    ),
    of(
        "stops",
        "Stops",
        PEOPLE,
        Count,
        Neither,
        "Stops of the company, a department or a worker in the period. A stop is no intervention in an order.",
    ),
    of("approvals_asked", "Approvals asked", APPROVALS, Count, Neither, "Questions put before people in the period."),
    of(
        "approvals_per_100",
        "Approvals per 100",
        APPROVALS,
        Count,
        Neither,
        "Questions asked in the period for each 100 orders ended in it.",
    ),
    of(
        "approvals_approved",
        "Approved",
        APPROVALS,
        Percent,
        Neither,
        "Share of the questions answered by a person in the period that were approved.",
    ),
    of(
        "veto_rate",
        "Vetoed",
        APPROVALS,
        Percent,
        Neither,
        "Share of the questions answered by a person in the period that were vetoed.",
    ),
    of(
        "approval_wait_median",
        "Approval wait, median",
        APPROVALS,
        Seconds,
        Less,
        "From question to answer, of questions answered by a person in the period.",
    ),
    of(
        "approvals_unanswered",
        "Lapsed without an answer",
        APPROVALS,
        Count,
        Less,
        "Questions that expired or became void in the period before a person had answered.",
    ),
    of(
        "looked_median",
        "Looked at, median",
        APPROVALS,
        Seconds,
        Neither,
        "How long a question had been on the screen of the person who decided.",
    ),
    of(
        "decided_under_2s",
        "Decided in under 2 s",
        APPROVALS,
        Percent,
        Less,
        "Share of decisions made within two seconds of looking: a sign of approval by habit.",
    ),
    of(
        "availability",
        "Availability",
        MACHINE,
        Percent,
        More,
        "Share of the observed time in which workers were neither stopped, failed nor waiting for a person, and the engine ran.",
    ),
    of(
        "time_to_recover",
        "Time to recover, mean",
        MACHINE,
        Seconds,
        Less,
        "From the loss of a desktop at work to its return, of failures that began in the period.",
    ),
    of(
        "actions",
        "Actions",
        MACHINE,
        Count,
        Neither,
        "Inputs that workers sent to their desktops in the period; what people did while they drove is not in it.",
    ),
    of("actions_refused", "Actions refused", MACHINE, Count, Less, "Actions that policy denied in the period."),
    of("model_calls", "Model calls", MACHINE, Count, Neither, "Calls of reasoning models in the period."),
    of("tokens", "Tokens", MACHINE, Count, Less, "Tokens read and written by reasoning models in the period."),
    of("cost_total", "Machine cost", MACHINE, Money, Less, "Cost of models and desktops in the period."),
    of("backlog", "Open orders", BACKLOG, Count, Less, "Orders neither done, failed nor cancelled at the end of the period."),
    of("backlog_waiting", "Waiting for a person", BACKLOG, Count, Less, "Open orders that need an approval or help."),
    of(
        "backlog_age_median",
        "Age, median",
        BACKLOG,
        Seconds,
        Less,
        "Time since the creation of the orders open at the end of the period.",
    ),
    of(
        "backlog_age_oldest",
        "Age of the oldest",
        BACKLOG,
        Seconds,
        Less,
        "Time since the creation of the oldest order open at the end of the period.",
    ),
    of("overdue", "Overdue", BACKLOG, Count, Less, "Open orders past their due time."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_unique_and_explained() {
        let keys: BTreeSet<_> = DEFINITIONS.iter().map(|d| d.key).collect();
        assert_eq!(keys.len(), DEFINITIONS.len());
        assert!(DEFINITIONS.iter().all(|d| d.meaning.ends_with('.')));
        assert!(HEADLINE < DEFINITIONS.len());
    }
}
