import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ReceivedSpan, startOtlpReceiver } from "@tidegate/service-kit/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The way of one order: each stage's span, and the process that tells it. The parent of each is the one before. */
const STAGES = [
  ["market-data.publish", "market-data"],
  ["strategy.decide", "strategy-runner"],
  ["gateway.decide", "gateway"],
  ["router.send", "execution-router"],
] as const;

/**
 * The first whole way of an order among spans of one trace, or what is missing from the longest one.
 *
 * Whole is: every stage, by its own process, a child of the stage before; none starts before its parent, or ends before
 * it starts. A child may outlive its parent: the processes do not wait for each other.
 */
function wayOf(spans: readonly ReceivedSpan[]): readonly ReceivedSpan[] | string {
  let ways: (readonly ReceivedSpan[])[] = [[]];
  for (const [name, service] of STAGES) {
    const longer = ways.flatMap((way) => {
      const parent = way.at(-1);
      const fits = (span: ReceivedSpan): boolean =>
        span.name === name &&
        span.service === service &&
        span.traceId === spans[0]?.traceId &&
        span.parentSpanId === (parent?.spanId ?? "") &&
        span.startNs >= (parent?.startNs ?? 0n) &&
        span.endNs >= span.startNs;
      return spans.filter(fits).map((span) => [...way, span]);
    });
    if (longer.length === 0) return `no ${name} of ${service}`;
    ways = longer;
  }
  return ways[0] ?? "nothing";
}

function traces(spans: readonly ReceivedSpan[]): ReceivedSpan[][] {
  return [...Map.groupBy(spans, (span) => span.traceId).values()];
}

const wholeWays = (spans: readonly ReceivedSpan[]) =>
  traces(spans)
    .map(wayOf)
    .filter((way) => typeof way !== "string");

describe("ends: the checker of traces", () => {
  const whole: ReceivedSpan[] = STAGES.map(([name, service], at) => ({
    service,
    name,
    traceId: "a".repeat(32),
    spanId: String(at + 1).padStart(16, "0"),
    parentSpanId: at === 0 ? "" : String(at).padStart(16, "0"),
    startNs: BigInt(100 + at),
    endNs: BigInt(200 + at),
    attributes: {},
    status: 0,
  }));
  const changed = (at: number, change: Partial<ReceivedSpan>) =>
    whole.map((span, index) => (index === at ? { ...span, ...change } : span));

  it("finds a whole way, in any order of arrival, also beside spans of a second order", () => {
    expect(wayOf(whole)).toEqual(whole);
    expect(wayOf(whole.toReversed())).toEqual(whole);
    const second = { ...whole[2], spanId: "e".repeat(16) } as ReceivedSpan;
    expect(wayOf([second, ...whole])).toEqual(whole);
  });

  it.each(STAGES.map(([name], at) => [name, at] as const))("misses %s", (name, at) => {
    expect(wayOf(whole.filter((_, index) => index !== at))).toContain(`no ${name}`);
  });

  it.each<[string, number, Partial<ReceivedSpan>]>([
    ["a stage told by the wrong process", 2, { service: "market-data" }],
    ["a stage of another trace", 3, { traceId: "b".repeat(32) }],
    ["a stage that names another parent", 1, { parentSpanId: "f".repeat(16) }],
    ["a stage that names no parent", 3, { parentSpanId: "" }],
    ["a first stage that has a parent", 0, { parentSpanId: "f".repeat(16) }],
    ["a stage that starts before its cause", 2, { startNs: 100n }],
    ["a stage that ends before it starts", 3, { endNs: 102n }],
  ])("refuses %s", (_, at, change) => {
    expect(wayOf(changed(at, change))).toContain(`no ${STAGES[at]?.[0]}`);
  });

  it("nothing is no way", () => {
    expect(wayOf([])).toContain("no market-data.publish");
    expect(wholeWays([])).toEqual([]);
  });
});

describe("ends: trace", () => {
  let runDir: string;
  beforeEach(() => {
    mkdirSync(join(root, "var/test"), { recursive: true });
    runDir = mkdtempSync(join(root, "var/test/tr-"));
  });
  afterEach(() => rmSync(runDir, { recursive: true, force: true }));

  /** Runs to the end and gives what was said. Whether the books are right is another test's question. */
  function runSim(...more: readonly string[]): Promise<string> {
    const args = ["run", "sim", "--duration", "8", "--clickhouse", "none", "--run-dir", runDir];
    const child = spawn(
      process.execPath,
      [join(root, "packages/cli/src/main.ts"), ...args, ...more],
      { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
    );
    const output: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => output.push(chunk));
    return new Promise((resolve) => {
      child.once("close", () => resolve(Buffer.concat(output).toString()));
    });
  }

  it("ends: trace of one order through four processes, joined by parents [A37 B078]", {
    timeout: 120_000,
  }, async () => {
    await using receiver = await startOtlpReceiver();
    const output = await runSim("--otlp", receiver.url);
    // The processes send what waits before they end: after the run nothing is still on its way.
    const { spans } = receiver;
    const told = STAGES.map(([name]) => spans.filter((span) => span.name === name).length);
    expect(wholeWays(spans).length, `spans a stage: ${told}\n${output}`).toBeGreaterThan(0);
    const way = wholeWays(spans)[0] as readonly ReceivedSpan[];
    expect(new Set(way.map((span) => span.service)).size).toBe(STAGES.length);
    expect(way.map((span) => span.status)).toEqual(STAGES.map(() => 0));
    // The checker sees the same trace as incomplete without any one of its spans.
    for (const gone of way) expect(wayOf(way.filter((span) => span !== gone))).toBeTypeOf("string");
  });
});
