//! The one who writes. What `append` has returned is on the disk.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::ops::Deref;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use mz_protocol::{Digest, Event, EventRecord, EventSeq, Size, Timestamp};
use rusqlite::{OptionalExtension, TransactionBehavior};

use crate::chain;
use crate::checkpoint::{self, Checkpoint, Fresh, Signer};
use crate::durable;
use crate::error::{BadEvent, LedgerError, Result};
use crate::reader::{CHECKPOINTS, FILE, FRAMES, Reader, column};
use crate::schema::{self, Found};
use crate::verify::concerned;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where the signing key lies or is to be made; `ledger.key` in the ledger's folder unless given.
    pub key: Option<PathBuf>,
    /// A checkpoint is signed after this many events, and on close.
    pub checkpoint_every: u64,
    /// The ledger's file may not grow past this; then `append` gives `Full`.
    pub max_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { key: None, checkpoint_every: 256, max_bytes: None }
    }
}

/// An open ledger. It answers what a [`Reader`] answers, and appends. One at a time for each folder.
pub struct Ledger {
    // Closed before the lock is given up.
    reader: Reader,
    signer: Signer,
    every: u64,
    /// What the next event is linked to. Unknown after a failed write: then it is read again.
    head: Option<(EventSeq, Digest)>,
    /// The newest checkpoint, and whether its file still has to be written.
    newest: Option<Checkpoint>,
    file_due: bool,
    _lock: File,
}

impl Deref for Ledger {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Ledger {
    /// Opens the ledger in `folder` for writing, or makes it. Checks what was written since the newest checkpoint;
    /// [`Reader::verify`] checks all of it.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(folder, Options::default())
    }

    pub fn open_with(folder: impl AsRef<Path>, options: Options) -> Result<Self> {
        let folder = folder.as_ref();
        durable::make_dir(folder)?;
        durable::make_dir(&folder.join(CHECKPOINTS))?;
        durable::make_dir(&folder.join(FRAMES))?;
        let lock = lock(&folder.join("ledger.lock"))?;
        durable::sweep(&folder.join(CHECKPOINTS))?;
        let path = folder.join(FILE);
        let key = options.key.unwrap_or_else(|| folder.join("ledger.key"));
        let mut db = schema::open_for_writing(&path)?;
        let signer = match schema::identify(&db, &path)? {
            Found::Empty => {
                refuse_to_start_over(folder, &path)?;
                let signer = Signer::open(&key, Fresh::Allowed)?;
                let mut id = [0; 16];
                getrandom::fill(&mut id)
                    .map_err(|error| LedgerError::Key { path: key.clone(), why: format!("no randomness: {error}") })?;
                schema::configure(&db, &path, options.max_bytes)?;
                schema::create(&mut db, &path, &id, &signer.public())?;
                durable::sync_dir(folder)?;
                signer
            }
            Found::Ledger => {
                schema::configure(&db, &path, options.max_bytes)?;
                schema::check_length(&db, &path)?;
                Signer::open(&key, Fresh::Refused)?
            }
        };
        let reader = Reader::on(db, folder)?;
        if signer.public() != reader.key {
            return Err(LedgerError::Key {
                path: key,
                why: "it is not the key of this ledger: put the right one back".to_owned(),
            });
        }
        let newest = reader.newest_checkpoint()?;
        reader.check_tail(newest.as_ref())?;
        // After the checks: what was tampered with is left as it was found.
        schema::guard(&reader.db, &path)?;
        let head = Some(reader.head()?);
        let every = options.checkpoint_every.max(1);
        let file_due = newest.as_ref().is_some_and(|c| !checkpoint::file_of(&folder.join(CHECKPOINTS), c.seq).exists());
        Ok(Self { reader, signer, every, head, newest, file_due, _lock: lock })
    }

    /// Opens the ledger in `folder` for questions only, also while an engine writes to it.
    pub fn read_only(folder: impl AsRef<Path>) -> Result<Reader> {
        Reader::open(folder.as_ref())
    }

