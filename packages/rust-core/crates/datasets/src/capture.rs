//! Captures of raw messages, one a line: `<receive time, ns since the epoch> <message>`.

use crate::fault::Fault;
use crate::lines::{Lines, split, whole};
use std::path::Path;
use tidegate_units::EpochNs;

/// One message as it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    pub ts_recv: EpochNs,
    pub message: &'a [u8],
}

/// The messages of one capture, in order.
#[derive(Debug)]
pub struct Capture {
    lines: Lines,
}

impl Capture {
    /// Opens a capture, plain or packed.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        Ok(Self { lines: Lines::open(path)? })
    }

    /// The next message, or none at the end.
    ///
    /// # Errors
    /// A damaged or cut file, or a line without a receive time.
    pub fn next_message(&mut self) -> Result<Option<Received<'_>>, Fault> {
        if self.lines.next_line()?.is_none() {
            return Ok(None);
        }
        self.lines.whole()?;
        let read = split(self.lines.line(), b' ').and_then(|(time, message)| Some((whole(time)?, message)));
        match read {
            Some((ns, message)) => Ok(Some(Received { ts_recv: EpochNs(ns), message })),
            None => Err(self.lines.malformed("no receive time before the message", "want `<ns> <message>`")),
        }
    }

    /// Number of the line given last, from 1.
    pub fn at(&self) -> u64 {
        self.lines.at()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Kind;
    use std::io::Write;

    #[test]
    fn messages_come_with_their_time_and_a_cut_one_is_named() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"17 {\"a\": 1}\n18 x\nnine y\n").unwrap();
        let mut capture = Capture::open(file.path()).unwrap();
        let first = capture.next_message().unwrap().unwrap();
        assert_eq!((first.ts_recv, first.message), (EpochNs(17), &b"{\"a\": 1}"[..]));
        assert!(capture.next_message().unwrap().is_some());
        assert_eq!(capture.next_message().unwrap_err().at, 3);
        file.write_all(b"19 {\"cut").unwrap();
        let mut capture = Capture::open(file.path()).unwrap();
        let mut last = None;
        while last.is_none() {
            last = capture.next_message().err().filter(|fault| fault.kind == Kind::Truncated);
        }
        assert_eq!(last.map(|fault| fault.at), Some(4));
    }
}
