//! Whether what is there is what was written.

use std::collections::BTreeMap;

use mz_protocol::{Digest, Event, EventSeq};
use rusqlite::{ErrorCode, Row};

use crate::chain;
use crate::checkpoint::{self, Checkpoint};
use crate::error::{BadEvent, LedgerError, Result};
use crate::reader::{CHECKPOINTS, Reader, column};

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Events that are in order, from the first one on.
    pub events: u64,
    /// Genuine checkpoints that were compared with the chain.
    pub checkpoints: u64,
    pub problem: Option<BadEvent>,
}

/// How far the chain is in order, and what stopped it.
pub(crate) struct Walk {
    pub(crate) last: EventSeq,
    pub(crate) problem: Option<BadEvent>,
}

impl Reader {
    /// Checks every event, every checkpoint of the ledger, and the file itself. Reads all of it: some
    /// microseconds an event.
    pub fn verify(&self) -> Result<Verification> {
        self.verify_with(&[])
    }

    /// The same, with checkpoints that were kept elsewhere. Only these prove that somebody who holds the signing
    /// key, or who removed events together with the checkpoints over them, changed nothing.
    pub fn verify_with(&self, kept: &[Checkpoint]) -> Result<Verification> {
        // Before the snapshot: a writer may add a checkpoint meanwhile, which must not be taken for a cut tail.
        let files = checkpoint::files(&self.folder.join(CHECKPOINTS))?;
        let snapshot = self.db.unchecked_transaction().map_err(LedgerError::sqlite("read", &self.path))?;
        let mut problems = Vec::new();
        let mut checkpoints = kept.to_vec();
        for file in files {
            match file {
                Ok(checkpoint) => checkpoints.push(checkpoint),
                Err(path) => problems.push(BadEvent {
                    seq: seq_in_name(&path),
                    why: format!("its checkpoint {} does not read", path.display()),
                }),
            }
        }
        match self.checkpoints() {
            Ok(own) => checkpoints.extend(own),
            Err(LedgerError::Corrupt { why, .. }) => problems.push(BadEvent { seq: EventSeq(1), why }),
            Err(error) => return Err(error),
        }
        let signed = self.sorted(checkpoints, &mut problems);
        let walk = self.walk(EventSeq(0), self.origin, &signed)?;
        problems.extend(walk.problem.clone());
        if walk.problem.is_none() {
            problems.extend(self.cut_tail(walk.last, &signed)?);
        }
        if problems.is_empty() {
            problems.extend(self.broken_file(walk.last)?);
        }
        drop(snapshot);
        let problem = problems.into_iter().min_by_key(|problem| problem.seq);
        let events = problem.as_ref().map_or(walk.last.0, |bad| walk.last.0.min(bad.seq.0.saturating_sub(1)));
        Ok(Verification { events, checkpoints: signed.values().map(|list| list.len() as u64).sum(), problem })
    }

    /// Genuine checkpoints by event. Forged ones become problems.
    fn sorted(&self, checkpoints: Vec<Checkpoint>, problems: &mut Vec<BadEvent>) -> BTreeMap<EventSeq, Vec<Digest>> {
        let own = checkpoint::hex(&self.key);
        let mut signed: BTreeMap<EventSeq, Vec<Digest>> = BTreeMap::new();
        for checkpoint in checkpoints {
            let seq = checkpoint.seq;
            if !checkpoint.is_genuine() {
                problems.push(BadEvent { seq, why: "its checkpoint is forged: the signature does not fit".to_owned() });
            } else if checkpoint.key != own {
                let why = "its checkpoint was signed with another key than this ledger's".to_owned();
                problems.push(BadEvent { seq, why });
            } else {
                let hashes = signed.entry(seq).or_default();
                if !hashes.contains(&checkpoint.hash) {
                    hashes.push(checkpoint.hash);
                }
            }
        }
        signed
    }

