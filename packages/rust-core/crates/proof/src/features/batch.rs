//! Streaming against recomputation: what a kernel says after many single steps, and what the whole arrays say at once.

use super::Found;
use super::data::{Event, Series};
use tidegate_features::indicators::{Bollinger, Ema, Rsi, Sma};
use tidegate_features::set::{Input, SETS};
use tidegate_features::{Kernel, View};

/// Places of each recording at which everything is recomputed.
const PLACES: usize = 40;

/// `plant` shifts the arrays by one against the stream.
pub fn compare(series: &Series, updates: usize, plant: bool) -> Found {
    let mut found = Found::default();
    let end = end_of(series, updates);
    let events = &series.events[..end];
    restarts(&mut found, series, events);
    arrays(&mut found, series, events, usize::from(plant));
    prices(&mut found, series, events, usize::from(plant));
    found
}

fn end_of(series: &Series, updates: usize) -> usize {
    let books = series.events.iter().enumerate().filter(|(_, event)| matches!(event, Event::Book(_)));
    books.take(updates).last().map_or(0, |(place, _)| place + 1)
}

/// Every set: a kernel forgotten by a gap in the middle must from there on say what a fresh one says of the rest alone.
fn restarts(found: &mut Found, series: &Series, events: &[Event]) {
    for set in SETS.iter().filter(|set| set.on == Input::Book) {
        let (Ok(mut long), Ok(mut fresh)) = (Kernel::new(set.name), Kernel::new(set.name)) else { continue };
        // The old kernel behind the common interface is slow; a tenth of the recording is enough for it.
        let events = if set.name == "lob_basic_v1" { &events[..events.len() / 10] } else { events };
        let cut = events.len() / 3;
        for (place, event) in events.iter().enumerate() {
            if place == cut {
                long.on_gap();
                fresh.on_gap();
            }
            match event {
                Event::Trade(print) => {
                    long.on_trade(print);
                    if place >= cut {
                        fresh.on_trade(print);
                    }
                }
                Event::Book(view) => {
                    let row = *long.on_view(view);
                    if place >= cut {
                        let other = *fresh.on_view(view);
                        found.note(row == other, || {
                            format!(
                                "{}, {}, event {place}: {row:?} after a restart {other:?}",
                                series.name, set.name
                            )
                        });
                    }
                }
            }
        }
    }
}

/// Features that a plain sum over an array gives: cumulated flow, autocovariance, survival, depth.
fn arrays(found: &mut Found, series: &Series, events: &[Event], offset: usize) {
    let Ok(mut kernel) = Kernel::new("lob_shared_v3") else { return };
    let mut rows: Vec<(View, [i64; 27])> = vec![];
    for event in events {
        match event {
            Event::Trade(print) => kernel.on_trade(print),
            Event::Book(view) => {
                let row = kernel.on_view(view);
                if row.flags & tidegate_features::flags::PARTIAL == 0
                    && let Ok(values) = row.values().try_into()
                {
                    rows.push((*view, values));
                }
            }
        }
    }
    let mids: Vec<i64> = rows.iter().map(|(_, values)| values[2]).collect();
    let changes: Vec<i64> = mids.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for n in 0..PLACES {
        let place = 45 + (rows.len().saturating_sub(46)) * n / PLACES;
        let Some((view, values)) = rows.get(place) else { continue };
        let at = place - offset;
        let sum: i64 = rows[..=at].iter().map(|(_, values)| values[11]).sum();
        found.note(sum == values[12], || {
            format!("{}, row {place}: flow sum {sum}, stream {}", series.name, values[12])
        });
        let products: i64 = (at - 40..at).map(|n| changes[n] * changes[n - 1]).sum();
        let autocov = products * 25_000;
        found.note(autocov == values[17], || {
            format!("{}, row {place}: autocovariance {autocov}, stream {}", series.name, values[17])
        });
        let touch = |n: usize| (rows[n].1[0], rows[n].1[1]);
        let since = (0..=at).rev().take_while(|n| touch(*n) == touch(at)).last().unwrap_or(at);
        let survival = (view.ts.0 - rows[since].0.ts.0) / 1_000_000;
        found.note(survival == values[18], || {
            format!("{}, row {place}: survival {survival}, stream {}", series.name, values[18])
        });
    }
}

/// Indicators over the prices of the trades, against their windows written out.
fn prices(found: &mut Found, series: &Series, events: &[Event], offset: usize) {
    let trades = events.iter().filter_map(|event| match event {
        Event::Trade(print) => Some(print.px as f64),
        Event::Book(_) => None,
    });
    let prices: Vec<f64> = trades.collect();
    let (mut sma, mut ema, mut rsi, mut bands) =
        (Sma::new(20), Ema::new(20), Rsi::new(14), Bollinger::new(20, 2.0));
    let every = (prices.len() / PLACES).max(1);
    for (n, price) in prices.iter().enumerate() {
        let got = (sma.next(*price), ema.next(*price), rsi.next(*price), bands.next(*price));
        if n < 40 || n % every != 0 {
            continue;
        }
        let seen = &prices[..=n - offset];
        let window = &seen[seen.len() - 20..];
        let mean = window.iter().sum::<f64>() / 20.0;
        let deviation = (window.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20.0).sqrt();
        let changes: Vec<f64> = seen.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let part = |sign: f64| {
            weighted(&changes.iter().map(|c| (c * sign).max(0.0)).collect::<Vec<_>>(), 14, 1.0 / 14.0)
        };
        let (gain, loss) = (part(1.0), part(-1.0));
        let strength = if gain + loss > 0.0 { 100.0 * gain / (gain + loss) } else { 0.0 };
        let want = [mean, weighted(seen, 20, 2.0 / 21.0), strength, mean + 2.0 * deviation];
        let got = [got.0, got.1, got.2, got.3.map(|band| band.upper)];
        for (name, (got, want)) in
            ["sma20", "ema20", "rsi14", "upper20"].into_iter().zip(got.into_iter().zip(want))
        {
            let equal = got.is_some_and(|got| (got - want).abs() <= 1e-9 * want.abs().max(1.0));
            found.note(equal, || format!("{}, trade {n}, {name}: stream {got:?}, batch {want}", series.name));
        }
    }
}

/// An exponential average as a weighted sum of the whole past, seeded with the mean of the first `n`.
fn weighted(xs: &[f64], n: usize, alpha: f64) -> f64 {
    let (head, tail) = xs.split_at(n);
    let mut weight = alpha;
    let mut sum = 0.0;
    for x in tail.iter().rev() {
        sum += weight * x;
        weight *= 1.0 - alpha;
    }
    sum + weight / alpha * head.iter().sum::<f64>() / n as f64
}
