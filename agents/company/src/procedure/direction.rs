//! One step that does something: `Click the button "Save", then the text "Saved" is shown. Because "…".`

use mz_protocol::{Chord, Condition, Millis, Role, Target, TypedText, Verb};

use super::lex::Kind;
use super::names::is_name;
use super::sentence::{Said, Sentence, complain};
use super::target::{condition, target};
use super::words::{VERBS, is_key, key_names};
use super::{Compare, Direction, LoopSource, Test};
use crate::fault::nearest;

/// How long a step may take where it does not say.
const USUAL: Millis = Millis(15_000);
/// Programs that start cold and waits for them.
const LONG: Millis = Millis(60_000);
const LONGEST: u64 = 3600;

/// What a step says, before its nested list is known.
pub(crate) enum Meaning {
    Do(Direction),
    If(Test),
    Otherwise,
    ForEach(LoopSource, String),
}

type Core = (Verb, Option<Target>, Option<Condition>);

pub(crate) fn step(sentence: &mut Sentence<'_>) -> Said<Meaning> {
    if sentence.word("if") {
        let test = test(sentence)?;
        opens_list(sentence, "If the text \"Recover\" is shown:")?;
        return Ok(Meaning::If(test));
    }
    if sentence.any(&["otherwise", "else"]) {
        opens_list(sentence, "Otherwise:")?;
        return Ok(Meaning::Otherwise);
    }
    if sentence.any(&["for each", "for every"]) {
        let (source, name) = for_each(sentence)?;
        opens_list(sentence, "For each row of \"texts.csv\" as banner:")?;
        return Ok(Meaning::ForEach(source, name));
    }
    let (verb, target, condition) = core(sentence)?;
    let mut direction = Direction {
        timeout: if matches!(verb, Verb::Open { .. } | Verb::WaitUntil) { LONG } else { USUAL },
        verb,
        target,
        postcondition: condition,
        reason: None,
    };
    endings(sentence, &mut direction)?;
    Ok(Meaning::Do(direction))
}

fn opens_list(sentence: &mut Sentence<'_>, example: &str) -> Said<()> {
    // `If …, then:` reads well too.
    sentence.mark(&Kind::Comma);
    sentence.word("then");
    if !sentence.mark(&Kind::Colon) {
        return complain(sentence.found(), format!("a colon, and below it a nested list, as in: {example}"));
    }
    if sentence.at_end() {
        Ok(())
    } else {
        complain(sentence.found(), "nothing behind the colon: the steps come below, as a nested list")
    }
}

fn core(sentence: &mut Sentence<'_>) -> Said<Core> {
    let start = sentence.clone();
    let Some(verb) = sentence.take_word() else {
        return complain(sentence.found(), verbs());
    };
    let only = |verb, target| Ok((verb, Some(target), None));
    match verb.to_lowercase().as_str() {
        "open" | "start" => open(sentence),
        "click" => only(Verb::Click, target(sentence)?),
        "right-click" => only(Verb::RightClick, target(sentence)?),
        "double-click" => only(Verb::DoubleClick, target(sentence)?),
        "type" | "enter" => typed(sentence),
        "press" => press(sentence),
        "choose" => choose(sentence),
        "select" => only(Verb::Select, target(sentence)?),
        "drag" => {
            let from = target(sentence)?;
            sentence.need_word("to", "Drag the image \"Logo\" to the heading \"Banner\".")?;
            Ok((Verb::Drag { to: target(sentence)? }, Some(from), None))
        }
        "scroll" => {
            sentence.need_word("to", "Scroll to the heading \"Totals\".")?;
            only(Verb::ScrollTo, target(sentence)?)
        }
        "read" => read(sentence),
        "wait" => {
            if !sentence.any(&["until", "for"]) {
                return complain(sentence.found(), "\"until\", as in: Wait until the text \"Saved\" is shown.");
            }
            Ok((Verb::WaitUntil, None, Some(condition(sentence)?)))
        }
        "check" => {
            sentence.word("that");
            Ok((Verb::Check, None, Some(condition(sentence)?)))
        }
        "flag" => {
            let remark = sentence.need_quoted("the remark", "Flag \"Invoice {number} is a duplicate.\"")?;
            Ok((Verb::Flag { remark }, None, None))
        }
        _ => {
            *sentence = start;
            let near = nearest(&verb, VERBS).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            complain(format!("{verb:?} is no verb of the language"), verbs() + &near)
        }
    }
}

