//! Databento's MBO, MBP-1, MBP-10 and trades to rows.
//!
//! Times are the file's own: `ts_event` at the venue, `ts_recv` at the receiver; of a snapshot both are `ts_recv`, as its orders are older
//! than the recording. The order of the file is the venue's, so a `ts_event` before an earlier one counts as that one's. MBO is
//! summed to levels by the L3 book, and levels are named when an event is complete. Of MBP a level that is no longer shown is
//! absent. A trade that names no aggressor, as crosses and implied trades do, moves no queue and is left out; so are records of other kinds.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tidegate_backtest::event::{Kind, Row};
use tidegate_backtest::limits::ROWS_MAX;
use tidegate_backtest::lobster::{changes, units};
use tidegate_backtest::tape::TapeFault;
use tidegate_book::{L3Book, L3Outcome};
use tidegate_datasets::dbn::{Action, Dbn, Head, LAST, Mbo, Record};
use tidegate_instruments::Instrument;
use tidegate_units::Side;

/// Prices there are in 1e-9.
const PX_SCALE: u32 = 9;
/// What stands where there is no price.
const NO_PX: i64 = i64::MAX;
/// Flag: a record of a snapshot.
const SNAPSHOT: u8 = 32;

/// What files gave.
#[derive(Debug, Clone, Default)]
pub struct Read {
    pub rows: Vec<Row>,
    pub messages: u64,
    /// Records of other kinds, and trades without an aggressor.
    pub left_out: u64,
}

/// A record's own time, or the remedy.
fn time(ns: i64, name: &str) -> Result<i64, String> {
    if ns == NO_PX { Err(format!("no {name}: the record cannot be placed in time")) } else { Ok(ns) }
}

struct Reader<'a> {
    row: &'a Instrument,
    out: Read,
    exch_ns: i64,
    local_ns: i64,
    /// What was shown of each side, MBP.
    bids: Vec<(i64, i64)>,
    asks: Vec<(i64, i64)>,
    /// MBO: the orders, and the levels an event has touched.
    book: L3Book,
    touched: Vec<(Side, i64)>,
    /// What `touched` holds: a snapshot is one event of thousands of levels.
    seen: HashSet<(Side, i64)>,
    cleared: bool,
}

