//! Targets and conditions on scenes like those of real programs.

use mz_protocol::{Condition, LabelMatch, Position, Role, Size, Target, Timestamp};
use mz_scene::{RawNode, RawTree, RawWindow, SceneBuilder, find, holds, read_text};

fn window(title: &str, application: &str, active: bool) -> RawWindow {
    RawWindow { title: title.into(), application: application.into(), x: 0, y: 0, w: 1280, h: 800, active, pid: 1 }
}

fn node(role: &str, name: &str, (x, y, w, h): (i32, i32, i32, i32)) -> RawNode {
    RawNode {
        path: format!("{role}/{name}/{x}/{y}"),
        role: role.into(),
        name: name.into(),
        states: ["showing", "enabled"].map(str::to_owned).to_vec(),
        x,
        y,
        w,
        h,
        window: Some(0),
        ..RawNode::default()
    }
}

fn form() -> RawTree {
    let mut name = node("entry", "", (200, 100, 200, 24));
    name.states.push("editable".into());
    let mut mail = node("entry", "", (200, 140, 200, 24));
    mail.states.push("editable".into());
    mail.value = Some("old@example.org".into());
    RawTree {
        windows: vec![window("Orders", "Shop", true)],
        nodes: vec![
            node("label", "Name:", (100, 100, 60, 24)),
            name,
            node("label", "E-mail", (100, 140, 60, 24)),
            mail,
            node("push button", "_Save", (200, 200, 80, 30)),
            node("push button", "Delete", (300, 300, 80, 30)),
            node("push button", "Delete", (300, 340, 80, 30)),
            node("label", "Invoice 7", (100, 340, 80, 30)),
        ],
        ..RawTree::default()
    }
}

fn target(role: Role, label: &str) -> Target {
    Target { role: Some(role), label: Some(label.into()), ..Target::default() }
}

#[test]
fn a_field_is_found_by_the_label_beside_it() {
    let scene = SceneBuilder::new(Size::DESKTOP).update(&form(), Timestamp(0));
    let found = find(&scene, &target(Role::Textbox, "name")).unwrap();
    assert_eq!((found.point.x, found.point.y), (300, 112));
    assert_eq!(read_text(&scene, &target(Role::Textbox, "E-mail")).as_deref(), Some("old@example.org"));
}

#[test]
fn two_that_look_alike_are_not_guessed_between() {
    let scene = SceneBuilder::new(Size::DESKTOP).update(&form(), Timestamp(0));
    let lost = find(&scene, &target(Role::Button, "Delete")).unwrap_err();
    assert_eq!(lost.candidates.len(), 2, "{lost:?}");
    let second = Target { positions: vec![Position::Nth(2)], ..target(Role::Button, "Delete") };
    assert_eq!(find(&scene, &second).unwrap().point.y, 355);
    let beside = Target { positions: vec![Position::Beside("Invoice 7".into())], ..target(Role::Button, "Delete") };
    assert_eq!(find(&scene, &beside).unwrap().point.y, 355);
    let third = Target { positions: vec![Position::Nth(3)], ..target(Role::Button, "Delete") };
    assert!(find(&scene, &third).is_err());
}

#[test]
fn a_window_on_top_hides_what_is_below() {
    let mut tree = form();
    let cover = RawWindow { x: 150, y: 150, w: 300, h: 100, ..window("Surprise", "Other", true) };
    tree.windows[0].active = false;
    tree.windows.insert(0, cover);
    tree.nodes.iter_mut().for_each(|node| node.window = Some(1));
    let scene = SceneBuilder::new(Size::DESKTOP).update(&tree, Timestamp(0));
    let lost = find(&scene, &target(Role::Button, "Save")).unwrap_err();
    assert!(lost.why.contains("Surprise"), "{}", lost.why);
    assert!(find(&scene, &target(Role::Textbox, "Name")).is_ok(), "what is not covered can be used");
}

#[test]
fn text_is_read_beside_its_label_in_documents_and_forms() {
    let mut page = node("document text", "invoice.pdf", (0, 0, 600, 700));
    page.value = Some("Hale Print Ltd\nInvoice number: INV-1041\nTotal due   1,234.50 EUR\nTotals are final".into());
    let tree = RawTree { windows: vec![window("invoice.pdf", "Evince", true)], nodes: vec![page], ..RawTree::default() };
    let scene = SceneBuilder::new(Size::DESKTOP).update(&tree, Timestamp(0));
    let beside = |label: &str| Target { positions: vec![Position::Beside(label.into())], ..Target::default() };
    assert_eq!(read_text(&scene, &beside("Invoice number")).as_deref(), Some("INV-1041"));
    assert_eq!(read_text(&scene, &beside("Total due")).as_deref(), Some("1,234.50 EUR"));
    assert_eq!(read_text(&scene, &beside("Tot")), None, "a label is whole words");
}

