//! The questions that wait: what exactly, on which screen, by which rule; and the answer.

use egui::{
    Align2, CornerRadius, Key, Modifiers, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};
use mz_protocol::{Action, ApprovalId, ApprovalRequest, ApprovalView, Command, Decision, DecisionKind, Timestamp, TypedText};

use crate::desk::{Desk, Screen};
use crate::icons;
use crate::model::Model;
use crate::say;
use crate::screens::facts;
use crate::screens::queue::{queue_row, row, show_decided};
use crate::state::{Mark, paint_mark};
use crate::tokens::{BODY, RADIUS_CARD, SMALL, Tokens, Weight, font};
use crate::widgets::desktop::{self, Placed};
use crate::widgets::{
    Press, Tone, card_in, choices, dialog, empty, field, heading, inside, line_at, lines, link, plain, strong,
};

/// No decision counts before the question was on the screen for this long, in seconds.
const GUARD: f64 = mz_protocol::READ_TIME.0 as f64 / 1000.0;

/// Widths of the queue and of the question: less where the window is narrow, so that the frame stays large.
fn widths(room: f32) -> (f32, f32) {
    ((room * 0.18).clamp(208.0, 340.0), (room * 0.265).clamp(330.0, 480.0))
}

/// How the frame is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Zoom {
    #[default]
    Fit,
    /// Pixel for pixel, the target in the middle.
    Full,
}

/// What is being asked of the manager on top of the question.
#[derive(Debug, Clone, PartialEq)]
enum Asking {
    Veto(String),
    Edit(String),
    Grant { uses: u32, hours: u32 },
}

#[derive(Default)]
pub struct Approvals {
    chosen: Option<ApprovalId>,
    /// Since when, in window time and in the clock's, the chosen question is on the screen.
    since: Option<(ApprovalId, f64, Timestamp)>,
    asking: Option<(ApprovalId, Asking)>,
    /// The whole screen undimmed.
    whole: bool,
    zoom: Zoom,
}

impl Approvals {
    /// Whether a dialog of this screen has the keyboard.
    pub fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    pub fn show(&mut self, ui: &mut Ui, desk: &mut Desk) {
        let waiting: Vec<ApprovalView> = desk.model.waiting().into_iter().cloned().collect();
        desk.model.deciding.retain(|id| waiting.iter().any(|a| a.request.id == *id));
        let room = ui.available_rect_before_wrap();
        let (queue, question) = widths(room.width());
        let left = Rect::from_min_size(room.min, vec2(queue, room.height()));
        inside(ui, left, "queue", |ui| self.show_queue(ui, desk, &waiting));
        let rest = Rect::from_min_max(pos2(left.right() + 20.0, room.top()), room.max);
        let Some(view) = self.current(&waiting) else {
            self.asking = None;
            self.since = None;
            let next = "Questions appear here the moment a worker wants to do something that a rule holds back.";
            return inside(ui, rest, "none", |ui| empty(ui, icons::CHECK_CIRCLE, "No question waits for you", next, |_| {}));
        };
        self.seen(ui, desk.model, &view.request.id);
        desk.model.load_approval_frame(&view.request.id);
        let side = Rect::from_min_max(pos2(rest.right() - question, rest.top()), rest.max);
        let middle = Rect::from_min_max(rest.min, pos2(side.left() - 20.0, rest.bottom()));
        inside(ui, middle, "frame", |ui| self.show_frame(ui, desk.model, &view));
        card_in(ui, side, "question", |ui| self.show_question(ui, desk, &view));
        self.press_keys(ui, desk, &view, &waiting);
        self.show_asking(ui.ctx(), desk, &view);
    }

    fn current(&mut self, waiting: &[ApprovalView]) -> Option<ApprovalView> {
        let chosen = waiting.iter().find(|a| Some(&a.request.id) == self.chosen.as_ref()).or_else(|| waiting.first())?;
        self.chosen = Some(chosen.request.id.clone());
        Some(chosen.clone())
    }

    /// Notes when the question came onto the screen, and tells the engine.
    fn seen(&mut self, ui: &Ui, model: &mut Model, id: &ApprovalId) {
        if self.since.as_ref().is_none_or(|(old, ..)| old != id) {
            self.since = Some((id.clone(), ui.input(|i| i.time), model.now()));
            if self.asking.as_ref().is_some_and(|(old, _)| old != id) {
                self.asking = None;
            }
        }
        model.tell_shown(id);
        if !self.armed(ui, model, id) && !model.deciding.contains(id) {
            ui.ctx().request_repaint_after(std::time::Duration::from_millis(60));
        }
    }

