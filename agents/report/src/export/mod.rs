//! One report to one file. The file appears whole or not at all.

mod csv;
mod fonts;
mod html;
mod pdf;
mod view;
mod xlsx;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use mz_protocol::{ExportFormat, Millis, ReportScope, SavedFile};

use crate::report::Report;

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("the export was cancelled; no file was written")]
    Cancelled,
    #[error("the report could not be written to {path}: {source}; check that the folder exists, is writable and has space")]
    Write { path: PathBuf, source: io::Error },
    #[error("the report could not be set as {format}: {why}; export another format and report this with the period you chose")]
    Render { format: &'static str, why: String },
}

/// How far the work is, and whether anyone still wants it.
struct Watch<'a> {
    progress: &'a mut dyn FnMut(u16),
    cancelled: &'a dyn Fn() -> bool,
}

impl Watch<'_> {
    fn at(&mut self, permille: u16) -> Result<(), ExportError> {
        if (self.cancelled)() {
            return Err(ExportError::Cancelled);
        }
        (self.progress)(permille);
        Ok(())
    }
}

/// A name for the file, safe on every system: `productivity-finance-2026-11-09-2026-11-23.pdf`. Both dates are UTC.
pub fn file_name(report: &Report, format: ExportFormat) -> String {
    let of = match &report.of {
        ReportScope::Company => "company",
        ReportScope::Department(id) => id.as_str(),
        ReportScope::Worker(id) => id.as_str(),
    };
    let date = |at| crate::calendar::date_of(at, &jiff::tz::TimeZone::UTC);
    format!("productivity-{of}-{}-{}.{}", date(report.range.from), date(report.range.to), format.extension())
}

/// Writes the report to `out`, or into it under [`file_name`] where `out` is a folder. An older file of that
/// name is replaced in one step. `progress` hears 0 to 1000, never less than before; `cancelled` is asked at each.
pub fn export(
    report: &Report,
    format: ExportFormat,
    out: &Path,
    progress: &mut dyn FnMut(u16),
    cancelled: &dyn Fn() -> bool,
) -> Result<SavedFile, ExportError> {
    let begun = Instant::now();
    let mut watch = Watch { progress, cancelled };
    watch.at(0)?;
    let path = if out.is_dir() { out.join(file_name(report, format)) } else { out.to_owned() };
    let bytes = match format {
        ExportFormat::Json => json(report)?,
        ExportFormat::Csv => csv::render(report, &mut watch)?,
        ExportFormat::Html => html::render(report, &mut watch)?,
        ExportFormat::Xlsx => xlsx::render(report, &mut watch)?,
        ExportFormat::Pdf => pdf::render(report, &mut watch)?,
    };
    watch.at(900)?;
    save(&path, &bytes).map_err(|source| ExportError::Write { path: path.clone(), source })?;
    (watch.progress)(1000);
    let took = Millis(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
    Ok(SavedFile { path: path.to_string_lossy().into_owned(), bytes: bytes.len() as u64, took })
}

fn json(report: &Report) -> Result<Vec<u8>, ExportError> {
    serde_json::to_vec_pretty(report).map_err(|e| ExportError::Render { format: "JSON", why: e.to_string() })
}

/// Removes the temporary file unless it became the real one.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After the rename it is gone already.
        let _ = fs::remove_file(&self.0);
    }
}

fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unique = format!(".report-{}-{}.part", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let temporary = Temporary(folder.join(unique));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary.0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary.0, path)?;
    // Makes the new name as durable as the content.
    File::open(folder)?.sync_all()
}
