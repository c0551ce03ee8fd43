import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  BookTopAt,
  EVENT_DOUBLES,
  Event,
  EventKind,
  IntentAt,
  IntentKind,
  LinkAt,
  PolicyAt,
  type StrategyLaneConfig,
  Submit,
} from "@tidegate/rust-core/strategy-layout";
import { createHarness } from "@tidegate/strategy-sdk";
import { afterAll, describe, expect, it } from "vitest";
import poison from "../fixtures/poison.ts";
import { Settings } from "./config.ts";
import { From, INTENT_BYTES, Pipe, PipeFault, To } from "./frames.ts";
import { type StatsMessage, saneStats } from "./messages.ts";
import type { StrategyPort } from "./port.ts";
import { type CellOptions, makePipe, startCell } from "./process.ts";
import { Relay } from "./relay.ts";
import { cellCommand, probeSandbox } from "./sandbox.ts";
import { hiddenFolders, isolationOf, startStrategyRunner } from "./service.ts";
import { Watchdog } from "./watchdog.ts";

const dir = mkdtempSync(join(tmpdir(), "cell-"));
const open = mkdtempSync(join(tmpdir(), "cell-open-"));
afterAll(() => {
  for (const each of [dir, open]) rmSync(each, { recursive: true });
});
const POISON = fileURLToPath(new URL("../fixtures/poison.ts", import.meta.url));
const facts = probeSandbox();
const noNamespaces = facts.network === "open";
const lane: StrategyLaneConfig = {
  ...{ strategyId: 1, sessionEpoch: 3, accountId: 9, instrumentTableVersion: 1 },
  ...{ mdUrl: "", intentUrl: "", topics: [] },
};

