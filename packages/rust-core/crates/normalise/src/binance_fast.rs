//! What Binance sends nearly always, read in one pass: the venue's own order of fields, no white space, plain decimals.
//!
//! It recognises messages that break no rule and gives what the exact reader would; whatever else comes, it steps aside and has
//! changed nothing that counts. A property test holds the two against each other.

use crate::binance::{Market, Said, TimeUnit};
use crate::limits::LEVELS_MAX;
use crate::scan::Scan;
use crate::{BookTicker, Level, SymbolSpec, Trade};
use tidegate_units::{EpochNs, PxTicks, QtyLots, Side};

/// What the fast reader needs of the reader it belongs to.
#[derive(Debug)]
pub(crate) struct Fast<'a> {
    pub market: Market,
    pub time_unit: TimeUnit,
    pub specs: &'a [SymbolSpec],
    pub bids: &'a mut Vec<Level>,
    pub asks: &'a mut Vec<Level>,
}

/// The event of a usual message, or `None` for one the exact reader must see.
#[inline]
pub(crate) fn fast(bytes: &[u8], to: &mut Fast<'_>) -> Option<(usize, Said)> {
    let mut scan = Scan::new(bytes);
    let enveloped = scan.lit(b"{\"stream\":\"").is_some();
    if enveloped {
        scan.until_quote()?;
        scan.lit(b",\"data\":")?;
    }
    let said = if scan.lit(b"{\"e\":\"").is_some() {
        match scan.peek()? {
            b'b' => {
                scan.lit(b"bookTicker\",")?;
                ticker(&mut scan, to)?
            }
            b't' => {
                scan.lit(b"trade\",")?;
                trade(&mut scan, to)?
            }
            b'd' => {
                scan.lit(b"depthUpdate\",")?;
                depth(&mut scan, to)?
            }
            _ => return None,
        }
    } else {
        scan.lit(b"{")?;
        ticker(&mut scan, to)?
    };
    if enveloped {
        scan.lit(b"}")?;
    }
    scan.at_end().then_some(said)
}

fn time(scan: &mut Scan<'_>, unit: TimeUnit) -> Option<EpochNs> {
    unit.time(i64::try_from(scan.uint()?).ok()?).ok()
}

fn symbol<'a>(scan: &mut Scan<'_>, specs: &'a [SymbolSpec]) -> Option<(usize, &'a SymbolSpec)> {
    scan.lit(b"\"s\":\"")?;
    let found = if let [only] = specs {
        scan.bytes(only.symbol.as_bytes())?;
        (0, only)
    } else {
        let mut at = *scan;
        let text = at.until_quote()?;
        let found = specs.iter().enumerate().find(|(_, spec)| spec.symbol.as_bytes() == text)?;
        scan.bytes(text)?;
        found
    };
    scan.lit(b"\",")?;
    Some(found)
}

/// A coin-M message names its pair before or after its symbol.
fn pair(scan: &mut Scan<'_>, market: Market) -> Option<()> {
    if market == Market::CoinM && scan.lit(b"\"ps\":\"").is_some() {
        scan.until_quote()?;
        scan.lit(b",")?;
    }
    Some(())
}

#[inline(always)]
fn px(scan: &mut Scan<'_>, spec: &SymbolSpec) -> Option<PxTicks> {
    scan.decimal(spec.px_scale, spec.px_unit).filter(|px| *px > 0).map(PxTicks)
}

#[inline(always)]
fn qty(scan: &mut Scan<'_>, spec: &SymbolSpec) -> Option<QtyLots> {
    scan.decimal(spec.qty_scale, spec.qty_unit).map(QtyLots)
}

