//! Top bar, rail, and the line that says when the engine is gone.

use egui::{Align, Align2, CursorIcon, Frame, Layout, Margin, Panel, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};
use mz_protocol::{Command, CompanyView, StopScope};

use crate::app::App;
use crate::desk::Screen;
use crate::icons;
use crate::model::Line;
use crate::say;
use crate::state::Counts;
use crate::tokens::{BODY, RADIUS_CARD, Tokens};
use crate::widgets::{Press, Tone, dialog, focus_ring, glyph_at, pill, plain, strong};

const BAR: f32 = 52.0;
const RAIL: f32 = 64.0;

impl App {
    pub(super) fn show_bar(&mut self, ui: &mut Ui) {
        let t = Tokens::of(ui);
        let frame = Frame::new().fill(t.panel).inner_margin(Margin::symmetric(20, 0));
        let bar = Panel::top("bar").exact_size(BAR).frame(frame).show_separator_line(false);
        bar.show(ui, |ui| {
            ui.horizontal_centered(|ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                self.bar_left(ui, t);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| self.bar_right(ui, t));
            });
            let rect = ui.max_rect();
            ui.painter().hline(ui.ctx().content_rect().x_range(), rect.bottom() - 0.5, t.hairline());
        });
    }

    fn bar_left(&mut self, ui: &mut Ui, t: &Tokens) {
        let Some(snapshot) = &self.model.snapshot else {
            ui.label(strong("Mezzanine", 15.0, t.text));
            return;
        };
        let name = snapshot.company.as_ref().map_or("No company", |c| c.name.as_str());
        let name =
            crate::widgets::fit(ui.painter(), name, crate::tokens::font(15.0, crate::tokens::Weight::Strong), t.text, 260.0);
        ui.label(name);
        ui.add_space(14.0);
        let counts = Counts::of(snapshot);
        let parts = [
            (counts.need, "need you", "needs you", t.need, true),
            (counts.driven, "driven", "driven", t.human, false),
            (counts.failed, "failed", "failed", t.fail, false),
            (counts.working, "working", "working", t.dim, false),
            (counts.idle, "idle", "idle", t.dim, false),
            (counts.stopped, "stopped", "stopped", t.dim, false),
        ];
        let mut first = true;
        for (count, many, one, color, heavy) in parts {
            if count == 0 {
                continue;
            }
            if !first {
                ui.label(plain("·", BODY, t.dim));
            }
            first = false;
            let words = format!("{count} {}", if count == 1 { one } else { many });
            ui.label(if heavy { strong(words, BODY, color) } else { plain(words, BODY, color) });
        }
    }

    fn bar_right(&mut self, ui: &mut Ui, t: &Tokens) {
        let stopped = self.model.is_stopped(&StopScope::Company);
        if stopped {
            let press = Press::new("Resume…").label("Resume everything").icon(icons::PLAY).tone(Tone::Go);
            if press.show(ui).clicked() {
                self.asking_resume = true;
            }
            ui.add_space(8.0);
            ui.label(strong("Everything is stopped", BODY, t.fail));
        } else {
            let press = Press::new("Stop everything").icon(icons::STOP).key("F12").tone(Tone::Danger);
            if press.show(ui).clicked() {
                self.stop_all();
            }
        }
        ui.add_space(14.0);
        let company = self.model.snapshot.as_ref().and_then(|s| s.company.as_ref());
        if let Some(company) = company {
            ui.label(plain(today(company), BODY, t.dim));
        }
    }

    pub(super) fn show_rail(&mut self, ui: &mut Ui, go: &mut Option<Screen>) {
        let t = Tokens::of(ui);
        let frame = Frame::new().fill(t.panel).inner_margin(Margin::symmetric(10, 12));
        let rail = Panel::left("rail").exact_size(RAIL).resizable(false).frame(frame).show_separator_line(false);
        rail.show(ui, |ui| {
            let edge = ui.max_rect().right() + 9.5;
            ui.painter().vline(edge, ui.max_rect().y_range().expand(12.0), t.hairline());
            ui.spacing_mut().item_spacing.y = 6.0;
            let needs = self.model.needs();
            for (glyph, name, key, screen) in stations() {
                let count = if screen == Screen::Approvals { needs } else { 0 };
                let here = self.screen == screen || matches!((&self.screen, &screen), (Screen::Worker(_), Screen::Wall));
                if station(ui, glyph, name, key, here, count) {
                    *go = Some(screen);
                }
            }
            ui.with_layout(Layout::bottom_up(Align::Center), |ui| {
                if station(ui, icons::QUESTION, "All keys", "?", false, 0) {
                    self.help = true;
                }
                if station(ui, icons::FIND, "Find", "/", false, 0) {
                    self.finder = Some(super::find::Finder::default());
                }
            });
        });
    }

    /// Says that the engine is gone, since when, and what happens next.
    pub(super) fn show_line(&mut self, ui: &mut Ui) {
        let t = Tokens::of(ui);
        let trouble = self.model.snapshot.as_ref().and_then(|s| s.company.as_ref()).and_then(|c| c.trouble.clone());
        let (words, down) = match (&self.model.line, &self.model.snapshot) {
            (Line::Down { why, retry }, Some(_)) => {
                let left = retry.saturating_duration_since(std::time::Instant::now()).as_secs();
                let age = self.model.heard.map(|at| say::span(self.model.now().since(at))).unwrap_or_default();
                let next = if left > 0 { format!("trying again in {left} s") } else { "trying again".to_owned() };
                (format!("The engine is gone: {why}. What you see is {age} old; {next}."), true)
            }
            _ => match trouble {
                Some(trouble) => (trouble, false),
                None => return,
            },
        };
        let frame = Frame::new().fill(t.raised).stroke(Stroke::new(1.0, t.need)).inner_margin(Margin::symmetric(16, 6));
        Panel::top("line").frame(frame).show_separator_line(false).show(ui, |ui| {
            ui.horizontal(|ui| {
                let icon = crate::widgets::icon(if down { icons::PLUGS } else { icons::WARNING }, 18.0, t.need);
                ui.label(icon);
                let room = ui.available_width() - if down { 110.0 } else { 0.0 };
                ui.allocate_ui_with_layout(vec2(room, 20.0), Layout::left_to_right(Align::Center), |ui| {
                    ui.set_width(room);
                    ui.add(egui::Label::new(strong(words, BODY, t.need)).wrap());
                });
                if down && Press::new("Try now").show(ui).clicked() {
                    self.model.retry();
                }
            });
        });
    }

    pub(super) fn show_overlays(&mut self, ui: &mut Ui, go: &mut Option<Screen>) {
        let ctx = ui.ctx().clone();
        if self.asking_resume {
            self.ask_resume(&ctx);
        }
        if self.help {
            let (_, close) = dialog(&ctx, "keys", 420.0, super::keys::show);
            self.help = !close;
        }
        self.show_finder(&ctx, go);
        self.show_notices(&ctx);
    }

    fn ask_resume(&mut self, ctx: &egui::Context) {
        let t = Tokens::dark(ctx.global_style().visuals.dark_mode);
        let (answer, close) = dialog(ctx, "resume", 420.0, |ui| {
            ui.label(strong("Let everyone go on?", 16.0, t.text));
            let words = "All workers continue with the step that they were at. Questions that were open are asked anew.";
            ui.add(egui::Label::new(plain(words, BODY, t.dim)).wrap());
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                let yes = Press::new("Resume everything").label("Yes, resume everything").tone(Tone::Go).show(ui).clicked();
                let no = Press::new("Stay stopped").show(ui).clicked();
                (yes, no)
            })
            .inner
        });
        if answer.0 {
            self.model.send(Command::Resume { scope: StopScope::Company });
        }
        self.asking_resume = !(close || answer.0 || answer.1);
    }

    fn show_notices(&self, ctx: &egui::Context) {
        if self.model.notices.is_empty() {
            return;
        }
        let t = Tokens::dark(ctx.global_style().visuals.dark_mode);
        let area = egui::Area::new(egui::Id::unique("notices")).anchor(Align2::CENTER_BOTTOM, vec2(0.0, -20.0));
        area.order(egui::Order::Foreground).interactable(false).show(ctx, |ui| {
            for notice in &self.model.notices {
                let color = if notice.bad { t.fail } else { t.done };
                let frame = Frame::new().fill(t.raised).stroke(Stroke::new(1.0, color)).corner_radius(RADIUS_CARD);
                frame.inner_margin(Margin::symmetric(16, 10)).show(ui, |ui| {
                    ui.set_max_width(640.0);
                    ui.add(egui::Label::new(plain(&notice.text, BODY, t.text)).wrap());
                });
            }
        });
    }
}

