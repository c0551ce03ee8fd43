/** The venue's desk: requests in, answers and user events out, the log written between. Sockets are elsewhere. */

import type { SimMarket } from "@tidegate/rust-core";
import { type Balances, type CoreEvent, type Order, parseEvents, type Trade } from "../../core.ts";
import { parseScaled } from "../../decimal.ts";
import type { LogBody, VenueLog } from "../../log.ts";
import {
  depthWeight,
  exchangeInfo,
  MARKETS,
  type MarketId,
  type MarketSpec,
} from "../../markets.ts";
import { checkKey, checkSigned, illegal, mandatory, type Permitted } from "./auth.ts";
import { ApiFault, amendRefusal, refusal } from "./faults.ts";
import { RateCounters, scaled } from "./limits.ts";
import {
  accountBody,
  accountUpdate,
  type Execution,
  executionReport,
  orderTradeUpdate,
  outboundAccountPosition,
  spotAck,
  spotAmended,
  spotCancelled,
  spotResult,
  spotStatus,
  tradeBody,
  usdmOrder,
  usdmPosition,
} from "./messages.ts";

export const LISTEN_KEY_LIFE_MS = 3_600_000;
/** Listen keys alive at once; the account has one, as at the venue. */
export const COUNTDOWN_MS_MAX = 3_600_000;
const CLIENT_ID = /^[.A-Z:/a-z0-9_-]{1,36}$/;

export type Op =
  | "ping"
  | "time"
  | "exchangeInfo"
  | "depth"
  | "order.place"
  | "order.cancel"
  | "order.status"
  | "order.amend"
  | "openOrders.status"
  | "openOrders.cancelAll"
  | "trades"
  | "account"
  | "positions"
  | "listenKey.start"
  | "listenKey.keepAlive"
  | "listenKey.close"
  | "countdownCancelAll"
  | "userDataStream.subscribe";

type Security = "none" | "key" | "signed";
const OPS: Readonly<Record<Op, { readonly security: Security; readonly weight: number }>> = {
  ping: { security: "none", weight: 1 },
  time: { security: "none", weight: 1 },
  exchangeInfo: { security: "none", weight: 1 },
  depth: { security: "none", weight: 0 },
  "order.place": { security: "signed", weight: 1 },
  "order.cancel": { security: "signed", weight: 1 },
  "order.status": { security: "signed", weight: 4 },
  "order.amend": { security: "signed", weight: 4 },
  "openOrders.status": { security: "signed", weight: 6 },
  "openOrders.cancelAll": { security: "signed", weight: 1 },
  trades: { security: "signed", weight: 20 },
  account: { security: "signed", weight: 20 },
  positions: { security: "signed", weight: 5 },
  "listenKey.start": { security: "key", weight: 1 },
  "listenKey.keepAlive": { security: "key", weight: 1 },
  "listenKey.close": { security: "key", weight: 1 },
  countdownCancelAll: { security: "signed", weight: 10 },
  "userDataStream.subscribe": { security: "signed", weight: 2 },
};
const USDM_WEIGHT: Partial<Record<Op, number>> = {
  "order.status": 1,
  "order.amend": 1,
  "openOrders.status": 1,
  trades: 5,
  account: 5,
};

export interface ApiRequest {
  readonly market: MarketId;
  readonly op: Op;
  readonly params: ReadonlyMap<string, string>;
  /** What the signature covers. */
  readonly payload: string;
  readonly key: string | undefined;
}

export interface ApiAnswer {
  readonly body: unknown;
}

/** One counted request, as the venue saw it: what limits are judged by. */
export interface RequestLine {
  /** ms since the Unix epoch, venue clock, when it was counted. */
  readonly ts: number;
  readonly m: MarketId;
  readonly op: Op;
  /** Whose it was; "" where the question needs no key. */
  readonly key: string;
  readonly weight: number;
  /** 1 where it counts as an order. */
  readonly orders: 0 | 1;
  readonly status: number;
  /** Its own signed `timestamp`, where it had one. */
  readonly stampMs: number | null;
  /** Refused by a scripted block that ends then. */
  readonly blockedUntilMs: number | null;
}

