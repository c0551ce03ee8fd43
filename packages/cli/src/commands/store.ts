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
  store
    .command("verify")
    .description(
      "whether stores hold the WAL: every stream by count, bounds and hash, every table by content",
    )
    .requiredOption("--wal <folder>", "the recorder's walDir, at rest or bounded by --until")
    .option("--clickhouse <url>", "a ClickHouse")
    .option("--database <url>", "postgres://… or sqlite:FILE")
    .option("--until <moment>", "a wal_seq, or a time as 2026-11-27T12:00:00.123Z")
    .option("--json", "print the result object as the last line")
    .addHelpText(
      "after",
      "\nExample: ./hft store verify --wal wal --clickhouse http://127.0.0.1:8123",
    )
    .action(
      async (options: {
        wal: string;
        clickhouse?: string;
        database?: string;
        until?: string;
        json?: true;
      }) => {
        const { verifyStores } = await import("../store/verify.ts");
        const { existing, moment } = await import("../store/options.ts");
        const { report } = await import("../result.ts");
        const value = await verifyStores({
          wal: existing("--wal", options.wal),
          clickhouse: options.clickhouse ?? null,
          database: options.database ?? null,
          until: moment(options.until),
          say,
        });
        report(value, options.json ?? false);
      },
    );
  store
    .command("backup")
    .description("copy the sealed WAL and the tables that are not made from it")
    .requiredOption("--wal <folder>", "the recorder's walDir")
    .requiredOption("--to <folder>", "a new folder")
    .option("--database <url>", "postgres://… or sqlite:FILE: its limits, experiments and audit")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft store backup --wal wal --to /backup/2026-11-27")
    .action(async (options: { wal: string; to: string; database?: string; json?: true }) => {
      const { backup } = await import("../store/backup.ts");
      const { existing } = await import("../store/options.ts");
      const { report } = await import("../result.ts");
      const wal = existing("--wal", options.wal);
      const value = await backup({ wal, to: options.to, database: options.database ?? null, say });
      report(value, options.json ?? false);
    });
  store
    .command("restore")
    .description("put a backup or tiered days back, each file held against its manifest")
    .requiredOption("--from <folder>", "what store backup or store tier wrote")
    .option("--wal <folder>", "of a backup: a new folder for the WAL; then store rebuild")
    .option("--database <url>", "of a backup: where limits, experiments and audit go")
    .option("--clickhouse <url>", "of tiered days: the ClickHouse they go back to")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft store restore --from /backup/2026-11-27 --wal wal")
    .action(
      async (options: {
        from: string;
        wal?: string;
        database?: string;
        clickhouse?: string;
        json?: true;
      }) => {
        const { existing } = await import("../store/options.ts");
        const { report } = await import("../result.ts");
        const { UsageError } = await import("../sim/options.ts");
        const from = existing("--from", options.from);
        const { wal, clickhouse } = options;
        if ((wal === undefined) === (clickhouse === undefined))
          throw new UsageError("want --wal for a backup or --clickhouse for tiered days");
        const { restore } = await import("../store/backup.ts");
        const { restoreTier } = await import("../store/tier.ts");
        const value =
          wal !== undefined
            ? await restore({ from, wal, database: options.database ?? null })
            : await restoreTier(from, clickhouse ?? "", say);
        report(value, options.json ?? false);
      },
    );
  store
    .command("tier")
    .description(
      "older days of market data as Parquet files with a manifest, each proven by reading it back",
    )
    .requiredOption("--clickhouse <url>", "the ClickHouse")
    .requiredOption("--to <folder>", "where the files and their manifest lie")
    .option("--keep-days <n>", "whole days that stay", "30")
    .option("--drop", "give the days up in ClickHouse once their files are proven")
    .option("--json", "print the result object as the last line")
    .addHelpText(
      "after",
      "\nExample: ./hft store tier --clickhouse http://127.0.0.1:8123 --to /tier --drop",
    )
    .action(
      async (options: {
        clickhouse: string;
        to: string;
        keepDays: string;
        drop?: true;
        json?: true;
      }) => {
        const { tier } = await import("../store/tier.ts");
        const { whole } = await import("../store/options.ts");
        const { report } = await import("../result.ts");
        const value = await tier({
          clickhouse: options.clickhouse,
          to: options.to,
          keepDays: whole("--keep-days", options.keepDays, 0, 36_500),
          drop: options.drop ?? false,
          nowNs: BigInt(Date.now()) * 1_000_000n,
          say,
        });
        report(value, options.json ?? false);
      },
    );
  store
    .command("ask")
    .description("run a query of the SQL cookbook")
    .argument("<name>", "a name of the cookbook")
    .option("--clickhouse <url>", "a ClickHouse")
    .option("--database <url>", "postgres://… or sqlite:FILE")
    .option("--param <pairs...>", "name=value")
    .option("--json", "print the rows as JSON")
    .addHelpText("after", "\nExample: ./hft store ask orders --database sqlite:orders.db")
    .action(
      async (
        name: string,
        options: { clickhouse?: string; database?: string; param?: string[]; json?: true },
      ) => {
        const { ask, printRows } = await import("../store/tca.ts");
        const { UsageError } = await import("../sim/options.ts");
        const { QUERIES } = await import("@tidegate/storage");
        if (!QUERIES.some((each) => each.name === name))
          throw new UsageError(
            `${name}: want one of ${QUERIES.map((each) => each.name).join(", ")}`,
          );
        const stores = {
          clickhouse: options.clickhouse ?? null,
          database: options.database ?? null,
        };
        printRows(await ask(name, stores, options.param ?? []), options.json ?? false);
      },
    );
}
