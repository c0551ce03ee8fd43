//! Real captures against an answer from elsewhere: after the diffs up to update id X the touch equals the venue's own best
//! bid and offer with the highest update id not above X.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tidegate_book::{DiffOutcome, Rule, SnapshotOutcome, State, SyncedBook};
use tidegate_normalise::{Binance, BookTicker, Event, Market, SymbolSpec};
use tidegate_units::Side;

fn read(path: &Path) -> Vec<u8> {
    let tool = match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => "gzip",
        Some("zst") => "zstd",
        _ => return std::fs::read(path).unwrap(),
    };
    let out = Command::new(tool).arg("-dc").arg(path).output().unwrap();
    assert!(out.status.success(), "{tool} -dc {}", path.display());
    out.stdout
}

struct Result {
    checked: u64,
    equal: u64,
    gaps: u64,
    refused: u64,
    state: State,
}

fn replay(market: Market, files: &[PathBuf]) -> Result {
    let (rule, px_scale, qty_scale) = match market {
        Market::Spot => (Rule::Spot, 2, 5),
        Market::UsdM | Market::CoinM => (Rule::UsdM, 1, 3),
    };
    let spec = SymbolSpec { symbol: "BTCUSDT".into(), px_scale, px_unit: 1, qty_scale, qty_unit: 1 };
    let mut reader = Binance::new(market, spec);
    let mut events = Vec::new();
    // A best bid and offer can come after the diff that holds it, so all of them are known before any is asked for.
    let mut tickers: BTreeMap<u64, BookTicker> = BTreeMap::new();
    for file in files {
        for line in read(file).split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let space = line.iter().position(|byte| *byte == b' ').unwrap();
            match reader.read(&line[space + 1..]) {
                Ok((_, Event::Ticker(ticker))) => drop(tickers.insert(ticker.update_id, ticker)),
                Ok((_, event)) => events.push(event.into_owned()),
                Err(refusal) => panic!("{refusal}: {}", String::from_utf8_lossy(line)),
            }
        }
    }
    let mut book = SyncedBook::new(rule);
    let mut result =
        Result { checked: 0, equal: 0, gaps: 0, refused: reader.refused().total(), state: State::Syncing };
    for event in events {
        let applied = match event {
            Event::Depth(diff) => match book.on_diff(&diff) {
                DiffOutcome::Applied | DiffOutcome::Bridged => true,
                DiffOutcome::Buffered | DiffOutcome::Stale => false,
                other => panic!("{other:?}"),
            },
            Event::Snapshot(snapshot) => match book.on_snapshot(&snapshot) {
                SnapshotOutcome::Valid => true,
                SnapshotOutcome::AwaitingDiff => false,
                other => panic!("{other:?}"),
            },
            _ => false,
        };
        let newest = tickers.range(..=book.last_id()).next_back();
        let Some((_, want)) = newest.filter(|_| applied) else { continue };
        result.checked += 1;
        let bid = Some((want.bid.px.0, want.bid.qty.0));
        let ask = Some((want.ask.px.0, want.ask.qty.0));
        result.equal += u64::from(book.book().best(Side::Buy) == bid && book.book().best(Side::Sell) == ask);
    }
    result.gaps = book.counts().gaps;
    result.state = book.state();
    result
}

fn report(name: &str, r: &Result) {
    let _ = writeln!(
        std::io::stderr(),
        "{name}: touch equals the venue's in {} of {} checks",
        r.equal,
        r.checked
    );
}

/// The folder of the captures. Only `#[ignore]`d tests ask, so that a run without them says what it left out.
fn captures() -> PathBuf {
    let root =
        std::env::var_os("TIDEGATE_DATA").expect("TIDEGATE_DATA names the folder of the reference data");
    PathBuf::from(root).join("binance-raw-2024-08")
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn spot_capture_gives_the_venues_own_touch() {
    let data = captures();
    let files = ["spot_btcusdt_20240808.jsonl.gz", "spot_btcusdt_20240809.jsonl.gz"].map(|f| data.join(f));
    let r = replay(Market::Spot, &files);
    report("spot", &r);
    assert_eq!((r.gaps, r.refused, r.state), (0, 0, State::Valid));
    assert!(r.checked > 6_400);
    // The venue conflated two of its best bids and offers; the reference set names both.
    assert!(r.checked - r.equal <= 2, "{} of {}", r.equal, r.checked);
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn usdm_capture_gives_the_venues_own_touch() {
    let r = replay(Market::UsdM, &[captures().join("usdm_btcusdt_20240808.jsonl.gz")]);
    report("usdm", &r);
    assert_eq!((r.gaps, r.refused, r.state), (0, 0, State::Valid));
    assert!(r.checked > 6_500);
    assert_eq!(r.equal, r.checked);
}

/// The samples in the repository give the same answer without any reference data.
#[test]
fn a08_the_samples_give_the_venues_own_touch() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../data/samples");
    let entries = std::fs::read_dir(&samples).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for (market, name) in [(Market::Spot, "spot"), (Market::UsdM, "usdm")] {
        let own: Vec<PathBuf> = files
            .iter()
            .filter(|path| {
                let file = path.file_name().and_then(|f| f.to_str()).unwrap_or("");
                file.contains(name) && file.contains(".jsonl")
            })
            .cloned()
            .collect();
        assert!(!own.is_empty(), "no {name} sample in {}", samples.display());
        let r = replay(market, &own);
        report(&format!("sample {name}"), &r);
        assert_eq!((r.gaps, r.refused, r.state), (0, 0, State::Valid));
        assert!(r.checked > 100 && r.checked - r.equal <= 2, "{} of {}", r.equal, r.checked);
    }
}
