//! Trading calendars: which day a market trades, when its sessions open and close, and which trading day an instant
//! belongs to. Pure: no clock, no time-zone database, no file.
//!
//! A year that is not known is refused ([`NotCovered`]), never guessed: who cannot tell whether a market is open must
//! take it for closed.
#![forbid(unsafe_code)]

mod date;
mod holidays;
mod zone;

pub use date::{Date, Weekday};
pub use zone::Zone;

use std::fmt;
use zone::DAY_S;

/// Nanoseconds of a second.
const SECOND_NS: i64 = 1_000_000_000;
/// No market pauses longer; a search that passes it has met a gap in the tables.
const CLOSED_DAYS_MAX: i64 = 16;

/// A market with its own trading days and sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Market {
    /// Always open; its day is the UTC day.
    AllDay,
    /// Taiwan Stock Exchange: auction from 08:30, continuous 09:00 to 13:25, closing auction to 13:30.
    Xtai,
    /// Taiwan Futures Exchange, index futures: after hours 15:00 to 05:00 (auction from 14:50), of the trading day after;
    /// day 08:45 to 13:45 (auction from 08:30).
    Taifex,
    /// New York Stock Exchange and Nasdaq: 09:30 to 16:00, on half days to 13:00.
    Xnys,
}

/// What a market does at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    Closed,
    /// Orders are taken and crossed at the end of the phase.
    Auction,
    Open,
}

/// One phase of a trading day, in nanoseconds since the Unix epoch; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub phase: Phase,
    pub start_ns: i64,
    pub end_ns: i64,
}

/// The instant or day lies outside the years a market's table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotCovered {
    pub market: Market,
    pub year: i64,
}

impl fmt::Display for NotCovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.market.years();
        write!(
            f,
            "cannot tell the trading days of {:?} in {}: its table has {first} to {last}; add the year's holidays",
            self.market, self.year
        )
    }
}

impl std::error::Error for NotCovered {}

/// The spans of one trading day that losses are counted over, each by a number that rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Periods {
    /// The trading day, `YYYYMMDD`.
    pub day: u32,
    /// The Monday of its week, `YYYYMMDD`.
    pub week: u32,
    /// Its month, `YYYYMM`.
    pub month: u32,
}

impl Market {
    /// Every market there is, each at its own number.
    pub const ALL: [Self; 4] = [Self::AllDay, Self::Xtai, Self::Taifex, Self::Xnys];

