import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { runLane } from "../lane.ts";
import { benchBacktest } from "../peer.ts";
import { DEFAULTS, prepare } from "../prepare.ts";
import { ratioOf, sameAccount } from "./python.ts";
import { Turns } from "./turns.ts";

const root = fileURLToPath(new URL("../../../../../", import.meta.url));
const empty = mkdtempSync(join(tmpdir(), "tidegate-bench-python-"));
afterAll(() => rmSync(empty, { recursive: true, force: true }));

describe("bench backtest beside Python", () => {
  it("a peer that cannot be installed passes nothing, and the installer's words stand in the figures", async () => {
    mkdirSync(join(empty, "scripts"), { recursive: true });
    const script = join(empty, "scripts/python-peers");
    writeFileSync(script, "#!/bin/sh\necho the registry is away >&2\nexit 1\n");
    chmodSync(script, 0o755);
    const value = await benchBacktest(empty, { data: empty, rounds: "1", part: "python" });
    expect(value.ok).toBe(false);
    expect(value.checks.map(({ name, ok }) => [name, ok])).toEqual([
      ["typescript_vs_hftbacktest_numba", false],
      ["vs_nautilus", false],
      ["python_results_unequal", false],
    ]);
    expect(value.figures["python_peers_absent"]).toContain("the registry is away");
  });

  it("an unknown part or fault is refused with those there are", async () => {
    const words = { data: empty, rounds: "1" };
    await expect(benchBacktest(empty, { ...words, part: "x" })).rejects.toThrow("crate or python");
    await expect(benchBacktest(empty, { ...words, plant: "x" })).rejects.toThrow("slow, wrong");
  });

  it("a round is one line; a peer that ends, or took no time, is told", async () => {
    const peer = (body: string) =>
      new Turns("peer", "sh", ["-c", `echo '{"version":"1"}'; ${body}`]);
    using good = peer(`read word; echo '{"seconds":0.5,"fills":1,"touch":[1,2]}'; cat >&2`);
    expect((await good.hello()).version).toBe("1");
    expect(await good.round("grid")).toEqual({ seconds: 0.5, fills: 1, touch: [1, 2] });
    using ended = peer("read word; echo no memory >&2; sleep 0.2");
    await ended.hello();
    await expect(ended.round("grid")).rejects.toThrow("peer ended: no memory");
    using idle = peer(`read word; echo '{"seconds":0}'; cat >&2`);
    await idle.hello();
    await expect(idle.round("grid")).rejects.toThrow("no time");
  });

  it("a ratio is that of rounds: what comes upon single ones, or upon both sides, changes nothing", () => {
    const [ours, theirs] = [
      [10, 10, 10, 10, 10],
      [15, 15, 15, 15, 15],
    ];
    expect(ratioOf(theirs, ours)).toBe(1.5);
    // Another process takes half the machine for two whole rounds, and all of it in one of ours and one of theirs.
    expect(ratioOf([30, 30, 15, 15, 90], [20, 20, 40, 10, 10])).toBe(1.5);
    // Where the medians are taken first it seems slower than it is.
    expect(ratioOf([15, 15, 15], [20, 10, 10])).toBe(1.5);
    // The negative control: really slower in most rounds. And of a peer with fewer rounds, those it has.
    expect(ratioOf([15, 15, 15], [20, 20, 10])).toBe(0.75);
    expect(ratioOf([100], [10, 1])).toBe(10);
  });

  it("the grid of the bench lays orders, and one fill more or another price makes two accounts unequal", async () => {
    const prepared = await prepare(root, {
      ...DEFAULTS,
      strategy: join(root, "packages/cli/src/backtest/bench/grid-step.ts"),
      data: [`2=${root}/data/samples/binance-usdm-btcusdt.jsonl.gz`],
      params: { half: 0.00002 },
      latency: ["1ms"],
      fees: ["-0.5bp/7bp"],
      fill: "whole",
    });
    const { definition, spec, spanNs } = prepared;
    const calls: string[] = [];
    const outcome = await runLane(definition, spec, spanNs, () => {}, {
      maxIntentsPerEvent: 64,
      onBegin: () => calls.push("begin"),
      onEnd: () => calls.push("end"),
    });
    expect(calls).toEqual(["begin", "end"]);
    const ours = outcome.summary.instruments[0]?.received;
    expect(ours?.fills).toBeGreaterThan(0);
    expect(outcome.host.exceptions).toBe(0);
    const theirs = {
      seconds: 1,
      touch: [0, 0] as const,
      fills: ours?.fills ?? 0,
      position: (ours?.positionLots ?? 0) / 1_000,
      balance: Number(ours?.cashE8) / 1e8,
      fee: Number(ours?.feeE16) / 1e16,
    };
    expect(sameAccount(outcome, theirs)).toBe(true);
    for (const change of [
      { fills: theirs.fills + 1 },
      { position: theirs.position + 0.001 },
      { balance: theirs.balance + 0.1 },
      { fee: theirs.fee + 0.001 },
    ]) {
      expect(sameAccount(outcome, { ...theirs, ...change })).toBe(false);
    }
  });
});
