//! Reading files below one folder and nowhere else. What is below it may come from a worker or from a
//! stranger's company, so links may not lead out, sizes are bounded, and a pipe does not hang the reader.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open, openat, openat2};
use rustix::io::Errno;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{0} does not exist")]
    Missing(String),
    #[error("{0} leads out of its folder: use a path inside it, without .. and without links to elsewhere")]
    Outside(String),
    #[error("{path} is larger than {limit} bytes")]
    TooLarge { path: String, limit: u64 },
    #[error("{0} is not a plain file")]
    NotAFile(String),
    #[error("{0} is not text in UTF-8")]
    NotText(String),
    #[error("{path} holds more than {limit} entries")]
    TooMany { path: String, limit: usize },
    #[error("{path} could not be read: {why}")]
    Io { path: String, why: String },
}

/// A folder that nothing read through it leaves.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The host path of a path below; only checked by its spelling.
    pub fn path(&self, rel: &str) -> Result<PathBuf, ReadError> {
        let rel = rel.trim_start_matches("./");
        let fits = Path::new(rel).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if fits && !rel.contains('\0') { Ok(self.root.join(rel)) } else { Err(ReadError::Outside(rel.to_owned())) }
    }

    /// Opens a plain file. Links are followed as long as they stay inside.
    pub fn open(&self, rel: &str) -> Result<File, ReadError> {
        let file = self.open_any(rel, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let plain = file.metadata().is_ok_and(|meta| meta.is_file());
        if plain { Ok(file) } else { Err(ReadError::NotAFile(rel.to_owned())) }
    }

    /// The real host path of a folder below, after links, for a program that is to work in it.
    pub fn folder(&self, rel: &str) -> Result<PathBuf, ReadError> {
        self.open_any(rel, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK)?;
        let io = |why: std::io::Error| ReadError::Io { path: rel.to_owned(), why: why.to_string() };
        let root = self.root.canonicalize().map_err(io)?;
        let path = self.path(rel)?.canonicalize().map_err(io)?;
        if path.starts_with(&root) { Ok(path) } else { Err(ReadError::Outside(rel.to_owned())) }
    }

    fn open_any(&self, rel: &str, flags: OFlags) -> Result<File, ReadError> {
        let path = self.path(rel)?;
        let flags = flags | OFlags::CLOEXEC;
        let explain = |errno: Errno| match errno {
            Errno::NOENT => ReadError::Missing(rel.to_owned()),
            Errno::XDEV | Errno::LOOP => ReadError::Outside(rel.to_owned()),
            Errno::NOTDIR => ReadError::Missing(rel.to_owned()),
            other => ReadError::Io { path: rel.to_owned(), why: std::io::Error::from(other).to_string() },
        };
        let root = open(&self.root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(explain)?;
        let below = path.strip_prefix(&self.root).unwrap_or(Path::new("."));
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        match openat2(&root, below, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS) {
            Ok(file) => Ok(file.into()),
            // Kernels and sandboxes without openat2: no link at all is followed then.
            Err(Errno::NOSYS | Errno::PERM) => {
                let mut part = self.root.clone();
                for component in below.components() {
                    part.push(component);
                    if part.is_symlink() {
                        return Err(ReadError::Outside(rel.to_owned()));
                    }
                }
                openat(CWD, &path, flags | OFlags::NOFOLLOW, Mode::empty()).map(File::from).map_err(explain)
            }
            Err(errno) => Err(explain(errno)),
        }
    }

    pub fn read(&self, rel: &str, limit: u64) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        let io = |why: std::io::Error| ReadError::Io { path: rel.to_owned(), why: why.to_string() };
        self.open(rel)?.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > limit { Err(ReadError::TooLarge { path: rel.to_owned(), limit }) } else { Ok(bytes) }
    }

    pub fn read_text(&self, rel: &str, limit: u64) -> Result<String, ReadError> {
        String::from_utf8(self.read(rel, limit)?).map_err(|_| ReadError::NotText(rel.to_owned()))
    }

    pub fn exists(&self, rel: &str) -> bool {
        self.open(rel).is_ok()
    }

    pub fn is_folder(&self, rel: &str) -> bool {
        self.folder(rel).is_ok()
    }

    /// Names in a folder below, sorted; those that start with a dot are left out.
    pub fn names(&self, rel: &str, limit: usize) -> Result<Vec<String>, ReadError> {
        let mut names = self.entries(rel, limit)?;
        names.retain(|name| !name.starts_with('.'));
        Ok(names)
    }

    /// All names in a folder below, sorted.
    pub(crate) fn entries(&self, rel: &str, limit: usize) -> Result<Vec<String>, ReadError> {
        let folder = self.open_any(rel, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK)?;
        let io = |why: std::io::Error| ReadError::Io { path: rel.to_owned(), why: why.to_string() };
        let mut names = Vec::new();
        // By the descriptor: the name could be a link by now.
        for entry in std::fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd())).map_err(io)? {
            if names.len() >= limit {
                return Err(ReadError::TooMany { path: rel.to_owned(), limit });
            }
            names.push(entry.map_err(io)?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
}
