//! The live readers of Alpaca and Shioaji on the vendors' own documents: every event they give, and every refusal, is held
//! against golden lines of another program, in JSON and, of Alpaca, in MessagePack as well.

use super::corpus::{Input, Stream};
use super::documents::{self, Document};
use super::msgpack;
use super::permute::{Permuted, ROUNDS};
use super::plant::{Fault, Planted};
use super::production::Live;
use super::render;
use super::rng::Rng;
use super::tally::{Tally, Verdict};
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_dialects::json::{self, Json};
use tidegate_normalise::{
    Alpaca, Event, Last, Level, Moves, Print, RefusalCounts, Shioaji, SymbolSpec, TradingState,
};
use tidegate_units::{EpochNs, Side};

/// `set|file|number|event of the stream|line…`: what each message of a stream must give. Written by a program in another
/// language, with another decimal and another calendar, which takes what a print moves from the specification of the UTP plan.
const GOLDEN: &str = include_str!("../../golden/live.txt");

/// Decimal places of all prices, and of Alpaca's sizes; Shioaji's are whole.
const SCALE: u32 = 8;

/// The messages of one venue's streams as its live reader gets them, each of which gives what it must: for benches.
#[derive(Debug)]
pub struct Sample {
    pub specs: Vec<SymbolSpec>,
    /// Shioaji's event by name, empty for Alpaca, and the bytes.
    pub messages: Vec<(&'static str, Vec<u8>)>,
}

/// The market data of the vendors' documents: Alpaca's in JSON and in MessagePack, Shioaji's. A message that is refused or is an
/// answer to a request is left out.
///
/// # Errors
/// A file that cannot be read, or no message of one kind.
pub fn samples(data: &Path) -> Result<[Sample; 3], String> {
    let mut documents = Vec::new();
    for set in documents::SETS {
        documents.extend(documents::read(data, set)?);
    }
    let all = read(&documents)?;
    let market = |message: &&Message| {
        message.golden.iter().all(|line| !["refused", "ack", "error"].iter().any(|no| line.starts_with(no)))
    };
    let sample = |set: &str, form: fn(&Message) -> Option<&Vec<u8>>| {
        let of: Vec<&Message> = all.iter().filter(|message| message.set == set).filter(market).collect();
        let mut specs: Vec<SymbolSpec> = of.iter().flat_map(|message| message.specs()).collect();
        specs.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        specs.dedup();
        let messages: Vec<_> =
            of.iter().filter_map(|message| Some((message.event, form(message)?.clone()))).collect();
        if messages.is_empty() { Err(format!("{set}: no message")) } else { Ok(Sample { specs, messages }) }
    };
    Ok([
        sample("alpaca-fixtures", |message| message.text.as_ref())?,
        sample("alpaca-fixtures", |message| message.packed.as_ref())?,
        sample("shioaji-messages", |message| message.text.as_ref())?,
    ])
}

/// One message of a stream in the forms in which its venue sends it.
#[derive(Debug, Clone)]
pub struct Message {
    set: &'static str,
    name: String,
    /// Of Shioaji's event; empty for Alpaca's.
    event: &'static str,
    symbols: Vec<String>,
    /// None where the document has a time that only MessagePack has.
    text: Option<Vec<u8>>,
    /// Alpaca's only.
    packed: Option<Vec<u8>>,
    golden: Vec<&'static str>,
}

/// The golden lines joined with the documents they are of.
///
/// # Errors
/// A golden line of no document, or a document that is no JSON.
pub fn read(documents: &[Document]) -> Result<Vec<Message>, String> {
    let by_name: BTreeMap<(&str, &str), &Document> =
        documents.iter().map(|document| ((document.set(), document.name()), document)).collect();
    GOLDEN
        .lines()
        .map(|line| {
            let mut parts = line.split('|');
            let (Some(set), Some(file), Some(number), Some(event)) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                return Err(format!("golden line {line}: want four parts"));
            };
            let name = format!("{file} {number}");
            let document = by_name.get(&(set, name.as_str())).ok_or(format!("{name}: not in the set"))?;
            message(set, event, document, parts.collect()).map_err(|e| format!("{name}: {e}"))
        })
        .collect()
}

