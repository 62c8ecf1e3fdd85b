//! The controlled language, through its door: what each sentence means, and what each slip is told.

#![allow(clippy::unwrap_used)]

use mz_company::Fault;
use mz_company::procedure::{Compare, Direction, LoopSource, Procedure, StepKind, Test, parse};
use mz_protocol::{Condition, LabelMatch, Millis, Position, Role, Target, TypedText, Verb};

const HEAD: &str = "---\nname: Try\ndescription: A trial.\n---\n# Try\n\n## Steps\n\n";

fn skill(steps: &str) -> Result<Procedure, Vec<Fault>> {
    parse(&format!("{HEAD}{steps}\n"), "skills/try/SKILL.md")
}

fn only(step: &str) -> Direction {
    let procedure = skill(&format!("1. {step}")).unwrap_or_else(|faults| panic!("{step}: {}", faults[0]));
    match &procedure.steps[0].kind {
        StepKind::Do(direction) => (**direction).clone(),
        other => panic!("{step} became {other:?}"),
    }
}

fn the(role: Role, label: &str) -> Target {
    Target { role: Some(role), label: Some(label.to_owned()), ..Target::default() }
}

fn cell(address: &str) -> Target {
    Target { role: Some(Role::Cell), cell: Some(address.to_owned()), ..Target::default() }
}

fn placed(mut target: Target, positions: &[Position]) -> Target {
    target.positions = positions.to_vec();
    target
}

#[test]
fn verbs_of_the_hand() {
    assert_eq!(
        only("Open \"LibreOffice Calc\" with \"invoices.xlsx\".").verb,
        Verb::Open { program: "LibreOffice Calc".into(), args: vec!["invoices.xlsx".into()] }
    );
    assert_eq!(
        only("Open \"Evince\" with \"a.pdf\" and \"b.pdf\".").verb,
        Verb::Open { program: "Evince".into(), args: vec!["a.pdf".into(), "b.pdf".into()] }
    );
    assert_eq!(only("Click the button \"Save\".").target, Some(the(Role::Button, "Save")));
    assert_eq!(only("Double-click the cell B2.").target, Some(cell("B2")));
    let right = only("Right-click the image \"Logo\".");
    assert_eq!((right.verb, right.target), (Verb::RightClick, Some(the(Role::Image, "Logo"))));
    let typed = only("Type \"{invoice.number}\" into the field \"Number\", replacing what is there.");
    assert_eq!(typed.verb, Verb::Type { text: TypedText::Plain("{invoice.number}".into()), replace: true });
    assert_eq!(typed.target, Some(the(Role::Textbox, "Number")));
    let typed = only("Type \"x\".");
    assert_eq!((typed.verb, typed.target), (Verb::Type { text: TypedText::Plain("x".into()), replace: false }, None));
    assert_eq!(
        only("Type the secret \"cms-password\" into the field \"Password\".").verb,
        Verb::Type { text: TypedText::Secret("cms-password".into()), replace: false }
    );
    let Verb::Press { chord } = only("Press Ctrl+Shift+S.").verb else { panic!() };
    assert_eq!(chord.to_string(), "Ctrl+Shift+s");
    let chosen = only("Choose \"Bold\" from the menu \"Format\".");
    assert_eq!((chosen.verb, chosen.target), (Verb::Choose { option: "Bold".into() }, Some(the(Role::Menu, "Format"))));
    assert_eq!(only("Choose \"Paid\" from the list \"State\".").target, Some(the(Role::Combobox, "State")));
    let selected = only("Select the option \"Keep format\".");
    assert_eq!((selected.verb, selected.target), (Verb::Select, Some(the(Role::Option, "Keep format"))));
    let dragged = only("Drag the image \"Logo\" to the heading \"Banner\".");
    assert_eq!(dragged.verb, Verb::Drag { to: the(Role::Heading, "Banner") });
    let scrolled = only("Scroll to the heading \"Totals\".");
    assert_eq!((scrolled.verb, scrolled.target), (Verb::ScrollTo, Some(the(Role::Heading, "Totals"))));
    assert_eq!(
        only("Flag \"Invoice {number} is a duplicate.\"").verb,
        Verb::Flag { remark: "Invoice {number} is a duplicate.".into() }
    );
}

