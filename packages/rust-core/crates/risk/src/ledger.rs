//! Positions with exact open cost, and cash by asset.

use crate::canon::Canon;
use crate::contract::{cost_e8, settle_asset};
use std::collections::BTreeMap;
use tidegate_instruments::{Instrument, Kind};
use tidegate_units::{AccountId, Side, VenueId};

/// One position: a fold of fills. Money is in 1e-8 of the quote asset.
///
/// Law: `realised_e8 = trade_cash_e8 + open_cost_e8`, exactly, after every fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Signed: long is positive.
    pub lots: i128,
    /// What the open part cost: positive for a long, negative for a short.
    pub open_cost_e8: i128,
    pub realised_e8: i128,
    /// Σ over fills of −side × price × quantity.
    pub trade_cash_e8: i128,
}

impl Position {
    /// The position after one fill of a linear instrument, or `None` where 128 bits do not hold it.
    ///
    /// A close relieves cost pro rata, rounded towards zero; the remainder stays in the open cost until the position is flat.
    pub fn after_fill(&self, side: Side, px_ticks: i64, qty_lots: i64, e8_per_tick_lot: i64) -> Option<Self> {
        let unit_e8 = i128::from(px_ticks).checked_mul(i128::from(e8_per_tick_lot))?;
        self.after_cost(side, qty_lots, unit_e8.checked_mul(i128::from(qty_lots))?)
    }

    /// The same by what a buyer of the whole fill pays ([`cost_e8`](crate::contract::cost_e8)), for any instrument.
    pub fn after_cost(&self, side: Side, qty_lots: i64, cost_e8: i128) -> Option<Self> {
        let sign = i128::from(side.sign());
        let qty = i128::from(qty_lots);
        let mut next = *self;
        next.trade_cash_e8 = next.trade_cash_e8.checked_sub(sign.checked_mul(cost_e8)?)?;
        let closing = if next.lots.signum() == -sign { qty.min(next.lots.abs()) } else { 0 };
        let mut opening_cost = cost_e8;
        if closing > 0 {
            let whole = closing == next.lots.abs();
            let relieved = if whole {
                next.open_cost_e8
            } else {
                next.open_cost_e8.checked_mul(closing)? / next.lots.abs()
            };
            let closing_cost =
                if closing == qty { cost_e8 } else { cost_e8.checked_mul(closing)?.checked_div(qty)? };
            opening_cost = cost_e8.checked_sub(closing_cost)?;
            let cash = (-sign).checked_mul(closing_cost)?;
            next.realised_e8 = next.realised_e8.checked_add(cash)?.checked_sub(relieved)?;
            next.open_cost_e8 = next.open_cost_e8.checked_sub(relieved)?;
            next.lots = next.lots.checked_add(sign * closing)?;
        }
        next.lots = next.lots.checked_add(sign * (qty - closing))?;
        next.open_cost_e8 = next.open_cost_e8.checked_add(sign.checked_mul(opening_cost)?)?;
        Some(next)
    }

    /// The position after a settlement: what is open now costs `cost_e8`, and the difference is realised.
    ///
    /// The law holds through it, as both sides move by the same. `None` where 128 bits do not hold it.
    pub fn settled(&self, cost_e8: i128) -> Option<Self> {
        let gained = cost_e8.checked_sub(self.open_cost_e8)?;
        let realised_e8 = self.realised_e8.checked_add(gained)?;
        Some(Self { open_cost_e8: cost_e8, realised_e8, ..*self })
    }

    /// Profit not yet realised when what is open would cost `cost_e8`.
    pub fn unrealised(&self, cost_e8: i128) -> Option<i128> {
        cost_e8.checked_sub(self.open_cost_e8)
    }

    pub(crate) fn canon(&self, canon: &mut Canon) {
        canon.i128(self.lots).i128(self.open_cost_e8).i128(self.realised_e8).i128(self.trade_cash_e8);
    }
}

/// What stands against a cash leg: money that comes from somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Contra {
    Trading,
    Fees,
    Funding,
    Interest,
    Dividends,
    Taxes,
    Transfers,
    Settlement,
}

/// Cash legs by (account, venue, asset) in 1e-8 of the asset; fees in the asset they were taken in. Double entry: each leg
/// stands against a contra account, and the sum over both is 0 in every asset.
///
/// A spot fill exchanges base for quote. A contract's fill is a leg of its full value in the settlement asset, as its mark
/// value is counted against it, so that for each kind realised + unrealised = Σ legs + mark value before fees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    balances: BTreeMap<(AccountId, VenueId, String), i128>,
    contras: BTreeMap<(AccountId, VenueId, Contra, String), i128>,
}

