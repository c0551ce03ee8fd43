//! CppTrader's scenarios, run command by command: the trades and the book at the end are what their comments say, and the plain
//! model's after every command.

use super::Plant;
use super::plain::Plain;
use crate::books::tally::Tally;
use std::path::Path;
use tidegate_matching::engine::{Engine, Event, OrderKind, Request, Stp, Tif, Trail, Trigger, TriggerKind};
use tidegate_units::Side;

/// What a scenario's comments say: trades `(px, qty)`, then the book `(side, px, qty)` best first, bids before asks, and waiting
/// orders `(id, trigger px)`.
struct Case {
    name: &'static str,
    trades: &'static [(i64, i64)],
    book: &'static [(char, i64, i64)],
    waiting: &'static [(u64, i64)],
}

const CASES: &[Case] = &[
    Case { name: "01", trades: &[], book: &[], waiting: &[] },
    Case { name: "02", trades: &[], book: &[], waiting: &[] },
    // Reduced, modified, replaced, deleted.
    Case { name: "03", trades: &[], book: &[], waiting: &[] },
    // "Orders will be fully matched!"
    Case { name: "04", trades: &[(10, 10)], book: &[], waiting: &[] },
    Case { name: "05", trades: &[(10, 10)], book: &[], waiting: &[] },
    // "Market order will slip down to price = best bid - 10 and will stop at 20"
    Case {
        name: "07",
        trades: &[(30, 10), (30, 20), (30, 30), (20, 10), (20, 20), (20, 30)],
        book: &[('b', 10, 60), ('s', 40, 60), ('s', 50, 60), ('s', 60, 60)],
        waiting: &[],
    },
    // 'Immediate-Or-Cancel': all of the bids, the rest of 40 is cancelled.
    Case { name: "09", trades: &[(30, 30), (20, 20), (10, 10)], book: &[], waiting: &[] },
    // "Stop order will be converted into the market one and fully executed!"
    Case { name: "11", trades: &[(30, 30), (20, 10), (20, 10), (10, 10)], book: &[], waiting: &[] },
    // "Trailing stop order price will be adjusted to keep the provided distance to the market!"
    Case {
        name: "13",
        trades: &[(30, 10)],
        book: &[('b', 30, 20), ('b', 20, 20), ('b', 10, 10)],
        waiting: &[(4, 20)],
    },
];

fn side(word: &str) -> Result<Side, String> {
    match word {
        "buy" => Ok(Side::Buy),
        "sell" => Ok(Side::Sell),
        _ => Err(format!("{word}: no side")),
    }
}

struct Both {
    engine: Engine,
    plain: Plain,
    events: Vec<Event>,
}

impl Both {
    fn submit(&mut self, order: Request) -> bool {
        let order = Request { stp: Stp::None, ..order };
        let core = self.engine.submit(&order, &mut self.events);
        core == self.plain.submit(&order)
    }

    fn cancel(&mut self, id: u64) -> bool {
        self.engine.cancel(id, &mut self.events) == self.plain.cancel(id)
    }

    fn amend(&mut self, id: u64, px: i64, open: i64) -> bool {
        let core = self.engine.amend(id, px, open, &mut self.events);
        core == self.plain.amend(id, px, open)
    }

