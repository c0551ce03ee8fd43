//! What the gateway's loop is told at its start.

use crate::tier::TierName;
use crate::{Fault, read_table};
use serde::Deserialize;
use std::path::PathBuf;
use tidegate_instruments::Table;
use tidegate_journal::cpu;
use tidegate_risk::Limits;

/// The other gateway of the account.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PairConfig {
    /// This gateway's name in the pair.
    pub node: String,
    /// Where the other one serves its journal.
    pub peer_tail_url: String,
    /// The lease, as a file both gateways reach. Without one the shell keeps it.
    #[serde(default)]
    pub lease_file: Option<PathBuf>,
}

/// The CPUs the loop and the journal's writer keep to.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cpus {
    /// Best one that takes no interrupts of the disk.
    pub r#loop: usize,
    /// Best the one that takes them.
    pub journal: usize,
}

/// Those CPUs of a process that has them.
#[derive(Debug, Clone)]
pub struct Placed {
    pub cpus: Cpus,
    /// What the loop leaves to everything else.
    pub others: Vec<usize>,
}

impl Cpus {
    /// # Errors
    /// One that this process may not use.
    pub fn place(self) -> Result<Placed, Fault> {
        let may = cpu::allowed().map_err(|e| Fault(format!("cannot tell the CPUs: {e}")))?;
        for (setting, cpu) in [("loopCpu", self.r#loop), ("journalCpu", self.journal)] {
            if !may.contains(&cpu) {
                return Err(Fault(format!(
                    "gateway configuration: {setting} {cpu}: this process may use {may:?}"
                )));
            }
        }
        let others = may.into_iter().filter(|cpu| *cpu != self.r#loop).collect();
        Ok(Placed { cpus: self, others })
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
    /// Absent for a gateway that is alone.
    #[serde(default)]
    pub pair: Option<PairConfig>,
    /// Shared with the execution-router; empty where orders carry no approval.
    #[serde(default)]
    pub approval_key_file: PathBuf,
    /// The kill latch, beside the journal and not in it.
    pub latch_file: PathBuf,
    /// Where every event is written in the order the core is given it; absent where no session is to be replayed.
    #[serde(default)]
    pub input_log_dir: Option<PathBuf>,
    /// Absent = the system's choice.
    #[serde(default)]
    pub cpus: Option<Cpus>,
}

impl Config {
    /// Reads the configuration and the two files it names.
    ///
    /// # Errors
    /// What is malformed or missing, by name.
    pub fn load(json: &str) -> Result<(Self, Table, Limits), Fault> {
        let config: Self =
            serde_json::from_str(json).map_err(|e| Fault(format!("gateway configuration: {e}")))?;
        if let Some(pair) = &config.pair {
            let sound = (1..=16).contains(&pair.node.len())
                && pair.node.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            if !sound {
                return Err(Fault(format!(
                    "gateway configuration: pair.node is {:?}, want 1 to 16 of a-z and 0-9",
                    pair.node
                )));
            }
        }
        if config.tier.replicated() && config.pair.is_none() {
            let tier = config.tier.name();
            return Err(Fault(format!(
                "gateway configuration: tier {tier} waits for a standby, and this gateway is alone; want T0 or T2, or a pair"
            )));
        }
        if config.input_log_dir.is_some() && config.pair.is_some() {
            return Err(Fault(
                "gateway configuration: inputLogDir of a pair: what a standby folds is not in its log yet; want one of both".into(),
            ));
        }
        if let Some(Cpus { r#loop, journal }) = config.cpus
            && r#loop == journal
        {
            return Err(Fault(format!(
                "gateway configuration: loopCpu and journalCpu are both {journal}: the writer would take the loop's time; want two"
            )));
        }
        let table = read_table(&config.instruments_file)?;
        let shown = config.limits_file.display();
        let bytes = std::fs::read(&config.limits_file)
            .map_err(|e| Fault(format!("cannot read the limits {shown}: {e}; name a file that is there")))?;
        let limits = Limits::from_json(&bytes, &table).map_err(|e| Fault(format!("limits {shown}: {e}")))?;
        Ok((config, table, limits))
    }
}
