//! The journal against a failing machine: every operation, every way to fail, every bit, every length.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use tidegate_journal::{Journal, JournalConfig, JournalFault, Tier};
use tidegate_segment::memory::{Crash, MemStorage, Mishap};
use tidegate_segment::{Storage, scan};

const STREAM: &str = "gateway.journal";
const COMMITS: [usize; 9] = [1, 3, 2, 1, 6, 1, 2, 5, 1];
const MISHAPS: [Mishap; 6] =
    [Mishap::KillBefore, Mishap::KillMid, Mishap::KillAfter, Mishap::Eio, Mishap::Enospc, Mishap::ShortWrite];

fn config(tier: Tier) -> JournalConfig {
    JournalConfig { segment_bytes: 16_384, ..JournalConfig::new(STREAM, tier) }
}

/// The n-th record of every run: 1 is the first.
fn payload(seq: u64) -> Vec<u8> {
    (0..(seq * 137) % 1_400).map(|i| (i * 31 + seq) as u8).collect()
}

#[derive(Debug, Default, Clone, Copy)]
struct Ran {
    appended: u64,
    acknowledged: u64,
    finished: bool,
}

fn run(disk: &MemStorage, tier: Tier) -> Ran {
    let mut ran = Ran::default();
    let Ok((mut journal, _)) = Journal::open_on(disk.clone(), config(tier)) else { return ran };
    for records in COMMITS {
        for _ in 0..records {
            // Counted before: of an append that fails the bytes may be there all the same.
            ran.appended += 1;
            if journal.append(1, &payload(ran.appended), ran.appended, 7).is_err() {
                assert!(journal.commit().is_err(), "a poisoned journal acknowledges nothing");
                return ran;
            }
        }
        match journal.commit() {
            Ok(seq) => ran.acknowledged = seq,
            Err(_) => {
                assert!(matches!(journal.commit(), Err(JournalFault::Poisoned(_))));
                assert!(matches!(journal.append(1, b"", 0, 0), Err(JournalFault::Poisoned(_))));
                return ran;
            }
        }
    }
    ran.finished = journal.close().is_ok();
    ran
}

/// Recovered = a prefix of what was appended that holds all that was acknowledged.
fn check(found: &[(u64, Vec<u8>)], ran: Ran) -> Result<(), String> {
    for (place, (seq, bytes)) in found.iter().enumerate() {
        if *seq != place as u64 + 1 || *bytes != payload(*seq) {
            return Err(format!("record {seq} at place {place} is not what was appended"));
        }
    }
    let count = found.len() as u64;
    if count < ran.acknowledged {
        return Err(format!("{} were acknowledged and {count} are there", ran.acknowledged));
    }
    if count > ran.appended {
        return Err(format!("{} were appended and {count} are there", ran.appended));
    }
    Ok(())
}

fn reopened(disk: &MemStorage, tier: Tier) -> Result<Vec<(u64, Vec<u8>)>, String> {
    let (mut journal, recovery) = Journal::open_on(disk.clone(), config(tier)).map_err(|e| e.to_string())?;
    let mut found = Vec::new();
    journal
        .read_from(0, usize::MAX, |r| found.push((r.seq, r.payload.to_vec())))
        .map_err(|e| e.to_string())?;
    if recovery.last_seq != found.len() as u64 || journal.epoch() != recovery.epoch + 1 {
        return Err(format!("recovery says {recovery:?} and {} records are read", found.len()));
    }
    Ok(found)
}

fn crashes(tier: Tier) -> Vec<Crash> {
    let mut all = vec![Crash::Process];
    if tier == Tier::T2 {
        all.extend((0..6).map(|seed| Crash::Power { seed }));
    }
    all
}

