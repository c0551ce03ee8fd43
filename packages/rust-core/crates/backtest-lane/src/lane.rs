//! The run of one strategy: who asks gets what it may see next, and says what it wants.
//!
//! A batch holds market data only, or one answer only. Market data of a batch lie within the least entry latency of its first event,
//! so that an order sent at any of them arrives after all that the venue went through to make the batch: see `submit_at`. With the
//! gateway inside a batch is one event: what it refuses is told before anything else happens.

mod gated;

use crate::any::{Book, Queue};
use crate::config::Config;
use crate::desk::Desk;
use crate::limits::DEFERRED_MAX;
use crate::record::{Columns, equity_e16, fee_e8, side_number};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidegate_backtest::account::{Account, Fees, Fill};
use tidegate_backtest::audit::{audit, markouts};
use tidegate_backtest::event::Kind;
use tidegate_backtest::store::Stored;
use tidegate_backtest::{Engine, NewOrder, OrderFault, Received, Tif, Wake, Woken};
use tidegate_engine::gateway::TICK_NS;
use tidegate_engine::strategy::layout as at;
use tidegate_instruments::Instrument;
use tidegate_units::Side;

/// Of proto `tidegate.marketdata.v1.BookState`.
const SYNCING: u8 = 1;
const VALID: u8 = 2;
const INVALID: u8 = 3;
/// Of proto `tidegate.orders.v1.OrderState`.
const LIVE: u8 = 2;
const PARTIAL: u8 = 3;
const FILLED: u8 = 4;
const CANCELLED: u8 = 6;
const REJECTED: u8 = 7;
const EXPIRED: u8 = 8;
/// Of proto `tidegate.orders.v1.Reason`: none, unknown order, and a venue that refused.
const REASON_NONE: u8 = 1;
const ACCEPTED: u8 = 1;
const POLICY_NORMAL: u8 = 1;
const LINK_SYNCED: u8 = 1;
/// Horizons of the markouts, ns.
const HORIZONS_NS: [i64; 4] = [100_000_000, 1_000_000_000, 10_000_000_000, 60_000_000_000];

/// The best level of each side as last shown, price and lots; lots 0 for none.
type Top = [i64; 4];

#[derive(Debug)]
struct Asset {
    row: Instrument,
    fees: Fees,
    tape: &'static Stored,
    /// The book may be believed: a snapshot has been seen, or the tape has none.
    synced: bool,
    /// Rows of the received stream that were looked at.
    read: usize,
    shown: Option<(Top, u8)>,
    trades: u64,
}

/// An order the strategy sent, as far as the rows of its answers need it.
#[derive(Debug, Clone, Copy)]
struct Sent {
    side: Side,
    px: i64,
    qty: i64,
    cum: i64,
}

/// One strategy's run.
#[derive(Debug)]
pub struct Lane {
    engine: Engine<'static, Book, Queue>,
    assets: Vec<Asset>,
    columns: Columns,
    sent: BTreeMap<u64, Sent>,
    /// Orders to cancel as soon as the venue has answered for them.
    deferred: BTreeSet<u64>,
    /// Accepted intents that have not been told.
    replies: VecDeque<u64>,
    /// Time of each event of the last batch.
    times: Vec<i64>,
    epoch: u32,
    batch: usize,
    ahead_ns: i64,
    start_ns: i64,
    tick_ns: i64,
    sample_ns: i64,
    next_tick: i64,
    next_sample: i64,
    /// Time of the last sample.
    sampled: Option<i64>,
    polls: u32,
    events: u64,
    fault: Option<String>,
    /// The gateway and the router, where the run has limits.
    desk: Option<Desk>,
    next_turn: i64,
}

/// Whether a row is of those by which a snapshot begins.
fn forgets(kind: &u8) -> bool {
    matches!(Kind::of(*kind), Some(Kind::ClearBids | Kind::ClearAsks | Kind::Clear))
}

