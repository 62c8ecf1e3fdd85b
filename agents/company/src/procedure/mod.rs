//! A standard operating procedure: Markdown with a numbered list of steps in a controlled language.

mod direction;
mod lex;
mod markdown;
pub(crate) mod names;
mod run;
mod scope;
mod sentence;
mod target;
mod words;

pub use run::{Files, HomeFiles, Next, ProcedureRun, RunError, Seen};

use std::collections::BTreeMap;
use std::path::Path;

use mz_protocol::{Condition, Millis, ProcedureId, Risk, Target, Verb};
use serde::Deserialize;

use crate::Fault;
use crate::front::Front;

/// A procedure as it was written, its names not yet filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Procedure {
    pub id: ProcedureId,
    pub name: String,
    pub description: String,
    /// Names that every order must bring as inputs.
    pub inputs: Vec<String>,
    /// How much harm its steps could do, where its author says so.
    pub risk: Risk,
    pub steps: Vec<Step>,
    /// The Markdown below the front matter.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Line in SKILL.md, from 1.
    pub line: u32,
    /// As written, without its number.
    pub text: String,
    pub kind: StepKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepKind {
    Do(Box<Direction>),
    If { test: Test, then: Vec<Step>, otherwise: Vec<Step> },
    ForEach { source: LoopSource, name: String, body: Vec<Step> },
}

/// A waypoint before its names are filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direction {
    pub verb: Verb,
    pub target: Option<Target>,
    pub postcondition: Option<Condition>,
    pub timeout: Millis,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// Asked of the screen.
    Screen(Condition),
    /// Two texts, names not filled in. Blanks around them and case do not count.
    Compare { left: String, how: Compare, right: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    Is,
    IsNot,
    Contains,
    Lacks,
}

/// Paths are relative to the worker's home, names not filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoopSource {
    /// A CSV file whose first line names the columns.
    Rows(String),
    /// A folder, without those below it.
    Files(String),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Ours {
    inputs: Inputs,
    risk: Risk,
}

/// Names, or names with a description each.
#[derive(Deserialize)]
#[serde(untagged)]
enum Inputs {
    Names(Vec<String>),
    Described(BTreeMap<String, serde_norway::Value>),
}

impl Default for Inputs {
    fn default() -> Self {
        Self::Names(Vec::new())
    }
}

/// Reads a SKILL.md. `file` is its path below the company folder, `skills/<procedure>/SKILL.md`; the
/// folder's name is the procedure's id. All faults are found, not just the first.
pub fn parse(text: &str, file: &str) -> Result<Procedure, Vec<Fault>> {
    let folder = Path::new(file).parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let front = Front::parse(text, file).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    let id = ProcedureId::new(folder.as_ref());
    if let Err(error) = &id {
        faults.push(Fault::new(file, 0, error.to_string(), "a folder name that can be a procedure's name"));
    }
    let name = front.wanted("name", &mut faults);
    let ours: Ours = front.mezzanine(&mut faults);
    let inputs = match ours.inputs {
        Inputs::Names(names) => names,
        Inputs::Described(described) => described.into_keys().collect(),
    };
    let steps = markdown::steps(&front, &mut faults);
    if !inputs.is_empty() {
        faults.extend(scope::unknown(&steps, &inputs, file));
    }
    match id {
        Ok(id) if faults.is_empty() => {
            let description = front.text("description").unwrap_or_default();
            Ok(Procedure { id, name, description, inputs, risk: ours.risk, steps, text: front.body })
        }
        _ => {
            faults.sort_by_key(|fault| fault.line);
            Err(faults)
        }
    }
}

impl Procedure {
    /// The top-level steps as written: what `StepRef::number` counts.
    pub fn steps(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.text.clone()).collect()
    }

    /// Every step with its depth, from 0, in the order of writing.
    pub fn outline(&self) -> Vec<(usize, &Step)> {
        fn walk<'a>(steps: &'a [Step], depth: usize, found: &mut Vec<(usize, &'a Step)>) {
            for step in steps {
                found.push((depth, step));
                for inner in step.blocks() {
                    walk(inner, depth + 1, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.steps, 0, &mut found);
        found
    }

    /// Faults for every name that a step uses and neither the inputs nor an earlier step give.
    pub fn unknown_names(&self, inputs: &[String]) -> Vec<Fault> {
        scope::unknown(&self.steps, inputs, &format!("skills/{}/SKILL.md", self.id))
    }

    /// Programs that steps open, with the line of each.
    pub fn programs(&self) -> Vec<(u32, &str)> {
        self.outline()
            .into_iter()
            .filter_map(|(_, step)| match &step.kind {
                StepKind::Do(direction) => match &direction.verb {
                    Verb::Open { program, .. } => Some((step.line, program.as_str())),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }

    /// Secrets that steps type, with the line of each.
    pub fn secrets(&self) -> Vec<(u32, &str)> {
        self.outline()
            .into_iter()
            .filter_map(|(_, step)| match &step.kind {
                StepKind::Do(direction) => match &direction.verb {
                    Verb::Type { text: mz_protocol::TypedText::Secret(name), .. } => Some((step.line, name.as_str())),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }
}

impl Step {
    /// The nested lists, in order.
    pub(crate) fn blocks(&self) -> Vec<&[Step]> {
        match &self.kind {
            StepKind::Do(_) => Vec::new(),
            StepKind::If { then, otherwise, .. } => vec![then, otherwise],
            StepKind::ForEach { body, .. } => vec![body],
        }
    }
}
