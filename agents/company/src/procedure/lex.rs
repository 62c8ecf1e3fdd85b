//! A step's text as words, quoted texts and marks.

/// One piece of a sentence. `at` is its place in characters, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub kind: Kind,
    pub at: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Word(String),
    Quoted(String),
    Comma,
    Colon,
    Stop,
}

impl Token {
    /// As a fault quotes it.
    pub fn shown(&self) -> String {
        match &self.kind {
            Kind::Word(word) => word.clone(),
            Kind::Quoted(text) => format!("\"{text}\""),
            Kind::Comma => "a comma".to_owned(),
            Kind::Colon => "a colon".to_owned(),
            Kind::Stop => "the end of the sentence".to_owned(),
        }
    }
}

fn is_quote(letter: char) -> bool {
    matches!(letter, '"' | '“' | '”')
}

/// Fails with the place of a quote that is never closed.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, usize> {
    let letters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut i = 0;
    while i < letters.len() {
        let (letter, at) = (letters[i], i + 1);
        // A full stop, comma or colon ends a word only where a blank or the end follows.
        let ends = letters.get(i + 1).is_none_or(|next| next.is_whitespace());
        match letter {
            blank if blank.is_whitespace() => i += 1,
            quote if is_quote(quote) => {
                let (quoted, next) = quoted(&letters, i + 1).ok_or(at)?;
                found.push(Token { kind: Kind::Quoted(quoted), at });
                i = next;
            }
            ',' => {
                found.push(Token { kind: Kind::Comma, at });
                i += 1;
            }
            '.' | '!' if ends => {
                found.push(Token { kind: Kind::Stop, at });
                i += 1;
            }
            ':' if ends => {
                found.push(Token { kind: Kind::Colon, at });
                i += 1;
            }
            _ => {
                let (word, next) = word(&letters, i);
                found.push(Token { kind: Kind::Word(word), at });
                i = next;
            }
        }
    }
    Ok(found)
}

/// The text from `start` to the closing quote, and the place behind that. `\"`, `\\`, `\n` and `\t` are
/// a quote, a backslash, a new line and a tab.
fn quoted(letters: &[char], start: usize) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut i = start;
    while let Some(&letter) = letters.get(i) {
        if is_quote(letter) {
            return Some((text, i + 1));
        }
        let escaped = (letter == '\\').then(|| letters.get(i + 1)).flatten().and_then(|next| match next {
            '"' | '\\' => Some(*next),
            'n' => Some('\n'),
            't' => Some('\t'),
            _ => None,
        });
        text.push(escaped.unwrap_or(letter));
        i += if escaped.is_some() { 2 } else { 1 };
    }
    None
}

/// A run of letters without blanks; what stands between braces belongs together.
fn word(letters: &[char], start: usize) -> (String, usize) {
    let (mut i, mut depth) = (start, 0_usize);
    while let Some(&letter) = letters.get(i) {
        let ends = letters.get(i + 1).is_none_or(|next| next.is_whitespace());
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            blank if blank.is_whitespace() => break,
            quote if is_quote(quote) => break,
            ',' if i > start => break,
            '.' | ':' | '!' if ends && i > start => break,
            _ => {}
        }
        i += 1;
    }
    (letters[start..i].iter().collect(), i)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        tokens(text).unwrap().iter().map(Token::shown).collect()
    }

    #[test]
    fn marks_end_words_only_before_a_blank() {
        assert_eq!(shown("Press Ctrl+S."), ["Press", "Ctrl+S", "the end of the sentence"]);
        assert_eq!(shown("cell G{a.b + 1}."), ["cell", "G{a.b + 1}", "the end of the sentence"]);
        assert_eq!(shown("If {x.y} is “a \\\"b\\\"”:"), ["If", "{x.y}", "is", "\"a \"b\"\"", "a colon"]);
    }

    #[test]
    fn an_open_quote_is_found() {
        assert_eq!(tokens("Click the button \"Save."), Err(18));
    }
}
