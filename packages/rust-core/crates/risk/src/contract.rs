//! What a quantity of an instrument is worth: linear and inverse contracts, funding, conversion.

use tidegate_instruments::{Instrument, Kind};
use tidegate_units::Side;

/// The scale of money and of rates.
pub const E8: i128 = 100_000_000;

/// A product; `None` where 128 bits do not hold it. One multiplication of the machine where 64 bits hold both.
pub fn product(a: i128, b: i128) -> Option<i128> {
    match (i64::try_from(a), i64::try_from(b)) {
        (Ok(a), Ok(b)) => Some(i128::from(a) * i128::from(b)),
        _ => a.checked_mul(b),
    }
}

/// A quotient rounded to the nearest, halves away from zero; `None` where the divisor is 0 or 128 bits do not hold it.
pub const fn div_nearest(value: i128, by: i128) -> Option<i128> {
    let Some(quotient) = value.checked_div(by) else { return None };
    let rest = value - quotient * by;
    let Some(twice) = rest.unsigned_abs().checked_mul(2) else { return None };
    if twice < by.unsigned_abs() {
        return Some(quotient);
    }
    let away = if (value < 0) == (by < 0) { 1 } else { -1 };
    quotient.checked_add(away)
}

/// A quotient rounded away from zero.
pub const fn div_away(value: i128, by: i128) -> Option<i128> {
    let Some(quotient) = value.checked_div(by) else { return None };
    if value == quotient * by {
        return Some(quotient);
    }
    quotient.checked_add(if (value < 0) == (by < 0) { 1 } else { -1 })
}

/// The asset profit and loss of an instrument are paid in.
pub fn settle_asset(row: &Instrument) -> &str {
    if row.kind == Kind::InversePerp { &row.base } else { &row.quote }
}

/// What a buyer of `lots` at `px_ticks` pays, in 1e-8 of the settlement asset; a seller is paid as much.
///
/// Of an inverse contract (face value in quote, settled in base) the buyer is short of base: he is paid face ÷ price,
/// rounded to the nearest 1e-8, halves away from zero, and pays it back at the price he sells at. That is
/// profit = lots × face × (1/entry − 1/exit), as the venues state it (Binance, "COIN-M Futures", profit and loss).
pub fn cost_e8(row: &Instrument, px_ticks: i64, lots: i128) -> Option<i128> {
    if row.kind == Kind::InversePerp {
        let face = face_e8(row, lots)?.checked_mul(10_i128.checked_pow(row.px_scale)?)?;
        let px = i128::from(px_ticks).checked_mul(i128::from(row.px_unit))?;
        return div_nearest(face, px)?.checked_neg();
    }
    product(product(px_ticks.into(), lots)?, row.e8_per_tick_lot.into())
}

/// Face value of an inverse contract in 1e-8 of the quote asset.
fn face_e8(row: &Instrument, lots: i128) -> Option<i128> {
    let spare = 8_u32.checked_sub(row.qty_scale)?;
    lots.checked_mul(i128::from(row.qty_unit))?
        .checked_mul(i128::from(row.multiplier))?
        .checked_mul(10_i128.checked_pow(spare)?)
}

/// Value of `lots` at a price in 1e-8 of the quote asset, for limits: an inverse contract's does not move with the price.
pub fn worth_e8(row: &Instrument, px_ticks: i128, lots: i128) -> Option<i128> {
    if row.kind == Kind::InversePerp {
        return face_e8(row, lots);
    }
    product(product(lots, px_ticks)?, row.e8_per_tick_lot.into())
}

/// What a position receives at a funding time, in 1e-8 of the settlement asset: a long pays a rate above 0.
///
/// position value × rate, rounded to the nearest; the rate is in 1e-8. The value is at the mark, in the settlement asset.
pub fn funding_e8(row: &Instrument, lots: i128, mark_px_ticks: i64, rate_e8: i64) -> Option<i128> {
    let mut value = cost_e8(row, mark_px_ticks, lots)?;
    if row.kind == Kind::InversePerp {
        value = value.checked_neg()?;
    }
    div_nearest(value.checked_mul(i128::from(rate_e8))?, E8)?.checked_neg()
}

/// An amount in another asset, by a rate of 1e-8 of that asset for one; rounded away from zero, so that a limit is never
/// passed by rounding.
pub const fn convert_e8(amount_e8: i128, rate_e8: i64) -> Option<i128> {
    match amount_e8.checked_mul(rate_e8 as i128) {
        Some(product) => div_away(product, E8),
        None => None,
    }
}

/// The other way of the same rate.
pub const fn convert_back_e8(amount_e8: i128, rate_e8: i64) -> Option<i128> {
    match amount_e8.checked_mul(E8) {
        Some(product) => div_away(product, rate_e8 as i128),
        None => None,
    }
}

/// The worse of two prices for a side: higher for a buyer.
pub const fn worse(side: Side, a: i64, b: i64) -> i64 {
    match side {
        Side::Buy if a > b => a,
        Side::Sell if a < b => a,
        _ => b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a27_rounding_is_to_the_nearest_and_away_on_halves_and_refuses_zero() {
        let cases = [
            (7, 2, 4, 4),
            (-7, 2, -4, -4),
            (6, 4, 2, 2),
            (5, 4, 1, 2),
            (-5, 4, -1, -2),
            (5, -4, -1, -2),
            (8, 4, 2, 2),
        ];
        for (value, by, nearest, away) in cases {
            assert_eq!(
                (div_nearest(value, by), div_away(value, by)),
                (Some(nearest), Some(away)),
                "{value}/{by}"
            );
        }
        assert_eq!((div_nearest(1, 0), div_away(1, 0)), (None, None));
        assert_eq!((div_nearest(i128::MIN, -1), div_away(i128::MIN, -1)), (None, None));
        assert_eq!(convert_e8(i128::MAX, 2), None);
    }

    #[test]
    fn a_product_is_that_of_128_bits_or_none() {
        let (small, wide) = (i128::from(i64::MAX), i128::MAX);
        let ends = [0, 1, -1, small, -small - 1, small + 1, -small - 2, wide, i128::MIN, 3 << 62];
        for (a, b) in ends.iter().flat_map(|a| ends.iter().map(move |b| (*a, *b))) {
            assert_eq!(product(a, b), a.checked_mul(b), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn a27_a_rounded_quotient_is_within_half_and_an_away_one_never_short(value in -1_000_000_i128..1_000_000, by in 1_i128..5_000) {
            let (nearest, away) = (div_nearest(value, by).unwrap(), div_away(value, by).unwrap());
            prop_assert!((nearest * by - value).abs() * 2 <= by);
            prop_assert!((away * by).abs() >= value.abs() && (away * by - value).abs() < by);
        }

        #[test]
        fn a27_there_and_back_loses_nothing_to_the_limit(amount in 0_i128..1_000_000_000_000, rate in 1_i64..10_000_000_000) {
            let there = convert_e8(amount, rate).unwrap();
            prop_assert!(convert_back_e8(there, rate).unwrap() >= amount);
        }
    }
}
