//! Every bound of the simulated venue.

/// Open orders of one matching core, resting and waiting, unless the caller sets fewer; the next is refused.
pub const ENGINE_ORDERS_MAX: usize = 1 << 20;
/// Orders of one matching core that wait for their trigger; the next is refused.
pub const WAITING_MAX: usize = 65_536;
/// Accounts of one matching core; no more are opened.
pub const ACCOUNTS_MAX: usize = 65_536;
/// Largest price of the matching core in ticks, either sign; a price beyond is refused.
pub const PX_MAX: i64 = 1 << 53;
/// Largest quantity of one order in lots; more is refused.
pub const QTY_MAX: i64 = 1 << 42;
/// Open orders of the account in the symbol, where its configuration says no other; the next is refused (Binance
/// `MAX_NUM_ORDERS`).
pub const OPEN_ORDERS_MAX: usize = 200;
/// The most a configuration may say: one symbol then stands for the many of a venue.
pub const OPEN_ORDERS_CONFIG_MAX: usize = 16_384;
/// Orders kept for queries; beyond it the oldest terminal one is forgotten.
pub const ORDERS_KEPT_MAX: usize = 100_000;
/// Trades kept for queries; beyond it the oldest is forgotten.
pub const TRADES_KEPT_MAX: usize = 200_000;
/// Events waiting to be drained; beyond it `place` is refused. Fills of resting orders are never dropped.
pub const EVENTS_UNREAD_MAX: usize = 65_536;
/// Levels of one side of the recorded book; beyond it the farthest is forgotten and its price is unknown again.
pub const LEVELS_SIDE_MAX: usize = 20_000;
/// Depth diffs kept while no snapshot has come; beyond it the oldest goes.
pub const DIFFS_BUFFERED_MAX: usize = 10_000;
/// Levels a side of a depth answer.
pub const DEPTH_LIMIT_MAX: usize = 5_000;
/// Longest client order id, in bytes (Binance allows 36).
pub const CLIENT_ORDER_ID_BYTES_MAX: usize = 36;
/// Largest `e8PerTickLot`: with ±(2^53−1) ticks and lots a notional then fits in i128.
pub const E8_PER_TICK_LOT_MAX: i64 = 1 << 20;
/// Largest notional of one order in 1e-8; ten million such fills still fit in the ledger.
pub const NOTIONAL_E8_MAX: i128 = 10_i128.pow(30);

const _: () = assert!(OPEN_ORDERS_MAX <= OPEN_ORDERS_CONFIG_MAX);
const _: () = assert!(OPEN_ORDERS_CONFIG_MAX < ORDERS_KEPT_MAX, "open orders are never forgotten");
const _: () = assert!(OPEN_ORDERS_CONFIG_MAX < EVENTS_UNREAD_MAX, "the end of every open order is told");
const _: () = assert!(NOTIONAL_E8_MAX < i128::MAX / 10_000_000, "the ledger cannot overflow");
const _: () =
    assert!((ENGINE_ORDERS_MAX as i128) * (QTY_MAX as i128) < i64::MAX as i128, "a level's sum is exact");
const _: () = assert!(ENGINE_ORDERS_MAX < u32::MAX as usize, "an order's slot is 32 bits");
