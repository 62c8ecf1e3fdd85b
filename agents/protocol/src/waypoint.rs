//! One direction to the hand: what to do, on what, and how one sees that it is done.

use serde::{Deserialize, Serialize};

use crate::action::{Chord, TypedText};
use crate::ids::ProcedureId;
use crate::scene::Role;
use crate::time::Millis;

/// Where in a procedure a waypoint comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRef {
    pub procedure: ProcedureId,
    /// Line in SKILL.md, from 1.
    pub line: u32,
    /// Number of the step among all top-level steps, from 1.
    pub number: u32,
    pub of: u32,
    /// The step as written, its names filled in.
    pub text: String,
    /// The row that the outermost loop is at, where the step is inside of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
}

/// Row `at` of `of`, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    pub at: u32,
    pub of: u32,
}

impl StepRef {
    /// Share of the procedure's steps behind this one, 0 to 1000; the turns of a loop count.
    pub fn behind_permille(&self) -> u16 {
        let turns = self.turn.map_or(0, |turn| 1000 * turn.at.saturating_sub(1) / turn.of.max(1));
        let behind = (1000 * self.number.saturating_sub(1) + turns) / self.of.max(1);
        behind.min(1000) as u16
    }

    /// The same once this step has passed.
    pub fn passed_permille(&self) -> u16 {
        if self.turn.is_some() { self.behind_permille() } else { (1000 * self.number / self.of.max(1)).min(1000) as u16 }
    }
}

/// How a wanted label is compared with what an element says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum LabelMatch {
    /// Case, surrounding blanks, mnemonics and a trailing colon or ellipsis do not count.
    #[default]
    Equal,
    Contains,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// On the same line as the element with this label, to its right (or the field it labels).
    Beside(String),
    Below(String),
    Above(String),
    /// Inside the dialog, window or group with this label.
    In(String),
    /// The n-th match in reading order, from 1.
    Nth(u16),
    Last,
}

/// Whom a direction is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Target {
    pub role: Option<Role>,
    pub label: Option<String>,
    #[serde(default)]
    pub label_match: LabelMatch,
    #[serde(default)]
    pub positions: Vec<Position>,
    /// A spreadsheet cell by its address, such as `B7`.
    pub cell: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// Start a program, with a file or an address.
    Open {
        program: String,
        args: Vec<String>,
    },
    Click,
    RightClick,
    DoubleClick,
    /// Into the target, or where the focus is when there is none. `replace` selects what is there first.
    Type {
        text: TypedText,
        replace: bool,
    },
    Press {
        chord: Chord,
    },
    /// From the drop-down list or menu that is the target.
    Choose {
        option: String,
    },
    Select,
    Drag {
        to: Target,
    },
    ScrollTo,
    /// Reads the target's text into a name that later steps may use.
    Read {
        name: String,
    },
    WaitUntil,
    Check,
    /// Leaves a remark for the manager on the work order.
    Flag {
        remark: String,
    },
}

/// Something that can be seen to be true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Condition {
    /// An element like this is visible.
    Appears {
        target: Target,
    },
    Gone {
        target: Target,
    },
    /// Some visible text contains this.
    Text {
        text: String,
    },
    NoText {
        text: String,
    },
    /// The active window's title contains this.
    Title {
        text: String,
    },
    /// The target's value contains this.
    Value {
        target: Target,
        text: String,
    },
    /// A file of the worker's home exists and is not empty.
    File {
        path: String,
    },
    Not {
        condition: Box<Condition>,
    },
}

/// How much harm a step could do, as its procedure says. The gate judges on its own.
pub type WaypointRisk = crate::policy::Risk;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waypoint {
    /// Counts up within a work order; a newer one replaces an older one.
    pub version: u64,
    pub step: StepRef,
    pub verb: Verb,
    pub target: Option<Target>,
    /// For `WaitUntil` and `Check` it is the whole point.
    pub postcondition: Option<Condition>,
    pub timeout: Millis,
    pub risk: WaypointRisk,
    /// Why, in the worker's own words.
    pub reason: Option<String>,
}
