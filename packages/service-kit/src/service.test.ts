import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { ServiceFault } from "./faults.ts";
import { type HotServiceSpec, hotService } from "./hot.ts";
import { HTTP_BODY_BYTES_MAX, STAT_LEAVES_MAX } from "./limits.ts";
import { Metrics } from "./metrics.ts";
import { type Launched, launch, type ProcessIo, type ServiceSpec } from "./service.ts";
import { FakeEngine, startOtlpReceiver } from "./testing/index.ts";

const dirs: string[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function fakeIo(env: Record<string, string> = {}, argv: string[] = []) {
  const dir = mkdtempSync(join(tmpdir(), "kit-"));
  dirs.push(dir);
  const lines: Record<string, unknown>[] = [];
  let printed = "";
  const io: ProcessIo = {
    env: { TIDEGATE_X_STATE_DIR: dir, TIDEGATE_GATEWAY_STATE_DIR: dir, ...env },
    argv,
    sink: { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) },
    stderr: (text) => {
      printed += text;
    },
    stdout: (text) => {
      printed += text;
    },
  };
  return { io, dir, lines, printed: () => printed };
}

const schema = z.object({ drainMs: z.number().default(0) });
const spec = (over: Partial<ServiceSpec<typeof schema>> = {}): ServiceSpec<typeof schema> => ({
  name: "x",
  schema,
  start: () => ({
    ready: () => ({ ready: true, state: "RUNNING" }),
    stats: () => ({ events: 5 }),
    drain() {},
    stop() {},
  }),
  ...over,
});
async function launched(given: ServiceSpec<typeof schema>, io: ProcessIo): Promise<Launched> {
  const result = await launch(given, io);
  if (typeof result === "number") throw new Error(`exit ${result}`);
  return result;
}
const get = async (port: number, path: string, init?: RequestInit) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
  return { status: response.status, text: await response.text() };
};

