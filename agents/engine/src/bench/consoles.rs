//! The console's own benchmark, run in the console's own program.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};

use super::{BenchReport, Row, programs};
use crate::pictures::{console_program, with_display};

const SECONDS: u64 = 10;
/// For the start, the run and the end.
const DEADLINE: Duration = Duration::from_secs(SECONDS + 40);

/// Frames a second with 16 and with 64 tiles, dark and light, drawn in software at 1600×900.
pub fn console() -> anyhow::Result<BenchReport> {
    let program = console_program()?;
    let mut rows = Vec::new();
    for (tiles, bar) in [(16, "p50 ≥ 40"), (64, "p50 ≥ 25")] {
        for theme in ["dark", "light"] {
            let output = with_display("1600x900x24", |display| {
                let mut command = Command::new(&program);
                command.env("DISPLAY", display).env_remove("WAYLAND_DISPLAY").arg("--bench").arg(format!("--{theme}"));
                command.args(["--tiles", &tiles.to_string(), "--seconds", &SECONDS.to_string()]);
                programs::output("the console", &mut command, DEADLINE)
            })?;
            if !output.status.success() {
                bail!("the console's benchmark failed: {}", String::from_utf8_lossy(&output.stderr).trim());
            }
            let found: serde_json::Value =
                serde_json::from_slice(&output.stdout).context("the console's benchmark gave no JSON")?;
            let frames: Vec<f64> = found["frame_ms"].as_array().into_iter().flatten().filter_map(|ms| ms.as_f64()).collect();
            if frames.is_empty() {
                bail!("the console's benchmark drew no frames: {found}");
            }
            let what = format!("console, software rendering, 1600×900, {tiles} tiles, {theme}");
            rows.push(Row::at_least(what, "fps", bar, frames.iter().map(|ms| 1000.0 / ms.max(0.001)).collect()));
        }
    }
    Ok(BenchReport::new("console", rows))
}
