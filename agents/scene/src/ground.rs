//! From a direction to a place on the screen.

use mz_protocol::{Element, ElementId, Point, Position, Rect, Role, Scene, Size, States, Target, Waypoint};

use crate::label::{fit, fits};
use crate::place::Place;

/// A region reaches this far around its element, and no further than this from the point, in pixels.
const MARGIN: u16 = 24;
const WIDEST: (u16, u16) = (200, 100);

/// A target on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub element: Option<ElementId>,
    /// Where to click.
    pub point: Point,
    /// What an approval of an action here looks at.
    pub region: Rect,
}

/// Why there is no such target, in words for a manager.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotFound {
    pub why: String,
    /// What was near: names of elements.
    pub candidates: Vec<String>,
}

pub type Grounded = Found;
pub type Lost = NotFound;

/// Finds what a waypoint is about. The action model is a second one of these.
pub trait Ground: Send {
    fn ground(&self, scene: &Scene, waypoint: &Waypoint) -> Result<Grounded, Lost>;
}

/// By role, label and position.
#[derive(Debug, Default, Clone, Copy)]
pub struct RuleGround;

impl Ground for RuleGround {
    fn ground(&self, scene: &Scene, waypoint: &Waypoint) -> Result<Grounded, Lost> {
        match &waypoint.target {
            Some(target) => find(scene, target),
            None => Err(NotFound { why: "the step does not say on what".to_owned(), candidates: Vec::new() }),
        }
    }
}

/// Finds a target; several that fit equally well are an error, never a guess.
pub fn find(scene: &Scene, target: &Target) -> Result<Found, NotFound> {
    let element = pick(scene, target)?;
    let point = clickable(element);
    if let Some(cover) = covered_by(scene, element, point) {
        let why = format!("{} is covered by the window \u{201c}{cover}\u{201d}", name_of(target));
        return Err(NotFound { why, candidates: vec![element.name.clone()] });
    }
    Ok(Found { element: Some(element.id), point, region: region(element.bounds, point, scene.size) })
}

/// The one element that a target means.
pub(crate) fn pick<'a>(scene: &'a Scene, target: &Target) -> Result<&'a Element, NotFound> {
    if let Some(address) = &target.cell {
        return cell(scene, address);
    }
    let places: Vec<Place<'_>> = target.positions.iter().map(|position| Place::new(scene, position)).collect();
    let mut found: Vec<(u32, &Element)> = scene
        .elements
        .iter()
        .filter(|element| element.states.contains(States::VISIBLE))
        .filter_map(|element| fits(scene, element, target).map(|cost| (cost, element)))
        .filter(|(_, element)| places.iter().all(|place| place.holds(scene, element)))
        .map(|(cost, element)| (cost + penalty(scene, element), element))
        .collect();
    if found.is_empty() {
        return Err(missing(scene, target));
    }
    if let Some(place) = target.positions.iter().find(|p| matches!(p, Position::Nth(_) | Position::Last)) {
        return nth(found, place, target);
    }
    nearest_first(&places, &mut found);
    let (best, first) = found[0];
    // Parents and children often carry the same name: the smallest box of those at one place is meant.
    let rivals: Vec<&Element> = found
        .iter()
        .filter(|(cost, other)| *cost == best && !overlaps(first.bounds, other.bounds))
        .map(|(_, element)| *element)
        .collect();
    if rivals.is_empty() || has_anchor(target) {
        return Ok(first);
    }
    let candidates: Vec<String> =
        std::iter::once(first).chain(rivals).map(|e| format!("{} at {},{}", e.name, e.bounds.x, e.bounds.y)).collect();
    let why = format!("there are {} of {}, and the step does not say which", candidates.len(), name_of(target));
    Err(NotFound { why, candidates })
}

/// Cheapest first, then nearest to the anchor, then the smallest box, then in reading order.
fn nearest_first(places: &[Place<'_>], found: &mut [(u32, &Element)]) {
    found.sort_by_cached_key(|(cost, element)| {
        let distance = places.iter().filter_map(|place| place.distance(element)).min().unwrap_or(0);
        (*cost, distance, element.bounds.area(), element.bounds.y, element.bounds.x)
    });
}

fn has_anchor(target: &Target) -> bool {
    target.positions.iter().any(|position| matches!(position, Position::Beside(_) | Position::Below(_) | Position::Above(_)))
}

fn overlaps(a: Rect, b: Rect) -> bool {
    a.intersection(b).is_some_and(|both| both.area() * 2 >= a.area().min(b.area()))
}

/// What makes an element less likely to be meant.
fn penalty(scene: &Scene, element: &Element) -> u32 {
    let mut cost = 0;
    if !element.states.contains(States::ENABLED) {
        cost += 64;
    }
    let window = element.window.and_then(|index| scene.windows.get(usize::from(index)));
    let active = scene.active_window();
    if let (Some(window), Some(active)) = (window, active)
        && window != active
    {
        cost += 128;
    }
    cost
}

fn nth<'a>(mut found: Vec<(u32, &'a Element)>, place: &Position, target: &Target) -> Result<&'a Element, NotFound> {
    let best = found.iter().map(|(cost, _)| *cost).min().unwrap_or(0);
    found.retain(|(cost, _)| *cost == best);
    found.sort_by_key(|(_, element)| (element.bounds.y, element.bounds.x));
    let count = found.len();
    let index = match place {
        Position::Nth(number) => usize::from(*number).checked_sub(1),
        _ => count.checked_sub(1),
    };
    index.and_then(|index| found.get(index)).map(|(_, element)| *element).ok_or_else(|| NotFound {
        why: format!("there are only {count} of {}", name_of(target)),
        candidates: found.iter().map(|(_, element)| element.name.clone()).collect(),
    })
}

