//! `bench gateway`: the real core and the real journal, beside nine bare checks and beside the disk alone.

mod decision;
mod durable;
mod floor;
mod places;
mod world;

use crate::args::Args;
use crate::report::Report;
use std::path::{Path, PathBuf};
use world::Size;

/// Fewest rounds for medians that mean something, and fewest commits of a closed loop's round.
const ROUNDS_MIN: usize = 11;
const COMMITS_MIN: usize = 2_000;
/// Turns of 512 decisions in one round beside the nine checks.
const TURNS: usize = 6;
const SEED: u64 = 20_260_901;

/// 1,000 instruments, 100 strategies of 40 instruments each, 10,000 open orders.
const FULL: Size =
    Size { instruments: 1_000, strategies: 100, each: 40, open_orders: 10_000, remembered: 1_000_000 };
const TINY: Size = Size { instruments: 20, strategies: 4, each: 6, open_orders: 200, remembered: 1_500 };

/// Runs the bench. `--rounds N`, `--commits N` of a round of the closed loop, `--remembered N` ids, `--dir` on the disk to
/// measure, `--part decision|journal` for one half of it, `--cpus any` where the system is to choose them, `--size tiny` as the tests run it.
///
/// # Errors
/// A flag that cannot be read, a disk that cannot be written, a core that refuses its own record.
pub fn run(args: &Args) -> Result<Report, String> {
    let rounds: usize = args.get("rounds", 13)?;
    let commits: usize = args.get("commits", COMMITS_MIN)?;
    let seed: u64 = args.get("seed", SEED)?;
    let dir = PathBuf::from(args.text("dir").ok_or("--dir: want a folder on the disk to measure")?);
    let tiny = match args.text("size").as_deref() {
        None | Some("full") => false,
        Some("tiny") => true,
        Some(name) => return Err(format!("--size {name}: want full or tiny")),
    };
    let (decision, journal) = match args.text("part").as_deref() {
        None => (true, true),
        Some("decision") => (true, false),
        Some("journal") => (false, true),
        Some(name) => return Err(format!("--part {name}: want decision or journal")),
    };
    let size = if tiny { TINY } else { FULL };
    let remembered = args.get("remembered", size.remembered)?;
    let places = match args.text("cpus").as_deref() {
        None | Some("kept") => places::Places::here()?,
        Some("any") => None,
        Some(name) => return Err(format!("--cpus {name}: want kept or any")),
    };
    args.done()?;
    if rounds == 0 || commits == 0 {
        return Err("--rounds and --commits: want at least 1 of each".into());
    }
    let mut report = Report::new();
    report.seed(seed);
    report.check("rounds", rounds, ">=", ROUNDS_MIN, "");
    report.check("commits_a_round", commits, ">=", COMMITS_MIN, "");
    if decision {
        let turns = if tiny { 1 } else { TURNS };
        decision::run(&mut report, Size { remembered, ..size }, rounds, turns, seed)?;
    }
    if journal {
        let work = dir.join(format!("bench-gateway-{}", std::process::id()));
        std::fs::create_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
        let done = durable(&mut report, &work, size, (rounds, commits), seed, (tiny, places));
        std::fs::remove_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
        done?;
    }
    Ok(report)
}

fn durable(
    report: &mut Report,
    work: &Path,
    size: Size,
    (rounds, commits): (usize, usize),
    seed: u64,
    (tiny, places): (bool, Option<places::Places>),
) -> Result<(), String> {
    let scale = durable::Scale {
        // The journal holds every record since its beginning, and is read back whole.
        size: Size { remembered: size.remembered.min(20_000), ..size },
        seed,
        rounds,
        commits,
        tiny,
        segment_bytes: if tiny { 1 << 20 } else { tidegate_journal::SEGMENT_BYTES_LIVE },
        places,
    };
    durable::run(report, work, &scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a50_a_tiny_run_of_the_gateway_bench_checks_its_results_and_leaves_nothing_behind() {
        let dir = std::env::temp_dir().join(format!("tidegate-bench-gateway-test-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap_or_default();
        let words =
            ["--rounds", "1", "--commits", "20", "--size", "tiny", "--dir", &dir.display().to_string()];
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let line = Args::parse(&words).and_then(|args| run(&args)).map_or_else(|e| e, |report| report.line());
        let read: Value = serde_json::from_str(&line).unwrap_or_default();
        let value = |name: &str| {
            let checks = read["checks"].as_array().into_iter().flatten();
            checks.clone().find(|check| check["name"] == name).map(|check| check["value"].clone())
        };
        for name in [
            "decision_vs_inline_floor",
            "t2_rate_vs_floor",
            "t2_added_p50_vs_fdatasync",
            "t2_added_p99_vs_fdatasync",
        ] {
            assert!(value(name).is_some_and(|v| v.as_f64().is_some_and(|v| v > 0.0)), "{name}: {line}");
        }
        for name in ["decisions_unexpected", "replayed_states_that_differ", "journalled_decisions_unexpected"]
        {
            assert_eq!(value(name), Some(0.into()), "{name}: {line}");
            assert!(
                value(&format!("{name}_of")).is_some_and(|v| v.as_u64() >= Some(1_000)),
                "{name}: {line}"
            );
        }
        let open = &read["figures"]["open_loop"];
        assert!(open["T0"][0]["p999_us"].is_number() && open["T2"][0]["max_us"].is_number(), "{line}");
        assert_eq!(std::fs::read_dir(&dir).map(Iterator::count).unwrap_or(9), 0);
        assert!(std::fs::remove_dir(&dir).is_ok());
    }
}
