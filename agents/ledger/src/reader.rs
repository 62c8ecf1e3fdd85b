//! Questions asked of the ledger. A reader never disturbs the writer and sees all that was acknowledged.

use std::path::{Path, PathBuf};

use mz_protocol::{ApprovalId, Digest, Event, EventRecord, EventSeq, Period, WorkOrderId, WorkerId};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::chain;
use crate::checkpoint::Checkpoint;
use crate::error::{LedgerError, Result};
use crate::evidence::{Evidence, Picture};
use crate::schema::{self, Found};

pub(crate) const FILE: &str = "ledger.sqlite";
pub(crate) const CHECKPOINTS: &str = "checkpoints";
pub(crate) const FRAMES: &str = "frames";

/// JSON that was tampered with asks nothing.
const ASKED: &str = "kind = 'approval_asked' AND CASE WHEN json_valid(json) THEN json ->> '$.request.id' END = ?";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    #[default]
    OldestFirst,
    NewestFirst,
}

/// Which events. Every field that is set must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Only events behind this one; `EventSeq(0)` for all.
    pub after: EventSeq,
    /// Only events in front of this one.
    pub before: Option<EventSeq>,
    pub worker: Option<WorkerId>,
    pub order: Option<WorkOrderId>,
    /// Only the event that asks this question.
    pub approval: Option<ApprovalId>,
    /// Names as `EventBody::kind` gives them; empty for all.
    pub kinds: Vec<&'static str>,
    pub period: Option<Period>,
    pub direction: Direction,
    /// `u32::MAX` for no limit.
    pub limit: u32,
}

impl Default for Filter {
    /// The oldest 1000.
    fn default() -> Self {
        Self {
            after: EventSeq(0),
            before: None,
            worker: None,
            order: None,
            approval: None,
            kinds: Vec::new(),
            period: None,
            direction: Direction::OldestFirst,
            limit: 1000,
        }
    }
}

impl Filter {
    /// Every event there is, oldest first.
    pub fn all() -> Self {
        Self { limit: u32::MAX, ..Self::default() }
    }

    fn sql(&self) -> (String, Vec<Value>) {
        let mut sql = "SELECT seq, hash, json FROM events WHERE seq > ?".to_owned();
        let mut values = vec![Value::Integer(column(self.after))];
        let mut and = |condition: &str, mut more: Vec<Value>| {
            sql.push_str(" AND ");
            sql.push_str(condition);
            values.append(&mut more);
        };
        if let Some(before) = self.before {
            and("seq < ?", vec![Value::Integer(column(before))]);
        }
        if let Some(worker) = &self.worker {
            and("worker = ?", vec![Value::Text(worker.to_string())]);
        }
        if let Some(order) = &self.order {
            and("work_order = ?", vec![Value::Text(order.to_string())]);
        }
        if let Some(approval) = &self.approval {
            // The index on kinds leaves the questions alone to be looked at.
            and(ASKED, vec![Value::Text(approval.to_string())]);
        }
        if !self.kinds.is_empty() {
            let marks = vec!["?"; self.kinds.len()].join(", ");
            and(&format!("kind IN ({marks})"), self.kinds.iter().map(|kind| Value::Text((*kind).to_owned())).collect());
        }
        if let Some(period) = self.period {
            and("at >= ? AND at < ?", vec![Value::Integer(period.from.0), Value::Integer(period.to.0)]);
        }
        sql.push_str(match self.direction {
            Direction::OldestFirst => " ORDER BY seq LIMIT ?",
            Direction::NewestFirst => " ORDER BY seq DESC LIMIT ?",
        });
        values.push(Value::Integer(i64::from(self.limit)));
        (sql, values)
    }
}

/// An open ledger that is only read. Can be sent to another thread, not shared between threads: open one for each.
#[derive(Debug)]
pub struct Reader {
    pub(crate) db: Connection,
    pub(crate) path: PathBuf,
    pub(crate) folder: PathBuf,
    /// The ledger's public key, 32 bytes.
    pub(crate) key: [u8; 32],
    /// The hash before event 1.
    pub(crate) origin: Digest,
    evidence: Evidence,
}

