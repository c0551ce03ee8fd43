//! The fast half of reading: numbers and literals at a place, eight digits at a time where there are eight.

use tidegate_units::SAFE_INTEGER;

const POW10: [u64; 19] = {
    let mut table = [1_u64; 19];
    let mut at = 1;
    while at < table.len() {
        table[at] = table[at - 1] * 10;
        at += 1;
    }
    table
};
/// Most digits of a number read here; more go to the exact and slower reader.
const DIGITS_MAX: usize = 18;

/// A place in a text. Every method moves on only when it succeeds.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'a> {
    rest: &'a [u8],
}

/// The value of eight digits in reading order, or `None` when one is no digit.
fn eight(bytes: [u8; 8]) -> Option<u64> {
    let chunk = u64::from_le_bytes(bytes);
    let low = chunk.wrapping_sub(0x3030_3030_3030_3030);
    if (low | chunk.wrapping_add(0x4646_4646_4646_4646)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = low.wrapping_mul(10).wrapping_add(low >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

impl<'a> Scan<'a> {
    /// At the beginning of a text.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    pub fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Steps over exactly these bytes.
    #[inline(always)]
    pub fn lit<const N: usize>(&mut self, want: &[u8; N]) -> Option<()> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        if head != want {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// Steps over exactly these bytes, of a length known only at run time.
    #[inline(always)]
    pub fn bytes(&mut self, want: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(want)?;
        Some(())
    }

    /// The text up to the next quote, and over it; `None` for one with an escape, or with a control character, which JSON has not.
    #[inline(always)]
    pub fn until_quote(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    #[inline(always)]
    fn run(&mut self, mut value: u64, mut digits: usize) -> Option<(u64, usize)> {
        while let Some((head, rest)) = self.rest.split_first_chunk::<8>() {
            let Some(eight) = eight(*head) else { break };
            digits += 8;
            if digits > DIGITS_MAX {
                return None;
            }
            value = value * 100_000_000 + eight;
            self.rest = rest;
        }
        while let Some((byte, rest)) = self.rest.split_first() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            digits += 1;
            if digits > DIGITS_MAX {
                return None;
            }
            value = value * 10 + u64::from(digit);
            self.rest = rest;
        }
        Some((value, digits))
    }

    /// A whole number without sign or leading zero.
    #[inline(always)]
    pub fn uint(&mut self) -> Option<u64> {
        let zero = self.peek() == Some(b'0');
        let (value, digits) = self.run(0, 0)?;
        (digits > 0 && (!zero || digits == 1)).then_some(value)
    }

    /// A decimal without sign as an integer count of `unit * 10^-scale`, or `None` where the exact reader must look: between
    /// two units, beyond ±(2^53−1), longer than usual.
    #[inline(always)]
    pub fn decimal(&mut self, scale: u32, unit: i64) -> Option<i64> {
        let mut value = 0_u64;
        let mut digits = 0;
        while let Some((byte, rest)) = self.rest.split_first() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            digits += 1;
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.rest = rest;
        }
        if digits == 0 {
            return None;
        }
        let mut decimals = 0;
        if let Some(rest) = self.rest.strip_prefix(b".") {
            self.rest = rest;
            while let Some((byte, rest)) = self.rest.split_first() {
                let digit = byte.wrapping_sub(b'0');
                if digit > 9 {
                    break;
                }
                if decimals < scale {
                    value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
                } else if digit != 0 {
                    return None;
                }
                decimals += 1;
                self.rest = rest;
            }
            if decimals == 0 {
                return None;
            }
        }
        let kept = decimals.min(scale);
        if digits + kept as usize > DIGITS_MAX {
            return None;
        }
        value = value.checked_mul(*POW10.get((scale - kept) as usize)?)?;
        if unit != 1 {
            let unit = u64::try_from(unit).ok().filter(|unit| *unit > 0)?;
            if !value.is_multiple_of(unit) {
                return None;
            }
            value /= unit;
        }
        i64::try_from(value).ok().filter(|value| *value <= SAFE_INTEGER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidegate_units::parse_decimal;

    proptest! {
        #[test]
        fn a_decimal_is_what_the_exact_reader_says_or_left_to_it(
            text in "[0-9]{0,12}(\\.[0-9]{0,10})?[\"x-]?", scale in 0_u32..9, unit in prop::sample::select(vec![1_i64, 5, 25]),
        ) {
            let mut scan = Scan::new(text.as_bytes());
            if let Some(value) = scan.decimal(scale, unit) {
                let read = &text.as_bytes()[..text.len() - scan.rest.len()];
                prop_assert_eq!(parse_decimal(read, scale, unit), Ok(value));
            }
        }

        #[test]
        fn usual_decimals_need_no_second_reader(whole in 0_u64..1_000_000_000, frac in 0_u64..100_000_000) {
            let text = format!("{whole}.{frac:08}\"");
            let want = parse_decimal(text.trim_end_matches('"').as_bytes(), 8, 1);
            prop_assert_eq!(Scan::new(text.as_bytes()).decimal(8, 1).ok_or(()), want.map_err(|_| ()));
        }

        #[test]
        fn a_whole_number_is_the_number_it_spells(text in "[0-9]{1,20}[,}]") {
            let mut scan = Scan::new(text.as_bytes());
            let spelt = &text[..text.len() - 1];
            let plain = spelt.len() == 1 || !spelt.starts_with('0');
            match scan.uint() {
                Some(value) => prop_assert_eq!((value.to_string(), plain), (spelt.to_string(), true)),
                None => prop_assert!(spelt.len() > DIGITS_MAX || !plain),
            }
        }
    }

    #[test]
    fn literals_and_texts_move_on_only_when_they_are_there() {
        let mut scan = Scan::new(br#"{"e":"trade","x\"y"#);
        assert_eq!(scan.lit(b"{\"E\""), None);
        assert_eq!(scan.lit(b"{\"e\":\""), Some(()));
        assert_eq!(scan.until_quote(), Some(&b"trade"[..]));
        assert_eq!(scan.bytes(b",\""), Some(()));
        assert_eq!(scan.until_quote(), None, "an escape is somebody else's work");
        assert!(!scan.at_end());
    }
}
