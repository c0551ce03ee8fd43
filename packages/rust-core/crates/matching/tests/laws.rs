//! Laws that hold whatever happens: random recordings and random orders, checked by arithmetic of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod support;

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use support::*;
use tidegate_matching::{
    Cancel, EventKind, Extras, Money, NewOrder, Status, Stp, Tif, Trigger, TriggerKind, Venue,
};
use tidegate_normalise::Event;
use tidegate_units::Side::{self, Buy, Sell};

#[derive(Debug, Clone)]
enum Step {
    /// The recording's touch moves: best bid, spread, sizes.
    Touch(i64, i64, i64, i64),
    /// One level of the recording changes, on the side where it may lie.
    Level(i64, i64),
    Trade(i64, i64, bool),
    Place(bool, i64, i64, u8),
    /// The same with an iceberg's peak, a trigger price, a mode of self-trade prevention; 0 is none.
    Special(bool, i64, i64, u8, i64, i64, u8),
    Amend(usize, i64, i64),
    Cancel(usize),
    Halt(bool),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (90_i64..110, 1_i64..4, 1_i64..20, 1_i64..20).prop_map(|(b, s, q, r)| Step::Touch(b, s, q, r)),
        3 => (85_i64..115, 0_i64..20).prop_map(|(p, q)| Step::Level(p, q)),
        3 => (88_i64..112, 1_i64..15, any::<bool>()).prop_map(|(p, q, b)| Step::Trade(p, q, b)),
        4 => (any::<bool>(), 88_i64..112, 1_i64..25, 0_u8..5).prop_map(|(b, p, q, k)| Step::Place(b, p, q, k)),
        2 => (any::<bool>(), 88_i64..112, 1_i64..25, 0_u8..5, 0_i64..6, 85_i64..115, 0_u8..5)
            .prop_map(|(b, p, q, k, i, t, m)| Step::Special(b, p, q, k, i, if t < 95 { 0 } else { t }, m)),
        1 => (0_usize..40, 88_i64..112, 1_i64..25).prop_map(|(w, p, q)| Step::Amend(w, p, q)),
        1 => (0_usize..40).prop_map(Step::Cancel),
        1 => any::<bool>().prop_map(Step::Halt),
        1 => Just(Step::Restart),
    ]
}

/// The recording as a plain map, and everything it ever offered.
#[derive(Default)]
struct Plain {
    levels: BTreeMap<(bool, i64), i64>,
    offered: i64,
    traded: i64,
    id: u64,
}

impl Plain {
    fn set(&mut self, bid: bool, px: i64, qty: i64) {
        let old = if qty == 0 {
            self.levels.remove(&(bid, px)).unwrap_or(0)
        } else {
            self.levels.insert((bid, px), qty).unwrap_or(0)
        };
        self.offered += (qty - old).max(0);
    }

    fn event(&mut self, step: &Step) -> Option<Event<'static>> {
        self.id += 1;
        match *step {
            Step::Touch(bid, spread, bid_qty, ask_qty) => {
                let ask = bid + spread;
                let gone: Vec<(bool, i64)> = self
                    .levels
                    .keys()
                    .copied()
                    .filter(|(b, p)| if *b { *p > bid } else { *p < ask })
                    .collect();
                gone.into_iter().for_each(|(b, p)| self.set(b, p, 0));
                self.set(true, bid, bid_qty);
                self.set(false, ask, ask_qty);
                Some(ticker(self.id, (bid, bid_qty), (ask, ask_qty)))
            }
            Step::Level(px, qty) => {
                let best_bid = self.levels.keys().filter(|(b, _)| *b).map(|(_, p)| *p).max().unwrap_or(0);
                let best_ask = self.levels.keys().filter(|(b, _)| !*b).map(|(_, p)| *p).min().unwrap_or(999);
                let bid = px < best_ask && (px <= best_bid || px % 2 == 0);
                if !bid && px <= best_bid {
                    return None;
                }
                self.set(bid, px, qty);
                Some(if bid { diff(self.id, &[(px, qty)], &[]) } else { diff(self.id, &[], &[(px, qty)]) })
            }
            Step::Trade(px, qty, buy) => {
                self.traded += qty;
                Some(trade(px, qty, if buy { Buy } else { Sell }))
            }
            _ => None,
        }
    }
}

