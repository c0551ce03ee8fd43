import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "feed-"));
const children: ChildProcess[] = [];
const patience = { timeout: 30_000, interval: 50 };
let venuePort = 0;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
function hft(...args: readonly string[]): Promise<Ran> {
  return new Promise((done) => {
    const flags = ["--disable-warning=ExperimentalWarning", join(root, "packages/cli/src/main.ts")];
    const child = execFile(process.execPath, [...flags, ...args], { cwd: folder }, (_, out, err) =>
      done({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

/** Starts a service of the cluster in the folder; gives what it has said so far. */
function launch(service: string, ...args: readonly string[]): () => string {
  const main = join(root, "services", service, "src/main.ts");
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], {
    cwd: folder,
  });
  children.push(child);
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data: Buffer) => {
      text += data.toString();
    });
  }
  return () => text;
}

beforeAll(async () => {
  mkdirSync(join(folder, "s"));
  const said = launch("venue-sim");
  venuePort = await vi.waitFor(() => {
    const port = /"venuePort":(\d+)/.exec(said())?.[1];
    if (port === undefined) throw new Error(`the venue is not up: ${said()}`);
    return Number(port);
  }, patience);
  const urls = ["spot", "usdm"].flatMap((market) => [
    `--${market}-stream-url`,
    `ws://127.0.0.1:${venuePort}`,
    `--${market}-rest-url`,
    `http://127.0.0.1:${venuePort}`,
  ]);
  launch("market-data", ...urls);
}, 60_000);

afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  rmSync(folder, { recursive: true, force: true });
});

describe("hft config sync against a running venue", () => {
  it("reads the steps of its symbols, with which the shipped table agrees [A03]", async () => {
    const cache = ["--contracts", join(folder, "contracts.json")];
    for (const [form, path] of [
      ["binance-spot", "api/v3"],
      ["binance-usdm", "fapi/v1"],
    ] as const) {
      const from = `http://127.0.0.1:${venuePort}/${path}/exchangeInfo`;
      const ran = await hft("config", "sync", "--form", form, "--from", from, ...cache);
      expect([ran.code, ran.err]).toEqual([0, ""]);
    }
    const table = ["--symbols", join(root, "config/instruments.json")];
    const checked = await hft("config", "validate", ...table, ...cache);
    expect([checked.code, checked.out]).toEqual([0, "2 symbols, 0 faults\n"]);
  }, 60_000);
});

describe("hft feed status against a running market-data process", () => {
  it("shows every book and session, and is exit 0 only while all are VALID", async () => {
    const table = await vi.waitFor(async () => {
      const ran = await hft("feed", "status");
      expect([ran.code, ran.err]).toEqual([0, ""]);
      return ran.out;
    }, patience);
    const lines = table.trimEnd().split("\n");
    expect(
      lines.filter((line) => /^BTCUSDT +VALID +\d.* events \d+ gaps 0/.test(line)),
    ).toHaveLength(2);
    expect(lines.filter((line) => line.startsWith("LIVE")).length).toBeGreaterThanOrEqual(2);
    expect(lines.at(-1)).toMatch(/^VALID, 0 messages refused$/);

    const state = readFileSync(join(folder, "state/market-data.json"), "utf8");
    const { httpPort } = JSON.parse(state) as { httpPort: number };
    const json = await hft("feed", "status", "--port", String(httpPort), "--json");
    expect(JSON.parse(json.out)).toMatchObject({
      ready: true,
      stats: { instruments: { length: 2 } },
    });

    // The venue dies: the books are no longer the venue's.
    const [venue] = children;
    venue?.kill("SIGKILL");
    await vi.waitFor(async () => {
      const ran = await hft("feed", "status");
      expect(ran.code).toBe(1);
      expect(ran.out).toMatch(/^BTCUSDT +(INVALID|STALE|SYNCING)/m);
    }, patience);
  }, 120_000);

  it("says what is wrong when another process answers, or none", async () => {
    const { createServer } = await import("node:http");
    const other = createServer((_, response) => response.end('{"state":"NORMAL","ready":true}'));
    await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
    const port = String((other.address() as { port: number }).port);
    const wrong = await hft("feed", "status", "--port", port);
    expect([wrong.code, wrong.err]).toEqual([
      1,
      expect.stringContaining("what answers is not market-data (stats"),
    ]);
    await new Promise((done) => other.close(done));
    const nobody = await hft("feed", "status", "--port", port);
    expect([nobody.code, nobody.err]).toEqual([1, expect.stringContaining("nothing answers")]);
    expect((await hft("feed", "status", "--port", "70000")).code).toBe(2);
  }, 60_000);
});
