//! Which reader, with which channels, stands against which reference.

use tidegate_dialects::Dialect;
use tidegate_dialects::venues::ascendex::Ascendex;
use tidegate_dialects::venues::binance::{Binance, Market};
use tidegate_dialects::venues::bitfinex::Bitfinex;
use tidegate_dialects::venues::bitget::Bitget;
use tidegate_dialects::venues::bitmex::Bitmex;
use tidegate_dialects::venues::bullish::Bullish;
use tidegate_dialects::venues::bybit::Bybit;
use tidegate_dialects::venues::delta::Delta;
use tidegate_dialects::venues::gate::Gate;
use tidegate_dialects::venues::huobi::Huobi;
use tidegate_dialects::venues::hyperliquid::Hyperliquid;
use tidegate_dialects::venues::kucoin::Kucoin;
use tidegate_dialects::venues::okex::Okex;

/// The reader for an exchange as the reference names it, of a feed that began on day `since` (`2019-12-05`, or "" for the
/// oldest): a venue's feed reads the channels that were subscribed to at the time.
pub fn of_case(exchange: &str, since: &str) -> Option<Box<dyn Dialect>> {
    Some(match exchange {
        "ascendex" => Box::new(Ascendex::default()),
        "aster" | "binance" => Box::new(Binance::new(Market::Spot, false)),
        "aster-futures" | "binance-futures" | "binance-delivery" => {
            Box::new(Binance::new(Market::Futures, false))
        }
        "binance-dex" => Box::new(Binance::new(Market::Dex, false)),
        "bitfinex" | "bitfinex-derivatives" => Box::new(Bitfinex::default()),
        "bitget" => Box::new(Bitget { book: if since >= "2026-04-28" { "books" } else { "books15" } }),
        "bitmex" => Box::new(Bitmex::default()),
        "bullish" => Box::new(Bullish),
        "bybit" | "bybit-spot" | "bybit-options" => {
            let mut reader = Bybit::default();
            reader.all_liquidations = since >= "2025-02-26";
            reader.options = exchange == "bybit-options";
            Box::new(reader)
        }
        "delta" => Box::new(Delta::new(if since >= "2020-10-14" { "all_trades" } else { "recent_trade" })),
        "gate-io" | "gate-io-futures" => Box::new(Gate::default()),
        "huobi" | "huobi-dm" | "huobi-dm-swap" | "huobi-dm-linear-swap" | "huobi-dm-options" => {
            let mut reader = Huobi::default();
            reader.mbp = since >= "2020-07-03";
            reader.options = exchange == "huobi-dm-options";
            reader.terms = exchange == "huobi-dm";
            Box::new(reader)
        }
        "hyperliquid" => Box::new(Hyperliquid::default()),
        "kucoin" => Box::new(Kucoin::default()),
        "okcoin" => Box::new(Okex::spot()),
        "okex" => Box::new(Okex::spot()),
        "okex-futures" | "okex-swap" => {
            let fast = if exchange == "okex-swap" { "2020-02-08" } else { "2019-12-05" };
            let market = if exchange == "okex-swap" { "swap" } else { "futures" };
            let mut reader = Okex::contracts(market, if since >= fast { "depth_l2_tbt" } else { "depth" });
            reader.bbo = since >= "2022-05-06";
            Box::new(reader)
        }
        _ => return None,
    })
}

/// A feed of OKX futures that reads the venue's own liquidations.
pub fn okex_liquidations() -> Okex {
    let mut reader = Okex::contracts("futures", "depth_l2_tbt");
    reader.liquidation_orders = true;
    reader
}