fn torture(tier: Tier) -> u64 {
    let mut points = 0;
    for mishap in MISHAPS {
        for n in 1.. {
            let disk = MemStorage::new();
            disk.plan(n, mishap);
            let ran = run(&disk, tier);
            if !disk.struck() {
                assert!(ran.finished && n > 20, "the loop has passed the last operation");
                break;
            }
            for crash in crashes(tier) {
                points += 1;
                let after = disk.after(crash);
                let found = reopened(&after, tier).and_then(|found| check(&found, ran).map(|()| found));
                let found = found.unwrap_or_else(|e| panic!("{tier:?} {mishap:?} at {n}, {crash:?}: {e}"));
                // The restart itself is killed at each of its first operations, and the next one still stands.
                for m in 1..=4 {
                    let again = disk.after(crash);
                    again.plan(m, Mishap::KillMid);
                    drop(Journal::open_on(again.clone(), config(tier)));
                    let twice = reopened(&again.after(Crash::Process), tier);
                    assert_eq!(
                        twice.as_ref(),
                        Ok(&found),
                        "{tier:?} {mishap:?} at {n}, {crash:?}, restart killed at {m}"
                    );
                }
                // What the restart has shown survives a power cut right after it.
                if tier == Tier::T2 {
                    for seed in 0..4 {
                        let cut = reopened(&after.after(Crash::Power { seed }), tier);
                        assert_eq!(
                            cut.as_ref(),
                            Ok(&found),
                            "{mishap:?} at {n}, {crash:?}, then power cut {seed}"
                        );
                    }
                }
                // And the journal goes on, over the end of the segment.
                let (mut journal, _) = Journal::open_on(after.clone(), config(tier)).unwrap();
                for more in 1..=12 {
                    let seq = journal.append(1, &[9; 1_200], 0, 0).unwrap();
                    assert_eq!(seq, found.len() as u64 + more);
                    journal.commit().unwrap();
                }
                drop(journal);
                assert_eq!(reopened(&after, tier).unwrap().len(), found.len() + 12);
            }
        }
    }
    points
}

#[test]
fn process_death_and_errors_at_every_operation_lose_nothing_acknowledged_t0() {
    assert!(torture(Tier::T0) > 80);
}

#[test]
fn b057_power_cuts_and_errors_at_every_operation_lose_nothing_acknowledged_t2() {
    assert!(torture(Tier::T2) > 600);
}

#[test]
fn control_a_disk_that_lies_about_sync_is_noticed() {
    let mut noticed = 0;
    for seed in 0..20 {
        let disk = MemStorage::new();
        disk.set_sync_lies();
        disk.plan(20, Mishap::KillBefore);
        let ran = run(&disk, Tier::T2);
        let outcome =
            reopened(&disk.after(Crash::Power { seed }), Tier::T2).and_then(|found| check(&found, ran));
        noticed += u64::from(outcome.is_err());
    }
    assert!(noticed > 10, "only {noticed} of 20 lies were noticed");
}

#[test]
fn control_the_checker_sees_a_lost_and_a_changed_record() {
    let ran = Ran { appended: 3, acknowledged: 2, finished: false };
    assert!(check(&[(1, payload(1)), (2, payload(2))], ran).is_ok());
    assert!(check(&[(1, payload(1))], ran).is_err());
    assert!(check(&[(1, payload(1)), (2, payload(9))], ran).is_err());
    assert!(check(&[(1, payload(1)), (3, payload(3))], ran).is_err());
    assert!(check(&(1..=4).map(|n| (n, payload(n))).collect::<Vec<_>>(), ran).is_err());
}

const NAME: &str = "0000000000.seg";
const SMALL: u64 = 24;

/// A journal of about 4 KiB in one segment.
fn small(closed: bool) -> MemStorage {
    let disk = MemStorage::new();
    let (mut journal, _) = Journal::open_on(disk.clone(), config(Tier::T0)).unwrap();
    for seq in 1..=SMALL {
        journal.append(1, &payload(seq)[..payload(seq).len().min(96)], seq, 7).unwrap();
        if seq % 3 == 0 {
            journal.commit().unwrap();
        }
    }
    if closed {
        journal.close().unwrap();
    }
    disk
}

