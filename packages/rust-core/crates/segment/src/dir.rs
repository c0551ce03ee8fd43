//! A real directory.

use crate::storage::{Storage, StorageError};
use crate::syncer::Syncer;
use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

const LOCK: &str = "LOCK";
/// Zeros written at once while a file is made ahead, in bytes.
const ZEROS_BYTES: usize = 256 << 10;

/// Files of one directory through the system; keeps the file being written open.
#[derive(Debug)]
pub struct DirStorage {
    dir: PathBuf,
    handle: OwnedFd,
    lock: Option<OwnedFd>,
    writing: Option<(String, Arc<OwnedFd>)>,
    syncer: Option<Syncer>,
    /// The file being made ahead: its name, and the thread that ends with it open and synced.
    making: Option<(String, JoinHandle<Result<OwnedFd, Errno>>)>,
}

/// Makes a file of written, synced zeros; what did not come to its full length is taken away at once.
fn make_zeros(dir: &OwnedFd, name: &str, len: u64) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o640))?;
    match write_zeros(&fd, len) {
        Ok(()) => Ok(fd),
        Err(errno) => {
            let _ = rustix::fs::unlinkat(dir, name, rustix::fs::AtFlags::empty());
            Err(errno)
        }
    }
}

fn write_zeros(fd: &OwnedFd, len: u64) -> Result<(), Errno> {
    let zeros = vec![0; ZEROS_BYTES];
    let mut at = 0;
    while at < len {
        let most = zeros.len().min((len - at) as usize);
        at += rustix::io::pwrite(fd, &zeros[..most], at)? as u64;
        // Piece by piece: the writer's own syncs do not queue behind the whole file.
        rustix::fs::fdatasync(fd)?;
    }
    rustix::fs::fsync(fd)
}

fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
}

impl DirStorage {
    /// Opens `dir`, making it if need be.
    ///
    /// # Errors
    /// The directory can be neither made nor opened.
    pub fn open(dir: &Path) -> Result<Self, StorageError> {
        let path = || dir.display().to_string();
        std::fs::create_dir_all(dir).map_err(|e| StorageError {
            op: "make directory",
            path: path(),
            errno: errno(&e),
        })?;
        Self::open_existing(dir)
    }

    /// Opens `dir` as it is, for a reader.
    ///
    /// # Errors
    /// The directory cannot be opened.
    pub fn open_existing(dir: &Path) -> Result<Self, StorageError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(dir, flags, Mode::empty()).map_err(|errno| StorageError {
            op: "open directory",
            path: dir.display().to_string(),
            errno,
        })?;
        Ok(Self { dir: dir.to_path_buf(), handle, lock: None, writing: None, syncer: None, making: None })
    }

    /// Waits for the file being made ahead and takes it away.
    fn unmake(&mut self) {
        if let Some((name, thread)) = self.making.take() {
            drop(thread.join());
            // It may never have come to be, or be gone with its directory.
            let _ = rustix::fs::unlinkat(&self.handle, &name, rustix::fs::AtFlags::empty());
        }
    }

    fn fail(&self, op: &'static str, name: &str, errno: Errno) -> StorageError {
        StorageError { op, path: self.path(name), errno }
    }

    fn open_at(&self, name: &str, flags: OFlags) -> Result<OwnedFd, StorageError> {
        rustix::fs::openat(&self.handle, name, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o640))
            .map_err(|e| self.fail("open", name, e))
    }

    fn writer(&mut self, name: &str) -> Result<&Arc<OwnedFd>, StorageError> {
        if self.writing.as_ref().is_none_or(|(open, _)| open != name) {
            let fd = self.open_at(name, OFlags::WRONLY)?;
            self.writing = Some((name.to_string(), Arc::new(fd)));
        }
        match &self.writing {
            Some((_, fd)) => Ok(fd),
            None => Err(self.fail("open", name, Errno::BADF)),
        }
    }
}

impl Drop for DirStorage {
    fn drop(&mut self) {
        self.unmake();
    }
}