export interface UserEvent {
  readonly market: MarketId;
  readonly event: Record<string, unknown>;
}

interface Desk {
  readonly spec: MarketSpec;
  readonly core: SimMarket;
  readonly rates: RateCounters;
  realisedE8: bigint;
  countdownMs: number | null;
}

interface CoreAnswer {
  readonly ok: boolean;
  readonly reason?: string;
  readonly order?: Order;
  readonly orders?: readonly Order[];
  readonly trades?: readonly Trade[];
}

export class Venue {
  readonly #desks: Readonly<Record<MarketId, Desk>>;
  readonly #log: VenueLog;
  readonly #keys: readonly Permitted[];
  readonly #snapshotId: (market: MarketId, bookId: number) => number;
  readonly #onRequest: ((line: RequestLine) => void) | null;
  /** What of USD-M's account came from elsewhere. */
  #moved = { lots: 0, walletE8: 0n };
  readonly #outbox: UserEvent[] = [];
  #listenKey: { readonly key: string; expiresMs: number } | null = null;
  #listenKeys = 0;
  /** Orders that were rejected after they were taken; the core knows them as cancelled. */
  readonly #rejected = new Set<string>();
  #generatedIds: number;

  constructor(
    cores: Readonly<Record<MarketId, SimMarket>>,
    log: VenueLog,
    keys: readonly Permitted[],
    /** The id a snapshot taken now carries: the streams may have shown later ids than the book's. */
    snapshotId: (market: MarketId, bookId: number) => number,
    ratesScale = 1,
    onRequest: ((line: RequestLine) => void) | null = null,
  ) {
    this.#onRequest = onRequest;
    const desk = (market: MarketId): Desk => {
      const spec = scaled(MARKETS[market], ratesScale);
      const rates = new RateCounters(spec);
      return { spec, core: cores[market], rates, realisedE8: 0n, countdownMs: null };
    };
    this.#desks = { spot: desk("spot"), usdm: desk("usdm") };
    this.#log = log;
    this.#keys = keys;
    this.#snapshotId = snapshotId;
    this.#generatedIds = log.lines;
    this.rebase();
  }

