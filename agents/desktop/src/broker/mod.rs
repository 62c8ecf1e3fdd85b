//! The one way out of a desktop: a forward proxy on a Unix socket that knows which hosts the worker's role
//! may reach. It resolves names itself and connects to the address that it checked, so that no name leads
//! to the machine's own network; a company's services are reached by name and by nothing else.

mod net;
mod page;
mod relay;
mod rules;
mod serve;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub use net::{Dial, Internet, is_public};
pub use rules::{HostRule, HostRuleError};

/// Where a company's service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// A port on 127.0.0.1.
    Tcp(u16),
    Unix(PathBuf),
}

/// One request, for the ledger. The path is left out: it may hold what is nobody's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkLog {
    pub method: String,
    pub host: String,
    pub port: u16,
    pub allowed: bool,
    pub why: String,
}

/// Bounds on what one desktop may do with its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerLimits {
    pub connections: usize,
    /// Bytes of a request's head; at least 8192.
    pub head: usize,
    pub headers: usize,
    /// For a whole request head to arrive.
    pub head_deadline: Duration,
    pub connect_deadline: Duration,
    /// A connection over which nothing passes ends.
    pub idle: Duration,
    /// Every connection ends by then.
    pub total: Duration,
}

impl Default for BrokerLimits {
    fn default() -> Self {
        Self {
            connections: 128,
            head: 32 * 1024,
            headers: 100,
            head_deadline: Duration::from_secs(10),
            connect_deadline: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            total: Duration::from_secs(3600),
        }
    }
}

pub struct BrokerSpec {
    /// Where to listen; the folder is the broker's own and is made where it is missing.
    pub socket: PathBuf,
    /// Who may connect: the desktop's user on this machine. Given the socket where the engine is root.
    pub owner_uid: u32,
    pub allow: Vec<HostRule>,
    /// By host name, as addresses are written: `cms.atelier.local`.
    pub services: BTreeMap<String, Upstream>,
    /// Asked with the host for each request that a [`HostRule`] asks for; a yes lets this one through. It must not block.
    pub may_pass: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// Told of every request, from the runtime's threads: it must not block.
    pub log: Box<dyn Fn(NetworkLog) + Send + Sync>,
}

#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("{what} {}: {source}", path.display())]
    Socket { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is there already and is no socket: remove it, or choose another folder", .0.display())]
    Taken(PathBuf),
}

/// What all connections of one broker share.
pub(crate) struct Shared {
    allow: Vec<HostRule>,
    services: BTreeMap<String, Upstream>,
    may_pass: Box<dyn Fn(&str) -> bool + Send + Sync>,
    log: Box<dyn Fn(NetworkLog) + Send + Sync>,
    limits: BrokerLimits,
    dial: Box<dyn Dial>,
    last_host: Mutex<Option<String>>,
}

/// A running broker. It ends, with every connection, when this is dropped.
pub struct Broker {
    socket: PathBuf,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl Broker {
    /// Listens from when this returns.
    pub fn start(handle: &Handle, spec: BrokerSpec) -> Result<Self, BrokerError> {
        Self::start_with(handle, spec, BrokerLimits::default(), Box::new(Internet))
    }

    /// With other bounds, or another way to reach hosts.
    pub fn start_with(
        handle: &Handle,
        spec: BrokerSpec,
        limits: BrokerLimits,
        dial: Box<dyn Dial>,
    ) -> Result<Self, BrokerError> {
        let listener = listen(&spec.socket, spec.owner_uid)?;
        let guard = handle.enter();
        let listener = UnixListener::from_std(listener).map_err(fault("cannot listen on", &spec.socket))?;
        drop(guard);
        let services = spec.services.into_iter().map(|(name, upstream)| (name.to_ascii_lowercase(), upstream)).collect();
        let shared = Arc::new(Shared {
            allow: spec.allow,
            services,
            may_pass: spec.may_pass,
            log: spec.log,
            limits,
            dial,
            last_host: Mutex::new(None),
        });
        let listening = handle.spawn(serve::accept(listener, shared.clone()));
        Ok(Self { socket: spec.socket, shared, listening })
    }

    /// The host of the page that was asked for last, in lower case; of an encrypted page, of its tunnel.
    pub fn last_host(&self) -> Option<String> {
        self.shared.last_host.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.listening.abort();
        // The folder goes with the desktop; a socket that is gone already is no fault.
        drop(std::fs::remove_file(&self.socket));
    }
}

fn fault(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BrokerError {
    let path = path.to_owned();
    move |source| BrokerError::Socket { what, path, source }
}

/// Binds the socket so that at no moment anyone but its owner can connect: the folder is closed first.
fn listen(socket: &Path, owner: u32) -> Result<StdListener, BrokerError> {
    let own_uid = rustix::process::geteuid();
    let give = |path: &Path| {
        if own_uid.is_root() { std::os::unix::fs::lchown(path, Some(owner), None) } else { Ok(()) }
    };
    if let Some(folder) = socket.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault("cannot make", folder))?;
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700)).map_err(fault("cannot close", folder))?;
        give(folder).map_err(fault("cannot hand over", folder))?;
    }
    match std::fs::symlink_metadata(socket) {
        Ok(data) if data.file_type().is_socket() => std::fs::remove_file(socket).map_err(fault("cannot replace", socket))?,
        Ok(_) => return Err(BrokerError::Taken(socket.to_owned())),
        Err(_) => {}
    }
    let listener = StdListener::bind(socket).map_err(fault("cannot listen on", socket))?;
    listener.set_nonblocking(true).map_err(fault("cannot listen on", socket))?;
    std::fs::set_permissions(socket, PermissionsExt::from_mode(0o600)).map_err(fault("cannot close", socket))?;
    give(socket).map_err(fault("cannot hand over", socket))?;
    Ok(listener)
}
