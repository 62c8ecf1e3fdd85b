//! Starts and ends everything that an engine owns: ledger, services, brokers, desktops, workers, API.

mod days;
mod desks;
mod open;
mod records;
mod requests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use mz_client::Fingerprint;
use mz_company::Company;
use mz_desktop::broker::Broker;
use mz_desktop::{Desktop, DesktopError, ProcessRuntime};
use mz_gate::SecretStore;
use mz_protocol::{Actor, EventBody, WorkerId};

use crate::dispatch::Dispatcher;
use crate::floor::Floor;
use crate::logging;
use crate::paths::Paths;
use crate::server::{self, Doors, Tokens};
use crate::services::Services;

pub use days::{Begin, today};
pub use open::{company_faults, load};
pub use records::{newest_checkpoint, secrets, verify_ledger};

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
    /// Where it is reached over TCP, and how it is known there.
    remote_at: Option<(SocketAddr, Fingerprint)>,
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

    /// Tells whoever started the engine what its clients elsewhere need.
    fn say_remote(&self) {
        let Some((address, fingerprint)) = &self.remote_at else { return };
        println!("It is reached at https://{address} too. Its certificate is {fingerprint}");
        if Tokens::at(&self.paths.root).list().is_ok_and(|tokens| tokens.is_empty()) {
            println!("Nobody has a token yet: make one with `mezzanine token new NAME`.");
        }
    }

    pub fn shut_down(&self) {
        self.floor.shut_down();
        self.shutdown.notify_waiters();
        self.station_opened.notify_all();
    }
}

/// Runs an engine until somebody shuts it down or a signal ends it.
pub fn up(company: Company, paths: Paths, begin: Begin) -> anyhow::Result<()> {
    let socket = paths.socket.clone();
    with_engine(company, paths, begin, |house| {
        println!("{} is at work. Open the console with `mezzanine console`.", house.company.name);
        house.say_remote();
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
    company: Company,
    paths: Paths,
    begin: Begin,
    inside: impl FnOnce(&Arc<House>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    logging::to_file(&paths.log());
    let network = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("network")
        .enable_all()
        .build()
        .context("cannot start the network threads")?;
    let doors = network.block_on(Doors::open(&paths.socket, paths.listen, &paths.root))?;
    let house = open::house(company, paths, begin, network.handle().clone(), doors.remote_at)?;
    let api = network.spawn(doors.serve(Arc::clone(&house)));
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

/// Nobody waits for them here: a worker's orders wait for the services that its role may reach.
fn start_services(house: &Arc<House>) -> anyhow::Result<Services> {
    let told = Arc::clone(house);
    let specs = house.company.services.iter().map(|service| open::service(house, service)).collect();
    Services::start(
        specs,
        &house.paths.log(),
        Arc::new(move |service, running, detail| {
            // Before anyone is told that it runs: who waited for it may need them at once.
            if running {
                open::take_in_secrets(&told, &service);
            }
            told.floor.note(EventBody::ServiceChanged { service, running, detail });
        }),
    )
    .context("a service of the company cannot start")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
