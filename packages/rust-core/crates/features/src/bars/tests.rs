use super::*;
use crate::limits::{BARS_CORRECTABLE_MAX, QUIET_BARS_MAX, TRADES_KEPT_MAX};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegate_normalise::{Alpaca, SymbolSpec};

fn trade(id: u64, ts: i64, px: i64, qty: i64) -> BarTrade {
    BarTrade { id, ts, px, qty, moves: Moves::ALL }
}

fn ohlcv(bar: &Bar) -> [i64; 5] {
    [bar.open, bar.high, bar.low, bar.close, bar.volume]
}

#[test]
fn b014_a_bar_closes_by_event_time_and_not_before() {
    let mut builder = Builder::new(Kind::Time(60), Quiet::Skip);
    let mut out = vec![];
    let mut issue = |bar: &Bar| out.push(*bar);
    builder.on_trade(&trade(1, 5, 10, 1), &mut issue);
    builder.on_trade(&trade(2, 59, 12, 2), &mut issue);
    builder.on_time(59, &mut issue);
    builder.on_time(60, &mut issue);
    builder.on_time(60, &mut issue);
    builder.on_trade(&trade(3, 185, 11, 4), &mut issue);
    builder.on_time(240, &mut issue);
    assert_eq!(
        out.iter().map(|bar| (bar.start, ohlcv(bar))).collect::<Vec<_>>(),
        [(0, [10, 12, 10, 12, 3]), (180, [11, 11, 11, 11, 4])]
    );
}

#[test]
fn b014_quiet_stretches_are_skipped_or_flat_as_asked() {
    let mut builder = Builder::new(Kind::Time(60), Quiet::Flat);
    let mut out = vec![];
    let mut issue = |bar: &Bar| out.push((bar.index, ohlcv(bar)));
    builder.on_time(0, &mut issue);
    builder.on_time(130, &mut issue);
    builder.on_trade(&trade(1, 150, 7, 3), &mut issue);
    builder.on_trade(&trade(2, 310, 9, 1), &mut issue);
    builder.on_time(360, &mut issue);
    // Nothing before the first trade.
    assert_eq!(out, [(2, [7, 7, 7, 7, 3]), (3, [7, 7, 7, 7, 0]), (4, [7, 7, 7, 7, 0]), (5, [9, 9, 9, 9, 1])]);
    let mut many = 0;
    builder.on_time(i64::MAX, &mut |_| many += 1);
    assert_eq!(many, QUIET_BARS_MAX);
}

#[test]
fn b014_a_late_trade_re_issues_its_bar() {
    let mut builder = Builder::new(Kind::Time(10), Quiet::Skip);
    let mut out = vec![];
    let mut issue = |bar: &Bar| out.push((bar.index, bar.revision, ohlcv(bar)));
    builder.on_trade(&trade(1, 5, 100, 1), &mut issue);
    builder.on_trade(&trade(2, 32, 104, 1), &mut issue);
    builder.on_trade(&trade(3, 2, 90, 5), &mut issue);
    builder.on_trade(&trade(4, 9, 101, 1), &mut issue);
    builder.on_trade(&trade(5, 15, 95, 2), &mut issue);
    assert_eq!(
        out,
        [
            (0, 0, [100, 100, 100, 100, 1]),
            (0, 1, [90, 100, 90, 100, 6]),
            (0, 2, [90, 101, 90, 101, 7]),
            (1, 0, [95, 95, 95, 95, 2])
        ]
    );
}

#[test]
fn rule_26_a_correction_or_cancel_re_issues_with_a_revision() {
    let mut builder = Builder::new(Kind::Time(10), Quiet::Skip);
    let mut out = vec![];
    let mut issue = |bar: &Bar| out.push((bar.index, bar.revision, ohlcv(bar)));
    for (id, ts, px) in [(1, 1, 100), (2, 2, 999), (3, 3, 101), (4, 11, 102)] {
        builder.on_trade(&trade(id, ts, px, 1), &mut issue);
    }
    let with = |id, px, qty| Some(trade(id, 0, px, qty));
    assert_eq!(builder.correct(2, with(2, 103, 2), &mut issue), Ok(()));
    assert_eq!(builder.correct(3, None, &mut issue), Ok(()));
    // The bar in work changes silently.
    assert_eq!(builder.correct(4, with(14, 105, 7), &mut issue), Ok(()));
    assert_eq!(builder.current().map(ohlcv), Some([105, 105, 105, 105, 7]));
    // The corrected trade goes by its new id from now on.
    assert_eq!(builder.correct(4, None, &mut issue), Err(CorrectionFault::UnknownTrade));
    assert_eq!(builder.correct(14, with(4, 105, 7), &mut issue), Ok(()));
    assert_eq!(builder.correct(9, None, &mut issue), Err(CorrectionFault::UnknownTrade));
    assert_eq!(builder.correct(1, with(1, 1, -1), &mut issue), Err(CorrectionFault::BadTrade));
    assert_eq!(
        out,
        [(0, 0, [100, 999, 100, 101, 3]), (0, 1, [100, 103, 100, 101, 4]), (0, 2, [100, 103, 100, 103, 3])]
    );
}

