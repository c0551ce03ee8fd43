//! What one set came to: cases checked, equal, explained by which rule, and the first that no rule explains.

use crate::report::Report;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The count of one set.
#[derive(Debug)]
pub struct Tally {
    pub set: &'static str,
    pub checked: u64,
    pub equal: u64,
    explained: BTreeMap<&'static str, u64>,
    first: Option<String>,
    /// Further things counted on the way.
    pub notes: Map<String, Value>,
}

impl Tally {
    pub fn new(set: &'static str) -> Self {
        Self { set, checked: 0, equal: 0, explained: BTreeMap::new(), first: None, notes: Map::new() }
    }

    /// One case that must hold.
    pub fn case(&mut self, equal: bool, describe: impl FnOnce() -> String) {
        self.judged(equal, || None, describe);
    }

    /// One case that must hold, or be explained by a rule whose condition was found true of it.
    pub fn judged(
        &mut self,
        equal: bool,
        rule: impl FnOnce() -> Option<&'static str>,
        describe: impl FnOnce() -> String,
    ) {
        self.checked += 1;
        if equal {
            self.equal += 1;
        } else if let Some(rule) = rule() {
            *self.explained.entry(rule).or_default() += 1;
        } else if self.first.is_none() {
            self.first = Some(describe());
        }
    }

    pub fn explained(&self) -> u64 {
        self.explained.values().sum()
    }

    pub fn unexplained(&self) -> u64 {
        self.checked - self.equal - self.explained()
    }

    /// The first case that is neither equal nor explained.
    pub fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// A further figure of the set.
    pub fn note(&mut self, name: &str, value: impl Into<Value>) {
        self.notes.insert(name.to_string(), value.into());
    }

    /// A figure that is a count; 0 where there is none.
    pub fn count(&self, name: &str) -> u64 {
        self.notes.get(name).and_then(Value::as_u64).unwrap_or(0)
    }

    /// The check `unexplained.<set>`, of at least `minimum` cases, and the figures of the set.
    pub fn report(&self, report: &mut Report, minimum: u64) {
        report.zero(&format!("unexplained.{}", self.set), self.unexplained(), self.checked, minimum);
        let mut figures =
            json!({ "checked": self.checked, "equal": self.equal, "explained": self.explained() });
        if let Some(object) = figures.as_object_mut() {
            for (rule, count) in &self.explained {
                object.insert(format!("explained_by.{rule}"), json!(count));
            }
            if let Some(first) = &self.first {
                object.insert("first_unexplained".into(), json!(first));
            }
            object.extend(self.notes.clone());
        }
        report.figure(self.set, figures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_rule_explains_is_left_over_and_the_first_is_told() {
        let mut tally = Tally::new("x");
        tally.case(true, String::new);
        tally.judged(false, || Some("RULE"), String::new);
        tally.judged(false, || None, || "row 3".into());
        tally.case(false, || "row 4".into());
        assert_eq!((tally.checked, tally.equal, tally.explained(), tally.unexplained()), (4, 1, 1, 2));
        let mut report = Report::new();
        tally.report(&mut report, 4);
        let line = report.line();
        assert!(
            line.contains(r#""first_unexplained":"row 3""#) && line.contains(r#""explained_by.RULE":1"#),
            "{line}"
        );
    }
}
