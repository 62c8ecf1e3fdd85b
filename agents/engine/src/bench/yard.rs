//! Desktops to measure on: started in a folder of their own, gone when dropped.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mz_desktop::{Desktop, DesktopSpec, Hand, Limits, ProcessRuntime, Program, Runtime};
use mz_protocol::{Size, WorkerId};

pub struct Yard {
    runtime: ProcessRuntime,
    folder: tempfile::TempDir,
    next: u16,
}

pub struct Bay {
    pub desktop: Arc<dyn Desktop>,
    pub hand: Mutex<Hand>,
    pub worker: WorkerId,
    /// Until the window manager was up.
    pub ready: Duration,
}

impl Yard {
    pub fn new() -> anyhow::Result<Self> {
        let runtime = ProcessRuntime::new();
        runtime.check()?;
        let folder = tempfile::Builder::new().prefix("mz-bench-").tempdir().context("no folder for the benchmark")?;
        // The desktops' users pass through it to reach their homes.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
        Ok(Self { runtime, folder, next: 500 })
    }

    pub fn open(&mut self) -> anyhow::Result<Bay> {
        let number = self.next;
        self.next += 1;
        let worker = WorkerId::new(format!("bench-{number}"))?;
        let spec = DesktopSpec {
            worker: worker.clone(),
            number,
            size: Size::DESKTOP,
            home: self.path(&format!("home-{number}")),
            run_dir: self.path(&format!("run-{number}")),
            programs: vec![chromium(), editor()],
            limits: Limits::default(),
            proxy: None,
            env: Vec::new(),
        };
        let begun = Instant::now();
        let (desktop, hand) = self.runtime.start(spec)?;
        Ok(Bay { desktop: Arc::from(desktop), hand: Mutex::new(hand), worker, ready: begun.elapsed() })
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

/// Waits for a window whose title holds `title`.
pub fn until_window(bay: &Bay, title: &str, most: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + most;
    while Instant::now() < deadline {
        if bay.desktop.tree(most)?.windows.iter().any(|window| window.title.contains(title)) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("no window {title:?} opened within {most:?}")
}

fn chromium() -> Program {
    let flags =
        ["--no-first-run", "--no-default-browser-check", "--password-store=basic", "--start-maximized", "--disable-gpu"];
    let mut command = vec!["chromium".to_owned()];
    command.extend(flags.map(str::to_owned));
    command.push("{args}".to_owned());
    Program { name: "Chromium".to_owned(), command, package: "chromium".to_owned() }
}

fn editor() -> Program {
    Program {
        name: "Geany".to_owned(),
        command: vec!["geany".into(), "-i".into(), "{args}".into()],
        package: "geany".to_owned(),
    }
}
