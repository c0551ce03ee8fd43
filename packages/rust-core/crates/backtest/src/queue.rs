//! Where a resting order stands in its level, estimated from what a feed of levels shows.
//!
//! The feed names the level's quantity, not who is in it. A trade at the price takes from the front. A fall that no trade explains
//! is a cancel, of somebody ahead or of somebody behind: that is what the models differ in. Sources: R. Cont, A. Kukanov,
//! "Optimal order placement in limit order markets" (what a place is worth); E. Rigtorp, "Estimating order queue position"
//! (2013), for the probability that a cancel was behind.
//!
//! Quantities are lots. What lies ahead is a fraction of lots where a model shares a cancel out, so it is a double here and
//! nowhere in money; only +, −, ×, ÷, `ln` and `powf` touch it, in a fixed order.

/// A model of the places in a level.
pub trait QueueModel {
    /// The place of one order.
    type Place: Copy + std::fmt::Debug;

    /// The place of an order that joins a level of `ahead` lots.
    fn join(&self, ahead: i64) -> Self::Place;
    /// `qty` lots traded at the price.
    fn trade(&self, place: &mut Self::Place, qty: i64);
    /// The level went from `was` to `now` lots.
    fn level(&self, place: &mut Self::Place, was: i64, now: i64);
    /// Lots by which trades went past the front of the order, rounded to whole ones; the order then stands at the front.
    fn reached(&self, place: &mut Self::Place) -> i64;
    /// Lots ahead, for reports.
    fn ahead(&self, place: &Self::Place) -> f64;
    /// The model and its parameters, for the assumptions of a run.
    fn name(&self) -> String;
}

/// Every cancel was behind us: the place moves by trades alone, and never further back than the level is long. The default.
#[derive(Debug, Clone, Copy, Default)]
pub struct RiskAverse;

impl QueueModel for RiskAverse {
    type Place = i64;

    fn join(&self, ahead: i64) -> i64 {
        ahead
    }

    #[inline]
    fn trade(&self, place: &mut i64, qty: i64) {
        *place = place.saturating_sub(qty);
    }

    #[inline]
    fn level(&self, place: &mut i64, _was: i64, now: i64) {
        *place = (*place).min(now);
    }

    fn reached(&self, place: &mut i64) -> i64 {
        let past = (-*place).max(0);
        if past > 0 {
            *place = 0;
        }
        past
    }

    fn ahead(&self, place: &i64) -> f64 {
        *place as f64
    }

    fn name(&self) -> String {
        "risk-averse".into()
    }
}

/// The probability that a cancel was behind us, of `front` lots ahead and `back` lots behind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Behind {
    /// f(back) ÷ (f(back) + f(front)), f = xⁿ.
    Power(f64),
    /// f(back) ÷ f(back + front), f = xⁿ.
    PowerOfAll(f64),
    /// 1 − f(front ÷ (front + back)), f = xⁿ.
    PowerOfShare(f64),
    /// f(back) ÷ (f(back) + f(front)), f = ln(1 + x), x in `unit` of a lot.
    Log { unit: f64 },
    /// f(back) ÷ f(back + front), f = ln(1 + x), x in `unit` of a lot.
    LogOfAll { unit: f64 },
}

/// xⁿ; of a small whole n by multiplication, which every machine does alike.
#[inline]
fn power(x: f64, n: f64) -> f64 {
    if n == 1.0 {
        x
    } else if n == 2.0 {
        x * x
    } else if n == 3.0 {
        x * x * x
    } else {
        x.powf(n)
    }
}

impl Behind {
    #[inline]
    fn of(self, front: f64, back: f64) -> f64 {
        match self {
            Self::Power(n) => {
                let (back, front) = (power(back, n), power(front, n));
                back / (back + front)
            }
            Self::PowerOfAll(n) => power(back, n) / power(back + front, n),
            Self::PowerOfShare(n) => 1.0 - power(front / (front + back), n),
            Self::Log { unit } => {
                let (back, front) = ((1.0 + back * unit).ln(), (1.0 + front * unit).ln());
                back / (back + front)
            }
            Self::LogOfAll { unit } => (1.0 + back * unit).ln() / (1.0 + (back + front) * unit).ln(),
        }
    }
}

