//! What a worker asked of the network, written down: every request is counted, and a page that asks without end fills
//! neither the ledger nor the memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mz_desktop::broker::NetworkLog;
use mz_protocol::{Actor, EventBody, WorkerId};

use crate::floor::Floor;

/// Requests that wait for the next writing; the rest is only counted.
const WAITING: usize = 1024;
/// Different requests that are told apart in one writing.
const APART: usize = 64;
/// From the first request of a batch until it is written.
const PERIOD: Duration = Duration::from_secs(1);

/// Requests of one period, like ones together.
#[derive(Debug, Default)]
struct Batch {
    counts: BTreeMap<(String, String, u16, bool, String), u32>,
    rest: u32,
}

impl Batch {
    fn add(&mut self, log: NetworkLog) {
        let key = (log.method, log.host, log.port, log.allowed, log.why);
        if self.counts.len() < APART || self.counts.contains_key(&key) {
            *self.counts.entry(key).or_default() += 1;
        } else {
            self.rest += 1;
        }
    }

    fn events(self, worker: &WorkerId) -> Vec<EventBody> {
        let rest = (self.rest > 0).then(|| {
            let why = "too many different requests within a second to tell them apart".to_owned();
            ((String::new(), "others".to_owned(), 0, false, why), self.rest)
        });
        let event = |((method, host, port, allowed, why), count)| EventBody::NetworkRequest {
            worker: worker.clone(),
            method,
            host,
            port,
            allowed,
            why,
            count,
        };
        self.counts.into_iter().chain(rest).map(event).collect()
    }
}

/// Takes requests from network threads, which must not wait for the disk.
pub fn log(floor: &Arc<Floor>, worker: &WorkerId) -> std::io::Result<Box<dyn Fn(NetworkLog) + Send + Sync>> {
    let (sender, receiver) = crossbeam_channel::bounded::<NetworkLog>(WAITING);
    let missed = Arc::new(AtomicU32::new(0));
    let (floor, worker, uncounted) = (Arc::clone(floor), worker.clone(), Arc::clone(&missed));
    std::thread::Builder::new().name(format!("requests-{worker}")).spawn(move || {
        while let Ok(first) = receiver.recv() {
            let mut batch = Batch::default();
            batch.add(first);
            let deadline = Instant::now() + PERIOD;
            while let Ok(log) = receiver.recv_deadline(deadline) {
                batch.add(log);
            }
            batch.rest += uncounted.swap(0, Ordering::Relaxed);
            if let Err(error) = floor.record(Actor::Worker(worker.clone()), batch.events(&worker)) {
                tracing::warn!(%worker, "requests were not written down: {error}");
            }
        }
    })?;
    Ok(Box::new(move |log| {
        if sender.try_send(log).is_err() {
            missed.fetch_add(1, Ordering::Relaxed);
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: &str) -> NetworkLog {
        NetworkLog { method: "GET".into(), host: host.into(), port: 80, allowed: false, why: "not listed".into() }
    }

    #[test]
    fn like_requests_are_one_event_and_none_is_uncounted() {
        let mut batch = Batch::default();
        (0..5).for_each(|_| batch.add(request("a.example")));
        (0..200).for_each(|i| batch.add(request(&format!("{i}.example"))));
        let events = batch.events(&WorkerId::new("mira").unwrap());
        assert_eq!(events.len(), APART + 1);
        let counts = events.iter().map(|event| match event {
            EventBody::NetworkRequest { count, .. } => *count,
            other => panic!("{other:?}"),
        });
        assert_eq!(counts.sum::<u32>(), 205);
    }
}
