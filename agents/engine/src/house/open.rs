//! Opening: the state of the last engine is read, what it left half done is settled.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use anyhow::{Context, bail};
use mz_client::Fingerprint;
use mz_company::{Company, Fault, Listen};
use mz_desktop::{ProcessRuntime, Runtime};
use mz_gate::{Gate, GateConfig, Policy, PolicyFault};
use mz_ledger::{Direction, Filter, Ledger, LedgerError, Recording, RecordingLimits};
use mz_protocol::{
    Actor, CompanyId, CompanyView, DepartmentView, Digest, EventBody, Figures, OrderState, Risk, ServiceId, ServiceView,
    WorkOrderId, WorkerState, WorkerView,
};

use super::{Begin, House};
use crate::clock;
use crate::floor::Floor;
use crate::paths::Paths;
use crate::services::ServiceSpec;
use crate::views::Views;

/// Secrets that one service may bring, and the bytes of each.
const MOST_SECRETS: usize = 16;
const LONGEST_SECRET: u64 = 4096;

/// Reads a company, or names all that is wrong in its folder.
pub fn load(folder: &Path) -> anyhow::Result<Company> {
    Company::load(folder).map_err(|found| anyhow::anyhow!("{}", faults(folder, &found)))
}

/// A line each.
fn faults(folder: &Path, faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    format!("the company in {} cannot be opened:\n{}", folder.display(), lines.join("\n"))
}

/// All that does not fit together in a company, its rules included.
pub fn company_faults(company: &Company) -> Vec<Fault> {
    let mut found = company.check();
    let rules = company.policy.as_deref().map(Policy::load);
    if let Some(Err(error)) = rules {
        let fault = |wrong: PolicyFault| Fault::new("policy.cedar", wrong.line, wrong.what, wrong.expected);
        found.extend(error.faults.into_iter().map(fault));
    }
    found
}

/// A ledger tells the history of one company only.
fn whose(paths: &Paths, company: &CompanyId) -> anyhow::Result<()> {
    let last = Filter { kinds: vec!["company_loaded"], direction: Direction::NewestFirst, limit: 1, ..Filter::all() };
    match Ledger::read_only(paths.ledger())?.events(&last)?.pop().map(|record| record.event.body) {
        Some(EventBody::CompanyLoaded { company: other, .. }) if other != *company => bail!(
            "the ledger in {} is that of the company {other}, and not of {company}: name another folder with --home, or move \
             this one away",
            paths.ledger().display()
        ),
        _ => Ok(()),
    }
}

/// Workers reach services by name: none of these names may lead to the engine.
fn is_at(service: &mz_company::ServiceSpec, remote_at: Option<(SocketAddr, Fingerprint)>) -> bool {
    matches!((&service.listens, remote_at), (Some(Listen::Tcp(port)), Some((address, _))) if *port == address.port())
}

pub fn house(
    company: Company,
    paths: Paths,
    begin: Begin,
    network: tokio::runtime::Handle,
    remote_at: Option<(SocketAddr, Fingerprint)>,
) -> anyhow::Result<Arc<House>> {
    let found = company_faults(&company);
    if !found.is_empty() {
        bail!("{}", faults(company.dir(), &found));
    }
    if let (Some((address, _)), Some(service)) = (remote_at, company.services.iter().find(|service| is_at(service, remote_at)))
    {
        bail!(
            "the service {} of the company is to listen on port {}, where the engine does: choose another port with --listen",
            service.id,
            address.port()
        );
    }
    let runtime = ProcessRuntime::open().context("desktops cannot be started on this machine")?;
    runtime.check().context("desktops cannot be started on this machine")?;
    let ledger = Ledger::open(paths.ledger())?;
    whose(&paths, &company.id)?;
    let policy = match &company.policy {
        Some(text) => Policy::load(text).with_context(|| format!("policy.cedar in {}", company.dir().display()))?,
        None => Policy::builtin()?,
    };
    let mut gate = Gate::new(GateConfig::default());
    for worker in &company.workers {
        gate.enrol(&worker.id, &worker.department);
    }
    let floor = Arc::new(Floor::open(ledger, gate, policy, views(&company, &runtime))?);
    let recording = Arc::new(Recording::open(paths.recording(), RecordingLimits::default())?);
    let secrets = super::secrets(&paths)?;
    tracing::info!("secrets are in {}: {}", secrets.store.place(), secrets.why);
    let house = Arc::new(House {
        floor,
        recording,
        runtime,
        secrets: Arc::from(secrets.store),
        stations: Mutex::default(),
        station_opened: Condvar::new(),
        network,
        shutdown: tokio::sync::Notify::new(),
        company,
        paths,
        remote_at,
    });
    house.begin(begin)?;
    Ok(house)
}

/// How a service of the company is run here.
pub fn service(house: &House, spec: &mz_company::ServiceSpec) -> ServiceSpec {
    ServiceSpec {
        id: spec.id.clone(),
        folder: spec.folder.clone(),
        data: house.paths.services().join(spec.id.as_str()),
        start: spec.start.clone(),
        ready: spec.ready.clone(),
        listens: spec.listens.clone(),
        env: spec.env.clone(),
        packages: spec.packages.clone(),
        programs: spec.start.first().cloned().into_iter().filter(|program| !program.contains('/')).collect(),
        uid: house.runtime.user_of_services(),
    }
}

