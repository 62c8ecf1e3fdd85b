//! Where the engine keeps its things.

use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use mz_protocol::CompanyId;

/// Folders of one engine. State lives in `state`, everything that may vanish with the engine in `run`.
#[derive(Debug, Clone)]
pub struct Paths {
    /// What all companies of this user share: how an engine is reached, and by whom.
    pub root: PathBuf,
    /// The company's own, below `root`.
    pub state: PathBuf,
    pub run: PathBuf,
    pub socket: PathBuf,
    /// Where the API listens on TCP as well; off unless asked for.
    pub listen: Option<SocketAddr>,
}

impl Paths {
    /// `home`, else `$MEZZANINE_HOME`, else the usual folder of the user; made where it is not there.
    pub fn root(home: Option<&Path>) -> anyhow::Result<PathBuf> {
        let root = match (home, std::env::var_os("MEZZANINE_HOME"), std::env::var_os("XDG_STATE_HOME")) {
            (Some(home), ..) => home.to_owned(),
            (None, Some(home), _) => PathBuf::from(home),
            (None, None, Some(dir)) => PathBuf::from(dir).join("mezzanine"),
            // Workers and services of root are users of their own, who may not pass through root's home.
            (None, None, None) if rustix::process::geteuid().is_root() => PathBuf::from("/var/lib/mezzanine"),
            (None, None, None) => {
                let home = std::env::var_os("HOME").context("HOME is not set, so there is no place for a company's state")?;
                PathBuf::from(home).join(".local/state/mezzanine")
            }
        };
        private_dir(&root)?;
        root.canonicalize().with_context(|| format!("cannot open {}", root.display()))
    }

    /// A company's, with the socket where the console looks for it.
    pub fn of(company: &CompanyId, home: Option<&Path>) -> anyhow::Result<Self> {
        let root = Self::root(home)?;
        let state = root.join("companies").join(company.as_str());
        private_dir(&state)?;
        let run = run_dir(&state)?;
        Ok(Self { root, run, socket: mz_client::default_socket(), state, listen: None })
    }

    /// As `of`, with a socket of its own.
    pub fn apart(company: &CompanyId, home: &Path) -> anyhow::Result<Self> {
        let mut paths = Self::of(company, Some(home))?;
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
