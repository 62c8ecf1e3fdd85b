//! The file: its tables, its version, and how it is opened.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{LedgerError, Result};

/// Raised with every change that an older Mezzanine would misread.
const VERSION: i64 = 1;
/// `MZL1`, in the file's header, so that another program's database is not taken for a ledger.
const APPLICATION: i64 = 0x4d5a_4c31;
/// How long a lock of another program (a shell on the file) is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

// AUTOINCREMENT keeps the highest number ever given: a cheap witness against a cut tail.
// The insert triggers also refuse INSERT OR REPLACE, which deletes without firing a delete trigger.
const TABLES: &str = "
    CREATE TABLE ledger (id BLOB NOT NULL, key BLOB NOT NULL) STRICT;
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        hash BLOB NOT NULL,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        worker TEXT,
        work_order TEXT,
        json TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_worker ON events (worker, seq) WHERE worker IS NOT NULL;
    CREATE INDEX events_work_order ON events (work_order, seq) WHERE work_order IS NOT NULL;
    CREATE INDEX events_kind ON events (kind, seq);
    CREATE INDEX events_at ON events (at);
    CREATE TABLE checkpoints (seq INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;
";

const TRIGGERS: &str = "
    CREATE TRIGGER IF NOT EXISTS events_update BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER IF NOT EXISTS events_delete BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER IF NOT EXISTS events_insert BEFORE INSERT ON events
        WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM events)
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER IF NOT EXISTS checkpoints_update BEFORE UPDATE ON checkpoints
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER IF NOT EXISTS checkpoints_delete BEFORE DELETE ON checkpoints
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER IF NOT EXISTS checkpoints_insert BEFORE INSERT ON checkpoints
        WHEN NEW.seq <= (SELECT max(seq) FROM checkpoints)
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
";

/// What the file says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Empty,
    Ledger,
}

pub(crate) fn open_for_writing(path: &Path) -> Result<Connection> {
    // SQLite gives its own files the mode of this one.
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(LedgerError::io("create", path))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(LedgerError::sqlite("open", path))?;
    db.busy_timeout(PATIENCE).map_err(LedgerError::sqlite("open", path))?;
    Ok(db)
}

/// Opens beside a writer, or on a medium that cannot be written at all.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection> {
    if !path.exists() {
        return Err(LedgerError::Missing { path: path.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let open = |name: String| -> rusqlite::Result<Connection> {
        let db = Connection::open_with_flags(name, flags)?;
        db.busy_timeout(PATIENCE)?;
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        Ok(db)
    };
    let uri = format!("file:{}", escaped(path));
    match open(uri.clone()) {
        // Without its log the file is complete, and on a read-only medium nobody changes it meanwhile.
        Err(error)
            if matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly))
                && !beside(path, "-wal").exists() =>
        {
            open(format!("{uri}?immutable=1"))
        }
        other => other,
    }
    .map_err(LedgerError::sqlite("open", path))
}

fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn escaped(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    path.as_os_str()
        .as_bytes()
        .iter()
        .map(|&byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Tells a ledger from an empty file, and refuses everything else before a byte of it is touched.
pub(crate) fn identify(db: &Connection, path: &Path) -> Result<Found> {
    let number =
        |sql: &str| -> Result<i64> { db.query_row(sql, [], |row| row.get(0)).map_err(LedgerError::sqlite("read", path)) };
    let version = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    match (application, version, tables) {
        (0, 0, 0) => Ok(Found::Empty),
        (APPLICATION, found, _) if found > VERSION => Err(LedgerError::Newer { path: path.to_owned(), found, known: VERSION }),
        (APPLICATION, VERSION, _) => Ok(Found::Ledger),
        _ => Err(LedgerError::Corrupt { path: path.to_owned(), why: "it is a database of something else".to_owned() }),
    }
}

pub(crate) fn configure(db: &Connection, path: &Path, max_bytes: Option<u64>) -> Result<()> {
    let run = |sql: &str| db.execute_batch(sql).map_err(LedgerError::sqlite("set up", path));
    run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;")?;
    if let Some(bytes) = max_bytes {
        let page: i64 = db.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(LedgerError::sqlite("read", path))?;
        run(&format!("PRAGMA max_page_count = {}", bytes / page.unsigned_abs().max(1)))?;
    }
    Ok(())
}

/// All or nothing: a crash here leaves an empty file, which is no ledger yet.
pub(crate) fn create(db: &mut Connection, path: &Path, id: &[u8; 16], key: &[u8; 32]) -> Result<()> {
    let make = |change: &Transaction<'_>| -> rusqlite::Result<()> {
        change.execute_batch(TABLES)?;
        change.execute_batch(TRIGGERS)?;
        change.execute("INSERT INTO ledger (id, key) VALUES (?1, ?2)", (id.as_slice(), key.as_slice()))?;
        change.execute_batch(&format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"))
    };
    db.transaction_with_behavior(TransactionBehavior::Immediate)
        .and_then(|change| make(&change).and_then(|()| change.commit()))
        .map_err(LedgerError::sqlite("create", path))
}

/// Puts back guards that someone took away; what they did meanwhile is for `verify` to find.
pub(crate) fn guard(db: &Connection, path: &Path) -> Result<()> {
    db.execute_batch(TRIGGERS).map_err(LedgerError::sqlite("guard", path))
}

/// A file that was cut short is found at once, not at the first read past its end.
pub(crate) fn check_length(db: &Connection, path: &Path) -> Result<()> {
    let number =
        |sql: &str| -> Result<i64> { db.query_row(sql, [], |row| row.get(0)).map_err(LedgerError::sqlite("read", path)) };
    // Moves the log into the file. Where a reader is in the way (first column 1) the length means nothing yet.
    if number("PRAGMA wal_checkpoint(TRUNCATE)")? != 0 {
        return Ok(());
    }
    let expected = number("PRAGMA page_count")? * number("PRAGMA page_size")?;
    let length = fs::metadata(path).map_err(LedgerError::io("look at", path))?.len();
    if length < expected.unsigned_abs() {
        let why = format!("it was cut short, {length} bytes of {expected} are left");
        return Err(LedgerError::Corrupt { path: path.to_owned(), why });
    }
    Ok(())
}
