use super::*;
use std::collections::BTreeMap;

fn values(report: &Report) -> BTreeMap<String, i64> {
    let read: serde_json::Value = serde_json::from_str(&report.line()).unwrap_or_default();
    let checks = read["checks"].as_array().cloned().unwrap_or_default();
    let value = |check: &serde_json::Value| {
        (check["name"].as_str().unwrap_or("").to_string(), check["value"].as_i64().unwrap_or(-1))
    };
    checks.iter().map(value).collect()
}

#[test]
fn a13_a15_a16_a17_a18_a19_b026_b029_b031_b032_b033_b041_b042_b043_b050_b051_every_control_is_proved_and_every_reason_given()
 {
    let report = measure(Plant::None, 1);
    let found = values(&report);
    for name in ["controls_without_proof", "reasons_without_test", "cases_failed"] {
        assert_eq!(found[name], 0, "{name}: {}", report.line());
    }
    assert!(found["cases_failed_of"] >= 10_000);
    assert_eq!(found["controls_without_proof_of"], 14);
}

#[test]
fn a13_each_planted_fault_is_found() {
    for (name, _) in BREAKS {
        let plant = Plant::parse(name).unwrap_or(Plant::None);
        let report = measure(plant, 1);
        let found = values(&report);
        let broken: i64 = ["controls_without_proof", "reasons_without_test", "cases_failed"]
            .iter()
            .map(|check| found[*check])
            .sum();
        assert!(broken > 0, "{name}");
    }
    assert!(Plant::parse("none-such").is_none());
}

#[test]
fn the_page_of_controls_names_each_control_and_each_proof() {
    let page = include_str!("../../../../../../docs/reference/controls.md");
    for (id, name) in CONTROLS {
        assert!(page.contains(&format!("| {id} | {name} |")), "{id}");
    }
    for (controls, name, _) in proofs() {
        let told = controls.is_empty() || page.contains(name);
        assert!(told, "{name}");
    }
}
