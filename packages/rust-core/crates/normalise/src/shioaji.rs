//! Shioaji's daemon: ticks and five-level books of Taiwan stocks, futures and options, one event of the stream at a time.
//!
//! Prices are decimal texts, sizes numbers in the instrument's own lots. Times are Taipei's, which has kept UTC+8 without daylight
//! saving since 1979. Trial matching is kept apart: it is an indication, never a print or a book. Source: the daemon's
//! documentation, version 1.7.

use crate::json::{self, Value};
use crate::limits::{MESSAGE_BYTES_MAX, SYMBOLS_MAX};
use crate::raw::{Fields, Keys, need, number_qty as qty, px};
use crate::sale_conditions::Moves;
use crate::status::{Code, TradingState, TradingStatus};
use crate::time::{clock, day, instant};
use crate::{Event, Level, Print, Refusal, RefusalCounts, Snapshot, SymbolSpec};
use std::borrow::Cow;
use tidegate_units::{EpochNs, PxTicks, QtyLots, Side};

const TAIPEI_NS: i64 = 8 * 3_600 * 1_000_000_000;
/// Most levels a side of a book the daemon sends; more are another schema.
const BOOK_LEVELS_MAX: usize = 10;

static KEYS: Keys<15> = Keys::of([
    b"code",
    b"date",
    b"time",
    b"close",
    b"volume",
    b"total_volume",
    b"tick_type",
    b"simtrade",
    b"intraday_odd",
    b"suspend",
    b"bid_price",
    b"bid_volume",
    b"ask_price",
    b"ask_volume",
    b"type",
]);
type Item<'a> = Fields<'a, 15>;

/// The normaliser of some codes, and its counters. It reads one version of the stream's schema and no other: an event it does not
/// know, or one that lacks a field of its kind, is refused and counted, never read as an older form.
#[derive(Debug, Clone)]
pub struct Shioaji {
    specs: Vec<SymbolSpec>,
    bids: Vec<Level>,
    asks: Vec<Level>,
    /// Of each code, whether it was last seen suspended.
    suspended: Vec<bool>,
    refused: RefusalCounts,
    accepted: u64,
}

enum Said {
    Print(Print),
    Book {
        trial: bool,
        ts_venue: EpochNs,
    },
    /// Of a suspended code: no trade, whatever it repeats.
    Suspended {
        ts_venue: EpochNs,
    },
    Nothing,
}

impl Shioaji {
    /// A normaliser for several codes; an event's symbol is its place in `specs`. Past [`SYMBOLS_MAX`] the rest is left out.
    pub fn of(mut specs: Vec<SymbolSpec>) -> Self {
        specs.truncate(SYMBOLS_MAX);
        let suspended = vec![false; specs.len()];
        Self { specs, bids: vec![], asks: vec![], suspended, refused: RefusalCounts::default(), accepted: 0 }
    }

    /// The codes and the units they are counted in.
    pub fn specs(&self) -> &[SymbolSpec] {
        &self.specs
    }

    /// What was refused so far, by reason.
    pub fn refused(&self) -> &RefusalCounts {
        &self.refused
    }