  /** Takes the balances as they are now as the base of the next postings: at the start and after a restore. */
  rebase(): void {
    for (const desk of Object.values(this.#desks)) {
      const balances = this.balances(desk.spec.id);
      desk.realisedE8 = BigInt(balances.realisedE8 ?? "0");
    }
  }

  balances(market: MarketId): Balances {
    const said = JSON.parse(this.#desks[market].core.balances()) as Balances;
    if (market === "spot" || said.walletE8 === undefined) return said;
    const { lots, walletE8 } = this.#moved;
    const wallet = `${BigInt(said.walletE8) + walletE8}`;
    return { ...said, positionLots: said.positionLots + lots, walletE8: wallet };
  }

  stats(market: MarketId): Record<string, unknown> {
    return JSON.parse(this.#desks[market].core.stats()) as Record<string, unknown>;
  }

  usage(market: MarketId, nowMs: number) {
    return this.#desks[market].rates.usage(nowMs);
  }

  /** Answers every request of a market with `status` for so long. */
  block(market: MarketId, status: 429 | 418, forMs: number, nowMs: number): void {
    this.#desks[market].rates.block({ status, untilMs: nowMs + forMs });
  }

  spec(market: MarketId): MarketSpec {
    return this.#desks[market].spec;
  }

  /** One recorded message into the book; fills of resting orders are logged before this returns. */
  onMarket(market: MarketId, bytes: Buffer, nowMs: number): void {
    if (this.#desks[market].core.onMarket(bytes, nowMs) > 0) this.#commit(market, nowMs, null);
  }

  /** The recording starts again. */
  resetMarket(market: MarketId, nowMs: number): void {
    this.#desks[market].core.resetMarket();
    this.#commit(market, nowMs, null);
  }

  /** User events since the last call, in order. Sent after the reply they belong to. */
  takeUserEvents(): UserEvent[] {
    return this.#outbox.splice(0);
  }

  /** Timers of the venue: the cancel countdown and the listen key's life. */
  tick(nowMs: number): void {
    for (const desk of Object.values(this.#desks)) {
      if (desk.countdownMs === null || nowMs < desk.countdownMs) continue;
      desk.countdownMs = null;
      this.#cancelAll(desk, nowMs, null);
    }
    if (this.#listenKey !== null && nowMs >= this.#listenKey.expiresMs) {
      const { key } = this.#listenKey;
      this.#listenKey = null;
      this.#outbox.push({
        market: "usdm",
        event: { e: "listenKeyExpired", E: nowMs, listenKey: key },
      });
    }
  }

  isListenKey(key: string): boolean {
    return this.#listenKey?.key === key;
  }

  /**
   * Answers one request.
   *
   * Errors  ApiFault with the venue's status, code and words
   */
  call(request: ApiRequest, nowMs: number): ApiAnswer {
    const { market, op, params } = request;
    const desk = this.#desks[market];
    const depth = op === "depth" ? depthWeight(desk.spec, limitOf(params, 100)) : null;
    const weight =
      depth?.weight ?? (market === "usdm" ? USDM_WEIGHT[op] : undefined) ?? OPS[op].weight;
    const block = desk.rates.blocked(nowMs);
    let status = 200;
    try {
      return this.#serve(request, desk, depth, weight, nowMs);
    } catch (error) {
      status = error instanceof ApiFault ? error.status : 500;
      throw error;
    } finally {
      const stamp = Number(params.get("timestamp") ?? Number.NaN);
      this.#onRequest?.({
        ...{ ts: nowMs, m: market, op, key: request.key ?? "", weight },
        orders: countsAsOrder(market, op) ? 1 : 0,
        status,
        stampMs: Number.isFinite(stamp) ? stamp : null,
        blockedUntilMs: block === null ? null : block.untilMs,
      });
    }
  }

  #serve(
    request: ApiRequest,
    desk: Desk,
    depth: { readonly limit: number } | null,
    weight: number,
    nowMs: number,
  ): ApiAnswer {
    const { market, op, params } = request;
    const rule = OPS[op];
    const block = desk.rates.blocked(nowMs);
    if (block !== null) {
      const waitMs = block.untilMs - nowMs;
      const text =
        block.status === 418
          ? `Way too much request weight used; IP banned until ${block.untilMs}.`
          : "Too much request weight used.";
      throw new ApiFault(block.status, -1003, text, Math.ceil(waitMs / 1_000), true);
    }
    const waitS = desk.rates.takeWeight(nowMs, weight);
    if (waitS > 0) {
      const max = desk.spec.weightPerMinuteMax;
      throw new ApiFault(
        429,
        -1003,
        `Too much request weight used; current limit is ${max} request weight per 1 MINUTE.`,
        waitS,
      );
    }
    if (rule.security !== "none") {
      const trades = ["order.place", "order.amend", "countdownCancelAll"].includes(op);
      const key = checkKey(request.key, this.#keys, trades);
      if (rule.security === "signed") checkSigned(params, request.payload, nowMs, key);
    }
    switch (op) {
      case "ping":
        return { body: {} };
      case "time":
        return { body: { serverTime: nowMs } };
      case "exchangeInfo":
        return { body: exchangeInfo(desk.spec, nowMs) };
      case "depth":
        return { body: this.#depth(desk, params, depth?.limit ?? 100, nowMs) };
      case "order.place":
        return { body: this.#place(desk, params, nowMs) };
      case "order.cancel":
        return { body: this.#cancel(desk, params, nowMs) };
      case "order.status":
        return { body: this.#status(desk, params) };
      case "order.amend":
        return { body: this.#amend(desk, params, nowMs) };
      case "openOrders.status":
        if (params.has("symbol")) wantSymbol(desk, params);
        return { body: this.#orders(desk).map((order) => this.#statusBody(desk, order)) };
      case "openOrders.cancelAll":
        wantSymbol(desk, params);
        return { body: this.#cancelAllBody(desk, nowMs) };
      case "trades":
        wantSymbol(desk, params);
        return { body: this.#trades(desk, params) };
      case "account":
        return { body: accountBody(desk.spec, this.balances(market), nowMs) };
      case "positions":
        return { body: [usdmPosition(desk.spec, this.balances(market), nowMs)] };
      case "countdownCancelAll":
        return { body: this.#countdown(desk, params, nowMs) };
      case "userDataStream.subscribe":
        return { body: {} };
      case "listenKey.start":
      case "listenKey.keepAlive":
      case "listenKey.close":
        return { body: this.#listen(op, nowMs) };
    }
  }

  #depth(desk: Desk, params: ReadonlyMap<string, string>, limit: number, nowMs: number): unknown {
    wantSymbol(desk, params);
    const text = desk.core.snapshotDepth(limit);
    if (text === "")
      throw new ApiFault(
        503,
        -1008,
        "Server is currently overloaded with other requests. Please try again.",
      );
    // Prices and sizes are texts, so that a parser changes nothing of them.
    const { lastUpdateId, bids, asks } = JSON.parse(text) as {
      lastUpdateId: number;
      bids: unknown;
      asks: unknown;
    };
    const id = this.#snapshotId(desk.spec.id, lastUpdateId);
    const times = desk.spec.id === "usdm" ? { E: nowMs, T: nowMs } : {};
    return { lastUpdateId: id, ...times, bids, asks };
  }

  #place(desk: Desk, params: ReadonlyMap<string, string>, nowMs: number): unknown {
    wantSymbol(desk, params);
    const market = desk.spec.id;
    const want = (name: string): string => {
      const value = params.get(name);
      if (value === undefined || value === "") throw mandatory(name);
      return value;
    };
    const side = oneOf(want("side"), ["BUY", "SELL"], "side");
    const type = oneOf(
      want("type"),
      market === "spot" ? ["LIMIT", "MARKET", "LIMIT_MAKER"] : ["LIMIT", "MARKET"],
      "type",
    );
    const tifs = market === "spot" ? ["GTC", "IOC", "FOK"] : ["GTC", "IOC", "FOK", "GTX"];
    const timeInForce = type === "LIMIT" ? oneOf(want("timeInForce"), tifs, "timeInForce") : "GTC";
    const price = type === "MARKET" ? "0" : want("price");
    const quantity = want("quantity");
    for (const [name, value] of [
      ["price", price],
      ["quantity", quantity],
    ] as const) {
      if (!/^\d{1,20}(\.\d{1,20})?$/.test(value)) throw illegal(name);
    }
    const clientOrderId = params.get("newClientOrderId") ?? this.#generated();
    if (!CLIENT_ID.test(clientOrderId)) throw illegal("newClientOrderId");
    countOrder(desk, nowMs);
    const request = { clientOrderId, side, type, timeInForce, price, quantity, timeMs: nowMs };
    const answer = JSON.parse(desk.core.place(JSON.stringify(request))) as CoreAnswer;
    this.#commit(market, nowMs, null, Number(params.get("timestamp")));
    if (!answer.ok || answer.order === undefined)
      throw refusal(answer.reason ?? "MALFORMED", market);
    if (answer.order.status === "FILLED") desk.rates.onFilled(nowMs);
    if (market === "usdm") return usdmOrder(desk.spec, answer.order);
    const respType = params.get("newOrderRespType") ?? (type === "LIMIT_MAKER" ? "ACK" : "FULL");
    return respType === "ACK"
      ? spotAck(answer.order)
      : spotResult(answer.order, respType === "FULL");
  }

  #cancel(desk: Desk, params: ReadonlyMap<string, string>, nowMs: number): unknown {
    wantSymbol(desk, params);
    const cancelId = params.get("newClientOrderId") ?? this.#generated();
    const key = this.#key(params);
    const answer = JSON.parse(
      desk.core.cancel(JSON.stringify({ ...key, timeMs: nowMs })),
    ) as CoreAnswer;
    this.#commit(desk.spec.id, nowMs, cancelId);
    if (!answer.ok || answer.order === undefined)
      throw refusal(answer.reason ?? "UNKNOWN_ORDER", desk.spec.id);
    return desk.spec.id === "spot"
      ? spotCancelled(answer.order, cancelId)
      : usdmOrder(desk.spec, answer.order);
  }

  /** New terms of an open order: spot takes a smaller quantity alone, USD-M price and quantity. */
  #amend(desk: Desk, params: ReadonlyMap<string, string>, nowMs: number): unknown {
    wantSymbol(desk, params);
    const spot = desk.spec.id === "spot";
    const key = this.#key(params);
    const decimal = (name: string): string => {
      const value = params.get(name);
      if (value === undefined || value === "") throw mandatory(name);
      if (!/^\d{1,20}(\.\d{1,20})?$/.test(value)) throw illegal(name);
      return value;
    };
    const quantity = decimal(spot ? "newQty" : "quantity");
    const asked = spot ? null : decimal("price");
    if (!spot) countOrder(desk, nowMs);
    const query = JSON.stringify({ what: "order", ...key });
    const { order } = JSON.parse(desk.core.query(query)) as CoreAnswer;
    if (order === undefined || !isOpen(order)) throw amendRefusal("UNKNOWN_ORDER", desk.spec.id);
    const renamed = params.get("newClientOrderId");
    if (renamed !== undefined && renamed !== order.clientOrderId) throw illegal("newClientOrderId");
    const scale = desk.spec.qtyTextScale;
    const [now, wanted] = [parseScaled(order.quantity, scale), parseScaled(quantity, scale)];
    if (spot && now !== null && wanted !== null && wanted >= now)
      throw amendRefusal("QUANTITY_INCREASE", "spot");
    const request = { ...key, price: asked ?? order.price, quantity, timeMs: nowMs };
    const answer = JSON.parse(desk.core.amend(JSON.stringify(request))) as CoreAnswer;
    const execId = this.#commit(desk.spec.id, nowMs, null);
    if (!answer.ok || answer.order === undefined)
      throw amendRefusal(answer.reason ?? "MALFORMED", desk.spec.id);
    return spot ? spotAmended(answer.order, execId) : usdmOrder(desk.spec, answer.order);
  }

  /** The venue thinks better of an order it has taken: it is told as rejected, and was never there. */
  reject(market: MarketId, clientOrderId: string, nowMs: number): void {
    const { core } = this.#desks[market];
    const cancel = JSON.stringify({ clientOrderId, timeMs: nowMs });
    const answer = JSON.parse(core.cancel(cancel)) as CoreAnswer;
    if (!answer.ok) return;
    this.#rejected.add(clientOrderId);
    this.#commit(market, nowMs, null);
  }

  /** Trading stops, or goes on. */
  halt(market: MarketId, halted: boolean): void {
    this.#desks[market].core.control(JSON.stringify({ op: halted ? "halt" : "resume" }));
  }

  /**
   * Money that comes from elsewhere or goes there, in 1e-8 of each asset; on USD-M a position, and money of the wallet.
   * `told` false: the user stream says nothing of it, and only who asks for the account finds out.
   */
  transfer(
    market: MarketId,
    { baseE8, quoteE8 }: { readonly baseE8: bigint; readonly quoteE8: bigint },
    told: boolean,
    nowMs: number,
  ): void {
    if (market === "usdm") {
      this.#move(baseE8, quoteE8, told, nowMs);
      return;
    }
    const { core, spec } = this.#desks.spot;
    core.control(JSON.stringify({ op: "transfer", baseE8: `${baseE8}`, quoteE8: `${quoteE8}` }));
    const moved = [
      [spec.baseAsset, baseE8],
      [spec.quoteAsset, quoteE8],
    ] as const;
    const bodies = moved
      .filter(([, deltaE8]) => deltaE8 !== 0n)
      .map(([asset, deltaE8]): LogBody => {
        const how = { why: "transfer", tradeId: 0 } as const;
        return { k: "post", m: "spot", asset, deltaE8: String(deltaE8), ...how };
      });
    const after = this.balances("spot");
    this.#log.append(nowMs, bodies, after);
    if (told)
      this.#outbox.push({ market: "spot", event: outboundAccountPosition(spec, after, nowMs) });
  }

  /** No order of USD-M moves a position otherwise, so the core has no word for it: it is the account's, until this process ends. */
  #move(baseE8: bigint, quoteE8: bigint, told: boolean, nowMs: number): void {
    const { spec } = this.#desks.usdm;
    const { lots, walletE8 } = this.#moved;
    const by = Number(baseE8 / BigInt(spec.baseE8PerLot));
    this.#moved = { lots: lots + by, walletE8: walletE8 + quoteE8 };
    if (told)
      this.#outbox.push({
        market: "usdm",
        event: accountUpdate(spec, this.balances("usdm"), nowMs),
      });
  }

  /** The listen key ends before its time. */
  expireListenKey(): void {
    if (this.#listenKey !== null) this.#listenKey.expiresMs = 0;
  }

  #cancelAll(desk: Desk, nowMs: number, cancelId: string | null): readonly Order[] {
    const answer = JSON.parse(
      desk.core.cancel(JSON.stringify({ all: true, timeMs: nowMs })),
    ) as CoreAnswer;
    this.#commit(desk.spec.id, nowMs, cancelId);
    return answer.orders ?? [];
  }

  #cancelAllBody(desk: Desk, nowMs: number): unknown {
    const cancelId = this.#generated();
    const orders = this.#cancelAll(desk, nowMs, cancelId);
    if (desk.spec.id === "usdm")
      return { code: 200, msg: "The operation of cancel all open order is done." };
    if (orders.length === 0) throw refusal("UNKNOWN_ORDER", "spot");
    return orders.map((order) => spotCancelled(order, cancelId));
  }

  #status(desk: Desk, params: ReadonlyMap<string, string>): unknown {
    wantSymbol(desk, params);
    const query = { what: "order", ...this.#key(params) };
    const answer = JSON.parse(desk.core.query(JSON.stringify(query))) as CoreAnswer;
    if (!answer.ok || answer.order === undefined)
      throw new ApiFault(400, -2013, "Order does not exist.");
    return this.#statusBody(desk, answer.order);
  }

  #statusBody(desk: Desk, found: Order): Record<string, unknown> {
    const order = this.#told(found);
    return desk.spec.id === "spot" ? spotStatus(order) : usdmOrder(desk.spec, order);
  }

  /** An order as the venue tells it. */
  #told(order: Order): Order {
    return this.#rejected.has(order.clientOrderId) ? { ...order, status: "REJECTED" } : order;
  }

  #orders(desk: Desk): readonly Order[] {
    return (
      (JSON.parse(desk.core.query(JSON.stringify({ what: "openOrders" }))) as CoreAnswer).orders ??
      []
    );
  }

