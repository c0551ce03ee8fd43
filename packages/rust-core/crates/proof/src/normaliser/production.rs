//! The readers of live trading on the recorded traffic of their venues: each event must be the one that the other reader of
//! the same message gives, and mutated messages reach them too.

use super::captures::{self, Venue};
use super::corpus::{Input, Stream};
use super::fixtures::{self, Body};
use super::tally::{Tally, Verdict};
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_dialects::event::{Scales, event};
use tidegate_dialects::json::Json;
use tidegate_dialects::venues::binance::{Binance as Broad, Market as BroadMarket};
use tidegate_dialects::{Dialect, Outcome, Quiet, Reading, Record, Refusal, Stop};
use tidegate_normalise::{Binance, Event, Market, SymbolSpec};
use tidegate_units::EpochNs;

/// How much later than its last transaction a snapshot is sent, at most.
const STAMPS_APART_NS_MAX: i64 = 1_000_000_000;

fn market(venue: &Venue) -> Option<(Market, BroadMarket)> {
    match venue.name {
        "BINANCE" => Some((Market::Spot, BroadMarket::Spot)),
        "BINANCE_FUTURES" => Some((Market::UsdM, BroadMarket::Futures)),
        _ => None,
    }
}

/// A broad reader that holds nothing back: every symbol has had an empty snapshot.
fn open(market: BroadMarket, symbols: &BTreeMap<String, Scales>) -> Broad {
    let mut broad = Broad::new(market, false);
    let mut unused = Vec::new();
    for symbol in symbols.keys() {
        let _ = broad.read_fetched(symbol, super::fixtures::EMPTY, EpochNs(0), &mut unused);
    }
    broad
}

/// The symbols of a capture and the scales at which all their numbers are whole.
fn symbols(market: BroadMarket, inputs: &[captures::Input]) -> BTreeMap<String, Scales> {
    let mut symbols: BTreeMap<String, Scales> = BTreeMap::new();
    for input in inputs {
        let mut records = Vec::new();
        let mut broad = Broad::new(market, true);
        // Only prices and sizes matter here, so that a change is read as if its book were whole.
        let named = tidegate_dialects::json::parse(&input.received.message)
            .ok()
            .and_then(|read| read.get("data").map(|data| data.word("s").to_string()));
        if let Some(symbol) = named.or_else(|| input.asked.clone()) {
            let mut unused = Vec::new();
            let _ = broad.read_fetched(&symbol, super::fixtures::EMPTY, EpochNs(0), &mut unused);
        }
        let _ = captures::read(input, &mut broad, &mut records);
        for record in &records {
            let (of, known) = (Scales::of(record), symbols.entry(record.symbol().to_string()).or_default());
            *known = Scales { px: known.px.max(of.px), qty: known.qty.max(of.qty) };
        }
    }
    symbols
}

fn reader(market: Market, symbols: &BTreeMap<String, Scales>) -> Binance {
    let spec = |(symbol, scales): (&String, &Scales)| SymbolSpec {
        symbol: symbol.clone(),
        px_scale: u32::from(scales.px),
        px_unit: 1,
        qty_scale: u32::from(scales.qty),
        qty_unit: 1,
    };
    Binance::of(market, symbols.iter().map(spec).collect())
}

/// Compares event by event; a kind that only one of the two reads (bars, aggregated prints) is passed over.
///
/// # Errors
/// A file that cannot be read.
pub fn check(data: &Path, tally: &mut Tally) -> Result<u64, String> {
    let mut compared = 0;
    for venue in captures::VENUES {
        let Some((live, broad)) = market(venue) else { continue };
        for part in venue.parts {
            let inputs = captures::inputs(data, venue, part)?;
            let symbols = symbols(broad, &inputs);
            let places: Vec<&String> = symbols.keys().collect();
            let (mut live, mut broad) = (reader(live, &symbols), open(broad, &symbols));
            for input in &inputs {
                let mut records = Vec::new();
                let _ = captures::read(input, &mut broad, &mut records);
                let read = match &input.asked {
                    None => {
                        live.read(&input.received.message).map(|(place, event)| (place, event.into_owned()))
                    }
                    Some(symbol) => {
                        let place = places.iter().position(|known| *known == symbol).unwrap_or(usize::MAX);
                        live.read_snapshot(place, &input.received.message)
                            .map(|event| (place, event.into_owned()))
                    }
                };
                let want = records.first().map(|record| {
                    let scales = symbols.get(record.symbol()).copied().unwrap_or_default();
                    (record.symbol().to_string(), event(record, scales))
                });
                let Some((symbol, Ok(Some(want)))) = want else { continue };
                compared += 1;
                let verdict = match read {
                    Ok((place, have)) if places.get(place).is_some_and(|known| **known == symbol) => {
                        same(&have, &want)
                    }
                    Ok(_) => Err(format!("another symbol than {symbol}")),
                    Err(refusal) => Err(format!("refused: {refusal}, want {want:?}")),
                };
                tally.take(&format!("{} live reader", venue.name), verdict);
            }
        }
    }
    Ok(compared)
}

