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

/// What `company check` says of a company with these rules.
fn check_policy(rules: &str) -> anyhow::Result<String> {
    let place = Place::new("notes")?;
    place.write("policy.cedar", rules)?;
    let said = refused(&place.run(&["company", "check", &place.company().display().to_string()])?)?;
    // The engine says the same and does not start.
    for line in said.lines() {
        says(&place.refusal()?, &[line])?;
    }
    Ok(said)
}

#[test]
fn rules_that_are_no_cedar() -> anyhow::Result<()> {
    let rules = "// Ours.\n@id(\"a\") @effect(\"allow\") @why(\"w\")\npermit (principal, action, resource)\nwhen { context.terminal && };\n";
    says(&check_policy(rules)?, &["policy.cedar, line 4", "no valid Cedar", "Expected"])
}

#[test]
fn rules_that_lack_their_notes() -> anyhow::Result<()> {
    let rules = "@effect(\"allow\") @why(\"w\")\npermit (principal, action, resource);\n\n\
                 @id(\"b\")\n@why(\"w\")\npermit (principal, action, resource);\n\n\
                 // c\n@id(\"c\") @effect(\"allow\")\npermit (principal, action, resource);\n";
    let said = check_policy(rules)?;
    for words in [["line 1", "@id"], ["line 4", "@effect"], ["line 9", "@why"]] {
        let line = said.lines().find(|line| line.contains(&format!("policy.cedar, {}", words[0])));
        says(line.unwrap_or_default(), &words)?;
    }
    Ok(())
}

#[test]
fn rules_that_ask_about_what_is_not_there() -> anyhow::Result<()> {
    let rules =
        "@id(\"a\") @effect(\"allow\") @why(\"w\")\npermit (principal, action, resource)\nwhen {\n  context.terminals\n};\n";
    says(&check_policy(rules)?, &["policy.cedar, line 4", "schema", "terminals", "Expected"])
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

/// Inside of a user namespace that may have none below it: as a machine whose setting forbids them.
#[test]
fn no_user_namespaces() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let forbid = r#"echo 0 > /proc/sys/user/max_user_namespaces && exec "$@""#;
    let as_user = ["setpriv", "--reuid=61183", "--regid=61183", "--clear-groups"];
    let mut wrapper = vec!["unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", forbid, "sh"];
    if rustix::process::geteuid().is_root() {
        place.give(61_183)?;
        wrapper.splice(0..0, as_user);
    }
    let said = place.refusal_within(&wrapper)?;
    says(&said, &["user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=", "every desktop needs"])
}

#[test]
fn nobody_answers() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    says(&refused(&place.run(&["status"])?)?, &["no engine answers", "mezzanine up"])
}

fn verify(place: &Place) -> anyhow::Result<std::process::Output> {
    place.run(&["audit", "verify", "--ledger", &place.ledger().display().to_string()])
}