    /// Follows the chain from behind `from`, whose hash is `hash`.
    pub(crate) fn walk(&self, from: EventSeq, hash: Digest, signed: &BTreeMap<EventSeq, Vec<Digest>>) -> Result<Walk> {
        let mut walk = Walk { last: from, problem: None };
        let mut before = hash;
        let mut sure = from;
        let disagrees =
            |seq: EventSeq, hash: Digest| signed.get(&seq).map(|hashes| hashes.iter().any(|signed| *signed != hash));
        if disagrees(from, hash) == Some(true) {
            let why = "the ledger is not the one that its checkpoint was made of".to_owned();
            return Ok(Walk { problem: Some(BadEvent { seq: EventSeq(from.0 + 1), why }), ..walk });
        }
        let read = || LedgerError::sqlite("read events of", &self.path);
        let first = if from.0 == 0 { i64::MIN } else { column(from) };
        let mut statement = self
            .db
            .prepare("SELECT seq, hash, at, kind, worker, work_order, json FROM events WHERE seq > ?1 ORDER BY seq")
            .map_err(read())?;
        let mut rows = statement.query([first]).map_err(read())?;
        loop {
            let expected = EventSeq(walk.last.0 + 1);
            let checked = match rows.next() {
                Ok(None) => return Ok(walk),
                Ok(Some(row)) => check(row, expected, before),
                Err(error) => Err(unreadable(error).map_err(read())?),
            };
            match checked {
                Ok(hash) if disagrees(expected, hash) == Some(true) => {
                    let why = format!(
                        "it or one of those up to event {} was rewritten: the checkpoint there says otherwise",
                        expected.0
                    );
                    walk.problem = Some(BadEvent { seq: EventSeq(sure.0 + 1), why });
                    return Ok(walk);
                }
                Ok(hash) => {
                    if signed.contains_key(&expected) {
                        sure = expected;
                    }
                    before = hash;
                    walk.last = expected;
                }
                Err(why) => {
                    walk.problem = Some(BadEvent { seq: expected, why });
                    return Ok(walk);
                }
            }
        }
    }

    /// Whether there once was more than `last`.
    fn cut_tail(&self, last: EventSeq, signed: &BTreeMap<EventSeq, Vec<Digest>>) -> Result<Option<BadEvent>> {
        let given: i64 = self
            .db
            .query_row("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'", [], |row| row.get(0))
            .map_err(LedgerError::sqlite("read", &self.path))?;
        let reached = signed.keys().next_back().copied().unwrap_or_default().max(EventSeq(given.unsigned_abs()));
        Ok((reached > last).then(|| BadEvent {
            seq: EventSeq(last.0 + 1),
            why: format!("it was removed with all behind it: there once were {} events", reached.0),
        }))
    }

    /// SQLite's own look at its pages, and at the indexes through which events are found.
    fn broken_file(&self, last: EventSeq) -> Result<Option<BadEvent>> {
        let seq = EventSeq(last.0 + 1);
        let said: std::result::Result<String, _> = self.db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
        let why = match said {
            Ok(said) if said == "ok" => return Ok(None),
            Ok(said) => said,
            Err(error) => unreadable(error).map_err(LedgerError::sqlite("read", &self.path))?,
        };
        Ok(Some(BadEvent { seq, why: format!("the events are in order, but the file is damaged: {why}") }))
    }
}

/// The hash of a row that is the event expected after `before`, or what is wrong with it.
fn check(row: &Row<'_>, expected: EventSeq, before: Digest) -> std::result::Result<Digest, String> {
    type Columns = (i64, [u8; 32], i64, String, Option<String>, Option<String>, String);
    let columns = || -> rusqlite::Result<Columns> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
    };
    let (seq, hash, at, kind, worker, order, json) = columns().map_err(|error| format!("it does not read: {error}"))?;
    if seq != column(expected) {
        return Err(if seq > column(expected) {
            format!("it was removed: event {seq} is the next one there is")
        } else {
            format!("an event with the impossible number {seq} was put before it")
        });
    }
    let computed = chain::link(expected.0, before, &json);
    if computed.0 != hash {
        return Err("it was changed or moved: its hash does not fit its content and the event before it".to_owned());
    }
    let event: Event = serde_json::from_str(&json).map_err(|error| format!("it does not read: {error}"))?;
    let same = at == event.at.0
        && kind == event.body.kind()
        && worker.as_deref() == concerned(&event).map(|worker| worker.as_str())
        && order.as_deref() == event.body.order().map(|order| order.as_str());
    if same { Ok(computed) } else { Err("the columns by which it is found were changed".to_owned()) }
}

/// Under whose name an event is found: the worker that it is about, else the one that caused it.
pub(crate) fn concerned(event: &Event) -> Option<&mz_protocol::WorkerId> {
    event.body.worker().or(match &event.by {
        mz_protocol::Actor::Worker(worker) => Some(worker),
        _ => None,
    })
}

/// Damage is a finding. Anything else is an error.
fn unreadable(error: rusqlite::Error) -> std::result::Result<String, rusqlite::Error> {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Ok(format!("the file is damaged there: {error}")),
        _ => Err(error),
    }
}

fn seq_in_name(path: &std::path::Path) -> EventSeq {
    let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
    EventSeq(number.unwrap_or(1))
}
