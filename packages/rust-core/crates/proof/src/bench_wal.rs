//! `bench wal`: the WAL's barrier beside a raw append to a preallocated file and `fdatasync`, round by round in the same run.
//!
//! The floor is the strongest raw form: a file of written zeros, so that no commit changes an extent, one `pwrite` and one
//! `fdatasync` a batch, of the same records without frame, checksum, chain or hash. The barrier is measured with each batch waited
//! for; the rate as the recorder works in a burst: the next batches are taken while the device has one, and those that wait for it
//! share the `fdatasync` after it. At the end of each round all is safe. The rate with each batch waited for is among the figures.

use crate::args::Args;
use crate::raw_file::RawFile;
use crate::report::Report;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tidegate_wal::{DirStorage, RecordType, Wal, WalConfig};

/// Bytes of one record's payload.
const RECORD_BYTES: usize = 256;
const BATCHES: [usize; 4] = [1, 8, 64, 512];
/// Batches of one round of one side; the sides take turns, so that both meet the same disk.
const TURN_BATCHES: usize = 25;
/// Fewest rounds for medians that mean something.
const ROUNDS_MIN: usize = 20;
/// Rounds of single records for each of the other batches': a tail needs more of them.
const SINGLE_ROUNDS: usize = 4;
/// Rounds whose barriers make one p99 of each side, 500 barriers; the median of the ratios counts, for one bad moment of the disk
/// is the whole tail of the side that meets it.
const TAIL_ROUNDS: usize = 20;
const STREAM: &str = "md.1.1.trade.";

fn fault(what: &str, error: impl std::fmt::Display) -> String {
    format!("{what}: {error}")
}

/// One payload; what it holds differs from record to record.
fn fill(record: &mut [u8; RECORD_BYTES], number: u64) {
    record[..8].copy_from_slice(&number.to_le_bytes());
}

