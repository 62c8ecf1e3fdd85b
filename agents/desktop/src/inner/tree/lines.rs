//! Pages of text, line by line, so that what stands on them can be found by place.

use futures_util::future::join_all;
use mz_scene::RawNode;

use super::calls::{Bus, Object};

const MOST_LINES: usize = 160;

/// Pages are one object to the program, and many lines to a reader.
pub fn has_lines(node: &RawNode) -> bool {
    matches!(node.role.as_str(), "page" | "document text" | "document frame")
        && node.value.as_ref().is_some_and(|text| text.contains('\n'))
}

/// The visible lines of a page, each with its box.
pub async fn of(bus: &Bus, object: &Object, page: &RawNode) -> Vec<RawNode> {
    let Some(text) = &page.value else { return Vec::new() };
    let mut at = 0;
    let mut spans = Vec::new();
    for line in text.split('\n') {
        let length = line.chars().count() as i32;
        if !line.trim().is_empty() && spans.len() < MOST_LINES {
            spans.push((at, at + length, line.trim().to_owned()));
        }
        at += length + 1;
    }
    let places = join_all(spans.iter().map(|(from, to, _)| bus.range(object, *from, *to))).await;
    let lines = spans.into_iter().zip(places).filter_map(|((from, _, line), place)| {
        let (x, y, w, h) = place?;
        Some(RawNode {
            path: format!("{}#{from}", page.path),
            role: "static".to_owned(),
            name: line,
            states: page.states.iter().filter(|state| *state == "showing" || *state == "enabled").cloned().collect(),
            x,
            y,
            w,
            h,
            ..RawNode::default()
        })
    });
    lines.collect()
}
