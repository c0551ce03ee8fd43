//! One semantic validator per message: what protobuf lets through and a core must never see.
//!
//! A validator proves the shape of a message (ids, enums, ranges, fields that belong together). Whether an order is a good
//! idea, a quantity of 0 included, is the gateway's decision with its own [`Reason`]: an intent is refused here only where
//! no sensible answer could be given to it.

use crate::limits::{
    APPROVAL_LEN, ASSET_LEN_MAX, CLIENT_ORDER_ID_LEN_MAX, DEPTH_LEVELS_MAX, DETAIL_LEN_MAX,
    FEATURE_FLAGS_MASK, FEATURES_MAX, LIMIT_NAME_LEN_MAX, MARKS_MAX, OPERATOR_REASON_LEN_MAX,
    PRINCIPAL_LEN_MAX, REFERENCE_LEN_MAX, SAFE_INTEGER_MAX, STATUS_CODE_LEN_MAX, TOPIC_LEN_MAX,
    TRADE_EXCLUDED_LAST, TRADE_EXCLUDED_MASK, VENUE_ID_LEN_MAX, VENUE_TEXT_LEN_MAX,
};
use crate::pb::common::v1::{IntentId, Side, Source};
use crate::pb::control::v1::{ControlAction, ControlEvent, SnapshotRequest};
use crate::pb::envelope::v1::Envelope;
use crate::pb::envelope::v1::envelope::Payload;
use crate::pb::marketdata::v1::{
    BookDepth, BookState, BookTop, InstrumentStatus, Trade, TradeCorrection, TradingState,
};
use crate::pb::orders::v1::{
    Command, CommandKind, Decision, Fill, Intent, IntentKind, IntentReply, OrderState, OrderType,
    OrderUpdate, Reason, Report, ReportKind, Tif,
};
use crate::pb::recorder::v1::{StreamGap, StreamMark, stream_mark};
use crate::pb::risk::v1::{
    Latch, LossPeriod, Policy, PolicyState, PositionUpdate, PostingKind, RiskEvent, RiskEventKind, RiskScope,
    StormMode,
};
use crate::refusal::{Refusal, RefusalCode};

type Check = Result<(), Refusal>;

/// The only schema version there is.
pub const SCHEMA_VERSION: u32 = 1;

/// Proves an envelope and its payload.
///
/// # Errors
/// The first rule broken, with the field that broke it.
pub fn envelope(e: &Envelope) -> Check {
    ensure(e.schema_version == SCHEMA_VERSION, RefusalCode::SchemaVersion, "envelope.schema_version")?;
    one_of::<Source>(e.source, "envelope.source")?;
    time(e.ts_event_ns, "envelope.ts_event_ns")?;
    time(e.ts_recv_ns, "envelope.ts_recv_ns")?;
    match e.payload.as_ref().ok_or(Refusal::new(RefusalCode::NoPayload, "envelope.payload"))? {
        Payload::BookTop(m) => book_top(m),
        Payload::BookDepth(m) => book_depth(m),
        Payload::Trade(m) => trade(m),
        Payload::InstrumentStatus(m) => instrument_status(m),
        Payload::TradeCorrection(m) => trade_correction(m),
        Payload::Intent(m) => intent(m),
        Payload::IntentReply(m) => intent_reply(m),
        Payload::OrderUpdate(m) => order_update(m),
        Payload::Fill(m) => fill(m),
        Payload::Command(m) => command(m),
        Payload::Report(m) => report(m),
        Payload::PolicyState(m) => policy_state(m),
        Payload::PositionUpdate(m) => position_update(m),
        Payload::RiskEvent(m) => risk_event(m),
        Payload::SnapshotRequest(m) => snapshot_request(m),
        Payload::ControlEvent(m) => control_event(m),
        Payload::StreamGap(m) => stream_gap(m),
        Payload::StreamMark(m) => stream_mark(m),
    }
}

