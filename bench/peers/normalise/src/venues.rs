//! Alpaca and Shioaji: the live readers over the messages that the vendors' own documents print, as figures.
//!
//! There is no recorded day of these streams to read. The documents' messages of market data, a dozen and a half, come in turn.
//! The floor is one pass over the same bytes that looks at each of them and tells what stands in a text from what does not: a
//! reader cannot do with less.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;
use tidegate_normalise::{Alpaca, Event, Shioaji};
use tidegate_proof::normaliser::{Sample, samples};
use tidegate_proof::report::Report;

/// Messages of one round.
const MESSAGES: usize = 300_000;

/// A round over the sample: seconds, and how many events it gave.
type Round<'a> = Box<dyn FnMut(&Sample, usize) -> (f64, u64) + 'a>;

fn alpaca(sample: &Sample) -> Round<'static> {
    let mut reader = Alpaca::of(sample.specs.clone());
    Box::new(move |sample, passes| {
        timed(sample, passes, |_, bytes| reader.parse(bytes, &mut |_, event| keep(&event)).unwrap_or(0))
    })
}

fn shioaji(sample: &Sample) -> Round<'static> {
    let mut reader = Shioaji::of(sample.specs.clone());
    Box::new(move |sample, passes| {
        timed(sample, passes, |name, bytes| {
            reader.parse(name.as_bytes(), bytes, &mut |_, event| keep(&event)).unwrap_or(0)
        })
    })
}

/// An event that is looked at is one that is made.
fn keep(event: &Event<'_>) {
    black_box(event);
}

fn timed(sample: &Sample, passes: usize, mut read: impl FnMut(&str, &[u8]) -> u32) -> (f64, u64) {
    let mut events = 0;
    let began = Instant::now();
    for _ in 0..passes {
        for (name, bytes) in &sample.messages {
            events += u64::from(read(name, bytes));
        }
    }
    (began.elapsed().as_secs_f64(), events)
}

/// How many bytes stand outside of texts; each byte decides what the next one is.
fn scan(bytes: &[u8]) -> u32 {
    let (mut inside, mut outside) = (false, 0);
    for byte in bytes {
        inside ^= *byte == b'"';
        outside += u32::from(!inside);
    }
    outside
}

/// Measures both venues: messages a second of each round, and how many times the floor's time that is, by the medians.
///
/// # Errors
/// The documents are not there, or a message that must give an event gave none.
pub fn measure(data: &Path, rounds: usize, report: &mut Report) -> Result<(), String> {
    let [json, packed, daemon] = samples(data)?;
    let sides: [(&str, &Sample, fn(&Sample) -> Round<'static>); 3] =
        [("alpaca_json", &json, alpaca), ("alpaca_msgpack", &packed, alpaca), ("shioaji", &daemon, shioaji)];
    for (name, sample, make) in sides {
        let passes = MESSAGES.div_ceil(sample.messages.len());
        let messages = (passes * sample.messages.len()) as f64;
        let mut round = make(sample);
        // Each message of the sample is market data, so that a pass without an event for each is a broken bench.
        let (_, once) = round(sample, 1);
        if once < sample.messages.len() as u64 {
            return Err(format!("{name}: {once} events of {} messages", sample.messages.len()));
        }
        let (mut own, mut floor) = (vec![], vec![]);
        for _ in 0..rounds {
            let (seconds, events) = round(sample, passes);
            if events != once * passes as u64 {
                return Err(format!("{name}: {events} events, want {}", once * passes as u64));
            }
            own.push(messages / seconds);
            let (seconds, _) = timed(sample, passes, |_, bytes| black_box(scan(black_box(bytes))));
            floor.push(messages / seconds);
        }
        let bytes: usize = sample.messages.iter().map(|(_, bytes)| bytes.len()).sum();
        report.figure(&format!("{name}_bytes_per_msg"), bytes / sample.messages.len());
        report.figure(&format!("{name}_vs_scan"), super::median(&floor) / super::median(&own));
        report.figure(&format!("{name}_msg_per_s"), own);
        report.figure(&format!("{name}_scan_msg_per_s"), floor);
    }
    Ok(())
}
