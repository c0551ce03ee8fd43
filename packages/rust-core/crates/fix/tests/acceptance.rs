//! Every acceptance script of the QuickFIX project against our acceptor.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::PathBuf;
use tidegate_datasets::lines::Lines;
use tidegate_fix::Version;
use tidegate_fix::acceptance::{Plant, run};

/// The scripts of one version: name and text.
fn scripts(file: &str) -> Vec<(String, String)> {
    let data = std::env::var_os("TIDEGATE_DATA").map(PathBuf::from).unwrap();
    let mut lines = Lines::open(&data.join("fix-acceptance").join(file)).unwrap();
    let mut found = Vec::new();
    while let Some(line) = lines.next_line().unwrap() {
        let value: serde_json::Value = serde_json::from_slice(line).unwrap();
        let text = |name: &str| value[name].as_str().unwrap().to_string();
        found.push((text("path"), text("text")));
    }
    found
}

const SETS: [(&str, Version, usize); 2] =
    [("fix42.jsonl.gz", Version::Fix42, 58), ("fix44.jsonl.gz", Version::Fix44, 59)];

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn every_acceptance_script_holds() {
    let mut failed = Vec::new();
    for (file, version, count) in SETS {
        let scripts = scripts(file);
        assert_eq!(scripts.len(), count);
        for (name, text) in scripts {
            if let Err(why) = run(&text, version, None) {
                failed.push(format!("{name}: {why}"));
            }
        }
    }
    assert!(failed.is_empty(), "{} failed\n{}", failed.len(), failed.join("\n"));
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn control_the_scripts_notice_each_rule_that_is_switched_off() {
    for (plant, least) in [(Plant::WithholdOrders, 6), (Plant::Lenient, 8), (Plant::KeepNumbers, 4)] {
        let failed = SETS
            .iter()
            .flat_map(|(file, version, _)| scripts(file).into_iter().map(|(_, text)| (text, *version)))
            .filter(|(text, version)| run(text, *version, Some(plant)).is_err())
            .count();
        assert!(failed >= least, "{plant:?}: {failed}");
    }
}
