//! The few building blocks that all screens share. Each has an accessible label.

pub mod desktop;

use std::sync::Arc;

use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{
    Align, Align2, Color32, CornerRadius, CursorIcon, FontId, Frame, Galley, Layout, Margin, Painter, Pos2, Rect, Response,
    RichText, Role, Sense, Stroke, StrokeKind, Ui, UiBuilder, Vec2, WidgetInfo, pos2, vec2,
};

use crate::state::{StateLook, paint_mark};
use crate::tokens::{self, BODY, RADIUS_CARD, RADIUS_CONTROL, SMALL, TITLE, Tokens, Weight, font, icon_font, mono};

/// One line of text that ends in … where it does not fit.
pub fn fit(painter: &Painter, text: &str, font: FontId, color: Color32, width: f32) -> Arc<Galley> {
    let mut job = LayoutJob::single_section(text.to_owned(), TextFormat::simple(font, color));
    job.wrap = TextWrapping { max_width: width.max(0.0), max_rows: 1, break_anywhere: true, ..TextWrapping::default() };
    painter.layout_job(job)
}

/// At most `rows` lines; the last ends in … where more would follow.
pub fn lines(painter: &Painter, text: &str, font: FontId, color: Color32, width: f32, rows: usize) -> Arc<Galley> {
    let mut job = LayoutJob::single_section(text.to_owned(), TextFormat::simple(font, color));
    job.wrap = TextWrapping { max_width: width.max(0.0), max_rows: rows, ..TextWrapping::default() };
    painter.layout_job(job)
}

/// Paints one line, cut to `width`, and returns where it lies.
pub fn line_at(painter: &Painter, at: Pos2, anchor: Align2, text: &str, font: FontId, color: Color32, width: f32) -> Rect {
    let galley = fit(painter, text, font, color, width);
    let rect = anchor.anchor_size(at, galley.size());
    painter.galley(rect.min, galley, color);
    rect
}

/// Paints an icon with its ink, not its box, in the middle of `at`.
pub fn glyph_at(painter: &Painter, at: Pos2, glyph: char, size: f32, color: Color32) {
    let galley = painter.layout_no_wrap(glyph.to_string(), icon_font(size), color);
    painter.galley(at - galley.mesh_bounds.center().to_vec2(), galley, color);
}

pub fn strong(text: impl Into<String>, size: f32, color: Color32) -> RichText {
    RichText::new(text).font(font(size, Weight::Strong)).color(color)
}

pub fn plain(text: impl Into<String>, size: f32, color: Color32) -> RichText {
    RichText::new(text).font(font(size, Weight::Regular)).color(color)
}

pub fn code(text: impl Into<String>, size: f32, color: Color32) -> RichText {
    RichText::new(text).font(mono(size)).color(color)
}

pub fn icon(glyph: char, size: f32, color: Color32) -> RichText {
    RichText::new(glyph).font(icon_font(size)).color(color)
}

/// The small heading over a list.
pub fn heading(ui: &mut Ui, text: &str) -> Response {
    let t = Tokens::of(ui);
    ui.label(strong(text, SMALL, t.dim))
}

pub fn title(ui: &mut Ui, text: &str) -> Response {
    let t = Tokens::of(ui);
    ui.label(strong(text, TITLE, t.text))
}

/// A panel with rounded corners.
pub fn card(t: &Tokens) -> Frame {
    Frame::new()
        .fill(t.panel)
        .stroke(t.hairline())
        .corner_radius(CornerRadius::same(RADIUS_CARD))
        .inner_margin(Margin::same(20))
}

/// A child that fills `rect`.
pub fn inside<R>(ui: &mut Ui, rect: Rect, name: &str, add: impl FnOnce(&mut Ui) -> R) -> R {
    let mut child = ui.new_child(UiBuilder::new().id_salt(name).max_rect(rect).layout(Layout::top_down(Align::Min)));
    // A little more than the room itself, so that rings around what has the keyboard are whole.
    child.set_clip_rect(rect.expand(5.0).intersect(ui.clip_rect()));
    add(&mut child)
}

