//! Best bid and offer over venues, and levels of several books as one.

use crate::l2::L2Book;
use crate::limits::VENUES_MAX;
use std::cmp::Ordering;
use tidegate_units::{Side, VenueId};

/// One venue's best price of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VenueQuote {
    pub venue: VenueId,
    /// In ticks of the instrument, the same at every venue.
    pub px: i64,
    /// In lots.
    pub qty: i64,
    /// When this price and size was first received, in the caller's ns.
    pub since_ns: u64,
}

/// How the best bid and the best offer stand to each other. Over venues, locked and crossed are outcomes, not faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NbboState {
    Empty,
    OneSided,
    Normal,
    /// Best bid = best offer.
    Locked,
    /// Best bid > best offer.
    Crossed,
}

/// Whether a venue was taken into the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NbboOutcome {
    Taken,
    /// [`VENUES_MAX`] venues are held already: no effect.
    TooManyVenues,
}

/// Which of two quotes of a side goes first: the better price, the larger size, the first received, the lower venue id. Two
/// venues are never equal.
fn before(side: Side, a: &VenueQuote, b: &VenueQuote) -> Ordering {
    let price = a.px.cmp(&b.px);
    let price = if side == Side::Buy { price.reverse() } else { price };
    price.then(b.qty.cmp(&a.qty)).then(a.since_ns.cmp(&b.since_ns)).then(a.venue.cmp(&b.venue))
}

#[derive(Debug, Clone, Copy)]
struct Row {
    venue: VenueId,
    sides: [Option<VenueQuote>; 2],
}

/// The national best bid and offer: the best of every venue's best. No allocation after the venues are known.
#[derive(Debug, Clone, Default)]
pub struct Nbbo {
    rows: Vec<Row>,
}

impl Nbbo {
    /// No venue quotes yet.
    pub const fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// A venue's best bid and offer as (px, qty); a size of 0 or below is no quote. Only quotes of a VALID book may be given;
    /// what stops being VALID is taken out with [`Nbbo::remove`].
    pub fn update(
        &mut self,
        venue: VenueId,
        bid: Option<(i64, i64)>,
        ask: Option<(i64, i64)>,
        now_ns: u64,
    ) -> NbboOutcome {
        let at = match self.rows.binary_search_by_key(&venue, |row| row.venue) {
            Ok(at) => at,
            Err(_) if self.rows.len() >= VENUES_MAX => return NbboOutcome::TooManyVenues,
            Err(at) => {
                self.rows.insert(at, Row { venue, sides: [None; 2] });
                at
            }
        };
        if let Some(row) = self.rows.get_mut(at) {
            for (place, given) in row.sides.iter_mut().zip([bid, ask]) {
                let given = given.filter(|(_, qty)| *qty > 0);
                // The same price and size again is the same quote: it keeps its place in time.
                if place.map(|quote| (quote.px, quote.qty)) != given {
                    *place = given.map(|(px, qty)| VenueQuote { venue, px, qty, since_ns: now_ns });
                }
            }
        }
        NbboOutcome::Taken
    }

    /// A venue's quotes may not be used any more.
    pub fn remove(&mut self, venue: VenueId) {
        self.rows.retain(|row| row.venue != venue);
    }

    /// The best quote of a side.
    pub fn best(&self, side: Side) -> Option<VenueQuote> {
        let quotes = self.rows.iter().filter_map(|row| row.sides.get(side as usize).copied().flatten());
        quotes.min_by(|a, b| before(side, a, b))
    }

    /// Size of all venues at the best price of a side.
    pub fn best_qty(&self, side: Side) -> i64 {
        let Some(best) = self.best(side) else { return 0 };
        let quotes = self.rows.iter().filter_map(|row| row.sides.get(side as usize).copied().flatten());
        quotes.filter(|quote| quote.px == best.px).fold(0, |sum, quote| sum.saturating_add(quote.qty))
    }

    /// How both sides stand to each other.
    pub fn market(&self) -> NbboState {
        match (self.best(Side::Buy), self.best(Side::Sell)) {
            (None, None) => NbboState::Empty,
            (Some(bid), Some(ask)) => match bid.px.cmp(&ask.px) {
                Ordering::Less => NbboState::Normal,
                Ordering::Equal => NbboState::Locked,
                Ordering::Greater => NbboState::Crossed,
            },
            _ => NbboState::OneSided,
        }
    }

    /// Venues held.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no venue is held.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// One price over several books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConsolidatedLevel {
    pub px: i64,
    /// Of all venues, in lots.
    pub qty: i64,
    /// Venues that show it.
    pub venues: u32,
}

