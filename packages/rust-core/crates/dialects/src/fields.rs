//! Typed access to the fields of a message, each fault by its name.

use crate::Refusal;
use crate::dec::Dec;
use crate::json::Json;
use crate::limits::{LEVELS_MAX, TEXT_BYTES_MAX};
use crate::record::{Level, Side};
use crate::time;
use tidegate_units::EpochNs;

impl<'a> Json<'a> {
    /// A field of an object; absent and null are the same.
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        match self {
            Self::Obj(fields) => {
                fields.iter().find(|(known, _)| known == key).map(|(_, v)| v).filter(|v| **v != Json::Null)
            }
            _ => None,
        }
    }

    /// A field that must be there.
    ///
    /// # Errors
    /// `MISSING_FIELD`.
    pub fn need(&self, key: &str) -> Result<&Json<'a>, Refusal> {
        self.get(key).ok_or(Refusal::MissingField)
    }

    /// An item of an array; absent and null are the same.
    pub fn at(&self, index: usize) -> Option<&Json<'a>> {
        match self {
            Self::Arr(items) => items.get(index).filter(|v| **v != Json::Null),
            _ => None,
        }
    }

    /// An item that must be there.
    ///
    /// # Errors
    /// `MISSING_FIELD`.
    pub fn need_at(&self, index: usize) -> Result<&Json<'a>, Refusal> {
        self.at(index).ok_or(Refusal::MissingField)
    }

    /// The text of a string.
    pub fn str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a field that is a string, else "".
    pub fn word(&self, key: &str) -> &str {
        self.get(key).and_then(Json::str).unwrap_or("")
    }

    pub fn is_obj(&self) -> bool {
        matches!(self, Self::Obj(_))
    }

    pub fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    /// Text that is kept: a symbol or an id, bounded.
    ///
    /// # Errors
    /// `MALFORMED` for no text, an empty one or one too long.
    pub fn name(&self) -> Result<String, Refusal> {
        match self {
            Self::Str(text) if !text.is_empty() && text.len() <= TEXT_BYTES_MAX => Ok(text.to_string()),
            Self::Num(text) if text.len() <= TEXT_BYTES_MAX => Ok((*text).to_string()),
            _ => Err(Refusal::Malformed),
        }
    }

    /// The items of an array.
    ///
    /// # Errors
    /// `MALFORMED` for anything else.
    pub fn items(&self) -> Result<&[Json<'a>], Refusal> {
        match self {
            Self::Arr(items) => Ok(items),
            _ => Err(Refusal::Malformed),
        }
    }

    /// A decimal, written as text or as a number.
    ///
    /// # Errors
    /// `BAD_DECIMAL`; `MALFORMED` for another type.
    pub fn dec(&self) -> Result<Dec, Refusal> {
        match self {
            Self::Str(text) => Dec::parse(text),
            Self::Num(text) => Dec::parse(text),
            _ => Err(Refusal::Malformed),
        }
    }

    /// A price: above 0.
    ///
    /// # Errors
    /// `PX_ZERO_OR_NEG`, or as [`Json::dec`].
    pub fn px(&self) -> Result<Dec, Refusal> {
        let px = self.dec()?;
        if px.units > 0 { Ok(px) } else { Err(Refusal::PxZeroOrNeg) }
    }

    /// A size of a level: 0 or above.
    ///
    /// # Errors
    /// `QTY_NEG_OR_ZERO`, or as [`Json::dec`].
    pub fn qty(&self) -> Result<Dec, Refusal> {
        let qty = self.dec()?;
        if qty.units >= 0 { Ok(qty) } else { Err(Refusal::QtyNegOrZero) }
    }

    /// A size of a print: above 0.
    ///
    /// # Errors
    /// As [`Json::qty`].
    pub fn traded(&self) -> Result<Dec, Refusal> {
        let qty = self.qty()?;
        if qty.units > 0 { Ok(qty) } else { Err(Refusal::QtyNegOrZero) }
    }

    /// A whole number from 0 on, such as an update id.
    ///
    /// # Errors
    /// `BAD_SEQUENCE`.
    pub fn id(&self) -> Result<u64, Refusal> {
        let text = match self {
            Self::Num(text) => *text,
            Self::Str(text) => text.as_ref(),
            _ => return Err(Refusal::BadSequence),
        };
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            text.parse().map_err(|_| Refusal::BadSequence)
        } else {
            Err(Refusal::BadSequence)
        }
    }

    /// A venue time of any spelling: RFC 3339, or a count whose unit its size tells.
    ///
    /// # Errors
    /// `BAD_TIME`.
    pub fn time(&self) -> Result<EpochNs, Refusal> {
        match self {
            Self::Str(text) if text.contains('T') => time::from_rfc3339(text),
            Self::Str(_) | Self::Num(_) => time::from_any(self.dec().map_err(|_| Refusal::BadTime)?),
            _ => Err(Refusal::BadTime),
        }
    }

    /// A venue time that is known to be in ms.
    ///
    /// # Errors
    /// `BAD_TIME`.
    pub fn millis(&self) -> Result<EpochNs, Refusal> {
        time::from_count(self.dec().map_err(|_| Refusal::BadTime)?, 3)
    }

    /// `buy` or `sell` in any case, or their first letters.
    ///
    /// # Errors
    /// `BAD_SIDE`.
    pub fn side(&self) -> Result<Side, Refusal> {
        let text = self.str().ok_or(Refusal::BadSide)?;
        if text.eq_ignore_ascii_case("buy") || text.eq_ignore_ascii_case("b") {
            Ok(Side::Buy)
        } else if text.eq_ignore_ascii_case("sell") || text.eq_ignore_ascii_case("s") {
            Ok(Side::Sell)
        } else {
            Err(Refusal::BadSide)
        }
    }
}

