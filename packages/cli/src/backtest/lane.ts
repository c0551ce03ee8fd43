/** One strategy over tapes: the pump and host of the live runner, on a native lane that reads a recording. */

import {
  backtestClose,
  backtestNow,
  backtestOpen,
  backtestPoll,
  backtestRows,
  backtestSubmit,
  backtestSummary,
} from "@tidegate/rust-core";
import {
  EVENT_DOUBLES,
  Event,
  EventKind,
  IntentAt,
  Submit,
} from "@tidegate/rust-core/strategy-layout";
import { Pump } from "@tidegate/strategy-runner/pump";
import { type AnyStrategy, type HostStats, INTENTS_PER_EVENT_MAX } from "@tidegate/strategy-sdk";
import type { FeesConfig, FillModel, LatencyConfig, QueueConfig } from "./options.ts";
import type { InstrumentRow } from "./tapes.ts";

/** Where the strategy has no timer the run still stops now and then, for its host's own upkeep. */
const TICK_NS = 100_000_000;
const EPOCH = 1;
/** Whose orders they are where no limits say so. */
const NOBODY = { strategyId: 1, accountId: 1 };

/** The gateway inside a run: texts of its limits file and of the instrument table, and whose row of the limits the strategy has. */
export interface LimitsSpec {
  readonly file: string;
  readonly table: string;
  readonly strategyId: number;
  readonly accountId: number;
}

/** Everything that decides a run; its canonical JSON is hashed as the configuration. */
export interface LaneSpec {
  readonly params: unknown;
  readonly seed: number;
  readonly queue: QueueConfig;
  readonly fill: FillModel;
  readonly sampleNs: number;
  readonly instruments: readonly {
    readonly row: InstrumentRow;
    readonly tape: string;
    readonly latency: LatencyConfig;
    readonly fees: FeesConfig;
  }[];
  /** Absent where nothing is refused that a gateway would refuse. */
  readonly limits?: LimitsSpec;
}

/** What the gateway decided. */
export interface GatewaySummary {
  readonly limitsVersion: number;
  /** BLAKE3 of limits, table and whose they are. */
  readonly limitsHash: string;
  readonly accepted: number;
  /** Intents refused, by reason. */
  readonly refused: Readonly<Record<string, number>>;
}

/** What the account came to, of what was received or of all the venue did. Money as text. */
export interface Told {
  readonly positionLots: number;
  readonly cashE8: string;
  readonly feeE16: string;
  readonly valueE8: string;
  readonly volumeLots: string;
  readonly fills: number;
  readonly equityE16: string | null;
}

export interface InstrumentSummary {
  readonly instrument: number;
  readonly dataHash: string;
  readonly sources: readonly (readonly [string, string])[];
  readonly addedLatencyNs: number;
  readonly assumptions: readonly (readonly [string, string])[];
  readonly orders: number;
  readonly cancels: number;
  readonly received: Told;
  readonly venue: Told;
  readonly audit: {
    readonly sound: boolean;
    readonly accountUnequal: number;
    readonly sameLiquidityFilledTwice: number;
    readonly pricesNotOffered: number;
    readonly outOfOrder: number;
  };
  readonly markouts: readonly {
    readonly horizonNs: number;
    readonly ticksALot: number | null;
    readonly lots: string;
  }[];
}

export interface LaneOutcome {
  readonly summary: {
    readonly runHash: string;
    readonly startNs: string;
    readonly endNs: string;
    readonly events: number;
    readonly gateway: GatewaySummary | null;
    readonly instruments: readonly InstrumentSummary[];
  };
  /** Receive time of the last book or trade the strategy was shown, ns since the epoch as text; the start where there was none. */
  readonly seenToNs: string;
  readonly fills: Float64Array;
  readonly samples: Float64Array;
  readonly host: Readonly<HostStats>;
  readonly breaker: string;
  readonly lastError: string;
}

/** Recorded times are texts of digits; the core reads them as whole numbers. */
function exactTimes(key: string, value: unknown): unknown {
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
  if (key === "untilNs") return rawJSON(value as string);
  return key === "rows" ? (value as string[][]).map((row) => row.map(rawJSON)) : value;
}

/** One intent as it left the strategy. */
export interface SentIntent {
  /** Time of the event it answers, ns since the epoch as text. */
  readonly at: string;
  readonly kind: number;
  readonly instrument: number;
  readonly side: number;
  readonly pxTicks: number;
  readonly qtyLots: number;
  readonly tif: number;
}

/** What part of the tapes a run sees; all of it unless told. */
export interface Part {
  /** Rows from this time on are not there, ns since the epoch as text. */
  readonly untilNs?: string;
  /** The market goes on for so long before the strategy begins. */
  readonly skipNs?: number;
}

/** What may be asked of a run beside what decides it. */
export interface RunMore {
  readonly part?: Part;
  readonly onIntent?: (intent: SentIntent) => void;
  /** Intents one event may cause; the strategy runner's own setting has the same range. */
  readonly maxIntentsPerEvent?: number;
  /** Called when everything is in memory and the first event is next, and when the tapes are over: for a clock outside. */
  readonly onBegin?: () => void;
  readonly onEnd?: () => void;
}

