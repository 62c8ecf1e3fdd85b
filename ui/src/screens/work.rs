//! Objectives and their work orders, as a board and as a table.

use egui::{Align2, ComboBox, CornerRadius, CursorIcon, Rect, Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};
use mz_protocol::{Command, DepartmentId, ObjectiveId, OrderState, OrderView, Snapshot, WorkOrderId};

use crate::desk::Desk;
use crate::icons;
use crate::model::Model;
use crate::screens::order::{self, Wish};
use crate::state::{StateLook, paint_mark};
use crate::tokens::{BODY, RADIUS_CONTROL, SMALL, Tokens, Weight, font};
use crate::widgets::{
    Press, Tone, card_in, choices, dialog, empty, field, heading, inside, line_at, plain, progress, row_ring, strong, title,
};

/// Widths of the objectives and of an order's details: less where the window is narrow.
fn widths(room: f32) -> (f32, f32) {
    ((room * 0.2).clamp(216.0, 340.0), (room * 0.29).clamp(350.0, 480.0))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Form {
    #[default]
    Board,
    Table,
}

#[derive(Default)]
pub struct Work {
    form: Form,
    objective: Option<ObjectiveId>,
    open: Option<WorkOrderId>,
    adding: Option<(String, Option<DepartmentId>)>,
    cancelling: Option<(WorkOrderId, String)>,
}

/// The board's columns: states that mean the same to a manager stand together.
const COLUMNS: [(&str, &[OrderState]); 5] = [
    ("Needs you", &[OrderState::NeedsApproval, OrderState::NeedsHelp]),
    ("To do", &[OrderState::Todo, OrderState::Backlog]),
    ("In progress", &[OrderState::InProgress, OrderState::InReview]),
    ("Done", &[OrderState::Done]),
    ("Failed or cancelled", &[OrderState::Failed, OrderState::Cancelled]),
];

impl Work {
    /// Shows one order's details.
    pub fn open(&mut self, order: WorkOrderId) {
        self.objective = None;
        self.open = Some(order);
    }

    pub fn show(&mut self, ui: &mut Ui, desk: &mut Desk) {
        let Some(snapshot) = desk.model.snapshot.clone() else { return };
        let room = ui.available_rect_before_wrap();
        let (list, details) = widths(room.width());
        let list = Rect::from_min_size(room.min, vec2(list, room.height()));
        inside(ui, list, "objectives", |ui| self.show_objectives(ui, &snapshot));
        let mut rest = Rect::from_min_max(pos2(list.right() + 20.0, room.top()), room.max);
        let open = self.open.as_ref().and_then(|id| snapshot.orders.iter().find(|o| o.order.id == *id)).cloned();
        if let Some(view) = &open {
            let detail = Rect::from_min_max(pos2(rest.right() - details, rest.top()), rest.max);
            rest.set_right(detail.left() - 20.0);
            match card_in(ui, detail, "order", |ui| order::show(ui, desk, view)) {
                Some(Wish::Close) => self.open = None,
                Some(Wish::Cancel) => self.cancelling = Some((view.order.id.clone(), String::new())),
                None => {}
            }
        }
        inside(ui, rest, "orders", |ui| self.show_orders(ui, desk.model, &snapshot));
        self.show_adding(ui.ctx(), desk, &snapshot);
        self.show_cancelling(ui.ctx(), desk);
    }

    fn show_cancelling(&mut self, ctx: &egui::Context, desk: &mut Desk) {
        let Some((order, mut reason)) = self.cancelling.take() else { return };
        let t = Tokens::dark(ctx.global_style().visuals.dark_mode);
        let title = desk.model.order_title(&order).unwrap_or_default();
        let ((yes, no), close) = dialog(ctx, "cancel", 460.0, |ui| {
            ui.add(egui::Label::new(strong(format!("Cancel “{title}”?"), 16.0, t.text)).wrap());
            let hint = "It ends for good. What its worker has done so far stays as it is.";
            ui.add(egui::Label::new(plain(hint, SMALL + 1.0, t.dim)).wrap());
            ui.add_space(4.0);
            let edit = field(ui, "Why is it cancelled?", "Why, for the record", &mut reason, 2);
            if ui.memory(|m| m.focused().is_none()) {
                edit.request_focus();
            }
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                let full = !reason.trim().is_empty();
                let press = Press::new("Cancel the order").label("Cancel it now").key("Ctrl+Enter").tone(Tone::Danger);
                let yes = press.enabled(full).show(ui).clicked();
                let key = full && ui.input_mut(|i| i.consume_key(egui::Modifiers::CTRL, egui::Key::Enter));
                (yes || key, Press::new("Keep it").key("Esc").show(ui).clicked())
            })
            .inner
        });
        if yes {
            desk.model.send(Command::Cancel { order, reason: reason.trim().to_owned() });
        } else if !no && !close {
            self.cancelling = Some((order, reason));
        }
    }

    fn show_objectives(&mut self, ui: &mut Ui, snapshot: &Snapshot) {
        let t = Tokens::of(ui);
        heading(ui, "Objectives");
        ui.add_space(2.0);
        if Press::new("Add an objective…")
            .label("Add an objective")
            .icon(icons::PLUS)
            .size(ui.available_width(), 36.0)
            .show(ui)
            .clicked()
        {
            self.adding = Some((String::new(), None));
        }
        ui.add_space(6.0);
        ScrollArea::vertical().id_salt("objectives").auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            let orders: Vec<&OrderView> = snapshot.orders.iter().collect();
            if objective_row(ui, "All work orders", &orders, self.objective.is_none()) {
                self.objective = None;
            }
            for view in &snapshot.objectives {
                let own: Vec<&OrderView> = snapshot.orders.iter().filter(|o| view.orders.contains(&o.order.id)).collect();
                if objective_row(ui, &view.objective.text, &own, self.objective.as_ref() == Some(&view.objective.id)) {
                    self.objective = Some(view.objective.id.clone());
                }
            }
            if snapshot.objectives.is_empty() {
                let words = "No objective yet. Say in a sentence what you want; the departments make work orders of it.";
                ui.add(egui::Label::new(plain(words, SMALL + 1.0, t.dim)).wrap());
            }
        });
    }

    fn show_orders(&mut self, ui: &mut Ui, model: &Model, snapshot: &Snapshot) {
        let t = Tokens::of(ui);
        let objective = snapshot.objectives.iter().find(|o| Some(&o.objective.id) == self.objective.as_ref());
        let mut orders: Vec<&OrderView> = snapshot.orders.iter().collect();
        if let Some(view) = objective {
            orders.retain(|o| view.orders.contains(&o.order.id));
        }
        ui.horizontal(|ui| {
            title(ui, "Work orders");
            ui.label(plain(format!("{}", orders.len()), BODY, t.dim));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                choices(ui, "Show as", &mut self.form, &[(Form::Table, "Table"), (Form::Board, "Board")]);
            });
        });
        if let Some(view) = objective {
            ui.add(egui::Label::new(plain(&view.objective.text, BODY, t.dim)).wrap());
        }
        ui.add_space(8.0);
        if orders.is_empty() {
            let next = "Add an objective, or put work orders into the company folder under orders/.";
            return empty(ui, icons::TRAY, "No work orders here", next, |_| {});
        }
        match self.form {
            Form::Board => self.show_board(ui, model, &orders),
            Form::Table => self.show_table(ui, model, &orders),
        }
    }

    fn show_board(&mut self, ui: &mut Ui, model: &Model, orders: &[&OrderView]) {
        let t = Tokens::of(ui);
        let room = ui.available_rect_before_wrap();
        let gap = 12.0;
        let count = COLUMNS.len() as f32;
        let width = ((room.width() - gap * (count - 1.0)) / count).max(170.0);
        ScrollArea::horizontal().id_salt("board").auto_shrink(false).show(ui, |ui| {
            let start = ui.cursor().min;
            ui.allocate_exact_size(vec2(width * count + gap * (count - 1.0), room.height()), Sense::hover());
            for (index, (name, states)) in COLUMNS.iter().enumerate() {
                let at = start + vec2(index as f32 * (width + gap), 0.0);
                let column = Rect::from_min_size(at, vec2(width, room.height()));
                let mine: Vec<_> = orders.iter().filter(|o| states.contains(&model.order_state(o))).collect();
                inside(ui, column, name, |ui| {
                    ui.horizontal(|ui| {
                        heading(ui, name);
                        ui.label(plain(mine.len().to_string(), SMALL, t.dim));
                    });
                    if mine.is_empty() {
                        ui.label(plain("None", SMALL + 1.0, t.dim));
                    }
                    ScrollArea::vertical().id_salt(*name).auto_shrink(false).show(ui, |ui| {
                        ui.spacing_mut().item_spacing.y = 8.0;
                        for view in mine {
                            if order_card(ui, model, view, self.open.as_ref() == Some(&view.order.id)) {
                                self.open = Some(view.order.id.clone());
                            }
                        }
                    });
                });
            }
        });
    }

    fn show_table(&mut self, ui: &mut Ui, model: &Model, orders: &[&OrderView]) {
        let t = Tokens::of(ui);
        let width = ui.available_width();
        // Number, state and points need what they need; title and owner share the rest.
        let free = (width - 92.0 - 148.0 - 64.0).max(120.0);
        let columns = [0.0, 92.0, 92.0 + free * 0.68, 92.0 + free, 92.0 + free + 148.0];
        let small = || font(SMALL, Weight::Strong);
        let (head, _) = ui.allocate_exact_size(vec2(width, 26.0), Sense::hover());
        for (x, name) in columns.iter().zip(["Number", "Title", "Owner", "State", "Points"]) {
            line_at(
                ui.painter(),
                pos2(head.left() + x + 8.0, head.center().y),
                Align2::LEFT_CENTER,
                name,
                small(),
                t.dim,
                120.0,
            );
        }
        ui.painter().hline(head.x_range(), head.bottom(), t.hairline());
        ScrollArea::vertical().id_salt("table").auto_shrink(false).show_rows(ui, 38.0, orders.len(), |ui, range| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for view in &orders[range] {
                if table_row(ui, model, view, &columns, self.open.as_ref() == Some(&view.order.id)) {
                    self.open = Some(view.order.id.clone());
                }
            }
        });
    }

    fn show_adding(&mut self, ctx: &egui::Context, desk: &mut Desk, snapshot: &Snapshot) {
        let Some((mut text, mut department)) = self.adding.take() else { return };
        let t = Tokens::dark(ctx.global_style().visuals.dark_mode);
        let ((yes, no), close) = dialog(ctx, "objective", 480.0, |ui| {
            ui.label(strong("What do you want?", 16.0, t.text));
            ui.label(plain("One sentence. The department makes work orders of it.", SMALL + 1.0, t.dim));
            ui.add_space(4.0);
            let edit = field(ui, "Objective", "Announce the new lamp in the shop and in the newsletter", &mut text, 3);
            if ui.memory(|m| m.focused().is_none()) {
                edit.request_focus();
            }
            department_choice(ui, desk.model, snapshot, &mut department);
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                let full = !text.trim().is_empty();
                let yes = Press::new("Add").label("Add this objective").tone(Tone::Go).enabled(full).show(ui).clicked();
                (yes, Press::new("Back").show(ui).clicked())
            })
            .inner
        });
        if yes {
            desk.model.send(Command::AddObjective { text: text.trim().to_owned(), department });
        } else if !no && !close {
            self.adding = Some((text, department));
        }
    }
}

