//! What the log needs of a disk, so that a test can be the disk.

use rustix::io::Errno;
use std::fmt;

/// One operation the disk refused: which, where and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageError {
    /// The operation, as a verb: "write", "sync", "create".
    pub op: &'static str,
    /// The file or directory.
    pub path: String,
    /// The system's reason.
    pub errno: Errno,
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.op, self.path, self.errno)
    }
}

impl std::error::Error for StorageError {}

/// One directory of plain files.
///
/// Shape   names hold no separator; offsets and lengths in bytes
/// Errors  each call returns the system's first error; a failed write may have changed any part of its range
pub trait Storage: fmt::Debug {
    /// The path of `name` for messages.
    fn path(&self, name: &str) -> String;
    /// Takes the single-writer lock for as long as this value lives; `AGAIN` when another holds it.
    fn lock(&mut self) -> Result<(), StorageError>;
    /// The names of all files, sorted.
    fn list(&self) -> Result<Vec<String>, StorageError>;
    /// Makes a new file of `len` zero bytes whose blocks are reserved; fails if it exists.
    fn create(&mut self, name: &str, len: u64) -> Result<(), StorageError>;
    /// Length of a file.
    fn len(&self, name: &str) -> Result<u64, StorageError>;
    /// Reads up to `len` bytes at `offset` into `buf` (replacing what it held); short only at the end of the file.
    fn read(&self, name: &str, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<(), StorageError>;
    /// Writes all of `bytes` at `offset`; afterwards they survive the death of this process.
    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), StorageError>;
    /// Makes what was written to the file survive a power cut.
    fn sync(&mut self, name: &str) -> Result<(), StorageError>;
    /// Begins a sync of what was written to the file so far, beside the caller's work; at most [`SYNCS_MAX`] are under way, and
    /// they end in the order they began. False where it is done already, as where there is nothing to do it beside.
    ///
    /// [`SYNCS_MAX`]: crate::limits::SYNCS_MAX
    fn sync_begin(&mut self, name: &str) -> Result<bool, StorageError> {
        self.sync(name).map(|()| false)
    }
    /// Whether the oldest sync under way has ended, and how; waits for it where `wait`. Call it only while one is.
    fn sync_end(&mut self, wait: bool) -> Result<bool, StorageError> {
        let _ = wait;
        Ok(true)
    }
    /// Cuts a file.
    fn truncate(&mut self, name: &str, len: u64) -> Result<(), StorageError>;
    /// Renames a file, replacing the target.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError>;
    /// Removes a file.
    fn remove(&mut self, name: &str) -> Result<(), StorageError>;
    /// Makes creations, renames and removals survive a power cut.
    fn sync_dir(&mut self) -> Result<(), StorageError>;
    /// Begins to make a file of `len` written zeros beside the caller's work, so that it is there when it is needed: the first
    /// write into a block that was only reserved costs a change of the file system's own log. A hint, without errors.
    fn prepare(&mut self, name: &str, len: u64) {
        let _ = (name, len);
    }
    /// Gives the file `prepare` made the name it is needed under; false when none is ready.
    fn adopt(&mut self, prepared: &str, name: &str) -> Result<bool, StorageError> {
        let _ = (prepared, name);
        Ok(false)
    }
    /// Bytes an unprivileged writer may still use on this file system, and its size.
    fn free_bytes(&self) -> Result<(u64, u64), StorageError>;
}
