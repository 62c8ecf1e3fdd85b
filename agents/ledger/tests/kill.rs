//! A process that is killed at any instant takes no acknowledged event with it.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use mz_ledger::{Filter, Ledger, Options};
use mz_protocol::{Actor, Event, EventBody, Timestamp, WorkOrderId, WorkerId};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Outcome = Result<(), Box<dyn Error>>;

const FOLDER: &str = "MZ_LEDGER_TEST_FOLDER";

/// The child: appends for ever, and says each hash once it is acknowledged.
#[test]
#[ignore = "started by the test below"]
fn child() -> Outcome {
    let folder = std::env::var(FOLDER)?;
    let mut ledger = Ledger::open_with(folder, Options { checkpoint_every: 7, ..Options::default() })?;
    for n in 0.. {
        let event = |part: i64| -> Result<Event, Box<dyn Error>> {
            let (worker, order) = (WorkerId::new("mira")?, WorkOrderId::new("WO-0001")?);
            let remark = format!("{n} {part} {}", "x".repeat(n as usize % 5000));
            Ok(Event { at: Timestamp(n), by: Actor::Engine, body: EventBody::Flagged { worker, order, remark } })
        };
        let batch = (0..=n % 3).map(event).collect::<Result<Vec<_>, _>>()?;
        for record in ledger.append(&batch)? {
            writeln!(std::io::stdout(), "ack {} {}", record.seq.0, record.hash)?;
        }
    }
    Ok(())
}

#[test]
fn every_acknowledged_event_survives_sigkill() -> Outcome {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let dir = tempfile::tempdir()?;
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["child", "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, dir.path())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let acks = rng.random_range(1..60);
        let mut seen = 0;
        while seen < acks {
            let line = lines.next().ok_or("the child ended by itself")??;
            seen += usize::from(take(&line, &mut acknowledged));
        }
        // Somewhere within the writes that follow.
        for _ in 0..rng.random_range(0..200_000) {
            std::hint::spin_loop();
        }
        child.kill()?;
        child.wait()?;
        for line in lines {
            take(&line?, &mut acknowledged);
        }

        let ledger = Ledger::open(dir.path())?;
        let kept = ledger.events(&Filter::all())?;
        for (seq, hash) in &acknowledged {
            let record = kept.get(*seq as usize - 1).ok_or(format!("event {seq} is lost, round {round}, seed {seed}"))?;
            assert_eq!((record.seq.0, record.hash.to_hex()), (*seq, hash.clone()), "round {round}, seed {seed}");
        }
        assert_eq!(ledger.verify()?.problem, None, "round {round}, seed {seed}");
    }
    assert!(acknowledged.len() >= 12);
    for entry in std::fs::read_dir(dir.path().join("checkpoints"))? {
        let name = entry?.file_name().into_string().map_err(|_| "a strange name")?;
        assert!(name.ends_with(".json"), "{name} was left behind");
    }
    Ok(())
}

fn take(line: &str, acknowledged: &mut Vec<(u64, String)>) -> bool {
    // The test harness writes before the first line.
    let Some((_, ack)) = line.split_once("ack ") else { return false };
    // A line that the kill cut in half was not read by anybody.
    let Some((seq, hash)) = ack.split_once(' ').filter(|(_, hash)| hash.len() == 64) else { return false };
    seq.parse().map(|seq| acknowledged.push((seq, hash.to_owned()))).is_ok()
}
