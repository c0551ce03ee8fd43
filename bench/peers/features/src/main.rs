//! `peer-features --data DIR --rounds N`: the 27 features beside the normaliser of the same messages, and five indicators beside
//! TA-Lib's C loops over the whole array, in one run with interleaved rounds.

mod alloc;
mod messages;
mod series;
mod talib;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;
use tidegate_proof::args::Args;
use tidegate_proof::report::Report;
use tidegate_proof::timing::median;

/// Repetitions of one pass over the prices in a round: one is too short to time.
const PRICE_PASSES: u32 = 20;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    tidegate_proof::tell(Args::parse(&words).and_then(|args| run(&args)))
}

fn nanoseconds(mut pass: impl FnMut()) -> f64 {
    let start = Instant::now();
    pass();
    start.elapsed().as_nanos() as f64
}

fn rounded(xs: &[f64]) -> Vec<f64> {
    xs.iter().map(|x| (x * 100.0).round() / 100.0).collect()
}

fn run(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let rounds = args.get("rounds", 15_usize)?.max(3);
    args.done()?;
    let talib = talib::TaLib::find()?;
    let mut report = Report::new();
    messages_part(&data, rounds, &mut report)?;
    let prices = messages::Capture::read(&data)?.prices();
    indicators_part(&talib, &prices, rounds, &mut report)?;
    Ok(report)
}

fn messages_part(data: &std::path::Path, rounds: usize, report: &mut Report) -> Result<(), String> {
    let capture = messages::Capture::read(data)?;
    let events = capture.events();
    let count = capture.count() as f64;
    let inputs = messages::inputs(&events);
    let (mut normalise, mut book, mut both, mut kernel) = (vec![], vec![], vec![], vec![]);
    let mut sums = vec![];
    for round in 0..rounds + 1 {
        let a = nanoseconds(|| {
            black_box(capture.normalise());
        });
        let b = nanoseconds(|| {
            black_box(messages::book_only(&events));
        });
        let mut sum = 0;
        let c = nanoseconds(|| sum = black_box(messages::book_and_features(&events)));
        sums.push(sum);
        let d = nanoseconds(|| sum = black_box(messages::kernel_only(&inputs)));
        sums.push(sum);
        // The first round warms up.
        if round > 0 {
            normalise.push(a / count);
            book.push(b / count);
            both.push(c / count);
            kernel.push(d / count);
        }
    }
    // What the features add to the book's pass, and never less than the kernel alone: a difference of two passes is noisy.
    let added = both.iter().zip(&book).map(|(both, book)| both - book);
    let features: Vec<f64> = added.zip(&kernel).map(|(added, kernel)| added.max(*kernel)).collect();
    let ratio = median(&features) / median(&normalise);
    report.check("vs_normalise", (ratio * 1_000.0).round() / 1_000.0, "<=", 0.5, "");
    let (allocations, outputs) = messages::allocations(&events);
    report.zero("allocations", allocations, outputs, 1_000);
    if sums.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err("bench features: two passes over the same messages gave other values".into());
    }
    report.figure("messages", capture.count());
    for (kind, count) in capture.kinds() {
        report.figure(&format!("messages.{kind}"), count);
    }
    report.figure("normalise_ns_per_message", rounded(&normalise));
    report.figure("book_ns_per_message", rounded(&book));
    report.figure("features_ns_per_message", rounded(&features));
    report.figure("kernel_alone_ns_per_message", rounded(&kernel));
    report.figure("values_sum", sums.first().map(ToString::to_string));
    Ok(())
}

fn indicators_part(
    talib: &talib::TaLib,
    prices: &[f64],
    rounds: usize,
    report: &mut Report,
) -> Result<(), String> {
    let mut buffers = talib::Outputs::new(prices.len());
    let (mut ours, mut theirs) = (vec![], vec![]);
    for round in 0..rounds + 1 {
        let a = nanoseconds(|| {
            for _ in 0..PRICE_PASSES {
                black_box(series::stream_last(black_box(prices)));
            }
        });
        let mut fault = Ok(());
        let b = nanoseconds(|| {
            for _ in 0..PRICE_PASSES {
                if let Err(text) = talib.compute(black_box(prices), &mut buffers) {
                    fault = Err(text);
                }
            }
        });
        fault?;
        if round > 0 {
            let per = prices.len() as f64 * f64::from(PRICE_PASSES);
            ours.push(a / per);
            theirs.push(b / per);
        }
    }
    let ratio = median(&theirs) / median(&ours);
    report.check("vs_talib_array", (ratio * 1_000.0).round() / 1_000.0, ">=", 0.2, "");
    let (unequal, of) = series::compare(talib, prices)?;
    report.zero("values_beyond_1e9", unequal, of, 1_000);
    let (unequal, of) = series::random(talib, 10_000)?;
    report.zero("random_series_beyond_1e9", unequal, of, 10_000);
    report.figure("prices", prices.len());
    report.figure("ours_ns_per_price", rounded(&ours));
    report.figure("talib_ns_per_price", rounded(&theirs));
    report.figure("talib", talib::VERSION);
    Ok(())
}
