import type { Command } from "commander";

const say = (line: string): void => {
  process.stderr.write(`hft: ${line}\n`);
};

/** `hft store …`: the databases behind the WAL. */
export function addStore(program: Command): void {
  const store = program.command("store").description("the databases behind the WAL");
  store
    .command("rebuild")
    .description("make stores anew from the WAL alone and compare every table with it")
    .option("--check", "prove it on stores of its own: ClickHouse, PostgreSQL and SQLite")
    .option("--rows <n>", "with --check: rows each store has to hold", "1000000")
    .option("--seed <n>", "with --check: seed of the day that is recorded", "1")
    .option("--wal <folder>", "the recorder's walDir (default with --check: a day made for it)")
    .option("--clickhouse <url>", "the ClickHouse to rebuild")
    .option("--database <url>", "the store to rebuild: postgres://… or sqlite:FILE")
    .option("--until <moment>", "a wal_seq, or a time as 2026-11-27T12:00:00.123Z")
    .option("--replace", "drop what the stores hold")
    .option("--json", "print the result object as the last line")
    .option(
      "--break <name>",
      "with --check, plant a fault: drop-row, double-row, alter-value, skip-block",
    )
    .addHelpText("after", "\nExample: ./hft store rebuild --check --json")
    .action(
      async (options: {
        check?: true;
        rows: string;
        seed: string;
        wal?: string;
        clickhouse?: string;
        database?: string;
        until?: string;
        replace?: true;
        json?: true;
        break?: string;
      }) => {
        const { rebuild, rebuildCheck } = await import("../store/rebuild.ts");
        const { existing, moment, whole } = await import("../store/options.ts");
        const { report } = await import("../result.ts");
        const wal = options.wal === undefined ? null : existing("--wal", options.wal);
        const value =
          options.check === true
            ? await rebuildCheck({
                rows: whole("--rows", options.rows, 1, 100_000_000),
                seed: whole("--seed", options.seed, 0, 2 ** 32 - 1),
                wal,
                plant: options.break ?? null,
                say,
              })
            : await rebuild({
                wal: wal ?? existing("--wal", undefined),
                clickhouse: options.clickhouse ?? null,
                database: options.database ?? null,
                until: moment(options.until),
                replace: options.replace ?? false,
                say,
              });
        report(value, options.json ?? false);
      },
    );
}
