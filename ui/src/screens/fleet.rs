//! Where the work runs: this machine, what its sandbox promises, and the services of the company.

use egui::{Align2, Rect, Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};
use mz_protocol::{CompanyView, LimitView};

use crate::desk::Desk;
use crate::icons;
use crate::say;
use crate::state::{Counts, Mark, paint_mark};
use crate::tokens::{BODY, SMALL, Tokens, Weight, font};
use crate::widgets::{card_in, fact_text, heading, icon, line_at, plain, strong, title};

pub fn show(ui: &mut Ui, desk: &mut Desk) {
    let Some(snapshot) = desk.model.snapshot.clone() else { return };
    let Some(company) = &snapshot.company else { return };
    title(ui, "Fleet");
    ui.add_space(8.0);
    let room = ui.available_rect_before_wrap();
    let gap = 16.0;
    let width = ((room.width() - gap) / 2.0).floor();
    let left = Rect::from_min_size(room.min, vec2(width, room.height()));
    let right = Rect::from_min_max(pos2(left.right() + gap, room.top()), room.max);
    card_in(ui, left, "machine", |ui| {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| machine(ui, company, Counts::of(&snapshot)));
    });
    let more = Rect::from_min_max(pos2(right.left(), right.bottom() - 100.0), right.max);
    let upper = Rect::from_min_max(right.min, pos2(right.right(), more.top() - gap));
    card_in(ui, upper, "services", |ui| services(ui, company));
    card_in(ui, more, "later", later);
}

fn machine(ui: &mut Ui, company: &CompanyView, counts: Counts) {
    let t = Tokens::of(ui);
    ui.spacing_mut().interact_size.y = 18.0;
    ui.horizontal(|ui| {
        ui.label(icon(icons::DESKTOP, 22.0, t.dim));
        ui.label(strong("This machine", 16.0, t.text));
    });
    ui.add_space(4.0);
    let desktops = counts.working + counts.need + counts.driven + counts.idle + counts.stopped + counts.failed;
    fact_text(ui, "Desktops", &format!("{desktops}, of which {} at work", counts.working));
    fact_text(ui, "Runtime", runtime(&company.runtime));
    if let Some(trouble) = &company.trouble {
        ui.add(egui::Label::new(plain(trouble, BODY, t.fail)).wrap());
    }
    ui.add_space(12.0);
    heading(ui, "What the sandbox promises, and whether this machine keeps it");
    ui.add_space(2.0);
    if company.limits.is_empty() {
        ui.add(egui::Label::new(plain("The runtime has not said what it enforces. Take it as: nothing.", BODY, t.need)).wrap());
    }
    for limit in &company.limits {
        promise(ui, limit);
    }
}

/// The runtime's name with what it means.
fn runtime(name: &str) -> &str {
    match name {
        "process" => "process · a sandbox of Linux namespaces for each desktop",
        "vm" => "vm · a virtual machine for each desktop",
        other => other,
    }
}

fn promise(ui: &mut Ui, limit: &LimitView) {
    let t = Tokens::of(ui);
    let row = ui.horizontal_top(|ui| {
        let (place, _) = ui.allocate_exact_size(vec2(18.0, 18.0), Sense::hover());
        let (mark, color, word) =
            if limit.enforced { (Mark::Check, t.done, "kept") } else { (Mark::Cross, t.fail, "not kept") };
        paint_mark(ui.painter(), place.center(), mark, color);
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.horizontal_wrapped(|ui| {
                ui.label(plain(&limit.what, BODY, t.text));
                ui.label(strong(word, SMALL, color));
            });
            ui.add(egui::Label::new(plain(&limit.how, SMALL + 1.0, t.dim)).wrap());
        });
        word
    });
    let spoken = format!("{}: {}", limit.what, row.inner);
    row.response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, &spoken));
    ui.add_space(4.0);
}

fn services(ui: &mut Ui, company: &CompanyView) {
    let t = Tokens::of(ui);
    heading(ui, "Services of the company");
    if company.services.is_empty() {
        ui.label(plain("None. Services are listed in the company folder under services/.", BODY, t.dim));
    }
    ScrollArea::vertical().id_salt("services").auto_shrink(false).show(ui, |ui| {
        for service in &company.services {
            let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 40.0), Sense::hover());
            let (mark, color, word) =
                if service.running { (Mark::Dot, t.done, "running") } else { (Mark::Cross, t.fail, "not running") };
            let spoken = format!("{}: {word}, {}", service.id, service.detail);
            response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, &spoken));
            let middle = rect.center().y;
            paint_mark(ui.painter(), pos2(rect.left() + 8.0, middle), mark, color);
            let name = pos2(rect.left() + 22.0, middle);
            line_at(ui.painter(), name, Align2::LEFT_CENTER, service.id.as_str(), font(BODY, Weight::Strong), t.text, 160.0);
            let at = pos2(rect.left() + 190.0, middle);
            line_at(ui.painter(), at, Align2::LEFT_CENTER, word, font(BODY, Weight::Regular), color, 90.0);
            let at = pos2(rect.left() + 284.0, middle);
            let detail = say::visible(&service.detail);
            line_at(
                ui.painter(),
                at,
                Align2::LEFT_CENTER,
                &detail,
                font(SMALL + 1.0, Weight::Regular),
                t.dim,
                rect.right() - at.x,
            );
            ui.painter().hline(rect.x_range(), rect.bottom(), t.hairline());
        }
    });
}

fn later(ui: &mut Ui) {
    let t = Tokens::of(ui);
    ui.label(strong("More machines", BODY, t.text));
    let words = "All desktops run on this machine. This version does not spread them over several.";
    ui.add(egui::Label::new(plain(words, BODY, t.dim)).wrap());
}
