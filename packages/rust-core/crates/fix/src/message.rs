//! A message as spans into the bytes it came in.

use crate::frame::{Garbled, SOH};
use crate::limits::{FIELDS_MAX, SEQ_MAX, TAG_DIGITS_MAX};
use crate::{tag, time};

/// One field of a message: its tag, and where its value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The tag as sent. Below 1 only where the peer sent such a thing.
    pub tag: i32,
    /// First byte of the value.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
}

/// Room for the fields of one message, to be used again.
pub type Fields = Vec<Field>;

/// Tags of a length and of the data it is the length of. Only there may a value hold the separator.
const DATA: [(i32, i32); 16] = [
    (90, 91),
    (93, 89),
    (95, 96),
    (212, 213),
    (348, 349),
    (350, 351),
    (352, 353),
    (354, 355),
    (356, 357),
    (358, 359),
    (360, 361),
    (362, 363),
    (364, 365),
    (445, 446),
    (618, 619),
    (621, 622),
];

/// The tag of the data whose length `tag` is.
pub(crate) fn data_of(tag: i32) -> Option<i32> {
    DATA.iter().find(|(length, _)| *length == tag).map(|(_, data)| *data)
}

/// A message whose frame holds: BodyLength and CheckSum are right, the first three fields are where they must be.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    raw: &'a [u8],
    fields: &'a [Field],
}

/// An integer without sign and of at most nine digits.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > 18 {
        return None;
    }
    bytes.iter().try_fold(0_u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

impl<'a> Message<'a> {
    /// Takes apart a frame that [`crate::frame::next`] accepted. `fields` is overwritten.
    ///
    /// # Errors
    /// The bytes are no fields.
    pub fn parse(raw: &'a [u8], fields: &'a mut Fields) -> Result<Self, Garbled> {
        fields.clear();
        let mut at = 0;
        let mut data: Option<(i32, usize)> = None;
        while at < raw.len() {
            let (tag, start) = read_tag(raw, at).ok_or(Garbled::Field)?;
            let end = match data.take() {
                // The length is believed only where it leads to a separator.
                Some((wanted, length)) if wanted == tag => {
                    let end = start.checked_add(length).ok_or(Garbled::Field)?;
                    (raw.get(end) == Some(&SOH)).then_some(end).ok_or(Garbled::Field)?
                }
                _ => start + raw[start..].iter().position(|byte| *byte == SOH).ok_or(Garbled::Field)?,
            };
            if let Some(wanted) = data_of(tag) {
                data = number(&raw[start..end]).map(|length| (wanted, length as usize));
            }
            if fields.len() == FIELDS_MAX {
                return Err(Garbled::Field);
            }
            fields.push(Field { tag, start: start as u32, end: end as u32 });
            at = end + 1;
        }
        match fields.as_slice() {
            [begin, length, kind, .., sum]
                if begin.tag == tag::BEGIN_STRING
                    && length.tag == tag::BODY_LENGTH
                    && kind.tag == tag::MSG_TYPE
                    && sum.tag == tag::CHECK_SUM =>
            {
                Ok(Self { raw, fields })
            }
            _ => Err(Garbled::MsgType),
        }
    }

    /// The bytes of the whole message.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// All fields in their order.
    pub const fn fields(&self) -> &'a [Field] {
        self.fields
    }

    /// The value of one of [`Message::fields`].
    pub fn value(&self, field: Field) -> &'a [u8] {
        self.raw.get(field.start as usize..field.end as usize).unwrap_or(&[])
    }

    /// The value of the first field with this tag.
    pub fn get(&self, tag: i32) -> Option<&'a [u8]> {
        self.fields.iter().find(|field| field.tag == tag).map(|field| self.value(*field))
    }

    /// Whether a Boolean field is there and Y.
    pub fn is_yes(&self, tag: i32) -> bool {
        self.get(tag) == Some(b"Y")
    }

    /// A field that is a whole number of at most 18 digits.
    pub fn number(&self, tag: i32) -> Option<u64> {
        number(self.get(tag)?)
    }

    /// A field that is a UTCTimestamp, in ns since the Unix epoch.
    pub fn timestamp(&self, tag: i32) -> Option<i64> {
        time::parse_timestamp(self.get(tag)?)
    }

    /// MsgType (35).
    pub fn msg_type(&self) -> &'a [u8] {
        self.fields.get(2).map_or(&[], |field| self.value(*field))
    }

    /// MsgSeqNum (34), if it is a number up to [`SEQ_MAX`].
    pub fn seq(&self) -> Option<u64> {
        self.number(tag::MSG_SEQ_NUM).filter(|seq| *seq <= SEQ_MAX)
    }
}

/// The tag at `at` and where its value begins.
fn read_tag(raw: &[u8], at: usize) -> Option<(i32, usize)> {
    let negative = raw.get(at) == Some(&b'-');
    let first = at + usize::from(negative);
    let mut value = 0_i32;
    for (place, byte) in raw.get(first..)?.iter().enumerate() {
        match byte {
            b'=' if place > 0 => {
                return Some((if negative { -value } else { value }, first + place + 1));
            }
            b'0'..=b'9' if place < TAG_DIGITS_MAX => value = value * 10 + i32::from(byte - b'0'),
            _ => return None,
        }
    }
    None
}
