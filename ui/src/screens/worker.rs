//! One worker: its desktop as large as it goes, where it is in its procedure, what happened, and the way back.

use egui::{
    Align, Align2, CornerRadius, CursorIcon, Key, Layout, Modifiers, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui,
    WidgetInfo, pos2, vec2,
};
use mz_protocol::{Command, LeaseId, Size, StopScope, WorkerId, WorkerState, WorkerView};

use crate::desk::{Desk, Screen};
use crate::icons;
use crate::model::EventsOf;
use crate::say;
use crate::screens::drive::Hands;
use crate::screens::menu;
use crate::screens::scrub::Scrub;
use crate::screens::story;
use crate::state::StateLook;
use crate::tokens::{BODY, RADIUS_CARD, SMALL, TITLE, Tokens, Weight, font, mono};
use crate::widgets::desktop::{self, Placed};
use crate::widgets::{
    Press, Tone, card_in, dialog, empty, field, focus_ring, glyph_at, heading, inside, line_at, plain, row_ring, state_tag,
    strong,
};

/// Width of the procedure and the events: less where the window is narrow.
fn side_width(room: f32) -> f32 {
    (room * 0.26).clamp(300.0, 460.0)
}

#[derive(Default)]
pub struct WorkerScreen {
    worker: Option<WorkerId>,
    scrub: Scrub,
    hands: Hands,
    handing_back: Option<(LeaseId, String)>,
}

impl WorkerScreen {
    /// True while the keyboard belongs to the worker's desktop.
    pub fn show(&mut self, ui: &mut Ui, desk: &mut Desk, id: &WorkerId) -> bool {
        if self.worker.as_ref() != Some(id) {
            *self = Self { worker: Some(id.clone()), ..Self::default() };
        }
        let Some(worker) = desk.model.worker(id).cloned() else {
            empty(ui, icons::ROBOT, "This worker is gone", "It is no longer listed in the company folder.", |ui| {
                if Press::new("Back to the wall").show(ui).clicked() {
                    desk.go(Screen::Wall);
                }
            });
            return false;
        };
        desk.model.watch(vec![id.clone()], 1);
        desk.model.load_events(&EventsOf::Worker(id.clone()));
        let room = ui.available_rect_before_wrap();
        let side = Rect::from_min_max(pos2(room.right() - side_width(room.width()), room.top()), room.max);
        let main = Rect::from_min_max(room.min, pos2(side.left() - 20.0, room.bottom()));
        let head = Rect::from_min_size(main.min, vec2(main.width(), 36.0));
        inside(ui, head, "head", |ui| self.show_head(ui, desk, &worker));
        // As high as the desktop needs, so that its recording lies right under it.
        let size = self.size(desk, id);
        let shape = f32::from(size.height) / f32::from(size.width.max(1));
        let top = head.bottom() + 12.0;
        let height = (main.width() * shape).min(main.bottom() - top - 44.0);
        let well = Rect::from_min_size(pos2(main.left(), top), vec2(main.width(), height));
        let line = Rect::from_min_size(pos2(main.left(), well.bottom() + 10.0), vec2(main.width(), 32.0));
        let typing = self.show_desktop(ui, desk, &worker, (well, size));
        self.scrub.play(ui, desk.model);
        self.scrub.show(ui, desk.model, id, line);
        self.scrub.load(desk.model, id);
        self.press_keys(ui, desk, &worker, typing);
        card_in(ui, side, "side", |ui| self.show_side(ui, desk, &worker));
        self.show_hand_back(ui.ctx(), desk);
        typing || self.handing_back.is_some()
    }

    /// The size of what is shown: the frame of the recording, or the desktop.
    fn size(&self, desk: &Desk, id: &WorkerId) -> Size {
        match desk.model.recorded.get(id) {
            Some(Ok(recorded)) if self.scrub.at.is_some() => recorded.picture.size,
            _ => desk.model.desktop_size(id),
        }
    }