    /// The market of a name as configuration writes it.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "24/7" => Some(Self::AllDay),
            "XTAI" => Some(Self::Xtai),
            "TAIFEX" => Some(Self::Taifex),
            "XNYS" => Some(Self::Xnys),
            _ => None,
        }
    }

    /// Where its clocks stand.
    pub const fn zone(self) -> Zone {
        match self {
            Self::AllDay => Zone::Utc,
            Self::Xtai | Self::Taifex => Zone::Taipei,
            Self::Xnys => Zone::NewYork,
        }
    }

    /// First and last year that are known.
    pub const fn years(self) -> (i64, i64) {
        match self {
            Self::AllDay => (1970, 2200),
            Self::Xtai | Self::Taifex => holidays::XTAI_YEARS,
            Self::Xnys => holidays::XNYS_YEARS,
        }
    }

    /// Whether a day is a trading day.
    ///
    /// # Errors
    /// The year is not known.
    pub fn trades(self, day: Date) -> Result<bool, NotCovered> {
        let (first, last) = self.years();
        if day.year() < first || day.year() > last {
            return Err(NotCovered { market: self, year: day.year() });
        }
        Ok(match self {
            Self::AllDay => true,
            Self::Xtai | Self::Taifex => !day.is_weekend() && !holidays::xtai_closed(day),
            Self::Xnys => !day.is_weekend() && !holidays::xnys_closed(day),
        })
    }

    /// Whether a trading day ends early.
    pub fn is_half_day(self, day: Date) -> bool {
        self == Self::Xnys && holidays::xnys_half(day)
    }

    /// The trading day after a day.
    ///
    /// # Errors
    /// The year is not known.
    pub fn next(self, day: Date) -> Result<Date, NotCovered> {
        self.step(day, 1)
    }

    /// The trading day before a day.
    ///
    /// # Errors
    /// The year is not known.
    pub fn previous(self, day: Date) -> Result<Date, NotCovered> {
        self.step(day, -1)
    }

    fn step(self, day: Date, by: i64) -> Result<Date, NotCovered> {
        let mut at = day;
        for _ in 0..CLOSED_DAYS_MAX {
            at = at.plus(by);
            if self.trades(at)? {
                return Ok(at);
            }
        }
        Err(NotCovered { market: self, year: at.year() })
    }

    /// The phases of a trading day in order; empty where it is none. An after-hours session lies before its day.
    ///
    /// # Errors
    /// The year is not known.
    pub fn sessions(self, day: Date) -> Result<Vec<Session>, NotCovered> {
        if !self.trades(day)? {
            return Ok(Vec::new());
        }
        let zone = self.zone();
        let at = |day: Date, hour: i64, minute: i64| zone.utc_s(day, hour * 3_600 + minute * 60) * SECOND_NS;
        let session = |phase, start_ns, end_ns| Session { phase, start_ns, end_ns };
        Ok(match self {
            Self::AllDay => vec![session(Phase::Open, at(day, 0, 0), at(day.plus(1), 0, 0))],
            Self::Xtai => vec![
                session(Phase::Auction, at(day, 8, 30), at(day, 9, 0)),
                session(Phase::Open, at(day, 9, 0), at(day, 13, 25)),
                session(Phase::Auction, at(day, 13, 25), at(day, 13, 30)),
            ],
            Self::Taifex => {
                // The first day of the table has an evening before it that the table does not know.
                let night = self.previous(day).map(|eve| {
                    let open = session(Phase::Open, at(eve, 15, 0), at(eve.plus(1), 5, 0));
                    vec![session(Phase::Auction, at(eve, 14, 50), at(eve, 15, 0)), open]
                });
                let mut sessions = night.unwrap_or_default();
                sessions.push(session(Phase::Auction, at(day, 8, 30), at(day, 8, 45)));
                sessions.push(session(Phase::Open, at(day, 8, 45), at(day, 13, 45)));
                sessions
            }
            Self::Xnys => {
                let close = if self.is_half_day(day) { 13 } else { 16 };
                vec![session(Phase::Open, at(day, 9, 30), at(day, close, 0))]
            }
        })
    }

    /// The trading day an instant belongs to: the one in session, else the next. What happens after a close counts to the
    /// day after.
    ///
    /// # Errors
    /// The year is not known.
    pub fn trading_day(self, epoch_ns: i64) -> Result<Date, NotCovered> {
        let (mut day, _) = self.zone().local(epoch_ns.div_euclid(SECOND_NS));
        for _ in 0..CLOSED_DAYS_MAX {
            let last = self.sessions(day)?.last().map(|s| s.end_ns);
            if last.is_some_and(|end_ns| epoch_ns < end_ns) {
                return Ok(day);
            }
            day = day.plus(1);
        }
        Err(NotCovered { market: self, year: day.year() })
    }

    /// What the market does at an instant.
    ///
    /// # Errors
    /// The year is not known: take it for closed.
    pub fn phase(self, epoch_ns: i64) -> Result<Phase, NotCovered> {
        let sessions = self.sessions(self.trading_day(epoch_ns)?)?;
        let at = |s: &&Session| s.start_ns <= epoch_ns && epoch_ns < s.end_ns;
        Ok(sessions.iter().find(at).map_or(Phase::Closed, |s| s.phase))
    }

    /// The session an instant lies in, with its trading day.
    ///
    /// # Errors
    /// The year is not known.
    pub fn session(self, epoch_ns: i64) -> Result<Option<(Date, Session)>, NotCovered> {
        let day = self.trading_day(epoch_ns)?;
        let at = |s: &Session| s.start_ns <= epoch_ns && epoch_ns < s.end_ns;
        Ok(self.sessions(day)?.into_iter().find(at).map(|s| (day, s)))
    }

    /// The day, week and month an instant counts to.
    ///
    /// # Errors
    /// The year is not known.
    pub fn periods(self, epoch_ns: i64) -> Result<Periods, NotCovered> {
        let day = self.trading_day(epoch_ns)?;
        Ok(Periods { day: day.yyyymmdd(), week: day.monday().yyyymmdd(), month: day.yyyymmdd() / 100 })
    }

    /// Seconds since local midnight, 0 to 86,399.
    pub const fn second_of_day(self, epoch_ns: i64) -> i64 {
        let (_, second) = self.zone().local(epoch_ns.div_euclid(SECOND_NS));
        second
    }
}

const _: () = assert!(DAY_S == 86_400);
