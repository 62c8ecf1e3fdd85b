//! Whether the parts of a company fit together: whoever and whatever is named is there.

use std::collections::{BTreeMap, BTreeSet};

use mz_protocol::WorkOrderId;

use crate::fault::nearest;
use crate::order::{LONGEST_ID, OrderSpec, day_of};
use crate::{Company, Fault, Worker};

pub(crate) fn faults(company: &Company) -> Vec<Fault> {
    let mut faults = Vec::new();
    if company.workers.is_empty() {
        faults.push(Fault::new("agents", 0, "the company has no worker", "agents/<name>/AGENTS.md"));
    }
    people(company, &mut faults);
    services(company, &mut faults);
    for order in &company.orders {
        self::order(company, order, &mut faults);
    }
    dependencies(company, &mut faults);
    faults.extend(company.procedures.keys().filter(|id| !company.checks.contains_key(*id)).map(|id| {
        let file = format!("skills/{id}/CHECK.yaml");
        Fault::new(
            file,
            0,
            format!("the procedure {id} has no outcome check"),
            "a CHECK.yaml: without one nothing can be done for good",
        )
    }));
    faults
}

fn people(company: &Company, faults: &mut Vec<Fault>) {
    for department in &company.departments {
        let file = format!("teams/{}/TEAM.md", department.id);
        if let Some(manager) = department.manager.as_ref().filter(|manager| company.worker(manager).is_none()) {
            faults.push(Fault::new(&file, 0, format!("the manager {manager} is no worker"), workers(company)));
        }
        for included in department.includes.iter().filter(|slug| !company.workers.iter().any(|w| w.id.as_str() == **slug)) {
            faults.push(Fault::new(&file, 0, format!("{included} is included and is no worker"), workers(company)));
        }
    }
    for worker in &company.workers {
        let file = format!("agents/{}/AGENTS.md", worker.id);
        if !company.departments.iter().any(|department| department.id == worker.department) {
            let known = listed(company.departments.iter().map(|department| department.id.as_str()));
            faults.push(Fault::new(&file, 0, format!("there is no department {}", worker.department), known));
        }
        if let Some(chief) = worker.reports_to.as_ref().filter(|chief| company.worker(chief).is_none()) {
            faults.push(Fault::new(&file, 0, format!("reportsTo: {chief} is no worker"), workers(company)));
        }
        for id in worker.procedures.iter().filter(|id| !company.procedures.contains_key(*id)) {
            let known = company.procedures.keys().map(|id| id.as_str());
            faults.push(Fault::new(&file, 0, format!("there is no procedure {id}"), listed(known)));
        }
        for id in &worker.procedures {
            uses(company, worker, id, faults);
        }
    }
}

/// The programs and secrets of a procedure that a worker's role does not list.
fn uses(company: &Company, worker: &Worker, id: &mz_protocol::ProcedureId, faults: &mut Vec<Fault>) {
    let Some(procedure) = company.procedures.get(id) else { return };
    let file = format!("skills/{id}/SKILL.md");
    let mut fault = |line: u32, what: String, expected: String| {
        let fault = Fault::new(&file, line, what, expected);
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    };
    for (line, program) in procedure.programs() {
        if !program.contains('{') && !worker.programs.iter().any(|known| known.name == program) {
            let near = nearest(program, worker.programs.iter().map(|known| known.name.as_str()));
            let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            let expected = format!("a program that agents/{}/AGENTS.md lists{near}", worker.id);
            fault(line, format!("{} has no program {program:?}", worker.name), expected);
        }
    }
    for (line, secret) in procedure.secrets() {
        if !worker.secrets.iter().any(|known| known == secret) {
            let expected = format!("a secret that agents/{}/AGENTS.md lists", worker.id);
            fault(line, format!("{} may not use the secret {secret:?}", worker.name), expected);
        }
    }
}

fn services(company: &Company, faults: &mut Vec<Fault>) {
    let mut hosts: BTreeMap<&str, &str> = BTreeMap::new();
    let mut listens: Vec<(&crate::Listen, &str)> = Vec::new();
    for service in &company.services {
        let file = format!("services/{}/SERVICE.yaml", service.id);
        for host in &service.hosts {
            if let Some(other) = hosts.insert(host, service.id.as_str()) {
                faults.push(Fault::new(
                    &file,
                    0,
                    format!("{other} has the host {host:?} too"),
                    "a host name that only one service has",
                ));
            }
        }
        if let Some(listen @ crate::Listen::Tcp(port)) = &service.listens {
            if let Some((_, other)) = listens.iter().find(|(known, _)| *known == listen) {
                faults.push(Fault::new(&file, 0, format!("{other} listens on port {port} too"), "a port of its own"));
            }
            listens.push((listen, service.id.as_str()));
        }
        if !service.hosts.is_empty() && service.listens.is_none() {
            faults.push(Fault::new(
                &file,
                0,
                "it has hosts but listens nowhere",
                "listens: {tcp: 8080} or listens: {unix: run/http.sock}",
            ));
        }
    }
}