impl Lane {
    /// A run that has not begun.
    ///
    /// # Errors
    /// The configuration, or a tape it names: what, where and the remedy.
    pub fn open(config: &str) -> Result<Self, String> {
        let config = Config::from_json(config)?;
        let queue = config.queue()?;
        let (mut assets, mut configs) = (Vec::new(), Vec::new());
        for each in &config.instruments {
            let tape = each.open()?;
            assets.push(Asset {
                row: each.row.clone(),
                fees: each.fees(),
                tape,
                synced: !tape.local().kind.iter().any(forgets),
                read: 0,
                shown: None,
                trades: 0,
            });
            configs.push(each.asset(tape, queue, config.fill(), config.until_ns)?);
        }
        let mut ids: Vec<u32> = assets.iter().map(|asset| asset.row.id).collect();
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("instrument {} twice: want one tape each", pair[0]));
        }
        let ahead_ns = configs.iter().map(|config| config.latency.entry_least_ns()).min().unwrap_or(0);
        let mut engine = Engine::new(configs)?;
        if !engine.start() {
            return Err("no row in any tape: convert a recording that has some".into());
        }
        if config.skip_ns > 0 {
            engine.elapse(config.skip_ns);
            for (index, asset) in assets.iter_mut().enumerate() {
                let read = asset.tape.local().kind.get(..engine.received(index)).unwrap_or_default();
                asset.synced |= read.iter().any(forgets);
            }
        }
        for (index, asset) in assets.iter_mut().enumerate() {
            asset.read = engine.received(index);
        }
        let start_ns = engine.now();
        let mut desk = None;
        if let Some(limits) = &config.limits {
            let rows = assets.iter().map(|asset| asset.row.clone()).collect();
            let mut opened = Desk::open(limits, rows, config.epoch, start_ns)?;
            opened.start(&mut engine, start_ns)?;
            desk = Some(opened);
        }
        Ok(Self {
            next_turn: if desk.is_some() { start_ns.saturating_add(TICK_NS as i64) } else { i64::MAX },
            batch: if desk.is_some() { 1 } else { config.batch },
            desk,
            engine,
            assets,
            columns: Columns::default(),
            sent: BTreeMap::new(),
            deferred: BTreeSet::new(),
            replies: VecDeque::new(),
            times: Vec::with_capacity(at::EVENTS_MAX),
            epoch: config.epoch,
            ahead_ns,
            start_ns,
            tick_ns: config.tick_ns,
            sample_ns: config.sample_ns,
            next_tick: start_ns.saturating_add(config.tick_ns),
            next_sample: start_ns,
            sampled: None,
            polls: 0,
            events: 0,
            fault: None,
        })
    }

    /// Time since the start, ns.
    pub fn now_ns(&self) -> i64 {
        self.engine.now() - self.start_ns
    }

    /// Rows of fills and of samples so far.
    pub const fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Fills `rows` with what the strategy sees next; how many events, none at the end of the tapes. A batch may be empty: time has
    /// passed, and a timer may be due.
    ///
    /// # Errors
    /// A sum that does not fit, or a bound of [`crate::limits`]: the run is over.
    pub fn poll(&mut self, rows: &mut [f64]) -> Result<Option<usize>, String> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        self.times.clear();
        let room = (rows.len() / at::EVENT_DOUBLES).min(self.batch);
        // The state of the gateway comes first, then two quiet polls: the host asks for them before it may trade.
        self.polls = self.polls.saturating_add(1);
        match self.polls {
            1 => return Ok(Some(self.greet(rows))),
            2 | 3 => return Ok(Some(0)),
            _ => {}
        }
        while self.times.len() < room.max(1)
            && let Some(seq) = self.replies.pop_front()
        {
            let epoch = self.epoch;
            self.write(rows, at::EVENT_KIND_INTENT_REPLY, 0, |row| {
                row[at::INTENT_REPLY_SEQ] = seq as f64;
                row[at::INTENT_REPLY_EPOCH] = f64::from(epoch);
                row[at::INTENT_REPLY_DECISION] = f64::from(ACCEPTED);
                row[at::INTENT_REPLY_REASON] = f64::from(REASON_NONE);
            });
        }
        if self.tell(rows) {
            return Ok(Some(self.times.len()));
        }
        let ended = self.market(rows, room);
        if self.engine.overflowed() {
            self.fault = Some("a sum of an account does not fit 128 bits: want smaller orders".into());
        }
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok((!(ended && self.times.is_empty())).then_some(self.times.len())),
        }
    }

    /// Market data and answers until the batch must end. True where nothing is left.
    fn market(&mut self, rows: &mut [f64], room: usize) -> bool {
        let wake = Wake { feed: true, answer: true };
        let mut first: Option<i64> = None;
        while self.times.len() < room {
            let reach = first.map_or(i64::MAX, |first| first.saturating_add(self.ahead_ns - 1));
            let until = self.next_tick.min(self.next_sample).min(self.next_turn).min(reach);
            let now = self.engine.now();
            if until < now {
                return false;
            }
            let before = self.times.len();
            match self.engine.wait_for_messages(until - now, wake, first.is_some()) {
                Woken::End => {
                    self.sample_all();
                    return true;
                }
                Woken::Held(_) => return false,
                Woken::Time => {
                    let now = self.engine.now();
                    if now == self.next_sample {
                        self.sample_all();
                        self.next_sample = now.saturating_add(self.sample_ns);
                    }
                    let told = now == self.next_turn && self.turn();
                    if now == self.next_tick {
                        self.next_tick = now.saturating_add(self.tick_ns);
                        return false;
                    }
                    if now == reach || told {
                        return false;
                    }
                }
                Woken::Answer(asset) => {
                    self.answer(rows, asset);
                    self.tell(rows);
                    return false;
                }
                Woken::Feed(asset) => self.feed(rows, asset),
            }
            if self.times.len() > before {
                first = first.or(Some(self.engine.now()));
            }
        }
        false
    }

    fn write(&mut self, rows: &mut [f64], kind: usize, instrument: u32, fill: impl FnOnce(&mut [f64])) {
        let from = self.times.len() * at::EVENT_DOUBLES;
        let Some(row) = rows.get_mut(from..from + at::EVENT_DOUBLES) else { return };
        row.fill(0.0);
        row[at::EVENT_KIND] = kind as f64;
        row[at::EVENT_INSTRUMENT] = f64::from(instrument);
        row[at::EVENT_NOW_NS] = self.now_ns() as f64;
        fill(row);
        self.times.push(self.engine.now());
        self.events += 1;
    }

    fn greet(&mut self, rows: &mut [f64]) -> usize {
        self.write(rows, at::EVENT_KIND_LINK, 0, |row| row[at::LINK_STATE] = f64::from(LINK_SYNCED));
        if self.desk.is_some() {
            self.tell(rows);
            return self.times.len();
        }
        self.write(rows, at::EVENT_KIND_POLICY, 0, |row| row[at::POLICY_POLICY] = f64::from(POLICY_NORMAL));
        self.times.len()
    }

    /// Rows of the received stream were read: one trade, or levels of one time.
    fn feed(&mut self, rows: &mut [f64], index: usize) {
        let next = self.engine.received(index);
        let Some(asset) = self.assets.get_mut(index) else { return };
        let stream = asset.tape.local();
        let read = std::mem::replace(&mut asset.read, next);
        let Some(step) = next.checked_sub(1).and_then(|read| stream.get(read)) else { return };
        let id = asset.row.id;
        if matches!(step.kind, Kind::BuyTrade | Kind::SellTrade) {
            asset.trades += 1;
            let number = asset.trades;
            let side = if step.kind == Kind::BuyTrade { Side::Buy } else { Side::Sell };
            self.write(rows, at::EVENT_KIND_TRADE, id, |row| {
                row[at::TRADE_PX] = step.px as f64;
                row[at::TRADE_QTY] = step.qty as f64;
                row[at::TRADE_AGGRESSOR] = f64::from(side_number(side));
                row[at::TRADE_TRADE_ID] = number as f64;
            });
            // The rows of this message may have ended with it; the book's change is shown with the next of them.
            return;
        }
        // A message is shown when the last of its rows is in: what is half of it was never a book.
        asset.synced =
            asset.synced || stream.kind.get(read..next).is_some_and(|kinds| kinds.iter().any(forgets));
        let Some(depth) = self.engine.depth(index) else { return };
        let side = |side| depth.best(side).map_or([0, 0], |px| [px, depth.qty(side, px)]);
        let ([bid, bid_qty], [ask, ask_qty]) = (side(Side::Buy), side(Side::Sell));
        let state = match depth.touch() {
            Some(_) if asset.synced => VALID,
            Some(_) => SYNCING,
            None => INVALID,
        };
        let top = [bid, bid_qty, ask, ask_qty];
        if asset.shown == Some((top, state)) {
            return;
        }
        asset.shown = Some((top, state));
        self.reference(id, top, state);
        self.write(rows, at::EVENT_KIND_BOOK_TOP, id, |row| {
            row[at::BOOK_TOP_BID_PX] = bid as f64;
            row[at::BOOK_TOP_BID_QTY] = bid_qty as f64;
            row[at::BOOK_TOP_ASK_PX] = ask as f64;
            row[at::BOOK_TOP_ASK_QTY] = ask_qty as f64;
            row[at::BOOK_TOP_STATE] = f64::from(state);
        });
    }

    /// Writes an execution down; gives the position after it.
    fn keep(&mut self, index: usize, fill: &Fill) -> i64 {
        let position = self.engine.account(index).map_or(0, |account| account.position);
        let Some(Asset { row, fees, .. }) = self.assets.get(index) else { return position };
        let times = [self.engine.now(), self.start_ns];
        if !self.columns.fill(times, (row, fees), fill, position) {
            self.fault = Some(format!("more than {} fills: split the day", crate::limits::FILLS_MAX));
        }
        position
    }

    /// One answer was received.
    fn answer(&mut self, rows: &mut [f64], index: usize) {
        let Some((id, received)) = self.engine.last_answer(index) else { return };
        if self.desk.is_some() {
            return self.gated_answer(index, id, received);
        }
        let Some(&order) = self.sent.get(&id) else { return };
        let (row, fees) = match self.assets.get(index) {
            Some(asset) => (asset.row.clone(), asset.fees),
            None => return,
        };
        let (state, left) = match received {
            Received::Live { left, .. } => {
                if self.deferred.remove(&id) {
                    // Refused only where the order has ended by now, which another answer tells.
                    let _ = self.engine.cancel(index, id);
                }
                (if left < order.qty { PARTIAL } else { LIVE }, left)
            }
            Received::Executed(fill) => {
                let position = self.keep(index, &fill);
                let epoch = self.epoch;
                self.write(rows, at::EVENT_KIND_FILL, row.id, |out| {
                    out[at::FILL_SEQ] = id as f64;
                    out[at::FILL_EPOCH] = f64::from(epoch);
                    out[at::FILL_SIDE] = f64::from(side_number(fill.side));
                    out[at::FILL_PX] = fill.px as f64;
                    out[at::FILL_QTY] = fill.qty as f64;
                    out[at::FILL_MAKER] = f64::from(u8::from(fill.maker));
                    out[at::FILL_POSITION_LOTS] = position as f64;
                    out[at::FILL_FEE_E8] = fee_e8(&fees, &row, &fill);
                });
                if let Some(order) = self.sent.get_mut(&id) {
                    order.cum = order.qty - fill.left;
                }
                (if fill.left == 0 { FILLED } else { PARTIAL }, fill.left)
            }
            Received::Cancelled => (CANCELLED, 0),
            Received::Expired => (EXPIRED, 0),
            Received::TurnedAway => (REJECTED, 0),
            Received::Refused => return,
        };
        let (epoch, cum) = (self.epoch, self.sent.get(&id).map_or(order.cum, |order| order.cum));
        self.write(rows, at::EVENT_KIND_ORDER_UPDATE, row.id, |out| {
            out[at::ORDER_UPDATE_SEQ] = id as f64;
            out[at::ORDER_UPDATE_EPOCH] = f64::from(epoch);
            out[at::ORDER_UPDATE_STATE] = f64::from(state);
            out[at::ORDER_UPDATE_SIDE] = f64::from(side_number(order.side));
            out[at::ORDER_UPDATE_PX] = order.px as f64;
            out[at::ORDER_UPDATE_QTY] = order.qty as f64;
            out[at::ORDER_UPDATE_CUM_QTY] = cum as f64;
            out[at::ORDER_UPDATE_LEAVES_QTY] = left as f64;
            out[at::ORDER_UPDATE_REASON] = f64::from(REASON_NONE);
        });
        if self.engine.order(index, id).is_none_or(|order| order.state.ended()) {
            self.sent.remove(&id);
            self.deferred.remove(&id);
            self.engine.clear_ended(index);
        }
    }

    /// Sends the intent in the view, as of the event it was caused by: a `SUBMIT_…` of the layout.
    pub fn submit(&mut self, intent: &[f64]) -> usize {
        let get = |place: usize| intent.get(place).copied().unwrap_or(f64::NAN);
        let whole = |place: usize| {
            let value = get(place);
            (value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0).then_some(value as i64)
        };
        let Some((kind, instrument, seq)) =
            (|| Some((whole(at::INTENT_KIND)?, whole(at::INTENT_INSTRUMENT)?, whole(at::INTENT_SEQ)?)))()
        else {
            return at::SUBMIT_MALFORMED;
        };
        let found = self.assets.iter().position(|asset| i64::from(asset.row.id) == instrument);
        let (Some(index), Ok(seq)) = (found, u64::try_from(seq)) else { return at::SUBMIT_MALFORMED };
        let caused = whole(at::INTENT_EVENT_INDEX).and_then(|event| usize::try_from(event).ok());
        let now = caused.and_then(|event| self.times.get(event).copied()).unwrap_or(self.engine.now());
        if self.desk.is_some() {
            return self.gated_submit(now, intent);
        }
        let done = match usize::try_from(kind) {
            Ok(at::INTENT_KIND_NEW) => self.new_order(index, seq, now, whole),
            Ok(at::INTENT_KIND_CANCEL) => match whole(at::INTENT_TARGET_SEQ).map(u64::try_from) {
                Some(Ok(target)) => self.cancel(index, target, now),
                _ => return at::SUBMIT_MALFORMED,
            },
            _ => return at::SUBMIT_MALFORMED,
        };
        match done {
            Ok(()) => {
                self.replies.push_back(seq);
                at::SUBMIT_OK
            }
            Err(OrderFault::TooMany) => at::SUBMIT_NO_CREDIT,
            Err(OrderFault::NotStarted) => at::SUBMIT_NOT_SYNCED,
            Err(_) => at::SUBMIT_MALFORMED,
        }
    }

    fn new_order(
        &mut self,
        index: usize,
        id: u64,
        now: i64,
        whole: impl Fn(usize) -> Option<i64>,
    ) -> Result<(), OrderFault> {
        let side = match whole(at::INTENT_SIDE) {
            Some(1) => Side::Buy,
            Some(2) => Side::Sell,
            _ => return Err(OrderFault::BadOrder),
        };
        let market = whole(at::INTENT_ORDER_TYPE) == Some(2);
        let tif = match whole(at::INTENT_TIF) {
            // What a market order does not take at once ends.
            Some(1) if market => Tif::Ioc,
            Some(1) => Tif::Gtc,
            Some(2) => Tif::Ioc,
            Some(3) => Tif::Fok,
            Some(4) => Tif::PostOnly,
            _ => return Err(OrderFault::BadOrder),
        };
        let px = whole(at::INTENT_PX).ok_or(OrderFault::BadOrder)?;
        let qty = whole(at::INTENT_QTY).ok_or(OrderFault::BadOrder)?;
        let order = NewOrder { id, side, px: (!market).then_some(px), qty, tif };
        self.engine.submit_at(index, order, now)?;
        self.sent.insert(id, Sent { side, px, qty, cum: 0 });
        Ok(())
    }

    fn cancel(&mut self, index: usize, id: u64, now: i64) -> Result<(), OrderFault> {
        if self.engine.order(index, id).is_some_and(|order| !order.may_change() && !order.state.ended()) {
            if self.deferred.len() >= DEFERRED_MAX {
                return Err(OrderFault::TooMany);
            }
            self.deferred.insert(id);
            return Ok(());
        }
        self.engine.cancel_at(index, id, now)
    }

    fn sample_all(&mut self) {
        let now = self.engine.now();
        if self.sampled == Some(now) {
            return;
        }
        self.sampled = Some(now);
        for (index, asset) in self.assets.iter().enumerate() {
            let (Some(account), Some(depth)) = (self.engine.account(index), self.engine.depth(index)) else {
                continue;
            };
            let touch = [depth.best(Side::Buy), depth.best(Side::Sell)];
            if !self.columns.sample(now - self.start_ns, &asset.row, account, touch) {
                let max = crate::limits::SAMPLES_MAX;
                self.fault = Some(format!(
                    "more than {max} samples, or an account that does not fit: sample less often"
                ));
            }
        }
    }

    /// What the run assumed, did and gave, and whether its fills hold against its tapes. Money in 1e-8 or 1e-16 as texts.
    pub fn summary(&self) -> Value {
        let mut hash = blake3::Hasher::new();
        for asset in &self.assets {
            hash.update(asset.tape.hash().as_bytes());
        }
        hash.update(self.engine.run_hash().as_bytes());
        if let Some(desk) = &self.desk {
            hash.update(desk.hash().as_bytes());
        }
        let assets: Vec<Value> =
            self.assets.iter().enumerate().map(|(index, asset)| self.asset(index, asset)).collect();
        json!({
            "runHash": hash.finalize().to_hex().to_string(),
            "startNs": self.start_ns.to_string(),
            "endNs": self.engine.now().to_string(),
            "events": self.events,
            "gateway": self.gateway(),
            "instruments": assets,
        })
    }

    fn asset(&self, index: usize, asset: &Asset) -> Value {
        let account = self.engine.account(index).copied().unwrap_or_default();
        let truth = self.engine.venue_account(index).copied().unwrap_or_default();
        let fills = self.engine.venue_fills(index);
        let venue = asset.tape.venue();
        let touch = self
            .engine
            .depth(index)
            .map_or([None, None], |depth| [depth.best(Side::Buy), depth.best(Side::Sell)]);
        let (orders, cancels) = self.engine.sent(index);
        let told = |account: &Account| {
            json!({
                "positionLots": account.position,
                "cashE8": account.cash_e8.to_string(),
                "feeE16": account.fee_e16.to_string(),
                "valueE8": account.value_e8.to_string(),
                "volumeLots": account.volume.to_string(),
                "fills": account.fills,
                "equityE16": equity_e16(&asset.row, account, touch).map(|e16| e16.to_string()),
            })
        };
        let found = audit(&asset.row, &asset.fees, venue, fills, &truth);
        let after: Vec<Value> = markouts(Book::of([venue, venue]), venue, fills, &HORIZONS_NS)
            .iter()
            .map(|each| {
                let ticks = (each.lots != 0).then(|| each.half_tick_lots as f64 / 2.0 / each.lots as f64);
                json!({ "horizonNs": each.horizon_ns, "ticksALot": ticks, "lots": each.lots.to_string() })
            })
            .collect();
        let gateway = ("gateway".to_string(), self.gateway_told());
        let assumptions: Vec<[&String; 2]> = self
            .engine
            .assumptions(index)
            .iter()
            .chain([&gateway])
            .map(|(name, value)| [name, value])
            .collect();
        json!({
            "instrument": asset.row.id,
            "dataHash": asset.tape.hash().to_hex().to_string(),
            "sources": asset.tape.header().sources,
            "addedLatencyNs": asset.tape.header().added_latency_ns,
            "assumptions": assumptions,
            "orders": orders,
            "cancels": cancels,
            "received": told(&account),
            "venue": told(&truth),
            "audit": {
                "sound": found.sound(),
                "accountUnequal": found.account_unequal,
                "sameLiquidityFilledTwice": found.liquidity_taken_twice,
                "pricesNotOffered": found.prices_not_offered,
                "outOfOrder": found.out_of_order,
            },
            "markouts": after,
        })
    }
}
