//! The trail against a failing machine and against whoever would change it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use tidegate_audit::{
    AuditConfig, AuditFault, AuditLog, AuditReport, Entry, PublicKey, SEGMENT_HEADER_BYTES, SigningKey,
    digest, read_from, record_end, verify,
};
use tidegate_segment::Storage;
use tidegate_segment::memory::{Crash, MemStorage, Mishap};

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

fn public() -> PublicKey {
    key().public()
}

fn config(segment_bytes: u64) -> AuditConfig {
    AuditConfig { segment_bytes, ..AuditConfig::new(key()) }
}

fn entry(n: u64) -> Entry<'static> {
    Entry {
        ts_utc_ns: 1_000 + n as i64,
        ts_mono_ns: n,
        epoch: 3,
        actor: "operator:ann",
        action: if n.is_multiple_of(2) { "halt" } else { "limits.set" },
        reason: "a reason that is long enough to read"[..(n as usize % 30)].trim(),
        before: [0; 32],
        after: digest(&n.to_le_bytes()),
    }
}

/// Records 1 to `count`, committed ten at a time, a checkpoint every hundred.
fn written(count: u64, segment_bytes: u64) -> (MemStorage, MemStorage) {
    let (first, second) = (MemStorage::new(), MemStorage::new());
    let (mut log, _) = AuditLog::open(first.clone(), second.clone(), config(segment_bytes)).unwrap();
    for n in 1..=count {
        assert_eq!(log.append(&entry(n)), Ok(n));
        if n.is_multiple_of(10) {
            assert_eq!(log.commit(n as i64, n / 100 * 1_000_000_000), Ok(n));
        }
    }
    log.close(9).unwrap();
    (first, second)
}

fn checked(first: &MemStorage, second: Option<&MemStorage>) -> AuditReport {
    verify(first, second, public()).unwrap()
}

#[test]
fn one_chain_runs_over_rotations_and_restarts_and_reads_back() {
    let (first, second) = written(300, 5_000);
    let (mut log, recovery) = AuditLog::open(first.clone(), second.clone(), config(5_000)).unwrap();
    assert_eq!((recovery.last_seq, recovery.torn_bytes, recovery.copied_bytes), (300, 0, 0));
    assert_eq!(log.append(&entry(301)), Ok(301));
    log.close(9).unwrap();
    let report = checked(&first, Some(&second));
    assert!(report.ok() && report.segments > 5 && report.checkpoints >= 4, "{report:?}");
    assert_eq!((report.records, report.signed_seq), (301, 301));
    let mut seen = Vec::new();
    read_from(&first, 297, 3, |record| seen.push((record.seq, record.entry.ts_mono_ns))).unwrap();
    assert_eq!(seen, [(298, 298), (299, 299), (300, 300)]);
    assert_eq!(read_from(&first, 0, usize::MAX, |r| assert_eq!(r.entry, entry(r.seq))).unwrap(), 301);
}

fn spans(disk: &MemStorage, name: &str) -> (Vec<u8>, Vec<(usize, usize)>) {
    let mut bytes = Vec::new();
    disk.read(name, 0, 1 << 24, &mut bytes).unwrap();
    let (mut found, mut at) = (Vec::new(), SEGMENT_HEADER_BYTES);
    while let Some(end) = record_end(&bytes, at) {
        found.push((at, end));
        at = end;
    }
    (bytes, found)
}

#[test]
fn b060_an_edit_a_deletion_a_swap_and_a_cut_are_named_by_the_first_record_they_touch() {
    const NAME: &str = "0000000001.audit";
    let (first, second) = written(60, 1 << 20);
    let (_, spans) = spans(&first, NAME);
    let named = |change: &dyn Fn(&mut Vec<u8>), with_copy: bool| {
        let copy = first.after(Crash::Process);
        copy.damage(NAME, |bytes| change(bytes));
        checked(&copy, with_copy.then_some(&second)).first_bad.map(|bad| bad.seq)
    };
    assert_eq!(named(&|_| {}, true), None, "control");
    for with_copy in [false, true] {
        for (place, &(at, end)) in spans.iter().enumerate() {
            let seq = Some(place as u64 + 1);
            assert_eq!(named(&|b| b[at + 20] ^= 1, with_copy), seq, "edit");
            assert_eq!(named(&|b| drop(b.drain(at..end)), with_copy), seq, "delete");
            assert_eq!(named(&|b| b.truncate(at), with_copy), seq, "cut");
            assert_eq!(named(&|b| b.truncate(end - 1), with_copy), seq, "cut within");
            if let Some(&(_, next)) = spans.get(place + 1) {
                assert_eq!(named(&|b| b[at..next].rotate_left(end - at), with_copy), seq, "swap");
            }
        }
    }
}

