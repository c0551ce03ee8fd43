//! The registry: every set by name and by hash.
//!
//! A set is its name, its features in order, and per feature a definition (formula and unit) and a warm-up. A changed formula,
//! unit, order or warm-up is a new set with a new name; the hash of the definition travels with every signal.

use crate::basic::LOB_BASIC_V1;
use crate::{flow, micro, rat, shared, timed, vol};

/// One feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureSpec {
    pub name: &'static str,
    /// Formula and unit.
    pub definition: &'static str,
    /// So much must have been seen since the reset before the value is warm; 0 where another rule is stated.
    pub warm: u32,
    pub per: Per,
}

/// What a warm-up counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Accepted updates of the book.
    Updates,
    Trades,
    /// Seconds of venue time since the first accepted update.
    Seconds,
    /// Closed bars.
    Bars,
}

impl Per {
    /// As it stands in the definition that is hashed.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Updates => "updates",
            Self::Trades => "trades",
            Self::Seconds => "seconds",
            Self::Bars => "bars",
        }
    }
}

/// Short form for tables: warm after so many updates.
pub(crate) const fn feature(name: &'static str, definition: &'static str, warm: u32) -> FeatureSpec {
    FeatureSpec { name, definition, warm, per: Per::Updates }
}

/// Warm after so many of something else.
pub(crate) const fn warm_by(
    per: Per,
    name: &'static str,
    definition: &'static str,
    warm: u32,
) -> FeatureSpec {
    FeatureSpec { name, definition, warm, per }
}

/// One set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetSpec {
    pub name: &'static str,
    /// What one output follows.
    pub on: Input,
    pub about: &'static str,
    pub features: &'static [FeatureSpec],
}

/// What makes a set give an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// An update of the book; trades come in between.
    Book,
    /// A closed bar.
    Bar,
}

const BASIC: [FeatureSpec; LOB_BASIC_V1.len()] = {
    let mut specs = [feature("", "", 0); LOB_BASIC_V1.len()];
    let mut index = 0;
    while index < specs.len() {
        specs[index] = feature(LOB_BASIC_V1[index].0, LOB_BASIC_V1[index].1, 0);
        index += 1;
    }
    specs
};

/// All sets there are.
pub const SETS: [SetSpec; 10] = [
    SetSpec {
        name: crate::basic::SET_NAME,
        on: Input::Book,
        about: "touch, imbalance, order flow and trade sign; warm-up is the flag WARMING_UP",
        features: &BASIC,
    },
    SetSpec { name: "lob_shared_v1", on: Input::Book, about: shared::ABOUT, features: shared::V1 },
    SetSpec { name: "lob_shared_v2", on: Input::Book, about: shared::ABOUT, features: shared::V2 },
    SetSpec { name: "lob_shared_v3", on: Input::Book, about: shared::ABOUT, features: &shared::V3 },
    SetSpec { name: "lob_time_v1", on: Input::Book, about: timed::ABOUT, features: &timed::FEATURES },
    SetSpec { name: "micro_v1", on: Input::Book, about: micro::ABOUT, features: &micro::FEATURES },
    SetSpec { name: "flow_v1", on: Input::Book, about: flow::ABOUT, features: &flow::FEATURES },
    SetSpec { name: "vol_v1", on: Input::Book, about: vol::ABOUT, features: &vol::FEATURES },
    SetSpec { name: "bar_wide_v1", on: Input::Bar, about: rat::ABOUT_WIDE, features: &rat::WIDE },
    SetSpec { name: "bar_stream_v1", on: Input::Bar, about: rat::ABOUT_STREAM, features: &rat::STREAM },
];

impl SetSpec {
    /// First 4 bytes, big-endian, of the BLAKE3 of name, features, definitions and warm-ups. Never 0.
    pub fn hash(&self) -> u32 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.name.as_bytes());
        for spec in self.features {
            hasher.update(b"\n").update(spec.name.as_bytes()).update(b"=").update(spec.definition.as_bytes());
            if spec.warm > 0 {
                hasher.update(format!(" warm {} {}", spec.warm, spec.per.text()).as_bytes());
            }
        }
        let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
        u32::from_be_bytes([a, b, c, d]).max(1)
    }
}

/// A set by name.
pub fn by_name(name: &str) -> Option<&'static SetSpec> {
    SETS.iter().find(|set| set.name == name)
}

/// A set by the hash that came with a signal.
pub fn by_hash(hash: u32) -> Option<&'static SetSpec> {
    SETS.iter().find(|set| set.hash() == hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FEATURES_MAX;

    /// A changed definition is a new set with a new name: these never change.
    const PINNED: [(&str, usize, u32); 10] = [
        ("lob_basic_v1", 7, 251_653_267),
        ("lob_shared_v1", 16, 3_358_521_668),
        ("lob_shared_v2", 22, 1_964_303_615),
        ("lob_shared_v3", 27, 808_661_320),
        ("lob_time_v1", 8, 3_689_040_399),
        ("micro_v1", 6, 2_956_028_445),
        ("flow_v1", 8, 4_153_058_722),
        ("vol_v1", 6, 3_752_043_516),
        ("bar_wide_v1", 30, 2_524_635_739),
        ("bar_stream_v1", 12, 2_521_661_961),
    ];

    #[test]
    fn b073_every_set_is_pinned() {
        let is: Vec<_> = SETS.iter().map(|set| (set.name, set.features.len(), set.hash())).collect();
        assert_eq!(is, PINNED);
    }

    #[test]
    fn b073_a_set_is_found_by_name_and_by_hash_and_no_two_are_alike() {
        for set in &SETS {
            assert_eq!(by_name(set.name), Some(set));
            assert_eq!(by_hash(set.hash()), Some(set));
            let mut names: Vec<_> = set.features.iter().map(|spec| spec.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), set.features.len(), "{}", set.name);
            assert!(set.features.len() <= FEATURES_MAX);
        }
        assert_eq!((by_name("lob_shared_v4"), by_hash(0)), (None, None));
        assert_eq!(by_name("lob_basic_v1").map(SetSpec::hash), Some(crate::set_hash()));
    }

    #[test]
    fn b073_the_reference_page_lists_every_feature_as_it_is() {
        let page = include_str!("../../../../../docs/reference/features.md");
        let sections: Vec<&str> = page.split("\n## ").skip(1).collect();
        assert_eq!(sections.len(), SETS.len());
        for (section, set) in sections.iter().zip(&SETS) {
            assert!(section.starts_with(&format!("{}\n\nHash {},", set.name, set.hash())), "{}", set.name);
            for (n, spec) in set.features.iter().enumerate() {
                let warm =
                    if spec.warm > 0 { format!("{} {}", spec.warm, spec.per.text()) } else { String::new() };
                let definition = spec.definition.replace('|', "\\|");
                let row = format!("| {n} | `{}` | {definition} | {warm} |", spec.name);
                assert!(section.contains(&row), "{}: want {row}", set.name);
            }
        }
    }

    #[test]
    fn b073_a_changed_word_changes_the_hash() {
        let [mut set, ..] = SETS;
        let before = set.hash();
        const UNIT: [FeatureSpec; 1] = [feature("mid_x2", "bid + ask, lots", 0)];
        const WARM: [FeatureSpec; 1] = [feature("mid_x2", "bid + ask, lots", 1)];
        set.features = &UNIT;
        assert_ne!(set.hash(), before);
        let short = set.hash();
        set.features = &WARM;
        assert_ne!(set.hash(), short);
    }
}
