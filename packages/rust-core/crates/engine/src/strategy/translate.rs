//! Envelopes to rows of doubles, a row of doubles to an intent.
//!
//! A double holds every integer up to 2^53-1 exactly; the validators refuse prices and sizes beyond it, and what else is
//! wider (money, sequences of a stream) becomes NaN there rather than a rounded number.

use super::layout as at;
use tidegate_units::{IntentId, SAFE_INTEGER, StrategyId};
use tidegate_wire::pb::common::v1::{IntentId as PbIntentId, Side};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::{Intent, IntentKind};

/// One event's doubles.
pub type Row = [f64; at::EVENT_DOUBLES];

fn double(value: i64) -> f64 {
    if (-SAFE_INTEGER..=SAFE_INTEGER).contains(&value) { value as f64 } else { f64::NAN }
}

fn wide(value: u64) -> f64 {
    i64::try_from(value).map_or(f64::NAN, double)
}

fn ids(id: Option<&PbIntentId>, row: &mut Row, seq_at: usize, epoch_at: usize) {
    let id = id.map_or(IntentId(0), |id| IntentId::from_halves(id.hi, id.lo));
    row[seq_at] = wide(id.seq());
    row[epoch_at] = f64::from(id.epoch());
}

/// Fills `row` from a checked envelope; false for a payload that is not a strategy's business.
pub fn event_row(envelope: &Envelope, now_ns: u64, row: &mut Row) -> bool {
    row.fill(0.0);
    row[at::EVENT_NOW_NS] = wide(now_ns);
    match &envelope.payload {
        Some(Payload::BookTop(top)) => {
            row[at::EVENT_KIND] = at::EVENT_KIND_BOOK_TOP as f64;
            row[at::EVENT_INSTRUMENT] = f64::from(top.instrument_id);
            row[at::BOOK_TOP_BID_PX] = double(top.bid_px_ticks);
            row[at::BOOK_TOP_BID_QTY] = wide(top.bid_qty_lots);
            row[at::BOOK_TOP_ASK_PX] = double(top.ask_px_ticks);
            row[at::BOOK_TOP_ASK_QTY] = wide(top.ask_qty_lots);
            row[at::BOOK_TOP_STATE] = f64::from(top.state);
            row[at::BOOK_TOP_FEATURE_FLAGS] = f64::from(top.feature_flags);
            let count = top.features.len().min(at::FEATURES_MAX);
            row[at::BOOK_TOP_FEATURE_COUNT] = count as f64;
            row[at::BOOK_TOP_FEATURE_SET_HASH] = f64::from(top.feature_set_hash);
            for (place, feature) in top.features.iter().take(count).enumerate() {
                row[at::BOOK_TOP_FEATURES + place] = double(*feature);
            }
        }
        Some(Payload::Trade(trade)) => {
            row[at::EVENT_KIND] = at::EVENT_KIND_TRADE as f64;
            row[at::EVENT_INSTRUMENT] = f64::from(trade.instrument_id);
            row[at::TRADE_PX] = double(trade.px_ticks);
            row[at::TRADE_QTY] = wide(trade.qty_lots);
            row[at::TRADE_AGGRESSOR] = f64::from(trade.aggressor);
            row[at::TRADE_TRADE_ID] = wide(trade.trade_id);
            // It never came over a socket of this session: fetched after a lost connection.
            row[at::TRADE_LATE] = f64::from(u8::from(trade.tick_mono_ns == 0));
        }
        Some(Payload::InstrumentStatus(status)) => {
            row[at::EVENT_KIND] = at::EVENT_KIND_STATUS as f64;
            row[at::EVENT_INSTRUMENT] = f64::from(status.instrument_id);
            row[at::STATUS_STATE] = f64::from(status.state);
        }
        Some(Payload::IntentReply(reply)) => {
            row[at::EVENT_KIND] = at::EVENT_KIND_INTENT_REPLY as f64;
            ids(reply.intent_id.as_ref(), row, at::INTENT_REPLY_SEQ, at::INTENT_REPLY_EPOCH);
            row[at::INTENT_REPLY_DECISION] = f64::from(reply.decision);
            row[at::INTENT_REPLY_REASON] = f64::from(reply.reason);
            row[at::INTENT_REPLY_REPEATED] = f64::from(u8::from(reply.repeated));
        }
        Some(Payload::OrderUpdate(order)) => {
            row[at::EVENT_KIND] = at::EVENT_KIND_ORDER_UPDATE as f64;
            row[at::EVENT_INSTRUMENT] = f64::from(order.instrument_id);
            ids(order.intent_id.as_ref(), row, at::ORDER_UPDATE_SEQ, at::ORDER_UPDATE_EPOCH);
            row[at::ORDER_UPDATE_STATE] = f64::from(order.state);
            row[at::ORDER_UPDATE_SIDE] = f64::from(order.side);
            row[at::ORDER_UPDATE_PX] = double(order.px_ticks);
            row[at::ORDER_UPDATE_QTY] = wide(order.qty_lots);
            row[at::ORDER_UPDATE_CUM_QTY] = wide(order.cum_qty_lots);
            row[at::ORDER_UPDATE_LEAVES_QTY] = wide(order.leaves_qty_lots);
            row[at::ORDER_UPDATE_REASON] = f64::from(order.reason);
            row[at::ORDER_UPDATE_SNAPSHOT] = f64::from(u8::from(order.snapshot));
        }
        Some(Payload::Fill(fill)) => {
            row[at::EVENT_KIND] = at::EVENT_KIND_FILL as f64;
            row[at::EVENT_INSTRUMENT] = f64::from(fill.instrument_id);
            ids(fill.intent_id.as_ref(), row, at::FILL_SEQ, at::FILL_EPOCH);
            row[at::FILL_SIDE] = f64::from(fill.side);
            row[at::FILL_PX] = double(fill.px_ticks);
            row[at::FILL_QTY] = wide(fill.qty_lots);
            row[at::FILL_MAKER] = f64::from(u8::from(fill.maker));
            row[at::FILL_POSITION_LOTS] = double(fill.position_lots);
            row[at::FILL_FEE_E8] = double(fill.fee_e8);
        }
        Some(Payload::PolicyState(policy)) => {
            row[at::EVENT_KIND] = at::EVENT_KIND_POLICY as f64;
            row[at::POLICY_POLICY] = f64::from(policy.policy);
            row[at::POLICY_CAUSE] = f64::from(policy.cause);
        }
        Some(Payload::PositionUpdate(position)) => {
            row[at::EVENT_KIND] = at::EVENT_KIND_POSITION as f64;
            row[at::EVENT_INSTRUMENT] = f64::from(position.instrument_id);
            row[at::POSITION_POSITION_LOTS] = double(position.position_lots);
            row[at::POSITION_SNAPSHOT] = f64::from(u8::from(position.snapshot));
        }
        _ => return false,
    }
    true
}

