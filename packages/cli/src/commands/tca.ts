import type { Command } from "commander";

const today = (): string => new Date().toISOString().slice(0, 10);

/** `hft tca …`: what trading cost. */
export function addTca(program: Command): void {
  const tca = program.command("tca").description("what trading cost");
  const over = (
    command: string,
    name: "tca" | "best-execution",
    description: string,
    example: string,
  ): void => {
    tca
      .command(command)
      .description(description)
      .requiredOption("--clickhouse <url>", "the ClickHouse that holds the recording")
      .option("--day <date>", "a day in UTC", today())
      .option("--out <file>", "write a .csv or .parquet file in place of printing")
      .option("--json", "print the rows as JSON")
      .addHelpText("after", `\nExample: ./hft tca ${example}`)
      .action(async (options: { clickhouse: string; day: string; out?: string; json?: true }) => {
        const { overDay, printRows } = await import("../store/tca.ts");
        const out = options.out ?? null;
        const rows = await overDay(name, options.clickhouse, options.day, out);
        if (out === null) printRows(rows, options.json ?? false);
        else process.stdout.write(`${options.json ? JSON.stringify({ out }) : out}\n`);
      });
  };
  over(
    "daily",
    "tca",
    "cost by instrument and side against the book at decision, arrival and fill, with fees",
    "daily --clickhouse http://127.0.0.1:8123 --day 2026-11-27",
  );
  over(
    "orders",
    "best-execution",
    "the best-execution record of every order",
    "orders --clickhouse http://127.0.0.1:8123 --out orders.parquet",
  );
}
