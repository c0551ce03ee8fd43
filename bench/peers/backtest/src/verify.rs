//! `verify backtest`: every execution of ours against hftbacktest's, case by case.

use crate::Example;
use crate::ours::{self, Models, Ran, Strategy};
use crate::peer::{self, LOT, PeerFill, Queue, Theirs};
use hftbacktest::backtest::Backtest;
use hftbacktest::depth::MarketDepth;
use hftbacktest::prelude::{Bot, StateValues};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use tidegate_backtest::audit::{Audit, audit, markouts};
use tidegate_backtest::queue::Behind;
use tidegate_backtest::sample::Did;
use tidegate_backtest::store::{Header, Stored, write};
use tidegate_backtest::tape::Tape;
use tidegate_backtest::{Accounting, FillModel};
use tidegate_proof::args::Args;
use tidegate_proof::report::Report;
use tidegate_units::Side;

const SHARE: Queue = Queue::Probable(Behind::PowerOfShare(3.0));
/// A lot is a thousandth of the unit that hftbacktest takes logarithms of.
const UNIT: f64 = 0.001;
/// Relative error allowed of sums that the peer adds up in doubles.
const RELATIVE: f64 = 1e-9;

/// What hftbacktest 0.9.4 gave of a row when it was first measured, by its crate and by its Python wheel alike: executions it
/// counts, volume, value, cash, position, fee, orders sent, cancels sent.
#[derive(Debug, Clone, Copy)]
struct Golden(u64, f64, f64, f64, f64, f64, u64, u64);

struct Case {
    name: &'static str,
    example: Example,
    queue: Queue,
    fill: FillModel,
    golden: Option<Golden>,
}

const FIVE: Golden = Golden(5, 0.05, 3_082.464, -614.768, 0.01, -0.154_123_2, 365, 339);
const ONE: Golden = Golden(149, 1.49, 91_890.572, -3_086.236, 0.05, -4.594_528_6, 615, 435);

fn cases() -> Vec<Case> {
    use FillModel::{Partial, Whole};
    let grid =
        |name, half, queue, fill, golden| Case { name, example: Example::Grid(half), queue, fill, golden };
    let touch = |name, behind| grid(name, 0.000_001_6, Queue::Probable(behind), Whole, None);
    let storm =
        |name, seed, queue| Case { name, example: Example::Storm(seed), queue, fill: Whole, golden: None };
    vec![
        grid("grid 5 bp, probable, whole", 0.000_5, SHARE, Whole, Some(FIVE)),
        grid("grid 5 bp, risk-averse, whole", 0.000_5, Queue::RiskAverse, Whole, None),
        grid("grid 5 bp, risk-averse, partial", 0.000_5, Queue::RiskAverse, Partial, Some(FIVE)),
        grid("grid 1 bp, probable, whole", 0.000_1, SHARE, Whole, Some(ONE)),
        grid("grid 1 bp, risk-averse, whole", 0.000_1, Queue::RiskAverse, Whole, Some(ONE)),
        grid(
            "grid 1 bp, risk-averse, partial",
            0.000_1,
            Queue::RiskAverse,
            Partial,
            Some(Golden(146, 1.399, 86_278.735, -2_406.995, 0.039, -4.313_936_7, 618, 441)),
        ),
        grid(
            "grid 0.2 bp, probable, whole",
            0.000_02,
            SHARE,
            Whole,
            Some(Golden(996, 9.96, 614_560.152, -2_522.592, 0.04, -30.728_007_6, 2_500, 1_404)),
        ),
        grid(
            "grid 0.2 bp, risk-averse, whole",
            0.000_02,
            Queue::RiskAverse,
            Whole,
            Some(Golden(996, 9.96, 614_560.824, -2_521.92, 0.04, -30.728_041_2, 2_499, 1_404)),
        ),
        grid(
            "grid touch, probable, whole",
            0.000_001_6,
            SHARE,
            Whole,
            Some(Golden(2_369, 23.69, 1_461_889.338, 5_404.522, -0.09, -73.094_466_9, 5_535, 3_017)),
        ),
        grid(
            "grid touch, risk-averse, whole",
            0.000_001_6,
            Queue::RiskAverse,
            Whole,
            Some(Golden(2_367, 23.67, 1_460_653.646, 5_404.924, -0.09, -73.032_682_3, 5_533, 3_017)),
        ),
        touch("grid touch, power of parts", Behind::Power(2.0)),
        touch("grid touch, power of all", Behind::PowerOfAll(2.0)),
        touch("grid touch, power of share, n = 1.5", Behind::PowerOfShare(1.5)),
        touch("grid touch, logarithm of parts", Behind::Log { unit: UNIT }),
        touch("grid touch, logarithm of all", Behind::LogOfAll { unit: UNIT }),
        Case {
            name: "market making on imbalance, probable",
            example: Example::Imbalance,
            queue: SHARE,
            fill: Whole,
            golden: None,
        },
        Case {
            name: "market making on imbalance, risk-averse",
            example: Example::Imbalance,
            queue: Queue::RiskAverse,
            fill: Whole,
            golden: None,
        },
        storm("orders of every kind, seed 1, probable", 1, SHARE),
        storm("orders of every kind, seed 2, risk-averse", 2, Queue::RiskAverse),
        storm("orders of every kind, seed 3, logarithm", 3, Queue::Probable(Behind::Log { unit: UNIT })),
    ]
}

