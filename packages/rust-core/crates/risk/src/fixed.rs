//! Hash maps of ids that look the same in every process: a fixed mix of the bits, no seed.
//!
//! Iterated nowhere that order could show. The keys come from strategies of the firm, each known by name, and from its own
//! tables: nobody gains by choosing ids that collide, and those who did would slow their own answers.

use crate::config::RowId;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use tidegate_units::IntentId;

/// A map from an id.
pub(crate) type ById<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

const LOW: u64 = 0x9e37_79b9_7f4a_7c15;
const HIGH: u64 = 0xbf58_476d_1ce4_e5b9;

/// The two halves of a 128-bit product folded together: every bit of the key reaches every bit of the hash.
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a ^ LOW) as u128 * (b ^ HIGH) as u128;
    (product >> 64) as u64 ^ product as u64
}

/// The hasher of ids.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = fold(value, self.0);
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = fold(value as u64, self.0 ^ (value >> 64) as u64);
    }
}

/// Ids below it have a place of their own in a [`Near`] map.
const NEAR_MAX: u32 = 1 << 14;

/// A map of ids that are mostly small and count up, as those of tables and limits do: each has its own place and is found in one
/// step. Ids beyond [`NEAR_MAX`] are hashed.
#[derive(Debug, Clone)]
pub(crate) struct Near<K, V> {
    places: Vec<Option<V>>,
    far: ById<K, V>,
}

impl<K, V> Default for Near<K, V> {
    fn default() -> Self {
        Self { places: Vec::new(), far: ById::default() }
    }
}

impl<K: RowId + Hash, V> Near<K, V> {
    #[inline]
    pub(crate) fn get(&self, id: K) -> Option<&V> {
        let number = id.number();
        if number < NEAR_MAX { self.places.get(number as usize)?.as_ref() } else { self.far.get(&id) }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: K) -> Option<&mut V> {
        let number = id.number();
        if number < NEAR_MAX { self.places.get_mut(number as usize)?.as_mut() } else { self.far.get_mut(&id) }
    }

    fn place(&mut self, number: u32) -> &mut Option<V> {
        let at = number as usize;
        if at >= self.places.len() {
            self.places.resize_with(at + 1, || None);
        }
        &mut self.places[at]
    }

    pub(crate) fn insert(&mut self, id: K, value: V) -> Option<V> {
        let number = id.number();
        if number < NEAR_MAX { self.place(number).replace(value) } else { self.far.insert(id, value) }
    }

    pub(crate) fn remove(&mut self, id: K) -> Option<V> {
        let number = id.number();
        if number < NEAR_MAX { self.places.get_mut(number as usize)?.take() } else { self.far.remove(&id) }
    }

    #[inline]
    pub(crate) fn or_insert_with(&mut self, id: K, value: impl FnOnce() -> V) -> &mut V {
        let number = id.number();
        if number < NEAR_MAX {
            self.place(number).get_or_insert_with(value)
        } else {
            self.far.entry(id).or_insert_with(value)
        }
    }

    /// In no order that means anything.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.places.iter().flatten().chain(self.far.values())
    }

    /// In order of id.
    pub(crate) fn sorted(&self) -> Vec<(K, &V)> {
        let near =
            (0..).zip(&self.places).filter_map(|(number, place)| Some((K::of(number), place.as_ref()?)));
        let mut far: Vec<(K, &V)> = self.far.iter().map(|(id, value)| (*id, value)).collect();
        far.sort_unstable_by_key(|(id, _)| *id);
        // What has a place has a lower number than what has none.
        near.chain(far).collect()
    }

    /// In no order that means anything.
    pub(crate) fn ids(&self) -> impl Iterator<Item = K> {
        let near = (0..).zip(&self.places).filter(|(_, place)| place.is_some());
        near.map(|(number, _)| K::of(number)).chain(self.far.keys().copied())
    }
}

/// Parts of a [`Split`].
const PARTS: usize = 256;

/// A large map in parts that grow one at a time: no insertion ever moves more than one part in 256.
#[derive(Debug, Clone)]
pub(crate) struct Split<V> {
    parts: Vec<ById<IntentId, V>>,
    len: usize,
}

impl<V> Default for Split<V> {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| ById::default()).collect(), len: 0 }
    }
}

