/**
 * Runs one strategy: turns events into handler calls and its wishes into intents. Pure: time, seed and the way out are
 * given. The same class runs in a live worker, in the test harness and in replay.
 */

import { Breaker, type BreakerState } from "./breaker.ts";
import { checkParams, type ParamsCheck } from "./params.ts";
import { seededRandom } from "./random.ts";
import {
  type AnyStrategy,
  BookState,
  type Context,
  type InstrumentInfo,
  isTerminal,
  type OrderOptions,
  type OrderRef,
  OrderState,
  OrderType,
  type OrderView,
  type Refusal,
  Side,
  Tif,
} from "./types.ts";

/** Orders the host keeps while they are not terminal; the next buy or sell is refused. */
export const PENDING_MAX = 4_096;
/** Intents one event may cause. */
export const INTENTS_PER_EVENT_MAX = 16;
/** Wall time one handler call may take before it counts as an overrun. */
export const EVENT_BUDGET_MS_MAX = 50;
/** How long an asked cancel of a leftover may stay without effect before it is asked again. */
export const LEFTOVER_RETRY_NS = 1_000_000_000;
/**
 * Ticks without news of the gateway's state before new orders may be sent: its snapshot comes as a burst with the policy
 * first, and the orders of an earlier session in it must be known before the first quote.
 */
export const READY_QUIET_TICKS = 2;
/** The gateway's reason for a cancel of an order it does not hold. */
export const REASON_UNKNOWN_ORDER = 17;
/** Characters of a state that is written down; a larger one is not, and the strategy is told so as an error. */
export const STATE_CHARS_MAX = 65_536;
/** Features kept per instrument. */
export const FEATURES_MAX = 48;

/** The reason a strategy is stopped for when features of another set come than it was built for. */
export const FEATURE_SET_MISMATCH = "FEATURE_SET_MISMATCH";

/** NONE: it declares no set. AWAITED: no features of it have come yet. MISMATCH is for good: only a restart ends it. */
export type FeatureSetState = "NONE" | "AWAITED" | "MATCHED" | "MISMATCH";

export const IntentKind = { NEW: 1, CANCEL: 2 } as const;
/** What a port answers to a submitted intent. */
export const Submit = { OK: 0, NO_CREDIT: 1, NOT_SYNCED: 2, MALFORMED: 3 } as const;

/** One intent on its way out. The object is reused. */
export interface OutIntent {
  kind: number;
  instrument: number;
  side: number;
  orderType: number;
  tif: number;
  pxTicks: number;
  qtyLots: number;
  seq: number;
  /** CANCEL: the intent that made the order, and its session epoch (0: this session). */
  targetSeq: number;
  targetEpoch: number;
  ttlNs: number;
  /** Place of the causing event in its batch, -1 for none. */
  eventIndex: number;
}

/** The way out. */
export interface IntentPort {
  submit(intent: OutIntent): number;
}

export interface HostOptions {
  readonly params: unknown;
  readonly instruments: readonly InstrumentInfo[];
  readonly port: IntentPort;
  readonly seed: number;
  /** This session's durable epoch. */
  readonly epoch: number;
  /** Wall clock for the time budget, ms; only differences are read. */
  readonly elapsedMs: () => number;
  readonly maxIntentsPerEvent?: number;
  readonly eventBudgetMs?: number;
  /** Hash that must come with every feature vector; absent = whatever comes is taken. */
  readonly featureSetHash?: number;
  /** The JSON of the state an earlier session wrote down, of the same stateVersion. */
  readonly restored?: string;
}

interface Own {
  ref: number;
  instrument: number;
  side: number;
  pxTicks: number;
  qtyLots: number;
  leavesLots: number;
  state: number;
  cancelling: boolean;
  /** The gateway has spoken of it since the link last came up. */
  confirmed: boolean;
}

interface Book {
  readonly features: Float64Array;
  featureCount: number;
  position: number;
}

interface Leftover {
  readonly epoch: number;
  readonly seq: number;
  readonly instrument: number;
  /** When to ask (again) for its cancel. */
  askNs: number;
}

