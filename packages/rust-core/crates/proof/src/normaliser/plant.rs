//! One planted fault, so that a proof is seen to fail.

use tidegate_dialects::{Record, Side};

/// What can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// One record has its sides swapped.
    SwapSides,
    /// One record is lost.
    DropEvent,
    /// One mutated message makes its reader panic.
    Panic,
    /// One key of one varied message is misspelled.
    RenameKey,
    /// One event of a live reader is lost.
    DropLive,
}

/// A fault that strikes once, or none.
#[derive(Debug, Default)]
pub struct Planted {
    fault: Option<Fault>,
}

impl Planted {
    /// Reads the name of `--break`.
    ///
    /// # Errors
    /// A name that is no fault, with those there are.
    pub fn named(name: Option<&str>) -> Result<Self, String> {
        let fault = match name {
            None => None,
            Some("swap-sides") => Some(Fault::SwapSides),
            Some("drop-event") => Some(Fault::DropEvent),
            Some("panic") => Some(Fault::Panic),
            Some("rename-key") => Some(Fault::RenameKey),
            Some("drop-live") => Some(Fault::DropLive),
            Some(other) => {
                return Err(format!(
                    "--break {other}: want swap-sides, drop-event, panic, rename-key or drop-live"
                ));
            }
        };
        Ok(Self { fault })
    }

    /// True once if this fault is planted.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let strikes = self.fault == Some(fault);
        if strikes {
            self.fault = None;
        }
        strikes
    }

    /// Swaps or drops the first record that comes by.
    pub fn records(&mut self, records: &mut Vec<Record>) {
        if records.is_empty() {
            return;
        }
        if self.strikes(Fault::DropEvent) {
            records.pop();
        }
        if self.fault == Some(Fault::SwapSides)
            && let Some(Record::Trade(trade)) = records
                .iter_mut()
                .find(|record| matches!(record, Record::Trade(t) if t.side != Side::Unknown))
        {
            trade.side = trade.side.opposite();
            self.fault = None;
        }
    }
}
