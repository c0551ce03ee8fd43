import type { Command } from "commander";

/** `hft bench …`: speed beside a floor or a peer of the same run. */
export function addBench(program: Command): void {
  program
    .command("bench")
    .description("measure beside a floor of the same run")
    .argument("<name>", "chain")
    .option("--transport <name>", "zmq", "zmq")
    .option("--rounds <n>", "interleaved rounds", "5")
    .option("--messages <n>", "messages a round", "2000")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft bench chain --transport zmq --json")
    .action(
      async (
        name: string,
        options: { transport: string; rounds: string; messages: string; json?: true },
      ) => {
        const { bench } = await import("../bench.ts");
        await bench(name, { ...options, json: options.json ?? false });
      },
    );
}
