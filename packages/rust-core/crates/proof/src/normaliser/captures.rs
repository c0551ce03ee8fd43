//! `ws-captures`: real traffic of eleven venues, with the number of callbacks that an independent feed handler made of it.

use super::plant::Planted;
use super::source::{self, Received};
use super::tally::Tally;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tidegate_dialects::venues::binance::{Binance, Market};
use tidegate_dialects::venues::bitfinex::Bitfinex;
use tidegate_dialects::venues::bitstamp::Bitstamp;
use tidegate_dialects::venues::bybit::Bybit;
use tidegate_dialects::venues::coinbase::Coinbase;
use tidegate_dialects::venues::gate::Gate;
use tidegate_dialects::venues::independent_reserve::IndependentReserve;
use tidegate_dialects::venues::kraken::Kraken;
use tidegate_dialects::venues::kucoin::Kucoin;
use tidegate_dialects::venues::okex::Okex;
use tidegate_dialects::{Book, Dialect, OrderChange, Outcome, Quiet, Reading, Record};

/// Inputs of all captures together, at least.
pub const MESSAGES: u64 = 29_000;

/// One recorded venue.
#[derive(Debug)]
pub struct Venue {
    pub name: &'static str,
    /// Parts of the file names `<name>.ws.<part>.0.gz`.
    pub parts: &'static [&'static str],
    /// Callbacks by kind, as the data set's README gives them.
    pub totals: &'static [(&'static str, u64)],
}

/// All of them.
pub const VENUES: &[Venue] = &[
    Venue {
        name: "BINANCE",
        parts: &["1"],
        totals: &[("book", 176), ("quote", 84), ("trade", 2), ("bar", 2)],
    },
    Venue {
        name: "BINANCE_FUTURES",
        parts: &["1"],
        totals: &[("book", 756), ("quote", 613), ("trade", 91), ("bar", 67)],
    },
    Venue { name: "BITFINEX", parts: &["11"], totals: &[("book", 1600), ("quote", 21), ("trade", 210)] },
    Venue { name: "BITSTAMP", parts: &["1"], totals: &[("book", 627), ("trade", 10)] },
    Venue { name: "BYBIT", parts: &["25", "26"], totals: &[("book", 4278), ("trade", 251)] },
    Venue { name: "COINBASE", parts: &["28"], totals: &[("book", 9729), ("quote", 107), ("trade", 107)] },
    Venue {
        name: "GATEIO",
        parts: &["1"],
        totals: &[("book", 169), ("quote", 22), ("trade", 9), ("bar", 14)],
    },
    Venue { name: "INDEPENDENT_RESERVE", parts: &["1"], totals: &[("order", 1631)] },
    Venue {
        name: "KRAKEN",
        parts: &["48", "49", "50"],
        totals: &[("book", 4279), ("quote", 18), ("trade", 10)],
    },
    Venue {
        name: "KUCOIN",
        parts: &["1"],
        totals: &[("book", 3823), ("quote", 830), ("trade", 18), ("bar", 6)],
    },
    Venue { name: "OKCOIN", parts: &["1"], totals: &[("book", 6), ("quote", 8), ("trade", 4), ("bar", 12)] },
];

/// A new reader of one part of a venue's capture.
pub fn reader(venue: &str) -> Box<dyn Dialect> {
    match venue {
        "BINANCE" => Box::new(Binance::new(Market::Spot, true)),
        "BINANCE_FUTURES" => Box::new(Binance::new(Market::Futures, true)),
        "BITFINEX" => Box::new(Bitfinex::with_history()),
        "BITSTAMP" => Box::new(Bitstamp::default()),
        "BYBIT" => Box::new(Bybit::default()),
        "COINBASE" => Box::new(Coinbase),
        "GATEIO" => Box::new(Gate::default()),
        "INDEPENDENT_RESERVE" => Box::new(IndependentReserve {
            pairs: [
                "pmgt-nzd",
                "etc-aud",
                "eos-nzd",
                "snx-aud",
                "bch-sgd",
                "eos-sgd",
                "eth-aud",
                "etc-sgd",
                "matic-usd",
                "dot-nzd",
            ]
            .map(String::from)
            .to_vec(),
        }),
        "KRAKEN" => Box::new(Kraken),
        "KUCOIN" => Box::new(Kucoin::default()),
        _ => Box::new(Okex::spot()),
    }
}

