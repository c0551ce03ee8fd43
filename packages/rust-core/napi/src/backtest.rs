//! A backtest's lane, and conversions of recordings: free functions over views registered once a thread.

use napi::bindgen_prelude::{AsyncTask, Env, Error, Float64Array, Result, Status, Task};
use napi_derive::napi;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use tidegate_backtest::convert::{Format, Times, convert};
use tidegate_backtest_lane::Lane;
use tidegate_instruments::Instrument;

struct Open {
    lane: Lane,
    events: Float64Array,
    intent: Float64Array,
}

thread_local! {
    static OPEN: RefCell<Option<Open>> = const { RefCell::new(None) };
}

fn failed(what: impl ToString) -> Error {
    Error::new(Status::GenericFailure, what.to_string())
}

fn with<T>(run: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
    OPEN.with(|cell| {
        let mut open = cell.try_borrow_mut().map_err(|_| failed("the backtest is in use"))?;
        open.as_mut().map_or_else(|| Err(failed("no backtest is open: call backtestOpen first")), run)
    })
}

/// Opens this thread's run over two views it keeps for the run's life.
#[napi]
pub fn backtest_open(config: String, in_events: Float64Array, out_intent: Float64Array) -> Result<()> {
    let lane = Lane::open(&config).map_err(failed)?;
    OPEN.with(|cell| *cell.borrow_mut() = Some(Open { lane, events: in_events, intent: out_intent }));
    Ok(())
}

/// Fills the view with what comes next; the number of events, -1 at the end of the tapes.
#[napi]
pub fn backtest_poll() -> Result<i32> {
    with(|open| {
        // SAFETY: the view belongs to this thread alone; its caller is inside this call and cannot touch it meanwhile.
        let rows = unsafe { open.events.as_mut() };
        let count = open.lane.poll(rows).map_err(failed)?;
        Ok(count.map_or(-1, |count| count as i32))
    })
}

/// Time of the run since its start, ns.
#[napi]
pub fn backtest_now() -> Result<f64> {
    with(|open| Ok(open.lane.now_ns() as f64))
}

/// Sends the intent in the view: 0 ok, 1 no credit, 2 not synced, 3 malformed.
#[napi]
pub fn backtest_submit() -> Result<u32> {
    with(|open| Ok(open.lane.submit(&open.intent) as u32))
}

/// What the run gave so far, as JSON.
#[napi]
pub fn backtest_summary() -> Result<String> {
    with(|open| Ok(open.lane.summary().to_string()))
}

/// Rows of "fills" or "samples" so far, flat.
#[napi]
pub fn backtest_rows(which: String) -> Result<Float64Array> {
    with(|open| {
        let columns = open.lane.columns();
        match which.as_str() {
            "fills" => Ok(columns.fills.clone().into()),
            "samples" => Ok(columns.samples.clone().into()),
            other => Err(failed(format!("rows of {other:?}: want fills or samples"))),
        }
    })
}

/// Ends this thread's run.
#[napi]
pub fn backtest_close() {
    OPEN.with(|cell| {
        if let Ok(mut open) = cell.try_borrow_mut() {
            open.take();
        }
    });
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConvertRequest {
    format: Format,
    files: Vec<PathBuf>,
    row: Instrument,
    times: Times,
    out: PathBuf,
}

pub struct ConvertTask(String);

impl Task for ConvertTask {
    type Output = String;
    type JsValue = String;
    fn compute(&mut self) -> Result<String> {
        let ConvertRequest { format, files, row, times, out } =
            serde_json::from_str(&self.0).map_err(failed)?;
        let made = convert(format, &files, &row, times, &out).map_err(failed)?;
        serde_json::to_string(&made).map_err(failed)
    }
    fn resolve(&mut self, _: Env, output: String) -> Result<String> {
        Ok(output)
    }
}

/// Makes a tape of recordings; JSON in and out.
#[napi(ts_return_type = "Promise<string>")]
pub fn tape_convert(request: String) -> AsyncTask<ConvertTask> {
    AsyncTask::new(ConvertTask(request))
}

/// Opens a tape, which checks all of it, and tells what it is, as JSON.
#[napi]
pub fn tape_inspect(path: String) -> Result<String> {
    tidegate_backtest::convert::inspect(Path::new(&path))
        .and_then(|told| serde_json::to_string(&told).map_err(|fault| fault.to_string()))
        .map_err(failed)
}
