//! `drill audit-tamper`: an audit trail edited, deleted from, reordered and cut at random places; each must be named.

use crate::args::Args;
use crate::report::Report;
use std::path::PathBuf;
use std::time::Instant;
use tidegate_audit::{
    AuditConfig, AuditLog, DirStorage, Entry, PublicKey, SEGMENT_HEADER_BYTES, SigningKey, Storage, digest,
    record_end, verify,
};
use tidegate_segment::memory::{Crash, MemStorage};

/// Fewest records in the trail.
const RECORDS_MIN: u64 = 100_000;
const CASES_MIN: u64 = 1_000;
const SEGMENT_BYTES: u64 = 1 << 20;
/// A commit has so many records and a checkpoint comes after so many commits.
const COMMIT_RECORDS: u64 = 64;
const CHECKPOINT_COMMITS: u64 = 16;
const SECOND_NS: u64 = 1_000_000_000;
const ACTORS: [&str; 4] = ["operator:ann", "operator:bob", "risk:carol", "service:gateway"];
const ACTIONS: [&str; 4] = ["control.halt", "control.resume", "limits.set", "strategy.arm"];
const KINDS: [&str; 4] = ["edit", "delete", "reorder", "cut"];

fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn key(seed: u64) -> Result<SigningKey, String> {
    SigningKey::from_seed(&digest(&seed.to_le_bytes())).map_err(|e| e.to_string())
}

fn append<S: Storage>(log: &mut AuditLog<S>, n: u64) -> Result<(), String> {
    let pick = mix(n);
    let reason = &"at the request of the risk desk after the breach of a soft limit"[..(pick % 64) as usize];
    let entry = Entry {
        ts_utc_ns: 1_700_000_000_000_000_000 + n.cast_signed(),
        ts_mono_ns: n,
        epoch: 3,
        actor: ACTORS[(pick >> 8) as usize % 4],
        action: ACTIONS[(pick >> 16) as usize % 4],
        reason,
        before: digest(&n.to_le_bytes()),
        after: digest(&(n + 1).to_le_bytes()),
    };
    log.append(&entry).map(|_| ()).map_err(|e| e.to_string())
}

fn write<S: Storage>(first: S, second: S, seed: u64, records: u64, power_safe: bool) -> Result<(), String> {
    let mut config = AuditConfig::new(key(seed)?);
    (config.segment_bytes, config.power_safe) = (SEGMENT_BYTES, power_safe);
    let (mut log, _) = AuditLog::open(first, second, config).map_err(|e| e.to_string())?;
    for n in 1..=records {
        append(&mut log, n)?;
        if n.is_multiple_of(COMMIT_RECORDS) {
            let mono = n / COMMIT_RECORDS / CHECKPOINT_COMMITS * SECOND_NS + SECOND_NS;
            log.commit(n.cast_signed(), mono).map_err(|e| e.to_string())?;
        }
    }
    log.close(1).map(|_| ()).map_err(|e| e.to_string())
}

/// A trail in two places, and where each record stands.
struct Trail {
    first: MemStorage,
    second: MemStorage,
    public: PublicKey,
    /// Segment and span of record n at n - 1.
    spans: Vec<(String, usize, usize)>,
}

impl Trail {
    fn new(seed: u64, records: u64) -> Result<Self, String> {
        let (first, second) = (MemStorage::new(), MemStorage::new());
        write(first.clone(), second.clone(), seed, records, true)?;
        let mut spans = Vec::new();
        for name in first.list().map_err(|e| e.to_string())? {
            if !name.ends_with(".audit") {
                continue;
            }
            let mut bytes = Vec::new();
            first.read(&name, 0, usize::MAX >> 1, &mut bytes).map_err(|e| e.to_string())?;
            let mut at = SEGMENT_HEADER_BYTES;
            while let Some(end) = record_end(&bytes, at) {
                spans.push((name.clone(), at, end));
                at = end;
            }
        }
        Ok(Self { first, second, public: key(seed)?.public(), spans })
    }

    /// The first record a verifier names as bad, and whether it named anything at all.
    fn named(&self, tampered: &MemStorage, with_copy: bool) -> Result<(Option<u64>, bool), String> {
        let copy = with_copy.then_some(&self.second);
        let report = verify(tampered, copy, self.public).map_err(|e| e.to_string())?;
        Ok((report.first_bad.as_ref().map(|bad| bad.seq), !report.ok()))
    }

    /// Tampers with record `seq`, asks, and puts it right again. A swap is with the record after it, in the same segment.
    fn tampered(
        &self,
        kind: &str,
        seq: u64,
        random: u64,
        with_copy: bool,
    ) -> Result<(Option<u64>, bool), String> {
        let (name, at, end) = &self.spans[seq as usize - 1];
        if kind == "cut" {
            let mut cut = self.first.after(Crash::Process);
            cut.damage(name, |bytes| bytes.truncate(*at));
            for later in cut.list().map_err(|e| e.to_string())? {
                if later.ends_with(".audit") && later > *name {
                    cut.remove(&later).map_err(|e| e.to_string())?;
                }
            }
            return self.named(&cut, with_copy);
        }
        let mut whole = Vec::new();
        self.first.damage(name, |bytes| {
            whole.clone_from(bytes);
            match kind {
                "edit" => bytes[at + random as usize % (end - at)] ^= 1 << (random >> 32 & 7),
                "delete" => drop(bytes.drain(*at..*end)),
                _ => {
                    let next = self.spans[seq as usize].2;
                    bytes[*at..next].rotate_left(end - at);
                }
            }
        });
        let named = self.named(&self.first, with_copy);
        self.first.damage(name, |bytes| *bytes = whole);
        named
    }
}

