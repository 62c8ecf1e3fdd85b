//! What the work was worth. The report's shape belongs to the engine's report room: it is read by its keys, and a key
//! that is missing leaves a gap instead of an error.

use egui::{Align2, ComboBox, Rect, Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};
use egui_plot::{Bar, BarChart, Plot};
use mz_protocol::{Command, ExportFormat, Period, ReportScope, Snapshot};
use serde_json::Value;

use crate::desk::Desk;
use crate::icons;
use crate::model::Export;
use crate::say;
use crate::tokens::{BODY, FIGURE, SMALL, Tokens, Weight, font};
use crate::widgets::{Press, card_in, choices, empty, heading, line_at, lines, link, plain, progress, strong, take, title};

const FIGURE_CARD: f32 = 112.0;

#[derive(Default)]
pub struct Reports {
    days: Days,
    scope: ReportScope,
    asked: Option<(Days, ReportScope)>,
}

/// The period, counted back from today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Days(i64);

impl Default for Days {
    fn default() -> Self {
        Self(14)
    }
}

const PERIODS: [(Days, &str); 4] = [(Days(1), "Today"), (Days(7), "7 days"), (Days(14), "14 days"), (Days(30), "30 days")];

impl Reports {
    pub fn show(&mut self, ui: &mut Ui, desk: &mut Desk) {
        let Some(snapshot) = desk.model.snapshot.clone() else { return };
        let period = Period { from: desk.model.clock.midnight(self.days.0 - 1), to: desk.model.clock.midnight(-1) };
        let wanted = Some((self.days, self.scope.clone()));
        if self.asked != wanted && desk.model.is_up() {
            self.asked = wanted;
            desk.model.load_report(Command::Report { scope: self.scope.clone(), period });
        }
        self.show_head(ui, desk, &snapshot, period);
        self.show_exports(ui, desk);
        ui.add_space(4.0);
        let again = match desk.model.report.take() {
            None => {
                let (what, next) = if desk.model.report_due {
                    ("Counting…", "The engine reads its ledger.")
                } else {
                    ("No report", "It is asked for as soon as the engine answers.")
                };
                empty(ui, icons::REPORTS, what, next, |_| {});
                None
            }
            Some(Err(why)) => {
                empty(ui, icons::WARNING, "The report could not be made", &why, |ui| {
                    if Press::new("Try again").show(ui).clicked() {
                        self.asked = None;
                    }
                });
                Some(Err(why))
            }
            Some(Ok(report)) => {
                show_report(ui, &report);
                Some(Ok(report))
            }
        };
        desk.model.report = again;
    }

