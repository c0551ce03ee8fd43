//! A kill at a venue whose session is the loop's own: the venue's mass cancel, then its list of what is open until that is empty and stays so, again as
//! long as the kill stands. Orders that nobody here knows are cancelled too.

use super::limits::{SWEEP_AGAIN_NS, SWEEP_ANSWER_NS, SWEEP_CANCELS_MAX, SWEEP_NS, SWEEP_QUIET_NS};
use super::words::Row;
use super::*;

/// How far one kill has come at one venue.
#[derive(Debug, Default)]
pub struct Sweep {
    kill_ts_ns: i64,
    cancelled_all: bool,
    /// When the list was asked for, while it is awaited.
    asked_ns: Option<u64>,
    next_ns: u64,
    empty_since_ns: Option<u64>,
    confirmed: bool,
    left: Vec<String>,
    rounds: u64,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    CancelAll,
    Ask,
    Nothing,
}

impl Sweep {
    fn of(kill_ts_ns: i64) -> Self {
        Self { kill_ts_ns, ..Self::default() }
    }

    fn due(&self, now_ns: u64) -> Due {
        let waits = |ns: u64| now_ns.saturating_sub(ns) < SWEEP_ANSWER_NS;
        if !self.cancelled_all {
            Due::CancelAll
        } else if self.asked_ns.is_some_and(waits) || now_ns < self.next_ns {
            Due::Nothing
        } else {
            Due::Ask
        }
    }

    /// Takes what the venue lists; whether it is confirmed by it for the first time.
    fn listed(&mut self, rows: &[Row], now_ns: u64) -> bool {
        let before = self.confirmed;
        (self.asked_ns, self.rounds) = (None, self.rounds + 1);
        self.left = rows.iter().map(|row| row.order_id.clone()).collect();
        if rows.is_empty() {
            let since = *self.empty_since_ns.get_or_insert(now_ns);
            self.confirmed = now_ns.saturating_sub(since) >= SWEEP_QUIET_NS;
        } else {
            (self.empty_since_ns, self.confirmed) = (None, false);
        }
        self.next_ns = now_ns + if self.confirmed { SWEEP_AGAIN_NS } else { SWEEP_NS };
        self.confirmed && !before
    }

    fn shown(&self) -> Value {
        json!({ "confirmed": self.confirmed, "left": self.left, "rounds": self.rounds })
    }
}

/// The session of a venue, as far as a kill goes over it.
trait Sweeper {
    /// Has everything cancelled at once, or says that this is no question there; false = not now.
    fn cancel_all(&mut self, kill_ts_ns: i64) -> bool;
    fn ask(&mut self) -> bool;
    fn cancel(&mut self, row: &Row) -> bool;
}

impl Sweeper for FixLink {
    fn cancel_all(&mut self, kill_ts_ns: i64) -> bool {
        self.sweep_cancel_all(kill_ts_ns)
    }

    fn ask(&mut self) -> bool {
        self.sweep_status()
    }

    fn cancel(&mut self, row: &Row) -> bool {
        self.sweep_cancel(row)
    }
}

impl Sweeper for RestLink {
    fn cancel_all(&mut self, _: i64) -> bool {
        self.sweep_cancel_all()
    }

    fn ask(&mut self) -> bool {
        self.sweep_status()
    }

    fn cancel(&mut self, row: &Row) -> bool {
        self.sweep_cancel(row)
    }
}

fn sweeper<'a>(
    fix: &'a mut Option<Box<FixLink>>,
    rest: &'a mut Option<Box<RestLink>>,
) -> Option<&'a mut dyn Sweeper> {
    match (fix, rest) {
        (Some(link), _) => Some(link.as_mut()),
        (None, Some(link)) => Some(link.as_mut()),
        (None, None) => None,
    }
}

