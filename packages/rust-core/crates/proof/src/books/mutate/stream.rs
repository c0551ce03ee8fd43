//! Streams that send their own snapshots, mutated: Kraken and OKCoin by checksum, Bitfinex by the session's sequence.
//!
//! A repair is a new subscription: the venue answers late with its book as it then is, a message of the stream as any other.

use super::outcome::{Outcome, TOP, WHOLE_EVERY, print, print_plain};
use super::schedule::{arrivals, cut};
use super::{Fault, Settings};
use crate::books::captures::{BITFINEX, Message, Scales, Summed, books, decimals, levels, received};
use crate::books::plain::PlainBook;
use crate::books::rng::Rng;
use std::borrow::Cow;
use std::path::Path;
use tidegate_book::{
    Cause, Decimals, Rule, SequenceOutcome, SessionSequence, Settings as Bounds, State, SyncedBook,
};
use tidegate_dialects::Book;
use tidegate_dialects::venues::bitfinex::Bitfinex;
use tidegate_normalise::{DepthDiff, Level, Snapshot};
use tidegate_units::{EpochNs, PxTicks, QtyLots, Side};

/// A book message in the integers of its symbol.
#[derive(Debug, Clone)]
struct Update {
    symbol: usize,
    snapshot: bool,
    bids: Vec<Level>,
    asks: Vec<Level>,
    checksum: Option<u32>,
}

#[derive(Debug, Clone)]
struct Item {
    message: Message,
    sequence: Option<u64>,
    update: Option<Update>,
}

/// A recorded session.
#[derive(Debug)]
pub struct Session {
    set: &'static str,
    items: Vec<Item>,
    rules: Vec<Rule>,
    depth: usize,
    /// Levels a side that the venue's word covers, and whether it covers all.
    covered: usize,
    all: bool,
    /// By symbol: message, print of what is covered, print of the whole.
    prints: Vec<Vec<(usize, u64, u64)>>,
    /// The first message that may be mutated.
    from: usize,
}

fn side(list: Vec<(i64, i64)>) -> Vec<Level> {
    list.into_iter().map(|(px, qty)| Level { px: PxTicks(px), qty: QtyLots(qty) }).collect()
}

fn put(plain: &mut PlainBook, update: &Update, depth: usize) {
    if update.snapshot {
        plain.clear();
    }
    for (side, list) in [(Side::Buy, &update.bids), (Side::Sell, &update.asks)] {
        list.iter().for_each(|level| plain.set(side, level.px.0, level.qty.0));
    }
    plain.truncate(depth);
}

impl Session {
    /// A session of a venue with checksums.
    ///
    /// # Errors
    /// The capture cannot be read.
    pub fn summed(data: &Path, of: &Summed) -> Result<Self, String> {
        let mut read = of.reader();
        let rule = |scales: Scales| {
            let decimals = Decimals {
                px_scale: u32::from(scales.px),
                px_unit: 1,
                qty_scale: u32::from(scales.qty),
                qty_unit: 1,
            };
            Rule::Checked(of.checksum, decimals)
        };
        let messages = received(data, of.file)?.into_iter().map(|message| {
            let update = read(&message)?.into_iter().next();
            Ok((message, None, update))
        });
        let mut session = Self::of(of.set, messages.collect::<Result<_, String>>()?, rule, None)?;
        (session.depth, session.covered) = (of.depth, of.covered);
        session.remember();
        Ok(session)
    }

    /// The session of Bitfinex.
    ///
    /// # Errors
    /// The capture cannot be read.
    pub fn bitfinex(data: &Path) -> Result<Self, String> {
        let mut reader = Bitfinex::default();
        let messages = received(data, "BITFINEX.ws.11.0.gz")?.into_iter().map(|message| {
            let before = reader.sequence();
            let update = books(&mut reader, &message)?.into_iter().next();
            let sequence = reader.sequence().filter(|_| reader.sequence() != before);
            Ok((message, sequence, update))
        });
        let all = messages.collect::<Result<_, String>>()?;
        let mut session = Self::of("bitfinex", all, |_| Rule::GlobalSequence, Some(BITFINEX))?;
        session.all = true;
        session.remember();
        Ok(session)
    }

