//! A text file line by line, each line bounded.

use crate::fault::{Fault, Kind};
use crate::limits::LINE_BYTES_MAX;
use crate::source::{Source, open};
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// The lines of one file, without their ends (`\n` or `\r\n`).
pub struct Lines {
    source: Source,
    file: PathBuf,
    line: Vec<u8>,
    at: u64,
    /// Whether the last line given had its end.
    ended: bool,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("file", &self.file).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Lines {
    /// Opens a plain or packed text file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        Ok(Self { source: open(path)?, file: path.to_path_buf(), line: Vec::new(), at: 0, ended: true })
    }

    /// The next line, or none at the end of the file. A last line without an end is given too: see [`Lines::whole`].
    ///
    /// # Errors
    /// The file is damaged or cut, or the line is longer than [`LINE_BYTES_MAX`].
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, Fault> {
        self.line.clear();
        self.at += 1;
        loop {
            let chunk = self.source.fill_buf().map_err(|error| Fault::io(&self.file, self.at, &error))?;
            if chunk.is_empty() {
                self.ended = false;
                return Ok((!self.line.is_empty()).then_some(self.line.as_slice()));
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let take = end.unwrap_or(chunk.len());
            if self.line.len() + take > LINE_BYTES_MAX {
                let what = format!("a line of more than {LINE_BYTES_MAX} bytes");
                return Err(Fault::new(Kind::TooLong, &self.file, self.at, what, "want one message a line"));
            }
            self.line.extend_from_slice(chunk.get(..take).unwrap_or_default());
            self.source.consume(take + usize::from(end.is_some()));
            if end.is_some() {
                self.ended = true;
                if self.line.last() == Some(&b'\r') {
                    self.line.pop();
                }
                return Ok(Some(self.line.as_slice()));
            }
        }
    }

    /// The line given last.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// Number of the line given last, from 1.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Refuses a last line that has no end: in a capture it is a message cut short.
    ///
    /// # Errors
    /// [`Kind::Truncated`].
    pub fn whole(&self) -> Result<(), Fault> {
        if self.ended {
            return Ok(());
        }
        let what = "the last line has no end";
        Err(Fault::new(
            Kind::Truncated,
            &self.file,
            self.at,
            what,
            "fetch the file again: its end is missing",
        ))
    }

    /// A fault of the line given last.
    pub fn malformed(&self, what: impl Into<String>, remedy: &'static str) -> Fault {
        Fault::new(Kind::Malformed, &self.file, self.at, what, remedy)
    }
}

/// Splits off the bytes before the first `mark`.
pub(crate) fn split(bytes: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == mark)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// A whole number of decimal digits, with a sign where the type has one.
pub(crate) fn whole<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    if text.first() == Some(&b'+') {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Decimal text as a count of 10^-`scale`, exactly; more digits than `scale` must be zeros.
pub(crate) fn decimal(text: &[u8], scale: u32) -> Option<i64> {
    let (negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let (integer, fraction) = split(text, b'.').unwrap_or((text, b""));
    if integer.is_empty() || (text.contains(&b'.') && fraction.is_empty()) {
        return None;
    }
    let mut value = 0_i64;
    let digit = |value: i64, byte: u8| {
        byte.is_ascii_digit().then(|| value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))).flatten()
    };
    for byte in integer {
        value = digit(value, *byte)?;
    }
    for place in 0..scale as usize {
        value = digit(value, fraction.get(place).copied().unwrap_or(b'0'))?;
    }
    if fraction.get(scale as usize..).unwrap_or_default().iter().any(|byte| *byte != b'0') {
        return None;
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn lines_come_with_their_number_and_a_missing_end_is_known() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"a\r\n\nlast").unwrap();
        let mut lines = Lines::open(file.path()).unwrap();
        assert_eq!(lines.next_line().unwrap(), Some(&b"a"[..]));
        assert_eq!(lines.next_line().unwrap(), Some(&b""[..]));
        assert!(lines.whole().is_ok());
        assert_eq!(lines.next_line().unwrap(), Some(&b"last"[..]));
        let fault = lines.whole().unwrap_err();
        assert_eq!((fault.kind, fault.at), (Kind::Truncated, 3));
        assert_eq!(lines.next_line().unwrap(), None);
    }

    #[test]
    fn a_line_beyond_the_bound_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![b'x'; LINE_BYTES_MAX]).unwrap();
        assert_eq!(
            Lines::open(file.path()).unwrap().next_line().unwrap().map(<[u8]>::len),
            Some(LINE_BYTES_MAX)
        );
        file.write_all(b"x").unwrap();
        assert_eq!(Lines::open(file.path()).unwrap().next_line().unwrap_err().kind, Kind::TooLong);
    }

    #[test]
    fn decimals_are_exact_or_none() {
        assert_eq!(decimal(b"34200.017459617", 9), Some(34_200_017_459_617));
        assert_eq!(
            (decimal(b"236.4", 2), decimal(b"-1.50", 1), decimal(b"7", 0)),
            (Some(23_640), Some(-15), Some(7))
        );
        for bad in ["", "-", "1.", ".5", "1e5", "1.234", "+1", "99999999999999999999"] {
            assert_eq!(decimal(bad.as_bytes(), 2), None, "{bad}");
        }
        assert_eq!(
            (whole::<u64>(b"12"), whole::<u64>(b"+12"), whole::<i8>(b"-1")),
            (Some(12), None, Some(-1))
        );
    }
}
