//! The parts of a limits file that a control may be left out of. What is left out is not checked, and
//! [`Limits::unset`](super::Limits::unset) says so by name.

use super::LimitsFault;
use crate::limits::{BLACKOUTS_MAX, TICK_BANDS_MAX, WINDOW_MAX};
use crate::storm::StormLimits;
use serde::Deserialize;
use tidegate_calendar::Market;

/// At most `count_max` within `window_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub count_max: u32,
    pub window_ms: u32,
}

impl Window {
    pub(crate) const fn ns(self) -> i64 {
        self.window_ms as i64 * 1_000_000
    }

    pub(crate) fn check(self, what: &str) -> Result<(), LimitsFault> {
        let sound = self.count_max > 0 && self.count_max as usize <= WINDOW_MAX && self.window_ms > 0;
        if sound { Ok(()) } else { Err(LimitsFault::BadWindow { what: what.to_string(), max: WINDOW_MAX }) }
    }
}

/// A calendar by its name: `24/7`, `XTAI`, `TAIFEX` or `XNYS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MarketName(pub Market);

impl TryFrom<String> for MarketName {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        Market::parse(&name).map(Self).ok_or(format!("market {name}: want 24/7, XTAI, TAIFEX or XNYS"))
    }
}

/// A local time of day, `HH:MM` or `HH:MM:SS`, in seconds since midnight; `24:00` is the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeOfDay(pub i64);

impl TryFrom<String> for TimeOfDay {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let fault = || format!("time of day {text}: want HH:MM or HH:MM:SS");
        let mut seconds = 0;
        let parts: Vec<&str> = text.split(':').collect();
        if !(2..=3).contains(&parts.len()) {
            return Err(fault());
        }
        for (part, (unit, max)) in parts.iter().zip([(3_600, 24), (60, 59), (1, 59)]) {
            let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            let value = part.parse::<i64>().ok().filter(|v| digits && *v <= max).ok_or_else(fault)?;
            seconds += value * unit;
        }
        if seconds > 86_400 { Err(fault()) } else { Ok(Self(seconds)) }
    }
}

/// A time of day without new orders, in the local time of the instrument's market: from the first second, to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blackout {
    pub from: TimeOfDay,
    pub to: TimeOfDay,
}

/// From this price on, prices are multiples of `step_ticks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TickBand {
    pub from_px_ticks: i64,
    pub step_ticks: i64,
}

/// How far own fills may move with a price within a time (RTS 6 article 15(1)(a), "over a specified period").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftLimit {
    pub bps_max: u32,
    pub window_ms: u32,
}

/// What happens when a loss reaches its limit. Reducing orders pass in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossAction {
    ReduceOnly,
    /// And the scope's live orders are cancelled.
    Cancel,
}

/// The fall from the peak of the day's profit that is allowed, once the peak is worth something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrawdownLimit {
    /// Of the peak, in 1/10,000.
    pub bps_max: u32,
    /// Below this profit, 1e-8 of the currency, no fall counts.
    pub peak_e8_min: i64,
}

/// How much a scope may lose, 1e-8 of the limits' currency, from the equity at the start of each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossLimits {
    /// Whose trading days the periods follow.
    pub market: MarketName,
    pub day_e8_max: Option<i64>,
    pub week_e8_max: Option<i64>,
    pub month_e8_max: Option<i64>,
    pub drawdown: Option<DrawdownLimit>,
    pub action: LossAction,
}

impl LossLimits {
    pub(crate) fn check(&self, what: &str) -> Result<(), LimitsFault> {
        let sums = [self.day_e8_max, self.week_e8_max, self.month_e8_max];
        let peak = self.drawdown.map(|d| d.peak_e8_min);
        let bps = self.drawdown.map(|d| i64::from(d.bps_max));
        if sums.iter().chain([&peak, &bps]).flatten().all(|v| *v > 0) {
            Ok(())
        } else {
            Err(LimitsFault::NotPositive { what: format!("every limit in the loss of {what}") })
        }
    }
}

