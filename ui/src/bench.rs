//! How fast the console draws, and how old pictures are when they can be drawn. Prints JSON; asserts nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use egui::{Context, Ui, ViewportCommand};
use mz_protocol::{Command, PersonId, Push, Response, Size, WorkerId};
use serde_json::json;

use crate::app::{App, ground};
use crate::connection::{Link, LinkEvent};
use crate::pictures::Patch;
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
        let fps: Vec<f64> = frames.iter().map(|ms| 1000.0 / ms.max(0.001)).collect();
        let drawing = self.drawing.get(WARM_UP..).unwrap_or_default();
        let report = json!({
            "bench": "console", "width": 1600, "height": 900, "tiles": self.tiles, "updated_per_frame": self.tiles.div_ceil(3),
            "frames": frames.len(),
            "fps": {"p50": tenth(share(&fps, 0.5)), "p5": tenth(share(&fps, 0.05)), "mean": tenth(1000.0 / mean(frames).max(0.001))},
            "frame_ms": {"p50": tenth(share(frames, 0.5)), "p95": tenth(share(frames, 0.95)), "p99": tenth(share(frames, 0.99))},
            "ui_ms": {"p50": tenth(share(drawing, 0.5)), "p95": tenth(share(drawing, 0.95))},
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

/// The live engine: from the capture of a picture until it is in a texture.
pub struct Feed {
    app: App,
    until: Duration,
    started: Instant,
}

impl Feed {
    pub fn new(mut app: App, seconds: u64) -> Self {
        app.model.pictures.lags.wanted = true;
        Self { app, until: Duration::from_secs(seconds), started: Instant::now() }
    }

    fn report(&self) {
        // The first picture of a desktop at rest is as old as its last change: it says nothing about the line.
        let workers = self.app.model.snapshot.as_ref().map_or(0, |s| s.workers.len());
        let lags = self.app.model.pictures.lags.micros.iter().skip(workers).map(|us| *us as f64 / 1000.0);
        let lags: Vec<f64> = lags.collect();
        let report = json!({
            "bench": "feed", "workers": workers, "pictures": lags.len(), "seconds": self.started.elapsed().as_secs(),
            "capture_to_texture_ms": {"p50": tenth(share(&lags, 0.5)), "p95": tenth(share(&lags, 0.95)), "max": tenth(share(&lags, 1.0))},
        });
        println!("{report}");
    }
}

impl eframe::App for Feed {
    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        ground(visuals)
    }

    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.app.take_in(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.app.show(ui);
        let left = self.until.saturating_sub(self.started.elapsed());
        if !left.is_zero() {
            ui.ctx().request_repaint_after(left);
        } else if !self.until.is_zero() {
            self.until = Duration::ZERO;
            self.report();
            ui.ctx().send_viewport_cmd(ViewportCommand::Close);
        }
    }
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

/// The value below which this share of all lies.
fn share(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len().max(1) - 1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
