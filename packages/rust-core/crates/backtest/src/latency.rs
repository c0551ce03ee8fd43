//! How long an order takes to the venue and its answer takes back.

use crate::limits::{LATENCY_NS_MAX, LATENCY_ROWS_MAX};
use std::fmt;

/// One order as it was recorded: when it was sent, when the venue took it, when the answer was back. ns since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    pub sent_ns: i64,
    /// 0 where the venue turned it away before its matching engine.
    pub venue_ns: i64,
    pub back_ns: i64,
}

/// Why latencies cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatencyFault {
    /// Below zero, or above [`LATENCY_NS_MAX`].
    OutOfRange,
    /// No row, or more than [`LATENCY_ROWS_MAX`].
    Rows,
    /// Times that go back within a row or from one row to the next.
    OutOfOrder { row: usize },
}

impl fmt::Display for LatencyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange => write!(f, "a latency outside 0 to {LATENCY_NS_MAX} ns"),
            Self::Rows => write!(f, "want between 1 and {LATENCY_ROWS_MAX} recorded orders"),
            Self::OutOfOrder { row } => {
                write!(f, "row {row}: want sent, venue and back in order, rows by time")
            }
        }
    }
}

/// When a request arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// At the matching engine.
    Venue(i64),
    /// It never does; the sender learns it then.
    TurnedAway(i64),
}

/// The model of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Latency {
    /// The same for every order.
    Constant { entry_ns: i64, answer_ns: i64 },
    /// Between the two recorded orders around the time, by a straight line; before the first and after the last as those.
    Interpolated(Box<[Recorded]>),
    /// Drawn from a list of measured latencies, by a generator of its own: the same seed gives the same draws.
    Drawn { entry_ns: Box<[i64]>, answer_ns: Box<[i64]>, seed: u64, draws: u64 },
}

fn in_range(ns: i64) -> Result<(), LatencyFault> {
    if (0..=LATENCY_NS_MAX).contains(&ns) { Ok(()) } else { Err(LatencyFault::OutOfRange) }
}

