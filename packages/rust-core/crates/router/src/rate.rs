//! Budgets of a venue's account: windows that hold at the venue, whatever the way there takes.
//!
//! A venue counts a request when it arrives, which is some time between its bytes and its answer. So an act counts here from
//! before its bytes leave until a whole window after its answer: of two acts the venue counted within one window, the second
//! had left before the first was free again. No slack is guessed for the way, and no clock but this host's is read.

use crate::limits::{CANCEL_RESERVE_PERCENT, EASE_PERCENT, RATE_WINDOW_NS, WEIGHT_WINDOW_NS};
use crate::types::{Usage, UsageKind, VenueConfig};
use std::collections::{BTreeMap, VecDeque};
use tidegate_units::InstrumentId;

/// At most `max` in any `window_ns` of the venue's.
#[derive(Debug, Clone)]
pub struct Window {
    window_ns: u64,
    /// What was configured, and what of it the venue leaves us.
    configured: usize,
    max: usize,
    /// Taken off by the venue's "too many", given back one by one.
    eased: usize,
    flying: usize,
    /// When each settled act was answered, and what it cost.
    settled: VecDeque<(u64, usize)>,
    settled_sum: usize,
}

impl Window {
    /// An empty window.
    pub const fn new(window_ns: u64, max: usize) -> Self {
        Self {
            window_ns,
            configured: max,
            max,
            eased: 0,
            flying: 0,
            settled: VecDeque::new(),
            settled_sum: 0,
        }
    }

    /// What may be in the window now: never less than one, so that a venue that complains is asked again.
    pub fn max(&self) -> usize {
        self.max.saturating_sub(self.eased).max(1)
    }

    /// What is left for all but cancels and flattening.
    pub fn open_max(&self) -> usize {
        let max = self.max();
        max - (max * CANCEL_RESERVE_PERCENT).div_ceil(100)
    }

    /// Whether `cost` more fits below `limit` at `now_ns`.
    pub fn fits(&mut self, now_ns: u64, cost: usize, limit: usize) -> bool {
        self.used(now_ns).saturating_add(cost) <= limit
    }

    /// Counts `cost` as on its way.
    pub const fn take(&mut self, cost: usize) {
        self.flying += cost;
    }

    /// The answer is there, or nobody waits for it any more: free a whole window from now.
    pub fn settle(&mut self, now_ns: u64, cost: usize) {
        self.flying = self.flying.saturating_sub(cost);
        self.charge(now_ns, cost);
    }

    /// No byte of it left.
    pub const fn release(&mut self, cost: usize) {
        self.flying = self.flying.saturating_sub(cost);
    }

    /// Counts what nobody here sent, or what an earlier life of this process did.
    pub fn charge(&mut self, now_ns: u64, cost: usize) {
        if cost == 0 {
            return;
        }
        // A full window says all there is to say.
        let cost = cost.min(self.configured);
        match self.settled.back_mut() {
            Some((at, sum)) if *at == now_ns => *sum += cost,
            _ => self.settled.push_back((now_ns, cost)),
        }
        self.settled_sum += cost;
    }

    /// Counted at `now_ns`.
    pub fn used(&mut self, now_ns: u64) -> usize {
        while let Some(&(at, cost)) = self.settled.front()
            && now_ns.saturating_sub(at) >= self.window_ns
        {
            self.settled.pop_front();
            self.settled_sum -= cost;
        }
        self.flying + self.settled_sum
    }

    /// The venue said "too many": a fifth less from now on.
    pub fn ease(&mut self) {
        let less = (self.max() * EASE_PERCENT).div_ceil(100);
        self.eased = (self.eased + less).min(self.max.saturating_sub(1));
    }

    /// A request went well: one more again.
    pub const fn recover(&mut self) {
        self.eased = self.eased.saturating_sub(1);
    }

    /// What the venue itself counts for the account, and its limit. Others have their slice of it; what they took beyond it
    /// is gone for us too.
    pub fn told(&mut self, now_ns: u64, limit: usize, count: usize, share_percent: usize) {
        let ours = (limit * share_percent / 100).max(1);
        self.max = ours.min(self.configured);
        let theirs = limit.saturating_sub(ours);
        let used = self.used(now_ns);
        let beyond = count.saturating_sub(theirs).saturating_sub(used);
        self.charge(now_ns, beyond);
    }
}

/// What one request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    pub orders: usize,
    pub weight: usize,
}

/// Who asks: what only takes risk away may use all of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// New orders, amends, questions.
    Usual,
    /// Cancels and flattening orders.
    Reducing,
}

