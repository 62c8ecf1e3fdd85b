//! From a raw reading to a scene. What comes in is the worker's word: bounded, checked, cut.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mz_protocol::{Element, ElementId, Rect, Role, Scene, Size, Source, States, Timestamp, WindowInfo};

use crate::raw::{RawNode, RawTree};

const MOST_ELEMENTS: usize = 4000;
const MOST_WINDOWS: usize = 64;
const LONGEST_NAME: usize = 256;
const LONGEST_VALUE: usize = 4096;
/// Ids of elements that are gone are forgotten beyond this many.
const MOST_KEYS: usize = 20_000;

/// Keeps the ids of one desktop's elements from one look to the next.
#[derive(Debug)]
pub struct SceneBuilder {
    size: Size,
    ids: HashMap<String, ElementId>,
    next: u64,
    last: Option<Arc<Scene>>,
}

impl SceneBuilder {
    pub fn new(size: Size) -> Self {
        Self { size, ids: HashMap::new(), next: 1, last: None }
    }

    /// The scene now; its version is that of the last one when nothing has changed.
    pub fn update(&mut self, tree: &RawTree, at: Timestamp) -> Arc<Scene> {
        if self.ids.len() > MOST_KEYS {
            // Only what is gone is forgotten: what is still there keeps its id.
            let there: HashSet<&str> = tree.nodes.iter().map(|node| node.path.as_str()).collect();
            self.ids.retain(|path, _| there.contains(path.as_str()));
        }
        let windows = self.windows(tree);
        let mut kept: Vec<(usize, Element)> = tree
            .nodes
            .iter()
            .enumerate()
            .filter_map(|(index, node)| self.element(node, &windows).map(|e| (index, e)))
            .collect();
        let truncated = tree.truncated || kept.len() > MOST_ELEMENTS;
        // Those that can be used come first, so that the cut takes the others.
        kept.sort_by_key(|(index, element)| (!element.states.contains(States::ENABLED), *index));
        kept.truncate(MOST_ELEMENTS);
        kept.sort_by_key(|(index, _)| *index);
        let ids: HashMap<usize, ElementId> = kept.iter().map(|(index, element)| (*index, element.id)).collect();
        let elements = kept
            .into_iter()
            .map(|(index, mut element)| {
                element.parent = kept_parent(tree, &ids, index);
                element
            })
            .collect();
        let focus = tree.focus.and_then(|index| ids.get(&(index as usize)).copied());
        let version = self.last.as_ref().map_or(0, |last| last.version);
        let mut scene = Scene { version, at, size: self.size, windows, elements, focus, truncated };
        let unchanged = self
            .last
            .as_ref()
            .is_some_and(|last| last.windows == scene.windows && last.elements == scene.elements && last.focus == scene.focus);
        if !unchanged {
            scene.version += 1;
        }
        let scene = Arc::new(scene);
        self.last = Some(Arc::clone(&scene));
        scene
    }

    fn windows(&self, tree: &RawTree) -> Vec<WindowInfo> {
        let window = |raw: &crate::raw::RawWindow| WindowInfo {
            title: cut(&raw.title, LONGEST_NAME),
            application: cut(&raw.application, LONGEST_NAME),
            // A window that is off the screen keeps its place in the list, since elements count on it.
            bounds: Rect::clipped(raw.x, raw.y, raw.w, raw.h, self.size).unwrap_or_default(),
            active: raw.active,
        };
        tree.windows.iter().take(MOST_WINDOWS).map(window).collect()
    }

    fn element(&mut self, node: &RawNode, windows: &[WindowInfo]) -> Option<Element> {
        let bounds = Rect::clipped(node.x, node.y, node.w, node.h, self.size)?;
        let states = states(node);
        if !states.contains(States::VISIBLE) {
            return None;
        }
        let role = role(&node.role);
        let value = node.value.as_ref().filter(|_| !states.contains(States::SECRET)).map(|value| cut(value, LONGEST_VALUE));
        let own = cut(&node.name, LONGEST_NAME);
        let name = match &node.labelled_by {
            Some(label) if own.is_empty() => cut(label, LONGEST_NAME),
            _ => own,
        };
        let id = match self.ids.get(&node.path) {
            Some(id) => *id,
            None => {
                let id = ElementId(self.next);
                self.next += 1;
                self.ids.insert(node.path.clone(), id);
                id
            }
        };
        let window = node.window.filter(|index| usize::from(*index) < windows.len());
        Some(Element {
            id,
            role,
            name,
            value,
            states,
            bounds,
            source: Source::Accessibility,
            window,
            parent: None,
            cell: node.cell,
        })
    }
}

