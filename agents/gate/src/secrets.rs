//! Secrets at rest: in the desktop's keyring where there is one, else in files that only the owner reads.

mod file;
mod keyring;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use file::FileStore;
pub use keyring::KeyringStore;
use zeroize::Zeroizing;

/// The letters of a secret. They are wiped when it is dropped, and never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// For the hand that types it, and nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(••••)")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("{0:?} is no name for a secret: use 1 to 64 of the characters a-z, A-Z, 0-9, '.', '_' and '-'")]
    Name(String),
    #[error("{} is open to other users: make it readable by its owner only (chmod {want})", path.display())]
    Open { path: PathBuf, want: &'static str },
    #[error("{what} {}: {source}", path.display())]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("the secret is longer than 4096 bytes, empty, or no text")]
    Size,
    #[error("the keyring gave no answer within {0:?}: is it locked? Unlock it, then try again")]
    Late(Duration),
    #[error("the keyring failed: {0}")]
    Keyring(String),
}

/// Where secrets are kept, by name.
pub trait SecretStore: Send + Sync {
    /// Where they are, in words.
    fn place(&self) -> &str;
    /// None where there is no secret of this name.
    fn get(&self, name: &str) -> Result<Option<Secret>, SecretError>;
    fn put(&self, name: &str, secret: &Secret) -> Result<(), SecretError>;
    /// Gives whether there was one.
    fn remove(&self, name: &str) -> Result<bool, SecretError>;
}

/// A store, and why it is this one.
pub struct OpenedStore {
    pub store: Box<dyn SecretStore>,
    pub why: String,
}

/// Opens the keyring of the session where it answers within the deadline, else files under `folder`. In the keyring too,
/// the names are those of this folder: each engine's state has secrets of its own.
pub fn open_store(folder: &Path, deadline: Duration) -> Result<OpenedStore, SecretError> {
    match KeyringStore::open(folder, deadline) {
        Ok(store) => Ok(OpenedStore { store: Box::new(store), why: "the session's keyring answers".into() }),
        Err(error) => {
            let store = FileStore::open(folder)?;
            Ok(OpenedStore { store: Box::new(store), why: format!("no keyring can be used here ({error})") })
        }
    }
}

const LONGEST: usize = 4096;

fn check_name(name: &str) -> Result<(), SecretError> {
    let fits = (1..=64).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fits { Ok(()) } else { Err(SecretError::Name(name.chars().take(80).collect())) }
}

fn check_size(secret: &Secret) -> Result<(), SecretError> {
    if (1..=LONGEST).contains(&secret.expose().len()) { Ok(()) } else { Err(SecretError::Size) }
}
