//! The fields of one JSON object by name, and the readings that several venues share.

use crate::json::{self, NotJson, Value};
use crate::{Refusal, SymbolSpec};
use tidegate_units::{DecimalFault, PxTicks, QtyLots, parse_decimal};

impl From<NotJson> for Refusal {
    fn from(_: NotJson) -> Self {
        Self::Malformed
    }
}

/// The keys that a reader knows. One is found by eight of its bytes in a number, and then by all of them.
#[derive(Debug)]
pub(crate) struct Keys<const N: usize> {
    text: [&'static [u8]; N],
    code: [u64; N],
}

/// The last eight bytes of a key; a shorter one as it is.
const fn code(mut key: &[u8]) -> u64 {
    let mut code = 0;
    while let [byte, rest @ ..] = key {
        code = (code << 8) | *byte as u64;
        key = rest;
    }
    code
}

impl<const N: usize> Keys<N> {
    /// Two keys with the same code do not compile.
    pub const fn of(text: [&'static [u8]; N]) -> Self {
        let mut codes = [0; N];
        let mut at = 0;
        while at < N {
            codes[at] = code(text[at]);
            let mut before = 0;
            while before < at {
                assert!(codes[before] != codes[at], "two keys that look alike");
                before += 1;
            }
            at += 1;
        }
        Self { text, code: codes }
    }

    fn find(&self, key: &[u8]) -> Option<usize> {
        let code = code(key);
        let at = self.code.iter().position(|known| *known == code)?;
        (self.text.get(at) == Some(&key)).then_some(at)
    }
}

/// The members of one object whose keys are in a list; the others were skipped.
#[derive(Debug)]
pub(crate) struct Fields<'a, const N: usize> {
    keys: &'static Keys<N>,
    values: [Option<Value<'a>>; N],
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Reads an object. A key of the list that stands twice makes the whole malformed.
    pub fn of(keys: &'static Keys<N>, bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut values = [None; N];
        json::object(bytes, |key, value| match keys.find(key).and_then(|at| values.get_mut(at)) {
            Some(Some(_)) => Err(Refusal::Malformed),
            Some(slot) => {
                *slot = Some(value);
                Ok(())
            }
            None => Ok(()),
        })?;
        Ok(Self { keys, values })
    }

    /// A field by its key; `null` is as good as absent.
    pub fn get(&self, key: &[u8]) -> Option<Value<'a>> {
        self.values.get(self.keys.find(key)?).copied().flatten().filter(|value| *value != Value::Null)
    }

    pub fn text(&self, key: &[u8]) -> Result<Option<&'a [u8]>, Refusal> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Text { text, escaped: false }) => Ok(Some(text)),
            Some(_) => Err(Refusal::Malformed),
        }
    }

    /// A number's own text.
    pub fn number(&self, key: &[u8]) -> Result<Option<&'a [u8]>, Refusal> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Number(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::Malformed),
        }
    }

    pub fn int<T: std::str::FromStr>(&self, key: &[u8]) -> Result<Option<T>, Refusal> {
        let Some(text) = self.number(key)? else { return Ok(None) };
        let read = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        read.map(Some).ok_or(Refusal::Malformed)
    }

    pub fn flag(&self, key: &[u8]) -> Result<bool, Refusal> {
        match self.get(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(Refusal::Malformed),
        }
    }
}

pub(crate) fn need<T>(field: Option<T>) -> Result<T, Refusal> {
    field.ok_or(Refusal::MissingField)
}

fn refused(fault: DecimalFault, off: Refusal) -> Refusal {
    match fault {
        DecimalFault::OffUnit => off,
        DecimalFault::Overflow => Refusal::Overflow,
        DecimalFault::Malformed => Refusal::BadDecimal,
    }
}

fn above_zero(px: Result<i64, DecimalFault>) -> Result<PxTicks, Refusal> {
    match px {
        Ok(px) if px > 0 => Ok(PxTicks(px)),
        Ok(_) => Err(Refusal::PxZeroOrNeg),
        Err(fault) => Err(refused(fault, Refusal::PxOffTick)),
    }
}

fn not_below_zero(qty: Result<i64, DecimalFault>) -> Result<QtyLots, Refusal> {
    match qty {
        Ok(qty) if qty >= 0 => Ok(QtyLots(qty)),
        Ok(_) => Err(Refusal::QtyNegOrZero),
        Err(fault) => Err(refused(fault, Refusal::QtyOffLot)),
    }
}

