//! One instrument's feed: venue messages in, envelopes out. No socket and no clock; the loop gives both.

use crate::hot::log_event;
use serde_json::{Value, json};
use std::borrow::Cow;
use tidegate_book::limits::LATE_NS_MAX;
use tidegate_book::{DiffOutcome, Rule, Settings, SnapshotOutcome, State, SyncedBook};
use tidegate_features::{Print as FeaturePrint, Touch, View};
use tidegate_instruments::{Instrument, Venue};
use tidegate_normalise::{
    Binance, BookTicker, Event, Last, Level, Market, Moves, Print, Snapshot, SymbolSpec, Trade,
};
use tidegate_units::{EpochNs, Side};
use tidegate_venue_io::Stamp;
use tidegate_wire::ids::span_id;
use tidegate_wire::pb::common::v1::{Side as PbSide, Source};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::marketdata::v1::{
    BookDepth, BookState, BookTop, InstrumentStatus, Trade as PbTrade, TradeCorrection,
};
use tidegate_wire::topic::MdKind;

use super::features::Features;
use super::limits::{
    DEPTH_LEVELS, DEPTH_PERIOD_NS, SNAPSHOT_RETRY_NS, STALE_AFTER_NS, STATUS_REASON_BYTES_MAX, TOP_REFRESH_NS,
};
use super::rules::{VenueRules, excluded};
use super::tape::{self, Tape};

/// Name of this process's stage in a trace.
pub const STAGE: &str = "market-data.publish";

/// One message on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// Which feed of the loop.
    pub feed: usize,
    pub kind: MdKind,
    /// The encoded envelope.
    pub payload: &'a [u8],
    /// What caused it just now; none for a repeat of an old word, whose age is no latency.
    pub cause: Option<Stamp>,
    pub trace: (u64, u64),
}

/// Where a feed's messages and words to JavaScript go.
pub trait Sink {
    fn publish(&mut self, publication: &Publication<'_>);
    fn emit(&mut self, event: Value);
    /// One message of a session as it came, before anything of it is parsed; `name` is that of its event, mostly empty.
    fn raw(&mut self, at: Stamp, session: &str, name: &[u8], bytes: &[u8]);
}

/// Makes trace ids that a replay makes again: a mix of the process's epoch and a running number.
#[derive(Debug, Clone, Copy)]
pub struct Tracer {
    epoch: u32,
    next: u64,
}

impl Tracer {
    pub fn new(epoch: u32) -> Self {
        Self { epoch, next: 0 }
    }

    fn next(&mut self) -> (u64, u64) {
        self.next += 1;
        let hi = mix((u64::from(self.epoch) << 40) ^ self.next);
        (hi, mix(hi ^ self.next.rotate_left(32)).max(1))
    }
}

/// The finaliser of splitmix64: a bijection that spreads every input bit over the output.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What a feed has done, for statistics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedCounts {
    pub events: u64,
    pub tops: u64,
    pub depths: u64,
    pub trades: u64,
    pub statuses: u64,
    pub resyncs: u64,
    pub snapshots_asked: u64,
    pub snapshots_refused: u64,
    pub tickers_crossed: u64,
    pub stale: u64,
    pub shutdowns: u64,
    /// Prints of trial matching, and books of it: told apart and never priced from.
    pub trials: u64,
    pub indicative: u64,
    /// Prints taken back or put right by the venue.
    pub corrections: u64,
    /// Times the venue's clock went back under the book by more than a late message can.
    pub clock_set_back: u64,
    /// Prints whose aggressor nobody names and no touch tells.
    pub unclassified: u64,
    /// Prints that came a second time, and those that came by REST after a lost connection.
    pub repeated: u64,
    pub backfilled: u64,
    /// Items of pages that were refused.
    pub backfill_refused: u64,
}

/// What became of a page of trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    pub merged: u64,
    pub known: u64,
    pub refused: u64,
    /// Nothing is missing any more.
    pub closed: bool,
}

/// One instrument at one venue.
#[derive(Debug)]
pub struct Feed {
    index: usize,
    instrument: Instrument,
    table_version: u32,
    /// Of Binance's rows; messages of the other venues are read for the whole session. Away while one of its events is handled.
    reader: Option<Box<Binance>>,
    rule: Rule,
    trading: bool,
    /// What the venue last said may be done, and within which prices.
    rules: VenueRules,
    last_side: Option<Side>,
    /// Of a venue whose lost prints can be asked for.
    tape: Option<Box<Tape>>,
    book: SyncedBook,
    ticker: Option<BookTicker>,
    features: Features,
    state: BookState,
    published: Option<Touch>,
    last: Stamp,
    /// Venue time of the newest message of any kind.
    last_venue_ts: i64,
    /// Venue time the levels of the book are of: a quote does not move it.
    book_venue_ts: i64,
    top_at: u64,
    depth_at: u64,
    depth_due: bool,
    snapshot_asked_at: Option<u64>,
    /// When the book stopped being VALID, to time the repair.
    broken_at: Option<u64>,
    repair_ns_last: u64,
    repair_ns_max: u64,
    counts: FeedCounts,
    payload: Vec<u8>,
    /// What is sent now repeats an old word, so its age is no latency.
    repeating: bool,
}

