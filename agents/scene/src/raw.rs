//! What the program inside a desktop says of its windows and accessible objects, before anything is believed.

use serde::{Deserialize, Serialize};

/// A window as the X server knows it; coordinates are those of the screen, in pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct RawWindow {
    pub title: String,
    /// The second part of `WM_CLASS`.
    pub application: String,
    pub x: i32,
    pub y: i32,
    pub w: i32,
    pub h: i32,
    pub active: bool,
    /// As the desktop counts its processes; 0 where it is not known.
    pub pid: u32,
}

/// One accessible object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct RawNode {
    /// Bus name and object path, such as `:1.7/org/a11y/atspi/accessible/42`: the same object has the same
    /// path from one reading to the next.
    pub path: String,
    /// The AT-SPI role's name, such as `push button`.
    pub role: String,
    pub name: String,
    /// Text inside, or the number of a slider. Never given for a password.
    pub value: Option<String>,
    /// AT-SPI state names, such as `showing` or `read-only`.
    pub states: Vec<String>,
    pub x: i32,
    pub y: i32,
    pub w: i32,
    pub h: i32,
    /// Index into `RawTree::nodes`; always smaller than the node's own index.
    pub parent: Option<u32>,
    /// Index into `RawTree::windows`.
    pub window: Option<u16>,
    /// Row and column, from 0.
    pub cell: Option<(u32, u32)>,
    /// The text of the label that the program ties to this field.
    pub labelled_by: Option<String>,
}

/// One reading of a desktop. Windows are in stacking order, topmost first; nodes come parents first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct RawTree {
    pub windows: Vec<RawWindow>,
    pub nodes: Vec<RawNode>,
    /// Index into `nodes`.
    pub focus: Option<u32>,
    /// Something was left out: too many objects, or a program did not answer in time.
    pub truncated: bool,
}
