//! Each screen as a picture, dark and light; empty, full and failing.

#![allow(clippy::unwrap_used, reason = "a slip in a fixture ends the test")]

mod support;

use egui::Theme;
use egui_kittest::{SnapshotOptions, SnapshotResults};
use mz_protocol::{Size, Snapshot, WorkerId};
use mz_ui::app::Screen;
use mz_ui::model::EventsOf;
use mz_ui::sample;
use mz_ui::testing::FakeEngine;
use support::{Floor, floor, floor_with, window};

/// Letters are drawn a little differently on each machine; a wrong layout moves far more than this.
fn options() -> SnapshotOptions {
    SnapshotOptions::new().threshold(2.0).max_failed_pixels(6000usize)
}

fn look(results: &mut SnapshotResults, floor: &mut Floor, name: &str, theme: Theme) {
    let theme = if theme == Theme::Dark { "dark" } else { "light" };
    floor.window.remove_cursor();
    floor.draw(2);
    floor.window.snapshot_options(format!("{name}_{theme}"), &options());
    results.extend_harness(&mut floor.window);
}

fn both(test: impl Fn(&mut SnapshotResults, Theme)) {
    let mut results = SnapshotResults::new();
    test(&mut results, Theme::Dark);
    test(&mut results, Theme::Light);
}

#[test]
fn the_wall() {
    both(|results, theme| look(results, &mut floor(sample::company(), theme), "wall", theme));
}

#[test]
fn the_wall_with_sixty_four() {
    both(|results, theme| look(results, &mut floor(sample::floor(64, sample::NOW), theme), "wall_64", theme));
}

#[test]
fn approvals() {
    both(|results, theme| {
        let mut floor = floor(sample::company(), theme);
        floor.go(Screen::Approvals);
        floor.until("the frame", |app| {
            app.model.waiting().first().is_some_and(|a| app.model.approval_frame(&a.request.id).is_some())
        });
        floor.look_for_a_second();
        look(results, &mut floor, "approvals", theme);
        floor.press(egui::Key::ArrowDown);
        floor.until("the other frame", |app| {
            app.model.waiting().get(1).is_some_and(|a| app.model.approval_frame(&a.request.id).is_some())
        });
        floor.look_for_a_second();
        look(results, &mut floor, "approvals_changed", theme);
    });
}

#[test]
fn approvals_with_nothing_to_do() {
    both(|results, theme| {
        let mut floor = floor(Snapshot { approvals: Vec::new(), ..sample::company() }, theme);
        floor.go(Screen::Approvals);
        look(results, &mut floor, "approvals_empty", theme);
    });
}

#[test]
fn one_worker() {
    both(|results, theme| {
        let mut floor = floor_with(sample::company(), theme, sample::events());
        open(&mut floor, "sol");
        let of = EventsOf::Worker(WorkerId::new("sol").unwrap());
        floor.until("the events", |app| app.model.events(&of).is_some_and(|events| !events.is_empty()));
        look(results, &mut floor, "worker", theme);
        open(&mut floor, "iris");
        look(results, &mut floor, "worker_driven", theme);
        open(&mut floor, "anneliese");
        look(results, &mut floor, "worker_help", theme);
    });
}

/// Opens a worker and waits for its picture in full size.
fn open(floor: &mut Floor, name: &str) {
    let worker = WorkerId::new(name).unwrap();
    floor.go(Screen::Worker(worker.clone()));
    floor.until("the sharp picture", |app| app.model.pictures.get(&worker).is_some_and(|p| p.size == Size::DESKTOP));
}

#[test]
fn work() {
    both(|results, theme| {
        let mut floor = floor_with(sample::company(), theme, sample::events());
        floor.go(Screen::Work);
        look(results, &mut floor, "work", theme);
        floor.click("WO-0162, Poster A2, Failed");
        floor.draw(20);
        floor.click("Show as: Table");
        look(results, &mut floor, "work_order", theme);
    });
}

#[test]
fn work_with_nothing_to_do() {
    both(|results, theme| {
        let empty = Snapshot { orders: Vec::new(), objectives: Vec::new(), ..sample::company() };
        let mut floor = floor(empty, theme);
        floor.go(Screen::Work);
        look(results, &mut floor, "work_empty", theme);
    });
}

#[test]
fn reports() {
    both(|results, theme| {
        let mut floor = floor(sample::company(), theme);
        floor.go(Screen::Reports);
        floor.until("the report", |app| app.model.report.is_some());
        floor.click("Export as PDF");
        floor.until("the file", |app| matches!(app.model.exports.get("pdf"), Some(mz_ui::model::Export::Saved(_))));
        look(results, &mut floor, "reports", theme);
    });
}

#[test]
fn fleet_and_settings() {
    both(|results, theme| {
        let mut floor = floor(sample::company(), theme);
        floor.go(Screen::Fleet);
        look(results, &mut floor, "fleet", theme);
        floor.go(Screen::Settings);
        look(results, &mut floor, "settings", theme);
    });
}

#[test]
fn without_company_workers_or_engine() {
    both(|results, theme| {
        look(
            results,
            &mut floor(Snapshot { company: None, workers: Vec::new(), ..sample::company() }, theme),
            "no_company",
            theme,
        );
        look(results, &mut floor(Snapshot { workers: Vec::new(), ..sample::company() }, theme), "no_workers", theme);
        let engine = FakeEngine::new(sample::company());
        engine.hang_up(true);
        let mut lost = window(engine, theme);
        lost.until("the news", |app| matches!(app.model.line, mz_ui::model::Line::Down { .. }));
        look(results, &mut lost, "no_engine", theme);
    });
}
