//! `drill wal-crash`: the WAL on a disk that fails at every operation, with every bit flipped and every block misplaced.

use crate::args::Args;
use crate::report::Report;
use std::time::Instant;
use tidegate_wal::Compression;
use tidegate_wal::torture::{Crashes, Plant, Script, Specimen, Sweep, crash_loop};

/// Fewest crash points, and fewest of each kind of mishap.
const POINTS_MIN: u64 = 2_000;
/// Fewest damaged copies a reader was given.
const DAMAGED_MIN: u64 = 10_000;
const KINDS: [&str; 6] = ["KillBefore", "KillMid", "KillAfter", "Eio", "Enospc", "ShortWrite"];

fn plant(args: &Args) -> Result<Option<Plant>, String> {
    match args.text("break").as_deref() {
        None => Ok(None),
        Some("sync-lies") => Ok(Some(Plant::SyncLies)),
        Some("altered-block") => Ok(Some(Plant::AlteredBlock)),
        Some(name) => Err(format!("--break {name}: want sync-lies or altered-block")),
    }
}

/// Runs the drill. `--seeds N` scripts, `--step N` between flipped bits; `--break sync-lies|altered-block` plants a fault.
///
/// # Errors
/// A flag that cannot be read, a WAL that cannot be written.
pub fn run(args: &Args) -> Result<Report, String> {
    let plant = plant(args)?;
    let seeds: u64 = args.get("seeds", 3)?;
    let step: usize = args.get("step", 1)?;
    if step == 0 {
        return Err("--step 0: want at least 1".into());
    }
    args.done()?;
    let began = Instant::now();
    let mut crashes = Crashes::default();
    for seed in 1..=seeds {
        for power_safe in [false, true] {
            for compression in [Compression::None, Compression::Lz4] {
                crashes.add(crash_loop(&Script::seeded(seed, power_safe, compression), plant));
            }
        }
    }
    let crash_seconds = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let mut all = Sweep::default();
    for compression in [Compression::None, Compression::Lz4] {
        let sweep = Specimen::new(compression)?.sweep(step, plant);
        all.cases += sweep.cases;
        all.named += sweep.named;
        all.refused += sweep.refused;
        all.cut += sweep.cut;
        all.accepted.extend(sweep.accepted);
    }
    let of = |kind: &str| crashes.by_mishap.get(kind).copied().unwrap_or(0);
    let least = KINDS.iter().map(|kind| of(kind)).min().unwrap_or(0);
    let mut report = Report::new();
    report.check("crash_points", crashes.points, ">=", POINTS_MIN, "");
    report.check("points_of_the_rarest_mishap", least, ">=", POINTS_MIN / 20, "");
    report.check("torn_blocks", crashes.torn, ">=", POINTS_MIN / 20, "");
    report.zero("acknowledged_lost", crashes.lost.len() as u64, crashes.restarts, POINTS_MIN);
    let wrong = (crashes.wrong.len() + all.accepted.len()) as u64;
    report.zero("wrong_blocks_accepted", wrong, crashes.points + all.cases, POINTS_MIN + DAMAGED_MIN);
    report.zero("restarts_broken", crashes.broken.len() as u64, crashes.restarts, POINTS_MIN);
    for kind in KINDS {
        report.figure(&format!("points.{kind}"), of(kind));
    }
    report.figure("damaged_copies", all.cases);
    report.figure("damage_named_by_verify", all.named);
    report.figure("damage_refused_by_the_writer", all.refused);
    report.figure("damage_cut_and_told", all.cut);
    let lists = [&crashes.lost, &crashes.wrong, &crashes.broken, &all.accepted];
    let first = lists.iter().find_map(|list| list.first()).cloned().unwrap_or_default();
    report.figure("first_failure", first);
    report.figure("crash_seconds", crash_seconds);
    report.figure("sweep_seconds", began.elapsed().as_secs_f64());
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(flags: &str, name: &str) -> u64 {
        let words: Vec<String> = flags.split_whitespace().map(String::from).collect();
        let line = Args::parse(&words).and_then(|args| run(&args)).map(|report| report.line());
        let read: serde_json::Value = serde_json::from_str(&line.unwrap_or_default()).unwrap_or_default();
        let checks = read["checks"].as_array().cloned().unwrap_or_default();
        checks.iter().find(|c| c["name"] == name).and_then(|c| c["value"].as_u64()).unwrap_or(u64::MAX)
    }

    #[test]
    fn a31_planted_faults_are_noticed_and_a_sound_wal_passes() {
        let flags = "--seeds 1 --step 97";
        for name in ["acknowledged_lost", "wrong_blocks_accepted", "restarts_broken"] {
            assert_eq!(value(flags, name), 0, "{name}");
        }
        assert!(value("--seeds 1 --step 97 --break sync-lies", "acknowledged_lost") > 0);
        assert!(value("--seeds 1 --step 97 --break altered-block", "wrong_blocks_accepted") > 0);
        assert_eq!(value("--break x", "acknowledged_lost"), u64::MAX, "refused");
    }
}
