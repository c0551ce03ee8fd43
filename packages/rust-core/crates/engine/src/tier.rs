//! Durability of a journal, as the loops are told it and tell it.

use serde::Deserialize;
use tidegate_journal::Tier;

/// What a commit survives, by its name in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TierName {
    /// The death of the process.
    T0,
    /// T0, and the loss of the process with what it holds: a standby that is in step has it too.
    T1,
    /// A power cut.
    T2,
    /// T1 and T2.
    T3,
}

impl TierName {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::T0 => "T0",
            Self::T1 => "T1",
            Self::T2 => "T2",
            Self::T3 => "T3",
        }
    }

    /// Whether effects wait for a standby that is in step, too.
    pub(crate) const fn replicated(self) -> bool {
        matches!(self, Self::T1 | Self::T3)
    }
}

impl From<TierName> for Tier {
    fn from(name: TierName) -> Self {
        match name {
            TierName::T0 | TierName::T1 => Self::T0,
            TierName::T2 | TierName::T3 => Self::T2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_told_by_the_name_it_was_given_and_no_other_is_one() {
        for tier in [TierName::T0, TierName::T1, TierName::T2, TierName::T3] {
            let text = format!("\"{}\"", tier.name());
            assert_eq!(serde_json::from_str::<TierName>(&text).unwrap(), tier);
        }
        assert!(serde_json::from_str::<TierName>("\"T4\"").is_err());
    }
}