fn order(company: &Company, order: &OrderSpec, faults: &mut Vec<Fault>) {
    let mut fault = |what: String, expected: String| faults.push(Fault::new(&order.file, order.line, what, expected));
    if day_of(&order.id) > 1 || order.id.as_str().len() > LONGEST_ID {
        let expected =
            format!("at most {LONGEST_ID} characters, and no \".2\" at the end: that is how its days are told apart");
        fault(format!("{} cannot be the number of an order", order.id), expected);
    }
    let owner = order.owner.as_ref().and_then(|owner| company.worker(owner));
    match (&order.owner, owner) {
        (Some(id), None) => fault(format!("the owner {id} is no worker"), workers(company)),
        (_, Some(worker)) if !worker.procedures.is_empty() && !worker.procedures.contains(&order.procedure) => {
            fault(
                format!("{} does not know the procedure {}", worker.name, order.procedure),
                format!("one of its skills: {}", listed(worker.procedures.iter().map(|id| id.as_str()))),
            );
        }
        _ => {}
    }
    match (&order.department, owner) {
        (Some(id), _) if !company.departments.iter().any(|department| department.id == *id) => {
            fault(
                format!("there is no department {id}"),
                listed(company.departments.iter().map(|department| department.id.as_str())),
            );
        }
        (None, None) => fault("the order has neither department nor owner".to_owned(), "department: or owner:".to_owned()),
        _ => {}
    }
    if let Some(id) = order.objective.as_ref().filter(|id| !company.objectives.iter().any(|objective| objective.id == **id)) {
        fault(format!("there is no objective {id}"), listed(company.objectives.iter().map(|objective| objective.id.as_str())));
    }
    if let Err(error) = company.expand(&order.files) {
        fault(error.to_string(), "files and folders of the company, such as files/payments.xlsx".to_owned());
    }
    let Some(procedure) = company.procedures.get(&order.procedure) else {
        fault(format!("there is no procedure {}", order.procedure), listed(company.procedures.keys().map(|id| id.as_str())));
        return;
    };
    for name in procedure.inputs.iter().filter(|name| !order.inputs.contains_key(*name)) {
        fault(
            format!("the input {name:?} is missing"),
            format!("a value for each input of {}: {}", procedure.id, procedure.inputs.join(", ")),
        );
    }
    match company.outcome_check(&order.procedure, &order.check) {
        None => {
            let known = company.checks.get(&order.procedure).into_iter().flatten().map(|check| check.name.as_str());
            fault(
                format!("there is no check {:?}", order.check),
                format!("a check of skills/{}/CHECK.yaml: {}", procedure.id, listed(known)),
            );
        }
        Some(check) => {
            for name in check.unknown_names(&order.inputs) {
                fault(
                    format!("the check {:?} uses {{{name}}}, which is no input of the order", check.name),
                    "an input of that name".to_owned(),
                );
            }
        }
    }
    if let Some(worker) = owner.filter(|worker| worker.procedures.is_empty()) {
        uses(company, worker, &order.procedure, faults);
    }
    let inputs: Vec<String> = order.inputs.keys().cloned().collect();
    for unknown in procedure.unknown_names(&inputs) {
        if !faults.contains(&unknown) {
            faults.push(unknown);
        }
    }
}

/// Orders that wait for each other, for one that is not there, or that share a number.
fn dependencies(company: &Company, faults: &mut Vec<Fault>) {
    let mut open: BTreeMap<&WorkOrderId, (&OrderSpec, BTreeSet<&WorkOrderId>)> = BTreeMap::new();
    for order in &company.orders {
        if let Some((other, _)) = open.insert(&order.id, (order, order.depends_on.iter().collect())) {
            faults.push(Fault::new(
                &order.file,
                order.line,
                format!("{} is the number of an order in {} too", order.id, other.file),
                "a number of its own",
            ));
        }
    }
    for order in &company.orders {
        for missing in order.depends_on.iter().filter(|id| !open.contains_key(id)) {
            faults.push(Fault::new(
                &order.file,
                order.line,
                format!("it depends on {missing}, which is no order"),
                listed(open.keys().map(|id| id.as_str())),
            ));
        }
    }
    loop {
        let free: Vec<&WorkOrderId> = open
            .iter()
            .filter(|(_, (_, needs))| !needs.iter().any(|need| open.contains_key(need)))
            .map(|(id, _)| *id)
            .collect();
        if free.is_empty() {
            break;
        }
        open.retain(|id, _| !free.contains(id));
    }
    if let Some((order, _)) = open.values().next() {
        let circle = listed(open.keys().map(|id| id.as_str()));
        faults.push(Fault::new(
            &order.file,
            order.line,
            format!("orders wait for each other: {circle}"),
            "dependencies without a circle",
        ));
    }
}

fn workers(company: &Company) -> String {
    listed(company.workers.iter().map(|worker| worker.id.as_str()))
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.take(20).collect();
    if names.is_empty() { "there is none yet".to_owned() } else { format!("one of: {}", names.join(", ")) }
}
