//! A company as a folder on disk, in the shape of `agentcompanies/v1`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mz_protocol::{CompanyId, IdError, ProcedureId, Timestamp, WorkOrder, WorkerId};
use serde::Deserialize;
use serde_norway::Value;

use crate::check::{OutcomeCheck, parse_checks};
use crate::front::{Front, TEXT_LIMIT};
use crate::order::{ObjectiveSpec, OrderSpec, objectives, orders};
use crate::people::{Department, Worker, department, worker};
use crate::procedure::{Procedure, parse};
use crate::safe::{Folder, ReadError};
use crate::service::{ServiceSpec, service};
use crate::{Fault, verify};

/// So many entries a folder of a company may have.
const MOST_ENTRIES: usize = 2000;
/// What one file may bring into a worker's home.
pub(crate) const MOST_FILES: usize = 5000;

/// Where a company does not say what a core's hour costs it.
const CORE_HOUR_CENTS: f64 = 5.0;
const MOST_CORE_HOUR_CENTS: f64 = 1e6;

/// A company that could be read. Whether its parts fit together is for `check` to say.
#[derive(Debug, Clone)]
pub struct Company {
    pub id: CompanyId,
    pub name: String,
    pub description: String,
    /// ISO 4217 code.
    pub currency: String,
    /// What an hour of one processor core costs, in hundredths of the currency.
    pub core_hour_cents: f64,
    pub objectives: Vec<ObjectiveSpec>,
    pub departments: Vec<Department>,
    pub workers: Vec<Worker>,
    pub procedures: BTreeMap<ProcedureId, Arc<Procedure>>,
    pub checks: BTreeMap<ProcedureId, Vec<OutcomeCheck>>,
    pub orders: Vec<OrderSpec>,
    pub services: Vec<ServiceSpec>,
    /// Cedar rules that the company adds.
    pub policy: Option<String>,
    pub(crate) folder: Folder,
}

/// All that is wrong in a company folder: what cannot be read, or else what does not fit together.
pub fn check_folder(dir: &Path) -> Vec<Fault> {
    match Company::load(dir) {
        Ok(company) => company.check(),
        Err(faults) => faults,
    }
}

/// A file that an order puts into a worker's home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeFile {
    /// Path below the home: that of the company, without a leading `files/`.
    pub home: String,
    /// Path below the company folder.
    pub company: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Ours {
    currency: Option<String>,
    core_hour_cents: Option<f64>,
    objectives: Vec<Value>,
}

