//! A gateway's core of a size, what strategies ask of it, and what a router answers: everything from one seed.

use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use tidegate_instruments::Table;
use tidegate_risk::{Effect, Effects, Event, Gateway, Limits, Now, Trace};
use tidegate_units::{InstrumentId, IntentId, StrategyId};
use tidegate_wire::ids::client_order_id;
use tidegate_wire::pb::common::v1::{IntentId as WireId, Side};
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::orders::v1::{Intent, IntentKind, OrderType, Reason, Report, ReportKind, Tif};

/// Every instrument's touch, in ticks; prices stay within it by [`OFFSETS`].
pub const REFERENCE_PX: i64 = 100_000;
const OFFSETS: u64 = 50;
const QTY_MAX: u64 = 50;
const ORDER_QTY_MAX: i64 = 1_000;
pub const PX_MAX: i64 = 10_000_000;
const ACCOUNTS: u32 = 4;
const DESKS: u32 = 10;
const HOLDER: u64 = 77;
/// Between two decisions.
const STEP_NS: u64 = 10_000;
/// One order in so many ends with a fill, the others are cancelled.
const FILL_EACH: u64 = 8;
/// Frames the command link takes.
const CREDITS: usize = 60_000;

/// How large.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub instruments: u32,
    pub strategies: u32,
    /// Instruments each strategy trades.
    pub each: u32,
    pub open_orders: usize,
    /// Settled ids that are remembered before anything is measured.
    pub remembered: usize,
}

/// One question: an intent and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub principal: StrategyId,
    pub trace: Trace,
    pub intent: Intent,
}

