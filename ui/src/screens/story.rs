//! What happened, as rows that a manager can read.

use egui::Color32;
use mz_protocol::{ActionResult, EventBody, EventRecord, StepResult, Timestamp};

use crate::say;
use crate::tokens::Tokens;

/// One event in two words and a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub at: Timestamp,
    pub verb: &'static str,
    pub words: String,
    /// Nothing left out, for whoever wants to read it.
    pub whole: String,
    pub color: Color32,
}

/// None for events that are for the machine only.
pub fn row(record: &EventRecord, t: &Tokens) -> Option<Row> {
    let (verb, words, color) = what(&record.event.body, t)?;
    let whole = say::visible(&words);
    let words = if verb == "step" { say::step(&words) } else { whole.clone() };
    Some(Row { at: record.event.at, verb, words, whole, color })
}

fn what(body: &EventBody, t: &Tokens) -> Option<(&'static str, String, Color32)> {
    use EventBody as E;
    Some(match body {
        E::StepStarted { step, .. } => ("step", step.text.clone(), t.text),
        E::StepEnded { result, .. } => return step_result(result, t),
        E::ActionDone { action, target, outcome, .. } => {
            let verb = action.verb();
            let mut words = match action {
                mz_protocol::Action::Type { text } => text.shown(),
                mz_protocol::Action::Key { chord } => say::key(chord),
                mz_protocol::Action::Launch { program, args } => format!("{program} {}", args.join(" ")),
                action => match action.place() {
                    Some(at) if target.is_empty() => format!("at {}, {}", at.x, at.y),
                    _ => target.clone(),
                },
            };
            match outcome {
                ActionResult::NoOp => words.push_str(" — nothing changed"),
                ActionResult::OutcomeUnknown => words.push_str(" — outcome unknown"),
                ActionResult::Confirmed | ActionResult::Unverifiable => {}
            }
            let color = if matches!(outcome, ActionResult::OutcomeUnknown) { t.need } else { t.work };
            (plain_verb(verb), words, color)
        }
        E::ActionRefused { action, verdict, .. } => {
            let why = match verdict {
                mz_protocol::Verdict::Deny { why, .. } | mz_protocol::Verdict::RequireApproval { why, .. } => why.as_str(),
                mz_protocol::Verdict::Allow { .. } => "",
            };
            ("refused", format!("{}: {why}", say::action_words(action)), t.fail)
        }
        E::ApprovalAsked { request, .. } => ("asked", say::proposal(&request.proposal), t.need),
        E::TakeoverStarted { person, .. } => ("driven", format!("{person} took over"), t.human),
        E::TakeoverEnded { person, note, .. } => {
            ("driven", note.as_ref().map_or(format!("{person} handed back"), |n| format!("{person} handed back: {n}")), t.human)
        }
        E::HelpAsked { reason, .. } => ("help", reason.clone(), t.need),
        E::HelpGiven { note, .. } => ("help", note.clone().unwrap_or_else(|| "given".to_owned()), t.human),
        E::Flagged { remark, .. } => ("flag", remark.clone(), t.need),
        other => return desk(other, t),
    })
}

/// What happened to the order and the desktop, rather than on it.
fn desk(body: &EventBody, t: &Tokens) -> Option<(&'static str, String, Color32)> {
    use EventBody as E;
    Some(match body {
        E::OrderAdded { order } => ("order", format!("{} was added", order.id), t.dim),
        E::OrderMoved { order, to, reason, .. } => {
            let word = crate::state::StateLook::of_order(*to, t).word.to_lowercase();
            let reason = reason.as_ref().map_or(String::new(), |reason| format!(" — {reason}"));
            ("order", format!("{order}: {word}{reason}"), t.dim)
        }
        E::OutcomeChecked { report, .. } => {
            let color = if report.passed() { t.done } else { t.fail };
            ("check", format!("{} of {} points", report.earned(), report.possible()), color)
        }
        E::DesktopStarted { took, .. } => {
            ("desktop", format!("ready after {}.{} s", took.0 / 1000, took.0 % 1000 / 100), t.dim)
        }
        E::DesktopEnded { why, .. } => ("desktop", format!("ended: {why}"), t.fail),
        E::NetworkRequest { host, allowed: false, why, .. } => ("network", format!("{host} was refused: {why}"), t.fail),
        _ => return None,
    })
}

fn step_result(result: &StepResult, t: &Tokens) -> Option<(&'static str, String, Color32)> {
    match result {
        StepResult::Passed => None,
        StepResult::Retried { why } => Some(("retry", why.clone(), t.need)),
        StepResult::GaveUp { why } => Some(("gave up", why.clone(), t.fail)),
        StepResult::Vetoed { reason } => Some(("vetoed", reason.clone(), t.fail)),
    }
}

fn plain_verb(verb: &'static str) -> &'static str {
    match verb {
        "double_click" => "click ×2",
        "right_click" => "r-click",
        "launch" => "start",
        other => other,
    }
}

/// What a mark on the scrub line stands for.
pub fn mark(body: &EventBody, t: &Tokens) -> Option<Color32> {
    match body {
        EventBody::ActionDone { .. } => Some(t.work),
        EventBody::ApprovalAsked { .. } | EventBody::HelpAsked { .. } => Some(t.need),
        EventBody::TakeoverStarted { .. } => Some(t.human),
        EventBody::ActionRefused { .. } => Some(t.fail),
        _ => None,
    }
}
