//! Scaled integers and ids. No float touches money.
#![forbid(unsafe_code)]

use std::fmt;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

unit!(
    /// A price in the instrument's price unit.
    PxTicks(i64)
);
unit!(
    /// A quantity in the instrument's quantity unit, never negative on the wire.
    QtyLots(i64)
);
unit!(
    /// Money in 1e-8 of its currency.
    MoneyE8(i128)
);
unit!(
    /// Nanoseconds since the Unix epoch.
    EpochNs(i64)
);
unit!(
    /// `CLOCK_MONOTONIC` nanoseconds of this host; never compared across hosts.
    MonoNs(u64)
);
unit!(
    /// Row of the instrument table.
    InstrumentId(u32)
);
unit!(
    /// A venue of the instrument table.
    VenueId(u32)
);
unit!(
    /// An account at a venue.
    AccountId(u32)
);
unit!(
    /// A strategy; the top 32 bits of its intent ids.
    StrategyId(u32)
);

/// Buy or sell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Buy,
    Sell,
}

impl Side {
    /// +1 for a buy, -1 for a sell.
    pub const fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }

    /// The other side.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// `strategy (32) | session epoch (32) | sequence (64)`. Zero is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId(pub u128);

impl IntentId {
    /// The id of the `seq`-th intent of a strategy's session.
    pub const fn new(strategy: StrategyId, epoch: u32, seq: u64) -> Self {
        Self(((strategy.0 as u128) << 96) | ((epoch as u128) << 64) | seq as u128)
    }
    /// The strategy that made it.
    pub const fn strategy(self) -> StrategyId {
        StrategyId((self.0 >> 96) as u32)
    }
    /// The session epoch it was made in.
    pub const fn epoch(self) -> u32 {
        (self.0 >> 64) as u32
    }
    /// Its place in the session.
    pub const fn seq(self) -> u64 {
        self.0 as u64
    }
    /// High and low 64 bits, as on the wire.
    pub const fn halves(self) -> (u64, u64) {
        ((self.0 >> 64) as u64, self.0 as u64)
    }
    /// From the wire.
    pub const fn from_halves(hi: u64, lo: u64) -> Self {
        Self(((hi as u128) << 64) | lo as u128)
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.strategy().0, self.epoch(), self.seq())
    }
}

/// The largest magnitude a JavaScript number holds exactly; prices and sizes beyond it are refused at decode.
pub const SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Why a decimal text is not a scaled integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalFault {
    /// Not `-?digits[.digits]`.
    Malformed,
    /// More significant decimals than the unit has, or not a multiple of it.
    OffUnit,
    /// Does not fit.
    Overflow,
}

/// Parses decimal text to an integer count of `unit_mul * 10^-scale`, exactly and without a float.
///
/// # Errors
/// A text that is not a plain decimal, lies between two units, or does not fit in ±(2^53−1).
pub fn parse_decimal(text: &[u8], scale: u32, unit_mul: i64) -> Result<i64, DecimalFault> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut value: i128 = 0;
    let mut decimals: Option<u32> = None;
    let mut seen = 0_usize;
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                seen += 1;
                if let Some(n) = decimals.as_mut() {
                    *n += 1;
                    if *n > scale {
                        if byte != b'0' {
                            return Err(DecimalFault::OffUnit);
                        }
                        continue;
                    }
                }
                value = value * 10 + i128::from(byte - b'0');
                if value > (1_i128 << 100) {
                    return Err(DecimalFault::Overflow);
                }
            }
            b'.' if decimals.is_none() && seen > 0 => {
                decimals = Some(0);
                seen = 0;
            }
            _ => return Err(DecimalFault::Malformed),
        }
    }
    if seen == 0 {
        return Err(DecimalFault::Malformed);
    }
    let have = decimals.unwrap_or(0).min(scale);
    for _ in have..scale {
        value = value.checked_mul(10).ok_or(DecimalFault::Overflow)?;
    }
    let unit = i128::from(unit_mul.max(1));
    if value % unit != 0 {
        return Err(DecimalFault::OffUnit);
    }
    let count = value / unit;
    if count > i128::from(SAFE_INTEGER) {
        return Err(DecimalFault::Overflow);
    }
    let count = count as i64;
    Ok(if negative { -count } else { count })
}

