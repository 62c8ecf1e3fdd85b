//! Outcome checks: programs that look at what a worker left behind and say done or not, with points.
//!
//! What is looked at was made by a worker, so nothing of it is trusted: paths stay inside their folder,
//! sizes and times are bounded, and programs run in a sandbox. A check that cannot be made has not passed.

mod command;
mod copy;
mod database;
mod file;
mod git;
mod places;
mod png;
mod program;
mod spec;
mod workbook;

pub use places::{CheckPlaces, ServicePlace};
pub use spec::{CheckEntry, CheckKind, OutcomeCheck, parse_checks};

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mz_protocol::{Checkpoint, OutcomeReport};
use places::Looker;

/// What an entry found: passed, or not passed, and the reason in words for a manager.
type Found = Result<String, String>;

/// Looks at the result of an order. Names in the check are filled from the order's `inputs`. Takes as long
/// as its entries do, each of which has a deadline.
pub fn run_check(check: &OutcomeCheck, inputs: &BTreeMap<String, String>, places: &CheckPlaces) -> OutcomeReport {
    let looker = Looker { inputs, places };
    let checkpoint = |entry: &CheckEntry| {
        // A library that trips over a worker's file must not take the engine with it.
        let found = catch_unwind(AssertUnwindSafe(|| look(entry, &looker)))
            .unwrap_or_else(|_| Err("The check itself broke on what it found; look at the file by hand.".to_owned()));
        let (passed, detail) = match found {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        let name = looker.fill(&entry.name).unwrap_or_else(|_| entry.name.clone());
        Checkpoint { name, points: entry.points, passed, detail: detail.chars().take(1000).collect() }
    };
    OutcomeReport { checkpoints: check.entries.iter().map(checkpoint).collect() }
}

fn look(entry: &CheckEntry, looker: &Looker<'_>) -> Found {
    match &entry.kind {
        CheckKind::Workbook(check) => workbook::look(check, looker),
        CheckKind::Png(check) => png::look(check, looker),
        CheckKind::File(check) => file::look(check, looker),
        CheckKind::Json(check) => file::look_json(check, looker),
        CheckKind::Git(check) => git::look(check, looker),
        CheckKind::Run(check) => program::look(check, looker),
        CheckKind::Database(check) => database::look(check, looker),
    }
}
