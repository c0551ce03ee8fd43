//! The sets `bar_wide_v1` (30) and `bar_stream_v1` (12): features of closed bars, with the quotes at their close.
//!
//! The indicators are statistics in floating point; what is issued is whole numbers. A value that is not warm is 0 and its bit
//! in the mask is clear: nothing neutral is filled in.

use crate::bars::Bar;
use crate::fixed::imbalance_ppm;
use crate::flags;
use crate::indicators::{Bollinger, Candle, Ema, LogReturn, Macd, MacdValue, RateOfChange, Rsi, Sma};
use crate::limits::{FEATURES_MAX, QTY_LOTS_MAX};
use crate::row::Row;
use crate::set::{FeatureSpec, Per, warm_by};
use crate::view::View;
use tidegate_units::SAFE_INTEGER;

pub(crate) const ABOUT_WIDE: &str = "30 features of closed bars and the quotes at their close";
pub(crate) const ABOUT_STREAM: &str = "12 features of closed bars";

const fn bars(name: &'static str, definition: &'static str, warm: u32) -> FeatureSpec {
    warm_by(Per::Bars, name, definition, warm)
}

pub(crate) const WIDE: [FeatureSpec; 30] = [
    bars("open", "ticks", 1),
    bars("high", "ticks", 1),
    bars("low", "ticks", 1),
    bars("close", "ticks", 1),
    bars("rsi14_e4", "Wilder, seeded with the mean of 14 changes, 1e-4", 15),
    bars("macd_e4", "EMA12 - EMA26 of close, 1e-4 ticks", 34),
    bars("macd_signal_e4", "EMA9 of macd, 1e-4 ticks", 34),
    bars("macd_histogram_e4", "macd - signal, 1e-4 ticks", 34),
    bars("ema9_e4", "of close, seeded with the mean of 9, 1e-4 ticks", 9),
    bars("ema21_e4", "of close, seeded with the mean of 21, 1e-4 ticks", 21),
    bars("ema_spread_e4", "ema9 - ema21, 1e-4 ticks", 21),
    bars("sma50_e4", "1e-4 ticks", 50),
    bars("sma50_distance_ppm", "close / sma50 - 1, 1e-6", 50),
    bars("sma200_e4", "1e-4 ticks", 200),
    bars("bollinger_upper_e4", "20 bars, 2 population deviations, 1e-4 ticks", 20),
    bars("bollinger_middle_e4", "1e-4 ticks", 20),
    bars("bollinger_lower_e4", "1e-4 ticks", 20),
    bars("bollinger_place_ppm", "(close - lower) / (upper - lower), a half where they meet, 1e-6", 20),
    bars("volume", "lots", 1),
    bars("volume_change_ppm", "volume / volume of the bar before - 1, 0 where that is 0, 1e-6", 2),
    bars("bid", "at the close, ticks", 1),
    bars("ask", "at the close, ticks", 1),
    bars("mid_x2", "bid + ask, ticks", 1),
    bars("spread", "ask - bid, ticks", 1),
    bars("spread_e2bp", "spread / mid, 1e-6", 1),
    bars("bid_depth", "sum of 5 levels, lots", 1),
    bars("ask_depth", "sum of 5 levels, lots", 1),
    bars("depth_imbalance_ppm", "(bid_depth - ask_depth) / (bid_depth + ask_depth), 1e-6", 1),
    bars("log_return_ppb", "ln(close / close before), 1e-9", 2),
    bars("momentum10_ppm", "close / close 10 bars before - 1, 1e-6", 11),
];

pub(crate) const STREAM: [FeatureSpec; 12] = [
    bars("close", "ticks", 1),
    bars("rsi14_e4", "Wilder, seeded with the mean of 14 changes, 1e-4", 15),
    bars("macd_e4", "EMA12 - EMA26 of close, 1e-4 ticks", 34),
    bars("macd_signal_e4", "EMA9 of macd, 1e-4 ticks", 34),
    bars("macd_histogram_e4", "macd - signal, 1e-4 ticks", 34),
    bars("ema12_e4", "of close, seeded with the mean of 12, 1e-4 ticks", 12),
    bars("ema26_e4", "of close, seeded with the mean of 26, 1e-4 ticks", 26),
    bars("ema_spread_e4", "ema12 - ema26, 1e-4 ticks", 26),
    bars("sma20_e4", "1e-4 ticks", 20),
    bars("sma20_distance_ppm", "close / sma20 - 1, 1e-6", 20),
    bars("volume", "lots", 1),
    bars("range_ppm", "(high - low) / close, 1e-6", 1),
];

