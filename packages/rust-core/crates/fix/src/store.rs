//! What must outlive the process: the two sequence numbers and the messages that were sent.

use crate::limits::{RETAINED_BYTES_MAX, RETAINED_MAX};
use std::collections::VecDeque;
use std::fmt;

/// The numbers of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Number of the next message we send.
    pub next_out: u64,
    /// Number of the next message expected.
    pub next_in: u64,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { next_out: 1, next_in: 1 }
    }
}

/// A message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub seq: u64,
    /// Its SendingTime, in ns since the Unix epoch.
    pub sent_at: i64,
    pub msg_type: Box<[u8]>,
    /// The fields after the standard header, each with its separator. Empty for session messages, which are never sent again.
    pub body: Box<[u8]>,
}

/// The store could not keep something; the session must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFault(pub String);

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the FIX store: {}", self.0)
    }
}

impl std::error::Error for StoreFault {}

/// Where a session keeps its numbers and messages.
///
/// `sent`, `expect` and `reset` take effect in memory at once and on the medium with the next `commit`, in their order. After a
/// fault nothing more may be kept or acknowledged.
pub trait Store: fmt::Debug {
    /// The numbers as of the last call.
    fn numbers(&self) -> Numbers;
    /// A message is about to be sent; `next_out` becomes `seq + 1`.
    ///
    /// # Errors
    /// The medium refuses.
    fn sent(&mut self, seq: u64, sent_at: i64, msg_type: &[u8], body: &[u8]) -> Result<(), StoreFault>;
    /// The next message expected.
    ///
    /// # Errors
    /// The medium refuses.
    fn expect(&mut self, next_in: u64) -> Result<(), StoreFault>;
    /// Both numbers are 1 again and no message was sent.
    ///
    /// # Errors
    /// The medium refuses.
    fn reset(&mut self, at: i64) -> Result<(), StoreFault>;
    /// Makes everything so far safe.
    ///
    /// # Errors
    /// The medium refuses.
    fn commit(&mut self) -> Result<(), StoreFault>;
    /// The first application message still held whose number is `seq` or higher.
    fn at_or_after(&self, seq: u64) -> Option<&Stored>;
}

/// Numbers and the newest messages in memory: the store of tests, and what a store on disk answers from.
#[derive(Debug, Default, Clone)]
pub struct MemoryStore {
    numbers: Numbers,
    /// Application messages only, by rising number.
    retained: VecDeque<Stored>,
    bytes: usize,
}

impl MemoryStore {
    /// Messages it holds, and their bytes.
    pub fn held(&self) -> (usize, usize) {
        (self.retained.len(), self.bytes)
    }
}

impl Store for MemoryStore {
    fn numbers(&self) -> Numbers {
        self.numbers
    }

    fn sent(&mut self, seq: u64, sent_at: i64, msg_type: &[u8], body: &[u8]) -> Result<(), StoreFault> {
        if seq < self.numbers.next_out {
            return Err(StoreFault(format!(
                "message {seq} was sent before, the next is {}",
                self.numbers.next_out
            )));
        }
        self.numbers.next_out = seq + 1;
        if body.is_empty() {
            return Ok(());
        }
        self.bytes += body.len();
        self.retained.push_back(Stored { seq, sent_at, msg_type: msg_type.into(), body: body.into() });
        while self.retained.len() > RETAINED_MAX || self.bytes > RETAINED_BYTES_MAX {
            let Some(oldest) = self.retained.pop_front() else { break };
            self.bytes -= oldest.body.len();
        }
        Ok(())
    }

    fn expect(&mut self, next_in: u64) -> Result<(), StoreFault> {
        self.numbers.next_in = next_in;
        Ok(())
    }

    fn reset(&mut self, _at: i64) -> Result<(), StoreFault> {
        *self = Self::default();
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreFault> {
        Ok(())
    }

    fn at_or_after(&self, seq: u64) -> Option<&Stored> {
        self.retained.get(self.retained.partition_point(|stored| stored.seq < seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_newest_messages_within_its_bounds() {
        let mut store = MemoryStore::default();
        let last = RETAINED_MAX as u64 + 10;
        for seq in 1..=last {
            store.sent(seq, 7, b"D", b"11=x\x01").unwrap();
        }
        assert_eq!(store.held().0, RETAINED_MAX);
        assert_eq!(store.at_or_after(1).map(|stored| stored.seq), Some(11));
        let long = vec![b'x'; 64 << 10];
        for seq in last + 1..=last + 100 {
            store.sent(seq, 7, b"D", &long).unwrap();
        }
        assert!(store.held().1 <= RETAINED_BYTES_MAX);
        assert_eq!(store.held().0, RETAINED_BYTES_MAX / long.len());
        assert!(store.at_or_after(last + 100).is_some() && store.at_or_after(last + 101).is_none());
    }

    #[test]
    fn a_number_is_never_used_twice() {
        let mut store = MemoryStore::default();
        store.sent(5, 0, b"0", b"").unwrap();
        assert!(store.sent(5, 0, b"0", b"").is_err() && store.sent(1, 0, b"D", b"11=x\x01").is_err());
        assert_eq!(store.numbers().next_out, 6);
        store.reset(0).unwrap();
        assert_eq!(store.numbers(), Numbers::default());
    }
}
