//! Opens the console's window.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use mz_ui::bench::{Bench, Feed};
use mz_ui::prefs::{Prefs, ThemeChoice};
use mz_ui::shots::Shots;
use mz_ui::{default_socket, window};

/// Watch and lead a company of AI workers.
#[derive(Parser)]
#[command(name = "mezzanine-console", version)]
struct Args {
    /// The engine's socket.
    #[arg(long)]
    socket: Option<PathBuf>,
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
    /// Measure how old pictures of the running engine are when they can be drawn, print JSON, and end.
    #[arg(long)]
    bench_feed: bool,
    /// Desktops of --bench.
    #[arg(long, default_value_t = 16)]
    tiles: usize,
    /// Length of a bench.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut prefs = Prefs::load();
    if args.light || args.dark {
        prefs.theme = if args.dark { ThemeChoice::Dark } else { ThemeChoice::Light };
    }
    let socket = args.socket.clone().unwrap_or_else(default_socket);
    let done = if let Some(dir) = args.screenshot {
        window::run(&socket, prefs, move |app| Box::new(Shots::new(app, dir)))
    } else if args.bench {
        window::run_with(prefs, Bench::link(args.tiles), move |app| Box::new(Bench::new(app, args.tiles, args.seconds)))
    } else if args.bench_feed {
        window::run(&socket, prefs, move |app| Box::new(Feed::new(app, args.seconds)))
    } else {
        window::run(&socket, prefs, |app| Box::new(app))
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the console cannot open its window: {error}. It needs a display with OpenGL.");
            ExitCode::FAILURE
        }
    }
}
