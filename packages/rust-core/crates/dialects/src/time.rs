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
    tidegate_normalise::time::rfc3339(text.as_bytes()).map_err(|_| Refusal::BadTime)
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
