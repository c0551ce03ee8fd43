//! Indicators against values that other programs computed (TA-Lib, TradingView, spreadsheets).

use super::Found;
use super::data::text;
use std::path::Path;
use tidegate_features::indicators::{
    Accumulation, AccumulationOscillator, AroonOscillator, Atr, Awesome, Bollinger, Candle, Dema, Ema,
    Extremes, ForceIndex, HeikinAshi, LinearWeighted, LogReturn, Macd, MacdValue, Midpoint, MoneyFlow,
    RateOfChange, Rsi, Sma, Stochastic, T3, Triangular, Ultimate, VolumeWeighted, Vortex, ZeroLag,
    balance_of_power,
};

/// A column and what it is of a value.
type Pick<T> = (&'static str, fn(&T) -> f64);

type Step = Box<dyn FnMut(&Candle) -> Option<f64>>;

/// One column of one file.
struct Case {
    file: &'static str,
    column: &'static str,
    /// Expected values passed over at the start, where the file was seeded otherwise than by its own rows.
    skip: usize,
    /// Largest difference: absolute, of a value printed to so many places or kept in single precision.
    absolute: f64,
    /// Largest difference relative to the value.
    relative: f64,
    step: Step,
}

fn case(file: &'static str, column: &'static str, skip: usize, absolute: f64, step: Step) -> Case {
    Case { file, column, skip, absolute, relative: 1e-9, step }
}

fn on_close(mut step: impl FnMut(f64) -> Option<f64> + 'static) -> Step {
    Box::new(move |candle| step(candle.close))
}

fn band(pick: fn(&Bollinger20, f64) -> f64) -> Step {
    let mut bands = Bollinger::new(20, 2.0);
    on_close(move |close| bands.next(close).map(|band| pick(&band, close)))
}

type Bollinger20 = tidegate_features::indicators::Band;

/// Every column there is an opinion about. The rest of the folder is other people's inventions, seeds that are not in the file, or
/// statistics that no strategy here reads.
fn cases() -> Vec<Case> {
    let (mut sma14, mut ema14, mut macd, mut rsi) =
        (Sma::new(14), Ema::new(14), Macd::new(12, 26, 9), Rsi::new(14));
    let mut all = vec![
        // Rounded to seven digits of an index near 15,000.
        case("spy_with_indicators.txt", "SMA14", 0, 0.006, on_close(move |x| sma14.next(x))),
        case("spy_with_indicators.txt", "EMA14", 100, 0.006, on_close(move |x| ema14.next(x))),
        case("spy_with_indicators.txt", "MACD 12 26", 200, 0.006, on_close(move |x| macd.both(x).0)),
        case("spy_with_indicators.txt", "RSI 14 Wilder", 0, 6e-6, on_close(move |x| rsi.next(x))),
        case("spy_bollinger_bands.txt", "Moving Average 20", 0, 6e-5, band(|band, _| band.middle)),
        case("spy_bollinger_bands.txt", "Bollinger Bands® 20 2 Top", 0, 1e-4, band(|band, _| band.upper)),
        case("spy_bollinger_bands.txt", "Bollinger Bands® 20 2 Bottom", 0, 1e-4, band(|band, _| band.lower)),
        case("spy_bollinger_bands.txt", "BandWidth", 0, 2e-4, band(|band, _| band.width())),
        case("spy_bollinger_bands.txt", "%B", 0, 1e-4, band(|band, close| band.place(close))),
    ];
    let mut atr = Atr::new(14);
    all.push(case("spy_atr_wilder.txt", "Average True Range 14", 100, 6e-4, Box::new(move |c| atr.next(c))));
    let mut ema = Ema::new(14);
    all.push(case("spy_ema.csv", "EMA14", 0, 0.0, on_close(move |x| ema.next(x))));
    // The file's heads are the wrong way round: what it calls 5 are fifteenths, and the other way.
    for (n, column) in [(15, "SMA5"), (10, "SMA10"), (5, "SMA15")] {
        let mut sma = Sma::new(n);
        all.push(case("spy_with_rma.csv.gz", column, 0, 1e-7, on_close(move |x| sma.next(x))));
    }
    let picks: [Pick<MacdValue>; 3] =
        [("MACD", |m| m.macd), ("Signal", |m| m.signal), ("Histogram", |m| m.histogram)];
    for (column, pick) in picks {
        let mut macd = Macd::new(12, 26, 9);
        all.push(case(
            "spy_with_macd.txt",
            column,
            100,
            6e-6,
            on_close(move |x| macd.next(x).map(|m| pick(&m))),
        ));
    }
    let mut dema = Dema::new(5);
    all.push(case("spy_dema.txt", "DEMA_5", 100, 1e-8, on_close(move |x| dema.next(x))));
    let mut t3 = T3::new(5, 0.7);
    all.push(case("spy_t3.txt", "T3_5", 0, 1e-9, on_close(move |x| t3.next(x))));
    for (n, column) in [(5, "TRIMA_5"), (6, "TRIMA_6")] {
        let mut trima = Triangular::new(n);
        all.push(case("spy_trima.txt", column, 0, 1e-9, on_close(move |x| trima.next(x))));
    }
    let mut max = Extremes::new(5);
    all.push(case("spy_max.txt", "MAX_5", 0, 0.0, on_close(move |x| max.next(x, x).map(|found| found.0))));
    let mut midpoint = Midpoint::new(5);
    all.push(case("spy_midpoint.txt", "MIDPOINT_5", 0, 1e-9, on_close(move |x| midpoint.next(x))));
    let mut log = LogReturn::new(14);
    all.push(case("spy_logr14.txt", "LOGR14", 0, 1e-7, on_close(move |x| log.next(x))));
    let mut roc = RateOfChange::new(50);
    all.push(case("spy_with_rocp50.txt", "Rate of Change % 50", 0, 6e-5, on_close(move |x| roc.next(x))));
    let mut stochastic = Stochastic::new(12, 3, 5);
    let k = Box::new(move |c: &Candle| stochastic.next(c).map(|found| found.0));
    all.push(case("spy_with_stoch12k3.txt", "Stochastics 12 %K 3", 0, 1e-3, k));
    let mut stochastic = Stochastic::new(12, 3, 5);
    let d = Box::new(move |c: &Candle| stochastic.next(c).and_then(|found| found.1));
    all.push(case("spy_with_stoch12k3.txt", "%D 5", 0, 1e-3, d));
    let mut aroon = AroonOscillator::new(14);
    all.push(case(
        "spy_aroon_oscillator.txt",
        "Aroon Oscillator 14",
        0,
        1e-5,
        Box::new(move |c| aroon.next(c)),
    ));
    let mut awesome = Awesome::default();
    all.push(case("spy_ao.txt", "AO", 0, 1e-9, Box::new(move |c| awesome.next(c))));
    all.push(case("spy_bop.txt", "BOP", 0, 1e-9, Box::new(|c| Some(balance_of_power(c)))));
    let mut ultimate = Ultimate::new([7, 14, 28]);
    all.push(case("spy_ultosc.txt", "ULTOSC_7_14_28", 0, 1e-9, Box::new(move |c| ultimate.next(c))));
    let mut flow = MoneyFlow::new(20);
    all.push(case("spy_cmf.txt", "CMF_20", 0, 2e-6, Box::new(move |c| flow.next(c))));
    let mut line = Accumulation::default();
    all.push(case("spy_ad.txt", "AD", 0, 1e-3, Box::new(move |c| Some(line.next(c)))));
    let mut oscillator = AccumulationOscillator::new(3, 10);
    all.push(case("spy_ad_osc.txt", "AdOsc_3_10", 100, 1e-3, Box::new(move |c| oscillator.next(c))));
    let mut vwma = VolumeWeighted::new(20);
    all.push(case("spy_with_vwma.csv", "VWMA20", 0, 1e-9, Box::new(move |c| vwma.next(c.close, c.volume))));
    let mut force = ForceIndex::new(20);
    all.push(case("spy_with_ForceIndex.csv", "ForceIndex20", 0, 1e-3, Box::new(move |c| force.next(c))));
    let sides: [Pick<(f64, f64)>; 2] = [("plus_vtx", |v| v.0), ("minus_vtx", |v| v.1)];
    for (column, pick) in sides {
        let mut vortex = Vortex::new(14);
        all.push(case(
            "spy_with_vtx.csv",
            column,
            0,
            1e-9,
            Box::new(move |c| vortex.next(c).as_ref().map(pick)),
        ));
    }
    let mut zero = ZeroLag::new(5);
    all.push(case("spy_with_zlema.csv", "ZLEMA5", 0, 1e-9, on_close(move |x| zero.next(x))));
    let picks: [Pick<Candle>; 4] =
        [("HA_Open", |c| c.open), ("HA_High", |c| c.high), ("HA_Low", |c| c.low), ("HA_Close", |c| c.close)];
    for (column, pick) in picks {
        let mut ashi = HeikinAshi::default();
        all.push(case("spy_heikin_ashi.txt", column, 0, 1e-6, Box::new(move |c| Some(pick(&ashi.next(c))))));
    }
    let mut lwma = LinearWeighted::new(6);
    all.push(case("spx_lwma.csv", "LWMA", 0, 1e-3, on_close(move |x| lwma.next(x))));
    all
}

/// The columns compared, as `file: column`.
pub fn columns() -> Vec<String> {
    cases().iter().map(|case| format!("{}: {}", case.file, case.column)).collect()
}

/// Fields of a line of comma-separated text; a quoted one may hold commas.
fn fields(line: &str) -> Vec<&str> {
    let (mut out, mut start, mut quoted) = (vec![], 0, false);
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                out.push(line[start..at].trim().trim_matches('"'));
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(line[start..].trim().trim_matches('"'));
    out
}

/// All columns; `plant` seeds the RSI with its first change alone.
pub fn compare(folder: &Path, plant: bool) -> Result<Found, String> {
    let mut all = Found::default();
    for mut case in cases() {
        if plant && case.column == "RSI 14 Wilder" {
            let mut wrong = (Rsi::new(14), false);
            case.step = on_close(move |x| {
                if !std::mem::replace(&mut wrong.1, true) {
                    wrong.0.next(x * 1.01);
                }
                wrong.0.next(x)
            });
        }
        let path = folder.join("indicator-reference").join(case.file);
        let text = text(&path)?;
        let mut found = Found::default();
        column(&mut found, &mut case, text.trim_start_matches('\u{feff}'))?;
        all.join(found);
    }
    Ok(all)
}

fn column(found: &mut Found, case: &mut Case, text: &str) -> Result<(), String> {
    let mut lines = text.lines();
    let header = fields(lines.next().unwrap_or(""));
    let place = |name: &str| header.iter().position(|field| field.eq_ignore_ascii_case(name));
    let want = header.iter().position(|field| *field == case.column);
    let (Some(want), Some(close)) = (want, place("close")) else {
        return Err(format!("{}: wants columns close and {}, has {header:?}", case.file, case.column));
    };
    let others = ["open", "high", "low", "volume"].map(place);
    let mut seen = 0;
    for (n, line) in lines.enumerate() {
        let row = fields(line);
        let read =
            |place: Option<usize>| place.and_then(|p| row.get(p)).and_then(|text| text.parse::<f64>().ok());
        let Some(close) = read(Some(close)) else { continue };
        let [open, high, low, volume] = others.map(|place| read(place).unwrap_or(close));
        let got = (case.step)(&Candle { open, high, low, close, volume });
        let Some(want) = read(Some(want)).filter(|value| value.is_finite()) else { continue };
        let Some(got) = got else { continue };
        seen += 1;
        if seen <= case.skip {
            continue;
        }
        let slack = case.absolute.max(case.relative * want.abs());
        found.note((got - want).abs() <= slack, || {
            format!("{}, row {}, {}: {got}, want {want} within {slack}", case.file, n + 1, case.column)
        });
    }
    // A column that was never compared must not pass.
    found.note(seen > case.skip, || format!("{}: no value of {} was compared", case.file, case.column));
    Ok(())
}
