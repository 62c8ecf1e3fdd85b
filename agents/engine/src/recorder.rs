//! Keeps what the desktops looked like, for the line that a manager scrubs through.

use std::sync::Arc;
use std::time::Duration;

use mz_ledger::{Recorded, Recording};
use mz_protocol::{Timestamp, WorkerId};

use crate::feeds::pack;
use crate::mask::MaskedFeed;

/// At most this often; a person who looks back sees no more.
const PERIOD: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(1);

/// Records a feed until it ends. Failing costs pictures, never work.
pub fn start(worker: &WorkerId, feed: MaskedFeed, recording: Arc<Recording>) {
    let name = worker.clone();
    let spawned = std::thread::Builder::new().name(format!("record-{worker}")).spawn(move || record(&name, feed, &recording));
    if let Err(error) = spawned {
        tracing::warn!(%worker, "the desktop is not recorded: {error}");
    }
}

fn record(worker: &WorkerId, mut feed: MaskedFeed, recording: &Recording) {
    while !feed.ended() {
        let Some(changes) = feed.next(PATIENCE) else { continue };
        let packet = pack(worker, &changes.frame, &changes.changed, changes.full, 1);
        let at = Timestamp((changes.frame.captured / 1000) as i64);
        match recording.record(worker, at, packet.size, &packet.tiles, packet.full) {
            Ok(Recorded::Kept | Recorded::TooLarge) => {}
            // The next picture is handed in whole.
            Ok(Recorded::NeedsFull) => feed.restart(),
            Err(error) => {
                feed.restart();
                tracing::warn!(%worker, "a picture was not recorded: {error}");
            }
        }
        std::thread::sleep(PERIOD);
    }
}
