//! What a run is told, as JSON, and the tapes it names.

use crate::any::{Book, Queue};
use crate::limits::{CONFIG_BYTES_MAX, TAPES_MAX};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use tidegate_backtest::account::{Basis, Fees};
use tidegate_backtest::latency::{Latency, Recorded};
use tidegate_backtest::queue::{Behind, Probable, RiskAverse};
use tidegate_backtest::store::Stored;
use tidegate_backtest::tape::Stream;
use tidegate_backtest::{Accounting, AssetConfig, FillModel};
use tidegate_instruments::Instrument;

/// A run.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    pub instruments: Vec<InstrumentConfig>,
    pub queue: QueueConfig,
    pub fill: Fill,
    /// The strategy's epoch: what its intents are known by.
    pub epoch: u32,
    /// The run stops at each multiple of it after its start, for the strategy's timer.
    pub tick_ns: i64,
    /// The accounts are written down at each multiple of it.
    pub sample_ns: i64,
    /// Rows from this time on, ns since the epoch, are cut off both streams: what a run that ends there knows.
    #[serde(default)]
    pub until_ns: Option<i64>,
    /// The market goes on for so long before the strategy begins, ns.
    #[serde(default)]
    pub skip_ns: i64,
    /// The gateway's limits; without them nothing is refused that the gateway would refuse.
    #[serde(default)]
    pub limits: Option<LimitsConfig>,
    /// Events of one batch: 1 shows the strategy one at a time, for a test.
    #[serde(default = "batch")]
    pub batch: usize,
}

const fn batch() -> usize {
    tidegate_engine::strategy::layout::EVENTS_MAX
}

/// The gateway inside a run.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitsConfig {
    /// The limits file's own text, as the gateway reads it.
    pub file: String,
    /// The instrument table's.
    pub table: String,
    /// Whose row of the limits the strategy has, and whose account it trades.
    pub strategy_id: u32,
    pub account_id: u32,
}

/// One instrument of a run.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstrumentConfig {
    /// Its row of the instrument table.
    pub row: Instrument,
    pub tape: PathBuf,
    pub latency: LatencyConfig,
    pub fees: FeesConfig,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    Consuming,
    Partial,
    Whole,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum QueueConfig {
    RiskAverse,
    Power { n: f64 },
    PowerOfAll { n: f64 },
    PowerOfShare { n: f64 },
    Log { unit: f64 },
    LogOfAll { unit: f64 },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "kind", deny_unknown_fields)]
