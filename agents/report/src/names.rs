//! What ids are called, made safe to show.

use std::collections::BTreeMap;

use mz_protocol::{DepartmentId, Snapshot, WorkerId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerName {
    pub name: String,
    pub department: DepartmentId,
}

/// Events carry ids; people read names. An id without a name is shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    pub company: String,
    /// ISO 4217 code.
    pub currency: String,
    pub departments: BTreeMap<DepartmentId, String>,
    pub workers: BTreeMap<WorkerId, WorkerName>,
}

impl Names {
    /// The names as the console has them now.
    pub fn from_snapshot(snapshot: &Snapshot) -> Self {
        let company = snapshot.company.as_ref();
        Self {
            company: company.map(|c| c.name.clone()).unwrap_or_default(),
            currency: company.map(|c| c.currency.clone()).unwrap_or_default(),
            departments: company
                .map(|c| c.departments.iter().map(|d| (d.id.clone(), d.name.clone())).collect())
                .unwrap_or_default(),
            workers: snapshot
                .workers
                .iter()
                .map(|w| (w.id.clone(), WorkerName { name: w.name.clone(), department: w.department.clone() }))
                .collect(),
        }
    }

    pub(crate) fn department(&self, id: &DepartmentId) -> String {
        shown(self.departments.get(id).map_or(id.as_str(), String::as_str))
    }

    pub(crate) fn worker(&self, id: &WorkerId) -> String {
        shown(self.workers.get(id).map_or(id.as_str(), |w| w.name.as_str()))
    }

    pub(crate) fn department_of(&self, worker: &WorkerId) -> Option<&DepartmentId> {
        self.workers.get(worker).map(|w| &w.department)
    }
}

/// Longest text that a report shows, in characters.
const LONGEST: usize = 200;

/// Text as every export may show it: controls become spaces; marks that turn the reading direction, and what
/// XML cannot hold, become a visible replacement character, so that a title cannot dress up as another.
pub(crate) fn shown(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(LONGEST)
        .map(|c| match c {
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => '\u{fffd}',
            '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn marks_that_turn_the_text_are_seen() {
        assert_eq!(shown("a\u{202e}gpj.exe\n\u{7}b"), "a\u{fffd}gpj.exe  b");
        assert_eq!(shown(&"x".repeat(300)).chars().count(), 201);
    }
}
