//! Tidegate features.
#![forbid(unsafe_code)]
