//! CHECK.yaml as data.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};
use serde_norway::Value;

use crate::Fault;
use crate::front::{scalar, yaml_fault};
use crate::procedure::names::placeholders;

/// The entries that must all pass for an order to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeCheck {
    pub name: String,
    pub entries: Vec<CheckEntry>,
    /// Names in braces that are used anywhere in it.
    pub(crate) names: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CheckEntry {
    pub name: String,
    pub points: u32,
    pub kind: CheckKind,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CheckKind {
    Workbook(WorkbookCheck),
    Png(PngCheck),
    File(FileCheck),
    Git(GitCheck),
    Run(RunCheck),
    Database(DatabaseCheck),
    Json(JsonCheck),
}

const KINDS: &str = "kind: workbook, png, file, git, run, database or json";

/// A text, or a number or truth value written without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        scalar(&value).map(Self).ok_or_else(|| serde::de::Error::custom("expected a text or a number"))
    }
}

/// One text or several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || serde::de::Error::custom("expected a text, or a list of texts");
        match Value::deserialize(deserializer)? {
            Value::Sequence(items) => {
                items.iter().map(|item| scalar(item).ok_or_else(wrong)).collect::<Result<_, _>>().map(Self)
            }
            one => scalar(&one).map(|text| Self(vec![text])).ok_or_else(wrong),
        }
    }
}

/// An .xlsx or .ods file. All that is given must hold.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkbookCheck {
    #[serde(alias = "path")]
    pub file: String,
    /// The first one where it is not said.
    pub sheet: Option<String>,
    /// Such as `B2`; `equals`, `contains` and `near` are about it.
    pub cell: Option<String>,
    pub equals: Option<Text>,
    #[serde(default)]
    pub contains: Texts,
    pub near: Option<Text>,
    /// How far a number may be from `near` or `sum`.
    #[serde(default = "cent", alias = "tolerance")]
    pub within: f64,
    /// Such as `D2:D13`, whose numbers give `sum`.
    pub range: Option<String>,
    pub sum: Option<Text>,
    /// Rows with anything in them, the first `header` ones left out.
    #[serde(alias = "row_count")]
    pub rows: Option<Text>,
    #[serde(default)]
    pub header: u32,
    /// Such as `B`: `has` and `values` are about it.
    pub column: Option<String>,
    /// Each of these is in the column.
    #[serde(default)]
    pub has: Texts,
    /// Exactly these are in the column, in any order, below the header.
    pub values: Option<Texts>,
    /// The row in which the column named first holds the text: with `column` it stands for `cell`.
    #[serde(default, rename = "where")]
    pub row_where: BTreeMap<String, Text>,
}

