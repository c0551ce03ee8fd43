//! Local time of the three zones that are needed, by rule.

use crate::date::{Date, Weekday};

/// Seconds of a day.
pub(crate) const DAY_S: i64 = 86_400;

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    Utc,
    /// UTC+8, without daylight saving since 1979.
    Taipei,
    /// US Eastern: UTC−5, and UTC−4 in summer.
    NewYork,
}

/// When US summer time starts and ends in a year, in seconds since the Unix epoch.
///
/// Since 2007 from the second Sunday of March to the first of November (Energy Policy Act of 2005, section 110); from
/// 1987 to 2006 from the first Sunday of April to the last of October; each at 02:00 local time.
const fn summer_s(year: i64) -> (i64, i64) {
    let (start, end) = if year >= 2007 {
        (Date::nth(year, 3, Weekday::Sunday, 2), Date::nth(year, 11, Weekday::Sunday, 1))
    } else {
        (Date::nth(year, 4, Weekday::Sunday, 1), Date::last(year, 10, Weekday::Sunday))
    };
    (start.days() * DAY_S + 7 * 3_600, end.days() * DAY_S + 6 * 3_600)
}

impl Zone {
    /// Seconds that local time is ahead of UTC at an instant, given in seconds since the Unix epoch.
    pub const fn offset_s(self, utc_s: i64) -> i64 {
        match self {
            Self::Utc => 0,
            Self::Taipei => 8 * 3_600,
            Self::NewYork => {
                let (start, end) = summer_s(Date::of_days(utc_s.div_euclid(DAY_S)).year());
                if utc_s >= start && utc_s < end { -4 * 3_600 } else { -5 * 3_600 }
            }
        }
    }

    /// The local day and the seconds since its midnight.
    pub const fn local(self, utc_s: i64) -> (Date, i64) {
        let local = utc_s + self.offset_s(utc_s);
        (Date::of_days(local.div_euclid(DAY_S)), local.rem_euclid(DAY_S))
    }

    /// The instant of a local time, in seconds since the Unix epoch. Where clocks stand still twice it is the first of the
    /// two; where they jump it is the time shown before the jump.
    pub const fn utc_s(self, day: Date, second: i64) -> i64 {
        let shown = day.days() * DAY_S + second;
        let early = shown - self.offset_s(shown - self.offset_s(shown));
        let summer = shown - self.offset_s(early);
        if summer < early { summer } else { early }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn b043_summer_time_starts_and_ends_at_the_second() {
        // As the tz database has them: the last second before, and the first of each change.
        for (utc, offset_h) in [
            (1_081_061_999, -5), // 2004-04-04 06:59:59Z
            (1_081_062_000, -4),
            (1_099_202_399, -4), // 2004-10-31 05:59:59Z
            (1_099_202_400, -5),
            (1_173_596_399, -5), // 2007-03-11 06:59:59Z
            (1_173_596_400, -4),
            (1_194_155_999, -4), // 2007-11-04 05:59:59Z
            (1_194_156_000, -5),
            (1_772_953_199, -5), // 2026-03-08 06:59:59Z
            (1_772_953_200, -4),
            (1_793_512_799, -4), // 2026-11-01 05:59:59Z
            (1_793_512_800, -5),
        ] {
            assert_eq!(Zone::NewYork.offset_s(utc), offset_h * 3_600, "{utc}");
        }
        assert_eq!(Zone::Taipei.local(1_775_609_100), (Date::at(2026, 4, 8), 31_500)); // 08:45
    }

    proptest! {
        #[test]
        fn a_local_time_and_its_instant_are_one_another(utc in 600_000_000_i64..2_500_000_000) {
            for zone in [Zone::Utc, Zone::Taipei, Zone::NewYork] {
                let (day, second) = zone.local(utc);
                let back = zone.utc_s(day, second);
                // An hour that is shown twice names its first.
                prop_assert!(back == utc || back == utc - 3_600 && zone.local(back) == (day, second));
            }
        }
    }
}
