//! `sim cluster` and `sim mutants`: the simulated cluster over many seeds, and with one planted bug after the other.

use crate::args::Args;
use crate::report::Report;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tidegate_simulation::{Counts, Fault, Options, Outcome, Simulator};

/// Threads that run seeds; each seed runs in one.
const THREADS: usize = 2;
const EVENTS_MIN: u64 = 20_000_000;
const INJECTIONS_MIN: u64 = 1_000;
const MINUTES_MAX: f64 = 10.0;
/// Failures that are told in full.
const TOLD_MAX: usize = 5;

/// What all seeds together came to.
#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    events: u64,
    events_both: u64,
    orders: u64,
    fills: u64,
    grants: u64,
    simulated_ns: u64,
    violations: u64,
    active: u64,
    passive: u64,
    stuck: u64,
    nondeterministic: u64,
    faults: Counts,
    told: Vec<Outcome>,
}

impl Sum {
    fn add(&mut self, first: Outcome, second: &Outcome) {
        self.seeds += 1;
        self.events += first.events;
        self.events_both += first.events + second.events;
        self.orders += first.orders;
        self.fills += first.fills;
        self.grants += first.grants;
        self.simulated_ns += first.simulated_ns;
        self.faults.merge(&first.faults);
        self.nondeterministic += u64::from(first.trace != second.trace || first.events != second.events);
        match first.violation.as_ref().map(|v| v.invariant) {
            Some("active_breach") => self.active += 1,
            Some("passive_breach") => self.passive += 1,
            Some(_) => self.violations += 1,
            None => self.stuck += u64::from(first.stuck.is_some()),
        }
        if !first.sound() {
            // A broken invariant is told before what has not settled.
            self.told.push(first);
            self.told.sort_by_key(|told| (told.violation.is_none(), told.seed));
            self.told.truncate(TOLD_MAX);
        }
    }
}

/// Runs `work` for each number of a range on both threads, in no particular order.
fn each(from: u64, count: u64, work: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        break;
                    }
                    work(from + at);
                }
            });
        }
    });
}