#[test]
fn reading_and_waiting() {
    let read = only("Read the text beside \"Total\" as total.");
    assert_eq!(read.verb, Verb::Read { name: "total".into() });
    let text = Target { role: Some(Role::Text), ..Target::default() };
    assert_eq!(read.target, Some(placed(text, &[Position::Beside("Total".into())])));
    assert_eq!(only("Read the cell G{invoice.position+1} as status.").target, Some(cell("G{invoice.position+1}")));
    assert_eq!(only("Read the field \"URL\" as address.").target, Some(the(Role::Textbox, "URL")));
    for (step, condition) in [
        ("the window \"Payments\" appears", Condition::Appears { target: the(Role::Window, "Payments") }),
        ("the text \"Saved\" is shown", Condition::Text { text: "Saved".into() }),
        ("the text \"Loading\" is gone", Condition::NoText { text: "Loading".into() }),
        ("the dialog \"Tip\" is gone", Condition::Gone { target: the(Role::Dialog, "Tip") }),
        ("the title contains \"cart.py\"", Condition::Title { text: "cart.py".into() }),
        ("the file \"out.png\" exists", Condition::File { path: "out.png".into() }),
        ("the field \"Sum\" contains \"5\"", Condition::Value { target: the(Role::Textbox, "Sum"), text: "5".into() }),
    ] {
        let wait = only(&format!("Wait until {condition_text}.", condition_text = step));
        assert_eq!((wait.verb, wait.postcondition.as_ref()), (Verb::WaitUntil, Some(&condition)), "{step}");
        let check = only(&format!("Check that {step}."));
        assert_eq!((check.verb, check.postcondition.as_ref()), (Verb::Check, Some(&condition)), "{step}");
    }
    let not = only("Check that the file \"old.txt\" does not exist.").postcondition;
    assert_eq!(not, Some(Condition::Not { condition: Box::new(Condition::File { path: "old.txt".into() }) }));
}

#[test]
fn every_role_word_is_known() {
    for (word, role) in [
        ("button", Role::Button),
        ("link", Role::Link),
        ("field", Role::Textbox),
        ("checkbox", Role::Checkbox),
        ("radio", Role::Radio),
        ("option", Role::Option),
        ("menu", Role::Menu),
        ("menu item", Role::Menuitem),
        ("tab", Role::Tab),
        ("cell", Role::Cell),
        ("heading", Role::Heading),
        ("image", Role::Image),
        ("dialog", Role::Dialog),
        ("window", Role::Window),
        ("text", Role::Text),
        ("list", Role::Listbox),
        ("terminal", Role::Terminal),
        ("document", Role::Document),
        ("row", Role::Row),
    ] {
        assert_eq!(only(&format!("Click the {word} \"X\".")).target, Some(the(role, "X")), "{word}");
    }
}

#[test]
fn positions_endings_and_long_steps() {
    let close = the(Role::Button, "Close");
    for (step, positions) in [
        ("the button \"Close\" in the dialog \"Tip\"", vec![Position::In("Tip".into())]),
        ("the 2nd button \"Close\"", vec![Position::Nth(2)]),
        ("the second button \"Close\"", vec![Position::Nth(2)]),
        ("the last button \"Close\" below \"A\"", vec![Position::Last, Position::Below("A".into())]),
        ("the button \"Close\" above \"A\"", vec![Position::Above("A".into())]),
    ] {
        assert_eq!(only(&format!("Click {step}.")).target, Some(placed(close.clone(), &positions)), "{step}");
    }
    let street = Target { label_match: LabelMatch::Contains, ..the(Role::Textbox, "Street") };
    assert_eq!(only("Click the field containing \"Street\".").target, Some(street));
    let whole =
        only("Click the button \"Pay\", then the text \"Paid\" is shown. Because \"the bill is right.\" Within 2 minutes.");
    assert_eq!(whole.postcondition, Some(Condition::Text { text: "Paid".into() }));
    assert_eq!((whole.reason.as_deref(), whole.timeout), (Some("the bill is right."), Millis(120_000)));
    assert_eq!(only("Wait until the text \"Done\" is shown within 30 seconds.").timeout, Millis(30_000));
    assert_eq!(
        only("Click the button \"Save\",\n   then the text \"Saved\" is shown.").postcondition,
        Some(Condition::Text { text: "Saved".into() })
    );
}

