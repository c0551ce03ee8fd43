//! `verify features`: the kernels against published vectors, an exact model, reference values of indicators, and recomputation.

mod batch;
pub(crate) mod data;
mod indicators;
mod model;
mod shadow;
mod vectors;

#[cfg(test)]
mod tests;

use crate::args::Args;
use crate::report::Report;
use data::{Series, TAIFEX_DAY, TAIFEX_OPTION};
pub use shadow::{sets, shadow};

/// The faults that can be planted.
pub const BREAKS: [&str; 4] = ["ema-alpha", "rsi-seed", "batch-offset", "vector-digit"];

/// What a run looks at; tests take less.
#[derive(Debug, Clone, Copy)]
struct Scope {
    /// Updates of each recorded series at most.
    updates: usize,
    /// Smallest number of values that must have been compared.
    minimum: u64,
}

/// The proof over the reference data.
///
/// # Errors
/// A flag that is unknown, data that is not there or cannot be read.
pub fn verify(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let plant = args.text("break");
    let updates = args.get("updates", usize::MAX)?;
    args.done()?;
    if let Some(name) = plant.as_deref()
        && !BREAKS.contains(&name)
    {
        return Err(format!("--break {name}: want one of {}", BREAKS.join(", ")));
    }
    run(&data, plant.as_deref().unwrap_or(""), Scope { updates, minimum: 1_000 })
}

fn run(folder: &std::path::Path, plant: &str, scope: Scope) -> Result<Report, String> {
    let mut report = Report::new();
    let series = [
        Series::lobster(folder, "AMZN_2012-06-21_34200000_57600000", 1)?,
        Series::lobster(folder, "AAPL_2012-06-21_first999", 10)?,
        Series::taifex(folder, TAIFEX_DAY)?,
        Series::taifex(folder, TAIFEX_OPTION)?,
    ];

    let mut found = vectors::compare(plant == "vector-digit");
    for one in &series {
        let part = model::compare(one, scope.updates, plant == "ema-alpha");
        report.figure(&format!("values.{}", one.name), part.of);
        found.join(part);
    }
    report.zero("vectors_unequal", found.unequal, found.of, scope.minimum);
    if let Some(first) = &found.first {
        report.figure("first_unequal_vector", first.as_str());
    }

    let found = indicators::compare(folder, plant == "rsi-seed")?;
    report.zero("indicators_out_of_tolerance", found.unequal, found.of, scope.minimum);
    report.figure("indicator_columns", indicators::columns());
    if let Some(first) = &found.first {
        report.figure("first_out_of_tolerance", first.as_str());
    }

    let mut found = Found::default();
    for one in &series {
        found.join(batch::compare(one, scope.updates, plant == "batch-offset"));
    }
    report.zero("stream_batch_unequal", found.unequal, found.of, scope.minimum);
    if let Some(first) = &found.first {
        report.figure("first_stream_batch", first.as_str());
    }
    Ok(report)
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
