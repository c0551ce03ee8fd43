//! hftbacktest driven as our engine is: the same rows, the same strategies, every execution written down.

use hftbacktest::backtest::assettype::LinearAsset;
use hftbacktest::backtest::data::{Data, DataSource, Reader};
use hftbacktest::backtest::models::{
    CommonFees, ConstantLatency, LogProbQueueFunc, LogProbQueueFunc2, PowerProbQueueFunc,
    PowerProbQueueFunc2, PowerProbQueueFunc3, ProbQueueModel, QueueModel, RiskAdverseQueueModel,
    TradingValueFeeModel,
};
use hftbacktest::backtest::order::order_bus;
use hftbacktest::backtest::proc::{
    Local, LocalProcessor, NoPartialFillExchange, PartialFillExchange, Processor,
};
use hftbacktest::backtest::state::State;
use hftbacktest::backtest::{Backtest, BacktestError, ExchangeKind, L2AssetBuilder};
use hftbacktest::depth::{
    HashMapMarketDepth, INVALID_MAX, INVALID_MIN, L2MarketDepth, MarketDepth, ROIVectorMarketDepth,
};
use hftbacktest::prelude::Bot;
use hftbacktest::types as hbt;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use tidegate_backtest::event::{Kind, Row};
use tidegate_backtest::queue::Behind;
use tidegate_backtest::sample::{Desk, Did};
use tidegate_backtest::{FillModel, Tif};
use tidegate_units::Side;

pub const TICK: f64 = 0.1;
pub const LOT: f64 = 0.001;
pub const MAKER: f64 = -0.000_05;
pub const TAKER: f64 = 0.000_7;
pub const LATENCY_NS: i64 = 1_000_000;

/// The queue models both engines have.
#[derive(Debug, Clone, Copy)]
pub enum Queue {
    RiskAverse,
    Probable(Behind),
}

/// One execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerFill {
    pub venue_ns: i64,
    pub order: u64,
    pub sell: bool,
    pub px: i64,
    pub qty: i64,
    pub maker: bool,
}

/// Rows as hftbacktest's own converter arranges them: one row where both sides see it at the same turn, else one each.
pub fn events(rows: &[Row]) -> Data<hbt::Event> {
    let mut venue: Vec<&Row> = rows.iter().collect();
    venue.sort_by_key(|row| row.exch_ns);
    let mut local: Vec<&Row> = rows.iter().collect();
    local.sort_by_key(|row| row.local_ns);
    let event = |row: &Row, seen: u64| {
        let kind = match row.kind {
            Kind::Bid => hbt::DEPTH_EVENT | hbt::BUY_EVENT,
            Kind::Ask => hbt::DEPTH_EVENT | hbt::SELL_EVENT,
            Kind::BuyTrade => hbt::TRADE_EVENT | hbt::BUY_EVENT,
            Kind::SellTrade => hbt::TRADE_EVENT | hbt::SELL_EVENT,
            Kind::ClearBids => hbt::DEPTH_CLEAR_EVENT | hbt::BUY_EVENT,
            Kind::ClearAsks => hbt::DEPTH_CLEAR_EVENT | hbt::SELL_EVENT,
            Kind::Clear => hbt::DEPTH_CLEAR_EVENT,
        };
        hbt::Event {
            ev: kind | seen,
            exch_ts: row.exch_ns,
            local_ts: row.local_ns,
            // Divided, so that the double is the one nearest to the decimal.
            px: f64::from(row.px) / 10.0,
            qty: row.qty as f64 / 1_000.0,
            order_id: 0,
            ival: 0,
            fval: 0.0,
        }
    };
    let (mut out, mut a, mut b) = (Vec::with_capacity(rows.len() + rows.len() / 16), 0, 0);
    loop {
        match (venue.get(a), local.get(b)) {
            (Some(x), Some(y)) if (x.exch_ns, x.local_ns) == (y.exch_ns, y.local_ns) => {
                out.push(event(x, hbt::EXCH_EVENT | hbt::LOCAL_EVENT));
                a += 1;
                b += 1;
            }
            (Some(x), Some(y)) if (x.exch_ns, x.local_ns) < (y.exch_ns, y.local_ns) => {
                out.push(event(x, hbt::EXCH_EVENT));
                a += 1;
            }
            (_, Some(y)) => {
                out.push(event(y, hbt::LOCAL_EVENT));
                b += 1;
            }
            (Some(x), None) => {
                out.push(event(x, hbt::EXCH_EVENT));
                a += 1;
            }
            (None, None) => return Data::from_data(&out),
        }
    }
}

