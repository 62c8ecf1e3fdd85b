//! Stop for a worker, a department or the company. Scopes lie on top of each other: what is stopped twice
//! goes on only when both are resumed.

use mz_protocol::{DepartmentId, EventBody, StopScope, Timestamp, VoidReason, WorkerId};

use super::{Gate, Step};

impl Gate {
    /// Stops at once: permits that are out are cut in the middle of a word, questions are void, and people
    /// who drive let go too. They may take over again.
    pub fn stop(&mut self, now: Timestamp, scope: StopScope) -> Step<()> {
        let reached = self.reached(&scope);
        for worker in &reached {
            self.switch.set_stopped(worker, true);
            self.cut(worker);
        }
        let mut events = Vec::new();
        let now = self.advance(now, &mut events);
        if self.stops.insert(scope.clone()) {
            events.push(EventBody::Stopped { scope });
        }
        for worker in &reached {
            self.void_open(worker, VoidReason::Stopped, now, &mut events);
            self.end_lease(worker, Some("stopped".into()), &mut events);
        }
        Step { result: (), events }
    }

    /// Takes back exactly this stop; gives whether there was one.
    pub fn resume(&mut self, now: Timestamp, scope: &StopScope) -> Step<bool> {
        let mut events = Vec::new();
        self.advance(now, &mut events);
        let was = self.stops.remove(scope);
        if was {
            events.push(EventBody::Resumed { scope: scope.clone() });
            self.set_switches();
        }
        Step { result: was, events }
    }

    /// The widest stop that reaches this worker.
    pub fn is_stopped(&self, worker: &WorkerId, department: &DepartmentId) -> Option<StopScope> {
        [StopScope::Company, StopScope::Department(department.clone()), StopScope::Worker(worker.clone())]
            .into_iter()
            .find(|scope| self.stops.contains(scope))
    }

    pub fn stops(&self) -> impl Iterator<Item = &StopScope> {
        self.stops.iter()
    }

    pub(super) fn set_switches(&mut self) {
        for (worker, department) in &self.workers {
            self.switch.set_stopped(worker, self.is_stopped(worker, department).is_some());
        }
    }

    fn reached(&self, scope: &StopScope) -> Vec<WorkerId> {
        let is_in = |worker: &WorkerId, department: &DepartmentId| match scope {
            StopScope::Company => true,
            StopScope::Department(stopped) => stopped == department,
            StopScope::Worker(stopped) => stopped == worker,
        };
        self.workers.iter().filter(|(worker, department)| is_in(worker, department)).map(|(worker, _)| worker.clone()).collect()
    }
}
