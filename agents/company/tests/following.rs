//! Following a procedure: branches, loops, names, and going on after a restart.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use mz_company::procedure::parse;
use mz_company::{Files, HomeFiles, Next, ProcedureRun, RunError};
use mz_protocol::{Condition, Risk, TypedText, Verb, Waypoint};

struct Table;

impl Files for Table {
    fn list_files(&self, folder: &str) -> Result<Vec<String>, String> {
        if folder == "invoices" {
            Ok(vec!["b.pdf".into(), "a.pdf".into()])
        } else {
            Err(format!("there is no folder {folder}"))
        }
    }
    fn read_file(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "texts.csv" => Ok(b"title,Alt text\nSpring,A field\nSummer,\"A boat, white\"\n".to_vec()),
            "empty.csv" => Ok(b"title\n".to_vec()),
            "torn.csv" => Ok(b"a,b\n1\n".to_vec()),
            _ => Err(format!("there is no file {path}")),
        }
    }
}

fn procedure(steps: &str) -> Arc<mz_company::Procedure> {
    let text = format!("---\nname: Try\nmetadata: {{mezzanine: {{risk: medium}}}}\n---\n## Steps\n{steps}\n");
    Arc::new(parse(&text, "skills/try/SKILL.md").unwrap_or_else(|faults| panic!("{faults:?}")))
}

fn run(steps: &str, inputs: &[(&str, &str)]) -> ProcedureRun {
    let inputs = inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ProcedureRun::new(procedure(steps), inputs, Arc::new(Table))
}

fn nothing(_: &Condition) -> bool {
    false
}

fn typed(waypoint: &Waypoint) -> String {
    match &waypoint.verb {
        Verb::Type { text: TypedText::Plain(text), .. } => text.clone(),
        other => format!("{other:?}"),
    }
}

/// What is typed from here to the end, or to where it is stuck.
fn rest(run: &mut ProcedureRun) -> Vec<String> {
    let mut said = Vec::new();
    for _ in 0..100 {
        match run.next(&nothing) {
            Next::Waypoint(waypoint) => said.push(typed(&waypoint)),
            Next::Done => return said,
            Next::Stuck { why } => {
                said.push(format!("stuck: {why}"));
                return said;
            }
        }
    }
    panic!("it does not end: {said:?}");
}

#[test]
fn branches_follow_the_screen() {
    let steps =
        "1. If the text \"Recover\" is shown:\n   1. Type \"discard\".\n2. Otherwise:\n   1. Type \"fresh\".\n3. Type \"on\".";
    assert_eq!(rest(&mut run(steps, &[])), ["fresh", "on"]);
    let mut other = run(steps, &[]);
    let seen = |condition: &Condition| *condition == Condition::Text { text: "Recover".into() };
    let Next::Waypoint(first) = other.next(&seen) else { panic!() };
    assert_eq!((typed(&first).as_str(), first.step.number, first.step.of, first.step.line), ("discard", 1, 2, 7));
    assert_eq!((first.version, first.risk), (1, Risk::Medium));
    assert_eq!(rest(&mut other), ["on"]);
}

#[test]
fn comparisons_ignore_case_and_blanks() {
    for (test, holds) in [
        ("{s} is \"PAID\"", true),
        ("{s} is not \"paid\"", false),
        ("{s} contains \"ai\"", true),
        ("{s} does not contain \"ai\"", false),
        ("{s} is \"{s}\"", true),
        ("{s} is \"pay\"", false),
    ] {
        let mut run =
            run(&format!("1. If {test}:\n   1. Type \"yes\".\n2. Otherwise:\n   1. Type \"no\"."), &[("s", " Paid ")]);
        assert_eq!(rest(&mut run), [if holds { "yes" } else { "no" }], "{test}");
    }
}

#[test]
fn loops_give_rows_and_files() {
    let steps = "1. For each row of \"texts.csv\" as banner:\n   1. Type \"{banner.position} {banner.title}: {banner.alt_text}\".\n2. For each file of \"invoices\" as invoice:\n   1. Type \"{invoice.name} {invoice.path} {invoice.stem} {invoice.position+1}\".\n3. For each row of \"empty.csv\" as none:\n   1. Type \"never\".\n4. Type \"end\".";
    let all = ["1 Spring: A field", "2 Summer: A boat, white", "a.pdf invoices/a.pdf a 2", "b.pdf invoices/b.pdf b 3", "end"];
    assert_eq!(rest(&mut run(steps, &[])), all);
}

#[test]
fn a_step_inside_of_a_loop_says_which_row_it_is_at() {
    let mut run =
        run("1. For each file of \"invoices\" as f:\n   1. Type \"{f.name}\".\n   2. Press F5.\n2. Type \"end\".", &[]);
    let mut places = Vec::new();
    while let Next::Waypoint(waypoint) = run.next(&nothing) {
        let step = &waypoint.step;
        places.push((step.number, step.turn.map(|turn| (turn.at, turn.of)), step.behind_permille(), step.passed_permille()));
    }
    let row = |at, behind| (1, Some((at, 2)), behind, behind);
    assert_eq!(places, [row(1, 0), row(1, 0), row(2, 250), row(2, 250), (2, None, 500, 1000)]);
}

