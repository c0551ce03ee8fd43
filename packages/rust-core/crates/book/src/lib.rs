//! Tidegate book.
#![forbid(unsafe_code)]
