//! Alpaca's market-data streams, stocks and crypto, JSON or MessagePack.
//!
//! A message is an array; each of its items is accepted or refused on its own. Prices are JSON numbers and are read as text, never
//! as doubles. Source: the venue's documentation, "Real-time stock data" and "Real-time crypto data".

use crate::json::{self, Value, first_byte};
use crate::limits::{LEVELS_MAX, MESSAGE_BYTES_MAX, SYMBOLS_MAX};
use crate::msgpack;
use crate::raw::{Fields, need, number_px as px, number_qty as qty, rfc3339};
use crate::{
    Bar, BookTicker, DepthDiff, Event, Level, LimitBand, Print, PrintCancel, Refusal, RefusalCounts,
    Snapshot, SymbolSpec,
};
use std::borrow::Cow;
use tidegate_units::{EpochNs, PxTicks, QtyLots, Side};

static KEYS: [&[u8]; 27] = [
    b"T", b"S", b"i", b"x", b"p", b"s", b"t", b"c", b"cs", b"bp", b"bs", b"ap", b"as", b"o", b"h", b"l",
    b"v", b"a", b"b", b"r", b"u", b"d", b"sc", b"oi", b"ci", b"tks", b"cp",
];
static LEVEL_KEYS: [&[u8]; 2] = [b"p", b"s"];
type Item<'a> = Fields<'a, 27>;

/// The normaliser of some symbols of one stream, and its counters.
#[derive(Debug, Clone)]
pub struct Alpaca {
    specs: Vec<SymbolSpec>,
    bids: Vec<Level>,
    asks: Vec<Level>,
    text: String,
    refused: RefusalCounts,
    accepted: u64,
}

/// What one item said; levels are in the reader's scratch.
enum Said {
    Event(Event<'static>),
    Book { whole: bool, ts_venue: EpochNs },
}

impl Alpaca {
    /// A normaliser for several symbols; an event's symbol is its place in `specs`. Past [`SYMBOLS_MAX`] the rest is left out.
    pub fn of(mut specs: Vec<SymbolSpec>) -> Self {
        specs.truncate(SYMBOLS_MAX);
        Self {
            specs,
            bids: vec![],
            asks: vec![],
            text: String::new(),
            refused: RefusalCounts::default(),
            accepted: 0,
        }
    }

    /// The symbols and the units they are counted in.
    pub fn specs(&self) -> &[SymbolSpec] {
        &self.specs
    }

    /// What was refused so far, by reason: whole messages and single items.
    pub fn refused(&self) -> &RefusalCounts {
        &self.refused
    }

