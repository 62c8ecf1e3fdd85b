//! LibreOffice draws most of its controls itself and tells their place as if the menu bar, which is GTK's, were not
//! there: a click would land one menu bar too high, in a sheet on the wrong row. The panel of GTK that all of this is
//! drawn into knows its true place and has the same size, so the difference between the two is what is missing.

use mz_scene::RawNode;

/// How far a subtree is off.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Off {
    x: i32,
    y: i32,
}

/// Moves what stands in the wrong place. Nodes come parents first.
pub fn put_right(nodes: &mut [RawNode]) {
    let mut told: Vec<Option<Off>> = Vec::with_capacity(nodes.len());
    for index in 0..nodes.len() {
        let (before, rest) = nodes.split_at_mut(index);
        let Some(node) = rest.first_mut() else { break };
        let parent = node.parent.and_then(|parent| Some((before.get(parent as usize)?, told.get(parent as usize).copied()?)));
        let off = match parent {
            Some((parent, Some(off))) => Some(off).filter(|off| !is_embedded(node, parent, *off)),
            Some((parent, None)) if node.role == "root pane" => missing(node, parent),
            _ => None,
        };
        if let Some(off) = off {
            node.x = node.x.saturating_add(off.x);
            node.y = node.y.saturating_add(off.y);
        }
        told.push(off);
    }
}

fn missing(pane: &RawNode, panel: &RawNode) -> Option<Off> {
    let same_size = (pane.w, pane.h) == (panel.w, panel.h) && pane.w > 0 && pane.h > 0;
    let off = Off { x: panel.x.saturating_sub(pane.x), y: panel.y.saturating_sub(pane.y) };
    // More than a menu bar is something else.
    let small = |by: i32| (0..200).contains(&by);
    (same_size && small(off.x) && small(off.y) && off != Off { x: 0, y: 0 }).then_some(off)
}

/// Whether it is a control of GTK's again, such as an entry in a tool bar: those know their place. The parent has
/// been put right already, and an embedded control fills it.
fn is_embedded(node: &RawNode, parent: &RawNode, off: Off) -> bool {
    (node.x, node.y, node.w, node.h) == (parent.x, parent.y, parent.w, parent.h) && (off.x, off.y) != (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(role: &str, parent: Option<u32>, (x, y, w, h): (i32, i32, i32, i32)) -> RawNode {
        RawNode { role: role.into(), parent, x, y, w, h, ..RawNode::default() }
    }

    #[test]
    fn what_is_told_one_menu_bar_too_high_is_put_right_and_nothing_else() {
        // As LibreOffice 7.4 tells a window with a menu bar of 25 pixels.
        let mut nodes = vec![
            node("frame", None, (99, 30, 1002, 725)),
            node("panel", Some(0), (100, 75, 1000, 675)),
            node("root pane", Some(1), (100, 50, 1000, 675)),
            node("table cell", Some(2), (141, 188, 54, 17)),
            node("panel", Some(2), (104, 130, 162, 34)),
            node("panel", Some(4), (104, 155, 162, 34)),
            node("text", Some(5), (104, 155, 126, 34)),
            node("menu bar", Some(0), (100, 50, 976, 25)),
        ];
        put_right(&mut nodes);
        let places: Vec<i32> = nodes.iter().map(|node| node.y).collect();
        assert_eq!(places, [30, 75, 75, 213, 155, 155, 155, 50]);
        let right = nodes.clone();
        put_right(&mut nodes);
        assert_eq!(nodes, right, "what is right stays");
    }
}
