//! A disk that forgets what was not synced, tears what it was writing, fails, fills up and rots.

use crate::rng::Rng;
use rustix::io::Errno;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tidegate_segment::{Storage, StorageError};

/// Bytes a device writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// How an operation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    Eio,
    Enospc,
    ShortWrite,
    /// The process dies at it: before, half-way or after.
    Kill(u8),
}

#[derive(Debug, Clone, Default)]
struct File {
    data: Vec<u8>,
    /// Sectors changed since the last sync, as they were then.
    dirty: BTreeMap<u32, [u8; SECTOR_BYTES]>,
    written: usize,
}

#[derive(Debug, Clone, Default)]
struct Inner {
    files: BTreeMap<String, File>,
    durable_names: BTreeSet<String>,
    renamed: Vec<(String, String)>,
    locked: bool,
    mishap: Option<(u32, Mishap)>,
    killed: bool,
    failed: bool,
    lies: bool,
}

/// A handle on one simulated disk; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct Disk(Rc<RefCell<Inner>>);

/// The handle a log owns: it gives the lock back when it goes.
#[derive(Debug)]
pub struct Mount {
    disk: Disk,
    locks: bool,
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.locks {
            self.disk.0.borrow_mut().locked = false;
        }
    }
}

impl Disk {
    /// The disk as a log takes it.
    pub fn mount(&self) -> Mount {
        Mount { disk: self.clone(), locks: false }
    }

    /// Makes the `op`-th changing operation from now (0 = the next) go wrong.
    pub fn plan(&self, op: u32, mishap: Mishap) {
        self.0.borrow_mut().mishap = Some((op, mishap));
    }

    /// From now on a sync says it is done and does nothing: what the checkers must notice.
    pub fn set_lies(&self) {
        self.0.borrow_mut().lies = true;
    }

    /// Whether a planned death has come. Asking takes it.
    pub fn take_killed(&self) -> bool {
        std::mem::take(&mut self.0.borrow_mut().killed)
    }

    /// Whether an operation has failed since the last call.
    pub fn take_failed(&self) -> bool {
        std::mem::take(&mut self.0.borrow_mut().failed)
    }

    /// Sectors that a power cut could take.
    pub fn dirty(&self) -> usize {
        self.0.borrow().files.values().map(|f| f.dirty.len()).sum()
    }

    /// The process died: its lock is free, a planned mishap is void.
    pub fn released(&self) {
        let mut disk = self.0.borrow_mut();
        disk.locked = false;
        disk.mishap = None;
    }

    /// A planned mishap does not come any more.
    pub fn released_mishap(&self) {
        self.0.borrow_mut().mishap = None;
    }

    /// The power went: of what was not synced any sectors are there, and directory changes since their sync all or none.
    pub fn power_cut(&self, rng: &mut Rng) {
        let disk = &mut *self.0.borrow_mut();
        for file in disk.files.values_mut() {
            for (sector, old) in std::mem::take(&mut file.dirty) {
                if rng.chance(500_000) {
                    let at = sector as usize * SECTOR_BYTES;
                    let end = (at + SECTOR_BYTES).min(file.data.len());
                    file.data[at..end].copy_from_slice(&old[..end - at]);
                }
            }
        }
        if rng.chance(500_000) {
            for (from, to) in disk.renamed.iter().rev() {
                if let Some(file) = disk.files.remove(to) {
                    disk.files.insert(from.clone(), file);
                }
            }
            let durable = &disk.durable_names;
            disk.files.retain(|name, _| durable.contains(name));
        }
        disk.durable_names = disk.files.keys().cloned().collect();
        disk.renamed.clear();
    }

    /// Flips one bit of what was written. False on an empty disk.
    pub fn rot(&self, rng: &mut Rng) -> bool {
        let disk = &mut *self.0.borrow_mut();
        let names: Vec<String> =
            disk.files.iter().filter(|(_, f)| f.written > 0).map(|(name, _)| name.clone()).collect();
        let Some(file) = rng.pick(&names).and_then(|name| disk.files.get_mut(name)) else { return false };
        let bit = rng.below(file.written as u64 * 8);
        file.data[(bit / 8) as usize] ^= 1 << (bit % 8);
        true
    }

