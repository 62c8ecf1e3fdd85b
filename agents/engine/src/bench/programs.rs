//! Programs that a benchmark starts, watches and ends: none outlives it.

use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// A program beside this one, killed when dropped.
pub struct Running {
    child: Child,
    name: &'static str,
}

impl Running {
    pub fn start(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).spawn().with_context(|| {
            format!("cannot start {}: build all programs with `make build`", command.get_program().to_string_lossy())
        })?;
        Ok(Self { child, name })
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// An error when it has ended.
    pub fn alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended with {status}", self.name),
            None => Ok(()),
        }
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("{} did not end within {} s", self.name, within.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Processor time of all its threads so far; not that of its children.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = std::fs::read_to_string(&path).with_context(|| format!("{} has ended", self.name))?;
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().filter_map(|index| fields.get(*index)?.parse::<u64>().ok()).sum();
        // SAFETY: it only reads a constant of the system.
        let second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100).max(1);
        Ok(Duration::from_millis(ticks * 1000 / second))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end and gives what it said; killed at the deadline.
pub fn output(name: &'static str, command: &mut Command, within: Duration) -> anyhow::Result<Output> {
    let mut running = Running::start(name, command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let pipes = (running.child.stdout.take(), running.child.stderr.take());
    let (stdout, stderr) = std::thread::scope(|scope| {
        let said = read(scope, pipes.0).and_then(|out| Ok((out, read(scope, pipes.1)?)));
        let waited = running.wait(within);
        if said.is_err() || waited.is_err() {
            let _ = running.child.kill();
        }
        let (out, err) = said.context("cannot read what a program says")?;
        let said = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
        waited.map(|()| said)
    })?;
    let status = running.child.wait()?;
    Ok(Output { status, stdout, stderr })
}

/// Reads to the end on a thread of its own, so that no full pipe holds the program up.
fn read<'scope>(
    scope: &'scope Scope<'scope, '_>,
    pipe: Option<impl Read + Send + 'scope>,
) -> std::io::Result<ScopedJoinHandle<'scope, Vec<u8>>> {
    std::thread::Builder::new().name("pipe".to_owned()).spawn_scoped(scope, move || {
        let mut said = Vec::new();
        // What came before an error is still worth showing.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut said));
        said
    })
}
