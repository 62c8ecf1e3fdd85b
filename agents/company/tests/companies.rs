//! A company on disk: loading, faults, what does not fit together, and handing it on.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use mz_company::{Company, Due, ExchangeError, Fault, Listen, check_folder};
use mz_protocol::{Millis, ProcedureId, Timestamp, WorkerId};
use tempfile::TempDir;

const FILES: [(&str, &str); 11] = [
    (
        "COMPANY.md",
        "---\nschema: agentcompanies/v1\nname: Atelier Try\nslug: try\ndescription: A shop.\nlicense: MIT\nmetadata:\n  other-tool: {keep: me}\n  mezzanine:\n    currency: SEK\n    core_hour_cents: 7.5\n    objectives:\n      - Pay what we owe\n      - {id: OBJ-0009, text: Sell, department: finance}\n---\nWe sell frames.\n",
    ),
    (
        "teams/finance/TEAM.md",
        "---\nname: Finance\nmanager: ../../agents/mira/AGENTS.md\nincludes: [../../agents/mira/AGENTS.md, ../../agents/otto/AGENTS.md]\n---\n",
    ),
    (
        "agents/mira/AGENTS.md",
        "---\nname: Mira\ntitle: Chief Bookkeeper\nskills: [pay]\nmetadata:\n  mezzanine:\n    programs: [{name: LibreOffice Calc, command: [soffice, --calc, \"{args}\"], package: libreoffice-calc}]\n    hosts: [bank.test]\n    secrets: [bank-pin]\n    limits: {memory_mib: 900}\n---\nYou pay the bills.\n",
    ),
    ("agents/otto/AGENTS.md", "---\nname: Otto\nreportsTo: mira\n---\n"),
    (
        "skills/pay/SKILL.md",
        "---\nname: Pay\nmetadata:\n  mezzanine:\n    inputs: {supplier: Who is paid}\n---\n## Steps\n1. Open \"LibreOffice Calc\" with \"payments.xlsx\".\n2. Type the secret \"bank-pin\".\n3. Type \"{supplier}\".\n",
    ),
    ("skills/pay/CHECK.yaml", "checks:\n  paid:\n    - {name: \"{supplier} is paid\", kind: file, file: \"{supplier}.txt\"}\n"),
    (
        "orders/WO-0001.yaml",
        "title: Pay Nordlys\nowner: mira\nprocedure: pay\nobjective: OBJ-0009\ninputs: {supplier: Nordlys}\nfiles: [files/payments.xlsx, files/invoices]\ndue: 4 hours\n",
    ),
    (
        "orders/more.yaml",
        "orders:\n  - {id: WO-0002, title: Pay Vale, department: finance, procedure: pay, inputs: {supplier: 7}, depends_on: [WO-0001], check: paid}\n",
    ),
    (
        "services/bank/SERVICE.yaml",
        "name: Bank\ncommand: [./run.py]\nready: [ready]\nlistens: {tcp: 8081}\nhosts: [bank.test]\npackages: [python3]\nenv: {DEBUG: 1}\n",
    ),
    ("services/bank/run.py", "#!/usr/bin/env python3\n"),
    ("policy.cedar", "// none\n"),
];

fn company() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in FILES {
        put(dir.path(), path, text);
    }
    put(dir.path(), "files/payments.xlsx", "x");
    put(dir.path(), "files/invoices/a.pdf", "a");
    put(dir.path(), "files/invoices/b.pdf", "b");
    dir
}

