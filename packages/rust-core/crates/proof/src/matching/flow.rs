//! A recorded day as orders, through the core: the sums of an independent matcher, and with orders of ours among them every
//! event and every place in the queue as the plain model has it.

use super::Plant;
use super::plain::Plain;
use crate::bench_matching::{FLOW_LIVE, FLOW_SUMS, Flow, Kind, Order, Sums, feed};
use crate::books::tally::Tally;
use tidegate_matching::engine::{Engine, Event, Request, Stp, Tif};
use tidegate_units::Side;

const PROBE_EVERY: usize = 50;
const PROBE_LIVES: usize = 1_500;
const PROBES: u64 = 1 << 50;

/// The sums of the whole day.
pub fn sums(flow: &Flow, plant: Plant) -> Tally {
    let mut tally = Tally::new("flow_sums");
    let mut orders = flow.orders.clone();
    if plant == Plant::DropCommand {
        let mut cancels = 0;
        orders.retain(|order| {
            cancels += u64::from(order.kind == Kind::Cancel);
            order.kind != Kind::Cancel || !cancels.is_multiple_of(100)
        });
    }
    let (mut engine, mut out) = (Engine::new((), 1 << 20), Vec::new());
    engine.add_account();
    let found = feed(&mut engine, &orders, &mut out);
    let live = engine.resting() as u64;
    for (name, found, want) in [
        ("trades", found.trades, FLOW_SUMS.trades),
        ("volume", found.volume, FLOW_SUMS.volume),
        ("value", found.value, FLOW_SUMS.value),
        ("live", live, FLOW_LIVE),
    ] {
        tally.case(found == want, || format!("{name} {found}, want {want}"));
    }
    tally.note("orders", flow.orders.len());
    tally
}

fn request(order: &Order) -> Request {
    let tif = if order.kind == Kind::Ioc { Tif::Ioc } else { Tif::Gtc };
    Request { stp: Stp::None, ..Request::limit(order.id, 0, order.side, order.px, order.qty, tif) }
}

/// The first `limit` orders of the day with ours among them, 0 for all.
pub fn queues(flow: &Flow, plant: Plant, limit: usize) -> Tally {
    let mut tally = Tally::new("queue_amzn_orders");
    let (mut engine, mut plain) = (Engine::new((), 1 << 20), Plain::default());
    engine.add_account();
    engine.add_account();
    let orders = if limit > 0 { flow.orders.get(..limit).unwrap_or(&flow.orders) } else { &flow.orders };
    let (mut ours, mut places, mut fills): (Vec<(u64, usize)>, u64, u64) = (Vec::new(), 0, 0);
    let mut out = Vec::new();
    let mut sums = Sums::default();
    for (at, order) in orders.iter().enumerate() {
        out.clear();
        plain.events.clear();
        if at % PROBE_EVERY == 0 {
            for side in [Side::Buy, Side::Sell] {
                let Some(px) = engine.best(side) else { continue };
                let id = PROBES + (at as u64) * 2 + side as u64;
                let qty = 1 + (at as i64 * 13) % 300;
                let own = Request { stp: Stp::None, ..Request::limit(id, 1, side, px, qty, Tif::PostOnly) };
                let (core, want) = (engine.submit(&own, &mut out), plain.submit(&own));
                tally.case(core == want, || format!("probe {id}: {core:?}, want {want:?}"));
                ours.push((id, at));
            }
            for (id, since) in &ours {
                if at - since > PROBE_LIVES {
                    let (core, want) = (engine.cancel(*id, &mut out), plain.cancel(*id));
                    tally.case(core == want, || format!("probe {id}: {core:?}, want {want:?}"));
                }
            }
        }
        let lost = plant == Plant::DropCommand && at % 997 == 996;
        let (core, want) = match order.kind {
            Kind::Cancel => {
                let core = if lost { Ok(true) } else { Ok(engine.cancel(order.id, &mut out)) };
                (core, Ok(plain.cancel(order.id)))
            }
            _ => {
                let core =
                    if lost { Ok(true) } else { engine.submit(&request(order), &mut out).map(|()| true) };
                (core, plain.submit(&request(order)).map(|()| true))
            }
        };
        ours.retain(|(id, _)| engine.order(*id).is_some());
        for (id, _) in &ours {
            places += 1;
            let (found, want) = (engine.queue_ahead(*id).map(|ahead| ahead.0), plain.ahead(*id));
            tally.case(found == want, || format!("order {at}, probe {id}: {found:?} ahead, want {want:?}"));
        }
        tally.case(core == want && out == plain.events, || {
            format!("order {at} {order:?}: {core:?} {out:?}, want {want:?} {:?}", plain.events)
        });
        for event in &out {
            if let Event::Fill(fill) = event {
                sums.add(fill.px, fill.qty);
                fills += u64::from([fill.buyer, fill.seller].iter().flatten().any(|party| party.1 == 1));
            }
        }
    }
    tally.note("orders", orders.len());
    tally.note("trades", sums.trades);
    tally.note("fills_of_ours", fills);
    tally.note("places_compared", places);
    tally
}
