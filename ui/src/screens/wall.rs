//! All workers at once, whoever needs a person first.

use egui::{
    Align2, CornerRadius, CursorIcon, Rect, Response, Role, ScrollArea, Sense, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2,
};
use mz_protocol::{Command, Size, StopScope, Timestamp, WorkerId, WorkerState, WorkerView};

use crate::app::{Desk, Screen};
use crate::icons;
use crate::model::Model;
use crate::say;
use crate::state::{StateLook, paint_mark};
use crate::tokens::{BODY, RADIUS_CARD, SMALL, Tokens, Weight, font};
use crate::widgets::desktop::{self, Placed};
use crate::widgets::{edge, empty, line_at, progress};

const HEAD: f32 = 38.0;
const FOOT: f32 = 46.0;
const GAP: f32 = 14.0;
/// Tiles do not grow beyond this, so that a small company does not look lost.
const WIDEST: f32 = 620.0;
/// Below this a tile cannot be read: then the wall scrolls.
const NARROWEST: f32 = 148.0;

/// The wall keeps its order while the pointer rests on it, so that nothing jumps away from a click.
#[derive(Default)]
pub struct Wall {
    order: Vec<WorkerId>,
    ranks: Vec<u8>,
}

impl Wall {
    pub fn show(&mut self, ui: &mut Ui, desk: &mut Desk) {
        let Some(snapshot) = desk.model.snapshot.clone() else { return };
        if snapshot.workers.is_empty() {
            let next = "The company folder lists no agents. Add one under agents/ and it appears here.";
            return empty(ui, icons::ROBOT, "Nobody works here yet", next, |_| {});
        }
        self.sort(ui, &snapshot.workers, desk.model);
        let room = ui.available_size();
        let (columns, tile) = grid(room, self.order.len());
        desk.model.watch(self.order.clone(), divisor(tile.x * ui.pixels_per_point()));
        let order = self.order.clone();
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing = Vec2::splat(GAP);
            for row in order.chunks(columns) {
                ui.horizontal(|ui| {
                    for id in row {
                        if let Some(worker) = snapshot.workers.iter().find(|w| w.id == *id) {
                            self::tile(ui, desk, worker, tile);
                        }
                    }
                });
            }
        });
    }

    /// Sorted by state; within one state by where they were. Held still while the pointer is over the tiles, but for
    /// someone who needs a person now.
    fn sort(&mut self, ui: &Ui, workers: &[WorkerView], model: &Model) {
        let t = Tokens::of(ui);
        let rank =
            |id: &WorkerId| workers.iter().find(|w| w.id == *id).map_or(9, |w| StateLook::of_worker(w, &model.me, t).rank);
        self.order.retain(|id| workers.iter().any(|w| w.id == *id));
        for worker in workers {
            if !self.order.contains(&worker.id) {
                self.order.push(worker.id.clone());
            }
        }
        let ranks: Vec<u8> = self.order.iter().map(&rank).collect();
        let pressing = ui.input(|i| i.pointer.any_down());
        let resting = ui.ctx().pointer_latest_pos().is_some_and(|at| ui.max_rect().contains(at));
        let first = self.ranks.len() != ranks.len();
        let urgent = self.ranks.iter().zip(&ranks).any(|(old, new)| old != new && *new == 0);
        if first || (!pressing && (!resting || urgent)) {
            let mut keyed: Vec<_> = self.order.drain(..).zip(ranks).collect();
            keyed.sort_by_key(|(_, rank)| *rank);
            (self.order, self.ranks) = keyed.into_iter().unzip();
        }
    }
}

/// Columns and tile size at which all fit, if they can.
fn grid(room: Vec2, count: usize) -> (usize, Vec2) {
    let size = |columns: usize| {
        let width = ((room.x - GAP * (columns - 1) as f32) / columns as f32).floor().min(WIDEST);
        vec2(width, HEAD + FOOT + (width * 0.625).floor())
    };
    for columns in 1..=16 {
        let tile = size(columns);
        let rows = count.div_ceil(columns);
        let height = rows as f32 * tile.y + GAP * (rows - 1) as f32;
        if height <= room.y && (columns >= 4.min(count) || tile.x >= WIDEST) {
            return (columns, tile);
        }
        if size(columns + 1).x < NARROWEST {
            return (columns, tile);
        }
    }
    (16, size(16))
}

/// How much smaller the pictures may come for a tile of this many pixels.
fn divisor(pixels: f32) -> u8 {
    if pixels > 760.0 {
        1
    } else if pixels > 330.0 {
        2
    } else {
        4
    }
}

