//! The calendar and the spellings of time, for every reader of venue messages.

use crate::Refusal;
use tidegate_units::EpochNs;

/// Days from 1970-01-01 to a day of the Gregorian calendar, or `None` for one that is none.
/// Source: H. Hinnant, "chrono-compatible low-level date algorithms".
pub fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let of_month = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1_970..2_100).contains(&year) || !(1..=of_month).contains(&day) {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let era = year / 400;
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn two(text: &[u8], at: usize) -> Option<i64> {
    let digits = text.get(at..at + 2)?;
    digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0, |v, d| v * 10 + i64::from(d - b'0')))
}

/// `2021-02-22` as days since 1970.
pub fn day(text: &[u8]) -> Option<i64> {
    let [_, _, _, _, b'-', _, _, b'-', _, _] = text else { return None };
    days(two(text, 0)? * 100 + two(text, 2)?, two(text, 5)?, two(text, 8)?)
}

/// `15:51:44` or `15:51:44.208123456` as ns of the day.
pub fn clock(text: &[u8]) -> Option<i64> {
    let (hms, fraction) = text.split_at_checked(8)?;
    let [_, _, b':', _, _, b':', _, _] = hms else { return None };
    let (h, m, s) = (two(hms, 0)?, two(hms, 3)?, two(hms, 6)?);
    if h > 23 || m > 59 || s > 59 {
        return None;
    }
    let ns = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) => {
            let value = digits.iter().fold(0_i64, |v, d| v * 10 + i64::from(d - b'0'));
            value * 10_i64.pow(9 - digits.len() as u32)
        }
        _ => return None,
    };
    Some(((h * 60 + m) * 60 + s) * 1_000_000_000 + ns)
}

const DAY_NS: i64 = 86_400_000_000_000;

/// A day and a time of it in a zone `east` ns ahead of UTC.
pub fn instant(day: i64, clock: i64, east: i64) -> EpochNs {
    EpochNs(day * DAY_NS + clock - east)
}

/// RFC 3339 with up to nine decimals, `Z` or an offset; between day and time a `T`, or a blank as its section 5.6 allows.
///
/// # Errors
/// [`Refusal::BadTime`]: another text, or a time before 1970 or after 2099.
pub fn rfc3339(text: &[u8]) -> Result<EpochNs, Refusal> {
    let read = || {
        let (date, rest) = text.split_at_checked(10)?;
        let rest = rest.strip_prefix(b"T").or_else(|| rest.strip_prefix(b" "))?;
        if let Some(time) = rest.strip_suffix(b"Z") {
            return Some(instant(day(date)?, clock(time)?, 0));
        }
        let (time, offset) = rest.split_at_checked(rest.len().checked_sub(6)?)?;
        let sign = match offset.first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (h, m) = (two(offset, 1)?, two(offset, 4)?);
        (offset.get(3) == Some(&b':') && h <= 23 && m <= 59)
            .then_some(())
            .and_then(|()| Some(instant(day(date)?, clock(time)?, sign * (h * 60 + m) * 60_000_000_000)))
    };
    read().filter(|ts| ts.0 >= 0).ok_or(Refusal::BadTime)
}

/// The day of the Gregorian calendar `days` after 1970-01-01.
/// Source: H. Hinnant, "chrono-compatible low-level date algorithms".
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days - era * 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stamps_by_hand() {
        let ns = |text: &str| rfc3339(text.as_bytes()).map(|ts| ts.0);
        assert_eq!(ns("2021-02-22T15:51:44.208Z"), Ok(1_614_009_104_208_000_000));
        assert_eq!(ns("2022-04-11T12:00:36.002951946Z"), Ok(1_649_678_436_002_951_946));
        assert_eq!(ns("2021-02-22T23:51:44+08:00"), Ok(1_614_009_104_000_000_000));
        assert_eq!(ns("2021-02-22 15:51:44Z"), Ok(1_614_009_104_000_000_000));
        assert_eq!(ns("2024-02-29T00:00:00Z"), Ok(1_709_164_800_000_000_000));
        for bad in [
            "2023-02-29T00:00:00Z",
            "2021-02-22X15:51:44Z",
            "2021-02-22T24:00:00Z",
            "2021-02-22T15:51:44",
            "",
            "2021-02-22T15:51:44.Z",
        ] {
            assert_eq!(ns(bad), Err(Refusal::BadTime), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn days_run_on_without_a_hole(from in 0_i64..47_000) {
            // Counted by hand from 1970 by adding months, an independent way.
            let (mut year, mut left) = (1_970_i64, from);
            let length = |y: i64| if y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) { 366 } else { 365 };
            while left >= length(year) {
                left -= length(year);
                year += 1;
            }
            let months = [31, length(year) - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            let mut month = 1;
            for days_in in months {
                if left < days_in { break; }
                left -= days_in;
                month += 1;
            }
            prop_assert_eq!(days(year, month, left + 1), Some(from));
        }
    }
}
