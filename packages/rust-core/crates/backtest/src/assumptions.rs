//! What a run assumes of an instrument, by name: part of its hash, and of every result.

use crate::engine::{Accounting, AssetConfig};
use crate::queue::QueueModel;

/// The models, fees and sizes of an instrument's tape.
pub(crate) fn assumptions<L, Q: QueueModel>(config: &AssetConfig<'_, L, Q>) -> Vec<(String, String)> {
    let fees = &config.fees;
    let accounting = match config.accounting {
        Accounting::EveryFill => "every fill",
        Accounting::LastFillOnly => "the last fill of an order only (hftbacktest's)",
    };
    let row = &config.instrument;
    [
        ("instrument", format!("{} {}", row.venue.name(), row.symbol)),
        ("queue", config.queue.name()),
        ("fills", config.fill.name().into()),
        ("latency", config.latency.name()),
        (
            "fees",
            format!(
                "basis {:?}, maker {}e-8, taker {}e-8, buyer {}e-8, seller {}e-8",
                fees.basis, fees.maker_e8, fees.taker_e8, fees.buyer_e8, fees.seller_e8
            ),
        ),
        ("accounting", accounting.into()),
        ("impact", "none: the recorded market does not react to our orders".into()),
        ("rows", format!("{} at the venue, {} received", config.venue.len(), config.local.len())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_string(), value))
    .collect()
}