    fn show_head(&mut self, ui: &mut Ui, desk: &mut Desk, snapshot: &Snapshot, period: Period) {
        let t = Tokens::of(ui);
        ui.horizontal(|ui| {
            title(ui, "Productivity");
            let last = mz_protocol::Timestamp(period.to.0 - 1);
            let clock = &desk.model.clock;
            let words = if self.days.0 == 1 {
                clock.date(last)
            } else {
                format!("{} – {}", clock.date(period.from), clock.date(last))
            };
            ui.label(plain(words, BODY, t.dim));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                for format in ExportFormat::ALL.into_iter().rev() {
                    let name = format.extension().to_uppercase();
                    let spoken = format!("Export as {name}");
                    let busy = matches!(desk.model.exports.get(format.extension()), Some(Export::Running(_)));
                    if Press::new(&name).label(&spoken).enabled(!busy).show(ui).clicked() {
                        desk.model.export(Command::Export { scope: self.scope.clone(), period, format }, format);
                    }
                }
            });
        });
        ui.horizontal(|ui| {
            choices(ui, "Period", &mut self.days, &PERIODS);
            ui.add_space(12.0);
            self.show_scope(ui, desk, snapshot);
        });
    }

    fn show_scope(&mut self, ui: &mut Ui, desk: &Desk, snapshot: &Snapshot) {
        let all = "Whole company".to_owned();
        let shown = match &self.scope {
            ReportScope::Company => all.clone(),
            ReportScope::Department(id) => desk.model.department_name(id),
            ReportScope::Worker(id) => desk.model.worker_name(id),
        };
        let combo = ComboBox::from_id_salt("scope").selected_text(shown).width(200.0).show_ui(ui, |ui| {
            ui.selectable_value(&mut self.scope, ReportScope::Company, all);
            for view in snapshot.company.iter().flat_map(|c| &c.departments) {
                ui.selectable_value(&mut self.scope, ReportScope::Department(view.id.clone()), &view.name);
            }
            for worker in &snapshot.workers {
                ui.selectable_value(&mut self.scope, ReportScope::Worker(worker.id.clone()), &worker.name);
            }
        });
        combo.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Scope"));
    }

    /// Each export, from its progress to the file that can be opened.
    fn show_exports(&mut self, ui: &mut Ui, desk: &mut Desk) {
        let t = Tokens::of(ui);
        let mut closed = None;
        for format in ExportFormat::ALL {
            let Some(export) = desk.model.exports.get(format.extension()).cloned() else { continue };
            ui.horizontal(|ui| {
                ui.label(strong(format.extension().to_uppercase(), SMALL + 1.0, t.dim));
                match &export {
                    Export::Running(permille) => {
                        let bar = take(ui, vec2(180.0, 4.0));
                        progress(ui.painter(), bar, *permille, t, t.work);
                        ui.label(plain(format!("{} %", permille / 10), SMALL + 1.0, t.dim));
                    }
                    Export::Saved(file) => {
                        ui.label(plain(format!("{} · {} kB", file.path, file.bytes.div_ceil(1024)), SMALL + 1.0, t.text));
                        if link(ui, "Open", t.work).clicked() {
                            ui.ctx().open_url(egui::OpenUrl::new_tab(format!("file://{}", file.path)));
                        }
                        if link(ui, "Copy the path", t.dim).clicked() {
                            ui.ctx().copy_text(file.path.clone());
                        }
                    }
                    Export::Failed(why) => {
                        ui.label(plain(why, SMALL + 1.0, t.fail));
                    }
                }
                if !matches!(export, Export::Running(_)) && link(ui, "Hide", t.dim).clicked() {
                    closed = Some(format.extension());
                }
            });
        }
        if let Some(name) = closed {
            desk.model.exports.remove(name);
        }
    }
}

fn show_report(ui: &mut Ui, report: &Value) {
    let none = Vec::new();
    let list = |key: &str| report.get(key).and_then(Value::as_array).unwrap_or(&none);
    let figures = list("figures");
    if figures.is_empty() {
        let next = "Figures appear when the first work orders have ended. Choose a longer period to look further back.";
        return empty(ui, icons::REPORTS, "Nothing to count in this period", next, |_| {});
    }
    let row = take(ui, vec2(ui.available_width(), FIGURE_CARD));
    let gap = 14.0;
    let width = (row.width() - gap * 5.0) / 6.0;
    for (index, figure) in figures.iter().take(6).enumerate() {
        let at = row.min + vec2(index as f32 * (width + gap), 0.0);
        show_figure(ui, Rect::from_min_size(at, vec2(width, FIGURE_CARD)), figure);
    }
    ui.add_space(6.0);
    let room = ui.available_rect_before_wrap();
    let left = Rect::from_min_size(room.min, vec2(((room.width() - gap) * 0.52).floor(), room.height()));
    let right = Rect::from_min_max(pos2(left.right() + gap, room.top()), room.max);
    card_in(ui, left, "days", |ui| show_days(ui, list("days")));
    card_in(ui, right, "departments", |ui| {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            show_departments(ui, list("departments"), report.get("currency").and_then(Value::as_str).unwrap_or("EUR"));
            show_approvals(ui, report.get("approvals"));
        });
    });
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn show_figure(ui: &mut Ui, rect: Rect, figure: &Value) {
    let t = Tokens::of(ui);
    let value = match (text(figure, "text"), figure.get("value").and_then(Value::as_f64)) {
        ("", Some(value)) => format!("{} {}", (value * 10.0).round() / 10.0, text(figure, "unit")),
        ("", None) => "–".to_owned(),
        (words, _) => words.to_owned(),
    };
    let (label, note) = (text(figure, "label"), text(figure, "note"));
    card_in(ui, rect, label, |_| {});
    let painter = ui.painter();
    let inner = rect.shrink2(vec2(16.0, 14.0));
    let small = || font(SMALL + 1.0, Weight::Regular);
    line_at(painter, inner.left_top(), Align2::LEFT_TOP, label, small(), t.dim, inner.width());
    let size = if value.chars().count() > 10 { 22.0 } else { FIGURE };
    let at = inner.left_top() + vec2(0.0, 36.0);
    line_at(painter, at, Align2::LEFT_CENTER, &value, font(size, Weight::Strong), t.text, inner.width());
    let color = match text(figure, "trend") {
        "better" => t.done,
        "worse" => t.need,
        _ => t.dim,
    };
    let words = lines(painter, note, font(SMALL, Weight::Regular), color, inner.width(), 2);
    painter.galley(pos2(inner.left(), inner.top() + 56.0), words, color);
    let response = ui.interact(rect, ui.scope_id().with(("figure", label)), Sense::hover());
    let spoken = format!("{label}: {value}, {note}");
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
    let meaning = text(figure, "meaning");
    if !meaning.is_empty() {
        response.on_hover_text(meaning);
    }
}