impl Case {
    /// Whether the strategy reads levels beyond the touch. hftbacktest's vector of levels does not forget asks at a snapshot (its
    /// `clear_depth` takes the upper bound where the lower one belongs), so that levels which are gone stay in it; its map does.
    const fn reads_levels(&self) -> bool {
        matches!(self.example, Example::Imbalance)
    }
}

type Outcome = (Did, StateValues, Vec<PeerFill>);

fn theirs<MD: MarketDepth>(
    case: &Case,
    (mut run, log): (Backtest<MD>, peer::Log),
) -> Result<Outcome, String> {
    let did = case.example.run(&mut Theirs { run: &mut run, qty: 0.01 })?;
    let fills = log.borrow().clone();
    Ok((did, run.state_values(0).clone(), fills))
}

fn near(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= RELATIVE * theirs.abs().max(1.0)
}

/// Executions of one side that the other does not have, both ways.
fn unequal(ours: &[PeerFill], theirs: &[PeerFill]) -> (u64, Option<Value>) {
    // At one nanosecond the peer answers in the order of a hash map, which is another every time.
    let (mut a, mut b) = (ours.to_vec(), theirs.to_vec());
    a.sort_unstable();
    b.sort_unstable();
    let (mut i, mut j, mut count, mut first) = (0, 0, 0, None);
    while i < a.len() || j < b.len() {
        match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) if x == y => (i, j) = (i + 1, j + 1),
            (x, y) => {
                first.get_or_insert_with(|| json!({ "ours": format!("{x:?}"), "theirs": format!("{y:?}") }));
                count += 1;
                match (x, y) {
                    (Some(x), Some(y)) if x < y => i += 1,
                    (Some(_), None) => i += 1,
                    _ => j += 1,
                }
            }
        }
    }
    (count, first)
}

fn golden_off(golden: &Golden, ran: &Ran) -> bool {
    let Golden(fills, volume, value, cash, position, fee, posted, cancelled) = *golden;
    let account = &ran.account;
    (account.fills, ran.did.posted, ran.did.cancelled) != (fills, posted, cancelled)
        || !near(account.volume as f64 * LOT, volume)
        || !near(account.value_e8 as f64 / 1e8, value)
        || !near(account.cash_e8 as f64 / 1e8, cash)
        || !near(account.position as f64 * LOT, position)
        // Printed to seven decimals.
        || (account.fee_e16 as f64 / 1e16 - fee).abs() > 5.1e-8
}

