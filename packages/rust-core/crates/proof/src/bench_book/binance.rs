//! Level updates of a raw Binance capture: the REST snapshot, then each diff that is newer than it, in the order of arrival.

use serde::Deserialize;
use tidegate_units::{Side, parse_decimal};

/// One level, absolute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Update {
    /// In ticks.
    pub px: i64,
    /// In lots, 0 removes the level.
    pub qty: i64,
    pub side: Side,
    /// The last of its message.
    pub last: bool,
}

/// A capture as level updates.
#[derive(Debug, Clone, Default)]
pub struct L2Set {
    pub updates: Vec<Update>,
    pub messages: usize,
}

type Levels<'a> = Vec<(&'a str, &'a str)>;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    data: Option<Diff<'a>>,
    #[serde(rename = "lastUpdateId")]
    last_id: Option<u64>,
    #[serde(borrow)]
    bids: Option<Levels<'a>>,
    #[serde(borrow)]
    asks: Option<Levels<'a>>,
}

#[derive(Deserialize)]
struct Diff<'a> {
    u: u64,
    #[serde(borrow)]
    b: Levels<'a>,
    #[serde(borrow)]
    a: Levels<'a>,
}

impl L2Set {
    fn push(&mut self, bids: &Levels<'_>, asks: &Levels<'_>, scales: (u32, u32)) -> Result<(), String> {
        let sides = bids.iter().map(|l| (Side::Buy, l)).chain(asks.iter().map(|l| (Side::Sell, l)));
        for (side, (px, qty)) in sides {
            let read = |text: &str, scale| {
                parse_decimal(text.as_bytes(), scale, 1).map_err(|fault| format!("{text}: {fault:?}"))
            };
            let (px, qty) = (read(px, scales.0)?, read(qty, scales.1)?);
            self.updates.push(Update { px, qty, side, last: false });
        }
        if bids.len() + asks.len() > 0 {
            self.messages += 1;
            if let Some(update) = self.updates.last_mut() {
                update.last = true;
            }
        }
        Ok(())
    }
}

/// Reads capture files of `<receive time> <json>` lines, one symbol.
///
/// Diffs that came before the slow answer of the snapshot but are newer than it follow the snapshot.
///
/// # Errors
/// A line that is no such message.
pub fn l2_of(files: &[Vec<u8>], px_scale: u32, qty_scale: u32) -> Result<L2Set, String> {
    let scales = (px_scale, qty_scale);
    let (mut set, mut waiting, mut snapshot): (L2Set, Vec<Diff<'_>>, Option<u64>) = Default::default();
    for line in files.iter().flat_map(|file| file.split(|byte| *byte == b'\n')) {
        let Some(space) = line.iter().position(|byte| *byte == b' ') else { continue };
        let json = line.get(space + 1..).unwrap_or_default();
        let text = std::str::from_utf8(json).map_err(|fault| fault.to_string())?;
        if !text.contains("\"depthUpdate\"") && !text.contains("\"lastUpdateId\"") {
            continue;
        }
        let line: Line<'_> = serde_json::from_str(text).map_err(|fault| format!("{fault}: {text}"))?;
        match (line.data, line.last_id, line.bids, line.asks) {
            (Some(diff), ..) => match snapshot {
                None => waiting.push(diff),
                Some(id) if diff.u > id => set.push(&diff.b, &diff.a, scales)?,
                Some(_) => {}
            },
            (None, Some(id), Some(bids), Some(asks)) => {
                set.push(&bids, &asks, scales)?;
                for diff in waiting.iter().filter(|diff| diff.u > id) {
                    set.push(&diff.b, &diff.a, scales)?;
                }
                snapshot = Some(id);
            }
            _ => return Err(format!("neither a diff nor a snapshot: {text}")),
        }
    }
    Ok(set)
}
