//! The console's own benchmark, run in the console's own program.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

use super::{BenchReport, Row};
use crate::pictures::with_display;

/// Frames a second with 16 and with 64 tiles, drawn in software at 1600×900.
pub fn console() -> anyhow::Result<BenchReport> {
    let program: PathBuf = std::env::current_exe()?.with_file_name("mezzanine-console");
    let mut rows = Vec::new();
    for (tiles, bar) in [(16, "≥ 40"), (64, "≥ 25")] {
        let output = with_display("1600x900x24", |display| {
            Command::new(&program)
                .env("DISPLAY", display)
                .env_remove("WAYLAND_DISPLAY")
                .args(["--bench", "--tiles", &tiles.to_string(), "--seconds", "10"])
                .output()
                .with_context(|| format!("cannot start {}", program.display()))
        })?;
        if !output.status.success() {
            bail!("the console's benchmark failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let found: serde_json::Value =
            serde_json::from_slice(&output.stdout).context("the console's benchmark gave no JSON")?;
        let fps = found["fps"].as_f64().context("the console's benchmark gave no frames a second")?;
        rows.push(Row::new(format!("console, software rendering, 1600×900, {tiles} tiles"), "fps", bar, vec![fps]));
    }
    Ok(BenchReport::new("console", rows))
}
