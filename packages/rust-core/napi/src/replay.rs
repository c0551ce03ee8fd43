//! A recorded session decided once more, off the thread.

use napi::bindgen_prelude::{AsyncTask, Buffer, Env, Error, Float64Array, Result, Status, Task};
use napi_derive::napi;
use tidegate_engine::Fault;

fn failed(fault: Fault) -> Error {
    Error::new(Status::GenericFailure, fault.0)
}

pub struct ReplayTask(String);

impl Task for ReplayTask {
    type Output = String;
    type JsValue = String;
    fn compute(&mut self) -> Result<String> {
        tidegate_engine::gateway::replay(&self.0).map(|told| told.to_string()).map_err(failed)
    }
    fn resolve(&mut self, _: Env, output: String) -> Result<String> {
        Ok(output)
    }
}

/// Replays a gateway's session from its input logs and holds it against its journal; JSON in and out.
#[napi(ts_return_type = "Promise<string>")]
pub fn gateway_replay(request: String) -> AsyncTask<ReplayTask> {
    AsyncTask::new(ReplayTask(request))
}

/// The intents that a gateway's input logs hold, as JSON rows.
#[napi]
pub fn gateway_intents_given(input_log_dir: String) -> Result<String> {
    tidegate_engine::gateway::intents_given(&input_log_dir).map(|rows| rows.to_string()).map_err(failed)
}

/// What a strategy is shown of a recorded message taken at `now_ns` of its session; null where it is none of its business.
#[napi]
pub fn strategy_row(payload: Buffer, now_ns: f64) -> Option<Float64Array> {
    tidegate_engine::strategy::row_of(&payload, now_ns as u64).map(|row| row.to_vec().into())
}
