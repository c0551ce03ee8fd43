//! Random orders against plain models: what a page of arithmetic says of each control, beside what the gateway says.

use super::Proof;
use super::rig::{PERP, SPOT, about, fill, id, limit};
use super::tally::Tally;
use serde_json::json;
use std::collections::VecDeque;
use tidegate_risk::Event;
use tidegate_units::{Side::Buy, Side::Sell};
use tidegate_wire::pb::orders::v1::{Reason, ReportKind};

pub const PROOFS: &[Proof] = &[
    (&["C1", "C3", "C4"], "random orders against the plain rules of price, value and size", one_order),
    (&["C5", "C9"], "random bursts against plain windows", bursts),
    (&["C7", "C8"], "random lives against a plain sum of exposure", lives),
];

/// A small generator (xorshift64*, Vigna 2016), so that a seed gives the same cases everywhere.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn rng(t: &Tally) -> Rng {
    Rng(t.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
}

fn one_order(t: &mut Tally) {
    let mut rng = rng(t);
    let mut rig = t.rig(&[
        ("/strategies/0/messages_max", json!(4_000)),
        ("/firm/open_orders_max", json!(4_000)),
        ("/strategies/0/open_orders_max", json!(4_000)),
    ]);
    for seq in 1..=4_000 {
        rig.pass_ms(1_000);
        rig.apply(Event::RouterCredits(100));
        let spot = rng.below(2) == 0;
        let (instrument, reference) = if spot { (SPOT, 6_000_000) } else { (PERP, 600_000) };
        // Near the edges more often than not.
        let reference = reference + rng.below(2_000) as i64 - 1_000;
        rig.price(instrument, reference);
        let edge = reference * 200 / 10_000;
        let px = match rng.below(3) {
            0 => reference + edge + rng.below(5) as i64 - 2,
            1 => reference - edge + rng.below(5) as i64 - 2,
            _ => reference + rng.below(3 * edge as u64) as i64 - edge * 3 / 2,
        };
        let (qty_max, value_max, e8) =
            if spot { (20_000, 600_000_000_000_i128, 10) } else { (60, 400_000_000_000, 10_000) };
        let qty = match rng.below(3) {
            0 => qty_max + rng.below(3) - 1,
            1 => (value_max / (i128::from(px) * e8)) as u64 + rng.below(3) - 1,
            _ => 1 + rng.below(qty_max),
        };
        let side = if rng.below(2) == 0 { Buy } else { Sell };
        let is = rig.reason(limit(id(1, seq), instrument, side, px, qty));
        // The plain rules, in their order.
        let distance = i128::from((px - reference).abs()) * 10_000;
        let counted = if side == Buy {
            i128::from(px)
        } else {
            i128::from(px).max((i128::from(reference) * 10_200 + 9_999) / 10_000)
        };
        let want = if distance > 200 * i128::from(reference) {
            Reason::PriceOutsideCollar
        } else if qty > qty_max {
            Reason::MaxQtyExceeded
        } else if counted * i128::from(qty) * e8 > value_max {
            Reason::MaxNotionalExceeded
        } else {
            Reason::Ok
        };
        t.want(&format!("order {seq}: {side:?} {qty} at {px}, reference {reference}"), is, want);
        if is == Reason::Ok {
            rig.report(about(id(1, seq), instrument, ReportKind::Cancelled, 0));
        }
    }
    t.replays(&rig);
}

fn bursts(t: &mut Tally) {
    let mut rng = rng(t);
    let mut rig = t.rig(&[("/strategies/0/duplicates", json!({ "count_max": 3, "window_ms": 1_000 }))]);
    // When each accepted message was, and what it asked for.
    let mut sent: VecDeque<(u64, i64)> = VecDeque::new();
    let mut now_ms = 0;
    for seq in 1..=4_000 {
        let step = rng.below(160);
        now_ms += step;
        rig.pass_ms(step);
        rig.apply(Event::RouterCredits(100));
        rig.price(PERP, 600_000);
        let px = 590_000 + rng.below(4) as i64;
        let is = rig.reason(limit(id(1, seq), PERP, Buy, px, 1));
        while sent.front().is_some_and(|(at, _)| now_ms - at >= 1_000) {
            sent.pop_front();
        }
        let same = sent.iter().filter(|(_, p)| *p == px).count();
        let want = if same >= 3 {
            Reason::DuplicateEconomics
        } else if sent.len() >= 10 {
            Reason::MessageRate
        } else {
            Reason::Ok
        };
        t.want(&format!("message {seq} at {now_ms} ms"), is, want);
        if is == Reason::Ok {
            sent.push_back((now_ms, px));
            rig.report(about(id(1, seq), PERP, ReportKind::Cancelled, 0));
        }
    }
    t.replays(&rig);
}

