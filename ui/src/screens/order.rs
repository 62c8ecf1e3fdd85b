//! One work order: what it is, whether its outcome was checked, what was remarked, and how it came about.

use egui::{Align2, Label, ScrollArea, Sense, Ui, pos2, vec2};
use mz_protocol::{Command, OrderState, OrderView, OutcomeReport};

use crate::desk::{Desk, Screen};
use crate::icons;
use crate::model::{EventsOf, is_open};
use crate::say;
use crate::screens::story;
use crate::state::{Mark, StateLook, paint_mark};
use crate::tokens::{BODY, SMALL, Tokens, Weight, font, mono};
use crate::widgets::{Press, Tone, code, fact_text, heading, icon, line_at, plain, state_tag, strong};

/// What the person wants done with the order beside what is done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Close,
    Cancel,
}

pub fn show(ui: &mut Ui, desk: &mut Desk, view: &OrderView) -> Option<Wish> {
    let t = Tokens::of(ui);
    desk.model.load_events(&EventsOf::Order(view.order.id.clone()));
    let mut wish = None;
    let state = desk.model.order_state(view);
    ui.horizontal(|ui| {
        ui.label(code(view.order.id.to_string(), SMALL, t.dim));
        state_tag(ui, &StateLook::of_order(state, t));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if Press::new("").label("Close the work order").icon(icons::X).size(32.0, 30.0).show(ui).clicked() {
                wish = Some(Wish::Close);
            }
        });
    });
    ScrollArea::vertical().id_salt("order").auto_shrink(false).show(ui, |ui| {
        ui.add(Label::new(strong(&view.order.title, 18.0, t.text)).wrap());
        if let Some(reason) = &view.reason {
            let color = if view.state == OrderState::Failed { t.fail } else { t.need };
            ui.add(Label::new(plain(say::sentence(&say::visible(reason)), BODY, color)).wrap());
        }
        if actions(ui, desk, view) {
            wish = Some(Wish::Cancel);
        }
        facts(ui, desk, view);
        check(ui, view.outcome.as_ref(), &view.order.check);
        remarks(ui, &view.remarks);
        history(ui, desk, view);
    });
    wish
}

/// True when the person wants to cancel it, which asks for a reason first.
fn actions(ui: &mut Ui, desk: &mut Desk, view: &OrderView) -> bool {
    let mut cancel = false;
    if !is_open(view.state) {
        ui.add_space(8.0);
        return cancel;
    }
    ui.add_space(4.0);
    ui.horizontal_wrapped(|ui| {
        if desk.model.order_state(view) == OrderState::NeedsApproval
            && Press::new("Answer…").label("Answer the question").show(ui).clicked()
        {
            desk.go(Screen::Approvals);
        }
        if let Some(owner) = view.order.owner.clone()
            && Press::new("Watch the worker").icon(icons::DESKTOP).show(ui).clicked()
        {
            desk.go(Screen::Worker(owner));
        }
        if view.state == OrderState::NeedsHelp && Press::new("Try again").tone(Tone::Go).show(ui).clicked() {
            desk.model.send(Command::Retry { order: view.order.id.clone() });
        }
        cancel = Press::new("Cancel…").label("Cancel the work order").tone(Tone::Danger).show(ui).clicked();
    });
    ui.add_space(4.0);
    cancel
}

fn facts(ui: &mut Ui, desk: &Desk, view: &OrderView) {
    let model = &desk.model;
    fact_text(ui, "Owner", &view.order.owner.as_ref().map_or("Nobody yet".to_owned(), |id| model.worker_name(id)));
    fact_text(ui, "Department", &model.department_name(&view.order.department));
    fact_text(ui, "Procedure", view.order.procedure.as_str());
    if let Some(started) = view.started {
        let until = view.ended.unwrap_or_else(|| model.now());
        fact_text(ui, "Started", &format!("{} · took {}", model.clock.minutes(started), say::span(until.since(started))));
    }
    if let Some(due) = view.order.due {
        fact_text(ui, "Due", &model.clock.minutes(due));
    }
    for (name, value) in &view.order.inputs {
        fact_text(ui, &say::capital(&say::visible(name)), &say::visible(value));
    }
    if !view.order.files.is_empty() {
        fact_text(ui, "Files", &view.order.files.join("\n"));
    }
}

fn check(ui: &mut Ui, outcome: Option<&OutcomeReport>, name: &str) {
    let t = Tokens::of(ui);
    ui.add_space(10.0);
    heading(ui, "Outcome check");
    let Some(report) = outcome else {
        ui.label(plain(format!("“{name}” runs when the work is handed in."), BODY, t.dim));
        return;
    };
    let color = if report.passed() { t.done } else { t.fail };
    let verdict = if report.passed() { "passed" } else { "not passed" };
    ui.label(strong(format!("{} of {} points, {verdict}", report.earned(), report.possible()), BODY, color));
    for point in &report.checkpoints {
        ui.horizontal_top(|ui| {
            let (place, _) = ui.allocate_exact_size(vec2(16.0, 18.0), Sense::hover());
            let (mark, color) = if point.passed { (Mark::Check, t.done) } else { (Mark::Cross, t.fail) };
            paint_mark(ui.painter(), place.center(), mark, color);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 2.0;
                ui.add(
                    Label::new(plain(format!("{} · {}", say::visible(&point.name), points(point.points)), BODY, t.text)).wrap(),
                );
                if !point.detail.is_empty() {
                    ui.add(Label::new(plain(say::visible(&point.detail), SMALL, t.dim)).wrap());
                }
            });
        });
    }
}

fn points(count: u32) -> String {
    if count == 1 { "1 point".to_owned() } else { format!("{count} points") }
}

fn remarks(ui: &mut Ui, remarks: &[String]) {
    let t = Tokens::of(ui);
    if remarks.is_empty() {
        return;
    }
    ui.add_space(10.0);
    heading(ui, "Remarks of the worker");
    for remark in remarks {
        ui.horizontal_top(|ui| {
            ui.label(icon(icons::FLAG, BODY, t.need));
            ui.add(Label::new(plain(say::visible(remark), BODY, t.text)).wrap());
        });
    }
}

fn history(ui: &mut Ui, desk: &Desk, view: &OrderView) {
    let t = Tokens::of(ui);
    ui.add_space(10.0);
    heading(ui, "History");
    let of = EventsOf::Order(view.order.id.clone());
    let rows: Vec<_> = desk.model.events(&of).into_iter().flatten().filter_map(|e| story::row(e, t)).collect();
    if rows.is_empty() {
        ui.label(plain("Nothing yet.", BODY, t.dim));
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    for row in &rows[rows.len().saturating_sub(200)..] {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 26.0), Sense::hover());
        let middle = rect.center().y;
        let small = || font(SMALL + 1.0, Weight::Regular);
        line_at(
            ui.painter(),
            pos2(rect.left(), middle),
            Align2::LEFT_CENTER,
            &desk.model.clock.seconds(row.at),
            mono(SMALL),
            t.dim,
            70.0,
        );
        line_at(ui.painter(), pos2(rect.left() + 72.0, middle), Align2::LEFT_CENTER, row.verb, small(), row.color, 62.0);
        let room = rect.width() - 138.0;
        line_at(ui.painter(), pos2(rect.left() + 138.0, middle), Align2::LEFT_CENTER, &row.words, small(), t.text, room);
        let spoken = format!("{} {} {}", desk.model.clock.seconds(row.at), row.verb, row.words);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ListItem, true, &spoken));
        response.on_hover_text(&row.whole);
    }
}
