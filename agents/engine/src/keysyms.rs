//! X keysyms of the keys that chords may name. Numbers are those of `X11/keysymdef.h`.

use mz_protocol::Key;

const NAMED: [(&str, u32); 26] = [
    ("BackSpace", 0xff08),
    ("Tab", 0xff09),
    ("Return", 0xff0d),
    ("Pause", 0xff13),
    ("Escape", 0xff1b),
    ("Home", 0xff50),
    ("Left", 0xff51),
    ("Up", 0xff52),
    ("Right", 0xff53),
    ("Down", 0xff54),
    ("Page_Up", 0xff55),
    ("Page_Down", 0xff56),
    ("End", 0xff57),
    ("Print", 0xff61),
    ("Insert", 0xff63),
    ("Menu", 0xff67),
    ("KP_Enter", 0xff8d),
    ("Delete", 0xffff),
    ("Shift_L", 0xffe1),
    ("Control_L", 0xffe3),
    ("Alt_L", 0xffe9),
    ("Super_L", 0xffeb),
    ("space", 0x20),
    ("plus", 0x2b),
    ("minus", 0x2d),
    ("slash", 0x2f),
];

/// The keysym of a key by its X name or its one character.
pub fn keysym(key: &Key) -> Option<u32> {
    if let Some((_, keysym)) = NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(&key.0)) {
        return Some(*keysym);
    }
    if let Some(number) = key.0.strip_prefix(['F', 'f']).and_then(|digits| digits.parse::<u32>().ok())
        && (1..=24).contains(&number)
    {
        return Some(0xffbe + number - 1);
    }
    let mut letters = key.0.chars();
    match (letters.next(), letters.next()) {
        // Latin-1 keysyms are the code points; the others are marked as Unicode.
        (Some(letter), None) if (' '..='ÿ').contains(&letter) => Some(u32::from(letter)),
        (Some(letter), None) if !letter.is_control() => Some(0x0100_0000 | u32::from(letter)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_numbers_of_x11() {
        let of = |name: &str| keysym(&Key(name.to_owned()));
        assert_eq!((of("F1"), of("f12"), of("Return"), of("a")), (Some(0xffbe), Some(0xffc9), Some(0xff0d), Some(0x61)));
        assert_eq!((of("é"), of("€")), (Some(0xe9), Some(0x0100_20ac)));
        assert_eq!((of("Hyperdrive"), of(""), of("F99")), (None, None, None));
    }
}