/// Reads levels written as arrays with the price at `px` and the size at `qty`.
///
/// # Errors
/// `TOO_MANY_LEVELS`, or the fault of one level.
pub fn levels_at(list: &Json<'_>, px: usize, qty: usize) -> Result<Vec<Level>, Refusal> {
    levels(list, |item| Ok(Level { px: item.need_at(px)?.px()?, qty: item.need_at(qty)?.qty()? }))
}

/// Reads levels written as `[px, qty, …]`.
///
/// # Errors
/// As [`levels_at`].
pub fn pairs(list: &Json<'_>) -> Result<Vec<Level>, Refusal> {
    levels_at(list, 0, 1)
}

/// Reads the field `key` as pairs; an absent one is no level.
///
/// # Errors
/// As [`levels_at`].
pub fn pairs_of(message: &Json<'_>, key: &str) -> Result<Vec<Level>, Refusal> {
    message.get(key).map_or(Ok(Vec::new()), pairs)
}

/// Reads levels written as objects with the price under `px` and the size under `qty`.
///
/// # Errors
/// As [`levels_at`].
pub fn levels_of(list: &Json<'_>, px: &str, qty: &str) -> Result<Vec<Level>, Refusal> {
    levels(list, |item| Ok(Level { px: item.need(px)?.px()?, qty: item.need(qty)?.qty()? }))
}

fn levels(
    list: &Json<'_>,
    each: impl Fn(&Json<'_>) -> Result<Level, Refusal>,
) -> Result<Vec<Level>, Refusal> {
    let items = list.items()?;
    if items.len() > LEVELS_MAX {
        return Err(Refusal::TooManyLevels);
    }
    items.iter().map(each).collect()
}

/// A decimal field that may be absent or "".
///
/// # Errors
/// As [`Json::dec`].
pub fn optional(message: &Json<'_>, key: &str) -> Result<Option<Dec>, Refusal> {
    match message.get(key) {
        None => Ok(None),
        Some(value) if value.str() == Some("") => Ok(None),
        Some(value) => value.dec().map(Some),
    }
}