    fn of(
        set: &'static str,
        messages: Vec<(Message, Option<u64>, Option<Book>)>,
        rule: impl Fn(Scales) -> Rule,
        fixed: Option<Scales>,
    ) -> Result<Self, String> {
        let (mut symbols, mut items) = (Vec::<(String, Scales)>::new(), Vec::new());
        let (mut rules, mut from) = (Vec::new(), 0);
        for (index, (message, sequence, book)) in messages.into_iter().enumerate() {
            let update = match book {
                None => None,
                Some(book) => {
                    let known = symbols.iter().position(|each| each.0 == book.symbol);
                    let symbol = known.unwrap_or(symbols.len());
                    if known.is_none() {
                        let scales = fixed.unwrap_or_else(|| decimals(&book));
                        symbols.push((book.symbol.clone(), scales));
                        rules.push(rule(scales));
                    }
                    let scales = symbols.get(symbol).map_or(BITFINEX, |each| each.1);
                    if book.snapshot {
                        from = index + 1;
                    }
                    Some(Update {
                        symbol,
                        snapshot: book.snapshot,
                        bids: side(levels(&book.bids, scales)?),
                        asks: side(levels(&book.asks, scales)?),
                        checksum: book.checksum.map(|sum| sum as u32),
                    })
                }
            };
            items.push(Item { message, sequence, update });
        }
        let prints = vec![Vec::new(); rules.len()];
        Ok(Self { set, items, rules, depth: usize::MAX, covered: TOP, all: false, prints, from })
    }

    /// Prints the unmutated books.
    fn remember(&mut self) {
        let mut plain = vec![PlainBook::default(); self.rules.len()];
        for (index, item) in self.items.iter().enumerate() {
            let Some(update) = &item.update else { continue };
            let (Some(book), Some(prints)) =
                (plain.get_mut(update.symbol), self.prints.get_mut(update.symbol))
            else {
                continue;
            };
            put(book, update, self.depth);
            prints.push((index, print_plain(book, self.covered), print_plain(book, usize::MAX)));
        }
    }

    /// All seeds.
    pub fn run(&self, settings: &Settings) -> Outcome {
        let mut outcome = Outcome::default();
        for number in 0..settings.seeds {
            Replay::new(self, settings, number).run(&mut outcome);
        }
        outcome
    }
}

struct Replay<'a> {
    session: &'a Session,
    settings: &'a Settings,
    rng: Rng,
    books: Vec<SyncedBook>,
    started: Vec<bool>,
    since: Vec<Option<i64>>,
    pending: Vec<Option<i64>>,
    venue: Vec<PlainBook>,
    sent: usize,
    /// Behind the latest message that has arrived.
    highest: usize,
    numbers: SessionSequence,
}

impl<'a> Replay<'a> {
    fn new(session: &'a Session, settings: &'a Settings, number: u64) -> Self {
        let bounds = Bounds {
            depth_max: if session.depth == usize::MAX { 0 } else { session.depth },
            ..Bounds::default()
        };
        let count = session.rules.len();
        Self {
            session,
            settings,
            rng: Rng::new(settings.seed(session.set, number)),
            books: session.rules.iter().map(|rule| SyncedBook::with(*rule, bounds)).collect(),
            started: vec![false; count],
            since: vec![None; count],
            pending: vec![None; count],
            venue: vec![PlainBook::default(); count],
            sent: 0,
            highest: 0,
            numbers: SessionSequence::new(),
        }
    }

    fn run(mut self, outcome: &mut Outcome) {
        let session = self.session;
        let times: Vec<i64> = session.items.iter().map(|item| item.message.ts.0).collect();
        let may = |index: usize| {
            index >= session.from
                && session
                    .items
                    .get(index)
                    .is_some_and(|item| item.sequence.is_some() || item.update.is_some())
        };
        let plan =
            arrivals(&times, may, &self.settings.kinds, self.settings.rate, &mut self.rng, &mut outcome.made);
        for arrival in plan {
            self.answers(arrival.ts, outcome);
            let Some(item) = session.items.get(arrival.index) else { continue };
            outcome.messages += 1;
            if let Some(part) = arrival.cut {
                let bytes = cut(&item.message.bytes, part);
                outcome.cut_accepted += u64::from(tidegate_dialects::json::parse(bytes).is_ok());
                continue;
            }
            self.highest = self.highest.max(arrival.index + 1);
            self.arrived(item, arrival.index, arrival.ts, outcome);
        }
        self.answers(i64::MAX, outcome);
        outcome.not_repaired += self.since.iter().flatten().count() as u64;
    }

