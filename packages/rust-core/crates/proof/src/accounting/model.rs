//! Random lives of a spot pair, a linear and an inverse perpetual and a future, in three currencies, against a plain model
//! that keeps sums in whole numbers of any size and works each contract out by its own definition.
#![allow(clippy::expect_used, reason = "the rows and limits are this file's own")]

use super::Part;
use crate::controls::rig::{HOLDER, Rig, fill};
use num_bigint::BigInt;
use serde_json::json;
use std::collections::BTreeMap;
use tidegate_instruments::{Instrument, Kind, Table, Venue};
use tidegate_risk::contract::{cost_e8, funding_e8, settle_asset};
use tidegate_risk::{BookKey, Contra, EXTERNAL, Event, Gateway, Limits, Scope};
use tidegate_units::{AccountId, InstrumentId, IntentId, Side, VenueId};
use tidegate_wire::pb::risk::v1::{PostingKind, RiskEvent, RiskEventKind};

const ACCOUNT: AccountId = AccountId(1);
const LIVES: u64 = 40;
const STEPS: u64 = 120;
/// Digits kept below 1e-8 in the model's average cost.
const FINE: u32 = 40;

fn big(value: impl Into<i128>) -> BigInt {
    BigInt::from(value.into())
}

fn row(id: u32, venue: Venue, kind: Kind, names: [&str; 3], scales: [u32; 2], worth: i64) -> Instrument {
    let [symbol, base, quote] = names.map(String::from);
    let [px_scale, qty_scale] = scales;
    Instrument {
        id,
        venue_id: id,
        venue,
        symbol,
        kind,
        base,
        quote,
        px_scale,
        px_unit: 1,
        qty_scale,
        qty_unit: 1,
        e8_per_tick_lot: worth,
        min_qty_lots: 1,
        max_qty_lots: 1_000_000,
        min_notional_e8: 0,
        multiplier: 1,
        expiry: 0,
    }
}

fn rows() -> Vec<Instrument> {
    let spot = row(1, Venue::BinanceSpot, Kind::Spot, ["ETHUSDT", "ETH", "USDT"], [2, 4], 100);
    let linear = row(2, Venue::BinanceUsdm, Kind::LinearPerp, ["BTCUSDT", "BTC", "USDT"], [1, 3], 10_000);
    let mut inverse =
        row(3, Venue::BinanceCoinm, Kind::InversePerp, ["BTCUSD_PERP", "BTC", "USD"], [1, 0], 0);
    inverse.multiplier = 100;
    let mut future = row(4, Venue::Shioaji, Kind::Future, ["TXFD6", "TX", "TWD"], [0, 0], 20_000_000_000);
    (future.multiplier, future.expiry) = (200, 20_260_415);
    vec![spot, linear, inverse, future]
}

/// Prices the instruments start at.
const START: [i64; 4] = [300_000, 600_000, 600_000, 22_000];

fn rig(rows: Vec<Instrument>) -> Rig {
    let table = Table::new(1, rows).expect("a sound table");
    let max = i64::MAX;
    let instrument = |id: u32| {
        json!({ "instrument_id": id, "order_qty_lots_max": max, "order_notional_e8_max": max,
            "position_lots_max": max, "exposure_e8_max": max, "px_ticks_max": max, "collar_bps": 200,
            "reducing_collar_bps": 500, "reference_age_ms_max": 1_000 })
    };
    let limits = json!({
        "version": 1, "startup_holdoff_ms": 0, "requery_ms": 1_000, "currency": "USDT", "rate_age_ms_max": 60_000,
        "firm": { "exposure_e8_max": max, "open_orders_max": 10 },
        "accounts": [{ "account_id": 1, "exposure_e8_max": max }],
        "strategies": [{ "strategy_id": 1, "exposure_e8_max": max, "open_orders_max": 10, "messages_max": 10,
            "messages_window_ms": 1_000 }],
        "instruments": [instrument(1), instrument(2)],
    });
    let limits = Limits::from_json(limits.to_string().as_bytes(), &table).expect("sound limits");
    let mut rig = Rig::ready();
    rig.gateway = Gateway::new(table, limits, HOLDER);
    (rig.report_seq, rig.journal) = (0, vec![]);
    rig.lead();
    rig
}

/// A quotient to the nearest, halves away from zero, by its definition: sign × ⌊(2|a| + |b|) / 2|b|⌋.
fn nearest(a: &BigInt, b: &BigInt) -> BigInt {
    let negative = (a < &big(0)) != (b < &big(0));
    let (a, b) = (a.magnitude().clone(), b.magnitude().clone());
    let quotient = BigInt::from((&a * 2_u32 + &b) / (&b * 2_u32));
    if negative { -quotient } else { quotient }
}

