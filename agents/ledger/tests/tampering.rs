//! Whoever edits the file behind the ledger's back is found out.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use mz_ledger::{Checkpoint, Ledger, LedgerError, Options};
use mz_protocol::{Actor, Digest, Event, EventBody, EventSeq, Timestamp, WorkOrderId, WorkerId};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::{Connection, params};

type Outcome = Result<(), Box<dyn Error>>;

const EVENTS: u64 = 40;
const EVERY: u64 = 16;

fn filled(folder: &Path) -> Result<Checkpoint, Box<dyn Error>> {
    let mut ledger = Ledger::open_with(folder, Options { checkpoint_every: EVERY, ..Options::default() })?;
    for n in 1..=EVENTS {
        let body = EventBody::Flagged {
            worker: WorkerId::new("mira")?,
            order: WorkOrderId::new("WO-0001")?,
            remark: format!("paid {n} euros"),
        };
        ledger.append(&[Event { at: Timestamp(n as i64), by: Actor::Engine, body }])?;
    }
    let kept = ledger.export_checkpoint(folder.join("kept.json"))?;
    ledger.close()?;
    Ok(kept)
}

/// The file as an attacker opens it: the guards first stop him, then he removes them.
fn unguarded(folder: &Path) -> Result<Connection, Box<dyn Error>> {
    let db = Connection::open(folder.join("ledger.sqlite"))?;
    for sql in [
        "UPDATE events SET json = '{}' WHERE seq = 3",
        "DELETE FROM events WHERE seq = 3",
        "INSERT OR REPLACE INTO events SELECT * FROM events WHERE seq = 3",
        "DELETE FROM checkpoints",
        "UPDATE checkpoints SET json = ''",
    ] {
        let refused = db.execute(sql, []).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("append-only"), "{sql}: {refused:?}");
    }
    for name in ["events_update", "events_delete", "events_insert", "checkpoints_update", "checkpoints_delete"] {
        db.execute_batch(&format!("DROP TRIGGER {name}"))?;
    }
    Ok(db)
}

fn first_bad(folder: &Path) -> Result<Option<u64>, Box<dyn Error>> {
    Ok(Ledger::read_only(folder)?.verify()?.problem.map(|bad| bad.seq.0))
}

