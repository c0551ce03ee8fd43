//! Proofs and benches of the market-data cores over recorded data: what `hft verify` and `hft bench` run.
//!
//! Each subject is a module with `run(&Args) -> Result<Report, String>`; the binary prints the report as one line.
#![forbid(unsafe_code)]

pub mod args;
pub mod normaliser;
pub mod report;

use args::Args;
use report::Report;

/// Runs one subject, such as `verify books`.
///
/// # Errors
/// A subject that does not exist, a flag it does not know, data that is not there: what, where and the remedy.
pub fn run(subject: &str, args: &Args) -> Result<Report, String> {
    match subject {
        "verify normaliser" => normaliser::run(args),
        _ => Err(format!("{subject}: no such proof")),
    }
}
