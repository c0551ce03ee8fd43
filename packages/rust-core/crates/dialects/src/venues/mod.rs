//! One file per venue family.

pub mod alpaca;
pub mod ascendex;
pub mod binance;
pub mod bitfinex;
pub mod bitget;
pub mod bitmex;
pub mod bitstamp;
pub mod bullish;
pub mod bybit;
pub mod coinbase;
pub mod delta;
pub mod deribit;
pub mod gate;
pub mod huobi;
pub mod hyperliquid;
pub mod independent_reserve;
pub mod kraken;
pub mod kraken_futures;
pub mod kraken_v2;
pub mod kucoin;
pub mod mis;
pub mod okex;
pub mod shioaji;
