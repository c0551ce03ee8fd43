/** What can be traded, as the venue lists it, and the core of each. */

import { createHash } from "node:crypto";
import { ALPACA_SCALES, type AlpacaBook, bookSpec, type CoreSpec } from "../../markets.ts";

/** An id in the venue's form, the same for the same words. */
export function uuidOf(...words: readonly (string | number)[]): string {
  const hex = createHash("sha256").update(words.join(" ")).digest("hex");
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
  ];
  return `${parts.join("-")}-${hex.slice(20, 32)}`;
}

export interface Asset {
  readonly symbol: string;
  readonly id: string;
  readonly name: string;
  readonly crypto: boolean;
  readonly exchange: "NASDAQ" | "NYSE" | "ARCA" | "CRYPTO";
  readonly active: boolean;
  readonly tradable: boolean;
  readonly shortable: boolean;
  readonly fractionable: boolean;
}

const stock = (
  symbol: string,
  name: string,
  exchange: Asset["exchange"],
  change: Partial<Asset> = {},
): Asset => ({
  symbol,
  id: uuidOf("asset", symbol),
  name,
  crypto: false,
  exchange,
  active: true,
  tradable: true,
  shortable: true,
  fractionable: true,
  ...change,
});
const coin = (symbol: string, name: string): Asset =>
  stock(symbol, name, "CRYPTO", { crypto: true, shortable: false });

/** Four stocks of each kind there is, one that is no longer traded, and two coins. */
export const ASSETS: readonly Asset[] = [
  stock("AAPL", "Apple Inc. Common Stock", "NASDAQ"),
  stock("MSFT", "Microsoft Corporation Common Stock", "NASDAQ"),
  stock("SPY", "SPDR S&P 500 ETF Trust", "ARCA"),
  stock("FAKEPACA", "A test symbol nobody lends and nobody splits", "NYSE", {
    shortable: false,
    fractionable: false,
  }),
  stock("GONE", "A company that was delisted", "NYSE", { active: false, tradable: false }),
  coin("BTC/USD", "Bitcoin / US Dollar"),
  coin("ETH/USD", "Ethereum / US Dollar"),
];

/** Smallest cost of a coin order in dollars, in 1e-8. Stocks have none that matters here. */
export const COIN_COST_MIN_E8 = 10n * 100_000_000n;
/** Fees of coins in 1e-8 of what is received; stocks have none. */
const COIN_FEES = { makerFeeE8: "150000", takerFeeE8: "250000" } as const;
const NO_FEES = { makerFeeE8: "0", takerFeeE8: "0" } as const;

export const bookOf = (asset: Asset): AlpacaBook => `alpaca:${asset.symbol}`;

/**
 * The core of one asset. Coins change hands, so their core holds both assets; dollars are the account's and more than any
 * order can want. Stocks can be sold short, so their core holds a position.
 */
export function coreSpec(asset: Asset): CoreSpec {
  const { baseAsset, quoteAsset } = bookSpec(bookOf(asset));
  return {
    ...ALPACA_SCALES,
    symbol: asset.symbol,
    money: asset.crypto ? "spot" : "usdm",
    baseAsset,
    quoteAsset,
    ...(asset.crypto ? COIN_FEES : NO_FEES),
    balances: { baseE8: "0", quoteE8: asset.crypto ? "1000000000000000000" : "0" },
  };
}

/** The asset of a symbol, in either form of a coin's, or of an id. */
export function findAsset(text: string): Asset | null {
  const name = text.toUpperCase();
  return (
    ASSETS.find(
      ({ symbol, id }) =>
        symbol === name || symbol.replace("/", "") === name || id === text.toLowerCase(),
    ) ?? null
  );
}

/** An asset as the venue answers it. */
export function assetBody(asset: Asset): Record<string, unknown> {
  return {
    id: asset.id,
    class: asset.crypto ? "crypto" : "us_equity",
    exchange: asset.exchange,
    symbol: asset.symbol,
    name: asset.name,
    status: asset.active ? "active" : "inactive",
    tradable: asset.tradable,
    marginable: !asset.crypto && asset.tradable,
    maintenance_margin_requirement: asset.crypto ? 100 : 30,
    shortable: asset.shortable,
    easy_to_borrow: asset.shortable,
    fractionable: asset.fractionable,
    attributes: [],
    ...(asset.crypto
      ? { min_order_size: "0.0001", min_trade_increment: "0.000001", price_increment: "0.01" }
      : {}),
  };
}
