/** The execution-router as it runs anywhere, between a venue and our end of its command link: what a card holds in its hands. */

import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Report } from "@tidegate/contracts";
import type { BookId, TruthFill, VenueTruth } from "@tidegate/venue-sim";
import { BinanceOrders, type Injection } from "@tidegate/venue-sim/binance";
import { FixOrders, MESSAGES_PER_10S, SYMBOL, VENUE_COMP_ID } from "@tidegate/venue-sim/fix";
import { GatewayEnd, orderIds } from "../drill/gateway-end.ts";
import { Process } from "../drill/processes.ts";
import { expect, until } from "./cards.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
export const KEY = { apiKey: "sim", apiSecret: "sim-secret" };
const UP_MS_MAX = 15_000;
/** How long a report may take. */
const TOLD_MS_MAX = 10_000;
/** How long our book may take to be the venue's again. */
const AGREE_MS_MAX = 14_000;

/** A simulated venue, as far as every card holds it. */
export interface CardVenue extends AsyncDisposable {
  readonly port: number;
  truth(): VenueTruth;
}
type Levels = readonly (readonly [string, string])[];
/** A switch of the venue; which market it is of is the card's own. */
export type Thrown = Omit<Injection, "market">;

/** What differs between the venues, in what a card reckons with. */
export interface Market<V extends CardVenue = BinanceOrders> {
  readonly id: BookId;
  readonly keyName: "alpaca" | "binance-spot" | "binance-usdm" | "fix" | "shioaji";
  /** Starts the venue with its log in `dir`. */
  open(dir: string): Promise<V>;
  /** What the router's configuration has of the venue at a port. */
  config(port: number, dir: string): object;
  book(venue: V, book: { readonly bids: Levels; readonly asks: Levels }): void;
  inject(venue: V, thrown: Thrown): void;
  injected(venue: V): Readonly<Record<string, number>>;
  /** Instrument and venue of the table. */
  readonly instrumentId: number;
  readonly venueId: number;
  /** One unit of the cards, in lots and as the venue writes it. */
  readonly unitLots: number;
  readonly unit: (units: number) => string;
  /** A price in whole dollars, in ticks and as the venue writes it. */
  readonly ticks: (dollars: number) => number;
  readonly price: (dollars: number) => string;
  readonly ordersPer10s: number;
  /** How the router names a fill of the venue's log; by the number of its trade without it. */
  readonly execId?: (fill: TruthFill) => string;
  /** How long the venue's answers may leave open what became of an order, beyond what is usual; ms. */
  readonly settlesMs?: number;
}

const SHIPPED = join(ROOT, "config/instruments.json");
const onFatal = (error: unknown): never => {
  throw error;
};
const binance = (id: "spot" | "usdm") => ({
  id,
  open: (dir: string) =>
    BinanceOrders.alone(dir, {
      keys: [{ key: KEY.apiKey, secret: KEY.apiSecret, trade: true }],
      onFatal,
    }),
  config(port: number) {
    const [ws, rest] = [`ws://127.0.0.1:${port}`, `http://127.0.0.1:${port}`];
    return id === "spot"
      ? { instrumentsFile: SHIPPED, spotWsApiUrl: ws, spotRestUrl: rest }
      : {
          ...{ instrumentsFile: SHIPPED, deadManMs: 0 },
          ...{ usdmWsApiUrl: ws, usdmStreamUrl: ws, usdmRestUrl: rest },
        };
  },
  book: (venue: BinanceOrders, book: { bids: Levels; asks: Levels }) => venue.book(id, book),
  inject: (venue: BinanceOrders, thrown: Thrown) => venue.inject({ ...thrown, market: id }),
  injected: (venue: BinanceOrders) => venue.injected(id),
});

/** One of the two Binance markets. */
export interface BinanceMarket extends Market {
  readonly id: "spot" | "usdm";
}