/// A cell by its address, among the visible ones.
fn cell<'a>(scene: &'a Scene, address: &str) -> Result<&'a Element, NotFound> {
    let wanted = parse_cell(address);
    let is_it = |element: &&Element| element.cell.is_some() && element.cell == wanted;
    scene
        .elements
        .iter()
        .find(is_it)
        .ok_or_else(|| NotFound { why: format!("the cell {address} is not on the screen"), candidates: Vec::new() })
}

/// Row and column from 0 of an address such as `B7`.
fn parse_cell(address: &str) -> Option<(u32, u32)> {
    let split = address.find(|letter: char| letter.is_ascii_digit())?;
    let (letters, digits) = address.split_at(split);
    if letters.is_empty() || letters.len() > 3 || !letters.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let column = letters.bytes().fold(0u32, |sum, b| sum * 26 + u32::from(b.to_ascii_uppercase() - b'A') + 1);
    Some((digits.parse::<u32>().ok()?.checked_sub(1)?, column - 1))
}

/// The middle, but of wide things a place near their start: links and texts may end anywhere.
fn clickable(element: &Element) -> Point {
    let bounds = element.bounds;
    let wide = bounds.width > 400 && matches!(element.role, Role::Link | Role::Text | Role::Row | Role::Treeitem);
    if wide { Point::new(bounds.x + 40, bounds.center().y) } else { bounds.center() }
}

fn covered_by<'a>(scene: &'a Scene, element: &Element, point: Point) -> Option<&'a str> {
    let own = scene.windows.get(usize::from(element.window?))?;
    let top = scene.window_at(point)?;
    // Menus and lists of a window are windows of their own, of the same application.
    (top != own && top.application != own.application).then_some(top.title.as_str())
}

fn region(bounds: Rect, point: Point, screen: Size) -> Rect {
    let around = Rect::clipped(
        i32::from(point.x) - i32::from(WIDEST.0),
        i32::from(point.y) - i32::from(WIDEST.1),
        i32::from(WIDEST.0) * 2,
        i32::from(WIDEST.1) * 2,
        screen,
    );
    around.and_then(|around| around.intersection(bounds.grown(MARGIN, screen))).unwrap_or(bounds)
}

fn missing(scene: &Scene, target: &Target) -> NotFound {
    let mut candidates: Vec<String> = scene
        .elements
        .iter()
        .filter(|element| target.role.is_none_or(|role| element.role == role) && !element.name.is_empty())
        .map(|element| element.name.clone())
        .collect();
    candidates.dedup();
    candidates.truncate(12);
    let elsewhere =
        target.label.as_ref().and_then(|label| scene.elements.iter().find(|e| fit(e, label, target.label_match).is_some()));
    let hint = elsewhere.map_or_else(String::new, |e| format!(" (there is a {:?} of that name)", e.role).to_lowercase());
    NotFound { why: format!("I cannot find {}{hint}", name_of(target)), candidates }
}

fn name_of(target: &Target) -> String {
    let role = target.role.map(|role| format!("{role:?}").to_lowercase());
    match (&target.cell, role, &target.label) {
        (Some(cell), _, _) => format!("the cell {cell}"),
        (_, Some(role), Some(label)) => format!("the {role} \u{201c}{label}\u{201d}"),
        (_, None, Some(label)) => format!("\u{201c}{label}\u{201d}"),
        (_, Some(role), None) => format!("a {role}"),
        _ => "it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_addresses_count_from_zero_inside() {
        assert_eq!(parse_cell("A1"), Some((0, 0)));
        assert_eq!(parse_cell("AA10"), Some((9, 26)));
        for bad in ["", "7", "B", "B0", "B-1", "ABCD1"] {
            assert_eq!(parse_cell(bad), None, "{bad}");
        }
    }
}
