//! What is wrong with a file: where, what, and the remedy.

use std::fmt;
use std::path::{Path, PathBuf};

/// The kinds a caller may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Cannot be opened or read.
    Io,
    /// The file ends in the middle of something: a compressed block, a record, a line.
    Truncated,
    /// A line or record beyond its bound of [`crate::limits`].
    TooLong,
    /// Bytes that are no valid file of the format.
    Malformed,
    /// A version or kind of record that no reader here knows.
    Unsupported,
}

/// An error of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    pub file: PathBuf,
    /// Line or record, from 1; 0 where it concerns the file as a whole.
    pub at: u64,
    pub what: String,
    pub remedy: &'static str,
}

impl Fault {
    /// A fault at a line or record of a file.
    pub fn new(kind: Kind, file: &Path, at: u64, what: impl Into<String>, remedy: &'static str) -> Self {
        Self { kind, file: file.to_path_buf(), at, what: what.into(), remedy }
    }

    /// A failed read: an early end is [`Kind::Truncated`], damaged compression [`Kind::Malformed`].
    pub fn io(file: &Path, at: u64, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as E;
        let (kind, remedy) = match error.kind() {
            E::UnexpectedEof => (Kind::Truncated, "fetch the file again: its end is missing"),
            E::InvalidData | E::InvalidInput | E::Other | E::OutOfMemory => {
                (Kind::Malformed, "fetch the file again and compare its checksum")
            }
            _ => (Kind::Io, "check the path and that the file may be read"),
        };
        Self::new(kind, file, at, error.to_string(), remedy)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.at > 0 {
            write!(f, ":{}", self.at)?;
        }
        write!(f, ": {:?}: {}; {}", self.kind, self.what, self.remedy)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}
