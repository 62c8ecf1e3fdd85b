//! The console where there is no display: the real one, on an X server started for it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Drawing every screen in software takes a few seconds.
const DEADLINE: Duration = Duration::from_secs(90);

/// The console's program, beside this one.
pub fn console_program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let program = own.with_file_name("mezzanine-console");
    if !program.is_file() {
        bail!("the console is not installed beside {}: build it with `make build`", own.display());
    }
    Ok(program)
}

/// Draws each screen of the console against the engine on `socket` into PNG files in `dir`.
pub fn take(socket: &Path, dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir)?;
    let console = console_program()?;
    with_display("1600x1000x24", |display| {
        let child = Command::new(&console)
            .env("DISPLAY", display)
            .env_remove("WAYLAND_DISPLAY")
            .arg("--socket")
            .arg(socket)
            .arg("--screenshot")
            .arg(dir)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", console.display()))?;
        wait(child, DEADLINE)
    })
}

/// Runs `inside` with the name of a display of its own, such as `:7`; the display ends with it.
pub fn with_display<T>(screen: &str, inside: impl FnOnce(&str) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut server = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", screen, "-nolisten", "tcp", "-noreset"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start Xvfb: install the package xvfb")?;
    let result = number(&mut server).and_then(|number| inside(&format!(":{number}")));
    let _ = server.kill();
    let _ = server.wait();
    result
}

/// The server says its number once it can be reached, and closes the pipe if it dies.
fn number(server: &mut Child) -> anyhow::Result<u32> {
    let mut out = server.stdout.take().context("Xvfb has no output")?;
    let mut said = String::new();
    let mut byte = [0];
    while out.read(&mut byte)? == 1 && byte[0] != b'\n' {
        said.push(char::from(byte[0]));
    }
    said.trim().parse().context("Xvfb did not say which display it has")
}

fn wait(mut child: Child, within: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(());
            }
            bail!("the console ended with {status}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill()?;
    child.wait()?;
    bail!("the console did not draw its screens within {} s", within.as_secs())
}
