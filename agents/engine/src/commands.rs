//! What each command of the API does. Every one answers in words that a manager understands.

use std::sync::Arc;

use mz_protocol::{
    Actor, Command, ErrorCode, EventBody, ExportFormat, LeaseId, Objective, ObjectiveId, OrderState, Period, PersonId, Problem,
    Push, ReportScope, Response, SavedFile, WorkOrderId,
};

use crate::answer::{Answer, internal, problem};
use crate::clock;
use crate::house::{House, verify_ledger};

/// The longest objective, in characters.
const LONGEST_OBJECTIVE: usize = 1000;

pub fn run(house: &Arc<House>, person: &PersonId, command: Command, push: &dyn Fn(Push)) -> Answer {
    match answer(house, person, command, push) {
        Ok(answer) => answer,
        Err(problem) => Response::Failed { problem }.into(),
    }
}

fn answer(house: &Arc<House>, person: &PersonId, command: Command, push: &dyn Fn(Push)) -> Result<Answer, Problem> {
    let floor = &house.floor;
    let done = |()| Answer::from(Response::Done);
    match command {
        Command::Status => Ok(Response::State { snapshot: Box::new(floor.snapshot()) }.into()),
        // Carried out by the connection itself, which owns the feeds.
        Command::Follow | Command::Watch { .. } => Err(Problem::new(ErrorCode::BadRequest, "this command needs a connection")),
        Command::Decide { mut decision } => {
            // Nobody decides in another's name.
            decision.by = person.clone();
            floor.decide(decision).map(done)
        }
        Command::Shown { approval } => floor.shown(&approval, person).map(done),
        Command::ApprovalFrame { approval } => house.approval_frame(&approval),
        Command::TakeOver { worker } => {
            let (lease, until) = floor.take_over(&worker, person)?;
            Ok(Response::Lease { lease, until }.into())
        }
        Command::HandBack { lease, note } => hand_back(house, &lease, person, note).map(done),
        Command::Drive { lease, action } => house.drive(&lease, person, &action).map(done),
        Command::Stop { scope } => floor.stop(scope, person).map(done),
        Command::Resume { scope } => floor.resume(scope, person).map(done),
        Command::Retry { order } => retry(house, &order, person).map(done),
        Command::Cancel { order, reason } => cancel(house, &order, person, reason).map(done),
        Command::AddObjective { text, department } => {
            let text = text.trim().to_owned();
            if text.is_empty() || text.chars().count() > LONGEST_OBJECTIVE {
                return Err(Problem::new(ErrorCode::BadRequest, "an objective is a sentence of 1 to 1000 characters"));
            }
            if let Some(wanted) = &department
                && house.company.departments.iter().all(|known| known.id != *wanted)
            {
                return Err(Problem::new(ErrorCode::NotFound, format!("there is no department {wanted}")));
            }
            let id = next_objective(house)?;
            let objective = Objective { id, text, department, added: clock::now() };
            floor
                .record(Actor::Person(person.clone()), vec![EventBody::ObjectiveAdded { objective }])
                .map_err(problem)
                .map(done)
        }
        Command::GiveGrant { scope, uses, until } => {
            let grant = floor.give_grant(*scope, uses, until, person)?;
            Ok(Response::Grant { grant }.into())
        }
        Command::RevokeGrant { grant } => floor.revoke_grant(&grant, person).map(done),
        Command::Events { page, limit, worker, order } => {
            let (events, more) = house.page(page, limit, worker, order).map_err(internal)?;
            Ok(Response::Events { events, more }.into())
        }
        Command::FrameAt { worker, at } => house.frame_at(&worker, at),
        Command::Report { scope, period } => {
            let report = house.report(&scope, period).map_err(internal)?;
            Ok(Response::Report { report: serde_json::to_value(report).map_err(internal)? }.into())
        }
        Command::Export { scope, period, format } => export(house, person, &scope, period, format, push),
        Command::VerifyLedger => {
            let found = verify_ledger(&house.paths.ledger(), None).map_err(internal)?;
            Ok(Response::Verified { events: found.events, problem: found.problem }.into())
        }
        Command::Shutdown => {
            house.shut_down();
            Ok(Response::Done.into())
        }
    }
}

fn hand_back(house: &House, lease: &LeaseId, person: &PersonId, note: Option<String>) -> Result<(), Problem> {
    if let Some(worker) = house.floor.driven_worker(lease) {
        house.release_all(&worker);
    }
    house.floor.hand_back(lease, person, note)
}

fn retry(house: &House, order: &WorkOrderId, person: &PersonId) -> Result<(), Problem> {
    let floor = &house.floor;
    let view =
        floor.order(order).ok_or_else(|| Problem::new(ErrorCode::NotFound, format!("there is no work order {order}")))?;
    let to = match view.state {
        // Its worker waits at the step where it is stuck.
        OrderState::NeedsHelp if floor.is_live(order) => OrderState::InProgress,
        OrderState::NeedsHelp | OrderState::Failed | OrderState::Cancelled => OrderState::Todo,
        _ => return Err(Problem::new(ErrorCode::Refused, format!("{order} does not wait for help"))),
    };
    if let (Some(worker), OrderState::NeedsHelp) = (&view.order.owner, view.state) {
        let helped = EventBody::HelpGiven { worker: worker.clone(), order: order.clone(), note: None };
        floor.record(Actor::Person(person.clone()), vec![helped]).map_err(problem)?;
    }
    floor.move_order_by(Actor::Person(person.clone()), order, to, view.order.owner.as_ref(), None).map_err(problem)
}

fn cancel(house: &House, order: &WorkOrderId, person: &PersonId, reason: String) -> Result<(), Problem> {
    let floor = &house.floor;
    let view =
        floor.order(order).ok_or_else(|| Problem::new(ErrorCode::NotFound, format!("there is no work order {order}")))?;
    if view.state.is_final() {
        return Err(Problem::new(ErrorCode::Refused, format!("{order} has ended already")));
    }
    let by = Actor::Person(person.clone());
    floor.move_order_by(by, order, OrderState::Cancelled, view.order.owner.as_ref(), Some(reason)).map_err(problem)
}

fn next_objective(house: &House) -> Result<ObjectiveId, Problem> {
    let count = house.floor.snapshot().objectives.len();
    ObjectiveId::new(format!("OBJ-{:04}", count + 1)).map_err(internal)
}

fn export(
    house: &House,
    person: &PersonId,
    scope: &ReportScope,
    period: Period,
    format: ExportFormat,
    push: &dyn Fn(Push),
) -> Result<Answer, Problem> {
    let report = house.report(scope, period).map_err(internal)?;
    let file: SavedFile =
        house.export(&report, format, &mut |permille| push(Push::ExportProgress { format, permille })).map_err(internal)?;
    let body = EventBody::ReportExported { format: format.extension().to_owned(), path: file.path.clone() };
    house.floor.record(Actor::Person(person.clone()), vec![body]).map_err(problem)?;
    Ok(Response::Exported { file }.into())
}
