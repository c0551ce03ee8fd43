import { count, ROUNDS_MAX } from "../bench.ts";
import { builtPeer, dataFolder, measured } from "../commands/measured.ts";
import { type Check, type Result, result } from "../result.ts";
import { run } from "../run.ts";
import { UsageError } from "../sim/options.ts";
import { absent, benchPython, PLANTS, type Plant } from "./bench/python.ts";

/** The peer that links both engines; hftbacktest is built on demand and never by a build, lint or test of the project. */
const PEER = "peer-backtest";

export interface BenchWords {
  readonly data?: string | undefined;
  readonly rounds: string;
  readonly part?: string | undefined;
  readonly plant?: string | undefined;
}

/** Holds every execution of the backtester against hftbacktest's. */
export async function verifyBacktest(
  root: string,
  data: string | undefined,
  plant: string | undefined,
): Promise<Result> {
  const args = ["verify", "--data", dataFolder(data)];
  if (plant !== undefined) args.push("--break", plant);
  const binary = await builtPeer(root, PEER);
  return measured("verify backtest", await run(binary, args, { cwd: root }));
}

/**
 * Takes the time of the engines over the same rows: hftbacktest's crate within one process, and both peers in Python beside a strategy
 * file. `part` takes one of them alone. Where a Python peer cannot be had its checks say so and do not pass.
 */
export async function benchBacktest(
  root: string,
  { data, rounds, part, plant }: BenchWords,
): Promise<Result> {
  const folder = dataFolder(data);
  const turns = count("--rounds", rounds, ROUNDS_MAX);
  if (part !== undefined && part !== "crate" && part !== "python") {
    throw new UsageError(`--only ${part}: want crate or python`);
  }
  if (plant !== undefined && !(plant in PLANTS)) {
    throw new UsageError(`--break ${plant}: want ${Object.keys(PLANTS).join(", ")}`);
  }
  const checks: Check[] = [];
  const figures: Record<string, unknown> = {};
  if (part !== "python") {
    const args = ["bench", "--data", folder, "--rounds", String(turns)];
    const binary = await builtPeer(root, PEER);
    const value = measured("bench backtest", await run(binary, args, { cwd: root }));
    checks.push(...value.checks);
    Object.assign(figures, value.figures);
  }
  if (part !== "crate") {
    const value = await benchPython(root, folder, turns, (plant ?? null) as Plant | null).catch(
      (error: unknown) => absent(error instanceof Error ? error.message : String(error)),
    );
    checks.push(...value.checks);
    Object.assign(figures, value.figures);
  }
  return result("bench backtest", checks, figures);
}
