//! Random commands of every kind, given to the core and to the plain model; after each the answers, the events, the whole book,
//! the waiting orders, the positions and the places in the queues must be the same.

use super::Plant;
use super::plain::{Plain, Shown};
use crate::books::rng::Rng;
use crate::books::tally::Tally;
use std::collections::BTreeMap;
use tidegate_matching::engine::{
    Engine, Event, Phase, Refused, Request, Stp, Tif, Trail, Trigger, TriggerKind,
};
use tidegate_units::Side;

const ACCOUNTS: u32 = 3;
const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

#[derive(Debug, Clone, Copy)]
enum Command {
    Submit(Request),
    Cancel(u64),
    Amend(u64, i64, i64),
    Halt,
    OpenAuction,
    Resume,
    Uncross(Option<i64>),
    EndDay,
}

fn pick<T: Copy>(rng: &mut Rng, of: &[T], otherwise: T) -> T {
    of.get(rng.below(of.len() as u64) as usize).copied().unwrap_or(otherwise)
}

fn order(rng: &mut Rng, id: u64) -> Request {
    let side = pick(rng, &SIDES, Side::Buy);
    let account = rng.below(u64::from(ACCOUNTS)) as u32;
    let (px, qty) = (95 + rng.below(11) as i64, 1 + rng.below(20) as i64);
    let tif =
        pick(rng, &[Tif::Gtc, Tif::Gtc, Tif::Gtc, Tif::Day, Tif::Ioc, Tif::Fok, Tif::PostOnly], Tif::Gtc);
    let mut order = Request::limit(id, account, side, px, qty, tif);
    if rng.below(8) == 0 {
        order = Request::market(id, account, side, qty);
    }
    let modes = [Stp::None, Stp::None, Stp::ExpireTaker, Stp::ExpireMaker, Stp::ExpireBoth, Stp::Decrement];
    order.stp = pick(rng, &modes, Stp::None);
    if rng.below(5) == 0 {
        order.peak = 1 + rng.below(6) as i64;
    }
    order.reduce_only = rng.below(6) == 0;
    if rng.below(6) == 0 {
        let kind = pick(rng, &[TriggerKind::Stop, TriggerKind::TakeProfit], TriggerKind::Stop);
        let trail = (kind == TriggerKind::Stop && rng.below(2) == 0)
            .then(|| Trail { distance: 1 + rng.below(4) as i64, step: 1 + rng.below(3) as i64 });
        order.trigger = Some(Trigger { kind, px: 93 + rng.below(15) as i64, trail });
    }
    order
}

fn command(rng: &mut Rng, id: u64, open: &[u64], phase: Phase) -> Command {
    let some = pick(rng, open, id);
    let leave = rng.below(6) == 0;
    match (phase, rng.below(100)) {
        (Phase::Halted, _) if leave => pick(rng, &[Command::Resume, Command::OpenAuction], Command::Resume),
        (Phase::Auction, _) if leave => {
            let reference = (rng.below(2) == 0).then(|| 95 + rng.below(11) as i64);
            pick(
                rng,
                &[Command::Uncross(reference), Command::Uncross(reference), Command::Halt],
                Command::Halt,
            )
        }
        (_, 0) => Command::EndDay,
        (_, 1) => Command::Halt,
        (_, 2 | 3) => Command::OpenAuction,
        (_, 4..=15) => Command::Cancel(some),
        (_, 16..=28) => Command::Amend(some, 95 + rng.below(11) as i64, rng.below(22) as i64),
        (_, 29) => pick(rng, &[Command::Resume, Command::Uncross(None)], Command::Resume),
        _ => Command::Submit(order(rng, id)),
    }
}

fn on_core(engine: &mut Engine, command: Command, out: &mut Vec<Event>) -> Result<bool, Refused> {
    match command {
        Command::Submit(order) => engine.submit(&order, out).map(|()| true),
        Command::Cancel(id) => Ok(engine.cancel(id, out)),
        Command::Amend(id, px, open) => engine.amend(id, px, open, out).map(|()| true),
        Command::Halt => {
            engine.halt();
            Ok(true)
        }
        Command::OpenAuction => {
            engine.open_auction();
            Ok(true)
        }
        Command::Resume => engine.resume().map(|()| true),
        Command::Uncross(reference) => engine.uncross(reference, out).map(|_| true),
        Command::EndDay => {
            engine.end_day(out);
            Ok(true)
        }
    }
}

fn on_plain(plain: &mut Plain, command: Command) -> Result<bool, Refused> {
    match command {
        Command::Submit(order) => plain.submit(&order).map(|()| true),
        Command::Cancel(id) => Ok(plain.cancel(id)),
        Command::Amend(id, px, open) => plain.amend(id, px, open).map(|()| true),
        Command::Halt => {
            plain.phase = Phase::Halted;
            Ok(true)
        }
        Command::OpenAuction => {
            plain.phase = Phase::Auction;
            Ok(true)
        }
        Command::Resume => plain.resume().map(|()| true),
        Command::Uncross(reference) => plain.uncross(reference).map(|()| true),
        Command::EndDay => {
            plain.end_day();
            Ok(true)
        }
    }
}

