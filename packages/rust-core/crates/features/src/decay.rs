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

    proptest! {
        #[test]
        fn it_follows_the_real_function(value in -(1_i64 << 50)..(1 << 50), elapsed in 0_i64..30_000) {
            let want = value as f64 * 0.5_f64.powf(elapsed as f64 / 1_000.0);
            prop_assert!((decayed(value, elapsed, 1_000) as f64 - want).abs() <= 2.0 + want.abs() * 2e-5);
        }
    }
}
