use super::{Bar, BarTrade, Kind, Quiet};
use crate::limits::{BARS_CORRECTABLE_MAX, PX_TICKS_MAX, QTY_LOTS_MAX, QUIET_BARS_MAX, TRADES_KEPT_MAX};
use std::collections::VecDeque;
use std::fmt;
use tidegate_normalise::{Event, Last};

/// Why a correction had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorrectionFault {
    /// No kept trade has that id: never seen, or too old.
    UnknownTrade,
    /// The bar's other trades are no longer kept.
    TooOld,
    /// A price or size out of range.
    BadTrade,
}

impl fmt::Display for CorrectionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownTrade => "no kept trade has that id",
            Self::TooOld => "the trades of that bar are no longer kept",
            Self::BadTrade => "price or size out of range",
        })
    }
}

impl std::error::Error for CorrectionFault {}

#[derive(Debug, Clone, Copy)]
struct Kept {
    bar: i64,
    trade: BarTrade,
}

/// Makes bars of one instrument's trades.
#[derive(Debug, Clone)]
pub struct Builder {
    kind: Kind,
    quiet: Quiet,
    /// Index of the bar in work.
    index: i64,
    /// The bar in work; none before its first trade.
    open: Option<Bar>,
    /// Closed bars that may still change, oldest first.
    closed: VecDeque<Bar>,
    kept: VecDeque<Kept>,
    /// The newest bar that has lost a trade: neither it nor an older one can be made anew.
    forgotten: Option<i64>,
    /// Start of the interval that event time has reached.
    now: Option<i64>,
    /// Latest venue time of a trade in the bar in work.
    newest: i64,
    /// Whether the day has a last price.
    last_known: bool,
    dropped: u64,
    refused: u64,
}

impl Builder {
    /// A builder without trades. A width, count or threshold below 1 counts as 1.
    pub fn new(kind: Kind, quiet: Quiet) -> Self {
        let kind = match kind {
            Kind::Time(width) => Kind::Time(width.max(1)),
            Kind::Ticks(count) => Kind::Ticks(count.max(1)),
            Kind::Volume(lots) => Kind::Volume(lots.max(1)),
            Kind::Notional(money) => Kind::Notional(money.max(1)),
        };
        Self {
            kind,
            quiet,
            index: 0,
            open: None,
            closed: VecDeque::with_capacity(BARS_CORRECTABLE_MAX),
            kept: VecDeque::new(),
            forgotten: None,
            now: None,
            newest: 0,
            last_known: false,
            dropped: 0,
            refused: 0,
        }
    }

    /// Late trades that came after their bar could no longer change.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Trades with a price or size out of range.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// A trading day begins: it has no last price yet. When it begins is the calendar's to say.
    pub fn on_day(&mut self) {
        self.last_known = false;
    }

    /// What an event of the instrument means for its bars: a print, a correction or a cancel. A print of trial matching is none,
    /// and a bar that the venue made never becomes one of ours.
    ///
    /// # Errors
    /// A correction or cancel that had no effect, as [`Self::correct`].
    pub fn on_event(
        &mut self,
        event: &Event<'_>,
        issue: &mut impl FnMut(&Bar),
    ) -> Result<(), CorrectionFault> {
        match event {
            Event::Print(print) if !print.trial => {
                self.on_trade(&print.into(), issue);
                Ok(())
            }
            Event::PrintCorrected { was, now } => self.correct(was.trade_id, Some(now.into()), issue),
            Event::PrintCancelled(cancel) => self.correct(cancel.trade_id, None, issue),
            _ => Ok(()),
        }
    }

    /// The bar in work.
    pub fn current(&self) -> Option<&Bar> {
        self.open.as_ref()
    }

    /// Event time has come to `ts`: what has ended is closed. Time bars only.
    pub fn on_time(&mut self, ts: i64, issue: &mut impl FnMut(&Bar)) {
        let Kind::Time(width) = self.kind else { return };
        let index = ts.div_euclid(width);
        if self.now.is_some_and(|now| index <= now) {
            return;
        }
        let from = self.now.replace(index);
        self.index = index;
        let Some(from) = from else { return };
        self.close(issue);
        if self.quiet == Quiet::Flat {
            self.fill(from, index, width, issue);
        }
    }

