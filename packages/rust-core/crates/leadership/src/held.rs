//! What a leader has decided and may not tell anybody yet.

use std::collections::VecDeque;

/// Kept back in its order while [`Node::may_tell`](crate::Node::may_tell) says no: until the process knows that it still
/// leads, or that it does not. Its shell bounds it by taking nothing new that would be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held<T>(VecDeque<T>);

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Held<T> {
    /// What may leave now: of `decided`, and of what was held before it. While it `tells` nothing, all that `waits` stays.
    pub fn pass(&mut self, tells: bool, decided: Vec<T>, waits: impl Fn(&T) -> bool) -> Vec<T> {
        if tells {
            if self.0.is_empty() {
                return decided;
            }
            return self.0.drain(..).chain(decided).collect();
        }
        let (stays, leaves): (Vec<T>, Vec<T>) = decided.into_iter().partition(waits);
        self.0.extend(stays);
        leaves
    }

    /// It leads no longer: what it had decided is no answer.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How much is kept back.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_held_leaves_first_and_in_its_order() {
        let mut held = Held::default();
        let even = |n: &u32| n.is_multiple_of(2);
        assert_eq!(held.pass(false, vec![1, 2, 3, 4], even), [1, 3]);
        assert_eq!(held.pass(false, vec![6], even), [0; 0]);
        assert_eq!(held.len(), 3);
        assert_eq!(held.pass(true, vec![7, 8], even), [2, 4, 6, 7, 8]);
        assert!(held.is_empty());
        assert_eq!(held.pass(true, vec![9], even), [9]);
        held.pass(false, vec![2], even);
        held.clear();
        assert_eq!(held.pass(true, vec![], even), [0; 0], "no answer any more");
    }
}