pub fn roi() -> ROIVectorMarketDepth {
    ROIVectorMarketDepth::new(TICK, LOT, 55_000.0, 68_000.0)
}

pub fn map() -> HashMapMarketDepth {
    HashMapMarketDepth::new(TICK, LOT)
}

type Fees = TradingValueFeeModel<CommonFees>;
pub type Log = Rc<RefCell<Vec<PeerFill>>>;

fn fees() -> Fees {
    TradingValueFeeModel::new(CommonFees::new(MAKER, TAKER))
}

/// Their receiver's side, with every answer that is an execution written down.
struct Recording<MD: MarketDepth> {
    inner: Local<LinearAsset, ConstantLatency, MD, Fees>,
    log: Log,
}

impl<MD: MarketDepth + L2MarketDepth> Processor for Recording<MD> {
    fn event_seen_timestamp(&self, event: &hbt::Event) -> Option<i64> {
        self.inner.event_seen_timestamp(event)
    }
    fn process(&mut self, event: &hbt::Event) -> Result<(), BacktestError> {
        self.inner.process(event)
    }
    fn process_recv_order(&mut self, timestamp: i64, wait: Option<u64>) -> Result<bool, BacktestError> {
        let log = &self.log;
        self.inner.process_recv_order_::<true, _>(timestamp, wait, |order| {
            let executed = matches!(order.status, hbt::Status::Filled | hbt::Status::PartiallyFilled);
            if executed && order.req == hbt::Status::None {
                log.borrow_mut().push(PeerFill {
                    venue_ns: order.exch_timestamp,
                    order: order.order_id,
                    sell: order.side == hbt::Side::Sell,
                    px: order.exec_price_tick,
                    qty: (order.exec_qty / LOT).round() as i64,
                    maker: order.maker,
                });
            }
        })
    }
    fn earliest_recv_order_timestamp(&self) -> i64 {
        self.inner.earliest_recv_order_timestamp()
    }
    fn earliest_send_order_timestamp(&self) -> i64 {
        self.inner.earliest_send_order_timestamp()
    }
}

impl<MD: MarketDepth + L2MarketDepth> LocalProcessor<MD> for Recording<MD> {
    fn submit_order(
        &mut self,
        order_id: u64,
        side: hbt::Side,
        price: f64,
        qty: f64,
        order_type: hbt::OrdType,
        time_in_force: hbt::TimeInForce,
        now: i64,
    ) -> Result<(), BacktestError> {
        self.inner.submit_order(order_id, side, price, qty, order_type, time_in_force, now)
    }
    fn modify(&mut self, order_id: u64, price: f64, qty: f64, now: i64) -> Result<(), BacktestError> {
        self.inner.modify(order_id, price, qty, now)
    }
    fn cancel(&mut self, order_id: u64, now: i64) -> Result<(), BacktestError> {
        self.inner.cancel(order_id, now)
    }
    fn clear_inactive_orders(&mut self) {
        self.inner.clear_inactive_orders();
    }
    fn position(&self) -> f64 {
        self.inner.position()
    }
    fn state_values(&self) -> &hbt::StateValues {
        self.inner.state_values()
    }
    fn depth(&self) -> &MD {
        self.inner.depth()
    }
    fn orders(&self) -> &HashMap<u64, hbt::Order> {
        self.inner.orders()
    }
    fn last_trades(&self) -> &[hbt::Event] {
        self.inner.last_trades()
    }
    fn clear_last_trades(&mut self) {
        self.inner.clear_last_trades();
    }
    fn feed_latency(&self) -> Option<(i64, i64)> {
        self.inner.feed_latency()
    }
    fn order_latency(&self) -> Option<(i64, i64, i64)> {
        self.inner.order_latency()
    }
}

pub type Roi = ROIVectorMarketDepth;

