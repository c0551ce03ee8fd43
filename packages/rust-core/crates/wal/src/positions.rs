//! How far each stream is recorded. Records come in runs of one stream, so the last is looked at first.

use crate::writer::Position;
use std::collections::{BTreeMap, HashMap};

/// Bounded by the streams a recorder was ever given: two words and a name each.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    rows: Vec<(String, Position)>,
    by_name: HashMap<String, usize>,
    last: usize,
}

impl Positions {
    pub fn new(known: &BTreeMap<String, Position>) -> Self {
        let mut positions = Self::default();
        for (stream, position) in known {
            positions.set(stream, *position);
        }
        positions
    }

    pub fn get(&self, stream: &str) -> Option<Position> {
        self.by_name.get(stream).map(|at| self.rows[*at].1)
    }

    pub fn set(&mut self, stream: &str, position: Position) {
        if self.rows.get(self.last).is_none_or(|(name, _)| name != stream) {
            self.last = match self.by_name.get(stream) {
                Some(at) => *at,
                None => {
                    self.by_name.insert(stream.to_owned(), self.rows.len());
                    self.rows.push((stream.to_owned(), position));
                    self.rows.len() - 1
                }
            };
        }
        self.rows[self.last].1 = position;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_keeps_its_own_latest() {
        let at = |seq| Position { epoch: 1, seq };
        let mut positions = Positions::new(&[("b".to_owned(), at(9))].into_iter().collect());
        assert_eq!((positions.get("b"), positions.get("a")), (Some(at(9)), None));
        for (stream, seq) in [("a", 1), ("a", 2), ("b", 10), ("c", 1), ("a", 3)] {
            positions.set(stream, at(seq));
        }
        let found = ["a", "b", "c", "d"].map(|stream| positions.get(stream));
        assert_eq!(found, [Some(at(3)), Some(at(10)), Some(at(1)), None]);
    }
}
