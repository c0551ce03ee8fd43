//! Binance bytes to checked integer events, beside a typed parse by sonic-rs and beside barter-data's whole way.
//!
//! The workload is the stream messages of one recorded USD-M file, the inner object of each. Every side turns each message into
//! events of integers and adds them to one sum; a side whose sum or count is another one fails the bench.

mod venues;

use barter_data::event::MarketIter;
use barter_data::exchange::binance::book::l1::BinanceOrderBookL1;
use barter_data::exchange::binance::futures::l2::BinanceFuturesOrderBookL2Update;
use barter_data::exchange::binance::trade::BinanceTrade;
use barter_data::subscription::book::{OrderBookEvent, OrderBookL1};
use barter_data::subscription::trade::PublicTrade;
use barter_instrument::exchange::ExchangeId;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Deserialize;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use tidegate_datasets::capture::Capture;
use tidegate_normalise::{Binance, Event, Level, Market, SymbolSpec};
use tidegate_proof::args::Args;
use tidegate_proof::report::Report;
use tidegate_proof::timing::median;

/// What an independent reading of the file gave.
const EVENTS: u64 = 530_923;
const SUM: u64 = 365_226_832_856;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ticker,
    Trade,
    Depth,
}

struct Message {
    kind: Kind,
    bytes: Vec<u8>,
}

/// Events counted and their numbers added up.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    events: u64,
    sum: u64,
}

impl Tally {
    fn add(&mut self, a: i64, b: i64) {
        self.events += 1;
        self.sum = self.sum.wrapping_add((a + b) as u64);
    }

    fn best(&mut self, bid: (i64, i64), ask: (i64, i64)) {
        self.events += 1;
        self.sum = self.sum.wrapping_add((bid.0 + bid.1 + ask.0 + ask.1) as u64);
    }
}

fn messages(data: &Path) -> Result<Vec<Message>, String> {
    let path = data.join("binance-raw-2024-08/usdm_btcusdt_20240808.jsonl.gz");
    let mut capture = Capture::open(&path).map_err(|e| e.to_string())?;
    let mut all = Vec::new();
    while let Some(line) = capture.next_message().map_err(|e| e.to_string())? {
        let Some(at) = line.message.windows(8).position(|w| w == b"\"data\":{") else { continue };
        let inner = line.message.get(at + 7..line.message.len() - 1).unwrap_or_default();
        let kind = match inner.get(6) {
            Some(b'b') => Kind::Ticker,
            Some(b't') => Kind::Trade,
            Some(b'd') => Kind::Depth,
            _ => return Err(format!("{}: a message of another kind", path.display())),
        };
        all.push(Message { kind, bytes: inner.to_vec() });
    }
    Ok(all)
}

fn reader() -> Binance {
    let spec = SymbolSpec { symbol: "BTCUSDT".into(), px_scale: 1, px_unit: 1, qty_scale: 3, qty_unit: 1 };
    Binance::new(Market::UsdM, spec)
}

fn ours(reader: &mut Binance, message: &Message, tally: &mut Tally) {
    match reader.read(&message.bytes) {
        Ok((_, Event::Ticker(t))) => tally.best((t.bid.px.0, t.bid.qty.0), (t.ask.px.0, t.ask.qty.0)),
        Ok((_, Event::Trade(t))) => tally.add(t.px.0, t.qty.0),
        Ok((_, Event::Depth(d))) => {
            let mut levels = |side: &[Level]| side.iter().for_each(|l| tally.add(l.px.0, l.qty.0));
            levels(&d.bids);
            levels(&d.asks);
        }
        Ok(_) | Err(_) => {}
    }
}

#[derive(Deserialize)]
struct SonicTrade<'a> {
    #[serde(rename = "T")]
    time: i64,
    t: u64,
    p: &'a str,
    q: &'a str,
    m: bool,
}

#[derive(Deserialize)]
struct SonicTicker<'a> {
    #[serde(rename = "T")]
    time: i64,
    u: u64,
    b: &'a str,
    #[serde(rename = "B")]
    bid_qty: &'a str,
    a: &'a str,
    #[serde(rename = "A")]
    ask_qty: &'a str,
}

#[derive(Deserialize)]
struct SonicDepth<'a> {
    #[serde(rename = "T")]
    time: i64,
    u: u64,
    pu: u64,
    #[serde(borrow)]
    b: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    a: Vec<(&'a str, &'a str)>,
}

/// Decimal text to an integer, unchecked: what a typed parse leaves to its caller, at its cheapest.
fn fixed(text: &str, scale: u32) -> i64 {
    let (mut value, mut decimals) = (0_i64, None);
    for byte in text.bytes() {
        if byte == b'.' {
            decimals = Some(0);
            continue;
        }
        if let Some(n) = &mut decimals {
            if *n == scale {
                break;
            }
            *n += 1;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    value * 10_i64.pow(scale - decimals.unwrap_or(0))
}

fn sonic(message: &Message, tally: &mut Tally) {
    match message.kind {
        Kind::Trade => {
            if let Ok(t) = sonic_rs::from_slice::<SonicTrade<'_>>(&message.bytes) {
                std::hint::black_box((t.time, t.t, t.m));
                tally.add(fixed(t.p, 1), fixed(t.q, 3));
            }
        }
        Kind::Ticker => {
            if let Ok(t) = sonic_rs::from_slice::<SonicTicker<'_>>(&message.bytes) {
                std::hint::black_box((t.time, t.u));
                tally.best((fixed(t.b, 1), fixed(t.bid_qty, 3)), (fixed(t.a, 1), fixed(t.ask_qty, 3)));
            }
        }
        Kind::Depth => {
            if let Ok(d) = sonic_rs::from_slice::<SonicDepth<'_>>(&message.bytes) {
                std::hint::black_box((d.time, d.u, d.pu));
                for (px, qty) in d.b.iter().chain(&d.a) {
                    tally.add(fixed(px, 1), fixed(qty, 3));
                }
            }
        }
    }
}