fn remove_checkpoints(folder: &Path, db: &Connection, from: u64) -> Outcome {
    db.execute("DELETE FROM checkpoints WHERE seq >= ?1", [from as i64])?;
    for entry in std::fs::read_dir(folder.join("checkpoints"))? {
        let path = entry?.path();
        if Checkpoint::load(&path)?.seq.0 >= from {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// What somebody does who knows how the chain is made, but has not the key.
fn rewrite_from(db: &Connection, seq: u64) -> Outcome {
    let mut before: [u8; 32] = db.query_row("SELECT hash FROM events WHERE seq = ?1", [seq as i64 - 1], |row| row.get(0))?;
    for n in seq..=EVENTS {
        let mut json: String = db.query_row("SELECT json FROM events WHERE seq = ?1", [n as i64], |row| row.get(0))?;
        if n == seq {
            json = json.replace("paid ", "paid 1");
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&n.to_le_bytes()).update(&before).update(json.as_bytes());
        before = *hasher.finalize().as_bytes();
        db.execute("UPDATE events SET json = ?1, hash = ?2 WHERE seq = ?3", params![json, before.as_slice(), n as i64])?;
    }
    Ok(())
}

#[test]
fn a_changed_removed_or_moved_event_is_named() -> Outcome {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let original = tempfile::tempdir()?;
    filled(original.path())?;
    assert_eq!(first_bad(original.path())?, None);
    let whole = std::fs::read(original.path().join("ledger.sqlite"))?;
    for round in 0..60 {
        std::fs::write(original.path().join("ledger.sqlite"), &whole)?;
        let seq = rng.random_range(1..EVENTS);
        let db = unguarded(original.path())?;
        let at = params![seq as i64];
        let what = match round % 6 {
            0 => {
                // One letter somewhere in the text.
                let json: String = db.query_row("SELECT json FROM events WHERE seq = ?1", at, |row| row.get(0))?;
                let place = rng.random_range(0..json.len());
                let other = if json.as_bytes()[place] == b'7' { '8' } else { '7' };
                let changed = format!("{}{other}{}", &json[..place], &json[place + 1..]);
                db.execute("UPDATE events SET json = ?1 WHERE seq = ?2", params![changed, seq as i64])?;
                "edited"
            }
            1 => {
                db.execute("DELETE FROM events WHERE seq = ?1", at)?;
                "deleted"
            }
            2 => {
                db.execute("DELETE FROM events WHERE seq = ?1", at)?;
                db.execute("UPDATE events SET seq = -seq WHERE seq > ?1", at)?;
                db.execute("UPDATE events SET seq = -seq - 1 WHERE seq < 0", [])?;
                "deleted and closed up"
            }
            3 => {
                db.execute("UPDATE events SET seq = -1 WHERE seq = ?1", at)?;
                db.execute("UPDATE events SET seq = ?1 WHERE seq = ?1 + 1", at)?;
                db.execute("UPDATE events SET seq = ?1 + 1 WHERE seq = -1", at)?;
                "swapped with the next"
            }
            4 => {
                db.execute("UPDATE events SET worker = 'tom' WHERE seq = ?1", at)?;
                "hidden from its worker"
            }
            _ => {
                db.execute("UPDATE events SET hash = zeroblob(32) WHERE seq = ?1", at)?;
                "unlinked"
            }
        };
        drop(db);
        assert_eq!(first_bad(original.path())?, Some(seq), "event {seq} {what}, seed {seed}");
    }
    Ok(())
}

#[test]
fn a_chain_that_was_made_anew_contradicts_its_checkpoints() -> Outcome {
    let dir = tempfile::tempdir()?;
    let kept = filled(dir.path())?;
    let db = unguarded(dir.path())?;
    rewrite_from(&db, 20)?;
    // Checkpoints are at 16, 32 and 40: what is behind 16 cannot be trusted.
    let bad = Ledger::read_only(dir.path())?.verify()?.problem.ok_or("not found")?;
    assert_eq!(bad.seq, EventSeq(17));
    assert!(bad.why.contains("up to event 32"), "{bad}");
    assert!(matches!(Ledger::open(dir.path()), Err(LedgerError::Tampered { .. })));
    // With the ledger's own checkpoints gone, the one kept elsewhere still tells.
    remove_checkpoints(dir.path(), &db, 17)?;
    assert_eq!(first_bad(dir.path())?, None);
    let bad = Ledger::read_only(dir.path())?.verify_with(&[kept])?.problem.ok_or("not found")?;
    assert_eq!(bad.seq, EventSeq(17));
    Ok(())
}

#[test]
fn a_cut_tail_is_found_by_counter_checkpoint_and_kept_checkpoint() -> Outcome {
    let dir = tempfile::tempdir()?;
    let kept = filled(dir.path())?;
    let db = unguarded(dir.path())?;
    db.execute("DELETE FROM events WHERE seq > 35", [])?;
    assert_eq!(first_bad(dir.path())?, Some(36));
    let Err(LedgerError::Tampered { bad, .. }) = Ledger::open(dir.path()) else { return Err("a cut ledger was opened".into()) };
    assert_eq!(bad.seq, EventSeq(36));
    remove_checkpoints(dir.path(), &db, 36)?;
    assert_eq!(first_bad(dir.path())?, Some(36), "the counter knows");
    db.execute("UPDATE sqlite_sequence SET seq = 35", [])?;
    assert_eq!(first_bad(dir.path())?, None);
    let bad = Ledger::read_only(dir.path())?.verify_with(&[kept])?.problem.ok_or("not found")?;
    assert_eq!(bad.seq, EventSeq(36));
    assert!(bad.why.contains("40 events"), "{bad}");
    Ok(())
}

#[test]
fn a_forged_checkpoint_is_no_proof() -> Outcome {
    let dir = tempfile::tempdir()?;
    let kept = filled(dir.path())?;
    let ledger = Ledger::read_only(dir.path())?;
    let bad = |checkpoint: Checkpoint| -> Result<String, Box<dyn Error>> {
        let bad = ledger.verify_with(&[checkpoint])?.problem.ok_or("not found")?;
        assert_eq!(bad.seq, EventSeq(EVENTS));
        Ok(bad.why)
    };
    assert!(bad(Checkpoint { hash: Digest::ZERO, ..kept.clone() })?.contains("forged"));
    assert!(bad(Checkpoint { at: Timestamp(1), ..kept.clone() })?.contains("forged"));
    assert!(bad(Checkpoint { signature: "00".repeat(64), ..kept.clone() })?.contains("forged"));
    // A genuine signature of somebody else, over the same chain.
    let other = tempfile::tempdir()?;
    let foreign = filled(other.path())?;
    assert!(foreign.is_genuine());
    assert!(bad(foreign)?.contains("another key"));
    assert_eq!(ledger.verify_with(&[kept])?.problem, None);
    Ok(())
}

#[test]
fn a_ledger_put_in_the_place_of_another_is_found() -> Outcome {
    let dir = tempfile::tempdir()?;
    let kept = filled(dir.path())?;
    let other = tempfile::tempdir()?;
    filled(other.path())?;
    for file in ["ledger.sqlite", "ledger.key"] {
        std::fs::copy(other.path().join(file), dir.path().join(file))?;
    }
    assert!(Ledger::read_only(dir.path())?.verify()?.problem.is_some(), "its own checkpoint files are of the old one");
    assert!(Ledger::read_only(dir.path())?.verify_with(&[kept])?.problem.is_some());
    Ok(())
}

#[test]
fn garbage_and_cuts_in_the_file_are_named() -> Outcome {
    let dir = tempfile::tempdir()?;
    filled(dir.path())?;
    let path = dir.path().join("ledger.sqlite");
    let whole = std::fs::read(&path)?;
    let corrupt = |what: &str| -> Outcome {
        match Ledger::open(dir.path()) {
            Err(error @ LedgerError::Corrupt { .. }) => assert!(error.to_string().contains("ledger.sqlite"), "{error}"),
            Err(error) => return Err(format!("{what}: {error}").into()),
            Ok(_) => return Err(format!("{what}: it was opened").into()),
        }
        Ok(())
    };
    OpenOptions::new().write(true).open(&path)?.write_all(&[0xA5; 200])?;
    corrupt("garbage in the header")?;
    assert!(matches!(Ledger::read_only(dir.path()), Err(LedgerError::Corrupt { .. })));

    std::fs::write(&path, &whole)?;
    OpenOptions::new().write(true).open(&path)?.set_len(whole.len() as u64 - 4096)?;
    corrupt("the last page gone")?;
    OpenOptions::new().write(true).open(&path)?.set_len(whole.len() as u64 / 2)?;
    corrupt("half of it gone")?;
    OpenOptions::new().write(true).open(&path)?.set_len(0)?;
    corrupt("all of it gone")?;
    std::fs::remove_file(&path)?;
    corrupt("the file gone")?;

    // Another program's database.
    std::fs::remove_file(&path)?;
    Connection::open(&path)?.execute_batch("CREATE TABLE recipes (name TEXT)")?;
    corrupt("something else")?;

    std::fs::write(&path, &whole)?;
    assert_eq!(first_bad(dir.path())?, None);
    Ok(())
}

#[test]
fn garbage_in_any_page_is_found_by_verifying() -> Outcome {
    let dir = tempfile::tempdir()?;
    filled(dir.path())?;
    let path = dir.path().join("ledger.sqlite");
    let whole = std::fs::read(&path)?;
    for page in 1..whole.len() / 4096 {
        std::fs::write(&path, &whole)?;
        let mut file = OpenOptions::new().write(true).open(&path)?;
        file.seek(SeekFrom::Start(page as u64 * 4096))?;
        file.write_all(&[0xA5; 4096])?;
        let found = match Ledger::read_only(dir.path()) {
            Err(LedgerError::Corrupt { .. }) => true,
            Err(error) => return Err(error.into()),
            Ok(ledger) => match ledger.verify() {
                Ok(verification) => verification.problem.is_some(),
                Err(LedgerError::Corrupt { .. }) => true,
                Err(error) => return Err(error.into()),
            },
        };
        assert!(found, "page {page} was overwritten unnoticed");
    }
    Ok(())
}
