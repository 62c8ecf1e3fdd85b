//! Outcome checks against real workbooks, pictures, repositories, programs and a real database.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mz_company::{CheckPlaces, OutcomeCheck, ServicePlace, parse_checks, run_check};
use mz_protocol::{Checkpoint, ServiceId};
use tempfile::TempDir;

fn home() -> (TempDir, CheckPlaces) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["home", "state", "company"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    let at = |name: &str| dir.path().join(name);
    let places = CheckPlaces { home: at("home"), state: at("state"), company: at("company"), ..CheckPlaces::default() };
    (dir, places)
}

fn check(yaml: &str) -> OutcomeCheck {
    let mut checks = parse_checks(yaml, "skills/try/CHECK.yaml").unwrap_or_else(|faults| panic!("{yaml}: {faults:?}"));
    assert_eq!(checks.len(), 1);
    checks.remove(0)
}

/// One entry, its keys given in the flow style.
fn one(keys: &str, places: &CheckPlaces, inputs: &[(&str, &str)]) -> Checkpoint {
    let inputs: BTreeMap<String, String> =
        inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    run_check(&check(&format!("- {{name: Try, points: 2, {keys}}}")), &inputs, places).checkpoints.remove(0)
}

fn passes(keys: &str, places: &CheckPlaces, inputs: &[(&str, &str)]) {
    let found = one(keys, places, inputs);
    assert!(found.passed, "{keys}: {}", found.detail);
    assert_eq!((found.name.as_str(), found.points), ("Try", 2));
    assert!(found.detail.ends_with('.') || found.detail.ends_with(' ') || !found.detail.is_empty());
}

fn fails(keys: &str, places: &CheckPlaces, why: &str) {
    let found = one(keys, places, &[]);
    assert!(!found.passed && found.detail.contains(why), "{keys}: {} {}", found.passed, found.detail);
}

fn workbook(path: &Path) {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet().set_name("Payments").unwrap();
    for (column, head) in ["Supplier", "Amount", "State", "Due"].iter().enumerate() {
        sheet.write(0, column as u16, *head).unwrap();
    }
    for (row, (supplier, amount, state)) in [("Nordlys", 905.0, "Paid"), ("Harbour", 1410.25, "Open")].iter().enumerate() {
        let row = row as u32 + 1;
        sheet.write(row, 0, *supplier).unwrap();
        sheet.write(row, 1, *amount).unwrap();
        sheet.write(row, 2, *state).unwrap();
    }
    let date = rust_xlsxwriter::ExcelDateTime::from_ymd(2026, 10, 1).unwrap();
    sheet.write_with_format(1, 3, &date, &rust_xlsxwriter::Format::new().set_num_format("yyyy-mm-dd")).unwrap();
    book.add_worksheet().set_name("Far").unwrap().write(1_048_575, 16_383, 1).unwrap();
    let far = book.worksheet_from_name("Far").unwrap();
    far.write(0, 0, "near").unwrap();
    book.save(path).unwrap();
}

