//! The lease as a file, for a pair on one host: who holds it, and until when by the clock both processes share.

use crate::Fault;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use tidegate_leadership::{LeaseReply, LeaseRequest, StoreOp};

/// A longer file is not one of ours.
const BYTES_MAX: u64 = 128;

/// The file, held open.
#[derive(Debug)]
pub struct LeaseFile {
    file: File,
    boot: String,
}

impl LeaseFile {
    /// Opens or makes the file, mode 0600.
    ///
    /// # Errors
    /// The file cannot be opened or made.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let failed = |e: std::io::Error| {
            Fault(format!(
                "cannot open the lease {}: {e}; name a file that this user may write",
                path.display()
            ))
        };
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir).map_err(failed)?;
        }
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        // A monotonic time of another boot says nothing.
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(failed)?;
        Ok(Self { file: file.map_err(failed)?, boot: boot.trim().to_string() })
    }

    /// Carries out one request. A file that cannot be read or written gives no answer, as a store that is away.
    pub fn ask(&mut self, now_ns: u64, request: LeaseRequest) -> Option<LeaseReply> {
        flock(&self.file, FlockOperation::NonBlockingLockExclusive).ok()?;
        let ours = self.locked(now_ns, request);
        let _ = flock(&self.file, FlockOperation::Unlock);
        ours.ok().map(|ours| LeaseReply { token: request.token, ours })
    }

    fn locked(&mut self, now_ns: u64, request: LeaseRequest) -> std::io::Result<bool> {
        let mut text = String::new();
        self.file.seek(SeekFrom::Start(0))?;
        Read::by_ref(&mut self.file).take(BYTES_MAX).read_to_string(&mut text)?;
        let held = Self::read(&text, &self.boot).filter(|(_, until)| *until > now_ns);
        let ours = held.is_none_or(|(holder, _)| holder == request.holder);
        let text = match request.op {
            StoreOp::Hold { ttl_ns } if ours => {
                format!("{} {} {}\n", self.boot, request.holder, now_ns.saturating_add(ttl_ns))
            }
            StoreOp::Release if held.is_some() && ours => String::new(),
            _ => return Ok(ours && matches!(request.op, StoreOp::Hold { .. })),
        };
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(text.as_bytes())?;
        self.file.set_len(text.len() as u64)?;
        Ok(matches!(request.op, StoreOp::Hold { .. }))
    }

    /// Holder and end of a lease of this boot; anything else is no lease.
    fn read(text: &str, boot: &str) -> Option<(u64, u64)> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        let (of, holder, until) = (words.next()?, words.next()?, words.next()?);
        (of == boot && words.next().is_none()).then_some(())?;
        Some((holder.parse().ok()?, until.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(token: u64, holder: u64) -> LeaseRequest {
        LeaseRequest { token, holder, op: StoreOp::Hold { ttl_ns: 600 } }
    }

    #[test]
    fn b082_one_holds_it_until_its_time_is_over_or_it_gives_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x/lease");
        let (mut a, mut b) = (LeaseFile::open(&path).unwrap(), LeaseFile::open(&path).unwrap());
        let yes = |token| Some(LeaseReply { token, ours: true });
        let no = |token| Some(LeaseReply { token, ours: false });
        assert_eq!(a.ask(0, hold(1, 7)), yes(1));
        assert_eq!(b.ask(599, hold(1, 8)), no(1));
        assert_eq!(a.ask(500, hold(2, 7)), yes(2), "lengthened");
        assert_eq!(b.ask(1_099, hold(2, 8)), no(2));
        assert_eq!(b.ask(1_100, hold(3, 8)), yes(3));
        assert_eq!(a.ask(1_200, LeaseRequest { token: 4, holder: 7, op: StoreOp::Release }), no(4));
        assert_eq!(a.ask(1_200, hold(5, 7)), no(5), "what is another's cannot be given back");
        b.ask(1_200, LeaseRequest { token: 4, holder: 8, op: StoreOp::Release });
        assert_eq!(a.ask(1_200, hold(6, 7)), yes(6));
    }

    #[test]
    fn another_boots_lease_and_a_damaged_file_hold_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lease");
        for text in ["other-boot 7 99999999999\n", "garbage", "7 8\n", "\n"] {
            std::fs::write(&path, text).unwrap();
            let mut lease = LeaseFile::open(&path).unwrap();
            assert_eq!(lease.ask(0, hold(1, 8)), Some(LeaseReply { token: 1, ours: true }), "{text:?}");
        }
    }

    #[test]
    fn a_file_locked_by_another_gives_no_answer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lease");
        let mut lease = LeaseFile::open(&path).unwrap();
        let other = File::open(&path).unwrap();
        flock(&other, FlockOperation::LockExclusive).unwrap();
        assert_eq!(lease.ask(0, hold(1, 8)), None);
    }
}
