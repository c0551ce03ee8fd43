//! Readers of many venues' raw messages for captures and research: breadth and exactness, no promise of speed.
//!
//! What trades live is read by `tidegate-normalise`; the same event model comes out of both. A reader keeps the venue's
//! decimal text as an integer and a scale ([`Dec`]), so that checksums over the text can be computed and any instrument's
//! ticks and lots follow exactly. Nothing here panics on any input; what is refused is refused by name.
#![forbid(unsafe_code)]

pub mod bodies;
pub mod dec;
pub mod derivative;
pub mod event;
pub mod fields;
pub mod held;
pub mod json;
pub mod limits;
pub mod outcome;
pub mod record;
pub mod time;
pub mod venues;

pub use dec::Dec;
pub use outcome::{Outcome, Quiet, Reading, Refusal};
pub use record::{Bar, Book, Derivative, Level, Order, OrderChange, Orders, Quote, Record, Side, Trade};

use json::Json;
use tidegate_units::EpochNs;

/// A reader of one venue's messages. It may keep state between messages (channel numbers, books that wait for a snapshot);
/// everything it keeps is bounded by [`limits`].
pub trait Dialect {
    /// Reads one message that was received at `recv`, and appends what it says to `out`.
    ///
    /// # Errors
    /// The named refusal; `out` is then as it was.
    fn message(&mut self, message: &Json<'_>, recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop>;

    /// Reads a book of `symbol` that was fetched by request and so does not name it.
    ///
    /// # Errors
    /// The named refusal; `UNKNOWN_EVENT` where the venue has no such answer.
    fn fetched(
        &mut self,
        symbol: &str,
        message: &Json<'_>,
        recv: EpochNs,
        out: &mut Vec<Record>,
    ) -> Result<(), Stop> {
        let _ = (symbol, message, recv, out);
        Err(Refusal::UnknownEvent.into())
    }

    /// Reads one raw answer as [`Dialect::fetched`].
    ///
    /// # Errors
    /// The named refusal; `out` is then as it was.
    fn read_fetched(&mut self, symbol: &str, bytes: &[u8], recv: EpochNs, out: &mut Vec<Record>) -> Outcome {
        let before = out.len();
        let stop = match json::parse(bytes) {
            Err(refusal) => Err(Stop::Refused(refusal)),
            Ok(message) => self.fetched(symbol, &message, recv, out),
        };
        settle(stop, before, out)
    }

    /// Reads one raw message.
    ///
    /// # Errors
    /// The named refusal; `out` is then as it was.
    fn read(&mut self, bytes: &[u8], recv: EpochNs, out: &mut Vec<Record>) -> Outcome {
        let before = out.len();
        let stop = match json::parse(bytes) {
            Err(refusal) => Err(Stop::Refused(refusal)),
            Ok(message) => self.message(&message, recv, out),
        };
        settle(stop, before, out)
    }
}

fn settle(stop: Result<(), Stop>, before: usize, out: &mut Vec<Record>) -> Outcome {
    let given = out.len().saturating_sub(before);
    match stop {
        Ok(()) if given > 0 => Ok(Reading::Records(u32::try_from(given).unwrap_or(u32::MAX))),
        Ok(()) => Ok(Reading::Quiet(Quiet::NoChange)),
        Err(Stop::Quiet(quiet)) => {
            out.truncate(before);
            Ok(Reading::Quiet(quiet))
        }
        Err(Stop::Refused(refusal)) => {
            out.truncate(before);
            Err(refusal)
        }
    }
}

/// Why a reader stopped before the end of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Quiet(Quiet),
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Quiet> for Stop {
    fn from(quiet: Quiet) -> Self {
        Self::Quiet(quiet)
    }
}
