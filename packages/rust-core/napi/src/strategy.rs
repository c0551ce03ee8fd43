//! The strategy worker's lane: free functions over views registered once a thread.

use napi::bindgen_prelude::{Error, Float64Array, Result, Status};
use napi_derive::napi;
use std::cell::RefCell;
use tidegate_engine::Fault;
use tidegate_engine::strategy::{StrategyLane, layout};

struct Open {
    lane: StrategyLane,
    events: Float64Array,
    intent: Float64Array,
}

thread_local! {
    static OPEN: RefCell<Option<Open>> = const { RefCell::new(None) };
}

fn failed(fault: Fault) -> Error {
    Error::new(Status::GenericFailure, fault.0)
}

fn with<T>(run: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
    OPEN.with(|cell| {
        let mut open =
            cell.try_borrow_mut().map_err(|_| failed(Fault("the strategy lane is in use".into())))?;
        match open.as_mut() {
            Some(open) => run(open),
            None => Err(failed(Fault("the strategy lane is not open: call strategyOpen first".into()))),
        }
    })
}

/// Opens this worker's lane over two views it keeps for the lane's life.
#[napi]
pub fn strategy_open(config: String, in_events: Float64Array, out_intent: Float64Array) -> Result<()> {
    if in_events.len() < layout::EVENT_DOUBLES || out_intent.len() < layout::INTENT_DOUBLES {
        return Err(failed(Fault("the views are smaller than one event or one intent".into())));
    }
    let lane = StrategyLane::open(&config).map_err(failed)?;
    OPEN.with(|cell| *cell.borrow_mut() = Some(Open { lane, events: in_events, intent: out_intent }));
    Ok(())
}

/// Waits up to `timeout_ms` for events, fills the view, and gives their number.
#[napi]
pub fn strategy_poll(timeout_ms: u32) -> Result<u32> {
    with(|open| {
        // SAFETY: the view belongs to this thread alone; its worker is inside this call and cannot touch it meanwhile.
        let rows = unsafe { open.events.as_mut() };
        let count = open.lane.poll(timeout_ms, rows).map_err(failed)?;
        Ok(count as u32)
    })
}

/// Sends the intent in the view: 0 ok, 1 no credit, 2 not synced, 3 malformed.
#[napi]
pub fn strategy_submit() -> Result<u32> {
    with(|open| Ok(open.lane.submit(&open.intent) as u32))
}

/// Counters and the spans since the last call, as JSON.
#[napi]
pub fn strategy_stats() -> Result<String> {
    with(|open| Ok(open.lane.stats().to_string()))
}

/// Ends the link in order and closes the lane.
#[napi]
pub fn strategy_close() -> Result<()> {
    OPEN.with(|cell| {
        if let Ok(mut open) = cell.try_borrow_mut()
            && let Some(open) = open.take()
        {
            open.lane.close();
        }
    });
    Ok(())
}
