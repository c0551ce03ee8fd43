//! hftbacktest's event files (`.npz`) to a tape.
//!
//! The file is a zip archive with an array `data` in NumPy's form: records of 64 bytes `ev, exch_ts, local_ts, px, qty, order_id, ival,
//! fval`, little-endian. The high bits of `ev` say who sees the row (venue 2^31, receiver 2^30) and its side (buy 2^29, sell 2^28), the
//! low byte what it is. Sources: hftbacktest, "Data"; NumPy, "numpy.lib.format" 1.0; PKWARE, APPNOTE (stored and deflated entries).
//!
//! Prices and quantities are doubles there. One that is no whole number of ticks or lots, to a thousandth of one, is refused. Orders of
//! an L3 feed are refused; kinds of its users' own (100 and above) and best bids and offers are left out.

use crate::event::{Kind, Row};
use crate::limits::NPZ_BYTES_MAX;
use crate::tape::Tape;
use flate2::read::DeflateDecoder;
use std::io::Read;
use std::path::Path;
use tidegate_instruments::Instrument;
use tidegate_units::Side;

const VENUE: u64 = 1 << 31;
const LOCAL: u64 = 1 << 30;
const BUY: u64 = 1 << 29;
const SELL: u64 = 1 << 28;
const RECORD_BYTES: usize = 64;
const FIELDS: &str = "[('ev', '<u8'), ('exch_ts', '<i8'), ('local_ts', '<i8'), ('px', '<f8'), ('qty', '<f8'), ('order_id', '<u8'), ('ival', '<i8'), ('fval', '<f8')]";

fn le<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    le(bytes, at).map(|bytes| usize::from(u16::from_le_bytes(bytes)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    le(bytes, at).map(|bytes| u32::from_le_bytes(bytes) as usize)
}

/// The bytes of one entry of a zip archive, by its central directory.
fn entry(zip: &[u8], name: &str) -> Result<Vec<u8>, String> {
    let broken = || "no zip archive, or cut: fetch or make it again".to_string();
    // The end record is 22 bytes and a comment of 65,535 at most.
    let from = zip.len().saturating_sub(22 + 65_535);
    let tail = zip.get(from..).unwrap_or_default();
    let end = from + tail.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or_else(broken)?;
    let count = u16_at(zip, end + 10).ok_or_else(broken)?;
    let mut at = u32_at(zip, end + 16).ok_or_else(broken)?;
    for _ in 0..count {
        if zip.get(at..at + 4) != Some(b"PK\x01\x02") {
            return Err(broken());
        }
        let word = |offset| u16_at(zip, at + offset).ok_or_else(broken);
        let long = |offset| u32_at(zip, at + offset).ok_or_else(broken);
        let (method, packed, plain) = (word(10)?, long(20)?, long(24)?);
        let (crc, names, extras, comment, header) = (long(16)?, word(28)?, word(30)?, word(32)?, long(42)?);
        let found = zip.get(at + 46..at + 46 + names).ok_or_else(broken)?;
        if found != name.as_bytes() {
            at += 46 + names + extras + comment;
            continue;
        }
        if packed == u32::MAX as usize || plain == u32::MAX as usize {
            return Err("an archive of more than 4 GiB: split the day".into());
        }
        let data = header
            + 30
            + u16_at(zip, header + 26).ok_or_else(broken)?
            + u16_at(zip, header + 28).ok_or_else(broken)?;
        let body = zip.get(data..data + packed).ok_or_else(broken)?;
        let out = match method {
            0 => body.to_vec(),
            8 => {
                let mut out = Vec::with_capacity(plain.min(NPZ_BYTES_MAX));
                let mut reader = DeflateDecoder::new(body).take(plain as u64 + 1);
                reader.read_to_end(&mut out).map_err(|_| broken())?;
                out
            }
            other => return Err(format!("compression {other}: want a stored or deflated entry")),
        };
        let mut sum = flate2::Crc::new();
        sum.update(&out);
        if out.len() != plain || sum.sum() as usize != crc {
            return Err(broken());
        }
        return Ok(out);
    }
    Err(format!("no array `{name}`: want a file of hftbacktest"))
}

/// The records of an array in NumPy's form.
fn records(npy: &[u8]) -> Result<&[u8], String> {
    let not = || "no array of hftbacktest's events: want version 2 of its data".to_string();
    if npy.get(..8) != Some(b"\x93NUMPY\x01\x00") {
        return Err(not());
    }
    let len = u16_at(npy, 8).ok_or_else(not)?;
    let header = npy.get(10..10 + len).and_then(|text| std::str::from_utf8(text).ok()).ok_or_else(not)?;
    if !header.contains(FIELDS) || !header.contains("'fortran_order': False") {
        return Err(not());
    }
    let shape = header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(','));
    let rows: usize = shape.and_then(|(rows, _)| rows.trim().parse().ok()).ok_or_else(not)?;
    let body = npy.get(10 + len..).unwrap_or_default();
    if rows.checked_mul(RECORD_BYTES) != Some(body.len()) {
        return Err("cut: fetch or make it again".into());
    }
    Ok(body)
}

/// A double as a whole number of units.
fn whole(value: f64, scale: u32, unit: i64) -> Option<i64> {
    let units = value * 10_f64.powi(scale as i32) / unit as f64;
    let near = units.round();
    ((units - near).abs() <= 1e-3 && near.abs() < 9e15).then_some(near as i64)
}

