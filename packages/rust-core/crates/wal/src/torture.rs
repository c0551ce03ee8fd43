//! A WAL on a disk that fails: every operation, every way to fail, every bit. What the tests run small and `hft drill wal-crash`
//! runs whole.
//!
//! The judge is a plain list of what was appended and what was acknowledged; it knows nothing of the format.

use crate::format::Item;
use crate::reader::{read_block, segments};
use crate::verify::verify;
use crate::writer::{Wal, WalConfig};
use crate::{Compression, RecordType, WalFault};
use std::collections::BTreeMap;
use tidegate_segment::Storage;
use tidegate_segment::memory::{Crash, MemStorage, Mishap};

/// Every way in which an operation can go wrong.
pub const MISHAPS: [Mishap; 6] =
    [Mishap::KillBefore, Mishap::KillMid, Mishap::KillAfter, Mishap::Eio, Mishap::Enospc, Mishap::ShortWrite];
/// Power cuts tried after each point: each leaves other sectors of a block that was being written.
const POWER_SEEDS: u64 = 6;
/// Operations of a restart at which it is killed in its turn.
const RESTART_KILLS: u64 = 3;
const STREAMS: [&str; 3] = ["md.1.1.top.", "md.2.2.trade.", "gateway.journal"];
/// Records of one run; enough for several segments and for flushes of several blocks.
const RECORDS: u64 = 60;
const LONG: [u64; 2] = [20, 40];

/// A fault planted in what the judge is given: it must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// The disk says it has synced and has not.
    SyncLies,
    /// The reader hands out one byte other than was written.
    AlteredBlock,
}

fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// One run: its records, when they are flushed, and how the WAL is kept.
#[derive(Debug, Clone)]
pub struct Script {
    seed: u64,
    pub config: WalConfig,
    /// Whether what a full disk refused is tried again, as the recorder does once it has made room.
    pub retries: bool,
    /// Whether it goes on while a sync is under way.
    pub behind: bool,
}

impl Script {
    /// Sixty records over three streams, in many segments of 1,500 bytes or in few of 80,000. Two are so long that nothing fits
    /// beside them: their flush has a long block and a short one, which a power cut may leave in either order.
    pub fn seeded(seed: u64, power_safe: bool, compression: Compression) -> Self {
        let segment_bytes = if seed.is_multiple_of(3) { 1_500 } else { 80_000 };
        let config = WalConfig { segment_bytes, power_safe, compression, ..WalConfig::default() };
        Self { seed, config, retries: seed.is_multiple_of(2), behind: seed % 3 != 1 }
    }

    /// The n-th record of the run; 1 is the first.
    pub fn payload(&self, wal_seq: u64) -> Vec<u8> {
        let random = mix(self.seed.rotate_left(17) ^ wal_seq);
        if LONG.contains(&wal_seq) {
            return vec![wal_seq as u8; 65_400];
        }
        let len = 100 + random % 100;
        let step = 1 + random % 3;
        (0..len).map(|at| (wal_seq ^ ((at / 16) * step)) as u8).collect()
    }

    fn flushes(&self, wal_seq: u64) -> bool {
        !LONG.contains(&wal_seq) && mix(self.seed ^ wal_seq << 32).is_multiple_of(4)
    }
}

/// What one run got done before it ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    pub appended: u64,
    pub flushed: u64,
    pub finished: bool,
}

/// Tries once more what a full disk refused.
fn again<T>(script: &Script, mut act: impl FnMut() -> Result<T, WalFault>) -> Result<T, WalFault> {
    match act() {
        Err(WalFault::DiskFull { .. }) if script.retries => act(),
        other => other,
    }
}

/// Appends and flushes as the script says until something fails for good.
///
/// # Errors
/// A WAL that failed and still took or acknowledged a record.
pub fn run(disk: &MemStorage, script: &Script) -> Result<Ran, String> {
    let mut ran = Ran::default();
    let Ok((mut wal, _)) = Wal::open(disk.clone(), script.config.clone()) else { return Ok(ran) };
    for n in 1..=RECORDS {
        let stream = STREAMS[n as usize % 3];
        let payload = script.payload(n);
        // Counted before: of an append that fails the bytes may be there all the same.
        ran.appended = n;
        let seq = n.div_ceil(3);
        let added = again(script, || wal.append(RecordType::Data, stream, 4, seq, n as i64, &payload));
        if let Err(fault) = added {
            return dead(&mut wal, &fault).map(|()| ran);
        }
        if script.flushes(n) {
            match again(script, || if script.behind { wal.flush_begin() } else { wal.flush() }) {
                Ok(seq) => ran.flushed = seq,
                Err(fault) => return dead(&mut wal, &fault).map(|()| ran),
            }
        }
    }
    ran.finished = wal.close().is_ok();
    Ok(ran)
}