/// All departments or one of them.
pub fn department_choice(ui: &mut Ui, model: &Model, snapshot: &Snapshot, department: &mut Option<DepartmentId>) {
    let all = "Whole company".to_owned();
    let shown = department.as_ref().map_or_else(|| all.clone(), |id| model.department_name(id));
    let combo = ComboBox::from_id_salt("department").selected_text(shown).width(220.0).show_ui(ui, |ui| {
        ui.selectable_value(department, None, all);
        for view in snapshot.company.iter().flat_map(|c| &c.departments) {
            ui.selectable_value(department, Some(view.id.clone()), &view.name);
        }
    });
    combo.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Department"));
}

fn objective_row(ui: &mut Ui, text: &str, orders: &[&OrderView], here: bool) -> bool {
    let t = Tokens::of(ui);
    let width = ui.available_width();
    let words = crate::widgets::lines(ui.painter(), text, font(BODY, Weight::Strong), t.text, width - 24.0, 2);
    let (rect, response) = ui.allocate_exact_size(vec2(width, 46.0 + words.size().y), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, here, text));
    if here || response.hovered() {
        ui.painter().rect_filled(rect, CornerRadius::same(RADIUS_CONTROL), t.raised);
    }
    row_ring(ui.painter(), rect, &response, t);
    let inner = rect.shrink2(vec2(12.0, 10.0));
    let below = inner.left_top() + vec2(0.0, words.size().y + 3.0);
    ui.painter().galley(inner.left_top(), words, t.text);
    let done = orders.iter().filter(|o| o.state == OrderState::Done).count();
    let words = format!("{done} of {} done", orders.len());
    let small = font(SMALL, Weight::Regular);
    line_at(ui.painter(), below, Align2::LEFT_TOP, &words, small, t.dim, inner.width());
    let bar = Rect::from_min_size(pos2(inner.left(), inner.bottom() - 2.0), vec2(inner.width(), 3.0));
    progress(ui.painter(), bar, (done * 1000 / orders.len().max(1)) as u16, t, t.done);
    response.on_hover_text(text).clicked()
}

