//! From a changed pixel in a sandbox to the picture that the console takes, and what the feeds cost.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mz_desktop::Atom;
use mz_protocol::FramePacket;

use super::yard::{Bay, Yard, until_window};
use super::{BenchReport, Row};
use crate::feeds::pack;

const DESKTOPS: usize = 16;
const CHANGES: usize = 320;
const SPAN: Duration = Duration::from_secs(10);

/// Sixteen live desktops with an editor each; every change is packed, unpacked and put into a picture as the console does.
pub fn feed(samples: usize) -> anyhow::Result<BenchReport> {
    let mut yard = Yard::new()?;
    let mut bays = Vec::new();
    for _ in 0..DESKTOPS {
        let bay = yard.open()?;
        bay.desktop.launch("Geany", &[])?;
        until_window(&bay, "Geany", Duration::from_secs(60))?;
        bays.push(bay);
    }
    let rest = load(&bays, |_, _| Ok(()))?;
    let typing = load(&bays, type_letter)?;
    let count = if samples == 0 { CHANGES } else { samples };
    let mut delays = Vec::new();
    for round in 0..count {
        let index = round % bays.len();
        delays.push(change(&bays[index], round)?.as_secs_f64() * 1e3);
    }
    Ok(BenchReport::new(
        "feed",
        vec![
            Row::new("letter sent → changed picture unpacked, 16 live desktops", "ms", "p50 ≤ 30, p99 ≤ 80", delays),
            Row::new("CPU of engine and feeds, 16 desktops at rest", "% of a core", "≤ 2", vec![rest]),
            Row::new("CPU of engine and feeds, 16 desktops each typing", "% of a core", "≤ 40", vec![typing]),
        ],
    ))
}

/// Own processor time while every desktop is watched, in percent of one core.
fn load(bays: &[Bay], act: impl Fn(&Bay, usize) -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut seen = vec![0; bays.len()];
    let begun = Instant::now();
    let before = own_cpu()?;
    let mut round = 0;
    while begun.elapsed() < SPAN {
        for (bay, seen) in bays.iter().zip(&mut seen) {
            act(bay, round)?;
            let changes = bay.desktop.frames().changes_since(*seen);
            if changes.frame.seq != *seen {
                *seen = changes.frame.seq;
                pack(&bay.worker, &changes.frame, &changes.changed, changes.full, 2).encode();
            }
        }
        round += 1;
        // Each desktop gets some ten letters a second.
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok((own_cpu()? - before).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0)
}

fn own_cpu() -> anyhow::Result<Duration> {
    let usage = std::fs::read_to_string("/proc/self/stat").context("the kernel does not tell processor time")?;
    let fields: Vec<&str> = usage.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|index| fields.get(*index)?.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

fn type_letter(bay: &Bay, round: usize) -> anyhow::Result<()> {
    let letter = char::from(b'a' + (round % 26) as u8);
    bay.hand.lock().map_err(|_| anyhow::anyhow!("a hand was lost"))?.send(&Atom::Char(letter))?;
    Ok(())
}

fn change(bay: &Bay, round: usize) -> anyhow::Result<Duration> {
    let feed = bay.desktop.frames();
    // A blinking cursor must not be taken for the letter: the picture stands still first.
    let mut before = feed.latest();
    while let Some(newer) = feed.wait_newer(before.seq, Duration::from_millis(60)) {
        before = newer;
    }
    let begun = Instant::now();
    type_letter(bay, round)?;
    if feed.wait_newer(before.seq, Duration::from_secs(2)).is_none() {
        bail!("{} shows no letter", bay.worker);
    }
    let changes = feed.changes_since(before.seq);
    let bytes = pack(&bay.worker, &changes.frame, &changes.changed, changes.full, 1).encode();
    for tile in FramePacket::decode(&bytes)?.tiles {
        std::hint::black_box(tile.unpack()?);
    }
    Ok(begun.elapsed())
}
