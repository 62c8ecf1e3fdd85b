//! The only clock of the engine: rooms are told what time it is. It never goes back: it moves on with the machine's
//! running time, and the clock on the wall can only move it forward.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mz_protocol::Timestamp;

static CLOCK: LazyLock<(Instant, Clock)> = LazyLock::new(|| (Instant::now(), Clock::new()));

pub fn now() -> Timestamp {
    let (start, clock) = &*CLOCK;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    clock.at(millis(start.elapsed()), millis(since))
}

/// From here on it is later than `at`, which the ledger has seen.
pub fn not_before(at: Timestamp) {
    let (start, clock) = &*CLOCK;
    clock.at(millis(start.elapsed()), at.0);
}

fn millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// How far the latest time that was ever seen is ahead of the running time, in milliseconds.
struct Clock(AtomicI64);

impl Clock {
    fn new() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    fn at(&self, running: i64, seen: i64) -> Timestamp {
        let ahead = seen.saturating_sub(running);
        Timestamp(self.0.fetch_max(ahead, Ordering::SeqCst).max(ahead).saturating_add(running))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_is_set_back_does_not_stop_time() {
        let clock = Clock::new();
        assert_eq!(clock.at(0, 1_000_000), Timestamp(1_000_000));
        // Set back by an hour: time goes on by what the machine has run.
        assert_eq!(clock.at(600, 1_000_600 - 3_600_000), Timestamp(1_000_600));
        assert_eq!(clock.at(700_000, 1_700_000 - 3_600_000), Timestamp(1_700_000));
        // Moved forward, as after a sleep, it moves along.
        assert_eq!(clock.at(700_001, 9_000_000), Timestamp(9_000_000));
        assert_eq!(clock.at(700_002, 0), Timestamp(9_000_001));
    }
}
