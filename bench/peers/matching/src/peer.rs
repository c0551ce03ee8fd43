//! Other people's engines over the same messages.

use lobster::{OrderBook as Lobster, OrderEvent, OrderType, Side as LobsterSide};
use orderbook_rs::{OrderBook as Concurrent, TradeResult};
use pricelevel::{Id, Side as ConcurrentSide, TimeInForce};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tidegate_proof::bench_matching::{Kind, Order, Sums};
use tidegate_units::Side;

pub fn lobster() -> Lobster {
    Lobster::new(10_000, 10, false)
}

/// It has no IOC: what is left of one is cancelled in the same step.
#[inline]
pub fn on_lobster(book: &mut Lobster, order: &Order, sums: &mut Sums) {
    let id = u128::from(order.id);
    if order.kind == Kind::Cancel {
        book.execute(OrderType::Cancel { id });
        return;
    }
    let side = if order.side == Side::Buy { LobsterSide::Bid } else { LobsterSide::Ask };
    let sent = OrderType::Limit { id, side, qty: order.qty as u64, price: order.px as u64 };
    let left = match book.execute(sent) {
        OrderEvent::PartiallyFilled { fills, filled_qty, .. } => {
            fills.iter().for_each(|fill| sums.add(fill.price as i64, fill.qty as i64));
            filled_qty < order.qty as u64
        }
        OrderEvent::Filled { fills, .. } => {
            fills.iter().for_each(|fill| sums.add(fill.price as i64, fill.qty as i64));
            false
        }
        OrderEvent::Placed { .. } => true,
        _ => false,
    };
    if left && order.kind == Kind::Ioc {
        book.execute(OrderType::Cancel { id });
    }
}

/// orderbook-rs with its listener, which is how it tells of trades.
pub struct OrderbookRs {
    book: Concurrent<()>,
    sums: Arc<[AtomicU64; 3]>,
}

impl OrderbookRs {
    pub fn new() -> Self {
        let sums = Arc::new([const { AtomicU64::new(0) }; 3]);
        let told = Arc::clone(&sums);
        let book = Concurrent::with_trade_listener(
            "AMZN",
            Arc::new(move |result: &TradeResult| {
                for trade in result.match_result.trades().as_vec() {
                    let (px, qty) = (trade.price().as_u128() as u64, trade.quantity().as_u64());
                    told[0].fetch_add(1, Relaxed);
                    told[1].fetch_add(qty, Relaxed);
                    told[2].fetch_add(px * 100 * qty, Relaxed);
                }
            }),
        );
        Self { book, sums }
    }

    #[inline]
    pub fn apply(&mut self, order: &Order) {
        let id = Id::from_u64(order.id);
        let side = if order.side == Side::Buy { ConcurrentSide::Buy } else { ConcurrentSide::Sell };
        let tif = if order.kind == Kind::Ioc { TimeInForce::Ioc } else { TimeInForce::Gtc };
        // An IOC order that finds nothing is an error there; a wrong answer shows in the sums.
        let _ = match order.kind {
            Kind::Cancel => self.book.cancel_order(id).map(drop),
            _ => self.book.add_limit_order(id, order.px as u128, order.qty as u64, side, tif, None).map(drop),
        };
    }

    pub fn sums(&self) -> Sums {
        let [trades, volume, value] = [0, 1, 2].map(|at| self.sums[at].load(Relaxed));
        Sums { trades, volume, value }
    }
}
