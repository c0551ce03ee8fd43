//! Binance: after every diff the touch is the venue's own bookTicker, and the book is the plain book.

use super::Plant;
use super::feed::{Instrument, Msg, Timed, load};
use super::plain::PlainBook;
use super::tally::Tally;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_book::{Rule, State, SyncedBook};
use tidegate_normalise::{BookTicker, DepthDiff, Level, Market, Snapshot};
use tidegate_units::Side;

/// The recorded instruments and what is known of them.
pub const INSTRUMENTS: &[Instrument] = &[
    Instrument {
        set: "binance_spot",
        files: &["spot_btcusdt_20240808.jsonl.gz", "spot_btcusdt_20240809.jsonl.gz"],
        market: Market::Spot,
        symbol: "BTCUSDT",
        px_scale: 2,
        qty_scale: 5,
        known: (6_493, 6_491),
    },
    Instrument {
        set: "binance_usdm",
        files: &["usdm_btcusdt_20240808.jsonl.gz"],
        market: Market::UsdM,
        symbol: "BTCUSDT",
        px_scale: 2,
        qty_scale: 3,
        known: (6_546, 6_546),
    },
    Instrument {
        set: "binance_coinm_btcusd",
        files: &["cm_btcusd_perp_20240808.jsonl.gz", "cm_btcusd_perp_20240809.jsonl.gz"],
        market: Market::CoinM,
        symbol: "BTCUSD_PERP",
        px_scale: 1,
        qty_scale: 0,
        known: (44_767, 44_767),
    },
    Instrument {
        set: "binance_coinm_ethusd",
        files: &["cm_ethusd_perp_20240808.jsonl.gz", "cm_ethusd_perp_20240809.jsonl.gz"],
        market: Market::CoinM,
        symbol: "ETHUSD_PERP",
        px_scale: 2,
        qty_scale: 0,
        known: (39_105, 39_105),
    },
];

/// The book's rule for a market.
pub fn rule(market: Market) -> Rule {
    match market {
        Market::Spot => Rule::Spot,
        Market::UsdM => Rule::UsdM,
        Market::CoinM => Rule::CoinM,
    }
}

/// Diffs of spot at whose last id the venue sent no ticker although the touch had changed.
pub const CONFLATED: [u64; 2] = [50_093_478_174, 50_093_480_542];

/// Whole books are compared with the plain book at every so many diffs, and at the end.
const WHOLE_EVERY: u64 = 64;

/// Replays one instrument. `limit` ends it after so many diffs (tests); 0 is all.
///
/// # Errors
/// The files cannot be read.
pub fn verify(data: &Path, of: &Instrument, plant: Plant, limit: u64) -> Result<Tally, String> {
    let messages = load(data, of, false)?;
    Ok(replay(of.set, rule(of.market), &messages, plant, limit))
}

/// Applies a diff to the second book.
pub fn apply(plain: &mut PlainBook, diff: &DepthDiff<'_>) {
    for (side, levels) in [(Side::Buy, &diff.bids), (Side::Sell, &diff.asks)] {
        levels.iter().for_each(|level| plain.set(side, level.px.0, level.qty.0));
    }
}

/// The second book begins anew.
pub fn seed(plain: &mut PlainBook, snapshot: &Snapshot<'_>) {
    plain.clear();
    for (side, list) in [(Side::Buy, &snapshot.bids), (Side::Sell, &snapshot.asks)] {
        list.iter().for_each(|level| plain.set(side, level.px.0, level.qty.0));
    }
}

/// The second book takes every diff that ends at its own update id or later; the recorded streams have no gap.
pub fn follow(plain: &mut PlainBook, at: &mut Option<u64>, diff: &DepthDiff<'_>) {
    if at.is_some_and(|id| diff.last_id >= id) {
        apply(plain, diff);
        *at = Some(diff.last_id);
    }
}