export interface HostStats {
  events: number;
  intents: number;
  cancels: number;
  fills: number;
  refusedByGateway: number;
  refusedHere: number;
  exceptions: number;
  overruns: number;
  /** Events that were refused intents for want of room. */
  floods: number;
  leftoversCancelled: number;
}

/** Nothing has happened yet. */
export const NO_STATS: HostStats = {
  events: 0,
  intents: 0,
  cancels: 0,
  fills: 0,
  refusedByGateway: 0,
  refusedHere: 0,
  exceptions: 0,
  overruns: 0,
  floods: 0,
  leftoversCancelled: 0,
};

export class StrategyHost {
  readonly stats: HostStats = { ...NO_STATS };
  /** The text of the last exception, "" when there was none. */
  lastError = "";
  /** The hash that came last with features, 0 before the first. */
  featureSetSeen = 0;
  #featureSet: FeatureSetState;
  readonly #definition: AnyStrategy;
  readonly #options: HostOptions;
  /** Its parameters alone change, by `reload`. */
  readonly #ctx: Context & { params: unknown };
  readonly #books = new Map<number, Book>();
  readonly #orders = new Map<number, Own>();
  readonly #cancels = new Map<number, number>();
  /** Live orders of earlier sessions by "epoch seq", and the cancels asked for them by our sequence. */
  readonly #leftovers = new Map<string, Leftover>();
  readonly #leftoverCancels = new Map<number, string>();
  readonly #breaker = new Breaker();
  readonly #maxIntents: number;
  readonly #budgetMs: number;
  #nowNs = 0;
  #seq = 0;
  #intentsThisEvent = 0;
  #floodedThisEvent = false;
  #eventIndex = -1;
  #refusal: Refusal = "NONE";
  #synced = false;
  #policy = 0;
  #ready = false;
  #quietTicks = 0;
  #stopped = false;
  #nextTimerNs = 0;

