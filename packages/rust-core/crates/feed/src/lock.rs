//! The quote-version lock: one shape of quotes is agreed on at the start, and nothing else is let in later.
//!
//! Shioaji's older quotes (v0) come as a topic and a body, or with capitalised keys; the current ones (v1) are objects with
//! `code`. A stall must never end in a silent change from one to the other: a body of another shape is refused and
//! counted by reason, whatever came before it.

/// Why a body was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SchemaFault {
    /// Nothing in it.
    Empty,
    /// A text with `/` or `:` comes first: a topic of v0.
    TopicFirst,
    /// Keys of v0.
    OldKeys,
    /// Not an object, or one without any key of a quote.
    NoPayload,
}

impl SchemaFault {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 4] = [Self::Empty, Self::TopicFirst, Self::OldKeys, Self::NoPayload];

    /// As metrics spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::TopicFirst => "TOPIC_FIRST",
            Self::OldKeys => "OLD_KEYS",
            Self::NoPayload => "NO_PAYLOAD",
        }
    }
}

/// The lock on v1 and its counters. There is no way to open it: a venue that changes its shape needs a new reader.
#[derive(Debug, Clone, Default)]
pub struct VersionLock {
    refused: [u64; SchemaFault::ALL.len()],
}

const KEYS: [&[u8]; 4] = [b"\"code\"", b"\"bid_price\"", b"\"ask_price\"", b"\"close\""];
const OLD_KEYS: [&[u8]; 4] = [b"\"Code\"", b"\"BidPrice\"", b"\"AskPrice\"", b"\"Close\""];

impl VersionLock {
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a quote's body through, or says why not.
    ///
    /// # Errors
    /// Its shape is not v1; counted.
    pub fn admit(&mut self, body: &[u8]) -> Result<(), SchemaFault> {
        let checked = check(body);
        if let Err(fault) = checked
            && let Some(slot) = self.refused.get_mut(fault as usize)
        {
            *slot += 1;
        }
        checked
    }

    /// How many were refused for one reason.
    pub fn refused(&self, fault: SchemaFault) -> u64 {
        self.refused.get(fault as usize).copied().unwrap_or(0)
    }

    /// How many were refused in all.
    pub fn total(&self) -> u64 {
        self.refused.iter().sum()
    }
}

fn check(body: &[u8]) -> Result<(), SchemaFault> {
    let body = body.trim_ascii();
    let has = |keys: &[&[u8]]| keys.iter().any(|key| body.windows(key.len()).any(|w| w == *key));
    match body.first() {
        None => Err(SchemaFault::Empty),
        Some(b'{') if has(&OLD_KEYS) => Err(SchemaFault::OldKeys),
        Some(b'{') if has(&KEYS) => Ok(()),
        Some(b'[' | b'"') => {
            let inner = body.strip_prefix(b"[").unwrap_or(body).trim_ascii_start();
            let text = inner.strip_prefix(b"\"").and_then(|t| t.split(|b| *b == b'"').next());
            match text {
                Some(text) if text.iter().any(|b| matches!(b, b'/' | b':')) => Err(SchemaFault::TopicFirst),
                _ if inner.is_empty() || inner == b"]" => Err(SchemaFault::Empty),
                _ => Err(SchemaFault::NoPayload),
            }
        }
        Some(_) => Err(SchemaFault::NoPayload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a06_a_v0_payload_under_the_v1_lock_is_refused_with_its_reason_and_nothing_is_downgraded() {
        let mut lock = VersionLock::new();
        let good = br#" {"code":"2330","bid_price":["1"]}"#;
        let cases: [(&[u8], Result<(), SchemaFault>); 9] = [
            (good, Ok(())),
            (b"", Err(SchemaFault::Empty)),
            (b"[]", Err(SchemaFault::Empty)),
            (br#"["MKT/*/TSE/2330",{"Close":[1.0]}]"#, Err(SchemaFault::TopicFirst)),
            (br#""Q:TSE/2330""#, Err(SchemaFault::TopicFirst)),
            (br#"{"Code":"2330","Close":[1.0]}"#, Err(SchemaFault::OldKeys)),
            (br#"{"hello":1}"#, Err(SchemaFault::NoPayload)),
            (b"7", Err(SchemaFault::NoPayload)),
            (br#"["x"]"#, Err(SchemaFault::NoPayload)),
        ];
        for (body, want) in cases {
            assert_eq!(lock.admit(body), want, "{}", String::from_utf8_lossy(body));
        }
        for _ in 0..1_000 {
            assert!(lock.admit(br#"{"Code":"2330"}"#).is_err(), "however often it comes");
        }
        assert_eq!(lock.admit(good), Ok(()), "and v1 still passes");
        assert_eq!((lock.refused(SchemaFault::OldKeys), lock.total()), (1_001, 1_008));
    }
}
