//! Whom a limit, a latch or a guard is for.

use crate::canon::Canon;
use tidegate_units::{AccountId, InstrumentId, StrategyId, VenueId};
use tidegate_wire::pb::risk::v1::{RiskEvent, RiskScope};

/// A scope. Within the firm they overlap: an order is of one strategy, its desk, one account and one instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    Firm,
    Account(AccountId),
    Strategy(StrategyId),
    Instrument(InstrumentId),
    /// One account at one venue.
    Venue(AccountId, VenueId),
    Desk(u32),
}

impl Scope {
    /// Reads a record's scope; `None` where it has none.
    pub(crate) fn of(event: &RiskEvent) -> Option<Self> {
        Some(match event.scope() {
            RiskScope::Unspecified => return None,
            RiskScope::Firm => Self::Firm,
            RiskScope::Account => Self::Account(AccountId(event.account_id)),
            RiskScope::Strategy => Self::Strategy(StrategyId(event.strategy_id)),
            RiskScope::Instrument => Self::Instrument(InstrumentId(event.instrument_id)),
            RiskScope::Venue => Self::Venue(AccountId(event.account_id), VenueId(event.venue_id)),
            RiskScope::Desk => Self::Desk(event.desk_id),
        })
    }

    /// A record with this scope in it.
    pub(crate) fn stamp(self, event: RiskEvent) -> RiskEvent {
        let mut event = event;
        let scope = match self {
            Self::Firm => RiskScope::Firm,
            Self::Account(id) => {
                event.account_id = id.0;
                RiskScope::Account
            }
            Self::Strategy(id) => {
                event.strategy_id = id.0;
                RiskScope::Strategy
            }
            Self::Instrument(id) => {
                event.instrument_id = id.0;
                RiskScope::Instrument
            }
            Self::Venue(account, venue) => {
                (event.account_id, event.venue_id) = (account.0, venue.0);
                RiskScope::Venue
            }
            Self::Desk(id) => {
                event.desk_id = id;
                RiskScope::Desk
            }
        };
        event.scope = scope.into();
        event
    }

    pub(crate) fn canon(self, canon: &mut Canon) {
        let (kind, a, b) = match self {
            Self::Firm => (0, 0, 0),
            Self::Account(id) => (1, id.0, 0),
            Self::Strategy(id) => (2, id.0, 0),
            Self::Instrument(id) => (3, id.0, 0),
            Self::Venue(account, venue) => (4, account.0, venue.0),
            Self::Desk(id) => (5, id, 0),
        };
        canon.u64(kind).u64(a.into()).u64(b.into());
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Firm => f.write_str("firm"),
            Self::Account(id) => write!(f, "account {id}"),
            Self::Strategy(id) => write!(f, "strategy {id}"),
            Self::Instrument(id) => write!(f, "instrument {id}"),
            Self::Venue(account, venue) => write!(f, "account {account} at venue {venue}"),
            Self::Desk(id) => write!(f, "desk {id}"),
        }
    }
}