/// A cancel was behind us with a probability of where we stand, and the place moves by the expectation.
#[derive(Debug, Clone, Copy)]
pub struct Probable(pub Behind);

/// The place of an order under [`Probable`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbablePlace {
    front: f64,
    /// Traded since the level was last named: its next fall is that much by trades, which are counted already.
    traded: i64,
}

impl QueueModel for Probable {
    type Place = ProbablePlace;

    fn join(&self, ahead: i64) -> ProbablePlace {
        ProbablePlace { front: ahead as f64, traded: 0 }
    }

    #[inline]
    fn trade(&self, place: &mut ProbablePlace, qty: i64) {
        place.front -= qty as f64;
        place.traded = place.traded.saturating_add(qty);
    }

    #[inline]
    fn level(&self, place: &mut ProbablePlace, was: i64, now: i64) {
        let fell = was - now - place.traded;
        place.traded = 0;
        if fell < 0 {
            // Somebody joined, behind us.
            place.front = place.front.min(now as f64);
            return;
        }
        let fell = fell as f64;
        let back = was as f64 - place.front;
        let mut behind = self.0.of(place.front, back);
        if behind.is_infinite() {
            behind = 1.0;
        }
        // What would be cancelled behind us and is not there was ahead.
        let front = place.front - (1.0 - behind) * fell + (back - behind * fell).min(0.0);
        // Of an empty level the probability is no number; `min` then gives the level.
        place.front = front.min(now as f64);
    }

    fn reached(&self, place: &mut ProbablePlace) -> i64 {
        let past = (-place.front).round() as i64;
        if past > 0 {
            place.front = 0.0;
        }
        past.max(0)
    }

    fn ahead(&self, place: &ProbablePlace) -> f64 {
        place.front
    }

