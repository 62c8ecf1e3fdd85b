//! A running desktop of the `process` runtime.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mz_protocol::Size;
use mz_scene::RawTree;

use crate::api::{Desktop, DesktopSpec, Limits, ProcessInfo, Program};
use crate::error::DesktopError;
use crate::feed::FrameFeed;
use crate::files::Home;
use crate::process::capture::Capture;
use crate::process::group::Programs;
use crate::process::link::{Link, checked};
use crate::process::spawn::Log;
use crate::process::watch::Watch;
use crate::process::{Number, procs};
use crate::wire::{Answer, Ask};

const ANSWER: Duration = Duration::from_secs(5);
const GONE: Duration = Duration::from_secs(3);
const LOG_LINES: usize = 500;
const PATH: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/games"];

/// What the desktop's owner and its watch share.
pub(crate) struct Running {
    pub programs: Programs,
    pub link: Link,
    pub home: Home,
    pub feed: FrameFeed,
    pub log: Log,
    pub x_log: Log,
    pub limits: Limits,
    pub home_path: PathBuf,
    /// Why it ended, once it has.
    pub death: Mutex<Option<String>>,
    /// Held for the whole of a freeze or thaw.
    pub frozen: Mutex<bool>,
}

impl Running {
    /// Ends all programs, for this reason; the first reason stays.
    pub fn die(&self, why: String) {
        self.death.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.programs.kill(GONE);
    }

    fn death(&self) -> Option<String> {
        self.death.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(crate) struct ProcessDesktop {
    spec: DesktopSpec,
    running: Arc<Running>,
    rest: Mutex<Option<Rest>>,
}

/// What is taken down by the stop.
struct Rest {
    capture: Capture,
    watch: Watch,
    children: Vec<Child>,
    folder: PathBuf,
    _number: Number,
}

impl ProcessDesktop {
    pub fn new(
        spec: DesktopSpec,
        running: Arc<Running>,
        capture: Capture,
        watch: Watch,
        children: Vec<Child>,
        folder: PathBuf,
        number: Number,
    ) -> Self {
        let rest = Rest { capture, watch, children, folder, _number: number };
        Self { spec, running, rest: Mutex::new(Some(rest)) }
    }

    fn awake(&self, what: &'static str) -> Result<(), DesktopError> {
        self.alive().map_err(DesktopError::Ended)?;
        if *self.running.frozen.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(DesktopError::Frozen(what));
        }
        Ok(())
    }

    fn program(&self, name: &str) -> Result<&Program, DesktopError> {
        let found = self.spec.programs.iter().find(|program| program.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            let known: Vec<&str> = self.spec.programs.iter().map(|program| program.name.as_str()).collect();
            DesktopError::UnknownProgram { name: name.chars().take(80).collect(), known: known.join(", ") }
        })
    }
}

impl Desktop for ProcessDesktop {
    fn size(&self) -> Size {
        self.spec.size
    }

    fn frames(&self) -> FrameFeed {
        self.running.feed.clone()
    }

    fn tree(&self, deadline: Duration) -> Result<RawTree, DesktopError> {
        self.awake("its tree is read")?;
        let ask = Ask::Tree { within_ms: deadline.as_millis() as u64 };
        match self.running.link.ask(ask, "its tree", deadline + Duration::from_millis(200))? {
            Answer::Tree { tree } => checked(tree),
            _ => Err(DesktopError::Protocol("it answered a question for its tree with something else".into())),
        }
    }

    fn launch(&self, program: &str, args: &[String]) -> Result<(), DesktopError> {
        self.awake("a program is started")?;
        let program = self.program(program)?;
        let argv = argv(program, args);
        let installed = argv.first().is_some_and(|file| match file.starts_with('/') {
            true => Path::new(file).exists(),
            false => PATH.iter().any(|folder| Path::new(folder).join(file).exists()),
        });
        if !installed {
            return Err(DesktopError::ProgramMissing { program: program.name.clone(), package: program.package.clone() });
        }
        self.running.link.ask(Ask::Launch { argv }, "that a program was started", ANSWER).map(|_| ())
    }

