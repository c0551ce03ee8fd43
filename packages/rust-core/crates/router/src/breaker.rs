//! Circuit breakers: closed, open, and half open with one probe.
//!
//! A breaker never stands in the way of what takes risk away, and its word is about the next request, not about any that was
//! sent: what became of those the venue alone can say.

use crate::limits::{BREAKER_FAULTS, BREAKER_OPEN_NS, BREAKER_STRATEGIES_MAX, QUERY_BREAKER_OPEN_NS};
use std::collections::BTreeMap;
use tidegate_units::VenueId;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRule {
    /// Faults in a row.
    pub faults: u32,
    pub open_ns: u64,
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Closed,
    /// Nothing passes before this moment; then one probe does.
    Open {
        until_ns: u64,
    },
    /// The probe is on its way; its outcome alone counts.
    HalfOpen {
        probe: u64,
    },
}

impl State {
    /// Its name in statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half_open",
        }
    }
}

/// One breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    rule: BreakerRule,
    faults: u32,
    state: State,
}

impl Breaker {
    /// A closed one.
    pub const fn new(rule: BreakerRule) -> Self {
        Self { rule, faults: 0, state: State::Closed }
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether it is closed and nothing has gone wrong since the last success.
    pub const fn is_clean(&self) -> bool {
        matches!(self.state, State::Closed) && self.faults == 0
    }

    /// Whether a request may pass at `now_ns`: always while closed, one probe once the time is over.
    pub const fn allows(&self, now_ns: u64) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until_ns } => now_ns >= until_ns,
            State::HalfOpen { .. } => false,
        }
    }

    /// A request that was allowed leaves.
    pub const fn leaves(&mut self, token: u64) {
        if matches!(self.state, State::Open { .. }) {
            self.state = State::HalfOpen { probe: token };
        }
    }

    /// It went well: closed. Gives whether that changed anything. What was sent before it opened says nothing of now.
    pub fn well(&mut self, token: u64) -> bool {
        let closes = self.state == State::HalfOpen { probe: token };
        if closes || self.state == State::Closed {
            (self.state, self.faults) = (State::Closed, 0);
        }
        closes
    }

    /// It failed. Gives whether the breaker opened by it.
    pub fn badly(&mut self, now_ns: u64, token: u64) -> bool {
        let opens = match self.state {
            State::Closed => {
                self.faults = self.faults.saturating_add(1);
                self.faults >= self.rule.faults
            }
            State::HalfOpen { probe } => probe == token,
            State::Open { .. } => false,
        };
        if opens {
            self.state = State::Open { until_ns: now_ns.saturating_add(self.rule.open_ns) };
        }
        opens
    }

    /// It says nothing either way; where it was the probe, another one may go at once.
    pub fn no_word(&mut self, now_ns: u64, token: u64) {
        if self.state == (State::HalfOpen { probe: token }) {
            self.state = State::Open { until_ns: now_ns };
        }
    }
}

/// What became of a request, as far as breakers care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The venue did it, or answered the question.
    Well,
    /// The venue refused it for what it was: a fault of its sender.
    Refused,
    /// No answer, no clear answer, or a venue that cannot.
    Faulty,
    /// Nothing was learnt: it never left.
    NoWord,
}

/// What of a venue a breaker of its own stands before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Place,
    Amend,
    Query,
    /// Watched for the venue's sake; nothing stops a cancel.
    Cancel,
}

#[derive(Debug)]
struct OfVenue {
    whole: Breaker,
    place: Breaker,
    amend: Breaker,
    query: Breaker,
}

/// Every breaker of the router.
#[derive(Debug)]
pub struct Breakers {
    strategy_rule: BreakerRule,
    venues: BTreeMap<VenueId, OfVenue>,
    /// Those that are not clean.
    strategies: BTreeMap<u32, Breaker>,
}

impl Breakers {
    /// Closed ones, for these venues.
    pub fn new(venues: impl IntoIterator<Item = VenueId>) -> Self {
        let rule = BreakerRule { faults: BREAKER_FAULTS, open_ns: BREAKER_OPEN_NS };
        let query = BreakerRule { faults: BREAKER_FAULTS, open_ns: QUERY_BREAKER_OPEN_NS };
        let of_venue = || OfVenue {
            whole: Breaker::new(rule),
            place: Breaker::new(rule),
            amend: Breaker::new(rule),
            query: Breaker::new(query),
        };
        Self {
            strategy_rule: rule,
            venues: venues.into_iter().map(|venue| (venue, of_venue())).collect(),
            strategies: BTreeMap::new(),
        }
    }

