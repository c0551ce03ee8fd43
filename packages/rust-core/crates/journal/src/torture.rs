//! A journal on a disk that fails: every operation, every way to fail, every bit, every length. What the tests run small and
//! `hft journal torture` runs whole.
//!
//! The judge is a plain list of what was appended and what was acknowledged; it knows nothing of the format.

use crate::{Journal, JournalConfig, JournalFault, Recovery, Tier};
use std::collections::BTreeMap;
use tidegate_segment::memory::{Crash, MemStorage, Mishap};
use tidegate_segment::{Storage, scan};

/// Every way in which an operation can go wrong.
pub const MISHAPS: [Mishap; 6] =
    [Mishap::KillBefore, Mishap::KillMid, Mishap::KillAfter, Mishap::Eio, Mishap::Enospc, Mishap::ShortWrite];
/// Operations of a restart at which it is killed in its turn.
const RESTART_KILLS: u64 = 4;
/// Power cuts tried after each point.
const POWER_SEEDS: u64 = 6;
const STREAM: &str = "gateway.journal";

/// One run: how many records each commit has, and how long they may be.
#[derive(Debug, Clone)]
pub struct Script {
    pub commits: Vec<usize>,
    pub segment_bytes: u64,
    seed: u64,
    payload_bytes_max: u64,
}

fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Script {
    /// Nine commits of one to six records that fill more than one segment.
    pub fn seeded(seed: u64) -> Self {
        let commits = (0..9).map(|n| 1 + (mix(seed ^ (n << 32)) % 6) as usize).collect();
        Self { commits, segment_bytes: 16_384, seed, payload_bytes_max: 1_400 }
    }

    /// The n-th record of the run; 1 is the first.
    pub fn payload(&self, seq: u64) -> Vec<u8> {
        let len = mix(self.seed.rotate_left(17) ^ seq) % self.payload_bytes_max;
        (0..len).map(|at| (mix(seq.wrapping_mul(31) ^ at) >> 56) as u8).collect()
    }

    fn config(&self, tier: Tier) -> JournalConfig {
        JournalConfig { segment_bytes: self.segment_bytes, ..JournalConfig::new(STREAM, tier) }
    }
}

/// What one run got done before it ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    pub appended: u64,
    pub acknowledged: u64,
    pub finished: bool,
}

/// Appends and commits as the script says until something fails.
///
/// # Errors
/// A journal that failed and still took or acknowledged a record.
pub fn run(disk: &MemStorage, script: &Script, tier: Tier) -> Result<Ran, String> {
    let mut ran = Ran::default();
    let Ok((mut journal, _)) = Journal::open_on(disk.clone(), script.config(tier)) else { return Ok(ran) };
    for records in &script.commits {
        for _ in 0..*records {
            // Counted before: of an append that fails the bytes may be there all the same.
            ran.appended += 1;
            if journal.append(1, &script.payload(ran.appended), ran.appended, 7).is_err() {
                return dead(&mut journal).map(|()| ran);
            }
        }
        match journal.commit() {
            Ok(seq) => ran.acknowledged = seq,
            Err(_) => return dead(&mut journal).map(|()| ran),
        }
    }
    ran.finished = journal.close().is_ok();
    Ok(ran)
}

fn dead(journal: &mut Journal<MemStorage>) -> Result<(), String> {
    let poisoned = |fault: Option<JournalFault>| matches!(fault, Some(JournalFault::Poisoned(_)));
    if poisoned(journal.commit().err()) && poisoned(journal.append(1, b"", 0, 0).err()) {
        Ok(())
    } else {
        Err("a journal that failed goes on".into())
    }
}

/// What was recovered must be a prefix of what was appended that holds all that was acknowledged.
///
/// # Errors
/// What is wrong with it.
pub fn judge(script: &Script, found: &[(u64, Vec<u8>)], ran: Ran) -> Result<(), String> {
    for (place, (seq, bytes)) in found.iter().enumerate() {
        if *seq != place as u64 + 1 || *bytes != script.payload(*seq) {
            return Err(format!("record {seq} at place {place} is not what was appended"));
        }
    }
    let count = found.len() as u64;
    if count < ran.acknowledged {
        return Err(format!("{} were acknowledged and {count} are there", ran.acknowledged));
    }
    if count > ran.appended {
        return Err(format!("{} were appended and {count} are there", ran.appended));
    }
    Ok(())
}

