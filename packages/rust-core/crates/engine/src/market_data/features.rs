//! What is computed of one instrument's book: one active set, which is published, and shadows, which are only compared with it.

use super::limits::{FEATURES_SETS_MAX, SHADOWS_MAX};
use crate::Fault;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidegate_features::{Comparison, Lane, Print, Profile, Row, View, flags};

/// A profile as the configuration states it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileConfig {
    /// As logs and statistics call it.
    #[serde(rename = "profile")]
    name: String,
    set: String,
    /// The hash the profile was written for; absent = the set as it is.
    #[serde(default)]
    hash: Option<u32>,
    levels: usize,
    stale_after_ms: u32,
}

/// What is computed of an instrument.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetsConfig {
    /// What is published; null = no features.
    active: Option<ProfileConfig>,
    #[serde(default)]
    shadows: Vec<ProfileConfig>,
}

/// What is computed of which instrument.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanConfig {
    /// Of each instrument not named below.
    default: SetsConfig,
    /// Of some instruments, by id.
    #[serde(default)]
    instruments: BTreeMap<u32, SetsConfig>,
}

impl Default for PlanConfig {
    fn default() -> Self {
        let active = ProfileConfig {
            name: "basic-v1".into(),
            set: tidegate_features::SET_NAME.into(),
            hash: None,
            levels: tidegate_features::limits::VIEW_LEVELS,
            stale_after_ms: 5_000,
        };
        let default = SetsConfig { active: Some(active), shadows: Vec::new() };
        Self { default, instruments: BTreeMap::new() }
    }
}

impl PlanConfig {
    /// Fresh kernels for each instrument of `ids`, or why there are none: all or nothing.
    ///
    /// # Errors
    /// An unknown set, a hash that is another, a number out of range, an instrument nobody feeds.
    pub fn build(&self, ids: &[u32]) -> Result<Vec<Features>, Fault> {
        if self.instruments.len() > FEATURES_SETS_MAX {
            return Err(Fault(format!("features: more than {FEATURES_SETS_MAX} instruments are named")));
        }
        if let Some(id) = self.instruments.keys().find(|id| !ids.contains(id)) {
            return Err(Fault(format!("features: instrument {id} is not fed here; take it out")));
        }
        ids.iter().map(|id| Features::new(self.instruments.get(id).unwrap_or(&self.default))).collect()
    }
}

#[derive(Debug)]
struct Named {
    name: String,
    lane: Lane,
}

impl Named {
    fn new(config: &ProfileConfig) -> Result<Self, Fault> {
        let profile = Profile {
            set: config.set.clone(),
            hash: config.hash,
            levels: config.levels,
            stale_after_ns: i64::from(config.stale_after_ms) * 1_000_000,
        };
        let lane = Lane::new(&profile)
            .map_err(|fault| Fault(format!("features: profile {}: {fault}", config.name)))?;
        Ok(Self { name: config.name.clone(), lane })
    }
}

#[derive(Debug)]
struct Shadow {
    named: Named,
    comparison: Comparison,
}

/// What a `BookTop` says of the active set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published<'a> {
    pub hash: u32,
    pub values: &'a [i64],
    pub flags: u32,
}

/// The kernels of one instrument.
#[derive(Debug)]
pub struct Features {
    active: Option<Named>,
    shadows: Vec<Shadow>,
    row: Option<Row>,
    /// Flags of outputs since the last one that was published; a reader must not miss a gap between two touches.
    since: u32,
    updates: u64,
}

impl Features {
    /// Fresh kernels.
    ///
    /// # Errors
    /// A profile that cannot run, too many shadows, a shadow with nothing to compare.
    pub fn new(config: &SetsConfig) -> Result<Self, Fault> {
        if config.shadows.len() > SHADOWS_MAX {
            return Err(Fault(format!(
                "features: {} shadows, at most {SHADOWS_MAX} run beside the active set; disable some",
                config.shadows.len()
            )));
        }
        let active = config.active.as_ref().map(Named::new).transpose()?;
        let mut shadows = Vec::new();
        for config in &config.shadows {
            let named = Named::new(config)?;
            let beside = active.as_ref().map_or(named.lane.set(), |active| active.lane.set());
            let comparison = Comparison::new(beside, named.lane.set());
            shadows.push(Shadow { named, comparison });
        }
        Ok(Self { active, shadows, row: None, since: 0, updates: 0 })
    }

    /// Nothing is computed.
    pub const fn none() -> Self {
        Self { active: None, shadows: Vec::new(), row: None, since: 0, updates: 0 }
    }

    /// Messages were lost: nothing learned so far holds.
    pub fn on_gap(&mut self) {
        self.lanes().for_each(Lane::on_gap);
        self.row = None;
    }

    /// One public trade.
    pub fn on_trade(&mut self, print: &Print) {
        self.lanes().for_each(|lane| lane.on_trade(print));
    }

    fn lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        let shadows = self.shadows.iter_mut().map(|shadow| &mut shadow.named.lane);
        self.active.iter_mut().map(|active| &mut active.lane).chain(shadows)
    }

    /// One update of the book.
    pub fn on_view(&mut self, view: &View) {
        self.updates += 1;
        let row = self.active.as_mut().map(|active| *active.lane.on_view(view));
        if let Some(row) = &row {
            self.since |=
                row.flags & (flags::GAP | flags::STATE_RESET | flags::STALE_INPUT | flags::OUT_OF_ORDER);
        }
        for shadow in &mut self.shadows {
            let other = shadow.named.lane.on_view(view);
            if let Some(row) = &row {
                shadow.comparison.compare(row, other, view.ts.0);
            }
        }
        self.row = row;
    }

    /// The newest output, with the flags of those that were not published. Nothing before the first.
    pub fn publish(&mut self) -> Option<Published<'_>> {
        let hash = self.hash();
        let row = self.row.as_mut()?;
        row.flags |= std::mem::take(&mut self.since);
        let flags = row.flags;
        // What is said again later is no new gap.
        row.flags &= flags::PARTIAL | flags::WARMING_UP;
        Some(Published { hash, values: row.values(), flags })
    }

    /// The hash of the active set; 0 where there is none.
    pub fn hash(&self) -> u32 {
        self.active.as_ref().map_or(0, |active| active.lane.hash())
    }

    /// For the statistics.
    pub fn stats(&self) -> Value {
        let shadow = |shadow: &Shadow| {
            let Shadow { named, comparison } = shadow;
            let first = comparison.first().map(|first| {
                json!({ "update": first.update, "tsNs": first.ts_ns.to_string(), "feature": first.feature,
                    "active": first.active, "shadow": first.shadow })
            });
            json!({ "profile": named.name, "set": named.lane.set().name, "hash": named.lane.hash(),
                "common": comparison.common(), "compared": comparison.compared(), "different": comparison.different(), "first": first })
        };
        json!({
            "profile": self.active.as_ref().map(|active| &active.name),
            "set": self.active.as_ref().map(|active| active.lane.set().name),
            "hash": self.hash(),
            "updates": self.updates,
            "shadows": self.shadows.iter().map(shadow).collect::<Vec<_>>(),
        })
    }
}
