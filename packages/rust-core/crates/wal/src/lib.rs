//! Tidegate wal.
#![forbid(unsafe_code)]
