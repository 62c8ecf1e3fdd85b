//! An engine from its start to its end: services, workers and API around a house.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use mz_company::Company;
use mz_protocol::{Actor, EventBody};

use crate::house::{self, Begin, House};
use crate::logging;
use crate::paths::Paths;
use crate::server::{self, Doors, Tokens};
use crate::services::Services;
use crate::staff::Employee;
use crate::workplace::Seat;

/// The workers get this long to end before their desktops are left to the kernel.
const FAREWELL: Duration = Duration::from_secs(8);
const STORAGE_LOOK: Duration = Duration::from_secs(2);

/// Runs an engine until somebody shuts it down or a signal ends it.
pub fn up(company: Company, paths: Paths, begin: Begin) -> anyhow::Result<()> {
    let socket = paths.socket.clone();
    with_engine(company, paths, begin, |house| {
        println!("{} is at work. Open the console with `mezzanine console`.", house.company.name);
        say_remote(house);
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
    let house = house::house(company, paths, begin, network.handle().clone(), doors.remote_at)?;
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
    let staff = employ(house)?;
    let watch = watch_storage(house)?;
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
    let specs = house.company.services.iter().map(|service| house::service(house, service)).collect();
    Services::start(
        specs,
        &house.paths.log(),
        Arc::new(move |service, running, detail| {
            // Before anyone is told that it runs: who waited for it may need them at once.
            if running {
                house::take_in_secrets(&told, &service);
            }
            told.floor.note(EventBody::ServiceChanged { service, running, detail });
        }),
    )
    .context("a service of the company cannot start")
}

/// One thread a worker.
pub fn employ(house: &Arc<House>) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let hire = |(number, worker): (usize, &mz_company::Worker)| {
        let seat = Seat { worker: worker.id.clone(), role: worker.role.clone(), department: worker.department.clone() };
        let employee = Employee::new(Arc::clone(house), seat, number as u16);
        std::thread::Builder::new().name(format!("worker-{}", worker.id)).spawn(move || employee.employ())
    };
    house.company.workers.iter().enumerate().map(hire).collect::<Result<_, _>>().context("cannot start the workers' threads")
}

/// Looks after the room on the disk: work stops while there is still room to write down that it stopped.
pub fn watch_storage(house: &Arc<House>) -> anyhow::Result<JoinHandle<()>> {
    let house = Arc::clone(house);
    let watch = move || {
        let path = house.paths.state.display().to_string();
        while !house.floor.is_shutting_down() {
            match rustix::fs::statvfs(&house.paths.state) {
                Ok(stat) => house.floor.room(&path, stat.f_bavail.saturating_mul(stat.f_frsize)),
                Err(error) => tracing::warn!("the room on the disk that holds {path} is not known: {error}"),
            }
            house.floor.pause(STORAGE_LOOK);
        }
    };
    std::thread::Builder::new().name("storage".to_owned()).spawn(watch).context("cannot watch the disk")
}

/// Tells whoever started the engine what its clients elsewhere need.
fn say_remote(house: &House) {
    let Some((address, fingerprint)) = &house.remote_at else { return };
    println!("It is reached at https://{address} too. Its certificate is {fingerprint}");
    if Tokens::at(&house.paths.root).list().is_ok_and(|tokens| tokens.is_empty()) {
        println!("Nobody has a token yet: make one with `mezzanine token new NAME`.");
    }
}