impl Loop<'_> {
    /// Goes on with the kill in force, at a venue whose session is open.
    pub(super) fn sweep_own(&mut self, at: usize) {
        let session = &mut self.sessions[at];
        let Some(kill_ts_ns) = self.kill.held_ts_ns() else {
            session.sweep = None;
            return;
        };
        if session.sweep.as_ref().is_none_or(|sweep| sweep.kill_ts_ns != kill_ts_ns) {
            session.sweep = Some(Sweep::of(kill_ts_ns));
        }
        let now_ns = clock::mono_ns();
        let Session { fix, rest, sweep, .. } = session;
        let (Some(link), Some(sweep)) = (sweeper(fix, rest), sweep.as_mut()) else { return };
        // What cannot be written is tried again in the next turn.
        match sweep.due(now_ns) {
            Due::CancelAll => sweep.cancelled_all = link.cancel_all(kill_ts_ns),
            Due::Ask if link.ask() => sweep.asked_ns = Some(now_ns),
            Due::Ask | Due::Nothing => {}
        }
    }

    /// The venue has listed what it holds.
    pub(super) fn swept(&mut self, venue: VenueId, rows: &[Row]) {
        let Some(session) = self.sessions.iter_mut().find(|session| session.id == venue) else { return };
        let Session { fix, rest, sweep, .. } = session;
        let (Some(link), Some(sweep)) = (sweeper(fix, rest), sweep.as_mut()) else { return };
        for row in rows.iter().take(SWEEP_CANCELS_MAX) {
            link.cancel(row);
        }
        if sweep.listed(rows, clock::mono_ns()) {
            let fields = json!({ "venue": venue.0, "rounds": sweep.rounds });
            self.hot.log("warn", "mass cancel confirmed", fields);
        }
    }

    /// What each venue of a session of its own has said of the kill in force; one that has said nothing is not confirmed.
    pub(super) fn own_sweeps(&self) -> Vec<Value> {
        let own = self.sessions.iter().filter(|session| session.own());
        own.map(|session| {
            let mut shown = session.sweep.as_ref().map_or_else(|| Sweep::default().shown(), Sweep::shown);
            shown["venueId"] = session.id.0.into();
            shown
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_units::Side;

    const SECOND: u64 = 1_000_000_000;

    fn row() -> Row {
        let text = |text: &str| text.to_string();
        Row { cl_ord_id: text("a"), order_id: text("9"), symbol: text("BTC/USD"), side: Side::Buy }
    }

    #[test]
    fn b049_a_kill_is_confirmed_by_a_list_that_stays_empty_and_looked_after_as_long_as_it_stands() {
        let mut sweep = Sweep::of(7);
        assert_eq!(sweep.due(SECOND), Due::CancelAll);
        sweep.cancelled_all = true;
        assert_eq!(sweep.due(SECOND), Due::Ask);
        sweep.asked_ns = Some(SECOND);
        assert_eq!(sweep.due(2 * SECOND), Due::Nothing, "the list is awaited");
        assert_eq!(sweep.due(SECOND + SWEEP_ANSWER_NS), Due::Ask, "it never came");
        assert!(!sweep.listed(&[row()], 2 * SECOND));
        assert_eq!(sweep.shown()["left"], json!(["9"]));
        assert!(!sweep.listed(&[], 3 * SECOND), "empty once is not enough");
        assert_eq!(sweep.due(3 * SECOND + SWEEP_NS), Due::Ask);
        assert!(!sweep.listed(&[row()], 4 * SECOND), "an order that was under way");
        assert!(!sweep.listed(&[], 5 * SECOND));
        assert!(sweep.listed(&[], 5 * SECOND + SWEEP_QUIET_NS));
        assert_eq!(sweep.shown(), json!({ "confirmed": true, "left": [], "rounds": 5 }));
        assert_eq!(sweep.due(7 * SECOND + SWEEP_AGAIN_NS), Due::Ask, "the kill stands");
        assert!(!sweep.listed(&[row()], 9 * SECOND));
        assert_eq!(sweep.shown()["confirmed"], false);
    }
}
