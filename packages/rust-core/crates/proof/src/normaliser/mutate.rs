//! Mutated messages over all readers: whatever comes, a reader answers and does not panic.

use super::corpus::Stream;
use super::plant::{Fault, Planted};
use super::render;
use super::rng::Rng;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use tidegate_dialects::json::{self, Json};

/// Longest message that is mutated, bytes: the long ones are books whose shape short ones have too.
const MUTATED_BYTES_MAX: usize = 3_000;
/// Messages of one stream that are used, spread over it.
const OF_STREAM_MAX: usize = 400;
/// One message in this many goes to a reader of another venue.
const STRANGER_EVERY: usize = 8;

/// Values put in the place of a token.
const ODD: &[&str] = &[
    "-1",
    "0",
    "1e999",
    "1e-400",
    "-0.0",
    "99999999999999999999999999999999999999999",
    "9007199254740993",
    "1e38",
    "0.00000000000000000000000000000000000001",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "\"NaN\"",
    "\"-5\"",
    "[[[[]]]]",
    "\"9223372036854775808\"",
    "\"1970-01-01T00:00:00.000Z\"",
    "\"buy\"",
    "\"\\ud800\"",
    "4102444800001",
];

/// What the mutations came to.
#[derive(Debug, Default)]
pub struct Mutated {
    pub fed: u64,
    pub throws: u64,
    /// How many were refused by name.
    pub refused: u64,
    /// How many still gave records.
    pub read: u64,
    pub first: Option<String>,
}

/// Feeds `count` mutated messages. A reader lives on over its messages, so that its state is mutated too; one that
/// panicked is replaced.
pub fn check(streams: &[Stream], count: u64, rng: &mut Rng, plant: &mut Planted) -> Mutated {
    let mut readers: Vec<_> = streams.iter().map(|stream| (stream.make)()).collect();
    let choices: Vec<(usize, usize)> = streams
        .iter()
        .enumerate()
        .flat_map(|(s, stream)| {
            let step = stream.inputs.len().div_ceil(OF_STREAM_MAX).max(1);
            let short =
                move |(_, input): &(usize, &super::corpus::Input)| input.message.len() <= MUTATED_BYTES_MAX;
            stream.inputs.iter().enumerate().filter(short).step_by(step).map(move |(i, _)| (s, i))
        })
        .collect();
    let mut mutated = Mutated::default();
    if choices.is_empty() {
        return mutated;
    }
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut records = Vec::new();
    while mutated.fed < count {
        let Some((s, i)) = choices.get(rng.below(choices.len())).copied() else { break };
        let Some(input) = streams.get(s).and_then(|stream| stream.inputs.get(i)) else { break };
        let other = choices
            .get(rng.below(choices.len()))
            .and_then(|(s, i)| Some(&streams.get(*s)?.inputs.get(*i)?.message));
        let text = spoil(&input.message, other.map_or(&[], Vec::as_slice), rng);
        let reader = if rng.below(STRANGER_EVERY) == 0 { rng.below(readers.len()) } else { s };
        let Some(live) = readers.get_mut(reader) else { break };
        records.clear();
        let strikes = plant.strikes(Fault::Panic);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if strikes {
                resume_unwind(Box::new("planted"));
            }
            input.read(&text, live.as_mut(), &mut records)
        }));
        mutated.fed += 1;
        match outcome {
            Ok(Ok(_)) => mutated.read += 1,
            Ok(Err(_)) => mutated.refused += 1,
            Err(_) => {
                mutated.throws += 1;
                mutated
                    .first
                    .get_or_insert_with(|| String::from_utf8_lossy(&text).chars().take(500).collect());
                if let (Some(slot), Some(stream)) = (readers.get_mut(reader), streams.get(reader)) {
                    *slot = (stream.make)();
                }
            }
        }
    }
    std::panic::set_hook(hook);
    mutated
}

