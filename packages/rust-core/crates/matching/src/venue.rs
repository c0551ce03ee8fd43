//! Our orders: acceptance, queue position, fills, cancels.

use crate::ledger::{Ledger, text};
use crate::limits::{
    CLIENT_ORDER_ID_BYTES_MAX, E8_PER_TICK_LOT_MAX, EVENTS_UNREAD_MAX, NOTIONAL_E8_MAX,
    OPEN_ORDERS_CONFIG_MAX, ORDERS_KEPT_MAX, TRADES_KEPT_MAX,
};
use crate::market::Market;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidegate_normalise::{Event, Trade};
use tidegate_units::Side;

/// What the venue holds for the account and how fills move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Money {
    /// Both assets change hands; the fee is taken from what is received.
    Spot,
    /// A position and a wallet in the quote asset; no margin model.
    Usdm,
}

/// The rules of one symbol at one venue.
#[derive(Debug, Clone)]
pub struct Config {
    pub money: Money,
    /// Notional in 1e-8 of the quote asset of one tick × one lot.
    pub e8_per_tick_lot: i64,
    /// One lot in 1e-8 of the base asset.
    pub base_e8_per_lot: i64,
    /// Fees in 1e-8 of the notional, never negative.
    pub maker_fee_e8: i64,
    pub taker_fee_e8: i64,
    pub base_e8: i128,
    pub quote_e8: i128,
    /// Open orders of the account in the symbol; the next is refused.
    pub open_orders_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderKind {
    Limit,
    Market,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Tif {
    Gtc,
    Ioc,
    Fok,
    /// Refused rather than take.
    PostOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    New,
    PartiallyFilled,
    Filled,
    Canceled,
    Expired,
    /// Its own account's order was in the way.
    ExpiredInMatch,
}

impl Status {
    /// Whether the order can still fill.
    pub fn open(self) -> bool {
        matches!(self, Self::New | Self::PartiallyFilled)
    }
}

/// One order to place. Prices in ticks, quantities in lots; `px` is read for limit orders only.
#[derive(Debug, Clone)]
pub struct NewOrder {
    pub client_order_id: String,
    pub side: Side,
    pub kind: OrderKind,
    pub tif: Tif,
    pub px: i64,
    pub qty: i64,
    pub time_ms: i64,
}

mod side_text {
    use serde::{Deserialize, Deserializer, Serializer};
    use tidegate_units::Side;

    pub fn serialize<S: Serializer>(side: &Side, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if *side == Side::Buy { "BUY" } else { "SELL" })
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Side, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "BUY" => Ok(Side::Buy),
            "SELL" => Ok(Side::Sell),
            other => Err(serde::de::Error::custom(format!("side is {other}, want BUY or SELL"))),
        }
    }
}

/// One order as the venue holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Order {
    pub order_id: u64,
    pub client_order_id: String,
    #[serde(with = "side_text")]
    pub side: Side,
    pub kind: OrderKind,
    pub tif: Tif,
    pub px: i64,
    pub qty: i64,
    pub cum: i64,
    #[serde(with = "text")]
    pub quote_e8: i128,
    pub status: Status,
    /// Why it ended, where the status alone does not say.
    pub reason: String,
    pub time_ms: i64,
    pub update_ms: i64,
    /// Recorded lots in front of it at its price; `UNKNOWN_AHEAD` until the book says.
    #[serde(skip, default = "unknown_ahead")]
    pub ahead: i64,
    /// Lots by which a shrinking level moved it forward since the diff before the last one: trades that explain
    /// the shrinking may come after it and must not move it again.
    #[serde(skip)]
    credit: [i64; 2],
}

/// Behind everything there may be.
pub const UNKNOWN_AHEAD: i64 = i64::MAX;

fn unknown_ahead() -> i64 {
    UNKNOWN_AHEAD
}

impl Order {
    /// What is still to fill, also of an order that has ended.
    pub fn leaves(&self) -> i64 {
        self.qty - self.cum
    }

