//! Why a log cannot be opened, written or read: what, where, and what to do.

use crate::storage::StorageError;
use rustix::io::Errno;
use std::fmt;

/// A fault of the log. After one from `append` or `commit` the writer is poisoned: what was not acknowledged may or may not be
/// on disk, and only opening the log again tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFault {
    /// The disk refused an operation.
    Io(StorageError),
    /// The file system has no room left.
    DiskFull { op: &'static str, path: String },
    /// Another writer holds the directory.
    Locked { path: String },
    /// Bytes that no crash of ours can leave behind: damaged, missing or foreign.
    Damaged { path: String, offset: u64, what: String },
    /// A record that no segment of this log can hold.
    RecordTooLarge { bytes: usize, bytes_max: usize },
    /// A record kind that is kept for the log's own use.
    KindReserved { kind: u8 },
    /// A setting out of its range.
    Config(String),
    /// An earlier write or sync failed, with this text.
    Poisoned(String),
}

impl From<StorageError> for LogFault {
    fn from(error: StorageError) -> Self {
        match error.errno {
            Errno::NOSPC | Errno::DQUOT => Self::DiskFull { op: error.op, path: error.path },
            Errno::AGAIN if error.op == "lock" => Self::Locked { path: error.path },
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for LogFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => {
                write!(f, "{error}; nothing more is acknowledged: check the disk, then restart to recover")
            }
            Self::DiskFull { op, path } => {
                write!(
                    f,
                    "cannot {op} {path}: the disk is full; free space on its file system or move the run directory, then restart"
                )
            }
            Self::Locked { path } => {
                write!(
                    f,
                    "cannot lock {path}: another process writes this log; stop it or use another run directory"
                )
            }
            Self::Damaged { path, offset, what } => write!(
                f,
                "cannot trust {path} at byte {offset}: {what}; keep the file, restore the directory from a copy or start with an empty one"
            ),
            Self::RecordTooLarge { bytes, bytes_max } => {
                write!(f, "cannot append a record of {bytes} bytes: at most {bytes_max} fit")
            }
            Self::KindReserved { kind } => {
                write!(f, "cannot append a record of kind {kind}: 1 to 249 are for users")
            }
            Self::Config(text) => write!(f, "cannot open the log: {text}"),
            Self::Poisoned(text) => write!(f, "the log takes no more records since: {text}"),
        }
    }
}

impl std::error::Error for LogFault {}
