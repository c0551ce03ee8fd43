//! One limit changed while running: which way it goes, whether it may, and the limits with it.
//!
//! The change works on the limits as they were read, so that every rule of the file holds for the result too.

use crate::config::{Limits, LimitsFault};
use serde_json::Value;
use std::fmt;
use tidegate_instruments::Table;
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};

/// Whether the state changes by this act. One that it does not fold is refused where it is asked for: an act that is
/// answered with yes and has no effect is worse than a no.
pub const fn folds(action: ControlAction) -> bool {
    match action {
        ControlAction::Halt
        | ControlAction::Resume
        | ControlAction::Kill
        | ControlAction::Unkill
        | ControlAction::CancelAll
        | ControlAction::Drain
        | ControlAction::Quarantine
        | ControlAction::Rearm
        | ControlAction::Freeze
        | ControlAction::Thaw
        | ControlAction::Restrict
        | ControlAction::Allow
        | ControlAction::Override
        | ControlAction::Limits => true,
        ControlAction::Unspecified => false,
    }
}

/// Why a change of limits was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeFault {
    /// There is no such limit, or it is no whole number.
    UnknownLimit { limit: String },
    /// It already stands so.
    Unchanged { limit: String, value: i64 },
    /// Each change makes the next version.
    Version { is: u32, want: u32 },
    /// Loosening wants two different principals.
    NeedsTwo { limit: String },
    /// The limits with the change break a rule of the limits file.
    Refused(LimitsFault),
}

impl fmt::Display for ChangeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownLimit { limit } => write!(
                f,
                "no limit is called {limit:?}; want firm.NAME, account.ID.NAME, strategy.ID.NAME, instrument.ID.NAME, desk.ID.NAME or NAME, as the limits show them"
            ),
            Self::Unchanged { limit, value } => write!(f, "{limit} is {value} already"),
            Self::Version { is, want } => {
                write!(
                    f,
                    "the limits have moved on: the change is for version {is}, want {want}; read them again"
                )
            }
            Self::NeedsTwo { limit } => {
                write!(f, "{limit} would be looser: want a second, different principal")
            }
            Self::Refused(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for ChangeFault {}

/// What a change would do.
#[derive(Debug, Clone)]
pub struct LimitsChange {
    /// The limits with the change; their version is the next.
    pub limits: Limits,
    pub old: i64,
    /// It lets more through than before, or nobody can tell: it wants two principals.
    pub loosens: bool,
}

/// Lists of the limits file and the name of their key.
const LISTS: [(&str, &str, &str); 4] = [
    ("account", "accounts", "account_id"),
    ("strategy", "strategies", "strategy_id"),
    ("instrument", "instruments", "instrument_id"),
    ("desk", "desks", "desk_id"),
];

/// Where the named limit stands in the document: `SCOPE.ID.NAME` in a list, a path of names elsewhere.
fn slot<'a>(document: &'a mut Value, limit: &str) -> Option<&'a mut Value> {
    let mut parts = limit.split('.').peekable();
    let list = LISTS.iter().find(|(scope, _, _)| parts.peek() == Some(scope));
    let mut place = document;
    if let Some((_, list, key)) = list {
        parts.next();
        let id = parts.next()?;
        // The one spelling of a number, so that one limit has one name.
        let id = id.parse::<u32>().ok().filter(|n| n.to_string() == id)?;
        let rows = place.get_mut(*list)?.as_array_mut()?;
        place = rows.iter_mut().find(|row| row[*key] == id)?;
    }
    for name in parts {
        if name == "version" || LISTS.iter().any(|(_, _, key)| *key == name) {
            return None;
        }
        place = place.get_mut(name)?;
    }
    Some(place)
}

impl Limits {
    /// These limits with one of them changed, and the next version.
    ///
    /// # Errors
    /// There is no such limit, nothing would change, or the result breaks a rule of the limits file.
    pub fn with_change(&self, table: &Table, limit: &str, value: i64) -> Result<LimitsChange, ChangeFault> {
        let unknown = || ChangeFault::UnknownLimit { limit: limit.into() };
        let mut document = self.document.clone();
        let place = slot(&mut document, limit).ok_or_else(unknown)?;
        let old = place.as_i64().ok_or_else(unknown)?;
        if old == value {
            return Err(ChangeFault::Unchanged { limit: limit.into(), value });
        }
        *place = value.into();
        document["version"] = self.version.saturating_add(1).into();
        let bytes = serde_json::to_vec(&document)
            .map_err(|e| ChangeFault::Refused(LimitsFault::Malformed(e.to_string())))?;
        let limits = Self::from_json(&bytes, table).map_err(ChangeFault::Refused)?;
        let loosens = self.loosened_by(&limits).is_some();
        Ok(LimitsChange { limits, old, loosens })
    }