impl Company {
    /// Reads a company folder. All faults of all files are found, not just the first.
    pub fn load(dir: &Path) -> Result<Self, Vec<Fault>> {
        let folder = Folder::new(dir);
        let mut faults = Vec::new();
        let front = Front::read(&folder, "COMPANY.md").map_err(|fault| vec![fault])?;
        let name = front.wanted("name", &mut faults);
        let ours: Ours = front.mezzanine(&mut faults);
        let slug = front.text("slug").unwrap_or_else(|| dir.file_name().unwrap_or_default().to_string_lossy().into_owned());
        let id = CompanyId::new(&slug).map_err(|error| {
            faults.push(Fault::new("COMPANY.md", front.line_of("slug"), error.to_string(), "slug: a-short-name"))
        });
        if let Some(schema) = front.text("schema").filter(|schema| !schema.starts_with("agentcompanies/v1")) {
            faults.push(Fault::new(
                "COMPANY.md",
                front.line_of("schema"),
                format!("the schema is {schema:?}"),
                "schema: agentcompanies/v1",
            ));
        }
        let goals = match (ours.objectives.is_empty(), front.get("objectives").or_else(|| front.get("goals"))) {
            (true, Some(Value::Sequence(goals))) => goals.clone(),
            _ => ours.objectives,
        };
        let currency = ours.currency.unwrap_or_else(|| "EUR".to_owned());
        if !(currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase())) {
            faults.push(Fault::new(
                "COMPANY.md",
                front.line_of("currency"),
                format!("{currency:?} is no currency"),
                "an ISO 4217 code such as EUR",
            ));
        }
        let core_hour_cents = ours.core_hour_cents.unwrap_or(CORE_HOUR_CENTS);
        if !(0.0..=MOST_CORE_HOUR_CENTS).contains(&core_hour_cents) {
            faults.push(Fault::new(
                "COMPANY.md",
                front.line_of("core_hour_cents"),
                format!("{core_hour_cents} is no price of a core's hour"),
                format!("hundredths of the currency, from 0 to {MOST_CORE_HOUR_CENTS}, such as 5"),
            ));
        }
        let objectives = objectives(goals, "COMPANY.md", front.line_of("objectives"), &mut faults);
        let departments = read_departments(&folder, &mut faults);
        let workers = read_workers(&folder, &departments, &mut faults);
        let (procedures, checks) = read_procedures(&folder, &mut faults);
        let orders = read_orders(&folder, &mut faults);
        let services = subfolders(&folder, "services", &mut faults)
            .iter()
            .filter_map(|slug| service(&folder, slug, &mut faults))
            .collect();
        let policy = read_policy(&folder, &mut faults);
        match id {
            Ok(id) if faults.is_empty() => Ok(Self {
                id,
                name,
                description: front.text("description").unwrap_or_default(),
                currency,
                core_hour_cents,
                objectives,
                departments,
                workers,
                procedures,
                checks,
                orders,
                services,
                policy,
                folder,
            }),
            _ => Err(faults),
        }
    }

    /// What in the company does not fit together; nothing where all does.
    pub fn check(&self) -> Vec<Fault> {
        verify::faults(self)
    }

    /// The company folder on this machine.
    pub fn dir(&self) -> &Path {
        self.folder.root()
    }

    pub fn worker(&self, id: &WorkerId) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.id == *id)
    }

    pub fn procedure(&self, id: &ProcedureId) -> Option<&Arc<Procedure>> {
        self.procedures.get(id)
    }

    /// A procedure's outcome check by its name; the only one where the name is empty.
    pub fn outcome_check(&self, procedure: &ProcedureId, name: &str) -> Option<&OutcomeCheck> {
        let checks = self.checks.get(procedure)?;
        match (checks.as_slice(), name) {
            ([only], "") => Some(only),
            _ => checks.iter().find(|check| check.name == name),
        }
    }

    /// The orders of one of the company's days, counted from 1, as of the instant at which they are taken up.
    pub fn work_orders(&self, day: u32, created: Timestamp) -> Result<Vec<WorkOrder>, IdError> {
        let order = |spec: &OrderSpec| {
            let owner = spec.owner.as_ref().and_then(|owner| self.worker(owner));
            let department = spec.department.clone().or_else(|| owner.map(|owner| owner.department.clone()))?;
            let check = self.outcome_check(&spec.procedure, &spec.check).map_or(&spec.check, |check| &check.name);
            Some(spec.order(department, check.clone(), day, created))
        };
        self.orders.iter().filter_map(order).collect()
    }

    /// The files that an order puts into a worker's home, its folders gone through.
    pub fn home_files(&self, order: &WorkOrder) -> Result<Vec<HomeFile>, ReadError> {
        self.expand(&order.files)
    }

    /// The settings of a worker's programs, from `profiles/<worker>`, by their path in the home.
    pub fn profile_files(&self, worker: &WorkerId) -> Result<Vec<HomeFile>, ReadError> {
        let root = format!("profiles/{worker}");
        if !self.folder.is_folder(&root) {
            return Ok(Vec::new());
        }
        let files = self.expand(std::slice::from_ref(&root))?;
        let below = |file: HomeFile| HomeFile { home: file.home[root.len() + 1..].to_owned(), company: file.company };
        Ok(files.into_iter().map(below).collect())
    }

    pub(crate) fn expand(&self, paths: &[String]) -> Result<Vec<HomeFile>, ReadError> {
        let mut found = Vec::new();
        let mut open: Vec<String> = paths.iter().rev().map(|path| path.trim_end_matches('/').to_owned()).collect();
        while let Some(path) = open.pop() {
            if self.folder.is_folder(&path) {
                let names = self.folder.names(&path, MOST_FILES)?;
                open.extend(names.into_iter().rev().map(|name| format!("{path}/{name}")));
            } else {
                self.folder.open(&path)?;
                let home = path.strip_prefix("files/").unwrap_or(&path).to_owned();
                found.push(HomeFile { home, company: path });
            }
            if found.len() + open.len() > MOST_FILES {
                return Err(ReadError::TooMany { path: paths.join(", "), limit: MOST_FILES });
            }
        }
        Ok(found)
    }

    /// A file of the company, at most `limit` bytes; never one outside its folder.
    pub fn read_file(&self, path: &str, limit: u64) -> Result<Vec<u8>, ReadError> {
        self.folder.read(path, limit)
    }

    /// The host path of a file of the company, after it was seen to be inside.
    pub fn host_path(&self, path: &str) -> Result<PathBuf, ReadError> {
        self.folder.open(path)?;
        self.folder.path(path)
    }
}

