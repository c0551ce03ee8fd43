import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { venueTruth } from "@tidegate/venue-sim";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const main = join(root, "packages/cli/src/main.ts");
let runDir: string;
let ended: Promise<unknown>;

function hft(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: root,
    encoding: "utf8",
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}
const at = () => ["--run-dir", runDir, "--json"];
const ask = (...args: string[]) => {
  const { status, stdout, stderr } = hft(...args, ...at());
  expect([0, 1], stderr).toContain(status);
  return JSON.parse(stdout) as Record<string, unknown>;
};

beforeAll(async () => {
  mkdirSync(join(root, "var/test"), { recursive: true });
  runDir = mkdtempSync(join(root, "var/test/desk-"));
  const args = ["run", "sim", "--duration", "25", "--clickhouse", "none", "--run-dir", runDir];
  const child = spawn(process.execPath, [main, ...args, "--json"], { cwd: root, stdio: "ignore" });
  ended = once(child, "exit");
  while (!existsSync(join(runDir, "state/execution-router.json"))) await sleep(50);
}, 60_000);
afterAll(async () => {
  await ended;
  rmSync(runDir, { recursive: true, force: true });
}, 90_000);

describe("what a desk looks at, of a running cluster", () => {
  it("open orders are orders the venue knows, shown to an operator", async () => {
    let orders: { clientOrderId: string; instrument: string; state: string }[] = [];
    await expect
      .poll(
        () => {
          const asked = ask("orders", "--as", "run-sim");
          orders = (asked["orders"] as typeof orders | undefined) ?? [];
          return orders.filter(({ state }) => state === "LIVE").length;
        },
        { timeout: 20_000, interval: 200 },
      )
      .toBeGreaterThan(0);
    const known = venueTruth(join(runDir, "venue/log.ndjson")).orders;
    for (const { clientOrderId, state } of orders)
      if (state === "LIVE") expect(known.has(clientOrderId)).toBe(true);
    expect(orders[0]?.instrument).toMatch(/^BINANCE_(SPOT|USDM) BTCUSDT$/);
    // The whole state stays where it was: with risk and admin.
    expect(hft("gateway", "export", "--as", "run-sim", "--run-dir", runDir).stderr).toContain(
      "403",
    );
  }, 60_000);

  it("positions have a profit, and venues their links and budgets", async () => {
    const { positions } = ask("positions", "--as", "run-sim", "--all") as {
      positions: { pnl: string | null; quote: string }[];
    };
    expect(positions.length).toBeGreaterThan(0);
    expect(positions.some(({ pnl }) => pnl !== null)).toBe(true);
    const table = hft("positions", "--as", "run-sim", "--all", "--run-dir", runDir).stdout;
    expect(table).toMatch(/^account +strategy +instrument +position/);
    const venue = hft("venue", "--run-dir", runDir);
    expect(venue.status, venue.stderr).toBe(0);
    expect(venue.stdout).toMatch(/BINANCE_SPOT +UP/);
    expect(venue.stdout).toContain("every breaker is closed");
  }, 60_000);

  it("where nothing runs it is said with what to do", () => {
    const none = ["--run-dir", root];
    expect(hft("venue", ...none)).toMatchObject({ status: 2 });
    expect(hft("venue", ...none).stderr).toContain("no execution-router runs here");
    const key = join(runDir, "state/run-sim.key");
    const { status, stderr } = hft("orders", ...none, "--as", "run-sim", "--key", key);
    expect(status).toBe(1);
    expect(stderr).toContain("cannot be reached");
  });
});
