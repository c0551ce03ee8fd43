import { count, ROUNDS_MAX } from "../bench.ts";
import { builtPeer, dataFolder, measured } from "../commands/measured.ts";
import type { Result } from "../result.ts";
import { run } from "../run.ts";

/** The peer that links both engines; hftbacktest is built on demand and never by a build, lint or test of the project. */
const PEER = "peer-backtest";

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

/** Takes the time of both engines over the same rows. */
export async function benchBacktest(
  root: string,
  data: string | undefined,
  rounds: string,
): Promise<Result> {
  const args = ["bench", "--data", dataFolder(data)];
  args.push("--rounds", String(count("--rounds", rounds, ROUNDS_MAX)));
  const binary = await builtPeer(root, PEER);
  return measured("bench backtest", await run(binary, args, { cwd: root }));
}
