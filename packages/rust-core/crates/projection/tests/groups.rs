//! Groups of a real WAL in a real directory, while it is written, sealed and damaged.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::HashMap;
use std::path::Path;
use tidegate_projection::{Bounds, Found, Group, Position, Schema, read_group};
use tidegate_wal::{Compression, DirStorage, RecordType, Wal, WalConfig};
use tidegate_wire::envelope;
use tidegate_wire::fields::{ENVELOPE, Kind};
use tidegate_wire::pb::common::v1::{Side, Source};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::marketdata::v1::Trade;

const START: Position = Position { segment: 0, offset: 0 };
const WIDE: Bounds = Bounds { blocks: 10_000, records: 100_000, bytes: 64 << 20 };
const MIDNIGHT_NS: i64 = 1_796_083_200_000_000_000;

/// A table for each kind of record; those that matter here have their place, trades their price too.
fn schema() -> Schema {
    let column = |name: &str, of: &str, path: &str| {
        format!(r#"{{"name":"{name}","type":"{of}","path":"{path}","safe":false}}"#)
    };
    let table = |name: &str, partition: &str, columns: &[String]| {
        format!(
            r#"{{"name":"{name}","holds":"{name}","partition":{partition},"columns":[{}]}}"#,
            columns.join(",")
        )
    };
    let seq = column("wal_seq", "UInt64", "place.wal_seq");
    let mut tables = vec![
        table("quarantine", r#""month""#, &[seq.clone(), column("payload", "String", "quarantine.payload")]),
        table("blocks", "null", &[column("last", "UInt64", "block.last_wal_seq")]),
    ];
    for field in ENVELOPE.fields {
        match field.kind {
            Kind::Message(_) if field.name == "trade" => tables.push(table(
                "trade",
                r#""day""#,
                &[seq.clone(), column("px", "Int64", "trade.px_ticks")],
            )),
            Kind::Message(_) => tables.push(table(field.name, "null", &[])),
            _ => {}
        }
    }
    Schema::parse(&format!("[{}]", tables.join(","))).unwrap()
}

fn trade(px_ticks: i64) -> Vec<u8> {
    let trade = Trade {
        instrument_id: 1,
        venue_id: 1,
        px_ticks,
        qty_lots: 1,
        aggressor: Side::Buy as i32,
        ..Trade::default()
    };
    envelope::encode(&Envelope {
        schema_version: 1,
        source: Source::MarketData as i32,
        payload: Some(Payload::Trade(trade)),
        ..Envelope::default()
    })
}

fn open(dir: &Path, compression: Compression) -> Wal<DirStorage> {
    let config = WalConfig { segment_bytes: 4_096, compression, ..WalConfig::default() };
    Wal::open(DirStorage::open(dir).unwrap(), config).unwrap().0
}

/// Appends `count` trades, one block for each three; each tenth record is no envelope.
fn write(wal: &mut Wal<DirStorage>, count: u64) {
    for _ in 0..count {
        let seq = wal.last_wal_seq() + 1;
        let payload = if seq.is_multiple_of(10) { b"\xff?".to_vec() } else { trade(seq.cast_signed()) };
        let ts_ns = MIDNIGHT_NS + (seq.cast_signed() - 50) * 1_000_000_000;
        wal.append(RecordType::Data, "md.1.1.trade.", 1, seq, ts_ns, &payload).unwrap();
        if seq.is_multiple_of(3) {
            wal.flush().unwrap();
        }
    }
    wal.flush().unwrap();
}

fn read(dir: &Path, from: Position, to: Option<Position>, bounds: Bounds) -> Found {
    read_group(&schema(), dir, from, to, bounds, &HashMap::new()).unwrap()
}

fn group(found: Found) -> Group {
    match found {
        Found::Group(group) => *group,
        other => panic!("no group: {other:?}"),
    }
}

/// `wal_seq` of the rows of a table, read by the shape of the block: two columns whose first is eight bytes wide.
fn rows(group: &Group, table: &str) -> Vec<u64> {
    let mut all = Vec::new();
    for insert in group.sliced.inserts.iter().filter(|insert| insert.table == table) {
        let head = b"\x07wal_seq\x06UInt64";
        let at = insert.body.windows(head.len()).position(|window| window == head).unwrap() + head.len();
        let values = insert.body[at..].chunks_exact(8).take(insert.rows as usize);
        all.extend(values.map(|eight| u64::from_le_bytes(eight.try_into().unwrap())));
    }
    all
}

#[test]
fn groups_of_any_bounds_hold_every_record_once_across_segments() {
    for compression in [Compression::None, Compression::Lz4] {
        let dir = tempfile::tempdir().unwrap();
        let mut wal = open(dir.path(), compression);
        write(&mut wal, 300);
        assert!(wal.segment_index() > 3);
        for bounds in
            [WIDE, Bounds { blocks: 1, ..WIDE }, Bounds { records: 7, ..WIDE }, Bounds { bytes: 500, ..WIDE }]
        {
            let (mut at, mut trades, mut bad, mut blocks) = (START, Vec::new(), Vec::new(), 0);
            while let Found::Group(found) = read(dir.path(), at, None, bounds) {
                assert!(found.records <= bounds.records + 2 && found.to > at);
                trades.extend(rows(&found, "trade"));
                bad.extend(rows(&found, "quarantine"));
                blocks += found.sliced.blocks.as_ref().map_or(0, |insert| insert.rows);
                at = found.to;
            }
            assert_eq!(trades, (1..=300).filter(|seq| seq % 10 != 0).collect::<Vec<u64>>());
            assert_eq!(bad, (1..=30).map(|n| n * 10).collect::<Vec<u64>>());
            assert_eq!(blocks, 100);
        }
    }
}

#[test]
fn a_group_whose_end_was_fixed_has_the_same_bytes_though_the_wal_has_grown_and_its_segment_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let mut wal = open(dir.path(), Compression::None);
    write(&mut wal, 12);
    let first = group(read(dir.path(), START, None, WIDE));
    assert!(!first.full);
    assert_eq!((first.records, first.sliced.last_wal_seq), (12, 12));
    write(&mut wal, 288);
    wal.close().unwrap();
    let again = group(read(dir.path(), START, Some(first.to), WIDE));
    assert!(again.full, "its end is not the WAL's");
    assert_eq!(Group { full: false, ..again }, first);
}

#[test]
fn a_tables_rows_are_cut_at_the_end_of_a_day_and_what_it_has_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut wal = open(dir.path(), Compression::None);
    write(&mut wal, 60);
    let found = group(read(dir.path(), START, None, WIDE));
    let days: Vec<u64> =
        found.sliced.inserts.iter().filter(|i| i.table == "trade").map(|i| i.last_wal_seq).collect();
    assert_eq!(days, [49, 59]);
    assert_eq!(found.sliced.quarantined, [("UNKNOWN_FIELD", 6)].into_iter().collect());
    let highest = [("trade".to_owned(), 49), ("quarantine".to_owned(), 60)].into_iter().collect();
    let rest = read_group(&schema(), dir.path(), START, None, WIDE, &highest).unwrap();
    let rest = group(rest);
    assert_eq!(rows(&rest, "trade"), (51..60).collect::<Vec<u64>>());
    assert!(rows(&rest, "quarantine").is_empty() && rest.sliced.quarantined.is_empty());
}