/// A price above zero in ticks, from decimal text.
pub(crate) fn px(spec: &SymbolSpec, text: &[u8]) -> Result<PxTicks, Refusal> {
    above_zero(parse_decimal(text, spec.px_scale, spec.px_unit))
}

/// A size in lots, zero allowed, from decimal text.
pub(crate) fn qty(spec: &SymbolSpec, text: &[u8]) -> Result<QtyLots, Refusal> {
    not_below_zero(parse_decimal(text, spec.qty_scale, spec.qty_unit))
}

/// A price from a JSON number, which may have an exponent.
pub(crate) fn number_px(spec: &SymbolSpec, number: &[u8]) -> Result<PxTicks, Refusal> {
    above_zero(decimal(number, spec.px_scale, spec.px_unit))
}

/// A size from a JSON number, which may have an exponent.
pub(crate) fn number_qty(spec: &SymbolSpec, number: &[u8]) -> Result<QtyLots, Refusal> {
    not_below_zero(decimal(number, spec.qty_scale, spec.qty_unit))
}

/// Most digits a number with an exponent may unfold to.
const UNFOLDED_MAX: usize = 64;

/// As [`parse_decimal`], and also `1.5e-7`, as encoders of doubles write small sizes: unfolded to plain digits, exactly.
fn decimal(text: &[u8], scale: u32, unit: i64) -> Result<i64, DecimalFault> {
    let Some(at) = text.iter().position(|byte| matches!(byte, b'e' | b'E')) else {
        return parse_decimal(text, scale, unit);
    };
    let (mantissa, exponent) = text.split_at(at);
    let exponent = exponent.get(1..).unwrap_or_default();
    let exponent = std::str::from_utf8(exponent).ok().and_then(|text| text.parse::<i32>().ok());
    let exponent = exponent.filter(|e| e.abs() <= 40).ok_or(DecimalFault::Malformed)?;
    let (sign, digits) = match mantissa {
        [b'-', rest @ ..] => (&b"-"[..], rest),
        rest => (&b""[..], rest),
    };
    let dot = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let all: Vec<u8> = digits.iter().copied().filter(|byte| *byte != b'.').collect();
    if all.is_empty() || all.len() > 20 || !all.iter().all(u8::is_ascii_digit) {
        return Err(DecimalFault::Malformed);
    }
    // Where the point comes to stand among the digits.
    let point = dot as i32 + exponent;
    let mut plain = Vec::with_capacity(UNFOLDED_MAX);
    plain.extend_from_slice(sign);
    if point <= 0 {
        plain.extend_from_slice(b"0.");
        plain.extend(std::iter::repeat_n(b'0', point.unsigned_abs() as usize));
        plain.extend_from_slice(&all);
    } else {
        let point = point as usize;
        for at in 0..point.max(all.len()) {
            if at == point {
                plain.push(b'.');
            }
            plain.push(all.get(at).copied().unwrap_or(b'0'));
        }
    }
    parse_decimal(&plain, scale, unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_exponent_is_unfolded_exactly() {
        for (text, want) in [
            ("1e-7", Ok(10)),
            ("1.5e-7", Ok(15)),
            ("2.5E3", Ok(250_000_000_000)),
            ("1e-9", Err(DecimalFault::OffUnit)),
            ("-1e-8", Ok(-1)),
            ("12.34e1", Ok(12_340_000_000)),
            ("1e99", Err(DecimalFault::Malformed)),
            ("e5", Err(DecimalFault::Malformed)),
            ("1e", Err(DecimalFault::Malformed)),
        ] {
            assert_eq!(decimal(text.as_bytes(), 8, 1), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_unfolded_number_is_the_same_number(whole in 0_u32..1_000, frac in 0_u32..1_000, e in -5_i32..5) {
            let text = format!("{whole}.{frac:03}e{e}");
            let exact = i128::from(whole) * 1_000 + i128::from(frac);
            // In units of 1e-8: exact * 10^(5 + e).
            let want = exact * 10_i128.pow((5 + e) as u32);
            prop_assert_eq!(decimal(text.as_bytes(), 8, 1).map(i128::from), Ok(want));
        }
    }
}
