//! Client order ids as the router keeps them.

use std::fmt;

/// Characters of a client order id.
pub const CLIENT_ID_LEN: usize = 25;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// A client order id of ours: 125 bits, written as 25 characters of `[0-9a-v]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(u128);

impl ClientId {
    /// Reads an id; `None` for anything we could not have made.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != CLIENT_ID_LEN {
            return None;
        }
        text.bytes()
            .try_fold(0_u128, |acc, byte| {
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    b'a'..=b'v' => byte - b'a' + 10,
                    _ => return None,
                };
                Some((acc << 5) | u128::from(digit))
            })
            .map(Self)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; CLIENT_ID_LEN];
        for (place, byte) in text.iter_mut().rev().enumerate() {
            *byte = ALPHABET[((self.0 >> (5 * place)) & 31) as usize];
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_round_trips(text in "[0-9a-v]{25}") {
            prop_assert_eq!(ClientId::parse(&text).map(|id| id.to_string()), Some(text));
        }

        #[test]
        fn anything_else_is_refused(text in ".{0,40}") {
            let ours = text.len() == 25 && text.bytes().all(|b| ALPHABET.contains(&b));
            prop_assert_eq!(ClientId::parse(&text).is_some(), ours);
        }
    }
}
