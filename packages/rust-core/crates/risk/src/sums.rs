//! Exposure by scope, added up once and kept: a decision works out its own instrument and takes the others as they stand.
//!
//! It answers only where every instrument has one plain value: priced, in the currency of the sums, within 100 bits. Anything
//! else is added up book by book, where the order of the books says which fault is reported.

use crate::config::{Limits, RowId};
use crate::contract::worth_e8;
use crate::decide::{Exposure, Wish, worst};
use crate::fixed::Near;
use crate::index::{At, Held, Index, Lots};
use std::hash::Hash;
use tidegate_instruments::{Instrument, Table};
use tidegate_units::{AccountId, InstrumentId, Side, StrategyId};

/// Values beyond it are not plain; as many of them as there can be books still add up within 128 bits.
const PLAIN_MAX: u128 = 1 << 100;

/// What one book adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OfBook {
    account: AccountId,
    strategy: StrategyId,
    desk: Option<u32>,
    value: i128,
}

/// What does not change of an instrument while the limits stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    collar_bps: u32,
    /// Not in the currency of the sums.
    foreign: bool,
}

/// What one instrument adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Part {
    books: Vec<OfBook>,
    /// By account: what its strategies hold together.
    nets: Vec<(AccountId, i128)>,
    /// What the limits and the table say, looked up once while they stand.
    known: Option<Known>,
    plain: bool,
}

/// The sums.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    limits_version: u32,
    parts: Near<InstrumentId, Part>,
    firm: i128,
    accounts: Near<AccountId, i128>,
    strategies: Near<StrategyId, i128>,
    desks: Near<u32, i128>,
    /// Instruments without a plain value.
    not_plain: usize,
    scratch: Part,
}

fn value(row: &Instrument, px: i128, lots: Lots) -> Option<i128> {
    let worst = worst(lots.position, lots.buys, lots.sells)?;
    worth_e8(row, px, worst).filter(|value| value.unsigned_abs() < PLAIN_MAX)
}

fn net(books: &[Held]) -> Option<Lots> {
    books.iter().try_fold(Lots::default(), |sum, book| {
        Some(Lots {
            position: sum.position.checked_add(book.lots.position)?,
            buys: sum.buys.checked_add(book.lots.buys)?,
            sells: sum.sells.checked_add(book.lots.sells)?,
        })
    })
}

fn with(lots: Lots, side: Side, qty_lots: i64) -> Option<Lots> {
    let qty = i128::from(qty_lots);
    Some(match side {
        Side::Buy => Lots { buys: lots.buys.checked_add(qty)?, ..lots },
        Side::Sell => Lots { sells: lots.sells.checked_add(qty)?, ..lots },
    })
}

fn of_account(books: &[Held]) -> impl Iterator<Item = (AccountId, &[Held])> {
    books.chunk_by(|a, b| a.account == b.account).filter_map(|books| Some((books.first()?.account, books)))
}

impl Part {
    /// Values every book; `None` where one has no plain value. What does not change while the limits stand is taken from `was`.
    fn fill(&mut self, was: &Self, at: &At, row: Option<&Instrument>, limits: &Limits) -> Option<()> {
        self.books.clear();
        self.nets.clear();
        self.known = was.known;
        let row = row?;
        let collar_bps = || limits.instruments.get(&row.instrument_id()).map_or(0, |l| l.collar_bps);
        let Known { collar_bps, foreign } = *self
            .known
            .get_or_insert_with(|| Known { collar_bps: collar_bps(), foreign: row.quote != limits.currency });
        let px = at.valuation(collar_bps);
        let plain = |lots: Lots| {
            if worst(lots.position, lots.buys, lots.sells)? == 0 {
                return Some(0);
            }
            if foreign { None } else { value(row, px?, lots) }
        };
        for (n, &Held { account, strategy, lots }) in at.books().iter().enumerate() {
            let known = was.books.get(n).filter(|book| book.strategy == strategy);
            let desk = || limits.strategies.get(&strategy).and_then(|row| row.desk_id);
            let desk = known.map_or_else(desk, |book| book.desk);
            self.books.push(OfBook { account, strategy, desk, value: plain(lots)? });
        }
        for (account, books) in of_account(at.books()) {
            self.nets.push((account, plain(net(books)?)?));
        }
        Some(())
    }
}

fn shift<K: RowId + Hash>(sums: &mut Near<K, i128>, key: K, by: i128) {
    if by != 0 {
        *sums.or_insert_with(key, || 0) += by;
    }
}

impl Sums {
    /// Takes in what has changed since the last call.
    pub(crate) fn refresh(&mut self, index: &mut Index, table: &Table, limits: &Limits) {
        if self.limits_version != limits.version {
            *self = Self { limits_version: limits.version, ..Self::default() };
            index.all_changed();
        }
        index.drain_changed(|id, at| self.update(id, at, table, limits));
    }

