/** The venue's desk: orders, amends, cancels and questions in, reports out, the log written between. Sockets are elsewhere. */

import type { FixField, SimMarket } from "@tidegate/rust-core";
import { type CoreEvent, type Order, parseEvents, type Trade } from "../../core.ts";
import { scaledText } from "../../decimal.ts";
import type { LogBody, VenueLog } from "../../log.ts";
import { bookSpec, type FixBook } from "../../markets.ts";
import type { OrderBoard } from "../switches.ts";
import {
  BUSINESS,
  type BusinessCode,
  CANCEL_REFUSALS,
  DUPLICATE,
  REFUSALS,
  type RefusalCode,
  refusal,
} from "./faults.ts";
import { FILLS_KEPT_MAX, ORDERS_KEPT_MAX } from "./limits.ts";
import {
  businessReject,
  cancelReject,
  executionReport,
  Incoming,
  type Listed,
  massCancelReport,
  noTrades,
  type Outgoing,
  type Report,
  tradeReport,
  unknownOrder,
} from "./messages.ts";

/** The messages the desk takes. */
export const TAKEN = ["D", "F", "G", "H", "AF", "AD", "q"] as const;

export interface DeskOptions {
  readonly log: VenueLog;
  readonly board: OrderBoard;
  /** By symbol. */
  readonly markets: Readonly<Record<string, SimMarket>>;
}

interface CoreAnswer {
  readonly ok: boolean;
  readonly reason?: string;
  readonly order?: Order;
}

/** An order with every name it has had. */
interface Held {
  readonly symbol: string;
  /** The first ClOrdID: the core's own name of it. */
  readonly root: string;
  /** ClOrdID of the newest version. */
  current: string;
  rejected: boolean;
}

interface Later {
  readonly dueMs: number;
  readonly act: (nowMs: number) => void;
}

const TYPES: Readonly<Record<string, string>> = {
  1: "MARKET",
  2: "LIMIT",
  3: "STOP_LOSS",
  4: "STOP_LOSS_LIMIT",
};
const TIFS: Readonly<Record<string, string>> = { 0: "DAY", 1: "GTC", 3: "IOC", 4: "FOK" };
const isOpen = ({ status }: Order): boolean => status === "NEW" || status === "PARTIALLY_FILLED";

export class Desk {
  readonly #options: DeskOptions;
  readonly #byClOrdId = new Map<string, Held>();
  readonly #out: Outgoing[] = [];
  /** By trade, oldest first. */
  readonly #fills = new Map<number, Listed>();
  readonly #later: Later[] = [];
  /** Reports of the order being placed are told to nobody, held back for so long, or told with its New last. */
  #placing: { lost: boolean; lateMs: number; newLast: boolean } | null = null;
  /** The cancel or amend that is being served: what the report of it names. */
  #answering: { readonly clOrdId: string; readonly original: string } | null = null;
  #newest: { readonly held: Held; readonly trade: Trade; readonly order: Order } | null = null;
  #execs = 0;
  #tradeIds = 1_000_000;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /** What the venue has to say since the last call, in order. */
  take(): Outgoing[] {
    return this.#out.splice(0);
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

  #soon(ms: number, nowMs: number, act: (nowMs: number) => void): void {
    this.#later.push({ dueMs: nowMs + ms, act });
  }

  /** Replaces the book of a symbol; what rests is matched against it. */
  book(symbol: string, snapshot: object, nowMs: number): void {
    const core = this.#core(symbol);
    core.resetMarket();
    core.onMarket(Buffer.from(JSON.stringify(snapshot)), nowMs);
    this.#commit(symbol, nowMs);
  }

