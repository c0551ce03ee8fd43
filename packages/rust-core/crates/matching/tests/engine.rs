//! Each rule of the matching core by a case small enough to check by hand. The whole of them against a plain model, over random
//! commands, is in `tidegate-proof`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tidegate_matching::engine::{
    Engine, Event, Fill, Phase, Refused, Request, Stp, Tif, Trail, Trigger, TriggerKind, Why,
};
use tidegate_matching::limits::{ACCOUNTS_MAX, PX_MAX, QTY_MAX, WAITING_MAX};
use tidegate_units::Side::{self, Buy, Sell};

const A: u32 = 0;
const B: u32 = 1;

struct Book {
    engine: Engine,
    out: Vec<Event>,
}

impl Book {
    fn new() -> Self {
        Self::bounded(1 << 20)
    }

    fn bounded(orders: usize) -> Self {
        let mut engine = Engine::new((), orders);
        assert_eq!((engine.add_account(), engine.add_account()), (Some(A), Some(B)));
        Self { engine, out: Vec::new() }
    }

    fn submit(&mut self, request: Request) -> Result<(), Refused> {
        self.out.clear();
        self.engine.submit(&request, &mut self.out)
    }

    fn limit(&mut self, id: u64, account: u32, side: Side, px: i64, qty: i64) {
        self.submit(Request::limit(id, account, side, px, qty, Tif::Gtc)).unwrap();
    }

    /// (px, qty, buyer, seller) of the last command's fills.
    fn fills(&self) -> Vec<(i64, i64, u64, u64)> {
        let id = |party: Option<(u64, u32)>| party.map_or(0, |party| party.0);
        let fill = |event: &Event| match event {
            Event::Fill(Fill { px, qty, buyer, seller, .. }) => Some((*px, *qty, id(*buyer), id(*seller))),
            _ => None,
        };
        self.out.iter().filter_map(fill).collect()
    }

    fn ended(&self) -> Vec<(u64, i64, Why)> {
        let end = |event: &Event| match event {
            Event::Ended { id, open, why } => Some((*id, *open, *why)),
            _ => None,
        };
        self.out.iter().filter_map(end).collect()
    }

    fn queue(&self, side: Side) -> Vec<u64> {
        self.engine.orders(side).collect()
    }

    fn amend(&mut self, id: u64, px: i64, open: i64) -> Result<(), Refused> {
        self.out.clear();
        self.engine.amend(id, px, open, &mut self.out)
    }
}

fn with(tif: Tif, request: Request) -> Request {
    Request { tif, ..request }
}

fn waits(kind: TriggerKind, px: i64, request: Request) -> Request {
    Request { trigger: Some(Trigger { kind, px, trail: None }), ..request }
}

#[test]
fn b024_price_then_time() {
    let mut b = Book::new();
    b.limit(1, A, Sell, 101, 5);
    b.limit(2, A, Sell, 100, 5);
    b.limit(3, A, Sell, 100, 5);
    b.limit(4, B, Buy, 101, 12);
    assert_eq!(b.fills(), [(100, 5, 4, 2), (100, 5, 4, 3), (101, 2, 4, 1)]);
    assert_eq!((b.engine.position(A), b.engine.position(B)), (-12, 12));
    assert_eq!((b.engine.best(Sell), b.engine.order(1).unwrap().shown), (Some(101), 3));
}