  #trades(desk: Desk, params: ReadonlyMap<string, string>): unknown {
    const fromId = params.get("fromId");
    const limit = Math.min(limitOf(params, 500), 1_000);
    const orderId = params.get("orderId");
    const query = {
      what: "trades",
      fromId: fromId === undefined ? 0 : integer(fromId, "fromId"),
      limit,
      ...(orderId === undefined ? {} : { orderId: integer(orderId, "orderId") }),
    };
    const answer = JSON.parse(desk.core.query(JSON.stringify(query))) as CoreAnswer;
    return (answer.trades ?? []).map((trade) => tradeBody(desk.spec, trade));
  }

  #countdown(desk: Desk, params: ReadonlyMap<string, string>, nowMs: number): unknown {
    wantSymbol(desk, params);
    const text = params.get("countdownTime");
    if (text === undefined) throw mandatory("countdownTime");
    const countdown = integer(text, "countdownTime");
    if (countdown > COUNTDOWN_MS_MAX) throw illegal("countdownTime");
    desk.countdownMs = countdown === 0 ? null : nowMs + countdown;
    return { symbol: desk.spec.symbol, countdownTime: String(countdown) };
  }

  #listen(
    op: "listenKey.start" | "listenKey.keepAlive" | "listenKey.close",
    nowMs: number,
  ): unknown {
    if (op === "listenKey.start" && this.#listenKey === null) {
      this.#listenKeys += 1;
      this.#listenKey = { key: `sim${nowMs.toString(36)}n${this.#listenKeys}`, expiresMs: 0 };
    }
    if (this.#listenKey === null) throw new ApiFault(400, -1125, "This listenKey does not exist.");
    const { key } = this.#listenKey;
    if (op === "listenKey.close") {
      this.#listenKey = null;
      return {};
    }
    this.#listenKey.expiresMs = nowMs + LISTEN_KEY_LIFE_MS;
    return { listenKey: key };
  }

  #key(params: ReadonlyMap<string, string>): { clientOrderId: string } | { orderId: number } {
    const orderId = params.get("orderId");
    if (orderId !== undefined) return { orderId: integer(orderId, "orderId") };
    const clientOrderId = params.get("origClientOrderId");
    if (clientOrderId === undefined || clientOrderId === "") throw mandatory("origClientOrderId");
    if (!CLIENT_ID.test(clientOrderId)) throw illegal("origClientOrderId");
    return { clientOrderId };
  }

  #generated(): string {
    this.#generatedIds += 1;
    return `venue-${this.#generatedIds}`;
  }

  /** Logs what the core has done, then queues what the user streams have to say. Gives the number of the first line. */
  #commit(market: MarketId, nowMs: number, cancelId: string | null, stampMs?: number): number {
    const desk = this.#desks[market];
    const events = parseEvents(desk.core.drainEvents())
      .filter(({ type }) => type !== "rejected")
      .map((event): CoreEvent => {
        const rejected = event.type === "canceled" && this.#rejected.has(event.order.clientOrderId);
        return rejected ? { ...event, type: "rejected" } : event;
      });
    if (events.length === 0) return this.#log.lines + 1;
    const after = this.balances(market);
    const bodies: LogBody[] = [];
    const places: number[] = [];
    const trades = events.filter(({ trade }) => trade !== null);
    const realisedE8 = BigInt(after.realisedE8 ?? "0");
    const profitE8 = realisedE8 - desk.realisedE8;
    for (const event of events) {
      places.push(bodies.length);
      bodies.push(...logBodies(desk.spec, event, stampMs));
      if (market === "usdm" && event === trades.at(-1) && profitE8 !== 0n) {
        const tradeId = event.trade?.tradeId ?? 0;
        bodies.push({
          k: "post",
          m: market,
          asset: "USDT",
          deltaE8: String(profitE8),
          why: "pnl",
          tradeId,
        });
      }
      if (event.trade?.maker === true && event.order.status === "FILLED")
        desk.rates.onFilled(nowMs);
    }
    const first = this.#log.append(nowMs, bodies, trades.length > 0 ? after : null);
    desk.realisedE8 = realisedE8;
    for (const [at, event] of events.entries()) {
      const execution: Execution = {
        exec: execType(event, market),
        execId: first + (places[at] ?? 0),
        order: this.#told(event.order),
        trade: event.trade,
        cancelId: event.type === "canceled" ? (cancelId ?? this.#generated()) : null,
        realisedE8: event === trades.at(-1) ? profitE8 : 0n,
      };
      const message =
        market === "spot"
          ? executionReport(execution, nowMs)
          : orderTradeUpdate(desk.spec, execution, nowMs);
      this.#outbox.push({ market, event: message });
    }
    if (market === "spot") {
      this.#outbox.push({ market, event: outboundAccountPosition(desk.spec, after, nowMs) });
    } else if (trades.length > 0) {
      this.#outbox.push({ market, event: accountUpdate(desk.spec, after, nowMs) });
    }
    return first;
  }
}

