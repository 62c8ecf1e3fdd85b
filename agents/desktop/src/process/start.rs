//! How a desktop comes up: the X server and the programs' sandbox side by side, then the pictures, then the
//! window manager.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};

use crate::api::DesktopSpec;
use crate::error::DesktopError;
use crate::files::Home;
use crate::hand::Hand;
use crate::process::capture::Capture;
use crate::process::cgroup::Groups;
use crate::process::desktop::{ProcessDesktop, Running};
use crate::process::group::Programs;
use crate::process::link::Link;
use crate::process::sandbox::{self, Parts};
use crate::process::spawn::Log;
use crate::process::{NEEDED, Number, inner_program, procs, watch};
use crate::screen::{DisplayAddress, wait_for};
use crate::wire::{Ask, DISPLAY_NUMBER};

const UP: Duration = Duration::from_secs(20);

/// A child that is killed when the start fails half way.
struct Guarded(Option<Child>);

impl Guarded {
    fn keep(mut self) -> Option<Child> {
        self.0.take()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let held = procs::hold(&procs::descendants(child.id()));
            procs::kill(&held);
            let _ = child.wait();
            procs::wait_gone(&held, Duration::from_secs(2));
        }
    }
}

pub(crate) fn start(
    spec: DesktopSpec,
    groups: Option<&Groups>,
    number: Number,
) -> Result<(ProcessDesktop, Hand), DesktopError> {
    let inner = inner_program()?;
    let uids = number.uids();
    make_home(&spec.home, uids.map(|uids| uids.0)).map_err(DesktopError::io(format!("making the home {:?}", spec.home)))?;
    let folder = spec.run_dir.join(format!("{}-{}", spec.worker, spec.number));
    let x11 = folder.join("x11");
    make_socket_folder(&folder, &x11, uids.map(|uids| uids.1)).map_err(DesktopError::io(format!("making {x11:?}")))?;
    let cookie: [u8; 16] = random().map_err(DesktopError::io("reading random bytes"))?;
    let parts = Parts { bwrap: NEEDED[0].0.into(), uids, x11, authority: authority(&cookie) };

    let (x_server, x_log, ready) = start_x_server(&parts, &spec)?;
    let group = groups.map(|groups| groups.make(&format!("{}-{}", spec.worker, spec.number), &spec.limits));
    let group = group.transpose().map_err(DesktopError::io("making a control group"))?;
    let (programs, log, stream) = start_programs(&parts, &spec, &inner, groups, group.as_ref())?;
    let root = programs.0.as_ref().map_or(0, Child::id);
    let programs_group = Programs { root, group, cpu_seen: std::sync::Mutex::default() };
    let link = Link::new(&spec.worker, stream).map_err(DesktopError::io("starting the thread that talks with the desktop"))?;

    wait_ready(ready, &x_log)?;
    let socket_folder = rustix::fs::open(&parts.x11, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| DesktopError::io("opening the X server's folder")(error.into()))?;
    let address = DisplayAddress { folder: Arc::new(socket_folder), cookie };
    let (capture, feed) = Capture::start(&spec.worker, &address, spec.size)
        .map_err(|error| DesktopError::Display(format!("{error}; it said: {}", x_log.lines(5).join("; "))))?;
    let hand = Hand::new(&address, spec.size, feed.clone())?;
    let ask = Ask::Start { size: spec.size, env: spec.env.clone() };
    link.ask(ask, "that its window manager is up", UP).map_err(|error| match error {
        DesktopError::Ended(why) => DesktopError::Ended(format!("{why}; it said: {}", log.lines(5).join("; "))),
        other => other,
    })?;

    let home = Home::open(&spec.home, uids.map(|uids| uids.0)).map_err(DesktopError::io("opening the home"))?;
    let running = Running {
        programs: programs_group,
        link,
        home,
        feed,
        log,
        x_log,
        limits: spec.limits,
        home_path: spec.home.clone(),
        death: std::sync::Mutex::default(),
        frozen: std::sync::Mutex::default(),
    };
    let running = Arc::new(running);
    let watch = watch::Watch::start(&spec.worker, running.clone())?;
    let children = programs.keep().into_iter().chain(x_server.keep()).collect();
    Ok((ProcessDesktop::new(spec, running, capture, watch, children, folder, number), hand))
}

