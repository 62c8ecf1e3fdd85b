//! What each command does.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use mz_client::{Address, default_socket};
use mz_company::Company;
use mz_gate::Secret;
use mz_protocol::{
    ApprovalId, ApprovalState, Command, Decision, DecisionKind, DepartmentId, ExportFormat, LeaseId, Millis, Period, PersonId,
    ReportScope, Response, StopScope, Timestamp, WorkOrderId, WorkerId,
};

use zeroize::Zeroizing;

use super::args::{
    Args, AuditCmd, Bench, Cmd, CompanyArgs, CompanyCmd, Format, HomeArgs, LedgerArgs, ObjectiveCmd, OpenArgs, ReportArgs,
    ScopeArgs, SecretCmd, TokenCmd,
};
use super::client::{Client, person};
use super::print;
use crate::house::Begin;
use crate::paths::Paths;
use crate::pictures::console_program;
use crate::server::Tokens;
use crate::{bench, clock, day, engine, house};

/// A decision given faster than this was not thought about, and does not count.
const LOOK: Duration = Duration::from_millis(mz_protocol::READ_TIME.0);

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let json = args.json;
    match args.command {
        Cmd::Up(up) => {
            let (company, paths) = premises(&up.opening.company, args.socket)?;
            engine::up(company, Paths { listen: up.listen, ..paths }, begin(&up.opening)).map(|()| ExitCode::SUCCESS)
        }
        Cmd::Open(opening) => open(&opening, args.socket),
        Cmd::Console => console(&place(&args)?),
        Cmd::Token(command) => token(command, json),
        Cmd::Day(day_args) => {
            let decisions = match &day_args.decide {
                Some(path) if day_args.headless => path,
                None if day_args.headless => bail!("a headless day needs decisions: name a file with --decide"),
                _ => bail!("say --headless, or open the console with `mezzanine open`"),
            };
            let company = house::load(&company_dir(&day_args.company)?)?;
            let home = day_args.company.home.as_deref();
            let out = match (&day_args.out, std::env::var_os("MEZZANINE_OUT")) {
                (Some(out), _) => out.clone(),
                (None, Some(out)) => PathBuf::from(out),
                (None, None) => {
                    Paths::root(home)?.join("days").join(jiff::Zoned::now().strftime("%Y-%m-%d-%H%M%S").to_string())
                }
            };
            println!("The day goes to {}", out.display());
            let state = home.map_or_else(|| out.join("state"), Path::to_owned);
            let paths = Paths::apart(&company.id, &state)?;
            let longest = Duration::from_secs(day_args.minutes * 60);
            day::run(company, paths, &day::Plan { decisions, pictures: day_args.pictures, longest, out: &out })
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
        Cmd::Audit(command) => audit(command, json),
        Cmd::Secret(command) => secret(command, json),
        _ => ask(&address(&args)?, args.command, json),
    }
}

/// Where the engine is that is asked.
fn address(args: &Args) -> anyhow::Result<Address> {
    match (&args.engine, &args.token_file, &args.fingerprint) {
        (Some(engine), Some(token_file), Some(fingerprint)) => Ok(Address::remote(engine, token_file, fingerprint)?),
        (None, None, None) => Ok(Address::Socket(args.socket.clone().unwrap_or_else(default_socket))),
        _ => bail!("an engine elsewhere needs all three: --engine https://host:port --token-file FILE --fingerprint SHA256:…"),
    }
}

/// The same, as the console's program is told it.
fn place(args: &Args) -> anyhow::Result<Vec<OsString>> {
    Ok(match (address(args)?, &args.token_file) {
        (Address::Socket(socket), _) => vec!["--socket".into(), socket.into()],
        (address @ Address::Remote { fingerprint, .. }, token_file) => vec![
            "--engine".into(),
            address.to_string().into(),
            "--token-file".into(),
            token_file.clone().unwrap_or_default().into(),
            "--fingerprint".into(),
            fingerprint.to_string().into(),
        ],
    })
}

/// A company and where its state is kept.
fn premises(args: &CompanyArgs, socket: Option<PathBuf>) -> anyhow::Result<(Company, Paths)> {
    let company = house::load(&company_dir(args)?)?;
    let mut paths = Paths::of(&company.id, args.home.as_deref())?;
    if let Some(socket) = socket {
        paths.socket = socket;
    }
    Ok((company, paths))
}

fn begin(opening: &OpenArgs) -> Begin {
    if opening.new_day { Begin::NewDay } else { Begin::GoOn }
}

/// The folder that was named, or the built-in company: installed beside the program, or in the checkout one is in.
fn company_dir(args: &CompanyArgs) -> anyhow::Result<PathBuf> {
    if let Some(dir) = &args.company {
        return Ok(dir.clone());
    }
    let own =
        std::env::current_exe().and_then(|program| program.canonicalize()).context("cannot tell where this program is")?;
    let installed = own.ancestors().nth(2).map(|prefix| prefix.join("share/mezzanine/companies/atelier"));
    installed
        .into_iter()
        .chain([PathBuf::from("assets/companies/atelier")])
        .find(|place| place.join("COMPANY.md").is_file())
        .context("the built-in company is not here: name one with --company, or run `make install`")
}