    fn press_keys(&mut self, ui: &Ui, desk: &mut Desk, worker: &WorkerView, typing: bool) {
        let id = worker.id.clone();
        let lease = desk.model.my_lease(&id);
        if let Some(lease) = lease
            && ui.input_mut(|i| i.consume_key(Modifiers::CTRL | Modifiers::SHIFT, Key::H))
        {
            self.handing_back = Some((lease, String::new()));
        }
        if typing || self.handing_back.is_some() || ui.ctx().text_edit_focused() {
            return;
        }
        if ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::ArrowLeft)) {
            self.scrub.step(desk.model, &id, false);
        }
        if ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::ArrowRight)) {
            self.scrub.step(desk.model, &id, true);
        }
        if ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::L)) {
            self.scrub.live();
        }
        if ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::T)) && menu::is_free(worker) {
            self.take_over(desk, worker);
        }
        if ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::P)) {
            pause_or_go_on(desk, worker);
        }
    }

    fn show_head(&mut self, ui: &mut Ui, desk: &mut Desk, worker: &WorkerView) {
        let t = Tokens::of(ui);
        let row = ui.max_rect();
        let mut right = ui.new_child(egui::UiBuilder::new().max_rect(row).layout(Layout::right_to_left(Align::Center)));
        right.spacing_mut().item_spacing.x = 10.0;
        self.show_controls(&mut right, desk, worker);
        right.add_space(4.0);
        state_tag(&mut right, &StateLook::of_worker(worker, &desk.model.me, t));
        let edge = right.min_rect().left() - 16.0;
        let middle = row.center().y;
        let mut x = row.left();
        let (back, response) = (Rect::from_center_size(pos2(x + 16.0, middle), vec2(32.0, 32.0)), "Back to the wall");
        let button = ui.interact(back, ui.scope_id().with("back"), Sense::click());
        button.widget_info(|| WidgetInfo::labeled(Role::Button, true, response));
        let color = if button.hovered() || button.has_focus() { t.text } else { t.dim };
        glyph_at(ui.painter(), back.center(), icons::BACK, 20.0, color);
        if button.has_focus() {
            focus_ring(ui.painter(), back.shrink(3.0), 6, t);
        }
        if button.on_hover_cursor(CursorIcon::PointingHand).on_hover_text("Back to the wall   Esc").clicked() {
            desk.go(Screen::Wall);
        }
        x += 40.0;
        let name = line_at(
            ui.painter(),
            pos2(x, middle),
            Align2::LEFT_CENTER,
            &worker.name,
            font(TITLE, Weight::Strong),
            t.text,
            edge - x,
        );
        let department = desk.model.department_name(&worker.department);
        let order = worker.order.as_ref().map(|id| format!(" · {id} {}", desk.model.order_title(id).unwrap_or_default()));
        let words = format!("{department}{}", order.unwrap_or_default());
        let at = pos2(name.right() + 12.0, middle + 1.0);
        line_at(ui.painter(), at, Align2::LEFT_CENTER, &words, font(BODY, Weight::Regular), t.dim, edge - at.x);
    }

    /// From the right: take over or hand back, pause, and what a stuck worker needs.
    fn show_controls(&mut self, ui: &mut Ui, desk: &mut Desk, worker: &WorkerView) {
        if let Some(lease) = desk.model.my_lease(&worker.id) {
            let press = Press::new("Hand back…").label("Hand back").icon(icons::RETURN).key("Ctrl+Shift+H").tone(Tone::Human);
            if press.show(ui).clicked() {
                self.handing_back = Some((lease, String::new()));
            }
        } else {
            let press = Press::new("Take over").icon(icons::DRIVE).key("T").tone(Tone::Human);
            if press.enabled(menu::is_free(worker)).show(ui).clicked() {
                self.take_over(desk, worker);
            }
        }
        let more = Press::new("More…").label("More for this worker").show(ui);
        egui::Popup::menu(&more).show(|ui| menu::show(ui, desk, worker));
        match paused(desk, worker) {
            Some(scope @ (StopScope::Worker(_) | StopScope::Department(_))) => {
                let department = desk.model.department_name(&worker.department);
                let words = match scope {
                    StopScope::Worker(_) => "Go on".to_owned(),
                    _ => format!("Let all of {department} go on"),
                };
                if Press::new(&words).icon(icons::PLAY).key("P").tone(Tone::Go).show(ui).clicked() {
                    desk.model.send(Command::Resume { scope });
                }
            }
            // With the company stopped, only the bar above lets it go on.
            Some(StopScope::Company) => {}
            None => {
                if Press::new("Pause").icon(icons::PAUSE).key("P").show(ui).clicked() {
                    pause_or_go_on(desk, worker);
                }
            }
        }
        if let (WorkerState::NeedsHelp { .. }, Some(order)) = (&worker.state, &worker.order)
            && Press::new("Try the step again").show(ui).clicked()
        {
            desk.model.send(Command::Retry { order: order.clone() });
        }
        if matches!(worker.state, WorkerState::NeedsApproval { .. })
            && Press::new("Answer…").label("Answer the question").show(ui).clicked()
        {
            desk.go(Screen::Approvals);
        }
    }

    fn take_over(&mut self, desk: &mut Desk, worker: &WorkerView) {
        self.scrub.live();
        desk.model.send(Command::TakeOver { worker: worker.id.clone() });
    }

    fn show_desktop(&mut self, ui: &mut Ui, desk: &mut Desk, worker: &WorkerView, (well, size): (Rect, Size)) -> bool {
        let t = Tokens::of(ui);
        let lease = desk.model.my_lease(&worker.id);
        let response = ui.interact(well, ui.scope_id().with(("desktop", worker.id.as_str())), Sense::click_and_drag());
        let spoken = format!("Desktop of {}", worker.name);
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &spoken));
        ui.painter().rect(well, CornerRadius::same(RADIUS_CARD), t.well, t.hairline(), StrokeKind::Inside);
        let driven = matches!(worker.state, WorkerState::Driven { .. });
        let placed = Placed::fit(well.shrink(if driven { 5.0 } else { 2.0 }), size);
        self.paint_desktop(ui, desk, worker, placed);
        let mut typing = false;
        if driven {
            edge_of_driver(ui, desk, worker, well, t);
        } else if response.has_focus() {
            focus_ring(ui.painter(), well, RADIUS_CARD, t);
        }
        match lease {
            Some(lease) if self.scrub.at.is_none() && self.handing_back.is_none() => {
                typing = self.hands.forward(ui, desk.model, &lease, placed, &response);
                if !typing && response.gained_focus() {
                    typing = true;
                }
            }
            // The second half of a double click on the wall lands here, and is settled there.
            None if response.clicked() && !response.double_clicked() && self.scrub.at.is_none() && menu::is_free(worker) => {
                self.take_over(desk, worker);
                response.request_focus();
            }
            _ => {}
        }
        typing
    }

    fn paint_desktop(&self, ui: &Ui, desk: &Desk, worker: &WorkerView, placed: Placed) {
        let t = Tokens::of(ui);
        let painter = ui.painter();
        let (model, now) = (&desk.model, desk.model.now());
        let say_at_center = |words: &str| {
            line_at(
                painter,
                placed.rect.center(),
                Align2::CENTER_CENTER,
                words,
                font(BODY, Weight::Regular),
                t.dim,
                placed.rect.width(),
            );
        };
        let corner = placed.rect.left_top() + vec2(12.0, 34.0);
        if let Some(at) = self.scrub.at {
            match model.recorded.get(&worker.id) {
                Some(Ok(recorded)) => {
                    desktop::paint(painter, placed, &recorded.picture, 10, recorded.at != at);
                    let speed = if self.scrub.is_playing() { " · four times as fast" } else { "" };
                    let words = format!("recorded {}{speed}", model.clock.seconds(recorded.at));
                    desktop::chip(painter, corner, None, &words, 300.0, t);
                }
                Some(Err(why)) => say_at_center(why),
                None => say_at_center("Fetching the recording…"),
            }
            return;
        }
        let Some(picture) = model.pictures.get(&worker.id) else {
            return say_at_center(match &worker.state {
                WorkerState::Starting => "The desktop is starting…",
                WorkerState::Failed { .. } => "There is no desktop",
                _ => "Waiting for the picture…",
            });
        };
        desktop::paint(painter, placed, picture, 10, !model.is_up());
        let captured = picture.captured();
        if !model.is_up() || desktop::is_stalled(worker, captured, now) {
            let words = format!("picture is {} old", say::span(now.since(captured)));
            desktop::chip(painter, corner, None, &words, 300.0, t);
        } else if !matches!(worker.state, WorkerState::Driven { .. }) {
            desktop::paint_last_action(painter, placed, worker, now, t);
        }
    }

    fn show_side(&mut self, ui: &mut Ui, desk: &mut Desk, worker: &WorkerView) {
        let half = (ui.available_height() * 0.46).max(160.0);
        let place = worker.step.as_ref().filter(|_| worker.order.is_some());
        heading(ui, &place.map_or("Procedure".to_owned(), |step| format!("Procedure · {}", say::place(step))));
        trouble(ui, desk, worker);
        ScrollArea::vertical().id_salt("steps").max_height(half).auto_shrink([false, true]).show(ui, |ui| steps(ui, worker));
        ui.add_space(12.0);
        heading(ui, "What happened");
        ui.add_space(2.0);
        self.show_events(ui, desk, worker);
    }

    fn show_events(&mut self, ui: &mut Ui, desk: &mut Desk, worker: &WorkerView) {
        let t = Tokens::of(ui);
        let of = EventsOf::Worker(worker.id.clone());
        let rows: Vec<_> = desk.model.events(&of).into_iter().flatten().filter_map(|e| story::row(e, t)).collect();
        if rows.is_empty() {
            ui.label(plain("Nothing yet.", BODY, t.dim));
            return;
        }
        let mut chosen = None;
        ui.spacing_mut().item_spacing.y = 0.0;
        let area = ScrollArea::vertical().id_salt("events").auto_shrink(false).stick_to_bottom(self.scrub.at.is_none());
        area.show_rows(ui, 30.0, rows.len(), |ui, range| {
            for (index, row) in rows.iter().enumerate().skip(range.start).take(range.len()) {
                if event_row(ui, &desk.model.clock, row, index, self.scrub.at == Some(row.at)) {
                    chosen = Some(row.at);
                }
            }
        });
        if let Some(at) = chosen {
            self.scrub.go_to(at);
        }
    }

    fn show_hand_back(&mut self, ctx: &egui::Context, desk: &mut Desk) {
        let Some((lease, mut note)) = self.handing_back.take() else { return };
        let t = Tokens::dark(ctx.global_style().visuals.dark_mode);
        let ((yes, no), close) = dialog(ctx, "hand-back", 440.0, |ui| {
            ui.label(strong("Hand back", 16.0, t.text));
            ui.label(plain("The worker looks at the screen as you leave it and goes on from there.", SMALL + 1.0, t.dim));
            ui.add_space(4.0);
            let edit = field(ui, "Note for the record", "What you did, if it matters (optional)", &mut note, 2);
            if ui.memory(|m| m.focused().is_none()) {
                edit.request_focus();
            }
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                let yes = Press::new("Hand back").label("Hand back now").tone(Tone::Human).show(ui).clicked();
                (yes, Press::new("Keep driving").show(ui).clicked())
            })
            .inner
        });
        if yes {
            let note = Some(note.trim().to_owned()).filter(|note| !note.is_empty());
            desk.model.send(Command::HandBack { lease, note });
        } else if !no && !close {
            self.handing_back = Some((lease, note));
        }
    }
}