#[test]
fn rule_26_prints_move_what_their_condition_allows() {
    let mut builder = Builder::new(Kind::Time(10), Quiet::Skip);
    let mut out = vec![];
    let mut issue = |bar: &Bar| out.push(ohlcv(bar));
    let prints = [
        (1, 100, Moves::ALL),
        (2, 90, Moves::VOLUME),
        (3, 110, Moves::LATE),
        (4, 101, Moves::ALL),
        (5, 500, Moves::NONE),
    ];
    for (ts, px, moves) in prints {
        builder.on_trade(&BarTrade { moves, ..trade(ts as u64, ts, px, 2) }, &mut issue);
    }
    builder.on_trade(&BarTrade { moves: Moves::VOLUME, ..trade(9, 12, 70, 2) }, &mut issue);
    builder.on_time(30, &mut issue);
    assert_eq!(out, [[100, 110, 100, 101, 8]], "an odd lot alone makes no bar");
}

#[test]
fn rule_26_a_late_print_is_the_last_price_only_of_a_day_that_has_none() {
    let mut builder = Builder::new(Kind::Time(10), Quiet::Skip);
    let mut out = vec![];
    let mut issue = |bar: &Bar| out.push(ohlcv(bar));
    let late = |id, ts, px| BarTrade { moves: Moves::LATE, ..trade(id, ts, px, 1) };
    builder.on_trade(&late(1, 1, 100), &mut issue);
    builder.on_trade(&late(2, 2, 90), &mut issue);
    builder.on_time(10, &mut issue);
    // The next day the same again, and a correction of the first does not make the second the first.
    builder.on_day();
    builder.on_trade(&late(3, 11, 200), &mut issue);
    builder.on_trade(&late(4, 12, 190), &mut issue);
    builder.on_time(20, &mut issue);
    assert_eq!(builder.correct(3, Some(late(5, 0, 201)), &mut issue), Ok(()));
    assert_eq!(out, [[100, 100, 90, 100, 2], [200, 200, 190, 200, 2], [201, 201, 190, 201, 2]]);
}

