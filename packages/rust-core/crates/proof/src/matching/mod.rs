//! `verify matching`: the matching core and the venue around it against other engines' scenarios, recorded queues, a recorded
//! day of orders and a plain model.

mod cpptrader;
mod exchange_core;
mod flow;
mod plain;
mod queue;
mod random;
#[cfg(test)]
mod tests;

use crate::args::Args;
use crate::bench_book::amzn;
use crate::bench_matching::flow_of;
use crate::books::tally::Tally;
use crate::report::Report;
use serde_json::{Map, Value, json};

/// A fault planted on purpose; each must be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    None,
    /// Prices reach the core one tick too high.
    ShiftPrice,
    /// Now and then a command does not reach the core.
    DropCommand,
    /// Now and then a recorded trade does not reach the venue.
    LoseTrade,
}

impl Plant {
    fn read(text: Option<&str>) -> Result<Self, String> {
        Ok(match text {
            None => Self::None,
            Some("shift-price") => Self::ShiftPrice,
            Some("drop-command") => Self::DropCommand,
            Some("lose-trade") => Self::LoseTrade,
            Some(other) => {
                return Err(format!("--break {other}: there are shift-price, drop-command, lose-trade"));
            }
        })
    }
}

/// Fewest cases of each set, so that an empty one cannot pass.
const LEAST: &[(&str, u64)] = &[
    ("exchange_core", 50),
    ("cpptrader", 90),
    ("random", 100_000),
    ("flow_sums", 4),
    ("queue_amzn_orders", 200_000),
    ("queue_amzn", 500_000),
    ("queue_usdm", 500_000),
];

/// Runs the proof.
///
/// # Errors
/// Data that is not there, a flag that is not known.
pub fn run(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let plant = Plant::read(args.text("break").as_deref())?;
    let seed = args.get("seed", 1_u64)?;
    args.done()?;
    let recorded = amzn(&data)?;
    let flow = flow_of(&recorded.ops);
    let sets = [
        exchange_core::compare(&data, plant)?,
        cpptrader::compare(&data, plant)?,
        random::compare(seed, 1_000, 400, plant),
        flow::sums(&flow, plant),
        flow::queues(&flow, plant, 0),
        queue::lobster(&recorded, plant, 0)?,
        queue::binance(&data, plant, 0)?,
    ];
    let mut report = Report::new();
    report.seed(seed);
    let (unequal, checked) = sets
        .iter()
        .fold((0, 0), |(unequal, checked), set| (unequal + set.unexplained(), checked + set.checked));
    report.zero("unequal", unequal, checked, 1_000_000);
    let random = sets.iter().filter(|set| set.set == "random");
    let missed = |set: &Tally| random::REACHED.iter().filter(|name| set.count(name) == 0).count() as u64;
    report.check("branches_unreached", random.map(missed).sum::<u64>(), "=", 0, "");
    for set in &sets {
        let least = LEAST.iter().find(|(name, _)| *name == set.set).map_or(1, |(_, least)| *least);
        report.check(&format!("checked.{}", set.set), set.checked, ">=", least, "");
        report.figure(set.set, figures(set));
    }
    Ok(report)
}

fn figures(set: &Tally) -> Value {
    let mut out = Map::new();
    out.insert("checked".into(), json!(set.checked));
    out.insert("equal".into(), json!(set.equal));
    if let Some(first) = set.first() {
        out.insert("first_unequal".into(), json!(first));
    }
    out.extend(set.notes.clone());
    Value::Object(out)
}
