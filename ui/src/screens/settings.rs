//! Theme, motion, who you are, what you have granted, and what this is.

use egui::{Rect, ScrollArea, Ui, pos2, vec2};
use mz_protocol::{Command, Grant};

use crate::desk::Desk;
use crate::model::Line;
use crate::prefs::ThemeChoice;
use crate::screens::facts;
use crate::tokens::{BODY, SMALL, Tokens};
use crate::widgets::{Press, Tone, card_in, choices, code, fact, fact_text, field, heading, plain, rule, title};

#[derive(Default)]
pub struct Settings {
    person: Option<String>,
}

impl Settings {
    pub fn show(&mut self, ui: &mut Ui, desk: &mut Desk) {
        title(ui, "Settings");
        ui.add_space(8.0);
        let room = ui.available_rect_before_wrap();
        let left = Rect::from_min_size(room.min, vec2(460.0_f32.min(room.width() * 0.4), room.height()));
        let right = Rect::from_min_max(pos2(left.right() + 16.0, room.top()), room.max);
        card_in(ui, left, "own", |ui| {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                self.show_look(ui, desk);
                ui.add_space(16.0);
                self.show_person(ui, desk);
                ui.add_space(16.0);
                about(ui, desk);
            });
        });
        card_in(ui, right, "grants", |ui| grants(ui, desk));
    }

    fn show_look(&mut self, ui: &mut Ui, desk: &mut Desk) {
        heading(ui, "Look");
        let themes = [(ThemeChoice::System, "As the system"), (ThemeChoice::Dark, "Dark"), (ThemeChoice::Light, "Light")];
        let mut changed = choices(ui, "Theme", &mut desk.prefs.theme, &themes);
        changed |= ui.checkbox(&mut desk.prefs.less_motion, "Less motion").changed();
        if changed {
            desk.prefs.apply(ui.ctx());
            keep(desk);
        }
    }

    fn show_person(&mut self, ui: &mut Ui, desk: &mut Desk) {
        let t = Tokens::of(ui);
        heading(ui, "You");
        fact_text(ui, "In the ledger", desk.model.me.as_str());
        let mut text = self.person.take().unwrap_or_else(|| desk.prefs.person.clone());
        let valid = text.is_empty() || mz_protocol::PersonId::new(&text).is_ok();
        let edit = field(ui, "Your name in the ledger", "Name of your login", &mut text, 1);
        if !valid {
            ui.label(plain("Use letters, digits, “.”, “_” and “-”.", SMALL, t.fail));
        } else {
            ui.add(egui::Label::new(plain("Used from the next start of the console.", SMALL, t.dim)).wrap());
        }
        if edit.lost_focus() && valid && text != desk.prefs.person {
            desk.prefs.person = text.clone();
            keep(desk);
        }
        self.person = Some(text);
    }
}

fn keep(desk: &mut Desk) {
    if let Err(why) = desk.prefs.save() {
        desk.model.notice(why, true);
    }
}

fn about(ui: &mut Ui, desk: &Desk) {
    let t = Tokens::of(ui);
    heading(ui, "About");
    fact_text(ui, "Console", env!("CARGO_PKG_VERSION"));
    let engine = match &desk.model.line {
        Line::Up { engine } => engine.clone(),
        Line::Looking | Line::Down { .. } => "not connected".to_owned(),
    };
    fact_text(ui, "Engine", &engine);
    fact(ui, "Socket", |ui| {
        ui.add(egui::Label::new(code(desk.model.place(), SMALL, t.dim)).wrap());
    });
    let fonts = "Inter and JetBrains Mono under the SIL Open Font License; Phosphor icons under the MIT License.";
    ui.add(egui::Label::new(plain(fonts, SMALL, t.dim)).wrap());
}

fn grants(ui: &mut Ui, desk: &mut Desk) {
    let t = Tokens::of(ui);
    heading(ui, "What you always allow");
    let now = desk.model.now();
    let all = desk.model.snapshot.as_ref().map(|s| s.grants.clone()).unwrap_or_default();
    let alive = |grant: &&Grant| grant.revoked.is_none() && grant.uses_left > 0 && grant.until > now;
    if !all.iter().any(|grant| alive(&grant)) {
        let words =
            "Nothing. A grant is offered beside each question in Approvals; it covers exactly that action, and it ends.";
        ui.add(egui::Label::new(plain(words, BODY, t.dim)).wrap());
    }
    ScrollArea::vertical().id_salt("grants").auto_shrink(false).show(ui, |ui| {
        for grant in all.iter().filter(alive) {
            one_grant(ui, desk, grant);
        }
        let ended: Vec<_> = all.iter().filter(|grant| !alive(grant)).collect();
        if !ended.is_empty() {
            ui.add_space(12.0);
            heading(ui, "Ended");
        }
        for grant in ended {
            let why = if grant.revoked.is_some() {
                "taken back"
            } else if grant.uses_left == 0 {
                "used up"
            } else {
                "over"
            };
            let words = format!("{} · {why}", facts::grant_words(desk.model, &grant.scope));
            ui.add(egui::Label::new(plain(words, SMALL + 1.0, t.dim)).wrap());
        }
    });
}

fn one_grant(ui: &mut Ui, desk: &mut Desk, grant: &Grant) {
    let t = Tokens::of(ui);
    ui.horizontal_top(|ui| {
        let width = ui.available_width() - 130.0;
        ui.vertical(|ui| {
            ui.set_width(width);
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.add(egui::Label::new(plain(facts::grant_words(desk.model, &grant.scope), BODY, t.text)).wrap());
            let uses = format!("{} more times, until {}", grant.uses_left, desk.model.clock.minutes(grant.until));
            let words = format!("{uses} · given by {} · {}", grant.by, grant.id);
            ui.add(egui::Label::new(plain(words, SMALL, t.dim)).wrap());
        });
        let spoken = format!("Take back {}", grant.id);
        if Press::new("Take back").label(&spoken).tone(Tone::Danger).show(ui).clicked() {
            desk.model.send(Command::RevokeGrant { grant: grant.id.clone() });
        }
    });
    ui.add_space(4.0);
    rule(ui);
    ui.add_space(4.0);
}
