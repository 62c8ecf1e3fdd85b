//! Following a procedure: one waypoint after the other, with its ifs and loops, from any place on.

use std::collections::BTreeMap;
use std::sync::Arc;

use mz_protocol::{Condition, Position, StepRef, Target, Turn, TypedText, Verb, Waypoint};
use serde::{Deserialize, Serialize};

use super::names::fill;
use super::{Compare, Direction, LoopSource, Procedure, Step, StepKind, Test};
use crate::safe::Folder;

/// A loop over more than this is a mistake, or needs another procedure.
const MOST_TURNS: usize = 5000;
const CSV_LIMIT: usize = 1024 * 1024;
const VALUE_LIMIT: usize = 64 * 1024;

/// What is on the screen, as the procedure asks about it.
pub trait Seen {
    fn holds(&self, condition: &Condition) -> bool;
}

impl<F: Fn(&Condition) -> bool> Seen for F {
    fn holds(&self, condition: &Condition) -> bool {
        self(condition)
    }
}

/// The worker's files, paths relative to its home. Errors are words for the manager.
pub trait Files: Send + Sync {
    /// Names of the plain files in a folder.
    fn list_files(&self, folder: &str) -> Result<Vec<String>, String>;
    fn read_file(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// Files in a folder of this machine; what leads out of it is refused.
#[derive(Debug, Clone)]
pub struct HomeFiles(Folder);

impl HomeFiles {
    pub fn new(home: impl Into<std::path::PathBuf>) -> Self {
        Self(Folder::new(home))
    }
}

impl Files for HomeFiles {
    fn list_files(&self, folder: &str) -> Result<Vec<String>, String> {
        let names = self.0.names(folder, MOST_TURNS).map_err(|error| error.to_string())?;
        Ok(names.into_iter().filter(|name| self.0.exists(&format!("{folder}/{name}"))).collect())
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.read(path, CSV_LIMIT as u64).map_err(|error| error.to_string())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Waypoint(Box<Waypoint>),
    /// The last step is behind; whether the work is done is for the outcome check to say.
    Done,
    /// The next step cannot be said, as in a name without a value. `next` tries the same step again.
    Stuck {
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    #[error("the saved place cannot be read: {0}. Start the work order again")]
    Unreadable(String),
    #[error("the procedure {0} has changed since the work began: start the work order again")]
    Changed(String),
}

/// A reader's place in a procedure.
#[derive(Clone)]
pub struct ProcedureRun {
    procedure: Arc<Procedure>,
    inputs: BTreeMap<String, String>,
    files: Arc<dyn Files>,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    procedure: String,
    /// Of the text: a place in another text means nothing.
    print: u64,
    version: u64,
    frames: Vec<Frame>,
}

/// One open list. The first is the whole procedure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Frame {
    /// Which nested list of the step before the outer frame's `next`.
    branch: usize,
    /// Index of the step that comes next.
    next: usize,
    /// What was read here; forgotten with the list, or with the turn of a loop.
    names: BTreeMap<String, String>,
    turns: Option<Turns>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Turns {
    name: String,
    /// Kept whole: the work may change the file or folder that is gone through.
    items: Vec<BTreeMap<String, String>>,
    at: usize,
}

impl ProcedureRun {
    pub fn new(procedure: Arc<Procedure>, inputs: BTreeMap<String, String>, files: Arc<dyn Files>) -> Self {
        let place = Place {
            procedure: procedure.id.to_string(),
            print: print(&procedure.text),
            version: 0,
            frames: vec![Frame { branch: 0, next: 0, names: BTreeMap::new(), turns: None }],
        };
        Self { procedure, inputs, files, place }
    }

    /// Goes on where `position` was taken.
    pub fn resume(
        procedure: Arc<Procedure>,
        inputs: BTreeMap<String, String>,
        files: Arc<dyn Files>,
        position: &str,
    ) -> Result<Self, RunError> {
        let place: Place = serde_json::from_str(position).map_err(|error| RunError::Unreadable(error.to_string()))?;
        if place.procedure != procedure.id.as_str() || place.print != print(&procedure.text) {
            return Err(RunError::Changed(procedure.id.to_string()));
        }
        let run = Self { procedure, inputs, files, place };
        let depth = run.place.frames.len();
        let fits = depth > 0
            && (1..=depth).all(|depth| run.block(depth).is_some_and(|block| run.place.frames[depth - 1].next <= block.len()));
        if fits { Ok(run) } else { Err(RunError::Unreadable("it names steps that are not there".to_owned())) }
    }

    /// The place of what `next` gives next, as JSON. Taken before `next`, a restart repeats that step;
    /// taken after, it goes on behind it. With a loop open it holds the loop's rows.
    pub fn position(&self) -> String {
        serde_json::to_string(&self.place).unwrap_or_default()
    }

    /// The top-level steps as written: `StepRef::number` counts them from 1.
    pub fn steps(&self) -> Vec<String> {
        self.procedure.steps()
    }

    pub fn procedure(&self) -> &Arc<Procedure> {
        &self.procedure
    }

    /// Share of the procedure that is behind, 0 to 1000; turns of a top-level loop count.
    pub fn progress_permille(&self) -> u16 {
        let of = self.procedure.steps.len().max(1) as u64;
        let Some(first) = self.place.frames.first() else { return 1000 };
        let inside = self.place.frames.get(1).map(|frame| {
            let turns = frame.turns.as_ref().map_or((0, 1), |turns| (turns.at as u64, turns.items.len().max(1) as u64));
            1000 * turns.0 / turns.1
        });
        let behind = match inside {
            Some(part) => 1000 * (first.next as u64).saturating_sub(1) + part,
            None => 1000 * first.next as u64,
        };
        u16::try_from((behind / of).min(1000)).unwrap_or(1000)
    }

    /// Keeps what a `Read` step has read. It lives as long as the loop turn or the whole run it was read in.
    pub fn set(&mut self, name: &str, value: &str) {
        let value: String = value.chars().take(VALUE_LIMIT).collect();
        let root = self.place.frames.iter().rposition(|frame| frame.turns.is_some()).unwrap_or(0);
        if let Some(frame) = self.place.frames.get_mut(root) {
            frame.names.insert(name.to_owned(), value);
        }
    }

    /// The value of a name, as a step would see it now.
    pub fn value(&self, name: &str) -> Option<String> {
        for frame in self.place.frames.iter().rev() {
            if let Some(value) = frame.names.get(name) {
                return Some(value.clone());
            }
            let Some(turns) = &frame.turns else { continue };
            let item = turns.items.get(turns.at);
            if name == turns.name {
                return item.and_then(|item| item.get("path")).cloned();
            }
            if let Some(column) = name.strip_prefix(turns.name.as_str()).and_then(|rest| rest.strip_prefix('.')) {
                return item.and_then(|item| item.get(column).or_else(|| item.get(&plain(column)))).cloned();
            }
        }
        self.inputs.get(name).cloned()
    }

    fn fill(&self, text: &str) -> Result<String, String> {
        fill(text, &|name| self.value(name))
    }

    /// The list that the first `depth` frames lead to.
    fn block(&self, depth: usize) -> Option<&[Step]> {
        let mut steps: &[Step] = &self.procedure.steps;
        for pair in self.place.frames[..depth].windows(2) {
            let step = steps.get(pair[0].next.checked_sub(1)?)?;
            steps = step.blocks().get(pair[1].branch).copied()?;
        }
        Some(steps)
    }

    /// The next waypoint. Ifs and loops on the way are settled with what is `seen` now.
    pub fn next(&mut self, seen: &dyn Seen) -> Next {
        loop {
            let depth = self.place.frames.len();
            let step = match (self.place.frames.last(), self.block(depth)) {
                (Some(frame), Some(block)) => block.get(frame.next).cloned(),
                _ => return Next::Done,
            };
            let Some(step) = step else {
                if !self.leave() {
                    return Next::Done;
                }
                continue;
            };
            let entered = match &step.kind {
                StepKind::Do(direction) => match self.waypoint(&step, direction) {
                    Ok(waypoint) => {
                        self.advance();
                        return Next::Waypoint(Box::new(waypoint));
                    }
                    Err(why) => Err(why),
                },
                StepKind::If { test, .. } => self.test(test, seen).map(|holds| Some((usize::from(!holds), None))),
                StepKind::ForEach { source, name, .. } => self.items(source).map(|items| {
                    let turns = Turns { name: name.clone(), items, at: 0 };
                    (!turns.items.is_empty()).then_some((0, Some(turns)))
                }),
            };
            match entered {
                Ok(entered) => {
                    self.advance();
                    if let Some((branch, turns)) = entered {
                        self.place.frames.push(Frame { branch, next: 0, names: BTreeMap::new(), turns });
                    }
                }
                Err(why) => return Next::Stuck { why: format!("Step {:?} (line {}): {why}", step.text, step.line) },
            }
        }
    }

    fn advance(&mut self) {
        if let Some(frame) = self.place.frames.last_mut() {
            frame.next += 1;
        }
    }

    /// At the end of a list: the loop's next turn, or out of the list. False at the end of the procedure.
    fn leave(&mut self) -> bool {
        if let Some(frame) = self.place.frames.last_mut()
            && let Some(turns) = &mut frame.turns
            && turns.at + 1 < turns.items.len()
        {
            turns.at += 1;
            frame.next = 0;
            frame.names.clear();
            return true;
        }
        let inner = self.place.frames.len() > 1;
        if inner {
            self.place.frames.pop();
        }
        inner
    }

    fn test(&self, test: &Test, seen: &dyn Seen) -> Result<bool, String> {
        match test {
            Test::Screen(condition) => Ok(seen.holds(&self.fill_condition(condition)?)),
            Test::Compare { left, how, right } => {
                let side = |text: &str| self.fill(text).map(|text| text.trim().to_lowercase());
                let (left, right) = (side(left)?, side(right)?);
                Ok(match how {
                    Compare::Is => left == right,
                    Compare::IsNot => left != right,
                    Compare::Contains => left.contains(&right),
                    Compare::Lacks => !left.contains(&right),
                })
            }
        }
    }

    fn items(&self, source: &LoopSource) -> Result<Vec<BTreeMap<String, String>>, String> {
        let mut items = match source {
            LoopSource::Rows(path) => rows(&self.files.read_file(&self.fill(path)?)?)?,
            LoopSource::Files(folder) => {
                let folder = self.fill(folder)?;
                let mut names = self.files.list_files(&folder)?;
                names.sort();
                names.into_iter().map(|name| file_item(&folder, name)).collect()
            }
        };
        if items.len() > MOST_TURNS {
            return Err(format!("the loop would take {} turns; at most {MOST_TURNS} are taken", items.len()));
        }
        for (at, item) in items.iter_mut().enumerate() {
            item.insert("position".to_owned(), (at + 1).to_string());
        }
        Ok(items)
    }

    fn waypoint(&mut self, step: &Step, direction: &Direction) -> Result<Waypoint, String> {
        let waypoint = Waypoint {
            version: self.place.version + 1,
            step: StepRef {
                procedure: self.procedure.id.clone(),
                line: step.line,
                // The outer frames have already gone past the step that holds this one.
                number: self
                    .place
                    .frames
                    .first()
                    .map_or(1, |frame| frame.next as u32 + u32::from(self.place.frames.len() == 1)),
                of: self.procedure.steps.len() as u32,
                text: self.fill(&step.text)?,
                turn: self.turn(),
            },
            verb: self.fill_verb(&direction.verb)?,
            target: direction.target.as_ref().map(|target| self.fill_target(target)).transpose()?,
            postcondition: direction.postcondition.as_ref().map(|condition| self.fill_condition(condition)).transpose()?,
            timeout: direction.timeout,
            risk: self.procedure.risk,
            reason: direction.reason.as_ref().map(|reason| self.fill(reason)).transpose()?,
        };
        self.place.version += 1;
        Ok(waypoint)
    }

    fn turn(&self) -> Option<Turn> {
        let turns = self.place.frames.iter().find_map(|frame| frame.turns.as_ref())?;
        Some(Turn { at: turns.at as u32 + 1, of: turns.items.len() as u32 })
    }

    fn fill_verb(&self, verb: &Verb) -> Result<Verb, String> {
        Ok(match verb {
            Verb::Open { program, args } => Verb::Open {
                program: self.fill(program)?,
                args: args.iter().map(|arg| self.fill(arg)).collect::<Result<_, _>>()?,
            },
            Verb::Type { text: TypedText::Plain(text), replace } => {
                Verb::Type { text: TypedText::Plain(self.fill(text)?), replace: *replace }
            }
            Verb::Choose { option } => Verb::Choose { option: self.fill(option)? },
            Verb::Drag { to } => Verb::Drag { to: self.fill_target(to)? },
            Verb::Flag { remark } => Verb::Flag { remark: self.fill(remark)? },
            other => other.clone(),
        })
    }

    fn fill_target(&self, target: &Target) -> Result<Target, String> {
        let fill = |text: &Option<String>| text.as_deref().map(|text| self.fill(text)).transpose();
        let position = |position: &Position| {
            Ok::<_, String>(match position {
                Position::Beside(text) => Position::Beside(self.fill(text)?),
                Position::Below(text) => Position::Below(self.fill(text)?),
                Position::Above(text) => Position::Above(self.fill(text)?),
                Position::In(text) => Position::In(self.fill(text)?),
                Position::Nth(_) | Position::Last => position.clone(),
            })
        };
        Ok(Target {
            role: target.role,
            label: fill(&target.label)?,
            label_match: target.label_match,
            positions: target.positions.iter().map(position).collect::<Result<_, _>>()?,
            cell: fill(&target.cell)?.map(|cell| cell.replace('$', "").to_uppercase()),
        })
    }

    fn fill_condition(&self, condition: &Condition) -> Result<Condition, String> {
        Ok(match condition {
            Condition::Appears { target } => Condition::Appears { target: self.fill_target(target)? },
            Condition::Gone { target } => Condition::Gone { target: self.fill_target(target)? },
            Condition::Text { text } => Condition::Text { text: self.fill(text)? },
            Condition::NoText { text } => Condition::NoText { text: self.fill(text)? },
            Condition::Title { text } => Condition::Title { text: self.fill(text)? },
            Condition::Value { target, text } => Condition::Value { target: self.fill_target(target)?, text: self.fill(text)? },
            Condition::File { path } => Condition::File { path: self.fill(path)? },
            Condition::Not { condition } => Condition::Not { condition: Box::new(self.fill_condition(condition)?) },
        })
    }
}

/// A column's name as `{banner.alt_text}` may write it for `Alt text`.
fn plain(column: &str) -> String {
    column.trim().to_lowercase().replace([' ', '-'], "_")
}

fn rows(bytes: &[u8]) -> Result<Vec<BTreeMap<String, String>>, String> {
    if bytes.len() > CSV_LIMIT {
        return Err(format!("the table is larger than {CSV_LIMIT} bytes"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(false).from_reader(bytes);
    let headers = reader.headers().map_err(|error| format!("the table's first line cannot be read: {error}"))?.clone();
    let mut items = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| format!("the table cannot be read: {error}"))?;
        if items.len() > MOST_TURNS {
            break;
        }
        let mut item = BTreeMap::new();
        for (header, field) in headers.iter().zip(record.iter()) {
            item.insert(plain(header), field.to_owned());
            item.insert(header.to_owned(), field.to_owned());
        }
        items.push(item);
    }
    Ok(items)
}

fn file_item(folder: &str, name: String) -> BTreeMap<String, String> {
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).to_owned();
    let path = if folder.is_empty() { name.clone() } else { format!("{}/{name}", folder.trim_end_matches('/')) };
    BTreeMap::from([("name".to_owned(), name), ("stem".to_owned(), stem), ("path".to_owned(), path)])
}

/// FNV-1a: tells one text from its next edition, nothing more.
fn print(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
