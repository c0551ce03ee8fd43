//! The core before its journal: what a tier costs beside the disk alone, batch by batch and under a load that does not wait.

use super::decision::decide_all;
use super::places::Places;
use super::world::{Asked, Size, World, empty, records};
use crate::raw_file::RawFile;
use crate::report::Report;
use crate::timing::median;
use serde_json::{Value, json};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};
use tidegate_journal::{Behind, Journal, JournalConfig, Tier, cpu};
use tidegate_risk::Effects;
use tidegate_wire::envelope;

const STREAM: &str = "gateway.journal";
const KIND_ENVELOPE: u8 = 1;
/// Decisions a commit, and commits a round: with what is open already, no more orders than the limits let be open.
const BATCHES: [(usize, usize); 4] = [(1, 256), (8, 128), (64, 88), (512, 11)];
/// Rounds before the ones that count.
const WARM_UP: usize = 1;
/// Most decisions of one turn under an open load.
const TURN_MAX: usize = 512;
/// Decisions a second of the open loads.
const RATES: [u64; 4] = [1_000, 5_000, 20_000, 50_000];
const SECONDS: f64 = 1.0;

fn fault(what: &str, error: impl std::fmt::Display) -> String {
    format!("{what}: {error}")
}

/// A world whose every record goes to a journal.
struct Kept {
    world: World,
    journal: Behind,
}

/// Hands the records to the journal; gives their bytes.
fn append(journal: &mut Behind, out: &mut Effects, mono: u64) -> Result<usize, String> {
    let mut bytes = 0;
    for effect in records(out) {
        let wall = effect.envelope.ts_recv_ns;
        let write = |buf: &mut Vec<u8>| {
            let from = buf.len();
            envelope::append_to(buf, &effect.envelope);
            bytes += buf.len() - from;
        };
        let seq = journal.append(KIND_ENVELOPE, mono, wall, write).map_err(|e| e.to_string())?;
        if seq != effect.envelope.log_seq {
            return Err(format!("the journal gave {seq} to record {}", effect.envelope.log_seq));
        }
    }
    out.clear();
    Ok(bytes)
}

fn config(tier: Tier, segment_bytes: u64) -> JournalConfig {
    JournalConfig { segment_bytes, ..JournalConfig::new(STREAM, tier) }
}

impl Kept {
    fn new(dir: &Path, tier: Tier, scale: &Scale, places: Option<Places>) -> Result<Self, String> {
        let opened = Journal::open(dir, config(tier, scale.segment_bytes)).map_err(|e| e.to_string())?;
        let mut journal =
            Behind::new(opened.0, places.map(|places| places.disk)).map_err(|e| fault("thread", e))?;
        let mut world = World::new(scale.size, scale.seed, false)?;
        world.grow(|out| {
            append(&mut journal, out, 0)?;
            journal.commit().map(drop).map_err(|e| e.to_string())
        })?;
        Ok(Self { world, journal })
    }

    fn append(&mut self) -> Result<usize, String> {
        append(&mut self.journal, &mut self.world.out, self.world.now.mono_ns)
    }

    fn commit(&mut self) -> Result<(), String> {
        self.journal.commit().map(drop).map_err(|e| e.to_string())
    }

    /// The venue ends what is above the number that is to be open, outside of any time that counts.
    fn settle(&mut self, asked: &[Asked]) -> Result<(), String> {
        self.world.opened(asked);
        self.world.retire()?;
        self.append()?;
        self.commit()
    }

    /// Reads the whole journal back into a new core; gives the records and whether its state is the one that wrote it.
    fn replays(self, dir: &Path, tier: Tier, scale: &Scale) -> Result<(u64, bool), String> {
        let Self { world, journal } = self;
        journal.close().map_err(|e| e.to_string())?;
        let (mut journal, recovery) =
            Journal::open(dir, config(tier, scale.segment_bytes)).map_err(|e| e.to_string())?;
        let mut core = empty(scale.size)?;
        let mut wrong = None;
        let each = |record: tidegate_journal::Record<'_>| {
            if wrong.is_none() {
                let read = envelope::decode_checked(record.payload).map_err(|e| format!("{e:?}"));
                wrong = read.and_then(|record| core.recover(&record).map_err(|e| e.to_string())).err();
            }
        };
        journal.read_from(0, usize::MAX, each).map_err(|e| e.to_string())?;
        if let Some(wrong) = wrong {
            return Err(format!("the journal does not fold: {wrong}"));
        }
        let whole = recovery.last_seq == world.core.state().log_seq();
        Ok((recovery.last_seq, whole && core.state().hash() == world.core.state().hash()))
    }
}

