//! The price of an uncross.

use crate::limits::PX_MAX;

/// Where an uncross trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cross {
    pub px: i64,
    /// Lots that trade.
    pub volume: i128,
    /// What stays unmatched at that price: of buyers above 0, of sellers below.
    pub surplus: i128,
}

/// The price at which most trades; of several the one that leaves least unmatched; of several the one nearest to the
/// reference. Without a reference, and of market orders alone, the middle of what is left, or its only end.
///
/// Shape   levels `(px, qty)` in any order; `market` buys and sells in lots
/// Errors  none: `None` where nothing trades, or where nothing says at which price
/// Source  Nasdaq rule 4752(d)(2)(A): maximum volume, minimum imbalance, nearest to a reference
pub fn equilibrium(
    bids: &[(i64, i64)],
    asks: &[(i64, i64)],
    market: (i64, i64),
    reference: Option<i64>,
) -> Option<Cross> {
    // Demand falls just above a bid, supply rises at an ask; between these prices nothing changes.
    let mut steps: Vec<(i64, i128, i128)> =
        bids.iter().map(|(px, qty)| (px + 1, -i128::from(*qty), 0)).collect();
    steps.extend(asks.iter().map(|(px, qty)| (*px, 0, i128::from(*qty))));
    steps.sort_unstable();
    let mut demand = bids.iter().fold(i128::from(market.0), |sum, (_, qty)| sum + i128::from(*qty));
    let mut supply = i128::from(market.1);
    let mut found: Option<(i128, i128, i64, i64)> = None;
    let mut from = -PX_MAX;
    let mut at = 0;
    loop {
        while let Some((_, fall, rise)) = steps.get(at).filter(|step| step.0 <= from) {
            demand += fall;
            supply += rise;
            at += 1;
        }
        let to = steps.get(at).map_or(PX_MAX, |step| (step.0 - 1).min(PX_MAX));
        let (volume, surplus) = (demand.min(supply), demand - supply);
        match &mut found {
            Some((most, least, _, end)) if (volume, surplus.abs()) == (*most, least.abs()) => *end = to,
            Some((most, least, ..)) if (volume, -surplus.abs()) <= (*most, -least.abs()) => {}
            _ => found = Some((volume, surplus, from, to)),
        }
        if to >= PX_MAX {
            break;
        }
        from = to + 1;
    }
    let (volume, _, low, high) = found.filter(|each| each.0 > 0)?;
    let px = match reference {
        Some(reference) => reference.clamp(low, high),
        None => match (low > -PX_MAX, high < PX_MAX) {
            (true, true) => low + (high - low) / 2,
            (true, false) => low,
            (false, true) => high,
            (false, false) => return None,
        },
    };
    let over = |levels: &[(i64, i64)], side: i64| -> i128 {
        levels.iter().filter(|level| (level.0 - px) * side >= 0).map(|level| i128::from(level.1)).sum()
    };
    let surplus = over(bids, 1) + i128::from(market.0) - over(asks, -1) - i128::from(market.1);
    Some(Cross { px, volume, surplus })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every tick tried, in the order of the three rules.
    fn plain(
        bids: &[(i64, i64)],
        asks: &[(i64, i64)],
        market: (i64, i64),
        reference: i64,
    ) -> Option<(i64, i64)> {
        let tried = (-5..40_i64).map(|px| {
            let demand = market.0 + bids.iter().filter(|b| b.0 >= px).map(|b| b.1).sum::<i64>();
            let supply = market.1 + asks.iter().filter(|a| a.0 <= px).map(|a| a.1).sum::<i64>();
            (-demand.min(supply), (demand - supply).abs(), (px - reference).abs(), px)
        });
        tried.min().filter(|best| best.0 < 0).map(|best| (best.3, -best.0))
    }

    proptest! {
        #[test]
        fn the_price_is_the_best_of_every_tick_tried(
            bids in prop::collection::vec((0_i64..30, 1_i64..9), 0..8),
            asks in prop::collection::vec((0_i64..30, 1_i64..9), 0..8),
            market in (0_i64..6, 0_i64..6),
            reference in 0_i64..30,
        ) {
            let found = equilibrium(&bids, &asks, market, Some(reference));
            prop_assert_eq!(found.map(|c| (c.px, c.volume as i64)), plain(&bids, &asks, market, reference));
        }
    }

    #[test]
    fn without_a_reference_the_middle_or_the_only_end_or_none() {
        let px = |bids: &[(i64, i64)], asks: &[(i64, i64)], market| {
            equilibrium(bids, asks, market, None).map(|cross| (cross.px, cross.surplus))
        };
        assert_eq!(px(&[(104, 5)], &[(100, 5)], (0, 0)), Some((102, 0)));
        assert_eq!(px(&[], &[(100, 5)], (5, 0)), Some((100, 0)));
        assert_eq!(px(&[(104, 5)], &[], (0, 7)), Some((104, -2)));
        assert_eq!(px(&[], &[], (5, 5)), None);
        assert_eq!(px(&[(99, 5)], &[(100, 5)], (0, 0)), None);
    }
}
