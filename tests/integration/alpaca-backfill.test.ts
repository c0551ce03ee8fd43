import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Feeds } from "@tidegate/venue-sim/feeds";
import { afterEach, describe, expect, it, vi } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const patience = { timeout: 40_000, interval: 25 };
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const act of undo.splice(0).reverse()) await act();
});

interface Row {
  readonly symbol: string;
  readonly state: string;
  readonly trades: number;
  readonly printsBackfilled: number;
  readonly backfillRefused: number;
  readonly tapeOpen: boolean;
}

describe("market-data at Alpaca", () => {
  it("fetches the trades of a lost connection over REST and merges each once [A05 B014]", async () => {
    const dir = mkdtempSync(join(tmpdir(), "backfill-"));
    undo.push(() => rmSync(dir, { recursive: true, force: true }));
    for (const folder of ["s", "state"]) mkdirSync(join(dir, folder));
    const row = (id: number, symbol: string) => ({
      ...{ id, venue_id: 4, venue: "ALPACA", symbol, kind: "equity", base: symbol, quote: "USD" },
      ...{ px_scale: 2, px_unit: 1, qty_scale: 0, qty_unit: 1, e8_per_tick_lot: 1_000_000 },
      ...{ min_qty_lots: 1, max_qty_lots: 1_000_000, min_notional_e8: 0 },
    });
    const table = join(dir, "instruments.json");
    writeFileSync(
      table,
      JSON.stringify({ version: 1, instruments: [row(1, "AAPL"), row(2, "MSFT")] }),
    );
    const keys = join(dir, "key.json");
    writeFileSync(keys, JSON.stringify({ key: "sim", secret: "sim-secret" }));

    const feeds = await Feeds.start({ venues: ["ALPACA"], samples: false });
    undo.push(() => feeds[Symbol.asyncDispose]());
    const port = feeds.port("ALPACA");
    const main = join(root, "services/market-data/src/main.ts");
    const flags = [
      ...["--instruments-file", table, "--alpaca-key-file", keys, "--reconnect-ms-min", "1500"],
      ...["--alpaca-stream-url", `ws://127.0.0.1:${port}`],
      ...["--alpaca-rest-url", `http://127.0.0.1:${port}`],
      ...["--feature-rollout-file", join(dir, "state/no-rollout.json")],
    ];
    const child: ChildProcess = spawn(process.execPath, [main, ...flags], { cwd: dir });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (data: Buffer) => {
        text += data.toString();
      });
    undo.push(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    });
    const rows = async (): Promise<readonly Row[]> => {
      const state = JSON.parse(readFileSync(join(dir, "state/market-data.json"), "utf8")) as {
        httpPort: number;
      };
      const page = await fetch(`http://127.0.0.1:${state.httpPort}/health`);
      const { stats } = (await page.json()) as { stats: { instruments: readonly Row[] } };
      return stats.instruments;
    };
    const until = (holds: (rows: readonly Row[]) => boolean): Promise<readonly Row[]> =>
      vi.waitFor(async () => {
        const now = await rows();
        if (!holds(now)) throw new Error(`${JSON.stringify(now)} ${text.slice(-1_500)}`);
        return now;
      }, patience);

    const before = await until((now) =>
      now.every(({ state, trades }) => state === "VALID" && trades > 5),
    );
    expect(
      before.every(({ printsBackfilled, tapeOpen }) => printsBackfilled === 0 && !tapeOpen),
    ).toBe(true);
    feeds.inject({ venue: "ALPACA", switch: "roll_24h" });
    const after = await until((now) =>
      now.every(({ printsBackfilled, tapeOpen }) => printsBackfilled > 0 && !tapeOpen),
    );
    expect(after.map(({ backfillRefused }) => backfillRefused)).toEqual([0, 0]);
    await vi.waitFor(() => expect(text).toContain("the missing trades have come"), patience);
  }, 120_000);
});
