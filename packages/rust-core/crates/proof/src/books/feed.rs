//! Recorded Binance messages through the production normaliser, as owned events.

use std::path::Path;
use tidegate_datasets::capture::Capture;
use tidegate_normalise::{Binance, BookTicker, DepthDiff, Event, Market, Refusal, Snapshot, SymbolSpec};
use tidegate_units::EpochNs;

/// One message that matters to a book.
#[derive(Debug, Clone)]
pub enum Msg {
    Diff(DepthDiff<'static>),
    Snapshot(Snapshot<'static>),
    Ticker(BookTicker),
}

/// One message with its receive time and, for diffs, its bytes.
#[derive(Debug, Clone)]
pub struct Timed {
    pub ts: EpochNs,
    pub msg: Msg,
    /// The message as received; kept where a mutation may cut it.
    pub raw: Box<[u8]>,
}

/// A recorded instrument of Binance: its files, market and units.
#[derive(Debug, Clone, Copy)]
pub struct Instrument {
    pub set: &'static str,
    pub files: &'static [&'static str],
    pub market: Market,
    pub symbol: &'static str,
    pub px_scale: u32,
    pub qty_scale: u32,
    /// Diffs at which a touch was compared, and those equal, as the set's own checks found.
    pub known: (u64, u64),
}

impl Instrument {
    pub fn normaliser(&self) -> Binance {
        let spec = SymbolSpec {
            symbol: self.symbol.to_string(),
            px_scale: self.px_scale,
            px_unit: 1,
            qty_scale: self.qty_scale,
            qty_unit: 1,
        };
        Binance::new(self.market, spec)
    }
}

/// What a normaliser makes of one message: an event of interest, none, or a refusal.
pub fn read(normaliser: &mut Binance, bytes: &[u8]) -> Result<Option<Msg>, Refusal> {
    let (_, event) = normaliser.read(bytes)?;
    Ok(match event {
        Event::Depth(diff) => Some(Msg::Diff(diff.into_owned())),
        Event::Snapshot(snapshot) => Some(Msg::Snapshot(snapshot.into_owned())),
        Event::Ticker(ticker) => Some(Msg::Ticker(ticker)),
        _ => None,
    })
}

/// All messages of an instrument's files, in order. A refusal of a recorded message is an error.
///
/// # Errors
/// A file that cannot be read, a message that the normaliser refuses.
pub fn load(data: &Path, of: &Instrument, keep_raw: bool) -> Result<Vec<Timed>, String> {
    let mut normaliser = of.normaliser();
    let mut all = Vec::new();
    for file in of.files {
        let path = data.join("binance-raw-2024-08").join(file);
        let mut capture = Capture::open(&path)?;
        loop {
            let at = capture.at() + 1;
            let Some(received) = capture.next_message()? else { break };
            match read(&mut normaliser, received.message) {
                Ok(Some(msg)) => {
                    let raw = match msg {
                        Msg::Diff(_) if keep_raw => received.message.into(),
                        _ => Box::default(),
                    };
                    all.push(Timed { ts: received.ts_recv, msg, raw });
                }
                Ok(None) | Err(Refusal::NonMarketTrade) => {}
                Err(refusal) => {
                    return Err(format!("{}:{at}: the normaliser refuses it: {refusal}", path.display()));
                }
            }
        }
    }
    Ok(all)
}
