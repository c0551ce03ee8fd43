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
}
