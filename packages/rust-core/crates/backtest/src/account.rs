//! What fills do to a position, to cash and to fees. Integers throughout.

use tidegate_instruments::Instrument;
use tidegate_risk::contract::cost_e8;
use tidegate_units::Side;

/// What a fee is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Basis {
    /// The fill's value; rates in 1e-8 of it.
    Value,
    /// Lots; rates in 1e-8 of the settlement asset a lot.
    Lot,
    /// A flat sum a fill; rates in 1e-8 of the settlement asset.
    Fill,
}

/// What a venue and a state take of a fill. A rate below zero is a rebate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Fees {
    pub basis: Basis,
    pub maker_e8: i64,
    pub taker_e8: i64,
    /// Taken of a buyer's and of a seller's value besides, in 1e-8 of it: a transaction tax.
    pub buyer_e8: i64,
    pub seller_e8: i64,
}

impl Fees {
    /// A part of the value, nothing else.
    pub const fn of_value(maker_e8: i64, taker_e8: i64) -> Self {
        Self { basis: Basis::Value, maker_e8, taker_e8, buyer_e8: 0, seller_e8: 0 }
    }

    /// The fee of one fill in 1e-16 of the settlement asset; `None` beyond 128 bits.
    pub fn of(&self, side: Side, maker: bool, lots: i64, value_e8: i128) -> Option<i128> {
        const E8: i128 = 100_000_000;
        let rate = i128::from(if maker { self.maker_e8 } else { self.taker_e8 });
        let venue = match self.basis {
            Basis::Value => value_e8.checked_mul(rate)?,
            Basis::Lot => rate.checked_mul(i128::from(lots))?.checked_mul(E8)?,
            Basis::Fill => rate.checked_mul(E8)?,
        };
        let tax = i128::from(if side == Side::Buy { self.buyer_e8 } else { self.seller_e8 });
        venue.checked_add(value_e8.checked_mul(tax)?)
    }
}

/// One execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Order id.
    pub order: u64,
    pub side: Side,
    /// In ticks.
    pub px: i64,
    /// In lots.
    pub qty: i64,
    /// Lots of the order that are still open.
    pub left: i64,
    pub maker: bool,
    /// By the venue's clock, ns since the epoch.
    pub venue_ns: i64,
    /// What was traded with: see [`Source`].
    pub source: Source,
}

/// The recorded liquidity a fill took, so that a run can be audited for taking any twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The print at this row of the venue's stream.
    Print(usize),
    /// The level at this price, as the row named it.
    Level { px: i64, row: usize },
    /// None: the model fills whatever the size.
    Unlimited,
}

/// A position, its cash and its fees, of one instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Account {
    /// Signed lots.
    pub position: i64,
    /// In 1e-8 of the settlement asset, before fees.
    pub cash_e8: i128,
    /// Paid, in 1e-16 of the settlement asset.
    pub fee_e16: i128,
    pub fills: u64,
    /// Lots bought and sold.
    pub volume: i128,
    /// Value bought and sold, in 1e-8 of the settlement asset.
    pub value_e8: i128,
}

impl Account {
    /// Books one fill. False where a sum does not fit: nothing has changed then.
    #[must_use]
    pub fn book(&mut self, row: &Instrument, fees: &Fees, fill: &Fill) -> bool {
        let done = (|| {
            let cost = cost_e8(row, fill.px, i128::from(fill.qty))?;
            let value = cost.checked_abs()?;
            let sign = fill.side.sign();
            Some(Self {
                position: self.position.checked_add(fill.qty.checked_mul(sign)?)?,
                cash_e8: self.cash_e8.checked_sub(cost.checked_mul(i128::from(sign))?)?,
                fee_e16: self.fee_e16.checked_add(fees.of(fill.side, fill.maker, fill.qty, value)?)?,
                fills: self.fills + 1,
                volume: self.volume.checked_add(i128::from(fill.qty))?,
                value_e8: self.value_e8.checked_add(value)?,
            })
        })();
        if let Some(next) = done {
            *self = next;
        }
        done.is_some()
    }

    /// What the account is worth at a price, fees paid, in 1e-16 of the settlement asset; `None` beyond 128 bits.
    pub fn equity_e16(&self, row: &Instrument, px: i64) -> Option<i128> {
        let mark = cost_e8(row, px, i128::from(self.position))?;
        self.cash_e8.checked_add(mark)?.checked_mul(100_000_000)?.checked_sub(self.fee_e16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::{coinm, usdm};

    fn fill(side: Side, px: i64, qty: i64, maker: bool) -> Fill {
        Fill { order: 1, side, px, qty, left: 0, maker, venue_ns: 0, source: Source::Unlimited }
    }

    #[test]
    fn a46_fees_and_cash_are_exact_to_the_last_digit() {
        let (row, fees) = (usdm(), Fees::of_value(-5_000, 70_000));
        let mut account = Account::default();
        // Buys 0.010 at 61,800.3 as maker: 618.003, rebate 0.00005 of it = 0.03090015.
        assert!(account.book(&row, &fees, &fill(Side::Buy, 618_003, 10, true)));
        assert_eq!((account.cash_e8, account.fee_e16), (-61_800_300_000, -309_001_500_000_000));
        // Sells 0.004 at 61,810.0 as taker: 247.24, fee 0.0007 of it = 0.173068.
        assert!(account.book(&row, &fees, &fill(Side::Sell, 618_100, 4, false)));
        assert_eq!(account.position, 6);
        assert_eq!(account.cash_e8, -61_800_300_000 + 24_724_000_000);
        assert_eq!(account.fee_e16, -309_001_500_000_000 + 1_730_680_000_000_000);
        // 6 lots at 61,805.0 are 370.83; equity = −370.763 + 370.83 − 0.14216785.
        assert_eq!(
            account.equity_e16(&row, 618_050),
            Some((-37_076_300_000 + 37_083_000_000) * 100_000_000 - 1_421_678_500_000_000)
        );
    }

    #[test]
    fn a46_an_inverse_contract_earns_in_its_base() {
        let (row, fees) = (coinm(), Fees::of_value(0, 0));
        let mut account = Account::default();
        // 100 contracts of 100 USD at 50,000.0, sold at 62,500.0: 0.2 − 0.16 = 0.04 BTC.
        assert!(account.book(&row, &fees, &fill(Side::Buy, 500_000, 100, true)));
        assert!(account.book(&row, &fees, &fill(Side::Sell, 625_000, 100, true)));
        assert_eq!((account.position, account.cash_e8, account.value_e8), (0, 4_000_000, 36_000_000));
    }

    #[test]
    fn a46_a_fee_by_lot_by_fill_and_a_sellers_tax() {
        let row = usdm();
        let fees = Fees { basis: Basis::Lot, maker_e8: 3, taker_e8: 5, buyer_e8: 0, seller_e8: 300_000 };
        assert_eq!(fees.of(Side::Buy, false, 10, 1_000), Some(50 * 100_000_000));
        // 3 a lot, and 0.003 of the value.
        assert_eq!(fees.of(Side::Sell, true, 10, 1_000), Some(30 * 100_000_000 + 300_000_000));
        let flat = Fees { basis: Basis::Fill, ..fees };
        assert_eq!(flat.of(Side::Buy, true, 10, 1_000), Some(300_000_000));
        let mut account = Account { position: i64::MAX, ..Account::default() };
        let before = account;
        assert!(!account.book(&row, &fees, &fill(Side::Buy, 1, 1, true)));
        assert_eq!(account, before, "a sum that does not fit books nothing");
    }
}
