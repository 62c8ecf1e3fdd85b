//! Writes a made-up fortnight in every format into the folder that is named: `cargo run -p mz_report --example sample -- out`.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::path::Path;

use fixture::*;
use jiff::tz::TimeZone;
use mz_protocol::*;
use mz_report::{Report, WorkerName, export};

/// Small and the same everywhere: xorshift.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

const STAFF: [(&str, &str, &str); 6] = [
    ("mira", "Mira", "finance"),
    ("jonas", "Jonas", "finance"),
    ("olek", "Olek", "software"),
    ("aya", "Aya", "marketing"),
    ("noor", "Noor", "marketing"),
    ("tove", "Tove", "media"),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = std::env::args().nth(1).ok_or("name a folder")?;
    let mut names = names();
    for (id, name) in [("marketing", "Marketing"), ("media", "Media")] {
        names.departments.insert(department(id), name.into());
    }
    for (id, name, dept) in STAFF {
        names.workers.insert(worker(id), WorkerName { name: name.into(), department: department(dept) });
    }
    let log = fortnights();
    let period = Period { from: at(0), to: at(2 * WEEK) };
    let report = Report::build(&log.records, &names, &ReportScope::Company, period, TimeZone::UTC);
    for format in ExportFormat::ALL {
        let saved = export(&report, format, Path::new(&out), &mut |_| {}, &|| false)?;
        println!("{} {} bytes {} ms", saved.path, saved.bytes, saved.took.0);
    }
    Ok(())
}

/// Four weeks of which the last two are reported.
fn fortnights() -> Log {
    let mut log = Log::default();
    let mut dice = Dice(0x5eed_1234_9876_0001);
    let mut number = 0;
    for day in -14..14 {
        let weekend = (day + 14) % 7 >= 5;
        let orders = if weekend { 6 + dice.roll(4) } else { 24 + dice.roll(16) };
        let mut clock = [0_i64; STAFF.len()];
        for _ in 0..orders {
            number += 1;
            let who = dice.roll(STAFF.len() as u64) as usize;
            let start = day * 86_400 + 8 * 3600 + clock[who];
            clock[who] += one(&mut log, &mut dice, number, who, start) + 200;
        }
    }
    log.records.sort_by_key(|r| r.event.at);
    for number in 1..6 {
        log.add(2 * WEEK - number * 70_000, &format!("WO-9{number}"), "Reconcile the supplier statements", "finance", None);
    }
    log
}

fn one(log: &mut Log, dice: &mut Dice, number: u32, who: usize, start: i64) -> i64 {
    use OrderState::*;
    const TITLES: [&str; 5] = [
        "Post supplier invoices of the week and file the originals",
        "Answer the tax office",
        "Fix the cart's rounding",
        "Draft the autumn banner",
        "Cut the trailer to thirty seconds",
    ];
    let (id, _, dept) = STAFF[who];
    let order_id = format!("WO-{number:04}");
    let approval = format!("AP-{number:04}");
    let took = 120 + dice.roll(700) as i64;
    log.add(start - 600, &order_id, TITLES[number as usize % TITLES.len()], dept, None);
    log.moved(start, &order_id, id, Todo, InProgress);
    log.called(start + 5, Some(id), 20_000 + dice.roll(90_000));
    for i in 0..8 {
        log.acted(start + 10 + i, id, Actor::Worker(worker(id)));
    }
    let luck = dice.roll(100);
    if luck < 30 {
        log.asked(start + 30, &approval, id, dept, &order_id, 1);
        let by = if luck.is_multiple_of(3) { "max" } else { "lena" };
        let kind = if luck < 4 { DecisionKind::Veto { reason: "not this account".into() } } else { DecisionKind::Approve };
        log.decided(start + 60 + dice.roll(150) as i64, &approval, by, 900 + dice.roll(20_000), kind);
    }
    if (4..7).contains(&luck) {
        log.takeover(start + 300, start + 420, id, &format!("L-{number}"));
    }
    if luck == 8 || luck == 9 {
        log.retried(start + 80, id, &order_id);
    }
    let passed = luck != 99;
    log.checked(start + took + 300, &order_id, &[(2, true), (2, passed)]);
    log.moved(start + took + 301, &order_id, id, InReview, if passed { Done } else { Failed });
    took + 300
}
