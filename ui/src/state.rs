//! How a state looks: its word, its shape, its colour, its place on the wall. In one place, so that all screens agree.

use egui::{Align2, Color32, Painter, Pos2, Shape, Stroke, Vec2, vec2};
use mz_protocol::{OrderState, PersonId, Snapshot, WorkerState, WorkerView};

use crate::tokens::{Tokens, icon_font};

/// One man in twelve does not tell red from green, so each state has a shape of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A triangle with its tip up.
    Need,
    Human,
    Cross,
    Dot,
    HalfDot,
    Ring,
    Square,
    Check,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StateLook {
    pub word: String,
    pub mark: Mark,
    pub color: Color32,
    /// Smaller stands first on the wall.
    pub rank: u8,
}

impl StateLook {
    pub fn of_worker(worker: &WorkerView, me: &PersonId, t: &Tokens) -> Self {
        let look = |word: &str, mark, color, rank| Self { word: word.to_owned(), mark, color, rank };
        match &worker.state {
            WorkerState::NeedsApproval { .. } => look("Needs you", Mark::Need, t.need, 0),
            WorkerState::NeedsHelp { .. } => look("Needs help", Mark::Need, t.need, 0),
            WorkerState::Driven { by, .. } if by == me => look("You are driving", Mark::Human, t.human, 1),
            WorkerState::Driven { by, .. } => look(&format!("{by} is driving"), Mark::Human, t.human, 1),
            WorkerState::Failed { .. } => look("Failed", Mark::Cross, t.fail, 2),
            WorkerState::Working => look("Working", Mark::Dot, t.work, 3),
            WorkerState::Starting => look("Starting", Mark::HalfDot, t.work, 3),
            WorkerState::Idle => look("Idle", Mark::Ring, t.idle, 4),
            WorkerState::Stopped { .. } => look("Stopped", Mark::Square, t.idle, 5),
        }
    }

    pub fn of_order(state: OrderState, t: &Tokens) -> Self {
        let look = |word: &str, mark, color, rank| Self { word: word.to_owned(), mark, color, rank };
        match state {
            OrderState::NeedsApproval => look("Needs approval", Mark::Need, t.need, 0),
            OrderState::NeedsHelp => look("Needs help", Mark::Need, t.need, 0),
            OrderState::InProgress => look("In progress", Mark::Dot, t.work, 1),
            OrderState::InReview => look("In review", Mark::HalfDot, t.work, 2),
            OrderState::Todo => look("To do", Mark::Ring, t.idle, 3),
            OrderState::Backlog => look("Backlog", Mark::Ring, t.idle, 4),
            OrderState::Failed => look("Failed", Mark::Cross, t.fail, 5),
            OrderState::Done => look("Done", Mark::Check, t.done, 6),
            OrderState::Cancelled => look("Cancelled", Mark::Square, t.idle, 7),
        }
    }
}

/// Draws a mark of about ten points around `at`.
pub fn paint_mark(painter: &Painter, at: Pos2, mark: Mark, color: Color32) {
    let r = 4.5;
    let line = Stroke::new(1.8, color);
    match mark {
        Mark::Need => {
            let tips = vec![at + vec2(0.0, -r - 0.5), at + vec2(r + 0.5, r - 0.5), at + vec2(-r - 0.5, r - 0.5)];
            painter.add(Shape::convex_polygon(tips, color, Stroke::NONE));
        }
        Mark::Human => {
            painter.text(at, Align2::CENTER_CENTER, crate::icons::DRIVE, icon_font(14.0), color);
        }
        Mark::Cross => {
            let d = Vec2::splat(r - 0.5);
            painter.line_segment([at - d, at + d], line);
            painter.line_segment([at + vec2(-d.x, d.y), at + vec2(d.x, -d.y)], line);
        }
        Mark::Dot => {
            painter.circle_filled(at, r - 0.3, color);
        }
        Mark::HalfDot => {
            painter.circle_stroke(at, r - 0.8, Stroke::new(1.5, color));
            painter.circle_filled(at, 1.8, color);
        }
        Mark::Ring => {
            painter.circle_stroke(at, r - 0.8, Stroke::new(1.5, color));
        }
        Mark::Square => {
            painter.rect_filled(egui::Rect::from_center_size(at, Vec2::splat(8.0)), 1, color);
        }
        Mark::Check => {
            painter.line_segment([at + vec2(-4.0, 0.5), at + vec2(-1.0, 3.5)], line);
            painter.line_segment([at + vec2(-1.0, 3.5), at + vec2(4.5, -3.0)], line);
        }
    }
}

/// The counts in the top bar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub working: usize,
    pub need: usize,
    pub driven: usize,
    pub failed: usize,
    pub idle: usize,
    pub stopped: usize,
}

impl Counts {
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut counts = Self::default();
        for worker in &snapshot.workers {
            let count = match worker.state {
                WorkerState::NeedsApproval { .. } | WorkerState::NeedsHelp { .. } => &mut counts.need,
                WorkerState::Driven { .. } => &mut counts.driven,
                WorkerState::Failed { .. } => &mut counts.failed,
                WorkerState::Starting | WorkerState::Working => &mut counts.working,
                WorkerState::Idle => &mut counts.idle,
                WorkerState::Stopped { .. } => &mut counts.stopped,
            };
            *count += 1;
        }
        counts
    }
}
