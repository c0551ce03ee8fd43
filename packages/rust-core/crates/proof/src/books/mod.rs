//! `verify books`: the production books against what the venues themselves say, set by set.

pub mod binance;
pub mod bitstamp;
pub mod captures;
pub mod cme;
pub mod feed;
pub mod hyperliquid;
pub mod itch;
pub mod lobster;
pub mod mutate;
pub mod orders;
pub mod plain;
pub mod rng;
pub mod taifex;
pub mod tally;
#[cfg(test)]
mod tests;

use crate::args::Args;
use crate::report::Report;
use tally::Tally;
use tidegate_normalise::Market;

/// A fault planted on purpose; each must be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    None,
    /// Now and then one level of an update does not reach the book.
    SkipLevel,
    /// Now and then the end of an order does not reach the book.
    ForgetOrder,
    /// The checksum is computed wrongly.
    BadChecksum,
    /// One message is lost before the book.
    SkipMessage,
}

/// The rules of explanation, as `docs/reference/book-rules.md` states them.
pub const RULES: &[&str] = &[
    "BINANCE_TICKER_CONFLATED",
    "BITSTAMP_OLDER_ORDER",
    "BITSTAMP_OLDER_ORDER_ENDS",
    "BITSTAMP_SKEW",
    "BITSTAMP_LOST_DELETE",
];

impl Plant {
    /// Reads the flag's text.
    ///
    /// # Errors
    /// A fault that there is not.
    pub fn read(text: Option<&str>) -> Result<Self, String> {
        Ok(match text {
            None => Self::None,
            Some("skip-level") => Self::SkipLevel,
            Some("forget-order") => Self::ForgetOrder,
            Some("bad-checksum") => Self::BadChecksum,
            Some("skip-message") => Self::SkipMessage,
            Some(other) => {
                return Err(format!(
                    "--break {other}: there are skip-level, forget-order, bad-checksum, skip-message"
                ));
            }
        })
    }
}

/// Runs the proof.
///
/// # Errors
/// Data that is not there, a flag that is not known.
pub fn run(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let broken = args.text("break");
    if let Some(kinds) = args.text("mutate") {
        let rate = args.text("rate").unwrap_or_else(|| "0.01".into());
        let (seeds, seed) = (args.get("seeds", 50)?, args.get("seed", 1)?);
        let settings = mutate::Settings::read(&kinds, &rate, seeds, seed, broken.as_deref())?;
        args.done()?;
        return mutate::run(&data, binance::INSTRUMENTS, &settings, 10_000);
    }
    let plant = Plant::read(broken.as_deref())?;
    args.done()?;
    let mut report = Report::new();
    let mut events = 0;
    for of in binance::INSTRUMENTS {
        let tally = binance::verify(&data, of, plant, 0)?;
        events += tally.count("level_updates");
        known(&mut report, &tally, of.known);
    }
    for day in lobster::DAYS {
        lobster::verify(&data, day, plant, 0)?.report(&mut report, day.rows);
    }
    let tally = taifex::verify(&data, taifex::DAYS, plant, 0)?;
    events += tally.count("events");
    tally.report(&mut report, 900_000);
    let tally = cme::mbo(&data, plant)?;
    events += tally.count("records");
    tally.report(&mut report, cme::MBO_RECORDS);
    cme::mbp1(&data)?.report(&mut report, 4_000);
    bitstamp::verify(&data, plant, 0)?.report(&mut report, 40 * bitstamp::SNAPSHOTS);
    itch::verify(&data, plant)?.report(&mut report, 5_000);
    hyperliquid::verify(&data, plant)?.report(&mut report, hyperliquid::MESSAGES);
    for of in [captures::KRAKEN, captures::OKCOIN] {
        known(&mut report, &captures::summed(&data, &of, plant)?, (of.known, of.known));
    }
    captures::bitfinex(&data, plant)?.report(&mut report, 1_670);
    captures::coinbase(&data, plant)?.report(&mut report, 9_719);
    captures::binance(&data, Market::Spot)?.report(&mut report, 159);
    captures::binance(&data, Market::UsdM)?.report(&mut report, 731);
    report.figure("events_against_a_second_book", events);
    Ok(report)
}

/// The set's check, and that the totals are the ones its own description states.
fn known(report: &mut Report, tally: &Tally, (checked, equal): (u64, u64)) {
    tally.report(report, checked);
    report.check(&format!("equal.{}", tally.set), tally.equal, "=", equal, "");
}
