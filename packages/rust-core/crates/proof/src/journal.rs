//! `journal torture`: the journal on a disk that fails at every operation, with every bit flipped and at every length.

use crate::args::Args;
use crate::report::Report;
use std::time::Instant;
use tidegate_journal::Tier;
use tidegate_journal::torture::{Crashes, Script, Specimen, Sweep, crash_loop};
use tidegate_segment::{Evidence, Verdict, decide};

/// Fewest crash points and fewest bytes of the damaged journal.
const POINTS_MIN: u64 = 10_000;
const BYTES: usize = 65_536;

/// What recovery must conclude, by header, record, seq, epoch, later; a dash stands for both. The table of the design, written
/// out here a second time so that the code is held against something that is not the code.
const RULES: [(&str, Verdict); 6] = [
    ("0----", Verdict::RefuseHeader),
    ("1111-", Verdict::Accept),
    ("110--", Verdict::RefuseSequence),
    ("1110-", Verdict::RefuseEpoch),
    ("10--1", Verdict::RefuseHole),
    ("10--0", Verdict::Truncate),
];

/// Rows of the decision table without exactly one rule, or that decide otherwise.
fn rows_untested() -> u64 {
    let wrong = (0_u32..32).filter(|row| {
        let bit = |place: u32| row >> place & 1 == 1;
        let evidence = Evidence {
            header_ok: bit(4),
            record_ok: bit(3),
            seq_contiguous: bit(2),
            epoch_monotone: bit(1),
            valid_later: bit(0),
        };
        let columns: String = (0..5).rev().map(|place| if bit(place) { '1' } else { '0' }).collect();
        let fits = |rule: &str| rule.chars().zip(columns.chars()).all(|(want, is)| want == '-' || want == is);
        let rules: Vec<Verdict> = RULES.iter().filter(|(rule, _)| fits(rule)).map(|(_, v)| *v).collect();
        rules != [decide(evidence)]
    });
    wrong.count() as u64
}

fn first(failures: &[String]) -> String {
    failures.first().cloned().unwrap_or_default()
}

/// Runs the torture. `--seeds N` scripts and `--bytes N` of the damaged journal; `--break sync-lies|altered-record` plants a fault.
///
/// # Errors
/// A flag that cannot be read, a journal that cannot be written.
pub fn run(args: &Args) -> Result<Report, String> {
    let plant = args.text("break");
    if let Some(name) = plant.as_deref().filter(|name| !["sync-lies", "altered-record"].contains(name)) {
        return Err(format!("--break {name}: want sync-lies or altered-record"));
    }
    let seeds: u64 = args.get("seeds", 12)?;
    let bytes: usize = args.get("bytes", BYTES)?;
    args.done()?;
    let planted = |name: &str| plant.as_deref() == Some(name);
    let began = Instant::now();
    let mut crashes = Crashes::default();
    for seed in 1..=seeds {
        for tier in [Tier::T0, Tier::T2] {
            let some = crash_loop(&Script::seeded(seed), tier, planted("sync-lies"));
            crashes.points += some.points;
            crashes.restarts += some.restarts;
            crashes.failures.extend(some.failures);
        }
    }
    let crash_seconds = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let mut all = Sweep::default();
    let (mut bits, mut cuts) = (0, 0);
    for closed in [false, true] {
        let specimen = Specimen::new(bytes, closed)?;
        let sweep = specimen.bits(0, 1, planted("altered-record"));
        bits += sweep.cases;
        let cut = specimen.truncations(0, 1);
        cuts += cut.cases;
        for part in [sweep, cut] {
            all.cases += part.cases;
            all.refused += part.refused;
            all.tail_reported += part.tail_reported;
            all.silent.extend(part.silent);
        }
    }
    let mut report = Report::new();
    report.check("crash_points", crashes.points, ">=", POINTS_MIN, "");
    report.zero("acknowledged_lost", crashes.failures.len() as u64, crashes.restarts, POINTS_MIN);
    report.zero("silent_acceptances", all.silent.len() as u64, all.cases, bytes as u64 * 9);
    report.zero("recovery_rows_untested", rows_untested(), 32, 32);
    report.figure("restarts", crashes.restarts);
    report.figure("bits_flipped", bits);
    report.figure("truncations", cuts);
    report.figure("refused_as_damaged", all.refused);
    report.figure("tail_dropped_and_told", all.tail_reported);
    report.figure("first_failure", first(&crashes.failures));
    report.figure("first_silent", first(&all.silent));
    report.figure("crash_seconds", crash_seconds);
    report.figure("sweep_seconds", began.elapsed().as_secs_f64());
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(flags: &str) -> String {
        let words: Vec<String> = flags.split_whitespace().map(String::from).collect();
        Args::parse(&words).and_then(|args| run(&args)).map_or_else(|fault| fault, |report| report.line())
    }

    #[test]
    fn every_row_of_the_recovery_table_has_one_rule() {
        assert_eq!(rows_untested(), 0);
    }

    #[test]
    fn planted_faults_are_noticed_and_an_unknown_one_is_refused() {
        let lies = outcome("--seeds 1 --bytes 8192 --break sync-lies");
        assert!(!lies.contains(r#""name":"acknowledged_lost","op":"=","unit":"","value":0"#), "{lies}");
        let altered = outcome("--seeds 0 --bytes 8192 --break altered-record");
        assert!(
            !altered.contains(r#""name":"silent_acceptances","op":"=","unit":"","value":0"#),
            "{altered}"
        );
        let sound = outcome("--seeds 1 --bytes 8192");
        for name in ["acknowledged_lost", "silent_acceptances"] {
            assert!(sound.contains(&format!(r#""name":"{name}","op":"=","unit":"","value":0"#)), "{sound}");
        }
        assert!(outcome("--break x").contains("want sync-lies or altered-record"));
    }
}
