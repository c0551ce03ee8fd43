/** Binance: `GET /api/v3/exchangeInfo` (spot), `/fapi/v1/exchangeInfo` (USD-M), `/dapi/v1/exchangeInfo` (COIN-M). */

import { z } from "zod";
import type { Contract } from "../contracts.ts";
import { type Adapter, Collector, decimalField, isCode, shaped, some } from "./source.ts";

const Filter = z.looseObject({
  filterType: z.string(),
  tickSize: decimalField.optional(),
  stepSize: decimalField.optional(),
  minQty: decimalField.optional(),
  maxQty: decimalField.optional(),
  minNotional: decimalField.optional(),
  notional: decimalField.optional(),
});
type Filter = z.output<typeof Filter>;

const common = {
  symbol: z.string().min(1),
  baseAsset: z.string().min(1),
  quoteAsset: z.string().min(1),
  filters: z.array(Filter).max(64),
};
const epochMs = z.string().regex(/^\d{1,14}$/, "want milliseconds since 1970");
const Spot = z.looseObject({ symbols: z.array(z.looseObject({ ...common, status: z.string() })) });
const Usdm = z.looseObject({
  symbols: z.array(
    z.looseObject({
      ...common,
      status: z.string(),
      contractType: z.string(),
      deliveryDate: epochMs,
      onboardDate: epochMs,
    }),
  ),
});
const Coinm = z.looseObject({
  symbols: z.array(
    z.looseObject({
      ...common,
      contractStatus: z.string(),
      contractType: z.string(),
      contractSize: z.string().regex(/^[1-9]\d{0,8}$/, "want a whole number of quote units"),
      deliveryDate: epochMs,
      onboardDate: epochMs,
    }),
  ),
});

/** The day of a stamp, UTC: the venue's contracts end at 08:00 of it. */
const dayOf = (ms: string): string =>
  new Date(Number(ms)).toISOString().slice(0, 10).replaceAll("-", "");

/** Prices, sizes and values of the filters; null without a step of either, which would leave no unit to count in. */
function units(filters: readonly Filter[]): Partial<Contract> | null {
  const of = (type: string): Filter | undefined =>
    filters.find(({ filterType }) => filterType === type);
  const [price, lot] = [of("PRICE_FILTER"), of("LOT_SIZE")];
  // A step of 0 is a filter that is switched off.
  const on = (text: string | undefined) => (text === undefined || text === "0" ? undefined : text);
  const [tick, step] = [on(price?.tickSize), on(lot?.stepSize)];
  if (tick === undefined || step === undefined) return null;
  const value = of("NOTIONAL")?.minNotional ?? of("MIN_NOTIONAL")?.minNotional;
  return {
    tick,
    lot: step,
    ...some("min_qty", on(lot?.minQty)),
    ...some("max_qty", on(lot?.maxQty)),
    ...some("min_notional", on(value ?? of("MIN_NOTIONAL")?.notional)),
  };
}

interface Row {
  readonly symbol: string;
  readonly baseAsset: string;
  readonly quoteAsset: string;
  readonly filters: readonly Filter[];
}

function take(
  into: Collector,
  row: Row,
  status: string,
  own: Pick<Contract, "exchange" | "product_type"> & Partial<Contract>,
): void {
  const found = units(row.filters);
  if (![row.symbol, row.baseAsset, row.quoteAsset].every(isCode)) {
    into.leave("its name has other letters than A-Z, 0-9 and _./", row.symbol);
  } else if (found === null) {
    into.leave("PRICE_FILTER or LOT_SIZE has no step", row.symbol);
  } else {
    into.take({
      code: row.symbol,
      base: row.baseAsset,
      quote: row.quoteAsset,
      ...found,
      tradable: status === "TRADING",
      status,
      ...own,
    });
  }
}

export const binanceSpot: Adapter = (answer) => {
  const into = new Collector();
  for (const row of shaped(Spot, answer).symbols) {
    take(into, row, row.status, { exchange: "BINANCE_SPOT", product_type: "crypto" });
  }
  return into.listing();
};

/** What a contract type is: without an end, with one, or nothing we know. */
function contractKind(type: string): "perp" | "future" | null {
  if (type === "PERPETUAL") return "perp";
  return /^(CURRENT|NEXT)_(MONTH|QUARTER)$/.test(type) ? "future" : null;
}

function contract(
  into: Collector,
  row: Row & { contractType: string; deliveryDate: string; onboardDate: string },
  status: string,
  perp: Pick<Contract, "exchange" | "product_type"> & Partial<Contract>,
): void {
  const kind = contractKind(row.contractType);
  if (kind === null) {
    into.leave(`contract type ${row.contractType || "(none)"}`, row.symbol);
    return;
  }
  take(into, row, status, {
    ...perp,
    ...(kind === "perp"
      ? {}
      : {
          product_type: "future" as const,
          root: row.symbol.split("_")[0] ?? row.symbol,
          delivery: dayOf(row.deliveryDate),
        }),
    valid_from: dayOf(row.onboardDate),
  });
}

export const binanceUsdm: Adapter = (answer) => {
  const into = new Collector();
  for (const row of shaped(Usdm, answer).symbols) {
    contract(into, row, row.status, { exchange: "BINANCE_USDM", product_type: "linear_perp" });
  }
  return into.listing();
};

export const binanceCoinm: Adapter = (answer) => {
  const into = new Collector();
  for (const row of shaped(Coinm, answer).symbols) {
    contract(into, row, row.contractStatus, {
      exchange: "BINANCE_COINM",
      product_type: "inverse_perp",
      multiplier: Number(row.contractSize),
    });
  }
  return into.listing();
};
