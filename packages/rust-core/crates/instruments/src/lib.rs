//! Tidegate instruments.
#![forbid(unsafe_code)]