fn row(record: &[u8], instrument: &Instrument) -> Result<Option<(u64, Row)>, String> {
    let cut = || "cut".to_string();
    let ev = u64::from_le_bytes(le(record, 0).ok_or_else(cut)?);
    let exch_ns = i64::from_le_bytes(le(record, 8).ok_or_else(cut)?);
    let local_ns = i64::from_le_bytes(le(record, 16).ok_or_else(cut)?);
    let px = f64::from_le_bytes(le(record, 24).ok_or_else(cut)?);
    let qty = f64::from_le_bytes(le(record, 32).ok_or_else(cut)?);
    let side = match (ev & BUY != 0, ev & SELL != 0) {
        (true, false) => Some(Side::Buy),
        (false, true) => Some(Side::Sell),
        _ => None,
    };
    let kind = match (ev & 0xff, side) {
        (1 | 4, Some(side)) => Kind::level(side),
        (2, Some(side)) => Kind::trade(side),
        (3, Some(Side::Buy)) => Kind::ClearBids,
        (3, Some(Side::Sell)) => Kind::ClearAsks,
        (3, None) => Kind::Clear,
        (5 | 100.., _) => return Ok(None),
        (10..=13, _) => return Err("an order of an L3 feed: want a feed of levels".into()),
        (other, _) => return Err(format!("event {other}: unknown, or without its side")),
    };
    let (px, qty) = if kind == Kind::Clear { (0.0, 0.0) } else { (px, qty) };
    let ticks =
        whole(px, instrument.px_scale, instrument.px_unit).and_then(|ticks| i32::try_from(ticks).ok());
    let lots = whole(qty, instrument.qty_scale, instrument.qty_unit);
    let px = ticks.ok_or_else(|| format!("price {px}: no whole number of ticks, or more than 2^31"))?;
    let qty = lots.ok_or_else(|| format!("quantity {qty}: no whole number of lots"))?;
    Ok(Some((ev, Row { kind, exch_ns, local_ns, px, qty })))
}

/// Reads one file of hftbacktest's events, whose times are corrected already.
///
/// # Errors
/// It cannot be read, or holds what no tape holds: file, row, what, and the remedy.
pub fn read(path: &Path, instrument: &Instrument) -> Result<Tape, String> {
    let named = |what: String| format!("{}: {what}", path.display());
    let zip = std::fs::read(path).map_err(|fault| named(fault.to_string()))?;
    let npy = entry(&zip, "data.npy").map_err(named)?;
    let (mut venue, mut local) = (Vec::new(), Vec::new());
    for (at, record) in records(&npy).map_err(named)?.chunks_exact(RECORD_BYTES).enumerate() {
        let Some((ev, row)) = row(record, instrument).map_err(|fault| named(format!("row {at}: {fault}")))?
        else {
            continue;
        };
        if ev & VENUE != 0 {
            venue.push(row);
        }
        if ev & LOCAL != 0 {
            local.push(row);
        }
    }
    Tape::of_sides(&venue, &local).map_err(|fault| named(fault.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::Step;
    use crate::tests_support::usdm;

    // Written by numpy.savez_compressed and numpy.savez.
    const PACKED: &[u8] = include_bytes!("../testdata/events.npz");
    const PLAIN: &[u8] = include_bytes!("../testdata/events-plain.npz");

    fn of(bytes: &[u8]) -> Result<Tape, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path(), &usdm())
    }

    #[test]
    fn a46_files_that_numpy_wrote_are_read_row_by_row_for_each_side() {
        let step = |ns, kind, px, qty| Step { ns, kind, px, qty };
        for bytes in [PACKED, PLAIN] {
            let tape = of(bytes).unwrap();
            let shared = |at: [i64; 3]| {
                vec![
                    step(at[0], Kind::ClearBids, 617_990, 0),
                    step(at[0], Kind::Bid, 618_002, 2_909),
                    step(at[0], Kind::Ask, 618_003, 1_500),
                ]
            };
            let mut venue = shared([1_000; 3]);
            venue.extend([
                step(1_100, Kind::Bid, 618_001, 696),
                step(1_200, Kind::SellTrade, 618_002, 14),
                step(1_300, Kind::BuyTrade, 618_003, 200),
                step(1_400, Kind::Clear, 0, 0),
            ]);
            assert_eq!(tape.venue().iter().collect::<Vec<_>>(), venue);
            let mut local = shared([2_000; 3]);
            local.extend([
                step(2_200, Kind::SellTrade, 618_002, 14),
                step(2_300, Kind::Bid, 618_001, 696),
                step(2_400, Kind::BuyTrade, 618_003, 200),
                step(2_500, Kind::Clear, 0, 0),
            ]);
            assert_eq!(tape.local().iter().collect::<Vec<_>>(), local);
        }
    }

    #[test]
    fn a46_a_damaged_npz_never_gives_other_rows() {
        let whole = of(PACKED).unwrap();
        for bytes in [PACKED, PLAIN] {
            let mut refused = 0;
            for at in 0..bytes.len() {
                let mut bad = bytes.to_vec();
                bad[at] ^= 0x10;
                match of(&bad) {
                    Ok(tape) => assert_eq!(tape, whole, "byte {at}"),
                    Err(_) => refused += 1,
                }
                assert!(at % 7 != 0 || of(&bytes[..at]).is_err(), "cut at {at}");
            }
            assert!(refused * 2 > bytes.len(), "{refused}");
        }
    }

    #[test]
    fn a46_a_price_between_two_ticks_is_refused_with_its_row() {
        let mut coarse = usdm();
        coarse.px_unit = 4;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), PLAIN).unwrap();
        let fault = read(file.path(), &coarse).unwrap_err();
        assert!(fault.contains("row 0: price 61799"), "{fault}");
    }
}
