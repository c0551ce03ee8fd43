//! `verify accounting`: positions, cash and profit as the gateway keeps them, against recorded books, published vectors, an
//! exchange's own balances, and a plain model in whole numbers of any size.

mod balances;
mod books;
mod model;
mod vectors;

#[cfg(test)]
mod tests;

use crate::args::Args;
use crate::report::{CASES_MIN, Report};
use std::path::Path;

/// The faults that can be planted.
pub const BREAKS: [&str; 6] =
    ["short-sign", "lost-fee", "inverse-linear", "funding-sign", "stale-rate", "drop-settlement"];

/// The proof over the reference data.
///
/// # Errors
/// A flag that is unknown, data that is not there or cannot be read.
pub fn run(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let plant = args.text("break");
    let seed = args.get("seed", 1_u64)?;
    args.done()?;
    if let Some(name) = plant.as_deref()
        && !BREAKS.contains(&name)
    {
        return Err(format!("--break {name}: want one of {}", BREAKS.join(", ")));
    }
    measure(&data, plant.as_deref().unwrap_or(""), seed)
}

fn measure(folder: &Path, plant: &str, seed: u64) -> Result<Report, String> {
    let mut report = Report::new();
    report.seed(seed);
    let mut law = Found::default();
    let mut equal = Found::default();
    for (name, run) in [
        ("portfolio", books::compare(folder, plant)?),
        ("vectors", vectors::compare(plant)),
        ("balances", balances::compare(folder)?),
        ("model", model::compare(plant, seed)),
    ] {
        report.figure(&format!("{name}.records"), run.law.of);
        report.figure(&format!("{name}.compared"), run.equal.of);
        report.figure(&format!("{name}.explained"), run.explained);
        law.join(run.law);
        equal.join(run.equal);
    }
    report.zero("pnl_minus_cash", law.unequal, law.of, CASES_MIN);
    report.zero("unequal", equal.unequal, equal.of, CASES_MIN);
    for (name, found) in [("first_pnl_minus_cash", law.first), ("first_unequal", equal.first)] {
        if let Some(first) = found {
            report.figure(name, first);
        }
    }
    Ok(report)
}

/// What one part found: the law at each record, and what was compared with another's answer.
#[derive(Debug, Default)]
struct Part {
    law: Found,
    equal: Found,
    /// Differences that are known and why: the other's rounding.
    explained: u64,
}

/// Cases compared, how many differ, and the first that does.
#[derive(Debug, Default)]
struct Found {
    of: u64,
    unequal: u64,
    first: Option<String>,
}

impl Found {
    fn note(&mut self, equal: bool, say: impl FnOnce() -> String) {
        self.of += 1;
        if !equal {
            self.unequal += 1;
            self.first.get_or_insert_with(say);
        }
    }

    fn join(&mut self, other: Self) {
        self.of += other.of;
        self.unequal += other.unequal;
        self.first = self.first.take().or(other.first);
    }
}

/// A decimal as a whole number of 10^-`scale`; digits beyond are cut off.
fn scaled(text: &str, scale: usize) -> Option<i128> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all: String = [whole, part].concat();
    let shift = i32::try_from(scale).ok()? + exponent - i32::try_from(part.len()).ok()?;
    let value: i128 = all.parse().ok()?;
    let power = 10_i128.checked_pow(shift.unsigned_abs())?;
    Some(sign * if shift >= 0 { value.checked_mul(power)? } else { value / power })
}