/** Called now and then with how much of the tapes' time has passed, 0 to 1. */
export type Progress = (part: number) => void;
const POLLS_PER_WORD = 4_096;
/** A thread has one lane, and a run that waits its turn still holds it. */
let held = false;
/** Lets timers and messages of the process have their turn: a lease that is kept by a timer outlives a long run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Runs a strategy from the first row to the last, then stops it and lets its cancels come back. Nothing in it reads a clock, so the
 * same call gives the same outcome; a handler's time is not bounded here.
 *
 * Errors  the configuration, a tape or a bound of the lane; a second run of the same thread before the first has ended
 */
export async function runLane(
  definition: AnyStrategy,
  spec: LaneSpec,
  spanNs: number,
  progress: Progress = () => {},
  { part = {}, onIntent, ...more }: RunMore = {},
): Promise<LaneOutcome> {
  if (held) throw new Error("a backtest runs in this thread already: await it, or use another");
  const tickNs = definition.timerMs === undefined ? TICK_NS : Math.round(definition.timerMs * 1e6);
  const { queue, fill, sampleNs, instruments, limits } = spec;
  const config = JSON.stringify(
    { instruments, queue, fill, sampleNs, tickNs, epoch: EPOCH, limits, ...part },
    exactTimes,
  );
  let ended = false;
  let [events, intent]: Float64Array[] = [];
  let startNs = 0n;
  let seenNs = 0;
  let stopping = false;
  const submit = (): number => {
    const answer = backtestSubmit();
    // What is cancelled because the tapes are over is the platform's, not the strategy's.
    if (onIntent === undefined || stopping || answer !== Submit.OK) return answer;
    const get = (place: number) => intent?.[place] ?? Number.NaN;
    const index = get(IntentAt.EVENT_INDEX);
    // An intent that answers no event in the batch leaves at the time the run has come to.
    const at = index < 0 ? backtestNow() : (events?.[index * EVENT_DOUBLES + Event.NOW_NS] ?? 0);
    onIntent({
      at: String(startNs + BigInt(at)),
      kind: get(IntentAt.KIND),
      instrument: get(IntentAt.INSTRUMENT),
      side: get(IntentAt.SIDE),
      pxTicks: get(IntentAt.PX),
      qtyLots: get(IntentAt.QTY),
      tif: get(IntentAt.TIF),
    });
    return answer;
  };
  const pump = new Pump({
    definition,
    params: spec.params,
    instruments: instruments.map(({ row: { id, venue_id: venueId, symbol, kind } }) => {
      return { id, venueId, symbol, kind: kind === "spot" ? "spot" : "perp" };
    }),
    lane: {
      strategyId: (limits ?? NOBODY).strategyId,
      sessionEpoch: EPOCH,
      accountId: (limits ?? NOBODY).accountId,
      instrumentTableVersion: 1,
      mdUrl: "",
      intentUrl: "",
      topics: [],
    },
    seed: spec.seed,
    maxIntentsPerEvent: more.maxIntentsPerEvent ?? INTENTS_PER_EVENT_MAX,
    eventBudgetMs: 1,
    // No wall clock: how long a handler took must not decide what it may do.
    elapsedMs: () => 0,
    port: {
      open: (_, inEvents, outIntent) => {
        backtestOpen(config, inEvents, outIntent);
        [events, intent] = [inEvents, outIntent];
        startNs = BigInt((JSON.parse(backtestSummary()) as LaneOutcome["summary"]).startNs);
      },
      poll: () => {
        const count = backtestPoll();
        ended = count < 0;
        // A batch is of market data or one answer, so that its last event tells for all.
        const last = (count - 1) * EVENT_DOUBLES;
        const kind = count > 0 ? events?.[last + Event.KIND] : undefined;
        if (kind === EventKind.BOOK_TOP || kind === EventKind.TRADE) {
          seenNs = events?.[last + Event.NOW_NS] ?? seenNs;
        }
        return Math.max(count, 0);
      },
      submit,
      stats: backtestSummary,
      close: backtestClose,
    },
  });
  held = true;
  try {
    more.onBegin?.();
    pump.start();
    for (let polls = 0; !ended; polls += 1) {
      pump.run(backtestNow);
      if (polls % POLLS_PER_WORD !== 0) continue;
      progress(Math.min(1, backtestNow() / Math.max(1, spanNs)));
      await turn();
    }
    more.onEnd?.();
    ended = false;
    stopping = true;
    pump.stop(() => !ended);
    const { host } = pump;
    return {
      summary: JSON.parse(backtestSummary()) as LaneOutcome["summary"],
      seenToNs: String(startNs + BigInt(seenNs)),
      fills: backtestRows("fills"),
      samples: backtestRows("samples"),
      host: { ...host.stats },
      breaker: host.breaker,
      lastError: host.lastError,
    };
  } finally {
    held = false;
    pump.close();
  }
}
