//! Canonical bytes of a state, hashed: equal states give equal hashes on every machine.

/// A hasher that is fed fields in a fixed order, each with its length where it has one.
#[derive(Debug)]
pub struct Canon(blake3::Hasher);

impl Canon {
    /// Starts a hash for one kind of state.
    pub fn new(domain: &str) -> Self {
        let mut canon = Self(blake3::Hasher::new());
        canon.text(domain);
        canon
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.0.update(&value.to_le_bytes());
        self
    }

    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.0.update(&value.to_le_bytes());
        self
    }

    pub fn i128(&mut self, value: i128) -> &mut Self {
        self.0.update(&value.to_le_bytes());
        self
    }

    pub fn u128(&mut self, value: u128) -> &mut Self {
        self.0.update(&value.to_le_bytes());
        self
    }

    pub fn len(&mut self, value: usize) -> &mut Self {
        self.u64(value as u64)
    }

    pub fn text(&mut self, value: &str) -> &mut Self {
        self.len(value.len());
        self.0.update(value.as_bytes());
        self
    }

    /// The hash of all that was fed.
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// Bytes a [`Short`] holds.
const SHORT_BYTES: usize = 128;

/// The same bytes as a [`Canon`]'s for a few numbers, gathered first and hashed at once: what one intent says is two blocks.
#[derive(Debug)]
pub struct Short {
    bytes: [u8; SHORT_BYTES],
    len: usize,
}

impl Short {
    /// Starts a hash for one kind of content.
    pub fn new(domain: &str) -> Self {
        let mut short = Self { bytes: [0; SHORT_BYTES], len: 0 };
        short.u64(domain.len() as u64).put(domain.as_bytes());
        short
    }

    /// Panics beyond [`SHORT_BYTES`]: what is hashed so has a fixed length, which a test has seen.
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        self
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    pub fn u128(&mut self, value: u128) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    /// The first 128 bits of the hash.
    pub fn finish_u128(&self) -> u128 {
        let hash = blake3::hash(&self.bytes[..self.len]);
        let mut half = [0_u8; 16];
        half.copy_from_slice(&hash.as_bytes()[..16]);
        u128::from_le_bytes(half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_hash_is_the_hash_of_the_same_fields() {
        let (mut canon, mut short) = (Canon::new("intent content v1"), Short::new("intent content v1"));
        for n in [0, 1, u64::MAX, 77] {
            canon.u64(n).i64(-7);
            short.u64(n).i64(-7);
        }
        canon.u128(1 << 100);
        short.u128(1 << 100);
        assert_eq!(short.finish_u128().to_le_bytes(), canon.finish()[..16]);
    }
}
