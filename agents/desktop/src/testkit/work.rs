//! A desktop can be worked in.

use std::time::Duration;

use mz_protocol::{Button, Point};

use crate::api::Limits;
use crate::error::DesktopError;
use crate::hand::Atom;
use crate::testkit::{Failed, Floor, Started, ensure, until};

const CONTROL: u32 = 0xffe3;
/// Letters of the keyboard at hand and of none.
const TEXT: &str = "Grüße: 3 × 5 € → \"ok\"; A_b~|\\{}@ Ωж 你好 éÉ";

pub(super) fn starts_and_stops(floor: &Floor<'_>) -> Result<(), Failed> {
    let Started { desktop, hand, run_dir, home } = floor.start(Limits::default())?;
    desktop.alive()?;
    let frame = desktop.frames().latest();
    ensure(frame.size == desktop.size() && frame.pixels.len() == frame.size.pixels() * 4, || "a frame of another size".into())?;
    let processes: Vec<(u32, String)> = desktop.processes().into_iter().map(|process| (process.pid, process.name)).collect();
    ensure(processes.len() >= 3, || format!("only {} processes", processes.len()))?;
    desktop.stop();
    // What is dead but not yet reaped by the system is gone.
    let lives = |(pid, _): &(u32, String)| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
    };
    let left: Vec<(u32, String)> = processes.into_iter().filter(lives).collect();
    ensure(left.is_empty(), || format!("the processes {left:?} outlive the stop"))?;
    ensure(std::fs::read_dir(&run_dir)?.next().is_none(), || "files in the run folder outlive the stop".into())?;
    ensure(home.is_dir(), || "the home went with the stop".into())?;
    ensure(desktop.alive().is_err() && desktop.launch("python3", &[]).is_err(), || "a stopped desktop goes on".into())?;
    ensure(hand.screenshot().is_err(), || "a stopped desktop has a screen".into())
}

pub(super) fn typing_arrives(floor: &Floor<'_>) -> Result<(), Failed> {
    let mut started = floor.start(Limits::default())?;
    started.desktop.put_file("note.txt", b"")?;
    started.desktop.launch("mousepad", &["/home/worker/note.txt".into()])?;
    let window = until("the editor's window", || {
        let tree = started.desktop.tree(Duration::from_secs(2)).ok()?;
        tree.windows.into_iter().find(|window| window.active && window.title.contains("note.txt"))
    })?;
    let middle = Point::new((window.x + window.w / 2) as u16, (window.y + window.h / 2) as u16);
    started.hand.send(&Atom::Move(middle))?;
    for down in [true, false] {
        started.hand.send(&Atom::Button { button: Button::Left, down })?;
    }
    let before = started.desktop.frames().latest().seq;
    for letter in TEXT.chars() {
        started.hand.send(&Atom::Char(letter))?;
    }
    let newer = started.desktop.frames().wait_newer(before, Duration::from_secs(10));
    ensure(newer.is_some_and(|frame| !frame.changed.is_empty()), || "typing changed nothing on the screen".into())?;
    for (keysym, down) in [(CONTROL, true), (u32::from(b's'), true), (u32::from(b's'), false), (CONTROL, false)] {
        started.hand.send(&Atom::Key { keysym, down })?;
    }
    let mut last = String::new();
    let saved = until("the typed text in the saved file", || {
        last = String::from_utf8_lossy(&started.desktop.get_file("note.txt").ok()?).into_owned();
        (last.trim_end() == TEXT).then_some(())
    });
    saved.map_err(|error| format!("{error}; it holds {last:?}"))?;
    until("a feed that shows what the screen shows", || {
        let shot = started.hand.screenshot().ok()?;
        (shot.pixels == started.desktop.frames().latest().pixels).then_some(())
    })?;
    let refused = started.hand.send(&Atom::Char('\u{1b}'));
    ensure(matches!(refused, Err(DesktopError::Untypable(_))), || "an escape was typed".into())
}

pub(super) fn freeze_holds(floor: &Floor<'_>) -> Result<(), Failed> {
    let started = floor.start(Limits::default())?;
    started.script("import time\nwhile True:\n open('/home/worker/beats', 'a').write('x')\n time.sleep(0.002)")?;
    let beats = || started.desktop.get_file("beats").map_or(0, |bytes| bytes.len());
    until("the first beats", || (beats() > 3).then_some(()))?;
    for _ in 0..10 {
        started.desktop.freeze()?;
        let held = beats();
        // Not to wait for something, but to give what must not happen the time to happen.
        std::thread::sleep(Duration::from_millis(50));
        ensure(beats() == held, || "a frozen program goes on".into())?;
        let shot = started.hand.screenshot()?;
        ensure(shot.pixels.len() == shot.size.pixels() * 4, || "no picture of a frozen desktop".into())?;
        let refused = started.desktop.tree(Duration::from_secs(1));
        ensure(matches!(refused, Err(DesktopError::Frozen(_))), || "a frozen desktop was asked for its tree".into())?;
        started.desktop.thaw()?;
        until("a beat after the thaw", || (beats() > held).then_some(()))?;
    }
    started.desktop.freeze()?;
    started.desktop.stop();
    ensure(started.desktop.processes().is_empty(), || "a frozen desktop does not stop".into())
}