fn put(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn told(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

#[test]
fn a_whole_company_loads() {
    let dir = company();
    let company = Company::load(dir.path()).unwrap_or_else(|faults| panic!("{}", told(&faults)));
    assert_eq!(told(&company.check()), "");
    assert_eq!((company.id.as_str(), company.name.as_str(), company.currency.as_str()), ("try", "Atelier Try", "SEK"));
    assert_eq!(company.core_hour_cents, 7.5);
    assert_eq!(company.objectives.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["OBJ-0001", "OBJ-0009"]);
    let mira = company.worker(&WorkerId::new("mira").unwrap()).unwrap();
    assert_eq!(
        (mira.role.as_str(), mira.title.as_str(), mira.department.as_str()),
        ("chief-bookkeeper", "Chief Bookkeeper", "finance")
    );
    assert_eq!((mira.limits.memory_mib, mira.programs[0].command[2].as_str()), (900, "{args}"));
    assert_eq!(company.workers[1].reports_to.as_ref().map(WorkerId::as_str), Some("mira"));
    let orders = company.work_orders(1, Timestamp(1000)).unwrap();
    assert_eq!(
        (orders[0].id.as_str(), orders[0].department.as_str(), orders[0].check.as_str()),
        ("WO-0001", "finance", "paid")
    );
    assert_eq!((orders[0].due, company.orders[0].due), (Some(Timestamp(14_401_000)), Some(Due::After(Millis(14_400_000)))));
    assert_eq!(orders[1].inputs["supplier"], "7");
    let third = &company.work_orders(3, Timestamp(1000)).unwrap()[1];
    assert_eq!((third.id.as_str(), third.depends_on[0].as_str()), ("WO-0002.3", "WO-0001.3"));
    let files: Vec<String> = company.home_files(&orders[0]).unwrap().into_iter().map(|file| file.home).collect();
    assert_eq!(files, ["payments.xlsx", "invoices/a.pdf", "invoices/b.pdf"]);
    let bank = &company.services[0];
    let script = dir.path().canonicalize().unwrap().join("services/bank/run.py").display().to_string();
    assert_eq!((bank.start.clone(), bank.ready.clone()), (vec![script.clone()], Some(vec![script, "ready".into()])));
    assert_eq!((bank.listens.clone(), bank.env["DEBUG"].as_str()), (Some(Listen::Tcp(8081)), "1"));
    let pay = ProcedureId::new("pay").unwrap();
    assert!(company.outcome_check(&pay, "").is_some() && company.outcome_check(&pay, "sent").is_none());
    assert_eq!(company.procedure(&pay).unwrap().inputs, ["supplier"]);
}

/// One file changed for the worse, and what is said of it.
#[test]
fn what_does_not_fit_is_told() {
    for (path, from, to, said) in [
        ("COMPANY.md", "currency: SEK", "currency: crowns", "\"crowns\" is no currency"),
        ("COMPANY.md", "core_hour_cents: 7.5", "core_hour_cents: -1", "-1 is no price of a core's hour"),
        ("orders/more.yaml", "id: WO-0002", "id: WO-0002.2", "WO-0002.2 cannot be the number of an order"),
        ("COMPANY.md", "agentcompanies/v1", "agentcompanies/v9", "the schema is"),
        ("services/bank/SERVICE.yaml", "name: Bank", "stop: [kill]\nname: Bank", "unknown field `stop`"),
        ("services/bank/SERVICE.yaml", "tcp: 8081", "tcp: 0", "listens cannot be read"),
        ("COMPANY.md", "slug: try", "slug: a/b", "not a valid company name"),
        (
            "teams/finance/TEAM.md",
            "manager: ../../agents/mira",
            "manager: ../../agents/nobody",
            "the manager nobody is no worker",
        ),
        ("agents/otto/AGENTS.md", "reportsTo: mira", "reportsTo: eve", "eve is no worker"),
        ("agents/mira/AGENTS.md", "skills: [pay]", "skills: [pay, fly]", "there is no procedure fly"),
        ("agents/mira/AGENTS.md", "name: LibreOffice Calc", "name: LibreOffice Clac", "did you mean \"LibreOffice Clac\"?"),
        ("agents/mira/AGENTS.md", "secrets: [bank-pin]", "secrets: []", "may not use the secret \"bank-pin\""),
        (
            "agents/mira/AGENTS.md",
            "[bank.test]",
            "[{name: bank.test, asks: [push it]}]",
            "AGENTS.md, line 8: \"push it\" names no request",
        ),
        (
            "agents/mira/AGENTS.md",
            "[bank.test]",
            "[{name: bank.test, ask: [POST *]}]",
            "AGENTS.md, line 8: a host cannot be read",
        ),
        ("agents/mira/AGENTS.md", "programs: [", "programs: {", "agents/mira/AGENTS.md, line"),
        ("orders/WO-0001.yaml", "owner: mira", "owner: eve", "the owner eve is no worker"),
        ("orders/WO-0001.yaml", "procedure: pay", "procedure: fly", "there is no procedure fly"),
        ("orders/WO-0001.yaml", "procedure: pay", "procdure: pay", "procedure"),
        ("orders/WO-0001.yaml", "supplier: Nordlys", "suplier: Nordlys", "the input \"supplier\" is missing"),
        ("orders/WO-0001.yaml", "OBJ-0009", "OBJ-0404", "no objective OBJ-0404"),
        ("orders/WO-0001.yaml", "files/invoices", "files/gone", "files/gone does not exist"),
        ("orders/WO-0001.yaml", "files/invoices", "../../etc/passwd", "leads out"),
        ("orders/WO-0001.yaml", "4 hours", "soon", "\"soon\" is no time"),
        ("orders/more.yaml", "check: paid", "check: sent", "there is no check \"sent\""),
        ("orders/more.yaml", "[WO-0001]", "[WO-0404]", "WO-0404, which is no order"),
        ("orders/more.yaml", "[WO-0001]", "[WO-0002]", "wait for each other"),
        ("orders/more.yaml", "id: WO-0002", "id: WO-0001", "WO-0001 is the number of an order"),
        ("services/bank/SERVICE.yaml", "tcp: 8081", "tcp: 99999", "listens cannot be read"),
        ("services/bank/SERVICE.yaml", "listens: {tcp: 8081}\n", "", "listens nowhere"),
        ("services/bank/SERVICE.yaml", "command: [./run.py]\nready: [ready]\n", "", "nothing to start"),
        ("skills/pay/SKILL.md", "Open", "Opne", "skills/pay/SKILL.md, line 8: \"Opne\" is no verb"),
        ("skills/pay/CHECK.yaml", "kind: file", "kind: smell", "smell"),
        ("skills/pay/CHECK.yaml", "{supplier}.txt", "{customer}.txt", "uses {customer}"),
    ] {
        let dir = company();
        let text = fs::read_to_string(dir.path().join(path)).unwrap();
        assert!(text.contains(from), "{path} has no {from}");
        put(dir.path(), path, &text.replace(from, to));
        let faults = told(&check_folder(dir.path()));
        assert!(faults.contains(said), "{path}: {from} -> {to}\n  want: {said}\n  said: {faults}");
    }
}

#[test]
fn hosts_belong_to_one_service() {
    let dir = company();
    put(dir.path(), "services/till/SERVICE.yaml", "command: python3\nlistens: {tcp: 8081}\nhosts: [bank.test]\n");
    let faults = told(&check_folder(dir.path()));
    assert!(faults.contains("bank has the host \"bank.test\" too") && faults.contains("port 8081"), "{faults}");
}

#[test]
fn faults_of_all_files_come_at_once() {
    let dir = company();
    put(dir.path(), "skills/pay/SKILL.md", "no front matter");
    put(dir.path(), "agents/otto/AGENTS.md", "---\n---\n");
    fs::remove_file(dir.path().join("teams/finance/TEAM.md")).unwrap();
    let faults = told(&Company::load(dir.path()).unwrap_err());
    for part in ["skills/pay/SKILL.md, line 1", "agents/otto/AGENTS.md", "teams/finance/TEAM.md"] {
        assert!(faults.contains(part), "{part}: {faults}");
    }
    assert!(told(&check_folder(&dir.path().join("nowhere"))).contains("COMPANY.md"));
}

#[test]
fn hostile_folders_stay_outside() {
    let outside = tempfile::tempdir().unwrap();
    put(outside.path(), "SKILL.md", FILES[4].1);
    put(outside.path(), "secret", "x");
    for (path, said) in [
        ("skills/evil/SKILL.md", "leads out"),
        ("skills/evil", "leads out"),
        ("policy.cedar", "leads out"),
        ("orders/evil.yaml", "leads out"),
        ("files/invoices/evil", "leads out"),
    ] {
        let dir = company();
        let link = dir.path().join(path);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&link);
        let target = if path == "skills/evil" { outside.path().to_owned() } else { outside.path().join("SKILL.md") };
        symlink(target, &link).unwrap();
        let faults = told(&check_folder(dir.path()));
        assert!(faults.contains(said), "{path}: {faults}");
    }
    let dir = company();
    fs::File::create(dir.path().join("COMPANY.md")).unwrap().set_len(1 << 40).unwrap();
    assert!(told(&check_folder(dir.path())).contains("larger than"));
    let company = Company::load(self::company().path());
    assert!(company.is_ok());
}

#[test]
fn a_company_goes_out_and_comes_in_unchanged() {
    let dir = company();
    put(dir.path(), "notes/foreign.md", "kept");
    symlink("/etc/passwd", dir.path().join("notes/link")).unwrap();
    let company = Company::load(dir.path()).unwrap();
    let out = tempfile::tempdir().unwrap();
    for name in ["copy", "copy.zip"] {
        let to = out.path().join(name);
        company.export(&to).unwrap();
        assert!(matches!(company.export(&to), Err(ExchangeError::Exists(_))));
        let back = Company::import(&to, &out.path().join(format!("{name}-in"))).unwrap();
        for (path, text) in FILES.iter().chain(&[("notes/foreign.md", "kept")]) {
            assert_eq!(fs::read_to_string(back.dir().join(path)).unwrap(), *text, "{path}");
        }
        assert!(!back.dir().join("notes/link").exists());
        assert_eq!((back.orders.len(), back.procedures.len()), (company.orders.len(), company.procedures.len()));
    }
    let again = out.path().join("again.zip");
    company.export(&again).unwrap();
    assert_eq!(fs::read(again).unwrap(), fs::read(out.path().join("copy.zip")).unwrap());
}

fn zip_of(path: &Path, entries: &[(&str, &str)], link: Option<(&str, &str)>) {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for (name, text) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    if let Some((name, to)) = link {
        zip.add_symlink(name, to, options).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn hostile_archives_leave_nothing() {
    let out = tempfile::tempdir().unwrap();
    let zip = out.path().join("evil.zip");
    let into = out.path().join("in");
    let try_one = |entries: &[(&str, &str)], link: Option<(&str, &str)>| {
        zip_of(&zip, entries, link);
        let error = Company::import(&zip, &into).map(drop).unwrap_err();
        let left: Vec<_> = fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["evil.zip"]);
        error
    };
    assert!(matches!(try_one(&[("../escaped", "x")], None), ExchangeError::Unsafe(_)));
    assert!(matches!(try_one(&[("a/../../escaped", "x")], None), ExchangeError::Unsafe(_)));
    assert!(matches!(try_one(&[("/tmp/escaped", "x")], None), ExchangeError::Unsafe(_)));
    assert!(matches!(try_one(&FILES, Some(("files", "/etc"))), ExchangeError::Unsafe(_)));
    assert!(matches!(try_one(&[("COMPANY.md", "x")], None), ExchangeError::Faults(_)));
    fs::write(out.path().join("evil.zip"), "no archive").unwrap();
    assert!(matches!(Company::import(&out.path().join("evil.zip"), &out.path().join("in")), Err(ExchangeError::Zip { .. })));
}

#[test]
fn an_archive_with_one_folder_in_it_is_taken() {
    let out = tempfile::tempdir().unwrap();
    let zip = out.path().join("c.zip");
    let files: Vec<(String, &str)> = FILES.iter().map(|(path, text)| (format!("try-main/{path}"), *text)).collect();
    let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    files.extend([("try-main/files/payments.xlsx", "x"), ("try-main/files/invoices/a.pdf", "a")]);
    zip_of(&zip, &files, None);
    let company = Company::import(&zip, &out.path().join("in")).unwrap();
    assert!(company.dir().join("COMPANY.md").is_file());
}

/// The company that ships with the program.
#[test]
fn the_atelier_is_sound() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/companies/atelier");
    let faults = check_folder(&dir);
    assert_eq!(told(&faults), "");
    let company = Company::load(&dir).unwrap_or_else(|faults| panic!("{}", told(&faults)));
    assert!(!company.orders.is_empty() && !company.procedures.is_empty());
}
