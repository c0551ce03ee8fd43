//! Envelopes to test with: one of each payload with every field set, and their extremes.

use tidegate_wire::limits::{DEPTH_LEVELS_MAX, SAFE_INTEGER_MAX};
use tidegate_wire::pb::common::v1::{IntentId, Side, Source};
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent, SnapshotRequest};
use tidegate_wire::pb::envelope::v1::Envelope;
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::marketdata::v1::{BookDepth, BookState, BookTop, InstrumentStatus, Trade};
use tidegate_wire::pb::orders::v1::{
    Command, CommandKind, Decision, Fill, Intent, IntentKind, IntentReply, OrderState, OrderType,
    OrderUpdate, Reason, Report, ReportKind, Tif,
};
use tidegate_wire::pb::recorder::v1::{StreamGap, StreamMark, stream_mark};
use tidegate_wire::pb::risk::v1::{Policy, PolicyState, PositionUpdate};

const PX: i64 = 6_183_766;
const QTY: u64 = 1_500;
const TS: i64 = 1_763_700_000_123_456_789;
const CLORD: &str = "0123456789abcdefghijklmno";

pub fn wrap(payload: Payload) -> Envelope {
    Envelope {
        schema_version: 1,
        source: Source::Gateway.into(),
        trace_hi: 0x0123_4567_89ab_cdef,
        trace_lo: 0xfedc_ba98_7654_3210,
        span_id: 77,
        ts_event_ns: TS,
        ts_recv_ns: TS + 1,
        log_seq: 9,
        payload: Some(payload),
    }
}

const fn intent_id() -> Option<IntentId> {
    Some(IntentId { hi: (1 << 32) | 2, lo: 3 })
}

pub fn book_top() -> BookTop {
    BookTop {
        instrument_id: 1,
        venue_id: 1,
        bid_px_ticks: PX,
        bid_qty_lots: QTY,
        ask_px_ticks: PX + 1,
        ask_qty_lots: QTY + 1,
        venue_seq: 123_456,
        ts_venue_ns: TS,
        ts_recv_ns: TS,
        state: BookState::Valid.into(),
        feature_set_hash: 5,
        features: vec![-1, 0, 1],
        feature_flags: 0b10_0001,
        tick_mono_ns: 8,
        instrument_table_version: 1,
    }
}

pub fn book_depth() -> BookDepth {
    BookDepth {
        instrument_id: 1,
        venue_id: 1,
        bid_px_delta_ticks: vec![PX, -1, -5],
        bid_qty_lots: vec![1, 2, 3],
        ask_px_delta_ticks: vec![PX + 1, 1],
        ask_qty_lots: vec![4, 5],
        venue_seq: 6,
        ts_venue_ns: TS,
        ts_recv_ns: TS,
        state: BookState::Valid.into(),
        instrument_table_version: 1,
    }
}

pub fn trade() -> Trade {
    Trade {
        instrument_id: 1,
        venue_id: 2,
        trade_id: 3,
        px_ticks: PX,
        qty_lots: QTY,
        aggressor: Side::Sell.into(),
        ts_venue_ns: TS,
        ts_recv_ns: TS,
        tick_mono_ns: 4,
        instrument_table_version: 1,
    }
}

pub fn status() -> InstrumentStatus {
    InstrumentStatus {
        instrument_id: 1,
        venue_id: 1,
        state: BookState::Invalid.into(),
        reason: "GAP".into(),
        gap_first: 5,
        gap_last: 6,
        ts_recv_ns: TS,
    }
}

pub fn intent() -> Intent {
    Intent {
        intent_id: intent_id(),
        kind: IntentKind::New.into(),
        instrument_id: 1,
        account_id: 1,
        side: Side::Buy.into(),
        order_type: OrderType::Limit.into(),
        tif: Tif::PostOnly.into(),
        px_ticks: PX,
        qty_lots: QTY,
        ttl_ns: 1_000_000_000,
        tick_mono_ns: 5,
        intent_mono_ns: 6,
        instrument_table_version: 1,
        ..Intent::default()
    }
}

pub fn cancel() -> Intent {
    Intent {
        intent_id: intent_id(),
        kind: IntentKind::Cancel.into(),
        target_intent_id: Some(IntentId { hi: (1 << 32) | 2, lo: 2 }),
        ..Intent::default()
    }
}

