//! Answers in words. Programs ask with `--json` instead.

use mz_protocol::{ApprovalView, OrderView, Snapshot, Timestamp, WorkerState, WorkerView};

/// What a terminal may show of a text that came from a worker or a file.
pub fn plain(text: &str) -> String {
    mz_protocol::visible(text)
}

/// In this machine's time zone.
pub fn instant(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "—".to_owned(), |at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string())
}

pub fn status(snapshot: &Snapshot) {
    let Some(company) = &snapshot.company else {
        println!("No company is open.");
        return;
    };
    let count = |wanted: fn(&WorkerState) -> bool| snapshot.workers.iter().filter(|worker| wanted(&worker.state)).count();
    println!(
        "{}: {} working, {} need you, {} idle; {} done today",
        plain(&company.name),
        count(|state| matches!(state, WorkerState::Working | WorkerState::Starting)),
        count(|state| matches!(state, WorkerState::NeedsApproval { .. } | WorkerState::NeedsHelp { .. })),
        count(|state| matches!(state, WorkerState::Idle)),
        company.figures.done,
    );
    if let Some(trouble) = &company.trouble {
        println!("{trouble}");
    }
    for limit in company.limits.iter().filter(|limit| !limit.enforced) {
        println!("not enforced on this machine: {} ({})", limit.what, limit.how);
    }
}

pub fn worker(view: &WorkerView) {
    let step = view.step.as_ref().map_or_else(String::new, |step| format!("{}/{} {}", step.number, step.of, plain(&step.text)));
    let order = view.order.as_ref().map_or("—", |order| order.as_str());
    println!("{:<10} {:<12} {:<28} {order:<11} {step}", plain(&view.name), view.department, state(&view.state));
}

fn state(state: &WorkerState) -> String {
    match state {
        WorkerState::NeedsApproval { approval, .. } => format!("needs you ({approval})"),
        WorkerState::NeedsHelp { reason, .. } => format!("needs help: {}", plain(reason)),
        WorkerState::Driven { by, .. } => format!("driven by {by}"),
        WorkerState::Failed { why } => format!("failed: {}", plain(why)),
        WorkerState::Starting => "starting".to_owned(),
        WorkerState::Working => "working".to_owned(),
        WorkerState::Idle => "idle".to_owned(),
        WorkerState::Stopped { .. } => "stopped".to_owned(),
    }
}

pub fn order(view: &OrderView) {
    let points =
        view.outcome.as_ref().map_or_else(String::new, |report| format!("{}/{} points", report.earned(), report.possible()));
    let state = serde_json::to_value(view.state).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
    let reason = view.reason.as_deref().map(plain).unwrap_or_default();
    println!("{:<11} {state:<15} {points:<14} {} {reason}", view.order.id, plain(&view.order.title));
}

pub fn approval(view: &ApprovalView, now: Timestamp) {
    let proposal = &view.request.proposal;
    let left = view.request.expires.since(now).0 / 1000;
    println!("{}  {} wants to {} “{}”", view.request.id, proposal.worker, proposal.action.verb(), plain(&proposal.target_name));
    println!("    in {} “{}”{}", plain(&proposal.application), plain(&proposal.window_title), host(proposal.host.as_deref()));
    if let Some(line) = &proposal.line {
        let doubt = if line.known { "" } else { "  (the line may hold something else: look at the terminal)" };
        println!("    command line: {}{doubt}", plain(&line.text));
    }
    for sent in &view.sent_before {
        let (verb, target) = (sent.proposal.action.verb(), plain(&sent.proposal.target_name));
        println!("    sent before by this order: {verb} “{target}” at {}", instant(sent.at));
    }
    println!("    rule {}: {}", view.request.rule, plain(&view.request.why));
    if let Some(reason) = &proposal.reason {
        println!("    {} says (not checked): {}", proposal.worker, plain(reason));
    }
    println!("    {} left; approve with `mezzanine approve {}`", minutes(left), view.request.id);
}

fn host(host: Option<&str>) -> String {
    host.map_or_else(String::new, |host| format!(" on {}", plain(host)))
}

fn minutes(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
