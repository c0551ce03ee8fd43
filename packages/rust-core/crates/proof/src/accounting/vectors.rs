//! Position vectors of another platform (subhft, read from the outside), whose averages are whole numbers.
//!
//! Net quantity, average price and fees must be equal. Its realised profit is made from rounded averages, so that it does
//! not add up to the cash; ours does, and each difference must lie within half a tick of average for each lot closed.

use super::Part;
use tidegate_risk::Position;
use tidegate_risk::contract::div_nearest;
use tidegate_units::Side::{self, Buy, Sell};

/// One fill and what the other platform says after it.
struct Step {
    side: Side,
    qty: i64,
    px: i64,
    fee: i64,
    net: i128,
    average: i128,
    realised: i128,
    fees: i128,
}

const fn step(side: Side, fill: [i64; 3], after: [i128; 4]) -> Step {
    let [qty, px, fee] = fill;
    let [net, average, realised, fees] = after;
    Step { side, qty, px, fee, net, average, realised, fees }
}

/// Each list is one life of one position, with its multiplier.
fn lives() -> Vec<(i64, Vec<Step>)> {
    vec![
        (
            1,
            vec![
                step(Buy, [10, 100_000, 5], [10, 100_000, 0, 5]),
                step(Buy, [5, 100_200, 3], [15, 100_067, 0, 8]),
                step(Sell, [8, 100_500, 4], [7, 100_067, 3_464, 12]),
                step(Sell, [7, 100_100, 4], [0, 0, 3_695, 16]),
                step(Buy, [20, 100_050, 10], [20, 100_050, 3_695, 26]),
                step(Sell, [20, 100_400, 10], [0, 0, 10_695, 36]),
            ],
        ),
        (1, vec![step(Buy, [1, 100, 0], [1, 100, 0, 0]), step(Buy, [1, 101, 0], [2, 101, 0, 0])]),
        (1, vec![step(Sell, [1, 100, 0], [-1, 100, 0, 0]), step(Sell, [1, 101, 0], [-2, 101, 0, 0])]),
        (1, vec![step(Buy, [1, 100, 0], [1, 100, 0, 0]), step(Buy, [2, 101, 0], [3, 101, 0, 0])]),
        (
            50,
            vec![
                step(Buy, [5, 1_000_000, 0], [5, 1_000_000, 0, 0]),
                step(Sell, [8, 1_200_000, 0], [-3, 1_200_000, 50_000_000, 0]),
                step(Buy, [3, 1_100_000, 0], [0, 0, 65_000_000, 0]),
            ],
        ),
    ]
}

pub fn compare(plant: &str) -> Part {
    let mut part = Part::default();
    for (life, (multiplier, steps)) in lives().iter().enumerate() {
        let mut position = Position::default();
        let (mut fees, mut closed, mut cash) = (0, 0_i128, 0_i128);
        for (at, step) in steps.iter().enumerate() {
            let before = position.lots;
            let cost = i128::from(step.px) * i128::from(step.qty) * i128::from(*multiplier);
            let side = if plant == "short-sign" && at == 1 { step.side.opposite() } else { step.side };
            position = position.after_cost(side, step.qty, cost).unwrap_or_default();
            fees += i128::from(if plant == "lost-fee" { 0 } else { step.fee });
            cash -= i128::from(step.side.sign()) * cost;
            if before.signum() == -i128::from(step.side.sign()) {
                closed += i128::from(step.qty).min(before.abs());
            }
            let lots_cost = position.lots * i128::from(*multiplier);
            let average =
                if lots_cost == 0 { 0 } else { div_nearest(position.open_cost_e8, lots_cost).unwrap_or(0) };
            let name = || format!("life {life} step {at}");
            part.equal.note(position.lots == step.net, || format!("{}: net {}", name(), position.lots));
            part.equal.note(average == step.average, || format!("{}: average {average}", name()));
            part.equal.note(fees == step.fees, || format!("{}: fees {fees}", name()));
            let off = (position.realised_e8 - step.realised).abs();
            part.equal.note(off * 2 <= closed * i128::from(*multiplier), || {
                format!("{}: realised {} and {}", name(), position.realised_e8, step.realised)
            });
            part.explained += u64::from(off != 0);
            let law = position.realised_e8 == cash + position.open_cost_e8;
            part.law.note(law, || format!("{}: profit without its cash", name()));
            if position.lots == 0 {
                // What cash says of a closed position leaves nothing to explain.
                part.equal.note(position.realised_e8 == cash, || format!("{}: {cash}", name()));
            }
        }
    }
    part
}