pub fn intent_reply() -> IntentReply {
    IntentReply {
        intent_id: intent_id(),
        decision: Decision::Accepted.into(),
        reason: Reason::Ok.into(),
        client_order_id: CLORD.into(),
        repeated: true,
        reference_px_ticks: PX,
        reference_ts_ns: TS,
        accepted_qty_lots: QTY,
    }
}

pub fn order_update() -> OrderUpdate {
    OrderUpdate {
        intent_id: intent_id(),
        client_order_id: CLORD.into(),
        instrument_id: 1,
        side: Side::Sell.into(),
        state: OrderState::UnknownCancel.into(),
        px_ticks: PX,
        qty_lots: QTY,
        cum_qty_lots: 1,
        leaves_qty_lots: QTY - 1,
        reason: Reason::OutcomeUnknown.into(),
        ts_venue_ns: TS,
        snapshot: true,
    }
}

pub fn fill() -> Fill {
    Fill {
        intent_id: intent_id(),
        client_order_id: CLORD.into(),
        instrument_id: 2,
        venue_id: 2,
        side: Side::Buy.into(),
        px_ticks: PX,
        qty_lots: 1,
        exec_id: "88123".into(),
        fee_e8: -5,
        fee_asset: "BNB".into(),
        maker: true,
        ts_venue_ns: TS,
        position_lots: -7,
    }
}

pub fn command() -> Command {
    Command {
        command_seq: 1,
        gateway_epoch: 2,
        holder: u64::MAX,
        kind: CommandKind::New.into(),
        intent_id: intent_id(),
        client_order_id: CLORD.into(),
        generation: 1,
        instrument_id: 1,
        venue_id: 1,
        account_id: 1,
        side: Side::Buy.into(),
        order_type: OrderType::Limit.into(),
        tif: Tif::Ioc.into(),
        px_ticks: PX,
        qty_lots: QTY,
        ttl_ns: 3,
        tick_mono_ns: 4,
        intent_mono_ns: 5,
        command_mono_ns: 6,
        report_seq_seen: 7,
    }
}

pub fn report() -> Report {
    Report {
        report_seq: 1,
        kind: ReportKind::Fill.into(),
        intent_id: intent_id(),
        client_order_id: CLORD.into(),
        generation: 1,
        instrument_id: 1,
        venue_id: 1,
        venue_order_id: "424242".into(),
        exec_id: "88123".into(),
        side: Side::Sell.into(),
        last_px_ticks: PX,
        last_qty_lots: 1,
        cum_qty_lots: 2,
        leaves_qty_lots: 3,
        fee_e8: 4,
        fee_asset: "USDT".into(),
        maker: true,
        reason: Reason::Ok.into(),
        venue_text: "Order filled \u{2713}".into(),
        ts_venue_ns: TS,
        ts_recv_ns: TS,
        gateway_epoch: 5,
        holder: 6,
        command_seq: 7,
        tick_mono_ns: 8,
        intent_mono_ns: 9,
        command_mono_ns: 10,
        wire_mono_ns: 11,
    }
}

pub fn policy_state() -> PolicyState {
    PolicyState {
        policy: Policy::Halt.into(),
        cause: Reason::Halt.into(),
        detail: "operator".into(),
        gateway_epoch: 3,
        ts_ns: TS,
    }
}

pub fn position_update() -> PositionUpdate {
    PositionUpdate {
        account_id: 1,
        strategy_id: 1,
        instrument_id: 2,
        position_lots: -1_000,
        open_cost_e8: i64::MIN,
        realised_e8: i64::MAX,
        snapshot: true,
    }
}

pub fn snapshot_request() -> SnapshotRequest {
    SnapshotRequest { topic: "gateway.journal".into(), after_seq: u64::MAX }
}

pub fn control_event() -> ControlEvent {
    ControlEvent {
        action: ControlAction::Kill.into(),
        principal: "uid:1000".into(),
        reason: "drill".into(),
        ts_ns: TS,
        ..ControlEvent::default()
    }
}

pub fn stream_gap() -> StreamGap {
    StreamGap { stream: "md.1.1.top.".into(), epoch: 4, first_seq: 5, last_seq: 5, ts_ns: TS }
}

pub fn stream_mark() -> StreamMark {
    StreamMark {
        stream: "md.1.1.top.".into(),
        epoch: 4,
        kind: stream_mark::Kind::Closed.into(),
        seq: 6,
        ts_ns: TS,
    }
}