/// The violet frame that says who drives.
fn edge_of_driver(ui: &Ui, desk: &Desk, worker: &WorkerView, well: Rect, t: &Tokens) {
    let words = StateLook::of_worker(worker, &desk.model.me, t).word;
    ui.painter().rect_stroke(well, CornerRadius::same(RADIUS_CARD), Stroke::new(4.0, t.human), StrokeKind::Inside);
    let galley = ui.painter().layout_no_wrap(words, font(SMALL + 1.0, Weight::Strong), t.bg);
    let size = galley.size() + vec2(24.0, 8.0);
    let tab = Rect::from_min_size(pos2(well.center().x - size.x / 2.0, well.top()), size);
    ui.painter().rect_filled(tab, CornerRadius { sw: 8, se: 8, ..CornerRadius::ZERO }, t.human);
    ui.painter().galley(tab.center() - galley.size() / 2.0, galley, t.bg);
}

/// The scope under which the worker is stopped, if it is.
fn paused(desk: &Desk, worker: &WorkerView) -> Option<StopScope> {
    let own = StopScope::Worker(worker.id.clone());
    let all = StopScope::Department(worker.department.clone());
    let known = [StopScope::Company, all, own].into_iter().find(|scope| desk.model.is_stopped(scope));
    known.or_else(|| match &worker.state {
        WorkerState::Stopped { by_scope } => Some(by_scope.clone()),
        _ => None,
    })
}

