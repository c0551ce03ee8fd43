/** One symbol of a list with everything the contract, the market and the list say of it. */

import type { Contract } from "./contracts.ts";
import type { Place } from "./errors.ts";
import { exchangeName, exchangeOf, MARKETS } from "./markets.ts";
import type { Entry } from "./parse.ts";
import { finestTick, TICK_RULES, type TickRule, tableOf, tickAt, twStockRule } from "./ticks.ts";

/** One symbol to subscribe. Decimals are texts; a figure nobody knows is null and a fault where it is needed. */
export interface SymbolRow {
  readonly code: string;
  readonly exchange: string;
  readonly productType: Contract["product_type"];
  /** The tick at today's reference price, or the finest where there is none. */
  readonly tick: string | null;
  /** The price unit: the finest tick its rule ever had, so that the id outlives a move into another band. */
  readonly unit: string | null;
  /** The rule of ticks by price; null where one tick is for all prices. */
  readonly tickRule: TickRule | null;
  readonly priceScale: number;
  /** The size unit: a share, a contract, or the venue's step. Odd and board lots count in it alike. */
  readonly lot: string;
  readonly boardLot: number;
  readonly minQty: string | null;
  readonly maxQty: string | null;
  readonly minNotional: string | null;
  /** Highest and lowest price of today; null without limits of today. */
  readonly limitUp: string | null;
  readonly limitDown: string | null;
  /** The day the contract's reference and limits are of. */
  readonly limitsAsOf: string | null;
  /** What one point of price is worth, for a contract. */
  readonly pointValue: number | null;
  readonly tags: readonly string[];
  readonly name: string | null;
  readonly base: string;
  readonly quote: string;
  readonly root: string | null;
  readonly expiry: string | null;
  readonly right: "C" | "P" | null;
  readonly strike: string | null;
  readonly underlying: string | null;
  readonly group: string | null;
  readonly account: string | null;
  readonly orderCond: string | null;
  readonly orderLot: string | null;
  readonly ocType: string | null;
  readonly place: Place;
}

interface Root {
  readonly points: number;
  readonly tick: string | TickRule;
  readonly underlying?: string;
}

/** Point values and ticks of the Taiwan roots. Source: TAIFEX contract specifications. */
export const ROOTS: Readonly<Record<string, Root>> = {
  TXF: { points: 200, tick: "1" },
  MXF: { points: 50, tick: "1" },
  TMF: { points: 10, tick: "1" },
  EXF: { points: 4_000, tick: "0.05" },
  ZEF: { points: 500, tick: "0.05" },
  FXF: { points: 1_000, tick: "0.2" },
  ZFF: { points: 250, tick: "0.2" },
  GXF: { points: 50, tick: "1" },
  XIF: { points: 100, tick: "1" },
  GTF: { points: 4_000, tick: "0.05" },
  TXO: { points: 50, tick: "TW_INDEX_OPTION", underlying: "TXF" },
  MXO: { points: 10, tick: "TW_INDEX_OPTION", underlying: "MXF" },
};
const PRICE_SCALE = 10_000;

const isRule = (tick: string): tick is TickRule => tick in TICK_RULES;

/** What a code is where no contract says: what its exchange lists first. */
function typeOf(exchange: string): Contract["product_type"] {
  if (exchange === "TAIFEX") return "future";
  if (exchange === "IDX") return "index";
  const [first] = Object.keys(MARKETS[exchange]?.kinds ?? {});
  return (first as Contract["product_type"] | undefined) ?? "future";
}

/** The rule of ticks by price of a symbol. */
function ruleOf(exchange: string, type: Contract["product_type"], code: string, spec?: Root) {
  if (spec !== undefined && isRule(spec.tick)) return spec.tick;
  if (type !== "stock") return null;
  if (exchange === "ALPACA") return "US_STOCK" as const;
  return ["TSE", "OTC", "OES"].includes(exchange) ? twStockRule(code) : null;
}

/** The row of one code. `contract` is null where no cache lists it; `today` is the day whose tick table and limits hold. */
export function symbolRow(
  entry: Entry,
  contract: Contract | null,
  code: string,
  today: string,
): SymbolRow {
  const { attributes: own, place } = entry;
  const exchange = exchangeName(own.exchange ?? contract?.exchange ?? exchangeOf(code));
  const type = contract?.product_type ?? own.product_type ?? typeOf(exchange);
  const dated = type === "future" || type === "option";
  const root = contract?.root ?? (dated ? code.slice(0, 3) : null);
  const spec = root === null || MARKETS[exchange]?.quote !== "TWD" ? undefined : ROOTS[root];
  const tickRule = ruleOf(exchange, type, code, spec);
  const fresh = contract?.as_of === today;
  const table = tickRule === null ? undefined : tableOf(TICK_RULES[tickRule], today);
  const reference = fresh ? contract.reference : undefined;
  const banded =
    tickRule === null
      ? (spec?.tick ?? (exchange === "SIM" ? "0.01" : null))
      : table !== undefined && reference !== undefined
        ? tickAt(table, reference)
        : finestTick(tickRule);
  const tick = own.tick ?? contract?.tick ?? banded;
  return {
    code,
    exchange,
    productType: type,
    tick,
    unit: tickRule === null ? tick : finestTick(tickRule),
    tickRule,
    priceScale: own.price_scale ?? PRICE_SCALE,
    lot: contract?.lot ?? "1",
    boardLot: contract?.board_lot ?? 1,
    minQty: contract?.min_qty ?? null,
    maxQty: contract?.max_qty ?? null,
    minNotional: contract?.min_notional ?? null,
    limitUp: (fresh ? contract.limit_up : undefined) ?? null,
    limitDown: (fresh ? contract.limit_down : undefined) ?? null,
    limitsAsOf: contract?.limit_up === undefined ? null : (contract.as_of ?? null),
    pointValue: own.contract_size ?? contract?.multiplier ?? spec?.points ?? (dated ? null : 1),
    tags: own.tags ?? [],
    name: own.name ?? contract?.name ?? null,
    base: contract?.base ?? code.replaceAll(/[^A-Z0-9]/g, ""),
    quote: contract?.quote ?? MARKETS[exchange]?.quote ?? "TWD",
    root,
    expiry: contract?.delivery ?? contract?.valid_to ?? null,
    right: contract?.right ?? null,
    strike: contract?.strike ?? null,
    underlying: spec?.underlying ?? null,
    group: own.group ?? null,
    account: own.account ?? null,
    orderCond: own.order_cond ?? null,
    orderLot: own.order_lot ?? null,
    ocType: own.oc_type ?? null,
    place,
  };
}
