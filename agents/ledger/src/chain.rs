//! How an event becomes bytes, and how the bytes are linked.

use mz_protocol::{Digest, Event};
use serde_json::Value;

/// The event with sorted keys and no blanks: the bytes that are stored and hashed.
pub(crate) fn canonical(event: &Event) -> Result<String, serde_json::Error> {
    let mut out = String::with_capacity(256);
    write_sorted(&serde_json::to_value(event)?, &mut out);
    Ok(out)
}

// serde_json keeps insertion order when any crate of the build asks for it, so the order is made here.
fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_sorted(item, out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

pub(crate) fn link(seq: u64, before: Digest, json: &str) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seq.to_le_bytes()).update(&before.0).update(json.as_bytes());
    Digest(*hasher.finalize().as_bytes())
}

/// The hash before event 1: binds the chain to one ledger and one key.
pub(crate) fn origin(id: &[u8; 16], key: &[u8; 32]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"mezzanine ledger 1").update(id).update(key);
    Digest(*hasher.finalize().as_bytes())
}
