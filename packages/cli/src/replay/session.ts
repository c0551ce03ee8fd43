/** A captured session, read from its run folder: what each process was given, and what the recorder kept beside. */

import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { decodeEnvelope } from "@tidegate/contracts";
import {
  type GatewayReplay,
  type GatewayReplayRequest,
  gatewayIntentsGiven,
  gatewayReplay,
  strategyRow,
  walReadBlock,
  walSegments,
} from "@tidegate/rust-core";
import { Event, EventKind } from "@tidegate/rust-core/strategy-layout";
import {
  type InputHeader,
  type InputRecord,
  Kind,
  readInputs,
} from "@tidegate/strategy-runner/inputs";
import { loadStrategy } from "@tidegate/strategy-runner/load";
import { type Replayed, replayInputs } from "@tidegate/strategy-runner/replay";
import type { AnyStrategy } from "@tidegate/strategy-sdk";
import { UsageError } from "../sim/options.ts";

/** Messages of market data that one comparison holds. */
const MESSAGES_MAX = 8_000_000;
const KINDS: Readonly<Record<number, string>> = {
  [EventKind.BOOK_TOP]: "top",
  [EventKind.TRADE]: "trade",
  [EventKind.STATUS]: "status",
};

/** One session of one strategy. */
export interface StrategySession {
  readonly strategy: number;
  readonly epoch: number;
  readonly path: string;
}

/** The folders of a captured run. */
export class Session {
  readonly dir: string;
  readonly inputs: string;

  /** Errors  the folder is no captured run, with the remedy */
  constructor(dir: string) {
    this.dir = resolve(dir);
    this.inputs = join(this.dir, "inputs");
    if (!existsSync(this.inputs)) {
      throw new UsageError(
        `--session ${dir}: it has no inputs/; want the folder of a run with --capture --keep`,
      );
    }
  }

  /** By strategy, then by epoch. */
  get strategies(): StrategySession[] {
    return readdirSync(this.inputs)
      .flatMap((name) => {
        const [, strategy, epoch] = /^strategy-(\d+)\.(\d+)\.inputs$/.exec(name) ?? [];
        if (strategy === undefined || epoch === undefined) return [];
        const path = join(this.inputs, name);
        return [{ strategy: Number(strategy), epoch: Number(epoch), path }];
      })
      .sort((a, b) => a.strategy - b.strategy || a.epoch - b.epoch);
  }

  /** The gateway's part, decided once more. */
  async gateway(
    files: { readonly instrumentsFile: string; readonly limitsFile: string },
    scratchDir: string,
    plant?: GatewayReplayRequest["plant"],
  ): Promise<GatewayReplay> {
    return gatewayReplay({
      ...files,
      journalDir: join(this.dir, "journal/gateway"),
      inputLogDir: this.inputs,
      scratchDir,
      ...(plant === undefined ? {} : { plant }),
    });
  }

  /** The intents that came to the gateway, by their id: the first time each came. */
  given(): Map<string, string> {
    const first = new Map<string, string>();
    for (const [, id, ...rest] of gatewayIntentsGiven(this.inputs))
      if (!first.has(id)) first.set(id, rest.join(" "));
    return first;
  }

  /** Market data as the recorder kept it. */
  market(): RecordedMarket {
    return new RecordedMarket(join(this.dir, "wal"));
  }
}

/** What a strategy sent, in the words of {@link Session.given}. */
export function inWords(intent: Float64Array, { lane }: InputHeader): [id: string, words: string] {
  const at = (place: number) => intent[place] ?? 0;
  const id = (strategy: number, epoch: number, seq: number) =>
    seq === 0
      ? ""
      : `${strategy.toString(16).padStart(8, "0")}${epoch.toString(16).padStart(8, "0")}${seq.toString(16).padStart(16, "0")}`;
  const targetSeq = at(9);
  const target = targetSeq === 0 ? "" : id(lane.strategyId, at(10) || lane.sessionEpoch, targetSeq);
  const words = [at(0), at(1), at(3), at(4), at(5), at(6), at(7), target];
  return [id(lane.strategyId, lane.sessionEpoch, at(8)), words.join(" ")];
}

/** The messages of the market-data streams in a WAL, by stream, epoch and number. */
export class RecordedMarket {
  readonly #messages = new Map<string, Buffer>();
  /** Epochs of each stream: of one that began anew its numbers begin anew. */
  readonly #epochs = new Map<string, number[]>();
  /** Per stream of trades, the venue's time of the last and the time that passed between all of them. */
  readonly #traded = new Map<string, { last: bigint; passed: bigint }>();

  constructor(wal: string) {
    for (const { path } of walSegments(wal)) {
      for (let item = walReadBlock(path, 0); item?.kind === "block"; ) {
        for (const { type, stream, epoch, seq, payload } of item.records) {
          if (type !== "DATA" || !stream.startsWith("md.") || stream.endsWith(".depth.")) continue;
          const epochs = this.#epochs.get(stream) ?? [];
          if (!epochs.includes(epoch)) this.#epochs.set(stream, [...epochs, epoch]);
          this.#messages.set(`${stream}${epoch}.${seq}`, payload);
          if (stream.endsWith(".trade.")) this.#time(stream, payload);
        }
        if (this.#messages.size > MESSAGES_MAX)
          throw new UsageError(
            `the WAL has more than ${MESSAGES_MAX} messages: want a shorter run`,
          );
        item = walReadBlock(path, item.next);
      }
    }
  }

  #time(stream: string, payload: Buffer): void {
    const decoded = decodeEnvelope(payload);
    if (!decoded.ok || decoded.envelope.payload.kind !== "trade") return;
    const at = decoded.envelope.payload.value.tsVenueNs;
    const was = this.#traded.get(stream) ?? { last: at, passed: 0n };
    // A recording that begins again goes back in time: that is no time that passed.
    if (at > was.last) was.passed += at - was.last;
    was.last = at;
    this.#traded.set(stream, was);
  }