    /// One trade. A late one re-issues its bar.
    pub fn on_trade(&mut self, trade: &BarTrade, issue: &mut impl FnMut(&Bar)) {
        if !sane(trade) {
            self.refused += 1;
            return;
        }
        self.on_time(trade.ts, issue);
        let trade = &self.decided(*trade);
        if let Kind::Time(width) = self.kind {
            let index = trade.ts.div_euclid(width);
            if index < self.index {
                self.late(index, width, trade, issue);
                return;
            }
        }
        self.keep(self.index, trade);
        let start = match self.kind {
            Kind::Time(width) => self.index.saturating_mul(width),
            _ => trade.ts,
        };
        let mut bar = self.open.take().unwrap_or_else(|| empty(self.index, start));
        if matches!(self.kind, Kind::Time(_)) && bar.trades > 0 && trade.ts < self.newest {
            // Within a bar too, the order of venue time decides open and close.
            bar = self.anew(&bar);
        } else {
            add(&mut bar, trade);
            self.newest = trade.ts;
        }
        let full = match self.kind {
            Kind::Time(_) => false,
            Kind::Ticks(count) => bar.trades >= count,
            Kind::Volume(lots) => bar.volume >= lots,
            Kind::Notional(money) => bar.notional >= money,
        };
        self.open = Some(bar);
        if full {
            self.close(issue);
            self.index += 1;
        }
    }

    /// The trade with its place in the day known: a late one moves the last price only where there is none yet.
    fn decided(&mut self, mut trade: BarTrade) -> BarTrade {
        if trade.moves.last == Last::IfFirst {
            trade.moves.last = if self.last_known { Last::Never } else { Last::Always };
        }
        self.last_known |= trade.moves.last == Last::Always;
        trade
    }

    /// A trade is withdrawn (`None`) or replaced by another id, price, size and conditions, at its own time. Its bar is made anew
    /// from the trades kept and re-issued if it was closed.
    ///
    /// # Errors
    /// The trade or its bar is too old, or the new values are out of range; nothing has changed then.
    pub fn correct(
        &mut self,
        id: u64,
        with: Option<BarTrade>,
        issue: &mut impl FnMut(&Bar),
    ) -> Result<(), CorrectionFault> {
        let place =
            self.kept.iter().rposition(|kept| kept.trade.id == id).ok_or(CorrectionFault::UnknownTrade)?;
        let found = self.kept.get(place).copied().ok_or(CorrectionFault::UnknownTrade)?;
        let closed = self.closed.iter().any(|bar| bar.index == found.bar);
        let in_work = self.open.as_ref().is_some_and(|bar| bar.index == found.bar);
        if self.forgotten.is_some_and(|bar| found.bar <= bar) || !(closed || in_work) {
            return Err(CorrectionFault::TooOld);
        }
        match with {
            None => drop(self.kept.remove(place)),
            Some(now) => {
                if !sane(&now) {
                    return Err(CorrectionFault::BadTrade);
                }
                let mut trade = BarTrade { ts: found.trade.ts, ..now };
                if trade.moves.last == Last::IfFirst {
                    // What came first is not decided anew: it takes the place of the one it replaces.
                    trade.moves.last = found.trade.moves.last;
                }
                if let Some(kept) = self.kept.get_mut(place) {
                    kept.trade = trade;
                }
            }
        }
        if in_work {
            let made = self.open.map(|old| self.anew(&old));
            self.open = made.filter(|bar| bar.trades > 0);
        } else {
            self.again(found.bar, issue);
        }
        Ok(())
    }

    fn late(&mut self, index: i64, width: i64, trade: &BarTrade, issue: &mut impl FnMut(&Bar)) {
        let oldest = self.closed.front().map_or(self.index, |bar| bar.index);
        let known = self.closed.iter().any(|bar| bar.index == index);
        let full = self.closed.len() >= BARS_CORRECTABLE_MAX;
        if self.forgotten.is_some_and(|bar| index <= bar) || (!known && full && index < oldest) {
            self.dropped += 1;
            return;
        }
        if !known {
            // A stretch that was quiet so far gets its bar now.
            let place = self.closed.iter().position(|bar| bar.index > index).unwrap_or(self.closed.len());
            let mut bar = empty(index, index.saturating_mul(width));
            bar.revision = u32::MAX;
            self.closed.insert(place, bar);
        }
        self.keep(index, trade);
        self.again(index, issue);
        self.trim();
    }

