import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  dueMs,
  locate,
  passMs,
  Replay,
  ROLL_PAUSE_MS,
  rewrite,
  SHUTDOWN_NOTICE_MS,
  shiftOf,
} from "./replay.ts";
import { merge, parseFile } from "./sample.ts";

const RECV0 = 1_723_161_255_000_000_000n;

/** A spot recording: one line every `stepMs` over `count` lines, the collector's clock `lagMs` off. */
function recording(count: number, stepMs: number, lagMs = -1_270) {
  const lines: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const recv = RECV0 + BigInt(n * stepMs) * 1_000_000n;
    const venueMs = Number(recv / 1_000_000n) - lagMs;
    const id = 100 + n * 10;
    lines.push(
      n === 0
        ? `${recv} {"lastUpdateId":${id},"bids":[["10.00","1"]],"asks":[["11.00","1"]]}`
        : `${recv} {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":${venueMs},"s":"BTCUSDT","U":${id - 9},"u":${id},"b":[["10.00","2"]],"a":[]}}`,
    );
  }
  return merge([parseFile("made", lines.join("\n"))]);
}

describe("the timeline", () => {
  it("locate() and dueMs() are inverse, at any speed and pass", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 0, max: 5 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (speed, spanMs, pass, part) => {
          const timeline = { startedMs: 1_000_000, speed, spanMs };
          const atNs = Math.floor(part * spanMs * 1e6);
          const found = locate(timeline, dueMs(timeline, pass, atNs));
          if (found.pass === pass) expect(Math.abs(found.atNs - atNs)).toBeLessThan(2_000 * speed);
          else expect(found.pass).toBe(pass - 1); // rounding at the very start of a pass
        },
      ),
    );
  });

  it("a pass lasts the recording at its speed and the pause", () => {
    expect(passMs({ startedMs: 0, speed: 2, spanMs: 10_000 })).toBe(5_000 + ROLL_PAUSE_MS);
    expect(locate({ startedMs: 500, speed: 1, spanMs: 100 }, 0)).toEqual({ pass: 0, atNs: 0 });
  });
});

describe("the replay, its clock turned by hand", () => {
  it("gives each record once, in order, when it is due and not before", () => {
    const sample = recording(50, 100);
    const timeline = { startedMs: 1_000, speed: 1, spanMs: sample.spanNs / 1e6 };
    const replay = new Replay(sample, timeline);
    expect(replay.due(999, 10)).toEqual([]);
    const seen: number[] = [];
    for (let now = 1_000; now < 1_000 + timeline.spanMs; now += 37) {
      for (const effect of replay.due(now, 1_000)) {
        if (effect.kind !== "record") continue;
        expect(1_000 + effect.record.atNs / 1e6).toBeLessThanOrEqual(now);
        seen.push(effect.record.id);
      }
      expect(replay.nextDueMs()).toBeGreaterThan(now);
    }
    expect(seen).toEqual(sample.records.slice(0, seen.length).map(({ id }) => id));
    expect(seen.length).toBeGreaterThanOrEqual(49);
  });

  it("the order of effects does not depend on how often it is asked", () => {
    const sample = recording(80, 100);
    const timeline = { startedMs: 0, speed: 4, spanMs: sample.spanNs / 1e6 };
    const walk = (steps: readonly number[]) => {
      const replay = new Replay(sample, timeline);
      const out: string[] = [];
      for (const now of steps) {
        for (const effect of replay.due(now, 100_000)) {
          out.push(effect.kind === "record" ? String(effect.record.id) : effect.kind);
        }
      }
      return out;
    };
    const end = passMs(timeline) * 2.5;
    const coarse = walk([end]);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: Math.floor(end) }), { maxLength: 30 }),
        (steps) => {
          expect(walk([...steps.sort((a, b) => a - b), end])).toEqual(coarse);
        },
      ),
    );
    expect(coarse.filter((kind) => kind === "begin")).toHaveLength(3);
    expect(coarse.filter((kind) => kind === "disconnect")).toHaveLength(2);
  });

  it("announces a planned end before it, then disconnects, pauses and begins again", () => {
    const sample = recording(60, 100);
    const timeline = { startedMs: 0, speed: 1, spanMs: sample.spanNs / 1e6 };
    const replay = new Replay(sample, timeline);
    const before = replay
      .due(timeline.spanMs - SHUTDOWN_NOTICE_MS - 1, 1_000)
      .map(({ kind }) => kind);
    expect(before).not.toContain("shutdown_notice");
    expect(
      replay.due(timeline.spanMs - SHUTDOWN_NOTICE_MS, 1_000).map(({ kind }) => kind),
    ).toContain("shutdown_notice");
    expect(replay.due(timeline.spanMs, 1_000).at(-1)?.kind).toBe("disconnect");
    expect(replay.due(timeline.spanMs + ROLL_PAUSE_MS - 1, 1_000)).toEqual([]);
    expect(replay.due(timeline.spanMs + ROLL_PAUSE_MS, 1_000)[0]).toEqual({
      kind: "begin",
      pass: 1,
    });
  });

  it("resumes where the wall clock stands and hands over what went before", () => {
    const sample = recording(60, 100);
    const timeline = { startedMs: 0, speed: 1, spanMs: sample.spanNs / 1e6 };
    const replay = new Replay(sample, timeline);
    const { pass, past } = replay.resume(2_050);
    expect([pass, past.length]).toEqual([0, 21]);
    expect(replay.due(2_150, 10).map((e) => e.kind === "record" && e.record.atNs / 1e6)).toEqual([
      2_100,
    ]);
    const later = new Replay(sample, timeline);
    expect(later.resume(passMs(timeline) + 250).past.length).toBe(3);
    expect(later.pass).toBe(1);
  });
});

describe("rewriting", () => {
  const sample = recording(40, 100);
  const timeline = { startedMs: 1_900_000_000_000, speed: 1, spanMs: sample.spanNs / 1e6 };

  it("moves every venue time by one constant and leaves every other byte", () => {
    const shift = shiftOf(sample, timeline, 0);
    for (const record of sample.records) {
      const text = rewrite(record, shift);
      const before = JSON.parse(record.text) as Record<string, unknown>;
      const after = JSON.parse(text) as Record<string, unknown>;
      if (before["E"] !== undefined) expect(after["E"]).toBe(Number(before["E"]) + shift.timeMs);
      expect({ ...after, E: 0 }).toEqual({ ...before, E: 0 });
    }
  });

  it("no venue time lies ahead of the wall clock at its sending, and the lag stays small", () => {
    const shift = shiftOf(sample, timeline, 0);
    for (const record of sample.records.slice(1)) {
      const event = Number(/"E":(\d+)/.exec(rewrite(record, shift))?.[1]);
      const wall = dueMs(timeline, 0, record.atNs);
      expect(event).toBeLessThanOrEqual(wall);
      expect(wall - event).toBeLessThan(3);
    }
  });

  it("ids of the next pass lie above all ids of the one before", () => {
    const ids = (pass: number) =>
      sample.records
        .slice(1)
        .map((record) =>
          Number(/"u":(\d+)/.exec(rewrite(record, shiftOf(sample, timeline, pass)))?.[1]),
        );
    expect(Math.min(...ids(1))).toBeGreaterThan(Math.max(...ids(0)));
    expect(Math.min(...ids(2))).toBeGreaterThan(Math.max(...ids(1)));
  });
});
