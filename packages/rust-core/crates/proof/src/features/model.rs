//! The 27 features written out in exact arithmetic: rational numbers on a grid of 2^-256, nothing shared with the kernel.

use super::Found;
use super::data::{Event, Series};
use num_bigint::BigInt;
use tidegate_features::shared::{Shared, V3};
use tidegate_features::{Print, View};
use tidegate_units::Side;

const GRID: usize = 256;

fn big(value: i64) -> BigInt {
    BigInt::from(value)
}

/// An exponential average with α = `a / b`.
struct Average {
    state: BigInt,
    alpha: (i64, i64),
}

impl Average {
    fn new(a: i64, b: i64) -> Self {
        Self { state: BigInt::ZERO, alpha: (a, b) }
    }

    fn start(&mut self, value: i64) {
        self.state = big(value) << GRID;
    }

    fn step(&mut self, value: i64) {
        self.step_grid(&(big(value) << GRID));
    }

    fn step_grid(&mut self, value: &BigInt) {
        let gap = value - &self.state;
        self.state += gap * self.alpha.0 / self.alpha.1;
    }
}

fn magnitude(value: &BigInt) -> BigInt {
    BigInt::from(value.magnitude().clone())
}

fn signed(value: BigInt, like: &BigInt) -> i64 {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    if *like < BigInt::ZERO { -value } else { value }
}

/// The nearest whole number of `n / d`, half away from zero.
fn nearest(n: &BigInt, d: &BigInt) -> i64 {
    signed((magnitude(n) * 2 + d) / (d * 2), n)
}

/// The same where the numbers are averages: what lies less than 2^-16 below a half counts as a half.
fn nearest_average(n: &BigInt, d: &BigInt) -> i64 {
    let margin: BigInt = d.clone() * ((1_i64 << 15) + 1);
    signed(((magnitude(n) << 16) + margin) / (d.clone() << 16), n)
}

fn ppm(a: i64, b: i64) -> i64 {
    if a + b == 0 { 0 } else { nearest(&(big(a - b) * 1_000_000), &big(a + b)) }
}

struct Before {
    bid: (i64, i64),
    ask: (i64, i64),
    net: i64,
    since: i64,
}

/// All that the 27 features need of the past.
pub struct Model {
    before: Option<Before>,
    changes: Vec<i64>,
    flow_sum: i64,
    flow: [Average; 3],
    spread: [Average; 3],
    imbalance: [Average; 2],
    cross: Average,
    square: Average,
    slope: Option<i64>,
    baseline: Average,
    fast: Average,
    slow: Average,
    smooth: Average,
    tape: Option<(Average, Average)>,
}

impl Model {
    /// `wrong` plants an α of 2/10 where 2/9 is meant.
    pub fn new(wrong: bool) -> Self {
        let eight = if wrong { 10 } else { 9 };
        let of = |b| Average::new(2, b);
        Self {
            before: None,
            changes: vec![],
            flow_sum: 0,
            flow: [of(eight), of(41), of(241)],
            spread: [of(9), of(241), of(2_401)],
            imbalance: [of(9), of(41)],
            cross: of(201),
            square: of(201),
            slope: None,
            baseline: of(2_001),
            fast: Average::new(1, 8),
            slow: Average::new(1, 64),
            smooth: Average::new(1, 16),
            tape: None,
        }
    }

    pub fn trade(&mut self, print: &Print) {
        let side = if print.aggressor == Side::Buy { 1 } else { -1 };
        let signed = print.qty * side * i64::from(print.confidence);
        match &mut self.tape {
            Some((direction, volume)) => {
                direction.step(signed);
                volume.step(print.qty * 1_000);
            }
            None => {
                let mut pair = (Average::new(1, 25), Average::new(1, 25));
                pair.0.start(signed);
                pair.1.start(print.qty * 1_000);
                self.tape = Some(pair);
            }
        }
    }