    /// Makes a closed bar anew and issues it with the next revision.
    fn again(&mut self, index: i64, issue: &mut impl FnMut(&Bar)) {
        let Some(place) = self.closed.iter().position(|bar| bar.index == index) else { return };
        let Some(old) = self.closed.get(place).copied() else { return };
        let mut bar = self.anew(&old);
        bar.revision = old.revision.wrapping_add(1);
        issue(&bar);
        if let Some(slot) = self.closed.get_mut(place) {
            *slot = bar;
        }
    }

    /// A bar from the trades kept, in the order of time and, at one time, of arrival.
    fn anew(&self, old: &Bar) -> Bar {
        let mut trades: Vec<BarTrade> =
            self.kept.iter().filter(|kept| kept.bar == old.index).map(|kept| kept.trade).collect();
        if matches!(self.kind, Kind::Time(_)) {
            trades.sort_by_key(|trade| trade.ts);
        }
        let mut bar = empty(old.index, old.start);
        trades.iter().for_each(|trade| add(&mut bar, trade));
        bar.revision = old.revision;
        if bar.trades == 0 {
            // A bar whose last trade was withdrawn is issued flat and empty.
            (bar.open, bar.high, bar.low, bar.close) = (old.open, old.open, old.open, old.open);
        }
        bar
    }

    fn keep(&mut self, bar: i64, trade: &BarTrade) {
        if self.kept.len() >= TRADES_KEPT_MAX
            && let Some(old) = self.kept.pop_front()
        {
            self.forgotten = Some(self.forgotten.map_or(old.bar, |bar| bar.max(old.bar)));
        }
        self.kept.push_back(Kept { bar, trade: *trade });
    }

    fn close(&mut self, issue: &mut impl FnMut(&Bar)) {
        // A bar without a print that moves the last price has no open and no close: it is not one.
        let Some(bar) = self.open.take().filter(|bar| bar.trades > 0) else { return };
        issue(&bar);
        self.closed.push_back(bar);
        self.trim();
    }

    fn trim(&mut self) {
        while self.closed.len() > BARS_CORRECTABLE_MAX {
            self.closed.pop_front();
        }
    }

    fn fill(&mut self, from: i64, to: i64, width: i64, issue: &mut impl FnMut(&Bar)) {
        let Some(last) = self.closed.back().copied() else { return };
        let first = from.max(last.index.saturating_add(1)).max(to.saturating_sub(QUIET_BARS_MAX));
        for index in first..to {
            let flat = Bar {
                open: last.close,
                high: last.close,
                low: last.close,
                close: last.close,
                ..empty(index, index.saturating_mul(width))
            };
            issue(&flat);
            self.closed.push_back(flat);
            self.trim();
        }
    }
}

fn sane(trade: &BarTrade) -> bool {
    trade.px.abs() <= PX_TICKS_MAX && (0..=QTY_LOTS_MAX).contains(&trade.qty)
}

fn empty(index: i64, start: i64) -> Bar {
    Bar {
        index,
        start,
        open: 0,
        high: i64::MIN,
        low: i64::MAX,
        close: 0,
        volume: 0,
        notional: 0,
        trades: 0,
        revision: 0,
    }
}

/// Puts a print into a bar. `trades` counts those that move the last price; only they make a bar.
fn add(bar: &mut Bar, trade: &BarTrade) {
    if trade.moves.volume {
        bar.volume = bar.volume.saturating_add(trade.qty);
        bar.notional = bar.notional.saturating_add(i128::from(trade.px) * i128::from(trade.qty));
    }
    let last = trade.moves.last == Last::Always;
    if last {
        if bar.trades == 0 {
            bar.open = trade.px;
        }
        bar.close = trade.px;
        bar.trades += 1;
    }
    if trade.moves.high_low || last {
        bar.high = bar.high.max(trade.px);
        bar.low = bar.low.min(trade.px);
    }
}
