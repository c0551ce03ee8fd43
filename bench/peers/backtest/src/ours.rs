//! Our engine over the same rows.

use crate::peer::{LATENCY_NS, LOT, Queue, TICK};
use std::path::Path;
use tidegate_backtest::account::{Account, Fees, Fill};
use tidegate_backtest::latency::Latency;
use tidegate_backtest::queue::{Probable, QueueModel, RiskAverse};
use tidegate_backtest::sample::{Did, Own};
use tidegate_backtest::tape::{Correction, Stream, correct};
use tidegate_backtest::{Accounting, AssetConfig, Engine, FillModel, binance, event::Row};
use tidegate_book::BoundedL2Book;
use tidegate_instruments::{Instrument, Kind, Venue};

/// USD-M BTCUSDT: ticks of 0.1, lots of 0.001.
pub fn instrument() -> Instrument {
    Instrument {
        id: 1,
        venue_id: 1,
        venue: Venue::BinanceUsdm,
        symbol: "BTCUSDT".into(),
        kind: Kind::LinearPerp,
        base: "BTC".into(),
        quote: "USDT".into(),
        px_scale: 1,
        px_unit: 1,
        qty_scale: 3,
        qty_unit: 1,
        e8_per_tick_lot: 10_000,
        min_qty_lots: 1,
        max_qty_lots: 1_000_000,
        min_notional_e8: 0,
        multiplier: 1,
        expiry: 0,
    }
}

/// The recorded minutes as rows, with the receive times put right.
pub fn rows(data: &Path) -> Result<(Vec<Row>, Correction), String> {
    let file = data.join("binance-raw-2024-08/usdm_btcusdt_20240808.jsonl.gz");
    let mut captured = binance::read(&[&file], &instrument())?;
    let correction = correct(&mut captured.rows, 0).map_err(|fault| fault.to_string())?;
    Ok((captured.rows, correction))
}

/// Fees of the peer, in 1e-8: maker −0.00005, taker 0.0007.
pub const FEES: Fees = Fees::of_value(-5_000, 70_000);

/// The prices hftbacktest's vector is given, in ticks.
pub fn bounded() -> Result<BoundedL2Book, String> {
    BoundedL2Book::new(550_000, 680_001).map_err(|fault| format!("{fault:?}"))
}

/// The models of a run.
#[derive(Debug, Clone, Copy)]
pub struct Models {
    pub queue: Queue,
    pub fill: FillModel,
    pub fees: Fees,
    pub entry_ns: i64,
    pub accounting: Accounting,
}

impl Models {
    /// As the peer has them.
    pub const fn of(queue: Queue, fill: FillModel) -> Self {
        // Its receiver's side counts an order filled in parts by the last part alone.
        let accounting = match fill {
            FillModel::Partial => Accounting::LastFillOnly,
            _ => Accounting::EveryFill,
        };
        Self { queue, fill, fees: FEES, entry_ns: LATENCY_NS, accounting }
    }
}

/// An engine of one instrument.
pub fn engine<'a, Q: QueueModel>(
    venue: Stream<'a>,
    local: Stream<'a>,
    queue: Q,
    models: &Models,
) -> Result<Engine<'a, BoundedL2Book, Q>, String> {
    let latency = Latency::constant(models.entry_ns, LATENCY_NS).map_err(|fault| fault.to_string())?;
    Engine::new(vec![AssetConfig {
        instrument: instrument(),
        venue,
        local,
        levels: bounded()?,
        queue,
        fill: models.fill,
        latency,
        fees: models.fees,
        accounting: models.accounting,
    }])
}

/// What a run gave.
#[derive(Debug)]
pub struct Ran {
    pub did: Did,
    pub fills: Vec<Fill>,
    pub account: Account,
    pub truth: Account,
    pub hash: String,
    pub now: i64,
}

/// A strategy that can be run on any desk of ours.
pub trait Strategy {
    fn run<D: tidegate_backtest::sample::Desk>(&self, desk: &mut D) -> Result<Did, String>;
}

fn go<Q: QueueModel, S: Strategy>(
    venue: Stream<'_>,
    local: Stream<'_>,
    queue: Q,
    models: &Models,
    strategy: &S,
) -> Result<Ran, String> {
    let mut engine = engine(venue, local, queue, models)?;
    let did = strategy.run(&mut Own::new(&mut engine, TICK, LOT, 10, models.accounting))?;
    if engine.overflowed() {
        return Err("a sum of the account does not fit".into());
    }
    let missing = || "no account".to_string();
    Ok(Ran {
        did,
        fills: engine.venue_fills(0).to_vec(),
        account: *engine.account(0).ok_or_else(missing)?,
        truth: *engine.venue_account(0).ok_or_else(missing)?,
        hash: engine.run_hash().to_hex().to_string(),
        now: engine.now(),
    })
}

/// Every order joins at the front of its level: the planted fault.
#[derive(Debug, Clone, Copy)]
struct Front(RiskAverse);

impl QueueModel for Front {
    type Place = i64;
    fn join(&self, _ahead: i64) -> i64 {
        0
    }
    fn trade(&self, place: &mut i64, qty: i64) {
        self.0.trade(place, qty);
    }
    fn level(&self, place: &mut i64, was: i64, now: i64) {
        self.0.level(place, was, now);
    }
    fn reached(&self, place: &mut i64) -> i64 {
        self.0.reached(place)
    }
    fn ahead(&self, place: &i64) -> f64 {
        self.0.ahead(place)
    }
    fn name(&self) -> String {
        "planted: always at the front".into()
    }
}

/// Runs a strategy; `front` plants a wrong queue model.
pub fn run<S: Strategy>(
    venue: Stream<'_>,
    local: Stream<'_>,
    models: &Models,
    strategy: &S,
    front: bool,
) -> Result<Ran, String> {
    if front {
        return go(venue, local, Front(RiskAverse), models, strategy);
    }
    match models.queue {
        Queue::RiskAverse => go(venue, local, RiskAverse, models, strategy),
        Queue::Probable(behind) => go(venue, local, Probable(behind), models, strategy),
    }
}
