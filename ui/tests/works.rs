//! What a manager does, and what of it reaches the engine. Widgets are found by what is read aloud.

#![allow(clippy::unwrap_used, reason = "a slip in a fixture ends the test")]

mod support;

use egui::{Key, Modifiers, Role, Theme};
use egui_kittest::kittest::Queryable;
use mz_protocol::{
    Action, Command, DecisionKind, ExportFormat, OrderState, Point, Push, Response, StopScope, WorkerId, WorkerState,
};
use mz_ui::desk::Screen;
use mz_ui::model::{EventsOf, Export, Line};
use mz_ui::sample;
use mz_ui::testing::FakeEngine;
use support::{Floor, floor, floor_with, window};

fn usual() -> Floor {
    floor(sample::company(), Theme::Dark)
}

fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

fn at_approvals() -> Floor {
    let mut floor = usual();
    floor.press(Key::Num2);
    floor
}

fn decision(command: &Command) -> Option<&DecisionKind> {
    if let Command::Decide { decision } = command { Some(&decision.kind) } else { None }
}

fn decisions(floor: &Floor) -> usize {
    floor.engine.commands().iter().filter(|c| decision(c).is_some()).count()
}

#[test]
fn whoever_needs_a_person_stands_first_and_a_click_opens_the_worker() {
    let mut floor = usual();
    let mira = floor.window.get_by_label("Mira, Needs you").rect();
    let sol = floor.window.get_by_label("Sol, Working").rect();
    assert!(mira.top() < sol.top() || mira.left() < sol.left());
    floor.click("Sol, Working");
    assert_eq!(floor.window.state().screen, Screen::Worker(worker("sol")));
    floor.engine.wait_for(
        "for Sol's pictures in full",
        |c| matches!(c, Command::Watch { workers, divisor: 1 } if *workers == [worker("sol")]),
    );
    floor.press(Key::Escape);
    assert_eq!(floor.window.state().screen, Screen::Wall);
}

#[test]
fn a_double_click_takes_over_and_the_menu_pauses() {
    let mut floor = usual();
    let tile = floor.window.get_by_label("Ada, Working");
    tile.click();
    tile.click();
    floor.draw(3);
    floor.engine.wait_for("to take over", |c| matches!(c, Command::TakeOver { worker: w } if *w == worker("ada")));
    floor.go(Screen::Wall);
    floor.window.get_by_label("Noor, Working").click_secondary();
    floor.draw(3);
    floor.click("Pause Noor");
    let scope = StopScope::Worker(worker("noor"));
    floor.engine.wait_for("to pause", |c| *c == Command::Stop { scope: scope.clone() });
}

#[test]
fn one_key_stops_everything_from_anywhere_and_resume_asks_first() {
    let mut floor = usual();
    floor.press(Key::Slash);
    floor.press(Key::F12);
    floor.engine.wait_for("to stop", |c| *c == Command::Stop { scope: StopScope::Company });
    floor.press(Key::Escape);
    let mut company = sample::company().company.unwrap();
    company.stops = vec![StopScope::Company];
    floor.engine.push(Push::Company { company: Box::new(company) });
    floor.until("the stop", |app| app.model.is_stopped(&StopScope::Company));
    floor.click("Resume everything");
    let resumed = |floor: &Floor| floor.engine.commands().iter().any(|c| matches!(c, Command::Resume { .. }));
    assert!(!resumed(&floor), "resume must ask first");
    floor.click("Yes, resume everything");
    floor.engine.wait_for("to resume", |c| *c == Command::Resume { scope: StopScope::Company });
}

#[test]
fn no_decision_counts_in_the_first_half_second() {
    let mut floor = at_approvals();
    floor.engine.wait_for("that it is shown", |c| matches!(c, Command::Shown { approval } if approval.as_str() == "AP-0012"));
    floor.press(Key::A);
    floor.click("Approve");
    floor.look_for_a_second();
    assert_eq!(decisions(&floor), 0, "too early, so it must not count");
    floor.press(Key::A);
    let sent = floor.engine.wait_for("to approve", |c| decision(c) == Some(&DecisionKind::Approve));
    let Command::Decide { decision } = sent else { unreachable!() };
    assert_eq!(decision.approval.as_str(), "AP-0012");
    assert_eq!(decision.binding, sample::company().approvals[0].request.binding);
    floor.press(Key::A);
    floor.look_for_a_second();
    assert_eq!(decisions(&floor), 1, "twice is once");
}

