//! Whether an instrument may be traded now, by the words of its venue.
//!
//! Sources: Alpaca's documentation, "Real-time stock data", status codes of tapes A and B (those of the CTA plan's security status
//! message) and of tapes C and O (those of the UTP plan's trading action message); the codes 1 and 4, which that page leaves out,
//! by the CQS specification, "security status indicator". Binance: "Contract Info Stream", contract status.

use crate::Refusal;
use std::fmt;

/// Longest code a venue has: `LUDP`, `IPOQ`, `PENDING_TRADING`.
const CODE_BYTES_MAX: usize = 16;

/// A venue's own short code, as it stands in its message; empty where it gives none.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Code {
    bytes: [u8; CODE_BYTES_MAX],
    len: u8,
}

impl Code {
    /// Of the text of a message.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for one that is too long or not of printable ASCII.
    pub fn of(text: &[u8]) -> Result<Self, Refusal> {
        let mut code = Self::default();
        let into = code.bytes.get_mut(..text.len()).ok_or(Refusal::Malformed)?;
        if !text.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return Err(Refusal::Malformed);
        }
        into.copy_from_slice(text);
        code.len = text.len() as u8;
        Ok(code)
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// What may be done in an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TradingState {
    /// Orders match.
    Trading,
    /// A halt: by the regulator, for news, by the whole market's circuit breaker, before or after its life.
    Halted,
    /// A pause of a few minutes because the price moved too far (limit up, limit down).
    Paused,
    /// Quotes come again and nothing matches yet.
    QuotesOnly,
}

/// A state and the words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TradingStatus {
    pub state: TradingState,
    /// The venue's status code.
    pub code: Code,
    /// Its reason for it.
    pub reason: Code,
}

impl TradingState {
    /// By a status code of a tape: the state it brings, or `None` for a word that changes nothing (indications, imbalances, the
    /// short-sale restriction).
    ///
    /// # Errors
    /// [`Refusal::UnknownStatus`]: a code of no table. It is not guessed whether such an instrument trades.
    pub fn of_tape(tape: &[u8], code: &[u8], reason: &[u8]) -> Result<Option<Self>, Refusal> {
        Ok(match (tape, code) {
            (b"A" | b"B", b"2") if reason == b"M" => Some(Self::Paused),
            (b"A" | b"B", b"1" | b"2" | b"4") | (b"C" | b"O", b"H") => Some(Self::Halted),
            (b"A" | b"B", b"3") | (b"C" | b"O", b"T") => Some(Self::Trading),
            (b"A" | b"B", b"5" | b"6" | b"7" | b"8" | b"9" | b"A" | b"C" | b"D" | b"E" | b"F") => None,
            (b"C" | b"O", b"P") => Some(Self::Paused),
            (b"C" | b"O", b"Q") => Some(Self::QuotesOnly),
            _ => return Err(Refusal::UnknownStatus),
        })
    }

    /// By a contract status of Binance's futures.
    ///
    /// # Errors
    /// As [`Self::of_tape`].
    pub fn of_contract(status: &[u8]) -> Result<Self, Refusal> {
        match status {
            b"TRADING" => Ok(Self::Trading),
            b"PENDING_TRADING" | b"PRE_DELIVERING" | b"DELIVERING" | b"DELIVERED" | b"PRE_SETTLE"
            | b"SETTLING" | b"CLOSE" => Ok(Self::Halted),
            _ => Err(Refusal::UnknownStatus),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a07_only_halts_pauses_and_resumptions_change_whether_an_instrument_trades() {
        let of = |tape: &str, code: &str, reason: &str| {
            TradingState::of_tape(tape.as_bytes(), code.as_bytes(), reason.as_bytes())
        };
        for tape in ["A", "B"] {
            assert_eq!(of(tape, "2", "P"), Ok(Some(TradingState::Halted)));
            assert_eq!(of(tape, "2", "M"), Ok(Some(TradingState::Paused)), "limit up, limit down");
            assert_eq!(of(tape, "3", ""), Ok(Some(TradingState::Trading)));
            for word in ["5", "6", "7", "8", "9", "A", "C", "D", "E", "F"] {
                assert_eq!(of(tape, word, ""), Ok(None), "{word}");
            }
        }
        for (code, state) in [
            ("H", TradingState::Halted),
            ("P", TradingState::Paused),
            ("Q", TradingState::QuotesOnly),
            ("T", TradingState::Trading),
        ] {
            assert_eq!(of("C", code, ""), Ok(Some(state)));
            // The same letter is another thing, or nothing, on another tape.
            assert_eq!(of("A", code, ""), Err(Refusal::UnknownStatus));
        }
        assert_eq!(of("C", "3", ""), Err(Refusal::UnknownStatus));
        assert_eq!(of("", "H", ""), Err(Refusal::UnknownStatus));
        assert_eq!(TradingState::of_contract(b"SETTLING"), Ok(TradingState::Halted));
        assert_eq!(TradingState::of_contract(b"trading"), Err(Refusal::UnknownStatus));
    }

    #[test]
    fn a_code_is_short_and_printable() {
        assert_eq!(Code::of(b"LUDP").map(|code| code.as_str().to_string()), Ok("LUDP".into()));
        assert_eq!(Code::of(b"").map(|code| code.as_str().len()), Ok(0));
        assert!(Code::of(&[b'x'; CODE_BYTES_MAX]).is_ok());
        for bad in [&[b'x'; CODE_BYTES_MAX + 1][..], b"a\n", "é".as_bytes()] {
            assert_eq!(Code::of(bad), Err(Refusal::Malformed));
        }
    }
}