const isOpen = ({ status }: Order): boolean => status === "NEW" || status === "PARTIALLY_FILLED";

/** Whether a request counts in the window of orders: on spot an amend does not. */
function countsAsOrder(market: MarketId, op: Op): boolean {
  return op === "order.place" || (op === "order.amend" && market === "usdm");
}

function countOrder(desk: Desk, nowMs: number): void {
  const waitS = desk.rates.takeOrder(nowMs);
  if (waitS === 0) return;
  const max = desk.spec.ordersPer10sMax;
  const text = `Too many new orders; current limit is ${max} orders per 10 SECOND.`;
  throw new ApiFault(429, -1015, text, waitS);
}

/** The log lines of one event. */
function logBodies(spec: MarketSpec, event: CoreEvent, stampMs?: number): LogBody[] {
  const { order, trade } = event;
  if (event.type === "new") {
    return [{ k: "order", m: spec.id, order, ...(stampMs === undefined ? {} : { stampMs }) }];
  }
  if (event.type === "replaced") return [{ k: "amend", m: spec.id, order }];
  if (trade === null) {
    const { type } = event;
    const how = type === "canceled" || type === "rejected" ? type : "expired";
    return [{ k: "end", m: spec.id, how, order }];
  }
  const post = (asset: string, deltaE8: bigint, why: "trade" | "fee"): LogBody => {
    return { k: "post", m: spec.id, asset, deltaE8: String(deltaE8), why, tradeId: trade.tradeId };
  };
  const bodies: LogBody[] = [{ k: "fill", m: spec.id, trade, order }];
  if (spec.id === "spot") {
    const sign = trade.side === "BUY" ? 1n : -1n;
    bodies.push(
      post(spec.baseAsset, sign * BigInt(trade.qtyLots) * BigInt(spec.baseE8PerLot), "trade"),
      post(spec.quoteAsset, -sign * BigInt(trade.quoteE8), "trade"),
    );
  }
  bodies.push(post(trade.feeAsset, -BigInt(trade.feeE8), "fee"));
  return bodies;
}

