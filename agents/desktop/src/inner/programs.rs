//! The desktop's programs: each reaped when it ends, what it says kept for the log.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const MOST_LINES: usize = 300;
const LONGEST_LINE: u64 = 400;
const MOST_PROGRAMS: u32 = 64;

#[derive(Clone, Default)]
pub(crate) struct Programs {
    lines: Arc<Mutex<VecDeque<String>>>,
    running: Arc<AtomicU32>,
}

impl Programs {
    pub fn log(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub fn count(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    pub fn say(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MOST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// Starts it in a session of its own, its errors in the log.
    pub fn spawn(&self, name: &str, mut command: Command) -> io::Result<()> {
        use std::os::unix::process::CommandExt;
        if self.count() >= MOST_PROGRAMS {
            return Err(io::Error::other(format!("{MOST_PROGRAMS} programs are running")));
        }
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn()?;
        self.adopt(name, child)
    }

    /// Reaps a program that was started elsewhere.
    pub fn adopt(&self, name: &str, mut child: Child) -> io::Result<()> {
        self.running.fetch_add(1, Ordering::Relaxed);
        let (name, this) = (name.to_owned(), self.clone());
        let wait = move || {
            if let Some(errors) = child.stderr.take() {
                this.listen(&name, BufReader::new(errors));
            }
            let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            this.running.fetch_sub(1, Ordering::Relaxed);
            this.say(format!("{name}: ended, {status}"));
        };
        std::thread::Builder::new().name("program".into()).stack_size(128 * 1024).spawn(wait)?;
        Ok(())
    }

    fn listen(&self, name: &str, mut errors: impl BufRead) {
        let mut line = Vec::new();
        // A long line comes in pieces, so that none fills the memory.
        while matches!(errors.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line), Ok(read) if read > 0) {
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end();
            if !text.is_empty() {
                self.say(format!("{name}: {text}"));
            }
            line.clear();
        }
    }
}