/// The nearest ancestor that is in the scene. Parents come before their children, so this ends.
fn kept_parent(tree: &RawTree, ids: &HashMap<usize, ElementId>, index: usize) -> Option<ElementId> {
    let mut child = index;
    loop {
        let parent = tree.nodes.get(child)?.parent? as usize;
        if parent >= child {
            return None;
        }
        if let Some(id) = ids.get(&parent) {
            return Some(*id);
        }
        child = parent;
    }
}

fn cut(text: &str, most: usize) -> String {
    text.chars().filter(|letter| *letter != '\u{fffc}').take(most).collect()
}

fn states(node: &RawNode) -> States {
    let mut states = States::empty();
    for name in &node.states {
        states |= match name.as_str() {
            "showing" => States::VISIBLE,
            "enabled" | "sensitive" => States::ENABLED,
            "focused" => States::FOCUSED,
            "focusable" => States::FOCUSABLE,
            "selected" => States::SELECTED,
            "checked" | "pressed" => States::CHECKED,
            "expanded" => States::EXPANDED,
            "editable" => States::EDITABLE,
            "modal" => States::MODAL,
            "multi-line" | "multi line" => States::MULTILINE,
            _ => States::empty(),
        };
    }
    if node.role == "password text" {
        states |= States::SECRET | States::EDITABLE;
    }
    states
}

