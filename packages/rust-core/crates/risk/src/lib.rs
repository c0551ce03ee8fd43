//! Tidegate risk.
#![forbid(unsafe_code)]
