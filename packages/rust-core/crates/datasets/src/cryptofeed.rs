//! Captures as cryptofeed writes them: websocket traffic and REST answers, one a line.
//!
//! `<url> <-> <s>` a connection · `<url> <- <s>: <text>` sent by the client · `<s>: <message>` received ·
//! `<url> -> <s>: <body>` a REST answer. Times are seconds since the epoch with up to seven decimals. Source: cryptofeed's
//! `raw_data_collection`.

use crate::fault::Fault;
use crate::lines::{Lines, decimal};
use std::path::Path;
use tidegate_units::EpochNs;

/// One line of such a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    Connected { url: &'a str, ts: EpochNs },
    Sent { url: &'a str, ts: EpochNs, text: &'a [u8] },
    Received { ts_recv: EpochNs, message: &'a [u8] },
    Answer { url: &'a str, ts_recv: EpochNs, body: &'a [u8] },
}

/// The lines of one such capture. Empty lines and the subscription settings at the end of an instrument list are passed over.
#[derive(Debug)]
pub struct Cryptofeed {
    lines: Lines,
}

impl Cryptofeed {
    /// Opens a capture, plain or packed.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        Ok(Self { lines: Lines::open(path)? })
    }

    /// The next line, or none at the end.
    ///
    /// # Errors
    /// A damaged or cut file, or a line of no known form.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, Fault> {
        loop {
            match self.lines.next_line()? {
                None => return Ok(None),
                Some([]) => {}
                Some(line) if line.starts_with(b"configuration: ") => {}
                Some(_) => break,
            }
        }
        self.lines.whole()?;
        match parse(self.lines.line()) {
            Some(line) => Ok(Some(line)),
            None => {
                Err(self.lines.malformed("a line of no known form", "want a capture as cryptofeed writes it"))
            }
        }
    }

    /// Number of the line given last, from 1.
    pub fn at(&self) -> u64 {
        self.lines.at()
    }
}

fn parse(line: &[u8]) -> Option<Line<'_>> {
    if line.first().is_some_and(u8::is_ascii_digit) {
        let (ts_recv, message) = timed(line)?;
        return Some(Line::Received { ts_recv, message });
    }
    let (url, rest) = crate::lines::split(line, b' ')?;
    let url = std::str::from_utf8(url).ok()?;
    if let Some(time) = rest.strip_prefix(b"<-> ") {
        return Some(Line::Connected { url, ts: seconds(time)? });
    }
    if let Some(rest) = rest.strip_prefix(b"<- ") {
        let (ts, text) = timed(rest)?;
        return Some(Line::Sent { url, ts, text });
    }
    let (ts_recv, body) = timed(rest.strip_prefix(b"-> ")?)?;
    Some(Line::Answer { url, ts_recv, body })
}

fn timed(bytes: &[u8]) -> Option<(EpochNs, &[u8])> {
    let (time, rest) = crate::lines::split(bytes, b':')?;
    Some((seconds(time)?, rest.strip_prefix(b" ")?))
}

fn seconds(text: &[u8]) -> Option<EpochNs> {
    decimal(text, 9).map(EpochNs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_line_is_read() {
        let line = parse(b"1618678132.8258188: {\"event\":1}");
        let want = Line::Received { ts_recv: EpochNs(1_618_678_132_825_818_800), message: b"{\"event\":1}" };
        assert_eq!(line, Some(want));
        let url = "wss://x/stream?a=b";
        assert_eq!(
            parse(b"wss://x/stream?a=b <-> 1.5"),
            Some(Line::Connected { url, ts: EpochNs(1_500_000_000) })
        );
        assert_eq!(
            parse(b"wss://x/stream?a=b <- 1.5: hi"),
            Some(Line::Sent { url, ts: EpochNs(1_500_000_000), text: b"hi" })
        );
        assert_eq!(
            parse(b"https://x/d -> 2: {}"),
            Some(Line::Answer { url: "https://x/d", ts_recv: EpochNs(2_000_000_000), body: b"{}" })
        );
        for bad in ["x", "1.2.3: x", "url ?? 1: x", "1.5 x"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
