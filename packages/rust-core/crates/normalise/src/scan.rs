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

/// The next eight bytes, each with what tells a digit's letter from its value taken off: a digit is 0 to 9 then, the first byte
/// the lowest. `None` near the end of a text, where the slow half reads.
#[inline(always)]
fn eight(text: &[u8]) -> Option<u64> {
    text.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes) ^ 0x3030_3030_3030_3030)
}

/// How many of the first bytes are digits, up to 8.
#[inline(always)]
fn digits(eight: u64) -> u32 {
    let others = (((eight & 0x7f7f_7f7f_7f7f_7f7f) + 0x7676_7676_7676_7676) | eight) & 0x8080_8080_8080_8080;
    others.trailing_zeros() / 8
}

/// The first `count` bytes, the others 0.
#[inline(always)]
fn first(eight: u64, count: u32) -> u64 {
    eight & u64::MAX.checked_shr(64 - 8 * count).unwrap_or(0)
}

/// Moved back, so that after the first `count` bytes the eight end.
#[inline(always)]
fn back(eight: u64, count: u32) -> u64 {
    eight.checked_shl(64 - 8 * count).unwrap_or(0)
}

/// The number that eight digits spell: neighbours joined to pairs, to fours, to one.
#[inline(always)]
fn spelt(eight: u64) -> u64 {
    let pairs = eight.wrapping_mul(10).wrapping_add(eight >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
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

    /// The text up to the next quote, and over it. A backslash is not looked for: callers compare the text with one that has none,
    /// or take only texts they need not understand.
    #[inline(always)]
    pub fn until_quote(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == b'"' || *byte == b'\\')?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    /// A whole number without sign or leading zero.
    #[inline(always)]
    pub fn uint(&mut self) -> Option<u64> {
        let zero = self.peek() == Some(b'0');
        let (mut rest, mut value, mut count) = (self.rest, 0_u64, 0);
        while let Some(chunk) = eight(rest) {
            let more = digits(chunk);
            count += more as usize;
            if count > DIGITS_MAX {
                return None;
            }
            value = value * POW10.get(more as usize)? + spelt(back(chunk, more));
            rest = rest.get(more as usize..)?;
            if more < 8 {
                break;
            }
        }
        while let Some((byte, after)) = rest.split_first() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            count += 1;
            if count > DIGITS_MAX {
                return None;
            }
            value = value * 10 + u64::from(digit);
            rest = after;
        }
        if count == 0 || (zero && count > 1) {
            return None;
        }
        self.rest = rest;
        Some(value)
    }

    /// A decimal without sign as an integer count of `unit * 10^-scale`, or `None` where the exact reader must look: between
    /// two units, beyond ±(2^53−1), longer than usual.
    #[inline(always)]
    pub fn decimal(&mut self, scale: u32, unit: i64) -> Option<i64> {
        let mut value = match self.short(scale) {
            Some(value) => value,
            None => self.long(scale)?,
        };
        if unit != 1 {
            let unit = u64::try_from(unit).ok().filter(|unit| *unit > 0)?;
            if !value.is_multiple_of(unit) {
                return None;
            }
            value /= unit;
        }
        i64::try_from(value).ok().filter(|value| *value <= SAFE_INTEGER)
    }

    /// A decimal of at most seven digits on each side of its point, without a loop: the digits before the point and those after it,
    /// cut or filled to `scale`, are brought together and spelt at once.
    #[inline(always)]
    fn short(&mut self, scale: u32) -> Option<u64> {
        let head = eight(self.rest)?;
        let whole = digits(head);
        if whole == 0 || whole == 8 || scale > 8 {
            return None;
        }
        let point = (head >> (8 * whole)) as u8 == b'.' ^ 0x30;
        let (mut tail, mut read) = (0, whole as usize);
        if point {
            tail = eight(self.rest.get(read + 1..)?)?;
            let decimals = digits(tail);
            if decimals == 0 || decimals == 8 {
                return None;
            }
            tail = first(tail, decimals);
            read += 1 + decimals as usize;
        }
        let kept = first(tail, scale);
        if kept != tail {
            return None;
        }
        let value = if whole + scale <= 8 {
            spelt((back(head, whole) >> (8 * scale)) | back(kept, scale))
        } else {
            spelt(back(head, whole)) * POW10.get(scale as usize)? + spelt(back(kept, scale))
        };
        self.rest = self.rest.get(read..)?;
        Some(value)
    }

    /// Any other decimal, digit by digit.
    fn long(&mut self, scale: u32) -> Option<u64> {
        let (mut rest, mut value, mut whole) = (self.rest, 0_u64, 0);
        while let Some((byte, after)) = rest.split_first() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            whole += 1;
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            rest = after;
        }
        if whole == 0 {
            return None;
        }
        let mut decimals = 0;
        if let Some(after) = rest.strip_prefix(b".") {
            rest = after;
            while let Some((byte, after)) = rest.split_first() {
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
                rest = after;
            }
            if decimals == 0 {
                return None;
            }
        }
        let kept = decimals.min(scale);
        if whole + kept as usize > DIGITS_MAX {
            return None;
        }
        self.rest = rest;
        value.checked_mul(*POW10.get((scale - kept) as usize)?)
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
            text in "[0-9]{0,12}(\\.[0-9]{0,10})?[\"x-]{0,9}", scale in 0_u32..9, unit in prop::sample::select(vec![1_i64, 5, 25]),
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
