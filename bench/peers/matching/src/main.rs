//! Our matching core beside a floor and other people's engines: the same recorded day of orders, interleaved rounds, the three
//! sums of every contender held against the independent ones. The report is the last line of the output.
#![forbid(unsafe_code)]

mod floor;
mod peer;

use floor::Floor;
use peer::{OrderbookRs, lobster, on_lobster};
use serde_json::{Value, json};
use std::process::ExitCode;
use tidegate_proof::args::Args;
use tidegate_proof::bench_matching::{Flow, Order, Sums, amzn_flow, apply, core};
use tidegate_proof::report::Report;
use tidegate_proof::timing::{clock_ns, each, median, timed};

/// The contenders, in the order of their rounds.
const SIDES: [&str; 4] = ["ours", "fifo_floor", "lobster", "orderbook_rs"];
/// Passes of a round over a book of its own each, for the contenders that are through in a few milliseconds.
const PASSES: usize = 3;

fn run(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let rounds: usize = args.get("rounds", 15)?;
    args.done()?;
    if !(1..=100).contains(&rounds) {
        return Err(format!("--rounds {rounds}: want a whole number between 1 and 100"));
    }
    let flow = amzn_flow(&data)?;
    let orders = flow.orders.as_slice();
    let mut wrong = 0_u64;
    let mut seconds: [Vec<f64>; SIDES.len()] = Default::default();
    let mut out = Vec::new();
    for _ in 0..rounds {
        let mut took = [0.0; SIDES.len()];
        for _ in 0..PASSES {
            // A fresh book each time, made outside the clock on every side.
            let (mut ours, mut floor) = (core(), Floor::new());
            let (one, two) = (
                timed(|| through(orders, |order, sums| apply(&mut ours, order, &mut out, sums))),
                timed(|| through(orders, |order, sums| floor.apply(order, sums))),
            );
            wrong += u64::from((one.1, ours.resting() as u64) != (flow.sums, flow.live));
            wrong += u64::from((two.1, floor.live()) != (flow.sums, flow.live));
            took[0] += one.0;
            took[1] += two.0;
        }
        let (mut other, mut shared) = (lobster(), OrderbookRs::new());
        let three = timed(|| through(orders, |order, sums| on_lobster(&mut other, order, sums)));
        let four = timed(|| through(orders, |order, _| shared.apply(order)));
        wrong += u64::from(three.1 != flow.sums) + u64::from(shared.sums() != flow.sums);
        (took[2], took[3]) = (three.0, four.0);
        for (list, took) in seconds.iter_mut().zip(took) {
            list.push(took);
        }
    }
    let passes = [PASSES, PASSES, 1, 1];
    let speed = |side: usize| (orders.len() * passes[side]) as f64 / median(&seconds[side]);
    let mut report = Report::new();
    report.check("vs_fifo_floor", speed(0) / speed(1), ">=", 0.4, "x");
    report.check("vs_lobster", speed(0) / speed(2), ">=", 1.0, "x");
    report.check("vs_orderbook_rs", speed(0) / speed(3), ">=", 1.0, "x");
    report.zero("sums_wrong", wrong, (rounds * (2 * PASSES + 2)) as u64, 8);
    for (side, name) in SIDES.iter().enumerate() {
        let ms: Vec<f64> = seconds[side].iter().map(|took| took * 1e3 / passes[side] as f64).collect();
        report.figure(&format!("{name}.rounds_ms"), ms);
        report.figure(&format!("{name}.k_per_s"), speed(side) / 1e3);
    }
    for (name, tail) in single(&flow) {
        report.figure(&format!("{name}.each_ns"), tail);
    }
    report.figure("clock_ns", clock_ns());
    let (limit, cancel, ioc) = flow.mix();
    report.figure(
        "flow",
        json!({
            "orders": orders.len(), "limit": limit, "cancel": cancel, "ioc": ioc, "trades": flow.sums.trades,
            "volume": flow.sums.volume, "value": flow.sums.value, "live": flow.live,
        }),
    );
    Ok(report)
}

/// The whole day, and the sums of what it traded.
fn through(orders: &[Order], mut apply: impl FnMut(&Order, &mut Sums)) -> Sums {
    let mut sums = Sums::default();
    for order in orders {
        apply(order, &mut sums);
    }
    sums
}

/// One more pass a side with every message timed by itself.
fn single(flow: &Flow) -> Vec<(&'static str, Value)> {
    let (mut ours, mut floor, mut other, mut shared) = (core(), Floor::new(), lobster(), OrderbookRs::new());
    let (mut out, mut sums) = (Vec::new(), Sums::default());
    let orders = flow.orders.as_slice();
    vec![
        (SIDES[0], each(orders, |order| apply(&mut ours, order, &mut out, &mut sums))),
        (SIDES[1], each(orders, |order| floor.apply(order, &mut sums))),
        (SIDES[2], each(orders, |order| on_lobster(&mut other, order, &mut sums))),
        (SIDES[3], each(orders, |order| shared.apply(order))),
    ]
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    tidegate_proof::tell(Args::parse(&words).and_then(|args| run(&args)))
}
