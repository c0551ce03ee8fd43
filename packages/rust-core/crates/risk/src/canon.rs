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

    /// The first 128 bits of the hash.
    pub fn finish_u128(&self) -> u128 {
        let hash = self.finish();
        let mut half = [0_u8; 16];
        half.copy_from_slice(&hash[..16]);
        u128::from_le_bytes(half)
    }
}
