//! `verify controls`: every control of the gateway at its boundary, and every reason code given by a case that ran.
//!
//! The matrix is code: each proof names the controls it is for. It is run, not listed; a control whose proofs examined
//! nothing, and a reason that no case was answered with, are counted.
#![allow(
    clippy::expect_used,
    reason = "a proof that cannot be set up has failed: its panic is caught and counted"
)]

mod accounts;
mod behaviour;
mod guards;
mod losses;
mod orders;
mod random;
#[path = "../../../risk/tests/support/mod.rs"]
pub mod rig;
mod tally;

#[cfg(test)]
mod tests;

use crate::args::Args;
use crate::report::{CASES_MIN, Report};
use serde_json::json;
use std::collections::BTreeSet;
use tally::{Plant, Tally};
use tidegate_wire::reasons::REASONS;

/// The faults that can be planted, and what each of them is.
pub const BREAKS: [(&str, &str); 5] = [
    ("loose-collar", "the gateway's collars are one basis point wider than the file says"),
    ("loose-size", "the gateway's largest order is one lot more than the file says"),
    ("forget-window", "the gateway's windows are a tenth of what the file says"),
    ("drop-control", "the proofs of the first control do not run"),
    ("drop-reason", "the last reason reached is not counted"),
];

/// Controls of the regulation list (RTS 6, rule 15c3-5) that live in the gateway, with their names.
pub const CONTROLS: [(&str, &str); 14] = [
    ("C1", "price collar"),
    ("C2", "collar across time"),
    ("C3", "largest order value"),
    ("C4", "largest order size"),
    ("C5", "message rates"),
    ("C6", "throttle of repeated execution"),
    ("C7", "credit and capital thresholds"),
    ("C8", "every order sent counts at once"),
    ("C9", "duplicate orders"),
    ("C10", "permissions"),
    ("C11", "restricted list and market state"),
    ("C13", "order attribution"),
    ("C17", "self-match prevention"),
    ("C27", "override of a block"),
];

/// One proof: the controls it is for, its name, and what runs.
type Proof = (&'static [&'static str], &'static str, fn(&mut Tally));

fn proofs() -> Vec<Proof> {
    [orders::PROOFS, behaviour::PROOFS, guards::PROOFS, losses::PROOFS, accounts::PROOFS, random::PROOFS]
        .concat()
}

/// Runs every proof.
///
/// # Errors
/// A flag that is unknown.
pub fn run(args: &Args) -> Result<Report, String> {
    let plant = args.text("break");
    let seed = args.get("seed", 1_u64)?;
    args.done()?;
    let plant = match plant.as_deref() {
        None => Plant::None,
        Some(name) => Plant::parse(name).ok_or_else(|| {
            let names: Vec<&str> = BREAKS.iter().map(|(name, _)| *name).collect();
            format!("--break {name}: want one of {}", names.join(", "))
        })?,
    };
    Ok(measure(plant, seed))
}

fn measure(plant: Plant, seed: u64) -> Report {
    let mut report = Report::new();
    report.seed(seed);
    let mut proved: BTreeSet<&str> = BTreeSet::new();
    let mut reached = BTreeSet::new();
    let (mut cases, mut failed) = (0, 0);
    let mut matrix = serde_json::Map::new();
    let mut first = None;
    for (controls, name, proof) in proofs() {
        if plant == Plant::DropControl && controls.contains(&CONTROLS[0].0) {
            continue;
        }
        let mut tally = Tally::new(plant, seed);
        tally.run(proof);
        cases += tally.cases;
        failed += tally.failed;
        if let Some(text) = &tally.first {
            first.get_or_insert(format!("{name}: {text}"));
        }
        if tally.cases > 0 && tally.failed == 0 {
            proved.extend(controls);
        }
        let reasons: Vec<&str> = tally.reached.iter().map(|r| tally::name(*r)).collect();
        matrix.insert(
            name.to_string(),
            json!({ "controls": controls, "cases": tally.cases, "failed": tally.failed, "reasons": reasons,
                "first_failure": tally.first }),
        );
        reached.extend(tally.reached);
    }
    if plant == Plant::DropReason {
        reached.pop_last();
    }
    let missing: Vec<&str> = CONTROLS.iter().map(|(id, _)| *id).filter(|id| !proved.contains(id)).collect();
    let untested: Vec<&str> =
        REASONS.iter().filter(|row| !reached.contains(&row.reason)).map(|row| row.name()).collect();
    let controls = CONTROLS.len() as u64;
    report.zero("controls_without_proof", missing.len() as u64, controls, controls);
    let reasons = REASONS.len() as u64;
    report.zero("reasons_without_test", untested.len() as u64, reasons, reasons);
    report.zero("cases_failed", failed, cases, CASES_MIN);
    report.figure("matrix", matrix);
    if !missing.is_empty() {
        report.figure("missing_controls", missing);
    }
    if !untested.is_empty() {
        report.figure("missing_reasons", untested);
    }
    if let Some(first) = first {
        report.figure("first_failure", first);
    }
    report
}
