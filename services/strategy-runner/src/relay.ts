/**
 * Stands between the native lane and a strategy's process. Trusted: it owns the link to the gateway, stamps what leaves,
 * and holds every intent against its bounds, whatever the process has become. Whoever gives it a pipe may be a test.
 */

import {
  EVENT_DOUBLES,
  EVENTS_MAX,
  INTENT_DOUBLES,
  IntentAt,
  IntentKind,
  type StrategyLaneConfig,
  Submit,
} from "@tidegate/rust-core/strategy-layout";
import { PENDING_MAX } from "@tidegate/strategy-sdk";
import { BatchFlag, type Frame, From, INTENT_BYTES, type Pipe, PipeFault, To } from "./frames.ts";
import { type StatsMessage, saneStats } from "./messages.ts";
import type { StrategyPort } from "./port.ts";

/** Calls of the strategy's code one batch may cause beside its events: the timer, and what is said of readiness. */
const CALLS_BESIDE = 3;
/** One where it was asked, one at its end. */
const STATS_PER_BATCH_MAX = 2;

/** What is kept of a process's reason. */
const REFUSAL_CHARS_MAX = 4_096;

export interface RelayOptions {
  readonly lane: StrategyLaneConfig;
  readonly pipe: Pipe;
  readonly port: StrategyPort;
  readonly pollMs: number;
  readonly maxIntentsPerEvent: number;
  /** Told before the strategy's code may run and after. */
  readonly busy: (running: boolean) => void;
  readonly onStats: (stats: Omit<StatsMessage, "lane">) => void;
}

export class Relay {
  readonly #options: RelayOptions;
  readonly #in = new Float64Array(EVENTS_MAX * EVENT_DOUBLES);
  readonly #out = new Float64Array(INTENT_DOUBLES);
  #seq = 0;
  #last: Frame = { kind: 0, a: 0, b: 0, bytes: 0 };

  constructor(options: RelayOptions) {
    this.#options = options;
    options.port.open(options.lane, this.#in, this.#out);
  }

  /**
   * One wait and its events, told to the process, and the intents it answers with.
   *
   * Shape   whether it says that none of its orders is open
   * Errors  PipeFault: the process is gone, or broke a bound
   */
  run(nowNs: () => number, flag: number = BatchFlag.NONE): boolean {
    const { port, pollMs, pipe, busy } = this.#options;
    const count = Math.min(port.poll(pollMs), EVENTS_MAX);
    const body = new Uint8Array(this.#in.buffer, 0, count * EVENT_DOUBLES * 8);
    busy(true);
    pipe.send(To.BATCH, nowNs(), flag, body);
    const flat = this.#serve(count);
    busy(false);
    return flat;
  }

  #serve(count: number, end: number = From.DONE): boolean {
    const { pipe, maxIntentsPerEvent, onStats } = this.#options;
    const newMax = maxIntentsPerEvent * (count + CALLS_BESIDE);
    let news = 0;
    let cancels = 0;
    let told = 0;
    for (;;) {
      const frame = pipe.receive();
      this.#last = frame;
      if (frame.kind === end) return frame.a === 1;
      if (frame.kind === From.STATS) {
        told += 1;
        if (told > STATS_PER_BATCH_MAX) throw new PipeFault(`${told} reports in one batch`);
        onStats(saneStats(pipe.json(frame)));
        continue;
      }
      if (frame.kind !== From.INTENT || frame.bytes !== INTENT_BYTES)
        throw new PipeFault(`frame ${frame.kind} of ${frame.bytes} bytes is not one of a strategy`);
      if (pipe.doubles[IntentAt.KIND] === IntentKind.NEW) news += 1;
      else cancels += 1;
      if (news > newMax || cancels > 2 * PENDING_MAX)
        throw new PipeFault(`${news} new orders and ${cancels} cancels of one batch`);
      pipe.send(To.ANSWER, this.#submit(count));
    }
  }

  /**
   * New parameters, between two batches.
   *
   * Shape   why the process refuses them, null where they hold
   * Errors  PipeFault: the process is gone, or broke a bound
   */
  reload(params: unknown): string | null {
    const { pipe, busy } = this.#options;
    busy(true);
    pipe.sendJson(To.PARAMS, params);
    this.#serve(0, From.PARAMS);
    const { refused } = Object(pipe.json(this.#last)) as { refused?: unknown };
    busy(false);
    return refused === null ? null : String(refused).slice(0, REFUSAL_CHARS_MAX);
  }

  /** What the process may not choose is set here: account, sequence, and which event it was about. */
  #submit(count: number): number {
    const { pipe, port, lane } = this.#options;
    for (let at = 0; at < INTENT_DOUBLES; at += 1) {
      const value = pipe.doubles[at] ?? 0;
      if (!Number.isSafeInteger(value)) return Submit.MALFORMED;
      this.#out[at] = value;
    }
    const seq = this.#seq + 1;
    if (this.#out[IntentAt.SEQ] !== seq)
      throw new PipeFault(`intent ${this.#out[IntentAt.SEQ]} came, want ${seq}`);
    this.#out[IntentAt.ACCOUNT] = lane.accountId;
    if ((this.#out[IntentAt.EVENT_INDEX] ?? -1) >= count) this.#out[IntentAt.EVENT_INDEX] = -1;
    const answer = port.submit();
    if (answer === Submit.OK) this.#seq = seq;
    return answer;
  }

  /** Tells it to stop, and hands on its cancels and their answers while `mayWait` says so. */
  stop(nowNs: () => number, mayWait: () => boolean): void {
    while (!this.run(nowNs, BatchFlag.STOP) && mayWait());
  }

  close(): void {
    this.#options.port.close();
  }
}