fn with<MD, Q>(
    data: Data<hbt::Event>,
    depth: fn() -> MD,
    queue: Q,
    fill: FillModel,
    log: Log,
) -> Result<Backtest<MD>, String>
where
    MD: MarketDepth + L2MarketDepth + 'static,
    Q: QueueModel<MD> + 'static,
{
    let reader = Reader::builder().parallel_load(false).data(vec![DataSource::Data(data)]).build();
    let reader = reader.map_err(|fault| format!("hftbacktest: {fault:?}"))?;
    let (to_local, to_venue) = order_bus(ConstantLatency::new(LATENCY_NS, LATENCY_NS));
    let state = || State::new(LinearAsset::new(1.0), fees());
    let inner = Local::new(depth(), state(), 0, to_venue);
    let venue: Box<dyn Processor> = match fill {
        FillModel::Partial => Box::new(PartialFillExchange::new(depth(), state(), queue, to_local)),
        _ => Box::new(NoPartialFillExchange::new(depth(), state(), queue, to_local)),
    };
    Ok(Backtest::new(vec![Box::new(Recording { inner, log })], vec![venue], vec![reader]))
}

/// A run that writes down every execution.
pub fn recorded<MD: MarketDepth + L2MarketDepth + 'static>(
    data: Data<hbt::Event>,
    depth: fn() -> MD,
    queue: Queue,
    fill: FillModel,
) -> Result<(Backtest<MD>, Log), String> {
    let log = Log::default();
    let kept = Rc::clone(&log);
    let run = match queue {
        Queue::RiskAverse => with(data, depth, RiskAdverseQueueModel::new(), fill, log),
        Queue::Probable(behind) => match behind {
            Behind::Power(n) => with(data, depth, ProbQueueModel::new(PowerProbQueueFunc::new(n)), fill, log),
            Behind::PowerOfAll(n) => {
                with(data, depth, ProbQueueModel::new(PowerProbQueueFunc2::new(n)), fill, log)
            }
            Behind::PowerOfShare(n) => {
                with(data, depth, ProbQueueModel::new(PowerProbQueueFunc3::new(n)), fill, log)
            }
            Behind::Log { .. } => with(data, depth, ProbQueueModel::new(LogProbQueueFunc::new()), fill, log),
            Behind::LogOfAll { .. } => {
                with(data, depth, ProbQueueModel::new(LogProbQueueFunc2::new()), fill, log)
            }
        },
    };
    Ok((run?, kept))
}

/// A run as its users build it, for the clock: ProbQueueModel, no partial fills.
pub fn stock(data: Data<hbt::Event>) -> Result<Backtest<Roi>, String> {
    let asset = L2AssetBuilder::new()
        .data(vec![DataSource::Data(data)])
        .latency_model(ConstantLatency::new(LATENCY_NS, LATENCY_NS))
        .asset_type(LinearAsset::new(1.0))
        .fee_model(fees())
        .exchange(ExchangeKind::NoPartialFillExchange)
        .queue_model(ProbQueueModel::new(PowerProbQueueFunc3::new(3.0)))
        .depth(roi)
        .build()
        .map_err(|fault| format!("hftbacktest: {fault:?}"))?;
    Backtest::builder().add_asset(asset).build().map_err(|fault| format!("hftbacktest: {fault:?}"))
}

/// Their engine as a desk.
pub struct Theirs<'b, MD> {
    pub run: &'b mut Backtest<MD>,
    pub qty: f64,
}

fn told(fault: &BacktestError) -> String {
    format!("hftbacktest: {fault:?}")
}

