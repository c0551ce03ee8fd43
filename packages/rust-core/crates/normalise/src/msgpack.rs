//! MessagePack to JSON text, so that a venue that speaks both is read by one set of rules.
//!
//! A double becomes its shortest decimal that reads back as the same double, which is the decimal the venue had; a timestamp its
//! RFC 3339 text. Source: the MessagePack specification, <https://github.com/msgpack/msgpack/blob/master/spec.md>.

use crate::Refusal;
use crate::limits::{DEPTH_MAX, MESSAGE_BYTES_MAX};
use crate::time::civil;
use std::fmt::Write as _;

/// Writes the JSON text of one message into `out`, which is cleared first.
///
/// # Errors
/// Not one whole message, nested too deep, or a text longer than a message may be.
pub fn to_json(bytes: &[u8], out: &mut String) -> Result<(), Refusal> {
    out.clear();
    let mut reader = Reader { rest: bytes };
    reader.value(out, 0)?;
    if reader.rest.is_empty() { Ok(()) } else { Err(Refusal::Malformed) }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Refusal::Malformed)?;
        self.rest = rest;
        Ok(head)
    }

    /// A big-endian number of up to eight bytes.
    fn uint(&mut self, bytes: usize) -> Result<u64, Refusal> {
        Ok(self.take(bytes)?.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    }

    fn int(&mut self, bytes: usize) -> Result<i64, Refusal> {
        let spare = 64 - 8 * bytes as u32;
        Ok(((self.uint(bytes)? << spare) as i64) >> spare)
    }

    fn value(&mut self, out: &mut String, depth: usize) -> Result<(), Refusal> {
        if depth > DEPTH_MAX {
            return Err(Refusal::Malformed);
        }
        if out.len() > MESSAGE_BYTES_MAX {
            return Err(Refusal::Oversize);
        }
        let tag = self.uint(1)?;
        match tag {
            0x00..=0x7f => put(out, tag),
            0xe0..=0xff => put(out, (tag as u8).cast_signed()),
            0x80..=0x8f => return self.map(tag & 0x0f, out, depth),
            0x90..=0x9f => return self.array(tag & 0x0f, out, depth),
            0xa0..=0xbf => return self.text(tag & 0x1f, out),
            0xc0 => out.push_str("null"),
            0xc2 => out.push_str("false"),
            0xc3 => out.push_str("true"),
            0xca => {
                let value = f32::from_bits(self.uint(4)? as u32);
                finite(f64::from(value))?;
                put(out, value);
            }
            0xcb => {
                let value = f64::from_bits(self.uint(8)?);
                finite(value)?;
                put(out, value);
            }
            0xcc..=0xcf => {
                let value = self.uint(1 << (tag - 0xcc))?;
                put(out, value);
            }
            0xd0..=0xd3 => {
                let value = self.int(1 << (tag - 0xd0))?;
                put(out, value);
            }
            0xd9..=0xdb => {
                let len = self.uint(1 << (tag - 0xd9))?;
                return self.text(len, out);
            }
            0xdc | 0xdd => {
                let count = self.uint(if tag == 0xdc { 2 } else { 4 })?;
                return self.array(count, out, depth);
            }
            0xde | 0xdf => {
                let count = self.uint(if tag == 0xde { 2 } else { 4 })?;
                return self.map(count, out, depth);
            }
            0xd6 => return self.stamp(4, out),
            0xd7 => return self.stamp(8, out),
            0xc7 => {
                let len = self.uint(1)?;
                return self.stamp(len as usize, out);
            }
            _ => return Err(Refusal::Malformed),
        }
        Ok(())
    }

    fn array(&mut self, count: u64, out: &mut String, depth: usize) -> Result<(), Refusal> {
        out.push('[');
        for at in 0..count {
            if at > 0 {
                out.push(',');
            }
            self.value(out, depth + 1)?;
        }
        out.push(']');
        Ok(())
    }

    fn map(&mut self, count: u64, out: &mut String, depth: usize) -> Result<(), Refusal> {
        out.push('{');
        for at in 0..count {
            if at > 0 {
                out.push(',');
            }
            // JSON's keys are texts.
            if !matches!(self.rest.first(), Some(0xa0..=0xbf | 0xd9..=0xdb)) {
                return Err(Refusal::Malformed);
            }
            self.value(out, depth + 1)?;
            out.push(':');
            self.value(out, depth + 1)?;
        }
        out.push('}');
        Ok(())
    }

    fn text(&mut self, len: u64, out: &mut String) -> Result<(), Refusal> {
        let len = usize::try_from(len).map_err(|_| Refusal::Oversize)?;
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| Refusal::Malformed)?;
        out.push('"');
        for letter in text.chars() {
            match letter {
                '"' | '\\' => out.extend(['\\', letter]),
                control if u32::from(control) < 0x20 => {
                    let _ = write!(out, "\\u{:04x}", u32::from(control));
                }
                other => out.push(other),
            }
        }
        out.push('"');
        Ok(())
    }

    /// The timestamp extension, type -1, in its three lengths.
    fn stamp(&mut self, len: usize, out: &mut String) -> Result<(), Refusal> {
        if self.uint(1)? != 0xff {
            return Err(Refusal::Malformed);
        }
        let (seconds, ns) = match len {
            4 => (self.uint(4)?, 0),
            8 => {
                let word = self.uint(8)?;
                (word & 0x3_ffff_ffff, word >> 34)
            }
            12 => {
                let ns = self.uint(4)?;
                (self.uint(8)?, ns)
            }
            _ => return Err(Refusal::Malformed),
        };
        // 2100-01-01; what lies before 1970 reads as far beyond it.
        if seconds >= 4_102_444_800 || ns >= 1_000_000_000 {
            return Err(Refusal::BadTime);
        }
        let (year, month, day) = civil((seconds / 86_400) as i64);
        let of_day = seconds % 86_400;
        let (h, m, s) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        let _ = write!(out, "\"{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{ns:09}Z\"");
        Ok(())
    }
}

