//! How fast desktops start, what they weigh, and what it costs to look at them.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::yard::{Bay, Yard};
use super::{BenchReport, Row};

const STARTS: usize = 20;
const PAGES: usize = 10;
const HEAVY: usize = 10;
const LOOKS: usize = 500;
/// The page is this colour when it is painted: BGR.
const PAINTED: [u8; 3] = [0x4b, 0xd2, 0x1e];

/// Starts, first paint, memory and change detection.
pub fn desktop(samples: usize) -> anyhow::Result<BenchReport> {
    let starts = if samples == 0 { STARTS } else { samples };
    let mut yard = Yard::new()?;
    let mut ready = Vec::new();
    for _ in 0..starts {
        ready.push(yard.open()?.ready.as_secs_f64());
    }
    let mut painted = Vec::new();
    // The first start reads the program from the disk: it is not counted.
    for i in 0..=PAGES.min(starts) {
        let bay = yard.open()?;
        let took = paint(&bay)?;
        if i > 0 {
            painted.push(took.as_secs_f64());
        }
    }
    Ok(BenchReport::new(
        "desktop",
        vec![
            Row::new("desktop ready (X, window manager)", "s", "p50 ≤ 0.4", ready),
            Row::new("Chromium page painted, warm", "s", "p50 ≤ 2", painted),
            Row::new("memory of each of 10 desktops with Chromium open (PSS)", "MiB", "≤ 250", memory(&mut yard)?),
            Row::new("full-frame change detection at 1280×800", "ms", "p50 ≤ 0.3", detection(&mut yard)?),
        ],
    ))
}

/// From the launch until the page's colour is in the middle of the screen.
fn paint(bay: &Bay) -> anyhow::Result<Duration> {
    let [blue, green, red] = PAINTED;
    let page = format!("data:text/html,<title>painted</title><body style='background:rgb({red},{green},{blue})'>");
    let begun = Instant::now();
    bay.desktop.launch("Chromium", &[page])?;
    let deadline = begun + Duration::from_secs(30);
    let mut seen = 0;
    while Instant::now() < deadline {
        let Some(frame) = bay.desktop.frames().wait_newer(seen, Duration::from_secs(1)) else { continue };
        seen = frame.seq;
        let middle =
            (usize::from(frame.size.height) / 2 * usize::from(frame.size.width) + usize::from(frame.size.width) / 2) * 4;
        if frame.pixels[middle..middle + 3] == PAINTED {
            return Ok(begun.elapsed());
        }
    }
    bail!("Chromium did not paint its page: {}", bay.desktop.log().join("; "))
}

fn memory(yard: &mut Yard) -> anyhow::Result<Vec<f64>> {
    let mut bays = Vec::new();
    for _ in 0..HEAVY {
        let bay = yard.open()?;
        paint(&bay)?;
        bays.push(bay);
    }
    bays.iter().map(pss_mib).collect()
}

/// Proportional set size of all processes of a desktop.
fn pss_mib(bay: &Bay) -> anyhow::Result<f64> {
    let mut kib = 0u64;
    for process in bay.desktop.processes() {
        let Ok(rollup) = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid)) else { continue };
        kib += rollup
            .lines()
            .find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
            .context("the kernel does not tell the proportional set size")?;
    }
    Ok(kib as f64 / 1024.0)
}

/// Fresh captures, each compared as a whole with the picture before.
fn detection(yard: &mut Yard) -> anyhow::Result<Vec<f64>> {
    let bay = yard.open()?;
    let before = bay.hand.screenshot()?;
    (0..LOOKS).map(|_| Ok(bay.hand.measure_look(&before)?.as_secs_f64() * 1e3)).collect()
}
