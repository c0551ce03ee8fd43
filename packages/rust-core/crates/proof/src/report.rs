//! The checks and figures of one proof, in the form the command line prints.

use serde_json::{Map, Value, json};

/// Smallest number of cases a check bounded by 0 must have examined, unless the command says otherwise.
pub const CASES_MIN: u64 = 1_000;

/// What one proof measured. `ok` is not kept here: the command line computes it from the checks.
#[derive(Debug, Default)]
pub struct Report {
    checks: Vec<Value>,
    figures: Map<String, Value>,
    seed: Option<u64>,
}

impl Report {
    /// A report without a seed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says which seed made the random choices.
    pub fn seed(&mut self, seed: u64) {
        self.seed = Some(seed);
    }

    /// A value and the bound it is held against; `op` is one of `=`, `<`, `<=`, `>`, `>=`.
    pub fn check(
        &mut self,
        name: &str,
        value: impl Into<Value>,
        op: &str,
        bound: impl Into<Value>,
        unit: &str,
    ) {
        let (value, bound) = (value.into(), bound.into());
        self.checks.push(json!({ "name": name, "value": value, "op": op, "bound": bound, "unit": unit }));
    }

    /// A count that must be 0, and `<name>_of`: the number of cases examined, which must reach `minimum`.
    pub fn zero(&mut self, name: &str, value: u64, of: u64, minimum: u64) {
        self.check(name, value, "=", 0, "");
        self.check(&format!("{name}_of"), of, ">=", minimum, "");
    }

    /// Anything else that was measured.
    pub fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_string(), value.into());
    }

    /// The one line the command line reads.
    pub fn line(&self) -> String {
        json!({ "checks": self.checks, "figures": self.figures, "seed": self.seed }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_bounded_by_zero_says_of_how_many() {
        let mut report = Report::new();
        report.seed(7);
        report.zero("lost", 0, 12, CASES_MIN);
        report.figure("rows", 3);
        let read: Value = serde_json::from_str(&report.line()).unwrap_or_default();
        assert_eq!(
            read["checks"][1],
            json!({ "name": "lost_of", "value": 12, "op": ">=", "bound": 1_000, "unit": "" })
        );
        assert_eq!((&read["figures"]["rows"], &read["seed"]), (&json!(3), &json!(7)));
    }
}
