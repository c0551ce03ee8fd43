//! Our orders: acceptance, queue position, fills, cancels.

use crate::engine::{self, Engine, Fill, OrderKind, Phase, Refused, Request, Stp, Tif, Trigger, Why};
use crate::ledger::{Ledger, text};
use crate::limits::{
    CLIENT_ORDER_ID_BYTES_MAX, E8_PER_TICK_LOT_MAX, ENGINE_ORDERS_MAX, EVENTS_UNREAD_MAX, NOTIONAL_E8_MAX,
    OPEN_ORDERS_CONFIG_MAX, ORDERS_KEPT_MAX, TRADES_KEPT_MAX,
};
use crate::market::Market;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
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
    pub extras: Extras,
}

/// What most orders do not have. The default is none of it, for the first account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Extras {
    /// As [`Venue::add_account`] numbered it.
    #[serde(skip_serializing_if = "is_default")]
    pub account: u32,
    /// Shown at a time (iceberg), in lots; 0 shows all.
    #[serde(skip_serializing_if = "is_default")]
    pub peak: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub reduce_only: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub stp: Stp,
    /// What it waits for, or has waited for.
    #[serde(skip_serializing_if = "is_default")]
    pub trigger: Option<Trigger>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
    /// Lots that neither filled nor can: lost to self-trade prevention, or whose trade was busted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub void: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub extras: Extras,
    /// What it waited for has come.
    #[serde(default, skip_serializing_if = "is_default")]
    pub triggered: bool,
}

/// Behind everything there may be.
pub const UNKNOWN_AHEAD: i64 = i64::MAX;

fn unknown_ahead() -> i64 {
    UNKNOWN_AHEAD
}

