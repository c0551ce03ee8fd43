//! The lane with the gateway and the router inside.

use super::{Lane, Top};
use crate::limits::TELLS_MAX;
use crate::record::whole_fee_e8;
use serde_json::{Value, json};
use tidegate_backtest::Received;
use tidegate_engine::gateway::TICK_NS;
use tidegate_engine::strategy::layout as at;
use tidegate_wire::pb::marketdata::v1::BookTop;

impl Lane {
    /// A fault of the desk ends the run with the next poll.
    fn settle<T>(&mut self, done: Result<T, String>) -> Option<T> {
        match done {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault = self.fault.take().or(Some(fault));
                None
            }
        }
    }

    /// Shows the strategy what the gateway said, as far as the view has room; whether there was anything.
    pub(super) fn tell(&mut self, rows: &mut [f64]) -> bool {
        let now_ns = u64::try_from(self.now_ns()).unwrap_or(0);
        let (engine_now, events) = (self.engine.now(), &mut self.events);
        let Some(desk) = &mut self.desk else { return false };
        let before = self.times.len();
        let mut row = [0.0; at::EVENT_DOUBLES];
        for place in rows.chunks_exact_mut(at::EVENT_DOUBLES).skip(before).take(TELLS_MAX) {
            if !desk.tell(now_ns, &mut row) {
                break;
            }
            place.copy_from_slice(&row);
            self.times.push(engine_now);
            *events += 1;
        }
        self.times.len() > before
    }

    /// The gateway's own turn, each 20 ms; whether it said anything.
    pub(super) fn turn(&mut self) -> bool {
        let now = self.engine.now();
        self.next_turn = now.saturating_add(TICK_NS as i64);
        let ended: Vec<u32> = self
            .assets
            .iter()
            .enumerate()
            .filter(|(index, asset)| self.engine.received(*index) >= asset.tape.local().len())
            .map(|(_, asset)| asset.row.id)
            .collect();
        let Some(desk) = &mut self.desk else { return false };
        ended.into_iter().for_each(|instrument| desk.feed_ended(instrument));
        let done = desk.tick(&mut self.engine, now);
        let told = desk.has_told();
        self.settle(done);
        told
    }

    /// A book is shown.
    pub(super) fn reference(&mut self, instrument_id: u32, top: Top, state: u8) {
        let now = self.engine.now();
        let Some(desk) = &mut self.desk else { return };
        let [bid_px_ticks, bid, ask_px_ticks, ask] = top;
        let top = BookTop {
            instrument_id,
            bid_px_ticks,
            bid_qty_lots: bid.unsigned_abs(),
            ask_px_ticks,
            ask_qty_lots: ask.unsigned_abs(),
            state: i32::from(state),
            ts_recv_ns: now,
            ..BookTop::default()
        };
        let done = desk.top(&mut self.engine, now, top);
        self.settle(done);
    }

    /// One answer was received.
    pub(super) fn gated_answer(&mut self, index: usize, seq: u64, received: Received) {
        let now = self.engine.now();
        let mut fee = 0;
        if let Received::Executed(fill) = received {
            self.keep(index, &fill);
            if let Some(asset) = self.assets.get(index) {
                let Some(whole) = whole_fee_e8(&asset.fees, &asset.row, &fill) else {
                    let fault = format!("the fee of order {seq} is beyond what an amount holds");
                    self.settle::<()>(Err(fault));
                    return;
                };
                fee = whole;
            }
        }
        let Some(desk) = &mut self.desk else { return };
        let done = desk.answer(&mut self.engine, now, seq, received, fee);
        self.settle(done);
    }

    /// An intent goes to the gateway.
    pub(super) fn gated_submit(&mut self, now: i64, intent: &[f64]) -> usize {
        let Some(desk) = &mut self.desk else { return at::SUBMIT_NOT_SYNCED };
        let done = desk.submit(&mut self.engine, now, intent);
        self.settle(done).unwrap_or(at::SUBMIT_NOT_SYNCED)
    }

    /// What the run assumes of the gateway.
    pub(super) fn gateway_told(&self) -> String {
        match &self.desk {
            None => "limits: none: nothing is refused that a gateway would refuse".into(),
            Some(desk) => {
                let (version, hash) = (desk.counts().0, desk.limits_hash().to_hex());
                format!("limits version {version}, {hash}: the live cores decide, and take no time")
            }
        }
    }

    /// What the gateway decided; null where the run has none.
    pub(super) fn gateway(&self) -> Value {
        let Some(desk) = &self.desk else { return Value::Null };
        let (version, accepted, refused) = desk.counts();
        let refused: serde_json::Map<String, Value> =
            refused.map(|(reason, count)| (reason.into(), count.into())).collect();
        json!({
            "limitsVersion": version,
            "limitsHash": desk.limits_hash().to_hex().to_string(),
            "accepted": accepted,
            "refused": refused,
        })
    }
}
