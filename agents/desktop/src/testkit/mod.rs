//! What any kind of desktop must pass, as named checks. They start real desktops with real programs in them:
//! `/usr/bin/python3` with GTK, and `mousepad`. Attacks are run from inside of the desktops that the checks start.

mod confinement;
mod limits;
mod work;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use mz_protocol::{Size, WorkerId};

use crate::api::{Desktop, DesktopSpec, Limits, Program, Runtime};
use crate::hand::Hand;

const PATIENCE: Duration = Duration::from_secs(20);

/// Why a check failed, in words.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;

/// One promise of a runtime, with its name.
#[derive(Clone, Copy)]
pub struct Check {
    pub name: &'static str,
    pub run: fn(&Floor<'_>) -> Result<(), Failed>,
}

/// All of them, the quick ones first.
pub const CHECKS: &[Check] = &[
    Check { name: "a desktop starts and can be stopped without a trace", run: work::starts_and_stops },
    Check { name: "a frame follows input, and typed text arrives letter by letter", run: work::typing_arrives },
    Check { name: "freezing holds the programs and thawing lets them go on", run: work::freeze_holds },
    Check { name: "files go in and out, and no link leads elsewhere", run: work::files_stay_home },
    Check { name: "only the role's programs can be started", run: work::only_known_programs },
    Check { name: "there is no network", run: confinement::no_network },
    Check {
        name: "the host's and other workers' files, processes and screens are out of reach",
        run: confinement::nothing_of_others,
    },
    Check { name: "dangerous system calls are refused", run: confinement::system_calls },
    Check { name: "a memory hog ends alone", run: limits::memory },
    Check { name: "a fork bomb stays within its limit", run: limits::processes },
    Check { name: "a flood of drawing does not hold up the host", run: limits::drawing },
];

/// Runs all checks; each starts desktops of its own under `folder`.
pub fn conformance(runtime: &dyn Runtime, folder: &Path) -> Vec<(&'static str, Result<(), Failed>)> {
    let floor = Floor::new(runtime, folder);
    CHECKS.iter().map(|check| (check.name, (check.run)(&floor))).collect()
}

/// Where the checks find a runtime and room.
pub struct Floor<'a> {
    runtime: &'a dyn Runtime,
    folder: PathBuf,
    next: AtomicU16,
}

/// A desktop, its hand and the host's path of its home.
pub struct Started {
    pub desktop: Box<dyn Desktop>,
    pub hand: Hand,
    pub home: PathBuf,
    pub run_dir: PathBuf,
}

impl<'a> Floor<'a> {
    pub fn new(runtime: &'a dyn Runtime, folder: &Path) -> Self {
        Self { runtime, folder: folder.to_owned(), next: AtomicU16::new(0) }
    }

    pub fn start(&self, limits: Limits) -> Result<Started, Failed> {
        self.start_with(limits, None)
    }

    /// With a broker's socket as its way out.
    pub fn start_with(&self, limits: Limits, proxy: Option<PathBuf>) -> Result<Started, Failed> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let home = self.folder.join(format!("home-{number}"));
        let run_dir = self.folder.join(format!("run-{number}"));
        let program = |name: &str, command: &[&str]| Program {
            name: name.into(),
            command: command.iter().map(|part| (*part).to_owned()).collect(),
            package: name.into(),
        };
        let spec = DesktopSpec {
            worker: WorkerId::new(format!("check-{number}"))?,
            number,
            size: Size { width: 1024, height: 768 },
            home: home.clone(),
            run_dir: run_dir.clone(),
            programs: vec![
                program("python3", &["/usr/bin/python3", "-u"]),
                program("mousepad", &["mousepad", "{args}"]),
                program("missing", &["mezzanine-no-such-program"]),
            ],
            limits,
            proxy,
            env: Vec::new(),
        };
        let (desktop, hand) = self.runtime.start(spec)?;
        Ok(Started { desktop, hand, home, run_dir })
    }
}

impl Started {
    /// Runs a Python script inside, without waiting for it.
    pub fn script(&self, text: &str) -> Result<(), Failed> {
        Ok(self.desktop.launch("python3", &["-c".to_owned(), text.to_owned()])?)
    }

    /// Runs a Python script inside that fills the dictionary `result`, and gives that as JSON.
    pub fn probe(&self, text: &str) -> Result<serde_json::Value, Failed> {
        self.probe_within(text, PATIENCE)
    }

    pub fn probe_within(&self, text: &str, patience: Duration) -> Result<serde_json::Value, Failed> {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let answer = format!("probe-{}.json", COUNT.fetch_add(1, Ordering::Relaxed));
        let frame = "import json, os, traceback\nresult = {}\ntry:\n BODY\nexcept BaseException:\n \
                     result['broken'] = traceback.format_exc()\nopen('/home/worker/probe.part', 'w').write(json.dumps(result))\n\
                     os.rename('/home/worker/probe.part', '/home/worker/ANSWER')\n";
        self.script(&frame.replace("ANSWER", &answer).replace("BODY", &text.trim().replace('\n', "\n ")))?;
        let found = until_within(patience, "the probe's answer", || self.desktop.get_file(&answer).ok());
        let found = found.map_err(|error| format!("{error}; the desktop said {:?}", self.desktop.log()))?;
        let result: serde_json::Value = serde_json::from_slice(&found)?;
        match result.get("broken") {
            Some(broken) => Err(format!("the probe failed: {broken}").into()),
            None => Ok(result),
        }
    }
}

/// What `look` finds, as soon as it finds something.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> Result<T, Failed> {
    until_within(PATIENCE, what, look)
}

fn until_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, Failed> {
    let end = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() > end {
            return Err(format!("{what}: not within {} s", patience.as_secs()).into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}
