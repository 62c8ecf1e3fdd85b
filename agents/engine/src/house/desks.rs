//! The workers' desktops: opened, found, driven, closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mz_company::{CheckPlaces, Listen, ServicePlace, run_check};
use mz_desktop::broker::{Broker, BrokerSpec, HostRule, HostRuleError, Upstream};
use mz_desktop::{Desktop, DesktopSpec, Limits, Program, Runtime};
use mz_protocol::{
    Action, ErrorCode, EventBody, LeaseId, Millis, OutcomeReport, PersonId, Problem, ServiceId, Size, WorkOrder, WorkerId,
};

use super::{House, HouseError, Station, lock, requests};
use crate::answer::internal;
use crate::dispatch::Dispatcher;
use crate::mask::MaskedFeed;
use crate::outside::Outside;
use crate::recorder;
use crate::workplace::Seat;

/// The longest file that a work order may bring along.
const LARGEST_FILE: u64 = 64 << 20;

impl House {
    /// Starts a worker's desktop with its way out and its files.
    pub fn open_station(&self, seat: &Seat, number: u16) -> Result<Arc<Station>, HouseError> {
        let begun = Instant::now();
        let worker = self.company.worker(&seat.worker).ok_or_else(|| HouseError::File {
            path: self.company.dir().to_owned(),
            why: format!("there is no worker {}", seat.worker),
        })?;
        let outside = Arc::new(Outside::default());
        let broker = Arc::new(self.start_broker(worker, number, Arc::clone(&outside))?);
        let spec = DesktopSpec {
            worker: worker.id.clone(),
            number,
            size: Size::DESKTOP,
            home: self.home_of(&worker.id),
            run_dir: self.paths.run.join(worker.id.as_str()),
            programs: worker.programs.iter().map(program).collect(),
            limits: limits(worker),
            proxy: Some(broker.socket().to_owned()),
            env: worker.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        };
        let (desktop, hand) = self.runtime.start(spec)?;
        let desktop: Arc<dyn Desktop> = Arc::from(desktop);
        self.furnish(&*desktop, worker)?;
        let dispatcher =
            Arc::new(Dispatcher::new(worker.id.clone(), hand, Arc::clone(&desktop), Arc::clone(&self.secrets), outside));
        let station = Arc::new(Station { desktop, dispatcher, broker });
        lock(&self.stations).insert(worker.id.clone(), Arc::clone(&station));
        self.station_opened.notify_all();
        recorder::start(&worker.id, station.pictures(), Arc::clone(&self.recording));
        let body = EventBody::DesktopStarted {
            worker: worker.id.clone(),
            runtime: self.runtime.name().to_owned(),
            took: Millis(begun.elapsed().as_millis() as u64),
        };
        self.floor.note(body);
        Ok(station)
    }

    pub fn close_station(&self, worker: &WorkerId) {
        let station = lock(&self.stations).remove(worker);
        if let Some(station) = station {
            station.desktop.stop();
        }
        if let Err(error) = self.floor.worker_gone(worker) {
            tracing::warn!(%worker, "cannot record that the desktop is gone: {error}");
        }
    }

    pub fn close_all_stations(&self) {
        let stations: Vec<_> = std::mem::take(&mut *lock(&self.stations)).into_values().collect();
        for station in stations {
            station.desktop.stop();
        }
    }

    pub fn station(&self, worker: &WorkerId) -> Option<Arc<Station>> {
        lock(&self.stations).get(worker).cloned()
    }

