//! A program that is run over the result, such as its tests.

use std::time::Duration;

use super::Found;
use super::command::{confined, run};
use super::copy::Copy;
use super::file::{contains, short};
use super::places::Looker;
use super::spec::RunCheck;

const LONGEST: u64 = 900;

pub(crate) fn look(check: &RunCheck, looker: &Looker<'_>) -> Found {
    let copy = Copy::make(&check.folder, looker)?;
    let argv = looker.fill_all(&check.command.0)?;
    let within = Duration::from_secs(check.within.clamp(1, LONGEST));
    let command = confined(&argv, &copy, within)?;
    let ended = run(command, within).map_err(|why| format!("{}: {why}", argv.join(" ")))?;
    let shown = argv.join(" ");
    if ended.status.code() != Some(check.exit) {
        return Err(format!("{} {}, where {} was expected. {}", short(&shown), ended.how(), check.exit, ended.last_words()));
    }
    let said = format!("{}\n{}", ended.out, ended.err);
    contains(&format!("What {} says", short(&shown)), &said, &looker.fill_all(&check.output_contains.0)?, &[])?;
    Ok(format!("{} {}. {}", short(&shown), ended.how(), ended.last_words()))
}
