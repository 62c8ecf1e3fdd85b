//! Which names a step may use: the inputs, what earlier steps have read, and the loops around it.

use mz_protocol::{Condition, Position, Target, TypedText, Verb};

use super::names::placeholders;
use super::{Direction, LoopSource, Step, StepKind, Test};
use crate::Fault;
use crate::fault::nearest;

pub(crate) fn unknown(steps: &[Step], inputs: &[String], file: &str) -> Vec<Fault> {
    let mut walk = Walk { known: inputs.to_vec(), loops: Vec::new(), file, faults: Vec::new() };
    walk.block(steps);
    walk.faults
}

struct Walk<'a> {
    known: Vec<String>,
    /// Loop names, with whether their columns are not known before the file is read.
    loops: Vec<(String, bool)>,
    file: &'a str,
    faults: Vec<Fault>,
}

impl Walk<'_> {
    fn block(&mut self, steps: &[Step]) {
        for step in steps {
            match &step.kind {
                StepKind::Do(direction) => {
                    for text in texts(direction) {
                        self.text(text, step.line);
                    }
                    if let Verb::Read { name } = &direction.verb {
                        self.known.push(name.clone());
                    }
                }
                StepKind::If { test, then, otherwise } => {
                    match test {
                        Test::Screen(condition) => {
                            let mut found = Vec::new();
                            of_condition(condition, &mut found);
                            found.into_iter().for_each(|text| self.text(text, step.line));
                        }
                        Test::Compare { left, right, .. } => {
                            self.text(left, step.line);
                            self.text(right, step.line);
                        }
                    }
                    self.block(then);
                    self.block(otherwise);
                }
                StepKind::ForEach { source, name, body } => {
                    let (LoopSource::Rows(path) | LoopSource::Files(path)) = source;
                    self.text(path, step.line);
                    // What is read inside is forgotten with each turn.
                    let outside = self.known.len();
                    self.loops.push((name.clone(), matches!(source, LoopSource::Rows(_))));
                    self.block(body);
                    self.loops.pop();
                    self.known.truncate(outside);
                }
            }
        }
    }

    fn text(&mut self, text: &str, line: u32) {
        for used in placeholders(text) {
            if !self.knows(&used.name) {
                let loops = self.loops.iter().map(|(name, _)| name.as_str());
                let near = nearest(&used.name, self.known.iter().map(String::as_str).chain(loops));
                let near = near.map(|near| format!("; did you mean {{{near}}}?")).unwrap_or_default();
                let expected = format!("an input of the order, or a name that an earlier step reads{near}");
                self.faults.push(Fault::new(
                    self.file,
                    line,
                    format!("nothing is known by the name {{{}}}", used.name),
                    expected,
                ));
            }
        }
    }

    fn knows(&self, name: &str) -> bool {
        let of_loop =
            self.loops.iter().any(|(of, rows)| match name.strip_prefix(of.as_str()).and_then(|rest| rest.strip_prefix('.')) {
                Some(column) => *rows || matches!(column, "name" | "path" | "stem" | "position"),
                None => name == of && !rows,
            });
        of_loop || self.known.iter().any(|known| known == name)
    }
}

fn texts(direction: &Direction) -> Vec<&str> {
    let mut found = Vec::new();
    match &direction.verb {
        Verb::Open { program, args } => {
            found.push(program.as_str());
            found.extend(args.iter().map(String::as_str));
        }
        Verb::Type { text: TypedText::Plain(text), .. } => found.push(text),
        Verb::Choose { option } => found.push(option),
        Verb::Drag { to } => of_target(to, &mut found),
        Verb::Flag { remark } => found.push(remark),
        _ => {}
    }
    if let Some(target) = &direction.target {
        of_target(target, &mut found);
    }
    if let Some(condition) = &direction.postcondition {
        of_condition(condition, &mut found);
    }
    found.extend(direction.reason.as_deref());
    found
}

fn of_target<'a>(target: &'a Target, found: &mut Vec<&'a str>) {
    found.extend(target.label.as_deref());
    found.extend(target.cell.as_deref());
    for position in &target.positions {
        match position {
            Position::Beside(text) | Position::Below(text) | Position::Above(text) | Position::In(text) => found.push(text),
            Position::Nth(_) | Position::Last => {}
        }
    }
}

fn of_condition<'a>(condition: &'a Condition, found: &mut Vec<&'a str>) {
    match condition {
        Condition::Appears { target } | Condition::Gone { target } => of_target(target, found),
        Condition::Text { text } | Condition::NoText { text } | Condition::Title { text } | Condition::File { path: text } => {
            found.push(text);
        }
        Condition::Value { target, text } => {
            of_target(target, found);
            found.push(text);
        }
        Condition::Not { condition } => of_condition(condition, found),
    }
}
