use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use jiff::civil::Date;

#[derive(Parser, Debug)]
#[command(name = "mezzanine", version, about = "Supervises a company whose workers are all AI")]
pub struct Args {
    /// Where the engine listens; otherwise $MEZZANINE_SOCKET or the usual place of this user.
    #[arg(long, global = true)]
    pub socket: Option<PathBuf>,
    /// An engine elsewhere, as https://host:port; needs a token and a fingerprint.
    #[arg(long, global = true, conflicts_with = "socket")]
    pub engine: Option<String>,
    /// Your token for the engine elsewhere; a file that only you can read.
    #[arg(long, global = true)]
    pub token_file: Option<PathBuf>,
    /// The fingerprint of its certificate, as `up --listen` prints it.
    #[arg(long, global = true)]
    pub fingerprint: Option<String>,
    /// Answers as JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Cmd,
}

#[derive(Subcommand, Debug)]
pub enum Cmd {
    /// Starts the engine with a company and works until it is told to end.
    Up(UpArgs),
    /// Ends the engine; the workers' desktops end with it.
    Down,
    /// Opens the console.
    Console,
    /// Starts the engine, opens the console, and ends the engine when the window closes.
    Open(OpenArgs),
    /// One line on the company, its workers and what waits.
    Status,
    /// Who works on what.
    Workers,
    /// Work orders and their checks.
    Orders,
    /// Questions that wait for a person.
    Approvals,
    /// Lets one risky action happen, if the screen is still the one that was asked about.
    Approve {
        id: String,
        #[arg(long)]
        note: Option<String>,
    },
    /// Refuses one risky action.
    Veto {
        id: String,
        #[arg(long)]
        reason: String,
    },
    /// Takes a worker's desktop; its own input is refused until you hand back.
    Takeover { worker: String },
    /// Hands a desktop back.
    Handback {
        lease: String,
        #[arg(long)]
        note: Option<String>,
    },
    /// Stops a worker, a department or, with no name, the whole company.
    Stop(ScopeArgs),
    /// Lets what was stopped go on.
    Resume(ScopeArgs),
    /// Goes on with an order that asked for help.
    Retry { order: String },
    /// Gives an order up.
    Cancel {
        order: String,
        #[arg(long)]
        reason: String,
    },
    /// Adds an objective
    #[command(subcommand)]
    Objective(ObjectiveCmd),
    /// Checks, exports or imports a company's folder
    #[command(subcommand)]
    Company(CompanyCmd),
    /// Productivity figures, printed or exported.
    Report(ReportArgs),
    /// Verifies the ledger, or exports a checkpoint to keep elsewhere
    #[command(subcommand)]
    Audit(AuditCmd),
    /// What the gate types from the keyring
    #[command(subcommand)]
    Secret(SecretCmd),
    /// Who may come in over TCP
    #[command(subcommand)]
    Token(TokenCmd),
    /// Runs the company's day and ends when no work is left.
    Day(DayArgs),
    /// Measures this machine; prints p50, p95 and p99.
    Bench {
        what: Bench,
        /// Samples, where it can be chosen.
        #[arg(long, default_value_t = 0)]
        samples: usize,
    },
}