/// Opens the journal again and reads all of it.
///
/// # Errors
/// It cannot be opened, or what recovery says and what is read differ.
pub fn reopened(disk: &MemStorage, script: &Script, tier: Tier) -> Result<Vec<(u64, Vec<u8>)>, String> {
    let (mut journal, recovery) =
        Journal::open_on(disk.clone(), script.config(tier)).map_err(|e| e.to_string())?;
    let mut found = Vec::new();
    journal
        .read_from(0, usize::MAX, |r| found.push((r.seq, r.payload.to_vec())))
        .map_err(|e| e.to_string())?;
    if recovery.last_seq != found.len() as u64 || journal.epoch() != recovery.epoch + 1 {
        return Err(format!("recovery says {recovery:?} and {} records are read", found.len()));
    }
    Ok(found)
}

/// Crash points examined and what was wrong at them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Crashes {
    pub points: u64,
    /// Journals opened again: after the crash, after a killed restart, after a power cut behind the restart.
    pub restarts: u64,
    /// Points where an acknowledged record was lost, one was changed or invented, or the journal did not go on.
    pub failures: Vec<String>,
}

/// Fails each operation of the script in each way, crashes in each way, restarts, kills the restart, and goes on writing.
///
/// `sync_lies` plants a disk that says it has synced and has not: the judge must notice.
pub fn crash_loop(script: &Script, tier: Tier, sync_lies: bool) -> Crashes {
    let mut all = Crashes::default();
    for mishap in MISHAPS {
        for n in 1.. {
            let disk = MemStorage::new();
            if sync_lies {
                disk.set_sync_lies();
            }
            disk.plan(n, mishap);
            let ran = run(&disk, script, tier);
            if !disk.struck() {
                break;
            }
            let mut crashes = vec![Crash::Process];
            if tier == Tier::T2 {
                crashes.extend((0..POWER_SEEDS).map(|seed| Crash::Power { seed }));
            }
            for crash in crashes {
                all.points += 1;
                let outcome =
                    ran.clone().and_then(|ran| point(&disk, script, tier, ran, crash, &mut all.restarts));
                if let Err(what) = outcome {
                    all.failures.push(format!("{tier:?} {mishap:?} at {n}, {crash:?}: {what}"));
                }
            }
        }
    }
    all
}

fn point(
    disk: &MemStorage,
    script: &Script,
    tier: Tier,
    ran: Ran,
    crash: Crash,
    restarts: &mut u64,
) -> Result<(), String> {
    let mut open = |disk: &MemStorage| {
        *restarts += 1;
        reopened(disk, script, tier)
    };
    let after = disk.after(crash);
    let found = open(&after)?;
    judge(script, &found, ran)?;
    let same = |again: Result<Vec<(u64, Vec<u8>)>, String>, when: String| match again {
        Ok(again) if again == found => Ok(()),
        Ok(again) => Err(format!("{when}: {} records became {}", found.len(), again.len())),
        Err(what) => Err(format!("{when}: {what}")),
    };
    for kill in 1..=RESTART_KILLS {
        let again = disk.after(crash);
        again.plan(kill, Mishap::KillMid);
        drop(Journal::open_on(again.clone(), script.config(tier)));
        same(open(&again.after(Crash::Process)), format!("restart killed at {kill}"))?;
    }
    // What the restart has shown survives a power cut right after it.
    if tier == Tier::T2 {
        for seed in 0..POWER_SEEDS {
            same(open(&after.after(Crash::Power { seed })), format!("power cut {seed} after the restart"))?;
        }
    }
    // And the journal goes on, over the end of the segment.
    let (mut journal, _) = Journal::open_on(after.clone(), script.config(tier)).map_err(|e| e.to_string())?;
    for more in 1..=12 {
        let seq = journal.append(1, &[9; 1_200], 0, 0).and_then(|seq| journal.commit().map(|_| seq));
        if seq != Ok(found.len() as u64 + more) {
            return Err(format!("writing on gives {seq:?}"));
        }
    }
    drop(journal);
    match open(&after)?.len() {
        len if len == found.len() + 12 => Ok(()),
        len => Err(format!("{len} records after 12 more than {}", found.len())),
    }
}

/// How one damaged journal was met.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sweep {
    pub cases: u64,
    /// The journal was refused as damaged.
    pub refused: u64,
    /// A tail was dropped and said so: the first missing seq is the last found + 1.
    pub tail_reported: u64,
    /// A changed record was accepted, or a missing one not told.
    pub silent: Vec<String>,
}

