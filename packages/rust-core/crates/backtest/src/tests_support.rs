//! Instruments for tests.

use tidegate_instruments::{Instrument, Kind, Venue};

fn row(kind: Kind, symbol: &str, quote: &str, scales: (u32, u32), worth: i64, multiplier: u32) -> Instrument {
    Instrument {
        id: 1,
        venue_id: 1,
        venue: if kind == Kind::InversePerp { Venue::BinanceCoinm } else { Venue::BinanceUsdm },
        symbol: symbol.into(),
        kind,
        base: "BTC".into(),
        quote: quote.into(),
        px_scale: scales.0,
        px_unit: 1,
        qty_scale: scales.1,
        qty_unit: 1,
        e8_per_tick_lot: worth,
        min_qty_lots: 1,
        max_qty_lots: 1_000_000,
        min_notional_e8: 0,
        multiplier,
        expiry: 0,
    }
}

pub fn usdm() -> Instrument {
    row(Kind::LinearPerp, "BTCUSDT", "USDT", (1, 3), 10_000, 1)
}

pub fn coinm() -> Instrument {
    row(Kind::InversePerp, "BTCUSD_PERP", "USD", (1, 0), 0, 100)
}
