//! Whom a step is about: `the 2nd button "Close" in the dialog "Tip"`; and what can be seen to be so.

use mz_protocol::{Condition, LabelMatch, Position, Role, Target};

use super::lex::Kind;
use super::sentence::{Said, Sentence, complain};
use super::words::{ROLES, ordinal, stands_alone};
use crate::fault::nearest;

/// The role word at the cursor; the longest that fits.
fn role(sentence: &mut Sentence<'_>) -> Option<Role> {
    ROLES.iter().find(|(words, _)| sentence.word(words)).map(|(_, role)| *role)
}

fn role_words() -> String {
    let words: Vec<&str> = ROLES.iter().map(|(words, _)| *words).collect();
    format!("one of: {}", words.join(", "))
}

pub(crate) fn target(sentence: &mut Sentence<'_>) -> Said<Target> {
    let mut target = Target::default();
    sentence.any(&["the", "a", "an"]);
    if let Some(Kind::Word(word)) = sentence.peek() {
        if word.eq_ignore_ascii_case("last") {
            target.positions.push(Position::Last);
            sentence.skip();
        } else if let Some(number) = ordinal(word) {
            target.positions.push(Position::Nth(number));
            sentence.skip();
        }
    }
    let Some(role) = role(sentence) else {
        let hint = match sentence.peek() {
            Some(Kind::Word(word)) => nearest(word, ROLES.iter().map(|(words, _)| *words)),
            _ => None,
        };
        let hint = hint.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
        return complain(format!("{}, which is nothing on a screen", sentence.found()), role_words() + &hint);
    };
    target.role = Some(role);
    label(sentence, role, &mut target)?;
    positions(sentence, &mut target)?;
    let bare = target.label.is_none() && target.cell.is_none() && target.positions.is_empty();
    if bare && !stands_alone(role) {
        return complain("it is not said which one", "its label in quotes, as in: the button \"Save\"");
    }
    Ok(target)
}

fn label(sentence: &mut Sentence<'_>, role: Role, target: &mut Target) -> Said<()> {
    sentence.any(&["called", "named", "labelled"]);
    if let Some(text) = sentence.take_quoted() {
        target.label = Some(text);
    } else if role == Role::Cell
        && let Some(Kind::Word(word)) = sentence.peek()
        && !is_place_word(word)
    {
        if !is_address(word) {
            return complain(sentence.found(), "a cell's address such as B2, or G{invoice.position+1}");
        }
        target.cell = sentence.take_word();
    }
    // `the field containing "X"`, but not the condition `the field "Total" contains "5"`.
    if target.label.is_none() && sentence.word("containing") {
        target.label = Some(sentence.need_quoted("the text it contains", "the field containing \"Street\"")?);
        target.label_match = LabelMatch::Contains;
    }
    Ok(())
}

fn is_place_word(word: &str) -> bool {
    const WORDS: [&str; 22] = [
        "beside",
        "next",
        "below",
        "under",
        "above",
        "in",
        "inside",
        "on",
        "appears",
        "is",
        "disappears",
        "contains",
        "containing",
        "shows",
        "to",
        "as",
        "from",
        "does",
        "and",
        "with",
        "within",
        "into",
    ];
    WORDS.contains(&word.to_lowercase().as_str())
}

/// `B2`, `$B$2`, or with names in braces.
fn is_address(word: &str) -> bool {
    if word.contains('{') {
        return true;
    }
    let word = word.replace('$', "");
    let digits = word.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let letters = word.len() - digits.len();
    (1..=3).contains(&letters) && (1..=7).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

fn positions(sentence: &mut Sentence<'_>, target: &mut Target) -> Said<()> {
    loop {
        let before = sentence.clone();
        let make: fn(String) -> Position = if sentence.any(&["beside", "next to", "to the right of"]) {
            Position::Beside
        } else if sentence.any(&["below", "under"]) {
            Position::Below
        } else if sentence.word("above") {
            Position::Above
        } else if sentence.any(&["in", "inside", "on"]) {
            Position::In
        } else {
            return Ok(());
        };
        sentence.any(&["the", "a", "an"]);
        role(sentence);
        match sentence.take_quoted() {
            Some(text) => target.positions.push(make(text)),
            None => {
                let found = sentence.found();
                *sentence = before;
                return complain(found, "a label in quotes, as in: beside \"Total\", in the dialog \"Tip\"");
            }
        }
    }
}

const CONDITIONS: &str = "a condition such as: the text \"Saved\" is shown; the text \"Loading\" is gone; the window \"Payments\" \
                          appears; the title contains \"cart.py\"; the field \"Total\" contains \"5\"; the file \"out.png\" exists";

pub(crate) fn condition(sentence: &mut Sentence<'_>) -> Said<Condition> {
    let start = sentence.clone();
    sentence.word("the");
    if sentence.any(&["window title", "title of the window", "title"]) {
        let lacks = sentence.any(&["does not contain", "doesn't contain"]);
        if !lacks && !sentence.any(&["contains", "is"]) {
            return complain(sentence.found(), "\"contains\", as in: the title contains \"cart.py\"");
        }
        let text = sentence.need_quoted("the text", "the title contains \"cart.py\"")?;
        return Ok(negate(lacks, Condition::Title { text }));
    }
    if sentence.word("file") {
        let path = sentence.need_quoted("the file's path", "the file \"out.png\" exists")?;
        if sentence.word("exists") {
            return Ok(Condition::File { path });
        }
        if sentence.any(&["does not exist", "is gone"]) {
            return Ok(negate(true, Condition::File { path }));
        }
        return complain(sentence.found(), "\"exists\", as in: the file \"out.png\" exists");
    }
    *sentence = start;
    let target = target(sentence).map_err(|mut complaint| {
        complaint.expected = format!("{}. Or {CONDITIONS}", complaint.expected);
        complaint
    })?;
    about(sentence, target)
}

/// What is said of a target.
fn about(sentence: &mut Sentence<'_>, target: Target) -> Said<Condition> {
    if sentence.any(&["is not shown", "is not visible", "is gone", "disappears", "has gone", "is closed"]) {
        return Ok(match plain_text(&target) {
            Some(text) => Condition::NoText { text },
            None => Condition::Gone { target },
        });
    }
    if sentence.any(&["is shown", "is visible", "is there", "appears", "opens", "is open", "has appeared"]) {
        return Ok(match plain_text(&target) {
            Some(text) => Condition::Text { text },
            None => Condition::Appears { target },
        });
    }
    let lacks = sentence.any(&["does not contain", "doesn't contain", "is not"]);
    if lacks || sentence.any(&["contains", "shows", "is"]) {
        let text = sentence.need_quoted("the text", "the field \"Total\" contains \"5\"")?;
        return Ok(negate(lacks, Condition::Value { target, text }));
    }
    complain(sentence.found(), CONDITIONS)
}

/// `the text "Saved"` alone asks for any visible text that contains it.
fn plain_text(target: &Target) -> Option<String> {
    (target.role == Some(Role::Text) && target.positions.is_empty()).then(|| target.label.clone()).flatten()
}

fn negate(wanted: bool, condition: Condition) -> Condition {
    if wanted { Condition::Not { condition: Box::new(condition) } } else { condition }
}
