//! Decimals as the venue wrote them: digits and a scale, never a float.

use crate::Refusal;
use crate::limits::DIGITS_MAX;
use std::cmp::Ordering;
use std::fmt;

/// An exact decimal, `units` × 10^-`scale`. Trailing zeros of the text are kept in the scale, so that checksums over the
/// venue's own text can be computed from it; equality compares the value.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dec {
    pub units: i128,
    pub scale: u8,
}

impl Dec {
    /// The number zero.
    pub const ZERO: Self = Self { units: 0, scale: 0 };

    /// Reads JSON or plain decimal text: sign, digits, fraction, exponent.
    ///
    /// # Errors
    /// `BAD_DECIMAL` for any other text, or one of more than [`DIGITS_MAX`] digits.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let bytes = text.as_bytes();
        let (negative, mut rest) = match bytes.split_first() {
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            _ => (false, bytes),
        };
        let mut units: i128 = 0;
        let (mut digits, mut fraction, mut point, mut any) = (0_usize, 0_i32, false, false);
        while let Some((byte, tail)) = rest.split_first() {
            match byte {
                b'0'..=b'9' => {
                    any = true;
                    if units != 0 || *byte != b'0' {
                        digits += 1;
                    }
                    if digits > DIGITS_MAX || fraction > 200 {
                        return Err(Refusal::BadDecimal);
                    }
                    units = units * 10 + i128::from(byte - b'0');
                    fraction += i32::from(point);
                }
                b'.' if !point => point = true,
                b'e' | b'E' if any => {
                    fraction -= exponent(tail)?;
                    rest = &[];
                    break;
                }
                _ => return Err(Refusal::BadDecimal),
            }
            rest = tail;
        }
        if !any || !rest.is_empty() {
            return Err(Refusal::BadDecimal);
        }
        if fraction < 0 {
            let up = u32::try_from(-fraction).ok().and_then(|n| 10_i128.checked_pow(n));
            units = if units == 0 {
                0
            } else {
                up.and_then(|u| units.checked_mul(u)).ok_or(Refusal::BadDecimal)?
            };
            fraction = 0;
        }
        while fraction > 38 {
            if units % 10 != 0 {
                return Err(Refusal::BadDecimal);
            }
            units /= 10;
            fraction -= 1;
        }
        let scale = u8::try_from(fraction).map_err(|_| Refusal::BadDecimal)?;
        Ok(Self { units: if negative { -units } else { units }, scale })
    }

    /// A whole number.
    pub const fn whole(units: i128) -> Self {
        Self { units, scale: 0 }
    }

    /// The value as a count of 10^-`scale`, where that is exact and fits.
    pub fn at_scale(self, scale: u8) -> Option<i128> {
        if scale >= self.scale {
            self.units.checked_mul(10_i128.checked_pow(u32::from(scale - self.scale))?)
        } else {
            let down = 10_i128.checked_pow(u32::from(self.scale - scale))?;
            (self.units % down == 0).then(|| self.units / down)
        }
    }

    /// The same value without trailing zeros.
    pub fn trimmed(self) -> Self {
        let mut trimmed = self;
        while trimmed.scale > 0 && trimmed.units % 10 == 0 {
            trimmed = Self { units: trimmed.units / 10, scale: trimmed.scale - 1 };
        }
        trimmed
    }

    /// Without its sign.
    pub fn abs(self) -> Self {
        Self { units: self.units.saturating_abs(), scale: self.scale }
    }

    pub const fn is_zero(self) -> bool {
        self.units == 0
    }

    pub const fn is_negative(self) -> bool {
        self.units < 0
    }

    /// The value divided by 10^`places`, exactly (a venue's field such as `price_e4`).
    pub fn shifted(self, places: u8) -> Option<Self> {
        let scale = self.scale.checked_add(places)?;
        (scale <= 38).then_some(Self { units: self.units, scale })
    }
}

/// Digits after `e`: at most four, a sign before them.
fn exponent(text: &[u8]) -> Result<i32, Refusal> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 4 {
        return Err(Refusal::BadDecimal);
    }
    let mut value = 0_i32;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(Refusal::BadDecimal);
        }
        value = value * 10 + i32::from(digit - b'0');
    }
    Ok(if negative { -value } else { value })
}

impl PartialEq for Dec {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Dec {}
impl PartialOrd for Dec {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Dec {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.trimmed(), other.trimmed());
        match (a.units.signum().cmp(&b.units.signum()), a.scale.cmp(&b.scale)) {
            (Ordering::Equal, Ordering::Equal) => a.units.cmp(&b.units),
            (Ordering::Equal, _) => {
                let scale = a.scale.max(b.scale);
                match (a.at_scale(scale), b.at_scale(scale)) {
                    (Some(a), Some(b)) => a.cmp(&b),
                    // What cannot be brought to the finer scale is the larger magnitude.
                    (None, _) => a.units.signum().cmp(&0),
                    (_, None) => 0.cmp(&b.units.signum()),
                }
            }
            (signs, _) => signs,
        }
    }
}

impl fmt::Display for Dec {
    /// The digits with all trailing zeros of the scale, no exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let digits = self.units.unsigned_abs().to_string();
        let scale = usize::from(self.scale);
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_is_read_exactly_and_printed_as_sent() {
        for (text, units, scale) in [
            ("0.000022900", 22_900, 9),
            ("-1189", -1_189, 0),
            ("1e-05", 1, 5),
            ("6.22e-08", 622, 10),
            ("1.0003317158754671e+22", 10_003_317_158_754_671_000_000, 0),
            ("0.00000000", 0, 8),
            ("46167.8", 461_678, 1),
        ] {
            let read = Dec::parse(text).unwrap();
            assert_eq!((read.units, read.scale), (units, scale), "{text}");
            if !text.contains('e') {
                assert_eq!(read.to_string(), text);
            }
        }
        for bad in [
            "",
            "-",
            ".",
            "1e",
            "1e99999",
            "1.2.3",
            "0x1",
            "NaN",
            " 1",
            "1 ",
            "1e39",
            "9999999999999999999999999999999999999999",
        ] {
            assert_eq!(Dec::parse(bad), Err(Refusal::BadDecimal), "{bad}");
        }
    }

    #[test]
    fn equality_and_order_are_of_the_value_whatever_the_scale() {
        let d = |t: &str| Dec::parse(t).unwrap();
        assert_eq!(d("5.0"), d("5"));
        assert!(d("5.01") > d("5") && d("-2") < d("0.1") && d("-2.5") < d("-2"));
        assert!(d("99999999999999999999999999999999999999") > d("0.00000000000000000000000000000000000001"));
        assert!(
            d("-99999999999999999999999999999999999999") < d("-0.00000000000000000000000000000000000001")
        );
        assert_eq!(
            (d("1.50").at_scale(1), d("1.50").at_scale(0), d("1.5").at_scale(4)),
            (Some(15), None, Some(15_000))
        );
    }
}