    /// Whether a request may leave. A question is stopped by its endpoint's breaker alone: it is what finds out that a venue
    /// is well again.
    pub fn allows(&self, now_ns: u64, venue: VenueId, endpoint: Endpoint, strategy: u32) -> bool {
        let Some(of) = self.venues.get(&venue) else { return true };
        let whole = of.whole.allows(now_ns);
        match endpoint {
            Endpoint::Place => {
                let strategy = self.strategies.get(&strategy);
                whole && of.place.allows(now_ns) && strategy.is_none_or(|each| each.allows(now_ns))
            }
            Endpoint::Amend => whole && of.amend.allows(now_ns),
            Endpoint::Query => of.query.allows(now_ns),
            Endpoint::Cancel => true,
        }
    }

    /// A request that was allowed leaves; where a breaker was due it is that breaker's probe.
    pub fn leaves(&mut self, venue: VenueId, endpoint: Endpoint, strategy: u32, token: u64) {
        if let Some(of) = self.venues.get_mut(&venue) {
            match endpoint {
                Endpoint::Place => {
                    of.whole.leaves(token);
                    of.place.leaves(token);
                }
                Endpoint::Amend => {
                    of.whole.leaves(token);
                    of.amend.leaves(token);
                }
                Endpoint::Query => of.query.leaves(token),
                Endpoint::Cancel => {}
            }
        }
        if endpoint == Endpoint::Place
            && let Some(breaker) = self.strategies.get_mut(&strategy)
        {
            breaker.leaves(token);
        }
    }

    /// What became of a request. Gives what opened or closed by it, for a note.
    pub fn learn(
        &mut self,
        now_ns: u64,
        (venue, endpoint, strategy, token): (VenueId, Endpoint, u32, u64),
        outcome: Outcome,
        own_nature: bool,
    ) -> Vec<String> {
        let mut told = Vec::new();
        let mut tell = |what: String, breaker: &mut Breaker, outcome: Outcome| {
            let changed = match outcome {
                Outcome::Well | Outcome::Refused => breaker.well(token).then_some("closes"),
                Outcome::Faulty => breaker.badly(now_ns, token).then_some("opens"),
                Outcome::NoWord => {
                    breaker.no_word(now_ns, token);
                    None
                }
            };
            if let Some(changed) = changed {
                told.push(format!("the breaker of {what} {changed}"));
            }
        };
        if let Some(of) = self.venues.get_mut(&venue) {
            tell(format!("venue {venue}"), &mut of.whole, outcome);
            match endpoint {
                Endpoint::Place => tell(format!("order.place at venue {venue}"), &mut of.place, outcome),
                Endpoint::Amend => tell(format!("amends at venue {venue}"), &mut of.amend, outcome),
                Endpoint::Query => tell(format!("questions at venue {venue}"), &mut of.query, outcome),
                Endpoint::Cancel => {}
            }
        }
        if endpoint == Endpoint::Place {
            // A refusal that lies in the order's nature, as a post-only one that would take, is nobody's fault.
            let outcome = match outcome {
                Outcome::Refused if !own_nature => Outcome::Faulty,
                Outcome::Refused | Outcome::Faulty | Outcome::NoWord => Outcome::NoWord,
                Outcome::Well => Outcome::Well,
            };
            let known = self.strategies.len();
            let rule = self.strategy_rule;
            if outcome == Outcome::Faulty && known < BREAKER_STRATEGIES_MAX {
                self.strategies.entry(strategy).or_insert_with(|| Breaker::new(rule));
            }
            if let Some(breaker) = self.strategies.get_mut(&strategy) {
                tell(format!("strategy {strategy}"), breaker, outcome);
                if breaker.is_clean() {
                    self.strategies.remove(&strategy);
                }
            }
        }
        told
    }

