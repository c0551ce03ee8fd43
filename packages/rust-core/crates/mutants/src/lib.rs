//! Planted bugs, by which the simulator proves that it would notice real ones.
//!
//! A place that can be broken asks [`planted`]. Without the feature `mutants` that is a constant `false`, and no trace of
//! the bug is left in the program; with it, one bug at a time is chosen by name on each thread before the cores start.
#![forbid(unsafe_code)]

/// Whether this program holds the planted bugs at all.
pub const COMPILED: bool = cfg!(feature = "mutants");

macro_rules! bugs {
    ($($bug:ident $name:literal $text:literal,)+) => {
        /// One planted bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $(#[doc = $text] $bug,)+
        }

        impl Bug {
            /// Every bug there is.
            pub const ALL: &'static [Self] = &[$(Self::$bug,)+];

            /// As the command line and the report spell it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$bug => $name,)+ }
            }

            /// What is wrong with a program that has it.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$bug => $text,)+ }
            }

            /// The bug of this name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|bug| bug.name() == name)
            }
        }
    };
}

bugs! {
    DedupEvictsInFlight "d1_dedup_evicts_in_flight" "D1: the window of remembered ids may forget an order that still lives",
    DedupLostAtRestart "d1_dedup_lost_at_restart" "D1: what was answered is forgotten by a crash",
    ReleaseAfterTimeout "d2_release_after_timeout" "D2: an order that stays silent gives its reservation back",
    SendBeforeCommit "d3_send_before_commit" "D3: a decision leaves before its record is safe",
    LeaseErrorsSwallowed "d4_lease_errors_swallowed" "D4: a lease that is not renewed any more counts as held",
    FenceIgnored "d4_fence_ignored" "D4: the router takes the commands of a leader that was replaced",
    RetryAfterUnclear "d7_retry_after_unclear" "D7: an order whose outcome is unclear is posted again",
    IdFromClock "d7_id_from_clock" "D7: the client order id comes from the clock, so that a retry is a new order",
    UnknownIsRejected "d8_unknown_is_rejected" "D8: an order of unknown outcome counts as rejected",
    TimeoutIsReject "d8_timeout_is_reject" "D8: the router reports a request that got no answer in time as refused",
    DedupSkipped "dedup_skipped" "an intent that was answered is decided again",
    OnlyAckedExposure "only_acked_exposure" "only orders the venue has confirmed count in exposure",
    PositionSignForgotten "position_sign_forgotten" "the position limit forgets the absolute value: shorts pass",
    ExposureUnchecked "exposure_unchecked" "the limits on exposure are not looked at",
    ReferenceMayBeMissing "reference_may_be_missing" "an order without a reference price is measured by its own",
    KillNotDurable "kill_not_durable" "a kill is forgotten by a crash",
    KillIgnored "kill_ignored" "the kill latch does not stop new orders",
    HaltIgnored "halt_ignored" "a halt does not stop new orders",
    CancelBlockedByHalt "cancel_blocked_by_halt" "a halt stops cancels too",
    NewWithoutLead "new_without_lead" "a gateway that does not lead decides new orders",
    UnknownNotFrozen "unknown_not_frozen" "a symbol with an order of unknown outcome takes new ones",
    FillByOrderOnly "fill_by_order_only" "fills are told apart by their order alone",
    FillBeforeAckIgnored "fill_before_ack_ignored" "a fill that comes before the ack is dropped",
    FillAfterEndIgnored "fill_after_end_ignored" "a fill that comes after the end of its order is dropped",
    OverfillNotLatched "overfill_not_latched" "a fill beyond its order freezes nothing",
    OverfillDropped "overfill_dropped" "a fill beyond its order is not booked",
    BustIgnored "bust_ignored" "a trade that the venue undid stays booked",
    GateOpen "gate_open" "what an earlier life of a gateway was sent counts for the next",
    AdoptSkipped "adopt_skipped" "a new leader does not take the orders it learns of from the router's journal",
    EqualEpochOtherHolder "equal_epoch_other_holder" "the router takes the commands of another holder of the same epoch",
    GrantNotJournalled "grant_not_journalled" "a grant is not in the router's journal",
    CommandNotJournalled "command_not_journalled" "the router sends an order that is not in its journal",
    NotFoundIsDead "not_found_is_dead" "one not-found closes an order of unknown outcome",
    ExecByOrderOnly "exec_by_order_only" "the router tells executions apart by their order alone",
    EndBeforeFills "end_before_fills" "the end of an order is reported before its missing executions",
    PendingForgotten "pending_forgotten" "a restarted router does not ask about what it had sent",
    RouterLatchIgnored "router_latch_ignored" "the router's kill latch does not stop new orders",
    SyncSkipped "sync_skipped" "the journal acknowledges without a sync",
    RetryAfterEio "retry_after_eio" "a journal whose sync failed goes on",
    HoleIsTail "hole_is_tail" "a damaged record before later commits counts as a torn tail",
    HeaderOnlyChecksum "header_only_checksum" "the checksum of a record leaves out its payload",
    LeaseByWallClock "lease_by_wall_clock" "the age of a lease is measured by the wall clock",
    SkewLeads "skew_leads" "a gateway of another build may lead",
    FollowsWithoutConsent "follows_without_consent" "a standby takes records that answer an earlier request",
    ForkIsFollowed "fork_is_followed" "a journal that went another way is followed as if it had not",
    TellsWhatIsOver "tells_what_is_over" "a leader that was stopped tells at once what it had decided, though another leads by now",
    HeedsTheOther "heeds_the_other" "a strategy takes the word of a gateway that it does not ask any more",
    ReplicaAckEarly "replica_ack_early" "a standby acknowledges records before they are safe",
}

#[cfg(feature = "mutants")]
mod chosen {
    use super::Bug;
    use std::cell::Cell;

    thread_local! {
        static CHOSEN: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Chooses the bug of this thread; `None` is the sound program.
    pub fn plant(bug: Option<Bug>) {
        CHOSEN.with(|chosen| chosen.set(bug));
    }

    /// Whether this place is to be wrong.
    #[inline]
    pub fn planted(bug: Bug) -> bool {
        CHOSEN.with(|chosen| chosen.get() == Some(bug))
    }
}

#[cfg(feature = "mutants")]
pub use chosen::{plant, planted};

/// Whether this place is to be wrong: never, in this build.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn planted(_: Bug) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct_and_read_back() {
        let names: BTreeSet<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        assert_eq!(names.len(), Bug::ALL.len());
        assert!(Bug::ALL.iter().all(|bug| Bug::named(bug.name()) == Some(*bug) && !bug.text().is_empty()));
        assert_eq!(Bug::named("none"), None);
    }

    #[cfg(not(feature = "mutants"))]
    #[test]
    fn a_build_without_the_feature_has_no_planted_bug() {
        const { assert!(!COMPILED && !planted(Bug::FenceIgnored)) }
    }

    #[cfg(feature = "mutants")]
    #[test]
    fn one_bug_at_a_time() {
        plant(Some(Bug::FenceIgnored));
        assert!(planted(Bug::FenceIgnored) && !planted(Bug::KillIgnored));
        plant(None);
        assert!(!planted(Bug::FenceIgnored));
    }
}
