//! Tidegate segment.