function execType(event: CoreEvent, market: MarketId): Execution["exec"] {
  switch (event.type) {
    case "new":
      return "NEW";
    case "trade":
      return "TRADE";
    case "canceled":
      return "CANCELED";
    case "rejected":
      return "REJECTED";
    case "replaced":
      return market === "spot" ? "REPLACED" : "AMENDMENT";
    default:
      return event.order.status === "EXPIRED_IN_MATCH" ? "TRADE_PREVENTION" : "EXPIRED";
  }
}

function wantSymbol(desk: Desk, params: ReadonlyMap<string, string>): void {
  const symbol = params.get("symbol");
  if (symbol === undefined) throw mandatory("symbol");
  if (symbol !== desk.spec.symbol) throw new ApiFault(400, -1121, "Invalid symbol.");
}

function oneOf(value: string, allowed: readonly string[], name: string): string {
  if (allowed.includes(value)) return value;
  const codes: Readonly<Record<string, [number, string]>> = {
    side: [-1117, "Invalid side."],
    type: [-1116, "Invalid orderType."],
    timeInForce: [-1115, "Invalid timeInForce."],
  };
  const [code, text] = codes[name] ?? [-1100, `Illegal characters found in parameter '${name}'.`];
  throw new ApiFault(400, code, text);
}

function integer(text: string, name: string): number {
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value)) throw illegal(name);
  return value;
}

function limitOf(params: ReadonlyMap<string, string>, otherwise: number): number {
  const text = params.get("limit");
  return text === undefined ? otherwise : integer(text, "limit");
}