impl Reader {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let db = schema::open_for_reading(&path)?;
        match schema::identify(&db, &path)? {
            Found::Ledger => Self::on(db, folder),
            Found::Empty => Err(LedgerError::Missing { path }),
        }
    }

    /// On a connection whose file is known to be a ledger.
    pub(crate) fn on(db: Connection, folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let identity: Option<([u8; 16], [u8; 32])> = db
            .query_row("SELECT id, key FROM ledger", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(LedgerError::sqlite("read", &path))?;
        let Some((id, key)) = identity else {
            return Err(LedgerError::Corrupt { path, why: "it does not say which ledger it is".to_owned() });
        };
        let evidence = Evidence::at(folder.join(FRAMES));
        Ok(Self { db, path, folder: folder.to_owned(), key, origin: chain::origin(&id, &key), evidence })
    }

    /// The events that match, in the filter's direction.
    pub fn events(&self, filter: &Filter) -> Result<Vec<EventRecord>> {
        let mut found = Vec::new();
        self.each(filter, |record| found.push(record))?;
        Ok(found)
    }

    /// Hands over the events that match one by one, for questions about more of them than should be in memory.
    pub fn each(&self, filter: &Filter, mut take: impl FnMut(EventRecord)) -> Result<()> {
        let (sql, values) = filter.sql();
        let read = LedgerError::sqlite("read events of", &self.path);
        let mut statement = self.db.prepare_cached(&sql).map_err(read)?;
        let rows = statement
            .query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .map_err(LedgerError::sqlite("read events of", &self.path))?;
        for row in rows {
            let (seq, hash, json): (i64, [u8; 32], String) = row.map_err(LedgerError::sqlite("read events of", &self.path))?;
            let event: Event = serde_json::from_str(&json).map_err(|error| LedgerError::Corrupt {
                path: self.path.clone(),
                why: format!("event {seq} does not read: {error}"),
            })?;
            take(EventRecord { seq: EventSeq(seq.unsigned_abs()), hash: Digest(hash), event });
        }
        Ok(())
    }

    /// The newest event.
    pub fn last(&self) -> Result<Option<EventRecord>> {
        let filter = Filter { direction: Direction::NewestFirst, limit: 1, ..Filter::default() };
        Ok(self.events(&filter)?.pop())
    }

    /// All checkpoints, oldest first.
    pub fn checkpoints(&self) -> Result<Vec<Checkpoint>> {
        let read = LedgerError::sqlite("read checkpoints of", &self.path);
        let texts: Vec<String> = self
            .db
            .prepare("SELECT json FROM checkpoints ORDER BY seq")
            .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
            .map_err(read)?;
        let parse = |text: &String| {
            serde_json::from_str(text).map_err(|error| LedgerError::Corrupt {
                path: self.path.clone(),
                why: format!("a checkpoint does not read: {error}"),
            })
        };
        texts.iter().map(parse).collect()
    }

    /// The number and hash that the next event is linked to.
    pub(crate) fn head(&self) -> Result<(EventSeq, Digest)> {
        let row: Option<(i64, [u8; 32])> = self
            .db
            .query_row("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(LedgerError::sqlite("read the end of", &self.path))?;
        Ok(row.map_or((EventSeq(0), self.origin), |(seq, hash)| (EventSeq(seq.unsigned_abs()), Digest(hash))))
    }

    /// The frames that were asked about. A handle of its own: packing a frame need not hold up the ledger.
    pub fn evidence(&self) -> Evidence {
        self.evidence.clone()
    }

    pub fn get_frame(&self, digest: Digest) -> Result<Picture> {
        self.evidence.get(digest)
    }
}

/// SQLite counts in i64; no ledger gets there.
pub(crate) fn column(seq: EventSeq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}
