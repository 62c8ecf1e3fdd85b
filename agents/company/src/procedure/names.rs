//! Names in braces: `{invoice.number}`, `{invoice.position+1}`. `{{x}}` stands for `{x}` itself.

/// One name in a text, with what is added to its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placeholder {
    pub name: String,
    pub plus: Option<i64>,
}

enum Piece<'a> {
    Text(&'a str),
    Name(Placeholder),
}

/// Whether a word can be a name: a letter, then letters, digits, `_`, and `-` or `.` between them.
pub(crate) fn is_name(word: &str) -> bool {
    word.len() <= 64
        && word.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && word.split(['.', '-']).all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

fn placeholder(inside: &str) -> Option<Placeholder> {
    let inside = inside.trim();
    // The last sign before digits alone is a sum; in `alt-text` the hyphen belongs to the name.
    if let Some(at) = inside.rfind(['+', '-'])
        && let Ok(number) = inside[at + 1..].trim().parse::<u32>()
    {
        let sign = if inside[at..].starts_with('-') { -1 } else { 1 };
        let name = inside[..at].trim();
        return is_name(name).then(|| Placeholder { name: name.to_owned(), plus: Some(sign * i64::from(number)) });
    }
    is_name(inside).then(|| Placeholder { name: inside.to_owned(), plus: None })
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        found.push(Piece::Text(before));
        if from.starts_with("{{") || from.starts_with("}}") {
            found.push(Piece::Text(&from[..1]));
            rest = &from[2..];
        } else if let Some(end) = from.find('}').filter(|_| from.starts_with('{'))
            && let Some(name) = placeholder(&from[1..end])
        {
            found.push(Piece::Name(name));
            rest = &from[end + 1..];
        } else {
            // A brace that holds no name is a brace: steps type program text too.
            found.push(Piece::Text(&from[..1]));
            rest = &from[1..];
        }
    }
    found.push(Piece::Text(rest));
    found
}

pub(crate) fn placeholders(text: &str) -> Vec<Placeholder> {
    pieces(text).into_iter().filter_map(|piece| if let Piece::Name(name) = piece { Some(name) } else { None }).collect()
}

/// Fills a text in. Fails with what is missing, in words.
pub(crate) fn fill(text: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Name(Placeholder { name, plus }) => {
                let found = value(&name).ok_or_else(|| format!("nothing is known by the name {{{name}}}"))?;
                match plus {
                    None => filled.push_str(&found),
                    Some(plus) => {
                        let sum = found.trim().parse::<i64>().ok().and_then(|number| number.checked_add(plus));
                        let sum =
                            sum.ok_or_else(|| format!("{{{name}}} is {found:?}, which is no whole number to add {plus} to"))?;
                        filled.push_str(&sum.to_string());
                    }
                }
            }
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_and_other_braces_stay() {
        let value = |name: &str| match name {
            "a.position" => Some("4".to_owned()),
            "alt-text" => Some("A boat".to_owned()),
            _ => None,
        };
        for (text, filled) in [
            ("G{a.position+1}", "G5"),
            ("{a.position - 1}", "3"),
            ("{alt-text}!", "A boat!"),
            ("return {\"a\": 1}", "return {\"a\": 1}"),
            ("{{a.position}}", "{a.position}"),
            ("{", "{"),
        ] {
            assert_eq!(fill(text, &value).as_deref(), Ok(filled), "{text}");
        }
        assert!(fill("{b}", &value).is_err_and(|why| why.contains("{b}")));
        assert!(fill("{alt-text+1}", &value).is_err_and(|why| why.contains("A boat")));
    }
}
