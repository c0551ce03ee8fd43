//! The journal against a failing machine: every operation, every way to fail, every bit, every length.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use tidegate_journal::torture::{self, Ran, Script, Specimen};
use tidegate_journal::{Journal, JournalConfig, JournalFault, Tier};
use tidegate_segment::memory::{Crash, MemStorage};
use tidegate_segment::{Storage, scan};

const STREAM: &str = "gateway.journal";

fn config(tier: Tier) -> JournalConfig {
    JournalConfig { segment_bytes: 16_384, ..JournalConfig::new(STREAM, tier) }
}

/// The n-th record of every run: 1 is the first.
fn payload(seq: u64) -> Vec<u8> {
    Script::seeded(1).payload(seq)
}

fn run(disk: &MemStorage, tier: Tier) -> Ran {
    torture::run(disk, &Script::seeded(1), tier).unwrap()
}

fn torture(tier: Tier) -> u64 {
    let crashes = torture::crash_loop(&Script::seeded(1), tier, false);
    assert_eq!(crashes.failures, Vec::<String>::new());
    crashes.points
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
    let crashes = torture::crash_loop(&Script::seeded(1), Tier::T2, true);
    assert!(crashes.failures.len() > 100, "only {} of {} points", crashes.failures.len(), crashes.points);
}

#[test]
fn control_the_judge_sees_a_lost_and_a_changed_record() {
    let script = Script::seeded(1);
    let ran = Ran { appended: 3, acknowledged: 2, finished: false };
    let judge = |found: &[(u64, Vec<u8>)]| torture::judge(&script, found, ran);
    assert!(judge(&[(1, payload(1)), (2, payload(2))]).is_ok());
    assert!(judge(&[(1, payload(1))]).is_err());
    assert!(judge(&[(1, payload(1)), (2, payload(9))]).is_err());
    assert!(judge(&[(1, payload(1)), (3, payload(3))]).is_err());
    assert!(judge(&(1..=4).map(|n| (n, payload(n))).collect::<Vec<_>>()).is_err());
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
        let specimen = Specimen::new(4_096 + 2_048, closed).unwrap();
        let sweep = specimen.bits(0, 1, false);
        assert_eq!(sweep.silent, Vec::<String>::new());
        assert!(sweep.cases > 6_000 * 8 && sweep.refused > sweep.cases / 2, "{sweep:?}");
        let control = specimen.bits(4_096 * 8, 64, true);
        assert!(closed || !control.silent.is_empty(), "a reader that alters a record is noticed");
    }
}

#[test]
fn every_truncation_of_the_file_is_refused() {
    let specimen = Specimen::new(4_096 + 2_048, false).unwrap();
    let sweep = specimen.truncations(0, 1);
    assert_eq!((sweep.silent.len(), sweep.refused), (0, sweep.cases));
    assert!(sweep.cases > 6_000);
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
fn the_next_segment_is_made_once_half_of_this_one_is_used_and_a_restart_takes_it_away() {
    let config = |tier| JournalConfig { segment_bytes: 65_536, ..config(tier) };
    let ahead = |disk: &MemStorage| {
        let names = disk.list().unwrap();
        names.into_iter().filter(|name| name.ends_with(".ahead.new")).collect::<Vec<_>>()
    };
    for tier in [Tier::T0, Tier::T2] {
        let disk = MemStorage::new();
        let (mut journal, _) = Journal::open_on(disk.clone(), config(tier)).unwrap();
        let mut seen = Vec::new();
        for n in 1..=16_u64 {
            journal.append(1, &[7; 3_000], n, 0).unwrap();
            journal.commit().unwrap();
            seen.push(ahead(&disk).len());
        }
        if tier == Tier::T0 {
            assert_eq!(seen, [0; 16], "what survives no power cut writes no zeros");
            continue;
        }
        // A page each, after a header and an opening: half is used at the sixth, and the fourteenth finds no room.
        assert_eq!(seen, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
        for n in 17..=20 {
            journal.append(1, &[7; 3_000], n, 0).unwrap();
            journal.commit().unwrap();
        }
        assert_eq!(ahead(&disk), ["0000000002.ahead.new"]);
        drop(journal);
        disk.clone().create("0000000009.ahead.new", 10).unwrap();
        let (mut journal, recovery) = Journal::open_on(disk.clone(), config(tier)).unwrap();
        assert_eq!((recovery.last_seq, recovery.segments), (20, 2));
        // What was left lying is gone; half of this segment is used, so that the next one is made anew.
        assert_eq!(ahead(&disk), ["0000000002.ahead.new"]);
        assert_eq!(journal.append(1, b"goes on", 21, 0), Ok(21));
        journal.commit().unwrap();
    }
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