    /// The pictures of a worker's desktop as soon as it is up, at most after `patience`.
    pub fn wait_for_feed(&self, worker: &WorkerId, patience: Duration) -> Option<MaskedFeed> {
        let end = Instant::now() + patience;
        let mut stations = lock(&self.stations);
        loop {
            if let Some(station) = stations.get(worker) {
                return Some(station.pictures());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.floor.is_shutting_down() {
                return None;
            }
            stations = self.station_opened.wait_timeout(stations, left).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Input of the person who drives.
    pub fn drive(&self, lease: &LeaseId, person: &PersonId, action: &Action) -> Result<(), Problem> {
        let gone = || Problem::new(ErrorCode::Refused, "you do not drive this desktop any more");
        let worker = self.floor.driven_worker(lease).ok_or_else(gone)?;
        let station = self.station(&worker).ok_or_else(gone)?;
        let size = station.desktop.size();
        if action.place().is_some_and(|place| !size.contains(place)) {
            return Err(Problem::new(ErrorCode::BadRequest, "that is outside of the desktop"));
        }
        if matches!(action, Action::Launch { .. }) {
            return Err(Problem::new(ErrorCode::BadRequest, "programs are started on the desktop itself"));
        }
        let permit = self.floor.drive(lease, person)?;
        station.dispatcher.drive(permit, action).map(drop).map_err(internal)
    }

    pub fn release_all(&self, worker: &WorkerId) {
        if let Some(station) = self.station(worker) {
            station.dispatcher.release_all(&self.floor.release(worker));
        }
    }

    pub fn home_of(&self, worker: &WorkerId) -> std::path::PathBuf {
        self.paths.homes().join(worker.as_str())
    }

    /// Cost of processor time, in millionths of the company's currency.
    pub fn machine_cost(&self, cpu: Duration) -> u64 {
        (cpu.as_secs_f64() / 3600.0 * self.company.core_hour_cents * 10_000.0) as u64
    }

    /// Puts a work order's files into the home.
    pub fn put_order_files(&self, desktop: &dyn Desktop, order: &WorkOrder) -> Result<(), String> {
        for file in self.company.home_files(order).map_err(|error| error.to_string())? {
            let bytes = self.company.read_file(&file.company, LARGEST_FILE).map_err(|error| error.to_string())?;
            desktop.put_file(&file.home, &bytes).map_err(|error| format!("{}: {error}", file.home))?;
        }
        Ok(())
    }

    /// Looks at an order's result.
    pub fn check(&self, order: &WorkOrder, worker: &WorkerId) -> OutcomeReport {
        let Some(check) = self.company.outcome_check(&order.procedure, &order.check) else { return OutcomeReport::default() };
        let number = self.company.workers.iter().position(|other| other.id == *worker).unwrap_or(0) as u16;
        let service = |service: &mz_company::ServiceSpec| {
            let place = ServicePlace { data: self.paths.services().join(service.id.as_str()), env: service.env.clone() };
            (service.id.clone(), place)
        };
        let places = CheckPlaces {
            home: self.home_of(worker),
            company: self.company.dir().to_owned(),
            state: self.paths.state.clone(),
            services: self.company.services.iter().map(service).collect(),
            uid: self.runtime.user_of(number).map(|uid| (uid, uid)),
        };
        run_check(check, &order.inputs, &places)
    }

    /// The role's own settings of its programs.
    fn furnish(&self, desktop: &dyn Desktop, worker: &mz_company::Worker) -> Result<(), HouseError> {
        let fault = |path: &str, why: String| HouseError::File { path: self.company.dir().join(path), why };
        for file in self.company.profile_files(&worker.id).map_err(|error| fault("profiles", error.to_string()))? {
            let bytes =
                self.company.read_file(&file.company, LARGEST_FILE).map_err(|error| fault(&file.company, error.to_string()))?;
            desktop.put_file(&file.home, &bytes)?;
        }
        Ok(())
    }

    /// The services that a worker's role may reach.
    pub fn services_of(&self, worker: &WorkerId) -> Vec<ServiceId> {
        let rules = self.company.worker(worker).and_then(|worker| host_rules(worker).ok()).unwrap_or_default();
        let reached = |service: &&mz_company::ServiceSpec| {
            service.hosts.iter().any(|host| rules.iter().any(|rule| rule.names(&host.to_lowercase())))
        };
        self.company.services.iter().filter(reached).map(|service| service.id.clone()).collect()
    }

    fn start_broker(&self, worker: &mz_company::Worker, number: u16, outside: Arc<Outside>) -> Result<Broker, HouseError> {
        let failed = |why: String| HouseError::Broker { worker: worker.id.clone(), why };
        let allow = host_rules(worker).map_err(|error| failed(error.to_string()))?;
        let mut services = std::collections::BTreeMap::new();
        for service in &self.company.services {
            let data = self.paths.services().join(service.id.as_str());
            for host in &service.hosts {
                if let Some(upstream) = upstream(service, &data) {
                    services.insert(host.clone(), upstream);
                }
            }
        }
        let log = requests::log(&self.floor, &worker.id).map_err(|error| failed(error.to_string()))?;
        let owner_uid = self.runtime.user_of(number).unwrap_or_else(|| rustix::process::getuid().as_raw());
        let may_pass = Box::new(move |host: &str| outside.may_pass(host));
        let socket = self.paths.run.join(format!("net-{}", worker.id)).join("proxy.sock");
        Broker::start(&self.network, BrokerSpec { socket, owner_uid, allow, services, may_pass, log })
            .map_err(|error| failed(error.to_string()))
    }
}

fn host_rules(worker: &mz_company::Worker) -> Result<Vec<HostRule>, HostRuleError> {
    worker.hosts.iter().map(|host| Ok(host.name.parse::<HostRule>()?.asking(host.asks.clone()))).collect()
}

fn upstream(service: &mz_company::ServiceSpec, data: &std::path::Path) -> Option<Upstream> {
    match &service.listens {
        None => None,
        Some(Listen::Tcp(port)) => Some(Upstream::Tcp(*port)),
        Some(Listen::Unix(path)) => Some(Upstream::Unix(data.join(path))),
    }
}

fn program(spec: &mz_company::ProgramSpec) -> Program {
    Program { name: spec.name.clone(), command: spec.command.clone(), package: spec.package.clone() }
}

fn limits(worker: &mz_company::Worker) -> Limits {
    let limits = worker.limits;
    Limits {
        memory_mib: limits.memory_mib,
        processes: limits.processes,
        cpu_percent: limits.cpu_percent,
        disk_mib: limits.disk_mib,
    }
}