impl Reader<'_> {
    fn px(&self, px: i64) -> Result<i64, String> {
        let ticks = units(px, PX_SCALE, self.row.px_scale, self.row.px_unit);
        ticks.filter(|ticks| i32::try_from(*ticks).is_ok()).ok_or_else(|| {
            format!(
                "price {px} in 1e-9: no whole number of ticks, or more than 2^31: is it the right instrument?"
            )
        })
    }

    fn qty(&self, qty: u32) -> Result<i64, String> {
        units(i64::from(qty), 0, self.row.qty_scale, self.row.qty_unit)
            .ok_or_else(|| format!("size {qty}: no whole number of lots"))
    }

    fn push(&mut self, kind: Kind, px: i64, qty: i64) {
        // Every price was checked when it was read.
        let px = i32::try_from(px).unwrap_or(i32::MAX);
        self.out.rows.push(Row { kind, exch_ns: self.exch_ns, local_ns: self.local_ns, px, qty });
    }

    fn at(&mut self, head: Head, ts_recv: i64, flags: u8) -> Result<(), String> {
        self.local_ns = time(ts_recv, "ts_recv")?;
        let snapshot = flags & SNAPSHOT != 0;
        let event = if snapshot { self.local_ns } else { time(head.ts_event.0, "ts_event")? };
        self.exch_ns = self.exch_ns.max(event);
        Ok(())
    }

    fn trade(&mut self, px: i64, qty: u32, side: Option<Side>) -> Result<(), String> {
        let Some(side) = side else {
            self.out.left_out += 1;
            return Ok(());
        };
        let (px, qty) = (self.px(px)?, self.qty(qty)?);
        self.push(Kind::trade(side), px, qty);
        Ok(())
    }

    /// The levels a record of MBP shows.
    fn shown(&mut self, bids: &[(i64, u32)], asks: &[(i64, u32)]) -> Result<(), String> {
        for (side, levels) in [(Side::Buy, bids), (Side::Sell, asks)] {
            let there = levels.iter().filter(|(px, qty)| *px != NO_PX && *qty > 0);
            let now = there
                .map(|(px, qty)| Ok((self.px(*px)?, self.qty(*qty)?)))
                .collect::<Result<Vec<_>, String>>()?;
            let shown = if side == Side::Buy { &mut self.bids } else { &mut self.asks };
            let was = std::mem::replace(shown, now.clone());
            for (px, qty) in changes(&was, &now) {
                self.push(Kind::level(side), px, qty);
            }
        }
        Ok(())
    }

    fn touch(&mut self, side: Side, px: i64) {
        if self.seen.insert((side, px)) {
            self.touched.push((side, px));
        }
    }

    fn clear(&mut self) {
        self.book.clear();
        self.touched.clear();
        self.seen.clear();
        self.cleared = true;
    }

    fn mbo(&mut self, mbo: &Mbo) -> Result<(), String> {
        let lots = self.qty(mbo.qty)?;
        let known = self.book.order(mbo.order_id).map(|order| (order.side, order.px));
        let outcome = match (mbo.action, mbo.side) {
            (Action::Clear, _) => {
                self.clear();
                L3Outcome::Done
            }
            (Action::Add, Some(side)) => {
                let px = self.px(mbo.px)?;
                self.touch(side, px);
                self.book.add(mbo.order_id, side, px, lots)
            }
            (Action::Modify, _) => {
                let px = self.px(mbo.px)?;
                known
                    .into_iter()
                    .chain(known.map(|(side, _)| (side, px)))
                    .for_each(|(side, px)| self.touch(side, px));
                self.book.modify(mbo.order_id, px, lots)
            }
            (Action::Cancel, _) => {
                known.into_iter().for_each(|(side, px)| self.touch(side, px));
                self.book.reduce(mbo.order_id, lots)
            }
            (Action::Trade, side) => {
                self.trade(mbo.px, mbo.qty, side)?;
                L3Outcome::Done
            }
            _ => L3Outcome::Done,
        };
        if !matches!(outcome, L3Outcome::Done | L3Outcome::Removed) {
            return Err(format!(
                "order {}: {outcome:?}: the file does not begin with a snapshot, or lacks records",
                mbo.order_id
            ));
        }
        if mbo.flags & LAST != 0 {
            self.complete();
        }
        Ok(())
    }

    /// An event of MBO is complete: names what it changed.
    fn complete(&mut self) {
        if std::mem::take(&mut self.cleared) {
            self.push(Kind::Clear, 0, 0);
        }
        self.seen.clear();
        for (side, px) in std::mem::take(&mut self.touched) {
            let qty = self.book.level(side, px).map_or(0, |level| level.qty);
            self.push(Kind::level(side), px, qty);
        }
    }

    fn record(&mut self, record: &Record) -> Result<(), String> {
        match record {
            Record::Mbo(mbo) => {
                self.at(mbo.head, mbo.ts_recv.0, mbo.flags)?;
                self.mbo(mbo)
            }
            Record::Mbp1(mbp) => {
                self.at(mbp.head, mbp.ts_recv.0, mbp.flags)?;
                if mbp.action == Action::Trade {
                    self.trade(mbp.px, mbp.qty, mbp.side)?;
                }
                self.shown(&[(mbp.bid.0, mbp.bid.1)], &[(mbp.ask.0, mbp.ask.1)])
            }
            Record::Mbp10(mbp) => {
                self.at(mbp.head, mbp.ts_recv.0, mbp.flags)?;
                if mbp.action == Action::Trade {
                    self.trade(mbp.px, mbp.qty, mbp.side)?;
                }
                self.shown(&mbp.bids, &mbp.asks)
            }
            Record::Trade { head, ts_recv, px, qty, side, flags, .. } => {
                self.at(*head, ts_recv.0, *flags)?;
                self.trade(*px, *qty, *side)
            }
            Record::Other(_) => Ok(()),
        }
    }
}

