//! From stop pressed to the last input event of any worker.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use mz_desktop::Atom;
use mz_gate::{Facts, Gate, GateConfig, Policy, Proposed};
use mz_protocol::{
    Action, DepartmentId, Digest, Effect, Proposal, Rect, Risk, RoleId, StopScope, TextClass, TypedText, WorkerId,
};

use super::yard::{Bay, Yard, until_window};
use super::{BenchReport, Row};
use crate::clock;

const WORKERS: usize = 4;
const STOPS: usize = 100;
const LETTER: Duration = Duration::from_millis(4);

/// Four workers type without end under the gate's permits; the company is stopped amid their words.
pub fn stop(samples: usize) -> anyhow::Result<BenchReport> {
    let count = if samples == 0 { STOPS } else { samples };
    let mut yard = Yard::new()?;
    let mut bays = Vec::new();
    for _ in 0..WORKERS {
        let bay = yard.open()?;
        bay.desktop.launch("Geany", &[])?;
        until_window(&bay, "Geany", Duration::from_secs(60))?;
        bays.push(bay);
    }
    let timings = (0..count).map(|round| one_stop(&bays, round)).collect::<anyhow::Result<Vec<f64>>>()?;
    let what = format!("stop pressed → last input event, amid a word, {WORKERS} workers");
    Ok(BenchReport::new("stop", vec![Row::new(what, "ms", "p99 ≤ 100", timings)]))
}

/// Milliseconds until the last letter of any worker; 0 where none came after the stop.
fn one_stop(bays: &[Bay], round: usize) -> anyhow::Result<f64> {
    let department = DepartmentId::new("bench")?;
    let mut gate = Gate::new(GateConfig::default());
    bays.iter().for_each(|bay| gate.enrol(&bay.worker, &department));
    let policy = Policy::builtin()?;
    let last = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let begun = Instant::now();
    let mut permits = Vec::new();
    for bay in bays {
        let step = gate.propose(clock::now(), typing(&bay.worker, &department)?, &Facts::default(), &policy);
        let Proposed::Allowed(permit) = step.result else { anyhow::bail!("typing into an editor needs no approval") };
        permits.push(permit);
    }
    let switch = gate.switch();
    let pressed = std::thread::scope(|scope| -> anyhow::Result<Duration> {
        for (bay, permit) in bays.iter().zip(permits) {
            let (last, over) = (&last, &over);
            std::thread::Builder::new()
                .name(format!("typist-{}", bay.worker))
                .spawn_scoped(scope, move || {
                    let Ok(mut hand) = bay.hand.lock() else { return };
                    while !permit.halted() && !over.load(Ordering::SeqCst) {
                        if hand.send(&Atom::Char('m')).is_err() {
                            return;
                        }
                        last.fetch_max(begun.elapsed().as_micros() as u64, Ordering::SeqCst);
                        std::thread::sleep(LETTER);
                    }
                })
                .context("cannot start a typist")?;
        }
        // At a different place in the words each time.
        std::thread::sleep(Duration::from_micros(30_000 + (round as u64 * 7919) % 20_000));
        let pressed = begun.elapsed();
        switch.press_all();
        let _events = gate.stop(clock::now(), StopScope::Company).events;
        std::thread::sleep(Duration::from_millis(150));
        over.store(true, Ordering::SeqCst);
        Ok(pressed)
    })?;
    Ok((last.load(Ordering::SeqCst) as f64 - pressed.as_micros() as f64).max(0.0) / 1e3)
}

fn typing(worker: &WorkerId, department: &DepartmentId) -> anyhow::Result<Proposal> {
    Ok(Proposal {
        worker: worker.clone(),
        role: RoleId::new("bench")?,
        department: department.clone(),
        order: None,
        action: Action::Type { text: TypedText::Plain("m".repeat(1000)) },
        application: "Geany".to_owned(),
        window_title: "untitled - Geany".to_owned(),
        host: None,
        target_role: None,
        target_name: String::new(),
        region: Rect::new(0, 0, 400, 200),
        screen_digest: Digest::ZERO,
        scene_version: 1,
        effect: Effect::None,
        text_class: TextClass::empty(),
        amount_cents: None,
        risk: Risk::Low,
        reason: None,
    })
}
