//! Hot loops: start, call, events, statistics, stop.

use napi::bindgen_prelude::{AsyncTask, Buffer, Env, Error, Result, Status, Task};
use napi_derive::napi;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_engine::{Fault, Handle};

static HANDLES: Mutex<BTreeMap<u32, Arc<Handle>>> = Mutex::new(BTreeMap::new());

fn failed(fault: Fault) -> Error {
    Error::new(Status::GenericFailure, fault.0)
}

fn handle(id: u32) -> Result<Arc<Handle>> {
    HANDLES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&id)
        .cloned()
        .ok_or_else(|| failed(Fault(format!("no hot loop {id}: start it first"))))
}

/// Starts the hot loop `kind` ("gateway", "execution-router", "market-data", "recorder") with its JSON configuration.
#[napi]
pub fn engine_start(kind: String, config: String) -> Result<u32> {
    let started = tidegate_engine::start(&kind, &config).map_err(failed)?;
    let mut handles = HANDLES.lock().unwrap_or_else(PoisonError::into_inner);
    let id = handles.keys().next_back().map_or(1, |last| last + 1);
    handles.insert(id, Arc::new(started));
    Ok(id)
}

pub struct CallTask {
    id: u32,
    request: String,
    body: Vec<u8>,
    timeout: Duration,
}

impl Task for CallTask {
    type Output = String;
    type JsValue = String;
    fn compute(&mut self) -> Result<String> {
        let request = serde_json::from_str(&self.request).map_err(|e| failed(Fault(e.to_string())))?;
        let body = std::mem::take(&mut self.body);
        let answer = handle(self.id)?.call(request, body, self.timeout).map_err(failed)?;
        Ok(answer.to_string())
    }
    fn resolve(&mut self, _: Env, output: String) -> Result<String> {
        Ok(output)
    }
}

/// One control request, JSON in and out, answered between two batches of the loop.
#[napi(ts_return_type = "Promise<string>")]
pub fn engine_call(id: u32, request: String, body: Option<Buffer>, timeout_ms: u32) -> AsyncTask<CallTask> {
    let body = body.map(|b| b.to_vec()).unwrap_or_default();
    AsyncTask::new(CallTask { id, request, body, timeout: Duration::from_millis(timeout_ms.into()) })
}

pub struct EventsTask {
    id: u32,
    timeout: Duration,
}

impl Task for EventsTask {
    type Output = String;
    type JsValue = String;
    fn compute(&mut self) -> Result<String> {
        let events = handle(self.id)?.take_events(self.timeout);
        Ok(serde_json::Value::Array(events).to_string())
    }
    fn resolve(&mut self, _: Env, output: String) -> Result<String> {
        Ok(output)
    }
}

/// The events since the last call as a JSON array, waiting up to `timeout_ms` for the first.
#[napi(ts_return_type = "Promise<string>")]
pub fn engine_events(id: u32, timeout_ms: u32) -> AsyncTask<EventsTask> {
    AsyncTask::new(EventsTask { id, timeout: Duration::from_millis(timeout_ms.into()) })
}

/// The loop's last statistics as JSON, with `alive` and `fault`.
#[napi]
pub fn engine_stats(id: u32) -> Result<String> {
    Ok(handle(id)?.stats().to_string())
}

pub struct StopTask(u32);

impl Task for StopTask {
    type Output = ();
    type JsValue = ();
    fn compute(&mut self) -> Result<()> {
        let handle = handle(self.0)?;
        HANDLES.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        handle.stop().map_err(failed)
    }
    fn resolve(&mut self, _: Env, _: ()) -> Result<()> {
        Ok(())
    }
}

/// Drains and joins the loop; fails with the fault it ended with.
#[napi(ts_return_type = "Promise<void>")]
pub fn engine_stop(id: u32) -> AsyncTask<StopTask> {
    AsyncTask::new(StopTask(id))
}
