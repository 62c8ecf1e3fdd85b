//! Each screen as a picture, dark and light; empty, full and failing.

#![allow(clippy::unwrap_used, reason = "a slip in a fixture ends the test")]

mod support;

use egui::{Key, Theme, vec2};
use egui_kittest::{SnapshotOptions, SnapshotResults};
use mz_protocol::{Push, Size, Snapshot, StopScope, WorkerId, WorkerState};
use mz_ui::desk::Screen;
use mz_ui::model::EventsOf;
use mz_ui::sample;
use mz_ui::testing::FakeEngine;
use support::{Floor, floor, floor_sized, floor_with, window};

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
fn the_wall_of_a_small_company() {
    both(|results, theme| {
        for count in [1, 4, 16] {
            let mut floor = floor_sized(sample::floor(count, sample::NOW), theme, vec2(1600.0, 900.0));
            look(results, &mut floor, &format!("wall_{count}"), theme);
        }
    });
}

/// The smallest window that a manager is likely to have.
#[test]
fn all_screens_in_a_small_window() {
    let mut results = SnapshotResults::new();
    let theme = Theme::Light;
    let mut floor = floor_sized(sample::company(), theme, vec2(1280.0, 800.0));
    look(&mut results, &mut floor, "small_wall", theme);
    open(&mut floor, "sol");
    let of = EventsOf::Worker(WorkerId::new("sol").unwrap());
    floor.until("the events", |app| app.model.events(&of).is_some_and(|events| !events.is_empty()));
    look(&mut results, &mut floor, "small_worker", theme);
    floor.go(Screen::Approvals);
    floor.until("the frame", |app| {
        app.model.waiting().first().is_some_and(|a| app.model.approval_frame(&a.request.id).is_some())
    });
    floor.look_for_a_second();
    look(&mut results, &mut floor, "small_approvals", theme);
    floor.go(Screen::Work);
    floor.click("WO-0162, Poster A2, Failed");
    floor.draw(20);
    floor.click("Show as: Table");
    look(&mut results, &mut floor, "small_work", theme);
    floor.go(Screen::Reports);
    floor.until("the report", |app| app.model.report.is_some());
    look(&mut results, &mut floor, "small_reports", theme);
    floor.go(Screen::Fleet);
    look(&mut results, &mut floor, "small_fleet", theme);
}

#[test]
fn a_stopped_company_and_a_full_disk() {
    both(|results, theme| {
        let mut stopped = sample::company();
        if let Some(company) = &mut stopped.company {
            company.stops = vec![StopScope::Company];
            company.trouble = Some(
                "The disk is full, so nothing can be written down and all workers are stopped. Free some space under \
                 /var/lib/mezzanine/companies/atelier and resume."
                    .to_owned(),
            );
        }
        for worker in &mut stopped.workers {
            worker.state = WorkerState::Stopped { by_scope: StopScope::Company };
        }
        let mut floor = floor_sized(stopped, theme, vec2(1280.0, 800.0));
        look(results, &mut floor, "stopped", theme);
        open(&mut floor, "sol");
        let of = EventsOf::Worker(WorkerId::new("sol").unwrap());
        floor.until("the events", |app| app.model.events(&of).is_some_and(|events| !events.is_empty()));
        look(results, &mut floor, "stopped_worker", theme);
    });
}

#[test]
fn an_engine_that_went_away() {
    both(|results, theme| {
        let mut floor = floor_sized(sample::company(), theme, vec2(1280.0, 800.0));
        floor.engine.hang_up(true);
        floor.until("the news", |app| matches!(app.model.line, mz_ui::model::Line::Down { .. }));
        look(results, &mut floor, "engine_lost", theme);
    });
}

#[test]
fn dialogs() {
    both(|results, theme| {
        let mut floor = floor_sized(sample::company(), theme, vec2(1280.0, 800.0));
        floor.go(Screen::Approvals);
        floor.look_for_a_second();
        for (key, name) in [(Key::V, "veto"), (Key::G, "grant")] {
            floor.press(key);
            look(results, &mut floor, &format!("dialog_{name}"), theme);
            floor.press(Key::Escape);
        }
        floor.press(Key::ArrowDown);
        floor.look_for_a_second();
        floor.press(Key::E);
        look(results, &mut floor, "dialog_edit", theme);
        floor.press(Key::Escape);
        floor.window.event(egui::Event::Text("?".to_owned()));
        floor.draw(3);
        look(results, &mut floor, "dialog_keys", theme);
        floor.press(Key::Escape);
        floor.window.event(egui::Event::Text("/".to_owned()));
        floor.draw(3);
        look(results, &mut floor, "dialog_find", theme);
    });
}

#[test]
fn a_worker_at_a_row_of_a_loop_and_one_that_is_paused() {
    both(|results, theme| {
        let mut floor = floor_with(sample::company(), theme, Vec::new());
        open(&mut floor, "noor");
        look(results, &mut floor, "worker_row", theme);
        let own = StopScope::Worker(WorkerId::new("noor").unwrap());
        let mut company = sample::company().company.unwrap();
        company.stops = vec![own.clone()];
        floor.engine.push(Push::Company { company: Box::new(company) });
        let mut noor = sample::company().workers.into_iter().find(|w| w.id.as_str() == "noor").unwrap();
        noor.state = WorkerState::Stopped { by_scope: own.clone() };
        floor.engine.push(Push::Worker { worker: Box::new(noor) });
        floor.until("the stop", |app| app.model.is_stopped(&own));
        floor.draw(20);
        look(results, &mut floor, "worker_paused", theme);
    });
}

#[test]
fn the_frame_pixel_for_pixel() {
    both(|results, theme| {
        let mut floor = floor(sample::company(), theme);
        floor.go(Screen::Approvals);
        floor.until("the frame", |app| {
            app.model.waiting().first().is_some_and(|a| app.model.approval_frame(&a.request.id).is_some())
        });
        floor.look_for_a_second();
        floor.click("Size: 100 %");
        look(results, &mut floor, "approvals_full", theme);
    });
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
