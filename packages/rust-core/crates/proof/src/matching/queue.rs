//! Where our orders stand in recorded queues, and what they fill: the venue against a plain model of the same rule, after every
//! message. The rule is in `docs/reference/matching-rules.md`, "Queue position".

use super::Plant;
use crate::bench_book::{L3Set, OpKind};
use crate::books::tally::Tally;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_datasets::capture::Capture;
use tidegate_matching::{Cancel, Config, Extras, Money, NewOrder, OrderKind, Tif, Venue};
use tidegate_normalise::{Binance, BookTicker, DepthDiff, Event, Level, Market, Snapshot, SymbolSpec, Trade};
use tidegate_units::{EpochNs, PxTicks, QtyLots, Side};

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];
/// A probe is placed on each side every so many messages, and cancelled after so many.
const PLACE_EVERY: u64 = 200;
const CANCEL_AFTER: u64 = 2_000;

/// One of our orders, as the model sees it.
#[derive(Debug, Clone)]
struct Probe {
    id: u64,
    side: Side,
    px: i64,
    open: i64,
    /// Recorded lots before it; none while the recording does not say.
    ahead: Option<i64>,
    /// Steps forward that a shrinking level gave, by the number of the diff: trades may still explain them.
    unexplained: Vec<(u64, i64)>,
}

/// The recording as two maps, and the probes as a list.
#[derive(Debug, Default)]
struct Plain {
    /// (size, of it taken by us) by price, bids first.
    levels: [BTreeMap<i64, (i64, i64)>; 2],
    /// The farthest price of each side that the snapshot reached.
    reach: [i64; 2],
    at: Option<u64>,
    early: Vec<DepthDiff<'static>>,
    ticker: Option<BookTicker>,
    diffs: u64,
    probes: Vec<Probe>,
    fills: Vec<(u64, i64, i64)>,
}

fn ahead_of(side: Side, a: i64, b: i64) -> bool {
    match side {
        Side::Buy => a > b,
        Side::Sell => a < b,
    }
}

impl Plain {
    fn put(&mut self, side: Side, px: i64, size: i64) {
        let levels = &mut self.levels[side as usize];
        if size == 0 {
            levels.remove(&px);
        } else {
            let taken = levels.get(&px).map_or(0, |level| level.1).min(size);
            levels.insert(px, (size, taken));
        }
    }

    fn size(&self, side: Side, px: i64) -> Option<i64> {
        let known = !ahead_of(side, self.reach[side as usize], px);
        self.levels[side as usize].get(&px).map(|level| level.0).or(known.then_some(0))
    }

    fn diff(&mut self, diff: &DepthDiff<'_>) {
        for side in SIDES {
            let list = if side == Side::Buy { &diff.bids } else { &diff.asks };
            for level in list.iter() {
                let (px, size) = (level.px.0, level.qty.0);
                // A younger ticker has said what lies at its price and before it.
                let told =
                    self.ticker.filter(|ticker| ticker.update_id > diff.last_id).is_some_and(|ticker| {
                        let touch = if side == Side::Buy { ticker.bid } else { ticker.ask };
                        touch.qty.0 == 0 || !ahead_of(side, touch.px.0, px)
                    });
                if !told {
                    self.put(side, px, size);
                }
            }
        }
        self.at = Some(diff.last_id);
    }