  /** Market time of the session by the venue's own stamps on its trades, of the market that has most. */
  get seconds(): number {
    return Math.max(0, ...[...this.#traded.values()].map(({ passed }) => Number(passed) / 1e9));
  }

  /**
   * What the strategy is shown of an event: its message out of the WAL, at the time it arrived. Null where the WAL has no such
   * message; the row itself where it is none of the market's.
   */
  shown(row: Float64Array, venues: ReadonlyMap<number, number>): Float64Array | null {
    const kind = KINDS[row[Event.KIND] ?? 0];
    const seq = row[Event.SEQ] ?? 0;
    if (kind === undefined || seq === 0) return row;
    const instrument = row[Event.INSTRUMENT] ?? 0;
    const stream = `md.${venues.get(instrument) ?? 0}.${instrument}.${kind}.`;
    // Of two epochs the later: a run that is compared does not restart its market data.
    const epoch = this.#epochs.get(stream)?.at(-1) ?? 0;
    const payload = this.#messages.get(`${stream}${epoch}.${seq}`);
    const shown = payload === undefined ? null : strategyRow(payload, row[Event.NOW_NS] ?? 0);
    if (shown === null) return null;
    shown[Event.SEQ] = seq;
    return shown;
  }
}

/** What one strategy's session came to. */
export interface StrategyTold {
  readonly strategy: number;
  readonly epoch: number;
  readonly name: string;
  readonly replay: Replayed;
  readonly again: Replayed;
  readonly backtest: Replayed;
  /** Market events whose recorded message is missing or shows something else than the strategy was shown. */
  readonly marketUnequal: number;
  readonly marketEvents: number;
  /** Intents that the gateway was given otherwise than the replay sends them, or never. */
  readonly givenUnequal: number;
  readonly ids: readonly string[];
  readonly free: number;
  readonly torn: number;
}

/** Faults that can be planted into what a strategy is given. */
export type StrategyPlant = "event" | "recorded" | "twice" | "lockstep";

/** As a session would be whose market waits for every strategy: one event a turn. */
const stepwise = (records: readonly InputRecord[]): readonly InputRecord[] =>
  records.flatMap((record) =>
    record.kind === Kind.TURN && record.rows.length > 1
      ? record.rows.map((row) => ({ ...record, rows: [row] }))
      : [record],
  );

/** Events that waited while another was handled: nobody held the market back until the strategy had answered. */
export function freeEvents(records: readonly InputRecord[]): number {
  return records.reduce(
    (sum, { kind, rows }) => sum + (kind === Kind.TURN ? Math.max(0, rows.length - 1) : 0),
    0,
  );
}

/** One tick more on the bid of the events from the middle on. */
function shifted(row: Float64Array): Float64Array {
  if (row[Event.KIND] !== EventKind.BOOK_TOP) return row;
  const out = Float64Array.from(row);
  out[4] = (out[4] ?? 0) + 50;
  out[6] = (out[6] ?? 0) + 50;
  return out;
}

/**
 * Runs a strategy's session three times: from its log, from its log again, and over the recorded market at the recorded arrival times
 * with the recorded answers, as a backtest runs it: handlers take no time.
 */
export async function strategyTold(
  { strategy, epoch, path }: StrategySession,
  market: RecordedMarket,
  given: ReadonlyMap<string, string>,
  plant: StrategyPlant | null,
): Promise<StrategyTold> {
  const { header, records, torn } = readInputs(path);
  // Each run has the file's own module: what one leaves in it is not the next one's.
  const load = async (): Promise<AnyStrategy> => loadStrategy(header.file);
  const venues = new Map(header.instruments.map(({ id, venueId }) => [id, venueId]));
  const replay = replayInputs({
    ...{ definition: await load(), header, records },
    ...(plant === "event" ? { shown: shifted } : {}),
  });
  const again = replayInputs({
    ...{ definition: await load(), header },
    records: plant === "twice" ? records.slice(0, Math.floor(records.length / 2)) : records,
    ...(plant === "event" ? { shown: shifted } : {}),
  });
  let [marketUnequal, marketEvents] = [0, 0];
  const backtest = replayInputs({
    ...{ definition: await load(), header, records, timeless: true },
    shown: (row) => {
      const shown = market.shown(row, venues);
      if (shown === row) return row;
      marketEvents += 1;
      const equal = shown?.every((value, at) => Object.is(value, row[at] ?? 0)) === true;
      if (!equal) marketUnequal += 1;
      return plant === "recorded" ? shifted(shown ?? row) : (shown ?? row);
    },
  });
  const ids: string[] = [];
  let givenUnequal = 0;
  for (const [at, intent] of replay.intents.entries()) {
    const [id, words] = inWords(intent, header);
    const there = given.get(id);
    // What a kill cut off may never have left; what left is what the replay sends.
    const cut = at >= replay.intents.length - replay.unanswered;
    if (there === undefined ? !cut : there !== words) givenUnequal += 1;
    ids.push(id);
  }
  return {
    ...{ strategy, epoch, name: (await load()).id, replay, again, backtest },
    ...{ marketUnequal, marketEvents, givenUnequal, ids, torn },
    free: freeEvents(plant === "lockstep" ? stepwise(records) : records),
  };
}