/// The nearest whole number of a scaled value; what is no number or not exact in JavaScript is 0.
fn whole(value: f64, scale: f64) -> i64 {
    let scaled = (value * scale).round();
    if scaled.abs() <= SAFE_INTEGER as f64 { scaled as i64 } else { 0 }
}

#[derive(Debug, Clone)]
struct Common {
    rsi: Rsi,
    macd: Macd,
    fast: Ema,
    slow: Ema,
}

/// RSI, MACD, fast and slow average.
type CommonValues = (Option<f64>, Option<MacdValue>, Option<f64>, Option<f64>);

impl Common {
    fn new(fast: usize, slow: usize) -> Self {
        Self { rsi: Rsi::new(14), macd: Macd::new(12, 26, 9), fast: Ema::new(fast), slow: Ema::new(slow) }
    }

    fn next(&mut self, close: f64) -> CommonValues {
        (self.rsi.next(close), self.macd.next(close), self.fast.next(close), self.slow.next(close))
    }
}

/// Puts the values into a row. `warm` are those that could be computed.
fn issue(row: &mut Row, values: &[Option<i64>], once: &mut u32) {
    let mut all = [0; FEATURES_MAX];
    let mut warm = 0;
    for (bit, (place, value)) in all.iter_mut().zip(values).enumerate() {
        if let Some(value) = value {
            *place = *value;
            warm |= 1 << bit;
        }
    }
    row.put(&all);
    row.warm = warm;
    row.flags = std::mem::take(once) | if warm == row.mask() { 0 } else { flags::WARMING_UP };
}

/// The kernel of `bar_wide_v1` of one instrument and one kind of bar.
#[derive(Debug, Clone)]
pub struct BarWide {
    row: Row,
    once: u32,
    common: Common,
    sma50: Sma,
    sma200: Sma,
    bands: Bollinger,
    volume: Option<i64>,
    log_return: LogReturn,
    momentum: RateOfChange,
}

impl Default for BarWide {
    fn default() -> Self {
        Self {
            row: Row::new(WIDE.len()),
            once: flags::STATE_RESET,
            common: Common::new(9, 21),
            sma50: Sma::new(50),
            sma200: Sma::new(200),
            bands: Bollinger::new(20, 2.0),
            volume: None,
            log_return: LogReturn::new(1),
            momentum: RateOfChange::new(10),
        }
    }
}

impl BarWide {
    /// Bars were lost: nothing learned so far holds.
    pub fn on_gap(&mut self) {
        *self = Self { once: flags::GAP | flags::STATE_RESET, ..Self::default() };
    }

    /// One closed bar and the quotes at its close. A re-issued bar (revision above 0) is not taken: the averages have moved on;
    /// the row before is given with OUT_OF_ORDER.
    pub fn on_bar(&mut self, bar: &Bar, view: &View) -> &Row {
        if bar.revision > 0 {
            self.row.again(flags::OUT_OF_ORDER);
            return &self.row;
        }
        let Candle { close, volume, .. } = bar.candle();
        let (rsi, macd, fast, slow) = self.common.next(close);
        let (sma50, sma200, bands) =
            (self.sma50.next(close), self.sma200.next(close), self.bands.next(close));
        let change = self
            .volume
            .replace(bar.volume)
            .map(|before| if before > 0 { whole(volume / before as f64 - 1.0, 1e6) } else { 0 });
        let e4 = |value: f64| whole(value, 1e4);
        let lots = |qty: i64| qty.clamp(0, QTY_LOTS_MAX);
        let (bid, ask) = (view.bids.best().map(|level| level.0), view.asks.best().map(|level| level.0));
        let quotes = bid.zip(ask).filter(|(bid, ask)| bid < ask);
        let depth = (lots(view.bids.sum()), lots(view.asks.sum()));
        let values = [
            Some(bar.open),
            Some(bar.high),
            Some(bar.low),
            Some(bar.close),
            rsi.map(e4),
            macd.map(|macd| e4(macd.macd)),
            macd.map(|macd| e4(macd.signal)),
            macd.map(|macd| e4(macd.histogram)),
            fast.map(e4),
            slow.map(e4),
            fast.zip(slow).map(|(fast, slow)| e4(fast - slow)),
            sma50.map(e4),
            sma50.map(|sma| whole(close / sma - 1.0, 1e6)),
            sma200.map(e4),
            bands.map(|band| e4(band.upper)),
            bands.map(|band| e4(band.middle)),
            bands.map(|band| e4(band.lower)),
            bands.map(|band| whole(band.place(close), 1e6)),
            Some(bar.volume),
            change,
            quotes.map(|(bid, _)| bid),
            quotes.map(|(_, ask)| ask),
            quotes.map(|(bid, ask)| bid.saturating_add(ask)),
            quotes.map(|(bid, ask)| ask.saturating_sub(bid)),
            quotes.map(|(bid, ask)| whole((ask as f64 - bid as f64) / (ask as f64 + bid as f64) * 2.0, 1e6)),
            quotes.map(|_| depth.0),
            quotes.map(|_| depth.1),
            quotes.map(|_| imbalance_ppm(depth.0, depth.1)),
            self.log_return.next(close).map(|value| whole(value, 1e9)),
            self.momentum.next(close).map(|percent| whole(percent, 1e4)),
        ];
        issue(&mut self.row, &values, &mut self.once);
        if quotes.is_none() {
            self.row.flags |= flags::PARTIAL;
        }
        &self.row
    }
}

