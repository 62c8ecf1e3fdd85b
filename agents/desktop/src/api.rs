//! What every kind of desktop offers.

use std::path::PathBuf;
use std::time::Duration;

use mz_protocol::{LimitView, Size, WorkerId};
use mz_scene::RawTree;

use crate::error::DesktopError;
use crate::feed::FrameFeed;
use crate::hand::Hand;

/// A desktop as it is wanted.
#[derive(Debug, Clone)]
pub struct DesktopSpec {
    pub worker: WorkerId,
    /// Distinct for each worker of the engine, counted from 0.
    pub number: u16,
    pub size: Size,
    /// Folder of the host that becomes the private home. Made when it is not there, kept after the stop.
    pub home: PathBuf,
    /// Folder of the host for sockets, owned by the engine.
    pub run_dir: PathBuf,
    pub programs: Vec<Program>,
    pub limits: Limits,
    /// Unix socket of the broker for this worker: all of the network that there is.
    pub proxy: Option<PathBuf>,
    pub env: Vec<(String, String)>,
}

/// A program that the worker's role may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// As procedures say it, such as `LibreOffice Calc`.
    pub name: String,
    /// Arguments, the program first; an argument that is `{args}` is replaced by those of the launch, which
    /// otherwise come last.
    pub command: Vec<String>,
    /// Debian package, for the error.
    pub package: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub memory_mib: u32,
    /// Processes and threads together.
    pub processes: u32,
    /// 100 is one core.
    pub cpu_percent: u32,
    /// Of the home.
    pub disk_mib: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_mib: 2048, processes: 1024, cpu_percent: 200, disk_mib: 1024 }
    }
}

/// A process of a desktop as the host sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// As the host counts.
    pub pid: u32,
    pub name: String,
    pub memory_kib: u64,
    pub cpu: Duration,
}

/// A way to confine desktops.
pub trait Runtime: Send + Sync {
    fn name(&self) -> &'static str;
    /// Each promise of the confinement and whether this machine keeps it.
    fn promises(&self) -> Vec<LimitView>;
    /// Whether desktops can be started here; the error names the missing package or setting.
    fn check(&self) -> Result<(), DesktopError>;
    /// Starts a desktop and waits until its window manager is up. Its only input is the `Hand`.
    fn start(&self, spec: DesktopSpec) -> Result<(Box<dyn Desktop>, Hand), DesktopError>;
}

/// One running desktop. Dropping it stops it.
pub trait Desktop: Send + Sync {
    fn size(&self) -> Size;
    /// The pictures; cheap to clone.
    fn frames(&self) -> FrameFeed;
    /// Windows and accessible objects, as told from inside: bounded and checked, but not believed.
    fn tree(&self, deadline: Duration) -> Result<RawTree, DesktopError>;
    /// Starts a program of the role by its name.
    fn launch(&self, program: &str, args: &[String]) -> Result<(), DesktopError>;
    /// Writes a file of the home, whole or not at all; folders are made. At most 256 MiB.
    fn put_file(&self, rel: &str, bytes: &[u8]) -> Result<(), DesktopError>;
    /// Reads a regular file of the home, at most 256 MiB. No link is followed.
    fn get_file(&self, rel: &str) -> Result<Vec<u8>, DesktopError>;
    /// Names in a folder of the home (`""` is the home itself), sorted; a folder's name ends with `/`.
    fn list_files(&self, rel: &str) -> Result<Vec<String>, DesktopError>;
    /// Stops all programs where they are; the screen keeps what it shows and can still be captured.
    fn freeze(&self) -> Result<(), DesktopError>;
    fn thaw(&self) -> Result<(), DesktopError>;
    fn processes(&self) -> Vec<ProcessInfo>;
    /// The last lines that the desktop's programs said.
    fn log(&self) -> Vec<String>;
    /// Why the desktop died, if it did.
    fn alive(&self) -> Result<(), String>;
    /// Processor time of all programs since the start.
    fn cpu_used(&self) -> Duration;
    /// Ends everything; returns when nothing is left. The home stays.
    fn stop(&self);
}
