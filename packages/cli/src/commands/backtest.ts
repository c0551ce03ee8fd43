import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import type { Command } from "commander";
import type { RunWords } from "../backtest/prepare.ts";
import { UsageError } from "../sim/options.ts";

interface RunFlags {
  readonly data?: readonly string[];
  readonly params?: readonly string[];
  readonly seed: string;
  readonly latency?: readonly string[];
  readonly fees?: readonly string[];
  readonly queue: string;
  readonly fill: string;
  readonly sample: string;
  readonly capital: string;
  readonly instruments: string;
  readonly limits: string;
  readonly limitsFor: string;
  readonly out?: string;
  readonly report?: true;
  readonly json?: true;
}

async function wordsOf(strategy: string, flags: RunFlags): Promise<RunWords> {
  const { parseParams } = await import("../backtest/options.ts");
  const seed = Number(flags.seed);
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new UsageError(`--seed ${flags.seed}: want a whole number from 0 on`);
  }
  return {
    strategy,
    data: flags.data ?? [],
    params: parseParams(flags.params ?? []),
    seed,
    latency: flags.latency ?? [],
    fees: flags.fees ?? [],
    queue: flags.queue,
    fill: flags.fill,
    sample: flags.sample,
    capital: Number(flags.capital),
    instruments: flags.instruments,
    limits: flags.limits,
    limitsFor: flags.limitsFor,
  };
}