/// The symbol that a request asked for, spelled as the venue's messages spell it.
pub fn asked(venue: &str, url: &str) -> String {
    let value = |key: &str| {
        url.split(['?', '&'])
            .find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or("")
            .to_string()
    };
    match venue {
        "BINANCE" | "BINANCE_FUTURES" | "KUCOIN" => value("symbol"),
        "GATEIO" => value("currency_pair"),
        "INDEPENDENT_RESERVE" => {
            format!("{}-{}", value("primaryCurrencyCode"), value("secondaryCurrencyCode"))
        }
        _ => url.rsplit('/').next().unwrap_or("").to_string(),
    }
}

/// One message of a capture: received on the socket, or an answer fetched for a symbol.
#[derive(Debug)]
pub struct Input {
    pub asked: Option<String>,
    pub received: Received,
}

/// The inputs of one part in the order of their arrival.
///
/// # Errors
/// A file that cannot be read.
pub fn inputs(data: &Path, venue: &Venue, part: &str) -> Result<Vec<Input>, String> {
    let folder = data.join("ws-captures");
    let lines = source::lines(&folder.join(format!("{}.ws.{part}.0.gz", venue.name)))?;
    let mut inputs: Vec<Input> =
        source::received(&lines).into_iter().map(|received| Input { asked: None, received }).collect();
    let http = folder.join(format!("{}.http.0.0.gz", venue.name));
    if http.is_file() {
        for (url, received) in source::fetched(&source::lines(&http)?) {
            inputs.push(Input { asked: Some(asked(venue.name, &url)), received });
        }
        inputs.sort_by_key(|input| input.received.recv);
    }
    Ok(inputs)
}

/// Reads every capture: no message may be refused, every number of a record must stand in its message, and the counts
/// must be the independent ones, or differ by what a rule says and the messages show.
///
/// # Errors
/// A file that cannot be read.
pub fn check(data: &Path, plant: &mut Planted) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for venue in VENUES {
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut differences = Differences::default();
        for part in venue.parts {
            let inputs = inputs(data, venue, part)?;
            let mut reader = reader(venue.name);
            for input in &inputs {
                let records = one(venue, input, reader.as_mut(), plant, &mut tally);
                differences.orders(&records);
                for record in &records {
                    *counts.entry(super::compare::short(record)).or_default() += 1;
                }
            }
            differences.books(venue.name, &inputs);
        }
        let (more, rules) = differences.reference(venue.name);
        for (kind, want) in venue.totals {
            let mut have = counts.remove(kind).unwrap_or(0);
            if *kind == "order" {
                have += counts.remove("orders").unwrap_or(0);
            }
            let name = format!("{}.{kind}", venue.name);
            let adjusted = have.saturating_add(more).saturating_sub(differences.unknown_cancels);
            tally.take(
                &name,
                match rules {
                    _ if have == *want => Ok(None),
                    Some(rule) if matches!(*kind, "book" | "order") && adjusted == *want => Ok(Some(rule)),
                    _ => Err(format!("{have}, with the differences {adjusted}, want {want}")),
                },
            );
        }
        for (kind, have) in counts {
            tally.take(&format!("{}.{kind}", venue.name), Err(format!("{have}, want none")));
        }
    }
    Ok(tally)
}

/// Reads one input, and judges it alone.
fn one(
    venue: &Venue,
    input: &Input,
    reader: &mut dyn Dialect,
    plant: &mut Planted,
    tally: &mut Tally,
) -> Vec<Record> {
    let mut records = Vec::new();
    let outcome = read(input, reader, &mut records);
    plant.records(&mut records);
    let name = outcome.map_or_else(|refusal| refusal.name(), |reading| reading.name());
    tally.outcome(&format!("{}.{name}", venue.name));
    // A snapshot that was fetched holds what waited for it, so its numbers are of several messages.
    let verdict = match (&outcome, &input.asked) {
        (Err(refusal), _) => Err(format!("refused: {refusal}")),
        (Ok(_), Some(_)) => Ok(None),
        (Ok(_), None) => super::literal::hold(&input.received.message, &records).map(|()| None),
    };
    tally.take(venue.name, verdict);
    records
}

/// Feeds one input to a reader.
pub fn read(input: &Input, reader: &mut dyn Dialect, records: &mut Vec<Record>) -> Outcome {
    let Received { recv, message } = &input.received;
    match &input.asked {
        Some(symbol) => reader.read_fetched(symbol, message, *recv, records),
        None => reader.read(message, *recv, records),
    }
}

