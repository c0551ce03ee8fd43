//! Why an envelope was refused.

use std::fmt;

/// The rule an envelope broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalCode {
    /// No bytes: protobuf would read zeros.
    Empty,
    /// More bytes than a frame carries.
    TooLong,
    /// Not protobuf of this message.
    Undecodable,
    /// A field no version of this message has, or one with another wire type.
    UnknownField,
    /// A field that may stand once stands twice, or two payloads stand in one envelope.
    DuplicateField,
    /// A schema version other than 1.
    SchemaVersion,
    /// No payload.
    NoPayload,
    /// An enum left at 0.
    EnumUnspecified,
    /// An enum value this version does not know.
    EnumUnknown,
    /// An id of 0.
    IdZero,
    /// A field this kind of message needs is absent.
    Missing,
    /// A field this kind of message must not carry is set.
    NotAllowed,
    /// A number outside its range.
    OutOfRange,
    /// A quantity of 0 where one is needed.
    QtyZero,
    /// A text too long, or empty where one is needed.
    TextLength,
    /// A letter an id must not have.
    TextCharset,
    /// Price and quantity columns of different length.
    ColumnsLength,
    /// More levels or features than the bound.
    TooMany,
    /// Levels that do not fall (bids) or rise (asks) strictly.
    LevelOrder,
    /// Fields that contradict each other.
    Inconsistent,
}

impl RefusalCode {
    /// The stable name, as metrics and JavaScript spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::TooLong => "TOO_LONG",
            Self::Undecodable => "UNDECODABLE",
            Self::UnknownField => "UNKNOWN_FIELD",
            Self::DuplicateField => "DUPLICATE_FIELD",
            Self::SchemaVersion => "SCHEMA_VERSION",
            Self::NoPayload => "NO_PAYLOAD",
            Self::EnumUnspecified => "ENUM_UNSPECIFIED",
            Self::EnumUnknown => "ENUM_UNKNOWN",
            Self::IdZero => "ID_ZERO",
            Self::Missing => "MISSING",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::QtyZero => "QTY_ZERO",
            Self::TextLength => "TEXT_LENGTH",
            Self::TextCharset => "TEXT_CHARSET",
            Self::ColumnsLength => "COLUMNS_LENGTH",
            Self::TooMany => "TOO_MANY",
            Self::LevelOrder => "LEVEL_ORDER",
            Self::Inconsistent => "INCONSISTENT",
        }
    }
}

/// The rule broken and the field that broke it: `ENUM_UNKNOWN intent.side`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    pub code: RefusalCode,
    /// Message and field in the words of the proto, `intent.side`.
    pub field: &'static str,
}

impl Refusal {
    /// A refusal of `field` by `code`.
    pub const fn new(code: RefusalCode, field: &'static str) -> Self {
        Self { code, field }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code.name(), self.field)
    }
}

impl std::error::Error for Refusal {}
