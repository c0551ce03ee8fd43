//! The registry of feature sets, and a kernel over a batch of events.

use napi::bindgen_prelude::{Error, Result, Status};
use napi_derive::napi;
use tidegate_features::batch;

/// Every set as `[{name, hash, on, features}]`, JSON.
#[napi]
pub fn feature_sets() -> String {
    batch::sets().to_string()
}

/// The rows of a fresh kernel over events, JSON in and out.
#[napi]
pub fn feature_rows(profile: String, events: String) -> Result<String> {
    let rows = batch::rows(&profile, &events).map_err(|why| Error::new(Status::InvalidArg, why))?;
    Ok(rows.to_string())
}
