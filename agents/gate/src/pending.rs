//! What stands in the line that is being typed, for each application of one worker.

use std::collections::BTreeMap;

use mz_protocol::{Action, Button, Modifiers, TypedText};

const MOST: usize = 32;

/// What was typed into an application since the last Return.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    /// Something else than `text` may stand there.
    pub unknown: bool,
}

/// The longest line that is followed, in bytes.
pub(crate) const LONGEST: usize = 4 * 1024;

/// The text typed since the last Return, for one worker, told of each action that was let through. What an edit makes of the line is often not known (history, completion, paste, a cursor that
/// moved): then the line counts as unknown until the next Return, and the gate asks.
#[derive(Debug, Clone, Default)]
pub struct PendingText {
    lines: BTreeMap<String, Line>,
    /// Someone else typed: what stands in windows not seen since is not known either.
    strange: bool,
}

impl PendingText {
    /// What stands in the line of this application.
    pub fn of(&self, application: &str) -> Line {
        self.lines.get(application).cloned().unwrap_or(Line { text: String::new(), unknown: self.strange })
    }

    /// What was let through may not have arrived as it was noted, or was vetoed and still stands there.
    pub fn doubt(&mut self) {
        self.lines.values_mut().for_each(|line| line.unknown = true);
        self.strange = true;
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
            self.strange = true;
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
            "c" | "j" | "m" if modifiers == Modifiers::CTRL => *self = Self::default(),
            // Runs the line and brings the next one of the history.
            "o" if modifiers == Modifiers::CTRL => *self = Self { text: String::new(), unknown: true },
            "u" if modifiers == Modifiers::CTRL && !self.unknown => self.text.clear(),
            "backspace" if plain => {
                self.text.pop();
            }
            "space" if plain => self.text.push(' '),
            "escape" | "control_l" | "control_r" | "shift_l" | "shift_r" | "alt_l" | "alt_r" | "super_l" => {}
            one if one.chars().count() == 1 && modifiers.is_empty() => self.text.push_str(key),
            // What Shift makes of a digit or a sign is the keyboard's affair.
            one if modifiers == Modifiers::SHIFT && one.chars().count() == 1 && one.chars().all(char::is_alphabetic) => {
                self.text.extend(key.chars().flat_map(char::to_uppercase));
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
        let mut pending = PendingText::default();
        pending.note("XTerm", &typed("git pu"));
        pending.note("Geany", &typed("other"));
        for one in ["s", "x", "BackSpace", "h"] {
            pending.note("XTerm", &key(one));
        }
        assert_eq!(pending.of("XTerm"), Line { text: "git push".into(), unknown: false });
        pending.note("XTerm", &key("Return"));
        assert_eq!((&*pending.of("XTerm").text, &*pending.of("Geany").text), ("", "other"));
    }

    #[test]
    fn a_doubted_line_keeps_its_text_until_it_is_run_or_given_up() {
        let mut pending = PendingText::default();
        pending.note("XTerm", &typed("curl x"));
        pending.doubt();
        pending.note("XTerm", &typed("ls"));
        assert_eq!(pending.of("XTerm"), Line { text: "curl xls".into(), unknown: true });
        assert!(pending.of("Konsole").unknown);
        pending.note("XTerm", &key("Ctrl+c"));
        assert_eq!(pending.of("XTerm"), Line::default());
        pending.note("XTerm", &key("Shift+a"));
        assert_eq!(pending.of("XTerm"), Line { text: "A".into(), unknown: false });
        pending.note("XTerm", &key("Ctrl+o"));
        assert!(pending.of("XTerm").unknown);
    }

    #[test]
    fn what_may_change_the_line_makes_it_unknown() {
        for chord in ["Up", "Tab", "Ctrl+r", "Ctrl+Shift+v", "Left", "Shift+Insert", "Shift+7", "Shift+."] {
            let mut pending = PendingText::default();
            pending.note("XTerm", &key(chord));
            assert!(pending.of("XTerm").unknown, "{chord}");
            pending.note("XTerm", &key("Return"));
            assert!(!pending.of("XTerm").unknown, "{chord}");
        }
    }
}