fn console(place: &[OsString]) -> anyhow::Result<ExitCode> {
    if std::env::var_os("DISPLAY").is_none() && std::env::var_os("WAYLAND_DISPLAY").is_none() {
        bail!("there is no display to open the console on: run `mezzanine day --headless` instead");
    }
    let status = std::process::Command::new(console_program()?).args(place).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn open(opening: &OpenArgs, socket: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let (company, paths) = premises(&opening.company, socket)?;
    let place = ["--socket".into(), paths.socket.clone().into()];
    engine::with_engine(company, paths, begin(opening), |_| console(&place))
}

fn company(command: CompanyCmd, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        CompanyCmd::Check { folder } => {
            let faults = Company::load(&folder).map_or_else(|faults| faults, |company| house::company_faults(&company));
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
        CompanyCmd::Export { folder, to } => house::load(&folder)?.export(&to)?,
        CompanyCmd::Import { from, to } => Company::import(&from, &to).map(drop)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn audit(command: AuditCmd, json: bool) -> anyhow::Result<ExitCode> {
    let folder = |args: LedgerArgs| match args.ledger {
        Some(folder) => Ok(folder),
        None => premises(&args.company, None).map(|(_, paths)| paths.ledger()),
    };
    match command {
        AuditCmd::Verify { ledger, against } => {
            let found = house::verify_ledger(&folder(ledger)?, against.as_deref())?;
            match (&found.problem, json) {
                (_, true) => println!("{}", serde_json::json!({ "events": found.events, "problem": found.problem })),
                (None, false) => println!("{} events, the chain is whole.", found.events),
                (Some(problem), false) => println!("{problem}"),
            }
            Ok(if found.problem.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        AuditCmd::Checkpoint { ledger, out } => {
            let checkpoint = house::newest_checkpoint(&folder(ledger)?)?;
            match &out {
                None => println!("{}", serde_json::to_string_pretty(&checkpoint)?),
                Some(path) => {
                    checkpoint.save(path)?;
                    println!("{} holds the checkpoint over the first {} events.", path.display(), checkpoint.seq.0);
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn secret(command: SecretCmd, json: bool) -> anyhow::Result<ExitCode> {
    let open = |args: &CompanyArgs| -> anyhow::Result<_> {
        let (company, paths) = premises(args, None)?;
        Ok((company, house::secrets(&paths)?.store))
    };
    match command {
        SecretCmd::Set { name, company } => {
            let (_, store) = open(&company)?;
            let mut letters = Zeroizing::new(String::new());
            std::io::stdin().read_line(&mut letters).context("cannot read the secret from standard input")?;
            store.put(&name, &Secret::new(letters.trim_end_matches(['\r', '\n']).to_owned()))?;
            println!("{name} is kept in {}.", store.place());
        }
        SecretCmd::List { company } => {
            let (company, store) = open(&company)?;
            let names: BTreeSet<&String> = company.workers.iter().flat_map(|worker| &worker.secrets).collect();
            let kept = |name: &&String| store.get(name).map(|found| ((*name).clone(), found.is_some()));
            let rows = names.iter().map(kept).collect::<Result<Vec<_>, _>>()?;
            if json {
                let rows: Vec<_> = rows.iter().map(|(name, kept)| serde_json::json!({ "name": name, "kept": kept })).collect();
                println!("{}", serde_json::to_string_pretty(&rows)?);
            } else if rows.is_empty() {
                println!("No role of {} uses a secret.", company.name);
            } else {
                rows.iter().for_each(|(name, kept)| println!("{name:<24} {}", if *kept { store.place() } else { "not set" }));
            }
        }
        SecretCmd::Remove { name, company } => {
            let (company, store) = open(&company)?;
            if !store.remove(&name)? {
                bail!("{} keeps no secret {name:?}", company.name);
            }
            println!("{name} is forgotten.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn token(command: TokenCmd, json: bool) -> anyhow::Result<ExitCode> {
    let tokens = |home: &HomeArgs| -> anyhow::Result<Tokens> { Ok(Tokens::at(&Paths::root(home.home.as_deref())?)) };
    match command {
        TokenCmd::New(args) => {
            let name = PersonId::new(args.name)?;
            let token = tokens(&args.home)?.create(&name)?;
            // Alone on standard output, so that it can go straight into a file.
            println!("{}", token.reveal());
            eprintln!("This is {name}'s token; it is not shown again. Keep it in a file with mode 0600.");
        }
        TokenCmd::List(home) => {
            let kept = tokens(&home)?.list()?;
            if json {
                let rows: Vec<_> = kept.iter().map(|t| serde_json::json!({ "name": t.name, "made": t.made })).collect();
                println!("{}", serde_json::to_string_pretty(&rows)?);
            } else if kept.is_empty() {
                println!("Nobody has a token.");
            } else {
                kept.iter().for_each(|token| println!("{:<24} {}", token.name, print::instant(token.made)));
            }
        }
        TokenCmd::Revoke(args) => {
            let name = PersonId::new(args.name)?;
            tokens(&args.home)?.revoke(&name)?;
            println!("{name} is let in no more.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Commands that a running engine answers.
fn ask(address: &Address, command: Cmd, json: bool) -> anyhow::Result<ExitCode> {
    let mut client = Client::reach(address, person()?)?;
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
        by: client.person().clone(),
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
    let period = period(args)?;
    match args.format {
        None => client.command(Command::Report { scope, period }),
        Some(format) => client.command(Command::Export { scope, period, format: format.into() }),
    }
}

/// Whole days of this machine's time zone, or so many days back from now.
fn period(args: &ReportArgs) -> anyhow::Result<Period> {
    let now = clock::now();
    let midnight = |date: Date| -> anyhow::Result<Timestamp> {
        Ok(Timestamp(date.to_zoned(TimeZone::system())?.timestamp().as_millisecond()))
    };
    let period = match (args.from, args.to) {
        (None, None) => Period { from: Timestamp(now.0 - i64::from(args.days) * 86_400_000), to: now },
        (from, to) => Period {
            from: from.map_or(Ok(Timestamp(0)), midnight)?,
            to: to.map_or(Ok(now), |date| midnight(date.tomorrow()?))?,
        },
    };
    if period.from >= period.to {
        bail!("the period ends before it begins");
    }
    Ok(period)
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