pub enum LatencyConfig {
    Constant {
        entry_ns: i64,
        answer_ns: i64,
    },
    /// Rows of sent, at the venue, back; ns since the epoch.
    Interpolated {
        rows: Vec<[i64; 3]>,
    },
    Drawn {
        entry_ns: Vec<i64>,
        answer_ns: Vec<i64>,
        seed: u64,
    },
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeesConfig {
    pub basis: BasisName,
    pub maker_e8: i64,
    pub taker_e8: i64,
    pub buyer_e8: i64,
    pub seller_e8: i64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BasisName {
    Value,
    Lot,
    Fill,
}

impl Config {
    /// Reads a run's configuration.
    ///
    /// # Errors
    /// No JSON of this form, or a number that cannot be: which.
    pub fn from_json(json: &str) -> Result<Self, String> {
        if json.len() > CONFIG_BYTES_MAX {
            return Err(format!(
                "a run's configuration of {} bytes: want at most {CONFIG_BYTES_MAX}",
                json.len()
            ));
        }
        let config: Self =
            serde_json::from_str(json).map_err(|fault| format!("a run's configuration: {fault}"))?;
        for (name, ns) in [("tickNs", config.tick_ns), ("sampleNs", config.sample_ns)] {
            if ns < 1 {
                return Err(format!("{name} is {ns}: want at least 1"));
            }
        }
        if config.skip_ns < 0 {
            return Err(format!("skipNs is {}: want 0 or more", config.skip_ns));
        }
        if !(1..=batch()).contains(&config.batch) {
            return Err(format!("batch is {}: want 1 to {}", config.batch, batch()));
        }
        Ok(config)
    }

    pub(crate) fn queue(&self) -> Result<Queue, String> {
        let positive = |name: &str, x: f64| {
            if x > 0.0 && x.is_finite() {
                Ok(x)
            } else {
                Err(format!("queue: {name} is {x}: want a number above 0"))
            }
        };
        let behind = match self.queue {
            QueueConfig::RiskAverse => return Ok(Queue::RiskAverse(RiskAverse)),
            QueueConfig::Power { n } => Behind::Power(positive("n", n)?),
            QueueConfig::PowerOfAll { n } => Behind::PowerOfAll(positive("n", n)?),
            QueueConfig::PowerOfShare { n } => Behind::PowerOfShare(positive("n", n)?),
            QueueConfig::Log { unit } => Behind::Log { unit: positive("unit", unit)? },
            QueueConfig::LogOfAll { unit } => Behind::LogOfAll { unit: positive("unit", unit)? },
        };
        Ok(Queue::Probable(Probable(behind)))
    }

    pub(crate) const fn fill(&self) -> FillModel {
        match self.fill {
            Fill::Consuming => FillModel::Consuming,
            Fill::Partial => FillModel::Partial,
            Fill::Whole => FillModel::Whole,
        }
    }
}

impl InstrumentConfig {
    pub(crate) fn fees(&self) -> Fees {
        let FeesConfig { basis, maker_e8, taker_e8, buyer_e8, seller_e8 } = self.fees;
        let basis = match basis {
            BasisName::Value => Basis::Value,
            BasisName::Lot => Basis::Lot,
            BasisName::Fill => Basis::Fill,
        };
        Fees { basis, maker_e8, taker_e8, buyer_e8, seller_e8 }
    }

    pub(crate) fn latency(&self) -> Result<Latency, String> {
        match &self.latency {
            LatencyConfig::Constant { entry_ns, answer_ns } => Latency::constant(*entry_ns, *answer_ns),
            LatencyConfig::Interpolated { rows } => Latency::interpolated(
                rows.iter()
                    .map(|&[sent_ns, venue_ns, back_ns]| Recorded { sent_ns, venue_ns, back_ns })
                    .collect(),
            ),
            LatencyConfig::Drawn { entry_ns, answer_ns, seed } => {
                Latency::drawn(entry_ns.clone(), answer_ns.clone(), *seed)
            }
        }
        .map_err(|fault| format!("latency of {}: {fault}", self.row.symbol))
    }

    /// Opens the tape and holds it against the row.
    pub(crate) fn open(&self) -> Result<&'static Stored, String> {
        let tape = open(&self.tape)?;
        let (header, row) = (tape.header(), &self.row);
        let of =
            (row.venue.name(), row.symbol.as_str(), row.px_scale, row.px_unit, row.qty_scale, row.qty_unit);
        let is = (
            header.venue.as_str(),
            header.symbol.as_str(),
            header.px_scale,
            header.px_unit,
            header.qty_scale,
            header.qty_unit,
        );
        if of == is {
            return Ok(tape);
        }
        Err(format!(
            "{}: a tape of {is:?}, the instrument table has {of:?}: convert the recording again",
            self.tape.display()
        ))
    }

    pub(crate) fn asset(
        &self,
        tape: &'static Stored,
        queue: Queue,
        fill: FillModel,
        until_ns: Option<i64>,
    ) -> Result<AssetConfig<'static, Book, Queue>, String> {
        Ok(AssetConfig {
            instrument: self.row.clone(),
            venue: cut(tape.venue(), until_ns),
            local: cut(tape.local(), until_ns),
            levels: Book::of([tape.venue(), tape.local()]),
            queue,
            fill,
            latency: self.latency()?,
            fees: self.fees(),
            accounting: Accounting::EveryFill,
        })
    }
}

/// The rows before a time.
fn cut(stream: Stream<'static>, until_ns: Option<i64>) -> Stream<'static> {
    let Some(until) = until_ns else { return stream };
    let rows = stream.ns.partition_point(|ns| *ns < until);
    Stream {
        ns: stream.ns.get(..rows).unwrap_or_default(),
        qty: stream.qty.get(..rows).unwrap_or_default(),
        px: stream.px.get(..rows).unwrap_or_default(),
        kind: stream.kind.get(..rows).unwrap_or_default(),
    }
}

type Known = BTreeMap<(PathBuf, u64, Option<SystemTime>), &'static Stored>;

/// A tape, opened and checked once a process and file. It stays mapped, which a run's engine relies on.
fn open(path: &Path) -> Result<&'static Stored, String> {
    static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());
    let named = |fault: std::io::Error| format!("{}: {fault}", path.display());
    let real = path.canonicalize().map_err(named)?;
    let about = real.metadata().map_err(named)?;
    let key = (real, about.len(), about.modified().ok());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(tape) = known.get(&key) {
        return Ok(tape);
    }
    if known.len() >= TAPES_MAX {
        return Err(format!("{}: {TAPES_MAX} tapes are open: use another process", path.display()));
    }
    let tape: &'static Stored = Box::leak(Box::new(Stored::open(path)?));
    known.insert(key, tape);
    Ok(tape)
}
