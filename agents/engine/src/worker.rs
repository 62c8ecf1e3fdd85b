//! The worker loop: a work order goes in, work on the screen comes out. Everything that may stop a worker passes
//! through here: the gate, the manager, a procedure that does not fit the screen, a loop.

use std::time::Instant;

use mz_protocol::{EventBody, StepResult, Verb, Waypoint, WorkOrder};

use crate::desk::{Desk, OutOfPatience, Sent};
use crate::director::{Direction, Director};
use crate::monitor::Monitor;
use crate::reflex::{Intent, Progress, Reflex, Tick};

/// How the work on an order ended. Whether it is done is for the outcome check to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The procedure is at its end.
    Finished,
    /// A human vetoed a step that the rest depends on.
    Vetoed { reason: String },
    /// Only a person can go on.
    NeedsHelp { why: String },
    /// The order was cancelled.
    Cancelled,
    /// The desktop or the engine went away under it.
    Lost { why: String },
}

/// Why a waypoint was not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missed {
    /// Worth another try.
    Retry {
        why: String,
    },
    /// The worker drove the desktop to where it must look again, for example after a human had driven.
    LookAgain,
    End(Ended),
}

/// Tries of one waypoint before a person is asked.
const TRIES: u32 = 3;

/// Works one order through: direction, look, action, gate, desktop, check, next.
pub fn work(desk: &mut Desk, order: &WorkOrder, director: &mut dyn Director, reflex: &mut dyn Reflex) -> Ended {
    let mut monitor = Monitor::default();
    loop {
        if let Err(ended) = desk.safe_point() {
            return ended;
        }
        let direction = match desk.look() {
            Ok(scene) => director.next(&desk.seen(&scene)),
            Err(why) => return Ended::Lost { why },
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
    desk: &mut Desk,
    order: &WorkOrder,
    waypoint: &Waypoint,
    director: &mut dyn Director,
    reflex: &mut dyn Reflex,
    monitor: &mut Monitor,
) -> Result<(), Ended> {
    let begun = Instant::now();
    desk.note(vec![EventBody::StepStarted { worker: desk.worker(), order: order.id.clone(), step: waypoint.step.clone() }])?;
    let mut tries = 0;
    monitor.begin_waypoint();
    loop {
        let result = match follow(desk, waypoint, director, reflex, monitor) {
            Ok(()) => {
                desk.end_step(order, waypoint, begun, StepResult::Passed)?;
                return Ok(());
            }
            Err(missed) => missed,
        };
        match result {
            // Whoever interrupted may have done the step.
            Missed::LookAgain if desk.already_there(waypoint)? => {
                desk.end_step(order, waypoint, begun, StepResult::Passed)?;
                return Ok(());
            }
            Missed::LookAgain => {}
            Missed::End(Ended::Vetoed { reason }) => {
                desk.end_step(order, waypoint, begun, StepResult::Vetoed { reason: reason.clone() })?;
                return Err(Ended::Vetoed { reason });
            }
            Missed::End(Ended::NeedsHelp { why }) => {
                desk.end_step(order, waypoint, begun, StepResult::GaveUp { why: why.clone() })?;
                desk.ask_for_help(order, &why)?;
                tries = 0;
                monitor.begin_waypoint();
            }
            Missed::End(ended) => return Err(ended),
            Missed::Retry { why } if tries + 1 < TRIES && !matches!(waypoint.verb, Verb::Check) => {
                tries += 1;
                desk.end_step(order, waypoint, begun, StepResult::Retried { why })?;
            }
            Missed::Retry { why } => {
                desk.end_step(order, waypoint, begun, StepResult::GaveUp { why: why.clone() })?;
                let question = format!("I am stuck at \u{201c}{}\u{201d}: {why}.", waypoint.step.text);
                desk.ask_for_help(order, &question)?;
                tries = 0;
                monitor.begin_waypoint();
            }
        }
    }
}

/// One try: look and act until the reflex says that the waypoint is done and the postcondition agrees.
fn follow(
    desk: &mut Desk,
    waypoint: &Waypoint,
    director: &mut dyn Director,
    reflex: &mut dyn Reflex,
    monitor: &mut Monitor,
) -> Result<(), Missed> {
    let mut patience = desk.patience(waypoint);
    let mut progress = Progress { windows: desk.window_titles(), ..Progress::default() };
    loop {
        desk.safe_point().map_err(Missed::End)?;
        let scene = desk.look().map_err(|why| Missed::End(Ended::Lost { why }))?;
        match reflex.tick(&scene, waypoint, &progress) {
            Tick::Act(intent) => {
                let before = desk.screen_digest(&scene).map_err(|why| Missed::End(Ended::Lost { why }))?;
                if let Some(why) = monitor.repeats(&intent.action, before) {
                    return Err(Missed::End(Ended::NeedsHelp { why }));
                }
                send(desk, waypoint, *intent, &scene, &mut progress)?;
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
                return desk.check_postcondition(waypoint, &mut patience);
            }
        }
    }
}

/// Puts one intent through the gate and onto the desktop.
fn send(
    desk: &mut Desk,
    waypoint: &Waypoint,
    intent: Intent,
    scene: &mz_protocol::Scene,
    progress: &mut Progress,
) -> Result<(), Missed> {
    match desk.dispatch(waypoint, intent, scene)? {
        Sent::Whole => {
            progress.stage += 1;
            progress.typed = 0;
            Ok(())
        }
        Sent::Cut { typed } => {
            progress.typed += typed;
            Ok(())
        }
    }
}
