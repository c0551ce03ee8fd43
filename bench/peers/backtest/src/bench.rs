//! `bench backtest`: the same rows through both engines, interleaved rounds of one process, results held equal.

use crate::Example;
use crate::ours::{self, Models, Strategy};
use crate::peer::{self, LOT, Queue, TICK, Theirs};
use hftbacktest::depth::MarketDepth;
use hftbacktest::prelude::{Bot, ElapseResult};
use serde_json::json;
use tidegate_backtest::FillModel;
use tidegate_backtest::queue::{Behind, Probable};
use tidegate_backtest::sample::Own;
use tidegate_backtest::tape::Tape;
use tidegate_proof::args::Args;
use tidegate_proof::report::Report;
use tidegate_proof::timing::{median, timed};

const STEP_NS: i64 = 100_000_000;
const GRID: f64 = 0.000_5;

/// The sides, in the order of their rounds.
const SIDES: [&str; 5] =
    ["ours_replay", "hftbacktest_replay", "ours_grid", "hftbacktest_grid", "hftbacktest_grid_published"];

pub fn run(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let rounds: usize = args.get("rounds", 15)?;
    args.done()?;
    if !(1..=100).contains(&rounds) {
        return Err(format!("--rounds {rounds}: want a whole number between 1 and 100"));
    }
    let (rows, _) = ours::rows(&data)?;
    let tape = Tape::of(&rows).map_err(|fault| fault.to_string())?;
    let events = peer::events(&rows);
    let behind = Behind::PowerOfShare(3.0);
    let models = Models::of(Queue::Probable(behind), FillModel::Whole);
    let engine = || ours::engine(tape.venue(), tape.local(), Probable(behind), &models);
    let fault = |fault: hftbacktest::backtest::BacktestError| format!("hftbacktest: {fault:?}");
    let mut seconds: [Vec<f64>; SIDES.len()] = Default::default();
    let mut wrong = 0_u64;
    let mut sums = json!(null);
    for _ in 0..rounds {
        // Engines are made outside the clock on both sides; both have the day in memory.
        let (mut a, mut b) = (engine()?, peer::stock(events.clone())?);
        let (took, steps) = timed(|| {
            let mut steps = 0_u64;
            while a.elapse(STEP_NS) {
                steps += 1;
            }
            steps
        });
        seconds[0].push(took);
        let (took, other) = timed(|| {
            let mut steps = 0_u64;
            while b.elapse(STEP_NS)? == ElapseResult::Ok {
                steps += 1;
            }
            Ok(steps)
        });
        seconds[1].push(took);
        let touch = a.depth(0).and_then(|depth| depth.touch());
        let theirs = (b.depth(0).best_bid_tick(), b.depth(0).best_ask_tick());
        wrong += u64::from(steps != other.map_err(fault)? || touch != Some(theirs));

        let (mut a, mut b, mut c) = (engine()?, peer::stock(events.clone())?, peer::stock(events.clone())?);
        let (took, ours) =
            timed(|| Example::Grid(GRID).run(&mut Own::new(&mut a, TICK, LOT, 10, models.accounting)));
        seconds[2].push(took);
        let (took, theirs) = timed(|| Example::Grid(GRID).run(&mut Theirs { run: &mut b, qty: 0.01 }));
        seconds[3].push(took);
        let (took, published) = timed(|| peer::published_grid(&mut c, GRID));
        seconds[4].push(took);
        let (ours, theirs, published) = (ours?, theirs?, published?);
        let account = a.account(0).copied().unwrap_or_default();
        for run in [&b, &c] {
            let values = run.state_values(0);
            let same = account.fills == values.num_trades as u64
                && (account.cash_e8 as f64 / 1e8 - values.balance).abs()
                    <= 1e-9 * values.balance.abs().max(1.0)
                && (account.fee_e16 as f64 / 1e16 - values.fee).abs() <= 1e-9;
            wrong += u64::from(!same);
        }
        wrong += u64::from(ours != theirs || ours != published);
        sums = json!({ "steps": steps, "touch": touch, "grid_fills": account.fills, "grid_sent": ours.posted, "grid_cancelled": ours.cancelled });
    }
    let mut report = Report::new();
    let of = |side: usize| median(&seconds[side]);
    report.check("replay_vs_hftbacktest", of(1) / of(0), ">=", 1.2, "x");
    // Against whichever way of writing the grid is faster for them.
    report.check("grid_vs_hftbacktest", of(3).min(of(4)) / of(2), ">=", 1.2, "x");
    report.zero("results_unequal", wrong, rounds as u64 * 4, 4);
    for (name, list) in SIDES.into_iter().zip(&seconds) {
        report.figure(&format!("{name}.rounds_ms"), list.iter().map(|s| s * 1e3).collect::<Vec<f64>>());
        report.figure(&format!("{name}.m_rows_per_s"), rows.len() as f64 / median(list) / 1e6);
    }
    report.figure("results", sums);
    report.figure("rows", rows.len());
    report.figure("peer_rows", events.len());
    Ok(report)
}
