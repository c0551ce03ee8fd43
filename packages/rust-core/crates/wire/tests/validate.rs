//! Each rule of each message refused by its name, and nothing else refused.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use support::*;
use tidegate_wire::envelope;
use tidegate_wire::limits::{DEPTH_LEVELS_MAX, FEATURES_MAX, PAYLOAD_LEN_MAX, SAFE_INTEGER_MAX};
use tidegate_wire::pb::common::v1::IntentId;
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};
use tidegate_wire::pb::envelope::v1::Envelope;
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::orders::v1::{CommandKind, Reason, ReportKind};

fn limits_event() -> ControlEvent {
    ControlEvent {
        action: ControlAction::Limits.into(),
        limit_name: "firm.open_orders_max".into(),
        value: 7,
        limits_version: 2,
        requester: "uid:1001".into(),
        ..control_event()
    }
}

fn told(message: &Envelope) -> String {
    match envelope::decode_checked(&envelope::encode(message)) {
        Ok(read) => {
            assert_eq!(&read, message);
            "accepted".into()
        }
        Err(refusal) => refusal.to_string(),
    }
}

/// `refused!("CODE field", Payload::X(base) { field = value, … })`
macro_rules! refused {
    ($($told:literal: $kind:ident($base:expr) { $($field:ident = $value:expr),* })+) => {
        vec![$({
            #[allow(unused_mut)]
            let mut message = $base;
            $(message.$field = $value;)*
            ($told, wrap(Payload::$kind(message)))
        }),+]
    };
}

const BEYOND: i64 = SAFE_INTEGER_MAX + 1;
const BEYOND_QTY: u64 = SAFE_INTEGER_MAX as u64 + 1;
const NO_ID: Option<IntentId> = Some(IntentId { hi: 0, lo: 0 });

fn x(len: usize) -> String {
    "x".repeat(len)
}