fn book_top(m: &BookTop) -> Check {
    id(m.instrument_id, "book_top.instrument_id")?;
    id(m.venue_id, "book_top.venue_id")?;
    qty(m.bid_qty_lots, "book_top.bid_qty_lots")?;
    qty(m.ask_qty_lots, "book_top.ask_qty_lots")?;
    // The px of an empty side is not read, but it crosses into JavaScript all the same.
    px(m.bid_px_ticks, "book_top.bid_px_ticks")?;
    px(m.ask_px_ticks, "book_top.ask_px_ticks")?;
    time(m.ts_venue_ns, "book_top.ts_venue_ns")?;
    time(m.ts_recv_ns, "book_top.ts_recv_ns")?;
    one_of::<BookState>(m.state, "book_top.state")?;
    ensure(m.features.len() <= FEATURES_MAX, RefusalCode::TooMany, "book_top.features")?;
    m.features.iter().try_for_each(|x| px(*x, "book_top.features"))?;
    ensure(
        m.features.is_empty() || m.feature_set_hash != 0,
        RefusalCode::Inconsistent,
        "book_top.feature_set_hash",
    )?;
    ensure(m.feature_flags & !FEATURE_FLAGS_MASK == 0, RefusalCode::OutOfRange, "book_top.feature_flags")
}

fn book_depth(m: &BookDepth) -> Check {
    id(m.instrument_id, "book_depth.instrument_id")?;
    id(m.venue_id, "book_depth.venue_id")?;
    levels(
        &m.bid_px_delta_ticks,
        &m.bid_qty_lots,
        -1,
        ["book_depth.bid_px_delta_ticks", "book_depth.bid_qty_lots"],
    )?;
    levels(
        &m.ask_px_delta_ticks,
        &m.ask_qty_lots,
        1,
        ["book_depth.ask_px_delta_ticks", "book_depth.ask_qty_lots"],
    )?;
    time(m.ts_venue_ns, "book_depth.ts_venue_ns")?;
    time(m.ts_recv_ns, "book_depth.ts_recv_ns")?;
    one_of::<BookState>(m.state, "book_depth.state").map(drop)
}