#[test]
fn an_answer_that_the_engine_refuses_can_be_given_again() {
    let mut floor = at_approvals();
    floor.look_for_a_second();
    let stale = mz_protocol::Problem::new(mz_protocol::ErrorCode::Stale, "the screen changed a moment ago");
    floor.engine.answer_next(|c| matches!(c, Command::Decide { .. }), Response::Failed { problem: stale });
    floor.press(Key::A);
    floor.until("the refusal", |app| app.model.notices.iter().any(|n| n.text.contains("a moment ago")));
    floor.press(Key::A);
    floor.until("the second answer", |app| !app.model.deciding.is_empty());
    let count = floor.engine.clone();
    floor.until("both at the engine", move |_| {
        count.commands().iter().filter(|c| matches!(c, Command::Decide { .. })).count() == 2
    });
}

#[test]
fn a_new_question_under_the_cursor_starts_its_own_half_second() {
    let mut floor = at_approvals();
    floor.look_for_a_second();
    let mut first = sample::company().approvals[0].clone();
    first.state = mz_protocol::ApprovalState::Void { why: mz_protocol::VoidReason::Expired, at: sample::NOW };
    floor.engine.push(Push::Approval { approval: Box::new(first) });
    let mut second = sample::company().approvals[1].clone();
    second.screen_unchanged = true;
    floor.engine.push(Push::Approval { approval: Box::new(second) });
    floor.until("the next question", |app| {
        app.model.waiting().first().is_some_and(|a| a.request.id.as_str() == "AP-0013" && a.screen_unchanged)
    });
    floor.window.key_press(Key::A);
    floor.draw(2);
    assert_eq!(decisions(&floor), 0);
}

#[test]
fn a_veto_carries_its_reason_and_an_empty_one_is_not_sent() {
    let mut floor = at_approvals();
    floor.look_for_a_second();
    floor.press(Key::V);
    floor.click("Veto now");
    assert_eq!(decisions(&floor), 0, "a veto says why");
    floor.window.get_by_role_and_label(Role::MultilineTextInput, "Why not?").type_text("Wrong price: A and V are letters here");
    floor.draw(3);
    floor.click("Veto now");
    let wanted = DecisionKind::Veto { reason: "Wrong price: A and V are letters here".to_owned() };
    floor.engine.wait_for("to veto", |c| decision(c) == Some(&wanted));
    assert_eq!(decisions(&floor), 1, "letters of the reason are no decisions");
}

#[test]
fn what_changed_cannot_be_approved_but_edited_and_odd_letters_are_seen() {
    let mut floor = at_approvals();
    floor.press(Key::ArrowDown);
    floor.look_for_a_second();
    assert!(floor.sees("The screen has changed since Fenn asked"));
    assert!(floor.sees("‹U+202E›"));
    floor.press(Key::A);
    floor.click("Approve");
    assert_eq!(decisions(&floor), 0);
    floor.press(Key::E);
    floor.window.get_by_role_and_label(Role::MultilineTextInput, "Type this instead").type_text(" paid");
    floor.draw(3);
    floor.click("Send now");
    floor.engine.wait_for("to edit", |c| matches!(decision(c), Some(DecisionKind::Edit { text }) if text.contains("paid")));
}

#[test]
fn a_grant_is_narrow_has_an_end_and_can_be_taken_back() {
    let mut floor = at_approvals();
    floor.click("Always allow exactly this, for a while…");
    floor.click("Uses: 5 times");
    floor.click("For: 1 hour");
    floor.click("Grant");
    let given = floor.engine.wait_for("to grant", |c| matches!(c, Command::GiveGrant { .. }));
    let Command::GiveGrant { scope, uses, until } = given else { unreachable!() };
    assert_eq!((uses, until.since(sample::NOW).0), (5, 3_600_000));
    assert_eq!(
        (scope.worker, scope.target_name.as_str(), scope.host.as_deref()),
        (Some(worker("mira")), "Publish", Some("cms.atelier.local"))
    );
    assert_eq!(decisions(&floor), 0, "a grant does not answer the question at hand");
    floor.press(Key::Num6);
    floor.click("Take back G-0003");
    floor.engine.wait_for("to revoke", |c| matches!(c, Command::RevokeGrant { grant } if grant.as_str() == "G-0003"));
}

