//! `bench book`: the recorded updates as every book is fed them, and our books over them. The peers' side is in `bench/peers`.

mod binance;
mod lobster;

pub use binance::{L2Set, Update, l2_of};
pub use lobster::{L3Set, Op, OpKind, l3_of};

use crate::args::Args;
use crate::report::Report;
use crate::timing::{median, timed};
use std::path::Path;
use std::process::Command;
use tidegate_book::{BoundedL2Book, L2Book, L3Book};
use tidegate_units::Side;

/// Σ(3·bid + ask) in ticks over the 6,548 messages of the USD-M capture, from an independent book.
pub const USDM_CHECKSUM: u64 = 16_166_748_224;
/// The same over the spot captures.
pub const SPOT_CHECKSUM: u64 = 160_272_140_446;
/// Σ(bid px + 3·ask px + 7·bid size + 11·ask size) over LOBSTER's rows, prices in 1e-4 USD.
pub const AMZN_CHECKSUM: u64 = 490_828_129_157;
/// The price range of the bounded books, in ticks of 0.1 USDT: 55,000 to 68,000.
pub const USDM_RANGE: (i64, i64) = (550_000, 680_000);

/// A file's bytes, unpacked by the system's own tool where its name says that it is packed.
///
/// # Errors
/// It is not there or is no such archive.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let plain = path.extension().is_none_or(|ending| ending != "gz");
    if plain {
        return std::fs::read(path).map_err(|fault| format!("{}: {fault}", path.display()));
    }
    let out = Command::new("gzip").arg("-dc").arg(path).output();
    let out = out.map_err(|fault| format!("gzip: {fault}; want gzip installed"))?;
    if out.status.success() {
        Ok(out.stdout)
    } else {
        Err(format!("{}: {}", path.display(), String::from_utf8_lossy(&out.stderr).trim()))
    }
}

/// The USD-M capture, 445,262 level updates.
///
/// # Errors
/// A file that is not there or cannot be read.
pub fn usdm(data: &Path) -> Result<L2Set, String> {
    let file = data.join("binance-raw-2024-08/usdm_btcusdt_20240808.jsonl.gz");
    l2_of(&[read(&file)?], 1, 3)
}

/// The spot captures, 300,094 level updates.
///
/// # Errors
/// A file that is not there or cannot be read.
pub fn spot(data: &Path) -> Result<L2Set, String> {
    let folder = data.join("binance-raw-2024-08");
    let files = ["spot_btcusdt_20240808.jsonl.gz", "spot_btcusdt_20240809.jsonl.gz"];
    let bytes = files.iter().map(|file| read(&folder.join(file))).collect::<Result<Vec<_>, _>>()?;
    l2_of(&bytes, 2, 8)
}

/// LOBSTER's AMZN day as 85,944 order operations.
///
/// # Errors
/// A file that is not there or cannot be read.
pub fn amzn(data: &Path) -> Result<L3Set, String> {
    let file = |kind: &str| {
        read(&data.join(format!("lobster-2012-06-21/AMZN_2012-06-21_34200000_57600000_{kind}_1.csv.gz")))
    };
    l3_of(&file("message")?, &file("orderbook")?)
}

/// What an L2 book adds to the checksum after a message; an absent side counts 0.
#[inline]
pub fn l2_sum(bid: Option<i64>, ask: Option<i64>) -> u64 {
    (bid.unwrap_or(0) as u64).wrapping_mul(3).wrapping_add(ask.unwrap_or(0) as u64)
}

/// What an L3 book adds to the checksum after a row; prices in cents, sizes in shares.
#[inline]
pub fn l3_sum(bid: (i64, i64), ask: (i64, i64)) -> u64 {
    (100 * bid.0 + 300 * ask.0 + 7 * bid.1 + 11 * ask.1) as u64
}

/// Feeds a book of any price and gives the checksum.
pub fn feed_general(updates: &[Update], book: &mut L2Book) -> u64 {
    let mut sum = 0_u64;
    for update in updates {
        book.set(update.side, update.px, update.qty);
        if update.last {
            let px = |side| book.best(side).map(|level| level.0);
            sum = sum.wrapping_add(l2_sum(px(Side::Buy), px(Side::Sell)));
        }
    }
    sum
}

/// Feeds a book of a known range and gives the checksum.
pub fn feed_bounded(updates: &[Update], book: &mut BoundedL2Book) -> u64 {
    let mut sum = 0_u64;
    for update in updates {
        book.set(update.side, update.px, update.qty);
        if update.last {
            let px = |side| book.best(side).map(|level| level.0);
            sum = sum.wrapping_add(l2_sum(px(Side::Buy), px(Side::Sell)));
        }
    }
    sum
}

/// Applies one operation.
#[inline]
pub fn apply(book: &mut L3Book, op: &Op) {
    match op.kind {
        OpKind::Add => book.add(op.id, op.side, op.px, op.qty),
        OpKind::Reduce => book.reduce(op.id, op.qty),
        OpKind::Delete => book.delete(op.id),
        OpKind::Execute => book.execute(op.id, op.qty),
    };
}

/// Feeds a book of orders and gives the checksum.
pub fn feed_l3(ops: &[Op], book: &mut L3Book) -> u64 {
    let mut sum = 0_u64;
    for op in ops {
        apply(book, op);
        if op.last {
            let top = |side| book.best(side).map_or((0, 0), |level| (level.px, level.qty));
            sum = sum.wrapping_add(l3_sum(top(Side::Buy), top(Side::Sell)));
        }
    }
    sum
}

/// An empty bounded book of the USD-M range.
///
/// # Errors
/// Never for this range.
pub fn bounded() -> Result<BoundedL2Book, String> {
    let (lo, hi) = USDM_RANGE;
    BoundedL2Book::new(lo, hi).map_err(|fault| format!("the range {lo}..{hi} makes no book: {fault:?}"))
}

/// Our books alone: their checksums against the independent ones, and their speed as figures.
///
/// # Errors
/// Data that is not there or cannot be read.
pub fn run(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let rounds: usize = args.get("rounds", 5)?;
    args.done()?;
    let (usdm, spot, amzn) = (usdm(&data)?, spot(&data)?, amzn(&data)?);
    let mut wrong = 0;
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..rounds.clamp(1, 100) {
        let (mut a, mut b, mut c, mut d) =
            (L2Book::default(), bounded()?, L2Book::default(), L3Book::default());
        let runs = [
            (timed(|| feed_general(&usdm.updates, &mut a)), USDM_CHECKSUM),
            (timed(|| feed_bounded(&usdm.updates, &mut b)), USDM_CHECKSUM),
            (timed(|| feed_general(&spot.updates, &mut c)), SPOT_CHECKSUM),
            (timed(|| feed_l3(&amzn.ops, &mut d)), AMZN_CHECKSUM),
        ];
        for ((took, want), list) in runs.iter().zip(&mut times) {
            wrong += u64::from(took.1 != *want);
            list.push(took.0);
        }
    }
    let mut report = Report::new();
    let cases = usdm.updates.len() + spot.updates.len() + amzn.ops.len();
    report.zero("checksums_wrong", wrong, cases as u64, 1_000);
    let sizes = [usdm.updates.len(), usdm.updates.len(), spot.updates.len(), amzn.ops.len()];
    for (name, (list, size)) in
        ["l2_usdm", "l2_usdm_bounded", "l2_spot", "l3_amzn"].into_iter().zip(times.iter().zip(sizes))
    {
        report.figure(&format!("{name}_m_per_s"), size as f64 / median(list) / 1e6);
    }
    Ok(report)
}
