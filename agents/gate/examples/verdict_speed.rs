//! How long a verdict takes, over a hundred rules: prints the median and the 99th percentile in microseconds.

use std::time::Instant;

use mz_gate::{Facts, Policy};
use mz_protocol::{Action, DepartmentId, Digest, Effect, Proposal, Rect, Risk, Role, RoleId, TextClass, TypedText, WorkerId};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let builtin = Policy::builtin()?.rules().len();
    let rules: String = (builtin..100)
        .map(|n| {
            format!(
                "@id(\"own.r{n}\") @effect(\"approve\") @why(\"w\") permit (principal, action, resource) \
                 when {{ context.host == \"h{n}.example\" && context.target_name_lower like \"*publish {n}*\" }};\n"
            )
        })
        .collect();
    let policy = Policy::load(&rules)?;
    let proposal = Proposal {
        worker: WorkerId::new("mira")?,
        role: RoleId::new("editor")?,
        department: DepartmentId::new("publishing")?,
        order: None,
        action: Action::Type { text: TypedText::Plain("Summer sale starts on Friday with everything at half price".into()) },
        application: "Chromium".into(),
        window_title: "Edit page - Atelier".into(),
        host: Some("cms.atelier.local".into()),
        target_role: Some(Role::Textbox),
        target_name: "Title".into(),
        region: Rect::new(0, 0, 40, 40),
        screen_digest: Digest::ZERO,
        scene_version: 1,
        effect: Effect::None,
        text_class: TextClass::empty(),
        amount_cents: None,
        risk: Risk::Low,
        reason: None,
    };
    let facts = Facts::default();
    let mut times: Vec<u128> = Vec::new();
    for _ in 0..20_000 {
        let start = Instant::now();
        std::hint::black_box(policy.decide(&proposal, &facts));
        times.push(start.elapsed().as_nanos());
    }
    times.sort_unstable();
    let micros = |part: usize| times[times.len() * part / 1000] as f64 / 1000.0;
    println!(
        "{} rules: p50 {:.1} us, p99 {:.1} us, p99.9 {:.1} us",
        policy.rules().len(),
        micros(500),
        micros(990),
        micros(999)
    );
    Ok(())
}