impl Ledger {
    /// Posts one fill and its fee; `false`, and nothing posted, where 128 bits do not hold it.
    #[allow(clippy::too_many_arguments)]
    pub fn post_fill(
        &mut self,
        account: AccountId,
        instrument: &Instrument,
        side: Side,
        px_ticks: i64,
        qty_lots: i64,
        fee_e8: i64,
        fee_asset: &str,
    ) -> bool {
        let Some(cost) = cost_e8(instrument, px_ticks, i128::from(qty_lots)) else { return false };
        let sign = i128::from(side.sign());
        let fee = (fee_asset, -i128::from(fee_e8), Contra::Fees);
        let quote = (settle_asset(instrument), -sign * cost, Contra::Trading);
        // A share or a coin is had; of a contract only the money moves.
        let base = match instrument.kind {
            Kind::Spot | Kind::Equity => {
                sign * i128::from(qty_lots) * i128::from(instrument.base_e8_per_lot())
            }
            _ => 0,
        };
        let base = (instrument.base.as_str(), base, Contra::Trading);
        self.post_all(account, instrument.venue(), &[quote, base, fee])
    }

    /// Posts one amount against its contra account; `false`, and nothing posted, where 128 bits do not hold it.
    pub fn post(
        &mut self,
        account: AccountId,
        venue: VenueId,
        asset: &str,
        amount_e8: i128,
        contra: Contra,
    ) -> bool {
        self.post_all(account, venue, &[(asset, amount_e8, contra)])
    }

    fn post_all(&mut self, account: AccountId, venue: VenueId, legs: &[(&str, i128, Contra)]) -> bool {
        for (at, (asset, amount, contra)) in legs.iter().enumerate() {
            if *amount != 0 && !self.post_leg(account, venue, asset, *amount, *contra) {
                // What was posted of the rest is taken back, so that a fill stands whole or not at all.
                for (asset, amount, contra) in legs[..at].iter().filter(|(_, amount, _)| *amount != 0) {
                    self.post_leg(account, venue, asset, -*amount, *contra);
                }
                return false;
            }
        }
        true
    }

    fn post_leg(
        &mut self,
        account: AccountId,
        venue: VenueId,
        asset: &str,
        amount: i128,
        contra: Contra,
    ) -> bool {
        let balance_key = (account, venue, asset.to_string());
        let contra_key = (account, venue, contra, asset.to_string());
        let balance = self.balances.get(&balance_key).copied().unwrap_or(0).checked_add(amount);
        let against = self.contras.get(&contra_key).copied().unwrap_or(0).checked_sub(amount);
        let (Some(balance), Some(against)) = (balance, against) else { return false };
        self.balances.insert(balance_key, balance);
        self.contras.insert(contra_key, against);
        true
    }

    /// The sum of an asset over its balances and contra accounts, which is 0 while the books balance.
    pub fn out_of_balance(&self, asset: &str) -> i128 {
        let own = self.balances.iter().filter(|((_, _, a), _)| a == asset).map(|(_, e8)| *e8);
        let contra = self.contras.iter().filter(|((_, _, _, a), _)| a == asset).map(|(_, e8)| *e8);
        own.chain(contra).fold(0, i128::wrapping_add)
    }

    /// What stands in one contra account, 0 where nothing was posted.
    pub fn contra(&self, account: AccountId, venue: VenueId, contra: Contra, asset: &str) -> i128 {
        self.contras.get(&(account, venue, contra, asset.to_string())).copied().unwrap_or(0)
    }

    /// The balance of one asset, 0 where nothing was posted.
    pub fn balance(&self, account: AccountId, venue: VenueId, asset: &str) -> i128 {
        self.balances.get(&(account, venue, asset.to_string())).copied().unwrap_or(0)
    }

    /// All balances in order of account, venue, asset.
    pub fn iter(&self) -> impl Iterator<Item = (AccountId, VenueId, &str, i128)> {
        self.balances.iter().map(|((account, venue, asset), &e8)| (*account, *venue, asset.as_str(), e8))
    }