    /// These limits with a journalled or a wished change, if it may be made: its version is the next, and where it loosens,
    /// two different principals want it.
    ///
    /// # Errors
    /// Why it may not.
    pub fn with_event(&self, table: &Table, event: &ControlEvent) -> Result<Limits, ChangeFault> {
        let want = self.version.saturating_add(1);
        if event.limits_version != want {
            return Err(ChangeFault::Version { is: event.limits_version, want });
        }
        let change = self.with_change(table, &event.limit_name, event.value)?;
        if change.loosens && (event.requester.is_empty() || event.requester == event.principal) {
            return Err(ChangeFault::NeedsTwo { limit: event.limit_name.clone() });
        }
        Ok(change.limits)
    }

    /// The limits as they were read, with every change since.
    pub const fn document(&self) -> &Value {
        &self.document
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_units::StrategyId;

    fn table() -> Table {
        Table::from_json(include_bytes!("../../../../../config/instruments.json")).unwrap()
    }

    fn shipped() -> Limits {
        Limits::from_json(include_bytes!("../../../../../config/limits.json"), &table()).unwrap()
    }

    #[test]
    fn b040_a_change_makes_the_next_version_and_says_which_way_it_goes() {
        let limits = shipped();
        let change = |limit: &str, value| limits.with_change(&table(), limit, value).unwrap();
        let tighter = change("strategy.1.messages_max", 10);
        assert_eq!((tighter.old, tighter.loosens, tighter.limits.version), (200, false, limits.version + 1));
        assert_eq!(tighter.limits.strategies[&StrategyId(1)].messages_max, 10);
        assert!(change("strategy.1.messages_max", 201).loosens);
        assert!(change("firm.open_orders_max", 201).loosens);
        assert!(!change("firm.open_orders_max", 199).loosens);
        assert!(change("instrument.1.reducing_collar_bps", 501).loosens);
        assert!(!change("instrument.1.collar_bps", 199).loosens);
        assert!(!change("startup_holdoff_ms", 1).loosens);
        // As many messages in a longer time are fewer.
        assert!(!change("strategy.1.messages_window_ms", 2_000).loosens);
        assert!(change("strategy.1.messages_window_ms", 999).loosens);
        // Nobody can tell: a longer wait for news is neither.
        assert!(change("requery_ms", 1).loosens);
        // A limit within a section of its own.
        assert!(!change("firm.loss.day_e8_max", 1).loosens);
        assert!(change("firm.loss.day_e8_max", i64::MAX).loosens);
        assert!(change("strategy.1.duplicates.count_max", 1).loosens, "a window is not held against another");
        // The change of a change.
        let twice = tighter.limits.with_change(&table(), "account.1.exposure_e8_max", 1).unwrap();
        assert_eq!(twice.limits.version, limits.version + 2);
        assert_eq!(twice.limits.strategies[&StrategyId(1)].messages_max, 10);
    }

    #[test]
    fn b040_what_is_no_limit_is_refused_by_name() {
        let limits = shipped();
        for limit in [
            "",
            "version",
            "firm",
            "firm.x",
            "firm.loss",
            "firm.loss.market",
            "desk.1.exposure_e8_max",
            "strategies",
            "strategy.2.messages_max",
            "strategy.01.messages_max",
            "strategy.1.strategy_id",
            "instrument.1.2.collar_bps",
            "accounts.0.exposure_e8_max",
        ] {
            let fault = limits.with_change(&table(), limit, 5).unwrap_err();
            assert_eq!(fault, ChangeFault::UnknownLimit { limit: limit.into() });
        }
        let same = limits.with_change(&table(), "firm.open_orders_max", 200).unwrap_err();
        assert!(matches!(same, ChangeFault::Unchanged { value: 200, .. }));
        for (limit, value) in [
            ("firm.open_orders_max", 0),
            ("firm.open_orders_max", i64::from(u32::MAX) + 1),
            ("instrument.1.collar_bps", 501),
            ("strategy.1.messages_max", -1),
        ] {
            let fault = limits.with_change(&table(), limit, value).unwrap_err();
            assert!(matches!(fault, ChangeFault::Refused(_)), "{limit} {fault}");
        }
    }

    #[test]
    fn b040_loosening_wants_two_principals_and_tightening_one() {
        let limits = shipped();
        let event = |value, requester: &str| ControlEvent {
            principal: "ann".into(),
            requester: requester.into(),
            limit_name: "firm.open_orders_max".into(),
            value,
            limits_version: limits.version + 1,
            ..ControlEvent::default()
        };
        assert!(limits.with_event(&table(), &event(199, "")).is_ok());
        for requester in ["", "ann"] {
            let fault = limits.with_event(&table(), &event(201, requester)).unwrap_err();
            assert!(matches!(fault, ChangeFault::NeedsTwo { .. }), "{requester:?}");
        }
        assert!(limits.with_event(&table(), &event(201, "bob")).is_ok());
        let late = ControlEvent { limits_version: limits.version, ..event(199, "") };
        assert!(matches!(limits.with_event(&table(), &late), Err(ChangeFault::Version { .. })));
    }
}
