//! `verify books`: the production books against what the venues themselves say, set by set.

pub mod binance;
pub mod bitstamp;
pub mod cme;
pub mod feed;
pub mod hyperliquid;
pub mod itch;
pub mod lobster;
pub mod orders;
pub mod plain;
pub mod taifex;
pub mod tally;

use crate::args::Args;
use crate::report::Report;
use tally::Tally;

/// A fault planted on purpose; each must be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    None,
    /// Now and then one level of an update does not reach the book.
    SkipLevel,
    /// Now and then the end of an order does not reach the book.
    ForgetOrder,
}

/// Runs the proof.
///
/// # Errors
/// Data that is not there, a flag that is not known.
pub fn run(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let plant = match args.text("break").as_deref() {
        None => Plant::None,
        Some("skip-level") => Plant::SkipLevel,
        Some("forget-order") => Plant::ForgetOrder,
        Some(other) => return Err(format!("--break {other}: no such fault; there are skip-level")),
    };
    args.done()?;
    let mut report = Report::new();
    for of in binance::INSTRUMENTS {
        let tally = binance::verify(&data, of, plant, 0)?;
        known(&mut report, &tally, of.known);
    }
    for day in lobster::DAYS {
        lobster::verify(&data, day, plant, 0)?.report(&mut report, day.rows);
    }
    taifex::verify(&data, taifex::DAYS, plant, 0)?.report(&mut report, 900_000);
    cme::mbo(&data, plant)?.report(&mut report, cme::MBO_RECORDS);
    cme::mbp1(&data)?.report(&mut report, 4_000);
    bitstamp::verify(&data, plant, 0)?.report(&mut report, 40 * bitstamp::SNAPSHOTS);
    itch::verify(&data, plant)?.report(&mut report, 5_000);
    hyperliquid::verify(&data, plant)?.report(&mut report, hyperliquid::MESSAGES);
    Ok(report)
}

/// The set's check, and that the totals are the ones its own description states.
fn known(report: &mut Report, tally: &Tally, (checked, equal): (u64, u64)) {
    tally.report(report, checked);
    report.check(&format!("equal.{}", tally.set), tally.equal, "=", equal, "");
}
