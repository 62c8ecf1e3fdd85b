//! Text files and JSON.

use serde_norway::Value;

use super::Found;
use super::places::Looker;
use super::spec::{FileCheck, JsonCheck};
use crate::safe::ReadError;

const FILE_LIMIT: u64 = 16 * 1024 * 1024;

pub(crate) fn look(check: &FileCheck, looker: &Looker<'_>) -> Found {
    let (folder, rel) = looker.place(&check.file)?;
    let asks_text = !check.contains.0.is_empty() || !check.lacks.0.is_empty() || check.equals.is_some();
    if check.exists == Some(false) {
        return match folder.open(&rel) {
            Err(ReadError::Missing(_)) => Ok(format!("{rel} is not there, as it should be.")),
            _ => Err(format!("{rel} is there and should not be.")),
        };
    }
    if !asks_text {
        let size = folder.open(&rel).map_err(|error| format!("The file {error}."))?.metadata().map_or(0, |meta| meta.len());
        return if size > 0 { Ok(format!("{rel} is there, {size} bytes.")) } else { Err(format!("{rel} is there but empty.")) };
    }
    let text = String::from_utf8_lossy(&looker.read(&check.file, FILE_LIMIT)?).into_owned();
    if let Some(expected) = &check.equals {
        let expected = looker.fill(&expected.0)?;
        if text.trim_end() != expected.trim_end() {
            return Err(format!("{rel} should say {}, and says {}.", short(&expected), short(&text)));
        }
    }
    contains(&rel, &text, &looker.fill_all(&check.contains.0)?, &looker.fill_all(&check.lacks.0)?)
}

/// Whether a text has all of some texts and none of others.
pub(crate) fn contains(what: &str, text: &str, wanted: &[String], unwanted: &[String]) -> Found {
    if let Some(missing) = wanted.iter().find(|wanted| !text.contains(wanted.as_str())) {
        return Err(format!("{what} should contain {}, and does not.", short(missing)));
    }
    if let Some(found) = unwanted.iter().find(|unwanted| text.contains(unwanted.as_str())) {
        return Err(format!("{what} should not contain {}, and does.", short(found)));
    }
    match wanted.first() {
        Some(first) => Ok(format!("{what} contains {}.", short(first))),
        None => Ok(format!("{what} is as it should be.")),
    }
}

/// A text as a sentence quotes it.
pub(crate) fn short(text: &str) -> String {
    let text = text.trim();
    let head: String = text.chars().take(120).collect();
    format!("{head:?}{}", if head.len() < text.len() { "…" } else { "" })
}

pub(crate) fn look_json(check: &JsonCheck, looker: &Looker<'_>) -> Found {
    let bytes = looker.read(&check.file, FILE_LIMIT)?;
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("{} is no JSON: {error}.", check.file))?;
    let pointer = looker.fill(&check.pointer)?;
    let found = value.pointer(&pointer).ok_or_else(|| format!("{} has nothing at {pointer:?}.", check.file))?;
    if let Some(expected) = &check.equals {
        let expected =
            serde_json::to_value(filled(expected, looker)?).map_err(|error| format!("The check cannot be made: {error}."))?;
        if !same(found, &expected) {
            return Err(format!("{pointer} should be {expected}, and is {}.", short(&found.to_string())));
        }
    }
    let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
    contains(&format!("{} at {pointer:?}", check.file), &text, &looker.fill_all(&check.contains.0)?, &[])
}

fn filled(value: &Value, looker: &Looker<'_>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(looker.fill(text)?),
        Value::Sequence(items) => Value::Sequence(items.iter().map(|item| filled(item, looker)).collect::<Result<_, _>>()?),
        Value::Mapping(map) => Value::Mapping(
            map.iter().map(|(key, value)| Ok((key.clone(), filled(value, looker)?))).collect::<Result<_, String>>()?,
        ),
        other => other.clone(),
    })
}

/// 1 and 1.0 are the same number.
fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}
