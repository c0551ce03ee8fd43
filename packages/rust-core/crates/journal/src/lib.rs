//! Tidegate journal.
#![forbid(unsafe_code)]
