//! Accounts with types and currencies: buying power from the venue's word, short availability, margin, conversion.

use super::Proof;
use super::rig::cases::perp;
use super::rig::{PERP, Rig, SPOT, about, fill, id, limit};
use super::tally::Tally;
use serde_json::{Value, json};
use tidegate_risk::{Event, Gateway, Limits};
use tidegate_units::{AccountId, InstrumentId, Side::Buy, Side::Sell, VenueId};
use tidegate_wire::pb::orders::v1::{Reason, ReportKind};

pub const PROOFS: &[Proof] = &[
    (&["C7"], "a cash account's buying power to the last 1e-8", cash),
    (&["C7"], "margin of contracts, and its ratio", futures),
    (&["C7"], "short sales with and without a locate", short),
    (&["C7"], "conversion at a fresh rate, and none at an old one", conversion),
];

fn checks(kind: &str, initial: Option<u32>, ratio: Option<u32>) -> Value {
    json!({ "kind": kind, "snapshot_age_ms_max": 10_000, "initial_margin_bps": initial, "margin_ratio_bps_max": ratio })
}

fn balance(rig: &mut Rig, venue: u32, asset: &str, available_e8: i64) {
    let (account, report_seq) = (AccountId(1), rig.report_seq);
    rig.apply(Event::AccountBalance {
        account,
        venue: VenueId(venue),
        asset: asset.into(),
        available_e8,
        report_seq,
    });
}

fn cash(t: &mut Tally) {
    let set = [("/accounts/0/checks", checks("cash", None, None))];
    let mut rig = t.rig(&set);
    let is = rig.reason(limit(id(1, 1), SPOT, Buy, 6_000_000, 100));
    t.want("no word of the venue", is, Reason::NoAccountSnapshot);
    // 100 lots at 60,000.00 are 60 of the quote asset.
    let cost = 100 * 6_000_000 * 10;
    for (free, want) in [(cost - 1, Reason::BuyingPowerExceeded), (cost, Reason::Ok), (cost + 1, Reason::Ok)]
    {
        let mut rig = t.rig(&set);
        balance(&mut rig, 1, "USDT", free);
        let is = rig.reason(limit(id(1, 1), SPOT, Buy, 6_000_000, 100));
        t.want(&format!("{free} free"), is, want);
        t.replays(&rig);
    }
    // An order the snapshot does not know counts on top of it; one it knows is in it.
    for (acked_before, want) in [(false, Reason::BuyingPowerExceeded), (true, Reason::Ok)] {
        let mut rig = t.rig(&set);
        balance(&mut rig, 1, "USDT", 2 * cost);
        rig.reason(limit(id(1, 1), SPOT, Buy, 6_000_000, 100));
        if acked_before {
            rig.report(about(id(1, 1), SPOT, ReportKind::Ack, 0));
        }
        balance(&mut rig, 1, "USDT", cost);
        let is = rig.reason(limit(id(1, 2), SPOT, Buy, 6_000_000, 100));
        t.want(&format!("acknowledged before the snapshot: {acked_before}"), is, want);
    }
    // A fill takes at once what it cost.
    let mut rig = t.rig(&set);
    balance(&mut rig, 1, "USDT", 2 * cost - 1);
    rig.reason(limit(id(1, 1), SPOT, Buy, 6_000_000, 100));
    rig.report(fill(id(1, 1), SPOT, Buy, 6_000_000, 100, 100, "e1"));
    let is = rig.reason(limit(id(1, 2), SPOT, Buy, 6_000_000, 100));
    t.want("after a fill", is, Reason::BuyingPowerExceeded);
    // What is sold must be had: 100 lots are 0.001 of the base asset.
    for (free, want) in [(99_999, Reason::BuyingPowerExceeded), (100_000, Reason::Ok)] {
        let mut rig = t.rig(&set);
        balance(&mut rig, 1, "USDT", 0);
        balance(&mut rig, 1, "BTC", free);
        let is = rig.reason(limit(id(1, 1), SPOT, Sell, 6_000_000, 100));
        t.want(&format!("selling from {free}"), is, want);
    }
    // Words grow old.
    for (ms, want) in [(10_000, Reason::Ok), (10_001, Reason::NoAccountSnapshot)] {
        let mut rig = t.rig(&set);
        balance(&mut rig, 1, "USDT", cost);
        rig.pass_ms(ms);
        rig.price(SPOT, 6_000_000);
        let is = rig.reason(limit(id(1, 1), SPOT, Buy, 6_000_000, 100));
        t.want(&format!("{ms} ms old"), is, want);
    }
}