#[test]
fn each_rule_refuses_by_name() {
    let mut cases = refused! {
        "ID_ZERO book_top.instrument_id": BookTop(book_top()) { instrument_id = 0 }
        "ID_ZERO book_top.venue_id": BookTop(book_top()) { venue_id = 0 }
        "OUT_OF_RANGE book_top.bid_px_ticks": BookTop(book_top()) { bid_px_ticks = BEYOND }
        "OUT_OF_RANGE book_top.ask_px_ticks": BookTop(book_top()) { ask_px_ticks = i64::MIN }
        "OUT_OF_RANGE book_top.bid_qty_lots": BookTop(book_top()) { bid_qty_lots = BEYOND_QTY }
        "OUT_OF_RANGE book_top.ask_qty_lots": BookTop(book_top()) { ask_qty_lots = u64::MAX }
        "OUT_OF_RANGE book_top.ts_venue_ns": BookTop(book_top()) { ts_venue_ns = -1 }
        "OUT_OF_RANGE book_top.ts_recv_ns": BookTop(book_top()) { ts_recv_ns = i64::MIN }
        "ENUM_UNSPECIFIED book_top.state": BookTop(book_top()) { state = 0 }
        "ENUM_UNKNOWN book_top.state": BookTop(book_top()) { state = 5 }
        "TOO_MANY book_top.features": BookTop(book_top()) { features = vec![1; FEATURES_MAX + 1] }
        "OUT_OF_RANGE book_top.features": BookTop(book_top()) { features = vec![-BEYOND] }
        "INCONSISTENT book_top.feature_set_hash": BookTop(book_top()) { feature_set_hash = 0 }
        "OUT_OF_RANGE book_top.feature_flags": BookTop(book_top()) { feature_flags = 64 }

        "ID_ZERO book_depth.instrument_id": BookDepth(book_depth()) { instrument_id = 0 }
        "ID_ZERO book_depth.venue_id": BookDepth(book_depth()) { venue_id = 0 }
        "COLUMNS_LENGTH book_depth.bid_qty_lots": BookDepth(book_depth()) { bid_qty_lots = vec![1, 2] }
        "COLUMNS_LENGTH book_depth.ask_qty_lots": BookDepth(book_depth()) { ask_qty_lots = vec![] }
        "LEVEL_ORDER book_depth.bid_px_delta_ticks": BookDepth(book_depth()) { bid_px_delta_ticks = vec![9, -1, 0] }
        "LEVEL_ORDER book_depth.bid_px_delta_ticks": BookDepth(book_depth()) { bid_px_delta_ticks = vec![9, 1, -1] }
        "LEVEL_ORDER book_depth.ask_px_delta_ticks": BookDepth(book_depth()) { ask_px_delta_ticks = vec![9, -1] }
        "QTY_ZERO book_depth.bid_qty_lots": BookDepth(book_depth()) { bid_qty_lots = vec![1, 0, 1] }
        "OUT_OF_RANGE book_depth.ask_qty_lots": BookDepth(book_depth()) { ask_qty_lots = vec![1, BEYOND_QTY] }
        "OUT_OF_RANGE book_depth.bid_px_delta_ticks": BookDepth(book_depth()) { bid_px_delta_ticks = vec![-SAFE_INTEGER_MAX, -1, -1] }
        "OUT_OF_RANGE book_depth.bid_px_delta_ticks": BookDepth(book_depth()) { bid_px_delta_ticks = vec![0, i64::MIN, i64::MIN] }
        "TOO_MANY book_depth.ask_px_delta_ticks": BookDepth(book_depth()) {
            ask_px_delta_ticks = vec![1; DEPTH_LEVELS_MAX + 1], ask_qty_lots = vec![1; DEPTH_LEVELS_MAX + 1]
        }
        "ENUM_UNSPECIFIED book_depth.state": BookDepth(book_depth()) { state = 0 }
        "OUT_OF_RANGE book_depth.ts_venue_ns": BookDepth(book_depth()) { ts_venue_ns = -1 }
        "OUT_OF_RANGE book_depth.ts_recv_ns": BookDepth(book_depth()) { ts_recv_ns = -1 }

        "ID_ZERO trade.instrument_id": Trade(trade()) { instrument_id = 0 }
        "ID_ZERO trade.venue_id": Trade(trade()) { venue_id = 0 }
        "OUT_OF_RANGE trade.px_ticks": Trade(trade()) { px_ticks = -BEYOND }
        "QTY_ZERO trade.qty_lots": Trade(trade()) { qty_lots = 0 }
        "ENUM_UNSPECIFIED trade.aggressor": Trade(trade()) { aggressor = 0 }
        "ENUM_UNKNOWN trade.aggressor": Trade(trade()) { aggressor = -1 }
        "OUT_OF_RANGE trade.ts_venue_ns": Trade(trade()) { ts_venue_ns = -1 }
        "OUT_OF_RANGE trade.ts_recv_ns": Trade(trade()) { ts_recv_ns = -1 }

        "OUT_OF_RANGE trade.excluded": Trade(trade()) { excluded = 16 }
        "INCONSISTENT trade.excluded": Trade(trade()) { excluded = 9 }

        "ID_ZERO trade_correction.instrument_id": TradeCorrection(trade_correction()) { instrument_id = 0 }
        "ID_ZERO trade_correction.venue_id": TradeCorrection(trade_correction()) { venue_id = 0 }
        "OUT_OF_RANGE trade_correction.was_px_ticks": TradeCorrection(trade_correction()) { was_px_ticks = BEYOND }
        "QTY_ZERO trade_correction.was_qty_lots": TradeCorrection(trade_correction()) { was_qty_lots = 0 }
        "OUT_OF_RANGE trade_correction.now_px_ticks": TradeCorrection(trade_correction()) { now_px_ticks = -BEYOND }
        "OUT_OF_RANGE trade_correction.now_qty_lots": TradeCorrection(trade_correction()) { now_qty_lots = BEYOND_QTY }
        "INCONSISTENT trade_correction.now_qty_lots": TradeCorrection(trade_correction()) { now_qty_lots = 0 }
        "OUT_OF_RANGE trade_correction.now_excluded": TradeCorrection(trade_correction()) { now_excluded = u32::MAX }
        "INCONSISTENT trade_correction.now_excluded": TradeCorrection(trade_correction()) { now_excluded = 15 }
        "OUT_OF_RANGE trade_correction.ts_venue_ns": TradeCorrection(trade_correction()) { ts_venue_ns = -1 }
        "OUT_OF_RANGE trade_correction.ts_recv_ns": TradeCorrection(trade_correction()) { ts_recv_ns = -1 }

        "ID_ZERO instrument_status.instrument_id": InstrumentStatus(status()) { instrument_id = 0 }
        "ID_ZERO instrument_status.venue_id": InstrumentStatus(status()) { venue_id = 0 }
        "ENUM_UNSPECIFIED instrument_status.state": InstrumentStatus(status()) { state = 0 }
        "TEXT_LENGTH instrument_status.reason": InstrumentStatus(status()) { reason = x(129) }
        "INCONSISTENT instrument_status.gap_last": InstrumentStatus(status()) { gap_first = 7 }
        "INCONSISTENT instrument_status.gap_last": InstrumentStatus(status()) { gap_first = 0 }
        "OUT_OF_RANGE instrument_status.ts_recv_ns": InstrumentStatus(status()) { ts_recv_ns = -1 }
        "ENUM_UNKNOWN instrument_status.trading": InstrumentStatus(status()) { trading = 5 }
        "TEXT_LENGTH instrument_status.trading_code": InstrumentStatus(status()) { trading_code = x(17) }
        "TEXT_LENGTH instrument_status.trading_reason": InstrumentStatus(status()) { trading_reason = x(17) }
        "OUT_OF_RANGE instrument_status.limit_down_px_ticks": InstrumentStatus(status()) { limit_down_px_ticks = -BEYOND }
        "OUT_OF_RANGE instrument_status.limit_up_px_ticks": InstrumentStatus(status()) { limit_up_px_ticks = BEYOND }
        "INCONSISTENT instrument_status.limit_up_px_ticks": InstrumentStatus(status()) { limit_up_px_ticks = 1 }
        "OUT_OF_RANGE instrument_status.ts_venue_ns": InstrumentStatus(status()) { ts_venue_ns = -1 }

        "MISSING intent.intent_id": Intent(intent()) { intent_id = None }
        "ID_ZERO intent.intent_id": Intent(intent()) { intent_id = NO_ID }
        "ENUM_UNSPECIFIED intent.kind": Intent(intent()) { kind = 0 }
        "ENUM_UNKNOWN intent.kind": Intent(intent()) { kind = 3 }
        "ID_ZERO intent.instrument_id": Intent(intent()) { instrument_id = 0 }
        "ID_ZERO intent.account_id": Intent(intent()) { account_id = 0 }
        "ENUM_UNSPECIFIED intent.side": Intent(intent()) { side = 0 }
        "ENUM_UNKNOWN intent.side": Intent(intent()) { side = 3 }
        "ENUM_UNSPECIFIED intent.order_type": Intent(intent()) { order_type = 0 }
        "ENUM_UNSPECIFIED intent.tif": Intent(intent()) { tif = 0 }
        "ENUM_UNKNOWN intent.tif": Intent(intent()) { tif = i32::MAX }
        "OUT_OF_RANGE intent.px_ticks": Intent(intent()) { px_ticks = BEYOND }
        "OUT_OF_RANGE intent.qty_lots": Intent(intent()) { qty_lots = BEYOND_QTY }
        "NOT_ALLOWED intent.px_ticks": Intent(intent()) { order_type = 2, tif = 1 }
        "INCONSISTENT intent.tif": Intent(intent()) { order_type = 2, px_ticks = 0 }
        "NOT_ALLOWED intent.target_intent_id": Intent(intent()) { target_intent_id = intent().intent_id }
        "MISSING intent.target_intent_id": Intent(cancel()) { target_intent_id = None }
        "ID_ZERO intent.target_intent_id": Intent(cancel()) { target_intent_id = NO_ID }
        "NOT_ALLOWED intent.side": Intent(cancel()) { side = 1 }
        "NOT_ALLOWED intent.order_type": Intent(cancel()) { order_type = 1 }
        "NOT_ALLOWED intent.tif": Intent(cancel()) { tif = 1 }
        "NOT_ALLOWED intent.px_ticks": Intent(cancel()) { px_ticks = 1 }
        "NOT_ALLOWED intent.qty_lots": Intent(cancel()) { qty_lots = 1 }

        "MISSING intent_reply.intent_id": IntentReply(intent_reply()) { intent_id = None }
        "ENUM_UNSPECIFIED intent_reply.decision": IntentReply(intent_reply()) { decision = 0 }
        "ENUM_UNSPECIFIED intent_reply.reason": IntentReply(intent_reply()) { reason = 0 }
        "ENUM_UNKNOWN intent_reply.reason": IntentReply(intent_reply()) { reason = 2 }
        "INCONSISTENT intent_reply.reason": IntentReply(intent_reply()) { reason = Reason::Halt.into() }
        "INCONSISTENT intent_reply.reason": IntentReply(intent_reply()) { decision = 2 }
        "TEXT_LENGTH intent_reply.client_order_id": IntentReply(intent_reply()) { client_order_id = x(37) }
        "TEXT_CHARSET intent_reply.client_order_id": IntentReply(intent_reply()) { client_order_id = "a b".into() }
        "OUT_OF_RANGE intent_reply.reference_px_ticks": IntentReply(intent_reply()) { reference_px_ticks = BEYOND }
        "OUT_OF_RANGE intent_reply.reference_ts_ns": IntentReply(intent_reply()) { reference_ts_ns = -1 }
        "OUT_OF_RANGE intent_reply.accepted_qty_lots": IntentReply(intent_reply()) { accepted_qty_lots = BEYOND_QTY }

        "MISSING order_update.intent_id": OrderUpdate(order_update()) { intent_id = None }
        "TEXT_LENGTH order_update.client_order_id": OrderUpdate(order_update()) { client_order_id = x(0) }
        "TEXT_CHARSET order_update.client_order_id": OrderUpdate(order_update()) { client_order_id = "\u{e9}".into() }
        "ID_ZERO order_update.instrument_id": OrderUpdate(order_update()) { instrument_id = 0 }
        "ENUM_UNSPECIFIED order_update.side": OrderUpdate(order_update()) { side = 0 }
        "ENUM_UNSPECIFIED order_update.state": OrderUpdate(order_update()) { state = 0 }
        "OUT_OF_RANGE order_update.px_ticks": OrderUpdate(order_update()) { px_ticks = BEYOND }
        "QTY_ZERO order_update.qty_lots": OrderUpdate(order_update()) { qty_lots = 0 }
        "OUT_OF_RANGE order_update.cum_qty_lots": OrderUpdate(order_update()) { cum_qty_lots = BEYOND_QTY }
        "OUT_OF_RANGE order_update.leaves_qty_lots": OrderUpdate(order_update()) { leaves_qty_lots = BEYOND_QTY }
        "ENUM_UNSPECIFIED order_update.reason": OrderUpdate(order_update()) { reason = 0 }
        "OUT_OF_RANGE order_update.ts_venue_ns": OrderUpdate(order_update()) { ts_venue_ns = -1 }

        "MISSING fill.intent_id": Fill(fill()) { intent_id = None }
        "TEXT_LENGTH fill.client_order_id": Fill(fill()) { client_order_id = x(0) }
        "ID_ZERO fill.instrument_id": Fill(fill()) { instrument_id = 0 }
        "ID_ZERO fill.venue_id": Fill(fill()) { venue_id = 0 }
        "ENUM_UNSPECIFIED fill.side": Fill(fill()) { side = 0 }
        "OUT_OF_RANGE fill.px_ticks": Fill(fill()) { px_ticks = BEYOND }
        "QTY_ZERO fill.qty_lots": Fill(fill()) { qty_lots = 0 }
        "TEXT_LENGTH fill.exec_id": Fill(fill()) { exec_id = x(0) }
        "TEXT_LENGTH fill.exec_id": Fill(fill()) { exec_id = x(65) }
        "TEXT_LENGTH fill.fee_asset": Fill(fill()) { fee_asset = x(0) }
        "TEXT_LENGTH fill.fee_asset": Fill(fill()) { fee_asset = x(17) }
        "OUT_OF_RANGE fill.ts_venue_ns": Fill(fill()) { ts_venue_ns = -1 }
        "OUT_OF_RANGE fill.position_lots": Fill(fill()) { position_lots = -BEYOND }

        "ID_ZERO command.gateway_epoch": Command(command()) { gateway_epoch = 0 }
        "ID_ZERO command.holder": Command(command()) { holder = 0 }
        "ENUM_UNSPECIFIED command.kind": Command(command()) { kind = 0 }
        "ID_ZERO command.command_seq": Command(command()) { command_seq = 0 }
        "MISSING command.intent_id": Command(command()) { intent_id = None }
        "ID_ZERO command.account_id": Command(command()) { account_id = 0 }
        "ENUM_UNSPECIFIED command.side": Command(command()) { side = 0 }
        "ENUM_UNSPECIFIED command.order_type": Command(command()) { order_type = 0 }
        "ENUM_UNSPECIFIED command.tif": Command(command()) { tif = 0 }
        "OUT_OF_RANGE command.px_ticks": Command(command()) { px_ticks = BEYOND }
        "NOT_ALLOWED command.px_ticks": Command(command()) { order_type = 2 }
        "INCONSISTENT command.tif": Command(command()) { order_type = 2, px_ticks = 0, tif = 4 }
        "QTY_ZERO command.qty_lots": Command(command()) { qty_lots = 0 }
        "ID_ZERO command.instrument_id": Command(command()) { instrument_id = 0 }
        "ID_ZERO command.venue_id": Command(command()) { venue_id = 0 }
        "TEXT_LENGTH command.client_order_id": Command(command()) { client_order_id = x(0) }
        "ID_ZERO command.intent_id": Command(command()) { kind = CommandKind::Cancel.into(), intent_id = NO_ID }
        "ENUM_UNKNOWN command.side": Command(command()) { kind = CommandKind::Query.into(), side = 3 }
        "TEXT_LENGTH command.client_order_id": Command(command()) { kind = CommandKind::Query.into(), client_order_id = x(0) }

        "ID_ZERO report.report_seq": Report(report()) { report_seq = 0 }
        "ENUM_UNSPECIFIED report.kind": Report(report()) { kind = 0 }
        "ENUM_UNKNOWN report.kind": Report(report()) { kind = 19 }
        "ID_ZERO report.intent_id": Report(report()) { intent_id = NO_ID }
        "TEXT_LENGTH report.client_order_id": Report(report()) { client_order_id = x(0) }
        "ID_ZERO report.venue_id": Report(report()) { venue_id = 0 }
        "ID_ZERO report.venue_id": Report(report()) { kind = ReportKind::VenueUp.into(), venue_id = 0 }
        "ID_ZERO report.gateway_epoch": Report(report()) { kind = ReportKind::Fenced.into(), gateway_epoch = 0 }
        "ID_ZERO report.instrument_id": Report(report()) { instrument_id = 0 }
        "ENUM_UNSPECIFIED report.side": Report(report()) { side = 0 }
        "ENUM_UNKNOWN report.side": Report(report()) { kind = ReportKind::Ack.into(), side = 9 }
        "QTY_ZERO report.last_qty_lots": Report(report()) { last_qty_lots = 0 }
        "TEXT_LENGTH report.exec_id": Report(report()) { exec_id = x(0) }
        "TEXT_LENGTH report.exec_id": Report(report()) { kind = ReportKind::Ack.into(), exec_id = x(65) }
        "TEXT_LENGTH report.venue_order_id": Report(report()) { venue_order_id = x(65) }
        "OUT_OF_RANGE report.last_px_ticks": Report(report()) { last_px_ticks = BEYOND }
        "OUT_OF_RANGE report.cum_qty_lots": Report(report()) { cum_qty_lots = BEYOND_QTY }
        "OUT_OF_RANGE report.leaves_qty_lots": Report(report()) { leaves_qty_lots = BEYOND_QTY }
        "TEXT_LENGTH report.fee_asset": Report(report()) { fee_asset = x(0) }
        "ENUM_UNSPECIFIED report.reason": Report(report()) { reason = 0 }
        "TEXT_LENGTH report.venue_text": Report(report()) { venue_text = x(257) }
        "OUT_OF_RANGE report.ts_venue_ns": Report(report()) { ts_venue_ns = -1 }
        "OUT_OF_RANGE report.ts_recv_ns": Report(report()) { ts_recv_ns = -1 }

        "ENUM_UNSPECIFIED policy_state.policy": PolicyState(policy_state()) { policy = 0 }
        "ENUM_UNSPECIFIED policy_state.cause": PolicyState(policy_state()) { cause = 0 }
        "TEXT_LENGTH policy_state.detail": PolicyState(policy_state()) { detail = x(129) }
        "ID_ZERO policy_state.gateway_epoch": PolicyState(policy_state()) { gateway_epoch = 0 }
        "OUT_OF_RANGE policy_state.ts_ns": PolicyState(policy_state()) { ts_ns = -1 }

        "ID_ZERO position_update.account_id": PositionUpdate(position_update()) { account_id = 0 }
        "ID_ZERO position_update.strategy_id": PositionUpdate(position_update()) { strategy_id = 0 }
        "ID_ZERO position_update.instrument_id": PositionUpdate(position_update()) { instrument_id = 0 }
        "OUT_OF_RANGE position_update.position_lots": PositionUpdate(position_update()) { position_lots = BEYOND }

        "TEXT_LENGTH snapshot_request.topic": SnapshotRequest(snapshot_request()) { topic = x(0) }
        "TEXT_LENGTH snapshot_request.topic": SnapshotRequest(snapshot_request()) { topic = x(65) }

        "ENUM_UNSPECIFIED control_event.action": ControlEvent(control_event()) { action = 0 }
        "ENUM_UNKNOWN control_event.action": ControlEvent(control_event()) { action = 99 }
        "TEXT_LENGTH control_event.principal": ControlEvent(control_event()) { principal = x(0) }
        "TEXT_LENGTH control_event.principal": ControlEvent(control_event()) { principal = x(65) }
        "TEXT_LENGTH control_event.reason": ControlEvent(control_event()) { reason = x(257) }
        "OUT_OF_RANGE control_event.ts_ns": ControlEvent(control_event()) { ts_ns = -1 }
        "INCONSISTENT control_event.strategy_id": ControlEvent(control_event()) { strategy_id = 1 }
        "INCONSISTENT control_event.instrument_id": ControlEvent(control_event()) { instrument_id = 1 }
        "INCONSISTENT control_event.kill_ts_ns": ControlEvent(control_event()) { kill_ts_ns = 1 }
        "TEXT_LENGTH control_event.limit_name": ControlEvent(control_event()) { limit_name = x(1) }
        "INCONSISTENT control_event.value": ControlEvent(control_event()) { value = 1 }
        "INCONSISTENT control_event.limits_version": ControlEvent(control_event()) { limits_version = 1 }
        "TEXT_LENGTH control_event.requester": ControlEvent(control_event()) { requester = x(1) }
        "TEXT_LENGTH control_event.limit_name": ControlEvent(limits_event()) { limit_name = x(65) }
        "TEXT_LENGTH control_event.limit_name": ControlEvent(limits_event()) { limit_name = x(0) }
        "INCONSISTENT control_event.limits_version": ControlEvent(limits_event()) { limits_version = 0 }
        "TEXT_LENGTH control_event.requester": ControlEvent(limits_event()) { requester = x(65) }

        "INCONSISTENT control_event.strategy_id": ControlEvent(control_event()) { strategy_id = 1 }
        "INCONSISTENT control_event.instrument_id": ControlEvent(control_event()) { instrument_id = 1 }
        "TEXT_LENGTH control_event.requester": ControlEvent(control_event()) { requester = x(1) }
        "INCONSISTENT control_event.expires_ts_ns": ControlEvent(control_event()) { expires_ts_ns = 1 }
        "INCONSISTENT control_event.overridden": ControlEvent(control_event()) { overridden = 1 }
        "ID_ZERO control_event.strategy_id": ControlEvent(override_event()) { strategy_id = 0 }
        "TEXT_LENGTH control_event.requester": ControlEvent(override_event()) { requester = x(0) }
        "INCONSISTENT control_event.expires_ts_ns": ControlEvent(override_event()) { expires_ts_ns = TS }
        "ENUM_UNKNOWN control_event.overridden": ControlEvent(override_event()) { overridden = 0 }
        "ENUM_UNKNOWN control_event.overridden": ControlEvent(override_event()) { overridden = u32::MAX }
        "TEXT_LENGTH command.approval": Command(command()) { approval = x(89) }

        "ENUM_UNSPECIFIED risk_event.kind": RiskEvent(marks()) { kind = 0 }
        "INCONSISTENT risk_event.scope": RiskEvent(marks()) { scope = 1 }
        "INCONSISTENT risk_event.px_ticks": RiskEvent(marks()) { px_ticks = vec![1] }
        "TOO_MANY risk_event.instrument_ids": RiskEvent(marks()) { instrument_ids = vec![1; 129], px_ticks = vec![1; 129] }
        "ID_ZERO risk_event.instrument_ids": RiskEvent(marks()) { instrument_ids = vec![0, 1] }
        "ID_ZERO risk_event.instrument_ids": RiskEvent(marks()) { instrument_ids = vec![1, 1 << 32] }
        "OUT_OF_RANGE risk_event.px_ticks": RiskEvent(marks()) { px_ticks = vec![1, BEYOND] }
        "ENUM_UNSPECIFIED risk_event.scope": RiskEvent(latch()) { scope = 0 }
        "ENUM_UNSPECIFIED risk_event.cause": RiskEvent(latch()) { cause = 0 }
        "ENUM_UNSPECIFIED risk_event.latch": RiskEvent(latch()) { latch = 0 }
        "ID_ZERO risk_event.strategy_id": RiskEvent(latch()) { strategy_id = 0 }
        "INCONSISTENT risk_event.account_id": RiskEvent(latch()) { account_id = 1 }
        "INCONSISTENT risk_event.instrument_id": RiskEvent(latch()) { instrument_id = 1 }
        "INCONSISTENT risk_event.desk_id": RiskEvent(latch()) { desk_id = 1 }
        "TEXT_LENGTH risk_event.reference": RiskEvent(latch()) { reference = x(65) }
        "OUT_OF_RANGE risk_event.ts_ns": RiskEvent(latch()) { ts_ns = -1 }
        "ENUM_UNKNOWN risk_event.storm_from": RiskEvent(storm()) { storm_from = 5 }
        "ENUM_UNSPECIFIED risk_event.storm_to": RiskEvent(storm()) { storm_to = 0 }
        "ID_ZERO risk_event.venue_id": RiskEvent(storm()) { venue_id = 0 }
        "ENUM_UNSPECIFIED risk_event.period": RiskEvent(period()) { period = 0 }
        "INCONSISTENT risk_event.period_id": RiskEvent(period()) { period_id = 0 }
        "ENUM_UNSPECIFIED risk_event.posting": RiskEvent(posting()) { posting = 0 }
        "TEXT_LENGTH risk_event.asset": RiskEvent(posting()) { asset = x(0) }
        "TEXT_LENGTH risk_event.quote_asset": RiskEvent(rate()) { quote_asset = x(17) }

        "TEXT_LENGTH stream_gap.stream": StreamGap(stream_gap()) { stream = x(0) }
        "ID_ZERO stream_gap.epoch": StreamGap(stream_gap()) { epoch = 0 }
        "ID_ZERO stream_gap.first_seq": StreamGap(stream_gap()) { first_seq = 0 }
        "INCONSISTENT stream_gap.last_seq": StreamGap(stream_gap()) { last_seq = 4 }
        "OUT_OF_RANGE stream_gap.ts_ns": StreamGap(stream_gap()) { ts_ns = -1 }

        "TEXT_LENGTH stream_mark.stream": StreamMark(stream_mark()) { stream = x(65) }
        "ID_ZERO stream_mark.epoch": StreamMark(stream_mark()) { epoch = 0 }
        "ENUM_UNSPECIFIED stream_mark.kind": StreamMark(stream_mark()) { kind = 0 }
        "ENUM_UNKNOWN stream_mark.kind": StreamMark(stream_mark()) { kind = 3 }
        "OUT_OF_RANGE stream_mark.ts_ns": StreamMark(stream_mark()) { ts_ns = -1 }
    };
    let good = wrap(Payload::Trade(trade()));
    cases.extend([
        ("SCHEMA_VERSION envelope.schema_version", Envelope { schema_version: 0, ..good.clone() }),
        ("SCHEMA_VERSION envelope.schema_version", Envelope { schema_version: 2, ..good.clone() }),
        ("ENUM_UNSPECIFIED envelope.source", Envelope { source: 0, ..good.clone() }),
        ("ENUM_UNKNOWN envelope.source", Envelope { source: 10, ..good.clone() }),
        ("OUT_OF_RANGE envelope.ts_event_ns", Envelope { ts_event_ns: -1, ..good.clone() }),
        ("OUT_OF_RANGE envelope.ts_recv_ns", Envelope { ts_recv_ns: -1, ..good.clone() }),
        ("NO_PAYLOAD envelope.payload", Envelope { payload: None, ..good }),
    ]);
    for (rule, message) in &cases {
        assert_eq!(told(message), *rule);
    }
}

