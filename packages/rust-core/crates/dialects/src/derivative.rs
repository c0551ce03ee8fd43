//! Values of a derivative contract, gathered over messages; a record is given when one of them changed.

use crate::dec::Dec;
use crate::limits::SYMBOLS_MAX;
use crate::{Derivative, Record, Refusal};
use std::collections::BTreeMap;
use tidegate_units::EpochNs;

/// What is known of each contract.
#[derive(Debug, Default)]
pub struct Derivatives(BTreeMap<String, Derivative>);

/// What one message says of one contract; an absent value stays as it was.
#[derive(Debug, Default, Clone)]
pub struct Change {
    pub last_px: Option<Dec>,
    pub open_interest: Option<Dec>,
    pub funding_rate: Option<Dec>,
    pub funding_ts: Option<EpochNs>,
    pub predicted_funding_rate: Option<Dec>,
    pub index_px: Option<Dec>,
    pub mark_px: Option<Dec>,
    /// The record's time is the latest heard; one without time leaves it.
    pub ts: Option<EpochNs>,
}

impl Derivatives {
    /// Takes one change and appends a record if a value is new.
    ///
    /// # Errors
    /// `TOO_MANY_SYMBOLS` beyond [`SYMBOLS_MAX`].
    pub fn change(&mut self, symbol: &str, change: &Change, out: &mut Vec<Record>) -> Result<bool, Refusal> {
        let changed = self.note(symbol, change)?;
        if changed {
            out.extend(self.0.get(symbol).cloned().map(Record::Derivative));
        }
        Ok(changed)
    }

    /// Takes one change without giving a record.
    ///
    /// # Errors
    /// As [`Derivatives::change`].
    pub fn note(&mut self, symbol: &str, change: &Change) -> Result<bool, Refusal> {
        if !self.0.contains_key(symbol) && self.0.len() >= SYMBOLS_MAX {
            return Err(Refusal::TooManySymbols);
        }
        let known = self
            .0
            .entry(symbol.to_string())
            .or_insert_with(|| Derivative { symbol: symbol.to_string(), ..Derivative::default() });
        let mut changed = false;
        for (have, new) in [
            (&mut known.last_px, change.last_px),
            (&mut known.open_interest, change.open_interest),
            (&mut known.funding_rate, change.funding_rate),
            (&mut known.predicted_funding_rate, change.predicted_funding_rate),
            (&mut known.index_px, change.index_px),
            (&mut known.mark_px, change.mark_px),
        ] {
            if new.is_some() && *have != new {
                *have = new;
                changed = true;
            }
        }
        if change.funding_ts.is_some() && known.funding_ts != change.funding_ts {
            known.funding_ts = change.funding_ts;
            changed = true;
        }
        known.ts = known.ts.max(change.ts);
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_only_with_a_new_value_and_the_map_is_bounded() {
        let mut known = Derivatives::default();
        let mut out = Vec::new();
        let last = |n| Change { last_px: Some(Dec::whole(n)), ts: Some(EpochNs(5)), ..Change::default() };
        assert_eq!(known.change("A", &last(1), &mut out), Ok(true));
        assert_eq!(known.change("A", &last(1), &mut out), Ok(false));
        assert_eq!(known.change("A", &Change { ts: Some(EpochNs(3)), ..last(2) }, &mut out), Ok(true));
        let Some(Record::Derivative(d)) = out.last() else { panic!("a record") };
        assert_eq!((out.len(), d.ts, d.last_px), (2, Some(EpochNs(5)), Some(Dec::whole(2))));
        for n in 1..SYMBOLS_MAX {
            known.note(&n.to_string(), &last(1)).unwrap();
        }
        assert_eq!(known.note("one more", &last(1)), Err(Refusal::TooManySymbols));
        assert_eq!(known.note("A", &last(3)), Ok(true));
    }
}