/// Valid envelopes by name: every payload with every field set, then the extremes of integers, texts and columns.
pub fn samples() -> Vec<(&'static str, Envelope)> {
    let bare = |payload| Envelope {
        schema_version: 1,
        source: Source::MarketData.into(),
        payload: Some(payload),
        ..Envelope::default()
    };
    let deepest: Vec<i64> =
        std::iter::once(SAFE_INTEGER_MAX).chain((1..DEPTH_LEVELS_MAX as i64).map(|_| -1)).collect();
    let deep_qty = vec![SAFE_INTEGER_MAX as u64; DEPTH_LEVELS_MAX];
    vec![
        ("book_top", wrap(Payload::BookTop(book_top()))),
        ("book_depth", wrap(Payload::BookDepth(book_depth()))),
        ("trade", wrap(Payload::Trade(trade()))),
        ("instrument_status", wrap(Payload::InstrumentStatus(status()))),
        ("intent_new", wrap(Payload::Intent(intent()))),
        ("intent_cancel", wrap(Payload::Intent(cancel()))),
        ("intent_reply", wrap(Payload::IntentReply(intent_reply()))),
        ("order_update", wrap(Payload::OrderUpdate(order_update()))),
        ("fill", wrap(Payload::Fill(fill()))),
        ("command", wrap(Payload::Command(command()))),
        ("report", wrap(Payload::Report(report()))),
        ("policy_state", wrap(Payload::PolicyState(policy_state()))),
        ("position_update", wrap(Payload::PositionUpdate(position_update()))),
        ("snapshot_request", wrap(Payload::SnapshotRequest(snapshot_request()))),
        ("control_event", wrap(Payload::ControlEvent(control_event()))),
        ("stream_gap", wrap(Payload::StreamGap(stream_gap()))),
        ("stream_mark", wrap(Payload::StreamMark(stream_mark()))),
        ("smallest", bare(Payload::SnapshotRequest(SnapshotRequest { topic: "t".into(), after_seq: 0 }))),
        (
            "book_top_empty_crossed_and_negative",
            bare(Payload::BookTop(BookTop {
                instrument_id: u32::MAX,
                venue_id: u32::MAX,
                bid_px_ticks: SAFE_INTEGER_MAX,
                bid_qty_lots: 1,
                ask_px_ticks: -SAFE_INTEGER_MAX,
                ask_qty_lots: SAFE_INTEGER_MAX as u64,
                venue_seq: u64::MAX,
                ts_recv_ns: i64::MAX,
                state: BookState::Syncing.into(),
                tick_mono_ns: u64::MAX,
                ..BookTop::default()
            })),
        ),
        (
            "book_depth_one_sided",
            bare(Payload::BookDepth(BookDepth {
                bid_px_delta_ticks: vec![],
                bid_qty_lots: vec![],
                ..book_depth()
            })),
        ),
        (
            "book_depth_deepest",
            bare(Payload::BookDepth(BookDepth {
                bid_px_delta_ticks: deepest.clone(),
                bid_qty_lots: deep_qty.clone(),
                ask_px_delta_ticks: deepest.iter().map(|px| -px).collect(),
                ask_qty_lots: deep_qty,
                ..book_depth()
            })),
        ),
        (
            "intent_market_extremes",
            bare(Payload::Intent(Intent {
                intent_id: Some(IntentId { hi: u64::MAX, lo: u64::MAX }),
                order_type: OrderType::Market.into(),
                tif: Tif::Ioc.into(),
                px_ticks: 0,
                qty_lots: SAFE_INTEGER_MAX as u64,
                ttl_ns: u64::MAX,
                ..intent()
            })),
        ),
        (
            "intent_reply_refused",
            bare(Payload::IntentReply(IntentReply {
                intent_id: Some(IntentId { hi: 0, lo: 1 }),
                decision: Decision::Refused.into(),
                reason: Reason::BreakerOpen.into(),
                ..IntentReply::default()
            })),
        ),
        (
            "report_venue_down",
            bare(Payload::Report(Report {
                report_seq: u64::MAX,
                kind: ReportKind::VenueDown.into(),
                venue_id: 2,
                reason: Reason::VenueUnreachable.into(),
                venue_text: "\u{fc}".repeat(128),
                ..Report::default()
            })),
        ),
        (
            "command_grant",
            bare(Payload::Command(Command {
                gateway_epoch: 1,
                holder: 1,
                kind: CommandKind::Grant.into(),
                ..Command::default()
            })),
        ),
    ]
}
