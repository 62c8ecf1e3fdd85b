//! The numbered list under `## Steps`, and how its items nest.

use super::direction::{Meaning, step};
use super::lex::tokens;
use super::sentence::Sentence;
use super::{Step, StepKind};
use crate::Fault;
use crate::front::Front;

/// Lists in lists in lists: nobody follows more.
const DEEPEST: usize = 6;
const MOST_STEPS: usize = 1000;

struct Item {
    line: u32,
    indent: usize,
    text: String,
}

/// An item with the list below it.
struct Node {
    line: u32,
    text: String,
    below: Vec<Node>,
}

pub(crate) fn steps(front: &Front, faults: &mut Vec<Fault>) -> Vec<Step> {
    let Some(items) = items(front, faults) else {
        faults.push(Fault::new(
            &front.file,
            front.body_line,
            "there is no heading \"## Steps\"",
            "## Steps, and below it a numbered list",
        ));
        return Vec::new();
    };
    if items.is_empty() {
        faults.push(Fault::new(&front.file, front.body_line, "there are no steps", "a numbered list under \"## Steps\""));
    }
    if items.len() > MOST_STEPS {
        let what = format!("there are {} steps", items.len());
        faults.push(Fault::new(
            &front.file,
            items[MOST_STEPS].line,
            what,
            format!("at most {MOST_STEPS}: split the procedure"),
        ));
        return Vec::new();
    }
    let nodes = nest(items, &front.file, faults);
    block(&nodes, &front.file, faults)
}

/// The items of the section in order; none where there is no such section.
fn items(front: &Front, faults: &mut Vec<Fault>) -> Option<Vec<Item>> {
    let mut found: Option<Vec<Item>> = None;
    let (mut inside, mut fenced, mut commented, mut joins) = (false, false, false, false);
    for (at, raw) in front.body.lines().enumerate() {
        let line = front.body_line + at as u32;
        let expanded = raw.replace('\t', "    ");
        let text = expanded.trim();
        if text.starts_with("```") || text.starts_with("~~~") {
            fenced = !fenced;
            joins = false;
            continue;
        }
        if !fenced && text.starts_with("<!--") {
            commented = true;
        }
        if fenced || commented {
            commented = commented && !text.contains("-->");
            joins = false;
            continue;
        }
        if text.starts_with("# ") || text.starts_with("## ") {
            inside = text.trim_start_matches('#').trim().eq_ignore_ascii_case("steps");
            if inside {
                found.get_or_insert_default();
            }
            joins = false;
            continue;
        }
        let Some(items) = found.as_mut().filter(|_| inside) else { continue };
        let indent = expanded.len() - expanded.trim_start().len();
        if let Some(text) = numbered(text) {
            items.push(Item { line, indent, text: text.to_owned() });
            joins = true;
        } else if text.is_empty() || text.starts_with('#') {
            joins = false;
        } else if text.starts_with("- ") || text.starts_with("* ") {
            faults.push(Fault::new(
                &front.file,
                line,
                "a list without numbers among the steps",
                "a numbered step, as in: 1. Click the button \"Save\".",
            ));
            joins = false;
        } else if let Some(last) = items.last_mut().filter(|_| joins) {
            // The same paragraph goes on: a long step over several lines.
            last.text.push(' ');
            last.text.push_str(text);
        }
    }
    found
}

/// The text behind `1.` or `1)`.
fn numbered(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = line.len() - rest.len();
    let text = rest.strip_prefix(['.', ')'])?;
    ((1..=4).contains(&digits) && text.starts_with(' ')).then(|| text.trim())
}

fn nest(items: Vec<Item>, file: &str, faults: &mut Vec<Fault>) -> Vec<Node> {
    // One open list a level, with its indent; the outermost first.
    let mut levels: Vec<(usize, Vec<Node>)> = Vec::new();
    fn close(levels: &mut Vec<(usize, Vec<Node>)>) {
        if let Some((_, nodes)) = levels.pop()
            && let Some(parent) = levels.last_mut().and_then(|(_, list)| list.last_mut())
        {
            parent.below.extend(nodes);
        }
    }
    for item in items {
        while levels.len() > 1 && levels.last().is_some_and(|(indent, _)| item.indent + 1 < *indent) {
            close(&mut levels);
        }
        let deeper = levels.last().is_none_or(|(indent, _)| item.indent > indent + 1);
        if deeper && levels.len() >= DEEPEST {
            faults.push(Fault::new(file, item.line, "lists are nested too deeply", format!("at most {DEEPEST} levels")));
        } else if deeper {
            levels.push((item.indent, Vec::new()));
        }
        if let Some((_, list)) = levels.last_mut() {
            list.push(Node { line: item.line, text: item.text, below: Vec::new() });
        }
    }
    while levels.len() > 1 {
        close(&mut levels);
    }
    levels.pop().map(|(_, list)| list).unwrap_or_default()
}

fn block(nodes: &[Node], file: &str, faults: &mut Vec<Fault>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    // Whether the item just above was an `If` that an `Otherwise` may follow.
    let mut after_if = false;
    for node in nodes {
        let inner = block(&node.below, file, faults);
        let said = match said(&node.text) {
            Ok(said) => said,
            Err((what, expected)) => {
                faults.push(Fault::new(file, node.line, what, expected));
                // What was meant is not known: an Otherwise that follows is not to blame.
                after_if = true;
                continue;
            }
        };
        let takes_list = !matches!(said, Meaning::Do(_));
        if takes_list && node.below.is_empty() {
            faults.push(Fault::new(
                file,
                node.line,
                format!("nothing stands below {:?}", node.text),
                "a nested numbered list below it, indented",
            ));
        }
        let was_if = std::mem::replace(&mut after_if, matches!(said, Meaning::If(_)));
        let kind = match said {
            Meaning::Do(direction) => {
                if let Some(first) = node.below.first() {
                    faults.push(Fault::new(
                        file,
                        first.line,
                        format!("a nested list below {:?}", node.text),
                        "nested lists only below If, Otherwise and For each",
                    ));
                }
                StepKind::Do(Box::new(direction))
            }
            Meaning::If(test) => StepKind::If { test, then: inner, otherwise: Vec::new() },
            Meaning::ForEach(source, name) => StepKind::ForEach { source, name, body: inner },
            Meaning::Otherwise => {
                match steps.last_mut().map(|step| &mut step.kind) {
                    Some(StepKind::If { otherwise, .. }) if was_if => *otherwise = inner,
                    _ if was_if => {}
                    _ => faults.push(Fault::new(
                        file,
                        node.line,
                        "an Otherwise without its If",
                        "Otherwise: as the next item after an If, at the same level",
                    )),
                }
                continue;
            }
        };
        steps.push(Step { line: node.line, text: node.text.clone(), kind });
    }
    steps
}

fn said(text: &str) -> Result<Meaning, (String, String)> {
    let tokens = tokens(text)
        .map_err(|at| (format!("the quote at character {at} is never closed"), "a second \" behind the text".to_owned()))?;
    step(&mut Sentence::new(&tokens)).map_err(|complaint| (complaint.what, complaint.expected))
}
