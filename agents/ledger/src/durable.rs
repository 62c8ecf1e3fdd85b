//! Files that are there, whole, once the call has returned.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{LedgerError, Result};

const DRAFT: &str = "new";

/// What is kept here is for the engine's user only.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(LedgerError::io("make the folder", path))
}

pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(LedgerError::io("sync the folder", path))
}

/// Replaces `path` in one step, mode 0600. A crash leaves the old file or the new one, never half of one.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    // Two writers of the same content (deduplicated frames) must not share a draft.
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{}.{DRAFT}", std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed)));
    let draft = path.with_file_name(name);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, path))
        .map_err(LedgerError::io("write", path));
    if written.is_err() {
        // The draft is of no use; the first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    written?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Removes drafts that a killed writer left in a folder. Only for its one writer.
pub(crate) fn sweep(folder: &Path) -> Result<()> {
    let failed = || LedgerError::io("tidy up", folder);
    for entry in fs::read_dir(folder).map_err(failed())? {
        let path = entry.map_err(failed())?.path();
        if path.extension().is_some_and(|extension| extension == DRAFT) {
            fs::remove_file(&path).map_err(failed())?;
        }
    }
    Ok(())
}
