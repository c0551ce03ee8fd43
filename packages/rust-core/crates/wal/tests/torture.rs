//! The WAL against a failing machine, and its verifier against damaged files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use tidegate_segment::Storage;
use tidegate_segment::memory::{Crash, MemStorage, Mishap};
use tidegate_wal::format::Item;
use tidegate_wal::{RecordType, Wal, WalConfig, WalFault, read_block, segments, verify};

const MISHAPS: [Mishap; 6] =
    [Mishap::KillBefore, Mishap::KillMid, Mishap::KillAfter, Mishap::Eio, Mishap::Enospc, Mishap::ShortWrite];
const STREAMS: [&str; 3] = ["md.1.1.top.", "md.2.2.trade.", "gateway.journal"];

fn config(power_safe: bool) -> WalConfig {
    WalConfig { segment_bytes: 1_500, power_safe, ..WalConfig::default() }
}

fn payload(wal_seq: u64) -> Vec<u8> {
    vec![wal_seq as u8; (wal_seq * 37 % 200) as usize]
}

#[derive(Debug, Default)]
struct Ran {
    appended: u64,
    flushed: u64,
    finished: bool,
}

fn run(disk: &MemStorage, power_safe: bool) -> Ran {
    let mut ran = Ran::default();
    let Ok((mut wal, _)) = Wal::open(disk.clone(), config(power_safe)) else { return ran };
    for n in 1..=60_u64 {
        let stream = STREAMS[n as usize % 3];
        let seq = n.div_ceil(3);
        ran.appended = n;
        if wal.append(RecordType::Data, stream, 4, seq, n as i64, &payload(n)).is_err() {
            return ran;
        }
        if n % 4 == 0 {
            match wal.flush() {
                Ok(seq) => ran.flushed = seq,
                Err(_) => {
                    assert!(matches!(wal.flush(), Err(WalFault::Poisoned(_))));
                    return ran;
                }
            }
        }
    }
    ran.finished = wal.close().is_ok();
    ran
}

/// Every record of whole blocks, read from scratch.
fn read_all(disk: &MemStorage) -> Vec<(u64, String, u64, Vec<u8>)> {
    let mut found = Vec::new();
    for segment in segments(disk).unwrap() {
        let mut offset = 0;
        while let Some((item, next)) = read_block(disk, &segment.name, offset).unwrap() {
            let Item::Block(block) = item else { break };
            assert!(block.records.len() <= 256);
            for record in &block.records {
                found.push((
                    record.wal_seq,
                    record.stream.clone(),
                    record.seq,
                    block.payload(record).to_vec(),
                ));
            }
            offset = next;
        }
    }
    found
}

fn check(disk: &MemStorage, ran: &Ran) -> Result<u64, String> {
    let found = read_all(disk);
    for (place, (wal_seq, _, _, bytes)) in found.iter().enumerate() {
        if *wal_seq != place as u64 + 1 || *bytes != payload(*wal_seq) {
            return Err(format!("record {wal_seq} at place {place}"));
        }
    }
    let count = found.len() as u64;
    if count < ran.flushed || count > ran.appended {
        return Err(format!("{count} records; flushed {}, appended {}", ran.flushed, ran.appended));
    }
    Ok(count)
}

fn torture(power_safe: bool) -> u64 {
    let mut points = 0;
    for mishap in MISHAPS {
        for n in 1.. {
            let disk = MemStorage::new();
            disk.plan(n, mishap);
            let ran = run(&disk, power_safe);
            if !disk.struck() {
                assert!(ran.finished && n > 20);
                break;
            }
            let mut crashes = vec![Crash::Process];
            if power_safe {
                crashes.extend((0..6).map(|seed| Crash::Power { seed }));
            }
            for crash in crashes {
                points += 1;
                let what = format!("{mishap:?} at {n}, {crash:?}");
                let after = disk.after(crash);
                let (wal, recovery) =
                    Wal::open(after.clone(), config(power_safe)).unwrap_or_else(|e| panic!("{what}: {e}"));
                let count = check(&after, &ran).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!(recovery.last_wal_seq, count, "{what}");
                let last: BTreeMap<_, _> =
                    read_all(&after).into_iter().map(|(_, stream, seq, _)| (stream, seq)).collect();
                let held: BTreeMap<_, _> = recovery.streams.iter().map(|(s, p)| (s.clone(), p.seq)).collect();
                assert_eq!(last, held, "{what}");
                assert_eq!(wal.last_wal_seq(), count);
                wal.close().unwrap();
                let report = verify(&after).unwrap();
                assert_eq!((report.faults.clone(), report.records), (vec![], count), "{what}");
                assert!(
                    segments(&after).unwrap().iter().all(|s| s.sealed),
                    "{what}: what was open is sealed"
                );
            }
        }
    }
    points
}

#[test]
fn a31_process_death_and_errors_at_every_operation_lose_no_flushed_record() {
    assert!(torture(false) > 100);
}

#[test]
fn power_cuts_at_every_operation_lose_no_flushed_record() {
    assert!(torture(true) > 800);
}

#[test]
fn control_the_checker_sees_a_lost_record() {
    let disk = MemStorage::new();
    let ran = run(&disk, false);
    assert!(check(&disk, &ran).is_ok());
    let lost = Ran { appended: 90, flushed: 61, finished: true };
    assert!(check(&disk, &lost).is_err());
}

