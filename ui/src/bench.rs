//! How fast the console draws, and when pictures are in their textures. Prints JSON; asserts nothing.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use eframe::egui_glow::CallbackFn;
use egui::{Context, Id, LayerId, Order, PaintCallback, Pos2, Rect, Ui, Vec2, ViewportCommand};
use mz_protocol::{Command, PersonId, Push, Response, Size, WorkerId};
use serde_json::json;

use crate::app::{App, ground};
use crate::connection::{Link, LinkEvent};
use crate::pictures::{Arrival, Patch};
use crate::sample;

/// Frames that warm caches up and are not counted.
const WARM_UP: usize = 20;

/// The whole window with made-up desktops, a third of them new in each frame.
pub struct Bench {
    app: App,
    tiles: usize,
    until: Duration,
    started: Option<Instant>,
    last: Option<Instant>,
    frames: Vec<f64>,
    drawing: Vec<f64>,
}

impl Bench {
    pub fn new(app: App, tiles: usize, seconds: u64) -> Self {
        let until = Duration::from_secs(seconds);
        Self { app, tiles, until, started: None, last: None, frames: Vec::new(), drawing: Vec::new() }
    }

    pub fn link(tiles: usize) -> Box<dyn Link> {
        Box::new(MadeUp::new(tiles))
    }

    fn report(&self) {
        let frames = self.frames.get(WARM_UP..).unwrap_or_default();
        let drawing = self.drawing.get(WARM_UP..).unwrap_or_default();
        let report = json!({
            "bench": "console", "width": 1600, "height": 900, "tiles": self.tiles, "updated_per_frame": self.tiles.div_ceil(3),
            "frame_ms": frames, "ui_ms": drawing,
        });
        println!("{report}");
    }
}

impl eframe::App for Bench {
    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        ground(visuals)
    }

    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            self.frames.push((now - last).as_secs_f64() * 1000.0);
        }
        self.app.take_in(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let begun = Instant::now();
        self.app.show(ui);
        self.drawing.push(begun.elapsed().as_secs_f64() * 1000.0);
        let started = *self.started.get_or_insert(begun);
        if started.elapsed() < self.until {
            ui.ctx().request_repaint();
        } else if !self.until.is_zero() {
            self.until = Duration::ZERO;
            self.report();
            ui.ctx().send_viewport_cmd(ViewportCommand::Close);
        }
    }
}

/// The live engine: tells of each picture when it is in its texture, a line of JSON each, until nobody listens.
pub struct Feed {
    app: App,
    until: Duration,
    started: Instant,
    /// Given to their textures, but not yet uploaded.
    waiting: Arc<Mutex<Vec<Arrival>>>,
    unheard: Arc<AtomicBool>,
}

impl Feed {
    pub fn new(mut app: App, seconds: u64) -> Self {
        app.model.pictures.arrivals = Some(Vec::new());
        let until = Duration::from_secs(seconds);
        Self { app, until, started: Instant::now(), waiting: Arc::default(), unheard: Arc::default() }
    }

    /// The painter uploads textures before it draws, so what is drawn last comes after all uploads of its frame.
    fn tell_when_uploaded(&self, ctx: &Context) {
        let (waiting, unheard) = (Arc::clone(&self.waiting), Arc::clone(&self.unheard));
        let tell = CallbackFn::new(move |_, _| {
            let uploaded_us = monotonic_us();
            let mut out = std::io::stdout().lock();
            for Arrival { worker, captured_us } in lock(&waiting).drain(..) {
                let line = json!({ "worker": worker, "captured_us": captured_us, "uploaded_us": uploaded_us });
                if writeln!(out, "{line}").is_err() {
                    unheard.store(true, Ordering::Relaxed);
                }
            }
        });
        let layer = LayerId::new(Order::Debug, Id::unique("bench-feed"));
        let rect = Rect::from_min_size(Pos2::ZERO, Vec2::splat(1.0));
        ctx.layer_painter(layer).add(PaintCallback { rect, callback: Arc::new(tell) });
    }
}

impl eframe::App for Feed {
    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        ground(visuals)
    }

    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.app.take_in(ctx);
        if let Some(arrivals) = &mut self.app.model.pictures.arrivals {
            lock(&self.waiting).append(arrivals);
        }
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.app.show(ui);
        self.tell_when_uploaded(ui.ctx());
        let left = self.until.saturating_sub(self.started.elapsed());
        if left.is_zero() || self.unheard.load(Ordering::Relaxed) {
            ui.ctx().send_viewport_cmd(ViewportCommand::Close);
        } else {
            ui.ctx().request_repaint_after(left);
        }
    }
}

fn lock(waiting: &Mutex<Vec<Arrival>>) -> MutexGuard<'_, Vec<Arrival>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The kernel's clock that all processes share, in microseconds.
fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
}

/// A line to nowhere that sends pictures as fast as they are drawn.
struct MadeUp {
    waiting: VecDeque<LinkEvent>,
    workers: Vec<WorkerId>,
    pictures: Vec<Patch>,
    turn: usize,
    next_id: u64,
    begun: bool,
}

impl MadeUp {
    fn new(tiles: usize) -> Self {
        let snapshot = sample::floor(tiles, sample::clock().now());
        let workers: Vec<WorkerId> = snapshot.workers.iter().map(|w| w.id.clone()).collect();
        let size = Size { width: 480, height: 270 };
        let pictures = (0..6).filter_map(|kind| workers.first().map(|w| sample::desktop(w, kind, size))).collect();
        let mut waiting = VecDeque::new();
        if let Ok(person) = PersonId::new("bench") {
            waiting.push_back(LinkEvent::Up { engine: "bench".to_owned(), person });
        }
        waiting.push_back(LinkEvent::Push(Box::new(Push::Snapshot { snapshot: Box::new(snapshot) })));
        Self { waiting, workers, pictures, turn: 0, next_id: 0, begun: false }
    }

    fn fill(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64);
        let (all, per_frame) = (self.workers.len(), self.workers.len().div_ceil(3));
        for _ in 0..if self.begun { per_frame } else { all } {
            let Some(picture) = self.pictures.get((self.turn * 7 + self.turn / all.max(1)) % self.pictures.len().max(1)) else {
                return;
            };
            let worker = self.workers[self.turn % all].clone();
            let patch = Patch { worker, captured_us: now, ..picture.clone() };
            self.waiting.push_back(LinkEvent::Picture(patch));
            self.turn += 1;
        }
        self.begun = true;
    }
}

impl Link for MadeUp {
    fn send(&mut self, _command: Command) -> Option<u64> {
        self.next_id += 1;
        self.waiting.push_back(LinkEvent::Answer { id: self.next_id, response: Box::new(Response::Done) });
        Some(self.next_id)
    }

    fn poll(&mut self) -> Option<LinkEvent> {
        let event = self.waiting.pop_front();
        if event.is_none() {
            // Ready for the frame after this one.
            self.fill();
        }
        event
    }

    fn place(&self) -> String {
        "bench".to_owned()
    }
}