#[test]
fn b024_gtc_day_ioc_fok_and_market() {
    let mut b = Book::new();
    b.limit(1, A, Sell, 100, 5);
    b.limit(2, A, Sell, 102, 5);
    b.submit(Request::limit(3, B, Buy, 101, 6, Tif::Fok)).unwrap();
    assert_eq!((b.fills(), b.ended()), (vec![], vec![(3, 6, Why::Fok)]));
    b.submit(Request::limit(4, B, Buy, 102, 6, Tif::Fok)).unwrap();
    assert_eq!((b.fills(), b.ended()), (vec![(100, 5, 4, 1), (102, 1, 4, 2)], vec![]));
    b.submit(Request::limit(5, B, Buy, 102, 9, Tif::Ioc)).unwrap();
    assert_eq!((b.fills(), b.ended()), (vec![(102, 4, 5, 2)], vec![(5, 5, Why::Ioc)]));
    b.submit(Request::market(6, B, Buy, 1)).unwrap();
    assert_eq!(b.ended(), [(6, 1, Why::NoLiquidity)]);
    b.submit(Request::limit(7, B, Buy, 90, 1, Tif::Day)).unwrap();
    b.limit(8, B, Buy, 91, 1);
    b.submit(waits(TriggerKind::Stop, 120, Request::limit(9, B, Buy, 120, 1, Tif::Day))).unwrap();
    b.out.clear();
    b.engine.end_day(&mut b.out);
    assert_eq!(b.ended(), [(7, 1, Why::DayEnd), (9, 1, Why::DayEnd)], "the GTC order stays");
    assert_eq!(b.queue(Buy), [8]);
}

#[test]
fn post_only_is_refused_rather_than_take() {
    let mut b = Book::new();
    b.limit(1, A, Sell, 100, 5);
    let post = |id, px| Request::limit(id, B, Buy, px, 5, Tif::PostOnly);
    assert_eq!(b.submit(post(2, 100)), Err(Refused::PostOnlyWouldTake));
    b.submit(post(2, 99)).unwrap();
    assert_eq!(b.amend(2, 100, 5), Err(Refused::PostOnlyWouldTake));
    assert_eq!(b.engine.order(2).unwrap().px, Some(99), "it stands as it did");
}

#[test]
fn reduce_only_never_opens_or_turns_a_position() {
    let mut b = Book::new();
    let reduce =
        |id, side, px, qty| Request { reduce_only: true, ..Request::limit(id, A, side, px, qty, Tif::Gtc) };
    assert_eq!(b.submit(reduce(1, Sell, 100, 5)), Err(Refused::ReduceOnly));
    b.limit(2, B, Sell, 100, 5);
    b.limit(3, A, Buy, 100, 5);
    assert_eq!(b.submit(reduce(4, Buy, 100, 5)), Err(Refused::ReduceOnly), "it would add");
    b.submit(reduce(4, Sell, 101, 9)).unwrap();
    b.limit(5, B, Buy, 101, 9);
    assert_eq!((b.fills(), b.ended()), (vec![(101, 5, 5, 4)], vec![(4, 4, Why::ReduceOnly)]));
    assert_eq!((b.engine.position(A), b.queue(Buy)), (0, vec![5]), "what is left of the other rests");
    // A FOK is judged by what a reduce-only order may still do.
    assert!(b.engine.cancel(5, &mut b.out));
    b.limit(6, A, Buy, 100, 2);
    b.limit(7, B, Sell, 100, 2);
    b.submit(reduce(8, Sell, 103, 5)).unwrap();
    b.submit(Request::limit(9, B, Buy, 103, 5, Tif::Fok)).unwrap();
    assert_eq!((b.fills(), b.ended()), (vec![], vec![(9, 5, Why::Fok)]));
    b.submit(Request::limit(10, B, Buy, 103, 2, Tif::Fok)).unwrap();
    assert_eq!(b.fills(), [(103, 2, 10, 8)]);
}

/// Found by random commands against the plain model: the dry run gave a held-back order up after its first part.
#[test]
fn a_fok_counts_what_an_account_may_trade_with_itself() {
    let mut b = Book::new();
    b.limit(1, B, Buy, 100, 3);
    b.limit(2, A, Sell, 100, 3);
    let own = |request| Request { stp: Stp::None, ..request };
    b.submit(Request { reduce_only: true, ..own(Request::limit(3, A, Buy, 98, 11, Tif::Gtc)) }).unwrap();
    b.submit(own(Request::limit(4, A, Sell, 97, 7, Tif::Fok))).unwrap();
    assert_eq!(b.fills(), [(98, 3, 3, 4), (98, 3, 3, 4), (98, 1, 3, 4)]);
    assert_eq!((b.engine.position(A), b.engine.order(3).unwrap().shown), (-3, 4));
}

