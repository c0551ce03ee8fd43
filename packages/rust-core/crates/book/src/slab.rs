//! A slab of items by slot.

use std::ops::{Index, IndexMut};

/// A slab: slots are used again, the last freed first, so the memory in use stays warm. Freeing never allocates, and putting
/// does not once the slab has reached its size.
#[derive(Debug, Clone)]
pub struct Slab<T> {
    items: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Slab<T> {
    /// An empty slab.
    pub const fn new() -> Self {
        Self { items: Vec::new(), free: Vec::new() }
    }

    /// The item of a slot, also of a freed one that was not used again.
    #[inline]
    pub fn get(&self, slot: u32) -> Option<&T> {
        self.items.get(slot as usize)
    }

    /// The item of a slot, to change it.
    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.items.get_mut(slot as usize)
    }

    /// Puts an item into a free slot and gives the slot.
    #[inline]
    pub fn put(&mut self, item: T) -> u32 {
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.items.get_mut(slot as usize)
        {
            *place = item;
            return slot;
        }
        self.items.push(item);
        // There is always room for every slot to become free, so freeing never allocates.
        self.free.reserve(self.items.len() - self.free.len());
        (self.items.len() - 1) as u32
    }

    /// Gives a slot back.
    #[inline]
    pub fn free(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// Forgets every item.
    pub fn clear(&mut self) {
        self.items.clear();
        self.free.clear();
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, slot: u32) -> &T {
        &self.items[slot as usize]
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut T {
        &mut self.items[slot as usize]
    }
}
