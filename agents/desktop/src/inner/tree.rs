//! Reads the accessibility tree, from inside the sandbox. Only what shows is walked, many questions are on their way
//! at once, and a program that does not answer costs its own share of the time and no more.

mod calls;
mod cells;
mod lines;
mod office;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::join_all;
use mz_scene::{RawNode, RawTree};

use calls::{Bus, Object};
use cells::Sheets;

/// Children of one object that are looked at.
const MOST_CHILDREN: usize = 200;
/// More than this is no list that a person reads but a sheet: its visible cells are found by place.
const SHEET: i32 = 2000;
const DEEPEST: u16 = 48;
const MOST_NODES: usize = 6000;
/// Questions on their way at once.
const BATCH: usize = 256;
/// Bytes of names and values together: what is told must fit into one message.
const MOST_TEXT: usize = 1024 * 1024;
/// Of the deadline, what one program may take: a half. All are asked at once.
const SHARE: u32 = 2;

#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error("the accessibility bus does not answer: {0}")]
    Bus(String),
    #[error("the reader cannot start: {0}")]
    Runtime(#[from] std::io::Error),
}

pub struct TreeReader {
    runtime: tokio::runtime::Runtime,
    bus: Bus,
    sheets: RefCell<Sheets>,
}

/// An object that is still to be looked at.
struct Pending {
    object: Object,
    parent: Option<u32>,
    depth: u16,
}

impl TreeReader {
    /// Connects to the session's accessibility bus.
    pub fn connect() -> Result<Self, TreeError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let bus = runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(5), Bus::connect())
                .await
                .map_err(|_| TreeError::Bus("no answer within 5 s".to_owned()))?
                .map_err(|error| TreeError::Bus(error.to_string()))
        })?;
        Ok(Self { runtime, bus, sheets: RefCell::default() })
    }

    /// All programs' trees, without windows. What does not come within the deadline is left out, and said so.
    pub fn read(&mut self, deadline: Duration) -> Result<RawTree, TreeError> {
        let (bus, sheets) = (&self.bus, &self.sheets);
        self.runtime.block_on(async {
            let programs = tokio::time::timeout(deadline / SHARE, bus.programs())
                .await
                .map_err(|_| TreeError::Bus("the registry is silent".to_owned()))?
                .map_err(|error| TreeError::Bus(error.to_string()))?;
            let parts = join_all(programs.into_iter().map(|program| async move {
                let mut part = RawTree::default();
                let whole = tokio::time::timeout(deadline / SHARE, walk(bus, sheets, program, &mut part)).await.is_ok();
                part.truncated |= !whole;
                office::put_right(&mut part.nodes);
                part
            }))
            .await;
            let mut tree = RawTree::default();
            let mut text = 0;
            for part in parts {
                append(&mut tree, part, &mut text);
            }
            Ok(tree)
        })
    }
}

/// Breadth first, so that what is cut off by time or number lies deep.
async fn walk(bus: &Bus, sheets: &RefCell<Sheets>, program: Object, tree: &mut RawTree) {
    let mut open = VecDeque::new();
    for object in bus.all_children(&program, MOST_CHILDREN).await {
        open.push_back(Pending { object, parent: None, depth: 0 });
    }
    while !open.is_empty() {
        let batch: Vec<Pending> = open.drain(..open.len().min(BATCH)).collect();
        let looks = join_all(batch.iter().map(|pending| look(bus, sheets, pending))).await;
        for (pending, seen) in batch.into_iter().zip(looks) {
            let Some(seen) = seen else { continue };
            if tree.nodes.len() >= MOST_NODES {
                tree.truncated = true;
                return;
            }
            let index = tree.nodes.len() as u32;
            if seen.focused {
                tree.focus = Some(index);
            }
            tree.truncated |= seen.cut;
            tree.nodes.push(RawNode { parent: pending.parent, ..seen.node });
            for mut extra in seen.extra {
                extra.parent = Some(index);
                // The cell that has the focus, rather than its sheet.
                if extra.states.iter().any(|state| state == "focused") {
                    tree.focus = Some(tree.nodes.len() as u32);
                }
                tree.nodes.push(extra);
            }
            if pending.depth < DEEPEST {
                open.extend(seen.children.into_iter().map(|object| Pending {
                    object,
                    parent: Some(index),
                    depth: pending.depth + 1,
                }));
            }
        }
    }
}

/// What one look at an object gives.
struct Seen {
    node: RawNode,
    focused: bool,
    children: Vec<Object>,
    /// Lines or cells, which are told with their parent.
    extra: Vec<RawNode>,
    cut: bool,
}

