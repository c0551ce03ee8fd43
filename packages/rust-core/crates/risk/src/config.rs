//! The limits file: what the account owner allows. Nothing here has a default, and what is not named is refused.

use crate::limits::RATE_WINDOW_MAX;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use tidegate_instruments::Table;
use tidegate_units::{AccountId, InstrumentId, StrategyId};

/// Bytes of a limits file.
pub const LIMITS_BYTES_MAX: usize = 1 << 20;

/// Limits of the whole firm.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirmLimits {
    /// 1e-8 of the quote currency.
    pub exposure_e8_max: i64,
    /// Orders that are not terminal.
    pub open_orders_max: u32,
}

/// Limits of one account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountLimits {
    pub account_id: u32,
    pub exposure_e8_max: i64,
}

/// Limits of one strategy; one without a row may not trade.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategyLimits {
    pub strategy_id: u32,
    pub exposure_e8_max: i64,
    pub open_orders_max: u32,
    /// New orders and cancels accepted within the window; only new ones are refused by it.
    pub messages_max: u32,
    pub messages_window_ms: u32,
}

/// Limits of one instrument; one without a row may not be traded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentLimits {
    pub instrument_id: u32,
    pub order_qty_lots_max: i64,
    pub order_notional_e8_max: i64,
    /// |position| of one strategy with all its leaves on one side, in lots.
    pub position_lots_max: i64,
    /// Of all strategies together, 1e-8 of the quote currency.
    pub exposure_e8_max: i64,
    /// Absolute ceiling of a price.
    pub px_ticks_max: i64,
    /// Distance from the reference, in 1/10,000 of it; and the wider one for reducing orders.
    pub collar_bps: u32,
    pub reducing_collar_bps: u32,
    /// Age at which a reference price that nothing confirms is no reference any more.
    pub reference_age_ms_max: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    startup_holdoff_ms: u32,
    requery_ms: u32,
    firm: FirmLimits,
    accounts: Vec<AccountLimits>,
    strategies: Vec<StrategyLimits>,
    instruments: Vec<InstrumentLimits>,
}

/// Why a limits file was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitsFault {
    TooLarge {
        bytes: usize,
    },
    Malformed(String),
    ZeroVersion,
    NotPositive {
        what: String,
    },
    Twice {
        what: String,
    },
    UnknownInstrument {
        id: u32,
    },
    /// An instrument that only feeds market data: its orders could not be sent, valued or posted.
    NotTradable {
        id: u32,
        venue: &'static str,
    },
    RateAboveWindow {
        strategy_id: u32,
    },
    CollarInverted {
        instrument_id: u32,
    },
}

impl fmt::Display for LimitsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(f, "cannot read a limits file of {bytes} bytes: at most {LIMITS_BYTES_MAX}")
            }
            Self::Malformed(text) => write!(f, "cannot read the limits file: {text}"),
            Self::ZeroVersion => f.write_str("cannot use limits version 0: versions start at 1"),
            Self::NotPositive { what } => write!(f, "cannot use the limits: {what} must be above 0"),
            Self::Twice { what } => write!(f, "cannot use the limits: {what} stands twice"),
            Self::UnknownInstrument { id } => {
                write!(f, "cannot use the limits: instrument {id} is not in the instrument table")
            }
            Self::NotTradable { id, venue } => write!(
                f,
                "cannot use the limits: instrument {id} of {venue} is market data only; drop it from the limits"
            ),
            Self::RateAboveWindow { strategy_id } => write!(
                f,
                "cannot use the limits: messages_max of strategy {strategy_id} must be at most {RATE_WINDOW_MAX}"
            ),
            Self::CollarInverted { instrument_id } => write!(
                f,
                "cannot use the limits: reducing_collar_bps of instrument {instrument_id} must be at least collar_bps"
            ),
        }
    }
}

impl std::error::Error for LimitsFault {}

/// Checked limits.
#[derive(Debug, Clone)]
pub struct Limits {
    pub version: u32,
    /// No new order for this long after leadership was granted.
    pub startup_holdoff_ns: u64,
    /// How long an order may wait for news before it is asked about (again).
    pub requery_ns: u64,
    pub firm: FirmLimits,
    pub accounts: BTreeMap<AccountId, AccountLimits>,
    pub strategies: BTreeMap<StrategyId, StrategyLimits>,
    pub instruments: BTreeMap<InstrumentId, InstrumentLimits>,
    /// What they were read from: a change while running is made there and read again.
    pub(crate) document: serde_json::Value,
}

fn positive(value: i64, what: impl Fn() -> String) -> Result<(), LimitsFault> {
    if value > 0 { Ok(()) } else { Err(LimitsFault::NotPositive { what: what() }) }
}

