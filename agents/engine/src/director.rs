//! Who says what to do next. The procedure reader is the first director; the reasoning model takes its place behind
//! the same trait.

use mz_company::{Next, ProcedureRun, Seen};
use mz_protocol::Waypoint;

/// What a director answers when it is asked for the next direction.
#[derive(Debug)]
pub enum Direction {
    Go(Box<Waypoint>),
    /// The procedure is at its end.
    Finished,
    /// It does not know how to go on; the reason is for the manager.
    Stuck {
        why: String,
    },
}

pub trait Director: Send {
    /// The next waypoint, chosen with a look at the screen where the procedure branches.
    fn next(&mut self, seen: &dyn Seen) -> Direction;

    /// A text that the worker read, under the name that the procedure gave it.
    fn learn(&mut self, name: &str, value: &str);

    /// The steps as written, for the console.
    fn steps(&self) -> Vec<String>;
}

impl Director for ProcedureRun {
    fn next(&mut self, seen: &dyn Seen) -> Direction {
        match ProcedureRun::next(self, seen) {
            Next::Waypoint(waypoint) => Direction::Go(waypoint),
            Next::Done => Direction::Finished,
            Next::Stuck { why } => Direction::Stuck { why },
        }
    }

    fn learn(&mut self, name: &str, value: &str) {
        self.set(name, value);
    }

    fn steps(&self) -> Vec<String> {
        ProcedureRun::steps(self)
    }
}
