use super::*;
use std::collections::BTreeMap;
use tidegate_backtest::convert::{Format, Times, convert};
use tidegate_backtest::store::Stored;
use tidegate_instruments::{Kind as Contract, Venue};

/// E-mini S&P: quarters of a point.
fn emini() -> Instrument {
    Instrument {
        id: 9,
        venue_id: 7,
        venue: Venue::Fix,
        symbol: "ESU4".into(),
        kind: Contract::Future,
        base: "ES".into(),
        quote: "USD".into(),
        px_scale: 2,
        px_unit: 25,
        qty_scale: 0,
        qty_unit: 1,
        e8_per_tick_lot: 1_250_000_000,
        min_qty_lots: 1,
        max_qty_lots: 1_000_000,
        min_notional_e8: 0,
        multiplier: 50,
        expiry: 20_240_920,
    }
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// Rows as the Python model wrote them.
fn known(name: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(sample(name)).unwrap();
    text.lines()
        .map(|line| {
            let at: Vec<i64> = line.split(',').map(|field| field.parse().unwrap()).collect();
            Row {
                kind: Kind::of(at[0] as u8).unwrap(),
                exch_ns: at[1],
                local_ns: at[2],
                px: at[3] as i32,
                qty: at[4],
            }
        })
        .collect()
}

fn of(bytes: &[u8], asked: Option<&str>) -> Result<Read, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("day.dbn");
    std::fs::write(&path, bytes).unwrap();
    read(&[path], &emini(), asked)
}

#[test]
fn a46_files_that_databento_wrote_give_the_rows_of_a_plain_model_in_each_version_and_schema() {
    for name in ["mbo-v3", "mbp10-v2", "trades-v1"] {
        let read = read(&[sample(&format!("{name}.dbn.zst"))], &emini(), None).unwrap();
        let known = known(&format!("{name}.csv"));
        for (at, (found, want)) in read.rows.iter().zip(&known).enumerate() {
            assert_eq!(found, want, "{name}, row {at}");
        }
        assert_eq!(read.rows.len(), known.len(), "{name}");
        assert!(known.len() > 30 && read.left_out > 0, "{name}");
    }
}

#[test]
fn a46_a_model_without_one_cancel_gives_other_rows() {
    // The negative control of the test above: what it compares does tell a record that is lost.
    let plain = plain_of("mbo-v3.dbn.zst");
    let head = 8 + u32::from_le_bytes(plain[4..8].try_into().unwrap()) as usize;
    let cancel = plain[head..].chunks_exact(56).position(|record| record[38] == b'C').unwrap();
    let mut cut = plain.clone();
    cut.drain(head + cancel * 56..head + (cancel + 1) * 56);
    let read = of(&cut, None);
    assert!(read.is_err() || read.unwrap().rows != known("mbo-v3.csv"));
}

/// A sample unpacked.
fn plain_of(name: &str) -> Vec<u8> {
    tidegate_datasets::source::read_all(&sample(name), 1 << 20).unwrap()
}

