//! The line under a desktop that goes back through its recording.

use egui::{Align2, CursorIcon, EventFilter, Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};
use mz_protocol::{Timestamp, WorkerId};

use crate::icons;
use crate::model::{EventsOf, Model};
use crate::screens::story;
use crate::tokens::{SMALL, Tokens, mono};
use crate::widgets::{Press, Tone, focus_ring, glyph_at, line_at};

/// At least this much is on the line.
const SHORTEST_MS: i64 = 60_000;
/// How much faster than life a recording plays.
const SPEED: f64 = 4.0;

/// Where in the recording the screen stands; None is live.
#[derive(Debug, Default)]
pub struct Scrub {
    pub at: Option<Timestamp>,
    asked: Option<Timestamp>,
    /// While it plays: the window time up to which it has played.
    played: Option<f64>,
}

impl Scrub {
    pub fn live(&mut self) {
        *self = Self::default();
    }

    /// Rests at this moment.
    pub fn go_to(&mut self, at: Timestamp) {
        (self.at, self.played) = (Some(at), None);
    }

    pub fn is_playing(&self) -> bool {
        self.played.is_some()
    }

    /// Goes on while it plays, until it has caught up with the present.
    pub fn play(&mut self, ui: &Ui, model: &Model) {
        let (Some(at), Some(played)) = (self.at, self.played) else {
            self.played = None;
            return;
        };
        let now = ui.input(|i| i.time);
        let next = Timestamp(at.0 + ((now - played) * SPEED * 1000.0) as i64);
        if next >= model.now() {
            return self.live();
        }
        (self.at, self.played) = (Some(next), Some(now));
        ui.ctx().request_repaint_after(std::time::Duration::from_millis(125));
    }

    /// Plays on from here, or rests; from the present it goes a minute back first.
    fn toggle(&mut self, ui: &Ui, model: &Model) {
        let now = ui.input(|i| i.time);
        self.at = self.at.or(Some(Timestamp(model.now().0 - SHORTEST_MS)));
        self.played = if self.played.is_some() { None } else { Some(now) };
    }

    /// One marked moment back or on.
    pub fn step(&mut self, model: &Model, worker: &WorkerId, forward: bool) {
        self.played = None;
        let Some(events) = model.events(&EventsOf::Worker(worker.clone())) else { return };
        let times = events.iter().filter(|e| story::mark(&e.event.body, &Tokens::DARK).is_some()).map(|e| e.event.at);
        let now = self.at.unwrap_or_else(|| model.now());
        self.at = if forward { times.filter(|at| *at > now).min() } else { times.filter(|at| *at < now).max().or(self.at) };
    }

    /// Asks for the picture at the place that was chosen last, one request at a time.
    pub fn load(&mut self, model: &mut Model, worker: &WorkerId) {
        if let Some(at) = self.at
            && self.asked != Some(at)
            && model.is_up()
            && model.load_frame_at(worker, at)
        {
            self.asked = Some(at);
        }
    }