#[test]
fn driving_forwards_hands_in_desktop_pixels_and_hands_back_with_a_note() {
    let mut floor = usual();
    floor.go(Screen::Worker(worker("iris")));
    let desktop = floor.window.get_by_label("Desktop of Iris").rect();
    let middle = desktop.center();
    floor.window.get_by_label("Desktop of Iris").click();
    floor.draw(2);
    let click = floor.engine.wait_for("of a click", |c| matches!(c, Command::Drive { action: Action::Click { .. }, .. }));
    let Command::Drive { lease, action: Action::Click { at, count, .. } } = click else { unreachable!() };
    assert_eq!((lease.as_str(), count), ("L-1", 1));
    assert!(at.distance(Point::new(640, 400)) < 2.0, "the middle {middle:?} came as {at:?}");
    floor.window.event(egui::Event::Text("2".to_owned()));
    floor.window.key_press_modifiers(Modifiers::CTRL, Key::S);
    floor.draw(3);
    floor
        .engine
        .wait_for("of a letter", |c| matches!(c, Command::Drive { action: Action::Type { text }, .. } if text.shown() == "2"));
    floor.engine.wait_for(
        "of a chord",
        |c| matches!(c, Command::Drive { action: Action::Key { chord }, .. } if chord.to_string() == "Ctrl+s"),
    );
    assert_eq!(floor.window.state().screen, Screen::Worker(worker("iris")), "keys belong to the desktop");
    floor.click("Hand back");
    floor.window.get_by_label("Note for the record").type_text("Fixed the headline");
    floor.draw(3);
    floor.click("Hand back now");
    floor
        .engine
        .wait_for("to hand back", |c| matches!(c, Command::HandBack { note: Some(note), .. } if note == "Fixed the headline"));
}

#[test]
fn a_click_into_the_desktop_takes_over_and_pause_stops_one() {
    let mut floor = usual();
    floor.go(Screen::Worker(worker("sol")));
    floor.window.get_by_label("Desktop of Sol").click();
    floor.draw(3);
    floor.engine.wait_for("to take over", |c| matches!(c, Command::TakeOver { worker: w } if *w == worker("sol")));
    floor.click("Pause");
    floor.engine.wait_for("to pause", |c| *c == Command::Stop { scope: StopScope::Worker(worker("sol")) });
}

#[test]
fn a_row_of_the_story_opens_its_frame_and_live_comes_back() {
    let mut floor = floor_with(sample::company(), Theme::Dark, sample::events());
    floor.go(Screen::Worker(worker("sol")));
    let of = EventsOf::Worker(worker("sol"));
    floor.until("the events", |app| app.model.events(&of).is_some_and(|events| !events.is_empty()));
    floor.window.get_by_label_contains("Ctrl+s").click();
    floor.draw(3);
    floor.engine.wait_for(
        "for the frame",
        |c| matches!(c, Command::FrameAt { worker: w, at } if *w == worker("sol") && sample::NOW.since(*at).0 == 22_000),
    );
    floor.until("the frame", |app| matches!(app.model.recorded.get(&worker("sol")), Some(Ok(_))));
    floor.click("Back to live");
    assert!(floor.sees("Live"));
}

#[test]
fn help_is_given_by_trying_again() {
    let mut floor = usual();
    floor.go(Screen::Worker(worker("anneliese")));
    floor.click("Try the step again");
    floor.engine.wait_for("to retry", |c| matches!(c, Command::Retry { order } if order.as_str() == "WO-0181"));
}

#[test]
fn an_objective_is_added_and_an_order_found_by_a_few_letters() {
    let mut floor = usual();
    floor.press(Key::Num3);
    floor.click("Add an objective");
    floor.window.get_by_label("Objective").type_text("Open a shop in Bergen");
    floor.draw(3);
    floor.click("Add this objective");
    floor.engine.wait_for(
        "to add",
        |c| matches!(c, Command::AddObjective { text, department: None } if text == "Open a shop in Bergen"),
    );
    floor.window.event(egui::Event::Text("/".to_owned()));
    floor.draw(3);
    floor.window.get_by_label("Find a worker or a work order").type_text("poster");
    floor.draw(3);
    floor.press(Key::Enter);
    assert!(floor.sees("Outcome check"));
    assert!(floor.sees("2 of 3 points, not passed"));
}

