//! Departments and workers, from TEAM.md and AGENTS.md.

use std::collections::BTreeMap;

use mz_protocol::{DepartmentId, ProcedureId, RequestRule, RoleId, WorkerId};
use serde::Deserialize;
use serde_norway::Value;

use crate::Fault;
use crate::front::Front;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Department {
    pub id: DepartmentId,
    pub name: String,
    pub description: String,
    pub manager: Option<WorkerId>,
    /// Workers that TEAM.md includes.
    pub(crate) includes: Vec<String>,
}

/// An AI employee and what its role may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    pub id: WorkerId,
    pub name: String,
    pub role: RoleId,
    /// The role in words, such as `Bookkeeper`.
    pub title: String,
    pub department: DepartmentId,
    pub reports_to: Option<WorkerId>,
    /// Procedures it may follow; empty where AGENTS.md lists none, which means any.
    pub procedures: Vec<ProcedureId>,
    pub programs: Vec<ProgramSpec>,
    /// Hosts that the broker lets it reach.
    pub hosts: Vec<HostSpec>,
    /// Names of secrets that may be typed for it.
    pub secrets: Vec<String>,
    pub limits: RoleLimits,
    pub env: BTreeMap<String, String>,
    /// The Markdown of AGENTS.md.
    pub instructions: String,
}

/// A host that a role may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSpec {
    /// `example.org`, `*.example.org` or `example.org:8443`.
    pub name: String,
    /// Requests that pass only with a manager's answer.
    pub asks: Vec<RequestRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProgramSpec {
    /// As procedures say it: `LibreOffice Calc`.
    pub name: String,
    /// argv; `{args}` marks where files and addresses go.
    pub command: Vec<String>,
    /// The Debian package that has it.
    #[serde(default)]
    pub package: String,
}

/// What one desktop may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RoleLimits {
    pub memory_mib: u32,
    pub processes: u32,
    /// 100 is one core.
    pub cpu_percent: u32,
    pub disk_mib: u32,
}

impl Default for RoleLimits {
    fn default() -> Self {
        Self { memory_mib: 2048, processes: 400, cpu_percent: 200, disk_mib: 2048 }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Ours {
    department: Option<String>,
    role: Option<String>,
    programs: Vec<ProgramSpec>,
    hosts: Vec<Value>,
    secrets: Vec<String>,
    limits: RoleLimits,
    env: BTreeMap<String, String>,
}

pub(crate) fn department(front: &Front, slug: &str, faults: &mut Vec<Fault>) -> Option<Department> {
    let id = id(DepartmentId::new(slug), front, "slug", faults)?;
    let name = front.wanted("name", faults);
    let manager = front.text("manager").map(|path| agent_slug(&path));
    let manager = manager.and_then(|slug| self::id(WorkerId::new(slug), front, "manager", faults));
    let includes =
        front.list("includes").iter().filter(|path| path.ends_with("AGENTS.md")).map(|path| agent_slug(path)).collect();
    Some(Department { id, name, description: front.text("description").unwrap_or_default(), manager, includes })
}

/// `../agents/mira/AGENTS.md` and `mira` both name mira.
fn agent_slug(path: &str) -> String {
    let path = path.trim_end_matches("AGENTS.md").trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

pub(crate) fn worker(front: &Front, slug: &str, departments: &[Department], faults: &mut Vec<Fault>) -> Option<Worker> {
    let id = id(WorkerId::new(slug), front, "slug", faults)?;
    let name = front.wanted("name", faults);
    let ours: Ours = front.mezzanine(faults);
    let included = departments.iter().find(|department| {
        department.manager.as_ref() == Some(&id) || department.includes.iter().any(|included| included == id.as_str())
    });
    let department = match (&ours.department, included) {
        (Some(named), _) => self::id(DepartmentId::new(named), front, "department", faults)?,
        (None, Some(department)) => department.id.clone(),
        (None, None) => {
            faults.push(Fault::new(
                &front.file,
                1,
                format!("{id} is in no department"),
                "metadata.mezzanine.department, or the worker in a TEAM.md's includes",
            ));
            return None;
        }
    };
    let title = front.text("title").or_else(|| ours.role.clone()).unwrap_or_else(|| "Worker".to_owned());
    let role = self::id(RoleId::new(ours.role.as_deref().map_or_else(|| slugged(&title), slugged)), front, "role", faults)?;
    let reports_to = front.text("reportsTo").filter(|text| text != "null").map(|path| agent_slug(&path));
    let reports_to = reports_to.and_then(|slug| self::id(WorkerId::new(slug), front, "reportsTo", faults));
    let skills = front.list("skills");
    let procedures =
        skills.iter().filter_map(|skill| self::id(ProcedureId::new(skill_slug(skill)), front, skill, faults)).collect();
    for program in ours.programs.iter().filter(|program| program.command.is_empty()) {
        let line = front.line_with(&program.name);
        faults.push(Fault::new(
            &front.file,
            line,
            format!("{:?} has no command", program.name),
            "command: [program, \"{args}\"]",
        ));
    }
    Some(Worker {
        id,
        name,
        role,
        title,
        department,
        reports_to,
        procedures,
        programs: ours.programs,
        hosts: ours.hosts.iter().filter_map(|host| self::host(host, front, faults)).collect(),
        secrets: ours.secrets,
        limits: ours.limits,
        env: ours.env,
        instructions: front.body.trim().to_owned(),
    })
}

/// `example.org`, or `{name: example.org, asks: [POST /orders]}`.
fn host(value: &Value, front: &Front, faults: &mut Vec<Fault>) -> Option<HostSpec> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asking {
        name: String,
        asks: Vec<String>,
    }
    let expected = "example.org, or {name: example.org, asks: [\"POST /orders\"]}";
    if let Value::String(name) = value {
        return Some(HostSpec { name: name.clone(), asks: Vec::new() });
    }
    let named = value.get("name").and_then(Value::as_str).map_or_else(|| front.line_of("hosts"), |name| front.line_with(name));
    let written: Asking = serde_norway::from_value(value.clone())
        .map_err(|error| faults.push(Fault::new(&front.file, named, format!("a host cannot be read: {error}"), expected)))
        .ok()?;
    let mut rule = |text: &String| {
        text.parse::<RequestRule>()
            .map_err(|error| faults.push(Fault::new(&front.file, front.line_with(text), error.to_string(), expected)))
            .ok()
    };
    let asks = written.asks.iter().filter_map(&mut rule).collect();
    Some(HostSpec { name: written.name, asks })
}

fn skill_slug(skill: &str) -> &str {
    skill.trim_end_matches("SKILL.md").trim_end_matches('/').rsplit('/').next().unwrap_or(skill)
}

/// `Chief Designer` as an id: `chief-designer`.
fn slugged(text: &str) -> String {
    let mapped: String =
        text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    mapped.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn id<T>(id: Result<T, mz_protocol::IdError>, front: &Front, key: &str, faults: &mut Vec<Fault>) -> Option<T> {
    id.map_err(|error| {
        faults.push(Fault::new(&front.file, front.line_with(key), error.to_string(), "a name that can be a folder's"))
    })
    .ok()
}
