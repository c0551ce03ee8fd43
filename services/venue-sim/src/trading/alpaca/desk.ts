/** The venue's desk: requests in, answers and trade updates out, the log written between. Sockets are elsewhere. */

import type { SimMarket } from "@tidegate/rust-core";
import {
  type Balances,
  type CoreEvent,
  type Order,
  parseEvents,
  type SimMarketFactory,
  type Trade,
} from "../../core.ts";
import { parseScaled, scaledText } from "../../decimal.ts";
import type { LogBody, LogLine, VenueLog } from "../../log.ts";
import { ALPACA_SCALES, bookSpec, coreConfig } from "../../markets.ts";
import { restoredState } from "../../restore.ts";
import type { OrderBoard } from "../switches.ts";
import { unplacedOrder } from "../unplaced.ts";
import {
  ASSETS,
  type Asset,
  assetBody,
  bookOf,
  COIN_COST_MIN_E8,
  coreSpec,
  findAsset,
  uuidOf,
} from "./assets.ts";
import {
  type ApiFault,
  dayTrader,
  forbidden,
  invalid,
  notFound,
  refusal,
  unprocessable,
} from "./faults.ts";
import { Holdings } from "./holdings.ts";
import { dayBody, Hours, newYorkDate, tradingDays } from "./hours.ts";
import {
  ACTIVITIES_PAGE_MAX,
  FILLS_KEPT_MAX,
  ORDERS_KEPT_MAX,
  ORDERS_LISTED_MAX,
} from "./limits.ts";
import {
  accountBody,
  activityBody,
  buyingPowerE8,
  dollars,
  e8Trimmed,
  type FillRecord,
  freeCashE8,
  type HeldOrder,
  isOpen,
  lotsText,
  type Money,
  orderBody,
  positionBody,
  type Update,
  updateBody,
  worthE8,
} from "./messages.ts";
import { type Body, readBody, readOrder, readReplacement, type Wanted } from "./request.ts";
import type { Op } from "./routes.ts";
import { Street, type WrittenBook } from "./street.ts";

const { pxScale, qtyScale, baseE8PerLot } = ALPACA_SCALES;
const LOT_E8 = BigInt(baseE8PerLot);
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface ApiRequest {
  readonly op: Op;
  readonly id: string;
  readonly query: URLSearchParams;
  readonly body: string;
}
export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface DeskOptions {
  readonly log: VenueLog;
  readonly newMarket: SimMarketFactory;
  readonly board: OrderBoard;
  readonly seed: number;
  /** Dollars the account begins with, 1e-8. */
  readonly cashE8: bigint;
  readonly openOrdersMax: number;
  /** Whether the market is open at any hour. */
  readonly alwaysOpen: boolean;
  readonly nowMs: number;
}

interface CoreAnswer {
  readonly ok: boolean;
  readonly reason?: string;
}

/** What the log keeps of an order beside what the core knows. */
interface Wire {
  readonly n: number;
  readonly id: string;
  readonly type: HeldOrder["type"];
  readonly tif: HeldOrder["tif"];
  readonly notional: string | null;
  readonly limitPrice: string | null;
  readonly stopPrice: string | null;
  readonly extendedHours: boolean;
  readonly intent: string;
  readonly replaces: string | null;
}

interface Later {
  readonly dueMs: number;
  readonly act: (nowMs: number) => void;
}

