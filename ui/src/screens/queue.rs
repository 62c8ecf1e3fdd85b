//! Rows of the queue: what waits for an answer, and how others ended.

use egui::{Align2, CornerRadius, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use mz_protocol::{ApprovalRequest, ApprovalState, Timestamp};

use crate::model::Model;
use crate::say;
use crate::tokens::{BODY, RADIUS_CONTROL, SMALL, Tokens, Weight, font};
use crate::widgets::{fit, heading, line_at, row_ring};

pub fn queue_row(ui: &mut Ui, model: &Model, request: &ApprovalRequest, left: &str, here: bool) -> bool {
    let t = Tokens::of(ui);
    let p = &request.proposal;
    let title = format!("{} · {}", model.worker_name(&p.worker), model.department_name(&p.department));
    row(ui, &title, &say::proposal(p), left, t.need, here)
}

/// Two lines and a time; true when pressed.
pub fn row(ui: &mut Ui, title: &str, below: &str, right: &str, color: egui::Color32, here: bool) -> bool {
    let t = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 58.0), Sense::click());
    let spoken = format!("{title}: {below}");
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, here, &spoken));
    if here || response.hovered() {
        ui.painter().rect_filled(rect, CornerRadius::same(RADIUS_CONTROL), t.raised);
    }
    row_ring(ui.painter(), rect, &response, t);
    let inner = rect.shrink2(vec2(12.0, 9.0));
    let time = line_at(ui.painter(), inner.right_top(), Align2::RIGHT_TOP, right, font(BODY, Weight::Regular), color, 90.0);
    let room = inner.width() - time.width() - 8.0;
    line_at(ui.painter(), inner.left_top(), Align2::LEFT_TOP, title, font(BODY, Weight::Strong), t.text, room);
    let small = font(SMALL + 1.0, Weight::Regular);
    line_at(ui.painter(), inner.left_bottom(), Align2::LEFT_BOTTOM, below, small, t.dim, inner.width());
    response.clicked()
}

/// What was answered or came to nothing, newest first.
pub fn show_decided(ui: &mut Ui, model: &Model) {
    let t = Tokens::of(ui);
    let decided = model.snapshot.iter().flat_map(|s| &s.approvals).filter_map(|a| Some((a, outcome(&a.state)?)));
    let mut decided: Vec<_> = decided.collect();
    decided.sort_by_key(|(_, (_, at))| std::cmp::Reverse(*at));
    if decided.is_empty() {
        return;
    }
    ui.add_space(14.0);
    heading(ui, "Decided today");
    for (view, (word, at)) in decided.into_iter().take(20) {
        let p = &view.request.proposal;
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 48.0), Sense::hover());
        let inner = rect.shrink2(vec2(12.0, 6.0));
        let (painter, small) = (ui.painter(), font(SMALL + 1.0, Weight::Regular));
        let time = fit(painter, &model.clock.minutes(at), small.clone(), t.dim, 100.0);
        let room = inner.width() - time.size().x - 8.0;
        painter.galley(pos2(inner.right() - time.size().x, inner.top() + 1.0), time, t.dim);
        line_at(
            painter,
            inner.left_top(),
            Align2::LEFT_TOP,
            &model.worker_name(&p.worker),
            font(BODY, Weight::Strong),
            t.text,
            room,
        );
        let words = format!("{word} · {}", say::proposal(p));
        line_at(painter, inner.left_bottom(), Align2::LEFT_BOTTOM, &words, small, t.dim, inner.width());
    }
}

/// How a closed question ended.
fn outcome(state: &ApprovalState) -> Option<(String, Timestamp)> {
    Some(match state {
        ApprovalState::Waiting { .. } => return None,
        ApprovalState::Approved { at, .. } | ApprovalState::Used { at, .. } => ("Approved".to_owned(), *at),
        ApprovalState::Vetoed { at, .. } => ("Vetoed".to_owned(), *at),
        ApprovalState::Edited { at, .. } => ("Edited".to_owned(), *at),
        ApprovalState::TakenOver { at, .. } => ("Taken over".to_owned(), *at),
        ApprovalState::Void { why, at } => (void(why).to_owned(), *at),
    })
}

fn void(why: &mz_protocol::VoidReason) -> &'static str {
    use mz_protocol::VoidReason as V;
    match why {
        V::ScreenChanged => "Void, the screen changed",
        V::ActionChanged => "Void, the action changed",
        V::Expired => "Not answered",
        V::Stopped => "Void, stopped",
        V::TakenOver => "Void, taken over",
        V::WorkerGone => "Void, the worker ended",
        V::EngineRestarted => "Void, the engine restarted",
        V::OrderEnded => "Void, the work order ended",
    }
}