  #core(symbol: string): SimMarket {
    const core = this.#options.markets[symbol];
    if (core === undefined) throw new Error(`no market of ${symbol}`);
    return core;
  }

  /** Serves one message. */
  onMessage(message: Incoming, nowMs: number): void {
    switch (message.type) {
      case "D":
        this.#place(message, nowMs);
        break;
      case "F":
      case "G":
        this.#change(message, nowMs);
        break;
      case "H":
        this.#status(message);
        break;
      case "AF":
        this.#massStatus(message, nowMs);
        break;
      case "AD":
        this.#trades(message);
        break;
      case "q":
        this.#massCancel(message, nowMs);
        break;
      default:
    }
  }

  // ------------------------------------------------------------------ new orders

  #place(message: Incoming, nowMs: number): void {
    const { board, markets } = this.#options;
    const business = board.take("business_reject");
    if (business !== null) {
      const code = (business.code ?? 4) as BusinessCode;
      this.#out.push(businessReject(message, code, BUSINESS[code]));
      return;
    }
    const refuse = board.take("refuse");
    if (refuse !== null) {
      const code = (refuse.code ?? 0) as RefusalCode;
      this.#refuse(message, [code, REFUSALS[code]], nowMs);
      return;
    }
    const [clOrdId, symbol] = [message.want(11), message.want(55)];
    if (this.#byClOrdId.has(clOrdId)) {
      this.#refuse(message, [DUPLICATE, "Duplicate order"], nowMs);
      return;
    }
    const core = markets[symbol];
    if (core === undefined) {
      this.#refuse(message, [1, REFUSALS[1]], nowMs);
      return;
    }
    const request = this.#request(message, nowMs);
    if (request === null) {
      this.#refuse(message, [11, REFUSALS[11]], nowMs);
      return;
    }
    const held: Held = { symbol, root: clOrdId, current: clOrdId, rejected: false };
    this.#remember(held);
    const late = board.take("ack_late");
    const before = board.take("fill_before_ack");
    this.#placing = {
      lost: board.take("ack_lost") !== null,
      lateMs: late === null ? 0 : board.ms("ack_late", late),
      newLast: before !== null,
    };
    const answer = JSON.parse(core.place(JSON.stringify(request))) as CoreAnswer;
    this.#commit(symbol, nowMs);
    this.#placing = null;
    if (!answer.ok) {
      this.#byClOrdId.delete(clOrdId);
      this.#refuse(message, refusal(answer.reason ?? "MALFORMED"), nowMs);
    } else if (board.take("reject_after_ack") !== null) {
      held.rejected = true;
      core.cancel(JSON.stringify({ clientOrderId: held.root, timeMs: nowMs }));
      this.#commit(symbol, nowMs);
    }
  }

  /** What the core is asked for; null where the order is of a kind it has not. */
  #request(message: Incoming, nowMs: number): Record<string, unknown> | null {
    const type = TYPES[message.want(40)];
    const tif = TIFS[message.get(59) ?? "0"];
    const [quantity, price, stopPrice] = [message.get(38), message.get(44), message.get(99)];
    if (type === undefined || tif === undefined || quantity === undefined) return null;
    const limit = type.endsWith("LIMIT");
    if (limit !== (price !== undefined)) return null;
    const postOnly = message.get(18)?.split(" ").includes("6") === true;
    return {
      clientOrderId: message.want(11),
      side: message.want(54) === "1" ? "BUY" : "SELL",
      type: postOnly && type === "LIMIT" ? "LIMIT_MAKER" : type,
      timeInForce: tif,
      ...(limit ? { price } : {}),
      ...(stopPrice === undefined ? {} : { stopPrice }),
      quantity,
      timeMs: nowMs,
    };
  }

  #refuse(message: Incoming, [reason, words]: readonly [number, string], nowMs: number): void {
    const order = {
      orderId: 0,
      symbol: message.want(55),
      side: message.want(54) === "1" ? "BUY" : "SELL",
      type: "MARKET",
      quantity: message.get(38) ?? "0",
      cum: "0",
      cumLots: 0,
      leaves: "0",
      quoteE8: "0",
      status: "REJECTED",
    } as unknown as Order;
    const about = { order, clOrdId: message.want(11), execType: "8", reason, words } as const;
    this.#tell({ ...about, execId: this.#execId(), timeMs: nowMs });
  }

  #remember(held: Held): void {
    this.#byClOrdId.set(held.current, held);
    if (this.#byClOrdId.size <= ORDERS_KEPT_MAX) return;
    for (const [id, each] of this.#byClOrdId) {
      const order = this.#find(each);
      if (order !== null && isOpen(order)) continue;
      this.#byClOrdId.delete(id);
      return;
    }
  }

  #find(held: Held): Order | null {
    const query = JSON.stringify({ what: "order", clientOrderId: held.root });
    return (JSON.parse(this.#core(held.symbol).query(query)) as CoreAnswer).order ?? null;
  }

  #execId(): string {
    this.#execs += 1;
    return `x${this.#execs}`;
  }

  // ------------------------------------------------------------------ amends and cancels

  #change(message: Incoming, nowMs: number): void {
    const { board } = this.#options;
    const amend = message.type === "G";
    const held = this.#byClOrdId.get(message.want(41));
    const order = held === undefined ? null : this.#find(held);
    if (held === undefined || order === null) {
      this.#out.push(cancelReject(message, null, [CANCEL_REFUSALS.unknown, "Unknown order"]));
      return;
    }
    if (this.#byClOrdId.has(message.want(11))) {
      this.#out.push(cancelReject(message, order, [DUPLICATE, "Duplicate ClOrdID"]));
      return;
    }
    if (board.take(amend ? "replace_rejected" : "cancel_rejected") !== null) {
      this.#out.push(cancelReject(message, order, [CANCEL_REFUSALS.option, "Broker option"]));
      return;
    }
    const name = amend ? "pending_replace" : "pending_cancel";
    const pending = board.take(name);
    if (pending === null) {
      this.#serve(message, held, nowMs);
      return;
    }
    this.#tell({
      ...{ order, clOrdId: message.want(11), original: message.want(41), timeMs: nowMs },
      ...{ execType: amend ? "E" : "6", status: amend ? "E" : "6", execId: this.#execId() },
    });
    this.#soon(board.ms(name, pending), nowMs, (later) => this.#serve(message, held, later));
  }

  #serve(message: Incoming, held: Held, nowMs: number): void {
    const { board } = this.#options;
    const amend = message.type === "G";
    const core = this.#core(held.symbol);
    const lost = board.take(amend ? "replace_ack_lost" : "cancel_ack_lost");
    if (lost !== null) this.#placing = { lost: true, lateMs: 0, newLast: false };
    this.#answering = { clOrdId: message.want(11), original: message.want(41) };
    const key = { clientOrderId: held.root, timeMs: nowMs };
    const [price, quantity] = [message.get(44) ?? "0", message.get(38) ?? "0"];
    const said = amend
      ? core.amend(JSON.stringify({ ...key, price, quantity }))
      : core.cancel(JSON.stringify(key));
    const answer = JSON.parse(said) as CoreAnswer;
    if (amend && answer.ok) {
      held.current = message.want(11);
      this.#remember(held);
    }
    this.#commit(held.symbol, nowMs);
    [this.#answering, this.#placing] = [null, null];
    if (answer.ok) return;
    const order = this.#find(held);
    const late = order !== null && !isOpen(order);
    const why = late
      ? ([CANCEL_REFUSALS.tooLate, "Too late to cancel"] as const)
      : ([CANCEL_REFUSALS.option, answer.reason ?? "Broker option"] as const);
    this.#out.push(cancelReject(message, order, why));
  }

  #massCancel(message: Incoming, nowMs: number): void {
    let affected = 0;
    for (const [symbol, core] of Object.entries(this.#options.markets)) {
      if (message.want(530) === "1" && message.get(55) !== symbol) continue;
      const said = core.cancel(JSON.stringify({ all: true, timeMs: nowMs }));
      affected += (JSON.parse(said) as { orders?: unknown[] }).orders?.length ?? 0;
      this.#commit(symbol, nowMs);
    }
    this.#out.push(massCancelReport(message, affected));
  }

  // ------------------------------------------------------------------ questions

  #status(message: Incoming): void {
    if (this.#options.board.take("query_lost") !== null) return;
    const asked = message.get(790);
    const extra: FixField[] = asked === undefined ? [] : [[790, asked]];
    const held = this.#byClOrdId.get(message.want(11));
    const order = held === undefined ? null : this.#find(held);
    if (held === undefined || order === null) {
      const [clOrdId, symbol, side] = [message.want(11), message.want(55), message.want(54)];
      this.#out.push(unknownOrder({ clOrdId, symbol, side }, this.#execId(), extra));
      return;
    }
    this.#tell(this.#standing(held, order, extra));
  }

  #standing(held: Held, order: Order, extra: readonly FixField[]): Report {
    const told = held.rejected ? { ...order, status: "REJECTED" } : order;
    const { updateMs: timeMs } = order;
    const about = { order: told, clOrdId: held.current, execType: "I", timeMs, extra } as const;
    return { ...about, execId: this.#execId() };
  }

  /** Every open order; where there is none, one report that says so. */
  #massStatus(message: Incoming, nowMs: number): void {
    const rows: [Held, Order][] = [];
    for (const [id, held] of this.#byClOrdId) {
      const order = id === held.current ? this.#find(held) : null;
      if (order !== null && isOpen(order)) rows.push([held, order]);
    }
    const asked: FixField[] = [
      [584, message.want(584)],
      [911, String(rows.length)],
    ];
    if (rows.length === 0) {
      const nobody = { clOrdId: "NONE", symbol: "NA", side: "7" };
      this.#out.push(unknownOrder(nobody, this.#execId(), [...asked, [912, "Y"]]));
    }
    for (const [at, [held, order]] of rows.entries()) {
      const last: FixField = [912, at === rows.length - 1 ? "Y" : "N"];
      this.#tell({ ...this.#standing(held, order, [...asked, last]), timeMs: nowMs });
    }
  }

  /** The fills there are, of one order by its number or of one symbol; a correction in the place of what it corrects. */
  #trades(message: Incoming): void {
    const [orderId, symbol] = [message.get(37), message.get(55)];
    const rows = [...this.#fills.values()].filter(
      (each) =>
        (orderId === undefined || String(each.orderId) === orderId) &&
        (symbol === undefined || each.symbol === symbol),
    );
    if (rows.length === 0) this.#out.push(noTrades(message));
    for (const [at, row] of rows.entries()) {
      const last = at === rows.length - 1;
      this.#out.push(tradeReport(message.want(568), row, rows.length, last));
    }
  }

  #keep(held: Held, trade: Trade): void {
    const { symbol, current: clOrdId } = held;
    this.#fills.set(trade.tradeId, { symbol, orderId: trade.orderId, clOrdId, trade });
    if (this.#fills.size <= FILLS_KEPT_MAX) return;
    for (const oldest of this.#fills.keys()) {
      this.#fills.delete(oldest);
      return;
    }
  }

  // ------------------------------------------------------------------ what the venue does by itself

  halt(halted: boolean): void {
    const command = JSON.stringify({ op: halted ? "halt" : "resume" });
    for (const core of Object.values(this.#options.markets)) core.control(command);
  }

  /** The day is over: its orders expire. */
  endDay(nowMs: number): void {
    for (const [symbol, core] of Object.entries(this.#options.markets)) {
      core.control(JSON.stringify({ op: "endDay", timeMs: nowMs }));
      this.#commit(symbol, nowMs);
    }
  }

  /** Takes the newest fill back. False where there is none. */
  bust(nowMs: number): boolean {
    if (this.#newest === null) return false;
    const { held, trade } = this.#newest;
    const command = { op: "bust", tradeId: trade.tradeId, timeMs: nowMs };
    const answer = JSON.parse(this.#core(held.symbol).control(JSON.stringify(command)));
    this.#commit(held.symbol, nowMs);
    return (answer as CoreAnswer).ok;
  }

  /** Says that the newest fill was a tick dearer. The core keeps its own price: only the log and the client hear of it. */
  correct(nowMs: number): boolean {
    if (this.#newest === null) return false;
    const { held, trade: was, order } = this.#newest;
    const book: FixBook = `fix:${held.symbol}`;
    const spec = bookSpec(book);
    this.#tradeIds += 1;
    const pxTicks = was.pxTicks + 1;
    const quoteE8 = BigInt(pxTicks) * BigInt(was.qtyLots) * BigInt(spec.e8PerTickLot);
    const trade: Trade = {
      ...was,
      tradeId: this.#tradeIds,
      pxTicks,
      px: scaledText(BigInt(pxTicks), 2),
      quoteE8: String(quoteE8),
      timeMs: nowMs,
    };
    const more = quoteE8 - BigInt(was.quoteE8);
    const deltaE8 = String(was.side === "BUY" ? -more : more);
    const post = { k: "post", m: book, asset: spec.quoteAsset, deltaE8, why: "trade" } as const;
    const bodies: LogBody[] = [
      { k: "correct", m: book, was, trade, order },
      { ...post, tradeId: trade.tradeId },
    ];
    this.#options.log.append(nowMs, bodies, null);
    this.#newest = { held, trade, order };
    this.#fills.delete(was.tradeId);
    this.#keep(held, trade);
    const ids = { execId: String(trade.tradeId), execRefId: String(was.tradeId) };
    this.#tell({ order, clOrdId: held.current, execType: "G", ...ids, trade, timeMs: nowMs });
    return true;
  }

  // ------------------------------------------------------------------ what happened

  /** Logs what the core has done, then reports it. */
  #commit(symbol: string, nowMs: number): void {
    const book: FixBook = `fix:${symbol}`;
    const core = this.#core(symbol);
    const events = parseEvents(core.drainEvents()).filter(({ type }) => type !== "rejected");
    if (events.length === 0) return;
    const bodies = events.flatMap((event) => this.#logged(book, event));
    this.#options.log.append(nowMs, bodies, null);
    const placing = this.#placing;
    const reports = events.flatMap((event) => this.#reported(event));
    if (placing?.lost === true) return;
    if (placing?.newLast === true) {
      reports.sort((a, b) => Number(a.execType === "0") - Number(b.execType === "0"));
    }
    const tell = (): void => {
      for (const report of reports) this.#tell(report);
    };
    if (placing === null || placing.lateMs === 0) tell();
    else this.#soon(placing.lateMs, nowMs, tell);
  }

  #logged(book: FixBook, event: CoreEvent): LogBody[] {
    const { order, trade, type } = event;
    if (type === "new") return [{ k: "order", m: book, order }];
    if (type === "replaced") return [{ k: "amend", m: book, order }];
    if (type === "triggered") return [{ k: "trigger", m: book, order }];
    if (trade === null) {
      const rejected = this.#byClOrdId.get(order.clientOrderId)?.rejected === true;
      const how = rejected ? "rejected" : type === "canceled" ? "canceled" : "expired";
      return [{ k: "end", m: book, how, order }];
    }
    const spec = bookSpec(book);
    const busted = type === "busted";
    const sign = (trade.side === "BUY") === busted ? -1n : 1n;
    const post = (asset: string, amount: bigint, why: "trade" | "fee"): LogBody => {
      return { k: "post", m: book, asset, deltaE8: String(amount), why, tradeId: trade.tradeId };
    };
    const fee = BigInt(trade.feeE8);
    return [
      { k: busted ? "bust" : "fill", m: book, trade, order },
      post(spec.baseAsset, sign * BigInt(trade.qtyLots) * BigInt(spec.baseE8PerLot), "trade"),
      post(spec.quoteAsset, -sign * BigInt(trade.quoteE8), "trade"),
      post(trade.feeAsset, busted ? fee : -fee, "fee"),
    ];
  }

  #reported(event: CoreEvent): Report[] {
    const { order, trade, type, timeMs } = event;
    const held = this.#byClOrdId.get(order.clientOrderId);
    if (held === undefined || type === "triggered") return [];
    const answering = type === "canceled" || type === "replaced" ? this.#answering : null;
    const about = {
      ...{ order, clOrdId: answering?.clOrdId ?? held.current, original: answering?.original },
      timeMs,
    };
    if (trade !== null && type === "busted") {
      this.#newest = null;
      this.#fills.delete(trade.tradeId);
      const ids = { execId: this.#execId(), execRefId: String(trade.tradeId) };
      return [{ ...about, execType: "H", ...ids, trade }];
    }
    if (trade !== null) {
      this.#newest = { held, trade, order };
      this.#keep(held, trade);
      return [{ ...about, execType: "F", execId: String(trade.tradeId), trade }];
    }
    const execId = this.#execId();
    if (held.rejected) return [{ ...about, execType: "8", status: "8", execId, words: "Rejected" }];
    switch (type) {
      case "new":
        return [{ ...about, execType: "0", execId }];
      case "canceled":
        return [{ ...about, execType: "4", execId }];
      case "replaced":
        return [{ ...about, execType: "5", execId }];
      default:
        return [{ ...about, execType: "C", execId }];
    }
  }

  #tell(report: Report): void {
    this.#out.push(executionReport(report));
  }
}

/** One message as the session gives it. */
export const incoming = (heard: {
  readonly type: string;
  readonly seq: number;
  readonly fields: readonly FixField[];
}): Incoming => new Incoming(heard.type, heard.seq, heard.fields);
