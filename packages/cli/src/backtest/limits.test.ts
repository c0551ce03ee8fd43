import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { backtest, GATEWAY_NOT_MODELLED } from "./outcome.ts";
import { DEFAULTS, prepare, type RunWords } from "./prepare.ts";
import { resultOf, told } from "./run.ts";
import { parseSpec, wordsFor } from "./sweep/spec.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "backtest-limits-"));
afterAll(() => rmSync(dir, { recursive: true }));
const words: RunWords = {
  ...DEFAULTS,
  ...{ strategy: "simple-mm", data: [], params: {}, latency: [], fees: [] },
};
const run = async (change: Partial<RunWords> = {}) =>
  backtest(await prepare(root, { ...words, ...change }));

interface Limits {
  version: number;
  strategies: { strategy_id: number; messages_max: number }[];
  instruments: { position_lots_max: number; order_qty_lots_max: number }[];
}
/** The limits the cluster starts with, changed. */
function limits(name: string, change: (limits: Limits) => void): string {
  const value = JSON.parse(readFileSync(join(root, "config/limits.json"), "utf8")) as Limits;
  change(value);
  const file = join(dir, `${name}.json`);
  writeFileSync(file, JSON.stringify(value));
  return file;
}
const total = (refused: Readonly<Record<string, number>>) =>
  Object.values(refused).reduce((sum, each) => sum + each, 0);

describe("a backtest with the gateway's limits [B099]", () => {
  it("the cluster's own limits file decides in a run, the same again each time, and the strategy is told of each no", async () => {
    const tight = limits("tight", ({ instruments }) => {
      for (const each of instruments) each.position_lots_max = each.order_qty_lots_max = 40;
    });
    const [one, two] = [await run({ limits: tight }), await run({ limits: tight })];
    expect(JSON.stringify(one)).toBe(JSON.stringify(two));
    const refused = one.gateway?.refused ?? {};
    // Spot quotes are of 50 lots: none of them passes; those of the perpetual do.
    expect(refused["MAX_QTY_EXCEEDED"]).toBeGreaterThan(10);
    expect(one.host.refusedByGateway).toBe(total(refused));
    expect(one.instruments.map(({ orders }) => orders > 0)).toEqual([false, true]);
    expect(one.instruments.map(({ audit }) => audit.sound)).toEqual([true, true]);
    expect(told(one, dir)).toContain(`MAX_QTY_EXCEEDED ${refused["MAX_QTY_EXCEEDED"]}`);
    expect(resultOf("backtest run", one, {}).figures["gateway"]).toEqual(one.gateway);
    // The negative control: nothing is refused where nobody refuses.
    const free = await run();
    expect([free.gateway, free.host.refusedByGateway]).toEqual([null, 0]);
    expect(free.instruments.every(({ orders }) => orders > 0)).toBe(true);
  });

  it("the limits are part of what a run is, whether or not they refuse anything", async () => {
    const as = (version: number) =>
      limits(`version-${version}`, (value) => {
        value.version = version;
      });
    const runs = [await run(), await run({ limits: as(1) }), await run({ limits: as(2) })];
    for (const of of ["run", "config", "engine"] as const) {
      expect(new Set(runs.map(({ hashes }) => hashes[of])).size).toBe(3);
    }
    expect(JSON.stringify(runs[1]?.fills)).toBe(JSON.stringify(runs[2]?.fills));
    const assumed = runs.map(({ instruments }) => instruments[0]?.assumptions["gateway"]);
    expect(assumed[0]).toMatch(/^limits: none/);
    expect(assumed[2]).toMatch(/^limits version 2, [0-9a-f]{64}/);
    const last = runs.map(({ notModelled }) => notModelled.at(-1));
    expect(last[0]).toBe(GATEWAY_NOT_MODELLED.without);
    expect(last[2]).toBe(GATEWAY_NOT_MODELLED.within);
  });

  it("an id of the strategy picks its row of the limits", async () => {
    const two = limits("two", ({ strategies }) => {
      for (const each of [...strategies]) {
        strategies.push({ ...each, strategy_id: 9, messages_max: 1 });
      }
    });
    const [wide, narrow] = [
      await run({ limits: two, limitsFor: "1" }),
      await run({ limits: two, limitsFor: "9/1" }),
    ];
    expect(wide.gateway?.refused["MESSAGE_RATE"]).toBeUndefined();
    expect(narrow.gateway?.refused["MESSAGE_RATE"]).toBeGreaterThan(10);
  });

  it.each([
    [{ limits: "nowhere.json" }, "--limits nowhere.json: there is no"],
    [{ limits: "config/limits.json", limitsFor: "0" }, "--limits-for 0: want STRATEGY"],
    [{ limits: "config/limits.json", limitsFor: "8" }, "no row of strategy 8"],
    [{ limits: "config/instruments.json" }, "cannot read the limits file"],
  ])("limits that cannot be are refused by name %#", async (change, want) => {
    await expect(run(change)).rejects.toThrow(want);
  });

  it("a sweep's spec names them too, and has none unless it does", () => {
    const job = { params: {}, seed: 1 };
    const of = (more: object) =>
      wordsFor(parseSpec("spec.json", JSON.stringify({ strategy: "grid", ...more })), job);
    expect(of({})).toMatchObject({ limits: "none", limitsFor: "1/1" });
    expect(of({ limits: "config/limits.json", limitsFor: "2" })).toMatchObject({
      limits: "config/limits.json",
      limitsFor: "2",
    });
  });
});