    fn update(&mut self, id: InstrumentId, at: &At, table: &Table, limits: &Limits) {
        let fresh = || Part { plain: true, ..Part::default() };
        let mut next = std::mem::take(&mut self.scratch);
        let was = std::mem::take(self.parts.or_insert_with(id, fresh));
        next.plain = next.fill(&was, at, table.get(id), limits).is_some();
        if !next.plain {
            next.books.clear();
            next.nets.clear();
        }
        self.not_plain = self.not_plain + usize::from(!next.plain) - usize::from(!was.plain);
        let key = |book: &OfBook| (book.account, book.strategy, book.desk);
        let same = was.books.len() == next.books.len()
            && was.books.iter().zip(&next.books).all(|(was, next)| key(was) == key(next));
        if same {
            for (was, next) in was.books.iter().zip(&next.books) {
                self.shift_book(next, next.value - was.value);
            }
        } else {
            was.books.iter().for_each(|book| self.shift_book(book, -book.value));
            next.books.iter().for_each(|book| self.shift_book(book, book.value));
        }
        if was.nets != next.nets {
            for (signed, nets) in [(-1, &was.nets), (1, &next.nets)] {
                for (account, value) in nets {
                    self.firm += signed * value;
                    shift(&mut self.accounts, *account, signed * value);
                }
            }
        }
        self.scratch = was;
        self.parts.insert(id, next);
    }

    /// Reads what a decision will ask of an instrument, so that it is at hand by then.
    #[inline]
    pub(crate) fn warm(&self, instrument: InstrumentId) -> (i128, i128) {
        let part = self.parts.get(instrument);
        let books = part.map_or(0, |part| part.books.iter().fold(0, |all, book| all ^ book.value));
        (books, part.map_or(0, |part| part.nets.iter().fold(0, |all, (_, value)| all ^ value)))
    }

    fn shift_book(&mut self, book: &OfBook, by: i128) {
        shift(&mut self.strategies, book.strategy, by);
        if let Some(desk) = book.desk {
            shift(&mut self.desks, desk, by);
        }
    }

    /// Exposure of the scopes of a wish before it and with `qty_lots` of it, its instrument valued at `px`.
    ///
    /// `None` where a value is not plain.
    pub(crate) fn around(
        &self,
        wish: &Wish<'_>,
        at: Option<&At>,
        qty_lots: i64,
        px: i128,
        limits: &Limits,
    ) -> Option<(Exposure, Exposure)> {
        if self.not_plain > 0 || self.limits_version != limits.version {
            return None;
        }
        let part = self.parts.get(wish.key.instrument);
        let known = part.and_then(|part| part.known);
        if known.map_or_else(|| wish.row.quote != limits.currency, |known| known.foreign) {
            return None;
        }
        let (key, desk) = (wish.key, wish.strategy.desk_id);
        let sum = |sums: Option<&i128>| sums.copied().unwrap_or(0);
        let mut before = Exposure {
            symbol: 0,
            strategy: sum(self.strategies.get(key.strategy)),
            desk: desk.map_or(0, |desk| sum(self.desks.get(desk))),
            account: sum(self.accounts.get(key.account)),
            firm: self.firm,
        };
        // The instrument goes out as it was valued…
        let books = at.map_or(&[][..], At::books);
        let valued = part.map_or(&[][..], |part| part.books.as_slice());
        if valued.len() != books.len() {
            return None;
        }
        if let Some(part) = part {
            for book in valued {
                if book.strategy == key.strategy {
                    before.strategy -= book.value;
                }
                if desk.is_some() && book.desk == desk {
                    before.desk -= book.value;
                }
            }
            for (account, value) in &part.nets {
                before.firm -= value;
                if *account == key.account {
                    before.account -= value;
                }
            }
        }
        // …and comes in at the wish's price, without the wish and with it.
        let mut after = before;
        let mut found = false;
        for (book, valued) in books.iter().zip(valued) {
            let of_strategy = book.strategy == key.strategy;
            let of_desk = desk.is_some() && valued.desk == desk;
            if !of_strategy && !of_desk {
                continue;
            }
            let was = value(wish.row, px, book.lots)?;
            let own = of_strategy && book.account == key.account;
            let is = if own { value(wish.row, px, with(book.lots, wish.side, qty_lots)?)? } else { was };
            found |= own;
            if of_strategy {
                (before.strategy, after.strategy) = (before.strategy + was, after.strategy + is);
            }
            if of_desk {
                (before.desk, after.desk) = (before.desk + was, after.desk + is);
            }
        }
        if !found {
            let is = value(wish.row, px, with(Lots::default(), wish.side, qty_lots)?)?;
            after.strategy += is;
            if desk.is_some() {
                after.desk += is;
            }
        }
        let mut found = false;
        for (account, books) in of_account(books) {
            let lots = net(books)?;
            let was = value(wish.row, px, lots)?;
            let own = account == key.account;
            let is = if own { value(wish.row, px, with(lots, wish.side, qty_lots)?)? } else { was };
            found |= own;
            (before.firm, after.firm) = (before.firm + was, after.firm + is);
            (before.symbol, after.symbol) = (before.symbol + was, after.symbol + is);
            if own {
                (before.account, after.account) = (before.account + was, after.account + is);
            }
        }
        if !found {
            let is = value(wish.row, px, with(Lots::default(), wish.side, qty_lots)?)?;
            (after.firm, after.symbol, after.account) =
                (after.firm + is, after.symbol + is, after.account + is);
        }
        Some((before, after))
    }
}