fn cent() -> f64 {
    0.005
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PngCheck {
    #[serde(alias = "path")]
    pub file: String,
    pub width: Option<u32>,
    pub height: Option<u32>,
    #[serde(default)]
    pub pixels: Vec<PixelCheck>,
    pub pixel: Option<PixelCheck>,
    /// Another picture that it must not equal.
    #[serde(alias = "distinct_from")]
    pub differs_from: Option<String>,
    /// More than one colour.
    #[serde(default)]
    pub not_blank: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelCheck {
    pub x: u32,
    pub y: u32,
    /// `#rrggbb`
    #[serde(alias = "colour")]
    pub color: String,
    /// Of each of red, green and blue, 0 to 255.
    #[serde(default = "shade", alias = "within")]
    pub tolerance: u8,
}

fn shade() -> u8 {
    16
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileCheck {
    #[serde(alias = "path")]
    pub file: String,
    pub exists: Option<bool>,
    #[serde(default)]
    pub contains: Texts,
    #[serde(default, alias = "not_contains")]
    pub lacks: Texts,
    /// The whole text; blanks at its end do not count.
    pub equals: Option<Text>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonCheck {
    #[serde(alias = "path")]
    pub file: String,
    /// RFC 6901, such as `/orders/0/state`; empty for the whole.
    #[serde(default)]
    pub pointer: String,
    pub equals: Option<Value>,
    #[serde(default)]
    pub contains: Texts,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitCheck {
    /// A folder with a work tree, or a bare repository.
    pub repo: String,
    /// HEAD where it is not said.
    #[serde(alias = "rev")]
    pub branch: Option<String>,
    /// In the messages of the last 200 commits of the branch.
    #[serde(default)]
    pub log_contains: Texts,
    /// A bare repository whose branch of the same name holds the branch's last commit.
    pub pushed_to: Option<String>,
    /// A file in the branch's last commit.
    pub file: Option<String>,
    #[serde(default)]
    pub contains: Texts,
    #[serde(default, alias = "not_contains")]
    pub lacks: Texts,
    pub equals: Option<Text>,
    /// Nothing is changed and not committed.
    #[serde(default)]
    pub clean: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunCheck {
    /// The folder in a copy of which it runs: what it changes is lost.
    #[serde(default, rename = "in", alias = "folder", alias = "cwd")]
    pub folder: String,
    #[serde(alias = "argv")]
    pub command: Texts,
    #[serde(default)]
    pub exit: i32,
    #[serde(default, alias = "contains")]
    pub output_contains: Texts,
    /// Seconds.
    #[serde(default = "minute", alias = "deadline", alias = "timeout")]
    pub within: u64,
}

fn minute() -> u64 {
    60
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseCheck {
    /// Path of the socket, such as `service:shop/mysqld.sock`.
    pub socket: String,
    pub database: Option<String>,
    #[serde(default = "root")]
    pub user: String,
    /// Names in braces are filled in so that they cannot end a text in quotes.
    pub query: String,
    /// Columns are separated by tabs, rows by new lines.
    pub equals: Option<Text>,
    #[serde(default)]
    pub contains: Texts,
}

fn root() -> String {
    "root".to_owned()
}

/// Reads a CHECK.yaml: a list of entries, or several checks by name, each with such a list.
/// `file` is its path below the company folder. All faults are found.
pub fn parse_checks(text: &str, file: &str) -> Result<Vec<OutcomeCheck>, Vec<Fault>> {
    let value: Value = serde_norway::from_str(text).map_err(|error| vec![yaml_fault(file, 0, &error)])?;
    let mut reader = Reader { text, file, faults: Vec::new(), checks: Vec::new() };
    reader.any("outcome", &value);
    if reader.checks.is_empty() && reader.faults.is_empty() {
        reader.fault(1, "there are no checks", "checks: with a list of entries, each with name, points and kind");
    }
    if reader.faults.is_empty() { Ok(reader.checks) } else { Err(reader.faults) }
}

struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    faults: Vec<Fault>,
    checks: Vec<OutcomeCheck>,
}

/// Keys under which a list of entries stands.
const LISTS: [&str; 4] = ["checks", "checkpoints", "entries", "points"];

impl Reader<'_> {
    fn fault(&mut self, line: u32, what: impl Into<String>, expected: &str) {
        self.faults.push(Fault::new(self.file, line, what, expected));
    }

    fn line_of(&self, text: &str) -> u32 {
        self.text.lines().position(|line| line.contains(text)).map_or(1, |at| at as u32 + 1)
    }

    fn any(&mut self, name: &str, value: &Value) {
        match value {
            Value::Sequence(items) if items.iter().any(|item| inner(item).is_some()) => {
                for item in items {
                    self.any(name, item);
                }
            }
            Value::Sequence(items) => self.check(name, items),
            Value::Mapping(map) => {
                let own = map.get("name").and_then(scalar);
                match inner(value) {
                    Some(list) => self.any(own.as_deref().unwrap_or(name), list),
                    None => {
                        for (key, inner) in map {
                            if let (Some(key), Value::Sequence(_) | Value::Mapping(_)) = (scalar(key), inner)
                                && key != "metadata"
                            {
                                self.any(&key, inner);
                            }
                        }
                    }
                }
            }
            _ => self.fault(1, "this is no list of checks", "a list of entries, each with name, points and kind"),
        }
    }

    fn check(&mut self, name: &str, items: &[Value]) {
        let mut names = BTreeSet::new();
        items.iter().for_each(|item| used(item, &mut names));
        let entries: Vec<CheckEntry> = items.iter().filter_map(|item| self.entry(item)).collect();
        if entries.is_empty() && self.faults.is_empty() {
            self.fault(1, format!("the check {name:?} is empty"), "at least one entry: an empty check proves nothing");
        }
        self.checks.push(OutcomeCheck { name: name.to_owned(), entries, names });
    }

    fn entry(&mut self, item: &Value) -> Option<CheckEntry> {
        let Value::Mapping(mut map) = item.clone() else {
            self.fault(1, "an entry that is no set of keys", "name:, points: and kind:");
            return None;
        };
        let Some(name) = map.remove("name").and_then(|name| scalar(&name)) else {
            self.fault(1, "an entry without a name", "name: what it looks for, in words for a manager");
            return None;
        };
        let line = self.line_of(&name);
        let points =
            map.remove("points").map_or(Some(1), |points| points.as_u64().and_then(|points| u32::try_from(points).ok()));
        let Some(points) = points.filter(|points| (1..=1000).contains(points)) else {
            self.fault(line, format!("the points of {name:?} are no number"), "points: 1 to 1000");
            return None;
        };
        let kind = map.get("kind").and_then(scalar).unwrap_or_default();
        match serde_norway::from_value(Value::Mapping(map)) {
            Ok(kind) => {
                if let Some(missing) = asks_nothing(&kind) {
                    self.fault(line, format!("{name:?} asks nothing"), missing);
                }
                Some(CheckEntry { name, points, kind })
            }
            Err(error) => {
                let expected =
                    if kind.is_empty() { KINDS.to_owned() } else { format!("{KINDS}, and the keys of the kind {kind:?}") };
                self.fault(line, format!("{name:?}: {error}"), &expected);
                None
            }
        }
    }
}

fn inner(value: &Value) -> Option<&Value> {
    LISTS.iter().find_map(|key| value.get(*key).filter(|inner| inner.is_sequence() || inner.is_mapping()))
}

/// What an entry lacks that would pass whatever it finds.
fn asks_nothing(kind: &CheckKind) -> Option<&'static str> {
    match kind {
        CheckKind::Workbook(w) => {
            let of_cell = w.equals.is_some() || !w.contains.0.is_empty() || w.near.is_some();
            let of_column = !w.has.0.is_empty() || w.values.is_some();
            let has_cell = w.cell.is_some() || (w.column.is_some() && !w.row_where.is_empty());
            let fits = (of_cell || of_column || w.sum.is_some() || w.rows.is_some())
                && (!of_cell || has_cell)
                && (!of_column || w.column.is_some())
                && (w.sum.is_none() || w.range.is_some());
            (!fits).then_some("cell with equals, contains or near; range with sum; rows; or column with has or values")
        }
        CheckKind::Database(d) => (d.equals.is_none() && d.contains.0.is_empty()).then_some("equals or contains"),
        CheckKind::Git(g) => {
            let of_file = !g.contains.0.is_empty() || !g.lacks.0.is_empty() || g.equals.is_some();
            let asks =
                g.branch.is_some() || !g.log_contains.0.is_empty() || g.pushed_to.is_some() || g.file.is_some() || g.clean;
            (!asks || (of_file && g.file.is_none()))
                .then_some("branch, log_contains, pushed_to, clean, or file with contains or equals")
        }
        CheckKind::Run(r) => r.command.0.is_empty().then_some("command: [program, word, word]"),
        CheckKind::Png(_) | CheckKind::File(_) | CheckKind::Json(_) => None,
    }
}

/// Every name in braces in any text of a value.
fn used(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => names.extend(placeholders(text).into_iter().map(|placeholder| placeholder.name)),
        Value::Sequence(items) => items.iter().for_each(|item| used(item, names)),
        Value::Mapping(map) => map.iter().for_each(|(_, value)| used(value, names)),
        _ => {}
    }
}

impl OutcomeCheck {
    /// Names in braces that the inputs of an order do not give.
    pub fn unknown_names(&self, inputs: &BTreeMap<String, String>) -> Vec<String> {
        self.names.iter().filter(|name| !inputs.contains_key(*name)).cloned().collect()
    }
}
