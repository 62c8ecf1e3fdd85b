//! The worker loop: a work order goes in, work on the screen comes out. Everything that may stop a worker passes
//! through here: the gate, the manager, a procedure that does not fit the screen, a loop.

use std::time::Instant;

use mz_protocol::{Condition, EventBody, StepResult, Verb, Waypoint, WorkOrder};
use mz_scene::digest;

use crate::director::{Direction, Director};
use crate::effort::{Again, Effort};
use crate::monitor::Monitor;
use crate::reflex::{Reflex, Tick};
use crate::workplace::{
    Ended, Missed, OutOfPatience, Workplace, already_there, await_postcondition, begin, end_step, looks_as,
};

/// Tries of one waypoint before a person is asked.
const TRIES: u32 = 3;

/// Works one order through: direction, look, action, gate, desktop, check, next.
pub fn work(desk: &mut dyn Workplace, order: &WorkOrder, director: &mut dyn Director, reflex: &mut dyn Reflex) -> Ended {
    let mut monitor = Monitor::default();
    loop {
        if let Err(ended) = desk.safe_point() {
            return ended;
        }
        let direction = match desk.look() {
            Ok(scene) => director.next(&|condition: &Condition| desk.holds(&scene, condition)),
            Err(ended) => return ended,
        };
        let waypoint = match direction {
            Direction::Go(waypoint) => waypoint,
            Direction::Finished => return Ended::Finished,
            Direction::Stuck { why } => match desk.ask_for_help(order, &why) {
                Ok(()) => continue,
                Err(ended) => return ended,
            },
        };
        if let Err(ended) = reach(desk, order, &waypoint, director, reflex, &mut monitor) {
            return ended;
        }
    }
}

/// Tries a waypoint until it is reached, a person has helped, or the order ends.
fn reach(
    desk: &mut dyn Workplace,
    order: &WorkOrder,
    waypoint: &Waypoint,
    director: &mut dyn Director,
    reflex: &mut dyn Reflex,
    monitor: &mut Monitor,
) -> Result<(), Ended> {
    let begun = Instant::now();
    desk.note(vec![EventBody::StepStarted { worker: desk.worker(), order: order.id.clone(), step: waypoint.step.clone() }])?;
    monitor.begin_waypoint();
    let mut effort = begin(desk)?;
    let mut tries = 0;
    loop {
        let missed = match follow(desk, waypoint, director, reflex, monitor, &mut effort) {
            Ok(()) => return end_step(desk, order, waypoint, begun, StepResult::Passed),
            Err(missed) => missed,
        };
        let stuck = match missed {
            // Whoever interrupted may have done the step.
            Missed::LookAgain if already_there(desk, waypoint)? => {
                return end_step(desk, order, waypoint, begun, StepResult::Passed);
            }
            Missed::LookAgain => None,
            Missed::End(Ended::Vetoed { reason }) => {
                end_step(desk, order, waypoint, begun, StepResult::Vetoed { reason: reason.clone() })?;
                return Err(Ended::Vetoed { reason });
            }
            Missed::End(Ended::NeedsHelp { why }) => Some(Stuck { question: why.clone(), why, theirs: false }),
            Missed::End(ended) => return Err(ended),
            Missed::Retry { why } if tries + 1 < TRIES && !matches!(waypoint.verb, Verb::Check) => {
                tries += 1;
                end_step(desk, order, waypoint, begun, StepResult::Retried { why })?;
                None
            }
            Missed::Retry { why } => {
                let question = format!("I am stuck at \u{201c}{}\u{201d}: {why}.", waypoint.step.text);
                Some(Stuck { why, question, theirs: false })
            }
        };
        let stuck = match stuck {
            Some(stuck) => Some(stuck),
            None => go_on(desk, waypoint, &mut effort)?,
        };
        if let Some(Stuck { why, question, theirs }) = stuck {
            end_step(desk, order, waypoint, begun, StepResult::GaveUp { why })?;
            desk.ask_for_help(order, &question)?;
            if theirs || already_there(desk, waypoint)? {
                return end_step(desk, order, waypoint, begun, StepResult::Passed);
            }
            // A person has looked and says to go on.
            (tries, effort) = (0, begin(desk)?);
            monitor.begin_waypoint();
        }
    }
}

/// Where only a person can go on.
struct Stuck {
    why: String,
    question: String,
    /// The person was asked to bring the step to its end.
    theirs: bool,
}

/// Brings the effort to where the next try begins; the answer is a question that only a person can settle.
fn go_on(desk: &mut dyn Workplace, waypoint: &Waypoint, effort: &mut Effort) -> Result<Option<Stuck>, Ended> {
    let as_before = match effort.untouched().cloned() {
        Some(before) => looks_as(desk, &before)?,
        None => false,
    };
    match effort.again(waypoint, as_before) {
        Again::Afresh => *effort = begin(desk)?,
        Again::GoOn => {}
        Again::Ask { why } => return Ok(Some(Stuck { question: why.clone(), why, theirs: true })),
    }
    Ok(None)
}

/// One try: look and act until the reflex says that the waypoint is done and the postcondition agrees.
fn follow(
    desk: &mut dyn Workplace,
    waypoint: &Waypoint,
    director: &mut dyn Director,
    reflex: &mut dyn Reflex,
    monitor: &mut Monitor,
    effort: &mut Effort,
) -> Result<(), Missed> {
    let mut patience = desk.patience(waypoint);
    loop {
        desk.safe_point().map_err(Missed::End)?;
        if effort.interrupted(desk.driven()) {
            return Err(Missed::LookAgain);
        }
        let scene = desk.look().map_err(Missed::End)?;
        match reflex.tick(&scene, waypoint, &effort.progress) {
            Tick::Act(intent) => {
                let picture = desk.picture();
                let screen = digest(&picture.pixels, picture.size, picture.size.rect());
                if let Some(why) = monitor.repeats(&intent.action, screen) {
                    return Err(Missed::End(Ended::NeedsHelp { why }));
                }
                let action = intent.action.clone();
                let given = desk.dispatch(waypoint, *intent, &scene)?;
                if !effort.note(waypoint, &action, given) {
                    return Err(Missed::LookAgain);
                }
                patience.restart();
            }
            Tick::Wait { for_what } => {
                desk.wait_for_change(&mut patience).map_err(|OutOfPatience| Missed::Retry { why: for_what })?
            }
            Tick::Lost { why } => return Err(Missed::Retry { why }),
            Tick::Done { read } => {
                if let Some((name, value)) = read {
                    director.learn(&name, &value);
                }
                return await_postcondition(desk, waypoint, &mut patience);
            }
        }
    }
}

#[cfg(test)]
mod tests;
