//! Tapes of Databento's files, and of rows that were read in JavaScript.

use napi::bindgen_prelude::{
    AsyncTask, BigInt64Array, Env, Error, Int32Array, Result, Status, Task, Uint8Array,
};
use napi_derive::napi;
use std::path::PathBuf;
use tidegate_backtest::event::{Kind, Row};
use tidegate_instruments::Instrument;
use tidegate_tapes::{dbn, write_rows};

fn failed(what: impl ToString) -> Error {
    Error::new(Status::GenericFailure, what.to_string())
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Request {
    files: Vec<PathBuf>,
    row: Instrument,
    base_ns: i64,
    /// The symbol or number of the instrument in the files; of Databento's.
    #[serde(default)]
    symbol: Option<String>,
    /// How rows were made that no venue sent.
    #[serde(default)]
    rule: Option<String>,
    out: PathBuf,
}

pub struct DbnTask(String);

impl Task for DbnTask {
    type Output = String;
    type JsValue = String;
    fn compute(&mut self) -> Result<String> {
        let Request { files, row, base_ns, symbol, out, .. } =
            serde_json::from_str(&self.0).map_err(failed)?;
        let read = dbn::read(&files, &row, symbol.as_deref()).map_err(failed)?;
        let (messages, left_out) = (read.messages, read.left_out);
        let tape = write_rows(read.rows, &files, &row, base_ns, None, &out).map_err(failed)?;
        let made = serde_json::json!({ "tape": tape, "messages": messages, "leftOut": left_out, "dust": 0 });
        Ok(made.to_string())
    }
    fn resolve(&mut self, _: Env, output: String) -> Result<String> {
        Ok(output)
    }
}

/// Makes a tape of Databento's files; JSON in and out.
#[napi(ts_return_type = "Promise<string>")]
pub fn tape_of_dbn(request: String) -> AsyncTask<DbnTask> {
    AsyncTask::new(DbnTask(request))
}

/// Makes a tape of rows given as columns of one length, in the order they were received; JSON in and out.
#[napi]
pub fn tape_of_rows(
    request: String,
    kinds: Uint8Array,
    venue_ns: BigInt64Array,
    received_ns: BigInt64Array,
    px: Int32Array,
    qty: BigInt64Array,
) -> Result<String> {
    let Request { files, row, base_ns, rule, out, .. } = serde_json::from_str(&request).map_err(failed)?;
    let count = kinds.len();
    if [venue_ns.len(), received_ns.len(), px.len(), qty.len()].iter().any(|len| *len != count) {
        return Err(failed(format!("columns of several lengths: want {count} rows in each")));
    }
    let columns = kinds.iter().zip(venue_ns.iter()).zip(received_ns.iter()).zip(px.iter()).zip(qty.iter());
    let rows = columns
        .map(|((((kind, exch_ns), local_ns), px), qty)| {
            let kind = Kind::of(*kind)?;
            Some(Row { kind, exch_ns: *exch_ns, local_ns: *local_ns, px: *px, qty: *qty })
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| failed("a row of no known kind"))?;
    let told = write_rows(rows, &files, &row, base_ns, rule, &out).map_err(failed)?;
    serde_json::to_string(&told).map_err(failed)
}
