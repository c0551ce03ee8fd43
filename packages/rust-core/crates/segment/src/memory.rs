//! A disk in memory that fails where it is told to.

use crate::storage::{Storage, StorageError};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes a device writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// How the chosen operation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// The process dies before the operation has effect.
    KillBefore,
    /// The process dies with half of a write done.
    KillMid,
    /// The process dies just after the operation.
    KillAfter,
    /// The operation fails with an input/output error and has no effect.
    Eio,
    /// The operation fails for want of space and has no effect.
    Enospc,
    /// Half of a write is done, then it fails for want of space.
    ShortWrite,
}

/// What the machine loses when the run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The process died: whatever was written is there.
    Process,
    /// The power went: of what was not synced any sectors may be there, chosen by the seed.
    Power { seed: u64 },
}

#[derive(Debug, Clone, Default)]
struct MemFile {
    data: Vec<u8>,
    durable: Vec<u8>,
}

/// A sync that was begun: the file as it was then, or the error that is told at its end.
#[derive(Debug)]
struct Begun {
    name: String,
    outcome: Result<Vec<u8>, StorageError>,
}

#[derive(Debug, Default)]
struct Disk {
    files: BTreeMap<String, MemFile>,
    syncs: VecDeque<Begun>,
    /// The names as of the last sync of the directory, each with the name it had been made under.
    durable_names: BTreeSet<String>,
    renamed: Vec<(String, String)>,
    locked: bool,
    ops: u64,
    mishap: Option<(u64, Mishap)>,
    dead: bool,
    capacity: Option<u64>,
    sync_lies: bool,
}

/// A shared handle on one simulated disk. Clones see the same disk, so that a test keeps one while a log owns another.
#[derive(Debug, Default)]
pub struct MemStorage {
    disk: Arc<Mutex<Disk>>,
    holds_lock: bool,
}

impl Clone for MemStorage {
    fn clone(&self) -> Self {
        Self { disk: Arc::clone(&self.disk), holds_lock: false }
    }
}

impl Drop for MemStorage {
    fn drop(&mut self) {
        if self.holds_lock {
            self.disk().locked = false;
        }
    }
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

enum Go {
    Whole,
    Half(Errno),
    WholeThenDie,
}

impl MemStorage {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the `op`-th changing operation from now (1 = the next) go wrong.
    pub fn plan(&self, op: u64, mishap: Mishap) {
        let mut disk = self.disk();
        disk.mishap = Some((disk.ops + op, mishap));
    }

    /// Bounds the sum of the lengths of all files, in bytes.
    pub fn set_capacity(&self, bytes: u64) {
        self.disk().capacity = Some(bytes);
    }

    /// From now on a sync says it is done and does nothing: what a checker of durability must notice.
    pub fn set_sync_lies(&self) {
        self.disk().sync_lies = true;
    }

    /// Changing operations so far.
    pub fn ops(&self) -> u64 {
        self.disk().ops
    }

    /// Whether a planned mishap has come.
    pub fn struck(&self) -> bool {
        let disk = self.disk();
        disk.mishap.is_some_and(|(at, _)| disk.ops >= at)
    }

    /// The machine after the crash: a new disk with what survived.
    pub fn after(&self, crash: Crash) -> Self {
        let disk = self.disk();
        let mut files = disk.files.clone();
        if let Crash::Power { seed } = crash {
            for (number, (name, file)) in files.iter_mut().enumerate() {
                file.durable.resize(file.durable.len().max(file.data.len()), 0);
                file.data.resize(file.durable.len(), 0);
                for (sector, (new, old)) in
                    file.data.chunks_mut(SECTOR_BYTES).zip(file.durable.chunks(SECTOR_BYTES)).enumerate()
                {
                    if new != old && mix(seed ^ mix((number as u64) << 32 | sector as u64)) & 1 == 0 {
                        new.copy_from_slice(old);
                    }
                }
                let _ = name;
            }
            // Directory changes since the last sync are kept or lost together.
            if mix(seed) & 1 == 0 {
                for (from, to) in disk.renamed.iter().rev() {
                    if let Some(file) = files.remove(to) {
                        files.insert(from.clone(), file);
                    }
                }
                files.retain(|name, _| disk.durable_names.contains(name));
            }
        }
        // After the death of the process alone, what was not synced still is not.
        let (durable_names, renamed) = match crash {
            Crash::Process => (disk.durable_names.clone(), disk.renamed.clone()),
            Crash::Power { .. } => {
                for file in files.values_mut() {
                    file.durable = file.data.clone();
                }
                (files.keys().cloned().collect(), Vec::new())
            }
        };
        let capacity = disk.capacity;
        Self {
            disk: Arc::new(Mutex::new(Disk { files, durable_names, renamed, capacity, ..Disk::default() })),
            holds_lock: false,
        }
    }