/// A quotient away from zero.
fn away(a: &BigInt, b: &BigInt) -> BigInt {
    let negative = (a < &big(0)) != (b < &big(0));
    let (a, b) = (a.magnitude().clone(), b.magnitude().clone());
    let quotient = BigInt::from((&a + &b - 1_u32) / &b);
    if negative { -quotient } else { quotient }
}

/// What a buyer pays for so many lots, by what the contract is.
fn cost(of: &Instrument, px: i64, lots: &BigInt) -> BigInt {
    match of.kind {
        // 100 USD of face a contract, a price in tenths of a USD: face × 1e8 × 10 ÷ price, and the buyer receives it.
        Kind::InversePerp => -nearest(&(lots * 100 * 100_000_000_i64 * 10), &big(px)),
        Kind::Future => lots * px * 200 * 100_000_000_i64,
        // 0.01 × 0.0001, and 0.1 × 0.001, of the quote asset.
        Kind::Spot => lots * px * 100,
        _ => lots * px * 10_000,
    }
}

/// One instrument of the plain model.
#[derive(Default)]
struct Book {
    lots: BigInt,
    cash: BigInt,
    /// Average cost of what is open, with [`FINE`] more digits.
    open: BigInt,
    realised: BigInt,
    closes: u64,
    fees: BigInt,
    posted: BigInt,
    base: BigInt,
}

impl Book {
    fn fill(&mut self, of: &Instrument, buy: bool, px: i64, qty: i64) {
        let fine = big(10).pow(FINE);
        let sign = if buy { 1 } else { -1 };
        let paid = cost(of, px, &big(qty)) * sign;
        self.cash -= &paid;
        let against = (self.lots > big(0)) != buy && self.lots != big(0);
        let held = BigInt::from(self.lots.magnitude().clone());
        let closing = if against { held.clone().min(big(qty)) } else { big(0) };
        let opening = big(qty) - &closing;
        if closing > big(0) {
            let relieved = &self.open * &closing / &held;
            let received = -(&paid * &closing * &fine / big(qty));
            self.realised += received - &relieved;
            self.open -= relieved;
            self.closes += 1;
        }
        self.open += &paid * &opening * &fine / big(qty);
        self.lots += big(sign * qty);
    }
}

/// A small generator (xorshift64*, Vigna 2016).
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % n
    }
}

fn key(of: &Instrument) -> BookKey {
    BookKey { account: ACCOUNT, strategy: EXTERNAL, instrument: InstrumentId(of.id) }
}

/// One life: the gateway's side and the model's.
struct Life<'a> {
    rows: Vec<Instrument>,
    rig: Rig,
    books: BTreeMap<u32, Book>,
    px: [i64; 4],
    /// 1e-8 of USDT for one: TWD and BTC.
    rates: [i64; 2],
    plant: &'a str,
    count: u64,
}