fn views(company: &Company, runtime: &ProcessRuntime) -> Views {
    let company_view = CompanyView {
        id: company.id.clone(),
        name: company.name.clone(),
        currency: company.currency.clone(),
        departments: company.departments.iter().map(|d| DepartmentView { id: d.id.clone(), name: d.name.clone() }).collect(),
        services: company
            .services
            .iter()
            .map(|service| ServiceView { id: service.id.clone(), running: false, detail: "not started yet".to_owned() })
            .collect(),
        limits: runtime.promises(),
        stops: Vec::new(),
        figures: Figures::default(),
        trouble: None,
        runtime: runtime.name().to_owned(),
    };
    let worker = |worker: &mz_company::Worker| WorkerView {
        id: worker.id.clone(),
        name: worker.name.clone(),
        department: worker.department.clone(),
        role: worker.title.clone(),
        state: WorkerState::Starting,
        order: None,
        step: None,
        steps: Vec::new(),
        progress_permille: 0,
        last_action: None,
        last_action_at: None,
        last_target: None,
        risk: Risk::Low,
    };
    Views::new(company_view, company.workers.iter().map(worker).collect())
}

impl House {
    /// Says in the ledger that this engine begins, adds what the company has that the ledger does not know yet, and
    /// settles the orders that the last engine left.
    fn begin(&self, begin: Begin) -> anyhow::Result<()> {
        let floor = &self.floor;
        let before = floor.snapshot();
        let mut bodies = vec![
            EventBody::EngineStarted { version: env!("CARGO_PKG_VERSION").to_owned(), machine: crate::bench::machine() },
            EventBody::CompanyLoaded {
                company: self.company.id.clone(),
                name: self.company.name.clone(),
                digest: self.company_digest()?,
            },
        ];
        let now = clock::now();
        for objective in &self.company.objectives {
            if before.objectives.iter().all(|view| view.objective.id != objective.id) {
                bodies.push(EventBody::ObjectiveAdded { objective: objective.objective(now) });
            }
        }
        bodies.extend(self.orders_of_today(&before, begin)?);
        floor.record(Actor::Engine, bodies)?;
        for view in before.orders.iter().filter(|view| is_open(view.state)) {
            let Some(owner) = &view.order.owner else { continue };
            let (state, reason) = self.after_loss(&view.order, owner, "the engine ended");
            floor.move_order(&view.order.id, state, Some(owner), Some(reason))?;
        }
        Ok(())
    }

    /// Over all of the company's files, as `mezzanine company export` hands them on.
    fn company_digest(&self) -> anyhow::Result<Digest> {
        let mut hasher = blake3::Hasher::new();
        self.company.each_file(&mut |path, runs, bytes| {
            let head = (path.len() as u64, bytes.len() as u64, runs);
            hasher.update(&head.0.to_le_bytes()).update(&head.1.to_le_bytes()).update(&[u8::from(head.2)]);
            hasher.update(path.as_bytes()).update(bytes);
        })?;
        Ok(Digest(*hasher.finalize().as_bytes()))
    }

    /// What an order becomes whose desktop or engine died. What had no outside effect is begun anew; what may have had
    /// one is only looked at, never repeated.
    pub fn after_loss(
        &self,
        order: &mz_protocol::WorkOrder,
        worker: &mz_protocol::WorkerId,
        why: &str,
    ) -> (OrderState, String) {
        match self.outside_effects(&order.id) {
            Ok(0) => (OrderState::Todo, format!("begun anew, since {why}")),
            Ok(_) if self.check(order, worker).passed() => (OrderState::Done, format!("{why}, after the work was done")),
            Ok(_) => (
                OrderState::NeedsHelp,
                format!(
                    "{why} after an action with an outside effect had been sent, and its outcome is unknown. Look whether it took; \
                         then cancel this order, or begin it anew"
                ),
            ),
            Err(error) => (OrderState::NeedsHelp, format!("{why}, and the ledger does not tell what had been done: {error}")),
        }
    }

    /// How many actions with an outside effect were sent for this order since it was last begun.
    fn outside_effects(&self, order: &WorkOrderId) -> Result<usize, LedgerError> {
        let mut count = 0;
        let kinds = vec!["order_moved", "action_intended"];
        for record in self.events(&Filter { order: Some(order.clone()), kinds, ..Filter::all() })? {
            match record.event.body {
                EventBody::OrderMoved { to: OrderState::InProgress, from: OrderState::Todo, .. } => count = 0,
                EventBody::ActionIntended { .. } => count += 1,
                _ => {}
            }
        }
        Ok(count)
    }
}

fn is_open(state: OrderState) -> bool {
    matches!(state, OrderState::InProgress | OrderState::NeedsApproval | OrderState::NeedsHelp | OrderState::InReview)
}

/// Secrets that a service made for the company's workers, such as the password of its own log-in, go from
/// `<data>/secrets/` into the keyring. A service's files are its own word: no link is followed, nothing long is read.
pub fn take_in_secrets(house: &House, service: &ServiceId) {
    let folder = house.paths.services().join(service.as_str()).join("secrets");
    let Ok(entries) = std::fs::read_dir(&folder) else { return };
    for entry in entries.flatten().take(MOST_SECRETS) {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if let Err(error) = take_in_secret(house, &folder.join(&name), &name) {
            tracing::warn!(%service, secret = name, "a secret was not taken in: {error:#}");
        }
    }
}

fn take_in_secret(house: &House, path: &Path, name: &str) -> anyhow::Result<()> {
    use rustix::fs::{Mode, OFlags};
    use std::io::Read as _;
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = String::new();
    std::fs::File::from(file).take(LONGEST_SECRET).read_to_string(&mut text)?;
    house.secrets.put(name, &mz_gate::Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))?;
    Ok(())
}
