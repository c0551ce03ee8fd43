//! The bytes of a WAL are a contract: files written today are read by every later version.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use tidegate_wal::{DirStorage, RecordType, Wal, WalConfig, verify};
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

/// Two segments: an opened stream, messages, a gap, the journal, a closed stream.
fn write(dir: &Path) {
    let (mut wal, _) = Wal::open(DirStorage::open(dir).unwrap(), WalConfig::default()).unwrap();
    wal.append(RecordType::Mark, TOP, 3, 0, 1_000, &mark(Kind::Opened, 0)).unwrap();
    for seq in 1..=3 {
        wal.append(RecordType::Data, TOP, 3, seq, 1_000 + seq as i64, format!("message {seq}").as_bytes())
            .unwrap();
    }
    wal.flush().unwrap();
    wal.append(RecordType::Data, "gateway.journal", 1, 1, 2_000, b"journal 1").unwrap();
    wal.close().unwrap();
    let (mut wal, _) = Wal::open(DirStorage::open(dir).unwrap(), WalConfig::default()).unwrap();
    let gap = StreamGap { stream: TOP.into(), epoch: 3, first_seq: 4, last_seq: 6, ts_ns: 5 };
    wal.append(RecordType::Gap, TOP, 3, 6, 3_000, &own(Payload::StreamGap(gap))).unwrap();
    wal.append(RecordType::Data, TOP, 3, 7, 3_001, b"message 7").unwrap();
    wal.append(RecordType::Mark, TOP, 3, 7, 3_002, &mark(Kind::Closed, 7)).unwrap();
    wal.close().unwrap();
}

#[test]
fn the_bytes_are_those_of_the_golden_files() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    for name in ["0000000001.seg", "0000000002.seg"] {
        let written = std::fs::read(dir.path().join(name)).unwrap();
        if std::env::var_os("TIDEGATE_BLESS").is_some() {
            std::fs::create_dir_all(&golden).unwrap();
            std::fs::write(golden.join(name), &written).unwrap();
        }
        assert!(
            written == std::fs::read(golden.join(name)).unwrap(),
            "{name} differs; a new format needs a new version"
        );
    }
    let report = verify(&DirStorage::open_existing(&golden).unwrap()).unwrap();
    assert!(report.ok(), "{report:?}");
    assert_eq!((report.records, report.missing, report.sealed), (8, 3, 2));
}