    fn put_file(&self, rel: &str, bytes: &[u8]) -> Result<(), DesktopError> {
        self.running.home.write(rel, bytes)
    }

    fn get_file(&self, rel: &str) -> Result<Vec<u8>, DesktopError> {
        self.running.home.read(rel)
    }

    fn list_files(&self, rel: &str) -> Result<Vec<String>, DesktopError> {
        self.running.home.list(rel)
    }

    fn freeze(&self) -> Result<(), DesktopError> {
        self.alive().map_err(DesktopError::Ended)?;
        let mut frozen = self.running.frozen.lock().unwrap_or_else(PoisonError::into_inner);
        // Said before it is done: a freeze that fails half way is one that has to be thawed.
        *frozen = true;
        self.running.programs.freeze(Duration::from_secs(2)).map_err(DesktopError::io("freezing the desktop"))
    }

    fn thaw(&self) -> Result<(), DesktopError> {
        self.alive().map_err(DesktopError::Ended)?;
        let mut frozen = self.running.frozen.lock().unwrap_or_else(PoisonError::into_inner);
        self.running.programs.thaw(Duration::from_secs(2)).map_err(DesktopError::io("thawing the desktop"))?;
        *frozen = false;
        Ok(())
    }

    fn processes(&self) -> Vec<ProcessInfo> {
        procs::infos(&self.running.programs.pids())
    }

    fn log(&self) -> Vec<String> {
        let mut lines = self.running.x_log.lines(50);
        lines.extend(self.running.log.lines(100));
        if self.awake("its log is read").is_ok()
            && let Ok(Answer::Log { lines: inside }) = self.running.link.ask(Ask::Log, "its log", Duration::from_secs(1))
        {
            let inside = inside.into_iter().rev().take(LOG_LINES).map(|line| line.chars().take(500).collect());
            let mut inside: Vec<String> = inside.collect();
            inside.reverse();
            lines.extend(inside);
        }
        lines
    }

    fn alive(&self) -> Result<(), String> {
        match self.running.death().or_else(|| self.running.link.ended()) {
            Some(why) => Err(why),
            None if self.running.feed.ended() => Err("its X server is gone".into()),
            None => Ok(()),
        }
    }

    fn cpu_used(&self) -> Duration {
        self.running.programs.cpu_used()
    }

    fn stop(&self) {
        let Some(mut rest) = self.rest.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        rest.watch.stop();
        // While they all still hang together: once a parent has ended, its children are nobody's descendants.
        let mut held: Vec<_> = rest.children.iter().flat_map(|child| procs::hold(&procs::descendants(child.id()))).collect();
        self.running.link.close();
        self.running.die("it was stopped".into());
        rest.capture.stop();
        for child in &mut rest.children {
            held.extend(procs::hold(&procs::descendants(child.id())));
            procs::kill(&held);
            let _ = child.wait();
        }
        if !procs::wait_gone(&held, GONE) {
            tracing::warn!(worker = %self.spec.worker, "a process of a stopped desktop does not end");
        }
        if let Err(error) = std::fs::remove_dir_all(&rest.folder) {
            tracing::warn!(folder = %rest.folder.display(), %error, "a stopped desktop's folder stays behind");
        }
    }
}

impl Drop for ProcessDesktop {
    fn drop(&mut self) {
        self.stop();
    }
}

fn argv(program: &Program, args: &[String]) -> Vec<String> {
    let mut argv = Vec::new();
    for part in &program.command {
        if part == "{args}" { argv.extend_from_slice(args) } else { argv.push(part.clone()) }
    }
    if !program.command.iter().any(|part| part == "{args}") {
        argv.extend_from_slice(args);
    }
    argv
}
