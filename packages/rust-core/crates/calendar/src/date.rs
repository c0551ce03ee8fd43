//! Days of the proleptic Gregorian calendar, counted from 1970-01-01.

use std::fmt;

/// One day. Ordered, cheap to step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub(crate) i64);

/// Day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Date {
    /// The day of a year, month (1–12) and day of the month, or `None` where there is none.
    pub const fn new(year: i64, month: u32, day: u32) -> Option<Self> {
        if month < 1 || month > 12 || day < 1 || year < 1 || year > 9_999 {
            return None;
        }
        let date = Self::at(year, month, day);
        let (y, m, d) = date.parts();
        if y == year && m == month && d == day { Some(date) } else { None }
    }

    /// The day of valid parts; others run over into the next month.
    pub(crate) const fn at(year: i64, month: u32, day: u32) -> Self {
        // Howard Hinnant, "chrono-compatible low-level date algorithms": days_from_civil.
        let y = if month <= 2 { year - 1 } else { year };
        let era = y.div_euclid(400);
        let yoe = y - era * 400;
        let shifted = (month as i64 + 9) % 12;
        let doy = (153 * shifted + 2) / 5 + day as i64 - 1;
        let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
        Self(era * 146_097 + doe - 719_468)
    }

    /// Reads `YYYYMMDD` as a number.
    pub const fn from_yyyymmdd(number: u32) -> Option<Self> {
        Self::new(number as i64 / 10_000, number / 100 % 100, number % 100)
    }

    /// `YYYYMMDD` as a number.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "years 1 to 9999")]
    pub const fn yyyymmdd(self) -> u32 {
        let (year, month, day) = self.parts();
        year as u32 * 10_000 + month * 100 + day
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i64 {
        self.0
    }

    /// The day that is `days` after the epoch.
    pub const fn of_days(days: i64) -> Self {
        Self(days)
    }

    /// Year, month 1–12, day of the month.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "months and days are small")]
    pub const fn parts(self) -> (i64, u32, u32) {
        let z = self.0 + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z - era * 146_097;
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let shifted = (5 * doy + 2) / 153;
        let day = doy - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = yoe + era * 400 + if month <= 2 { 1 } else { 0 };
        (year, month as u32, day as u32)
    }

    pub const fn year(self) -> i64 {
        self.parts().0
    }

    pub const fn weekday(self) -> Weekday {
        // 1970-01-01 was a Thursday.
        match (self.0 + 3).rem_euclid(7) {
            0 => Weekday::Monday,
            1 => Weekday::Tuesday,
            2 => Weekday::Wednesday,
            3 => Weekday::Thursday,
            4 => Weekday::Friday,
            5 => Weekday::Saturday,
            _ => Weekday::Sunday,
        }
    }

    pub const fn plus(self, days: i64) -> Self {
        Self(self.0 + days)
    }

    pub const fn is_weekend(self) -> bool {
        matches!(self.weekday(), Weekday::Saturday | Weekday::Sunday)
    }

    /// The Monday of its week (ISO 8601 weeks).
    pub const fn monday(self) -> Self {
        Self(self.0 - (self.0 + 3).rem_euclid(7))
    }

    /// The n-th (from 1) such weekday of a month.
    pub(crate) const fn nth(year: i64, month: u32, weekday: Weekday, n: i64) -> Self {
        let first = Self::at(year, month, 1);
        let ahead = (weekday as i64 - first.weekday() as i64).rem_euclid(7);
        first.plus(ahead + 7 * (n - 1))
    }

    /// The last such weekday of a month.
    pub(crate) const fn last(year: i64, month: u32, weekday: Weekday) -> Self {
        let next = if month == 12 { Self::at(year + 1, 1, 1) } else { Self::at(year, month + 1, 1) };
        let end = next.plus(-1);
        end.plus(-((end.weekday() as i64 - weekday as i64).rem_euclid(7)))
    }

    /// Easter Sunday of a year, by the anonymous Gregorian algorithm (Nature, 1876).
    #[allow(clippy::many_single_char_names, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(crate) const fn easter(year: i64) -> Self {
        let a = year % 19;
        let (b, c) = (year / 100, year % 100);
        let (d, e) = (b / 4, b % 4);
        let f = (b + 8) / 25;
        let g = (b - f + 1) / 3;
        let h = (19 * a + b - d - g + 15) % 30;
        let (i, k) = (c / 4, c % 4);
        let l = (32 + 2 * e + 2 * i - h - k) % 7;
        let m = (a + 11 * h + 22 * l) / 451;
        let n = h + l - 7 * m + 114;
        Self::at(year, (n / 31) as u32, (n % 31) as u32 + 1)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.parts();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_that_are_none_are_refused_and_known_days_fall_on_known_weekdays() {
        for bad in [20_230_229, 20_230_431, 20_231_301, 20_230_100, 20_230_001, 0] {
            assert_eq!(Date::from_yyyymmdd(bad), None, "{bad}");
        }
        for (number, weekday) in [
            (19_700_101, Weekday::Thursday),
            (20_000_229, Weekday::Tuesday),
            (20_240_229, Weekday::Thursday),
            (20_261_127, Weekday::Friday),
        ] {
            assert_eq!(Date::from_yyyymmdd(number).map(Date::weekday), Some(weekday), "{number}");
        }
        assert_eq!(Date::at(1970, 1, 1).days(), 0);
    }

    #[test]
    fn easter_of_years_whose_day_is_printed() {
        // The earliest and the latest of the centuries round, and recent ones.
        for number in [18_180_322, 19_430_425, 20_080_323, 20_240_331, 20_250_420, 20_260_405, 20_380_425] {
            let date = Date::from_yyyymmdd(number).unwrap();
            assert_eq!(Date::easter(date.year()), date);
        }
    }

    proptest! {
        #[test]
        fn parts_and_days_are_one_another_and_the_next_day_follows(days in -700_000_i64..2_900_000) {
            let date = Date::of_days(days);
            let (y, m, d) = date.parts();
            prop_assert_eq!(Date::at(y, m, d), date);
            let (ny, nm, nd) = date.plus(1).parts();
            prop_assert!((ny, nm, nd) == (y, m, d + 1) || (ny, nm, nd) == (y, m + 1, 1) || (ny, nm, nd) == (y + 1, 1, 1));
            prop_assert_eq!(date.monday().weekday(), Weekday::Monday);
            prop_assert!(date.days() - date.monday().days() < 7);
        }
    }
}