    /// One command; whether both took it alike.
    fn run(&mut self, words: &[&str], shift: i64) -> Result<bool, String> {
        let number = |at: usize| -> Result<i64, String> {
            let word = words.get(at).ok_or_else(|| format!("{}: too short", words.join(" ")))?;
            word.parse().map_err(|_| format!("{word}: no whole number"))
        };
        let order = |at: usize, px: i64, qty: i64, tif: Tif| -> Result<Request, String> {
            let word = words.get(at).ok_or_else(|| format!("{}: too short", words.join(" ")))?;
            Ok(Request::limit(number(at + 1)? as u64, 0, side(word)?, px + shift, qty, tif))
        };
        let market = |order: Request| Request { kind: OrderKind::Market, px: 0, ..order };
        let stop = |px: i64, trail: Option<Trail>| Some(Trigger { kind: TriggerKind::Stop, px, trail });
        Ok(match words {
            ["enable", "matching"] | ["add" | "delete", "symbol" | "book", ..] => true,
            ["add", "limit", ..] => self.submit(order(2, number(5)?, number(6)?, Tif::Gtc)?),
            ["add", "ioc", "limit", ..] => self.submit(order(3, number(6)?, number(7)?, Tif::Ioc)?),
            ["add", "fok", "limit", ..] => self.submit(order(3, number(6)?, number(7)?, Tif::Fok)?),
            ["add", "market", ..] => self.submit(market(order(2, 0, number(5)?, Tif::Ioc)?)),
            ["add", "slippage", "market", ..] => {
                // A market order that goes no further from the touch than so much is an IOC limit order.
                let mut order = order(3, 0, number(6)?, Tif::Ioc)?;
                let touch = self.engine.best(order.side.opposite()).unwrap_or(0);
                order.px = touch + number(7)? * order.side.sign() + shift;
                self.submit(order)
            }
            ["add", "stop", ..] => {
                let order = market(order(2, 0, number(6)?, Tif::Ioc)?);
                self.submit(Request { trigger: stop(number(5)?, None), ..order })
            }
            ["add", "trailing", "stop", ..] => {
                let order = market(order(3, 0, number(7)?, Tif::Ioc)?);
                let trail = Trail { distance: number(8)?, step: number(9)? };
                self.submit(Request { trigger: stop(number(6)?, Some(trail)), ..order })
            }
            ["reduce", "order", ..] => {
                let id = number(2)? as u64;
                match self.engine.order(id) {
                    Some(open) if open.shown > number(3)? => {
                        self.amend(id, open.px.unwrap_or(0), open.shown - number(3)?)
                    }
                    _ => self.cancel(id),
                }
            }
            ["modify", "order", ..] => self.amend(number(2)? as u64, number(3)?, number(4)?),
            ["replace", "order", ..] => {
                let id = number(2)? as u64;
                let old = self.engine.order(id).ok_or_else(|| format!("{id}: no such order"))?;
                let next = number(3)? as u64;
                self.cancel(id)
                    && self.submit(Request::limit(next, 0, old.side, number(4)?, number(5)?, Tif::Gtc))
            }
            ["delete", "order", ..] => self.cancel(number(2)? as u64),
            _ => return Err(format!("{}: no such command", words.join(" "))),
        })
    }

    fn book(&self) -> Vec<(char, i64, i64)> {
        let of = |side, letter| self.engine.levels(side).map(move |level| (letter, level.px, level.shown));
        of(Side::Buy, 'b').chain(of(Side::Sell, 's')).collect()
    }
}

/// Every scenario.
///
/// # Errors
/// A file that is not there or a command that is none.
pub fn compare(data: &Path, plant: Plant) -> Result<Tally, String> {
    let mut tally = Tally::new("cpptrader");
    for case in CASES {
        let path = data.join(format!("matching-conformance/cpptrader/scenario-{}.txt", case.name));
        let text = std::fs::read_to_string(&path).map_err(|fault| format!("{}: {fault}", path.display()))?;
        let mut both = Both { engine: Engine::new((), 1_024), plain: Plain::default(), events: Vec::new() };
        both.engine.add_account();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            let shift = i64::from(plant == Plant::ShiftPrice);
            let alike = both.run(&words, shift).map_err(|fault| format!("{}: {fault}", path.display()))?;
            tally.case(alike && both.events == both.plain.events, || {
                format!("scenario {}, {line}: {:?}, want {:?}", case.name, both.events, both.plain.events)
            });
        }
        let trade =
            |event: &Event| if let Event::Fill(fill) = event { Some((fill.px, fill.qty)) } else { None };
        let trades: Vec<(i64, i64)> = both.events.iter().filter_map(trade).collect();
        tally.case(trades == case.trades, || format!("scenario {}: trades {trades:?}", case.name));
        let book = both.book();
        tally.case(book == case.book, || format!("scenario {}: book {book:?}", case.name));
        let waiting: Vec<(u64, i64)> = both
            .engine
            .waiting_ids()
            .into_iter()
            .filter_map(|id| Some((id, both.engine.order(id)?.trigger_px?)))
            .collect();
        tally.case(waiting == case.waiting, || format!("scenario {}: waiting {waiting:?}", case.name));
    }
    tally.note("scenarios", CASES.len());
    Ok(tally)
}
