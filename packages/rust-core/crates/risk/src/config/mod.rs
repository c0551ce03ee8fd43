//! The limits file: what the account owner allows. Nothing here has a default, and what is not named is refused; a control
//! of its own section that is left out is off, and [`Limits::unset`] names it.

mod change;
mod controls;
mod rows;

pub use controls::{
    AccountChecks, AccountKind, Attribution, Blackout, DeskLimits, DrawdownLimit, DriftLimit, KillLimits,
    LossAction, LossLimits, MarketName, OrderToTrade, Permissions, Sides, StormConfig, TickBand, TimeOfDay,
    Window,
};

pub use rows::{RowId, Rows};

use crate::limits::{RATE_WINDOW_MAX, WINDOW_MAX};
use controls::{check_bands, check_blackouts};
use serde::Deserialize;
use std::collections::BTreeSet;
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
    pub loss: Option<LossLimits>,
}

/// Limits of one account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountLimits {
    pub account_id: u32,
    pub exposure_e8_max: i64,
    /// New orders and cancels accepted within the window, of all strategies.
    pub messages: Option<Window>,
    pub loss: Option<LossLimits>,
    pub checks: Option<AccountChecks>,
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
    /// Instruments with a position or an order at once.
    pub open_positions_max: Option<u32>,
    /// Orders of the same account, instrument, side, px and qty within the window.
    pub duplicates: Option<Window>,
    /// Fills without a person within the window; one more quarantines the strategy.
    pub executions: Option<Window>,
    /// Refusals of its own making within the window; one more quarantines the strategy.
    pub refusals: Option<Window>,
    pub order_to_trade: Option<OrderToTrade>,
    pub loss: Option<LossLimits>,
    pub permissions: Option<Permissions>,
    pub attribution: Option<Attribution>,
    /// The desk whose exposure it counts to.
    pub desk_id: Option<u32>,
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
    /// How far beyond the reference an order may take, in 1/10,000 of it.
    pub slippage_bps: Option<u32>,
    pub drift: Option<DriftLimit>,
    /// Whose sessions it trades in; without one it always trades.
    pub market: Option<MarketName>,
    pub blackouts: Option<Vec<Blackout>>,
    /// Steps of the price by price, from the lowest; without any every tick is one.
    pub tick_bands: Option<Vec<TickBand>>,
    /// Sizes are multiples of it.
    pub lot_step: Option<i64>,
    /// New orders and cancels in it accepted within the window, of all strategies.
    pub messages: Option<Window>,
    /// A position that is usual, the measure of the kill switch's `position_multiple`.
    pub position_normal_lots: Option<i64>,
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
    currency: Option<String>,
    rate_age_ms_max: Option<u32>,
    mark_age_ms_max: Option<u32>,
    monitor_age_ms_max: Option<u32>,
    approval_ttl_ms: Option<u32>,
    #[serde(default)]
    restricted: Vec<u32>,
    #[serde(default)]
    desks: Vec<DeskLimits>,
    #[serde(default)]
    storm: StormConfig,
    #[serde(default)]
    kill: KillLimits,
    require_attribution: Option<bool>,
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
    BadWindow {
        what: String,
        max: usize,
    },
    BadBands {
        instrument_id: u32,
    },
    BadBlackout {
        instrument_id: u32,
    },
    BadAttribution {
        strategy_id: u32,
    },
    UnknownDesk {
        strategy_id: u32,
        desk_id: u32,
    },
    BadStorm {
        what: &'static str,
    },
    /// Instruments of several currencies, and none to add them up in.
    CurrencyMissing,
    RateAgeMissing,
    BadMargin {
        account_id: u32,
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
            Self::BadWindow { what, max } => write!(
                f,
                "cannot use the limits: {what} must have a count_max of 1 to {max} and a window_ms above 0"
            ),
            Self::BadBands { instrument_id } => write!(
                f,
                "cannot use the limits: tick_bands of instrument {instrument_id} must rise, with steps above 0"
            ),
            Self::BadBlackout { instrument_id } => write!(
                f,
                "cannot use the limits: each blackout of instrument {instrument_id} must end after its start, on one day"
            ),
            Self::BadAttribution { strategy_id } => write!(
                f,
                "cannot use the limits: attribution of strategy {strategy_id} wants a version of 16 hex digits that is not 0, and ids above 0"
            ),
            Self::UnknownDesk { strategy_id, desk_id } => write!(
                f,
                "cannot use the limits: desk {desk_id} of strategy {strategy_id} has no row in desks"
            ),
            Self::BadStorm { what } => write!(
                f,
                "cannot use the limits: storm.{what} wants each input once, with thresholds that rise and ages above 0"
            ),
            Self::CurrencyMissing => f.write_str(
                "cannot use the limits: their instruments have several quote currencies; name the currency of the sums in \"currency\"",
            ),
            Self::RateAgeMissing => f.write_str(
                "cannot use the limits: amounts must be converted; name the age of a rate that is too old in \"rate_age_ms_max\"",
            ),
            Self::BadMargin { account_id } => write!(
                f,
                "cannot use the limits: checks of account {account_id} want an age above 0, and initial_margin_bps of 1 to 10000 for margin and futures, none for cash"
            ),
        }
    }
}

