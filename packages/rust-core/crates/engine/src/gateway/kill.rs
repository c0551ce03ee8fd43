//! The kill between gateway and router: told until the router says that it holds it, lifted by its own name.
//!
//! The link between them may lose, delay and restart. So the gateway says what it wants again and again until the router
//! has said the same, each kill is named by its time, and a lift names the kill it lifts: a late one lifts nothing newer.

use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};

/// Between two tellings, in nanoseconds.
pub const TELL_NS: u64 = 100_000_000;
/// A kill that the router has not acknowledged for so long is an alarm.
pub const ALARM_NS: u64 = 1_000_000_000;

/// The kill that is in force here, as it is told to the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill<'a> {
    pub by: &'a str,
    pub reason: &'a str,
    pub ts_ns: i64,
}

/// What the gateway knows of the router's latch.
#[derive(Debug, Default)]
pub struct RouterLatch {
    /// The kill the router has last said it holds. It outlives the link: an end that only seemed gone does not say it
    /// again, and a kill that was forgotten here would never be lifted there.
    held_ts_ns: Option<i64>,
    /// The router has said so since the link came into step.
    confirmed: bool,
    /// The newest kill that two principals have lifted here.
    lifted_ts_ns: i64,
    told_mono_ns: Option<u64>,
    killed_mono_ns: Option<u64>,
    alarmed: bool,
}

impl RouterLatch {
    /// The link came (back) into step: a kill in force counts as held there once the router says so again.
    pub fn link_up(&mut self) {
        (self.confirmed, self.told_mono_ns) = (false, None);
    }

    /// The router says that it holds a kill. Whether it is news: this gateway then has to kill too.
    pub fn holds(&mut self, ts_ns: i64, killed: bool) -> bool {
        (self.held_ts_ns, self.confirmed) = (Some(ts_ns), true);
        !killed && ts_ns > self.lifted_ts_ns
    }

    /// The router says that it has let go of a kill.
    pub fn let_go(&mut self, ts_ns: i64) {
        if self.held_ts_ns == Some(ts_ns) {
            self.held_ts_ns = None;
        }
    }

    /// Two principals have lifted the kill of that time here, and whatever the router holds by now.
    pub fn lifted(&mut self, ts_ns: i64) {
        self.lifted_ts_ns = self.lifted_ts_ns.max(ts_ns).max(self.held_ts_ns.unwrap_or(0));
        self.told_mono_ns = None;
    }

    /// The journal this gateway follows says that two principals have lifted the kill of that time.
    pub fn lifted_by_the_leader(&mut self, ts_ns: i64) {
        self.lifted_ts_ns = self.lifted_ts_ns.max(ts_ns);
    }

    /// What is to be told to the router now; `killed` is the kill in force here.
    pub fn tell(&mut self, killed: Option<Kill<'_>>, now_mono_ns: u64) -> Option<ControlEvent> {
        match killed {
            Some(_) => _ = self.killed_mono_ns.get_or_insert(now_mono_ns),
            None => (self.killed_mono_ns, self.alarmed) = (None, false),
        }
        let event = match (killed, self.held_ts_ns) {
            (Some(kill), _) if !self.acknowledged() => ControlEvent {
                action: ControlAction::Kill.into(),
                principal: kill.by.into(),
                reason: kill.reason.into(),
                ts_ns: kill.ts_ns,
                ..ControlEvent::default()
            },
            (None, Some(held)) if held <= self.lifted_ts_ns => ControlEvent {
                action: ControlAction::Unkill.into(),
                principal: "gateway".into(),
                kill_ts_ns: held,
                ..ControlEvent::default()
            },
            _ => return None,
        };
        let soon = self.told_mono_ns.is_some_and(|at| now_mono_ns.saturating_sub(at) < TELL_NS);
        (!soon).then_some(event)
    }

    /// It was told.
    pub fn told(&mut self, now_mono_ns: u64) {
        self.told_mono_ns = Some(now_mono_ns);
    }

    /// Whether the router has said that it holds a kill.
    pub const fn acknowledged(&self) -> bool {
        self.held_ts_ns.is_some() && self.confirmed
    }

