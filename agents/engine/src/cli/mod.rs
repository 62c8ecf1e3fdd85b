//! The command `mezzanine`.

mod args;
pub use args::DayArgs;
pub mod client;
mod print;
mod run;

use std::process::ExitCode;

use clap::Parser;

/// Parses the command line, runs it, and says what went wrong in one sentence.
pub fn main() -> ExitCode {
    let args = args::Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("MEZZANINE_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    match run::run(args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mezzanine: {error:#}");
            ExitCode::FAILURE
        }
    }
}