/// The control of the table above: what stands beside each rule is accepted.
#[test]
fn what_no_rule_forbids_is_accepted() {
    for (name, message) in samples() {
        assert_eq!(told(&message), "accepted", "{name}");
    }
    let mut cases = refused! {
        "a qty of 0 is the gateway's to refuse": Intent(intent()) { qty_lots = 0 }
        "a px below 0 too": Intent(intent()) { px_ticks = -1 }
        "a market order": Intent(intent()) { order_type = 2, px_ticks = 0, tif = 2 }
        "an empty book": BookDepth(book_depth()) {
            bid_px_delta_ticks = vec![], bid_qty_lots = vec![], ask_px_delta_ticks = vec![], ask_qty_lots = vec![]
        }
        "a crossed book": BookDepth(book_depth()) { ask_px_delta_ticks = vec![1, 1] }
        "no features": BookTop(book_top()) { features = vec![], feature_set_hash = 0 }
        "an overfill": OrderUpdate(order_update()) { cum_qty_lots = 9_999, leaves_qty_lots = 0 }
        "no fee": Fill(fill()) { fee_e8 = 0, fee_asset = String::new() }
        "a cancel without its intent": Command(command()) { kind = 2, intent_id = None, account_id = 0, side = 0, order_type = 0, tif = 0, px_ticks = 0, qty_lots = 0 }
        "cancel all of a venue": Command(command()) { kind = 4, intent_id = None, client_order_id = x(0), instrument_id = 0 }
        "an order of nobody": Report(report()) { intent_id = None }
        "granted": Report(report()) { kind = ReportKind::Granted.into(), client_order_id = x(0), venue_id = 0 }
        "no gap": InstrumentStatus(status()) { gap_first = 0, gap_last = 0 }
        "the longest texts": Report(report()) { venue_text = x(256), venue_order_id = x(64), exec_id = x(64), fee_asset = x(16), client_order_id = x(36) }
    };
    for (what, message) in &mut cases {
        assert_eq!(told(message), "accepted", "{what}");
    }
}

