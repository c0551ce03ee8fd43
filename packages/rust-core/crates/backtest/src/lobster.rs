//! A LOBSTER pair to rows: the book's levels that changed, and visible executions.
//!
//! The files have one time a message, the exchange's; it counts as received at once, and a run's latencies are the model's alone. A level
//! that is no longer among those shown is absent. Executions of hidden orders and auction crosses move no queue and are left out.

use crate::event::{Kind, Row};
use std::path::Path;
use tidegate_datasets::lobster::{Event, Levels, Lobster};
use tidegate_instruments::Instrument;
use tidegate_units::Side;

/// What a pair gave.
#[derive(Debug, Clone, Default)]
pub struct Pair {
    pub rows: Vec<Row>,
    pub messages: u64,
    pub left_out: u64,
}

/// Prices there are in 1e-4 of a dollar.
const PX_SCALE: u32 = 4;

/// `value` × 10^-`from_scale` as a whole number of `unit` × 10^-`scale`; none where it is none, or does not fit.
pub fn units(value: i64, from_scale: u32, scale: u32, unit: i64) -> Option<i64> {
    let value = i128::from(value) * 10_i128.pow(scale);
    let one = 10_i128.pow(from_scale) * i128::from(unit.max(1));
    (value % one == 0).then(|| i64::try_from(value / one).ok()).flatten()
}

/// The levels of one side that are not as they were, those that are no longer shown first and with nothing.
pub fn changes<'a>(was: &'a [(i64, i64)], now: &'a [(i64, i64)]) -> impl Iterator<Item = (i64, i64)> + 'a {
    let gone = was.iter().filter(|(px, _)| !now.iter().any(|(other, _)| other == px)).map(|(px, _)| (*px, 0));
    gone.chain(now.iter().filter(|level| !was.contains(level)).copied())
}

struct Reader<'a> {
    row: &'a Instrument,
    midnight_ns: i64,
    shown: Levels,
    out: Pair,
}

impl Reader<'_> {
    fn px(&self, px: i64) -> Result<i32, String> {
        let ticks = units(px, PX_SCALE, self.row.px_scale, self.row.px_unit);
        ticks.and_then(|ticks| i32::try_from(ticks).ok()).ok_or_else(|| {
            format!(
                "price {px} in 1e-4: no whole number of ticks, or more than 2^31: is it the right instrument?"
            )
        })
    }

    fn qty(&self, qty: i64) -> Result<i64, String> {
        units(qty, 0, self.row.qty_scale, self.row.qty_unit)
            .ok_or_else(|| format!("{qty} shares: no whole number of lots"))
    }

    fn push(&mut self, kind: Kind, ts_ns: i64, px: i64, qty: i64) -> Result<(), String> {
        let at = self.midnight_ns.checked_add(ts_ns).ok_or("a time beyond 64 bits")?;
        let (px, qty) = (self.px(px)?, self.qty(qty)?);
        self.out.rows.push(Row { kind, exch_ns: at, local_ns: at, px, qty });
        Ok(())
    }

    /// Names the levels of one side that are not as they were.
    fn side(&mut self, side: Side, ts_ns: i64, was: &[(i64, i64)], now: &[(i64, i64)]) -> Result<(), String> {
        let kind = Kind::level(side);
        changes(was, now).try_for_each(|(px, qty)| self.push(kind, ts_ns, px, qty))
    }
}

/// Reads the message file and the order book file of one day, which began at `midnight_ns` of the exchange.
///
/// # Errors
/// A damaged pair, or a value that the instrument does not have: file, row, what.
pub fn read(messages: &Path, books: &Path, row: &Instrument, midnight_ns: i64) -> Result<Pair, String> {
    let mut pair = Lobster::open(messages, books).map_err(|fault| fault.to_string())?;
    let mut reader = Reader { row, midnight_ns, shown: Levels::default(), out: Pair::default() };
    loop {
        let at = pair.at() + 1;
        let Some((message, levels)) = pair.next_row().map_err(|fault| fault.to_string())? else { break };
        let levels = levels.clone();
        let mut one = || {
            if message.event == Event::Execute {
                reader.push(Kind::trade(message.side.opposite()), message.ts_ns, message.px, message.qty)?;
            }
            let was = std::mem::replace(&mut reader.shown, levels.clone());
            reader.side(Side::Buy, message.ts_ns, &was.bids, &levels.bids)?;
            reader.side(Side::Sell, message.ts_ns, &was.asks, &levels.asks)
        };
        one().map_err(|what| format!("{}:{at}: {what}", messages.display()))?;
        reader.out.messages += 1;
        let hidden = matches!(message.event, Event::ExecuteHidden | Event::Cross | Event::Halt);
        reader.out.left_out += u64::from(hidden);
    }
    Ok(reader.out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_instruments::{Kind as Contract, Venue};

    fn stock() -> Instrument {
        let usdm = crate::tests_support::usdm();
        let (venue, kind) = (Venue::Alpaca, Contract::Equity);
        Instrument { venue, kind, px_scale: 2, qty_scale: 0, e8_per_tick_lot: 1_000_000, ..usdm }
    }

    fn of(messages: &str, books: &str) -> Result<Pair, String> {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("message.csv"), dir.path().join("orderbook.csv"));
        std::fs::write(&one, messages).unwrap();
        std::fs::write(&two, books).unwrap();
        read(&one, &two, &stock(), 1_000)
    }

    #[test]
    fn a46_a_lobster_pair_names_what_changed_and_each_visible_execution() {
        let pair = of(
            // An ask comes; a buyer takes 18 of it; a hidden order is executed; the rest is deleted.
            "34200.000000001,1,7,100,2239500,-1\n34200.000000002,4,7,18,2239500,-1\n34200.000000003,5,0,9,2239000,1\n34200.000000004,3,7,82,2239500,-1\n",
            "2239500,100,2231800,50\n2239500,82,2231800,50\n2239500,82,2231800,50\n2240000,7,2231800,50\n",
        )
        .unwrap();
        let at = |n: i64| 1_000 + 34_200_000_000_000 + n;
        let row = |n, kind, px, qty| Row { kind, exch_ns: at(n), local_ns: at(n), px, qty };
        assert_eq!(
            pair.rows,
            [
                row(1, Kind::Bid, 22_318, 50),
                row(1, Kind::Ask, 22_395, 100),
                row(2, Kind::BuyTrade, 22_395, 18),
                row(2, Kind::Ask, 22_395, 82),
                row(4, Kind::Ask, 22_395, 0),
                row(4, Kind::Ask, 22_400, 7),
            ]
        );
        assert_eq!((pair.messages, pair.left_out), (4, 1));
    }

    #[test]
    fn a46_a_lobster_price_between_two_ticks_is_refused_with_its_row() {
        let fault = of("34200.1,1,7,100,2239550,-1\n", "2239550,100,2231800,50\n").unwrap_err();
        assert!(fault.contains(":1: price 2239550"), "{fault}");
    }
}
