//! A worker's desktop on the screen: fitted, never distorted, with the last action drawn over it.

use egui::{Align2, Color32, CornerRadius, Painter, Pos2, Rect, Stroke, pos2, vec2};
use mz_protocol::{Action, Point, Size, Timestamp, WorkerView};

use crate::icons;
use crate::pictures::Picture;
use crate::say;
use crate::tokens::{SMALL, Tokens, icon_font, mono};
use crate::widgets::fit;

/// For how long the last action stays drawn on the picture.
const ACTION_SHOWN_MS: u64 = 8_000;

/// Where a picture lies, and how its pixels map to the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    pub rect: Rect,
    /// The size of the desktop itself, which a smaller picture of it stands for.
    pub desktop: Size,
}

impl Placed {
    /// The largest place in `room` that keeps the shape.
    pub fn fit(room: Rect, desktop: Size) -> Self {
        let (w, h) = (f32::from(desktop.width.max(1)), f32::from(desktop.height.max(1)));
        let scale = (room.width() / w).min(room.height() / h);
        Self { rect: Rect::from_center_size(room.center(), vec2(w * scale, h * scale)), desktop }
    }

    /// Pixel for pixel, with `region` in the middle as far as the picture reaches; `room` shows a part of it.
    pub fn around(room: Rect, desktop: Size, region: mz_protocol::Rect, pixels_per_point: f32) -> Self {
        let scale = 1.0 / pixels_per_point;
        let size = vec2(f32::from(desktop.width), f32::from(desktop.height)) * scale;
        let middle =
            vec2(f32::from(region.x), f32::from(region.y)) + vec2(f32::from(region.width), f32::from(region.height)) / 2.0;
        let place = |room: std::ops::RangeInclusive<f32>, side: f32, middle: f32| {
            let (low, high) = (*room.start(), *room.end());
            if side <= high - low {
                low + (high - low - side) / 2.0
            } else {
                ((low + high) / 2.0 - middle).clamp(high - side, low)
            }
        };
        let (xs, ys) = (room.left()..=room.right(), room.top()..=room.bottom());
        let min = pos2(place(xs, size.x, middle.x * scale).round(), place(ys, size.y, middle.y * scale).round());
        Self { rect: Rect::from_min_size(min, size), desktop }
    }

    fn scale(&self) -> f32 {
        self.rect.width() / f32::from(self.desktop.width.max(1))
    }

    /// The middle of a desktop pixel, on the screen.
    pub fn to_screen(&self, point: Point) -> Pos2 {
        self.rect.min + vec2(f32::from(point.x) + 0.5, f32::from(point.y) + 0.5) * self.scale()
    }

    /// The desktop pixel under a place on the screen; None beside the picture.
    pub fn to_desktop(&self, at: Pos2) -> Option<Point> {
        let inside = (at - self.rect.min) / self.scale();
        let hit = inside.x >= 0.0
            && inside.y >= 0.0
            && inside.x < f32::from(self.desktop.width)
            && inside.y < f32::from(self.desktop.height);
        hit.then(|| Point::new(inside.x as u16, inside.y as u16))
    }

    pub fn region(&self, region: mz_protocol::Rect) -> Rect {
        let scale = self.scale();
        let at = self.rect.min + vec2(f32::from(region.x), f32::from(region.y)) * scale;
        Rect::from_min_size(at, vec2(f32::from(region.width), f32::from(region.height)) * scale)
    }
}

/// Draws the picture; `faded` where it is no longer true.
pub fn paint(painter: &Painter, placed: Placed, picture: &Picture, corner: u8, faded: bool) {
    let tint = if faded { Color32::from_white_alpha(90) } else { Color32::WHITE };
    let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    let shape = egui::epaint::RectShape::filled(placed.rect, CornerRadius::same(corner), tint);
    painter.add(shape.with_texture(picture.texture.id(), uv));
}