/// The budgets of one venue's account, as far as they are this process's.
#[derive(Debug)]
pub struct Budget {
    orders: Vec<Window>,
    weight: Option<Window>,
    symbol_max: usize,
    symbols: BTreeMap<InstrumentId, Window>,
    orders_share: usize,
    weight_share: usize,
    /// The account's, where the venue names a count and no limit.
    weight_limit: usize,
    blocked_until_ns: u64,
    /// Requests that found no room.
    pub held_back: u64,
}

const MINUTE_NS: u64 = 60_000_000_000;

impl Budget {
    /// The budgets of `config`, cut to this process's slice.
    pub fn new(config: &VenueConfig) -> Self {
        let ours = |max: usize, share: usize| (max * share / 100).max(1);
        let mut orders =
            vec![Window::new(RATE_WINDOW_NS, ours(config.orders_per_10s, config.orders_share_percent))];
        if config.orders_per_minute > 0 {
            orders.push(Window::new(MINUTE_NS, ours(config.orders_per_minute, config.orders_share_percent)));
        }
        let weight = (config.weight_per_minute > 0).then(|| {
            Window::new(WEIGHT_WINDOW_NS, ours(config.weight_per_minute, config.weight_share_percent))
        });
        Self {
            orders,
            weight,
            symbol_max: config.symbol_orders_per_10s,
            symbols: BTreeMap::new(),
            orders_share: config.orders_share_percent,
            weight_share: config.weight_share_percent,
            weight_limit: config.weight_per_minute,
            blocked_until_ns: 0,
            held_back: 0,
        }
    }

    /// Until when the venue wants to hear nothing; 0 = it never said so.
    pub const fn blocked_until_ns(&self) -> u64 {
        self.blocked_until_ns
    }

    /// Whether the venue may be asked at all.
    pub const fn blocked(&self, now_ns: u64) -> bool {
        now_ns < self.blocked_until_ns
    }

    /// Takes the cost of a request about a symbol if every window has room for it; all of them or none.
    pub fn take(&mut self, now_ns: u64, symbol: InstrumentId, cost: Cost, urgency: Urgency) -> bool {
        if self.blocked(now_ns) || !self.fits(now_ns, symbol, cost, urgency) {
            self.held_back += 1;
            return false;
        }
        self.each(symbol, cost, |window, cost| window.take(cost));
        true
    }

    /// Whether it would fit, blocks aside.
    pub fn fits(&mut self, now_ns: u64, symbol: InstrumentId, cost: Cost, urgency: Urgency) -> bool {
        let mut fits = true;
        self.each(symbol, cost, |window, cost| {
            let limit = if urgency == Urgency::Reducing { window.max() } else { window.open_max() };
            fits &= cost == 0 || window.fits(now_ns, cost, limit);
        });
        fits
    }

    /// Whether the windows of the whole venue have room, whatever the symbol.
    pub fn venue_fits(&mut self, now_ns: u64, cost: Cost, urgency: Urgency) -> bool {
        let limit = |window: &Window| {
            if urgency == Urgency::Reducing { window.max() } else { window.open_max() }
        };
        let orders = self.orders.iter_mut().all(|window| {
            let max = limit(window);
            cost.orders == 0 || window.fits(now_ns, cost.orders, max)
        });
        let weight = self.weight.as_mut().is_none_or(|window| {
            let max = limit(window);
            cost.weight == 0 || window.fits(now_ns, cost.weight, max)
        });
        orders && weight && !self.blocked(now_ns)
    }

    /// The request was answered, or is waited for no longer.
    pub fn settle(&mut self, now_ns: u64, symbol: InstrumentId, cost: Cost) {
        self.each(symbol, cost, |window, cost| window.settle(now_ns, cost));
    }

    /// No byte of the request left.
    pub fn release(&mut self, symbol: InstrumentId, cost: Cost) {
        self.each(symbol, cost, |window, cost| window.release(cost));
    }

    /// Counts what an earlier life of this process sent so long ago.
    pub fn charge(&mut self, now_ns: u64, age_ns: u64, symbol: InstrumentId, cost: Cost) {
        self.each(symbol, cost, |window, cost| {
            if age_ns < window.window_ns {
                window.charge(now_ns, cost);
            }
        });
    }

    /// A request went well.
    pub fn recover(&mut self) {
        self.orders.iter_mut().chain(self.weight.as_mut()).for_each(Window::recover);
    }

    /// The venue wants to hear nothing until then.
    pub fn block(&mut self, until_ns: u64) {
        self.blocked_until_ns = self.blocked_until_ns.max(until_ns);
        self.orders.iter_mut().chain(self.weight.as_mut()).for_each(Window::ease);
    }

