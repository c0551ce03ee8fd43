//! The napi layer: one file per exposed module, no logic, no panic across it.
#![allow(clippy::needless_pass_by_value, missing_debug_implementations)]
// The exports are registered in the addon only, so a test build sees nobody call them.
#![cfg_attr(test, allow(dead_code))]

mod audit;
mod backtest;
mod convert;
mod engine;
mod features;
mod fix;
mod link;
mod matching;
mod projection;
mod replay;
mod strategy;
mod tapes;
mod wal;
mod wire;
