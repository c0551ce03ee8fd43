//! The venue behind JSON texts: what a wire skin in another language drives. Decimals are text, money is text of an integer.

use crate::engine::{OrderKind, Refused, Stp, Tif, Trigger, TriggerKind};
use crate::limits::DEPTH_LIMIT_MAX;
use crate::venue::{
    Cancel, Config, EventKind, Extras, Money, NewOrder, Order, TradeRecord, UNKNOWN_AHEAD, Venue, VenueEvent,
    VenueState,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_normalise::{Binance, Market as Dialect, SymbolSpec};
use tidegate_units::{DecimalFault, Side, format_decimal, parse_decimal};

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawBalances {
    base_e8: String,
    quote_e8: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawConfig {
    symbol: String,
    market: Money,
    px_scale: u32,
    px_unit: i64,
    qty_scale: u32,
    qty_unit: i64,
    px_text_scale: u32,
    qty_text_scale: u32,
    e8_per_tick_lot: i64,
    base_e8_per_lot: i64,
    base_asset: String,
    quote_asset: String,
    maker_fee_e8: String,
    taker_fee_e8: String,
    #[serde(default = "open_orders_max")]
    open_orders_max: usize,
    balances: RawBalances,
}

const fn open_orders_max() -> usize {
    crate::limits::OPEN_ORDERS_MAX
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} is {text:?}, want the text of an integer"))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlaceRequest {
    client_order_id: String,
    side: String,
    r#type: String,
    time_in_force: Option<String>,
    price: Option<String>,
    quantity: String,
    stop_price: Option<String>,
    iceberg_qty: Option<String>,
    #[serde(default)]
    reduce_only: bool,
    #[serde(default)]
    self_trade_prevention_mode: Stp,
    time_ms: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AmendRequest {
    client_order_id: Option<String>,
    order_id: Option<u64>,
    price: String,
    quantity: String,
    time_ms: i64,
}

/// What the venue itself does to its market.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "op", deny_unknown_fields)]
enum ControlRequest {
    Halt,
    Resume,
    EndDay {
        time_ms: i64,
    },
    /// The rate in 1e-8, as text.
    Fund {
        rate_e8: String,
        mark_price: String,
    },
    Bust {
        trade_id: u64,
        time_ms: i64,
    },
    /// Money that comes from elsewhere or goes there, in 1e-8 of each asset, as texts.
    Transfer {
        base_e8: String,
        quote_e8: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelRequest {
    client_order_id: Option<String>,
    order_id: Option<u64>,
    #[serde(default)]
    all: bool,
    time_ms: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueryRequest {
    what: String,
    client_order_id: Option<String>,
    order_id: Option<u64>,
    from_id: Option<u64>,
    limit: Option<usize>,
}

fn which(client: Option<String>, order: Option<u64>) -> Option<Cancel> {
    order.map(Cancel::Order).or(client.map(Cancel::Client))
}

fn refused(reason: &str, text: &str) -> Value {
    json!({ "ok": false, "reason": reason, "text": text })
}

fn unknown_order() -> Value {
    refused("UNKNOWN_ORDER", "Unknown order sent.")
}

fn unread(fault: DecimalFault, off_unit: Refused) -> Refused {
    match fault {
        DecimalFault::OffUnit => off_unit,
        DecimalFault::Malformed => Refused::Malformed,
        DecimalFault::Overflow => Refused::NotionalOverflow,
    }
}

/// One symbol of one simulated venue, JSON in and out.
#[derive(Debug)]
pub struct SimMarket {
    raw: RawConfig,
    reader: Binance,
    venue: Venue,
}

impl SimMarket {
    /// Reads the configuration.
    ///
    /// # Errors
    /// What is wrong with it, naming the field.
    pub fn new(config: &str) -> Result<Self, String> {
        let raw: RawConfig = serde_json::from_str(config)
            .map_err(|error| format!("cannot read the venue's configuration: {error}"))?;
        if raw.px_text_scale < raw.px_scale || raw.qty_text_scale < raw.qty_scale {
            return Err("pxTextScale and qtyTextScale must not be below pxScale and qtyScale".into());
        }
        if raw.px_text_scale > 18 || raw.qty_text_scale > 18 || raw.px_unit < 1 || raw.qty_unit < 1 {
            return Err("scales must be at most 18 and units at least 1".into());
        }
        let venue = Venue::new(Config {
            money: raw.market,
            e8_per_tick_lot: raw.e8_per_tick_lot,
            base_e8_per_lot: raw.base_e8_per_lot,
            maker_fee_e8: number("makerFeeE8", &raw.maker_fee_e8)?,
            taker_fee_e8: number("takerFeeE8", &raw.taker_fee_e8)?,
            open_orders_max: raw.open_orders_max,
            base_e8: number("balances.baseE8", &raw.balances.base_e8)?,
            quote_e8: number("balances.quoteE8", &raw.balances.quote_e8)?,
        })?;
        let dialect = match raw.market {
            Money::Spot => Dialect::Spot,
            Money::Usdm => Dialect::UsdM,
        };
        let spec = SymbolSpec {
            symbol: raw.symbol.clone(),
            px_scale: raw.px_scale,
            px_unit: raw.px_unit,
            qty_scale: raw.qty_scale,
            qty_unit: raw.qty_unit,
        };
        Ok(Self { raw, reader: Binance::new(dialect, spec), venue })
    }

    /// The venue itself.
    pub fn venue(&self) -> &Venue {
        &self.venue
    }

    /// One raw message of the recording; gives the number of events that wait. A refused one is counted.
    pub fn on_market(&mut self, line: &[u8], time_ms: i64) -> usize {
        if let Ok((_, event)) = self.reader.read(line) {
            self.venue.on_market(event, time_ms);
        }
        self.venue.pending()
    }

    /// Drops the recorded book until the next snapshot.
    pub fn reset_market(&mut self) {
        self.venue.reset_market();
    }

    fn px_text(&self, px: i64) -> String {
        padded(px, self.raw.px_scale, self.raw.px_unit, self.raw.px_text_scale)
    }

    fn qty_text(&self, qty: i64) -> String {
        padded(qty, self.raw.qty_scale, self.raw.qty_unit, self.raw.qty_text_scale)
    }

    fn parse_place(&self, request: &PlaceRequest) -> Result<NewOrder, Refused> {
        let side = match request.side.as_str() {
            "BUY" => Side::Buy,
            "SELL" => Side::Sell,
            _ => return Err(Refused::Malformed),
        };
        let (kind, trigger) = self.kind(&request.r#type).ok_or(Refused::Malformed)?;
        let tif = match (kind, request.time_in_force.as_deref()) {
            (OrderKind::Market, _) => Tif::Ioc,
            (OrderKind::Limit, _) if request.r#type == "LIMIT_MAKER" => Tif::PostOnly,
            (OrderKind::Limit, Some("GTC")) => Tif::Gtc,
            (OrderKind::Limit, Some("DAY")) => Tif::Day,
            (OrderKind::Limit, Some("IOC")) => Tif::Ioc,
            (OrderKind::Limit, Some("FOK")) => Tif::Fok,
            (OrderKind::Limit, Some("GTX")) => Tif::PostOnly,
            _ => return Err(Refused::Malformed),
        };
        let qty = self.parse_qty(&request.quantity)?;
        let px = match (kind, request.price.as_deref()) {
            (OrderKind::Market, _) => 0,
            (OrderKind::Limit, None) => return Err(Refused::Malformed),
            (OrderKind::Limit, Some(px)) => self.parse_px(px)?,
        };
        let trigger = match (trigger, request.stop_price.as_deref()) {
            (None, None) => None,
            (Some(kind), Some(px)) => Some(Trigger { kind, px: self.parse_px(px)?, trail: None }),
            _ => return Err(Refused::Malformed),
        };
        let peak = request.iceberg_qty.as_deref().map_or(Ok(0), |qty| self.parse_qty(qty))?;
        let extras = Extras {
            account: 0,
            peak,
            reduce_only: request.reduce_only,
            stp: request.self_trade_prevention_mode,
            trigger,
        };
        let client_order_id = request.client_order_id.clone();
        Ok(NewOrder { client_order_id, side, kind, tif, px, qty, time_ms: request.time_ms, extras })
    }

    /// What a type's name means at this venue: its kind, and what it waits for.
    fn kind(&self, name: &str) -> Option<(OrderKind, Option<TriggerKind>)> {
        use OrderKind::{Limit, Market};
        use TriggerKind::{Stop, TakeProfit};
        Some(match (name, self.raw.market) {
            ("LIMIT" | "LIMIT_MAKER", _) => (Limit, None),
            ("MARKET", _) => (Market, None),
            ("STOP_LOSS", Money::Spot) | ("STOP_MARKET", Money::Usdm) => (Market, Some(Stop)),
            ("STOP_LOSS_LIMIT", Money::Spot) | ("STOP", Money::Usdm) => (Limit, Some(Stop)),
            ("TAKE_PROFIT", Money::Spot) | ("TAKE_PROFIT_MARKET", Money::Usdm) => (Market, Some(TakeProfit)),
            ("TAKE_PROFIT_LIMIT", Money::Spot) | ("TAKE_PROFIT", Money::Usdm) => (Limit, Some(TakeProfit)),
            _ => return None,
        })
    }

    fn parse_px(&self, text: &str) -> Result<i64, Refused> {
        parse_decimal(text.as_bytes(), self.raw.px_scale, self.raw.px_unit)
            .map_err(|fault| unread(fault, Refused::PxOffTick))
    }

    fn parse_qty(&self, text: &str) -> Result<i64, Refused> {
        parse_decimal(text.as_bytes(), self.raw.qty_scale, self.raw.qty_unit)
            .map_err(|fault| unread(fault, Refused::QtyOffLot))
    }

    /// Places one order; the answer says how it stands after matching, with its fills.
    pub fn place(&mut self, request: &str) -> String {
        let request: PlaceRequest = match serde_json::from_str(request) {
            Ok(request) => request,
            Err(error) => return refused(Refused::Malformed.name(), &error.to_string()).to_string(),
        };
        let first_trade = self.venue.state_ids().1;
        let placed = match self.parse_place(&request) {
            Ok(new) => self.venue.place(new),
            Err(reason) => {
                self.venue.reject(reason, request.client_order_id, request.time_ms);
                Err(reason)
            }
        };
        match placed {
            Err(reason) => refused(reason.name(), reason.text()).to_string(),
            Ok(id) => {
                let Some(order) = self.venue.find(&Cancel::Order(id)) else {
                    return unknown_order().to_string();
                };
                let mut value = self.order(order);
                let fills = self.venue.trades_from(first_trade).map(|trade| self.trade(trade)).collect();
                value["fills"] = Value::Array(fills);
                json!({ "ok": true, "order": value }).to_string()
            }
        }
    }

    /// Gives an open order another price and total quantity.
    pub fn amend(&mut self, request: &str) -> String {
        let request: AmendRequest = match serde_json::from_str(request) {
            Ok(request) => request,
            Err(error) => return refused(Refused::Malformed.name(), &error.to_string()).to_string(),
        };
        let amended = which(request.client_order_id, request.order_id)
            .ok_or(Refused::Malformed)
            .and_then(|which| Ok((which, self.parse_px(&request.price)?, self.parse_qty(&request.quantity)?)))
            .and_then(|(which, px, qty)| self.venue.amend(&which, px, qty, request.time_ms));
        match amended.map(|id| self.venue.find(&Cancel::Order(id))) {
            Ok(Some(order)) => json!({ "ok": true, "order": self.order(order) }).to_string(),
            Ok(None) => unknown_order().to_string(),
            Err(reason) => refused(reason.name(), reason.text()).to_string(),
        }
    }

    /// What the venue does to its market: halt, resume, end of day, funding, a bust, a transfer.
    pub fn control(&mut self, request: &str) -> String {
        let request: ControlRequest = match serde_json::from_str(request) {
            Ok(request) => request,
            Err(error) => return refused(Refused::Malformed.name(), &error.to_string()).to_string(),
        };
        let mut answer = json!({ "ok": true });
        match request {
            ControlRequest::Halt => self.venue.halt(),
            ControlRequest::Resume => self.venue.resume(),
            ControlRequest::EndDay { time_ms } => self.venue.end_day(time_ms),
            ControlRequest::Fund { rate_e8, mark_price } => {
                let rate = rate_e8.parse().ok().filter(|rate: &i64| rate.abs() <= 100_000_000);
                let (Some(rate), Ok(mark)) = (rate, self.parse_px(&mark_price)) else {
                    let text = "want rateE8 within ±1e8 and markPrice on the tick";
                    return refused(Refused::Malformed.name(), text).to_string();
                };
                if self.raw.market == Money::Spot {
                    return refused(Refused::Malformed.name(), "spot has no funding").to_string();
                }
                let received = self.venue.fund(rate, mark);
                answer["receivedE8"] = received.first().copied().unwrap_or(0).to_string().into();
            }
            ControlRequest::Transfer { base_e8, quote_e8 } => {
                let (Ok(base), Ok(quote)) = (base_e8.parse(), quote_e8.parse()) else {
                    let text = "want baseE8 and quoteE8 as whole numbers";
                    return refused(Refused::Malformed.name(), text).to_string();
                };
                self.venue.deposit(0, base, quote);
            }
            ControlRequest::Bust { trade_id, time_ms } => match self.venue.bust(trade_id, time_ms) {
                Ok(trade) => answer["trade"] = self.trade(&trade),
                Err(reason) => return refused(reason.name(), "no such trade, or busted before").to_string(),
            },
        }
        answer.to_string()
    }

    /// Cancels one order by either id, or all.
    pub fn cancel(&mut self, request: &str) -> String {
        let request: CancelRequest = match serde_json::from_str(request) {
            Ok(request) => request,
            Err(error) => return refused(Refused::Malformed.name(), &error.to_string()).to_string(),
        };
        if request.all {
            let ids = self.venue.cancel_all(request.time_ms);
            let orders: Vec<Value> = ids
                .iter()
                .filter_map(|id| self.venue.find(&Cancel::Order(*id)))
                .map(|o| self.order(o))
                .collect();
            return json!({ "ok": true, "orders": orders }).to_string();
        }
        let Some(which) = which(request.client_order_id, request.order_id) else {
            return refused(Refused::Malformed.name(), Refused::Malformed.text()).to_string();
        };
        let id = self.venue.cancel(&which, request.time_ms);
        match id.and_then(|id| self.venue.find(&Cancel::Order(id))) {
            Some(order) => json!({ "ok": true, "order": self.order(order) }).to_string(),
            None => unknown_order().to_string(),
        }
    }

    /// Orders, trades or the touch.
    pub fn query(&self, request: &str) -> String {
        let request: QueryRequest = match serde_json::from_str(request) {
            Ok(request) => request,
            Err(error) => return refused(Refused::Malformed.name(), &error.to_string()).to_string(),
        };
        let list = |orders: Vec<Value>| json!({ "ok": true, "orders": orders });
        match request.what.as_str() {
            "order" => {
                let order =
                    which(request.client_order_id, request.order_id).and_then(|w| self.venue.find(&w));
                order.map_or_else(unknown_order, |order| json!({ "ok": true, "order": self.order(order) }))
            }
            "openOrders" => list(self.venue.open_orders().map(|o| self.order(o)).collect()),
            "orders" => list(self.venue.orders().map(|o| self.order(o)).collect()),
            "trades" => {
                let trades: Vec<Value> = self
                    .venue
                    .trades_from(request.from_id.unwrap_or(0))
                    .filter(|trade| request.order_id.is_none_or(|id| trade.order_id == id))
                    .take(request.limit.unwrap_or(500))
                    .map(|trade| self.trade(trade))
                    .collect();
                json!({ "ok": true, "trades": trades })
            }
            "touch" => {
                let market = self.venue.market();
                let side = |side| market.best(side).map(|(px, qty)| (self.px_text(px), self.qty_text(qty)));
                let ((bid_px, bid_qty), (ask_px, ask_qty)) =
                    (side(Side::Buy).unzip(), side(Side::Sell).unzip());
                json!({ "ok": true, "bidPx": bid_px, "bidQty": bid_qty, "askPx": ask_px, "askQty": ask_qty })
            }
            _ => refused(Refused::Malformed.name(), "what: want order, openOrders, orders, trades or touch"),
        }
        .to_string()
    }

    /// The recorded book as a REST depth answer; empty before the first snapshot.
    pub fn snapshot_depth(&self, limit: usize) -> String {
        let market = self.venue.market();
        let Some(last_id) = market.last_id() else { return String::new() };
        let side = |side| -> Vec<[String; 2]> {
            let levels = market.levels(side, limit.min(DEPTH_LIMIT_MAX));
            levels.into_iter().map(|(px, qty)| [self.px_text(px), self.qty_text(qty)]).collect()
        };
        json!({ "lastUpdateId": last_id, "bids": side(Side::Buy), "asks": side(Side::Sell) }).to_string()
    }

    /// The waiting events as a JSON array.
    pub fn drain_events(&mut self) -> String {
        let events = self.venue.drain();
        Value::Array(events.iter().map(|event| self.event(event)).collect()).to_string()
    }

    fn order(&self, order: &Order) -> Value {
        let limit = order.kind == OrderKind::Limit;
        let spot = self.raw.market == Money::Spot;
        let waits = order.extras.trigger.map(|trigger| trigger.kind);
        let mut value = json!({
            "orderId": order.order_id,
            "clientOrderId": order.client_order_id,
            "symbol": self.raw.symbol,
            "side": if order.side == Side::Buy { "BUY" } else { "SELL" },
            "type": match (waits, limit) {
                (None, false) => "MARKET",
                (None, true) if spot && order.tif == Tif::PostOnly => "LIMIT_MAKER",
                (None, true) => "LIMIT",
                (Some(TriggerKind::Stop), false) if spot => "STOP_LOSS",
                (Some(TriggerKind::Stop), false) => "STOP_MARKET",
                (Some(TriggerKind::Stop), true) if spot => "STOP_LOSS_LIMIT",
                (Some(TriggerKind::Stop), true) => "STOP",
                (Some(TriggerKind::TakeProfit), false) if spot => "TAKE_PROFIT",
                (Some(TriggerKind::TakeProfit), false) => "TAKE_PROFIT_MARKET",
                (Some(TriggerKind::TakeProfit), true) if spot => "TAKE_PROFIT_LIMIT",
                (Some(TriggerKind::TakeProfit), true) => "TAKE_PROFIT",
            },
            "timeInForce": match order.tif {
                _ if !limit => "GTC",
                Tif::Gtc => "GTC",
                Tif::Day => "DAY",
                Tif::Ioc => "IOC",
                Tif::Fok => "FOK",
                Tif::PostOnly if spot => "GTC",
                Tif::PostOnly => "GTX",
            },
            "price": self.px_text(order.px),
            "quantity": self.qty_text(order.qty),
            "cum": self.qty_text(order.cum),
            "leaves": self.qty_text(order.leaves()),
            "quoteE8": order.quote_e8.to_string(),
            "status": order.status,
            "reason": order.reason,
            "pxTicks": order.px,
            "qtyLots": order.qty,
            "cumLots": order.cum,
            "leavesLots": order.leaves(),
            "aheadLots": (order.status.open() && order.ahead != UNKNOWN_AHEAD).then_some(order.ahead),
            "timeMs": order.time_ms,
            "updateMs": order.update_ms,
        });
        if let Some(trigger) = order.extras.trigger {
            value["stopPrice"] = self.px_text(trigger.px).into();
        }
        if order.extras.peak > 0 {
            value["icebergQty"] = self.qty_text(order.extras.peak).into();
        }
        if order.extras.reduce_only {
            value["reduceOnly"] = true.into();
        }
        value
    }

    fn fee_asset(&self, trade: &TradeRecord) -> &str {
        if trade.fee_in_base { &self.raw.base_asset } else { &self.raw.quote_asset }
    }

    fn trade(&self, trade: &TradeRecord) -> Value {
        json!({
            "tradeId": trade.trade_id,
            "orderId": trade.order_id,
            "clientOrderId": trade.client_order_id,
            "side": if trade.side == Side::Buy { "BUY" } else { "SELL" },
            "px": self.px_text(trade.px),
            "qty": self.qty_text(trade.qty),
            "pxTicks": trade.px,
            "qtyLots": trade.qty,
            "quoteE8": trade.quote_e8.to_string(),
            "fee": e8_text(trade.fee_e8),
            "feeE8": trade.fee_e8.to_string(),
            "feeAsset": self.fee_asset(trade),
            "maker": trade.maker,
            "timeMs": trade.time_ms,
        })
    }

    fn event(&self, event: &VenueEvent) -> Value {
        let mut value = event.order.as_ref().map_or_else(|| json!({}), |order| self.order(order));
        value["seq"] = event.seq.into();
        value["timeMs"] = event.time_ms.into();
        value["clientOrderId"] = event.client_order_id.clone().into();
        value["type"] = match &event.kind {
            EventKind::New => "new",
            EventKind::Canceled => "canceled",
            EventKind::Expired => "expired",
            EventKind::Trade(_) => "trade",
            EventKind::Rejected(_) => "rejected",
            EventKind::Replaced => "replaced",
            EventKind::Triggered => "triggered",
            EventKind::Busted(_) => "busted",
        }
        .into();
        if let Some(order) = &event.order {
            // `type` names the event here; the order's own type has its full name.
            value["orderType"] = self.order(order)["type"].take();
            value["orderTimeMs"] = order.time_ms.into();
        }
        match &event.kind {
            EventKind::Trade(trade) | EventKind::Busted(trade) => {
                value["tradeId"] = trade.trade_id.into();
                value["lastPx"] = self.px_text(trade.px).into();
                value["lastQty"] = self.qty_text(trade.qty).into();
                value["lastPxTicks"] = trade.px.into();
                value["lastQtyLots"] = trade.qty.into();
                value["lastQuoteE8"] = trade.quote_e8.to_string().into();
                value["fee"] = e8_text(trade.fee_e8).into();
                value["feeE8"] = trade.fee_e8.to_string().into();
                value["feeAsset"] = self.fee_asset(trade).into();
                value["maker"] = trade.maker.into();
            }
            EventKind::Rejected(reason) => {
                value["reason"] = reason.name().into();
                value["text"] = reason.text().into();
            }
            EventKind::New
            | EventKind::Canceled
            | EventKind::Expired
            | EventKind::Replaced
            | EventKind::Triggered => {}
        }
        value
    }

    /// The account.
    pub fn balances(&self) -> String {
        let ledger = self.venue.ledger();
        let (base_locked, quote_locked) = self.venue.locked();
        let mut value = json!({
            "market": self.raw.market,
            "baseAsset": self.raw.base_asset,
            "quoteAsset": self.raw.quote_asset,
            "baseE8": ledger.base_e8.to_string(),
            "quoteE8": ledger.quote_e8.to_string(),
            "baseLockedE8": base_locked.to_string(),
            "quoteLockedE8": quote_locked.to_string(),
            "positionLots": ledger.position_lots,
            "cashE8": ledger.cash_e8.to_string(),
            "feesBaseE8": ledger.fees_base_e8.to_string(),
            "feesQuoteE8": ledger.fees_quote_e8.to_string(),
            "fills": ledger.fills,
        });
        if self.raw.market == Money::Usdm {
            let config = self.venue.config();
            let lots = i128::from(ledger.position_lots);
            let entry_ticks =
                if lots == 0 { 0 } else { ledger.open_cost_e8 / (lots * i128::from(config.e8_per_tick_lot)) };
            let realised = ledger.realised_e8();
            value["openCostE8"] = ledger.open_cost_e8.to_string().into();
            value["entryPx"] = if lots == 0 {
                "0".into()
            } else {
                self.px_text(i64::try_from(entry_ticks).unwrap_or(0)).into()
            };
            value["realisedE8"] = realised.to_string().into();
            let wallet = config.quote_e8 + realised - ledger.fees_quote_e8 + ledger.funding_e8;
            value["walletE8"] = wallet.to_string().into();
            if ledger.funding_e8 != 0 {
                value["fundingE8"] = ledger.funding_e8.to_string().into();
            }
        }
        value.to_string()
    }

    /// Everything a restart needs, for [`SimMarket::restore`].
    pub fn state(&self) -> String {
        serde_json::to_string(&self.venue.state()).unwrap_or_default()
    }

    /// Puts a saved state in place.
    ///
    /// # Errors
    /// What is wrong with the text; nothing is changed then.
    pub fn restore(&mut self, state: &str) -> Result<(), String> {
        let state: VenueState = serde_json::from_str(state)
            .map_err(|error| format!("cannot read the venue's saved state: {error}"))?;
        self.venue.restore(state)
    }

    /// Counters.
    pub fn stats(&self) -> String {
        let market = self.venue.market();
        let counts = market.counts();
        let (trades, duplicates) = self.venue.counts();
        let refused: serde_json::Map<String, Value> =
            self.reader.refused().nonzero().map(|(name, n)| (name.to_string(), n.into())).collect();
        json!({
            "synced": market.synced(),
            "lastUpdateId": market.last_id(),
            "depth": counts.depth,
            "trades": trades,
            "tickers": counts.tickers,
            "snapshots": counts.snapshots,
            "stale": counts.stale,
            "gaps": counts.gaps,
            "bufferDropped": counts.buffer_dropped,
            "levelsDropped": counts.levels_dropped,
            "refused": refused,
            "orders": self.venue.orders().count(),
            "open": self.venue.open_orders().count(),
            "fills": self.venue.ledger().fills,
            "sameLiquidityFilledTwice": counts.filled_twice,
            "duplicates": duplicates,
        })
        .to_string()
    }
}

/// Decimal text with exactly `text_scale` decimals.
fn padded(count: i64, scale: u32, unit: i64, text_scale: u32) -> String {
    let mut text = format_decimal(count, scale, unit);
    if scale == 0 && text_scale > 0 {
        text.push('.');
    }
    text.extend(std::iter::repeat_n('0', (text_scale - scale) as usize));
    text
}

fn e8_text(amount: i128) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let units = amount.unsigned_abs();
    format!("{sign}{}.{:08}", units / 100_000_000, units % 100_000_000)
}