    fn forward_to(&mut self, level: i64) {
        if level < self.ahead {
            if self.ahead != UNKNOWN_AHEAD {
                self.credit[0] += self.ahead - level;
            }
            self.ahead = level;
        }
    }
}

/// One fill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TradeRecord {
    pub trade_id: u64,
    pub order_id: u64,
    pub client_order_id: String,
    #[serde(with = "side_text")]
    pub side: Side,
    pub px: i64,
    pub qty: i64,
    #[serde(with = "text")]
    pub quote_e8: i128,
    #[serde(with = "text")]
    pub fee_e8: i128,
    pub fee_in_base: bool,
    pub maker: bool,
    pub time_ms: i64,
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    New,
    Trade(TradeRecord),
    Canceled,
    Expired,
    Rejected(Refused),
}

/// One event, with the order as of it. `order` is absent of a rejection: nothing was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueEvent {
    pub seq: u64,
    pub time_ms: i64,
    pub client_order_id: String,
    pub order: Option<Order>,
    pub kind: EventKind,
}

/// Why an order was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Malformed,
    PxOffTick,
    QtyOffLot,
    PxZeroOrNeg,
    QtyZeroOrNeg,
    Duplicate,
    InsufficientBalance,
    PostOnlyWouldTake,
    NoBook,
    OpenOrdersExceeded,
    EventsUnread,
    NotionalOverflow,
}

impl Refused {
    /// The name a wire skin maps to its venue's code.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "MALFORMED",
            Self::PxOffTick => "PRICE_OFF_TICK",
            Self::QtyOffLot => "QTY_OFF_LOT",
            Self::PxZeroOrNeg => "PRICE_ZERO_OR_NEG",
            Self::QtyZeroOrNeg => "QTY_ZERO_OR_NEG",
            Self::Duplicate => "DUPLICATE",
            Self::InsufficientBalance => "INSUFFICIENT_BALANCE",
            Self::PostOnlyWouldTake => "POST_ONLY_WOULD_TAKE",
            Self::NoBook => "NO_BOOK",
            Self::OpenOrdersExceeded => "OPEN_ORDERS_EXCEEDED",
            Self::EventsUnread => "EVENTS_UNREAD",
            Self::NotionalOverflow => "NOTIONAL_OVERFLOW",
        }
    }

    /// As the venue words it, where it does.
    pub fn text(self) -> &'static str {
        match self {
            Self::Malformed => "Mandatory parameter was not sent, was empty/null, or malformed.",
            Self::PxOffTick => "Filter failure: PRICE_FILTER",
            Self::QtyOffLot => "Filter failure: LOT_SIZE",
            Self::PxZeroOrNeg => "Invalid price.",
            Self::QtyZeroOrNeg => "Invalid quantity.",
            Self::Duplicate => "Duplicate order sent.",
            Self::InsufficientBalance => "Account has insufficient balance for requested action.",
            Self::PostOnlyWouldTake => "Order would immediately match and take.",
            Self::NoBook => "Market is closed.",
            Self::OpenOrdersExceeded => "Filter failure: MAX_NUM_ORDERS",
            Self::EventsUnread => "Server is overloaded.",
            Self::NotionalOverflow => "Filter failure: NOTIONAL",
        }
    }
}

/// Which orders a cancel is about.
#[derive(Debug, Clone)]
pub enum Cancel {
    Client(String),
    Order(u64),
}

const SELF_TRADE: &str = "SELF_TRADE_PREVENTION";

/// The venue of one symbol: the recording, our orders, our ledger.
#[derive(Debug, Clone)]
pub struct Venue {
    config: Config,
    market: Market,
    ledger: Ledger,
    orders: BTreeMap<u64, Order>,
    by_client: BTreeMap<String, u64>,
    /// Open orders that rest, best price first, then first come.
    resting: [BTreeSet<(i64, u64)>; 2],
    trades: VecDeque<TradeRecord>,
    events: VecDeque<VenueEvent>,
    next_order_id: u64,
    next_trade_id: u64,
    next_seq: u64,
    public_trades: u64,
    duplicates: u64,
}

