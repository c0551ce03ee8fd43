//! The bytes of a WAL are a contract: files written today are read by every later version.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use tidegate_wal::format::Item;
use tidegate_wal::{
    Compression, DirStorage, RecordType, Wal, WalConfig, WalReport, read_block, read_header, segments, verify,
};
use tidegate_wire::envelope;
use tidegate_wire::pb::common::v1::Source;
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::recorder::v1::{StreamGap, StreamMark, stream_mark::Kind};

const TOP: &str = "md.1.1.top.";

fn own(payload: Payload) -> Vec<u8> {
    envelope::encode(&Envelope {
        schema_version: 1,
        source: Source::Recorder as i32,
        ts_event_ns: 5,
        ts_recv_ns: 5,
        payload: Some(payload),
        ..Envelope::default()
    })
}

fn mark(kind: Kind, seq: u64) -> Vec<u8> {
    own(Payload::StreamMark(StreamMark { stream: TOP.into(), epoch: 3, kind: kind as i32, seq, ts_ns: 5 }))
}

/// Long and repetitive, so that a compressed block is smaller.
const LONG: [u8; 2_000] = *include_bytes!("../golden/long.txt");

/// Two segments: an opened stream, messages, a gap, the journal, a closed stream.
fn write(dir: &Path, compression: Compression) {
    let config = || WalConfig { compression, ..WalConfig::default() };
    let (mut wal, _) = Wal::open(DirStorage::open(dir).unwrap(), config()).unwrap();
    wal.append(RecordType::Mark, TOP, 3, 0, 1_000, &mark(Kind::Opened, 0)).unwrap();
    for seq in 1..=3 {
        wal.append(RecordType::Data, TOP, 3, seq, 1_000 + seq as i64, format!("message {seq}").as_bytes())
            .unwrap();
    }
    wal.flush().unwrap();
    wal.append(RecordType::Data, "gateway.journal", 1, 1, 2_000, b"journal 1").unwrap();
    wal.close().unwrap();
    let (mut wal, _) = Wal::open(DirStorage::open(dir).unwrap(), config()).unwrap();
    let gap = StreamGap { stream: TOP.into(), epoch: 3, first_seq: 4, last_seq: 6, ts_ns: 5 };
    wal.append(RecordType::Gap, TOP, 3, 6, 3_000, &own(Payload::StreamGap(gap))).unwrap();
    let seventh: &[u8] = if compression == Compression::None { b"message 7" } else { &LONG };
    wal.append(RecordType::Data, TOP, 3, 7, 3_001, seventh).unwrap();
    wal.append(RecordType::Mark, TOP, 3, 7, 3_002, &mark(Kind::Closed, 7)).unwrap();
    wal.close().unwrap();
}

const NAMES: [&str; 2] = ["0000000001.seg", "0000000002.seg"];

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

fn read(dir: &Path) -> (WalReport, Vec<Vec<u8>>) {
    let storage = DirStorage::open_existing(dir).unwrap();
    let mut payloads = Vec::new();
    for segment in segments(&storage).unwrap() {
        let mut offset = 0;
        while let Some((Item::Block(block), next)) = read_block(&storage, &segment.name, offset).unwrap() {
            payloads.extend(block.records.iter().map(|record| block.payload(record).to_vec()));
            offset = next;
        }
    }
    (verify(&storage).unwrap(), payloads)
}

/// Each version has its folder; `TIDEGATE_BLESS` writes those of the version that is written now, never an older one.
fn bless(folder: &str, compression: Compression) {
    let dir = golden(folder);
    if std::env::var_os("TIDEGATE_BLESS").is_some() && !dir.exists() {
        std::fs::create_dir_all(&dir).unwrap();
        let made = tempfile::tempdir().unwrap();
        write(made.path(), compression);
        for name in NAMES {
            std::fs::copy(made.path().join(name), dir.join(name)).unwrap();
        }
    }
}

#[test]
fn the_bytes_are_those_of_the_golden_files() {
    bless("v2", Compression::None);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), Compression::None);
    for name in NAMES {
        let written = std::fs::read(dir.path().join(name)).unwrap();
        let kept = std::fs::read(golden("v2").join(name)).unwrap();
        assert!(written == kept, "{name} differs; a new format needs a new version");
    }
}

#[test]
fn a31_golden_files_of_every_version_are_read_whole_and_to_the_same_records() {
    bless("v2-lz4", Compression::Lz4);
    let (_, want) = read(&golden("v2"));
    assert_eq!((want.len(), want[3].as_slice()), (8, &b"message 3"[..]));
    for (folder, version) in [("", 1), ("v2", 2), ("v2-lz4", 2)] {
        let (report, payloads) = read(&golden(folder));
        assert!(report.ok(), "{folder}: {report:?}");
        assert_eq!((report.records, report.missing, report.sealed), (8, 3, 2), "{folder}");
        let seventh = if folder == "v2-lz4" { &LONG[..] } else { b"message 7" };
        for (place, (found, want)) in payloads.iter().zip(&want).enumerate() {
            let want = if place == 6 { seventh } else { want };
            assert_eq!(found, want, "{folder} record {place}");
        }
        let storage = DirStorage::open_existing(&golden(folder)).unwrap();
        for name in NAMES {
            assert_eq!(read_header(&storage, name).unwrap().version, version, "{folder}");
        }
    }
    let size = |folder: &str| std::fs::metadata(golden(folder).join(NAMES[1])).unwrap().len();
    assert!(size("v2-lz4") < size("v2") + 500, "2,000 bytes became few");
}

#[test]
fn a_wal_of_version_1_is_continued_in_version_2() {
    let dir = tempfile::tempdir().unwrap();
    for name in NAMES {
        std::fs::copy(golden(name), dir.path().join(name)).unwrap();
    }
    // As a crash of the earlier version leaves it: the last segment without its footer.
    let storage = DirStorage::open_existing(dir.path()).unwrap();
    let (mut end, mut offset) = (0, 0);
    while let Some((Item::Block(_), next)) = read_block(&storage, NAMES[1], offset).unwrap() {
        (end, offset) = (next, next);
    }
    let bytes = std::fs::read(dir.path().join(NAMES[1])).unwrap();
    std::fs::write(dir.path().join("0000000002.open"), &bytes[..end as usize]).unwrap();
    std::fs::remove_file(dir.path().join(NAMES[1])).unwrap();
    let (mut wal, recovery) = Wal::open(DirStorage::open(dir.path()).unwrap(), WalConfig::default()).unwrap();
    assert_eq!((recovery.last_wal_seq, recovery.torn_bytes), (8, 0));
    assert_eq!(std::fs::read(dir.path().join(NAMES[1])).unwrap(), bytes, "sealed as version 1 seals");
    wal.append(RecordType::Data, "gateway.journal", 1, 2, 4_000, b"journal 2").unwrap();
    wal.close().unwrap();
    let (report, payloads) = read(dir.path());
    assert!(report.ok(), "{report:?}");
    assert_eq!((report.records, payloads[8].as_slice()), (9, &b"journal 2"[..]));
}

#[test]
fn a_segment_of_a_later_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(golden("v2").join(NAMES[0])).unwrap();
    bytes[8] = 3;
    let crc = crc32c::crc32c(&bytes[..92]);
    bytes[92..96].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(dir.path().join(NAMES[0]), &bytes).unwrap();
    assert!(!read(dir.path()).0.ok());
    assert!(Wal::open(DirStorage::open(dir.path()).unwrap(), WalConfig::default()).is_err());
}
