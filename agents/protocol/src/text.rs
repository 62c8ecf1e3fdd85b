//! Characters that do not show or that pose as others, spelled out for whoever reads them.

/// The text with every character that does not show, or that poses as another, written as `‹U+202E›`.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars() {
        if c.is_alphabetic() {
            word.push(c);
            continue;
        }
        push_word(&mut out, &word);
        word.clear();
        if is_hidden(c) { push_code(&mut out, c) } else { out.push(c) }
    }
    push_word(&mut out, &word);
    out
}

fn push_code(out: &mut String, c: char) {
    out.push_str(&format!("‹U+{:04X}›", u32::from(c)));
}

/// In a word of mixed scripts the letters that are not Latin are the ones that pose.
fn push_word(out: &mut String, word: &str) {
    if !is_mixed(word) && !word.chars().any(is_hidden) {
        return out.push_str(word);
    }
    let mixed = is_mixed(word);
    for c in word.chars() {
        if is_hidden(c) || mixed && script(c) != Some(Script::Latin) { push_code(out, c) } else { out.push(c) }
    }
}

/// Whether it holds characters that [`visible`] would spell out.
pub fn has_unusual(text: &str) -> bool {
    text.chars().any(is_hidden) || text.split(|c: char| !c.is_alphabetic()).any(is_mixed)
}

fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
        || matches!(u32::from(c),
            0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x2028..=0x202E
            | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0E | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0xE000..=0xF8FF
            | 0xE0000..=0xE0FFF | 0xF0000..=0x10FFFF)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Cherokee,
    Fullwidth,
    Mathematical,
}

fn script(c: char) -> Option<Script> {
    Some(match u32::from(c) {
        0x41..=0x5A | 0x61..=0x7A | 0xC0..=0x24F | 0x1E00..=0x1EFF => Script::Latin,
        0x370..=0x3FF | 0x1F00..=0x1FFF => Script::Greek,
        0x400..=0x52F => Script::Cyrillic,
        0x531..=0x587 => Script::Armenian,
        0x13A0..=0x13FD | 0xAB70..=0xABBF => Script::Cherokee,
        0xFF21..=0xFF5A => Script::Fullwidth,
        0x1D400..=0x1D7FF => Script::Mathematical,
        _ => return None,
    })
}

fn is_mixed(word: &str) -> bool {
    let mut first = None;
    word.chars().filter_map(script).any(|script| *first.get_or_insert(script) != script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_is_shown() {
        assert_eq!(visible("a\u{202e}b\u{200b}"), "a‹U+202E›b‹U+200B›");
        assert_eq!(visible("p\u{430}ypal über Москва"), "p‹U+0430›ypal über Москва");
        assert_eq!(visible("two\nlines\u{7}"), "two\nlines‹U+0007›");
    }
}
