//! `tidegate-proof SUBJECT… [--flag value]…`: one proof, its report as the last line of the output.

use std::process::ExitCode;
use tidegate_proof::args::Args;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let first_flag = words.iter().position(|word| word.starts_with("--")).unwrap_or(words.len());
    let (subject, flags) = words.split_at(first_flag);
    tidegate_proof::tell(Args::parse(flags).and_then(|args| tidegate_proof::run(&subject.join(" "), &args)))
}
