import { expect, it } from "vitest";
import { benchChain, medians, quantiles } from "./chain.ts";

it("quantiles() and medians() of known numbers", () => {
  const ns = Array.from({ length: 1_000 }, (_, n) => (1_000 - n) * 1_000);
  expect(quantiles(ns)).toEqual({ p50: 500, p99: 990, p999: 999, max: 1_000 });
  expect(quantiles([7_000])).toEqual({ p50: 7, p99: 7, p999: 7, max: 7 });
  const round = (n: number) => ({ p50: n, p99: n + 1, p999: n + 2, max: n + 3 });
  expect(medians([round(9), round(1), round(5)])).toEqual(round(5));
});

it("[B097] the chain bench runs, tiny: every message once and in order, every figure there", async () => {
  const before = process.env["TIDEGATE_PROFILE"];
  process.env["TIDEGATE_PROFILE"] = "dev"; // what cargo test has built already
  try {
    const bench = await benchChain({ rounds: 1, messages: 20 });
    expect(bench.ok).toBe(true);
    expect(bench.checks.map((each) => [each.name, each.value])).toEqual([
      ["chain_messages", 20],
      ["ping_pong_round_trips", 40],
    ]);
    const chain = bench.figures["chain"] as Readonly<Record<string, { readonly p50: number }>>;
    const hops = ["tick_to_intent", "intent_to_command", "command_to_router", "tick_to_router"];
    for (const hop of hops) expect(chain[hop]?.p50).toBeGreaterThan(0);
    expect(bench.figures["libzmq_half_round_trip"]).toMatchObject({ p50: expect.any(Number) });
    expect(bench.figures["hop_over_unix_socket_p50"]).toBeGreaterThan(0);
  } finally {
    if (before === undefined) delete process.env["TIDEGATE_PROFILE"];
    else process.env["TIDEGATE_PROFILE"] = before;
  }
}, 300_000);
