//! Near the touch no book allocates, however long it runs: counted by the allocator of this test program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::borrow::Cow;
use std::cell::Cell;
use tidegate_book::limits::{LADDER_TICKS, LEVELS_BUFFERED_MAX, OVERFLOW_LEVELS_MAX};
use tidegate_book::{
    BoundedL2Book, ConsolidatedLevel, L2Book, L3Book, Nbbo, Rule, State, SyncedBook, TopBook, consolidate,
};
use tidegate_normalise::{DepthDiff, Level, Snapshot};
use tidegate_units::{EpochNs, PxTicks, QtyLots, Side, VenueId};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

fn add(bytes: i64) {
    LIVE.with(|live| live.set(live.get() + bytes));
    if bytes > 0 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
    }
}

// SAFETY: every call goes to the system's allocator unchanged; only thread-local numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as i64);
        // SAFETY: the caller's contract is handed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as i64);
        // SAFETY: the caller's contract is handed on.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        add(-(layout.size() as i64));
        // SAFETY: the caller's contract is handed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    run();
    ALLOCATIONS.with(Cell::get) - before
}

/// A fixed stream of numbers.
fn random(state: &mut u64) -> i64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as i64
}

fn side(n: i64) -> Side {
    if n % 2 == 0 { Side::Buy } else { Side::Sell }
}

#[test]
fn allocations_are_none_in_l2_books_near_the_touch() {
    let (mut book, mut bounded) = (L2Book::default(), BoundedL2Book::new(599_000, 601_000).unwrap());
    let mut out = [ConsolidatedLevel::default(); 10];
    book.set(Side::Buy, 600_000, 1);
    book.set(Side::Sell, 600_000, 1);
    let (mut seed, mut sum) = (1, 0_i64);
    let count = allocations(|| {
        for _ in 0..100_000 {
            let (px, qty) = (599_000 + random(&mut seed) % 2_000, random(&mut seed) % 3);
            let side = side(random(&mut seed));
            book.set(side, px, qty);
            bounded.set(side, px, qty);
            sum +=
                book.best(side).map_or(0, |l| l.0) + book.depth_sum(side, 20) + bounded.depth_sum(side, 20);
            sum += book.levels(side).take(10).map(|l| l.1).sum::<i64>();
            sum += consolidate(&[&book, &book], side, &mut out) as i64;
        }
        book.truncate(50);
        book.clear();
        bounded.clear();
    });
    assert_eq!(count, 0);
    assert!(sum > 0);
    // The control: the counter counts.
    assert!(allocations(|| drop(std::hint::black_box(L2Book::default()))) > 0);
}

#[test]
fn allocations_are_none_in_an_l3_book_that_has_reached_its_size() {
    let mut book = L3Book::default();
    let mut seed = 7;
    let mut round = |book: &mut L3Book| {
        for _ in 0..50_000 {
            let (id, px) = (random(&mut seed) as u64 % 2_000, 1_000 + random(&mut seed) % 100);
            match random(&mut seed) % 5 {
                0 => drop(book.delete(id)),
                1 => drop(book.modify(id, px, 1 + random(&mut seed) % 9)),
                2 => drop(book.execute(id, 1 + random(&mut seed) % 3)),
                _ => drop(book.add(id, side(px), px, 1 + random(&mut seed) % 9)),
            }
        }
    };
    for id in 0..2_000 {
        book.add(id, side(id as i64), 1_000 + id as i64 % 100, 1);
    }
    round(&mut book);
    assert_eq!(allocations(|| round(&mut book)), 0);
}

#[test]
fn allocations_are_none_while_a_synced_book_follows_its_stream() {
    let level = |px, qty| Level { px: PxTicks(px), qty: QtyLots(qty) };
    let (bids, asks) = ([level(99, 1), level(98, 2)], [level(101, 1)]);
    let mut book = SyncedBook::new(Rule::Spot);
    let mut top = TopBook::new();
    let mut nbbo = Nbbo::new();
    let snapshot =
        Snapshot { last_id: 1, ts_venue: EpochNs(0), bids: Cow::Borrowed(&bids), asks: Cow::Borrowed(&asks) };
    book.on_snapshot(&snapshot);
    nbbo.update(VenueId(1), None, None, 0);
    let count = allocations(|| {
        for id in 2..10_000 {
            book.clock(id);
            let diff = DepthDiff {
                first_id: id,
                last_id: id,
                prev_id: None,
                ts_venue: EpochNs(0),
                bids: Cow::Borrowed(&bids),
                asks: Cow::Borrowed(&asks),
            };
            book.on_diff(&diff);
            top.on_snapshot(&snapshot);
            nbbo.update(VenueId(1), book.book().best(Side::Buy), book.book().best(Side::Sell), id);
        }
    });
    assert_eq!((count, book.state(), book.counts().applied), (0, State::Valid, 9_998));
}

/// Prices all over the range of an integer: the memory of a book stays under a number that its bounds give.
#[test]
fn b013_memory_is_bounded_under_absurd_prices() {
    let mut seed = 3;
    let before = LIVE.with(Cell::get);
    let mut book = L2Book::default();
    let mut l3 = L3Book::new(10_000);
    for n in 0..600_000_u64 {
        let px = random(&mut seed).wrapping_mul(random(&mut seed)) % (1 << 53);
        book.set(Side::Buy, px, 1);
        l3.add(n, Side::Sell, px, 1);
    }
    let live = LIVE.with(Cell::get) - before;
    // Two ladders a book; a level of the overflow costs at most 64 bytes in its tree, an order at most 400 with its level.
    let bound = (4 * LADDER_TICKS * 10 + OVERFLOW_LEVELS_MAX * 64 + 10_000 * 400) as i64;
    assert!(live < bound, "{live} bytes, bound {bound}");
    assert!(book.len(Side::Buy) <= OVERFLOW_LEVELS_MAX + LADDER_TICKS && book.dropped() > 0);
    assert_eq!(l3.len(), 10_000);
}

#[test]
fn b013_memory_of_waiting_diffs_is_bounded_by_their_levels() {
    let many: Vec<Level> = (0..5_000).map(|n| Level { px: PxTicks(n), qty: QtyLots(1) }).collect();
    let mut book = SyncedBook::new(Rule::Spot);
    let before = LIVE.with(Cell::get);
    for id in 1..1_000 {
        let bids = Cow::Borrowed(&many[..]);
        let asks = Cow::Borrowed(&many[..0]);
        book.on_diff(&DepthDiff {
            first_id: id,
            last_id: id,
            prev_id: None,
            ts_venue: EpochNs(0),
            bids,
            asks,
        });
    }
    let live = LIVE.with(Cell::get) - before;
    assert!(live < (LEVELS_BUFFERED_MAX * 16 + (1 << 20)) as i64, "{live} bytes");
    assert_eq!(book.buffered(), LEVELS_BUFFERED_MAX / 5_000);
    assert_eq!(book.counts().buffer_dropped as usize, 999 - book.buffered());
}