/// A side that makes a batch of `batch` records safe.
trait Side {
    /// Makes the batch safe before it returns.
    fn commit(&mut self, batch: usize) -> Result<(), String>;
    /// Hands the batch over and may return before it is safe, where a side can.
    fn commit_begin(&mut self, batch: usize) -> Result<(), String> {
        self.commit(batch)
    }
    /// Whatever was handed over is safe after this.
    fn settle(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// The floor.
struct Raw {
    file: RawFile,
    buf: Vec<u8>,
    number: u64,
}

impl Raw {
    fn new(path: &Path, bytes: u64) -> Result<Self, String> {
        Ok(Self { file: RawFile::create(path, bytes)?, buf: Vec::new(), number: 0 })
    }
}

impl Side for Raw {
    fn commit(&mut self, batch: usize) -> Result<(), String> {
        let mut record = [7; RECORD_BYTES];
        self.buf.clear();
        for _ in 0..batch {
            self.number += 1;
            fill(&mut record, self.number);
            self.buf.extend_from_slice(&record);
        }
        self.file.commit(&self.buf)
    }
}

/// Ours.
struct Ours {
    wal: Wal<DirStorage>,
    number: u64,
}

impl Ours {
    fn new(dir: &Path, segment_bytes: u64) -> Result<Self, String> {
        let config = WalConfig { segment_bytes, power_safe: true, ..WalConfig::default() };
        let storage = DirStorage::open(dir).map_err(|e| e.to_string())?;
        let (wal, _) = Wal::open(storage, config).map_err(|e| e.to_string())?;
        Ok(Self { wal, number: 0 })
    }

    fn append(&mut self, batch: usize) -> Result<(), String> {
        let mut record = [7; RECORD_BYTES];
        for _ in 0..batch {
            self.number += 1;
            fill(&mut record, self.number);
            let ts_ns = self.number.cast_signed();
            self.wal
                .append(RecordType::Data, STREAM, 1, self.number, ts_ns, &record)
                .map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}

impl Side for Ours {
    fn commit(&mut self, batch: usize) -> Result<(), String> {
        self.append(batch)?;
        self.settle()
    }

    fn commit_begin(&mut self, batch: usize) -> Result<(), String> {
        self.append(batch)?;
        self.wal.flush_begin().map(|_| ()).map_err(|e| e.to_string())
    }

    fn settle(&mut self) -> Result<(), String> {
        match self.wal.flush().map_err(|e| e.to_string())? {
            safe if safe == self.number => Ok(()),
            safe => Err(format!("{} records were given and {safe} are safe", self.number)),
        }
    }
}

/// What one side measured: µs of each barrier, and records a second of each turn.
#[derive(Debug, Default)]
struct Measured {
    barrier_us: Vec<f64>,
    per_s: Vec<f64>,
}

/// One round of one side, each batch waited for.
fn turn(side: &mut dyn Side, batch: usize, into: &mut Measured) -> Result<(), String> {
    let began = Instant::now();
    for _ in 0..TURN_BATCHES {
        let one = Instant::now();
        side.commit(batch)?;
        into.barrier_us.push(one.elapsed().as_secs_f64() * 1e6);
    }
    into.per_s.push((TURN_BATCHES * batch) as f64 / began.elapsed().as_secs_f64());
    Ok(())
}

/// One round as a recorder in a burst does it: the next batch is taken while the device has the last, and at the end all is safe.
fn burst(side: &mut dyn Side, batch: usize, into: &mut Measured) -> Result<(), String> {
    let began = Instant::now();
    for _ in 0..TURN_BATCHES {
        side.commit_begin(batch)?;
    }
    side.settle()?;
    into.per_s.push((TURN_BATCHES * batch) as f64 / began.elapsed().as_secs_f64());
    Ok(())
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

/// The median of the rounds' ratios ours / floor: both sides of a round meet the same moment of the disk.
fn paired(ours: &[f64], floor: &[f64]) -> f64 {
    let ratios: Vec<f64> = ours.iter().zip(floor).map(|(ours, floor)| ours / floor).collect();
    quantile(&ratios, 0.5)
}

/// The median over groups of rounds of the ratio of one quantile, ours / floor.
fn paired_quantile(ours: &[f64], floor: &[f64], share: f64) -> f64 {
    let groups = |all: &[f64]| -> Vec<f64> {
        all.chunks(TAIL_ROUNDS * TURN_BATCHES).map(|group| quantile(group, share)).collect()
    };
    paired(&groups(ours), &groups(floor))
}

fn rounded(values: &[f64]) -> Value {
    values.iter().map(|value| (value * 10.0).round() / 10.0).collect()
}

/// Runs the bench. `--rounds N`, `--dir` on the disk to measure, `--segment-bytes N` of our segments; `--break slow` makes our
/// side sync twice.
///
/// # Errors
/// A flag that cannot be read, a disk that cannot be written.
pub fn run(args: &Args) -> Result<Report, String> {
    let rounds: usize = args.get("rounds", 60)?;
    let segment_bytes: u64 = args.get("segment-bytes", 16 << 20)?;
    let dir = PathBuf::from(args.text("dir").ok_or("--dir: want a folder on the disk to measure")?);
    let slow = match args.text("break").as_deref() {
        None => false,
        Some("slow") => true,
        Some(name) => return Err(format!("--break {name}: want slow")),
    };
    args.done()?;
    if rounds == 0 {
        return Err("--rounds 0: want at least 1".into());
    }
    let work = dir.join(format!("bench-wal-{}", std::process::id()));
    std::fs::create_dir_all(&work).map_err(|e| fault(&work.display().to_string(), e))?;
    let measured = measure(&work, rounds, segment_bytes, slow);
    std::fs::remove_dir_all(&work).map_err(|e| fault(&work.display().to_string(), e))?;
    measured
}

/// Ours, with a second sync of another file in each commit.
struct Slowed(Ours, Raw);

impl Side for Slowed {
    fn commit(&mut self, batch: usize) -> Result<(), String> {
        self.0.commit(batch)?;
        self.1.commit(1)
    }

    fn settle(&mut self) -> Result<(), String> {
        self.0.settle()
    }
}

fn measure(work: &Path, rounds: usize, segment_bytes: u64, slow: bool) -> Result<Report, String> {
    let mut report = Report::new();
    report.check("rounds", rounds, ">=", ROUNDS_MIN, "");
    for batch in BATCHES {
        let bytes = ((rounds + 1) * TURN_BATCHES * batch * RECORD_BYTES) as u64;
        let mut floor_side = Raw::new(&work.join(format!("raw-{batch}")), bytes)?;
        let ours = Ours::new(&work.join(format!("wal-{batch}")), segment_bytes)?;
        let mut our_side: Box<dyn Side> = if slow {
            Box::new(Slowed(ours, Raw::new(&work.join(format!("slow-{batch}")), 4_096)?))
        } else {
            Box::new(ours)
        };
        turn(&mut floor_side, batch, &mut Measured::default())?;
        turn(&mut *our_side, batch, &mut Measured::default())?;
        let (mut floor, mut ours, mut in_burst) =
            (Measured::default(), Measured::default(), Measured::default());
        for round in 0..if batch == 1 { SINGLE_ROUNDS * rounds } else { rounds } {
            // Who goes first alternates.
            if round % 2 == 0 {
                turn(&mut floor_side, batch, &mut floor)?;
                burst(&mut *our_side, batch, &mut in_burst)?;
                turn(&mut *our_side, batch, &mut ours)?;
            } else {
                turn(&mut *our_side, batch, &mut ours)?;
                burst(&mut *our_side, batch, &mut in_burst)?;
                turn(&mut floor_side, batch, &mut floor)?;
            }
        }
        if batch == 1 {
            let ratio = |share| paired_quantile(&ours.barrier_us, &floor.barrier_us, share);
            report.check("barrier_p50_ratio", ratio(0.5), "<=", 1.15, "");
            report.check("barrier_p99_ratio", ratio(0.99), "<=", 1.5, "");
        } else {
            let ratio = paired(&in_burst.per_s, &floor.per_s);
            report.check(&format!("rate_ratio.{batch}"), ratio, ">=", 0.9, "");
        }
        report.figure(
            &format!("batch.{batch}"),
            json!({
                "ours_per_s": rounded(&in_burst.per_s),
                "ours_each_waited_for_per_s": rounded(&ours.per_s),
                "ours_each_waited_for_ratio": paired(&ours.per_s, &floor.per_s),
                "floor_per_s": rounded(&floor.per_s),
                "ours_barrier_us": { "p50": quantile(&ours.barrier_us, 0.5), "p99": quantile(&ours.barrier_us, 0.99) },
                "floor_barrier_us": { "p50": quantile(&floor.barrier_us, 0.5), "p99": quantile(&floor.barrier_us, 0.99) },
            }),
        );
    }
    report.figure("record_bytes", RECORD_BYTES);
    report.figure("turn_batches", TURN_BATCHES);
    report.figure("segment_bytes", segment_bytes);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a31_a_tiny_run_measures_every_batch_and_leaves_nothing_behind() {
        let dir = std::env::temp_dir().join(format!("tidegate-bench-wal-test-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap_or_default();
        let words = ["--rounds", "1", "--segment-bytes", "262144", "--dir", &dir.display().to_string()];
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let report = Args::parse(&words).and_then(|args| run(&args));
        let line = report.map_or_else(|e| e, |report| report.line());
        for name in
            ["barrier_p50_ratio", "barrier_p99_ratio", "rate_ratio.8", "rate_ratio.64", "rate_ratio.512"]
        {
            assert!(line.contains(&format!(r#""name":"{name}""#)), "{line}");
        }
        assert_eq!(std::fs::read_dir(&dir).map(Iterator::count).unwrap_or(9), 0);
        assert!(std::fs::remove_dir(&dir).is_ok());
    }

    #[test]
    fn ratios_are_paired_and_quantiles_are_of_sorted_values() {
        assert_eq!(paired(&[2.0, 30.0, 4.0], &[1.0, 10.0, 4.0]), 2.0);
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!((quantile(&values, 0.5), quantile(&values, 1.0)), (3.0, 5.0));
        assert!(quantile(&[], 0.5).is_nan());
    }
}
