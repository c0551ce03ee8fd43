//! `verify books --mutate`: recorded streams with messages lost, doubled, exchanged or cut. A book that claims to be VALID is
//! the unmutated book of the same update id, and every book that was lost is VALID again within the recording.

mod binance;
mod outcome;
mod schedule;
mod stream;

use super::captures::{KRAKEN, OKCOIN};
use super::feed::Instrument;
use super::rng::{Rng, mix};
use crate::report::Report;
use outcome::{Outcome, percentile};
use schedule::Kind;
use serde_json::json;
use std::path::Path;

/// A fault planted in the way the books are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Holes in the venue's numbers are overlooked.
    IgnoreGap,
    /// Checksums are not looked at.
    AcceptBadChecksum,
    /// No snapshot is ever fetched.
    NeverRepair,
}

/// How the streams are mutated.
#[derive(Debug, Clone)]
pub struct Settings {
    pub kinds: Vec<Kind>,
    /// Of a million messages.
    pub rate: u64,
    pub seeds: u64,
    pub seed: u64,
    pub fault: Option<Fault>,
    /// Diffs of one instrument of Binance at most (tests).
    pub messages_max: usize,
}

/// A repair snapshot is this late, in recorded time.
const LATE_NS: (u64, u64) = (50_000_000, 500_000_000);

impl Settings {
    /// The seed of one replay of one set.
    fn seed(&self, set: &str, number: u64) -> u64 {
        set.bytes().fold(mix(self.seed).wrapping_add(number), |seed, byte| mix(seed ^ u64::from(byte)))
    }

    fn delay(&self, rng: &mut Rng) -> i64 {
        (LATE_NS.0 + rng.below(LATE_NS.1 - LATE_NS.0 + 1)) as i64
    }

    /// Reads the flags' texts.
    ///
    /// # Errors
    /// A kind or fault that there is not, a rate outside of 0..=1.
    pub fn read(kinds: &str, rate: &str, seeds: u64, seed: u64, fault: Option<&str>) -> Result<Self, String> {
        let rate: f64 = rate.parse().map_err(|_| format!("--rate {rate}: want a number such as 0.01"))?;
        if !(0.0..=1.0).contains(&rate) {
            return Err(format!("--rate {rate}: want 0 to 1"));
        }
        let fault = match fault {
            None => None,
            Some("ignore-gap") => Some(Fault::IgnoreGap),
            Some("accept-bad-checksum") => Some(Fault::AcceptBadChecksum),
            Some("never-repair") => Some(Fault::NeverRepair),
            Some(other) => {
                return Err(format!(
                    "--break {other}: there are ignore-gap, accept-bad-checksum, never-repair"
                ));
            }
        };
        let kinds = Kind::list(kinds)?;
        Ok(Self { kinds, rate: (rate * 1e6) as u64, seeds, seed, fault, messages_max: usize::MAX })
    }
}

/// Runs all sets; `mutations_min` is what the number of mutations must exceed.
///
/// # Errors
/// The data cannot be read.
pub fn run(
    data: &Path,
    instruments: &[Instrument],
    settings: &Settings,
    mutations_min: u64,
) -> Result<Report, String> {
    let mut all = Vec::new();
    for of in instruments {
        all.push((of.set, binance::run(data, of, settings)?));
    }
    all.push(("kraken", stream::Session::summed(data, &KRAKEN)?.run(settings)));
    all.push(("okcoin", stream::Session::summed(data, &OKCOIN)?.run(settings)));
    all.push(("bitfinex", stream::Session::bitfinex(data)?.run(settings)));
    Ok(report(settings, &mut all, mutations_min))
}

fn report(settings: &Settings, all: &mut [(&str, Outcome)], mutations_min: u64) -> Report {
    let mut report = Report::new();
    report.seed(settings.seed);
    let sum = |of: fn(&Outcome) -> u64| all.iter().map(|each| of(&each.1)).sum::<u64>();
    report.zero(
        "valid_and_wrong",
        sum(|each| each.valid_and_wrong),
        sum(|each| each.compared),
        mutations_min,
    );
    let lost = sum(|each| each.invalidations);
    report.zero("not_repaired", sum(|each| each.not_repaired), lost, mutations_min / 10);
    report.zero(
        "cut_accepted",
        sum(|each| each.cut_accepted),
        sum(|each| each.made[Kind::Truncate as usize]),
        0,
    );
    report.check("mutations", sum(Outcome::mutations), ">", mutations_min, "");
    let mut repairs: Vec<i64> = all.iter().flat_map(|each| each.1.repairs.iter().copied()).collect();
    repairs.sort_unstable();
    let ms = |ns: i64| ns / 1_000_000;
    report.figure("repair_ms.p50", ms(percentile(&repairs, 50)));
    report.figure("repair_ms.p99", ms(percentile(&repairs, 99)));
    report.figure("repair_ms.max", ms(percentile(&repairs, 100)));
    for (set, outcome) in all {
        outcome.repairs.sort_unstable();
        let made: serde_json::Map<String, serde_json::Value> = Kind::ALL
            .iter()
            .zip(outcome.made)
            .map(|(kind, count)| (kind.name().into(), json!(count)))
            .collect();
        report.figure(set, json!({
            "mutations": made,
            "messages": outcome.messages,
            "compared": outcome.compared,
            "compared_whole": outcome.compared_whole,
            "valid_and_wrong": outcome.valid_and_wrong,
            "invalidations": outcome.invalidations,
            "not_repaired": outcome.not_repaired,
            "snapshots_refused": outcome.snapshots_refused,
            "repair_ms": [ms(percentile(&outcome.repairs, 50)), ms(percentile(&outcome.repairs, 99)), ms(percentile(&outcome.repairs, 100))],
            "first_wrong": outcome.first_wrong,
        }));
    }
    report
}
