//! L2 books against sorted maps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegate_book::limits::{BOUNDED_TICKS_MAX, LADDER_TICKS, OVERFLOW_LEVELS_MAX};
use tidegate_book::{BoundedL2Book, L2Book, RangeFault};
use tidegate_units::Side;

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

/// Levels by price; the best of bids is last, of asks first.
#[derive(Default)]
struct Plain([BTreeMap<i64, i64>; 2]);

impl Plain {
    fn set(&mut self, side: Side, px: i64, qty: i64) {
        let map = &mut self.0[side as usize];
        if qty > 0 {
            map.insert(px, qty)
        } else {
            map.remove(&px)
        };
    }

    fn levels(&self, side: Side) -> Vec<(i64, i64)> {
        let map = self.0[side as usize].iter().map(|(px, qty)| (*px, *qty));
        if side == Side::Buy { map.rev().collect() } else { map.collect() }
    }
}

fn price() -> impl Strategy<Value = i64> {
    let wide = LADDER_TICKS as i64;
    prop_oneof![
        8 => 600_000_i64..600_050,
        4 => 600_000 - 2 * wide..600_000 + 2 * wide,
        1 => 1_i64..(1 << 53),
        1 => any::<i64>(),
        1 => prop_oneof![Just(1_i64), Just((1_i64 << 53) - 1), Just(i64::MAX), Just(i64::MIN + 1)],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a08_b012_b013_it_is_a_plain_sorted_map(ops in prop::collection::vec((any::<bool>(), price(), -1_i64..4), 0..300), depth in 0_usize..20) {
        let (mut book, mut plain) = (L2Book::default(), Plain::default());
        for (buy, px, qty) in ops {
            let side = if buy { Side::Buy } else { Side::Sell };
            book.set(side, px, qty);
            plain.set(side, px, qty);
            let want = plain.levels(side);
            prop_assert_eq!(book.best(side), want.first().copied());
            prop_assert_eq!(book.qty(side, px), qty.max(0));
            prop_assert_eq!(book.len(side), want.len());
            prop_assert_eq!(book.depth_sum(side, 5), want.iter().take(5).map(|l| l.1).sum::<i64>());
            prop_assert_eq!(book.levels(side).collect::<Vec<_>>(), want);
        }
        let touch = SIDES.map(|side| plain.levels(side).first().map(|l| l.0));
        prop_assert_eq!(book.crossed(), matches!(touch, [Some(bid), Some(ask)] if bid >= ask));
        book.truncate(depth);
        for side in SIDES {
            let want: Vec<_> = plain.levels(side).into_iter().take(depth).collect();
            prop_assert_eq!(book.levels(side).collect::<Vec<_>>(), want);
        }
        book.clear();
        prop_assert!(book.is_empty());
        prop_assert_eq!(book.dropped(), 0);
    }

    #[test]
    fn b013_a_bounded_book_is_a_plain_sorted_map_and_refuses_the_rest(ops in prop::collection::vec((any::<bool>(), prop_oneof![6 => -300_i64..300, 1 => any::<i64>()], -1_i64..4), 0..300)) {
        let (mut book, mut plain) = (BoundedL2Book::new(-200, 201).unwrap(), Plain::default());
        let mut outside = 0;
        for (buy, px, qty) in ops {
            let side = if buy { Side::Buy } else { Side::Sell };
            let inside = (-200..201).contains(&px);
            prop_assert_eq!(book.set(side, px, qty), inside);
            if inside { plain.set(side, px, qty) } else { outside += 1 }
            let want = plain.levels(side);
            prop_assert_eq!((book.best(side), book.len(side)), (want.first().copied(), want.len()));
            prop_assert_eq!(book.qty(side, px), if inside { qty.max(0) } else { 0 });
            prop_assert_eq!(book.depth_sum(side, 3), want.iter().take(3).map(|l| l.1).sum::<i64>());
            prop_assert_eq!(book.levels(side).collect::<Vec<_>>(), want);
            prop_assert_eq!(book.refused(), outside);
        }
        book.clear();
        prop_assert!(book.is_empty());
    }
}

/// Prices of every cent from 0.01 to 1000 and of ticks of four decimals, read from their text: none is lost, moved or merged.
#[test]
fn b012_every_cent_and_every_tick_of_four_decimals_is_its_own_level() {
    let cents: Vec<String> = (1..=100_000).map(|n| format!("{}.{:02}", n / 100, n % 100)).collect();
    let fine: Vec<String> = (1..=10_000)
        .chain(9_950_000..=10_000_000)
        .map(|n| format!("{}.{:04}", n / 10_000, n % 10_000))
        .collect();
    for (scale, texts) in [(2, &cents), (4, &cents), (4, &fine), (8, &cents)] {
        let mut book = L2Book::default();
        for (n, text) in texts.iter().enumerate() {
            let px = tidegate_units::parse_decimal(text.as_bytes(), scale, 1).unwrap();
            book.set(Side::Buy, px, n as i64 + 1);
            assert_eq!(book.best(Side::Buy), Some((px, n as i64 + 1)), "{text} at {scale} decimals");
            book.set(Side::Sell, px, n as i64 + 1);
        }
        for side in SIDES {
            assert_eq!((book.len(side), book.dropped()), (texts.len(), 0), "{scale} decimals");
        }
        let rising = book.levels(Side::Sell).zip(texts).enumerate();
        for (n, ((px, qty), text)) in rising {
            assert_eq!(
                tidegate_units::format_decimal(px, scale, 1).trim_end_matches('0'),
                text.trim_end_matches('0')
            );
            assert_eq!(qty, n as i64 + 1);
        }
    }
}

#[test]
fn a_falling_and_rising_touch_keeps_every_level() {
    let far = 3 * LADDER_TICKS as i64;
    let mut book = L2Book::default();
    for px in (0..far).rev() {
        book.set(Side::Buy, 100_000 + px, 1);
        book.set(Side::Buy, 100_000 + px + 50, 0);
    }
    assert_eq!((book.best(Side::Buy), book.len(Side::Buy)), (Some((100_049, 1)), 50));
    for px in 0..far {
        book.set(Side::Buy, 100_050 + px, 1);
        book.set(Side::Buy, 100_050 + px - 50, 0);
    }
    assert_eq!((book.best(Side::Buy), book.len(Side::Buy)), (Some((100_049 + far, 1)), 50));
    assert!(book.levels(Side::Buy).zip(book.levels(Side::Buy).skip(1)).all(|(a, b)| a.0 == b.0 + 1));
}

#[test]
fn b013_the_overflow_is_bounded_and_forgets_the_farthest() {
    let (mut book, far) = (L2Book::default(), 10 * LADDER_TICKS as i64);
    book.set(Side::Sell, 10, 1);
    for n in 0..OVERFLOW_LEVELS_MAX as i64 + 5 {
        book.set(Side::Sell, far + n, 1);
    }
    assert_eq!((book.len(Side::Sell), book.dropped()), (OVERFLOW_LEVELS_MAX + 1, 5));
    assert_eq!(book.best(Side::Sell), Some((10, 1)));
    assert_eq!(book.qty(Side::Sell, far + OVERFLOW_LEVELS_MAX as i64 + 4), 0);
}

#[test]
fn b013_locked_and_crossed_are_seen() {
    let mut book = L2Book::default();
    book.set(Side::Buy, 100, 1);
    assert!(!book.crossed());
    book.set(Side::Sell, 101, 1);
    assert!(!book.crossed());
    book.set(Side::Sell, 100, 1);
    assert!(book.crossed());
}

#[test]
fn b013_a_range_that_cannot_be_held_is_refused() {
    assert_eq!(BoundedL2Book::new(5, 5).err(), Some(RangeFault::Empty));
    assert_eq!(BoundedL2Book::new(i64::MIN, i64::MAX).err(), Some(RangeFault::TooWide));
    assert!(BoundedL2Book::new(0, BOUNDED_TICKS_MAX as i64).is_ok());
    assert_eq!(BoundedL2Book::new(0, BOUNDED_TICKS_MAX as i64 + 1).err(), Some(RangeFault::TooWide));
}
