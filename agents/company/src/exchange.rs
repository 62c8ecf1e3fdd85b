//! A company as something to hand on: a copy of its folder, or one .zip file.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::safe::{Folder, ReadError};
use crate::{Company, Fault};

const MOST_FILES: usize = 10_000;
const MOST_BYTES: u64 = 512 * 1024 * 1024;
const DEEPEST: usize = 12;

#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    #[error("{} exists already: choose another name, or move it away", .0.display())]
    Exists(PathBuf),
    #[error("the company is too large to hand on: more than {MOST_FILES} files or {MOST_BYTES} bytes")]
    TooLarge,
    #[error("{0:?} in the file leads out of the company, or is a link: do not trust this file")]
    Unsafe(String),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{path} could not be written: {why}")]
    Write { path: String, why: String },
    #[error("{path} is no readable .zip file: {why}")]
    Zip { path: String, why: String },
    #[error("the company has {} faults; the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Faults(Vec<Fault>),
}

fn unwritten(path: &Path) -> impl Fn(std::io::Error) -> ExchangeError + '_ {
    |error| ExchangeError::Write { path: path.display().to_string(), why: error.to_string() }
}

impl Company {
    /// Writes the whole company to a new folder, or to a new file where `to` ends in `.zip`. The same
    /// company gives the same bytes. Names that start with a dot and what leads out of the folder are left out.
    pub fn export(&self, to: &Path) -> Result<(), ExchangeError> {
        if to.exists() {
            return Err(ExchangeError::Exists(to.to_owned()));
        }
        let files = files(&self.folder)?;
        let partial = beside(to)?;
        let target = partial.path().join("company");
        if is_zip(to) {
            write_zip(&self.folder, &files, &target)?
        } else {
            write_folder(&self.folder, &files, &target)?
        }
        fs::rename(&target, to).map_err(unwritten(to))
    }

    /// Every file that `export` would hand on, in order: path, whether it may be run, and what is in it.
    pub fn each_file(&self, look: &mut dyn FnMut(&str, bool, &[u8])) -> Result<(), ExchangeError> {
        for (rel, runs) in files(&self.folder)? {
            look(&rel, runs, &self.folder.read(&rel, MOST_BYTES)?);
        }
        Ok(())
    }

    /// Takes a company from a folder or a .zip file into the new folder `into`. Nothing is left there where
    /// the company has faults.
    pub fn import(from: &Path, into: &Path) -> Result<Self, ExchangeError> {
        if into.exists() {
            return Err(ExchangeError::Exists(into.to_owned()));
        }
        let partial = beside(into)?;
        let target = partial.path().join("company");
        if from.is_dir() {
            let folder = Folder::new(from);
            write_folder(&folder, &files(&folder)?, &target)?;
        } else {
            unzip(from, &target)?;
        }
        let root = unwrapped(&target);
        let faults = match Self::load(&root) {
            Ok(company) => company.check(),
            Err(faults) => faults,
        };
        if !faults.is_empty() {
            return Err(ExchangeError::Faults(faults));
        }
        fs::rename(&root, into).map_err(unwritten(into))?;
        Self::load(into).map_err(ExchangeError::Faults)
    }
}

/// Archives often hold one folder with everything in it.
fn unwrapped(target: &Path) -> PathBuf {
    let mut names = fs::read_dir(target).into_iter().flatten().flatten();
    match (names.next(), names.next()) {
        (Some(only), None) if only.path().join("COMPANY.md").is_file() => only.path(),
        _ => target.to_owned(),
    }
}

fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
}

/// A folder on the same disk, so that the last step is one rename; gone when dropped.
fn beside(to: &Path) -> Result<tempfile::TempDir, ExchangeError> {
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(unwritten(parent))?;
    tempfile::Builder::new().prefix(".company-").tempdir_in(parent).map_err(unwritten(parent))
}