/// Who answers for a strategy's orders (RTS 6 article 12(3)).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribution {
    /// The first 64 bits of the hash of the strategy's code and parameters, 16 hex digits.
    pub version: String,
    pub trader_id: u32,
    pub desk_id: u32,
    pub client_id: u32,
    /// The bits of `version`, read once.
    #[serde(skip)]
    pub(crate) version_bits: u64,
}

impl Attribution {
    pub(crate) fn read_version(&self) -> Option<u64> {
        let digits = self.version.len() == 16 && self.version.bytes().all(|b| b.is_ascii_hexdigit());
        u64::from_str_radix(&self.version, 16).ok().filter(|bits| digits && *bits != 0)
    }
}

/// Which way a strategy may trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sides {
    Both,
    Buy,
    Sell,
}

/// What a strategy may touch; beside it nothing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permissions {
    pub accounts: Vec<u32>,
    pub instruments: Vec<u32>,
    pub sides: Sides,
}

/// Messages sent per trade made, once so many were sent; both counted over the trading day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderToTrade {
    pub ratio_max: u32,
    pub messages_min: u32,
    pub market: MarketName,
}

/// What an account is and so what it must have for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// Buys with the quote asset it has, sells the base asset it has.
    Cash,
    /// Buys on margin; sells short what has a locate.
    Margin,
    /// Holds contracts against margin in the settlement asset.
    Futures,
}

/// How an account's means are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountChecks {
    pub kind: AccountKind,
    /// Age at which the venue's word on the account is none any more.
    pub snapshot_age_ms_max: u32,
    /// Margin and futures: what an order costs of its value, in 1/10,000.
    pub initial_margin_bps: Option<u32>,
    /// Maintenance margin over margin balance, in 1/10,000, at which only reducing orders pass.
    pub margin_ratio_bps_max: Option<u32>,
}

/// Thresholds at which the kill switch trips by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KillLimits {
    /// Part of the firm's day loss limit, in 1/100.
    pub day_loss_percent: Option<u32>,
    /// Position in one instrument over `position_normal_lots`.
    pub position_multiple: Option<u32>,
    /// Requests to venues that failed, in 1/10,000 (health input `error_rate_bps`).
    pub error_rate_bps: Option<u32>,
    /// Time from intent to decision, 99th percentile in microseconds (health input `decision_p99_us`).
    pub decision_p99_us: Option<u32>,
}

/// The guards over the firm and over each account at each venue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StormConfig {
    pub firm: Option<StormLimits>,
    pub venue: Option<StormLimits>,
    /// What the fall of the firm's equity is measured against, 1e-8 of the limits' currency; without it there is no reading
    /// of `drawdown_bps`.
    pub capital_e8: Option<i64>,
}

/// A group of strategies with an exposure of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeskLimits {
    pub desk_id: u32,
    pub exposure_e8_max: i64,
}

pub(crate) fn check_bands(bands: &[TickBand], id: u32) -> Result<(), LimitsFault> {
    let rises = bands.windows(2).all(|w| w[0].from_px_ticks < w[1].from_px_ticks);
    let sound = bands.iter().all(|b| b.step_ticks > 0 && b.from_px_ticks >= 0);
    if rises && sound && bands.len() <= TICK_BANDS_MAX {
        Ok(())
    } else {
        Err(LimitsFault::BadBands { instrument_id: id })
    }
}

pub(crate) fn check_blackouts(blackouts: &[Blackout], id: u32) -> Result<(), LimitsFault> {
    let sound = blackouts.len() <= BLACKOUTS_MAX && blackouts.iter().all(|b| b.from < b.to);
    if sound { Ok(()) } else { Err(LimitsFault::BadBlackout { instrument_id: id }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_read_or_refused() {
        let read = |text: &str| TimeOfDay::try_from(text.to_string()).map(|t| t.0);
        assert_eq!((read("09:30"), read("09:30:01"), read("24:00")), (Ok(34_200), Ok(34_201), Ok(86_400)));
        for bad in ["", "9:30", "09", "09:60", "24:01", "25:00", "09:30:60", "09:30:00:00", "+9:30"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
