//! What is told of real programs is what their screens show, also right after a change.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails there.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use mz_desktop::testkit::until;
use mz_desktop::{Atom, Desktop, DesktopSpec, Hand, Limits, ProcessRuntime, Program, Runtime};
use mz_protocol::{Button, Point, Size, WorkerId};
use mz_scene::{RawNode, RawTree};

const ATELIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/companies/atelier");
const DEADLINE: Duration = Duration::from_secs(10);

fn start(folder: &Path, number: u16) -> (Box<dyn Desktop>, Hand) {
    let program = |name: &str, command: &[&str]| Program {
        name: name.into(),
        command: command.iter().map(|part| (*part).to_owned()).collect(),
        package: name.into(),
    };
    let calc = ["soffice", "--calc", "--norestore", "--nologo", "-env:UserInstallation=file:///home/worker/office", "{args}"];
    let browser = ["chromium", "--force-renderer-accessibility", "--no-first-run", "--password-store=basic", "{args}"];
    let spec = DesktopSpec {
        worker: WorkerId::new("fenn").unwrap(),
        number,
        size: Size::DESKTOP,
        home: folder.join("home"),
        run_dir: folder.join("run"),
        programs: vec![program("calc", &calc), program("evince", &["evince", "{args}"]), program("chromium", &browser)],
        limits: Limits::default(),
        proxy: None,
        env: Vec::new(),
    };
    ProcessRuntime::open().unwrap().start(spec).unwrap()
}

/// Puts a folder of the built-in company into the home.
fn bring(desktop: &dyn Desktop, from: &Path, to: &str) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = format!("{to}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            bring(desktop, &entry.path(), &format!("{place}/"));
        } else {
            desktop.put_file(&place, &std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// The middle of ten readings, told for the record.
fn timed(desktop: &dyn Desktop, what: &str) -> RawTree {
    let mut tree = RawTree::default();
    let mut times: Vec<Duration> = (0..10)
        .map(|_| {
            let begun = Instant::now();
            tree = desktop.tree(DEADLINE).unwrap();
            begun.elapsed()
        })
        .collect();
    times.sort();
    println!("{what}: {} objects read in {:?} (the quickest in {:?})", tree.nodes.len(), times[5], times[0]);
    tree
}

fn cell<'a>(tree: &'a RawTree, address: &str) -> Option<&'a RawNode> {
    tree.nodes.iter().find(|node| node.cell.is_some() && node.name == address)
}

fn value(desktop: &dyn Desktop, address: &str) -> Option<String> {
    cell(&desktop.tree(DEADLINE).unwrap(), address).and_then(|cell| cell.value.clone())
}

fn write(hand: &mut Hand, text: &str) {
    for letter in text.chars() {
        let key = match letter {
            '\t' => Some(0xff09),
            '\n' => Some(0xff0d),
            _ => None,
        };
        match key {
            Some(keysym) => {
                hand.send(&Atom::Key { keysym, down: true }).unwrap();
                hand.send(&Atom::Key { keysym, down: false }).unwrap();
            }
            None => hand.send(&Atom::Char(letter)).unwrap(),
        }
        std::thread::sleep(Duration::from_millis(4));
    }
}

