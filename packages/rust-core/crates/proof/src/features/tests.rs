use super::*;
use data::text;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_features::bars::{BarTrade, Builder, Kind, Moves, Quiet};

fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os("TIDEGATE_DATA").unwrap_or_default())
}

fn values(report: &Report) -> BTreeMap<String, i64> {
    let read: serde_json::Value = serde_json::from_str(&report.line()).unwrap_or_default();
    let checks = read["checks"].as_array().cloned().unwrap_or_default();
    let value = |check: &serde_json::Value| {
        (check["name"].as_str().unwrap_or("").to_string(), check["value"].as_i64().unwrap_or(-1))
    };
    checks.iter().map(value).collect()
}

#[test]
fn a09_the_vectors_are_equal_and_a_planted_digit_is_not() {
    let (sound, broken) = (vectors::compare(false), vectors::compare(true));
    assert_eq!((sound.of, sound.unequal, broken.unequal), (102, 0, 1), "{:?}", sound.first);
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn a09_b072_the_proof_holds_and_each_planted_fault_is_found() {
    let scope = Scope { updates: 3_000, minimum: 1_000 };
    let run = |plant: &str| run(&folder(), plant, scope).map(|report| (values(&report), report.line()));
    let names = ["vectors_unequal", "indicators_out_of_tolerance", "stream_batch_unequal"];
    match run("") {
        Ok((values, line)) => names.iter().for_each(|name| {
            assert_eq!(values.get(*name), Some(&0), "{line}");
            assert!(values[&format!("{name}_of")] >= 1_000, "{line}");
        }),
        Err(fault) => unreachable!("{fault}"),
    }
    for (plant, name) in BREAKS.into_iter().zip([names[0], names[1], names[2], names[0]]) {
        let found = run(plant).map(|(values, _)| values[name]);
        assert!(found.as_ref().is_ok_and(|count| *count > 0), "{plant}: {found:?}");
    }
}

/// Trades of a CSV with the given columns for id, time, price and size.
fn tape(text: &str, header: usize, columns: [usize; 4]) -> Vec<BarTrade> {
    let read = |line: &str| {
        let fields: Vec<i64> = line.split(',').map(|field| field.trim().parse().unwrap_or(0)).collect();
        let [id, ts, px, qty] = columns.map(|column| fields.get(column).copied().unwrap_or(0));
        BarTrade { id: id as u64, ts, px, qty, moves: Moves::ALL }
    };
    text.lines().skip(header).map(read).collect()
}

/// The last revision of each bar.
fn bars(kind: Kind, tape: &[BarTrade]) -> BTreeMap<i64, [i64; 5]> {
    let mut last = BTreeMap::new();
    let mut builder = Builder::new(kind, Quiet::Skip);
    let mut issue = |bar: &tidegate_features::bars::Bar| {
        last.insert(bar.start, [bar.open, bar.high, bar.low, bar.close, bar.volume]);
    };
    tape.iter().for_each(|trade| builder.on_trade(trade, &mut issue));
    builder.on_time(i64::MAX, &mut issue);
    last
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn b014_bars_of_recorded_trades_equal_the_minute_bars_also_where_trades_come_late() -> Result<(), String> {
    let folder = folder().join("cme-futures-mbp1");
    let trades = text(&folder.join("futures_trades_2024-07-01T23-58_2024-07-02T00-02.csv.gz"))?;
    let reference = text(&folder.join("futures_ohlcv-1m_2024-07-01T23-40_2024-07-02T00-10.csv.gz"))?;
    let instruments = |text: &str, column: usize| {
        let mut by: BTreeMap<String, String> = BTreeMap::new();
        for line in text.lines().skip(1) {
            let key = line.split(',').nth(column).unwrap_or("").to_string();
            by.entry(key).or_default().push_str(&format!("{line}\n"));
        }
        by
    };
    let (tapes, references) = (instruments(&trades, 2), instruments(&reference, 1));
    let (mut equal, minute) = (0, 60_000_000_000);
    for (instrument, lines) in &tapes {
        let mut sorted = tape(lines, 0, [10, 0, 6, 7]);
        let got = bars(Kind::Time(minute), &sorted);
        let want: BTreeMap<i64, [i64; 5]> = references[instrument]
            .lines()
            .map(|line| line.split(',').map(|field| field.parse().unwrap_or(0)).collect::<Vec<i64>>())
            .map(|f| (f[0], [f[2], f[3], f[4], f[5], f[6]]))
            .collect();
        for (start, bar) in &got {
            assert_eq!(Some(bar), want.get(start), "{instrument} at {start}");
            equal += 1;
        }
        // A minute without a trade has no bar on either side.
        let (first, last) = (sorted[0].ts / minute * minute, sorted[sorted.len() - 1].ts);
        assert_eq!(want.range(first..=last).count(), got.len(), "{instrument}");
        // Every seventh trade comes after all the others: the same bars in the end.
        let late: Vec<BarTrade> = sorted.iter().step_by(7).copied().collect();
        sorted.retain(|trade| {
            !late.iter().any(|other| {
                other.id == trade.id && other.ts == trade.ts && other.px == trade.px && other.qty == trade.qty
            })
        });
        sorted.extend(late);
        let again = bars(Kind::Time(minute), &sorted);
        let loose =
            |bars: &BTreeMap<i64, [i64; 5]>| bars.iter().map(|(s, b)| (*s, b[1], b[2])).collect::<Vec<_>>();
        assert_eq!(loose(&again), loose(&got), "{instrument}");
    }
    assert!(equal >= 4, "{equal}");
    Ok(())
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn b014_a_day_of_equity_prints_agrees_with_second_bars_as_far_as_conditions_allow() -> Result<(), String> {
    let folder = folder().join("us-equity-ticks-bars/equity/usa");
    for (symbol, least) in [("ibm", 0.75), ("spy", 0.85)] {
        let prints = tape(&text(&folder.join(format!("tick/{symbol}/20131007_trade.zip")))?, 0, [0, 0, 1, 2]);
        let got = bars(Kind::Time(1_000), &prints);
        let rows = text(&folder.join(format!("second/{symbol}/20131007_trade.zip")))?;
        let (mut equal, mut of) = (0_u32, 0_u32);
        for row in rows.lines() {
            let f: Vec<i64> = row.split(',').map(|field| field.parse().unwrap_or(0)).collect();
            of += 1;
            equal += u32::from(got.get(&f[0]).is_some_and(|bar| bar[..4] == f[1..5]));
        }
        // Bars leave out some sale conditions that the tape's flags do not name.
        assert!(f64::from(equal) >= least * f64::from(of), "{symbol}: {equal} of {of}");
    }
    Ok(())
}