#[test]
fn an_empty_field_reads_as_nothing_and_a_password_not_at_all() {
    let mut address = node("entry", "URL", (200, 100, 200, 24));
    address.states.push("editable".into());
    let password = RawNode { value: Some("hunter2".into()), ..node("password text", "Password", (200, 140, 200, 24)) };
    let tree =
        RawTree { windows: vec![window("Shop", "Chromium", true)], nodes: vec![address, password], ..RawTree::default() };
    let scene = SceneBuilder::new(Size::DESKTOP).update(&tree, Timestamp(0));
    assert_eq!(read_text(&scene, &target(Role::Textbox, "URL")).as_deref(), Some(""));
    assert_eq!(read_text(&scene, &target(Role::Textbox, "Password")), None);
}

#[test]
fn a_label_in_the_active_window_is_meant() {
    let mut other = node("page", "", (0, 0, 600, 300));
    other.value = Some("Total: 1.00".into());
    other.window = Some(1);
    let nodes = vec![other, node("label", "Total:", (100, 100, 60, 20)), node("table cell", "42.00", (180, 100, 60, 20))];
    let windows = vec![window("Shop", "Chromium", true), window("invoice.pdf", "Evince", false)];
    let scene = SceneBuilder::new(Size::DESKTOP).update(&RawTree { windows, nodes, ..RawTree::default() }, Timestamp(0));
    let beside = |label: &str| Target { positions: vec![Position::Beside(label.into())], ..Target::default() };
    assert_eq!(read_text(&scene, &beside("Total")).as_deref(), Some("42.00"), "a cell of a web page is read by its name");
}

#[test]
fn cells_are_found_by_address() {
    let mut cell = node("table cell", "B7", (100, 200, 80, 20));
    cell.cell = Some((6, 1));
    cell.value = Some("duplicate".into());
    let tree = RawTree { windows: vec![window("invoices.xlsx", "Calc", true)], nodes: vec![cell], ..RawTree::default() };
    let scene = SceneBuilder::new(Size::DESKTOP).update(&tree, Timestamp(0));
    let at = |address: &str| Target { cell: Some(address.into()), ..Target::default() };
    assert_eq!(read_text(&scene, &at("B7")).as_deref(), Some("duplicate"));
    assert!(find(&scene, &at("B8")).is_err());
}

#[test]
fn conditions_are_told_from_the_screen() {
    let scene = SceneBuilder::new(Size::DESKTOP).update(&form(), Timestamp(0));
    let is = |condition: Condition| holds(&scene, &condition, &|path| path == "there.txt");
    assert!(is(Condition::Title { text: "orders".into() }));
    assert!(!is(Condition::Title { text: "*".into() }), "an asterisk is a sign of its own");
    assert!(is(Condition::Text { text: "invoice 7".into() }));
    assert!(!is(Condition::Text { text: "invoice 8".into() }));
    assert!(is(Condition::NoText { text: "invoice 8".into() }));
    assert!(is(Condition::Appears { target: target(Role::Button, "Delete") }), "twice there is there");
    assert!(is(Condition::Gone { target: target(Role::Button, "Undo") }));
    assert!(is(Condition::Value { target: target(Role::Textbox, "E-mail"), text: "old@".into() }));
    assert!(is(Condition::File { path: "there.txt".into() }) && !is(Condition::File { path: "gone.txt".into() }));
    let contains = Target { label_match: LabelMatch::Contains, ..target(Role::Text, "voice") };
    assert!(is(Condition::Not { condition: Box::new(Condition::Gone { target: contains }) }));
}

#[test]
fn a_number_is_the_same_with_or_without_its_last_noughts() {
    let mut total = node("table cell", "E3", (10, 10, 60, 20));
    total.value = Some("1621.5".into());
    total.cell = Some((2, 4));
    let tree = RawTree { windows: vec![window("Sheet", "Calc", true)], nodes: vec![total], ..RawTree::default() };
    let scene = SceneBuilder::new(Size::DESKTOP).update(&tree, Timestamp(0));
    let says = |text: &str| {
        let target = Target { cell: Some("E3".into()), ..Target::default() };
        holds(&scene, &Condition::Value { target, text: text.into() }, &|_: &str| false)
    };
    assert!(says("1621.50") && says("1621.5") && says("1621"));
    assert!(!says("1621.55") && !says("162.15"));
}

#[test]
fn a_rejected_push_is_told_from_a_taken_one() {
    let shows = |text: &str, wanted: &str| {
        let mut terminal = node("terminal", "Terminal", (0, 0, 800, 600));
        terminal.value = Some(text.into());
        let tree = RawTree { windows: vec![window("Terminal", "Terminal", true)], nodes: vec![terminal], ..RawTree::default() };
        let scene = SceneBuilder::new(Size::DESKTOP).update(&tree, Timestamp(0));
        holds(&scene, &Condition::NoText { text: wanted.into() }, &|_: &str| false)
    };
    let taken = "To http://git.atelier.local/gallery.git\n   1a2b3c4..5d6e7f8  main -> main\n";
    assert!(shows(taken, "rejected]") && shows(taken, "failed to push"));
    for why in
        ["! [rejected]        main -> main (fetch first)", "! [remote rejected] main -> main (pre-receive hook declined)"]
    {
        let rejected = format!("To http://git.atelier.local/gallery.git\n {why}\nerror: failed to push some refs\n");
        assert!(!shows(&rejected, "rejected]") && !shows(&rejected, "failed to push"), "{why}");
    }
}