    fn armed(&self, ui: &Ui, model: &Model, id: &ApprovalId) -> bool {
        let now = ui.input(|i| i.time);
        self.since.as_ref().is_some_and(|(old, since, _)| old == id && now - since >= GUARD) && !model.deciding.contains(id)
    }

    fn show_queue(&mut self, ui: &mut Ui, desk: &mut Desk, waiting: &[ApprovalView]) {
        heading(ui, "Waiting for you");
        ui.spacing_mut().item_spacing.y = 4.0;
        let current = self.chosen.clone().or_else(|| waiting.first().map(|a| a.request.id.clone()));
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            if waiting.is_empty() {
                ui.label(plain("No question", BODY, Tokens::of(ui).dim));
            }
            for view in waiting {
                let left = say::countdown(view.request.expires.since(desk.model.now()));
                if queue_row(ui, desk.model, &view.request, &left, Some(&view.request.id) == current.as_ref()) {
                    self.chosen = Some(view.request.id.clone());
                }
            }
            self.show_helps(ui, desk);
            show_decided(ui, desk.model);
        });
    }

    /// Workers that are stuck: the next step is to look and help.
    fn show_helps(&mut self, ui: &mut Ui, desk: &mut Desk) {
        let t = Tokens::of(ui);
        let workers = desk.model.snapshot.iter().flat_map(|s| s.workers.clone());
        let stuck: Vec<_> = workers.filter(|w| matches!(w.state, mz_protocol::WorkerState::NeedsHelp { .. })).collect();
        if stuck.is_empty() {
            return;
        }
        ui.add_space(14.0);
        heading(ui, "Asking for help");
        for worker in stuck {
            let mz_protocol::WorkerState::NeedsHelp { reason, since } = &worker.state else { continue };
            let age = say::span(desk.model.now().since(*since));
            let title = format!("{} · {}", worker.name, desk.model.department_name(&worker.department));
            if row(ui, &title, &say::visible(reason), &age, t.need, false) {
                desk.go(Screen::Worker(worker.id.clone()));
            }
        }
    }

    fn show_frame(&mut self, ui: &mut Ui, model: &Model, view: &ApprovalView) {
        let t = Tokens::of(ui);
        let room = ui.available_rect_before_wrap();
        let p = &view.request.proposal;
        let picture = model.approval_frame(&view.request.id).or_else(|| model.pictures.get(&p.worker));
        let size = picture.map_or_else(|| model.desktop_size(&p.worker), |picture| picture.desktop);
        // As high as the picture needs, so that the words about it stand right under it.
        let shape = f32::from(size.height) / f32::from(size.width.max(1));
        let height = ((room.width() - 24.0) * shape + 24.0).min(room.height() - 48.0);
        let well = Rect::from_min_size(room.min, vec2(room.width(), height));
        ui.painter().rect(well, CornerRadius::same(RADIUS_CARD), t.well, t.hairline(), StrokeKind::Inside);
        let label = ui.interact(well, ui.scope_id().with("evidence"), Sense::hover());
        label.widget_info(|| {
            WidgetInfo::labeled(Role::Image, true, format!("The screen that {} asks about", model.worker_name(&p.worker)))
        });
        let inner = well.shrink(12.0);
        match picture {
            Some(picture) => {
                let placed = match self.zoom {
                    Zoom::Fit => Placed::fit(inner, size),
                    Zoom::Full => Placed::around(inner, size, p.region, ui.pixels_per_point()),
                };
                let painter = ui.painter().with_clip_rect(inner.intersect(ui.clip_rect()));
                desktop::paint(&painter, placed, picture, 4, false);
                if !self.whole {
                    dim_all_but(&painter, placed, p.region, t);
                }
                let target = placed.region(p.region).expand(3.0);
                painter.rect_stroke(target, CornerRadius::same(6), Stroke::new(5.0, t.chip), StrokeKind::Outside);
                painter.rect_stroke(target, CornerRadius::same(6), Stroke::new(2.5, t.picture_need), StrokeKind::Outside);
            }
            None => {
                let words = "Waiting for the frame that was asked about…";
                let regular = font(BODY, Weight::Regular);
                line_at(ui.painter(), well.center(), Align2::CENTER_CENTER, words, regular, t.dim, well.width());
            }
        }
        let foot = Rect::from_min_size(pos2(room.left(), well.bottom() + 8.0), vec2(room.width(), 36.0));
        self.show_screen_state(ui, model, view, foot);
    }

    fn show_screen_state(&mut self, ui: &mut Ui, model: &Model, view: &ApprovalView, foot: Rect) {
        let t = Tokens::of(ui);
        let name = model.worker_name(&view.request.proposal.worker);
        let (words, mark, color) = if view.screen_unchanged {
            (format!("Screen unchanged since {name} asked"), Mark::Check, t.done)
        } else {
            (format!("The screen has changed since {name} asked"), Mark::Cross, t.fail)
        };
        let middle = foot.center().y;
        paint_mark(ui.painter(), pos2(foot.left() + 8.0, middle), mark, color);
        let switch = Rect::from_min_max(pos2(foot.right() - 330.0, foot.top()), foot.max);
        let at = pos2(foot.left() + 22.0, middle);
        let room = switch.left() - at.x - 12.0;
        let shown = line_at(ui.painter(), at, Align2::LEFT_CENTER, &words, font(SMALL + 1.0, Weight::Strong), color, room);
        let label = ui.interact(shown, ui.scope_id().with("unchanged"), Sense::hover());
        label.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
        let kept = "The frame is kept as evidence. The desktop is frozen and looked at again right before the action.";
        label.on_hover_text(kept);
        let mut child =
            ui.new_child(egui::UiBuilder::new().max_rect(switch).layout(egui::Layout::right_to_left(egui::Align::Center)));
        let (words, label) =
            if self.whole { ("Only the target", "Show only the target") } else { ("Whole screen", "Show the whole screen") };
        if Press::new(words).label(label).size(140.0, 30.0).show(&mut child).clicked() {
            self.whole = !self.whole;
        }
        choices(&mut child, "Size", &mut self.zoom, &[(Zoom::Full, "100 %"), (Zoom::Fit, "Fit")]);
    }

    fn show_question(&mut self, ui: &mut Ui, desk: &mut Desk, view: &ApprovalView) {
        let t = Tokens::of(ui);
        let request = &view.request;
        let title = request.proposal.order.as_ref().and_then(|order| desk.model.order_title(order));
        let title = title.map_or_else(String::new, |title| format!(": {}", say::visible(&title)));
        let title = format!("{}{title}", say::rule(&request.rule));
        let words = lines(ui.painter(), &title, font(18.0, Weight::Strong), t.text, ui.available_width(), 2);
        ui.add(egui::Label::new(words));
        let left = say::countdown(request.expires.since(desk.model.now()));
        ui.label(plain(format!("{} · no answer in {left} is a veto", request.id), SMALL + 1.0, t.dim));
        ui.add_space(6.0);
        // The answer is never scrolled out of sight, however much there is to say about the question.
        let answer = 190.0;
        let room = (ui.available_height() - answer).max(120.0);
        let facts = ScrollArea::vertical().id_salt("facts").max_height(room).auto_shrink([false, true]);
        facts.show(ui, |ui| facts::show(ui, desk.model, view));
        ui.add_space(10.0);
        self.show_buttons(ui, desk, view);
        ui.add_space(8.0);
        ui.spacing_mut().interact_size.y = 18.0;
        ui.horizontal_wrapped(|ui| {
            ui.label(plain("Asked too often?", SMALL + 1.0, t.dim));
            if link(ui, "Always allow exactly this, for a while…", t.dim).clicked() {
                self.asking = Some((request.id.clone(), Asking::Grant { uses: 10, hours: 4 }));
            }
        });
    }

    fn show_buttons(&mut self, ui: &mut Ui, desk: &mut Desk, view: &ApprovalView) {
        let t = Tokens::of(ui);
        let id = &view.request.id;
        let armed = self.armed(ui, desk.model, id);
        let width = ((ui.available_width() - 10.0) / 2.0).floor();
        let mut pressed = None;
        ui.scope(|ui| {
            // Seen at once, of use only after half a second.
            if !armed {
                ui.multiply_opacity(0.45);
            }
            ui.spacing_mut().item_spacing = vec2(10.0, 10.0);
            ui.horizontal(|ui| {
                let approve = Press::new("Approve").key("A").tone(Tone::Go).enabled(view.screen_unchanged).size(width, 44.0);
                if approve.show(ui).clicked() {
                    pressed = Some(Key::A);
                }
                if Press::new("Veto…").label("Veto").key("V").tone(Tone::Danger).size(width, 44.0).show(ui).clicked() {
                    pressed = Some(Key::V);
                }
            });
            ui.horizontal(|ui| {
                let edit =
                    Press::new("Edit…").label("Edit").key("E").enabled(editable(&view.request).is_some()).size(width, 44.0);
                if edit.show(ui).clicked() {
                    pressed = Some(Key::E);
                }
                if Press::new("Take over").key("T").tone(Tone::Human).size(width, 44.0).show(ui).clicked() {
                    pressed = Some(Key::T);
                }
            });
        });
        if desk.model.deciding.contains(id) {
            ui.label(plain("Sent. Waiting for the gate…", SMALL + 1.0, t.dim));
        } else if !view.screen_unchanged {
            let words = "What was asked about is no longer on the screen, so it cannot be approved. The worker will ask again.";
            ui.add(egui::Label::new(plain(words, SMALL + 1.0, t.fail)).wrap());
        }
        if let (Some(key), true) = (pressed, armed) {
            self.pressed(ui, desk, view, key);
        }
    }

    fn press_keys(&mut self, ui: &Ui, desk: &mut Desk, view: &ApprovalView, waiting: &[ApprovalView]) {
        if self.is_asking() || ui.ctx().text_edit_focused() {
            return;
        }
        for key in [Key::A, Key::V, Key::E, Key::T, Key::G] {
            if ui.input_mut(|i| i.consume_key(Modifiers::NONE, key)) && self.armed(ui, desk.model, &view.request.id) {
                // The letter itself must not land in the field that opens.
                ui.input_mut(|i| i.events.retain(|e| !matches!(e, egui::Event::Text(_))));
                self.pressed(ui, desk, view, key);
            }
        }
        let place = waiting.iter().position(|a| a.request.id == view.request.id).unwrap_or(0);
        let step = ui.input_mut(|i| {
            i64::from(i.consume_key(Modifiers::NONE, Key::ArrowDown)) - i64::from(i.consume_key(Modifiers::NONE, Key::ArrowUp))
        });
        if step != 0 {
            let next = (place as i64 + step).clamp(0, waiting.len() as i64 - 1) as usize;
            self.chosen = waiting.get(next).map(|a| a.request.id.clone());
        }
    }

    fn pressed(&mut self, ui: &Ui, desk: &mut Desk, view: &ApprovalView, key: Key) {
        let id = view.request.id.clone();
        match key {
            Key::A if view.screen_unchanged => self.decide(desk, view, DecisionKind::Approve),
            Key::V => self.asking = Some((id, Asking::Veto(String::new()))),
            Key::E => {
                if let Some(text) = editable(&view.request) {
                    self.asking = Some((id, Asking::Edit(text)));
                }
            }
            Key::G => self.asking = Some((id, Asking::Grant { uses: 10, hours: 4 })),
            Key::T => {
                self.decide(desk, view, DecisionKind::TakeOver);
                desk.go(Screen::Worker(view.request.proposal.worker.clone()));
            }
            _ => {}
        }
        ui.ctx().request_repaint();
    }

    fn decide(&mut self, desk: &mut Desk, view: &ApprovalView, kind: DecisionKind) {
        let id = view.request.id.clone();
        let since = self.since.as_ref().map_or(desk.model.now(), |(.., at)| *at);
        let looked = desk.model.now().since(since);
        let by = desk.model.me.clone();
        let decision = Decision { approval: id.clone(), binding: view.request.binding, kind, by, note: None, looked };
        if desk.model.send(Command::Decide { decision }) {
            desk.model.deciding.insert(id);
        }
    }

    fn show_asking(&mut self, ctx: &egui::Context, desk: &mut Desk, view: &ApprovalView) {
        let Some((id, mut asking)) = self.asking.take() else { return };
        if id != view.request.id {
            return;
        }
        let ((yes, no), close) = dialog(ctx, "answer", 460.0, |ui| match &mut asking {
            Asking::Veto(reason) => {
                ask_text(ui, "Why not?", "The worker reads this, and so does the report.", "Veto", Tone::Danger, reason)
            }
            Asking::Edit(text) => {
                ask_text(ui, "Type this instead", "It goes through the rules again before it is typed.", "Send", Tone::Go, text)
            }
            Asking::Grant { uses, hours } => ask_grant(ui, desk.model, &view.request, uses, hours),
        });
        if yes {
            match asking {
                Asking::Veto(reason) => self.decide(desk, view, DecisionKind::Veto { reason: reason.trim().to_owned() }),
                Asking::Edit(text) => self.decide(desk, view, DecisionKind::Edit { text }),
                Asking::Grant { uses, hours } => give_grant(desk.model, view, uses, hours),
            }
        } else if !no && !close {
            self.asking = Some((id, asking));
        }
    }
}

