//! Records as events of the one model, in integers of a scale.

use crate::dec::Dec;
use crate::{Book, Level, Quote, Record, Refusal, Side, Trade};
use std::borrow::Cow;
use tidegate_normalise::{BookTicker, DepthDiff, Event, Level as Ticks, Snapshot, Trade as Print};
use tidegate_units::{EpochNs, PxTicks, QtyLots, SAFE_INTEGER};

/// Decimal places of prices and sizes: px = ticks × 10^-`px`, qty = lots × 10^-`qty`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scales {
    pub px: u8,
    pub qty: u8,
}

impl Scales {
    /// The coarsest scales at which every number of a record is whole.
    pub fn of(record: &Record) -> Self {
        let mut scales = Self::default();
        let mut note = |px: Option<Dec>, qty: Option<Dec>| {
            scales.px = scales.px.max(px.map_or(0, |px| px.trimmed().scale));
            scales.qty = scales.qty.max(qty.map_or(0, |qty| qty.trimmed().scale));
        };
        match record {
            Record::Book(book) => {
                book.bids.iter().chain(&book.asks).for_each(|level| note(Some(level.px), Some(level.qty)));
            }
            Record::Trade(trade) | Record::Liquidation(trade) => note(Some(trade.px), Some(trade.qty)),
            Record::Quote(quote) => {
                note(quote.bid_px, quote.bid_qty);
                note(quote.ask_px, quote.ask_qty);
            }
            _ => {}
        }
        scales
    }
}

/// The event of a record; none where the model has no such event or cannot hold it whole: a liquidation, a bar, an order, a
/// print whose aggressor is unknown or whose id is no number, a quote without a size.
///
/// Shape   ids that the venue does not send are 0, as is a time it does not send
/// Units   px and qty in 10^-scale, time in ns since the Unix epoch
///
/// # Errors
/// `OVERFLOW` for a number that is not whole at its scale, or beyond ±(2^53−1).
pub fn event(record: &Record, scales: Scales) -> Result<Option<Event<'static>>, Refusal> {
    match record {
        Record::Book(book) => self::book(book, scales).map(Some),
        Record::Trade(trade) => print(trade, scales),
        Record::Quote(quote) => ticker(quote, scales),
        _ => Ok(None),
    }
}

fn units(value: Dec, scale: u8) -> Result<i64, Refusal> {
    let units = value.at_scale(scale).and_then(|units| i64::try_from(units).ok()).ok_or(Refusal::Overflow)?;
    if (-SAFE_INTEGER..=SAFE_INTEGER).contains(&units) { Ok(units) } else { Err(Refusal::Overflow) }
}

fn ticks(px: Dec, qty: Dec, scales: Scales) -> Result<Ticks, Refusal> {
    Ok(Ticks { px: PxTicks(units(px, scales.px)?), qty: QtyLots(units(qty, scales.qty)?) })
}

fn book(book: &Book, scales: Scales) -> Result<Event<'static>, Refusal> {
    let side = |levels: &[Level]| -> Result<Cow<'static, [Ticks]>, Refusal> {
        let levels = levels.iter().map(|level| ticks(level.px, level.qty, scales));
        Ok(Cow::Owned(levels.collect::<Result<_, _>>()?))
    };
    let (bids, asks) = (side(&book.bids)?, side(&book.asks)?);
    let (last_id, ts_venue) = (book.last_id.unwrap_or(0), book.ts.unwrap_or(EpochNs(0)));
    Ok(if book.snapshot {
        Event::Snapshot(Snapshot { last_id, ts_venue, bids, asks })
    } else {
        let first_id = book.first_id.unwrap_or(last_id);
        Event::Depth(DepthDiff { first_id, last_id, prev_id: book.prev_id, ts_venue, bids, asks })
    })
}

fn print(trade: &Trade, scales: Scales) -> Result<Option<Event<'static>>, Refusal> {
    let level = ticks(trade.px, trade.qty, scales)?;
    let aggressor = match trade.side {
        Side::Buy => tidegate_units::Side::Buy,
        Side::Sell => tidegate_units::Side::Sell,
        Side::Unknown => return Ok(None),
    };
    let trade_id = match &trade.id {
        None => 0,
        Some(id) => match id.parse() {
            Ok(id) => id,
            Err(_) => return Ok(None),
        },
    };
    let ts_venue = trade.ts.unwrap_or(EpochNs(0));
    Ok(Some(Event::Trade(Print { trade_id, px: level.px, qty: level.qty, aggressor, ts_venue })))
}

fn ticker(quote: &Quote, scales: Scales) -> Result<Option<Event<'static>>, Refusal> {
    let (Some(bid_px), Some(bid_qty), Some(ask_px), Some(ask_qty)) =
        (quote.bid_px, quote.bid_qty, quote.ask_px, quote.ask_qty)
    else {
        return Ok(None);
    };
    Ok(Some(Event::Ticker(BookTicker {
        update_id: 0,
        ts_venue: quote.ts.unwrap_or(EpochNs(0)),
        bid: ticks(bid_px, bid_qty, scales)?,
        ask: ticks(ask_px, ask_qty, scales)?,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_becomes_whole_numbers_of_its_own_scale_or_is_refused() {
        let d = |text: &str| Dec::parse(text).unwrap();
        let level = |px: &str, qty: &str| Level { px: d(px), qty: d(qty) };
        let book = Book {
            symbol: "A".into(),
            snapshot: true,
            bids: vec![level("0.0000229000", "13355.87450757")],
            asks: vec![level("1", "0")],
            last_id: Some(7),
            ..Book::default()
        };
        let record = Record::Book(book);
        let scales = Scales::of(&record);
        assert_eq!(scales, Scales { px: 7, qty: 8 });
        let Ok(Some(Event::Snapshot(snapshot))) = event(&record, scales) else { panic!("a snapshot") };
        assert_eq!(snapshot.bids[0], Ticks { px: PxTicks(229), qty: QtyLots(1_335_587_450_757) });
        assert_eq!(snapshot.asks[0], Ticks { px: PxTicks(10_000_000), qty: QtyLots(0) });
        assert_eq!(event(&record, Scales { px: 6, qty: 8 }), Err(Refusal::Overflow));
        assert_eq!(event(&record, Scales { px: 17, qty: 8 }), Err(Refusal::Overflow));
    }
}
