//! Space on the WAL's file system that market data can never use: a file of reserved blocks, given up for orders and fills.

use crate::Fault;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

const NAME: &str = "RESERVE";

/// The reserve of one WAL folder.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    bytes: u64,
    held: bool,
}

impl Reserve {
    /// Takes the reserve over, or makes it; a disk without room for it leaves it given up.
    ///
    /// Units   `bytes`; 0 keeps no reserve
    ///
    /// # Errors
    /// The folder cannot be written for another reason than want of space.
    pub fn open(dir: &Path, bytes: u64) -> Result<Self, Fault> {
        let mut reserve = Self { path: dir.join(NAME), bytes, held: false };
        // One of another size is made anew.
        if reserve.path.metadata().is_ok_and(|found| found.len() == bytes) {
            reserve.held = true;
        } else {
            reserve.remove()?;
            reserve.acquire()?;
        }
        Ok(reserve)
    }

    /// Whether the blocks are reserved now.
    pub const fn held(&self) -> bool {
        self.held
    }

    /// Bytes others may use of `free`: what the reserve needs when it comes back is not theirs.
    pub const fn outside(&self, free: u64) -> u64 {
        if self.held { free } else { free.saturating_sub(self.bytes) }
    }

    fn remove(&mut self) -> Result<(), Fault> {
        self.held = false;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Fault(format!(
                "cannot give up {}: {error}; check the folder's owner",
                self.path.display()
            ))),
            _ => Ok(()),
        }
    }

    /// Gives the blocks up; whether there were any to give.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn release(&mut self) -> Result<bool, Fault> {
        let had = self.held;
        if had {
            self.remove()?;
        }
        Ok(had)
    }

    /// Reserves the blocks again; whether they are.
    ///
    /// # Errors
    /// The file cannot be made for another reason than want of space.
    pub fn acquire(&mut self) -> Result<bool, Fault> {
        if self.held || self.bytes == 0 {
            self.held = self.bytes > 0;
            return Ok(true);
        }
        let made = rustix::fs::open(
            &self.path,
            OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC,
            Mode::from_raw_mode(0o640),
        )
        .and_then(|fd| rustix::fs::fallocate(&fd, FallocateFlags::empty(), 0, self.bytes));
        match made {
            Ok(()) => self.held = true,
            Err(Errno::NOSPC | Errno::DQUOT) => self.remove()?,
            Err(error) => {
                let path = self.path.display();
                return Err(Fault(format!(
                    "cannot reserve {} bytes in {path}: {error}; use a file system that can, or reserveBytes 0",
                    self.bytes
                )));
            }
        }
        Ok(self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a32_the_reserve_is_real_blocks_and_comes_back_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut reserve = Reserve::open(dir.path(), 1 << 20).unwrap();
        let blocks = || {
            use std::os::unix::fs::MetadataExt as _;
            std::fs::metadata(dir.path().join(NAME)).map_or(0, |found| found.blocks() * 512)
        };
        assert!(reserve.held() && blocks() >= 1 << 20, "{}", blocks());
        assert_eq!(reserve.outside(5 << 20), 5 << 20);
        assert!(reserve.release().unwrap() && !reserve.release().unwrap() && blocks() == 0);
        assert_eq!(reserve.outside(5 << 20), 4 << 20, "what it needs to come back is not free");
        assert!(reserve.acquire().unwrap());
        assert!(Reserve::open(dir.path(), 1 << 20).unwrap().held());
        assert_eq!(Reserve::open(dir.path(), 2 << 20).map(|_| blocks() >> 20).unwrap(), 2, "another size");
        let none = Reserve::open(&dir.path().join("none"), 0).unwrap();
        assert_eq!((none.held(), none.outside(7)), (false, 7));
    }
}