fn dead(wal: &mut Wal<MemStorage>, fault: &WalFault) -> Result<(), String> {
    let poisoned = |fault: Option<WalFault>| matches!(fault, Some(WalFault::Poisoned(_)));
    // A full disk is no failure of the log: whoever makes room goes on, and this run is one that did not.
    if matches!(fault, WalFault::DiskFull { op: "write" | "create", .. })
        || poisoned(wal.flush().err()) && poisoned(wal.append(RecordType::Data, "a", 1, 1, 0, b"").err())
    {
        Ok(())
    } else {
        Err(format!("a WAL that failed goes on after: {fault}"))
    }
}

/// (`wal_seq`, stream, seq, payload) of every record of whole blocks, read from scratch.
pub type Found = Vec<(u64, String, u64, Vec<u8>)>;

/// Reads all of a WAL through the reader the loader uses.
///
/// # Errors
/// The disk fails.
pub fn read_all(disk: &MemStorage, plant: Option<Plant>) -> Result<Found, String> {
    let mut found = Vec::new();
    for segment in segments(disk).map_err(|e| e.to_string())? {
        let mut offset = 0;
        while let Some((item, next)) = read_block(disk, &segment.name, offset).map_err(|e| e.to_string())? {
            let Item::Block(block) = item else { break };
            for record in &block.records {
                let payload = block.payload(record).to_vec();
                found.push((record.wal_seq, record.stream.clone(), record.seq, payload));
            }
            offset = next;
        }
    }
    if plant == Some(Plant::AlteredBlock)
        && let Some(byte) = found.last_mut().and_then(|(_, _, _, payload)| payload.first_mut())
    {
        *byte ^= 1;
    }
    Ok(found)
}

/// What was found must be a prefix of what was appended.
///
/// # Errors
/// A record that was never appended, or is not what was.
fn judge_content(script: &Script, found: &Found, ran: Ran) -> Result<(), String> {
    for (place, (wal_seq, stream, seq, bytes)) in found.iter().enumerate() {
        let want = place as u64 + 1;
        let same = *wal_seq == want
            && *stream == STREAMS[want as usize % 3]
            && *seq == want.div_ceil(3)
            && *bytes == script.payload(want);
        if !same {
            return Err(format!("record {wal_seq} at place {place} is not what was appended"));
        }
    }
    let count = found.len() as u64;
    if count > ran.appended {
        return Err(format!("{} were appended and {count} are there", ran.appended));
    }
    Ok(())
}

/// Crash points examined and what was wrong at them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Crashes {
    pub points: u64,
    /// Points by the way the operation failed.
    pub by_mishap: BTreeMap<String, u64>,
    /// Points at which a block was left torn: whole blocks were cut off by the restart, or sectors of one were lost.
    pub torn: u64,
    /// WALs opened again: after the crash, after a killed restart, after a power cut behind the restart.
    pub restarts: u64,
    /// Points where an acknowledged record was not there.
    pub lost: Vec<String>,
    /// Points where a record was there that nobody appended, or that was changed.
    pub wrong: Vec<String>,
    /// Points where the WAL would not open, not verify, not go on, or changed by being opened.
    pub broken: Vec<String>,
}

impl Crashes {
    /// Adds another run's points.
    pub fn add(&mut self, other: Self) {
        self.points += other.points;
        self.torn += other.torn;
        self.restarts += other.restarts;
        for (mishap, points) in other.by_mishap {
            *self.by_mishap.entry(mishap).or_default() += points;
        }
        self.lost.extend(other.lost);
        self.wrong.extend(other.wrong);
        self.broken.extend(other.broken);
    }
}