fn today(company: &CompanyView) -> String {
    let figures = company.figures;
    let mut words = format!("Today {} done", figures.done);
    if let Some(share) = figures.verified_permille {
        words.push_str(&format!(" · {} % verified", (share + 5) / 10));
    }
    words + " · " + &say::money(figures.cost_micros, &company.currency)
}

pub(super) fn stations() -> [(char, &'static str, &'static str, Screen); 6] {
    [
        (icons::WALL, "Wall", "1", Screen::Wall),
        (icons::APPROVALS, "Approvals", "2", Screen::Approvals),
        (icons::WORK, "Work", "3", Screen::Work),
        (icons::REPORTS, "Reports", "4", Screen::Reports),
        (icons::FLEET, "Fleet", "5", Screen::Fleet),
        (icons::SETTINGS, "Settings", "6", Screen::Settings),
    ]
}

/// One entry of the rail; true when pressed.
fn station(ui: &mut Ui, glyph: char, name: &str, key: &str, here: bool, count: usize) -> bool {
    let t = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(44.0, 44.0), Sense::click());
    let spoken = if count > 0 { format!("{name}, {count} waiting") } else { name.to_owned() };
    response.widget_info(|| WidgetInfo::selected(Role::Tab, true, here, &spoken));
    let painter = ui.painter();
    if here || response.hovered() {
        painter.rect_filled(rect, 10, t.raised);
    }
    if here {
        painter.vline(rect.left() - 9.0, rect.y_range().shrink(8.0), Stroke::new(3.0, t.text));
    }
    if response.has_focus() {
        focus_ring(painter, rect.shrink(2.0), 8, t);
    }
    let color = if here || response.hovered() { t.text } else { t.dim };
    glyph_at(painter, rect.center(), glyph, 22.0, color);
    if count > 0 {
        pill(painter, pos2(rect.right() - 7.0, rect.top() + 9.0), &count.to_string(), t.need, t.on_need);
    }
    response.on_hover_cursor(CursorIcon::PointingHand).on_hover_text(format!("{name}   {key}")).clicked()
}