/// What the lane adds to an intent of its own knowledge.
#[derive(Debug, Clone, Copy)]
pub struct IntentContext {
    pub strategy: StrategyId,
    pub session_epoch: u32,
    pub table_version: u32,
    pub tick_mono_ns: u64,
    pub now_mono_ns: u64,
}

fn whole(value: f64) -> Option<i64> {
    let bounded = value.abs() <= SAFE_INTEGER as f64;
    (bounded && value.fract() == 0.0).then_some(value as i64)
}

fn small(value: f64) -> Option<i32> {
    whole(value).and_then(|value| i32::try_from(value).ok())
}

fn unsigned(value: f64) -> Option<u64> {
    whole(value).and_then(|value| u64::try_from(value).ok())
}

fn id32(value: f64) -> Option<u32> {
    whole(value).and_then(|value| u32::try_from(value).ok())
}

/// The intent a row of doubles asks for; None where a number is not what its place wants. What the numbers mean together is
/// the validator's business.
pub fn intent(row: &[f64], context: &IntentContext) -> Option<Intent> {
    let kind = IntentKind::try_from(small(*row.get(at::INTENT_KIND)?)?).ok()?;
    let field = |place: usize| row.get(place).copied();
    let (hi, lo) =
        IntentId::new(context.strategy, context.session_epoch, unsigned(field(at::INTENT_SEQ)?)?).halves();
    let mut intent = Intent {
        intent_id: Some(PbIntentId { hi, lo }),
        kind: kind.into(),
        instrument_id: id32(field(at::INTENT_INSTRUMENT)?)?,
        account_id: id32(field(at::INTENT_ACCOUNT)?)?,
        ttl_ns: unsigned(field(at::INTENT_TTL_NS)?)?,
        tick_mono_ns: context.tick_mono_ns,
        intent_mono_ns: context.now_mono_ns,
        instrument_table_version: context.table_version,
        ..Intent::default()
    };
    match kind {
        IntentKind::New => {
            intent.side = Side::try_from(small(field(at::INTENT_SIDE)?)?).ok()?.into();
            intent.order_type = small(field(at::INTENT_ORDER_TYPE)?)?;
            intent.tif = small(field(at::INTENT_TIF)?)?;
            intent.px_ticks = whole(field(at::INTENT_PX)?)?;
            intent.qty_lots = unsigned(field(at::INTENT_QTY)?)?;
        }
        IntentKind::Cancel => {
            let epoch = id32(field(at::INTENT_TARGET_EPOCH)?)?;
            let target = IntentId::new(context.strategy, epoch, unsigned(field(at::INTENT_TARGET_SEQ)?)?);
            let (hi, lo) = target.halves();
            intent.target_intent_id = Some(PbIntentId { hi, lo });
        }
        IntentKind::Unspecified => return None,
    }
    Some(intent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_wire::pb::marketdata::v1::BookTop;
    use tidegate_wire::pb::orders::v1::{Fill, OrderType, Tif};

    const CONTEXT: IntentContext = IntentContext {
        strategy: StrategyId(7),
        session_epoch: 3,
        table_version: 1,
        tick_mono_ns: 11,
        now_mono_ns: 22,
    };

    fn new_row() -> [f64; at::INTENT_DOUBLES] {
        let mut row = [0.0; at::INTENT_DOUBLES];
        row[at::INTENT_KIND] = 1.0;
        row[at::INTENT_INSTRUMENT] = 2.0;
        row[at::INTENT_ACCOUNT] = 1.0;
        row[at::INTENT_SIDE] = 2.0;
        row[at::INTENT_ORDER_TYPE] = 1.0;
        row[at::INTENT_TIF] = 4.0;
        row[at::INTENT_PX] = 618_002.0;
        row[at::INTENT_QTY] = 5.0;
        row[at::INTENT_SEQ] = 9.0;
        row
    }

    #[test]
    fn a_new_intent_keeps_every_number() {
        let intent = intent(&new_row(), &CONTEXT).unwrap();
        let id = intent.intent_id.unwrap();
        assert_eq!(IntentId::from_halves(id.hi, id.lo), IntentId::new(StrategyId(7), 3, 9));
        assert_eq!((intent.px_ticks, intent.qty_lots), (618_002, 5));
        assert_eq!(
            (intent.side(), intent.order_type(), intent.tif()),
            (Side::Sell, OrderType::Limit, Tif::PostOnly)
        );
        assert_eq!((intent.tick_mono_ns, intent.intent_mono_ns), (11, 22));
    }

    #[test]
    fn a_cancel_names_its_target_in_its_own_epoch() {
        let mut row = new_row();
        row[at::INTENT_KIND] = 2.0;
        row[at::INTENT_TARGET_SEQ] = 4.0;
        row[at::INTENT_TARGET_EPOCH] = 2.0;
        let target = intent(&row, &CONTEXT).unwrap().target_intent_id.unwrap();
        assert_eq!(IntentId::from_halves(target.hi, target.lo), IntentId::new(StrategyId(7), 2, 4));
    }

    #[test]
    fn a_number_that_is_not_one_is_refused_in_every_place() {
        for place in [
            at::INTENT_KIND,
            at::INTENT_INSTRUMENT,
            at::INTENT_ACCOUNT,
            at::INTENT_SIDE,
            at::INTENT_ORDER_TYPE,
            at::INTENT_TIF,
            at::INTENT_PX,
            at::INTENT_QTY,
            at::INTENT_SEQ,
            at::INTENT_TTL_NS,
        ] {
            for bad in [f64::NAN, f64::INFINITY, 0.5, 9_007_199_254_740_992.0] {
                let mut row = new_row();
                row[place] = bad;
                assert!(intent(&row, &CONTEXT).is_none(), "place {place} took {bad}");
            }
        }
        for place in [at::INTENT_QTY, at::INTENT_SEQ, at::INTENT_INSTRUMENT] {
            let mut row = new_row();
            row[place] = -1.0;
            assert!(intent(&row, &CONTEXT).is_none(), "place {place} took -1");
        }
        assert!(intent(&[1.0], &CONTEXT).is_none());
    }

    #[test]
    fn events_are_exact_or_not_a_number() {
        let mut row = [0.0; at::EVENT_DOUBLES];
        let top = BookTop {
            instrument_id: 2,
            bid_px_ticks: -3,
            bid_qty_lots: SAFE_INTEGER as u64,
            ..BookTop::default()
        };
        let envelope = Envelope { payload: Some(Payload::BookTop(top)), ..Envelope::default() };
        assert!(event_row(&envelope, 5, &mut row));
        assert_eq!(row[at::EVENT_NOW_NS], 5.0);
        assert_eq!(row[at::BOOK_TOP_BID_PX], -3.0);
        assert_eq!(row[at::BOOK_TOP_BID_QTY] as u64, SAFE_INTEGER as u64);
        let fill = Fill { fee_e8: i64::MAX, ..Fill::default() };
        let envelope = Envelope { payload: Some(Payload::Fill(fill)), ..Envelope::default() };
        assert!(event_row(&envelope, 5, &mut row));
        assert!(row[at::FILL_FEE_E8].is_nan());
        assert!(!event_row(&Envelope::default(), 5, &mut row));
    }
}