/// Fails each operation of the script in each way, crashes in each way, restarts, kills the restart, and goes on writing.
pub fn crash_loop(script: &Script, plant: Option<Plant>) -> Crashes {
    let mut all = Crashes::default();
    for mishap in MISHAPS {
        for n in 1.. {
            let disk = MemStorage::new();
            if plant == Some(Plant::SyncLies) {
                disk.set_sync_lies();
            }
            disk.plan(n, mishap);
            let ran = run(&disk, script);
            if !disk.struck() {
                break;
            }
            let mut crashes = vec![Crash::Process];
            if script.config.power_safe {
                crashes.extend((0..POWER_SEEDS).map(|seed| Crash::Power { seed }));
            }
            for crash in crashes {
                all.points += 1;
                *all.by_mishap.entry(format!("{mishap:?}")).or_default() += 1;
                let at = format!("{mishap:?} at {n}, {crash:?}");
                match &ran {
                    Ok(ran) => point(&disk, script, *ran, crash, plant, &at, &mut all),
                    Err(what) => all.broken.push(format!("{at}: {what}")),
                }
            }
        }
    }
    all
}

fn point(
    disk: &MemStorage,
    script: &Script,
    ran: Ran,
    crash: Crash,
    plant: Option<Plant>,
    at: &str,
    all: &mut Crashes,
) {
    let after = disk.after(crash);
    let found = match reopened(&after, script, plant, all) {
        Ok((found, torn)) => {
            all.torn += u64::from(torn);
            found
        }
        Err(what) => return all.broken.push(format!("{at}: {what}")),
    };
    if let Err(what) = judge_content(script, &found, ran) {
        return all.wrong.push(format!("{at}: {what}"));
    }
    if (found.len() as u64) < ran.flushed {
        return all.lost.push(format!("{at}: {} were flushed and {} are there", ran.flushed, found.len()));
    }
    if let Err(what) = goes_on(disk, &after, script, crash, &found, all) {
        all.broken.push(format!("{at}: {what}"));
    }
}

/// Opens the WAL again and reads all of it; whether a torn tail was cut. What recovery says and what is read must agree.
fn reopened(
    disk: &MemStorage,
    script: &Script,
    plant: Option<Plant>,
    all: &mut Crashes,
) -> Result<(Found, bool), String> {
    all.restarts += 1;
    let (wal, recovery) =
        Wal::open(disk.clone(), script.config.clone()).map_err(|fault| fault.to_string())?;
    let found = read_all(disk, plant)?;
    let last: BTreeMap<_, _> = found.iter().map(|(_, stream, seq, _)| (stream.clone(), *seq)).collect();
    let held: BTreeMap<_, _> = recovery.streams.iter().map(|(s, p)| (s.clone(), p.seq)).collect();
    if recovery.last_wal_seq != found.len() as u64
        || wal.last_wal_seq() != recovery.last_wal_seq
        || last != held
    {
        return Err(format!("recovery says {recovery:?} and {} records are read", found.len()));
    }
    drop(wal);
    Ok((found, recovery.torn_bytes > 0))
}

/// A restart that is killed changes nothing, a power cut behind one neither; then the WAL takes more and verifies.
fn goes_on(
    disk: &MemStorage,
    after: &MemStorage,
    script: &Script,
    crash: Crash,
    found: &Found,
    all: &mut Crashes,
) -> Result<(), String> {
    let same = |again: Found, when: String| {
        let text = || format!("{when}: {} records became {}", found.len(), again.len());
        if again == *found { Ok(()) } else { Err(text()) }
    };
    for kill in 1..=RESTART_KILLS {
        let again = disk.after(crash);
        again.plan(kill, Mishap::KillMid);
        drop(Wal::open(again.clone(), script.config.clone()));
        let (again, _) = reopened(&again.after(Crash::Process), script, None, all)?;
        same(again, format!("restart killed at {kill}"))?;
    }
    if script.config.power_safe {
        let (again, _) = reopened(&after.after(Crash::Power { seed: 1 }), script, None, all)?;
        same(again, "power cut after the restart".into())?;
    }
    let (mut wal, _) = Wal::open(after.clone(), script.config.clone()).map_err(|e| e.to_string())?;
    for more in 1..=3 {
        let seq = wal.append(RecordType::Data, "more", 1, more, 0, &[9; 700]);
        let seq = seq.and_then(|seq| wal.flush().map(|_| seq));
        if seq != Ok(found.len() as u64 + more) {
            return Err(format!("writing on gives {seq:?}"));
        }
    }
    wal.close().map_err(|e| e.to_string())?;
    let report = verify(after).map_err(|e| e.to_string())?;
    let whole = report.faults_total == 0
        && report.records == found.len() as u64 + 3
        && report.sealed == report.segments
        && report.unfinished_bytes == 0;
    if whole { Ok(()) } else { Err(format!("verify: {report:?}")) }
}