struct Plant {
    queue: bool,
    fee: bool,
    latency: bool,
}

impl Plant {
    fn of(args: &Args) -> Result<Self, String> {
        let name = args.text("break");
        let is = |want: &str| name.as_deref() == Some(want);
        match name.as_deref() {
            None | Some("queue" | "fee" | "latency") => {
                Ok(Self { queue: is("queue"), fee: is("fee"), latency: is("latency") })
            }
            Some(other) => Err(format!("--break {other}: want queue, fee or latency")),
        }
    }

    fn models(&self, mut models: Models) -> Models {
        models.fees.maker_e8 += i64::from(self.fee);
        models.entry_ns += if self.latency { 50_000_000 } else { 0 };
        models
    }
}

fn header(correction: tidegate_backtest::tape::Correction) -> Header {
    let sources = vec![("usdm_btcusdt_20240808.jsonl.gz".into(), String::new())];
    Header::of(&ours::instrument(), sources).corrected(correction)
}

/// A tape through its file and back, in a folder that is removed.
fn stored(dir: &Path, header: &Header, tape: &Tape) -> Result<Stored, String> {
    std::fs::create_dir_all(dir).map_err(|fault| format!("{}: {fault}", dir.display()))?;
    let path = dir.join("usdm.tape");
    write(&path, header, tape)?;
    let stored = Stored::open(&path)?;
    // The mapping stays; the name is not needed any more.
    std::fs::remove_dir_all(dir).map_err(|fault| format!("{}: {fault}", dir.display()))?;
    Ok(stored)
}

pub fn run(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let plant = Plant::of(args)?;
    args.done()?;
    let (rows, correction) = ours::rows(&data)?;
    let tape = Tape::of(&rows).map_err(|fault| fault.to_string())?;
    let dir = std::env::temp_dir().join(format!("tidegate-backtest-{}", std::process::id()));
    let stored = stored(&dir, &header(correction), &tape)?;
    let events = peer::events(&rows);

    let mut report = Report::new();
    let (mut compared, mut fills_off, mut balance_off, mut fee_off, mut requests_off, mut golden_bad) =
        (0, 0, 0, 0, 0, 0);
    let (mut goldens, mut unsound, mut runs_off, mut table, mut results) =
        (0, 0, 0, Vec::new(), BTreeSet::new());
    let cases = cases();
    for case in &cases {
        let models = plant.models(Models::of(case.queue, case.fill));
        let ours = ours::run(stored.venue(), stored.local(), &models, &case.example, plant.queue)?;
        let again = ours::run(tape.venue(), tape.local(), &models, &case.example, plant.queue)?;
        runs_off += u64::from(again.hash != ours.hash);
        let (did, values, log) = if case.reads_levels() {
            theirs(case, peer::recorded(events.clone(), peer::map, case.queue, case.fill)?)?
        } else {
            theirs(case, peer::recorded(events.clone(), peer::roi, case.queue, case.fill)?)?
        };
        let own: Vec<PeerFill> = ours
            .fills
            .iter()
            // What had not come back when the data ended was not received there either.
            .filter(|fill| fill.venue_ns + peer::LATENCY_NS <= ours.now)
            .map(|fill| PeerFill {
                venue_ns: fill.venue_ns,
                order: fill.order,
                sell: fill.side == Side::Sell,
                px: fill.px,
                qty: fill.qty,
                maker: fill.maker,
            })
            .collect();
        let (off, first) = unequal(&own, &log);
        compared += log.len() as u64;
        fills_off += off;
        requests_off += u64::from(did != ours.did);
        let cash = ours.account.cash_e8 as f64 / 1e8;
        let fee = ours.account.fee_e16 as f64 / 1e16;
        let position = ours.account.position as f64 * LOT;
        let equal = near(cash, values.balance)
            && near(position, values.position)
            && near(ours.account.value_e8 as f64 / 1e8, values.trading_value)
            && near(ours.account.volume as f64 * LOT, values.trading_volume);
        balance_off += u64::from(!equal);
        fee_off += u64::from(!near(fee, values.fee));
        if let Some(golden) = &case.golden {
            goldens += 1;
            golden_bad += u64::from(golden_off(golden, &ours));
        }
        unsound += u64::from(
            !audit(&ours::instrument(), &models.fees, stored.venue(), &ours.fills, &ours.truth).sound(),
        );
        results.insert(ours.hash.clone());
        table.push(json!({
            "case": case.name, "fills": own.len(), "unequal": off, "first_unequal": first, "cash": cash, "peer_cash": values.balance,
            "fee": fee, "peer_fee": values.fee, "position": position, "did": format!("{:?}", ours.did), "peer_did": format!("{did:?}"),
            "run_hash": ours.hash,
        }));
    }
    let count = cases.len() as u64;
    report.check("fills_compared", compared, ">=", 3_000, "");
    report.zero("fills_unequal", fills_off, compared, 3_000);
    report.zero("requests_unequal", requests_off, count, 15);
    report.zero("balance_unequal", balance_off, count, 15);
    report.zero("fee_unequal", fee_off, count, 15);
    report.zero("oracle_table_unequal", golden_bad, goldens, 8);
    report.zero("runs_unequal", runs_off, count, 15);
    report.zero("audits_unsound", unsound, count, 15);

    let (twice, examined, profiles) = consuming(&stored)?;
    report.zero("same_liquidity_filled_twice", twice, examined, 100);
    report.figure("cases", table);
    report.figure("different_runs", results.len());
    report.figure("default_profile", profiles);
    report.figure("rows", rows.len());
    report.figure("received_ns_added", correction.added_ns);
    report.figure("tape_hash", stored.hash().to_hex().to_string());
    report.figure(
        "left_out",
        "grid 0.2 bp and touch with partial fills: hftbacktest 0.9.4 ends them with InvalidOrderStatus, since an order that trades fill to the last lot stays in its book",
    );
    Ok(report)
}

