//! NASDAQ TotalView-ITCH 5.0: binary messages, big-endian, each preceded by two bytes of length.
//!
//! Some recordings carry 0 as the length; the size then follows from the message type. Source: Nasdaq TotalView-ITCH 5.0
//! specification, section 4.

use crate::fault::{Fault, Kind};
use crate::source::{Source, open};
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use tidegate_units::Side;

/// One message that touches an order, and the name of any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// `A` and `F`: a new order. `px` in 1e-4 dollars.
    Add { attributed: bool, order: u64, side: Side, qty: u32, stock: [u8; 8], px: u32 },
    /// `E` and `C`: part of an order was executed; `px` where it was not the order's own.
    Execute { order: u64, qty: u32, px: Option<u32> },
    /// `X`: part of an order was taken back.
    Reduce { order: u64, qty: u32 },
    /// `D`: an order was deleted.
    Delete { order: u64 },
    /// `U`: an order was replaced by another of the same side and stock.
    Replace { order: u64, by: u64, qty: u32, px: u32 },
    /// `P`: an execution against a hidden order.
    Trade { side: Side, qty: u32, stock: [u8; 8], px: u32 },
    /// Any other, by its type.
    Other,
}

/// A message with what all of them carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    pub kind: u8,
    pub locate: u16,
    /// Nanoseconds after midnight.
    pub ts_ns: u64,
    pub message: Message,
}

/// The messages of one file.
pub struct Itch {
    source: Source,
    file: PathBuf,
    at: u64,
}

impl std::fmt::Debug for Itch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Itch").field("file", &self.file).field("at", &self.at).finish_non_exhaustive()
    }
}

const REMEDY: &str = "want a TotalView-ITCH 5.0 file";
const MESSAGE_BYTES_MAX: usize = 50;

/// Size of a message without the two bytes before it.
fn size(kind: u8) -> Option<usize> {
    Some(match kind {
        b'S' | b'W' => 12,
        b'R' => 39,
        b'H' => 25,
        b'Y' | b'N' => 20,
        b'L' => 26,
        b'V' | b'J' | b'U' => 35,
        b'K' => 28,
        b'h' => 21,
        b'A' | b'C' => 36,
        b'F' | b'Q' => 40,
        b'E' => 31,
        b'X' => 23,
        b'D' | b'B' => 19,
        b'P' => 44,
        b'I' => MESSAGE_BYTES_MAX,
        b'O' => 48,
        _ => return None,
    })
}

impl Itch {
    /// Opens a plain or packed file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        Ok(Self { source: open(path)?, file: path.to_path_buf(), at: 0 })
    }

    /// Number of the message given last, from 1.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next message, or none at the end.
    ///
    /// # Errors
    /// A damaged file, one that ends inside a message, a type that the specification does not have.
    pub fn next_message(&mut self) -> Result<Option<Timed>, Fault> {
        self.at += 1;
        let cut = |error: &std::io::Error| Fault::io(&self.file, self.at, error);
        if self.source.fill_buf().map_err(|error| cut(&error))?.is_empty() {
            return Ok(None);
        }
        let mut head = [0_u8; 3];
        self.source.read_exact(&mut head).map_err(|error| cut(&error))?;
        let [high, low, kind] = head;
        let stated = usize::from(u16::from_be_bytes([high, low]));
        let malformed = |what: String| Fault::new(Kind::Malformed, &self.file, self.at, what, REMEDY);
        let length = size(kind).ok_or_else(|| malformed(format!("no message has type {kind:#04x}")))?;
        if stated != 0 && stated != length {
            return Err(malformed(format!("a message of type {} with {stated} bytes", char::from(kind))));
        }
        let mut buffer = [0_u8; MESSAGE_BYTES_MAX];
        if let Some(first) = buffer.first_mut() {
            *first = kind;
        }
        let rest = buffer.get_mut(1..length).unwrap_or_default();
        self.source.read_exact(rest).map_err(|error| cut(&error))?;
        let bytes = buffer.get(..length).unwrap_or_default();
        parse(bytes).map(Some).ok_or_else(|| malformed(format!("a bad message of type {}", char::from(kind))))
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn side(byte: Option<&u8>) -> Option<Side> {
    match byte? {
        b'B' => Some(Side::Buy),
        b'S' => Some(Side::Sell),
        _ => None,
    }
}

fn parse(bytes: &[u8]) -> Option<Timed> {
    let u32_at = |at| array(bytes, at).map(u32::from_be_bytes);
    let u64_at = |at| array(bytes, at).map(u64::from_be_bytes);
    let kind = *bytes.first()?;
    let [a, b, c, d, e, f] = array(bytes, 5)?;
    let message = match kind {
        b'A' | b'F' => Message::Add {
            attributed: kind == b'F',
            order: u64_at(11)?,
            side: side(bytes.get(19))?,
            qty: u32_at(20)?,
            stock: array(bytes, 24)?,
            px: u32_at(32)?,
        },
        b'E' => Message::Execute { order: u64_at(11)?, qty: u32_at(19)?, px: None },
        b'C' => Message::Execute { order: u64_at(11)?, qty: u32_at(19)?, px: Some(u32_at(32)?) },
        b'X' => Message::Reduce { order: u64_at(11)?, qty: u32_at(19)? },
        b'D' => Message::Delete { order: u64_at(11)? },
        b'U' => Message::Replace { order: u64_at(11)?, by: u64_at(19)?, qty: u32_at(27)?, px: u32_at(31)? },
        b'P' => Message::Trade {
            side: side(bytes.get(19))?,
            qty: u32_at(20)?,
            stock: array(bytes, 24)?,
            px: u32_at(32)?,
        },
        _ => Message::Other,
    };
    Some(Timed {
        kind,
        locate: array(bytes, 1).map(u16::from_be_bytes)?,
        ts_ns: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn add() -> Vec<u8> {
        let mut bytes = vec![0, 0, b'A', 0, 7, 0, 0, 0, 0, 0, 0, 0x30, 0x39];
        bytes.extend(99_u64.to_be_bytes());
        bytes.push(b'S');
        bytes.extend(500_u32.to_be_bytes());
        bytes.extend(b"ALC     ");
        bytes.extend(1_234_500_u32.to_be_bytes());
        bytes
    }

    fn first(bytes: &[u8]) -> Result<Option<Timed>, Kind> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        Itch::open(file.path()).and_then(|mut itch| itch.next_message()).map_err(|fault| fault.kind)
    }

    #[test]
    fn an_order_is_read_with_and_without_a_stated_length() {
        let message = Message::Add {
            attributed: false,
            order: 99,
            side: Side::Sell,
            qty: 500,
            stock: *b"ALC     ",
            px: 1_234_500,
        };
        let want = Timed { kind: b'A', locate: 7, ts_ns: 12_345, message };
        assert_eq!(first(&add()), Ok(Some(want)));
        let mut stated = add();
        stated[1] = 36;
        assert_eq!(first(&stated), Ok(Some(want)));
        stated[1] = 35;
        assert_eq!(first(&stated), Err(Kind::Malformed));
    }

    #[test]
    fn what_is_cut_or_unknown_is_named() {
        for cut in 1..add().len() {
            assert_eq!(first(&add()[..cut]), Err(Kind::Truncated), "{cut}");
        }
        let mut unknown = add();
        unknown[2] = b'?';
        assert_eq!(first(&unknown), Err(Kind::Malformed));
        let mut no_side = add();
        no_side[21] = b'Z';
        assert_eq!((first(&no_side), first(&[])), (Err(Kind::Malformed), Ok(None)));
    }
}
