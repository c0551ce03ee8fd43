//! Writing the body of a message.

use crate::frame::SOH;
use crate::limits::BODY_BYTES_MAX;
use crate::time::write_timestamp;
use std::fmt;

/// Why a body cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// The value of this tag is empty.
    Empty(u16),
    /// The value of this tag holds the field separator.
    Separator(u16),
    /// More than [`BODY_BYTES_MAX`] bytes.
    TooLong,
}

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty(tag) => {
                write!(f, "the value of tag {tag} is empty: want at least one byte, or no field")
            }
            Self::Separator(tag) => {
                write!(f, "the value of tag {tag} holds the field separator 0x01: want it removed")
            }
            Self::TooLong => {
                write!(f, "the body is longer than {BODY_BYTES_MAX} bytes: want fewer or shorter fields")
            }
        }
    }
}

impl std::error::Error for BodyFault {}

/// Fields in the order they are written; `clear` keeps the room. The first fault sticks and is told by [`Body::bytes`].
#[derive(Debug, Default, Clone)]
pub struct Body {
    bytes: Vec<u8>,
    fault: Option<BodyFault>,
}

/// Appends a number in decimal.
pub(crate) fn write_number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Digits of a number in decimal.
pub(crate) const fn number_len(value: u64) -> usize {
    match value.checked_ilog10() {
        Some(log) => log as usize + 1,
        None => 1,
    }
}

impl Body {
    /// An empty body with room for an order.
    pub fn new() -> Self {
        Self { bytes: Vec::with_capacity(512), fault: None }
    }

    /// Empties it.
    pub fn clear(&mut self) -> &mut Self {
        self.bytes.clear();
        self.fault = None;
        self
    }

    /// A field of text.
    pub fn text(&mut self, tag: u16, value: &[u8]) -> &mut Self {
        if value.is_empty() {
            self.fault = self.fault.or(Some(BodyFault::Empty(tag)));
        } else if value.contains(&SOH) {
            self.fault = self.fault.or(Some(BodyFault::Separator(tag)));
        } else {
            self.start(tag);
            self.bytes.extend_from_slice(value);
            self.end();
        }
        self
    }

    /// A field of text that is left out where there is none.
    pub fn maybe(&mut self, tag: u16, value: Option<&[u8]>) -> &mut Self {
        match value {
            Some(value) => self.text(tag, value),
            None => self,
        }
    }

    /// A field of one byte.
    pub fn char(&mut self, tag: u16, value: u8) -> &mut Self {
        self.text(tag, &[value])
    }

    /// A whole number.
    pub fn number(&mut self, tag: u16, value: u64) -> &mut Self {
        self.start(tag);
        write_number(&mut self.bytes, value);
        self.end();
        self
    }

    /// A decimal number of `count` units of 10^-`scale`, without zeros at its end.
    pub fn decimal(&mut self, tag: u16, count: i64, scale: u32) -> &mut Self {
        self.start(tag);
        let mut magnitude = count.unsigned_abs();
        let mut scale = scale.min(18);
        while scale > 0 && magnitude.is_multiple_of(10) {
            magnitude /= 10;
            scale -= 1;
        }
        if count < 0 {
            self.bytes.push(b'-');
        }
        let unit = 10_u64.pow(scale);
        write_number(&mut self.bytes, magnitude / unit);
        if scale > 0 {
            self.bytes.push(b'.');
            let fraction = magnitude % unit;
            for _ in number_len(fraction)..scale as usize {
                self.bytes.push(b'0');
            }
            write_number(&mut self.bytes, fraction);
        }
        self.end();
        self
    }

    /// A UTCTimestamp with milliseconds; `ns` since the Unix epoch.
    pub fn time(&mut self, tag: u16, ns: i64) -> &mut Self {
        self.start(tag);
        write_timestamp(&mut self.bytes, ns);
        self.end();
        self
    }

    /// Y or N.
    pub fn flag(&mut self, tag: u16, value: bool) -> &mut Self {
        self.char(tag, if value { b'Y' } else { b'N' })
    }

    /// Fields that are already written, each with its separator: the part of a message that never changes.
    pub fn prepared(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// What was written.
    ///
    /// # Errors
    /// The first value that cannot be sent.
    pub fn bytes(&self) -> Result<&[u8], BodyFault> {
        match self.fault {
            Some(fault) => Err(fault),
            None if self.bytes.len() > BODY_BYTES_MAX => Err(BodyFault::TooLong),
            None => Ok(&self.bytes),
        }
    }

    fn start(&mut self, tag: u16) {
        write_number(&mut self.bytes, u64::from(tag));
        self.bytes.push(b'=');
    }

    fn end(&mut self) {
        self.bytes.push(SOH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_decimals_are_written_as_people_write_them() {
        let mut body = Body::new();
        for (count, scale, text) in [
            (0, 0, "0"),
            (0, 8, "0"),
            (1_500, 3, "1.5"),
            (-1, 2, "-0.01"),
            (100, 2, "1"),
            (123_456, 2, "1234.56"),
            (i64::MAX, 0, "9223372036854775807"),
            (i64::MIN, 18, "-9.223372036854775808"),
            (5, 1, "0.5"),
            (1_005, 3, "1.005"),
        ] {
            let written = body.clear().decimal(44, count, scale).bytes().map(<[u8]>::to_vec);
            assert_eq!(written, Ok(format!("44={text}\u{1}").into_bytes()));
        }
        assert_eq!(body.clear().number(34, u64::MAX).bytes().map(<[u8]>::len), Ok(3 + 20 + 1));
        for value in [0, 9, 10, 99, 100, u64::MAX] {
            assert_eq!(number_len(value), value.to_string().len());
        }
    }

    #[test]
    fn what_would_be_another_message_is_refused_by_its_tag() {
        let mut body = Body::new();
        assert_eq!(body.text(58, b"a\x0110=000").text(11, b"").bytes(), Err(BodyFault::Separator(58)));
        assert_eq!(body.clear().text(11, b"").bytes(), Err(BodyFault::Empty(11)));
        assert_eq!(body.clear().text(58, &[b'x'; BODY_BYTES_MAX]).bytes(), Err(BodyFault::TooLong));
        assert_eq!(body.clear().maybe(1, None).flag(43, true).bytes(), Ok(&b"43=Y\x01"[..]));
    }
}
