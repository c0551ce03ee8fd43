import type { Command } from "commander";

/** `hft conformance …`: real peers against our simulators. */
export function addConformance(program: Command, root: string): void {
  const conformance = program
    .command("conformance")
    .description("let real clients of a venue judge our simulator of it");
  conformance
    .command("alpaca-data")
    .description("the vendor's market-data client, and ccxt for Binance's REST, against venue-sim")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: wrong-host")
    .addHelpText("after", "\nExample: ./hft conformance alpaca-data --json")
    .action(async (options: { json?: true; break?: string }) => {
      const { alpacaData } = await import("../conformance/alpaca-data.ts");
      const { report } = await import("../result.ts");
      const value = await alpacaData("conformance alpaca-data", options.break ?? null);
      report(value, options.json ?? false);
      if (options.json !== true) tellFaults(value.figures);
    });
  conformance
    .command("fix")
    .description("QuickFIX's acceptance scripts, QuickFIX/J and jspurefix against our FIX engine")
    .option("--json", "print the result object as the last line")
    .option("--data <folder>", "the reference data; TIDEGATE_DATA otherwise")
    .option("--only <part>", "scripts, quickfix_initiator, quickfix_acceptor or jspurefix alone")
    .option(
      "--break <name>",
      "plant a fault: withhold-orders, lenient or keep-numbers (scripts); wrong-peer (engines)",
    )
    .addHelpText("after", "\nExample: ./hft conformance fix --data <folder> --json")
    .action(async (options: { json?: true; data?: string; only?: string; break?: string }) => {
      const { fix } = await import("../conformance/fix.ts");
      const { dataFolder } = await import("./measured.ts");
      const { report } = await import("../result.ts");
      const value = await fix(root, {
        data: () => dataFolder(options.data),
        only: options.only ?? null,
        plant: options.break ?? null,
      });
      report(value, options.json ?? false);
    });
  conformance
    .command("venues")
    .description("our order paths against the simulated venues")
    .option("--json", "print the result object as the last line")
    .option("--only <venue>", "alpaca, binance-spot, binance-usdm, fix or shioaji alone")
    .option("--break <name>", "plant a fault: double-events (alpaca), wrong-fills (binance)")
    .addHelpText("after", "\nExample: ./hft conformance venues --json")
    .action(async (options: { json?: true; only?: string; break?: string }) => {
      const { venues } = await import("../conformance/venues.ts");
      const { report } = await import("../result.ts");
      const command = "conformance venues";
      const value = await venues(command, options.only ?? null, options.break ?? null);
      report(value, options.json ?? false);
      if (options.json !== true) tellFaults(value.figures);
    });
  conformance
    .command("peers")
    .description("the vendors' and others' clients and FIX engines against our simulators and ours")
    .option("--json", "print the result object as the last line")
    .option("--data <folder>", "the reference data; TIDEGATE_DATA otherwise")
    .option(
      "--only <part>",
      "alpaca_sdk, alpaca_py, ccxt, fix_scripts, quickfix_initiator, quickfix_acceptor or jspurefix alone",
    )
    .option(
      "--break <name>",
      "plant a fault: wrong-fee (alpaca_sdk, alpaca_py, ccxt), withhold-orders or wrong-peer (FIX)",
    )
    .addHelpText("after", "\nExample: ./hft conformance peers --data <folder> --json")
    .action(async (options: { json?: true; data?: string; only?: string; break?: string }) => {
      const { peers } = await import("../conformance/peers.ts");
      const { dataFolder } = await import("./measured.ts");
      const { report } = await import("../result.ts");
      const value = await peers("conformance peers", root, {
        data: () => dataFolder(options.data),
        only: options.only ?? null,
        plant: options.break ?? null,
      });
      report(value, options.json ?? false);
      if (options.json !== true) tellFaults(value.figures);
    });
}

/** The cards that failed, and why, for a person. */
function tellFaults(figures: Readonly<Record<string, unknown>>): void {
  for (const cards of Object.values(figures)) {
    if (!Array.isArray(cards)) continue;
    for (const { name, fault } of cards as readonly { name: string; fault: string }[]) {
      if (fault !== undefined && fault !== "") process.stderr.write(`${name}: ${fault}\n`);
    }
  }
}