    /// A copy as it is now.
    pub fn copied(&self) -> Self {
        let mut inner = self.0.borrow().clone();
        inner.locked = false;
        Self(Rc::new(RefCell::new(inner)))
    }

    fn strike(&self, op: &'static str, name: &str) -> Result<Option<Mishap>, StorageError> {
        let disk = &mut *self.0.borrow_mut();
        let fail = |errno| Err(StorageError { op, path: name.to_string(), errno });
        let Some((left, mishap)) = disk.mishap else { return Ok(None) };
        if left > 0 {
            disk.mishap = Some((left - 1, mishap));
            return Ok(None);
        }
        disk.mishap = None;
        disk.failed = true;
        match mishap {
            Mishap::Eio => fail(Errno::IO),
            Mishap::Enospc => fail(Errno::NOSPC),
            Mishap::Kill(0) => {
                disk.killed = true;
                fail(Errno::IO)
            }
            Mishap::Kill(_) => {
                disk.killed = true;
                Ok(Some(mishap))
            }
            Mishap::ShortWrite => Ok(Some(mishap)),
        }
    }

    fn after(&self, op: &'static str, name: &str, mishap: Option<Mishap>) -> Result<(), StorageError> {
        match mishap {
            None => Ok(()),
            Some(Mishap::ShortWrite) => Err(StorageError { op, path: name.to_string(), errno: Errno::NOSPC }),
            Some(_) => Err(StorageError { op, path: name.to_string(), errno: Errno::IO }),
        }
    }
}

impl Storage for Mount {
    fn path(&self, name: &str) -> String {
        format!("simulated/{name}")
    }

    fn lock(&mut self) -> Result<(), StorageError> {
        let mut disk = self.disk.0.borrow_mut();
        if disk.locked {
            return Err(StorageError { op: "lock", path: "simulated/LOCK".into(), errno: Errno::AGAIN });
        }
        disk.locked = true;
        drop(disk);
        self.locks = true;
        Ok(())
    }

    fn list(&self) -> Result<Vec<String>, StorageError> {
        Ok(self.disk.0.borrow().files.keys().cloned().collect())
    }

    fn create(&mut self, name: &str, len: u64) -> Result<(), StorageError> {
        let mishap = self.disk.strike("create", name)?;
        let mut disk = self.disk.0.borrow_mut();
        if disk.files.contains_key(name) {
            return Err(StorageError { op: "create", path: name.into(), errno: Errno::EXIST });
        }
        disk.files.insert(name.into(), File { data: vec![0; len as usize], ..File::default() });
        drop(disk);
        self.disk.after("create", name, mishap)
    }

    fn len(&self, name: &str) -> Result<u64, StorageError> {
        let disk = self.disk.0.borrow();
        disk.files.get(name).map(|f| f.data.len() as u64).ok_or_else(|| missing("stat", name))
    }

