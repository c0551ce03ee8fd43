import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import {
  ACCOUNT_SLICES,
  BAN_MS,
  BLOCK_MS,
  BudgetSpent,
  silenceMs,
  WeightBudget,
} from "./budget.ts";
import { RestClient } from "./rest.ts";

describe("the weight budget", () => {
  const at = { ms: 0 };
  const budget = (max: number) => {
    at.ms = 0;
    return new WeightBudget(max, 100, () => at.ms);
  };
  const fits = (of: WeightBudget, weight: number): boolean => {
    try {
      of.take("x", weight);
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(BudgetSpent);
      return false;
    }
  };

  it("slices of one account add up to the whole of it [B018]", () => {
    for (const slices of Object.values(ACCOUNT_SLICES))
      expect(Object.values(slices).reduce((sum, each) => sum + each, 0)).toBe(100);
    expect(new WeightBudget(2_400, ACCOUNT_SLICES.weight.monitor).max).toBe(240);
  });

  it("tells what may leave now: what has room is taken, one more is not, and a silent venue has none", () => {
    const of = budget(100);
    expect(of.room).toBe(100);
    of.take("x", 60);
    expect([of.room, fits(of, 41), fits(of, 40), of.room]).toEqual([40, false, true, 0]);
    of.settle(60);
    at.ms = 59_999;
    expect(of.room).toBe(0);
    at.ms = 60_000;
    expect(of.room).toBe(60);
    of.block(500);
    expect(of.room).toBe(0);
    at.ms = 60_500;
    expect(of.room).toBe(60);
  });

  it("no minute at the venue holds more, wherever between bytes and answer it counts [B018]", () => {
    // A plain model: requests fly for a while, the venue counts each at a moment of its own choosing.
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed % below;
    };
    const one = budget(10);
    const answers: { ms: number; weight: number }[] = [];
    const counted: { ms: number; weight: number }[] = [];
    for (let n = 0; n < 5_000; n += 1) {
      at.ms += random(4_000);
      answers.sort((a, b) => a.ms - b.ms);
      while (answers[0] !== undefined && answers[0].ms <= at.ms) {
        const { ms, weight } = answers.shift() as { ms: number; weight: number };
        const now = at.ms;
        at.ms = ms;
        one.settle(weight);
        at.ms = now;
      }
      const weight = 1 + random(5);
      if (!fits(one, weight)) continue;
      const there = random(2_000);
      counted.push({ ms: at.ms + there, weight });
      answers.push({ ms: at.ms + there + random(2_000), weight });
    }
    expect(counted.length).toBeGreaterThan(500);
    for (const { ms: end } of counted) {
      const inside = counted.filter(({ ms }) => ms <= end && ms > end - 60_000);
      expect(inside.reduce((sum, { weight }) => sum + weight, 0)).toBeLessThanOrEqual(10);
    }
  });

  it("what flies stays counted until it is settled, and a minute longer", () => {
    const one = budget(2);
    expect([fits(one, 2), fits(one, 1)]).toEqual([true, false]);
    at.ms = 120_000;
    expect(fits(one, 1)).toBe(false);
    one.settle(2);
    at.ms += 59_999;
    expect(fits(one, 1)).toBe(false);
    at.ms += 1;
    expect(fits(one, 2)).toBe(true);
  });

  it("a block holds to its end, and the longer one wins [B019]", () => {
    const one = budget(10);
    one.block(500);
    one.block(100);
    at.ms = 499;
    expect([fits(one, 1), one.blockedMs]).toEqual([false, 1]);
    at.ms = 500;
    expect([fits(one, 1), one.blockedMs]).toEqual([true, 0]);
  });

  it.each([
    [200, 5, null],
    [503, 5, null],
    [429, 5, 6_000],
    [418, 30, 31_000],
    [429, null, BLOCK_MS],
    [418, null, BAN_MS],
  ])(
    "an answer %i with Retry-After %s asks for a silence of %s ms [B019]",
    (status, after, want) => {
      expect(silenceMs(status, after)).toBe(want);
    },
  );
});

describe("the REST client with a budget", () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  it("after a 429 nothing leaves before its reset, and everybody is told [B019]", async () => {
    let status = 429;
    let seen = 0;
    server = createServer((_request, response) => {
      seen += 1;
      response.writeHead(status, { "retry-after": "2", "x-mbx-used-weight-1m": "77" }).end("{}");
    });
    await new Promise<void>((done) => server?.listen(0, "127.0.0.1", done));
    const at = { ms: 0 };
    const budget = new WeightBudget(100, 100, () => at.ms);
    const told: unknown[] = [];
    const rest = new RestClient({
      baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      budget,
      weightOf: (_method, path) => (path === "/heavy" ? 99 : 1),
      onLimits: (limits) => told.push(limits),
    });
    const ask = (path: string) => rest.ask("GET", path, [], "none");
    expect((await ask("/light")).status).toBe(429);
    for (at.ms = 0; at.ms < 3_000; at.ms += 500)
      await expect(ask("/light")).rejects.toThrow(BudgetSpent);
    expect(seen).toBe(1);
    status = 200;
    at.ms = 3_000;
    expect((await ask("/light")).status).toBe(200);
    expect(told).toEqual([
      { usedWeight: 77, blockedMs: 3_000 },
      { usedWeight: 77, blockedMs: null },
    ]);
    await expect(ask("/heavy")).rejects.toThrow("not sent, the request budget is spent");
    expect(seen).toBe(2);
  });

  it("a request that failed still counts: the venue may have seen it", async () => {
    const budget = new WeightBudget(1, 100, () => 0);
    const rest = new RestClient({ baseUrl: "http://127.0.0.1:1", budget, weightOf: () => 1 });
    await expect(rest.ask("GET", "/x", [], "none")).rejects.not.toThrow(BudgetSpent);
    await expect(rest.ask("GET", "/x", [], "none")).rejects.toThrow(BudgetSpent);
  });
});
