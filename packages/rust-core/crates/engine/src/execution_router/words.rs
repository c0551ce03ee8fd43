//! What the sessions of venues other than Binance say to the loop, and the names their orders have there.

use tidegate_router::id::CLIENT_ID_LEN;
use tidegate_router::{Answer, ClientId, Exec, Usage};
use tidegate_units::{InstrumentId, Side};

/// What a message of the venue means.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    Answer {
        token: u64,
        answer: Answer,
    },
    Exec(InstrumentId, Exec),
    /// It cannot be read, or names nothing that is known: what it said must be asked for.
    Garbled(String),
    /// The venue has said what is needed before anything is sent to it.
    Ready,
    /// What it holds, during a kill.
    Listed(Vec<Row>),
    /// Every byte of a request has left.
    Written {
        token: u64,
    },
    /// None of them has, and none will.
    Unsent {
        token: u64,
    },
    /// The venue wants to hear nothing for so long.
    Blocked {
        for_ns: u64,
    },
    /// What it counts for the account.
    Usage(Usage),
}

/// One open order as a venue lists it, ours or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub cl_ord_id: String,
    pub order_id: String,
    pub symbol: String,
    pub side: Side,
}

/// Which order a client id at the venue is of.
pub fn id_of(cl_ord_id: &[u8]) -> Option<ClientId> {
    let text = std::str::from_utf8(cl_ord_id).ok()?;
    let (id, rest) = text.split_at_checked(CLIENT_ID_LEN)?;
    if rest.is_empty() || rest.starts_with('-') { ClientId::parse(id) } else { None }
}

/// A client id of an order's `ts_ns`, for an amend or, marked, a cancel.
pub fn next_id(id: ClientId, mark: &str, ts_ns: i64) -> String {
    format!("{id}-{mark}{ts_ns:x}")
}
