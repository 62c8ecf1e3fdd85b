//! All workers at once, whoever needs a person first.

use egui::{
    Align2, CornerRadius, CursorIcon, Rect, Response, Role, ScrollArea, Sense, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2,
};
use mz_protocol::{Effect, Timestamp, WorkerId, WorkerState, WorkerView};

use crate::desk::{Desk, Screen};
use crate::icons;
use crate::model::Model;
use crate::say;
use crate::screens::menu;
use crate::state::{StateLook, paint_mark};
use crate::tokens::{BODY, RADIUS_CARD, SMALL, Tokens, Weight, font};
use crate::widgets::desktop::{self, Placed};
use crate::widgets::{edge, empty, focus_ring, line_at, progress};

const HEAD: f32 = 38.0;
const FOOT: f32 = 66.0;
const LOW_FOOT: f32 = 44.0;
/// From this width on the foot has its second line.
const TWO_LINES: f32 = 230.0;
const GAP: f32 = 14.0;
/// Height of a picture by its width.
const SHAPE: f32 = 0.625;
/// A tile is not drawn larger than the desktop itself.
const WIDEST: f32 = 1280.0;
/// Below this a tile cannot be read: then the wall scrolls.
const NARROWEST: f32 = 148.0;

/// The wall keeps its order while the pointer rests on it, so that nothing jumps away from a click.
#[derive(Default)]
pub struct Wall {
    order: Vec<WorkerId>,
    ranks: Vec<u8>,
    /// Whose tile was clicked last, in window time: a second click comes when another screen is there already.
    clicked: Option<(WorkerId, f64)>,
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
        let block = columns as f32 * (tile.x + GAP) - GAP;
        let mut clicked = None;
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing = Vec2::splat(GAP);
            for row in order.chunks(columns) {
                ui.horizontal(|ui| {
                    ui.add_space(((room.x - block) / 2.0).floor().max(0.0));
                    ui.spacing_mut().item_spacing.x = GAP;
                    for id in row {
                        if let Some(worker) = snapshot.workers.iter().find(|w| w.id == *id)
                            && self::tile(ui, desk, worker, tile)
                        {
                            clicked = Some((id.clone(), ui.input(|i| i.time)));
                        }
                    }
                });
            }
        });
        self.clicked = clicked.or(self.clicked.take());
    }

    /// The worker whose tile has just got its second click.
    pub fn doubled(&mut self, ctx: &egui::Context) -> Option<WorkerId> {
        let (twice, now) = ctx.input(|i| (i.pointer.button_double_clicked(egui::PointerButton::Primary), i.time));
        self.clicked.take_if(|(_, at)| twice || now - *at > 1.0).filter(|_| twice).map(|(worker, _)| worker)
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

/// Columns and tile size at which all fit with the largest pictures; where they would be too small, the wall scrolls.
fn grid(room: Vec2, count: usize) -> (usize, Vec2) {
    let wide = |columns: usize| ((room.x - GAP * (columns - 1) as f32) / columns as f32).floor().min(WIDEST);
    let high = |columns: usize| {
        let rows = count.div_ceil(columns) as f32;
        let free = (room.y - GAP * (rows - 1.0)) / rows;
        [LOW_FOOT, FOOT].map(|foot| ((free - HEAD - foot) / SHAPE).floor()).map(|width| (width, foot_of(width)))
    };
    let mut best = (1, 0.0_f32);
    for columns in 1..=count.clamp(1, 16) {
        // The foot depends on the width: whichever of the two agrees with itself.
        let fitting = high(columns).into_iter().zip([LOW_FOOT, FOOT]);
        let fits = fitting.filter(|((_, foot), taken)| foot <= taken).map(|((width, _), _)| width.min(wide(columns)));
        let width = fits.fold(0.0, f32::max);
        if width > best.1 {
            best = (columns, width);
        }
    }
    if best.1 < NARROWEST {
        let columns = (1..=16).rev().find(|columns| wide(*columns) >= NARROWEST).unwrap_or(1);
        best = (columns, wide(columns));
    }
    let (columns, width) = best;
    (columns, vec2(width, HEAD + foot_of(width) + (width * SHAPE).floor()))
}

/// A narrow tile has room for one line under its picture, a wider one for two.
fn foot_of(width: f32) -> f32 {
    if width < TWO_LINES { LOW_FOOT } else { FOOT }
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

/// True when it was clicked once.
fn tile(ui: &mut Ui, desk: &mut Desk, worker: &WorkerView, size: Vec2) -> bool {
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let t = Tokens::of(ui);
    let look = StateLook::of_worker(worker, &desk.model.me, t);
    let spoken = format!("{}, {}", worker.name, look.word);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &spoken));
    response.ctx.accesskit_node_builder(response.id, |node| {
        node.set_description(format!("{}. {}", step_words(desk.model, worker), aside(desk.model, worker, t).0));
    });
    if ui.is_rect_visible(rect) {
        paint(ui, desk.model, worker, &look, rect, &response);
    }
    let once = response.clicked() && !response.double_clicked();
    if once {
        desk.go(match &worker.state {
            WorkerState::NeedsApproval { .. } => Screen::Approvals,
            _ => Screen::Worker(worker.id.clone()),
        });
    } else if response.double_clicked() {
        menu::take_over(desk, worker);
        desk.go(Screen::Worker(worker.id.clone()));
    }
    response.context_menu(|ui| menu::show(ui, desk, worker));
    response.on_hover_cursor(CursorIcon::PointingHand);
    once
}

