//! Tidegate bus.
#![forbid(unsafe_code)]
