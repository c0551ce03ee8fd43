//! A file as memory: the one place of this crate where the compiler is told something it cannot check.
#![allow(unsafe_code)]

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::io;
use std::path::Path;
use std::ptr::NonNull;

/// A file mapped for reading, private to this process.
#[derive(Debug)]
pub(crate) struct Map {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory is read-only for as long as the value lives, and the value owns the mapping.
unsafe impl Send for Map {}
// SAFETY: as above; readers do not disturb each other.
unsafe impl Sync for Map {}

impl Map {
    /// Maps a whole file. Who cuts the file short while it is mapped kills the reader (SIGBUS); a tape is only ever replaced by a
    /// rename, which leaves the mapped file as it is.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = usize::try_from(file.metadata()?.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        if len == 0 {
            return Ok(Self { start: NonNull::dangling(), len });
        }
        // SAFETY: a fresh private mapping of an open file, at an address of the kernel's choice: it aliases no Rust memory.
        let start = unsafe { mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE, &file, 0)? };
        NonNull::new(start.cast())
            .map(|start| Self { start, len })
            .ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are mapped and readable until `self` is dropped; an empty file has a dangling start and length 0.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// `count` numbers of 8 bytes from a byte that is a multiple of 8; none where they do not lie within the file.
    pub fn longs(&self, at: usize, count: usize) -> &[i64] {
        let bytes = self.part(at, count, 8);
        // SAFETY: every bit pattern is an i64; `align_to` finds the aligned middle itself.
        let (before, longs, after) = unsafe { bytes.align_to::<i64>() };
        if before.is_empty() && after.is_empty() { longs } else { &[] }
    }

    /// `count` numbers of 4 bytes from a byte that is a multiple of 4; none where they do not lie within the file.
    pub fn ints(&self, at: usize, count: usize) -> &[i32] {
        let bytes = self.part(at, count, 4);
        // SAFETY: every bit pattern is an i32; `align_to` finds the aligned middle itself.
        let (before, ints, after) = unsafe { bytes.align_to::<i32>() };
        if before.is_empty() && after.is_empty() { ints } else { &[] }
    }

    fn part(&self, at: usize, count: usize, width: usize) -> &[u8] {
        let end = count.checked_mul(width).and_then(|len| at.checked_add(len));
        end.and_then(|end| self.bytes().get(at..end)).unwrap_or_default()
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: unmaps exactly what `open` mapped, once; nothing borrowed from it outlives `self`.
            let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        }
    }
}

// A tape's numbers are little-endian and are read where they lie.
const _: () =
    assert!(cfg!(target_endian = "little"), "tapes are read in place on little-endian machines only");