/// The kernel of `bar_stream_v1` of one instrument and one kind of bar.
#[derive(Debug, Clone)]
pub struct BarStream {
    row: Row,
    once: u32,
    common: Common,
    sma20: Sma,
}

impl Default for BarStream {
    fn default() -> Self {
        Self {
            row: Row::new(STREAM.len()),
            once: flags::STATE_RESET,
            common: Common::new(12, 26),
            sma20: Sma::new(20),
        }
    }
}

impl BarStream {
    /// Bars were lost: nothing learned so far holds.
    pub fn on_gap(&mut self) {
        *self = Self { once: flags::GAP | flags::STATE_RESET, ..Self::default() };
    }

    /// One closed bar; a re-issued one as in [`BarWide::on_bar`].
    pub fn on_bar(&mut self, bar: &Bar) -> &Row {
        if bar.revision > 0 {
            self.row.again(flags::OUT_OF_ORDER);
            return &self.row;
        }
        let Candle { high, low, close, .. } = bar.candle();
        let (rsi, macd, fast, slow) = self.common.next(close);
        let sma = self.sma20.next(close);
        let e4 = |value: f64| whole(value, 1e4);
        let values = [
            Some(bar.close),
            rsi.map(e4),
            macd.map(|macd| e4(macd.macd)),
            macd.map(|macd| e4(macd.signal)),
            macd.map(|macd| e4(macd.histogram)),
            fast.map(e4),
            slow.map(e4),
            fast.zip(slow).map(|(fast, slow)| e4(fast - slow)),
            sma.map(e4),
            sma.map(|sma| whole(close / sma - 1.0, 1e6)),
            Some(bar.volume),
            Some(whole((high - low) / close, 1e6)),
        ];
        issue(&mut self.row, &values, &mut self.once);
        &self.row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_units::EpochNs;

    fn bar(n: i64, close: i64) -> Bar {
        Bar {
            index: n,
            start: n,
            open: close - 1,
            high: close + 2,
            low: close - 2,
            close,
            volume: 10 + n,
            notional: 0,
            trades: 1,
            revision: 0,
        }
    }

    #[test]
    fn b073_bars_warm_up_as_the_sets_say() {
        let view = View::from_levels(&[(999, 6)], &[(1_001, 2)], EpochNs(0));
        let (mut wide, mut stream) = (BarWide::default(), BarStream::default());
        for n in 1..=200 {
            let one = bar(n, 1_000 + n % 7);
            let rows = [(*wide.on_bar(&one, &view), &WIDE[..]), (*stream.on_bar(&one), &STREAM[..])];
            for (row, set) in rows {
                for (bit, spec) in set.iter().enumerate() {
                    assert_eq!(
                        row.warm >> bit & 1 == 1,
                        n >= i64::from(spec.warm),
                        "{} after {n}",
                        spec.name
                    );
                }
            }
        }
        let row = *wide.on_bar(&bar(201, 1_000), &view);
        assert_eq!(row.flags, 0);
        assert_eq!(row.values().get(20..28), Some(&[999, 1_001, 2_000, 2, 2_000, 6, 2, 500_000][..]));
        assert_eq!(wide.on_bar(&Bar { revision: 1, ..bar(201, 5) }, &view).flags, flags::OUT_OF_ORDER);
        assert_ne!(wide.on_bar(&bar(202, 1_000), &View::default()).flags & flags::PARTIAL, 0);
    }

    #[test]
    fn b072_the_features_follow_the_indicators() {
        let mut stream = BarStream::default();
        let row = (1..=30).map(|n| *stream.on_bar(&bar(n, 100 + n))).last();
        let values = row.map(|row| row.values().to_vec()).unwrap_or_default();
        // Only rises; mean of 111 … 130; (132 − 128) / 130.
        assert_eq!((values[0], values[1], values[8], values[11]), (130, 1_000_000, 1_205_000, 30_769));
        assert_eq!(values[7], 70_000, "two averages of a straight line are 7 apart");
    }
}