    /// Every breaker that is not closed, and where it stands.
    pub fn open(&self) -> Vec<(String, State)> {
        let mut open = Vec::new();
        let mut add = |name: String, breaker: &Breaker| {
            if breaker.state() != State::Closed {
                open.push((name, breaker.state()));
            }
        };
        for (venue, of) in &self.venues {
            add(format!("venue.{venue}"), &of.whole);
            add(format!("venue.{venue}.place"), &of.place);
            add(format!("venue.{venue}.amend"), &of.amend);
            add(format!("venue.{venue}.query"), &of.query);
        }
        for (strategy, breaker) in &self.strategies {
            add(format!("strategy.{strategy}"), breaker);
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: BreakerRule = BreakerRule { faults: 5, open_ns: 60 };

    fn opened(now_ns: u64) -> Breaker {
        let mut breaker = Breaker::new(RULE);
        for n in 1..=5 {
            assert_eq!(breaker.badly(now_ns, 0), n == 5);
        }
        breaker
    }

    #[test]
    fn a23_five_faults_in_a_row_open_it_and_a_success_between_does_not() {
        let mut breaker = Breaker::new(RULE);
        for _ in 0..20 {
            for _ in 0..4 {
                assert!(!breaker.badly(1, 0));
            }
            assert!(!breaker.well(0) && breaker.allows(1) && breaker.is_clean());
        }
        assert_eq!(opened(10).state(), State::Open { until_ns: 70 });
    }

    #[test]
    fn a23_after_its_time_one_probe_passes_and_decides() {
        for well in [true, false] {
            let mut breaker = opened(10);
            assert!(!breaker.allows(69) && breaker.allows(70));
            breaker.leaves(7);
            assert!(!breaker.allows(70) && !breaker.allows(10_000), "one, however long it takes");
            assert!(!breaker.well(6) && !breaker.badly(75, 6), "what was sent before decides nothing");
            assert_eq!(breaker.state(), State::HalfOpen { probe: 7 });
            if well {
                assert!(breaker.well(7) && breaker.allows(80));
            } else {
                assert!(breaker.badly(80, 7), "one fault is enough");
                assert!(!breaker.allows(139) && breaker.allows(140));
            }
        }
    }

    #[test]
    fn a_probe_that_never_left_makes_room_for_the_next_and_old_answers_close_nothing() {
        let mut breaker = opened(10);
        assert!(!breaker.well(0), "an answer to what was sent before");
        breaker.leaves(7);
        breaker.no_word(75, 6);
        assert!(!breaker.allows(75));
        breaker.no_word(75, 7);
        assert!(breaker.allows(75));
        breaker.leaves(8);
        assert!(!breaker.allows(75));
    }

    const VENUE: VenueId = VenueId(1);

    fn place(breakers: &mut Breakers, strategy: u32, token: u64, outcome: Outcome) {
        breakers.leaves(VENUE, Endpoint::Place, strategy, token);
        breakers.learn(1, (VENUE, Endpoint::Place, strategy, token), outcome, false);
    }

    fn may(breakers: &Breakers, endpoint: Endpoint, strategy: u32) -> bool {
        breakers.allows(2, VENUE, endpoint, strategy)
    }

    #[test]
    fn a23_a_strategys_refusals_are_its_own_and_a_venues_faults_are_everybodys() {
        let mut breakers = Breakers::new([VENUE, VenueId(2)]);
        (0..5).for_each(|token| place(&mut breakers, 7, token, Outcome::Refused));
        assert!(!may(&breakers, Endpoint::Place, 7) && may(&breakers, Endpoint::Place, 8));
        (5..10).for_each(|token| place(&mut breakers, 8, token, Outcome::Faulty));
        assert!(!may(&breakers, Endpoint::Place, 9) && !may(&breakers, Endpoint::Amend, 9));
        assert!(may(&breakers, Endpoint::Cancel, 7) && may(&breakers, Endpoint::Query, 7));
        assert!(breakers.allows(2, VenueId(2), Endpoint::Place, 9), "another venue is another matter");
        let names: Vec<String> = breakers.open().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["venue.1", "venue.1.place", "strategy.7"]);
    }

    #[test]
    fn a23_an_endpoint_has_a_breaker_of_its_own() {
        let mut breakers = Breakers::new([VENUE]);
        for token in 0..5 {
            breakers.leaves(VENUE, Endpoint::Amend, 1, token);
            breakers.learn(1, (VENUE, Endpoint::Amend, 1, token), Outcome::Faulty, false);
            // Orders go well in between: the venue is there.
            place(&mut breakers, 1, 100 + token, Outcome::Well);
        }
        assert!(!may(&breakers, Endpoint::Amend, 1) && may(&breakers, Endpoint::Place, 1));
    }

    #[test]
    fn a_post_only_refusal_is_nobodys_fault_and_a_clean_strategy_is_not_remembered() {
        let mut breakers = Breakers::new([VENUE]);
        for token in 0..20 {
            breakers.learn(1, (VENUE, Endpoint::Place, 1, token), Outcome::Refused, true);
        }
        assert!(may(&breakers, Endpoint::Place, 1));
        place(&mut breakers, 1, 30, Outcome::Refused);
        place(&mut breakers, 1, 31, Outcome::Well);
        assert!(breakers.strategies.is_empty());
    }

    #[test]
    fn strategies_remembered_are_bounded() {
        let mut breakers = Breakers::new([VENUE]);
        for strategy in 0..BREAKER_STRATEGIES_MAX as u32 + 10 {
            place(&mut breakers, strategy, 1, Outcome::Refused);
        }
        assert_eq!(breakers.strategies.len(), BREAKER_STRATEGIES_MAX);
    }
}