#[test]
fn what_is_read_lives_as_long_as_its_turn() {
    let steps = "1. For each file of \"invoices\" as f:\n   1. Read the cell B2 as total.\n   2. If {total} is \"5\":\n      1. Type \"{f.name} {total}\".\n2. Type \"{total}\".";
    let mut run = run(steps, &[]);
    for (file, value) in [("a.pdf", "5"), ("b.pdf", "7")] {
        let Next::Waypoint(read) = run.next(&nothing) else { panic!("{file}") };
        assert_eq!(read.verb, Verb::Read { name: "total".into() });
        run.set("total", value);
        if value == "5" {
            let Next::Waypoint(said) = run.next(&nothing) else { panic!("{file}") };
            assert_eq!(typed(&said), "a.pdf 5");
        }
    }
    let Next::Stuck { why } = run.next(&nothing) else { panic!() };
    assert!(why.contains("{total}") && why.contains("line 10"), "{why}");
    // Once the name is known, the same step is said.
    run.set("total", "12");
    assert_eq!(rest(&mut run), ["12"]);
}

#[test]
fn steps_are_filled_and_counted() {
    let mut run = run(
        "1. Press F5.\n2. Click the cell G{n+1}, then the text \"{who}\" is shown. Because \"{who} asked\".",
        &[("n", "3"), ("who", "Ada")],
    );
    assert_eq!(run.steps().len(), 2);
    assert_eq!(run.progress_permille(), 0);
    run.next(&nothing);
    assert_eq!(run.progress_permille(), 500);
    let Next::Waypoint(click) = run.next(&nothing) else { panic!() };
    assert_eq!(click.target.and_then(|target| target.cell).as_deref(), Some("G4"));
    assert_eq!(click.postcondition, Some(Condition::Text { text: "Ada".into() }));
    assert_eq!((click.reason.as_deref(), click.step.number, click.version), (Some("Ada asked"), 2, 2));
    assert!(click.step.text.starts_with("Click the cell G4"), "{}", click.step.text);
    assert_eq!((run.next(&nothing), run.progress_permille()), (Next::Done, 1000));
}

#[test]
fn stuck_says_why() {
    for (steps, why) in [
        ("1. Type \"{who}\".", "{who}"),
        ("1. Click the cell B{who+1}.", "{who}"),
        ("1. For each row of \"gone.csv\" as r:\n   1. Press F5.", "gone.csv"),
        ("1. For each row of \"torn.csv\" as r:\n   1. Press F5.", "cannot be read"),
        ("1. For each file of \"none\" as r:\n   1. Press F5.", "none"),
    ] {
        let said = rest(&mut run(steps, &[]));
        assert!(said.len() == 1 && said[0].starts_with("stuck: ") && said[0].contains(why), "{said:?}");
    }
}

#[test]
fn a_restart_goes_on_at_any_step() {
    let steps = "1. Type \"start\".\n2. For each row of \"texts.csv\" as banner:\n   1. Type \"{banner.title}\".\n   2. If {banner.position} is \"2\":\n      1. Type \"two\".\n      2. Type \"{seen}\".\n   3. Otherwise:\n      1. Type \"one\".\n3. Type \"end\".";
    let inputs: &[(&str, &str)] = &[("seen", "yes")];
    let whole = rest(&mut run(steps, inputs));
    assert_eq!(whole, ["start", "Spring", "one", "Summer", "two", "yes", "end"]);
    for stop in 0..=whole.len() {
        let mut first = run(steps, inputs);
        for _ in 0..stop {
            assert!(matches!(first.next(&nothing), Next::Waypoint(_)));
        }
        let inputs = first_inputs(inputs);
        let mut second = ProcedureRun::resume(procedure(steps), inputs, Arc::new(Table), &first.position()).unwrap();
        assert_eq!(rest(&mut second), whole[stop..], "after {stop} steps");
    }
}

fn first_inputs(inputs: &[(&str, &str)]) -> BTreeMap<String, String> {
    inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_place_in_another_text_is_refused() {
    let first = run("1. Press F5.\n2. Press F6.", &[]);
    let resume = |steps: &str, position: &str| {
        ProcedureRun::resume(procedure(steps), BTreeMap::new(), Arc::new(Table), position).map(drop)
    };
    assert!(matches!(resume("1. Press F7.", &first.position()), Err(RunError::Changed(_))));
    assert!(matches!(resume("1. Press F5.\n2. Press F6.", "{"), Err(RunError::Unreadable(_))));
    let beyond = first.position().replace("\"next\":0", "\"next\":9");
    assert!(matches!(resume("1. Press F5.\n2. Press F6.", &beyond), Err(RunError::Unreadable(_))));
    let deep = first.position().replace("\"frames\":[", "\"frames\":[{\"branch\":0,\"next\":1,\"names\":{},\"turns\":null},");
    assert!(matches!(resume("1. Press F5.\n2. Press F6.", &deep), Err(RunError::Unreadable(_))));
}

#[test]
fn files_of_a_home_stay_in_the_home() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.csv"), "a\n1\n").unwrap();
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("in")).unwrap();
    std::fs::write(home.path().join("in/a.csv"), "a\n1\n").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.csv"), home.path().join("in/b.csv")).unwrap();
    let files = HomeFiles::new(home.path());
    assert_eq!(files.list_files("in"), Ok(vec!["a.csv".to_owned()]));
    assert!(files.read_file("in/a.csv").is_ok());
    assert!(files.read_file("in/b.csv").is_err_and(|why| why.contains("leads out")));
    assert!(files.read_file("../secret.csv").is_err_and(|why| why.contains("leads out")));
}