    /// Changes the bytes of a file in place, as a failing medium would.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(file) = self.disk().files.get_mut(name) {
            change(&mut file.data);
        }
    }

    fn begin(&self, op: &'static str, name: &str) -> Result<Go, StorageError> {
        let mut disk = self.disk();
        let fail = |errno| StorageError { op, path: name.to_string(), errno };
        if disk.dead {
            return Err(fail(Errno::IO));
        }
        disk.ops += 1;
        let Some((_, mishap)) = disk.mishap.filter(|(at, _)| *at == disk.ops) else { return Ok(Go::Whole) };
        disk.dead = matches!(mishap, Mishap::KillBefore | Mishap::KillMid | Mishap::KillAfter);
        match mishap {
            Mishap::KillBefore | Mishap::Eio => Err(fail(Errno::IO)),
            Mishap::Enospc => Err(fail(Errno::NOSPC)),
            Mishap::KillMid => Ok(Go::Half(Errno::IO)),
            Mishap::ShortWrite => Ok(Go::Half(Errno::NOSPC)),
            Mishap::KillAfter => Ok(Go::WholeThenDie),
        }
    }

    /// Runs a change that cannot be done by half.
    fn change<T>(
        &self,
        op: &'static str,
        name: &str,
        act: impl FnOnce(&mut Disk) -> Result<T, Errno>,
    ) -> Result<T, StorageError> {
        let fail = |errno| StorageError { op, path: name.to_string(), errno };
        match self.begin(op, name)? {
            Go::Half(errno) => Err(fail(errno)),
            Go::Whole => act(&mut self.disk()).map_err(fail),
            Go::WholeThenDie => {
                act(&mut self.disk()).map_err(fail)?;
                Err(fail(Errno::IO))
            }
        }
    }
}

fn find<'a>(disk: &'a mut Disk, name: &str) -> Result<&'a mut MemFile, Errno> {
    disk.files.get_mut(name).ok_or(Errno::NOENT)
}

fn fits(disk: &Disk, name: &str, len: usize) -> Result<(), Errno> {
    let others: usize = disk.files.iter().filter(|(n, _)| *n != name).map(|(_, f)| f.data.len()).sum();
    let fits = disk.capacity.is_none_or(|capacity| (others + len) as u64 <= capacity);
    if fits { Ok(()) } else { Err(Errno::NOSPC) }
}

fn write_into(disk: &mut Disk, name: &str, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
    let end = offset as usize + bytes.len();
    let len = find(disk, name)?.data.len().max(end);
    fits(disk, name, len)?;
    let data = &mut find(disk, name)?.data;
    data.resize(len, 0);
    data[offset as usize..end].copy_from_slice(bytes);
    Ok(())
}

impl Storage for MemStorage {
    fn path(&self, name: &str) -> String {
        format!("memory/{name}")
    }

    fn lock(&mut self) -> Result<(), StorageError> {
        {
            let mut disk = self.disk();
            if disk.locked {
                return Err(StorageError { op: "lock", path: self.path("LOCK"), errno: Errno::AGAIN });
            }
            disk.locked = true;
        }
        self.holds_lock = true;
        Ok(())
    }

    fn list(&self) -> Result<Vec<String>, StorageError> {
        Ok(self.disk().files.keys().cloned().collect())
    }

    fn create(&mut self, name: &str, len: u64) -> Result<(), StorageError> {
        self.change("create", name, |disk| {
            if disk.files.contains_key(name) {
                return Err(Errno::EXIST);
            }
            fits(disk, name, len as usize)?;
            let zeros = vec![0; len as usize];
            disk.files.insert(name.into(), MemFile { data: zeros.clone(), durable: zeros });
            Ok(())
        })
    }

    fn len(&self, name: &str) -> Result<u64, StorageError> {
        let fail = |errno| StorageError { op: "stat", path: name.to_string(), errno };
        find(&mut self.disk(), name).map(|f| f.data.len() as u64).map_err(fail)
    }

