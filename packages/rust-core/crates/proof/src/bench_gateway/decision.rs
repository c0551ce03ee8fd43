//! What one decision costs beside nine bare checks, both over the same ids, instruments and strategies.

use super::floor::Floor;
use super::world::{Asked, PX_MAX, REFERENCE_PX, Size, World, records};
use crate::report::Report;
use crate::timing::{median, tail};
use serde_json::json;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tidegate_risk::limits::OUTCOMES_MAX;
use tidegate_units::{IntentId, StrategyId};
use tidegate_wire::envelope;
use tidegate_wire::pb::common::v1::Side;
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::orders::v1::{Intent, Reason};

/// Decisions timed at once, after which the venue ends as many orders: the number open stays what it is to be.
const TURN: usize = 512;

/// Decides each and encodes every record that it leads to; gives the bytes.
pub fn decide_all(world: &mut World, asked: &[Asked], buf: &mut Vec<u8>) -> Result<usize, String> {
    let mut bytes = 0;
    for one in asked {
        world.decide(one)?;
        for effect in records(&world.out) {
            envelope::encode_into(buf, &effect.envelope);
            bytes += black_box(&*buf).len();
        }
        world.out.clear();
    }
    Ok(bytes)
}

/// A case of an intent that is refused, with the reason it must be refused for.
struct Wrong {
    name: &'static str,
    reason: Reason,
    /// Whether the journal holds the refusal.
    kept: bool,
    spoil: fn(&mut World, Asked) -> Option<Asked>,
}

fn spoilt(asked: Asked, with: impl FnOnce(&mut Intent)) -> Option<Asked> {
    let mut asked = asked;
    with(&mut asked.intent);
    Some(asked)
}

/// The id of an order that lives, with this content.
fn as_again(world: &mut World, with: impl FnOnce(&mut Intent)) -> Option<Asked> {
    let mut intent = world.any_open()?;
    with(&mut intent);
    let hi = intent.intent_id?.hi;
    Some(Asked { principal: StrategyId((hi >> 32) as u32), intent, ..world.fresh() })
}

const WRONG: [Wrong; 9] = [
    Wrong {
        name: "UNKNOWN_INSTRUMENT",
        reason: Reason::UnknownInstrument,
        kept: true,
        spoil: |_, a| spoilt(a, |i| i.instrument_id = 999_999),
    },
    Wrong {
        name: "UNAUTHORISED_PRINCIPAL",
        reason: Reason::UnauthorisedPrincipal,
        kept: true,
        spoil: |_, a| spoilt(a, |i| i.account_id = i.account_id % 4 + 1),
    },
    Wrong {
        name: "QTY_ZERO_OR_NEG",
        reason: Reason::QtyZeroOrNeg,
        kept: true,
        spoil: |_, a| spoilt(a, |i| i.qty_lots = 0),
    },
    Wrong {
        name: "INSTRUMENT_TABLE_VERSION",
        reason: Reason::InstrumentTableVersion,
        kept: true,
        spoil: |_, a| spoilt(a, |i| i.instrument_table_version = 2),
    },
    Wrong {
        name: "PRICE_OUTSIDE_COLLAR",
        reason: Reason::PriceOutsideCollar,
        kept: true,
        spoil: |_, a| spoilt(a, |i| i.px_ticks = REFERENCE_PX + REFERENCE_PX / 10),
    },
    Wrong {
        name: "PRICE_EXCEEDS_CAP",
        reason: Reason::PriceExceedsCap,
        kept: true,
        spoil: |_, a| spoilt(a, |i| i.px_ticks = PX_MAX + 1),
    },
    Wrong {
        name: "SELF_MATCH",
        reason: Reason::SelfMatch,
        kept: true,
        spoil: |world, a| {
            let other = world.any_open()?;
            let strategy = StrategyId((other.intent_id?.hi >> 32) as u32);
            let buys = other.side == Side::Buy as i32;
            let seq = (1 << 50) + world.below(1 << 50);
            let (hi, lo) = IntentId::new(strategy, 7, seq).halves();
            let intent = Intent {
                intent_id: Some(tidegate_wire::pb::common::v1::IntentId { hi, lo }),
                side: if buys { Side::Sell } else { Side::Buy }.into(),
                ..other
            };
            Some(Asked { principal: strategy, intent, ..a })
        },
    },
    Wrong {
        name: "OK, repeated",
        reason: Reason::Ok,
        kept: false,
        spoil: |world, _| as_again(world, |_| {}),
    },
    Wrong {
        name: "ID_REUSED",
        reason: Reason::IdReused,
        kept: false,
        spoil: |world, _| as_again(world, |i| i.qty_lots += 1),
    },
];

