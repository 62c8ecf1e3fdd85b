//! What is on a screen, as elements.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use crate::geometry::{Rect, Size};
use crate::ids::ElementId;
use crate::time::Timestamp;

/// What kind of thing an element is. The names are those of ARIA, where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Window,
    Dialog,
    Button,
    Checkbox,
    Radio,
    Textbox,
    Combobox,
    Listbox,
    Option,
    Menu,
    Menuitem,
    Menubar,
    Tab,
    Toolbar,
    Link,
    Heading,
    Image,
    Table,
    Row,
    Cell,
    Tree,
    Treeitem,
    Slider,
    Spinbutton,
    Progressbar,
    Scrollbar,
    Document,
    Terminal,
    Text,
    Statusbar,
    Alert,
    Tooltip,
    Group,
    Other,
}

bitflags! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
    #[serde(transparent)]
    pub struct States: u16 {
        const VISIBLE = 1;
        const ENABLED = 2;
        const FOCUSED = 4;
        const FOCUSABLE = 8;
        const SELECTED = 16;
        const CHECKED = 32;
        const EXPANDED = 64;
        const EDITABLE = 128;
        /// Its value is a password: never read, never shown.
        const SECRET = 256;
        const MODAL = 512;
        const MULTILINE = 1024;
    }
}

/// Who says that the element is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Accessibility,
    Pixels,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    pub id: ElementId,
    pub role: Role,
    /// At most 256 characters.
    pub name: String,
    /// Text or value inside; at most 4096 characters.
    pub value: Option<String>,
    pub states: States,
    pub bounds: Rect,
    pub source: Source,
    /// Index into `Scene::windows`.
    pub window: Option<u16>,
    pub parent: Option<ElementId>,
    /// Row and column, for cells, from 0.
    pub cell: Option<(u32, u32)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowInfo {
    pub title: String,
    /// The second part of `WM_CLASS`, such as `Chromium`: what policy calls the application.
    pub application: String,
    pub bounds: Rect,
    pub active: bool,
}

/// One look at a desktop. Windows are in stacking order, topmost first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// Counts up with every change that was seen on this desktop.
    pub version: u64,
    pub at: Timestamp,
    pub size: Size,
    pub windows: Vec<WindowInfo>,
    pub elements: Vec<Element>,
    pub focus: Option<ElementId>,
    /// The tree was longer than what is passed out; visible and enabled elements came first.
    pub truncated: bool,
}

impl Scene {
    pub fn element(&self, id: ElementId) -> Option<&Element> {
        self.elements.iter().find(|element| element.id == id)
    }

    pub fn active_window(&self) -> Option<&WindowInfo> {
        self.windows.iter().find(|window| window.active).or_else(|| self.windows.first())
    }

    /// The topmost window at a pixel.
    pub fn window_at(&self, point: crate::Point) -> Option<&WindowInfo> {
        self.windows.iter().find(|window| window.bounds.contains(point))
    }
}
