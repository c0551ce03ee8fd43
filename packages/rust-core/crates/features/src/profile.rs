//! How a set is shown the book, and two sets beside each other.
//!
//! A profile is a set, how many levels of the book its kernel is shown, and after how long a pause an input counts as stale.
//! The same lane runs live, over a recording and in a proof.

use crate::flags;
use crate::kernel::{Kernel, NoSuchSet};
use crate::limits::VIEW_LEVELS;
use crate::row::Row;
use crate::set::{SetSpec, by_name};
use crate::view::{Half, Print, View};
use std::fmt;

/// A set and how it is shown the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub set: String,
    /// The hash the profile was written for; none takes the set as it is.
    pub hash: Option<u32>,
    /// Levels a side that the kernel is shown, 1 to [`VIEW_LEVELS`].
    pub levels: usize,
    /// An update this long after the one before, in nanoseconds of venue time, carries STALE_INPUT; at least 1.
    pub stale_after_ns: i64,
}

/// Why a profile cannot run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileFault {
    NoSuchSet(NoSuchSet),
    /// The profile was written for another definition of the set.
    Hash {
        set: String,
        written: u32,
        is: u32,
    },
    Levels(usize),
    StaleAfter(i64),
}

impl fmt::Display for ProfileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchSet(fault) => fault.fmt(f),
            Self::Hash { set, written, is } => write!(
                f,
                "{set}: written for hash {written}, the set here is {is}; set right the profile or run the version it was written for"
            ),
            Self::Levels(levels) => write!(f, "levels {levels}: want 1 to {VIEW_LEVELS}"),
            Self::StaleAfter(ns) => write!(f, "stale after {ns} ns: want at least 1"),
        }
    }
}

impl std::error::Error for ProfileFault {}

impl From<NoSuchSet> for ProfileFault {
    fn from(fault: NoSuchSet) -> Self {
        Self::NoSuchSet(fault)
    }
}

/// The kernel of a profile of one instrument.
#[derive(Debug, Clone)]
pub struct Lane {
    kernel: Kernel,
    hash: u32,
    levels: usize,
    stale_after_ns: i64,
    last: Option<i64>,
}

impl Lane {
    /// A fresh kernel.
    ///
    /// # Errors
    /// A set that does not exist or is another than the profile was written for, levels or a pause out of range.
    pub fn new(profile: &Profile) -> Result<Self, ProfileFault> {
        let kernel = Kernel::new(&profile.set)?;
        let hash = kernel.set().hash();
        if let Some(written) = profile.hash.filter(|written| *written != hash) {
            return Err(ProfileFault::Hash { set: profile.set.clone(), written, is: hash });
        }
        if !(1..=VIEW_LEVELS).contains(&profile.levels) {
            return Err(ProfileFault::Levels(profile.levels));
        }
        if profile.stale_after_ns < 1 {
            return Err(ProfileFault::StaleAfter(profile.stale_after_ns));
        }
        let Profile { levels, stale_after_ns, .. } = *profile;
        Ok(Self { kernel, hash, levels, stale_after_ns, last: None })
    }

    /// The set it computes.
    pub fn set(&self) -> &'static SetSpec {
        self.kernel.set()
    }

    /// The set's hash.
    pub const fn hash(&self) -> u32 {
        self.hash
    }

    /// Messages were lost: nothing learned so far holds.
    pub fn on_gap(&mut self) {
        self.kernel.on_gap();
        self.last = None;
    }

    /// One public trade.
    pub fn on_trade(&mut self, print: &Print) {
        self.kernel.on_trade(print);
    }

    /// One update of the book.
    pub fn on_view(&mut self, view: &View) -> &Row {
        let stale = self.last.is_some_and(|last| view.ts.0.saturating_sub(last) > self.stale_after_ns);
        self.last = Some(view.ts.0);
        let quality = view.quality | if stale { flags::STALE_INPUT } else { 0 };
        if self.levels == VIEW_LEVELS {
            return self.kernel.on_view(&View { quality, ..*view });
        }
        let cut = |half: &Half| {
            let mut out = Half::default();
            half.levels().iter().take(self.levels).for_each(|level| out.push(*level));
            out
        };
        self.kernel.on_view(&View { bids: cut(&view.bids), asks: cut(&view.asks), quality, ..*view })
    }
}

/// Flags that say something of the input and must be equal whatever the set; the others follow a kernel's own warm-up.
const INPUT_FLAGS: u32 = flags::STALE_INPUT | flags::PARTIAL | flags::OUT_OF_ORDER;

/// Where two rows differed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Which comparison it was, from 1.
    pub update: u64,
    pub ts_ns: i64,
    /// The feature, or `flags`.
    pub feature: &'static str,
    pub active: i64,
    pub shadow: i64,
}

/// The features two sets share by name, compared update by update.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Name, place in the active set, place in the shadow set, how often they differed.
    common: Vec<(&'static str, usize, usize, u64)>,
    compared: u64,
    different: u64,
    first: Option<Difference>,
}

impl Comparison {
    /// Of two sets; it may have nothing in common.
    pub fn new(active: &'static SetSpec, shadow: &'static SetSpec) -> Self {
        let place = |name: &str| shadow.features.iter().position(|spec| spec.name == name);
        let specs = active.features.iter().enumerate();
        let common = specs.filter_map(|(n, spec)| place(spec.name).map(|m| (spec.name, n, m, 0))).collect();
        Self { common, compared: 0, different: 0, first: None }
    }