#[test]
fn workbooks() {
    let (_dir, places) = home();
    workbook(&places.home.join("p.xlsx"));
    let book = |keys: &str| format!("kind: workbook, file: 'home:p.xlsx', {keys}");
    for keys in [
        "cell: B2, equals: 905",
        "cell: B3, equals: '1410.25'",
        "cell: B3, near: 1410, within: 0.5",
        "cell: C2, equals: Paid",
        "cell: C2, contains: ai",
        "cell: D2, equals: '2026-10-01'",
        "sheet: payments, range: 'B2:B3', sum: 2315.25",
        "rows: 2, header: 1",
        "column: A, has: [Harbour, Nordlys]",
        "column: A, header: 1, values: [Harbour, Nordlys]",
        "where: {A: Harbour}, column: C, equals: Open",
        // A sheet whose two cells lie as far apart as they can takes no room.
        "sheet: Far, cell: XFD1048576, equals: 1",
    ] {
        passes(&book(keys), &places, &[]);
    }
    passes(&book("cell: '{cell}', equals: '{state}'"), &places, &[("cell", "C2"), ("state", "Paid")]);
    // What an order gives as a list has a line for each entry.
    passes(&book("column: A, has: '{who}'"), &places, &[("who", "Harbour\nNordlys")]);
    passes(&book("column: A, header: 1, values: '{who}'"), &places, &[("who", "Harbour\nNordlys")]);
    for (listed, why) in [("Harbour\nVale", "should have \"Vale\""), ("", "empty list")] {
        let found = one(&book("column: A, has: '{who}'"), &places, &[("who", listed)]);
        assert!(!found.passed && found.detail.contains(why), "{listed:?}: {}", found.detail);
    }
    for (keys, why) in [
        ("cell: B2, equals: 906", "B2 should be \"906\", and is \"905\""),
        ("cell: B2, near: 900", "near 900"),
        ("cell: Z9, equals: x", "and is \"\""),
        ("range: 'B2:B3', sum: 1", "adds up to 2315.25"),
        ("rows: 7", "has 3"),
        ("column: A, has: [Vale]", "should have \"Vale\""),
        ("column: A, header: 1, values: [Nordlys]", "should not be there"),
        ("where: {A: Vale}, column: C, equals: Open", "no row with \"Vale\""),
        ("sheet: Gone, cell: A1, equals: x", "no sheet \"Gone\", only Payments, Far"),
        ("cell: nowhere, equals: x", "no cell"),
        ("cell: A1, equals: '{who}'", "{who}"),
    ] {
        fails(&book(keys), &places, why);
    }
    fails("kind: workbook, file: gone.xlsx, cell: A1, equals: x", &places, "gone.xlsx does not exist");
    std::fs::write(places.home.join("p.xlsx"), "not a workbook").unwrap();
    fails(&book("cell: A1, equals: x"), &places, "cannot be read as a workbook");
}

fn ods(path: &Path, row: &str) {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("mimetype", options).unwrap();
    zip.write_all(b"application/vnd.oasis.opendocument.spreadsheet").unwrap();
    zip.start_file("META-INF/manifest.xml", options).unwrap();
    zip.write_all(
        b"<?xml version=\"1.0\"?><manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\"/>",
    )
    .unwrap();
    zip.start_file("content.xml", options).unwrap();
    write!(zip, "<?xml version=\"1.0\"?><office:document-content xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\" xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\"><office:body><office:spreadsheet><table:table table:name=\"S\">{row}</table:table></office:spreadsheet></office:body></office:document-content>").unwrap();
    zip.finish().unwrap();
}

#[test]
fn open_document_workbooks() {
    let (_dir, places) = home();
    let cell = "<table:table-cell office:value-type=\"string\"><text:p>Paid</text:p></table:table-cell>";
    ods(&places.home.join("a.ods"), &format!("<table:table-row>{cell}</table:table-row>"));
    passes("kind: workbook, file: a.ods, sheet: S, cell: A1, equals: Paid", &places, &[]);
    // A few bytes that stand for sixteen milliard cells.
    let many = cell.replace("<table:table-cell ", "<table:table-cell table:number-columns-repeated=\"16384\" ");
    ods(
        &places.home.join("b.ods"),
        &format!("<table:table-row table:number-rows-repeated=\"1048576\">{many}</table:table-row>"),
    );
    fails("kind: workbook, file: b.ods, cell: A1, equals: Paid", &places, "more than 1000000 cells");
}

