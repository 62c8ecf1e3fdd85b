//! The `process` runtime keeps what a runtime promises.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails there.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mz_desktop::testkit::{conformance, until};
use mz_desktop::{Desktop, DesktopSpec, Hand, Limits, ProcessRuntime, Program, Runtime};
use mz_protocol::{Size, WorkerId};

const PAGE: &str = "<title>Orders</title><body style='background:#205080'><h1>Open orders</h1><button>Approve</button>";

fn start(folder: &Path) -> (Box<dyn Desktop>, Hand) {
    let program = |name: &str, command: &[&str]| Program {
        name: name.into(),
        command: command.iter().map(|part| (*part).to_owned()).collect(),
        package: name.into(),
    };
    let browser = [
        "chromium",
        "--force-renderer-accessibility",
        "--no-first-run",
        "--no-default-browser-check",
        "--password-store=basic",
    ];
    let spec = DesktopSpec {
        worker: WorkerId::new("mira").unwrap(),
        number: 0,
        size: Size::DESKTOP,
        home: folder.join("home"),
        run_dir: folder.join("run"),
        programs: vec![program("chromium", &browser), program("mousepad", &["mousepad"])],
        limits: Limits::default(),
        proxy: None,
        env: Vec::new(),
    };
    ProcessRuntime::open().unwrap().start(spec).unwrap()
}

#[test]
fn the_process_runtime_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = ProcessRuntime::open().unwrap();
    runtime.check().unwrap();
    let results = conformance(&runtime, folder.path());
    let mut failed = Vec::new();
    for (name, result) in results {
        match result {
            Ok(()) => println!("ok      {name}"),
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_browser_keeps_its_own_sandbox_and_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let (desktop, _hand) = start(folder.path());
    desktop.put_file("orders.html", PAGE.as_bytes()).unwrap();
    let launched = Instant::now();
    desktop.launch("chromium", &["/home/worker/orders.html".into()]).unwrap();
    let blue = |frame: &mz_desktop::Frame| {
        let middle =
            (usize::from(frame.size.height / 2) * usize::from(frame.size.width) + usize::from(frame.size.width / 2)) * 4;
        frame.pixels[middle..middle + 3] == [0x80, 0x50, 0x20]
    };
    until("the page's colour on the screen", || blue(&desktop.frames().latest()).then_some(())).unwrap();
    println!("page painted {:?} after the launch", launched.elapsed());
    let heading = until("the page's heading in the tree", || {
        let tree = desktop.tree(Duration::from_secs(3)).ok()?;
        tree.nodes.into_iter().find(|node| node.role == "heading" && node.name == "Open orders")
    });
    heading.unwrap_or_else(|error| panic!("{error}: {:#?}", desktop.log()));
    println!("page readable {:?} after the launch", launched.elapsed());
    let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/user")).unwrap();
    let processes = desktop.processes();
    let supervisor = processes.iter().find(|process| process.name == "openbox").unwrap();
    let renderers: Vec<u32> = processes
        .iter()
        .map(|process| process.pid)
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("--type=renderer"))
        })
        .collect();
    assert!(!renderers.is_empty(), "no renderer among {processes:?}");
    for pid in renderers {
        assert_ne!(namespace(pid), namespace(supervisor.pid), "a renderer shares the desktop's user namespace");
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(!line.contains("--no-sandbox"), "{line}");
    }
}

/// Not a test of its own: the process that is killed by the tests below.
#[test]
#[ignore = "started by the tests that kill it"]
fn owner() {
    let Some(folder) = std::env::var_os("MEZZANINE_TEST_FOLDER") else { return };
    let folder = Path::new(&folder);
    let (desktop, _hand) = start(folder);
    desktop.launch("mousepad", &[]).unwrap();
    until("the editor", || desktop.processes().iter().any(|process| process.name == "mousepad").then_some(())).unwrap();
    if std::env::var_os("MEZZANINE_TEST_FREEZE").is_some() {
        desktop.freeze().unwrap();
    }
    std::fs::write(folder.join("up"), "").unwrap();
    loop {
        std::thread::park();
    }
}

fn nothing_outlives_its_owner(freeze: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "owner", "--ignored"]).stdout(Stdio::null()).env("MEZZANINE_TEST_FOLDER", folder.path());
    command.envs(freeze.map(|value| ("MEZZANINE_TEST_FREEZE", value)));
    let mut owner = command.spawn().unwrap();
    let up = until("the owner's desktop", || folder.path().join("up").exists().then_some(()));
    let family = descendants(owner.id());
    owner.kill().unwrap();
    let killed = Instant::now();
    owner.wait().unwrap();
    up.unwrap();
    assert!(family.len() > 8, "only {} processes", family.len());
    let mut left = Vec::new();
    let gone = until("the end of all processes", || {
        left = family.iter().filter(|(pid, start)| started(*pid).as_ref() == Some(start)).collect();
        left.is_empty().then_some(())
    });
    println!("{} processes gone {:?} after the kill", family.len(), killed.elapsed());
    assert!(gone.is_ok(), "these outlive their owner: {left:?}");
}

#[test]
fn nothing_outlives_a_killed_owner() {
    nothing_outlives_its_owner(None);
}

#[test]
fn nothing_frozen_outlives_a_killed_owner() {
    nothing_outlives_its_owner(Some("1"));
}

/// This program as a user without any rights, who can read it wherever it was built. None where it is one already.
fn ordinary(folder: &Path, runtime: &ProcessRuntime) -> Option<Command> {
    // An id that is nobody else's for as long as the runtime lives.
    let uid = runtime.user_of(0)?;
    let own = std::env::current_exe().unwrap();
    let inner = own.ancestors().skip(1).map(|folder| folder.join("mezzanine-desktop")).find(|path| path.is_file()).unwrap();
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    for (file, name) in [(&own, "conformance"), (&inner, "mezzanine-desktop")] {
        std::fs::copy(file, folder.join(name)).unwrap();
        std::fs::set_permissions(folder.join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let home = folder.join("home");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(uid), Some(uid)).unwrap();
    let mut command = Command::new(folder.join("conformance"));
    command.uid(uid).gid(uid).current_dir(&home).env_clear().env("PATH", "/usr/bin:/bin");
    command.env("HOME", &home).env("TMPDIR", &home);
    Some(command)
}

#[test]
fn desktops_of_an_ordinary_user_conform() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = ProcessRuntime::open().unwrap();
    let Some(mut command) = ordinary(folder.path(), &runtime) else {
        println!("not run: the other tests run as an ordinary user already");
        return;
    };
    let tests = ["the_process_runtime_conforms", "nothing_outlives_a_killed_owner", "nothing_frozen_outlives_a_killed_owner"];
    let output = command.args(["--exact", "--test-threads", "1", "--nocapture"]).args(tests).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("3 passed"), "{said}");
}

/// The descendants of a process with the times of their start.
fn descendants(root: u32) -> Vec<(u32, String)> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        if let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>()
            && let Some(parent) = field(pid, 1).and_then(|parent| parent.parse().ok())
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut seen = HashSet::new();
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        if seen.insert(pid) {
            open.extend(children.get(&pid).into_iter().flatten());
        }
    }
    seen.remove(&root);
    seen.into_iter().filter_map(|pid| Some((pid, started(pid)?))).collect()
}

fn started(pid: u32) -> Option<String> {
    field(pid, 0).filter(|state| state != "Z").and_then(|_| field(pid, 19))
}

fn field(pid: u32, index: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(index).map(str::to_owned)
}