/// How much of this part is run.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub size: Size,
    pub seed: u64,
    pub rounds: usize,
    /// Of one round of the closed loop.
    pub commits: usize,
    /// A hundredth of the commits, rates and rounds otherwise, for a test.
    pub tiny: bool,
    pub segment_bytes: u64,
    /// `None` leaves it to the system.
    pub places: Option<Places>,
}

fn keep_to(cpus: &[usize]) -> Result<(), String> {
    cpu::keep_to(cpus).map_err(|e| fault("CPU", e))
}

/// Puts this thread where decisions are made.
fn decides(places: Option<Places>) -> Result<(), String> {
    places.map_or(Ok(()), |places| keep_to(&[places.core]))
}

/// Records a second of each way to take a batch, round by round.
#[derive(Debug, Default)]
struct Rates {
    unjournalled: Vec<f64>,
    raw: Vec<f64>,
    ours: Vec<f64>,
    ratios: Vec<f64>,
}

fn seconds(run: impl FnOnce() -> Result<(), String>) -> Result<f64, String> {
    let began = Instant::now();
    run()?;
    Ok(began.elapsed().as_secs_f64())
}

/// The decisions alone, batch by batch; seconds, and bytes of their records.
fn bare_turn(twin: &mut World, batch: usize, commits: usize) -> Result<(f64, usize), String> {
    let asked = twin.fresh_many(batch * commits);
    let mut buf = Vec::with_capacity(4_096);
    let mut bytes = 0;
    let took = seconds(|| {
        for each in asked.chunks(batch) {
            bytes += black_box(decide_all(twin, each, &mut buf)?);
        }
        Ok(())
    })?;
    twin.opened(&asked);
    twin.retire()?;
    twin.out.clear();
    Ok((took, bytes))
}

/// The same decisions, each batch made safe behind the next.
fn kept_turn(kept: &mut Kept, batch: usize, commits: usize) -> Result<f64, String> {
    let asked = kept.world.fresh_many(batch * commits);
    let took = seconds(|| {
        for each in asked.chunks(batch) {
            for one in each {
                kept.world.decide(one)?;
                kept.append()?;
            }
            kept.journal.hand_over().map_err(|e| e.to_string())?;
        }
        kept.commit()
    })?;
    kept.settle(&asked)?;
    Ok(took)
}

