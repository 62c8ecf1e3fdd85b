//! Work orders on the floor: who takes which, and where each stands.

use std::time::Duration;

use mz_gate::Step;
use mz_protocol::{Actor, EventBody, OrderState, OrderView, ServiceId, VoidReason, WorkOrder, WorkOrderId, WorkerId};

use super::{Floor, FloorError, State};
use crate::clock;
use crate::workplace::Seat;

impl Floor {
    /// The next order of this worker that can be begun, taken; waits at most `patience`. Only orders whose
    /// dependencies are done are given out.
    pub fn next_order(&self, seat: &Seat, patience: Duration) -> Option<WorkOrder> {
        if self.may_act(seat) {
            let mut state = self.lock();
            if let Some(order) = ready_order(&state, &seat.worker) {
                let moved = EventBody::OrderMoved {
                    order: order.id.clone(),
                    worker: Some(seat.worker.clone()),
                    from: OrderState::Todo,
                    to: OrderState::InProgress,
                    reason: None,
                };
                if self.write(&mut state, Actor::Worker(seat.worker.clone()), vec![moved]).is_ok() {
                    state.live.insert(order.id.clone());
                    return Some(order);
                }
            }
        }
        self.wait_for_change(patience);
        None
    }

    /// Whether all of these services answer.
    pub fn are_running(&self, services: &[ServiceId]) -> bool {
        let state = self.lock();
        let known = state.views.snapshot.company.iter().flat_map(|company| &company.services);
        known.filter(|view| services.contains(&view.id)).all(|view| view.running)
    }

    /// Nobody is at this order any more.
    pub fn leave_order(&self, id: &WorkOrderId) {
        self.lock().live.remove(id);
    }

    /// Whether a worker is at this order now, perhaps waiting for help.
    pub fn is_live(&self, id: &WorkOrderId) -> bool {
        self.lock().live.contains(id)
    }

    pub fn order(&self, id: &WorkOrderId) -> Option<OrderView> {
        self.lock().views.order(id).cloned()
    }

    pub fn order_state(&self, id: &WorkOrderId) -> Option<OrderState> {
        self.lock().views.order(id).map(|view| view.state)
    }

    /// What a person has ended meanwhile stays ended.
    pub fn move_order(
        &self,
        id: &WorkOrderId,
        to: OrderState,
        worker: Option<&WorkerId>,
        reason: Option<String>,
    ) -> Result<(), FloorError> {
        let mut state = self.lock();
        let from = state.views.order(id).ok_or_else(|| FloorError::NoOrder(id.clone()))?.state;
        if from.is_final() {
            return Ok(());
        }
        let moved = EventBody::OrderMoved { order: id.clone(), worker: worker.cloned(), from, to, reason };
        self.write(&mut state, Actor::Engine, vec![moved])
    }

    /// A person may move an order from any state to any other.
    pub fn move_order_by(
        &self,
        by: Actor,
        id: &WorkOrderId,
        to: OrderState,
        worker: Option<&WorkerId>,
        reason: Option<String>,
    ) -> Result<(), FloorError> {
        let mut state = self.lock();
        let from = state.views.order(id).ok_or_else(|| FloorError::NoOrder(id.clone()))?.state;
        let moved = EventBody::OrderMoved { order: id.clone(), worker: worker.cloned(), from, to, reason };
        let mut events = vec![moved];
        if to.is_final() {
            events.extend(void_questions(&mut state, id));
        }
        self.settle(&mut state, by, Step { result: (), events })
    }

    /// The worker cannot go on by itself. Of an order that a person has ended meanwhile nobody is asked.
    pub fn ask_for_help(&self, worker: &WorkerId, id: &WorkOrderId, why: &str) -> Result<(), FloorError> {
        let mut state = self.lock();
        let from = state.views.order(id).ok_or_else(|| FloorError::NoOrder(id.clone()))?.state;
        if from.is_final() {
            return Ok(());
        }
        let asked = EventBody::HelpAsked { worker: worker.clone(), order: id.clone(), reason: why.to_owned() };
        let moved = EventBody::OrderMoved {
            order: id.clone(),
            worker: Some(worker.clone()),
            from,
            to: OrderState::NeedsHelp,
            reason: Some(why.to_owned()),
        };
        self.write(&mut state, Actor::Worker(worker.clone()), vec![moved, asked])
    }
}

/// Nobody is asked any more about an order that is over.
fn void_questions(state: &mut State, id: &WorkOrderId) -> Vec<EventBody> {
    let open = state.gate.open_approvals();
    let of_order = open.iter().filter(|(request, _)| request.proposal.order.as_ref() == Some(id));
    let ids: Vec<_> = of_order.map(|(request, _)| request.id.clone()).collect();
    ids.iter().flat_map(|question| state.gate.void(clock::now(), question, VoidReason::OrderEnded).events).collect()
}

fn ready_order(state: &State, worker: &WorkerId) -> Option<WorkOrder> {
    let orders = &state.views.snapshot.orders;
    let is_done = |id: &WorkOrderId| orders.iter().any(|view| view.order.id == *id && view.state == OrderState::Done);
    orders
        .iter()
        .filter(|view| view.state == OrderState::Todo && view.order.owner.as_ref() == Some(worker))
        .find(|view| view.order.depends_on.iter().all(is_done))
        .map(|view| view.order.clone())
}
