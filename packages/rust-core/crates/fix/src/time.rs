//! UTCTimestamp: `YYYYMMDD-HH:MM:SS` with no, three, six or nine decimals of a second.

const SECOND_NS: i64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;
/// Bytes of a timestamp as we write it, with milliseconds.
pub const TIMESTAMP_BYTES: usize = 21;

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a number of days since 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The value of a run of ASCII digits.
fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0_i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// Whether `bytes` is `YYYYMMDD` of a day that exists.
pub fn is_date(bytes: &[u8]) -> bool {
    parse_date(bytes).is_some()
}

fn parse_date(bytes: &[u8]) -> Option<i64> {
    if bytes.len() != 8 {
        return None;
    }
    let (year, month, day) = (digits(&bytes[..4])?, digits(&bytes[4..6])?, digits(&bytes[6..])?);
    ((1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day))
        .then(|| days(year, month, day))
}

/// Ns of the day of `HH:MM:SS` with no, three, six or nine decimals. A leap second reads as the second before it.
pub fn parse_time_of_day(bytes: &[u8]) -> Option<i64> {
    if bytes.len() < 8 || bytes[2] != b':' || bytes[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (digits(&bytes[..2])?, digits(&bytes[3..5])?, digits(&bytes[6..8])?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let fraction = match bytes.len() {
        8 => 0,
        12 | 15 | 18 if bytes[8] == b'.' => {
            let places = u32::try_from(bytes.len() - 9).ok()?;
            digits(&bytes[9..])? * 10_i64.pow(9 - places)
        }
        _ => return None,
    };
    Some(((hour * 60 + minute) * 60 + second.min(59)) * SECOND_NS + fraction)
}

/// Ns since the Unix epoch, or none where `bytes` is no UTCTimestamp of the years 1970 to 2261.
pub fn parse_timestamp(bytes: &[u8]) -> Option<i64> {
    if bytes.len() < 17 || bytes[8] != b'-' {
        return None;
    }
    let day = parse_date(&bytes[..8])?;
    let of_day = parse_time_of_day(&bytes[9..])?;
    if day < 0 {
        return None;
    }
    day.checked_mul(DAY_SECONDS * SECOND_NS)?.checked_add(of_day)
}

/// Appends a timestamp with milliseconds; the rest of `ns` is dropped.
pub fn write_timestamp(out: &mut Vec<u8>, ns: i64) {
    let seconds = ns.div_euclid(SECOND_NS);
    let (year, month, day) = date(seconds.div_euclid(DAY_SECONDS));
    let of_day = seconds.rem_euclid(DAY_SECONDS);
    let millis = ns.rem_euclid(SECOND_NS) / 1_000_000;
    two(out, year / 100);
    two(out, year % 100);
    two(out, month);
    two(out, day);
    out.push(b'-');
    two(out, of_day / 3_600);
    out.push(b':');
    two(out, of_day / 60 % 60);
    out.push(b':');
    two(out, of_day % 60);
    out.push(b'.');
    out.push(digit(millis / 100));
    two(out, millis % 100);
}

fn digit(value: i64) -> u8 {
    b'0' + (value % 10) as u8
}

fn two(out: &mut Vec<u8>, value: i64) {
    out.push(digit(value / 10));
    out.push(digit(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    // Independent answers: `date -u -d … +%s`.
    #[test]
    fn timestamps_read_as_the_calendar_says() {
        for (text, seconds) in [
            ("19700101-00:00:00", 0),
            ("20000229-12:34:56", 951_827_696),
            ("20240229-23:59:59", 1_709_251_199),
            ("20241231-23:59:60", 1_735_689_599),
            ("21000301-00:00:00", 4_107_542_400),
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), Some(seconds * SECOND_NS), "{text}");
        }
        assert_eq!(parse_timestamp(b"20240229-23:59:59.123"), Some(1_709_251_199_123_000_000));
        assert_eq!(parse_timestamp(b"20240229-23:59:59.123456789"), Some(1_709_251_199_123_456_789));
    }

    #[test]
    fn what_is_no_timestamp_is_none() {
        for text in [
            "",
            "20240229",
            "20230229-00:00:00",
            "20241301-00:00:00",
            "20240100-00:00:00",
            "20240101-24:00:00",
            "20240101-00:60:00",
            "20240101-00:00:61",
            "20240101 00:00:00",
            "20240101-00:00:00.",
            "20240101-00:00:00.1",
            "20240101-00:00:00.12a",
            "2024010x-00:00:00",
            "+0240101-00:00:00",
            "19691231-23:59:59",
            "99991231-00:00:00",
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back_to_the_millisecond() {
        let mut text = Vec::new();
        for ns in [0, 951_827_696_001_000_000, 1_709_251_199_999_999_999, 4_107_542_400_000_000_000] {
            text.clear();
            write_timestamp(&mut text, ns);
            assert_eq!(
                (text.len(), parse_timestamp(&text)),
                (TIMESTAMP_BYTES, Some(ns / 1_000_000 * 1_000_000))
            );
        }
    }
}
