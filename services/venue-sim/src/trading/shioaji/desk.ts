/** The daemon's desk: requests in, answers and order events out, the log written between. Sockets are elsewhere. */

import type { SimMarket } from "@tidegate/rust-core";
import { type CoreEvent, type Order, parseEvents, type Trade } from "../../core.ts";
import { parseScaled } from "../../decimal.ts";
import type { LogBody, VenueLog } from "../../log.ts";
import { bookSpec, SHIOAJI_SCALES, type ShioajiBook } from "../../markets.ts";
import type { OrderBoard } from "../switches.ts";
import { unplacedOrder } from "../unplaced.ts";
import { ApiFault, NOT_DONE, REFUSALS, type RefusalStatus, words } from "./faults.ts";
import { LOT_SHARES, ORDERS_MAX, QTY_MAX } from "./limits.ts";
import {
  dealEvent,
  done,
  type HeldOrder,
  type OpType,
  operationEvent,
  tradeBody,
} from "./messages.ts";
import { type Place, readNamed, readOwn, readPlace, readPrice, readQuantity } from "./request.ts";

/** One stock, with the step of its prices in hundredths. */
export interface Listed {
  readonly code: string;
  readonly exchange: string;
  readonly stepTicks: number;
  readonly core: SimMarket;
}

export interface DeskOptions {
  readonly log: VenueLog;
  readonly board: OrderBoard;
  readonly stocks: readonly Listed[];
}

interface CoreAnswer {
  readonly ok: boolean;
  readonly reason?: string;
  readonly order?: Order;
}

interface Later {
  readonly dueMs: number;
  readonly act: (nowMs: number) => void;
}

const isOpen = ({ status }: HeldOrder): boolean =>
  status === "PendingSubmit" || status === "Submitted" || status === "PartFilled";

export class Desk {
  readonly #options: DeskOptions;
  readonly #orders = new Map<string, HeldOrder>();
  readonly #byNumber = new Map<string, HeldOrder>();
  /** What this daemon's cache knows by its id; empty after a restart until the trades are listed. */
  readonly #cached = new Set<string>();
  readonly #events: string[] = [];
  readonly #later: Later[] = [];
  /** The operation being served: what an event of the core is told as. */
  #operation: OpType = "New";
  #subscribed = false;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /** Events since the last call, in order; none of an account whose trades nobody subscribed to. */
  take(): string[] {
    const events = this.#events.splice(0);
    return this.#subscribed ? events : [];
  }

  tick(nowMs: number): void {
    for (let at = 0; at < this.#later.length; ) {
      const later = this.#later[at];
      if (later === undefined || later.dueMs > nowMs) at += 1;
      else {
        this.#later.splice(at, 1);
        later.act(nowMs);
      }
    }
  }

