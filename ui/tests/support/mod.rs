//! The whole window over an engine in memory.

#![allow(clippy::unwrap_used, reason = "a slip in a fixture ends the test")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::Theme;
use egui_kittest::Harness;
use mz_protocol::{EventRecord, PersonId, Snapshot};
use mz_ui::desk::Screen;
use mz_ui::prefs::{Prefs, ThemeChoice};
use mz_ui::testing::FakeEngine;
use mz_ui::{App, SocketLink, sample};

#[allow(dead_code, reason = "each test file uses a part of this")]
pub struct Floor {
    pub engine: FakeEngine,
    pub window: Harness<'static, App>,
}

pub const DESK: egui::Vec2 = egui::vec2(1600.0, 1000.0);

/// A window that is connected and has drawn the snapshot and all pictures.
pub fn floor(snapshot: Snapshot, theme: Theme) -> Floor {
    floor_with(snapshot, theme, Vec::new())
}

#[allow(dead_code, reason = "each test file uses a part of this")]
pub fn floor_with(snapshot: Snapshot, theme: Theme, events: Vec<EventRecord>) -> Floor {
    let engine = FakeEngine::new(snapshot);
    engine.set_events(events);
    floor_of(window(engine, theme))
}

/// A connected window of this size.
#[allow(dead_code, reason = "each test file uses a part of this")]
pub fn floor_sized(snapshot: Snapshot, theme: Theme, size: egui::Vec2) -> Floor {
    let engine = FakeEngine::new(snapshot);
    engine.set_events(sample::events());
    floor_of(window_sized(engine, theme, size))
}

fn floor_of(mut floor: Floor) -> Floor {
    floor.until("the snapshot", |app| app.model.snapshot.is_some());
    let snapshot = floor.window.state().model.snapshot.as_ref();
    let workers: Vec<_> = snapshot.into_iter().flat_map(|s| &s.workers).map(|w| w.id.clone()).collect();
    floor.until("all pictures", |app| {
        app.model.snapshot.as_ref().is_some_and(|s| s.company.is_none())
            || workers.iter().all(|w| app.model.pictures.get(w).is_some())
    });
    floor
}

/// A window that has just been opened.
pub fn window(engine: FakeEngine, theme: Theme) -> Floor {
    window_sized(engine, theme, DESK)
}

fn window_sized(engine: FakeEngine, theme: Theme, size: egui::Vec2) -> Floor {
    let person = PersonId::new("kim").unwrap();
    let link =
        SocketLink::over(engine.dial(), "/run/user/1000/mezzanine/engine.sock".to_owned(), person.clone(), Arc::new(|| ()))
            .unwrap();
    let choice = if theme == Theme::Dark { ThemeChoice::Dark } else { ThemeChoice::Light };
    let prefs = Prefs { theme: choice, ..Prefs::default() };
    // The window brings its own context; this one only takes the fonts and themes of the constructor.
    let app = App::new(&egui::Context::default(), Box::new(link), person, prefs, sample::clock());
    let window = Harness::builder()
        .with_size(size)
        .with_theme(theme)
        .with_step_dt(1.0 / 30.0)
        .with_context_setup(mz_ui::tokens::install)
        .build_ui_state(
            |ui: &mut egui::Ui, app: &mut App| {
                app.take_in(ui.ctx());
                // The harness leaves a margin that a native window does not have.
                let whole = ui.ctx().content_rect();
                let mut root = ui.new_child(egui::UiBuilder::new().max_rect(whole));
                root.set_clip_rect(whole);
                // A native window is cleared to this.
                root.painter().rect_filled(whole, 0, mz_ui::tokens::Tokens::of(&root).bg);
                app.show(&mut root);
            },
            app,
        );
    Floor { engine, window }
}

#[allow(dead_code, reason = "each test file uses a part of this")]
impl Floor {
    /// Draws frames until it holds; the line's thread needs its turn in between.
    pub fn until(&mut self, what: &str, holds: impl Fn(&App) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds(self.window.state()) {
            assert!(Instant::now() < deadline, "{what} never came");
            std::thread::yield_now();
            self.window.step();
        }
        self.draw(3);
    }

    pub fn draw(&mut self, frames: usize) {
        self.window.run_steps(frames);
    }

    pub fn go(&mut self, screen: Screen) {
        self.window.state_mut().screen = screen;
        self.draw(3);
    }

    /// Past the half second in which no decision counts.
    pub fn look_for_a_second(&mut self) {
        self.draw(30);
    }

    pub fn click(&mut self, label: &str) {
        use egui_kittest::kittest::Queryable;
        self.window.get_by_label(label).click();
        self.draw(3);
    }

    pub fn press(&mut self, key: egui::Key) {
        self.window.key_press(key);
        self.draw(3);
    }

    pub fn sees(&self, label: &str) -> bool {
        use egui_kittest::kittest::Queryable;
        self.window.query_all_by_label_contains(label).next().is_some()
    }
}
