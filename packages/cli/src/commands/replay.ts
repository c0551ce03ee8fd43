import type { Command } from "commander";

/** `hft replay …`: a captured session through the cores alone. */
export function addReplay(program: Command, root: string): void {
  program
    .command("replay")
    .description("run a captured session again")
    .command("verify")
    .description("gateway and strategies, given what they were given, do what they did")
    .requiredOption("--session <folder>", "a run's folder: ./hft run sim --capture --keep")
    .option("--json", "print the result object as the last line")
    .option(
      "--break <name>",
      "plant a fault: drop, reorder, price, event, recorded, twice, lockstep",
    )
    .addHelpText("after", "\nExample: ./hft replay verify --session var/run/last --json")
    .action(async (options: { session: string; json?: true; break?: string }) => {
      const { plantOf, verifySession } = await import("../replay/verify.ts");
      const { report } = await import("../result.ts");
      const plant = plantOf(options.break);
      const value = await verifySession("replay verify", root, options.session, plant);
      report(value, options.json ?? false);
    });
}