/// Orders of a side as the core has them.
fn side(engine: &Engine, side: Side) -> Vec<Shown> {
    let shown = |id: u64| engine.order(id).map(|open| (id, open.px, open.shown, open.hidden));
    engine.orders(side).filter_map(shown).collect()
}

fn differs(engine: &Engine, plain: &Plain) -> Option<String> {
    for each in SIDES {
        let (core, want) = (side(engine, each), plain.side(each));
        if core != want {
            return Some(format!("{each:?}: {core:?}, want {want:?}"));
        }
        for (id, ..) in want {
            let (core, want) = (engine.queue_ahead(id).map(|ahead| ahead.0), plain.ahead(id));
            if core != want {
                return Some(format!("ahead of {id}: {core:?}, want {want:?}"));
            }
        }
        // The sums of the levels are those of their orders.
        for level in engine.levels(each) {
            let at = side(engine, each).into_iter().filter(|order| order.1 == Some(level.px));
            let sums = at.fold((0, 0, 0), |sums, order| (sums.0 + order.2, sums.1 + order.3, sums.2 + 1));
            if sums != (level.shown, level.hidden, level.orders) {
                return Some(format!("{level:?}: its orders sum to {sums:?}"));
            }
        }
    }
    let trigger = |id: u64| engine.order(id).and_then(|open| open.trigger_px).map(|px| (id, px));
    let waiting: BTreeMap<u64, i64> = engine.waiting_ids().into_iter().filter_map(trigger).collect();
    if waiting != plain.waiting() {
        return Some(format!("waiting: {waiting:?}, want {:?}", plain.waiting()));
    }
    let positions = (0..ACCOUNTS).map(|account| engine.position(account));
    let want = (0..ACCOUNTS).map(|account| plain.positions.get(&account).copied().unwrap_or(0));
    if !positions.clone().eq(want) || engine.phase() != plain.phase {
        return Some(format!("positions {:?} or phase {:?}", positions.collect::<Vec<_>>(), engine.phase()));
    }
    None
}

/// `histories` of so many commands each.
pub fn compare(seed: u64, histories: u64, commands: u64, plant: Plant) -> Tally {
    let mut tally = Tally::new("random");
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    for history in 0..histories {
        let mut rng = Rng::new(seed.wrapping_mul(1_000_003).wrapping_add(history));
        let (mut engine, mut plain) = (Engine::new((), 1 << 16), Plain::default());
        for _ in 0..ACCOUNTS {
            engine.add_account();
        }
        let mut out = Vec::new();
        for id in 1..=commands {
            let command = command(&mut rng, id, &plain.open_ids(), plain.phase);
            out.clear();
            plain.events.clear();
            let lost = plant == Plant::DropCommand && id.is_multiple_of(100);
            let core = if lost { Ok(true) } else { on_core(&mut engine, command, &mut out) };
            let want = on_plain(&mut plain, command);
            let differs = differs(&engine, &plain);
            let crossed = plain.phase == Phase::Continuous
                && matches!((engine.best(Side::Buy), engine.best(Side::Sell)), (Some(b), Some(a)) if b >= a);
            let equal = core == want && out == plain.events && differs.is_none() && !crossed;
            tally.case(equal, || {
                format!(
                    "history {history}, command {id} {command:?}: {core:?} {out:?}, want {want:?} {:?}; {differs:?}; crossed {crossed}",
                    plain.events
                )
            });
            if !equal {
                // What follows differs because this did.
                break;
            }
            for event in &out {
                *seen.entry(name(event)).or_default() += 1;
            }
            if let Err(refused) = want {
                *seen.entry(refused.name()).or_default() += 1;
            }
        }
    }
    for (name, count) in seen {
        tally.note(name, count);
    }
    tally
}

/// What the events and refusals are counted by: every branch of the rules must have been reached.
fn name(event: &Event) -> &'static str {
    use tidegate_matching::engine::Why;
    match event {
        Event::Fill(fill) if fill.aggressor.is_none() => "uncross_fill",
        Event::Fill(_) => "fill",
        Event::Rests { .. } => "rests",
        Event::Refreshed { .. } => "refreshed",
        Event::Triggered { .. } => "triggered",
        Event::Trailed { .. } => "trailed",
        Event::Amended { .. } => "amended",
        Event::Decremented { .. } => "decremented",
        Event::Ended { why, .. } => match why {
            Why::Canceled => "canceled",
            Why::Ioc => "ioc",
            Why::Fok => "fok",
            Why::NoLiquidity => "no_liquidity",
            Why::SelfTrade => "self_trade",
            Why::ReduceOnly => "reduce_only",
            Why::DayEnd => "day_end",
        },
    }
}

/// Every name that a run of some length must have met.
pub const REACHED: &[&str] = &[
    "uncross_fill",
    "fill",
    "rests",
    "refreshed",
    "triggered",
    "trailed",
    "amended",
    "decremented",
    "canceled",
    "ioc",
    "fok",
    "no_liquidity",
    "self_trade",
    "reduce_only",
    "day_end",
    "HALTED",
    "WRONG_PHASE",
    "POST_ONLY_WOULD_TAKE",
    "REDUCE_ONLY",
    "TRIGGERS_AT_ONCE",
    "MALFORMED",
    "QTY_ZERO_OR_NEG",
    "UNKNOWN_ORDER",
];
