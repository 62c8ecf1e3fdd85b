//! One day after another on the same state, and what a company keeps between them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mz_protocol::{EventBody, OrderState, WorkerState};
use mz_tests::{PATIENCE, Place, refused};

fn worked(place: &Place, orders: &[&str]) -> anyhow::Result<()> {
    let day = place.day("person = \"manager\"\n", &[], PATIENCE)?;
    day.all_done()?;
    let ids: Vec<&str> = day.summary.orders.iter().map(|order| order.id.as_str()).collect();
    ensure!(ids == orders && day.summary.passed, "{ids:?}: {:?}", day.output);
    Ok(())
}

#[test]
fn the_second_day_is_worked_too() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    worked(&place, &["WO-0001", "WO-0002"])?;
    let relic = place.home_of("nina").join("relic.txt");
    std::fs::write(&relic, "of the first day")?;
    let first = place.sound_events()?.len();
    worked(&place, &["WO-0001.2", "WO-0002.2"])?;
    ensure!(!relic.exists(), "the second day began in the home of the first");
    let kept = place.own_state().join("day-before/homes/nina/relic.txt");
    ensure!(kept.exists(), "nothing is at {}", kept.display());
    let typed =
        place.sound_events()?.iter().skip(first).filter(|r| matches!(r.event.body, EventBody::ActionDone { .. })).count();
    ensure!(typed > 2, "the second day has only {typed} actions");
    worked(&place, &["WO-0001.3", "WO-0002.3"])
}

/// Without a new day a restart takes nothing up again; what has changed in the orders' files is said.
#[test]
fn a_changed_order_is_told() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    worked(&place, &["WO-0001", "WO-0002"])?;
    let file = place.company().join("orders/notes.yaml");
    let text = std::fs::read_to_string(&file)?.replace("The lamps came on Monday.", "The lamps came on Tuesday.");
    std::fs::write(&file, text)?;
    for _ in 0..2 {
        let engine = place.start()?;
        let snapshot = engine.client("manager")?.status()?;
        let remarks: Vec<_> = snapshot.orders.iter().map(|view| (view.order.id.as_str(), view.remarks.len())).collect();
        ensure!(remarks == [("WO-0001", 1), ("WO-0002", 0)], "{:#?}", snapshot.orders);
        engine.down()?;
    }
    worked(&place, &["WO-0001.2", "WO-0002.2"])?;
    let note = std::fs::read_to_string(place.home_of("nina").join("delivery.txt"))?;
    ensure!(note.contains("Tuesday"), "{note:?}");
    Ok(())
}

#[test]
fn the_ledger_of_another_company() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    worked(&place, &["WO-0001", "WO-0002"])?;
    let (own, file) = (place.own_state(), place.company().join("COMPANY.md"));
    std::fs::write(&file, std::fs::read_to_string(&file)?.replace("slug: notes", "slug: letters"))?;
    // By itself it is beside the other, and begins with its own first day.
    worked(&place, &["WO-0001", "WO-0002"])?;
    ensure!(place.own_state() != own && own.join("ledger").is_dir(), "two companies share {}", own.display());
    std::fs::remove_dir_all(place.own_state())?;
    std::fs::rename(&own, place.own_state())?;
    let said = place.refusal()?;
    ensure!(said.contains("is that of the company notes, and not of letters"), "{said}");
    Ok(())
}

/// Every file counts for the company that the ledger says was loaded.
#[test]
fn the_digest_covers_the_company() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let loaded = || -> anyhow::Result<_> {
        place.start()?.down()?;
        let newest = place.sound_events()?.into_iter().rev().find_map(|record| match record.event.body {
            EventBody::CompanyLoaded { digest, .. } => Some(digest),
            _ => None,
        });
        newest.context("no company was loaded")
    };
    let before = loaded()?;
    ensure!(loaded()? == before, "the same company has two digests");
    place.write("skills/write-note/NOTES.md", "Nobody reads this.")?;
    ensure!(loaded()? != before, "a new file makes no difference");
    Ok(())
}

/// A service that answers only once there is a file `go` in its data.
fn with_slow_service(place: &Place) -> anyhow::Result<()> {
    place.write(
        "services/slow/SERVICE.yaml",
        "name: Slow\nstart: [python3, ./serve.py]\nlistens: {unix: http.sock}\nhosts: [slow.test]\npackages: [python3]\n",
    )?;
    let serve = "import os, socket, time\ndata = os.environ['MEZZANINE_SERVICE_DATA']\n\
                 while not os.path.exists(data + '/go'): time.sleep(0.05)\n\
                 line = socket.socket(socket.AF_UNIX)\nline.bind(data + '/http.sock')\nline.listen(8)\n\
                 while True: line.accept()[0].close()\n";
    place.write("services/slow/serve.py", serve)
}

