//! `features shadow`: two sets or profiles over one recording, and the first place where they differ.

use super::data::{Event, Series};
use crate::args::Args;
use crate::report::Report;
use serde_json::json;
use std::path::Path;
use tidegate_features::limits::VIEW_LEVELS;
use tidegate_features::set::{Input, Per, SETS};
use tidegate_features::view::Half;
use tidegate_features::{Kernel, View, flags};

/// A set and how it is shown the book.
struct Profile {
    kernel: Kernel,
    levels: usize,
    stale_ns: i64,
    last: Option<i64>,
}

impl Profile {
    fn read(args: &Args, which: &str) -> Result<Self, String> {
        let flag = |name: &str| format!("{which}-{name}");
        let set = args
            .text(&flag("set"))
            .ok_or_else(|| format!("--{which}-set: want the name of a feature set"))?;
        let levels = args.get(&flag("levels"), VIEW_LEVELS)?;
        if !(1..=VIEW_LEVELS).contains(&levels) {
            return Err(format!("--{which}-levels {levels}: want 1 to {VIEW_LEVELS}"));
        }
        let stale_ms = args.get(&flag("stale-ms"), i64::MAX / 1_000_000)?;
        if stale_ms < 1 {
            return Err(format!("--{which}-stale-ms {stale_ms}: want at least 1"));
        }
        let kernel = Kernel::new(&set).map_err(|fault| format!("--{which}-set: {fault}"))?;
        Ok(Self { kernel, levels, stale_ns: stale_ms.saturating_mul(1_000_000), last: None })
    }

    fn on_view(&mut self, view: &View) -> &tidegate_features::Row {
        let cut = |half: &Half| {
            let mut out = Half::default();
            half.levels().iter().take(self.levels).for_each(|level| out.push(*level));
            out
        };
        let stale = self.last.is_some_and(|last| view.ts.0 - last > self.stale_ns);
        self.last = Some(view.ts.0);
        let quality = view.quality | if stale { flags::STALE_INPUT } else { 0 };
        self.kernel.on_view(&View { bids: cut(&view.bids), asks: cut(&view.asks), quality, ..*view })
    }
}

/// Compares features of the same name, and the flags; `different` counts updates.
///
/// # Errors
/// A flag that is unknown, a set that does not exist, a recording that cannot be read.
pub fn shadow(args: &Args) -> Result<Report, String> {
    let path = args.text("recording").ok_or("--recording: want a recording")?;
    let (mut active, mut other) = (Profile::read(args, "active")?, Profile::read(args, "shadow")?);
    let every = args.get("every", 1_u64)?.max(1);
    args.done()?;
    let series = Series::open(Path::new(&path))?;
    let names =
        |profile: &Profile| profile.kernel.set().features.iter().map(|spec| spec.name).collect::<Vec<_>>();
    let (left, right) = (names(&active), names(&other));
    let common: Vec<(usize, usize)> = left
        .iter()
        .enumerate()
        .filter_map(|(n, name)| right.iter().position(|other| other == name).map(|m| (n, m)))
        .collect();
    if common.is_empty() {
        return Err("--shadow-set: has no feature of the active set; want two sets that share some".into());
    }
    let (mut updates, mut compared, mut different) = (0_u64, 0_u64, 0_u64);
    let mut per_feature = vec![0_u64; common.len()];
    let mut first = None;
    for event in &series.events {
        match event {
            Event::Trade(print) => {
                active.kernel.on_trade(print);
                other.kernel.on_trade(print);
            }
            Event::Book(view) => {
                updates += 1;
                let (one, two) = (*active.on_view(view), *other.on_view(view));
                if !updates.is_multiple_of(every) {
                    continue;
                }
                compared += 1;
                let mut equal = true;
                for (count, (n, m)) in per_feature.iter_mut().zip(&common) {
                    let (a, b) = (one.values().get(*n), two.values().get(*m));
                    if a != b {
                        equal = false;
                        *count += 1;
                        first.get_or_insert_with(|| {
                            json!({ "update": updates, "tsNs": view.ts.0.to_string(), "feature": left.get(*n), "active": a, "shadow": b })
                        });
                    }
                }
                let hard = flags::STALE_INPUT | flags::PARTIAL | flags::OUT_OF_ORDER;
                if (one.flags ^ two.flags) & hard != 0 {
                    equal = false;
                    first.get_or_insert_with(|| {
                        json!({ "update": updates, "tsNs": view.ts.0.to_string(), "feature": "flags", "active": one.flags, "shadow": two.flags })
                    });
                }
                different += u64::from(!equal);
            }
        }
    }
    let mut report = Report::new();
    report.zero("updates_different", different, compared, 1_000.min(updates / every).max(1));
    report.figure("common_features", common.len());
    report.figure("first_difference", first.unwrap_or_default());
    let counts: serde_json::Map<String, serde_json::Value> = common
        .iter()
        .zip(&per_feature)
        .filter(|(_, count)| **count > 0)
        .filter_map(|((n, _), count)| left.get(*n).map(|name| ((*name).to_string(), json!(count))))
        .collect();
    report.figure("different_by_feature", counts);
    report.figure("active_hash", active.kernel.set().hash());
    report.figure("shadow_hash", other.kernel.set().hash());
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
