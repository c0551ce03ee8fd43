//! The USD-M capture: normalise each message, keep the book, compute the features.

use crate::alloc::counted;
use flate2::read::MultiGzDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use tidegate_book::L2Book;
use tidegate_features::shared::Shared;
use tidegate_features::{Panel, Print, Row, Touch, View};
use tidegate_normalise::{Binance, Event, Level, Market, SymbolSpec};
use tidegate_units::{EpochNs, Side};

pub struct Capture {
    text: String,
}

fn reader() -> Binance {
    let spec = SymbolSpec { symbol: "BTCUSDT".into(), px_scale: 1, px_unit: 1, qty_scale: 3, qty_unit: 1 };
    Binance::new(Market::UsdM, spec)
}

impl Capture {
    pub fn read(data: &Path) -> Result<Self, String> {
        let path = data.join("binance-raw-2024-08/usdm_btcusdt_20240808.jsonl.gz");
        let bytes = std::fs::read(&path).map_err(|fault| format!("{}: {fault}", path.display()))?;
        let mut text = String::new();
        MultiGzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .map_err(|fault| format!("{}: {fault}", path.display()))?;
        Ok(Self { text })
    }

    /// The messages without their receive times.
    fn messages(&self) -> impl Iterator<Item = &[u8]> {
        self.text.lines().filter_map(|line| line.split_once(' ')).map(|(_, message)| message.as_bytes())
    }

    pub fn count(&self) -> usize {
        self.messages().count()
    }

    /// Reads every message; the number of those accepted.
    pub fn normalise(&self) -> u64 {
        let mut reader = reader();
        let mut accepted = 0;
        for message in self.messages() {
            let mut sink = |symbol: usize, event: Event<'_>| {
                std::hint::black_box((symbol, event));
            };
            accepted += u64::from(reader.parse(message, &mut sink).unwrap_or(0));
        }
        accepted
    }

    pub fn events(&self) -> Vec<Event<'static>> {
        let mut reader = reader();
        let mut events = vec![];
        for message in self.messages() {
            // A refusal has no event.
            let _ = reader.parse(message, &mut |_, event| events.push(event.into_owned()));
        }
        events
    }

    pub fn kinds(&self) -> BTreeMap<&'static str, u64> {
        let mut kinds = BTreeMap::new();
        for event in self.events() {
            let kind = match event {
                Event::Depth(_) => "depth",
                Event::Snapshot(_) => "snapshot",
                Event::Ticker(_) => "ticker",
                Event::Trade(_) => "trade",
                _ => "other",
            };
            *kinds.entry(kind).or_insert(0) += 1;
        }
        kinds
    }

    /// Prices of the trades in dollars.
    pub fn prices(&self) -> Vec<f64> {
        let px = |event: &Event<'_>| match event {
            Event::Trade(trade) => Some(trade.px.0 as f64 / 10.0),
            _ => None,
        };
        self.events().iter().filter_map(px).collect()
    }
}

fn put(book: &mut L2Book, side: Side, levels: &[Level]) {
    for level in levels {
        book.set(side, level.px.0, level.qty.0);
    }
}

/// What an event does to the book.
fn apply(book: &mut L2Book, seen: &mut u64, event: &Event<'_>) {
    match event {
        Event::Snapshot(snapshot) => {
            book.clear();
            put(book, Side::Buy, &snapshot.bids);
            put(book, Side::Sell, &snapshot.asks);
            *seen = snapshot.last_id;
        }
        Event::Depth(diff) if diff.last_id > *seen => {
            put(book, Side::Buy, &diff.bids);
            put(book, Side::Sell, &diff.asks);
        }
        _ => {}
    }
}

/// What the kernel sees of an event that is no trade.
#[inline]
fn view(panel: &mut Panel, book: &L2Book, n: u64, event: &Event<'_>) -> View {
    if !matches!(event, Event::Ticker(_)) {
        panel.refresh(book);
    }
    let (touch, ts) = match event {
        Event::Ticker(ticker) => {
            let side = |level: Level| (level.qty.0 > 0).then_some((level.px.0, level.qty.0));
            (Touch { bid: side(ticker.bid), ask: side(ticker.ask) }, ticker.ts_venue)
        }
        Event::Depth(diff) => (Touch::of(book), diff.ts_venue),
        _ => (Touch::of(book), EpochNs(0)),
    };
    panel.view(touch, book, ts, n)
}

/// Reads every value, so that none may be left out.
#[inline]
fn checksum(row: &Row) -> i64 {
    row.values().iter().fold(0, |sum, value| sum ^ value)
}

/// What an event does to the features.
fn features(kernel: &mut Shared, panel: &mut Panel, book: &L2Book, n: u64, event: &Event<'_>) -> i64 {
    if let Event::Trade(trade) = event {
        kernel.on_trade(&Print::certain(trade.px.0, trade.qty.0, trade.aggressor, trade.ts_venue));
        return 0;
    }
    checksum(kernel.on_view(&view(panel, book, n, event)))
}

pub fn book_only(events: &[Event<'_>]) -> Option<(i64, i64)> {
    let (mut book, mut seen) = (L2Book::default(), 0);
    for event in events {
        apply(&mut book, &mut seen, event);
        std::hint::black_box(&book);
    }
    book.best(Side::Buy)
}

/// What the kernel is fed, without the book.
pub enum Input {
    View(View),
    Trade(Print),
}

/// The inputs of the kernel, made beforehand.
pub fn inputs(events: &[Event<'_>]) -> Vec<Input> {
    let (mut book, mut seen) = (L2Book::default(), 0);
    let mut panel = Panel::default();
    let mut out = vec![];
    for (n, event) in events.iter().enumerate() {
        apply(&mut book, &mut seen, event);
        out.push(match event {
            Event::Trade(trade) => {
                Input::Trade(Print::certain(trade.px.0, trade.qty.0, trade.aggressor, trade.ts_venue))
            }
            _ => Input::View(view(&mut panel, &book, n as u64 + 1, event)),
        });
    }
    out
}

/// The kernel alone.
pub fn kernel_only(inputs: &[Input]) -> i64 {
    let mut kernel = Shared::new(3);
    let mut sum = 0_i64;
    for input in inputs {
        match input {
            Input::Trade(print) => kernel.on_trade(print),
            Input::View(view) => sum = sum.wrapping_add(checksum(kernel.on_view(view))),
        }
    }
    sum
}

/// A sum of all values of all outputs.
pub fn book_and_features(events: &[Event<'_>]) -> i64 {
    let (mut book, mut seen) = (L2Book::default(), 0);
    let (mut kernel, mut panel) = (Shared::new(3), Panel::default());
    let mut sum = 0_i64;
    for (n, event) in events.iter().enumerate() {
        apply(&mut book, &mut seen, event);
        std::hint::black_box(&book);
        sum = sum.wrapping_add(features(&mut kernel, &mut panel, &book, n as u64 + 1, event));
    }
    sum
}

/// Allocations within the feature calls, and how many calls there were.
pub fn allocations(events: &[Event<'_>]) -> (u64, u64) {
    let (mut book, mut seen) = (L2Book::default(), 0);
    let (mut kernel, mut panel) = (Shared::new(3), Panel::default());
    let mut count = 0;
    for (n, event) in events.iter().enumerate() {
        apply(&mut book, &mut seen, event);
        count += counted(|| features(&mut kernel, &mut panel, &book, n as u64 + 1, event)).1;
    }
    (count, events.len() as u64)
}
