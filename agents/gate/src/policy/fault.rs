//! What is wrong in a file of rules, said so that its author can mend it.

use std::fmt;

use miette::Diagnostic;

/// One thing wrong in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFault {
    /// From 1.
    pub line: u32,
    /// What was found.
    pub what: String,
    /// What should be there, or what to do.
    pub expected: String,
}

/// Why a text is no policy: all that is wrong in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyError {
    pub faults: Vec<PolicyFault>,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}. Expected: {}", self.line, self.what, self.expected)
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl PolicyError {
    /// One fault of the text as a whole.
    pub(super) fn whole(what: String, expected: &str) -> Self {
        Self { faults: vec![PolicyFault { line: 1, what, expected: expected.to_owned() }] }
    }
}

/// What Cedar found, at its place in `text`. `usual` is what to expect where Cedar does not say.
pub(super) fn of_cedar(text: &str, what: &str, usual: &str, found: &(impl Diagnostic + ?Sized)) -> PolicyFault {
    let label = found.labels().and_then(|mut labels| labels.next());
    let line = label.as_ref().map_or(1, |label| line_of(text, label.offset()));
    let expected = label.and_then(|label| label.label().map(str::to_owned)).filter(|label| !label.is_empty());
    let help = found.help().map(|help| help.to_string());
    let expected = expected.map(|label| label.trim_start_matches("expected ").to_owned()).or(help);
    PolicyFault { line, what: format!("{what}: {found}"), expected: expected.unwrap_or_else(|| usual.to_owned()) }
}

/// The line, from 1, in which a byte of the text stands.
pub(super) fn line_of(text: &str, offset: usize) -> u32 {
    let before = &text.as_bytes()[..offset.min(text.len())];
    before.iter().filter(|byte| **byte == b'\n').count() as u32 + 1
}