/// One instrument's messages against its own tickers and a second book.
pub fn replay(set: &'static str, rule: Rule, messages: &[Timed], plant: Plant, limit: u64) -> Tally {
    let mut tally = Tally::new(set);
    let start = messages.iter().find_map(|each| match &each.msg {
        Msg::Snapshot(snapshot) => Some(snapshot.last_id),
        _ => None,
    });
    // A ticker older than the snapshot says nothing of a book that begins with it.
    let tickers: BTreeMap<u64, &BookTicker> = messages
        .iter()
        .filter_map(|each| match &each.msg {
            Msg::Ticker(ticker) if start.is_some_and(|id| ticker.update_id >= id) => {
                Some((ticker.update_id, ticker))
            }
            _ => None,
        })
        .collect();
    let mut book = SyncedBook::new(rule);
    let (mut plain, mut plain_id) = (PlainBook::default(), None);
    let mut held: Vec<&DepthDiff<'_>> = Vec::new();
    let (mut diffs, mut levels, mut whole) = (0_u64, 0_u64, 0_u64);
    let mut gaps = 0_u64;
    for each in messages {
        match &each.msg {
            Msg::Ticker(_) => {}
            Msg::Snapshot(snapshot) => {
                book.on_snapshot(snapshot);
                seed(&mut plain, snapshot);
                plain_id = Some(snapshot.last_id);
                for diff in held.drain(..) {
                    follow(&mut plain, &mut plain_id, diff);
                    if book.state() == State::Valid && book.last_id() == diff.last_id {
                        against_ticker(&mut tally, &tickers, diff, touch_of(&book));
                    }
                }
            }
            Msg::Diff(diff) => {
                diffs += 1;
                if limit > 0 && diffs > limit {
                    break;
                }
                levels += (diff.bids.len() + diff.asks.len()) as u64;
                let mut given = diff.clone();
                if plant == Plant::SkipLevel && diffs % 500 == 0 && given.bids.to_mut().pop().is_none() {
                    given.asks.to_mut().pop();
                }
                book.on_diff(&given);
                if plain_id.is_none() {
                    held.push(diff);
                }
                follow(&mut plain, &mut plain_id, diff);
                if book.state() == State::Invalid {
                    gaps += 1;
                }
                if book.state() != State::Valid {
                    // Before the snapshot there is nothing to compare; after it a book that is not VALID is a fault.
                    if plain_id.is_some_and(|id| id == diff.last_id) {
                        tally.case(false, || format!("diff {}: the book is not VALID", diff.last_id));
                    }
                    continue;
                }
                let found = touch_of(&book);
                against_ticker(&mut tally, &tickers, diff, found);
                if diffs.is_multiple_of(WHOLE_EVERY) {
                    whole += 1;
                    if !plain.same(book.book(), usize::MAX) {
                        tally.case(false, || format!("diff {}: not the plain book", diff.last_id));
                    }
                } else if (plain.best(Side::Buy), plain.best(Side::Sell)) != found {
                    tally.case(false, || format!("diff {}: not the plain book's touch", diff.last_id));
                }
            }
        }
    }
    if !plain.same(book.book(), usize::MAX) {
        tally.case(false, || "at the end: not the plain book".into());
    }
    tally.note("diffs", diffs);
    tally.note("level_updates", levels);
    tally.note("whole_books_compared", whole + 1);
    tally.note("levels_at_end", book.book().len(Side::Buy) + book.book().len(Side::Sell));
    tally.note("not_valid", gaps);
    tally
}

pub fn touch_of(book: &SyncedBook) -> Touch {
    (book.book().best(Side::Buy), book.book().best(Side::Sell))
}

/// One case: the touch after a diff against the latest ticker up to its id.
fn against_ticker(
    tally: &mut Tally,
    tickers: &BTreeMap<u64, &BookTicker>,
    diff: &DepthDiff<'_>,
    found: Touch,
) {
    let Some((id, ticker)) = tickers.range(..=diff.last_id).next_back() else { return };
    let side = |level: Level| Some((level.px.0, level.qty.0));
    let want = (side(ticker.bid), side(ticker.ask));
    tally.judged(
        found == want,
        || conflated(ticker, diff, found),
        || format!("diff {} ticker {id}: book {found:?}, ticker {want:?}", diff.last_id),
    );
}

/// Best bid and best offer.
pub type Touch = (Option<(i64, i64)>, Option<(i64, i64)>);

/// The rule BINANCE_TICKER_CONFLATED: one of the two named diffs; one side alone differs; the latest ticker's id lies inside
/// the diff, and the diff does not leave that ticker's level standing. So the touch changed behind the ticker, and no ticker
/// told it.
fn conflated(ticker: &BookTicker, diff: &DepthDiff<'_>, found: Touch) -> Option<&'static str> {
    let differs = |level: Level, best: Option<(i64, i64)>| best != Some((level.px.0, level.qty.0));
    let (told, levels) = match (differs(ticker.bid, found.0), differs(ticker.ask, found.1)) {
        (true, false) => (ticker.bid, &diff.bids),
        (false, true) => (ticker.ask, &diff.asks),
        _ => return None,
    };
    let inside = (diff.first_id..diff.last_id).contains(&ticker.update_id);
    let gone = !levels.iter().any(|level| level.px == told.px && level.qty.0 > 0);
    (CONFLATED.contains(&diff.last_id) && inside && gone).then_some("BINANCE_TICKER_CONFLATED")
}
