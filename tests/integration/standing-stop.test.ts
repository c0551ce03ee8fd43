import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Exits } from "@tidegate/strategy-sdk";
import { venueTruth } from "@tidegate/venue-sim";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
let runDir: string;
let ended: Promise<unknown>;
const read = <T>(name: string): T | null => {
  try {
    return JSON.parse(readFileSync(join(runDir, name), "utf8")) as T;
  } catch {
    return null;
  }
};

/** The strategy's level, as it is written down. */
function level(): Exits | null {
  const kept = read<{ state: string }>("state/strategy-1.state");
  if (kept === null) return null;
  return (JSON.parse(kept.state) as { standing: { exits: Exits }[] }).standing[0]?.exits ?? null;
}

interface Told {
  readonly sweep: string;
  readonly state: string;
}
/** The strategy's own process, as the newest line of its start names it. */
function ownPid(): number | null {
  const lines = readFileSync(join(runDir, "logs/strategy-runner.log"), "utf8").split("\n");
  const started = lines.filter((line) => line.includes('"the strategy is started"')).at(-1);
  if (started === undefined) return null;
  return (JSON.parse(started) as { processId?: number }).processId ?? null;
}
const runnerPid = () => read<{ pid: number }>("state/strategy-runner.json")?.pid ?? null;
async function told(): Promise<Told | null> {
  const file = read<{ httpPort: number }>("state/strategy-runner.json");
  if (file === null) return null;
  try {
    const answer = await fetch(`http://127.0.0.1:${file.httpPort}/health`);
    const { stats } = (await answer.json()) as { stats: { strategies: Told[] } };
    return stats.strategies[0] ?? null;
  } catch {
    return null;
  }
}

async function until<T>(what: string, look: () => Promise<T | null> | T | null): Promise<T> {
  for (const endMs = performance.now() + 60_000; performance.now() < endMs; ) {
    const found = await look();
    if (found !== null) return found;
    await sleep(50);
  }
  throw new Error(`it never came: ${what}`);
}
const fills = () => venueTruth(join(runDir, "venue/log.ndjson")).fills;

beforeAll(() => {
  mkdirSync(join(root, "var/test"), { recursive: true });
  runDir = mkdtempSync(join(root, "var/test/stop-"));
  const args = ["run", "sim", "--strategy", "services/strategy-runner/fixtures/trail.ts"];
  const more = ["--speed", "2", "--duration", "48", "--clickhouse", "none", "--run-dir", runDir];
  const child = spawn(
    process.execPath,
    [join(root, "packages/cli/src/main.ts"), ...args, ...more],
    {
      cwd: root,
      stdio: "ignore",
    },
  );
  ended = once(child, "exit");
});
afterAll(async () => {
  await ended;
  rmSync(runDir, { recursive: true, force: true });
}, 120_000);

describe("a trailing stop in processes of their own, killed with SIGKILL [B027]", () => {
  it("the trail's level outlives a kill of the runner, and only ever comes nearer", async () => {
    const before = await until("a trail above its entry", () => {
      const exits = level();
      return exits !== null && exits.bestPx > exits.entryPx ? exits : null;
    });
    const pid = runnerPid() ?? 0;
    process.kill(pid, "SIGKILL");
    await until("a runner after it", async () =>
      runnerPid() !== pid && (await told())?.state === "NORMAL" ? true : null,
    );
    const after = await until("its level", level);
    // Without what was written down it would hold a position whose entry and trail nobody knows.
    expect(after).toMatchObject({ entryPx: before.entryPx, triggered: false });
    expect(after.stopPx).toBeGreaterThanOrEqual(before.stopPx);
    expect(after.bestPx).toBeGreaterThanOrEqual(before.bestPx);
    expect(fills().every(({ side }) => side === "BUY")).toBe(true);
  }, 90_000);

  it("while the strategy's own process is dead its stop is followed, and closes what it holds", async () => {
    const own = await until("a process of its own", ownPid);
    expect(own).not.toBe(runnerPid());
    const before = await until("its level", level);
    process.kill(own, "SIGKILL");
    await until("the guard", async () => {
      const now = await told();
      return now?.state === "DEAD" && now.sweep === "GUARDING" ? true : null;
    });
    await until("the end of what is held", async () =>
      (await told())?.sweep === "SWEPT" ? true : null,
    );
    const all = fills();
    const lots = (of: string) =>
      all.filter(({ side }) => side === of).reduce((sum, { qtyLots }) => sum + qtyLots, 0n);
    expect(lots("BUY")).toBe(2n);
    // What was held, once, and not a lot more.
    expect(lots("SELL")).toBe(2n);
    const end = await until("the level it came to", level);
    expect(end.triggered).toBe(true);
    expect(end.stopPx).toBeGreaterThanOrEqual(before.stopPx);
    // At its level and not before; between trigger and fill the market may come back a little of the way.
    const most = end.stopPx + (end.bestPx - end.stopPx) / 4;
    for (const { side, pxTicks } of all)
      if (side === "SELL") expect(Number(pxTicks)).toBeLessThanOrEqual(most);
    expect((await told())?.state).toBe("DEAD");
  }, 120_000);
});
