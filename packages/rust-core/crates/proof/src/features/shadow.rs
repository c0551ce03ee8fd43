//! `features shadow`: two sets or profiles over one recording, and the first place where they differ.

use super::data::{Event, Series};
use crate::args::Args;
use crate::report::Report;
use serde_json::json;
use std::path::Path;
use tidegate_features::limits::VIEW_LEVELS;
use tidegate_features::set::{Input, Per, SETS};
use tidegate_features::{Comparison, Lane, Profile};

/// The lane of one side of the comparison, as the flags describe it.
fn lane(args: &Args, which: &str) -> Result<Lane, String> {
    let flag = |name: &str| format!("{which}-{name}");
    let set =
        args.text(&flag("set")).ok_or_else(|| format!("--{which}-set: want the name of a feature set"))?;
    let levels = args.get(&flag("levels"), VIEW_LEVELS)?;
    let stale_ms = args.get(&flag("stale-ms"), i64::MAX / 1_000_000)?;
    let stale_after_ns = stale_ms.saturating_mul(1_000_000);
    Lane::new(&Profile { set, hash: None, levels, stale_after_ns })
        .map_err(|fault| format!("--{which}-*: {fault}"))
}

/// Compares features of the same name, and the flags; `different` counts updates.
///
/// # Errors
/// A flag that is unknown, a set that does not exist, a recording that cannot be read.
pub fn shadow(args: &Args) -> Result<Report, String> {
    let path = args.text("recording").ok_or("--recording: want a recording")?;
    let (mut active, mut other) = (lane(args, "active")?, lane(args, "shadow")?);
    let every = args.get("every", 1_u64)?.max(1);
    args.done()?;
    let series = Series::open(Path::new(&path))?;
    let mut comparison = Comparison::new(active.set(), other.set());
    if comparison.common() == 0 {
        return Err("--shadow-set: has no feature of the active set; want two sets that share some".into());
    }
    let mut updates = 0_u64;
    for event in &series.events {
        match event {
            Event::Trade(print) => {
                active.on_trade(print);
                other.on_trade(print);
            }
            Event::Book(view) => {
                updates += 1;
                let (one, two) = (*active.on_view(view), *other.on_view(view));
                if updates.is_multiple_of(every) {
                    comparison.compare(&one, &two, view.ts.0);
                }
            }
        }
    }
    let first = comparison.first().map(|first| {
        json!({ "update": first.update * every, "tsNs": first.ts_ns.to_string(), "feature": first.feature, "active": first.active, "shadow": first.shadow })
    });
    let (different, compared) = (comparison.different(), comparison.compared());
    let mut report = Report::new();
    report.zero("updates_different", different, compared, 1_000.min(updates / every).max(1));
    report.figure("common_features", comparison.common());
    report.figure("first_difference", first.unwrap_or_default());
    let counts: serde_json::Map<String, serde_json::Value> =
        comparison.by_feature().map(|(name, count)| (name.to_string(), json!(count))).collect();
    report.figure("different_by_feature", counts);
    report.figure("active_hash", active.hash());
    report.figure("shadow_hash", other.hash());
    Ok(report)
}

/// `features sets`: the registry, for the command line and the documentation.
///
/// # Errors
/// A flag that is unknown.
pub fn sets(args: &Args) -> Result<Report, String> {
    args.done()?;
    let mut report = Report::new();
    report.check("sets", SETS.len(), ">=", 1, "");
    let all: Vec<_> = SETS
        .iter()
        .map(|set| {
            let features: Vec<_> = set
                .features
                .iter()
                .map(|spec| {
                    let per = match spec.per {
                        _ if spec.warm == 0 => "",
                        Per::Updates | Per::Trades | Per::Seconds | Per::Bars => spec.per.text(),
                    };
                    json!({ "name": spec.name, "definition": spec.definition, "warm": spec.warm, "per": per })
                })
                .collect();
            let on = if set.on == Input::Book { "book" } else { "bar" };
            json!({ "name": set.name, "hash": set.hash(), "on": on, "about": set.about, "features": features })
        })
        .collect();
    report.figure("sets", all);
    Ok(report)
}
