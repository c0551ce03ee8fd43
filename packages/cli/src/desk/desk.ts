/** What a desk looks at: open orders, positions with their profit, venues. Pure: answers of the running processes to rows. */

import { z } from "zod";
import { decimal } from "../sim/view.ts";

const Text = z.string().regex(/^-?\d+$/);
const Orders = z.looseObject({
  orders: z.array(
    z.looseObject({
      intent: z.string(),
      clientOrderId: z.string(),
      accountId: z.number(),
      instrumentId: z.number(),
      venueId: z.number(),
      side: z.enum(["BUY", "SELL"]),
      pxTicks: z.number(),
      qtyLots: z.number(),
      cumLots: z.number(),
      state: z.string(),
      reason: z.string(),
      cancelWanted: z.boolean(),
    }),
  ),
});
const State = z.looseObject({
  policy: z.looseObject({ state: z.string() }),
  positions: z.array(
    z.looseObject({
      accountId: z.number(),
      strategyId: z.number(),
      instrumentId: z.number(),
      positionLots: Text,
      openCostE8: Text,
      realisedE8: Text,
      buyLeavesLots: Text,
      sellLeavesLots: Text,
    }),
  ),
  references: z.record(z.string(), z.string().nullable()),
});
export type OpenOrders = z.output<typeof Orders>;
export type GatewayPositions = z.output<typeof State>;

function read<T>(schema: z.ZodType<T>, path: string, body: unknown): T {
  const found = schema.safeParse(body);
  if (found.success) return found.data;
  const [issue] = found.error.issues;
  throw new Error(
    `what the gateway answers to ${path} is of another version (${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}); use the hft of that version`,
  );
}

/**
 * The answers of the gateway's `/orders` and `/state`, as far as these lists need them.
 *
 * Errors  Error naming the field: another version answers
 */
export const readOrders = (body: unknown): OpenOrders => read(Orders, "/orders", body);
export const readPositions = (body: unknown): GatewayPositions => read(State, "/state", body);

const Table = z.looseObject({
  instruments: z.array(
    z.looseObject({
      id: z.number(),
      venue: z.string(),
      symbol: z.string(),
      quote: z.string(),
      px_scale: z.number(),
      px_unit: z.number().default(1),
      qty_scale: z.number(),
      qty_unit: z.number().default(1),
      e8_per_tick_lot: z.number(),
    }),
  ),
});

/** What is needed to show an instrument's whole numbers. */
export interface Shown {
  readonly name: string;
  readonly quote: string;
  readonly px: (ticks: bigint) => string;
  readonly qty: (lots: bigint) => string;
  /** Ticks of a price as text; null where it lies between two. */
  readonly ticks: (px: string) => bigint | null;
  readonly e8PerTickLot: bigint;
}

/** The rows of an instrument table, by id. */
export function readShown(text: string): ReadonlyMap<number, Shown> {
  const { instruments } = Table.parse(JSON.parse(text));
  return new Map(
    instruments.map((row): [number, Shown] => {
      const [pxUnit, qtyUnit] = [BigInt(row.px_unit), BigInt(row.qty_unit)];
      const ticks = (px: string): bigint | null => {
        const [whole = "0", frac = ""] = px.split(".");
        if (frac.slice(row.px_scale).replace(/0+$/, "") !== "") return null;
        const units = BigInt(whole + frac.padEnd(row.px_scale, "0").slice(0, row.px_scale));
        return units % pxUnit === 0n ? units / pxUnit : null;
      };
      return [
        row.id,
        {
          name: `${row.venue} ${row.symbol}`,
          quote: row.quote,
          px: (value) => scaledText(value * pxUnit, row.px_scale),
          qty: (lots) => scaledText(lots * qtyUnit, row.qty_scale),
          ticks,
          e8PerTickLot: BigInt(row.e8_per_tick_lot),
        },
      ];
    }),
  );
}

const scaledText = (value: bigint, scale: number): string =>
  scale === 0 ? String(value) : decimal(value, scale);
const money = (e8: bigint): string => decimal(e8, 8);

export interface OrderRow {
  readonly intent: string;
  readonly strategyId: number;
  readonly clientOrderId: string;
  readonly instrument: string;
  readonly side: string;
  readonly px: string;
  readonly qty: string;
  readonly filled: string;
  readonly state: string;
  /** The reason of its state, and whether its cancel is on its way. */
  readonly note: string;
}

/** Orders that are not terminal, oldest intent first. An order of an instrument the table lacks is shown in ticks and lots. */
export function orderRows(
  { orders }: OpenOrders,
  shown: ReadonlyMap<number, Shown>,
): readonly OrderRow[] {
  return orders
    .filter(({ state }) => !/_(FILLED|CANCELLED|REJECTED|EXPIRED)$/.test(`_${state}`))
    .map((order): OrderRow => {
      const row = shown.get(order.instrumentId);
      const lots = (value: number) => row?.qty(BigInt(value)) ?? `${value} lots`;
      const note = [
        order.reason === "OK" || order.reason === "UNSPECIFIED" ? "" : order.reason,
        order.cancelWanted ? "cancel wanted" : "",
      ];
      return {
        intent: order.intent,
        strategyId: Number.parseInt(order.intent.slice(0, 8), 16),
        clientOrderId: order.clientOrderId,
        instrument: row?.name ?? `instrument ${order.instrumentId}`,
        side: order.side,
        px:
          order.pxTicks === 0
            ? "market"
            : (row?.px(BigInt(order.pxTicks)) ?? `${order.pxTicks} ticks`),
        qty: lots(order.qtyLots),
        filled: lots(order.cumLots),
        state: order.state.replace(/^ORDER_STATE_/, ""),
        note: note.filter((each) => each !== "").join(", "),
      };
    })
    .sort((a, b) => (a.intent < b.intent ? -1 : a.intent > b.intent ? 1 : 0));
}

