//! A worker's program tries to get out of its desktop. The same program is run outside too: what fails there as well
//! would prove nothing.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mz_protocol::OrderState;
use mz_tests::{PATIENCE, Place, order};
use serde_json::{Value, json};

/// What a machine may refuse to everyone, and an ordinary user is refused anywhere: there the attempt proves nothing.
const NOT_EVERYWHERE: [&str; 7] = [
    "connects_to_the_hosts_message_bus",
    "makes_a_vsock",
    "uses_io_uring",
    "handles_page_faults",
    "opens_a_keyring",
    "types_into_a_terminal",
    "mounts_in_a_namespace_of_its_own",
];
const FOR_ROOT_ONLY: [&str; 8] = [
    "makes_a_packet_socket",
    "makes_a_bpf_map",
    "watches_the_whole_machine",
    "makes_a_device",
    "opens_a_device_of_the_host",
    "opens_the_kernels_switches",
    "sees_the_hosts_settings_of_people",
    "may_write_the_system",
];

type Results = BTreeMap<String, String>;

/// What there is to reach, for as long as it lives.
struct Bait {
    victim: Child,
    shared: PathBuf,
    _tcp: TcpListener,
    _abstract: UnixListener,
    _socket: UnixListener,
    targets: Value,
}

impl Drop for Bait {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let _ = std::fs::remove_file(&self.shared);
    }
}

impl Bait {
    fn lay(place: &Place, neighbour: &Neighbour) -> anyhow::Result<Self> {
        let own = std::process::id();
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let name = format!("mz-intruders-{own}");
        let hidden = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        let path = place.socket().with_file_name("other.sock");
        let socket = UnixListener::bind(&path)?;
        let shared = Path::new("/dev/shm").join(&name);
        std::fs::write(&shared, "shared")?;
        let private = place.home_of("otto").join("private.txt");
        std::fs::write(&private, "private")?;
        let victim = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn()?;
        let calls = json!({
            "process_vm_readv": libc::SYS_process_vm_readv, "io_uring_setup": libc::SYS_io_uring_setup,
            "bpf": libc::SYS_bpf, "keyctl": libc::SYS_keyctl, "userfaultfd": libc::SYS_userfaultfd,
            "perf_event_open": libc::SYS_perf_event_open, "mount": libc::SYS_mount,
        });
        let targets = json!({
            "ledger": place.ledger().join("ledger.sqlite"), "ledger_folder": place.ledger(), "engine": place.socket(),
            "neighbour": private, "neighbour_x11": neighbour.x11, "neighbour_proxy": neighbour.proxy,
            "mark": place.company(), "victim": victim.id(), "port": tcp.local_addr()?.port(), "abstract": name,
            "socket": path, "shared": shared, "calls": calls,
        });
        Ok(Self { victim, shared, _tcp: tcp, _abstract: hidden, _socket: socket, targets })
    }
}

/// Where the host keeps what belongs to the other desktop.
struct Neighbour {
    x11: PathBuf,
    proxy: PathBuf,
}

impl Neighbour {
    /// Once its desktop is up.
    fn find(place: &Place) -> anyhow::Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        let base = place.socket().with_file_name("mezzanine");
        loop {
            let found: Vec<PathBuf> = below(&base);
            let ends = |end: &str| found.iter().find(|path| path.ends_with(end)).cloned();
            if let (Some(screen), Some(proxy)) = (ends("otto/otto-1/x11/X1"), ends("net-otto/proxy.sock")) {
                return Ok(Self { x11: screen.with_file_name(""), proxy });
            }
            ensure!(Instant::now() < deadline, "the neighbour's desktop does not come up: {found:?}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(below(&entry.path())),
            _ => found.push(entry.path()),
        }
    }
    found
}

