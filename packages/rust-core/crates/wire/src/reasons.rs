//! What every reason code means and what to do about it. The reference page is generated from this table.

use crate::pb::orders::v1::Reason;

/// One reason: its number and name are those of the proto.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonRow {
    pub reason: Reason,
    /// What it says, in one sentence.
    pub meaning: &'static str,
    /// What a person does about it.
    pub remedy: &'static str,
}

impl ReasonRow {
    /// The number on the wire.
    pub const fn code(&self) -> i32 {
        self.reason as i32
    }

    /// The name as operators and metrics see it: the proto's without its prefix.
    pub fn name(&self) -> &'static str {
        let full = self.reason.as_str_name();
        full.strip_prefix("REASON_").unwrap_or(full)
    }
}

const fn row(reason: Reason, meaning: &'static str, remedy: &'static str) -> ReasonRow {
    ReasonRow { reason, meaning, remedy }
}

/// Every reason but `UNSPECIFIED`, which no message may carry, by rising number.
pub static REASONS: &[ReasonRow] = &[
    row(Reason::Ok, "The request was accepted, or the change needs no reason.", "Nothing to do."),
    row(
        Reason::Malformed,
        "The message breaks a rule of its own shape; the gateway's log names the rule and the field.",
        "Correct the sender. The SDK never makes such a message, so look for a version mismatch first.",
    ),
    row(
        Reason::UnknownInstrument,
        "The instrument id is not in the instrument table.",
        "Add the instrument to the table and restart, or correct the id.",
    ),
    row(
        Reason::PriceOffTick,
        "The px is not a multiple of the instrument's tick.",
        "Round the px to the tick before sending.",
    ),
    row(
        Reason::QtyOffLot,
        "The qty is not a multiple of the instrument's lot.",
        "Round the qty down to the lot before sending.",
    ),
    row(
        Reason::PriceZeroOrNeg,
        "A limit order with a px of 0 or below.",
        "Send a positive px; check the price the strategy derived it from.",
    ),
    row(
        Reason::QtyZeroOrNeg,
        "An order with a qty of 0.",
        "Send a positive qty; check the sizing for rounding to 0.",
    ),
    row(
        Reason::UnauthorisedPrincipal,
        "The sender may not act for this strategy or account.",
        "Check the link's identity and the strategy's configured account.",
    ),
    row(
        Reason::UnknownOrder,
        "A cancel names an order the gateway does not hold.",
        "Nothing when the order has ended; otherwise check the target intent id.",
    ),
    row(
        Reason::InstrumentTableVersion,
        "The sender works with another version of the instrument table.",
        "Restart the sender so that it loads the present table.",
    ),
    row(
        Reason::DuplicateInFlight,
        "The same intent is still being decided.",
        "Wait for the first answer; do not send a new id for the same wish.",
    ),
    row(
        Reason::IdReused,
        "The intent id was used before with other contents.",
        "Fix the sender's id generation: an id is used for one intent only, for ever.",
    ),
    row(
        Reason::TtlExpired,
        "The intent was older than its time to live when it was decided.",
        "Check the latency of the way to the gateway, or allow a longer life.",
    ),
    row(
        Reason::SessionClosed,
        "The venue's session for this instrument is closed.",
        "Wait for the session to open.",
    ),
    row(
        Reason::StartupHoldoff,
        "The gateway has started and does not yet know the state of every order.",
        "Wait; it ends when the router and the venues have answered.",
    ),
    row(
        Reason::Blackout,
        "The time of day is one in which the instrument takes no new orders.",
        "Wait for the end of the blackout; the limits name it.",
    ),
    row(
        Reason::NotLeader,
        "This gateway does not lead the account.",
        "Send to the leader; nothing was done.",
    ),
    row(Reason::Killed, "The kill switch is latched.", "Find the cause, then release it: `./hft unkill`."),
    row(Reason::Halt, "Trading is halted; cancels pass.", "Find the cause, then `./hft resume`."),
    row(
        Reason::StormNewBlocked,
        "StormGuard blocks new orders until the load or the error rate falls.",
        "Wait for it to clear; look at the monitor for what tripped it.",
    ),
    row(
        Reason::Degraded,
        "The gateway runs in a degraded mode in which this request is not served.",
        "Restore what the policy state names as its cause.",
    ),
    row(
        Reason::ReduceOnly,
        "Only orders that reduce the position are allowed.",
        "Send a reducing order, or have the restriction lifted.",
    ),
    row(
        Reason::StrategyQuarantined,
        "The strategy was quarantined after a fault of its own.",
        "Read its log, correct it, and release it.",
    ),
    row(Reason::SymbolFrozen, "The instrument is frozen.", "Find out why it was frozen, then thaw it."),
    row(
        Reason::PriceExceedsCap,
        "The px is beyond the absolute cap of the instrument.",
        "Check the px; if it is right, change the cap in the limits.",
    ),
    row(
        Reason::PriceOutsideCollar,
        "The px is too far from the reference price.",
        "Check the px and the reference price in the reply; if both are right, widen the collar.",
    ),
    row(
        Reason::NoReferencePrice,
        "There is no fresh, valid reference price to check the px against.",
        "Check the market-data feed of the instrument.",
    ),
    row(
        Reason::MaxQtyExceeded,
        "The qty is above the largest single order.",
        "Split the order, or raise the limit.",
    ),
    row(
        Reason::MaxNotionalExceeded,
        "px times qty is above the largest single order.",
        "Split the order, or raise the limit.",
    ),
    row(
        Reason::PositionLimitExceeded,
        "The position could pass its limit if this order and all open ones filled.",
        "Reduce the position or cancel open orders.",
    ),
    row(
        Reason::MessageRate,
        "Too many intents in too short a time.",
        "Send fewer; check the strategy for a loop.",
    ),
    row(Reason::OpenOrdersExceeded, "Too many open orders.", "Cancel some first."),
    row(
        Reason::SelfMatch,
        "The order could trade against another order of the same account.",
        "Cancel the opposite order first.",
    ),
    row(
        Reason::Overflow,
        "The arithmetic of the order does not fit its integers.",
        "Check px and qty: no sane order reaches this.",
    ),
    row(
        Reason::DuplicateEconomics,
        "As many orders of the same side, px and qty as the limits allow were sent within the window.",
        "Check the strategy for a loop; a wanted repeat waits for the window to pass.",
    ),
    row(
        Reason::Restricted,
        "The instrument is on the restricted list.",
        "Have it taken off the list if that is right; reducing needs the same.",
    ),
    row(
        Reason::SlippageGuard,
        "The order would take at a price too far from the reference.",
        "Send a limit nearer the touch, or wait for the spread to close.",
    ),
    row(
        Reason::OpenPositionsExceeded,
        "The strategy holds positions in as many instruments as it may.",
        "Close one first.",
    ),
    row(
        Reason::OrderToTrade,
        "The strategy has sent too many messages for the trades it made.",
        "Send less; the count starts anew with the trading day.",
    ),
    row(
        Reason::DailyLossLimit,
        "The loss of the trading day has reached its limit.",
        "Reduce only; the limit opens again with the next trading day.",
    ),
    row(
        Reason::WeeklyLossLimit,
        "The loss of the week has reached its limit.",
        "Reduce only; the limit opens again with the next week.",
    ),
    row(
        Reason::MonthlyLossLimit,
        "The loss of the month has reached its limit.",
        "Reduce only; the limit opens again with the next month.",
    ),
    row(
        Reason::DrawdownLimit,
        "The equity has fallen too far below its peak of the day.",
        "Reduce only; the limit opens again with the next trading day.",
    ),
    row(
        Reason::StaleMark,
        "A position has had no fresh price for too long, so the loss is not known.",
        "Check the market-data feed of the instruments held.",
    ),
    row(
        Reason::ExposureGlobalLimit,
        "The exposure of the whole firm would pass its limit.",
        "Reduce exposure, or have the limit raised.",
    ),
    row(
        Reason::ExposureAccountLimit,
        "The exposure of the account would pass its limit.",
        "Reduce exposure, or have the limit raised.",
    ),
    row(
        Reason::ExposureStrategyLimit,
        "The exposure of the strategy would pass its limit.",
        "Reduce exposure, or have the limit raised.",
    ),
    row(
        Reason::ExposureSymbolLimit,
        "The exposure in the instrument would pass its limit.",
        "Reduce exposure, or have the limit raised.",
    ),
    row(
        Reason::ExposureCardinality,
        "More scopes of exposure are in use than the gateway keeps count of.",
        "Raise the bound, or trade fewer instruments or strategies.",
    ),
    row(
        Reason::ExposureDeskLimit,
        "The exposure of the desk would pass its limit.",
        "Reduce exposure of any strategy of the desk, or have the limit raised.",
    ),
    row(
        Reason::PriceDrift,
        "Own fills have moved with the price further than the limit allows within the period.",
        "Wait for the period to pass; check the strategy for chasing its own prints.",
    ),
    row(
        Reason::ExecutionThrottle,
        "The strategy executed as often as it may without a person.",
        "Look at what it did, then re-arm it.",
    ),
    row(
        Reason::RefusalBreaker,
        "The strategy made as many faulty requests as it may within the window.",
        "Correct the strategy, then re-arm it.",
    ),
    row(
        Reason::AttributionMissing,
        "The limits name nobody who answers for the strategy's orders.",
        "Give the strategy an attribution in the limits file.",
    ),
    row(
        Reason::JournalUnavailable,
        "The decision could not be made durable, so it was not made.",
        "Check the journal's disk; the gateway stops rather than go on without it.",
    ),
    row(
        Reason::RouterBackpressure,
        "The execution router takes no more commands: it is away, or its window is full.",
        "Check the router; the order was not sent and its exposure is released.",
    ),
    row(
        Reason::Fenced,
        "The router refused the command: another epoch or holder leads.",
        "Stop this gateway; its successor leads.",
    ),
    row(
        Reason::VenueReject,
        "The venue refused the order; its words are in the report.",
        "Read the venue's text and correct the order.",
    ),
    row(
        Reason::VenueUnreachable,
        "There is no session with the venue.",
        "Check the network and the venue's status; the router reconnects by itself.",
    ),
    row(
        Reason::RateBudget,
        "The venue's rate limit leaves no budget for this request.",
        "Send less; cancels keep a reserve of their own.",
    ),
    row(
        Reason::OutcomeUnknown,
        "The order was sent and its outcome is not known; its exposure is kept.",
        "Wait: the router asks the venue until it has an answer.",
    ),
    row(
        Reason::NeverSent,
        "The router proved that no byte of the order left; its exposure is released.",
        "Send again if it is still wanted: a retry gets a new generation.",
    ),
    row(
        Reason::VenueNotFound,
        "The venue proved after the quarantine that the order never existed.",
        "Send again if it is still wanted: a retry gets a new generation.",
    ),
    row(
        Reason::BreakerOpen,
        "A circuit breaker is open after faults in a row: the strategy's, the venue's or the endpoint's.",
        "Wait for it to close; the router's statistics name it.",
    ),
    row(
        Reason::QueueEvicted,
        "The router's queue was full, and this command was the least urgent of it.",
        "Send less; look at the venue's budget, and into the order DLQ.",
    ),
    row(
        Reason::Superseded,
        "A later command took its place before a byte of it left.",
        "Nothing to do: the later one holds.",
    ),
    row(
        Reason::NoAccountSnapshot,
        "The venue has not told what the account holds, or not lately.",
        "Check the router's account queries; nothing new is sent without them.",
    ),
    row(
        Reason::BuyingPowerExceeded,
        "The order costs more than the account has free.",
        "Add funds, cancel open orders, or send less.",
    ),
    row(
        Reason::ShortNotAvailable,
        "The order would sell short more than may be borrowed.",
        "Get a locate for more, or sell less.",
    ),
    row(
        Reason::LocateMissing,
        "The order would sell short without a locate.",
        "Get a locate for the instrument first.",
    ),
    row(
        Reason::StaleRate,
        "There is no fresh rate to convert a currency the decision depends on.",
        "Check the feed of reference rates.",
    ),
    row(
        Reason::MarginRatio,
        "The account's margin ratio is above its limit, or not known.",
        "Reduce only; add margin.",
    ),
    row(
        Reason::ApprovalMissing,
        "The command carries no approval of the gateway.",
        "Nothing but the gateway may command the router: find the sender.",
    ),
    row(
        Reason::ApprovalAltered,
        "The approval is not of this command, or not made with the shared key.",
        "Find what changed the command; compare the key files of gateway and router.",
    ),
    row(
        Reason::ApprovalExpired,
        "The approval is older than its life.",
        "Check the clocks of both hosts and the delay of the command link.",
    ),
    row(
        Reason::ApprovalReplayed,
        "The approval was used before.",
        "Find who repeats commands; the order was sent once.",
    ),
];

/// The row of a reason; `None` for `UNSPECIFIED`.
pub fn reason_row(reason: Reason) -> Option<&'static ReasonRow> {
    REASONS.binary_search_by_key(&(reason as i32), ReasonRow::code).ok().and_then(|at| REASONS.get(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_proto_has_exactly_one_row_in_order() {
        let proto: Vec<i32> = (1..10_000).filter(|n| Reason::try_from(*n).is_ok()).collect();
        let table: Vec<i32> = REASONS.iter().map(ReasonRow::code).collect();
        assert_eq!(table, proto);
        for row in REASONS {
            assert_eq!(reason_row(row.reason), Some(row));
        }
        assert_eq!(reason_row(Reason::Unspecified), None);
    }

    #[test]
    fn every_row_is_whole_sentences_of_its_own() {
        for (at, row) in REASONS.iter().enumerate() {
            assert!(row.meaning.ends_with('.') && row.remedy.ends_with('.'), "{}", row.name());
            assert!(REASONS[..at].iter().all(|other| other.meaning != row.meaning), "{}", row.name());
        }
    }
}