/// All plain files below, sorted, with whether they may be run.
fn files(folder: &Folder) -> Result<Vec<(String, bool)>, ExchangeError> {
    use std::os::unix::fs::PermissionsExt;
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut open = vec![(String::new(), 0)];
    while let Some((below, depth)) = open.pop() {
        let path = if below.is_empty() { ".".to_owned() } else { below.clone() };
        for name in folder.names(&path, MOST_FILES)? {
            let rel = if below.is_empty() { name } else { format!("{below}/{name}") };
            let Ok(meta) = fs::symlink_metadata(folder.path(&rel)?) else { continue };
            if meta.is_dir() && depth < DEEPEST {
                open.push((rel, depth + 1));
            } else if meta.is_file() {
                bytes += meta.len();
                found.push((rel, meta.permissions().mode() & 0o100 != 0));
            }
        }
        if found.len() > MOST_FILES || bytes > MOST_BYTES {
            return Err(ExchangeError::TooLarge);
        }
    }
    found.sort();
    Ok(found)
}

fn write_folder(folder: &Folder, files: &[(String, bool)], target: &Path) -> Result<(), ExchangeError> {
    fs::create_dir_all(target).map_err(unwritten(target))?;
    for (rel, runs) in files {
        let bytes = folder.read(rel, MOST_BYTES)?;
        put(target, rel, &bytes, *runs)?;
    }
    Ok(())
}

fn put(target: &Path, rel: &str, bytes: &[u8], runs: bool) -> Result<(), ExchangeError> {
    use std::os::unix::fs::PermissionsExt;
    let path = target.join(rel);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(unwritten(&path))?;
    }
    fs::write(&path, bytes).map_err(unwritten(&path))?;
    let mode = if runs { 0o755 } else { 0o644 };
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(unwritten(&path))
}

fn write_zip(folder: &Folder, files: &[(String, bool)], target: &Path) -> Result<(), ExchangeError> {
    let bad =
        |error: zip::result::ZipError| ExchangeError::Write { path: target.display().to_string(), why: error.to_string() };
    let mut zip = ZipWriter::new(File::create(target).map_err(unwritten(target))?);
    for (rel, runs) in files {
        let mode = if *runs { 0o755 } else { 0o644 };
        // No times: the same company is the same file.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(mode)
            .last_modified_time(zip::DateTime::default());
        zip.start_file(rel, options).map_err(bad)?;
        zip.write_all(&folder.read(rel, MOST_BYTES)?).map_err(unwritten(target))?;
    }
    zip.finish().map_err(bad)?.sync_all().map_err(unwritten(target))
}

fn unzip(from: &Path, target: &Path) -> Result<(), ExchangeError> {
    let bad = |why: String| ExchangeError::Zip { path: from.display().to_string(), why };
    let file = File::open(from).map_err(|error| bad(error.to_string()))?;
    let mut zip = ZipArchive::new(file).map_err(|error| bad(error.to_string()))?;
    if zip.len() > MOST_FILES {
        return Err(ExchangeError::TooLarge);
    }
    fs::create_dir_all(target).map_err(unwritten(target))?;
    let mut left = MOST_BYTES;
    for at in 0..zip.len() {
        let mut entry = zip.by_index(at).map_err(|error| bad(error.to_string()))?;
        let name = entry.name().map_err(|error| bad(error.to_string()))?.into_owned();
        if entry.is_dir() {
            continue;
        }
        let inside = entry.enclosed_name().filter(|_| !entry.is_symlink() && !name.contains("..") && !name.starts_with('/'));
        let rel = inside.and_then(|path| path.to_str().map(str::to_owned)).ok_or(ExchangeError::Unsafe(name))?;
        let mut bytes = Vec::new();
        // The size that an entry claims is not believed.
        (&mut entry).take(left + 1).read_to_end(&mut bytes).map_err(|error| bad(error.to_string()))?;
        left = left.checked_sub(bytes.len() as u64).ok_or(ExchangeError::TooLarge)?;
        let runs = entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0);
        put(target, &rel, &bytes, runs)?;
    }
    Ok(())
}