export interface PositionRow {
  readonly accountId: number;
  readonly strategyId: number;
  readonly instrument: string;
  readonly position: string;
  readonly averagePx: string;
  readonly reference: string;
  /** Money in the quote asset; null where there is no reference price, fees left out. */
  readonly realised: string;
  readonly unrealised: string | null;
  readonly pnl: string | null;
  readonly quote: string;
  /** What is still open on each side. */
  readonly buyLeaves: string;
  readonly sellLeaves: string;
}

/**
 * Positions of each strategy. Realised and unrealised together are cash plus the position at its reference price, before fees.
 *
 * Shape   `all` = those that are flat too
 */
export function positionRows(
  { positions, references }: GatewayPositions,
  shown: ReadonlyMap<number, Shown>,
  all: boolean,
): readonly PositionRow[] {
  return positions
    .filter(
      (each) =>
        all ||
        each.positionLots !== "0" ||
        each.buyLeavesLots !== "0" ||
        each.sellLeavesLots !== "0",
    )
    .map((each): PositionRow => {
      const row = shown.get(each.instrumentId);
      const [lots, cost, realised] = [each.positionLots, each.openCostE8, each.realisedE8].map(
        BigInt,
      ) as [bigint, bigint, bigint];
      const reference = references[String(each.instrumentId)] ?? null;
      const ticks = reference === null ? null : (row?.ticks(reference) ?? null);
      const unrealised =
        lots === 0n
          ? 0n
          : row === undefined || ticks === null
            ? null
            : lots * ticks * row.e8PerTickLot - cost;
      const average =
        lots === 0n || row === undefined ? "–" : row.px(cost / (lots * row.e8PerTickLot));
      const qty = (text: string) => row?.qty(BigInt(text)) ?? `${text} lots`;
      return {
        accountId: each.accountId,
        strategyId: each.strategyId,
        instrument: row?.name ?? `instrument ${each.instrumentId}`,
        position: qty(each.positionLots),
        averagePx: average,
        reference: reference ?? "–",
        realised: money(realised),
        unrealised: unrealised === null ? null : money(unrealised),
        pnl: unrealised === null ? null : money(realised + unrealised),
        quote: row?.quote ?? "?",
        buyLeaves: qty(each.buyLeavesLots),
        sellLeaves: qty(each.sellLeavesLots),
      };
    });
}

const Router = z.looseObject({
  state: z.string(),
  stats: z.looseObject({
    gateway: z.string(),
    killed: z.unknown(),
    venues: z.array(
      z.looseObject({
        id: z.number(),
        name: z.string(),
        state: z.string(),
        opens: z.number(),
        failures: z.number(),
        lastFault: z.string(),
      }),
    ),
    budgets: z.array(
      z.looseObject({
        venue: z.number(),
        orders: z.number(),
        ordersMax: z.number(),
        weight: z.number(),
        weightMax: z.number(),
        blockedMs: z.number(),
      }),
    ),
    breakers: z.record(z.string(), z.string()),
    openOrders: z.number(),
    unknown: z.number(),
  }),
});

export interface VenueRow {
  readonly venueId: number;
  readonly venue: string;
  readonly link: string;
  readonly opens: number;
  readonly failures: number;
  readonly orders: string;
  readonly weight: string;
  /** For how long the venue wants to hear nothing, ms. */
  readonly blockedMs: number;
  readonly lastFault: string;
}

/** Venues as the execution-router's health page tells of them; and its open breakers, by name. */
export function venueRows(health: unknown): {
  readonly rows: readonly VenueRow[];
  readonly breakers: Readonly<Record<string, string>>;
  readonly gateway: string;
  readonly killed: boolean;
} {
  const read = Router.safeParse(health);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw new Error(
      `what answers is no execution-router of this version (${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""})`,
    );
  }
  const { venues, budgets, breakers, gateway, killed } = read.data.stats;
  const rows = venues.map((each): VenueRow => {
    const budget = budgets.find(({ venue }) => venue === each.id);
    const share = (used: number | undefined, max: number | undefined) =>
      used === undefined || max === undefined || max === 0 ? "no limit" : `${used}/${max}`;
    return {
      ...{ venueId: each.id, venue: each.name, link: each.state, opens: each.opens },
      failures: each.failures,
      orders: share(budget?.orders, budget?.ordersMax),
      weight: share(budget?.weight, budget?.weightMax),
      blockedMs: budget?.blockedMs ?? 0,
      lastFault: each.lastFault,
    };
  });
  return { rows, breakers, gateway, killed: killed !== null && killed !== undefined };
}

/** Rows as columns under their heads; numbers to the right. */
export function columns<R>(
  heads: readonly (readonly [head: string, of: (row: R) => string | number, right?: true])[],
  rows: readonly R[],
): string {
  const cells = [
    heads.map(([head]) => head),
    ...rows.map((row) => heads.map(([, of]) => String(of(row)))),
  ];
  const widths = heads.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)));
  return cells
    .map((line) =>
      line
        .map((cell, at) => {
          const width = widths[at] ?? 0;
          return heads[at]?.[2] === true ? cell.padStart(width) : cell.padEnd(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
