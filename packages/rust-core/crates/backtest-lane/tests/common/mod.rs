//! The recorded minutes that ship, as tapes, and a run's configuration over them.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part")]

pub mod limits;

use std::path::{Path, PathBuf};
use tidegate_backtest::convert::{Format, Times, convert};
use tidegate_instruments::{Instrument, Kind, Venue};

pub fn rows() -> [(Instrument, &'static str); 2] {
    let spot = Instrument {
        id: 1,
        venue_id: 1,
        venue: Venue::BinanceSpot,
        symbol: "BTCUSDT".into(),
        kind: Kind::Spot,
        base: "BTC".into(),
        quote: "USDT".into(),
        px_scale: 2,
        px_unit: 1,
        qty_scale: 5,
        qty_unit: 1,
        e8_per_tick_lot: 10,
        min_qty_lots: 1,
        max_qty_lots: 900_000_000,
        min_notional_e8: 0,
        multiplier: 1,
        expiry: 0,
    };
    let perp = Instrument {
        id: 2,
        venue_id: 2,
        venue: Venue::BinanceUsdm,
        kind: Kind::LinearPerp,
        px_scale: 1,
        qty_scale: 3,
        e8_per_tick_lot: 10_000,
        ..spot.clone()
    };
    [(spot, "binance-spot-btcusdt.jsonl.gz"), (perp, "binance-usdm-btcusdt.jsonl.gz")]
}

pub fn tapes(dir: &Path) -> Vec<(Instrument, PathBuf)> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../data/samples");
    rows()
        .into_iter()
        .map(|(row, name)| {
            let out = dir.join(name).with_extension("tape");
            convert(Format::Binance, &[samples.join(name)], &row, Times::default(), &out).unwrap();
            (row, out)
        })
        .collect()
}

pub fn config(tapes: &[(Instrument, PathBuf)], batch: usize, latency: &serde_json::Value) -> String {
    let instruments: Vec<_> = tapes
        .iter()
        .map(|(row, tape)| {
            serde_json::json!({
                "row": row, "tape": tape, "latency": latency,
                "fees": {"basis": "value", "makerE8": 2_000, "takerE8": 5_000, "buyerE8": 0, "sellerE8": 0},
            })
        })
        .collect();
    serde_json::json!({
        "instruments": instruments, "queue": {"kind": "power", "n": 2.0}, "fill": "consuming",
        "epoch": 1, "tickNs": 250_000_000, "sampleNs": 1_000_000_000, "batch": batch,
    })
    .to_string()
}
