//! The command `mezzanine`.

mod args;
pub mod client;
mod print;
mod run;

use std::process::ExitCode;

use clap::Parser;

/// Parses the command line, runs it, and says what went wrong in one sentence.
pub fn main() -> ExitCode {
    let args = args::Args::parse();
    crate::logging::start();
    match run::run(args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mezzanine: {error:#}");
            ExitCode::FAILURE
        }
    }
}
