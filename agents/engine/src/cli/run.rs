//! What each command does.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use mz_protocol::{
    ApprovalId, ApprovalState, Command, Decision, DecisionKind, DepartmentId, ExportFormat, LeaseId, Millis, Period,
    ReportScope, Response, StopScope, WorkOrderId, WorkerId,
};

use super::args::{
    Args, AuditCmd, Bench, Cmd, CompanyArgs, CompanyCmd, Format, ObjectiveCmd, ReportArgs, ScopeArgs, SecretCmd,
};
use super::client::{Client, person};
use super::print;
use crate::paths::{Paths, default_socket};
use crate::{bench, clock, day, house};

/// A decision given faster than this was not thought about, and does not count.
const LOOK: std::time::Duration = std::time::Duration::from_millis(600);

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let socket = args.socket.clone().unwrap_or_else(default_socket);
    let json = args.json;
    match args.command {
        Cmd::Up(company) => house::up(&company_dir(&company)?, paths(&company, args.socket)?).map(|()| ExitCode::SUCCESS),
        Cmd::Open(company) => open(&company, args.socket),
        Cmd::Console => console(&socket, &[]),
        Cmd::Day(day_args) => {
            let paths = Paths::apart(&day_args.company.home.clone().unwrap_or_else(|| day_args.out.join("state")))?;
            day::run(&company_dir(&day_args.company)?, paths, &day_args)
        }
        Cmd::Bench { what, samples } => {
            let report = match what {
                Bench::Desktop => bench::desktop(samples)?,
                Bench::Feed => bench::feed(samples)?,
                Bench::Gate => bench::gate(samples)?,
                Bench::Console => bench::console()?,
                Bench::Stop => bench::stop(samples)?,
            };
            report.print(json);
            Ok(ExitCode::SUCCESS)
        }
        Cmd::Company(command) => company(command, json),
        Cmd::Audit(AuditCmd::Verify { ledger, checkpoints }) => audit(ledger, checkpoints, json),
        Cmd::Secret(SecretCmd::Set { name }) => set_secret(&name),
        command => ask(&socket, command, json),
    }
}

fn paths(company: &CompanyArgs, socket: Option<PathBuf>) -> anyhow::Result<Paths> {
    let mut paths = match &company.home {
        Some(home) => Paths::under(home)?,
        None => Paths::of_user()?,
    };
    if let Some(socket) = socket {
        paths.socket = socket;
    }
    Ok(paths)
}

/// The folder that was named, or the built-in company: beside the program, or in the checkout it was built from.
fn company_dir(args: &CompanyArgs) -> anyhow::Result<PathBuf> {
    if let Some(dir) = &args.company {
        return Ok(dir.clone());
    }
    let mut places = vec![PathBuf::from("assets/companies/atelier"), PathBuf::from("/usr/share/mezzanine/companies/atelier")];
    places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/companies/atelier"));
    places
        .into_iter()
        .find(|place| place.join("COMPANY.md").is_file())
        .context("the built-in company is not here: name one with --company")
}

/// The console's program, beside this one.
fn console_program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let program = own.with_file_name("mezzanine-console");
    if !program.is_file() {
        bail!("the console is not installed beside {}: build it with `make build`", own.display());
    }
    Ok(program)
}

