//! Our books beside hftbacktest's depth structures: the same recorded updates, interleaved rounds, both sides' checksums held
//! against the independent ones. The report is the last line of the output.
#![forbid(unsafe_code)]

mod peer;

use peer::{hash_l3, hash_map, roi_vector};
use serde_json::{Value, json};
use std::process::ExitCode;
use tidegate_book::{L2Book, L3Book};
use tidegate_proof::args::Args;
use tidegate_proof::bench_book as ours;
use tidegate_proof::report::Report;
use tidegate_proof::timing::{clock_ns, each, median, timed};

const L3_PASSES: usize = 3;

/// The sides, in the order of their rounds.
const SIDES: [&str; 6] = [
    "ours_l2",
    "hftbacktest_hashmap",
    "ours_l2_bounded",
    "hftbacktest_roivector",
    "ours_l3",
    "hftbacktest_l3",
];

fn run(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let rounds: usize = args.get("rounds", 15)?;
    args.done()?;
    if !(1..=100).contains(&rounds) {
        return Err(format!("--rounds {rounds}: want a whole number between 1 and 100"));
    }
    let (usdm, spot, amzn) = (ours::usdm(&data)?, ours::spot(&data)?, ours::amzn(&data)?);
    let updates = &usdm.updates;
    let fed = peer::of(updates);
    let mut wrong = 0_u64;
    let mut seconds: [Vec<f64>; SIDES.len()] = Default::default();
    for _ in 0..rounds {
        // A fresh book each time, made outside the clock on both sides.
        let (mut a, mut b) = (L2Book::default(), hash_map());
        let (mut c, mut d) = (ours::bounded()?, roi_vector());
        let l2 = [
            timed(|| ours::feed_general(updates, &mut a)),
            timed(|| peer::feed(&fed, &mut b)),
            timed(|| ours::feed_bounded(updates, &mut c)),
            timed(|| peer::feed(&fed, &mut d)),
        ];
        for ((took, sum), list) in l2.into_iter().zip(&mut seconds) {
            wrong += u64::from(sum != ours::USDM_CHECKSUM);
            list.push(took);
        }
        let (mut own, mut other) = (0.0, 0.0);
        for _ in 0..L3_PASSES {
            let (mut e, mut f) = (L3Book::default(), hash_l3());
            let (one, two) =
                (timed(|| ours::feed_l3(&amzn.ops, &mut e)), timed(|| peer::feed_l3(&amzn.ops, &mut f)));
            wrong += u64::from(one.1 != ours::AMZN_CHECKSUM) + u64::from(two.1? != ours::AMZN_CHECKSUM);
            own += one.0;
            other += two.0;
        }
        seconds[4].push(own);
        seconds[5].push(other);
    }
    let mut spot_book = L2Book::default();
    let (spot_seconds, spot_sum) = timed(|| ours::feed_general(&spot.updates, &mut spot_book));
    wrong += u64::from(spot_sum != ours::SPOT_CHECKSUM);

    let mut report = Report::new();
    let ratio = |own: usize, other: usize| median(&seconds[other]) / median(&seconds[own]);
    report.check("l2_vs_hftbacktest_hashmap", ratio(0, 1), ">=", 1.5, "x");
    report.check("l2_vs_hftbacktest_roivector", ratio(2, 3), ">=", 1.0, "x");
    report.check("l3_vs_hftbacktest", ratio(4, 5), ">=", 1.5, "x");
    let runs = rounds * (4 + 2 * L3_PASSES) + 1;
    report.zero("checksums_wrong", wrong, runs as u64, 10);
    let l2 = updates.len() as f64;
    let l3 = (amzn.ops.len() * L3_PASSES) as f64;
    for ((name, list), size) in SIDES.into_iter().zip(&seconds).zip([l2, l2, l2, l2, l3, l3]) {
        report.figure(&format!("{name}.rounds_ms"), list.iter().map(|s| s * 1e3).collect::<Vec<f64>>());
        report.figure(&format!("{name}.m_per_s"), size / median(list) / 1e6);
    }
    report.figure("ours_l2_spot.m_per_s", spot.updates.len() as f64 / spot_seconds / 1e6);
    for (name, each) in single(updates, &fed, &amzn)? {
        report.figure(&format!("{name}.each_ns"), each);
    }
    report.figure("clock_ns", clock_ns());
    report.figure(
        "sets",
        json!({
            "usdm_updates": updates.len(), "usdm_messages": usdm.messages, "spot_updates": spot.updates.len(),
            "amzn_ops": amzn.ops.len(), "amzn_rows": amzn.rows,
        }),
    );
    Ok(report)
}

/// One more pass a side with every operation timed by itself.
fn single(
    updates: &[ours::Update],
    fed: &[peer::Fed],
    amzn: &ours::L3Set,
) -> Result<Vec<(&'static str, Value)>, String> {
    let mut out = Vec::new();
    let (mut a, mut b) = (L2Book::default(), hash_map());
    let (mut c, mut d) = (ours::bounded()?, roi_vector());
    let (mut e, mut f) = (L3Book::default(), hash_l3());
    out.push((SIDES[0], each(updates, |u| a.set(u.side, u.px, u.qty))));
    out.push((SIDES[1], each(fed, |u| peer::set(&mut b, u))));
    out.push((
        SIDES[2],
        each(updates, |u| {
            c.set(u.side, u.px, u.qty);
        }),
    ));
    out.push((SIDES[3], each(fed, |u| peer::set(&mut d, u))));
    out.push((SIDES[4], each(&amzn.ops, |op| ours::apply(&mut e, op))));
    let mut fault = Ok(());
    out.push((SIDES[5], each(&amzn.ops, |op| fault = fault.clone().and(peer::apply(&mut f, op)))));
    fault.map(|()| out)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    tidegate_proof::tell(Args::parse(&words).and_then(|args| run(&args)))
}