/// One side of a depth message; `direction` is the sign every delta after the first must have.
fn levels(deltas: &[i64], qtys: &[u64], direction: i64, fields: [&'static str; 2]) -> Check {
    let [px_field, qty_field] = fields;
    ensure(deltas.len() == qtys.len(), RefusalCode::ColumnsLength, qty_field)?;
    ensure(deltas.len() <= DEPTH_LEVELS_MAX, RefusalCode::TooMany, px_field)?;
    let mut level = 0_i64;
    for (at, delta) in deltas.iter().enumerate() {
        ensure(at == 0 || delta.signum() == direction, RefusalCode::LevelOrder, px_field)?;
        level = level.checked_add(*delta).ok_or(Refusal::new(RefusalCode::OutOfRange, px_field))?;
        px(level, px_field)?;
    }
    qtys.iter().try_for_each(|q| qty_some(*q, qty_field))
}

fn trade(m: &Trade) -> Check {
    id(m.instrument_id, "trade.instrument_id")?;
    id(m.venue_id, "trade.venue_id")?;
    px(m.px_ticks, "trade.px_ticks")?;
    qty_some(m.qty_lots, "trade.qty_lots")?;
    one_of::<Side>(m.aggressor, "trade.aggressor")?;
    time(m.ts_venue_ns, "trade.ts_venue_ns")?;
    time(m.ts_recv_ns, "trade.ts_recv_ns")?;
    excluded(m.excluded, "trade.excluded")
}

/// What a print does not move: known bits, and one answer about the last price.
fn excluded(bits: u32, field: &'static str) -> Check {
    ensure(bits & !TRADE_EXCLUDED_MASK == 0, RefusalCode::OutOfRange, field)?;
    ensure(!TRADE_EXCLUDED_LAST.iter().all(|last| bits & last != 0), RefusalCode::Inconsistent, field)
}

fn trade_correction(m: &TradeCorrection) -> Check {
    id(m.instrument_id, "trade_correction.instrument_id")?;
    id(m.venue_id, "trade_correction.venue_id")?;
    px(m.was_px_ticks, "trade_correction.was_px_ticks")?;
    qty_some(m.was_qty_lots, "trade_correction.was_qty_lots")?;
    px(m.now_px_ticks, "trade_correction.now_px_ticks")?;
    qty(m.now_qty_lots, "trade_correction.now_qty_lots")?;
    excluded(m.now_excluded, "trade_correction.now_excluded")?;
    let blank = (m.now_trade_id, m.now_px_ticks, m.now_excluded) == (0, 0, 0);
    ensure(m.now_qty_lots != 0 || blank, RefusalCode::Inconsistent, "trade_correction.now_qty_lots")?;
    time(m.ts_venue_ns, "trade_correction.ts_venue_ns")?;
    time(m.ts_recv_ns, "trade_correction.ts_recv_ns")
}

fn instrument_status(m: &InstrumentStatus) -> Check {
    id(m.instrument_id, "instrument_status.instrument_id")?;
    id(m.venue_id, "instrument_status.venue_id")?;
    one_of::<BookState>(m.state, "instrument_status.state")?;
    text(&m.reason, 0, DETAIL_LEN_MAX, "instrument_status.reason")?;
    ensure(
        m.gap_first <= m.gap_last && (m.gap_first == 0) == (m.gap_last == 0),
        RefusalCode::Inconsistent,
        "instrument_status.gap_last",
    )?;
    time(m.ts_recv_ns, "instrument_status.ts_recv_ns")?;
    known::<TradingState>(m.trading, "instrument_status.trading")?;
    text(&m.trading_code, 0, STATUS_CODE_LEN_MAX, "instrument_status.trading_code")?;
    text(&m.trading_reason, 0, STATUS_CODE_LEN_MAX, "instrument_status.trading_reason")?;
    px(m.limit_down_px_ticks, "instrument_status.limit_down_px_ticks")?;
    px(m.limit_up_px_ticks, "instrument_status.limit_up_px_ticks")?;
    ensure(
        m.limit_down_px_ticks <= m.limit_up_px_ticks,
        RefusalCode::Inconsistent,
        "instrument_status.limit_up_px_ticks",
    )?;
    time(m.ts_venue_ns, "instrument_status.ts_venue_ns")
}

fn intent(m: &Intent) -> Check {
    some_id(m.intent_id.as_ref(), "intent.intent_id")?;
    match one_of::<IntentKind>(m.kind, "intent.kind")? {
        IntentKind::New => {
            id(m.instrument_id, "intent.instrument_id")?;
            id(m.account_id, "intent.account_id")?;
            one_of::<Side>(m.side, "intent.side")?;
            let order_type = one_of::<OrderType>(m.order_type, "intent.order_type")?;
            let tif = one_of::<Tif>(m.tif, "intent.tif")?;
            terms(order_type, tif, m.px_ticks, ["intent.px_ticks", "intent.tif"])?;
            qty(m.qty_lots, "intent.qty_lots")?;
            ensure(m.target_intent_id.is_none(), RefusalCode::NotAllowed, "intent.target_intent_id")
        }
        IntentKind::Cancel => {
            some_id(m.target_intent_id.as_ref(), "intent.target_intent_id")?;
            ensure(m.side == 0, RefusalCode::NotAllowed, "intent.side")?;
            ensure(m.order_type == 0, RefusalCode::NotAllowed, "intent.order_type")?;
            ensure(m.tif == 0, RefusalCode::NotAllowed, "intent.tif")?;
            ensure(m.px_ticks == 0, RefusalCode::NotAllowed, "intent.px_ticks")?;
            ensure(m.qty_lots == 0, RefusalCode::NotAllowed, "intent.qty_lots")
        }
        IntentKind::Unspecified => Err(Refusal::new(RefusalCode::EnumUnspecified, "intent.kind")),
    }
}

/// Type, life and px of an order that belong together.
fn terms(order_type: OrderType, tif: Tif, px_ticks: i64, fields: [&'static str; 2]) -> Check {
    let [px_field, tif_field] = fields;
    px(px_ticks, px_field)?;
    if order_type == OrderType::Market {
        ensure(px_ticks == 0, RefusalCode::NotAllowed, px_field)?;
        ensure(tif != Tif::PostOnly, RefusalCode::Inconsistent, tif_field)?;
    }
    Ok(())
}

fn intent_reply(m: &IntentReply) -> Check {
    some_id(m.intent_id.as_ref(), "intent_reply.intent_id")?;
    let decision = one_of::<Decision>(m.decision, "intent_reply.decision")?;
    let reason = one_of::<Reason>(m.reason, "intent_reply.reason")?;
    ensure(
        (decision == Decision::Accepted) == (reason == Reason::Ok),
        RefusalCode::Inconsistent,
        "intent_reply.reason",
    )?;
    client_order_id(&m.client_order_id, 0, "intent_reply.client_order_id")?;
    px(m.reference_px_ticks, "intent_reply.reference_px_ticks")?;
    time(m.reference_ts_ns, "intent_reply.reference_ts_ns")?;
    qty(m.accepted_qty_lots, "intent_reply.accepted_qty_lots")
}

fn order_update(m: &OrderUpdate) -> Check {
    some_id(m.intent_id.as_ref(), "order_update.intent_id")?;
    client_order_id(&m.client_order_id, 1, "order_update.client_order_id")?;
    id(m.instrument_id, "order_update.instrument_id")?;
    one_of::<Side>(m.side, "order_update.side")?;
    one_of::<OrderState>(m.state, "order_update.state")?;
    px(m.px_ticks, "order_update.px_ticks")?;
    qty_some(m.qty_lots, "order_update.qty_lots")?;
    // A venue may fill more than was asked for; that is told, not refused.
    qty(m.cum_qty_lots, "order_update.cum_qty_lots")?;
    qty(m.leaves_qty_lots, "order_update.leaves_qty_lots")?;
    one_of::<Reason>(m.reason, "order_update.reason")?;
    time(m.ts_venue_ns, "order_update.ts_venue_ns")
}

fn fill(m: &Fill) -> Check {
    some_id(m.intent_id.as_ref(), "fill.intent_id")?;
    client_order_id(&m.client_order_id, 1, "fill.client_order_id")?;
    id(m.instrument_id, "fill.instrument_id")?;
    id(m.venue_id, "fill.venue_id")?;
    one_of::<Side>(m.side, "fill.side")?;
    px(m.px_ticks, "fill.px_ticks")?;
    qty_some(m.qty_lots, "fill.qty_lots")?;
    text(&m.exec_id, 1, VENUE_ID_LEN_MAX, "fill.exec_id")?;
    fee(m.fee_e8, &m.fee_asset, "fill.fee_asset")?;
    time(m.ts_venue_ns, "fill.ts_venue_ns")?;
    px(m.position_lots, "fill.position_lots")
}

fn command(m: &Command) -> Check {
    id(m.gateway_epoch, "command.gateway_epoch")?;
    ensure(m.holder != 0, RefusalCode::IdZero, "command.holder")?;
    let kind = one_of::<CommandKind>(m.kind, "command.kind")?;
    let is_new = matches!(kind, CommandKind::New | CommandKind::ForceFlat);
    let one_order = is_new || matches!(kind, CommandKind::Cancel | CommandKind::Query | CommandKind::Amend);
    ensure(m.command_seq != 0 || kind == CommandKind::Grant, RefusalCode::IdZero, "command.command_seq")?;
    if is_new {
        some_id(m.intent_id.as_ref(), "command.intent_id")?;
        id(m.account_id, "command.account_id")?;
        one_of::<Side>(m.side, "command.side")?;
        let order_type = one_of::<OrderType>(m.order_type, "command.order_type")?;
        let tif = one_of::<Tif>(m.tif, "command.tif")?;
        terms(order_type, tif, m.px_ticks, ["command.px_ticks", "command.tif"])?;
        qty_some(m.qty_lots, "command.qty_lots")?;
    } else {
        opt_id(m.intent_id.as_ref(), "command.intent_id")?;
        known::<Side>(m.side, "command.side")?;
        known::<OrderType>(m.order_type, "command.order_type")?;
        known::<Tif>(m.tif, "command.tif")?;
        px(m.px_ticks, "command.px_ticks")?;
        qty(m.qty_lots, "command.qty_lots")?;
    }
    if kind == CommandKind::Amend {
        qty_some(m.qty_lots, "command.qty_lots")?;
    }
    if one_order {
        id(m.instrument_id, "command.instrument_id")?;
        id(m.venue_id, "command.venue_id")?;
    }
    let token = m.approval.is_empty() || m.approval.len() == APPROVAL_LEN;
    ensure(token, RefusalCode::TextLength, "command.approval")?;
    client_order_id(&m.client_order_id, usize::from(one_order), "command.client_order_id")
}

fn report(m: &Report) -> Check {
    ensure(m.report_seq != 0, RefusalCode::IdZero, "report.report_seq")?;
    let kind = one_of::<ReportKind>(m.kind, "report.kind")?;
    opt_id(m.intent_id.as_ref(), "report.intent_id")?;
    let about_order = matches!(
        kind,
        ReportKind::Ack
            | ReportKind::Reject
            | ReportKind::Fill
            | ReportKind::Cancelled
            | ReportKind::Expired
            | ReportKind::CancelReject
            | ReportKind::Unknown
            | ReportKind::NeverSent
            | ReportKind::Dead
            | ReportKind::Status
            | ReportKind::Sent
            | ReportKind::Bust
            | ReportKind::Replaced
            | ReportKind::AmendReject
    );
    client_order_id(&m.client_order_id, usize::from(about_order), "report.client_order_id")?;
    if about_order || matches!(kind, ReportKind::VenueUp | ReportKind::VenueDown) {
        id(m.venue_id, "report.venue_id")?;
    }
    if matches!(kind, ReportKind::Granted | ReportKind::Fenced) {
        id(m.gateway_epoch, "report.gateway_epoch")?;
    }
    if matches!(kind, ReportKind::Fill | ReportKind::Bust) {
        id(m.instrument_id, "report.instrument_id")?;
        one_of::<Side>(m.side, "report.side")?;
        qty_some(m.last_qty_lots, "report.last_qty_lots")?;
        text(&m.exec_id, 1, VENUE_ID_LEN_MAX, "report.exec_id")?;
    } else {
        known::<Side>(m.side, "report.side")?;
        qty(m.last_qty_lots, "report.last_qty_lots")?;
        text(&m.exec_id, 0, VENUE_ID_LEN_MAX, "report.exec_id")?;
    }
    text(&m.venue_order_id, 0, VENUE_ID_LEN_MAX, "report.venue_order_id")?;
    px(m.last_px_ticks, "report.last_px_ticks")?;
    qty(m.cum_qty_lots, "report.cum_qty_lots")?;
    qty(m.leaves_qty_lots, "report.leaves_qty_lots")?;
    fee(m.fee_e8, &m.fee_asset, "report.fee_asset")?;
    one_of::<Reason>(m.reason, "report.reason")?;
    text(&m.venue_text, 0, VENUE_TEXT_LEN_MAX, "report.venue_text")?;
    time(m.ts_venue_ns, "report.ts_venue_ns")?;
    time(m.ts_recv_ns, "report.ts_recv_ns")
}

fn policy_state(m: &PolicyState) -> Check {
    one_of::<Policy>(m.policy, "policy_state.policy")?;
    one_of::<Reason>(m.cause, "policy_state.cause")?;
    text(&m.detail, 0, DETAIL_LEN_MAX, "policy_state.detail")?;
    id(m.gateway_epoch, "policy_state.gateway_epoch")?;
    time(m.ts_ns, "policy_state.ts_ns")
}

fn position_update(m: &PositionUpdate) -> Check {
    id(m.account_id, "position_update.account_id")?;
    id(m.strategy_id, "position_update.strategy_id")?;
    id(m.instrument_id, "position_update.instrument_id")?;
    px(m.position_lots, "position_update.position_lots")
}

fn snapshot_request(m: &SnapshotRequest) -> Check {
    text(&m.topic, 1, TOPIC_LEN_MAX, "snapshot_request.topic")
}

fn control_event(m: &ControlEvent) -> Check {
    one_of::<ControlAction>(m.action, "control_event.action")?;
    text(&m.principal, 1, PRINCIPAL_LEN_MAX, "control_event.principal")?;
    text(&m.reason, 0, OPERATOR_REASON_LEN_MAX, "control_event.reason")?;
    time(m.ts_ns, "control_event.ts_ns")?;
    let action = m.action();
    let (of_strategy, of_instrument) = match action {
        ControlAction::Quarantine | ControlAction::Rearm | ControlAction::Override => (true, false),
        ControlAction::Freeze | ControlAction::Thaw | ControlAction::Restrict | ControlAction::Allow => {
            (false, true)
        }
        _ => (false, false),
    };
    subject(m.strategy_id, of_strategy, "control_event.strategy_id")?;
    subject(m.instrument_id, of_instrument, "control_event.instrument_id")?;
    time(m.expires_ts_ns, "control_event.expires_ts_ns")?;
    time(m.kill_ts_ns, "control_event.kill_ts_ns")?;
    let lifts = action == ControlAction::Unkill || m.kill_ts_ns == 0;
    ensure(lifts, RefusalCode::Inconsistent, "control_event.kill_ts_ns")?;
    let limits = action == ControlAction::Limits;
    let name = usize::from(limits);
    text(&m.limit_name, name, name * LIMIT_NAME_LEN_MAX, "control_event.limit_name")?;
    ensure(limits || m.value == 0, RefusalCode::Inconsistent, "control_event.value")?;
    ensure((m.limits_version != 0) == limits, RefusalCode::Inconsistent, "control_event.limits_version")?;
    if action != ControlAction::Override {
        text(&m.requester, 0, name * PRINCIPAL_LEN_MAX, "control_event.requester")?;
        ensure(m.expires_ts_ns == 0, RefusalCode::Inconsistent, "control_event.expires_ts_ns")?;
        return ensure(m.overridden == 0, RefusalCode::Inconsistent, "control_event.overridden");
    }
    text(&m.requester, 1, PRINCIPAL_LEN_MAX, "control_event.requester")?;
    ensure(m.expires_ts_ns > m.ts_ns, RefusalCode::Inconsistent, "control_event.expires_ts_ns")?;
    let reason = i32::try_from(m.overridden).ok().and_then(|n| Reason::try_from(n).ok());
    ensure(
        reason.is_some_and(|r| r != Reason::Unspecified),
        RefusalCode::EnumUnknown,
        "control_event.overridden",
    )
}

/// An id that must be there, or must not.
fn subject(value: u32, wanted: bool, field: &'static str) -> Check {
    if wanted { id(value, field) } else { ensure(value == 0, RefusalCode::Inconsistent, field) }
}

/// An enum that is set exactly where its kind uses it.
fn one_where<T: TryFrom<i32>>(wanted: bool, value: i32, field: &'static str) -> Check {
    if wanted {
        one_of::<T>(value, field).map(drop)
    } else {
        ensure(value == 0, RefusalCode::Inconsistent, field)
    }
}

fn risk_event(m: &RiskEvent) -> Check {
    use RiskEventKind as K;
    one_of::<K>(m.kind, "risk_event.kind")?;
    let kind = m.kind();
    let latches = matches!(kind, K::Latch | K::Release);
    let scoped = latches || matches!(kind, K::Storm | K::Period);
    one_where::<RiskScope>(scoped, m.scope, "risk_event.scope")?;
    one_where::<Reason>(latches, m.cause, "risk_event.cause")?;
    one_where::<Latch>(latches, m.latch, "risk_event.latch")?;
    one_where::<StormMode>(kind == K::Storm, m.storm_from, "risk_event.storm_from")?;
    one_where::<StormMode>(kind == K::Storm, m.storm_to, "risk_event.storm_to")?;
    one_where::<LossPeriod>(kind == K::Period, m.period, "risk_event.period")?;
    ensure((m.period_id != 0) == (kind == K::Period), RefusalCode::Inconsistent, "risk_event.period_id")?;
    one_where::<PostingKind>(kind == K::Posting, m.posting, "risk_event.posting")?;
    let (account, strategy, instrument, venue) = match (kind, m.scope()) {
        (K::Account | K::Margin, _) | (_, RiskScope::Venue) => (true, false, false, true),
        (K::Locate, _) => (true, false, true, true),
        (_, RiskScope::Account) => (true, false, false, false),
        (_, RiskScope::Strategy) => (false, true, false, false),
        (_, RiskScope::Instrument) => (false, false, true, false),
        // The instrument and the strategy of a posting stand where it has them.
        (K::Posting, _) => (true, m.strategy_id != 0, m.instrument_id != 0, true),
        _ => (false, false, false, false),
    };
    subject(m.account_id, account, "risk_event.account_id")?;
    subject(m.strategy_id, strategy, "risk_event.strategy_id")?;
    subject(m.instrument_id, instrument, "risk_event.instrument_id")?;
    subject(m.venue_id, venue, "risk_event.venue_id")?;
    subject(m.desk_id, m.scope() == RiskScope::Desk, "risk_event.desk_id")?;
    let asset = usize::from(matches!(kind, K::Rate | K::Account | K::Posting));
    text(&m.asset, asset, asset * ASSET_LEN_MAX, "risk_event.asset")?;
    let quote = usize::from(kind == K::Rate);
    text(&m.quote_asset, quote, quote * ASSET_LEN_MAX, "risk_event.quote_asset")?;
    text(&m.reference, 0, REFERENCE_LEN_MAX, "risk_event.reference")?;
    time(m.ts_ns, "risk_event.ts_ns")?;
    let marks = m.instrument_ids.len();
    ensure(marks == m.px_ticks.len(), RefusalCode::Inconsistent, "risk_event.px_ticks")?;
    ensure((marks != 0) == (kind == K::Marks), RefusalCode::Inconsistent, "risk_event.instrument_ids")?;
    ensure(marks <= MARKS_MAX, RefusalCode::TooMany, "risk_event.instrument_ids")?;
    for &instrument in &m.instrument_ids {
        id(u32::try_from(instrument).unwrap_or(0), "risk_event.instrument_ids")?;
    }
    m.px_ticks.iter().try_for_each(|&px_ticks| px(px_ticks, "risk_event.px_ticks"))
}

fn stream_gap(m: &StreamGap) -> Check {
    text(&m.stream, 1, TOPIC_LEN_MAX, "stream_gap.stream")?;
    id(m.epoch, "stream_gap.epoch")?;
    ensure(m.first_seq != 0, RefusalCode::IdZero, "stream_gap.first_seq")?;
    ensure(m.first_seq <= m.last_seq, RefusalCode::Inconsistent, "stream_gap.last_seq")?;
    time(m.ts_ns, "stream_gap.ts_ns")
}

fn stream_mark(m: &StreamMark) -> Check {
    text(&m.stream, 1, TOPIC_LEN_MAX, "stream_mark.stream")?;
    id(m.epoch, "stream_mark.epoch")?;
    one_of::<stream_mark::Kind>(m.kind, "stream_mark.kind")?;
    time(m.ts_ns, "stream_mark.ts_ns")
}

fn ensure(holds: bool, code: RefusalCode, field: &'static str) -> Check {
    if holds { Ok(()) } else { Err(Refusal::new(code, field)) }
}

/// A value the enum knows, or 0.
fn known<E: TryFrom<i32>>(value: i32, field: &'static str) -> Result<E, Refusal> {
    E::try_from(value).map_err(|_| Refusal::new(RefusalCode::EnumUnknown, field))
}

/// A value the enum knows, and not 0.
fn one_of<E: TryFrom<i32>>(value: i32, field: &'static str) -> Result<E, Refusal> {
    ensure(value != 0, RefusalCode::EnumUnspecified, field)?;
    known(value, field)
}

fn id(value: u32, field: &'static str) -> Check {
    ensure(value != 0, RefusalCode::IdZero, field)
}

fn opt_id(value: Option<&IntentId>, field: &'static str) -> Check {
    ensure(value.is_none_or(|i| i.hi != 0 || i.lo != 0), RefusalCode::IdZero, field)
}

fn some_id(value: Option<&IntentId>, field: &'static str) -> Check {
    ensure(value.is_some(), RefusalCode::Missing, field)?;
    opt_id(value, field)
}

/// A px, or any other signed number that is a `number` in TypeScript.
fn px(value: i64, field: &'static str) -> Check {
    ensure(value.unsigned_abs() <= SAFE_INTEGER_MAX.unsigned_abs(), RefusalCode::OutOfRange, field)
}

fn qty(value: u64, field: &'static str) -> Check {
    ensure(value <= SAFE_INTEGER_MAX.unsigned_abs(), RefusalCode::OutOfRange, field)
}

fn qty_some(value: u64, field: &'static str) -> Check {
    ensure(value != 0, RefusalCode::QtyZero, field)?;
    qty(value, field)
}

/// Nanoseconds since the epoch; 0 where there is none.
fn time(value: i64, field: &'static str) -> Check {
    ensure(value >= 0, RefusalCode::OutOfRange, field)
}

fn text(value: &str, min: usize, max: usize, field: &'static str) -> Check {
    ensure((min..=max).contains(&value.len()), RefusalCode::TextLength, field)
}

fn client_order_id(value: &str, min: usize, field: &'static str) -> Check {
    text(value, min, CLIENT_ORDER_ID_LEN_MAX, field)?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".:/_-".contains(&b);
    ensure(value.bytes().all(allowed), RefusalCode::TextCharset, field)
}

fn fee(fee_e8: i64, asset: &str, field: &'static str) -> Check {
    text(asset, usize::from(fee_e8 != 0), ASSET_LEN_MAX, field)
}
