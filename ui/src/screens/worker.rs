//! One worker: its desktop as large as it goes, where it is in its procedure, what happened, and the way back.

use egui::{
    Align, Align2, CornerRadius, CursorIcon, Key, Layout, Modifiers, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui,
    WidgetInfo, pos2, vec2,
};
use mz_protocol::{Command, LeaseId, Size, StopScope, WorkerId, WorkerState, WorkerView};

use crate::app::{Desk, Screen};
use crate::icons;
use crate::model::EventsOf;
use crate::say;
use crate::screens::drive::Hands;
use crate::screens::scrub::Scrub;
use crate::screens::story;
use crate::state::StateLook;
use crate::tokens::{BODY, RADIUS_CARD, SMALL, TITLE, Tokens, Weight, font, mono};
use crate::widgets::desktop::{self, Placed};
use crate::widgets::{Press, Tone, card_in, dialog, empty, field, heading, inside, line_at, plain, state_tag, strong};

const SIDE: f32 = 380.0;

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
        let side = Rect::from_min_max(pos2(room.right() - SIDE, room.top()), room.max);
        let main = Rect::from_min_max(room.min, pos2(side.left() - 20.0, room.bottom()));
        let head = Rect::from_min_size(main.min, vec2(main.width(), 36.0));
        inside(ui, head, "head", |ui| self.show_head(ui, desk, &worker));
        // As high as the desktop needs, so that its recording lies right under it.
        let shape = f32::from(Size::DESKTOP.height) / f32::from(Size::DESKTOP.width);
        let top = head.bottom() + 12.0;
        let height = (main.width() * shape).min(main.bottom() - top - 44.0);
        let well = Rect::from_min_size(pos2(main.left(), top), vec2(main.width(), height));
        let line = Rect::from_min_size(pos2(main.left(), well.bottom() + 10.0), vec2(main.width(), 32.0));
        let typing = self.show_desktop(ui, desk, &worker, well);
        self.scrub.show(ui, desk.model, id, line);
        self.scrub.load(desk.model, id);
        self.press_keys(ui, desk, typing);
        card_in(ui, side, "side", |ui| self.show_side(ui, desk, &worker));
        self.show_hand_back(ui.ctx(), desk);
        typing || self.handing_back.is_some()
    }

    fn press_keys(&mut self, ui: &Ui, desk: &mut Desk, typing: bool) {
        let Some(id) = self.worker.clone() else { return };
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
        line_at(
            ui.painter(),
            back.center(),
            Align2::CENTER_CENTER,
            &icons::BACK.to_string(),
            crate::tokens::icon_font(20.0),
            color,
            32.0,
        );
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
            let free = !matches!(worker.state, WorkerState::Driven { .. } | WorkerState::Failed { .. } | WorkerState::Starting);
            if Press::new("Take over").icon(icons::DRIVE).tone(Tone::Human).enabled(free).show(ui).clicked() {
                self.take_over(desk, worker);
            }
        }
        let scope = StopScope::Worker(worker.id.clone());
        if desk.model.is_stopped(&scope) || matches!(&worker.state, WorkerState::Stopped { by_scope } if *by_scope == scope) {
            if Press::new("Go on").icon(icons::PLAY).tone(Tone::Go).show(ui).clicked() {
                desk.model.send(Command::Resume { scope });
            }
        } else if Press::new("Pause").icon(icons::PAUSE).show(ui).clicked() {
            desk.model.send(Command::Stop { scope });
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

    fn show_desktop(&mut self, ui: &mut Ui, desk: &mut Desk, worker: &WorkerView, well: Rect) -> bool {
        let t = Tokens::of(ui);
        let lease = desk.model.my_lease(&worker.id);
        let response = ui.interact(well, ui.scope_id().with(("desktop", worker.id.as_str())), Sense::click_and_drag());
        let spoken = format!("Desktop of {}", worker.name);
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &spoken));
        ui.painter().rect(well, CornerRadius::same(RADIUS_CARD), t.well, t.hairline(), StrokeKind::Inside);
        let driven = matches!(worker.state, WorkerState::Driven { .. });
        let placed = Placed::fit(well.shrink(if driven { 5.0 } else { 2.0 }), Size::DESKTOP);
        self.paint_desktop(ui, desk, worker, placed);
        let mut typing = false;
        if driven {
            edge_of_driver(ui, desk, worker, well, t);
        }
        match lease {
            Some(lease) if self.scrub.at.is_none() && self.handing_back.is_none() => {
                typing = self.hands.forward(ui, desk.model, &lease, placed, &response);
                if !typing && response.gained_focus() {
                    typing = true;
                }
            }
            None if response.clicked() && self.scrub.at.is_none() => {
                let free =
                    !matches!(worker.state, WorkerState::Driven { .. } | WorkerState::Failed { .. } | WorkerState::Starting);
                if free {
                    self.take_over(desk, worker);
                    response.request_focus();
                }
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
                    let words = format!("recorded {}", model.clock.seconds(recorded.at));
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
        let title =
            worker.step.as_ref().map_or("Procedure".to_owned(), |s| format!("Procedure · step {} of {}", s.number, s.of));
        heading(ui, &title);
        trouble(ui, worker);
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
            self.scrub.at = Some(at);
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

fn trouble(ui: &mut Ui, worker: &WorkerView) {
    let t = Tokens::of(ui);
    let (words, color) = match &worker.state {
        WorkerState::NeedsHelp { reason, .. } => (reason, t.need),
        WorkerState::Failed { why } => (why, t.fail),
        _ => return,
    };
    ui.add(egui::Label::new(plain(say::visible(words), BODY, color)).wrap());
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
    let current = worker.step.as_ref().map_or(0, |s| s.number as usize);
    for (index, step) in worker.steps.iter().enumerate() {
        let number = index + 1;
        let text = say::visible(step);
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
                let at = place.center();
                line_at(
                    ui.painter(),
                    at,
                    Align2::CENTER_CENTER,
                    &mark.to_string(),
                    crate::tokens::icon_font(14.0),
                    color,
                    16.0,
                );
            }
            let label = ui.add(egui::Label::new(words).wrap());
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
    if here || response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect.expand2(vec2(8.0, 0.0)), 6, t.raised);
    }
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
    response.on_hover_cursor(CursorIcon::PointingHand).on_hover_text(&row.words).clicked()
}
