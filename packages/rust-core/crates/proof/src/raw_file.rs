//! The floor of every durable bench: a file of written zeros, so that no commit changes an extent, and for each commit one
//! `pwrite` and one `fdatasync`.

use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;
use std::path::Path;

fn fault(what: &str, error: impl std::fmt::Display) -> String {
    format!("{what}: {error}")
}

/// The file; at its end it begins again.
pub(crate) struct RawFile {
    fd: OwnedFd,
    bytes: u64,
    offset: u64,
}

impl RawFile {
    /// Makes the file and writes its zeros.
    ///
    /// # Errors
    /// The file is there already, or the disk refuses it.
    pub(crate) fn create(path: &Path, bytes: u64) -> Result<Self, String> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600)).map_err(|e| fault("open", e))?;
        let zeros = vec![0; 1 << 20];
        let mut at = 0;
        while at < bytes {
            let most = zeros.len().min((bytes - at) as usize);
            at += rustix::io::pwrite(&fd, &zeros[..most], at).map_err(|e| fault("write", e))? as u64;
        }
        rustix::fs::fsync(&fd).map_err(|e| fault("sync", e))?;
        Ok(Self { fd, bytes, offset: 0 })
    }

    /// Makes `bytes` safe.
    ///
    /// # Errors
    /// The disk takes less, or refuses.
    pub(crate) fn commit(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.offset + bytes.len() as u64 > self.bytes {
            self.offset = 0;
        }
        let written = rustix::io::pwrite(&self.fd, bytes, self.offset).map_err(|e| fault("write", e))?;
        if written != bytes.len() {
            return Err(format!("write: {written} of {} bytes", bytes.len()));
        }
        self.offset += written as u64;
        rustix::fs::fdatasync(&self.fd).map_err(|e| fault("sync", e))
    }
}