/// Sends some of each kind of wrong intent; gives ns of each and how many were answered otherwise than they should be.
fn wrong(world: &mut World, of_each: usize) -> Result<(serde_json::Value, u64, u64), String> {
    let (mut figures, mut unexpected, mut all) = (serde_json::Map::new(), 0, 0);
    let mut buf = Vec::new();
    for case in &WRONG {
        let mut each = Vec::with_capacity(of_each);
        for _ in 0..of_each {
            let fresh = world.fresh();
            let Some(asked) = (case.spoil)(world, fresh) else { continue };
            let began = Instant::now();
            world.decide(&asked)?;
            for effect in records(&world.out) {
                envelope::encode_into(&mut buf, &effect.envelope);
            }
            each.push(began.elapsed());
            let answers = world.out.iter().filter_map(|effect| match &effect.envelope.payload {
                Some(Payload::IntentReply(reply)) => Some((reply.reason(), effect.journal)),
                _ => None,
            });
            unexpected += u64::from(!answers.eq([(case.reason, case.kept)]));
            world.out.clear();
        }
        all += each.len() as u64;
        if case.kept {
            *world.expected.entry(case.reason.into()).or_insert(0) += each.len() as u64;
        }
        figures.insert(case.name.into(), tail(each));
    }
    Ok((figures.into(), unexpected, all))
}

/// Processor time of this thread, in seconds: what others on the machine take of the clock meanwhile is not in it.
fn cpu_s() -> f64 {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    at.tv_sec as f64 + at.tv_nsec as f64 / 1e9
}

/// The nine checks over a turn: seconds, and how many passed.
fn bare_turn(floor: &mut Floor, asked: &[Asked], now_ns: u64) -> (f64, usize) {
    let began = cpu_s();
    let mut passed = 0;
    for (n, one) in asked.iter().enumerate() {
        passed += usize::from(floor.check(&one.intent, now_ns + n as u64));
    }
    let passed = black_box(passed);
    (cpu_s() - began, passed)
}

/// Runs this part and writes its checks and figures.
///
/// # Errors
/// The core refuses its own record, which only a bug makes it do.
pub fn run(report: &mut Report, size: Size, rounds: usize, turns: usize, seed: u64) -> Result<(), String> {
    // Beyond its window the core forgets, and takes ids below what it forgot for decided: random ones would be refused.
    let window = OUTCOMES_MAX.saturating_sub(size.remembered + size.open_orders + 6 * TURN);
    let turns = turns.min(window / ((rounds + 1) * TURN));
    if turns == 0 {
        return Err(format!(
            "--rounds {rounds}: {OUTCOMES_MAX} ids are remembered, and so many rounds need more"
        ));
    }
    let mut world = World::new(size, seed, true)?;
    let room = size.remembered + size.open_orders + (rounds + 1) * turns * TURN;
    let mut floor = Floor::new(size.instruments, size.strategies, REFERENCE_PX, room);
    world.grow(|out| {
        for effect in out.drain(..) {
            if let Some(Payload::Intent(intent)) = &effect.envelope.payload {
                floor.remember(intent);
            }
        }
        Ok(())
    })?;
    let (mut ours, mut bare, mut ratios, mut bytes) = (vec![], vec![], vec![], 0);
    let (mut refused, mut buf) = (0, Vec::with_capacity(4_096));
    for round in 0..=rounds {
        let (mut our_s, mut bare_s) = (0.0, 0.0);
        for turn in 0..turns {
            let asked = world.fresh_many(TURN);
            let now_ns = world.now.mono_ns;
            let mut bare_turn = || {
                let (s, passed) = bare_turn(&mut floor, &asked, now_ns);
                bare_s += s;
                refused += TURN - passed;
            };
            // Who goes first alternates.
            if turn % 2 == 0 {
                bare_turn();
            }
            let began = cpu_s();
            bytes += decide_all(&mut world, &asked, &mut buf)?;
            our_s += cpu_s() - began;
            if turn % 2 == 1 {
                bare_turn();
            }
            world.opened(&asked);
            world.retire()?;
            world.out.clear();
        }
        // The first round warms up.
        if round > 0 {
            let per = 1e9 / (turns * TURN) as f64;
            ours.push(our_s * per);
            bare.push(bare_s * per);
            ratios.push(our_s / bare_s);
        }
    }
    report.check("decision_vs_inline_floor", median(&ratios), "<=", 15, "");
    let single = each(&mut world, (turns * TURN).min(TURN * 4))?;
    let (refusals, unexpected, sent) = wrong(&mut world, (TURN / 2).min(size.open_orders))?;
    let (surprises, decided) = world.surprises();
    report.zero("decisions_unexpected", surprises + unexpected + refused as u64, decided + sent, 1_000);
    let decisions = ((rounds + 1) * turns * TURN) as f64;
    report.figure(
        "decision",
        json!({
            "ours_ns": median(&ours), "floor_ns": median(&bare), "ratios": ratios, "record_bytes": bytes as f64 / decisions,
            "open_orders": world.core.state().open_orders(), "remembered": size.remembered, "instruments": size.instruments,
            "strategies": size.strategies, "books": world.core.state().books().count(), "single_ns": single,
            "refusals_ns": refusals,
        }),
    );
    Ok(())
}

/// Single decisions, each timed by itself with the clock in it.
fn each(world: &mut World, count: usize) -> Result<serde_json::Value, String> {
    let asked = world.fresh_many(count);
    let mut times: Vec<Duration> = Vec::with_capacity(count);
    let mut buf = Vec::new();
    for one in asked.chunks(1) {
        let began = Instant::now();
        decide_all(world, one, &mut buf)?;
        times.push(began.elapsed());
        world.opened(one);
        world.retire()?;
        world.out.clear();
    }
    Ok(tail(times))
}
