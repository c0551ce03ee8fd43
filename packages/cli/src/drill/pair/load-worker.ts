/**
 * A strategy that does nothing but trade: orders at a fixed rate through the strategy lane, buying and selling in turn at the
 * far side of the touch. Runs on a thread of its own; a lane belongs to one thread.
 */

import { parentPort, workerData } from "node:worker_threads";
import {
  strategyClose,
  strategyOpen,
  strategyPoll,
  strategyStats,
  strategySubmit,
} from "@tidegate/rust-core";
import {
  BookTopAt,
  EVENT_DOUBLES,
  EVENTS_MAX,
  Event,
  EventKind,
  INTENT_DOUBLES,
  IntentAt,
  IntentKind,
  IntentReplyAt,
  type StrategyLaneConfig,
  Submit,
} from "@tidegate/rust-core/strategy-layout";

export interface LoadData {
  readonly lane: StrategyLaneConfig;
  readonly perSecond: number;
  readonly instruments: readonly number[];
  /** [0] 1 = submit, 0 = only listen, 2 = end. */
  readonly flag: SharedArrayBuffer;
}

/** What the load has seen so far. */
export interface LoadStats {
  readonly submitted: number;
  readonly refusedHere: number;
  readonly accepted: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly unanswered: number;
  readonly contradictions: number;
  readonly lane: Readonly<Record<string, unknown>>;
}

const BUY = 1;
const SELL = 2;
const LIMIT = 1;
const IOC = 2;
const ACCEPTED = 1;
const VALID = 2;
const TELL_MS = 50;
/** Far beyond the touch, within the collar. */
const THROUGH_BPS = 20;

const data = workerData as LoadData;
const flag = new Int32Array(data.flag);
const rows = new Float64Array(EVENTS_MAX * EVENT_DOUBLES);
const intent = new Float64Array(INTENT_DOUBLES);
const touch = new Map<number, { bid: number; ask: number }>();
const side = new Map<number, number>();
const pending = new Map<number, boolean>();
const answers = new Map<number, boolean>();
const refused = new Map<number, number>();
let seq = 0;
let submitted = 0;
let refusedHere = 0;
let accepted = 0;
let contradictions = 0;

function onReply(of: number, yes: boolean, reason: number): void {
  const before = answers.get(of);
  if (before !== undefined) {
    // The same id has the same answer for ever.
    if (before !== yes) contradictions += 1;
    return;
  }
  if (!pending.delete(of)) return;
  answers.set(of, yes);
  if (yes) accepted += 1;
  else refused.set(reason, (refused.get(reason) ?? 0) + 1);
}

function listen(): void {
  const count = Math.min(strategyPoll(1), EVENTS_MAX);
  for (let index = 0; index < count; index += 1) {
    const base = index * EVENT_DOUBLES;
    const at = (offset: number): number => rows[base + offset] ?? 0;
    switch (at(Event.KIND)) {
      case EventKind.BOOK_TOP:
        if (
          at(BookTopAt.STATE) === VALID &&
          at(BookTopAt.BID_QTY) > 0 &&
          at(BookTopAt.ASK_QTY) > 0
        ) {
          touch.set(at(Event.INSTRUMENT), { bid: at(BookTopAt.BID_PX), ask: at(BookTopAt.ASK_PX) });
        } else touch.delete(at(Event.INSTRUMENT));
        break;
      case EventKind.INTENT_REPLY:
        onReply(
          at(IntentReplyAt.SEQ),
          at(IntentReplyAt.DECISION) === ACCEPTED,
          at(IntentReplyAt.REASON),
        );
        break;
      default:
        break;
    }
  }
}

function submit(instrument: number): void {
  const market = touch.get(instrument);
  if (market === undefined) return;
  const buys = (side.get(instrument) ?? SELL) === SELL;
  const px = buys
    ? Math.ceil(market.ask * (1 + THROUGH_BPS / 10_000))
    : Math.floor(market.bid * (1 - THROUGH_BPS / 10_000));
  seq += 1;
  intent.fill(0);
  intent[IntentAt.KIND] = IntentKind.NEW;
  intent[IntentAt.INSTRUMENT] = instrument;
  intent[IntentAt.ACCOUNT] = data.lane.accountId;
  intent[IntentAt.SIDE] = buys ? BUY : SELL;
  intent[IntentAt.ORDER_TYPE] = LIMIT;
  intent[IntentAt.TIF] = IOC;
  intent[IntentAt.PX] = px;
  intent[IntentAt.QTY] = 1;
  intent[IntentAt.SEQ] = seq;
  intent[IntentAt.EVENT_INDEX] = -1;
  if (strategySubmit() === Submit.OK) {
    submitted += 1;
    pending.set(seq, true);
    side.set(instrument, buys ? BUY : SELL);
  } else {
    seq -= 1;
    refusedHere += 1;
  }
}

strategyOpen(JSON.stringify(data.lane), rows, intent);
const started = performance.now();
let due = 0;
let told = 0;
let running = false;
let startedAt = started;
for (;;) {
  const want = Atomics.load(flag, 0);
  if (want === 2) break;
  listen();
  const now = performance.now();
  if (want === 1) {
    if (!running) [running, startedAt, due] = [true, now, 0];
    // At most a few at once after a pause of this thread: the rate is a rate, not a debt.
    const target = ((now - startedAt) / 1_000) * data.perSecond;
    if (target - due > 10) due = target - 10;
    while (due < target) {
      submit(data.instruments[Math.floor(due) % data.instruments.length] ?? 0);
      due += 1;
    }
  } else running = false;
  if (now - told >= TELL_MS) {
    told = now;
    const stats: LoadStats = {
      submitted,
      refusedHere,
      accepted,
      refused: Object.fromEntries([...refused].map(([reason, n]) => [String(reason), n])),
      unanswered: pending.size,
      contradictions,
      lane: JSON.parse(strategyStats()) as Record<string, unknown>,
    };
    parentPort?.postMessage(stats);
    // Lets the message leave.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
strategyClose();