#[test]
fn bytes_that_are_no_envelope_have_a_name() {
    let name = |bytes: &[u8]| envelope::decode_checked(bytes).unwrap_err().to_string();
    assert_eq!(name(&[]), "EMPTY envelope");
    assert_eq!(name(&vec![0; PAYLOAD_LEN_MAX + 1]), "TOO_LONG envelope");
    assert_eq!(name(&[0x08]), "UNDECODABLE envelope");
    assert_eq!(name(&[0x08, 0x80]), "UNDECODABLE envelope");
    assert_eq!(name(&[0x0f, 0x01]), "UNKNOWN_FIELD envelope");
    let good = envelope::encode(&wrap(Payload::Trade(trade())));
    assert_eq!(name(&[good.as_slice(), b"\0"].concat()), "UNKNOWN_FIELD envelope");
    assert_eq!(name(&[good.as_slice(), &good].concat()), "DUPLICATE_FIELD envelope");
    // A text that is no UTF-8, inside a snapshot request.
    assert_eq!(name(&[0x08, 1, 0x10, 1, 0x92, 0x03, 3, 0x0a, 1, 0xff]), "UNDECODABLE envelope");
    // A decode without the semantic checks reads what only they refuse, so that it can be answered.
    let malformed = wrap(Payload::Trade(Default::default()));
    assert_eq!(envelope::decode(&envelope::encode(&malformed)).as_ref(), Ok(&malformed));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn every_truncation_is_refused(at in 0..25_usize, cut in any::<prop::sample::Index>()) {
        let samples = samples();
        let bytes = envelope::encode(&samples[at % samples.len()].1);
        prop_assert!(envelope::decode_checked(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(envelope::decode_checked(&bytes).is_err());
    }

    /// Damage that happens to decode must still be a message that keeps every rule, with nothing of the bytes unread.
    #[test]
    fn damaged_bytes_are_refused_or_mean_something(
        at in 0..25_usize,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let samples = samples();
        let mut bytes = envelope::encode(&samples[at % samples.len()].1);
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(read) = envelope::decode_checked(&bytes) {
            let again = envelope::encode(&read);
            prop_assert_eq!(envelope::decode_checked(&again), Ok(read));
            prop_assert!(again.len() <= bytes.len());
        }
    }
}