  // Reused event objects: the steady state allocates nothing.
  readonly #top = {
    instrument: 0,
    bidPxTicks: 0,
    bidQtyLots: 0,
    askPxTicks: 0,
    askQtyLots: 0,
    valid: false,
    state: 0,
    featureFlags: 0,
    nowNs: 0,
  };
  readonly #trade = { instrument: 0, pxTicks: 0, qtyLots: 0, aggressor: 0, tradeId: 0, nowNs: 0 };
  readonly #fill = {
    order: 0,
    instrument: 0,
    side: 0,
    pxTicks: 0,
    qtyLots: 0,
    maker: false,
    positionLots: 0,
    feeE8: 0,
    nowNs: 0,
  };
  readonly #order = {
    order: 0,
    instrument: 0,
    side: 0,
    state: 0,
    pxTicks: 0,
    qtyLots: 0,
    cumQtyLots: 0,
    leavesQtyLots: 0,
    reason: 0,
    terminal: false,
    nowNs: 0,
  };
  readonly #timer = { nowNs: 0 };
  readonly #intent: OutIntent = {
    kind: 0,
    instrument: 0,
    side: 0,
    orderType: 0,
    tif: 0,
    pxTicks: 0,
    qtyLots: 0,
    seq: 0,
    targetSeq: 0,
    targetEpoch: 0,
    ttlNs: 0,
    eventIndex: -1,
  };

  constructor(definition: AnyStrategy, options: HostOptions) {
    this.#definition = definition;
    this.#options = options;
    this.#featureSet = options.featureSetHash === undefined ? "NONE" : "AWAITED";
    this.#maxIntents = options.maxIntentsPerEvent ?? INTENTS_PER_EVENT_MAX;
    this.#budgetMs = options.eventBudgetMs ?? EVENT_BUDGET_MS_MAX;
    for (const { id } of options.instruments) {
      this.#books.set(id, {
        features: new Float64Array(FEATURES_MAX),
        featureCount: 0,
        position: 0,
      });
    }
    const params: unknown = definition.params.parse(options.params);
    const random = seededRandom(options.seed);
    this.#ctx = {
      params,
      instruments: options.instruments,
      state:
        options.restored === undefined ? definition.state?.(params) : JSON.parse(options.restored),
      now: () => this.#nowNs,
      random,
      buy: (instrument, px, qty, opts) => this.#new(Side.BUY, instrument, px, qty, opts),
      sell: (instrument, px, qty, opts) => this.#new(Side.SELL, instrument, px, qty, opts),
      cancel: (ref) => this.#cancel(ref),
      refusal: () => this.#refusal,
      order: (ref): OrderView | undefined => this.#orders.get(ref),
      position: (instrument) => this.#books.get(instrument)?.position ?? 0,
      feature: (instrument, index) => {
        const book = this.#books.get(instrument);
        return book === undefined || index >= book.featureCount ? undefined : book.features[index];
      },
      ready: () => this.#ready,
    };
  }

  /** Whether parameters may take the place of those there are. Changes nothing. */
  checkParams(given: unknown): ParamsCheck {
    return checkParams(this.#definition, this.#ctx.params, given);
  }

  /** Parameters that `checkParams` gave hold from now on. */
  reload(nowNs: number, params: unknown): void {
    this.#begin(nowNs, -1);
    const was = this.#ctx.params;
    this.#ctx.params = params;
    this.#call(this.#definition.onParams, was);
  }

  /** The state as it is to be written down; null where the strategy keeps none, or more than is written. */
  snapshot(): string | null {
    if (this.#definition.stateVersion === undefined) return null;
    const text = JSON.stringify(this.#ctx.state);
    if (text.length <= STATE_CHARS_MAX) return text;
    this.lastError = `its state is ${text.length} characters long, at most ${STATE_CHARS_MAX}: it is not written down`;
    return null;
  }

  get breaker(): BreakerState {
    return this.#breaker.state;
  }
  get ready(): boolean {
    return this.#ready;
  }
  get featureSet(): FeatureSetState {
    return this.#featureSet;
  }
  /** Our orders that are not terminal. */
  get pending(): number {
    return this.#orders.size;
  }
  get leftovers(): number {
    return this.#leftovers.size;
  }
  position(instrument: number): number {
    return this.#books.get(instrument)?.position ?? 0;
  }

  start(nowNs: number): void {
    this.#begin(nowNs, -1);
    this.#nextTimerNs = nowNs + (this.#definition.timerMs ?? 0) * 1e6;
    this.#session("START");
  }

  /** Says STOP, and cancels what is open as far as the link takes it. No new order leaves from then on. */
  stop(nowNs: number): void {
    this.#begin(nowNs, -1);
    this.#stopped = true;
    this.#session("STOP");
    this.cancelOpen();
  }

  /** Asks again for the cancels a full link did not take. */
  cancelOpen(): void {
    this.#intentsThisEvent = Number.NEGATIVE_INFINITY;
    this.#cancelOwn();
  }

  /** Fires onTimer when it is due: once, however late. */
  tick(nowNs: number): void {
    const { timerMs, onTimer } = this.#definition;
    this.#nowNs = nowNs;
    this.#intentsThisEvent = 0;
    this.#eventIndex = -1;
    this.#retryLeftovers();
    this.#becomeReady();
    this.#askUnconfirmed();
    // A full link may have left some of its quotes.
    if (this.#featureSet === "MISMATCH") this.#cancelOwn();
    if (timerMs === undefined || onTimer === undefined || nowNs < this.#nextTimerNs) return;
    this.#nextTimerNs = nowNs + timerMs * 1e6;
    this.#begin(nowNs, -1);
    this.#timer.nowNs = nowNs;
    this.#call(this.#definition.onTimer, this.#timer);
  }

  bookTop(
    nowNs: number,
    eventIndex: number,
    instrument: number,
    bidPx: number,
    bidQty: number,
    askPx: number,
    askQty: number,
    state: number,
    flags: number,
    features: Float64Array,
    featuresFrom: number,
    featureCount: number,
    featureSetHash = 0,
  ): void {
    const book = this.#books.get(instrument);
    if (book === undefined) return;
    this.#begin(nowNs, eventIndex);
    // Features of another set mean something else at the same place: none of them is shown.
    const readable = featureCount <= 0 || this.#readable(featureSetHash);
    const count = readable ? Math.min(featureCount, FEATURES_MAX) : 0;
    for (let at = 0; at < count; at += 1) book.features[at] = features[featuresFrom + at] ?? 0;
    book.featureCount = count;
    const top = this.#top;
    top.instrument = instrument;
    top.bidPxTicks = bidPx;
    top.bidQtyLots = bidQty;
    top.askPxTicks = askPx;
    top.askQtyLots = askQty;
    top.state = state;
    top.valid = state === BookState.VALID;
    top.featureFlags = flags;
    top.nowNs = nowNs;
    this.#call(this.#definition.onBookTop, top);
  }

  /** The feed's state changed: a book that is not valid reaches onBookTop with both sides empty. */
  status(nowNs: number, eventIndex: number, instrument: number, state: number): void {
    if (state === BookState.VALID) return;
    this.bookTop(nowNs, eventIndex, instrument, 0, 0, 0, 0, state, 0, NO_FEATURES, 0, 0);
  }

  trade(
    nowNs: number,
    eventIndex: number,
    instrument: number,
    px: number,
    qty: number,
    aggressor: number,
    id: number,
  ): void {
    this.#begin(nowNs, eventIndex);
    const trade = this.#trade;
    trade.instrument = instrument;
    trade.pxTicks = px;
    trade.qtyLots = qty;
    trade.aggressor = aggressor;
    trade.tradeId = id;
    trade.nowNs = nowNs;
    this.#call(this.#definition.onTrade, trade);
  }

  gap(nowNs: number, instrument: number, first: number, last: number): void {
    this.#begin(nowNs, -1);
    this.#call(this.#definition.onGap, {
      instrument,
      first,
      last,
      restart: first === 0 && last === 0,
      nowNs,
    });
  }

  intentReply(nowNs: number, epoch: number, seq: number, accepted: boolean, reason: number): void {
    if (epoch !== this.#options.epoch) return;
    this.#begin(nowNs, -1);
    const leftover = this.#leftoverCancels.get(seq);
    if (leftover !== undefined) {
      this.#leftoverCancels.delete(seq);
      // An order the gateway does not hold cannot be open; any other refusal is asked again.
      if (!accepted && reason === REASON_UNKNOWN_ORDER) this.#leftovers.delete(leftover);
      this.#settleReady();
      return;
    }
    const target = this.#cancels.get(seq);
    this.#cancels.delete(seq);
    const about = this.#orders.get(target ?? seq);
    if (accepted) {
      if (about !== undefined) about.confirmed = true;
      return;
    }
    this.stats.refusedByGateway += 1;
    const cancel = target !== undefined;
    if (cancel) {
      if (about !== undefined && reason === REASON_UNKNOWN_ORDER) this.#gone(about, reason);
      else if (about !== undefined) about.cancelling = false;
    } else {
      this.#orders.delete(seq);
    }
    const feedback = { order: target ?? seq, cancel, reason, policy: this.#policy, nowNs };
    this.#call(this.#definition.onRiskFeedback, feedback);
  }

  orderUpdate(
    nowNs: number,
    epoch: number,
    seq: number,
    instrument: number,
    state: number,
    side: number,
    px: number,
    qty: number,
    cum: number,
    leaves: number,
    reason: number,
  ): void {
    this.#begin(nowNs, -1);
    if (epoch !== this.#options.epoch) {
      this.#leftover(epoch, seq, instrument, state);
      return;
    }
    const terminal = isTerminal(state);
    const own = this.#orders.get(seq);
    if (own !== undefined) {
      const wasCancelling =
        own.state === OrderState.PENDING_CANCEL || own.state === OrderState.UNKNOWN_CANCEL;
      if (wasCancelling && (state === OrderState.LIVE || state === OrderState.PARTIAL))
        own.cancelling = false;
      own.state = state;
      own.leavesLots = leaves;
      own.confirmed = true;
      if (terminal) this.#orders.delete(seq);
    }
    const order = this.#order;
    order.order = seq;
    order.instrument = instrument;
    order.side = side;
    order.state = state;
    order.pxTicks = px;
    order.qtyLots = qty;
    order.cumQtyLots = cum;
    order.leavesQtyLots = leaves;
    order.reason = reason;
    order.terminal = terminal;
    order.nowNs = nowNs;
    this.#call(this.#definition.onOrder, order);
  }

  fill(
    nowNs: number,
    epoch: number,
    seq: number,
    instrument: number,
    side: number,
    px: number,
    qty: number,
    maker: boolean,
    positionLots: number,
    feeE8: number,
  ): void {
    this.#begin(nowNs, -1);
    this.stats.fills += 1;
    const book = this.#books.get(instrument);
    if (book !== undefined) book.position = positionLots;
    const fill = this.#fill;
    fill.order = epoch === this.#options.epoch ? seq : 0;
    fill.instrument = instrument;
    fill.side = side;
    fill.pxTicks = px;
    fill.qtyLots = qty;
    fill.maker = maker;
    fill.positionLots = positionLots;
    fill.feeE8 = feeE8;
    fill.nowNs = nowNs;
    this.#call(this.#definition.onFill, fill);
  }

  positionUpdate(nowNs: number, instrument: number, positionLots: number): void {
    this.#begin(nowNs, -1);
    const book = this.#books.get(instrument);
    if (book !== undefined) book.position = positionLots;
    this.#settleReady();
  }

  policy(nowNs: number, policy: number, cause: number): void {
    this.#begin(nowNs, -1);
    const changed = policy !== this.#policy;
    this.#policy = policy;
    if (changed) {
      this.#call(this.#definition.onRiskFeedback, {
        order: 0,
        cancel: false,
        reason: cause,
        policy,
        nowNs,
      });
    }
    this.#settleReady();
  }

  /** The link to the gateway came or went. The last policy stands until the gateway says another. */
  link(nowNs: number, synced: boolean): void {
    this.#begin(nowNs, -1);
    this.#synced = synced;
    for (const leftover of this.#leftovers.values()) leftover.askNs = 0;
    // What was sent before may have been lost with the gateway: its snapshot confirms what lives.
    for (const order of this.#orders.values()) {
      order.confirmed = false;
      order.cancelling = false;
    }
    this.#leftoverCancels.clear();
    this.#cancels.clear();
    this.#settleReady();
  }

  #begin(nowNs: number, eventIndex: number): void {
    this.stats.events += 1;
    this.#nowNs = nowNs;
    this.#eventIndex = eventIndex;
    this.#intentsThisEvent = 0;
  }

  #session(kind: "START" | "READY" | "NOT_READY" | "STOP"): void {
    this.#call(this.#definition.onSession, { kind, nowNs: this.#nowNs });
  }

  /** Whether the gateway's state is known, nothing of an earlier session is left, and the features are the declared ones. */
  #mayTrade(): boolean {
    return this.#synced && this.#policy !== 0 && this.#leftovers.size === 0 && this.#featuresFit();
  }

  #featuresFit(): boolean {
    return this.#featureSet === "NONE" || this.#featureSet === "MATCHED";
  }

  /** Whether features of this hash may be read. Those of another set stop the strategy and take its quotes away. */
  #readable(hash: number): boolean {
    const want = this.#options.featureSetHash;
    this.featureSetSeen = hash;
    if (want === undefined) return true;
    if (hash === want) {
      if (this.#featureSet === "AWAITED") this.#featureSet = "MATCHED";
      return this.#featureSet === "MATCHED";
    }
    if (this.#featureSet !== "MISMATCH") {
      this.#featureSet = "MISMATCH";
      this.lastError = `${FEATURE_SET_MISMATCH}: features of set ${hash} came, the strategy was built for ${want}; roll the set back or build the strategy for it, then restart`;
      this.#settleReady();
      this.#intentsThisEvent = Number.NEGATIVE_INFINITY;
      this.#cancelOwn();
      this.#intentsThisEvent = 0;
    }
    return false;
  }

  /** Takes the readiness away at once; it is only given by a tick, when the snapshot that tells of it has been read. */
  #settleReady(): void {
    this.#quietTicks = 0;
    if (!this.#ready || this.#mayTrade()) return;
    this.#ready = false;
    this.#session("NOT_READY");
  }

  #becomeReady(): void {
    if (this.#ready || !this.#mayTrade()) return;
    this.#quietTicks += 1;
    if (this.#quietTicks < READY_QUIET_TICKS) return;
    this.#ready = true;
    this.#session("READY");
  }

  /**
   * Cancels what the gateway's snapshot did not name. Either it holds the order after all, or it says that it does not:
   * an order is never believed dead because nobody spoke of it.
   */
  #askUnconfirmed(): void {
    if (!this.#ready) return;
    for (const [ref, order] of this.#orders) {
      if (!order.confirmed && !order.cancelling && !this.#cancel(ref)) return;
    }
  }

  /** The gateway does not hold this order: it has ended, or its intent was never journalled. */
  #gone(own: Own, reason: number): void {
    this.#orders.delete(own.ref);
    const order = this.#order;
    order.order = own.ref;
    order.instrument = own.instrument;
    order.side = own.side;
    order.state = OrderState.DEAD;
    order.pxTicks = own.pxTicks;
    order.qtyLots = own.qtyLots;
    order.cumQtyLots = own.qtyLots - own.leavesLots;
    order.leavesQtyLots = 0;
    order.reason = reason;
    order.terminal = true;
    order.nowNs = this.#nowNs;
    this.#call(this.#definition.onOrder, order);
  }

  #call<E>(handler: ((ctx: Context, event: E) => void) | undefined, event: E): void {
    if (handler === undefined || !this.#breaker.allows(this.#nowNs)) return;
    const began = this.#options.elapsedMs();
    this.#floodedThisEvent = false;
    try {
      handler(this.#ctx, event);
      const overrun = this.#options.elapsedMs() - began > this.#budgetMs;
      if (overrun) this.stats.overruns += 1;
      this.#breaker.onSuccess(overrun, this.#nowNs);
    } catch (error) {
      this.stats.exceptions += 1;
      this.lastError = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#breaker.onException(this.#nowNs);
    }
    if (this.#floodedThisEvent) {
      this.stats.floods += 1;
      this.#breaker.onIntents(true, this.#nowNs);
    } else if (this.#intentsThisEvent > 0) {
      this.#breaker.onIntents(false, this.#nowNs);
    }
    // A strategy that was just stopped leaves no quotes behind.
    if (this.#breaker.state === "HALTED") {
      this.#intentsThisEvent = Number.NEGATIVE_INFINITY;
      this.#cancelOwn();
    }
  }

  #cancelOwn(): void {
    for (const [ref, order] of this.#orders) {
      if (!order.cancelling && !this.#cancel(ref)) break;
    }
  }

  #refuse(why: Refusal): 0 {
    this.#refusal = why;
    if (why === "INTENT_BUDGET" || why === "PENDING_FULL" || why === "NO_CREDIT")
      this.#floodedThisEvent = true;
    this.stats.refusedHere += 1;
    return 0;
  }

  #new(
    side: number,
    instrument: number,
    px: number,
    qty: number,
    options?: OrderOptions,
  ): OrderRef {
    const type = options?.type ?? OrderType.LIMIT;
    const fine =
      this.#books.has(instrument) &&
      Number.isSafeInteger(qty) &&
      qty > 0 &&
      Number.isSafeInteger(px) &&
      (px > 0 || type === OrderType.MARKET);
    if (!fine) return this.#refuse("BAD_ARGUMENT");
    if (this.#breaker.state === "HALTED") return this.#refuse("HALTED");
    if (!this.#featuresFit()) return this.#refuse("FEATURE_SET");
    if (!this.#ready || this.#stopped) return this.#refuse("NOT_READY");
    if (this.#intentsThisEvent >= this.#maxIntents) return this.#refuse("INTENT_BUDGET");
    if (this.#orders.size >= PENDING_MAX) return this.#refuse("PENDING_FULL");
    const intent = this.#intent;
    intent.kind = IntentKind.NEW;
    intent.instrument = instrument;
    intent.side = side;
    intent.orderType = type;
    intent.tif = options?.tif ?? Tif.GTC;
    intent.pxTicks = type === OrderType.MARKET ? 0 : px;
    intent.qtyLots = qty;
    intent.targetSeq = 0;
    intent.targetEpoch = 0;
    intent.ttlNs = options?.ttlNs ?? 0;
    const seq = this.#submit();
    if (seq === 0) return 0;
    this.stats.intents += 1;
    this.#orders.set(seq, {
      ref: seq,
      instrument,
      side,
      pxTicks: px,
      qtyLots: qty,
      leavesLots: qty,
      state: OrderState.PENDING_NEW,
      cancelling: false,
      confirmed: true,
    });
    return seq;
  }

  #cancel(ref: OrderRef): boolean {
    const order = this.#orders.get(ref);
    if (order === undefined || order.cancelling) {
      this.#refuse("NOT_LIVE");
      return false;
    }
    if (this.#intentsThisEvent >= this.#maxIntents) {
      this.#refuse("INTENT_BUDGET");
      return false;
    }
    if (this.#cancels.size >= PENDING_MAX) {
      this.#refuse("PENDING_FULL");
      return false;
    }
    const seq = this.#submitCancel(order.instrument, ref, this.#options.epoch);
    if (seq === 0) return false;
    order.cancelling = true;
    this.#cancels.set(seq, ref);
    return true;
  }

  #submitCancel(instrument: number, targetSeq: number, targetEpoch: number): number {
    const intent = this.#intent;
    intent.kind = IntentKind.CANCEL;
    intent.instrument = instrument;
    intent.side = 0;
    intent.orderType = 0;
    intent.tif = 0;
    intent.pxTicks = 0;
    intent.qtyLots = 0;
    intent.targetSeq = targetSeq;
    intent.targetEpoch = targetEpoch;
    intent.ttlNs = 0;
    const seq = this.#submit();
    if (seq !== 0) this.stats.cancels += 1;
    return seq;
  }

  /** Sends the prepared intent; its sequence, or 0. A sequence that was not sent is used again. */
  #submit(): number {
    const seq = this.#seq + 1;
    this.#intent.seq = seq;
    this.#intent.eventIndex = this.#eventIndex;
    const answer = this.#options.port.submit(this.#intent);
    if (answer === Submit.OK) {
      this.#seq = seq;
      this.#intentsThisEvent += 1;
      this.#refusal = "NONE";
      return seq;
    }
    return this.#refuse(
      answer === Submit.NO_CREDIT
        ? "NO_CREDIT"
        : answer === Submit.NOT_SYNCED
          ? "NOT_SYNCED"
          : "MALFORMED",
    );
  }

  /** An order of an earlier session: cancelled before this session quotes. */
  #leftover(epoch: number, seq: number, instrument: number, state: number): void {
    const key = `${epoch} ${seq}`;
    if (isTerminal(state)) {
      this.#leftovers.delete(key);
    } else if (!this.#leftovers.has(key) && this.#leftovers.size < PENDING_MAX) {
      this.#leftovers.set(key, { epoch, seq, instrument, askNs: 0 });
    }
    this.#settleReady();
    this.#retryLeftovers();
  }

  #retryLeftovers(): void {
    for (const [key, leftover] of this.#leftovers) {
      if (leftover.askNs > this.#nowNs) continue;
      const seq = this.#submitCancel(leftover.instrument, leftover.seq, leftover.epoch);
      if (seq === 0) return;
      leftover.askNs = this.#nowNs + LEFTOVER_RETRY_NS;
      this.#leftoverCancels.set(seq, key);
      this.stats.leftoversCancelled += 1;
    }
  }
}

const NO_FEATURES = new Float64Array(0);
