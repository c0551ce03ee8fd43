//! Integer averages and ratios that round as the exact numbers would.
//!
//! States are 64.64 bits fixed point. A half rounds away from zero, and so does what lies less than 2^-16 below a half: an
//! exact half must not depend on the last bits of a state.

use crate::limits::EMA_INPUT_MAX;
use tidegate_units::SAFE_INTEGER;

/// One, in 64.64.
pub const ONE: i128 = 1 << 64;
const SNAP: i128 = 1 << 48;

/// An exponential average: `state += (input − state) × α`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ema {
    state: i128,
    /// In units of 2^-64, below a half: as a signed word it multiplies in one instruction.
    alpha: i64,
}

impl Ema {
    /// α as a fraction of two whole numbers, below a half.
    pub const fn new(numerator: u64, denominator: u64) -> Self {
        let alpha = ((numerator as u128) << 64) / denominator as u128;
        Self { state: 0, alpha: if alpha < 1 << 63 { alpha as i64 } else { i64::MAX } }
    }

    /// α = 2 / (n + 1).
    pub const fn of_n(n: u64) -> Self {
        Self::new(2, n + 1)
    }

    /// Starts from a value.
    pub fn seed(&mut self, value: i64) {
        self.state = i128::from(value.clamp(-EMA_INPUT_MAX, EMA_INPUT_MAX)) << 64;
    }

    /// One whole input.
    #[inline]
    pub fn step(&mut self, value: i64) {
        self.step_fixed(i128::from(value.clamp(-EMA_INPUT_MAX, EMA_INPUT_MAX)) << 64);
    }

    /// One whole input that is known to be within ±2^60.
    #[inline]
    pub(crate) fn step_small(&mut self, value: i64) {
        self.step_fixed(i128::from(value) << 64);
    }

    /// One input in 64.64.
    #[inline]
    pub fn step_fixed(&mut self, value: i128) {
        let gap = value - self.state;
        let (whole, part) = ((gap >> 64) as i64, gap as u64);
        self.state += i128::from(whole) * i128::from(self.alpha)
            + ((u128::from(part) * u128::from(self.alpha as u64)) >> 64) as i128;
    }

    /// One whole input with a weight of its own, in units of 2^-64.
    #[inline]
    pub fn step_by(&mut self, value: i64, alpha: u64) {
        let gap = (i128::from(value.clamp(-EMA_INPUT_MAX, EMA_INPUT_MAX)) << 64) - self.state;
        let (whole, part) = ((gap >> 64) as i64, gap as u64);
        self.state +=
            i128::from(whole) * i128::from(alpha) + ((u128::from(part) * u128::from(alpha)) >> 64) as i128;
    }

    /// Adds to the state, which then is a fading sum; it stays within what an input may be.
    #[inline]
    pub fn add(&mut self, value: i64) {
        let bound = i128::from(EMA_INPUT_MAX) << 64;
        let value = i128::from(value.clamp(-EMA_INPUT_MAX, EMA_INPUT_MAX)) << 64;
        self.state = (self.state + value).clamp(-bound, bound);
    }

    /// The state in 64.64.
    #[inline]
    pub fn fixed(&self) -> i128 {
        self.state
    }

    /// The nearest whole number.
    #[inline]
    pub fn rounded(&self) -> i64 {
        rounded(self.state)
    }
}

/// The nearest whole number of a 64.64 value.
#[inline]
pub fn rounded(value: i128) -> i64 {
    let sign = value >> 127;
    let magnitude = (value ^ sign) - sign;
    let whole = ((magnitude + ONE / 2 + SNAP) >> 64) as i64;
    (whole ^ sign as i64) - sign as i64
}

/// `numerator / denominator` to the nearest whole number, half away from zero; 0 where the denominator is 0.
#[inline]
pub fn quotient(numerator: i128, denominator: i64) -> i64 {
    if denominator <= 0 {
        return 0;
    }
    if let Ok(small) = i64::try_from(numerator)
        && let Some(sum) = small.unsigned_abs().checked_add(denominator.unsigned_abs() / 2)
    {
        let whole = (sum / denominator.unsigned_abs()) as i64;
        let signed = if small < 0 { whole.wrapping_neg() } else { whole };
        return signed.clamp(-SAFE_INTEGER, SAFE_INTEGER);
    }
    let whole = (numerator.unsigned_abs() + u128::from(denominator.unsigned_abs() / 2))
        / u128::from(denominator.unsigned_abs());
    safe(if numerator < 0 { -(whole as i128) } else { whole as i128 })
}