    /// How many features both sets have.
    pub fn common(&self) -> usize {
        self.common.len()
    }

    /// Compares the two rows of one update; gives whether they are equal.
    pub fn compare(&mut self, active: &Row, shadow: &Row, ts_ns: i64) -> bool {
        self.compared += 1;
        let update = self.compared;
        let mut equal = true;
        for (feature, n, m, count) in &mut self.common {
            let value = |row: &Row, at: usize| row.values().get(at).copied().unwrap_or_default();
            let (one, two) = (value(active, *n), value(shadow, *m));
            if one != two {
                equal = false;
                *count += 1;
                let found = Difference { update, ts_ns, feature, active: one, shadow: two };
                self.first.get_or_insert(found);
            }
        }
        if (active.flags ^ shadow.flags) & INPUT_FLAGS != 0 {
            equal = false;
            let (one, two) = (i64::from(active.flags), i64::from(shadow.flags));
            let found = Difference { update, ts_ns, feature: "flags", active: one, shadow: two };
            self.first.get_or_insert(found);
        }
        self.different += u64::from(!equal);
        equal
    }

    /// Updates compared so far.
    pub const fn compared(&self) -> u64 {
        self.compared
    }

    /// Updates at which anything differed.
    pub const fn different(&self) -> u64 {
        self.different
    }

    /// The first place where they differed.
    pub const fn first(&self) -> Option<Difference> {
        self.first
    }

    /// The features that differed, and how often.
    pub fn by_feature(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.common.iter().filter(|(.., count)| *count > 0).map(|(name, .., count)| (*name, *count))
    }
}

/// The profile of a set as it is shown without more words: all levels, stale after 5 s.
pub fn plain(set: &str) -> Profile {
    Profile {
        set: set.into(),
        hash: by_name(set).map(SetSpec::hash),
        levels: VIEW_LEVELS,
        stale_after_ns: 5_000_000_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_units::EpochNs;

    fn view(n: i64) -> View {
        let bids: Vec<_> = (0..5).map(|level| (100 - level, 10 + n % 7 + level)).collect();
        let asks: Vec<_> = (0..5).map(|level| (102 + level + n % 3, 9 + n % 5 + level)).collect();
        View::from_levels(&bids, &asks, EpochNs(n * 100_000_000))
    }

    #[test]
    fn b073_a_profile_that_cannot_run_is_refused_by_name() {
        let good = plain("lob_shared_v3");
        assert_eq!(Lane::new(&good).map(|lane| lane.hash()), Ok(808_661_320));
        let fault = |profile: Profile| Lane::new(&profile).map(|_| ()).map_err(|fault| fault.to_string());
        let said = |profile, word: &str| {
            assert!(fault(profile).is_err_and(|text| text.contains(word)), "{word}");
        };
        said(plain("lob_shared_v4"), "want one of");
        said(plain("bar_wide_v1"), "no such feature set of a book");
        said(Profile { hash: Some(7), ..good.clone() }, "written for hash 7");
        said(Profile { levels: 0, ..good.clone() }, "levels 0");
        said(Profile { levels: 6, ..good.clone() }, "levels 6");
        said(Profile { stale_after_ns: 0, ..good.clone() }, "at least 1");
        assert_eq!(fault(Profile { hash: None, ..good }), Ok(()));
    }

    #[test]
    fn b073_a_shadow_that_differs_is_found_at_its_first_place_and_an_equal_one_never() {
        let run = |shadow: &Profile| {
            let (mut one, mut two) =
                (Lane::new(&plain("lob_shared_v2")).unwrap(), Lane::new(shadow).unwrap());
            let mut comparison = Comparison::new(one.set(), two.set());
            for n in 0..500 {
                let view = view(n);
                comparison.compare(one.on_view(&view), two.on_view(&view), view.ts.0);
            }
            comparison
        };
        let equal = run(&plain("lob_shared_v3"));
        assert_eq!((equal.common(), equal.compared(), equal.different(), equal.first()), (22, 500, 0, None));
        // Shown one level less, the depths differ from the first update on.
        let shallow = run(&Profile { levels: 4, ..plain("lob_shared_v3") });
        assert_eq!(shallow.different(), 500);
        let first = shallow.first().unwrap();
        assert_eq!((first.update, first.feature, first.ts_ns), (1, "bid_depth", 0));
        assert_ne!(first.active, first.shadow);
        assert!(shallow.by_feature().any(|(name, count)| name == "ask_depth" && count == 500));
        // A pause that only one of them calls stale is a difference of flags.
        let quick = run(&Profile { stale_after_ns: 1, ..plain("lob_shared_v3") });
        assert_eq!(quick.first().map(|first| (first.update, first.feature)), Some((2, "flags")));
    }

    #[test]
    fn a09_a_pause_is_stale_and_a_gap_forgets_it() {
        let mut lane = Lane::new(&Profile { stale_after_ns: 1_000, ..plain("lob_basic_v1") }).unwrap();
        let mut flags_at =
            |ts: i64| lane.on_view(&View { ts: EpochNs(ts), ..view(1) }).flags & flags::STALE_INPUT;
        assert_eq!((flags_at(10), flags_at(1_010), flags_at(2_011)), (0, 0, flags::STALE_INPUT));
        lane.on_gap();
        assert_eq!(lane.on_view(&View { ts: EpochNs(9_000_000), ..view(1) }).flags & flags::STALE_INPUT, 0);
    }
}
