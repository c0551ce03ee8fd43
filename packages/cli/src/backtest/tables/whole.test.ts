import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { importSet, readCatalogue, verifySets } from "../catalogue.ts";
import { backtest } from "../outcome.ts";
import { DEFAULTS, prepare, type RunWords } from "../prepare.ts";
import { told } from "../run.ts";

const root = fileURLToPath(new URL("../../../../../", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "whole-"));
afterAll(() => rmSync(dir, { recursive: true }));
const instruments = join(dir, "research.json");
const shared = { base: "X", quote: "USD", min_qty_lots: 1, max_qty_lots: 1_000_000 };
writeFileSync(
  instruments,
  JSON.stringify({
    version: 1,
    instruments: [
      {
        ...{ id: 5, venue_id: 4, venue: "ALPACA", symbol: "AAPL", kind: "equity", ...shared },
        ...{ px_scale: 2, px_unit: 1, qty_scale: 2, qty_unit: 1, e8_per_tick_lot: 10_000 },
        min_notional_e8: 0,
      },
      {
        ...{ id: 9, venue_id: 7, venue: "FIX", symbol: "ESU4", kind: "future", ...shared },
        ...{ px_scale: 2, px_unit: 25, qty_scale: 0, qty_unit: 1, e8_per_tick_lot: 1_250_000_000 },
        ...{ min_notional_e8: 0, multiplier: 50, expiry: 20_240_920 },
      },
    ],
  }),
);
const words: RunWords = {
  ...{ strategy: "simple-mm", params: {}, seed: 1, latency: ["1ms"], fees: ["lot:0/0"] },
  ...{ queue: DEFAULTS.queue, fill: DEFAULTS.fill, sample: "1s", capital: 100_000 },
  ...{ instruments, data: [] },
};
const base = { instruments, format: null, baseNs: 0, date: null };

describe("from a file to a result", () => {
  const catalogue = join(dir, "data");
  const testdata = (path: string) => fileURLToPath(new URL(path, import.meta.url));

  it("bars: the catalogue, the run and what is told of it say that they are bars", async () => {
    const columns = join(dir, "bars.json");
    const spec = {
      ...{ rows: "bars", time: { column: "time", unit: "text-utc" }, interval: "1m" },
      columns: { open: "open", high: "high", low: "low", close: "close", volume: "volume" },
      stamp: "open",
    };
    writeFileSync(columns, JSON.stringify(spec));
    const files = [testdata("./testdata/bars-in.csv")];
    const want = { ...base, files, instrument: "ALPACA:AAPL", columns };
    const { entry } = await importSet(root, want, catalogue, "made up");
    expect(entry.rule).toContain("made of bars of 1m");
    const prepared = await prepare(root, { ...words, data: [join(catalogue, entry.file)] });
    const document = await backtest(prepared);
    expect(document.metrics.fills).toBeGreaterThan(0);
    const [instrument] = document.instruments;
    expect(instrument?.assumptions["data"]).toBe(entry.rule);
    expect(instrument?.audit.sound).toBe(true);
    expect(told(document, "x")).toContain("data: made of bars of 1m");
    // The same bars under another rule are another tape, and so another run.
    writeFileSync(columns, JSON.stringify({ ...spec, spreadTicks: 3 }));
    expect((await importSet(root, want, catalogue, "made up")).entry.hash).not.toBe(entry.hash);
    expect(
      await importSet(root, { ...want, columns: null }, catalogue, "x").catch(String),
    ).toContain("a table needs the file that says what its columns mean");
    const unsaid = prepare(root, { ...words, data: [`5=${files[0]}`] });
    await expect(unsaid).rejects.toThrow("what its columns mean must be said");
  });

  it("Databento: straight into a run, or through the catalogue, which are one; nothing says bars", async () => {
    const file = testdata("../../../../rust-core/crates/tapes/testdata/mbo-v3.dbn.zst");
    const { entry } = await importSet(
      root,
      { ...base, files: [file], instrument: "9" },
      catalogue,
      "made up",
    );
    expect(entry.rule).toBe(null);
    const run = async (data: string) => backtest(await prepare(root, { ...words, data: [data] }));
    const first = await run(join(catalogue, entry.file));
    expect((await run(`FIX:ESU4=${file}`)).hashes.run).toBe(first.hashes.run);
    expect(first.instruments[0]?.assumptions["data"]).toBeUndefined();
    const other = { ...base, files: [file], instrument: "9", symbol: "CLU4" };
    await expect(importSet(root, other, catalogue, "x")).rejects.toThrow("ESU4 = 118, NQU4 = 4358");
    expect(verifySets(catalogue).ok).toBe(true);
    expect(readCatalogue(catalogue).map(({ rule }) => rule === null)).toEqual([false, false, true]);
  });
});
