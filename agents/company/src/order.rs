//! Work that a company ships with: objectives and work orders.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use mz_protocol::{
    DepartmentId, IdError, Millis, Objective, ObjectiveId, ProcedureId, Timestamp, WorkOrder, WorkOrderId, WorkerId,
};
use serde::Deserialize;
use serde_norway::Value;

use crate::Fault;
use crate::front::{scalar, yaml_fault};

/// When an order is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    At(Timestamp),
    /// So long after the order was created.
    After(Millis),
    /// The next time that the clock on the wall shows this.
    Clock(jiff::civil::Time),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectiveSpec {
    pub id: ObjectiveId,
    pub text: String,
    pub department: Option<DepartmentId>,
}

impl ObjectiveSpec {
    pub fn objective(&self, added: Timestamp) -> Objective {
        Objective { id: self.id.clone(), text: self.text.clone(), department: self.department.clone(), added }
    }
}

/// The longest number of an order in a file: the day is put behind it.
pub(crate) const LONGEST_ID: usize = 56;

/// An order's number on one of the company's days: `WO-0001`, from the second day on `WO-0001.2`.
pub fn on_day(id: &WorkOrderId, day: u32) -> Result<WorkOrderId, IdError> {
    if day <= 1 { Ok(id.clone()) } else { WorkOrderId::new(format!("{id}.{day}")) }
}

/// The day that an order's number tells of.
pub fn day_of(id: &WorkOrderId) -> u32 {
    let day = id.as_str().rsplit_once('.').and_then(|(_, day)| day.parse().ok());
    day.filter(|day| *day > 1).unwrap_or(1)
}

/// A work order as its file says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSpec {
    pub id: WorkOrderId,
    pub title: String,
    pub department: Option<DepartmentId>,
    pub objective: Option<ObjectiveId>,
    pub owner: Option<WorkerId>,
    pub procedure: ProcedureId,
    pub inputs: BTreeMap<String, String>,
    /// Files or folders below the company folder.
    pub files: Vec<String>,
    pub depends_on: Vec<WorkOrderId>,
    pub due: Option<Due>,
    /// Empty: the procedure's only check.
    pub check: String,
    /// The file it came from, and its line there.
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl OrderSpec {
    pub(crate) fn order(
        &self,
        department: DepartmentId,
        check: String,
        day: u32,
        created: Timestamp,
    ) -> Result<WorkOrder, IdError> {
        let due = self.due.map(|due| match due {
            Due::At(at) => at,
            Due::After(span) => created.plus(span),
            Due::Clock(time) => next_at(time, created).unwrap_or(created),
        });
        Ok(WorkOrder {
            id: on_day(&self.id, day)?,
            title: self.title.clone(),
            department,
            objective: self.objective.clone(),
            owner: self.owner.clone(),
            procedure: self.procedure.clone(),
            inputs: self.inputs.clone(),
            files: self.files.clone(),
            depends_on: self.depends_on.iter().map(|id| on_day(id, day)).collect::<Result<_, _>>()?,
            due,
            check,
            created,
        })
    }
}

fn next_at(time: jiff::civil::Time, created: Timestamp) -> Option<Timestamp> {
    let now = jiff::Timestamp::from_millisecond(created.0).ok()?.to_zoned(TimeZone::system());
    let today = now.date().to_datetime(time).to_zoned(TimeZone::system()).ok()?;
    let due =
        if today > now { today } else { now.date().tomorrow().ok()?.to_datetime(time).to_zoned(TimeZone::system()).ok()? };
    Some(Timestamp(due.timestamp().as_millisecond()))
}

#[derive(Deserialize)]
struct Written {
    id: Option<String>,
    #[serde(alias = "name")]
    title: String,
    department: Option<DepartmentId>,
    objective: Option<ObjectiveId>,
    #[serde(alias = "worker", alias = "assignee")]
    owner: Option<WorkerId>,
    procedure: ProcedureId,
    #[serde(default)]
    inputs: BTreeMap<String, Value>,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    depends_on: Vec<WorkOrderId>,
    due: Option<String>,
    #[serde(default)]
    check: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenObjective {
    Text(String),
    Whole {
        id: Option<ObjectiveId>,
        #[serde(alias = "title")]
        text: String,
        department: Option<DepartmentId>,
    },
}

/// Objectives from COMPANY.md; without an id they are numbered.
pub(crate) fn objectives(values: Vec<Value>, file: &str, line: u32, faults: &mut Vec<Fault>) -> Vec<ObjectiveSpec> {
    let mut found = Vec::new();
    for (at, value) in values.into_iter().enumerate() {
        let (id, text, department) = match serde_norway::from_value(value) {
            Ok(WrittenObjective::Text(text)) => (None, text, None),
            Ok(WrittenObjective::Whole { id, text, department }) => (id, text, department),
            Err(_) => {
                let expected = "a sentence, or id:, text: and department:";
                faults.push(Fault::new(file, line, format!("objective {} cannot be read", at + 1), expected));
                continue;
            }
        };
        match id.map_or_else(|| ObjectiveId::new(format!("OBJ-{:04}", at + 1)), Ok) {
            Ok(id) => found.push(ObjectiveSpec { id, text, department }),
            Err(error) => faults.push(Fault::new(file, line, error.to_string(), "an id such as OBJ-0001")),
        }
    }
    found
}

/// One order, or a list of orders, or a list below `orders:`.
pub(crate) fn orders(text: &str, file: &str, faults: &mut Vec<Fault>) -> Vec<OrderSpec> {
    let value: Value = match serde_norway::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            faults.push(yaml_fault(file, 0, &error));
            return Vec::new();
        }
    };
    let stem = file.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or(file, |(stem, _)| stem);
    let listed = value.get("orders").cloned();
    match listed.unwrap_or(value) {
        Value::Sequence(items) => items.into_iter().filter_map(|item| order(item, None, text, file, faults)).collect(),
        one => order(one, Some(stem), text, file, faults).into_iter().collect(),
    }
}