    /// The venue's own count.
    pub fn told(&mut self, now_ns: u64, usage: &Usage) {
        let (windows, share, known) = match usage.kind {
            UsageKind::Orders => (&mut self.orders[..], self.orders_share, 0),
            UsageKind::Weight => (self.weight.as_mut_slice(), self.weight_share, self.weight_limit),
        };
        let limit = if usage.limit == 0 { known } else { usage.limit };
        if limit == 0 {
            return;
        }
        for window in windows.iter_mut().filter(|window| window.window_ns == usage.window_ns) {
            window.told(now_ns, limit, usage.count, share);
        }
    }

    /// Used and largest of the ten-second and the weight window.
    pub fn shown(&mut self, now_ns: u64) -> [(usize, usize); 2] {
        let one = |window: &mut Window| (window.used(now_ns), window.max());
        let orders = self.orders.first_mut().map_or((0, 0), one);
        [orders, self.weight.as_mut().map_or((0, 0), one)]
    }

    fn each(&mut self, symbol: InstrumentId, cost: Cost, mut act: impl FnMut(&mut Window, usize)) {
        for window in &mut self.orders {
            act(window, cost.orders);
        }
        if let Some(window) = &mut self.weight {
            act(window, cost.weight);
        }
        if self.symbol_max > 0 && cost.orders > 0 {
            let max = self.symbol_max;
            let window = self.symbols.entry(symbol).or_insert_with(|| Window::new(RATE_WINDOW_NS, max));
            act(window, cost.orders);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidegate_units::VenueId;

    const SYMBOL: InstrumentId = InstrumentId(1);

    proptest! {
        /// The venue counts each act somewhere between its bytes and its answer, in any order: its own sliding window
        /// never holds more than the limit, and nothing is held back while there is room for it.
        #[test]
        fn a23_b018_no_window_ever_holds_more_than_its_limit(
            steps in prop::collection::vec((0_u64..30, 0_u64..60, 0_u64..60), 1..300), max in 1_usize..20,
        ) {
            let mut window = Window::new(100, max);
            let mut now = 0;
            let mut at_venue: Vec<u64> = Vec::new();
            let mut answers: Vec<u64> = Vec::new();
            let mut free: Vec<u64> = Vec::new();
            for (step, there, back) in steps {
                now += step;
                answers.sort_unstable();
                while answers.first().is_some_and(|&at| at <= now) {
                    window.settle(answers.remove(0), 1);
                }
                let counted = free.iter().filter(|&&until| until > now).count();
                let fits = window.fits(now, 1, max);
                prop_assert_eq!(fits, counted < max);
                if fits {
                    window.take(1);
                    at_venue.push(now + there);
                    answers.push(now + there + back);
                    free.push(now + there + back + 100);
                }
            }
            for &end in &at_venue {
                prop_assert!(at_venue.iter().filter(|&&t| t <= end && t + 100 > end).count() <= max);
            }
        }
    }

    /// What the property above would let through if an act counted from its bytes alone.
    #[test]
    fn a_window_that_counts_from_the_bytes_is_passed_at_the_venue() {
        let mut window = Window::new(100, 1);
        window.take(1);
        window.settle(0, 1);
        // Bytes at 0, counted by the venue at 50; bytes at 100, counted at 101: two within 100.
        assert!(window.fits(100, 1, 1));
        let mut ours = Window::new(100, 1);
        ours.take(1);
        ours.settle(60, 1);
        assert!(!ours.fits(159, 1, 1) && ours.fits(160, 1, 1));
    }

    fn config(orders_per_10s: usize) -> VenueConfig {
        VenueConfig::new(VenueId(1), orders_per_10s)
    }

    const ORDER: Cost = Cost { orders: 1, weight: 1 };

    fn burst(budget: &mut Budget, now_ns: u64, symbol: u32, n: usize, urgency: Urgency) -> usize {
        (0..n).filter(|_| budget.take(now_ns, InstrumentId(symbol), ORDER, urgency)).count()
    }

    #[test]
    fn a23_a_burst_of_60_in_one_symbol_stops_at_its_limit_and_leaves_the_others_theirs() {
        let mut budget = Budget::new(&VenueConfig { symbol_orders_per_10s: 50, ..config(250) });
        assert_eq!(burst(&mut budget, 1, 1, 60, Urgency::Usual), 40, "a fifth of 50 is the cancels'");
        assert_eq!(burst(&mut budget, 1, 1, 60, Urgency::Reducing), 10);
        assert_eq!(burst(&mut budget, 1, 2, 60, Urgency::Usual), 40, "another symbol has its own");
        for symbol in 3..9 {
            burst(&mut budget, 1, symbol, 60, Urgency::Usual);
        }
        assert_eq!(budget.shown(1)[0], (200, 250), "and the venue's holds over all of them");
    }

    #[test]
    fn b018_slices_of_one_account_add_up_to_its_limit() {
        let share = |percent| Budget::new(&VenueConfig { orders_share_percent: percent, ..config(180) });
        let (mut router, mut monitor) = (share(90), share(10));
        let all = |budget: &mut Budget| burst(budget, 1, 1, 1_000, Urgency::Reducing);
        assert_eq!((all(&mut router), all(&mut monitor)), (162, 18));
    }

    #[test]
    fn b019_a_429_stops_everything_until_its_reset_and_takes_a_fifth_off_that_comes_back_one_by_one() {
        let mut budget = Budget::new(&config(100));
        budget.block(5_000);
        budget.block(4_000);
        assert!(!budget.take(4_999, SYMBOL, ORDER, Urgency::Reducing), "the later reset holds");
        assert!(budget.take(5_000, SYMBOL, ORDER, Urgency::Usual));
        assert_eq!(budget.shown(5_000)[0].1, 64, "twice a fifth off 100");
        for _ in 0..36 {
            budget.recover();
        }
        assert_eq!(budget.shown(5_000)[0].1, 100);
        budget.recover();
        assert_eq!(budget.shown(5_000)[0].1, 100, "never above what was configured");
        (0..100).for_each(|_| budget.block(1));
        assert_eq!(budget.shown(5_000)[0].1, 1, "never so low that the venue is not asked again");
    }

    #[test]
    fn b019_the_venues_own_count_and_limit_are_taken_over() {
        let told = |budget: &mut Budget, limit, count| {
            budget.told(1, &Usage { kind: UsageKind::Orders, window_ns: RATE_WINDOW_NS, limit, count });
        };
        let mut budget = Budget::new(&VenueConfig { orders_share_percent: 90, ..config(100) });
        assert_eq!(burst(&mut budget, 1, 1, 30, Urgency::Usual), 30);
        told(&mut budget, 100, 40);
        assert_eq!(budget.shown(1)[0], (30, 90), "ten are the others' own slice");
        told(&mut budget, 100, 60);
        assert_eq!(budget.shown(1)[0], (50, 90), "what they took beyond it is gone");
        told(&mut budget, 50, 60);
        assert_eq!(budget.shown(1)[0].1, 45, "the venue allows less than was configured");
        told(&mut budget, 1_000, 60);
        assert_eq!(budget.shown(1)[0].1, 90, "and more than was configured is not used");
        let other = Usage { kind: UsageKind::Orders, window_ns: 7, limit: 1, count: 1 };
        budget.told(1, &other);
        assert_eq!(budget.shown(1)[0].1, 90, "a window that is not kept changes nothing");
    }

    #[test]
    fn what_was_never_written_is_given_back_and_what_an_earlier_life_sent_counts() {
        let mut budget = Budget::new(&config(2));
        assert!(budget.take(1, SYMBOL, ORDER, Urgency::Reducing));
        budget.release(SYMBOL, ORDER);
        assert_eq!(burst(&mut budget, 1, 1, 5, Urgency::Reducing), 2);
        let mut again = Budget::new(&config(2));
        again.charge(1, RATE_WINDOW_NS - 1, SYMBOL, ORDER);
        again.charge(1, RATE_WINDOW_NS, SYMBOL, ORDER);
        assert_eq!(burst(&mut again, 1, 1, 5, Urgency::Reducing), 1);
        assert_eq!(
            burst(&mut again, 1 + RATE_WINDOW_NS, 1, 5, Urgency::Reducing),
            1,
            "the one that flies stays"
        );
    }

    #[test]
    fn weight_has_a_window_of_its_own() {
        let mut budget =
            Budget::new(&VenueConfig { weight_per_minute: 100, weight_share_percent: 50, ..config(1_000) });
        let query = Cost { orders: 0, weight: 20 };
        let asked = (0..9).filter(|_| budget.take(1, SYMBOL, query, Urgency::Usual)).count();
        assert_eq!(asked, 2, "80 of a hundred's half");
        assert!(budget.take(1, SYMBOL, Cost { orders: 1, weight: 10 }, Urgency::Reducing));
        assert!(!budget.take(1, SYMBOL, Cost { orders: 1, weight: 1 }, Urgency::Reducing));
        assert_eq!(budget.shown(1), [(1, 1_000), (50, 50)]);
    }
}