#[test]
fn a31_b060_every_flipped_bit_of_a_sealed_wal_is_a_named_fault() {
    let disk = MemStorage::new();
    assert!(run(&disk, false).finished);
    let clean = verify(&disk).unwrap();
    assert_eq!((clean.faults_total, clean.records, clean.sealed), (0, 60, clean.segments));
    assert!(clean.segments >= 3);
    for segment in segments(&disk).unwrap().iter().take(2) {
        for bit in 0..segment.bytes as usize * 8 {
            disk.damage(&segment.name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let report = verify(&disk).unwrap();
            assert!(!report.ok(), "{} bit {bit}", segment.name);
            disk.damage(&segment.name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        }
        let mut whole = Vec::new();
        disk.read(&segment.name, 0, 1 << 20, &mut whole).unwrap();
        for len in 0..whole.len() {
            disk.damage(&segment.name, |bytes| bytes.truncate(len));
            assert!(!verify(&disk).unwrap().ok(), "{} cut to {len}", segment.name);
            disk.damage(&segment.name, |bytes| bytes.clone_from(&whole));
        }
    }
    let mut gone = disk.after(Crash::Process);
    gone.remove("0000000002.seg").unwrap();
    assert!(!verify(&gone).unwrap().ok());
}

#[test]
fn a31_damage_before_a_whole_block_of_an_open_segment_is_refused_and_a_torn_tail_is_cut() {
    let disk = MemStorage::new();
    let (mut wal, _) = Wal::open(disk.clone(), WalConfig::default()).unwrap();
    for n in 1..=3 {
        wal.append(RecordType::Data, "a", 1, n, 0, &payload(n)).unwrap();
        wal.flush().unwrap();
    }
    let name = "0000000001.open";
    let len = disk.len(name).unwrap() as usize;
    for bit in 0..len * 8 {
        let copy = disk.after(Crash::Process);
        copy.damage(name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        match Wal::open(copy.clone(), WalConfig::default()) {
            Err(WalFault::Damaged { .. }) => {}
            Err(other) => panic!("bit {bit}: {other}"),
            Ok((_, recovery)) => {
                assert_eq!(recovery.last_wal_seq, 2, "bit {bit}: only the last block can look torn");
                assert!(recovery.torn_bytes > 0, "bit {bit} is not reported");
            }
        }
    }
}

#[test]
fn an_open_segment_is_read_block_by_block_while_it_grows() {
    let disk = MemStorage::new();
    let (mut wal, _) = Wal::open(disk.clone(), WalConfig::default()).unwrap();
    wal.append(RecordType::Data, "a", 1, 1, 0, b"one").unwrap();
    assert_eq!(read_all(&disk).len(), 0, "what is not flushed is not there");
    for n in 2..=600 {
        wal.append(RecordType::Data, "a", 1, n, 0, b"more").unwrap();
    }
    assert_eq!(read_all(&disk).len(), 512, "two full blocks");
    wal.flush().unwrap();
    assert_eq!(read_all(&disk).len(), 600);
    let report = verify(&disk).unwrap();
    assert!(report.ok() && report.sealed == 0 && report.records == 600, "{report:?}");
    wal.tick(1).unwrap();
    wal.tick(WalConfig::default().segment_age_ns).unwrap();
    assert_eq!(verify(&disk).unwrap().sealed, 0, "not old enough");
    wal.tick(WalConfig::default().segment_age_ns + 1).unwrap();
    assert_eq!(verify(&disk).unwrap().sealed, 1);
}

#[test]
fn holes_and_repeats_of_a_stream_are_counted() {
    let disk = MemStorage::new();
    let (mut wal, _) = Wal::open(disk.clone(), WalConfig::default()).unwrap();
    for seq in [1, 2, 5, 5, 6] {
        wal.append(RecordType::Data, "a", 1, seq, 0, b"x").unwrap();
    }
    wal.append(RecordType::Gap, "a", 1, 9, 0, b"not a gap").unwrap();
    wal.close().unwrap();
    let report = verify(&disk).unwrap();
    assert_eq!((report.gaps_unaccounted, report.duplicates, report.faults_total), (2, 1, 1));
    assert!(!report.ok());
}

#[test]
fn names_payloads_and_a_second_writer_out_of_bounds_are_refused() {
    let disk = MemStorage::new();
    let (mut wal, _) = Wal::open(disk.clone(), WalConfig::default()).unwrap();
    assert!(matches!(Wal::open(disk.clone(), WalConfig::default()), Err(WalFault::Locked { .. })));
    let long = "x".repeat(65);
    assert!(matches!(wal.append(RecordType::Data, &long, 1, 1, 0, b""), Err(WalFault::Config(_))));
    let payload = vec![0; 65_537];
    assert!(matches!(
        wal.append(RecordType::Data, "a", 1, 1, 0, &payload),
        Err(WalFault::RecordTooLarge { .. })
    ));
    assert_eq!(wal.append(RecordType::Data, "a", 1, 1, 0, &payload[..65_536]), Ok(1));
    wal.append(RecordType::Data, "a", 1, 2, 0, &payload[..65_536]).unwrap();
    wal.flush().unwrap();
    assert_eq!(verify(&disk).unwrap().records, 2);
}
