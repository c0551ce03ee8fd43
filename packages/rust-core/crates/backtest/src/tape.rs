//! One instrument's day as two streams: what the venue went through, in its order, and what was received, in that order.
//!
//! A message that overtook another on the way stands at different places in the two. Both are plain columns, so that a run reads
//! memory from front to back and converts nothing.

use crate::event::{Kind, Row};
use crate::limits::ROWS_MAX;
use std::fmt;

/// Why rows are no tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapeFault {
    /// More rows than [`ROWS_MAX`].
    TooLong,
    /// A quantity below zero.
    NegativeQty { row: usize },
    /// A time before 1970, or one that a correction would push beyond what 64 bits hold.
    BadTime { row: usize },
}

impl fmt::Display for TapeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "more than {ROWS_MAX} rows: split the day"),
            Self::NegativeQty { row } => write!(f, "row {row}: a quantity below zero: correct the source"),
            Self::BadTime { row } => write!(f, "row {row}: want nanoseconds since 1970"),
        }
    }
}

/// Columns of one stream, all of one length.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stream<'a> {
    /// The stream's own time, never going back.
    pub ns: &'a [i64],
    pub qty: &'a [i64],
    pub px: &'a [i32],
    /// Numbers of [`Kind`], each valid.
    pub kind: &'a [u8],
}

/// One row of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub ns: i64,
    pub kind: Kind,
    pub px: i64,
    pub qty: i64,
}

impl<'a> Stream<'a> {
    /// Rows.
    pub fn len(&self) -> usize {
        self.ns.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ns.is_empty()
    }

    /// One row, none past the end.
    #[inline]
    pub fn get(&self, at: usize) -> Option<Step> {
        Some(Step {
            ns: *self.ns.get(at)?,
            kind: Kind::of(*self.kind.get(at)?)?,
            px: i64::from(*self.px.get(at)?),
            qty: *self.qty.get(at)?,
        })
    }

    /// Rows in order.
    pub fn iter(self) -> impl Iterator<Item = Step> + 'a {
        (0..self.len()).map_while(move |at| self.get(at))
    }
}

/// The columns of one stream, owned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Columns {
    ns: Vec<i64>,
    qty: Vec<i64>,
    px: Vec<i32>,
    kind: Vec<u8>,
}

impl Columns {
    fn of(rows: &[Row], time: impl Fn(&Row) -> i64) -> Self {
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        // Stable, so that what one message says stays in its order.
        order.sort_by_key(|at| rows.get(*at as usize).map_or(i64::MAX, &time));
        let mut columns = Self::default();
        for row in order.iter().filter_map(|at| rows.get(*at as usize)) {
            columns.ns.push(time(row));
            columns.qty.push(row.qty);
            columns.px.push(row.px);
            columns.kind.push(row.kind as u8);
        }
        columns
    }

    fn stream(&self) -> Stream<'_> {
        Stream { ns: &self.ns, qty: &self.qty, px: &self.px, kind: &self.kind }
    }
}

/// A day in memory. The file form is [`crate::store`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tape {
    venue: Columns,
    local: Columns,
}

/// What [`correct`] did to the receive times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Correction {
    /// Smallest receive time less venue time of the rows as they came, in ns.
    pub least_ns: i64,
    /// What was added to every receive time, in ns.
    pub added_ns: i64,
}

/// Moves all receive times later where some lie before the venue's own: one of the two clocks is wrong, and nothing was received
/// before it happened. The fastest message then took `base_ns`. Where none does, nothing changes. The rows are the derived
/// copy: a capture itself is never written.
///
/// # Errors
/// A time that cannot be one.
pub fn correct(rows: &mut [Row], base_ns: i64) -> Result<Correction, TapeFault> {
    for (at, row) in rows.iter().enumerate() {
        if row.exch_ns < 0 || row.local_ns < 0 {
            return Err(TapeFault::BadTime { row: at });
        }
    }
    let least_ns = rows.iter().map(|row| row.local_ns - row.exch_ns).min().unwrap_or(0);
    let added_ns = if least_ns < 0 { base_ns.saturating_sub(least_ns) } else { 0 };
    for (at, row) in rows.iter_mut().enumerate() {
        row.local_ns = row.local_ns.checked_add(added_ns).ok_or(TapeFault::BadTime { row: at })?;
    }
    Ok(Correction { least_ns, added_ns })
}

impl Tape {
    /// The two streams of rows, given in the order they were received.
    ///
    /// # Errors
    /// A row that cannot be.
    pub fn of(rows: &[Row]) -> Result<Self, TapeFault> {
        Self::of_sides(rows, rows)
    }

    /// The two streams of rows that were seen at one side each.
    ///
    /// # Errors
    /// A row that cannot be.
    pub fn of_sides(venue: &[Row], local: &[Row]) -> Result<Self, TapeFault> {
        if venue.len().max(local.len()) > ROWS_MAX {
            return Err(TapeFault::TooLong);
        }
        for (at, row) in venue.iter().enumerate().chain(local.iter().enumerate()) {
            if row.qty < 0 {
                return Err(TapeFault::NegativeQty { row: at });
            }
            if row.exch_ns < 0 || row.local_ns < 0 {
                return Err(TapeFault::BadTime { row: at });
            }
        }
        Ok(Self {
            venue: Columns::of(venue, |row| row.exch_ns),
            local: Columns::of(local, |row| row.local_ns),
        })
    }

    /// What the venue went through.
    pub fn venue(&self) -> Stream<'_> {
        self.venue.stream()
    }

    /// What was received.
    pub fn local(&self) -> Stream<'_> {
        self.local.stream()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(exch_ns: i64, local_ns: i64, px: i32) -> Row {
        Row { kind: Kind::Bid, exch_ns, local_ns, px, qty: 1 }
    }

    #[test]
    fn a46_each_stream_has_its_own_order_and_ties_keep_that_of_the_messages() {
        let rows = [row(10, 20, 1), row(9, 21, 2), row(9, 20, 3)];
        let tape = Tape::of(&rows).unwrap();
        assert_eq!(tape.venue().iter().map(|step| step.px).collect::<Vec<_>>(), [2, 3, 1]);
        assert_eq!(tape.local().iter().map(|step| step.px).collect::<Vec<_>>(), [1, 3, 2]);
        assert_eq!(tape.local().ns, [20, 20, 21]);
    }

    #[test]
    fn a46_a_receiver_whose_clock_is_slow_is_moved_and_others_are_left() {
        let mut rows = [row(100, 90, 1), row(110, 115, 2)];
        assert_eq!(correct(&mut rows, 3), Ok(Correction { least_ns: -10, added_ns: 13 }));
        assert_eq!(rows.map(|row| row.local_ns), [103, 128]);
        let mut late = [row(100, 101, 1)];
        assert_eq!(correct(&mut late, 3), Ok(Correction { least_ns: 1, added_ns: 0 }));
        assert_eq!(late[0].local_ns, 101);
        assert_eq!(correct(&mut [row(-1, 0, 1)], 0), Err(TapeFault::BadTime { row: 0 }));
    }

    #[test]
    fn a46_a_row_that_cannot_be_is_refused_with_its_number() {
        let bad = Row { qty: -1, ..row(1, 1, 1) };
        assert_eq!(Tape::of(&[row(1, 1, 1), bad]), Err(TapeFault::NegativeQty { row: 1 }));
    }
}
