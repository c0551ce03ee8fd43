//! What every book kernel does before and after its own arithmetic: order, sanity, flags and masks.

use crate::flags;
use crate::limits::{FEATURES_MAX, PX_TICKS_MAX, QTY_LOTS_MAX};
use crate::row::Row;
use crate::set::{FeatureSpec, Per};
use crate::view::{Print, View};

/// An update that may change state: a touch that is not crossed, with sane prices and sizes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admitted {
    pub bid: (i64, i64),
    pub ask: (i64, i64),
    /// Accepted updates since the reset, with this one.
    pub n: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Gate {
    features: &'static [FeatureSpec],
    row: Row,
    updates: u64,
    trades: u64,
    first_ts: i64,
    last_seq: u64,
    last_ts: Option<i64>,
    trade_ts: Option<i64>,
    /// Flags of the next accepted output only.
    once: u32,
}

impl Gate {
    pub fn new(features: &'static [FeatureSpec]) -> Self {
        Self {
            features,
            row: Row::new(features.len()),
            updates: 0,
            trades: 0,
            first_ts: 0,
            last_seq: 0,
            last_ts: None,
            trade_ts: None,
            once: flags::STATE_RESET,
        }
    }

    /// A gate that has seen nothing, whose next sound output says so.
    pub fn after_gap(&self) -> Self {
        Self { once: flags::GAP | flags::STATE_RESET, ..Self::new(self.features) }
    }

    pub fn row(&self) -> &Row {
        &self.row
    }

    pub fn row_mut(&mut self) -> &mut Row {
        &mut self.row
    }

    /// Whether an update may change state; if not, the row holds the values before, flagged.
    #[inline]
    pub fn admit(&mut self, view: &View) -> Option<Admitted> {
        let late = if view.seq > 0 {
            view.seq < self.last_seq
        } else {
            self.last_ts.is_some_and(|last| view.ts.0 < last)
        };
        if late {
            self.row.again(flags::OUT_OF_ORDER | view.quality);
            return None;
        }
        let sane = |px: i64| (-PX_TICKS_MAX..=PX_TICKS_MAX).contains(&px);
        match (view.bids.best(), view.asks.best()) {
            (Some(bid), Some(ask)) if bid.0 < ask.0 && sane(bid.0) && sane(ask.0) => {
                if self.updates == 0 {
                    self.first_ts = view.ts.0;
                }
                self.updates += 1;
                self.last_seq = self.last_seq.max(view.seq);
                self.last_ts = Some(self.last_ts.map_or(view.ts.0, |last| last.max(view.ts.0)));
                let lots = |qty: i64| qty.clamp(0, QTY_LOTS_MAX);
                Some(Admitted { bid: (bid.0, lots(bid.1)), ask: (ask.0, lots(ask.1)), n: self.updates })
            }
            _ => {
                self.row.again(self.once | flags::PARTIAL | view.quality);
                None
            }
        }
    }

    /// Whether a trade may change state, and the how-manieth it is; an old one is flagged on the next output.
    pub fn admit_trade(&mut self, print: &Print) -> Option<u64> {
        if self.trade_ts.is_some_and(|last| print.ts.0 < last) {
            self.once |= flags::OUT_OF_ORDER;
            return None;
        }
        self.trade_ts = Some(print.ts.0);
        self.trades += 1;
        Some(self.trades)
    }

    /// Gives the values of an admitted update to the row.
    #[inline]
    pub fn emit(&mut self, values: [i64; FEATURES_MAX], view: &View) {
        self.row.put(&values);
        self.finish(view);
    }

    /// Flags and masks of an admitted update whose values are in the row.
    #[inline]
    pub fn finish(&mut self, view: &View) {
        // A set that is a prefix of another shows only its own.
        self.row.changed &= self.row.mask();
        if self.row.warm != self.row.mask() {
            self.row.warm = self.warm();
        }
        let warming = if self.row.warm == self.row.mask() { 0 } else { flags::WARMING_UP };
        self.row.flags = std::mem::take(&mut self.once) | view.quality | warming;
    }

    fn warm(&self) -> u32 {
        let seconds =
            self.last_ts.map_or(0, |last| last.saturating_sub(self.first_ts).max(0) as u64) / 1_000_000_000;
        let mut mask = 0;
        for (bit, spec) in self.features.iter().enumerate() {
            let seen = match spec.per {
                Per::Updates | Per::Bars => self.updates,
                Per::Trades => self.trades,
                Per::Seconds => seconds,
            };
            mask |= u32::from(seen >= u64::from(spec.warm)) << bit;
        }
        mask
    }
}