impl std::error::Error for LimitsFault {}

/// Checked limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    pub version: u32,
    /// No new order for this long after leadership was granted.
    pub startup_holdoff_ns: u64,
    /// How long an order may wait for news before it is asked about (again).
    pub requery_ns: u64,
    pub firm: FirmLimits,
    pub accounts: Rows<AccountId, AccountLimits>,
    pub strategies: Rows<StrategyId, StrategyLimits>,
    pub instruments: Rows<InstrumentId, InstrumentLimits>,
    /// What exposures and losses are added up in.
    pub currency: String,
    /// Age at which a conversion rate is none any more.
    pub rate_age_ns: i64,
    /// Age of a held instrument's price at which its strategies may only reduce.
    pub mark_age_ns: Option<u64>,
    /// Silence of the monitor after which only cancels and reducing orders pass.
    pub monitor_age_ns: Option<u64>,
    /// Life of an approval.
    pub approval_ttl_ns: i64,
    pub restricted: BTreeSet<InstrumentId>,
    pub desks: Rows<u32, DeskLimits>,
    pub storm: StormConfig,
    pub kill: KillLimits,
    /// Whether an order without an attribution is refused.
    pub require_attribution: bool,
    /// What they were read from: a change while running is made there and read again.
    pub(crate) document: serde_json::Value,
}