  #stock(code: string): Listed {
    const stock = this.#options.stocks.find((each) => each.code === code);
    if (stock === undefined) throw new ApiFault(404, `contract ${code} not found`);
    return stock;
  }

  /** Replaces the book of a stock; what rests is matched against it. */
  book(code: string, snapshot: object, nowMs: number): void {
    const { core } = this.#stock(code);
    core.resetMarket();
    core.onMarket(Buffer.from(JSON.stringify(snapshot)), nowMs);
    this.#commit(code, nowMs);
  }

  subscribe(body: string): object {
    readOwn(body);
    this.#subscribed = true;
    return { success: true, message: "" };
  }

  // ------------------------------------------------------------------ requests

  place(body: string, nowMs: number): object {
    const { board } = this.#options;
    const asked = readPlace(body);
    const refuse = board.take("refuse");
    const status = (refuse?.code ?? 200) as RefusalStatus;
    if (refuse !== null && status !== 200) throw new ApiFault(status, REFUSALS[status]);
    const stock = this.#stock(asked.contract.code);
    if (this.#orders.size >= ORDERS_MAX) throw new ApiFault(400, "too many orders of the day");
    const held = this.#held(asked, nowMs);
    const wrong = refuse === null ? unfit(asked, stock) : REFUSALS[200];
    if (wrong !== null) return this.#failed(held, wrong, nowMs);
    // As the daemon does it: the answer is of before the exchange's word.
    const first = tradeBody(held);
    if (board.take("reject_after_ack") !== null) {
      this.#rejectTaken(held, nowMs);
      return first;
    }
    this.#operation = "New";
    const { core } = stock;
    const answer = JSON.parse(core.place(JSON.stringify(coreOrder(held, nowMs)))) as CoreAnswer;
    if (!answer.ok) {
      core.drainEvents();
      return this.#failed(held, words(answer.reason ?? "MALFORMED"), nowMs);
    }
    this.#commit(held.code, nowMs);
    return first;
  }

  #held({ contract, stock_order: order }: Place, nowMs: number): HeldOrder {
    const n = this.#orders.size + 1;
    const held: HeldOrder = {
      ...{ n, id: (0x10_00_00_00 + n).toString(16), code: contract.code },
      ...{ exchange: contract.exchange, action: order.action, quantity: order.quantity },
      ...{ priceType: order.price_type, orderType: order.order_type, createdMs: nowMs },
      price: order.price_type === "MKT" ? "0" : order.price.toFixed(SHIOAJI_SCALES.pxScale),
      customField: order.custom_field,
      ...{ status: "PendingSubmit", words: "", modifiedPrice: null, cancelled: 0, deals: [] },
    };
    this.#orders.set(held.id, held);
    this.#byNumber.set(name(held), held);
    this.#cached.add(held.id);
    return held;
  }

  /** A 200 is never final: what has failed is an order too. The log has none of it. */
  #failed(held: HeldOrder, said: string, nowMs: number): object {
    [held.status, held.words] = ["Failed", said];
    this.#events.push(operationEvent(held, "New", [NOT_DONE, said], nowMs));
    return tradeBody(held);
  }

  /** It was taken, and the exchange thinks better of it before it has met the market. */
  #rejectTaken(held: HeldOrder, nowMs: number): void {
    const m = bookOf(held.code);
    const order = unplaced(held, nowMs);
    const bodies: LogBody[] = [
      { k: "order", m, order },
      { k: "end", m, how: "rejected", order },
    ];
    this.#options.log.append(nowMs, bodies.map(named(held)), null);
    this.#failed(held, "Rejected by the exchange", nowMs);
  }

  cancel(body: string, nowMs: number): object {
    const held = this.#known(readNamed(body).trade_id);
    const cancel = JSON.stringify({ clientOrderId: name(held), timeMs: nowMs });
    return this.#change(held, "Cancel", nowMs, (core) => core.cancel(cancel));
  }

  updatePrice(body: string, nowMs: number): object {
    const { trade_id, price } = readPrice(body);
    const held = this.#known(trade_id);
    return this.#change(held, "UpdatePrice", nowMs, (core, order, now) => {
      const wrong = onTick(price, this.#stock(held.code));
      if (wrong !== null) return JSON.stringify({ ok: false, reason: "PRICE_OFF_TICK" });
      const to = price.toFixed(SHIOAJI_SCALES.pxScale);
      return core.amend(amendment(held, to, order.quantity, now));
    });
  }

  /** Takes so many lots off: never a new total, and never more. */
  updateQty(body: string, nowMs: number): object {
    const { trade_id, quantity } = readQuantity(body);
    const held = this.#known(trade_id);
    return this.#change(held, "UpdateQty", nowMs, (core, order, now) => {
      if (quantity * LOT_SHARES > order.leavesLots)
        return JSON.stringify({ ok: false, reason: "OUT_OF_RANGE" });
      if (quantity * LOT_SHARES === order.leavesLots) {
        return core.cancel(JSON.stringify({ clientOrderId: name(held), timeMs: now }));
      }
      return core.amend(
        amendment(held, order.price, String(order.qtyLots - quantity * LOT_SHARES), now),
      );
    });
  }

  #known(id: string): HeldOrder {
    const held = this.#orders.get(id);
    if (held === undefined || !this.#cached.has(id)) throw new ApiFault(404, "trade not found");
    return held;
  }

  /** A change is answered at once with the order as it stands; the event says what came of it. */
  #change(
    held: HeldOrder,
    type: "Cancel" | "UpdatePrice" | "UpdateQty",
    nowMs: number,
    act: (core: SimMarket, order: Order, nowMs: number) => string,
  ): object {
    const { board } = this.#options;
    const cancel = type === "Cancel";
    const rejected = board.take(cancel ? "cancel_rejected" : "replace_rejected") !== null;
    const slow = cancel ? "pending_cancel" : "pending_replace";
    const pending = board.take(slow);
    const serve = (now: number): void => {
      const { core } = this.#stock(held.code);
      const order = this.#find(held);
      const fits = order !== null && isOpen(held) && !rejected;
      this.#operation = type;
      const said = fits ? act(core, order, now) : '{"ok":false,"reason":"Order cannot be changed"}';
      const answer = JSON.parse(said) as CoreAnswer;
      this.#commit(held.code, now);
      if (answer.ok) return;
      const why = words(answer.reason ?? "Order cannot be changed");
      this.#events.push(operationEvent(held, type, [NOT_DONE, why], now));
    };
    if (pending === null) serve(nowMs);
    else this.#later.push({ dueMs: nowMs + board.ms(slow, pending), act: serve });
    return tradeBody(held);
  }

  #find(held: HeldOrder): Order | null {
    const query = JSON.stringify({ what: "order", clientOrderId: name(held) });
    return (JSON.parse(this.#stock(held.code).core.query(query)) as CoreAnswer).order ?? null;
  }

  /** The list refreshes the daemon's cache from the broker. */
  trades(body: string): object[] {
    readOwn(body);
    for (const id of this.#orders.keys()) this.#cached.add(id);
    return [...this.#orders.values()].map(tradeBody);
  }

  positions(body: string): object[] {
    readOwn(body);
    const lots = new Map<string, number>();
    for (const { code, action, deals } of this.#orders.values()) {
      const sign = action === "Buy" ? 1 : -1;
      for (const { qtyLots } of deals) {
        lots.set(code, (lots.get(code) ?? 0) + (sign * qtyLots) / LOT_SHARES);
      }
    }
    return [...lots].flatMap(([code, held], id) =>
      held === 0
        ? []
        : [{ id, code, direction: held > 0 ? "Buy" : "Sell", quantity: Math.abs(held) }],
    );
  }

  // ------------------------------------------------------------------ what the venue does by itself

  /** The daemon is started anew: what it had in memory is gone, and who listened must subscribe again. */
  forget(): void {
    this.#cached.clear();
    this.#subscribed = false;
  }

  halt(halted: boolean): void {
    const command = JSON.stringify({ op: halted ? "halt" : "resume" });
    for (const { core } of this.#options.stocks) core.control(command);
  }

  /** The close: what is for the day ends. */
  endDay(nowMs: number): void {
    for (const { core, code } of this.#options.stocks) {
      core.control(JSON.stringify({ op: "endDay", timeMs: nowMs }));
      this.#commit(code, nowMs);
    }
  }

  // ------------------------------------------------------------------ what happened

  /** Logs what the core has done, then tells it. */
  #commit(code: string, nowMs: number): void {
    const { board, log } = this.#options;
    const events = parseEvents(this.#stock(code).core.drainEvents());
    const told: { readonly deal: boolean; readonly text: string }[] = [];
    const bodies: LogBody[] = [];
    for (const event of events) {
      const held = this.#byNumber.get(event.order.clientOrderId);
      if (held === undefined || event.type === "rejected") continue;
      bodies.push(...logged(held, event).map(named(held)));
      const text = this.#told(held, event, nowMs);
      if (text !== null) told.push({ deal: event.trade !== null, text });
    }
    log.append(nowMs, bodies, null);
    const deals = told.some(({ deal }) => deal);
    if (deals && told.some(({ deal }) => !deal) && board.take("fill_before_ack") !== null)
      told.sort((a, b) => Number(b.deal) - Number(a.deal));
    this.#events.push(...told.map(({ text }) => text));
  }

  /** Follows one event; what is told of it, where anything is. */
  #told(held: HeldOrder, { type, trade, order }: CoreEvent, nowMs: number): string | null {
    if (trade !== null) {
      held.deals.push(trade);
      held.status = order.status === "FILLED" ? "Filled" : "PartFilled";
      return dealEvent(held, trade);
    }
    switch (type) {
      case "new":
        held.status = "Submitted";
        return operationEvent(held, "New", done, nowMs);
      case "replaced":
        held.modifiedPrice = order.price === held.price ? held.modifiedPrice : order.price;
        held.cancelled = held.quantity - order.qtyLots / LOT_SHARES;
        return operationEvent(held, this.#operation, done, nowMs);
      case "canceled":
        held.cancelled = held.quantity - order.cumLots / LOT_SHARES;
        held.status = "Cancelled";
        return operationEvent(
          held,
          this.#operation === "UpdateQty" ? "UpdateQty" : "Cancel",
          done,
          nowMs,
        );
      case "expired":
        held.cancelled = held.quantity - order.cumLots / LOT_SHARES;
        // The rest of an order for at once is cancelled; one for the day is told by nobody at its end.
        held.status = held.orderType === "ROD" ? "Inactive" : "Cancelled";
        return held.orderType === "ROD" ? null : operationEvent(held, "Cancel", done, nowMs);
      default:
        return null;
    }
  }
}

const name = ({ n }: HeldOrder): string => String(n);
const bookOf = (code: string): ShioajiBook => `shioaji:${code}`;

function unplaced(held: HeldOrder, updatedMs: number): Order {
  const { type, timeInForce, side } = coreOrder(held, updatedMs);
  return unplacedOrder({
    ...{ clientOrderId: name(held), symbol: held.code, side, type, timeInForce, updatedMs },
    pxTicks: parseScaled(held.price, SHIOAJI_SCALES.pxScale) ?? 0n,
    qtyLots: BigInt(held.quantity * LOT_SHARES),
    scales: SHIOAJI_SCALES,
    createdMs: held.createdMs,
  });
}

/** The log names an order as its sender can: by its custom field, where it has one. */
const named =
  (held: HeldOrder) =>
  (body: LogBody): LogBody => {
    if (!("order" in body)) return body;
    const clientOrderId = held.customField === "" ? held.id : held.customField;
    const order = { ...body.order, clientOrderId };
    return "trade" in body
      ? { ...body, order, trade: { ...(body.trade as Trade), clientOrderId } }
      : { ...body, order };
  };

function logged(held: HeldOrder, { type, trade, order }: CoreEvent): LogBody[] {
  const m = bookOf(held.code);
  if (type === "new") return [{ k: "order", m, order }];
  if (type === "replaced") return [{ k: "amend", m, order }];
  // As the daemon calls it: what is left of an order for at once is cancelled.
  const expired = type !== "canceled" && held.orderType === "ROD";
  if (trade === null) return [{ k: "end", m, how: expired ? "expired" : "canceled", order }];
  const spec = bookSpec(m);
  const sign = trade.side === "BUY" ? 1n : -1n;
  const post = (asset: string, amount: bigint): LogBody => {
    return { k: "post", m, asset, deltaE8: String(amount), why: "trade", tradeId: trade.tradeId };
  };
  return [
    { k: "fill", m, trade, order },
    post(spec.baseAsset, sign * BigInt(trade.qtyLots) * BigInt(spec.baseE8PerLot)),
    post(spec.quoteAsset, -sign * BigInt(trade.quoteE8)),
  ];
}

/** What is wrong with an order; null where nothing is. */
function unfit({ stock_order: order }: Place, stock: Listed): string | null {
  if (order.quantity < 1 || order.quantity > QTY_MAX) return words("OUT_OF_RANGE");
  if (order.price_type === "MKT") {
    return order.order_type === "ROD" ? "MKT must be IOC or FOK" : null;
  }
  return onTick(order.price, stock);
}

/** A price comes as a JSON number: it is on a tick if its nearest hundredth is, and is that hundredth. */
function onTick(price: number, { stepTicks }: Listed): string | null {
  const ticks = Math.round(price * 100);
  const exact = Number((ticks / 100).toFixed(2)) === price;
  return exact && ticks > 0 && ticks % stepTicks === 0 ? null : words("PRICE_OFF_TICK");
}

const amendment = (held: HeldOrder, price: string, quantity: string, timeMs: number): string =>
  JSON.stringify({ clientOrderId: name(held), price, quantity, timeMs });

function coreOrder(held: HeldOrder, timeMs: number) {
  return {
    ...{ clientOrderId: name(held), timeMs },
    side: held.action === "Buy" ? ("BUY" as const) : ("SELL" as const),
    type: held.priceType === "LMT" ? "LIMIT" : "MARKET",
    timeInForce: held.orderType === "ROD" ? "DAY" : held.orderType,
    ...(held.priceType === "LMT" ? { price: held.price } : {}),
    quantity: String(held.quantity * LOT_SHARES),
  };
}
