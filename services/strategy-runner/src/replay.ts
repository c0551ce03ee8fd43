/** A strategy's session run once more from its input-order log, on the pump that ran it live. */

import { createHash } from "node:crypto";
import { EVENT_DOUBLES, INTENT_DOUBLES } from "@tidegate/rust-core/strategy-layout";
import { type AnyStrategy, type HostStats, Submit } from "@tidegate/strategy-sdk";
import { type InputHeader, type InputRecord, Kind, paramsOf } from "./inputs.ts";
import type { StrategyPort } from "./port.ts";
import { Pump } from "./pump.ts";

/** What a replay is given beside the log. */
export interface ReplayOptions {
  readonly definition: AnyStrategy;
  readonly header: InputHeader;
  readonly records: readonly InputRecord[];
  /**
   * What the strategy is shown in place of a logged event, from where it was recorded a second time; the row itself where there is
   * nothing else. Absent: what was logged.
   */
  readonly shown?: (row: Float64Array) => Float64Array;
  /** Handlers take no time, as in a backtest; absent: those that overran live overrun again. */
  readonly timeless?: boolean;
}

export interface Replayed {
  readonly turns: number;
  readonly events: number;
  /** Intents the lane took live. */
  readonly live: number;
  /** Intents it would have taken in the replay. */
  readonly replayed: number;
  /** Intents of either that the other has not, or has otherwise. */
  readonly unequal: number;
  readonly first: string | null;
  readonly liveHash: string;
  readonly replayHash: string;
  /** Every intent of the replay, as its view stood; one whose answer a kill cut off comes last. */
  readonly intents: readonly Float64Array[];
  /** Of them, how many have no answer in the log: 0, or 1 where a kill cut it off. */
  readonly unanswered: number;
  readonly stats: HostStats;
}

const same = (a: Float64Array, b: Float64Array): boolean => {
  for (let at = 0; at < INTENT_DOUBLES; at += 1)
    if (!Object.is(a[at] ?? 0, b[at] ?? 0) && (a[at] ?? 0) !== (b[at] ?? 0)) return false;
  return true;
};
const whole = (row: Float64Array, doubles: number): Float64Array => {
  const out = new Float64Array(doubles);
  out.set(row);
  return out;
};

/** Runs a session once more. Pure but for the strategy itself: the same log gives the same outcome. */
export function replayInputs(options: ReplayOptions): Replayed {
  const { definition, header, records, shown = (row) => row, timeless = false } = options;
  const overruns = new Map(
    records
      .filter(({ kind }) => kind === Kind.OVERRUN)
      .map(({ time, rows }) => [rows[0]?.[0] ?? 0, time] as const),
  );
  const steps = records.filter(({ kind }) => kind !== Kind.OVERRUN);
  const [liveHash, replayHash] = [createHash("sha256"), createHash("sha256")];
  const intents: Float64Array[] = [];
  const sums = { turns: 0, events: 0, live: 0, replayed: 0, unequal: 0, unanswered: 0 };
  let first: string | null = null;
  let at = 0;
  let [events, out]: Float64Array[] = [];
  const differs = (what: string): void => {
    sums.unequal += 1;
    first ??= `step ${at}: ${what}`;
  };
  const told = (intent: Float64Array) => [...intent.subarray(0, 13)].join(" ");
  /** Answers the live session had that this one did not ask for. */
  const skipAnswers = (): void => {
    for (let next = steps[at]; next?.kind === Kind.ANSWER; next = steps[at]) {
      if (next.code === Submit.OK) {
        sums.live += 1;
        liveHash.update(whole(next.rows[0] ?? new Float64Array(0), INTENT_DOUBLES));
      }
      differs(`live sent ${told(next.rows[0] ?? new Float64Array(0))}, the replay did not`);
      at += 1;
    }
  };
  const port: StrategyPort = {
    open: (_, inEvents, outIntent) => {
      [events, out] = [inEvents, outIntent];
    },
    poll() {
      const turn = steps[at];
      if (turn?.kind !== Kind.TURN) return 0;
      at += 1;
      sums.turns += 1;
      sums.events += turn.rows.length;
      events?.fill(0);
      for (const [index, row] of turn.rows.entries())
        events?.set(shown(row), index * EVENT_DOUBLES);
      return turn.rows.length;
    },
    submit() {
      const intent = Float64Array.from(out ?? []);
      const answer = steps[at];
      if (answer?.kind !== Kind.ANSWER) {
        // A kill came before the answer of at most one intent was written; whatever would follow it was never sent.
        if (answer === undefined && sums.unanswered > 0) return Submit.NOT_SYNCED;
        intents.push(intent);
        if (answer === undefined) sums.unanswered += 1;
        else differs(`the replay sent ${told(intent)}, live did not`);
        return Submit.OK;
      }
      at += 1;
      const was = whole(answer.rows[0] ?? new Float64Array(0), INTENT_DOUBLES);
      if (answer.code === Submit.OK) {
        sums.live += 1;
        sums.replayed += 1;
        liveHash.update(was);
        replayHash.update(intent);
        intents.push(intent);
      }
      if (!same(was, intent)) differs(`live ${told(was)}, replay ${told(intent)}`);
      return answer.code;
    },
    stats: () => "{}",
    close: () => undefined,
  };
  let calls = 0;
  let elapsed = 0;
  const pump = new Pump({
    definition,
    params: header.params,
    instruments: header.instruments,
    lane: header.lane,
    seed: header.seed,
    maxIntentsPerEvent: header.maxIntentsPerEvent,
    eventBudgetMs: header.eventBudgetMs,
    staleEventMs: header.staleEventMs,
    elapsedMs: () => {
      calls += 1;
      if (!timeless) elapsed += overruns.get(calls) ?? 0;
      return elapsed;
    },
    port,
    ...(header.restored === null ? {} : { restored: header.restored }),
    ...(header.featureSetHash === null ? {} : { featureSetHash: header.featureSetHash }),
  });
  pump.start();
  skipAnswers();
  while (at < steps.length) {
    const step = steps[at];
    if (step?.kind === Kind.STOP) {
      at += 1;
      pump.stop(() => {
        skipAnswers();
        return steps[at]?.kind === Kind.TURN;
      });
    } else if (step?.kind === Kind.PARAMS) {
      at += 1;
      const refused = pump.reload(paramsOf(step));
      if (refused !== null) differs(`live took params that the replay refuses: ${refused}`);
    } else {
      pump.run(() => step?.time ?? 0);
    }
    skipAnswers();
  }
  return {
    ...sums,
    first,
    liveHash: liveHash.digest("hex"),
    replayHash: replayHash.digest("hex"),
    intents,
    stats: { ...pump.host.stats },
  };
}
