//! The napi layer: one file per exposed module, no logic, no panic across it.
#![allow(clippy::needless_pass_by_value, missing_debug_implementations)]

mod convert;
mod engine;
mod link;
mod matching;
mod strategy;
mod wire;