    /// Items that gave an event.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Reads one message, JSON text or MessagePack by its first byte, and hands over the event of each item that is one.
    ///
    /// Shape   an array of objects with `T`; gives how many events there were
    /// Units   px in ticks, qty in lots, time in ns since the Unix epoch (venue clock)
    ///
    /// # Errors
    /// The message as a whole is not one, counted. A refused item is counted and the others stand.
    pub fn parse(&mut self, bytes: &[u8], sink: &mut impl FnMut(usize, Event<'_>)) -> Result<u32, Refusal> {
        let mut text = std::mem::take(&mut self.text);
        let read = if bytes.len() > MESSAGE_BYTES_MAX {
            Err(Refusal::Oversize)
        } else if first_byte(bytes) == Some(b'[') {
            self.items(bytes, sink)
        } else {
            msgpack::to_json(bytes, &mut text).and_then(|()| self.items(text.as_bytes(), sink))
        };
        self.text = text;
        if let Err(refusal) = read {
            self.refused.add(refusal);
        }
        read
    }

    fn items(&mut self, text: &[u8], sink: &mut impl FnMut(usize, Event<'_>)) -> Result<u32, Refusal> {
        // The whole is looked at first, so that half a message has no effect.
        json::array(text, |item| match item {
            Value::Object(_) => Ok(()),
            _ => Err(Refusal::Malformed),
        })?;
        let mut events = 0;
        json::array(text, |item| {
            let Value::Object(item) = item else { return Err(Refusal::Malformed) };
            match self.item(item) {
                Ok((symbol, Said::Event(event))) => sink(symbol, event),
                Ok((symbol, Said::Book { whole, ts_venue })) => {
                    let (bids, asks) = (Cow::Borrowed(&self.bids[..]), Cow::Borrowed(&self.asks[..]));
                    let event = if whole {
                        Event::Snapshot(Snapshot { last_id: 0, ts_venue, bids, asks })
                    } else {
                        Event::Depth(DepthDiff {
                            first_id: 0,
                            last_id: 0,
                            prev_id: None,
                            ts_venue,
                            bids,
                            asks,
                        })
                    };
                    sink(symbol, event);
                }
                Err(refusal) => {
                    self.refused.add(refusal);
                    return Ok(());
                }
            }
            events += 1;
            self.accepted += 1;
            Ok(())
        })?;
        Ok(events)
    }

    fn item(&mut self, bytes: &[u8]) -> Result<(usize, Said), Refusal> {
        let item = Item::of(&KEYS, bytes)?;
        let kind = need(item.text(b"T")?)?;
        if matches!(kind, b"success" | b"error" | b"subscription") {
            return Ok((0, Said::Event(Event::Ack)));
        }
        let known: [&[u8]; 10] = [b"t", b"q", b"b", b"d", b"u", b"c", b"x", b"s", b"l", b"o"];
        if !known.contains(&kind) {
            return Err(Refusal::UnknownEvent);
        }
        let name = need(item.text(b"S")?)?;
        let at =
            self.specs.iter().position(|spec| spec.symbol.as_bytes() == name).ok_or(Refusal::WrongSymbol)?;
        let ts_venue = rfc3339(need(item.text(b"t")?)?)?;
        if kind == b"o" {
            return self.book(at, &item).map(|whole| (at, Said::Book { whole, ts_venue }));
        }
        let spec = self.specs.get(at).ok_or(Refusal::WrongSymbol)?;
        let event = match kind {
            b"t" => Event::Print(print(spec, &item, ts_venue)?),
            b"q" => Event::Ticker(quote(spec, &item, ts_venue)?),
            b"c" => Event::PrintCorrected {
                of: need(item.int(b"oi")?)?,
                to: Print {
                    trade_id: need(item.int(b"ci")?)?,
                    px: px(spec, need(item.number(b"cp")?)?)?,
                    qty: qty(spec, need(item.number(b"cs")?)?)?,
                    ..blank(ts_venue)
                },
            },
            b"x" => Event::PrintCancelled(PrintCancel { trade_id: need(item.int(b"i")?)?, ts_venue }),
            b"s" => {
                let code = need(item.text(b"sc")?)?;
                // UTP: T, Q are resumptions; CTA: 3 (opening delay lifted), 4 … T (resume). Anything else stops trading.
                let trading = matches!(code, b"T" | b"Q" | b"3" | b"5" | b"6");
                Event::TradingStatus { trading, ts_venue }
            }
            b"l" => Event::LimitBand(LimitBand {
                down: px(spec, need(item.number(b"d")?)?)?,
                up: px(spec, need(item.number(b"u")?)?)?,
                ts_venue,
            }),
            _ => Event::Bar(bar(spec, &item, ts_venue, kind)?),
        };
        Ok((at, Said::Event(event)))
    }

    /// The levels of a crypto book; gives whether they are the whole of it (`r`).
    fn book(&mut self, at: usize, item: &Item<'_>) -> Result<bool, Refusal> {
        let Self { specs, bids, asks, .. } = self;
        let spec = specs.get(at).ok_or(Refusal::WrongSymbol)?;
        for (key, into) in [(&b"b"[..], bids), (b"a", asks)] {
            into.clear();
            let levels = match item.get(key) {
                None => continue,
                Some(Value::Array(levels)) => levels,
                Some(_) => return Err(Refusal::Malformed),
            };
            json::array(levels, |level| {
                let Value::Object(level) = level else { return Err(Refusal::Malformed) };
                let level = Fields::of(&LEVEL_KEYS, level)?;
                if into.len() == LEVELS_MAX {
                    return Err(Refusal::TooManyLevels);
                }
                into.push(Level {
                    px: px(spec, need(level.number(b"p")?)?)?,
                    qty: qty(spec, need(level.number(b"s")?)?)?,
                });
                Ok(())
            })?;
        }
        item.flag(b"r")
    }
}

fn blank(ts_venue: EpochNs) -> Print {
    Print {
        trade_id: 0,
        px: PxTicks(0),
        qty: QtyLots(0),
        aggressor: None,
        ts_venue,
        total_qty: None,
        trial: false,
        odd_lot: false,
    }
}

/// A trade of the tape; crypto ones name the taker's side (`tks`).
fn print(spec: &SymbolSpec, item: &Item<'_>, ts_venue: EpochNs) -> Result<Print, Refusal> {
    let size = qty(spec, need(item.number(b"s")?)?)?;
    if size.0 == 0 {
        return Err(Refusal::QtyNegOrZero);
    }
    let aggressor = match item.text(b"tks")? {
        Some(b"B") => Some(Side::Buy),
        Some(b"S") => Some(Side::Sell),
        _ => None,
    };
    let mut odd_lot = false;
    match item.get(b"c") {
        None => {}
        Some(Value::Array(conditions)) => json::array(conditions, |condition| match condition {
            Value::Text { text, .. } => {
                odd_lot |= text == b"I";
                Ok(())
            }
            _ => Err(Refusal::Malformed),
        })?,
        Some(_) => return Err(Refusal::Malformed),
    }
    Ok(Print {
        trade_id: need(item.int(b"i")?)?,
        px: px(spec, need(item.number(b"p")?)?)?,
        qty: size,
        aggressor,
        odd_lot,
        ..blank(ts_venue)
    })
}

/// An empty side comes as zeros; its price is not read then.
fn best(spec: &SymbolSpec, price: &[u8], size: &[u8]) -> Result<Level, Refusal> {
    let qty = qty(spec, size)?;
    Ok(Level { px: if qty.0 == 0 { PxTicks(0) } else { px(spec, price)? }, qty })
}

fn quote(spec: &SymbolSpec, item: &Item<'_>, ts_venue: EpochNs) -> Result<BookTicker, Refusal> {
    Ok(BookTicker {
        update_id: 0,
        ts_venue,
        bid: best(spec, need(item.number(b"bp")?)?, need(item.number(b"bs")?)?)?,
        ask: best(spec, need(item.number(b"ap")?)?, need(item.number(b"as")?)?)?,
    })
}

fn bar(spec: &SymbolSpec, item: &Item<'_>, ts_venue: EpochNs, kind: &[u8]) -> Result<Bar, Refusal> {
    let at = |key: &[u8]| px(spec, need(item.number(key)?)?);
    let bar = Bar {
        ts_venue,
        open: at(b"o")?,
        high: at(b"h")?,
        low: at(b"l")?,
        close: at(b"c")?,
        volume: qty(spec, need(item.number(b"v")?)?)?,
        daily: kind == b"d",
        revised: kind == b"u",
    };
    let inside = |px: PxTicks| bar.low <= px && px <= bar.high;
    if inside(bar.open) && inside(bar.close) { Ok(bar) } else { Err(Refusal::BadBar) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> Alpaca {
        let spec = |symbol: &str, px_scale, qty_scale| SymbolSpec {
            symbol: symbol.into(),
            px_scale,
            px_unit: 1,
            qty_scale,
            qty_unit: 1,
        };
        Alpaca::of(vec![spec("AAPL", 4, 0), spec("AMD", 4, 0), spec("BTC/USD", 2, 8)])
    }

    fn events(n: &mut Alpaca, bytes: &[u8]) -> Result<Vec<(usize, Event<'static>)>, Refusal> {
        let mut all = vec![];
        n.parse(bytes, &mut |at, event| all.push((at, event.into_owned()))).map(|_| all)
    }

    const TRADE: &str = r#"{"T":"t","i":96921,"S":"AAPL","x":"D","p":126.55,"s":1,"t":"2021-02-22T15:51:44.208Z","c":["@","I"],"z":"C"}"#;
    const QUOTE: &str = r#"{"T":"q","S":"AMD","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,"t":"2021-02-22T15:51:45.335689322Z","c":["R"],"z":"C"}"#;
    const BOOK: &str = r#"{"T":"o","S":"BTC/USD","t":"2022-04-12T15:38:11.58Z","b":[{"p":39991.5,"s":1.5e-7}],"a":[{"p":39992,"s":0}],"r":true}"#;

    #[test]
    fn stocks_and_crypto_give_exact_integers() {
        let mut n = reader();
        let all = events(&mut n, format!("[{TRADE},{QUOTE},{BOOK}]").as_bytes()).unwrap();
        let [(0, Event::Print(print)), (1, Event::Ticker(quote)), (2, Event::Snapshot(book))] = &all[..]
        else {
            panic!("{all:?}")
        };
        assert_eq!((print.trade_id, print.px.0, print.qty.0, print.odd_lot), (96_921, 1_265_500, 1, true));
        assert_eq!((quote.bid.px.0, quote.ask.qty.0), (876_600, 4));
        assert_eq!(quote.ts_venue, EpochNs(1_614_009_105_335_689_322));
        assert_eq!((book.bids[0].px.0, book.bids[0].qty.0, book.asks[0].qty.0), (3_999_150, 15, 0));
        assert_eq!((n.accepted(), n.refused().total()), (3, 0));
    }

    #[test]
    fn one_bad_item_does_not_take_the_others_with_it_and_half_a_message_has_no_effect() {
        let mut n = reader();
        for (bad, why) in [
            (TRADE.replace("126.55", "126.55555"), Refusal::PxOffTick),
            (TRADE.replace("126.55", "-1"), Refusal::PxZeroOrNeg),
            (TRADE.replace("126.55", "\"126.55\""), Refusal::Malformed),
            (TRADE.replace("\"s\":1", "\"s\":0"), Refusal::QtyNegOrZero),
            (TRADE.replace("\"s\":1", "\"s\":0.5"), Refusal::QtyOffLot),
            (TRADE.replace("AAPL", "MSFT"), Refusal::WrongSymbol),
            (TRADE.replace("2021-02-22T", "2021-02-30T"), Refusal::BadTime),
            (TRADE.replace("\"T\":\"t\"", "\"T\":\"zz\""), Refusal::UnknownEvent),
            (TRADE.replace("\"i\"", "\"ii\""), Refusal::MissingField),
            (
                r#"{"T":"b","S":"AAPL","o":2,"h":1,"l":1,"c":1,"v":1,"t":"2021-02-22T19:15:00Z"}"#.into(),
                Refusal::BadBar,
            ),
        ] {
            let before = n.refused().get(why);
            let all = events(&mut n, format!("[{bad},{QUOTE}]").as_bytes()).unwrap();
            assert_eq!((all.len(), n.refused().get(why)), (1, before + 1), "{bad}");
        }
        for whole in [format!("[{TRADE},{QUOTE}"), format!("[{TRADE},7]"), "{}".into(), "[".into()] {
            assert_eq!(events(&mut n, whole.as_bytes()), Err(Refusal::Malformed), "{whole}");
        }
    }

    #[test]
    fn bars_statuses_bands_corrections_and_cancels() {
        let mut n = reader();
        let all = events(
            &mut n,
            br#"[{"T":"u","S":"AAPL","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"t":"2021-02-22T19:15:00Z"},
                {"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12","rm":"","t":"2021-02-22T19:15:00Z","z":"C"},
                {"T":"l","S":"AAPL","u":3.24,"d":2.65,"i":"B","t":"2021-02-22T19:15:00Z","z":"B"},
                {"T":"x","S":"AAPL","i":9,"x":"V","p":1,"s":1,"a":"C","t":"2021-02-22T19:15:00Z","z":"C"},
                {"T":"subscription","trades":["AAPL"]},
                {"T":"c","S":"AAPL","x":"V","oi":9,"op":1.5,"os":3,"oc":["@"],"ci":10,"cp":1.25,"cs":2,"cc":["@"],"t":"2021-02-22T19:15:00Z","z":"C"}]"#,
        )
        .unwrap();
        assert!(matches!(
            all[0].1,
            Event::Bar(Bar { revised: true, daily: false, high: PxTicks(3_891_300), .. })
        ));
        assert!(matches!(all[1].1, Event::TradingStatus { trading: false, .. }));
        assert!(matches!(all[2].1, Event::LimitBand(LimitBand { up: PxTicks(32_400), .. })));
        assert!(matches!(all[3].1, Event::PrintCancelled(PrintCancel { trade_id: 9, .. })));
        assert_eq!(all[4].1, Event::Ack);
        let Event::PrintCorrected { of: 9, to } = &all[5].1 else { panic!("{:?}", all[5]) };
        assert_eq!((to.trade_id, to.px.0, to.qty.0), (10, 12_500, 2));
    }

    #[test]
    fn messagepack_says_what_json_says() {
        // [{"T":"t","i":96921,"S":"AAPL","p":126.55,"s":1,"t":<timestamp>}]
        let mut bytes = vec![0x91, 0x86];
        for text in ["T", "t"] {
            bytes.push(0xa0 | text.len() as u8);
            bytes.extend(text.as_bytes());
        }
        bytes.extend([0xa1, b'i', 0xce, 0x00, 0x01, 0x7a, 0x99, 0xa1, b'S', 0xa4]);
        bytes.extend(b"AAPL");
        bytes.extend([0xa1, b'p', 0xcb]);
        bytes.extend(126.55_f64.to_bits().to_be_bytes());
        bytes.extend([0xa1, b's', 0x01, 0xa1, b't', 0xd7, 0xff]);
        bytes.extend(((208_000_000_u64 << 34) | 1_614_009_104).to_be_bytes());
        let mut n = reader();
        let packed = events(&mut n, &bytes).unwrap();
        let text = TRADE.replace(r#","c":["@","I"]"#, "");
        assert_eq!(packed, events(&mut n, format!("[{text}]").as_bytes()).unwrap());
    }
}
