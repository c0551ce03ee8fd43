//! Tidegate venue-io.
