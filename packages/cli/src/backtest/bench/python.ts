/** The backtester beside those in Python: one strategy file of ours, theirs compiled by numba, and nautilus_trader's engine. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Check, check } from "../../result.ts";
import { run } from "../../run.ts";
import { UsageError } from "../../sim/options.ts";
import { type LaneOutcome, runLane } from "../lane.ts";
import { prepare, type RunWords } from "../prepare.ts";
import { type Round, Turns } from "./turns.ts";

/** What can be planted, and the check that must notice it. */
export const PLANTS = {
  slow: ["typescript_vs_hftbacktest_numba", "vs_nautilus"],
  wrong: ["python_results_unequal"],
} as const;
export type Plant = keyof typeof PLANTS;

const NUMBA_MIN = 1;
const NAUTILUS_MIN = 10;
/** Wide enough for a ladder of ten orders a side to be taken away and laid anew in one step. */
const INTENTS_MAX = 64;
/** Rounds of nautilus: one takes as long as twenty of the others. */
const NAUTILUS_ROUNDS_MAX = 5;
/** Our rounds before the first that counts: the engine of JavaScript goes on compiling for some. */
const WARM_ROUNDS = 3;
const SLOW_FACTOR = 100;

/** The same models on both sides: a millisecond each way, a queue by probability, whole fills, their example's fees. */
const words = (root: string, npz: string, params: Record<string, unknown>): RunWords => ({
  strategy: join(root, "packages/cli/src/backtest/bench/grid-step.ts"),
  data: [`2=${npz}`],
  params,
  seed: 1,
  latency: ["1ms"],
  fees: ["-0.5bp/7bp"],
  queue: "power-of-share:3",
  fill: "whole",
  sample: "60s",
  capital: 100_000,
  instruments: "config/instruments.json",
});

const median = (list: readonly number[]): number => {
  const sorted = [...list].sort((a, b) => a - b);
  const [low = Number.NaN, high = Number.NaN] = [
    sorted[Math.floor((sorted.length - 1) / 2)],
    sorted[Math.floor(sorted.length / 2)],
  ];
  return (low + high) / 2;
};

/**
 * How many times faster than theirs ours was: the median over the rounds of theirs over ours. Both sides of a round follow each other, so
 * that what else the machine does comes upon both; a round that it came upon one side of alone is an outlier, of either kind.
 */
export function ratioOf(theirs: readonly number[], ours: readonly number[]): number {
  const ratios = theirs.flatMap((each, at) => {
    const own = ours[at];
    return own === undefined ? [] : [each / own];
  });
  return median(ratios);
}

/** Where the peers are installed; installs them on first use. Errors: the installer's own words. */
export async function pythonPeers(root: string): Promise<string> {
  const python = join(root, ".tools/python-peers/bin/python");
  if (existsSync(join(root, ".tools/python-peers/installed"))) return python;
  process.stderr.write("installing hftbacktest and nautilus_trader …\n");
  const { code, output } = await run(join(root, "scripts/python-peers"), ["install"], {
    cwd: root,
  });
  if (code === 0 && existsSync(python)) return python;
  throw new UsageError(
    `the Python peers cannot be installed; scripts/python-peers install said: ${output.trim().slice(-600)}`,
  );
}

/** The checks of a machine that has no peer: none passes, and the figures say why. */
export function absent(why: string): { checks: Check[]; figures: Record<string, unknown> } {
  return {
    checks: [
      check("typescript_vs_hftbacktest_numba", Number.NaN, ">=", NUMBA_MIN, "x"),
      check("vs_nautilus", Number.NaN, ">=", NAUTILUS_MIN, "x"),
      check("python_results_unequal", Number.NaN, "=", 0),
    ],
    figures: { python_peers_absent: why },
  };
}

/** Whether both came to the same fills, position, cash and fees. */
export function sameAccount({ summary }: LaneOutcome, theirs: Round): boolean {
  const ours = summary.instruments[0]?.received;
  if (ours === undefined) return false;
  const near = (a: number, b: number) => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b));
  return (
    ours.fills === theirs.fills &&
    near(ours.positionLots / 1_000, theirs["position"] as number) &&
    near(Number(ours.cashE8) / 1e8, theirs["balance"] as number) &&
    near(Number(ours.feeE16) / 1e16, theirs["fee"] as number)
  );
}

interface Timed {
  readonly seconds: number;
  readonly outcome: LaneOutcome;
}

/**
 * Rounds in turns: ours, hftbacktest's under numba, and in the first few nautilus's. Each side has the day in memory and its
 * engine made before the clock starts.
 *
 * Errors  a peer cannot be installed, ends, or does not answer
 */