/** `hft backtest …`: strategies over recorded markets. */
export function addBacktest(program: Command, root: string): void {
  const group = program.command("backtest").description("run strategies over recorded markets");

  /** The words every run has. */
  const runCommand = (name: string, description: string): Command =>
    group
      .command(name)
      .description(description)
      .argument("<strategy>", "a name in strategies/ or a .ts file")
      .option("--data <what...>", "tapes, or INSTRUMENT=FILE of captures (default: data/samples)")
      .option("--params <what...>", "name=value, or a JSON object")
      .option("--seed <n>", "seed of ctx.random() and of drawn latencies", "1")
      .option(
        "--latency <what...>",
        "5ms, 5ms/3ms, orders:FILE or drawn:FILE; INSTRUMENT=… for one",
      )
      .option("--fees <what...>", "2bp/5bp maker/taker, lot:… or fill:…; INSTRUMENT=… for one")
      .option(
        "--queue <model>",
        "risk-averse, power:N, power-of-all:N, power-of-share:N, log, log-of-all",
        "risk-averse",
      )
      .option("--fill <model>", "consuming, partial or whole", "consuming")
      .option("--sample <time>", "how often the account is written down", "1s")
      .option("--capital <amount>", "what returns are parts of", "100000")
      .option("--instruments <file>", "the instrument table", "config/instruments.json")
      .option(
        "--limits <file>",
        "the gateway's limits, decided by its own core; none: no gateway",
        "none",
      )
      .option("--limits-for <id>", "whose rows of the limits: STRATEGY or STRATEGY/ACCOUNT", "1/1");

  runCommand("run", "run one strategy file over tapes or captures, and audit its fills")
    .option("--out <folder>", "where result.json goes (default: var/backtests/…)")
    .option("--report", "also write report.html, equity.parquet and fills.parquet")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft backtest run simple-mm --latency 5ms --report")
    .action(async (strategy: string, flags: RunFlags) => {
      const { runBacktest, told } = await import("../backtest/run.ts");
      const { report } = await import("../result.ts");
      const words = await wordsOf(strategy, flags);
      const options = { out: flags.out ?? null, report: flags.report ?? false };
      const { value, document, dir } = await runBacktest(root, words, options);
      if (flags.json !== true) process.stdout.write(`${told(document, dir)}\n`);
      report(value, flags.json ?? false);
    });

  runCommand(
    "check",
    "does a strategy know the future, repeat itself, or depend on where its data begin",
  )
    .option("--break <name>", "plant a fault: look-ahead, clock")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft backtest check simple-mm --json")
    .action(async (strategy: string, flags: RunFlags & { break?: string }) => {
      const { checkBias } = await import("../backtest/bias.ts");
      const { report } = await import("../result.ts");
      const value = await checkBias(root, await wordsOf(strategy, flags), flags.break ?? null);
      if (flags.json !== true) {
        process.stdout.write(`${JSON.stringify(value.figures["rounds"], null, 1)}\n`);
      }
      report(value, flags.json ?? false);
    });

  group
    .command("compare")
    .description(
      "what two runs have in common, and the first fill in which they part; 1 where they do",
    )
    .argument("<a>", "a run's folder or result.json")
    .argument("<b>", "another")
    .option("--json", "print the comparison as JSON")
    .addHelpText("after", "\nExample: ./hft backtest compare var/backtests/one var/backtests/two")
    .action(async (a: string, b: string, { json }: { json?: true }) => {
      const { compare, comparisonText, readDocument } = await import("../backtest/compare.ts");
      const value = compare(readDocument(a), readDocument(b));
      process.stdout.write(`${json ? JSON.stringify(value) : comparisonText(value)}\n`);
      process.exitCode = value.same ? 0 : 1;
    });

  group
    .command("convert")
    .description("make a tape of recordings of one instrument")
    .argument(
      "<files...>",
      "captures in their order, one .npz of hftbacktest's, a LOBSTER pair, .dbn files, or tables",
    )
    .requiredOption("--instrument <id>", "an id of the instrument table, or VENUE:SYMBOL")
    .requiredOption("--out <file>", "the tape")
    .option("--instruments <file>", "the instrument table", "config/instruments.json")
    .option("--format <name>", "binance, npz, lobster, dbn or table (default: by the name)")
    .option("--date <day>", "the exchange's day, of lobster's files")
    .option("--symbol <name>", "the instrument's symbol or number in the files, of dbn")
    .option("--columns <file>", "what the columns mean, of a table (JSON)")
    .option(
      "--base-latency <time>",
      "what the fastest message took, where the clock was wrong",
      "0ms",
    )
    .option("--json", "print what was made as JSON")
    .addHelpText(
      "after",
      "\nExample: ./hft backtest convert day.jsonl.gz --instrument BINANCE_USDM:BTCUSDT --out day.tape",
    )
    .action(async (files: string[], flags: Record<string, string> & { json?: true }) => {
      const { convertTo } = await import("../backtest/catalogue.ts");
      const { durationNs } = await import("../backtest/options.ts");
      const words = {
        files,
        instrument: flags["instrument"] ?? "",
        instruments: flags["instruments"] ?? "",
        format: flags["format"] ?? null,
        baseNs: durationNs("--base-latency", flags["baseLatency"] ?? ""),
        date: flags["date"] ?? null,
        symbol: flags["symbol"] ?? null,
        columns: flags["columns"] ?? null,
      };
      const made = await convertTo(root, words, flags["out"] ?? "");
      const { tape } = made;
      const text = `${tape.path}: ${tape.receivedRows} rows of ${made.messages} messages, ${made.leftOut} left out, ${made.dust} sizes cut to a lot; receive times moved by ${tape.header.added_latency_ns} ns; hash ${tape.hash}`;
      process.stdout.write(`${flags.json ? JSON.stringify(made) : text}\n`);
    });

  group
    .command("sweep")
    .description("run every combination of a spec over worker processes; what is done stays done")
    .argument("<spec>", "a JSON file: the words of a run, with lists of parameters and seeds")
    .option("--out <folder>", "results and job table (default: var/sweeps/NAME-OF-THE-SPEC)")
    .option("--workers <n>", "worker processes of this machine", "2")
    .option("--redis <url>", "take jobs from a queue on Redis, which many machines may share")
    .option("--shard <part>", "INDEX/COUNT: only this part of the jobs")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft backtest sweep spec.json --workers 2")
    .action(async (spec: string, flags: Record<string, string> & { json?: true }) => {
      const { sweep } = await import("../backtest/sweep/sweep.ts");
      const { parseShard } = await import("../backtest/sweep/spec.ts");
      const { report } = await import("../result.ts");
      if (!existsSync(spec)) throw new UsageError(`${spec}: there is no such file`);
      const value = await sweep(root, spec, {
        out: flags["out"] ?? join(root, "var/sweeps", basename(spec, ".json")),
        workers: Number(flags["workers"]),
        redis: flags["redis"] ?? null,
        shard: flags["shard"] === undefined ? null : parseShard(flags["shard"]),
      });
      if (flags.json !== true) process.stdout.write(`${JSON.stringify(value.figures, null, 1)}\n`);
      report(value, flags.json ?? false);
    });

  group
    .command("walk-forward")
    .description("choose parameters on each train window, try them on what follows; resumable")
    .argument("<spec>", "a JSON file: a sweep's words, with its windows in `walk`")
    .option("--out <folder>", "results and job table (default: var/walks/NAME-OF-THE-SPEC)")
    .option("--workers <n>", "worker processes of this machine", "2")
    .option("--redis <url>", "take jobs from a queue on Redis, which many machines may share")
    .option("--break <name>", "plant a fault: leak")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft backtest walk-forward walk.json --workers 2")
    .action(async (spec: string, flags: Record<string, string> & { json?: true }) => {
      const { walkForward } = await import("../backtest/walk/walk.ts");
      const { report } = await import("../result.ts");
      if (!existsSync(spec)) throw new UsageError(`${spec}: there is no such file`);
      const value = await walkForward(root, spec, {
        out: flags["out"] ?? join(root, "var/walks", basename(spec, ".json")),
        workers: Number(flags["workers"]),
        redis: flags["redis"] ?? null,
        plant: flags["break"] ?? null,
      });
      if (flags.json !== true) process.stdout.write(`${JSON.stringify(value.figures, null, 1)}\n`);
      report(value, flags.json ?? false);
    });

  group
    .command("manifest")
    .description("print a Kubernetes Job that runs a sweep in shards")
    .requiredOption("--name <name>", "of the job, and of its folder in the volume")
    .requiredOption("--image <image>", "a Tidegate image")
    .requiredOption("--claim <name>", "a volume claim that all pods may write")
    .requiredOption("--spec <path>", "the spec's path in the volume")
    .option("--shards <n>", "pods", "4")
    .option("--cpu <n>", "of a pod", "1")
    .option("--memory <n>", "of a pod", "2Gi")
    .addHelpText(
      "after",
      "\nExample: ./hft backtest manifest --name mm --image tidegate:0.1.0 --claim sweeps --spec mm.json | kubectl apply -f -",
    )
    .action(
      async (
        flags: Record<"name" | "image" | "claim" | "spec" | "shards" | "cpu" | "memory", string>,
      ) => {
        const { jobManifest } = await import("../backtest/sweep/manifest.ts");
        const manifest = jobManifest({ ...flags, shards: Number(flags.shards) });
        process.stdout.write(`${JSON.stringify(manifest, null, 2)}\n`);
      },
    );
}