/// Writing to a text cannot fail.
fn put(out: &mut String, value: impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}

fn finite(value: f64) -> Result<(), Refusal> {
    if value.is_finite() { Ok(()) } else { Err(Refusal::BadDecimal) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{days, rfc3339};
    use proptest::prelude::*;

    fn json(bytes: &[u8]) -> Result<String, Refusal> {
        let mut out = String::new();
        to_json(bytes, &mut out).map(|()| out)
    }

    #[test]
    fn values_of_the_specification() {
        for (bytes, want) in [
            (&[0x93, 0x01, 0xff, 0xc0][..], "[1,-1,null]"),
            (&[0x81, 0xa1, b'T', 0xa1, b't'], r#"{"T":"t"}"#),
            (&[0xcb, 0x40, 0x5f, 0xa3, 0x33, 0x33, 0x33, 0x33, 0x33], "126.55"),
            (&[0xcd, 0x01, 0x00], "256"),
            (&[0xd1, 0xff, 0x00], "-256"),
            (&[0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe], "-2"),
            (&[0xd9, 0x02, b'"', b'\n'], r#""\"\u000a""#),
            (&[0xd6, 0xff, 0x60, 0x33, 0xd3, 0x50], "\"2021-02-22T15:52:48.000000000Z\""),
            (&[0xc3], "true"),
        ] {
            assert_eq!(json(bytes).as_deref(), Ok(want), "{bytes:x?}");
        }
        for bad in [
            &[][..],
            &[0xc1],
            &[0x92, 0x01],
            &[0x01, 0x02],
            &[0x81, 0x01, 0x01],
            &[0xd6, 0x00, 0, 0, 0, 0],
            &[0xdd, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(json(bad).is_err(), "{bad:x?}");
        }
        assert_eq!(json(&[0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]), Err(Refusal::BadDecimal), "NaN");
        assert!(json(&[0x91; 40]).is_err(), "nesting is bounded");
    }

    proptest! {
        #[test]
        fn any_bytes_are_text_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(text) = json(&bytes) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
            }
        }

        #[test]
        fn a_stamp_is_the_time_it_was(seconds in 0_u32..4_102_444_800, ns in 0_u32..1_000_000_000) {
            let word = (u64::from(ns) << 34) | u64::from(seconds);
            let mut bytes = vec![0xd7, 0xff];
            bytes.extend(word.to_be_bytes());
            let text = json(&bytes).unwrap();
            let ts = rfc3339(text.trim_matches('"').as_bytes()).map(|ts| ts.0);
            prop_assert_eq!(ts, Ok(i64::from(seconds) * 1_000_000_000 + i64::from(ns)));
        }

        #[test]
        fn a_double_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let mut bytes = vec![0xcb];
            bytes.extend(bits.to_be_bytes());
            match json(&bytes) {
                Ok(text) => prop_assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(bits)),
                Err(_) => prop_assert!(!value.is_finite()),
            }
        }

        #[test]
        fn days_there_and_back(day in 0_i64..47_000) {
            let (year, month, of_month) = civil(day);
            prop_assert_eq!(days(year, month, of_month), Some(day));
        }
    }
}