#[test]
fn who_needs_no_service_waits_for_none() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    with_slow_service(&place)?;
    let begun = Instant::now();
    worked(&place, &["WO-0001", "WO-0002"])?;
    ensure!(begun.elapsed() < Duration::from_secs(60), "the day waited for a service of others: {:?}", begun.elapsed());
    Ok(())
}

#[test]
fn orders_wait_for_the_services_of_their_role() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    with_slow_service(&place)?;
    let file = place.company().join("agents/nina/AGENTS.md");
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, text.replacen("  mezzanine:\n", "  mezzanine:\n    hosts: [slow.test]\n", 1))?;
    let engine = place.start()?;
    let mut client = engine.client("manager")?;
    let deadline = Instant::now() + PATIENCE;
    // Her desktop is there, and she has nothing to do yet.
    while client.status()?.workers.iter().any(|worker| worker.state != WorkerState::Idle) {
        ensure!(Instant::now() < deadline, "the worker does not come: {:?}", client.status()?.workers);
        std::thread::park_timeout(Duration::from_millis(50));
    }
    std::thread::park_timeout(Duration::from_secs(2));
    ensure!(client.status()?.orders.iter().all(|view| view.state == OrderState::Todo), "an order was begun too early");
    std::fs::write(place.own_state().join("services/slow/go"), "")?;
    while client.status()?.orders.iter().any(|view| view.state != OrderState::Done) {
        ensure!(Instant::now() < deadline, "the orders were not done: {:?}", client.status()?.orders);
        std::thread::park_timeout(Duration::from_millis(50));
    }
    engine.down()
}

fn words(path: &Path) -> String {
    path.display().to_string()
}

fn fed(place: &Place, args: &[&str], text: &str) -> anyhow::Result<Output> {
    let mut child = place.mezzanine(args)?.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("no standard input")?.write_all(text.as_bytes())?;
    Ok(child.wait_with_output()?)
}

/// What the command keeps is what the engine of this company finds.
#[test]
fn secrets_go_to_their_company() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let file = place.company().join("agents/nina/AGENTS.md");
    let text = std::fs::read_to_string(&file)?.replacen("  mezzanine:\n", "  mezzanine:\n    secrets: [door-code]\n", 1);
    std::fs::write(&file, text)?;
    let (company, home) = (words(&place.company()), words(&place.state()));
    let at = |args: &[&'static str]| -> Vec<String> {
        args.iter()
            .map(|arg| (*arg).to_owned())
            .chain(["--company".into(), company.clone(), "--home".into(), home.clone()])
            .collect()
    };
    let listed = || -> anyhow::Result<String> {
        let args = at(&["secret", "list"]);
        let output = place.run(&args.iter().map(String::as_str).collect::<Vec<_>>())?;
        ensure!(output.status.success(), "{output:?}");
        Ok(String::from_utf8(output.stdout)?)
    };
    ensure!(listed()?.contains("not set"), "{}", listed()?);
    let set = at(&["secret", "set", "door-code"]);
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    ensure!(fed(&place, &set, "4711 ß\n")?.status.success());
    ensure!(!listed()?.contains("not set"), "{}", listed()?);
    // No keyring answers in a test's session, so the store is the files of the company's state.
    let kept: PathBuf = place.own_state().join("secrets/door-code");
    ensure!(std::fs::read_to_string(&kept)? == "4711 ß", "{}", kept.display());
    let remove = at(&["secret", "remove", "door-code"]);
    let remove: Vec<&str> = remove.iter().map(String::as_str).collect();
    ensure!(place.run(&remove)?.status.success() && !kept.exists());
    let said = refused(&place.run(&remove)?)?;
    ensure!(said.contains("keeps no secret"), "{said}");
    Ok(())
}

#[test]
fn a_checkpoint_kept_elsewhere() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    worked(&place, &["WO-0001", "WO-0002"])?;
    let (ledger, kept) = (words(&place.ledger()), words(&place.folder().join("kept.json")));
    let made = place.run(&["audit", "checkpoint", "--ledger", &ledger, "--out", &kept])?;
    ensure!(made.status.success(), "{made:?}");
    let verify = || place.run(&["audit", "verify", "--ledger", &ledger, "--against", &kept]);
    ensure!(verify()?.status.success(), "{:?}", verify()?);
    // Another ledger in its place is sound by itself, and not the one that was signed.
    std::fs::remove_dir_all(place.own_state())?;
    worked(&place, &["WO-0001", "WO-0002"])?;
    ensure!(place.run(&["audit", "verify", "--ledger", &ledger])?.status.success());
    ensure!(!verify()?.status.success(), "{:?}", verify()?);
    Ok(())
}

/// The engine says what it does in a file of the company's state, too.
#[test]
fn the_engine_keeps_a_log() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    place.start()?.down()?;
    let log = std::fs::read_to_string(place.own_state().join("log/engine.log"))?;
    ensure!(log.contains("secrets are in"), "{log}");
    Ok(())
}