const fn instrument_of(record: &Record) -> Option<u32> {
    match record {
        Record::Mbo(each) => Some(each.head.instrument),
        Record::Mbp1(each) => Some(each.head.instrument),
        Record::Mbp10(each) => Some(each.head.instrument),
        Record::Trade { head, .. } => Some(head.instrument),
        Record::Other(_) => None,
    }
}

/// Which instrument of a file is meant: that of the symbol or number asked for, else of the row's own symbol, else the only one.
/// None where the file maps no symbol: then it must hold one instrument.
fn chosen(dbn: &Dbn, row: &Instrument, asked: Option<&str>) -> Result<Option<u32>, String> {
    let symbols = dbn.symbols();
    let of = |name: &str| {
        let ids: Vec<u32> = symbols.iter().filter(|(symbol, _)| symbol == name).map(|(_, id)| *id).collect();
        match ids[..] {
            [] => Ok(None),
            [id] => Ok(Some(id)),
            _ => Err(format!("{name} stands for {} instruments in it: split it by days", ids.len())),
        }
    };
    let names =
        || symbols.iter().map(|(symbol, id)| format!("{symbol} = {id}")).collect::<Vec<_>>().join(", ");
    if let Some(asked) = asked {
        return of(asked)?.or_else(|| asked.parse().ok()).map(Some).ok_or_else(|| {
            format!("no symbol {asked} in it: want one of {}, or an instrument's number", names())
        });
    }
    match (of(&row.symbol)?, symbols) {
        (Some(id), _) => Ok(Some(id)),
        (None, [(_, id)]) => Ok(Some(*id)),
        (None, []) => Ok(None),
        _ => Err(format!("no symbol {} in it: want --symbol of {}", row.symbol, names())),
    }
}

/// Reads files of one instrument in their order; an MBO book begins anew with each.
///
/// # Errors
/// A damaged file, several instruments with none chosen, a value that the instrument does not have: file, record, what, the remedy.
pub fn read(files: &[PathBuf], row: &Instrument, asked: Option<&str>) -> Result<Read, String> {
    let mut reader = Reader {
        row,
        out: Read::default(),
        exch_ns: 0,
        local_ns: 0,
        bids: Vec::new(),
        asks: Vec::new(),
        book: L3Book::default(),
        touched: Vec::new(),
        seen: HashSet::new(),
        cleared: false,
    };
    for file in files {
        one(file, &mut reader, asked)?;
    }
    Ok(reader.out)
}

fn one(file: &Path, reader: &mut Reader<'_>, asked: Option<&str>) -> Result<(), String> {
    let mut dbn = Dbn::open(file)?;
    let named = |what: String| format!("{}: {what}", file.display());
    let mut only = chosen(&dbn, reader.row, asked).map_err(named)?;
    let free = only.is_none();
    if !reader.book.is_empty() {
        reader.clear();
    }
    while let Some(record) = dbn.next_record()? {
        let at = dbn.at();
        let named = |what: String| format!("{}:{at}: {what}", file.display());
        reader.out.messages += 1;
        if reader.out.rows.len() > ROWS_MAX {
            return Err(named(TapeFault::TooLong.to_string()));
        }
        let Some(id) = instrument_of(&record) else {
            reader.out.left_out += 1;
            continue;
        };
        if *only.get_or_insert(id) != id {
            if free {
                return Err(named(format!("instrument {id} beside {only:?}: want --symbol with a number")));
            }
            reader.out.left_out += 1;
            continue;
        }
        reader.record(&record).map_err(named)?;
    }
    // A file may end within an event.
    reader.complete();
    Ok(())
}

#[cfg(test)]
mod tests;
