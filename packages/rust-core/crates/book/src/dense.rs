//! Values by slot in a plain array, with a two-level map of the occupied slots: set, best and next best cost a few instructions.

/// No slot; below every slot.
const NONE: isize = -1;

/// An array of values above 0, where 0 is an empty slot. The highest occupied slot is the best.
#[derive(Debug, Clone)]
pub(crate) struct Dense {
    cells: Box<[i64]>,
    /// One bit a slot.
    words: Box<[u64]>,
    /// One bit a word that is not zero.
    groups: Box<[u64]>,
    top: isize,
    count: usize,
}

/// Bits of a word strictly below `bit`.
const fn under(bit: usize) -> u64 {
    (1_u64 << (bit % 64)) - 1
}

impl Dense {
    /// Room for `len` slots, rounded up to whole words.
    pub(crate) fn new(len: usize) -> Self {
        let words = len.div_ceil(64).max(1);
        Self {
            // Zeroed memory comes from the system untouched: slots that are never used cost address space alone.
            cells: vec![0; words * 64].into_boxed_slice(),
            words: vec![0; words].into_boxed_slice(),
            groups: vec![0; words.div_ceil(64)].into_boxed_slice(),
            top: NONE,
            count: 0,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    #[inline]
    pub(crate) fn get(&self, slot: usize) -> i64 {
        self.cells.get(slot).copied().unwrap_or(0)
    }

    /// Sets a slot; a value of 0 or below empties it. A slot outside the array has no effect.
    ///
    /// Whether a level comes, changes or goes is the venue's whim, so nothing branches on it: branches are left for the touch
    /// and for the first and last level of 64, which are rare.
    #[inline]
    pub(crate) fn put(&mut self, slot: usize, value: i64) {
        let value = value.max(0);
        let index = slot / 64;
        let (Some(cell), Some(word)) = (self.cells.get_mut(slot), self.words.get_mut(index)) else {
            return;
        };
        let (was, before) = (*cell > 0, *word);
        let is = value > 0;
        let after = before & !(1 << (slot % 64)) | u64::from(is) << (slot % 64);
        *cell = value;
        *word = after;
        self.count = self.count + usize::from(is) - usize::from(was);
        if (before == 0) != (after == 0) {
            self.mark(index, is);
        }
        if slot as isize >= self.top {
            if is {
                self.top = slot as isize;
            } else if slot as isize == self.top {
                self.top = self.below(slot).map_or(NONE, |below| below as isize);
            }
        }
    }

    #[inline]
    fn mark(&mut self, word: usize, occupied: bool) {
        if let Some(group) = self.groups.get_mut(word / 64) {
            *group = *group & !(1 << (word % 64)) | u64::from(occupied) << (word % 64);
        }
    }

    /// The best occupied slot.
    #[inline]
    pub(crate) fn top(&self) -> Option<usize> {
        usize::try_from(self.top).ok()
    }

    /// The best occupied slot strictly below `slot`.
    #[inline]
    pub(crate) fn below(&self, slot: usize) -> Option<usize> {
        let word = slot / 64;
        let here = self.words.get(word)? & under(slot);
        if here != 0 {
            return Some(word * 64 + 63 - here.leading_zeros() as usize);
        }
        let mut mask = under(word);
        for group in (0..=word / 64).rev() {
            let bits = self.groups.get(group)? & mask;
            if bits != 0 {
                let word = group * 64 + 63 - bits.leading_zeros() as usize;
                let here = self.words.get(word)?;
                return Some(word * 64 + 63 - here.leading_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }

    /// The worst occupied slot.
    pub(crate) fn bottom(&self) -> Option<usize> {
        let (group, bits) = self.groups.iter().enumerate().find(|(_, bits)| **bits != 0)?;
        let word = group * 64 + bits.trailing_zeros() as usize;
        Some(word * 64 + self.words.get(word)?.trailing_zeros() as usize)
    }

    /// Occupied slots, best first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, i64)> + '_ {
        std::iter::successors(self.top(), |slot| self.below(*slot)).map(|slot| (slot, self.get(slot)))
    }

    /// Empties every slot, in time of the occupied ones.
    pub(crate) fn clear(&mut self) {
        while let Some(slot) = self.top() {
            self.put(slot, 0);
        }
    }
}