fn names(folder: &Folder, below: &str, faults: &mut Vec<Fault>) -> Vec<String> {
    match folder.names(below, MOST_ENTRIES) {
        Ok(names) => names,
        Err(ReadError::Missing(_)) => Vec::new(),
        Err(error) => {
            faults.push(Fault::new(below, 0, error.to_string(), "a plain folder inside the company's"));
            Vec::new()
        }
    }
}

fn subfolders(folder: &Folder, below: &str, faults: &mut Vec<Fault>) -> Vec<String> {
    let mut found = names(folder, below, faults);
    // Loose files such as a README are nobody's business; a link that leads out is said.
    found.retain(|name| match folder.folder(&format!("{below}/{name}")) {
        Ok(_) => true,
        Err(ReadError::Outside(path)) => {
            faults.push(Fault::new(&path, 0, format!("{path} leads out of the company folder"), "a plain folder"));
            false
        }
        Err(_) => false,
    });
    found
}

fn read_departments(folder: &Folder, faults: &mut Vec<Fault>) -> Vec<Department> {
    let mut found = Vec::new();
    for slug in subfolders(folder, "teams", faults) {
        match Front::read(folder, &format!("teams/{slug}/TEAM.md")) {
            Ok(front) => found.extend(department(&front, &slug, faults)),
            Err(fault) => faults.push(fault),
        }
    }
    found
}

fn read_workers(folder: &Folder, departments: &[Department], faults: &mut Vec<Fault>) -> Vec<Worker> {
    let mut found = Vec::new();
    for slug in subfolders(folder, "agents", faults) {
        match Front::read(folder, &format!("agents/{slug}/AGENTS.md")) {
            Ok(front) => found.extend(worker(&front, &slug, departments, faults)),
            Err(fault) => faults.push(fault),
        }
    }
    found
}

type Procedures = (BTreeMap<ProcedureId, Arc<Procedure>>, BTreeMap<ProcedureId, Vec<OutcomeCheck>>);

fn read_procedures(folder: &Folder, faults: &mut Vec<Fault>) -> Procedures {
    let (mut procedures, mut checks) = (BTreeMap::new(), BTreeMap::new());
    for slug in subfolders(folder, "skills", faults) {
        let file = format!("skills/{slug}/SKILL.md");
        let text = match folder.read_text(&file, TEXT_LIMIT) {
            Ok(text) => text,
            Err(error) => {
                faults.push(Fault::new(&file, 0, error.to_string(), "a SKILL.md in each folder of skills"));
                continue;
            }
        };
        match parse(&text, &file) {
            Ok(procedure) => drop(procedures.insert(procedure.id.clone(), Arc::new(procedure))),
            Err(found) => faults.extend(found),
        }
        let file = format!("skills/{slug}/CHECK.yaml");
        let parsed = match folder.read_text(&file, TEXT_LIMIT) {
            Ok(text) => parse_checks(&text, &file),
            Err(ReadError::Missing(_)) => continue,
            Err(error) => Err(vec![Fault::new(&file, 0, error.to_string(), "a plain file of YAML")]),
        };
        match (parsed, ProcedureId::new(&slug)) {
            (Ok(parsed), Ok(id)) => drop(checks.insert(id, parsed)),
            (Err(found), _) => faults.extend(found),
            (Ok(_), Err(_)) => {}
        }
    }
    (procedures, checks)
}

fn read_orders(folder: &Folder, faults: &mut Vec<Fault>) -> Vec<OrderSpec> {
    let mut found = Vec::new();
    for name in names(folder, "orders", faults) {
        if !(name.ends_with(".yaml") || name.ends_with(".yml")) {
            continue;
        }
        let file = format!("orders/{name}");
        match folder.read_text(&file, TEXT_LIMIT) {
            Ok(text) => found.extend(orders(&text, &file, faults)),
            Err(error) => faults.push(Fault::new(&file, 0, error.to_string(), "a plain file of YAML")),
        }
    }
    found
}

fn read_policy(folder: &Folder, faults: &mut Vec<Fault>) -> Option<String> {
    match folder.read_text("policy.cedar", TEXT_LIMIT) {
        Ok(text) => Some(text),
        Err(ReadError::Missing(_)) => None,
        Err(error) => {
            faults.push(Fault::new("policy.cedar", 0, error.to_string(), "a plain file of Cedar rules"));
            None
        }
    }
}