#[test]
fn pictures() {
    let (_dir, places) = home();
    let mut picture = image::RgbaImage::from_pixel(40, 20, image::Rgba([30, 127, 92, 255]));
    picture.save(places.home.join("flat.png")).unwrap();
    picture.put_pixel(3, 4, image::Rgba([200, 10, 10, 255]));
    picture.save(places.home.join("a.png")).unwrap();
    picture.save(places.company.join("template.png")).unwrap();
    for keys in [
        "file: a.png, width: 40, height: 20, not_blank: true",
        "file: a.png, pixel: {x: 3, y: 4, color: '#c80a0a'}",
        "file: a.png, pixels: [{x: 0, y: 0, color: '#208060', tolerance: 10}]",
        "file: flat.png, differs_from: 'company:template.png'",
    ] {
        passes(&format!("kind: png, {keys}"), &places, &[]);
    }
    for (keys, why) in [
        ("file: a.png, width: 41", "should be 41×20 pixels, and is 40×20"),
        ("file: flat.png, not_blank: true", "blank"),
        ("file: a.png, pixel: {x: 0, y: 0, color: '#ffffff'}", "is #1e7f5c"),
        ("file: a.png, pixel: {x: 40, y: 0, color: '#ffffff'}", "no pixel at 40, 0"),
        ("file: a.png, pixel: {x: 0, y: 0, color: white}", "no colour"),
        ("file: a.png, differs_from: 'company:template.png'", "unchanged"),
        ("file: none.png", "does not exist"),
    ] {
        fails(&format!("kind: png, {keys}"), &places, why);
    }
    std::fs::write(places.home.join("a.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    fails("kind: png, file: a.png", &places, "no PNG picture");
}

#[test]
fn files_and_json() {
    let (dir, mut places) = home();
    places
        .services
        .insert(ServiceId::new("shop").unwrap(), ServicePlace { data: dir.path().join("state"), ..Default::default() });
    std::fs::write(places.home.join("a.txt"), "Dear Ada,\nthank you.\n").unwrap();
    std::fs::write(places.home.join("empty.txt"), "").unwrap();
    std::fs::write(places.state.join("o.json"), r#"{"orders":[{"state":"paid","total":12.0}]}"#).unwrap();
    passes("kind: file, file: 'home:a.txt'", &places, &[]);
    passes(
        "kind: file, file: '{name}.txt', contains: ['Dear {who}', thank], lacks: sorry",
        &places,
        &[("who", "Ada"), ("name", "a")],
    );
    passes("kind: file, file: a.txt, equals: \"Dear Ada,\\nthank you.\"", &places, &[]);
    passes("kind: file, file: gone.txt, exists: false", &places, &[]);
    passes("kind: json, file: 'service:shop/o.json', pointer: /orders/0/state, equals: '{s}'", &places, &[("s", "paid")]);
    passes("kind: json, file: 'state:o.json', pointer: /orders/0/total, equals: 12", &places, &[]);
    for (keys, why) in [
        ("kind: file, file: empty.txt", "empty"),
        ("kind: file, file: a.txt, contains: Bob", "should contain \"Bob\""),
        ("kind: file, file: a.txt, lacks: Ada", "should not contain \"Ada\""),
        ("kind: file, file: a.txt, equals: Hello", "should say \"Hello\""),
        ("kind: file, file: a.txt, exists: false", "should not be"),
        ("kind: file, file: 'home:../state/o.json'", "leads out"),
        ("kind: file, file: 'service:none/o.json'", "no service \"none\""),
        ("kind: json, file: 'state:o.json', pointer: /orders/1, equals: 1", "nothing at"),
        ("kind: json, file: 'state:o.json', pointer: /orders/0/state, equals: open", "and is"),
        ("kind: json, file: a.txt, equals: 1", "no JSON"),
    ] {
        fails(keys, &places, why);
    }
}

#[test]
fn a_worker_cannot_lead_a_check_elsewhere() {
    let (dir, places) = home();
    std::fs::write(dir.path().join("outside.txt"), "secret").unwrap();
    symlink(dir.path().join("outside.txt"), places.home.join("link.txt")).unwrap();
    symlink("../outside.txt", places.home.join("relative.txt")).unwrap();
    symlink(dir.path(), places.home.join("up")).unwrap();
    std::fs::write(places.home.join("real.txt"), "mine").unwrap();
    symlink("real.txt", places.home.join("inside.txt")).unwrap();
    passes("kind: file, file: inside.txt, contains: mine", &places, &[]);
    for keys in ["file: link.txt, contains: secret", "file: relative.txt", "file: up/outside.txt", "file: '{f}'"] {
        let found = one(&format!("kind: file, {keys}"), &places, &[("f", "/../outside.txt")]);
        assert!(!found.passed && found.detail.contains("leads out"), "{keys}: {}", found.detail);
    }
    // A pipe would make a reader wait for ever, a sparse file would fill its memory.
    rustix::fs::mkfifoat(rustix::fs::CWD, places.home.join("pipe"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    fails("kind: file, file: pipe, contains: x", &places, "not a plain file");
    std::fs::File::create(places.home.join("huge")).unwrap().set_len(1 << 40).unwrap();
    fails("kind: file, file: huge, contains: x", &places, "larger than");
    fails("kind: workbook, file: huge, cell: A1, equals: x", &places, "larger than");
}

fn git(folder: &Path, args: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=Try", "-c", "user.email=try@example.org", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn repositories() {
    let (_dir, places) = home();
    git(&places.state, &["init", "--quiet", "--bare", "shop.git"]);
    let repo = places.home.join("shop");
    git(&places.home, &["clone", "--quiet", places.state.join("shop.git").to_str().unwrap(), "shop"]);
    git(&repo, &["checkout", "--quiet", "-b", "fix/total"]);
    std::fs::write(repo.join("cart.py"), "total = 1\n").unwrap();
    git(&repo, &["add", "."]);
    git(&repo, &["commit", "--quiet", "-m", "Round the total"]);
    let check = |keys: &str| format!("kind: git, repo: 'home:shop', {keys}");
    passes(&check("log_contains: Round, clean: true"), &places, &[]);
    passes(&check("branch: 'fix/{what}', file: cart.py, contains: 'total = 1'"), &places, &[("what", "total")]);
    fails(&check("branch: fix/total, pushed_to: 'state:shop.git'"), &places, "was not pushed");
    git(&repo, &["push", "--quiet", "origin", "fix/total"]);
    passes(&check("branch: fix/total, pushed_to: 'state:shop.git'"), &places, &[]);
    passes(&check("pushed_to: 'state:shop.git'"), &places, &[]);
    passes("kind: git, repo: 'state:shop.git', branch: fix/total, log_contains: Round", &places, &[]);
    std::fs::write(repo.join("cart.py"), "total = 2\n").unwrap();
    for (keys, why) in [
        ("clean: true", "1 files are changed and not committed, such as cart.py"),
        ("log_contains: Nothing", "should contain \"Nothing\""),
        ("branch: main", "no branch \"main\""),
        ("file: gone.py", "gone.py is not in the last commit"),
        ("file: cart.py, equals: 'total = 2'", "should say"),
        ("branch: '--output=x'", "is no branch"),
    ] {
        fails(&check(keys), &places, why);
    }
    fails("kind: git, repo: 'home:', log_contains: x", &places, "no repository");
    // Links lead nowhere in the copy that is looked at.
    std::fs::write(places.state.join("secret"), "x").unwrap();
    symlink(places.state.join("secret"), repo.join("link")).unwrap();
    fails("kind: run, in: 'home:shop', command: [cat, link]", &places, "ended with 1");
    std::fs::remove_file(repo.join("link")).unwrap();
    // Settings of the repository name programs; none of them may reach this machine.
    let hit = places.home.join("hit");
    let program = format!("touch {}", hit.display());
    git(&repo, &["config", "core.fsmonitor", &program]);
    git(&repo, &["config", "filter.evil.clean", &program]);
    std::fs::write(repo.join(".gitattributes"), "* filter=evil\n").unwrap();
    assert!(!one(&check("clean: true"), &places, &[]).passed);
    assert!(!hit.exists());
}

#[test]
fn programs_run_confined() {
    let (dir, places) = home();
    std::fs::write(places.home.join("test.py"), "import socket,sys\nopen('/tmp/scratch','w').write('x')\ntry:\n    socket.create_connection(('127.0.0.1', 22), 1)\nexcept OSError as e:\n    print('no network')\nopen('mine','w')\nprint('2 passed'); sys.exit(3)\n").unwrap();
    std::fs::write(places.state.join("secret"), "x").unwrap();
    let run = |keys: &str| format!("kind: run, in: 'home:', {keys}");
    passes(&run("command: [python3, test.py], exit: 3, output_contains: ['2 passed', 'no network']"), &places, &[]);
    assert!(!places.home.join("mine").exists());
    fails(&run("command: [python3, test.py]"), &places, "ended with 3, where 0 was expected");
    fails(&run("command: [python3, test.py], exit: 3, output_contains: 3 passed"), &places, "should contain \"3 passed\"");
    fails(&run("command: [sleep, '60'], within: 1"), &places, "did not end within 1 seconds");
    fails(&run("command: [no-such-program]"), &places, "ended with");
    let secret = places.state.join("secret").display().to_string();
    fails(&run(&format!("command: [cat, '{secret}']")), &places, "ended with 1");
    fails("kind: run, in: 'home:gone', command: [id]", &places, "does not exist");
    if rustix::process::geteuid().is_root() {
        // The state of a real company is closed to others, as its workers' homes are.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::set_permissions(places.home.join("test.py"), std::fs::Permissions::from_mode(0o600)).unwrap();
        git(&places.home, &["init", "--quiet", "repo"]);
        git(&places.home.join("repo"), &["commit", "--quiet", "--allow-empty", "-m", "Begin"]);
        let places = CheckPlaces { uid: Some((64_321, 64_321)), ..places };
        passes(&run("command: [id], output_contains: uid=64321"), &places, &[]);
        passes(&run("command: [python3, test.py], exit: 3, output_contains: 2 passed"), &places, &[]);
        passes("kind: git, repo: 'home:repo', log_contains: Begin, clean: true", &places, &[]);
    }
}

struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A MariaDB of our own; none where the server is not installed.
fn mariadb(data: &Path) -> Option<Ends> {
    let install = Command::new("mariadb-install-db")
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--user=root"])
        .arg(format!("--datadir={}", data.display()))
        .output()
        .ok()?;
    assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stdout));
    let server = Command::new("mariadbd")
        .args(["--no-defaults", "--user=root", "--skip-networking"])
        .arg(format!("--datadir={}", data.display()))
        .arg(format!("--socket={}", data.join("s.sock").display()))
        .arg(format!("--log-error={}", data.join("log").display()))
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    Some(Ends(server))
}

#[test]
fn databases() {
    let (dir, mut places) = home();
    let data = dir.path().join("db");
    std::fs::create_dir(&data).unwrap();
    places.services.insert(ServiceId::new("shop").unwrap(), ServicePlace { data: data.clone(), ..Default::default() });
    let ask = |keys: &str| format!("kind: database, socket: 'service:shop/s.sock', {keys}");
    fails(&ask("query: select 1, equals: 1"), &places, "not running");
    let Some(_server) = mariadb(&data) else {
        eprintln!("mariadb-server is not installed: the rest was not tried");
        return;
    };
    let end = Instant::now() + Duration::from_secs(60);
    while !one(&ask("query: select 1, equals: 1"), &places, &[]).passed {
        assert!(Instant::now() < end, "the database did not come up: {:?}", std::fs::read_to_string(data.join("log")));
        std::thread::yield_now();
    }
    passes(&ask("query: \"select 'a', 2 union select 'b', 3\", equals: \"a\\t2\\nb\\t3\", contains: b"), &places, &[]);
    passes(&ask("query: \"select length('{who}')\", equals: '{n}'"), &places, &[("who", "O'Brien\\"), ("n", "8")]);
    fails(&ask("query: select 1, equals: 2"), &places, "should say \"2\", and says \"1\"");
    fails(&ask("query: select nothing, equals: 2"), &places, "did not answer");
}

#[test]
fn check_files_in_every_shape() {
    let entry = "{name: A, kind: file, file: a.txt}";
    for (yaml, names) in [
        (format!("- {entry}"), vec!["outcome"]),
        (format!("checks:\n  - {entry}"), vec!["outcome"]),
        (format!("name: done\ncheckpoints:\n  - {entry}"), vec!["done"]),
        (format!("checks:\n  done:\n    - {entry}\n  sent:\n    - {entry}"), vec!["done", "sent"]),
        (
            format!("checks:\n  - name: done\n    checkpoints: [{entry}]\n  - name: sent\n    checkpoints: [{entry}]"),
            vec!["done", "sent"],
        ),
        (format!("schema: x\ndone:\n  - {entry}"), vec!["done"]),
    ] {
        let checks = parse_checks(&yaml, "skills/try/CHECK.yaml").unwrap_or_else(|faults| panic!("{yaml}: {faults:?}"));
        assert_eq!(checks.iter().map(|check| check.name.as_str()).collect::<Vec<_>>(), names, "{yaml}");
        assert!(checks.iter().all(|check| check.entries.len() == 1 && check.entries[0].points == 1));
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/procedures.md")).unwrap();
    let shown = page.split("```yaml\n").nth(1).and_then(|part| part.split("```").next()).unwrap();
    assert_eq!(check(shown).entries.len(), 9);
    for (yaml, what) in [
        ("- {name: A, kind: smell, file: a}", "smell"),
        ("- {name: A, kind: file, fiel: a}", "fiel"),
        ("- {name: A, kind: workbook, file: a}", "asks nothing"),
        ("- {name: A, kind: git, repo: a}", "asks nothing"),
        ("- {name: A, kind: database, socket: a, query: b}", "asks nothing"),
        ("- {name: A, kind: run, command: []}", "asks nothing"),
        ("- {name: A, points: 0, kind: file, file: a}", "points"),
        ("- {kind: file, file: a}", "without a name"),
        ("checks: []", ""),
        ("a: [", ""),
        ("just words", "no list"),
    ] {
        let faults = parse_checks(yaml, "skills/try/CHECK.yaml").expect_err(yaml);
        assert!(faults[0].what.contains(what), "{yaml}: {faults:?}");
    }
}
