//! What a run leaves behind: rows of its fills and of its accounts, and a summary.

use crate::limits::{FILLS_MAX, SAMPLES_MAX};
use tidegate_backtest::account::{Account, Fees, Fill};
use tidegate_instruments::Instrument;
use tidegate_risk::contract::cost_e8;
use tidegate_units::Side;

/// Doubles of one fill: received and venue time (ns since the start), instrument, intent, side (1 buy, 2 sell), px, qty, left, maker,
/// fee and value in 1e-8 of the settlement asset (rounded), position after it.
pub const FILL_DOUBLES: usize = 12;
/// Doubles of one sample: time (ns since the start), instrument, equity and fees in 1e-8 of the settlement asset (rounded), position,
/// bid, ask (0 for none), lots traded so far.
pub const SAMPLE_DOUBLES: usize = 8;

/// Rows of doubles, flat.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    pub fills: Vec<f64>,
    pub samples: Vec<f64>,
}

const E8: i128 = 100_000_000;

/// 1e-16 to 1e-8, half away from zero.
fn e8(e16: i128) -> f64 {
    rounded(e16) as f64
}

const fn rounded(e16: i128) -> i128 {
    let half = if e16 < 0 { -E8 / 2 } else { E8 / 2 };
    (e16 + half) / E8
}

pub(crate) const fn side_number(side: Side) -> u8 {
    match side {
        Side::Buy => 1,
        Side::Sell => 2,
    }
}

/// The account at the middle of the touch, in 1e-16; at what there is where a side is empty, and without the position's worth where both
/// are. `None` where it does not fit.
pub(crate) fn equity_e16(row: &Instrument, account: &Account, touch: [Option<i64>; 2]) -> Option<i128> {
    match touch {
        [Some(bid), Some(ask)] => {
            Some(account.equity_e16(row, bid)?.checked_add(account.equity_e16(row, ask)?)? / 2)
        }
        [Some(px), None] | [None, Some(px)] => account.equity_e16(row, px),
        [None, None] => account.cash_e8.checked_mul(E8)?.checked_sub(account.fee_e16),
    }
}

impl Columns {
    /// Adds a fill. False at [`FILLS_MAX`].
    pub(crate) fn fill(
        &mut self,
        [at_ns, start_ns]: [i64; 2],
        (row, fees): (&Instrument, &Fees),
        fill: &Fill,
        position: i64,
    ) -> bool {
        if self.fills.len() >= FILLS_MAX * FILL_DOUBLES {
            return false;
        }
        let value = cost_e8(row, fill.px, i128::from(fill.qty)).unwrap_or(0).abs();
        self.fills.extend_from_slice(&[
            (at_ns - start_ns) as f64,
            (fill.venue_ns - start_ns) as f64,
            f64::from(row.id),
            fill.order as f64,
            f64::from(side_number(fill.side)),
            fill.px as f64,
            fill.qty as f64,
            fill.left as f64,
            f64::from(u8::from(fill.maker)),
            fee_e8(fees, row, fill),
            value as f64,
            position as f64,
        ]);
        true
    }

    /// Adds a sample. False at [`SAMPLES_MAX`], or where the account does not fit.
    pub(crate) fn sample(
        &mut self,
        since_ns: i64,
        row: &Instrument,
        account: &Account,
        touch: [Option<i64>; 2],
    ) -> bool {
        if self.samples.len() >= SAMPLES_MAX * SAMPLE_DOUBLES {
            return false;
        }
        let Some(equity) = equity_e16(row, account, touch) else { return false };
        self.samples.extend_from_slice(&[
            since_ns as f64,
            f64::from(row.id),
            e8(equity),
            e8(account.fee_e16),
            account.position as f64,
            touch[0].unwrap_or(0) as f64,
            touch[1].unwrap_or(0) as f64,
            account.volume as f64,
        ]);
        true
    }
}

/// A fill's fee as the gateway is told it, in 1e-8 of the settlement asset, rounded; `None` where it is beyond an i64.
pub(crate) fn whole_fee_e8(fees: &Fees, row: &Instrument, fill: &Fill) -> Option<i64> {
    let value = cost_e8(row, fill.px, i128::from(fill.qty))?.abs();
    i64::try_from(rounded(fees.of(fill.side, fill.maker, fill.qty, value)?)).ok()
}

/// A fill's fee in 1e-8 of the settlement asset, rounded.
pub(crate) fn fee_e8(fees: &Fees, row: &Instrument, fill: &Fill) -> f64 {
    let value = cost_e8(row, fill.px, i128::from(fill.qty)).unwrap_or(0).abs();
    fees.of(fill.side, fill.maker, fill.qty, value).map_or(f64::NAN, e8)
}
