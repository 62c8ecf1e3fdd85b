//! A PNG of each screen, taken off the running engine: for documentation, and to look at what was built.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use egui::{ColorImage, Context, Ui, ViewportCommand};

use crate::app::{App, ground};
use crate::desk::Screen;

/// Time for pictures, events and reports to come before a screen is taken.
const SETTLE: Duration = Duration::from_millis(2500);

/// Goes through the screens, then closes the window.
pub struct Shots {
    app: App,
    dir: PathBuf,
    left: Vec<(&'static str, Screen)>,
    current: Option<(&'static str, Instant, bool)>,
    images: (Sender<Arc<ColorImage>>, Receiver<Arc<ColorImage>>),
}

impl Shots {
    pub fn new(app: App, dir: PathBuf) -> Self {
        let mut left = vec![
            ("settings", Screen::Settings),
            ("fleet", Screen::Fleet),
            ("reports", Screen::Reports),
            ("work", Screen::Work),
            ("approvals", Screen::Approvals),
        ];
        left.push(("wall", Screen::Wall));
        Self { app, dir, left, current: None, images: bounded(2) }
    }

    /// The first worker, once workers are known: the one that needs a person, if any.
    fn add_worker(&mut self) {
        let snapshot = self.app.model.snapshot.as_ref();
        let worker = snapshot.and_then(|s| s.workers.iter().find(|w| w.order.is_some()).or(s.workers.first()));
        if let Some(worker) = worker {
            let worker = worker.id.clone();
            self.left.push(("worker", Screen::Worker(worker)));
        }
    }

    fn next(&mut self, ctx: &Context) {
        match self.current {
            None => match self.left.pop() {
                Some((name, screen)) => {
                    self.app.screen = screen;
                    self.current = Some((name, Instant::now(), false));
                }
                None => ctx.send_viewport_cmd(ViewportCommand::Close),
            },
            Some((name, since, false)) if since.elapsed() > SETTLE => {
                self.current = Some((name, since, true));
                let out = self.images.0.clone();
                ctx.request_screenshot(move |image| {
                    let _ = out.try_send(image);
                });
            }
            Some((name, _, true)) => {
                if let Ok(image) = self.images.1.try_recv() {
                    self.write(name, &image);
                    self.current = None;
                    if name == "wall" {
                        self.add_worker();
                    }
                }
            }
            Some(_) => {}
        }
    }

    fn write(&self, name: &str, image: &ColorImage) {
        let file = self.dir.join(format!("{name}.png"));
        let bytes: Vec<u8> = image.pixels.iter().flat_map(|p| p.to_array()).collect();
        let (width, height) = (image.width() as u32, image.height() as u32);
        let saved = std::fs::create_dir_all(&self.dir)
            .map_err(image::ImageError::IoError)
            .and_then(|()| image::save_buffer(&file, &bytes, width, height, image::ColorType::Rgba8));
        match saved {
            Ok(()) => println!("{}", file.display()),
            Err(error) => eprintln!("{} could not be written: {error}", file.display()),
        }
    }
}

impl eframe::App for Shots {
    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        ground(visuals)
    }

    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.app.take_in(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.next(ui.ctx());
        self.app.show(ui);
        ui.ctx().request_repaint_after(Duration::from_millis(50));
    }
}
