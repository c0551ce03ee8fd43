import { report } from "./result.ts";
import { UsageError } from "./sim/options.ts";

export interface BenchFlags {
  readonly transport: string;
  readonly rounds: string;
  readonly messages: string;
  readonly json: boolean;
}

/** Runs one bench by name. */
export async function bench(name: string, flags: BenchFlags): Promise<void> {
  if (name !== "chain") throw new UsageError(`bench ${name}: want chain`);
  if (flags.transport !== "zmq") throw new UsageError(`--transport ${flags.transport}: want zmq`);
  const count = (flag: string, text: string, max: number): number => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value;
    throw new UsageError(`${flag} ${text}: want a whole number between 1 and ${max}`);
  };
  const { benchChain } = await import("../../../bench/chain.ts");
  const value = await benchChain({
    rounds: count("--rounds", flags.rounds, 100),
    messages: count("--messages", flags.messages, 100_000),
  });
  report(value, flags.json);
}
