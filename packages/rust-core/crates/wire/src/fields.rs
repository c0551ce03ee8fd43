//! Every field of every message as the proto has it, generated, and the walk over a message's bytes by it: for whoever needs
//! values by name and not messages.

use crate::shape::{take, varint};

/// How a field stands on the wire.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Bool,
    Uint32,
    Uint64,
    Int64,
    /// Zigzag.
    Sint64,
    Fixed64,
    Text,
    /// Packed column.
    Uints,
    /// Packed column, zigzag.
    Sints,
    /// Numbers and their names without the common prefix, by rising number; 0 is unspecified and has none.
    Enum(&'static [(i32, &'static str)]),
    Message(&'static Message),
}

/// One field.
#[derive(Debug)]
pub struct Field {
    /// In the words of the proto.
    pub name: &'static str,
    pub number: u32,
    pub kind: Kind,
}

/// One message.
#[derive(Debug)]
pub struct Message {
    /// In snake case: `book_top`.
    pub name: &'static str,
    /// In the order of the proto.
    pub fields: &'static [Field],
}

include!(concat!(env!("OUT_DIR"), "/fields.rs"));

impl Message {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// The name of an enum's number; "" for 0 and for one the proto does not have, which no checked message carries.
pub fn name_of(names: &'static [(i32, &'static str)], number: i32) -> &'static str {
    names.binary_search_by_key(&number, |(number, _)| *number).map_or("", |at| names[at].1)
}

/// Undoes zigzag.
pub const fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// What stands in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raw<'a> {
    /// A varint, or eight bytes little-endian.
    Number(u64),
    /// A text, a packed column or a message.
    Bytes(&'a [u8]),
}

/// The fields of a message in the order of its bytes; ends at what is torn, which a message that was checked never is.
#[derive(Debug, Clone)]
pub struct Walk<'a>(&'a [u8]);

/// Walks over a message that was checked ([`crate::envelope::decode_checked`]).
pub const fn walk(bytes: &[u8]) -> Walk<'_> {
    Walk(bytes)
}

impl<'a> Iterator for Walk<'a> {
    type Item = (u32, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = varint(&mut self.0)?;
        let raw = match key & 7 {
            0 => Raw::Number(varint(&mut self.0)?),
            1 => {
                let eight = take(&mut self.0, 8)?;
                Raw::Number(u64::from_le_bytes(eight.try_into().ok()?))
            }
            2 => {
                let len = varint(&mut self.0)?;
                Raw::Bytes(take(&mut self.0, len)?)
            }
            _ => return None,
        };
        Some((u32::try_from(key >> 3).ok()?, raw))
    }
}

/// The values of a packed column.
#[derive(Debug, Clone)]
pub struct Packed<'a>(&'a [u8]);

/// Reads a packed column's bytes.
pub const fn packed(bytes: &[u8]) -> Packed<'_> {
    Packed(bytes)
}

impl Iterator for Packed<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        varint(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::common::v1::{IntentId, Side};
    use crate::pb::orders::v1::Intent;
    use prost::Message as _;

    #[test]
    fn the_table_has_the_fields_numbers_and_names_of_the_proto() {
        let Some(Field { kind: Kind::Message(intent), number: 30, .. }) = ENVELOPE.field("intent") else {
            panic!("the envelope has no intent")
        };
        let Some(Field { kind: Kind::Enum(sides), number: 5, .. }) = intent.field("side") else {
            panic!("an intent has no side")
        };
        assert_eq!(name_of(sides, Side::Sell as i32), "SELL");
        assert_eq!((name_of(sides, 0), name_of(sides, 99)), ("", ""));
        assert!(intent.field("sides").is_none());
    }

    #[test]
    fn a_walk_gives_what_the_codec_wrote() {
        let id = IntentId { hi: 7, lo: u64::MAX };
        let intent = Intent { intent_id: Some(id), px_ticks: -3, account_id: 300, ..Intent::default() };
        let bytes = intent.encode_to_vec();
        let number = |name: &str| INTENT.field(name).map_or(0, |field| field.number);
        let found: Vec<_> = walk(&bytes).collect();
        assert_eq!(found.len(), 3);
        let Raw::Bytes(inner) = found[0].1 else { panic!("{found:?}") };
        let halves: Vec<_> = walk(inner).collect();
        assert_eq!(halves, [(1, Raw::Number(7)), (2, Raw::Number(u64::MAX))]);
        for (name, want) in [("account_id", 300), ("px_ticks", (-3_i64).cast_unsigned())] {
            let raw = found.iter().find(|(n, _)| *n == number(name)).map(|(_, raw)| *raw);
            let Some(Raw::Number(value)) = raw else { panic!("{name}: {raw:?}") };
            let value = match INTENT.field(name).map(|field| field.kind) {
                Some(Kind::Sint64) => zigzag(value).cast_unsigned(),
                _ => value,
            };
            assert_eq!(value, want, "{name}");
        }
    }

    #[test]
    fn zigzag_and_packed_columns_read_as_written() {
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            let coded = ((value << 1) ^ (value >> 63)).cast_unsigned();
            assert_eq!(zigzag(coded), value);
        }
        assert_eq!(packed(&[1, 0x80, 1, 0x7f]).collect::<Vec<_>>(), [1, 128, 127]);
        assert_eq!(packed(&[1, 0x80]).collect::<Vec<_>>(), [1], "a torn column ends");
    }
}