fn start_x_server(parts: &Parts, spec: &DesktopSpec) -> Result<(Guarded, Log, OwnedFd), DesktopError> {
    let (ready, told) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|error| DesktopError::io("making a pipe")(error.into()))?;
    let (child, log) = sandbox::x_server(parts, spec.size, told)?.spawn()?;
    Ok((Guarded(Some(child)), log, ready))
}

fn start_programs(
    parts: &Parts,
    spec: &DesktopSpec,
    inner: &Path,
    groups: Option<&Groups>,
    group: Option<&crate::process::cgroup::Group>,
) -> Result<(Guarded, Log, UnixStream), DesktopError> {
    let (host, inside) = UnixStream::pair().map_err(DesktopError::io("making a socket pair"))?;
    let id: [u8; 16] = random().map_err(DesktopError::io("reading random bytes"))?;
    let machine_id = id.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    let mut plan = sandbox::programs(parts, spec, inner, &machine_id)?;
    plan.join = group.map(|group| group.door()).transpose().map_err(DesktopError::io("opening the control group"))?;
    if !groups.is_some_and(|groups| groups.limits("cpu")) {
        plan.nice = 5;
    }
    let link = plan.inherit(inside.into());
    plan.arg(&["--", "/run/mezzanine/desktop", "--link", &link]);
    if parts.uids.is_none() && sandbox::counts_processes() {
        plan.arg(&["--processes", &spec.limits.processes.to_string()]);
    }
    let (child, log) = plan.spawn()?;
    Ok((Guarded(Some(child)), log, host))
}

fn wait_ready(ready: OwnedFd, log: &Log) -> Result<(), DesktopError> {
    let mut text = Vec::new();
    let mut ready = fs::File::from(ready);
    // To the end of the line: the server dies when it cannot write all of it.
    while !text.ends_with(b"\n") && text.len() < 16 {
        let told = wait_for(ready.as_fd(), PollFlags::IN, Some(UP)).map_err(DesktopError::io("waiting for the X server"))?;
        let mut more = [0; 16];
        match if told { ready.read(&mut more) } else { Ok(0) } {
            Ok(read) if read > 0 => text.extend_from_slice(&more[..read]),
            _ => break,
        }
    }
    if text == format!("{DISPLAY_NUMBER}\n").as_bytes() {
        return Ok(());
    }
    Err(DesktopError::Display(format!("it did not start: {}", log.lines(5).join("; "))))
}

/// The home belongs to the worker's user, with all that is in it: its number may be another than last time.
fn make_home(path: &Path, uid: Option<u32>) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    let Some(uid) = uid else { return Ok(()) };
    if fs::metadata(path)?.uid() == uid {
        return Ok(());
    }
    // No program of the worker runs yet, so nothing moves under this walk.
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                lchown(entry.path(), Some(uid), Some(uid))?;
            }
        }
        lchown(&folder, Some(uid), Some(uid))?;
    }
    Ok(())
}

fn make_socket_folder(folder: &Path, x11: &Path, uid: Option<u32>) -> io::Result<()> {
    // What a killed engine left.
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(x11)?;
    fs::set_permissions(x11, fs::Permissions::from_mode(0o755))?;
    lchown(x11, uid, uid)
}

fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// An X authority file with one entry that holds for every address and display.
fn authority(cookie: &[u8; 16]) -> Vec<u8> {
    const WILD: u16 = 0xffff;
    let name = b"MIT-MAGIC-COOKIE-1";
    let mut file = WILD.to_be_bytes().to_vec();
    for field in [&b""[..], b"", name, cookie] {
        file.extend_from_slice(&(field.len() as u16).to_be_bytes());
        file.extend_from_slice(field);
    }
    file
}