fn pb_side(side: Side) -> i32 {
    match side {
        Side::Buy => PbSide::Buy as i32,
        Side::Sell => PbSide::Sell as i32,
    }
}

fn state_name(state: BookState) -> &'static str {
    match state {
        BookState::Valid => "VALID",
        BookState::Syncing => "SYNCING",
        BookState::Invalid => "INVALID",
        BookState::Stale => "STALE",
        BookState::Unspecified => "NONE",
    }
}

impl Feed {
    /// The feed of one row of the instrument table; `index` names it to the sink.
    pub fn new(index: usize, instrument: &Instrument, table_version: u32, features: Features) -> Self {
        let (market, rule) = match instrument.venue {
            Venue::BinanceSpot => (Some(Market::Spot), Rule::Spot),
            Venue::BinanceUsdm => (Some(Market::UsdM), Rule::UsdM),
            Venue::BinanceCoinm => (Some(Market::CoinM), Rule::CoinM),
            // A quote is a whole book of one level a side, a BidAsk one of five; neither is numbered.
            Venue::Alpaca | Venue::Shioaji | Venue::Fix => (None, Rule::SnapshotOnly),
            Venue::AlpacaCrypto => (None, Rule::Unnumbered),
        };
        // Auctions and quotes of many exchanges lock without being wrong.
        let settings = Settings { locked_allowed: market.is_none(), ..Settings::default() };
        let spec = SymbolSpec {
            symbol: instrument.symbol.clone(),
            px_scale: instrument.px_scale,
            px_unit: instrument.px_unit,
            qty_scale: instrument.qty_scale,
            qty_unit: instrument.qty_unit,
        };
        Self {
            index,
            instrument: instrument.clone(),
            table_version,
            reader: market.map(|market| Box::new(Binance::new(market, spec))),
            rule,
            trading: true,
            rules: VenueRules::default(),
            last_side: None,
            tape: (instrument.venue == Venue::Alpaca).then(Box::default),
            book: SyncedBook::with(rule, settings),
            ticker: None,
            features,
            state: BookState::Unspecified,
            published: None,
            last: Stamp { epoch_ns: 0, mono_ns: 0 },
            last_venue_ts: 0,
            book_venue_ts: 0,
            top_at: 0,
            depth_at: 0,
            depth_due: false,
            snapshot_asked_at: None,
            broken_at: None,
            repair_ns_last: 0,
            repair_ns_max: 0,
            counts: FeedCounts::default(),
            payload: Vec::with_capacity(1_024),
            repeating: false,
        }
    }

    /// What a reader must know of the instrument.
    pub fn spec(&self) -> SymbolSpec {
        let row = &self.instrument;
        let (px_scale, px_unit, qty_scale, qty_unit) =
            (row.px_scale, row.px_unit, row.qty_scale, row.qty_unit);
        SymbolSpec { symbol: row.symbol.clone(), px_scale, px_unit, qty_scale, qty_unit }
    }

    pub fn instrument(&self) -> &Instrument {
        &self.instrument
    }

    pub fn state(&self) -> BookState {
        self.state
    }

    /// Places other kernels; the next update is their first.
    pub fn place(&mut self, features: Features) {
        self.features = features;
    }

    /// The hash of the set that is published; 0 where there is none.
    pub fn feature_hash(&self) -> u32 {
        self.features.hash()
    }

    pub fn counts(&self) -> FeedCounts {
        self.counts
    }

    /// Messages refused so far.
    pub fn refused(&self) -> u64 {
        self.reader.as_ref().map_or(0, |reader| reader.refused().total())
    }

    /// The session that carries the book is open.
    pub fn on_open(&mut self, at: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        self.void();
        self.last = at;
        self.set_state(BookState::Syncing, "session open, snapshot awaited", (0, 0), at, tracer, sink);
    }

    /// The session that carries the book is gone: nothing may be priced from it any more.
    pub fn on_closed(&mut self, reason: &str, at: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        if self.state != BookState::Unspecified
            && let Some(tape) = self.tape.as_mut()
        {
            tape.lost(at.epoch_ns);
        }
        self.void();
        self.set_state(BookState::Invalid, reason, (0, 0), at, tracer, sink);
    }

    fn void(&mut self) {
        self.book.disconnect();
        self.ticker = None;
        if self.counts.resyncs > 0 {
            self.features.on_gap();
        }
        self.snapshot_asked_at = None;
        self.depth_due = false;
    }