    pub fn show(&mut self, ui: &mut Ui, model: &Model, worker: &WorkerId, room: Rect) {
        let t = Tokens::of(ui);
        let (from, to) = stretch(model, worker);
        let middle = room.center().y;
        let live = Rect::from_min_max(pos2(room.right() - 92.0, room.top()), room.max);
        let track = Rect::from_min_max(pos2(room.left() + 36.0, room.top()), pos2(live.left() - 14.0, room.bottom()));
        self.show_play(ui, model, Rect::from_center_size(pos2(room.left() + 12.0, middle), vec2(28.0, 28.0)), t);
        let response = ui.interact(track, ui.scope_id().with("scrub"), Sense::click_and_drag());
        let x_of =
            |at: Timestamp| track.left() + track.width() * ((at.0 - from.0) as f32 / (to.0 - from.0) as f32).clamp(0.0, 1.0);
        if let Some(at) = response.interact_pointer_pos().filter(|_| response.dragged() || response.clicked()) {
            let share = ((at.x - track.left()) / track.width()).clamp(0.0, 1.0);
            let chosen = Timestamp(from.0 + ((to.0 - from.0) as f64 * f64::from(share)) as i64);
            self.at = (share < 0.997).then_some(chosen);
            self.played = None;
        }
        if response.has_focus() {
            let arrows = EventFilter { horizontal_arrows: true, ..EventFilter::default() };
            ui.memory_mut(|m| m.set_focus_lock_filter(response.id, arrows));
        }
        let painter = ui.painter();
        painter.hline(track.x_range(), middle, Stroke::new(4.0, t.line));
        let here = self.at.map_or(track.right(), x_of);
        painter.hline(track.left()..=here, middle, Stroke::new(4.0, t.faint));
        for event in model.events(&EventsOf::Worker(worker.clone())).into_iter().flatten() {
            if let Some(color) = story::mark(&event.event.body, t) {
                painter.vline(x_of(event.event.at), middle - 6.0..=middle + 6.0, Stroke::new(2.0, color));
            }
        }
        let knob = if response.has_focus() || response.hovered() { 7.5 } else { 6.0 };
        painter.circle_filled(pos2(here, middle), knob, t.text);
        if response.has_focus() {
            painter.circle_stroke(pos2(here, middle), knob + 3.0, Stroke::new(2.0, t.work));
        }
        let share = f64::from((here - track.left()) / track.width());
        response.widget_info(|| WidgetInfo::slider(true, share, "Recording"));
        response.on_hover_cursor(CursorIcon::PointingHand);
        self.show_live(ui, model, live, t);
    }

    fn show_play(&mut self, ui: &Ui, model: &Model, place: Rect, t: &Tokens) {
        let (glyph, words) = match (self.at, self.played) {
            (_, Some(_)) => (icons::PAUSE, "Hold the recording"),
            (Some(_), None) => (icons::PLAY, "Play the recording"),
            (None, None) => (icons::RETURN, "Play the last minute"),
        };
        let button = ui.interact(place, ui.scope_id().with("play"), Sense::click());
        button.widget_info(|| WidgetInfo::labeled(Role::Button, true, words));
        let color = if button.hovered() || button.has_focus() { t.text } else { t.dim };
        glyph_at(ui.painter(), place.center(), glyph, 18.0, color);
        if button.has_focus() {
            focus_ring(ui.painter(), place.shrink(2.0), 6, t);
        }
        if button.on_hover_cursor(CursorIcon::PointingHand).on_hover_text(words).clicked() {
            self.toggle(ui, model);
        }
    }

    fn show_live(&mut self, ui: &mut Ui, model: &Model, room: Rect, t: &Tokens) {
        match self.at {
            None => {
                let at = room.right_center();
                let shown = line_at(ui.painter(), at, Align2::RIGHT_CENTER, "LIVE", mono(SMALL + 1.0), t.text, 80.0);
                ui.painter().circle_filled(
                    pos2(shown.left() - 10.0, room.center().y),
                    4.0,
                    if model.is_up() { t.done } else { t.faint },
                );
                let label = ui.interact(shown, ui.scope_id().with("live"), Sense::hover());
                label.widget_info(|| WidgetInfo::labeled(Role::Label, true, "Live"));
            }
            Some(_) => {
                let place = Rect::from_center_size(room.center(), vec2(room.width(), 30.0));
                let mut child = ui.new_child(egui::UiBuilder::new().max_rect(place));
                if Press::new("Live")
                    .label("Back to live")
                    .key("L")
                    .tone(Tone::Selected)
                    .size(room.width(), 30.0)
                    .show(&mut child)
                    .clicked()
                {
                    self.live();
                }
            }
        }
    }
}

/// From the first event that is known, at least a minute ago, until now.
fn stretch(model: &Model, worker: &WorkerId) -> (Timestamp, Timestamp) {
    let now = model.now();
    let first = model.events(&EventsOf::Worker(worker.clone())).and_then(|events| events.front()).map(|e| e.event.at);
    (Timestamp(first.map_or(now.0, |at| at.0).min(now.0 - SHORTEST_MS)), now)
}
