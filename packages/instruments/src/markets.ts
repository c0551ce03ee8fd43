/** What each exchange name of a list stands for: its venue in the instrument table, its money, what is listed on it. */

import type { Contract } from "./contracts.ts";
import type { Kind } from "./row.ts";

export interface Market {
  /** The venue in the instrument table; null for what is subscribed but is no instrument. */
  readonly venue: string | null;
  /** Money of its prices, where a contract does not say. */
  readonly quote: string;
  /** What its contracts are in the instrument table. */
  readonly kinds: Readonly<Partial<Record<Contract["product_type"], Kind>>>;
}

const taiwan: Market = {
  venue: "SHIOAJI",
  quote: "TWD",
  kinds: { stock: "equity", future: "future", option: "option" },
};
const none: Market = { venue: null, quote: "TWD", kinds: {} };

/** Every exchange a list may name. The kinds of a venue are those the instrument table takes. */
export const MARKETS: Readonly<Record<string, Market>> = {
  TSE: taiwan,
  OTC: taiwan,
  OES: taiwan,
  FUT: taiwan,
  FUTURES: taiwan,
  OPT: taiwan,
  OPTIONS: taiwan,
  TAIFEX: taiwan,
  IDX: none,
  INDEX: none,
  SIM: none,
  BINANCE_SPOT: { venue: "BINANCE_SPOT", quote: "USDT", kinds: { crypto: "spot" } },
  BINANCE_USDM: { venue: "BINANCE_USDM", quote: "USDT", kinds: { linear_perp: "linear_perp" } },
  BINANCE_COINM: { venue: "BINANCE_COINM", quote: "USD", kinds: { inverse_perp: "inverse_perp" } },
  ALPACA: { venue: "ALPACA", quote: "USD", kinds: { stock: "equity" } },
  ALPACA_CRYPTO: { venue: "ALPACA_CRYPTO", quote: "USD", kinds: { crypto: "spot" } },
};

const SAME: Readonly<Record<string, string>> = {
  FUT: "TAIFEX",
  FUTURES: "TAIFEX",
  OPT: "TAIFEX",
  OPTIONS: "TAIFEX",
  INDEX: "IDX",
};

/** One name for each exchange: a list may say `FUT` where the venue says `TAIFEX`, and both are one row. */
export const exchangeName = (exchange: string): string => SAME[exchange] ?? exchange;

/** The exchange a bare code is taken for: digits are listed stocks, the rest futures. */
export function exchangeOf(code: string): string {
  return /^\d+[A-Z]?$/.test(code) ? "TSE" : "FUT";
}
