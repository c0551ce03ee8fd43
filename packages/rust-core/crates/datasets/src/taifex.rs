//! TAIFEX 5-level streams: `ev,exch_ts,px,qty` with a header.
//!
//! The low byte of `ev` tells what a row is (1 a level, 2 a trade, 3 clear the book), its high bits the side (29 bid or buyer,
//! 28 ask or seller) and whether the exchange (31) or the recorder (30) saw it. Rows of one `exch_ts` form one update.

use crate::fault::{Fault, Kind};
use crate::lines::{Lines, decimal, whole};
use std::path::Path;
use tidegate_units::{EpochNs, Side};

/// Prices are whole counts of 10^-`PX_SCALE` index points: options have one decimal, futures none.
pub const PX_SCALE: u32 = 1;

/// What one row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// The size at a price, absolute; 0 removes the level. Tenths of an index point, and contracts.
    Level { side: Side, px: i64, qty: i64 },
    /// A trade; `side` is the aggressor's, none where the exchange does not say.
    Trade { side: Option<Side>, px: i64, qty: i64 },
    /// The book starts anew.
    Clear,
}

/// The rows of one file with their times.
#[derive(Debug)]
pub struct Taifex {
    lines: Lines,
    last: i64,
}

const REMEDY: &str = "want rows `ev,exch_ts,px,qty` in the order of time";
const BID: u32 = 1 << 29;
const ASK: u32 = 1 << 28;

impl Taifex {
    /// Opens a stream and reads its header.
    ///
    /// # Errors
    /// It cannot be opened, or has another header.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let mut lines = Lines::open(path)?;
        if lines.next_line()? != Some(b"ev,exch_ts,px,qty") {
            return Err(lines.malformed("another header", REMEDY));
        }
        Ok(Self { lines, last: 0 })
    }

    /// The next row, or none at the end.
    ///
    /// # Errors
    /// A damaged or cut file, a row that is no such row, a time before the one of the row above.
    pub fn next_row(&mut self) -> Result<Option<(EpochNs, Row)>, Fault> {
        if self.lines.next_line()?.is_none() {
            return Ok(None);
        }
        self.lines.whole()?;
        match parse(self.lines.line()) {
            None => Err(self.lines.malformed("no row of a TAIFEX stream", REMEDY)),
            Some((ts, _)) if ts.0 < self.last => {
                let what = format!("time {} before {}", ts.0, self.last);
                Err(Fault::new(Kind::Malformed, self.lines.file(), self.lines.at(), what, REMEDY))
            }
            Some(row) => {
                self.last = row.0.0;
                Ok(Some(row))
            }
        }
    }

    /// Number of the line given last; the header is line 1.
    pub fn at(&self) -> u64 {
        self.lines.at()
    }
}

fn parse(line: &[u8]) -> Option<(EpochNs, Row)> {
    let mut fields = line.split(|byte| *byte == b',');
    let mut next = || fields.next();
    let (ev, ts, px, qty) =
        (whole::<u32>(next()?)?, whole::<i64>(next()?)?, decimal(next()?, PX_SCALE)?, whole::<i64>(next()?)?);
    let side = match (ev & BID != 0, ev & ASK != 0) {
        (true, false) => Some(Side::Buy),
        (false, true) => Some(Side::Sell),
        (false, false) => None,
        (true, true) => return None,
    };
    let row = match (ev & 0xff, side) {
        (1, Some(side)) if px > 0 && qty >= 0 => Row::Level { side, px, qty },
        (2, side) if px > 0 && qty > 0 => Row::Trade { side, px, qty },
        (3, None) => Row::Clear,
        _ => return None,
    };
    (next().is_none() && ts > 0).then_some((EpochNs(ts), row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_row_is_read() {
        let at = EpochNs(1_775_608_270_000_000_000);
        for (text, want) in [
            ("3221225475,1775608270000000000,0,0", Row::Clear),
            ("3758096385,1775608270000000000,34500,3", Row::Level { side: Side::Buy, px: 345_000, qty: 3 }),
            ("3489660929,1775608270000000000,34502,0", Row::Level { side: Side::Sell, px: 345_020, qty: 0 }),
            ("3489660930,1775608270000000000,2.4,1", Row::Trade { side: Some(Side::Sell), px: 24, qty: 1 }),
        ] {
            assert_eq!(parse(text.as_bytes()), Some((at, want)), "{text}");
        }
        for bad in
            ["", "3221225476,1,0,0", "3758096385,1,0,3", "4026531841,1,5,3", "3758096385,1,5", "1,1,5,5,5"]
        {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