fn side_of(buy: bool) -> Side {
    if buy { Buy } else { Sell }
}

fn place(id: &str, buy: bool, px: i64, qty: i64, kind: u8, extras: Extras) -> NewOrder {
    let tif = [Tif::Gtc, Tif::Ioc, Tif::Fok, Tif::PostOnly][usize::from(kind.min(3))];
    let new = match kind {
        4 => market(id, side_of(buy), qty),
        _ => limit(id, side_of(buy), px, qty, tif),
    };
    NewOrder { extras, ..new }
}

/// The venue at the end, and the orders that were ever amended: their earlier fills were at another price.
struct Ran {
    venue: Venue,
    amended: BTreeSet<u64>,
}

impl std::ops::Deref for Ran {
    type Target = Venue;

    fn deref(&self) -> &Venue {
        &self.venue
    }
}

impl std::ops::DerefMut for Ran {
    fn deref_mut(&mut self) -> &mut Venue {
        &mut self.venue
    }
}

fn run(money: Money, steps: &[Step]) -> Ran {
    let mut plain = Plain::default();
    let mut v = Venue::new(config(money)).unwrap();
    let first: Vec<(i64, i64)> = (0..20).map(|n| (99 - n, 10)).collect();
    let second: Vec<(i64, i64)> = (0..20).map(|n| (101 + n, 10)).collect();
    for (px, qty) in &first {
        plain.set(true, *px, *qty);
    }
    for (px, qty) in &second {
        plain.set(false, *px, *qty);
    }
    plain.id = 1;
    v.on_market(snapshot(1, &first, &second), 0);
    let mut queue: BTreeMap<u64, i64> = BTreeMap::new();
    let mut amended = BTreeSet::new();
    for (n, step) in steps.iter().enumerate() {
        if let Some(event) = plain.event(step) {
            v.on_market(event, n as i64);
        }
        match *step {
            Step::Place(buy, px, qty, kind) => {
                let _ = v.place(place(&n.to_string(), buy, px, qty, kind, Extras::default()));
            }
            Step::Special(buy, px, qty, kind, peak, trigger, mode) => {
                // Without prevention the account would trade with itself, and both fills would take nothing recorded.
                let modes = [Stp::ExpireTaker, Stp::ExpireMaker, Stp::ExpireBoth, Stp::Decrement];
                let kinds = [TriggerKind::Stop, TriggerKind::TakeProfit];
                let trigger = (trigger > 0).then(|| Trigger {
                    kind: kinds[(trigger % 2) as usize],
                    px: trigger,
                    trail: None,
                });
                let stp = modes[usize::from(mode) % 4];
                let extras = Extras { peak, trigger, stp, reduce_only: qty % 7 == 0, ..Extras::default() };
                let _ = v.place(place(&n.to_string(), buy, px, qty, kind, extras));
            }
            Step::Amend(which, px, qty) => {
                if let Ok(id) = v.amend(&Cancel::Client(which.to_string()), px, qty, n as i64) {
                    queue.remove(&id);
                    amended.insert(id);
                }
            }
            Step::Halt(halt) => {
                if halt {
                    v.halt();
                } else {
                    v.resume();
                }
            }
            Step::Cancel(which) => {
                v.cancel(&Cancel::Client(which.to_string()), n as i64);
            }
            Step::Restart => {
                v.restore(v.state()).unwrap();
                queue.clear();
            }
            _ => {}
        }
        for order in v.open_orders().filter(|order| v.engine().queue_ahead(order.order_id).is_some()) {
            let before = queue.insert(order.order_id, order.ahead).unwrap_or(i64::MAX);
            // The next part of an iceberg queues anew.
            assert!(
                order.ahead <= before || order.extras.peak > 0,
                "queue position went back: {before} to {}",
                order.ahead
            );
            assert!(v.market().recorded(order.side, order.px).is_none_or(|level| order.ahead <= level));
        }
        for bid in [true, false] {
            let want: Vec<(i64, i64)> =
                plain.levels.iter().filter(|((b, _), _)| *b == bid).map(|((_, p), q)| (*p, *q)).collect();
            let mut got = v.market().levels(side_of(bid), 999);
            got.sort_unstable();
            assert_eq!(got, want, "the recorded book is the plain map");
        }
    }
    let filled: i64 = v.trades().map(|t| t.qty).sum();
    assert!(filled <= plain.offered + plain.traded, "more filled than was ever there");
    Ran { venue: v, amended }
}

