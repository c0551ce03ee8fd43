import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BookTopAt,
  EVENT_DOUBLES,
  Event,
  EventKind,
  IntentAt,
  IntentReplyAt,
  LinkAt,
  OrderUpdateAt,
  PolicyAt,
} from "@tidegate/rust-core/strategy-layout";
import {
  type AnyStrategy,
  defineStrategy,
  OrderState,
  PARAMS_CHARS_MAX,
  Policy,
  Submit,
  seededRandom,
  Tif,
} from "@tidegate/strategy-sdk";
import { afterEach, expect, it } from "vitest";
import { z } from "zod";
import { type InputHeader, InputWriter, Kind, paramsOf, readInputs } from "./inputs.ts";
import type { StrategyPort } from "./port.ts";
import { Pump } from "./pump.ts";
import { replayInputs } from "./replay.ts";

const dirs: string[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** Quotes at random, by time and by the book; throws now and then, and now and then takes long. */
const makeQuoter = (clock: { ms: number }): AnyStrategy =>
  defineStrategy({
    id: "quoter",
    params: z.object({ depth: z.number().int().min(1).default(9), name: z.string().default("a") }),
    fixedParams: ["name"],
    timerMs: 7,
    state: () => ({ open: [] as number[] }),
    onBookTop(ctx, top) {
      if (ctx.random() < 0.02) clock.ms += 80;
      if (ctx.random() < 0.01) throw new Error("now and then");
      const ref = ctx.buy(2, top.bidPxTicks - Math.floor(ctx.random() * ctx.params.depth), 1, {
        tif: Tif.POST_ONLY,
      });
      if (ref !== 0) ctx.state.open.push(ref);
    },
    onTimer(ctx) {
      const ref = ctx.state.open.shift();
      if (ref !== undefined) ctx.cancel(ref);
    },
    onParams(ctx, was) {
      // What is told may act, and its acts are part of the session.
      for (const ref of ctx.state.open.splice(0)) ctx.cancel(ref);
      if (was.depth !== ctx.params.depth) ctx.buy(2, 900, 1, { tif: Tif.POST_ONLY });
    },
  });

/** A session of a made-up market; where the log lies, and every intent that left. */
function session(turns: number, seed = 5, reloads: Readonly<Record<number, unknown>> = {}) {
  const dir = mkdtempSync(join(tmpdir(), "tidegate-inputs-"));
  dirs.push(dir);
  const path = join(dir, "strategy-1.3.inputs");
  const header: InputHeader = {
    file: "quoter.ts",
    params: {},
    instruments: [{ id: 2, venueId: 2, symbol: "BTCUSDT", kind: "perp" }],
    lane: {
      ...{ strategyId: 1, sessionEpoch: 3, accountId: 1, instrumentTableVersion: 1 },
      ...{ mdUrl: "", intentUrl: "", topics: [] },
    },
    ...{ seed, maxIntentsPerEvent: 4, eventBudgetMs: 50, staleEventMs: 30 },
    ...{ featureSetHash: null, restored: null },
  };
  const random = seededRandom(seed);
  const sent: Float64Array[] = [];
  let [view, out]: Float64Array[] = [];
  let now = 0;
  const put = (index: number, row: Readonly<Record<number, number>>): void => {
    view?.fill(0, index * EVENT_DOUBLES, (index + 1) * EVENT_DOUBLES);
    for (const [at, value] of Object.entries(row))
      view?.set([value], index * EVENT_DOUBLES + Number(at));
  };
  let polls = 0;
  const answers: number[] = [];
  const port: StrategyPort = {
    open: (_, inEvents, outIntent) => {
      [view, out] = [inEvents, outIntent];
    },
    poll() {
      polls += 1;
      now += Math.floor(random() * 5e6);
      if (polls === 1) {
        put(0, { [Event.KIND]: EventKind.LINK, [LinkAt.STATE]: 1 });
        put(1, { [Event.KIND]: EventKind.POLICY, [PolicyAt.POLICY]: Policy.NORMAL });
        return 2;
      }
      let count = 0;
      for (const seq of answers.splice(0)) {
        put(count, {
          ...{ [Event.KIND]: EventKind.ORDER_UPDATE, [Event.INSTRUMENT]: 2, [Event.NOW_NS]: now },
          ...{ [OrderUpdateAt.SEQ]: seq, [OrderUpdateAt.EPOCH]: 3 },
          [OrderUpdateAt.STATE]: random() < 0.5 ? OrderState.LIVE : OrderState.CANCELLED,
        });
        put(count + 1, {
          ...{ [Event.KIND]: EventKind.INTENT_REPLY, [Event.NOW_NS]: now },
          ...{ [IntentReplyAt.SEQ]: seq, [IntentReplyAt.EPOCH]: 3, [IntentReplyAt.DECISION]: 1 },
        });
        count += 2;
      }
      for (; count < 12 && random() < 0.6; count += 1) {
        put(count, {
          ...{ [Event.KIND]: EventKind.BOOK_TOP, [Event.INSTRUMENT]: 2, [Event.SEQ]: polls },
          // Some have lain too long.
          [Event.NOW_NS]: now - (random() < 0.1 ? 40e6 : 0),
          ...{ [BookTopAt.BID_PX]: 1_000 + Math.floor(random() * 20), [BookTopAt.BID_QTY]: 1 },
          ...{ [BookTopAt.ASK_PX]: 1_030, [BookTopAt.ASK_QTY]: 1, [BookTopAt.STATE]: 2 },
        });
      }
      return count;
    },
    submit() {
      const code = random() < 0.1 ? Submit.NO_CREDIT : Submit.OK;
      if (code === Submit.OK) {
        sent.push(Float64Array.from(out ?? []));
        answers.push(out?.[IntentAt.SEQ] ?? 0);
      }
      return code;
    },
    stats: () => "{}",
    close: () => undefined,
  };
  const clock = { ms: 0 };
  const log = new InputWriter(path, header);
  const { params, instruments, lane, maxIntentsPerEvent, eventBudgetMs, staleEventMs } = header;
  const pump = new Pump({
    ...{ definition: makeQuoter(clock), params, instruments, lane, seed, port, log },
    ...{ maxIntentsPerEvent, eventBudgetMs, staleEventMs },
    elapsedMs: log.timed(() => clock.ms),
  });
  pump.start();
  const refused: (string | null)[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    if (turn in reloads) refused.push(pump.reload(reloads[turn]));
    pump.run(() => now + Math.floor(random() * 1e6));
  }
  let waits = 5;
  pump.stop(() => waits-- > 0);
  log.close();
  return { path, sent, refused, stats: { ...pump.host.stats } };
}

const definition = () => makeQuoter({ ms: 0 });

it("a session run again from its log sends the same, overruns, refusals, stale books and stop included [A11]", () => {
  const { path, sent, stats } = session(600);
  expect(sent.length).toBeGreaterThan(200);
  expect(stats.overruns).toBeGreaterThan(0);
  expect(stats.exceptions).toBeGreaterThan(0);
  const { header, records, torn } = readInputs(path);
  expect(torn).toBe(0);
  const told = replayInputs({ definition: definition(), header, records });
  expect([told.first, told.unequal, told.unanswered]).toEqual([null, 0, 0]);
  expect(told.intents).toEqual(sent);
  expect(told.replayHash).toBe(told.liveHash);
  expect(told.stats).toEqual(stats);
  expect(replayInputs({ definition: definition(), header, records })).toEqual(told);
});

it("new params are in the log before they hold, and a replay takes them at the same place [B069]", () => {
  const { path, sent, refused, stats } = session(300, 5, {
    80: { depth: 2 },
    120: { depth: 0 },
    121: { depth: 5, name: "b" },
    160: { depth: 5 },
  });
  expect(refused).toEqual([
    null,
    "bad params: depth: Too small: expected number to be >=1",
    'not changed while it runs: name is "a" and not "b"; start the strategy anew for that',
    null,
  ]);
  const { header, records } = readInputs(path);
  // What was refused led to nothing, and is not there.
  const given = records.filter(({ kind }) => kind === Kind.PARAMS);
  expect(given.map(paramsOf)).toEqual([{ depth: 2 }, { depth: 5 }]);
  const told = replayInputs({ definition: definition(), header, records });
  expect([told.first, told.unequal, told.unanswered]).toEqual([null, 0, 0]);
  expect(told.intents).toEqual(sent);
  expect(told.stats).toEqual(stats);
  // No event is lost for it: the same market without a reload has as many.
  expect(stats.events).toBeGreaterThan(300);
  // Each of these is another session: params left out, at another place, or of other words.
  const run = (other: typeof records) =>
    replayInputs({ definition: definition(), header, records: other }).unequal;
  const at = records.findIndex(({ kind }) => kind === Kind.PARAMS);
  const [first] = given;
  if (first === undefined) throw new Error("no params");
  expect(run(records.toSpliced(at, 1))).toBeGreaterThan(0);
  expect(run(records.toSpliced(at, 1).toSpliced(at + 60, 0, first))).toBeGreaterThan(0);
  const bad = { ...first, rows: [Float64Array.from('{"depth":0}', (c) => c.charCodeAt(0))] };
  expect(run(records.toSpliced(at, 1, bad))).toBeGreaterThan(0);
});

it("params that are too long are refused, and the longest that are not come back whole", () => {
  const words = (length: number) => ({ extra: "é".repeat(length - 12) });
  const { path, refused } = session(3, 5, {
    1: words(PARAMS_CHARS_MAX + 1),
    2: words(PARAMS_CHARS_MAX),
  });
  expect(refused[0]).toContain(`at most ${PARAMS_CHARS_MAX}`);
  expect(refused[1]).toBe(null);
  const [record] = readInputs(path).records.filter(({ kind }) => kind === Kind.PARAMS);
  expect(record === undefined ? null : paramsOf(record)).toEqual(words(PARAMS_CHARS_MAX));
});

it("another price, a lost turn, another time or another seed shows [A11]", () => {
  const { path } = session(300);
  const { header, records } = readInputs(path);
  const run = (more: Partial<Parameters<typeof replayInputs>[0]>) =>
    replayInputs({ definition: definition(), header, records, ...more }).unequal;
  expect(run({})).toBe(0);
  expect(run({ header: { ...header, seed: 6 } })).toBeGreaterThan(0);
  const shown = (row: Float64Array) =>
    row[Event.KIND] === EventKind.BOOK_TOP
      ? row.map((v, at) => (at === BookTopAt.BID_PX ? v + 1 : v))
      : row;
  expect(run({ shown })).toBeGreaterThan(0);
  const at = records.findIndex(({ kind, rows }) => kind === Kind.TURN && rows.length > 5);
  expect(run({ records: records.toSpliced(at, 1) })).toBeGreaterThan(0);
  const later = records.map((each) => ({ ...each, time: each.time * 2 }));
  expect(run({ records: later })).toBeGreaterThan(0);
});

it("what a kill left of a log is read up to its last whole record", () => {
  const { path, sent } = session(40);
  const bytes = readFileSync(path);
  const whole = readInputs(path);
  const from = 12 + bytes.readUInt32LE(8);
  for (let cut = from; cut < bytes.length; cut += 7) {
    writeFileSync(path, bytes.subarray(0, cut));
    const { header, records } = readInputs(path);
    expect(records).toEqual(whole.records.slice(0, records.length));
    const told = replayInputs({ definition: definition(), header, records });
    const answered = told.intents.slice(0, told.intents.length - told.unanswered);
    expect(answered).toEqual(sent.slice(0, answered.length));
    expect(told.unanswered).toBeLessThanOrEqual(1);
    expect(told.unequal).toBe(0);
  }
  writeFileSync(path, bytes.subarray(0, from - 1));
  expect(() => readInputs(path)).toThrow("half a header");
  writeFileSync(path, "something else");
  expect(() => readInputs(path)).toThrow("no header");
});

it("a log at its bound ends and says so; one of the same session is never written over", () => {
  const { path } = session(10);
  const { header } = readInputs(path);
  expect(() => new InputWriter(path, header)).toThrow("EEXIST");
  const log = new InputWriter(`${path}2`, header, 100);
  for (let turn = 0; turn < 9; turn += 1) log.turn(turn, 0, new Float64Array(0));
  expect(log.ended).toContain("100 bytes");
  expect(readInputs(`${path}2`).records).toHaveLength(8);
  log.close();
});
