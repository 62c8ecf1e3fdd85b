//! `/`: any worker or work order by a few letters.

use egui::{Align2, Context, Key, Modifiers, Role, Sense, WidgetInfo, vec2};
use mz_protocol::{WorkOrderId, WorkerId};

use crate::app::App;
use crate::desk::Screen;
use crate::tokens::{BODY, SMALL, Tokens, Weight, font};
use crate::widgets::{dialog, field, line_at, plain};

const MOST: usize = 9;

#[derive(Debug, Default)]
pub(super) struct Finder {
    text: String,
    chosen: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Place {
    Worker(WorkerId),
    Order(WorkOrderId),
}

struct Found {
    place: Place,
    name: String,
    detail: String,
}

impl App {
    pub(super) fn show_finder(&mut self, ctx: &Context, go: &mut Option<Screen>) {
        let Some(mut finder) = self.finder.take() else { return };
        let found = self.search(&finder.text);
        finder.chosen = finder.chosen.min(found.len().saturating_sub(1));
        ctx.input_mut(|i| {
            if i.consume_key(Modifiers::NONE, Key::ArrowDown) && finder.chosen + 1 < found.len() {
                finder.chosen += 1;
            }
            if i.consume_key(Modifiers::NONE, Key::ArrowUp) {
                finder.chosen = finder.chosen.saturating_sub(1);
            }
        });
        let enter = ctx.input(|i| i.key_pressed(Key::Enter));
        let (clicked, close) = dialog(ctx, "find", 520.0, |ui| {
            let edit = field(ui, "Find a worker or a work order", "Name, number or title", &mut finder.text, 1);
            edit.request_focus();
            ui.add_space(4.0);
            rows(ui, &found, finder.chosen)
        });
        let place = clicked.or(if enter { Some(finder.chosen) } else { None }).and_then(|index| found.get(index));
        match place.map(|found| found.place.clone()) {
            Some(Place::Worker(worker)) => *go = Some(Screen::Worker(worker)),
            Some(Place::Order(order)) => {
                self.work.open(order);
                *go = Some(Screen::Work);
            }
            None if close => {}
            None => self.finder = Some(finder),
        }
    }

    fn search(&self, text: &str) -> Vec<Found> {
        let Some(snapshot) = &self.model.snapshot else { return Vec::new() };
        let wanted = text.trim().to_lowercase();
        let fits = |parts: &[&str]| wanted.is_empty() || parts.iter().any(|part| part.to_lowercase().contains(&wanted));
        let workers = snapshot.workers.iter().filter_map(|w| {
            let department = self.model.department_name(&w.department);
            let found = fits(&[&w.name, w.id.as_str(), &department, &w.role]);
            found.then(|| Found {
                place: Place::Worker(w.id.clone()),
                name: w.name.clone(),
                detail: format!("{department} · {}", w.role),
            })
        });
        let orders = snapshot.orders.iter().filter(|o| fits(&[o.order.id.as_str(), &o.order.title]));
        let orders = orders.map(|o| Found {
            place: Place::Order(o.order.id.clone()),
            name: o.order.title.clone(),
            detail: o.order.id.to_string(),
        });
        workers.chain(orders).take(MOST).collect()
    }
}

fn rows(ui: &mut egui::Ui, found: &[Found], chosen: usize) -> Option<usize> {
    let t = Tokens::of(ui);
    let mut clicked = None;
    if found.is_empty() {
        ui.label(plain("Nobody and nothing of that name.", BODY, t.dim));
    }
    ui.spacing_mut().item_spacing.y = 2.0;
    for (index, item) in found.iter().enumerate() {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 34.0), Sense::click());
        let spoken = format!("{}, {}", item.name, item.detail);
        response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, index == chosen, &spoken));
        if index == chosen || response.hovered() {
            ui.painter().rect_filled(rect, 8, t.raised);
        }
        let left = rect.left_center() + vec2(12.0, 0.0);
        line_at(ui.painter(), left, Align2::LEFT_CENTER, &item.name, font(BODY, Weight::Strong), t.text, rect.width() * 0.6);
        let right = rect.right_center() - vec2(12.0, 0.0);
        line_at(
            ui.painter(),
            right,
            Align2::RIGHT_CENTER,
            &item.detail,
            font(SMALL, Weight::Regular),
            t.dim,
            rect.width() * 0.34,
        );
        if response.clicked() {
            clicked = Some(index);
        }
    }
    clicked
}
