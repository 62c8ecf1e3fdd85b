//! One thread for each worker: it starts the desktop, takes the worker's orders one after the other, and starts
//! the desktop again when it died.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mz_company::{HomeFiles, ProcedureRun};
use mz_desktop::Desktop;
use mz_protocol::{Actor, EventBody, Millis, OrderState, OutcomeReport, ServiceId, WorkOrder, WorkOrderId};

use crate::desk::Desk;
use crate::dispatch::Dispatcher;
use crate::house::{House, Station};
use crate::reflex::Rules;
use crate::worker::work;
use crate::workplace::{Ended, Seat};

/// How often an order is begun again after its desktop or engine died under it.
const RESTARTS: u32 = 2;
/// Between two starts of a desktop; doubles for one that keeps dying.
const BACKOFF: Duration = Duration::from_secs(3);
const DOUBLINGS: u32 = 4;
/// A desktop that has lived this long does not keep dying.
const SOUND: Duration = Duration::from_secs(60);
/// How long nothing may change before a worker without an order looks around again.
const GLANCE: Duration = Duration::from_millis(500);
/// Between two tries to write down how an order ended.
const WRITE_AGAIN: Duration = Duration::from_secs(1);
/// A service that is not ready after this long no longer keeps its workers' orders waiting: a database makes its files
/// at its first start, but what does not come up is to be seen in the work.
const SERVICES_READY: Duration = Duration::from_secs(90);
/// How often the processor time of a desktop goes into the ledger.
const METER: Duration = Duration::from_secs(60);

pub struct Employee {
    pub house: Arc<House>,
    pub seat: Seat,
    /// Distinct for each worker: user ids follow from it.
    pub number: u16,
    lost: HashMap<WorkOrderId, u32>,
    /// The services that the role may reach, and since when an order waits for one of them.
    services: Vec<ServiceId>,
    waiting: Option<Instant>,
}

impl Employee {
    pub fn new(house: Arc<House>, seat: Seat, number: u16) -> Self {
        let services = house.services_of(&seat.worker);
        Self { house, seat, number, lost: HashMap::new(), services, waiting: None }
    }

    /// Works until the engine shuts down.
    pub fn employ(mut self) {
        let mut deaths: u32 = 0;
        while !self.house.floor.is_shutting_down() {
            let begun = Instant::now();
            let why = match self.house.open_station(&self.seat, self.number) {
                Ok(station) => self.shift(&station),
                Err(error) => error.to_string(),
            };
            self.house.close_station(&self.seat.worker);
            if self.house.floor.is_shutting_down() {
                return;
            }
            tracing::warn!(worker = %self.seat.worker, "the desktop ended: {why}");
            let ended = EventBody::DesktopEnded { worker: self.seat.worker.clone(), why };
            let _ = self.house.floor.record(Actor::Engine, vec![ended]);
            deaths = if begun.elapsed() > SOUND { 0 } else { deaths + 1 };
            self.house.floor.pause(BACKOFF * 2_u32.pow(deaths.saturating_sub(1).min(DOUBLINGS)));
        }
    }

    /// As long as one desktop lives; the answer is why it ended.
    fn shift(&mut self, station: &Arc<Station>) -> String {
        let mut meter = Meter::new(&*station.desktop);
        loop {
            if self.house.floor.is_shutting_down() {
                return "the engine is shutting down".to_owned();
            }
            if let Err(why) = station.desktop.alive() {
                return why;
            }
            meter.read(&self.house, &self.seat, &*station.desktop, METER);
            if !self.services_are_ready() {
                self.house.floor.wait_for_change(GLANCE);
                continue;
            }
            let Some(order) = self.house.floor.next_order(&self.seat, GLANCE) else { continue };
            let ended = self.work_on(station, &order);
            meter.read(&self.house, &self.seat, &*station.desktop, Duration::ZERO);
            if let Ended::Lost { why } = ended {
                return why;
            }
        }
    }

    fn services_are_ready(&mut self) -> bool {
        if self.services.is_empty() || self.house.floor.are_running(&self.services) {
            self.waiting = None;
            return true;
        }
        self.waiting.get_or_insert_with(Instant::now).elapsed() > SERVICES_READY
    }

    fn work_on(&mut self, station: &Station, order: &WorkOrder) -> Ended {
        let ended = match self.prepare(station, order) {
            Ok(mut run) => {
                self.house.floor.set_steps(&self.seat.worker, run.steps());
                let mut desk = station.desk(&self.house, &self.seat);
                desk.begin(order);
                // A fault of ours costs this desktop, not the worker's thread: nobody would notice that it is gone.
                catch_unwind(AssertUnwindSafe(|| work(&mut desk, order, &mut run, &mut Rules::default())))
                    .unwrap_or_else(|_| Ended::Lost { why: "the worker's program failed: its log says where".to_owned() })
            }
            Err(why) => Ended::NeedsHelp { why },
        };
        self.house.floor.leave_order(&order.id);
        if matches!(ended, Ended::Lost { .. }) {
            *self.lost.entry(order.id.clone()).or_default() += 1;
        }
        // An order of which this is not written would stand for ever where it is. An engine that ends settles it at
        // its next start.
        while !self.house.floor.is_shutting_down()
            && let Err(error) = self.close(order, &ended)
        {
            tracing::warn!(order = %order.id, "cannot record how the order ended: {error}");
            self.house.floor.pause(WRITE_AGAIN);
        }
        ended
    }