/// The world.
#[derive(Debug)]
pub struct World {
    pub core: Gateway,
    pub size: Size,
    pub now: Now,
    /// Effects since they were last taken.
    pub out: Effects,
    open: VecDeque<Intent>,
    state: u64,
    next: Vec<u64>,
    /// Whether the numbers of a strategy's intents come in random order.
    scattered: bool,
    reports: u64,
    /// Decisions that the journal must hold, by reason.
    pub expected: BTreeMap<i32, u64>,
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The n-th number of a permutation of 1..2^40 without order.
const fn scatter(n: u64) -> u64 {
    const MASK: u64 = (1 << 40) - 1;
    let x = n.wrapping_mul(0x9e_3779_b97b) & MASK;
    ((x ^ (x >> 21)).wrapping_mul(0x5_1b3c_6d9f)) & MASK
}

pub fn table(size: Size) -> Result<Table, String> {
    let row = |id: u32| {
        json!({
            "id": id, "venue_id": 1, "venue": "BINANCE_USDM", "symbol": format!("A{id}USDT"), "kind": "linear_perp",
            "base": format!("A{id}"), "quote": "USDT", "px_scale": 2, "px_unit": 1, "qty_scale": 3, "qty_unit": 1,
            "e8_per_tick_lot": 1_000, "min_qty_lots": 1, "max_qty_lots": 1_000_000, "min_notional_e8": 0,
        })
    };
    let rows: Vec<_> = (1..=size.instruments).map(row).collect();
    let text = json!({ "version": 1, "instruments": rows }).to_string();
    Table::from_json(text.as_bytes()).map_err(|e| e.to_string())
}

/// The `n`-th instrument of a strategy.
const fn instrument_of(size: Size, strategy: u32, n: u32) -> u32 {
    ((strategy - 1) * 11 + n * 7) % size.instruments + 1
}

const fn account_of(strategy: u32) -> u32 {
    strategy % ACCOUNTS + 1
}

/// What is off here is what a firm may leave out: account checks, message windows over several strategies, price drift, loss
/// limits and the order-to-trade budget.
pub fn limits(size: Size, table: &Table) -> Result<Limits, String> {
    const LARGE: i64 = 1 << 60;
    let strategy = |id: u32| {
        let instruments: Vec<u32> = (0..size.each).map(|n| instrument_of(size, id, n)).collect();
        json!({
            "strategy_id": id, "exposure_e8_max": LARGE, "open_orders_max": 8_000, "messages_max": 4_000,
            "messages_window_ms": 1_000, "open_positions_max": 500, "duplicates": { "count_max": 3, "window_ms": 1 },
            "permissions": { "accounts": [account_of(id)], "instruments": instruments, "sides": "both" },
            "attribution": { "version": "00000000000000a7", "trader_id": 3, "desk_id": 1, "client_id": 9 },
            "desk_id": id % DESKS + 1,
        })
    };
    let instrument = |id: u32| {
        json!({
            "instrument_id": id, "order_qty_lots_max": ORDER_QTY_MAX, "order_notional_e8_max": LARGE,
            "position_lots_max": 100_000_000, "exposure_e8_max": LARGE, "px_ticks_max": PX_MAX, "collar_bps": 200,
            "reducing_collar_bps": 500, "reference_age_ms_max": 4_000_000_000_u32, "slippage_bps": 100, "market": "24/7",
        })
    };
    let text = json!({
        "version": 1, "startup_holdoff_ms": 0, "requery_ms": 2_000, "require_attribution": true, "currency": "USDT",
        "firm": { "exposure_e8_max": LARGE, "open_orders_max": 16_000 },
        "accounts": (1..=ACCOUNTS).map(|id| json!({ "account_id": id, "exposure_e8_max": LARGE })).collect::<Vec<_>>(),
        "desks": (1..=DESKS).map(|id| json!({ "desk_id": id, "exposure_e8_max": LARGE })).collect::<Vec<_>>(),
        "strategies": (1..=size.strategies).map(strategy).collect::<Vec<_>>(),
        "instruments": (1..=size.instruments).map(instrument).collect::<Vec<_>>(),
    });
    Limits::from_json(text.to_string().as_bytes(), table).map_err(|e| e.to_string())
}

fn wire(id: IntentId) -> WireId {
    let (hi, lo) = id.halves();
    WireId { hi, lo }
}

fn id_of(intent: &Intent) -> IntentId {
    intent.intent_id.map_or(IntentId(0), |id| IntentId::from_halves(id.hi, id.lo))
}

/// A core as it is before its journal.
pub fn empty(size: Size) -> Result<Gateway, String> {
    let table = table(size)?;
    let limits = limits(size, &table)?;
    Ok(Gateway::new(table, limits, HOLDER))
}

impl World {
    /// A leader that has priced everything and decided nothing. Its effects so far wait in `out`.
    pub fn new(size: Size, seed: u64, scattered: bool) -> Result<Self, String> {
        let mut world = Self {
            core: empty(size)?,
            size,
            now: Now { mono_ns: 10_000_000_000, epoch_ns: 1_700_000_000_000_000_000 },
            out: Effects::new(),
            open: VecDeque::new(),
            state: seed,
            next: vec![0; size.strategies as usize + 1],
            scattered,
            reports: 0,
            expected: BTreeMap::new(),
        };
        world.apply(Event::RouterCredits(CREDITS))?;
        world.apply(Event::RouterUp { restarted: true })?;
        let asked = world.out.iter().find_map(|effect| match &effect.envelope.payload {
            Some(Payload::Command(command)) => Some(command.gateway_epoch),
            _ => None,
        });
        let granted = Report {
            kind: ReportKind::Granted.into(),
            gateway_epoch: asked.ok_or("the core does not ask for leadership")?,
            holder: HOLDER,
            reason: Reason::Ok.into(),
            ..Report::default()
        };
        world.report(granted)?;
        for id in 1..=size.instruments {
            world.apply(Event::Reference {
                instrument: InstrumentId(id),
                bid_px_ticks: Some(REFERENCE_PX - 1),
                ask_px_ticks: Some(REFERENCE_PX + 1),
                valid: true,
                ts_ns: world.now.epoch_ns,
            })?;
        }
        Ok(world)
    }

    fn apply(&mut self, event: Event) -> Result<(), String> {
        self.core.apply(self.now, event, &mut self.out).map_err(|e| e.to_string())
    }

    fn report(&mut self, report: Report) -> Result<(), String> {
        self.reports += 1;
        let report = Report { report_seq: self.reports, ..report };
        self.apply(Event::Report { trace: Trace::default(), report })
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state) % n
    }

    /// A new order that nothing refuses: a limit order beside the touch, of any strategy in any of its instruments.
    pub fn fresh(&mut self) -> Asked {
        let strategy = 1 + self.below(u64::from(self.size.strategies)) as u32;
        let nth = self.below(u64::from(self.size.each)) as u32;
        let buys = self.below(2) == 0;
        let (offset, qty) = (10 + self.below(OFFSETS) as i64, 1 + self.below(QTY_MAX));
        let next = &mut self.next[strategy as usize];
        *next += 1;
        let seq = if self.scattered { scatter(*next) } else { *next };
        let trace = mix(seq ^ u64::from(strategy) << 40);
        Asked {
            principal: StrategyId(strategy),
            trace: Trace {
                hi: trace,
                lo: !trace,
                span_id: trace.rotate_left(7) | 1,
                ts_event_ns: self.now.epoch_ns,
            },
            intent: Intent {
                intent_id: Some(wire(IntentId::new(StrategyId(strategy), 7, seq))),
                kind: IntentKind::New.into(),
                instrument_id: instrument_of(self.size, strategy, nth),
                account_id: account_of(strategy),
                side: if buys { Side::Buy } else { Side::Sell }.into(),
                order_type: OrderType::Limit.into(),
                tif: Tif::Gtc.into(),
                px_ticks: if buys { REFERENCE_PX - offset } else { REFERENCE_PX + offset },
                qty_lots: qty,
                ttl_ns: 0,
                tick_mono_ns: self.now.mono_ns - 5_000,
                intent_mono_ns: self.now.mono_ns - 2_000,
                instrument_table_version: 1,
                target_intent_id: None,
            },
        }
    }

