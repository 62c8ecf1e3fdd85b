//! Where the engine keeps its things.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Folders of one engine. State lives in `state`, everything that may vanish with the engine in `run`.
#[derive(Debug, Clone)]
pub struct Paths {
    pub state: PathBuf,
    pub run: PathBuf,
    pub socket: PathBuf,
}

impl Paths {
    /// `$MEZZANINE_HOME`, or the usual folders of the user.
    pub fn of_user() -> anyhow::Result<Self> {
        let state = match std::env::var_os("MEZZANINE_HOME") {
            Some(home) => PathBuf::from(home),
            None => match std::env::var_os("XDG_STATE_HOME") {
                Some(dir) => PathBuf::from(dir).join("mezzanine"),
                None => PathBuf::from(
                    std::env::var_os("HOME").context("HOME is not set, so there is no place for the company's state")?,
                )
                .join(".local/state/mezzanine"),
            },
        };
        Self::under(&state)
    }

    /// Everything under one folder, as tests and a headless day want it. The socket is where the console looks for it,
    /// unless the state has a place of its own.
    pub fn under(state: &Path) -> anyhow::Result<Self> {
        private_dir(state)?;
        let state = state.canonicalize().with_context(|| format!("cannot open {}", state.display()))?;
        let run = run_dir(&state)?;
        let socket = match std::env::var_os("MEZZANINE_SOCKET") {
            Some(path) => PathBuf::from(path),
            None => default_socket(),
        };
        Ok(Self { run, socket, state })
    }

    /// As `under`, with a socket of its own.
    pub fn apart(state: &Path) -> anyhow::Result<Self> {
        let mut paths = Self::under(state)?;
        paths.socket = paths.run.join("engine.sock");
        Ok(paths)
    }

    pub fn ledger(&self) -> PathBuf {
        self.state.join("ledger")
    }

    pub fn recording(&self) -> PathBuf {
        self.state.join("recording")
    }

    pub fn homes(&self) -> PathBuf {
        self.state.join("homes")
    }

    pub fn services(&self) -> PathBuf {
        self.state.join("services")
    }

    pub fn reports(&self) -> PathBuf {
        self.state.join("reports")
    }

    pub fn log(&self) -> PathBuf {
        self.state.join("log")
    }
}

/// The same rule as in the console.
pub fn default_socket() -> PathBuf {
    if let Some(path) = std::env::var_os("MEZZANINE_SOCKET") {
        return PathBuf::from(path);
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) => PathBuf::from(dir).join("mezzanine/engine.sock"),
        None => PathBuf::from(format!("/tmp/mezzanine-{}/engine.sock", rustix::process::getuid().as_raw())),
    }
}

/// Unix socket paths hold 107 bytes, so the run folder is short whatever the state folder is called.
fn run_dir(state: &Path) -> anyhow::Result<PathBuf> {
    let base = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) => PathBuf::from(dir).join("mezzanine"),
        None => PathBuf::from(format!("/tmp/mezzanine-{}", rustix::process::getuid().as_raw())),
    };
    private_dir(&base)?;
    let name = blake3::hash(state.as_os_str().as_encoded_bytes()).to_hex();
    let run = base.join(&name[..12]);
    private_dir(&run)?;
    Ok(run)
}

/// Makes a folder that others may pass through but not list, since services reach their own data below it as users of
/// their own. What is private in it (ledger, secrets, recordings, logs) closes its own folder.
fn private_dir(path: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(path)
        .with_context(|| format!("cannot make the folder {}", path.display()))?;
    let meta = std::fs::symlink_metadata(path)?;
    if !meta.is_dir() || meta.uid() != rustix::process::getuid().as_raw() {
        bail!("{} is not a folder of this user's: somebody else put it there", path.display());
    }
    Ok(())
}
