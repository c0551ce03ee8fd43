//! The simulated venue's matching core, one instance per venue and symbol.

use napi::bindgen_prelude::{Buffer, Error, Result, Status};
use napi_derive::napi;
use tidegate_matching::SimMarket as Core;

fn failed(text: String) -> Error {
    Error::new(Status::InvalidArg, text)
}

#[napi]
pub struct SimMarket(Core);

#[napi]
impl SimMarket {
    /// Throws on a bad configuration, naming the field.
    #[napi(constructor)]
    pub fn new(config: String) -> Result<Self> {
        Core::new(&config).map(Self).map_err(failed)
    }

    /// One raw venue message; gives the number of events that wait.
    #[napi]
    pub fn on_market(&mut self, line: Buffer, time_ms: f64) -> u32 {
        u32::try_from(self.0.on_market(&line, time_ms as i64)).unwrap_or(u32::MAX)
    }

    /// Drops the recorded book until the next snapshot.
    #[napi]
    pub fn reset_market(&mut self) {
        self.0.reset_market();
    }

    #[napi]
    pub fn place(&mut self, request: String) -> String {
        self.0.place(&request)
    }

    #[napi]
    pub fn amend(&mut self, request: String) -> String {
        self.0.amend(&request)
    }

    /// Halt, resume, end of day, funding, a bust.
    #[napi]
    pub fn control(&mut self, request: String) -> String {
        self.0.control(&request)
    }

    #[napi]
    pub fn cancel(&mut self, request: String) -> String {
        self.0.cancel(&request)
    }

    #[napi]
    pub fn query(&self, request: String) -> String {
        self.0.query(&request)
    }

    /// The recorded book as a REST depth body; "" before the first snapshot.
    #[napi]
    pub fn snapshot_depth(&self, limit: u32) -> String {
        self.0.snapshot_depth(limit as usize)
    }

    #[napi]
    pub fn drain_events(&mut self) -> String {
        self.0.drain_events()
    }

    #[napi]
    pub fn balances(&self) -> String {
        self.0.balances()
    }

    #[napi]
    pub fn state(&self) -> String {
        self.0.state()
    }

    /// Throws on a text that `state` did not write.
    #[napi]
    pub fn restore(&mut self, state: String) -> Result<()> {
        self.0.restore(&state).map_err(failed)
    }

    #[napi]
    pub fn stats(&self) -> String {
        self.0.stats()
    }
}
