//! What the mutated streams came to, and the reference they are compared with.

use crate::books::plain::PlainBook;
use crate::books::rng::mix;
use tidegate_book::L2Book;
use tidegate_units::Side;

/// Levels a side that are compared after every message.
pub const TOP: usize = 25;
/// Whole books are compared after so many messages, and after every repair.
pub const WHOLE_EVERY: u64 = 16;

/// The counts of one set over its seeds.
#[derive(Debug, Default)]
pub struct Outcome {
    pub made: [u64; 4],
    pub messages: u64,
    /// Comparisons of a book that claimed to be VALID, and of the whole of it.
    pub compared: u64,
    pub compared_whole: u64,
    pub valid_and_wrong: u64,
    pub invalidations: u64,
    pub not_repaired: u64,
    /// Cut messages that a reader took for whole ones.
    pub cut_accepted: u64,
    pub snapshots_refused: u64,
    /// Recorded nanoseconds from INVALID to VALID.
    pub repairs: Vec<i64>,
    pub first_wrong: Option<String>,
}

impl Outcome {
    /// A comparison of a VALID book.
    pub fn compare(&mut self, right: bool, describe: impl FnOnce() -> String) {
        self.compared += 1;
        if !right {
            self.valid_and_wrong += 1;
            if self.first_wrong.is_none() {
                self.first_wrong = Some(describe());
            }
        }
    }

    pub fn mutations(&self) -> u64 {
        self.made.iter().sum()
    }
}

fn level(side: Side, px: i64, qty: i64) -> u64 {
    let salt = if side == Side::Buy { 0x5bd1 } else { 0xa7e3 };
    mix(mix(px as u64 ^ salt).wrapping_add(qty as u64))
}

fn sum(levels: impl Iterator<Item = (i64, i64)>, side: Side) -> u64 {
    levels.fold(0, |sum, (px, qty)| sum.wrapping_add(level(side, px, qty)))
}

/// The sum over the best `count` levels of each side of a production book.
pub fn print(book: &L2Book, count: usize) -> u64 {
    [Side::Buy, Side::Sell]
        .into_iter()
        .fold(0, |all, side| all.wrapping_add(sum(book.levels(side).take(count), side)))
}

/// The same of the plain book.
pub fn print_plain(book: &PlainBook, count: usize) -> u64 {
    [Side::Buy, Side::Sell]
        .into_iter()
        .fold(0, |all, side| all.wrapping_add(sum(book.levels(side).take(count), side)))
}

/// The `part`-th hundredth of sorted numbers.
pub fn percentile(sorted: &[i64], part: usize) -> i64 {
    let at = (sorted.len() * part).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_print_tells_side_price_and_size_apart_and_both_books_print_alike() {
        let (mut book, mut plain) = (L2Book::default(), PlainBook::default());
        for (side, px, qty) in [(Side::Buy, 5, 1), (Side::Buy, 4, 2), (Side::Sell, 7, 1)] {
            book.set(side, px, qty);
            plain.set(side, px, qty);
        }
        let whole = print(&book, usize::MAX);
        assert_eq!((whole, print(&book, 1)), (print_plain(&plain, usize::MAX), print_plain(&plain, 1)));
        assert_ne!(whole, print(&book, 1));
        book.set(Side::Sell, 7, 2);
        assert_ne!(whole, print(&book, usize::MAX));
        assert_eq!(
            (percentile(&[1, 2, 3, 4], 50), percentile(&[1, 2, 3, 4], 99), percentile(&[], 50)),
            (2, 4, 0)
        );
    }
}
