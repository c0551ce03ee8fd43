//! The output of a kernel.

use crate::limits::FEATURES_MAX;

/// The values of a set after one update, in the order of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    values: [i64; FEATURES_MAX],
    len: usize,
    /// Bit n: value n differs from the output before.
    pub changed: u32,
    /// Bit n: value n has seen enough since the reset.
    pub warm: u32,
    /// See [`crate::flags`].
    pub flags: u32,
}

impl Row {
    /// All zero, nothing warm.
    pub fn new(len: usize) -> Self {
        Self { values: [0; FEATURES_MAX], len: len.min(FEATURES_MAX), changed: 0, warm: 0, flags: 0 }
    }

    /// The values, as many as the set has.
    pub fn values(&self) -> &[i64] {
        self.values.get(..self.len).unwrap_or_default()
    }

    /// The bits of a mask that belong to the set.
    pub(crate) fn mask(&self) -> u32 {
        ((1_u64 << self.len) - 1) as u32
    }

    /// Takes new values and says which differ.
    pub(crate) fn put(&mut self, values: &[i64; FEATURES_MAX]) {
        let mut changed = 0;
        for (bit, (old, new)) in self.values.iter().zip(values).enumerate() {
            changed |= u32::from(old != new) << bit;
        }
        self.values = *values;
        self.changed = changed & self.mask();
    }

    /// Starts a new output: nothing has changed so far.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.changed = 0;
    }

    /// One value. One by one in registers: an array written just before would be copied and compared through memory.
    #[inline]
    pub(crate) fn set(&mut self, bit: usize, value: i64) {
        if let Some(place) = self.values.get_mut(bit) {
            self.changed |= u32::from(*place != value) << bit;
            *place = value;
        }
    }

    /// The same values again, flagged.
    pub(crate) fn again(&mut self, flags: u32) {
        self.changed = 0;
        self.flags = flags;
    }
}
