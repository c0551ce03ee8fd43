//! One case for each reason the gateway gives under the round limits.

use super::*;
use tidegate_units::Side::{Buy, Sell};
use tidegate_wire::pb::control::v1::ControlAction;
use tidegate_wire::pb::orders::v1::{Intent, IntentKind, Reason, ReportKind, Tif};

pub fn perp(seq: u64, side: tidegate_units::Side, px: i64, qty: u64) -> Intent {
    limit(id(1, seq), PERP, side, px, qty)
}

/// One case: what is done before, and the intent that must get the reason.
pub type Case = (Reason, fn(&mut Rig) -> Intent);

pub const CASES: &[Case] = &[
    (Reason::Ok, |_| perp(1, Buy, 600_000, 5)),
    (Reason::Malformed, |_| Intent { kind: IntentKind::Unspecified.into(), ..perp(1, Buy, 600_000, 5) }),
    (Reason::Malformed, |_| Intent { tif: 0, ..perp(1, Buy, 600_000, 5) }),
    (Reason::Malformed, |_| Intent { side: 9, ..perp(1, Buy, 600_000, 5) }),
    (Reason::Malformed, |_| Intent { px_ticks: 1, ..market(id(1, 1), PERP, Buy, 5) }),
    (Reason::Malformed, |_| Intent { tif: Tif::PostOnly.into(), ..market(id(1, 1), PERP, Buy, 5) }),
    (Reason::Malformed, |_| perp(1, Buy, i64::MAX, 5)),
    (Reason::Malformed, |_| perp(1, Buy, 600_000, u64::MAX)),
    (Reason::UnknownInstrument, |_| limit(id(1, 1), 9, Buy, 1, 1)),
    (Reason::InstrumentTableVersion, |_| Intent { instrument_table_version: 2, ..perp(1, Buy, 600_000, 5) }),
    (Reason::UnauthorisedPrincipal, |_| limit(id(9, 1), PERP, Buy, 600_000, 5)),
    (Reason::UnauthorisedPrincipal, |_| Intent { account_id: 2, ..perp(1, Buy, 600_000, 5) }),
    (Reason::PriceZeroOrNeg, |_| perp(1, Buy, 0, 5)),
    (Reason::PriceZeroOrNeg, |_| perp(1, Sell, -1, 5)),
    (Reason::QtyZeroOrNeg, |_| perp(1, Buy, 600_000, 0)),
    (Reason::UnknownOrder, |_| cancel(id(1, 2), id(1, 1))),
    (Reason::UnknownOrder, |rig| {
        // Another strategy's order.
        rig.intent(limit(id(2, 1), PERP, Buy, 600_000, 5));
        cancel(id(1, 2), id(2, 1))
    }),
    (Reason::IdReused, |rig| {
        rig.intent(perp(1, Buy, 600_000, 5));
        perp(1, Buy, 600_000, 6)
    }),
    (Reason::TtlExpired, |rig| Intent {
        ttl_ns: 1_000,
        intent_mono_ns: rig.now.mono_ns - 1_000,
        ..perp(1, Buy, 600_000, 5)
    }),
    (Reason::NotLeader, |rig| {
        rig.apply(Event::RouterUp { restarted: true });
        perp(1, Buy, 600_000, 5)
    }),
    (Reason::NotLeader, |rig| {
        rig.intent(perp(1, Buy, 600_000, 5));
        rig.apply(Event::RouterUp { restarted: true });
        cancel(id(1, 2), id(1, 1))
    }),
    (Reason::Killed, |rig| {
        rig.control(ControlAction::Kill, "op");
        perp(1, Buy, 600_000, 5)
    }),
    (Reason::Halt, |rig| {
        rig.control(ControlAction::Halt, "op");
        perp(1, Buy, 600_000, 5)
    }),
    (Reason::Halt, |rig| {
        rig.control(ControlAction::Drain, "op");
        perp(1, Buy, 600_000, 5)
    }),
    (Reason::SymbolFrozen, |rig| {
        rig.intent(perp(1, Buy, 600_000, 5));
        rig.report(about(id(1, 1), PERP, ReportKind::Unknown, 0));
        perp(2, Buy, 600_000, 5)
    }),
    (Reason::SymbolFrozen, |rig| {
        // An overfill.
        rig.intent(perp(1, Buy, 600_000, 5));
        rig.report(fill(id(1, 1), PERP, Buy, 600_000, 6, 6, "e1"));
        perp(2, Buy, 600_000, 5)
    }),
    (Reason::VenueUnreachable, |rig| {
        let mut down = about(id(1, 1), PERP, ReportKind::VenueDown, 0);
        (down.intent_id, down.client_order_id) = (None, String::new());
        rig.report(down);
        perp(2, Buy, 600_000, 5)
    }),
    (Reason::NoReferencePrice, |rig| {
        rig.apply(Event::FeedLost { instrument: InstrumentId(PERP) });
        perp(1, Buy, 600_000, 5)
    }),
    (Reason::NoReferencePrice, |rig| {
        rig.pass_ms(1_001);
        perp(1, Buy, 600_000, 5)
    }),
    (Reason::NoReferencePrice, |rig| {
        let instrument = InstrumentId(PERP);
        let (bid_px_ticks, ask_px_ticks) = (Some(600_000), Some(600_001));
        rig.apply(Event::Reference { instrument, bid_px_ticks, ask_px_ticks, valid: false, ts_ns: 1 });
        perp(1, Buy, 600_000, 5)
    }),
    (Reason::PriceExceedsCap, |_| perp(1, Buy, 1_000_001, 5)),
    (Reason::PriceOutsideCollar, |_| perp(1, Buy, 612_001, 5)),
    (Reason::PriceOutsideCollar, |_| perp(1, Sell, 587_999, 5)),
    (Reason::MaxQtyExceeded, |_| perp(1, Buy, 600_000, 61)),
    // 60 lots at 60,000 are 3,600 USDT; of spot 11,000 lots are 6,600.
    (Reason::MaxNotionalExceeded, |_| limit(id(1, 1), SPOT, Buy, 6_000_000, 11_000)),
    (Reason::PositionLimitExceeded, |rig| {
        rig.intent(perp(1, Buy, 600_000, 60));
        perp(2, Buy, 600_000, 41)
    }),
    (Reason::OpenOrdersExceeded, |rig| {
        for seq in 1..=8 {
            assert_eq!(rig.reason(perp(seq, Buy, 600_000, 1)), Reason::Ok);
        }
        perp(9, Buy, 600_000, 1)
    }),
    (Reason::MessageRate, |rig| {
        for seq in 1..=10 {
            assert_eq!(rig.reason(perp(seq, Buy, 600_000, 1)), Reason::Ok);
            rig.report(about(id(1, seq), PERP, ReportKind::Cancelled, 0));
        }
        perp(11, Buy, 600_000, 1)
    }),
    (Reason::SelfMatch, |rig| {
        rig.intent(perp(1, Buy, 600_000, 5));
        limit(id(2, 1), PERP, Sell, 600_000, 5)
    }),
    (Reason::SelfMatch, |rig| {
        rig.intent(perp(1, Buy, 600_000, 5));
        market(id(2, 1), PERP, Sell, 5)
    }),
    // 7,000 USDT of the perpetual at the collar's edge of 61,200.
    (Reason::ExposureSymbolLimit, |rig| {
        rig.intent(perp(1, Buy, 600_000, 60));
        limit(id(2, 1), PERP, Buy, 600_000, 55)
    }),
    (Reason::ExposureStrategyLimit, |rig| {
        assert_eq!(rig.reason(perp(1, Buy, 600_000, 60)), Reason::Ok);
        assert_eq!(rig.reason(limit(id(1, 2), SPOT, Buy, 6_000_000, 8_000)), Reason::Ok);
        limit(id(1, 3), SPOT, Buy, 6_000_000, 3_000)
    }),
    (Reason::ExposureAccountLimit, |rig| {
        assert_eq!(rig.reason(perp(1, Buy, 600_000, 60)), Reason::Ok);
        assert_eq!(rig.reason(limit(id(2, 1), PERP, Buy, 600_000, 50)), Reason::Ok);
        assert_eq!(rig.reason(limit(id(1, 2), SPOT, Buy, 6_000_000, 9_000)), Reason::Ok);
        limit(id(2, 2), SPOT, Buy, 6_000_000, 5_500)
    }),
    (Reason::ReduceOnly, |rig| {
        // The mark rises by a sixth: what stands is above the limit without a decision.
        assert_eq!(rig.reason(perp(1, Buy, 600_000, 60)), Reason::Ok);
        assert_eq!(rig.reason(limit(id(2, 1), PERP, Buy, 600_000, 54)), Reason::Ok);
        rig.price(PERP, 700_000);
        perp(2, Buy, 700_000, 1)
    }),
    (Reason::JournalUnavailable, |rig| {
        rig.apply(Event::Journal { available: false });
        perp(1, Buy, 600_000, 5)
    }),
    (Reason::RouterBackpressure, |rig| {
        rig.apply(Event::RouterDown);
        perp(1, Buy, 600_000, 5)
    }),
    (Reason::RouterBackpressure, |rig| {
        rig.apply(Event::RouterCredits(20));
        perp(1, Buy, 600_000, 5)
    }),
];