fn message(
    set: &'static str,
    event: &'static str,
    document: &Document,
    golden: Vec<&'static str>,
) -> Result<Message, String> {
    let read = json::parse(document.message()).map_err(|e| e.to_string())?;
    let (name, alpaca) = (document.name().to_string(), event == "stream");
    let (event, key) = if alpaca { ("", "S") } else { (event, "code") };
    // Documents print an item of a message also alone.
    let items = if let Json::Arr(items) = &read { items.as_slice() } else { std::slice::from_ref(&read) };
    let mut symbols: Vec<String> =
        items.iter().map(|item| item.word(key).to_string()).filter(|symbol| !symbol.is_empty()).collect();
    symbols.sort();
    symbols.dedup();
    let whole = if alpaca { Json::Arr(items.to_vec()) } else { read.clone() };
    let packed = if alpaca { msgpack::encode(&whole) } else { None };
    let text = (!items.iter().any(msgpack::has_timestamp)).then(|| render::plain(&whole));
    Ok(Message { set, name, event, symbols, text, packed, golden })
}

impl Message {
    fn specs(&self) -> Vec<SymbolSpec> {
        let qty_scale = if self.event.is_empty() { SCALE } else { 0 };
        let spec = |symbol: &String| SymbolSpec {
            symbol: symbol.clone(),
            px_scale: SCALE,
            px_unit: 1,
            qty_scale,
            qty_unit: 1,
        };
        self.symbols.iter().map(spec).collect()
    }

    /// Every event as a line, then every refusal with its count, as a new reader gives them.
    fn lines(&self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut sink = |at: usize, event: Event<'_>| {
            lines.push(line(self.symbols.get(at).map_or("?", String::as_str), &event));
        };
        let refused: RefusalCounts = if self.event.is_empty() {
            let mut reader = Alpaca::of(self.specs());
            let _ = reader.parse(bytes, &mut sink);
            reader.refused().clone()
        } else {
            let mut reader = Shioaji::of(self.specs());
            let _ = reader.parse(self.event.as_bytes(), bytes, &mut sink);
            reader.refused().clone()
        };
        for (name, count) in refused.nonzero() {
            lines.extend((0..count).map(|_| format!("refused {name}")));
        }
        lines
    }

    fn verdict(&self, mut lines: Vec<String>, plant: &mut Planted) -> Verdict {
        if plant.strikes(Fault::DropLive) {
            lines.pop();
        }
        // A message's refusals are counted, not placed.
        let refused = |line: &&str| line.starts_with("refused ");
        let events = self.golden.iter().copied().filter(|line| !refused(line));
        let want: Vec<&str> = events.chain(self.golden.iter().copied().filter(refused)).collect();
        if lines == want { Ok(None) } else { Err(format!("{lines:?}, want {want:?}")) }
    }

    /// The message as a stream of its live reader, whose events are counted.
    fn stream(&self, form: &str, bytes: &[u8]) -> Stream {
        let (message, event) = (self.clone(), self.event);
        let make = move || -> Box<dyn tidegate_dialects::Dialect> {
            if event.is_empty() {
                let mut reader = Alpaca::of(message.specs());
                Box::new(Live(move |bytes: &[u8]| reader.parse(bytes, &mut |_, _| {})))
            } else {
                let mut reader = Shioaji::of(message.specs());
                Box::new(Live(move |bytes: &[u8]| reader.parse(event.as_bytes(), bytes, &mut |_, _| {})))
            }
        };
        let inputs = vec![Input { asked: None, recv: EpochNs(0), message: bytes.to_vec() }];
        Stream { name: format!("{} {form}", self.name), make: Box::new(make), inputs }
    }
}

/// Holds each message of a set, in each form it has, against its golden lines; gives how many that were.
pub fn check(set: &str, messages: &[Message], plant: &mut Planted, tally: &mut Tally) -> u64 {
    let mut compared = 0;
    for message in messages.iter().filter(|message| message.set == set) {
        for (form, bytes) in [("live", &message.text), ("live, MessagePack", &message.packed)] {
            let Some(bytes) = bytes else { continue };
            compared += 1;
            let verdict = message.verdict(message.lines(bytes), plant);
            tally.take(&format!("{} {form}", message.name), verdict);
        }
    }
    compared
}