    /// Whether a kill has gone without acknowledgement for too long; tells it once per kill.
    pub fn alarm(&mut self, now_mono_ns: u64) -> bool {
        let late = self.killed_mono_ns.is_some_and(|at| now_mono_ns.saturating_sub(at) >= ALARM_NS);
        late && !self.acknowledged() && !std::mem::replace(&mut self.alarmed, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kill(ts_ns: i64) -> Option<Kill<'static>> {
        Some(Kill { by: "ann", reason: "drill", ts_ns })
    }

    #[test]
    fn b047_a_kill_is_told_again_until_the_router_holds_it() {
        let mut latch = RouterLatch::default();
        let first = latch.tell(kill(5), 0).unwrap();
        assert_eq!((first.action(), first.ts_ns), (ControlAction::Kill, 5));
        latch.told(0);
        assert_eq!(latch.tell(kill(5), TELL_NS - 1), None, "not at the speed of the loop");
        assert!(latch.tell(kill(5), TELL_NS).is_some(), "lost: told again");
        assert!(!latch.holds(5, true));
        assert_eq!(latch.tell(kill(5), 2 * TELL_NS), None);
        // A router that comes back from a restart is told once more: nobody knows what it holds.
        latch.link_up();
        assert!(latch.tell(kill(5), 3 * TELL_NS).is_some());
    }

    #[test]
    fn a_link_that_only_seemed_gone_forgets_no_kill_that_is_to_be_lifted() {
        let mut latch = RouterLatch::default();
        assert!(latch.holds(7, false));
        latch.lifted(7);
        // This end takes the link for new, the router's does not and says nothing again.
        latch.link_up();
        for turn in 0..3 {
            let lift = latch.tell(None, turn * TELL_NS).unwrap();
            assert_eq!((lift.action(), lift.kill_ts_ns), (ControlAction::Unkill, 7));
            latch.told(turn * TELL_NS);
        }
        latch.let_go(7);
        assert_eq!(latch.tell(None, 9 * TELL_NS), None);
    }

    #[test]
    fn b047_a_kill_nobody_acknowledges_is_an_alarm_once() {
        let mut latch = RouterLatch::default();
        latch.tell(kill(5), 10);
        assert!(!latch.alarm(10 + ALARM_NS - 1));
        assert!(latch.alarm(10 + ALARM_NS));
        assert!(!latch.alarm(10 + 2 * ALARM_NS));
        latch.tell(None, 20);
        latch.tell(kill(6), 30);
        latch.holds(6, true);
        assert!(!latch.alarm(30 + ALARM_NS));
    }

    #[test]
    fn a_kill_at_the_router_is_news_unless_it_was_lifted_here() {
        let mut latch = RouterLatch::default();
        assert!(latch.holds(7, false));
        assert!(!latch.holds(7, true));
        latch.lifted(5);
        let lift = latch.tell(None, 0).unwrap();
        assert_eq!((lift.action(), lift.kill_ts_ns), (ControlAction::Unkill, 7));
        assert!(!latch.holds(7, false), "the same kill, said before the lift arrived");
        assert!(latch.holds(8, false), "a newer one is a kill");
        assert_eq!(latch.tell(None, TELL_NS), None, "and is not lifted by the lift of the older");
        latch.let_go(7);
        assert!(latch.acknowledged(), "the newer one is still held");
        latch.let_go(8);
        assert!(!latch.acknowledged());
    }

    #[test]
    fn a_lift_that_a_leader_did_not_live_to_tell_is_told_by_the_one_that_followed_it() {
        let mut latch = RouterLatch::default();
        latch.holds(7, false);
        latch.lifted_by_the_leader(7);
        assert!(!latch.holds(7, false), "no news");
        assert_eq!(latch.tell(None, 0).unwrap().kill_ts_ns, 7);
        assert!(latch.holds(8, false), "what came after it is a kill");
        assert_eq!(latch.tell(None, TELL_NS), None, "and is not lifted with it");
    }
}