#[derive(clap::Args, Debug, Clone)]
pub struct CompanyArgs {
    /// The company's folder; otherwise the built-in company `atelier`.
    #[arg(long)]
    pub company: Option<PathBuf>,
    /// Where the company's state is kept; otherwise $MEZZANINE_HOME or the usual place of this user.
    #[arg(long)]
    pub home: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
pub struct OpenArgs {
    #[command(flatten)]
    pub company: CompanyArgs,
    /// Begins a new day if every order of the last one is closed: the company's orders come up again under new
    /// numbers, and homes and services start afresh. What was in them is kept until the next new day.
    #[arg(long)]
    pub new_day: bool,
}

#[derive(clap::Args, Debug)]
pub struct UpArgs {
    #[command(flatten)]
    pub opening: OpenArgs,
    /// Also serves the API here over TLS, for people who have a token, such as 127.0.0.1:7443.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
}

#[derive(clap::Args, Debug)]
pub struct ScopeArgs {
    /// A worker's name.
    pub worker: Option<String>,
    #[arg(long, conflicts_with = "worker")]
    pub department: Option<String>,
}

#[derive(Subcommand, Debug)]
pub enum ObjectiveCmd {
    /// Adds an objective, in a sentence.
    Add {
        text: String,
        #[arg(long)]
        department: Option<String>,
    },
}

#[derive(Subcommand, Debug)]
pub enum CompanyCmd {
    /// Reads a company's folder and names every fault with file and line.
    Check { folder: PathBuf },
    /// Copies a company's folder, without state, so that it can be given away.
    Export { folder: PathBuf, to: PathBuf },
    /// Takes a company's folder in after checking it.
    Import { from: PathBuf, to: PathBuf },
}

#[derive(clap::Args, Debug)]
pub struct ReportArgs {
    /// Writes a file instead of printing the figures.
    #[arg(long)]
    pub format: Option<Format>,
    #[arg(long)]
    pub worker: Option<String>,
    #[arg(long)]
    pub department: Option<String>,
    /// Days back from now.
    #[arg(long, default_value_t = 14, conflicts_with_all = ["from", "to"])]
    pub days: u32,
    /// The first day, such as 2026-09-01; otherwise the first one there is.
    #[arg(long)]
    pub from: Option<Date>,
    /// The last day; otherwise today.
    #[arg(long)]
    pub to: Option<Date>,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Pdf,
    Xlsx,
    Csv,
    Html,
    Json,
}

#[derive(Subcommand, Debug)]
pub enum AuditCmd {
    /// Checks that nothing in the ledger was edited, deleted, reordered or cut off.
    Verify {
        #[command(flatten)]
        ledger: LedgerArgs,
        /// A checkpoint that was kept elsewhere, or a folder of them.
        #[arg(long)]
        against: Option<PathBuf>,
    },
    /// Gives out the newest signed checkpoint, to be kept where nobody on this machine can change it.
    Checkpoint {
        #[command(flatten)]
        ledger: LedgerArgs,
        /// Writes it here instead of printing it.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

#[derive(clap::Args, Debug)]
pub struct LedgerArgs {
    /// The ledger's folder; otherwise the company's.
    #[arg(long, conflicts_with_all = ["company", "home"])]
    pub ledger: Option<PathBuf>,
    #[command(flatten)]
    pub company: CompanyArgs,
}

#[derive(Subcommand, Debug)]
pub enum SecretCmd {
    /// Keeps a secret of the company, read from standard input.
    Set {
        name: String,
        #[command(flatten)]
        company: CompanyArgs,
    },
    /// The secrets that the company's workers may use, and which of them are kept.
    List {
        #[command(flatten)]
        company: CompanyArgs,
    },
    /// Forgets a secret.
    Remove {
        name: String,
        #[command(flatten)]
        company: CompanyArgs,
    },
}

#[derive(Subcommand, Debug)]
pub enum TokenCmd {
    /// Lets a person in over TCP under this name. The token is printed once and kept nowhere.
    New(TokenArgs),
    /// Who has a token, and since when.
    List(HomeArgs),
    /// Withdraws a person's token; what is connected with it ends within seconds.
    Revoke(TokenArgs),
}

#[derive(clap::Args, Debug)]
pub struct TokenArgs {
    pub name: String,
    #[command(flatten)]
    pub home: HomeArgs,
}

#[derive(clap::Args, Debug)]
pub struct HomeArgs {
    /// Where the company's state is kept; otherwise $MEZZANINE_HOME or the usual place of this user.
    #[arg(long)]
    pub home: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
pub struct DayArgs {
    #[command(flatten)]
    pub company: CompanyArgs,
    /// No window; decisions come from a file.
    #[arg(long)]
    pub headless: bool,
    /// Rules by which approvals are decided.
    #[arg(long)]
    pub decide: Option<PathBuf>,
    /// Where summary, reports and ledger are put, and the state too, unless --home says where; otherwise $MEZZANINE_OUT
    /// or a folder of its own in the usual place of this user.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Takes pictures of the console on the way.
    #[arg(long)]
    pub pictures: bool,
    /// Minutes after which the day ends, whatever is left.
    #[arg(long, default_value_t = 45)]
    pub minutes: u64,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bench {
    Desktop,
    Feed,
    Gate,
    Console,
    Stop,
}