/// Rings the last click and shows the last typed text, while they are fresh.
pub fn paint_last_action(painter: &Painter, placed: Placed, worker: &WorkerView, now: Timestamp, t: &Tokens) {
    let (Some(action), Some(at)) = (&worker.last_action, worker.last_action_at) else { return };
    if now.since(at).0 > ACTION_SHOWN_MS {
        return;
    }
    if let Some(point) = action.place() {
        let center = placed.to_screen(point);
        // Light on dark, so that it is seen on a page as well as in a terminal.
        let halo = Stroke::new(5.0, t.chip);
        let line = Stroke::new(2.0, t.picture_accent);
        if let Action::Drag { from, .. } = action {
            let ends = [placed.to_screen(*from), center];
            painter.line_segment(ends, halo);
            painter.line_segment(ends, line);
        }
        painter.circle_filled(center, 11.0, t.picture_accent.gamma_multiply(0.16));
        painter.circle_stroke(center, 11.0, halo);
        painter.circle_stroke(center, 11.0, line);
    }
    if let Some(text) = say::typed(action) {
        chip(
            painter,
            placed.rect.left_bottom() + vec2(10.0, -10.0),
            Some(icons::KEYBOARD),
            &text,
            placed.rect.width() - 20.0,
            t,
        );
    }
}

/// Words on a dark patch, with their left bottom corner at `at`.
pub fn chip(painter: &Painter, at: Pos2, icon: Option<char>, text: &str, width: f32, t: &Tokens) {
    let lead = if icon.is_some() { 20.0 } else { 0.0 };
    let words = fit(painter, text, mono(SMALL), t.on_chip, width - 18.0 - lead);
    let size = vec2(words.size().x + 18.0 + lead, 22.0);
    let rect = Rect::from_min_size(at - vec2(0.0, size.y), size);
    painter.rect_filled(rect, 6, t.chip);
    if let Some(glyph) = icon {
        painter.text(pos2(rect.left() + 9.0, rect.center().y), Align2::LEFT_CENTER, glyph, icon_font(SMALL + 2.0), t.on_chip);
    }
    painter.galley(pos2(rect.left() + 9.0 + lead, rect.center().y - words.size().y / 2.0), words, t.on_chip);
}

/// Whether a picture lags behind what its worker did: not that it is old, since a desktop at rest sends none.
pub fn is_stalled(worker: &WorkerView, captured: Timestamp, now: Timestamp) -> bool {
    let acted = worker.last_action_at.unwrap_or_default();
    acted.since(captured).0 > 3_000 && now.since(captured).0 > 5_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_map_there_and_back() {
        let placed = Placed::fit(Rect::from_min_size(pos2(10.0, 20.0), vec2(700.0, 400.0)), Size::DESKTOP);
        assert!((placed.rect.width() / placed.rect.height() - 1.6).abs() < 1e-3);
        for point in [Point::new(0, 0), Point::new(1279, 799), Point::new(640, 400)] {
            assert_eq!(placed.to_desktop(placed.to_screen(point)), Some(point));
        }
        assert_eq!(placed.to_desktop(placed.rect.min - vec2(1.0, 0.0)), None);
        assert_eq!(placed.to_desktop(placed.rect.max + vec2(1.0, 1.0)), None);
    }

    #[test]
    fn pixel_for_pixel_the_target_is_in_the_middle_and_no_edge_gapes() {
        let room = Rect::from_min_size(pos2(100.0, 50.0), vec2(600.0, 400.0));
        let inner = mz_protocol::Rect::new(600, 380, 80, 40);
        let placed = Placed::around(room, Size::DESKTOP, inner, 1.0);
        assert_eq!(placed.region(inner).center(), room.center());
        for corner in [mz_protocol::Rect::new(0, 0, 20, 20), mz_protocol::Rect::new(1260, 780, 20, 20)] {
            let placed = Placed::around(room, Size::DESKTOP, corner, 1.0);
            assert!(placed.rect.contains_rect(room) && room.contains_rect(placed.region(corner)));
        }
    }
}