async fn look(bus: &Bus, sheets: &RefCell<Sheets>, pending: &Pending) -> Option<Seen> {
    let object = &pending.object;
    let states = bus.states(object).await?;
    let has = |name: &str| states.iter().any(|state| state == name);
    // Frames of some programs do not say that they show; everything else that does not is skipped with all below it.
    if !has("showing") && pending.depth > 0 {
        return None;
    }
    let (role, name, extents, child_count) =
        tokio::join!(bus.role(object), bus.name(object), bus.extents(object), bus.child_count(object));
    let role = role?;
    let (x, y, w, h) = extents.unwrap_or((0, 0, 0, 0));
    let mut node = RawNode { path: object.key(), role, name, states, x, y, w, h, ..RawNode::default() };
    let focused = node.states.iter().any(|state| state == "focused");
    let mut seen = Seen { node: node.clone(), focused, children: Vec::new(), extra: Vec::new(), cut: false };
    if is_sheet(&node, child_count) {
        seen.extra = Sheets::visible(sheets, bus, object, &node).await;
        seen.cut = true;
        return Some(seen);
    }
    // LibreOffice keeps a second menu bar, of no height, behind the one that is seen.
    let is_seen = extents.is_none_or(|(_, _, w, h)| w > 0 && h > 0) || node.role != "menu bar";
    let children = async {
        match child_count > 0 && is_seen {
            true => bus.children(object, child_count, MOST_CHILDREN).await,
            false => Vec::new(),
        }
    };
    seen.cut = is_seen && child_count as usize > MOST_CHILDREN && child_count > 0;
    (seen.children, ()) = tokio::join!(children, describe(bus, object, &mut node, child_count));
    if lines::has_lines(&node) {
        seen.extra = lines::of(bus, object, &node).await;
    }
    seen.node = node;
    Some(seen)
}

/// Text, number and label, where they say something.
async fn describe(bus: &Bus, object: &Object, node: &mut RawNode, child_count: i32) {
    match node.role.as_str() {
        "password text" => {}
        "entry" | "text" | "terminal" | "spin button" | "combo box" | "document text" | "page" | "document frame"
        | "paragraph" | "static" | "label" | "status bar" | "table cell" | "section" | "heading" | "editbar" | "search box"
        | "autocomplete" => {
            // What is called what it says need not say it.
            if matches!(node.role.as_str(), "label" | "static") && !node.name.is_empty() {
                return;
            }
            // A text whose parts are told as children is not told twice.
            if child_count == 0 || matches!(node.role.as_str(), "entry" | "text" | "page" | "document frame" | "combo box") {
                node.value = bus.text(object, node.role == "terminal").await.filter(|text| *text != node.name);
            }
            // Lists of web pages have no text of their own but an option that is chosen.
            if node.role == "combo box" && node.value.as_ref().is_none_or(|text| text.trim_matches('\u{fffc}').is_empty()) {
                node.value = bus.chosen(object).await;
            }
        }
        "slider" | "progress bar" | "level bar" => node.value = bus.number(object).await,
        _ => {}
    }
    let is_field =
        matches!(node.role.as_str(), "entry" | "text" | "password text" | "combo box" | "spin button" | "slider" | "list box");
    if is_field && node.name.is_empty() {
        node.labelled_by = bus.label(object).await;
    }
}

fn is_sheet(node: &RawNode, child_count: i32) -> bool {
    matches!(node.role.as_str(), "table" | "document spreadsheet")
        && (!(0..=SHEET).contains(&child_count) || node.states.iter().any(|state| state == "manages-descendants"))
        && node.w > 0
}

/// Adds one program's part, as far as there is room. The focus is where the active window is, if that says so.
fn append(tree: &mut RawTree, part: RawTree, text: &mut usize) {
    let base = tree.nodes.len() as u32;
    let is_active = part.nodes.iter().any(|node| node.parent.is_none() && node.states.iter().any(|state| state == "active"));
    let focus = part.focus;
    tree.truncated |= part.truncated;
    for mut node in part.nodes {
        *text += node.name.len() + node.value.as_ref().map_or(0, String::len);
        if tree.nodes.len() >= MOST_NODES || *text > MOST_TEXT {
            tree.truncated = true;
            break;
        }
        node.parent = node.parent.map(|index| index + base);
        tree.nodes.push(node);
    }
    let focus = focus.map(|index| index + base).filter(|index| (*index as usize) < tree.nodes.len());
    if focus.is_some() && (is_active || tree.focus.is_none()) {
        tree.focus = focus;
    }
}
