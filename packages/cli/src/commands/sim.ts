import type { Command } from "commander";

/** `hft sim …`: the whole cluster in one process, simulated from a seed; `hft run sim` is another thing. */
export function addSim(program: Command, root: string): void {
  const sim = program.command("sim").description("the cluster simulated from seeds, with faults");
  sim
    .command("cluster")
    .description("two gateways, router, strategies and venue under every fault, invariants held")
    .option("--seeds <n>", "how many seeds, each run twice", "2000")
    .option("--from <seed>", "the first seed", "1")
    .option("--break <name>", "plant a fault: lying-disk")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft sim cluster --seeds 2000 --from 1 --json")
    .action(async (options: { seeds: string; from: string; break?: string; json?: true }) => {
      const { prove } = await import("./measured.ts");
      const { report } = await import("../result.ts");
      const { seeds, from, break: plant } = options;
      report(
        await prove(root, "sim cluster", { seeds, from, break: plant }),
        options.json ?? false,
      );
    });
  sim
    .command("mutants")
    .description("plant one bug after the other and find the seed that notices it")
    .option("--seeds <n>", "seeds tried for each bug at most", "1000")
    .option("--from <seed>", "the first seed", "1")
    .option("--only <bug>", "this bug alone")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft sim mutants --only d2_release_after_timeout")
    .action(async (options: { seeds: string; from: string; only?: string; json?: true }) => {
      const { proveMutants } = await import("./sim-mutants.ts");
      const { report } = await import("../result.ts");
      const { seeds, from, only } = options;
      report(await proveMutants(root, { seeds, from, only }), options.json ?? false);
    });
}