export class Desk {
  readonly #options: DeskOptions;
  readonly #cores = new Map<string, SimMarket>();
  readonly #streets = new Map<string, Street>();
  readonly #holdings: Holdings;
  readonly #hours: Hours;
  /** By number; as many as `ORDERS_KEPT_MAX`. */
  readonly #orders = new Map<number, HeldOrder>();
  readonly #byId = new Map<string, HeldOrder>();
  readonly #byClientId = new Map<string, HeldOrder>();
  readonly #fills: FillRecord[] = [];
  readonly #updates: Update[] = [];
  readonly #later: Later[] = [];
  readonly #configurations: Record<string, unknown> = {
    dtbp_check: "entry",
    fractional_trading: true,
    max_margin_multiplier: "2",
    no_shorting: false,
    pdt_check: "entry",
    ptp_no_exception_entry: false,
    suspend_trade: false,
    trade_confirm_email: "all",
  };
  #next = 1;
  #executions: number;
  #haltedUntilMs: number | null = null;
  #open = false;
  /** Open and not halted. */
  #trading = false;
  /** The order that takes the place of the one being cancelled. */
  #replacing: { readonly old: HeldOrder; readonly fresh: HeldOrder } | null = null;

  constructor(options: DeskOptions) {
    this.#options = options;
    const { log, newMarket, openOrdersMax, seed, nowMs } = options;
    this.#holdings = new Holdings(options.cashE8);
    this.#hours = new Hours(options.alwaysOpen);
    this.#executions = log.lines;
    this.#restore(log.restored);
    for (const asset of ASSETS) {
      const spec = coreSpec(asset);
      const core = newMarket(coreConfig(spec, openOrdersMax));
      this.#cores.set(asset.symbol, core);
      this.#streets.set(asset.symbol, new Street(asset, core, seed, nowMs));
      const state = restoredState(log.restored, bookOf(asset), spec, (id) =>
        String(this.#byClientId.get(id)?.n ?? id),
      );
      // Only after the book: what the market does while the venue is away does not meet the orders.
      if (state !== null) core.restore(state);
      core.drainEvents();
    }
    this.#control({ op: "halt" });
    // A venue that starts within the hours has not opened just now.
    this.#open = this.#hours.open(nowMs);
    this.#turnHours(nowMs);
  }

  // What the log says, as the desk's own state.
  #restore(lines: readonly LogLine[]): void {
    for (const line of lines) {
      if (line.k === "post" || !line.m.startsWith("alpaca:")) continue;
      if (line.k === "order") {
        this.#resume(line.order, line.wire as unknown as Wire, line.ts);
        continue;
      }
      const order = this.#byClientId.get(line.order.clientOrderId);
      if (order === undefined) continue;
      if (line.order.orderId !== 0) order.coreId = line.order.orderId;
      order.updatedMs = line.ts;
      if (line.k === "fill") this.#filled(order, line.trade, line.order);
      if (line.k === "bust") this.#busted(order, line.trade, line.order);
      if (line.k === "end") this.#ended(order, line.how, line.ts);
    }
  }

  #resume(order: Order, wire: Wire, ts: number): void {
    const asset = findAsset(order.symbol);
    if (asset === null) return;
    this.#next = Math.max(this.#next, wire.n + 1);
    this.#keep({
      ...wire,
      clientOrderId: order.clientOrderId,
      asset,
      side: order.side === "BUY" ? "buy" : "sell",
      qtyLots: BigInt(order.qtyLots),
      createdMs: ts,
      coreId: order.orderId,
      status: order.orderId === 0 ? "accepted" : "new",
      filledLots: 0n,
      quoteE8: 0n,
      updatedMs: ts,
      ...UNTOUCHED,
    });
    const old = wire.replaces === null ? undefined : this.#byId.get(wire.replaces);
    if (old !== undefined) [old.replacedBy, old.replacedMs] = [wire.id, ts];
  }

  #keep(order: HeldOrder): void {
    this.#orders.set(order.n, order);
    this.#byId.set(order.id, order);
    this.#byClientId.set(order.clientOrderId, order);
    if (this.#orders.size <= ORDERS_KEPT_MAX) return;
    for (const oldest of this.#orders.values()) {
      if (isOpen(oldest)) continue;
      this.#forget(oldest);
      return;
    }
  }

  #forget(order: HeldOrder): void {
    this.#orders.delete(order.n);
    this.#byId.delete(order.id);
    if (this.#byClientId.get(order.clientOrderId) === order) {
      this.#byClientId.delete(order.clientOrderId);
    }
  }

  #core(asset: Asset): SimMarket {
    const core = this.#cores.get(asset.symbol);
    if (core === undefined) throw new Error(`no core of ${asset.symbol}`);
    return core;
  }

  #street(asset: Asset): Street {
    const street = this.#streets.get(asset.symbol);
    if (street === undefined) throw new Error(`no street of ${asset.symbol}`);
    return street;
  }

  /** Trade updates since the last call, in order. */
  takeUpdates(): Record<string, unknown>[] {
    return this.#updates.splice(0).map(updateBody);
  }

  stats(): Record<string, unknown> {
    const cores = [...this.#cores.values()].map(
      (core) => JSON.parse(core.stats()) as Record<string, unknown>,
    );
    const sum = (key: string) => cores.reduce((total, stats) => total + Number(stats[key] ?? 0), 0);
    return {
      orders: this.#orders.size,
      open: [...this.#orders.values()].filter(isOpen).length,
      fills: sum("fills"),
      sameLiquidityFilledTwice: sum("sameLiquidityFilledTwice"),
      cashE8: String(this.#holdings.cashE8),
    };
  }

  /** Timers of the venue: markets, hours, what was put off. */
  tick(monoMs: number, nowMs: number): void {
    for (const asset of ASSETS) {
      if (this.#street(asset).turn(monoMs, nowMs)) this.#commit(asset, nowMs);
    }
    for (let at = 0; at < this.#later.length; ) {
      const later = this.#later[at];
      if (later === undefined || later.dueMs > nowMs) at += 1;
      else {
        this.#later.splice(at, 1);
        later.act(nowMs);
      }
    }
    this.#turnHours(nowMs);
  }

  #turnHours(nowMs: number): void {
    if (this.#haltedUntilMs !== null && nowMs >= this.#haltedUntilMs) this.#haltedUntilMs = null;
    const open = this.#hours.open(nowMs);
    if (this.#open && !open) this.#endDay(nowMs);
    const opens = open && !this.#open;
    this.#open = open;
    const trading = open && this.#haltedUntilMs === null;
    if (trading === this.#trading) return;
    this.#trading = trading;
    this.#control({ op: trading ? "resume" : "halt" });
    if (!trading) return;
    this.#placeHeld(nowMs, ({ tif }) => (tif === "opg" ? opens : tif !== "cls"));
  }

  /** The close: orders for it trade as far as they go, orders of the day end. */
  #endDay(nowMs: number): void {
    this.#placeHeld(nowMs, ({ tif }) => tif === "cls");
    this.#control({ op: "endDay", timeMs: nowMs });
    for (const asset of ASSETS) this.#commit(asset, nowMs);
  }

  /** The same to every core of a stock; coins trade on. */
  #control(command: Readonly<Record<string, unknown>>): void {
    for (const asset of ASSETS) {
      if (!asset.crypto) this.#core(asset).control(JSON.stringify(command));
    }
  }

  #placeHeld(nowMs: number, which: (order: HeldOrder) => boolean): void {
    for (const order of [...this.#orders.values()]) {
      if (order.coreId !== 0 || order.status !== "accepted" || !which(order)) continue;
      const reason = this.#give(order, nowMs);
      if (reason !== null) this.#reject(order, nowMs);
    }
  }

  /** Takes the newest fill back. False where there is none. */
  bust(nowMs: number): boolean {
    const newest = this.#fills.at(-1);
    if (newest === undefined) return false;
    const { asset } = newest.order;
    const command = { op: "bust", tradeId: newest.tradeId, timeMs: nowMs };
    const answer = JSON.parse(this.#core(asset).control(JSON.stringify(command))) as CoreAnswer;
    this.#commit(asset, nowMs);
    return answer.ok;
  }

  /** Errors  a symbol the venue does not list */
  transfer(symbol: string, qtyE8: bigint, cashE8: bigint): void {
    this.#holdings.move(this.#asset(symbol).symbol, qtyE8, cashE8);
  }

  /** Stops trading of all stocks for so long. */
  halt(ms: number, nowMs: number): void {
    this.#haltedUntilMs = nowMs + ms;
    this.#turnHours(nowMs);
  }

  /** Ends the trading day; the next begins so much later. */
  roll(ms: number, nowMs: number): void {
    this.#hours.closeUntil(nowMs + ms);
    this.#turnHours(nowMs);
  }

  /** Writes the book of a symbol by hand, or a trade of others in it. Throws ApiFault on an unknown symbol. */
  write(symbol: string, book: WrittenBook, nowMs: number): void {
    const asset = this.#asset(symbol);
    this.#street(asset).write(book, nowMs);
    this.#commit(asset, nowMs);
  }

  print(symbol: string, px: string, qty: string, aggressor: "BUY" | "SELL", nowMs: number): void {
    const asset = this.#asset(symbol);
    this.#street(asset).trade(px, qty, aggressor, nowMs);
    this.#commit(asset, nowMs);
  }

  #asset(text: string): Asset {
    const asset = findAsset(text);
    if (asset === null) throw notFound(`asset not found for ${text}`);
    return asset;
  }

  /**
   * Answers one request.
   *
   * Errors  ApiFault with the venue's status, code and words
   */
  call(request: ApiRequest, nowMs: number): ApiAnswer {
    const { op, id, query } = request;
    const ok = (body: unknown): ApiAnswer => ({ status: 200, body });
    switch (op) {
      case "account":
        return ok(accountBody(this.#money(), this.#configurations, this.#options.nowMs));
      case "configurations":
        return ok(this.#configurations);
      case "configurations.change":
        return ok(this.#configure(readBody(request.body)));
      case "activities":
        return ok(this.#activities(id, query));
      case "order.place":
        return ok(this.#place(readOrder(readBody(request.body)), nowMs));
      case "order.list":
        return ok(this.#list(query).map(orderBody));
      case "order.get":
        return ok(orderBody(this.#find(id)));
      case "order.byClientId":
        return ok(orderBody(this.#findByClientId(query.get("client_order_id"))));
      case "order.replace":
        return ok(this.#replace(this.#find(id), readBody(request.body), nowMs));
      case "order.cancel":
        this.#cancel(this.#find(id), nowMs);
        return { status: 204, body: null };
      case "order.cancelAll":
        return { status: 207, body: this.#cancelAll(nowMs) };
      case "position.list":
        return ok(this.#holdings.all().map(([symbol]) => this.#position(this.#asset(symbol))));
      case "position.get":
        return ok(this.#position(this.#asset(id)));
      case "position.close":
        return ok(this.#close(this.#asset(id), query, nowMs));
      case "position.closeAll":
        return { status: 207, body: this.#closeAll(query, nowMs) };
      case "asset.list":
        return ok(this.#assets(query));
      case "asset.get":
        return ok(assetBody(this.#asset(id)));
      case "clock":
        return ok(this.#hours.clockBody(nowMs));
      case "calendar":
        return ok(this.#calendar(query, nowMs));
    }
  }

  // Reading.

  #price(asset: Asset): bigint {
    return this.#street(asset).lastTicks * 1_000_000n;
  }

  #money(): Money {
    let [longE8, shortE8] = [0n, 0n];
    for (const [symbol, holding] of this.#holdings.all()) {
      const worth = worthE8(holding, this.#price(this.#asset(symbol)));
      if (worth > 0n) longE8 += worth;
      else shortE8 += worth;
    }
    let heldE8 = 0n;
    for (const order of this.#orders.values()) heldE8 += this.#holds(order);
    const { cashE8: startE8 } = this.#options;
    return { cashE8: this.#holdings.cashE8, longE8, shortE8, heldE8, startE8 };
  }

  /** Ticks an order is valued at: its own price, or where the market would take it. */
  #valuedAt(wanted: Pick<Wanted, "asset" | "side" | "limitPrice" | "stopPrice">): bigint {
    const own = wanted.limitPrice ?? wanted.stopPrice;
    if (own !== null) return parseScaled(own, pxScale) ?? 0n;
    const street = this.#street(wanted.asset);
    const { bid, ask } = street.touch();
    return (wanted.side === "buy" ? ask : bid) ?? street.lastTicks;
  }

  /** Dollars an open order holds, 1e-8: nothing where it reduces a position. */
  #holds(order: HeldOrder): bigint {
    if (!isOpen(order)) return 0n;
    const { qtyE8 } = this.#holdings.of(order.asset.symbol);
    const reduces = order.side === "buy" ? qtyE8 < 0n : qtyE8 > 0n;
    return reduces ? 0n : (order.qtyLots - order.filledLots) * this.#valuedAt(order);
  }

  /** Quantity that open orders of one side want, 1e-8. */
  #wantedE8(asset: Asset, side: "buy" | "sell", but: HeldOrder | null): bigint {
    let total = 0n;
    for (const order of this.#orders.values()) {
      if (order.asset !== asset || order.side !== side || !isOpen(order) || order === but) continue;
      total += (order.qtyLots - order.filledLots) * LOT_E8;
    }
    return total;
  }

  #find(id: string): HeldOrder {
    if (!UUID.test(id)) throw invalid(`invalid order id: ${id}`);
    const order = this.#byId.get(id);
    if (order === undefined) throw notFound(`order not found for ${id}`);
    return order;
  }

  #findByClientId(id: string | null): HeldOrder {
    if (id === null || id === "") throw invalid("client_order_id is required");
    const order = this.#byClientId.get(id);
    if (order === undefined) throw notFound(`order not found for ${id}`);
    return order;
  }

  #list(query: URLSearchParams): HeldOrder[] {
    const status = query.get("status") ?? "open";
    if (!["open", "closed", "all"].includes(status)) throw invalid(`invalid status: ${status}`);
    const limit = integer(query, "limit", 50, ORDERS_LISTED_MAX);
    const symbols = query.get("symbols")?.split(",").map(findAsset);
    const side = query.get("side");
    const [after, until] = [instant(query, "after"), instant(query, "until")];
    const fits = (order: HeldOrder): boolean =>
      (status === "all" || isOpen(order) === (status === "open")) &&
      (symbols === undefined || symbols.includes(order.asset)) &&
      (side === null || side === order.side) &&
      (after === null || order.createdMs > after) &&
      (until === null || order.createdMs < until);
    const listed = [...this.#orders.values()].filter(fits);
    if (query.get("direction") !== "asc") listed.reverse();
    return listed.slice(0, limit);
  }

  #activities(type: string, query: URLSearchParams): Record<string, unknown>[] {
    const types = type === "" ? (query.get("activity_types") ?? "FILL").split(",") : [type];
    if (!types.includes("FILL")) return [];
    const size = integer(query, "page_size", ACTIVITIES_PAGE_MAX, ACTIVITIES_PAGE_MAX);
    const [after, until] = [instant(query, "after"), instant(query, "until")];
    let listed = this.#fills.filter(
      ({ atMs }) => (after === null || atMs > after) && (until === null || atMs < until),
    );
    if (query.get("direction") !== "asc") listed = listed.toReversed();
    const bodies = listed.map(activityBody);
    const token = query.get("page_token");
    // The token is the last entry of the page before.
    const from = token === null ? 0 : bodies.findIndex(({ id }) => id === token) + 1;
    if (token !== null && from === 0) throw unprocessable(`invalid page_token: ${token}`);
    return bodies.slice(from, from + size);
  }

  #position(asset: Asset): Record<string, unknown> {
    const holding = this.#holdings.of(asset.symbol);
    if (holding.qtyE8 === 0n) throw notFound("position does not exist");
    const heldE8 = this.#wantedE8(asset, holding.qtyE8 > 0n ? "sell" : "buy", null);
    return positionBody(asset, holding, this.#price(asset), heldE8);
  }

  #assets(query: URLSearchParams): Record<string, unknown>[] {
    const [status, kind] = [query.get("status"), query.get("asset_class")];
    const bodies = ASSETS.map(assetBody);
    return bodies.filter(
      (body) =>
        (status === null || body["status"] === status) && (kind ?? "us_equity") === body["class"],
    );
  }

  #calendar(query: URLSearchParams, nowMs: number): Record<string, unknown>[] {
    const today = newYorkDate(nowMs);
    const from = query.get("start")?.slice(0, 10) ?? `${today.slice(0, 4)}-01-01`;
    const to = query.get("end")?.slice(0, 10) ?? `${today.slice(0, 4)}-12-31`;
    if (Number.isNaN(Date.parse(from)) || Number.isNaN(Date.parse(to))) {
      throw unprocessable("invalid date range");
    }
    return tradingDays(from, to).map(dayBody);
  }

  #configure(body: Body): Record<string, unknown> {
    for (const [name, value] of Object.entries(body)) {
      if (!Object.hasOwn(this.#configurations, name) || value === null) continue;
      if (typeof value !== typeof this.#configurations[name]) throw invalid(`invalid ${name}`);
      this.#configurations[name] = value;
    }
    return this.#configurations;
  }

  // Orders.

  #place(wanted: Wanted, nowMs: number): Record<string, unknown> {
    const { board } = this.#options;
    const { clientOrderId } = wanted;
    if (clientOrderId !== null && this.#byClientId.has(clientOrderId)) {
      throw invalid("client_order_id must be unique");
    }
    if (board.take("pattern_day_trader") !== null) throw dayTrader();
    const order = this.#checked(wanted, null, nowMs);
    if (board.take("reject_after_ack") !== null) {
      order.status = "pending_new";
      const body = orderBody(order);
      this.#keep(order);
      this.#accept([order], nowMs);
      this.#reject(order, nowMs);
      return body;
    }
    return this.#take(order, nowMs);
  }

  /** Takes an order that has passed its checks; the answer is how it stood before it met the market. */
  #take(order: HeldOrder, nowMs: number): Record<string, unknown> {
    this.#keep(order);
    if (this.#waits(order)) {
      this.#accept([order], nowMs);
      return orderBody(order);
    }
    order.status = "pending_new";
    const body = orderBody(order);
    const reason = this.#give(order, nowMs);
    if (reason !== null) {
      this.#forget(order);
      throw refusal(reason);
    }
    return body;
  }

  /** Whether the order has to wait for the market to open, for an auction, or for a halt to end. */
  #waits({ asset, tif }: HeldOrder): boolean {
    return !asset.crypto && (!this.#trading || tif === "opg" || tif === "cls");
  }

  /** An order as it would be, or the fault of the first rule of the account it breaks. */
  #checked(wanted: Wanted, replaces: HeldOrder | null, nowMs: number): HeldOrder {
    if (this.#configurations["suspend_trade"] === true) {
      throw forbidden("new orders are rejected by user request");
    }
    const { asset, side, stopPrice } = wanted;
    const ticks = this.#valuedAt(wanted);
    const qtyLots = wanted.qtyLots ?? lotsFor(wanted.notional ?? "0", ticks);
    if (qtyLots <= 0n) throw unprocessable("order value is too small");
    if (stopPrice !== null) {
      const stop = parseScaled(stopPrice, pxScale) ?? 0n;
      const last = this.#street(asset).lastTicks;
      if (side === "buy" ? stop <= last : stop >= last) {
        const where = side === "buy" ? "greater" : "less";
        throw unprocessable(`stop price must be ${where} than current market price`);
      }
    }
    this.#checkWash(wanted, replaces);
    const { qtyE8 } = this.#holdings.of(asset.symbol);
    const reduces = side === "buy" ? qtyE8 < 0n : qtyE8 > 0n;
    if (asset.crypto) this.#checkCoin(wanted, qtyLots, ticks, replaces);
    else if (reduces) this.#checkQuantity(wanted, qtyLots, replaces);
    else this.#checkPower(wanted, qtyLots, ticks, replaces);
    const n = this.#next;
    this.#next += 1;
    const id = uuidOf("order", n);
    const opens = reduces ? "close" : "open";
    return {
      n,
      id,
      clientOrderId: wanted.clientOrderId ?? uuidOf("client", n),
      asset,
      side,
      type: wanted.type,
      tif: wanted.tif,
      qtyLots,
      notional: wanted.notional,
      limitPrice: wanted.limitPrice,
      stopPrice,
      extendedHours: wanted.extendedHours,
      intent: `${side}_to_${opens}`,
      createdMs: nowMs,
      replaces: replaces?.id ?? null,
      coreId: 0,
      status: "accepted",
      filledLots: 0n,
      quoteE8: 0n,
      updatedMs: nowMs,
      ...UNTOUCHED,
    };
  }

  /** An order that could meet one of the same account. */
  #checkWash(wanted: Wanted, replaces: HeldOrder | null): void {
    const priced = (of: {
      readonly limitPrice: string | null;
      readonly stopPrice: string | null;
    }) =>
      of.limitPrice !== null && of.stopPrice === null ? parseScaled(of.limitPrice, pxScale) : null;
    const mine = priced(wanted);
    for (const other of this.#orders.values()) {
      if (other.asset !== wanted.asset || other.side === wanted.side) continue;
      if (!isOpen(other) || other === replaces) continue;
      const theirs = priced(other);
      const apart =
        mine !== null && theirs !== null && (wanted.side === "buy" ? mine < theirs : mine > theirs);
      if (apart) continue;
      throw forbidden("potential wash trade detected. use complex orders", {
        existing_order_id: other.id,
        reject_reason: `opposite side ${theirs === null ? "market/stop" : "limit"} order exists`,
      });
    }
  }

  /** An order that reduces a position takes of it no more than other orders have left. */
  #checkQuantity(wanted: Wanted, qtyLots: bigint, replaces: HeldOrder | null): void {
    const { symbol } = wanted.asset;
    const { qtyE8 } = this.#holdings.of(symbol);
    const existing = qtyE8 < 0n ? -qtyE8 : qtyE8;
    const held = this.#wantedE8(wanted.asset, wanted.side, replaces);
    const available = existing > held ? existing - held : 0n;
    if (qtyLots * LOT_E8 <= available) return;
    const asked = lotsText(qtyLots);
    throw forbidden(
      `insufficient qty available for order (requested: ${asked}, available: ${e8Trimmed(available)})`,
      {
        available: e8Trimmed(available),
        existing_qty: e8Trimmed(existing),
        held_for_orders: e8Trimmed(held),
        symbol,
      },
    );
  }

  /** An order that opens or adds to a position of a stock. */
  #checkPower(wanted: Wanted, qtyLots: bigint, ticks: bigint, replaces: HeldOrder | null): void {
    const { asset, side } = wanted;
    if (side === "sell") {
      if (this.#configurations["no_shorting"] === true) {
        throw forbidden("account is not allowed to short");
      }
      if (!asset.shortable) throw forbidden(`asset "${asset.symbol}" cannot be sold short`);
      if (qtyLots % 10n ** BigInt(qtyScale) !== 0n) {
        throw unprocessable("fractional orders cannot be sold short");
      }
    }
    const cost = qtyLots * ticks;
    const power = buyingPowerE8(this.#money()) + (replaces === null ? 0n : this.#holds(replaces));
    if (cost <= power) return;
    throw forbidden("insufficient buying power", {
      buying_power: dollars(power),
      cost_basis: dollars(cost),
    });
  }

  /** Coins are paid in full with what is there. */
  #checkCoin(wanted: Wanted, qtyLots: bigint, ticks: bigint, replaces: HeldOrder | null): void {
    const { asset, side } = wanted;
    const cost = qtyLots * ticks;
    if (side === "buy" && cost < COIN_COST_MIN_E8) {
      throw forbidden("cost basis must be >= minimal amount of order 10");
    }
    const { baseAsset, quoteAsset } = bookSpec(bookOf(asset));
    const { qtyE8 } = this.#holdings.of(asset.symbol);
    const own = replaces === null ? 0n : this.#holds(replaces);
    const [unit, asked, available, balance] =
      side === "buy"
        ? [quoteAsset, cost, freeCashE8(this.#money()) + own, this.#holdings.cashE8]
        : [baseAsset, qtyLots * LOT_E8, qtyE8 - this.#wantedE8(asset, "sell", replaces), qtyE8];
    if (asked <= available) return;
    const left = e8Trimmed(available > 0n ? available : 0n);
    throw forbidden(
      `insufficient balance for ${unit} (requested: ${e8Trimmed(asked)}, available: ${left})`,
      { available: left, balance: e8Trimmed(balance), symbol: unit },
    );
  }

  /** Gives an order to its core; the reason where the core refuses it. */
  #give(order: HeldOrder, nowMs: number): string | null {
    const { asset, type, tif, limitPrice, stopPrice } = order;
    const core = this.#core(asset);
    const market = type === "market" || type === "stop";
    const stop = stopPrice === null ? {} : { stopPrice };
    const request = {
      clientOrderId: String(order.n),
      side: order.side.toUpperCase(),
      type: coreType(type, asset.crypto),
      // What is for an auction alone trades as far as it goes, then ends.
      timeInForce: tif === "opg" || tif === "cls" ? "IOC" : tif.toUpperCase(),
      ...(market ? {} : { price: limitPrice }),
      ...stop,
      quantity: scaledText(order.qtyLots, qtyScale),
      timeMs: nowMs,
    };
    const answer = JSON.parse(core.place(JSON.stringify(request))) as CoreAnswer;
    this.#commit(asset, nowMs);
    return answer.ok ? null : (answer.reason ?? "MALFORMED");
  }

  /** Writes orders down that the core is not given yet. */
  #accept(orders: readonly HeldOrder[], nowMs: number): void {
    const bodies = orders.map((order): LogBody => this.#orderLine(order, unplaced(order)));
    this.#options.log.append(nowMs, bodies, null);
  }

  #orderLine(order: HeldOrder, core: Order): LogBody {
    const { n, id, type, tif, notional, limitPrice, stopPrice } = order;
    const { extendedHours, intent, replaces } = order;
    const own = { n, id, type, tif, notional, limitPrice, stopPrice };
    const wire: Wire = { ...own, extendedHours, intent, replaces };
    return { k: "order", m: bookOf(order.asset), order: core, wire: { ...wire } };
  }

  /** Ends an accepted order that the market will not have. */
  #reject(order: HeldOrder, nowMs: number): void {
    const m = bookOf(order.asset);
    this.#options.log.append(
      nowMs,
      [{ k: "end", m, how: "rejected", order: unplaced(order) }],
      null,
    );
    this.#ended(order, "rejected", nowMs);
    this.#tell("rejected", order, nowMs);
  }

  #cancel(order: HeldOrder, nowMs: number): void {
    if (!isOpen(order)) throw unprocessable(`order is already in "${order.status}" state`);
    if (order.status === "pending_cancel") throw unprocessable("order pending cancel");
    const { board } = this.#options;
    if (board.take("cancel_rejected") !== null) {
      const before = order.status;
      this.#pending(order, "pending_cancel", nowMs);
      order.status = before;
      this.#tell("order_cancel_rejected", order, nowMs);
      return;
    }
    const slow = board.take("pending_cancel");
    if (slow === null) {
      this.#cancelNow(order, nowMs);
      return;
    }
    this.#pending(order, "pending_cancel", nowMs);
    this.#later.push({
      dueMs: nowMs + board.ms("pending_cancel", slow),
      act: (dueMs) => {
        if (isOpen(order)) this.#cancelNow(order, dueMs);
        else this.#tell("order_cancel_rejected", order, dueMs);
      },
    });
  }

  #pending(order: HeldOrder, status: "pending_cancel" | "pending_replace", nowMs: number): void {
    order.status = status;
    order.updatedMs = nowMs;
    this.#tell(status, order, nowMs);
  }

  #cancelNow(order: HeldOrder, nowMs: number): void {
    if (order.coreId === 0) {
      this.#endUnplaced(order, "canceled", [], nowMs);
      this.#tell("canceled", order, nowMs);
      return;
    }
    const core = this.#core(order.asset);
    core.cancel(JSON.stringify({ orderId: order.coreId, timeMs: nowMs }));
    this.#commit(order.asset, nowMs);
  }

  #endUnplaced(
    order: HeldOrder,
    how: "canceled" | "replaced",
    beside: readonly LogBody[],
    nowMs: number,
  ): void {
    const m = bookOf(order.asset);
    const end: LogBody = { k: "end", m, how, order: unplaced(order) };
    this.#options.log.append(nowMs, [end, ...beside], null);
    this.#ended(order, how, nowMs);
  }

  #cancelAll(nowMs: number): Record<string, unknown>[] {
    const open = [...this.#orders.values()].filter(
      (order) => isOpen(order) && order.status !== "pending_cancel",
    );
    return open.map((order) => {
      this.#cancel(order, nowMs);
      return { id: order.id, status: 200, body: orderBody(order) };
    });
  }

  #replace(old: HeldOrder, body: Body, nowMs: number): Record<string, unknown> {
    if (!isOpen(old) || old.status.startsWith("pending_")) {
      throw unprocessable(`cannot replace order in ${old.status} status`);
    }
    if (old.notional !== null) throw unprocessable("notional orders cannot be replaced");
    const wanted = readReplacement(body, old);
    const { clientOrderId } = wanted;
    if (clientOrderId !== null && this.#byClientId.has(clientOrderId)) {
      throw invalid("client_order_id must be unique");
    }
    const fresh = this.#checked(wanted, old, nowMs);
    const { board } = this.#options;
    if (board.take("replace_rejected") !== null) {
      const before = old.status;
      this.#pending(old, "pending_replace", nowMs);
      old.status = before;
      this.#keep(fresh);
      const answer = orderBody(fresh);
      this.#accept([fresh], nowMs);
      this.#reject(fresh, nowMs);
      this.#tell("order_replace_rejected", old, nowMs);
      return answer;
    }
    this.#keep(fresh);
    const answer = orderBody(fresh);
    const slow = board.take("pending_replace");
    if (slow === null) {
      this.#replaceNow(old, fresh, nowMs);
      return answer;
    }
    this.#pending(old, "pending_replace", nowMs);
    this.#later.push({
      dueMs: nowMs + board.ms("pending_replace", slow),
      act: (dueMs) => {
        if (isOpen(old)) {
          this.#replaceNow(old, fresh, dueMs);
          return;
        }
        // What was to be replaced has filled: the new order never comes to be.
        this.#accept([fresh], dueMs);
        this.#reject(fresh, dueMs);
        this.#tell("order_replace_rejected", old, dueMs);
      },
    });
    return answer;
  }

  #replaceNow(old: HeldOrder, fresh: HeldOrder, nowMs: number): void {
    [old.replacedBy, old.replacedMs] = [fresh.id, nowMs];
    if (old.coreId === 0) {
      this.#endUnplaced(old, "replaced", [this.#orderLine(fresh, unplaced(fresh))], nowMs);
      this.#tell("replaced", old, nowMs);
      return;
    }
    this.#replacing = { old, fresh };
    this.#core(old.asset).cancel(JSON.stringify({ orderId: old.coreId, timeMs: nowMs }));
    if (this.#waits(fresh)) {
      this.#commit(old.asset, nowMs);
      this.#replacing = null;
      this.#accept([fresh], nowMs);
      return;
    }
    // One decision of the log holds the end of the one and the birth of the other.
    fresh.status = "pending_new";
    const reason = this.#give(fresh, nowMs);
    this.#replacing = null;
    if (reason === null) return;
    this.#accept([fresh], nowMs);
    this.#reject(fresh, nowMs);
  }

  #close(asset: Asset, query: URLSearchParams, nowMs: number): Record<string, unknown> {
    const { qtyE8 } = this.#holdings.of(asset.symbol);
    if (qtyE8 === 0n) throw notFound("position does not exist");
    const whole = (qtyE8 < 0n ? -qtyE8 : qtyE8) / LOT_E8;
    const [qty, percentage] = [query.get("qty"), query.get("percentage")];
    if (qty !== null && percentage !== null) {
      throw invalid("only one of qty or percentage is accepted");
    }
    const part = percentage === null ? null : parseScaled(percentage, 9);
    if (percentage !== null && (part === null || part <= 0n || part > 100_000_000_000n)) {
      throw invalid("percentage must be between 0 and 100");
    }
    const lots =
      qty !== null
        ? parseScaled(qty, qtyScale)
        : (whole * (part ?? 100_000_000_000n)) / 100_000_000_000n;
    if (lots === null || lots <= 0n) throw invalid("qty must be > 0");
    const wanted: Wanted = {
      asset,
      side: qtyE8 > 0n ? "sell" : "buy",
      type: "market",
      tif: asset.crypto ? "gtc" : "day",
      qtyLots: lots,
      notional: null,
      limitPrice: null,
      stopPrice: null,
      extendedHours: false,
      clientOrderId: null,
    };
    return this.#take(this.#checked(wanted, null, nowMs), nowMs);
  }

  #closeAll(query: URLSearchParams, nowMs: number): Record<string, unknown>[] {
    if (query.get("cancel_orders") === "true") this.#cancelAll(nowMs);
    return this.#holdings.all().map(([symbol]) => {
      try {
        const body = this.#close(this.#asset(symbol), new URLSearchParams(), nowMs);
        return { symbol, status: 200, body };
      } catch (error) {
        const { status, code, message, extras } = error as ApiFault;
        if (status === undefined) throw error;
        return { symbol, status, body: { code, message, ...extras } };
      }
    });
  }

  // What the core has done.

  /** Logs what the core has done, then follows it and queues what the stream has to say. */
  #commit(asset: Asset, nowMs: number): void {
    const core = this.#core(asset);
    const events = parseEvents(core.drainEvents()).filter(({ type }) => type !== "rejected");
    if (events.length === 0) return;
    const bodies: LogBody[] = [];
    const steps: (() => void)[] = [];
    for (const event of events) {
      const order = this.#orders.get(Number(event.order.clientOrderId));
      if (order === undefined) throw new Error(`the core knows order ${event.order.clientOrderId}`);
      bodies.push(...this.#lines(order, event));
      steps.push(() => this.#follow(order, event, nowMs));
    }
    const trades = events.some(({ trade }) => trade !== null);
    const ledger = trades ? (JSON.parse(core.balances()) as Balances) : null;
    this.#options.log.append(nowMs, bodies, ledger);
    for (const step of steps) step();
  }

  /** How an end of the core reads here: what did not fill at once is cancelled, what the day ended has expired. */
  #how(order: HeldOrder, event: CoreEvent): "canceled" | "expired" | "replaced" {
    if (this.#replacing?.old === order) return "replaced";
    return event.type === "expired" && event.order.reason === "DAY" ? "expired" : "canceled";
  }

  #lines(order: HeldOrder, event: CoreEvent): LogBody[] {
    const m = bookOf(order.asset);
    const named: Order = { ...event.order, clientOrderId: order.clientOrderId };
    if (event.type === "new") {
      // What waited before it was placed is in the log already.
      return order.status === "accepted" ? [] : [this.#orderLine(order, named)];
    }
    if (event.type === "triggered") return [{ k: "trigger", m, order: named }];
    if (event.type === "replaced") return [];
    if (event.trade === null) return [{ k: "end", m, how: this.#how(order, event), order: named }];
    const trade: Trade = { ...event.trade, clientOrderId: order.clientOrderId };
    const busted = event.type === "busted";
    const { baseAsset, quoteAsset } = bookSpec(m);
    const sign = (trade.side === "BUY") === busted ? -1n : 1n;
    const lots = BigInt(trade.qtyLots) * LOT_E8;
    const { tradeId } = trade;
    const post = (unit: string, deltaE8: bigint, why: "trade" | "fee"): LogBody => {
      return { k: "post", m, asset: unit, deltaE8: String(deltaE8), why, tradeId };
    };
    const fee = BigInt(trade.feeE8) * (busted ? 1n : -1n);
    return [
      { k: busted ? "bust" : "fill", m, trade, order: named },
      post(baseAsset, sign * lots, "trade"),
      post(quoteAsset, -sign * BigInt(trade.quoteE8), "trade"),
      ...(fee === 0n ? [] : [post(trade.feeAsset, fee, "fee")]),
    ];
  }

  #follow(order: HeldOrder, event: CoreEvent, nowMs: number): void {
    order.coreId = event.order.orderId;
    order.updatedMs = nowMs;
    const { trade } = event;
    if (event.type === "new") {
      order.status = "new";
      this.#tell("new", order, nowMs);
    } else if (event.type === "trade" && trade !== null) {
      const fill = this.#filled(order, trade, event.order);
      this.#tell(fill.final ? "fill" : "partial_fill", order, nowMs, fill);
    } else if (event.type === "busted" && trade !== null) {
      const fill = this.#busted(order, trade, event.order);
      if (fill !== null) this.#tell("trade_bust", order, nowMs, fill, fill.id);
    } else if (event.type === "canceled" || event.type === "expired") {
      const how = this.#how(order, event);
      this.#ended(order, how, nowMs);
      this.#tell(how, order, nowMs);
    }
  }

  #filled(order: HeldOrder, trade: Trade, after: Order): FillRecord {
    const { asset } = order;
    const inBase = trade.feeAsset === bookSpec(bookOf(asset)).baseAsset;
    this.#holdings.book(asset.symbol, trade, baseE8PerLot, inBase, 1n);
    order.filledLots = BigInt(after.cumLots);
    order.quoteE8 = BigInt(after.quoteE8);
    const final = after.leavesLots === 0;
    if (final) [order.status, order.filledMs] = ["filled", trade.timeMs];
    else if (!order.status.startsWith("pending_") || order.status === "pending_new") {
      order.status = "partially_filled";
    }
    const fill: FillRecord = {
      id: uuidOf("execution", asset.symbol, trade.tradeId),
      tradeId: trade.tradeId,
      order,
      final,
      px: trade.px,
      qty: trade.qty,
      cumLots: order.filledLots,
      leavesLots: BigInt(after.leavesLots),
      atMs: trade.timeMs,
    };
    if (this.#fills.length >= FILLS_KEPT_MAX) this.#fills.shift();
    this.#fills.push(fill);
    return fill;
  }

  #busted(order: HeldOrder, trade: Trade, after: Order): FillRecord | null {
    const { asset } = order;
    const inBase = trade.feeAsset === bookSpec(bookOf(asset)).baseAsset;
    this.#holdings.book(asset.symbol, trade, baseE8PerLot, inBase, -1n);
    order.filledLots = BigInt(after.cumLots);
    order.quoteE8 = BigInt(after.quoteE8);
    const at = this.#fills.findLastIndex(
      (fill) => fill.tradeId === trade.tradeId && fill.order.asset === asset,
    );
    return at < 0 ? null : (this.#fills.splice(at, 1)[0] ?? null);
  }

  #ended(
    order: HeldOrder,
    how: "canceled" | "expired" | "replaced" | "rejected",
    atMs: number,
  ): void {
    order.status = how;
    order.updatedMs = atMs;
    if (how === "canceled") order.canceledMs = atMs;
    if (how === "expired") order.expiredMs = atMs;
    if (how === "rejected") order.failedMs = atMs;
  }

  #tell(
    event: string,
    order: HeldOrder,
    atMs: number,
    fill?: FillRecord,
    previousExecutionId?: string,
  ): void {
    this.#executions += 1;
    const own = fill !== undefined && previousExecutionId === undefined;
    this.#updates.push({
      event,
      executionId: own ? fill.id : uuidOf("event", this.#executions),
      atMs,
      order: orderBody(order),
      ...(fill === undefined
        ? {}
        : {
            fill: {
              price: e8Trimmed(parseScaled(fill.px, 8) ?? 0n),
              qty: e8Trimmed(parseScaled(fill.qty, 8) ?? 0n),
              positionQty: e8Trimmed(this.#holdings.of(order.asset.symbol).qtyE8),
            },
          }),
      ...(previousExecutionId === undefined ? {} : { previousExecutionId }),
    });
  }
}

