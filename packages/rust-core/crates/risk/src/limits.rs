//! Every bound of the gateway core and the relations between them.

/// Orders that are not terminal, over all strategies; the next NEW is refused with OPEN_ORDERS_EXCEEDED.
pub const OPEN_ORDERS_MAX: usize = 16_384;
/// Terminal outcomes kept for idempotency; beyond it the oldest terminal one goes. A live one never does.
pub const OUTCOMES_MAX: usize = 1 << 20;
/// Fill keys kept against doubles; beyond it the oldest goes.
pub const FILL_KEYS_MAX: usize = 1 << 20;
/// Books of (account, strategy, instrument); the next is refused with EXPOSURE_CARDINALITY.
pub const BOOKS_MAX: usize = 4_096;
/// Accepted messages remembered per strategy for the rate window; a configured rate may not pass it.
pub const RATE_WINDOW_MAX: usize = 4_096;
/// Entries of a window of fills, refusals or prices, and so the largest count a limit over a window may name.
pub const WINDOW_MAX: usize = 4_096;
/// Blackouts and price bands of one instrument.
pub const BLACKOUTS_MAX: usize = 16;
pub const TICK_BANDS_MAX: usize = 16;
/// Scopes that are latched, loss periods, rates, account balances, locates: of each kind; the next is refused and counted.
pub const RISK_ROWS_MAX: usize = 4_096;
/// Overrides in force; one more is refused.
pub const OVERRIDES_MAX: usize = 64;
/// Longest life of an override, in nanoseconds: 15 minutes.
pub const OVERRIDE_NS_MAX: i64 = 15 * 60 * 1_000_000_000;
/// Postings remembered against doubles; beyond it the oldest goes.
pub const POSTINGS_MAX: usize = 1 << 16;
/// Age at which the price of an instrument without limits, which can only be held, is none any more.
pub const HELD_AGE_MS: u32 = 1_000;
/// Between two evaluations of losses, breaches and guards, in nanoseconds.
pub const EVALUATE_NS: u64 = 1_000_000_000;
/// Bytes of a fill's key, of an asset code and of a principal; longer ones are refused.
pub const EXEC_ID_BYTES_MAX: usize = 64;
pub const ASSET_BYTES_MAX: usize = 16;
pub const PRINCIPAL_BYTES_MAX: usize = 64;
/// Bytes of an operator's reason.
pub const REASON_BYTES_MAX: usize = 256;
/// Bytes of the detail of a policy state.
pub const DETAIL_BYTES_MAX: usize = 128;
/// Share of the command link's credits kept back from new orders: one in this many.
pub const CANCEL_RESERVE_SHARE: usize = 5;
/// Wait before leadership is asked for again, in nanoseconds.
pub const GRANT_RETRY_NS: u64 = 1_000_000_000;

const _: () = assert!(OUTCOMES_MAX > OPEN_ORDERS_MAX, "an open order must fit among the outcomes");
const _: () = assert!(FILL_KEYS_MAX >= OUTCOMES_MAX, "a kept order's fills must be recognised");