fn ticks(value: Decimal) -> i64 {
    (value * Decimal::from(10)).to_i64().unwrap_or(0)
}

fn lots(value: Decimal) -> i64 {
    (value * Decimal::from(1_000)).to_i64().unwrap_or(0)
}

fn barter(message: &Message, tally: &mut Tally) {
    let exchange = ExchangeId::BinanceFuturesUsd;
    match message.kind {
        Kind::Trade => {
            let Ok(trade) = serde_json::from_slice::<BinanceTrade>(&message.bytes) else { return };
            let events: MarketIter<u32, PublicTrade> = (exchange, 0, trade).into();
            for event in events.0.into_iter().flatten() {
                let (px, qty) = (event.kind.price * 10.0, event.kind.amount * 1_000.0);
                tally.add(px.round() as i64, qty.round() as i64);
            }
        }
        Kind::Ticker => {
            let Ok(book) = serde_json::from_slice::<BinanceOrderBookL1>(&message.bytes) else { return };
            let events: MarketIter<u32, OrderBookL1> = (exchange, 0, book).into();
            for event in events.0.into_iter().flatten() {
                if let (Some(b), Some(a)) = (event.kind.best_bid, event.kind.best_ask) {
                    tally.best((ticks(b.price), lots(b.amount)), (ticks(a.price), lots(a.amount)));
                }
            }
        }
        Kind::Depth => {
            let update = serde_json::from_slice::<BinanceFuturesOrderBookL2Update>(&message.bytes);
            let Ok(update) = update else { return };
            let events: MarketIter<u32, OrderBookEvent> = (exchange, 0, update).into();
            for event in events.0.into_iter().flatten() {
                if let OrderBookEvent::Update(book) = event.kind {
                    for level in book.bids().levels().iter().chain(book.asks().levels()) {
                        tally.add(ticks(level.price), lots(level.amount));
                    }
                }
            }
        }
    }
}

fn round(all: &[Message], mut each: impl FnMut(&Message, &mut Tally)) -> Result<f64, String> {
    let mut tally = Tally::default();
    let began = Instant::now();
    for message in all {
        each(message, &mut tally);
    }
    let seconds = began.elapsed().as_secs_f64();
    if tally == (Tally { events: EVENTS, sum: SUM }) {
        Ok(all.len() as f64 / seconds)
    } else {
        Err(format!("the result is {tally:?}, want {EVENTS} events of sum {SUM}"))
    }
}

fn percentiles(all: &[Message]) -> serde_json::Value {
    let mut reader = reader();
    let mut tally = Tally::default();
    let mut ns: Vec<u64> = all
        .iter()
        .map(|message| {
            let began = Instant::now();
            ours(&mut reader, message, &mut tally);
            began.elapsed().as_nanos() as u64
        })
        .collect();
    ns.sort_unstable();
    let at = |share: f64| ns.get(((ns.len() - 1) as f64 * share) as usize).copied().unwrap_or(0);
    serde_json::json!({ "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": at(1.0) })
}

fn run(args: &Args) -> Result<Report, String> {
    let rounds: usize = args.get("rounds", 7)?;
    let data = args.data()?;
    let all = messages(&data)?;
    let dump = args.text("dump");
    args.done()?;
    if let Some(path) = dump {
        let mut text: Vec<u8> = Vec::new();
        for message in &all {
            text.extend_from_slice(&message.bytes);
            text.push(b'\n');
        }
        std::fs::write(&path, text).map_err(|e| format!("{path}: {e}"))?;
    }
    let (mut own, mut sonic_rounds, mut barter_rounds) = (vec![], vec![], vec![]);
    let mut reader = reader();
    round(&all, |m, t| ours(&mut reader, m, t))?;
    for _ in 0..rounds {
        own.push(round(&all, |m, t| ours(&mut reader, m, t))?);
        sonic_rounds.push(round(&all, sonic)?);
        barter_rounds.push(round(&all, barter)?);
    }
    let mut report = Report::new();
    report.check("vs_sonic_typed", median(&own) / median(&sonic_rounds), ">=", 2, "x");
    report.check("vs_barter_data", median(&own) / median(&barter_rounds), ">=", 4, "x");
    report.figure("messages", all.len() as u64);
    report.figure("events", EVENTS);
    report.figure("checksum", SUM);
    report.figure("own_msg_per_s", own);
    report.figure("sonic_typed_msg_per_s", sonic_rounds);
    report.figure("barter_data_msg_per_s", barter_rounds);
    report.figure("own_ns", percentiles(&all));
    venues::measure(&data, rounds, &mut report)?;
    Ok(report)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    tidegate_proof::tell(Args::parse(&words).and_then(|args| run(&args)))
}
