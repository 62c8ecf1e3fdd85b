//! What a hand does on a desktop. People and agents share these types.

use std::fmt;
use std::str::FromStr;

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use crate::geometry::Point;
use crate::time::Millis;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Button {
    #[default]
    Left,
    Middle,
    Right,
}

bitflags! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
    #[serde(transparent)]
    pub struct Modifiers: u8 {
        const SHIFT = 1;
        const CTRL = 2;
        const ALT = 4;
        const SUPER = 8;
    }
}

/// A key by the name of its X keysym (`Return`, `F5`, `a`, `eacute`, `Page_Down`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub String);

/// Keys pressed together, written `Ctrl+Shift+S`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Chord {
    pub modifiers: Modifiers,
    pub key: Key,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a key: write for example Return, Ctrl+S, Alt+F4, Page_Down")]
pub struct ChordError(String);

impl FromStr for Chord {
    type Err = ChordError;

    fn from_str(text: &str) -> Result<Self, ChordError> {
        let bad = || ChordError(text.chars().take(60).collect());
        let mut modifiers = Modifiers::empty();
        let (head, key) = match text.strip_suffix("++") {
            Some(head) => (head, "plus"),
            None => text.rsplit_once('+').unwrap_or(("", text)),
        };
        for part in head.split('+').filter(|part| !part.is_empty()) {
            modifiers |= match part.trim().to_ascii_lowercase().as_str() {
                "shift" => Modifiers::SHIFT,
                "ctrl" | "control" => Modifiers::CTRL,
                "alt" => Modifiers::ALT,
                "super" | "meta" => Modifiers::SUPER,
                _ => return Err(bad()),
            };
        }
        let key = match key.trim().to_ascii_lowercase().as_str() {
            "" => return Err(bad()),
            "enter" | "return" => "Return".to_owned(),
            "esc" | "escape" => "Escape".to_owned(),
            "tab" => "Tab".to_owned(),
            "space" => "space".to_owned(),
            "backspace" => "BackSpace".to_owned(),
            "delete" | "del" => "Delete".to_owned(),
            "home" => "Home".to_owned(),
            "end" => "End".to_owned(),
            "page_down" | "pagedown" => "Page_Down".to_owned(),
            "page_up" | "pageup" => "Page_Up".to_owned(),
            "up" | "down" | "left" | "right" | "insert" => {
                let lower = key.trim().to_ascii_lowercase();
                lower[..1].to_ascii_uppercase() + &lower[1..]
            }
            one if one.chars().count() == 1 => one.to_owned(),
            _ => key.trim().to_owned(),
        };
        if key.len() > 32 || !key.chars().all(|c| c.is_alphanumeric() || c == '_' || key.chars().count() == 1) {
            return Err(bad());
        }
        Ok(Self { modifiers, key: Key(key) })
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (flag, name) in
            [(Modifiers::CTRL, "Ctrl+"), (Modifiers::ALT, "Alt+"), (Modifiers::SHIFT, "Shift+"), (Modifiers::SUPER, "Super+")]
        {
            if self.modifiers.contains(flag) {
                f.write_str(name)?;
            }
        }
        f.write_str(&self.key.0)
    }
}

impl TryFrom<String> for Chord {
    type Error = ChordError;
    fn try_from(text: String) -> Result<Self, ChordError> {
        text.parse()
    }
}

impl From<Chord> for String {
    fn from(chord: Chord) -> Self {
        chord.to_string()
    }
}

/// Text to be typed. A secret is named here and looked up by the gate at the very end: its letters are
/// never in an action, an event or a model's input.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypedText {
    Plain(String),
    /// The name of a secret in the keyring.
    Secret(String),
}

impl TypedText {
    /// What may be shown and kept.
    pub fn shown(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Secret(name) => format!("•••• ({name})"),
        }
    }
}

/// One input sequence on a desktop.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// `count` is 1 for a click, 2 for a double click.
    Click {
        at: Point,
        button: Button,
        count: u8,
        modifiers: Modifiers,
    },
    Drag {
        from: Point,
        to: Point,
        button: Button,
    },
    /// In notches of the wheel; positive is down and right.
    Scroll {
        at: Point,
        dx: i16,
        dy: i16,
    },
    /// Pointer motion without a button; used by people who drive.
    Move {
        at: Point,
    },
    Type {
        text: TypedText,
    },
    Key {
        chord: Chord,
    },
    Wait {
        span: Millis,
    },
    /// Starts a program that the role lists, as a click in a start menu would. `args` are files or addresses.
    Launch {
        program: String,
        args: Vec<String>,
    },
}

impl Action {
    /// Where on the screen it lands, where it lands anywhere.
    pub fn place(&self) -> Option<Point> {
        match self {
            Self::Click { at, .. } | Self::Scroll { at, .. } | Self::Move { at } => Some(*at),
            Self::Drag { to, .. } => Some(*to),
            Self::Type { .. } | Self::Key { .. } | Self::Wait { .. } | Self::Launch { .. } => None,
        }
    }

    /// The keys, text or arguments of it, in one text; empty for what only the pointer does.
    pub fn input(&self) -> String {
        match self {
            Self::Type { text } => text.shown(),
            Self::Key { chord } => chord.to_string(),
            Self::Launch { args, .. } => format!("{args:?}"),
            Self::Click { .. } | Self::Drag { .. } | Self::Scroll { .. } | Self::Move { .. } | Self::Wait { .. } => {
                String::new()
            }
        }
    }

    /// The verb that policy rules and reports use.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Click { count: 2.., .. } => "double_click",
            Self::Click { button: Button::Right, .. } => "right_click",
            Self::Click { .. } => "click",
            Self::Drag { .. } => "drag",
            Self::Scroll { .. } => "scroll",
            Self::Move { .. } => "move",
            Self::Type { .. } => "type",
            Self::Key { .. } => "key",
            Self::Wait { .. } => "wait",
            Self::Launch { .. } => "launch",
        }
    }
}

/// What is known of an action after it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionResult {
    /// The screen or tree changed as expected.
    Confirmed,
    /// It was sent; nothing observable tells whether it took.
    Unverifiable,
    /// It was sent and nothing changed.
    NoOp,
    /// The engine died between sending and knowing. Never repeated blindly.
    OutcomeUnknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chords_read_as_people_write_them() {
        for (text, shown) in [
            ("ctrl+s", "Ctrl+s"),
            ("Enter", "Return"),
            ("Shift+Ctrl+T", "Ctrl+Shift+t"),
            ("Ctrl++", "Ctrl+plus"),
            ("F5", "F5"),
            ("down", "Down"),
        ] {
            assert_eq!(text.parse::<Chord>().map(|c| c.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for text in ["", "Hyper+x", "Ctrl+", "rm -rf /"] {
            assert!(text.parse::<Chord>().is_err(), "{text:?} was taken");
        }
    }
}