#[test]
fn reports_ask_by_scope_and_period_and_exports_show_their_file() {
    let mut floor = usual();
    floor.press(Key::Num4);
    floor.until("the report", |app| app.model.report.is_some());
    assert!(floor.sees("Outcomes verified: 512"));
    floor.click("Period: 7 days");
    floor.engine.wait_for(
        "for a week",
        |c| matches!(c, Command::Report { period, .. } if period.to.0 - period.from.0 == 7 * 86_400_000),
    );
    floor.click("Export as XLSX");
    floor.until("the file", |app| matches!(app.model.exports.get("xlsx"), Some(Export::Saved(_))));
    assert!(floor.sees("/home/kim/reports/atelier.xlsx"));
    let refused = Response::Failed { problem: mz_protocol::Problem::new(mz_protocol::ErrorCode::Internal, "the disk is full") };
    floor.engine.answer_next(|c| matches!(c, Command::Export { format: ExportFormat::Csv, .. }), refused);
    floor.click("Export as CSV");
    floor.until("the refusal", |app| matches!(app.model.exports.get("csv"), Some(Export::Failed(_))));
    assert!(floor.sees("the disk is full"));
}

#[test]
fn when_the_engine_goes_the_last_pictures_stay_and_it_comes_back_by_itself() {
    let mut floor = usual();
    floor.engine.hang_up(true);
    floor.until("the news", |app| matches!(app.model.line, Line::Down { .. }));
    assert!(floor.sees("The engine is gone"));
    assert!(floor.window.state().model.pictures.get(&worker("sol")).is_some());
    floor.press(Key::F12);
    assert!(floor.sees("nothing was sent"), "a stop that reached nobody must say so");
    floor.engine.accept_again();
    floor.click("Try now");
    floor.until("the engine", |app| app.model.is_up());
    assert_eq!(floor.engine.connections(), 2);
    let follows = |floor: &Floor| floor.engine.commands().iter().filter(|c| matches!(c, Command::Follow)).count();
    floor.until("to be followed", |_| true);
    floor.engine.wait_for("to follow", |c| matches!(c, Command::Follow));
    assert!(follows(&floor) >= 1);
}

#[test]
fn fleet_says_which_promises_are_not_kept() {
    let mut floor = usual();
    floor.press(Key::Num5);
    assert!(floor.sees("512 MiB of memory: not kept"));
    assert!(floor.sees("git: not running"));
}

#[test]
fn without_an_engine_the_window_says_where_it_looks() {
    let engine = FakeEngine::new(sample::company());
    engine.hang_up(true);
    let mut lost = window(engine, Theme::Dark);
    lost.until("the news", |app| matches!(app.model.line, Line::Down { .. }));
    assert!(lost.sees("No line to the engine"));
    assert!(lost.sees("/run/user/1000/mezzanine/engine.sock"));
}

#[test]
fn a_change_of_state_moves_a_tile_to_the_front() {
    let mut floor = usual();
    let mut teo = sample::company().workers.iter().find(|w| w.id == worker("teo")).cloned().unwrap();
    teo.state = WorkerState::NeedsHelp { reason: "stuck".to_owned(), since: sample::NOW };
    floor.engine.push(Push::Worker { worker: Box::new(teo) });
    floor
        .until("Teo", |app| app.model.worker(&worker("teo")).is_some_and(|w| matches!(w.state, WorkerState::NeedsHelp { .. })));
    let teo = floor.window.get_by_label("Teo, Needs help").rect();
    let sol = floor.window.get_by_label("Sol, Working").rect();
    assert!(teo.top() < sol.top() || (teo.top() == sol.top() && teo.left() < sol.left()));
}

#[test]
fn a_double_click_takes_over_although_the_first_click_opens_the_worker() {
    let mut floor = usual();
    let at = floor.window.get_by_label("Ada, Working").rect().center();
    for _ in 0..2 {
        for pressed in [true, false] {
            let button = egui::PointerButton::Primary;
            floor.window.event(egui::Event::PointerMoved(at));
            floor.window.event(egui::Event::PointerButton { pos: at, button, pressed, modifiers: Modifiers::NONE });
            floor.draw(1);
        }
    }
    floor.draw(3);
    assert_eq!(floor.window.state().screen, Screen::Worker(worker("ada")));
    floor.engine.wait_for("to take over", |c| matches!(c, Command::TakeOver { worker: w } if *w == worker("ada")));
    let taken = floor.engine.commands().iter().filter(|c| matches!(c, Command::TakeOver { .. })).count();
    assert_eq!(taken, 1, "two clicks are one wish");
}

#[test]
fn whose_worker_waits_for_an_answer_needs_you_on_the_board_too() {
    let mut company = sample::company();
    for view in &mut company.orders {
        if view.order.id.as_str() == "WO-0173" {
            view.state = OrderState::InProgress;
        }
    }
    let mut floor = floor(company, Theme::Dark);
    floor.press(Key::Num3);
    floor.click("WO-0173, Announce the Halo lamp, Needs approval");
    floor.draw(20);
    floor.click("Answer the question");
    assert_eq!(floor.window.state().screen, Screen::Approvals);
}

