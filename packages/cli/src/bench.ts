import { builtPeer, dataFolder, measured } from "./commands/measured.ts";
import { report } from "./result.ts";
import { run } from "./run.ts";
import { UsageError } from "./sim/options.ts";

export interface ChainFlags {
  readonly transport: string;
  readonly rounds: string;
  readonly messages: string;
  readonly json: boolean;
}

export interface PeerFlags {
  readonly data?: string;
  readonly rounds: string;
  readonly json: boolean;
}

export const ROUNDS_MAX = 100;

export function count(flag: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value;
  throw new UsageError(`${flag} ${text}: want a whole number between 1 and ${max}`);
}

/** Measures the chain of services. */
export async function benchChainCommand(flags: ChainFlags): Promise<void> {
  if (flags.transport !== "zmq") throw new UsageError(`--transport ${flags.transport}: want zmq`);
  const { benchChain } = await import("../../../bench/chain.ts");
  const value = await benchChain({
    rounds: count("--rounds", flags.rounds, ROUNDS_MAX),
    messages: count("--messages", flags.messages, 100_000),
  });
  report(value, flags.json);
}

/** Runs a bench that stands beside its peers: a crate `peer-<name>` of the workspace `bench/peers`. */
export async function benchPeer(root: string, name: string, flags: PeerFlags): Promise<void> {
  const rounds = String(count("--rounds", flags.rounds, ROUNDS_MAX));
  const args = ["--data", dataFolder(flags.data), "--rounds", rounds];
  const binary = await builtPeer(root, `peer-${name}`);
  report(measured(`bench ${name}`, await run(binary, args, { cwd: root })), flags.json);
}

/** Measures the normaliser beside its peers. */
export async function benchNormaliseCommand(root: string, flags: PeerFlags): Promise<void> {
  const { benchNormalise } = await import("./bench-normalise.ts");
  const rounds = count("--rounds", flags.rounds, ROUNDS_MAX);
  report(await benchNormalise(root, dataFolder(flags.data), rounds), flags.json);
}
