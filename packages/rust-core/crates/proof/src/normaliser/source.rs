//! Lines of a recorded file, gzip or plain.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Longest line, bytes.
const LINE_BYTES_MAX: usize = 64 << 20;

/// All lines of a file, without their ends.
///
/// # Errors
/// A file that cannot be read, or a line that is too long: which and what.
pub fn lines(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let fault = |e: std::io::Error| format!("{}: {e}; want the reference data whole", path.display());
    let file = File::open(path).map_err(fault)?;
    let inner: Box<dyn Read> = if path.extension().is_some_and(|ext| ext == "gz") {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut reader = BufReader::new(inner);
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = reader.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line).map_err(fault)?;
        if read == 0 {
            return Ok(lines);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if read == LINE_BYTES_MAX {
            return Err(format!("{}: a line beyond {LINE_BYTES_MAX} bytes", path.display()));
        }
        lines.push(line);
    }
}

/// One line of a websocket capture, `<epoch seconds>: <message>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub recv: tidegate_units::EpochNs,
    pub message: Vec<u8>,
}

/// The messages received, in order; lines of what was sent are left out.
pub fn received(lines: &[Vec<u8>]) -> Vec<Received> {
    lines
        .iter()
        .filter_map(|line| {
            let at = line.windows(2).position(|pair| pair == b": ")?;
            let recv = stamp(line.get(..at)?)?;
            Some(Received { recv, message: line.get(at + 2..)?.to_vec() })
        })
        .collect()
}

/// The answers fetched by request, `<url> -> <epoch seconds>: <body>`.
pub fn fetched(lines: &[Vec<u8>]) -> Vec<(String, Received)> {
    lines
        .iter()
        .filter_map(|line| {
            let arrow = line.windows(4).position(|part| part == b" -> ")?;
            let rest = line.get(arrow + 4..)?;
            let at = rest.windows(2).position(|pair| pair == b": ")?;
            let url = String::from_utf8(line.get(..arrow)?.to_vec()).ok()?;
            Some((url, Received { recv: stamp(rest.get(..at)?)?, message: rest.get(at + 2..)?.to_vec() }))
        })
        .collect()
}

fn stamp(text: &[u8]) -> Option<tidegate_units::EpochNs> {
    let seconds = tidegate_dialects::Dec::parse(std::str::from_utf8(text).ok()?).ok()?;
    tidegate_dialects::time::from_count(seconds, 0).ok()
}