    /// Writes the events in one transaction: all of them are on the disk when this returns, or none is.
    pub fn append(&mut self, events: &[Event]) -> Result<Vec<EventRecord>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let head = match self.head {
            Some(head) => head,
            None => self.reader.head()?,
        };
        let linked = link(head, events)?;
        let last = linked.last().map_or(head, |(record, _)| (record.seq, record.hash));
        let signed_up_to = self.newest.as_ref().map_or(0, |checkpoint| checkpoint.seq.0);
        let due = last.0.0 - signed_up_to >= self.every;
        let checkpoint = due.then(|| self.signer.sign(last.0, last.1, now()));
        // A failed commit leaves the end of the file unknown until it is read again.
        self.head = None;
        self.write(&linked, checkpoint.as_ref())?;
        self.head = Some(last);
        if checkpoint.is_some() {
            self.newest = checkpoint;
            self.file_due = true;
        }
        // The events are kept by now; a checkpoint's file that finds no room is tried again next time, and told at close.
        let _ = self.write_file();
        Ok(linked.into_iter().map(|(record, _)| record).collect())
    }

    fn write(&mut self, linked: &[(EventRecord, String)], checkpoint: Option<&Checkpoint>) -> Result<()> {
        let Reader { db, path, .. } = &mut self.reader;
        let text = checkpoint
            .map(serde_json::to_string)
            .transpose()
            .map_err(|error| LedgerError::Unreadable { kind: "checkpoint", why: error.to_string() })?;
        let mut insert = || -> rusqlite::Result<()> {
            let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut statement = change.prepare_cached(
                    "INSERT INTO events (seq, hash, at, kind, worker, work_order, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?;
                for (record, json) in linked {
                    let worker = concerned(&record.event).map(|worker| worker.as_str());
                    let order = record.event.body.order().map(|order| order.as_str());
                    let (at, kind) = (record.event.at.0, record.event.body.kind());
                    statement.execute((column(record.seq), &record.hash.0, at, kind, worker, order, json))?;
                }
            }
            if let (Some(checkpoint), Some(text)) = (checkpoint, &text) {
                change.execute("INSERT INTO checkpoints (seq, json) VALUES (?1, ?2)", (column(checkpoint.seq), text))?;
            }
            change.commit()
        };
        insert().map_err(LedgerError::sqlite("append to", path))
    }

    /// Signs the end of the chain where the newest checkpoint is not there yet.
    fn seal(&mut self) -> Result<Checkpoint> {
        let head = match self.head {
            Some(head) => head,
            None => self.reader.head()?,
        };
        let checkpoint = match &self.newest {
            Some(newest) if newest.seq == head.0 => newest.clone(),
            _ => {
                let fresh = self.signer.sign(head.0, head.1, now());
                self.write(&[], Some(&fresh))?;
                self.newest = Some(fresh.clone());
                self.file_due = true;
                fresh
            }
        };
        self.write_file()?;
        Ok(checkpoint)
    }

    fn write_file(&mut self) -> Result<()> {
        if let (true, Some(checkpoint)) = (self.file_due, &self.newest) {
            checkpoint.save(&checkpoint::file_of(&self.reader.folder.join(CHECKPOINTS), checkpoint.seq))?;
            self.file_due = false;
        }
        Ok(())
    }

    /// Signs the chain as it is now and saves the checkpoint to `path`, to be kept where this machine's users cannot
    /// reach it.
    pub fn export_checkpoint(&mut self, path: impl AsRef<Path>) -> Result<Checkpoint> {
        let checkpoint = self.seal()?;
        checkpoint.save(path.as_ref())?;
        Ok(checkpoint)
    }

    /// Signs the end and closes. Dropping does the same, without telling what failed.
    pub fn close(mut self) -> Result<()> {
        self.seal().map(|_| ())
    }

    /// Keeps a frame as evidence; see [`crate::Evidence::put`].
    pub fn put_frame(&self, pixels: &[u8], size: Size) -> Result<Digest> {
        self.evidence().put(pixels, size)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // Nobody is left to be told; the next start signs later events.
        let _ = self.seal();
    }
}

