//! Readers of recorded market data in the formats the field uses, each a stream of plain records.
//!
//! A reader takes a path, unpacks gzip, xz or zstd by the file's first bytes ([`source`]), and hands out one record after the
//! other. A file that is damaged, cut or of another format is a [`Fault`]: file, line or record, what, and the remedy. Memory is
//! bounded by [`limits`], whatever the file holds.
#![forbid(unsafe_code)]

pub mod bitstamp;
pub mod capture;
pub mod cryptofeed;
pub mod dbn;
mod fault;
pub mod hyperliquid;
pub mod itch;
pub mod limits;
pub mod lines;
pub mod lobster;
pub mod source;
pub mod taifex;

pub use fault::{Fault, Kind};
