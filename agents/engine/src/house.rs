//! What an engine owns while it runs: the floor, the workers' desktops with their ways out, recordings and secrets.

mod days;
mod desks;
mod open;
mod records;
mod requests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use mz_client::Fingerprint;
use mz_company::Company;
use mz_desktop::broker::Broker;
use mz_desktop::{Desktop, DesktopError, ProcessRuntime};
use mz_gate::SecretStore;
use mz_protocol::WorkerId;

use crate::dispatch::Dispatcher;
use crate::floor::Floor;
use crate::mask::MaskedFeed;
use crate::paths::Paths;

pub use days::{Begin, today};
pub use open::{company_faults, house, load, service, take_in_secrets};
pub use records::{newest_checkpoint, secrets, verify_ledger};

#[derive(Debug, thiserror::Error)]
pub enum HouseError {
    #[error(transparent)]
    Desktop(#[from] DesktopError),
    #[error("the network broker of {worker} cannot start: {why}")]
    Broker { worker: WorkerId, why: String },
    #[error("{}: {why}", path.display())]
    File { path: PathBuf, why: String },
}

/// One worker's place while its desktop lives.
pub struct Station {
    pub desktop: Arc<dyn Desktop>,
    pub dispatcher: Arc<Dispatcher>,
    pub broker: Arc<Broker>,
}

impl Station {
    /// What people and disks may see of it.
    pub fn pictures(&self) -> MaskedFeed {
        MaskedFeed::new(self.desktop.frames(), Arc::clone(self.dispatcher.mask()))
    }
}

pub struct House {
    pub company: Company,
    pub paths: Paths,
    /// Where it is reached over TCP, and how it is known there.
    pub remote_at: Option<(SocketAddr, Fingerprint)>,
    pub floor: Arc<Floor>,
    recording: Arc<mz_ledger::Recording>,
    runtime: ProcessRuntime,
    secrets: Arc<dyn SecretStore>,
    stations: Mutex<BTreeMap<WorkerId, Arc<Station>>>,
    station_opened: Condvar,
    pub network: tokio::runtime::Handle,
    shutdown: tokio::sync::Notify,
}

impl House {
    pub async fn until_shutdown(&self) {
        let told = self.shutdown.notified();
        tokio::pin!(told);
        // Enabled before the check, so that a shutdown between the two is not missed.
        told.as_mut().enable();
        if !self.floor.is_shutting_down() {
            told.await;
        }
    }

    pub fn shut_down(&self) {
        self.floor.shut_down();
        self.shutdown.notify_waiters();
        self.station_opened.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