fn show_days(ui: &mut Ui, days: &[Value]) {
    let t = Tokens::of(ui);
    ui.spacing_mut().interact_size.y = 14.0;
    ui.horizontal(|ui| {
        heading(ui, "Outcomes by day");
        ui.add_space(8.0);
        for (words, color) in [("alone", t.work), ("with a person", t.need)] {
            let square = take(ui, vec2(10.0, 10.0));
            ui.painter().rect_filled(square, 2, color);
            ui.label(strong(words, SMALL, color));
        }
    });
    if days.is_empty() {
        return empty(ui, icons::REPORTS, "No day to show", "Nothing ended in this period.", |_| {});
    }
    let count = |day: &Value, key: &str| day.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let bar =
        |index: usize, value: f64, color| Bar::new(index as f64, value).width(0.55).fill(color).stroke(egui::Stroke::NONE);
    let assisted: Vec<Bar> = days.iter().enumerate().map(|(i, day)| bar(i, count(day, "assisted"), t.need)).collect();
    let alone: Vec<Bar> = days.iter().enumerate().map(|(i, day)| bar(i, count(day, "alone"), t.work)).collect();
    let names: Vec<String> = days.iter().map(|day| short_date(text(day, "date"))).collect();
    let assisted = BarChart::new("with a person", assisted).color(t.need);
    let alone = BarChart::new("alone", alone).color(t.work).stack_on(&[&assisted]);
    let step = days.len().div_ceil(6).max(1);
    let most = days.iter().map(|day| count(day, "alone") + count(day, "assisted")).fold(1.0, f64::max);
    let rise = whole_step(most);
    let total = days.iter().fold((0.0, 0.0), |(a, b), day| (a + count(day, "alone"), b + count(day, "assisted")));
    let spoken = format!("Outcomes by day: {:.0} alone and {:.0} with a person in {} days", total.0, total.1, days.len());
    let tips = names.clone();
    let plot = Plot::new("days")
        .show_x(false)
        .show_y(false)
        .y_grid_spacer(move |input| {
            let last = (input.bounds.1 / rise).floor().clamp(0.0, 400.0) as u32;
            (0..=last).map(|i| egui_plot::GridMark { value: f64::from(i) * rise, step_size: rise }).collect()
        })
        .y_axis_formatter(|mark, _| format!("{:.0}", mark.value))
        .show_grid([false, true])
        .grid_color(t.line)
        .grid_fade(0.0)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .show_background(false)
        .include_y(0.0)
        .set_margin_fraction(vec2(0.02, 0.08))
        .x_grid_spacer(move |_| {
            let marks = (0..400).step_by(step);
            marks.map(|i| egui_plot::GridMark { value: i as f64, step_size: step as f64 }).collect()
        })
        .x_axis_formatter(move |mark, _| names.get(mark.value.round().max(0.0) as usize).cloned().unwrap_or_default());
    let tip = move |words: &'static str| {
        let names = tips.clone();
        move |bar: &Bar, _: &BarChart| {
            let day = names.get(bar.argument.round().max(0.0) as usize).cloned().unwrap_or_default();
            format!("{day}: {:.0} {words}", bar.value)
        }
    };
    let (assisted, alone) =
        (assisted.element_formatter(Box::new(tip("with a person"))), alone.element_formatter(Box::new(tip("alone"))));
    let shown = plot.show(ui, |plot| {
        plot.bar_chart(assisted);
        plot.bar_chart(alone);
    });
    shown.response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &spoken));
}