/// Half of the messages stay JSON, with values or fields changed; the other half have their bytes changed.
fn spoil(message: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    if rng.below(2) == 0
        && let Ok(mut tree) = json::parse(message)
    {
        for _ in 0..=rng.below(2) {
            let nodes = count(&tree);
            change(&mut tree, &mut rng.below(nodes), rng);
        }
        return render::plain(&tree);
    }
    let mut text = message.to_vec();
    for _ in 0..=rng.below(3) {
        mutate(&mut text, other, rng);
    }
    text
}

fn count(value: &Json<'_>) -> usize {
    1 + match value {
        Json::Arr(items) => items.iter().map(count).sum(),
        Json::Obj(fields) => fields.iter().map(|(_, inner)| count(inner)).sum::<usize>(),
        _ => 0,
    }
}

/// Changes the value that `left` values stand before: replaced, or a child dropped, repeated or moved.
fn change(value: &mut Json<'_>, left: &mut usize, rng: &mut Rng) -> bool {
    if *left == 0 {
        match (rng.below(4), &mut *value) {
            (0, Json::Arr(items)) if !items.is_empty() => drop(items.remove(rng.below(items.len()))),
            (1, Json::Arr(items)) if !items.is_empty() => {
                let again = items.get(rng.below(items.len())).cloned().unwrap_or(Json::Null);
                items.push(again);
            }
            (0, Json::Obj(fields)) if !fields.is_empty() => drop(fields.remove(rng.below(fields.len()))),
            (1, Json::Obj(fields)) if fields.len() > 1 => {
                let (a, b) = (rng.below(fields.len()), rng.below(fields.len()));
                let moved = fields.get(a).map(|(_, inner)| inner.clone()).unwrap_or(Json::Null);
                if let Some((_, inner)) = fields.get_mut(b) {
                    *inner = moved;
                }
            }
            _ => {
                let text = ODD.get(rng.below(ODD.len())).unwrap_or(&"0");
                *value = json::parse(text.as_bytes()).unwrap_or(Json::Null);
            }
        }
        return true;
    }
    *left -= 1;
    match value {
        Json::Arr(items) => items.iter_mut().any(|item| change(item, left, rng)),
        Json::Obj(fields) => fields.iter_mut().any(|(_, inner)| change(inner, left, rng)),
        _ => false,
    }
}

/// One change of the text.
fn mutate(text: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    if text.is_empty() {
        text.extend_from_slice(other);
        return;
    }
    let at = rng.below(text.len());
    let len = 1 + rng.below(12.min(text.len()));
    let end = (at + len).min(text.len());
    match rng.below(9) {
        0 => {
            if let Some(byte) = text.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
        }
        1 => drop(text.drain(at..end)),
        2 => {
            let part = text.get(at..end).unwrap_or(&[]).to_vec();
            let to = rng.below(text.len());
            text.splice(to..to, part);
        }
        3 => text.truncate(at),
        4 => {
            if let Some(byte) = text.get_mut(at) {
                *byte = *b"{}[]\",:-+.eE0129\\ tfn\xff\0".get(rng.below(24)).unwrap_or(&b'x');
            }
        }
        5 => {
            let from = rng.below(other.len().max(1));
            let part = other.get(from..(from + len * 4).min(other.len())).unwrap_or(&[]).to_vec();
            text.splice(at..end, part);
        }
        // A whole token becomes something odd; twice as likely, since it keeps the message JSON.
        6 | 7 => odd(text, at, rng),
        _ => {
            let b = rng.below(text.len());
            text.swap(at, b);
        }
    }
}

/// Replaces the number, text or word that begins at or after `at`.
fn odd(text: &mut Vec<u8>, at: usize, rng: &mut Rng) {
    let begins = |byte: &u8| byte.is_ascii_digit() || *byte == b'"' || *byte == b'-';
    let Some(start) = text.iter().skip(at).position(begins).map(|place| place + at) else { return };
    let quoted = text.get(start) == Some(&b'"');
    let mut end = start + 1;
    while let Some(byte) = text.get(end) {
        end += 1;
        if quoted {
            if *byte == b'"' {
                break;
            }
        } else if matches!(byte, b',' | b']' | b'}') {
            end -= 1;
            break;
        }
    }
    let value = ODD.get(rng.below(ODD.len())).unwrap_or(&"0");
    text.splice(start..end, value.bytes());
}
