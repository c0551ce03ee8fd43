//! Tapes of other people's recordings: Databento's files, and rows that somebody else has read.
//!
//! [`dbn`] reads; [`write_rows`] puts times right and writes. The form of a tape and its checks are `tidegate_backtest`'s.
#![deny(unsafe_code)]

pub mod dbn;

use std::path::{Path, PathBuf};
use tidegate_backtest::convert::{Told, inspect, source};
use tidegate_backtest::event::Row;
use tidegate_backtest::store::{Header, write};
use tidegate_backtest::tape::{Tape, correct};
use tidegate_instruments::Instrument;

/// Writes rows, in the order they were received, as a tape that names the files they came from.
///
/// `base_ns` is what the fastest message took where the receiver's clock was wrong; `rule` how rows were made that no venue sent.
///
/// # Errors
/// A file that cannot be read or written, no row at all, a row that cannot be: what and the remedy.
pub fn write_rows(
    mut rows: Vec<Row>,
    files: &[PathBuf],
    instrument: &Instrument,
    base_ns: i64,
    rule: Option<String>,
    out: &Path,
) -> Result<Told, String> {
    if rows.is_empty() {
        let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        return Err(format!("{}: not one row of {} in it", names.join(", "), instrument.symbol));
    }
    let sources = files.iter().map(|file| source(file)).collect::<Result<Vec<_>, _>>()?;
    let correction = correct(&mut rows, base_ns).map_err(|fault| fault.to_string())?;
    let tape = Tape::of(&rows).map_err(|fault| fault.to_string())?;
    let header = Header { rule, ..Header::of(instrument, sources) }.corrected(correction);
    write(out, &header, &tape)?;
    inspect(out)
}