    /// One message of a session. Bytes of the session that carries the book prove that it lives.
    pub fn on_message(&mut self, bytes: &[u8], at: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        let Some(mut reader) = self.reader.take() else { return };
        let refused = match reader.read(bytes) {
            Ok((_, event)) => {
                self.on_event(event, at, tracer, sink);
                None
            }
            Err(refusal) => Some(refusal),
        };
        // The first of a kind is worth a line; all are counted.
        if let Some(refusal) = refused.filter(|refusal| reader.refused().get(*refusal) == 1) {
            sink.emit(log("warn", &format!("message refused: {refusal}"), &self.instrument));
        }
        self.reader = Some(reader);
    }

    /// One event of this instrument, by whatever reader it was read.
    pub fn on_event(&mut self, event: Event<'_>, at: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        match event {
            Event::Depth(diff) => {
                self.counts.events += 1;
                self.last = at;
                self.on_book_time(diff.ts_venue.0);
                let outcome = self.book.on_diff(&diff);
                self.on_diff_outcome(outcome, at, tracer, sink);
            }
            Event::Ticker(ticker) if self.rule == Rule::SnapshotOnly => {
                self.counts.events += 1;
                let side = |level: Level| if level.qty.0 > 0 { vec![level] } else { Vec::new() };
                let (bids, asks) = (Cow::Owned(side(ticker.bid)), Cow::Owned(side(ticker.ask)));
                let quote = Snapshot { last_id: ticker.update_id, ts_venue: ticker.ts_venue, bids, asks };
                self.on_whole_book(&quote, at, tracer, sink);
            }
            Event::Ticker(ticker) => {
                self.counts.events += 1;
                self.last = at;
                self.on_ticker(ticker, at, tracer, sink);
            }
            Event::Trade(trade) => {
                self.counts.events += 1;
                self.on_trade(&trade, (1_000, Moves::ALL), at, tracer, sink);
            }
            Event::Print(print) => self.on_print(&print, at, tracer, sink),
            Event::PrintCorrected { was, now } => {
                self.publish_correction(
                    (was.trade_id, was.px.0, was.qty.0),
                    Some(&now),
                    now.ts_venue,
                    at,
                    tracer,
                    sink,
                );
            }
            Event::PrintCancelled(cancel) => {
                let was = (cancel.trade_id, cancel.px.0, cancel.qty.0);
                self.publish_correction(was, None, cancel.ts_venue, at, tracer, sink);
            }
            Event::TradingStatus { trading, ts_venue, status } => {
                self.counts.events += 1;
                if self.trading != trading {
                    self.trading = trading;
                    let what = if trading { "trading resumes" } else { "trading is halted" };
                    sink.emit(log("warn", what, &self.instrument));
                }
                if self.rules.on_status(&status, ts_venue) {
                    self.publish_rules("the venue changed what may be done", at, tracer, sink);
                }
            }
            Event::LimitBand(band) => {
                self.counts.events += 1;
                if self.rules.on_band(&band) {
                    self.publish_rules("the venue changed the limits", at, tracer, sink);
                }
            }
            Event::Indicative(_) => self.counts.indicative += 1,
            Event::Bar(_) | Event::StatusNotice { .. } => self.counts.events += 1,
            // Where a snapshot is fetched, none comes over the stream.
            Event::Snapshot(book) if !self.rule.fetches_snapshot() => {
                self.counts.events += 1;
                self.on_whole_book(&book, at, tracer, sink);
            }
            Event::Snapshot(_) | Event::Ack | Event::VenueError { .. } => {}
            Event::ServerShutdown => {
                self.counts.shutdowns += 1;
                sink.emit(log("warn", "the venue announced that it will drop the session", &self.instrument));
            }
        }
    }

    /// The levels are of this venue time now. Where the venue's clock was set back, what the features learned by time is void.
    fn on_book_time(&mut self, ts: i64) {
        if ts != 0 && self.book_venue_ts.saturating_sub(ts) > LATE_NS_MAX {
            self.counts.clock_set_back += 1;
            self.features.on_gap();
        }
        (self.last_venue_ts, self.book_venue_ts) = (ts, ts);
    }

    /// A print of a venue that may not name the aggressor: then the touch does, or the print before where it is inside.
    ///
    /// A print of trial matching moves nothing.
    fn on_print(&mut self, print: &Print, at: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        self.counts.events += 1;
        if print.trial {
            self.counts.trials += 1;
            return;
        }
        if self.tape.as_mut().is_some_and(|tape| !tape.admit(print)) {
            self.counts.repeated += 1;
            return;
        }
        let touch = self.touch().0;
        let (by_touch, confidence) = match (touch.bid, touch.ask) {
            (_, Some((ask, _))) if print.px.0 >= ask => (Some(Side::Buy), 1_000),
            (Some((bid, _)), _) if print.px.0 <= bid => (Some(Side::Sell), 1_000),
            (Some((bid, _)), Some((ask, _))) => {
                match (i128::from(print.px.0) * 2).cmp(&(i128::from(bid) + i128::from(ask))) {
                    std::cmp::Ordering::Greater => (Some(Side::Buy), 750),
                    std::cmp::Ordering::Less => (Some(Side::Sell), 750),
                    std::cmp::Ordering::Equal => (self.last_side, 500),
                }
            }
            _ => (self.last_side, 500),
        };
        let confidence = if print.aggressor.is_some() { 1_000 } else { confidence };
        let Some(aggressor) = print.aggressor.or(by_touch) else {
            self.counts.unclassified += 1;
            return;
        };
        self.last_side = Some(aggressor);
        let Print { trade_id, px, qty, ts_venue, moves, .. } = *print;
        let trade = Trade { trade_id, px, qty, aggressor, ts_venue };
        self.on_trade(&trade, (confidence, moves), at, tracer, sink);
    }

    /// A page of the trades that a lost connection left out, as the venue's REST sent it. Those that are not known are published
    /// in their order and marked by a `tick_mono_ns` of 0: they are late, so no feature sees them, and no latency is theirs. The
    /// aggressor is that of the tick rule, as the touch of that time is gone.
    ///
    /// # Errors
    /// A venue whose trades are not asked for, a body that is no page.
    pub fn on_trades(
        &mut self,
        body: &[u8],
        (loss, last): (u64, bool),
        at: Stamp,
        tracer: &mut Tracer,
        sink: &mut impl Sink,
    ) -> Result<Filled, &'static str> {
        let spec = self.spec();
        let tape = self.tape.as_mut().ok_or("trades of this venue are not asked for")?;
        tape.answering(loss, at.mono_ns);
        let (prints, refused) = tape::page(spec, body).map_err(|_| "the body is no page of trades")?;
        let fresh: Vec<Print> = prints.iter().filter(|print| tape.admit(print)).copied().collect();
        let closed = last && tape.filled(loss);
        let mut before = None;
        for print in &fresh {
            let Print { trade_id, px, qty, ts_venue, moves, .. } = *print;
            let told = FeaturePrint::classified(px.0, qty.0, Touch::default(), before, ts_venue);
            let aggressor = print.aggressor.unwrap_or(told.aggressor);
            before = Some(px.0);
            let trade = Trade { trade_id, px, qty, aggressor, ts_venue };
            self.repeating = true;
            self.publish_trade(&trade, moves, Stamp { mono_ns: 0, ..at }, tracer, sink);
            self.repeating = false;
        }
        let (merged, known) = (fresh.len() as u64, (prints.len() - fresh.len()) as u64);
        self.counts.backfilled += merged;
        self.counts.backfill_refused += refused;
        Ok(Filled { merged, known, refused, closed })
    }

    /// Asks for what a lost connection left out, once the book is in step again: what comes from now on comes over the stream.
    fn ask_trades(&mut self, mono_ns: u64, sink: &mut impl Sink) {
        let Some(tape) = self.tape.as_mut().filter(|_| self.state == BookState::Valid) else { return };
        let before = tape.given_up();
        if let Some(hole) = tape.ask(mono_ns) {
            sink.emit(json!({
                "type": "trades_wanted",
                "instrument": self.instrument.id,
                "symbol": self.instrument.symbol,
                "fromNs": hole.from_ns.to_string(),
                "loss": hole.loss,
                "tries": hole.tries,
            }));
        } else if tape.given_up() > before {
            sink.emit(log(
                "error",
                "the trades of a lost connection cannot be had; given up",
                &self.instrument,
            ));
        }
    }

    /// A whole book over the stream: it stands for itself, so the first one after a lost session makes the book VALID.
    fn on_whole_book(&mut self, book: &Snapshot<'_>, at: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        self.last = at;
        let outcome = self.book.on_snapshot(book);
        if outcome != SnapshotOutcome::Older && book.ts_venue.0 > 0 {
            self.on_book_time(book.ts_venue.0);
        }
        match outcome {
            SnapshotOutcome::Valid if self.state == BookState::Valid => self.on_book_change(at, tracer, sink),
            SnapshotOutcome::Valid => self.on_valid(at, tracer, sink),
            SnapshotOutcome::Crossing | SnapshotOutcome::Crossed => {
                self.on_broken("the book is crossed", (0, 0), at, tracer, sink);
            }
            SnapshotOutcome::ChecksumMismatch { .. } => {
                self.on_broken("the book's checksum is not the venue's", (0, 0), at, tracer, sink);
            }
            // Of an earlier venue time, or of a rule that fetches.
            _ => {}
        }
    }

    fn on_diff_outcome(
        &mut self,
        outcome: DiffOutcome,
        at: Stamp,
        tracer: &mut Tracer,
        sink: &mut impl Sink,
    ) {
        match outcome {
            DiffOutcome::Stale => {}
            DiffOutcome::Buffered => self.ask_snapshot(at.mono_ns, sink),
            DiffOutcome::Applied => self.on_book_change(at, tracer, sink),
            DiffOutcome::Bridged => self.on_valid(at, tracer, sink),
            DiffOutcome::SnapshotTooOld => {
                self.snapshot_asked_at = None;
                self.ask_snapshot(at.mono_ns, sink);
            }
            DiffOutcome::Gap { first, last } => {
                self.on_broken("gap in the venue's updates", (first, last), at, tracer, sink);
                self.ask_snapshot(at.mono_ns, sink);
            }
            DiffOutcome::Crossing | DiffOutcome::Crossed => {
                self.on_broken("the book is crossed", (0, 0), at, tracer, sink);
            }
            DiffOutcome::Unanchored => {}
            DiffOutcome::ChecksumMismatch { .. } => {
                self.on_broken("the book's checksum is not the venue's", (0, 0), at, tracer, sink);
            }
        }
    }

    fn on_broken(
        &mut self,
        why: &str,
        gap: (u64, u64),
        at: Stamp,
        tracer: &mut Tracer,
        sink: &mut impl Sink,
    ) {
        self.features.on_gap();
        self.snapshot_asked_at = None;
        self.depth_due = false;
        self.set_state(BookState::Invalid, why, gap, at, tracer, sink);
    }

    fn on_valid(&mut self, at: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        self.snapshot_asked_at = None;
        self.counts.resyncs += 1;
        self.set_state(BookState::Valid, "book in step with the venue", (0, 0), at, tracer, sink);
        self.on_book_change(at, tracer, sink);
    }

    fn ask_snapshot(&mut self, now: u64, sink: &mut impl Sink) {
        if self.snapshot_asked_at.is_some_and(|asked| now.saturating_sub(asked) < SNAPSHOT_RETRY_NS) {
            return;
        }
        self.snapshot_asked_at = Some(now);
        self.counts.snapshots_asked += 1;
        sink.emit(json!({
            "type": "snapshot_wanted",
            "instrument": self.instrument.id,
            "venueId": self.instrument.venue_id,
            "symbol": self.instrument.symbol,
        }));
    }

    /// The body of the venue's REST depth answer. Gives what became of it.
    pub fn on_snapshot(
        &mut self,
        body: &[u8],
        at: Stamp,
        tracer: &mut Tracer,
        sink: &mut impl Sink,
    ) -> String {
        let Some(reader) = self.reader.as_mut() else { return "NO_SNAPSHOTS".into() };
        let snapshot = match reader.read(body) {
            Ok((_, Event::Snapshot(snapshot))) => snapshot,
            Ok(_) => return "NOT_A_SNAPSHOT".into(),
            Err(refusal) => {
                self.counts.snapshots_refused += 1;
                return refusal.name().into();
            }
        };
        match self.book.on_snapshot(&snapshot) {
            SnapshotOutcome::Valid => {
                self.on_valid(at, tracer, sink);
                "VALID".into()
            }
            SnapshotOutcome::AwaitingDiff => "AWAITING_DIFF".into(),
            SnapshotOutcome::NotWanted => "NOT_WANTED".into(),
            // Asked again after the pause, so that a venue that lags is not hammered.
            SnapshotOutcome::TooOld => "TOO_OLD".into(),
            SnapshotOutcome::Gap { .. } => "GAP".into(),
            SnapshotOutcome::Older => "OLDER".into(),
            SnapshotOutcome::ChecksumMismatch { .. } => {
                self.on_broken("the snapshot's checksum is not the venue's", (0, 0), at, tracer, sink);
                "CHECKSUM_MISMATCH".into()
            }
            SnapshotOutcome::Crossing | SnapshotOutcome::Crossed => {
                self.on_broken("the snapshot is crossed", (0, 0), at, tracer, sink);
                "CROSSED".into()
            }
        }
    }

    fn on_ticker(&mut self, ticker: BookTicker, at: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        if ticker.bid.qty.0 > 0 && ticker.ask.qty.0 > 0 && ticker.bid.px >= ticker.ask.px {
            self.counts.tickers_crossed += 1;
            return;
        }
        if self.ticker.is_some_and(|last| ticker.update_id <= last.update_id) {
            return;
        }
        if ticker.ts_venue.0 > 0 {
            self.last_venue_ts = ticker.ts_venue.0;
        }
        self.ticker = Some(ticker);
        self.on_touch(at, tracer, sink);
    }

    fn on_book_change(&mut self, at: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        self.depth_due = true;
        self.on_touch(at, tracer, sink);
        self.depth_when_due(at.mono_ns, tracer, sink);
    }

    /// The touch as of the newest update id: the venue's own best bid and offer, or the book where that is newer.
    fn touch(&self) -> (Touch, u64, i64) {
        match self.ticker.filter(|ticker| ticker.update_id > self.book.last_id()) {
            Some(ticker) => {
                let side =
                    |level: tidegate_normalise::Level| (level.qty.0 > 0).then_some((level.px.0, level.qty.0));
                let touch = Touch { bid: side(ticker.bid), ask: side(ticker.ask) };
                (touch, ticker.update_id, ticker.ts_venue.0)
            }
            None => (Touch::of(self.book.book()), self.book.last_id(), self.book_venue_ts),
        }
    }

    fn on_touch(&mut self, at: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        if self.state != BookState::Valid {
            return;
        }
        let (touch, seq, ts_venue) = self.touch();
        // Each update is one of the kernels', whether the touch moved or not.
        let ts = EpochNs(if ts_venue > 0 { ts_venue } else { at.epoch_ns });
        self.features.on_view(&View::of(touch, self.book.book(), ts, seq));
        if self.published != Some(touch) {
            self.publish_top(at, tracer, sink);
        }
    }

    fn send(
        &mut self,
        kind: MdKind,
        payload: Payload,
        (ts_event_ns, at): (i64, Stamp),
        tracer: &mut Tracer,
        sink: &mut impl Sink,
    ) {
        let (trace_hi, trace_lo) = tracer.next();
        let envelope = Envelope {
            schema_version: 1,
            source: Source::MarketData as i32,
            trace_hi,
            trace_lo,
            span_id: span_id(trace_hi, trace_lo, STAGE),
            ts_event_ns,
            ts_recv_ns: at.epoch_ns,
            log_seq: 0,
            payload: Some(payload),
        };
        tidegate_wire::envelope::encode_into(&mut self.payload, &envelope);
        sink.publish(&Publication {
            feed: self.index,
            kind,
            payload: &self.payload,
            cause: (!self.repeating).then_some(at),
            trace: (trace_hi, trace_lo),
        });
    }

    fn publish_top(&mut self, at: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        let valid = self.state == BookState::Valid;
        let (touch, venue_seq, ts_venue_ns) =
            if valid { self.touch() } else { (Touch::default(), self.book.last_id(), self.book_venue_ts) };
        let output = if valid { self.features.publish() } else { None };
        let (bid, ask) = (touch.bid.unwrap_or_default(), touch.ask.unwrap_or_default());
        let top = BookTop {
            instrument_id: self.instrument.id,
            venue_id: self.instrument.venue_id,
            bid_px_ticks: bid.0,
            bid_qty_lots: bid.1.unsigned_abs(),
            ask_px_ticks: ask.0,
            ask_qty_lots: ask.1.unsigned_abs(),
            venue_seq,
            ts_venue_ns,
            ts_recv_ns: at.epoch_ns,
            state: self.state as i32,
            feature_set_hash: output.map_or(0, |o| o.hash),
            features: output.map(|o| o.values.to_vec()).unwrap_or_default(),
            feature_flags: output.map_or(0, |o| o.flags),
            tick_mono_ns: at.mono_ns,
            instrument_table_version: self.table_version,
        };
        self.published = valid.then_some(touch);
        self.top_at = at.mono_ns;
        self.counts.tops += 1;
        self.send(MdKind::Top, Payload::BookTop(top), (ts_venue_ns, at), tracer, sink);
    }

    fn depth_when_due(&mut self, now: u64, tracer: &mut Tracer, sink: &mut impl Sink) {
        let due = self.depth_due && now.saturating_sub(self.depth_at) >= DEPTH_PERIOD_NS;
        if !due || self.state != BookState::Valid {
            return;
        }
        let column = |side| {
            let mut before = 0;
            let levels = self.book.book().levels(side).take(DEPTH_LEVELS);
            levels
                .map(|(px, qty)| (px - std::mem::replace(&mut before, px), qty.unsigned_abs()))
                .unzip::<i64, u64, Vec<_>, Vec<_>>()
        };
        let ((bid_px_delta_ticks, bid_qty_lots), (ask_px_delta_ticks, ask_qty_lots)) =
            (column(Side::Buy), column(Side::Sell));
        let (at, ts_venue_ns) = (self.last, self.book_venue_ts);
        let depth = BookDepth {
            instrument_id: self.instrument.id,
            venue_id: self.instrument.venue_id,
            bid_px_delta_ticks,
            bid_qty_lots,
            ask_px_delta_ticks,
            ask_qty_lots,
            venue_seq: self.book.last_id(),
            ts_venue_ns,
            ts_recv_ns: at.epoch_ns,
            state: self.state as i32,
            instrument_table_version: self.table_version,
        };
        self.depth_at = now;
        self.depth_due = false;
        self.counts.depths += 1;
        self.send(MdKind::Depth, Payload::BookDepth(depth), (ts_venue_ns, at), tracer, sink);
    }

    /// `confidence` is how sure the aggressor is, in thousandths. A print that does not move the last price tells no feature
    /// anything of the market now.
    fn on_trade(
        &mut self,
        trade: &Trade,
        (confidence, moves): (u16, Moves),
        at: Stamp,
        tracer: &mut Tracer,
        sink: &mut impl Sink,
    ) {
        let Trade { px, qty, aggressor, ts_venue, .. } = *trade;
        if moves.last == Last::Always {
            let told = FeaturePrint { px: px.0, qty: qty.0, aggressor, confidence, ts: ts_venue };
            self.features.on_trade(&told);
        }
        self.publish_trade(trade, moves, at, tracer, sink);
    }

    fn publish_trade(
        &mut self,
        trade: &Trade,
        moves: Moves,
        at: Stamp,
        tracer: &mut Tracer,
        sink: &mut impl Sink,
    ) {
        let message = PbTrade {
            instrument_id: self.instrument.id,
            venue_id: self.instrument.venue_id,
            trade_id: trade.trade_id,
            px_ticks: trade.px.0,
            qty_lots: trade.qty.0.unsigned_abs(),
            aggressor: pb_side(trade.aggressor),
            ts_venue_ns: trade.ts_venue.0,
            ts_recv_ns: at.epoch_ns,
            tick_mono_ns: at.mono_ns,
            instrument_table_version: self.table_version,
            excluded: excluded(moves),
        };
        self.counts.trades += 1;
        self.send(MdKind::Trade, Payload::Trade(message), (trade.ts_venue.0, at), tracer, sink);
    }

    fn publish_correction(
        &mut self,
        (was_trade_id, was_px_ticks, was_qty): (u64, i64, i64),
        now: Option<&Print>,
        ts_venue: EpochNs,
        at: Stamp,
        tracer: &mut Tracer,
        sink: &mut impl Sink,
    ) {
        self.counts.events += 1;
        self.counts.corrections += 1;
        let message = TradeCorrection {
            instrument_id: self.instrument.id,
            venue_id: self.instrument.venue_id,
            was_trade_id,
            was_px_ticks,
            was_qty_lots: was_qty.unsigned_abs(),
            now_trade_id: now.map_or(0, |print| print.trade_id),
            now_px_ticks: now.map_or(0, |print| print.px.0),
            now_qty_lots: now.map_or(0, |print| print.qty.0.unsigned_abs()),
            now_excluded: now.map_or(0, |print| excluded(print.moves)),
            ts_venue_ns: ts_venue.0,
            ts_recv_ns: at.epoch_ns,
            instrument_table_version: self.table_version,
        };
        self.send(MdKind::Trade, Payload::TradeCorrection(message), (ts_venue.0, at), tracer, sink);
    }

    /// Says anew what may be done in the instrument; the state of its feed stays.
    fn publish_rules(&mut self, reason: &str, at: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        if self.state != BookState::Unspecified {
            self.publish_status(reason, (0, 0), at, tracer, sink);
        }
    }

    fn publish_status(
        &mut self,
        reason: &str,
        (gap_first, gap_last): (u64, u64),
        at: Stamp,
        tracer: &mut Tracer,
        sink: &mut impl Sink,
    ) {
        let status = InstrumentStatus {
            instrument_id: self.instrument.id,
            venue_id: self.instrument.venue_id,
            state: self.state as i32,
            reason: reason.into(),
            gap_first,
            gap_last,
            ts_recv_ns: at.epoch_ns,
            ..self.rules.status()
        };
        self.counts.statuses += 1;
        self.send(MdKind::Status, Payload::InstrumentStatus(status), (0, at), tracer, sink);
    }

    fn set_state(
        &mut self,
        state: BookState,
        reason: &str,
        (gap_first, gap_last): (u64, u64),
        at: Stamp,
        tracer: &mut Tracer,
        sink: &mut impl Sink,
    ) {
        let before = self.state;
        if before == state && gap_first == 0 {
            return;
        }
        self.state = state;
        if state == BookState::Valid {
            if let Some(broken) = self.broken_at.take() {
                self.repair_ns_last = at.mono_ns.saturating_sub(broken);
                self.repair_ns_max = self.repair_ns_max.max(self.repair_ns_last);
            }
        } else {
            self.broken_at = self.broken_at.or(Some(at.mono_ns));
        }
        let mut end = reason.len().min(STATUS_REASON_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let reason = reason.get(..end).unwrap_or("");
        self.publish_status(reason, (gap_first, gap_last), at, tracer, sink);
        // A reader of the touch alone must stop pricing as fast as a reader of the status.
        if before == BookState::Valid {
            self.publish_top(at, tracer, sink);
        }
        let level =
            if state == BookState::Valid || before == BookState::Unspecified { "info" } else { "warn" };
        let msg = format!("book {} to {}: {reason}", state_name(before), state_name(state));
        sink.emit(log(level, &msg, &self.instrument));
    }

    /// Bytes of the session that carries the book have come: alive, whatever they said.
    pub fn on_alive(&mut self, at: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        self.last = at;
        if self.state == BookState::Stale && self.book.state() == State::Valid {
            self.set_state(BookState::Valid, "the session speaks again", (0, 0), at, tracer, sink);
            self.publish_top(at, tracer, sink);
        }
    }

    /// Time passes: silence, depth and snapshots that are due.
    pub fn tick(&mut self, now: Stamp, tracer: &mut Tracer, sink: &mut impl Sink) {
        if self.state == BookState::Valid && now.mono_ns.saturating_sub(self.last.mono_ns) > STALE_AFTER_NS {
            self.counts.stale += 1;
            self.set_state(
                BookState::Stale,
                "no byte from the venue within the bound",
                (0, 0),
                now,
                tracer,
                sink,
            );
        }
        if self.state == BookState::Valid && now.mono_ns.saturating_sub(self.top_at) >= TOP_REFRESH_NS {
            // A late joiner of a quiet market gets the touch too; the stamps stay those of the last word.
            let last = self.last;
            self.repeating = true;
            self.publish_top(last, tracer, sink);
            self.repeating = false;
            self.top_at = now.mono_ns;
        }
        self.depth_when_due(now.mono_ns, tracer, sink);
        self.ask_trades(now.mono_ns, sink);
        if self.rule.fetches_snapshot() && self.book.wants_snapshot() && self.book.buffered() > 0 {
            self.ask_snapshot(now.mono_ns, sink);
        }
    }

    /// The instrument's part of the statistics.
    pub fn stats(&self) -> Value {
        let book = self.book.counts();
        let level = |level: Option<(i64, i64)>| {
            level.map(|(px, qty)| json!([self.instrument.format_px(px), self.instrument.format_qty(qty)]))
        };
        let touch = if self.state == BookState::Valid { self.touch().0 } else { Touch::default() };
        let refused: serde_json::Map<String, Value> = self
            .reader
            .iter()
            .flat_map(|r| r.refused().nonzero())
            .map(|(name, n)| (name.to_string(), n.into()))
            .collect();
        json!({
            "id": self.instrument.id,
            "venueId": self.instrument.venue_id,
            "symbol": self.instrument.symbol,
            "state": state_name(self.state),
            "bid": level(touch.bid),
            "ask": level(touch.ask),
            "lastUpdateId": self.book.last_id(),
            "events": self.counts.events,
            "tops": self.counts.tops,
            "depths": self.counts.depths,
            "trades": self.counts.trades,
            "statuses": self.counts.statuses,
            "gaps": book.gaps,
            "crossed": book.crossed,
            "resyncs": self.counts.resyncs,
            "snapshotsAsked": self.counts.snapshots_asked,
            "snapshotsTooOld": book.snapshots_too_old,
            "snapshotsRefused": self.counts.snapshots_refused,
            "buffered": self.book.buffered(),
            "bufferDropped": book.buffer_dropped,
            "levelsDropped": self.book.book().dropped(),
            "staleTimes": self.counts.stale,
            "trading": self.trading,
            "trialPrints": self.counts.trials,
            "indicativeBooks": self.counts.indicative,
            "corrections": self.counts.corrections,
            "clockSetBack": self.counts.clock_set_back,
            "printsRepeated": self.counts.repeated,
            "printsBackfilled": self.counts.backfilled,
            "backfillRefused": self.counts.backfill_refused,
            "backfillGivenUp": self.tape.as_ref().map_or(0, |tape| tape.given_up()),
            "tapeOpen": self.tape.as_ref().is_some_and(|tape| tape.open()),
            "printsUnclassified": self.counts.unclassified,
            "tickersCrossed": self.counts.tickers_crossed,
            "features": self.features.stats(),
            "dust": self.reader.as_ref().map_or(0, |r| r.dust()),
            "refused": refused,
            "repairMs": { "last": self.repair_ns_last / 1_000_000, "max": self.repair_ns_max / 1_000_000 },
            // Below zero where this host's clock is behind the venue's; the raw stamps are never rewritten.
            "venueLagMs": (self.last_venue_ts > 0).then(|| (self.last.epoch_ns - self.last_venue_ts) / 1_000_000),
        })
    }
}

fn log(level: &str, msg: &str, instrument: &Instrument) -> Value {
    log_event(level, msg, json!({ "instrument": instrument.id, "symbol": instrument.symbol }))
}