    /// The order's files lie in the home, and its procedure is open at the first step.
    fn prepare(&self, station: &Station, order: &WorkOrder) -> Result<ProcedureRun, String> {
        let company = &self.house.company;
        self.house
            .put_order_files(&*station.desktop, order)
            .map_err(|why| format!("I cannot get the files of this order: {why}"))?;
        let procedure =
            company.procedure(&order.procedure).ok_or_else(|| format!("there is no procedure {}", order.procedure))?;
        let files = Arc::new(HomeFiles::new(self.house.home_of(&self.seat.worker)));
        Ok(ProcedureRun::new(Arc::clone(procedure), order.inputs.clone(), files))
    }

    /// Brings the order to the state that it has earned. Done is what the outcome check says.
    fn close(&self, order: &WorkOrder, ended: &Ended) -> Result<(), crate::floor::FloorError> {
        let floor = &self.house.floor;
        let worker = Some(&self.seat.worker);
        match ended {
            Ended::Finished => {
                floor.move_order(&order.id, OrderState::InReview, worker, None)?;
                let report = self.review(order)?;
                if report.passed() {
                    return floor.move_order(&order.id, OrderState::Done, worker, None);
                }
                let missed = report.checkpoints.iter().find(|checkpoint| !checkpoint.passed);
                let why = missed.map_or_else(
                    || "the outcome check has no checkpoints".to_owned(),
                    |checkpoint| format!("the check \u{201c}{}\u{201d} did not pass: {}", checkpoint.name, checkpoint.detail),
                );
                floor.move_order(&order.id, OrderState::Failed, worker, Some(why))
            }
            Ended::Vetoed { reason } => {
                self.review(order)?;
                floor.move_order(&order.id, OrderState::Cancelled, worker, Some(format!("vetoed: {reason}")))
            }
            Ended::NeedsHelp { why } => floor.move_order(&order.id, OrderState::Failed, worker, Some(why.clone())),
            Ended::Cancelled => self.review(order).map(drop),
            Ended::Lost { why } => {
                let count = self.lost.get(&order.id).copied().unwrap_or_default();
                let (state, reason) = if count > RESTARTS {
                    (OrderState::Failed, format!("the desktop was lost {count} times, last: {why}"))
                } else {
                    self.house.after_loss(order, &self.seat.worker, why)
                };
                floor.move_order(&order.id, state, worker, Some(reason))
            }
        }
    }

    fn review(&self, order: &WorkOrder) -> Result<OutcomeReport, crate::floor::FloorError> {
        let report = self.house.check(order, &self.seat.worker);
        let body = EventBody::OutcomeChecked {
            order: order.id.clone(),
            worker: Some(self.seat.worker.clone()),
            report: report.clone(),
        };
        self.house.floor.record(Actor::Engine, vec![body])?;
        Ok(report)
    }
}

/// Processor time of a desktop, for the cost of an outcome.
struct Meter {
    cpu: Duration,
    at: Instant,
}

impl Meter {
    fn new(desktop: &dyn Desktop) -> Self {
        Self { cpu: desktop.cpu_used(), at: Instant::now() }
    }

    fn read(&mut self, house: &House, seat: &Seat, desktop: &dyn Desktop, at_least: Duration) {
        let span = self.at.elapsed();
        if span < at_least {
            return;
        }
        let cpu = desktop.cpu_used();
        let used = cpu.saturating_sub(self.cpu);
        (self.cpu, self.at) = (cpu, Instant::now());
        let body = EventBody::MachineUsed {
            worker: seat.worker.clone(),
            cpu: Millis(used.as_millis() as u64),
            span: Millis(span.as_millis() as u64),
            cost_micros: house.machine_cost(used),
        };
        if let Err(error) = house.floor.record(Actor::Engine, vec![body]) {
            tracing::warn!("cannot record the machine's use: {error}");
        }
    }
}

impl Station {
    pub fn desk(&self, house: &Arc<House>, seat: &Seat) -> Desk {
        let broker = Arc::clone(&self.broker);
        Desk::new(
            seat.clone(),
            Arc::clone(&house.floor),
            Arc::clone(&self.desktop),
            Arc::clone(&self.dispatcher),
            Box::new(move || broker.last_host()),
        )
    }

    pub fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }
}