fn owner(model: &Model, view: &OrderView) -> String {
    view.order.owner.as_ref().map_or_else(|| model.department_name(&view.order.department), |id| model.worker_name(id))
}

fn points(view: &OrderView) -> Option<String> {
    let report = view.outcome.as_ref()?;
    Some(format!("{} / {}", report.earned(), report.possible()))
}

fn order_card(ui: &mut Ui, model: &Model, view: &OrderView, here: bool) -> bool {
    let t = Tokens::of(ui);
    let width = ui.available_width();
    let title = crate::widgets::lines(ui.painter(), &view.order.title, font(BODY, Weight::Regular), t.text, width - 24.0, 3);
    let height = title.size().y + 66.0;
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::click());
    let look = StateLook::of_order(model.order_state(view), t);
    let spoken = format!("{}, {}, {}", view.order.id, view.order.title, look.word);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, here, &spoken));
    let edge = if here { egui::Stroke::new(1.5, t.text) } else { t.hairline() };
    let fill = if response.hovered() { t.raised } else { t.panel };
    ui.painter().rect(rect, CornerRadius::same(10), fill, edge, egui::StrokeKind::Inside);
    row_ring(ui.painter(), rect, &response, t);
    let inner = rect.shrink(12.0);
    let small = || font(SMALL, Weight::Regular);
    line_at(ui.painter(), inner.left_top(), Align2::LEFT_TOP, view.order.id.as_str(), small(), t.dim, inner.width() * 0.6);
    if let Some(points) = points(view) {
        line_at(ui.painter(), inner.right_top(), Align2::RIGHT_TOP, &points, small(), t.dim, inner.width() * 0.4);
    }
    ui.painter().galley(inner.left_top() + vec2(0.0, 18.0), title, t.text);
    let foot = pos2(inner.left() + 5.0, inner.bottom() - 7.0);
    paint_mark(ui.painter(), foot, look.mark, look.color);
    let words = format!("{} · {}", look.word, owner(model, view));
    line_at(ui.painter(), foot + vec2(12.0, 0.0), Align2::LEFT_CENTER, &words, small(), look.color, inner.width() - 16.0);
    response.on_hover_cursor(CursorIcon::PointingHand).clicked()
}

