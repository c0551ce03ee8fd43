import type { Command } from "commander";

/** `hft bench …`: speed beside a floor or a peer of the same run. One subcommand a bench, with its own options. */
export function addBench(program: Command, root: string): void {
  const bench = program
    .command("bench")
    .description("measure beside a floor or a peer of the same run");

  bench
    .command("chain")
    .description("the whole chain of services over the bus")
    .option("--transport <name>", "zmq", "zmq")
    .option("--rounds <n>", "interleaved rounds", "5")
    .option("--messages <n>", "messages a round", "2000")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft bench chain --transport zmq --json")
    .action(
      async (options: { transport: string; rounds: string; messages: string; json?: true }) => {
        const { benchChainCommand } = await import("../bench.ts");
        await benchChainCommand({ ...options, json: options.json ?? false });
      },
    );

  bench
    .command("book")
    .description("L2 and L3 books beside hftbacktest's depth structures, same updates")
    .option("--data <folder>", "the reference data (default: TIDEGATE_DATA)")
    .option("--rounds <n>", "interleaved rounds", "15")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft bench book --data ../shared/data --json")
    .action(async (options: { data?: string; rounds: string; json?: true }) => {
      const { benchPeer } = await import("../bench.ts");
      await benchPeer(root, "book", { ...options, json: options.json ?? false });
    });

  bench
    .command("features")
    .description("the 27 features beside the normaliser, five indicators beside TA-Lib's C loops")
    .option("--data <folder>", "the reference data (default: TIDEGATE_DATA)")
    .option("--rounds <n>", "interleaved rounds", "15")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft bench features --data ../shared/data --json")
    .action(async (options: { data?: string; rounds: string; json?: true }) => {
      const { benchPeer } = await import("../bench.ts");
      await benchPeer(root, "features", { ...options, json: options.json ?? false });
    });
}