describe("launch()", () => {
  it("serves health and metrics, writes the state file, and takes it away on an orderly stop [B080]", async () => {
    const { io, dir } = fakeIo();
    const running = await launched(spec(), io);
    const state = JSON.parse(readFileSync(join(dir, "x.json"), "utf8")) as Record<string, unknown>;
    expect(state).toEqual({
      pid: process.pid,
      httpPort: running.port,
      startedNs: expect.stringMatching(/^\d{19}$/),
    });
    expect(await get(running.port, "/live")).toMatchObject({ status: 200 });
    expect(await get(running.port, "/ready")).toEqual({
      status: 200,
      text: '{"service":"x","ready":true,"state":"RUNNING"}',
    });
    expect(JSON.parse((await get(running.port, "/health")).text)).toMatchObject({
      ready: true,
      stats: { events: 5 },
    });
    const metrics = (await get(running.port, "/metrics")).text;
    expect(metrics).toContain('tidegate_ready{service="x"} 1');
    expect(metrics).toContain('tidegate_stat{path="events",service="x"} 5');
    expect(await running.stop("test")).toBe(0);
    expect(await running.ended).toBe(0);
    expect(existsSync(join(dir, "x.json"))).toBe(false);
  });

  it("drains before it stops, once", async () => {
    const { io } = fakeIo();
    const order: string[] = [];
    const start = () => ({
      ready: () => ({ ready: true, state: "RUNNING" }),
      drain: () => void order.push("drain"),
      stop: () => void order.push("stop"),
    });
    const running = await launched(spec({ start }), io);
    await Promise.all([running.stop("a"), running.stop("b")]);
    expect(order).toEqual(["drain", "stop"]);
  });

  it("a drain that hangs is cut at its bound, and the stop still happens", async () => {
    const { io, lines } = fakeIo({}, ["--drain-ms-max", "20"]);
    let stopped = false;
    const start = () => ({
      ready: () => ({ ready: true, state: "RUNNING" }),
      drain: () => new Promise<void>(() => {}),
      stop: () => {
        stopped = true;
      },
    });
    const running = await launched(spec({ start }), io);
    expect(await running.stop("test")).toBe(1);
    expect(stopped).toBe(true);
    expect(lines.find(({ msg }) => msg === "drain did not end well")).toMatchObject({
      problem: "not done within 20 ms",
    });
  });

  it("a taken port is one clear line and exit 1, before anything else starts", async () => {
    const first = await launched(spec(), fakeIo().io);
    const { io, printed } = fakeIo({}, ["--http-port", String(first.port)]);
    let started = false;
    const start = () => {
      started = true;
      return { ready: () => ({ ready: true, state: "RUNNING" }), drain() {}, stop() {} };
    };
    expect(await launch(spec({ start }), io)).toBe(1);
    expect(started).toBe(false);
    expect(printed()).toMatch(/^x: cannot listen on 127\.0\.0\.1:\d+: the port is taken; .*\n$/);
    await first.stop("test");
  });

  it.each([
    ["bad settings", 2, ["--drain-ms", "soon"], spec()],
    ["--explain", 0, ["--explain"], spec()],
    [
      "a fault at the start",
      1,
      [],
      spec({
        start: () => {
          throw new ServiceFault("no disk; add one");
        },
      }),
    ],
    [
      "a bug at the start",
      70,
      [],
      spec({
        start: () => {
          throw new TypeError("x");
        },
      }),
    ],
  ])("%s: exit %i", async (_, code, argv, given) => {
    const { io, printed } = fakeIo({}, argv);
    expect(await launch(given, io)).toBe(code);
    expect(printed()).not.toBe("");
  });

  it("refuses a body over 64 KiB", async () => {
    const start: ServiceSpec<typeof schema>["start"] = ({ http }) => {
      http.post("/echo", async (request) => request.body);
      return { ready: () => ({ ready: true, state: "RUNNING" }), drain() {}, stop() {} };
    };
    const running = await launched(spec({ start }), fakeIo().io);
    const post = (bytes: number) =>
      get(running.port, "/echo", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify("x".repeat(bytes - 2)),
      });
    expect((await post(HTTP_BODY_BYTES_MAX)).status).toBe(200);
    expect((await post(HTTP_BODY_BYTES_MAX + 1)).status).toBe(413);
    await running.stop("test");
  });

  it("a fault while running ends it with 1, a bug with 70", async () => {
    for (const [error, code] of [
      [new ServiceFault("gone; put it back"), 1],
      [new TypeError("x"), 70],
    ] as const) {
      const { io, dir } = fakeIo();
      const running = await launched(spec(), io);
      running.fail(error);
      expect(await running.ended).toBe(code);
      expect(existsSync(join(dir, "x.json"))).toBe(true); // what a crash leaves
    }
  });
});

describe("hotService()", () => {
  const hot = (engine: FakeEngine, over: Partial<HotServiceSpec<typeof schema>> = {}) =>
    hotService<typeof schema>(
      {
        name: "gateway",
        kind: "gateway",
        schema,
        engineConfig: ({ config }) => ({ drainMs: config.drainMs }),
        ...over,
      },
      async () => engine,
    );

  it("starts the loop with its settings, hands logs, spans and events on, and stops it", async () => {
    const engine = new FakeEngine();
    const { io, lines } = fakeIo();
    const seen = Promise.withResolvers<unknown>();
    const running = await launched(hot(engine, { onEvent: (event) => seen.resolve(event) }), io);
    expect(engine.started).toEqual([{ kind: "gateway", config: { drainMs: 0 } }]);
    const span = {
      type: "span",
      name: "gateway.decide",
      traceId: "a".repeat(32),
      spanId: "b".repeat(16),
      startNs: "1",
      endNs: "2",
    };
    engine.emit(
      { type: "log", level: "warn", msg: "low", left: 3 },
      span,
      { type: "span", name: "broken" },
      { type: "wish", n: 1 },
    );
    expect(await seen.promise).toEqual({ type: "wish", n: 1 });
    expect(lines.find(({ msg }) => msg === "low")).toMatchObject({ level: "warn", left: 3 });
    const health = JSON.parse((await get(running.port, "/health")).text) as Record<string, unknown>;
    expect(health).toMatchObject({
      ready: true,
      state: "RUNNING",
      tracing: { recorded: 1, refused: 1 },
    });
    expect(await running.stop("test")).toBe(0);
    expect(engine.stopped).toBe(true);
  });

  it("a loop that ends with a fault ends the process with 1 and the loop's words", async () => {
    const engine = new FakeEngine();
    const { io, printed } = fakeIo();
    const running = await launched(hot(engine), io);
    engine.end("the disk is full; free some");
    expect(await running.ended).toBe(1);
    expect(printed()).toBe("gateway: the gateway loop has ended: the disk is full; free some\n");
  });

  it("is ready as the loop's state says, or as the service does", async () => {
    const engine = new FakeEngine();
    engine.current = { alive: true, state: "SYNCING", detail: "book 1" };
    const plain = await launched(hot(engine), fakeIo().io);
    expect(await get(plain.port, "/ready")).toMatchObject({
      status: 503,
      text: expect.stringContaining("book 1"),
    });
    const own = await launched(
      hot(new FakeEngine(), { ready: (stats) => stats["leads"] === true }),
      fakeIo().io,
    );
    expect((await get(own.port, "/ready")).status).toBe(503);
    await Promise.all([plain.stop("test"), own.stop("test")]);
  });

  it("lets go of the loop when the shell cannot start", async () => {
    const engine = new FakeEngine();
    const attach = () => {
      throw new ServiceFault("no token; make one");
    };
    expect(await launch(hot(engine, { attach }), fakeIo().io)).toBe(1);
    expect(engine.stopped).toBe(true);
  });
});