fn pause_or_go_on(desk: &mut Desk, worker: &WorkerView) {
    match paused(desk, worker) {
        Some(StopScope::Company) => desk.model.notice("Everything is stopped. “Resume…” in the bar lets all go on.", true),
        Some(scope) => {
            desk.model.send(Command::Resume { scope });
        }
        None => {
            desk.model.send(Command::Stop { scope: StopScope::Worker(worker.id.clone()) });
        }
    }
}

/// What keeps the worker from going on, and what helps.
fn trouble(ui: &mut Ui, desk: &Desk, worker: &WorkerView) {
    let t = Tokens::of(ui);
    let (words, color) = match (&worker.state, paused(desk, worker)) {
        (WorkerState::NeedsHelp { reason, .. }, _) => (say::sentence(&say::visible(reason)), t.need),
        (WorkerState::Failed { why }, _) => (say::sentence(&say::visible(why)), t.fail),
        (_, Some(StopScope::Company)) => ("The whole company is stopped.".to_owned(), t.dim),
        (_, Some(StopScope::Department(id))) => (format!("All of {} is stopped.", desk.model.department_name(&id)), t.dim),
        (_, Some(StopScope::Worker(_))) => (format!("{} is paused and goes on where it was.", worker.name), t.dim),
        _ => return,
    };
    ui.add(egui::Label::new(plain(words, BODY, color)).wrap());
    ui.add_space(4.0);
}

