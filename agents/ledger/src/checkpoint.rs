//! Signed statements of how far the chain had come. Kept elsewhere, one of them proves that nothing up to it was
//! rewritten or cut off since.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use mz_protocol::{Digest, EventSeq, Timestamp};
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::{LedgerError, Result};

/// The chain's hash at one event, signed. As JSON it is a file of some 300 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub seq: EventSeq,
    pub hash: Digest,
    pub at: Timestamp,
    /// ed25519 public key, 64 hexadecimal digits.
    pub key: String,
    /// ed25519 signature, 128 hexadecimal digits.
    pub signature: String,
}

impl Checkpoint {
    /// Reads a checkpoint that was exported or found in `checkpoints/`.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(LedgerError::io("read the checkpoint", path))?;
        serde_json::from_slice(&bytes).map_err(|error| LedgerError::Corrupt { path: path.to_owned(), why: error.to_string() })
    }

    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| LedgerError::Corrupt { path: path.to_owned(), why: error.to_string() })?;
        durable::write(path, format!("{text}\n").as_bytes())
    }

    /// Whether the signature is that of the key that the checkpoint names.
    pub fn is_genuine(&self) -> bool {
        let parsed = || {
            let key = VerifyingKey::from_bytes(&unhex(&self.key)?).ok()?;
            let signature = Signature::from_bytes(&unhex(&self.signature)?);
            key.verify_strict(&statement(self.seq, self.hash, self.at), &signature).ok()
        };
        parsed().is_some()
    }
}

fn statement(seq: EventSeq, hash: Digest, at: Timestamp) -> Vec<u8> {
    let mut bytes = b"mezzanine checkpoint 1".to_vec();
    bytes.extend_from_slice(&seq.0.to_le_bytes());
    bytes.extend_from_slice(&hash.0);
    bytes.extend_from_slice(&at.0.to_le_bytes());
    bytes
}

/// The ledger's own hand.
pub(crate) struct Signer(SigningKey);

impl Signer {
    /// Reads the key, or makes one where there is none yet and `fresh` is allowed.
    pub(crate) fn open(path: &Path, fresh: Fresh) -> Result<Self> {
        let bad = |why: &str| LedgerError::Key { path: path.to_owned(), why: why.to_owned() };
        match fs::read(path) {
            Ok(bytes) => {
                let mode = fs::metadata(path).map_err(LedgerError::io("look at the key", path))?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(bad("other users may read it: run chmod 600 on it"));
                }
                let text = String::from_utf8(bytes).map_err(|_| bad("it is no key: put the right file back"))?;
                let seed = unhex(text.trim()).ok_or_else(|| bad("it is no key: put the right file back"))?;
                Ok(Self(SigningKey::from_bytes(&seed)))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => match fresh {
                Fresh::Refused => Err(bad("it is missing: put it back, or move the folder away to start a new ledger")),
                Fresh::Allowed => {
                    let mut seed = [0; 32];
                    getrandom::fill(&mut seed).map_err(|error| bad(&format!("no randomness: {error}")))?;
                    durable::write(path, hex(&seed).as_bytes())?;
                    Ok(Self(SigningKey::from_bytes(&seed)))
                }
            },
            Err(error) => Err(LedgerError::io("read the key", path)(error)),
        }
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub(crate) fn sign(&self, seq: EventSeq, hash: Digest, at: Timestamp) -> Checkpoint {
        let signature = self.0.sign(&statement(seq, hash, at));
        Checkpoint { seq, hash, at, key: hex(&self.public()), signature: hex(&signature.to_bytes()) }
    }
}

/// Whether a missing key may be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fresh {
    Allowed,
    Refused,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Where the file of a checkpoint lies; the names sort by event.
pub(crate) fn file_of(folder: &Path, seq: EventSeq) -> PathBuf {
    folder.join(format!("{:012}.json", seq.0))
}

/// All checkpoint files of a folder with their names, oldest first. One that does not parse comes as `Err` with its path.
pub(crate) fn files(folder: &Path) -> Result<Vec<Result<Checkpoint, PathBuf>>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LedgerError::io("list", folder)(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(LedgerError::io("list", folder))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths.into_iter().map(|path| Checkpoint::load(&path).map_err(|_| path)).collect())
}
