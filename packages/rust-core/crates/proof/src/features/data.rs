//! Recorded books and trades as the kernels see them.

use flate2::read::{DeflateDecoder, MultiGzDecoder};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use tidegate_features::view::Half;
use tidegate_features::{Print, View};
use tidegate_units::{EpochNs, Side};

pub const TAIFEX_DAY: &str = "TXFD6_2026-04-08";
pub const TAIFEX_OPTION: &str = "TXO35000Q6_2026-04-22";

/// One thing that happened.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    Book(View),
    Trade(Print),
}

/// A recording.
#[derive(Debug)]
pub struct Series {
    pub name: String,
    pub events: Vec<Event>,
}

/// A whole file, decompressed by its ending.
pub fn text(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path)
        .map_err(|fault| format!("{}: {fault}; want the reference data whole", path.display()))?;
    let mut text = String::new();
    let read = match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text),
        Some("zip") => {
            // One member: its data follow a header of 30 bytes, the name and the extra field.
            let word =
                |at: usize| bytes.get(at..at + 2).map_or(0, |b| usize::from(b[0]) | usize::from(b[1]) << 8);
            let start = 30 + word(26) + word(28);
            DeflateDecoder::new(bytes.get(start..).unwrap_or_default()).read_to_string(&mut text)
        }
        _ => (&bytes[..]).read_to_string(&mut text),
    };
    read.map_err(|fault| format!("{}: {fault}", path.display()))?;
    Ok(text)
}

fn number(path: &str, line: usize, text: Option<&str>) -> Result<i64, String> {
    let text = text.unwrap_or("");
    text.trim().parse().map_err(|_| format!("{path}, line {}: {text:?} is no whole number", line + 1))
}

/// A price in tenths: an option's has one decimal.
fn tenths(path: &str, line: usize, text: Option<&str>) -> Result<i64, String> {
    let text = text.unwrap_or("");
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if part.len() != 1 {
        return Err(format!("{path}, line {}: {text:?} has other than one decimal", line + 1));
    }
    Ok(number(path, line, Some(whole))? * 10 + number(path, line, Some(part))?)
}

/// Seconds with a fraction, as nanoseconds.
fn seconds(path: &str, line: usize, text: Option<&str>) -> Result<i64, String> {
    let text = text.unwrap_or("");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<9}");
    let whole = number(path, line, Some(whole))?;
    Ok(whole * 1_000_000_000 + number(path, line, part.get(..9))?)
}

impl Series {
    /// One LOBSTER recording: after each message the book row; executions are prints of the other side.
    pub fn lobster(folder: &Path, stem: &str, levels: usize) -> Result<Self, String> {
        Self::lobster_in(&folder.join("lobster-2012-06-21"), stem, levels)
    }

    fn lobster_in(folder: &Path, stem: &str, levels: usize) -> Result<Self, String> {
        let file = |kind: &str| {
            let plain = folder.join(format!("{stem}_{kind}_{levels}.csv"));
            if plain.exists() { plain } else { plain.with_extension("csv.gz") }
        };
        let (messages, books) = (text(&file("message"))?, text(&file("orderbook"))?);
        let mut events = vec![];
        for (line, (message, book)) in messages.lines().zip(books.lines()).enumerate() {
            let mut fields = message.split(',');
            let ts = EpochNs(seconds(stem, line, fields.next())?);
            let mut field = || number(stem, line, fields.next());
            let (kind, _, qty, px, direction) = (field()?, field()?, field()?, field()?, field()?);
            if matches!(kind, 4 | 5) {
                // The direction is that of the resting order.
                let aggressor = if direction > 0 { Side::Sell } else { Side::Buy };
                events.push(Event::Trade(Print::certain(px, qty, aggressor, ts)));
            }
            let (mut bids, mut asks) = (Half::default(), Half::default());
            let mut fields = book.split(',');
            for _ in 0..levels {
                let mut level = || {
                    Ok::<_, String>((number(stem, line, fields.next())?, number(stem, line, fields.next())?))
                };
                for half in [&mut asks, &mut bids] {
                    let level = level()?;
                    // An empty level has size 0.
                    if level.1 > 0 {
                        half.push(level);
                    }
                }
            }
            events.push(Event::Book(View { bids, asks, ts, ..View::default() }));
        }
        Ok(Self { name: stem.split('_').next().unwrap_or(stem).to_string(), events })
    }

    /// A recording by its contents: a TAIFEX event file, or the message file of a LOBSTER pair.
    pub fn open(path: &Path) -> Result<Self, String> {
        let text = text(path)?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        if text.starts_with("ev,exch_ts,px,qty") {
            return Self::from_taifex(name, &text);
        }
        let (folder, stem) = (path.parent().unwrap_or(Path::new("")), name.split_once("_message_"));
        if let Some((stem, rest)) = stem
            && let Some(levels) = rest.split('.').next().and_then(|levels| levels.parse().ok())
        {
            return Self::lobster_in(folder, stem, levels);
        }
        Err(format!(
            "{}: want a TAIFEX event file (ev,exch_ts,px,qty) or a LOBSTER message file",
            path.display()
        ))
    }

    /// One TAIFEX recording: all rows of one time are one update, trades first.
    pub fn taifex(folder: &Path, stem: &str) -> Result<Self, String> {
        Self::from_taifex(stem, &text(&folder.join(format!("taifex-l2-2026-04/{stem}.csv.gz")))?)
    }

    fn from_taifex(stem: &str, text: &str) -> Result<Self, String> {
        let mut sides: [BTreeMap<i64, i64>; 2] = Default::default();
        let mut events = vec![];
        let mut open: Option<i64> = None;
        let view = |sides: &[BTreeMap<i64, i64>; 2], ts: i64| {
            let mut view = View { ts: EpochNs(ts), ..View::default() };
            sides[0].iter().rev().take(5).for_each(|level| view.bids.push((*level.0, *level.1)));
            sides[1].iter().take(5).for_each(|level| view.asks.push((*level.0, *level.1)));
            Event::Book(view)
        };
        for (line, row) in text.lines().enumerate().skip(1) {
            let mut fields = row.split(',');
            let flags = number(stem, line, fields.next())?;
            let ts = number(stem, line, fields.next())?;
            let px = tenths(stem, line, fields.next())?;
            let qty = number(stem, line, fields.next())?;
            if let Some(before) = open.filter(|before| *before != ts) {
                events.push(view(&sides, before));
                open = None;
            }
            let buy = flags & (1 << 29) != 0;
            match flags & 0xff {
                1 => {
                    let side = &mut sides[usize::from(!buy)];
                    if qty > 0 {
                        side.insert(px, qty)
                    } else {
                        side.remove(&px)
                    };
                    open = Some(ts);
                }
                2 => {
                    let aggressor = if buy { Side::Buy } else { Side::Sell };
                    events.push(Event::Trade(Print::certain(px, qty, aggressor, EpochNs(ts))));
                }
                3 => {
                    sides.iter_mut().for_each(BTreeMap::clear);
                    open = Some(ts);
                }
                other => return Err(format!("{stem}, line {}: event kind {other} is unknown", line + 1)),
            }
        }
        if let Some(ts) = open {
            events.push(view(&sides, ts));
        }
        Ok(Self { name: stem.to_string(), events })
    }
}