    /// The values after an update, or `None` where it must change nothing.
    pub fn update(&mut self, view: &View) -> Option<[i64; 27]> {
        let (bid, ask) = (view.bids.best()?, view.asks.best()?);
        if bid.0 >= ask.0 {
            return None;
        }
        let sum = |levels: &[(i64, i64)]| levels.iter().map(|level| level.1).sum::<i64>();
        let (bids, asks) = (sum(view.bids.levels()), sum(view.asks.levels()));
        let net = sum(&view.bids.levels()[1..]) - sum(&view.asks.levels()[1..]);
        let (mid, spread, touch) = (bid.0 + ask.0, ask.0 - bid.0, bid.1 + ask.1);
        let imbalance = ppm(bid.1, ask.1);
        let start = self.before.is_none();
        let before = self.before.take().unwrap_or(Before { bid, ask, net, since: view.ts.0 });
        let moved = before.bid.0 != bid.0 || before.ask.0 != ask.0;
        let change = mid - before.bid.0 - before.ask.0;
        let mut flow = 0;
        if !start {
            flow += match bid.0.cmp(&before.bid.0) {
                std::cmp::Ordering::Greater => bid.1,
                std::cmp::Ordering::Equal => bid.1 - before.bid.1,
                std::cmp::Ordering::Less => -before.bid.1,
            };
            flow -= match ask.0.cmp(&before.ask.0) {
                std::cmp::Ordering::Less => ask.1,
                std::cmp::Ordering::Equal => ask.1 - before.ask.1,
                std::cmp::Ordering::Greater => -before.ask.1,
            };
            self.changes.push(change);
        }
        self.flow_sum += flow;
        self.flow.iter_mut().for_each(|average| average.step(flow));
        let put =
            |average: &mut Average, value| if start { average.start(value) } else { average.step(value) };
        self.spread.iter_mut().for_each(|average| put(average, spread));
        self.imbalance.iter_mut().for_each(|average| put(average, imbalance));

        let recent: Vec<i64> = self.changes.windows(2).rev().take(40).map(|pair| pair[0] * pair[1]).collect();
        let autocov = if recent.is_empty() {
            0
        } else {
            nearest(&(big(recent.iter().sum()) * 1_000_000), &big(recent.len() as i64))
        };
        if self.changes.len() > 41 {
            self.changes.remove(0);
        }

        self.cross.step(change * flow);
        self.square.step(flow * flow);
        let known = self.slope.is_some();
        if self.square.state > BigInt::ZERO {
            let slope = nearest_average(&(&self.cross.state * 1_000_000), &self.square.state);
            // Both shrink alike without flow; the grid's last bits must not move what they divide to.
            if flow != 0 {
                self.slope = Some(slope);
            }
        }
        let surprise = match self.slope {
            None => 0,
            Some(slope) => {
                if known {
                    self.baseline.step(slope)
                } else {
                    self.baseline.start(slope)
                }
                let gap = (big(slope) << GRID) - &self.baseline.state;
                let (away, size) = (magnitude(&gap), magnitude(&self.baseline.state));
                if size == BigInt::ZERO || &away * 10 < &size * 3 {
                    0
                } else if away >= size {
                    signed(big(1_000), &gap)
                } else {
                    nearest_average(&(gap * 1_000), &size)
                }
            }
        };

        let deep_change = if moved { 0 } else { net - before.net };
        self.fast.step(deep_change);
        self.slow.step(deep_change);
        let momentum = &self.fast.state - &self.slow.state;
        self.smooth.step_grid(&momentum);
        let two: BigInt = big(2) << GRID;
        let one: BigInt = big(1) << GRID;
        let clipped = self.smooth.state.clone().clamp(-two.clone(), two);
        let deep = if moved { 0 } else { nearest_average(&(clipped * 1_000), &one) };

        let since = if moved { view.ts.0 } else { before.since };
        let toxicity = self.tape.as_ref().map_or(0, |(direction, volume)| {
            if volume.state == BigInt::ZERO {
                return 0;
            }
            nearest_average(&(magnitude(&direction.state) * 1_000), &volume.state)
        });
        let micro = if touch == 0 {
            mid
        } else {
            nearest(&((big(ask.0) * bid.1 + big(bid.0) * ask.1) * 2), &big(touch))
        };
        let round = |average: &Average| nearest_average(&average.state, &one);
        let values = [
            bid.0,
            ask.0,
            mid,
            spread,
            bids,
            asks,
            ppm(bids, asks),
            micro,
            bid.1,
            ask.1,
            imbalance,
            flow,
            self.flow_sum,
            round(&self.flow[0]),
            round(&self.spread[0]),
            round(&self.imbalance[0]),
            nearest_average(&(&self.flow[0].state * 1_000_000), &(big((touch / 2).max(1)) << GRID)),
            autocov,
            (view.ts.0 - since) / 1_000_000,
            surprise,
            deep,
            toxicity,
            round(&self.flow[1]),
            round(&self.flow[2]),
            round(&self.imbalance[1]),
            round(&self.spread[1]),
            round(&self.spread[2]),
        ];
        self.before = Some(Before { bid, ask, net, since });
        Some(values)
    }
}

/// Kernel and model over one recording.
pub fn compare(series: &Series, updates: usize, wrong: bool) -> Found {
    let (mut kernel, mut model) = (Shared::new(3), Model::new(wrong));
    let (mut found, mut count) = (Found::default(), 0);
    for event in &series.events {
        match event {
            Event::Trade(print) => {
                kernel.on_trade(print);
                model.trade(print);
            }
            Event::Book(view) => {
                count += 1;
                if count > updates {
                    break;
                }
                let row = *kernel.on_view(view);
                let Some(want) = model.update(view) else {
                    found.note(row.flags & tidegate_features::flags::PARTIAL != 0, || {
                        format!("{}, update {count}: a broken book without PARTIAL", series.name)
                    });
                    continue;
                };
                for ((got, want), spec) in row.values().iter().zip(want).zip(&V3) {
                    found.note(*got == want, || {
                        format!("{}, update {count}, {}: {got}, want {want}", series.name, spec.name)
                    });
                }
            }
        }
    }
    found
}
