//! When there is nothing to show: no engine yet, no company.

use egui::Ui;

use crate::desk::Desk;
use crate::icons;
use crate::model::Line;
use crate::say;
use crate::tokens::{SMALL, Tokens};
use crate::widgets::{Press, code, empty};

pub fn no_engine(ui: &mut Ui, desk: &mut Desk) {
    let t = Tokens::of(ui);
    let place = desk.model.place();
    let (what, next) = match &desk.model.line {
        Line::Down { why, .. } => {
            ("No line to the engine", format!("{} This window tries again by itself.", say::sentence(why)))
        }
        Line::Looking => ("Looking for the engine", "The workers are where they were; this window only shows them.".to_owned()),
        Line::Up { .. } => ("The engine answers", "Waiting for the state of the floor.".to_owned()),
    };
    empty(ui, icons::PLUGS, what, &next, |ui| {
        ui.label(code(place, SMALL, t.dim));
        ui.add_space(8.0);
        if Press::new("Try now").show(ui).clicked() {
            desk.model.retry();
        }
    });
}

pub fn no_company(ui: &mut Ui) {
    let t = Tokens::of(ui);
    let next = "The engine runs, and no company is loaded. Give it a company folder, for instance one of the templates:";
    empty(ui, icons::FOLDER, "No company yet", next, |ui| {
        ui.label(code("mezzanine up --company <folder>", SMALL + 1.0, t.text));
    });
}
