//! Text as a person would read it off.

use mz_protocol::{Element, Position, Scene, States, Target};

use crate::ground::pick;
use crate::label::normal;
use crate::place::{anchors, is_beside};

/// The text of a field, a cell, or what stands beside a label; none when there is nothing to read.
pub fn read_text(scene: &Scene, target: &Target) -> Option<String> {
    let beside = target.positions.iter().find_map(|position| match position {
        Position::Beside(label) => Some(label),
        _ => None,
    });
    if let Some(label) = beside {
        if let Ok(element) = pick(scene, target)
            && target.label.is_some()
        {
            return text_of(element);
        }
        // What the worker looks at comes first: another window may bear the same label.
        let all: Vec<&Element> = scene.elements.iter().collect();
        let ahead: Vec<&Element> = all.iter().copied().filter(|element| is_ahead(scene, element)).collect();
        return [ahead, all].iter().find_map(|among| rest_of_line(among, label).or_else(|| nearest_right(scene, among, label)));
    }
    pick(scene, target).ok().and_then(text_of)
}

fn text_of(element: &Element) -> Option<String> {
    match (&element.value, element.name.as_str()) {
        _ if element.states.contains(States::SECRET) => None,
        (Some(value), _) => Some(value.clone()),
        // A sheet's cell is named by its address and a field by its label; an empty one reads as nothing.
        (None, _) if element.cell.is_some() || element.states.contains(States::EDITABLE) => Some(String::new()),
        (None, "") => None,
        (None, name) => Some(name.to_owned()),
    }
}

/// `Total: 12.50` in a text of many lines reads as `12.50`.
fn rest_of_line(among: &[&Element], label: &str) -> Option<String> {
    let wanted = normal(label);
    let lines = among.iter().flat_map(|element| {
        let text = element.value.as_deref().unwrap_or(&element.name);
        text.lines()
    });
    lines.map(str::trim).find_map(|line| {
        let lower = line.to_lowercase();
        let rest = lower.strip_prefix(&wanted)?;
        // Whole words only, and something must follow.
        if rest.starts_with(|letter: char| letter.is_alphanumeric()) {
            return None;
        }
        let kept = line.chars().rev().take(rest.chars().count()).collect::<String>().chars().rev().collect::<String>();
        let kept = kept.trim_start_matches([':', ' ', '\t', '.', '\u{a0}']).trim().to_owned();
        (!kept.is_empty()).then_some(kept)
    })
}

/// In the active window, or in none, as menus are.
fn is_ahead(scene: &Scene, element: &Element) -> bool {
    let window = element.window.and_then(|index| scene.windows.get(usize::from(index)));
    window.is_none() || window == scene.active_window()
}

fn nearest_right(scene: &Scene, among: &[&Element], label: &str) -> Option<String> {
    let labels: Vec<&Element> =
        anchors(scene, label).filter(|anchor| among.iter().any(|other| other.id == anchor.id)).collect();
    let right = |element: &&&Element| {
        labels.iter().any(|anchor| anchor.id != element.id && is_beside(anchor.bounds, element.bounds))
            && text_of(element).is_some()
    };
    let gap = |element: &&&Element| {
        labels.iter().filter(|a| is_beside(a.bounds, element.bounds)).map(|a| element.bounds.x.abs_diff(a.bounds.right())).min()
    };
    among.iter().filter(right).min_by_key(gap).and_then(|element| text_of(element))
}