fn tile(ui: &mut Ui, desk: &mut Desk, worker: &WorkerView, size: Vec2) {
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let t = Tokens::of(ui);
    let look = StateLook::of_worker(worker, &desk.model.me, t);
    let spoken = format!("{}, {}", worker.name, look.word);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &spoken));
    if ui.is_rect_visible(rect) {
        paint(ui, desk.model, worker, &look, rect, &response);
    }
    if response.double_clicked() {
        take_over(desk, worker);
        desk.go(Screen::Worker(worker.id.clone()));
    } else if response.clicked() {
        desk.go(match &worker.state {
            WorkerState::NeedsApproval { .. } => Screen::Approvals,
            _ => Screen::Worker(worker.id.clone()),
        });
    }
    menu(&response, desk, worker);
    response.on_hover_cursor(CursorIcon::PointingHand);
}

/// A worker that is already driven is not taken over again.
fn take_over(desk: &mut Desk, worker: &WorkerView) {
    if !matches!(worker.state, WorkerState::Driven { .. }) {
        desk.model.send(Command::TakeOver { worker: worker.id.clone() });
    }
}

fn menu(response: &Response, desk: &mut Desk, worker: &WorkerView) {
    let own = StopScope::Worker(worker.id.clone());
    let stopped = desk.model.is_stopped(&own) || matches!(worker.state, WorkerState::Stopped { .. });
    let department = desk.model.department_name(&worker.department);
    response.context_menu(|ui| {
        ui.set_min_width(200.0);
        if ui.button("Open").clicked() {
            desk.go(Screen::Worker(worker.id.clone()));
        }
        if ui.button("Take over").clicked() {
            take_over(desk, worker);
            desk.go(Screen::Worker(worker.id.clone()));
        }
        ui.separator();
        if stopped {
            if ui.button(format!("Let {} go on", worker.name)).clicked() {
                desk.model.send(Command::Resume { scope: own.clone() });
            }
        } else if ui.button(format!("Pause {}", worker.name)).clicked() {
            desk.model.send(Command::Stop { scope: own.clone() });
        }
        let scope = StopScope::Department(worker.department.clone());
        if desk.model.is_stopped(&scope) {
            if ui.button(format!("Let all of {department} go on")).clicked() {
                desk.model.send(Command::Resume { scope });
            }
        } else if ui.button(format!("Stop all of {department}")).clicked() {
            desk.model.send(Command::Stop { scope });
        }
    });
}

fn paint(ui: &Ui, model: &Model, worker: &WorkerView, look: &StateLook, rect: Rect, response: &Response) {
    let t = Tokens::of(ui);
    let painter = ui.painter().with_clip_rect(rect.expand(2.0).intersect(ui.clip_rect()));
    // Head and foot apart: what lies under the picture is not painted.
    let (r, room) = (RADIUS_CARD, Rect::from_min_max(rect.min + vec2(1.0, HEAD), rect.max - vec2(1.0, FOOT)));
    let head = Rect::from_min_max(rect.min, pos2(rect.right(), room.top()));
    let foot = Rect::from_min_max(pos2(rect.left(), room.bottom()), rect.max);
    painter.rect_filled(head, CornerRadius { nw: r, ne: r, ..CornerRadius::ZERO }, t.panel);
    painter.rect_filled(foot, CornerRadius { sw: r, se: r, ..CornerRadius::ZERO }, t.panel);
    paint_head(&painter, model, worker, look, rect, t);
    paint_picture(&painter, model, worker, room, t);
    paint_foot(&painter, model, worker, rect, t);
    let stroke = match look.rank {
        0 => Stroke::new(2.0, t.need),
        1 => Stroke::new(2.0, t.human),
        2 => Stroke::new(2.0, t.fail),
        _ if response.hovered() || response.has_focus() => Stroke::new(1.0, t.faint),
        _ => t.hairline(),
    };
    edge(&painter, rect, stroke);
}

fn paint_head(painter: &egui::Painter, model: &Model, worker: &WorkerView, look: &StateLook, rect: Rect, t: &Tokens) {
    let middle = rect.top() + HEAD / 2.0;
    let mut words = look.word.clone();
    if let WorkerState::NeedsApproval { expires, .. } = &worker.state {
        words = format!("{words} · {}", say::countdown(expires.since(model.now())));
    }
    let room = rect.width() - 24.0;
    let small = room < 230.0;
    let state = font(SMALL + if small { 0.0 } else { 1.0 }, Weight::Strong);
    let shown =
        line_at(painter, pos2(rect.right() - 12.0, middle), Align2::RIGHT_CENTER, &words, state, look.color, room * 0.6);
    paint_mark(painter, pos2(shown.left() - 9.0, middle), look.mark, look.color);
    let left = shown.left() - 22.0 - (rect.left() + 12.0);
    let name = pos2(rect.left() + 12.0, middle);
    let name = line_at(painter, name, Align2::LEFT_CENTER, &worker.name, font(BODY + 1.0, Weight::Strong), t.text, left);
    let rest = left - name.width() - 10.0;
    if rest > 40.0 {
        let department = model.department_name(&worker.department);
        let at = pos2(name.right() + 8.0, middle);
        line_at(painter, at, Align2::LEFT_CENTER, &department, font(SMALL, Weight::Regular), t.dim, rest);
    }
}