/// Life of an approval where the limits name none.
const APPROVAL_TTL_MS: u32 = 2_000;

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
        if let Some(loss) = file.firm.loss {
            loss.check("the firm")?;
        }
        let ns = |ms: u32| u64::from(ms) * 1_000_000;
        let mut limits = Self {
            version: file.version,
            startup_holdoff_ns: ns(file.startup_holdoff_ms),
            requery_ns: ns(file.requery_ms),
            firm: file.firm,
            accounts: Rows::default(),
            strategies: Rows::default(),
            instruments: Rows::default(),
            currency: file.currency.clone().unwrap_or_default(),
            rate_age_ns: file.rate_age_ms_max.map_or(0, |ms| i64::from(ms) * 1_000_000),
            mark_age_ns: file.mark_age_ms_max.map(ns),
            monitor_age_ns: file.monitor_age_ms_max.map(ns),
            approval_ttl_ns: i64::from(file.approval_ttl_ms.unwrap_or(APPROVAL_TTL_MS)) * 1_000_000,
            restricted: file.restricted.iter().copied().map(InstrumentId).collect(),
            desks: Rows::default(),
            storm: file.storm,
            kill: file.kill,
            require_attribution: file.require_attribution.unwrap_or(false),
            document: serde_json::from_slice(json).map_err(|e| LimitsFault::Malformed(e.to_string()))?,
        };
        for (value, what) in [
            (file.rate_age_ms_max, "rate_age_ms_max"),
            (file.mark_age_ms_max, "mark_age_ms_max"),
            (file.monitor_age_ms_max, "monitor_age_ms_max"),
            (file.approval_ttl_ms, "approval_ttl_ms"),
            (limits.kill.day_loss_percent, "kill.day_loss_percent"),
            (limits.kill.position_multiple, "kill.position_multiple"),
            (limits.kill.error_rate_bps, "kill.error_rate_bps"),
            (limits.kill.decision_p99_us, "kill.decision_p99_us"),
        ] {
            positive(value.map_or(1, i64::from), || what.into())?;
        }
        positive(limits.storm.capital_e8.unwrap_or(1), || "storm.capital_e8".into())?;
        for (storm, what) in [(&limits.storm.firm, "firm"), (&limits.storm.venue, "venue")] {
            if storm.as_ref().is_some_and(|s| !s.sound()) {
                return Err(LimitsFault::BadStorm { what });
            }
        }
        for row in file.desks {
            let id = row.desk_id;
            positive(id.into(), || "desk_id".into())?;
            positive(row.exposure_e8_max, || format!("exposure_e8_max of desk {id}"))?;
            if limits.desks.insert(id, row).is_some() {
                return Err(LimitsFault::Twice { what: format!("desk {id}") });
            }
        }
        for id in &limits.restricted {
            if table.get(*id).is_none() {
                return Err(LimitsFault::UnknownInstrument { id: id.0 });
            }
        }
        for row in file.accounts {
            let id = row.account_id;
            positive(id.into(), || "account_id".into())?;
            positive(row.exposure_e8_max, || format!("exposure_e8_max of account {id}"))?;
            check_account(&row)?;
            if limits.accounts.insert(AccountId(id), row).is_some() {
                return Err(LimitsFault::Twice { what: format!("account {id}") });
            }
        }
        for mut row in file.strategies {
            let id = row.strategy_id;
            positive(id.into(), || "strategy_id".into())?;
            positive(row.exposure_e8_max, || format!("exposure_e8_max of strategy {id}"))?;
            positive(row.open_orders_max.into(), || format!("open_orders_max of strategy {id}"))?;
            positive(row.messages_max.into(), || format!("messages_max of strategy {id}"))?;
            positive(row.messages_window_ms.into(), || format!("messages_window_ms of strategy {id}"))?;
            if row.messages_max as usize > RATE_WINDOW_MAX {
                return Err(LimitsFault::RateAboveWindow { strategy_id: id });
            }
            check_strategy(&row, &limits.desks)?;
            if let Some(who) = &mut row.attribution {
                who.version_bits = who.read_version().unwrap_or(0);
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
            check_instrument(&row)?;
            if limits.instruments.insert(InstrumentId(id), row).is_some() {
                return Err(LimitsFault::Twice { what: format!("instrument {id}") });
            }
        }
        limits.settle_currency(table)?;
        Ok(limits)
    }

    /// Finds the currency of the sums, and whether conversion has what it needs.
    fn settle_currency(&mut self, table: &Table) -> Result<(), LimitsFault> {
        let quotes: BTreeSet<&str> =
            self.instruments.keys().filter_map(|id| table.get(*id)).map(|row| row.quote.as_str()).collect();
        if self.currency.is_empty() {
            if quotes.len() > 1 {
                return Err(LimitsFault::CurrencyMissing);
            }
            self.currency = quotes.first().copied().unwrap_or_default().to_string();
        }
        let converts = quotes.iter().any(|quote| *quote != self.currency);
        if converts && self.rate_age_ns == 0 { Err(LimitsFault::RateAgeMissing) } else { Ok(()) }
    }

    /// The controls that are off because the file leaves them out, by name, for the log of a start.
    pub fn unset(&self) -> Vec<String> {
        let mut unset = Vec::new();
        let mut note = |off: bool, what: String| {
            if off {
                unset.push(what);
            }
        };
        note(self.firm.loss.is_none(), "firm.loss".into());
        note(self.mark_age_ns.is_none(), "mark_age_ms_max".into());
        note(self.monitor_age_ns.is_none(), "monitor_age_ms_max".into());
        note(self.storm.firm.is_none(), "storm.firm".into());
        note(self.storm.venue.is_none(), "storm.venue".into());
        note(self.kill == KillLimits::default(), "kill".into());
        for (id, row) in &self.accounts {
            note(row.messages.is_none(), format!("messages of account {id}"));
            note(row.loss.is_none(), format!("loss of account {id}"));
            note(row.checks.is_none(), format!("checks of account {id}"));
        }
        for (id, row) in &self.strategies {
            note(row.open_positions_max.is_none(), format!("open_positions_max of strategy {id}"));
            note(row.duplicates.is_none(), format!("duplicates of strategy {id}"));
            note(row.executions.is_none(), format!("executions of strategy {id}"));
            note(row.refusals.is_none(), format!("refusals of strategy {id}"));
            note(row.order_to_trade.is_none(), format!("order_to_trade of strategy {id}"));
            note(row.loss.is_none(), format!("loss of strategy {id}"));
            note(row.attribution.is_none(), format!("attribution of strategy {id}"));
        }
        for (id, row) in &self.instruments {
            note(row.slippage_bps.is_none(), format!("slippage_bps of instrument {id}"));
            note(row.drift.is_none(), format!("drift of instrument {id}"));
            note(row.market.is_none(), format!("market of instrument {id}"));
        }
        unset
    }
}

