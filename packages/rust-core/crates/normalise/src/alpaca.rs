//! Alpaca's market-data streams, stocks and crypto, JSON or MessagePack.
//!
//! A message is an array; each of its items is accepted or refused on its own. Prices are JSON numbers and are read as text, never
//! as doubles. Source: the venue's documentation, "Real-time stock data" and "Real-time crypto data".

use crate::json::{self, Value, first_byte};
use crate::limits::{LEVELS_MAX, MESSAGE_BYTES_MAX, SYMBOLS_MAX};
use crate::msgpack;
use crate::raw::{Fields, Keys, need, number_px as px, number_qty as qty};
use crate::sale_conditions::{self, Moves};
use crate::status::{Code, TradingState, TradingStatus};
use crate::time::rfc3339;
use crate::{
    Bar, BookTicker, DepthDiff, Event, Level, LimitBand, Print, PrintCancel, Refusal, RefusalCounts,
    Snapshot, SymbolSpec,
};
use std::borrow::Cow;
use std::ops::Range;
use tidegate_units::{EpochNs, PxTicks, QtyLots, Side};

static KEYS: Keys<34> = Keys::of([
    b"T", b"S", b"i", b"x", b"p", b"s", b"t", b"c", b"cs", b"bp", b"bs", b"ap", b"as", b"o", b"h", b"l",
    b"v", b"a", b"b", b"r", b"u", b"d", b"sc", b"oi", b"ci", b"tks", b"cp", b"z", b"op", b"os", b"oc", b"cc",
    b"rc", b"code",
]);
static LEVEL_KEYS: Keys<2> = Keys::of([b"p", b"s"]);
type Item<'a> = Fields<'a, 34>;

