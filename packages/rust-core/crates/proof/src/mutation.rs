//! `tidegate-mutation sim mutants [--flag value]…`: the only program with planted bugs.

use std::process::ExitCode;
use tidegate_proof::args::Args;

fn main() -> ExitCode {
    // A planted bug may panic; the verdict says so, and the story of it would drown the report.
    std::panic::set_hook(Box::new(|_| {}));
    let words: Vec<String> = std::env::args().skip(1).collect();
    let first_flag = words.iter().position(|word| word.starts_with("--")).unwrap_or(words.len());
    let (subject, flags) = words.split_at(first_flag);
    if subject.join(" ") != "sim mutants" {
        eprintln!("{}: no such proof", subject.join(" "));
        return ExitCode::FAILURE;
    }
    match Args::parse(flags).and_then(|args| tidegate_proof::cluster::run_mutants(&args)) {
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