/// Everything that outlives a restart.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VenueState {
    pub next_order_id: u64,
    pub next_trade_id: u64,
    pub next_seq: u64,
    pub duplicates: u64,
    pub ledger: Ledger,
    pub orders: Vec<Order>,
    pub trades: Vec<TradeRecord>,
}

fn slot(side: Side) -> usize {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

/// Sorts the better price first.
fn key(order: &Order) -> (i64, u64) {
    (-order.side.sign() * order.px, order.order_id)
}

impl Venue {
    /// An empty venue with the account's first balances.
    ///
    /// # Errors
    /// A scale or fee that would make the arithmetic inexact or overflow, named.
    pub fn new(config: Config) -> Result<Self, String> {
        if !(1..=E8_PER_TICK_LOT_MAX).contains(&config.e8_per_tick_lot) {
            return Err(format!(
                "e8PerTickLot is {}, want 1 to {E8_PER_TICK_LOT_MAX}",
                config.e8_per_tick_lot
            ));
        }
        if !(1..=1_000_000_000_000).contains(&config.base_e8_per_lot) {
            return Err(format!("baseE8PerLot is {}, want 1 to 1e12", config.base_e8_per_lot));
        }
        for (name, fee) in [("makerFeeE8", config.maker_fee_e8), ("takerFeeE8", config.taker_fee_e8)] {
            if !(0..=100_000_000).contains(&fee) {
                return Err(format!("{name} is {fee}, want 0 to 100000000 (1e-8 of the notional)"));
            }
        }
        if !(1..=OPEN_ORDERS_CONFIG_MAX).contains(&config.open_orders_max) {
            return Err(format!(
                "openOrdersMax is {}, want 1 to {OPEN_ORDERS_CONFIG_MAX}",
                config.open_orders_max
            ));
        }
        let ledger = Ledger { base_e8: config.base_e8, quote_e8: config.quote_e8, ..Ledger::default() };
        Ok(Self {
            config,
            market: Market::default(),
            ledger,
            orders: BTreeMap::new(),
            by_client: BTreeMap::new(),
            resting: [BTreeSet::new(), BTreeSet::new()],
            trades: VecDeque::new(),
            events: VecDeque::new(),
            next_order_id: 1,
            next_trade_id: 1,
            next_seq: 1,
            public_trades: 0,
            duplicates: 0,
        })
    }

    pub fn market(&self) -> &Market {
        &self.market
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Public trades of the recording so far, and orders refused because their id was already open.
    pub fn counts(&self) -> (u64, u64) {
        (self.public_trades, self.duplicates)
    }

    /// Every order kept, by order id.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// The orders that rest, buys then sells, best first.
    pub fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.resting.iter().flatten().filter_map(|(_, id)| self.orders.get(id))
    }

    /// Our fills, oldest first.
    pub fn trades(&self) -> impl Iterator<Item = &TradeRecord> {
        self.trades.iter()
    }

    /// The next (order id, trade id).
    pub fn state_ids(&self) -> (u64, u64) {
        (self.next_order_id, self.next_trade_id)
    }

    /// Our fills from a trade id on, oldest first.
    pub fn trades_from(&self, id: u64) -> impl Iterator<Item = &TradeRecord> {
        self.trades.range(self.trades.partition_point(|trade| trade.trade_id < id)..)
    }

    /// An order by the venue's id, or by ours (the newest, where one was used again).
    pub fn find(&self, which: &Cancel) -> Option<&Order> {
        match which {
            Cancel::Order(id) => self.orders.get(id),
            Cancel::Client(id) => self.by_client.get(id).and_then(|id| self.orders.get(id)),
        }
    }

    /// How many events wait.
    pub fn pending(&self) -> usize {
        self.events.len()
    }

    /// Takes the waiting events, oldest first.
    pub fn drain(&mut self) -> Vec<VenueEvent> {
        self.events.drain(..).collect()
    }

    /// Lots and quote money that open orders hold: (base in 1e-8, quote in 1e-8).
    pub fn locked(&self) -> (i128, i128) {
        self.open_orders().fold((0, 0), |(base, quote), order| match order.side {
            Side::Buy => (base, quote + self.notional(order.px, order.leaves())),
            Side::Sell => (base + self.base(order.leaves()), quote),
        })
    }

    fn notional(&self, px: i64, qty: i64) -> i128 {
        i128::from(px) * i128::from(qty) * i128::from(self.config.e8_per_tick_lot)
    }

    fn base(&self, qty: i64) -> i128 {
        i128::from(qty) * i128::from(self.config.base_e8_per_lot)
    }

    /// Forgets the recorded book; resting orders go behind whatever the next snapshot shows.
    pub fn reset_market(&mut self) {
        self.market.reset();
        self.requeue();
    }

    fn requeue(&mut self) {
        for order in self.orders.values_mut().filter(|order| order.status.open()) {
            order.ahead = UNKNOWN_AHEAD;
            order.credit = [0, 0];
        }
    }

    /// One event of the recording at the venue's time `now_ms`.
    pub fn on_market(&mut self, event: Event<'_>, now_ms: i64) {
        let mut diff_ended = false;
        match event {
            Event::Depth(diff) => {
                self.market.on_depth(diff);
                diff_ended = true;
            }
            Event::Snapshot(snapshot) => self.market.on_snapshot(&snapshot),
            Event::Ticker(ticker) => self.market.on_ticker(ticker),
            Event::Trade(trade) => {
                self.public_trades += 1;
                if self.market.synced() {
                    self.on_trade(&trade, now_ms);
                }
                return;
            }
            // The recordings this venue plays have nothing else that moves its market.
            _ => return,
        }
        if !self.market.synced() {
            return;
        }
        for ids in &self.resting {
            for (_, id) in ids {
                let Some(order) = self.orders.get_mut(id) else { continue };
                if diff_ended {
                    order.credit = [0, order.credit[0]];
                }
                if let Some(level) = self.market.recorded(order.side, order.px) {
                    order.forward_to(level);
                }
            }
        }
        self.cross(now_ms);
    }

    /// Opposite recorded levels that reach a resting order's price fill it, at its price.
    fn cross(&mut self, now_ms: i64) {
        for side in [Side::Buy, Side::Sell] {
            let ids: Vec<u64> = self.resting[slot(side)].iter().map(|(_, id)| *id).collect();
            for id in ids {
                let mut filled_any = false;
                while let Some((px, leaves)) = self.open_px_leaves(id) {
                    let Some((level, left)) = self.market.available(side.opposite(), Some(px)) else { break };
                    let qty = leaves.min(left);
                    self.market.take(side.opposite(), level, qty);
                    self.fill(id, px, qty, true, now_ms);
                    filled_any = true;
                }
                // Best price first: when nothing reaches this one, nothing reaches the next.
                if !filled_any {
                    break;
                }
            }
        }
    }

    fn open_px_leaves(&self, id: u64) -> Option<(i64, i64)> {
        self.orders.get(&id).filter(|o| o.status.open()).map(|o| (o.px, o.leaves()))
    }

    /// A public trade: it first meets orders of ours at better prices, then the queue at its own price.
    fn on_trade(&mut self, trade: &Trade, now_ms: i64) {
        let side = trade.aggressor.opposite();
        let mut left = trade.qty.0;
        let ids: Vec<u64> = self.resting[slot(side)].iter().map(|(_, id)| *id).collect();
        for id in ids {
            let Some(order) = self.orders.get_mut(&id) else { continue };
            let better = (order.px - trade.px.0) * side.sign();
            if better < 0 || left == 0 {
                break;
            }
            let mut volume = left;
            if better == 0 {
                for credit in order.credit.iter_mut().rev() {
                    let used = volume.min(*credit);
                    *credit -= used;
                    volume -= used;
                }
                let used = volume.min(order.ahead);
                if order.ahead != UNKNOWN_AHEAD {
                    order.ahead -= used;
                }
                volume -= used;
            }
            let (px, qty) = (order.px, volume.min(order.leaves()));
            if qty > 0 {
                self.fill(id, px, qty, true, now_ms);
                left -= qty;
            }
        }
    }

    fn emit(&mut self, kind: EventKind, client_order_id: String, order: Option<Order>, time_ms: i64) {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.events.push_back(VenueEvent { seq, time_ms, client_order_id, order, kind });
    }

    fn emit_order(&mut self, kind: EventKind, id: u64, time_ms: i64) {
        if let Some(order) = self.orders.get(&id).cloned() {
            self.emit(kind, order.client_order_id.clone(), Some(order), time_ms);
        }
    }

    fn fill(&mut self, id: u64, px: i64, qty: i64, maker: bool, now_ms: i64) {
        let notional = self.notional(px, qty);
        let base = self.base(qty);
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.cum += qty;
        order.quote_e8 += notional;
        order.update_ms = now_ms;
        order.status = if order.leaves() == 0 { Status::Filled } else { Status::PartiallyFilled };
        let rate = i128::from(if maker { self.config.maker_fee_e8 } else { self.config.taker_fee_e8 });
        // Cut off below 1e-8, as the venue does. A spot buyer receives the base asset and pays in it.
        let fee_in_base = self.config.money == Money::Spot && order.side == Side::Buy;
        let fee_e8 = if fee_in_base { base } else { notional } * rate / 100_000_000;
        let record = TradeRecord {
            trade_id: self.next_trade_id,
            order_id: id,
            client_order_id: order.client_order_id.clone(),
            side: order.side,
            px,
            qty,
            quote_e8: notional,
            fee_e8,
            fee_in_base,
            maker,
            time_ms: now_ms,
        };
        let (side, done, at) = (order.side, !order.status.open(), key(order));
        self.next_trade_id += 1;
        if done {
            self.resting[slot(side)].remove(&at);
        }
        let fees = if fee_in_base { (fee_e8, 0) } else { (0, fee_e8) };
        self.ledger.book(side, qty, base, notional, fees);
        if self.trades.len() == TRADES_KEPT_MAX {
            self.trades.pop_front();
        }
        self.trades.push_back(record.clone());
        self.emit_order(EventKind::Trade(record), id, now_ms);
    }

    fn end(&mut self, id: u64, status: Status, reason: &str, kind: EventKind, now_ms: i64) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.status = status;
        order.reason = reason.into();
        order.update_ms = now_ms;
        let (side, at) = (order.side, key(order));
        self.resting[slot(side)].remove(&at);
        self.emit_order(kind, id, now_ms);
    }

    /// The best opposite price of our own that an order of `side` at `limit` would reach.
    fn own_in_the_way(&self, side: Side, limit: Option<i64>) -> Option<i64> {
        let (_, id) = self.resting[slot(side.opposite())].first()?;
        let px = self.orders.get(id)?.px;
        limit.is_none_or(|limit| (limit - px) * side.sign() >= 0).then_some(px)
    }

    fn check(&self, new: &NewOrder) -> Result<(), Refused> {
        let limit = (new.kind == OrderKind::Limit).then_some(new.px);
        if new.client_order_id.is_empty() || new.client_order_id.len() > CLIENT_ORDER_ID_BYTES_MAX {
            return Err(Refused::Malformed);
        }
        if new.qty <= 0 {
            return Err(Refused::QtyZeroOrNeg);
        }
        if limit.is_some_and(|px| px <= 0) {
            return Err(Refused::PxZeroOrNeg);
        }
        if limit.is_none() && new.tif == Tif::PostOnly {
            return Err(Refused::Malformed);
        }
        if self.find(&Cancel::Client(new.client_order_id.clone())).is_some_and(|o| o.status.open()) {
            return Err(Refused::Duplicate);
        }
        if !self.market.synced() {
            return Err(Refused::NoBook);
        }
        if self.events.len() >= EVENTS_UNREAD_MAX {
            return Err(Refused::EventsUnread);
        }
        if self.resting.iter().map(BTreeSet::len).sum::<usize>() >= self.config.open_orders_max {
            return Err(Refused::OpenOrdersExceeded);
        }
        let cost = match limit {
            Some(px) => self.notional(px, new.qty),
            None => {
                let (_, cost) = self.market.available_total(new.side.opposite(), None, new.qty);
                cost.saturating_mul(i128::from(self.config.e8_per_tick_lot))
            }
        };
        if cost > NOTIONAL_E8_MAX {
            return Err(Refused::NotionalOverflow);
        }
        if self.config.money == Money::Spot {
            let (base_locked, quote_locked) = self.locked();
            let enough = match new.side {
                Side::Buy => cost <= self.ledger.quote_e8 - quote_locked,
                Side::Sell => self.base(new.qty) <= self.ledger.base_e8 - base_locked,
            };
            if !enough {
                return Err(Refused::InsufficientBalance);
            }
        }
        let touch = self.market.best(new.side.opposite()).map(|(px, _)| px);
        let takes = touch.is_some_and(|touch| limit.is_some_and(|px| (px - touch) * new.side.sign() >= 0));
        if new.tif == Tif::PostOnly && (takes || self.own_in_the_way(new.side, limit).is_some()) {
            return Err(Refused::PostOnlyWouldTake);
        }
        Ok(())
    }

    /// Places an order: refused with nothing kept, or accepted, matched at once as far as it goes, and its id given.
    ///
    /// # Errors
    /// Why it was refused; the same as a `Rejected` event.
    pub fn place(&mut self, new: NewOrder) -> Result<u64, Refused> {
        if let Err(refused) = self.check(&new) {
            self.reject(refused, new.client_order_id, new.time_ms);
            return Err(refused);
        }
        if self.orders.len() >= ORDERS_KEPT_MAX {
            self.forget_oldest();
        }
        let id = self.next_order_id;
        self.next_order_id += 1;
        let limit = (new.kind == OrderKind::Limit).then_some(new.px);
        let (side, qty, tif, now_ms) = (new.side, new.qty, new.tif, new.time_ms);
        let order = Order {
            order_id: id,
            client_order_id: new.client_order_id.clone(),
            side,
            kind: new.kind,
            tif,
            px: limit.unwrap_or(0),
            qty,
            cum: 0,
            quote_e8: 0,
            status: Status::New,
            reason: String::new(),
            time_ms: now_ms,
            update_ms: now_ms,
            ahead: UNKNOWN_AHEAD,
            credit: [0, 0],
        };
        self.orders.insert(id, order);
        self.by_client.insert(new.client_order_id, id);
        self.emit_order(EventKind::New, id, now_ms);
        self.match_new(id, side, limit, qty, tif, now_ms);
        Ok(id)
    }

    fn match_new(&mut self, id: u64, side: Side, limit: Option<i64>, qty: i64, tif: Tif, now_ms: i64) {
        let own = self.own_in_the_way(side, limit);
        // Up to our own order: at its price it is not asked who of the two stands first.
        let reach = own.map_or(limit, |px| Some(px - side.sign()));
        let (blocked, reason) = match own {
            Some(_) => (Status::ExpiredInMatch, SELF_TRADE),
            None => (Status::Expired, if limit.is_none() { "NO_LIQUIDITY" } else { "IOC" }),
        };
        if tif == Tif::Fok && self.market.available_total(side.opposite(), reach, qty).0 < qty {
            let reason = if own.is_some() { SELF_TRADE } else { "FOK" };
            return self.end(id, blocked, reason, EventKind::Expired, now_ms);
        }
        let mut left = qty;
        while left > 0 {
            let Some((px, available)) = self.market.available(side.opposite(), reach) else { break };
            let take = left.min(available);
            self.market.take(side.opposite(), px, take);
            self.fill(id, px, take, false, now_ms);
            left -= take;
        }
        if left == 0 {
            return;
        }
        if own.is_some() || limit.is_none() || matches!(tif, Tif::Ioc | Tif::Fok) {
            return self.end(id, blocked, reason, EventKind::Expired, now_ms);
        }
        if let Some(order) = self.orders.get_mut(&id) {
            order.ahead = self.market.recorded(side, order.px).unwrap_or(UNKNOWN_AHEAD);
            let at = key(order);
            self.resting[slot(side)].insert(at);
        }
    }

    /// Notes a refusal that came before the order had a shape.
    pub fn reject(&mut self, refused: Refused, client_order_id: String, time_ms: i64) {
        if refused == Refused::Duplicate {
            self.duplicates += 1;
        }
        if self.events.len() < EVENTS_UNREAD_MAX {
            self.emit(EventKind::Rejected(refused), client_order_id, None, time_ms);
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.orders.iter().find(|(_, o)| !o.status.open()).map(|(id, _)| *id);
        if let Some(order) = oldest.and_then(|id| self.orders.remove(&id))
            && self.by_client.get(&order.client_order_id) == Some(&order.order_id)
        {
            self.by_client.remove(&order.client_order_id);
        }
    }

    /// Cancels one open order and gives its id; `None` when there is no such open order.
    pub fn cancel(&mut self, which: &Cancel, now_ms: i64) -> Option<u64> {
        let id = self.find(which).filter(|order| order.status.open())?.order_id;
        self.end(id, Status::Canceled, "", EventKind::Canceled, now_ms);
        Some(id)
    }

    /// Cancels every open order, best price first, buys before sells.
    pub fn cancel_all(&mut self, now_ms: i64) -> Vec<u64> {
        let ids: Vec<u64> = self.open_orders().map(|order| order.order_id).collect();
        ids.into_iter().filter_map(|id| self.cancel(&Cancel::Order(id), now_ms)).collect()
    }

    /// All that a restart needs. Unread events are not part of it.
    pub fn state(&self) -> VenueState {
        VenueState {
            next_order_id: self.next_order_id,
            next_trade_id: self.next_trade_id,
            next_seq: self.next_seq,
            duplicates: self.duplicates,
            ledger: self.ledger.clone(),
            orders: self.orders.values().cloned().collect(),
            trades: self.trades.iter().cloned().collect(),
        }
    }

    /// Puts a saved state in the place of this one; the recorded book stays. Resting orders go to the back of the queue.
    ///
    /// # Errors
    /// A state that contradicts itself; nothing is changed then.
    pub fn restore(&mut self, state: VenueState) -> Result<(), String> {
        let mut orders = BTreeMap::new();
        let mut by_client = BTreeMap::new();
        let mut resting = [BTreeSet::new(), BTreeSet::new()];
        if state.orders.len() > ORDERS_KEPT_MAX || state.trades.len() > TRADES_KEPT_MAX {
            return Err("more orders or trades than the venue keeps".into());
        }
        for mut order in state.orders {
            let id = order.order_id;
            let sane = order.qty > 0 && (0..=order.qty).contains(&order.cum) && id < state.next_order_id;
            if !sane || (order.status.open() && (order.leaves() == 0 || order.px <= 0)) {
                return Err(format!("order {id} is inconsistent: qty, cum, status or id"));
            }
            order.ahead = UNKNOWN_AHEAD;
            if order.status.open() {
                let level =
                    self.market.synced().then(|| self.market.recorded(order.side, order.px)).flatten();
                order.ahead = level.unwrap_or(UNKNOWN_AHEAD);
                resting[slot(order.side)].insert(key(&order));
            }
            by_client.insert(order.client_order_id.clone(), id);
            if orders.insert(id, order).is_some() {
                return Err(format!("order {id} is there twice"));
            }
        }
        if resting.iter().map(BTreeSet::len).sum::<usize>() > self.config.open_orders_max {
            return Err(format!("more than {} open orders", self.config.open_orders_max));
        }
        if state.trades.iter().any(|trade| trade.trade_id >= state.next_trade_id) {
            return Err("a trade id at or above nextTradeId".into());
        }
        self.orders = orders;
        self.by_client = by_client;
        self.resting = resting;
        self.trades = state.trades.into();
        self.ledger = state.ledger;
        self.events.clear();
        (self.next_order_id, self.next_trade_id) = (state.next_order_id, state.next_trade_id);
        (self.next_seq, self.duplicates) = (state.next_seq, state.duplicates);
        Ok(())
    }
}