export const SPOT: BinanceMarket = {
  ...binance("spot"),
  ...{ keyName: "binance-spot", instrumentId: 1, venueId: 1, unitLots: 1_000 },
  unit: (units) => (units * 0.01).toFixed(5),
  ticks: (dollars) => Math.round(dollars * 100),
  price: (dollars) => dollars.toFixed(2),
  ordersPer10s: 100,
};
export const USDM: BinanceMarket = {
  ...binance("usdm"),
  ...{ keyName: "binance-usdm", instrumentId: 2, venueId: 2, unitLots: 10 },
  unit: (units) => (units * 0.01).toFixed(3),
  ticks: (dollars) => Math.round(dollars * 10),
  price: (dollars) => dollars.toFixed(1),
  ordersPer10s: 300,
};

/** The FIX venue's own instrument. */
const FIX_ROW = {
  ...{ id: 1, venue_id: 1, venue: "FIX", symbol: SYMBOL, kind: "spot", base: "BTC", quote: "USD" },
  ...{ px_scale: 2, px_unit: 1, qty_scale: 5, qty_unit: 1, e8_per_tick_lot: 10 },
  ...{ min_qty_lots: 1, max_qty_lots: 900_000_000, min_notional_e8: 0 },
};

export const FIX: Market<FixOrders> = {
  ...{ id: `fix:${SYMBOL}`, keyName: "fix", instrumentId: 1, venueId: 1, unitLots: 1_000 },
  unit: SPOT.unit,
  ticks: SPOT.ticks,
  price: SPOT.price,
  ordersPer10s: MESSAGES_PER_10S,
  open: (dir) =>
    FixOrders.alone(dir, {
      client: { compId: "DESK", username: KEY.apiKey, password: KEY.apiSecret },
      onFatal,
    }),
  config(port, dir) {
    const instrumentsFile = join(dir, "instruments.json");
    writeFileSync(instrumentsFile, JSON.stringify({ version: 1, instruments: [FIX_ROW] }));
    return {
      ...{ instrumentsFile, fixUrl: `fix://127.0.0.1:${port}`, fixHeartbeatSeconds: 1 },
      ...{ fixSenderCompId: "DESK", fixTargetCompId: VENUE_COMP_ID },
    };
  },
  book: (venue, book) => venue.book(book),
  inject: (venue, thrown) => venue.inject(thrown),
  injected: (venue) => venue.injected(),
};

export interface Terms {
  readonly side?: "BUY" | "SELL";
  readonly type?: "LIMIT" | "MARKET";
  readonly tif?: "GTC" | "IOC" | "FOK" | "POST_ONLY";
  readonly dollars?: number;
  readonly units?: number;
}

/** The ends an order can be told by, and the venue's word for each. */
const ENDS: Readonly<Record<string, string>> = {
  CANCELLED: "CANCELED",
  EXPIRED: "EXPIRED",
  REJECT: "REJECTED",
};
const NEVER_THERE = ["REJECT", "NEVER_SENT", "DEAD"];

export interface HandsOptions<V extends CardVenue = BinanceOrders> {
  /** What the router signs with, where that is not the venue's key. */
  readonly apiKey?: string;
  /** Before the router is started. */
  readonly before?: (venue: V) => void;
  /** Where the router finds the venue, given its port; the venue's own port without it. */
  readonly through?: (port: number) => number;
  /** What comes of a report before the card hears it: the place to plant a fault. */
  readonly heard?: (report: Report) => Report;
}

/** A venue, a router and the end of its link; the market stands at 60,000 dollars with one unit at each of two prices a side. */
export class Hands<V extends CardVenue = BinanceOrders> implements AsyncDisposable {
  readonly market: Market<V>;
  readonly venue: V;
  readonly reports: Report[] = [];
  readonly #dir: string;
  readonly #heard: (report: Report) => Report;
  readonly #armed = new Set<string>();
  #router: Process | null = null;
  #end: GatewayEnd | null = null;
  #orders = 0;
  #told = 0;

