//! Starts and ends everything that an engine owns: ledger, services, brokers, desktops, workers, API.

mod desks;
mod open;
mod records;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use mz_company::Company;
use mz_desktop::broker::Broker;
use mz_desktop::{Desktop, DesktopError, ProcessRuntime};
use mz_gate::SecretStore;
use mz_protocol::{Actor, EventBody, WorkerId};

use crate::dispatch::Dispatcher;
use crate::floor::Floor;
use crate::paths::Paths;
use crate::server;
use crate::services::Services;

pub use records::{keep_secret, verify_ledger};

/// A database makes its files at its first start.
const SERVICES_READY: Duration = Duration::from_secs(90);
/// The workers get this long to end before their desktops are left to the kernel.
const FAREWELL: Duration = Duration::from_secs(8);

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

pub struct House {
    pub company: Company,
    pub paths: Paths,
    pub floor: Arc<Floor>,
    recording: Arc<mz_ledger::Recording>,
    runtime: ProcessRuntime,
    secrets: Arc<dyn SecretStore>,
    stations: Mutex<BTreeMap<WorkerId, Arc<Station>>>,
    station_opened: Condvar,
    network: tokio::runtime::Handle,
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

/// Runs an engine until somebody shuts it down or a signal ends it.
pub fn up(company: &Path, paths: Paths) -> anyhow::Result<()> {
    let socket = paths.socket.clone();
    with_engine(company, paths, |house| {
        println!("{} is at work. Open the console with `mezzanine console`.", house.company.name);
        let stop = Arc::clone(house);
        let signals = house.network.spawn(async move {
            let _ = server::ended_by_signal().await;
            stop.shut_down();
        });
        while !house.floor.is_shutting_down() {
            house.floor.wait_for_change(Duration::from_millis(500));
        }
        signals.abort();
        Ok(())
    })
    .with_context(|| format!("the engine on {} ended", socket.display()))
}

/// Runs an engine around `inside`, and ends it whatever comes of that.
pub fn with_engine<T>(
    company: &Path,
    paths: Paths,
    inside: impl FnOnce(&Arc<House>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let company = Company::load(company).map_err(|faults| anyhow::anyhow!("{}", open::faults(company, &faults)))?;
    let network = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("network")
        .enable_all()
        .build()
        .context("cannot start the network threads")?;
    let listener = network.block_on(server::bind(&paths.socket))?;
    let house = open::house(company, paths, network.handle().clone())?;
    let api = network.spawn(server::serve(listener, Arc::clone(&house)));
    let result = run(&house, inside);
    house.shut_down();
    let _ = network.block_on(async { tokio::time::timeout(Duration::from_secs(2), api).await });
    let _ = std::fs::remove_file(&house.paths.socket);
    network.shutdown_timeout(Duration::from_secs(1));
    result
}

fn run<T>(house: &Arc<House>, inside: impl FnOnce(&Arc<House>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let services = start_services(house)?;
    let staff = open::employ(house)?;
    let watch = open::watch_storage(house)?;
    let result = inside(house);
    house.shut_down();
    let deadline = Instant::now() + FAREWELL;
    for thread in staff {
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
    let _ = watch.join();
    house.close_all_stations();
    services.stop();
    let _ = house.floor.record(Actor::Engine, vec![EventBody::EngineStopped]);
    result
}

/// A service that does not come up is shown, and does not keep those from work who need it not.
fn start_services(house: &Arc<House>) -> anyhow::Result<Services> {
    let floor = Arc::clone(&house.floor);
    let specs = house.company.services.iter().map(|service| open::service(house, service)).collect();
    let services = Services::start(
        specs,
        &house.paths.log(),
        Arc::new(move |service, running, detail| floor.note(EventBody::ServiceChanged { service, running, detail })),
    )
    .context("a service of the company cannot start")?;
    if let Err(error) = services.wait_ready(SERVICES_READY) {
        tracing::warn!("{error}");
    }
    open::take_in_secrets(house);
    Ok(services)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
