//! What crosses a process boundary: protobuf messages, the frame around them, and the checks protobuf does not make.
#![forbid(unsafe_code)]

pub mod approval;
mod encode;
pub mod envelope;
pub mod fields;
pub mod frame;
pub mod ids;
pub mod limits;
pub mod reasons;
pub mod refusal;
mod shape;
pub mod topic;
pub mod validate;

/// The messages of `proto/`, generated.
#[allow(clippy::all, missing_debug_implementations)]
pub mod pb {
    include!(concat!(env!("OUT_DIR"), "/tidegate.rs"));
    pub use tidegate::*;
}
