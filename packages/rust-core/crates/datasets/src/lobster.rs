//! LOBSTER: a message file and, row for row, the order book after each message.
//!
//! Message rows are `time,type,order id,size,price,direction`; book rows repeat `ask price,ask size,bid price,bid size` for
//! each level. No header. Prices are 1e-4 dollars, times seconds after midnight of New York. Source: lobsterdata.com, "Data
//! structure".

use crate::fault::{Fault, Kind};
use crate::limits::LOBSTER_LEVELS_MAX;
use crate::lines::{Lines, decimal, whole};
use std::path::Path;
use tidegate_units::Side;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// 1: a new limit order.
    Add,
    /// 2: part of an order was taken back.
    Reduce,
    /// 3: an order was deleted.
    Delete,
    /// 4: a visible order was executed, in whole or in part.
    Execute,
    /// 5: a hidden order was executed; the visible book stays.
    ExecuteHidden,
    /// 6: a cross trade of an auction.
    Cross,
    /// 7: trading was halted or resumed; `px` says which.
    Halt,
}

/// One row of the message file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Nanoseconds after midnight.
    pub ts_ns: i64,
    pub event: Event,
    pub order_id: u64,
    /// Shares.
    pub qty: i64,
    /// 1e-4 dollars.
    pub px: i64,
    /// Of the limit order; the aggressor is on the other side.
    pub side: Side,
}

/// The book after a message, best level first; `(px, qty)` of the levels that are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels {
    pub asks: Vec<(i64, i64)>,
    pub bids: Vec<(i64, i64)>,
}

/// Both files of one day, row by row.
#[derive(Debug)]
pub struct Lobster {
    messages: Lines,
    books: Lines,
    levels: Levels,
}

const REMEDY: &str = "want the pair of files as LOBSTER delivers them";

impl Lobster {
    /// Opens the message file and the order book file of one day.
    ///
    /// # Errors
    /// One of them cannot be opened.
    pub fn open(messages: &Path, books: &Path) -> Result<Self, Fault> {
        Ok(Self { messages: Lines::open(messages)?, books: Lines::open(books)?, levels: Levels::default() })
    }

    /// The next message and the book after it, or none at the end of both files.
    ///
    /// # Errors
    /// A damaged file, a row that is no such row, or one file longer than the other.
    pub fn next_row(&mut self) -> Result<Option<(Message, &Levels)>, Fault> {
        let (message, book) = (self.messages.next_line()?.is_some(), self.books.next_line()?.is_some());
        if message != book {
            let short = if message { &self.books } else { &self.messages };
            let what = "has fewer rows than its pair";
            return Err(Fault::new(Kind::Truncated, short.file(), short.at(), what, REMEDY));
        }
        if !message {
            return Ok(None);
        }
        let message = parse(self.messages.line())
            .ok_or_else(|| self.messages.malformed("no row of a message file", REMEDY))?;
        if !fill(self.books.line(), &mut self.levels) {
            return Err(self.books.malformed("no row of an order book file", REMEDY));
        }
        Ok(Some((message, &self.levels)))
    }

    /// Number of the row given last, from 1.
    pub fn at(&self) -> u64 {
        self.messages.at()
    }
}

fn parse(line: &[u8]) -> Option<Message> {
    let mut fields = line.split(|byte| *byte == b',');
    let ts_ns = decimal(fields.next()?, 9)?;
    let event = match fields.next()? {
        b"1" => Event::Add,
        b"2" => Event::Reduce,
        b"3" => Event::Delete,
        b"4" => Event::Execute,
        b"5" => Event::ExecuteHidden,
        b"6" => Event::Cross,
        b"7" => Event::Halt,
        _ => return None,
    };
    let (order_id, qty, px) = (whole(fields.next()?)?, whole(fields.next()?)?, whole(fields.next()?)?);
    let side = match fields.next()? {
        b"1" => Side::Buy,
        b"-1" => Side::Sell,
        _ => return None,
    };
    (fields.next().is_none() && ts_ns >= 0 && (qty > 0 || event == Event::Halt)).then_some(Message {
        ts_ns,
        event,
        order_id,
        qty,
        px,
        side,
    })
}

/// An absent level has price ±9999999999 and size 0.
const ABSENT: i64 = 9_999_999_999;

fn fill(line: &[u8], levels: &mut Levels) -> bool {
    levels.asks.clear();
    levels.bids.clear();
    let mut fields = line.split(|byte| *byte == b',').map(whole::<i64>);
    loop {
        let (Some(ask_px), Some(ask_qty), Some(bid_px), Some(bid_qty)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return false;
        };
        let (Some(ask_px), Some(ask_qty), Some(bid_px), Some(bid_qty)) = (ask_px, ask_qty, bid_px, bid_qty)
        else {
            return false;
        };
        for (list, px, qty) in [(&mut levels.asks, ask_px, ask_qty), (&mut levels.bids, bid_px, bid_qty)] {
            match (px.abs() == ABSENT, qty) {
                (true, 0) => {}
                (false, 1..) if list.len() < LOBSTER_LEVELS_MAX => list.push((px, qty)),
                _ => return false,
            }
        }
        let mut rest = fields.clone();
        if rest.next().is_none() {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_row_is_read_exactly() {
        let want = Message {
            ts_ns: 34_200_189_607_670,
            event: Event::Add,
            order_id: 11_885_113,
            qty: 21,
            px: 2_238_100,
            side: Side::Buy,
        };
        assert_eq!(parse(b"34200.18960767,1,11885113,21,2238100,1"), Some(want));
        for bad in ["", "1,9,1,1,1,1", "1,1,1,1,1,0", "1,1,1,1,1,1,1", "1,1,1,0,1,1", "x,1,1,1,1,1"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_book_row_holds_its_levels_and_leaves_out_the_absent() {
        let mut levels = Levels::default();
        assert!(fill(b"101,5,99,7,9999999999,0,98,1", &mut levels));
        assert_eq!(levels, Levels { asks: vec![(101, 5)], bids: vec![(99, 7), (98, 1)] });
        for bad in ["", "1,2,3", "1,2,3,4,5", "1,0,3,4", "9999999999,1,3,4", "a,1,1,1"] {
            assert!(!fill(bad.as_bytes(), &mut levels), "{bad}");
        }
    }

    #[test]
    fn files_of_unequal_length_are_named() {
        use std::io::Write;
        let (mut a, mut b) =
            (tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap());
        a.write_all(b"1,1,1,1,1,1\n2,1,2,1,1,1\n").unwrap();
        b.write_all(b"2,1,1,1\n").unwrap();
        let mut rows = Lobster::open(a.path(), b.path()).unwrap();
        assert!(rows.next_row().unwrap().is_some());
        let fault = rows.next_row().unwrap_err();
        assert_eq!((fault.kind, fault.file.as_path(), fault.at), (Kind::Truncated, b.path(), 2));
    }
}
