//! What is wrong outside of Mezzanine is said in words, with the place and the way out, and the command fails.

use std::path::Path;

use anyhow::ensure;
use mz_protocol::{Command, StopScope};
use mz_tests::{Place, refused};

const LEDGER: &str = "ledger.sqlite";

fn says(said: &str, words: &[&str]) -> anyhow::Result<()> {
    for word in words {
        ensure!(said.contains(word), "{word:?} is not in: {said}");
    }
    ensure!(!said.contains("panicked"), "it panicked: {said}");
    Ok(())
}

/// A ledger with some events in it, of an engine that has ended.
fn worked() -> anyhow::Result<Place> {
    let place = Place::new("notes")?;
    let engine = place.start()?;
    engine.client("manager")?.command(Command::Stop { scope: StopScope::Company })?;
    engine.down()?;
    ensure!(place.sound_events()?.len() > 5, "the ledger is too short for this test");
    Ok(place)
}

fn sqlite(place: &Place, statements: &str) -> anyhow::Result<()> {
    let db = rusqlite::Connection::open(place.ledger().join(LEDGER))?;
    Ok(db.execute_batch(statements)?)
}

#[test]
fn no_company_at_all() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    std::fs::remove_dir_all(place.company())?;
    says(&place.refusal()?, &["company"])?;
    std::fs::create_dir(place.company())?;
    says(&place.refusal()?, &["COMPANY.md"])
}

#[test]
fn broken_front_matter() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    place.write("agents/nina/AGENTS.md", "---\nname: [Nina\n---\nText.\n")?;
    says(&place.refusal()?, &["agents/nina/AGENTS.md", "line"])
}

#[test]
fn every_fault_at_once() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    place.write(
        "orders/notes.yaml",
        "orders:\n  - {id: WO-0001, title: T, owner: nobody, procedure: write-note, depends_on: [WO-0009]}\n",
    )?;
    let folder = place.company();
    let said = refused(&place.run(&["company", "check", &folder.display().to_string()])?)?;
    says(&said, &["orders/notes.yaml", "nobody", "WO-0009"])
}

#[test]
fn unknown_verb() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let path = place.company().join("skills/write-note/SKILL.md");
    let text = std::fs::read_to_string(&path)?.replace("3. Type", "3. Scribble");
    let line = text.lines().position(|line| line.contains("Scribble")).map_or(0, |index| index + 1);
    place.write("skills/write-note/SKILL.md", &text)?;
    says(&place.refusal()?, &["skills/write-note/SKILL.md", &format!("line {line}"), "Scribble"])
}

#[test]
fn broken_policy() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    place.write("policy.cedar", "permit (principal, action, resource) when { context.nothing == 1 };\n")?;
    says(&place.refusal()?, &["policy.cedar"])
}

#[test]
fn missing_program_names_its_package() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let agent = "agents/nina/AGENTS.md";
    let text = std::fs::read_to_string(place.company().join(agent))?;
    place.write(
        agent,
        &text.replace("[geany, -i, \"{args}\"], package: geany", "[geany-nowhere, \"{args}\"], package: geany-package"),
    )?;
    // The engine may refuse to start, or start and have its worker ask for help: either way the package is named.
    match place.start() {
        Err(error) => says(&format!("{error:#}"), &["geany-package"]),
        Ok(engine) => {
            let why = engine.watch()?.state("a call for help", |snapshot| {
                snapshot.orders.iter().find_map(|view| view.reason.clone().filter(|why| why.contains("geany-package")))
            })?;
            says(&why, &["geany-package"])
        }
    }
}

#[test]
fn ledger_of_a_newer_version() -> anyhow::Result<()> {
    let place = worked()?;
    sqlite(&place, "PRAGMA user_version = 99;")?;
    says(&place.refusal()?, &["newer", "99", "update Mezzanine"])?;
    says(&refused(&verify(&place)?)?, &["newer"])
}

#[test]
fn changed_ledger_names_the_first_bad_event() -> anyhow::Result<()> {
    let place = worked()?;
    sqlite(
        &place,
        "DROP TRIGGER events_update; UPDATE events SET json = replace(json, 'Notes', 'Votes') WHERE seq IN (2, 5);",
    )?;
    says(&refused(&verify(&place)?)?, &["event 2"])
}

#[test]
fn cut_ledger_is_refused() -> anyhow::Result<()> {
    let place = worked()?;
    let file = std::fs::OpenOptions::new().write(true).open(place.ledger().join(LEDGER))?;
    let length = file.metadata()?.len();
    file.set_len(length / 2)?;
    says(&place.refusal()?, &["damaged", LEDGER])
}

#[test]
fn something_else_in_the_ledgers_place() -> anyhow::Result<()> {
    let place = worked()?;
    std::fs::write(place.ledger().join(LEDGER), "this is a letter to a friend\n".repeat(200))?;
    says(&place.refusal()?, &["damaged", LEDGER])
}

#[test]
fn engine_runs_already() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let engine = place.start()?;
    says(&place.refusal()?, &["already running", "mezzanine down"])?;
    // The first one goes on undisturbed.
    engine.client("manager")?.status()?;
    engine.down()
}

#[test]
fn one_state_has_one_engine() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let _engine = place.start()?;
    let other = place.socket().with_file_name("other.sock");
    let words = |path: &Path| path.display().to_string();
    let (company, state, other) = (words(&place.company()), words(&place.state()), words(&other));
    let output = place.run(&["up", "--company", &company, "--home", &state, "--socket", &other])?;
    says(&refused(&output)?, &["in use"])
}

#[test]
fn nobody_answers() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    says(&refused(&place.run(&["status"])?)?, &["no engine answers", "mezzanine up"])
}

fn verify(place: &Place) -> anyhow::Result<std::process::Output> {
    place.run(&["audit", "verify", "--ledger", &place.ledger().display().to_string()])
}