/// The default profile over the same strategies: by size, risk-averse, nothing filled twice. No other engine has these rules, so the
/// audit judges them from the tape.
fn consuming(stored: &Stored) -> Result<(u64, u64, Vec<Value>), String> {
    let mut models = Models::of(Queue::RiskAverse, FillModel::Consuming);
    models.accounting = Accounting::EveryFill;
    let (mut twice, mut examined, mut told) = (0, 0, Vec::new());
    let examples = [
        Example::Grid(0.000_1),
        Example::Grid(0.000_02),
        Example::Grid(0.000_001_6),
        Example::Imbalance,
        Example::Storm(4),
    ];
    for example in examples {
        let ran = ours::run(stored.venue(), stored.local(), &models, &example, false)?;
        let found: Audit = audit(&ours::instrument(), &models.fees, stored.venue(), &ran.fills, &ran.truth);
        twice += found.liquidity_taken_twice
            + found.prices_not_offered
            + found.out_of_order
            + found.account_unequal;
        examined += ran.fills.len() as u64;
        let marks = markouts(
            ours::bounded()?,
            stored.venue(),
            &ran.fills,
            &[100_000_000, 1_000_000_000, 10_000_000_000],
        );
        told.push(json!({
            "example": format!("{example:?}"), "fills": ran.fills.len(), "volume_lots": ran.truth.volume as i64,
            "cash": ran.truth.cash_e8 as f64 / 1e8, "position": ran.truth.position, "audit": found, "markouts": marks.iter().map(|mark| json!({
                "after_ms": mark.horizon_ns / 1_000_000,
                "ticks_a_lot": if mark.lots == 0 { 0.0 } else { mark.half_tick_lots as f64 / 2.0 / mark.lots as f64 },
            })).collect::<Vec<_>>(),
        }));
    }
    Ok((twice, examined, told))
}