    fn touch(&mut self, ticker: BookTicker) {
        if self.at.is_none_or(|at| ticker.update_id <= at) {
            return;
        }
        for (side, touch) in [(Side::Buy, ticker.bid), (Side::Sell, ticker.ask)] {
            let (px, size) = (touch.px.0, touch.qty.0);
            self.levels[side as usize].retain(|level, _| size > 0 && !ahead_of(side, *level, px));
            if size > 0 {
                self.put(side, px, size);
            }
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Trade(trade) => {
                if self.at.is_some() {
                    self.trade(trade);
                }
                return;
            }
            Event::Depth(diff) => match self.at {
                None => {
                    self.early.push(diff.clone().into_owned());
                    return;
                }
                Some(at) => {
                    if diff.last_id > at {
                        self.diff(diff);
                    }
                    self.diffs += 1;
                }
            },
            Event::Ticker(ticker) => {
                if self.ticker.is_none_or(|last| ticker.update_id > last.update_id) {
                    self.ticker = Some(*ticker);
                    self.touch(*ticker);
                }
            }
            Event::Snapshot(snapshot) => {
                for (side, list) in [(Side::Buy, &snapshot.bids), (Side::Sell, &snapshot.asks)] {
                    self.reach[side as usize] = list.last().map_or(0, |level| level.px.0);
                    let shown = |px: &i64| list.iter().any(|level| level.px.0 == *px);
                    self.levels[side as usize].retain(|px, _| shown(px));
                    for level in list.iter() {
                        self.put(side, level.px.0, level.qty.0);
                    }
                }
                self.at = Some(snapshot.last_id);
                for diff in std::mem::take(&mut self.early) {
                    if diff.last_id > snapshot.last_id {
                        self.diff(&diff);
                    }
                }
                if let Some(ticker) = self.ticker {
                    self.touch(ticker);
                }
            }
            _ => return,
        }
        if self.at.is_none() {
            return;
        }
        let diffs = self.diffs;
        for at in 0..self.probes.len() {
            let (side, px) = (self.probes[at].side, self.probes[at].px);
            let Some(size) = self.size(side, px) else { continue };
            let probe = &mut self.probes[at];
            match probe.ahead {
                Some(ahead) if size < ahead => {
                    probe.unexplained.push((diffs, ahead - size));
                    probe.ahead = Some(size);
                }
                Some(_) => {}
                None => probe.ahead = Some(size),
            }
        }
        self.meet();
    }

    /// Probes of a side, the best price first, the older first.
    fn queue(&self, side: Side) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.probes.len()).filter(|at| self.probes[*at].side == side).collect();
        all.sort_by_key(|at| (-self.probes[*at].px * side.sign(), self.probes[*at].id));
        all
    }

    /// The other side's recorded levels that reach a probe fill it at its price.
    fn meet(&mut self) {
        for side in SIDES {
            for at in self.queue(side) {
                let (id, px) = (self.probes[at].id, self.probes[at].px);
                let other = side.opposite();
                let mut prices: Vec<i64> = self.levels[other as usize].keys().copied().collect();
                if other == Side::Buy {
                    prices.reverse();
                }
                for level in prices.into_iter().take_while(|level| !ahead_of(side, *level, px)) {
                    let Some((size, taken)) = self.levels[other as usize].get_mut(&level) else { continue };
                    let qty = (*size - *taken).min(self.probes[at].open);
                    if qty > 0 {
                        *taken += qty;
                        self.probes[at].open -= qty;
                        self.fills.push((id, px, qty));
                    }
                }
            }
        }
        self.probes.retain(|probe| probe.open > 0);
    }

    fn trade(&mut self, trade: &Trade) {
        let side = trade.aggressor.opposite();
        let (px, mut left) = (trade.px.0, trade.qty.0);
        for at in self.queue(side) {
            let diffs = self.diffs;
            let probe = &mut self.probes[at];
            if left == 0 || ahead_of(side, px, probe.px) {
                break;
            }
            let mut volume = left;
            if probe.px == px {
                // First what has already moved it, the older first; then who stands before it.
                probe.unexplained.retain(|each| each.0 + 1 >= diffs);
                for each in &mut probe.unexplained {
                    let used = each.1.min(volume);
                    each.1 -= used;
                    volume -= used;
                }
                volume = match &mut probe.ahead {
                    None => 0,
                    Some(ahead) => {
                        let used = volume.min(*ahead);
                        *ahead -= used;
                        volume - used
                    }
                };
            }
            let qty = volume.min(probe.open);
            if qty > 0 {
                probe.open -= qty;
                left -= qty;
                let fill = (probe.id, probe.px, qty);
                self.fills.push(fill);
            }
        }
        self.probes.retain(|probe| probe.open > 0);
    }
}

