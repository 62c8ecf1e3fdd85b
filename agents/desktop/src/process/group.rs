//! All programs of one desktop, taken together: by control group where there is one, by descent otherwise.

use std::sync::Mutex;
use std::time::Duration;

use crate::process::cgroup::Group;
use crate::process::procs;

pub(crate) struct Programs {
    /// bubblewrap, the ancestor of all.
    pub root: u32,
    pub group: Option<Group>,
    /// The most processor time that was seen, where no control group counts it.
    pub cpu_seen: Mutex<Duration>,
}

impl Programs {
    pub fn pids(&self) -> Vec<u32> {
        match &self.group {
            Some(group) => group.pids(),
            None => procs::descendants(self.root),
        }
    }

    pub fn freeze(&self, deadline: Duration) -> std::io::Result<()> {
        match &self.group {
            Some(group) => group.freeze(deadline),
            None => procs::stop_all(self.root, deadline),
        }
    }

    pub fn thaw(&self, deadline: Duration) -> std::io::Result<()> {
        match &self.group {
            Some(group) => group.thaw(deadline),
            None => {
                procs::continue_all(self.root);
                Ok(())
            }
        }
    }

    pub fn cpu_used(&self) -> Duration {
        if let Some(used) = self.group.as_ref().and_then(Group::cpu_used) {
            return used;
        }
        // That of programs which have ended is lost; so at least it never goes down.
        let now: Duration = self.pids().iter().filter_map(|pid| procs::stat(*pid)).map(|stat| stat.cpu).sum();
        let mut seen = self.cpu_seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *seen = now.max(*seen);
        *seen
    }

    /// Kills all and waits until all are gone.
    pub fn kill(&self, deadline: Duration) -> bool {
        let mut pids = self.pids();
        if !pids.contains(&self.root) {
            pids.push(self.root);
        }
        let held = procs::hold(&pids);
        if let Some(group) = &self.group {
            group.kill();
        }
        // Once the first program of the process namespace dies, the kernel kills the rest.
        procs::kill(&held);
        procs::wait_gone(&held, deadline)
    }
}