/// A card that fills `rect`, whatever is in it.
pub fn card_in<R>(ui: &mut Ui, rect: Rect, name: &str, add: impl FnOnce(&mut Ui) -> R) -> R {
    let t = Tokens::of(ui);
    ui.painter().rect(rect, CornerRadius::same(RADIUS_CARD), t.panel, t.hairline(), StrokeKind::Inside);
    inside(ui, rect.shrink2(vec2(20.0, 16.0)), name, add)
}

/// Around what has the keyboard: apart from the edge, so that it is seen on every colour.
pub fn focus_ring(painter: &Painter, rect: Rect, radius: u8, t: &Tokens) {
    let ring = Stroke::new(2.0, t.work);
    painter.rect_stroke(rect.expand(2.0), CornerRadius::same(radius + 2), ring, StrokeKind::Outside);
}

/// The ring of a row in a list, which has no room around it.
pub fn row_ring(painter: &Painter, rect: Rect, response: &Response, t: &Tokens) {
    if response.has_focus() {
        painter.rect_stroke(rect, CornerRadius::same(RADIUS_CONTROL), Stroke::new(2.0, t.work), StrokeKind::Inside);
    }
}

/// How a button looks: its edge and words have this colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Go,
    Danger,
    Human,
    Selected,
}

/// A button with an optional icon and the key that does the same.
pub struct Press<'a> {
    words: &'a str,
    label: &'a str,
    icon: Option<char>,
    key: Option<&'a str>,
    tone: Tone,
    enabled: bool,
    width: Option<f32>,
    height: f32,
}

impl<'a> Press<'a> {
    pub fn new(words: &'a str) -> Self {
        Self { words, label: words, icon: None, key: None, tone: Tone::Plain, enabled: true, width: None, height: 34.0 }
    }

    /// What is read aloud, where that differs from what is seen.
    pub fn label(mut self, label: &'a str) -> Self {
        self.label = label;
        self
    }

    pub fn icon(mut self, icon: char) -> Self {
        self.icon = Some(icon);
        self
    }

    pub fn key(mut self, key: &'a str) -> Self {
        self.key = Some(key);
        self
    }

    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    pub fn size(mut self, width: f32, height: f32) -> Self {
        self.width = Some(width);
        self.height = height;
        self
    }

    fn colors(&self, t: &Tokens) -> (Color32, Color32, Color32) {
        match self.tone {
            _ if !self.enabled => (t.faint, t.line, t.panel),
            Tone::Plain => (t.text, t.line, t.raised),
            Tone::Go => (t.done, t.done, t.panel),
            Tone::Danger => (t.fail, t.fail, t.panel),
            Tone::Human => (t.human, t.human, t.panel),
            Tone::Selected => (t.text, t.dim, t.raised),
        }
    }

