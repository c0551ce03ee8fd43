import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { metricsOf, PROCESSES, type ProcessName } from "@tidegate/contracts/metrics";
import { walVerify } from "@tidegate/rust-core";
import { KIT_METRICS } from "@tidegate/service-kit";
import { venueTruth } from "@tidegate/venue-sim";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const patience = { timeout: 60_000, interval: 50 };

let runDir: string;
let hft: ChildProcess;
let says = "";
let result: { readonly checks: readonly { readonly name: string; readonly ok: boolean }[] };
const scraped = new Map<ProcessName, string>();

async function http(process: ProcessName, path: string): Promise<string> {
  const state = readFileSync(join(runDir, `state/${process}.json`), "utf8");
  const { httpPort } = JSON.parse(state) as { httpPort: number };
  return (await fetch(`http://127.0.0.1:${httpPort}${path}`)).text();
}

/** A whole cluster, scraped while it trades, then told to end in the middle of it. */
beforeAll(async () => {
  mkdirSync(join(root, "var/test"), { recursive: true });
  runDir = mkdtempSync(join(root, "var/test/cluster-"));
  const args = ["run", "sim", "--duration", "600", "--clickhouse", "none", "--json", "--run-dir"];
  hft = spawn(process.execPath, [join(root, "packages/cli/src/main.ts"), ...args, runDir], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  hft.stdout?.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  hft.stderr?.on("data", (chunk: Buffer) => {
    says += chunk.toString();
  });
  const ended = once(hft, "close");
  await vi.waitFor(async () => {
    const { intents, nonTerminal } = (
      JSON.parse(await http("gateway", "/health")) as {
        stats: { intents: number; nonTerminal: number };
      }
    ).stats;
    if (intents < 20 || nonTerminal === 0) throw new Error(`not trading yet: ${says}`);
  }, patience);
  for (const name of PROCESSES) scraped.set(name, await http(name, "/metrics"));
  hft.kill("SIGTERM");
  await ended;
  result = JSON.parse(out.trimEnd().split("\n").at(-1) ?? "") as typeof result;
}, 120_000);

afterAll(() => {
  hft.kill("SIGKILL");
  rmSync(runDir, { recursive: true, force: true });
});

describe("a trading cluster", () => {
  it.each(PROCESSES)(
    "%s serves exactly the metrics its catalogue has, each once [A37 B075]",
    (name) => {
      const text = scraped.get(name) ?? "";
      const names = [...text.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1] ?? "");
      const declared = [...KIT_METRICS, ...metricsOf(name)].map((metric) => metric.name);
      // Node's own metrics are the library's, not ours to name.
      const ours = names.filter((each) => !/^(nodejs|process)_/.test(each));
      expect(ours.toSorted()).toEqual([...new Set(declared)].toSorted());
      for (const line of text.split("\n").filter((each) => /^[a-z]/.test(each)))
        expect(line).toContain(`service="${name}"`);
    },
  );

  it.each(PROCESSES)("every log line of %s is JSON and holds no secret [B079]", (name) => {
    const text = readFileSync(join(runDir, "logs", `${name}.log`), "utf8");
    const lines = text.trimEnd().split("\n");
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) {
      expect(JSON.parse(line), line).toMatchObject({
        level: expect.stringMatching(/^(trace|debug|info|warn|error|fatal)$/),
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        service: name,
        pid: expect.any(Number),
        msg: expect.any(String),
      });
    }
    const key = readFileSync(join(runDir, "state/run-sim.key"), "utf8").split("\n")[1] ?? "";
    expect(key.length).toBeGreaterThan(32);
    const keys = readFileSync(join(runDir, "state/venue-keys.json"), "utf8");
    expect(keys).toContain("sim-secret");
    for (const secret of [key, "sim-secret"]) expect(text).not.toContain(secret);
  });

  it("SIGTERM in mid trade leaves no order at the venue, a sealed WAL and equal books [A49 B049 B086]", () => {
    const failed = result.checks.filter((each) => !each.ok).map((each) => each.name);
    // It did not trade its ten minutes: that, and nothing else, is what fails.
    const short = ["interrupted", "market_events", "intents", "orders", "fills"];
    expect(
      failed.filter((each) => !short.includes(each)),
      says,
    ).toEqual([]);
    expect(failed).toContain("interrupted");
    const truth = venueTruth(join(runDir, "venue/log.ndjson"));
    expect(truth.orders.size).toBeGreaterThan(0);
    expect(truth.openOrders).toEqual([]);
    const wal = walVerify(join(runDir, "wal"));
    expect(wal).toMatchObject({ ok: true, gapsUnaccounted: 0, unfinishedBytes: 0 });
    expect(wal.sealed).toBe(wal.segments);
    expect(readdirSync(join(runDir, "state")).filter((each) => each === "gateway.json")).toEqual(
      [],
    );
  });
});