#[test]
fn lists_nest_and_paragraphs_are_comments() {
    let text = "Some words first.\n\n1. If {status} is \"duplicate\":\n   1. Flag \"It is double.\"\n\n   A remark in between.\n\n2. Otherwise:\n   1. For each row of \"texts.csv\" as banner:\n      1. Type \"{banner.title}\".\n      2. If the text \"Recover\" is shown:\n         1. Press Escape.\n   2. For each file of \"invoices\" as invoice:\n      1. Open \"Evince\" with \"{invoice.path}\".\n3. Press Ctrl+S.\n\n## Notes\n\n1. No step.\n";
    let procedure = skill(text).unwrap();
    assert_eq!(procedure.steps(), ["If {status} is \"duplicate\":", "Press Ctrl+S."]);
    let StepKind::If { test, then, otherwise } = &procedure.steps[0].kind else { panic!() };
    assert_eq!(*test, Test::Compare { left: "{status}".into(), how: Compare::Is, right: "duplicate".into() });
    assert_eq!((then.len(), otherwise.len()), (1, 2));
    let StepKind::ForEach { source, name, body } = &otherwise[0].kind else { panic!() };
    assert_eq!((source, name.as_str(), body.len()), (&LoopSource::Rows("texts.csv".into()), "banner", 2));
    assert_eq!(
        procedure.outline().iter().map(|(depth, step)| (*depth, step.line)).collect::<Vec<_>>(),
        [(0, 11), (1, 12), (1, 17), (2, 18), (2, 19), (3, 20), (1, 21), (2, 22), (0, 23)]
    );
}

/// Each slip with its line below `## Steps`, what is found, and what is expected.
#[test]
fn slips_are_told() {
    for (steps, line, what, expected) in [
        ("1. Clikc the button \"Save\".", 1, "\"Clikc\" is no verb", "did you mean Click?"),
        ("1. Teleport to \"Save\".", 1, "\"Teleport\" is no verb", "Open, Click"),
        ("1. Click the buton \"Save\".", 1, "found buton", "did you mean \"button\"?"),
        ("1. Click the button \"Save.", 1, "the quote at character 18 is never closed", "a second \""),
        ("1. Click the button.", 1, "it is not said which one", "the button \"Save\""),
        ("1. Click the cell 2B.", 1, "found 2B", "B2"),
        ("1. Press Ctrl+Bananas.", 1, "no key", "Ctrl+S"),
        ("1. Press Hyper+x.", 1, "Hyper+x", "Ctrl+S"),
        ("1. Type into the field \"A\".", 1, "found into", "the text in quotes"),
        ("1. Choose \"A\" the menu \"B\".", 1, "found the", "\"from\""),
        ("1. Read the cell B2.", 1, "found the end of the sentence", "\"as\""),
        ("1. Read the cell B2 as 2nd.", 1, "found 2nd", "a name"),
        ("1. Drag the image \"A\" on \"B\".", 1, "\"to\"", ""),
        ("1. Wait 5 seconds.", 1, "found 5", "until"),
        ("1. Wait until the text \"A\" blinks.", 1, "found blinks", "is shown"),
        ("1. Wait until the text \"A\" is shown within 9 hours.", 1, "found hours", "seconds or minutes"),
        ("1. Flag it.", 1, "found it", "the remark in quotes"),
        ("1. Click the button \"A\". Click the button \"B\".", 1, "found Click", "one sentence in each step"),
        ("1. Check that the text \"A\" is shown, then the text \"B\" is shown.", 1, "a second condition", "a step of its own"),
        ("1. Press F5.\n   1. Press F6.", 2, "a nested list below \"Press F5.\"", "If, Otherwise and For each"),
        ("1. If the text \"A\" is shown:\n2. Press F5.", 1, "nothing stands below", "nested numbered list"),
        ("1. If the text \"A\" is shown\n   1. Press F5.", 1, "the step ends too early", "a colon"),
        ("1. Press F5.\n2. Otherwise:\n   1. Press F6.", 2, "an Otherwise without its If", "after an If"),
        ("1. For each cell of \"a.csv\" as x:\n   1. Press F6.", 1, "found cell", "\"row of\""),
        ("1. If {a} equals \"b\":\n   1. Press F6.", 1, "found equals", "is, is not"),
        ("- Press F5.\n", 1, "a list without numbers", "1."),
        ("Nothing here.", 0, "there are no steps", "numbered list"),
    ] {
        let faults = skill(steps).expect_err(steps);
        let fault =
            faults.iter().find(|fault| line == 0 || fault.line == 8 + line).unwrap_or_else(|| panic!("{steps}: {faults:?}"));
        let said = fault.to_string();
        assert!(said.starts_with("skills/try/SKILL.md, line "), "{said}");
        assert!(said.contains(what) && said.contains(expected), "{steps}\n  said: {said}\n  want: {what} … {expected}");
    }
}

