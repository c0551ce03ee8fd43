/** Alpaca: `GET /v2/assets`. */

import { z } from "zod";
import type { Contract } from "../contracts.ts";
import { type Adapter, Collector, decimalField, isCode, shaped, some } from "./source.ts";

const Assets = z.array(
  z.looseObject({
    class: z.string(),
    exchange: z.string(),
    symbol: z.string().min(1),
    name: z.string().optional(),
    status: z.string(),
    tradable: z.boolean(),
    min_order_size: decimalField.optional(),
    min_trade_increment: decimalField.optional(),
    price_increment: decimalField.optional(),
  }),
);

type Asset = z.output<typeof Assets>[number];

/** The active assets of one class; `own` gives their terms, or why there are none. */
const assetsOf =
  (name: string, own: (asset: Asset) => Partial<Contract> | string, exchange: string): Adapter =>
  (answer) => {
    const into = new Collector();
    for (const asset of shaped(Assets, answer)) {
      const { symbol, status, tradable } = asset;
      const terms = asset.class === name ? own(asset) : `class ${asset.class}`;
      if (typeof terms === "string") {
        into.leave(terms, symbol);
      } else if (status !== "active") {
        into.leave(`status ${status}`, symbol);
      } else if (!isCode(symbol)) {
        into.leave("its name has other letters than A-Z, 0-9 and _./", symbol);
      } else {
        const common = { code: symbol, exchange, tradable, status, ...some("name", asset.name) };
        into.take({ product_type: "stock", ...common, ...terms });
      }
    }
    return into.listing();
  };

/** Shares: `?asset_class=us_equity`. The tick is a rule by price (US_STOCK); sizes on the tape are whole shares. */
export const alpacaStocks: Adapter = assetsOf(
  "us_equity",
  () => ({ quote: "USD", lot: "1", board_lot: 100 }),
  "ALPACA",
);

/** Pairs: `?asset_class=crypto`, each with its own steps. */
export const alpacaCrypto: Adapter = assetsOf(
  "crypto",
  (asset) => {
    const [base, quote] = asset.symbol.split("/");
    const { price_increment: tick, min_trade_increment: lot, min_order_size: least } = asset;
    if (base === undefined || quote === undefined) return "crypto without the form BASE/QUOTE";
    if (tick === undefined || lot === undefined) {
      return "crypto without price_increment or min_trade_increment";
    }
    return { product_type: "crypto", base, quote, tick, lot, ...some("min_qty", least) };
  },
  "ALPACA_CRYPTO",
);