#[test]
fn a46_the_instrument_is_that_of_the_symbol_and_none_is_guessed() {
    let two = plain_of("mbo-v3.dbn.zst");
    let as_is = of(&two, None).unwrap();
    assert_eq!(of(&two, Some("ESU4")).unwrap().rows, as_is.rows);
    assert_eq!(of(&two, Some("118")).unwrap().rows, as_is.rows);
    let other = of(&two, Some("NQU4")).unwrap();
    assert!(other.rows.len() < as_is.rows.len() && other.left_out > as_is.left_out);
    assert!(of(&two, Some("CLU4")).unwrap_err().contains("ESU4 = 118, NQU4 = 4358"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("day.dbn");
    std::fs::write(&path, &two).unwrap();
    let unknown = Instrument { symbol: "ES".into(), ..emini() };
    let fault = read(&[path], &unknown, None).unwrap_err();
    assert!(fault.contains("want --symbol of ESU4 = 118, NQU4 = 4358"), "{fault}");
}

#[test]
fn a46_a_cut_or_damaged_dbn_file_names_file_record_and_remedy() {
    let plain = plain_of("mbp10-v2.dbn.zst");
    let fault = of(&plain[..plain.len() - 100], None).unwrap_err();
    assert!(fault.contains("day.dbn:60: Truncated") && fault.contains("fetch the file again"), "{fault}");
    let packed = std::fs::read(sample("mbp10-v2.dbn.zst")).unwrap();
    let fault = of(&packed[..packed.len() - 40], None).unwrap_err();
    assert!(fault.contains("Truncated"), "{fault}");
    let whole = of(&packed, None).unwrap().rows;
    let mut refused = 0;
    for at in (0..packed.len()).step_by(11) {
        let mut bad = packed.clone();
        bad[at] ^= 0x10;
        match of(&bad, None) {
            Err(fault) => refused += usize::from(fault.contains("day.dbn")),
            // A flag of the frame that says nothing of the content; the zstd the samples are packed with has a checksum.
            Ok(read) => assert_eq!(read.rows, whole, "byte {at}"),
        }
    }
    assert!(refused > 100, "{refused}");
    // Tables of symbols that go past the metadata.
    let mut bad = plain;
    bad[8 + 104] = 0xff;
    let fault = of(&bad, None).unwrap_err();
    assert!(fault.contains("tables of symbols are cut"), "{fault}");
}

#[test]
fn a46_a_price_between_two_ticks_and_a_book_without_its_beginning_are_refused_with_their_record() {
    let mut coarse = emini();
    coarse.px_unit = 100;
    let fault = read(&[sample("trades-v1.dbn.zst")], &coarse, None).unwrap_err();
    assert!(fault.contains("trades-v1.dbn.zst:") && fault.contains("no whole number of ticks"), "{fault}");
    // The metadata, then the later half of the records.
    let plain = plain_of("mbo-v3.dbn.zst");
    let head = 8 + u32::from_le_bytes(plain[4..8].try_into().unwrap()) as usize;
    let records = (plain.len() - head) / 56;
    let late = [&plain[..head], &plain[head + records / 2 * 56..]].concat();
    let fault = of(&late, None).unwrap_err();
    assert!(fault.contains("does not begin with a snapshot"), "{fault}");
}

/// Levels of a side that rows build.
fn levels(rows: &[Row]) -> [BTreeMap<i32, i64>; 2] {
    let mut sides = [BTreeMap::new(), BTreeMap::new()];
    for row in rows {
        match row.kind {
            Kind::Bid | Kind::Ask => {
                sides[row.kind as usize].insert(row.px, row.qty);
                sides[row.kind as usize].retain(|_, qty| *qty > 0);
            }
            Kind::Clear => sides.iter_mut().for_each(BTreeMap::clear),
            _ => {}
        }
    }
    sides
}

fn data() -> PathBuf {
    PathBuf::from(std::env::var("TIDEGATE_DATA").expect("TIDEGATE_DATA"))
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn a46_two_recorded_days_of_orders_end_in_the_book_another_implementation_states() {
    let folder = data().join("cme-es-mbo");
    let files = ["20231224", "20231225"].map(|day| folder.join(format!("esh4-glbx-mdp3-{day}.mbo.dbn.zst")));
    let read = read(&files, &Instrument { symbol: "ESH4".into(), ..emini() }, None).unwrap();
    let [bids, asks] = levels(&read.rows);
    assert_eq!((read.messages, bids.len(), asks.len()), (77_517, 922, 565));
    assert_eq!(bids.last_key_value(), Some((&19_240, &22)));
    assert_eq!(asks.first_key_value(), Some((&19_241, &28)));
    let trades = read.rows.iter().filter(|row| matches!(row.kind, Kind::BuyTrade | Kind::SellTrade)).count();
    assert_eq!(trades as u64 + read.left_out, 2_973);
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn a46_recorded_tops_are_those_of_their_decoded_twin_after_each_record() {
    let name = "futures_mbp-1_2024-07-01T23-58_2024-07-02T00-02";
    let folder = data().join("cme-futures-mbp1");
    let read = read(&[folder.join(format!("{name}.dbn.zst"))], &emini(), None).unwrap();
    let twin = tidegate_datasets::source::read_all(&folder.join(format!("{name}.csv.gz")), 1 << 24).unwrap();
    let (mut at, mut trades) = (0, 0);
    for line in String::from_utf8(twin).unwrap().lines().skip(1) {
        let field: Vec<&str> = line.split(',').collect();
        let number = |at: usize| field[at].parse::<i64>().unwrap();
        if field[3] == "T" {
            let row = read.rows[at];
            assert_eq!((row.exch_ns, row.local_ns), (number(0), number(1)), "{line}");
            assert_eq!((i64::from(row.px) * 250_000_000, row.qty), (number(6), number(7)), "{line}");
            (at, trades) = (at + 1, trades + 1);
        }
        // Rows of this record follow until its top, and nothing else, is shown.
        let want = [[(number(11), number(13))], [(number(12), number(14))]];
        let shown = |at: usize| {
            levels(&read.rows[..at]).map(|side| {
                side.iter().map(|(px, qty)| (i64::from(*px) * 250_000_000, *qty)).collect::<Vec<_>>()
            })
        };
        while shown(at) != want {
            let row = read.rows[at];
            assert!(row.kind <= Kind::Ask, "{line}: row {at} is a trade");
            assert_eq!((row.exch_ns, row.local_ns), (number(0), number(1)), "{line}");
            at += 1;
        }
    }
    assert_eq!((at, trades), (read.rows.len(), 120));
}

#[test]
fn a46_a_tape_of_databentos_names_its_source_and_opens() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("day.tape");
    let files = [sample("mbo-v3.dbn.zst")];
    let rows = read(&files, &emini(), None).unwrap().rows;
    let count = rows.len();
    let told = crate::write_rows(rows, &files, &emini(), 0, None, &out).unwrap();
    assert_eq!((told.received_rows, told.header.rule.clone()), (count, None));
    assert_eq!(told.header.sources[0].0, "mbo-v3.dbn.zst");
    let json = serde_json::to_string(&told.header).unwrap();
    assert!(!json.contains("rule"), "a tape of what was recorded is what it was: {json}");
    assert!(Stored::open(&out).is_ok());
    let fault = crate::write_rows(Vec::new(), &files, &emini(), 0, None, &out).unwrap_err();
    assert!(fault.contains("not one row of ESU4"), "{fault}");
    // The other formats refuse it by what it is.
    assert!(convert(Format::Npz, &files, &emini(), Times::default(), &out).is_err());
}
