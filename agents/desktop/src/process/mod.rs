//! The `process` runtime: each desktop is two bubblewrap sandboxes, one for the programs and one for their X
//! server, each with a user of its own where the engine runs as root.

mod capture;
mod cgroup;
mod desktop;
mod group;
mod link;
mod procs;
mod sandbox;
mod seccomp;
mod spawn;
mod start;
mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mz_protocol::LimitView;

use crate::api::{Desktop, DesktopSpec, Runtime};
use crate::error::DesktopError;
use crate::hand::Hand;
use crate::process::cgroup::Groups;
use crate::process::spawn::Plan;

/// Where the host's user ids of desktops begin.
const FIRST_UID: u32 = 64_000;
/// Above it the ids would meet that of `nobody`.
const NUMBERS: u16 = 750;
/// Programs that each desktop needs, and the Debian packages that bring them.
const NEEDED: [(&str, &str); 5] = [
    ("/usr/bin/bwrap", "bubblewrap"),
    ("/usr/bin/Xvfb", "xvfb"),
    ("/usr/bin/openbox", "openbox"),
    ("/usr/bin/dbus-daemon", "dbus-daemon"),
    ("/usr/libexec/at-spi-bus-launcher", "at-spi2-core"),
];

/// The host's user id of a worker's programs when the engine runs as root; otherwise they run as the engine's user.
/// The X server of that desktop has the next id.
pub fn host_uid(number: u16) -> u32 {
    FIRST_UID + 2 * u32::from(number)
}

/// Desktops in sandboxes of this machine.
pub struct ProcessRuntime {
    groups: Option<Groups>,
    numbers: Arc<Mutex<BTreeSet<u16>>>,
}

impl ProcessRuntime {
    /// Also sweeps the control groups that engines which are no more have left.
    pub fn new() -> Self {
        Self { groups: Groups::find(), numbers: Arc::default() }
    }
}

impl Default for ProcessRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for ProcessRuntime {
    fn name(&self) -> &'static str {
        "process"
    }

    fn promises(&self) -> Vec<LimitView> {
        let own_user = is_root();
        let limited = |controller| self.groups.as_ref().is_some_and(|groups| groups.limits(controller));
        let view = |what: &str, enforced, how: &str| LimitView { what: what.into(), enforced, how: how.into() };
        vec![
            view("Files, processes and network apart", true, "namespaces of bubblewrap, and a filter of system calls"),
            view(
                "A user of its own",
                own_user,
                if own_user {
                    "each desktop and each X server has its own user id"
                } else {
                    "only when the engine runs as root"
                },
            ),
            match limited("memory") {
                true => view("Memory", true, "control group"),
                false => view("Memory", true, "looked at four times a second; the desktop is ended when it is over its limit"),
            },
            match (limited("pids"), own_user) {
                (true, _) => view("Processes", true, "control group"),
                (false, true) => view("Processes", true, "limit of the worker's user id"),
                (false, false) => view("Processes", true, "counted four times a second; the desktop is ended above its limit"),
            },
            match limited("cpu") {
                true => view("Processor", true, "control group"),
                false => view("Processor", false, "no control group here: desktops only run at a lower priority"),
            },
            view("Disk", true, "each file by the kernel; the home as a whole looked at every five seconds"),
            match self.groups {
                Some(_) => view("Freeze", true, "control group"),
                None => view("Freeze", true, "stop signals to all programs, until none runs"),
            },
        ]
    }

    fn check(&self) -> Result<(), DesktopError> {
        for (program, package) in NEEDED {
            if !Path::new(program).exists() {
                return Err(DesktopError::ProgramMissing { program: program.into(), package: package.into() });
            }
        }
        inner_program()?;
        try_namespaces()
    }

    fn start(&self, spec: DesktopSpec) -> Result<(Box<dyn Desktop>, Hand), DesktopError> {
        if !(64..=8192).contains(&spec.size.width) || !(64..=8192).contains(&spec.size.height) {
            return Err(DesktopError::BadSize { width: spec.size.width, height: spec.size.height });
        }
        let number = Number::take(&self.numbers, spec.number)?;
        match start::start(spec, self.groups.as_ref(), number) {
            Ok((desktop, hand)) => Ok((Box::new(desktop), hand)),
            // Only after a failure: what is missing is told better than by what it broke.
            Err(error) => Err(self.check().err().unwrap_or(error)),
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A desktop's number, given back when it has ended.
pub(crate) struct Number {
    taken: Arc<Mutex<BTreeSet<u16>>>,
    number: u16,
}

impl Number {
    fn take(taken: &Arc<Mutex<BTreeSet<u16>>>, number: u16) -> Result<Self, DesktopError> {
        if number >= NUMBERS || !taken.lock().unwrap_or_else(PoisonError::into_inner).insert(number) {
            return Err(DesktopError::Number(number));
        }
        Ok(Self { taken: taken.clone(), number })
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// The smallest sandbox there is.
fn try_namespaces() -> Result<(), DesktopError> {
    let mut plan = Plan::new(NEEDED[0].0.into(), is_root().then(|| host_uid(NUMBERS)))?;
    plan.arg(&[
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--die-with-parent",
        "--ro-bind",
        "/",
        "/",
        "--",
        "/usr/bin/true",
    ]);
    let (mut child, log) = plan.spawn()?;
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let status = child.try_wait().map_err(DesktopError::io("waiting for bubblewrap"))?;
        match status {
            Some(status) if status.success() => return Ok(()),
            Some(status) => {
                let said = log.lines(3).join("; ");
                return Err(DesktopError::NoUserNamespaces { detail: format!("bubblewrap: {status}: {said}") });
            }
            None if Instant::now() > end => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(DesktopError::NoUserNamespaces { detail: "bubblewrap did not end within 5 s".into() });
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// The program that runs inside: beside this one, or one folder up, as it is for tests.
fn inner_program() -> Result<PathBuf, DesktopError> {
    const NAME: &str = "mezzanine-desktop";
    let mut tried = Vec::new();
    if let Some(path) = std::env::var_os("MEZZANINE_DESKTOP") {
        tried.push(PathBuf::from(path));
    } else if let Ok(own) = std::env::current_exe() {
        tried.extend(own.ancestors().skip(1).take(2).map(|folder| folder.join(NAME)));
    }
    match tried.iter().find(|path| path.is_file()) {
        Some(path) => path.canonicalize().map_err(DesktopError::io("finding mezzanine-desktop")),
        None => Err(DesktopError::NoInnerProgram {
            tried: tried.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and "),
        }),
    }
}