    fn arrived(&mut self, item: &Item, index: usize, now: i64, outcome: &mut Outcome) {
        if let Some(number) = item.sequence {
            match self.numbers.on(number) {
                SequenceOutcome::First | SequenceOutcome::Next => {}
                SequenceOutcome::Repeated => return,
                SequenceOutcome::Gap { first, last } if self.settings.fault != Some(Fault::IgnoreGap) => {
                    self.books.iter_mut().for_each(|book| book.lose(Cause::Gap { first, last }));
                    for symbol in 0..self.books.len() {
                        self.lost(symbol, now, outcome);
                    }
                }
                SequenceOutcome::Gap { .. } => {}
            }
        }
        let Some(update) = &item.update else { return };
        let Some(book) = self.books.get_mut(update.symbol) else { return };
        let (bids, asks) = (Cow::Borrowed(&update.bids[..]), Cow::Borrowed(&update.asks[..]));
        let (last_id, ts_venue) = (index as u64 + 1, EpochNs(0));
        let trust = self.settings.fault == Some(Fault::AcceptBadChecksum);
        let checksum = update.checksum.filter(|_| !trust);
        if update.snapshot {
            book.on_snapshot_checked(&Snapshot { last_id, ts_venue, bids, asks }, checksum);
        } else {
            let diff = DepthDiff { first_id: last_id, last_id, prev_id: None, ts_venue, bids, asks };
            book.on_diff_checked(&diff, checksum);
        }
        if book.state() == State::Valid {
            self.valid(update.symbol, index, now, outcome);
        } else {
            self.lost(update.symbol, now, outcome);
        }
    }

    /// A book is not VALID: it is subscribed anew, once.
    fn lost(&mut self, symbol: usize, now: i64, outcome: &mut Outcome) {
        if self.started.get(symbol) != Some(&true) {
            return;
        }
        if let Some(since) = self.since.get_mut(symbol).filter(|since| since.is_none()) {
            *since = Some(now);
            outcome.invalidations += 1;
        }
        let delay = self.settings.delay(&mut self.rng);
        if let Some(pending) = self.pending.get_mut(symbol).filter(|pending| pending.is_none())
            && self.settings.fault != Some(Fault::NeverRepair)
        {
            *pending = Some(now + delay);
        }
    }

    /// A book is VALID as of a message: it is the unmutated one.
    fn valid(&mut self, symbol: usize, index: usize, now: i64, outcome: &mut Outcome) {
        if let Some(started) = self.started.get_mut(symbol) {
            *started = true;
        }
        let mended = self.since.get_mut(symbol).and_then(Option::take);
        if let Some(since) = mended {
            outcome.repairs.push(now - since);
        }
        let whole = self.session.all && (mended.is_some() || outcome.messages.is_multiple_of(WHOLE_EVERY));
        let prints = self.session.prints.get(symbol);
        let known = prints.and_then(|prints| {
            let after = prints.partition_point(|each| each.0 <= index);
            prints.get(after.checked_sub(1)?)
        });
        let book = self.books.get(symbol).map(SyncedBook::book);
        let right = known.zip(book).is_some_and(|((_, covered, all), book)| {
            print(book, self.session.covered) == *covered && (!whole || print(book, usize::MAX) == *all)
        });
        outcome.compared_whole += u64::from(whole);
        outcome.compare(right, || format!("{} symbol {symbol} after message {index}", self.session.set));
    }

    /// The venue answers the subscriptions that are due.
    fn answers(&mut self, now: i64, outcome: &mut Outcome) {
        loop {
            let due = self
                .pending
                .iter()
                .enumerate()
                .filter_map(|(symbol, at)| Some((at.as_ref().copied()?, symbol)));
            let Some((at, symbol)) = due.min().filter(|(at, _)| *at <= now) else { return };
            if let Some(pending) = self.pending.get_mut(symbol) {
                *pending = None;
            }
            while let Some(item) = self.session.items.get(self.sent) {
                if item.message.ts.0 > at && self.sent >= self.highest {
                    break;
                }
                if let Some(update) = &item.update
                    && let Some(plain) = self.venue.get_mut(update.symbol)
                {
                    put(plain, update, self.session.depth);
                }
                self.sent += 1;
            }
            let (Some(plain), Some(book)) = (self.venue.get(symbol), self.books.get_mut(symbol)) else {
                continue;
            };
            let side = |of| Cow::Owned(side(plain.levels(of).collect()));
            let snapshot = Snapshot {
                last_id: self.sent as u64,
                ts_venue: EpochNs(0),
                bids: side(Side::Buy),
                asks: side(Side::Sell),
            };
            book.on_snapshot(&snapshot);
            if book.state() == State::Valid {
                self.valid(symbol, self.sent.saturating_sub(1), at, outcome);
            } else {
                outcome.snapshots_refused += 1;
                self.lost(symbol, at, outcome);
            }
        }
    }
}
