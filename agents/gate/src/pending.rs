//! What stands in the line that is being typed, for each application of one worker.

use std::collections::BTreeMap;

use mz_protocol::{Action, Button, Modifiers, TypedText};

const LONGEST: usize = 4 * 1024;
const MOST: usize = 32;

#[derive(Debug, Clone, Default)]
struct Line {
    text: String,
    unknown: bool,
}

/// The text typed since the last Return, for one worker, told of each action that was let through. What an edit makes of the line is often not known (history, completion, paste, a cursor that
/// moved): then the line counts as unknown until the next Return, and the gate asks.
#[derive(Debug, Clone, Default)]
pub struct PendingText {
    lines: BTreeMap<String, Line>,
    /// Someone else typed: what stands in windows not seen since is not known either.
    strange: bool,
}

impl PendingText {
    pub fn new() -> Self {
        Self::default()
    }

    /// The text since the last Return in this application.
    pub fn text(&self, application: &str) -> &str {
        self.lines.get(application).map_or("", |line| &line.text)
    }

    /// Whether the line may hold something else than `text` says.
    pub fn is_unknown(&self, application: &str) -> bool {
        self.lines.get(application).map_or(self.strange, |line| line.unknown)
    }

    /// A person drove, or a word was cut in the middle: nothing is known of any line until its next Return.
    pub fn forget(&mut self) {
        self.lines.clear();
        self.strange = true;
    }

    /// Takes note of an action that was sent to this application.
    pub fn note(&mut self, application: &str, action: &Action) {
        let line = self.line(application);
        match action {
            Action::Type { text: TypedText::Plain(text) } => match text.rsplit_once(['\n', '\r']) {
                Some((_, rest)) => *line = Line { text: rest.to_owned(), unknown: has_controls(rest) },
                None => {
                    line.text.push_str(text);
                    line.unknown |= has_controls(text);
                }
            },
            Action::Type { text: TypedText::Secret(_) } => line.text.push('•'),
            Action::Key { chord } => line.key(&chord.key.0, chord.modifiers),
            // Pastes the selection.
            Action::Click { button: Button::Middle, .. } => line.unknown = true,
            // The focus may be elsewhere now.
            Action::Drag { .. } | Action::Click { .. } if !line.text.is_empty() => line.leave(),
            _ => {}
        }
        if line.text.len() > LONGEST {
            *line = Line { text: String::new(), unknown: true };
        }
    }

    fn line(&mut self, application: &str) -> &mut Line {
        if !self.lines.contains_key(application) && self.lines.len() >= MOST {
            self.lines.pop_first();
        }
        let unknown = self.strange;
        self.lines.entry(application.to_owned()).or_insert(Line { text: String::new(), unknown })
    }
}

/// A tabulator completes, others move the cursor.
pub(crate) fn has_controls(text: &str) -> bool {
    text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r'))
}

impl Line {
    fn leave(&mut self) {
        self.text.push(' ');
        self.unknown = true;
    }

    fn key(&mut self, key: &str, modifiers: Modifiers) {
        let plain = (modifiers - Modifiers::SHIFT).is_empty();
        let lower = key.to_ascii_lowercase();
        match lower.as_str() {
            "return" | "kp_enter" => *self = Self::default(),
            "c" | "j" | "m" | "o" if modifiers == Modifiers::CTRL => *self = Self::default(),
            "u" if modifiers == Modifiers::CTRL && !self.unknown => self.text.clear(),
            "backspace" if plain => {
                self.text.pop();
            }
            "space" if plain => self.text.push(' '),
            "escape" | "control_l" | "control_r" | "shift_l" | "shift_r" | "alt_l" | "alt_r" | "super_l" => {}
            one if plain && one.chars().count() == 1 => {
                if modifiers.contains(Modifiers::SHIFT) {
                    self.text.extend(key.chars().flat_map(char::to_uppercase));
                } else {
                    self.text.push_str(key);
                }
            }
            // Everything else may move the cursor, recall, complete or paste; named signs such as `slash` too.
            _ => self.leave(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Action {
        Action::Key { chord: text.parse().unwrap() }
    }

    fn typed(text: &str) -> Action {
        Action::Type { text: TypedText::Plain(text.to_owned()) }
    }

    #[test]
    fn a_line_gathers_until_return() {
        let mut pending = PendingText::new();
        pending.note("XTerm", &typed("git pu"));
        pending.note("Geany", &typed("other"));
        for one in ["s", "x", "BackSpace", "h"] {
            pending.note("XTerm", &key(one));
        }
        assert_eq!(pending.text("XTerm"), "git push");
        assert!(!pending.is_unknown("XTerm"));
        pending.note("XTerm", &key("Return"));
        assert_eq!((pending.text("XTerm"), pending.text("Geany")), ("", "other"));
    }

    #[test]
    fn what_may_change_the_line_makes_it_unknown() {
        for chord in ["Up", "Tab", "Ctrl+r", "Ctrl+Shift+v", "Left", "Shift+Insert"] {
            let mut pending = PendingText::new();
            pending.note("XTerm", &key(chord));
            assert!(pending.is_unknown("XTerm"), "{chord}");
            pending.note("XTerm", &key("Return"));
            assert!(!pending.is_unknown("XTerm"), "{chord}");
        }
    }
}
