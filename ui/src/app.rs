//! The window: top bar, rail, one screen, and what lies over it.

mod bar;
mod find;
mod keys;

use egui::{CentralPanel, Context, Frame, Margin, Ui};
use mz_protocol::{Command, PersonId, StopScope};

use crate::connection::Link;
use crate::desk::{Desk, Screen};
use crate::model::{Line, Model};
use crate::prefs::Prefs;
use crate::say::Clock;
use crate::screens::approvals::Approvals;
use crate::screens::reports::Reports;
use crate::screens::settings::Settings;
use crate::screens::wall::Wall;
use crate::screens::work::Work;
use crate::screens::worker::WorkerScreen;
use crate::screens::{fleet, lost, menu};
use crate::tokens::{self, Tokens};

pub struct App {
    pub model: Model,
    pub screen: Screen,
    prefs: Prefs,
    wall: Wall,
    approvals: Approvals,
    worker: WorkerScreen,
    work: Work,
    reports: Reports,
    settings: Settings,
    finder: Option<find::Finder>,
    help: bool,
    asking_resume: bool,
    /// The keyboard belongs to a worker's desktop.
    typing_away: bool,
}

impl App {
    /// Sets up fonts and themes in `ctx` and starts on the wall.
    pub fn new(ctx: &Context, link: Box<dyn Link>, person: PersonId, prefs: Prefs, clock: Clock) -> Self {
        tokens::install(ctx);
        prefs.apply(ctx);
        Self {
            model: Model::new(link, person, clock),
            screen: Screen::default(),
            prefs,
            wall: Wall::default(),
            approvals: Approvals::default(),
            worker: WorkerScreen::default(),
            work: Work::default(),
            reports: Reports::default(),
            settings: Settings::default(),
            finder: None,
            help: false,
            asking_resume: false,
            typing_away: false,
        }
    }

    /// Takes in what has come; also while the window is hidden, so that nothing piles up.
    pub fn take_in(&mut self, ctx: &Context) {
        self.model.take_in(ctx);
    }

    /// Draws the whole window into `ui`.
    pub fn show(&mut self, ui: &mut Ui) {
        let mut go = None;
        self.press_keys(ui.ctx(), &mut go);
        self.show_bar(ui);
        self.show_rail(ui, &mut go);
        self.show_line(ui);
        // No fill: the window is cleared to it, and painting a whole screen twice is what software rendering feels.
        let frame = Frame::new().inner_margin(Margin::same(20));
        CentralPanel::default().frame(frame).show(ui, |ui| self.show_screen(ui, &mut go));
        self.show_overlays(ui, &mut go);
        if let Some(screen) = go {
            self.screen = screen;
            ui.ctx().request_repaint();
        }
        self.wake_later(ui.ctx());
    }

    fn show_screen(&mut self, ui: &mut Ui, go: &mut Option<Screen>) {
        ui.spacing_mut().item_spacing = egui::vec2(8.0, 8.0);
        self.typing_away = false;
        let mut order = None;
        let screen = self.screen.clone();
        let mut desk = Desk { model: &mut self.model, prefs: &mut self.prefs, screen, go, order: &mut order };
        if self.screen == Screen::Settings {
            return self.settings.show(ui, &mut desk);
        }
        if desk.model.snapshot.is_none() {
            return lost::no_engine(ui, &mut desk);
        }
        if desk.model.snapshot.as_ref().is_some_and(|s| s.company.is_none()) {
            return lost::no_company(ui);
        }
        if self.screen != Screen::Wall
            && let Some(worker) = self.wall.doubled(ui.ctx()).and_then(|id| desk.model.worker(&id).cloned())
        {
            menu::take_over(&mut desk, &worker);
            desk.go(Screen::Worker(worker.id));
        }
        match self.screen.clone() {
            Screen::Wall => self.wall.show(ui, &mut desk),
            Screen::Approvals => self.approvals.show(ui, &mut desk),
            Screen::Worker(worker) => self.typing_away = self.worker.show(ui, &mut desk, &worker),
            Screen::Work => self.work.show(ui, &mut desk),
            Screen::Reports => self.reports.show(ui, &mut desk),
            Screen::Fleet => fleet::show(ui, &mut desk),
            Screen::Settings => {}
        }
        if let Some(order) = order {
            self.work.open(order);
        }
    }

    fn stop_all(&mut self) {
        self.model.send(Command::Stop { scope: StopScope::Company });
    }

    /// Things that change by themselves: countdowns and ages. Nothing else draws without a cause.
    fn wake_later(&self, ctx: &Context) {
        let snapshot = self.model.snapshot.as_ref();
        let counting = self.model.needs() > 0;
        let aging = snapshot.is_some_and(|s| {
            s.workers.iter().any(|w| w.last_action_at.is_some_and(|at| self.model.now().since(at).0 < 10_000))
        });
        let down = matches!(self.model.line, Line::Down { .. });
        if counting || aging || down || !self.model.notices.is_empty() {
            ctx.request_repaint_after(std::time::Duration::from_secs(1));
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.take_in(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.show(ui);
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        ground(visuals)
    }
}

/// What the window is cleared to: the ground of the theme.
pub fn ground(visuals: &egui::Visuals) -> [f32; 4] {
    Tokens::dark(visuals.dark_mode).bg.to_normalized_gamma_f32()
}

/// Where the console looks when it is told nothing.
pub fn usual_place() -> std::path::PathBuf {
    mz_client::default_socket()
}
