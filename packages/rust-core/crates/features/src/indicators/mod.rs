//! Streaming indicators over prices and bars. They are statistics and not money, so they are floats.
//!
//! Every one takes one input and gives its value, or `None` while it has too few inputs: nothing neutral is filled in. Moving
//! sums are added up anew once per window, so that rounding does not pile up over a long session.

mod average;
mod bands;
mod oscillator;
mod range;
mod volume;

pub use average::{Dema, Ema, LinearWeighted, Sma, T3, Triangular, Wilder, ZeroLag};
pub use bands::{Atr, Band, Bollinger, HeikinAshi, true_range};
pub use oscillator::{
    AroonOscillator, Awesome, LogReturn, Macd, MacdValue, RateOfChange, Rsi, Stochastic, Ultimate, Vortex,
    balance_of_power,
};
pub use range::{Extremes, Midpoint};
pub use volume::{
    Accumulation, AccumulationOscillator, ForceIndex, MoneyFlow, OnBalance, VolumeWeighted, Vwap,
};

use crate::limits::WINDOW_MAX;

/// One bar as the indicators see it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Candle {
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
}

/// The last `n` inputs. A length is at least 1 and at most [`WINDOW_MAX`].
#[derive(Debug, Clone)]
pub(crate) struct Ring {
    items: Box<[f64]>,
    next: usize,
    full: bool,
}

impl Ring {
    pub fn new(n: usize) -> Self {
        Self { items: vec![0.0; n.clamp(1, WINDOW_MAX)].into_boxed_slice(), next: 0, full: false }
    }

    /// Puts one in and gives the one that falls out.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<f64> {
        let place = self.items.get_mut(self.next)?;
        let old = std::mem::replace(place, value);
        self.next += 1;
        let was_full = self.full;
        if self.next == self.items.len() {
            self.next = 0;
            self.full = true;
        }
        was_full.then_some(old)
    }

    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Whether the place to be written next is the first.
    #[inline]
    pub fn wrapped(&self) -> bool {
        self.next == 0
    }

    /// The inputs held, in no order.
    pub fn items(&self) -> &[f64] {
        self.items.get(..if self.full { self.items.len() } else { self.next }).unwrap_or_default()
    }

    /// Oldest first.
    pub fn in_order(&self) -> impl Iterator<Item = f64> + '_ {
        let (young, old) = self.items.split_at(if self.full { self.next } else { self.items.len() });
        let young = young.get(..if self.full { young.len() } else { self.next }).unwrap_or_default();
        old.iter().chain(young).copied()
    }
}

/// A moving sum of the last `n` inputs.
#[derive(Debug, Clone)]
pub(crate) struct Total {
    ring: Ring,
    sum: f64,
}

impl Total {
    pub fn new(n: usize) -> Self {
        Self { ring: Ring::new(n), sum: 0.0 }
    }

    /// The sum once `n` are there.
    #[inline]
    pub fn next(&mut self, value: f64) -> Option<f64> {
        let out = self.ring.push(value).unwrap_or(0.0);
        self.sum += value - out;
        if self.ring.wrapped() {
            self.sum = self.ring.items().iter().sum();
        }
        self.ring.is_full().then_some(self.sum)
    }
}

#[cfg(test)]
mod tests;