fn lives(t: &mut Tally) {
    let mut rng = rng(t);
    let mut rig = t.rig(&[
        ("/strategies/0/messages_max", json!(4_000)),
        ("/firm/open_orders_max", json!(64)),
        ("/strategies/0/open_orders_max", json!(64)),
        ("/instruments/1/position_lots_max", json!(100_000)),
        ("/strategies/0/exposure_e8_max", json!(i64::MAX)),
        ("/accounts/0/exposure_e8_max", json!(i64::MAX)),
        ("/firm/exposure_e8_max", json!(i64::MAX)),
    ]);
    // Ours: signed position, and live orders with their leaves.
    let mut position = 0_i128;
    let mut live: Vec<(u64, bool, i64)> = Vec::new();
    let (mut seq, mut execs) = (0, 0);
    for _ in 0..6_000 {
        rig.pass_ms(1_000);
        rig.apply(Event::RouterCredits(100));
        rig.price(PERP, 600_000);
        match rng.below(4) {
            0 | 1 => {
                seq += 1;
                let buy = rng.below(2) == 0;
                // Never at a price that meets an own order.
                let px = if buy { 599_000 } else { 601_000 };
                let qty = 1 + rng.below(60);
                let side = if buy { Buy } else { Sell };
                let reply = rig.intent(limit(id(1, seq), PERP, side, px, qty));
                let leaves =
                    |buy: bool| -> i128 { live.iter().filter(|o| o.1 == buy).map(|o| i128::from(o.2)).sum() };
                let worst = |extra_buy: i128, extra_sell: i128| {
                    let up = (position + leaves(true) + extra_buy).abs();
                    up.max((position - leaves(false) - extra_sell).abs())
                };
                let value = |lots: i128| lots * 612_000 * 10_000;
                let qty_i = i128::from(qty);
                let after = if buy { worst(qty_i, 0) } else { worst(0, qty_i) };
                let capacity = if position.signum() == if buy { -1 } else { 1 } {
                    (position.abs() - leaves(buy)).max(0)
                } else {
                    0
                };
                let limit_e8 = 700_000_000_000_i128;
                let fits = value(after) <= limit_e8;
                let reduces = qty_i <= capacity;
                let got = reply.accepted_qty_lots;
                let (want, want_qty) = if reduces || fits {
                    (Reason::Ok, qty)
                } else if capacity > 0 {
                    (Reason::Ok, capacity as u64)
                } else if value(worst(0, 0)) > limit_e8 {
                    (Reason::ReduceOnly, 0)
                } else {
                    (Reason::ExposureSymbolLimit, 0)
                };
                // An order for more than fits on its side may raise the exposure of a reducing part's other side: then it
                // is the sum that speaks.
                t.want(&format!("order {seq}: {side:?} {qty}"), reply.reason(), want);
                t.hold("its size", got == want_qty);
                if reply.reason() == Reason::Ok {
                    live.push((seq, buy, got as i64));
                }
            }
            2 if !live.is_empty() => {
                let at = rng.below(live.len() as u64) as usize;
                let (order, buy, leaves) = live[at];
                let qty = 1 + rng.below(leaves as u64) as i64;
                execs += 1;
                let side = if buy { Buy } else { Sell };
                let px = if buy { 599_000 } else { 601_000 };
                rig.report(fill(id(1, order), PERP, side, px, qty as u64, 0, &format!("e{execs}")));
                position += i128::from(if buy { qty } else { -qty });
                live[at].2 -= qty;
                live.retain(|o| o.2 > 0);
            }
            3 if !live.is_empty() => {
                let at = rng.below(live.len() as u64) as usize;
                let (order, _, _) = live.remove(at);
                let cum =
                    rig.gateway.state().orders().find(|o| o.id == id(1, order)).map_or(0, |o| o.cum_lots);
                rig.report(about(id(1, order), PERP, ReportKind::Cancelled, cum.unsigned_abs()));
            }
            _ => {}
        }
        let book = rig.gateway.state().books().next().map(|(_, b)| *b).unwrap_or_default();
        let sum = |buy: bool| -> i128 { live.iter().filter(|o| o.1 == buy).map(|o| i128::from(o.2)).sum() };
        t.hold(
            "position and reservations",
            book.position.lots == position && book.buy_lots == sum(true) && book.sell_lots == sum(false),
        );
    }
    t.replays(&rig);
}
