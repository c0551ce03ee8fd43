//! Proofs and benches of the cores, most of them over recorded data: what `hft verify`, `hft bench` and `hft journal torture` run.
//!
//! Each subject is a module with `run(&Args) -> Result<Report, String>`; the binary prints the report as one line.
#![forbid(unsafe_code)]

mod accounting;
pub mod args;
mod audit_tamper;
pub mod bench_book;
mod bench_gateway;
pub mod bench_matching;
mod bench_router;
mod bench_wal;
pub mod books;
pub mod cluster;
mod controls;
mod features;
mod fix;
mod journal;
mod matching;
pub mod normaliser;
mod power_cut;
mod raw_file;
pub mod report;
pub mod timing;
mod wal_crash;

use args::Args;
use report::Report;
use std::process::ExitCode;

/// What a program of proofs does with its report, or with why there is none: one line, and how it ends.
pub fn tell(outcome: Result<Report, String>) -> ExitCode {
    match outcome {
        Ok(report) => {
            println!("{}", report.line());
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one subject, such as `verify books`.
///
/// # Errors
/// A subject that does not exist, a flag it does not know, data that is not there: what, where and the remedy.
pub fn run(subject: &str, args: &Args) -> Result<Report, String> {
    match subject {
        "sim cluster" => cluster::run(args),
        "journal torture" => journal::run(args),
        "conformance fix" => fix::scripts(args),
        "fix acceptor" => fix::acceptor(args),
        "fix initiator" => fix::initiator(args),
        "verify features" => features::verify(args),
        "features shadow" => features::shadow(args),
        "features sets" => features::sets(args),
        "verify books" => books::run(args),
        "verify accounting" => accounting::run(args),
        "verify controls" => controls::run(args),
        "verify matching" => matching::run(args),
        "verify normaliser" => normaliser::run(args),
        "drill wal-crash" => wal_crash::run(args),
        "drill audit-tamper" => audit_tamper::run(args),
        "power-cut write" => power_cut::write(args),
        "power-cut judge" => power_cut::judge(args),
        "bench wal" => bench_wal::run(args),
        "bench book" => bench_book::run(args),
        "bench gateway" => bench_gateway::run(args),
        "bench matching" => bench_matching::run(args),
        "bench router" => bench_router::run(args),
        _ => Err(format!("{subject}: no such proof")),
    }
}
