//! A copy of a folder that a worker made, for programs to run in. The work itself stays as it is; nothing in
//! the copy leads back to it; and the copy belongs to whom the programs run as, who could not reach the work.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;

use tempfile::TempDir;

use super::places::Looker;
use crate::safe::{Folder, ReadError};

const MOST_FILES: usize = 20_000;
const MOST_BYTES: u64 = 512 * 1024 * 1024;

/// Gone when dropped.
pub(crate) struct Copy {
    dir: TempDir,
    uid: Option<(u32, u32)>,
}

impl Copy {
    /// Copies plain files, folders and links; links stay links, which lead nowhere but inside the sandbox.
    pub fn make(path: &str, looker: &Looker<'_>) -> Result<Self, String> {
        let (folder, rel) = looker.place(path)?;
        let rel = if rel.is_empty() { ".".to_owned() } else { rel };
        let dir = tempfile::Builder::new().prefix("mezzanine-check-").tempdir();
        let dir = dir.map_err(|error| format!("There is no room for a copy of {path}: {error}."))?;
        let mut copy = Copying { from: &folder, to: dir.path(), uid: looker.places.uid, files: 0, left: MOST_BYTES };
        copy.folder(&rel).map_err(|error| format!("{path}: {error}."))?;
        Ok(Self { uid: looker.places.uid, dir })
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn uid(&self) -> Option<(u32, u32)> {
        self.uid
    }
}

struct Copying<'a> {
    from: &'a Folder,
    to: &'a Path,
    uid: Option<(u32, u32)>,
    files: usize,
    left: u64,
}

impl Copying<'_> {
    fn folder(&mut self, rel: &str) -> Result<(), ReadError> {
        let mut open = vec![String::new()];
        while let Some(below) = open.pop() {
            let here = if below.is_empty() { rel.to_owned() } else { format!("{rel}/{below}") };
            for name in self.from.entries(&here, MOST_FILES)? {
                self.files += 1;
                if self.files > MOST_FILES {
                    return Err(ReadError::TooMany { path: rel.to_owned(), limit: MOST_FILES });
                }
                let to = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
                if self.entry(&format!("{here}/{name}"), &to)? {
                    open.push(to);
                }
            }
            self.own(&self.to.join(&below)).map_err(unwritten(rel))?;
        }
        Ok(())
    }

    /// Copies one entry; true for a folder, whose entries come later.
    fn entry(&mut self, from: &str, to: &str) -> Result<bool, ReadError> {
        let target = self.to.join(to);
        let Ok(meta) = fs::symlink_metadata(self.from.path(from)?) else { return Ok(false) };
        if meta.is_dir() {
            fs::create_dir(&target).map_err(unwritten(from))?;
            return Ok(true);
        }
        if meta.is_symlink() {
            let leads = fs::read_link(self.from.path(from)?).map_err(unwritten(from))?;
            symlink(leads, &target).map_err(unwritten(from))?;
        } else if meta.is_file() {
            let mut source = self.from.open(from)?.take(self.left + 1);
            let mut file = File::create_new(&target).map_err(unwritten(from))?;
            let count = std::io::copy(&mut source, &mut file).map_err(unwritten(from))?;
            let too_large = || ReadError::TooLarge { path: "The folder".to_owned(), limit: MOST_BYTES };
            self.left = self.left.checked_sub(count).ok_or_else(too_large)?;
            let mode = if meta.permissions().mode() & 0o111 != 0 { 0o755 } else { 0o644 };
            file.set_permissions(fs::Permissions::from_mode(mode)).map_err(unwritten(from))?;
        } else {
            return Ok(false);
        }
        self.own(&target).map_err(unwritten(from))?;
        Ok(false)
    }

    fn own(&self, path: &Path) -> std::io::Result<()> {
        self.uid.map_or(Ok(()), |(user, group)| lchown(path, Some(user), Some(group)))
    }
}

fn unwritten(path: &str) -> impl Fn(std::io::Error) -> ReadError + '_ {
    |error| ReadError::Io { path: path.to_owned(), why: format!("no copy of it could be made: {error}") }
}