fn verbs() -> String {
    "a step that begins with Open, Click, Right-click, Double-click, Type, Press, Choose, Select, Drag, Scroll to, Read, Wait until, \
     Check that, Flag, If, Otherwise or For each"
        .to_owned()
}

fn open(sentence: &mut Sentence<'_>) -> Said<Core> {
    let example = "Open \"LibreOffice Calc\" with \"invoices.xlsx\".";
    let program = sentence.need_quoted("the program", example)?;
    let mut args = Vec::new();
    if sentence.any(&["with", "at", "on"]) {
        args.push(sentence.need_quoted("a file or an address", example)?);
        loop {
            let before = sentence.clone();
            let more = sentence.word("and") || sentence.mark(&Kind::Comma);
            sentence.word("and");
            match sentence.take_quoted() {
                Some(arg) if more => args.push(arg),
                _ => {
                    *sentence = before;
                    break;
                }
            }
        }
    }
    Ok((Verb::Open { program, args }, None, None))
}

fn typed(sentence: &mut Sentence<'_>) -> Said<Core> {
    let secret = sentence.any(&["the secret", "secret"]);
    let example = if secret {
        "Type the secret \"cms-password\" into the field \"Password\"."
    } else {
        "Type \"Order 7\" into the field \"Number\"."
    };
    let text = sentence.need_quoted(if secret { "the secret's name" } else { "the text" }, example)?;
    let text = if secret { TypedText::Secret(text) } else { TypedText::Plain(text) };
    let place = if sentence.any(&["into", "in", "to"]) { Some(target(sentence)?) } else { None };
    let before = sentence.clone();
    sentence.mark(&Kind::Comma);
    let replace = sentence.any(&["replacing what is there", "replacing the text", "replacing everything"]);
    if !replace {
        *sentence = before;
        let mut ahead = sentence.clone();
        if ahead.mark(&Kind::Comma) && ahead.word("replacing") {
            return complain(ahead.found(), "replacing what is there");
        }
    }
    Ok((Verb::Type { text, replace }, place, None))
}

fn press(sentence: &mut Sentence<'_>) -> Said<Core> {
    sentence.any(&["the key", "the keys"]);
    let Some(keys) = sentence.take_word().or_else(|| sentence.take_quoted()) else {
        return complain(sentence.found(), "keys, as in: Press Ctrl+S.");
    };
    match keys.parse::<Chord>() {
        Ok(chord) if is_key(&chord.key.0) => Ok((Verb::Press { chord }, None, None)),
        Ok(chord) => {
            let near = nearest(&chord.key.0, key_names()).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            complain(format!("{keys:?} is no key"), format!("keys such as Return, Ctrl+S, Alt+F4, Page_Down{near}"))
        }
        Err(error) => complain(error.to_string(), "keys, as in: Press Ctrl+S."),
    }
}

fn choose(sentence: &mut Sentence<'_>) -> Said<Core> {
    let example = "Choose \"Bold\" from the menu \"Format\".";
    let option = sentence.need_quoted("what to choose", example)?;
    if !sentence.any(&["from", "in"]) {
        return complain(sentence.found(), format!("\"from\", as in: {example}"));
    }
    let mut place = target(sentence)?;
    // A list that one chooses from is a drop-down; one with its lines in sight is clicked or selected in.
    if place.role == Some(Role::Listbox) {
        place.role = Some(Role::Combobox);
    }
    Ok((Verb::Choose { option }, Some(place), None))
}

fn read(sentence: &mut Sentence<'_>) -> Said<Core> {
    let example = "Read the text beside \"Total\" as total.";
    let from = target(sentence)?;
    sentence.need_word("as", example)?;
    let name = name(sentence, example)?;
    Ok((Verb::Read { name }, Some(from), None))
}