const UNTOUCHED = {
  filledMs: null,
  expiredMs: null,
  canceledMs: null,
  failedMs: null,
  replacedMs: null,
  replacedBy: null,
} as const;

/** Lots a sum of dollars buys at a price, rounded down. */
function lotsFor(notional: string, ticks: bigint): bigint {
  const e8 = parseScaled(notional, 8) ?? 0n;
  return ticks === 0n ? 0n : e8 / ticks;
}

function coreType(type: HeldOrder["type"], crypto: boolean): string {
  switch (type) {
    case "market":
      return "MARKET";
    case "limit":
      return "LIMIT";
    case "stop":
      return crypto ? "STOP_LOSS" : "STOP_MARKET";
    case "stop_limit":
      return crypto ? "STOP_LOSS_LIMIT" : "STOP";
  }
}

/** An order the core has no number for, in the core's words. */
function unplaced(order: HeldOrder): Order {
  const { clientOrderId, asset, tif, limitPrice, qtyLots, createdMs, updatedMs } = order;
  return unplacedOrder({
    ...{ clientOrderId, symbol: asset.symbol, qtyLots, createdMs, updatedMs },
    side: order.side === "buy" ? "BUY" : "SELL",
    type: coreType(order.type, asset.crypto),
    timeInForce: tif.toUpperCase(),
    pxTicks: parseScaled(limitPrice ?? "0", pxScale) ?? 0n,
    scales: { pxScale, qtyScale },
  });
}

function integer(query: URLSearchParams, name: string, otherwise: number, max: number): number {
  const text = query.get(name);
  if (text === null) return otherwise;
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < 1) throw invalid(`invalid ${name}: ${text}`);
  return Math.min(value, max);
}

function instant(query: URLSearchParams, name: string): number | null {
  const text = query.get(name);
  if (text === null) return null;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw unprocessable(`invalid ${name}: ${text}`);
  return ms;
}
