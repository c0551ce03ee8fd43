//! Tidegate router.
#![forbid(unsafe_code)]