    /// Events of the stream that gave one of ours.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Reads one event of the stream by its name and data and hands it over; gives how many events there were, 0 for a heartbeat.
    ///
    /// Shape   `tick_stk`, `tick_fop`, `bidask_stk`, `bidask_fop`, `heartbeat`
    /// Units   px in ticks, qty in lots, time in ns since the Unix epoch
    ///
    /// # Errors
    /// A named refusal, counted; the event has had no effect.
    pub fn parse(
        &mut self,
        name: &[u8],
        data: &[u8],
        sink: &mut impl FnMut(usize, Event<'_>),
    ) -> Result<u32, Refusal> {
        match self.said(name, data) {
            Ok((_, _, Said::Nothing)) => Ok(0),
            Ok((at, suspend, said)) => {
                self.accepted += 1;
                let mut events = 0;
                if let Some(event) = self.turned(at, suspend, said.ts_venue()) {
                    events += 1;
                    sink(at, event);
                }
                events += u32::from(!matches!(said, Said::Suspended { .. }));
                let (bids, asks) = (Cow::Borrowed(&self.bids[..]), Cow::Borrowed(&self.asks[..]));
                match said {
                    Said::Print(print) => sink(at, Event::Print(print)),
                    Said::Book { trial, ts_venue } => {
                        let book = Snapshot { last_id: 0, ts_venue, bids, asks };
                        sink(at, if trial { Event::Indicative(book) } else { Event::Snapshot(book) });
                    }
                    Said::Suspended { .. } | Said::Nothing => {}
                }
                Ok(events)
            }
            Err(refusal) => {
                self.refused.add(refusal);
                Err(refusal)
            }
        }
    }

    /// The daemon has no message of its own for a halt: each tick and book says whether the code is suspended (`suspend`, stocks
    /// only), and a change of that is one.
    fn turned(&mut self, at: usize, suspend: bool, ts_venue: EpochNs) -> Option<Event<'static>> {
        let known = self.suspended.get_mut(at)?;
        if *known == suspend {
            return None;
        }
        *known = suspend;
        let state = if suspend { TradingState::Halted } else { TradingState::Trading };
        let (code, reason) = (Code::of(b"suspend").ok()?, Code::default());
        let status = TradingStatus { state, code, reason };
        Some(Event::TradingStatus { trading: !suspend, ts_venue, status })
    }

    fn said(&mut self, name: &[u8], data: &[u8]) -> Result<(usize, bool, Said), Refusal> {
        if data.len() > MESSAGE_BYTES_MAX {
            return Err(Refusal::Oversize);
        }
        let tick = match name {
            b"tick_stk" | b"tick_fop" => true,
            b"bidask_stk" | b"bidask_fop" => false,
            b"heartbeat" => return Ok((0, false, Said::Nothing)),
            _ => return Err(Refusal::UnknownEvent),
        };
        let item = Item::of(&KEYS, data)?;
        let code = need(item.text(b"code")?)?;
        let at =
            self.specs.iter().position(|spec| spec.symbol.as_bytes() == code).ok_or(Refusal::WrongSymbol)?;
        let ts_venue = time(need(item.text(b"date")?)?, need(item.text(b"time")?)?)?;
        let suspend = item.flag(b"suspend")?;
        // Nothing trades while suspended: what such a message shows is no market, just as in trial matching.
        let trial = item.flag(b"simtrade")? || suspend;
        if tick {
            let spec = self.specs.get(at).ok_or(Refusal::WrongSymbol)?;
            if suspend {
                return Ok((at, suspend, Said::Suspended { ts_venue }));
            }
            return Ok((at, suspend, Said::Print(print(spec, &item, ts_venue, trial)?)));
        }
        let Self { specs, bids, asks, .. } = self;
        let spec = specs.get(at).ok_or(Refusal::WrongSymbol)?;
        side(spec, &item, b"bid_price", b"bid_volume", bids)?;
        side(spec, &item, b"ask_price", b"ask_volume", asks)?;
        let sorted = |levels: &[Level], sign: i64| {
            levels.windows(2).all(|w| match w {
                [a, b] => (a.px.0 - b.px.0) * sign > 0,
                _ => true,
            })
        };
        if !sorted(bids, 1) || !sorted(asks, -1) {
            return Err(Refusal::LevelsUnsorted);
        }
        Ok((at, suspend, Said::Book { trial, ts_venue }))
    }
}

impl Said {
    fn ts_venue(&self) -> EpochNs {
        match self {
            Self::Print(print) => print.ts_venue,
            Self::Book { ts_venue, .. } | Self::Suspended { ts_venue } => *ts_venue,
            Self::Nothing => EpochNs(0),
        }
    }
}

/// A night session's events carry the day they happened on; which trading day they belong to is the calendar's to say.
fn time(date: &[u8], time: &[u8]) -> Result<EpochNs, Refusal> {
    let read = day(date).zip(clock(time));
    read.map(|(day, clock)| instant(day, clock, TAIPEI_NS)).filter(|ts| ts.0 >= 0).ok_or(Refusal::BadTime)
}