    fn name(&self) -> String {
        match self.0 {
            Behind::Power(n) => format!("probable, power of parts, n = {n}"),
            Behind::PowerOfAll(n) => format!("probable, power of all, n = {n}"),
            Behind::PowerOfShare(n) => format!("probable, power of share, n = {n}"),
            Behind::Log { unit } => format!("probable, logarithm of parts, unit {unit} a lot"),
            Behind::LogOfAll { unit } => format!("probable, logarithm of all, unit {unit} a lot"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lies ahead after an order joined 100 lots, 100 more came behind it, and 40 left without a trade.
    fn after_a_cancel(model: &impl QueueModel) -> f64 {
        let mut place = model.join(100);
        model.level(&mut place, 100, 200);
        model.level(&mut place, 200, 160);
        model.ahead(&place)
    }

    #[test]
    fn a46_one_cancel_tells_every_queue_model_apart() {
        // 100 ahead, 100 behind, 40 cancelled. Worked by hand:
        assert_eq!(after_a_cancel(&RiskAverse), 100.0, "all 40 were behind");
        // ½ of them ahead.
        assert_eq!(after_a_cancel(&Probable(Behind::Power(3.0))), 80.0);
        // (100 ÷ 200)³ = ⅛ behind, ⅞ of 40 = 35 ahead.
        assert_eq!(after_a_cancel(&Probable(Behind::PowerOfAll(3.0))), 65.0);
        // 1 − (½)³ = ⅞ behind, ⅛ of 40 = 5 ahead.
        assert_eq!(after_a_cancel(&Probable(Behind::PowerOfShare(3.0))), 95.0);
        // 1 − (½)² = ¾ behind.
        assert_eq!(after_a_cancel(&Probable(Behind::PowerOfShare(2.0))), 90.0);
        let log = after_a_cancel(&Probable(Behind::Log { unit: 1.0 }));
        assert_eq!(log, 80.0, "equal parts are halves under any function");
        // ln 101 ÷ ln 201 = 4.615121 ÷ 5.303305 = 0.870235 behind, so 40 × 0.129765 = 5.190608 ahead.
        let all = after_a_cancel(&Probable(Behind::LogOfAll { unit: 1.0 }));
        assert!((all - 94.809_392).abs() < 1e-4, "{all}");
    }

    #[test]
    fn a46_unequal_parts_tell_the_logarithm_from_the_power() {
        // 30 ahead, 70 behind, 10 cancelled.
        let run = |model: Probable| {
            let mut place = model.join(30);
            model.level(&mut place, 30, 100);
            model.level(&mut place, 100, 90);
            model.ahead(&place)
        };
        // 70 ÷ 100 behind.
        assert!((run(Probable(Behind::Power(1.0))) - 27.0).abs() < 1e-9);
        // ln 71 ÷ (ln 71 + ln 31) = 4.262680 ÷ 7.696667 = 0.553835.
        assert!((run(Probable(Behind::Log { unit: 1.0 })) - (30.0 - 10.0 * (1.0 - 0.553_835))).abs() < 1e-4);
    }

    #[test]
    fn a46_a_trade_is_not_counted_again_when_the_level_falls() {
        let model = Probable(Behind::PowerOfShare(3.0));
        let mut place = model.join(100);
        model.level(&mut place, 100, 200);
        model.trade(&mut place, 30);
        assert_eq!(model.ahead(&place), 70.0);
        model.level(&mut place, 200, 170);
        assert_eq!(model.ahead(&place), 70.0, "the fall of 30 is the trade of 30");
        let mut averse = RiskAverse.join(100);
        RiskAverse.trade(&mut averse, 30);
        RiskAverse.level(&mut averse, 100, 50);
        assert_eq!(averse, 50, "no further back than the level is long");
    }

    #[test]
    fn a46_only_what_trades_past_the_front_reaches_the_order() {
        let mut place = RiskAverse.join(10);
        RiskAverse.trade(&mut place, 10);
        assert_eq!(RiskAverse.reached(&mut place), 0);
        RiskAverse.trade(&mut place, 4);
        assert_eq!((RiskAverse.reached(&mut place), place), (4, 0));
        let model = Probable(Behind::PowerOfShare(3.0));
        let mut place = model.join(10);
        model.trade(&mut place, 13);
        assert_eq!((model.reached(&mut place), model.ahead(&place)), (3, 0.0));
        assert_eq!(model.reached(&mut place), 0);
    }

    #[test]
    fn a46_what_cannot_have_been_behind_was_ahead() {
        // 90 ahead, 10 behind, 60 cancelled: behind holds 10 at most, so 50 or more were ahead.
        let model = Probable(Behind::PowerOfShare(1.0));
        let mut place = model.join(90);
        model.level(&mut place, 90, 100);
        model.level(&mut place, 100, 40);
        // 1 − 0.9 = 0.1 behind: 6 behind, 54 ahead, and behind still holds 4.
        assert!((model.ahead(&place) - 36.0).abs() < 1e-9);
        let model = Probable(Behind::PowerOfShare(20.0));
        let mut place = model.join(90);
        model.level(&mut place, 90, 100);
        model.level(&mut place, 100, 40);
        // 1 − 0.9²⁰ = 0.878423 behind would be 52.7 of 10: the 42.7 too many were ahead, with the 7.3 that were anyway.
        assert!((model.ahead(&place) - 40.0).abs() < 1e-9, "{}", model.ahead(&place));
    }

    #[test]
    fn a46_an_empty_level_leaves_nothing_ahead() {
        let model = Probable(Behind::PowerOfShare(3.0));
        let mut place = model.join(0);
        model.level(&mut place, 0, 0);
        assert_eq!(model.ahead(&place), 0.0);
        model.level(&mut place, 0, 50);
        assert_eq!(model.ahead(&place), 0.0, "they came behind");
    }
}