#[test]
fn a_sheet_is_read_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let (desktop, mut hand) = start(folder.path(), 80);
    let desktop = &*desktop;
    bring(desktop, &Path::new(ATELIER).join("profiles/fenn/office"), "office/");
    bring(desktop, &Path::new(ATELIER).join("files/invoices"), "invoices/");
    desktop.put_file("payments.xlsx", &std::fs::read(Path::new(ATELIER).join("files/payments.xlsx")).unwrap()).unwrap();
    desktop.launch("calc", &["/home/worker/payments.xlsx".into()]).unwrap();
    until("the sheet", || cell(&desktop.tree(DEADLINE).ok()?, "A2").map(drop)).unwrap();
    let tree = timed(desktop, "LibreOffice Calc");
    let count = cell(&tree, "J2").unwrap().value.clone();

    let first = cell(&tree, "A2").unwrap();
    let at = Point::new((first.x + first.w / 2) as u16, (first.y + first.h / 2) as u16);
    hand.send(&Atom::Move(at)).unwrap();
    hand.send(&Atom::Button { button: Button::Left, down: true }).unwrap();
    hand.send(&Atom::Button { button: Button::Left, down: false }).unwrap();
    until("the cursor", || {
        let tree = desktop.tree(DEADLINE).ok()?;
        tree.focus.and_then(|focus| tree.nodes.get(focus as usize)).filter(|node| node.name == "A2").map(drop)
    })
    .unwrap();
    write(&mut hand, "N-1\tnordlys\t10\t2\t12\n");
    let holds = |address: &str, text: &str| {
        let held = until(address, || (value(desktop, address).as_deref() == Some(text)).then_some(()));
        held.unwrap_or_else(|error| panic!("{error}: {:?}", value(desktop, address)));
    };
    holds("E2", "12");
    holds("A2", "N-1");
    until("the cell that counts", || (value(desktop, "J2") != count).then_some(())).unwrap();

    // A window over it, and away again.
    let invoice = std::fs::read_dir(Path::new(ATELIER).join("files/invoices")).unwrap().next().unwrap().unwrap().file_name();
    desktop.launch("evince", &[format!("/home/worker/invoices/{}", invoice.to_string_lossy())]).unwrap();
    until("the invoice", || desktop.tree(DEADLINE).ok()?.nodes.iter().any(|node| node.name == "Total due").then_some(()))
        .unwrap();
    timed(desktop, "LibreOffice Calc behind Evince");
    for (keysym, down) in [(0xffe9, true), (0xffc1, true), (0xffc1, false), (0xffe9, false)] {
        hand.send(&Atom::Key { keysym, down }).unwrap();
    }
    until("the invoice's end", || desktop.tree(DEADLINE).ok()?.nodes.iter().all(|node| node.name != "Total due").then_some(()))
        .unwrap();
    write(&mut hand, "N-2\tvale\t20\t4\t24\n");
    holds("E3", "24");
    holds("A3", "N-2");
    timed(desktop, "LibreOffice Calc again");
}

#[test]
fn a_page_is_read_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let (desktop, mut hand) = start(folder.path(), 81);
    let desktop = &*desktop;
    let mut page = String::from("<title>Orders</title><h1 id=h>Orders</h1><input id=i autofocus aria-label=Number>");
    page.push_str("<script>i.oninput = () => { h.textContent = 'Order ' + i.value }</script><table>");
    for row in 0..30 {
        write!(page, "<tr><td>{row}</td><td><a href=#>Order {row}</a></td><td><button>Pay {row}</button></td></tr>").unwrap();
    }
    desktop.put_file("orders.html", page.as_bytes()).unwrap();
    desktop.launch("chromium", &["/home/worker/orders.html".into()]).unwrap();
    let has = |role: &str, name: &str| {
        let tree = desktop.tree(DEADLINE).ok()?;
        tree.nodes.iter().any(|node| node.role == role && node.name == name).then_some(())
    };
    until("the page", || has("heading", "Orders")).unwrap();
    timed(desktop, "Chromium");
    let tree = desktop.tree(DEADLINE).unwrap();
    let field = tree.nodes.iter().find(|node| node.role == "entry" && node.name == "Number").unwrap();
    hand.send(&Atom::Move(Point::new((field.x + 5) as u16, (field.y + 5) as u16))).unwrap();
    hand.send(&Atom::Button { button: Button::Left, down: true }).unwrap();
    hand.send(&Atom::Button { button: Button::Left, down: false }).unwrap();
    write(&mut hand, "77");
    until("the heading that a script changed", || has("heading", "Order 77")).unwrap();
    timed(desktop, "Chromium again");
}