fn print(spec: &SymbolSpec, item: &Item<'_>, ts_venue: EpochNs, trial: bool) -> Result<Print, Refusal> {
    let size = qty(spec, need(item.number(b"volume")?)?)?;
    if size.0 == 0 {
        return Err(Refusal::QtyNegOrZero);
    }
    let total = qty(spec, need(item.number(b"total_volume")?)?)?;
    let aggressor = match need(item.int::<u8>(b"tick_type")?)? {
        0 => None,
        1 => Some(Side::Buy),
        2 => Some(Side::Sell),
        _ => return Err(Refusal::Malformed),
    };
    Ok(Print {
        trade_id: 0,
        px: px(spec, need(item.text(b"close")?)?)?,
        qty: size,
        aggressor,
        ts_venue,
        total_qty: Some(total),
        trial,
        moves: Moves::ALL,
        odd_lot: item.flag(b"intraday_odd")?,
    })
}

/// One side of a book: columns of prices and sizes. A level without a price or a size is a place where nobody stands.
fn side(
    spec: &SymbolSpec,
    item: &Item<'_>,
    prices: &[u8],
    sizes: &[u8],
    into: &mut Vec<Level>,
) -> Result<(), Refusal> {
    into.clear();
    let (Value::Array(prices), Value::Array(sizes)) = (need(item.get(prices))?, need(item.get(sizes))?)
    else {
        return Err(Refusal::Malformed);
    };
    json::array(prices, |price| {
        let Value::Text { text, escaped: false } = price else { return Err(Refusal::Malformed) };
        if into.len() == BOOK_LEVELS_MAX {
            return Err(Refusal::TooManyLevels);
        }
        let px = match px(spec, text) {
            // Written as "0": nobody stands there.
            Err(Refusal::PxZeroOrNeg) if !text.starts_with(b"-") => PxTicks(0),
            other => other?,
        };
        into.push(Level { px, qty: QtyLots(0) });
        Ok(())
    })?;
    let mut at = 0;
    json::array(sizes, |size| {
        let Value::Number(text) = size else { return Err(Refusal::Malformed) };
        into.get_mut(at).ok_or(Refusal::Malformed)?.qty = qty(spec, text)?;
        at += 1;
        Ok(())
    })?;
    if at != into.len() {
        return Err(Refusal::Malformed);
    }
    into.retain(|level| level.px.0 > 0 && level.qty.0 > 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: &str = r#"{"code":"2890","date":"2026-05-21","time":"09:16:15.060129","open":"29.8","close":"29.85","volume":5,"total_volume":3646,"tick_type":1,"suspend":false,"simtrade":false,"intraday_odd":false}"#;
    const BOOK: &str = r#"{"code":"2890","date":"2026-05-21","time":"09:16:15.060129","bid_price":["29.8","29.75","0"],"bid_volume":[5,7,0],"ask_price":["29.85"],"ask_volume":[9],"simtrade":false,"intraday_odd":false}"#;

    fn reader() -> Shioaji {
        let spec = |symbol: &str, px_scale| SymbolSpec {
            symbol: symbol.into(),
            px_scale,
            px_unit: 1,
            qty_scale: 0,
            qty_unit: 1,
        };
        Shioaji::of(vec![spec("2890", 2), spec("TXFF6", 0)])
    }

    fn one(n: &mut Shioaji, name: &str, data: &str) -> Result<Option<(usize, Event<'static>)>, Refusal> {
        let mut seen = None;
        n.parse(name.as_bytes(), data.as_bytes(), &mut |at, event| seen = Some((at, event.into_owned())))
            .map(|_| seen)
    }

    #[test]
    fn ticks_and_books_give_exact_integers_in_utc() {
        let mut n = reader();
        let Ok(Some((0, Event::Print(print)))) = one(&mut n, "tick_stk", TICK) else { panic!() };
        assert_eq!(
            (print.px.0, print.qty.0, print.aggressor, print.total_qty),
            (2_985, 5, Some(Side::Buy), Some(QtyLots(3_646)))
        );
        assert_eq!(print.ts_venue, EpochNs(1_779_326_175_060_129_000), "01:16:15 UTC");
        let Ok(Some((0, Event::Snapshot(book)))) = one(&mut n, "bidask_stk", BOOK) else { panic!() };
        assert_eq!((book.bids.len(), book.bids[1].px.0, book.asks[0].qty.0), (2, 2_975, 9));
        let tick = TICK.replace("2890", "TXFF6").replace("29.85", "40608").replace("09:16", "00:30");
        assert!(matches!(one(&mut n, "tick_fop", &tick), Ok(Some((1, Event::Print(_))))));
        assert_eq!(one(&mut n, "heartbeat", "{}"), Ok(None));
        assert_eq!((n.accepted(), n.refused().total()), (3, 0));
    }

    #[test]
    fn trial_matching_is_never_a_print_of_the_tape_or_a_book() {
        let mut n = reader();
        let trial = |text: &str| text.replace("\"simtrade\":false", "\"simtrade\":true");
        assert!(matches!(one(&mut n, "tick_stk", &trial(TICK)), Ok(Some((0, Event::Print(p)))) if p.trial));
        assert!(matches!(one(&mut n, "bidask_stk", &trial(BOOK)), Ok(Some((0, Event::Indicative(_))))));
    }

    #[test]
    fn a07_a_suspension_and_its_end_are_told_once_and_nothing_in_between_is_a_market() {
        let mut n = reader();
        let mut seen = vec![];
        let suspended = |text: &str| {
            text.replace("\"simtrade\":false", "\"suspend\":true,\"simtrade\":false")
                .replace("\"suspend\":false,", "")
        };
        for text in [BOOK.to_string(), suspended(BOOK), suspended(BOOK), BOOK.into(), BOOK.into()] {
            let count = n.parse(b"bidask_stk", text.as_bytes(), &mut |at, event| {
                assert_eq!(at, 0);
                seen.push(match event {
                    Event::TradingStatus { trading, .. } => {
                        if trading {
                            "resumed"
                        } else {
                            "halted"
                        }
                    }
                    Event::Snapshot(_) => "book",
                    Event::Indicative(_) => "indicative",
                    _ => "other",
                });
            });
            assert!(count.is_ok());
        }
        assert_eq!(seen, ["book", "halted", "indicative", "indicative", "resumed", "book", "book"]);
        let tick = suspended(TICK).replace("\"volume\":5", "\"volume\":0");
        let halted = one(&mut n, "tick_stk", &tick);
        assert!(matches!(halted, Ok(Some((0, Event::TradingStatus { trading: false, .. })))), "{halted:?}");
        assert_eq!(one(&mut n, "tick_stk", &tick), Ok(None));
    }

    #[test]
    fn a06_another_schema_is_refused_by_name_and_counted_and_never_read_as_an_older_one() {
        let mut n = reader();
        for (name, data, why) in [
            ("tick_stk_v2", TICK.to_string(), Refusal::UnknownEvent),
            ("quote", TICK.into(), Refusal::UnknownEvent),
            ("tick_stk", TICK.replace("\"code\"", "\"Code\""), Refusal::MissingField),
            ("tick_stk", TICK.replace("\"close\"", "\"Close\""), Refusal::MissingField),
            ("tick_stk", TICK.replace("\"29.85\"", "[29.85]"), Refusal::Malformed),
            ("tick_stk", TICK.replace("29.85", "0"), Refusal::PxZeroOrNeg),
            ("tick_stk", TICK.replace("29.85", "29.855"), Refusal::PxOffTick),
            ("tick_stk", TICK.replace("\"volume\":5", "\"volume\":0"), Refusal::QtyNegOrZero),
            ("tick_stk", TICK.replace("\"volume\":5", "\"volume\":-5"), Refusal::QtyNegOrZero),
            ("tick_stk", TICK.replace("2026-05-21", "2026-5-21"), Refusal::BadTime),
            ("tick_stk", TICK.replace("2890", "2330"), Refusal::WrongSymbol),
            ("bidask_stk", BOOK.replace("[5,7,0]", "[5,7]"), Refusal::Malformed),
            ("bidask_stk", BOOK.replace("29.75", "29.9"), Refusal::LevelsUnsorted),
            ("bidask_stk", BOOK.replace("\"29.75\"", "\"-1\""), Refusal::PxZeroOrNeg),
            (
                "bidask_stk",
                BOOK.replace(
                    "[\"29.85\"]",
                    "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\"]",
                ),
                Refusal::TooManyLevels,
            ),
        ] {
            let before = n.refused().get(why);
            assert_eq!(one(&mut n, name, &data), Err(why), "{name} {data}");
            assert_eq!(n.refused().get(why), before + 1);
        }
        assert_eq!(n.accepted(), 0);
    }
}
