//! Readers of recorded market data in the formats the field uses, each a stream of plain records.
#![forbid(unsafe_code)]