/// Feeds each JSON message in other spellings: the same events, the same refusals.
///
/// # Errors
/// A message that is no JSON.
pub fn permute(messages: &[Message], rng: &mut Rng, permuted: &mut Permuted) -> Result<(), String> {
    for message in messages {
        let Some(text) = &message.text else { continue };
        let read = json::parse(text).map_err(|e| format!("{}: {e}", message.name))?;
        let want = message.lines(text);
        for _ in 0..ROUNDS {
            let varied = render::varied(&read, rng);
            let have = message.lines(&varied);
            permuted.compared += 1;
            if have != want {
                permuted.unequal += 1;
                permuted.first.get_or_insert_with(|| {
                    format!("{} live: {have:?}: {}", message.name, String::from_utf8_lossy(&varied))
                });
            }
        }
    }
    Ok(())
}

/// Each message in each form it has as a stream, for mutations.
pub fn streams(messages: &[Message]) -> Vec<Stream> {
    let of = |message: &Message| {
        let forms = [("live", &message.text), ("live, MessagePack", &message.packed)];
        forms.into_iter().filter_map(|(form, bytes)| Some(message.stream(form, bytes.as_ref()?))).collect()
    };
    messages.iter().flat_map(|message| -> Vec<Stream> { of(message) }).collect()
}

fn line(symbol: &str, event: &Event<'_>) -> String {
    match event {
        Event::Print(print) => self::print(symbol, print),
        Event::Ticker(t) => format!(
            "quote {symbol} {} {} {} {} {}",
            t.bid.px.0, t.bid.qty.0, t.ask.px.0, t.ask.qty.0, t.ts_venue
        ),
        Event::Bar(bar) => format!(
            "bar {symbol} {}{} {} {} {} {} {} {}",
            if bar.daily { "day" } else { "minute" },
            if bar.revised { ",revised" } else { "" },
            bar.open.0,
            bar.high.0,
            bar.low.0,
            bar.close.0,
            bar.volume.0,
            bar.ts_venue
        ),
        Event::Snapshot(s) => book("book", symbol, "whole", &s.bids, &s.asks, s.ts_venue),
        Event::Indicative(s) => book("indicative", symbol, "whole", &s.bids, &s.asks, s.ts_venue),
        Event::Depth(d) => book("book", symbol, "change", &d.bids, &d.asks, d.ts_venue),
        Event::TradingStatus { trading, ts_venue, status } => {
            let state = match status.state {
                TradingState::Trading => "trading",
                TradingState::Halted => "halted",
                TradingState::Paused => "paused",
                TradingState::QuotesOnly => "quotes_only",
            };
            let reason = Some(status.reason.as_str()).filter(|reason| !reason.is_empty()).unwrap_or("-");
            // The flag that gates is the state's.
            let state = if *trading == (state == "trading") { state } else { "inconsistent" };
            format!("status {symbol} {state} {} {reason} {ts_venue}", status.code.as_str())
        }
        Event::PrintCancelled(c) => format!(
            "cancel {symbol} {} {} {} {} {}",
            c.trade_id,
            c.px.0,
            c.qty.0,
            if c.error { "error" } else { "cancel" },
            c.ts_venue
        ),
        Event::VenueError { code } => format!("error {code}"),
        Event::Ack => "ack".into(),
        other => format!("{other:?}"),
    }
}

fn print(symbol: &str, print: &Print) -> String {
    let Moves { last, high_low, volume } = print.moves;
    let last = match last {
        Last::Always => "always",
        Last::IfFirst => "if_first",
        Last::Never => "never",
    };
    let moved = |moves: bool| if moves { "y" } else { "n" };
    format!(
        "print {symbol} {} {} {} {} {last},{},{} {} {}{}{}",
        print.trade_id,
        print.px.0,
        print.qty.0,
        match print.aggressor {
            Some(Side::Buy) => "buy",
            Some(Side::Sell) => "sell",
            None => "-",
        },
        moved(high_low),
        moved(volume),
        if print.odd_lot { "odd" } else { "round" },
        print.ts_venue,
        print.total_qty.map_or_else(String::new, |total| format!(" total {}", total.0)),
        if print.trial { " trial" } else { "" }
    )
}

fn book(kind: &str, symbol: &str, whole: &str, bids: &[Level], asks: &[Level], ts: EpochNs) -> String {
    let side = |levels: &[Level]| -> String {
        let each: Vec<String> = levels.iter().map(|l| format!("{}:{}", l.px.0, l.qty.0)).collect();
        if each.is_empty() { "-".into() } else { each.join(",") }
    };
    format!("{kind} {symbol} {whole} {} {} {ts}", side(bids), side(asks))
}
