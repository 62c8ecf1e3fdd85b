//! Whether something can be seen to be true.

use mz_protocol::{Condition, LabelMatch, Role, Scene, States, Target};

use crate::ground::pick;
use crate::label::{fit, normal};

/// Looks at the scene; `files` answers whether a file of the worker's home exists and is not empty.
pub fn holds(scene: &Scene, condition: &Condition, files: &dyn Fn(&str) -> bool) -> bool {
    match condition {
        Condition::Appears { target } => appears(scene, target),
        Condition::Gone { target } => !appears(scene, target),
        Condition::Text { text } => shows(scene, text),
        Condition::NoText { text } => !shows(scene, text),
        Condition::Title { text } => scene.active_window().is_some_and(|window| letter_for_letter(&window.title, text)),
        Condition::Value { target, text } => pick(scene, target).is_ok_and(|element| {
            let wanted = normal(text);
            element.value.as_deref().map(normal).is_some_and(|value| value.contains(&wanted) || is_same_number(&value, &wanted))
                || normal(&element.name).contains(&wanted)
        }),
        Condition::File { path } => files(path),
        Condition::Not { condition } => !holds(scene, condition, files),
    }
}

/// A sheet tells `1621.5` of a cell that shows `1621.50`.
fn is_same_number(a: &str, b: &str) -> bool {
    matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

/// Titles say things with single signs, such as an asterisk for unsaved work: only case does not count.
fn letter_for_letter(title: &str, text: &str) -> bool {
    title.to_lowercase().contains(&text.to_lowercase())
}

/// Visible, be it once or more often.
fn appears(scene: &Scene, target: &Target) -> bool {
    if target.cell.is_some() {
        return pick(scene, target).is_ok();
    }
    if matches!(target.role, Some(Role::Window | Role::Dialog))
        && let Some(label) = &target.label
        && scene.windows.iter().any(|window| normal(&window.title).contains(&normal(label)))
    {
        return true;
    }
    match pick(scene, target) {
        Ok(_) => true,
        Err(lost) => !lost.candidates.is_empty() && lost.why.starts_with("there are"),
    }
}

fn shows(scene: &Scene, text: &str) -> bool {
    let wanted = normal(text);
    let in_titles = scene.windows.iter().any(|window| normal(&window.title).contains(&wanted));
    in_titles
        || scene
            .elements
            .iter()
            .any(|element| element.states.contains(States::VISIBLE) && fit(element, text, LabelMatch::Contains).is_some())
}
