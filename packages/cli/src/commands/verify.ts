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
    .command("normaliser")
    .description(
      "hold every reader of raw messages against recorded messages with independent answers",
    )
    .option("--json", "print the result object as the last line")
    .option("--data <folder>", "the reference data; TIDEGATE_DATA otherwise")
    .option("--seed <n>", "seed of the mutations and of the other spellings (1)")
    .option("--mutations <n>", "mutated messages (1000000)")
    .option(
      "--break <name>",
      "plant one fault: swap-sides, drop-event, panic, rename-key or drop-live",
    )
    .addHelpText("after", "\nExample: ./hft verify normaliser --data <folder> --json")
    .action(
      async (options: {
        json?: true;
        data?: string;
        seed?: string;
        mutations?: string;
        break?: string;
      }) => {
        const { dataFolder, prove } = await import("./measured.ts");
        const { report } = await import("../result.ts");
        const { json, data, ...flags } = options;
        const given = { data: dataFolder(data), ...flags };
        report(await prove(root, "verify normaliser", given), json ?? false);
      },
    );
  verify
    .command("books")
    .description(
      "hold the books against what the venues say, set by set; or against streams with faults",
    )
    .option("--json", "print the result object as the last line")
    .option("--data <folder>", "the reference data; TIDEGATE_DATA otherwise")
    .option("--mutate <kinds>", "mutate the streams: of drop,dup,reorder,truncate")
    .option("--rate <part>", "with --mutate: the part of the messages (0.01)")
    .option("--seeds <n>", "with --mutate: replays of each stream (50)")
    .option("--seed <n>", "with --mutate: the first seed (1)")
    .option(
      "--break <name>",
      "plant one fault: skip-level, forget-order, bad-checksum or skip-message; with --mutate ignore-gap, accept-bad-checksum or never-repair",
    )
    .addHelpText(
      "after",
      "\nExample: ./hft verify books --data <folder> --mutate drop,dup,reorder,truncate --json",
    )
    .action(async (options: { json?: true; data?: string } & Record<string, string>) => {
      const { dataFolder, prove } = await import("./measured.ts");
      const { report } = await import("../result.ts");
      const { json, data, ...flags } = options;
      report(
        await prove(root, "verify books", { data: dataFolder(data), ...flags }),
        json ?? false,
      );
    });
  verify
    .command("features")
    .description(
      "features against published vectors, an exact model, reference indicators, recomputation",
    )
    .option("--json", "print the result object as the last line")
    .option("--data <folder>", "the reference data; TIDEGATE_DATA otherwise")
    .option("--break <name>", "plant a fault: ema-alpha, rsi-seed, batch-offset, vector-digit")
    .addHelpText("after", "\nExample: ./hft verify features --data <folder> --json")
    .action(async (options: { data?: string; json?: true; break?: string }) => {
      const { dataFolder, prove } = await import("./measured.ts");
      const { report } = await import("../result.ts");
      const flags = { data: dataFolder(options.data), break: options.break };
      report(await prove(root, "verify features", flags), options.json ?? false);
    });
  verify
    .command("controls")
    .description("each control of the gateway at its boundary, each reason code given by a case")
    .option("--json", "print the result object as the last line")
    .option("--seed <n>", "seed of the random orders (1)")
    .option(
      "--break <name>",
      "plant a fault: loose-collar, loose-size, forget-window, drop-control, drop-reason",
    )
    .addHelpText("after", "\nExample: ./hft verify controls --json")
    .action(async (options: { json?: true; seed?: string; break?: string }) => {
      const { prove } = await import("./measured.ts");
      const { report } = await import("../result.ts");
      const flags = { seed: options.seed, break: options.break };
      report(await prove(root, "verify controls", flags), options.json ?? false);
    });
  verify
    .command("accounting")
    .description(
      "positions, cash and profit against recorded books, vectors and a plain exact model",
    )
    .option("--json", "print the result object as the last line")
    .option("--data <folder>", "the reference data; TIDEGATE_DATA otherwise")
    .option("--seed <n>", "seed of the random histories (1)")
    .option(
      "--break <name>",
      "plant a fault: short-sign, lost-fee, inverse-linear, funding-sign, stale-rate, drop-settlement",
    )
    .addHelpText("after", "\nExample: ./hft verify accounting --data <folder> --json")
    .action(async (options: { json?: true; data?: string; seed?: string; break?: string }) => {
      const { dataFolder, prove } = await import("./measured.ts");
      const { report } = await import("../result.ts");
      const { data, seed, break: plant } = options;
      const flags = { data: dataFolder(data), seed, break: plant };
      report(await prove(root, "verify accounting", flags), options.json ?? false);
    });
  verify
    .command("backtest")
    .description("the backtester beside hftbacktest: every execution, cash and fee, case by case")
    .option("--json", "print the result object as the last line")
    .option("--data <folder>", "the reference data; TIDEGATE_DATA otherwise")
    .option("--break <name>", "plant a fault: queue, fee, latency")
    .addHelpText("after", "\nExample: ./hft verify backtest --data <folder> --json")
    .action(async (options: { json?: true; data?: string; break?: string }) => {
      const { verifyBacktest } = await import("../backtest/peer.ts");
      const { report } = await import("../result.ts");
      const value = await verifyBacktest(root, options.data, options.break);
      report(value, options.json ?? false);
    });
  verify
    .command("report")
    .description("a backtest's report in a real browser without a network, against its JSON")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: number, plot, script, network, table")
    .addHelpText("after", "\nExample: ./hft verify report --json")
    .action(async (options: { json?: true; break?: string }) => {
      const { verifyReport } = await import("../backtest/verify-report.ts");
      const { report } = await import("../result.ts");
      report(await verifyReport(root, options.break ?? null), options.json ?? false);
    });
  verify
    .command("statistics")
    .description(
      "Sharpe, drawdown, deflated Sharpe, overfitting, bootstrap against other programs, published examples, plain models",
    )
    .option("--json", "print the result object as the last line")
    .option("--data <folder>", "the reference data; TIDEGATE_DATA otherwise")
    .option(
      "--break <name>",
      "plant a fault: population-deviation, losing-days, excess-kurtosis, forgotten-try, short-drawdown, upper-half, single-draws, no-gap",
    )
    .addHelpText("after", "\nExample: ./hft verify statistics --data <folder> --json")
    .action(async (options: { json?: true; data?: string; break?: string }) => {
      const { verifyStatistics } = await import("../statistics/verify.ts");
      const { report } = await import("../result.ts");
      report(verifyStatistics(root, options.data, options.break), options.json ?? false);
    });
  verify
    .command("matching")
    .description(
      "the matching core and the simulated venue against other engines' scenarios, recorded queues, a plain model",
    )
    .option("--json", "print the result object as the last line")
    .option("--data <folder>", "the reference data; TIDEGATE_DATA otherwise")
    .option("--seed <n>", "seed of the random commands (1)")
    .option("--break <name>", "plant a fault: shift-price, drop-command, lose-trade")
    .addHelpText("after", "\nExample: ./hft verify matching --data <folder> --json")
    .action(async (options: { json?: true; data?: string; seed?: string; break?: string }) => {
      const { dataFolder, prove } = await import("./measured.ts");
      const { report } = await import("../result.ts");
      const { data, seed, break: plant } = options;
      const flags = { data: dataFolder(data), seed, break: plant };
      report(await prove(root, "verify matching", flags), options.json ?? false);
    });
  verify
    .command("schema")
    .description(
      "migrations up, down and up on ClickHouse, PostgreSQL and SQLite; columns of writers and tables; the SQL cookbook",
    )
    .option("--wal <folder>", "records to load (default: those of a short run of the cluster)")
    .option("--json", "print the result object as the last line")
    .option(
      "--break <name>",
      "plant a fault: drop-column, retype-column, broken-query, lossy-migration",
    )
    .addHelpText("after", "\nExample: ./hft verify schema --json")
    .action(async (options: { wal?: string; json?: true; break?: string }) => {
      const { verifySchema } = await import("../store/schema.ts");
      const { existing } = await import("../store/options.ts");
      const { report } = await import("../result.ts");
      const value = await verifySchema(root, {
        wal: options.wal === undefined ? null : existing("--wal", options.wal),
        plant: options.break ?? null,
        say: (line) => process.stderr.write(`hft: ${line}\n`),
      });
      report(value, options.json ?? false);
    });
  verify
    .command("parity")
    .description(
      "a captured session of separate processes, run again: the same intents and records",
    )
    .option("--data <folder>", "the reference data (default: data/samples)")
    .option("--duration <seconds>", "wall seconds of the session", "130")
    .option("--speed <factor>", "recorded seconds per wall second", "5")
    .option("--seed <n>", "seed of everything random", "1")
    .option("--session <folder>", "one that was captured before, instead of a new one")
    .option("--keep", "keep the session's files")
    .option("--json", "print the result object as the last line")
    .option(
      "--break <name>",
      "plant a fault: drop, reorder, price, event, recorded, twice, lockstep",
    )
    .addHelpText("after", "\nExample: ./hft verify parity --data <folder> --json")
    .action(
      async (options: {
        data?: string;
        duration: string;
        speed: string;
        seed: string;
        session?: string;
        keep?: true;
        json?: true;
        break?: string;
      }) => {
        const { verifyParity } = await import("../replay/verify.ts");
        const { report } = await import("../result.ts");
        const { data, duration, speed, seed, session, keep, json, break: plant } = options;
        const words = { data, duration, speed, seed, session, keep: keep ?? false, plant };
        report(await verifyParity(root, words), json ?? false);
      },
    );
}
