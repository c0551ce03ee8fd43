//! What a set of messages came to: equal, explained by a rule, or neither.

use crate::report::Report;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rules that explain a difference; `docs/reference/normaliser-explanations.md` says what each means and how it is held.
pub const RULES: &[&str] = &[
    "ABSENT_INPUT",
    "CALLBACK_AT_SNAPSHOT",
    "CALLBACK_OF_EMPTY_CHANGE",
    "CALLBACK_OF_HELD_CHANGE",
    "CANCEL_OF_UNKNOWN_ORDER",
    "DOUBLE_NEAREST",
    "NOTES_OF_THE_RECORDER",
    "OPTION_SUMMARY_NOT_CARRIED",
    "OTHER_SUBSCRIPTION",
    "PRINTED_OBJECT",
    "REFERENCE_STAMPS_RECEIPT",
    "SENT_OR_TRANSACTED",
    "SIDE_NOT_SENT",
    "STATE_BEGINS_ANEW",
    "TABLE_OF_A_MOCK",
    "TIME_CUT",
];

/// How many unexplained differences are printed.
const SHOWN_MAX: usize = 20;

/// One set.
#[derive(Debug, Default)]
pub struct Tally {
    pub checked: u64,
    pub equal: u64,
    pub explained: BTreeMap<&'static str, u64>,
    pub unexplained: u64,
    shown: Vec<String>,
    /// Outcomes by name.
    pub outcomes: BTreeMap<String, u64>,
}

/// The verdict over one message.
pub type Verdict = Result<Option<&'static str>, String>;

impl Tally {
    /// Counts one verdict; the text of an unexplained one is kept.
    pub fn take(&mut self, name: &str, verdict: Verdict) {
        self.checked += 1;
        match verdict {
            Ok(None) => self.equal += 1,
            Ok(Some(rule)) if !RULES.contains(&rule) => self.unexplained += 1,
            Ok(Some(rule)) => *self.explained.entry(rule).or_default() += 1,
            Err(text) => {
                self.unexplained += 1;
                if self.shown.len() < SHOWN_MAX {
                    let text: String = text.chars().take(600).collect();
                    self.shown.push(format!("{name}: {text}"));
                }
            }
        }
    }

    pub fn outcome(&mut self, name: &str) {
        *self.outcomes.entry(name.to_string()).or_default() += 1;
    }

    /// Adds the check and the figures of this set.
    pub fn report(&self, set: &str, minimum: u64, report: &mut Report) {
        report.zero(&format!("unexplained.{set}"), self.unexplained, self.checked, minimum);
        report.figure(&format!("{set}.checked"), self.checked);
        report.figure(&format!("{set}.equal"), self.equal);
        report.figure(&format!("{set}.explained"), self.explained.values().sum::<u64>());
        report.figure(&format!("{set}.rules"), json!(self.explained));
        report.figure(&format!("{set}.outcomes"), json!(self.outcomes));
        if !self.shown.is_empty() {
            report.figure(&format!("{set}.first_unexplained"), Value::from(self.shown.clone()));
        }
    }
}
