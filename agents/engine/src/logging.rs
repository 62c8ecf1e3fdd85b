//! What the programs say of themselves: on the terminal, and an engine's also in a file of its state.

use std::fs::DirBuilder;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

use crate::services::Log;

const FILE: &str = "engine.log";
/// Of the file. The one before is kept beside it as `.old`.
const MOST: u64 = 4 << 20;

static ENGINE_LOG: OnceLock<Mutex<Log>> = OnceLock::new();

/// `MEZZANINE_LOG` says how much, in the manner of RUST_LOG; otherwise warnings on the terminal, and more in the file.
pub fn start() {
    let filter = |usual: &str| EnvFilter::try_from_env("MEZZANINE_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let terminal = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).with_filter(filter("warn"));
    let file = fmt::layer().with_writer(|| ToFile).with_ansi(false).with_filter(filter("warn,mz_engine=info"));
    registry().with(terminal).with(file).init();
}

/// From now on also into `engine.log` of this folder. An engine works without it, too.
pub fn to_file(folder: &Path) {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let opened = made.and_then(|()| Log::open(folder.join(FILE), MOST));
    match opened {
        Ok(log) => drop(ENGINE_LOG.set(Mutex::new(log))),
        Err(error) => tracing::warn!("cannot write {}: {error}", folder.join(FILE).display()),
    }
}

struct ToFile;

impl Write for ToFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(log) = ENGINE_LOG.get() {
            log.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