fn check_account(row: &AccountLimits) -> Result<(), LimitsFault> {
    let id = row.account_id;
    if let Some(window) = row.messages {
        window.check(&format!("messages of account {id}"))?;
    }
    if let Some(loss) = row.loss {
        loss.check(&format!("account {id}"))?;
    }
    let Some(checks) = row.checks else { return Ok(()) };
    let initial = match checks.kind {
        AccountKind::Cash => checks.initial_margin_bps.is_none(),
        _ => checks.initial_margin_bps.is_some_and(|bps| (1..=10_000).contains(&bps)),
    };
    let ratio = checks.margin_ratio_bps_max.is_none_or(|bps| bps > 0);
    if initial && ratio && checks.snapshot_age_ms_max > 0 {
        Ok(())
    } else {
        Err(LimitsFault::BadMargin { account_id: id })
    }
}

fn check_strategy(row: &StrategyLimits, desks: &Rows<u32, DeskLimits>) -> Result<(), LimitsFault> {
    let id = row.strategy_id;
    for (window, what) in
        [(row.duplicates, "duplicates"), (row.executions, "executions"), (row.refusals, "refusals")]
    {
        if let Some(window) = window {
            window.check(&format!("{what} of strategy {id}"))?;
        }
    }
    positive(row.open_positions_max.map_or(1, i64::from), || format!("open_positions_max of strategy {id}"))?;
    if let Some(budget) = row.order_to_trade {
        positive(budget.ratio_max.into(), || format!("order_to_trade.ratio_max of strategy {id}"))?;
    }
    if let Some(loss) = row.loss {
        loss.check(&format!("strategy {id}"))?;
    }
    if let Some(who) = &row.attribution {
        let named = [who.trader_id, who.desk_id, who.client_id].iter().all(|id| *id != 0);
        if who.read_version().is_none() || !named {
            return Err(LimitsFault::BadAttribution { strategy_id: id });
        }
    }
    match row.desk_id {
        Some(desk_id) if !desks.contains_key(&desk_id) => {
            Err(LimitsFault::UnknownDesk { strategy_id: id, desk_id })
        }
        _ => Ok(()),
    }
}

fn check_instrument(row: &InstrumentLimits) -> Result<(), LimitsFault> {
    let id = row.instrument_id;
    for (value, what) in [
        (row.slippage_bps.map(i64::from), "slippage_bps"),
        (row.lot_step, "lot_step"),
        (row.position_normal_lots, "position_normal_lots"),
    ] {
        positive(value.unwrap_or(1), || format!("{what} of instrument {id}"))?;
    }
    if let Some(drift) = row.drift {
        Window { count_max: drift.bps_max.min(WINDOW_MAX as u32), window_ms: drift.window_ms }
            .check(&format!("drift of instrument {id}"))?;
    }
    if let Some(window) = row.messages {
        window.check(&format!("messages of instrument {id}"))?;
    }
    check_bands(row.tick_bands.as_deref().unwrap_or(&[]), id)?;
    check_blackouts(row.blackouts.as_deref().unwrap_or(&[]), id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = include_bytes!("../../../../../../config/instruments.json");
    const SHIPPED: &str = include_str!("../../../../../../config/limits.json");

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
        // The first row as one of a venue that is market data only.
        let fed = String::from_utf8_lossy(TABLE).replace("BINANCE_SPOT", "ALPACA_CRYPTO");
        assert_eq!(
            Limits::from_json(SHIPPED.as_bytes(), &Table::from_json(fed.as_bytes()).unwrap()).unwrap_err(),
            LimitsFault::NotTradable { id: 1, venue: "ALPACA_CRYPTO" }
        );
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
