//! The matching bench without its peers: tiny over a made-up day, and over the recorded one where the reference data is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tidegate_proof::args::Args;
use tidegate_proof::bench_book::l3_of;
use tidegate_proof::bench_matching::{Flow, Kind, Sums, alone, flow_of};

/// Two rows of touch, then an add, an execution of it, a cancel of a part and of the rest.
const MESSAGES: &[u8] =
    b"1,1,1,50,1000000,1\n2,1,7,30,1000000,1\n3,4,7,10,1000000,1\n4,2,7,5,1000000,1\n5,3,7,15,1000000,1\n";
const BOOK: &[u8] = b"1000200,40,1000000,50\n1000200,40,1000000,80\n1000200,40,1000000,70\n1000200,40,1000000,65\n1000200,40,1000000,50\n";

#[test]
fn bench_matching_tiny_a_made_up_day_has_the_sums_of_its_executions() {
    let mut flow = flow_of(&l3_of(MESSAGES, BOOK).unwrap().ops);
    // The touch stands first in line, so the one IOC order of 10 trades with it: 10 at 10,000 cents.
    assert_eq!(flow.sums, Sums { trades: 1, volume: 10, value: 10 * 1_000_000 });
    assert!(flow.orders.iter().any(|order| order.kind == Kind::Ioc) && flow.mix().2 == 1, "{flow:?}");
    let read = |flow: &Flow| -> serde_json::Value { serde_json::from_str(&alone(flow, 1).line()).unwrap() };
    let report = read(&flow);
    assert_eq!(
        (&report["checks"][0]["name"], &report["checks"][0]["value"]),
        (&"sums_wrong".into(), &0.into())
    );
    assert!(report["figures"]["ours.each_ns"]["p999"].is_u64() && report["figures"]["ours.k_per_s"].is_f64());
    // The control: sums that are not the flow's are found.
    flow.sums.volume += 1;
    assert_ne!(read(&flow)["checks"][0]["value"], 0);
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn bench_matching_our_core_gives_the_independent_sums_of_the_recorded_day() {
    let data = std::env::var("TIDEGATE_DATA").expect("TIDEGATE_DATA names the folder of the reference data");
    let words = ["--data", &data, "--rounds", "1"].map(String::from);
    let report = tidegate_proof::run("bench matching", &Args::parse(&words).unwrap()).unwrap();
    let read: serde_json::Value = serde_json::from_str(&report.line()).unwrap();
    assert_eq!((&read["checks"][0]["value"], &read["checks"][1]["value"]), (&0.into(), &2.into()), "{read}");
}
