//! Tidegate normalise.
#![forbid(unsafe_code)]