/// splitmix64: the `n`-th number of a seed.
const fn draw(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn line(at: i64, (x1, y1): (i64, i64), (x2, y2): (i64, i64)) -> i64 {
    let (dx, dy) = (i128::from(x2) - i128::from(x1), i128::from(y2) - i128::from(y1));
    if dx == 0 {
        return y1;
    }
    y1 + ((i128::from(at) - i128::from(x1)) * dy / dx) as i64
}

impl Latency {
    /// A constant model.
    ///
    /// # Errors
    /// A latency out of range.
    pub fn constant(entry_ns: i64, answer_ns: i64) -> Result<Self, LatencyFault> {
        in_range(entry_ns)?;
        in_range(answer_ns)?;
        Ok(Self::Constant { entry_ns, answer_ns })
    }

    /// A model of recorded orders.
    ///
    /// # Errors
    /// No rows, too many, or times out of order.
    pub fn interpolated(rows: Vec<Recorded>) -> Result<Self, LatencyFault> {
        if rows.is_empty() || rows.len() > LATENCY_ROWS_MAX {
            return Err(LatencyFault::Rows);
        }
        let mut last: Option<Recorded> = None;
        for (at, row) in rows.iter().enumerate() {
            let fault = LatencyFault::OutOfOrder { row: at };
            let taken = row.venue_ns != 0;
            if row.back_ns < row.sent_ns || (taken && !(row.sent_ns..=row.back_ns).contains(&row.venue_ns)) {
                return Err(fault);
            }
            in_range(row.back_ns - row.sent_ns)?;
            if last.is_some_and(|last| row.sent_ns <= last.sent_ns || (taken && row.venue_ns < last.venue_ns))
            {
                return Err(fault);
            }
            last = Some(*row);
        }
        Ok(Self::Interpolated(rows.into_boxed_slice()))
    }

    /// A model that draws.
    ///
    /// # Errors
    /// An empty list, or a latency out of range.
    pub fn drawn(entry_ns: Vec<i64>, answer_ns: Vec<i64>, seed: u64) -> Result<Self, LatencyFault> {
        if [&entry_ns, &answer_ns].iter().any(|list| list.is_empty() || list.len() > LATENCY_ROWS_MAX) {
            return Err(LatencyFault::Rows);
        }
        entry_ns.iter().chain(&answer_ns).try_for_each(|ns| in_range(*ns))?;
        let (entry_ns, answer_ns) = (entry_ns.into_boxed_slice(), answer_ns.into_boxed_slice());
        Ok(Self::Drawn { entry_ns, answer_ns, seed, draws: 0 })
    }

    /// When a request sent now arrives.
    pub fn entry(&mut self, now: i64) -> Arrival {
        match self {
            Self::Constant { entry_ns, .. } => Arrival::Venue(now.saturating_add(*entry_ns)),
            Self::Interpolated(rows) => {
                let after = rows.partition_point(|row| row.sent_ns <= now);
                let (a, b) = around(rows, after);
                if a.venue_ns == 0 || b.venue_ns == 0 {
                    let took = line(
                        now.clamp(a.sent_ns, b.sent_ns),
                        (a.sent_ns, a.back_ns - a.sent_ns),
                        (b.sent_ns, b.back_ns - b.sent_ns),
                    );
                    return Arrival::TurnedAway(now.saturating_add(took));
                }
                let took = line(
                    now.clamp(a.sent_ns, b.sent_ns),
                    (a.sent_ns, a.venue_ns - a.sent_ns),
                    (b.sent_ns, b.venue_ns - b.sent_ns),
                );
                Arrival::Venue(now.saturating_add(took))
            }
            Self::Drawn { entry_ns, seed, draws, .. } => {
                let took = pick(entry_ns, *seed, *draws);
                *draws += 1;
                Arrival::Venue(now.saturating_add(took))
            }
        }
    }

    /// Time within which nothing that is sent can have arrived, whatever is asked of the model in between, in ns. 0 where its next
    /// draw depends on the order of what was asked.
    pub fn entry_least_ns(&self) -> i64 {
        match self {
            Self::Constant { entry_ns, .. } => *entry_ns,
            Self::Interpolated(rows) => rows
                .iter()
                .map(|row| if row.venue_ns == 0 { row.back_ns } else { row.venue_ns } - row.sent_ns)
                .min()
                .unwrap_or(0),
            Self::Drawn { .. } => 0,
        }
    }

    /// Time within which no answer given now can be back, whenever it is given, in ns.
    pub fn answer_least_ns(&self) -> i64 {
        match self {
            Self::Constant { answer_ns, .. } => *answer_ns,
            // Around an order that was turned away the line may go on beyond the two it lies between: nothing is promised then.
            Self::Interpolated(rows) if rows.iter().any(|row| row.venue_ns == 0) => 0,
            Self::Interpolated(rows) => rows.iter().map(|row| row.back_ns - row.venue_ns).min().unwrap_or(0),
            Self::Drawn { answer_ns, .. } => answer_ns.iter().copied().min().unwrap_or(0),
        }
    }

    /// When an answer that the venue gives now is back.
    pub fn answer(&mut self, now: i64) -> i64 {
        let took = match self {
            Self::Constant { answer_ns, .. } => *answer_ns,
            Self::Interpolated(rows) => {
                // Rows that never reached the venue have no answer of its own: the nearest before and after that have count.
                let after = rows.partition_point(|row| {
                    row.venue_ns <= now && row.venue_ns != 0 || row.sent_ns <= now && row.venue_ns == 0
                });
                let took = |row: &&Recorded| row.venue_ns != 0;
                let before = rows.get(..after).and_then(|rows| rows.iter().rev().find(took));
                let next = rows.get(after..).and_then(|rows| rows.iter().find(took));
                match (before, next) {
                    (Some(a), Some(b)) => {
                        line(now, (a.venue_ns, a.back_ns - a.venue_ns), (b.venue_ns, b.back_ns - b.venue_ns))
                    }
                    (Some(only), None) | (None, Some(only)) => only.back_ns - only.venue_ns,
                    (None, None) => 0,
                }
            }
            Self::Drawn { answer_ns, seed, draws, .. } => {
                let took = pick(answer_ns, *seed, *draws);
                *draws += 1;
                took
            }
        };
        now.saturating_add(took.max(0))
    }

    /// The model and its parameters, for the assumptions of a run.
    pub fn name(&self) -> String {
        match self {
            Self::Constant { entry_ns, answer_ns } => {
                format!("constant, {entry_ns} ns in, {answer_ns} ns back")
            }
            Self::Interpolated(rows) => format!("interpolated between {} recorded orders", rows.len()),
            Self::Drawn { entry_ns, answer_ns, seed, .. } => {
                format!("drawn from {} and {} measured, seed {seed}", entry_ns.len(), answer_ns.len())
            }
        }
    }
}

/// The rows before and after a place in the list, both the same at its ends.
fn around(rows: &[Recorded], after: usize) -> (Recorded, Recorded) {
    let none = Recorded { sent_ns: 0, venue_ns: 0, back_ns: 0 };
    let at = |at: usize| rows.get(at.min(rows.len().saturating_sub(1))).copied().unwrap_or(none);
    (at(after.saturating_sub(1)), at(after))
}

fn pick(list: &[i64], seed: u64, n: u64) -> i64 {
    let at = ((u128::from(draw(seed, n)) * list.len() as u128) >> 64) as usize;
    list.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a46_a_latency_between_two_recorded_orders_lies_on_the_line() {
        let row = |sent_ns, venue_ns, back_ns| Recorded { sent_ns, venue_ns, back_ns };
        let mut model = Latency::interpolated(vec![row(100, 110, 130), row(200, 230, 240)]).unwrap();
        // 10 ns at 100, 30 ns at 200.
        assert_eq!(model.entry(150), Arrival::Venue(150 + 20));
        assert_eq!(model.entry(50), Arrival::Venue(60));
        assert_eq!(model.entry(900), Arrival::Venue(930));
        // 20 ns at 110, 10 ns at 230.
        assert_eq!(model.answer(170), 170 + 15);
        assert_eq!((model.answer(10), model.answer(999)), (30, 1_009));
    }

    #[test]
    fn a46_where_the_venue_turned_orders_away_an_order_is_turned_away() {
        let row = |sent_ns, venue_ns, back_ns| Recorded { sent_ns, venue_ns, back_ns };
        let rows = vec![row(100, 110, 120), row(200, 0, 260), row(300, 310, 330)];
        let mut model = Latency::interpolated(rows).unwrap();
        assert_eq!(model.entry(100), Arrival::TurnedAway(120));
        assert_eq!(model.entry(150), Arrival::TurnedAway(150 + 40));
        assert_eq!(model.entry(300), Arrival::Venue(310));
        assert_eq!(model.answer(210), 210 + 15);
    }

    #[test]
    fn a46_draws_repeat_and_stay_within_the_list() {
        let model = Latency::drawn(vec![5, 7], vec![11], 42).unwrap();
        let run = |mut model: Latency| (0..64).map(|_| model.entry(0)).collect::<Vec<_>>();
        assert_eq!(run(model.clone()), run(model.clone()));
        let drawn = run(model);
        assert!(drawn.contains(&Arrival::Venue(5)) && drawn.contains(&Arrival::Venue(7)));
    }

    #[test]
    fn a46_bad_latencies_are_refused() {
        assert_eq!(Latency::constant(-1, 0), Err(LatencyFault::OutOfRange));
        assert_eq!(Latency::interpolated(vec![]), Err(LatencyFault::Rows));
        let row = |sent_ns, venue_ns, back_ns| Recorded { sent_ns, venue_ns, back_ns };
        assert_eq!(Latency::interpolated(vec![row(5, 4, 6)]), Err(LatencyFault::OutOfOrder { row: 0 }));
        assert_eq!(
            Latency::interpolated(vec![row(5, 6, 7), row(5, 6, 7)]),
            Err(LatencyFault::OutOfOrder { row: 1 })
        );
        assert_eq!(Latency::drawn(vec![], vec![1], 0), Err(LatencyFault::Rows));
    }
}