pub(super) fn files_stay_home(floor: &Floor<'_>) -> Result<(), Failed> {
    let started = floor.start(Limits::default())?;
    let desktop = &started.desktop;
    desktop.put_file("in/box/a.bin", &[0, 1, 255])?;
    let result = started.probe(
        "path = '/home/worker/in/box/a.bin'\nresult['bytes'] = list(open(path, 'rb').read())\nopen(path, 'ab').write(b'!')\n\
         os.symlink('/etc/passwd', '/home/worker/link')\nos.symlink('/', '/home/worker/door')\n\
         os.symlink('in', '/home/worker/inner')\nos.mkfifo('/home/worker/pipe')",
    )?;
    ensure(result["bytes"] == serde_json::json!([0, 1, 255]), || format!("inside it reads {result}"))?;
    ensure(desktop.get_file("in/box/a.bin")? == [0, 1, 255, b'!'], || "what a program wrote does not come out".into())?;
    ensure(desktop.list_files("in")? == ["box/"], || "the list of files is wrong".into())?;
    for rel in ["link", "door/etc/passwd", "inner/box/a.bin", "../x", "/etc/passwd", "pipe", "in"] {
        ensure(desktop.get_file(rel).is_err(), || format!("{rel} was read"))?;
    }
    let result = started.probe(
        "open('/home/worker/huge', 'w').truncate(300 << 20)\nopen('/home/worker/own', 'w').write('own')\n\
         os.link('/home/worker/own', '/home/worker/again')\n\
         def links(path, name):\n try:\n  os.link(path, '/home/worker/' + name)\n  return True\n except OSError:\n  return False\n\
         result['linked'] = [p for p in ['/etc/passwd', '/usr/bin/python3', '/run/mezzanine/desktop'] if links(p, 'stolen')]",
    )?;
    ensure(result["linked"] == serde_json::json!([]), || format!("a file of the system was linked into the home: {result}"))?;
    ensure(desktop.get_file("huge").is_err(), || "a file of 300 MiB was read".into())?;
    ensure(desktop.get_file("again")? == b"own", || "a second name of an own file is not read".into())?;
    // A folder that is now one, now a link to the system.
    started.script(
        "import ctypes, os\nos.makedirs('/home/worker/flip/etc')\nopen('/home/worker/flip/etc/hostname', 'w').write('own')\n\
         os.symlink('/', '/home/worker/out')\nlibc = ctypes.CDLL(None)\n\
         while True:\n assert libc.renameat2(-100, b'/home/worker/flip', -100, b'/home/worker/out', 2) == 0",
    )?;
    let (mut own, mut refused) = (0, 0);
    until("both faces of the folder", || {
        match desktop.get_file("flip/etc/hostname") {
            Ok(bytes) if bytes == b"own" => own += 1,
            Ok(_) => return Some(Err("the host's file was read")),
            Err(_) => refused += 1,
        }
        // It may be written into its own folder only.
        let _ = desktop.put_file("flip/tmp/mezzanine-escape", b"x");
        (own > 50 && refused > 50).then_some(Ok(()))
    })??;
    ensure(!std::path::Path::new("/tmp/mezzanine-escape").exists(), || "a file of the host was written".into())?;
    for rel in ["door/tmp/mezzanine-escape", "../mezzanine-escape", "inner/new"] {
        ensure(desktop.put_file(rel, b"x").is_err(), || format!("{rel} was written"))?;
    }
    Ok(())
}

pub(super) fn only_known_programs(floor: &Floor<'_>) -> Result<(), Failed> {
    let started = floor.start(Limits::default())?;
    let unknown = started.desktop.launch("bash", &[]);
    ensure(matches!(unknown, Err(DesktopError::UnknownProgram { .. })), || format!("bash: {unknown:?}"))?;
    let missing = started.desktop.launch("missing", &[]);
    ensure(matches!(missing, Err(DesktopError::ProgramMissing { .. })), || format!("a missing program: {missing:?}"))
}
