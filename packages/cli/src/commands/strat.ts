import type { Command } from "commander";

/** `hft init` and `hft strat`. */
export function addStrat(program: Command, root: string): void {
  program
    .command("init")
    .description("a new strategy in strategies/NAME, with a test it passes")
    .argument("<name>", "lower-case letters, digits and dashes")
    .addHelpText("after", "\nExample: ./hft init my-idea")
    .action(async (name: string) => {
      const { initStrategy } = await import("../strat/strat.ts");
      const files = initStrategy(root, name);
      process.stdout.write(`${files.join("\n")}\nnow: ./hft strat test ${name}\n`);
    });
  const strat = program.command("strat").description("strategies: lint and test");
  strat
    .command("lint")
    .description("refuse clocks, randomness, sockets and imports, with the line and the remedy")
    .argument("[paths...]", "files or folders", ["strategies"])
    .addHelpText("after", "\nExample: ./hft strat lint strategies/simple-mm.ts")
    .action(async (paths: string[]) => {
      const { lintStrategies } = await import("../strat/strat.ts");
      const found = lintStrategies(root, paths);
      process.stdout.write(found.map((line) => `${line}\n`).join(""));
      process.exitCode = found.length === 0 ? 0 : 1;
    });
  strat
    .command("test")
    .description("lint and test strategies")
    .argument("[part]", "only those whose path begins with this", "")
    .option("--watch", "again on every save")
    .addHelpText("after", "\nExample: ./hft strat test grid --watch")
    .action(async (part: string, options: { watch?: true }) => {
      const { testStrategies } = await import("../strat/strat.ts");
      process.exitCode = (await testStrategies(root, part, options.watch ?? false)) ? 0 : 1;
    });
}