/// The distance of two lines of the grid: whole, since outcomes are, and about six of them.
fn whole_step(most: f64) -> f64 {
    let rough = (most / 6.0).max(1.0);
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|part| part * power).into_iter().find(|step| *step >= rough).unwrap_or(rough).max(1.0)
}

/// `2026-11-09` as `9 Nov`.
fn short_date(date: &str) -> String {
    date.parse::<jiff::civil::Date>().map_or_else(|_| date.to_owned(), |date| date.strftime("%-d %b").to_string())
}

fn show_departments(ui: &mut Ui, rows: &[Value], currency: &str) {
    let t = Tokens::of(ui);
    heading(ui, "By department");
    let width = ui.available_width();
    let columns = [0.0, 0.34, 0.48, 0.63, 0.77, 0.88].map(|share| share * width);
    let line = |ui: &mut Ui, cells: [String; 6], size: f32, color| {
        let (rect, _) = ui.allocate_exact_size(vec2(width, if size > SMALL { 38.0 } else { 24.0 }), Sense::hover());
        for (index, words) in cells.iter().enumerate() {
            let next = columns.get(index + 1).copied().unwrap_or(width);
            let at = pos2(rect.left() + columns[index], rect.center().y);
            let font = font(size, Weight::Regular);
            line_at(ui.painter(), at, Align2::LEFT_CENTER, words, font, color, next - columns[index] - 8.0);
        }
        ui.painter().hline(rect.x_range(), rect.bottom(), t.hairline());
    };
    ui.spacing_mut().item_spacing.y = 0.0;
    line(ui, ["Department", "Verified", "First pass", "Cycle", "Vetoed", "Cost"].map(str::to_owned), SMALL, t.dim);
    for row in rows {
        let number = |key: &str| row.get(key).and_then(Value::as_f64);
        let dash = || "–".to_owned();
        let count = |key: &str| number(key).map_or_else(dash, |value| format!("{value:.0}"));
        let cost = number("cost").map_or_else(dash, |value| say::money((value * 1e6).max(0.0) as u64, currency));
        let cycle = number("cycle_seconds")
            .map_or_else(dash, |s| say::countdown(mz_protocol::Millis((s.round() * 1000.0).max(0.0) as u64)));
        let first = number("first_pass_percent").map_or_else(dash, |value| format!("{value:.0} %"));
        let cells = [text(row, "name").to_owned(), count("verified"), first, cycle, count("vetoed"), cost];
        line(ui, cells, BODY, t.text);
    }
}

fn show_approvals(ui: &mut Ui, approvals: Option<&Value>) {
    let t = Tokens::of(ui);
    let Some(approvals) = approvals else { return };
    ui.add_space(20.0);
    heading(ui, "How well approvals are looked at");
    ui.add_space(6.0);
    let words = match text(approvals, "text") {
        "" => "No decision in this period.",
        words => words,
    };
    ui.add(egui::Label::new(plain(words, BODY, t.dim)).wrap());
    for person in approvals.get("people").and_then(Value::as_array).into_iter().flatten() {
        let count = |key: &str| person.get(key).and_then(Value::as_f64).unwrap_or(0.0);
        let looked = person.get("looked_seconds").and_then(Value::as_f64).map_or("–".to_owned(), |s| format!("{s:.0} s"));
        let words = format!(
            "{}: {:.0} decisions, looked {looked}, {:.0} in under 2 s",
            text(person, "person"),
            count("decisions"),
            count("under_2s")
        );
        ui.add_space(4.0);
        ui.add(egui::Label::new(plain(words, SMALL + 1.0, t.dim)).wrap());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_grid_are_whole_numbers() {
        assert_eq!([1.0, 3.0, 6.0, 7.0, 13.0, 72.0, 400.0].map(whole_step), [1.0, 1.0, 1.0, 2.0, 5.0, 20.0, 100.0]);
    }
}
