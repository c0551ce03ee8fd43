//! The table of orders, and which of them may have something to send.

use super::Order;
use crate::id::ClientId;
use std::collections::{BTreeMap, BTreeSet};

/// The table. Whoever changes an order may have given it something to send, so every change is noted here, and only what is
/// noted is looked at when something is to be sent: the cost of an event does not grow with the orders that rest.
#[derive(Debug, Default)]
pub(super) struct Orders {
    rows: BTreeMap<ClientId, Order>,
    noted: BTreeSet<ClientId>,
}

impl Orders {
    pub(super) fn get(&self, id: &ClientId) -> Option<&Order> {
        self.rows.get(id)
    }

    pub(super) fn contains_key(&self, id: &ClientId) -> bool {
        self.rows.contains_key(id)
    }

    /// An order that is about to change.
    pub(super) fn get_mut(&mut self, id: &ClientId) -> Option<&mut Order> {
        let order = self.rows.get_mut(id)?;
        self.noted.insert(*id);
        Some(order)
    }

    pub(super) fn insert(&mut self, id: ClientId, order: Order) {
        self.noted.insert(id);
        self.rows.insert(id, order);
    }

    pub(super) fn remove(&mut self, id: &ClientId) -> Option<Order> {
        self.noted.remove(id);
        self.rows.remove(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&ClientId, &Order)> {
        self.rows.iter()
    }

    /// Orders that were changed since they last had nothing to send, by id.
    pub(super) fn noted(&self) -> impl Iterator<Item = (ClientId, &Order)> {
        self.noted.iter().filter_map(|id| Some((*id, self.rows.get(id)?)))
    }

    /// Forgets the notes of orders that have nothing to send.
    pub(super) fn keep_noted(&mut self, wants: impl Fn(&Order) -> bool) {
        let rows = &self.rows;
        self.noted.retain(|id| rows.get(id).is_some_and(&wants));
    }
}
