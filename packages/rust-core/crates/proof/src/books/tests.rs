//! The proof over a reduced part of the recordings, and every planted fault found.

use super::mutate::Settings;
use super::tally::Tally;
use super::{Plant, binance, bitstamp, captures, cme, hyperliquid, itch, lobster, mutate, taifex};
use crate::report::Report;
use serde_json::Value;
use std::path::PathBuf;
use tidegate_normalise::Market;

fn data() -> PathBuf {
    std::env::var_os("TIDEGATE_DATA").map(PathBuf::from).expect("TIDEGATE_DATA names the reference data")
}

fn clean(tally: Result<Tally, String>) -> Tally {
    let tally = tally.unwrap();
    assert!(tally.checked > 0 && tally.unexplained() == 0, "{tally:?}");
    tally
}

fn found(tally: Result<Tally, String>) {
    let tally = tally.unwrap();
    assert!(tally.unexplained() > 0, "the planted fault is not found: {tally:?}");
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn a08_recorded_events_replayed_against_a_second_book_are_equal() {
    for each in taifex::DAYS {
        clean(taifex::verify(&data(), &[*each], Plant::None, 20_000));
    }
    found(taifex::verify(&data(), &[taifex::DAYS[0]], Plant::SkipLevel, 60_000));
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn b012_b013_the_touch_is_binances_own_after_every_diff() {
    let spot = &binance::INSTRUMENTS[0];
    let tally = clean(binance::verify(&data(), spot, Plant::None, 0));
    assert_eq!((tally.checked, tally.equal, tally.explained()), (6_493, 6_491, 2));
    found(binance::verify(&data(), spot, Plant::SkipLevel, 2_500));
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn b012_lobster_rows_follow_from_their_messages() {
    for day in lobster::DAYS {
        clean(lobster::verify(&data(), day, Plant::None, 10_000));
    }
    found(lobster::verify(&data(), &lobster::DAYS[0], Plant::SkipLevel, 5_000));
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn b012_the_order_books_of_cme_itch_and_bitstamp_are_the_venues() {
    clean(cme::mbo(&data(), Plant::None));
    clean(cme::mbp1(&data()));
    clean(itch::verify(&data(), Plant::None));
    let tally = clean(bitstamp::verify(&data(), Plant::None, 12_000));
    assert!(tally.explained() * 100 < tally.checked, "a rule explains little: {tally:?}");
    found(cme::mbo(&data(), Plant::ForgetOrder));
    found(itch::verify(&data(), Plant::ForgetOrder));
    found(bitstamp::verify(&data(), Plant::ForgetOrder, 12_000));
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn b013_checksums_sequences_and_tickers_of_the_captures_hold() {
    assert_eq!(clean(captures::summed(&data(), &captures::KRAKEN, Plant::None)).equal, 4_269);
    assert_eq!(clean(captures::summed(&data(), &captures::OKCOIN, Plant::None)).equal, 6);
    assert_eq!(clean(captures::bitfinex(&data(), Plant::None)).equal, 1_670);
    clean(captures::coinbase(&data(), Plant::None));
    clean(captures::binance(&data(), Market::Spot));
    clean(captures::binance(&data(), Market::UsdM));
    clean(hyperliquid::verify(&data(), Plant::None));
    found(captures::summed(&data(), &captures::OKCOIN, Plant::BadChecksum));
    found(captures::summed(&data(), &captures::KRAKEN, Plant::SkipLevel));
    found(captures::bitfinex(&data(), Plant::SkipMessage));
    found(captures::coinbase(&data(), Plant::SkipLevel));
    found(hyperliquid::verify(&data(), Plant::SkipLevel));
}

fn value(report: &Report, name: &str) -> u64 {
    let line: Value = serde_json::from_str(&report.line()).unwrap();
    let checks = line["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).and_then(|check| check["value"].as_u64()).unwrap()
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn b011_b013_mutated_streams_are_never_valid_and_wrong_and_always_repaired() {
    let run = |fault: Option<&str>| {
        let settings = Settings::read("drop,dup,reorder,truncate", "0.02", 2, 7, fault).unwrap();
        let settings = Settings { messages_max: 3_000, ..settings };
        mutate::run(&data(), &binance::INSTRUMENTS[..2], &settings, 100).unwrap()
    };
    let report = run(None);
    assert_eq!(
        (value(&report, "valid_and_wrong"), value(&report, "not_repaired")),
        (0, 0),
        "{}",
        report.line()
    );
    assert!(value(&report, "mutations") > 300 && value(&report, "cut_accepted") == 0);
    assert!(value(&run(Some("ignore-gap")), "valid_and_wrong") > 0);
    assert!(value(&run(Some("accept-bad-checksum")), "valid_and_wrong") > 0);
    assert!(value(&run(Some("never-repair")), "not_repaired") > 0);
}

#[test]
fn a_flag_that_is_none_is_refused() {
    assert!(Plant::read(Some("nothing")).is_err() && Plant::read(Some("skip-level")) == Ok(Plant::SkipLevel));
    for (kinds, rate, fault) in
        [("swap", "0.1", None), ("drop", "2", None), ("drop", "NaN", None), ("drop", "0.1", Some("x"))]
    {
        assert!(Settings::read(kinds, rate, 1, 1, fault).is_err(), "{kinds} {rate} {fault:?}");
    }
}

#[test]
fn every_rule_of_explanation_is_in_the_reference_page() {
    let page = include_str!("../../../../../../docs/reference/book-rules.md");
    for rule in super::RULES {
        assert!(page.contains(&format!("`{rule}`")), "{rule} is not in docs/reference/book-rules.md");
    }
}