impl Order {
    /// What is still to fill, also of an order that has ended.
    pub fn leaves(&self) -> i64 {
        self.qty - self.cum - self.void
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
    #[serde(default, skip_serializing_if = "is_default")]
    pub account: u32,
    /// The venue took it back.
    #[serde(default, skip_serializing_if = "is_default")]
    pub busted: bool,
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    New,
    Trade(TradeRecord),
    Canceled,
    Expired,
    Rejected(Refused),
    /// It has another price or quantity.
    Replaced,
    /// The price it waited for has come.
    Triggered,
    /// The venue took one of its trades back.
    Busted(TradeRecord),
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

/// Which orders a cancel is about.
#[derive(Debug, Clone)]
pub enum Cancel {
    Client(String),
    Order(u64),
}

/// How an order ends, and the reason it carries where its status does not say it.
fn ending(why: Why) -> (Status, &'static str, EventKind) {
    match why {
        Why::Canceled => (Status::Canceled, "", EventKind::Canceled),
        Why::Ioc => (Status::Expired, "IOC", EventKind::Expired),
        Why::Fok => (Status::Expired, "FOK", EventKind::Expired),
        Why::NoLiquidity => (Status::Expired, "NO_LIQUIDITY", EventKind::Expired),
        Why::SelfTrade => (Status::ExpiredInMatch, "SELF_TRADE_PREVENTION", EventKind::Expired),
        Why::ReduceOnly => (Status::Expired, "REDUCE_ONLY", EventKind::Expired),
        Why::DayEnd => (Status::Expired, "DAY", EventKind::Expired),
    }
}

/// The venue of one symbol: the recording as the street of a matching core, our orders, our ledgers.
#[derive(Debug, Clone)]
pub struct Venue {
    config: Config,
    engine: Engine<Market>,
    /// What the core did and we have not followed yet; empty between calls.
    done: Vec<engine::Event>,
    /// By account.
    ledgers: Vec<Ledger>,
    orders: BTreeMap<u64, Order>,
    by_client: BTreeMap<String, u64>,
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
    /// Of the accounts after the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_ledgers: Vec<Ledger>,
}

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

/// A core over a recording, with so many accounts.
fn core(market: Market, accounts: usize) -> Engine<Market> {
    let mut engine = Engine::new(market, ENGINE_ORDERS_MAX);
    for _ in 0..accounts {
        engine.add_account();
    }
    engine
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
            engine: core(Market::default(), 1),
            done: Vec::new(),
            ledgers: vec![ledger],
            orders: BTreeMap::new(),
            by_client: BTreeMap::new(),
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
        self.engine.street()
    }

    /// The matching core.
    pub fn engine(&self) -> &Engine<Market> {
        &self.engine
    }

    /// What the first account owns.
    pub fn ledger(&self) -> &Ledger {
        // The first account is there from the start and none is ever taken away.
        &self.ledgers[0]
    }

    /// What an account owns.
    pub fn ledger_of(&self, account: u32) -> Option<&Ledger> {
        self.ledgers.get(account as usize)
    }

    /// Opens another account and gives its number; none past the core's bound.
    pub fn add_account(&mut self, base_e8: i128, quote_e8: i128) -> Option<u32> {
        let number = self.engine.add_account()?;
        self.ledgers.push(Ledger { base_e8, quote_e8, ..Ledger::default() });
        Some(number)
    }

    /// Money that comes into an account from elsewhere, in 1e-8. False where there is no such account.
    pub fn deposit(&mut self, account: u32, base_e8: i128, quote_e8: i128) -> bool {
        let Some(ledger) = self.ledgers.get_mut(account as usize) else { return false };
        ledger.base_e8 += base_e8;
        ledger.quote_e8 += quote_e8;
        true
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

    /// The open orders: those that rest, buys then sells, best first; then those that wait for a price, oldest first.
    pub fn open_orders(&self) -> impl Iterator<Item = &Order> {
        let resting = SIDES.into_iter().flat_map(|side| self.engine.orders(side));
        resting.chain(self.engine.waiting_ids()).filter_map(|id| self.orders.get(&id))
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

    /// What the first account's open orders hold: (base in 1e-8, quote in 1e-8).
    pub fn locked(&self) -> (i128, i128) {
        self.locked_of(0)
    }

    /// What an account's open orders hold: (base in 1e-8, quote in 1e-8).
    pub fn locked_of(&self, account: u32) -> (i128, i128) {
        let own = self.open_orders().filter(|order| order.extras.account == account);
        own.fold((0, 0), |(base, quote), order| match order.side {
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
        self.engine.street_mut().reset();
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
        let market = self.engine.street_mut();
        match event {
            Event::Depth(diff) => {
                market.on_depth(diff);
                diff_ended = true;
            }
            Event::Snapshot(snapshot) => market.on_snapshot(&snapshot),
            Event::Ticker(ticker) => market.on_ticker(ticker),
            Event::Trade(trade) => {
                let synced = market.synced();
                self.public_trades += 1;
                if synced {
                    self.on_trade(&trade, now_ms);
                    self.engine.print(trade.px.0);
                    self.settle(now_ms);
                }
                return;
            }
            // The recordings this venue plays have nothing else that moves its market.
            _ => return,
        }
        if !self.market().synced() {
            return;
        }
        for id in SIDES.into_iter().flat_map(|side| self.engine.orders(side)) {
            let Some(order) = self.orders.get_mut(&id) else { continue };
            if diff_ended {
                order.credit = [0, order.credit[0]];
            }
            if let Some(level) = self.engine.street().recorded(order.side, order.px) {
                order.forward_to(level);
            }
        }
        if self.engine.phase() == Phase::Continuous {
            self.cross(now_ms);
            self.settle(now_ms);
        }
    }

    /// Sets off what waits for a price that has been traded.
    fn settle(&mut self, now_ms: i64) {
        self.engine.settle(&mut self.done);
        self.follow(now_ms);
    }

    /// Opposite recorded levels that reach a resting order's price fill it, at its price.
    fn cross(&mut self, now_ms: i64) {
        for side in SIDES {
            let ids: Vec<u64> = self.engine.orders(side).collect();
            for id in ids {
                let mut filled_any = false;
                while let Some((px, shown)) = self.resting(id) {
                    let Some((level, left)) = self.market().available(side.opposite(), Some(px)) else {
                        break;
                    };
                    let qty = self.engine.execute(id, px, shown.min(left), &mut self.done);
                    self.engine.street_mut().take(side.opposite(), level, qty);
                    self.follow(now_ms);
                    filled_any = true;
                }
                // Best price first: when nothing reaches this one, nothing reaches the next.
                if !filled_any {
                    break;
                }
            }
        }
    }

    /// Price and shown lots of an order that rests.
    fn resting(&self, id: u64) -> Option<(i64, i64)> {
        let order = self.engine.order(id)?;
        order.px.filter(|_| order.trigger_px.is_none()).map(|px| (px, order.shown))
    }

    /// A public trade: it first meets orders of ours at better prices, then the queue at its own price.
    fn on_trade(&mut self, trade: &Trade, now_ms: i64) {
        let side = trade.aggressor.opposite();
        let trades = self.engine.phase() == Phase::Continuous;
        let mut left = trade.qty.0;
        let ids: Vec<u64> = self.engine.orders(side).collect();
        for id in ids {
            let Some(shown) = self.resting(id).map(|(_, shown)| shown) else { continue };
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
            let (px, qty) = (order.px, volume.min(shown));
            if qty > 0 && trades {
                left -= self.engine.execute(id, px, qty, &mut self.done);
                self.follow(now_ms);
            }
        }
    }

    /// Books what the core has done.
    fn follow(&mut self, now_ms: i64) {
        let mut done = std::mem::take(&mut self.done);
        for event in done.drain(..) {
            match event {
                engine::Event::Fill(fill) => self.filled(&fill, now_ms),
                engine::Event::Rests { id } | engine::Event::Refreshed { id } => {
                    let Some(order) = self.orders.get_mut(&id) else { continue };
                    order.ahead =
                        self.engine.street().recorded(order.side, order.px).unwrap_or(UNKNOWN_AHEAD);
                    order.credit = [0, 0];
                }
                engine::Event::Triggered { id } => {
                    if let Some(order) = self.orders.get_mut(&id) {
                        order.triggered = true;
                        order.update_ms = now_ms;
                    }
                    self.emit_order(EventKind::Triggered, id, now_ms);
                }
                engine::Event::Trailed { id, px } => {
                    let trigger = self.orders.get_mut(&id).and_then(|order| order.extras.trigger.as_mut());
                    if let Some(trigger) = trigger {
                        trigger.px = px;
                    }
                }
                engine::Event::Amended { id, px, open } => {
                    if let Some(order) = self.orders.get_mut(&id) {
                        (order.px, order.qty) = (px, open + order.cum + order.void);
                        order.extras.peak = order.extras.peak.min(open);
                        order.update_ms = now_ms;
                    }
                    self.emit_order(EventKind::Replaced, id, now_ms);
                }
                engine::Event::Decremented { id, by } => {
                    if let Some(order) = self.orders.get_mut(&id) {
                        order.void += by;
                        order.update_ms = now_ms;
                    }
                    self.emit_order(EventKind::Replaced, id, now_ms);
                }
                engine::Event::Ended { id, open, why } => self.end(id, open, why, now_ms),
            }
        }
        self.done = done;
    }

    fn filled(&mut self, fill: &Fill, now_ms: i64) {
        let mut parties = [(fill.buyer, Side::Buy), (fill.seller, Side::Sell)];
        if fill.aggressor == Some(Side::Sell) {
            parties.reverse();
        }
        for (party, side) in parties {
            if let Some((id, _)) = party {
                self.fill(id, fill.px, fill.qty, fill.aggressor != Some(side), now_ms);
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
            account: order.extras.account,
            busted: false,
        };
        let (side, account) = (order.side, order.extras.account);
        self.next_trade_id += 1;
        let fees = if fee_in_base { (fee_e8, 0) } else { (0, fee_e8) };
        if let Some(ledger) = self.ledgers.get_mut(account as usize) {
            ledger.book(side, qty, base, notional, fees);
        }
        if self.trades.len() == TRADES_KEPT_MAX {
            self.trades.pop_front();
        }
        self.trades.push_back(record.clone());
        self.emit_order(EventKind::Trade(record), id, now_ms);
    }

    fn end(&mut self, id: u64, open: i64, why: Why, now_ms: i64) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        let (status, reason, kind) = ending(why);
        order.status = status;
        order.reason = reason.into();
        // What self-trade prevention took from it last.
        order.void += order.leaves() - open;
        order.update_ms = now_ms;
        self.emit_order(kind, id, now_ms);
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
        if let Some(trigger) = new.extras.trigger {
            if trigger.px <= 0 {
                return Err(Refused::PxZeroOrNeg);
            }
            // What a stop that becomes a market buy will cost cannot be held beforehand.
            if self.config.money == Money::Spot && limit.is_none() && new.side == Side::Buy {
                return Err(Refused::Malformed);
            }
        }
        let Some(ledger) = self.ledger_of(new.extras.account) else { return Err(Refused::Malformed) };
        if self.find(&Cancel::Client(new.client_order_id.clone())).is_some_and(|o| o.status.open()) {
            return Err(Refused::Duplicate);
        }
        if !self.market().synced() {
            return Err(Refused::NoBook);
        }
        if self.events.len() >= EVENTS_UNREAD_MAX {
            return Err(Refused::EventsUnread);
        }
        if self.engine.resting() + self.engine.waiting() >= self.config.open_orders_max {
            return Err(Refused::OpenOrdersExceeded);
        }
        let cost = match limit {
            Some(px) => self.notional(px, new.qty),
            None => {
                let (_, cost) = self.market().available_total(new.side.opposite(), None, new.qty);
                cost.saturating_mul(i128::from(self.config.e8_per_tick_lot))
            }
        };
        if cost > NOTIONAL_E8_MAX {
            return Err(Refused::NotionalOverflow);
        }
        if self.config.money == Money::Spot {
            let (base_locked, quote_locked) = self.locked_of(new.extras.account);
            let enough = match new.side {
                Side::Buy => cost <= ledger.quote_e8 - quote_locked,
                Side::Sell => self.base(new.qty) <= ledger.base_e8 - base_locked,
            };
            if !enough {
                return Err(Refused::InsufficientBalance);
            }
        }
        Ok(())
    }

    /// Places an order: refused with nothing kept, or accepted, matched at once as far as it goes, and its id given.
    ///
    /// # Errors
    /// Why it was refused; the same as a `Rejected` event.
    pub fn place(&mut self, new: NewOrder) -> Result<u64, Refused> {
        let id = self.next_order_id;
        let request = Request {
            id,
            account: new.extras.account,
            side: new.side,
            kind: new.kind,
            tif: new.tif,
            px: new.px,
            qty: new.qty,
            peak: new.extras.peak,
            reduce_only: new.extras.reduce_only,
            stp: new.extras.stp,
            trigger: new.extras.trigger,
        };
        let taken = match self.check(&new) {
            Ok(()) => self.engine.submit(&request, &mut self.done),
            refused => refused,
        };
        if let Err(refused) = taken {
            self.reject(refused, new.client_order_id, new.time_ms);
            return Err(refused);
        }
        if self.orders.len() >= ORDERS_KEPT_MAX {
            self.forget_oldest();
        }
        self.next_order_id += 1;
        let now_ms = new.time_ms;
        let mut extras = new.extras;
        if let (Some(trigger), Some(px)) =
            (&mut extras.trigger, self.engine.order(id).and_then(|order| order.trigger_px))
        {
            trigger.px = px;
        }
        let order = Order {
            order_id: id,
            client_order_id: new.client_order_id.clone(),
            side: new.side,
            kind: new.kind,
            tif: new.tif,
            px: request.limit_px().unwrap_or(0),
            qty: new.qty,
            cum: 0,
            quote_e8: 0,
            status: Status::New,
            reason: String::new(),
            time_ms: now_ms,
            update_ms: now_ms,
            ahead: UNKNOWN_AHEAD,
            credit: [0, 0],
            void: 0,
            extras,
            triggered: false,
        };
        self.orders.insert(id, order);
        self.by_client.insert(new.client_order_id, id);
        self.emit_order(EventKind::New, id, now_ms);
        self.follow(now_ms);
        Ok(id)
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
        self.engine.cancel(id, &mut self.done);
        self.follow(now_ms);
        Some(id)
    }

    /// Gives an open order another price and total quantity, what has filled included. At the same price with no more than
    /// before it keeps its place in the queue.
    ///
    /// # Errors
    /// Why it is refused; the order stands as it did.
    pub fn amend(&mut self, which: &Cancel, px: i64, qty: i64, now_ms: i64) -> Result<u64, Refused> {
        let order = self.find(which).filter(|order| order.status.open()).ok_or(Refused::UnknownOrder)?;
        let (id, open) = (order.order_id, qty - order.cum - order.void);
        let px = if order.kind == OrderKind::Market { 0 } else { px };
        if order.kind == OrderKind::Limit && px <= 0 {
            return Err(Refused::PxZeroOrNeg);
        }
        if open <= 0 {
            return Err(Refused::QtyZeroOrNeg);
        }
        let cost = self.notional(px, open);
        if cost > NOTIONAL_E8_MAX {
            return Err(Refused::NotionalOverflow);
        }
        if self.events.len() >= EVENTS_UNREAD_MAX {
            return Err(Refused::EventsUnread);
        }
        let account = order.extras.account;
        if let Some(ledger) = self.ledger_of(account).filter(|_| self.config.money == Money::Spot) {
            let (base_locked, quote_locked) = self.locked_of(account);
            let enough = match order.side {
                Side::Buy => cost - self.notional(order.px, order.leaves()) <= ledger.quote_e8 - quote_locked,
                Side::Sell => self.base(open - order.leaves()) <= ledger.base_e8 - base_locked,
            };
            if !enough {
                return Err(Refused::InsufficientBalance);
            }
        }
        self.engine.amend(id, px, open, &mut self.done)?;
        self.follow(now_ms);
        Ok(id)
    }

    /// Trading stops: orders stay, nothing fills, only cancels are taken. The recording plays on.
    pub fn halt(&mut self) {
        self.engine.halt();
    }

    /// Trading goes on; what the recording reaches meanwhile trades with its next event.
    pub fn resume(&mut self) {
        // Orders of a venue never cross while it is halted: none is taken.
        let resumed = self.engine.resume();
        debug_assert!(resumed.is_ok());
    }

    /// The end of the trading day: day orders expire.
    pub fn end_day(&mut self, now_ms: i64) {
        self.engine.end_day(&mut self.done);
        self.follow(now_ms);
    }

    /// Funding of every position: at a rate above 0 longs pay and shorts receive. Gives what each account received, in 1e-8.
    ///
    /// Units   `rate_e8` in 1e-8 of the notional at `mark_px`; cut off below 1e-8
    pub fn fund(&mut self, rate_e8: i64, mark_px: i64) -> Vec<i128> {
        let per_lot = i128::from(mark_px) * i128::from(self.config.e8_per_tick_lot);
        let pay = |ledger: &mut Ledger| {
            let amount_e8 = -i128::from(ledger.position_lots) * per_lot * i128::from(rate_e8) / 100_000_000;
            ledger.funding_e8 += amount_e8;
            ledger.quote_e8 += amount_e8;
            amount_e8
        };
        self.ledgers.iter_mut().map(pay).collect()
    }

    /// Takes one fill back: money, fee and position as if the opposite had traded for no fee; the order does not reopen. The
    /// other side of the trade is another fill and busted by itself.
    ///
    /// # Errors
    /// No such fill is kept, or it was taken back before.
    pub fn bust(&mut self, trade_id: u64, now_ms: i64) -> Result<TradeRecord, Refused> {
        let at = self.trades.partition_point(|trade| trade.trade_id < trade_id);
        let trade = self.trades.get_mut(at).filter(|trade| trade.trade_id == trade_id && !trade.busted);
        let trade = trade.ok_or(Refused::UnknownOrder)?;
        trade.busted = true;
        let trade = trade.clone();
        let base = self.base(trade.qty);
        let fees = if trade.fee_in_base { (-trade.fee_e8, 0) } else { (0, -trade.fee_e8) };
        if let Some(ledger) = self.ledgers.get_mut(trade.account as usize) {
            ledger.unbook(trade.side, trade.qty, base, trade.quote_e8, fees);
        }
        self.engine.move_position(trade.account, -i128::from(trade.side.sign() * trade.qty));
        if let Some(order) = self.orders.get_mut(&trade.order_id) {
            order.cum -= trade.qty;
            order.void += trade.qty;
            order.quote_e8 -= trade.quote_e8;
            order.update_ms = now_ms;
        }
        self.emit_order(EventKind::Busted(trade.clone()), trade.order_id, now_ms);
        Ok(trade)
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
            ledger: self.ledger().clone(),
            orders: self.orders.values().cloned().collect(),
            trades: self.trades.iter().cloned().collect(),
            other_ledgers: self.ledgers.iter().skip(1).cloned().collect(),
        }
    }

    /// Puts a saved state in the place of this one; the recorded book stays. Resting orders go to the back of the queue.
    ///
    /// # Errors
    /// A state that contradicts itself; nothing is changed then.
    pub fn restore(&mut self, state: VenueState) -> Result<(), String> {
        let mut orders = BTreeMap::new();
        let mut by_client = BTreeMap::new();
        if state.orders.len() > ORDERS_KEPT_MAX || state.trades.len() > TRADES_KEPT_MAX {
            return Err("more orders or trades than the venue keeps".into());
        }
        let mut ledgers = vec![state.ledger];
        ledgers.extend(state.other_ledgers);
        let mut engine = core(Market::default(), ledgers.len());
        for (account, ledger) in (0..).zip(&ledgers) {
            engine.move_position(account, i128::from(ledger.position_lots));
        }
        let mut kept = state.orders;
        kept.sort_by_key(|order| order.order_id);
        for mut order in kept {
            let id = order.order_id;
            let sane = order.qty > 0 && order.cum >= 0 && order.void >= 0 && order.leaves() >= 0;
            if !sane || id >= state.next_order_id || (order.status.open() && order.leaves() == 0) {
                return Err(format!("order {id} is inconsistent: qty, cum, status or id"));
            }
            order.ahead = UNKNOWN_AHEAD;
            if order.status.open() {
                let market = self.market();
                let level = market.synced().then(|| market.recorded(order.side, order.px)).flatten();
                order.ahead = level.unwrap_or(UNKNOWN_AHEAD);
                let rests = engine.restore(&Request {
                    id,
                    account: order.extras.account,
                    side: order.side,
                    kind: order.kind,
                    tif: order.tif,
                    px: order.px,
                    qty: order.leaves(),
                    peak: order.extras.peak.min(order.leaves()),
                    reduce_only: order.extras.reduce_only,
                    stp: order.extras.stp,
                    trigger: order.extras.trigger.filter(|_| !order.triggered),
                });
                if order.kind == OrderKind::Limit && order.px <= 0 || rests.is_err() {
                    return Err(format!("order {id} is open and can neither rest nor wait"));
                }
            }
            by_client.insert(order.client_order_id.clone(), id);
            if orders.insert(id, order).is_some() {
                return Err(format!("order {id} is there twice"));
            }
        }
        if engine.resting() + engine.waiting() > self.config.open_orders_max {
            return Err(format!("more than {} open orders", self.config.open_orders_max));
        }
        if state.trades.iter().any(|trade| trade.trade_id >= state.next_trade_id) {
            return Err("a trade id at or above nextTradeId".into());
        }
        std::mem::swap(engine.street_mut(), self.engine.street_mut());
        self.engine = engine;
        self.orders = orders;
        self.by_client = by_client;
        self.trades = state.trades.into();
        self.ledgers = ledgers;
        self.events.clear();
        (self.next_order_id, self.next_trade_id) = (state.next_order_id, state.next_trade_id);
        (self.next_seq, self.duplicates) = (state.next_seq, state.duplicates);
        Ok(())
    }
}