#[test]
fn b014_a_venues_bytes_become_bars_by_their_conditions_and_corrections_and_its_own_bars_none() {
    let spec = SymbolSpec { symbol: "AAPL".into(), px_scale: 2, px_unit: 1, qty_scale: 0, qty_unit: 1 };
    let mut reader = Alpaca::of(vec![spec]);
    let mut builder = Builder::new(Kind::Time(60_000_000_000), Quiet::Skip);
    let mut out = vec![];
    let mut faults = vec![];
    let trade = |id: u32, px: &str, size: u32, conditions: &str, second: u32| {
        format!(
            r#"{{"T":"t","i":{id},"S":"AAPL","x":"D","p":{px},"s":{size},"t":"2021-02-22T15:51:{second:02}Z","c":{conditions},"z":"C"}}"#
        )
    };
    let corrected = r#"{"T":"c","S":"AAPL","x":"D","oi":4,"op":101,"os":10,"oc":["@"],"ci":5,"cp":100.5,"cs":20,"cc":["@"],"t":"2021-02-22T15:52:40Z","z":"C"}"#;
    let cancelled =
        r#"{"T":"x","S":"AAPL","i":1,"x":"D","p":100,"s":100,"a":"E","t":"2021-02-22T15:52:50Z","z":"C"}"#;
    let venue_bar =
        r#"{"T":"b","S":"AAPL","o":1,"h":999,"l":1,"c":999,"v":12345,"t":"2021-02-22T15:51:00Z"}"#;
    for text in [
        trade(1, "100", 100, r#"["@"]"#, 1),
        trade(2, "90", 3, r#"["@","I"]"#, 2),
        trade(3, "110", 50, r#"["@","Z"]"#, 3),
        trade(4, "101", 10, r#"["@","F"]"#, 4),
        venue_bar.into(),
        trade(6, "500", 7, r#"["@","M"]"#, 5),
        trade(7, "102", 1, r#"["@"]"#, 59).replace(":51:", ":52:"),
        corrected.into(),
        cancelled.into(),
        // A print nobody has seen is put right nowhere.
        cancelled.replace("\"i\":1", "\"i\":77"),
        // The corrected print is known by its new id.
        corrected.replace("\"oi\":4", "\"oi\":5").replace("\"ci\":5", "\"ci\":8"),
    ] {
        let read = reader.parse(format!("[{text}]").as_bytes(), &mut |_, event| {
            let mut issue = |bar: &Bar| out.push((bar.revision, ohlcv(bar)));
            faults.extend(builder.on_event(&event, &mut issue).err());
        });
        assert_eq!(read, Ok(1), "{text}");
    }
    assert_eq!(
        out,
        [
            (0, [10_000, 11_000, 10_000, 10_100, 163]),
            (1, [10_000, 11_000, 10_000, 10_050, 173]),
            (2, [10_050, 11_000, 10_050, 10_050, 73]),
            (3, [10_050, 11_000, 10_050, 10_050, 73]),
        ]
    );
    assert_eq!(faults, [CorrectionFault::UnknownTrade]);
}

#[test]
fn b014_ticks_volume_and_notional() {
    let of = |kind| {
        let mut builder = Builder::new(kind, Quiet::Skip);
        let mut out = vec![];
        for n in 0..10 {
            // Times run backwards: these bars go by arrival.
            builder.on_trade(&trade(n, -(n as i64), 100 + n as i64, 3), &mut |bar| {
                out.push((bar.index, ohlcv(bar)))
            });
        }
        out
    };
    assert_eq!(of(Kind::Ticks(4)), [(0, [100, 103, 100, 103, 12]), (1, [104, 107, 104, 107, 12])]);
    assert_eq!(
        of(Kind::Volume(7)),
        [(0, [100, 102, 100, 102, 9]), (1, [103, 105, 103, 105, 9]), (2, [106, 108, 106, 108, 9])]
    );
    assert_eq!(of(Kind::Notional(1_500)), [(0, [100, 104, 100, 104, 15]), (1, [105, 109, 105, 109, 15])]);
}

#[test]
fn what_is_kept_is_bounded_and_older_trades_are_counted() {
    let mut builder = Builder::new(Kind::Time(1), Quiet::Skip);
    let mut issued = 0;
    let count = BARS_CORRECTABLE_MAX as i64 + 3;
    for n in 0..count {
        builder.on_trade(&trade(n as u64, n, 1, 1), &mut |_| issued += 1);
    }
    builder.on_trade(&trade(1_000, 0, 1, 1), &mut |_| issued += 1);
    assert_eq!((builder.dropped(), issued), (1, count - 1));
    assert_eq!(builder.correct(0, None, &mut |_| {}), Err(CorrectionFault::TooOld));
    let mut builder = Builder::new(Kind::Time(10), Quiet::Skip);
    for n in 0..TRADES_KEPT_MAX as u64 + 1 {
        builder.on_trade(&trade(n, 1, 5, 1), &mut |_| {});
    }
    assert_eq!(builder.correct(0, None, &mut |_| {}), Err(CorrectionFault::UnknownTrade));
    assert_eq!(builder.correct(7, None, &mut |_| {}), Err(CorrectionFault::TooOld));
    builder.on_trade(&trade(0, 1, i64::MAX, 1), &mut |_| {});
    assert_eq!(builder.refused(), 1);
}

proptest! {
    #[test]
    fn b014_late_trades_end_in_the_bars_of_the_sorted_tape(
        tape in prop::collection::vec((0_i64..400, 1_i64..100, 0_i64..10), 1..120)
    ) {
        let mut builder = Builder::new(Kind::Time(10), Quiet::Skip);
        let mut last = BTreeMap::new();
        for (id, (ts, px, qty)) in tape.iter().enumerate() {
            builder.on_trade(&trade(id as u64, *ts, *px, *qty), &mut |bar| {
                let before = last.insert(bar.index, *bar);
                assert_eq!(bar.revision, before.map_or(0, |old: Bar| old.revision + 1));
            });
        }
        builder.on_time(1_000, &mut |bar| { last.insert(bar.index, *bar); });
        let mut sorted = tape.clone();
        sorted.sort_by_key(|trade| trade.0);
        let mut want: BTreeMap<i64, [i64; 5]> = BTreeMap::new();
        for (ts, px, qty) in sorted {
            let bar = want.entry(ts / 10).or_insert([px, px, px, px, 0]);
            *bar = [bar[0], bar[1].max(px), bar[2].min(px), px, bar[4] + qty];
        }
        let got: BTreeMap<i64, [i64; 5]> = last.iter().map(|(index, bar)| (*index, ohlcv(bar))).collect();
        prop_assert_eq!(got, want);
    }
}