  private constructor(market: Market<V>, venue: V, dir: string, options: HandsOptions<V>) {
    this.market = market;
    this.venue = venue;
    this.#dir = dir;
    this.#heard = options.heard ?? ((report) => report);
  }

  static async open<V extends CardVenue>(
    market: Market<V>,
    options: HandsOptions<V> = {},
  ): Promise<Hands<V>> {
    const dir = mkdtempSync(join(tmpdir(), "tidegate-card-"));
    for (const name of ["s", "state", "venue"]) mkdirSync(join(dir, name));
    const venue = await market.open(join(dir, "venue"));
    const hands = new Hands(market, venue, dir, options);
    try {
      hands.at(60_000);
      options.before?.(venue);
      const port = options.through?.(venue.port) ?? venue.port;
      hands.#configure({ ...KEY, apiKey: options.apiKey ?? KEY.apiKey }, port);
      hands.#start();
      await hands.#connect();
      return hands;
    } catch (error) {
      await hands[Symbol.asyncDispose]();
      throw error;
    }
  }

  #configure(pair: typeof KEY, port: number): void {
    const { keyName } = this.market;
    const keysFile = join(this.#dir, "state/keys.json");
    writeFileSync(keysFile, JSON.stringify({ [keyName]: pair }), { mode: 0o600 });
    const config = {
      ...{ httpPort: 0, tier: "T0", keysFile: "state/keys.json" },
      ...this.market.config(port, this.#dir),
    };
    writeFileSync(join(this.#dir, "router.json"), JSON.stringify(config));
  }

  #start(): void {
    this.#router = new Process(ROOT, "execution-router", this.#dir, [], {
      TIDEGATE_CONFIG: join(this.#dir, "router.json"),
      TIDEGATE_DIE_WITH_PARENT: "1",
    });
  }

  async #connect(): Promise<void> {
    // A router that was started anew tells everything again: it does not know what was heard.
    const end = await GatewayEnd.connect(`ipc://${join(this.#dir, "s/command.sock")}`, (report) => {
      if (report.reportSeq <= this.#told) return;
      this.#told = report.reportSeq;
      this.reports.push(this.#heard(report));
    });
    this.#end = end;
    await this.#until("the router's link", () => end.state === "SYNCED", UP_MS_MAX);
    end.grant();
    await this.#until("leadership", () => this.count("GRANTED") > 0, UP_MS_MAX);
  }

  /** Waits; a router that has ended meanwhile is said so. */
  async #until(what: string, holds: () => boolean, msMax?: number): Promise<void> {
    await until(
      what,
      () => {
        if (this.#router?.running === false)
          throw new Error(`the router has ended: ${this.#router.text.slice(-600)}`);
        return holds();
      },
      msMax,
    );
  }

  /** Waits until the router hears what is sent: on a busy machine the two may have lost each other. */
  async inStep(): Promise<void> {
    await this.#until("the link", () => this.#end?.state === "SYNCED", UP_MS_MAX);
  }

  /** Makes the kill file, as anybody may who can write the run directory. */
  kill(): void {
    writeFileSync(join(this.#dir, "state/kill"), "");
  }

  /** Waits until the router has said something in its log. */
  async said(words: string): Promise<void> {
    await this.#until(words, () => this.#router?.text.includes(words) === true, AGREE_MS_MAX);
  }

  /** Waits until the venue is up for the `times`-th time. */
  async up(times = 1): Promise<void> {
    await this.#until("the venue is up", () => this.count("VENUE_UP") >= times, UP_MS_MAX);
  }

  async down(times = 1): Promise<void> {
    await this.#until("the venue is down", () => this.count("VENUE_DOWN") >= times, UP_MS_MAX);
  }

  /** The router dies as by a power cut of its process, and starts again. */
  async restart(while_: () => void): Promise<void> {
    const ups = this.count("VENUE_UP");
    this.#router?.child.kill("SIGKILL");
    if (this.#router !== null) await once(this.#router.child, "exit");
    while_();
    this.#start();
    const end = this.#end;
    await this.#until("the link again", () => end?.state === "SYNCED", UP_MS_MAX);
    end?.grant();
    await this.up(ups + 1);
  }

  /** Writes the market: `units` at each of two prices a side, a dollar and two from the middle. */
  at(dollars: number, units = 1): void {
    const level = (away: number): [string, string] => [
      this.market.price(dollars + away),
      this.market.unit(units),
    ];
    this.market.book(this.venue, {
      bids: [level(-1), level(-2)],
      asks: [level(1), level(2)],
    });
  }

  inject(thrown: Thrown): void {
    this.#armed.add(thrown.switch);
    this.market.inject(this.venue, thrown);
  }

  /** Sends a new order; gives its client order id. What is not said: one unit to buy at 59,000 until cancelled. */
  place({
    side = "BUY",
    type = "LIMIT",
    tif = "GTC",
    dollars = 59_000,
    units = 1,
  }: Terms = {}): string {
    this.#orders += 1;
    const ids = orderIds(this.#orders);
    const pxTicks = type === "MARKET" ? 0 : this.market.ticks(dollars);
    this.#send({
      ...{ kind: "NEW", ...ids, side, orderType: type, tif: type === "MARKET" ? "IOC" : tif },
      ...{ pxTicks, qtyLots: units * this.market.unitLots, accountId: 1 },
    });
    return ids.clientOrderId;
  }

  /** An order the venue holds. */
  async taken(terms: Terms = {}): Promise<string> {
    const id = this.place(terms);
    await this.told(id, "ACK");
    return id;
  }

  cancel(clientOrderId: string): void {
    this.#send({ kind: "CANCEL", clientOrderId });
  }

  cancelAll(): void {
    this.#send({ kind: "CANCEL_ALL", clientOrderId: "" });
  }

  query(clientOrderId: string): void {
    this.#send({ kind: "QUERY", clientOrderId });
  }

  amend(clientOrderId: string, dollars: number, units: number): void {
    const terms = { pxTicks: this.market.ticks(dollars), qtyLots: units * this.market.unitLots };
    this.#send({ kind: "AMEND", clientOrderId, ...terms });
  }

  #send(command: Readonly<Record<string, unknown>>): void {
    const { instrumentId, venueId } = this.market;
    const sent = this.#end?.send({ instrumentId, venueId, ...command }) === true;
    const state = this.#router?.running === false ? "has ended" : "does not read";
    expect(sent, `the link is full, the router ${state}: ${this.#router?.text.slice(-600)}`);
  }

  count(kind: Report["kind"]): number {
    return this.reports.filter((each) => each.kind === kind).length;
  }

  of(clientOrderId: string): Report[] {
    return this.reports.filter((each) => each.clientOrderId === clientOrderId);
  }

  /** What was told of an order, oldest first, without the stamp of its bytes. */
  kinds(clientOrderId: string): string[] {
    return this.of(clientOrderId)
      .map(({ kind }) => kind)
      .filter((kind) => kind !== "SENT");
  }

  /** Waits for a report of an order. */
  async told(clientOrderId: string, kind: Report["kind"], times = 1): Promise<Report> {
    const found = (): Report | undefined =>
      this.of(clientOrderId).filter((each) => each.kind === kind)[times - 1];
    await this.#until(
      `${kind} of ${clientOrderId}, which has ${this.kinds(clientOrderId).join()}`,
      () => found() !== undefined,
      TOLD_MS_MAX + (this.market.settlesMs ?? 0),
    ).catch(() => {
      throw new Error(`no ${kind}: it was told ${this.kinds(clientOrderId).join() || "nothing"}`);
    });
    return found() as Report;
  }

  /** What the venue's log has of an order; null where it never had it. */
  status(clientOrderId: string): string | null {
    return this.venue.truth().orders.get(clientOrderId)?.status ?? null;
  }

  /**
   * Our book is the venue's: the same fills, the same ends, nothing twice, nothing that the venue does not have; and each
   * switch that was thrown has acted.
   */
  async agree(): Promise<void> {
    let fault: string | null = "nothing was compared";
    const end = performance.now() + AGREE_MS_MAX + (this.market.settlesMs ?? 0);
    while (fault !== null && performance.now() < end) {
      fault = difference(this.venue.truth(), this.reports, this.market);
      if (fault !== null) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    if (fault !== null) throw new Error(fault);
    const injected = this.market.injected(this.venue);
    for (const name of this.#armed)
      expect((injected[name] ?? 0) > 0, `${name} was armed and nothing met it`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end?.[Symbol.asyncDispose]();
    await this.#router?.[Symbol.asyncDispose]();
    await this.venue[Symbol.asyncDispose]();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

type Judged = Pick<Market<CardVenue>, "id" | "instrumentId" | "execId">;

/** Where what we were told differs from what the venue's own log says; null where it does not. */
export function difference(
  truth: VenueTruth,
  reports: readonly Report[],
  { id, instrumentId, execId = (fill) => String(fill.tradeId) }: Judged,
): string | null {
  const broken = truth.inconsistencies[0];
  if (broken !== undefined) return `the venue's log: ${broken}`;
  if (truth.duplicates > 0) return `${truth.duplicates} orders reached the venue twice`;
  const theirs = truth.fills
    .filter(({ market }) => market === id)
    .map((fill) =>
      [
        ...[fill.clientOrderId, execId(fill), fill.side, fill.pxTicks, fill.qtyLots],
        ...[fill.feeE8, fill.feeAsset, fill.maker],
      ].join(" "),
    );
  // Where a venue numbers no fill of its list, the last part is which one of several alike it is.
  const nth = id.startsWith("shioaji:") ? /\.\d+$/ : /$^/;
  // What takes an execution back names it before the slash.
  const undone = new Set(
    reports.filter(({ kind }) => kind === "BUST").map(({ execId }) => execId.split("/")[0]),
  );
  const ours = reports
    .filter((each) => each.kind === "FILL" && each.instrumentId === instrumentId)
    .filter(({ execId }) => !undone.has(execId))
    .map((fill) =>
      [
        ...[
          fill.clientOrderId,
          fill.execId.replace(nth, ""),
          fill.side,
          fill.lastPxTicks,
          fill.lastQtyLots,
        ],
        ...[fill.feeE8, fill.feeAsset, fill.maker],
      ].join(" "),
    );
  const [left, right] = [theirs.toSorted().join("; "), ours.toSorted().join("; ")];
  if (left !== right) return `fills: the venue has [${left}], we were told [${right}]`;
  const ends = new Map<string, string[]>();
  const asked = new Set<string>();
  for (const { clientOrderId, kind } of reports) {
    if (clientOrderId === "") continue;
    asked.add(clientOrderId);
    if (kind in ENDS || NEVER_THERE.includes(kind))
      ends.set(clientOrderId, [...(ends.get(clientOrderId) ?? []), kind]);
  }
  for (const [clientOrderId, told] of ends)
    if (told.length > 1) return `${clientOrderId} was told to have ended ${told.join(" and ")}`;
  for (const order of truth.orders.values()) {
    const told = ends.get(order.clientOrderId)?.[0];
    const want = ENDS[told ?? ""] ?? (told === undefined ? "" : "nothing");
    const open = order.status === "NEW" || order.status === "PARTIALLY_FILLED";
    const same = order.status === "FILLED" || open ? told === undefined : want === order.status;
    if (!same)
      return `${order.clientOrderId} is ${order.status} at the venue, we were told ${told ?? "no end"}`;
  }
  for (const clientOrderId of asked) {
    if (truth.orders.has(clientOrderId)) continue;
    const told = ends.get(clientOrderId)?.[0];
    if (told === undefined || !NEVER_THERE.includes(told))
      return `${clientOrderId} was never at the venue, we were told ${told ?? "no end"}`;
  }
  return null;
}