/// One journal of one segment, at least `bytes` long, and the records in it.
#[derive(Debug)]
pub struct Specimen {
    disk: MemStorage,
    whole: Vec<u8>,
    records: BTreeMap<u64, Vec<u8>>,
    /// Bytes up to the last that is not zero.
    pub used: usize,
}

const NAME: &str = "0000000000.seg";

impl Specimen {
    /// Records of up to 600 bytes in commits of three until `bytes` are used; `closed` ends it in order.
    ///
    /// # Errors
    /// The journal cannot be written or read.
    pub fn new(bytes: usize, closed: bool) -> Result<Self, String> {
        let disk = MemStorage::new();
        let script = Script {
            commits: vec![],
            segment_bytes: (bytes as u64 + 16_384).next_multiple_of(4_096),
            seed: 5,
            payload_bytes_max: 600,
        };
        let text = |e: JournalFault| e.to_string();
        let (mut journal, _) = Journal::open_on(disk.clone(), script.config(Tier::T0)).map_err(text)?;
        let mut used = 4_096;
        let mut seq = 0;
        while used < bytes || seq % 3 != 0 {
            seq += 1;
            let payload = script.payload(seq);
            used += payload.len() + 64;
            journal.append(1, &payload, seq, 7).map_err(text)?;
            if seq % 3 == 0 {
                journal.commit().map_err(text)?;
            }
        }
        if closed {
            journal.close().map_err(text)?;
        } else {
            drop(journal);
        }
        let mut whole = Vec::new();
        disk.read(NAME, 0, usize::MAX >> 1, &mut whole).map_err(|e| format!("{e:?}"))?;
        let used = whole.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
        let mut specimen = Self { disk, whole, records: BTreeMap::new(), used };
        specimen.records = specimen.read().map_err(text)?.0;
        Ok(specimen)
    }

    fn read(&self) -> Result<(BTreeMap<u64, Vec<u8>>, Recovery), JournalFault> {
        let mut found = BTreeMap::new();
        let recovery = scan(&self.disk, STREAM, [0; 16], |r| {
            found.insert(r.seq, r.payload.to_vec());
        })?;
        Ok((found, recovery))
    }

    fn look(&self, sweep: &mut Sweep, what: &str, altered: bool) {
        sweep.cases += 1;
        match self.read() {
            Err(JournalFault::Damaged { .. }) => sweep.refused += 1,
            Err(other) => sweep.silent.push(format!("{what}: {other}")),
            Ok((mut found, recovery)) => {
                if altered && let Some(record) = found.values_mut().next() {
                    record.push(0);
                }
                let same = found.iter().all(|(seq, bytes)| self.records.get(seq) == Some(bytes));
                let told =
                    recovery.torn.is_some() && !recovery.clean && recovery.last_seq == found.len() as u64;
                match (same, told) {
                    (true, true) => sweep.tail_reported += 1,
                    (true, false) => sweep.silent.push(format!("{what}: not told")),
                    (false, _) => sweep.silent.push(format!("{what}: a changed record was accepted")),
                }
            }
        }
    }

    /// Flips each bit from `first` up to the end of what is used and 64 bytes on, every `step`-th, one at a time.
    ///
    /// `altered` plants a reader that hands over a changed record: the judge must notice.
    pub fn bits(&self, first: usize, step: usize, altered: bool) -> Sweep {
        let mut sweep = Sweep::default();
        let end = (self.used + 64).min(self.whole.len()) * 8;
        for bit in (first..end).step_by(step.max(1)) {
            let flip = |bytes: &mut Vec<u8>| {
                if let Some(byte) = bytes.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
            };
            self.disk.damage(NAME, flip);
            self.look(&mut sweep, &format!("bit {bit}"), altered);
            self.disk.damage(NAME, flip);
        }
        sweep
    }

    /// Cuts the file at each length, every `step`-th.
    pub fn truncations(&self, first: usize, step: usize) -> Sweep {
        let mut sweep = Sweep::default();
        for len in (first..self.used).step_by(step.max(1)) {
            self.disk.damage(NAME, |bytes| bytes.truncate(len));
            self.look(&mut sweep, &format!("cut to {len} bytes"), false);
            self.disk.damage(NAME, |bytes| bytes.clone_from(&self.whole));
        }
        sweep
    }
}