/// The attempts from outside, with the rights of whoever runs the tests.
fn outside(place: &Place, targets: &Value) -> anyhow::Result<Results> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("targets.json"), serde_json::to_vec(targets)?)?;
    let mut probe = Command::new("/usr/bin/python3");
    probe.arg(place.company().join("files/probe.py")).arg(file("targets.json")).arg(file("result.json"));
    let mut probe = probe.stdin(Stdio::null()).spawn()?;
    let deadline = Instant::now() + PATIENCE;
    while probe.try_wait()?.is_none() {
        if Instant::now() > deadline {
            probe.kill()?;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    read(&file("result.json"))
}

fn read(path: &Path) -> anyhow::Result<Results> {
    let bytes = std::fs::read(path).with_context(|| format!("the attempts left no {}", path.display()))?;
    Ok(serde_json::from_slice(&bytes)?)
}

#[test]
fn nothing_outside_of_the_desktop_is_reached() -> anyhow::Result<()> {
    let place = Place::new("intruders")?;
    let engine = place.start()?;
    let bait = Bait::lay(&place, &Neighbour::find(&place)?)?;
    let without = outside(&place, &bait.targets)?;
    // The program inside waits for it.
    let targets = place.home_of("nina").join("targets.json");
    let part = targets.with_extension("part");
    std::fs::write(&part, serde_json::to_vec(&bait.targets)?)?;
    std::fs::set_permissions(&part, PermissionsExt::from_mode(0o644))?;
    std::fs::rename(&part, &targets)?;
    let id = order("WO-0001")?;
    let (state, reason) = engine.watch()?.state("the end of the attempts", |snapshot| {
        let view = snapshot.orders.iter().find(|view| view.order.id == id)?;
        (view.state.is_final() || view.state == OrderState::NeedsHelp).then(|| (view.state, view.reason.clone()))
    })?;
    ensure!(state == OrderState::Done, "the attempts ended as {state:?}: {reason:?}");
    let within = read(&place.home_of("nina").join("result.json"))?;

    let as_root = rustix::process::geteuid().is_root();
    let excused = |name: &str| NOT_EVERYWHERE.contains(&name) || (!as_root && FOR_ROOT_ONLY.contains(&name));
    let mut wrong = Vec::new();
    for (name, result) in &without {
        match within.get(name) {
            Some(found) if found.starts_with("refused") => {}
            other => wrong.push(format!("inside, {name}: {other:?}")),
        }
        if result != "reached" && excused(name) {
            println!("proves nothing on this machine: {name}, {result}");
        } else if result != "reached" {
            wrong.push(format!("outside, where it should work, {name}: {result}"));
        }
    }
    ensure!(without.len() > 25, "only {} attempts were made", without.len());
    ensure!(wrong.is_empty(), "{wrong:#?}");
    ensure!(std::fs::read_to_string(place.home_of("otto").join("private.txt"))? == "private", "the neighbour's file changed");
    engine.down()
}

/// Who owns a worker's home, once its desktop is up: the user of its programs.
fn user_of(place: &Place, engine: &mz_tests::Engine) -> anyhow::Result<u32> {
    use std::os::unix::fs::MetadataExt;
    engine.watch()?.state("a desktop", |snapshot| {
        let up = snapshot.workers.iter().any(|worker| worker.state != mz_protocol::WorkerState::Starting);
        up.then_some(())
    })?;
    Ok(std::fs::metadata(place.home_of("nina"))?.uid())
}

#[test]
fn two_engines_share_no_user() -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        println!("not run: without root all desktops have the user of the engine");
        return Ok(());
    }
    let (one, two, three) = (Place::new("notes")?, Place::new("notes")?, Place::new("notes")?);
    let (first, second) = (one.start()?, two.start()?);
    let (first_user, second_user) = (user_of(&one, &first)?, user_of(&two, &second)?);
    ensure!(first_user != 0 && second_user != 0, "a worker is root on the host");
    ensure!(first_user != second_user, "two engines gave their workers the same user {first_user}");
    // The kernel lets a killed engine's ids go, and never those of a living one.
    let left = first.kill()?;
    let third = three.start()?;
    ensure!(user_of(&three, &third)? != second_user, "a living engine's user was given to another");
    let alive = left.alive_after(Duration::from_secs(1));
    ensure!(alive.is_empty(), "outlived their engine: {alive:#?}");
    third.down()?;
    second.down()
}
