import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";

const main = (service: string) =>
  fileURLToPath(new URL(`../../services/${service}/src/main.ts`, import.meta.url));

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const act of undo.splice(0).reverse()) await act();
});

interface Process {
  readonly child: ChildProcess;
  readonly text: () => string;
}

function launch(dir: string, service: string, args: readonly string[]): Process {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", main(service), ...args],
    { cwd: dir },
  );
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (data: Buffer) => {
      text += data.toString();
    });
  }
  undo.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return { child, text: () => text };
}

const patience = { timeout: 30_000, interval: 20 };

/** The venue and a run folder; gives the venue's port. */
async function venue(): Promise<{ dir: string; port: number }> {
  const dir = mkdtempSync(join(tmpdir(), "market-data-"));
  undo.push(() => rmSync(dir, { recursive: true, force: true }));
  mkdirSync(join(dir, "s"));
  const sim = launch(dir, "venue-sim", []);
  const port = await vi.waitFor(() => {
    const found = /"venuePort":(\d+)/.exec(sim.text())?.[1];
    if (found === undefined) throw new Error(`the venue is not up: ${sim.text()}`);
    return Number(found);
  }, patience);
  return { dir, port };
}

function marketData(dir: string, port: number): Process {
  const urls = ["spot", "usdm"].flatMap((market) => [
    `--${market}-stream-url`,
    `ws://127.0.0.1:${port}`,
    `--${market}-rest-url`,
    `http://127.0.0.1:${port}`,
  ]);
  return launch(dir, "market-data", urls);
}

interface Stats {
  readonly epoch: number;
  readonly gaps: number;
  readonly resyncs: number;
  readonly refused: number;
  readonly published: number;
  readonly instruments: readonly { readonly id: number; readonly gaps: number }[];
  readonly sessions: readonly { readonly opens: number }[];
}

const STATE = join("state", "market-data.json");

/** Statistics once every book is VALID and `also` holds. */
async function valid(dir: string, also: (stats: Stats) => boolean = () => true): Promise<Stats> {
  return await vi.waitFor(async () => {
    const { httpPort } = JSON.parse(readFileSync(join(dir, STATE), "utf8")) as { httpPort: number };
    const health = (await (await fetch(`http://127.0.0.1:${httpPort}/health`)).json()) as {
      ready: boolean;
      state: string;
      stats: Stats;
    };
    if (!health.ready || !also(health.stats)) throw new Error(JSON.stringify(health));
    return health.stats;
  }, patience);
}

async function fault(port: number, body: object): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/_sim`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
}

describe("market-data as a process", () => {
  it("repairs a gap and a lost session, and survives a kill with a new session number [A05 B011]", async () => {
    const { dir, port } = await venue();
    const first = marketData(dir, port);
    const start = await valid(dir, ({ published }) => published > 50);
    expect(start).toMatchObject({ epoch: 1, gaps: 0, refused: 0, resyncs: 2 });

    await fault(port, { fault: "depth_gap", market: "spot", count: 1 });
    const repaired = await valid(dir, ({ gaps, resyncs }) => gaps === 1 && resyncs === 3);
    expect(repaired.instruments.map(({ gaps }) => gaps)).toEqual([1, 0]);

    await fault(port, { fault: "disconnect_streams" });
    await valid(
      dir,
      ({ sessions, resyncs }) => resyncs >= 5 && sessions.every((s) => s.opens >= 2),
    );

    first.child.kill("SIGKILL");
    await once(first.child, "exit");
    rmSync(join(dir, STATE));
    const second = marketData(dir, port);
    expect((await valid(dir)).epoch).toBe(2);

    second.child.kill("SIGTERM");
    await once(second.child, "exit");
    expect(second.child.exitCode, second.text()).toBe(0);
    expect(existsSync(join(dir, STATE))).toBe(false);
  }, 120_000);

  it("refuses wrong settings with one line and exit 2, and a venue without a REST end with exit 1", async () => {
    const { dir, port } = { dir: mkdtempSync(join(tmpdir(), "market-data-")), port: 9 };
    undo.push(() => rmSync(dir, { recursive: true, force: true }));
    for (const [args, code, text] of [
      [["--spot-stream-url", "http://x"], 2, "spotStreamUrl"],
      [["--spot-stream-url", `ws://127.0.0.1:${port}`], 1, "spotRestUrl is not"],
      [[], 1, "nothing to feed"],
    ] as const) {
      const run = launch(dir, "market-data", args);
      await once(run.child, "close");
      expect(run.child.exitCode, run.text()).toBe(code);
      expect(run.text()).toContain(text);
    }
  }, 60_000);
});