/// Runs the seeds. `--seeds N --from S`; `--break lying-disk` plants a disk whose syncs do nothing.
///
/// # Errors
/// A flag that cannot be read.
pub fn run(args: &Args) -> Result<Report, String> {
    let (seeds, from) = (args.get("seeds", 2_000_u64)?, args.get("from", 1_u64)?);
    let plant = args.text("break");
    args.done()?;
    if let Some(name) = plant.as_deref().filter(|name| *name != "lying-disk") {
        return Err(format!(
            "--break {name}: want lying-disk; planted bugs of the cores are in `hft sim mutants`"
        ));
    }
    let lying_disk = plant.is_some();
    let simulator = Simulator::new()?;
    let sum = Mutex::new(Sum::default());
    let began = Instant::now();
    each(from, seeds, |seed| {
        let run = |explain| simulator.run_with(Options { lying_disk, ..Options::of(seed) }, explain);
        let (first, second) = (run(false), run(false));
        // A violation is told with the last things that happened.
        let first = if first.sound() { first } else { run(true) };
        sum.lock().unwrap_or_else(PoisonError::into_inner).add(first, &second);
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = began.elapsed().as_secs_f64();
    for outcome in &sum.told {
        eprintln!("{outcome}");
        for line in &outcome.story {
            eprintln!("  {line}");
        }
    }
    Ok(report(&sum, seconds, from))
}

fn report(sum: &Sum, seconds: f64, from: u64) -> Report {
    let mut report = Report::new();
    report.seed(from);
    let minimum = 1_000;
    report.zero("violations", sum.violations, sum.seeds, minimum);
    report.zero("active_breaches", sum.active, sum.seeds, minimum);
    report.zero("passive_breaches_unlatched", sum.passive, sum.seeds, minimum);
    let missing = Fault::ALL.iter().filter(|fault| sum.faults.of(**fault) == 0).count();
    report.zero("fault_types_not_injected", missing as u64, Fault::ALL.len() as u64, 27);
    let fewest = Fault::ALL.iter().map(|fault| sum.faults.of(*fault)).min().unwrap_or(0);
    report.check("injections_min", fewest, ">=", INJECTIONS_MIN, "");
    report.check("events", sum.events, ">=", EVENTS_MIN, "");
    report.zero("nondeterministic_seeds", sum.nondeterministic, sum.seeds, minimum);
    report.zero("stuck_seeds", sum.stuck, sum.seeds, minimum);
    report.check("minutes", seconds / 60.0, "<=", MINUTES_MAX, "min");
    let faults: Map<String, Value> =
        Fault::ALL.iter().map(|fault| (fault.name().to_string(), json!(sum.faults.of(*fault)))).collect();
    report.figure("faults", faults);
    report.figure("seeds_per_s", sum.seeds as f64 / seconds);
    report.figure("events_per_s_both_runs", sum.events_both as f64 / seconds);
    report.figure("orders_at_the_venue", sum.orders);
    report.figure("fills", sum.fills);
    report.figure("leaders", sum.grants);
    report.figure("simulated_hours", sum.simulated_ns as f64 / 3.6e12);
    report.figure("failures", sum.told.iter().map(ToString::to_string).collect::<Vec<_>>());
    report
}

#[cfg(feature = "mutants")]
pub use mutants::run as run_mutants;

#[cfg(feature = "mutants")]
mod mutants {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use tidegate_mutants::{Bug, plant};

    const MUTANTS_MIN: u64 = 30;
    const SEEDS_MAX: u64 = 1_000;
    const NAMED: [&str; 6] = ["d1", "d2", "d3", "d4", "d7", "d8"];

    struct Killed {
        bug: Bug,
        seed: u64,
        by: String,
    }

    fn verdict(simulator: &Simulator, seed: u64, bug: Option<Bug>) -> Option<String> {
        plant(bug);
        let ran = catch_unwind(AssertUnwindSafe(|| simulator.run(seed, false)));
        plant(None);
        match ran {
            Ok(outcome) if outcome.sound() => None,
            Ok(outcome) => Some(
                outcome
                    .violation
                    .map_or_else(|| "I11".to_string(), |v| format!("{}: {}", v.invariant, v.text)),
            ),
            Err(_) => Some("a panic".into()),
        }
    }

    fn hunt(simulator: &Simulator, bug: Bug, from: u64, seeds: u64) -> Option<Killed> {
        (from..from + seeds).find_map(|seed| {
            let by = verdict(simulator, seed, Some(bug))?;
            // A kill counts only on a seed that the sound program passes.
            verdict(simulator, seed, None).is_none().then_some(Killed { bug, seed, by })
        })
    }

    /// Hunts every planted bug. `--seeds N` for each at most, `--from S`, `--only NAME`.
    ///
    /// # Errors
    /// A flag that cannot be read, a bug that does not exist.
    pub fn run(args: &Args) -> Result<Report, String> {
        let (seeds, from) = (args.get("seeds", SEEDS_MAX)?, args.get("from", 1_u64)?);
        let only = args.text("only");
        args.done()?;
        let bugs: Vec<Bug> = match only {
            None => Bug::ALL.to_vec(),
            Some(name) => {
                vec![Bug::named(&name).ok_or(format!("--only {name}: no planted bug has this name"))?]
            }
        };
        let simulator = Simulator::new()?;
        let found: Mutex<Vec<Killed>> = Mutex::new(Vec::new());
        let began = Instant::now();
        each(0, bugs.len() as u64, |at| {
            if let Some(killed) = hunt(&simulator, bugs[at as usize], from, seeds) {
                found.lock().unwrap_or_else(PoisonError::into_inner).push(killed);
            }
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|killed| killed.bug);
        let alive: Vec<&str> =
            bugs.iter().filter(|bug| found.iter().all(|k| k.bug != **bug)).map(|bug| bug.name()).collect();
        let of_named = |name: &str| bugs.iter().filter(|bug| bug.name().starts_with(name)).count();
        let named_alive = alive.iter().filter(|name| NAMED.iter().any(|d| name.starts_with(d))).count();
        let mut report = Report::new();
        report.seed(from);
        report.check("mutants", bugs.len() as u64, ">=", MUTANTS_MIN, "");
        let percent = 100.0 * found.len() as f64 / bugs.len().max(1) as f64;
        report.check("killed_percent", percent, ">=", 95.0, "%");
        report.zero(
            "named_defects_alive",
            named_alive as u64,
            NAMED.iter().map(|d| of_named(d) as u64).sum(),
            6,
        );
        let killers: Map<String, Value> = found
            .iter()
            .map(|k| (k.bug.name().to_string(), json!({ "seed": k.seed, "by": k.by, "bug": k.bug.text() })))
            .collect();
        report.figure("killed_by", killers);
        report.figure("alive", alive);
        report.figure("minutes", began.elapsed().as_secs_f64() / 60.0);
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(flags: &str) -> String {
        let words: Vec<String> = flags.split_whitespace().map(String::from).collect();
        Args::parse(&words).and_then(|args| run(&args)).map_or_else(|fault| fault, |report| report.line())
    }

    #[test]
    fn a_few_seeds_are_sound_and_each_gives_the_same_trace_twice() {
        let line = outcome("--seeds 6 --from 900");
        for name in [
            "violations",
            "active_breaches",
            "passive_breaches_unlatched",
            "nondeterministic_seeds",
            "stuck_seeds",
        ] {
            assert!(
                line.contains(&format!(r#""name":"{name}","op":"=","unit":"","value":0"#)),
                "{name}: {line}"
            );
        }
        assert!(line.contains(r#""name":"violations_of","op":">=","unit":"","value":6"#), "{line}");
    }

    #[test]
    fn a_disk_that_lies_is_noticed_and_an_unknown_plant_is_refused() {
        let line = outcome("--seeds 4 --from 900 --break lying-disk");
        assert!(!line.contains(r#""name":"violations","op":"=","unit":"","value":0"#), "{line}");
        assert!(line.contains("I4"), "{line}");
        assert!(outcome("--break x").contains("want lying-disk"));
    }

    #[test]
    fn a_failure_is_counted_under_its_name() {
        let simulator = Simulator::new().unwrap();
        let sound = simulator.run(900, false);
        let mut sum = Sum::default();
        for (invariant, trace) in [("I1", 1), ("active_breach", 1), ("passive_breach", 1), ("I7", 2)] {
            let violation = tidegate_simulation::Violation { invariant, at_ns: 1, text: "planted".into() };
            let first = Outcome { violation: Some(violation), trace, ..sound.clone() };
            let second = Outcome { trace: 1, ..sound.clone() };
            sum.add(first, &second);
        }
        sum.add(Outcome { stuck: Some("planted".into()), ..sound.clone() }, &sound);
        sum.add(Outcome { stuck: Some("planted".into()), seed: 1, ..sound.clone() }, &sound);
        assert_eq!(
            (sum.violations, sum.active, sum.passive, sum.stuck, sum.nondeterministic, sum.told.len()),
            (2, 1, 1, 2, 1, 5)
        );
        let told: Vec<(u64, bool)> = sum.told.iter().map(|o| (o.seed, o.violation.is_some())).collect();
        assert_eq!(told, [(900, true), (900, true), (900, true), (900, true), (1, false)]);
    }
}
