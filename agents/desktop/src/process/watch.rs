//! Keeps a desktop within its limits where the kernel does not, and notices when it dies.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use mz_protocol::WorkerId;

use crate::error::DesktopError;
use crate::files::disk_used;
use crate::process::desktop::Running;
use crate::process::procs;

const LOOK: Duration = Duration::from_millis(250);
const LOOK_AT_DISK: Duration = Duration::from_secs(5);
/// A home with more names than this is over its limit, whatever their size.
const MOST_ENTRIES: usize = 200_000;

pub(crate) struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub fn start(worker: &WorkerId, running: Arc<Running>) -> Result<Self, DesktopError> {
        let (stop, stopped) = bounded(0);
        let run = move || {
            let mut disk_looked = Instant::now();
            while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                let with_disk = disk_looked.elapsed() > LOOK_AT_DISK;
                if with_disk {
                    disk_looked = Instant::now();
                }
                if let Some(why) = trouble(&running, with_disk) {
                    running.die(why);
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name(format!("watch-{worker}"))
            .spawn(run)
            .map_err(DesktopError::io("starting the thread that watches the desktop"))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    pub fn stop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn trouble(running: &Running, with_disk: bool) -> Option<String> {
    if let Some(why) = running.link.ended() {
        return Some(why);
    }
    if running.feed.ended() {
        return Some(format!("its X server is gone: {}", running.x_log.lines(3).join("; ")));
    }
    let limits = &running.limits;
    let pids = running.programs.pids();
    let memory = u64::from(limits.memory_mib) * 1024;
    let used = procs::memory_kib(&pids, memory);
    if used > memory {
        return Some(format!("it used {} MiB of memory and may have {}", used / 1024, limits.memory_mib));
    }
    if pids.len() > limits.processes as usize {
        return Some(format!("it had {} processes and may have {}", pids.len(), limits.processes));
    }
    if with_disk {
        let Some(disk) = disk_used(&running.home_path, MOST_ENTRIES) else {
            return Some(format!("its home held more than {MOST_ENTRIES} files"));
        };
        if disk > u64::from(limits.disk_mib) << 20 {
            return Some(format!("its home held {} MiB and may hold {}", disk >> 20, limits.disk_mib));
        }
    }
    None
}
