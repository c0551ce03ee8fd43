/** Alpaca: `GET /v2/assets`. */

import { z } from "zod";
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

/** Stocks of `us_equity`, pairs of `crypto`; what is not active, and options, are left out. */
export const alpacaAssets: Adapter = (answer) => {
  const into = new Collector();
  for (const asset of shaped(Assets, answer)) {
    const { symbol, status, tradable } = asset;
    const common = { code: symbol, tradable, status, ...some("name", asset.name) };
    const [base, quote] = symbol.split("/");
    if (status !== "active") {
      into.leave(`status ${status}`, symbol);
    } else if (!isCode(symbol)) {
      into.leave("its name has other letters than A-Z, 0-9 and _./", symbol);
    } else if (asset.class === "us_equity") {
      // The tick is a rule by price (US_STOCK); sizes on the tape are whole shares.
      const own = { exchange: "ALPACA", product_type: "stock", quote: "USD", lot: "1" } as const;
      into.take({ ...common, ...own, board_lot: 100 });
    } else if (asset.class !== "crypto") {
      into.leave(`class ${asset.class}`, symbol);
    } else if (base === undefined || quote === undefined) {
      into.leave("crypto without the form BASE/QUOTE", symbol);
    } else if (asset.price_increment === undefined || asset.min_trade_increment === undefined) {
      into.leave("crypto without price_increment or min_trade_increment", symbol);
    } else {
      into.take({
        ...common,
        exchange: "ALPACA_CRYPTO",
        product_type: "crypto",
        base,
        quote,
        tick: asset.price_increment,
        lot: asset.min_trade_increment,
        ...some("min_qty", asset.min_order_size),
      });
    }
  }
  return into.listing();
};