/// The venue and the model side by side.
struct Both {
    venue: Venue,
    plain: Plain,
    messages: u64,
    places: u64,
    /// Fills compared: of the venue, of the model.
    fills: (u64, usize),
    plant: Plant,
}

impl Both {
    fn new(plant: Plant) -> Result<Self, String> {
        let venue = Venue::new(Config {
            money: Money::Usdm,
            e8_per_tick_lot: 1,
            base_e8_per_lot: 1,
            maker_fee_e8: 0,
            taker_fee_e8: 0,
            base_e8: 0,
            quote_e8: 0,
            open_orders_max: tidegate_matching::limits::OPEN_ORDERS_MAX,
        })?;
        Ok(Self { venue, plain: Plain::default(), messages: 0, places: 0, fills: (0, 0), plant })
    }

    /// One message to both, and everything compared.
    fn event(&mut self, event: Event<'_>, tally: &mut Tally) {
        self.messages += 1;
        self.plain.event(&event);
        let trade = matches!(event, Event::Trade(_));
        if !(self.plant == Plant::LoseTrade && trade && self.messages.is_multiple_of(20)) {
            self.venue.on_market(event, 0);
        }
        for probe in &self.plain.probes {
            let order = self.venue.find(&Cancel::Order(probe.id));
            let found = order.map(|order| {
                let ahead = (order.ahead != i64::MAX).then_some(order.ahead);
                (order.status.open(), order.leaves(), ahead)
            });
            self.places += 1;
            tally.case(found == Some((true, probe.open, probe.ahead)), || {
                format!("message {}: {found:?}, want {probe:?}", self.messages)
            });
        }
        let want = self.plain.fills.get(self.fills.1..).unwrap_or_default();
        let found: Vec<(u64, i64, i64)> =
            self.venue.trades_from(self.fills.0 + 1).map(|t| (t.order_id, t.px, t.qty)).collect();
        if !want.is_empty() || !found.is_empty() {
            tally
                .case(found == want, || format!("message {}: fills {found:?}, want {want:?}", self.messages));
            self.fills = (self.venue.ledger().fills, self.plain.fills.len());
        }
    }

    /// A probe on each side now and then, none of which takes; old ones are cancelled.
    fn probe(&mut self, tally: &mut Tally) {
        if !self.messages.is_multiple_of(PLACE_EVERY) || !self.venue.market().synced() {
            return;
        }
        let turn = self.messages / PLACE_EVERY;
        let old = turn.saturating_sub(CANCEL_AFTER / PLACE_EVERY);
        for side in SIDES {
            let name = |turn: u64| format!("{side:?}{turn}");
            if let Some(id) = self.venue.cancel(&Cancel::Client(name(old)), 0) {
                self.plain.probes.retain(|probe| probe.id != id);
            }
            let Some((touch, _)) = self.venue.market().best(side) else { continue };
            let (px, qty) = (touch - side.sign() * (turn % 4) as i64, 1 + (turn * 37 % 500) as i64);
            // It is refused where the other side's level, or a probe of ours, lies in the way.
            let other = side.opposite();
            let reached = |level: i64| !ahead_of(side, level, px);
            let blocked = self.plain.levels[other as usize].keys().any(|level| reached(*level))
                || self.plain.probes.iter().any(|probe| probe.side == other && reached(probe.px));
            let placed = self.venue.place(NewOrder {
                client_order_id: name(turn),
                side,
                kind: OrderKind::Limit,
                tif: Tif::PostOnly,
                px,
                qty,
                time_ms: 0,
                extras: Extras::default(),
            });
            tally.case(placed.is_ok() != blocked, || format!("{}: {placed:?}", name(turn)));
            if let Ok(id) = placed {
                let ahead = self.plain.size(side, px);
                self.plain.probes.push(Probe { id, side, px, open: qty, ahead, unexplained: Vec::new() });
            }
        }
        self.venue.drain();
    }

