//! Rows of a limits file by id.

use std::ops::Index;
use tidegate_units::{AccountId, InstrumentId, StrategyId};

/// What rows are found by.
pub trait RowId: Copy + Ord {
    /// The number the file gives.
    fn number(self) -> u32;

    /// The id of a number.
    fn of(number: u32) -> Self;
}

impl RowId for u32 {
    fn number(self) -> u32 {
        self
    }

    fn of(number: u32) -> Self {
        number
    }
}

impl RowId for AccountId {
    fn number(self) -> u32 {
        self.0
    }

    fn of(number: u32) -> Self {
        Self(number)
    }
}

impl RowId for StrategyId {
    fn number(self) -> u32 {
        self.0
    }

    fn of(number: u32) -> Self {
        Self(number)
    }
}

impl RowId for InstrumentId {
    fn number(self) -> u32 {
        self.0
    }

    fn of(number: u32) -> Self {
        Self(number)
    }
}

/// A map in order of id, read at every order and written where limits are read: ids that count up from the first, as they mostly
/// do, are found without a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows<K, V> {
    ids: Vec<K>,
    rows: Vec<V>,
}

impl<K, V> Default for Rows<K, V> {
    fn default() -> Self {
        Self { ids: Vec::new(), rows: Vec::new() }
    }
}

impl<K: RowId, V> Rows<K, V> {
    fn place(&self, id: K) -> Result<usize, usize> {
        let first = self.ids.first().map_or(0, |first| first.number());
        let guess = id.number().wrapping_sub(first) as usize;
        if self.ids.get(guess) == Some(&id) { Ok(guess) } else { self.ids.binary_search(&id) }
    }

    #[inline]
    pub fn get(&self, id: &K) -> Option<&V> {
        self.rows.get(self.place(*id).ok()?)
    }

    pub fn contains_key(&self, id: &K) -> bool {
        self.place(*id).is_ok()
    }

    /// Puts a row in; gives the one of that id that was there.
    pub fn insert(&mut self, id: K, row: V) -> Option<V> {
        match self.place(id) {
            Ok(place) => Some(std::mem::replace(&mut self.rows[place], row)),
            Err(place) => {
                self.ids.insert(place, id);
                self.rows.insert(place, row);
                None
            }
        }
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub fn keys(&self) -> std::slice::Iter<'_, K> {
        self.ids.iter()
    }

    pub fn values(&self) -> std::slice::Iter<'_, V> {
        self.rows.iter()
    }

    pub fn iter(&self) -> std::iter::Zip<std::slice::Iter<'_, K>, std::slice::Iter<'_, V>> {
        self.ids.iter().zip(&self.rows)
    }
}

impl<'a, K: RowId, V> IntoIterator for &'a Rows<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::iter::Zip<std::slice::Iter<'a, K>, std::slice::Iter<'a, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: RowId, V> Index<&K> for Rows<K, V> {
    type Output = V;

    /// Panics where there is no such row, as every map does.
    fn index(&self, id: &K) -> &V {
        &self.rows[self.place(*id).unwrap_or(usize::MAX)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn rows_are_a_map_in_order(
            ops in prop::collection::vec((prop_oneof![0_u32..20, any::<u32>()], any::<u8>()), 0..60)
        ) {
            let (mut rows, mut model) = (Rows::default(), BTreeMap::new());
            for (id, row) in ops {
                let id = InstrumentId(id);
                prop_assert_eq!(rows.insert(id, row), model.insert(id, row));
                for near in [id.0.wrapping_sub(1), id.0, id.0.wrapping_add(1)].map(InstrumentId) {
                    prop_assert_eq!(rows.get(&near), model.get(&near));
                    prop_assert_eq!(rows.contains_key(&near), model.contains_key(&near));
                }
                prop_assert_eq!(rows[&id], row);
            }
            prop_assert!(rows.iter().eq(&model));
            prop_assert!(rows.keys().eq(model.keys()) && rows.values().eq(model.values()));
            prop_assert_eq!((rows.len(), rows.is_empty()), (model.len(), model.is_empty()));
        }
    }
}