fn order(value: Value, stem: Option<&str>, text: &str, file: &str, faults: &mut Vec<Fault>) -> Option<OrderSpec> {
    let own = value.get("id").or_else(|| value.get("title")).and_then(scalar);
    let line = own.and_then(|own| text.lines().position(|line| line.contains(&own))).map_or(1, |at| at as u32 + 1);
    let mut fault = |what: String, expected: &str| faults.push(Fault::new(file, line, what, expected));
    let written: Written = match serde_norway::from_value(value) {
        Ok(written) => written,
        Err(error) => {
            fault(
                error.to_string(),
                "an order with id, title, department, owner, procedure, inputs, files, depends_on, due and check",
            );
            return None;
        }
    };
    let id = match WorkOrderId::new(written.id.as_deref().or(stem).unwrap_or_default()) {
        Ok(id) => id,
        Err(error) => {
            fault(error.to_string(), "an id such as WO-0007");
            return None;
        }
    };
    let mut inputs = BTreeMap::new();
    for (name, value) in &written.inputs {
        match input(value) {
            Some(text) => drop(inputs.insert(name.clone(), text)),
            None => fault(format!("the input {name:?} is no text and no number"), "a text, a number, or a list of them"),
        }
    }
    let due = written.due.as_deref().map(due);
    if let Some(None) = due {
        fault(
            format!("due: {:?} is no time", written.due.unwrap_or_default()),
            "a time such as 17:00, 4 hours, or 2026-12-01T17:00:00Z",
        );
    }
    Some(OrderSpec {
        id,
        title: written.title,
        department: written.department,
        objective: written.objective,
        owner: written.owner,
        procedure: written.procedure,
        inputs,
        files: written.files,
        depends_on: written.depends_on,
        due: due.flatten(),
        check: written.check,
        file: file.to_owned(),
        line,
    })
}

/// A list is one text with a line for each of its entries.
fn input(value: &Value) -> Option<String> {
    match value {
        Value::Sequence(items) => items.iter().map(scalar).collect::<Option<Vec<_>>>().map(|lines| lines.join("\n")),
        one => scalar(one),
    }
}

fn due(text: &str) -> Option<Due> {
    let text = text.trim();
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Due::At(Timestamp(at.as_millisecond())));
    }
    if let Ok(time) = text.parse::<jiff::civil::Time>()
        && text.contains(':')
    {
        return Some(Due::Clock(time));
    }
    let local = text.parse::<jiff::civil::DateTime>().ok();
    let local = local.or_else(|| text.parse::<jiff::civil::Date>().ok().map(|date| date.at(23, 59, 0, 0)));
    if let Some(local) = local {
        let at = local.to_zoned(TimeZone::system()).ok()?;
        return Some(Due::At(Timestamp(at.timestamp().as_millisecond())));
    }
    let span: jiff::Span = text.trim_start_matches('+').trim_start_matches("in ").parse().ok()?;
    let span = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
    u64::try_from(span.as_millis()).ok().map(|millis| Due::After(Millis(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_the_day() -> Result<(), IdError> {
        let first = WorkOrderId::new("WO-0001")?;
        assert_eq!((on_day(&first, 1)?, day_of(&first)), (first.clone(), 1));
        let second = on_day(&first, 2)?;
        assert_eq!((second.as_str(), day_of(&second)), ("WO-0001.2", 2));
        let long = WorkOrderId::new("W".repeat(LONGEST_ID))?;
        assert_eq!(day_of(&on_day(&long, 1_000_000)?), 1_000_000);
        Ok(())
    }

    #[test]
    fn due_reads_as_people_write_it() {
        assert_eq!(due("4 hours"), Some(Due::After(Millis::from_secs(4 * 3600))));
        assert_eq!(due("2 days"), Some(Due::After(Millis::from_secs(2 * 86_400))));
        assert_eq!(due("1970-01-02T00:00:00Z"), Some(Due::At(Timestamp(86_400_000))));
        assert!(matches!(due("17:00"), Some(Due::Clock(_))));
        assert!(matches!(due("2026-12-01"), Some(Due::At(_))));
        assert_eq!(due("soon"), None);
    }
}
