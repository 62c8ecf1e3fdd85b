//! What a desktop consists of before any program runs: message bus, window manager, accessibility.

use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mz_protocol::Size;

use crate::inner::programs::Programs;
use crate::inner::proxy;
use crate::inner::windows::Windows;
use crate::wire::DISPLAY_NUMBER;

const BUS: &str = "unix:path=/run/user/1000/bus";
const MANAGER_UP: Duration = Duration::from_secs(10);
/// A program that starts before accessibility is on stays unreadable, so a launch waits this long for it.
const ACCESSIBLE: Duration = Duration::from_secs(5);

pub(crate) struct Session {
    programs: Programs,
    accessible: Arc<(Mutex<bool>, Condvar)>,
}

impl Session {
    /// Comes back when the window manager is up; accessibility follows a little later.
    pub fn start(size: Size, env: Vec<(String, String)>) -> io::Result<Self> {
        set_env(env);
        let programs = Programs::default();
        // Side by side: neither needs the other.
        let mut openbox = Command::new("/usr/bin/openbox");
        openbox.args(["--config-file", "/run/mezzanine/openbox.xml", "--sm-disable"]);
        programs.spawn("openbox", openbox)?;
        start_bus(&programs)?;
        if proxy::offered() {
            proxy::start()?;
        }
        let accessible: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let (shared, said) = (accessible.clone(), programs.clone());
        std::thread::Builder::new().name("accessibility".into()).spawn(move || {
            if let Err(error) = switch_accessibility_on(&said) {
                said.say(format!("accessibility stays off: {error}"));
            }
            *shared.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            shared.1.notify_all();
        })?;
        let windows = Windows::connect().map_err(io::Error::other)?;
        windows.wait_for_manager(size, MANAGER_UP).map_err(io::Error::other)?;
        Ok(Self { programs, accessible })
    }

    pub fn launch(&self, argv: &[String]) -> io::Result<()> {
        let Some((program, args)) = argv.split_first() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let guard = self.accessible.0.lock().unwrap_or_else(PoisonError::into_inner);
        // After the wait it is tried in any case.
        drop(self.accessible.1.wait_timeout_while(guard, ACCESSIBLE, |ready| !*ready));
        let mut command = Command::new(program);
        command.args(args);
        let name = program.rsplit('/').next().unwrap_or(program);
        self.programs.spawn(name, command)
    }

    pub fn count(&self) -> u32 {
        self.programs.count()
    }

    pub fn log(&self) -> Vec<String> {
        self.programs.log()
    }
}

/// For this process and all that it starts.
fn set_env(wanted: Vec<(String, String)>) {
    let mut env: Vec<(String, String)> = [
        ("HOME", "/home/worker"),
        ("USER", "worker"),
        ("LOGNAME", "worker"),
        ("SHELL", "/bin/bash"),
        ("LANG", "C.UTF-8"),
        ("XDG_RUNTIME_DIR", "/run/user/1000"),
        ("XDG_CURRENT_DESKTOP", "Openbox"),
        ("XAUTHORITY", "/run/mezzanine/Xauthority"),
        ("DBUS_SESSION_BUS_ADDRESS", BUS),
        ("GTK_MODULES", "gail:atk-bridge"),
        ("GNOME_ACCESSIBILITY", "1"),
        ("ACCESSIBILITY_ENABLED", "1"),
        ("QT_ACCESSIBILITY", "1"),
        ("QT_LINUX_ACCESSIBILITY_ALWAYS_ON", "1"),
        ("SAL_USE_VCLPLUGIN", "gtk3"),
        ("GDK_BACKEND", "x11"),
        ("LIBGL_ALWAYS_SOFTWARE", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    env.push(("DISPLAY".into(), format!(":{DISPLAY_NUMBER}")));
    if proxy::offered() {
        let address = format!("http://{}", proxy::ADDRESS);
        for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"] {
            env.push((name.into(), address.clone()));
        }
        env.push(("no_proxy".into(), "localhost,127.0.0.1".into()));
    }
    env.extend(wanted);
    for (name, value) in env.into_iter().filter(|(name, value)| !name.is_empty() && !format!("{name}{value}").contains('\0')) {
        // SAFETY: the one other thread waits for questions about the tree, and none comes before the start is answered.
        unsafe { std::env::set_var(name, value) };
    }
}

/// Comes back when it takes connections.
fn start_bus(programs: &Programs) -> io::Result<()> {
    let mut command = Command::new("/usr/bin/dbus-daemon");
    command.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]).arg(format!("--address={BUS}"));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut line = String::new();
    if let Some(said) = child.stdout.take() {
        // Its end of the pipe closes when it fails, so this ends; the engine bounds the whole start.
        BufReader::new(said).read_line(&mut line)?;
    }
    programs.adopt("dbus-daemon", child)?;
    if line.is_empty() { Err(io::Error::other("dbus-daemon did not start")) } else { Ok(()) }
}

fn switch_accessibility_on(programs: &Programs) -> Result<(), Box<dyn std::error::Error>> {
    let mut launcher = Command::new("/usr/libexec/at-spi-bus-launcher");
    launcher.arg("--launch-immediately");
    programs.spawn("at-spi-bus-launcher", launcher)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let end = Instant::now() + ACCESSIBLE;
    runtime.block_on(async {
        let bus = atspi::zbus::Connection::session().await?;
        loop {
            // The launcher may not have its name yet.
            match set_status(&bus).await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > end => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    })
}

async fn set_status(bus: &atspi::zbus::Connection) -> atspi::zbus::Result<()> {
    let status = atspi::proxy::bus::StatusProxy::new(bus).await?;
    status.set_is_enabled(true).await?;
    status.set_screen_reader_enabled(true).await
}
