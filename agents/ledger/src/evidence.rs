//! Frames that were asked about, kept to the pixel for as long as the ledger is.

use std::fs;
use std::path::PathBuf;

use mz_protocol::{Digest, Size};

use crate::durable;
use crate::error::{LedgerError, Result};

const MAGIC: &[u8; 4] = b"MZE1";
const HEADER: usize = 8;

/// A whole screen: BGRX, four bytes a pixel, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub size: Size,
    pub pixels: Vec<u8>,
}

/// The store of frames, each under the digest of its size and pixels. Cheap to clone; safe from several threads.
#[derive(Debug, Clone)]
pub struct Evidence {
    folder: PathBuf,
}

impl Evidence {
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps a frame without loss and gives its digest; on the disk when this returns. One that is there already
    /// costs a look. `pixels` are `size.pixels() * 4` bytes.
    pub fn put(&self, pixels: &[u8], size: Size) -> Result<Digest> {
        let digest = digest(pixels, size);
        let refused = |why: String| LedgerError::Frame { digest, why };
        if pixels.len() != size.pixels() * 4 {
            return Err(refused(format!("{} bytes are no picture of {}×{}", pixels.len(), size.width, size.height)));
        }
        let path = self.path(digest);
        if path.exists() {
            return Ok(digest);
        }
        let folder = path.parent().unwrap_or(&self.folder);
        if !folder.exists() {
            durable::make_dir(folder)?;
            durable::sync_dir(&self.folder)?;
        }
        let packed = zstd::bulk::compress(pixels, 1).map_err(|error| refused(error.to_string()))?;
        let mut bytes = Vec::with_capacity(HEADER + packed.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&size.width.to_le_bytes());
        bytes.extend_from_slice(&size.height.to_le_bytes());
        bytes.extend_from_slice(&packed);
        durable::write(&path, &bytes)?;
        Ok(digest)
    }

    /// The frame with this digest. A changed file is an error, never another picture.
    pub fn get(&self, digest: Digest) -> Result<Picture> {
        let refused = |why: &str| LedgerError::Frame { digest, why: why.to_owned() };
        let path = self.path(digest);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(refused("it was not kept")),
            other => other.map_err(LedgerError::io("read", &path))?,
        };
        let damaged = || refused("its file is damaged");
        let (header, packed) = bytes.split_first_chunk::<HEADER>().ok_or_else(damaged)?;
        let [m0, m1, m2, m3, w0, w1, h0, h1] = *header;
        if [m0, m1, m2, m3] != *MAGIC {
            return Err(damaged());
        }
        let size = Size { width: u16::from_le_bytes([w0, w1]), height: u16::from_le_bytes([h0, h1]) };
        let pixels = zstd::bulk::decompress(packed, size.pixels() * 4).map_err(|_| damaged())?;
        if self::digest(&pixels, size) != digest {
            return Err(damaged());
        }
        Ok(Picture { size, pixels })
    }

    fn path(&self, digest: Digest) -> PathBuf {
        let hex = digest.to_hex();
        self.folder.join(&hex[..2]).join(format!("{hex}.zst"))
    }
}

fn digest(pixels: &[u8], size: Size) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(MAGIC).update(&size.width.to_le_bytes()).update(&size.height.to_le_bytes()).update(pixels);
    Digest(*hasher.finalize().as_bytes())
}