/// One round of one batch size: the same decisions without a journal and with it, and the same bytes without decisions.
///
/// Both worlds draw the same from the same seed. Each decides after the other has, so that each finds the caches full of the other's
/// orders; who goes first alternates.
fn rate_round(
    kept: &mut Kept,
    twin: &mut World,
    raw: &mut RawFile,
    (batch, commits): (usize, usize),
    (kept_first, places): (bool, Option<Places>),
    rates: &mut Rates,
) -> Result<(), String> {
    let early = if kept_first { Some(kept_turn(kept, batch, commits)?) } else { None };
    let (bare, bytes) = bare_turn(twin, batch, commits)?;
    let ours = match early {
        Some(took) => took,
        None => kept_turn(kept, batch, commits)?,
    };
    let zeros = vec![0; bytes / commits];
    // The floor of the disk is measured where the disk is fastest.
    if let Some(Places { disk, .. }) = places {
        keep_to(&[disk])?;
    }
    let disk = seconds(|| (0..commits).try_for_each(|_| raw.commit(&zeros)))?;
    decides(places)?;
    let per_s = |s: f64| (batch * commits) as f64 / s;
    rates.unjournalled.push(per_s(bare));
    rates.raw.push(per_s(disk));
    rates.ours.push(per_s(ours));
    rates.ratios.push(per_s(ours) / per_s(bare).min(per_s(disk)));
    Ok(())
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

/// What a commit of one decision adds, and what the same bytes cost the disk alone, one after the other.
fn closed_round(kept: &mut Kept, raw: &mut RawFile, commits: usize) -> Result<(Vec<f64>, Vec<f64>), String> {
    let (mut ours, mut bare) = (Vec::with_capacity(commits), Vec::with_capacity(commits));
    let us = |began: Instant| began.elapsed().as_secs_f64() * 1e6;
    let zeros = vec![0; 1 << 16];
    let asked = kept.world.fresh_many(commits);
    // The bytes of the last one before, where the disk alone goes first.
    let mut bytes = 512;
    for (n, one) in asked.iter().enumerate() {
        kept.world.decide(one)?;
        let mut commit = |ours: &mut Vec<f64>| -> Result<usize, String> {
            let began = Instant::now();
            let bytes = kept.append()?;
            kept.commit()?;
            ours.push(us(began));
            Ok(bytes)
        };
        if n % 2 == 0 {
            bytes = commit(&mut ours)?;
        }
        let began = Instant::now();
        raw.commit(&zeros[..bytes])?;
        bare.push(us(began));
        if n % 2 == 1 {
            bytes = commit(&mut ours)?;
        }
    }
    kept.settle(&asked)?;
    Ok((ours, bare))
}

/// Decisions that come at their times whether the last ones are done or not; each waits from when it was due until its records
/// were safe.
fn open_loop(kept: &mut Kept, rate: u64, seconds: f64) -> Result<Value, String> {
    let count = ((rate as f64 * seconds) as usize).max(1);
    let asked = kept.world.fresh_many(count);
    let mut waited = Vec::with_capacity(count);
    let (began, mut taken, mut turns) = (Instant::now(), 0, 0_u64);
    let due = |n: usize| Duration::from_nanos((n as u64).saturating_mul(1_000_000_000) / rate);
    while taken < count {
        let now = began.elapsed();
        let arrived = ((now.as_nanos() * u128::from(rate) / 1_000_000_000) as usize + 1).min(count);
        if arrived <= taken {
            std::hint::spin_loop();
            continue;
        }
        let turn = &asked[taken..arrived.min(taken + TURN_MAX)];
        for one in turn {
            kept.world.decide(one)?;
            kept.append()?;
        }
        // What the venue ended in the meantime is part of the same commit.
        kept.world.opened(turn);
        kept.world.retire()?;
        kept.append()?;
        kept.commit()?;
        let released = began.elapsed();
        waited
            .extend((taken..taken + turn.len()).map(|n| released.saturating_sub(due(n)).as_secs_f64() * 1e6));
        taken += turn.len();
        turns += 1;
    }
    let reached = count as f64 / began.elapsed().as_secs_f64();
    let at = |share| (quantile(&waited, share) * 10.0).round() / 10.0;
    Ok(json!({
        "rate": rate, "reached_per_s": reached.round(), "decisions_a_commit": count as f64 / turns as f64,
        "p50_us": at(0.5), "p99_us": at(0.99), "p999_us": at(0.999), "max_us": at(1.0),
    }))
}

/// Runs this part in a folder of its own on the disk to measure, and writes its checks and figures.
///
/// # Errors
/// A disk that cannot be written, a core or a journal that refuses its own record.
pub fn run(report: &mut Report, work: &Path, scale: &Scale) -> Result<(), String> {
    let places = scale.places;
    let t2 = work.join("t2");
    let mut kept = Kept::new(&t2, Tier::T2, scale, places)?;
    let mut kept_t0 = Kept::new(&work.join("t0"), Tier::T0, scale, places)?;
    // After the writers' threads are there: they would begin where this one keeps to.
    decides(places)?;
    report.figure("cpus", places.map(|Places { core, disk }| json!({ "core": core, "disk": disk })));
    let mut twin = World::new(scale.size, scale.seed, false)?;
    twin.grow(|out| {
        out.clear();
        Ok(())
    })?;
    let mut raw = RawFile::create(&work.join("raw"), scale.segment_bytes)?;
    let mut rates: Vec<Rates> = BATCHES.iter().map(|_| Rates::default()).collect();
    let part = if scale.tiny { 8 } else { 1 };
    for round in 0..scale.rounds + WARM_UP {
        for ((batch, commits), rates) in BATCHES.iter().zip(&mut rates) {
            let mut warm_up = Rates::default();
            let rates = if round < WARM_UP { &mut warm_up } else { rates };
            let size = (*batch, commits.div_ceil(part));
            rate_round(&mut kept, &mut twin, &mut raw, size, (round % 2 == 1, places), rates)?;
        }
    }
    let twins_differ = kept.world.core.state().hash() != twin.core.state().hash();
    drop(twin);
    let lowest = rates.iter().map(|rates| median(&rates.ratios)).fold(f64::INFINITY, f64::min);
    report.check("t2_rate_vs_floor", lowest, ">=", 0.8, "");
    let by_batch: serde_json::Map<String, Value> = BATCHES
        .iter()
        .zip(&rates)
        .map(|((batch, _), rates)| {
            let figures = json!({
                "ratio": median(&rates.ratios), "ours_per_s": median(&rates.ours).round(),
                "unjournalled_per_s": median(&rates.unjournalled).round(), "raw_per_s": median(&rates.raw).round(),
            });
            (batch.to_string(), figures)
        })
        .collect();
    report.figure("t2_rate_by_batch", by_batch);

    let mut ratios = [vec![], vec![]];
    let (mut all_ours, mut all_raw) = (vec![], vec![]);
    for round in 0..scale.rounds + WARM_UP {
        let (ours, bare) = closed_round(&mut kept, &mut raw, scale.commits)?;
        if round < WARM_UP {
            continue;
        }
        for (ratios, share) in ratios.iter_mut().zip([0.5, 0.99]) {
            ratios.push(quantile(&ours, share) / quantile(&bare, share));
        }
        all_ours.extend(ours);
        all_raw.extend(bare);
    }
    report.check("t2_added_p50_vs_fdatasync", median(&ratios[0]), "<=", 1.15, "");
    report.check("t2_added_p99_vs_fdatasync", median(&ratios[1]), "<=", 1.5, "");
    let us = |values: &[f64]| json!({ "p50": quantile(values, 0.5), "p99": quantile(values, 0.99), "p999": quantile(values, 0.999) });
    report.figure(
        "t2_closed_loop",
        json!({
            "ours_us": us(&all_ours), "raw_us": us(&all_raw), "rounds": scale.rounds, "commits_a_round": scale.commits,
            "p50_ratios": ratios[0], "p99_ratios": ratios[1],
        }),
    );

    let (rates, seconds) = if scale.tiny { (&RATES[..1], 0.05) } else { (&RATES[..], SECONDS) };
    let mut tiers = serde_json::Map::new();
    for (name, kept) in [("T0", &mut kept_t0), ("T2", &mut kept)] {
        let lines: Result<Vec<Value>, String> =
            rates.iter().map(|rate| open_loop(kept, *rate, seconds)).collect();
        tiers.insert(name.into(), lines?.into());
    }
    report.figure("open_loop", tiers);
    let (mut differ, mut replayed, mut surprises, mut decided) = (u64::from(twins_differ), 0, 0, 0);
    for (tier, dir, kept) in [(Tier::T0, work.join("t0"), kept_t0), (Tier::T2, t2, kept)] {
        let (wrong, all) = kept.world.surprises();
        (surprises, decided) = (surprises + wrong, decided + all);
        let (records, same) = kept.replays(&dir, tier, scale)?;
        replayed += records;
        differ += u64::from(!same);
    }
    report.zero("replayed_states_that_differ", differ, replayed, 1_000);
    report.zero("journalled_decisions_unexpected", surprises, decided, 1_000);
    Ok(())
}