#[test]
fn an_iceberg_shows_its_parts_at_the_end_of_the_queue() {
    let mut b = Book::new();
    b.submit(Request { peak: 3, ..Request::limit(1, A, Sell, 100, 8, Tif::Gtc) }).unwrap();
    b.limit(2, A, Sell, 100, 4);
    let level = b.engine.levels(Sell).next().unwrap();
    assert_eq!((level.shown, level.hidden, level.orders), (7, 5, 2));
    b.limit(3, B, Buy, 100, 5);
    assert_eq!(b.fills(), [(100, 3, 3, 1), (100, 2, 3, 2)]);
    assert_eq!((b.queue(Sell), b.engine.queue_ahead(1)), (vec![2, 1], Some((2, 1))));
    // Less quantity comes out of what is hidden and keeps the place.
    b.amend(1, 100, 4).unwrap();
    assert_eq!((b.engine.order(1).unwrap().shown, b.engine.order(1).unwrap().hidden), (3, 1));
    b.submit(Request::limit(4, B, Buy, 100, 6, Tif::Fok)).unwrap();
    assert_eq!(b.fills(), [(100, 2, 4, 2), (100, 3, 4, 1), (100, 1, 4, 1)], "hidden quantity fills a FOK");
}

#[test]
fn self_trade_prevention_by_mode() {
    let meet = |stp| {
        let mut b = Book::new();
        b.limit(1, A, Sell, 100, 4);
        b.limit(2, B, Sell, 100, 4);
        b.submit(Request { stp, ..Request::limit(3, A, Buy, 100, 6, Tif::Gtc) }).unwrap();
        (b.fills(), b.ended(), b.queue(Buy), b.queue(Sell))
    };
    let own = Why::SelfTrade;
    assert_eq!(meet(Stp::None), (vec![(100, 4, 3, 1), (100, 2, 3, 2)], vec![], vec![], vec![2]));
    assert_eq!(meet(Stp::ExpireTaker), (vec![], vec![(3, 6, own)], vec![], vec![1, 2]));
    assert_eq!(meet(Stp::ExpireMaker), (vec![(100, 4, 3, 2)], vec![(1, 4, own)], vec![3], vec![]));
    assert_eq!(meet(Stp::ExpireBoth), (vec![], vec![(1, 4, own), (3, 6, own)], vec![], vec![2]));
    assert_eq!(meet(Stp::Decrement), (vec![(100, 2, 3, 2)], vec![(1, 0, own)], vec![], vec![2]));
}

#[test]
fn b024_stops_and_take_profits_wait_for_a_trade() {
    let mut b = Book::new();
    let (stop, take) = (TriggerKind::Stop, TriggerKind::TakeProfit);
    b.submit(waits(stop, 105, Request::limit(1, A, Buy, 106, 2, Tif::Gtc))).unwrap();
    b.submit(waits(take, 95, Request::market(2, A, Buy, 3))).unwrap();
    b.submit(waits(stop, 95, Request::market(3, B, Sell, 1))).unwrap();
    assert_eq!((b.engine.waiting(), b.queue(Buy)), (3, vec![]));
    b.limit(10, B, Sell, 105, 5);
    b.limit(11, A, Buy, 105, 1);
    // The print at 105 sets the stop off, and it buys at once.
    assert_eq!(b.fills(), [(105, 1, 11, 10), (105, 2, 1, 10)]);
    assert!(b.out.contains(&Event::Triggered { id: 1 }));
    assert_eq!(b.submit(waits(stop, 104, Request::market(4, A, Buy, 1))), Err(Refused::TriggersAtOnce));
    b.engine.cancel(10, &mut b.out);
    b.limit(12, A, Buy, 95, 1);
    b.limit(13, B, Sell, 95, 1);
    // Falling ones from the oldest on: the take-profit finds nothing to buy, the stop nothing to sell to.
    let triggered: Vec<&Event> = b.out.iter().filter(|e| matches!(e, Event::Triggered { .. })).collect();
    assert_eq!(triggered, [&Event::Triggered { id: 2 }, &Event::Triggered { id: 3 }]);
    assert_eq!(b.ended(), [(2, 3, Why::NoLiquidity), (3, 1, Why::NoLiquidity)]);
}

