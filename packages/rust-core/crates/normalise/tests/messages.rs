//! Messages with known answers, and messages that must be refused by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use tidegate_normalise::limits::{LEVELS_MAX, MESSAGE_BYTES_MAX};
use tidegate_normalise::{Binance, Event, Level, Market, Refusal, SymbolSpec};
use tidegate_units::{EpochNs, PxTicks, QtyLots, Side};

fn spot() -> Binance {
    let spec = SymbolSpec { symbol: "BTCUSDT".into(), px_scale: 2, px_unit: 1, qty_scale: 5, qty_unit: 1 };
    Binance::new(Market::Spot, spec)
}

fn usdm() -> Binance {
    let spec = SymbolSpec { symbol: "BTCUSDT".into(), px_scale: 1, px_unit: 1, qty_scale: 3, qty_unit: 1 };
    Binance::new(Market::UsdM, spec)
}

fn level(px: i64, qty: i64) -> Level {
    Level { px: PxTicks(px), qty: QtyLots(qty) }
}

const SPOT_DEPTH: &str = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255308,"s":"BTCUSDT","U":50093239203,"u":50093239207,"b":[["55653.87000000","0.00000000"]],"a":[["61838.04000000","0.32332000"],["61844.30000000","0.40163000"]]}}"#;
const SPOT_TICKER: &str = r#"{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}"#;
const SPOT_TRADE: &str = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}"#;
const OLD_TRADE: &str = r#"{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":7,"p":"61837.63","q":"0.02","b":88,"a":50,"T":1723161255342,"m":false,"M":true}"#;
const SPOT_SNAPSHOT: &str = r#"{"lastUpdateId":50093239218,"bids":[["61837.63000000","3.78826000"]],"asks":[["61837.64000000","1.60520000"]]}"#;
const USDM_DEPTH: &str = r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT","U":5123107832006,"u":5123107837557,"pu":5123107831937,"b":[["58710.20","0.014"]],"a":[]}}"#;
const USDM_TICKER: &str = r#"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}}"#;
const USDM_TRADE: &str = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256321,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}"#;
const USDM_SNAPSHOT: &str = r#"{"lastUpdateId":5123107852948,"E":1723161256501,"T":1723161256493,"bids":[["61800.20","2.909"]],"asks":[["61800.30","0.696"]]}"#;

