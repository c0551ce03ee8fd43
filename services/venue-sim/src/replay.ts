/** Pacing and rewriting of a recording: pure, told the time, never asking for it. */

import type { MarketId } from "./markets.ts";
import type { Sample, SampleRecord } from "./sample.ts";

/** Wall time between the end of a recording and its next start; the venue is away in between. */
export const ROLL_PAUSE_MS = 1_000;
/** How long before a planned end the venue says so. */
export const SHUTDOWN_NOTICE_MS = 2_000;

export interface Timeline {
  readonly startedMs: number;
  readonly speed: number;
  readonly spanMs: number;
}

export interface Position {
  /** How often the recording has started before. */
  readonly pass: number;
  /** Recorded time within the pass, ns; the whole span during the pause. */
  readonly atNs: number;
}

/** Wall time one pass takes, pause included. */
export function passMs({ spanMs, speed }: Timeline): number {
  return spanMs / speed + ROLL_PAUSE_MS;
}

/** Where in the recording the wall clock stands. Before the start it is the start. */
export function locate(timeline: Timeline, nowMs: number): Position {
  const sinceMs = Math.max(0, nowMs - timeline.startedMs);
  const whole = passMs(timeline);
  const pass = Math.floor(sinceMs / whole);
  const withinMs = Math.min((sinceMs - pass * whole) * timeline.speed, timeline.spanMs);
  return { pass, atNs: withinMs * 1e6 };
}

/** Wall time at which a record is due. */
export function dueMs(timeline: Timeline, pass: number, atNs: number): number {
  return timeline.startedMs + pass * passMs(timeline) + atNs / 1e6 / timeline.speed;
}

/** What is added to recorded times and ids in one pass: one constant each. */
export interface Shift {
  readonly timeMs: number;
  readonly updateId: Readonly<Record<MarketId, number>>;
  readonly tradeId: Readonly<Record<MarketId, number>>;
}

/**
 * The shift of one pass.
 *
 * Units  ms; chosen so that at speed 1 no shifted venue time lies ahead of the wall clock when its message leaves:
 *        the collector's clock skew is taken out once, the jitter between messages stays as recorded
 */
export function shiftOf(sample: Sample, timeline: Timeline, pass: number): Shift {
  const startMs = timeline.startedMs + pass * passMs(timeline);
  return {
    timeMs: Math.floor(startMs - sample.firstMs + sample.lagMsMin) - 1,
    updateId: {
      spot: sample.updateIdSpan.spot * pass,
      usdm: sample.updateIdSpan.usdm * pass,
    },
    tradeId: { spot: sample.tradeIdSpan.spot * pass, usdm: sample.tradeIdSpan.usdm * pass },
  };
}

const TIMES = /"([ET])":(\d+)/g;
const TIMES_AND_IDS = /"(E|T|u|U|pu|t)":(\d+)/g;

/** The recorded text with times and ids moved; every other byte as recorded. Keys of these names hold integers only. */
export function rewrite(record: SampleRecord, shift: Shift): string {
  const updateId = shift.updateId[record.market];
  const tradeId = shift.tradeId[record.market];
  if (updateId === 0 && tradeId === 0) {
    return record.text.replace(
      TIMES,
      (_, key: string, digits: string) => `"${key}":${Number(digits) + shift.timeMs}`,
    );
  }
  return record.text.replace(TIMES_AND_IDS, (_, key: string, digits: string) => {
    const by = key === "E" || key === "T" ? shift.timeMs : key === "t" ? tradeId : updateId;
    return `"${key}":${Number(digits) + by}`;
  });
}

export type ReplayEffect =
  | { readonly kind: "record"; readonly record: SampleRecord }
  | { readonly kind: "shutdown_notice" }
  | { readonly kind: "disconnect" }
  | { readonly kind: "begin"; readonly pass: number };

/** Walks the recording: `due(now)` gives what has become due, in order, once. */
export class Replay {
  readonly sample: Sample;
  readonly timeline: Timeline;
  #pass = 0;
  #next = 0;
  #begun = false;
  #noticed = false;
  #ended = false;

  constructor(sample: Sample, timeline: Timeline) {
    this.sample = sample;
    this.timeline = timeline;
  }

  get pass(): number {
    return this.#pass;
  }

  get shift(): Shift {
    return shiftOf(this.sample, this.timeline, this.#pass);
  }

  /** The records before the wall-derived position, not to be sent: a restarted venue builds its book from them. */
  resume(nowMs: number): { readonly pass: number; readonly past: readonly SampleRecord[] } {
    const { pass, atNs } = locate(this.timeline, nowMs);
    const after = this.sample.records.findIndex((record) => record.atNs > atNs);
    const next = after < 0 ? this.sample.records.length : after;
    this.#pass = pass;
    this.#next = next;
    this.#begun = true;
    return { pass, past: this.sample.records.slice(0, next) };
  }

  /** Everything due by `nowMs`, at most `max` effects; call again while it returns `max`. */
  due(nowMs: number, max: number): ReplayEffect[] {
    const out: ReplayEffect[] = [];
    const { records, spanNs } = this.sample;
    while (out.length < max) {
      if (!this.#begun) {
        if (dueMs(this.timeline, this.#pass, 0) > nowMs) break;
        this.#begun = true;
        out.push({ kind: "begin", pass: this.#pass });
        continue;
      }
      const endMs = dueMs(this.timeline, this.#pass, spanNs);
      if (
        !this.#noticed &&
        endMs - SHUTDOWN_NOTICE_MS <= nowMs &&
        records[this.#next] !== undefined
      ) {
        // Only once the records before the notice are out, so that order is the same at any tick.
        const record = records[this.#next];
        if (
          record === undefined ||
          dueMs(this.timeline, this.#pass, record.atNs) >= endMs - SHUTDOWN_NOTICE_MS
        ) {
          this.#noticed = true;
          out.push({ kind: "shutdown_notice" });
          continue;
        }
      }
      const record = records[this.#next];
      if (record !== undefined) {
        if (dueMs(this.timeline, this.#pass, record.atNs) > nowMs) break;
        this.#next += 1;
        out.push({ kind: "record", record });
        continue;
      }
      if (!this.#ended) {
        this.#ended = true;
        out.push({ kind: "disconnect" });
        continue;
      }
      if (dueMs(this.timeline, this.#pass + 1, 0) > nowMs) break;
      this.#pass += 1;
      this.#next = 0;
      this.#begun = false;
      this.#noticed = false;
      this.#ended = false;
    }
    return out;
  }

  /** Wall time of the next effect. */
  nextDueMs(): number {
    const record = this.sample.records[this.#next];
    if (!this.#begun) return dueMs(this.timeline, this.#pass, 0);
    if (record === undefined) return dueMs(this.timeline, this.#pass + 1, 0);
    return dueMs(this.timeline, this.#pass, record.atNs);
  }

  /** The last update id of the next depth message of a market in this pass, unshifted; null when none follows. */
  nextDepthId(market: MarketId): number | null {
    const { records } = this.sample;
    for (let at = this.#next; at < records.length; at += 1) {
      const record = records[at];
      if (record !== undefined && record.market === market && record.kind === "depth")
        return record.id;
    }
    return null;
  }
}