fn steps(ui: &mut Ui, worker: &WorkerView) {
    let t = Tokens::of(ui);
    if worker.steps.is_empty() {
        let words = if worker.order.is_some() { "The steps are not known yet." } else { "No work order, so no procedure." };
        ui.label(plain(words, BODY, t.dim));
        return;
    }
    ui.spacing_mut().item_spacing.y = 6.0;
    let step = worker.step.as_ref().filter(|_| worker.order.is_some());
    let current = step.map_or(0, |s| s.number as usize);
    for (index, written) in worker.steps.iter().enumerate() {
        let number = index + 1;
        let text = say::step(written);
        let (mark, color, words) = if number < current {
            (icons::CHECK, t.done, plain(text, BODY, t.dim))
        } else if number == current {
            (icons::CARET_RIGHT, t.work, strong(text, BODY, t.work))
        } else {
            (' ', t.dim, plain(text, BODY, t.dim))
        };
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            let (place, _) = ui.allocate_exact_size(vec2(16.0, 18.0), Sense::hover());
            if mark != ' ' {
                glyph_at(ui.painter(), place.center(), mark, 14.0, color);
            }
            let label = ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 2.0;
                let label = ui.add(egui::Label::new(words).wrap());
                // Inside of a loop: the row, and the step of it.
                if let Some((step, turn)) = step.filter(|_| number == current).and_then(|s| Some((s, s.turn?))) {
                    let inner = format!("Row {} of {}: {}", turn.at, turn.of, say::step(&step.text));
                    ui.add(egui::Label::new(plain(inner, SMALL + 1.0, t.text)).wrap());
                }
                label
            });
            let label = label.inner;
            if number == current {
                let moved = ui.ctx().data_mut(|d| {
                    std::mem::replace(
                        d.get_temp_mut_or_default::<usize>(egui::Id::unique(("step", worker.id.as_str()))),
                        number,
                    )
                });
                if moved != number {
                    label.scroll_to_me(Some(Align::Center));
                }
            }
        });
    }
}

fn event_row(ui: &mut Ui, clock: &say::Clock, row: &story::Row, index: usize, here: bool) -> bool {
    let t = Tokens::of(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 30.0), Sense::hover());
    let response = ui.interact(rect, ui.scope_id().with(("event", index)), Sense::click());
    let time = clock.seconds(row.at);
    let spoken = format!("{time} {} {}", row.verb, row.words);
    response.widget_info(|| WidgetInfo::selected(Role::ListItem, true, here, &spoken));
    if here || response.hovered() {
        ui.painter().rect_filled(rect.expand2(vec2(8.0, 0.0)), 6, t.raised);
    }
    row_ring(ui.painter(), rect, &response, t);
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, t.hairline());
    let middle = rect.center().y;
    line_at(ui.painter(), pos2(rect.left(), middle), Align2::LEFT_CENTER, &time, mono(SMALL), t.dim, 70.0);
    line_at(
        ui.painter(),
        pos2(rect.left() + 72.0, middle),
        Align2::LEFT_CENTER,
        row.verb,
        font(SMALL + 1.0, Weight::Regular),
        row.color,
        62.0,
    );
    let at = pos2(rect.left() + 138.0, middle);
    line_at(ui.painter(), at, Align2::LEFT_CENTER, &row.words, font(SMALL + 1.0, Weight::Regular), t.text, rect.right() - at.x);
    response.on_hover_cursor(CursorIcon::PointingHand).on_hover_text(&row.whole).clicked()
}
