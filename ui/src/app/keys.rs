//! The keys of the whole window, and the list of all keys.

use egui::{Context, Key, Modifiers, Ui};

use crate::app::App;
use crate::desk::Screen;
use crate::tokens::{BODY, Tokens};
use crate::widgets::{code, plain, strong};

/// All keys, as the help shows them.
const ALL: [(&str, &str); 20] = [
    ("F12", "Stop everything, at once, from anywhere"),
    ("1 – 6", "Wall, Approvals, Work, Reports, Fleet, Settings"),
    ("/", "Find a worker or a work order"),
    ("?", "This list"),
    ("Esc", "Close, or back to the wall"),
    ("Click", "On the wall: open the worker"),
    ("Double click", "On the wall: take over"),
    ("Right click", "On the wall: pause, go on, stop a department"),
    ("A", "Approvals: approve"),
    ("V", "Approvals: veto, with a reason"),
    ("E", "Approvals: edit what is typed"),
    ("T", "Approvals and Worker: take over"),
    ("G", "Approvals: always allow this, for a while"),
    ("↑ ↓", "Approvals: another question"),
    ("← →", "Worker: step through the recording"),
    ("L", "Worker: back to live"),
    ("P", "Worker: pause, and go on"),
    ("Tab", "Next control; Enter or Space presses it"),
    ("Ctrl+Enter", "Send what a dialog asks for"),
    ("Ctrl+Shift+H", "While driving: hand back"),
];

impl App {
    pub(super) fn press_keys(&mut self, ctx: &Context, go: &mut Option<Screen>) {
        if ctx.input_mut(|i| i.consume_key(Modifiers::NONE, Key::F12)) {
            self.stop_all();
        }
        let covered = self.finder.is_some() || self.help || self.asking_resume || ctx.text_edit_focused();
        if covered || self.typing_away || self.approvals.is_asking() {
            return;
        }
        let numbers = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6];
        for (key, (.., screen)) in numbers.into_iter().zip(super::bar::stations()) {
            if ctx.input_mut(|i| i.consume_key(Modifiers::NONE, key)) {
                *go = Some(screen);
            }
        }
        let typed: Vec<String> = ctx.input(|i| {
            let texts = i.events.iter().filter_map(|e| if let egui::Event::Text(text) = e { Some(text.clone()) } else { None });
            texts.collect()
        });
        if typed.iter().any(|text| text == "?") {
            self.help = true;
        } else if typed.iter().any(|text| text == "/") {
            self.finder = Some(super::find::Finder::default());
            // The stroke that opened it is not the first letter of the search.
            ctx.input_mut(|i| i.events.retain(|e| !matches!(e, egui::Event::Text(_))));
        }
        let back = matches!(self.screen, Screen::Worker(_)) && !ctx.any_popup_open();
        if back && ctx.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Escape)) {
            *go = Some(Screen::Wall);
        }
    }
}

pub(super) fn show(ui: &mut Ui) {
    let t = Tokens::of(ui);
    ui.label(strong("All keys", 16.0, t.text));
    ui.add_space(4.0);
    ui.spacing_mut().interact_size.y = 18.0;
    egui::Grid::new("keys").num_columns(2).spacing([20.0, 6.0]).show(ui, |ui| {
        for (key, what) in ALL {
            ui.label(code(key, 13.0, t.text));
            ui.label(plain(what, BODY, t.dim));
            ui.end_row();
        }
    });
}
