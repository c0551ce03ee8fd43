/**
 * A market, a gateway and a clock turned by hand, around the host that runs live. Deterministic: the same calls give
 * the same intents.
 */

import { IntentKind, type OutIntent, READY_QUIET_TICKS, StrategyHost, Submit } from "./host.ts";
import { type AnyStrategy, BookState, type InstrumentInfo, OrderState, Policy } from "./types.ts";

export const DEFAULT_INSTRUMENTS: readonly InstrumentInfo[] = [
  { id: 1, venueId: 1, symbol: "BTCUSDT", kind: "spot" },
  { id: 2, venueId: 2, symbol: "BTCUSDT", kind: "perp" },
];

export interface HarnessOptions {
  readonly params?: unknown;
  readonly instruments?: readonly InstrumentInfo[];
  readonly seed?: number;
  /** Accept and acknowledge each intent at once (default). Off: answer with ack(), cancelled(), refuse(). */
  readonly autoAck?: boolean;
  readonly maxIntentsPerEvent?: number;
  /** What `snapshot()` of an earlier harness gave, with the positions of then. */
  readonly restored?: string;
  readonly positions?: Readonly<Record<number, number>>;
  /** As a runner sets it from the declared set; absent = any features are taken. */
  readonly featureSetHash?: number;
}

/** A sent intent, kept. */
export type SentIntent = Readonly<OutIntent>;

export interface TopInput {
  readonly bidPxTicks: number;
  readonly askPxTicks: number;
  readonly bidQtyLots?: number;
  readonly askQtyLots?: number;
  readonly state?: number;
  readonly features?: readonly number[];
  /** Hash of their set; that of the options where absent. */
  readonly featureSetHash?: number;
}

const EPOCH = 1;

export class Harness {
  readonly host: StrategyHost;
  /** Everything sent so far, oldest first. */
  readonly intents: SentIntent[] = [];
  /** What submit answers: set another to test a full or a lost link. */
  submitAnswer: number = Submit.OK;
  #nowNs = 0;
  #answered = 0;
  readonly #autoAck: boolean;
  readonly #featureSetHash: number;
  readonly #cum = new Map<number, number>();
  readonly #position = new Map<number, number>();
  constructor(definition: AnyStrategy, options: HarnessOptions = {}) {
    this.#autoAck = options.autoAck ?? true;
    this.host = new StrategyHost(definition, {
      params: options.params ?? {},
      instruments: options.instruments ?? DEFAULT_INSTRUMENTS,
      seed: options.seed ?? 1,
      epoch: EPOCH,
      elapsedMs: () => 0,
      port: {
        submit: (intent) => {
          if (this.submitAnswer === Submit.OK) this.intents.push({ ...intent });
          return this.submitAnswer;
        },
      },
      ...(options.maxIntentsPerEvent === undefined
        ? {}
        : { maxIntentsPerEvent: options.maxIntentsPerEvent }),
      ...(options.restored === undefined ? {} : { restored: options.restored }),
      ...(options.featureSetHash === undefined ? {} : { featureSetHash: options.featureSetHash }),
    });
    this.#featureSetHash = options.featureSetHash ?? 0;
    this.host.start(0);
    for (const [instrument, lots] of Object.entries(options.positions ?? {})) {
      this.#position.set(Number(instrument), lots);
      this.host.positionUpdate(0, Number(instrument), lots);
    }
    this.host.link(0, true);
    this.host.policy(0, Policy.NORMAL, 1);
    for (let n = 0; n < READY_QUIET_TICKS; n += 1) this.host.tick(0);
    this.#settle();
  }

  /** New orders sent, oldest first. */
  get orders(): readonly SentIntent[] {
    return this.intents.filter(({ kind }) => kind === IntentKind.NEW);
  }
  get cancels(): readonly SentIntent[] {
    return this.intents.filter(({ kind }) => kind === IntentKind.CANCEL);
  }
  get nowNs(): number {
    return this.#nowNs;
  }