/// Everything that must follow from the fills alone.
fn check(v: &Ran, money: Money) {
    assert_eq!(v.market().counts().filled_twice, 0);
    let mut cum: BTreeMap<u64, i64> = BTreeMap::new();
    let (mut base, mut quote, mut lots, mut fees) = (10_i128.pow(12), 10_i128.pow(12), 0_i64, (0, 0));
    for (n, t) in v.trades().enumerate() {
        assert_eq!(t.trade_id, n as u64 + 1, "trade ids have no hole");
        *cum.entry(t.order_id).or_insert(0) += t.qty;
        let notional = i128::from(t.px * t.qty * 10);
        let rate = if t.maker { 50_000 } else { 100_000 };
        let bought = i128::from(t.qty * 1_000);
        let (fee_base, fee_quote) = match (money, t.side) {
            (Money::Spot, Buy) => (bought * rate / 100_000_000, 0),
            _ => (0, notional * rate / 100_000_000),
        };
        let sign = if t.side == Buy { 1 } else { -1 };
        base += sign * bought - fee_base;
        quote -= sign * notional + fee_quote;
        lots += sign as i64 * t.qty;
        fees = (fees.0 + fee_base, fees.1 + fee_quote);
        let order = v.find(&Cancel::Order(t.order_id)).unwrap();
        let amended = v.amended.contains(&t.order_id);
        if order.px != 0 && !amended {
            assert!((order.px - t.px) * order.side.sign() >= 0, "traded through its limit");
        }
        assert!(!t.maker || amended || t.px == order.px, "a maker trades at its own price");
    }
    let ledger = v.ledger();
    assert_eq!((ledger.base_e8, ledger.quote_e8, ledger.position_lots), (base, quote, lots));
    assert_eq!((ledger.fees_base_e8, ledger.fees_quote_e8), fees);
    if lots == 0 {
        assert_eq!(ledger.open_cost_e8, 0);
    }
    for order in v.orders() {
        assert_eq!(order.cum, cum.get(&order.order_id).copied().unwrap_or(0));
        assert_eq!(order.cum + order.leaves() + order.void, order.qty);
        assert!(order.status != Status::Filled || order.leaves() == 0);
        assert!(order.leaves() > 0 || matches!(order.status, Status::Filled | Status::ExpiredInMatch));
        let waits = order.extras.trigger.is_some() && !order.triggered;
        assert!(order.tif == Tif::Gtc || order.tif == Tif::PostOnly || waits || !order.status.open());
        if order.tif == Tif::Fok {
            assert!(order.cum == 0 || order.cum == order.qty);
        }
    }
    if money == Money::Spot {
        let (base_locked, quote_locked) = v.locked();
        assert!(base_locked <= ledger.base_e8 && quote_locked <= ledger.quote_e8);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn laws_hold_for_a_perp(steps in prop::collection::vec(step(), 0..80)) {
        check(&run(Money::Usdm, &steps), Money::Usdm);
    }

    #[test]
    fn laws_hold_for_spot(steps in prop::collection::vec(step(), 0..80)) {
        check(&run(Money::Spot, &steps), Money::Spot);
    }

    #[test]
    fn the_same_calls_give_the_same_events(steps in prop::collection::vec(step(), 0..60)) {
        let (mut a, mut b) = (run(Money::Usdm, &steps), run(Money::Usdm, &steps));
        let events = a.drain();
        prop_assert_eq!(&events, &b.drain());
        let rising = events.windows(2).all(|w| w[0].seq + 1 == w[1].seq);
        prop_assert!(rising);
        let last: BTreeMap<u64, Status> = events.iter().filter_map(|e| e.order.as_ref()).map(|o| (o.order_id, o.status)).collect();
        for (id, status) in last {
            prop_assert_eq!(a.find(&Cancel::Order(id)).unwrap().status, status);
        }
        prop_assert!(events.iter().all(|e| e.order.is_some() != matches!(e.kind, EventKind::Rejected(_))));
    }
}
