/** The instruments of the feed drill, as the table of the services has them and as the simulator names them. */

import type { FeedVenue } from "@tidegate/venue-sim/feeds/switches";

interface Row {
  readonly venue: FeedVenue;
  readonly symbol: string;
  readonly kind: string;
  readonly base: string;
  readonly quote: string;
  readonly pxScale: number;
  readonly qtyScale: number;
  readonly multiplier?: number;
  readonly expiry?: number;
}

const ROWS: readonly Row[] = [
  {
    venue: "BINANCE_SPOT",
    symbol: "BTCUSDT",
    kind: "spot",
    base: "BTC",
    quote: "USDT",
    pxScale: 2,
    qtyScale: 5,
  },
  {
    venue: "BINANCE_SPOT",
    symbol: "ETHUSDT",
    kind: "spot",
    base: "ETH",
    quote: "USDT",
    pxScale: 2,
    qtyScale: 4,
  },
  {
    venue: "BINANCE_USDM",
    symbol: "BTCUSDT",
    kind: "linear_perp",
    base: "BTC",
    quote: "USDT",
    pxScale: 1,
    qtyScale: 3,
  },
  {
    venue: "BINANCE_USDM",
    symbol: "ETHUSDT",
    kind: "linear_perp",
    base: "ETH",
    quote: "USDT",
    pxScale: 2,
    qtyScale: 3,
  },
  {
    venue: "BINANCE_COINM",
    symbol: "BTCUSD_PERP",
    kind: "inverse_perp",
    base: "BTC",
    quote: "USD",
    pxScale: 1,
    qtyScale: 0,
    multiplier: 100,
  },
  {
    venue: "BINANCE_COINM",
    symbol: "ETHUSD_PERP",
    kind: "inverse_perp",
    base: "ETH",
    quote: "USD",
    pxScale: 2,
    qtyScale: 0,
    multiplier: 10,
  },
  {
    venue: "ALPACA",
    symbol: "AAPL",
    kind: "equity",
    base: "AAPL",
    quote: "USD",
    pxScale: 2,
    qtyScale: 0,
  },
  {
    venue: "ALPACA",
    symbol: "MSFT",
    kind: "equity",
    base: "MSFT",
    quote: "USD",
    pxScale: 2,
    qtyScale: 0,
  },
  {
    venue: "ALPACA_CRYPTO",
    symbol: "BTC/USD",
    kind: "spot",
    base: "BTC",
    quote: "USD",
    pxScale: 2,
    qtyScale: 4,
  },
  {
    venue: "ALPACA_CRYPTO",
    symbol: "ETH/USD",
    kind: "spot",
    base: "ETH",
    quote: "USD",
    pxScale: 2,
    qtyScale: 4,
  },
  {
    venue: "SHIOAJI",
    symbol: "2330",
    kind: "equity",
    base: "2330",
    quote: "TWD",
    pxScale: 2,
    qtyScale: 0,
  },
  {
    venue: "SHIOAJI",
    symbol: "TXFL6",
    kind: "future",
    base: "TXF",
    quote: "TWD",
    pxScale: 0,
    qtyScale: 0,
    multiplier: 200,
    // Far away: a contract that is over is not subscribed, and the drill must run on any day.
    expiry: 20_991_216,
  },
];

export interface DrillInstrument extends Row {
  readonly id: number;
}

/** Of the venues that are drilled; ids are those of the whole list. */
export function instrumentsOf(venues: readonly FeedVenue[]): DrillInstrument[] {
  return ROWS.map((row, at) => ({ ...row, id: at + 1 })).filter(({ venue }) =>
    venues.includes(venue),
  );
}

/** The instrument table as its file has it. */
export function tableFile(
  instruments: readonly DrillInstrument[],
  venueIds: readonly FeedVenue[],
): string {
  const rows = instruments.map((row) => {
    const { id, venue, symbol, kind, base, quote, pxScale, qtyScale, multiplier, expiry } = row;
    const worth = kind === "inverse_perp" ? 0 : 10 ** (8 - pxScale - qtyScale) * (multiplier ?? 1);
    return {
      id,
      venue_id: venueIds.indexOf(venue) + 1,
      venue,
      symbol,
      kind,
      base,
      quote,
      px_scale: pxScale,
      px_unit: 1,
      qty_scale: qtyScale,
      qty_unit: 1,
      e8_per_tick_lot: worth,
      min_qty_lots: 1,
      max_qty_lots: 9_000_000_000,
      min_notional_e8: 0,
      ...(multiplier === undefined ? {} : { multiplier }),
      ...(expiry === undefined ? {} : { expiry }),
    };
  });
  return `${JSON.stringify({ version: 1, instruments: rows }, null, 2)}\n`;
}
