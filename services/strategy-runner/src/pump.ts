/** Moves events from the native views to the host and intents back. No clock, no thread: `run` is told the time. */

import {
  BookTopAt,
  EVENT_DOUBLES,
  EVENTS_MAX,
  Event,
  EventKind,
  FillAt,
  GapAt,
  INTENT_DOUBLES,
  IntentAt,
  IntentReplyAt,
  LinkAt,
  OrderUpdateAt,
  PolicyAt,
  PositionAt,
  StatusAt,
  type StrategyLaneConfig,
  TradeAt,
} from "@tidegate/rust-core/strategy-layout";
import {
  type AnyStrategy,
  BookState,
  type InstrumentInfo,
  type OutIntent,
  PARAMS_CHARS_MAX,
  StrategyHost,
} from "@tidegate/strategy-sdk";
import type { InputLog } from "./inputs.ts";
import type { StrategyPort } from "./port.ts";

/** Longest native wait: how late a stop or a timer can be seen. */
export const POLL_MS_MAX = 100;
const LINK_SYNCED = 1;
const ACCEPTED = 1;

export interface PumpOptions {
  readonly definition: AnyStrategy;
  readonly params: unknown;
  readonly instruments: readonly InstrumentInfo[];
  readonly lane: StrategyLaneConfig;
  readonly seed: number;
  readonly maxIntentsPerEvent: number;
  readonly eventBudgetMs: number;
  readonly elapsedMs: () => number;
  readonly port: StrategyPort;
  /** Hash of the declared feature set; absent = none is declared. */
  readonly featureSetHash?: number;
  /** The state an earlier session wrote down. */
  readonly restored?: string;
  /** Market data older than this is not shown as fresh; absent = whatever its age. */
  readonly staleEventMs?: number;
  /** Told before the strategy's code may run and after: what a watchdog outside looks at. */
  readonly busy?: (running: boolean) => void;
  /** Told all that the strategy is given, before it is. */
  readonly log?: InputLog;
}

export class Pump {
  readonly host: StrategyHost;
  readonly pollMs: number;
  readonly #port: StrategyPort;
  readonly #in = new Float64Array(EVENTS_MAX * EVENT_DOUBLES);
  readonly #out = new Float64Array(INTENT_DOUBLES);
  readonly #accountId: number;
  readonly #staleNs: number;
  readonly #busy: (running: boolean) => void;
  readonly #log: InputLog | undefined;
  #nowNs = 0;
  /** Events of a kind this version does not know: a newer addon; counted, never guessed at. */
  unknownEvents = 0;
  /** Market data that came too late to be shown as fresh. */
  staleEvents = 0;

