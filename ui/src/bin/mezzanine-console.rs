//! Opens the console's window.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use mz_client::{Address, AddressError, default_socket};
use mz_ui::bench::{Bench, Feed};
use mz_ui::prefs::{Prefs, ThemeChoice};
use mz_ui::shots::Shots;
use mz_ui::window;

/// Watch and lead a company of AI workers.
#[derive(Parser)]
#[command(name = "mezzanine-console", version)]
struct Args {
    /// The engine's socket.
    #[arg(long, conflicts_with = "engine")]
    socket: Option<PathBuf>,
    /// An engine elsewhere, as https://host:port.
    #[arg(long, requires = "token_file", requires = "fingerprint")]
    engine: Option<String>,
    /// Your token for the engine elsewhere; a file that only you can read.
    #[arg(long, requires = "engine")]
    token_file: Option<PathBuf>,
    /// The fingerprint of its certificate, as `mezzanine up --listen` prints it.
    #[arg(long, requires = "engine")]
    fingerprint: Option<String>,
    #[arg(long, conflicts_with = "dark")]
    light: bool,
    #[arg(long)]
    dark: bool,
    /// Write a PNG of each screen into this folder, and end.
    #[arg(long, value_name = "DIR")]
    screenshot: Option<PathBuf>,
    /// Measure drawing with made-up desktops, print JSON, and end.
    #[arg(long)]
    bench: bool,
    /// Tell of each picture of the running engine when it is in its texture, a line of JSON each, for the whole length.
    #[arg(long)]
    bench_feed: bool,
    /// Desktops of --bench.
    #[arg(long, default_value_t = 16)]
    tiles: usize,
    /// Length of a bench.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

fn address(args: &Args) -> Result<Address, AddressError> {
    match (&args.engine, &args.token_file, &args.fingerprint) {
        (Some(engine), Some(token_file), Some(fingerprint)) => Address::remote(engine, token_file, fingerprint),
        _ => Ok(Address::Socket(args.socket.clone().unwrap_or_else(default_socket))),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let address = match address(&args) {
        Ok(address) => address,
        Err(error) => {
            eprintln!("mezzanine-console: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut prefs = Prefs::load();
    if args.light || args.dark {
        prefs.theme = if args.dark { ThemeChoice::Dark } else { ThemeChoice::Light };
    }
    let done = if let Some(dir) = args.screenshot {
        window::run(address, prefs, move |app| Box::new(Shots::new(app, dir)))
    } else if args.bench {
        window::run_with(prefs, Bench::link(args.tiles), move |app| Box::new(Bench::new(app, args.tiles, args.seconds)))
    } else if args.bench_feed {
        window::run(address, prefs, move |app| Box::new(Feed::new(app, args.seconds)))
    } else {
        window::run(address, prefs, |app| Box::new(app))
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the console cannot open its window: {error}. It needs a display with OpenGL.");
            ExitCode::FAILURE
        }
    }
}