fn table_row(ui: &mut Ui, model: &Model, view: &OrderView, columns: &[f32; 5], here: bool) -> bool {
    let t = Tokens::of(ui);
    let width = ui.available_width();
    let (rect, response) = ui.allocate_exact_size(vec2(width, 38.0), Sense::click());
    let look = StateLook::of_order(model.order_state(view), t);
    let spoken = format!("{}, {}, {}", view.order.id, view.order.title, look.word);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, here, &spoken));
    if here || response.hovered() {
        ui.painter().rect_filled(rect, CornerRadius::same(6), t.raised);
    }
    row_ring(ui.painter(), rect, &response, t);
    ui.painter().hline(rect.x_range(), rect.bottom(), t.hairline());
    let cells = [
        view.order.id.to_string(),
        view.order.title.clone(),
        owner(model, view),
        look.word.clone(),
        points(view).unwrap_or_default(),
    ];
    for (index, words) in cells.iter().enumerate() {
        let next = columns.get(index + 1).copied().unwrap_or(width);
        let mut at = pos2(rect.left() + columns[index] + 8.0, rect.center().y);
        let mut color = if index == 1 { t.text } else { t.dim };
        if index == 3 {
            paint_mark(ui.painter(), at + vec2(4.0, 0.0), look.mark, look.color);
            at.x += 16.0;
            color = look.color;
        }
        let room = rect.left() + next - at.x - 8.0;
        line_at(ui.painter(), at, Align2::LEFT_CENTER, words, font(BODY, Weight::Regular), color, room);
    }
    response.on_hover_cursor(CursorIcon::PointingHand).clicked()
}
