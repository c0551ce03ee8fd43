//! What the gateway's loop is told at its start.

use crate::Fault;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use tidegate_instruments::Table;
use tidegate_journal::Tier;
use tidegate_risk::Limits;

/// Durability of the journal: what a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TierName {
    T0,
    T2,
}

impl From<TierName> for Tier {
    fn from(name: TierName) -> Self {
        match name {
            TierName::T0 => Self::T0,
            TierName::T2 => Self::T2,
        }
    }
}

/// The configuration, as the shell hands it over. Paths are relative to the run directory.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    pub intent_url: String,
    pub command_url: String,
    pub tail_url: String,
    pub md_url: String,
    pub journal_dir: PathBuf,
    pub tier: TierName,
    /// Where the session number of this process's links is kept.
    pub epoch_file: PathBuf,
    pub instruments_file: PathBuf,
    pub limits_file: PathBuf,
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(path)
        .map_err(|e| Fault(format!("cannot read {}: {e}; name a file that is there", path.display())))
}

impl Config {
    /// Reads the configuration and the two files it names.
    ///
    /// # Errors
    /// What is malformed or missing, by name.
    pub fn load(json: &str) -> Result<(Self, Table, Limits), Fault> {
        let config: Self =
            serde_json::from_str(json).map_err(|e| Fault(format!("gateway configuration: {e}")))?;
        let of = |path: &Path, text: String| Fault(format!("{}: {text}", path.display()));
        let table = Table::from_json(&read(&config.instruments_file)?)
            .map_err(|e| of(&config.instruments_file, e.to_string()))?;
        let limits = Limits::from_json(&read(&config.limits_file)?, &table)
            .map_err(|e| of(&config.limits_file, e.to_string()))?;
        Ok((config, table, limits))
    }
}
