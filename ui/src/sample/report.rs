//! A made-up report, in the shape of the engine's.

use serde_json::{Value, json};

pub fn report() -> Value {
    let figure = |key: &str, label: &str, text: &str, note: &str, trend: &str| json!({"key": key, "label": label, "value": 1.0, "unit": "count", "text": text, "note": note, "trend": trend, "meaning": ""});
    let days: Vec<Value> = [(33, 3), (44, 5), (36, 2), (55, 4), (58, 7), (22, 2), (15, 1), (47, 3), (62, 4), (60, 3), (66, 5), (70, 2), (26, 1), (18, 1)]
        .into_iter()
        .enumerate()
        .map(|(day, (alone, assisted))| json!({"date": format!("2026-11-{:02}", day + 9), "alone": alone, "assisted": assisted, "failed": 1}))
        .collect();
    let row = |name: &str, verified: u32, first: f64, cycle: f64, vetoed: u32, cost: f64| json!({"id": name, "name": name, "verified": verified, "first_pass_percent": first, "cycle_seconds": cycle, "vetoed": vetoed, "cost": cost});
    json!({
        "title": "Atelier: productivity", "currency": "EUR",
        "figures": [
            figure("verified", "Outcomes verified", "512", "+18 % on the fortnight before", "better"),
            figure("autonomy", "Autonomous resolution", "91.4 %", "goal 90 %", "better"),
            figure("cycle", "Cycle time, median", "6 min 12 s", "−41 s", "better"),
            figure("interventions", "Interventions per 100", "7.8", "12 takeovers, 28 vetoes", "same"),
            figure("wait", "Approval wait, p90", "3 min 05 s", "+22 s", "worse"),
            figure("cost", "Cost per outcome", "€0.08", "€41.20 in all", "same"),
        ],
        "days": days,
        "departments": [
            row("Finance", 204, 97.0, 280.0, 6, 0.05), row("Software", 88, 89.0, 680.0, 9, 0.19),
            row("Marketing", 131, 93.0, 365.0, 11, 0.07), row("Media", 89, 95.0, 350.0, 2, 0.06),
        ],
        "approvals": {"text": "Approved 93 % · looked 11 s (median) · 2 of 71 in under 2 s", "people": [
            {"person": "kim", "decisions": 71, "looked_seconds": 11.0, "under_2s": 2},
        ]},
    })
}
