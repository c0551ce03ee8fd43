//! Tidegate matching.
#![forbid(unsafe_code)]
