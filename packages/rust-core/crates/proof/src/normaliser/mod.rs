//! `verify normaliser`: every recorded message either gives exactly the records that an independent source says, or is
//! known by name to give none, or a written rule explains the difference.

mod captures;
mod cases;
mod compare;
mod literal;
mod plant;
mod readers;
mod render;
mod rng;
mod source;
mod tally;

use crate::args::Args;
use crate::report::Report;
use plant::Planted;

/// Runs the proof. Flags: `--data`, `--break`, `--seed`, `--mutations`.
///
/// # Errors
/// Data that is not there or cannot be read, a flag that is unknown.
pub fn run(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let mut plant = Planted::named(args.text("break").as_deref())?;
    args.done()?;
    let mut report = Report::new();
    let cases = cases::read(&data)?;
    cases::check(&cases, &mut plant)?.report("normaliser-cases", 434, &mut report);
    captures::check(&data, &mut plant)?.report("ws-captures", 25_000, &mut report);
    Ok(report)
}
