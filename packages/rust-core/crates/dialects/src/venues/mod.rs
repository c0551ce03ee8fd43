//! One file per venue family.

pub mod bitfinex;
pub mod coinbase;
pub mod kraken;
pub mod okex;