/// `(a − b) / (a + b)` in millionths; 0 where both are 0. Both are sizes, 0 or more.
#[inline]
pub fn imbalance_ppm(a: i64, b: i64) -> i64 {
    let sum = a.saturating_add(b);
    match (a - b).checked_mul(1_000_000) {
        Some(scaled) => quotient(i128::from(scaled), sum),
        None => quotient(i128::from(a - b) * 1_000_000, sum),
    }
}

/// `numerator / denominator × scale` of two averages in 64.64 to the nearest whole number, at most ±(2^53−1); 0 unless
/// `denominator` > 0.
///
/// The averages are statistics and the quotient is taken in floating point: a division and a product, the same bits on every
/// machine, good to 2^-50 of the result.
#[inline]
pub fn scaled_ratio(numerator: i128, denominator: i128, scale: u32) -> i64 {
    if denominator <= 0 {
        return 0;
    }
    let ratio = float(numerator.unsigned_abs()) / float(denominator.unsigned_abs()) * f64::from(scale);
    // A conversion saturates, so that what is too large is the bound.
    let whole = ((ratio + (0.5 + 1.0 / 65_536.0)) as i64).min(SAFE_INTEGER);
    if numerator < 0 { -whole } else { whole }
}

/// A 64.64 magnitude below 2^127 as a float; both halves by the signed conversion, which is one instruction.
#[inline]
fn float(value: u128) -> f64 {
    let (whole, part) = ((value >> 64) as u64 & (u64::MAX >> 1), value as u64 >> 1);
    whole as i64 as f64 + part as i64 as f64 / (1_u64 << 63) as f64
}

/// What JavaScript holds exactly.
#[inline]
pub fn safe(value: i128) -> i64 {
    value.clamp(-i128::from(SAFE_INTEGER), i128::from(SAFE_INTEGER)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_go_away_from_zero_and_so_does_what_is_a_hair_below() {
        let at = |whole: i128, part: i128| rounded(whole * ONE + part);
        assert_eq!((at(2, ONE / 2), at(-3, ONE / 2), at(2, ONE / 2 - SNAP)), (3, -3, 3));
        assert_eq!((at(2, ONE / 2 - SNAP - 1), at(-1, ONE / 2 + SNAP + 1), at(0, 0)), (2, 0, 0));
        assert_eq!((quotient(5, 2), quotient(-5, 2), quotient(4, 3), quotient(1, 0)), (3, -3, 1, 0));
        assert_eq!(quotient(i128::MAX, 1), SAFE_INTEGER);
        assert_eq!(scaled_ratio(15 * ONE, 16 * ONE, 1_000), 938);
        assert_eq!(scaled_ratio(-15 * ONE, 16 * ONE, 1_000), -938);
        assert_eq!(scaled_ratio(i128::MAX / 2, 1, 1_000), SAFE_INTEGER);
        assert_eq!((scaled_ratio(5, 0, 1), scaled_ratio(-ONE, 4 << 40, 1)), (0, -(1 << 22)));
        assert_eq!((imbalance_ppm(0, 0), imbalance_ppm(1 << 53, 0)), (0, 1_000_000));
    }

    proptest! {
        #[test]
        fn an_average_follows_the_exact_one(inputs in prop::collection::vec(-1_000_i64..1_000, 1..60)) {
            // 41^n grows past any word: the exact state is kept as a big fraction of doubles' worth of bits.
            let mut ema = Ema::of_n(40);
            let mut exact = 0.0_f64;
            for input in inputs {
                ema.step(input);
                exact += (input as f64 - exact) * 2.0 / 41.0;
                prop_assert!((ema.fixed() as f64 / ONE as f64 - exact).abs() < 1e-9);
            }
        }

        #[test]
        fn a_ratio_is_the_nearest(n in -(1_i64 << 40)..1 << 40, d in 1_i64..1 << 40) {
            let got = scaled_ratio(i128::from(n) << 64, i128::from(d) << 64, 1_000_000);
            let doubled = 2 * (i128::from(got) * i128::from(d) - i128::from(n) * 1_000_000).abs();
            prop_assert!(doubled <= i128::from(d) + i128::from(d) / 32_768 + 1);
        }

        #[test]
        fn nothing_overflows(inputs in prop::collection::vec(any::<i64>(), 1..40), n: i128, d: i128, q: i64) {
            let mut ema = Ema::of_n(8);
            inputs.iter().for_each(|input| ema.step(*input));
            prop_assert!(ema.rounded().abs() <= EMA_INPUT_MAX);
            let _ = (scaled_ratio(n, d, 1_000_000), quotient(n, q));
        }
    }
}
