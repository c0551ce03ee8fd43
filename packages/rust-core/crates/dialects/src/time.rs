//! Venue times in their many spellings, to ns since the Unix epoch.

use crate::Refusal;
use crate::dec::Dec;
use tidegate_units::EpochNs;

/// Latest time accepted: 2100-01-01T00:00:00Z, in seconds.
const SECONDS_MAX: i128 = 4_102_444_800;

/// Reads a count of `10^-digits` s; a finer fraction than a ns is cut off.
///
/// # Errors
/// `BAD_TIME` for a negative time or one after the year 2100.
pub fn from_count(count: Dec, digits: u8) -> Result<EpochNs, Refusal> {
    let value = count.shifted(digits).ok_or(Refusal::BadTime)?;
    let ns = match value.at_scale(9) {
        Some(ns) => ns,
        None if value.scale > 9 => {
            value.units / 10_i128.checked_pow(u32::from(value.scale - 9)).ok_or(Refusal::BadTime)?
        }
        None => return Err(Refusal::BadTime),
    };
    if !(0..=SECONDS_MAX * 1_000_000_000).contains(&ns) {
        return Err(Refusal::BadTime);
    }
    i64::try_from(ns).map(EpochNs).map_err(|_| Refusal::BadTime)
}

/// Reads a count whose unit is told by its size: s below 10^11, ms below 10^14, µs below 10^17, else ns.
///
/// # Errors
/// As [`from_count`].
pub fn from_any(count: Dec) -> Result<EpochNs, Refusal> {
    let digits = match count.trimmed().units.unsigned_abs() {
        _ if count.scale > 0 => 0,
        n if n < 100_000_000_000 => 0,
        n if n < 100_000_000_000_000 => 3,
        n if n < 100_000_000_000_000_000 => 6,
        _ => 9,
    };
    from_count(count, digits)
}

/// Reads RFC 3339, `2019-06-01T00:00:19.163Z`: UTC as `Z` or an offset `+hh:mm`, zero to nine digits of fraction.
///
/// # Errors
/// `BAD_TIME` for any other text.
pub fn from_rfc3339(text: &str) -> Result<EpochNs, Refusal> {
    read_rfc3339(text.as_bytes()).ok_or(Refusal::BadTime)
}

fn read_rfc3339(text: &[u8]) -> Option<EpochNs> {
    let mark = |at: usize, want: u8| (text.get(at).copied() == Some(want)).then_some(());
    mark(4, b'-')?;
    mark(7, b'-')?;
    (text.get(10) == Some(&b'T') || text.get(10) == Some(&b' ')).then_some(())?;
    mark(13, b':')?;
    mark(16, b':')?;
    let days = days(number(text.get(0..4)?)?, number(text.get(5..7)?)?, number(text.get(8..10)?)?)?;
    let (hour, minute, second) =
        (number(text.get(11..13)?)?, number(text.get(14..16)?)?, number(text.get(17..19)?)?);
    (hour < 24 && minute < 60 && second < 60).then_some(())?;
    let rest = text.get(19..)?;
    let digits = match rest.split_first() {
        Some((b'.', tail)) => tail.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    };
    let (mut ns, mut zone) = (0, rest);
    if digits > 0 {
        (digits <= 9).then_some(())?;
        let power = 10_i64.checked_pow(u32::try_from(9 - digits).ok()?)?;
        ns = number(rest.get(1..=digits)?)? * power;
        zone = rest.get(digits + 1..)?;
    }
    let offset = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let away = number(&[*h1, *h2])? * 3_600 + number(&[*m1, *m2])? * 60;
            if *sign == b'+' { away } else { -away }
        }
        _ => return None,
    };
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    (seconds >= 0 && i128::from(seconds) <= SECONDS_MAX).then_some(())?;
    seconds.checked_mul(1_000_000_000)?.checked_add(ns).map(EpochNs)
}

fn number(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0_i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=longest).contains(&day).then_some(())?;
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * m + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_instant_in_every_spelling() {
        let want = Ok(EpochNs(1_559_347_159_163_000_000));
        assert_eq!(from_rfc3339("2019-05-31T23:59:19.163Z"), want);
        assert_eq!(from_rfc3339("2019-06-01T07:59:19.163+08:00"), want);
        for text in ["1559347159.163", "1559347159163", "1559347159163000", "1559347159163000000"] {
            assert_eq!(from_any(Dec::parse(text).unwrap()), want, "{text}");
        }
        assert_eq!(from_rfc3339("2020-02-29T00:00:00Z"), Ok(EpochNs(1_582_934_400_000_000_000)));
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            "2019-02-29T00:00:00Z",
            "2019-13-01T00:00:00Z",
            "2019-01-01T24:00:00Z",
            "2019-01-01T00:00:00",
            "2019-01-01T00:00:00.Z",
            "2019-01-01T00:00:00.1234567891Z",
            "1969-12-31T23:59:59Z",
            "2019-01-01X00:00:00Z",
        ] {
            assert_eq!(from_rfc3339(bad), Err(Refusal::BadTime), "{bad}");
        }
        for bad in ["-1", "99999999999999999999999"] {
            assert_eq!(from_any(Dec::parse(bad).unwrap()), Err(Refusal::BadTime), "{bad}");
        }
    }
}