impl Storage for DirStorage {
    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn lock(&mut self) -> Result<(), StorageError> {
        let fd = self.open_at(LOCK, OFlags::RDWR | OFlags::CREATE)?;
        rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive)
            .map_err(|e| self.fail("lock", LOCK, e))?;
        self.lock = Some(fd);
        Ok(())
    }

    fn list(&self) -> Result<Vec<String>, StorageError> {
        let fail = |e: std::io::Error| self.fail("list", "", errno(&e));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(fail)? {
            if let Ok(name) = entry.map_err(fail)?.file_name().into_string()
                && name != LOCK
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create(&mut self, name: &str, len: u64) -> Result<(), StorageError> {
        let fd = self.open_at(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
        if len > 0 {
            match rustix::fs::fallocate(&fd, FallocateFlags::empty(), 0, len) {
                Ok(()) => {}
                // A file system without reservation: the length is set, and a full disk shows at the write.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    rustix::fs::ftruncate(&fd, len).map_err(|e| self.fail("reserve space for", name, e))?;
                }
                Err(e) => return Err(self.fail("reserve space for", name, e)),
            }
        }
        self.writing = Some((name.to_string(), Arc::new(fd)));
        Ok(())
    }

    fn len(&self, name: &str) -> Result<u64, StorageError> {
        let fd = self.open_at(name, OFlags::RDONLY)?;
        let stat = rustix::fs::fstat(&fd).map_err(|e| self.fail("stat", name, e))?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    fn read(&self, name: &str, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<(), StorageError> {
        use std::os::unix::fs::FileExt;
        let file = File::from(self.open_at(name, OFlags::RDONLY)?);
        buf.clear();
        buf.resize(len, 0);
        let mut done = 0;
        while done < len {
            match file.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.fail("read", name, errno(&e))),
            }
        }
        buf.truncate(done);
        Ok(())
    }

    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let mut done = 0;
        while done < bytes.len() {
            let result = rustix::io::pwrite(&**self.writer(name)?, &bytes[done..], offset + done as u64);
            match result {
                Ok(0) => return Err(self.fail("write", name, Errno::NOSPC)),
                Ok(n) => done += n,
                Err(Errno::INTR) => {}
                Err(e) => return Err(self.fail("write", name, e)),
            }
        }
        Ok(())
    }

    fn sync(&mut self, name: &str) -> Result<(), StorageError> {
        rustix::fs::fdatasync(&**self.writer(name)?).map_err(|e| self.fail("sync", name, e))
    }

    fn sync_begin(&mut self, name: &str) -> Result<bool, StorageError> {
        let file = Arc::clone(self.writer(name)?);
        if self.syncer.is_none() {
            self.syncer = Syncer::start();
        }
        if self.syncer.as_ref().is_some_and(|syncer| syncer.begin(&file)) {
            return Ok(true);
        }
        self.sync(name).map(|()| false)
    }

    fn sync_end(&mut self, wait: bool) -> Result<bool, StorageError> {
        let Some(syncer) = &self.syncer else { return Ok(true) };
        syncer.end(wait).map(|ended| ended.is_some()).map_err(|e| {
            let name = self.writing.as_ref().map_or("", |(name, _)| name);
            self.fail("sync", name, e)
        })
    }

    fn truncate(&mut self, name: &str, len: u64) -> Result<(), StorageError> {
        rustix::fs::ftruncate(&**self.writer(name)?, len).map_err(|e| self.fail("truncate", name, e))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        rustix::fs::renameat(&self.handle, from, &self.handle, to)
            .map_err(|e| self.fail("rename", from, e))?;
        if let Some((name, _)) = &mut self.writing
            && name == from
        {
            *name = to.to_string();
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), StorageError> {
        rustix::fs::unlinkat(&self.handle, name, rustix::fs::AtFlags::empty())
            .map_err(|e| self.fail("remove", name, e))?;
        self.writing.take_if(|(open, _)| open == name);
        Ok(())
    }

    fn sync_dir(&mut self) -> Result<(), StorageError> {
        rustix::fs::fsync(&self.handle).map_err(|e| self.fail("sync directory", "", e))
    }

    fn prepare(&mut self, name: &str, len: u64) {
        self.unmake();
        let Ok(dir) = self.handle.try_clone() else { return };
        let file = name.to_string();
        let thread = std::thread::Builder::new().name("ahead".into());
        if let Ok(thread) = thread.spawn(move || make_zeros(&dir, &file, len)) {
            self.making = Some((name.to_string(), thread));
        }
    }

    fn adopt(&mut self, prepared: &str, name: &str) -> Result<bool, StorageError> {
        let Some((_, thread)) = self.making.take_if(|(made, _)| made == prepared) else { return Ok(false) };
        // Where the disk refused what was only a hint, the write that is due will say so.
        let Ok(Ok(fd)) = thread.join() else { return Ok(false) };
        rustix::fs::renameat(&self.handle, prepared, &self.handle, name)
            .map_err(|e| self.fail("rename", prepared, e))?;
        self.writing = Some((name.to_string(), Arc::new(fd)));
        Ok(true)
    }

    fn free_bytes(&self) -> Result<(u64, u64), StorageError> {
        let stat = rustix::fs::fstatvfs(&self.handle).map_err(|e| self.fail("stat", "", e))?;
        Ok((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize)))
    }
}
