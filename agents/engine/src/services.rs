//! The services that a company brings along (a shop, a database): started as an ordinary user, watched, started again
//! when they end, and ended with the engine. Each has a thread of its own, which must live as long as the service: the
//! kernel's parent-death signal follows the thread that started a child.

mod keeper;
mod log;
mod processes;
mod readiness;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use mz_company::Listen;
use mz_protocol::ServiceId;

use keeper::Keeper;
pub(crate) use log::Log;

/// How often a child is looked at.
const GLANCE: Duration = Duration::from_millis(50);

/// One service, as declared by the company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    pub id: ServiceId,
    /// The declaration's folder; commands run in it. Read-only for the service.
    pub folder: PathBuf,
    /// Made and given to the service's user where it is not there.
    pub data: PathBuf,
    /// argv. Stays in the foreground.
    pub start: Vec<String>,
    /// argv that exits with 0 once the service answers.
    pub ready: Option<Vec<String>>,
    /// Where it listens once it is ready. With neither this nor `ready` it counts as ready when it was started.
    pub listens: Option<Listen>,
    pub env: BTreeMap<String, String>,
    /// Debian packages, for the message when a program is missing.
    pub packages: Vec<String>,
    /// Needed on the PATH.
    pub programs: Vec<String>,
    /// The user it runs as. Needed when the engine is root, ignored otherwise.
    pub uid: Option<u32>,
}

/// Deadlines and bounds; the default is for real services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub ready_within: Duration,
    /// From SIGTERM to SIGKILL.
    pub stop_within: Duration,
    /// Before the first restart; doubles with each further one.
    pub backoff: Duration,
    /// After so many restarts within a minute the service is left alone.
    pub restarts_a_minute: usize,
    /// Of each log file. The one before is kept beside it as `.old`.
    pub log_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            ready_within: Duration::from_secs(90),
            stop_within: Duration::from_secs(10),
            backoff: Duration::from_millis(500),
            restarts_a_minute: 5,
            log_bytes: 1 << 20,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error("cannot start the service {id}: {source}")]
    Thread { id: ServiceId, source: io::Error },
    #[error("the service {id} is not running: {why}")]
    NotReady { id: ServiceId, why: String },
}

/// The services of one company. Dropping it stops them.
pub struct Services {
    shared: Arc<Shared>,
    stops: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// Called from the services' threads with every change: whether it runs, and what a manager should know.
pub type OnChange = Arc<dyn Fn(ServiceId, bool, String) + Send + Sync>;

struct Shared {
    logs: PathBuf,
    bounds: Bounds,
    changed: OnChange,
    states: Mutex<BTreeMap<ServiceId, State>>,
    moved: Condvar,
}

#[derive(Debug, Clone, Default)]
struct State {
    running: bool,
    given_up: bool,
    detail: String,
}

impl Services {
    /// Starts all of them and returns at once. `logs` is a folder of the engine's own.
    pub fn start(specs: Vec<ServiceSpec>, logs: &Path, changed: OnChange) -> Result<Self, ServiceError> {
        Self::start_with(specs, logs, Bounds::default(), changed)
    }

    pub fn start_with(specs: Vec<ServiceSpec>, logs: &Path, bounds: Bounds, changed: OnChange) -> Result<Self, ServiceError> {
        let states = specs.iter().map(|spec| (spec.id.clone(), State::default())).collect();
        let shared =
            Arc::new(Shared { logs: logs.to_owned(), bounds, changed, states: Mutex::new(states), moved: Condvar::new() });
        let mut services = Self { shared, stops: Vec::new(), threads: Vec::new() };
        for spec in specs {
            let (stop, stopped) = bounded(1);
            let (id, shared) = (spec.id.clone(), Arc::clone(&services.shared));
            let thread = std::thread::Builder::new()
                .name(format!("service-{id}"))
                .spawn(move || Keeper { spec, shared, stopped }.run())
                .map_err(|source| ServiceError::Thread { id, source })?;
            services.stops.push(stop);
            services.threads.push(thread);
        }
        Ok(services)
    }

    /// Waits until every service is ready. Tells of the first that gave up, or of one that is not ready by then.
    pub fn wait_ready(&self, within: Duration) -> Result<(), ServiceError> {
        let settled = |states: &BTreeMap<ServiceId, State>| {
            states.values().all(|state| state.running) || states.values().any(|state| state.given_up)
        };
        let states = locked(&self.shared.states);
        let waited = self.shared.moved.wait_timeout_while(states, within, |states| !settled(states));
        let (states, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let gave_up = states.iter().find(|(_, state)| state.given_up);
        match gave_up.or_else(|| states.iter().find(|(_, state)| !state.running)) {
            None => Ok(()),
            Some((id, state)) => {
                let detail = if state.detail.is_empty() { "it is still starting" } else { &state.detail };
                Err(ServiceError::NotReady { id: id.clone(), why: detail.to_owned() })
            }
        }
    }

    /// Each service, whether it runs, and the last that was said of it.
    pub fn states(&self) -> Vec<(ServiceId, bool, String)> {
        locked(&self.shared.states).iter().map(|(id, state)| (id.clone(), state.running, state.detail.clone())).collect()
    }

    /// Ends all of them, side by side; returns when their processes are gone.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // A closed channel is the sign.
        self.stops.clear();
        for thread in self.threads.drain(..) {
            // A thread that panicked has dropped its child, which ended it.
            let _ = thread.join();
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.end();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