fn console(socket: &Path, more: &[&str]) -> anyhow::Result<ExitCode> {
    if std::env::var_os("DISPLAY").is_none() && std::env::var_os("WAYLAND_DISPLAY").is_none() {
        bail!("there is no display to open the console on: run `mezzanine day --headless` instead");
    }
    let status = std::process::Command::new(console_program()?).arg("--socket").arg(socket).args(more).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn open(company: &CompanyArgs, socket: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let paths = paths(company, socket)?;
    let socket = paths.socket.clone();
    house::with_engine(&company_dir(company)?, paths, |_| console(&socket, &[]))
}

fn company(command: CompanyCmd, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        CompanyCmd::Check { folder } => {
            let faults = mz_company::Company::load(&folder).map_or_else(|faults| faults, |company| company.check());
            if json {
                println!("{}", serde_json::to_string_pretty(&faults)?);
            } else if faults.is_empty() {
                println!("{} is sound.", folder.display());
            }
            if !json {
                faults.iter().for_each(|fault| println!("{fault}"));
            }
            return Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        CompanyCmd::Export { folder, to } => load(&folder)?.export(&to)?,
        CompanyCmd::Import { from, to } => mz_company::Company::import(&from, &to).map(drop)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn load(folder: &Path) -> anyhow::Result<mz_company::Company> {
    mz_company::Company::load(folder).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the company in {} cannot be read:\n{}", folder.display(), lines.join("\n"))
    })
}

fn audit(ledger: Option<PathBuf>, checkpoints: Option<PathBuf>, json: bool) -> anyhow::Result<ExitCode> {
    let dir = match ledger {
        Some(dir) => dir,
        None => Paths::of_user()?.ledger(),
    };
    let found = crate::house::verify_ledger(&dir, checkpoints.as_deref())?;
    match (&found.problem, json) {
        (_, true) => println!("{}", serde_json::json!({ "events": found.events, "problem": found.problem })),
        (None, false) => println!("{} events, the chain is whole.", found.events),
        (Some(problem), false) => println!("{problem}"),
    }
    Ok(if found.problem.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn set_secret(name: &str) -> anyhow::Result<ExitCode> {
    let mut secret = String::new();
    std::io::stdin().read_line(&mut secret).context("cannot read the secret from standard input")?;
    crate::house::keep_secret(&Paths::of_user()?, name, secret.trim_end_matches(['\r', '\n']))?;
    Ok(ExitCode::SUCCESS)
}

/// Commands that a running engine answers.
fn ask(socket: &Path, command: Cmd, json: bool) -> anyhow::Result<ExitCode> {
    let mut client = Client::connect(socket, person()?)?;
    let response = match command {
        Cmd::Status | Cmd::Workers | Cmd::Orders | Cmd::Approvals => return show(&mut client, &command, json),
        Cmd::Approve { id, note } => decide(&mut client, &id, DecisionKind::Approve, note)?,
        Cmd::Veto { id, reason } => decide(&mut client, &id, DecisionKind::Veto { reason }, None)?,
        Cmd::Takeover { worker } => client.command(Command::TakeOver { worker: WorkerId::new(worker)? })?,
        Cmd::Handback { lease, note } => client.command(Command::HandBack { lease: LeaseId::new(lease)?, note })?,
        Cmd::Stop(args) => client.command(Command::Stop { scope: scope(args)? })?,
        Cmd::Resume(args) => client.command(Command::Resume { scope: scope(args)? })?,
        Cmd::Retry { order } => client.command(Command::Retry { order: WorkOrderId::new(order)? })?,
        Cmd::Cancel { order, reason } => client.command(Command::Cancel { order: WorkOrderId::new(order)?, reason })?,
        Cmd::Objective(ObjectiveCmd::Add { text, department }) => {
            let department = department.map(DepartmentId::new).transpose()?;
            client.command(Command::AddObjective { text, department })?
        }
        Cmd::Report(args) => report(&mut client, &args)?,
        Cmd::Down => client.command(Command::Shutdown)?,
        _ => bail!("this command needs no running engine"),
    };
    answer(&response, json)
}

fn answer(response: &Response, json: bool) -> anyhow::Result<ExitCode> {
    match response {
        response if json => println!("{}", serde_json::to_string_pretty(response)?),
        Response::Done => println!("Done."),
        Response::Lease { lease, .. } => println!("You drive. Hand back with `mezzanine handback {lease}`."),
        Response::Exported { file } => println!("{}", file.path),
        Response::Report { report } => {
            for figure in report["figures"].as_array().into_iter().flatten() {
                println!("{:<32} {}", figure["label"].as_str().unwrap_or(""), figure["text"].as_str().unwrap_or("—"));
            }
        }
        other => println!("{}", serde_json::to_string_pretty(other)?),
    }
    Ok(ExitCode::SUCCESS)
}

fn show(client: &mut Client, command: &Cmd, json: bool) -> anyhow::Result<ExitCode> {
    let snapshot = client.status()?;
    let now = clock::now();
    let waiting = || snapshot.approvals.iter().filter(|view| matches!(view.state, ApprovalState::Waiting { .. }));
    match (command, json) {
        (Cmd::Status, true) => println!("{}", serde_json::to_string_pretty(&snapshot)?),
        (Cmd::Workers, true) => println!("{}", serde_json::to_string_pretty(&snapshot.workers)?),
        (Cmd::Orders, true) => println!("{}", serde_json::to_string_pretty(&snapshot.orders)?),
        (_, true) => println!("{}", serde_json::to_string_pretty(&waiting().collect::<Vec<_>>())?),
        (Cmd::Status, false) => print::status(&snapshot),
        (Cmd::Workers, false) => snapshot.workers.iter().for_each(print::worker),
        (Cmd::Orders, false) => snapshot.orders.iter().for_each(print::order),
        (_, false) if waiting().next().is_none() => println!("Nothing waits for you."),
        (_, false) => waiting().for_each(|view| print::approval(view, now)),
    }
    Ok(ExitCode::SUCCESS)
}

fn decide(client: &mut Client, id: &str, kind: DecisionKind, note: Option<String>) -> anyhow::Result<Response> {
    let id = ApprovalId::new(id)?;
    let snapshot = client.status()?;
    let view =
        snapshot.approvals.iter().find(|view| view.request.id == id).with_context(|| format!("there is no approval {id}"))?;
    // The gate takes no decision from someone who has not had the question before their eyes.
    print::approval(view, clock::now());
    client.command(Command::Shown { approval: id.clone() })?;
    std::thread::sleep(LOOK);
    let decision = Decision {
        approval: id,
        binding: view.request.binding,
        kind,
        by: person()?,
        note,
        looked: Millis(LOOK.as_millis() as u64),
    };
    client.command(Command::Decide { decision })
}

fn scope(args: ScopeArgs) -> anyhow::Result<StopScope> {
    Ok(match (args.worker, args.department) {
        (Some(worker), _) => StopScope::Worker(WorkerId::new(worker)?),
        (None, Some(department)) => StopScope::Department(DepartmentId::new(department)?),
        (None, None) => StopScope::Company,
    })
}

fn report(client: &mut Client, args: &ReportArgs) -> anyhow::Result<Response> {
    let scope = match (&args.worker, &args.department) {
        (Some(worker), _) => ReportScope::Worker(WorkerId::new(worker)?),
        (None, Some(department)) => ReportScope::Department(DepartmentId::new(department)?),
        (None, None) => ReportScope::Company,
    };
    let to = clock::now();
    let from = mz_protocol::Timestamp(to.0 - i64::from(args.days) * 86_400_000);
    let period = Period { from, to };
    match args.format {
        None => client.command(Command::Report { scope, period }),
        Some(format) => client.command(Command::Export { scope, period, format: format.into() }),
    }
}

impl From<Format> for ExportFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Pdf => Self::Pdf,
            Format::Xlsx => Self::Xlsx,
            Format::Csv => Self::Csv,
            Format::Html => Self::Html,
            Format::Json => Self::Json,
        }
    }
}
