//! The least any gateway does for an order: nine bare checks over integers, with everything they need already at hand.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use tidegate_wire::pb::common::v1::Side;
use tidegate_wire::pb::orders::v1::Intent;

/// One multiplication: the cheapest hash that spreads such ids.
#[derive(Debug, Clone, Copy, Default)]
pub struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u128((*byte).into());
        }
    }

    fn write_u128(&mut self, value: u128) {
        let product = u128::from((value >> 64) as u64 ^ 0x9e37_79b9_7f4a_7c15)
            * u128::from(value as u64 ^ 0xbf58_476d_1ce4_e5b9);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

#[derive(Debug, Clone, Copy)]
struct OfInstrument {
    position: i64,
    reference_px: i64,
}

#[derive(Debug, Clone, Copy)]
struct OfStrategy {
    open: i64,
    open_notional: i64,
    tokens: f64,
    last_ns: u64,
}

const QTY_MAX: i64 = 1_000;
const NOTIONAL_MAX: i64 = 1 << 50;
const OPEN_NOTIONAL_MAX: i64 = 1 << 60;
const POSITION_MAX: i64 = 100_000_000;
const OPEN_MAX: i64 = 10_000_000;
const TOKENS_MAX: f64 = 1e9;
const TOKENS_PER_NS: f64 = 1e-3;

/// The state of the nine checks.
#[derive(Debug)]
pub struct Floor {
    instruments: Vec<OfInstrument>,
    strategies: Vec<OfStrategy>,
    ids: HashSet<u128, BuildHasherDefault<Folded>>,
}

impl Floor {
    /// Room for so many ids, as everything else made beforehand.
    pub fn new(instruments: u32, strategies: u32, reference_px: i64, ids: usize) -> Self {
        Self {
            instruments: vec![OfInstrument { position: 0, reference_px }; instruments as usize + 1],
            strategies: vec![
                OfStrategy { open: 0, open_notional: 0, tokens: TOKENS_MAX, last_ns: 0 };
                strategies as usize + 1
            ],
            ids: HashSet::with_capacity_and_hasher(ids, BuildHasherDefault::default()),
        }
    }

    /// An id that was decided before.
    pub fn remember(&mut self, intent: &Intent) {
        self.ids.insert(id(intent));
    }

    /// Size, largest size, band, notional, open notional, position, open orders, token bucket, duplicate id.
    #[inline]
    pub fn check(&mut self, intent: &Intent, now_ns: u64) -> bool {
        let id = id(intent);
        let strategy = (id >> 96) as usize;
        let (Some(of_instrument), Some(of)) =
            (self.instruments.get_mut(intent.instrument_id as usize), self.strategies.get_mut(strategy))
        else {
            return false;
        };
        let (px, qty) = (intent.px_ticks, intent.qty_lots.cast_signed());
        let notional = px * qty;
        of.tokens = (of.tokens + now_ns.saturating_sub(of.last_ns) as f64 * TOKENS_PER_NS).min(TOKENS_MAX);
        of.last_ns = now_ns;
        let signed = if intent.side == Side::Buy as i32 { qty } else { -qty };
        let passes = qty > 0
            && qty <= QTY_MAX
            && (px - of_instrument.reference_px).abs() * 20 < of_instrument.reference_px
            && notional <= NOTIONAL_MAX
            && of.open_notional + notional < OPEN_NOTIONAL_MAX
            && (of_instrument.position + signed).abs() < POSITION_MAX
            && of.open < OPEN_MAX
            && of.tokens >= 1.0
            && self.ids.insert(id);
        if passes {
            of.tokens -= 1.0;
            of.open += 1;
            of.open_notional += notional;
            of_instrument.position += signed;
        }
        passes
    }
}

fn id(intent: &Intent) -> u128 {
    intent.intent_id.map_or(0, |id| u128::from(id.hi) << 64 | u128::from(id.lo))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_wire::pb::common::v1::IntentId;

    #[test]
    fn the_floor_takes_an_order_once_and_refuses_what_is_out_of_bounds() {
        let order = |lo, px_ticks, qty_lots| Intent {
            intent_id: Some(IntentId { hi: 1 << 32, lo }),
            instrument_id: 1,
            side: 1,
            px_ticks,
            qty_lots,
            ..Intent::default()
        };
        let mut floor = Floor::new(1, 1, 1_000, 8);
        assert!(floor.check(&order(1, 1_000, 5), 1));
        assert!(!floor.check(&order(1, 1_000, 5), 2), "the same id");
        for bad in [order(2, 1_000, 0), order(2, 1_000, 1_001), order(2, 1_100, 5), order(2, 900, 5)] {
            assert!(!floor.check(&bad, 3), "{bad:?}");
        }
        assert!(!floor.check(&Intent { instrument_id: 2, ..order(2, 1_000, 5) }, 4));
        assert!(floor.check(&order(2, 1_000, 5), 5));
        floor.remember(&order(3, 1_000, 5));
        assert!(!floor.check(&order(3, 1_000, 5), 6));
    }
}