#[test]
fn a_trailing_stop_follows_and_never_goes_back() {
    let mut b = Book::new();
    let trail = Some(Trail { distance: 10, step: 5 });
    let trigger = Some(Trigger { kind: TriggerKind::Stop, px: 80, trail });
    b.submit(Request { trigger, ..Request::market(1, A, Sell, 1) }).unwrap();
    let mut print = |px: i64, id: u64| {
        b.limit(id, A, Buy, px, 1);
        b.limit(id + 1, B, Sell, px, 1);
        b.engine.order(1).and_then(|open| open.trigger_px)
    };
    assert_eq!(print(100, 10), Some(90));
    assert_eq!(print(104, 20), Some(90), "less than a step");
    assert_eq!(print(105, 30), Some(95));
    assert_eq!(print(97, 40), Some(95), "never away from the market");
    assert_eq!(print(95, 50), None, "set off");
}

#[test]
fn an_amend_keeps_its_place_only_when_it_asks_for_less() {
    let mut b = Book::new();
    b.limit(1, A, Buy, 100, 5);
    b.limit(2, A, Buy, 100, 5);
    b.amend(1, 100, 4).unwrap();
    assert_eq!((b.queue(Buy), b.engine.queue_ahead(2)), (vec![1, 2], Some((4, 1))));
    b.amend(1, 100, 5).unwrap();
    assert_eq!(b.queue(Buy), [2, 1], "more quantity");
    b.amend(2, 99, 5).unwrap();
    b.amend(2, 100, 5).unwrap();
    assert_eq!(b.queue(Buy), [1, 2], "another price");
    b.limit(3, B, Sell, 103, 2);
    b.amend(1, 103, 5).unwrap();
    assert_eq!((b.fills(), b.engine.order(1).unwrap().shown), (vec![(103, 2, 1, 3)], 3), "it may trade");
    assert_eq!(b.amend(9, 100, 1), Err(Refused::UnknownOrder));
    assert_eq!(b.amend(1, 103, 0), Err(Refused::QtyZeroOrNeg));
}

#[test]
fn a_halt_takes_cancels_alone() {
    let mut b = Book::new();
    b.limit(1, A, Buy, 100, 5);
    b.limit(2, A, Buy, 99, 5);
    b.engine.halt();
    assert_eq!(b.submit(Request::limit(3, B, Sell, 100, 1, Tif::Ioc)), Err(Refused::Halted));
    assert_eq!(b.amend(1, 101, 5), Err(Refused::Halted));
    assert!(b.engine.cancel(1, &mut b.out));
    b.engine.resume().unwrap();
    b.limit(3, B, Sell, 99, 1);
    assert_eq!(b.fills(), [(99, 1, 2, 3)]);
}

#[test]
fn an_uncross_trades_at_one_price_by_priority() {
    let mut b = Book::new();
    b.engine.open_auction();
    b.limit(1, A, Buy, 102, 5);
    b.limit(2, A, Buy, 101, 5);
    b.submit(Request::market(3, A, Buy, 2)).unwrap();
    b.limit(4, B, Sell, 99, 4);
    b.limit(5, B, Sell, 100, 6);
    assert_eq!(
        b.submit(with(Tif::Ioc, Request::limit(6, B, Sell, 99, 1, Tif::Gtc))),
        Err(Refused::WrongPhase)
    );
    assert_eq!(b.engine.resume(), Err(Refused::WrongPhase), "only an uncross opens it");
    b.out.clear();
    // 10 lots trade from 100 to 101, 2 unmatched; nearest to 107 of these is 101.
    let cross = b.engine.uncross(Some(107), &mut b.out).unwrap().unwrap();
    assert_eq!((cross.px, cross.volume, cross.surplus), (101, 10, 2));
    assert_eq!(b.fills(), [(101, 2, 3, 4), (101, 2, 1, 4), (101, 3, 1, 5), (101, 3, 2, 5)]);
    assert_eq!((b.engine.phase(), b.queue(Buy), b.queue(Sell)), (Phase::Continuous, vec![2], vec![]));
    assert_eq!(b.engine.uncross(None, &mut b.out), Err(Refused::WrongPhase));
    // What is left of market orders ends.
    b.engine.open_auction();
    b.submit(Request::market(7, A, Buy, 2)).unwrap();
    b.out.clear();
    assert_eq!(b.engine.uncross(None, &mut b.out), Ok(None));
    assert_eq!(b.ended(), [(7, 2, Why::NoLiquidity)]);
}

