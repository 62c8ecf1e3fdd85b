//! What happened, kept. Events go into an append-only SQLite file, each one hashed together with the one
//! before it; signed checkpoints of that chain can be kept elsewhere, so that an edited, deleted, reordered
//! or cut-off event is found and named. Beside it lie the evidence (frames that were asked about, kept
//! losslessly) and the recordings (what the desktops looked like, bounded in bytes).
//!
//! ```text
//! <folder>/ledger.sqlite      the events and checkpoints       <folder>/frames/       evidence, by digest
//!          ledger.lock        who writes (one at a time)        <folder>/checkpoints/  signed, to keep elsewhere
//!          ledger.key         signing key, mode 0600
//! ```
//!
//! The hash of event n is BLAKE3 over n (u64, little-endian), the hash of event n-1 (32 bytes), and the event
//! as canonical JSON (keys sorted, no blanks). The hash before event 1 is BLAKE3 over `mezzanine ledger 1`, the
//! ledger's 16-byte id and its 32-byte ed25519 public key. A checkpoint's signature is over
//! `mezzanine checkpoint 1`, seq (u64), hash, and at (i64), all little-endian.

mod chain;
mod checkpoint;
mod durable;
mod error;
mod evidence;
mod reader;
mod recording;
mod schema;
mod verify;
mod writer;

pub use checkpoint::Checkpoint;
pub use error::{BadEvent, LedgerError, Result};
pub use evidence::{Evidence, Picture};
pub use reader::{Direction, Filter, Reader};
pub use recording::{Recorded, RecordedFrame, Recording, RecordingLimits};
pub use verify::Verification;
pub use writer::{Ledger, Options};
