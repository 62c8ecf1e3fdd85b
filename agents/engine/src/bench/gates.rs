//! How long the gate takes for its answer.

use std::time::Instant;

use anyhow::Context;
use mz_gate::{Facts, Line, Policy};
use mz_protocol::{
    Action, Button, DepartmentId, Digest, Effect, Modifiers, Point, Proposal, Rect, Risk, Role, RoleId, TextClass, WorkerId,
};

use super::{BenchReport, Row};

const RULES: usize = 100;
const SAMPLES: usize = 20_000;

/// Verdicts of a policy with 100 rules, over a mix of harmless and risky actions.
pub fn gate(samples: usize) -> anyhow::Result<BenchReport> {
    let builtin = Policy::builtin()?.rules().len();
    let own: String = (builtin..RULES)
        .map(|n| {
            format!(
                "@id(\"bench.{n}\") @effect(\"approve\") @why(\"bench\")\npermit(principal, action, resource) when {{ context.host == \
                 \"host-{n}.example\" && context.target_name like \"*submit {n}*\" }};\n"
            )
        })
        .collect();
    let policy = Policy::load(&own).context("the benchmark's rules do not load")?;
    let rules = policy.rules().len();
    let facts = Facts::default();
    let proposals = proposals()?;
    for proposal in &proposals {
        policy.decide(proposal, &facts, &Line::default());
    }
    let count = if samples == 0 { SAMPLES } else { samples };
    let timings = (0..count)
        .map(|i| {
            let proposal = &proposals[i % proposals.len()];
            let begun = Instant::now();
            std::hint::black_box(policy.decide(std::hint::black_box(proposal), &facts, &Line::default()));
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    Ok(BenchReport::new("gate", vec![Row::new(format!("verdict at {rules} rules"), "µs", "p99 ≤ 150", timings)]))
}

fn proposals() -> anyhow::Result<Vec<Proposal>> {
    let names = ["Publish", "Save draft", "Cancel", "Submit payment", "Next", "Title"];
    let roles = [Role::Button, Role::Button, Role::Link, Role::Button, Role::Button, Role::Textbox];
    names
        .iter()
        .zip(roles)
        .map(|(name, role)| {
            Ok(Proposal {
                worker: WorkerId::new("bench")?,
                role: RoleId::new("bench")?,
                department: DepartmentId::new("bench")?,
                order: None,
                action: Action::Click { at: Point::new(10, 10), button: Button::Left, count: 1, modifiers: Modifiers::empty() },
                application: "Chromium".to_owned(),
                window_title: "Posts — Chromium".to_owned(),
                host: Some("cms.example".to_owned()),
                target_role: Some(role),
                target_name: (*name).to_owned(),
                region: Rect::new(0, 0, 100, 40),
                screen_digest: Digest::ZERO,
                scene_version: 1,
                effect: Effect::None,
                text_class: TextClass::empty(),
                line: None,
                amount_cents: None,
                risk: Risk::Low,
                reason: None,
            })
        })
        .collect()
}
