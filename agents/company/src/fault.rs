//! What is wrong in a company folder, said so that its author can mend it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// One thing wrong in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Path below the company folder.
    pub file: PathBuf,
    /// From 1; 0 where the fault is about the file as a whole.
    pub line: u32,
    /// What was found.
    pub what: String,
    /// What should be there, or what to do.
    pub expected: String,
}

impl Fault {
    pub fn new(file: impl AsRef<Path>, line: u32, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { file: file.as_ref().to_owned(), line, what: what.into(), expected: expected.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ", line {}", self.line)?;
        }
        write!(f, ": {}", self.what)?;
        if self.expected.is_empty() { Ok(()) } else { write!(f, ". Expected: {}", self.expected) }
    }
}

impl std::error::Error for Fault {}

/// The nearest of `known` to a word that is none of them, where one is near enough to be a slip.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words; two swapped neighbours count as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(40).collect(), b.chars().take(40).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_find_their_word() {
        let verbs = ["Open", "Click", "Type", "Press"];
        assert_eq!(nearest("Clikc", verbs), Some("Click"));
        assert_eq!(nearest("tpye", verbs), Some("Type"));
        assert_eq!(nearest("Teleport", verbs), None);
    }
}