fn futures(t: &mut Tally) {
    let set = [("/accounts/0/checks", checks("futures", Some(500), Some(8_000)))];
    let ratio = |rig: &mut Rig, bps: i64| {
        rig.apply(Event::MarginRatio { account: AccountId(1), venue: VenueId(2), bps });
    };
    // 10 lots at 60,000 are 600; at 5 % 30 of margin.
    let margin = 10 * 600_000 * 10_000 / 20;
    for (free, bps, want) in [
        (margin - 1, 0, Reason::BuyingPowerExceeded),
        (margin, 0, Reason::Ok),
        (margin, 7_999, Reason::Ok),
        (margin, 8_000, Reason::MarginRatio),
    ] {
        let mut rig = t.rig(&set);
        balance(&mut rig, 2, "USDT", free);
        ratio(&mut rig, bps);
        let is = rig.reason(perp(1, Buy, 600_000, 10));
        t.want(&format!("{free} free at {bps}"), is, want);
    }
    let mut rig = t.rig(&set);
    balance(&mut rig, 2, "USDT", margin);
    let is = rig.reason(perp(1, Buy, 600_000, 10));
    t.want("no ratio told", is, Reason::MarginRatio);
    // Reducing needs neither.
    let mut rig = t.rig(&set);
    balance(&mut rig, 2, "USDT", margin);
    ratio(&mut rig, 0);
    rig.trade(1, PERP, Buy, 600_000, 10);
    ratio(&mut rig, 9_000);
    let is = rig.reason(perp(2, Sell, 600_000, 10));
    t.want("reducing above the ratio", is, Reason::Ok);
}

fn short(t: &mut Tally) {
    let set = [("/accounts/0/checks", checks("margin", Some(5_000), None))];
    let locate = |rig: &mut Rig, lots: i64| {
        let (account, venue, instrument) = (AccountId(1), VenueId(1), InstrumentId(SPOT));
        rig.apply(Event::Locate { account, venue, instrument, lots, reference: "loc-1".into() });
    };
    let mut rig = t.rig(&set);
    balance(&mut rig, 1, "USDT", i64::MAX);
    let is = rig.reason(limit(id(1, 1), SPOT, Sell, 6_000_000, 100));
    t.want("no locate", is, Reason::LocateMissing);
    for (lots, want) in [(99, Reason::ShortNotAvailable), (100, Reason::Ok), (101, Reason::Ok)] {
        let mut rig = t.rig(&set);
        balance(&mut rig, 1, "USDT", i64::MAX);
        locate(&mut rig, lots);
        let is = rig.reason(limit(id(1, 1), SPOT, Sell, 6_000_000, 100));
        t.want(&format!("located {lots}"), is, want);
        t.replays(&rig);
    }
    // Pending sells of every strategy of the account count.
    let mut rig = t.rig(&set);
    balance(&mut rig, 1, "USDT", i64::MAX);
    locate(&mut rig, 150);
    let is = rig.reason(limit(id(2, 1), SPOT, Sell, 6_000_000, 100));
    t.want("the first", is, Reason::Ok);
    let is = rig.reason(limit(id(1, 1), SPOT, Sell, 6_000_000, 51));
    t.want("one too many", is, Reason::ShortNotAvailable);
    let is = rig.reason(limit(id(1, 2), SPOT, Sell, 6_000_000, 50));
    t.want("the rest", is, Reason::Ok);
    // A sale of what is had is not short.
    let mut rig = t.rig(&set);
    balance(&mut rig, 1, "USDT", i64::MAX);
    rig.trade(1, SPOT, Buy, 6_000_000, 100);
    let is = rig.reason(limit(id(2, 1), SPOT, Sell, 6_000_000, 100));
    t.want("another strategy sells what the account has", is, Reason::Ok);
    let is = rig.reason(limit(id(2, 2), SPOT, Sell, 6_000_000, 1));
    t.want("and one lot more", is, Reason::LocateMissing);
}

/// The round limits over a table whose perpetual is quoted in another currency.
fn two_currencies(t: &Tally, set: &[(&str, Value)]) -> Rig {
    use tidegate_instruments::Table;
    let shipped = super::rig::table();
    let rows: Vec<_> = shipped
        .iter()
        .map(|row| {
            let mut row = row.clone();
            if row.id == PERP {
                row.quote = "TWD".into();
            }
            row
        })
        .collect();
    let table = Table::new(1, rows).expect("a sound table");
    let limits = Limits::from_json(t.limits(set).as_bytes(), &table).expect("sound limits");
    let mut rig = t.rig(&[]);
    rig.gateway = Gateway::new(table, limits, super::rig::HOLDER);
    (rig.report_seq, rig.journal) = (0, vec![]);
    rig.lead();
    rig.price(PERP, 600_000);
    rig.price(SPOT, 6_000_000);
    rig
}