/// As [`parse_decimal`], with the part below one unit cut off: the count, and whether anything was.
///
/// # Errors
/// A text that is not a plain decimal or does not fit; one below zero that is no whole number of units.
pub fn parse_decimal_down(text: &[u8], scale: u32, unit_mul: i64) -> Result<(i64, bool), DecimalFault> {
    match parse_decimal(text, scale, unit_mul) {
        Err(DecimalFault::OffUnit) if !text.starts_with(b"-") => {}
        exact => return exact.map(|count| (count, false)),
    }
    let end = text.iter().position(|byte| *byte == b'.').map_or(text.len(), |dot| dot + 1 + scale as usize);
    let cut = text.get(..end.min(text.len())).unwrap_or(text);
    let units = parse_decimal(cut.strip_suffix(b".").unwrap_or(cut), scale, 1)?;
    Ok((units / unit_mul.max(1), true))
}

/// Writes a count of `unit_mul * 10^-scale` as plain decimal text.
pub fn format_decimal(count: i64, scale: u32, unit_mul: i64) -> String {
    let total = i128::from(count) * i128::from(unit_mul);
    let magnitude = total.unsigned_abs().to_string();
    let sign = if total < 0 { "-" } else { "" };
    let scale = scale as usize;
    if scale == 0 {
        return format!("{sign}{magnitude}");
    }
    let padded = format!("{magnitude:0>width$}", width = scale + 1);
    let (whole, frac) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{frac}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a07_what_lies_below_a_unit_is_cut_off_where_that_is_asked_for() {
        assert_eq!(parse_decimal_down(b"25.42618900", 5, 1), Ok((2_542_618, true)));
        assert_eq!(parse_decimal_down(b"25.42618000", 5, 1), Ok((2_542_618, false)));
        assert_eq!(parse_decimal_down(b"0.000009", 5, 1), Ok((0, true)));
        assert_eq!(parse_decimal_down(b"7.9", 0, 5), Ok((1, true)));
        assert_eq!(parse_decimal_down(b"-1.5", 0, 1), Err(DecimalFault::OffUnit));
        assert_eq!(parse_decimal_down(b"1.x", 0, 1), Err(DecimalFault::Malformed));
    }

    #[test]
    fn a07_decimals_are_exact_or_refused() {
        assert_eq!(parse_decimal(b"61800.20", 1, 1), Ok(618_002));
        assert_eq!(parse_decimal(b"0.04627000", 5, 1), Ok(4_627));
        assert_eq!(parse_decimal(b"-1", 2, 5), Ok(-20));
        assert_eq!(parse_decimal(b"1.23", 1, 1), Err(DecimalFault::OffUnit));
        assert_eq!(parse_decimal(b"1.03", 2, 5), Err(DecimalFault::OffUnit));
        for bad in [&b""[..], b".", b"1.", b".5", b"1e5", b"--1", b"1.2.3", b"NaN", b" 1", b"+1"] {
            assert_eq!(parse_decimal(bad, 2, 1), Err(DecimalFault::Malformed), "{bad:?}");
        }
        assert_eq!(parse_decimal(b"99999999999999999999", 2, 1), Err(DecimalFault::Overflow));
        assert_eq!(parse_decimal(&[b'9'; 400], 2, 1), Err(DecimalFault::Overflow));
    }

    proptest! {
        #[test]
        fn intent_ids_keep_their_parts(strategy: u32, epoch: u32, seq: u64) {
            let id = IntentId::new(StrategyId(strategy), epoch, seq);
            prop_assert_eq!(id.0, u128::from(strategy) << 96 | u128::from(epoch) << 64 | u128::from(seq));
            prop_assert_eq!((id.strategy(), id.epoch(), id.seq()), (StrategyId(strategy), epoch, seq));
            let (hi, lo) = id.halves();
            prop_assert_eq!(IntentId::from_halves(hi, lo), id);
        }

        #[test]
        fn a07_text_round_trips(count in -SAFE_INTEGER / 100..SAFE_INTEGER / 100, scale in 0_u32..9, unit in 1_i64..100) {
            let text = format_decimal(count, scale, unit);
            prop_assert_eq!(parse_decimal(text.as_bytes(), scale, unit), Ok(count));
        }

        #[test]
        fn any_bytes_never_panic(bytes: Vec<u8>, scale in 0_u32..12, unit in 1_i64..1000) {
            let _ = parse_decimal(&bytes, scale, unit);
        }
    }
}