export async function benchPython(
  root: string,
  data: string,
  rounds: number,
  plant: Plant | null = null,
): Promise<{ checks: Check[]; figures: Record<string, unknown> }> {
  const python = await pythonPeers(root);
  const from = join(root, "bench/peers/python");
  const npz = join(root, "var/peers/usdm_btcusdt_20240808.npz");
  const capture = join(data, "binance-raw-2024-08/usdm_btcusdt_20240808.jsonl.gz");
  using numba = new Turns("hftbacktest", python, [join(from, "hftbacktest_peer.py"), capture, npz]);
  const hello = await numba.hello();
  using other = new Turns("nautilus_trader", python, [join(from, "nautilus_peer.py"), npz]);
  const { levels, trades, version } = await other.hello();

  const none = await prepare(root, words(root, npz, { levels: 0 }));
  const grid = await prepare(
    root,
    words(root, npz, { levels: 10, ...(plant === "wrong" ? { half: 0.0004 } : {}) }),
  );
  const ours = async (which: typeof none): Promise<Timed> => {
    let [began, took] = [0, 0];
    const outcome = await runLane(which.definition, which.spec, which.spanNs, () => {}, {
      maxIntentsPerEvent: INTENTS_MAX,
      onBegin: () => {
        began = performance.now();
      },
      onEnd: () => {
        took = (performance.now() - began) / 1e3;
      },
    });
    return { seconds: plant === "slow" ? took * SLOW_FACTOR : took, outcome };
  };
  // Compiled before anybody looks at a clock, as numba is.
  for (let at = 0; at < WARM_ROUNDS; at += 1) {
    await ours(none);
    await ours(grid);
  }
  const seconds = {
    typescript_replay: [] as number[],
    typescript_grid: [] as number[],
    numba_replay: [] as number[],
    numba_grid: [] as number[],
    nautilus_replay: [] as number[],
    nautilus_grid: [] as number[],
  };
  let unequal = 0;
  let sums: Record<string, unknown> = {};
  for (let at = 0; at < rounds; at += 1) {
    // Who goes first changes with the round: what one leaves in the caches is the other's by turns.
    const theirsFirst = at % 2 === 1;
    const before = theirsFirst ? [await numba.round("replay"), await numba.round("grid")] : [];
    const [a, c] = [await ours(none), await ours(grid)];
    const b = before[0] ?? (await numba.round("replay"));
    const d = before[1] ?? (await numba.round("grid"));
    seconds.typescript_replay.push(a.seconds);
    seconds.numba_replay.push(b.seconds);
    seconds.typescript_grid.push(c.seconds);
    seconds.numba_grid.push(d.seconds);
    unequal += Number(!sameAccount(c.outcome, d)) + Number(!sameAccount(a.outcome, b));
    if (at < NAUTILUS_ROUNDS_MAX) {
      const [e, f] = [await other.round("replay"), await other.round("grid")];
      seconds.nautilus_replay.push(e.seconds);
      seconds.nautilus_grid.push(f.seconds);
      // It fills by rules of its own; that it saw the same day shows at its end.
      unequal += Number(String(e.touch) !== String(b.touch) || e["trades"] !== trades);
      sums = {
        fills: c.outcome.summary.instruments[0]?.received.fills,
        orders: c.outcome.summary.instruments[0]?.orders,
        nautilus_fills: f.fills,
        nautilus_orders: f["orders"],
      };
    }
  }
  const ratio = (theirs: keyof typeof seconds, ours: keyof typeof seconds) =>
    ratioOf(seconds[theirs], seconds[ours]);
  const figures: Record<string, unknown> = {
    python_peers: { hftbacktest: hello.version, numba: hello["numba"], nautilus_trader: version },
    python_rows: { hftbacktest: hello["rows"], nautilus_levels: levels, nautilus_trades: trades },
    python_results: sums,
    replay_vs_nautilus: ratio("nautilus_replay", "typescript_replay"),
    grid_vs_nautilus: ratio("nautilus_grid", "typescript_grid"),
    typescript_replay_vs_numba: ratio("numba_replay", "typescript_replay"),
  };
  for (const [name, list] of Object.entries(seconds)) {
    figures[`${name}.rounds_ms`] = list.map((each) => each * 1e3);
  }
  return {
    checks: [
      check(
        "typescript_vs_hftbacktest_numba",
        ratio("numba_grid", "typescript_grid"),
        ">=",
        NUMBA_MIN,
        "x",
      ),
      // Of a day without orders and of the grid, whichever is nearer.
      check(
        "vs_nautilus",
        Math.min(
          ratio("nautilus_replay", "typescript_replay"),
          ratio("nautilus_grid", "typescript_grid"),
        ),
        ">=",
        NAUTILUS_MIN,
        "x",
      ),
      check("python_results_unequal", unequal, "=", 0),
    ],
    figures,
  };
}
