//! Once it has reached its size the core allocates nothing for an order, however long it runs: counted by the allocator of
//! this test program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tidegate_matching::engine::{Engine, Event, Request, Stp, Tif};
use tidegate_units::Side;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; only a thread-local number is kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is handed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is handed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A fixed stream of numbers.
fn random(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

#[test]
fn an_order_in_the_steady_state_allocates_nothing() {
    let mut engine = Engine::new((), 1 << 14);
    engine.add_account();
    engine.add_account();
    let (mut out, mut state, mut open): (Vec<Event>, u64, Vec<u64>) = (Vec::new(), 5, Vec::new());
    open.reserve(1 << 14);
    let mut next = 0_u64;
    let mut run = |commands: u64| {
        let before = ALLOCATIONS.with(Cell::get);
        for _ in 0..commands {
            out.clear();
            if open.len() > 2_000 || (open.len() > 10 && random(&mut state, 3) == 0) {
                let at = random(&mut state, open.len() as u64) as usize;
                engine.cancel(open.swap_remove(at), &mut out);
                continue;
            }
            next += 1;
            let side = if random(&mut state, 2) == 0 { Side::Buy } else { Side::Sell };
            let px = 10_000 + random(&mut state, 200) as i64 - 100 - side.sign() * 60;
            let tif = [Tif::Gtc, Tif::Gtc, Tif::Gtc, Tif::Ioc, Tif::Day][random(&mut state, 5) as usize];
            let account = random(&mut state, 2) as u32;
            let qty = 1 + random(&mut state, 50) as i64;
            let peak = if tif == Tif::Ioc { 0 } else { qty / 3 };
            let request =
                Request { peak, stp: Stp::ExpireMaker, ..Request::limit(next, account, side, px, qty, tif) };
            engine.submit(&request, &mut out).unwrap();
            if tif != Tif::Ioc {
                open.push(next);
            }
        }
        ALLOCATIONS.with(Cell::get) - before
    };
    assert!(run(200_000) > 0, "the control: growing is counted");
    assert_eq!(run(200_000), 0);
}