fn paint_picture(painter: &egui::Painter, model: &Model, worker: &WorkerView, room: Rect, t: &Tokens) {
    let painter = painter.with_clip_rect(room.intersect(painter.clip_rect()));
    let now = model.now();
    let Some(picture) = model.pictures.get(&worker.id) else {
        painter.rect_filled(room, 0, t.well);
        let words = match &worker.state {
            WorkerState::Starting => "Desktop is starting…",
            WorkerState::Failed { .. } => "No desktop",
            WorkerState::Stopped { .. } | WorkerState::Idle => "No picture yet",
            _ => "Waiting for the picture…",
        };
        line_at(&painter, room.center(), Align2::CENTER_CENTER, words, font(SMALL, Weight::Regular), t.dim, room.width());
        return;
    };
    let placed = Placed::fit(room, Size::DESKTOP);
    if !model.is_up() {
        painter.rect_filled(room, 0, t.well);
    }
    desktop::paint(&painter, placed, picture, 0, !model.is_up());
    if model.is_up() {
        desktop::paint_last_action(&painter, placed, worker, now, t);
    }
    paint_age(&painter, model.is_up(), worker, picture.captured(), now, room, t);
}

fn paint_age(
    painter: &egui::Painter,
    up: bool,
    worker: &WorkerView,
    captured: Timestamp,
    now: Timestamp,
    room: Rect,
    t: &Tokens,
) {
    if !up || desktop::is_stalled(worker, captured, now) {
        let words = format!("picture is {} old", say::span(now.since(captured)));
        let width = room.width() - 16.0;
        desktop::chip(painter, room.left_top() + vec2(8.0, 30.0), None, &words, width, t);
    }
}

fn paint_foot(painter: &egui::Painter, model: &Model, worker: &WorkerView, rect: Rect, t: &Tokens) {
    let left = rect.left() + 12.0;
    let width = rect.width() - 24.0;
    let middle = rect.bottom() - FOOT + 18.0;
    let target = worker.last_target.as_ref().map(|(_, name)| name.as_str());
    let last = worker.last_action.as_ref().map_or_else(String::new, |action| say::last_action(action, target));
    let mut room = width;
    if width > 240.0 && !last.is_empty() {
        let at = pos2(rect.right() - 12.0, middle);
        let shown = line_at(painter, at, Align2::RIGHT_CENTER, &last, font(SMALL, Weight::Regular), t.dim, width * 0.36);
        room -= shown.width() + 12.0;
    }
    let step = step_words(model, worker);
    let idle = worker.order.is_none() && !matches!(worker.state, WorkerState::Failed { .. });
    let color = if idle { t.dim } else { t.text };
    line_at(painter, pos2(left, middle), Align2::LEFT_CENTER, &step, font(SMALL + 1.0, Weight::Regular), color, room);
    let bar = Rect::from_min_size(pos2(left, rect.bottom() - 12.0), vec2(width, 3.0));
    progress(painter, bar, if worker.order.is_some() { worker.progress_permille } else { 0 }, t, t.dim);
}

fn step_words(model: &Model, worker: &WorkerView) -> String {
    match &worker.state {
        WorkerState::Failed { why } => return say::visible(why),
        WorkerState::NeedsHelp { reason, .. } => return say::visible(reason),
        _ => {}
    }
    let title = worker.order.as_ref().and_then(|order| model.order_title(order));
    match (&worker.step, title) {
        (Some(step), _) => say::visible(&step.text),
        (None, Some(title)) => title,
        (None, None) => "No work order".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_sixty_four_tiles_fit_a_large_screen() {
        for count in [1, 2, 8, 16, 40, 64] {
            let room = vec2(2496.0, 1328.0);
            let (columns, tile) = grid(room, count);
            let rows = count.div_ceil(columns) as f32;
            assert!(rows * (tile.y + GAP) - GAP <= room.y, "{count} tiles in {columns} columns of {tile:?}");
            assert!(columns as f32 * (tile.x + GAP) - GAP <= room.x);
        }
    }
}
