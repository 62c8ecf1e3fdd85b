//! What can be done with one worker: on the wall by a right click, on its own screen behind a button.

use egui::Ui;
use mz_protocol::{Command, StopScope, WorkerState, WorkerView};

use crate::desk::{Desk, Screen};

/// Whether a person may take this worker's desktop now.
pub fn is_free(worker: &WorkerView) -> bool {
    !matches!(worker.state, WorkerState::Driven { .. } | WorkerState::Failed { .. } | WorkerState::Starting)
}

/// A worker that is already driven is not taken over again.
pub fn take_over(desk: &mut Desk, worker: &WorkerView) {
    if is_free(worker) {
        desk.model.send(Command::TakeOver { worker: worker.id.clone() });
    }
}

pub fn show(ui: &mut Ui, desk: &mut Desk, worker: &WorkerView) {
    ui.set_min_width(220.0);
    if desk.screen() != &Screen::Worker(worker.id.clone()) {
        if ui.button("Open").clicked() {
            desk.go(Screen::Worker(worker.id.clone()));
        }
        if ui.add_enabled(is_free(worker), egui::Button::new("Take over")).clicked() {
            take_over(desk, worker);
            desk.go(Screen::Worker(worker.id.clone()));
        }
    }
    if worker.order.is_some() && ui.button("Show the work order").clicked() {
        desk.open_order(worker.order.clone());
    }
    ui.separator();
    stops(ui, desk, worker);
}

/// Pause or go on: this worker alone, and its department.
fn stops(ui: &mut Ui, desk: &mut Desk, worker: &WorkerView) {
    let department = desk.model.department_name(&worker.department);
    let own = StopScope::Worker(worker.id.clone());
    let all = StopScope::Department(worker.department.clone());
    let pairs = [
        (own, format!("Pause {}", worker.name), format!("Let {} go on", worker.name)),
        (all, format!("Stop all of {department}"), format!("Let all of {department} go on")),
    ];
    for (scope, stop, go_on) in pairs {
        if desk.model.is_stopped(&scope) {
            if ui.button(go_on).clicked() {
                desk.model.send(Command::Resume { scope });
            }
        } else if ui.button(stop).clicked() {
            desk.model.send(Command::Stop { scope });
        }
    }
}