fn paint(ui: &Ui, model: &Model, worker: &WorkerView, look: &StateLook, rect: Rect, response: &Response) {
    let t = Tokens::of(ui);
    let painter = ui.painter().with_clip_rect(rect.expand(2.0).intersect(ui.clip_rect()));
    // Head and foot apart: what lies under the picture is not painted.
    let low = foot_of(rect.width());
    let (r, room) = (RADIUS_CARD, Rect::from_min_max(rect.min + vec2(1.0, HEAD), rect.max - vec2(1.0, low)));
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
        _ if response.hovered() => Stroke::new(1.0, t.faint),
        _ => t.hairline(),
    };
    edge(&painter, rect, stroke);
    if response.has_focus() {
        focus_ring(&ui.painter().with_clip_rect(ui.clip_rect().expand(6.0)), rect, RADIUS_CARD, t);
    }
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
    let placed = Placed::fit(room, picture.desktop);
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

/// The step, and how far it is; below, where there is room, the work order and the last action or the risk.
fn paint_foot(painter: &egui::Painter, model: &Model, worker: &WorkerView, rect: Rect, t: &Tokens) {
    let (left, right, width) = (rect.left() + 12.0, rect.right() - 12.0, rect.width() - 24.0);
    let foot = foot_of(rect.width());
    let first = rect.bottom() - foot + 17.0;
    let small = || font(SMALL, Weight::Regular);
    let working = worker.order.is_some();
    let step = step_words(model, worker);
    let color = if working || matches!(worker.state, WorkerState::Failed { .. }) { t.text } else { t.dim };
    let mut room = width;
    if let (Some(place), true) = (worker.step.as_ref().filter(|_| working).map(say::place), width >= TWO_LINES) {
        let shown = line_at(painter, pos2(right, first), Align2::RIGHT_CENTER, &place, small(), t.dim, width * 0.45);
        room -= shown.width() + 12.0;
    }
    line_at(painter, pos2(left, first), Align2::LEFT_CENTER, &step, font(SMALL + 1.0, Weight::Regular), color, room);
    if foot > LOW_FOOT {
        let second = first + 21.0;
        let (words, color) = aside(model, worker, t);
        let shown = line_at(painter, pos2(right, second), Align2::RIGHT_CENTER, &words, small(), color, width * 0.5);
        let title = worker.order.as_ref().and_then(|order| model.order_title(order)).unwrap_or_default();
        let room = width - shown.width() - 12.0;
        line_at(painter, pos2(left, second), Align2::LEFT_CENTER, &title, small(), t.dim, room);
    }
    let bar = Rect::from_min_size(pos2(left, rect.bottom() - 12.0), vec2(width, 3.0));
    progress(painter, bar, if working { worker.progress_permille } else { 0 }, t, t.dim);
}

/// What an open question risks, else the last action.
fn aside(model: &Model, worker: &WorkerView, t: &Tokens) -> (String, egui::Color32) {
    if let Some(view) = model.question_of(worker) {
        return match view.request.proposal.effect {
            Effect::Irreversible => ("Cannot be undone".to_owned(), t.fail),
            Effect::External => ("Seen outside".to_owned(), t.need),
            Effect::None => (format!("{} risk", say::risk(view.request.proposal.risk)), t.need),
        };
    }
    let target = worker.last_target.as_ref().map(|(_, name)| name.as_str());
    let last = worker.last_action.as_ref().filter(|_| worker.order.is_some());
    (last.map_or_else(String::new, |action| say::last_action(action, target)), t.dim)
}

fn step_words(model: &Model, worker: &WorkerView) -> String {
    match &worker.state {
        WorkerState::Failed { why } => return say::visible(why),
        WorkerState::NeedsHelp { reason, .. } => return say::visible(reason),
        _ => {}
    }
    let title = worker.order.as_ref().and_then(|order| model.order_title(order));
    match (&worker.step, title) {
        (Some(step), Some(_)) => say::step(&step.text),
        (_, Some(title)) => title,
        (_, None) => "No work order".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_sixty_four_tiles_fit_a_large_screen_and_sixteen_a_small_one() {
        let large = vec2(2456.0, 1348.0);
        let small = vec2(1176.0, 708.0);
        let all = [1, 2, 3, 4, 8, 16, 40, 64].map(|count| (large, count)).into_iter();
        for (room, count) in all.chain([1, 2, 4, 8, 12, 16].map(|count| (small, count))) {
            let (columns, tile) = grid(room, count);
            let rows = count.div_ceil(columns) as f32;
            assert!(rows * (tile.y + GAP) - GAP <= room.y, "{count} tiles in {columns} columns of {tile:?}");
            assert!(columns as f32 * (tile.x + GAP) - GAP <= room.x);
            assert!(tile.x >= NARROWEST);
        }
    }

    #[test]
    fn few_tiles_use_the_room() {
        assert_eq!(grid(vec2(1496.0, 808.0), 4).0, 2, "two rows of two are larger than one row of four");
        assert!(grid(vec2(1496.0, 808.0), 4).1.x > 460.0);
        assert!(grid(vec2(1176.0, 708.0), 64).1.x >= NARROWEST, "then it scrolls");
    }
}
