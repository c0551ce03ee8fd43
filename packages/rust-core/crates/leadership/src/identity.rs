//! What a process is built from. Two that differ must not lead each other's cluster.

use std::fmt;
use tidegate_mutants::{Bug, planted};

/// Hashes of what decides alike: the program, the schema of its messages, and its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    pub build: u64,
    pub schema: u32,
    /// Over limits, instrument table and settings.
    pub config: u64,
}

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    Build,
    Schema,
    Config,
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Build => "build",
            Self::Schema => "message schema",
            Self::Config => "configuration",
        };
        write!(f, "cannot lead: this gateway and the router differ in their {what}; deploy the same on both")
    }
}

impl Identity {
    /// The first thing in which two processes differ.
    pub fn skew(self, other: Self) -> Option<Skew> {
        if planted(Bug::SkewLeads) {
            return None;
        }
        if self.build != other.build {
            Some(Skew::Build)
        } else if self.schema != other.schema {
            Some(Skew::Schema)
        } else if self.config != other.config {
            Some(Skew::Config)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_named() {
        let own = Identity { build: 1, schema: 2, config: 3 };
        assert_eq!(own.skew(own), None);
        assert_eq!(own.skew(Identity { build: 9, ..own }), Some(Skew::Build));
        assert_eq!(own.skew(Identity { schema: 9, ..own }), Some(Skew::Schema));
        let skew = own.skew(Identity { config: 9, ..own });
        assert!(skew.is_some_and(|skew| skew.to_string().contains("configuration")));
    }
}
