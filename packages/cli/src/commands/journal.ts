import type { Command } from "commander";

/** `hft journal …`: the journal of the gateway and the router. */
export function addJournal(program: Command, root: string): void {
  const journal = program.command("journal").description("the journal of gateway and router");
  journal
    .command("torture")
    .description(
      "fail every operation, flip every bit, cut at every length, and judge each restart",
    )
    .option("--seeds <n>", "scripts of appends and commits to fail", "12")
    .option("--bytes <n>", "size of the journal whose bits are flipped", "65536")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: sync-lies, altered-record")
    .addHelpText("after", "\nExample: ./hft journal torture --json")
    .action(async (options: { seeds: string; bytes: string; json?: true; break?: string }) => {
      const { prove } = await import("./measured.ts");
      const { report } = await import("../result.ts");
      const { seeds, bytes, break: plant } = options;
      report(
        await prove(root, "journal torture", { seeds, bytes, break: plant }),
        options.json ?? false,
      );
    });
}