    fn read(&self, name: &str, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<(), StorageError> {
        let mut disk = self.disk();
        let fail = |errno| StorageError { op: "read", path: name.to_string(), errno };
        let data = &find(&mut disk, name).map_err(fail)?.data;
        let from = (offset as usize).min(data.len());
        buf.clear();
        buf.extend_from_slice(&data[from..(from + len).min(data.len())]);
        Ok(())
    }

    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let fail = |errno| StorageError { op: "write", path: name.to_string(), errno };
        match self.begin("write", name)? {
            Go::Whole => write_into(&mut self.disk(), name, offset, bytes).map_err(fail),
            Go::Half(errno) => {
                write_into(&mut self.disk(), name, offset, &bytes[..bytes.len() / 2]).map_err(fail)?;
                Err(fail(errno))
            }
            Go::WholeThenDie => {
                write_into(&mut self.disk(), name, offset, bytes).map_err(fail)?;
                Err(fail(Errno::IO))
            }
        }
    }

    fn sync(&mut self, name: &str) -> Result<(), StorageError> {
        self.change("sync", name, |disk| {
            let lies = disk.sync_lies;
            let file = find(disk, name)?;
            if !lies {
                file.durable = file.data.clone();
            }
            Ok(())
        })
    }

    fn sync_begin(&mut self, name: &str) -> Result<bool, StorageError> {
        let go = self.begin("sync", name);
        let fail = |errno| StorageError { op: "sync", path: name.to_string(), errno };
        let mut disk = self.disk();
        let lies = disk.sync_lies;
        let file = find(&mut disk, name).map_err(fail)?;
        let held = if lies { file.durable.clone() } else { file.data.clone() };
        let outcome = match go {
            Ok(Go::Whole) => Ok(held),
            Ok(Go::Half(errno)) => Err(fail(errno)),
            Ok(Go::WholeThenDie) => {
                file.durable = held;
                Err(fail(Errno::IO))
            }
            Err(error) => Err(error),
        };
        disk.syncs.push_back(Begun { name: name.to_string(), outcome });
        Ok(true)
    }

    fn sync_end(&mut self, wait: bool) -> Result<bool, StorageError> {
        let mut disk = self.disk();
        // Whoever only looks finds every other one still under way.
        if !wait && mix(disk.ops) & 1 == 0 {
            return Ok(false);
        }
        let Some(Begun { name, outcome }) = disk.syncs.pop_front() else { return Ok(true) };
        let held = outcome?;
        let fail = |errno| StorageError { op: "sync", path: name.clone(), errno };
        if disk.dead {
            return Err(fail(Errno::IO));
        }
        find(&mut disk, &name).map_err(fail)?.durable = held;
        Ok(true)
    }

    fn truncate(&mut self, name: &str, len: u64) -> Result<(), StorageError> {
        self.change("truncate", name, |disk| {
            find(disk, name)?.data.truncate(len as usize);
            Ok(())
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        self.change("rename", from, |disk| {
            let file = disk.files.remove(from).ok_or(Errno::NOENT)?;
            disk.files.insert(to.into(), file);
            disk.renamed.push((from.into(), to.into()));
            Ok(())
        })
    }

    fn remove(&mut self, name: &str) -> Result<(), StorageError> {
        self.change("remove", name, |disk| disk.files.remove(name).map(|_| ()).ok_or(Errno::NOENT))
    }

    fn sync_dir(&mut self) -> Result<(), StorageError> {
        self.change("sync directory", "", |disk| {
            disk.durable_names = disk.files.keys().cloned().collect();
            disk.renamed.clear();
            Ok(())
        })
    }

    fn prepare(&mut self, name: &str, len: u64) {
        // A refusal shows when nothing is there to adopt.
        let _ = self.create(name, len);
    }

    fn adopt(&mut self, prepared: &str, name: &str) -> Result<bool, StorageError> {
        if !self.disk().files.contains_key(prepared) {
            return Ok(false);
        }
        self.rename(prepared, name).map(|()| true)
    }

    fn free_bytes(&self) -> Result<(u64, u64), StorageError> {
        let disk = self.disk();
        let used: usize = disk.files.values().map(|f| f.data.len()).sum();
        let total = disk.capacity.unwrap_or(1 << 40);
        Ok((total.saturating_sub(used as u64), total))
    }
}