fn records(disk: &MemStorage) -> Result<(BTreeMap<u64, Vec<u8>>, tidegate_journal::Recovery), JournalFault> {
    let mut found = BTreeMap::new();
    let recovery = scan(disk, STREAM, [0; 16], |r| {
        found.insert(r.seq, r.payload.to_vec());
    })?;
    Ok((found, recovery))
}

fn used(disk: &MemStorage) -> usize {
    let mut bytes = Vec::new();
    disk.read(NAME, 0, 1 << 20, &mut bytes).unwrap();
    bytes.iter().rposition(|b| *b != 0).unwrap() + 1
}

#[test]
fn a29_b060_no_flipped_bit_is_accepted_in_silence() {
    for closed in [true, false] {
        let disk = small(closed);
        let (all, _) = records(&disk).unwrap();
        assert_eq!(all.len() as u64, SMALL);
        let bits = (used(&disk) + 64) * 8;
        assert!(bits > 4_096 * 8);
        let mut refused = 0;
        for bit in 0..bits {
            disk.damage(NAME, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            match records(&disk) {
                Err(JournalFault::Damaged { .. }) => refused += 1,
                Err(other) => panic!("bit {bit}: {other}"),
                Ok((found, recovery)) => {
                    assert!(recovery.torn.is_some() && !recovery.clean, "bit {bit} is not reported");
                    assert!(
                        found.iter().all(|(seq, bytes)| all[seq] == *bytes),
                        "bit {bit}: a changed record"
                    );
                    // Only the last commit can look torn; after an orderly end not even that.
                    let least = if closed { SMALL } else { SMALL - 3 };
                    assert!(found.len() as u64 >= least, "bit {bit}: {} records", found.len());
                }
            }
            disk.damage(NAME, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        }
        assert!(refused > bits / 2, "{refused} of {bits}");
    }
}

#[test]
fn every_truncation_of_the_file_is_refused() {
    let disk = small(false);
    let mut whole = Vec::new();
    disk.read(NAME, 0, 1 << 20, &mut whole).unwrap();
    for len in 0..whole.len() {
        disk.damage(NAME, |bytes| bytes.truncate(len));
        let outcome = records(&disk);
        assert!(matches!(outcome, Err(JournalFault::Damaged { .. })), "{len} bytes: {outcome:?}");
        disk.damage(NAME, |bytes| bytes.clone_from(&whole));
    }
    assert!(records(&disk).is_ok(), "control: the whole file is read");
}

#[test]
fn a_tail_zeroed_from_any_byte_is_a_prefix_and_never_an_altered_record() {
    let disk = small(false);
    let (all, _) = records(&disk).unwrap();
    let mut whole = Vec::new();
    disk.read(NAME, 0, 1 << 20, &mut whole).unwrap();
    for len in 4_096..used(&disk) {
        disk.damage(NAME, |bytes| bytes[len..].fill(0));
        let (found, _) = records(&disk).unwrap();
        assert!(found.iter().all(|(seq, bytes)| all[seq] == *bytes), "zeroed from {len}");
        disk.damage(NAME, |bytes| bytes.clone_from(&whole));
    }
}

#[test]
fn a_missing_or_swapped_segment_is_refused() {
    let disk = MemStorage::new();
    assert!(run(&disk, Tier::T2).finished);
    let names = disk.list().unwrap();
    assert!(names.len() >= 3, "{names:?}");
    let mut gone = disk.after(Crash::Process);
    gone.remove(&names[1]).unwrap();
    assert!(matches!(records(&gone), Err(JournalFault::Damaged { .. })));
    let mut swapped = disk.after(Crash::Process);
    swapped.rename(&names[1], "x").unwrap();
    swapped.rename(&names[2], &names[1]).unwrap();
    swapped.rename("x", &names[2]).unwrap();
    assert!(matches!(records(&swapped), Err(JournalFault::Damaged { .. })));
    assert!(records(&disk).is_ok(), "control");
}

#[test]
fn a_second_writer_a_foreign_journal_and_bad_records_are_refused() {
    let disk = MemStorage::new();
    let (mut journal, _) = Journal::open_on(disk.clone(), config(Tier::T0)).unwrap();
    assert!(matches!(Journal::open_on(disk.clone(), config(Tier::T0)), Err(JournalFault::Locked { .. })));
    for kind in [0, 250, 254, 255] {
        assert_eq!(journal.append(kind, b"", 0, 0), Err(JournalFault::KindReserved { kind }));
    }
    let too_long = vec![0; 16_384];
    assert!(matches!(journal.append(1, &too_long, 0, 0), Err(JournalFault::RecordTooLarge { .. })));
    assert_eq!(journal.append(1, b"fine", 0, 0), Ok(1), "a refused record changes nothing");
    journal.commit().unwrap();
    drop(journal);
    let foreign = JournalConfig { stream_name: "router.journal".into(), ..config(Tier::T0) };
    assert!(matches!(Journal::open_on(disk.clone(), foreign), Err(JournalFault::Damaged { .. })));
    let foreign = JournalConfig { cluster: [1; 16], ..config(Tier::T0) };
    assert!(matches!(Journal::open_on(disk, foreign), Err(JournalFault::Damaged { .. })));
}

#[test]
fn a_full_disk_is_one_line_that_names_path_and_remedy() {
    let disk = MemStorage::new();
    disk.set_capacity(20_000);
    let (mut journal, _) = Journal::open_on(disk, config(Tier::T2)).unwrap();
    let fault = (1..100)
        .find_map(|n| journal.append(1, &payload(n), 0, 0).and_then(|_| journal.commit()).err())
        .unwrap();
    let text = fault.to_string();
    assert!(matches!(fault, JournalFault::DiskFull { .. }), "{text}");
    assert!(text.contains("0000000001.new") && text.contains("free space"), "{text}");
}

#[test]
fn following_while_the_writer_goes_on_gives_every_record_once() {
    for tier in [Tier::T0, Tier::T2] {
        let disk = MemStorage::new();
        let (mut journal, _) = Journal::open_on(disk.clone(), config(tier)).unwrap();
        let mut other = tidegate_segment::Cursor::new(STREAM);
        let (mut own, mut theirs) = (0, 0);
        for seq in 1..=60 {
            journal.append(2, &payload(seq), seq, 7).unwrap();
            if seq % 4 == 0 {
                journal.commit().unwrap();
            }
            let committed = journal.committed_seq();
            journal
                .read_from(own, 3, |r| {
                    assert_eq!((r.seq, r.payload, r.mono), (own + 1, &payload(own + 1)[..], own + 1));
                    own += 1;
                })
                .unwrap();
            other
                .read(&disk, theirs, usize::MAX, |r| {
                    assert_eq!(r.seq, theirs + 1);
                    theirs += 1;
                })
                .unwrap();
            assert_eq!(theirs, committed, "a follower sees what is committed and no more");
        }
        let mut middle = Vec::new();
        journal.read_from(30, 5, |r| middle.push(r.seq)).unwrap();
        assert_eq!(middle, [31, 32, 33, 34, 35]);
    }
}

#[test]
fn a_real_directory_keeps_records_over_a_restart_and_knows_its_writer() {
    let dir = tempfile::tempdir().unwrap();
    for tier in [Tier::T0, Tier::T2] {
        let path = dir.path().join(format!("{tier:?}"));
        for round in 0..3_u64 {
            let (mut journal, recovery) = Journal::open(&path, config(tier)).unwrap();
            assert_eq!((recovery.last_seq, recovery.epoch), (round * 20, round as u32));
            assert!(matches!(Journal::open(&path, config(tier)), Err(JournalFault::Locked { .. })));
            for n in 1..=20 {
                journal.append(1, &payload(round * 20 + n), 0, 0).unwrap();
            }
            journal.commit().unwrap();
            let mut reader = tidegate_journal::Reader::open(&path, STREAM).unwrap();
            let mut seen = 0;
            reader
                .read_from(0, usize::MAX, |r| {
                    seen += 1;
                    assert_eq!(r.payload, payload(r.seq));
                })
                .unwrap();
            assert_eq!(seen, (round + 1) * 20);
        }
    }
}