fn name(sentence: &mut Sentence<'_>, example: &str) -> Said<String> {
    let before = sentence.found();
    let word = sentence.take_word().map(|word| word.trim_matches(['{', '}']).to_owned());
    match word {
        Some(word) if is_name(&word) && !word.contains('.') => Ok(word),
        _ => complain(before, format!("a name of letters, digits and _, as in: {example}")),
    }
}

fn for_each(sentence: &mut Sentence<'_>) -> Said<(LoopSource, String)> {
    let example = "For each row of \"texts.csv\" as banner:";
    let make: fn(String) -> LoopSource = if sentence.any(&["row", "line"]) {
        LoopSource::Rows
    } else if sentence.word("file") {
        LoopSource::Files
    } else {
        return complain(sentence.found(), format!("\"row of\" or \"file of\", as in: {example}"));
    };
    if !sentence.any(&["of", "in"]) {
        return complain(sentence.found(), format!("\"of\", as in: {example}"));
    }
    let source = make(sentence.need_quoted("the file or folder", example)?);
    sentence.need_word("as", example)?;
    Ok((source, name(sentence, example)?))
}

fn test(sentence: &mut Sentence<'_>) -> Said<Test> {
    let left = match sentence.peek() {
        Some(Kind::Word(word)) if word.starts_with('{') => sentence.take_word(),
        Some(Kind::Quoted(_)) => sentence.take_quoted(),
        _ => return condition(sentence).map(Test::Screen),
    };
    let how = if sentence.any(&["does not contain", "doesn't contain"]) {
        Compare::Lacks
    } else if sentence.word("contains") {
        Compare::Contains
    } else if sentence.any(&["is not", "isn't"]) {
        Compare::IsNot
    } else if sentence.word("is") {
        Compare::Is
    } else {
        return complain(sentence.found(), "is, is not, contains or does not contain, as in: If {status} is \"duplicate\":");
    };
    let right = match sentence.peek() {
        Some(Kind::Word(word)) if word.starts_with('{') => sentence.take_word(),
        _ => sentence.take_quoted(),
    };
    match (left, right) {
        (Some(left), Some(right)) => Ok(Test::Compare { left, how, right }),
        _ => complain(sentence.found(), "a text in quotes, as in: If {status} is \"duplicate\":"),
    }
}

/// What may follow any step: `, then …`, and sentences that begin with Then, Because and Within.
fn endings(sentence: &mut Sentence<'_>, direction: &mut Direction) -> Said<()> {
    while !sentence.at_end() {
        let comma = sentence.mark(&Kind::Comma);
        let stop = !comma && sentence.mark(&Kind::Stop);
        if sentence.at_end() {
            if comma {
                return complain("the step ends with a comma", "a full stop");
            }
            break;
        }
        if sentence.word("within") {
            direction.timeout = span(sentence)?;
        } else if (comma || stop) && sentence.word("because") {
            direction.reason = Some(sentence.need_quoted("the reason", "Because \"the shop asked for it\".")?);
        } else if (comma || stop) && sentence.word("then") {
            if matches!(direction.verb, Verb::WaitUntil | Verb::Check) {
                return complain("a second condition", "one condition in each step: make the second a step of its own");
            }
            direction.postcondition = Some(condition(sentence)?);
        } else if stop {
            return complain(sentence.found(), "one sentence in each step; Because \"…\" and Within 30 seconds may follow it");
        } else {
            return complain(sentence.found(), "a full stop, or: , then the text \"Saved\" is shown");
        }
    }
    Ok(())
}

fn span(sentence: &mut Sentence<'_>) -> Said<Millis> {
    let example = format!("a number of seconds or minutes, at most {LONGEST} seconds, as in: within 30 seconds");
    let number = sentence.take_word().and_then(|word| word.parse::<u64>().ok());
    let unit = if sentence.any(&["seconds", "second", "s"]) {
        1
    } else if sentence.any(&["minutes", "minute"]) {
        60
    } else {
        return complain(sentence.found(), example);
    };
    match number.and_then(|number| number.checked_mul(unit)) {
        Some(seconds) if (1..=LONGEST).contains(&seconds) => Ok(Millis::from_secs(seconds)),
        _ => complain("a span that is none", example),
    }
}