impl Reader {
    /// The newest checkpoint that this ledger's key signed, in the file or beside it.
    fn newest_checkpoint(&self) -> Result<Option<Checkpoint>> {
        let own = checkpoint::hex(&self.key);
        let files = checkpoint::files(&self.folder.join(CHECKPOINTS))?.into_iter().flatten();
        let all = self.checkpoints()?.into_iter().chain(files);
        Ok(all.filter(|c| c.key == own && c.is_genuine()).max_by_key(|c| c.seq))
    }

    /// Checks the events from the newest checkpoint on.
    fn check_tail(&self, newest: Option<&Checkpoint>) -> Result<()> {
        let tampered = |bad: BadEvent| LedgerError::Tampered { path: self.path.clone(), bad };
        let (from, hash) = newest.map_or((EventSeq(0), self.origin), |c| (c.seq, c.hash));
        let (last, _) = self.head()?;
        if last < from {
            let why = format!("it was removed with all behind it: there once were {} events", from.0);
            return Err(tampered(BadEvent { seq: EventSeq(last.0 + 1), why }));
        }
        let there: Option<[u8; 32]> = match from.0 {
            0 => Some(self.origin.0),
            _ => self
                .db
                .query_row("SELECT hash FROM events WHERE seq = ?1", [column(from)], |row| row.get(0))
                .optional()
                .map_err(LedgerError::sqlite("read", &self.path))?,
        };
        if there != Some(hash.0) {
            let why = "it or one before it was rewritten: the checkpoint there says otherwise".to_owned();
            return Err(tampered(BadEvent { seq: from, why }));
        }
        self.walk(from, hash, &BTreeMap::new())?.problem.map_or(Ok(()), |bad| Err(tampered(bad)))
    }
}

fn link(head: (EventSeq, Digest), events: &[Event]) -> Result<Vec<(EventRecord, String)>> {
    let (mut seq, mut before) = head;
    let mut linked = Vec::with_capacity(events.len());
    for event in events {
        let refused = |why: String| LedgerError::Unreadable { kind: event.body.kind(), why };
        let json = chain::canonical(event).map_err(|error| refused(error.to_string()))?;
        // An event that would not read back would stop every later start: better to refuse it now.
        let back: Event = serde_json::from_str(&json).map_err(|error| refused(error.to_string()))?;
        if back != *event {
            return Err(refused("it reads back as something else".to_owned()));
        }
        seq = EventSeq(seq.0 + 1);
        before = chain::link(seq.0, before, &json);
        linked.push((EventRecord { seq, hash: before, event: back }, json));
    }
    Ok(linked)
}

/// An empty file beside checkpoints is a ledger that was emptied, not a new one.
fn refuse_to_start_over(folder: &Path, path: &Path) -> Result<()> {
    let reached = checkpoint::files(&folder.join(CHECKPOINTS))?.into_iter().flatten().map(|c| c.seq.0).max();
    match reached {
        Some(reached) if reached > 0 => {
            Err(LedgerError::Corrupt { path: path.to_owned(), why: format!("it is empty, and once held {reached} events") })
        }
        _ => Ok(()),
    }
}

fn lock(path: &Path) -> Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(LedgerError::io("open the lock", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // The number is a courtesy; without it the error still says what is the matter.
            let _ = file.read_to_string(&mut text);
            return Err(LedgerError::InUse { path: path.to_owned(), pid: text.trim().parse().ok() });
        }
        Err(TryLockError::Error(error)) => return Err(LedgerError::io("lock", path)(error)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(LedgerError::io("write the lock", path))?;
    Ok(file)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
