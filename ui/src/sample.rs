//! A made-up company with made-up desktops, for tests, benches and pictures of the console.

mod picture;
mod report;
mod story;

pub use picture::{desktop, packet};
pub use report::report;
pub use story::events;

use mz_protocol::{
    Action, ApprovalRequest, ApprovalState, ApprovalView, Button, Checkpoint, CompanyView, DepartmentView, Digest, Effect,
    Figures, Grant, GrantScope, LimitView, Millis, Modifiers, Objective, ObjectiveView, OrderState, OrderView, OutcomeReport,
    Point, Proposal, Rect, Risk, Role, ServiceView, Snapshot, StepRef, StopScope, TextClass, Timestamp, Turn, TypedText,
    WorkOrder, WorkerState, WorkerView,
};

use crate::say::Clock;

/// 22 November 2026, 11:02:48 UTC, for ever.
pub fn clock() -> Clock {
    Clock::fixed(NOW)
}

pub const NOW: Timestamp = Timestamp(1_795_345_368_000);

/// Made-up names are short and plain, so that they always parse; a slip shows in the first test.
fn id<T: TryFrom<String>>(text: &str) -> T {
    match T::try_from(text.to_owned()) {
        Ok(id) => id,
        Err(_) => id("x"),
    }
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 - seconds * 1000)
}

const PEOPLE: [(&str, &str); 12] = [
    ("Mira", "marketing"),
    ("Fenn", "finance"),
    ("Sol", "software"),
    ("Ada", "media"),
    ("Noor", "finance"),
    ("Iris", "marketing"),
    ("Teo", "software"),
    ("Lev", "finance"),
    ("Anneliese-Magdalena Wiśniewska-Østergaard", "media"),
    ("Juno", "software"),
    ("Kai", "marketing"),
    ("Uma", "media"),
];

const STEPS: [&str; 9] = [
    "Open the repository in Geany",
    "Run the tests, read the failure",
    "Find “refund” in cart.py",
    "Change the rounding",
    "Save",
    "Run the tests again",
    "Commit",
    "Push — needs a person",
    "Report",
];

const PAYING: [&str; 6] = [
    "Open \"LibreOffice Calc\" with \"payments.xlsx\".",
    "For each file of \"invoices\" as invoice:",
    "Press Ctrl+S.",
    "Open \"Chromium\" with \"http://pay.atelier.local/\".",
    "Type \"{amount}\" into the field \"Amount in EUR\".",
    "Click the button \"Submit payment\", then the text \"Payment received\" is shown.",
];

fn worker(index: usize, name: &str, department: &str, state: WorkerState) -> WorkerView {
    let working = !matches!(state, WorkerState::Idle | WorkerState::Failed { .. });
    let number = (index % 7 + 2) as u32;
    let step = if department == "finance" {
        let text = "Type \"{number}\\t{total}\" into the cell A10, then the cell A10 contains \"{number}\"."
            .replace("{number}", "1042");
        StepRef { procedure: id("pay"), line: 14, number: 2, of: 6, text, turn: Some(Turn { at: 9, of: 12 }) }
    } else {
        let text = STEPS[number as usize - 1].to_owned();
        StepRef { procedure: id("fix-a-bug"), line: 10 + number, number, of: 9, text, turn: None }
    };
    let steps = if department == "finance" { PAYING.map(str::to_owned).to_vec() } else { STEPS.map(str::to_owned).to_vec() };
    let actions = [
        Action::Click { at: Point::new(1040, 106), button: Button::Left, count: 1, modifiers: Modifiers::empty() },
        Action::Type { text: TypedText::Plain("pytest -q".to_owned()) },
        Action::Click { at: Point::new(560, 420), button: Button::Left, count: 1, modifiers: Modifiers::empty() },
        Action::Type { text: TypedText::Plain("318.90".to_owned()) },
    ];
    WorkerView {
        id: id(&format!(
            "{}{}",
            name.split(['-', ' ']).next().unwrap_or("w").to_lowercase(),
            if index < 12 { String::new() } else { index.to_string() }
        )),
        name: name.to_owned(),
        department: id(department),
        role: "clerk".to_owned(),
        state,
        order: working.then(|| id(&format!("WO-{:04}", 173 + index))),
        progress_permille: step.behind_permille(),
        step: working.then_some(step),
        steps,
        last_action: working.then(|| actions[index % 4].clone()),
        last_action_at: working.then(|| ago(2)),
        last_target: Some((Some(Role::Button), "Publish".to_owned())),
        risk: Risk::Low,
    }
}

/// `count` workers, all at work: a busy floor for benches.
pub fn floor(count: usize, now: Timestamp) -> Snapshot {
    let mut snapshot = company();
    snapshot.approvals.clear();
    snapshot.workers = (0..count)
        .map(|index| {
            let (name, department) = PEOPLE[index % PEOPLE.len()];
            WorkerView { last_action_at: Some(now), ..worker(index, name, department, WorkerState::Working) }
        })
        .collect();
    snapshot
}