    pub fn show(self, ui: &mut Ui) -> Response {
        let t = Tokens::of(ui);
        let (ink, edge, fill) = self.colors(t);
        let painter = ui.painter().clone();
        let icon = self.icon.map(|glyph| painter.layout_no_wrap(glyph.to_string(), icon_font(BODY + 2.0), ink));
        let key =
            self.key.map(|key| painter.layout_no_wrap(key.to_owned(), mono(SMALL), if self.enabled { t.dim } else { ink }));
        let room = self.width.unwrap_or(360.0) - 24.0;
        let words = fit(&painter, self.words, font(BODY, Weight::Strong), ink, room);
        let gap = 8.0;
        // An icon is as wide as its ink: its box is not centred around it.
        let icon = icon.map(|galley| (galley.mesh_bounds.left(), galley.mesh_bounds.width(), galley));
        let texts = Some(words).filter(|_| !self.words.is_empty()).into_iter().chain(key);
        let texts = texts.map(|galley| (0.0, galley.size().x, galley));
        let parts: Vec<(f32, f32, Arc<Galley>)> = icon.into_iter().chain(texts).collect();
        let inner = parts.iter().map(|(_, width, _)| width).sum::<f32>() + gap * (parts.len().max(1) - 1) as f32;
        let size = vec2(self.width.unwrap_or(inner + 28.0), self.height);
        let sense = if self.enabled { Sense::click() } else { Sense::hover() };
        let (rect, response) = ui.allocate_exact_size(size, sense);
        let (enabled, label) = (self.enabled, self.label);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, label));
        if ui.is_rect_visible(rect) {
            let fill = if response.is_pointer_button_down_on() {
                t.line
            } else if response.hovered() && self.enabled {
                t.raised
            } else {
                fill
            };
            painter.rect(rect, CornerRadius::same(RADIUS_CONTROL), fill, Stroke::new(1.0, edge), StrokeKind::Inside);
            if response.has_focus() {
                focus_ring(&painter, rect, RADIUS_CONTROL, t);
            }
            let mut x = rect.center().x - inner / 2.0;
            for (left, width, galley) in parts {
                let at = pos2(x - left, rect.center().y - galley.size().y / 2.0);
                x += width + gap;
                painter.galley(at, galley, ink);
            }
        }
        if self.enabled { response.on_hover_cursor(CursorIcon::PointingHand) } else { response }
    }
}

/// A link-like text that can be clicked.
pub fn link(ui: &mut Ui, words: &str, color: Color32) -> Response {
    let text = RichText::new(words).font(font(SMALL + 1.0, Weight::Regular)).color(color).underline();
    let response = ui.add(egui::Label::new(text).sense(Sense::click()).wrap());
    response.widget_info(|| WidgetInfo::labeled(Role::Link, true, words));
    if response.has_focus() {
        focus_ring(ui.painter(), response.rect, 2, Tokens::of(ui));
    }
    response.on_hover_cursor(CursorIcon::PointingHand)
}

/// A row of choices, one of them taken.
pub fn choices<T: PartialEq + Copy>(ui: &mut Ui, name: &str, value: &mut T, all: &[(T, &str)]) -> bool {
    let mut changed = false;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        for (choice, words) in all {
            let tone = if value == choice { Tone::Selected } else { Tone::Plain };
            let spoken = format!("{name}: {words}");
            let mut press = Press::new(words).label(&spoken).tone(tone);
            press.height = 30.0;
            if press.show(ui).clicked() && value != choice {
                *value = *choice;
                changed = true;
            }
        }
    });
    changed
}

/// The state as shape and word.
pub fn state_tag(ui: &mut Ui, look: &StateLook) -> Response {
    let words = ui.painter().layout_no_wrap(look.word.clone(), font(SMALL + 1.0, Weight::Strong), look.color);
    let (rect, response) = ui.allocate_exact_size(vec2(words.size().x + 18.0, 20.0), Sense::hover());
    paint_mark(ui.painter(), pos2(rect.left() + 6.0, rect.center().y), look.mark, look.color);
    ui.painter().galley(pos2(rect.left() + 18.0, rect.center().y - words.size().y / 2.0), words, look.color);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &look.word));
    response
}

/// A thin bar; `permille` of it is filled.
pub fn progress(painter: &Painter, rect: Rect, permille: u16, t: &Tokens, color: Color32) {
    painter.rect_filled(rect, 2, t.line);
    let mut filled = rect;
    filled.set_width(rect.width() * f32::from(permille.min(1000)) / 1000.0);
    if permille > 0 {
        painter.rect_filled(filled, 2, color);
    }
}

/// A name and what it stands for, side by side.
pub fn fact(ui: &mut Ui, name: &str, value: impl FnOnce(&mut Ui)) {
    let t = Tokens::of(ui);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().interact_size.y = 18.0;
        let room = ui.available_width();
        let names = (room * 0.36).clamp(104.0, 124.0);
        ui.allocate_ui_with_layout(vec2(names, 18.0), Layout::top_down(Align::Min), |ui| {
            ui.set_width(names);
            ui.add(egui::Label::new(plain(name, BODY, t.dim)).wrap());
        });
        let values = room - names - 8.0;
        ui.allocate_ui_with_layout(vec2(values, 18.0), Layout::top_down(Align::Min), |ui| {
            ui.set_width(values);
            ui.spacing_mut().item_spacing.y = 3.0;
            value(ui);
        });
    });
}

