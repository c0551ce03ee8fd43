//! `conformance fix`: the acceptance scripts of the QuickFIX project. `fix acceptor` and `fix initiator`: our two ends, for
//! engines that are not ours.

mod client;
mod venue;

use crate::args::Args;
use crate::report::Report;
use serde_json::{Value, json};
use std::path::PathBuf;
use tidegate_datasets::lines::Lines;
use tidegate_fix::Version;
use tidegate_fix::acceptance::{Plant, run};

pub use client::run as initiator;
pub use venue::run as acceptor;

const SETS: [(&str, Version); 2] = [("fix42.jsonl.gz", Version::Fix42), ("fix44.jsonl.gz", Version::Fix44)];
/// Scripts there are.
const SCRIPTS_MIN: u64 = 117;

/// Runs every script of both versions.
///
/// # Errors
/// Data that is not there, or a flag it does not know.
pub fn scripts(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let plant = match args.text("break").as_deref() {
        None => None,
        Some("withhold-orders") => Some(Plant::WithholdOrders),
        Some("lenient") => Some(Plant::Lenient),
        Some("keep-numbers") => Some(Plant::KeepNumbers),
        Some(other) => return Err(format!("--break {other}: want withhold-orders, lenient or keep-numbers")),
    };
    args.done()?;
    let (mut of, mut failed) = (0, Vec::new());
    for (file, version) in SETS {
        let path = data.join("fix-acceptance").join(file);
        let mut lines = Lines::open(&path).map_err(|fault| fault.to_string())?;
        while let Some(line) = lines.next_line().map_err(|fault| fault.to_string())? {
            let script: Value =
                serde_json::from_slice(line).map_err(|error| format!("{}: {error}", path.display()))?;
            let (Some(name), Some(text)) = (script["path"].as_str(), script["text"].as_str()) else {
                return Err(format!("{}: want path and text on each line", path.display()));
            };
            of += 1;
            if let Err(why) = run(text, version, plant) {
                failed.push(json!({ "script": name, "why": why }));
            }
        }
    }
    let mut report = Report::new();
    report.zero("failed.fix_scripts", failed.len() as u64, of, SCRIPTS_MIN);
    report.figure("failed_scripts", failed);
    Ok(report)
}

/// The folder of a session's store.
fn folder(args: &Args) -> Result<PathBuf, String> {
    args.text("store")
        .map(PathBuf::from)
        .ok_or_else(|| "--store: want a folder of its own for the session".into())
}
