//! A map from order id to slot: open addressing in one array, with no random seed, so every run behaves alike.

use std::fmt::Debug;

/// An order id as the venue gives it: a number, or 128 bits for venues that use UUIDs.
pub trait OrderId: Copy + Eq + Debug {
    /// The id folded to 64 bits.
    fn fold(self) -> u64;
}

impl OrderId for u64 {
    #[inline]
    fn fold(self) -> u64 {
        self
    }
}

impl OrderId for u128 {
    #[inline]
    fn fold(self) -> u64 {
        (self >> 64) as u64 ^ self as u64
    }
}

/// 2^64 divided by the golden ratio: consecutive ids land far apart.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
const FREE: u32 = u32::MAX;
const LEN_FIRST: usize = 1 << 10;

#[derive(Debug, Clone, Copy)]
struct Entry<K> {
    id: K,
    slot: u32,
}

/// Linear probing at a load of at most one half; a removed entry's followers move up, so no tombstones gather.
#[derive(Debug, Clone)]
pub struct IdMap<K> {
    entries: Vec<Entry<K>>,
    zero: K,
    shift: u32,
    count: usize,
}

impl<K: OrderId> IdMap<K> {
    /// An empty map; `zero` fills unused entries and may itself be a key.
    pub fn new(zero: K) -> Self {
        let entries = vec![Entry { id: zero, slot: FREE }; LEN_FIRST];
        Self { entries, zero, shift: 64 - LEN_FIRST.trailing_zeros(), count: 0 }
    }

    #[inline]
    fn home(&self, id: K) -> usize {
        let folded = id.fold();
        ((folded ^ (folded >> 32)).wrapping_mul(SPREAD) >> self.shift) as usize
    }

    /// Where the id is, or the free entry where it would go.
    #[inline]
    fn find(&self, id: K) -> (usize, u32) {
        let mask = self.entries.len() - 1;
        let mut at = self.home(id);
        // At most half of the entries are taken, so a free one ends every search.
        while let Some(entry) = self.entries.get(at) {
            if entry.slot == FREE || entry.id == id {
                return (at, entry.slot);
            }
            at = (at + 1) & mask;
        }
        (0, FREE)
    }

    /// The slot of an id.
    #[inline]
    pub fn get(&self, id: K) -> Option<u32> {
        let (_, slot) = self.find(id);
        (slot != FREE).then_some(slot)
    }

    /// Adds an id that is not there; false when it is.
    #[inline]
    pub fn insert(&mut self, id: K, slot: u32) -> bool {
        let (at, found) = self.find(id);
        if found != FREE {
            return false;
        }
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = Entry { id, slot };
        }
        self.count += 1;
        if self.count * 2 > self.entries.len() {
            self.grow();
        }
        true
    }

    #[cold]
    fn grow(&mut self) {
        let len = self.entries.len() * 2;
        let old = std::mem::replace(&mut self.entries, vec![Entry { id: self.zero, slot: FREE }; len]);
        self.shift = 64 - len.trailing_zeros();
        for entry in old.into_iter().filter(|entry| entry.slot != FREE) {
            let (at, _) = self.find(entry.id);
            if let Some(free) = self.entries.get_mut(at) {
                *free = entry;
            }
        }
    }

    /// Takes an id out and gives its slot.
    #[inline]
    pub fn remove(&mut self, id: K) -> Option<u32> {
        let (mut hole, slot) = self.find(id);
        if slot == FREE {
            return None;
        }
        let mask = self.entries.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let Some(entry) = self.entries.get(at).copied().filter(|entry| entry.slot != FREE) else { break };
            // The entry may fill the hole unless its home lies after it.
            let from_home = at.wrapping_sub(self.home(entry.id)) & mask;
            if from_home >= at.wrapping_sub(hole) & mask {
                if let Some(free) = self.entries.get_mut(hole) {
                    *free = entry;
                }
                hole = at;
            }
        }
        if let Some(free) = self.entries.get_mut(hole) {
            free.slot = FREE;
        }
        self.count -= 1;
        Some(slot)
    }

    /// Forgets every id.
    pub fn clear(&mut self) {
        self.entries.fill(Entry { id: self.zero, slot: FREE });
        self.count = 0;
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_plain_map(ops in prop::collection::vec((any::<bool>(), prop_oneof![0_u64..40, any::<u64>()]), 0..600)) {
            let (mut map, mut plain) = (IdMap::new(0_u64), BTreeMap::new());
            for (slot, (add, id)) in ops.into_iter().enumerate() {
                if add {
                    prop_assert_eq!(map.insert(id, slot as u32), !plain.contains_key(&id));
                    plain.entry(id).or_insert(slot as u32);
                } else {
                    prop_assert_eq!(map.remove(id), plain.remove(&id));
                }
                prop_assert_eq!((map.get(id), map.len()), (plain.get(&id).copied(), plain.len()));
            }
            prop_assert!(plain.iter().all(|(id, slot)| map.get(*id) == Some(*slot)));
        }
    }

    #[test]
    fn it_grows_and_forgets() {
        let mut map = IdMap::new(0_u128);
        for id in 0..5_000_u128 {
            assert!(map.insert(id << 64, id as u32));
        }
        assert!((0..5_000_u128).all(|id| map.get(id << 64) == Some(id as u32)));
        assert!((0..5_000_u128).rev().all(|id| map.remove(id << 64) == Some(id as u32)));
        assert_eq!((map.len(), map.get(0)), (0, None));
        map.insert(7, 7);
        map.clear();
        assert_eq!(map.get(7), None);
    }
}
