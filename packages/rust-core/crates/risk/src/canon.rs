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

    /// Bytes of a length that the kind of state fixes.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.0.update(value);
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