/// A company on a usual day: two need a person, one is driven, one has failed.
pub fn company() -> Snapshot {
    let states = [
        WorkerState::NeedsApproval { approval: id("AP-0012"), expires: ago(-252) },
        WorkerState::NeedsApproval { approval: id("AP-0013"), expires: ago(-520) },
        WorkerState::Working,
        WorkerState::Working,
        WorkerState::Working,
        WorkerState::Driven { by: id("kim"), lease: id("L-1") },
        WorkerState::Working,
        WorkerState::Idle,
        WorkerState::NeedsHelp {
            reason: "The button “Export” is not on the screen; three tries.".to_owned(), since: ago(140)
        },
        WorkerState::Failed { why: "The desktop ended: out of memory".to_owned() },
        WorkerState::Stopped { by_scope: StopScope::Worker(id("kai")) },
        WorkerState::Starting,
    ];
    let workers =
        PEOPLE.iter().zip(states).enumerate().map(|(i, ((name, department), state))| worker(i, name, department, state));
    Snapshot {
        at: NOW,
        company: Some(company_view()),
        workers: workers.collect(),
        orders: orders(),
        objectives: objectives(),
        approvals: approvals(),
        grants: vec![grant("G-0003", None), grant("G-0002", Some(ago(3600)))],
    }
}

fn company_view() -> CompanyView {
    let departments = [("marketing", "Marketing"), ("finance", "Finance"), ("software", "Software"), ("media", "Media")];
    let service = |name: &str, running, detail: &str| ServiceView { id: id(name), running, detail: detail.to_owned() };
    let limit = |what: &str, enforced, how: &str| LimitView { what: what.to_owned(), enforced, how: how.to_owned() };
    CompanyView {
        id: id("atelier"),
        name: "Atelier".to_owned(),
        currency: "EUR".to_owned(),
        departments: departments.map(|(slug, name)| DepartmentView { id: id(slug), name: name.to_owned() }).to_vec(),
        services: vec![
            service("shop", true, "cms.atelier.local, answering in 12 ms"),
            service("payments", true, "payments.atelier.local"),
            service("git", false, "exit code 1: address already in use"),
        ],
        limits: vec![
            limit("Sees only its own files", true, "mount namespace, read-only root"),
            limit("Reaches only the hosts of its role", true, "network namespace; the broker logs each request"),
            limit("512 MiB of memory", false, "cgroups are not delegated to this user: systemd-run would do it"),
            limit("At most 200 processes", true, "pid namespace and RLIMIT_NPROC"),
        ],
        stops: Vec::new(),
        figures: Figures { done: 41, verified_permille: Some(960), cost_micros: 3_120_000 },
        trouble: None,
        runtime: "process".to_owned(),
    }
}

fn order(number: u32, title: &str, department: &str, owner: &str, state: OrderState) -> OrderView {
    let point = |name: &str, points, passed, detail: &str| Checkpoint {
        name: name.to_owned(),
        points,
        passed,
        detail: detail.to_owned(),
    };
    let outcome = state.is_final().then(|| OutcomeReport {
        checkpoints: vec![
            point("The post is public", 2, true, "post 118 has status publish"),
            point("It has the image", 1, state == OrderState::Done, "halo.jpg is expected in the body"),
        ],
    });
    let order = WorkOrder {
        id: id(&format!("WO-{number:04}")),
        title: title.to_owned(),
        department: id(department),
        objective: Some(id("OBJ-0001")),
        owner: Some(id(owner)),
        procedure: id("announce"),
        inputs: [("product".to_owned(), "Halo lamp".to_owned())].into(),
        files: vec!["files/halo.jpg".to_owned()],
        depends_on: Vec::new(),
        due: Some(ago(-3600)),
        check: "published".to_owned(),
        created: ago(7200),
    };
    let reason = (state == OrderState::Failed).then(|| "The image could not be found.".to_owned());
    let ended = state.is_final().then(|| ago(300));
    OrderView {
        order,
        state,
        reason,
        started: Some(ago(900)),
        ended,
        outcome,
        remarks: vec!["The price list has two Halo lamps.".to_owned()],
    }
}

fn orders() -> Vec<OrderView> {
    vec![
        order(173, "Announce the Halo lamp", "marketing", "mira", OrderState::NeedsApproval),
        order(
            174,
            "Pay the November invoices of all suppliers, after checking each against its purchase order",
            "finance",
            "fenn",
            OrderState::NeedsApproval,
        ),
        order(175, "Refund rounding test fails", "software", "sol", OrderState::InProgress),
        order(176, "Banner for the winter sale", "media", "ada", OrderState::InProgress),
        order(177, "Enter invoices 1 to 12", "finance", "noor", OrderState::InProgress),
        order(178, "Fix the headline", "marketing", "iris", OrderState::InProgress),
        order(179, "Round once", "software", "teo", OrderState::InReview),
        order(181, "Cut the product film", "media", "anneliese", OrderState::NeedsHelp),
        order(160, "Write the newsletter", "marketing", "mira", OrderState::Done),
        order(161, "Reconcile October", "finance", "lev", OrderState::Done),
        order(162, "Poster A2", "media", "uma", OrderState::Failed),
        order(190, "Translate the shop into Norwegian", "marketing", "kai", OrderState::Todo),
    ]
}