#[test]
fn an_order_is_cancelled_only_with_a_reason() {
    let mut floor = usual();
    floor.press(Key::Num3);
    floor.click("WO-0175, Refund rounding test fails, In progress");
    floor.draw(20);
    floor.click("Cancel the work order");
    floor.click("Cancel it now");
    let cancelled = |floor: &Floor| floor.engine.commands().iter().any(|c| matches!(c, Command::Cancel { .. }));
    assert!(!cancelled(&floor), "a cancelled order says why");
    floor.window.get_by_label("Why is it cancelled?").type_text("The shop moves");
    floor.draw(3);
    floor.click("Cancel it now");
    floor.engine.wait_for("to cancel", |c| matches!(c, Command::Cancel { reason, .. } if reason == "The shop moves"));
}

#[test]
fn a_worker_is_paused_and_taken_over_by_keys_and_its_department_stopped() {
    let mut floor = usual();
    floor.go(Screen::Worker(worker("sol")));
    floor.press(Key::P);
    floor.engine.wait_for("to pause", |c| *c == Command::Stop { scope: StopScope::Worker(worker("sol")) });
    floor.press(Key::T);
    floor.engine.wait_for("to take over", |c| matches!(c, Command::TakeOver { worker: w } if *w == worker("sol")));
    floor.click("More for this worker");
    floor.click("Stop all of Software");
    floor
        .engine
        .wait_for("to stop", |c| matches!(c, Command::Stop { scope: StopScope::Department(d) } if d.as_str() == "software"));
}

#[test]
fn a_worker_in_a_loop_says_at_which_row_it_is() {
    let mut floor = usual();
    floor.go(Screen::Worker(worker("noor")));
    assert!(floor.sees("Procedure · step 2 of 6 · row 9 of 12"));
    assert!(floor.sees("Row 9 of 12: Type"));
}

#[test]
fn the_last_minute_is_played_again_and_rests_when_told() {
    let mut floor = floor_with(sample::company(), Theme::Dark, sample::events());
    floor.go(Screen::Worker(worker("sol")));
    floor.click("Play the last minute");
    let first = |c: &Command| matches!(c, Command::FrameAt { at, .. } if sample::NOW.since(*at).0 > 50_000);
    floor.engine.wait_for("for the frame a minute ago", first);
    floor.draw(60);
    floor.click("Hold the recording");
    // Two seconds at four times the speed; nothing moves on after that.
    let later = |app: &mz_ui::App| match app.model.recorded.get(&worker("sol")) {
        Some(Ok(recorded)) => (50_000..54_000).contains(&sample::NOW.since(recorded.at).0),
        _ => false,
    };
    floor.until("the frame where it was held", later);
    floor.draw(60);
    assert!(later(floor.window.state()));
    assert!(floor.sees("Play the recording"));
    floor.press(Key::L);
    assert!(floor.sees("Live"));
}

#[test]
fn a_veto_is_given_with_the_keyboard_alone() {
    let mut floor = at_approvals();
    floor.look_for_a_second();
    floor.press(Key::V);
    floor.window.event(egui::Event::Text("Wrong price".to_owned()));
    floor.draw(3);
    floor.window.key_press_modifiers(Modifiers::CTRL, Key::Enter);
    floor.draw(3);
    let wanted = DecisionKind::Veto { reason: "Wrong price".to_owned() };
    floor.engine.wait_for("to veto", |c| decision(c) == Some(&wanted));
}

#[test]
fn a_desktop_of_another_size_is_driven_pixel_for_pixel() {
    let mut floor = usual();
    let size = mz_protocol::Size { width: 1600, height: 1200 };
    floor.go(Screen::Worker(worker("iris")));
    floor.engine.send_picture(&sample::packet(&worker("iris"), 0, size, 2));
    floor.until("the other size", |app| app.model.pictures.get(&worker("iris")).is_some_and(|p| p.size == size));
    floor.window.get_by_label("Desktop of Iris").click();
    floor.draw(2);
    let click = floor.engine.wait_for("of a click", |c| matches!(c, Command::Drive { action: Action::Click { .. }, .. }));
    let Command::Drive { action: Action::Click { at, .. }, .. } = click else { unreachable!() };
    assert!(at.distance(Point::new(800, 600)) < 3.0, "the middle came as {at:?}");
}