/// Bodies of Binance that are one event of the live reader.
pub const BODIES: u64 = 11;

/// Compares the live reader with the other one on the bodies of Binance that it is for: messages of the streams it subscribes to
/// (aggregated prints are not among them) and depth answers.
pub fn check_bodies(bodies: &[Body], tally: &mut Tally) -> u64 {
    let mut compared = 0;
    for body in bodies.iter().filter(|body| body.venue == "binance") {
        let mut records = Vec::new();
        let _ = fixtures::feed(body, &body.message, &mut records);
        let [record] = &records[..] else { continue };
        let scales = Scales::of(record);
        let Ok(Some(want)) = event(record, scales) else { continue };
        let fetched = body.way.starts_with("fetched");
        if body.way.ends_with("-agg") || (fetched && !matches!(record, Record::Book(_))) {
            continue;
        }
        let market = if body.way.contains("futures") { Market::UsdM } else { Market::Spot };
        let mut live = reader(market, &BTreeMap::from([(record.symbol().to_string(), scales)]));
        let have = if fetched {
            live.read_snapshot(0, &body.message).map(Event::into_owned)
        } else {
            live.read(&body.message).map(|(_, event)| event.into_owned())
        };
        compared += 1;
        let verdict = match have {
            Ok(have) => same(&have, &want),
            Err(refusal) => Err(format!("refused: {refusal}, want {want:?}")),
        };
        tally.take(&format!("{} live reader", body.name), verdict);
    }
    compared
}

/// Equal in every field; the broad reader keeps no update id of a best bid and offer, and stamps a fetched snapshot with
/// the time of the last transaction in it where the live one takes the time at which it was sent.
fn same(have: &Event<'_>, want: &Event<'_>) -> Verdict {
    match (have, want) {
        (Event::Ticker(a), Event::Ticker(b)) if (a.bid, a.ask, a.ts_venue) == (b.bid, b.ask, b.ts_venue) => {
            Ok(None)
        }
        (Event::Snapshot(a), Event::Snapshot(b))
            if a.ts_venue > b.ts_venue
                && a.ts_venue.0 - b.ts_venue.0 < STAMPS_APART_NS_MAX
                && (a.last_id, &a.bids, &a.asks) == (b.last_id, &b.bids, &b.asks) =>
        {
            Ok(Some("SENT_OR_TRANSACTED"))
        }
        (a, b) if a == b => Ok(None),
        _ => Err(format!("{have:?}, want {want:?}")),
    }
}

/// A live reader behind the trait of the broad ones, for mutated messages: what it gives is counted, not kept.
pub struct Live<R>(pub R);

impl<R: FnMut(&[u8]) -> Result<u32, tidegate_normalise::Refusal>> Dialect for Live<R> {
    fn message(&mut self, _message: &Json<'_>, _recv: EpochNs, _out: &mut Vec<Record>) -> Result<(), Stop> {
        Err(Refusal::UnknownEvent.into())
    }

    fn read(&mut self, bytes: &[u8], _recv: EpochNs, _out: &mut Vec<Record>) -> Outcome {
        match (self.0)(bytes) {
            Ok(0) => Ok(Reading::Quiet(Quiet::NoChange)),
            Ok(events) => Ok(Reading::Records(events)),
            Err(tidegate_normalise::Refusal::UnknownEvent) => Err(Refusal::UnknownEvent),
            Err(_) => Err(Refusal::Malformed),
        }
    }
}

/// The captures of live venues as streams of the live readers.
///
/// # Errors
/// A file that cannot be read.
pub fn streams(data: &Path) -> Result<Vec<Stream>, String> {
    let mut streams = Vec::new();
    for venue in captures::VENUES {
        let Some((live, broad)) = market(venue) else { continue };
        for part in venue.parts {
            let inputs = captures::inputs(data, venue, part)?;
            let symbols = symbols(broad, &inputs);
            let inputs = inputs
                .into_iter()
                .filter(|input| input.asked.is_none())
                .map(|input| Input {
                    asked: None,
                    recv: input.received.recv,
                    message: input.received.message,
                })
                .collect();
            let make = Box::new(move || -> Box<dyn Dialect> {
                let mut reader = reader(live, &symbols);
                Box::new(Live(move |bytes: &[u8]| reader.parse(bytes, &mut |_, _| {})))
            });
            streams.push(Stream { name: format!("{}.{part} live", venue.name), make, inputs });
        }
    }
    Ok(streams)
}
