//! StormGuard: how far trading is held back by the health of the system, as a machine of four modes.
//!
//! It escalates at once and never skips a worse reading; it steps down only after a cool-down and five clear evaluations in
//! a row, and not while a latch holds it. An input that was not heard of within its bound counts as [`Mode::Storm`].

use serde::Deserialize;
use std::collections::BTreeMap;

/// How far trading is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Mode {
    #[default]
    Normal,
    /// Order sizes and message rates are halved.
    Warm,
    /// Orders that only reduce pass, and cancels.
    Storm,
    /// Cancels pass.
    Halt,
}

/// What is measured. Higher is worse for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Fall of equity from its peak of the day, 1/10,000 of the capital; measured by the core.
    DrawdownBps,
    /// Lateness of the loop's timer.
    LoopLagUs,
    /// Longest silence of a feed in its open phases; measured by the core.
    FeedGapMs,
    /// From command to the venue's answer.
    OrderRttUs,
    /// Faults of normaliser and features since the last reading.
    FeedFaults,
    /// Requests to venues that failed, 1/10,000.
    ErrorRateBps,
    /// From intent to decision, 99th percentile.
    DecisionP99Us,
}

impl Input {
    /// The name in configuration and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DrawdownBps => "drawdown_bps",
            Self::LoopLagUs => "loop_lag_us",
            Self::FeedGapMs => "feed_gap_ms",
            Self::OrderRttUs => "order_rtt_us",
            Self::FeedFaults => "feed_faults",
            Self::ErrorRateBps => "error_rate_bps",
            Self::DecisionP99Us => "decision_p99_us",
        }
    }
}

/// From which reading on an input asks for which mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    pub input: Input,
    pub warm: Option<i64>,
    pub storm: Option<i64>,
    pub halt: Option<i64>,
    /// Age at which a reading is none any more.
    pub age_ms_max: u32,
}

impl Threshold {
    /// The mode a reading asks for, with the threshold it reached; a missing one asks for Storm.
    fn asks(&self, reading: Option<i64>) -> (Mode, i64) {
        let Some(value) = reading else { return (Mode::Storm, i64::from(self.age_ms_max)) };
        let reached = |bound: Option<i64>| bound.filter(|b| value >= *b);
        reached(self.halt)
            .map(|b| (Mode::Halt, b))
            .or_else(|| reached(self.storm).map(|b| (Mode::Storm, b)))
            .or_else(|| reached(self.warm).map(|b| (Mode::Warm, b)))
            .unwrap_or((Mode::Normal, 0))
    }
}

/// One guard's thresholds and times.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StormLimits {
    pub inputs: Vec<Threshold>,
    pub warm_cooldown_ms: u32,
    pub storm_cooldown_ms: u32,
    pub halt_cooldown_ms: u32,
    /// Evaluations in a row that must ask for less before the mode steps down.
    pub clear_evaluations: u32,
}

impl StormLimits {
    /// Whether thresholds rise, each input stands once and asks for something.
    pub(crate) fn sound(&self) -> bool {
        let mut seen = std::collections::BTreeSet::new();
        self.clear_evaluations > 0
            && self.inputs.iter().all(|t| {
                let levels: Vec<i64> = [t.warm, t.storm, t.halt].into_iter().flatten().collect();
                let rises = levels.is_sorted_by(|a, b| a < b);
                seen.insert(t.input) && !levels.is_empty() && rises && t.age_ms_max > 0
            })
    }

    const fn cooldown_ns(&self, mode: Mode) -> i64 {
        let ms = match mode {
            Mode::Normal => 0,
            Mode::Warm => self.warm_cooldown_ms,
            Mode::Storm => self.storm_cooldown_ms,
            Mode::Halt => self.halt_cooldown_ms,
        };
        ms as i64 * 1_000_000
    }
}

/// The mode of one guard and when it was entered, as the journal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StormState {
    pub mode: Mode,
    /// Nanoseconds since the Unix epoch.
    pub since_ns: i64,
}

/// A change of mode and what asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    pub to: Mode,
    /// The input that asks for the most; `None` where all ask for Normal.
    pub input: Option<Input>,
    pub value: i64,
    pub bound: i64,
}

/// The readings of one guard. They die with the process: after a start each must be heard of anew.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    readings: BTreeMap<Input, (i64, u64)>,
    clear: u32,
    /// When it first looked: an input has its bound of time to be heard of.
    started_mono_ns: Option<u64>,
}

impl Guard {
    /// Takes a reading.
    pub fn read(&mut self, input: Input, value: i64, mono_ns: u64) {
        self.readings.insert(input, (value, mono_ns));
    }

