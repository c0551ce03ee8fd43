//! Raw captures of Binance streams to rows: `<receive time, ns> <message>` a line, one symbol.
//!
//! - Trades, depth diffs and REST snapshots are rows; book tickers and the rest are not, since the diffs say the same.
//! - The venue's time is that of the transaction (`T`); spot diffs carry none and are of their event time (`E`).
//! - A trade that is no trade of the public market (`X` other than `MARKET`) moves no queue and is left out.
//! - A snapshot forgets each side as far as it reaches, then names its levels. It stands where it was received and where the
//!   venue made it: an answer that came late sets the received book back, as it would have set back the receiver's.
//!   A snapshot without a time (spot) is of the time of the message before it.

use crate::event::{Kind, Row};
use serde::Deserialize;
use std::path::Path;
use tidegate_datasets::capture::Capture;
use tidegate_instruments::Instrument;
use tidegate_units::{Side, parse_decimal, parse_decimal_down};

type Levels<'a> = Vec<(&'a str, &'a str)>;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(rename = "lastUpdateId")]
    last_id: Option<u64>,
    #[serde(rename = "T")]
    at_ms: Option<i64>,
    #[serde(borrow)]
    bids: Option<Levels<'a>>,
    #[serde(borrow)]
    asks: Option<Levels<'a>>,
}

#[derive(Deserialize)]
struct Data<'a> {
    e: Option<&'a str>,
    #[serde(rename = "E")]
    event_ms: Option<i64>,
    #[serde(rename = "T")]
    at_ms: Option<i64>,
    p: Option<&'a str>,
    q: Option<&'a str>,
    #[serde(rename = "X")]
    origin: Option<&'a str>,
    m: Option<bool>,
    #[serde(borrow)]
    b: Option<Either<'a>>,
    #[serde(borrow)]
    a: Option<Either<'a>>,
}

/// A book ticker names one price where a diff names levels.
#[derive(Deserialize)]
#[serde(untagged)]
enum Either<'a> {
    #[serde(borrow)]
    Levels(Levels<'a>),
    Price(#[allow(dead_code, reason = "read to tell the two apart")] &'a str),
}

/// What a capture gave.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    /// In the order they were received.
    pub rows: Vec<Row>,
    pub messages: u64,
    /// Messages that are no rows: tickers, other streams, errors of the venue, trades outside the public market.
    pub left_out: u64,
    /// Levels whose part below a lot was cut off.
    pub dust: u64,
}

struct Reader<'a> {
    instrument: &'a Instrument,
    out: Captured,
    last_ns: i64,
}

const MS: i64 = 1_000_000;

