import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { SPANS_QUEUED_MAX } from "./limits.ts";
import { createLog } from "./log.ts";
import { otlpExporter } from "./otlp.ts";
import type { SpanStamp } from "./span.ts";
import { startOtlpReceiver } from "./testing/otlp-receiver.ts";
import { createTracer } from "./tracing.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const silent = createLog("test", "info", { write: () => {} });
const hex = (n: number, digits: number) => n.toString(16).padStart(digits, "0");

function stamp(n: number, more: Partial<SpanStamp> = {}): SpanStamp {
  return {
    name: `span ${n}`,
    traceId: hex(1_000 + n, 32),
    spanId: hex(n + 1, 16),
    startNs: 1_723_161_255_030_314_667n,
    endNs: 1_723_161_255_030_314_668n,
    ...more,
  };
}

/** A collector that refuses everything with a status that is not retried. */
async function startRefusing() {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => response.writeHead(400).end());
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

afterEach(() => vi.unstubAllEnvs());

describe("the exporter", () => {
  it("keeps ids, parents, times to the ns, attributes and errors as they were stamped [B078]", async () => {
    await using receiver = await startOtlpReceiver();
    const exporter = otlpExporter("gateway", `${receiver.url}/v1/traces`, () => {});
    const root = stamp(1, { attributes: { kind: "top", "venue.id": 1, live: true } });
    const child = stamp(2, {
      traceId: root.traceId,
      parentSpanId: root.spanId,
      error: "PRICE_OUTSIDE_COLLAR",
    });
    // A parent that was never seen here: another process's.
    const stranger = stamp(3, { parentSpanId: "f".repeat(16) });
    await exporter.send([child, root, stranger]);
    await exporter.stop();
    const same = ({ name, traceId, spanId, startNs, endNs }: SpanStamp) => ({
      service: "gateway",
      ...{ name, traceId, spanId, startNs, endNs },
    });
    expect(receiver.spans).toEqual([
      { ...same(child), parentSpanId: root.spanId, attributes: {}, status: 2 },
      {
        ...same(root),
        parentSpanId: "",
        attributes: { kind: "top", "venue.id": 1, live: true },
        status: 0,
      },
      { ...same(stranger), parentSpanId: "f".repeat(16), attributes: {}, status: 0 },
    ]);
  });

  it("an environment that samples, detects or exports otherwise changes nothing", async () => {
    vi.stubEnv("OTEL_TRACES_SAMPLER", "always_off");
    vi.stubEnv("OTEL_TRACES_EXPORTER", "console");
    vi.stubEnv("OTEL_METRICS_EXPORTER", "console");
    vi.stubEnv("OTEL_LOGS_EXPORTER", "console");
    vi.stubEnv("OTEL_SERVICE_NAME", "someone-else");
    await using receiver = await startOtlpReceiver();
    const exporter = otlpExporter("gateway", `${receiver.url}/v1/traces`, () => {});
    await exporter.send([stamp(1)]);
    await exporter.stop();
    expect(receiver.spans.map(({ service, name }) => [service, name])).toEqual([
      ["gateway", "span 1"],
    ]);
  });

  it("tells of every span of a refused batch, and of all when the SDK is switched off", async () => {
    await using refusing = await startRefusing();
    const lost: number[] = [];
    const exporter = otlpExporter("gateway", `${refusing.url}/v1/traces`, (n) => lost.push(n));
    await exporter.send(Array.from({ length: 513 }, (_, n) => stamp(n)));
    await exporter.stop();
    expect(lost).toEqual([512, 1]);

    vi.stubEnv("OTEL_SDK_DISABLED", "true");
    const off = otlpExporter("gateway", `${refusing.url}/v1/traces`, (n, why) => {
      expect(why).toBe("the SDK is off");
      lost.push(n);
    });
    await off.send([stamp(1), stamp(2)]);
    await off.stop();
    expect(lost).toEqual([512, 1, 2]);
  });

  it("adds no handler to the process", async () => {
    await using refusing = await startRefusing();
    const count = () =>
      ["exit", "beforeExit", "SIGTERM", "SIGINT", "uncaughtException", "unhandledRejection"].map(
        (event) => process.listenerCount(event),
      );
    const before = count();
    const exporter = otlpExporter("gateway", `${refusing.url}/v1/traces`, () => {});
    await exporter.send([stamp(1)]);
    expect(count()).toEqual(before);
    await exporter.stop();
    expect(count()).toEqual(before);
  });
});

describe("the tracer", () => {
  it("holds a bounded number of spans, and counts those past it and those not taken", async () => {
    await using refusing = await startRefusing();
    const tracer = createTracer("gateway", { OTEL_EXPORTER_OTLP_ENDPOINT: refusing.url }, silent);
    for (let n = 0; n < SPANS_QUEUED_MAX + 3; n += 1) tracer.record(stamp(n));
    expect(tracer.stats()).toEqual({
      recorded: SPANS_QUEUED_MAX,
      refused: 0,
      dropped: 3,
      exporting: true,
    });
    await tracer.stop();
    expect(tracer.stats().dropped).toBe(SPANS_QUEUED_MAX + 3);
  });

  /** Which OpenTelemetry packages a process has asked for once it has made a tracer and ended it. */
  function loaded(env: Record<string, string>): string[] {
    const script = `
      import { registerHooks } from "node:module";
      const seen = new Set();
      registerHooks({ resolve(name, context, next) {
        if (name.startsWith("@opentelemetry/")) seen.add(name);
        return next(name, context);
      } });
      const { createTracer } = await import("./index.ts");
      const tracer = createTracer("gateway", process.env, { warn() {}, error() {} });
      await tracer.stop();
      console.log(JSON.stringify([...seen]));`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ["--input-type=module", "--eval", script],
      { cwd: here, encoding: "utf8", env: { PATH: process.env["PATH"] ?? "", ...env } },
    );
    expect(stderr).toBe("");
    return JSON.parse(stdout) as string[];
  }

  it("loads the SDK only where an endpoint is set", () => {
    // prom-client brings the api, a few types and no-ops, by itself.
    expect(loaded({})).toEqual(["@opentelemetry/api"]);
    const set = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" };
    expect(loaded(set)).toContain("@opentelemetry/sdk-node");
  });
});
