/** The three Binance markets as data. */

import type { FeedVenue } from "../switches.ts";

export type BinanceVenue = Extract<FeedVenue, `BINANCE_${string}`>;

export interface BinanceSymbol {
  readonly symbol: string;
  readonly pair: string;
  readonly base: string;
  readonly quote: string;
  /** Decimals of a price and a size; the smallest step of each is one unit of its last digit. */
  readonly pxScale: number;
  readonly qtyScale: number;
  /** Decimals the venue prints. */
  readonly pxText: number;
  readonly qtyText: number;
  /** Where a generated market begins, in units of the price. */
  readonly startPx: number;
  /** Face value of a contract, coin-M. */
  readonly contractSize?: number;
}

export interface BinanceMarket {
  readonly venue: BinanceVenue;
  readonly rest: string;
  /** Whether streams are split over `/public` and `/market`, the old roots being gone. */
  readonly routed: boolean;
  /** Whether depth is chained by `pu`. */
  readonly chained: boolean;
  /** Time between depth messages of a generated symbol, ms. */
  readonly stepMs: number;
  readonly snapshotLevelsMax: number;
  readonly symbols: readonly BinanceSymbol[];
}

export const BINANCE_MARKETS: Readonly<Record<BinanceVenue, BinanceMarket>> = {
  BINANCE_SPOT: {
    venue: "BINANCE_SPOT",
    rest: "/api/v3",
    routed: false,
    chained: false,
    stepMs: 100,
    snapshotLevelsMax: 5_000,
    symbols: [
      {
        symbol: "BTCUSDT",
        pair: "BTCUSDT",
        base: "BTC",
        quote: "USDT",
        pxScale: 2,
        qtyScale: 5,
        pxText: 8,
        qtyText: 8,
        startPx: 6_000_000,
      },
      {
        symbol: "ETHUSDT",
        pair: "ETHUSDT",
        base: "ETH",
        quote: "USDT",
        pxScale: 2,
        qtyScale: 4,
        pxText: 8,
        qtyText: 8,
        startPx: 260_000,
      },
    ],
  },
  BINANCE_USDM: {
    venue: "BINANCE_USDM",
    rest: "/fapi/v1",
    routed: true,
    chained: true,
    stepMs: 50,
    snapshotLevelsMax: 1_000,
    symbols: [
      {
        symbol: "BTCUSDT",
        pair: "BTCUSDT",
        base: "BTC",
        quote: "USDT",
        pxScale: 1,
        qtyScale: 3,
        pxText: 2,
        qtyText: 3,
        startPx: 600_000,
      },
      {
        symbol: "ETHUSDT",
        pair: "ETHUSDT",
        base: "ETH",
        quote: "USDT",
        pxScale: 2,
        qtyScale: 3,
        pxText: 2,
        qtyText: 3,
        startPx: 260_000,
      },
    ],
  },
  BINANCE_COINM: {
    venue: "BINANCE_COINM",
    rest: "/dapi/v1",
    routed: false,
    chained: true,
    stepMs: 50,
    snapshotLevelsMax: 1_000,
    symbols: [
      {
        symbol: "BTCUSD_PERP",
        pair: "BTCUSD",
        base: "BTC",
        quote: "USD",
        pxScale: 1,
        qtyScale: 0,
        pxText: 1,
        qtyText: 0,
        startPx: 600_000,
        contractSize: 100,
      },
      {
        symbol: "ETHUSD_PERP",
        pair: "ETHUSD",
        base: "ETH",
        quote: "USD",
        pxScale: 2,
        qtyScale: 0,
        pxText: 2,
        qtyText: 0,
        startPx: 260_000,
        contractSize: 10,
      },
    ],
  },
};