impl Reader<'_> {
    fn px(&self, text: &str) -> Result<i32, String> {
        let ticks = parse_decimal(text.as_bytes(), self.instrument.px_scale, self.instrument.px_unit);
        let ticks = ticks.map_err(|fault| format!("price {text}: {fault:?}"))?;
        i32::try_from(ticks).map_err(|_| format!("price {text}: more than 2^31 ticks"))
    }

    fn qty(&self, text: &str) -> Result<i64, String> {
        let lots = parse_decimal(text.as_bytes(), self.instrument.qty_scale, self.instrument.qty_unit);
        lots.map_err(|fault| format!("quantity {text}: {fault:?}"))
    }

    /// A level's size in whole lots: the part below one cannot be traded and is cut off, as the live feed does.
    fn level_qty(&mut self, text: &str) -> Result<i64, String> {
        let lots = parse_decimal_down(text.as_bytes(), self.instrument.qty_scale, self.instrument.qty_unit);
        let (lots, cut) = lots.map_err(|fault| format!("quantity {text}: {fault:?}"))?;
        self.out.dust += u64::from(cut);
        Ok(lots)
    }

    fn levels(&mut self, side: Side, levels: &Levels<'_>, exch_ns: i64, local_ns: i64) -> Result<(), String> {
        for (px, qty) in levels {
            let (px, qty) = (self.px(px)?, self.level_qty(qty)?);
            self.out.rows.push(Row { kind: Kind::level(side), exch_ns, local_ns, px, qty });
        }
        Ok(())
    }

    fn snapshot(
        &mut self,
        side: Side,
        levels: &Levels<'_>,
        exch_ns: i64,
        local_ns: i64,
    ) -> Result<(), String> {
        let Some((last, _)) = levels.last() else { return Ok(()) };
        let kind = if side == Side::Buy { Kind::ClearBids } else { Kind::ClearAsks };
        let px = self.px(last)?;
        self.out.rows.push(Row { kind, exch_ns, local_ns, px, qty: 0 });
        self.levels(side, levels, exch_ns, local_ns)
    }

    fn line(&mut self, local_ns: i64, json: &[u8]) -> Result<(), String> {
        let line: Line<'_> = serde_json::from_slice(json).map_err(|fault| fault.to_string())?;
        self.out.messages += 1;
        let Some(data) = line.data else {
            if line.last_id.is_none() {
                self.out.left_out += 1;
                return Ok(());
            }
            let exch_ns = line.at_ms.map_or(self.last_ns, |ms| ms.saturating_mul(MS));
            self.snapshot(Side::Buy, &line.bids.unwrap_or_default(), exch_ns, local_ns)?;
            return self.snapshot(Side::Sell, &line.asks.unwrap_or_default(), exch_ns, local_ns);
        };
        let at = data.at_ms.or(data.event_ms).map(|ms| ms.saturating_mul(MS));
        match (data.e, at) {
            (Some("trade"), Some(exch_ns)) if data.origin.is_none_or(|origin| origin == "MARKET") => {
                let (Some(px), Some(qty), Some(buyer_made)) = (data.p, data.q, data.m) else {
                    return Err("a trade without `p`, `q` or `m`".into());
                };
                let kind = Kind::trade(if buyer_made { Side::Sell } else { Side::Buy });
                let (px, qty) = (self.px(px)?, self.qty(qty)?);
                self.out.rows.push(Row { kind, exch_ns, local_ns, px, qty });
                self.last_ns = exch_ns;
            }
            (Some("depthUpdate"), Some(exch_ns)) => {
                let (Some(Either::Levels(bids)), Some(Either::Levels(asks))) = (data.b, data.a) else {
                    return Err("a diff without `b` or `a`".into());
                };
                self.levels(Side::Buy, &bids, exch_ns, local_ns)?;
                self.levels(Side::Sell, &asks, exch_ns, local_ns)?;
                self.last_ns = exch_ns;
            }
            (Some("trade" | "depthUpdate"), None) => return Err("no venue time `T` or `E`".into()),
            _ => self.out.left_out += 1,
        }
        Ok(())
    }
}

