//! Recordings to tape files, each with the hashes of what it was made of.

use crate::event::{Kind, Row};
use crate::store::{Header, Stored, write};
use crate::tape::{Correction, Tape, correct};
use crate::{binance, lobster, npz};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tidegate_instruments::{Instrument, Venue};

/// What a recording is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Raw captures of Binance streams, plain or packed.
    Binance,
    /// hftbacktest's events; one file.
    Npz,
    /// A LOBSTER pair: the message file, then the order book file.
    Lobster,
}

/// What a recording does not say of its own times, in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Times {
    /// What the fastest message took, where the receiver's clock was wrong.
    pub base_ns: i64,
    /// When the exchange's day began, since the epoch; of formats that count from midnight.
    pub midnight_ns: i64,
}

/// What a tape is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    pub path: PathBuf,
    /// BLAKE3 of the tape's content: the data hash of a run.
    pub hash: String,
    pub venue_rows: usize,
    pub received_rows: usize,
    /// Of the received rows.
    pub trades: usize,
    /// First and last receive time, ns since the epoch as text; none of an empty tape.
    pub first_ns: Option<String>,
    pub last_ns: Option<String>,
    /// Longest time between two received rows.
    pub longest_gap_ns: i64,
    pub header: Header,
}

/// What a conversion read and wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Converted {
    pub tape: Told,
    pub messages: u64,
    pub left_out: u64,
    /// Levels whose part below a lot was cut off.
    pub dust: u64,
}

/// A file's name and the BLAKE3 of its bytes, as a header names what a tape was made of.
///
/// # Errors
/// It cannot be read.
pub fn source(path: &Path) -> Result<(String, String), String> {
    let bytes = std::fs::read(path).map_err(|fault| format!("{}: {fault}", path.display()))?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok((name, blake3::hash(&bytes).to_hex().to_string()))
}

fn corrected(rows: &mut [Row], base_ns: i64) -> Result<(Tape, Correction), String> {
    let correction = correct(rows, base_ns).map_err(|fault| fault.to_string())?;
    Ok((Tape::of(rows).map_err(|fault| fault.to_string())?, correction))
}

/// Reads recordings of one instrument, puts their receive times right and writes a tape.
///
/// # Errors
/// A recording that cannot be read, or is of another venue than the instrument; a tape that cannot be written: what and the remedy.
pub fn convert(
    format: Format,
    files: &[PathBuf],
    instrument: &Instrument,
    times: Times,
    out: &Path,
) -> Result<Converted, String> {
    let sources = files.iter().map(|file| source(file)).collect::<Result<Vec<_>, _>>()?;
    let (tape, correction, messages, left_out, dust) = match format {
        Format::Binance => {
            if !matches!(instrument.venue, Venue::BinanceSpot | Venue::BinanceUsdm | Venue::BinanceCoinm) {
                return Err(format!(
                    "{}: its captures are not Binance's: want another format",
                    instrument.venue.name()
                ));
            }
            let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
            let mut captured = binance::read(&files, instrument)?;
            if captured.rows.is_empty() {
                let messages = captured.messages;
                return Err(format!(
                    "{messages} messages and no trade, diff or snapshot among them: is it a capture of {}?",
                    instrument.symbol
                ));
            }
            let (tape, correction) = corrected(&mut captured.rows, times.base_ns)?;
            (tape, correction, captured.messages, captured.left_out, captured.dust)
        }
        Format::Npz => {
            let [file] = files else {
                return Err(format!("{} files: want one of hftbacktest's", files.len()));
            };
            let tape = npz::read(file, instrument)?;
            let rows = tape.venue().len() as u64;
            (tape, Correction { least_ns: 0, added_ns: 0 }, rows, 0, 0)
        }
        Format::Lobster => {
            let [messages, books] = files else {
                return Err(format!("{} files: want a message file and its order book file", files.len()));
            };
            let mut pair = lobster::read(messages, books, instrument, times.midnight_ns)?;
            let (tape, correction) = corrected(&mut pair.rows, times.base_ns)?;
            (tape, correction, pair.messages, pair.left_out, 0)
        }
    };
    let header = Header::of(instrument, sources).corrected(correction);
    write(out, &header, &tape)?;
    Ok(Converted { tape: inspect(out)?, messages, left_out, dust })
}

/// Opens a tape, which checks all of it, and tells what it is.
///
/// # Errors
/// No tape, or a damaged one: what and the remedy.
pub fn inspect(path: &Path) -> Result<Told, String> {
    let stored = Stored::open(path)?;
    let (venue, local) = (stored.venue(), stored.local());
    let end = |ns: Option<&i64>| ns.map(i64::to_string);
    let trades =
        local.kind.iter().filter(|kind| matches!(Kind::of(**kind), Some(Kind::BuyTrade | Kind::SellTrade)));
    Ok(Told {
        path: path.to_path_buf(),
        hash: stored.hash().to_hex().to_string(),
        venue_rows: venue.len(),
        received_rows: local.len(),
        trades: trades.count(),
        first_ns: end(local.ns.first()),
        last_ns: end(local.ns.last()),
        longest_gap_ns: local.ns.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0),
        header: stored.header().clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::usdm;

    #[test]
    fn a46_a_capture_becomes_a_tape_that_names_its_sources_and_its_correction() {
        let dir = tempfile::tempdir().unwrap();
        let (from, out) = (dir.path().join("day.jsonl"), dir.path().join("day.tape"));
        // Received 3 ms before it happened: the clock is put right by 3 ms and the base of 1 ms.
        let line =
            "7000000 {\"data\":{\"e\":\"trade\",\"T\":10,\"p\":\"61800.3\",\"q\":\"0.006\",\"m\":false}}\n";
        std::fs::write(&from, line).unwrap();
        let times = Times { base_ns: 1_000_000, ..Times::default() };
        let made = convert(Format::Binance, std::slice::from_ref(&from), &usdm(), times, &out).unwrap();
        assert_eq!((made.tape.venue_rows, made.tape.received_rows, made.messages), (1, 1, 1));
        assert_eq!(
            (made.tape.header.least_latency_ns, made.tape.header.added_latency_ns),
            (-3_000_000, 4_000_000)
        );
        let hash = blake3::hash(line.as_bytes()).to_hex().to_string();
        assert_eq!(made.tape.header.sources, [("day.jsonl".to_string(), hash)]);
        let tape = Stored::open(&out).unwrap();
        assert_eq!(
            tape.local().get(0).map(|row| (row.ns, row.kind, row.px)),
            Some((11_000_000, Kind::BuyTrade, 618_003))
        );
        assert_eq!(tape.hash().to_hex().to_string(), made.tape.hash);
    }

    #[test]
    fn a46_a_recording_without_a_row_or_of_another_venue_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (from, out) = (dir.path().join("day.jsonl"), dir.path().join("day.tape"));
        std::fs::write(&from, "7 {\"data\":{\"e\":\"bookTicker\",\"E\":3}}\n").unwrap();
        let refused = |row: &Instrument| {
            convert(Format::Binance, std::slice::from_ref(&from), row, Times::default(), &out).unwrap_err()
        };
        assert!(refused(&usdm()).contains("no trade, diff or snapshot"));
        let stock = Instrument { venue: Venue::Alpaca, ..usdm() };
        assert!(refused(&stock).contains("ALPACA"));
        assert!(!out.exists(), "nothing is left behind");
    }
}
