//! The words of the controlled language.

use mz_protocol::Role;

/// First words of a step, as they are written.
pub(crate) const VERBS: [&str; 20] = [
    "Open",
    "Click",
    "Right-click",
    "Double-click",
    "Type",
    "Press",
    "Choose",
    "Select",
    "Drag",
    "Scroll",
    "Read",
    "Wait",
    "Check",
    "Flag",
    "If",
    "Otherwise",
    "For",
    "Because",
    "Within",
    "Then",
];

/// What things on the screen are called; longer names come before those that begin alike.
pub(crate) const ROLES: [(&str, Role); 34] = [
    ("menu item", Role::Menuitem),
    ("menu bar", Role::Menubar),
    ("menu", Role::Menu),
    ("list item", Role::Option),
    ("list", Role::Listbox),
    ("drop-down list", Role::Combobox),
    ("drop-down", Role::Combobox),
    ("text field", Role::Textbox),
    ("text", Role::Text),
    ("tree item", Role::Treeitem),
    ("tree", Role::Tree),
    ("number field", Role::Spinbutton),
    ("check box", Role::Checkbox),
    ("radio button", Role::Radio),
    ("button", Role::Button),
    ("link", Role::Link),
    ("field", Role::Textbox),
    ("checkbox", Role::Checkbox),
    ("radio", Role::Radio),
    ("option", Role::Option),
    ("tab", Role::Tab),
    ("toolbar", Role::Toolbar),
    ("cell", Role::Cell),
    ("heading", Role::Heading),
    ("image", Role::Image),
    ("dialog", Role::Dialog),
    ("window", Role::Window),
    ("terminal", Role::Terminal),
    ("document", Role::Document),
    ("row", Role::Row),
    ("page", Role::Document),
    ("table", Role::Table),
    ("slider", Role::Slider),
    ("group", Role::Group),
];

/// Things of which a window usually has one, so that they need no name.
pub(crate) fn stands_alone(role: Role) -> bool {
    matches!(
        role,
        Role::Terminal
            | Role::Document
            | Role::Dialog
            | Role::Window
            | Role::Table
            | Role::Image
            | Role::Slider
            | Role::Text
            | Role::Listbox
            | Role::Toolbar
            | Role::Tree
    )
}

/// Keys with more than one letter that a step may press, by X keysym.
const KEYS: [&str; 33] = [
    "Return",
    "Escape",
    "Tab",
    "space",
    "BackSpace",
    "Delete",
    "Insert",
    "Home",
    "End",
    "Page_Up",
    "Page_Down",
    "Up",
    "Down",
    "Left",
    "Right",
    "Menu",
    "Print",
    "Pause",
    "plus",
    "minus",
    "comma",
    "period",
    "slash",
    "backslash",
    "semicolon",
    "colon",
    "equal",
    "bracketleft",
    "bracketright",
    "grave",
    "apostrophe",
    "underscore",
    "asterisk",
];

pub(crate) fn is_key(name: &str) -> bool {
    let function = name.strip_prefix('F').and_then(|number| number.parse::<u8>().ok()).is_some_and(|n| (1..=35).contains(&n));
    function || name.chars().count() == 1 || KEYS.contains(&name)
}

pub(crate) fn key_names() -> impl Iterator<Item = &'static str> {
    KEYS.into_iter().chain(["Enter", "Esc"])
}

/// `2nd`, `second`, `1st`; not `last`.
pub(crate) fn ordinal(word: &str) -> Option<u16> {
    const WRITTEN: [&str; 10] = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    let word = word.to_lowercase();
    if let Some(at) = WRITTEN.iter().position(|written| *written == word) {
        return Some(at as u16 + 1);
    }
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let ending = &word[digits.len()..];
    digits.parse().ok().filter(|number| *number > 0 && matches!(ending, "st" | "nd" | "rd" | "th"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ROLES;

    #[test]
    fn authors_read_the_names_that_the_parser_takes() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/procedures.md")).unwrap();
        let sentence = page.split("\nA thing is a ").nth(1).and_then(|rest| rest.split('.').next()).unwrap();
        let said = sentence.replace('\n', " ").replace(" or ", ", ");
        let said: BTreeSet<&str> = said.split(", ").collect();
        assert_eq!(said, ROLES.iter().map(|(words, _)| *words).collect());
    }
}
