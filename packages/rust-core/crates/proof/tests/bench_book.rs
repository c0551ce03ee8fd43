//! The book bench without its peers, small: the sums of our books against plain maps on the samples of the repository, and
//! against the independent ones on the reference data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;
use tidegate_book::L2Book;
use tidegate_proof::args::Args;
use tidegate_proof::bench_book::{L2Set, bounded, feed_bounded, feed_general, l2_of, l2_sum, l3_of, read};
use tidegate_units::Side;

/// The checksum by sorted maps.
fn plain(set: &L2Set) -> u64 {
    let mut sides = [BTreeMap::new(), BTreeMap::new()];
    let mut sum = 0_u64;
    for update in &set.updates {
        let side = &mut sides[update.side as usize];
        if update.qty > 0 {
            side.insert(update.px, update.qty)
        } else {
            side.remove(&update.px)
        };
        if update.last {
            let bid = sides[Side::Buy as usize].keys().next_back().copied();
            let ask = sides[Side::Sell as usize].keys().next().copied();
            sum = sum.wrapping_add(l2_sum(bid, ask));
        }
    }
    sum
}

#[test]
fn bench_book_tiny_our_books_give_the_sums_of_plain_maps_on_the_samples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../data/samples");
    for (name, px_scale, qty_scale) in [("spot", 2, 8), ("usdm", 1, 3)] {
        let mut files: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| {
            let file = path.file_name().unwrap().to_str().unwrap();
            file.contains(name) && file.contains(".jsonl")
        });
        files.sort();
        let bytes: Vec<_> = files.iter().map(|path| read(path).unwrap()).collect();
        let set = l2_of(&bytes, px_scale, qty_scale).unwrap();
        assert!(set.updates.len() > 1_000 && set.messages > 10, "{name}: {} updates", set.updates.len());
        let want = plain(&set);
        assert_eq!(feed_general(&set.updates, &mut L2Book::default()), want, "{name}");
        // Prices outside the range are refused, and none of them is ever the best.
        if name == "usdm" {
            assert_eq!(feed_bounded(&set.updates, &mut bounded().unwrap()), want, "bounded");
        }
        // The control: one absurd ask changes the sum.
        let mut broken = set.clone();
        let first = broken.updates.iter_mut().find(|u| u.last).unwrap();
        (first.side, first.px, first.qty) = (Side::Sell, 1, 7);
        assert_ne!(
            feed_general(&broken.updates, &mut L2Book::default()),
            want,
            "{name}: a wrong book is seen"
        );
    }
}

#[test]
fn bench_book_input_that_cannot_be_read_says_why() {
    assert!(l2_of(&[b"1 {\"lastUpdateId\":1}".to_vec()], 1, 3).unwrap_err().contains("neither"));
    assert!(l2_of(&[b"1 {\"lastUpdateId\":1,\"bids\":[[\"x\",\"1\"]],\"asks\":[]}".to_vec()], 1, 3).is_err());
    assert!(l3_of(b"34200.0,1,5,10,2000", b"").unwrap_err().contains("too few fields"));
    assert!(l3_of(b"34200.0,1,5,10,20050,1", b"20050,1,20000,1").unwrap_err().contains("between two cents"));
    assert!(read(Path::new("/nonexistent.gz")).is_err());
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn bench_book_our_books_give_the_independent_checksums() {
    let data = std::env::var("TIDEGATE_DATA").expect("TIDEGATE_DATA names the folder of the reference data");
    let words = ["--data", &data, "--rounds", "1"].map(String::from);
    let report = tidegate_proof::run("bench book", &Args::parse(&words).unwrap()).unwrap();
    let read: serde_json::Value = serde_json::from_str(&report.line()).unwrap();
    assert_eq!(read["checks"][0]["value"], 0, "{read}");
    assert_eq!(read["checks"][1]["value"], 831_300);
}