#[test]
fn all_faults_are_told_with_their_lines() {
    let faults =
        skill("1. Clikc it.\n2. Press F5.\n3. If the text \"A\" is shown:\n   1. Tpye \"x\".\n4. Opne \"X\".").unwrap_err();
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [9, 12, 13]);
    assert!(faults.iter().all(|fault| fault.expected.contains("did you mean")), "{faults:?}");
}

#[test]
fn broken_front_matter_is_told() {
    for (text, line, what) in [
        ("# No front matter\n", 1, "the file begins with"),
        ("---\nname: X\n", 1, "has no end"),
        ("---\nname: [X\n---\n## Steps\n1. Press F5.\n", 2, ""),
        ("---\ndescription: X\n---\n## Steps\n1. Press F5.\n", 1, "has no \"name\""),
        ("---\nname: X\n---\n# X\n", 4, "no heading \"## Steps\""),
        ("---\nname: X\nmetadata:\n  mezzanine:\n    risk: huge\n---\n## Steps\n1. Press F5.\n", 4, "huge"),
    ] {
        let faults = parse(text, "skills/try/SKILL.md").expect_err(text);
        assert!(faults[0].what.contains(what) && faults[0].line.abs_diff(line) <= 1, "{text}: {faults:?}");
    }
}

#[test]
fn unknown_names_are_told() {
    let head = "---\nname: X\nmetadata:\n  mezzanine:\n    inputs: [supplier]\n---\n## Steps\n";
    let told = |steps: &str| parse(&format!("{head}{steps}"), "skills/try/SKILL.md").err().map(|faults| faults[0].to_string());
    assert_eq!(told("1. Type \"{supplier}\"."), None);
    assert_eq!(told("1. Read the cell B2 as total.\n2. Type \"{total}\"."), None);
    assert_eq!(told("1. For each row of \"a.csv\" as row:\n   1. Type \"{row.anything} {row.position+1}\"."), None);
    let slip = told("1. Type \"{suplier}\".").unwrap();
    assert!(slip.contains("line 8") && slip.contains("{suplier}") && slip.contains("did you mean {supplier}?"), "{slip}");
    assert!(
        told("1. For each file of \"a\" as f:\n   1. Read the cell A1 as v.\n2. Type \"{v}\".")
            .is_some_and(|told| told.contains("{v}"))
    );
    assert!(
        told("1. For each file of \"a\" as f:\n   1. Type \"{f.colour}\".").is_some_and(|told| told.contains("{f.colour}"))
    );
}

#[test]
fn no_text_breaks_the_parser() {
    let words = [
        "If",
        "1.",
        "\"",
        "{",
        "}",
        ":",
        ",",
        "Click",
        "the",
        "button",
        "\n",
        "   ",
        "For each",
        "\u{202e}",
        "é",
        ".",
        "Otherwise:",
        "---",
        "```",
        "\\",
    ];
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..3000 {
        let mut text = String::from("1. ");
        for _ in 0..12 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            text.push_str(words[(seed % words.len() as u64) as usize]);
            text.push_str(if seed & 64 == 0 { " " } else { "" });
        }
        // Whatever it says, every fault has a line in the file.
        if let Err(faults) = skill(&text) {
            assert!(!faults.is_empty() && faults.iter().all(|fault| fault.line > 0), "{text:?}: {faults:?}");
        }
    }
}

/// The page that authors read: whatever it shows as a step, the parser takes.
#[test]
fn the_reference_page_holds() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/procedures.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut examples = 0;
    // Fenced parts are odd: a whole SKILL.md begins with its front matter, the others are steps.
    for (at, part) in page.split("```").enumerate().filter(|(at, _)| at % 2 == 1) {
        let text = part.split_once('\n').map_or("", |(_, text)| text);
        let whole = text.starts_with("---");
        if !(whole || text.trim_start().starts_with("1.")) {
            continue;
        }
        let found = if whole { parse(text, "skills/try/SKILL.md") } else { skill(text) };
        let procedure = found.unwrap_or_else(|faults| panic!("part {at}: {faults:?}\n{text}"));
        examples += procedure.outline().len();
    }
    assert!(examples > 60, "only {examples} examples were found");
}