    fn report(self, tally: &mut Tally) {
        tally.note("messages", self.messages);
        tally.note("places_compared", self.places);
        tally.note("fills_compared", self.fills.1);
        tally.note("same_liquidity_filled_twice", self.venue.market().counts().filled_twice);
    }
}

/// USD-M BTCUSDT, depth by level: snapshot, diffs, tickers and trades as recorded. `limit` messages, 0 for all.
///
/// # Errors
/// The file cannot be read.
pub fn binance(data: &Path, plant: Plant, limit: u64) -> Result<Tally, String> {
    let mut tally = Tally::new("queue_usdm");
    let spec = SymbolSpec { symbol: "BTCUSDT".into(), px_scale: 1, px_unit: 1, qty_scale: 3, qty_unit: 1 };
    let mut reader = Binance::new(Market::UsdM, spec);
    let path = data.join("binance-raw-2024-08/usdm_btcusdt_20240808.jsonl.gz");
    let mut capture = Capture::open(&path)?;
    let mut both = Both::new(plant)?;
    let mut unread = 0_u64;
    while let Some(received) = capture.next_message()? {
        match reader.read(received.message) {
            Ok((_, event)) => {
                both.event(event, &mut tally);
                both.probe(&mut tally);
            }
            Err(_) => unread += 1,
        }
        if limit > 0 && both.messages >= limit {
            break;
        }
    }
    tally.note("unread", unread);
    both.report(&mut tally);
    Ok(tally)
}

/// LOBSTER's AMZN day, order by order, shown to the venue as a level feed: each execution is a trade and the level after it,
/// now one first and now the other. `limit` operations, 0 for all.
///
/// # Errors
/// Never for a configuration that is sane.
pub fn lobster(set: &L3Set, plant: Plant, limit: usize) -> Result<Tally, String> {
    let mut tally = Tally::new("queue_amzn");
    let mut both = Both::new(plant)?;
    let mut levels: [BTreeMap<i64, i64>; 2] = Default::default();
    let empty = || Cow::Owned(Vec::new());
    let ts = EpochNs(0);
    both.event(
        Event::Snapshot(Snapshot { last_id: 1, ts_venue: ts, bids: empty(), asks: empty() }),
        &mut tally,
    );
    let ops = if limit > 0 { set.ops.get(..limit).unwrap_or(&set.ops) } else { &set.ops };
    for (op, id) in ops.iter().zip(2_u64..) {
        let level = levels[op.side as usize].entry(op.px).or_default();
        *level += if op.kind == OpKind::Add { op.qty } else { -op.qty };
        let changed = vec![Level { px: PxTicks(op.px), qty: QtyLots(*level) }];
        let (bids, asks) = match op.side {
            Side::Buy => (Cow::Owned(changed), empty()),
            Side::Sell => (empty(), Cow::Owned(changed)),
        };
        let diff = DepthDiff { first_id: id, last_id: id, prev_id: None, ts_venue: ts, bids, asks };
        let trade = (op.kind == OpKind::Execute).then(|| Trade {
            trade_id: id,
            px: PxTicks(op.px),
            qty: QtyLots(op.qty),
            aggressor: op.side.opposite(),
            ts_venue: ts,
        });
        let mut events = vec![Event::Depth(diff)];
        events.extend(trade.map(Event::Trade));
        if id % 2 == 0 {
            events.reverse();
        }
        for event in events {
            both.event(event, &mut tally);
            both.probe(&mut tally);
        }
    }
    both.report(&mut tally);
    Ok(tally)
}