#[test]
fn b060_every_flipped_bit_is_named_by_its_record() {
    const NAME: &str = "0000000001.audit";
    let (first, _) = written(6, 1 << 20);
    let (bytes, spans) = spans(&first, NAME);
    for bit in 0..bytes.len() * 8 {
        let copy = first.after(Crash::Process);
        copy.damage(NAME, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let within = spans.iter().position(|(_, end)| bit / 8 < *end).unwrap() as u64 + 1;
        assert_eq!(checked(&copy, None).first_bad.map(|bad| bad.seq), Some(within), "bit {bit}");
    }
}

/// What an insider with the code but not the key can make: a chain that is whole in itself.
fn forged(count: u64, changed: u64) -> MemStorage {
    let disk = MemStorage::new();
    let (mut log, _) = AuditLog::open(disk.clone(), MemStorage::new(), config(1 << 20)).unwrap();
    for n in 1..=count {
        let actor = if n == changed { "operator:eve" } else { "operator:ann" };
        log.append(&Entry { actor, ..entry(n) }).unwrap();
    }
    log.close(9).unwrap();
    disk
}

#[test]
fn b060_a_rewritten_chain_is_named_by_the_copy_or_by_the_last_signature_that_holds() {
    const NAME: &str = "0000000001.audit";
    let (first, second) = written(300, 1 << 20);
    for changed in [1, 99, 150, 300] {
        let (bytes, _) = spans(&forged(300, changed), NAME);
        let copy = first.after(Crash::Process);
        copy.damage(NAME, |to| to.clone_from(&bytes));
        assert_eq!(checked(&copy, Some(&second)).first_bad.map(|bad| bad.seq), Some(changed));
        let alone = checked(&copy, None);
        let bad = alone.first_bad.clone().unwrap();
        assert!(bad.seq <= changed && changed - bad.seq < 110, "{changed}: {alone:?}");
    }
    let foreign = SigningKey::from_seed(&[8; 32]).unwrap().public();
    assert!(!verify(&first, Some(&second), foreign).unwrap().ok(), "signed by another");
}

#[test]
fn b060_a_tail_cut_in_the_first_place_with_its_checkpoints_is_seen_by_the_copy() {
    let (first, second) = written(300, 5_000);
    let last = format!("{:010}.audit", checked(&first, None).segments);
    let mut cut = first.after(Crash::Process);
    cut.remove(&last).unwrap();
    cut.damage("checkpoints", |bytes| bytes.truncate(168));
    let alone = checked(&cut, None);
    assert!(alone.ok(), "alone it looks like a trail that ends there: {alone:?}");
    let bad = checked(&cut, Some(&second)).first_bad.unwrap();
    assert_eq!(bad.seq, alone.records + 1);
    let refused = AuditLog::open(cut, second, config(5_000)).unwrap_err();
    assert!(refused.to_string().contains("second copy or a signature goes further"), "{refused}");
}

#[test]
fn entries_out_of_bounds_and_a_second_writer_are_refused() {
    let (first, second) = (MemStorage::new(), MemStorage::new());
    let (mut log, _) = AuditLog::open(first.clone(), second.clone(), config(5_000)).unwrap();
    let (long, longer) = ("x".repeat(65), "x".repeat(257));
    for bad in [
        Entry { actor: "", ..entry(1) },
        Entry { actor: &long, ..entry(1) },
        Entry { action: "", ..entry(1) },
        Entry { reason: &longer, ..entry(1) },
    ] {
        assert!(matches!(log.append(&bad), Err(AuditFault::Config(_))));
    }
    let full = Entry { actor: &long[..64], action: &long[..64], reason: &longer[..256], ..entry(1) };
    assert_eq!((log.append(&full), log.last_seq()), (Ok(1), 1));
    assert!(matches!(AuditLog::open(first, second, config(5_000)), Err(AuditFault::Locked { .. })));
    assert!(SigningKey::from_seed(&[1; 31]).is_err());
}

#[derive(Debug, Default)]
struct Ran {
    appended: u64,
    committed: u64,
}

fn run(first: &MemStorage, second: &MemStorage) -> Ran {
    let mut ran = Ran::default();
    let Ok((mut log, _)) = AuditLog::open(first.clone(), second.clone(), config(1_500)) else { return ran };
    for n in 1..=30 {
        ran.appended = n;
        if log.append(&entry(n)).is_err() {
            assert!(matches!(log.commit(0, 0), Err(AuditFault::Poisoned(_))));
            return ran;
        }
        if n.is_multiple_of(3) {
            match log.commit(1, n * 400_000_000) {
                Ok(seq) => ran.committed = seq,
                Err(_) => return ran,
            }
        }
    }
    drop(log.close(2));
    ran
}

#[test]
fn b060_nothing_committed_is_lost_and_no_crash_looks_like_tampering() {
    const MISHAPS: [Mishap; 6] = [
        Mishap::KillBefore,
        Mishap::KillMid,
        Mishap::KillAfter,
        Mishap::Eio,
        Mishap::Enospc,
        Mishap::ShortWrite,
    ];
    let mut points = 0;
    for mishap in MISHAPS {
        for (place, n) in [0, 1].into_iter().flat_map(|place| (1..70).map(move |n| (place, n))) {
            let (first, second) = (MemStorage::new(), MemStorage::new());
            [&first, &second][place].plan(n, mishap);
            let ran = run(&first, &second);
            if ![&first, &second][place].struck() {
                continue;
            }
            for crash in [Crash::Process, Crash::Power { seed: 1 }, Crash::Power { seed: 2 }] {
                points += 1;
                let what = format!("{mishap:?} at {n} of place {place}, {crash:?}");
                let (first, second) = (first.after(crash), second.after(crash));
                let (mut log, recovery) = AuditLog::open(first.clone(), second.clone(), config(1_500))
                    .unwrap_or_else(|fault| panic!("{what}: {fault}"));
                assert!(recovery.last_seq >= ran.committed && recovery.last_seq <= ran.appended, "{what}");
                read_from(&first, 0, 100, |r| assert_eq!(r.entry, entry(r.seq), "{what}")).unwrap();
                log.append(&entry(99)).unwrap();
                log.close(3).unwrap();
                let report = checked(&first, Some(&second));
                assert!(report.ok(), "{what}: {report:?}");
                assert_eq!(report.records, recovery.last_seq + 1, "{what}");
            }
        }
    }
    assert!(points > 600, "{points}");
}
