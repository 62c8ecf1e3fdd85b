//! Keeps what the desktops looked like, for the line that a manager scrubs through.

use std::sync::Arc;
use std::time::Duration;

use mz_desktop::FrameFeed;
use mz_ledger::{Recorded, Recording};
use mz_protocol::{Timestamp, WorkerId};

use crate::feeds::pack;

/// At most this often; a person who looks back sees no more.
const PERIOD: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(1);

/// Records a feed until it ends. Failing costs pictures, never work.
pub fn start(worker: &WorkerId, feed: FrameFeed, recording: Arc<Recording>) {
    let name = worker.clone();
    let spawned = std::thread::Builder::new().name(format!("record-{worker}")).spawn(move || record(&name, &feed, &recording));
    if let Err(error) = spawned {
        tracing::warn!(%worker, "the desktop is not recorded: {error}");
    }
}

fn record(worker: &WorkerId, feed: &FrameFeed, recording: &Recording) {
    let mut seen = 0;
    while !feed.ended() {
        if feed.wait_newer(seen, PATIENCE).is_none() {
            continue;
        }
        let changes = feed.changes_since(seen);
        seen = changes.frame.seq;
        let packet = pack(worker, &changes.frame, &changes.changed, changes.full, 1);
        let at = Timestamp((changes.frame.captured / 1000) as i64);
        match recording.record(worker, at, packet.size, &packet.tiles, packet.full) {
            Ok(Recorded::Kept | Recorded::TooLarge) => {}
            // The next picture is handed in whole.
            Ok(Recorded::NeedsFull) => seen = 0,
            Err(error) => {
                seen = 0;
                tracing::warn!(%worker, "a picture was not recorded: {error}");
            }
        }
        std::thread::sleep(PERIOD);
    }
}