    fn read(&self, name: &str, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<(), StorageError> {
        let disk = self.disk.0.borrow();
        let data = &disk.files.get(name).ok_or_else(|| missing("read", name))?.data;
        let from = (offset as usize).min(data.len());
        buf.clear();
        buf.extend_from_slice(&data[from..(from + len).min(data.len())]);
        Ok(())
    }

    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let mishap = self.disk.strike("write", name)?;
        let bytes = match mishap {
            Some(Mishap::ShortWrite | Mishap::Kill(1)) => &bytes[..bytes.len() / 2],
            _ => bytes,
        };
        {
            let disk = &mut *self.disk.0.borrow_mut();
            let file = disk.files.get_mut(name).ok_or_else(|| missing("write", name))?;
            let at = offset as usize;
            let end = at + bytes.len();
            if end > file.data.len() {
                file.data.resize(end, 0);
            }
            for sector in at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
                let from = sector * SECTOR_BYTES;
                let data = &file.data;
                file.dirty.entry(sector as u32).or_insert_with(|| {
                    let mut old = [0; SECTOR_BYTES];
                    let to = (from + SECTOR_BYTES).min(data.len());
                    old[..to - from].copy_from_slice(&data[from..to]);
                    old
                });
            }
            file.data[at..end].copy_from_slice(bytes);
            file.written = file.written.max(end);
        }
        self.disk.after("write", name, mishap)
    }

    fn sync(&mut self, name: &str) -> Result<(), StorageError> {
        let mishap = self.disk.strike("sync", name)?;
        if mishap != Some(Mishap::Kill(1)) {
            let mut disk = self.disk.0.borrow_mut();
            let lies = disk.lies;
            let file = disk.files.get_mut(name).ok_or_else(|| missing("sync", name))?;
            if !lies {
                file.dirty.clear();
            }
        }
        self.disk.after("sync", name, mishap)
    }

    fn truncate(&mut self, name: &str, len: u64) -> Result<(), StorageError> {
        let mishap = self.disk.strike("truncate", name)?;
        let mut disk = self.disk.0.borrow_mut();
        disk.files.get_mut(name).ok_or_else(|| missing("truncate", name))?.data.truncate(len as usize);
        drop(disk);
        self.disk.after("truncate", name, mishap)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        let mishap = self.disk.strike("rename", from)?;
        let mut disk = self.disk.0.borrow_mut();
        let file = disk.files.remove(from).ok_or_else(|| missing("rename", from))?;
        disk.files.insert(to.into(), file);
        disk.renamed.push((from.into(), to.into()));
        drop(disk);
        self.disk.after("rename", from, mishap)
    }

    fn remove(&mut self, name: &str) -> Result<(), StorageError> {
        let mishap = self.disk.strike("remove", name)?;
        self.disk.0.borrow_mut().files.remove(name).ok_or_else(|| missing("remove", name))?;
        self.disk.after("remove", name, mishap)
    }

    fn sync_dir(&mut self) -> Result<(), StorageError> {
        self.disk.strike("sync directory", "")?;
        let disk = &mut *self.disk.0.borrow_mut();
        disk.durable_names = disk.files.keys().cloned().collect();
        disk.renamed.clear();
        Ok(())
    }

    fn free_bytes(&self) -> Result<(u64, u64), StorageError> {
        Ok((1 << 40, 1 << 40))
    }
}

fn missing(op: &'static str, name: &str) -> StorageError {
    StorageError { op, path: name.to_string(), errno: Errno::NOENT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_cut_takes_only_what_was_not_synced() {
        for seed in 0..50 {
            let disk = Disk::default();
            let mut mount = disk.mount();
            mount.create("a", 4_096).unwrap();
            mount.sync_dir().unwrap();
            mount.write("a", 0, &[1; 1_024]).unwrap();
            mount.sync("a").unwrap();
            mount.write("a", 512, &[2; 1_024]).unwrap();
            assert_eq!(disk.dirty(), 2);
            disk.power_cut(&mut Rng::new(seed));
            let mut bytes = Vec::new();
            mount.read("a", 0, 4_096, &mut bytes).unwrap();
            assert_eq!(bytes[..512], [1; 512]);
            assert!([[1_u8; 512], [2; 512]].iter().any(|want| bytes[512..1_024] == *want));
            assert!([[0_u8; 512], [2; 512]].iter().any(|want| bytes[1_024..1_536] == *want));
            assert_eq!(disk.dirty(), 0);
        }
    }

    #[test]
    fn mishaps_come_at_their_operation() {
        let disk = Disk::default();
        let mut mount = disk.mount();
        mount.create("a", 4_096).unwrap();
        disk.plan(1, Mishap::Eio);
        mount.write("a", 0, &[1]).unwrap();
        assert_eq!(mount.write("a", 0, &[2]).unwrap_err().errno, Errno::IO);
        assert!(disk.take_failed() && !disk.take_killed());
        disk.plan(0, Mishap::Kill(2));
        mount.write("a", 0, &[3]).unwrap_err();
        assert!(disk.take_killed());
        let mut bytes = Vec::new();
        mount.read("a", 0, 1, &mut bytes).unwrap();
        assert_eq!(bytes, [3], "it died after the write");
    }
}