    /// The last reading within an age.
    pub fn reading(&self, input: Input, age_ms_max: u32, mono_ns: u64) -> Option<i64> {
        let (value, at) = self.readings.get(&input)?;
        (mono_ns.saturating_sub(*at) <= u64::from(age_ms_max) * 1_000_000).then_some(*value)
    }

    /// One evaluation: the change of mode it leads to. `latched` holds the mode from stepping down.
    pub fn evaluate(
        &mut self,
        limits: &StormLimits,
        state: StormState,
        latched: bool,
        mono_ns: u64,
        epoch_ns: i64,
    ) -> Option<Transition> {
        let started = *self.started_mono_ns.get_or_insert(mono_ns);
        let mut worst = Transition { to: Mode::Normal, input: None, value: 0, bound: 0 };
        for threshold in &limits.inputs {
            let reading = self.reading(threshold.input, threshold.age_ms_max, mono_ns);
            let never = !self.readings.contains_key(&threshold.input);
            let waits = mono_ns.saturating_sub(started) <= u64::from(threshold.age_ms_max) * 1_000_000;
            if reading.is_none() && never && waits {
                continue;
            }
            let (to, bound) = threshold.asks(reading);
            if to > worst.to {
                let value = reading.unwrap_or(-1);
                worst = Transition { to, input: Some(threshold.input), value, bound };
            }
        }
        if worst.to > state.mode {
            self.clear = 0;
            return Some(worst);
        }
        if worst.to == state.mode || latched {
            self.clear = 0;
            return None;
        }
        self.clear = self.clear.saturating_add(1);
        let cooled = epoch_ns.saturating_sub(state.since_ns) >= limits.cooldown_ns(state.mode);
        if self.clear >= limits.clear_evaluations && cooled {
            self.clear = 0;
            return Some(worst);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1_000_000_000;

    fn limits() -> StormLimits {
        let inputs = vec![
            Threshold {
                input: Input::DrawdownBps,
                warm: Some(50),
                storm: Some(100),
                halt: Some(200),
                age_ms_max: 3_000,
            },
            Threshold {
                input: Input::LoopLagUs,
                warm: Some(5_000),
                storm: Some(20_000),
                halt: None,
                age_ms_max: 3_000,
            },
        ];
        StormLimits {
            inputs,
            warm_cooldown_ms: 30_000,
            storm_cooldown_ms: 30_000,
            halt_cooldown_ms: 60_000,
            clear_evaluations: 5,
        }
    }

    /// A guard beside a clock that steps a second an evaluation.
    struct Rig {
        guard: Guard,
        state: StormState,
        at: u64,
        latched: bool,
    }

    impl Rig {
        fn new() -> Self {
            Self { guard: Guard::default(), state: StormState::default(), at: 0, latched: false }
        }

        fn second(&mut self, drawdown: Option<i64>, lag: Option<i64>) -> Mode {
            self.at += S;
            for (input, value) in [(Input::DrawdownBps, drawdown), (Input::LoopLagUs, lag)] {
                if let Some(value) = value {
                    self.guard.read(input, value, self.at);
                }
            }
            let now = i64::try_from(self.at).unwrap();
            if let Some(t) = self.guard.evaluate(&limits(), self.state, self.latched, self.at, now) {
                assert_ne!(t.to, self.state.mode, "a transition changes the mode");
                self.state = StormState { mode: t.to, since_ns: now };
            }
            self.state.mode
        }
    }

    #[test]
    fn a15_each_threshold_at_one_below_at_and_above() {
        for (input, value, want) in [
            (0, 49, Mode::Normal),
            (0, 50, Mode::Warm),
            (0, 51, Mode::Warm),
            (0, 99, Mode::Warm),
            (0, 100, Mode::Storm),
            (0, 199, Mode::Storm),
            (0, 200, Mode::Halt),
            (0, 201, Mode::Halt),
            (1, 4_999, Mode::Normal),
            (1, 5_000, Mode::Warm),
            (1, 19_999, Mode::Warm),
            (1, 20_000, Mode::Storm),
            (1, i64::MAX, Mode::Storm),
            (1, i64::MIN, Mode::Normal),
        ] {
            let readings = if input == 0 { (Some(value), Some(0)) } else { (Some(0), Some(value)) };
            assert_eq!(Rig::new().second(readings.0, readings.1), want, "{input} {value}");
        }
    }

    #[test]
    fn a15_it_steps_down_after_the_cool_down_and_five_clear_evaluations_straight_to_the_target() {
        let mut rig = Rig::new();
        assert_eq!(rig.second(Some(250), Some(0)), Mode::Halt);
        // Entered at second 1: 60 s of cool-down end at second 61.
        for _ in 0..59 {
            assert_eq!(rig.second(Some(60), Some(0)), Mode::Halt);
        }
        assert_eq!(rig.second(Some(60), Some(0)), Mode::Warm, "from Halt straight to what is asked for");
        // A single bad evaluation starts the count of clear ones anew.
        for _ in 0..28 {
            assert_eq!(rig.second(Some(0), Some(0)), Mode::Warm);
        }
        assert_eq!(rig.second(Some(55), Some(0)), Mode::Warm);
        for _ in 0..4 {
            assert_eq!(rig.second(Some(0), Some(0)), Mode::Warm);
        }
        assert_eq!(rig.second(Some(0), Some(0)), Mode::Normal);
        // No time of grace after a recovery: the next bad reading counts at once.
        assert_eq!(rig.second(Some(100), Some(0)), Mode::Storm);
    }

    #[test]
    fn a15_a_latch_holds_the_mode_and_the_count_of_clear_evaluations() {
        let mut rig = Rig::new();
        rig.second(Some(200), Some(0));
        rig.latched = true;
        for _ in 0..200 {
            assert_eq!(rig.second(Some(0), Some(0)), Mode::Halt);
        }
        rig.latched = false;
        for _ in 0..4 {
            assert_eq!(rig.second(Some(0), Some(0)), Mode::Halt);
        }
        assert_eq!(rig.second(Some(0), Some(0)), Mode::Normal);
    }

    #[test]
    fn a15_an_input_that_is_missing_is_bad_after_its_bound_and_not_before() {
        let mut rig = Rig::new();
        // Never heard of: three seconds of grace from the first evaluation.
        for second in 1..=4 {
            assert_eq!(rig.second(Some(0), None), Mode::Normal, "{second}");
        }
        assert_eq!(rig.second(Some(0), None), Mode::Storm);
        let mut rig = Rig::new();
        rig.second(Some(0), Some(0));
        for _ in 0..3 {
            assert_eq!(rig.second(Some(0), None), Mode::Normal, "within its age");
        }
        assert_eq!(rig.second(Some(0), None), Mode::Storm);
    }

    #[test]
    fn limits_that_fall_or_say_nothing_are_unsound() {
        assert!(limits().sound());
        let with = |change: fn(&mut StormLimits)| {
            let mut limits = limits();
            change(&mut limits);
            limits.sound()
        };
        assert!(!with(|l| l.clear_evaluations = 0));
        assert!(!with(|l| l.inputs[0].warm = Some(100)));
        assert!(!with(|l| l.inputs[1].age_ms_max = 0));
        assert!(!with(|l| l.inputs[1].input = Input::DrawdownBps));
        assert!(!with(|l| (l.inputs[1].warm, l.inputs[1].storm) = (None, None)));
    }

    proptest! {
        /// Against a plain model that keeps the whole history: the mode is never below what the present readings ask for,
        /// and steps down only after five clear evaluations and the cool-down.
        #[test]
        fn a15_it_is_never_below_what_is_asked_for_and_never_hurries_down(
            history in prop::collection::vec((0_i64..260, 0_i64..25_000, prop::bool::weighted(0.1)), 1..200)
        ) {
            let mut rig = Rig::new();
            let mut asked: Vec<Mode> = vec![];
            let (mut entered, mut mode) = (0, Mode::Normal);
            for (at, (drawdown, lag, latched)) in history.into_iter().enumerate() {
                let level = |v: i64, w, s, h| if v >= h { Mode::Halt } else if v >= s { Mode::Storm } else if v >= w { Mode::Warm } else { Mode::Normal };
                let want = level(drawdown, 50, 100, 200).max(level(lag, 5_000, 20_000, i64::MAX));
                rig.latched = latched;
                let is = rig.second(Some(drawdown), Some(lag));
                asked.push(if latched { mode.max(want) } else { want });
                prop_assert!(is >= want);
                if is < mode {
                    prop_assert!(!latched);
                    prop_assert!(asked.len() >= 5 && asked.iter().rev().take(5).all(|a| *a < mode));
                    let cool_down = if mode == Mode::Halt { 60 } else { 30 };
                    prop_assert!(at - entered >= cool_down);
                    prop_assert_eq!(is, want);
                }
                if is != mode {
                    (entered, mode) = (at, is);
                }
            }
        }
    }
}
