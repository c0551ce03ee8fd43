//! Our backtester beside hftbacktest: `verify` holds every execution of both against each other, `bench` takes the time of both.
//! The report is the last line of the output.
#![forbid(unsafe_code)]

mod bench;
mod ours;
mod peer;
mod verify;

use ours::Strategy;
use std::process::ExitCode;
use tidegate_backtest::sample::{Desk, Did, Grid, Imbalance, grid, imbalance, storm};
use tidegate_proof::args::Args;

/// Nanoseconds between the steps of the storm; no multiple of what the data is stamped in.
const STORM_STEP_NS: i64 = 37_003_001;

/// The strategies both engines run.
#[derive(Debug, Clone, Copy)]
enum Example {
    /// By half spread.
    Grid(f64),
    Imbalance,
    /// By seed.
    Storm(u64),
}

impl Strategy for Example {
    fn run<D: Desk>(&self, desk: &mut D) -> Result<Did, String> {
        match self {
            Self::Grid(half) => grid(desk, &Grid::example(*half)),
            Self::Imbalance => imbalance(desk, &Imbalance::example()),
            Self::Storm(seed) => storm(desk, *seed, STORM_STEP_NS),
        }
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.split_first() {
        Some((subject, flags)) => Args::parse(flags).and_then(|args| match subject.as_str() {
            "verify" => verify::run(&args),
            "bench" => bench::run(&args),
            other => Err(format!("{other}: want verify or bench")),
        }),
        None => Err("want verify or bench".into()),
    };
    tidegate_proof::tell(outcome)
}
