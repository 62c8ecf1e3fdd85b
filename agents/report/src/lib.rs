//! What it was worth: figures of any period for the company, a department or a worker, and their exports.
//! [`Report::build`] is pure: it reads events in the ledger's order and nothing else, so the same events
//! give the same report for ever. [`export`] writes one report to one file; every format shows the same
//! figures, since each of them is taken from [`Report::figures`] and computed nowhere else.

mod availability;
mod calendar;
mod definitions;
mod export;
mod figure;
mod history;
mod measure;
mod names;
mod report;
mod stats;
mod tables;

pub use export::{ExportError, export, file_name};
pub use figure::{Figure, Trend, Unit};
pub use names::{Names, WorkerName};
pub use report::Report;
pub use tables::{AgeRow, ApprovalTable, DayRow, GroupRow, InterventionRow, OrderRow, PersonRow};