fn give_grant(model: &mut Model, view: &ApprovalView, uses: u32, hours: u32) {
    let until = model.now().plus(mz_protocol::Millis::from_secs(u64::from(hours) * 3600));
    if model.send(facts::grant(&view.request, uses, until)) {
        model
            .notice("Granted. It is listed in Settings, where it can be taken back. This question still waits for you.", false);
    }
}

/// The text of a question that can be edited.
fn editable(request: &ApprovalRequest) -> Option<String> {
    match &request.proposal.action {
        Action::Type { text: TypedText::Plain(text) } => Some(text.clone()),
        _ => None,
    }
}

fn ask_text(ui: &mut Ui, title: &str, hint: &str, yes: &str, tone: Tone, text: &mut String) -> (bool, bool) {
    let t = Tokens::of(ui);
    ui.label(strong(title, 16.0, t.text));
    ui.label(plain(hint, SMALL + 1.0, t.dim));
    ui.add_space(4.0);
    let edit = field(ui, title, "", text, 3);
    if !edit.has_focus() && ui.memory(|m| m.focused().is_none()) {
        edit.request_focus();
    }
    if say::has_unusual(text) {
        ui.add(egui::Label::new(plain(format!("Odd characters: {}", say::visible(text)), SMALL, t.need)).wrap());
    }
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        let full = !text.trim().is_empty();
        let spoken = format!("{yes} now");
        let go = Press::new(yes).label(&spoken).key("Ctrl+Enter").tone(tone).enabled(full).show(ui).clicked();
        let key = full && ui.input_mut(|i| i.consume_key(Modifiers::CTRL, Key::Enter));
        (go || key, Press::new("Back").key("Esc").show(ui).clicked())
    })
    .inner
}

