//! Readers of many venues' raw messages for captures and research: breadth and exactness, no promise of speed.
//!
//! What trades live is read by `tidegate-normalise`; the same event model comes out of both.
#![forbid(unsafe_code)]
