//! What can go wrong, each said once.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use mz_protocol::{Digest, EventSeq};

pub type Result<T, E = LedgerError> = std::result::Result<T, E>;

/// The first event that cannot be trusted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEvent {
    pub seq: EventSeq,
    pub why: String,
}

impl fmt::Display for BadEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.seq.0, self.why)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("{} was written by a newer Mezzanine (format {found}, this one knows {known}): update Mezzanine to open it", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{} is in use by {}: stop that engine first, or open it for reading", path.display(), process(*pid))]
    InUse { path: PathBuf, pid: Option<u32> },
    /// Not readable as what it should be.
    #[error("{} is damaged: {why}. Put a copy back, or move the folder away to start a new ledger", path.display())]
    Corrupt { path: PathBuf, why: String },
    /// Readable, and not what was once written.
    #[error("{} was changed from outside, {bad}. Put a copy back, or move the folder away to start a new ledger", path.display())]
    Tampered { path: PathBuf, bad: BadEvent },
    /// Nothing was written. The call may be repeated once there is room.
    #[error("no room left while writing {}: free some disk space and go on", path.display())]
    Full { path: PathBuf },
    #[error("signing key {}: {why}", path.display())]
    Key { path: PathBuf, why: String },
    #[error("an event of kind {kind} was refused since it would not read back: {why}")]
    Unreadable { kind: &'static str, why: String },
    #[error("frame {digest}: {why}")]
    Frame { digest: Digest, why: String },
    #[error("there is no ledger at {}", path.display())]
    Missing { path: PathBuf },
    #[error("could not {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("could not {doing} {}: {source}", path.display())]
    Sqlite { doing: &'static str, path: PathBuf, source: rusqlite::Error },
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl LedgerError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { doing, path, source },
        }
    }

    pub(crate) fn sqlite(doing: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let path = path.to_owned();
        move |source| match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt { path, why: source.to_string() },
            _ => Self::Sqlite { doing, path, source },
        }
    }
}
