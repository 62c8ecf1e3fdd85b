//! Desktops to measure on: started in a folder of their own, gone when dropped.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use mz_desktop::{Desktop, DesktopSpec, Hand, Limits, ProcessRuntime, Program, Runtime};
use mz_protocol::{Size, WorkerId};

pub struct Yard {
    runtime: ProcessRuntime,
    folder: tempfile::TempDir,
    next: u16,
}

pub struct Bay {
    pub desktop: Arc<dyn Desktop>,
    pub hand: Hand,
    /// Until the window manager was up.
    pub ready: Duration,
}

impl Yard {
    pub fn new() -> anyhow::Result<Self> {
        let runtime = ProcessRuntime::open()?;
        runtime.check()?;
        let folder = tempfile::Builder::new().prefix("mz-bench-").tempdir().context("no folder for the benchmark")?;
        // The desktops' users pass through it to reach their homes.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
        Ok(Self { runtime, folder, next: 0 })
    }

    pub fn open(&mut self) -> anyhow::Result<Bay> {
        let number = self.next;
        self.next += 1;
        let spec = DesktopSpec {
            worker: WorkerId::new(format!("bench-{number}"))?,
            number,
            size: Size::DESKTOP,
            home: self.path(&format!("home-{number}")),
            run_dir: self.path(&format!("run-{number}")),
            programs: vec![chromium()],
            limits: Limits::default(),
            proxy: None,
            env: Vec::new(),
        };
        let begun = Instant::now();
        let (desktop, hand) = self.runtime.start(spec)?;
        Ok(Bay { desktop: Arc::from(desktop), hand, ready: begun.elapsed() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Bay {
    fn drop(&mut self) {
        self.desktop.stop();
    }
}

fn chromium() -> Program {
    let flags =
        ["--no-first-run", "--no-default-browser-check", "--password-store=basic", "--start-maximized", "--disable-gpu"];
    let mut command = vec!["chromium".to_owned()];
    command.extend(flags.map(str::to_owned));
    command.push("{args}".to_owned());
    Program { name: "Chromium".to_owned(), command, package: "chromium".to_owned() }
}
