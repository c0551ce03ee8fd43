//! What the account owns, in exact integers.

use serde::{Deserialize, Serialize};
use tidegate_units::Side;

/// 1e-8 of an asset as JSON text, so that no reader turns it into a float.
pub(crate) mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The account in one symbol. Spot moves both assets; a perp moves a position and a wallet in the quote asset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ledger {
    #[serde(with = "text")]
    pub base_e8: i128,
    #[serde(with = "text")]
    pub quote_e8: i128,
    /// Σ sign × lots of all fills, before fees.
    pub position_lots: i64,
    /// Σ −sign × notional of all fills, before fees.
    #[serde(with = "text")]
    pub cash_e8: i128,
    #[serde(with = "text")]
    pub fees_base_e8: i128,
    #[serde(with = "text")]
    pub fees_quote_e8: i128,
    /// Cost of the open position, signed as the position; a close relieves it pro rata and the remainder stays.
    #[serde(with = "text")]
    pub open_cost_e8: i128,
    pub fills: u64,
    /// Funding received, below 0 where more was paid.
    #[serde(with = "text", default, skip_serializing_if = "is_zero")]
    pub funding_e8: i128,
}

fn is_zero(amount: &i128) -> bool {
    *amount == 0
}

/// `amount × part / whole` towards zero, without a product that could overflow; 0 < part ≤ whole.
fn share(amount: i128, part: i64, whole: i64) -> i128 {
    let (part, whole) = (i128::from(part), i128::from(whole));
    amount / whole * part + amount % whole * part / whole
}

impl Ledger {
    /// Realised profit: what came in, plus the cost still open. Exact: a flat position has no open cost.
    pub fn realised_e8(&self) -> i128 {
        self.cash_e8 + self.open_cost_e8
    }

    /// Books one fill.
    ///
    /// Units   `base_e8` and `notional_e8` in 1e-8, both ≥ 0; one of the two fees is 0
    pub(crate) fn book(
        &mut self,
        side: Side,
        lots: i64,
        base_e8: i128,
        notional_e8: i128,
        fee: (i128, i128),
    ) {
        let sign = i128::from(side.sign());
        self.base_e8 += sign * base_e8 - fee.0;
        self.quote_e8 -= sign * notional_e8 + fee.1;
        self.cash_e8 -= sign * notional_e8;
        self.fees_base_e8 += fee.0;
        self.fees_quote_e8 += fee.1;
        self.fills += 1;
        let before = self.position_lots;
        let after = before + side.sign() * lots;
        let opposite = before.signum() * side.sign() < 0;
        if !opposite {
            self.open_cost_e8 += sign * notional_e8;
        } else if before.abs() >= lots {
            self.open_cost_e8 -= share(self.open_cost_e8, lots, before.abs());
        } else {
            let rest = lots - before.abs();
            self.open_cost_e8 = sign * share(notional_e8, rest, lots);
        }
        self.position_lots = after;
    }

    /// Takes one fill back: the opposite fill, with the fees given back. Its fees are what was charged, negated.
    pub(crate) fn unbook(
        &mut self,
        side: Side,
        lots: i64,
        base_e8: i128,
        notional_e8: i128,
        fee: (i128, i128),
    ) {
        self.book(side.opposite(), lots, base_e8, notional_e8, fee);
        self.fills -= 2;
    }
}