  /** Moves the clock and lets a due timer fire. */
  advance(ms: number): this {
    this.#nowNs += Math.round(ms * 1e6);
    this.host.tick(this.#nowNs);
    return this.#settle();
  }

  top(instrument: number, top: TopInput): this {
    const features = Float64Array.from(top.features ?? []);
    this.host.bookTop(
      this.#nowNs,
      0,
      instrument,
      top.bidPxTicks,
      top.bidQtyLots ?? 1_000,
      top.askPxTicks,
      top.askQtyLots ?? 1_000,
      top.state ?? BookState.VALID,
      0,
      features,
      0,
      features.length,
      top.featureSetHash ?? this.#featureSetHash,
    );
    return this.#settle();
  }

  trade(instrument: number, pxTicks: number, qtyLots: number, aggressor: number): this {
    this.host.trade(this.#nowNs, 0, instrument, pxTicks, qtyLots, aggressor, 1);
    return this.#settle();
  }

  gap(instrument: number, first: number, last: number): this {
    this.host.gap(this.#nowNs, instrument, first, last);
    return this.#settle();
  }

  policy(policy: number, cause = 1): this {
    this.host.policy(this.#nowNs, policy, cause);
    return this.#settle();
  }

  /** The gateway takes an order and the venue holds it. */
  ack(ref: number): this {
    this.host.intentReply(this.#nowNs, EPOCH, ref, true, 1);
    this.#update(ref, OrderState.LIVE);
    return this.#settle();
  }

  /** The gateway refuses an intent. */
  refuse(ref: number, reason: number): this {
    this.host.intentReply(this.#nowNs, EPOCH, ref, false, reason);
    return this.#settle();
  }

  /** Fills an order at its price; all that is left unless told. Returns the lots filled. */
  fill(ref: number, qtyLots?: number): number {
    const order = this.#sent(ref);
    const cum = this.#cum.get(ref) ?? 0;
    const qty = Math.min(qtyLots ?? order.qtyLots, order.qtyLots - cum);
    this.#cum.set(ref, cum + qty);
    const sign = order.side === 1 ? 1 : -1;
    const position = (this.#position.get(order.instrument) ?? 0) + sign * qty;
    this.#position.set(order.instrument, position);
    const done = cum + qty === order.qtyLots;
    this.host.fill(
      this.#nowNs,
      EPOCH,
      ref,
      order.instrument,
      order.side,
      order.pxTicks,
      qty,
      true,
      position,
      0,
    );
    this.#update(ref, done ? OrderState.FILLED : OrderState.PARTIAL);
    this.#settle();
    return qty;
  }

  /** The venue confirms a cancel. */
  cancelled(ref: number): this {
    this.#update(ref, OrderState.CANCELLED);
    return this.#settle();
  }

  /** Orders that are open now, by what was sent and answered. */
  open(): readonly SentIntent[] {
    return this.orders.filter(({ seq }) => this.#state.get(seq) !== "done");
  }

  readonly #state = new Map<number, "open" | "done">();

  #sent(ref: number): SentIntent {
    const order = this.intents.find(({ seq, kind }) => seq === ref && kind === IntentKind.NEW);
    if (order === undefined) throw new Error(`no order ${ref} was sent`);
    return order;
  }

  #update(ref: number, state: number): void {
    const order = this.#sent(ref);
    const cum = this.#cum.get(ref) ?? 0;
    const terminal = state !== OrderState.LIVE && state !== OrderState.PARTIAL;
    this.#state.set(ref, terminal ? "done" : "open");
    const { instrument, side, pxTicks, qtyLots } = order;
    const leaves = terminal ? 0 : qtyLots - cum;
    this.host.orderUpdate(
      this.#nowNs,
      EPOCH,
      ref,
      instrument,
      state,
      side,
      pxTicks,
      qtyLots,
      cum,
      leaves,
      1,
    );
  }

  /** Answers what was sent, and what was sent because of the answers. */
  #settle(): this {
    if (!this.#autoAck) return this;
    for (let rounds = 0; this.#answered < this.intents.length; rounds += 1) {
      if (rounds > 10_000) throw new Error("the strategy answers every answer with another intent");
      const intent = this.intents[this.#answered];
      this.#answered += 1;
      if (intent === undefined) break;
      this.host.intentReply(this.#nowNs, EPOCH, intent.seq, true, 1);
      if (intent.kind === IntentKind.NEW) this.#update(intent.seq, OrderState.LIVE);
      else if (this.#state.get(intent.targetSeq) !== "done")
        this.#update(intent.targetSeq, OrderState.CANCELLED);
    }
    return this;
  }
}

/** A harness around a strategy, started, linked and allowed to trade. */
export function createHarness(definition: AnyStrategy, options: HarnessOptions = {}): Harness {
  return new Harness(definition, options);
}
