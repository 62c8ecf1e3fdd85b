//! Where things stand to each other: beside, below, above, inside.

use mz_protocol::{Element, LabelMatch, Position, Rect, Role, Scene};

use crate::label::fit;

/// A position with the elements that its label means, which are looked up once for all candidates.
pub struct Place<'a> {
    position: &'a Position,
    anchors: Vec<&'a Element>,
}

impl<'a> Place<'a> {
    pub fn new(scene: &'a Scene, position: &'a Position) -> Self {
        let anchors = match position {
            Position::Beside(label) | Position::Below(label) | Position::Above(label) | Position::In(label) => {
                anchors(scene, label).collect()
            }
            Position::Nth(_) | Position::Last => Vec::new(),
        };
        Self { position, anchors }
    }

    /// Whether an element stands there.
    pub fn holds(&self, scene: &Scene, element: &Element) -> bool {
        let mut anchors = self.anchors.iter();
        match self.position {
            Position::Beside(_) => anchors.any(|anchor| is_beside(anchor.bounds, element.bounds)),
            Position::Below(_) => anchors.any(|anchor| is_below(anchor.bounds, element.bounds)),
            Position::Above(_) => anchors.any(|anchor| is_below(element.bounds, anchor.bounds)),
            Position::In(label) => is_in(scene, element, label, &self.anchors),
            // Chosen from all that fit, later.
            Position::Nth(_) | Position::Last => true,
        }
    }

    /// How far an element is from the anchor that it stands beside, below or above.
    pub fn distance(&self, element: &Element) -> Option<u32> {
        match self.position {
            Position::Beside(_) | Position::Below(_) | Position::Above(_) => {
                let center = element.bounds.center();
                self.anchors.iter().map(|anchor| anchor.bounds.center().distance(center) as u32).min()
            }
            Position::In(_) | Position::Nth(_) | Position::Last => None,
        }
    }
}

/// Elements that bear a label, the exact ones if there are any.
pub fn anchors<'a>(scene: &'a Scene, label: &str) -> impl Iterator<Item = &'a Element> + use<'a> {
    let exact: Vec<&Element> =
        scene.elements.iter().filter(|element| fit(element, label, LabelMatch::Equal).is_some()).collect();
    let found = if exact.is_empty() {
        scene.elements.iter().filter(|element| fit(element, label, LabelMatch::Contains).is_some()).collect()
    } else {
        exact
    };
    found.into_iter()
}

/// On the same line, to the right.
pub fn is_beside(anchor: Rect, found: Rect) -> bool {
    let middle = found.center().y;
    let line = anchor.y.saturating_sub(4)..anchor.bottom().saturating_add(4);
    (line.contains(&middle) || (found.y..found.bottom()).contains(&anchor.center().y))
        && found.x.saturating_add(4) >= anchor.right()
}

fn is_below(anchor: Rect, found: Rect) -> bool {
    found.y.saturating_add(4) >= anchor.bottom() && found.x < anchor.right() && found.right() > anchor.x
}

fn is_in(scene: &Scene, element: &Element, label: &str, anchors: &[&Element]) -> bool {
    let mut parent = element.parent;
    for _ in 0..64 {
        let Some(found) = parent.and_then(|id| scene.element(id)) else { break };
        if fit(found, label, LabelMatch::Contains).is_some() {
            return true;
        }
        parent = found.parent;
    }
    let in_window = element.window.and_then(|index| scene.windows.get(usize::from(index)));
    if in_window.is_some_and(|window| window.title.to_lowercase().contains(&label.to_lowercase())) {
        return true;
    }
    // A group that the tree does not nest is told by its box.
    anchors.iter().any(|anchor| {
        matches!(anchor.role, Role::Group | Role::Dialog | Role::Window | Role::Toolbar | Role::Table | Role::Tree)
            && anchor.id != element.id
            && anchor.bounds.contains(element.bounds.center())
    })
}