fn conversion(t: &mut Tally) {
    // 32 TWD to a USDT: the 3,060 TWD of 50 lots are 95.625.
    let worth = 50 * 612_000 * 10_000_i64 / 32;
    let rate = |rig: &mut Rig, asset: &str, quote: &str, rate_e8: i64| {
        let ts_ns = rig.now.epoch_ns;
        let (asset, quote_asset) = (asset.into(), quote.into());
        rig.apply(Event::Rate { asset, quote_asset, rate_e8, ts_ns });
    };
    for (max, want) in [(worth, Reason::Ok), (worth - 1, Reason::ExposureStrategyLimit)] {
        let set = [
            ("/currency", json!("USDT")),
            ("/rate_age_ms_max", json!(5_000)),
            ("/strategies/0/exposure_e8_max", json!(max)),
        ];
        for (asset, quote, e8) in [("USDT", "TWD", 3_200_000_000), ("TWD", "USDT", 3_125_000)] {
            let mut rig = two_currencies(t, &set);
            let is = rig.reason(perp(1, Buy, 612_000, 50));
            t.want("no rate", is, Reason::StaleRate);
            rate(&mut rig, asset, quote, e8);
            let is = rig.reason(perp(2, Buy, 612_000, 50));
            t.want(&format!("{asset} in {quote}, limit {max}"), is, want);
        }
    }
    let set = [("/currency", json!("USDT")), ("/rate_age_ms_max", json!(5_000))];
    for (ms, want) in [(5_000, Reason::Ok), (5_001, Reason::StaleRate)] {
        let mut rig = two_currencies(t, &set);
        rate(&mut rig, "USDT", "TWD", 3_200_000_000);
        rig.pass_ms(ms);
        rig.price(PERP, 600_000);
        rig.price(SPOT, 6_000_000);
        let is = rig.reason(perp(1, Buy, 600_000, 5));
        t.want(&format!("a rate of {ms} ms"), is, want);
        if want == Reason::StaleRate {
            let is = rig.reason(limit(id(1, 2), SPOT, Buy, 6_000_000, 5));
            t.want("sums that hold one currency alone", is, Reason::Ok);
        }
    }
    // What reduces does not wait for a rate.
    let mut rig = two_currencies(t, &set);
    rate(&mut rig, "USDT", "TWD", 3_200_000_000);
    rig.reason(perp(1, Buy, 600_000, 5));
    let mut report = fill(id(1, 1), PERP, Buy, 600_000, 5, 5, "e1");
    report.fee_asset = "TWD".into();
    rig.report(report);
    rig.pass_ms(60_000);
    rig.price(PERP, 600_000);
    rig.price(SPOT, 6_000_000);
    let is = rig.reason(perp(2, Sell, 600_000, 5));
    t.want("reducing without a rate", is, Reason::Ok);
    let is = rig.reason(limit(id(1, 3), SPOT, Buy, 6_000_000, 5));
    t.want("a sum that holds the other currency", is, Reason::StaleRate);
    // Rates that make no sense are refused and counted.
    let refused = rig.gateway.counters().inputs_refused;
    rate(&mut rig, "USDT", "TWD", 0);
    rate(&mut rig, "USDT", "TWD", -1);
    let late = rig.now.epoch_ns + 1;
    let (asset, quote_asset) = ("USDT".into(), "TWD".into());
    rig.apply(Event::Rate { asset, quote_asset, rate_e8: 1, ts_ns: late });
    t.hold("refused", rig.gateway.counters().inputs_refused == refused + 3);
    // A file that sums currencies without saying in which is refused.
    let mixed = t.limits(&[]);
    let shipped = super::rig::table();
    let rows: Vec<_> = shipped
        .iter()
        .map(|row| {
            let mut row = row.clone();
            if row.id == PERP {
                row.quote = "TWD".into();
            }
            row
        })
        .collect();
    let table = tidegate_instruments::Table::new(1, rows).expect("a sound table");
    t.hold("no currency named", Limits::from_json(mixed.as_bytes(), &table).is_err());
}
