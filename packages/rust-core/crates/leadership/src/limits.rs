//! Times and bounds of leadership, and the relations between them.

/// Life of the lease in the store after a renewal.
pub const LEASE_TTL_NS: u64 = 600_000_000;
/// Between two renewals.
pub const LEASE_RENEW_NS: u64 = 150_000_000;
/// Age of the last successful renewal, counted from its sending, at which a leader takes no new orders.
pub const LEASE_STALE_NS: u64 = 400_000_000;
/// How long a new holder of the lease waits before it asks the router, so that the last one has stopped by itself.
pub const TAKEOVER_WAIT_NS: u64 = LEASE_TTL_NS + 100_000_000;
/// Between two words of the router.
pub const BEAT_PERIOD_NS: u64 = 100_000_000;
/// Between two questions to the router.
pub const ASK_PERIOD_NS: u64 = 100_000_000;
/// Age of the router's last word at which it counts as silent, and of a question at which its answer proves nothing any more.
pub const BEAT_STALE_NS: u64 = 400_000_000;
/// How long a leader without a lease goes on while the router confirms it; afterwards it only cancels.
pub const WITHOUT_STORE_NS: u64 = 5_000_000_000;
/// How long one that handed over leaves the lead to its standby.
pub const HANDOVER_NS: u64 = 2_000_000_000;
/// How long a leader waits for its standby before it goes on alone.
pub const REPLICA_WAIT_NS: u64 = 400_000_000;
/// Records a standby may lack when its word begins to count; what it lacks then is waited for.
pub const CAUGHT_UP_RECORDS: u64 = 64;
/// Records between two proofs of the state.
pub const PROOF_EVERY: u64 = 1_024;
/// Proofs of its own state that a standby keeps for the leader's to arrive.
pub const PROOFS_KEPT_MAX: usize = 64;
/// Lease requests whose answer is awaited.
pub const REQUESTS_MAX: usize = 16;
/// Bytes of a tail message beside its record.
pub const TAIL_HEAD_BYTES: usize = 1 + 8 + 32;

const _: () = assert!(
    BEAT_PERIOD_NS * 2 < BEAT_STALE_NS && ASK_PERIOD_NS * 3 < BEAT_STALE_NS,
    "one lost word stops nothing"
);
const _: () = assert!(LEASE_RENEW_NS * 2 < LEASE_STALE_NS, "one lost renewal stops nothing");
const _: () = assert!(LEASE_STALE_NS < LEASE_TTL_NS, "a holder stops before another can begin");
const _: () = assert!(TAKEOVER_WAIT_NS > LEASE_TTL_NS);