pub fn compare(plant: &str, seed: u64) -> Part {
    let mut part = Part::default();
    contracts_by_definition(&mut part);
    for life in 0..LIVES {
        let mut rng = Rng((seed + life).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut theirs = rows();
        if plant == "inverse-linear" {
            theirs[2].multiplier = 101;
        }
        let rig = rig(theirs);
        let books = BTreeMap::new();
        let mut life = Life {
            rows: rows(),
            rig,
            books,
            px: START,
            rates: [3_100_000, 6_000_000_000_000],
            plant,
            count: 0,
        };
        life.rate("TWD", 0);
        life.rate("BTC", 1);
        for _ in 0..STEPS {
            life.step(&mut rng);
            life.check(&mut part);
        }
        let folded = life.fold();
        part.equal.note(folded == life.rig.gateway.state().hash(), || "replay gives another state".into());
    }
    part
}

/// Round trips of an inverse contract against lots × face × (1/entry − 1/exit), and funding against value × rate.
fn contracts_by_definition(part: &mut Part) {
    let rows = rows();
    let Some(inverse) = rows.get(2) else { return };
    for entry in (10_000..=900_000).step_by(44_321) {
        for exit in (10_000..=900_000).step_by(53_123) {
            for lots in [1_i128, 7, 1_000] {
                let bought = cost_e8(inverse, entry, lots).unwrap_or(0);
                let sold = cost_e8(inverse, exit, lots).unwrap_or(0);
                // face × 1e8 × 10 × (exit − entry) ÷ (entry × exit), each side rounded once.
                let (entry, exit) = (i128::from(entry), i128::from(exit));
                let exact = big(lots * 100 * 1_000_000_000) * big(exit - entry);
                let over = big(entry * exit);
                let off = (big(sold - bought) * &over - &exact).magnitude().clone();
                part.equal
                    .note(BigInt::from(off) <= over, || format!("inverse {lots} from {entry} to {exit}"));
            }
        }
    }
    for rate in [-75_000_000_i64, -10_000, -1, 0, 1, 10_000, 75_000_000] {
        for of in &rows {
            for lots in [-1_000_i128, -1, 0, 1, 1_000] {
                let px = 600_123;
                let paid = funding_e8(of, lots, px, rate).map(big);
                let value = cost(of, px, &big(lots)) * if of.kind == Kind::InversePerp { -1 } else { 1 };
                let want = -nearest(&(value * rate), &big(100_000_000));
                part.equal
                    .note(paid == Some(want.clone()), || format!("funding of {lots}: {paid:?} and {want}"));
            }
        }
    }
}

impl Life<'_> {
    fn at(&self, n: usize) -> Instrument {
        self.rows[n].clone()
    }

    fn rate(&mut self, asset: &str, n: usize) {
        let (asset, quote_asset) = (asset.into(), "USDT".into());
        let ts_ns = self.rig.now.epoch_ns;
        self.rig.apply(Event::Rate { asset, quote_asset, rate_e8: self.rates[n], ts_ns });
    }

    fn step(&mut self, rng: &mut Rng) {
        self.count += 1;
        self.rig.pass_ms(1_000);
        // Prices wander, and both rates are told anew.
        for px in &mut self.px {
            let move_ = (*px / 200).max(1);
            *px = (*px + rng.below(2 * move_ as u64 + 1) as i64 - move_).max(1_000);
        }
        for (n, asset) in ["TWD", "BTC"].into_iter().enumerate() {
            let move_ = self.rates[n] / 100;
            self.rates[n] += rng.below(2 * move_ as u64) as i64 - move_;
            if self.plant != "stale-rate" || n == 0 || self.count.is_multiple_of(2) {
                self.rate(asset, n);
            }
        }
        match rng.below(8) {
            0..=5 => self.trade(rng),
            6 => self.fund(rng),
            _ => self.settle(),
        }
        for (n, of) in rows().iter().enumerate() {
            self.rig.price(of.id, self.px[n]);
        }
        self.rig.apply(Event::Tick);
    }

    fn trade(&mut self, rng: &mut Rng) {
        let n = rng.below(4) as usize;
        let of = self.at(n);
        let (buy, qty) = (rng.below(2) == 0, 1 + rng.below(40) as i64);
        let px = self.px[n] + rng.below(21) as i64 - 10;
        let in_base = of.kind == Kind::Spot && rng.below(4) == 0;
        let fee = rng.below(5_000) as i64;
        let book = self.books.entry(of.id).or_default();
        book.fill(&of, buy, px, qty);
        if of.kind == Kind::Spot {
            book.base += big(if buy { qty } else { -qty }) * 10_000;
        }
        if in_base {
            book.base -= big(fee);
            // At the fill's price, a hundredth of the quote asset a tick, rounded up.
            book.fees += away(&(big(fee) * px), &big(100));
        } else {
            book.fees += big(fee);
        }
        let (asset, told_fee) = (
            if in_base { of.base.clone() } else { settle_asset(&of).to_string() },
            if self.plant == "lost-fee" && self.count.is_multiple_of(7) { 0 } else { fee },
        );
        let wrong = self.plant == "short-sign" && !buy && self.count.is_multiple_of(5);
        let side = if buy || wrong { Side::Buy } else { Side::Sell };
        let mut report =
            fill(IntentId(0), of.id, side, px, qty.unsigned_abs(), 0, &format!("x{}", self.count));
        (report.intent_id, report.venue_id) = (None, of.venue_id);
        (report.fee_e8, report.fee_asset) = (told_fee, if told_fee == 0 { String::new() } else { asset });
        self.rig.report(report);
    }

    fn post(&mut self, of: &Instrument, posting: PostingKind, value: i64, bound: i64) {
        let reference = format!("p{}", self.count);
        for _ in 0..2 {
            // A posting that comes twice books once.
            self.rig.apply(Event::Posting(RiskEvent {
                kind: RiskEventKind::Posting.into(),
                account_id: ACCOUNT.0,
                strategy_id: EXTERNAL.0,
                venue_id: of.venue_id,
                instrument_id: of.id,
                posting: posting.into(),
                asset: settle_asset(of).to_string(),
                value,
                bound,
                reference: reference.clone(),
                ..RiskEvent::default()
            }));
        }
    }

    fn fund(&mut self, rng: &mut Rng) {
        let n = 1 + rng.below(2) as usize;
        let of = self.at(n);
        let rate = rng.below(200_000) as i64 - 100_000;
        let book = self.books.entry(of.id).or_default();
        let value = cost(&of, self.px[n], &book.lots) * if of.kind == Kind::InversePerp { -1 } else { 1 };
        let paid = -nearest(&(value * rate), &big(100_000_000));
        book.posted += &paid;
        let mut amount = i64::try_from(paid).unwrap_or(0);
        if self.plant == "funding-sign" {
            amount = -amount;
        }
        self.post(&of, PostingKind::Funding, amount, 0);
    }

    fn settle(&mut self) {
        let (of, px) = (self.at(3), self.px[3]);
        let book = self.books.entry(of.id).or_default();
        let fine = big(10).pow(FINE);
        let now = cost(&of, px, &book.lots) * &fine;
        book.realised += &now - &book.open;
        book.open = now;
        if self.plant != "drop-settlement" {
            self.post(&of, PostingKind::Settlement, 0, px);
        }
    }

    fn check(&self, part: &mut Part) {
        let state = self.rig.gateway.state();
        let fine = big(10).pow(FINE);
        let mut equity = big(0);
        for (n, of) in self.rows.iter().enumerate() {
            let Some(model) = self.books.get(&of.id) else { continue };
            let book = state.book(key(of));
            let name = || format!("life of {} at step {}", of.symbol, self.count);
            part.equal.note(big(book.position.lots) == model.lots, || format!("{}: lots", name()));
            let value = cost(of, self.px[n], &model.lots);
            let mark = cost_e8(of, self.px[n], book.position.lots).unwrap_or(0);
            let profit = &model.cash + &value;
            let is = big(book.position.realised_e8 + mark - book.position.open_cost_e8);
            part.equal.note(is == profit, || format!("{}: profit {is} and {profit}", name()));
            part.equal.note(big(book.fees_e8) == model.fees, || format!("{}: fees", name()));
            part.equal.note(big(book.posted_e8) == model.posted, || format!("{}: postings", name()));
            // Each close cuts the relieved cost, and a flip its split, to a whole 1e-8.
            let off = (big(book.position.realised_e8) * &fine - &model.realised).magnitude().clone();
            let near = BigInt::from(off) <= big(2 * model.closes + 1) * &fine;
            part.equal.note(near, || format!("{}: realised {}", name(), book.position.realised_e8));
            let (venue, asset) = (VenueId(of.venue_id), settle_asset(of));
            let balance = big(state.ledger().balance(ACCOUNT, venue, asset));
            // Fees in the base asset are no leg of the quote asset; the model's fees hold both, so legs are taken by kind.
            let fees = big(-state.ledger().contra(ACCOUNT, venue, Contra::Fees, asset));
            let want = &model.cash + &model.posted + fees;
            part.equal.note(balance == want, || format!("{}: balance {balance} and {want}", name()));
            if of.kind == Kind::Spot {
                let base = big(state.ledger().balance(ACCOUNT, venue, &of.base));
                part.equal.note(base == model.base, || format!("{}: base {base} and {}", name(), model.base));
            }
            let legs = -state.ledger().contra(ACCOUNT, venue, Contra::Trading, asset);
            let law = book.position.realised_e8 + mark - book.position.open_cost_e8 == legs + mark;
            part.law.note(law, || format!("{}: profit without its cash", name()));
            part.law
                .note(state.ledger().out_of_balance(asset) == 0, || format!("{}: out of balance", name()));
            let own = &profit - &model.fees + &model.posted;
            equity += match asset {
                "USDT" => own,
                "TWD" => away(&(own * self.rates[0]), &big(100_000_000)),
                _ => away(&(own * self.rates[1]), &big(100_000_000)),
            };
        }
        let is = self.rig.gateway.equity_e8(Scope::Firm, self.rig.now).map(big);
        part.equal.note(is == Some(equity.clone()), || {
            format!("equity at step {}: {is:?} and {equity}", self.count)
        });
    }

    fn fold(&self) -> [u8; 32] {
        let (table, limits) = (self.rig.gateway.table().clone(), self.rig.gateway.limits().clone());
        let mut gateway = Gateway::new(table, limits, HOLDER);
        let whole = self.rig.journal.iter().all(|record| gateway.recover(record).is_ok());
        if whole { gateway.state().hash() } else { [0; 32] }
    }
}
