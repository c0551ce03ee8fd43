//! All golden messages as streams: a reader, and what it is fed in order.

use super::captures;
use super::cases::Case;
use super::fixtures::{self, Body};
use super::readers;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_dialects::json;
use tidegate_dialects::{Dialect, Outcome, Record};
use tidegate_units::EpochNs;

/// One message of a stream; `asked` is the symbol where it is the answer to a request.
#[derive(Debug, Clone)]
pub struct Input {
    pub asked: Option<String>,
    pub recv: EpochNs,
    pub message: Vec<u8>,
}

impl Input {
    /// Feeds it to a reader.
    pub fn read(&self, message: &[u8], reader: &mut dyn Dialect, records: &mut Vec<Record>) -> Outcome {
        match &self.asked {
            Some(symbol) => reader.read_fetched(symbol, message, self.recv, records),
            None => reader.read(message, self.recv, records),
        }
    }
}

/// Messages that share a reader.
pub struct Stream {
    pub name: String,
    pub make: Box<dyn Fn() -> Box<dyn Dialect>>,
    pub inputs: Vec<Input>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("name", &self.name)
            .field("inputs", &self.inputs.len())
            .finish_non_exhaustive()
    }
}

/// The streams of the cases, one a group.
pub fn of_cases(cases: &[Case]) -> Vec<Stream> {
    let mut groups: BTreeMap<&str, Stream> = BTreeMap::new();
    for case in cases {
        let (exchange, since) = (case.exchange.clone(), case.since.clone());
        let stream = groups.entry(&case.group).or_insert_with(|| Stream {
            name: case.group.clone(),
            make: Box::new(move || {
                readers::of_case(&exchange, &since)
                    .unwrap_or_else(|| Box::new(tidegate_dialects::venues::bullish::Bullish))
            }),
            inputs: Vec::new(),
        });
        stream.inputs.push(Input { asked: None, recv: case.recv, message: case.message.clone() });
    }
    groups.into_values().collect()
}

/// The streams of the bodies, one a body.
pub fn of_bodies(bodies: Vec<Body>) -> Vec<Stream> {
    bodies
        .into_iter()
        .map(|body| {
            let mut inputs = Vec::new();
            if body.way.starts_with("opened") {
                let symbol = json::parse(&body.message).ok().map(|read| read.word("s").to_string());
                let message = fixtures::EMPTY.to_vec();
                inputs.push(Input { asked: symbol, recv: EpochNs(0), message });
            }
            let asked = body.way.starts_with("fetched").then(|| "-".to_string());
            inputs.push(Input { asked, recv: EpochNs(0), message: body.message.clone() });
            Stream { name: body.name.clone(), make: Box::new(move || fixtures::reader(&body)), inputs }
        })
        .collect()
}

/// The streams of the captures, one a connection.
///
/// # Errors
/// A file that cannot be read.
pub fn of_captures(data: &Path) -> Result<Vec<Stream>, String> {
    let mut streams = Vec::new();
    for venue in captures::VENUES {
        for part in venue.parts {
            let inputs = captures::inputs(data, venue, part)?
                .into_iter()
                .map(|input| Input {
                    asked: input.asked,
                    recv: input.received.recv,
                    message: input.received.message,
                })
                .collect();
            let make = Box::new(move || captures::reader(venue.name));
            streams.push(Stream { name: format!("{}.{part}", venue.name), make, inputs });
        }
    }
    Ok(streams)
}