    /// So many of them, which must all be accepted.
    pub fn fresh_many(&mut self, count: usize) -> Vec<Asked> {
        *self.expected.entry(Reason::Ok.into()).or_insert(0) += count as u64;
        (0..count).map(|_| self.fresh()).collect()
    }

    /// The core's part, and nothing else: its effects wait in `out`.
    #[inline]
    pub fn decide(&mut self, asked: &Asked) -> Result<(), String> {
        self.now.mono_ns += STEP_NS;
        self.now.epoch_ns += STEP_NS.cast_signed();
        let Asked { principal, trace, intent } = *asked;
        let event = Event::Intent { principal, trace, intent };
        self.core.apply(self.now, event, &mut self.out).map_err(|e| e.to_string())
    }

    /// Remembers orders that were accepted, oldest first, for [`World::retire`].
    pub fn opened(&mut self, asked: &[Asked]) {
        self.open.extend(asked.iter().map(|asked| asked.intent));
    }

    /// Some order that lives.
    pub fn any_open(&mut self) -> Option<Intent> {
        let at = self.below(self.open.len().max(1) as u64);
        self.open.get(at as usize).copied()
    }

    /// The venue ends the oldest orders until so many as the size says are left; the link has all its credits again.
    pub fn retire(&mut self) -> Result<(), String> {
        while self.open.len() > self.size.open_orders {
            self.retire_one()?;
        }
        self.apply(Event::RouterCredits(CREDITS))
    }

    fn retire_one(&mut self) -> Result<(), String> {
        let Some(intent) = self.open.pop_front() else { return Ok(()) };
        let id = id_of(&intent);
        let fills = self.below(FILL_EACH) == 0;
        let report = Report {
            kind: if fills { ReportKind::Fill } else { ReportKind::Cancelled }.into(),
            intent_id: intent.intent_id,
            client_order_id: client_order_id(id.0, 0, 0),
            instrument_id: intent.instrument_id,
            venue_id: 1,
            reason: Reason::Ok.into(),
            ..Report::default()
        };
        let filled = Report {
            side: intent.side,
            cum_qty_lots: intent.qty_lots,
            last_px_ticks: intent.px_ticks,
            last_qty_lots: intent.qty_lots,
            exec_id: format!("x{}", self.reports),
            fee_e8: 7,
            fee_asset: "USDT".into(),
            ..report.clone()
        };
        self.report(if fills { filled } else { report })
    }

    /// Opens as many orders as the size says, having decided and ended as many others as are to be remembered.
    pub fn grow(&mut self, mut take: impl FnMut(&mut Effects) -> Result<(), String>) -> Result<(), String> {
        let mut left = self.size.remembered + self.size.open_orders;
        take(&mut self.out)?;
        while left > 0 {
            let asked = self.fresh_many(left.min(500));
            left -= asked.len();
            for one in &asked {
                // A minute a thousand: no window of messages is ever near its bound.
                self.now.mono_ns += 1_000_000;
                self.now.epoch_ns += 1_000_000;
                self.decide(one)?;
            }
            self.opened(&asked);
            self.retire()?;
            take(&mut self.out)?;
        }
        Ok(())
    }

    /// Decisions by reason that the state does not have as they were expected, and how many there are.
    pub fn surprises(&self) -> (u64, u64) {
        let decided = self.core.state().decisions();
        let reasons: std::collections::BTreeSet<i32> =
            decided.keys().chain(self.expected.keys()).copied().collect();
        let of = |by: &BTreeMap<i32, u64>, reason: &i32| by.get(reason).copied().unwrap_or(0);
        let wrong = reasons.iter().map(|r| of(decided, r).abs_diff(of(&self.expected, r))).sum();
        (wrong, decided.values().sum())
    }
}

/// The records among effects.
pub fn records(out: &Effects) -> impl Iterator<Item = &Effect> {
    out.iter().filter(|effect| effect.journal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn scattered_numbers_are_all_different_and_have_no_order() {
        let numbers: Vec<u64> = (1..=20_000).map(scatter).collect();
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
        assert!(!numbers.contains(&0));
        let rises = numbers.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!((8_000..12_000).contains(&rises), "{rises}");
    }
}
