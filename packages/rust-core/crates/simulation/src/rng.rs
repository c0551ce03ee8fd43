//! The one source of chance.

/// SplitMix64: small, fast, and the same everywhere.
#[derive(Debug, Clone)]
pub struct Rng(u64);

pub(crate) const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Rng {
    /// The stream of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)))
    }

    /// Another stream, so that more draws in one place change nothing in the next.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.draw())
    }

    /// 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Below `n`; 0 where `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(n)) >> 64) as u64
    }

    /// From `from` up to and without `to`.
    pub fn range(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from))
    }

    /// True `ppm` times in a million.
    pub fn chance(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.below(1_000_000) < u64::from(ppm)
    }

    /// Exponentially distributed with this mean, at most 20 means, in whole units.
    pub fn exponential(&mut self, mean: u64) -> u64 {
        // The position of the first set bit is geometric; the bits after it place the draw within its octave.
        let bits = self.draw();
        let octaves = u64::from(bits.leading_zeros().min(19));
        let fraction = (self.draw() >> 40) & 0xffff;
        // ln 2 in 1/65,536.
        (mean.saturating_mul(45_426) >> 16).saturating_mul(octaves * 65_536 + fraction) >> 16
    }

    /// One of a slice.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len() as u64) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_as_they_say() {
        let mut rng = Rng::new(1);
        let mean = (0..20_000).map(|_| rng.exponential(1_000)).sum::<u64>() / 20_000;
        assert!((900..1_100).contains(&mean), "{mean}");
        let hits = (0..100_000).filter(|_| rng.chance(100_000)).count();
        assert!((9_500..10_500).contains(&hits), "{hits}");
        assert!((0..1_000).all(|_| (5..9).contains(&rng.range(5, 9))));
        assert_eq!((rng.below(0), rng.pick::<u8>(&[])), (0, None));
    }
}
