import type { Command } from "commander";

/** `hft bench …`: speed beside a floor or a peer of the same run. One subcommand a bench, with its own options. */
export function addBench(program: Command, root: string): void {
  const bench = program
    .command("bench")
    .description("measure beside a floor or a peer of the same run");

  bench
    .command("chain")
    .description("the whole chain of services over the bus")
    .option("--transport <name>", "zmq", "zmq")
    .option("--rounds <n>", "interleaved rounds", "5")
    .option("--messages <n>", "messages a round", "2000")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft bench chain --transport zmq --json")
    .action(
      async (options: { transport: string; rounds: string; messages: string; json?: true }) => {
        const { benchChainCommand } = await import("../bench.ts");
        await benchChainCommand({ ...options, json: options.json ?? false });
      },
    );

  bench
    .command("book")
    .description("L2 and L3 books beside hftbacktest's depth structures, same updates")
    .option("--data <folder>", "the reference data (default: TIDEGATE_DATA)")
    .option("--rounds <n>", "interleaved rounds", "15")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft bench book --data <folder> --json")
    .action(async (options: { data?: string; rounds: string; json?: true }) => {
      const { benchPeer } = await import("../bench.ts");
      await benchPeer(root, "book", { ...options, json: options.json ?? false });
    });

  bench
    .command("backtest")
    .description(
      "the backtester beside hftbacktest, its crate and its Python package, and nautilus_trader",
    )
    .option("--data <folder>", "the reference data (default: TIDEGATE_DATA)")
    .option("--rounds <n>", "interleaved rounds", "15")
    .option("--only <part>", "crate (within one process) or python (beside a strategy file)")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: slow (our side), wrong (another strategy)")
    .addHelpText("after", "\nExample: ./hft bench backtest --data <folder> --json")
    .action(
      async (options: {
        data?: string;
        rounds: string;
        only?: string;
        json?: true;
        break?: string;
      }) => {
        const { benchBacktest } = await import("../backtest/peer.ts");
        const { report } = await import("../result.ts");
        const { data, rounds, only: part, break: plant } = options;
        report(await benchBacktest(root, { data, rounds, part, plant }), options.json ?? false);
      },
    );

  bench
    .command("gateway")
    .description(
      "the gateway's decision beside nine bare checks, its journal beside the disk alone",
    )
    .option("--rounds <n>", "interleaved rounds", "13")
    .option("--commits <n>", "commits of a round of the closed loop", "2000")
    .option("--dir <folder>", "a folder on the disk to measure", "var")
    .option("--size <name>", "full, or tiny as the tests run it", "full")
    .option(
      "--cpus <rule>",
      "kept: decisions away from interrupts; any: the system's choice",
      "kept",
    )
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft bench gateway --json")
    .action(
      async (options: {
        rounds: string;
        commits: string;
        dir: string;
        size: string;
        cpus: string;
        json?: true;
      }) => {
        const { mkdirSync } = await import("node:fs");
        const { resolve } = await import("node:path");
        const { prove } = await import("./measured.ts");
        const { report } = await import("../result.ts");
        const dir = resolve(root, options.dir);
        mkdirSync(dir, { recursive: true });
        const { rounds, commits, size, cpus } = options;
        const value = await prove(root, "bench gateway", { rounds, commits, size, cpus, dir });
        report(value, options.json ?? false);
      },
    );

  bench
    .command("matching")
    .description("the matching core beside a floor and two open engines, a recorded day of orders")
    .option("--data <folder>", "the reference data (default: TIDEGATE_DATA)")
    .option("--rounds <n>", "interleaved rounds", "15")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft bench matching --data <folder> --json")
    .action(async (options: { data?: string; rounds: string; json?: true }) => {
      const { benchPeer } = await import("../bench.ts");
      await benchPeer(root, "matching", { ...options, json: options.json ?? false });
    });

  bench
    .command("router")
    .description("from a command to its order's bytes at a socket, beside a raw write of them")
    .option("--rounds <n>", "interleaved rounds", "13")
    .option("--orders <n>", "orders of a round", "2000")
    .option("--dir <folder>", "a folder for the journals of some figures", "var")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: slow, twice (each order is written twice), wrong")
    .addHelpText("after", "\nExample: ./hft bench router --json")
    .action(
      async (options: {
        rounds: string;
        orders: string;
        dir: string;
        json?: true;
        break?: string;
      }) => {
        const { mkdirSync } = await import("node:fs");
        const { resolve } = await import("node:path");
        const { benchRouter } = await import("../bench-router.ts");
        const { report } = await import("../result.ts");
        const { json, ...flags } = options;
        const dir = resolve(root, flags.dir);
        mkdirSync(dir, { recursive: true });
        report(await benchRouter(root, { ...flags, dir }), json ?? false);
      },
    );

  bench
    .command("wal")
    .description("the WAL's barrier beside a raw preallocated append and fdatasync")
    .option("--rounds <n>", "interleaved rounds", "60")
    .option("--dir <folder>", "a folder on the disk to measure", "var")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: slow (our side syncs a second file)")
    .addHelpText("after", "\nExample: ./hft bench wal --json")
    .action(async (options: { rounds: string; dir: string; json?: true; break?: string }) => {
      const { mkdirSync } = await import("node:fs");
      const { resolve } = await import("node:path");
      const { prove } = await import("./measured.ts");
      const { report } = await import("../result.ts");
      const dir = resolve(root, options.dir);
      mkdirSync(dir, { recursive: true });
      const { rounds, break: plant } = options;
      const value = await prove(root, "bench wal", { rounds, dir, break: plant });
      report(value, options.json ?? false);
    });

  bench
    .command("features")
    .description("the 27 features beside the normaliser, five indicators beside TA-Lib's C loops")
    .option("--data <folder>", "the reference data (default: TIDEGATE_DATA)")
    .option("--rounds <n>", "interleaved rounds", "15")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft bench features --data <folder> --json")
    .action(async (options: { data?: string; rounds: string; json?: true }) => {
      const { benchPeer } = await import("../bench.ts");
      await benchPeer(root, "features", { ...options, json: options.json ?? false });
    });

  bench
    .command("normalise")
    .description("Binance bytes to checked events, beside sonic-rs, barter-data and JSON.parse")
    .option("--data <folder>", "the reference data (default: TIDEGATE_DATA)")
    .option("--rounds <n>", "interleaved rounds", "7")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft bench normalise --data <folder> --json")
    .action(async (options: { data?: string; rounds: string; json?: true }) => {
      const { benchNormaliseCommand } = await import("../bench.ts");
      await benchNormaliseCommand(root, { ...options, json: options.json ?? false });
    });

  bench
    .command("load")
    .description("from a WAL into ClickHouse, beside the same rows from buffers made before")
    .option("--rows <n>", "records to load", "200000")
    .option("--rounds <n>", "interleaved rounds", "15")
    .option("--seed <n>", "seed of the day that is recorded", "1")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft bench load --json")
    .action(async (options: { rows: string; rounds: string; seed: string; json?: true }) => {
      const { benchLoad } = await import("../store/bench-load.ts");
      const { whole } = await import("../store/options.ts");
      const { report } = await import("../result.ts");
      const value = await benchLoad({
        rows: whole("--rows", options.rows, 1_000, 10_000_000),
        rounds: whole("--rounds", options.rounds, 1, 100),
        seed: whole("--seed", options.seed, 0, 2 ** 32 - 1),
        say: (line) => process.stderr.write(`hft: ${line}\n`),
      });
      report(value, options.json ?? false);
    });
}
