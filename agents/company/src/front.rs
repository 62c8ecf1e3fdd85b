//! Markdown files that begin with YAML between two lines of `---`.

use serde::de::DeserializeOwned;
use serde_norway::{Mapping, Value};

use crate::Fault;
use crate::safe::Folder;

/// Larger descriptions than this are no descriptions.
pub(crate) const TEXT_LIMIT: u64 = 512 * 1024;

/// A file's front matter and what follows it. Keys that nobody asks for stay as they are.
pub(crate) struct Front {
    pub file: String,
    head: String,
    values: Mapping,
    pub body: String,
    /// Line of the file on which the body starts, from 1.
    pub body_line: u32,
}

impl Front {
    pub fn read(folder: &Folder, file: &str) -> Result<Self, Fault> {
        let text = folder.read_text(file, TEXT_LIMIT).map_err(|error| {
            Fault::new(file, 0, error.to_string(), "a Markdown file that begins with YAML between two lines of ---")
        })?;
        Self::parse(&text, file)
    }

    pub fn parse(text: &str, file: &str) -> Result<Self, Fault> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.split_inclusive('\n');
        let first = lines.next().unwrap_or_default();
        if first.trim_end() != "---" {
            let found: String = first.trim_end().chars().take(60).collect();
            return Err(Fault::new(
                file,
                1,
                format!("the file begins with {found:?}"),
                "front matter: YAML between two lines of ---",
            ));
        }
        let (mut head, mut used, mut closed) = (String::new(), first.len(), false);
        for line in lines {
            used += line.len();
            if line.trim_end() == "---" {
                closed = true;
                break;
            }
            head.push_str(line);
        }
        if !closed {
            return Err(Fault::new(file, 1, "the front matter has no end", "a second line of --- before the text"));
        }
        let values: Option<Mapping> = serde_norway::from_str(&head).map_err(|error| yaml_fault(file, 1, &error))?;
        let body_line = 1 + text[..used].lines().count() as u32;
        Ok(Self { file: file.to_owned(), head, values: values.unwrap_or_default(), body: text[used..].to_owned(), body_line })
    }

    /// The line on which a key is first written, or that of the front matter.
    pub fn line_of(&self, key: &str) -> u32 {
        let wanted = format!("{key}:");
        let at = self.head.lines().position(|line| line.trim_start().trim_start_matches("- ").starts_with(&wanted));
        at.map_or(1, |at| at as u32 + 2)
    }

    /// The line that holds a text, for a fault about a value.
    pub fn line_with(&self, text: &str) -> u32 {
        self.head.lines().position(|line| line.contains(text)).map_or(1, |at| at as u32 + 2)
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    pub fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(scalar)
    }

    pub fn wanted(&self, key: &str, faults: &mut Vec<Fault>) -> String {
        self.text(key).filter(|text| !text.trim().is_empty()).unwrap_or_else(|| {
            let line = self.line_of(key);
            faults.push(Fault::new(
                &self.file,
                line,
                format!("the front matter has no {key:?}"),
                format!("{key}: followed by a text"),
            ));
            String::new()
        })
    }

    /// A list of texts, or one text.
    pub fn list(&self, key: &str) -> Vec<String> {
        match self.get(key) {
            Some(Value::Sequence(items)) => items.iter().filter_map(scalar).collect(),
            Some(one) => scalar(one).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// The values under `metadata.mezzanine`; the defaults where there are none.
    pub fn mezzanine<T: DeserializeOwned + Default>(&self, faults: &mut Vec<Fault>) -> T {
        let Some(ours) = self.get("metadata").and_then(|metadata| metadata.get("mezzanine")) else {
            return T::default();
        };
        serde_norway::from_value(ours.clone()).unwrap_or_else(|error| {
            faults.push(yaml_fault(&self.file, self.line_of("mezzanine"), &error));
            T::default()
        })
    }
}

/// A fault of a YAML reader; `offset` lines of the file come before the YAML.
pub(crate) fn yaml_fault(file: &str, offset: u32, error: &serde_norway::Error) -> Fault {
    let line = error.location().map_or(offset, |at| at.line() as u32 + offset);
    let what: String = error.to_string().chars().take(300).collect();
    Fault::new(file, line, what, "YAML with the keys that docs and examples show")
}

/// A number, a truth value or a text, as text.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}