  constructor(options: PumpOptions) {
    const { definition, port, lane } = options;
    this.#port = port;
    this.#accountId = lane.accountId;
    this.#staleNs = (options.staleEventMs ?? Number.POSITIVE_INFINITY) * 1e6;
    this.#busy = options.busy ?? (() => undefined);
    this.#log = options.log;
    this.host = new StrategyHost(definition, {
      params: options.params,
      instruments: options.instruments,
      seed: options.seed,
      epoch: lane.sessionEpoch,
      elapsedMs: options.elapsedMs,
      maxIntentsPerEvent: options.maxIntentsPerEvent,
      eventBudgetMs: options.eventBudgetMs,
      port: { submit: (intent) => this.#submit(intent) },
      ...(options.restored === undefined ? {} : { restored: options.restored }),
      ...(options.featureSetHash === undefined ? {} : { featureSetHash: options.featureSetHash }),
    });
    this.pollMs = Math.min(POLL_MS_MAX, Math.max(1, Math.floor(definition.timerMs ?? POLL_MS_MAX)));
    port.open(lane, this.#in, this.#out);
  }

  start(): void {
    this.#busy(true);
    this.host.start(0);
    this.#busy(false);
  }

  /**
   * One wait and its events, then the timer. `nowNs` is since the lane opened; it is read once, after the wait, so that a turn is
   * decided by its events and one time. Gives the number of events.
   */
  run(nowNs: () => number): number {
    const count = Math.min(this.#port.poll(this.pollMs), EVENTS_MAX);
    const now = nowNs();
    this.#log?.turn(now, count, this.#in);
    this.#busy(true);
    for (let index = 0; index < count; index += 1) this.#dispatch(index, now);
    this.#nowNs = Math.max(this.#nowNs, now);
    this.host.tick(this.#nowNs);
    this.#busy(false);
    return count;
  }

  /**
   * New parameters between two turns. They are written down before they hold; what is refused is not, and leaves everything as it was.
   *
   * Shape   why they are refused, null where they hold
   */
  reload(given: unknown): string | null {
    const json = JSON.stringify(given) ?? "null";
    if (json.length > PARAMS_CHARS_MAX) {
      return `${json.length} characters of params, at most ${PARAMS_CHARS_MAX}`;
    }
    this.#busy(true);
    const checked = this.host.checkParams(JSON.parse(json));
    if (checked.ok) {
      this.#log?.params(json);
      this.host.reload(this.#nowNs, checked.params);
    }
    this.#busy(false);
    return checked.ok ? null : checked.why;
  }

  /** Cancels what is open and polls for the answers while `mayWait` says so. */
  stop(mayWait: () => boolean): void {
    this.#log?.stop();
    this.#busy(true);
    this.host.stop(this.#nowNs);
    this.#busy(false);
    while (this.host.pending > 0 && mayWait()) {
      const count = Math.min(this.#port.poll(this.pollMs), EVENTS_MAX);
      this.#log?.turn(this.#nowNs, count, this.#in);
      this.#busy(true);
      for (let index = 0; index < count; index += 1) this.#dispatch(index);
      this.host.cancelOpen();
      this.#busy(false);
    }
  }

  close(): void {
    this.#port.close();
  }

  #submit(intent: OutIntent): number {
    const out = this.#out;
    out[IntentAt.KIND] = intent.kind;
    out[IntentAt.INSTRUMENT] = intent.instrument;
    out[IntentAt.ACCOUNT] = this.#accountId;
    out[IntentAt.SIDE] = intent.side;
    out[IntentAt.ORDER_TYPE] = intent.orderType;
    out[IntentAt.TIF] = intent.tif;
    out[IntentAt.PX] = intent.pxTicks;
    out[IntentAt.QTY] = intent.qtyLots;
    out[IntentAt.SEQ] = intent.seq;
    out[IntentAt.TARGET_SEQ] = intent.targetSeq;
    out[IntentAt.TARGET_EPOCH] = intent.targetEpoch;
    out[IntentAt.TTL_NS] = intent.ttlNs;
    out[IntentAt.EVENT_INDEX] = intent.eventIndex;
    const answer = this.#port.submit();
    this.#log?.answer(answer, out);
    return answer;
  }

  /**
   * A book that is too old is shown as stale, so that quotes of it are withdrawn; a trade that is too old is left out. The
   * gateway's words are never too old: they are about our orders.
   */
  #tooOld(index: number, kind: number, instrument: number, nowNs: number, ageNs: number): boolean {
    if (ageNs <= this.#staleNs) return false;
    if (kind === EventKind.BOOK_TOP) this.host.status(nowNs, index, instrument, BookState.STALE);
    else if (kind !== EventKind.TRADE) return false;
    this.staleEvents += 1;
    return true;
  }

  #dispatch(index: number, wallNs?: number): void {
    const base = index * EVENT_DOUBLES;
    const view = this.#in;
    const at = (offset: number): number => view[base + offset] ?? 0;
    const instrument = at(Event.INSTRUMENT);
    const nowNs = Math.max(this.#nowNs, at(Event.NOW_NS));
    this.#nowNs = nowNs;
    const { host } = this;
    const kind = at(Event.KIND);
    const ageNs = wallNs === undefined ? 0 : wallNs - at(Event.NOW_NS);
    if (this.#tooOld(index, kind, instrument, nowNs, ageNs)) return;
    switch (kind) {
      case EventKind.BOOK_TOP:
        host.bookTop(
          nowNs,
          index,
          instrument,
          at(BookTopAt.BID_PX),
          at(BookTopAt.BID_QTY),
          at(BookTopAt.ASK_PX),
          at(BookTopAt.ASK_QTY),
          at(BookTopAt.STATE),
          at(BookTopAt.FEATURE_FLAGS),
          view,
          base + BookTopAt.FEATURES,
          at(BookTopAt.FEATURE_COUNT),
          at(BookTopAt.FEATURE_SET_HASH),
        );
        return;
      case EventKind.TRADE:
        host.trade(
          nowNs,
          index,
          instrument,
          at(TradeAt.PX),
          at(TradeAt.QTY),
          at(TradeAt.AGGRESSOR),
          at(TradeAt.TRADE_ID),
        );
        return;
      case EventKind.STATUS:
        host.status(nowNs, index, instrument, at(StatusAt.STATE));
        return;
      case EventKind.INTENT_REPLY:
        host.intentReply(
          nowNs,
          at(IntentReplyAt.EPOCH),
          at(IntentReplyAt.SEQ),
          at(IntentReplyAt.DECISION) === ACCEPTED,
          at(IntentReplyAt.REASON),
        );
        return;
      case EventKind.ORDER_UPDATE:
        host.orderUpdate(
          nowNs,
          at(OrderUpdateAt.EPOCH),
          at(OrderUpdateAt.SEQ),
          instrument,
          at(OrderUpdateAt.STATE),
          at(OrderUpdateAt.SIDE),
          at(OrderUpdateAt.PX),
          at(OrderUpdateAt.QTY),
          at(OrderUpdateAt.CUM_QTY),
          at(OrderUpdateAt.LEAVES_QTY),
          at(OrderUpdateAt.REASON),
        );
        return;
      case EventKind.FILL:
        host.fill(
          nowNs,
          at(FillAt.EPOCH),
          at(FillAt.SEQ),
          instrument,
          at(FillAt.SIDE),
          at(FillAt.PX),
          at(FillAt.QTY),
          at(FillAt.MAKER) !== 0,
          at(FillAt.POSITION_LOTS),
          at(FillAt.FEE_E8),
        );
        return;
      case EventKind.POLICY:
        host.policy(nowNs, at(PolicyAt.POLICY), at(PolicyAt.CAUSE));
        return;
      case EventKind.POSITION:
        host.positionUpdate(nowNs, instrument, at(PositionAt.POSITION_LOTS));
        return;
      case EventKind.GAP:
        host.gap(nowNs, instrument, at(GapAt.FIRST), at(GapAt.LAST));
        return;
      case EventKind.LINK:
        host.link(nowNs, at(LinkAt.STATE) === LINK_SYNCED);
        return;
      case EventKind.STREAM_RESTART:
        host.gap(nowNs, instrument, 0, 0);
        return;
      default:
        this.unknownEvents += 1;
    }
  }
}
