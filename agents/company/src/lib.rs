//! Why work happens: a company as a folder of Markdown and YAML that people and programs read alike
//! (`agentcompanies/v1`), with its departments, workers, work orders, procedures and outcome checks.
//!
//! `Company::load` reads a folder and says all that is wrong in it, each file read through `Folder`, which
//! nothing leaves. `ProcedureRun` follows a procedure step by step and gives waypoints. `run_check` looks at
//! what came of it: a worker's own word does not count.

mod check;
mod exchange;
mod fault;
mod folder;
mod front;
mod order;
mod people;
pub mod procedure;
mod safe;
mod service;
mod verify;

pub use check::{CheckEntry, CheckKind, CheckPlaces, OutcomeCheck, ServicePlace, parse_checks, run_check};
pub use exchange::ExchangeError;
pub use fault::Fault;
pub use folder::{Company, HomeFile, check_folder};
pub use order::{Due, ObjectiveSpec, OrderSpec, day_of, on_day};
pub use people::{Department, HostSpec, ProgramSpec, RoleLimits, Worker};
pub use procedure::{Files, HomeFiles, Next, Procedure, ProcedureRun, RunError, Seen};
pub use safe::{Folder, ReadError};
pub use service::{Listen, ServiceSpec};
