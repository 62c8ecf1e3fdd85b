//! Measurements of this machine, printed as the tables of the README. Nothing here is asserted: a bar that is missed
//! is shown as missed.

mod company;
mod consoles;
mod desktops;
mod feeds;
mod gates;
mod programs;
mod stops;
mod yard;

use serde::Serialize;

pub use consoles::console;
pub use desktops::desktop;
pub use feeds::feed;
pub use gates::gate;
pub use stops::stop;

/// The figures of one benchmark.
#[derive(Debug, Serialize)]
pub struct BenchReport {
    pub bench: &'static str,
    pub machine: String,
    pub rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
pub struct Row {
    pub what: String,
    pub unit: &'static str,
    pub samples: usize,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    /// As the table has it, such as `p50 ≤ 0.3`.
    pub bar: &'static str,
}

impl BenchReport {
    pub fn new(bench: &'static str, rows: Vec<Row>) -> Self {
        Self { bench, machine: machine(), rows }
    }

    pub fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::to_string_pretty(self).unwrap_or_default());
            return;
        }
        println!("{} on {}\n", self.bench, self.machine);
        println!("| what | p50 | p95 | p99 | unit | bar | samples |\n| --- | ---: | ---: | ---: | --- | --- | ---: |");
        for row in &self.rows {
            println!(
                "| {} | {:.3} | {:.3} | {:.3} | {} | {} | {} |",
                row.what, row.p50, row.p95, row.p99, row.unit, row.bar, row.samples
            );
        }
    }
}

impl Row {
    /// Takes the percentiles of the samples by nearest rank.
    pub fn new(what: impl Into<String>, unit: &'static str, bar: &'static str, mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        Self::ranked(what.into(), unit, bar, &samples)
    }

    /// Where more is better: p95 is what 95 of 100 samples reach.
    pub fn at_least(what: impl Into<String>, unit: &'static str, bar: &'static str, mut samples: Vec<f64>) -> Self {
        samples.sort_by(|one, other| other.total_cmp(one));
        Self::ranked(what.into(), unit, bar, &samples)
    }

    fn ranked(what: String, unit: &'static str, bar: &'static str, samples: &[f64]) -> Self {
        let at = |share: f64| {
            let rank = (share * samples.len() as f64).ceil() as usize;
            samples.get(rank.saturating_sub(1).min(samples.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
        };
        Self { what, unit, samples: samples.len(), p50: at(0.50), p95: at(0.95), p99: at(0.99), bar }
    }
}

/// Processor, cores and memory, for the head of a table.
pub fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            text.lines()
                .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()))
        })
        .unwrap_or_else(|| "unknown processor".to_owned());
    let memory = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        })
        .unwrap_or(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cpu}, {cores} cores, {} GiB, {}", memory / 1_048_576, std::env::consts::OS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let row = Row::new("x", "ms", "", (1..=100).map(f64::from).collect());
        assert_eq!((row.p50, row.p95, row.p99), (50.0, 95.0, 99.0));
        assert_eq!(Row::new("x", "ms", "", vec![7.0]).p99, 7.0);
        let row = Row::at_least("x", "fps", "", (1..=100).map(f64::from).collect());
        assert_eq!((row.p50, row.p95, row.p99), (51.0, 6.0, 2.0));
    }
}
