//! What the cases of one proof came to.

use super::rig::{LIMITS, Rig};
use serde_json::Value;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tidegate_wire::pb::orders::v1::Reason;
use tidegate_wire::reasons::reason_row;

/// A fault planted between the file of limits and the gateway, or in the counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    None,
    LooseCollar,
    LooseSize,
    ForgetWindow,
    DropControl,
    DropReason,
}

impl Plant {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "loose-collar" => Self::LooseCollar,
            "loose-size" => Self::LooseSize,
            "forget-window" => Self::ForgetWindow,
            "drop-control" => Self::DropControl,
            "drop-reason" => Self::DropReason,
            _ => return None,
        })
    }
}

/// Cases counted, those that failed, and the reasons that were given where they were wanted.
#[derive(Debug)]
pub struct Tally {
    plant: Plant,
    pub seed: u64,
    pub cases: u64,
    pub failed: u64,
    pub first: Option<String>,
    pub reached: BTreeSet<Reason>,
}

/// A reason's name without its prefix.
pub fn name(reason: Reason) -> &'static str {
    reason_row(reason).map_or("UNSPECIFIED", |row| row.name())
}

impl Tally {
    pub const fn new(plant: Plant, seed: u64) -> Self {
        Self { plant, seed, cases: 0, failed: 0, first: None, reached: BTreeSet::new() }
    }

    /// Runs a proof; one that panics has failed.
    pub fn run(&mut self, proof: fn(&mut Self)) {
        let ended = catch_unwind(AssertUnwindSafe(|| proof(self)));
        if ended.is_err() {
            self.hold("the proof came to its end", false);
        }
    }

    /// One case that must be answered with a reason.
    pub fn want(&mut self, case: &str, is: Reason, want: Reason) {
        if is == want {
            self.reached.insert(is);
        }
        self.note(is == want, || format!("{case}: {} where {} is wanted", name(is), name(want)));
    }

    /// One case that must hold.
    pub fn hold(&mut self, case: &str, holds: bool) {
        self.note(holds, || format!("{case}: does not hold"));
    }

    fn note(&mut self, good: bool, say: impl FnOnce() -> String) {
        self.cases += 1;
        if !good {
            self.failed += 1;
            self.first.get_or_insert_with(say);
        }
    }

    /// The round limits with values set by JSON pointer, as the gateway gets them: with the planted fault in them.
    pub fn limits(&self, set: &[(&str, Value)]) -> String {
        let mut limits: Value = serde_json::from_str(LIMITS).unwrap_or_default();
        for (pointer, value) in set {
            let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", pointer));
            match limits.pointer_mut(parent) {
                Some(Value::Object(map)) => drop(map.insert(key.to_string(), value.clone())),
                Some(Value::Array(rows)) => rows.push(value.clone()),
                _ => {}
            }
        }
        let change = |value: &mut Value, by: fn(i64) -> i64| {
            if let Some(number) = value.as_i64() {
                *value = by(number).into();
            }
        };
        walk(&mut limits, &mut |key, value| match (self.plant, key) {
            (Plant::LooseCollar, "collar_bps" | "reducing_collar_bps" | "slippage_bps" | "bps_max") => {
                change(value, |v| v + 1);
            }
            (Plant::LooseSize, "order_qty_lots_max") => change(value, |v| v + 1),
            (Plant::ForgetWindow, "window_ms" | "messages_window_ms") => change(value, |v| (v / 10).max(1)),
            _ => {}
        });
        limits.to_string()
    }

    /// A gateway that leads and has prices, under the round limits with values set.
    pub fn rig(&self, set: &[(&str, Value)]) -> Rig {
        Rig::ready_with(&self.limits(set))
    }

    /// What is journalled must fold to the same state.
    pub fn replays(&mut self, rig: &Rig) {
        let folded = rig.folded(&rig.journal);
        self.hold("replay gives the same state", folded.state().hash() == rig.gateway.state().hash());
    }
}

fn walk(value: &mut Value, visit: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                visit(key, value);
                walk(value, visit);
            }
        }
        Value::Array(rows) => rows.iter_mut().for_each(|row| walk(row, visit)),
        _ => {}
    }
}

/// The perpetual's row of the round limits.
pub const PERP: &str = "/instruments/1";

/// A path below a row.
pub fn at(row: &str, key: &str) -> String {
    format!("{row}/{key}")
}
