//! What one seed makes of the world: a random subset of faults at a random strength, and capacities that are often tiny.

use crate::faults::Fault;
use crate::rng::Rng;
use tidegate_journal::Tier;

const MS: u64 = 1_000_000;

/// The knobs of one run.
#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    /// How long the world is disturbed, before it heals, in simulated ns.
    pub duration_ns: u64,
    pub tier: Tier,
    /// Whether effects also wait for the standby.
    pub replicated: bool,
    pub strategies: usize,
    /// Mean time between two intents of one strategy.
    pub intent_mean_ns: u64,
    /// Mean time between two acts of the market at the venue.
    pub market_mean_ns: u64,
    /// Frames in a million lost, doubled, overtaken, corrupted.
    pub drop_ppm: u32,
    pub double_ppm: u32,
    pub overtake_ppm: u32,
    pub corrupt_ppm: u32,
    /// Mean one-way delay of a frame.
    pub delay_ns: u64,
    pub venue_delay_ns: u64,
    /// Answers of the venue in a million that are lost, late, or say that nothing is known.
    pub answer_lost_ppm: u32,
    pub answer_unclear_ppm: u32,
    pub refuse_ppm: u32,
    pub not_seen_ppm: u32,
    pub event_lost_ppm: u32,
    pub event_double_ppm: u32,
    pub event_early_ppm: u32,
    pub overfill_ppm: u32,
    pub bust_ppm: u32,
    pub garbage_ppm: u32,
    pub absurd_px_ppm: u32,
    /// Terminal outcomes the gateway remembers.
    pub outcomes_max: usize,
    pub link_window: u32,
    pub segment_bytes: u64,
    pub proof_every: u64,
    /// Orders the venue takes in ten seconds.
    pub orders_per_10s: usize,
    /// A negative control: every sync of every disk says it is done and does nothing.
    pub lying_disk: bool,
    /// Mean time between two injections of each timed fault; 0 = never in this seed.
    pub every_ns: [u64; Fault::ALL.len()],
}

impl Options {
    /// The options of a seed.
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5eed_0f0a);
        let mut every_ns = [0; Fault::ALL.len()];
        let strength = rng.range(1, 5);
        for fault in Fault::ALL {
            if rng.chance(550_000) {
                every_ns[fault as usize] = rng.range(400, 4_000) * MS / strength;
            }
        }
        // Some seeds are calm but for one fault, so that its own effect is not buried under the others'.
        if rng.chance(150_000) {
            let only = rng.below(Fault::ALL.len() as u64) as usize;
            for (at, every) in every_ns.iter_mut().enumerate() {
                *every = if at == only { 300 * MS } else { 0 };
            }
        }
        let mut ppm = |on: u32, max: u64| if rng.chance(on) { rng.range(1, max) as u32 } else { 0 };
        let (drop_ppm, double_ppm) = (ppm(400_000, 120_000), ppm(400_000, 150_000));
        let (overtake_ppm, corrupt_ppm) = (ppm(400_000, 100_000), ppm(400_000, 50_000));
        let (answer_lost_ppm, answer_unclear_ppm) = (ppm(400_000, 150_000), ppm(400_000, 150_000));
        let (refuse_ppm, not_seen_ppm) = (ppm(400_000, 150_000), ppm(400_000, 300_000));
        let (event_lost_ppm, event_double_ppm) = (ppm(300_000, 120_000), ppm(400_000, 300_000));
        let (event_early_ppm, overfill_ppm) = (ppm(400_000, 400_000), ppm(250_000, 40_000));
        let (bust_ppm, garbage_ppm) = (ppm(450_000, 80_000), ppm(500_000, 80_000));
        let absurd_px_ppm = ppm(400_000, 100_000);
        let tiny = rng.chance(500_000);
        // The window is shared by all, so the smallest one goes with one strategy that repeats only what fits it.
        let smallest = tiny && rng.chance(400_000);
        let strategies = if smallest { 1 } else { rng.range(1, 4) as usize };
        if smallest {
            every_ns[Fault::F30 as usize] = 0;
        }
        Self {
            seed,
            duration_ns: rng.range(4_000, 12_000) * MS,
            tier: if rng.chance(200_000) { Tier::T0 } else { Tier::T2 },
            replicated: rng.chance(500_000),
            strategies,
            intent_mean_ns: rng.range(5, 60) * MS,
            market_mean_ns: rng.range(5, 60) * MS,
            drop_ppm,
            double_ppm,
            overtake_ppm,
            corrupt_ppm,
            delay_ns: rng.range(20_000, 2_000_000),
            venue_delay_ns: rng.range(1, 40) * MS,
            answer_lost_ppm,
            answer_unclear_ppm,
            refuse_ppm,
            not_seen_ppm,
            event_lost_ppm,
            event_double_ppm,
            event_early_ppm,
            overfill_ppm,
            bust_ppm,
            garbage_ppm,
            absurd_px_ppm,
            outcomes_max: match (smallest, tiny) {
                (true, _) => 64,
                (_, true) => 512,
                _ => 4_096,
            },
            link_window: if tiny { rng.range(8, 32) as u32 } else { 1_024 },
            segment_bytes: if tiny { 32_768 } else { 262_144 },
            proof_every: rng.range(8, 64),
            orders_per_10s: if tiny { rng.range(10, 60) as usize } else { 400 },
            lying_disk: false,
            every_ns,
        }
    }
}