fn ticker(scan: &mut Scan<'_>, to: &Fast<'_>) -> Option<(usize, Said)> {
    scan.lit(b"\"u\":")?;
    let update_id = scan.uint()?;
    scan.lit(b",")?;
    let (at, spec) = symbol(scan, to.specs)?;
    pair(scan, to.market)?;
    scan.lit(b"\"b\":\"")?;
    let bid_px = px(scan, spec)?;
    scan.lit(b"\",\"B\":\"")?;
    let bid_qty = qty(scan, spec).filter(|qty| qty.0 > 0)?;
    scan.lit(b"\",\"a\":\"")?;
    let ask_px = px(scan, spec)?;
    scan.lit(b"\",\"A\":\"")?;
    let ask_qty = qty(scan, spec).filter(|qty| qty.0 > 0)?;
    scan.lit(b"\"")?;
    let mut ts_venue = EpochNs(0);
    if scan.lit(b",\"T\":").is_some() {
        scan.uint()?;
        scan.lit(b",\"E\":")?;
        ts_venue = time(scan, to.time_unit)?;
    }
    scan.lit(b"}")?;
    let (bid, ask) = (Level { px: bid_px, qty: bid_qty }, Level { px: ask_px, qty: ask_qty });
    Some((at, Said::Ticker(BookTicker { update_id, ts_venue, bid, ask })))
}

fn trade(scan: &mut Scan<'_>, to: &Fast<'_>) -> Option<(usize, Said)> {
    scan.lit(b"\"E\":")?;
    scan.uint()?;
    scan.lit(b",")?;
    let mut ts_venue = None;
    if scan.lit(b"\"T\":").is_some() {
        ts_venue = Some(time(scan, to.time_unit)?);
        scan.lit(b",")?;
    }
    let (at, spec) = symbol(scan, to.specs)?;
    scan.lit(b"\"t\":")?;
    let trade_id = scan.uint()?;
    scan.lit(b",\"p\":\"")?;
    let px = px(scan, spec)?;
    scan.lit(b"\",\"q\":\"")?;
    let qty = qty(scan, spec).filter(|qty| qty.0 > 0)?;
    scan.lit(b"\",")?;
    if ts_venue.is_none() {
        scan.lit(b"\"T\":")?;
        ts_venue = Some(time(scan, to.time_unit)?);
        scan.lit(b",")?;
    } else {
        scan.lit(b"\"X\":\"MARKET\",")?;
    }
    scan.lit(b"\"m\":")?;
    let aggressor = if scan.lit(b"true").is_some() {
        Side::Sell
    } else {
        scan.lit(b"false")?;
        Side::Buy
    };
    if scan.lit(b",\"M\":").is_some() && scan.lit(b"true").is_none() {
        scan.lit(b"false")?;
    }
    scan.lit(b"}")?;
    Some((at, Said::Trade(Trade { trade_id, px, qty, aggressor, ts_venue: ts_venue? })))
}

fn depth(scan: &mut Scan<'_>, to: &mut Fast<'_>) -> Option<(usize, Said)> {
    scan.lit(b"\"E\":")?;
    let ts_venue = time(scan, to.time_unit)?;
    scan.lit(b",")?;
    if scan.lit(b"\"T\":").is_some() {
        scan.uint()?;
        scan.lit(b",")?;
    }
    let (at, spec) = symbol(scan, to.specs)?;
    pair(scan, to.market)?;
    scan.lit(b"\"U\":")?;
    let first_id = scan.uint()?;
    scan.lit(b",\"u\":")?;
    let last_id = scan.uint()?;
    let mut prev_id = None;
    if to.market.chained() {
        scan.lit(b",\"pu\":")?;
        prev_id = Some(scan.uint()?);
    }
    if first_id > last_id {
        return None;
    }
    scan.lit(b",\"b\":[")?;
    levels(scan, spec, to.bids)?;
    scan.lit(b",\"a\":[")?;
    levels(scan, spec, to.asks)?;
    scan.lit(b"}")?;
    Some((at, Said::Depth { first_id, last_id, prev_id, ts_venue }))
}

fn levels(scan: &mut Scan<'_>, spec: &SymbolSpec, into: &mut Vec<Level>) -> Option<()> {
    into.clear();
    if scan.lit(b"]").is_some() {
        return Some(());
    }
    loop {
        scan.lit(b"[\"")?;
        let px = px(scan, spec)?;
        scan.lit(b"\",\"")?;
        let qty = qty(scan, spec)?;
        scan.lit(b"\"]")?;
        if into.len() == LEVELS_MAX {
            return None;
        }
        into.push(Level { px, qty });
        if scan.lit(b",").is_none() {
            return scan.lit(b"]");
        }
    }
}