fn objectives() -> Vec<ObjectiveView> {
    let view = |number: &str, text: &str, orders: &[&str]| ObjectiveView {
        objective: Objective { id: id(number), text: text.to_owned(), department: None, added: ago(90_000) },
        orders: orders.iter().map(|order| id(order)).collect(),
    };
    vec![
        view("OBJ-0001", "Sell the Halo lamp before Christmas", &["WO-0173", "WO-0176", "WO-0160", "WO-0162", "WO-0190"]),
        view(
            "OBJ-0002",
            "Close the books of November without a single open question by the third",
            &["WO-0174", "WO-0177", "WO-0161"],
        ),
    ]
}

fn proposal(worker: &str, department: &str, order: &str) -> Proposal {
    Proposal {
        worker: id(worker),
        role: id("editor"),
        department: id(department),
        order: Some(id(order)),
        action: Action::Click { at: Point::new(1040, 106), button: Button::Left, count: 1, modifiers: Modifiers::empty() },
        application: "Chromium".to_owned(),
        window_title: "Posts ‹ Atelier".to_owned(),
        host: Some("cms.atelier.local".to_owned()),
        target_role: Some(Role::Button),
        target_name: "Publish".to_owned(),
        region: Rect::new(980, 84, 120, 44),
        screen_digest: Digest([7; 32]),
        scene_version: 5,
        effect: Effect::Irreversible,
        text_class: TextClass::empty(),
        line: None,
        amount_cents: None,
        risk: Risk::High,
        reason: Some("Title, image and price match the brief. Publishing is the last step.".to_owned()),
    }
}

fn request(number: &str, proposal: Proposal, expires: i64) -> ApprovalRequest {
    ApprovalRequest {
        id: id(number),
        binding: Digest([number.len() as u8; 32]),
        rule: "external.publish".to_owned(),
        why: "Publishing needs a person.".to_owned(),
        approvers_needed: 1,
        named: Vec::new(),
        asked: ago(48),
        expires: ago(-expires),
        proposal,
    }
}

fn approvals() -> Vec<ApprovalView> {
    let waiting = || ApprovalState::Waiting { approved_by: Vec::new() };
    let pay = Proposal {
        target_name: "Purpose".to_owned(),
        target_role: Some(Role::Textbox),
        action: Action::Type { text: TypedText::Plain("Invoice 1042, \u{202E}tnemyap".to_owned()) },
        amount_cents: Some(1_248_050),
        region: Rect::new(300, 300, 240, 40),
        reason: Some("All twelve rows are checked.".to_owned()),
        effect: Effect::External,
        ..proposal("fenn", "finance", "WO-0174")
    };
    let push = Proposal { target_name: "git push".to_owned(), ..proposal("sol", "software", "WO-0175") };
    let by = || vec![id("kim")];
    vec![
        ApprovalView {
            request: request("AP-0012", proposal("mira", "marketing", "WO-0173"), 252),
            state: waiting(),
            screen_unchanged: true,
            sent_before: Vec::new(),
        },
        ApprovalView {
            request: request("AP-0013", pay, 520),
            state: waiting(),
            screen_unchanged: false,
            sent_before: Vec::new(),
        },
        ApprovalView {
            request: request("AP-0010", push, 0),
            state: ApprovalState::Used { by: by(), at: ago(1300) },
            screen_unchanged: true,
            sent_before: Vec::new(),
        },
        ApprovalView {
            request: request("AP-0009", proposal("iris", "marketing", "WO-0178"), 0),
            state: ApprovalState::Vetoed { by: id("kim"), reason: "Wrong page".to_owned(), at: ago(3000) },
            screen_unchanged: true,
            sent_before: Vec::new(),
        },
    ]
}

fn grant(number: &str, revoked: Option<Timestamp>) -> Grant {
    let scope = GrantScope {
        worker: Some(id("mira")),
        department: Some(id("marketing")),
        verb: "click".to_owned(),
        rule: "external.publish".to_owned(),
        application: "Chromium".to_owned(),
        host: Some("cms.atelier.local".to_owned()),
        target_role: Some(Role::Button),
        target_name: "Save draft".to_owned(),
        line: None,
        input: mz_protocol::GrantInput::default(),
        max_amount_cents: None,
    };
    let until = NOW.plus(Millis::from_secs(7 * 3600));
    Grant { id: id(number), scope, uses_left: 8, until, by: id("kim"), given: ago(4000), revoked, event: None }
}
