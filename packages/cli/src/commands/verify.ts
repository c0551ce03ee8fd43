import type { Command } from "commander";

/** `hft verify …`: proofs of this checkout. */
export function addVerify(program: Command, root: string): void {
  const verify = program.command("verify").description("prove a property of this checkout");
  verify
    .command("acceptance")
    .description("hold docs/acceptance.tsv against the tests that passed and the evidence there is")
    .option("--json", "print the result object as the last line")
    .option("--table", "print the README's status table and stop")
    .option("--break <name>", "plant a fault: claim (a claim no test shows)")
    .addHelpText("after", "\nExample: ./hft verify acceptance --json")
    .action(async (options: { json?: true; table?: true; break?: string }) => {
      const { verifyAcceptance } = await import("../verify-acceptance.ts");
      await verifyAcceptance(root, {
        json: options.json ?? false,
        table: options.table ?? false,
        plant: options.break ?? null,
      });
    });

  verify
    .command("features")
    .description(
      "features against published vectors, an exact model, reference indicators, recomputation",
    )
    .option("--data <folder>", "the reference data (default: TIDEGATE_DATA)")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: ema-alpha, rsi-seed, batch-offset, vector-digit")
    .addHelpText("after", "\nExample: ./hft verify features --data ../shared/data --json")
    .action(async (options: { data?: string; json?: true; break?: string }) => {
      const { dataFolder, prove } = await import("./measured.ts");
      const { report } = await import("../result.ts");
      const flags = { data: dataFolder(options.data), break: options.break };
      report(await prove(root, "verify features", flags), options.json ?? false);
    });
}
