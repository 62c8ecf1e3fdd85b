//! The native window around an [`App`].

use std::sync::Arc;

use eframe::NativeOptions;
use egui::ViewportBuilder;
use mz_client::Address;

use crate::app::App;
use crate::connection::{Link, SocketLink};
use crate::prefs::Prefs;
use crate::say::Clock;

/// What is shown: the app itself, or something that drives it.
pub type Driver = Box<dyn FnOnce(App) -> Box<dyn eframe::App>>;

/// Opens a window onto the engine at `address` and returns when it is closed.
pub fn run(
    address: Address,
    prefs: Prefs,
    driver: impl FnOnce(App) -> Box<dyn eframe::App> + 'static,
) -> Result<(), eframe::Error> {
    let person = prefs.person();
    open(prefs, Box::new(driver), move |ctx| {
        let ctx = ctx.clone();
        let link = SocketLink::start(address, person, Arc::new(move || ctx.request_repaint()))?;
        Ok(Box::new(link))
    })
}

/// As `run`, over any link.
pub fn run_with(
    prefs: Prefs,
    link: Box<dyn Link>,
    driver: impl FnOnce(App) -> Box<dyn eframe::App> + 'static,
) -> Result<(), eframe::Error> {
    open(prefs, Box::new(driver), move |_| Ok(link))
}

fn open(
    prefs: Prefs,
    driver: Driver,
    link: impl FnOnce(&egui::Context) -> std::io::Result<Box<dyn Link>> + 'static,
) -> Result<(), eframe::Error> {
    let viewport = ViewportBuilder::default()
        .with_title("Mezzanine")
        .with_app_id("mezzanine-console")
        .with_inner_size([1600.0, 900.0])
        .with_min_inner_size([1024.0, 640.0]);
    // glow first: where rendering is in software it is four times faster than wgpu.
    // No dithering: there are no gradients, and in software each pixel pays for it.
    let options = NativeOptions {
        viewport,
        renderer: eframe::Renderer::Glow,
        multisampling: 0,
        dithering: false,
        ..NativeOptions::default()
    };
    eframe::run_native(
        "mezzanine-console",
        options,
        Box::new(move |cc| {
            let link = link(&cc.egui_ctx)?;
            let person = prefs.person();
            Ok(driver(App::new(&cc.egui_ctx, link, person, prefs, Clock::system())))
        }),
    )
}