/// Reads capture files of one symbol, one after the other, plain or packed.
///
/// # Errors
/// A damaged file, or a message that cannot be read: file, line, what.
pub fn read(files: &[&Path], instrument: &Instrument) -> Result<Captured, String> {
    let mut reader = Reader { instrument, out: Captured::default(), last_ns: 0 };
    for file in files {
        let mut capture = Capture::open(file).map_err(|fault| fault.to_string())?;
        loop {
            let at = capture.at() + 1;
            let Some(received) = capture.next_message().map_err(|fault| fault.to_string())? else { break };
            reader
                .line(received.ts_recv.0, received.message)
                .map_err(|fault| format!("{}:{at}: {fault}", file.display()))?;
        }
    }
    Ok(reader.out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::usdm;
    use std::io::Write;

    fn of(text: &str) -> Result<Captured, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(&[file.path()], &usdm())
    }

    #[test]
    fn a46_diffs_trades_and_snapshots_become_rows_in_the_order_received() {
        let captured = of(concat!(
            "7 {\"stream\":\"x@depth\",\"data\":{\"e\":\"depthUpdate\",\"E\":2,\"T\":1,\"b\":[[\"61800.20\",\"0.014\"]],\"a\":[[\"61800.3\",\"0\"]]}}\n",
            "8 {\"stream\":\"x@bookTicker\",\"data\":{\"e\":\"bookTicker\",\"u\":1,\"b\":\"1.0\",\"B\":\"1\",\"a\":\"2.0\",\"A\":\"1\",\"T\":3,\"E\":3}}\n",
            "9 {\"stream\":\"x@trade\",\"data\":{\"e\":\"trade\",\"E\":4,\"T\":3,\"p\":\"61800.30\",\"q\":\"0.006\",\"X\":\"MARKET\",\"m\":false}}\n",
            "9 {\"stream\":\"x@trade\",\"data\":{\"e\":\"trade\",\"E\":4,\"T\":3,\"p\":\"61800.30\",\"q\":\"0.006\",\"X\":\"INSURANCE_FUND\",\"m\":true}}\n",
            "12 {\"lastUpdateId\":5,\"E\":6,\"T\":5,\"bids\":[[\"61800.2\",\"2\"],[\"61799.0\",\"1\"]],\"asks\":[]}\n",
        ))
        .unwrap();
        let row =
            |kind, exch_ms: i64, local_ns, px, qty| Row { kind, exch_ns: exch_ms * MS, local_ns, px, qty };
        assert_eq!(
            captured.rows,
            [
                row(Kind::Bid, 1, 7, 618_002, 14),
                row(Kind::Ask, 1, 7, 618_003, 0),
                row(Kind::BuyTrade, 3, 9, 618_003, 6),
                row(Kind::ClearBids, 5, 12, 617_990, 0),
                row(Kind::Bid, 5, 12, 618_002, 2_000),
                row(Kind::Bid, 5, 12, 617_990, 1_000),
            ]
        );
        assert_eq!((captured.messages, captured.left_out), (5, 2));
    }

    #[test]
    fn a46_a_level_between_two_lots_is_cut_to_the_lower_and_a_trade_is_refused() {
        let level =
            "7 {\"data\":{\"e\":\"depthUpdate\",\"T\":1,\"b\":[[\"61800.2\",\"0.0149\"]],\"a\":[]}}\n";
        let captured = of(level).unwrap();
        assert_eq!((captured.rows[0].qty, captured.dust), (14, 1));
        let trade = "7 {\"data\":{\"e\":\"trade\",\"T\":3,\"p\":\"1.0\",\"q\":\"0.0061\",\"m\":true}}\n";
        assert!(of(trade).unwrap_err().contains("quantity 0.0061: OffUnit"));
    }

    #[test]
    fn a46_a_message_that_cannot_be_read_is_named_with_its_line() {
        let good = "7 {\"data\":{\"e\":\"trade\",\"T\":3,\"p\":\"1.0\",\"q\":\"0.006\",\"m\":true}}\n";
        for (bad, want) in [
            ("7 {\n", "EOF"),
            (
                "7 {\"data\":{\"e\":\"trade\",\"T\":3,\"p\":\"1.03\",\"q\":\"0.006\",\"m\":true}}\n",
                "price 1.03: OffUnit",
            ),
            (
                "7 {\"data\":{\"e\":\"trade\",\"T\":3,\"p\":\"1.0\",\"q\":\"1e3\",\"m\":true}}\n",
                "quantity 1e3",
            ),
            ("7 {\"data\":{\"e\":\"trade\",\"p\":\"1.0\",\"q\":\"1\",\"m\":true}}\n", "no venue time"),
            ("7 {\"data\":{\"e\":\"trade\",\"T\":3,\"p\":\"900000000.0\",\"q\":\"1\",\"m\":true}}\n", "2^31"),
        ] {
            let fault = of(&format!("{good}{bad}")).unwrap_err();
            assert!(fault.contains(":2: ") && fault.contains(want), "{fault}");
        }
    }
}