/// How one damaged WAL was met.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sweep {
    pub cases: u64,
    /// The verifier named a fault.
    pub named: u64,
    /// The writer refused to open.
    pub refused: u64,
    /// Only the last block of an open segment looked torn, and was reported as cut.
    pub cut: u64,
    /// A changed block was taken.
    pub accepted: Vec<String>,
}

/// A WAL with sealed segments and an open one, and the records in it.
#[derive(Debug)]
pub struct Specimen {
    disk: MemStorage,
    script: Script,
    found: Found,
    sealed: Vec<String>,
    open: String,
}

impl Specimen {
    /// Made of the first records of a script, at its compression.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(compression: Compression) -> Result<Self, String> {
        let mut script = Script::seeded(3, false, compression);
        script.config.segment_bytes = 700;
        let disk = MemStorage::new();
        let text = |fault: WalFault| fault.to_string();
        let (mut wal, _) = Wal::open(disk.clone(), script.config.clone()).map_err(text)?;
        let mut found = Vec::new();
        for n in 1..=24_u64 {
            let payload = script.payload(n).into_iter().take(150).collect::<Vec<_>>();
            let (stream, seq) = (STREAMS[n as usize % 3], n.div_ceil(3));
            wal.append(RecordType::Data, stream, 4, seq, n as i64, &payload).map_err(text)?;
            found.push((n, stream.to_string(), seq, payload));
            if n % 3 == 0 {
                wal.flush().map_err(text)?;
            }
        }
        drop(wal);
        let all = segments(&disk).map_err(text)?;
        let sealed = all.iter().filter(|s| s.sealed).map(|s| s.name.clone()).collect();
        let open = all.iter().find(|s| !s.sealed).map(|s| s.name.clone()).ok_or("no open segment")?;
        Ok(Self { disk, script, found, sealed, open })
    }

    fn check(&self, disk: &MemStorage, case: &str, plant: Option<Plant>, sweep: &mut Sweep) {
        sweep.cases += 1;
        let named = verify(disk).is_ok_and(|report| !report.ok());
        let outcome = Wal::open(disk.clone(), self.script.config.clone());
        sweep.named += u64::from(named);
        match outcome {
            Err(_) => sweep.refused += 1,
            Ok((wal, recovery)) => {
                drop(wal);
                let read = read_all(disk, plant).unwrap_or_default();
                let shorter = read.len() < self.found.len() && recovery.torn_bytes > 0;
                let prefix = self.found.starts_with(&read);
                sweep.cut += u64::from(shorter && prefix);
                // Whole again after all: the damage was in a byte that nothing is read from and that verify names.
                let harmless = prefix && read.len() == self.found.len() && named;
                if !(prefix && shorter || harmless) {
                    sweep.accepted.push(case.to_string());
                }
            }
        }
    }

    /// Flips every `step`-th bit of every segment; and moves, doubles and swaps whole blocks, as a misdirected write does.
    pub fn sweep(&self, step: usize, plant: Option<Plant>) -> Sweep {
        let mut sweep = Sweep::default();
        for name in self.sealed.iter().chain([&self.open]) {
            let bits = self.disk.len(name).unwrap_or(0) as usize * 8;
            for bit in (0..bits).step_by(step) {
                let copy = self.disk.after(Crash::Process);
                copy.damage(name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
                self.check(&copy, &format!("{name} bit {bit}"), plant, &mut sweep);
            }
            self.misdirect(name, plant, &mut sweep);
        }
        sweep
    }

    fn misdirect(&self, name: &str, plant: Option<Plant>, sweep: &mut Sweep) {
        let mut spans = Vec::new();
        let mut offset = 0;
        while let Ok(Some((Item::Block(block), next))) = read_block(&self.disk, name, offset) {
            spans.push((next as usize - block.size, next as usize));
            offset = next;
        }
        for (from, &source) in spans.iter().enumerate() {
            for (to, &target) in spans.iter().enumerate() {
                if from == to {
                    continue;
                }
                let copy = self.disk.after(Crash::Process);
                copy.damage(name, |bytes| {
                    let block = bytes[source.0..source.1].to_vec();
                    bytes.splice(target.0..target.1, block);
                });
                self.check(&copy, &format!("{name} block {from} at {to}"), plant, sweep);
            }
        }
    }
}
