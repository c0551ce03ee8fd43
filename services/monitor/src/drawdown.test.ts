import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type MonitorConfig, Settings } from "./config.ts";
import { initialDrawdown, onEquity, PeakFile, profitE8 } from "./drawdown.ts";
import { DrawdownWatch } from "./drawdown-watch.ts";

const RULES = { capitalE8: 100_000n, alertBps: 500 };
/** The alerts of a tape of equities, by the place of each. */
function play(tape: readonly bigint[], peakE8: bigint | null = null): [at: number, kind: string][] {
  let state = initialDrawdown(RULES, peakE8);
  const alerts: [number, string][] = [];
  for (const [at, equity] of tape.entries()) {
    const step = onEquity(state, RULES, equity);
    state = step.state;
    if (step.alert !== null) alerts.push([at, step.alert.kind]);
  }
  return alerts;
}

describe("the alert of a drawdown [B055]", () => {
  it("fires when the tape crosses five percent, once, and clears when it has come back", () => {
    const tape = [100_000n, 95_001n, 95_000n, 90_000n, 95_400n, 95_501n, 96_000n, 95_000n];
    expect(play(tape)).toEqual([
      [2, "fires"],
      [5, "clears"],
      [7, "fires"],
    ]);
  });

  it("is of the peak, not of the beginning: a fall from what was won fires too", () => {
    expect(play([120_000n, 115_000n, 114_000n, 100_000n])).toEqual([[2, "fires"]]);
    expect(play([114_000n], 120_000n), "and the peak is one of before a restart").toEqual([
      [0, "fires"],
    ]);
  });

  it("a price that stands on the bound does not ring at every tick", () => {
    const tape = Array.from({ length: 50 }, (_, at) => (at % 2 === 0 ? 95_000n : 95_010n));
    expect(play(tape)).toEqual([[0, "fires"]]);
  });

  it("a law: it is on exactly from the first reading at five percent to the first below four and a half", () => {
    const tape = fc.array(fc.integer({ min: 80_000, max: 130_000 }), { maxLength: 60 });
    fc.assert(
      fc.property(tape, (equities) => {
        // As it is said, in floating point and with the whole past.
        let [peak, on] = [100_000, false];
        const wanted: [number, string][] = [];
        for (const [at, equity] of equities.entries()) {
          peak = Math.max(peak, equity);
          const bps = Math.floor(((peak - equity) * 10_000) / peak + 1e-9);
          const now = on ? bps >= 450 : bps >= 500;
          if (now !== on) wanted.push([at, now ? "fires" : "clears"]);
          on = now;
        }
        expect(play(equities.map(BigInt))).toEqual(wanted);
      }),
    );
  });

  it("profit is what was realised and what is open at its mark; without a mark there is none", () => {
    const units = new Map([[1, { pxScale: 2, pxUnit: 1n, e8PerTickLot: 10n }]]);
    const held = { instrumentId: 1, positionLots: 20n, openCostE8: 1_200_000_000n, realisedE8: 5n };
    const at = (px: string | null) => profitE8([held], new Map([[1, px]]), units);
    expect(at("60500.00")).toBe(10_000_005n);
    expect(at("60500"), "a text without its zeros").toBe(10_000_005n);
    const short = { ...held, positionLots: -20n, openCostE8: -1_200_000_000n };
    expect(profitE8([short], new Map([[1, "60500.00"]]), units)).toBe(-9_999_995n);
    expect(at(null)).toBeNull();
    const flat = { ...held, positionLots: 0n, openCostE8: 0n };
    expect(profitE8([flat], new Map(), units)).toBe(5n);
  });
});

describe("the watch of the gateway [B055]", () => {
  let dir: string;
  let config: MonitorConfig;
  const lines: string[] = [];
  let watch: DrawdownWatch | null = null;
  let price: string | null = "60000.00";
  let status = 200;
  const server = createServer((request, response) => {
    const position = {
      ...{ accountId: 1, strategyId: 1, instrumentId: 1, positionLots: "100000" },
      ...{ openCostE8: "6000000000000", realisedE8: "0", tradeCashE8: "-6000000000000" },
    };
    const body =
      request.url === "/state" ? { ok: true, references: { 1: price, 2: null } } : [position];
    response.writeHead(status).end(JSON.stringify(body));
  });

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "tidegate-drawdown-"));
    lines.length = 0;
    [price, status] = ["60000.00", 200];
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    config = Settings.parse({
      ...{ instrumentsFile: new URL("../../../config/instruments.json", import.meta.url).pathname },
      // One bitcoin, bought with all there is.
      ...{ drawdownCapitalE8: 6_000_000_000_000, drawdownFile: join(dir, "peak"), lookMs: 60_000 },
    });
  });
  afterEach(async () => {
    watch?.stop();
    await new Promise((resolve) => server.close(resolve));
    rmSync(dir, { recursive: true, force: true });
  });

  const started = () => {
    const { port } = server.address() as AddressInfo;
    const told = (_: unknown, message?: string) => void lines.push(message ?? "");
    watch = new DrawdownWatch(
      config,
      async (path) => {
        const answer = await fetch(`http://127.0.0.1:${port}${path}`);
        return answer.status === 200 ? await answer.json() : null;
      },
      { info: told, warn: told } as never,
    );
    return watch;
  };
  const looks = async (of: DrawdownWatch, ...prices: (string | null)[]) => {
    for (const each of prices) {
      price = each;
      await of.look();
    }
  };

  it("a tape that crosses five percent fires and clears; the peak is kept over a restart", async () => {
    const first = started();
    await looks(first, "60000.00", "63000.00", "60000.00");
    expect(lines).toEqual([]);
    await looks(first, "59850.00");
    expect(lines).toEqual(["alert: drawdown 5.00 % from the peak: 5.00 % and more"]);
    expect(first.shown()).toMatchObject({ firing: true, bps: 500, peakE8: "6300000000000" });
    first.stop();
    const again = started();
    await looks(again, "59850.00", "61000.00");
    expect(lines.slice(1)).toEqual([
      "alert: drawdown 5.00 % from the peak: 5.00 % and more",
      "alert: drawdown 3.17 %: below 5.00 % again, 5.00 % at its deepest",
    ]);
  });

  it("no fresh price and no answer are no reading: a firing alert stays", async () => {
    const of = started();
    await looks(of, "57000.00", null);
    status = 503;
    await looks(of, "60000.00");
    expect(of.shown()).toMatchObject({ firing: true, readings: 1, blind: 2 });
  });

  it("a peak that is none, and a capital without a table, keep it from starting", () => {
    writeFileSync(join(dir, "peak"), "much");
    expect(() => started()).toThrow("is no peak");
    expect(new PeakFile(join(dir, "none")).read()).toBeNull();
    const { instrumentsFile: _, ...without } = config;
    const ask = async () => null;
    expect(() => new DrawdownWatch(without as MonitorConfig, ask, {} as never)).toThrow(
      "instrumentsFile",
    );
  });
});