/// Runs the drill. `--records N`, `--cases N` of each kind, `--seed N`, `--dir` for the figure of a real disk; `--break
/// untouched|misnamed` plants a fault.
///
/// # Errors
/// A flag that cannot be read, a trail that cannot be written.
pub fn run(args: &Args) -> Result<Report, String> {
    let plant = args.text("break");
    if let Some(name) = plant.as_deref().filter(|name| !["untouched", "misnamed"].contains(name)) {
        return Err(format!("--break {name}: want untouched or misnamed"));
    }
    let records: u64 = args.get("records", RECORDS_MIN)?;
    let cases: u64 = args.get("cases", 260)?;
    let seed: u64 = args.get("seed", 1)?;
    let dir = args.text("dir").map(PathBuf::from);
    args.done()?;
    if records < 10 {
        return Err(format!("--records {records}: want at least 10"));
    }
    let trail = Trail::new(seed, records)?;
    let began = Instant::now();
    let (_, bad) = trail.named(&trail.first, true)?;
    let verify_per_s = records as f64 / began.elapsed().as_secs_f64();
    let (mut undetected, mut misnamed, mut of) = (0, 0, 0);
    let mut first_failure =
        if bad { "the untouched trail does not verify".to_string() } else { String::new() };
    for (place, kind) in KINDS.iter().enumerate() {
        for case in 0..cases {
            let random = mix(seed ^ (case << 8 | place as u64));
            let mut seq = 1 + random % records;
            if case == 0 {
                seq = if *kind == "reorder" { records - 1 } else { records };
            }
            // A swap needs a neighbour in its segment.
            while *kind == "reorder"
                && (seq == records || trail.spans[seq as usize - 1].0 != trail.spans[seq as usize].0)
            {
                seq -= 1;
            }
            of += 1;
            let skipped = plant.as_deref() == Some("untouched") && case == 7;
            let (mut named, detected) = if skipped {
                trail.named(&trail.first, true)?
            } else {
                trail.tampered(kind, seq, mix(random), case.is_multiple_of(2))?
            };
            if plant.as_deref() == Some("misnamed") {
                named = named.map(|seq| seq + 1);
            }
            undetected += u64::from(!detected);
            misnamed += u64::from(named != Some(seq));
            if (!detected || named != Some(seq)) && first_failure.is_empty() {
                first_failure = format!("{kind} of record {seq}: named {named:?}");
            }
        }
    }
    let mut report = Report::new();
    report.seed(seed);
    report.check("records", records, ">=", RECORDS_MIN, "");
    report.zero("undetected", undetected + u64::from(bad), of, CASES_MIN);
    report.zero("misnamed_first_record", misnamed, of, CASES_MIN);
    report.figure("verify_records_per_s", verify_per_s.round());
    if let Some(dir) = dir {
        report.figure("append_records_per_s", appended(&dir, seed, records, false)?.round());
        report
            .figure("append_synced_records_per_s", appended(&dir, seed, records.min(20_000), true)?.round());
    }
    report.figure("cases_of_each_kind", cases);
    report.figure("first_failure", first_failure);
    Ok(report)
}

/// Records a second that reach both places of a real disk, 64 a commit.
fn appended(dir: &std::path::Path, seed: u64, records: u64, power_safe: bool) -> Result<f64, String> {
    let work = dir.join(format!("audit-tamper-{}", std::process::id()));
    let place = |name: &str| DirStorage::open(&work.join(name)).map_err(|e| e.to_string());
    let began = Instant::now();
    let written = place("first").and_then(|first| write(first, place("second")?, seed, records, power_safe));
    let seconds = began.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
    written.map(|()| records as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(flags: &str, name: &str) -> u64 {
        let words: Vec<String> = flags.split_whitespace().map(String::from).collect();
        let line = Args::parse(&words).and_then(|args| run(&args)).map(|report| report.line());
        let read: serde_json::Value = serde_json::from_str(&line.unwrap_or_default()).unwrap_or_default();
        let checks = read["checks"].as_array().cloned().unwrap_or_default();
        checks.iter().find(|c| c["name"] == name).and_then(|c| c["value"].as_u64()).unwrap_or(u64::MAX)
    }

    #[test]
    fn b060_every_tampering_is_named_and_planted_faults_are_noticed() {
        let flags = "--records 12000 --cases 12";
        assert_eq!((value(flags, "undetected"), value(flags, "misnamed_first_record")), (0, 0));
        assert_eq!(value("--records 2000 --cases 8 --break untouched", "undetected"), 4);
        assert_eq!(value("--records 2000 --cases 8 --break misnamed", "misnamed_first_record"), 32);
        assert_eq!(value("--break x", "undetected"), u64::MAX, "refused");
    }
}
