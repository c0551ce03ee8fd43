//! Which days a market does not trade, and on which it closes early.

use crate::date::{Date, Weekday};

/// First and last year whose days are known.
pub(crate) const XNYS_YEARS: (i64, i64) = (2004, 2030);
pub(crate) const XTAI_YEARS: (i64, i64) = (2019, 2026);

/// Days the New York Stock Exchange stayed closed out of turn: the funerals of Presidents Reagan, Ford, Bush and Carter,
/// and hurricane Sandy. Source: NYSE, "Special Closings".
const XNYS_CLOSED: [u32; 6] = [20_040_611, 20_070_102, 20_121_029, 20_121_030, 20_181_205, 20_250_109];

/// Weekdays on which the Taiwan Stock Exchange does not trade: holidays and their bridges, the settlement-only days before
/// the lunar new year, and days off for typhoons. Source: the exchange's yearly schedules of holidays, as the package
/// `exchange_calendars` 4.13.2 (Apache-2.0) has them, and beside it the typhoon day of 2024-10-31 (Kong-rey), which that
/// package lacks. Saturdays have not been traded since 2019.
const XTAI_CLOSED: [u32; 142] = [
    20_190_101, 20_190_131, 20_190_201, 20_190_204, 20_190_205, 20_190_206, 20_190_207, 20_190_208,
    20_190_228, 20_190_301, 20_190_404, 20_190_405, 20_190_501, 20_190_607, 20_190_809, 20_190_913,
    20_190_930, 20_191_010, 20_191_011, 20_200_101, 20_200_121, 20_200_122, 20_200_123, 20_200_124,
    20_200_127, 20_200_128, 20_200_129, 20_200_228, 20_200_402, 20_200_403, 20_200_501, 20_200_625,
    20_200_626, 20_201_001, 20_201_002, 20_201_009, 20_210_101, 20_210_208, 20_210_209, 20_210_210,
    20_210_211, 20_210_212, 20_210_215, 20_210_216, 20_210_301, 20_210_402, 20_210_405, 20_210_430,
    20_210_614, 20_210_920, 20_210_921, 20_211_011, 20_211_231, 20_220_127, 20_220_128, 20_220_131,
    20_220_201, 20_220_202, 20_220_203, 20_220_228, 20_220_404, 20_220_405, 20_220_502, 20_220_603,
    20_220_909, 20_221_010, 20_230_102, 20_230_119, 20_230_120, 20_230_123, 20_230_124, 20_230_125,
    20_230_126, 20_230_127, 20_230_227, 20_230_228, 20_230_403, 20_230_404, 20_230_405, 20_230_501,
    20_230_622, 20_230_623, 20_230_803, 20_230_929, 20_231_009, 20_231_010, 20_240_101, 20_240_206,
    20_240_207, 20_240_208, 20_240_209, 20_240_212, 20_240_213, 20_240_214, 20_240_228, 20_240_404,
    20_240_405, 20_240_501, 20_240_610, 20_240_724, 20_240_725, 20_240_917, 20_241_002, 20_241_003,
    20_241_010, 20_241_031, 20_250_101, 20_250_123, 20_250_124, 20_250_127, 20_250_128, 20_250_129,
    20_250_130, 20_250_131, 20_250_228, 20_250_403, 20_250_404, 20_250_501, 20_250_530, 20_250_929,
    20_251_006, 20_251_010, 20_251_024, 20_251_225, 20_260_101, 20_260_212, 20_260_213, 20_260_216,
    20_260_217, 20_260_218, 20_260_219, 20_260_220, 20_260_227, 20_260_403, 20_260_406, 20_260_501,
    20_260_619, 20_260_925, 20_260_928, 20_261_009, 20_261_026, 20_261_225,
];

/// A fixed holiday on the weekday it is kept: a Saturday's on Friday, a Sunday's on Monday.
const fn kept(date: Date) -> Date {
    match date.weekday() {
        Weekday::Saturday => date.plus(-1),
        Weekday::Sunday => date.plus(1),
        _ => date,
    }
}

/// NYSE Rule 7.2: the holidays; new year's day of a Saturday is not kept (the Friday ends an accounting year), and
/// Juneteenth is kept since 2022.
pub(crate) fn xnys_closed(day: Date) -> bool {
    let (year, month, _) = day.parts();
    let new_year = Date::at(year, 1, 1);
    let rule = match month {
        1 => {
            (day == kept(new_year) && new_year.weekday() != Weekday::Saturday)
                || day == Date::nth(year, 1, Weekday::Monday, 3)
        }
        2 => day == Date::nth(year, 2, Weekday::Monday, 3),
        3 | 4 => day == Date::easter(year).plus(-2),
        5 => day == Date::last(year, 5, Weekday::Monday),
        6 => year >= 2022 && day == kept(Date::at(year, 6, 19)),
        7 => day == kept(Date::at(year, 7, 4)),
        9 => day == Date::nth(year, 9, Weekday::Monday, 1),
        11 => day == Date::nth(year, 11, Weekday::Thursday, 4),
        12 => day == kept(Date::at(year, 12, 25)),
        _ => false,
    };
    rule || XNYS_CLOSED.contains(&day.yyyymmdd())
}

/// Days the New York Stock Exchange closes at 13:00: the day after Thanksgiving, and the eves of Independence Day and
/// Christmas from Monday to Thursday.
pub(crate) fn xnys_half(day: Date) -> bool {
    let (year, month, of_month) = day.parts();
    let eve = (month, of_month) == (7, 3) || (month, of_month) == (12, 24);
    let early_in_week = !matches!(day.weekday(), Weekday::Friday | Weekday::Saturday | Weekday::Sunday);
    (eve && early_in_week) || day == Date::nth(year, 11, Weekday::Thursday, 4).plus(1)
}

pub(crate) fn xtai_closed(day: Date) -> bool {
    XTAI_CLOSED.binary_search(&day.yyyymmdd()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_rises_and_has_weekdays_only() {
        assert!(XTAI_CLOSED.is_sorted_by(|a, b| a < b));
        for day in XTAI_CLOSED {
            assert!(!Date::from_yyyymmdd(day).unwrap().is_weekend(), "{day}");
        }
    }
}