/// AT-SPI's role names, as `atk_role_get_name` gives them, in the words of the scene.
fn role(name: &str) -> Role {
    match name {
        "frame" | "window" => Role::Window,
        "dialog" | "file chooser" | "color chooser" | "font chooser" => Role::Dialog,
        "alert" | "notification" | "info bar" => Role::Alert,
        "push button" | "button" | "toggle button" | "push button menu" => Role::Button,
        "check box" | "switch" | "check menu item" => Role::Checkbox,
        "radio button" | "radio menu item" => Role::Radio,
        "text" | "entry" | "password text" | "autocomplete" | "editbar" | "search box" | "date editor" => Role::Textbox,
        "combo box" => Role::Combobox,
        "list" | "list box" => Role::Listbox,
        "list item" => Role::Option,
        "menu" | "popup menu" => Role::Menu,
        "menu item" | "tearoff menu item" => Role::Menuitem,
        "menu bar" => Role::Menubar,
        "page tab" => Role::Tab,
        "tool bar" => Role::Toolbar,
        "link" => Role::Link,
        "heading" => Role::Heading,
        "image" | "icon" | "desktop icon" | "canvas" | "image map" => Role::Image,
        "table" => Role::Table,
        "table row" => Role::Row,
        "table cell" | "table column header" | "table row header" | "column header" | "row header" => Role::Cell,
        "tree" | "tree table" => Role::Tree,
        "tree item" => Role::Treeitem,
        "slider" => Role::Slider,
        "spin button" => Role::Spinbutton,
        "progress bar" | "level bar" => Role::Progressbar,
        "scroll bar" => Role::Scrollbar,
        "document frame" | "document web" | "document text" | "document spreadsheet" | "document presentation" | "page" => {
            Role::Document
        }
        "terminal" => Role::Terminal,
        "label" | "static" | "paragraph" | "caption" | "text leaf" => Role::Text,
        "status bar" => Role::Statusbar,
        "tool tip" => Role::Tooltip,
        "panel" | "filler" | "section" | "form" | "grouping" | "split pane" | "scroll pane" | "layered pane" | "root pane"
        | "viewport" | "page tab list" | "article" | "landmark" | "block quote" | "internal frame" => Role::Group,
        _ => Role::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_object_keeps_its_id_for_as_long_as_it_is_seen(
            looks in prop::collection::vec(prop::collection::btree_set(0u16..40, 0..30), 1..12),
        ) {
            let mut builder = SceneBuilder::new(Size::DESKTOP);
            let mut known: HashMap<String, ElementId> = HashMap::new();
            let mut version = 0;
            for look in looks {
                let nodes = look.iter().rev().map(|n| node(&format!("p{n}"), "push button", &format!("p{n}"), 0)).collect();
                let scene = builder.update(&RawTree { nodes, ..RawTree::default() }, Timestamp(0));
                prop_assert!(scene.version >= version);
                version = scene.version;
                let ids: HashSet<ElementId> = scene.elements.iter().map(|element| element.id).collect();
                prop_assert_eq!(ids.len(), look.len(), "no two objects share an id");
                for element in &scene.elements {
                    prop_assert_eq!(*known.entry(element.name.clone()).or_insert(element.id), element.id);
                }
            }
        }
    }

    #[test]
    fn a_long_life_forgets_only_what_is_gone() {
        let mut builder = SceneBuilder::new(Size::DESKTOP);
        let look = |nodes: Vec<RawNode>| RawTree { nodes, ..RawTree::default() };
        let stays = node("stays", "push button", "Stays", 0);
        let first = builder.update(&look(vec![stays.clone()]), Timestamp(0)).elements[0].id;
        for round in 0..12 {
            let passing = (0..2000).map(|i| node(&format!("{round}/{i}"), "label", "x", 60));
            let scene = builder.update(&look(std::iter::once(stays.clone()).chain(passing).collect()), Timestamp(0));
            assert_eq!(scene.elements[0].id, first);
        }
        assert!(builder.ids.len() <= MOST_KEYS + 2001, "{} ids are kept", builder.ids.len());
    }

    fn node(path: &str, role: &str, name: &str, x: i32) -> RawNode {
        let states = ["showing", "enabled"].map(str::to_owned).to_vec();
        RawNode {
            path: path.into(),
            role: role.into(),
            name: name.into(),
            states,
            x,
            y: 10,
            w: 50,
            h: 20,
            ..RawNode::default()
        }
    }

    #[test]
    fn ids_stay_with_their_objects_and_the_version_counts_changes() {
        let mut builder = SceneBuilder::new(Size::DESKTOP);
        let mut tree = RawTree {
            nodes: vec![node("a", "push button", "One", 0), node("b", "push button", "Two", 60)],
            ..RawTree::default()
        };
        let first = builder.update(&tree, Timestamp(1));
        let again = builder.update(&tree, Timestamp(2));
        assert_eq!((first.version, again.version), (1, 1));
        tree.nodes.swap(0, 1);
        tree.nodes.insert(0, node("c", "label", "New", 0));
        let third = builder.update(&tree, Timestamp(3));
        assert_eq!(third.version, 2);
        let id = |scene: &Scene, name: &str| scene.elements.iter().find(|e| e.name == name).map(|e| e.id);
        assert_eq!((id(&first, "One"), id(&first, "Two")), (id(&third, "One"), id(&third, "Two")));
        assert!(id(&third, "New").is_some_and(|new| Some(new) != id(&first, "One") && Some(new) != id(&first, "Two")));
    }

    #[test]
    fn what_is_hidden_or_secret_stays_outside() {
        let mut builder = SceneBuilder::new(Size::DESKTOP);
        let mut hidden = node("h", "push button", "Hidden", i32::MIN);
        hidden.y = i32::MIN;
        let mut password = node("p", "password text", "Password", 10);
        password.value = Some("hunter2".into());
        let scene = builder.update(&RawTree { nodes: vec![hidden, password], ..RawTree::default() }, Timestamp(0));
        assert_eq!(scene.elements.len(), 1);
        assert_eq!(scene.elements[0].value, None);
        assert!(scene.elements[0].states.contains(States::SECRET));
    }

    #[test]
    fn parents_that_point_in_circles_do_no_harm() {
        let mut builder = SceneBuilder::new(Size::DESKTOP);
        let mut a = node("a", "panel", "A", 0);
        a.parent = Some(1);
        let mut b = node("b", "panel", "B", 0);
        b.parent = Some(1);
        let scene = builder.update(&RawTree { nodes: vec![a, b], focus: Some(99), ..RawTree::default() }, Timestamp(0));
        assert!(scene.elements.iter().all(|element| element.parent.is_none()));
    }

    #[test]
    fn a_cut_keeps_what_can_be_used() {
        let mut builder = SceneBuilder::new(Size::DESKTOP);
        let mut nodes: Vec<RawNode> = (0..MOST_ELEMENTS)
            .map(|i| RawNode { states: vec!["showing".into()], ..node(&format!("off{i}"), "push button", "Off", 0) })
            .collect();
        nodes.push(node("on", "push button", "On", 0));
        let scene = builder.update(&RawTree { nodes, ..RawTree::default() }, Timestamp(0));
        assert!(scene.truncated);
        assert_eq!(scene.elements.len(), MOST_ELEMENTS);
        assert!(scene.elements.iter().any(|element| element.name == "On"));
    }
}