/// Fills `out` with the best prices of a side over several books, sizes added, best first; gives how many. At most
/// [`VENUES_MAX`] books are looked at. No allocation.
pub fn consolidate(books: &[&L2Book], side: Side, out: &mut [ConsolidatedLevel]) -> usize {
    let mut each: [_; VENUES_MAX] =
        std::array::from_fn(|n| books.get(n).map(|book| book.levels(side).peekable()));
    let mut filled = 0;
    while let Some(place) = out.get_mut(filled) {
        let heads = each.iter_mut().flatten().filter_map(|levels| levels.peek().map(|level| level.0));
        let Some(px) = (if side == Side::Buy { heads.max() } else { heads.min() }) else { break };
        *place = ConsolidatedLevel { px, qty: 0, venues: 0 };
        for levels in each.iter_mut().flatten() {
            if let Some((_, qty)) = levels.next_if(|level| level.0 == px) {
                place.qty = place.qty.saturating_add(qty);
                place.venues += 1;
            }
        }
        filled += 1;
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Quote = Option<(i64, i64)>;
    type Known = Option<(i64, i64, u64)>;

    fn quote() -> impl Strategy<Value = Quote> {
        prop::option::of((98_i64..103, 0_i64..4))
    }

    proptest! {
        #[test]
        fn b013_the_best_over_venues_is_that_of_a_plain_sort(ops in prop::collection::vec((0_u32..5, quote(), quote(), any::<bool>()), 0..60)) {
            let mut nbbo = Nbbo::new();
            let mut plain: BTreeMap<u32, [Known; 2]> = BTreeMap::new();
            for (now, (venue, bid, ask, remove)) in ops.into_iter().enumerate() {
                // Two messages share each stamp, so that the venue id decides too.
                let now = now as u64 / 2;
                if remove && bid.is_none() {
                    nbbo.remove(VenueId(venue));
                    plain.remove(&venue);
                } else {
                    prop_assert_eq!(nbbo.update(VenueId(venue), bid, ask, now), NbboOutcome::Taken);
                    let row = plain.entry(venue).or_default();
                    for (place, new) in row.iter_mut().zip([bid, ask]) {
                        let same = place.map(|q| (q.0, q.1)) == new;
                        if !same { *place = new.filter(|q| q.1 > 0).map(|q| (q.0, q.1, now)); }
                    }
                }
                let mut best = [None, None];
                for side in [Side::Buy, Side::Sell] {
                    let mut all: Vec<_> = plain.iter()
                        .filter_map(|(venue, row)| row[side as usize].map(|q| (-side.sign() * q.0, -q.1, q.2, *venue)))
                        .collect();
                    all.sort_unstable();
                    let want = all.first().map(|q| (-side.sign() * q.0, -q.1, q.2, q.3));
                    let got = nbbo.best(side).map(|q| (q.px, q.qty, q.since_ns, q.venue.0));
                    prop_assert_eq!(got, want);
                    let qty: i64 = all.iter().filter(|q| Some(q.0) == all.first().map(|f| f.0)).map(|q| -q.1).sum();
                    prop_assert_eq!(nbbo.best_qty(side), qty);
                    best[side as usize] = want.map(|q| q.0);
                }
                let market = match best {
                    [None, None] => NbboState::Empty,
                    [Some(b), Some(a)] if b < a => NbboState::Normal,
                    [Some(b), Some(a)] if b == a => NbboState::Locked,
                    [Some(_), Some(_)] => NbboState::Crossed,
                    _ => NbboState::OneSided,
                };
                prop_assert_eq!(nbbo.market(), market);
                prop_assert_eq!((nbbo.len(), nbbo.is_empty()), (plain.len(), plain.is_empty()));
            }
        }

        #[test]
        fn several_books_are_one_sorted_map(sets in prop::collection::vec(prop::collection::vec((any::<bool>(), 90_i64..110, 1_i64..9), 0..20), 0..5), depth in 0_usize..8) {
            let mut books = vec![];
            let mut plain: [BTreeMap<i64, (i64, u32)>; 2] = Default::default();
            for set in &sets {
                let mut book = L2Book::default();
                let own: BTreeMap<_, _> = set.iter().map(|(buy, px, qty)| ((*buy, *px), *qty)).collect();
                for ((buy, px), qty) in own {
                    let side = if buy { Side::Buy } else { Side::Sell };
                    book.set(side, px, qty);
                    let at = plain[side as usize].entry(px).or_default();
                    *at = (at.0 + qty, at.1 + 1);
                }
                books.push(book);
            }
            let refs: Vec<_> = books.iter().collect();
            for side in [Side::Buy, Side::Sell] {
                let mut out = vec![ConsolidatedLevel::default(); depth];
                let filled = consolidate(&refs, side, &mut out);
                let mut want: Vec<_> = plain[side as usize].iter().map(|(px, (qty, venues))| ConsolidatedLevel { px: *px, qty: *qty, venues: *venues }).collect();
                if side == Side::Buy { want.reverse(); }
                want.truncate(depth);
                prop_assert_eq!(&out[..filled], &want[..]);
            }
        }
    }

    #[test]
    fn b013_venues_are_bounded_and_an_unchanged_quote_keeps_its_time() {
        let mut nbbo = Nbbo::new();
        for venue in 0..VENUES_MAX as u32 {
            assert_eq!(nbbo.update(VenueId(venue), Some((100, 1)), None, 5), NbboOutcome::Taken);
        }
        assert_eq!(nbbo.update(VenueId(99), Some((200, 1)), None, 5), NbboOutcome::TooManyVenues);
        assert_eq!(nbbo.best(Side::Buy).map(|q| q.venue), Some(VenueId(0)));
        nbbo.update(VenueId(3), Some((100, 1)), None, 9);
        nbbo.update(VenueId(0), Some((100, 2)), None, 9);
        nbbo.update(VenueId(0), Some((100, 1)), None, 9);
        assert_eq!(
            nbbo.best(Side::Buy).map(|q| (q.venue, q.since_ns)),
            Some((VenueId(1), 5)),
            "0 lost its place"
        );
    }
}