/// What the independent handler counts and we do not, and the other way round. Each is counted over the raw messages,
/// every one read by a reader of its own that holds nothing back.
#[derive(Debug, Default)]
struct Differences {
    known: BTreeSet<String>,
    /// Cancels of orders that neither a snapshot nor a new order has named: no callback there, a record here.
    unknown_cancels: u64,
    snapshots: u64,
    /// Changes at the snapshot's own id: the snapshot holds them.
    at_snapshot: u64,
    /// Newer changes that came before the snapshot: they are in our snapshot, and callbacks of their own there.
    merged: u64,
    /// Newer changes outside the book (price 0), a callback there.
    empty: u64,
}

impl Differences {
    fn orders(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Orders(snapshot) => {
                    self.known.extend(snapshot.orders.iter().map(|(_, id, _)| id.clone()));
                }
                Record::Order(order) if order.change == OrderChange::New => {
                    self.known.insert(order.id.clone());
                }
                Record::Order(order) if order.change == OrderChange::Cancel => {
                    self.unknown_cancels += u64::from(!self.known.remove(&order.id));
                }
                _ => {}
            }
        }
    }

    fn books(&mut self, venue: &str, inputs: &[Input]) {
        if !matches!(venue, "BITSTAMP" | "GATEIO" | "KUCOIN") {
            return;
        }
        let alone = |input: &Input, open: Option<&str>| -> Option<Book> {
            let mut reader = reader(venue);
            let mut records = Vec::new();
            if let Some(symbol) = open {
                let empty = br#"{"id":0,"microtimestamp":"0","bids":[],"asks":[],"data":{"sequence":"0","bids":[],"asks":[]}}"#;
                let _ = reader.read_fetched(symbol, empty, input.received.recv, &mut records);
                records.clear();
            }
            let outcome = read(input, reader.as_mut(), &mut records);
            match (records.pop(), outcome) {
                (Some(Record::Book(book)), _) => Some(book),
                // An empty change gives no record; its ids are read from the message.
                (None, Ok(Reading::Quiet(Quiet::NoChange))) => {
                    let message = tidegate_dialects::json::parse(&input.received.message).ok()?;
                    let last_id = message.get("data")?.get("sequenceEnd")?.id().ok();
                    Some(Book { last_id, ..Book::default() })
                }
                _ => None,
            }
        };
        let mut snapshots: BTreeMap<&str, (usize, Option<u64>)> = BTreeMap::new();
        for (place, input) in inputs.iter().enumerate() {
            if let (Some(symbol), Some(book)) =
                (&input.asked, input.asked.as_ref().and_then(|_| alone(input, None)))
            {
                snapshots.insert(symbol, (place, book.last_id));
                self.snapshots += 1;
            }
        }
        for (place, input) in inputs.iter().enumerate().filter(|(_, input)| input.asked.is_none()) {
            let Some(symbol) = snapshots.keys().find(|symbol| names(&input.received.message, symbol)) else {
                continue;
            };
            let (Some((at, id)), Some(book)) = (snapshots.get(symbol), alone(input, Some(symbol))) else {
                continue;
            };
            let empty = book.bids.is_empty() && book.asks.is_empty();
            if book.last_id == *id {
                self.at_snapshot += 1;
            } else if book.last_id > *id && empty {
                self.empty += 1;
            } else if book.last_id > *id && place < *at {
                self.merged += 1;
            }
        }
    }

    /// How many more callbacks than records there are by these differences, and the rule that says so.
    fn reference(&self, venue: &str) -> (u64, Option<&'static str>) {
        match venue {
            "BITSTAMP" => (self.at_snapshot, Some("CALLBACK_AT_SNAPSHOT")),
            "GATEIO" => (self.merged, Some("CALLBACK_OF_HELD_CHANGE")),
            "KUCOIN" => (self.at_snapshot + self.merged + self.empty, Some("CALLBACK_OF_EMPTY_CHANGE")),
            "INDEPENDENT_RESERVE" => (0, Some("CANCEL_OF_UNKNOWN_ORDER")),
            _ => (0, None),
        }
    }
}

/// Whether a message is of this symbol: its name stands in it, not followed by more of a name.
fn names(message: &[u8], symbol: &str) -> bool {
    message
        .windows(symbol.len() + 1)
        .any(|part| part.starts_with(symbol.as_bytes()) && matches!(part.last(), Some(b'"' | b'.')))
}