fn ask_grant(ui: &mut Ui, model: &Model, request: &ApprovalRequest, uses: &mut u32, hours: &mut u32) -> (bool, bool) {
    let t = Tokens::of(ui);
    ui.label(strong("Always allow exactly this?", 16.0, t.text));
    if let Command::GiveGrant { scope, .. } = facts::grant(request, *uses, model.now()) {
        ui.add(egui::Label::new(plain(facts::grant_words(model, &scope), BODY, t.text)).wrap());
    }
    let hint = "No other command, text or element is covered; whatever else the page shows is. It ends by itself, and can be taken back in Settings. The question at hand still needs your answer.";
    ui.add(egui::Label::new(plain(hint, SMALL + 1.0, t.dim)).wrap());
    ui.add_space(4.0);
    choices(ui, "Uses", uses, &[(5, "5 times"), (10, "10 times"), (25, "25 times")]);
    choices(ui, "For", hours, &[(1, "1 hour"), (4, "4 hours"), (8, "8 hours")]);
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        let yes = Press::new("Grant").show(ui).clicked();
        (yes, Press::new("Back").show(ui).clicked())
    })
    .inner
}

/// Four dark panes around what is asked about.
fn dim_all_but(painter: &egui::Painter, placed: Placed, region: mz_protocol::Rect, t: &Tokens) {
    let (all, hole) = (placed.rect, placed.region(region).expand(3.0).intersect(placed.rect));
    let panes = [
        Rect::from_min_max(all.min, pos2(all.right(), hole.top())),
        Rect::from_min_max(pos2(all.left(), hole.bottom()), all.max),
        Rect::from_min_max(pos2(all.left(), hole.top()), pos2(hole.left(), hole.bottom())),
        Rect::from_min_max(pos2(hole.right(), hole.top()), pos2(all.right(), hole.bottom())),
    ];
    for pane in panes {
        painter.rect_filled(pane, 0, t.scrim);
    }
}
