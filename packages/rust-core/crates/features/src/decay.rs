//! 2^-x in integers: the same bits on every machine.

const STEPS: usize = 256;
const ONE: u64 = 1 << 62;
/// 2^(-1/256) in units of 2^-62.
const STEP: u64 = 4_599_216_278_082_138_665;

const TABLE: [u64; STEPS + 1] = table();

const fn table() -> [u64; STEPS + 1] {
    let mut table = [ONE; STEPS + 1];
    let mut index = 1;
    while index <= STEPS {
        table[index] = ((table[index - 1] as u128 * STEP as u128) >> 62) as u64;
        index += 1;
    }
    table
}

/// `value × 2^(-elapsed / half_life)`, towards zero; elapsed time below zero counts as none.
pub fn decayed(value: i64, elapsed: i64, half_life: i64) -> i64 {
    if elapsed <= 0 || half_life <= 0 {
        return value;
    }
    let halvings = elapsed / half_life;
    if halvings >= 63 {
        return 0;
    }
    // The part of a half-life in 1/65536, then a straight line between two of 256 exact points.
    let part = (i128::from(elapsed % half_life) * 65_536 / i128::from(half_life)) as usize;
    let (index, between) = (part >> 8, (part & 0xff) as i128);
    let high = i128::from(TABLE.get(index).copied().unwrap_or(ONE));
    let low = i128::from(TABLE.get(index + 1).copied().unwrap_or(ONE / 2));
    let factor = high - (high - low) * between / 256;
    (i128::from(value) * factor / i128::from(ONE)) as i64 / (1_i64 << halvings)
}

/// ln 2 in units of 2^-62.
const LN_2: u128 = 3_196_577_161_300_663_915;

/// `1 − 2^(-elapsed / half_life)` in units of 2^-64, one at most a hair below: what an average gives up in that time. Good to
/// 1e-11 however short the time, since a busy book takes many short steps.
pub fn fading(elapsed: i64, half_life: i64) -> u64 {
    if elapsed <= 0 || half_life <= 0 {
        return 0;
    }
    let halvings = elapsed / half_life;
    if halvings >= 62 {
        return u64::MAX;
    }
    // The part of a half-life in 2^-48: a table for its first 8 bits, three terms of the series for the rest.
    let part = (((elapsed % half_life) as u128) << 48) / half_life as u128;
    let one = u128::from(ONE);
    let y = (((part & ((1 << 40) - 1)) << 14) * LN_2) >> 62;
    let squared = (y * y) >> 62;
    let rest = one - y + squared / 2 - ((squared * y) >> 62) / 6;
    let whole = u128::from(TABLE.get((part >> 40) as usize).copied().unwrap_or(ONE));
    let kept = ((whole * rest) >> 62) >> halvings;
    ((one - kept.min(one)) * 4).min(u128::from(u64::MAX)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_half_lives_are_exact() {
        for n in 0..20 {
            let got = decayed(1 << 40, n * 1_000, 1_000);
            assert_eq!(got, 1 << (40 - n));
        }
        assert_eq!((decayed(7, -5, 10), decayed(i64::MAX, i64::MAX, 1)), (7, 0));
    }

    #[test]
    fn fading_is_the_rest() {
        assert_eq!((fading(0, 5), fading(5, 5), fading(i64::MAX, 1)), (0, 1 << 63, u64::MAX));
        for (elapsed, half) in
            [(1, 300_000_000_000), (10_000_000, 5_000_000_000), (7, 9), (999_999, 1_000_000)]
        {
            let want = 1.0 - 0.5_f64.powf(elapsed as f64 / half as f64);
            let got = fading(elapsed, half) as f64 / 2.0_f64.powi(64);
            assert!((got - want).abs() < 1e-11, "{elapsed} of {half}: {got}, want {want}");
        }
    }

    proptest! {
        #[test]
        fn it_follows_the_real_function(value in -(1_i64 << 50)..(1 << 50), elapsed in 0_i64..30_000) {
            let want = value as f64 * 0.5_f64.powf(elapsed as f64 / 1_000.0);
            prop_assert!((decayed(value, elapsed, 1_000) as f64 - want).abs() <= 2.0 + want.abs() * 2e-5);
        }
    }
}
