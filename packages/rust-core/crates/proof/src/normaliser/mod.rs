//! `verify normaliser`: every recorded message either gives exactly the records that an independent source says, or is
//! known by name to give none, or a written rule explains the difference.

mod captures;
mod cases;
mod compare;
mod corpus;
mod documents;
mod fixtures;
mod line;
mod literal;
mod live;
mod msgpack;
mod mutate;
mod permute;
mod plant;
mod production;
mod readers;
mod render;
mod rng;
mod source;
mod tally;
#[cfg(test)]
mod tests;

use crate::args::Args;
use crate::report::Report;
pub use live::{Sample, samples};
use plant::Planted;
use rng::Rng;

/// Mutated messages of a full run.
const MUTATIONS: u64 = 1_000_000;

/// Runs the proof. Flags: `--data`, `--break`, `--seed`, `--mutations`.
///
/// # Errors
/// Data that is not there or cannot be read, a flag that is unknown.
pub fn run(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let mut plant = Planted::named(args.text("break").as_deref())?;
    let seed = args.get("seed", 1_u64)?;
    let mutations = args.get("mutations", MUTATIONS)?;
    args.done()?;
    let mut report = Report::new();
    report.seed(seed);

    let cases = cases::read(&data)?;
    cases::check(&cases, &mut plant)?.report("normaliser-cases", cases::CASES, &mut report);
    let bodies = fixtures::read(&data)?;
    let mut tally = fixtures::check(&bodies, &mut plant);
    report
        .figure("venue-json-fixtures.live_messages_compared", production::check_bodies(&bodies, &mut tally));
    tally.report("venue-json-fixtures", fixtures::BODIES + production::BODIES, &mut report);
    let mut documents = Vec::new();
    for set in documents::SETS {
        documents.extend(documents::read(&data, set)?);
    }
    let live = live::read(&documents)?;
    for set in documents::SETS {
        let mut tally = documents::check(set, &documents, &mut plant);
        let compared = live::check(set.name, &live, &mut plant, &mut tally);
        if set.live > 0 {
            report.figure(&format!("{}.live_messages_compared", set.name), compared);
        }
        tally.report(set.name, set.documents + set.live, &mut report);
    }
    let mut captured = captures::check(&data, &mut plant)?;
    let compared = production::check(&data, &mut captured)?;
    report.figure("live_events_compared", compared);
    captured.report("ws-captures", captures::MESSAGES, &mut report);

    let mut streams = corpus::of_cases(&cases);
    streams.extend(corpus::of_bodies(bodies));
    streams.extend(documents.into_iter().filter_map(documents::Document::stream));
    streams.extend(corpus::of_captures(&data)?);
    streams.extend(production::streams(&data)?);
    let mut rng = Rng::new(seed);
    let mut permuted = permute::check(&streams, &mut rng, &mut plant)?;
    live::permute(&live, &mut rng, &mut permuted)?;
    report.zero("permuted_unequal", permuted.unequal, permuted.compared, captures::MESSAGES);
    streams.extend(live::streams(&live));
    let mutated = mutate::check(&streams, mutations, &mut rng, &mut plant);
    report.zero("throws", mutated.throws, mutated.fed, mutations);
    report.figure("mutated.read", mutated.read);
    report.figure("mutated.refused", mutated.refused);
    report.figure("streams", streams.len());
    for (name, first) in [("permuted.first_unequal", permuted.first), ("mutated.first_throw", mutated.first)]
    {
        if let Some(text) = first {
            report.figure(name, text);
        }
    }
    Ok(report)
}