describe("Metrics", () => {
  it("shows statistics by the catalogue's path, all others generically, within the bound", async () => {
    const metrics = new Metrics("x", [
      {
        name: "tidegate_events_total",
        type: "counter",
        unit: "1",
        labels: [],
        help: "Events",
        stat: "events",
      },
    ]);
    const many = Object.fromEntries(
      Array.from({ length: STAT_LEAVES_MAX + 2 }, (_, i) => [`n${i}`, i]),
    );
    for (const events of [7, 9])
      metrics.showStats({ events, latency: { p99: 4, text: "x" }, alive: true, many });
    const text = await metrics.registry.metrics();
    expect(text).toContain('tidegate_events_total{service="x"} 9');
    expect(text).toContain('tidegate_stat{path="latency.p99",service="x"} 4');
    expect(text).toContain('tidegate_stats_left_off{service="x"} 4');
  });

  it("measures nothing that is not in the catalogue", () => {
    expect(() => new Metrics("x", []).counter("tidegate_made_up_total")).toThrow(
      "not in the catalogue",
    );
  });
});

describe("tracing", () => {
  it("spans arrive at an OTLP collector with the ids and times they were stamped with", async () => {
    await using receiver = await startOtlpReceiver();
    const { io } = fakeIo({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
    const start: ServiceSpec<typeof schema>["start"] = ({ tracer }) => {
      const span = {
        traceId: "0af7651916cd43dd8448eb211c80319c",
        startNs: 1_723_161_256_000_000_001n,
        endNs: 1_723_161_256_000_000_900n,
      };
      tracer.record({
        ...span,
        name: "gateway.decide",
        spanId: "b7ad6b7169203331",
        parentSpanId: "00f067aa0ba902b7",
        attributes: { ok: true },
        error: "HALT",
      });
      tracer.record({ ...span, name: "no id", spanId: "0".repeat(16) });
      return { ready: () => ({ ready: true, state: "RUNNING" }), drain() {}, stop() {} };
    };
    const running = await launched(spec({ start }), io);
    await receiver.until((spans) => spans.length > 0);
    expect(receiver.spans).toEqual([
      {
        service: "x",
        name: "gateway.decide",
        traceId: "0af7651916cd43dd8448eb211c80319c",
        spanId: "b7ad6b7169203331",
        parentSpanId: "00f067aa0ba902b7",
        startNs: 1_723_161_256_000_000_001n,
        endNs: 1_723_161_256_000_000_900n,
        attributes: { ok: true },
        status: 2,
      },
    ]);
    expect(JSON.parse((await get(running.port, "/health")).text)).toMatchObject({
      tracing: { recorded: 1, refused: 1, exporting: true },
    });
    await running.stop("test");
  });
});