#[test]
fn a07_spot_messages_give_exact_integers_and_the_venues_time() {
    let mut n = spot();
    let Ok((0, Event::Depth(d))) = n.read(SPOT_DEPTH.as_bytes()) else { panic!() };
    assert_eq!((d.first_id, d.last_id, d.prev_id), (50_093_239_203, 50_093_239_207, None));
    assert_eq!(d.ts_venue, EpochNs(1_723_161_255_308_000_000));
    assert_eq!(
        (d.bids.to_vec(), d.asks.to_vec()),
        (vec![level(5_565_387, 0)], vec![level(6_183_804, 32_332), level(6_184_430, 40_163)])
    );
    let Ok((0, Event::Ticker(t))) = n.read(SPOT_TICKER.as_bytes()) else { panic!() };
    assert_eq!(
        (t.update_id, t.ts_venue, t.bid, t.ask.px),
        (50_093_239_212, EpochNs(0), level(6_183_763, 378_826), PxTicks(6_183_764))
    );
    let Ok((0, Event::Trade(t))) = n.read(SPOT_TRADE.as_bytes()) else { panic!() };
    assert_eq!((t.trade_id, t.px.0, t.qty.0, t.aggressor), (3_735_683_259, 6_183_763, 2_000, Side::Sell));
    assert_eq!(t.ts_venue, EpochNs(1_723_161_255_342_000_000), "the time of the trade, not of the message");
    let Ok((0, Event::Trade(t))) = n.read(OLD_TRADE.as_bytes()) else { panic!() };
    assert_eq!(t.aggressor, Side::Buy);
    let Ok((0, Event::Snapshot(s))) = n.read(SPOT_SNAPSHOT.as_bytes()) else { panic!() };
    assert_eq!(
        (s.last_id, s.ts_venue, s.bids.to_vec()),
        (50_093_239_218, EpochNs(0), vec![level(6_183_763, 378_826)])
    );
    assert_eq!(n.read(br#"{"result":null,"id":1}"#), Ok((0, Event::Ack)));
    assert_eq!(n.read(br#"{"e":"serverShutdown","E":1}"#), Ok((0, Event::ServerShutdown)));
    assert_eq!((n.accepted(), n.refused().total()), (7, 0));
}

#[test]
fn usdm_messages_carry_their_chain_and_time() {
    let mut n = usdm();
    let Ok((0, Event::Depth(d))) = n.read(USDM_DEPTH.as_bytes()) else { panic!() };
    assert_eq!(
        (d.prev_id, d.bids.to_vec(), d.asks.to_vec()),
        (Some(5_123_107_831_937), vec![level(587_102, 14)], vec![])
    );
    let Ok((0, Event::Ticker(t))) = n.read(USDM_TICKER.as_bytes()) else { panic!() };
    assert_eq!(t.ts_venue, EpochNs(1_723_161_256_313_000_000));
    let Ok((0, Event::Trade(t))) = n.read(USDM_TRADE.as_bytes()) else { panic!() };
    assert_eq!((t.px.0, t.qty.0, t.aggressor), (618_003, 6, Side::Buy));
    let Ok((0, Event::Snapshot(s))) = n.read(USDM_SNAPSHOT.as_bytes()) else { panic!() };
    assert_eq!(s.ts_venue, EpochNs(1_723_161_256_501_000_000));
}

#[test]
fn a07_each_refusal_has_its_name_and_its_counter() {
    let mut n = spot();
    let many = format!(
        r#"{{"lastUpdateId":1,"bids":[{}],"asks":[]}}"#,
        vec![r#"["1","1"]"#; LEVELS_MAX + 1].join(",")
    );
    let long = " ".repeat(MESSAGE_BYTES_MAX + 1);
    let cases: Vec<(String, Refusal)> = vec![
        (long, Refusal::Oversize),
        (many, Refusal::TooManyLevels),
        ("nonsense".into(), Refusal::Malformed),
        (String::new(), Refusal::Malformed),
        ("[]".into(), Refusal::Malformed),
        (SPOT_TRADE.replace("3735683259", "1.5"), Refusal::Malformed),
        (SPOT_TRADE.replace("3735683259", "-1"), Refusal::Malformed),
        (SPOT_TRADE.replace("\"61837.63000000\"", "61837.63"), Refusal::Malformed),
        (SPOT_TRADE.replace("\"q\"", "\"p\""), Refusal::Malformed),
        (SPOT_TRADE.replace("\"q\"", "\"qq\""), Refusal::MissingField),
        (SPOT_TRADE.replace("\"m\"", "\"mm\""), Refusal::MissingField),
        (SPOT_TRADE.replace("\"s\"", "\"ss\""), Refusal::MissingField),
        (SPOT_DEPTH.replace("\"a\"", "\"aa\""), Refusal::MissingField),
        (SPOT_DEPTH.replace("\"E\"", "\"EE\""), Refusal::MissingField),
        (SPOT_DEPTH.replace("depthUpdate", "kline"), Refusal::UnknownEvent),
        ("{}".into(), Refusal::UnknownEvent),
        (SPOT_DEPTH.replace("BTCUSDT", "ETHUSDT"), Refusal::WrongSymbol),
        (SPOT_TICKER.replace("BTCUSDT", "btcusdt"), Refusal::WrongSymbol),
        (SPOT_TRADE.replace("61837.63000000", "NaN"), Refusal::BadDecimal),
        (SPOT_TRADE.replace("61837.63000000", "6e4"), Refusal::BadDecimal),
        (SPOT_TRADE.replace("61837.63000000", "61837.63500000"), Refusal::PxOffTick),
        (SPOT_DEPTH.replace("55653.87000000", "55653.87100000"), Refusal::PxOffTick),
        (SPOT_TRADE.replace("0.02000000", "0.02000100"), Refusal::QtyOffLot),
        (SPOT_TRADE.replace("61837.63000000", "0.00"), Refusal::PxZeroOrNeg),
        (SPOT_TRADE.replace("61837.63000000", "-1.00"), Refusal::PxZeroOrNeg),
        (SPOT_TRADE.replace("0.02000000", "-0.02"), Refusal::QtyNegOrZero),
        (SPOT_TRADE.replace("0.02000000", "0"), Refusal::QtyNegOrZero),
        (SPOT_DEPTH.replace("0.32332000", "-0.32332000"), Refusal::QtyNegOrZero),
        (SPOT_TRADE.replace("61837.63000000", "99999999999999999999"), Refusal::Overflow),
        (SPOT_TRADE.replace("\"T\":1723161255342", "\"T\":-5"), Refusal::BadTime),
        (SPOT_TRADE.replace("\"T\":1723161255342", "\"T\":1723161255342000"), Refusal::BadTime),
        (SPOT_DEPTH.replace("50093239203", "50093239208"), Refusal::BadSequence),
        (USDM_DEPTH.into(), Refusal::BadSequence),
        (USDM_TRADE.replace("MARKET", "INSURANCE_FUND"), Refusal::NonMarketTrade),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (text, want) in cases {
        let before = n.refused().get(want);
        assert_eq!(n.read(text.as_bytes()), Err(want), "{}", &text[..text.len().min(200)]);
        assert_eq!(n.refused().get(want), before + 1);
        seen.insert(want);
    }
    // The others have theirs beside the readers that give them.
    let elsewhere = [
        Refusal::BadBar,
        Refusal::BadBand,
        Refusal::LevelsUnsorted,
        Refusal::UnknownCondition,
        Refusal::UnknownStatus,
    ];
    assert_eq!(seen.len() + elsewhere.len(), Refusal::ALL.len(), "every refusal has a case");
    assert_eq!(usdm().read(SPOT_DEPTH.as_bytes()), Err(Refusal::BadSequence));
}

#[test]
fn a_part_of_a_lot_at_a_level_is_cut_off_and_counted() {
    let mut n = spot();
    let Ok((0, Event::Depth(d))) = n.read(SPOT_DEPTH.replace("0.32332000", "93.75658799").as_bytes()) else {
        panic!()
    };
    assert_eq!((d.asks[0].qty, n.dust()), (QtyLots(9_375_658), 1));
    let Ok((0, Event::Depth(d))) = n.read(SPOT_DEPTH.replace("0.32332000", "0.00000100").as_bytes()) else {
        panic!()
    };
    assert_eq!(d.asks[0].qty, QtyLots(0), "less than a lot cannot be traded");
    assert_eq!(
        n.read(SPOT_DEPTH.replace("0.32332000", "-0.00000100").as_bytes()),
        Err(Refusal::QtyNegOrZero)
    );
}

#[test]
fn an_empty_side_is_valid_in_a_ticker() {
    let Ok((0, Event::Ticker(t))) = spot().read(
        SPOT_TICKER.replace("3.78826000", "0.00000000").replace("61837.63000000", "0.00000000").as_bytes(),
    ) else {
        panic!()
    };
    assert_eq!(t.bid, level(0, 0));
}

const REAL: [&str; 9] = [
    SPOT_DEPTH,
    SPOT_TICKER,
    SPOT_TRADE,
    OLD_TRADE,
    SPOT_SNAPSHOT,
    USDM_DEPTH,
    USDM_TICKER,
    USDM_TRADE,
    USDM_SNAPSHOT,
];

/// What any accepted event must satisfy, whatever bytes made it.
fn sane(event: &Event<'_>) -> bool {
    let level = |l: &Level| l.px.0 > 0 && l.qty.0 >= 0;
    match event {
        Event::Depth(d) => {
            d.first_id <= d.last_id && d.bids.iter().chain(d.asks.iter()).all(level) && d.ts_venue.0 >= 0
        }
        Event::Snapshot(s) => s.bids.iter().chain(s.asks.iter()).all(level) && s.ts_venue.0 >= 0,
        Event::Ticker(t) => [t.bid, t.ask].iter().all(|l| l.qty.0 >= 0 && (l.qty.0 == 0 || l.px.0 > 0)),
        Event::Trade(t) => t.px.0 > 0 && t.qty.0 > 0 && t.ts_venue.0 >= 0,
        Event::Ack | Event::ServerShutdown => true,
        other => panic!("{other:?} is no event of this venue"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a07_mutated_real_messages_are_sane_or_refused(
        which in 0_usize..REAL.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..6),
    ) {
        let mut bytes = REAL[which].as_bytes().to_vec();
        for (at, byte, kind) in edits {
            if bytes.is_empty() { break; }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        for mut n in [spot(), usdm()] {
            match n.read(&bytes) {
                Ok((_, event)) => prop_assert!(sane(&event), "{event:?}"),
                Err(refusal) => prop_assert_eq!(n.refused().get(refusal), 1),
            }
            prop_assert_eq!(n.accepted() + n.refused().total(), 1);
        }
    }

    #[test]
    fn any_bytes_are_sane_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok((_, event)) = spot().read(&bytes) {
            prop_assert!(sane(&event));
        }
    }
}

/// Cases with answers of another normaliser, whose numbers are floats: compared as decimal text.
#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn another_normalisers_cases_agree() {
    let root =
        std::env::var_os("TIDEGATE_DATA").expect("TIDEGATE_DATA names the folder of the reference data");
    let out = Command::new("gzip")
        .arg("-dc")
        .arg(PathBuf::from(root).join("normaliser-cases/cases.jsonl.gz"))
        .output()
        .unwrap();
    let (mut trades, mut tickers, mut depths) = (0, 0, 0);
    for line in String::from_utf8(out.stdout).unwrap().lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let market = match case["exchange"].as_str().unwrap() {
            "binance" => Market::Spot,
            "binance-futures" => Market::UsdM,
            _ => continue,
        };
        let Some(symbol) = case["message"]["data"]["s"].as_str() else { continue };
        let spec = SymbolSpec { symbol: symbol.into(), px_scale: 8, px_unit: 1, qty_scale: 8, qty_unit: 1 };
        let mut reader = Binance::new(market, spec);
        let Ok((_, event)) = reader.read(case["message"].to_string().as_bytes()) else {
            continue;
        };
        let Some(want) = case["expected"].as_array().and_then(|e| e.first()) else { continue };
        let same = |count: i64, field: &str| {
            let number = want[field].as_f64().unwrap();
            assert_eq!(
                format!("{number:.8}"),
                tidegate_units::format_decimal(count, 8, 1),
                "{field} of {line}"
            );
        };
        match event {
            Event::Trade(t) => {
                same(t.px.0, "price");
                same(t.qty.0, "amount");
                assert_eq!(want["side"], if t.aggressor == Side::Buy { "buy" } else { "sell" });
                trades += 1;
            }
            Event::Ticker(t) if want["type"] == "book_ticker" => {
                same(t.bid.px.0, "bidPrice");
                same(t.bid.qty.0, "bidAmount");
                same(t.ask.px.0, "askPrice");
                same(t.ask.qty.0, "askAmount");
                tickers += 1;
            }
            Event::Depth(d) if want["type"] == "book_change" => {
                for (levels, field) in [(&d.bids, "bids"), (&d.asks, "asks")] {
                    let want = want[field].as_array().unwrap();
                    assert_eq!(levels.len(), want.len());
                    for (level, want) in levels.iter().zip(want) {
                        let text = |v: &serde_json::Value| format!("{:.8}", v.as_f64().unwrap());
                        assert_eq!(text(&want["price"]), tidegate_units::format_decimal(level.px.0, 8, 1));
                        assert_eq!(text(&want["amount"]), tidegate_units::format_decimal(level.qty.0, 8, 1));
                    }
                }
                depths += 1;
            }
            _ => {}
        }
    }
    let _ =
        writeln!(std::io::stderr(), "normaliser cases: {trades} trades, {tickers} tickers, {depths} depth");
    assert!(trades > 0 && tickers > 0 && depths > 0);
}
