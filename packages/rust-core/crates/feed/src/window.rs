//! When a session may be made anew: days and hours of a venue's own zone, ranges over midnight included.

use crate::limits::RANGES_MAX;
use serde::Deserialize;

/// A zone whose rule is known here, so that no file of the host is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Zone {
    #[serde(rename = "UTC")]
    Utc,
    /// UTC+8 all year.
    #[serde(rename = "Asia/Taipei")]
    Taipei,
    /// UTC-5, and UTC-4 from the second Sunday of March, 2:00, to the first Sunday of November, 2:00 (law since 2007).
    #[serde(rename = "America/New_York")]
    NewYork,
}

/// Minutes of the local day: from `from` up to and without `to`; a range whose end is not after its start runs over midnight and
/// belongs to the day it starts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub from: u16,
    pub to: u16,
}

/// The windows of one session.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    pub zone: Zone,
    /// Days a range may start on, 1 = Monday … 7 = Sunday.
    pub days: Vec<u8>,
    pub ranges: Vec<Window>,
}

const DAY_MINUTES: i64 = 1_440;

impl Windows {
    /// Whether it can be used.
    pub fn valid(&self) -> bool {
        let days =
            !self.days.is_empty() && self.days.len() <= 7 && self.days.iter().all(|d| (1..=7).contains(d));
        let within = |m: u16| i64::from(m) < DAY_MINUTES;
        let ranges = !self.ranges.is_empty()
            && self.ranges.len() <= RANGES_MAX
            && self.ranges.iter().all(|r| within(r.from) && i64::from(r.to) <= DAY_MINUTES);
        days && ranges
    }

    /// Whether a moment, in ns since the Unix epoch, lies in a window.
    pub fn contains(&self, epoch_ns: i64) -> bool {
        let minutes = epoch_ns.div_euclid(60_000_000_000) + self.zone.offset_minutes(epoch_ns);
        let (day, minute) = (minutes.div_euclid(DAY_MINUTES), minutes.rem_euclid(DAY_MINUTES));
        let starts = |day: i64| self.days.iter().any(|d| i64::from(*d) == weekday(day));
        self.ranges.iter().any(|range| {
            let (from, to) = (i64::from(range.from), i64::from(range.to));
            if from < to {
                starts(day) && (from..to).contains(&minute)
            } else {
                (starts(day) && minute >= from) || (starts(day - 1) && minute < to)
            }
        })
    }
}

/// 1 = Monday … 7 = Sunday of a day counted from 1970-01-01, a Thursday.
const fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7) + 1
}

impl Zone {
    /// Minutes to add to UTC at a moment in ns since the Unix epoch.
    pub fn offset_minutes(self, epoch_ns: i64) -> i64 {
        match self {
            Self::Utc => 0,
            Self::Taipei => 480,
            Self::NewYork => {
                let minute = epoch_ns.div_euclid(60_000_000_000);
                let year = year_of(minute.div_euclid(DAY_MINUTES));
                // 2:00 standard time is 7:00 UTC; 2:00 daylight time is 6:00 UTC.
                let begins = nth_sunday(year, 3, 2) * DAY_MINUTES + 420;
                let ends = nth_sunday(year, 11, 1) * DAY_MINUTES + 360;
                if (begins..ends).contains(&minute) { -240 } else { -300 }
            }
        }
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
const fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn year_of(day: i64) -> i64 {
    let guess = 1_970 + day.div_euclid(366);
    let mut year = guess;
    while days_of(year + 1, 1, 1) <= day {
        year += 1;
    }
    year
}

const fn nth_sunday(year: i64, month: i64, nth: i64) -> i64 {
    let first = days_of(year, month, 1);
    first + (7 - weekday(first)) + 7 * (nth - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NS: i64 = 1_000_000_000;

    fn at(year: i64, month: i64, day: i64, hour: i64, minute: i64) -> i64 {
        (days_of(year, month, day) * 86_400 + hour * 3_600 + minute * 60) * NS
    }

    #[test]
    fn a05_overnight_windows_belong_to_the_day_they_start_on() {
        // The Taiwan futures night session runs from 15:00 to 05:00 of the next day; Friday's ends on Saturday.
        let night = Window { from: 15 * 60, to: 5 * 60 };
        let day = Window { from: 8 * 60 + 30, to: 13 * 60 + 45 };
        let w = Windows { zone: Zone::Taipei, days: vec![1, 2, 3, 4, 5], ranges: vec![day, night] };
        assert!(w.valid());
        let local = |d, h, m| w.contains(at(2026, 5, d, h, m) - 8 * 3_600 * NS);
        // 2026-05-22 is a Friday.
        assert!(local(22, 15, 0) && local(22, 23, 59) && local(23, 0, 0) && local(23, 4, 59));
        assert!(!local(23, 5, 0) && !local(23, 9, 0) && !local(24, 1, 0) && !local(24, 16, 0));
        assert!(!local(25, 4, 59), "Sunday starts no night");
        assert!(local(25, 8, 30) && !local(25, 13, 45) && local(25, 13, 44));
    }

    #[test]
    fn a05_new_york_changes_its_clock_twice_a_year() {
        let offset = |m, d, h, min| Zone::NewYork.offset_minutes(at(2026, m, d, h, min));
        // 2026: March 8 and November 1.
        assert_eq!((offset(3, 8, 6, 59), offset(3, 8, 7, 0)), (-300, -240));
        assert_eq!((offset(11, 1, 5, 59), offset(11, 1, 6, 0)), (-240, -300));
        assert_eq!((offset(1, 1, 0, 0), offset(7, 1, 0, 0), offset(12, 31, 23, 59)), (-300, -240, -300));
        let open = Windows {
            zone: Zone::NewYork,
            days: vec![1, 2, 3, 4, 5],
            ranges: vec![Window { from: 570, to: 960 }],
        };
        // Friday before and Monday after the change: 9:30 local is 14:30 and 13:30 UTC.
        assert!(!open.contains(at(2026, 3, 6, 14, 29)) && open.contains(at(2026, 3, 6, 14, 30)));
        assert!(!open.contains(at(2026, 3, 9, 13, 29)) && open.contains(at(2026, 3, 9, 13, 30)));
    }

    #[test]
    fn windows_that_cannot_work_are_refused() {
        let good = Windows { zone: Zone::Utc, days: vec![1], ranges: vec![Window { from: 0, to: 1_440 }] };
        assert!(
            good.valid() && good.contains(at(2026, 5, 25, 0, 0)) && !good.contains(at(2026, 5, 26, 0, 0))
        );
        for bad in [
            Windows { days: vec![], ..good.clone() },
            Windows { days: vec![8], ..good.clone() },
            Windows { ranges: vec![], ..good.clone() },
            Windows { ranges: vec![Window { from: 1_440, to: 5 }], ..good.clone() },
            Windows { ranges: vec![Window { from: 0, to: 1 }; RANGES_MAX + 1], ..good.clone() },
        ] {
            assert!(!bad.valid());
        }
        assert!(good.contains(at(1969, 12, 29, 3, 0)), "before the epoch too");
    }
}
