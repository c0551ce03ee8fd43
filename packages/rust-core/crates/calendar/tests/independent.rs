//! The calendars against days that others recorded or printed, not against the rules that made them.
#![allow(missing_debug_implementations, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use flate2::read::GzDecoder;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;
use tidegate_calendar::{Date, Market, Phase, Session, Zone};

const SECOND_NS: i64 = 1_000_000_000;

fn day(number: u32) -> Date {
    Date::from_yyyymmdd(number).unwrap()
}

fn file(name: &str) -> String {
    let folder =
        std::env::var_os("TIDEGATE_DATA").expect("TIDEGATE_DATA names the folder of the reference data");
    let bytes = std::fs::read(PathBuf::from(folder).join(name)).unwrap();
    let mut text = String::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    text
}

/// The days that stand first on the lines of a file, as `2004-01-02…`.
fn days_of(name: &str) -> BTreeSet<Date> {
    let read = |line: &str| day(line.get(..10)?.replace('-', "").parse().ok()?).into();
    file(name).lines().filter_map(read).collect()
}

/// Every day of the market between the first and last of a recorded set must be in it, and no other.
fn assert_same_days(market: Market, recorded: &BTreeSet<Date>) {
    let (first, last) = (*recorded.first().unwrap(), *recorded.last().unwrap());
    let mut at = first;
    while at <= last {
        assert_eq!(market.trades(at).unwrap(), recorded.contains(&at), "{at}");
        at = at.plus(1);
    }
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn b043_xnys_trades_on_the_days_that_have_prices_and_on_no_other() {
    // A backtest of seven stocks 2004 to 2007, closes of 23 funds 2008 to 2016, bars of one stock 2024 and 2025.
    let recorded = [
        days_of("portfolio-accounting/test_gross_lev_to_2007.csv.gz"),
        days_of("portfolio-accounting/stock_prices.csv.gz"),
        days_of("minute-bars/daily_AAPL_2024-11_2025-10.csv"),
    ];
    assert!(recorded.iter().map(BTreeSet::len).sum::<usize>() > 3_300);
    for days in &recorded {
        assert_same_days(Market::Xnys, days);
    }
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn b043_a_days_bar_begins_at_local_midnight_through_both_changes_of_the_clock() {
    let mut offsets = BTreeSet::new();
    for line in file("minute-bars/daily_AAPL_2024-11_2025-10.csv").lines().skip(1) {
        let (date, hour) =
            (day(line[..10].replace('-', "").parse().unwrap()), line[11..13].parse::<i64>().unwrap());
        assert_eq!(Zone::NewYork.utc_s(date, 0), date.days() * 86_400 + hour * 3_600, "{date}");
        offsets.insert(hour);
    }
    assert_eq!(offsets, BTreeSet::from([4, 5]));
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn b043_taifex_is_open_when_its_recorded_trades_happened() {
    let mut trades = 0;
    for name in ["TXFD6_2026-04-08", "TXFD6_2026-04-10", "TMFD6_2026-04-08", "TMFD6_2026-04-10"] {
        for line in file(&format!("taifex-l2-2026-04/{name}.csv.gz")).lines().skip(1) {
            let mut columns = line.split(',');
            let (event, ts) = (columns.next().unwrap(), columns.next().unwrap());
            // Trades of the recorded form; the depth of the pre-open is not traded on.
            let flags: u64 = event.parse().unwrap();
            if flags & 0xff == 2 {
                let ts_ns: i64 = ts.parse().unwrap();
                // Before 08:45 and 15:00 the exchange prints trial matches; those of the close are stamped within its second.
                let phase = Market::Taifex
                    .phase(ts_ns)
                    .unwrap()
                    .max(Market::Taifex.phase(ts_ns - SECOND_NS).unwrap());
                assert_ne!(phase, Phase::Closed, "{name} {ts}");
                trades += u32::from(phase == Phase::Open);
            }
        }
    }
    assert!(trades > 10_000, "{trades}");
}

#[test]
fn b043_xtai_rests_on_the_days_its_exchange_printed_for_2026_and_trades_on_days_with_a_market_report() {
    // Of 2026: new year, settlement-only 12 and 13 February, lunar new year, peace memorial day, children's day, tomb
    // sweeping, labour day, dragon boat, mid-autumn, teachers' day, national day, retrocession day, constitution day.
    let closed =
        [101, 212, 213, 216, 217, 218, 219, 220, 227, 403, 406, 501, 619, 925, 928, 1_009, 1_026, 1_225];
    let mut at = day(20_260_101);
    while at.year() == 2026 {
        let off = at.is_weekend() || closed.contains(&(at.yyyymmdd() % 10_000));
        assert_eq!(Market::Xtai.trades(at).unwrap(), !off, "{at}");
        at = at.plus(1);
    }
    // 2023-01-30 was the first day after the lunar new year; 2024-07-29 the Monday after typhoon Gaemi.
    for number in [20_230_117, 20_230_130, 20_240_726, 20_240_729, 20_241_030, 20_241_101] {
        assert!(Market::Xtai.trades(day(number)).unwrap(), "{number}");
    }
    for number in [20_230_127, 20_240_724, 20_240_725, 20_241_031] {
        assert!(!Market::Xtai.trades(day(number)).unwrap(), "{number}");
    }
}

#[test]
fn b043_half_days_of_new_york_as_the_exchange_printed_them() {
    // NYSE, "Holidays and Trading Hours", 13:00 closes; none in 2021's July (the eve is a Saturday) and in 2022's.
    let printed = [
        20_201_127, 20_201_224, 20_211_126, 20_221_125, 20_230_703, 20_231_124, 20_240_703, 20_241_129,
        20_241_224, 20_250_703, 20_251_128, 20_251_224, 20_261_127, 20_261_224,
    ];
    let mut at = day(20_200_101);
    let mut found = Vec::new();
    while at.year() <= 2026 {
        if Market::Xnys.trades(at).unwrap() && Market::Xnys.is_half_day(at) {
            found.push(at.yyyymmdd());
        }
        at = at.plus(1);
    }
    assert_eq!(found, printed);
    // 2026-11-27 ends at 18:00 UTC, a full day in July at 20:00.
    let end = |number| Market::Xnys.sessions(day(number)).unwrap()[0].end_ns;
    assert_eq!(end(20_261_127), (day(20_261_127).days() * 86_400 + 18 * 3_600) * SECOND_NS);
    assert_eq!(end(20_260_706), (day(20_260_706).days() * 86_400 + 20 * 3_600) * SECOND_NS);
}

#[test]
fn b043_each_phase_holds_from_its_first_nanosecond_to_its_last() {
    for (market, number) in [
        (Market::Xnys, 20_260_309), // the first trading day of summer time
        (Market::Xnys, 20_261_102), // and of winter time
        (Market::Xnys, 20_261_127),
        (Market::Xtai, 20_260_408),
        (Market::Taifex, 20_260_408),
        (Market::Taifex, 20_260_223), // after the lunar new year
        (Market::AllDay, 20_260_101),
    ] {
        for Session { phase, start_ns, end_ns } in market.sessions(day(number)).unwrap() {
            for (at, want) in [(start_ns, phase), (end_ns - 1, phase)] {
                assert_eq!(market.phase(at).unwrap(), want, "{market:?} {number} {at}");
                assert_eq!(market.trading_day(at).unwrap(), day(number), "{market:?} {at}");
            }
            if market != Market::AllDay {
                assert_ne!(
                    (market.session(start_ns - 1).unwrap().map(|(_, s)| s.start_ns)),
                    Some(start_ns),
                    "{market:?} {number}"
                );
                assert_ne!(
                    market.session(end_ns).unwrap().map(|(_, s)| s.start_ns),
                    Some(start_ns),
                    "{market:?} {number}"
                );
            }
        }
    }
}

#[test]
fn b043_the_night_session_counts_to_the_next_trading_day() {
    let taipei = |number, hour: i64| Zone::Taipei.utc_s(day(number), hour * 3_600) * SECOND_NS;
    // A Friday night is Monday's; the night before the lunar new year is that of the first day after it.
    for (number, hour, want) in [
        (20_260_410, 16, 20_260_413),
        (20_260_411, 4, 20_260_413),
        (20_260_211, 20, 20_260_223),
        (20_260_212, 4, 20_260_223),
        (20_260_408, 10, 20_260_408),
        (20_260_408, 14, 20_260_409), // between the sessions: what happens counts to the next day
    ] {
        assert_eq!(Market::Taifex.trading_day(taipei(number, hour)).unwrap(), day(want), "{number} {hour}");
    }
    assert_eq!(Market::Taifex.phase(taipei(20_260_408, 14)).unwrap(), Phase::Closed);
    assert_eq!(Market::Taifex.phase(taipei(20_260_411, 6)).unwrap(), Phase::Closed);
    let periods = Market::Taifex.periods(taipei(20_260_430, 16)).unwrap();
    // The night of April's last day is May's: 1 May is a holiday, 4 May trades.
    assert_eq!((periods.day, periods.week, periods.month), (20_260_504, 20_260_504, 202_605));
}

#[test]
fn a_year_that_is_not_known_is_refused_by_name() {
    let at = |number| day(number).days() * 86_400 * SECOND_NS;
    assert!(Market::Xnys.trading_day(at(20_310_102)).is_err());
    let fault = Market::Xtai.phase(at(20_270_104)).unwrap_err().to_string();
    assert_eq!(
        fault,
        "cannot tell the trading days of Xtai in 2027: its table has 2019 to 2026; add the year's holidays"
    );
    assert!(Market::AllDay.phase(at(20_310_102)).is_ok());
    assert_eq!(Market::parse("XNYS"), Some(Market::Xnys));
    assert_eq!(Market::parse("xnys"), None);
}
