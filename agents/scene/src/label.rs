//! How labels are compared: as a reader would, not as a program.

use mz_protocol::{Element, LabelMatch, Scene, States, Target};

/// Lower case, single blanks, without mnemonics (`_Save`, `Datei (&F)`), a trailing colon or an ellipsis.
pub fn normal(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut text = words.join(" ").to_lowercase();
    text.retain(|letter| !matches!(letter, '_' | '&' | '\u{200e}' | '\u{200f}'));
    text.trim_end_matches([':', '…', '*', ' ']).trim_end_matches("...").trim_end().to_owned()
}

/// How well an element's own name or value fits a wanted label; smaller is better.
pub fn fit(element: &Element, wanted: &str, how: LabelMatch) -> Option<u32> {
    let wanted = normal(wanted);
    let name = normal(&element.name);
    let value = element.value.as_deref().filter(|_| !element.states.contains(States::EDITABLE)).map(normal);
    if name == wanted || value.as_deref() == Some(wanted.as_str()) {
        return Some(0);
    }
    let contains = |text: &str| !wanted.is_empty() && text.contains(&wanted);
    if how == LabelMatch::Contains && (contains(&name) || element.value.as_deref().map(normal).is_some_and(|v| contains(&v))) {
        return Some(2);
    }
    None
}

/// The text that stands beside or above a field and names it, for fields whose program does not tie one to them.
pub fn labelled_by_place<'a>(scene: &'a Scene, field: &Element) -> Option<&'a Element> {
    use mz_protocol::Role;
    let is_label = |element: &&Element| matches!(element.role, Role::Text | Role::Heading) && !element.name.trim().is_empty();
    let near = |element: &Element| {
        let (a, b) = (element.bounds, field.bounds);
        let same_line = a.center().y >= b.y && a.center().y < b.bottom().max(b.y + 1);
        if same_line && a.right() <= b.x.saturating_add(4) {
            return Some(u32::from(b.x.saturating_sub(a.right())));
        }
        let above = a.bottom() <= b.y.saturating_add(4) && a.x < b.right() && a.right() > b.x;
        let gap = u32::from(b.y.saturating_sub(a.bottom()));
        (above && gap < 40).then_some(1000 + gap)
    };
    let closest = scene.elements.iter().filter(is_label).filter_map(|element| near(element).map(|gap| (gap, element)));
    closest.filter(|(gap, _)| *gap < 300 || (1000..1040).contains(gap)).min_by_key(|(gap, _)| *gap).map(|(_, element)| element)
}

/// How well an element fits what a target says of role and label.
pub fn fits(scene: &Scene, element: &Element, target: &Target) -> Option<u32> {
    let role_cost = match target.role {
        Some(role) => role_fit(element.role, role)?,
        None => 0,
    };
    let Some(wanted) = &target.label else { return Some(role_cost) };
    if let Some(cost) = fit(element, wanted, target.label_match) {
        return Some(role_cost + cost);
    }
    let is_field = element.states.contains(States::EDITABLE) || is_field(element.role);
    let label = is_field.then(|| labelled_by_place(scene, element)).flatten()?;
    fit(label, wanted, target.label_match).map(|cost| role_cost + cost + 4)
}

fn is_field(role: mz_protocol::Role) -> bool {
    use mz_protocol::Role;
    matches!(role, Role::Textbox | Role::Combobox | Role::Spinbutton | Role::Slider | Role::Listbox | Role::Checkbox)
}

/// Roles that people do not tell apart: a field may be a spin button, a link may look like a button.
fn role_fit(found: mz_protocol::Role, wanted: mz_protocol::Role) -> Option<u32> {
    use mz_protocol::Role;
    if found == wanted {
        return Some(0);
    }
    let alike: &[Role] = match wanted {
        Role::Textbox => &[Role::Combobox, Role::Spinbutton, Role::Terminal, Role::Document],
        Role::Button => &[Role::Link, Role::Menuitem, Role::Tab],
        Role::Link => &[Role::Button],
        Role::Option => &[Role::Menuitem, Role::Radio, Role::Checkbox, Role::Treeitem, Role::Cell],
        Role::Menu => &[Role::Menuitem, Role::Button, Role::Combobox],
        Role::Menuitem => &[Role::Menu, Role::Option],
        Role::Listbox => &[Role::Combobox, Role::Tree, Role::Table],
        Role::Combobox => &[Role::Listbox, Role::Button],
        Role::Dialog => &[Role::Window, Role::Alert],
        Role::Window => &[Role::Dialog],
        Role::Text => &[Role::Heading, Role::Statusbar, Role::Alert, Role::Document, Role::Textbox, Role::Cell],
        Role::Row => &[Role::Treeitem, Role::Cell],
        Role::Checkbox => &[Role::Menuitem, Role::Button],
        Role::Tab => &[Role::Button, Role::Link],
        Role::Document => &[Role::Text, Role::Textbox],
        Role::Terminal => &[Role::Textbox],
        Role::Image => &[Role::Other, Role::Button],
        _ => &[],
    };
    alike.iter().position(|role| *role == found).map(|place| 8 + place as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_compared_as_read() {
        for (a, b) in
            [("_Save", "save"), ("File name:", "File  Name"), ("Export…", "export"), ("Open...", "open"), ("Total *", "total")]
        {
            assert_eq!(normal(a), normal(b), "{a:?} and {b:?}");
        }
        assert_ne!(normal("Save"), normal("Save as"));
    }
}