pub fn fact_text(ui: &mut Ui, name: &str, value: &str) {
    let t = Tokens::of(ui);
    fact(ui, name, |ui| {
        ui.add(egui::Label::new(plain(value, BODY, t.text)).wrap());
    });
}

/// What is missing here, and the next step.
pub fn empty(ui: &mut Ui, glyph: char, what: &str, next: &str, add: impl FnOnce(&mut Ui)) {
    let t = Tokens::of(ui);
    let room = ui.available_rect_before_wrap();
    ui.vertical_centered(|ui| {
        ui.add_space((room.height() / 2.0 - 90.0).max(8.0));
        let mark = ui.label(icon(glyph, 40.0, t.faint));
        mark.widget_info(|| WidgetInfo::labeled(Role::Image, true, ""));
        ui.add_space(8.0);
        ui.label(strong(what, 16.0, t.text));
        ui.add_space(2.0);
        ui.allocate_ui_with_layout(vec2(460.0_f32.min(room.width()), 20.0), Layout::top_down(Align::Center), |ui| {
            ui.add(egui::Label::new(plain(next, BODY, t.dim)).wrap());
        });
        ui.add_space(8.0);
        add(ui);
    });
}

/// A line over the whole width.
pub fn rule(ui: &mut Ui) {
    let t = Tokens::of(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 1.0), Sense::hover());
    ui.painter().hline(rect.x_range(), rect.center().y, t.hairline());
}

/// A window in the middle, over a dimmed console. Escape or a click outside closes it.
pub fn dialog<R>(ctx: &egui::Context, name: &str, width: f32, add: impl FnOnce(&mut Ui) -> R) -> (R, bool) {
    let t = Tokens::dark(ctx.global_style().visuals.dark_mode);
    let frame = card(t).inner_margin(Margin::same(24));
    let modal = egui::Modal::new(egui::Id::unique(("dialog", name))).frame(frame).backdrop_color(t.scrim).show(ctx, |ui| {
        ui.set_width(width);
        add(ui)
    });
    let close = modal.should_close();
    (modal.inner, close)
}

/// A text field of the house.
pub fn field(ui: &mut Ui, label: &str, hint: &str, text: &mut String, rows: usize) -> Response {
    let t = Tokens::of(ui);
    let edit = if rows > 1 { egui::TextEdit::multiline(text).desired_rows(rows) } else { egui::TextEdit::singleline(text) };
    let edit =
        edit.hint_text(plain(hint, BODY, t.dim)).desired_width(f32::INFINITY).margin(Margin::symmetric(10, 8)).char_limit(2000);
    ui.add(edit).accessible_name(label)
}

/// A card's worth of room, cut at `height`.
pub fn take(ui: &mut Ui, size: Vec2) -> Rect {
    ui.allocate_exact_size(size, Sense::hover()).0
}

/// The number in a small filled pill.
pub fn pill(painter: &Painter, center: Pos2, text: &str, fill: Color32, ink: Color32) {
    let galley = painter.layout_no_wrap(text.to_owned(), font(SMALL - 1.0, Weight::Strong), ink);
    let size = vec2((galley.size().x + 9.0).max(16.0), 16.0);
    let rect = Rect::from_center_size(center, size);
    painter.rect_filled(rect, 8, fill);
    painter.galley(rect.center() - galley.size() / 2.0, galley, ink);
}

/// The edge that says who drives, what needs a person, or nothing special.
pub fn edge(painter: &Painter, rect: Rect, stroke: Stroke) {
    painter.rect_stroke(rect, CornerRadius::same(tokens::RADIUS_CARD), stroke, StrokeKind::Inside);
}
