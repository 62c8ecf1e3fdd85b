//! The `process` runtime: each desktop is two bubblewrap sandboxes, one for the programs and one for their X
//! server, each with a user of its own where the engine runs as root.

mod capture;
mod cgroup;
mod desktop;
mod group;
mod link;
mod namespaces;
mod procs;
mod sandbox;
mod seccomp;
mod spawn;
mod start;
mod uids;
mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use mz_protocol::LimitView;

use crate::api::{Desktop, DesktopSpec, Runtime};
use crate::error::DesktopError;
use crate::hand::Hand;
use crate::process::cgroup::Groups;
use crate::process::uids::Uids;

/// Desktops of one engine, where user ids do not bound them.
const DESKTOPS: u16 = 1000;
/// Programs that each desktop needs, and the Debian packages that bring them.
const NEEDED: [(&str, &str); 5] = [
    ("/usr/bin/bwrap", "bubblewrap"),
    ("/usr/bin/Xvfb", "xvfb"),
    ("/usr/bin/openbox", "openbox"),
    ("/usr/bin/dbus-daemon", "dbus-daemon"),
    ("/usr/libexec/at-spi-bus-launcher", "at-spi2-core"),
];

/// Desktops in sandboxes of this machine.
pub struct ProcessRuntime {
    groups: Option<Groups>,
    /// Where the engine runs as root.
    uids: Option<Arc<Uids>>,
    numbers: Arc<Mutex<BTreeSet<u16>>>,
}

impl ProcessRuntime {
    /// Also sweeps what engines that are no more have left: control groups, and processes of the user ids that this
    /// one takes.
    pub fn open() -> Result<Self, DesktopError> {
        let uids = if is_root() { Some(Arc::new(Uids::claim()?)) } else { None };
        Ok(Self { groups: Groups::find(), uids, numbers: Arc::default() })
    }

    /// The host's user id of a desktop's programs, nobody else's on this machine. None where the engine is not root:
    /// they run as its own user then.
    pub fn user_of(&self, number: u16) -> Option<u32> {
        self.uids.as_ref().map(|uids| uids.programs(number))
    }

    fn take(&self, number: u16) -> Result<Number, DesktopError> {
        let most = self.uids.as_ref().map_or(DESKTOPS, |uids| uids.desktops());
        if number >= most || !self.numbers.lock().unwrap_or_else(PoisonError::into_inner).insert(number) {
            return Err(DesktopError::Number { number, most });
        }
        Ok(Number { taken: self.numbers.clone(), number, users: self.uids.clone() })
    }

    /// The host's user id for the company's services; none where the engine is not root.
    pub fn user_of_services(&self) -> Option<u32> {
        self.uids.as_ref().map(|uids| uids.services())
    }
}

impl Runtime for ProcessRuntime {
    fn name(&self) -> &'static str {
        "process"
    }

    fn promises(&self) -> Vec<LimitView> {
        let own_user = self.uids.is_some();
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
                (false, false) if sandbox::counts_processes() => {
                    view("Processes", true, "limit of the desktop's user namespace")
                }
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
        namespaces::try_one(self.uids.as_ref().map(|uids| uids.probe()))
    }

    fn start(&self, spec: DesktopSpec) -> Result<(Box<dyn Desktop>, Hand), DesktopError> {
        if !(64..=8192).contains(&spec.size.width) || !(64..=8192).contains(&spec.size.height) {
            return Err(DesktopError::BadSize { width: spec.size.width, height: spec.size.height });
        }
        let number = self.take(spec.number)?;
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

/// A desktop's number, given back when it has ended; until then its user ids are held too.
pub(crate) struct Number {
    taken: Arc<Mutex<BTreeSet<u16>>>,
    number: u16,
    users: Option<Arc<Uids>>,
}

impl Number {
    /// The host's user for the programs and that for the X server.
    pub fn uids(&self) -> Option<(u32, u32)> {
        self.users.as_ref().map(|users| (users.programs(self.number), users.display(self.number)))
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
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