/** A lane that is linked and then gives a new book each time. */
class MarketPort implements StrategyPort {
  readonly sent: number[][] = [];
  answer: number = Submit.OK;
  #in: Float64Array = new Float64Array(0);
  #out: Float64Array = new Float64Array(0);
  #polls = 0;
  open(_: StrategyLaneConfig, inEvents: Float64Array, out: Float64Array): void {
    this.#in = inEvents;
    this.#out = out;
  }
  poll(): number {
    this.#polls += 1;
    const row = (at: number, values: Readonly<Record<number, number>>) => {
      for (const [place, value] of Object.entries(values))
        this.#in[at * EVENT_DOUBLES + Number(place)] = value;
    };
    if (this.#polls > 1) {
      row(0, { [Event.KIND]: EventKind.BOOK_TOP, [Event.INSTRUMENT]: 1, [BookTopAt.STATE]: 2 });
      row(0, { [BookTopAt.BID_PX]: 90_000 + this.#polls, [BookTopAt.BID_QTY]: 5 });
      row(0, { [BookTopAt.ASK_PX]: 90_001 + this.#polls, [BookTopAt.ASK_QTY]: 5 });
      return 1;
    }
    row(0, { [Event.KIND]: EventKind.LINK, [LinkAt.STATE]: 1 });
    row(1, { [Event.KIND]: EventKind.POLICY, [PolicyAt.POLICY]: 1 });
    return 2;
  }
  submit(): number {
    this.sent.push([...this.#out]);
    return this.answer;
  }
  stats(): string {
    return "{}";
  }
  close(): void {}
}

async function rig(deed: string, over: Partial<CellOptions> = {}, params: object = {}) {
  const printed: number[] = [];
  const cell = await startCell(facts, {
    ...{ file: POISON, params: { deed, after: 3, ...params }, heapMb: 64, externalMb: 128 },
    ...{ uid: 61_900, hidden: [dir], outputBytesMax: 4_096 },
    ...{ onOutput: (bytes: number) => void printed.push(bytes) },
    ...over,
  });
  const pipe = new Pipe(cell.fdIn, cell.fdOut);
  pipe.sendJson(To.RUN, {
    instruments: [{ id: 1, venueId: 1, symbol: "BTCUSDT", kind: "spot" }],
    ...{ lane, seed: 1, maxIntentsPerEvent: 4, eventBudgetMs: 50, staleEventMs: 60_000 },
    featureSetHash: null,
    restored: null,
  });
  const port = new MarketPort();
  let told: Omit<StatsMessage, "lane"> | null = null;
  const relay = new Relay({
    ...{ lane, pipe, port, pollMs: 1, maxIntentsPerEvent: 4, busy: () => undefined },
    onStats: (stats) => {
      told = stats;
    },
  });
  let now = 0;
  const run = (times: number): Omit<StatsMessage, "lane"> => {
    for (let n = 0; n < times; n += 1) relay.run(() => (now += 1e6), n === times - 1 ? 1 : 0);
    if (told === null) throw new Error("it reported nothing");
    return told;
  };
  const end = async () => {
    cell.kill();
    await cell.ended;
    cell.closePipes();
  };
  const reload = (to: unknown) => relay.reload(to);
  return { cell, port, run, end, printed, reload };
}

const why = noNamespaces ? " (skipped: this machine gives no network namespace)" : "";
describe.skipIf(noNamespaces)(`a strategy in a process of its own${why} [A11]`, () => {
  it("trades as in a worker: same intents, account and sequence set by the runner", async () => {
    const { port, run, end } = await rig("good");
    expect(run(8)).toMatchObject({ name: "poison", breaker: "NORMAL", pending: 1 });
    expect(port.sent).toHaveLength(1);
    expect(port.sent[0]?.[IntentAt.ACCOUNT]).toBe(9);
    expect(port.sent[0]?.[IntentAt.PX]).toBe(90_003 - 50_000);
    await end();
  });

  it("takes new params between two batches, or refuses them and goes on with the old [B069]", async () => {
    const { port, run, end, reload } = await rig("good");
    expect(reload({ deed: "good", after: -1 })).toContain("bad params: after:");
    expect(reload({ deed: "good", after: 3, behindTicks: 40_000 })).toBe(null);
    run(8);
    expect(port.sent[0]?.[IntentAt.PX]).toBe(90_003 - 40_000);
    await end();
    expect(() => reload({ deed: "good" })).toThrow();
  });

  it("reads, writes, starts, loads and signals nothing; the same file in this process can", async () => {
    const marker = join(open, "marker");
    const secret = join(dir, "secret");
    writeFileSync(secret, "key");
    const { run, end } = await rig("files", {}, { secret, marker });
    expect(run(8)).toMatchObject({ lastError: "", stats: { exceptions: 0 } });
    expect(existsSync(marker)).toBe(false);
    await end();
    const h = createHarness(poison, { params: { deed: "files", after: 0, secret, marker } });
    h.top(1, { bidPxTicks: 90_000, askPxTicks: 90_001 });
    expect(h.host.lastError).toContain("ESCAPED: read, write, list");
    expect(existsSync(marker)).toBe(true);
  });

  it("connects to nothing; the same file in this process does", async () => {
    let connections = 0;
    const server = createServer(() => {
      connections += 1;
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as { port: number };
    const socket = join(dir, "unix");
    const unix = createServer(() => {
      connections += 1;
    });
    await new Promise<void>((done) => unix.listen(socket, done));
    const { run, end } = await rig("network", {}, { port, socket });
    expect(run(8).lastError).toBe("");
    await end();
    await new Promise((done) => setTimeout(done, 50));
    expect(connections).toBe(0);
    const h = createHarness(poison, { params: { deed: "network", after: 0, port, socket } });
    h.top(1, { bidPxTicks: 90_000, askPxTicks: 90_001 });
    await expect.poll(() => connections).toBe(2);
    server.close();
    unix.close();
  });

  it("a leak of the heap ends it; one beside the heap fails at its bound", async () => {
    const heap = await rig("leak-heap");
    expect(() => heap.run(8)).toThrow(PipeFault);
    await heap.end();
    expect(heap.cell.tail()).toContain("heap out of memory");
    const external = await rig("leak-external");
    let peakKb = 0;
    try {
      for (let n = 0; n < 20; n += 1) {
        external.run(1);
        const status = readFileSync(`/proc/${external.cell.pid}/status`, "utf8");
        peakKb = Math.max(peakKb, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]));
      }
    } catch (error) {
      expect(error).toBeInstanceOf(PipeFault);
    }
    expect(peakKb).toBeLessThan(2_400 * 1024);
    await external.end();
  }, 60_000);

  it("printing without end kills it at the bound", async () => {
    const { run, end, printed, cell } = await rig("output");
    try {
      run(8);
    } catch {
      // killed while it ran
    }
    await cell.ended;
    expect(printed).toHaveLength(1);
    await end();
  });

  it("one that never comes back, when loaded or in a batch, is ended from outside", async () => {
    const file = join(open, "load-loop.mjs");
    writeFileSync(file, "for (;;);");
    await expect(rig("good", { file, helloMsMax: 1_500 })).rejects.toThrow(
      "did not come back within",
    );
    const { run, end, cell } = await rig("loop");
    spawn("sh", ["-c", `sleep 0.5; kill -9 ${cell.pid}`]);
    expect(() => run(8)).toThrow();
    await end();
  }, 20_000);

  it("a file that is none, and bad params, are told by name", async () => {
    await expect(rig("good", { file: "/nonexistent.ts" })).rejects.toThrow("/nonexistent.ts");
    await expect(rig("nothing")).rejects.toThrow("bad params: deed");
  });
});

describe("the relay, whatever comes out of the process", () => {
  /** A relay whose process has said `frames` beforehand. */
  function said(...frames: readonly ((pipe: Pipe) => void)[]) {
    const down = makePipe(join(open, `d${Math.random()}`));
    const up = makePipe(join(open, `u${Math.random()}`));
    const cell = new Pipe(down.read, up.write);
    for (const frame of frames) frame(cell);
    const port = new MarketPort();
    const pipe = new Pipe(up.read, down.write);
    const relay = new Relay({
      ...{ lane, pipe, port, pollMs: 1, maxIntentsPerEvent: 2, busy: () => undefined },
      onStats: () => undefined,
    });
    return { relay, port };
  }
  const intent =
    (values: Readonly<Record<number, number>>, kind: number = From.INTENT) =>
    (pipe: Pipe) => {
      const row = new Float64Array(INTENT_BYTES / 8);
      for (const [at, value] of Object.entries(values)) row[Number(at)] = value;
      pipe.send(kind, 0, 0, new Uint8Array(row.buffer));
    };
  const fresh = (seq: number) => ({ [IntentAt.KIND]: IntentKind.NEW, [IntentAt.SEQ]: seq });
  const done = (pipe: Pipe) => pipe.send(From.DONE, 1);

  it("sends what is in order, under the runner's account", () => {
    const { relay, port } = said(intent({ ...fresh(1), [IntentAt.ACCOUNT]: 77 }), done);
    expect(relay.run(() => 1)).toBe(true);
    expect(port.sent.map((row) => row[IntentAt.ACCOUNT])).toEqual([9]);
  });
  it("never sends what is no integer", () => {
    const { relay, port } = said(intent({ ...fresh(1), [IntentAt.PX]: 0.5 }), done);
    relay.run(() => 1);
    expect(port.sent).toEqual([]);
  });
  it.each([
    ["a sequence out of order", [intent(fresh(2))]],
    ["a frame of another kind", [intent(fresh(1), 99)]],
    // Two an event, for two events and three calls beside them.
    [
      "more new orders than the batch allows",
      Array.from({ length: 11 }, (_, at) => intent(fresh(at + 1))),
    ],
    [
      "reports without end",
      Array.from({ length: 3 }, () => (pipe: Pipe) => pipe.sendJson(From.STATS, {})),
    ],
  ])("%s ends the process", (_, frames) => {
    const { relay, port } = said(...frames, done);
    expect(() => relay.run(() => 1)).toThrow(PipeFault);
    expect(port.sent.length).toBeLessThanOrEqual(10);
  });
  it("statistics have their shape whatever was sent", () => {
    const sane = saneStats({
      name: 5,
      stats: { events: "x", intents: 3 },
      lastError: "e".repeat(9_999),
      breaker: null,
    });
    expect(sane).toMatchObject({ name: "", breaker: "", ready: false });
    expect(sane.stats).toMatchObject({ events: 0, intents: 3 });
    expect(sane.lastError).toHaveLength(4_096);
    expect(saneStats(null).featureSet).toEqual({ state: "NONE", seen: 0 });
  });
});

describe("where a strategy runs", () => {
  const settings = (over: object) =>
    Settings.parse({ strategies: [{ id: 4, file: POISON, params: { deed: "good" }, ...over }] });
  const only = (over: object) => settings(over).strategies.map(isolationOf).join();

  it("in a process where nobody has reviewed it; a worker is for reviewed ones alone", () => {
    expect([only({}), only({ reviewed: true })]).toEqual(["process", "worker"]);
    expect(only({ reviewed: true, isolation: "process" })).toBe("process");
    expect(() => settings({ isolation: "worker" })).toThrow("for reviewed strategies");
  });
  it("nowhere, when its network cannot be taken away and the settings do not say that it may stay", async () => {
    const deps = {
      ...{ stateDir: join(dir, "state"), log: () => undefined },
      sandbox: { root: false, network: "open" as const },
    };
    await expect(startStrategyRunner(settings({}), deps)).rejects.toThrow("set openNetwork");
  });
  it("with our sockets and state out of sight, under its own uid", () => {
    const urls = { mdUrl: `ipc://${dir}/md.sock`, intentUrl: `ipc://${dir}/intent.sock` };
    expect(hiddenFolders({ ...urls, standbyIntentUrl: undefined }, open)).toEqual([dir, open]);
    const cell = { heapMb: 64, externalMb: 64, uid: 61_200, hidden: [dir] };
    const asRoot = cellCommand({ root: true, network: "namespace" }, cell);
    for (const word of ["--net", "--reuid=61200", "--permission", "--no-addons", "--core=0", dir])
      expect(asRoot).toContain(word);
    const asUser = cellCommand({ root: false, network: "user-namespace" }, cell);
    expect(asUser).toContain("--pid");
    expect(asUser.join(" ")).not.toContain("--reuid");
  });
});

describe("the watchdog [A12]", () => {
  it("kills at the bound one that stays in a batch, counts looks alone, and lets go what came back", () => {
    const looks = (batches: readonly number[]) => {
      const watchdog = new Watchdog(100); // four looks of 25 ms
      return batches.map((batch) => watchdog.look(batch));
    };
    expect(looks([7, 7, 7, 7, 7])).toEqual([false, false, false, false, true]);
    expect(looks([7, 7, 7, 7, 8, 8]).includes(true)).toBe(false);
    expect(looks([7, 7, 7, 7, 0, 7, 7]).includes(true)).toBe(false);
    expect(looks([0, 0, 0, 0, 0, 0]).includes(true)).toBe(false);
  });
});