impl Limits {
    /// Reads and checks a limits file against the instrument table it is for.
    ///
    /// # Errors
    /// The first thing wrong, by name.
    pub fn from_json(json: &[u8], table: &Table) -> Result<Self, LimitsFault> {
        if json.len() > LIMITS_BYTES_MAX {
            return Err(LimitsFault::TooLarge { bytes: json.len() });
        }
        let file: File = serde_json::from_slice(json).map_err(|e| LimitsFault::Malformed(e.to_string()))?;
        if file.version == 0 {
            return Err(LimitsFault::ZeroVersion);
        }
        positive(file.requery_ms.into(), || "requery_ms".into())?;
        positive(file.firm.exposure_e8_max, || "firm.exposure_e8_max".into())?;
        positive(file.firm.open_orders_max.into(), || "firm.open_orders_max".into())?;
        let document = serde_json::from_slice(json).map_err(|e| LimitsFault::Malformed(e.to_string()))?;
        let mut limits = Self {
            document,
            version: file.version,
            startup_holdoff_ns: u64::from(file.startup_holdoff_ms) * 1_000_000,
            requery_ns: u64::from(file.requery_ms) * 1_000_000,
            firm: file.firm,
            accounts: BTreeMap::new(),
            strategies: BTreeMap::new(),
            instruments: BTreeMap::new(),
        };
        for row in file.accounts {
            let id = row.account_id;
            positive(id.into(), || "account_id".into())?;
            positive(row.exposure_e8_max, || format!("exposure_e8_max of account {id}"))?;
            if limits.accounts.insert(AccountId(id), row).is_some() {
                return Err(LimitsFault::Twice { what: format!("account {id}") });
            }
        }
        for row in file.strategies {
            let id = row.strategy_id;
            positive(id.into(), || "strategy_id".into())?;
            positive(row.exposure_e8_max, || format!("exposure_e8_max of strategy {id}"))?;
            positive(row.open_orders_max.into(), || format!("open_orders_max of strategy {id}"))?;
            positive(row.messages_max.into(), || format!("messages_max of strategy {id}"))?;
            positive(row.messages_window_ms.into(), || format!("messages_window_ms of strategy {id}"))?;
            if row.messages_max as usize > RATE_WINDOW_MAX {
                return Err(LimitsFault::RateAboveWindow { strategy_id: id });
            }
            if limits.strategies.insert(StrategyId(id), row).is_some() {
                return Err(LimitsFault::Twice { what: format!("strategy {id}") });
            }
        }
        for row in file.instruments {
            let id = row.instrument_id;
            let Some(listed) = table.get(InstrumentId(id)) else {
                return Err(LimitsFault::UnknownInstrument { id });
            };
            if !listed.tradable() {
                return Err(LimitsFault::NotTradable { id, venue: listed.venue.name() });
            }
            for (value, what) in [
                (row.order_qty_lots_max, "order_qty_lots_max"),
                (row.order_notional_e8_max, "order_notional_e8_max"),
                (row.position_lots_max, "position_lots_max"),
                (row.exposure_e8_max, "exposure_e8_max"),
                (row.px_ticks_max, "px_ticks_max"),
                (row.collar_bps.into(), "collar_bps"),
                (row.reference_age_ms_max.into(), "reference_age_ms_max"),
            ] {
                positive(value, || format!("{what} of instrument {id}"))?;
            }
            if row.reducing_collar_bps < row.collar_bps {
                return Err(LimitsFault::CollarInverted { instrument_id: id });
            }
            if limits.instruments.insert(InstrumentId(id), row).is_some() {
                return Err(LimitsFault::Twice { what: format!("instrument {id}") });
            }
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = include_bytes!("../../../../../config/instruments.json");
    const SHIPPED: &str = include_str!("../../../../../config/limits.json");

    fn read(text: &str) -> Result<Limits, LimitsFault> {
        Limits::from_json(text.as_bytes(), &Table::from_json(TABLE).unwrap())
    }

    #[test]
    fn the_shipped_limits_are_sound() {
        let limits = read(SHIPPED).unwrap();
        assert!(limits.strategies.contains_key(&StrategyId(1)));
        assert_eq!(limits.instruments.len(), 2);
    }

    #[test]
    fn each_fault_has_its_name() {
        let with = |from: &str, to: &str| {
            assert!(SHIPPED.contains(from), "{from}");
            read(&SHIPPED.replacen(from, to, 1)).unwrap_err()
        };
        assert_eq!(with("\"version\": 1", "\"version\": 0"), LimitsFault::ZeroVersion);
        assert!(
            matches!(with("\"requery_ms\"", "\"requery\""), LimitsFault::Malformed(t) if t.contains("requery"))
        );
        assert!(matches!(
            with("\"instrument_id\": 1", "\"instrument_id\": 77"),
            LimitsFault::UnknownInstrument { id: 77 }
        ));
        assert!(matches!(with("\"instrument_id\": 2", "\"instrument_id\": 1"), LimitsFault::Twice { .. }));
        assert!(matches!(with("\"strategy_id\": 1", "\"strategy_id\": 0"), LimitsFault::NotPositive { .. }));
        assert!(matches!(
            with("\"messages_max\": ", "\"messages_max\": 99"),
            LimitsFault::RateAboveWindow { .. }
        ));
        assert!(matches!(with("\"collar_bps\": ", "\"collar_bps\": 99"), LimitsFault::CollarInverted { .. }));
        let large = " ".repeat(LIMITS_BYTES_MAX + 1);
        assert!(matches!(read(&large), Err(LimitsFault::TooLarge { .. })));
    }
}