/// The normaliser of some symbols of one stream, and its counters.
#[derive(Debug, Clone)]
pub struct Alpaca {
    specs: Vec<SymbolSpec>,
    bids: Vec<Level>,
    asks: Vec<Level>,
    text: String,
    /// Where the items of the message in work stand: as many as fit `MESSAGE_BYTES_MAX` at three bytes each.
    places: Vec<Range<usize>>,
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
            places: vec![],
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
        // The whole is looked at first, so that half a message has no effect; where the items stand is kept for the second look.
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        let whole = json::array(text, |item| match item {
            Value::Object(item) => {
                let from = item.as_ptr().addr() - text.as_ptr().addr();
                places.push(from..from + item.len());
                Ok(())
            }
            _ => Err(Refusal::Malformed),
        });
        let events = whole.map(|()| places.iter().map(|place| self.one(text.get(place.clone()), sink)).sum());
        self.places = places;
        events
    }

    /// One item: its event is handed over and counted, or its refusal is counted.
    fn one(&mut self, item: Option<&[u8]>, sink: &mut impl FnMut(usize, Event<'_>)) -> u32 {
        match item.ok_or(Refusal::Malformed).and_then(|item| self.item(item)) {
            Ok((symbol, Said::Event(event))) => sink(symbol, event),
            Ok((symbol, Said::Book { whole, ts_venue })) => {
                let (bids, asks) = (Cow::Borrowed(&self.bids[..]), Cow::Borrowed(&self.asks[..]));
                let event = if whole {
                    Event::Snapshot(Snapshot { last_id: 0, ts_venue, bids, asks })
                } else {
                    Event::Depth(DepthDiff { first_id: 0, last_id: 0, prev_id: None, ts_venue, bids, asks })
                };
                sink(symbol, event);
            }
            Err(refusal) => {
                self.refused.add(refusal);
                return 0;
            }
        }
        self.accepted += 1;
        1
    }

    fn item(&mut self, bytes: &[u8]) -> Result<(usize, Said), Refusal> {
        let item = Item::of(&KEYS, bytes)?;
        let kind = need(item.text(b"T")?)?;
        match kind {
            b"success" | b"subscription" => return Ok((0, Said::Event(Event::Ack))),
            b"error" => return Ok((0, Said::Event(Event::VenueError { code: need(item.int(b"code")?)? }))),
            _ => {}
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
                was: one_print(spec, &item, [b"oi", b"op", b"os", b"oc"], ts_venue)?,
                now: one_print(spec, &item, [b"ci", b"cp", b"cs", b"cc"], ts_venue)?,
            },
            b"x" => Event::PrintCancelled(cancel(spec, &item, ts_venue)?),
            b"s" => status(&item, ts_venue)?,
            b"l" => Event::LimitBand(band(spec, &item, ts_venue)?),
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

/// A trade of the tape; crypto ones name the taker's side (`tks`).
fn print(spec: &SymbolSpec, item: &Item<'_>, ts_venue: EpochNs) -> Result<Print, Refusal> {
    let aggressor = match item.text(b"tks")? {
        Some(b"B") => Some(Side::Buy),
        Some(b"S") => Some(Side::Sell),
        _ => None,
    };
    Ok(Print { aggressor, ..one_print(spec, item, [b"i", b"p", b"s", b"c"], ts_venue)? })
}

/// A print by the keys of its id, price, size and conditions; a correction holds two.
fn one_print(
    spec: &SymbolSpec,
    item: &Item<'_>,
    [id, price, size, conditions]: [&[u8]; 4],
    ts_venue: EpochNs,
) -> Result<Print, Refusal> {
    let (moves, odd_lot) = moves(item.text(b"z")?, item.get(conditions))?;
    Ok(Print {
        trade_id: need(item.int(id)?)?,
        px: px(spec, need(item.number(price)?)?)?,
        qty: traded(spec, need(item.number(size)?)?)?,
        aggressor: None,
        ts_venue,
        total_qty: None,
        trial: false,
        moves,
        odd_lot,
    })
}

/// A size that was traded: above zero.
fn traded(spec: &SymbolSpec, number: &[u8]) -> Result<QtyLots, Refusal> {
    qty(spec, number).and_then(|size| if size.0 > 0 { Ok(size) } else { Err(Refusal::QtyNegOrZero) })
}

/// What a print moves by all its conditions, and whether it is an odd lot. Without conditions, as in crypto, it moves everything.
fn moves(tape: Option<&[u8]>, conditions: Option<Value<'_>>) -> Result<(Moves, bool), Refusal> {
    let (mut sum, mut odd_lot) = (Moves::ALL, false);
    let Some(conditions) = conditions else { return Ok((sum, odd_lot)) };
    let Value::Array(conditions) = conditions else { return Err(Refusal::Malformed) };
    json::array(conditions, |condition| {
        let Value::Text { text, escaped: false } = condition else { return Err(Refusal::Malformed) };
        let [letter] = text else { return Err(Refusal::UnknownCondition) };
        let [tape] = need(tape)? else { return Err(Refusal::UnknownCondition) };
        sum = sum.and(sale_conditions::moves(*tape, *letter)?);
        odd_lot |= *letter == b'I';
        Ok(())
    })?;
    Ok((sum, odd_lot))
}

fn cancel(spec: &SymbolSpec, item: &Item<'_>, ts_venue: EpochNs) -> Result<PrintCancel, Refusal> {
    Ok(PrintCancel {
        trade_id: need(item.int(b"i")?)?,
        px: px(spec, need(item.number(b"p")?)?)?,
        qty: traded(spec, need(item.number(b"s")?)?)?,
        error: match need(item.text(b"a")?)? {
            b"C" => false,
            b"E" => true,
            _ => return Err(Refusal::Malformed),
        },
        ts_venue,
    })
}

fn status(item: &Item<'_>, ts_venue: EpochNs) -> Result<Event<'static>, Refusal> {
    let (tape, code) = (need(item.text(b"z")?)?, need(item.text(b"sc")?)?);
    let reason = item.text(b"rc")?.unwrap_or_default();
    let state = TradingState::of_tape(tape, code, reason)?;
    let (code, reason) = (Code::of(code)?, Code::of(reason)?);
    Ok(match state {
        Some(state) => Event::TradingStatus {
            trading: state == TradingState::Trading,
            ts_venue,
            status: TradingStatus { state, code, reason },
        },
        None => Event::StatusNotice { ts_venue, code, reason },
    })
}

fn band(spec: &SymbolSpec, item: &Item<'_>, ts_venue: EpochNs) -> Result<LimitBand, Refusal> {
    let at = |key: &[u8]| px(spec, need(item.number(key)?)?);
    let band = LimitBand { down: at(b"d")?, up: at(b"u")?, ts_venue };
    if band.down <= band.up { Ok(band) } else { Err(Refusal::BadBand) }
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
    fn a07_bars_statuses_bands_corrections_and_cancels_are_events_of_their_own() {
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
        let Event::TradingStatus { trading: false, status, .. } = all[1].1 else { panic!("{:?}", all[1]) };
        assert_eq!(
            (status.state, status.code.as_str(), status.reason.as_str()),
            (TradingState::Halted, "H", "T12")
        );
        assert!(matches!(all[2].1, Event::LimitBand(LimitBand { up: PxTicks(32_400), .. })));
        assert!(matches!(
            all[3].1,
            Event::PrintCancelled(PrintCancel { trade_id: 9, px: PxTicks(10_000), error: false, .. })
        ));
        assert_eq!(all[4].1, Event::Ack);
        let Event::PrintCorrected { was, now } = &all[5].1 else { panic!("{:?}", all[5]) };
        assert_eq!((was.trade_id, was.px.0, was.qty.0), (9, 15_000, 3));
        assert_eq!((now.trade_id, now.px.0, now.qty.0), (10, 12_500, 2));
    }

    /// The correction, cancel and band that the venue's documentation prints.
    const CORRECTION: &str = r#"{"T":"c","S":"AAPL","x":"M","oi":52983525033527,"op":39.1582,"os":440000,"oc":[" ","7"],"ci":52983525034326,"cp":39.1809,"cs":440000,"cc":[" ","7"],"z":"B","t":"2023-04-06T14:25:06.542305024Z"}"#;
    const CANCEL: &str = r#"{"T":"x","S":"AAPL","i":465,"x":"D","p":105.31,"s":300,"a":"C","z":"C","t":"2023-04-06T13:15:42.83540958Z"}"#;
    const BAND: &str =
        r#"{"T":"l","S":"AAPL","u":3.24,"d":2.65,"i":"B","t":"2023-04-06T13:34:45.565004401Z","z":"C"}"#;

    #[test]
    fn a07_half_a_correction_a_cancel_of_nothing_and_a_band_upside_down_are_refused_by_name() {
        let mut n = reader();
        for whole in [CORRECTION, CANCEL, BAND] {
            assert_eq!(
                events(&mut n, format!("[{whole}]").as_bytes()).map(|all| all.len()),
                Ok(1),
                "{whole}"
            );
        }
        for (bad, why) in [
            (CORRECTION.replace("\"cs\":440000", "\"cs\":0"), Refusal::QtyNegOrZero),
            (CORRECTION.replace("\"os\":440000", "\"os\":0"), Refusal::QtyNegOrZero),
            (CORRECTION.replace("\"oi\"", "\"oj\""), Refusal::MissingField),
            (CORRECTION.replace("\"ci\"", "\"cj\""), Refusal::MissingField),
            (CORRECTION.replace("39.1809", "0"), Refusal::PxZeroOrNeg),
            (CORRECTION.replace("\"cc\":[\" \"", "\"cc\":[\"W\""), Refusal::UnknownCondition),
            (CANCEL.replace(":300", ":0"), Refusal::QtyNegOrZero),
            (CANCEL.replace("\"a\":\"C\"", "\"a\":\"D\""), Refusal::Malformed),
            (CANCEL.replace("\"i\":465", "\"i\":-1"), Refusal::Malformed),
            (BAND.replace("3.24", "2.64"), Refusal::BadBand),
            (
                r#"{"T":"s","S":"AAPL","sc":"V","rc":"","t":"2021-02-22T19:15:00Z","z":"C"}"#.into(),
                Refusal::UnknownStatus,
            ),
        ] {
            let before = n.refused().get(why);
            let all = events(&mut n, format!("[{bad}]").as_bytes()).unwrap();
            assert_eq!((all.len(), n.refused().get(why)), (0, before + 1), "{bad}");
        }
    }

    #[test]
    fn a07_the_venues_error_is_told_by_its_code_and_is_no_acknowledgement() {
        let mut n = reader();
        let all = events(&mut n, br#"[{"T":"error","code":406,"msg":"connection limit exceeded"}]"#).unwrap();
        assert_eq!(all[0].1, Event::VenueError { code: 406 });
        assert_eq!(events(&mut n, br#"[{"T":"error","msg":"?"}]"#).map(|all| all.len()), Ok(0));
        assert_eq!(n.refused().get(Refusal::MissingField), 1);
    }

    #[test]
    fn a07_a_word_about_an_instrument_neither_halts_nor_resumes_it() {
        let mut n = reader();
        let of = |n: &mut Alpaca, code: &str, tape: &str| {
            let text = format!(
                r#"[{{"T":"s","S":"AAPL","sc":"{code}","rc":"","t":"2021-02-22T19:15:00Z","z":"{tape}"}}]"#
            );
            events(n, text.as_bytes()).unwrap().remove(0).1
        };
        // The short-sale restriction and an imbalance on tape A, where they once read as a halt; an indication, as a resumption.
        for word in ["E", "7", "5"] {
            assert!(
                matches!(of(&mut n, word, "A"), Event::StatusNotice { code, .. } if code.as_str() == word)
            );
        }
        // Quotes resume five minutes before trading does.
        let quotes = of(&mut n, "Q", "C");
        assert!(matches!(quotes, Event::TradingStatus { trading: false, .. }), "{quotes:?}");
    }

    #[test]
    fn rule_26_a_print_carries_what_its_conditions_let_it_move() {
        let mut n = reader();
        let of = |n: &mut Alpaca, conditions: &str, tape: &str| {
            let text = TRADE.replace(r#"["@","I"]"#, conditions).replace(r#""z":"C""#, tape);
            let all = events(n, format!("[{text}]").as_bytes()).unwrap();
            match all.first() {
                Some((_, Event::Print(print))) => Some((print.moves, print.odd_lot)),
                _ => None,
            }
        };
        let tape = r#""z":"C""#;
        assert_eq!(of(&mut n, r#"["@","I"]"#, tape), Some((Moves::VOLUME, true)));
        assert_eq!(of(&mut n, r#"["@","F"]"#, tape), Some((Moves::ALL, false)));
        assert_eq!(of(&mut n, r#"["@","Z"]"#, tape), Some((Moves::LATE, false)));
        assert_eq!(of(&mut n, r#"["@","M"]"#, tape), Some((Moves::NONE, false)));
        assert_eq!(of(&mut n, "[]", tape), Some((Moves::ALL, false)));
        // Average price on the tapes of CTA, bunched on that of UTP.
        assert_eq!(of(&mut n, r#"["B"]"#, r#""z":"A""#), Some((Moves::VOLUME, false)));
        assert_eq!(of(&mut n, r#"["B"]"#, tape), Some((Moves::ALL, false)));
        // Regular on the overnight tape, which has no table of its own.
        assert_eq!(of(&mut n, r#"["@"]"#, r#""z":"N""#), Some((Moves::ALL, false)));
        assert_eq!(n.refused().total(), 0);
        for (conditions, tape, why) in [
            (r#"["?"]"#, tape, Refusal::UnknownCondition),
            (r#"["@@"]"#, tape, Refusal::UnknownCondition),
            (r#"["T"]"#, r#""z":"N""#, Refusal::UnknownCondition),
            (r#"["@"]"#, r#""zz":"C""#, Refusal::MissingField),
            (r#""@""#, tape, Refusal::Malformed),
            ("[1]", tape, Refusal::Malformed),
        ] {
            let before = n.refused().get(why);
            assert_eq!(of(&mut n, conditions, tape), None);
            assert_eq!(n.refused().get(why), before + 1, "{conditions} {tape}");
        }
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