impl<MD: MarketDepth> Desk for Theirs<'_, MD> {
    fn elapse(&mut self, ns: i64) -> Result<bool, String> {
        let result = self.run.elapse(ns).map_err(|fault| told(&fault))?;
        Ok(result == hbt::ElapseResult::Ok)
    }
    fn touch(&self) -> Option<(i64, i64)> {
        let depth = self.run.depth(0);
        let (bid, ask) = (depth.best_bid_tick(), depth.best_ask_tick());
        (bid != INVALID_MIN && ask != INVALID_MAX).then_some((bid, ask))
    }
    fn tick_size(&self) -> f64 {
        TICK
    }
    fn qty_at(&self, side: Side, px: i64) -> f64 {
        let depth = self.run.depth(0);
        let qty = if side == Side::Buy { depth.bid_qty_at_tick(px) } else { depth.ask_qty_at_tick(px) };
        // Through lots, so that both engines add up the very same doubles.
        (qty / LOT).round() * LOT
    }
    fn position(&self) -> f64 {
        self.run.position(0)
    }
    fn clear_ended(&mut self) {
        self.run.clear_inactive_orders(Some(0));
    }
    fn has(&self, id: u64) -> bool {
        self.run.orders(0).contains_key(&id)
    }
    fn cancellable(&self, side: Side, out: &mut Vec<u64>) {
        let side = if side == Side::Buy { hbt::Side::Buy } else { hbt::Side::Sell };
        let orders = self.run.orders(0).values();
        out.extend(
            orders.filter(|order| order.side == side && order.cancellable()).map(|order| order.order_id),
        );
    }
    fn send(&mut self, id: u64, side: Side, px: Option<i64>, tif: Tif) -> Result<(), String> {
        let price = px.unwrap_or(0) as f64 * TICK;
        let kind = if px.is_some() { hbt::OrdType::Limit } else { hbt::OrdType::Market };
        let tif = match tif {
            Tif::Gtc => hbt::TimeInForce::GTC,
            Tif::PostOnly => hbt::TimeInForce::GTX,
            Tif::Ioc => hbt::TimeInForce::IOC,
            Tif::Fok => hbt::TimeInForce::FOK,
        };
        let sent = match side {
            Side::Buy => self.run.submit_buy_order(0, id, price, self.qty, tif, kind, false),
            Side::Sell => self.run.submit_sell_order(0, id, price, self.qty, tif, kind, false),
        };
        sent.map(|_| ()).map_err(|fault| told(&fault))
    }
    fn reprice(&mut self, id: u64, px: i64) -> Result<(), String> {
        self.run.modify(0, id, px as f64 * TICK, self.qty, false).map(|_| ()).map_err(|fault| told(&fault))
    }
    fn cancel(&mut self, id: u64) -> Result<(), String> {
        self.run.cancel(0, id, false).map(|_| ()).map_err(|fault| told(&fault))
    }
}

/// The grid as their own example is written: maps by hash, prices as doubles. What their users run, for the clock.
pub fn published_grid(run: &mut Backtest<Roi>, half: f64) -> Result<Did, String> {
    let fault = |fault: BacktestError| told(&fault);
    let (interval, skew, qty, limit, levels) = (half, half / 10.0, 0.01, 0.1, 10);
    let mut did = Did::default();
    while run.elapse(100_000_000).map_err(fault)? == hbt::ElapseResult::Ok {
        did.steps += 1;
        let depth = run.depth(0);
        let (bid, ask) = (depth.best_bid(), depth.best_ask());
        if depth.best_bid_tick() == INVALID_MIN || depth.best_ask_tick() == INVALID_MAX {
            continue;
        }
        let position = run.position(0);
        let mid = (bid + ask) / 2.0;
        let lean = skew * (position / qty);
        let step = ((mid * interval / TICK).round() * TICK).max(TICK);
        let mut low = ((mid * (1.0 - (half + lean))).min(bid) / step).floor() * step;
        let mut high = ((mid * (1.0 + (half - lean))).max(ask) / step).ceil() * step;
        run.clear_inactive_orders(Some(0));
        for side in [hbt::Side::Buy, hbt::Side::Sell] {
            let mut wanted = HashMap::new();
            if side == hbt::Side::Buy && position < limit && low.is_finite() {
                for _ in 0..levels {
                    wanted.insert((low / TICK).round() as u64, low);
                    low -= step;
                }
            } else if side == hbt::Side::Sell && position > -limit && high.is_finite() {
                for _ in 0..levels {
                    wanted.insert((high / TICK).round() as u64, high);
                    high += step;
                }
            }
            let orders = run.orders(0);
            let gone = orders.values().filter(|order| {
                order.side == side && order.cancellable() && !wanted.contains_key(&order.order_id)
            });
            let gone: Vec<u64> = gone.map(|order| order.order_id).collect();
            let new: Vec<(u64, f64)> =
                wanted.into_iter().filter(|(id, _)| !orders.contains_key(id)).collect();
            for id in gone {
                run.cancel(0, id, false).map_err(fault)?;
                did.cancelled += 1;
            }
            for (id, price) in new {
                let (tif, kind) = (hbt::TimeInForce::GTX, hbt::OrdType::Limit);
                let sent = if side == hbt::Side::Buy {
                    run.submit_buy_order(0, id, price, qty, tif, kind, false)
                } else {
                    run.submit_sell_order(0, id, price, qty, tif, kind, false)
                };
                sent.map_err(fault)?;
                did.posted += 1;
            }
        }
    }
    Ok(did)
}