#[test]
fn a_raw_capture_stays_in_the_wal_and_a_gap_of_its_stream_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut wal = open(dir.path(), Compression::None);
    wal.append(RecordType::Data, "raw.spot.", 1, 1, 0, &[1, 2, 3]).unwrap();
    wal.append(RecordType::Data, "raw.spot.", 1, 2, 0, &trade(5)).unwrap();
    wal.flush().unwrap();
    let found = group(read(dir.path(), START, None, WIDE));
    assert_eq!((found.records, rows(&found, "trade"), found.sliced.last_wal_seq), (2, vec![2], 2));
    assert_eq!(found.sliced.inserts.len(), 1);
}

#[test]
fn what_is_not_there_yet_is_nothing_and_a_damaged_sealed_segment_is_named() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read(&dir.path().join("none"), START, None, WIDE), Found::Nothing);
    assert_eq!(read(dir.path(), START, None, WIDE), Found::Nothing);
    let mut wal = open(dir.path(), Compression::None);
    write(&mut wal, 100);
    let end = group(read(dir.path(), START, None, WIDE)).to;
    assert_eq!(read(dir.path(), end, None, WIDE), Found::Nothing);
    wal.close().unwrap();
    let path = dir.path().join("0000000002.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let before = group(read(dir.path(), START, None, WIDE));
    assert_eq!(before.to, Position { segment: 2, offset: 0 });
    assert_eq!(read(dir.path(), before.to, None, WIDE), Found::Damaged);
}