impl<V> Split<V> {
    /// The part an id lies in: by bits that the maps themselves use least.
    fn part(id: IntentId) -> usize {
        let mut hasher = IdHasher::default();
        hasher.write_u128(id.0);
        (hasher.finish() >> 40) as usize % PARTS
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, id: IntentId) -> Option<&V> {
        self.parts.get(Self::part(id))?.get(&id)
    }

    pub(crate) fn insert(&mut self, id: IntentId, value: V) -> Option<V> {
        let was = self.parts.get_mut(Self::part(id))?.insert(id, value);
        self.len += usize::from(was.is_none());
        was
    }

    pub(crate) fn remove(&mut self, id: IntentId) -> Option<V> {
        let was = self.parts.get_mut(Self::part(id))?.remove(&id);
        self.len -= usize::from(was.is_some());
        was
    }

    /// In no order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.parts.iter().flat_map(ById::values)
    }

    /// In order of id.
    pub(crate) fn sorted(&self) -> Vec<(IntentId, &V)> {
        let mut all: Vec<_> = self.parts.iter().flatten().map(|(id, value)| (*id, value)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};
    use tidegate_units::StrategyId;

    /// Ids as strategies make them: a few strategies, sessions that count up, numbers that count up.
    #[test]
    fn ids_of_few_strategies_spread_over_parts_and_buckets() {
        let ids = (1..=100_u32).flat_map(|s| (1..=400_u64).map(move |n| IntentId::new(StrategyId(s), 7, n)));
        let (mut parts, mut low, mut all) = ([0_u32; PARTS], vec![0_u32; 1 << 12], BTreeSet::new());
        for id in ids {
            let mut hasher = IdHasher::default();
            hasher.write_u128(id.0);
            parts[Split::<()>::part(id)] += 1;
            let bucket = hasher.finish() as usize % low.len();
            low[bucket] += 1;
            all.insert(hasher.finish());
        }
        let mean = 40_000 / PARTS as u32;
        assert!(parts.iter().all(|n| (mean / 2..mean * 2).contains(n)), "{parts:?}");
        assert!(low.iter().all(|n| *n < 40), "{:?}", low.iter().max());
        assert_eq!(all.len(), 40_000);
    }

    proptest! {
        #[test]
        fn a_near_map_is_a_map(
            ops in prop::collection::vec(
                (prop_oneof![0_u32..9, NEAR_MAX - 3..NEAR_MAX + 3, any::<u32>()], any::<Option<u8>>()), 0..200
            )
        ) {
            let (mut near, mut model) = (Near::default(), BTreeMap::new());
            for (id, value) in ops {
                let id = StrategyId(id);
                match value {
                    Some(0) => prop_assert_eq!(near.or_insert_with(id, || 7), model.entry(id).or_insert(7)),
                    Some(value) => prop_assert_eq!(near.insert(id, value), model.insert(id, value)),
                    None => prop_assert_eq!(near.remove(id), model.remove(&id)),
                }
                prop_assert_eq!(near.get(id), model.get(&id));
                prop_assert_eq!(near.get_mut(id), model.get_mut(&id));
            }
            let mut ids: Vec<StrategyId> = near.ids().collect();
            ids.sort_unstable();
            prop_assert!(ids.iter().eq(model.keys()));
            let sorted = near.sorted();
            prop_assert!(sorted.iter().map(|(id, value)| (id, *value)).eq(model.iter()));
            let (mut values, mut want): (Vec<u8>, Vec<u8>) = (near.values().copied().collect(), model.values().copied().collect());
            values.sort_unstable();
            want.sort_unstable();
            prop_assert_eq!(values, want);
        }

        #[test]
        fn a_split_map_is_a_map(ops in prop::collection::vec((0_u32..3, 0_u64..40, any::<Option<u8>>()), 0..300)) {
            let (mut split, mut model) = (Split::default(), BTreeMap::new());
            for (strategy, seq, value) in ops {
                let id = IntentId::new(StrategyId(strategy), 1, seq);
                match value {
                    Some(value) => prop_assert_eq!(split.insert(id, value), model.insert(id, value)),
                    None => prop_assert_eq!(split.remove(id), model.remove(&id)),
                }
                prop_assert_eq!(split.get(id), model.get(&id));
                prop_assert_eq!(split.len(), model.len());
            }
            let want: Vec<_> = model.iter().map(|(id, value)| (*id, value)).collect();
            prop_assert_eq!(split.sorted(), want);
            prop_assert_eq!(split.values().count(), model.len());
        }
    }
}