    pub(crate) fn canon(&self, canon: &mut Canon) {
        canon.len(self.balances.len());
        for (account, venue, asset, e8) in self.iter() {
            canon.u64(account.0.into()).u64(venue.0.into()).text(asset).i128(e8);
        }
        canon.len(self.contras.len());
        for ((account, venue, contra, asset), &e8) in &self.contras {
            canon.u64(account.0.into()).u64(venue.0.into()).u64(*contra as u64).text(asset).i128(e8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidegate_instruments::Table;
    use tidegate_units::InstrumentId;

    fn table() -> Table {
        Table::from_json(include_bytes!("../../../../../config/instruments.json")).unwrap()
    }

    #[test]
    fn a27_b034_a_round_trip_by_hand() {
        // Long 3 at 10, sell 1 at 13, sell 4 at 8, buy 2 at 9; one tick-lot is worth 1.
        let steps = [
            (Side::Buy, 10, 3, (3, 30, 0)),
            (Side::Sell, 13, 1, (2, 20, 3)),
            (Side::Sell, 8, 4, (-2, -16, -1)),
            (Side::Buy, 9, 2, (0, 0, -3)),
        ];
        let mut position = Position::default();
        for (side, px, qty, want) in steps {
            position = position.after_fill(side, px, qty, 1).unwrap();
            assert_eq!((position.lots, position.open_cost_e8, position.realised_e8), want);
        }
        assert_eq!(position.trade_cash_e8, -3);
    }

    #[test]
    fn a_remainder_stays_in_the_open_cost() {
        let mut position = Position::default();
        for (side, px, qty) in [(Side::Buy, 10, 1), (Side::Buy, 11, 2), (Side::Sell, 20, 1)] {
            position = position.after_fill(side, px, qty, 1).unwrap();
        }
        // Cost 32 for 3; one of three relieves 10, not 10.67.
        assert_eq!((position.open_cost_e8, position.realised_e8), (22, 10));
        position = position.after_fill(Side::Sell, 20, 2, 1).unwrap();
        assert_eq!((position.open_cost_e8, position.realised_e8), (0, 28));
    }

    #[test]
    fn a_fee_taken_from_the_received_asset_leaves_the_rest_exactly() {
        let table = table();
        let spot = table.get(InstrumentId(1)).unwrap();
        let (account, venue) = (AccountId(1), VenueId(1));
        let mut ledger = Ledger::default();
        // Buy 1 BTC at 60,000.00, fee 0.001 BTC: 0.999 BTC stay.
        assert!(ledger.post_fill(account, spot, Side::Buy, 6_000_000, 100_000, 100_000, "BTC"));
        assert_eq!(ledger.balance(account, venue, "BTC"), 99_900_000);
        assert_eq!(ledger.balance(account, venue, "USDT"), -6_000_000_000_000);
        // A perpetual moves no base.
        let perp = table.get(InstrumentId(2)).unwrap();
        assert!(ledger.post_fill(account, perp, Side::Sell, 600_000, 1_000, 5, "USDT"));
        assert_eq!(ledger.balance(account, VenueId(2), "BTC"), 0);
        assert_eq!(ledger.balance(account, VenueId(2), "USDT"), 6_000_000_000_000 - 5);
    }

    #[test]
    fn what_128_bits_do_not_hold_is_refused_whole() {
        let full = Position { trade_cash_e8: i128::MIN + 1, ..Position::default() };
        assert_eq!(full.after_fill(Side::Buy, i64::MAX, i64::MAX, 1), None);
        assert_eq!(Position::default().after_fill(Side::Buy, i64::MAX, i64::MAX, i64::MAX), None);
    }

    #[test]
    fn a_leg_beyond_128_bits_takes_the_whole_fill_back() {
        let table = table();
        let spot = table.get(InstrumentId(1)).unwrap();
        let (account, venue) = (AccountId(1), VenueId(1));
        let mut ledger = Ledger::default();
        assert!(ledger.post(account, venue, "BTC", i128::MAX, Contra::Transfers));
        let before = ledger.clone();
        assert!(!ledger.post_fill(account, spot, Side::Buy, 6_000_000, 100_000, 0, "USDT"));
        assert_eq!(
            (ledger.balance(account, venue, "USDT"), ledger.balance(account, venue, "BTC")),
            (0, i128::MAX)
        );
        assert_eq!(ledger.out_of_balance("USDT"), before.out_of_balance("USDT"));
    }

    proptest! {
        #[test]
        fn a27_every_posting_balances(posts in prop::collection::vec((0_usize..8, -1_000_000_i64..1_000_000, any::<bool>()), 0..80)) {
            let table = table();
            let kinds = [Contra::Trading, Contra::Fees, Contra::Funding, Contra::Interest, Contra::Dividends, Contra::Taxes, Contra::Transfers, Contra::Settlement];
            let mut ledger = Ledger::default();
            let mut usdt = 0;
            for (kind, amount, fill) in posts {
                if fill && amount != 0 {
                    let perp = table.get(InstrumentId(2)).unwrap();
                    let side = if amount > 0 { Side::Buy } else { Side::Sell };
                    prop_assert!(ledger.post_fill(AccountId(1), perp, side, 600_000, amount.abs(), 7, "USDT"));
                    usdt -= i128::from(amount) * 600_000 * 10_000 + 7;
                } else {
                    prop_assert!(ledger.post(AccountId(1), VenueId(2), "USDT", i128::from(amount), kinds[kind]));
                    usdt += i128::from(amount);
                }
                prop_assert_eq!(ledger.balance(AccountId(1), VenueId(2), "USDT"), usdt);
                prop_assert_eq!(ledger.out_of_balance("USDT"), 0);
            }
        }

        #[test]
        fn a27_b034_cash_law_and_sum_of_fills(fills in prop::collection::vec((any::<bool>(), 1_i64..2_000_000, 1_i64..100_000), 0..60)) {
            let (mut position, mut lots, mut cash) = (Position::default(), 0_i128, 0_i128);
            for (buy, px, qty) in fills {
                let side = if buy { Side::Buy } else { Side::Sell };
                position = position.after_fill(side, px, qty, 10).unwrap();
                let sign = i128::from(side.sign());
                lots += sign * i128::from(qty);
                cash -= sign * i128::from(px) * i128::from(qty) * 10;
                prop_assert_eq!(position.lots, lots);
                // Realised + unrealised = cash + mark value at any mark; the mark cancels.
                prop_assert_eq!(position.realised_e8, cash + position.open_cost_e8);
                prop_assert!(lots != 0 || position.open_cost_e8 == 0);
                prop_assert!(position.open_cost_e8.signum() == lots.signum());
            }
        }
    }
}