#[test]
fn every_bound_of_the_core_refuses_and_gives_way_again() {
    let mut b = Book::bounded(3);
    b.limit(1, A, Buy, 100, 1);
    b.limit(2, A, Buy, 100, 1);
    b.submit(waits(TriggerKind::Stop, 120, Request::market(3, A, Buy, 1))).unwrap();
    let next = Request::limit(4, A, Buy, 99, 1, Tif::Gtc);
    assert_eq!(b.submit(next), Err(Refused::OpenOrdersExceeded), "waiting orders count");
    assert!(b.engine.cancel(3, &mut b.out));
    b.submit(next).unwrap();
    assert_eq!(b.submit(Request::limit(4, A, Buy, 99, 1, Tif::Gtc)), Err(Refused::Duplicate));

    let mut b = Book::new();
    for (request, want) in [
        (Request::limit(1, A, Buy, PX_MAX + 1, 1, Tif::Gtc), Refused::OutOfRange),
        (Request::limit(1, A, Buy, -PX_MAX - 1, 1, Tif::Gtc), Refused::OutOfRange),
        (Request::limit(1, A, Buy, i64::MIN, 1, Tif::Gtc), Refused::OutOfRange),
        (Request::limit(1, A, Buy, 1, QTY_MAX + 1, Tif::Gtc), Refused::OutOfRange),
        (Request::limit(1, A, Buy, 1, 0, Tif::Gtc), Refused::QtyZeroOrNeg),
        (Request::limit(1, 7, Buy, 1, 1, Tif::Gtc), Refused::Malformed),
        (Request { peak: 2, ..Request::limit(1, A, Buy, 1, 1, Tif::Gtc) }, Refused::Malformed),
        (Request { peak: 1, ..Request::limit(1, A, Buy, 1, 1, Tif::Ioc) }, Refused::Malformed),
        (waits(TriggerKind::Stop, PX_MAX + 1, Request::market(1, A, Buy, 1)), Refused::OutOfRange),
    ] {
        assert_eq!(b.submit(request), Err(want), "{request:?}");
    }
    b.limit(1, A, Buy, PX_MAX, QTY_MAX);
    b.limit(2, A, Buy, -PX_MAX, QTY_MAX);
    b.limit(3, B, Sell, -PX_MAX, QTY_MAX);
    assert_eq!(b.fills(), [(PX_MAX, QTY_MAX, 1, 3)]);
    b.limit(4, B, Sell, -PX_MAX, 1);
    assert_eq!(b.fills(), [(-PX_MAX, 1, 2, 4)]);
    for id in 10..10 + WAITING_MAX as u64 {
        b.submit(waits(TriggerKind::Stop, PX_MAX, Request::market(id, A, Buy, 1))).unwrap();
    }
    let over = waits(TriggerKind::Stop, PX_MAX, Request::market(5, A, Buy, 1));
    assert_eq!(b.submit(over), Err(Refused::OpenOrdersExceeded));
    assert!(b.engine.cancel(10, &mut b.out));
    b.submit(over).unwrap();

    let mut engine = Engine::new((), 1);
    assert_eq!((0..=ACCOUNTS_MAX).filter_map(|_| engine.add_account()).count(), ACCOUNTS_MAX);
}

#[test]
fn prices_far_from_the_touch_keep_their_priority() {
    let mut b = Book::new();
    for (id, px) in [(1, 1_000_000), (2, 1), (3, 999_999), (4, 500_000_000), (5, -400_000)] {
        b.limit(id, A, Buy, px, 1);
    }
    assert_eq!(b.queue(Buy), [4, 1, 3, 2, 5]);
    b.limit(6, B, Sell, -400_000, 5);
    let prices: Vec<i64> = b.fills().iter().map(|fill| fill.0).collect();
    assert_eq!(prices, [500_000_000, 1_000_000, 999_999, 1, -400_000]);
}
